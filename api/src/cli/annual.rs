//! `countersign annual`: what countries exported and imported in a year, for UNROCA and the Arms Trade Treaty.

use std::io::{self, Write};

use clap::Args;
use countersign_ledger::annual::{AnnualReport, CaseTotals, ServiceLine, Treaty};
use countersign_ledger::id::CaseId;
use serde::Serialize;

use super::bundle_source::BundleSource;
use super::findings::entries;
use super::{Context, table};
use crate::book_file::Verdict;
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::sheet::Sheet;
use crate::wire::AnnualView;

/// Arguments of `annual`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
An export counts in the year of its dispatch, an import in the year of its receipt. What has no
category of the treaty is listed as uncategorised, not dropped. Each figure names the entries that
it comes from. Training and services are listed beside, and count in the totals of their case.

EXAMPLE
  countersign annual --year 2026 --treaty unroca --country US
  countersign annual --year 2026 --treaty att --csv > att-2026.csv
  countersign annual --year 2026 --treaty att --bundle ledger.bundle.jsonl --ledger ID

Exit status: 0 computed; 1 the bundle is false; 2 usage, files, network.")]
pub struct AnnualArgs {
    /// The year that is reported
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1900..=9999))]
    year: i16,
    /// `unroca` (categories I to VII and SALW) or `att` (Article 2(1)(a) to (h))
    #[arg(long, value_name = "TREATY")]
    treaty: Treaty,
    /// The country that reports, such as US [default: every flow]
    #[arg(long, value_name = "COUNTRY", value_parser = parse_country)]
    country: Option<String>,
    #[command(flatten)]
    source: BundleSource,
    /// Write CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Reads two capital letters, the form of a party's country.
pub(crate) fn parse_country(text: &str) -> Result<String, String> {
    let two = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    if two { Ok(text.to_owned()) } else { Err(format!("expected two capital letters such as US, found {text:?}")) }
}

#[derive(Debug, Serialize)]
struct Annual {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    #[serde(flatten)]
    view: AnnualView,
}

/// Says it.
///
/// # Errors
/// When the bundle is false or cannot be read, or the server cannot be reached.
pub fn run(args: &AnnualArgs, context: &Context) -> Result<Exit, Failure> {
    let annual = match args.source.read(context, None)? {
        Some((book, verdict)) => {
            let report = AnnualReport::of(&book, args.year, args.treaty, args.country.as_deref());
            let view = AnnualView { report, cases: CaseTotals::of_all(&book) };
            Annual { verdict: Some(verdict), view }
        }
        None => {
            let client = context.client()?;
            let view = client.annual(args.year, args.treaty, args.country.as_deref())?;
            Annual { verdict: None, view }
        }
    };
    if args.csv {
        context.out().raw(&csv(&annual.view.report))?;
    } else {
        context.out().emit(&annual)?;
    }
    Ok(Exit::Done)
}

/// Returns a country, or that none is told.
fn place(country: Option<&str>) -> &str {
    country.unwrap_or("not told")
}

/// Returns amounts of money as a cell.
fn money(amounts: &std::collections::BTreeMap<String, String>) -> String {
    let amounts: Vec<String> = amounts.iter().map(|(currency, amount)| format!("{amount} {currency}")).collect();
    if amounts.is_empty() { "-".to_owned() } else { amounts.join(", ") }
}

fn services(out: &mut dyn Write, lines: &[ServiceLine]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\ntraining and services")?;
    let mut rows = table(["TYPE", "DELIVERIES", "PARTICIPANTS", "HOURS", "VALUE", "ENTRIES"]);
    for line in lines {
        rows.add_row([
            &escaped(&line.ty),
            &*line.deliveries.to_string(),
            &line.participants.to_string(),
            &line.hours,
            &money(&line.value),
            &entries(&line.entries),
        ]);
    }
    writeln!(out, "{}", rows.trim_fmt())
}

impl Report for Annual {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(verdict) = &self.verdict {
            writeln!(out, "bundle: {}", verdict.verdict)?;
        }
        let report = &self.view.report;
        let of = report.country.as_deref().map(|country| format!(" of {country}")).unwrap_or_default();
        writeln!(out, "{} {}{of}: {}", report.treaty.as_str(), report.year, report.basis)?;
        if report.incomplete {
            writeln!(out, "entries are not shown: figures may be missing")?;
        }
        if report.lines.is_empty() {
            writeln!(out, "nothing was transferred")?;
        } else {
            let mut rows = table(["", "CATEGORY", "FROM", "TO", "QUANTITY", "UNIT", "WHAT", "ENTRIES"]);
            for line in &report.lines {
                rows.add_row([
                    line.direction.as_str(),
                    line.category.as_deref().unwrap_or("uncategorised"),
                    place(line.from.as_deref()),
                    place(line.to.as_deref()),
                    &line.quantity,
                    &escaped(&line.unit),
                    &escaped(&line.nomenclature.join("; ")),
                    &entries(&line.entries),
                ]);
            }
            writeln!(out, "{}", rows.trim_fmt())?;
        }
        services(out, &report.services)?;
        if !self.view.cases.is_empty() {
            writeln!(out, "\nvalue of each case, from its beginning")?;
            let mut rows = table(["CASE", "AUTHORIZED", "DISPATCHED", "RECEIVED", "SERVICES", "LINES WITHOUT VALUE"]);
            for totals in &self.view.cases {
                let services: Vec<String> = totals
                    .services
                    .iter()
                    .filter(|s| !s.value.is_empty())
                    .map(|s| format!("{}: {}", s.ty, money(&s.value)))
                    .collect();
                let services = if services.is_empty() { "-".to_owned() } else { services.join("; ") };
                rows.add_row([
                    totals.case.as_str(),
                    &money(&totals.authorized),
                    &money(&totals.dispatched),
                    &money(&totals.received),
                    &escaped(&services),
                    &totals.unvalued.to_string(),
                ]);
            }
            writeln!(out, "{}", rows.trim_fmt())?;
        }
        Ok(())
    }
}

/// Writes the figures as a table for a spreadsheet, one row each.
pub(crate) fn csv(report: &AnnualReport) -> Vec<u8> {
    let header =
        ["treaty", "year", "direction", "category", "from", "to", "quantity", "unit", "what", "cases", "entries"];
    let mut sheet = Sheet::new(&header);
    for line in &report.lines {
        let cases: Vec<&str> = line.cases.iter().map(CaseId::as_str).collect();
        let seqs: Vec<String> = line.entries.iter().map(ToString::to_string).collect();
        sheet.row(&[
            report.treaty.as_str(),
            &report.year.to_string(),
            line.direction.as_str(),
            line.category.as_deref().unwrap_or("uncategorised"),
            line.from.as_deref().unwrap_or_default(),
            line.to.as_deref().unwrap_or_default(),
            &line.quantity,
            &escaped(&line.unit),
            &escaped(&line.nomenclature.join("; ")),
            &cases.join(" "),
            &seqs.join(" "),
        ]);
    }
    sheet.finish()
}
