//! What is said of one consignment: sent, received, missing, claimed, by line, all parts together (DOMAIN §1.9).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::book::Book;
use crate::event::codes::EvidenceGrade;
use crate::event::common::normalise_serial;
use crate::facts::statement::{array, parse};
use crate::facts::{Exact, ItemKey, Measure, Statement};
use crate::hash::EventHash;
use crate::id::{Seq, StreamId};
use crate::time::Date;

/// Some of a line, as one statement has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// The statement.
    pub(crate) seq: Seq,
    /// By when it was so.
    pub(crate) at: Date,
    /// How many; `None` in a unit that is neither the line's nor what that contains.
    pub(crate) amount: Option<Exact>,
}

/// What is said of one line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// How it is counted.
    pub(crate) measure: Measure,
    /// What was sent.
    pub(crate) sent: Vec<Part>,
    /// What was received, expected or not; a serial that an earlier receipt lists is not counted again.
    pub(crate) received: Vec<Part>,
    /// Serials that were sent and are said not to have come, each with its receipt.
    pub(crate) absent: BTreeMap<String, Seq>,
    /// Serials that came.
    pub(crate) present: BTreeSet<String>,
    /// Serials that came and were not sent.
    pub(crate) unexpected: BTreeMap<String, Seq>,
    /// Serials that came damaged.
    pub(crate) damaged: BTreeMap<String, Seq>,
    /// Serials that came, sent or not, damaged or not.
    listed: BTreeSet<String>,
    /// Receipts of a condition that is no sound one, without the serials.
    pub(crate) unsound: BTreeMap<Seq, String>,
    /// Receipts that conceal some of their serials.
    pub(crate) concealed: Vec<Seq>,
}

impl Line {
    fn sum<'p>(parts: impl IntoIterator<Item = &'p Part>) -> Exact {
        parts.into_iter().filter_map(|part| part.amount).fold(Exact::ZERO, Exact::plus)
    }

    /// Tells whether each amount is in a unit that can be compared.
    pub(crate) fn comparable(&self) -> bool {
        self.sent.iter().chain(&self.received).all(|part| part.amount.is_some())
    }

    /// Returns how much was sent by some of the dispatches.
    pub(crate) fn sent_by(&self, by: impl Fn(Seq) -> bool) -> Exact {
        Self::sum(self.sent.iter().filter(|part| by(part.seq)))
    }

    /// Returns how much came.
    pub(crate) fn came(&self) -> Exact {
        Self::sum(&self.received)
    }

    /// Tells whether serials that are not disclosed may have been listed by two receipts, so that less came than counted.
    pub(crate) fn may_repeat(&self) -> bool {
        !self.concealed.is_empty() && self.received.len() > 1
    }

    /// Returns how much of what was sent came: without the serials that were not sent.
    pub(crate) fn came_of_sent(&self) -> Exact {
        self.came().less(self.measure.whole(self.unexpected.len()))
    }

    /// Returns serials that no receipt found.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (&String, Seq)> {
        self.absent.iter().filter(|(serial, _)| !self.present.contains(*serial)).map(|(serial, seq)| (serial, *seq))
    }
}

/// A claim that a receipt differs from its papers.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    /// The report.
    pub(crate) statement: &'a Statement,
    /// Its lines that no resolution covers.
    pub(crate) open: BTreeSet<String>,
    /// Entries that resolve it.
    pub(crate) resolved_by: Vec<Seq>,
    /// Lines that are settled, not only withdrawn, each with what was claimed.
    settled: Vec<(String, Value)>,
}

/// Everything of one consignment.
#[derive(Debug)]
pub(crate) struct Consignment<'a> {
    pub(crate) stream: &'a StreamId,
    pub(crate) dispatches: Vec<&'a Statement>,
    pub(crate) receipts: Vec<&'a Statement>,
    pub(crate) not_received: Vec<&'a Statement>,
    pub(crate) titles: Vec<&'a Statement>,
    pub(crate) claims: Vec<Claim<'a>>,
    pub(crate) lines: BTreeMap<String, Line>,
    attested: BTreeSet<EventHash>,
}

