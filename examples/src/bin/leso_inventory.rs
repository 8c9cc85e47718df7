//! Records a real inventory after real shipments, and holds one against the other.
//!
//! ```text
//! make replay DATA=folder      # folder has leso_shipments.csv.gz and leso_inventory_2020-03-31.csv.gz
//! ```
//!
//! The shipments are imported as dispatches (see `leso_replay`). Every state then imports the inventory of its agencies:
//! what was shipped before the shipments file begins as holdings, self-declared, and all of it as self-reports. A row
//! whose stock number is malformed is quarantined, and stands in an event of its own so that it keeps nothing else out.
//! From the exported bundle, which `countersign-verify` verifies, what was sent is held against what is there, by
//! agency, stock number, ship date and unit; the same is read out of the published tables by other code, and the two
//! must agree to the last row. Differences are explained by what is recorded or listed as unexplained: the list says
//! what is not known, and nothing of losses.
//!
//! The last line of stdout is one JSON object. Exit status: 0 if everything is as it should be.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use countersign_examples::leso::books::{Books, Difference, Reconciled, reconcile, stock_number};
use countersign_examples::leso::{Office, SHIPMENTS, column, ended, number, say, states, table, timed};
use serde_json::{Value, json};

const HOLDINGS: &str = include_str!("../../maps/leso_inventory_holdings.toml");
const REPORT: &str = include_str!("../../maps/leso_inventory_report.toml");

/// Record a real inventory after real shipments, and hold one against the other
#[derive(Parser)]
struct Args {
    /// The folder with leso_shipments.csv.gz and leso_inventory_2020-03-31.csv.gz
    data: PathBuf,
    /// Keep the bundle here
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Write the unexplained differences here
    #[arg(long, value_name = "CSV")]
    differences: Option<PathBuf>,
}

fn main() -> ExitCode {
    ended(run(&Args::parse()))
}

fn run(args: &Args) -> Result<Value> {
    let shipments = args.data.join("leso_shipments.csv.gz");
    let inventory = args.data.join("leso_inventory_2020-03-31.csv.gz");
    let mut all = states(&shipments)?;
    all.extend(states(&inventory)?);
    let mut office = Office::new()?;
    let _server = office.begin()?;
    office.enrol(&all)?;
    let (sent, seconds) = timed(|| office.import(&shipments, SHIPMENTS, "us-dla", "shipments"))?;
    say(&format!("imported {} shipments in {seconds:.1} s", number(&sent, "appended")?));

    let first = first_shipment(&shipments)?;
    let sorted = sort(&office, &inventory, &first)?;
    say(&format!("the shipments begin on {first}: {} rows of the inventory are older", sorted.old_rows));
    let (done, seconds) = timed(|| import(&office, &sorted))?;
    say(&format!(
        "{} of {} rows reported by {} states in {seconds:.1} s as {} events, {} quarantined; {} lines of holdings",
        done.reported,
        sorted.rows,
        sorted.states.len(),
        done.report_events,
        done.quarantined,
        done.held
    ));

    let bundle = args.bundle.clone().unwrap_or_else(|| office.path("leso.bundle.jsonl"));
    office.export(&bundle)?;
    let (report, seconds) = timed(|| office.verify(&bundle))?;
    ensure!(report["verdict"] == "verified", "the verifier says {report}");
    let entries = number(&report, "size")?;
    say(&format!("verified {entries} entries in {seconds:.1} s"));
    let recorded = Books::of_bundle(&bundle)?;
    let published = Books::of_tables(&shipments, &inventory)?;
    ensure!(recorded == published, "the bundle and the published tables do not agree");
    say("the bundle and the published tables agree");
    let found = reconcile(&recorded);
    tell(&recorded, &found);
    if let Some(path) = &args.differences {
        list(path, &found.unexplained)?;
    }
    Ok(json!({
        "shipments": number(&sent, "rows")?,
        "dispatched": recorded.dispatch_lines,
        "inventory": sorted.rows,
        "standard": recorded.standard,
        "local": recorded.local,
        "malformed": done.quarantined,
        "older_than_shipments": sorted.old_rows,
        "holding_lines": recorded.holding_lines,
        "groups_that_agree": found.agree,
        "groups_explained": found.explained,
        "groups_unexplained": found.unexplained.len(),
        "holdings_agree": recorded.held == recorded.reported_held,
        "entries": entries,
        "verdict": report["verdict"],
        "agrees_with_tables": true,
    }))
}

