//! What does not come, or not as it was sent: receipts, quantities, damage, claims, title.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Code;
use super::consignment::{Consignment, closes};
use super::out::{Fact, Needs, Out};
use crate::event::codes::{EvidenceGrade, ItemState};
use crate::event::common::normalise_serial;
use crate::facts::statement::array;
use crate::facts::{Act, Exact, ItemKey, State, Statement, Target, extract};
use crate::id::{CaseId, Seq};
use crate::time::Date;

pub(super) fn assess(out: &mut Out<'_>) {
    let mut sightings = Sightings::default();
    for stream in out.streams_of("consignment") {
        let consignment = Consignment::read(out.book, stream);
        receipt_overdue(out, &consignment);
        quantity_short(out, &consignment);
        quantity_over(out, &consignment);
        unexpected(out, &consignment);
        damaged(out, &consignment, &mut sightings);
        concealed(out, &consignment);
        claims(out, &consignment);
        title(out, &consignment);
    }
}

/// Returns the last date on which the receipt of a dispatch is in time.
fn receipt_due(out: &Out<'_>, dispatch: &Statement) -> Date {
    let within = out.terms(dispatch.stream.case.as_ref()).receipt_within;
    Consignment::awaited(dispatch).plus_days(within)
}

/// Returns the lines of a dispatch of which something may still come.
fn awaited<'s>(of: &Consignment<'_>, dispatch: &'s Statement) -> Vec<&'s str> {
    if of.closing(dispatch).is_some() || of.attested(dispatch) {
        return Vec::new();
    }
    let open = Consignment::lines_of(dispatch).filter(|number| {
        let Some(line) = of.lines.get(*number) else { return false };
        let all_came = line.comparable() && line.came() >= line.sent_by(|_| true);
        !all_came && of.said_missing(number).is_none()
    });
    open.collect()
}

fn receipt_overdue(out: &mut Out<'_>, of: &Consignment<'_>) {
    let mut overdue: Option<Fact<'_>> = None;
    for dispatch in &of.dispatches {
        let open = awaited(of, dispatch);
        if open.is_empty() {
            continue;
        }
        let due = receipt_due(out, dispatch);
        if !out.over(due) {
            let what = format!("receipt of {}", lines(&open));
            out.obligation(Code::ReceiptOverdue, of.stream, (dispatch.seq, Consignment::awaited(dispatch)), due, what);
            continue;
        }
        let fact = overdue.get_or_insert_with(|| Fact {
            code: Code::ReceiptOverdue,
            stream: of.stream,
            items: Vec::new(),
            entries: of.receipts.iter().map(|receipt| receipt.seq).collect(),
            since: due.plus_days(1),
            due: Some(due),
            detail: String::new(),
        });
        if fact.due.is_some_and(|before| due < before) {
            (fact.since, fact.due) = (due.plus_days(1), Some(due));
        }
        fact.entries.push(dispatch.seq);
        fact.items.extend(open.iter().flat_map(|number| in_transit(out, of, number)));
        let more = if fact.detail.is_empty() { "" } else { "; " };
        let expected = Consignment::awaited(dispatch);
        fact.detail += &format!("{more}{} awaited since {expected}: no receipt of all that was sent", lines(&open));
    }
    match overdue {
        Some(fact) => out.find(fact, Needs::Stream),
        None => receipt_unknown(out, of),
    }
}

/// Why what came is not known.
const REPEATED: &str = "which serials came is not disclosed: two receipts may list the same";

/// Says of what is overdue only if receipts list the same serials, which they do not disclose, that this is not known.
fn receipt_unknown(out: &mut Out<'_>, of: &Consignment<'_>) {
    let late = |dispatch: &&&Statement| {
        of.closing(dispatch).is_none() && !of.attested(dispatch) && out.over(receipt_due(out, dispatch))
    };
    let numbers = of.dispatches.iter().filter(late).flat_map(|dispatch| Consignment::lines_of(dispatch));
    let lines = numbers.filter(|number| of.said_missing(number).is_none()).filter_map(|number| of.lines.get(number));
    let hidden: Vec<Seq> = lines.filter(|line| line.may_repeat()).flat_map(|line| &line.concealed).copied().collect();
    if !hidden.is_empty() {
        out.unknown(Code::ReceiptOverdue, of.stream, hidden, REPEATED);
    }
}

