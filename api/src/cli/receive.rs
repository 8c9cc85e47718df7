//! `countersign receive`: a receipt from a dispatch.
//!
//! The ledger, or a case file of it, says what was sent and what was received of it before; the recipient says what
//! arrived: all as sent, or a list of scanned serials. What does not fit one event is split into parts, each after the
//! one before, all signed under one passphrase. A part that was recorded already is not recorded twice: its id is
//! derived from ledger, author, consignment and part number, as an import's is from its row.

mod history;
mod parts;
mod plan;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use countersign_ledger::bundle::{LastLeaf, Scope};
use countersign_ledger::envelope::{Envelope, MAX_PAYLOAD};
use countersign_ledger::event::codes::Condition;
use countersign_ledger::event::common::{LineNumber, Serial};
use countersign_ledger::event::scalars::Quantity;
use countersign_ledger::event::{Body, Event, Occurred};
use countersign_ledger::hash::{EventHash, LedgerId};
use countersign_ledger::id::{Author, CaseId, Seq, Subject};
use countersign_ledger::keys::Signer;
use countersign_ledger::submission::Submission;
use rayon::prelude::*;
use serde::Serialize;

use super::Context;
use super::import::derive::event_id;
use super::outbox::{Outbox, Written, written_text};
use super::scans::Scans;
use super::submit::{count, receipt_name};
use crate::case_file::{CaseFile, Cases};
use crate::client::{Client, Recorded};
use crate::draft::{Draft, parse_occurred};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::problem::Problem;
use history::History;
use parts::{Beside, split};
use plan::{FoundAs, Plan, Told};

const KIND: &str = "transfer.received";

/// Arguments of `countersign receive`.
#[derive(Debug, Args)]
#[command(after_help = "`countersign receive --help` has examples", after_long_help = HELP)]
pub struct ReceiveArgs {
    /// The consignment: its id, or `consignment/ID`
    #[arg(value_name = "CONSIGNMENT", required_unless_present = "dispatches_of")]
    consignment: Option<String>,
    /// The case that it was sent under
    #[arg(long, value_name = "CASE", required_unless_present = "dispatches_of")]
    case: Option<CaseId>,
    /// Receive every consignment of this case that is not wholly received; needs --all
    #[arg(long, value_name = "CASE", requires = "all", conflicts_with_all = ["consignment", "case", "scans", "short", "absent", "damaged", "part"])]
    dispatches_of: Option<CaseId>,
    /// All as sent, but for what else is told; with --scans: all that has no serial
    #[arg(long, required_unless_present = "scans")]
    all: bool,
    /// The serials that were scanned, one a line; `-` is stdin
    #[arg(long, value_name = "FILE")]
    scans: Option<PathBuf>,
    /// How many items of a line without serials did not arrive; may be given several times
    #[arg(long, value_name = "LINE=QUANTITY", requires = "all")]
    short: Vec<Short>,
    /// A serial that did not arrive; may be given several times
    #[arg(long, value_name = "SERIAL", conflicts_with = "scans")]
    absent: Vec<Serial>,
    /// A serial that arrived damaged; may be given several times
    #[arg(long, value_name = "SERIAL")]
    damaged: Vec<Serial>,
    /// The condition of what arrived: serviceable, repairable, unserviceable, damaged, incomplete or unknown
    #[arg(long, value_name = "CONDITION", default_value = "unknown")]
    condition: Condition,
    /// This is one part of the receipt: its number, or `next`. More may follow, unless --last
    #[arg(long, value_name = "N")]
    part: Option<PartArg>,
    /// It is the last part: what was not received by now is absent
    #[arg(long, requires = "part")]
    last: bool,
    /// When it was received: now, a time, TIME..TIME, a date, or unknown:WHY
    #[arg(long, value_name = "WHEN", default_value = "now", value_parser = parse_occurred)]
    occurred: Occurred,
    /// Where it was received, in words
    #[arg(long, value_name = "TEXT")]
    place: Option<String>,
    /// Anything else
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
    /// Read the dispatch from this case file or bundle instead of asking the server; verify it first
    #[arg(long, value_name = "BUNDLE")]
    from: Option<PathBuf>,
    /// Write event files into this folder instead of submitting; signed with --key, or for others to sign
    #[arg(long, value_name = "DIR", conflicts_with_all = ["receipt_dir", "dry_run"])]
    out: Option<PathBuf>,
    /// Who receives; without it, the holder of the key
    #[arg(long, value_name = "PARTY", env = "COUNTERSIGN_PARTY")]
    author: Option<Author>,
    /// Keep the receipts of the ledger in this folder
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_RECEIPTS")]
    receipt_dir: Option<PathBuf>,
    /// Say what would be signed; sign and send nothing
    #[arg(long)]
    dry_run: bool,
}

