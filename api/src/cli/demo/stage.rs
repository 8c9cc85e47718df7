//! Where the demo plays: a temporary folder, a server process, and commands that are shown before they run.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::escape::escaped;
use crate::failure::{Failure, plain_io};
use crate::output::Output;

/// How wide a shown command line may be before it is broken.
const WIDTH: usize = 110;
/// How long the server may take to begin or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The folder, the programs and the server.
pub(super) struct Stage {
    out: Output,
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
    countersign: PathBuf,
    verifier: PathBuf,
    server: Option<Child>,
    witness: Option<Child>,
    address: Option<String>,
    ledger: Option<String>,
    steps: usize,
}

/// A command that ran.
#[derive(Debug, Serialize)]
struct Step<'a> {
    who: &'a str,
    command: &'a str,
    status: i32,
    output: &'a str,
}

impl Stage {
    /// Makes the folder and finds the programs.
    pub(super) fn new(out: Output) -> Result<Self, Failure> {
        let countersign = env::current_exe().map_err(|e| Failure::usage(format_args!("where is this program? {e}")))?;
        let verifier = crate::book_file::find_verifier(None)?;
        let folder = tempfile::Builder::new().prefix("countersign-demo-").tempdir();
        let folder = folder.map_err(|e| Failure::file(&env::temp_dir(), "make a folder in", &e))?;
        let path = folder.path().to_owned();
        Ok(Self {
            out,
            folder: Some(folder),
            path,
            countersign,
            verifier,
            server: None,
            witness: None,
            address: None,
            ledger: None,
            steps: 0,
        })
    }

    pub(super) const fn steps(&self) -> usize {
        self.steps
    }

    /// From now on every command is told which ledger it is about, as officers are.
    pub(super) fn set_ledger(&mut self, ledger: &str) {
        self.ledger = Some(ledger.to_owned());
    }

    pub(super) fn ledger(&self) -> &str {
        self.ledger.as_deref().unwrap_or_default()
    }

    /// Says what happens next.
    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        if !self.out.is_json() {
            self.out.raw(format!("\n{text}\n").as_bytes())?;
        }
        Ok(())
    }

    /// Writes a file of the story.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        let path = self.path.join(name);
        fs::write(&path, content).map_err(|e| Failure::file(&path, "write", &e))
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let path = self.path.join(name);
        fs::read(&path).map_err(|e| Failure::file(&path, "read", &e))
    }

    /// Runs a command of this program as somebody; it must succeed. Returns what it said.
    pub(super) fn act(&mut self, who: &str, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.countersign_as(who);
        command.args(arguments);
        self.show(who, "countersign", command, arguments, 0, usize::MAX)
    }

    /// As [`Stage::act`], showing only the end of what it said.
    pub(super) fn act_briefly(&mut self, who: &str, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.countersign_as(who);
        command.args(arguments);
        self.show(who, "countersign", command, arguments, 0, 3)
    }

    /// Runs the separate verifier, which must end with this status. Returns what it said.
    pub(super) fn verify(&mut self, who: &str, arguments: &[&str], status: i32) -> Result<String, Failure> {
        let mut command = Command::new(&self.verifier);
        command.args(arguments).current_dir(&self.path).stdin(Stdio::null());
        self.show(who, "countersign-verify", command, arguments, status, usize::MAX)
    }

    fn countersign_as(&self, who: &str) -> Command {
        let mut command = Command::new(&self.countersign);
        command.current_dir(&self.path).stdin(Stdio::null());
        // nothing of this user's own settings plays a part
        for (name, _) in env::vars_os().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        command.env("XDG_STATE_HOME", self.path.join("state").join(who));
        let passphrase = self.path.join(format!("{who}.passphrase"));
        if passphrase.exists() {
            command.env("COUNTERSIGN_PASSPHRASE_FILE", passphrase);
        }
        for (name, value) in [("COUNTERSIGN_SERVER", &self.address), ("COUNTERSIGN_LEDGER", &self.ledger)] {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command
    }

    fn show(
        &mut self,
        who: &str,
        program: &str,
        mut command: Command,
        arguments: &[&str],
        wanted: i32,
        tail: usize,
    ) -> Result<String, Failure> {
        let line = command_line(program, arguments);
        if !self.out.is_json() {
            self.out.raw(format!("{who}$ {}\n", wrapped(&line)).as_bytes())?;
        }
        let output =
            command.output().map_err(|e| Failure::usage(format_args!("cannot run {program}: {}", plain_io(&e))))?;
        self.steps += 1;
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].map(String::from_utf8_lossy).concat();
        let status = output.status.code().unwrap_or(-1);
        if self.out.is_json() {
            let step = Step { who, command: &line.join(" "), status, output: &said };
            self.out.raw(format!("{}\n", serde_json::to_string(&step).unwrap_or_default()).as_bytes())?;
        } else {
            let lines = said.lines().count();
            let left_out = lines.saturating_sub(tail);
            if left_out > 0 {
                self.out.raw(format!("    … {left_out} lines, as above\n").as_bytes())?;
            }
            for text in said.lines().skip(left_out) {
                // the commands escape what they print; tabs and the like have no place here
                self.out.raw(format!("    {}\n", text.trim_end()).as_bytes())?;
            }
        }
        if status == wanted {
            return Ok(said);
        }
        Err(Failure::refused(format_args!("`{}` ended with status {status}, expected {wanted}", line.join(" ")))
            .hint("with --keep the folder stays, to look into"))
    }

    /// Starts the server of `data` on a free port, with further arguments, and waits until it listens.
    pub(super) fn start_server(&mut self, who: &str, data: &str, more: &[&str]) -> Result<(), Failure> {
        let arguments = [&["serve", "--data", data, "--listen", "127.0.0.1:0"], more].concat();
        let (child, address) = self.start(who, &arguments, "server.log")?;
        self.server = Some(child);
        self.address = Some(address);
        Ok(())
    }

    /// Starts the witness of `data` on a free port, waits until it listens, and returns where.
    pub(super) fn start_witness(&mut self, who: &str, data: &str) -> Result<String, Failure> {
        let arguments = ["witness", "run", "--data", data, "--listen", "127.0.0.1:0"];
        let (child, address) = self.start(who, &arguments, "witness.log")?;
        self.witness = Some(child);
        Ok(address)
    }

    /// Starts a service in the background, and returns it with where it listens.
    fn start(&mut self, who: &str, arguments: &[&str], log_file: &str) -> Result<(Child, String), Failure> {
        let line = command_line("countersign", arguments);
        if !self.out.is_json() {
            self.out.raw(format!("{who}$ {} &\n", wrapped(&line)).as_bytes())?;
        }
        let log = self.path.join(log_file);
        let log = File::create(&log).map_err(|e| Failure::file(&log, "write", &e))?;
        let mut command = self.countersign_as(who);
        command.args(arguments).stdout(Stdio::piped()).stderr(log);
        let mut child = command
            .spawn()
            .map_err(|e| Failure::usage(format_args!("cannot start {}: {}", line.join(" "), plain_io(&e))))?;
        let mut first = String::new();
        let read = match child.stdout.take() {
            Some(stdout) => BufReader::new(stdout).read_line(&mut first),
            None => Ok(0),
        };
        let address = first.trim().strip_prefix("listening on ").filter(|_| read.is_ok()).map(str::to_owned);
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            let log = String::from_utf8_lossy(&self.read(log_file)?).trim().to_owned();
            return Err(Failure::refused(format_args!("`{}` did not start: {}", line.join(" "), escaped(&log))));
        };
        self.steps += 1;
        if !self.out.is_json() {
            self.out.raw(format!("    {}\n", first.trim()).as_bytes())?;
        }
        Ok((child, address))
    }

    /// Tells the server and the witness to stop and waits for them.
    pub(super) fn stop_all(&mut self) -> Result<(), Failure> {
        let server = self.stop_server();
        let witness = self.witness.take().map_or(Ok(()), stop);
        server.and(witness)
    }

    /// Tells the server to stop and waits for it.
    pub(super) fn stop_server(&mut self) -> Result<(), Failure> {
        self.server.take().map_or(Ok(()), stop)
    }

    /// Leaves the folder where it is.
    pub(super) fn keep(&mut self) -> PathBuf {
        match self.folder.take() {
            Some(folder) => folder.keep(),
            None => self.path.clone(),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // a failure was told already
        let _ = self.stop_all();
    }
}

