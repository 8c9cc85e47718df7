//! Statements about statements: disputed, corrected against others, signed unseen, recorded late (DOMAIN §1, §5).

use std::collections::{BTreeMap, HashMap};

use super::desk::{Desk, finding};
use super::{Assessment, Code, Unknown};
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
    // the latest correction of each statement that took effect
    let mut corrected: HashMap<Seq, Seq> = HashMap::new();
    for correction in book.corrections().iter().filter(|c| c.against.is_empty()) {
        let latest = corrected.entry(correction.corrects).or_insert(correction.seq);
        *latest = correction.seq.max(*latest);
    }
    for (event, disputes) in by_event {
        let Some(statement) = book.by_event(&event) else {
            absent(&disputes, out);
            continue;
        };
        let root = statement.corrects.and_then(|event| book.by_event(&event)).unwrap_or(statement);
        let mended = corrected.get(&root.seq).copied();
        let open = disputes.iter().filter(|dispute| mended.is_none_or(|seq| seq < dispute.seq));
        let open: Vec<&&Statement> = open.collect();
        let Some(first) = open.first() else { continue };
        let mut by: Vec<&str> = open.iter().map(|dispute| dispute.author.as_str()).collect();
        by.sort_unstable();
        by.dedup();
        let detail = format!("entry {} ({}) is disputed by {}", statement.seq, statement.kind, by.join(", "));
        let stream = &statement.stream;
        let entries = open.iter().map(|dispute| dispute.seq).chain([statement.seq]);
        let found =
            finding(Code::StatementDisputed, stream.case.as_ref(), &stream.subject, first.recorded(), entries, detail);
        desk.raise(out, found, Vec::new(), true);
    }
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
