//! `countersign findings`: what is overdue, what does not add up, from a server or from a bundle.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use countersign_ledger::book::Book;
use countersign_ledger::findings::{Assessment, Code, Finding, Obligation, Severity, Unknown, assess, concerns};
use countersign_ledger::id::CaseId;
use countersign_ledger::time::{Date, Time};
use serde::Serialize;

use super::bundle_source::{BundleSource, known_case};
use super::{Context, table};
use crate::book_file::Verdict;
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::sheet::Sheet;

/// Arguments of `findings`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A finding is computed, not recorded: from the entries, the disclosures at hand and the date.
With --bundle the verifier reads the same bytes first, and nothing is computed from a bundle
of which a check is false. What cannot be told from what is shown is listed as not known.

EXAMPLE
  countersign findings --case us-dsca.xa-b-uaa
  countersign findings --as-of 2026-09-30 --severity serious --csv > serious.csv
  countersign findings --bundle ledger.bundle.jsonl --ledger ID
  countersign findings explain RECEIPT_OVERDUE

Exit status: 0 computed, whatever was found; 1 the bundle is false; 2 usage, files, network.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct FindingsArgs {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    source: BundleSource,
    /// Of this case only
    #[arg(long, value_name = "CASE")]
    case: Option<CaseId>,
    /// As of the end of this date (UTC), or of an instant: what was recorded later is left out [default: now]
    #[arg(long, value_name = "DATE|TIME")]
    as_of: Option<AsOf>,
    /// This serious, or more
    #[arg(long, value_name = "SEVERITY", value_enum)]
    severity: Option<Least>,
    /// Of this code only; may be given several times
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    code: Vec<Code>,
    /// Write CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Say what a code means: what raises it, what starts its clock, what clears it
    #[command(
        after_long_help = "EXAMPLE\n  countersign findings explain RECEIPT_OVERDUE\n  countersign findings explain"
    )]
    Explain {
        /// The code; all of them without one
        #[arg(value_name = "CODE", value_parser = parse_code)]
        code: Option<Code>,
    },
}

/// The least severity that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Least {
    /// All
    Info,
    /// Without what is only to know
    Warning,
    /// Only what somebody has to answer for
    Serious,
}

impl Least {
    const fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Serious => Severity::Serious,
        }
    }
}

/// An instant, or the end of a date in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AsOf(pub(crate) Time);

impl FromStr for AsOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const END_OF_DAY: i64 = 86_399_999;
        if let Ok(date) = text.parse::<Date>() {
            return Ok(Self(date.start_utc().plus_millis(END_OF_DAY)));
        }
        text.parse().map(Self).map_err(|_| format!("expected a date or a UTC time, found {text:?}"))
    }
}

fn parse_code(text: &str) -> Result<Code, String> {
    let wanted = text.to_uppercase().replace('-', "_");
    Code::ALL
        .iter()
        .copied()
        .find(|code| code.as_str() == wanted)
        .ok_or_else(|| format!("there is no finding {text:?}; `countersign findings explain` lists them"))
}

/// What was computed, and from what.
#[derive(Debug, Serialize)]
struct Findings {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    as_of: String,
    findings: Vec<Finding>,
    unknowns: Vec<Unknown>,
    obligations: Vec<Obligation>,
}

/// Says them.
///
/// # Errors
/// When the bundle is false or cannot be read, or the server cannot be reached.
pub fn run(args: &FindingsArgs, context: &Context) -> Result<Exit, Failure> {
    if let Some(Sub::Explain { code }) = &args.command {
        let codes = code.map_or_else(|| Code::ALL.to_vec(), |code| vec![code]);
        for code in codes {
            context.out().emit(&Explained(code.info()))?;
        }
        return Ok(Exit::Done);
    }
    let mut found = match args.source.read(context, args.as_of.map(|AsOf(time)| time))? {
        Some((book, verdict)) => of_book(args, &book, verdict)?,
        None => of_server(args, context)?,
    };
    found.findings.retain(|finding| shown(args, finding));
    if args.csv {
        context.out().raw(&csv(&found.findings))?;
    } else {
        context.out().emit(&found)?;
    }
    Ok(Exit::Done)
}

fn shown(args: &FindingsArgs, finding: &Finding) -> bool {
    args.severity.is_none_or(|least| finding.severity >= least.severity())
        && (args.code.is_empty() || args.code.contains(&finding.code))
}

fn of_book(args: &FindingsArgs, book: &Book, verdict: Verdict) -> Result<Findings, Failure> {
    known_case(book, args.case.as_ref())?;
    let Assessment { mut findings, mut unknowns, mut obligations } = assess(book);
    if let Some(case) = &args.case {
        findings.retain(|f| concerns(book, f.case.as_ref(), &f.subject, case));
        unknowns.retain(|u| concerns(book, u.case.as_ref(), &u.subject, case));
        obligations.retain(|o| concerns(book, o.case.as_ref(), &o.subject, case));
    }
    Ok(Findings { verdict: Some(verdict), as_of: book.as_of().to_string(), findings, unknowns, obligations })
}