const HELP: &str = "\
EXAMPLE
  all as sent, but one item without a serial short:
    countersign receive 2026-0001 --case us-dsca.xa-b-uaa --all --short 2=1 --key officer.pem
  what was scanned today; more will come tomorrow:
    countersign receive 2026-0001 --case us-dsca.xa-b-uaa --scans monday.txt --part next --key officer.pem
  the last of it: what was not scanned by now is absent:
    countersign receive 2026-0001 --case us-dsca.xa-b-uaa --scans friday.txt --part next --last --key officer.pem
  everything that a case has sent:
    countersign receive --dispatches-of us-dsca.xa-b-uaa --all --key officer.pem
  in the field, without a server; the files are submitted later with `countersign event submit DIR`:
    countersign receive 2026-0001 --case us-dsca.xa-b-uaa --all --from case.bundle.jsonl --out outbox --key officer.pem

Serials compare in upper case, without spaces and hyphens. A serial that was not sent is recorded as unexpected.";

/// A line and how many of it did not arrive.
#[derive(Debug, Clone)]
struct Short(LineNumber, Quantity);

impl FromStr for Short {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (line, quantity) = text.split_once('=').ok_or("expected LINE=QUANTITY such as 2=1")?;
        Ok(Self(line.parse().map_err(|e| format!("{e}"))?, quantity.parse().map_err(|e| format!("{e}"))?))
    }
}

/// Which part of a receipt this is.
#[derive(Debug, Clone, Copy)]
pub(super) enum PartArg {
    Next,
    Number(u16),
}

impl FromStr for PartArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|n| (1..=9_999).contains(n)).map(Self::Number);
        if text == "next" {
            Ok(Self::Next)
        } else {
            number.ok_or_else(|| "expected a number from 1 to 9999, or next".to_owned())
        }
    }
}

/// Who signs what for which ledger.
struct Recipient {
    ledger: LedgerId,
    author: Author,
    keys: Vec<Arc<dyn Signer>>,
    occurred: Occurred,
    beside: Beside,
}

/// The events of one consignment's receipt, in order, signed or not.
struct Made {
    subject: Subject,
    submissions: Vec<Submission>,
    plan_counts: [usize; 4],
    lines: usize,
    notes: Vec<String>,
}

