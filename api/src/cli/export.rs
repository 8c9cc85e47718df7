//! `export`: the whole ledger, or a case file of it, as a bundle (SPEC §11), for the verifier and for the field.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_ledger::bundle::{LastLeaf, Scope};
use countersign_ledger::hash::{FileHash, LedgerId};
use countersign_ledger::id::{CaseId, Subject, TreeSize};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Context, evidence};
use crate::case_file::Basis;
use crate::client::Client;
use crate::failure::{Exit, Failure, plain_io};
use crate::files::{self, Partial};
use crate::output::Report;

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The file appears only when it is whole. It proves nothing by itself: give it to
`countersign-verify`, with the ledger id that you have from a source you trust.

A case file (--case) has every entry of the case, every party with its keys, and statements
elsewhere that name the case or an event of it. It also shows the ledger's last entry, so that
a revocation kept back is noticed; --hide-last leaves that out where it is of another case.
It proves that it shows all of the case up to the newest seal; --sealed has the server make
one first. --absent proves that there was no such case or subject before the newest seal.

EXAMPLE
  countersign export --output ledger.bundle.jsonl
  countersign export --zstd --output ledger.bundle.jsonl.zst
  countersign export --output ledger.bundle.jsonl --evidence files
  countersign-verify bundle ledger.bundle.jsonl --ledger ID
  as far as witnesses have seen it, so that the verifier can ask for their word:
    countersign export --witnessed --output ledger.bundle.jsonl
    countersign-verify bundle ledger.bundle.jsonl --ledger ID --trust trust.policy
  what an inspector takes to the field:
    countersign export --case us-dsca.xa-b-uaa --output case.bundle.jsonl
  one consignment, and what it rests on:
    countersign export --case us-dsca.xa-b-uaa --subject consignment/2026-0001 -o one.bundle.jsonl
  all of it up to now, proven:
    countersign export --sealed --case us-dsca.xa-b-uaa --output whole.bundle.jsonl
  that a consignment was never recorded:
    countersign export --absent --case us-dsca.xa-b-uaa --subject consignment/2026-0009 -o none.bundle.jsonl
  what was recorded since the bundle of last week:
    countersign export --since ledger.bundle.jsonl --output news.bundle.jsonl")]
pub struct ExportArgs {
    /// Where to write the bundle; `-` is stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Only this case, and what bears on it
    #[arg(long, value_name = "CASE")]
    case: Option<CaseId>,
    /// Only this subject of the case, and what it rests on
    #[arg(long, value_name = "SUBJECT", requires = "case")]
    subject: Option<Subject>,
    /// Only what was recorded since: a number of entries, or a file with a checkpoint, a bundle or a receipt
    #[arg(long, value_name = "SIZE|FILE", conflicts_with = "case")]
    since: Option<String>,
    /// Have the server seal all streams first
    #[arg(long)]
    sealed: bool,
    /// Prove that there is no such case, or no such subject in it
    #[arg(long, requires = "case", conflicts_with = "evidence")]
    absent: bool,
    /// Do not show the ledger's last entry where it is of another case
    #[arg(long)]
    hide_last: bool,
    /// As of the latest checkpoint that the server's witnesses cosigned, with their cosignatures; they are asked first
    #[arg(long, conflicts_with = "absent")]
    witnessed: bool,
    /// Compress it (zstd)
    #[arg(long)]
    zstd: bool,
    /// Also fetch the evidence files that its entries name into this folder, each named by its hash
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Exported {
    file: PathBuf,
    ledger: LedgerId,
    scope: String,
    bytes: u64,
    sha256: FileHash,
}

impl Report for Exported {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "wrote {} bytes to {}", self.bytes, self.file.display())?;
        writeln!(out, "ledger {}, {}", self.ledger, self.scope)?;
        writeln!(out, "sha256 {}", self.sha256)
    }
}

