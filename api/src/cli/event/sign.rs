//! `event sign`: shows every value of an event file, asks, and adds a signature. Needs no server.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{EventHash, KeyId};
use countersign_ledger::submission::Submission;
use serde::Serialize;

use crate::cli::Context;
use crate::cli::submit::{check_body, count, sign, unseen};
use crate::cli::view::{ShownValue, values, write_values};
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Works offline. Every value that the signature will be under is shown, one a line, with
control, invisible and bidirectional characters escaped; concealed values are marked. The
file is replaced in one step.

EXAMPLE
  countersign event sign receipt.event.json --key officer.pem
  countersign event sign receipt.event.json --key officer.pem --ledger ID --yes")]
pub(super) struct SignArgs {
    /// The event file
    file: PathBuf,
    /// Write the signed event to another file instead
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only show the event; sign nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Signed {
    file: PathBuf,
    values: Vec<ShownValue>,
    signatures: Vec<KeyId>,
    added: Vec<KeyId>,
    event: EventHash,
    #[serde(skip)]
    shown: bool,
}

impl Report for Signed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.shown {
            write_values(out, &self.values)?;
        }
        let all = count(self.signatures.len(), "signature");
        for keyid in &self.added {
            writeln!(out, "signed with key {keyid}")?;
        }
        writeln!(out, "{} has {all}", self.file.display())?;
        writeln!(out, "event {}", self.event)
    }
}

pub(super) fn run(args: &SignArgs, context: &Context) -> Result<Exit, Failure> {
    let mut submission = event_file::read(&args.file)?;
    let target = args.output.as_deref().unwrap_or(&args.file);
    check_target(args, target)?;
    let event = Event::of_envelope(&submission.envelope).map_err(|e| Failure::usage(e).within(args.file.display()))?;
    check_ledger(&event, context)?;
    let values = values(&event, &submission.disclosures).map_err(Failure::usage)?;
    warn(&event, &submission, &values, context);
    let mut added = Vec::new();
    let mut shown = false;
    if !args.dry_run {
        let keys = context.some_keys()?;
        if !context.global().yes {
            // before the question, and on the terminal whatever stdout is
            write_values(&mut io::stderr().lock(), &values)?;
            shown = io::IsTerminal::is_terminal(&io::stdout());
            context.confirm(&format!("sign this with {}?", count(keys.len(), "key")))?;
        }
        sign(&mut submission, &keys)?;
        added.extend(keys.iter().map(|key| key.public().id()));
        files::replace(target, event_file::content(&submission).as_bytes())?;
    }
    context.out().emit(&Signed {
        file: target.to_owned(),
        values,
        signatures: submission.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect(),
        added,
        event: submission.envelope.event_hash(),
        shown,
    })?;
    Ok(Exit::Done)
}

fn check_target(args: &SignArgs, target: &Path) -> Result<(), Failure> {
    if args.output.is_some() {
        return files::must_be_free(target);
    }
    if target.as_os_str() == "-" && !args.dry_run {
        return Err(Failure::usage("an event from stdin has no file to be signed into").hint("give --output FILE"));
    }
    Ok(())
}

/// An event for another ledger than the one named is not signed.
fn check_ledger(event: &Event, context: &Context) -> Result<(), Failure> {
    let Some(named) = context.global().ledger else { return Ok(()) };
    match event.ledger {
        Some(found) if found != named => {
            Err(Failure::refused(format_args!("the event is for ledger {found}, expected {named}"))
                .hint("it would mean nothing in your ledger, and something in another"))
        }
        _ => Ok(()),
    }
}

/// Says what the ledger would refuse, and what is signed unseen. Neither keeps anybody from signing.
fn warn(event: &Event, submission: &Submission, values: &[ShownValue], context: &Context) {
    if let Some(unseen) = Some(unseen(values)).filter(|unseen| *unseen > 0) {
        context.out().warn(format_args!(
            "{} not disclosed: the signature would be under something that you cannot see",
            if unseen == 1 { "1 value is".to_owned() } else { format!("{unseen} values are") }
        ));
    } else if let Err(failure) = check_body(event, &submission.disclosures, None) {
        context.out().warn(format_args!("the ledger will refuse this event: {failure}"));
    }
}
