//! `check new`: an end-use check from a scan and what a case should have, with or without a server.
//!
//! Each scanned serial is resolved to the line that first described the item (DOMAIN §1.7). One scan of a warehouse
//! where several cases lie together becomes one check for each. What does not fit one event is split into parts. Ids are
//! derived from ledger, author, check and part, so that a part that was recorded is not recorded twice.

mod make;
mod parts;
mod plan;
pub(crate) mod population;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand};
use countersign_ledger::bundle::{LastLeaf, Scope};
use countersign_ledger::event::check::{Access, CheckType};
use countersign_ledger::event::codes::{Condition, EvidenceGrade};
use countersign_ledger::event::common::Serial;
use countersign_ledger::event::scalars::{Label, Prose, Quantity};
use countersign_ledger::event::{Event, Occurred};
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Author, CaseId, Seq, Subject};
use serde::Serialize;

use super::Context;
use super::outbox::{Outbox, Written, written_text};
use super::receive::PartArg;
use super::scans::Scans;
use super::submit::{count, receipt_name, write_receipt};
use crate::case_file::{CaseFile, Cases, Found};
use crate::draft::parse_occurred;
use crate::escape::{escaped, quoted};
use crate::failure::{Exit, Failure};
use crate::output::Report;
use make::{Made, Maker};
use plan::{Rest, Told, compare};
use population::{Place, Population};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(subcommand)]
    command: CheckCommand,
}

#[derive(Debug, Subcommand)]
enum CheckCommand {
    /// Draft a check from what was scanned, one for each case
    New(Box<NewArgs>),
}

#[derive(Debug, Args)]
#[command(after_help = "`countersign check new --help` has examples", after_long_help = HELP)]
struct NewArgs {
    /// The case; may be given several times, for a site where several lie together
    #[arg(long = "case", value_name = "CASE", required_unless_present = "all_cases")]
    cases: Vec<CaseId>,
    /// Every case that the file (or the ledger) has items of
    #[arg(long, conflicts_with = "cases")]
    all_cases: bool,
    /// Read the cases from this case file or bundle instead of asking the server; verify it first
    #[arg(long, value_name = "BUNDLE")]
    from: Option<PathBuf>,
    /// Why the check is made: routine, enhanced, delivery or post_shipment
    #[arg(long = "type", value_name = "TYPE")]
    check_type: CheckType,
    /// The code of the site; items that are known to be elsewhere are not expected
    #[arg(long, value_name = "CODE")]
    site: Option<Label<64>>,
    /// The serials that were scanned, one a line; `-` is stdin
    #[arg(long, value_name = "FILE")]
    scans: Option<PathBuf>,
    /// How the scanned items are known: sighted, scanned, photographed, documented or self_declared
    #[arg(long, value_name = "GRADE", default_value = "scanned")]
    grade: EvidenceGrade,
    /// How many of a line without serials were counted; may be given several times
    #[arg(long, value_name = "SUBJECT:LINE=QUANTITY")]
    counted: Vec<Counted>,
    /// What to say of expected items that were not scanned
    #[arg(long, value_enum, default_value = "leave-out")]
    rest: Rest,
    /// The condition of what was scanned
    #[arg(long, value_name = "CONDITION")]
    condition: Option<Condition>,
    /// A scanned serial that is damaged; may be given several times
    #[arg(long, value_name = "SERIAL")]
    damaged: Vec<Serial>,
    /// What the inspectors were let see: full, partial or refused
    #[arg(long, value_name = "ACCESS", default_value = "full")]
    access: Access,
    /// The check's id, or `check/ID`; made of site, type and date where it is left out
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The number of the visit
    #[arg(long, value_name = "NUMBER")]
    visit: Option<Label<64>>,
    /// Why the recipient does not sign: makes a unilateral check
    #[arg(long, value_name = "TEXT")]
    unilateral: Option<Prose<4096>>,
    /// This is one part of the check: its number, or `next`. More may follow, unless --last
    #[arg(long, value_name = "N")]
    part: Option<PartArg>,
    /// It is the last part
    #[arg(long, requires = "part")]
    last: bool,
    /// When it was made: now, a time, TIME..TIME, a date, or unknown:WHY
    #[arg(long, value_name = "WHEN", default_value = "now", value_parser = parse_occurred)]
    occurred: Occurred,
    /// Anything else
    #[arg(long, value_name = "TEXT")]
    remarks: Option<Prose<4096>>,
    /// Who inspects; without it, the holder of the key
    #[arg(long, value_name = "PARTY", env = "COUNTERSIGN_PARTY")]
    author: Option<Author>,
    /// Write event files into this folder, for others to sign
    #[arg(long, value_name = "DIR", required_unless_present_any = ["submit", "dry_run"], conflicts_with_all = ["submit", "dry_run"])]
    out: Option<PathBuf>,
    /// Submit what was signed; all who must sign do so with --key
    #[arg(long, conflicts_with = "dry_run")]
    submit: bool,
    /// Keep the receipts of the ledger in this folder
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_RECEIPTS")]
    receipt_dir: Option<PathBuf>,
    /// Say what would be written; write and send nothing
    #[arg(long)]
    dry_run: bool,
}

