//! `countersign import`: rows of a CSV or NDJSON file to signed events.
//!
//! A map file says how (`map.rs`). Every row ends in one of three ways: recorded, recorded before, or quarantined with
//! its reason; warnings say what was changed on the way. The id of each event is derived from the row's own key
//! (`derive.rs`), so importing a file again, from any machine, records nothing twice.
//!
//! With `--out DIR` nothing is sent: each event becomes a file, for others to sign (`out.rs`).
//!
//! Exit status: 0 every row is recorded · 3 some rows are quarantined · 2 the file, the map or the server cannot be
//! read or reached · 1 the server refuses everything.

mod date;
pub(crate) mod derive;
mod draft;
mod eval;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod every_table;
mod fault;
mod group;
mod input;
mod json_row;
mod map;
mod number;
mod out;
mod pipeline;
mod place;
mod read;
mod settle;
mod shape;
mod source;
mod table;
mod template;
mod value;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::id::{Author, PartyId};
use countersign_ledger::keys::Signer;
use serde::Serialize;

use super::Context;
use super::submit::count;
use super::witnessed::{self, Wait};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use draft::Drafter;
use group::Groups;
use input::Format;
use map::{After, Map};
use out::Folder;
use pipeline::{Destination, Target};
use read::Rows;
use settle::{Counts, Ledgerbook};

/// Arguments of `countersign import`.
#[derive(Debug, Args)]
#[command(after_help = "`countersign import --help` explains the map file", after_long_help = HELP)]
pub struct ImportArgs {
    /// CSV or NDJSON, gzipped or not; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How rows become events
    #[arg(long, value_name = "MAP.toml")]
    map: PathBuf,
    /// Check everything, sign and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the events to files in this folder, signed with the keys given, if any, and send nothing: others sign
    /// first where a kind needs more than one party
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dry_run", "receipts"])]
    out: Option<PathBuf>,
    /// Write what became of each row to this CSV file
    #[arg(long, value_name = "CSV")]
    results: Option<PathBuf>,
    /// Write the rows that are not recorded to this file, to be mended and imported again
    #[arg(long, value_name = "CSV")]
    quarantine: Option<PathBuf>,
    /// Keep the receipts in this folder
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
    /// At the end wait until the server's witnesses have cosigned what was recorded (status 3 if they do not in time)
    #[arg(long, value_name = "FOR", value_enum, conflicts_with_all = ["dry_run", "out"])]
    wait: Option<Wait>,
    /// The party that makes the statements, instead of the map's; without either, the holder of the key
    #[arg(long, value_name = "PARTY", env = "COUNTERSIGN_PARTY")]
    author: Option<PartyId>,
}

const HELP: &str = r#"EXAMPLE
  countersign import shipments.csv.gz --map shipments.toml --key donor.pem --quarantine mend.csv --results results.csv
  countersign import visits.csv --map checks.toml --key inspector.pem --out to-sign   # for the recipient to sign

  shipments.toml:
    kind = "transfer.dispatched"
    key = "{Number}"                        # the row's own key: importing it again records nothing twice
    subject = "consignment/{Number|id}"
    case = "{Country|lookup:cases}"
    group_by = ["Number"]                   # rows that make one event together; without it each row is one
    rows_per_part = 200                     # more rows than this make several events, in parts
    signers = ["eu-obs", "xa-mod"]          # exactly who signs, where others shall not
    occurred = { date = "{Shipped|date}" }  # or at, or from and to; and unknown = "why", where they are empty

    [input]                                 # all optional
    delimiter = ";"                         # or "tab"
    decimal = ","
    thousands = "."
    dates = ["%d.%m.%Y"]                    # strptime, or "excel"
    encoding = "windows-1251"               # of a file without byte-order mark; also windows-1252, utf-16le, utf-16be
    timezone = "Europe/Kyiv"                # of times that name none; or offset = "+02:00"
    empty = ["N/A"]
    trim = "warn"                           # of space around values: "silent", "warn" or "off"
    # also: format, skip, columns

    [units]
    "шт" = "EA"

    [tables.cases]                          # or file = "cases.csv", key = "Country", value = "case"
    values = { XA = "us-dsca.xa-b-uaa" }

    [body]                                  # as the kind has it: countersign event kinds transfer.dispatched
    document_number = "{Number}"
    [body.lines]                            # an array: one element for each value of `each` among the rows
    each = "{NSN}"
    [body.lines.of]
    line = "{_n}"
    nomenclature = "{Name|cut:200}"
    quantity = "{_rows}"
    unit = "EA"
    nsn = "{NSN|nsn}"
    [body.lines.of.serials]
    each = "{_row}"
    of = "{Serial}"

