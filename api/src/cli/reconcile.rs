//! `countersign reconcile`: what there should be against what was found, from a server or from a bundle.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use countersign_ledger::id::{CaseId, PartyId};
use countersign_ledger::reconcile::{Amount, Explanation, Figure, Reconciliation, Row, Scope, Total, reconcile};
use serde::Serialize;

use super::bundle_source::{BundleSource, known_case};
use super::findings::{AsOf, entries};
use super::{Context, table};
use crate::book_file::Verdict;
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::sheet::Sheet;

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A figure is computed from entries, which --json and --csv name beside it. A difference that no
entry explains is listed as unexplained: that is all that the ledger knows of it. Amounts of
unlike units are never added. With --bundle the verifier reads the same bytes first.

EXAMPLE
  countersign reconcile --case us-dsca.xa-b-uaa
  countersign reconcile --holder xa-mod --as-of 2026-09-30 --csv > holdings.csv
  countersign reconcile --nsn 5855-01-534-5931 --bundle ledger.bundle.jsonl --ledger ID

Exit status: 0 computed, whatever was found; 1 the bundle is false; 2 usage, files, network.")]
pub struct ReconcileArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    source: BundleSource,
    /// As of the end of this date (UTC), or of an instant: what was recorded later is left out [default: now]
    #[arg(long, value_name = "DATE|TIME")]
    as_of: Option<AsOf>,
    /// Write CSV, a row for each line and serial
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Of what: one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ScopeArgs {
    /// Of this case
    #[arg(long, value_name = "CASE")]
    case: Option<CaseId>,
    /// Of what this party holds
    #[arg(long, value_name = "PARTY")]
    holder: Option<PartyId>,
    /// Of what was last at the site of this code
    #[arg(long, value_name = "CODE")]
    site: Option<String>,
    /// Of this national or local stock number
    #[arg(long, value_name = "NUMBER")]
    nsn: Option<String>,
}

impl ScopeArgs {
    fn scope(&self) -> Result<Scope, Failure> {
        let case = self.case.clone().map(Scope::Case);
        let holder = || self.holder.clone().map(Scope::Holder);
        let site = || self.site.clone().map(Scope::Site);
        let number = || self.nsn.as_deref().map(Scope::stock_number);
        let scope = case.or_else(holder).or_else(site).or_else(number);
        scope.ok_or_else(|| Failure::usage("expected one of --case, --holder, --site and --nsn"))
    }
}

/// What was computed, and from what.
#[derive(Debug, Serialize)]
struct Reconciled {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    as_of: String,
    totals: Vec<Total>,
    rows: Vec<Row>,
}

/// Says it.
///
/// # Errors
/// When the bundle is false or cannot be read, or the server cannot be reached.
pub fn run(args: &ReconcileArgs, context: &Context) -> Result<Exit, Failure> {
    let scope = args.scope.scope()?;
    let as_of = args.as_of.map(|AsOf(time)| time);
    let reconciled = match args.source.read(context, as_of)? {
        Some((book, verdict)) => {
            if let Scope::Case(case) = &scope {
                known_case(&book, Some(case))?;
            }
            let Reconciliation { totals, rows } = reconcile(&book, &scope);
            Reconciled { verdict: Some(verdict), as_of: book.as_of().to_string(), totals, rows }
        }
        None => {
            let page = context.client()?.reconciliation(&scope, as_of)?;
            Reconciled { verdict: None, as_of: page.as_of.to_string(), totals: page.totals, rows: page.rows }
        }
    };
    if args.csv {
        context.out().raw(&csv(&reconciled.rows))?;
    } else {
        context.out().emit(&reconciled)?;
    }
    Ok(Exit::Done)
}

/// The figures of a table, in its columns.
const COLUMNS: [(&str, Figure); 11] = [
    ("AUTHORIZED", Figure::Authorized),
    ("SENT", Figure::Dispatched),
    ("RECEIVED", Figure::Received),
    ("DECLARED", Figure::Declared),
    ("DISPOSED", Figure::Disposed),
    ("GONE", Figure::Gone),
    ("PASSED ON", Figure::Retransferred),
    ("HELD", Figure::Held),
    ("FOUND", Figure::Inventoried),
    ("SHORT", Figure::UnexplainedShort),
    ("OVER", Figure::UnexplainedOver),
];

fn explained(row: &Row) -> String {
    let one = |e: &Explanation| format!("{} {} ({})", e.amount, e.why.replace('_', " "), entries(&e.entries));
    row.explained.iter().map(one).collect::<Vec<_>>().join("; ").replace(" ()", "")
}