const HELP: &str = "\
A serial that nobody described stays an item of its own, unmatched; if it looks like a known
one but for letters of another script, that is told, and they are never merged. What was
expected and not scanned is told, and stated only with --rest not-found.

EXAMPLE
  in the field, from a case file; the recipient signs the files next:
    countersign check new --case us-dsca.xa-b-uaa --from case.bundle.jsonl --site KYV-03 --type routine \\
      --scans monday.txt --out outbox --key inspector.pem
    countersign event sign outbox/check-us-dsca.xa-b-uaa-kyv-03-routine-2026-11-20.event.json --key recipient.pem
    countersign event submit outbox
  a warehouse where several cases lie together; what was not scanned was not found:
    countersign check new --all-cases --from all.bundle.jsonl --site KYV-03 --type enhanced --scans - \\
      --rest not-found --out outbox --author eu-obs < scanner.txt
  straight to the server, with both keys at hand:
    countersign check new --case us-dsca.xa-b-uaa --site KYV-03 --type delivery --scans s.txt \\
      --submit --key inspector.pem --key recipient.pem";

/// A line without serials, and how many of it were counted.
#[derive(Debug, Clone)]
struct Counted(Place, Quantity);

impl FromStr for Counted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "expected SUBJECT:LINE=QUANTITY such as consignment/2026-0001:2=40";
        let (place, quantity) = text.rsplit_once('=').ok_or(FORM)?;
        let (subject, line) = place.rsplit_once(':').ok_or(FORM)?;
        let subject = subject.parse::<Subject>().map_err(|e| format!("{e}"))?;
        let line = line.parse().map_err(|e| format!("{e}"))?;
        Ok(Self(Place { subject, line }, quantity.parse().map_err(|e| format!("{e}"))?))
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When the cases cannot be read, what is told does not fit them, or the server refuses.
pub fn run(args: CheckArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        CheckCommand::New(args) => new(&args, context),
    }
}

fn new(args: &NewArgs, context: &Context) -> Result<Exit, Failure> {
    if args.grade == EvidenceGrade::NotSeen {
        return Err(
            Failure::usage("--grade not_seen: what was scanned was seen").hint("--rest not-found is for the rest")
        );
    }
    let keys = if args.submit { context.some_keys()? } else { context.keys()? };
    let scans = args.scans.as_deref().map(Scans::read).transpose()?.unwrap_or_default();
    let mut told = told(args)?;
    let file = read(args, context)?;
    file.check_clock(&args.occurred, context.out())?;
    let populations = populations(args, &file)?;
    let maker = Maker::new(args, context, &file, keys)?;
    let subject = maker.subject();
    let before: Vec<HashSet<String>> = populations
        .iter()
        .map(|population| population.checks.get(&subject).map(|check| check.serials.clone()).unwrap_or_default())
        .collect();
    if args.access == Access::Refused && told.rest == Rest::NotFound {
        // who was not let in has looked for nothing
        told.rest = Rest::LeaveOut;
        context.out().warn("--rest not-found goes with access that was granted: the rest is left out");
    }
    let plans = compare(&populations, &before, &scans, &told)?;
    let made = maker.make(&populations, plans, &told)?;
    let mut report = CheckReport::new(args, &subject, &made);
    for (case, note) in made.iter().flat_map(|made| made.notes.iter().map(move |note| (&made.case, note))) {
        context.out().note(format_args!("note: {case}: {}", escaped(note)));
    }
    if args.dry_run {
        context.out().emit(&report)?;
        return Ok(Exit::Done);
    }
    confirm(args, context, &made)?;
    match &args.out {
        Some(folder) => {
            report.files = write_files(folder, &file, &subject, &made)?;
            context.out().emit(&report)?;
            Ok(Exit::Done)
        }
        None => submit(args, context, &file, &made, report),
    }
}