fn lines(numbers: &[&str]) -> String {
    let word = if numbers.len() == 1 { "line" } else { "lines" };
    match numbers.get(10..) {
        Some(rest) if !rest.is_empty() => format!("{word} {} and {} more", numbers[..10].join(", "), rest.len()),
        _ => format!("{word} {}", numbers.join(", ")),
    }
}

/// Returns the items of a line that did not come.
fn in_transit(out: &Out<'_>, of: &Consignment<'_>, number: &str) -> Vec<ItemKey> {
    let Some(case) = of.stream.case.as_ref() else { return Vec::new() };
    let items = out.book.items().of_line(case, &of.stream.subject, number);
    let items = items.filter(|item| matches!(item.state, State::InTransit | State::NotReceived));
    items.map(|item| item.description.key.clone()).collect()
}

/// Lines that differ, put together in one finding for the consignment.
struct Lines<'s> {
    code: Code,
    stream: &'s crate::id::StreamId,
    items: BTreeSet<ItemKey>,
    entries: Vec<Seq>,
    since: Option<Date>,
    due: Option<Date>,
    details: Vec<String>,
}

impl<'s> Lines<'s> {
    fn new(code: Code, of: &Consignment<'s>) -> Self {
        Self {
            code,
            stream: of.stream,
            items: BTreeSet::new(),
            entries: Vec::new(),
            since: None,
            due: None,
            details: Vec::new(),
        }
    }

    fn since(&mut self, since: Date, due: Option<Date>) {
        if self.since.is_none_or(|before| since < before) {
            (self.since, self.due) = (Some(since), due);
        }
    }

    fn find(self, out: &mut Out<'_>, needs: Needs) -> bool {
        let Self { code, stream, items, entries, since, due, mut details } = self;
        let Some(since) = since else { return false };
        let more = details.len().saturating_sub(10);
        details.truncate(10);
        if more > 0 {
            details.push(format!("{more} more"));
        }
        let (items, detail) = (items.into_iter().collect(), details.join("; "));
        out.find(Fact { code, stream, items, entries, since, due, detail }, needs);
        true
    }
}

/// When a line of a dispatch is judged: nothing more comes of it.
fn judged(out: &Out<'_>, of: &Consignment<'_>, dispatch: &Statement, number: &str) -> Option<(Date, Option<Date>)> {
    if let Some(closing) = of.closing(dispatch) {
        return Some((closing.by(), None));
    }
    if let Some(missing) = of.said_missing(number) {
        return Some((missing.by(), None));
    }
    let due = receipt_due(out, dispatch);
    (out.over(due) && !of.receipts.is_empty()).then_some((due.plus_days(1), Some(due)))
}

fn quantity_short(out: &mut Out<'_>, of: &Consignment<'_>) {
    let mut short = Lines::new(Code::QuantityShort, of);
    let mut hidden = Vec::new();
    for (number, line) in &of.lines {
        let mut when: BTreeMap<Seq, (Date, Option<Date>)> = BTreeMap::new();
        for dispatch in of.dispatches.iter().filter(|dispatch| line.sent.iter().any(|part| part.seq == dispatch.seq)) {
            if let Some(at) = judged(out, of, dispatch, number) {
                when.insert(dispatch.seq, at);
            }
        }
        let Some((since, due)) = when.values().min().copied() else { continue };
        if !line.comparable() {
            continue;
        }
        hidden.extend(&line.concealed);
        let sent = line.sent_by(|seq| when.contains_key(&seq));
        // serials that are said to be absent may stand beside a count that fits: where a receipt conceals some of
        // its serials, only the count is sure
        let (came, named) = if line.concealed.is_empty() {
            (line.came_of_sent(), line.measure.whole(line.missing().count()))
        } else {
            (line.came(), Exact::ZERO)
        };
        let less = sent.less(came).max(named).less(of.settled(number, false));
        if less.is_zero() {
            continue;
        }
        short.since(since, due);
        short.entries.extend(line.sent.iter().chain(&line.received).map(|part| part.seq));
        short.entries.extend(of.said_missing(number).map(|said| said.seq));
        let missing: Vec<ItemKey> = line.missing().filter_map(|(serial, _)| of.key(number, Some(serial))).collect();
        if missing.is_empty() || named < less {
            short.items.extend(in_transit(out, of, number));
        }
        short.items.extend(missing);
        let (sent, came) = (line.measure.show(sent), line.measure.show(came));
        short.details.push(format!("line {number}: {sent} sent, {came} of it received"));
    }
    if !short.find(out, Needs::Stream) && !hidden.is_empty() {
        out.unknown(Code::QuantityShort, of.stream, hidden, "which serials came is not disclosed");
    }
}

