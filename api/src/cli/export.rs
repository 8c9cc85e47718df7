//! `export`: the whole ledger as a bundle file (SPEC §11), for the verifier.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_ledger::hash::{FileHash, LedgerId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Context, evidence};
use crate::failure::{Exit, Failure, plain_io};
use crate::files::{self, Partial};
use crate::output::Report;

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The file appears only when it is whole. It proves nothing by itself: give it to
`countersign-verify`, with the ledger id that you have from a source you trust.

EXAMPLE
  countersign export --output ledger.bundle.jsonl
  countersign export --zstd --output ledger.bundle.jsonl.zst
  countersign export --output ledger.bundle.jsonl --evidence files
  countersign-verify bundle ledger.bundle.jsonl --ledger ID")]
pub struct ExportArgs {
    /// Where to write the bundle; `-` is stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
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
    bytes: u64,
    sha256: FileHash,
}

impl Report for Exported {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "wrote {} bytes to {}", self.bytes, self.file.display())?;
        writeln!(out, "ledger {}", self.ledger)?;
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
    let client = context.client()?;
    let (length, reader) = client.bundle(args.zstd)?;
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
            context.out().emit(&Exported { file: args.output.clone(), ledger: client.ledger_id(), bytes, sha256 })
        })
    };
    bar.finish_and_clear();
    result?;
    if let Some(folder) = &args.evidence {
        context.out().emit(&evidence::beside(&client, &args.output, folder, context)?)?;
    }
    Ok(Exit::Done)
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
