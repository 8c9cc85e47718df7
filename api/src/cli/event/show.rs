//! `event show`: an event of the ledger, proved, or an event file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{EventHash, KeyId, LeafHash};
use countersign_ledger::id::{Author, Seq};
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde::Serialize;

use crate::cli::Context;
use crate::cli::submit::count;
use crate::cli::view::{ShownValue, values, write_values};
use crate::client::{ClientError, Distrust, KeyBook, Proven, Signatory};
use crate::escape::escaped;
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;
use crate::wire::proposals::{DroppedSignature, ProposalState};

#[derive(Debug, Args)]
#[command(after_long_help = "\
An event of the ledger is shown only after its receipt was checked: it is in the ledger,
under a checkpoint that extends the newest one that you have seen. --receipt keeps that
receipt. An event file is shown without a server; --policy asks one whose signatures are on
it (they are verified here) and whose the policy in force still asks for.

EXAMPLE
  countersign event show 12
  countersign event show receipt.event.json --policy")]
pub(super) struct ShowArgs {
    /// A seq, an event hash, or an event file
    event: String,
    /// Write the receipt to this file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Of an event file: ask the server who signed it and whose signatures are missing
    #[arg(long)]
    policy: bool,
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
    /// `until` is over, by this machine's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_passed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<Standing>,
}

/// How an event file stands under the policy in force.
#[derive(Debug, Serialize)]
struct Standing {
    /// Whose signatures are on it: verified here.
    signed: Vec<Signatory>,
    /// Those that do not count, and why.
    dropped: Vec<DroppedSignature>,
    state: ProposalState,
    awaiting: Vec<Author>,
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

impl Standing {
    fn of(submission: &Submission, event: &Event, context: &Context) -> Result<Self, Failure> {
        let client = context.client()?;
        let signed = KeyBook::of(&client)?.signatories(submission, event).map_err(|error| match error {
            ClientError::Distrust(Distrust::ProposalSignature { keyid }) => {
                Failure::refused(format_args!("the signature by {keyid} does not verify, or is by a key nobody knows"))
            }
            other => other.into(),
        })?;
        let view = client.preview(submission)?.view;
        Ok(Self {
            signed,
            dropped: view.dropped,
            state: view.state,
            awaiting: view.awaiting,
            missing: view.missing,
            rule: view.rule,
            why: view.problem.as_ref().map(ToString::to_string),
            hint: view.problem.and_then(|problem| problem.hint),
            seq: view.seq,
        })
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for Signatory { keyid, party } in &self.signed {
            let whose = party.as_ref().map_or_else(|| "which the event introduces".to_owned(), |p| format!("of {p}"));
            writeln!(out, "signed with key {keyid} {whose}")?;
        }
        for dropped in &self.dropped {
            writeln!(out, "does not count: {}", escaped(&dropped.why))?;
        }
        match (self.state, self.seq, &self.why) {
            (ProposalState::Recorded, Some(seq), _) => writeln!(out, "recorded as entry {seq}")?,
            (ProposalState::Complete, ..) => writeln!(out, "complete: it can be submitted")?,
            (_, _, Some(why)) => writeln!(out, "cannot be recorded: {}", escaped(why))?,
            _ => {}
        }
        for missing in &self.missing {
            writeln!(out, "missing: {}", escaped(missing))?;
        }
        match &self.hint {
            Some(hint) => writeln!(out, "hint: {}", escaped(hint)),
            None => Ok(()),
        }
    }
}

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match (self.seq, self.time) {
            (Some(seq), Some(time)) => writeln!(out, "entry {seq}, recorded {time}")?,
            _ => writeln!(out, "not recorded: an event file with {}", count(self.signatures.len(), "signature"))?,
        }
        write_values(out, &self.values)?;
        if self.until_passed == Some(true) {
            writeln!(out, "`until` has passed: it cannot be recorded any more")?;
        }
        match &self.standing {
            Some(standing) => standing.text(out)?,
            None => self.signatures.iter().try_for_each(|keyid| writeln!(out, "signed with key {keyid}"))?,
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
    if args.policy {
        return Err(Failure::usage("--policy is for an event file; this is recorded").hint("give the file"));
    }
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
        until_passed: None,
        standing: None,
    })
}

fn show_file(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    if args.receipt.is_some() {
        return Err(Failure::usage("an event file has no receipt").hint("give a seq or an event hash"));
    }
    let path = Path::new(&args.event);
    let submission = event_file::read(path).map_err(|failure| {
        if path.exists() {
            failure
        } else {
            failure.hint("expected a seq, an event hash (64 hex digits) or an event file")
        }
    })?;
    let event = Event::of_envelope(&submission.envelope).map_err(|e| Failure::usage(e).within(path.display()))?;
    let standing = args.policy.then(|| Standing::of(&submission, &event, context)).transpose()?;
    context.out().emit(&Shown {
        seq: None,
        time: None,
        leaf: None,
        values: values(&event, &submission.disclosures).map_err(Failure::usage)?,
        signatures: keyids(&submission.envelope),
        event: submission.envelope.event_hash(),
        until_passed: event.until.map(|until| until < SystemClock.now()),
        standing,
    })?;
    Ok(Exit::Done)
}

fn keyids(envelope: &countersign_ledger::envelope::Envelope) -> Vec<KeyId> {
    envelope.signatures().iter().map(|(keyid, _)| *keyid).collect()
}
