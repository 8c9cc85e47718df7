//! A ledger with real server processes, for tests of the command line and of the client.
#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

pub const BIN: &str = env!("CARGO_BIN_EXE_countersign");

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn from_output(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts success and returns stdout.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.stdout
    }

    /// Asserts a failure with this status, and that stderr has this text.
    #[track_caller]
    pub fn fails(self, status: i32, text: &str) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.stderr.contains(text), "expected {text:?} in {self:?}");
        let is_error = |line: &str| line.starts_with("error: ") || line.starts_with("{\"error\":");
        assert!(self.stderr.lines().any(is_error), "{self:?}");
        self
    }

    /// Reads the line of stdout that begins with `name `.
    #[track_caller]
    pub fn field(text: &str, name: &str) -> String {
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
    }
}

/// A folder to play in.
pub struct Folder {
    pub dir: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Makes a command in this folder, free of the user's own settings, with a state folder of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        command.current_dir(self.dir.path()).args(arguments).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("COUNTERSIGN_")) {
                command.env_remove(name);
            }
        }
        command.env("XDG_STATE_HOME", self.path("state"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::from_output(self.command(arguments).output().unwrap())
    }

    /// Makes keys without passphrases.
    pub fn keys(&self, names: &[&str]) {
        for name in names {
            self.run(&["key", "new", name, "--no-passphrase"]).ok();
        }
    }

    /// Begins a ledger in `data` under two governance keys, and returns its id.
    pub fn init(&self, data: &str) -> String {
        self.keys(&["g1.pem", "g2.pem"]);
        let said = self.run(&[
            "init",
            "--data",
            data,
            "--origin",
            "ledger.example/test",
            "--threshold",
            "2",
            "--governance-key",
            "g1.pem",
            "--governance-key",
            "g2.pem",
            "--no-passphrase",
            "--yes",
        ]);
        Said::field(&said.ok(), "ledger")
    }
}

/// A running server; killed when dropped.
pub struct Server {
    child: Mutex<Child>,
    pub url: String,
}

impl Server {
    pub fn start(folder: &Folder, data: &str) -> Self {
        Self::start_with(folder, data, &[])
    }

    pub fn start_with(folder: &Folder, data: &str, more: &[&str]) -> Self {
        let log = fs::File::create(folder.path(&format!("{}.log", data.replace('/', "_")))).unwrap();
        let mut child = folder
            .command(&[&["serve", "--data", data, "--listen", "127.0.0.1:0"], more].concat())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let url = url.unwrap_or_else(|| {
            panic!("{line:?}: {}", fs::read_to_string(folder.path(&format!("{data}.log"))).unwrap_or_default())
        });
        Self { child: Mutex::new(child), url }
    }

    /// Tells it to stop and waits.
    pub fn stop(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
        assert!(child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A folder with a ledger, its server, and enrolled parties.
pub struct World {
    pub folder: Folder,
    pub server: Server,
    pub ledger: String,
}

impl World {
    /// Begins a ledger and serves it.
    pub fn new() -> Self {
        let folder = Folder::new();
        let ledger = folder.init("data");
        let server = Server::start(&folder, "data");
        Self { folder, server, ledger }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.command(arguments);
        command.env("COUNTERSIGN_SERVER", &self.server.url).env("COUNTERSIGN_LEDGER", &self.ledger);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::from_output(self.command(arguments).output().unwrap())
    }

    /// Enrols a party with one capacity, under the key `PARTY.pem`.
    pub fn enroll(&self, party: &str, capacity: &str) {
        let key = format!("{party}.pem");
        self.folder.keys(&[&key]);
        self.run(&[
            "party",
            "enroll",
            party,
            "--name",
            party,
            "--capacity",
            capacity,
            "--party-key",
            &key,
            "--holder",
            "office",
            "--key",
            "g1.pem",
            "--key",
            "g2.pem",
            "--yes",
        ])
        .ok();
    }

    /// Opens a case between two parties.
    pub fn open_case(&self, case: &str, donor: &str, recipient: &str) {
        let (donor_key, recipient_key) = (format!("{donor}.pem"), format!("{recipient}.pem"));
        self.run(&[
            "case",
            "open",
            case,
            "--title",
            "радіо",
            "--donor",
            donor,
            "--recipient",
            recipient,
            "--legal-basis",
            "agreement",
            "--end-use",
            "defence",
            "--end-user",
            "army",
            "--key",
            &donor_key,
            "--key",
            &recipient_key,
            "--yes",
        ])
        .ok();
    }
}

/// Copies a folder of files and folders.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy_folder(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}