fn quantity_over(out: &mut Out<'_>, of: &Consignment<'_>) {
    let mut over = Lines::new(Code::QuantityOver, of);
    let mut hidden = Vec::new();
    for (number, line) in &of.lines {
        let sent = line.sent_by(|_| true);
        let more = line.came().less(sent).less(of.settled(number, true));
        if more.is_zero() || !line.comparable() {
            continue;
        }
        if line.may_repeat() {
            hidden.extend(&line.concealed);
            continue;
        }
        let mut parts: Vec<_> = line.received.iter().collect();
        parts.sort_by_key(|part| (part.at, part.seq));
        let mut came = Exact::ZERO;
        for part in parts {
            came = came.plus(part.amount.unwrap_or_default());
            if came > sent {
                over.since(part.at, None);
                break;
            }
        }
        over.entries.extend(line.sent.iter().chain(&line.received).map(|part| part.seq));
        over.items.extend(of.key(number, None).filter(|key| out.book.items().find(key).is_some()));
        over.items.extend(line.unexpected.keys().filter_map(|serial| of.key(number, Some(serial))));
        let (sent, came) = (line.measure.show(sent), line.measure.show(line.came()));
        over.details.push(format!("line {number}: {sent} sent, {came} received"));
    }
    if !over.find(out, Needs::Stream) && !hidden.is_empty() {
        out.unknown(Code::QuantityOver, of.stream, hidden, REPEATED);
    }
}

fn unexpected(out: &mut Out<'_>, of: &Consignment<'_>) {
    let by_seq = |seq: Seq| out.book.by_seq(seq).map(Statement::by);
    let mut found: Vec<(ItemKey, Seq, Date, String)> = Vec::new();
    for (number, line) in &of.lines {
        for (serial, seq) in &line.unexpected {
            let (Some(key), Some(at)) = (of.key(number, Some(serial)), by_seq(*seq)) else { continue };
            found.push((key, *seq, at, format!("{serial} came on line {number} and was not sent on it")));
        }
    }
    for receipt in &of.receipts {
        for line in receipt.array("unexpected") {
            let Some(number) = line.get("line").and_then(serde_json::Value::as_str) else { continue };
            let items = of.stream.case.as_ref().map(|case| out.book.items().of_line(case, &of.stream.subject, number));
            let items = items.into_iter().flatten().filter(|item| item.description.seq == receipt.seq);
            found.extend(items.map(|item| {
                let key = item.description.key.clone();
                let what = key.serial.clone().unwrap_or_else(|| format!("what is on line {number}"));
                (key, receipt.seq, receipt.by(), format!("{what} came and was on no line of the dispatch"))
            }));
        }
    }
    let links = |seq: &Seq| out.book.by_seq(*seq).is_some_and(|s| s.kind.as_str() == "items.identified");
    let hidden: Vec<Seq> = out.hidden(of.stream.case.as_ref()).iter().copied().filter(links).collect();
    for (key, seq, since, detail) in found {
        if of.settled_since(&key.line, seq) || out.book.items().is_identified(&key) {
            continue;
        }
        let (code, stream) = (Code::ItemUnexpected, of.stream);
        if !hidden.is_empty() {
            out.unknown(code, stream, hidden.clone(), "which items were identified is not disclosed");
            continue;
        }
        out.find(Fact { code, stream, items: vec![key], entries: vec![seq], since, due: None, detail }, Needs::Case);
    }
}

/// When items with serials were last stated to be serviceable, per case; read once where something was damaged.
#[derive(Default)]
struct Sightings {
    sound: HashMap<CaseId, HashMap<String, Date>>,
    /// Statements that may name serials and do not show them.
    hidden: HashMap<CaseId, Vec<(Seq, Date)>>,
}