/// Fetches the bundle and writes it as it comes.
///
/// # Errors
/// When the file exists or cannot be written, or the server stops in the middle.
pub fn run(args: ExportArgs, context: &Context) -> Result<Exit, Failure> {
    let to_stdout = args.output.as_os_str() == "-";
    if to_stdout && args.evidence.is_some() {
        return Err(Failure::usage("--evidence needs a bundle in a file").hint("give --output FILE"));
    }
    if !to_stdout {
        files::must_be_free(&args.output)?;
    }
    let scope = match (&args.case, &args.subject, &args.since) {
        (Some(case), Some(subject), _) => Scope::Stream(case.clone(), subject.clone()),
        (Some(case), None, _) => Scope::Case(case.clone()),
        (None, _, Some(since)) => Scope::Since(size_of(since, context)?),
        (None, _, None) => Scope::Full,
    };
    let client = context.client()?;
    let last = if args.hide_last { LastLeaf::Withheld } else { LastLeaf::Shown };
    if args.sealed {
        let (seal, new) = client.seal()?;
        let how = if new { "sealed" } else { "nothing was recorded since the seal" };
        context.out().note(format_args!("{how} at entry {}", seal.seq));
    }
    // after the seal, so that it is among what is witnessed
    if args.witnessed {
        ask_witnesses(&client, context)?;
    }
    let (length, reader): (_, Box<dyn Read>) = match &args.case {
        Some(case) if args.absent => {
            let (length, reader) = client.absence(case, args.subject.as_ref(), last, args.zstd)?;
            (length, Box::new(reader))
        }
        _ => {
            let (length, reader) = client.bundle_at(&scope, last, args.zstd, args.witnessed)?;
            (length, Box::new(reader))
        }
    };
    let bar = context.out().byte_progress(length, "exporting");
    let result = if to_stdout {
        copy(reader, &mut io::stdout().lock(), &bar).map(|_| ())
    } else {
        let mut partial = Partial::create(&args.output)?;
        copy(reader, &mut partial, &bar).and_then(|(bytes, sha256)| {
            if length.is_some_and(|length| length != bytes) {
                return Err(Failure::usage(format_args!("the bundle broke off after {bytes} bytes"))
                    .hint("nothing was written: try again"));
            }
            partial.persist()?;
            bar.finish_and_clear();
            let none = if args.absent { "that there is no " } else { "" };
            let (file, scope) = (args.output.clone(), format!("{none}{}", described(&scope)));
            context.out().emit(&Exported { file, ledger: client.ledger_id(), scope, bytes, sha256 })
        })
    };
    bar.finish_and_clear();
    result?;
    if let Some(folder) = &args.evidence {
        context.out().emit(&evidence::beside(&client, &args.output, folder, context)?)?;
    }
    Ok(Exit::Done)
}

/// Has the server ask its witnesses for what is recorded by now, and says how far they are if that is not all.
fn ask_witnesses(client: &Client, context: &Context) -> Result<(), Failure> {
    let size = client.checkpoint()?.checkpoint().size;
    let Some(witnessed) = client.witnessed(size)? else {
        return Err(Failure::refused("no checkpoint of this ledger is witnessed yet")
            .hint("`countersign status` says how the server's witnesses stand, if it asks any"));
    };
    let seen = witnessed.checkpoint().size;
    if seen < size {
        context
            .out()
            .note(format_args!("note: witnesses have cosigned {seen} of {size} entries: the bundle has those"));
    }
    Ok(())
}

fn described(scope: &Scope) -> String {
    match scope {
        Scope::Full => "whole".to_owned(),
        Scope::Case(case) => format!("case {case}"),
        Scope::Stream(case, subject) => format!("{subject} of case {case}"),
        Scope::Since(since) => format!("since size {since}"),
    }
}

/// Reads a size, or that of the checkpoint in a file, which must be of the same ledger where it says of which.
fn size_of(text: &str, context: &Context) -> Result<TreeSize, Failure> {
    if let Ok(size) = text.parse() {
        return Ok(TreeSize(size));
    }
    let basis = Basis::read(Path::new(text))?;
    match basis.ledger {
        Some(found) if found != context.ledger_id()? => {
            Err(Failure::usage(format_args!("{text} is of ledger {found}, expected {}", context.ledger_id()?)))
        }
        _ => Ok(basis.checkpoint.checkpoint().size),
    }
}

fn copy(
    mut reader: impl Read,
    writer: &mut dyn Write,
    bar: &indicatif::ProgressBar,
) -> Result<(u64, FileHash), Failure> {
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0u64, vec![0; 256 * 1024]);
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                return Err(Failure::usage(format_args!("the bundle broke off after {bytes} bytes: {}", plain_io(&e)))
                    .hint("nothing was written: try again"));
            }
        };
        if read == 0 {
            writer.flush()?;
            return Ok((bytes, FileHash::from_bytes(hasher.finalize().into())));
        }
        hasher.update(&buffer[..read]);
        writer.write_all(&buffer[..read])?;
        bytes += u64::try_from(read).unwrap_or(0);
        bar.set_position(bytes);
    }
}