/// Runs `countersign receive`.
///
/// # Errors
/// When the dispatch cannot be read, what is told does not fit it, or the server refuses.
pub fn run(args: ReceiveArgs, context: &Context) -> Result<Exit, Failure> {
    let keys = if args.dry_run || args.out.is_some() { context.keys()? } else { context.some_keys()? };
    let file = from_file(&args, context)?;
    let basis = file.as_ref().map(|file| file.note.clone());
    let recipient = recipient(&args, context, file.as_ref(), keys)?;
    let told = told(&args)?;
    let histories = histories(&args, context, file, &recipient)?;
    for (subject, note) in histories.iter().flat_map(|h| h.without_effect.iter().map(move |note| (&h.subject, note))) {
        context.out().note(format_args!("note: {subject}: {note}"));
    }
    let bulk = args.dispatches_of.is_some();
    let wanted = |history: &History| !bulk || !history.complete;
    let make = |history: &History| make(history, &told, &args, &recipient);
    let made: Vec<Made> =
        histories.par_iter().filter(|history| wanted(history)).map(make).collect::<Result<Vec<_>, _>>()?;
    let complete = histories.len() - made.len();
    let made: Vec<Made> = made.into_iter().filter(|made| !made.submissions.is_empty()).collect();
    for made in made.iter().filter(|_| !bulk) {
        made.notes.iter().for_each(|note| context.out().note(format_args!("note: {note}")));
    }
    let report = ReceiveReport::new(&args, &histories, &made, complete);
    if args.dry_run || made.is_empty() {
        context.out().emit(&report)?;
        return Ok(Exit::Done);
    }
    confirm(context, &made, &args)?;
    match &args.out {
        Some(folder) => write_files(context, folder, basis, &made, report),
        None => send(context, &recipient, made, &args, report),
    }
}

/// Reads the case file, if there is one.
fn from_file(args: &ReceiveArgs, context: &Context) -> Result<Option<CaseFile>, Failure> {
    let (Some(path), Some(case)) = (&args.from, args.dispatches_of.as_ref().or(args.case.as_ref())) else {
        return Ok(None);
    };
    let keep = |event: &Event| matches!(event.subject.ty(), "consignment" | "party");
    let file = CaseFile::open(path, context.global().ledger.as_ref(), &Cases::one(case), keep)?;
    file.check_clock(&args.occurred, context.out())?;
    Ok(Some(file))
}

fn recipient(
    args: &ReceiveArgs,
    context: &Context,
    file: Option<&CaseFile>,
    keys: Vec<Arc<dyn Signer>>,
) -> Result<Recipient, Failure> {
    let holder = || file?.holder_of(&keys.first()?.public().id());
    let author = match args.author.clone().or_else(holder) {
        Some(author) => author,
        None if file.is_some() && args.out.is_some() => {
            return Err(Failure::usage("nobody is named as the author")
                .hint("give --author PARTY, or a --key that a party in the case file has"));
        }
        None => context.author(None, &keys)?,
    };
    Ok(Recipient {
        ledger: file.map_or_else(|| context.ledger_id(), |file| Ok(file.ledger))?,
        author,
        keys,
        occurred: args.occurred.clone(),
        beside: Beside { place: args.place.clone(), remarks: args.remarks.clone() },
    })
}

/// Writes what was made into a folder, to be signed by others and submitted later.
fn write_files(
    context: &Context,
    folder: &Path,
    basis: Option<String>,
    made: &[Made],
    mut report: ReceiveReport,
) -> Result<Exit, Failure> {
    let basis = match basis {
        Some(note) => Some(note),
        None => context.client()?.newest_checkpoint().map(|newest| newest.to_string()),
    };
    let mut outbox = Outbox::new(folder);
    for made in made {
        for (i, submission) in made.submissions.iter().enumerate() {
            let part = if made.submissions.len() > 1 { format!("-{}", i + 1) } else { String::new() };
            outbox.add(&format!("receive-{}{part}", made.subject.id()), submission);
        }
    }
    report.files = outbox.write(basis.as_deref())?;
    context.out().emit(&report)?;
    Ok(Exit::Done)
}

fn told(args: &ReceiveArgs) -> Result<Told, Failure> {
    let mut short = BTreeMap::new();
    for Short(line, quantity) in &args.short {
        if short.insert(line.clone(), *quantity).is_some() {
            return Err(Failure::usage(format_args!("--short names line {line} twice")));
        }
    }
    Ok(Told {
        all: args.all,
        scans: args.scans.as_deref().map(Scans::read).transpose()?,
        short,
        absent: args.absent.clone(),
        damaged: args.damaged.clone(),
        condition: args.condition,
        last: args.part.is_none() || args.last,
    })
}

