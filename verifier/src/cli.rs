//! The command line: arguments, files, exit statuses. Results go to standard output, everything else to standard
//! error.

mod args;
mod bundle;
mod exhibit;
mod misbehaviour;
mod note;

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use countersign_verify::checkpoint::Checkpoint;
use countersign_verify::hash::Hash;
use countersign_verify::note::MAX_NOTE;
use countersign_verify::report::{Report, Verdict};
use countersign_verify::source;
use countersign_verify::trust::{MAX_TRUST_FILE, Trust};

use args::{Args, Command};

/// Why nothing could be checked.
#[derive(Debug)]
enum Unusable {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// A file cannot be written.
    Write(PathBuf, io::Error),
    /// A file that the user gave to check against is not of its form.
    Malformed(PathBuf, String),
    /// An argument is not of its form.
    Argument(&'static str, String),
    /// Standard input was asked for twice.
    TwoInputs,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Read(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Unusable::Write(path, error) => write!(f, "cannot write {}: {error}", path.display()),
            Unusable::Malformed(path, why) => write!(f, "{}: {why}", path.display()),
            Unusable::Argument(name, why) => write!(f, "{name}: {why}"),
            Unusable::TwoInputs => f.write_str("standard input can be only one of the files"),
        }
    }
}

impl Unusable {
    fn hint(&self) -> &'static str {
        match self {
            Unusable::Read(..) => "check the path and its permissions; - is standard input",
            Unusable::Write(..) => "give another path; a file that is there is not replaced",
            Unusable::Malformed(..) => "this file was given to check against, so it must be whole",
            Unusable::Argument(..) => "see --help for the form",
            Unusable::TwoInputs => "give the others as files",
        }
    }
}

/// What a command leaves: text for standard output and a verdict.
struct Outcome {
    text: String,
    verdict: Verdict,
}

impl From<Outcome> for (String, u8) {
    fn from(outcome: Outcome) -> (String, u8) {
        (outcome.text, outcome.verdict.status())
    }
}

/// Runs the command that the arguments ask for.
pub(crate) fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // a broken pipe must stay quiet; clap's own status for wrong usage is 2 already
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome: Result<(String, u8), Unusable> = match &args.command {
        Command::Bundle(bundle) => bundle::bundle(bundle).map(Into::into),
        Command::Receipt(receipt) => bundle::receipt(receipt).map(Into::into),
        Command::Show(show) => bundle::show(show).map(Into::into),
        Command::Exhibit(exhibit) => exhibit::exhibit(exhibit).map(Into::into),
        Command::Checkpoint(checkpoint) => note::checkpoint(checkpoint).map(Into::into),
        Command::Proof(proof) => note::proof(proof).map(Into::into),
        Command::Misbehaviour(proof) => misbehaviour::misbehaviour(proof),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "countersign-verify", &mut text);
            return print(&String::from_utf8_lossy(&text), 0);
        }
    };
    match outcome {
        Ok((text, status)) => print(&text, status),
        Err(error) => {
            eprintln!("error: {error}");
            eprintln!("hint: {}", error.hint());
            if args.command.json() {
                let report = Report::not_begun(&error.to_string());
                return print(&(report.to_json() + "\n"), 2);
            }
            ExitCode::from(2)
        }
    }
}

/// Prints a result. A reader that closed the pipe has what it wanted; any other failure means that nobody was told.
fn print(text: &str, status: u8) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write the result: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::from(status),
    }
}

fn one_input(paths: &[Option<&PathBuf>]) -> Result<(), Unusable> {
    let standard = paths.iter().flatten().filter(|path| path.as_os_str() == "-").count();
    if standard > 1 {
        return Err(Unusable::TwoInputs);
    }
    Ok(())
}

/// Opens a file that may be large, behind a progress bar where somebody watches.
fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, Unusable> {
    let fault = |e| Unusable::Read(path.to_owned(), e);
    let raw = source::raw(path).map_err(fault)?;
    match progress(path) {
        Some(bar) => source::decoded(bar.wrap_read(raw)).map_err(fault),
        None => source::decoded(raw).map_err(fault),
    }
}

/// A progress bar for a file that takes a while, where somebody watches.
fn progress(path: &Path) -> Option<indicatif::ProgressBar> {
    let length = std::fs::metadata(path).map(|m| m.len()).unwrap_or_default();
    if length > 8 << 20 && io::stderr().is_terminal() {
        let style = indicatif::ProgressStyle::with_template("{wide_bar} {percent}% {binary_bytes_per_sec} {eta} left");
        let bar = indicatif::ProgressBar::new(length);
        let bar = match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        return Some(bar.with_finish(indicatif::ProgressFinish::AndClear));
    }
    None
}

fn read_small(path: &Path, limit: usize) -> Result<Vec<u8>, Unusable> {
    source::small(path, limit).map_err(|e| Unusable::Read(path.to_owned(), e))
}

fn read_text(path: &Path, limit: usize) -> Result<String, Unusable> {
    String::from_utf8(read_small(path, limit)?)
        .map_err(|_| Unusable::Malformed(path.to_owned(), "expected UTF-8".to_owned()))
}

fn read_trust(path: Option<&PathBuf>) -> Result<Option<Trust>, Unusable> {
    let Some(path) = path else { return Ok(None) };
    Trust::parse(&read_small(path, MAX_TRUST_FILE)?)
        .map(Some)
        .map_err(|e| Unusable::Malformed(path.clone(), e.to_string()))
}

fn read_checkpoint(path: &Path) -> Result<Checkpoint, Unusable> {
    Checkpoint::parse_plain(&read_text(path, MAX_NOTE)?)
        .map_err(|e| Unusable::Malformed(path.to_owned(), e.to_string()))
}

fn ledger_id(text: Option<&String>) -> Result<Option<Hash>, Unusable> {
    let Some(text) = text else { return Ok(None) };
    Hash::from_hex(text.as_bytes())
        .map(Some)
        .ok_or_else(|| Unusable::Argument("--ledger", "expected 64 lower-case hex digits".to_owned()))
}
