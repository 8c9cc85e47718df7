//! `countersign watch` with real processes: forged logs and real servers that contradict themselves, and honest ones.
#![allow(clippy::unwrap_used)]

mod forks;
mod honest;
mod hostile;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use countersign_tests::forge::{Ledger, Script};
use countersign_tests::harness::{Shown, binaries};

/// A forged ledger as a log shows it.
fn shown(ledger: &Ledger) -> Shown {
    let lines = ledger.entries.iter().map(|entry| entry.line.clone()).collect();
    Shown { lines, checkpoint: ledger.checkpoint.clone(), ..Shown::default() }
}

fn build(script: &Script) -> (Ledger, Shown) {
    let ledger = script.build();
    let shown = shown(&ledger);
    (ledger, shown)
}

/// A folder with a watch's state in it.
struct Watcher {
    folder: tempfile::TempDir,
    ledger: String,
    url: String,
}

/// How a run of the watch ended.
#[derive(Debug)]
struct Ended {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Watcher {
    fn new(url: &str, ledger: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), ledger: ledger.to_owned(), url: url.to_owned() }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binaries::countersign());
        command.arg("watch").args(arguments).arg("--state").arg(self.state());
        command.args(["--server", &self.url, "--ledger", &self.ledger]).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    fn once(&self) -> Ended {
        self.run(&["--once"])
    }

    /// Looks once; all must be well.
    fn assert_well(&self) -> Ended {
        let ended = self.once();
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert_eq!(self.proofs(), Vec::<PathBuf>::new());
        ended
    }

    /// The proofs beside the state.
    fn proofs(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.to_string_lossy().ends_with(".misbehaviour.json")).collect()
    }

    /// Asserts that a run ended with one proof, of this kind, which the verifier confirms; returns what it says.
    fn assert_proven(&self, ended: &Ended, what: &str) -> String {
        assert_eq!(ended.status, Some(5), "{ended:?}");
        let proofs = self.proofs();
        let [proof] = &proofs[..] else { panic!("one proof, not {proofs:?}: {ended:?}") };
        assert!(ended.stdout.contains(&format!("what    {what}\n")), "{ended:?}");
        let (status, said) = confirm(proof, &["--ledger", &self.ledger]);
        assert_eq!(status, Some(0), "{said}");
        assert!(said.starts_with(&format!("verdict: proven: {what}:")), "{said}");
        // not for another ledger, and not for nobody's
        assert_eq!(confirm(proof, &["--ledger", &"0".repeat(64)]).0, Some(1));
        assert_eq!(confirm(proof, &[]).0, Some(2));
        said
    }

    /// The state's bytes, to see that they stay.
    fn kept(&self) -> Vec<u8> {
        std::fs::read(self.state()).unwrap()
    }
}

/// Asks the verifier about a proof: its status and what it says.
fn confirm(proof: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binaries::verifier());
    let output = command.arg("misbehaviour").arg(proof).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}