impl Report for Reconciled {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(verdict) = &self.verdict {
            writeln!(out, "bundle: {}", verdict.verdict)?;
        }
        writeln!(out, "as of {}: {} stock numbers or names", self.as_of, self.totals.len())?;
        if self.totals.is_empty() {
            return Ok(());
        }
        let mut header = ["STOCK NUMBER", "NAME", "UNIT", "", "", "", "", "", "", "", "", "", "", ""];
        for (place, (name, _)) in header.iter_mut().skip(3).zip(COLUMNS) {
            *place = name;
        }
        let mut totals = table(header);
        for total in &self.totals {
            let mut cells = vec![
                escaped(total.stock_number.as_deref().unwrap_or("-")).to_string(),
                escaped(total.nomenclature.as_deref().unwrap_or("-")).to_string(),
                total.unit.clone().unwrap_or_default(),
            ];
            cells.extend(COLUMNS.iter().map(|(_, figure)| total.figures.get(figure).cloned().unwrap_or_default()));
            totals.add_row(cells);
        }
        writeln!(out, "{}", totals.trim_fmt())?;
        let open = |row: &&Row| {
            let unexplained = [Figure::UnexplainedShort, Figure::UnexplainedOver];
            unexplained.iter().any(|figure| row.figures.contains_key(figure)) || !row.unknown.is_empty()
        };
        let mut rows = table(["CASE", "SUBJECT", "LINE", "SERIAL", "SHORT", "OVER", "ENTRIES", "EXPLAINED"]);
        let mut shown = 0usize;
        for row in self.rows.iter().filter(open) {
            let amount = |figure| row.figures.get(&figure).map_or("", |amount: &Amount| amount.amount.as_str());
            let seqs = row.figures.values().flat_map(|amount| &amount.entries).chain(&row.unknown).copied().collect();
            rows.add_row([
                row.case.as_str(),
                row.subject.as_str(),
                &escaped(&row.line),
                &escaped(row.serial.as_deref().unwrap_or("")),
                amount(Figure::UnexplainedShort),
                amount(Figure::UnexplainedOver),
                &entries(&distinct(seqs)),
                &explained(row),
            ]);
            shown += 1;
        }
        if shown > 0 {
            writeln!(out, "\nnot explained by any entry")?;
            writeln!(out, "{}", rows.trim_fmt())?;
        }
        Ok(())
    }
}

fn distinct(mut seqs: Vec<countersign_ledger::id::Seq>) -> Vec<countersign_ledger::id::Seq> {
    seqs.sort_unstable();
    seqs.dedup();
    seqs
}

/// Writes lines and serials as a table for a spreadsheet, one row each.
pub(crate) fn csv(rows: &[Row]) -> Vec<u8> {
    let figures: Vec<&str> = Figure::ALL.iter().map(|figure| figure.as_str()).collect();
    let before = ["case", "subject", "line", "serial", "nomenclature", "stock_number", "unit", "state"];
    let after = ["inventory_date", "inventory_grade", "explained", "unknown_entries", "entries"];
    let mut sheet = Sheet::new(&[&before[..], &figures, &after].concat());
    for row in rows {
        let text = |text: &Option<String>| text.as_deref().map(|text| escaped(text).to_string()).unwrap_or_default();
        let mut cells = vec![
            row.case.to_string(),
            row.subject.to_string(),
            row.line.clone(),
            text(&row.serial),
            text(&row.nomenclature),
            text(&row.stock_number),
            row.unit.clone().unwrap_or_default(),
            row.state.map(|state| state.to_string()).unwrap_or_default(),
        ];
        let amount = |figure| row.figures.get(figure).map(|amount| amount.amount.clone()).unwrap_or_default();
        cells.extend(Figure::ALL.iter().map(amount));
        let by_figure: BTreeMap<&str, Vec<String>> = row
            .figures
            .iter()
            .map(|(figure, amount)| (figure.as_str(), amount.entries.iter().map(ToString::to_string).collect()))
            .collect();
        let led: Vec<String> = by_figure.iter().map(|(name, seqs)| format!("{name}: {}", seqs.join(" "))).collect();
        let grade = row.inventory.and_then(|(_, grade)| serde_json::to_value(grade).ok());
        cells.extend([
            row.inventory.map(|(at, _)| at.to_string()).unwrap_or_default(),
            grade.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
            explained(row),
            row.unknown.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            led.join("; "),
        ]);
        sheet.row(&cells);
    }
    sheet.finish()
}
