//! The command `exhibit`: one entry of a bundle, set out for a hearing.

use std::fs::{self, File};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_verify::exhibit::{Collector, NoExhibit, SourceFile, Tool};
use countersign_verify::fold::Given;
use countersign_verify::hash::Hash;
use countersign_verify::report::{Report, Verdict};
use countersign_verify::report_json::object;
use countersign_verify::source;
use countersign_verify::verify::verify_bundle;
use sha2::{Digest, Sha256};

use super::bundle::evidence_files;
use super::{Outcome, Unusable, args, ledger_id, one_input, progress, read_checkpoint, read_trust};

/// Bytes as they come from the file, hashed on the way: what is verified is what the exhibit names.
struct Hashing {
    source: Box<dyn Read + Send>,
    hasher: Sha256,
    size: u64,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

/// A reader that its maker keeps a hand on.
#[derive(Clone)]
struct Shared(Arc<Mutex<Hashing>>);

impl Shared {
    fn open(path: &Path) -> Result<Shared, Unusable> {
        let source = source::raw(path).map_err(|e| Unusable::Read(path.to_owned(), e))?;
        Ok(Shared(Arc::new(Mutex::new(Hashing { source, hasher: Sha256::new(), size: 0 }))))
    }

    /// Reads what nobody read, and gives hash and size of the whole file.
    fn finish(&self) -> io::Result<(Hash, u64)> {
        io::copy(&mut self.clone(), &mut io::sink())?;
        let hashing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((Hash::from_bytes(hashing.hasher.clone().finalize().into()), hashing.size))
    }
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

pub(super) fn exhibit(args: &args::Exhibit) -> Result<Outcome, Unusable> {
    one_input(&[Some(&args.file), args.trust.as_ref(), args.previous.as_ref()])?;
    // better now than after an hour of verification
    if let Some(path) = args.html.as_ref().filter(|path| path.as_os_str() != "-" && path.exists()) {
        return Err(Unusable::Write(path.clone(), io::ErrorKind::AlreadyExists.into()));
    }
    let given = Given {
        ledger: ledger_id(args.ledger.as_ref())?,
        trust: read_trust(args.trust.as_ref())?,
        previous: match &args.previous {
            None => None,
            Some(path) => Some(read_checkpoint(path)?),
        },
        evidence: evidence_files(&args.evidence)?,
        probe: None,
    };
    let shared = Shared::open(&args.file)?;
    let fault = |e| Unusable::Read(args.file.clone(), e);
    let bundle: Box<dyn BufRead + Send> = match progress(&args.file) {
        Some(bar) => source::decoded(bar.wrap_read(shared.clone())),
        None => source::decoded(shared.clone()),
    }
    .map_err(fault)?;
    let mut collector = Collector::new(args.seq);
    let (report, _) = verify_bundle(bundle, &given, Some(&mut collector));
    let (sha256, size) = shared.finish().map_err(fault)?;
    let file = SourceFile { name: name_of(&args.file), sha256, size };
    let exhibit = match collector.finish(&report, file, tool()) {
        Ok(exhibit) => exhibit,
        Err(why) => return Ok(none(&report, why, args.json)),
    };
    let verdict = report.verdict();
    let text = match &args.html {
        Some(path) if path.as_os_str() == "-" => exhibit.to_html(),
        Some(path) => {
            write_new(path, &exhibit.to_html()).map_err(|e| Unusable::Write(path.clone(), e))?;
            if args.json { exhibit.to_json() + "\n" } else { format!("verdict: {}\n", report.headline()) }
        }
        None if args.json => exhibit.to_json() + "\n",
        None => exhibit.to_text(),
    };
    Ok(Outcome { text, verdict })
}

/// What is said where there is nothing to set out: the verdict is that of a file that failed, or not checked.
fn none(report: &Report, why: NoExhibit, json: bool) -> Outcome {
    let verdict = match report.verdict() {
        Verdict::Failed => Verdict::Failed,
        _ => Verdict::NotChecked,
    };
    let text = if json {
        object([("verdict", verdict.name().into()), ("detail", why.to_string().into()), ("report", report.to_out())])
            .to_json()
            + "\n"
    } else {
        format!("no exhibit: {why}\nverdict of the file: {}\n", report.headline())
    };
    Outcome { text, verdict }
}

fn name_of(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "(standard input)".to_owned();
    }
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Version and hash of the program that runs.
fn tool() -> Tool {
    Tool { version: env!("CARGO_PKG_VERSION").to_owned(), sha256: own_hash().ok() }
}

fn own_hash() -> io::Result<Hash> {
    let mut hasher = Sha256::new();
    let mut file = File::open(std::env::current_exe()?)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Hash::from_bytes(hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Writes a file that must not be there yet: an exhibit is never replaced by another without a word.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // half an exhibit is none
        let _ = fs::remove_file(path);
    }
    written?;
    if io::stderr().is_terminal() {
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
