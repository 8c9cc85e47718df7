//! `event`: drafts, signatures, submissions (SPEC §3, §4).

mod kinds;
mod merge;
mod new;
mod show;
mod sign;
mod source;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Context;
use super::submit::{RecordedReport, count, receipt_name, write_receipt};
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

EXAMPLE
  countersign event submit dispatch.event.json receipt.event.json --receipt-dir receipts")]
struct SubmitFilesArgs {
    /// Event files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Keep the receipts in this folder
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_RECEIPTS")]
    receipt_dir: Option<PathBuf>,
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
    let submissions = args.files.iter().map(|path| event_file::read(path)).collect::<Result<Vec<_>, _>>()?;
    let client = context.client()?;
    let mut refused = 0;
    for (path, submission) in args.files.iter().zip(&submissions) {
        let event = countersign_ledger::event::Event::of_envelope(&submission.envelope)
            .map_err(|e| Failure::usage(e).within(path.display()))?;
        let result = if args.expect_head { client.submit_at_head(submission) } else { client.submit(submission) };
        let recorded = match result {
            Ok(recorded) => recorded,
            Err(error @ ClientError::Refused(_)) if args.files.len() > 1 => {
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
        }
        context.out().emit(&RecordedReport::new(&recorded, &event, receipt))?;
    }
    if refused == 0 {
        return Ok(Exit::Done);
    }
    Err(Failure::refused(format_args!("{} of {} refused", refused, count(args.files.len(), "event"))))
}

/// Names the receipt of `DRAFT.event.json`: `DRAFT.receipt.json`; none for stdin.
fn receipt_beside(path: &std::path::Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str().filter(|name| *name != "-")?;
    let stem = name.strip_suffix(".event.json").or_else(|| name.strip_suffix(".json")).unwrap_or(name);
    Some(path.with_file_name(format!("{stem}.receipt.json")))
}
