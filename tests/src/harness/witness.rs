//! Witness processes, and logs made by the forge that ask them to cosign.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::binaries;
use super::http::Answer;
use super::server::{Server, run, write_key};
use crate::forge::tree::{Hash, consistency, leaf_hash, root};
use crate::forge::{Key, note};

/// The folder of a witness, in a temporary one.
#[derive(Debug)]
pub struct WitnessFolder {
    root: tempfile::TempDir,
    /// The witness's vkey.
    pub vkey: String,
}

impl WitnessFolder {
    /// Makes a witness of this name.
    ///
    /// # Panics
    /// When it is not made; so for every method here.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        write_key(&root.path().join("key.pem"), name);
        let folder = Self { root, vkey: String::new() };
        let key = folder.path("key.pem");
        let key = key.to_str().expect("a path in UTF-8");
        let made = folder.done(&["init", "--name", name, "--witness-key", key, "--json"]);
        let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
        Self { vkey: made["witness"].as_str().expect("its vkey").to_owned(), ..folder }
    }

    /// A path beside the witness's data.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The witness's data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A subcommand of `countersign witness` on this witness.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binaries::countersign());
        command.arg("witness").args(arguments).arg("--data").arg(self.data());
        command.env("XDG_STATE_HOME", self.path("state")).stdin(Stdio::null());
        command
    }

    /// Runs a subcommand that must succeed.
    pub fn done(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments))
    }

    /// Runs a subcommand that must fail with status 1 or 2, and returns what it says.
    #[must_use]
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the command runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{}: {text}", output.status);
        text
    }

    /// Makes the witness follow a log.
    pub fn follow(&self, log: &Log) {
        self.done(&["add-ledger", "--log", &log.vkey()]);
    }

    /// Starts the service.
    #[must_use]
    pub fn start(&self, more: &[&str]) -> Witness {
        let mut command = self.command(&["run", "--json", "--listen", "127.0.0.1:0"]);
        command.args(more).arg("--witness-key").arg(self.path("key.pem"));
        Witness(Server::start(command))
    }
}

/// A witness process.
#[derive(Debug)]
pub struct Witness(pub Server);

impl Witness {
    /// Sends a body to `add-checkpoint`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, body: &[u8]) -> Result<Answer, ureq::Error> {
        self.0.http.post("/add-checkpoint", "text/plain", body)
    }

    /// Asks to cosign, and returns the answer.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn ask(&self, body: &str) -> Answer {
        self.send(body.as_bytes()).expect("an answer")
    }
}

/// A log: a name, a key, and leaves.
#[derive(Debug, Clone)]
pub struct Log {
    /// Its origin.
    pub origin: String,
    key: Key,
    leaves: Vec<Hash>,
}

impl Log {
    /// A log with one leaf for each text.
    #[must_use]
    pub fn new(origin: &str, key: &str, leaves: impl IntoIterator<Item = String>) -> Self {
        let leaves = leaves.into_iter().map(|text| leaf_hash(text.as_bytes())).collect();
        Self { origin: origin.to_owned(), key: Key::new(key), leaves }
    }

    /// A log of `size` leaves, of which those from `fork` on are `flavour`'s own.
    #[must_use]
    pub fn forked(size: usize, fork: usize, flavour: &str) -> Self {
        let leaf = |n: usize| if n < fork { format!("entry {n}") } else { format!("{flavour} {n}") };
        Self::new("log.example/a", "log", (0..size).map(leaf))
    }

    /// The key that others verify with.
    #[must_use]
    pub fn vkey(&self) -> String {
        note::vkey(&self.origin, 0x01, &self.key.public())
    }

    /// The leaves of the first `size`.
    #[must_use]
    pub fn leaves(&self, size: usize) -> &[Hash] {
        &self.leaves[..size]
    }

    /// The text of the checkpoint of `size` leaves.
    #[must_use]
    pub fn text(&self, size: usize) -> String {
        note::checkpoint_text(&self.origin, size as u64, &root(&self.leaves[..size]))
    }

    /// The signed checkpoint of `size` leaves.
    #[must_use]
    pub fn checkpoint(&self, size: usize) -> String {
        let text = self.text(size);
        format!("{text}\n{}", note::log_line(&self.origin, &self.key, &text))
    }

    /// The lines of the consistency proof from `old` to `size`.
    #[must_use]
    pub fn proof(&self, old: usize, size: usize) -> Vec<String> {
        let hashes = if old == 0 { Vec::new() } else { consistency(old, &self.leaves[..size]) };
        hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
    }

    /// The request to go from `old` to `size`.
    #[must_use]
    pub fn request(&self, old: usize, size: usize) -> String {
        body(old as u64, &self.proof(old, size), &self.checkpoint(size))
    }
}

/// A request out of its parts.
#[must_use]
pub fn body(old: u64, proof: &[String], checkpoint: &str) -> String {
    let lines: String = proof.iter().map(|line| format!("{line}\n")).collect();
    format!("old {old}\n{lines}\n{checkpoint}")
}
