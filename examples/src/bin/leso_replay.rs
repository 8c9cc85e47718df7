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
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use countersign_examples::leso::{Office, SHIPMENTS, ended, number, rate, say, states, timed};
use serde_json::{Value, json};

/// The requisition that stands twice in the published file, with two ship dates.
const TWICE: &str = "2YTKXD71513126";

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
    ended(replay(&Args::parse()))
}

fn replay(args: &Args) -> Result<Value> {
    let csv = args.data.join("leso_shipments.csv.gz");
    let states = states(&csv).with_context(|| csv.display().to_string())?;
    let mut office = Office::new()?;
    let _server = office.begin()?;
    office.enrol(&states)?;
    say(&format!("enrolled a donor and {} states, opened a case for each", states.len()));

    let (first, import_seconds) = timed(|| office.import(&csv, SHIPMENTS, "us-dla", "first"))?;
    let (rows, appended) = (number(&first, "rows")?, number(&first, "appended")?);
    let (warned, quarantined) = (number(&first, "warned")?, number(&first, "quarantined")?);
    say(&format!(
        "imported {appended} of {rows} rows in {import_seconds:.1} s, {warned} with warnings, {quarantined} quarantined"
    ));
    check_quarantine(&first)?;
    ensure!(rows == appended + quarantined, "{rows} rows are not {appended} appended and {quarantined} quarantined");

    let (second, again_seconds) = timed(|| office.import(&csv, SHIPMENTS, "us-dla", "second"))?;
    ensure!(number(&second, "appended")? == 0, "a second import appended something: {second}");
    ensure!(number(&second, "already")? == appended, "a second import did not find all: {second}");
    say(&format!("imported again in {again_seconds:.1} s: nothing was recorded twice"));

    let dispatches = office.path("dispatches.bundle.jsonl");
    office.export(&dispatches)?;
    let (received, receive_seconds) = timed(|| receive(&office, &states, &dispatches))?;
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
    compare(&bundle, &csv)?;

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

/// The one row that cannot be recorded is the second of a requisition that stands twice, and it is named.
fn check_quarantine(report: &Value) -> Result<()> {
    let rows = report["quarantined_rows"].as_array().context("no quarantined_rows")?;
    let [row] = rows.as_slice() else { bail!("expected one quarantined row, found {rows:?}") };
    ensure!(row["key"] == TWICE, "expected requisition {TWICE} in quarantine, found {row}");
    say(&format!("quarantined row {}: {TWICE}: {}", row["row"], row["reason"].as_str().unwrap_or_default()));
    Ok(())
}

/// Has every state sign receipts of all that it was sent; returns how many were recorded.
fn receive(office: &Office, states: &BTreeSet<String>, dispatches: &Path) -> Result<u64> {
    let from = dispatches.display().to_string();
    let mut received = 0;
    for state in states {
        let (case, key) = (format!("leso.{state}"), office.file(&format!("us-{state}.pem")));
        let report =
            office.run(&["receive", "--dispatches-of", &case, "--all", "--from", &from, "--key", &key], false)?;
        received += number(&report, "appended")?;
    }
    Ok(received)
}

fn compare(bundle: &Path, csv: &Path) -> Result<()> {
    let this = std::env::current_exe()?;
    let mut child =
        Command::new(this.with_file_name("leso_compare")).arg(bundle).arg(csv).stdout(Stdio::piped()).spawn()?;
    let mut text = String::new();
    child.stdout.take().context("no output")?.read_to_string(&mut text)?;
    text.lines().for_each(|line| say(&format!("compare: {line}")));
    let status = child.wait()?;
    ensure!(status.success(), "leso_compare: {status}");
    Ok(())
}
