//! `evidence`: files that events name by hash and size; and the files that go beside a bundle.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_ledger::bundle::{BundleLine, read_bundle};
use countersign_ledger::event::Event;
use countersign_ledger::hash::FileHash;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Context;
use crate::client::Client;
use crate::draft::{evidence_of, evidence_value};
use crate::event_file;
use crate::failure::{Exit, Failure, plain_io};
use crate::files::{self, Partial};
use crate::output::Report;

/// Arguments of `evidence`.
#[derive(Debug, Args)]
pub struct EvidenceArgs {
    #[command(subcommand)]
    command: EvidenceCommand,
}

#[derive(Debug, Subcommand)]
enum EvidenceCommand {
    /// Hash files and write the items that a draft names them with; needs no server
    Add(AddArgs),
    /// Send files that an event names
    Put(PutArgs),
    /// Fetch a file by its hash
    Get(GetArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Writes one JSON object a line, for the member `evidence` of a draft. `event new --evidence
FILE` does both at once. Keep the files as they are: another byte is another file.

EXAMPLE
  countersign evidence add photo.jpg handover.pdf")]
struct AddArgs {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
A server takes a file only if a recorded event names it by hash and size, or a signed event
file announces it (--event), for an hour. What breaks off is sent again whole; what the
server has is not sent again.

EXAMPLE
  countersign evidence put photo.jpg handover.pdf
  countersign evidence put photo.jpg --event receipt.event.json")]
struct PutArgs {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A signed event file that names them and is not recorded yet
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The file takes its name only when all of it arrived and has that hash.

EXAMPLE
  countersign evidence get ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad --out photo.jpg")]
struct GetArgs {
    /// The file's SHA-256
    #[arg(value_name = "SHA256")]
    sha256: FileHash,
    /// Where to write it
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// Runs `evidence`.
///
/// # Errors
/// When a file cannot be read or written, the server refuses, or a file is not the one asked for.
pub fn run(args: EvidenceArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        EvidenceCommand::Add(args) => add(&args, context),
        EvidenceCommand::Put(args) => put(&args, context),
        EvidenceCommand::Get(args) => get(&args, context),
    }
}

/// An item as a draft names it.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Item(Value);

impl Report for Item {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.0)
    }
}

fn add(args: &AddArgs, context: &Context) -> Result<Exit, Failure> {
    for path in &args.files {
        context.out().emit(&Item(evidence_value(&evidence_of(path)?)))?;
    }
    Ok(Exit::Done)
}

/// A file that the server has now.
#[derive(Debug, Serialize)]
struct Sent {
    file: PathBuf,
    sha256: FileHash,
    size: u64,
    /// Whether it had to be sent.
    sent: bool,
}

impl Report for Sent {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let how = if self.sent { "sent" } else { "there already" };
        writeln!(out, "{}  {}  {how}", self.sha256, self.file.display())
    }
}

fn put(args: &PutArgs, context: &Context) -> Result<Exit, Failure> {
    let files: Vec<_> = args.files.iter().map(|path| Ok((path, evidence_of(path)?))).collect::<Result<_, Failure>>()?;
    let client = context.client()?;
    if let Some(path) = &args.event {
        client.announce_evidence(&event_file::read(path)?)?;
    }
    for (path, item) in files {
        let mut sent = false;
        if !client.has_evidence(&item.sha256)? {
            let bar = context.out().byte_progress(Some(item.size), "sending");
            let result = client.put_evidence(&item.sha256, item.size, || File::open(path), |at| bar.set_position(at));
            bar.finish_and_clear();
            sent = result?.0;
        }
        context.out().emit(&Sent { file: path.clone(), sha256: item.sha256, size: item.size, sent })?;
    }
    Ok(Exit::Done)
}

/// A file that was fetched.
#[derive(Debug, Serialize)]
struct Fetched {
    file: PathBuf,
    sha256: FileHash,
    bytes: u64,
}

impl Report for Fetched {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "wrote {} bytes to {}", self.bytes, self.file.display())?;
        writeln!(out, "sha256 {}", self.sha256)
    }
}

