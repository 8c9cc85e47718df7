//! `countersign report`: what a bundle comes to, as a page that can be printed and needs nothing else.
//!
//! The verifier reads the same bytes first. Of a bundle of which a check is false the page says where it breaks, and
//! nothing is computed from it.

/// Writes to a string, which cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        let _ = write!($out, $($text)*);
    };
}

mod chart;
mod page;
mod tables;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_ledger::book::Book;
use countersign_ledger::findings::{Assessment, Finding, Obligation, Unknown, assess, concerns};
use countersign_ledger::id::{CaseId, Seq};
use countersign_ledger::reconcile::{Scope, reconcile};
use serde::Serialize;

use tables::CaseTable;

use super::Context;
use super::bundle_source::known_case;
use super::findings::{AsOf, csv};
use crate::book_file::{self, BookFile, Request, Verdict, Whole};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The page has the verdict of `countersign-verify` on the very bytes that it is made from, the
findings by seriousness with the entries that they rest on, reconciliation, deadlines, and
what is not known. It is one file of HTML without scripts: read it, print it, send it on.

EXAMPLE
  countersign report --bundle ledger.bundle.jsonl --ledger ID --output report.html
  countersign report --bundle case.bundle.jsonl --ledger ID --as-of 2026-09-30 --csv > findings.csv
  countersign report --bundle case.bundle.jsonl --ledger ID --json

Exit status: 0 written; 1 the bundle is false: the page says where; 2 usage, files; 3 an extract,
or something else that the verifier cannot decide: written, and the page says what.")]
pub struct ReportArgs {
    /// The bundle or extract; `-` is stdin
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Where to write the page; `-` is stdout
    #[arg(long, short, value_name = "FILE", required_unless_present_any = ["csv", "json"], conflicts_with_all = ["csv", "json"])]
    output: Option<PathBuf>,
    /// Write the findings as CSV to stdout instead
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Of this case only
    #[arg(long, value_name = "CASE")]
    case: Option<CaseId>,
    /// As of the end of this date (UTC), or of an instant: what was recorded later is left out [default: now]
    #[arg(long, value_name = "DATE|TIME")]
    as_of: Option<AsOf>,
    /// A trust file (C2SP tlog-policy) for the verifier
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// An earlier checkpoint that the ledger must continue, for the verifier
    #[arg(long, value_name = "CHECKPOINT")]
    previous: Option<PathBuf>,
    /// Take the exporter's word that an extract shows all of its case or subject, where no seal proves it
    #[arg(long)]
    trust_scope: bool,
    /// The verifier's program [default: beside this one, or on the path]
    #[arg(long, value_name = "FILE")]
    verifier: Option<PathBuf>,
}

/// An entry that something rests on.
#[derive(Debug, Serialize)]
struct EntryLine {
    seq: Seq,
    recorded: String,
    occurred: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<CaseId>,
    subject: String,
    author: String,
    signers: Vec<String>,
    event: String,
}

/// All that the page says.
#[derive(Debug, Serialize)]
struct Content {
    verdict: Verdict,
    verifier: String,
    bundle: PathBuf,
    sha256: String,
    bytes: u64,
    /// Whether the ledger id came from the user; else it is the bundle's own word.
    ledger_given: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Whether the exporter's word was taken that the extract shows all of that.
    trust_scope: bool,
    /// How much of that is known to be shown.
    whole: Whole,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<CaseId>,
    findings: Vec<Finding>,
    obligations: Vec<Obligation>,
    unknowns: Vec<Unknown>,
    reconciliation: Vec<CaseTable>,
    entries: Vec<EntryLine>,
}

impl Report for Content {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(page::render(self).as_bytes())
    }
}

/// What was written, for the one who asked for a file.
#[derive(Debug, Serialize)]
struct Written<'a> {
    file: &'a std::path::Path,
    verdict: &'a str,
    findings: usize,
}

impl Report for Written<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "bundle: {}", self.verdict)?;
        writeln!(out, "wrote {} with {} findings", self.file.display(), self.findings)
    }
}

