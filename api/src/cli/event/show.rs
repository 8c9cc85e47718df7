//! `event show`: an event of the ledger, proved, or an event file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{EventHash, KeyId, LeafHash};
use countersign_ledger::id::Seq;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::Time;
use serde::Serialize;

use crate::cli::Context;
use crate::cli::submit::count;
use crate::cli::view::{ShownValue, values, write_values};
use crate::client::Proven;
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;

#[derive(Debug, Args)]
#[command(after_long_help = "\
An event of the ledger is shown only after its receipt was checked: it is in the ledger,
under a checkpoint that extends the newest one that you have seen. --receipt keeps that
receipt.

EXAMPLE
  countersign event show 12
  countersign event show receipt.event.json")]
pub(super) struct ShowArgs {
    /// A seq, an event hash, or an event file
    event: String,
    /// Write the receipt to this file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf: Option<LeafHash>,
    values: Vec<ShownValue>,
    signatures: Vec<KeyId>,
    event: EventHash,
}

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match (self.seq, self.time) {
            (Some(seq), Some(time)) => writeln!(out, "entry {seq}, recorded {time}")?,
            _ => writeln!(out, "not recorded: an event file with {}", count(self.signatures.len(), "signature"))?,
        }
        write_values(out, &self.values)?;
        for keyid in &self.signatures {
            writeln!(out, "signed with key {keyid}")?;
        }
        if let Some(leaf) = &self.leaf {
            writeln!(out, "leaf {leaf}")?;
        }
        writeln!(out, "event {}", self.event)
    }
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let argument = args.event.as_str();
    let found = if let Ok(hash) = argument.parse::<EventHash>() {
        context.client()?.event(&hash)?
    } else if let Ok(seq) = argument.parse::<u64>() {
        context.client()?.entry(Seq(seq))?
    } else {
        return show_file(args, context);
    };
    let found = found.ok_or_else(|| Failure::refused(format_args!("there is no event {argument} in this ledger")))?;
    if let Some(path) = &args.receipt {
        files::create_new(path, (found.receipt.to_json() + "\n").as_bytes())?;
    }
    let shown = of_ledger(&found)?;
    context.out().emit(&shown)?;
    Ok(Exit::Done)
}

fn of_ledger(found: &Proven) -> Result<Shown, Failure> {
    Ok(Shown {
        seq: Some(found.seq),
        time: Some(found.time),
        leaf: Some(found.receipt.leaf()),
        values: values(&found.event, found.receipt.disclosures()).map_err(Failure::distrust)?,
        signatures: keyids(&found.envelope),
        event: found.hash,
    })
}

fn show_file(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    if args.receipt.is_some() {
        return Err(Failure::usage("an event file has no receipt").hint("give a seq or an event hash"));
    }
    let path = Path::new(&args.event);
    let Submission { envelope, disclosures } = event_file::read(path).map_err(|failure| {
        if path.exists() {
            failure
        } else {
            failure.hint("expected a seq, an event hash (64 hex digits) or an event file")
        }
    })?;
    let event = Event::of_envelope(&envelope).map_err(|e| Failure::usage(e).within(path.display()))?;
    context.out().emit(&Shown {
        seq: None,
        time: None,
        leaf: None,
        values: values(&event, &disclosures).map_err(Failure::usage)?,
        signatures: keyids(&envelope),
        event: envelope.event_hash(),
    })?;
    Ok(Exit::Done)
}

fn keyids(envelope: &countersign_ledger::envelope::Envelope) -> Vec<KeyId> {
    envelope.signatures().iter().map(|(keyid, _)| *keyid).collect()
}
