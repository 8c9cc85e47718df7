//! Compares a bundle with the shipments that it was made of: rows and quantities by state, stock number and unit.
//!
//! It reads the bundle and the CSV with nothing of Countersign's own code, as an outsider would: a bundle is lines of
//! JSON, a payload is base64 of JSON (SPEC §4, §5, §11). It verifies nothing; `countersign-verify` does that.
//!
//! ```text
//! leso_compare leso.bundle.jsonl leso_shipments.csv.gz
//! ```
//!
//! A row of the CSV whose requisition number stood before cannot be in the ledger twice: it is named, and is the only
//! difference that is accepted. Exit status: 0 they agree, 1 they do not, 2 a file cannot be read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use serde_json::Value;

/// Compare a bundle with the shipments that it was made of
#[derive(Parser)]
struct Args {
    /// The bundle, not compressed
    bundle: PathBuf,
    /// The shipments, gzipped or not
    csv: PathBuf,
}

/// State, stock number without hyphens, unit.
type Key = (String, String, String);

/// Rows, and quantity in ten-thousandths.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    rows: u64,
    quantity: u128,
}

impl Sum {
    fn add(&mut self, quantity: u128) {
        self.rows += 1;
        self.quantity += quantity;
    }
}

fn main() -> ExitCode {
    match compare(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn compare(args: &Args) -> Result<bool> {
    let published = read_csv(&args.csv).with_context(|| args.csv.display().to_string())?;
    let recorded = read_bundle(&args.bundle).with_context(|| args.bundle.display().to_string())?;
    println!("published: {} rows, {} groups of state, stock number and unit", published.rows, published.sums.len());
    println!("dispatched: {} lines, received: {} lines", recorded.dispatched_lines, recorded.received_lines);
    let mut agree = true;
    let mut explained = published.sums.clone();
    for (key, quantity, what) in &published.repeated {
        println!("explained: {what}");
        if let Some(sum) = explained.get_mut(key) {
            sum.rows -= 1;
            sum.quantity -= quantity;
        }
    }
    explained.retain(|_, sum| sum.rows > 0);
    agree &= report("dispatched", &explained, &recorded.dispatched);
    agree &= report("received", &recorded.dispatched, &recorded.received);
    println!("{}", if agree { "the bundle and the published rows agree" } else { "they do not agree" });
    Ok(agree)
}

/// Prints every group in which two sums differ.
fn report(what: &str, expected: &BTreeMap<Key, Sum>, found: &BTreeMap<Key, Sum>) -> bool {
    let keys: std::collections::BTreeSet<&Key> = expected.keys().chain(found.keys()).collect();
    let mut agree = true;
    for key in keys {
        let (a, b) = (expected.get(key).copied().unwrap_or_default(), found.get(key).copied().unwrap_or_default());
        if a != b {
            agree = false;
            let (state, stock, unit) = key;
            println!(
                "differs: {what} {state} {stock} {unit}: expected {} rows and {}, found {} and {}",
                a.rows,
                plain(a.quantity),
                b.rows,
                plain(b.quantity)
            );
        }
    }
    agree
}

fn plain(quantity: u128) -> String {
    format!("{}.{:04}", quantity / 10_000, quantity % 10_000)
}

struct Published {
    rows: u64,
    sums: BTreeMap<Key, Sum>,
    /// Rows whose requisition number stood before, and what to say of them.
    repeated: Vec<(Key, u128, String)>,
}

fn read_csv(path: &Path) -> Result<Published> {
    let mut file = BufReader::new(File::open(path)?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> =
        if packed { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = csv::Reader::from_reader(reader);
    let header = reader.headers()?.clone();
    let place =
        |name: &str| header.iter().position(|column| column == name).with_context(|| format!("no column {name}"));
    let (state, requisition, class, item) = (place("State")?, place("Requisition ID")?, place("FSC")?, place("NIIN")?);
    let (unit, quantity) = (place("UI")?, place("Quantity")?);
    let mut published = Published { rows: 0, sums: BTreeMap::new(), repeated: Vec::new() };
    let mut seen: HashMap<String, u64> = HashMap::new();
    for row in reader.records() {
        let row = row?;
        published.rows += 1;
        let number = published.rows + 1;
        let stock = format!("{}{}", row[class].trim(), row[item].trim());
        let key = (row[state].trim().to_owned(), stock, row[unit].trim().to_owned());
        let amount = ten_thousandths(row[quantity].trim())?;
        published.sums.entry(key.clone()).or_default().add(amount);
        let name = row[requisition].trim().to_owned();
        if let Some(first) = seen.get(&name) {
            let what = format!(
                "row {number} repeats requisition {name} of row {first}: {} {} of {} for {}",
                plain(amount),
                key.2,
                key.1,
                key.0
            );
            published.repeated.push((key, amount, what));
        } else {
            seen.insert(name, number);
        }
    }
    Ok(published)
}

fn ten_thousandths(text: &str) -> Result<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    ensure!(fraction.len() <= 4 && !whole.is_empty(), "{text:?} is no quantity");
    let digits = format!("{whole}{fraction:0<4}");
    ensure!(digits.bytes().all(|b| b.is_ascii_digit()), "{text:?} is no quantity");
    Ok(digits.parse()?)
}

#[derive(Default)]
struct Recorded {
    dispatched: BTreeMap<Key, Sum>,
    received: BTreeMap<Key, Sum>,
    dispatched_lines: u64,
    received_lines: u64,
    /// What each dispatch line is, to know what a receipt's line is.
    lines: HashMap<(String, String, String), Key>,
    seen: HashSet<(String, String, String)>,
}

fn read_bundle(path: &Path) -> Result<Recorded> {
    let mut recorded = Recorded::default();
    for (i, line) in BufReader::with_capacity(1 << 20, File::open(path)?).lines().enumerate() {
        let value: Value = serde_json::from_str(&line?).with_context(|| format!("line {}", i + 1))?;
        if i == 0 {
            ensure!(value["countersign_bundle"] == 1, "this is no bundle of version 1");
        } else if let Some(payload) = value["envelope"]["payload"].as_str() {
            let event: Value =
                serde_json::from_slice(&STANDARD.decode(payload)?).with_context(|| format!("line {}", i + 1))?;
            recorded.take(&event).with_context(|| format!("line {}", i + 1))?;
        }
    }
    Ok(recorded)
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no text {name}"))
}

impl Recorded {
    fn take(&mut self, event: &Value) -> Result<()> {
        let kind = text(event, "kind")?;
        if !matches!(kind, "transfer.dispatched" | "transfer.received") {
            return Ok(());
        }
        let (case, subject) = (text(event, "case")?, text(event, "subject")?);
        let Some(lines) = event["body"]["lines"].as_array() else { bail!("a body without lines") };
        for line in lines {
            let place = (case.to_owned(), subject.to_owned(), text(line, "line")?.to_owned());
            if kind == "transfer.dispatched" {
                let state =
                    case.strip_prefix("leso.").with_context(|| format!("case {case} is of no state"))?.to_uppercase();
                let stock =
                    line["nsn"].as_str().or_else(|| line["local_stock_number"].as_str()).context("no stock number")?;
                let key = (state, stock.replace('-', ""), text(line, "unit")?.to_owned());
                self.dispatched.entry(key.clone()).or_default().add(ten_thousandths(text(line, "quantity")?)?);
                self.dispatched_lines += 1;
                ensure!(self.lines.insert(place, key).is_none(), "a line that was dispatched before");
            } else {
                let key = self.lines.get(&place).context("a receipt of what was not dispatched")?.clone();
                ensure!(self.seen.insert(place), "a line that was received before");
                self.received.entry(key).or_default().add(ten_thousandths(text(line, "received")?)?);
                self.received_lines += 1;
            }
        }
        Ok(())
    }
}
