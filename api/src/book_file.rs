//! A book from a bundle, and the verdict of the independent verifier on the very same bytes.
//!
//! The bundle is read once: what the book is made of goes to `countersign-verify` too, through a pipe, so that nobody
//! can change the file between the verification and the reading. The verifier is a program of its own, which shares no
//! code with this one.

use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use countersign_ledger::authority::Position;
use countersign_ledger::book::{Book, BookBuilder};
use countersign_ledger::bundle::{BundleLine, Header, Scope, read_bundle};
use countersign_ledger::entry::Entry;
use countersign_ledger::hash::{FileHash, LedgerId};
use countersign_ledger::id::{CaseId, Seq, StreamId, Subject};
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::failure::{Failure, plain_io};

/// The name of the verifier's program.
const VERIFIER: &str = "countersign-verify";

/// One check of the verifier (SPEC §13).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// Its code.
    pub code: String,
    /// `ok`, `failed`, `undecided` or `not_applicable`.
    pub result: String,
    /// The entry of the first fault.
    #[serde(default)]
    pub seq: Option<u64>,
    /// What was expected there.
    #[serde(default)]
    pub expected: Option<String>,
    /// What was found.
    #[serde(default)]
    pub found: Option<String>,
    /// More about it.
    #[serde(default)]
    pub detail: Option<String>,
}

/// What the verifier says (SPEC §13, `--json`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// `verified`, `partial`, `failed` or `not_checked`.
    pub verdict: String,
    /// How many entries the ledger has at the bundle's checkpoint.
    #[serde(default)]
    pub size: Option<u64>,
    /// How many the bundle shows.
    #[serde(default)]
    pub shown: Option<u64>,
    /// How many digests have no disclosure in it.
    #[serde(default)]
    pub undisclosed: Option<u64>,
    /// The checks, in the order of SPEC §13.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// What seals prove to be shown whole.
    #[serde(default)]
    pub sealed: Vec<ProvenWhole>,
}

/// What a seal proves to be shown whole (SPEC §13, `sealed`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProvenWhole {
    /// The seal's entry: what is before it is shown.
    pub seq: Seq,
    /// Of which case; none for what is outside any.
    pub case: Option<CaseId>,
    /// Of which subject; none for the whole case.
    pub subject: Option<Subject>,
}

impl Verdict {
    /// Tells whether a check is false.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.verdict == "failed"
    }

    /// Tells up to which entry the whole of a scope is shown, as far as seals prove it.
    #[must_use]
    pub fn whole_to(&self, scope: &Scope) -> Option<Seq> {
        let sound = self.checks.iter().any(|check| check.code == "SEAL" && check.result == "ok");
        let covers = |proven: &&ProvenWhole| is_of(scope, proven.case.as_ref(), proven.subject.as_ref());
        self.sealed.iter().filter(|_| sound && !self.failed()).filter(covers).map(|proven| proven.seq).max()
    }
}

/// Tells whether what is of a case, or of one subject in it, is the whole of a scope.
fn is_of(scope: &Scope, case: Option<&CaseId>, subject: Option<&Subject>) -> bool {
    match (scope, case) {
        (Scope::Case(of), Some(case)) => of == case && subject.is_none(),
        (Scope::Stream(of, one), Some(case)) => of == case && subject.is_none_or(|subject| subject == one),
        _ => false,
    }
}

/// What to read, and how.
#[derive(Debug)]
pub struct Request<'a> {
    /// The bundle; `-` is stdin.
    pub file: &'a Path,
    /// The ledger id, from a trusted source; without it the verifier cannot say whose bundle it is.
    pub ledger: Option<LedgerId>,
    /// As of when; now, unless told.
    pub as_of: Option<Time>,
    /// The verifier's program, where it is not beside this one or on the path.
    pub verifier: Option<&'a Path>,
    /// A trust file for the verifier.
    pub trust: Option<&'a Path>,
    /// An earlier checkpoint for the verifier.
    pub previous: Option<&'a Path>,
    /// Whether to take the exporter's word that an extract shows all of its case or subject, where no seal proves it.
    pub trust_scope: bool,
}