fn get(args: &GetArgs, context: &Context) -> Result<Exit, Failure> {
    files::must_be_free(&args.out)?;
    let client = context.client()?;
    let Some(bytes) = fetch(&client, &args.sha256, &args.out, context)? else {
        return Err(Failure::usage(format_args!("the server does not have file {}", args.sha256))
            .hint("no recorded event names it, or nobody has sent it: `countersign evidence put`"));
    };
    context.out().emit(&Fetched { file: args.out.clone(), sha256: args.sha256, bytes })?;
    Ok(Exit::Done)
}

/// Fetches a file into its place, if it is the one; `None` if the server does not have it.
fn fetch(client: &Client, file: &FileHash, path: &Path, context: &Context) -> Result<Option<u64>, Failure> {
    let Some((length, mut reader)) = client.evidence(file)? else { return Ok(None) };
    let bar = context.out().byte_progress(length, "fetching");
    let mut partial = Partial::create(path)?;
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0u64, vec![0; 256 * 1024]);
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                bar.finish_and_clear();
                return Err(Failure::usage(format_args!("the file broke off after {bytes} bytes: {}", plain_io(&e)))
                    .hint("nothing was written: try again"));
            }
        };
        hasher.update(&buffer[..read]);
        partial.write_all(&buffer[..read]).map_err(|e| Failure::file(path, "write", &e))?;
        bytes += read as u64;
        bar.set_position(bytes);
    }
    bar.finish_and_clear();
    let found = FileHash::from_bytes(hasher.finalize().into());
    if found != *file {
        return Err(Failure::refused(format_args!("the server sent another file: expected {file}, found {found}"))
            .hint("nothing was written; tell the operator"));
    }
    partial.persist()?;
    Ok(Some(bytes))
}

/// What was put beside a bundle.
#[derive(Debug, Default, Serialize)]
pub(super) struct Beside {
    /// The folder.
    pub(super) folder: PathBuf,
    /// Files fetched.
    pub(super) fetched: u64,
    /// Files that were there already.
    pub(super) kept: u64,
    /// Files that the server does not have.
    pub(super) missing: Vec<FileHash>,
}

impl Report for Beside {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { folder, fetched, kept, missing } = self;
        write!(out, "evidence in {}: {fetched} fetched", folder.display())?;
        if *kept > 0 {
            write!(out, ", {kept} there already")?;
        }
        writeln!(out, ", {} that the server does not have", missing.len())?;
        missing.iter().try_for_each(|file| writeln!(out, "missing {file}"))
    }
}

/// Fetches every file that the entries of a bundle name into a folder, each named by its hash.
pub(super) fn beside(client: &Client, bundle: &Path, folder: &Path, context: &Context) -> Result<Beside, Failure> {
    fs::create_dir_all(folder).map_err(|e| Failure::file(folder, "make", &e))?;
    let mut beside = Beside { folder: folder.to_owned(), ..Beside::default() };
    for (file, size) in named(bundle)? {
        let path = folder.join(file.to_string());
        if is_there(&path, &file, size) {
            beside.kept += 1;
        } else if fetch(client, &file, &path, context)?.is_some() {
            beside.fetched += 1;
        } else {
            beside.missing.push(file);
        }
    }
    Ok(beside)
}

fn is_there(path: &Path, file: &FileHash, size: u64) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == size)
        && evidence_of(path).is_ok_and(|found| found.sha256 == *file)
}

/// The files that a bundle's entries name, each once.
fn named(bundle: &Path) -> Result<BTreeMap<FileHash, u64>, Failure> {
    let input = File::open(bundle).map_err(|e| Failure::file(bundle, "read", &e))?;
    let mut files = BTreeMap::new();
    for line in read_bundle(BufReader::new(input)) {
        let line = line.map_err(|e| Failure::usage(format_args!("{}: {e}", bundle.display())))?;
        if let BundleLine::Entry(entry) = line {
            let event = Event::of_envelope(&entry.envelope).map_err(|e| Failure::usage(e.to_string()))?;
            files.extend(event.evidence.into_iter().map(|file| (file.sha256, file.size)));
        }
    }
    Ok(files)
}