fn first_shipment(path: &Path) -> Result<String> {
    let mut reader = table(path)?;
    let place = column(reader.headers()?, "Date Shipped")?;
    let mut first: Option<String> = None;
    for row in reader.records() {
        let date = row?[place].get(..10).context("no date")?.to_owned();
        first = Some(first.map_or_else(|| date.clone(), |first| first.min(date.clone())));
    }
    first.context("no shipments")
}

/// The inventory, sorted into a table of holdings and one of reports for each state.
struct Sorted {
    states: BTreeMap<String, Tables>,
    rows: u64,
    old_rows: u64,
}

#[derive(Default)]
struct Tables {
    holdings: Vec<csv::StringRecord>,
    report: Vec<csv::StringRecord>,
}

/// Gives agencies their ids: letters and digits of the name, and a number where two come to the same.
#[derive(Default)]
struct Agencies {
    ids: HashMap<(String, String), String>,
    taken: HashSet<String>,
    /// Lines of holdings so far.
    lines: HashMap<String, u64>,
}

impl Agencies {
    fn id(&mut self, state: &str, name: &str) -> String {
        let of = (state.to_owned(), name.to_owned());
        if let Some(id) = self.ids.get(&of) {
            return id.clone();
        }
        let words: Vec<String> = name
            .to_lowercase()
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let base = format!("{state}-{}", words.join("-"));
        let mut id = base.clone();
        let mut n = 2;
        while !self.taken.insert(id.clone()) {
            id = format!("{base}-{n}");
            n += 1;
        }
        self.ids.insert(of, id.clone());
        id
    }
}

const ADDED: [&str; 4] = ["Report", "Holding", "Line", "Shipped"];

fn sort(office: &Office, inventory: &Path, first: &str) -> Result<Sorted> {
    let mut reader = table(inventory)?;
    let header = reader.headers()?.clone();
    let at = |name: &str| column(&header, name);
    let (state, name, stock, shipped) = (at("State")?, at("Station Name (LEA)")?, at("NSN")?, at("Ship Date")?);
    let mut agencies = Agencies::default();
    let mut sorted = Sorted { states: BTreeMap::new(), rows: 0, old_rows: 0 };
    for row in reader.records() {
        let row = row?;
        sorted.rows += 1;
        let state = row[state].trim().to_lowercase();
        let agency = agencies.id(&state, row[name].trim());
        // What cannot be recorded stands alone: rows of one event are recorded together or not at all.
        let alone = stock_number(row[stock].trim()).is_none().then(|| format!("{agency}.row-{}", sorted.rows + 1));
        let holding = alone.clone().unwrap_or_else(|| agency.clone());
        let report = format!("{}.2020-03-31", alone.unwrap_or_else(|| agency.clone()));
        let tables = sorted.states.entry(state).or_default();
        let mut more = row.clone();
        if row[shipped].get(..10).context("no date")? < first {
            sorted.old_rows += 1;
            let line = agencies.lines.entry(holding.clone()).or_default();
            *line += 1;
            [&report, &holding, &line.to_string(), ""].iter().for_each(|field| more.push_field(field));
            tables.holdings.push(more.clone());
        } else {
            [&report, "", "", &row[shipped]].iter().for_each(|field| more.push_field(field));
        }
        tables.report.push(more);
    }
    let mut header = header;
    ADDED.iter().for_each(|name| header.push_field(name));
    for (state, tables) in &sorted.states {
        for (name, rows) in [("holdings", &tables.holdings), ("report", &tables.report)] {
            let mut writer = csv::Writer::from_path(office.path(&format!("{state}.{name}.csv")))?;
            writer.write_record(&header)?;
            rows.iter().try_for_each(|row| writer.write_record(row))?;
            writer.flush()?;
        }
    }
    Ok(sorted)
}