TEMPLATES
  {Column}  {A+B} two columns joined  {`odd | name`}  {{ and }} the signs themselves
  filters: lower upper id number int bool date time unit nsn local_stock_number lookup:TABLE default:TEXT
           cut:BYTES pad:N list:SEPARATOR, and over the rows of one event or line: sum first join:SEPARATOR
  {_n} number of the element  {_rows} number of its rows  {_row} row number (in `each`)
  {_part} {_last} number of the part, and whether it is the last: for `part` and `last` (`|int`, `|bool`)
  {_content} hash of the row, {_nth} how many rows of that content there were: for keys of files that have none
  `nsn` and `local_stock_number` give the number where it is of that sort, and nothing otherwise
  a member whose columns are empty is left out
  after = "stream" (default "start"): events follow what the ledger has on the subject

EXIT STATUS
  0 every row is recorded   3 some rows are quarantined   2 usage or i/o   1 the server refuses everything"#;

/// Runs `countersign import`.
///
/// # Errors
/// When the file or the map cannot be used, the server cannot be reached, or it refuses every row.
pub fn run(args: ImportArgs, context: &Context) -> Result<Exit, Failure> {
    let began = Instant::now();
    let map = Map::read(&args.map)
        .map_err(|e| Failure::usage(e).hint("`countersign import --help` explains the map file"))?;
    let file = |e: &io::Error| Failure::file(&args.file, "read", e);
    let source = source::open(&args.file, map.input.encoding).map_err(|e| file(&e))?;
    let (read, size) = (source.read.clone(), source.size);
    let format = map.input.format.unwrap_or_else(|| format_of(&args.file));
    let rows = Rows::new(source, &map, format).map_err(|e| Failure::usage(e).within(args.file.display()))?;
    let sends = !args.dry_run && args.out.is_none();
    let keys = if sends { context.some_keys()? } else { context.keys()? };
    let drafter = drafter(&args, map, context, &keys)?;
    let mut book = Ledgerbook::open(args.results.clone(), args.quarantine.clone(), rows.layout().clone())?;
    for folder in args.out.iter().chain(args.receipts.iter().filter(|_| !args.dry_run)) {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, "make", &e))?;
    }
    let bar = context.out().byte_progress(size, if args.dry_run { "checking" } else { "importing" });
    let progress = || bar.set_position(read.count());
    let groups = Groups::new(rows, drafter.map.group_by.clone());
    let asks = sends || (args.out.is_some() && drafter.map.after == After::Stream);
    let client = if asks { Some(context.client()?) } else { None };
    let target = match (&client, &args.out) {
        (client, Some(path)) => Target::Files(Folder { path: path.clone(), keys: &keys, client: client.as_ref() }),
        (Some(client), None) => {
            let began = client.checkpoint()?.checkpoint().size;
            Target::Ledger(Destination { client, keys: &keys, began, receipts: args.receipts.as_deref() })
        }
        (None, None) => Target::Nowhere,
    };
    let result = pipeline::run(groups, &drafter, &target, &mut book, &progress);
    bar.finish_and_clear();
    let quarantine = book.quarantine_file().map(Path::to_owned);
    let seconds = began.elapsed().as_secs_f64();
    let report = ImportReport {
        dry_run: args.dry_run,
        rows_per_second: whole(book.counts.rows, seconds),
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        counts: std::mem::take(&mut book.counts),
        results: args.results,
        out: args.out,
        quarantine,
    };
    // What is settled is told even where the rest failed.
    context.out().emit(&report)?;
    result?;
    if let (Some(Wait::Witnessed), Some(client)) = (args.wait, &client) {
        // the receipts stay as they are: their entries are below the checkpoint that is waited for
        let exit = witnessed::wait(client.checkpoint()?.checkpoint().size, &[], context)?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    Ok(if report.counts.quarantined > 0 { Exit::Partly } else { Exit::Done })
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rate, for people
fn whole(rows: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (rows as f64 / seconds) as u64 } else { 0 }
}

