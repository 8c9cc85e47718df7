//! Replays real shipments through the real programs: server, client and verifier.
//!
//! ```text
//! make replay DATA=folder      # folder has leso_shipments.csv.gz
//! ```
//!
//! A server is started on a free loopback port with an empty ledger in a temporary folder. A donor and one recipient for
//! each state are enrolled with fresh keys, and a case is opened for each. `countersign import` records all shipments as
//! dispatches, a second import records nothing twice, `countersign receive` signs receipts of all of them by the states,
//! `countersign export` writes the bundle, `countersign-verify` verifies it, and `leso_compare` holds it against the CSV.
//! Everything goes through the programs' command lines, as it would in an office.
//!
//! The last line of stdout is one JSON object. Exit status: 0 if everything is as it should be.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use serde_json::{Value, json};

/// The requisition that stands twice in the published file, with two ship dates.
const TWICE: &str = "2YTKXD71513126";
const MAP: &str = include_str!("../../maps/leso_shipments.toml");

/// Replay real shipments through server, client and verifier
#[derive(Parser)]
struct Args {
    /// The folder with leso_shipments.csv.gz
    data: PathBuf,
    /// Keep the bundle here
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

fn main() -> ExitCode {
    match replay(&Args::parse()) {
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

/// The programs, and the folder that they work in.
struct Office {
    programs: PathBuf,
    folder: tempfile::TempDir,
    server: String,
    ledger: String,
}

/// The server's process; it ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn replay(args: &Args) -> Result<Value> {
    let csv = args.data.join("leso_shipments.csv.gz");
    let states = states(&csv).with_context(|| csv.display().to_string())?;
    let mut office = Office::new()?;
    let _server = office.begin()?;
    office.enrol(&states)?;
    say(&format!("enrolled a donor and {} states, opened a case for each", states.len()));

    let (first, import_seconds) = timed(|| office.import(&csv, "first"))?;
    let (rows, appended) = (number(&first, "rows")?, number(&first, "appended")?);
    let (warned, quarantined) = (number(&first, "warned")?, number(&first, "quarantined")?);
    say(&format!(
        "imported {appended} of {rows} rows in {import_seconds:.1} s, {warned} with warnings, {quarantined} quarantined"
    ));
    check_quarantine(&first)?;
    ensure!(rows == appended + quarantined, "{rows} rows are not {appended} appended and {quarantined} quarantined");

    let (second, again_seconds) = timed(|| office.import(&csv, "second"))?;
    ensure!(number(&second, "appended")? == 0, "a second import appended something: {second}");
    ensure!(number(&second, "already")? == appended, "a second import did not find all: {second}");
    say(&format!("imported again in {again_seconds:.1} s: nothing was recorded twice"));

    let dispatches = office.path("dispatches.bundle.jsonl");
    office.export(&dispatches)?;
    let (received, receive_seconds) = timed(|| office.receive(&states, &dispatches))?;
    ensure!(received == appended, "{received} receipts for {appended} dispatches");
    say(&format!("{received} receipts signed by {} states in {receive_seconds:.1} s", states.len()));

    let bundle = args.bundle.clone().unwrap_or_else(|| office.path("leso.bundle.jsonl"));
    let (_, export_seconds) = timed(|| office.export(&bundle))?;
    let (report, verify_seconds) = timed(|| office.verify(&bundle))?;
    let (verdict, entries) = (report["verdict"].as_str().unwrap_or_default().to_owned(), number(&report, "size")?);
    ensure!(verdict == "verified", "the verifier says {report}");
    let governance = 1 + 1 + 2 * u64::try_from(states.len())?;
    ensure!(
        entries == governance + appended + received,
        "{entries} entries, expected {}",
        governance + appended + received
    );
    say(&format!("verified {entries} entries in {verify_seconds:.1} s"));
    office.compare(&bundle, &csv)?;

    Ok(json!({
        "rows": rows,
        "appended": appended,
        "warned": warned,
        "quarantined": quarantined,
        "quarantined_rows": first["quarantined_rows"],
        "appended_again": 0,
        "received": received,
        "states": states.len(),
        "entries": entries,
        "bundle_bytes": std::fs::metadata(&bundle)?.len(),
        "append_per_second": rate(appended, import_seconds),
        "receive_per_second": rate(received, receive_seconds),
        "export_per_second": rate(entries, export_seconds),
        "verify_per_second": rate(entries, verify_seconds),
        "seconds": (import_seconds + again_seconds + receive_seconds + export_seconds + verify_seconds).round(),
        "agrees_with_csv": true,
        "verdict": verdict,
    }))
}

fn say(text: &str) {
    println!("{text}");
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let began = Instant::now();
    let value = work()?;
    Ok((value, began.elapsed().as_secs_f64()))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rate, for people
fn rate(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds.max(0.001)) as u64
}

fn number(report: &Value, name: &str) -> Result<u64> {
    report[name].as_u64().with_context(|| format!("no number {name} in {report}"))
}

/// The one row that cannot be recorded is the second of a requisition that stands twice, and it is named.
fn check_quarantine(report: &Value) -> Result<()> {
    let rows = report["quarantined_rows"].as_array().context("no quarantined_rows")?;
    let [row] = rows.as_slice() else { bail!("expected one quarantined row, found {rows:?}") };
    ensure!(row["key"] == TWICE, "expected requisition {TWICE} in quarantine, found {row}");
    say(&format!("quarantined row {}: {TWICE}: {}", row["row"], row["reason"].as_str().unwrap_or_default()));
    Ok(())
}

/// The states of the file, in lower case.
fn states(csv: &Path) -> Result<BTreeSet<String>> {
    let file = flate2::read::MultiGzDecoder::new(BufReader::new(File::open(csv)?));
    let mut reader = csv::Reader::from_reader(file);
    let place = reader.headers()?.iter().position(|name| name == "State").context("no column State")?;
    let states = reader.records().map(|row| Ok(row?[place].trim().to_lowercase())).collect::<Result<_>>()?;
    Ok(states)
}

impl Office {
    fn new() -> Result<Self> {
        let this = std::env::current_exe()?;
        let programs = this.parent().context("no folder of programs")?.to_owned();
        for name in ["countersign", "countersign-verify", "leso_compare"] {
            let path = programs.join(name);
            ensure!(path.is_file(), "{} is missing: cargo build --release", path.display());
        }
        let folder = tempfile::Builder::new().prefix("leso-replay-").tempdir()?;
        Ok(Self { programs, folder, server: String::new(), ledger: String::new() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.programs.join("countersign"));
        command.env("XDG_STATE_HOME", self.path("state")).stdin(Stdio::null()).args(["--json", "--yes"]);
        if !self.ledger.is_empty() {
            command.args(["--server", &self.server, "--ledger", &self.ledger]);
        }
        command
    }

    /// Runs a command and returns the last line of its output; `partly` takes the status for quarantined rows too.
    fn run(&self, arguments: &[&str], partly: bool) -> Result<Value> {
        let output = self.command().args(arguments).output()?;
        let accepted = output.status.success() || (partly && output.status.code() == Some(3));
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(accepted, "countersign {}: {}: {}", arguments.join(" "), output.status, said.trim());
        let text = String::from_utf8(output.stdout)?;
        let last = text.lines().last().unwrap_or("null");
        serde_json::from_str(last).with_context(|| format!("countersign {}: {last}", arguments.join(" ")))
    }

    /// Begins a ledger and starts its server.
    fn begin(&mut self) -> Result<Server> {
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
    fn enrol(&self, states: &BTreeSet<String>) -> Result<()> {
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

    /// Imports all shipments as dispatches.
    fn import(&self, csv: &Path, name: &str) -> Result<Value> {
        let map = self.path("shipments.toml");
        std::fs::write(&map, MAP)?;
        let (map, csv) = (map.display().to_string(), csv.display().to_string());
        let (results, quarantine) = (self.file(&format!("{name}.results.csv")), self.file(&format!("{name}.mend.csv")));
        let donor = self.file("us-dla.pem");
        self.run(
            &["import", &csv, "--map", &map, "--key", &donor, "--results", &results, "--quarantine", &quarantine],
            true,
        )
    }

    /// Has every state sign receipts of all that it was sent; returns how many were recorded.
    fn receive(&self, states: &BTreeSet<String>, dispatches: &Path) -> Result<u64> {
        let from = dispatches.display().to_string();
        let mut received = 0;
        for state in states {
            let (case, key) = (format!("leso.{state}"), self.file(&format!("us-{state}.pem")));
            let report =
                self.run(&["receive", "--dispatches-of", &case, "--all", "--from", &from, "--key", &key], false)?;
            received += number(&report, "appended")?;
        }
        Ok(received)
    }

    fn export(&self, path: &Path) -> Result<()> {
        let path = path.display().to_string();
        self.run(&["export", "--output", &path], false).map(drop)
    }

    fn verify(&self, bundle: &Path) -> Result<Value> {
        let output = Command::new(self.programs.join("countersign-verify"))
            .args(["bundle".as_ref(), bundle.as_os_str()])
            .args(["--ledger", &self.ledger, "--json"])
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "countersign-verify: {}: {}", output.status, text.trim());
        Ok(serde_json::from_str(text.lines().last().unwrap_or("null"))?)
    }

    fn compare(&self, bundle: &Path, csv: &Path) -> Result<()> {
        let mut child =
            Command::new(self.programs.join("leso_compare")).arg(bundle).arg(csv).stdout(Stdio::piped()).spawn()?;
        let mut text = String::new();
        child.stdout.take().context("no output")?.read_to_string(&mut text)?;
        text.lines().for_each(|line| say(&format!("compare: {line}")));
        let status = child.wait()?;
        ensure!(status.success(), "leso_compare: {status}");
        Ok(())
    }
}
