//! Statements about statements: disputed, corrected against others, signed unseen, recorded late (DOMAIN §1, §5).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::desk::{Desk, finding};
use super::{Assessment, Code, Unknown};
use crate::book::Correction;
use crate::facts::Statement;
use crate::hash::EventHash;
use crate::id::{Author, Seq, StreamId};
use crate::rule::{CORRECTION, is_authority_kind};

/// How many days after what it states a statement is recorded late.
const LATE_AFTER: i64 = 30;

/// How many statements that were not seen a finding names.
const MAX_UNSEEN: usize = 8;

/// Applies the rules.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    disputed(desk, out);
    contested(desk, out);
    unseen(desk, out);
    for statement in desk.book.statements().iter().filter(|s| desk.book.stands(s)) {
        late(desk, statement, out);
    }
}

fn disputed(desk: &Desk<'_>, out: &mut Assessment) {
    let book = desk.book;
    let mut by_event: BTreeMap<EventHash, Vec<&Statement>> = BTreeMap::new();
    for dispute in book.statements().iter().filter(|s| s.kind.as_str() == "statement.disputed" && book.stands(s)) {
        if let Some(about) = dispute.get::<EventHash>("about") {
            by_event.entry(about).or_default().push(dispute);
        }
    }
    // the corrections of each statement that took effect, in order
    let mut corrected: HashMap<Seq, Vec<&Correction>> = HashMap::new();
    for correction in book.corrections().iter().filter(|c| c.against.is_empty()) {
        corrected.entry(correction.corrects).or_default().push(correction);
    }
    for (event, disputes) in by_event {
        let Some(statement) = book.by_event(&event) else {
            absent(&disputes, out);
            continue;
        };
        let root = statement.corrects.and_then(|event| book.by_event(&event)).unwrap_or(statement);
        let corrections = corrected.get(&root.seq).map_or(&[][..], Vec::as_slice);
        let (mut open, mut veil): (Vec<&Statement>, Vec<Seq>) = (Vec::new(), Vec::new());
        for dispute in disputes {
            // what the first one after it replaced is what was disputed
            let next = corrections.iter().find(|correction| correction.seq > dispute.seq);
            match next.map(|correction| changed(desk, correction, root)) {
                Some(Some(true)) => continue,
                Some(None) => veil.extend(corrections.iter().map(|correction| correction.seq)),
                Some(Some(false)) | None => {}
            }
            open.push(dispute);
        }
        let Some(first) = open.first() else { continue };
        let mut by: Vec<&str> = open.iter().map(|dispute| dispute.author.as_str()).collect();
        by.sort_unstable();
        by.dedup();
        let detail = format!("entry {} ({}) is disputed by {}", statement.seq, statement.kind, by.join(", "));
        let stream = &statement.stream;
        let entries = open.iter().map(|dispute| dispute.seq).chain([statement.seq]);
        let found =
            finding(Code::StatementDisputed, stream.case.as_ref(), &stream.subject, first.recorded(), entries, detail);
        desk.raise(out, found, veil, true);
    }
}

/// Tells whether a statement says something else than before a correction, or nothing any more; `None` where that is
/// not disclosed.
fn changed(desk: &Desk<'_>, correction: &Correction, statement: &Statement) -> Option<bool> {
    if !desk.book.stands(statement) {
        return Some(true);
    }
    let (body, concealing) = correction.before.as_ref()?;
    let before = |at: &str| concealing.binary_search_by(|one| one.as_str().cmp(at)).is_ok();
    differs((body, &before), (&statement.body, &|at| statement.conceals(at)), "/body")
}

/// A value, and what tells of which objects and arrays of it something is not disclosed.
type Shown<'a> = (&'a Value, &'a dyn Fn(&str) -> bool);

/// Tells whether two values at a pointer differ; `None` where what is not disclosed decides.
fn differs(one: Shown<'_>, other: Shown<'_>, at: &str) -> Option<bool> {
    let (hides, hidden) = (one.1(at), other.1(at));
    let parts: Vec<Option<bool>> = match (one.0, other.0) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let part = |name: &String| match (a.get(name), b.get(name)) {
                (Some(x), Some(y)) => {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    differs((x, one.1), (y, other.1), &format!("{at}/{name}"))
                }
                (None, _) => {
                    if hides {
                        None
                    } else {
                        Some(true)
                    }
                }
                (_, None) => {
                    if hidden {
                        None
                    } else {
                        Some(true)
                    }
                }
            };
            names.into_iter().map(part).collect()
        }
        // which elements an array conceals moves the others
        (Value::Array(a), Value::Array(b)) if !hides && !hidden => {
            if a.len() != b.len() {
                return Some(true);
            }
            let pairs = a.iter().zip(b).enumerate();
            pairs.map(|(i, (x, y))| differs((x, one.1), (y, other.1), &format!("{at}/{i}"))).collect()
        }
        (Value::Array(_), Value::Array(_)) => vec![None],
        (a, b) => vec![Some(a != b)],
    };
    if parts.contains(&Some(true)) {
        return Some(true);
    }
    let sure = !hides && !hidden && !parts.contains(&None);
    sure.then_some(false)
}