/// How much of its case or subject an extract is known to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "shown", rename_all = "snake_case")]
pub enum Whole {
    /// The whole ledger is shown, or nothing is known.
    Unsaid,
    /// All of it, by the exporter's word.
    Trusted,
    /// All of it before a seal, which proves it; the book is of nothing later.
    Proven {
        /// The seal's entry.
        entry: Seq,
        /// Its time.
        time: Time,
    },
    /// All of it before a seal, but the book is of a later instant.
    Before {
        /// The seal's entry.
        entry: Seq,
        /// Its time.
        time: Time,
    },
}

/// A bundle that was read.
#[derive(Debug)]
pub struct BookFile {
    /// What is recorded in it; `None` when it cannot be read as a bundle.
    pub book: Option<Book>,
    /// Why it cannot.
    pub unreadable: Option<String>,
    /// Its first line.
    pub header: Option<Header>,
    /// How much of its case or subject it shows.
    pub whole: Whole,
    /// What the verifier says of it.
    pub verdict: Verdict,
    /// The verifier's version line.
    pub verifier: String,
    /// The file's SHA-256.
    pub sha256: FileHash,
    /// Its bytes.
    pub bytes: u64,
}

/// Hands on what is read to a hash and to the verifier.
struct Tee<R> {
    input: R,
    hash: Sha256,
    bytes: u64,
    verifier: Option<ChildStdin>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += u64::try_from(read).unwrap_or(0);
        // a verifier that has seen enough closes its end; what it says is read all the same
        if self.verifier.as_mut().is_some_and(|pipe| pipe.write_all(&buffer[..read]).is_err()) {
            self.verifier = None;
        }
        Ok(read)
    }
}

/// Reads a bundle into a book while the verifier reads it too.
///
/// # Errors
/// When the file cannot be read, or the verifier is not there or does not answer.
pub fn read(request: &Request<'_>) -> Result<BookFile, Failure> {
    let program = find_verifier(request.verifier)?;
    let mut child = start(&program, request)?;
    let path = request.file;
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(|e| Failure::file(path, "read", &e))?)
    };
    let mut tee = Tee { input, hash: Sha256::new(), bytes: 0, verifier: child.stdin.take() };
    let now = SystemClock.now();
    let builder = request.as_of.map_or_else(|| BookBuilder::until(now), BookBuilder::new);
    let (header, built) = build(BufReader::with_capacity(1 << 16, &mut tee), builder);
    // the verifier gets all of the file, however far it could be read here
    io::copy(&mut tee, &mut io::sink()).map_err(|e| Failure::file(path, "read", &e))?;
    drop(tee.verifier.take());
    let verdict = finish(child, &program)?;
    let mut whole = Whole::Unsaid;
    let (book, unreadable) = match built {
        Ok(mut builder) => {
            if let Some(header) = &header {
                whole = take_whole(&mut builder, &header.scope, &verdict, request);
            }
            (Some(builder.finish()), None)
        }
        Err(why) => (None, Some(why)),
    };
    Ok(BookFile {
        book,
        unreadable,
        header,
        whole,
        verdict,
        verifier: version(&program)?,
        sha256: FileHash::from_bytes(tee.hash.finalize().into()),
        bytes: tee.bytes,
    })
}

/// Tells the book what is shown in full: what a seal proves, or what the user takes the exporter's word for. Unless the
/// user named an instant, a book that is proven whole to a seal ends there.
fn take_whole(builder: &mut BookBuilder, scope: &Scope, verdict: &Verdict, request: &Request<'_>) -> Whole {
    let proven = verdict.whole_to(scope).and_then(|seq| builder.marked().filter(|mark| mark.seq == seq));
    let whole = match (proven, request.as_of) {
        (_, _) if request.trust_scope => Whole::Trusted,
        (None, _) => Whole::Unsaid,
        (Some(at), None) => {
            builder.end_at_mark();
            Whole::Proven { entry: at.seq, time: at.time }
        }
        // what is recorded after the seal has its time at the least
        (Some(at), Some(as_of)) if as_of < at.time => Whole::Proven { entry: at.seq, time: at.time },
        (Some(at), Some(_)) => Whole::Before { entry: at.seq, time: at.time },
    };
    match scope {
        _ if matches!(whole, Whole::Unsaid | Whole::Before { .. }) => {}
        Scope::Case(case) => builder.shows_case(Some(case.clone())),
        Scope::Stream(case, subject) => {
            builder.shows_stream(StreamId { case: Some(case.clone()), subject: subject.clone() });
        }
        Scope::Full | Scope::Since(_) => {}
    }
    whole
}