fn of_server(args: &FindingsArgs, context: &Context) -> Result<Findings, Failure> {
    let client = context.client()?;
    let mut all = Findings {
        verdict: None,
        as_of: String::new(),
        findings: Vec::new(),
        unknowns: Vec::new(),
        obligations: Vec::new(),
    };
    let mut after = None;
    loop {
        let page = client.findings(args.case.as_ref(), args.as_of.map(|AsOf(time)| time), after.as_ref())?;
        all.as_of = page.as_of.to_string();
        all.findings.extend(page.findings);
        all.unknowns.extend(page.unknowns);
        all.obligations.extend(page.obligations);
        match page.next {
            Some(next) if Some(&next) != after.as_ref() => after = Some(next),
            _ => return Ok(all),
        }
    }
}

/// Returns how many findings there are of each severity.
fn totals(findings: &[Finding]) -> BTreeMap<Severity, usize> {
    let mut totals = BTreeMap::new();
    for finding in findings {
        *totals.entry(finding.severity).or_default() += 1;
    }
    totals
}

/// Returns entries as a short list.
pub(crate) fn entries(seqs: &[countersign_ledger::id::Seq]) -> String {
    const MOST: usize = 8;
    let mut text = seqs.iter().take(MOST).map(ToString::to_string).collect::<Vec<_>>().join(" ");
    if seqs.len() > MOST {
        text.push_str(&format!(" and {} more", seqs.len() - MOST));
    }
    text
}

/// Returns a case as a cell.
fn case_text(case: Option<&CaseId>) -> &str {
    case.map_or("-", CaseId::as_str)
}

impl Report for Findings {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(verdict) = &self.verdict {
            writeln!(out, "bundle: {}", verdict.verdict)?;
        }
        let totals: Vec<String> =
            totals(&self.findings).iter().rev().map(|(severity, n)| format!("{n} {}", severity.as_str())).collect();
        let totals = if totals.is_empty() { "no findings".to_owned() } else { totals.join(", ") };
        writeln!(out, "as of {}: {totals}", self.as_of)?;
        if !self.findings.is_empty() {
            let mut rows = table(["SEVERITY", "FINDING", "CASE", "SUBJECT", "SINCE", "ENTRIES", "WHAT"]);
            for finding in &self.findings {
                rows.add_row([
                    finding.severity.as_str(),
                    finding.code.as_str(),
                    case_text(finding.case.as_ref()),
                    finding.subject.as_str(),
                    &finding.since.to_string(),
                    &entries(&finding.entries),
                    &escaped(&finding.detail),
                ]);
            }
            writeln!(out, "{}", rows.trim_fmt())?;
        }
        if !self.obligations.is_empty() {
            writeln!(out, "\nopen, and not overdue")?;
            let mut rows = table(["DUE", "CASE", "SUBJECT", "SINCE", "ENTRY", "WHAT"]);
            for open in &self.obligations {
                rows.add_row([
                    &open.due.to_string(),
                    case_text(open.case.as_ref()),
                    open.subject.as_str(),
                    &open.from.to_string(),
                    &open.started.to_string(),
                    &escaped(&open.what),
                ]);
            }
            writeln!(out, "{}", rows.trim_fmt())?;
        }
        if !self.unknowns.is_empty() {
            writeln!(out, "\nnot known from what is shown")?;
            let mut rows = table(["FINDING", "CASE", "SUBJECT", "ENTRIES", "WHY"]);
            for unknown in &self.unknowns {
                rows.add_row([
                    unknown.code.as_str(),
                    case_text(unknown.case.as_ref()),
                    unknown.subject.as_str(),
                    &entries(&unknown.entries),
                    &escaped(&unknown.why),
                ]);
            }
            writeln!(out, "{}", rows.trim_fmt())?;
        }
        Ok(())
    }
}

/// Writes findings as a table for a spreadsheet, one row each.
pub(crate) fn csv(findings: &[Finding]) -> Vec<u8> {
    let header = ["severity", "finding", "case", "subject", "since", "due", "items", "serials", "entries", "what"];
    let mut sheet = Sheet::new(&header);
    for finding in findings {
        let serials: Vec<&str> = finding.items.iter().filter_map(|item| item.serial.as_deref()).collect();
        let seqs: Vec<String> = finding.entries.iter().map(ToString::to_string).collect();
        sheet.row(&[
            finding.severity.as_str(),
            finding.code.as_str(),
            finding.case.as_ref().map_or("", CaseId::as_str),
            finding.subject.as_str(),
            &finding.since.to_string(),
            &finding.due.map(|due| due.to_string()).unwrap_or_default(),
            &finding.items.len().to_string(),
            &escaped(&serials.join(" ")),
            &seqs.join(" "),
            &escaped(&finding.detail),
        ]);
    }
    sheet.finish()
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Explained(countersign_ledger::findings::CodeInfo);

impl Report for Explained {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let info = &self.0;
        writeln!(out, "{} ({})", info.code, info.severity.as_str())?;
        writeln!(out, "  when    {}", info.trigger)?;
        for (name, text) in [("clock ", info.clock), ("grades", info.grades), ("clears", info.clears)] {
            if !text.is_empty() {
                writeln!(out, "  {name}  {text}")?;
            }
        }
        Ok(())
    }
}