impl Sightings {
    fn read(&mut self, out: &Out<'_>, case: &CaseId) {
        if self.sound.contains_key(case) {
            return;
        }
        let mut sound: HashMap<String, Date> = HashMap::new();
        let mut hidden = Vec::new();
        for stream in out.book.streams(Some(case), "check") {
            for statement in out.book.stream(stream) {
                let extract = extract(statement);
                if !extract.concealed.is_empty() {
                    hidden.push((statement.seq, statement.by()));
                }
                for mention in extract.mentions {
                    let there = match &mention.act {
                        Act::Checked { grade, state, .. } => {
                            *state == ItemState::InCustody && *grade != EvidenceGrade::NotSeen
                        }
                        Act::Reported { state } => *state == ItemState::InCustody,
                        _ => false,
                    };
                    let Target::Serial(_, serial) = mention.target else { continue };
                    if there && mention.condition.as_deref() == Some("serviceable") {
                        let last = sound.entry(serial).or_insert(mention.at);
                        *last = (*last).max(mention.at);
                    }
                }
            }
        }
        self.sound.insert(case.clone(), sound);
        self.hidden.insert(case.clone(), hidden);
    }

    fn mended(&self, case: &CaseId, serial: &str, since: Date) -> bool {
        self.sound.get(case).and_then(|sound| sound.get(serial)).is_some_and(|at| *at >= since)
    }
}

fn damaged(out: &mut Out<'_>, of: &Consignment<'_>, sightings: &mut Sightings) {
    let Some(case) = of.stream.case.as_ref() else { return };
    if of.lines.values().all(|line| line.damaged.is_empty() && line.unsound.is_empty()) {
        return;
    }
    sightings.read(out, case);
    let mut damaged = Lines::new(Code::ItemDamaged, of);
    for (number, line) in &of.lines {
        for (serial, seq) in &line.damaged {
            let Some(receipt) = out.book.by_seq(*seq) else { continue };
            if of.settled_since(number, *seq) || sightings.mended(case, serial, receipt.by()) {
                continue;
            }
            damaged.since(receipt.by(), None);
            damaged.entries.push(*seq);
            damaged.items.extend(of.key(number, Some(serial)));
            damaged.details.push(format!("line {number}: {serial} came damaged"));
        }
        for (seq, condition) in &line.unsound {
            let Some(receipt) = out.book.by_seq(*seq) else { continue };
            if of.settled_since(number, *seq) {
                continue;
            }
            damaged.since(receipt.by(), None);
            damaged.entries.push(*seq);
            damaged.items.extend(of.key(number, None).filter(|key| out.book.items().find(key).is_some()));
            damaged.details.push(format!("line {number} came {condition}"));
        }
    }
    let first = damaged.since;
    let later = sightings.hidden.get(case).into_iter().flatten();
    let hidden: Vec<Seq> = later.filter(|(_, at)| Some(*at) >= first).map(|(seq, _)| *seq).collect();
    // what came in an unsound condition is cleared by no sighting, so nothing concealed could clear it
    let serials_only = damaged.entries.iter().all(|seq| of.lines.values().all(|line| !line.unsound.contains_key(seq)));
    if first.is_some() && !hidden.is_empty() && serials_only {
        out.unknown(
            Code::ItemDamaged,
            of.stream,
            hidden,
            "a check that does not disclose its serials may have seen them",
        );
    } else {
        damaged.find(out, Needs::Case);
    }
}

/// Says what concealed serials of receipts leave open.
fn concealed(out: &mut Out<'_>, of: &Consignment<'_>) {
    let mut seqs: Vec<Seq> = of.lines.values().flat_map(|line| line.concealed.iter().copied()).collect();
    for receipt in &of.receipts {
        if receipt.conceals_below("/body/unexpected") {
            seqs.push(receipt.seq);
        }
    }
    if seqs.is_empty() {
        return;
    }
    for code in [Code::ItemUnexpected, Code::ItemDamaged] {
        out.unknown(code, of.stream, seqs.clone(), "the serials that came are not disclosed");
    }
}

