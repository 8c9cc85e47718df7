//! An office that records the real transfers of `leso_shipments.csv.gz` through the real programs: server, client and
//! verifier, each by its command line. `leso_replay` and `leso_inventory` use it.

pub mod books;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// How shipments become dispatches.
pub const SHIPMENTS: &str = include_str!("../maps/leso_shipments.toml");

/// The programs, and the folder that they work in.
#[derive(Debug)]
pub struct Office {
    programs: PathBuf,
    folder: tempfile::TempDir,
    server: String,
    ledger: String,
}

/// The server's process; it ends with this value.
#[derive(Debug)]
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says something to who watches.
pub fn say(text: &str) {
    println!("{text}");
}

/// Says what came of it, and how the process ends.
#[must_use]
pub fn ended(result: Result<Value>) -> ExitCode {
    match result {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does some work, and tells how many seconds it took.
///
/// # Errors
/// Those of the work.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let began = Instant::now();
    let value = work()?;
    Ok((value, began.elapsed().as_secs_f64()))
}

/// Returns how many there were in a second.
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // for people
pub fn rate(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds.max(0.001)) as u64
}

/// Returns a number of a report.
///
/// # Errors
/// When it has none of that name.
pub fn number(report: &Value, name: &str) -> Result<u64> {
    report[name].as_u64().with_context(|| format!("no number {name} in {report}"))
}

/// Returns the states of a file, in lower case.
///
/// # Errors
/// When it cannot be read.
pub fn states(csv: &Path) -> Result<BTreeSet<String>> {
    let mut reader = table(csv)?;
    let place = column(reader.headers()?, "State")?;
    reader.records().map(|row| Ok(row?[place].trim().to_lowercase())).collect()
}

impl Office {
    /// Finds the programs beside this one, and makes a folder to work in.
    ///
    /// # Errors
    /// When a program is missing.
    pub fn new() -> Result<Self> {
        let this = std::env::current_exe()?;
        let programs = this.parent().context("no folder of programs")?.to_owned();
        for name in ["countersign", "countersign-verify"] {
            let path = programs.join(name);
            ensure!(path.is_file(), "{} is missing: cargo build --release", path.display());
        }
        let folder = tempfile::Builder::new().prefix("leso-replay-").tempdir()?;
        Ok(Self { programs, folder, server: String::new(), ledger: String::new() })
    }