/// Tells whether a statement is the whole, or the last part, of what it is about.
pub(crate) fn closes(statement: &Statement) -> bool {
    statement.body.get("part").is_none() || statement.body.get("last").and_then(Value::as_bool) == Some(true)
}

/// Returns the numbers of lines that a statement names, as texts.
fn numbers(statement: &Statement) -> impl Iterator<Item = &str> {
    statement.array("lines").iter().filter_map(Value::as_str)
}

impl<'a> Consignment<'a> {
    /// Reads a consignment.
    pub(crate) fn read(book: &'a Book, stream: &'a StreamId) -> Self {
        let mut read = Self {
            stream,
            dispatches: Vec::new(),
            receipts: Vec::new(),
            not_received: Vec::new(),
            titles: Vec::new(),
            claims: Vec::new(),
            lines: BTreeMap::new(),
            attested: BTreeSet::new(),
        };
        for statement in book.stream(stream) {
            match statement.kind.as_str() {
                "transfer.dispatched" => read.dispatches.push(statement),
                "transfer.received" => read.receipts.push(statement),
                "transfer.not_received" => read.not_received.push(statement),
                "title.transferred" => read.titles.push(statement),
                "receipt.attested" if statement.get::<EvidenceGrade>("grade") != Some(EvidenceGrade::NotSeen) => {
                    read.attested.extend(statement.get::<EventHash>("about"));
                }
                "discrepancy.reported" => read.claims.push(claim(book, statement)),
                _ => {}
            }
        }
        read.sent();
        read.received();
        read
    }

    fn sent(&mut self) {
        for statement in &self.dispatches {
            for line in statement.array("lines") {
                let Some(number) = line.get("line").and_then(Value::as_str) else { continue };
                let fresh = !self.lines.contains_key(number);
                let of = self.lines.entry(number.to_owned()).or_default();
                if fresh {
                    of.measure = Measure::of_line(line);
                }
                of.sent.push(part(statement, line, "quantity", &of.measure));
            }
        }
    }

    fn received(&mut self) {
        for statement in &self.receipts {
            for (i, line) in statement.array("lines").iter().enumerate() {
                let Some(number) = line.get("line").and_then(Value::as_str) else { continue };
                let of = self.lines.entry(number.to_owned()).or_default();
                if statement.conceals_below(&format!("/body/lines/{i}/serials")) {
                    of.concealed.push(statement.seq);
                }
                let results = line.get("serials").unwrap_or(&Value::Null);
                let serials = |result| array(results, result).iter().filter_map(Value::as_str).map(normalise_serial);
                let came = serials("present").chain(serials("damaged")).chain(serials("unexpected"));
                let again: BTreeSet<String> = came.filter(|serial| !of.listed.insert(serial.clone())).collect();
                let mut part = part(statement, line, "received", &of.measure);
                part.amount = part.amount.map(|amount| amount.less(of.measure.whole(again.len())));
                of.received.push(part);
                of.present.extend(serials("present").chain(serials("damaged")));
                of.absent.extend(serials("absent").map(|serial| (serial, statement.seq)));
                of.unexpected.extend(serials("unexpected").map(|serial| (serial, statement.seq)));
                of.damaged.extend(serials("damaged").map(|serial| (serial, statement.seq)));
                let condition = line.get("condition").and_then(Value::as_str).unwrap_or("unknown");
                let some = parse::<crate::event::scalars::Quantity>(line, "received")
                    .is_some_and(|received| received > crate::event::scalars::Quantity::ZERO);
                if some && !matches!(condition, "serviceable" | "unknown") {
                    of.unsound.insert(statement.seq, condition.to_owned());
                }
            }
        }
    }