/// Finds what was sent, from the server or a bundle.
fn histories(
    args: &ReceiveArgs,
    context: &Context,
    file: Option<CaseFile>,
    recipient: &Recipient,
) -> Result<Vec<History>, Failure> {
    let Recipient { ledger, author, .. } = recipient;
    if let Some(case) = &args.dispatches_of {
        let file = match file {
            Some(file) => file,
            None => {
                let scope = Scope::Case(case.clone());
                let (_, bundle) = context.client()?.bundle(&scope, LastLeaf::Withheld, true)?;
                let keep = |event: &Event| event.subject.ty() == "consignment";
                CaseFile::read(BufReader::with_capacity(1 << 16, bundle), Some(ledger), &Cases::one(case), keep)?
            }
        };
        let histories = History::in_file(file, case, None, author)?;
        return Ok(histories.into_iter().filter(|history| !history.sent.is_empty()).collect());
    }
    let (Some(case), Some(named)) = (&args.case, &args.consignment) else {
        // clap requires both
        return Err(Failure::usage("a consignment and its case are needed"));
    };
    let id = named.strip_prefix("consignment/").unwrap_or(named);
    let subject = Subject::new("consignment", id).map_err(Failure::usage)?;
    let history = match file {
        Some(file) => History::in_file(file, case, Some(&subject), author)?.pop(),
        None => Some(History::fetch(&context.client()?, case, &subject, author)?),
    };
    match history.filter(|history| !history.sent.is_empty()) {
        Some(history) => Ok(vec![history]),
        None => Err(Failure::refused(format_args!("nothing was dispatched as {subject} in case {case}"))
            .hint("is it the right case? `countersign case show` lists its parties")),
    }
}

/// Drafts and signs the events of a receipt: none when there is nothing left to say.
fn make(history: &History, told: &Told, args: &ReceiveArgs, recipient: &Recipient) -> Result<Made, Failure> {
    let within = |failure: Failure| failure.within(&history.subject);
    let plan = Plan::new(history, told).map_err(within)?;
    let mut made = Made {
        subject: history.subject.clone(),
        submissions: Vec::new(),
        plan_counts: [FoundAs::Present, FoundAs::Absent, FoundAs::Unexpected, FoundAs::Damaged]
            .map(|found| plan.count(found)),
        lines: plan.lines.len(),
        notes: plan.notes.clone(),
    };
    if plan.is_empty() {
        return Ok(made);
    }
    let beside = &recipient.beside;
    let text_bytes = |text: &Option<String>| text.as_ref().map_or(0, |text| text.len() * 2);
    let room = MAX_PAYLOAD.saturating_sub(2_000 + text_bytes(&beside.place) + text_bytes(&beside.remarks));
    let parts = split(plan, room);
    let first = first_part(history, args, parts.len()).map_err(within)?;
    let mut after = history.head;
    for (i, part) in parts.iter().enumerate() {
        let end = i + 1 == parts.len();
        let number = match first {
            None => None,
            Some(first) => Some((part_number(first, i).map_err(within)?, end && told.last)),
        };
        let body = part.body(beside, i == 0, number);
        let submission = sign(history, recipient, body, number.map_or(0, |(n, _)| n), after).map_err(within)?;
        after = Some(submission.envelope.event_hash());
        made.submissions.push(submission);
    }
    Ok(made)
}

/// Numbers the parts: none where a receipt is one event and the first.
fn first_part(history: &History, args: &ReceiveArgs, parts: usize) -> Result<Option<u16>, Failure> {
    let next = history.part.map_or(1, |part| part.saturating_add(1));
    match args.part {
        None if parts == 1 && history.part.is_none() && !history.complete => Ok(None),
        None | Some(PartArg::Next) => Ok(Some(next)),
        Some(PartArg::Number(number)) if history.part.is_some_and(|part| number <= part) => {
            Err(Failure::refused(format_args!("part {number} is recorded already"))
                .hint(format_args!("--part {next} or --part next")))
        }
        Some(PartArg::Number(number)) => Ok(Some(number)),
    }
}

