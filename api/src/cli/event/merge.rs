//! `event merge`: puts the signatures of copies of one event file together. Needs no server.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_ledger::envelope::Envelope;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{EventHash, KeyId};
use countersign_ledger::submission::Submission;
use serde::Serialize;

use crate::cli::Context;
use crate::cli::submit::count;
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;

#[derive(Debug, Args)]
#[command(after_long_help = "\
For an event that was sent to several parties at once: each signed its own copy. All must be
of the very same event, to the byte. Values that only one of them discloses are kept.

EXAMPLE
  countersign event merge donor.event.json recipient.event.json -o both.event.json")]
pub(super) struct MergeArgs {
    /// Copies of one event file
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the event with all signatures to this file
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Serialize)]
struct Merged {
    file: PathBuf,
    signatures: Vec<KeyId>,
    event: EventHash,
}

impl Report for Merged {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "wrote {} with {}", self.file.display(), count(self.signatures.len(), "signature"))?;
        writeln!(out, "event {}", self.event)
    }
}

pub(super) fn run(args: &MergeArgs, context: &Context) -> Result<Exit, Failure> {
    files::must_be_free(&args.output)?;
    let copies = args.files.iter().map(|path| event_file::read(path)).collect::<Result<Vec<_>, _>>()?;
    let (first, others) = copies.split_first().ok_or_else(|| Failure::usage("no file to merge"))?;
    Event::of_envelope(&first.envelope).map_err(|e| Failure::usage(e).within(args.files[0].display()))?;
    let merged = others.iter().zip(&args.files[1..]).try_fold(first.clone(), |merged, (copy, path)| {
        merge(merged, copy).map_err(|failure| failure.within(path.display()))
    })?;
    files::create_new(&args.output, event_file::content(&merged).as_bytes())?;
    context.out().emit(&Merged {
        file: args.output.clone(),
        signatures: merged.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect(),
        event: merged.envelope.event_hash(),
    })?;
    Ok(Exit::Done)
}

fn merge(mut into: Submission, copy: &Submission) -> Result<Submission, Failure> {
    if into.envelope.payload() != copy.envelope.payload() {
        let (expected, found) = (into.envelope.event_hash(), copy.envelope.event_hash());
        return Err(Failure::refused(format_args!("another event: expected {expected}, found {found}"))
            .hint("only copies of one draft can be merged: a new draft has a new id"));
    }
    let mut signatures = into.envelope.signatures().to_vec();
    for (keyid, signature) in copy.envelope.signatures() {
        match signatures.iter().find(|(known, _)| known == keyid) {
            None => signatures.push((*keyid, *signature)),
            Some((_, known)) if known == signature => {}
            Some(_) => return Err(Failure::refused(format_args!("key {keyid} signed twice, and differently"))),
        }
    }
    let new = copy.disclosures.iter().filter(|disclosure| !into.disclosures.contains(disclosure));
    let new: Vec<String> = new.cloned().collect();
    into.disclosures.extend(new);
    into.envelope = Envelope::new(into.envelope.payload().to_vec(), signatures).map_err(Failure::refused)?;
    Ok(into)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::keys::SigningKey;

    use super::*;

    #[test]
    fn copies_of_one_event_are_merged_and_others_refused() {
        let copy = |seed: u8, disclosures: &[&str]| {
            let envelope = Envelope::sign(b"{}".to_vec(), &[&SigningKey::from_seed(&[seed; 32])]).unwrap();
            Submission { envelope, disclosures: disclosures.iter().map(ToString::to_string).collect() }
        };
        let merged = merge(copy(1, &["a"]), &copy(2, &["a", "b"])).unwrap();
        assert_eq!(merged.envelope.signatures().len(), 2);
        assert_eq!(merged.disclosures, ["a", "b"]);
        assert_eq!(merge(merged.clone(), &copy(2, &[])).unwrap(), merged);
        let other = Submission { envelope: Envelope::new(b"[]".to_vec(), vec![]).unwrap(), disclosures: vec![] };
        assert!(merge(merged, &other).unwrap_err().message.starts_with("another event"));
    }
}