    /// Returns the receipt that says that nothing more comes of a dispatch.
    pub(crate) fn closing(&self, dispatch: &Statement) -> Option<&'a Statement> {
        let mut closing = self.receipts.iter().copied().filter(|receipt| closes(receipt));
        closing.find(|receipt| receipt.seq > dispatch.seq || receipt.by() >= dispatch.by())
    }

    /// Tells whether somebody attests that a dispatch came, in place of the receipt.
    pub(crate) fn attested(&self, dispatch: &Statement) -> bool {
        self.attested.contains(&dispatch.event)
    }

    /// Returns the statement that a line did not come.
    pub(crate) fn said_missing(&self, number: &str) -> Option<&'a Statement> {
        let names = |statement: &&&Statement| {
            statement.array("lines").is_empty() || numbers(statement).any(|line| line == number)
        };
        self.not_received.iter().find(names).copied()
    }

    /// Returns when a dispatch is expected, or was made.
    pub(crate) fn awaited(dispatch: &Statement) -> Date {
        dispatch.get("expected").unwrap_or_else(|| dispatch.by())
    }

    /// Returns the numbers of the lines of a dispatch.
    pub(crate) fn lines_of(dispatch: &Statement) -> impl Iterator<Item = &str> {
        dispatch.array("lines").iter().filter_map(|line| line.get("line").and_then(Value::as_str))
    }

    /// Returns by how much settled claims say that less (or, with `over`, more) of a line came than was sent.
    pub(crate) fn settled(&self, number: &str, over: bool) -> Exact {
        let Some(line) = self.lines.get(number) else { return Exact::ZERO };
        let lines = self.claims.iter().flat_map(|claim| &claim.settled).filter(|(of, _)| of == number);
        let amounts = lines.filter_map(|(_, claimed)| {
            let unit = claimed.get("unit").and_then(Value::as_str);
            let amount = |member| line.measure.exact(parse(claimed, member)?, unit);
            let (shipped, received) = (amount("shipped")?, amount("received")?);
            Some(if over { received.less(shipped) } else { shipped.less(received) })
        });
        amounts.fold(Exact::ZERO, Exact::plus)
    }

    /// Tells whether a claim about a line that was made after an entry is settled.
    pub(crate) fn settled_since(&self, number: &str, seq: Seq) -> bool {
        let since = self.claims.iter().filter(|claim| claim.statement.seq > seq);
        since.flat_map(|claim| &claim.settled).any(|(of, _)| of == number)
    }

    /// Returns the key of an item of a line; of what has no serial, without one.
    pub(crate) fn key(&self, number: &str, serial: Option<&str>) -> Option<ItemKey> {
        let (case, subject) = (self.stream.case.clone()?, self.stream.subject.clone());
        Some(ItemKey { case, subject, line: number.to_owned(), serial: serial.map(str::to_owned) })
    }
}

fn part(statement: &Statement, line: &Value, member: &str, measure: &Measure) -> Part {
    let unit = line.get("unit").and_then(Value::as_str);
    let amount = parse(line, member).and_then(|quantity| measure.exact(quantity, unit));
    Part { seq: statement.seq, at: statement.by(), amount }
}

/// Reads a claim, and what of it is resolved.
fn claim<'a>(book: &'a Book, statement: &'a Statement) -> Claim<'a> {
    let number = |line: &Value| line.get("line").and_then(Value::as_str).map(str::to_owned);
    let mut claim = Claim {
        statement,
        open: statement.array("lines").iter().filter_map(number).collect(),
        resolved_by: Vec::new(),
        settled: Vec::new(),
    };
    for resolution in book.about(&statement.event).filter(|s| s.kind.as_str() == "discrepancy.resolved") {
        claim.resolved_by.push(resolution.seq);
        let all = resolution.array("lines").is_empty();
        let covered: BTreeSet<&str> = numbers(resolution).collect();
        let settles = resolution.text("resolution") != Some("withdrawn");
        for line in statement.array("lines") {
            let Some(number) = number(line).filter(|number| all || covered.contains(number.as_str())) else { continue };
            if claim.open.contains(&number) && settles {
                claim.settled.push((number, line.clone()));
            }
        }
        claim.open.retain(|number| !all && !covered.contains(number.as_str()));
    }
    claim
}