fn part_number(first: u16, place: usize) -> Result<u16, Failure> {
    let number = u16::try_from(place).ok().and_then(|place| first.checked_add(place)).filter(|n| *n <= 9_999);
    number.ok_or_else(|| Failure::usage("a receipt has at most 9999 parts"))
}

fn sign(
    history: &History,
    recipient: &Recipient,
    body: serde_json::Value,
    part: u16,
    after: Option<EventHash>,
) -> Result<Submission, Failure> {
    let Recipient { ledger, author, keys, occurred, .. } = recipient;
    let kind = KIND.parse().map_err(Failure::usage)?;
    let mut draft = Draft::new(Some(*ledger), kind, history.subject.clone(), author.clone(), body);
    let key = format!("{} {} part {part}", history.case, history.subject);
    draft.id = event_id(ledger, author.as_str(), KIND, &key);
    draft.case = Some(history.case.clone());
    draft.after = after;
    draft.occurred = occurred.clone();
    let payload = draft.payload();
    let event = Event::parse(&payload).map_err(Failure::usage)?;
    Body::parse(&event.kind, event.body()).map_err(Failure::usage)?;
    Ok(Submission { envelope: Envelope::sign(payload, keys)?, disclosures: Vec::new() })
}

/// Says what will be signed, and asks.
fn confirm(context: &Context, made: &[Made], args: &ReceiveArgs) -> Result<(), Failure> {
    if context.global().yes {
        return Ok(());
    }
    let events: usize = made.iter().map(|made| made.submissions.len()).sum();
    for Made { subject, plan_counts: [present, absent, unexpected, damaged], lines, .. } in made.iter().take(20) {
        context.out().note(format_args!(
            "{subject}: {}, condition {}; serials: {present} present, {absent} absent, {unexpected} unexpected, {damaged} damaged",
            count(*lines, "line"),
            args.condition
        ));
    }
    let what = count(made.len(), "consignment");
    let act = match (&args.out, context.global().keys.is_empty()) {
        (None, _) => "sign and submit",
        (Some(_), false) => "sign and write",
        (Some(_), true) => "write, unsigned,",
    };
    context.confirm(&format!("{act} {} for {what}?", count(events, "event")))
}

/// Where a submission belongs: its consignment and its place in it.
struct Sent {
    consignment: usize,
}

fn send(
    context: &Context,
    recipient: &Recipient,
    made: Vec<Made>,
    args: &ReceiveArgs,
    mut report: ReceiveReport,
) -> Result<Exit, Failure> {
    let client: Client = context.client()?;
    if client.ledger_id() != recipient.ledger {
        let (server, found) = (client.server(), client.ledger_id());
        return Err(Failure::usage(format_args!(
            "{server} serves ledger {found}, the case file is of {}",
            recipient.ledger
        )));
    }
    if let Some(folder) = &args.receipt_dir {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, "make", &e))?;
    }
    let bulk = args.dispatches_of.is_some();
    let mut subjects = Vec::with_capacity(made.len());
    let mut places = Vec::new();
    let mut submissions = Vec::new();
    for (consignment, made) in made.into_iter().enumerate() {
        subjects.push(made.subject);
        places.extend(made.submissions.iter().map(|_| Sent { consignment }));
        submissions.extend(made.submissions);
    }
    let bar = context.out().progress(u64::try_from(submissions.len()).ok(), "sending");
    let mut refused: Vec<(usize, Problem)> = Vec::new();
    let result = client.submit_batch(submissions, |index, answer: Result<Recorded, Problem>| {
        bar.inc(1);
        let consignment = places[index].consignment;
        match answer {
            Ok(recorded) => {
                if let Some(folder) = args.receipt_dir.as_deref() {
                    keep(folder, &recorded)?;
                }
                report.recorded(&subjects[consignment], &recorded, bulk);
            }
            // The same part was recorded by another run, perhaps with another time.
            Err(problem) if bulk && problem.code == "id_conflict" => report.received_before += 1,
            Err(problem) => refused.push((consignment, problem)),
        }
        Ok::<(), Failure>(())
    });
    bar.finish_and_clear();
    report.refused = refused.len();
    context.out().emit(&report)?;
    result?;
    let Some((consignment, problem)) = refused.into_iter().next() else { return Ok(Exit::Done) };
    let by = recipient.author.as_str();
    Err(Failure::from(problem).within(format_args!("{} received by {by}", subjects[consignment])))
}