fn told(args: &NewArgs) -> Result<Told, Failure> {
    let mut counted = BTreeMap::new();
    for Counted(place, quantity) in &args.counted {
        if counted.insert(place.clone(), *quantity).is_some() {
            return Err(Failure::usage(format_args!("--counted names {}:{} twice", place.subject, place.line)));
        }
    }
    Ok(Told {
        check_type: args.check_type,
        site: args.site.as_ref().map(ToString::to_string),
        grade: args.grade,
        condition: args.condition,
        damaged: args.damaged.clone(),
        counted,
        rest: args.rest,
    })
}

/// Reads the cases, from the file or the server.
fn read(args: &NewArgs, context: &Context) -> Result<CaseFile, Failure> {
    let wanted = if args.all_cases { Cases::All } else { Cases::Only(args.cases.iter().cloned().collect()) };
    let keep = |event: &Event| event.case.is_some() || event.subject.ty() == "party";
    if let Some(path) = &args.from {
        return CaseFile::open(path, context.global().ledger.as_ref(), &wanted, keep);
    }
    let client = context.client()?;
    let ledger = client.ledger_id();
    let scopes = match args.all_cases {
        true => vec![Scope::Full],
        false => args.cases.iter().cloned().map(Scope::Case).collect(),
    };
    let mut whole: Option<CaseFile> = None;
    for scope in scopes {
        let (_, bundle) = client.bundle(&scope, LastLeaf::Withheld, true)?;
        let reader = BufReader::with_capacity(1 << 16, bundle);
        let file = CaseFile::read(reader, Some(&ledger), &wanted, keep)?;
        match &mut whole {
            None => whole = Some(file),
            Some(whole) => {
                whole.events.extend(file.events);
                whole.corrections.extend(file.corrections);
            }
        }
    }
    whole.ok_or_else(|| Failure::usage("no case is named"))
}

/// Finds what each case should have, in the order in which the cases were named.
fn populations(args: &NewArgs, file: &CaseFile) -> Result<Vec<Population>, Failure> {
    let mut cases: Vec<CaseId> = args.cases.clone();
    if args.all_cases {
        cases = file.events.iter().filter_map(|found| found.event.case.clone()).collect();
        cases.sort();
    }
    let mut seen = HashSet::new();
    cases.retain(|case| seen.insert(case.clone()));
    let mut of_case: HashMap<&CaseId, Vec<&Found>> = HashMap::new();
    for found in &file.events {
        if let Some(case) = &found.event.case {
            of_case.entry(case).or_default().push(found);
        }
    }
    if let Some(missing) = cases.iter().find(|case| !of_case.contains_key(case)) {
        return Err(Failure::refused(format_args!("there is no case {missing} in what was read"))
            .hint("`countersign export --case CASE` makes a file of it"));
    }
    let events = |case| of_case.get(case).map(Vec::as_slice).unwrap_or_default();
    let population = |case| Population::of(case, events(case), &file.corrections);
    let populations: Vec<Population> = cases.iter().map(population).collect();
    match populations.is_empty() {
        true => Err(Failure::refused("there is no case in what was read")),
        false => Ok(populations),
    }
}

fn confirm(args: &NewArgs, context: &Context, made: &[Made]) -> Result<(), Failure> {
    if context.global().yes || (context.global().keys.is_empty() && !args.submit) {
        return Ok(());
    }
    for made in made.iter().take(20) {
        context.out().note(format_args!("{}", made.summary()));
    }
    let events: usize = made.iter().map(|made| made.submissions.len()).sum();
    let act = if args.submit { "sign and submit" } else { "sign and write" };
    context.confirm(&format!("{act} {} for {}?", count(events, "event"), count(made.len(), "case")))
}