/// Puts the book together; the first line is told also where the rest cannot be read.
fn build(input: impl io::BufRead, mut builder: BookBuilder) -> (Option<Header>, Result<BookBuilder, String>) {
    let mut header: Option<Header> = None;
    let mut pending: Option<(Box<Entry>, Vec<String>)> = None;
    for line in read_bundle(input) {
        let line = match line {
            Ok(line) => line,
            Err(error) => return (header, Err(error.to_string())),
        };
        match line {
            BundleLine::Header(first) => header = Some(first),
            BundleLine::Disclosure(text) => pending.iter_mut().for_each(|(_, held)| held.push(text.clone())),
            BundleLine::Entry(entry) => {
                if let Some((entry, held)) = pending.replace((entry, Vec::new()))
                    && let Err(error) = builder.add(&entry, &held)
                {
                    return (header, Err(error.to_string()));
                }
            }
            BundleLine::Withheld(_) => {}
            // the seal itself is still pending: all before it is in the book
            BundleLine::Sealed(line) => {
                let of_scope = |header: &Header| is_of(&header.scope, line.case.as_ref(), line.subject.as_ref());
                if let Some((seal, _)) = pending.as_ref().filter(|_| header.as_ref().is_some_and(of_scope)) {
                    builder.mark(Position { seq: seal.seq, time: seal.time });
                }
            }
        }
    }
    if let Some((entry, held)) = pending
        && let Err(error) = builder.add(&entry, &held)
    {
        return (header, Err(error.to_string()));
    }
    (header, Ok(builder))
}

/// Finds the verifier: as told, by `COUNTERSIGN_VERIFY_BIN`, beside this program, or on the path.
///
/// # Errors
/// When it is in none of these places.
pub fn find_verifier(told: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = told {
        return Ok(path.to_owned());
    }
    if let Some(named) = std::env::var_os("COUNTERSIGN_VERIFY_BIN").filter(|name| !name.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|program| program.with_file_name(format!("{VERIFIER}{}", std::env::consts::EXE_SUFFIX)));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = beside.into_iter().chain(std::env::split_paths(&on_path).map(|folder| folder.join(VERIFIER)));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        Failure::usage(format_args!("{VERIFIER} is neither beside this program nor on the path"))
            .hint("a report begins with its verdict: install it, or name it with --verifier FILE")
    })
}

fn start(program: &Path, request: &Request<'_>) -> Result<Child, Failure> {
    let mut command = Command::new(program);
    command.args(["bundle", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(ledger) = request.ledger {
        command.arg("--ledger").arg(ledger.to_string());
    }
    for (option, path) in [("--trust", request.trust), ("--previous", request.previous)] {
        if let Some(path) = path {
            command.arg(option).arg(path);
        }
    }
    command.spawn().map_err(|e| Failure::file(program, "run", &e))
}

fn finish(child: Child, program: &Path) -> Result<Verdict, Failure> {
    let output = child.wait_with_output().map_err(|e| Failure::file(program, "run", &e))?;
    let said = serde_json::from_slice::<Verdict>(&output.stdout);
    said.map_err(|_| {
        let text = String::from_utf8_lossy(&output.stderr);
        let first = text.lines().next().unwrap_or("it said nothing").trim_start_matches("error: ");
        Failure::usage(format_args!("{} does not answer: {first}", program.display()))
    })
}

fn version(program: &Path) -> Result<String, Failure> {
    let output = Command::new(program).arg("--version").output();
    let output =
        output.map_err(|e| Failure::usage(format_args!("cannot run {}: {}", program.display(), plain_io(&e))))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().chars().take(100).collect())
}