/// Writes it.
///
/// # Errors
/// When a file cannot be read or written, or the verifier is not there.
pub fn run(args: &ReportArgs, context: &Context) -> Result<Exit, Failure> {
    let to_file = args.output.as_ref().filter(|path| path.as_os_str() != "-");
    if let Some(path) = to_file {
        files::must_be_free(path)?;
    }
    let read = book_file::read(&Request {
        file: &args.bundle,
        ledger: context.global().ledger,
        as_of: args.as_of.map(|AsOf(time)| time),
        verifier: args.verifier.as_deref(),
        trust: args.trust.as_deref(),
        previous: args.previous.as_deref(),
        trust_scope: args.trust_scope,
    })?;
    if let Some(book) = read.book.as_ref().filter(|_| !read.verdict.failed()) {
        known_case(book, args.case.as_ref())?;
    }
    let content = content(args, context, &read);
    if args.csv {
        context.out().raw(&csv(&content.findings))?;
    } else if let Some(path) = to_file {
        files::create_new(path, page::render(&content).as_bytes())?;
        let written = Written { file: path, verdict: &content.verdict.verdict, findings: content.findings.len() };
        context.out().emit(&written)?;
    } else {
        context.out().emit(&content)?;
    }
    Ok(match content.verdict.verdict.as_str() {
        "verified" => Exit::Done,
        "partial" => Exit::Partly,
        "failed" => Exit::Refused,
        _ => Exit::Usage,
    })
}

fn content(args: &ReportArgs, context: &Context, read: &BookFile) -> Content {
    let header = read.header.as_ref();
    let checkpoint = header.map(|header| header.checkpoint.clone());
    let book = read.book.as_ref().filter(|_| !read.verdict.failed());
    let mut found = book.map(assess).unwrap_or_default();
    if let (Some(case), Some(book)) = (&args.case, book) {
        only(&mut found, book, case);
    }
    let reconciliation = book.map(|book| reconciled(book, args.case.as_ref())).unwrap_or_default();
    let entries = book.map(|book| entries(book, &found, &reconciliation)).unwrap_or_default();
    Content {
        verdict: read.verdict.clone(),
        verifier: read.verifier.clone(),
        bundle: args.bundle.clone(),
        sha256: read.sha256.to_string(),
        bytes: read.bytes,
        ledger_given: context.global().ledger.is_some(),
        ledger: header.map(|header| header.ledger.to_string()),
        origin: checkpoint.as_ref().and_then(|note| note.lines().next().map(str::to_owned)),
        checkpoint,
        scope: header.map(|header| scope(&header.scope)),
        trust_scope: args.trust_scope,
        whole: read.whole,
        unreadable: read.unreadable.clone(),
        as_of: book.map(|book| book.as_of().to_string()),
        case: args.case.clone(),
        findings: found.findings,
        obligations: found.obligations,
        unknowns: found.unknowns,
        reconciliation,
        entries,
    }
}

fn scope(scope: &countersign_ledger::bundle::Scope) -> String {
    use countersign_ledger::bundle::Scope;
    match scope {
        Scope::Full => "the whole ledger".to_owned(),
        Scope::Case(case) => format!("an extract of case {case}"),
        Scope::Stream(case, subject) => format!("an extract of {subject} in case {case}"),
        Scope::Since(size) => format!("an extract of what came after entry {}", size.0.saturating_sub(1)),
    }
}

/// Leaves what concerns a case.
fn only(found: &mut Assessment, book: &Book, case: &CaseId) {
    found.findings.retain(|f| concerns(book, f.case.as_ref(), &f.subject, case));
    found.unknowns.retain(|u| concerns(book, u.case.as_ref(), &u.subject, case));
    found.obligations.retain(|o| concerns(book, o.case.as_ref(), &o.subject, case));
}

/// Reconciles each case, or the one that is asked for.
fn reconciled(book: &Book, only: Option<&CaseId>) -> Vec<CaseTable> {
    let cases = book.cases().filter(|case| only.is_none_or(|only| only == *case));
    cases.map(|case| CaseTable::new(case.clone(), reconcile(book, &Scope::Case(case.clone())))).collect()
}

/// Returns the entries that something rests on.
fn entries(book: &Book, found: &Assessment, tables: &[CaseTable]) -> Vec<EntryLine> {
    let of_findings = found.findings.iter().flat_map(|f| f.entries.iter());
    let of_unknowns = found.unknowns.iter().flat_map(|u| u.entries.iter());
    let of_open = found.obligations.iter().map(|o| &o.started);
    let mut seqs: BTreeSet<Seq> = of_findings.chain(of_unknowns).chain(of_open).copied().collect();
    seqs.extend(tables.iter().flat_map(CaseTable::entries));
    let line = |seq: Seq| {
        let statement = book.by_seq(seq)?;
        Some(EntryLine {
            seq,
            recorded: statement.time.to_string(),
            occurred: page::occurred(&statement.occurred),
            kind: statement.kind.to_string(),
            case: statement.stream.case.clone(),
            subject: statement.stream.subject.to_string(),
            author: statement.author.to_string(),
            signers: statement.signers.iter().map(ToString::to_string).collect(),
            event: statement.event.to_string(),
        })
    };
    seqs.into_iter().filter_map(line).collect()
}