fn format_of(file: &Path) -> Format {
    let name = file.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(".ndjson") || name.ends_with(".jsonl") { Format::Ndjson } else { Format::Csv }
}

/// Finds the ledger and the author. A dry run needs neither the server nor a key: ids are not shown then.
fn drafter(args: &ImportArgs, map: Map, context: &Context, keys: &[Arc<dyn Signer>]) -> Result<Drafter, Failure> {
    let named = args.author.clone().or_else(|| map.author.clone());
    if args.dry_run {
        let ledger = context.global().ledger.unwrap_or(LedgerId::from_bytes([0; 32]));
        let nobody = || "nobody".parse().map_err(Failure::usage);
        let author = named.map_or_else(nobody, Ok)?;
        return Ok(Drafter { map, ledger, author });
    }
    let named = named.map(Author::Party);
    match context.author(named.as_ref(), keys)? {
        Author::Party(author) => Ok(Drafter { map, ledger: context.ledger_id()?, author }),
        Author::Governance => Err(Failure::usage("the key is governance's, and imports are statements of a party")
            .hint("give --author PARTY and that party's --key")),
    }
}

/// What an import did.
#[derive(Debug, Serialize)]
struct ImportReport {
    dry_run: bool,
    #[serde(flatten)]
    counts: Counts,
    rows_per_second: u64,
    milliseconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<PathBuf>,
}

impl Report for ImportReport {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let counts = &self.counts;
        let rows = |n: u64, what: &str| format!("{} {what}", count(usize::try_from(n).unwrap_or(usize::MAX), "row"));
        if self.dry_run {
            writeln!(out, "{}; nothing was signed or sent", rows(counts.valid, "valid"))?;
        } else if let Some(folder) = &self.out {
            let events = count(usize::try_from(counts.events_written).unwrap_or(usize::MAX), "event");
            let there = counts.there;
            writeln!(
                out,
                "{} as {events} to {}, {there} there before",
                rows(counts.written, "written"),
                folder.display()
            )?;
            writeln!(
                out,
                "`countersign event sign FILE` adds a signature, `countersign event submit FILE` records it"
            )?;
        } else {
            let events = count(usize::try_from(counts.events_appended).unwrap_or(usize::MAX), "event");
            writeln!(out, "{} as {events}, {} recorded before", rows(counts.appended, "appended"), counts.already)?;
        }
        writeln!(out, "{}, {} quarantined", rows(counts.warned, "warned of"), counts.quarantined)?;
        for (sort, n) in &counts.warnings {
            writeln!(out, "  warning: {sort} in {}", count(usize::try_from(*n).unwrap_or(usize::MAX), "row"))?;
        }
        for row in &counts.quarantined_rows {
            let key = if row.key.is_empty() { String::new() } else { format!(" ({})", escaped(&row.key)) };
            let field = if row.field.is_empty() { String::new() } else { format!("{}: ", escaped(&row.field)) };
            writeln!(out, "  quarantined: row {}{key}: {field}{}", row.row, escaped(&row.reason))?;
        }
        let unnamed = counts.quarantined.saturating_sub(counts.quarantined_rows.len() as u64);
        if unnamed > 0 {
            writeln!(out, "  and {unnamed} more")?;
        }
        if let Some(path) = &self.quarantine {
            writeln!(out, "mend {} and import it with the same map", path.display())?;
        } else if counts.quarantined > 0 {
            writeln!(out, "--quarantine FILE keeps such rows, to be mended and imported again")?;
        }
        if let Some(path) = &self.results {
            writeln!(out, "results {}", path.display())?;
        }
        Ok(())
    }
}