#[derive(Default)]
struct Done {
    held: u64,
    reported: u64,
    report_events: u64,
    quarantined: u64,
}

/// Has each state import its tables under its own key: it is the recipient who says what is there.
fn import(office: &Office, sorted: &Sorted) -> Result<Done> {
    let mut done = Done::default();
    for (state, tables) in &sorted.states {
        let party = format!("us-{state}");
        if !tables.holdings.is_empty() {
            let name = format!("{state}.holdings");
            let held = office.import(&office.path(&format!("{name}.csv")), HOLDINGS, &party, &name)?;
            done.held += number(&held, "appended")?;
        }
        let name = format!("{state}.report");
        let report = office.import(&office.path(&format!("{name}.csv")), REPORT, &party, &name)?;
        done.reported += number(&report, "appended")?;
        done.report_events += number(&report, "events_appended")?;
        done.quarantined += number(&report, "quarantined")?;
        for row in report["quarantined_rows"].as_array().into_iter().flatten() {
            let reason = row["reason"].as_str().unwrap_or_default();
            say(&format!("quarantined: {}, row {}: {reason}", state.to_uppercase(), row["row"]));
            ensure!(row["field"] == "NSN", "only malformed stock numbers are expected in quarantine, found {row}");
        }
    }
    ensure!(done.reported + done.quarantined == sorted.rows, "{} rows, {} reported", sorted.rows, done.reported);
    Ok(done)
}

fn tell(books: &Books, found: &Reconciled) {
    let groups = found.agree + found.explained.values().sum::<usize>() + found.unexplained.len();
    say(&format!("{groups} groups of agency, stock number, ship date and unit were sent or are in the inventory"));
    say(&format!("  {:>6}  agree", found.agree));
    found.explained.iter().for_each(|(why, n)| say(&format!("  {n:>6}  differ, explained: {why}")));
    let sorts: [(&str, fn(&Difference) -> bool); 4] = [
        ("sent, and not in the inventory", |d| d.reported == 0),
        ("less in the inventory than was sent", |d| d.reported > 0 && d.reported < d.dispatched),
        ("more in the inventory than was sent", |d| d.dispatched > 0 && d.reported > d.dispatched),
        ("in the inventory, and not among the shipments", |d| d.dispatched == 0),
    ];
    for (what, is) in sorts {
        let those: Vec<&Difference> = found.unexplained.iter().filter(|d| is(d)).collect();
        say(&format!("  {:>6}  differ, unexplained: {what}", those.len()));
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        let of = |d: &Difference| books.demil.get(&d.key).map_or("none", String::as_str);
        those.iter().filter(|d| d.dispatched > 0).for_each(|d| *codes.entry(of(d)).or_default() += 1);
        let codes: Vec<String> = codes.into_iter().map(|(code, n)| format!("{code} {n}")).collect();
        if !codes.is_empty() {
            say(&format!("          by DEMIL code of the shipment: {}", codes.join(", ")));
        }
    }
}

/// Writes the differences that nothing explains.
fn list(path: &Path, differences: &[Difference]) -> Result<()> {
    let plain = |quantity: u128| format!("{}.{:04}", quantity / 10_000, quantity % 10_000);
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record([
        "state",
        "agency",
        "stock_number",
        "ship_date",
        "unit",
        "sent",
        "in_inventory",
        "explanation",
    ])?;
    for Difference { key, dispatched, reported } in differences {
        let (sent, there) = (plain(*dispatched), plain(*reported));
        let fields = [&key.state, &key.agency, &key.stock, &key.date, &key.unit, &sent, &there, "unexplained"];
        // No spreadsheet shall take a name for a formula.
        writer.write_record(
            fields.map(|f| if f.starts_with(['=', '+', '-', '@']) { format!("'{f}") } else { f.to_owned() }),
        )?;
    }
    Ok(writer.flush()?)
}