fn write_files(folder: &Path, file: &CaseFile, subject: &Subject, made: &[Made]) -> Result<Vec<Written>, Failure> {
    let mut outbox = Outbox::new(folder);
    for made in made {
        for (i, submission) in made.submissions.iter().enumerate() {
            let part = if made.submissions.len() > 1 { format!("-{}", i + 1) } else { String::new() };
            outbox.add(&format!("check-{}-{}{part}", made.case, subject.id()), submission);
        }
    }
    outbox.write(Some(&file.note))
}

fn submit(
    args: &NewArgs,
    context: &Context,
    file: &CaseFile,
    made: &[Made],
    mut report: CheckReport,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    if client.ledger_id() != file.ledger {
        let (server, found) = (client.server(), client.ledger_id());
        return Err(Failure::usage(format_args!(
            "{server} serves ledger {found}, the case file is of {}",
            file.ledger
        )));
    }
    if let Some(folder) = &args.receipt_dir {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, "make", &e))?;
    }
    let mut result = Ok(());
    'all: for made in made {
        for submission in &made.submissions {
            match client.submit(submission) {
                Ok(recorded) => {
                    if let Some(folder) = &args.receipt_dir {
                        write_receipt(&folder.join(receipt_name(&recorded.event)), &recorded)?;
                    }
                    let (seq, event) = (recorded.seq, recorded.event);
                    report.recorded.push(RecordedCheck { case: made.case.clone(), seq, event });
                }
                Err(error) => {
                    result = Err(Failure::from(error).within(format_args!("the check of case {}", made.case)));
                    break 'all;
                }
            }
        }
    }
    context.out().emit(&report)?;
    result.map(|()| Exit::Done)
}

/// A check that was recorded.
#[derive(Debug, Serialize)]
struct RecordedCheck {
    case: CaseId,
    seq: Seq,
    event: EventHash,
}

/// What the check of one case says.
#[derive(Debug, Serialize)]
struct CaseReport {
    case: CaseId,
    expected: usize,
    seen: usize,
    not_scanned: usize,
    unmatched: Vec<Serial>,
    events: usize,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CheckReport {
    dry_run: bool,
    subject: Subject,
    rest: &'static str,
    cases: Vec<CaseReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Written>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recorded: Vec<RecordedCheck>,
}

impl CheckReport {
    fn new(args: &NewArgs, subject: &Subject, made: &[Made]) -> Self {
        let rest = if args.rest == Rest::NotFound { "not_found" } else { "left_out" };
        let cases = made.iter().map(|made| CaseReport {
            case: made.case.clone(),
            expected: made.expected,
            seen: made.seen,
            not_scanned: made.rest,
            unmatched: made.unmatched.clone(),
            events: made.submissions.len(),
            notes: made.notes.clone(),
        });
        Self {
            dry_run: args.dry_run,
            subject: subject.clone(),
            rest,
            cases: cases.collect(),
            files: Vec::new(),
            recorded: Vec::new(),
        }
    }
}

impl Report for CheckReport {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for case in &self.cases {
            let CaseReport { expected, seen, not_scanned, unmatched, .. } = case;
            let rest = if self.rest == "not_found" { "not found" } else { "not scanned, left out" };
            writeln!(
                out,
                "{}: {expected} expected, {seen} scanned, {not_scanned} {rest}, {} unmatched",
                case.case,
                unmatched.len()
            )?;
            for serial in unmatched {
                writeln!(out, "  unmatched {}", quoted(serial.as_str()))?;
            }
        }
        if self.dry_run {
            let events: usize = self.cases.iter().map(|case| case.events).sum();
            return writeln!(out, "{} would be written, nothing was", count(events, "event"));
        }
        for RecordedCheck { case, seq, event } in &self.recorded {
            writeln!(out, "{} of {case} is recorded as entry {seq}, event {event}", self.subject)?;
        }
        written_text(&self.files, out)
    }
}
