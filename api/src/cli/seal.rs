//! `seal`: asks the server to commit to all streams as they are (SPEC §15).

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_ledger::event::Body;
use countersign_ledger::hash::{EventHash, SealHash};
use countersign_ledger::id::{Author, Seq};
use countersign_ledger::time::Time;
use serde::Serialize;

use super::Context;
use crate::client::Proven;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;

/// Arguments of `seal`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A seal is an entry that commits to every stream: how many events it has, the latest of them,
and the statements that speak of it. An extract that is exported after it proves, up to there,
that nothing of its case or subject was left out. Servers seal at an interval (serve
--seal-key); where nothing was recorded since the newest seal, that one is given.

EXAMPLE
  countersign seal
  countersign seal --receipt seal.receipt.json
  countersign export --sealed --case us-dsca.xa-b-uaa --output case.bundle.jsonl")]
pub struct SealArgs {
    /// Write the seal's receipt to this file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

/// A seal.
#[derive(Debug, Serialize)]
struct Seal {
    seq: Seq,
    time: Time,
    author: Author,
    streams: u64,
    root: SealHash,
    event: EventHash,
    new: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<PathBuf>,
}

impl Report for Seal {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { seq, time, author, streams, .. } = self;
        if self.new {
            writeln!(out, "sealed: {streams} streams of {seq} entries, by {author} at {time}")?;
        } else {
            writeln!(out, "nothing was recorded since entry {seq}, which sealed {streams} streams at {time}")?;
        }
        if let Some(receipt) = &self.receipt {
            writeln!(out, "receipt {}", receipt.display())?;
        }
        writeln!(out, "root {}", self.root)?;
        writeln!(out, "event {}", self.event)
    }
}

/// Asks for it.
///
/// # Errors
/// When the server does not seal, or the receipt does not prove itself or cannot be written.
pub fn run(args: SealArgs, context: &Context) -> Result<Exit, Failure> {
    if let Some(path) = &args.receipt {
        files::must_be_free(path)?;
    }
    let (proven, new) = context.client()?.seal()?;
    if let Some(path) = &args.receipt {
        files::create_new(path, proven.receipt.to_json().as_bytes())?;
    }
    context.out().emit(&seal(proven, new, args.receipt)?)?;
    Ok(Exit::Done)
}

fn seal(proven: Proven, new: bool, receipt: Option<PathBuf>) -> Result<Seal, Failure> {
    match Body::parse(&proven.event.kind, proven.event.body()).map_err(Failure::refused)? {
        Body::StreamsSealed(body) => Ok(Seal {
            seq: proven.seq,
            time: proven.time,
            author: proven.event.author,
            streams: body.streams,
            root: body.root,
            event: proven.hash,
            new,
            receipt,
        }),
        other => Err(Failure::refused(format_args!("the server answered with {}, which is no seal", other.kind()))),
    }
}