fn keep(folder: &Path, recorded: &Recorded) -> Result<(), Failure> {
    let path = folder.join(receipt_name(&recorded.event));
    std::fs::write(&path, recorded.receipt.to_json() + "\n").map_err(|e| Failure::file(&path, "write", &e))
}

/// One event that was recorded.
#[derive(Debug, Serialize)]
struct RecordedPart {
    subject: String,
    seq: Seq,
    event: EventHash,
}

/// What was received.
#[derive(Debug, Serialize)]
struct ReceiveReport {
    dry_run: bool,
    consignments: usize,
    received_before: usize,
    lines: usize,
    present: usize,
    absent: usize,
    unexpected: usize,
    damaged: usize,
    /// Events to be recorded, and how many are by now.
    events: usize,
    appended: usize,
    already: usize,
    refused: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recorded: Vec<RecordedPart>,
    /// Event files that were written instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Written>,
}

impl ReceiveReport {
    fn new(args: &ReceiveArgs, histories: &[History], made: &[Made], complete: usize) -> Self {
        let sum = |i: usize| made.iter().map(|made| made.plan_counts[i]).sum();
        Self {
            dry_run: args.dry_run,
            consignments: made.len(),
            received_before: complete.max(histories.len() - made.len()),
            lines: made.iter().map(|made| made.lines).sum(),
            present: sum(0),
            absent: sum(1),
            unexpected: sum(2),
            damaged: sum(3),
            events: made.iter().map(|made| made.submissions.len()).sum(),
            appended: 0,
            already: 0,
            refused: 0,
            notes: made.iter().flat_map(|made| made.notes.iter().cloned()).take(100).collect(),
            recorded: Vec::new(),
            files: Vec::new(),
        }
    }

    fn recorded(&mut self, subject: &Subject, recorded: &Recorded, bulk: bool) {
        if recorded.repeated {
            self.already += 1;
        } else {
            self.appended += 1;
        }
        if !bulk {
            let part = RecordedPart { subject: subject.to_string(), seq: recorded.seq, event: recorded.event };
            self.recorded.push(part);
        }
    }
}

impl Report for ReceiveReport {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.events == 0 {
            return writeln!(
                out,
                "nothing left to receive: {} received before",
                count(self.received_before, "consignment")
            );
        }
        let Self { present, absent, unexpected, damaged, .. } = self;
        let consignments = count(self.consignments, "consignment");
        writeln!(out, "{consignments}, {}, {} received before", count(self.lines, "line"), self.received_before)?;
        writeln!(out, "serials: {present} present, {absent} absent, {unexpected} unexpected, {damaged} damaged")?;
        if self.dry_run {
            return writeln!(out, "{} would be signed, nothing was", count(self.events, "event"));
        }
        if !self.files.is_empty() {
            return written_text(&self.files, out);
        }
        writeln!(
            out,
            "{} recorded, {} recorded before, {} refused",
            count(self.appended, "event"),
            self.already,
            self.refused
        )?;
        for RecordedPart { subject, seq, event } in &self.recorded {
            writeln!(out, "{} is recorded as entry {seq}, event {event}", escaped(subject))?;
        }
        Ok(())
    }
}