/// Says that what is disputed is not there to see.
fn absent(disputes: &[&Statement], out: &mut Assessment) {
    for dispute in disputes {
        out.unknowns.push(Unknown {
            code: Code::StatementDisputed,
            case: None,
            subject: dispute.stream.subject.clone(),
            entries: vec![dispute.seq],
            why: "the statement that it disputes is not shown".to_owned(),
        });
    }
}

fn contested(desk: &Desk<'_>, out: &mut Assessment) {
    let mut took_effect: HashMap<Seq, Seq> = HashMap::new();
    for correction in desk.book.corrections().iter().filter(|c| c.against.is_empty()) {
        let latest = took_effect.entry(correction.corrects).or_insert(correction.seq);
        *latest = correction.seq.max(*latest);
    }
    for correction in desk.book.corrections().iter().filter(|c| !c.against.is_empty()) {
        if took_effect.get(&correction.corrects).is_some_and(|seq| *seq > correction.seq) {
            continue;
        }
        let Some(statement) = desk.book.by_seq(correction.seq) else { continue };
        let against: Vec<&str> = correction.against.iter().map(Author::as_str).collect();
        let detail = format!(
            "entry {} corrects entry {}, on which statements of {} rest; it has no effect without them",
            correction.seq,
            correction.corrects,
            against.join(", ")
        );
        let entries = correction.rests.iter().copied().chain([correction.corrects, correction.seq]);
        let (stream, since) = (&statement.stream, statement.recorded());
        let code = Code::CorrectedAfterCountersignature;
        let found = finding(code, stream.case.as_ref(), &stream.subject, since, entries, detail);
        desk.raise(out, found, Vec::new(), true);
    }
}

/// One stream as it was recorded, with the places of each author's statements in it.
#[derive(Default)]
struct Recorded<'a> {
    statements: Vec<&'a Statement>,
    places: HashMap<EventHash, usize>,
    by: HashMap<&'a Author, Vec<usize>>,
}

impl Recorded<'_> {
    /// Counts an author's statements strictly between two places.
    fn between(&self, author: &Author, after: usize, before: usize) -> usize {
        let places = self.by.get(author).map_or(&[][..], Vec::as_slice);
        places.partition_point(|at| *at < before) - places.partition_point(|at| *at <= after)
    }
}

/// Finds statements whose signers had not seen what another party had said before them.
fn unseen(desk: &Desk<'_>, out: &mut Assessment) {
    let mut streams: HashMap<&StreamId, Recorded<'_>> = HashMap::new();
    for statement in desk.book.statements() {
        let stream = streams.entry(&statement.stream).or_default();
        let place = stream.statements.len();
        if let Some(after) = statement.after.and_then(|event| stream.places.get(&event)).copied()
            && place > after + 1
        {
            let own: usize = statement.signers.iter().map(|who| stream.between(who, after, place)).sum();
            let between = place - after - 1;
            if between > own {
                blind(desk, stream, statement, after, out);
            }
        }
        stream.statements.push(statement);
        stream.places.insert(statement.event, place);
        stream.by.entry(&statement.author).or_default().push(place);
    }
}

fn blind(desk: &Desk<'_>, stream: &Recorded<'_>, statement: &Statement, after: usize, out: &mut Assessment) {
    // the first few say enough: a stream may be long
    let others = stream.by.iter().filter(|(author, _)| !statement.signers.contains(author));
    let mut unseen: Vec<usize> = others
        .flat_map(|(_, places)| places[places.partition_point(|at| *at <= after)..].iter().take(MAX_UNSEEN))
        .copied()
        .collect();
    unseen.sort_unstable();
    unseen.truncate(MAX_UNSEEN);
    let unseen: Vec<Seq> = unseen.into_iter().map(|place| stream.statements[place].seq).collect();
    let Some(first) = unseen.first() else { return };
    let detail = format!(
        "entry {} follows entry {}; its signers had not seen entry {first}, which was recorded before it",
        statement.seq, stream.statements[after].seq
    );
    let of = &statement.stream;
    let entries = unseen.iter().copied().chain([statement.seq]);
    let found = finding(Code::SignedUnseen, of.case.as_ref(), &of.subject, statement.recorded(), entries, detail);
    desk.raise(out, found, Vec::new(), false);
}

fn late(desk: &Desk<'_>, statement: &Statement, out: &mut Assessment) {
    let kind = statement.kind.as_str();
    if is_authority_kind(kind) || kind == CORRECTION || statement.names_source() {
        return;
    }
    let Some((_, last)) = statement.happened() else { return };
    let due = last.plus_days(LATE_AFTER);
    if statement.recorded() <= due {
        return;
    }
    let days = last.days_until(statement.recorded());
    let detail = format!("{kind} was recorded {days} days after {last}, and names no source");
    let stream = &statement.stream;
    let since = due.plus_days(1);
    let mut found = finding(Code::LateRecording, stream.case.as_ref(), &stream.subject, since, [statement.seq], detail);
    found.due = Some(due);
    desk.raise(out, found, Vec::new(), false);
}