    /// Returns the path of a file of the office.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns it as text.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Returns the program, ready for arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.programs.join("countersign"));
        command.env("XDG_STATE_HOME", self.path("state")).stdin(Stdio::null()).args(["--json", "--yes"]);
        if !self.ledger.is_empty() {
            command.args(["--server", &self.server, "--ledger", &self.ledger]);
        }
        command
    }

    /// Runs a command and returns the last line of its output; `partly` takes the status for quarantined rows too.
    ///
    /// # Errors
    /// When a program fails.
    pub fn run(&self, arguments: &[&str], partly: bool) -> Result<Value> {
        let output = self.command().args(arguments).output()?;
        let accepted = output.status.success() || (partly && output.status.code() == Some(3));
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(accepted, "countersign {}: {}: {}", arguments.join(" "), output.status, said.trim());
        let text = String::from_utf8(output.stdout)?;
        let last = text.lines().last().unwrap_or("null");
        serde_json::from_str(last).with_context(|| format!("countersign {}: {last}", arguments.join(" ")))
    }

    /// Begins a ledger and starts its server.
    ///
    /// # Errors
    /// When a program fails.
    pub fn begin(&mut self) -> Result<Server> {
        self.run(&["key", "new", &self.file("governance.pem"), "--no-passphrase"], false)?;
        let (data, governance) = (self.file("ledger"), self.file("governance.pem"));
        let begun = self.run(
            &[
                "init",
                "--data",
                &data,
                "--origin",
                "replay.example/leso",
                "--threshold",
                "1",
                "--governance-key",
                &governance,
                "--no-passphrase",
            ],
            false,
        )?;
        let ledger = begun["ledger"].as_str().context("no ledger id")?.to_owned();
        let mut child = self
            .command()
            .args(["serve", "--data", &data, "--listen", "127.0.0.1:0"])
            .env("COUNTERSIGN_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take();
        let server = Server(child);
        let mut lines = BufReader::new(stdout.context("the server has no output")?).lines();
        let line = lines.next().context("the server said nothing")??;
        let said: Value = serde_json::from_str(&line)?;
        self.server = said["listening"].as_str().with_context(|| format!("the server said {line}"))?.to_owned();
        self.ledger = ledger;
        Ok(server)
    }

    /// Enrols the donor and a recipient for each state, and opens a case for each.
    ///
    /// # Errors
    /// When a program fails.
    pub fn enrol(&self, states: &BTreeSet<String>) -> Result<()> {
        self.enrol_party("us-dla", "Defense Logistics Agency", "donor")?;
        let donor = self.file("us-dla.pem");
        for state in states {
            let party = format!("us-{state}");
            let name = format!("State coordinator, {}", state.to_uppercase());
            self.enrol_party(&party, &name, "recipient")?;
            let (case, title) = (format!("leso.{state}"), format!("LESO, {}", state.to_uppercase()));
            let key = self.file(&format!("{party}.pem"));
            self.run(
                &[
                    "case",
                    "open",
                    &case,
                    "--title",
                    &title,
                    "--donor",
                    "us-dla",
                    "--recipient",
                    &party,
                    "--legal-basis",
                    "10 USC 2576a",
                    "--end-use",
                    "law enforcement",
                    "--end-user",
                    "agencies of the state",
                    "--author",
                    "us-dla",
                    "--key",
                    &donor,
                    "--key",
                    &key,
                ],
                false,
            )?;
        }
        Ok(())
    }

    fn enrol_party(&self, party: &str, name: &str, capacity: &str) -> Result<()> {
        let key = self.file(&format!("{party}.pem"));
        self.run(&["key", "new", &key, "--no-passphrase"], false)?;
        let governance = self.file("governance.pem");
        self.run(
            &[
                "party",
                "enroll",
                party,
                "--name",
                name,
                "--country",
                "US",
                "--capacity",
                capacity,
                "--party-key",
                &key,
                "--holder",
                "property office",
                "--key",
                &governance,
            ],
            false,
        )?;
        Ok(())
    }

    /// Exports the whole ledger.
    ///
    /// # Errors
    /// When a program fails.
    pub fn export(&self, path: &Path) -> Result<()> {
        let path = path.display().to_string();
        self.run(&["export", "--output", &path], false).map(drop)
    }

    /// Verifies a bundle, and returns the verifier's report.
    ///
    /// # Errors
    /// When a program fails.
    pub fn verify(&self, bundle: &Path) -> Result<Value> {
        let output = Command::new(self.programs.join("countersign-verify"))
            .args(["bundle".as_ref(), bundle.as_os_str()])
            .args(["--ledger", &self.ledger, "--json"])
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "countersign-verify: {}: {}", output.status, text.trim());
        Ok(serde_json::from_str(text.lines().last().unwrap_or("null"))?)
    }

    /// Imports a table by a map under a party's key; rows may be quarantined.
    ///
    /// # Errors
    /// When the import fails.
    pub fn import(&self, table: &Path, map: &str, party: &str, name: &str) -> Result<Value> {
        let map_file = self.path(&format!("{name}.toml"));
        std::fs::write(&map_file, map)?;
        let (map, table) = (map_file.display().to_string(), table.display().to_string());
        let (results, quarantine) = (self.file(&format!("{name}.results.csv")), self.file(&format!("{name}.mend.csv")));
        let key = self.file(&format!("{party}.pem"));
        self.run(
            &["import", &table, "--map", &map, "--key", &key, "--results", &results, "--quarantine", &quarantine],
            true,
        )
    }
}

/// Reads a table, gzipped or not.
///
/// # Errors
/// When it cannot be read.
pub fn table(path: &Path) -> Result<csv::Reader<Box<dyn Read>>> {
    let mut file = BufReader::new(File::open(path).with_context(|| path.display().to_string())?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> =
        if packed { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(csv::Reader::from_reader(reader))
}

/// Returns the place of a column.
///
/// # Errors
/// When the table has none of that name.
pub fn column(header: &csv::StringRecord, name: &str) -> Result<usize> {
    header.iter().position(|column| column == name).with_context(|| format!("no column {name}"))
}