fn claims(out: &mut Out<'_>, of: &Consignment<'_>) {
    let within = out.terms(of.stream.case.as_ref()).discrepancy_claim_within;
    let arrived = |statement: &&&Statement, numbers: &BTreeSet<String>| {
        let named = Consignment::lines_of(statement).any(|number| numbers.contains(number));
        named || statement.kind.as_str() == "transfer.not_received"
    };
    for claim in &of.claims {
        let (statement, seq) = (claim.statement, claim.statement.seq);
        if !claim.open.is_empty() {
            let open: Vec<&str> = claim.open.iter().map(String::as_str).collect();
            let detail = format!("{} reported on {} and not resolved", lines(&open), statement.made());
            let entries = claim.resolved_by.iter().copied().chain([seq]).collect();
            let (code, stream) = (Code::DiscrepancyUnresolved, of.stream);
            let since = statement.made();
            out.find(Fact { code, stream, items: Vec::new(), entries, since, due: None, detail }, Needs::Stream);
        }
        let numbers: BTreeSet<String> = Consignment::lines_of(statement).map(str::to_owned).collect();
        let before = of.receipts.iter().chain(&of.not_received).filter(|s| s.seq < seq && arrived(s, &numbers));
        let Some(receipt) = before.max_by_key(|s| (s.by(), s.seq)) else { continue };
        let due = receipt.by().plus_days(within);
        if statement.made() > due {
            let detail = format!("received by {}, reported on {}", receipt.by(), statement.made());
            let (code, stream, entries) = (Code::DiscrepancyLate, of.stream, vec![receipt.seq, seq]);
            let since = due.plus_days(1);
            out.find(Fact { code, stream, items: Vec::new(), entries, since, due: Some(due), detail }, Needs::Stream);
        }
    }
    claim_due(out, of, within);
}

/// Says until when a receipt that differs from its papers can be claimed about.
fn claim_due(out: &mut Out<'_>, of: &Consignment<'_>, within: i64) {
    let claimed: BTreeSet<&str> = of.claims.iter().flat_map(|claim| Consignment::lines_of(claim.statement)).collect();
    let mut open: BTreeMap<(Date, Seq), Vec<&str>> = BTreeMap::new();
    for (number, line) in of.lines.iter().filter(|(number, _)| !claimed.contains(number.as_str())) {
        let closed = line.received.iter().filter(|part| out.book.by_seq(part.seq).is_some_and(closes));
        let Some(last) = closed.max_by_key(|part| (part.at, part.seq)) else { continue };
        let sent = line.sent_by(|_| true);
        let differs = line.comparable() && (line.came_of_sent() < sent || line.came() > sent)
            || line.missing().next().is_some()
            || !line.unexpected.is_empty()
            || !line.damaged.is_empty()
            || !line.unsound.is_empty();
        if differs {
            open.entry((last.at, last.seq)).or_default().push(number);
        }
    }
    for ((at, seq), numbers) in open {
        let due = at.plus_days(within);
        if !out.over(due) {
            let what = format!("claim about {}", lines(&numbers));
            out.obligation(Code::DiscrepancyLate, of.stream, (seq, at), due, what);
        }
    }
}

fn title(out: &mut Out<'_>, of: &Consignment<'_>) {
    let mut pending = Lines::new(Code::TitlePending, of);
    let hidden: Vec<Seq> = of.titles.iter().filter(|s| s.conceals_below("/body/lines")).map(|s| s.seq).collect();
    let mut whole: BTreeSet<&str> = BTreeSet::new();
    let mut single: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for title in &of.titles {
        for (i, line) in title.array("lines").iter().enumerate() {
            let Some(number) = line.get("line").and_then(serde_json::Value::as_str) else { continue };
            let serials = array(line, "serials");
            if serials.is_empty() && !title.conceals_below(&format!("/body/lines/{i}")) {
                whole.insert(number);
            }
            let serials = serials.iter().filter_map(serde_json::Value::as_str).map(normalise_serial);
            single.entry(number).or_default().extend(serials);
        }
    }
    let none = BTreeSet::new();
    for (number, line) in of.lines.iter().filter(|(number, _)| !whole.contains(number.as_str())) {
        let closed = line.received.iter().filter(|part| out.book.by_seq(part.seq).is_some_and(closes));
        let Some(last) = closed.max_by_key(|part| (part.at, part.seq)) else { continue };
        let came = line.came();
        if line.sent.is_empty() || (came.is_zero() && line.comparable()) {
            continue;
        }
        let of_line = single.get(number.as_str()).unwrap_or(&none);
        if !of_line.is_empty() && line.measure.whole(of_line.len()) >= line.came_of_sent() {
            continue;
        }
        pending.since(last.at, None);
        pending.entries.extend(line.received.iter().map(|part| part.seq));
        let present = line.present.iter().filter(|serial| !of_line.contains(*serial));
        pending.items.extend(present.filter_map(|serial| of.key(number, Some(serial))));
        pending.details.push(format!("line {number}: {} received, title not transferred", line.measure.show(came)));
    }
    if pending.since.is_some() && !hidden.is_empty() {
        out.unknown(Code::TitlePending, of.stream, hidden, "of which items title was transferred is not disclosed");
    } else {
        pending.find(out, Needs::Stream);
    }
}