/// Tells a service to stop and waits for it.
fn stop(mut child: Child) -> Result<(), Failure> {
    ask_to_stop(&mut child);
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(Failure::refused(format_args!("a service ended with {status}"))),
            Ok(None) if since.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) | Err(_) => {
                // it was asked; what it acknowledged is durable
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::refused("a service did not stop when it was told to"));
            }
        }
    }
}

fn is_ours(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("COUNTERSIGN_"))
}

/// Sends SIGTERM where there is one.
fn ask_to_stop(child: &mut Child) {
    #[cfg(unix)]
    {
        let told = Command::new("kill").arg("-TERM").arg(child.id().to_string()).stderr(Stdio::null()).status();
        if told.is_ok_and(|status| status.success()) {
            return;
        }
    }
    // no gentler way: what it acknowledged is durable
    let _ = child.kill();
}

/// Writes a command's words as a shell reads them.
fn command_line(program: &str, arguments: &[&str]) -> Vec<String> {
    std::iter::once(program).chain(arguments.iter().copied()).map(shell_word).collect()
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Breaks a long command line before an option.
fn wrapped(words: &[String]) -> String {
    let mut out = String::new();
    let mut column = 0;
    for (i, word) in words.iter().enumerate() {
        // an option and its value stay together
        let value = words.get(i + 1).filter(|next| word.starts_with("--") && !next.starts_with('-'));
        let length = word.chars().count() + value.map_or(0, |value| value.chars().count() + 1);
        if i > 0 && column + length > WIDTH && (word.starts_with('-') || !words[i - 1].starts_with("--")) {
            out.push_str(" \\\n      ");
            column = 6;
        } else if i > 0 {
            out.push(' ');
        }
        out.push_str(word);
        column += word.chars().count() + 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_they_could_be_typed() {
        let line = command_line("countersign", &["party", "enroll", "--name", "Міністерство оборони", "--use", "*"]);
        assert_eq!(line.join(" "), "countersign party enroll --name 'Міністерство оборони' --use '*'");
        let long = command_line("x", &["--aaaa", &"b".repeat(80), "--cccc", &"d".repeat(60)]);
        assert_eq!(wrapped(&long), format!("x --aaaa {} \\\n      --cccc {}", "b".repeat(80), "d".repeat(60)));
    }
}
