//! `event`: drafts, signatures, submissions (SPEC §3, §4).

mod kinds;
mod meanwhile;
mod merge;
mod new;
mod show;
mod sign;
mod source;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_ledger::event::Event;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::TreeSize;
use countersign_ledger::submission::Submission;
use serde::Serialize;

use super::Context;
use super::outbox::{BASIS, EVENT};
use super::submit::{RecordedReport, count, receipt_name, write_receipt};
use super::witnessed::{self, Wait};
use crate::case_file::Basis;
use crate::client::ClientError;
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::output::Report;

/// Arguments of `event`.
#[derive(Debug, Args)]
pub struct EventArgs {
    #[command(subcommand)]
    command: EventCommand,
}

#[derive(Debug, Subcommand)]
enum EventCommand {
    /// Draft an event
    New(Box<new::NewArgs>),
    /// Show an event file and add a signature to it; needs no server
    Sign(sign::SignArgs),
    /// Put the signatures of copies of one event file together; needs no server
    Merge(merge::MergeArgs),
    /// Submit event files and keep the receipts
    Submit(SubmitFilesArgs),
    /// Show an event of the ledger, or an event file
    Show(show::ShowArgs),
    /// List the kinds, or write the JSON Schema of one; needs no server
    Kinds(kinds::KindsArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
An event that was recorded already gets its receipt again: to submit twice is safe. The
receipt of DRAFT.event.json is written to DRAFT.receipt.json, or with --receipt-dir to
DIR/HASH.receipt.json; it is checked first.

A folder stands for the event files in it. Where a folder has a basis.checkpoint, as `receive`
and `check new` write it, or --basis names one, it is told first, case by case, what was
recorded since: a transfer cancelled, a second receipt, a key retired or revoked, a case
amended, a serial received or checked elsewhere.

EXAMPLE
  countersign event submit dispatch.event.json receipt.event.json --receipt-dir receipts
  countersign event submit dispatch.event.json --wait witnessed
  what was made in the field; first only told what happened meanwhile:
    countersign event submit outbox --dry-run
    countersign event submit outbox")]
struct SubmitFilesArgs {
    /// Event files, or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Tell what happened since this checkpoint, or that of this bundle or receipt
    #[arg(long, value_name = "FILE")]
    basis: Option<PathBuf>,
    /// Only tell what happened meanwhile; send nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep the receipts in this folder
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_RECEIPTS")]
    receipt_dir: Option<PathBuf>,
    /// Then wait until the server's witnesses have cosigned it, and keep receipts at that checkpoint (status 3 if they do not in time)
    #[arg(long, value_name = "FOR", value_enum)]
    wait: Option<Wait>,
    /// Refuse an event that does not come directly after the head of its stream
    #[arg(long)]
    expect_head: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When a file cannot be read or written, or the server refuses.
pub fn run(args: EventArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        EventCommand::New(args) => new::run(&args, context),
        EventCommand::Sign(args) => sign::run(&args, context),
        EventCommand::Merge(args) => merge::run(&args, context),
        EventCommand::Submit(args) => submit(&args, context),
        EventCommand::Show(args) => show::run(&args, context),
        EventCommand::Kinds(args) => kinds::run(&args, context),
    }
}

/// An event that the server refused, beside others that it recorded.
#[derive(Debug, Serialize)]
struct Refused {
    file: PathBuf,
    refused: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Report for Refused {
    fn text(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        writeln!(out, "{}: {}", self.file.display(), crate::escape::escaped(&self.refused))?;
        match &self.hint {
            Some(hint) => writeln!(out, "hint: {}", crate::escape::escaped(hint)),
            None => Ok(()),
        }
    }
}

fn submit(args: &SubmitFilesArgs, context: &Context) -> Result<Exit, Failure> {
    // every file is read before the first is sent
    let files = expanded(&args.files)?;
    let mut submissions = Vec::with_capacity(files.len());
    for path in files {
        let submission = event_file::read(&path)?;
        let event = Event::of_envelope(&submission.envelope).map_err(|e| Failure::usage(e).within(path.display()))?;
        submissions.push((path, event, submission));
    }
    in_order(&mut submissions);
    let client = context.client()?;
    if let Some(basis) = basis(args)? {
        let events: Vec<_> = submissions.iter().map(|(_, event, submission)| (event, submission)).collect();
        for told in meanwhile::compare(&client, &basis.checkpoint, &events)? {
            context.out().emit(&told)?;
        }
    } else if args.dry_run {
        context.out().note("note: nothing says since when to compare: give --basis FILE");
    }
    if args.dry_run {
        return Ok(Exit::Done);
    }
    let (mut refused, all) = (0, submissions.len());
    let (mut needed, mut receipts) = (TreeSize(0), Vec::new());
    for (path, event, submission) in &submissions {
        let result = if args.expect_head { client.submit_at_head(submission) } else { client.submit(submission) };
        let recorded = match result {
            Ok(recorded) => recorded,
            Err(error @ ClientError::Refused(_)) if all > 1 => {
                let failure = Failure::from(error);
                if failure.exit != Exit::Refused {
                    return Err(failure);
                }
                refused += 1;
                context.out().emit(&Refused {
                    file: path.clone(),
                    refused: failure.message,
                    code: failure.code,
                    hint: failure.hint,
                })?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let receipt = match &args.receipt_dir {
            Some(folder) => Some(folder.join(receipt_name(&recorded.event))),
            None => receipt_beside(path),
        };
        if let Some(receipt) = &receipt {
            write_receipt(receipt, &recorded)?;
            receipts.push((recorded.event, receipt.clone()));
        }
        needed = needed.max(TreeSize(recorded.seq.0 + 1));
        context.out().emit(&RecordedReport::new(&recorded, event, receipt))?;
    }
    let exit = match args.wait {
        Some(Wait::Witnessed) if needed > TreeSize(0) => witnessed::wait(needed, &receipts, context)?,
        _ => Exit::Done,
    };
    if refused == 0 {
        return Ok(exit);
    }
    Err(Failure::refused(format_args!("{} of {} refused", refused, count(all, "event"))))
}

/// Lists the event files that the arguments name: those of a folder in the order of their names.
fn expanded(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let failed = |e: std::io::Error| Failure::file(path, "read", &e);
        let mut inside = Vec::new();
        for item in std::fs::read_dir(path).map_err(failed)? {
            let name = item.map_err(failed)?.file_name();
            if name.to_str().is_some_and(|name| name.ends_with(EVENT)) {
                inside.push(path.join(name));
            }
        }
        if inside.is_empty() {
            return Err(Failure::usage(format_args!("there is no event file in {}", path.display()))
                .hint(format_args!("their names end in {EVENT}")));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// Puts events that come after others of the same run behind them; otherwise the order stays.
fn in_order(submissions: &mut Vec<(PathBuf, Event, Submission)>) {
    let mut waiting: HashSet<EventHash> = submissions.iter().map(|(.., s)| s.envelope.event_hash()).collect();
    let mut rest = std::mem::take(submissions);
    while !rest.is_empty() {
        let before = rest.len();
        let mut later = Vec::new();
        for item in rest {
            if item.1.after.is_some_and(|after| waiting.contains(&after)) {
                later.push(item);
            } else {
                waiting.remove(&item.2.envelope.event_hash());
                submissions.push(item);
            }
        }
        if later.len() == before {
            // two files of one event, or a circle that no hash can make
            submissions.append(&mut later);
        }
        rest = later;
    }
}

/// Finds since when to compare: as told, or the oldest checkpoint beside the files.
fn basis(args: &SubmitFilesArgs) -> Result<Option<Basis>, Failure> {
    if let Some(path) = &args.basis {
        return Basis::read(path).map(Some);
    }
    let folder = |path: &PathBuf| if path.is_dir() { path.clone() } else { path.with_file_name("") };
    let beside: BTreeSet<PathBuf> = args.files.iter().map(|path| folder(path).join(BASIS)).collect();
    let found = beside.iter().filter(|path| path.is_file()).map(|path| Basis::read(path));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().min_by_key(|basis| basis.checkpoint.checkpoint().size))
}

/// Names the receipt of `DRAFT.event.json`: `DRAFT.receipt.json`; none for stdin.
fn receipt_beside(path: &std::path::Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str().filter(|name| *name != "-")?;
    let stem = name.strip_suffix(".event.json").or_else(|| name.strip_suffix(".json")).unwrap_or(name);
    Some(path.with_file_name(format!("{stem}.receipt.json")))
}
