//! What one statement, as it stands, adds to the facts; and what must be worked out again when it does or no longer does.
//!
//! A function of the statement alone: so what a correction takes back is exactly what was added.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::key::Key;
use super::kv::{Family, Overlay};
use super::reading::LineOf;
use super::step::{Draw, Step};
use crate::facts::statement::parse;
use crate::facts::{Act, Amount, Description, Extract, ItemKey, Link, Mention, Statement, Target, extract};
use crate::id::{CaseId, Seq, StreamId, Subject};

/// What must be worked out again.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Items.
    pub(super) items: BTreeSet<ItemKey>,
    /// Items of a serial in a case.
    pub(super) serials: BTreeSet<(CaseId, String)>,
    /// All items of a line.
    pub(super) lines: BTreeSet<LineOf>,
    /// Lines on which items with serials are described: all their items, where a receipt counts them.
    pub(super) described: BTreeSet<LineOf>,
    /// All items of a consignment or holding.
    pub(super) streams: BTreeSet<(CaseId, Subject)>,
    /// What without serials bears a stock or part number.
    pub(super) numbers: BTreeSet<(CaseId, String)>,
    /// Streams whose state changes.
    pub(super) states: BTreeSet<StreamId>,
    /// The first entry whose links are new or gone.
    pub(super) links: Option<Seq>,
}

/// A fact and its key.
type Fact = (Family, Vec<u8>, Vec<u8>);

/// What a statement adds.
#[derive(Debug, Default)]
pub(super) struct Contribution {
    facts: Vec<Fact>,
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("facts have string names and no maps that can fail")
}

impl Contribution {
    /// Reads what a statement adds, and notes what that touches. `remedy` is the incident of the order that a
    /// `remedy.completed` names.
    #[must_use]
    pub(super) fn of(statement: &Statement, remedy: Option<StreamId>, touched: &mut Touched) -> Self {
        let mut contribution = Self::default();
        let Extract { descriptions, mentions, links, .. } = extract(statement);
        for (n, description) in descriptions.iter().enumerate() {
            contribution.description(n, description, touched);
        }
        for (n, mention) in mentions.iter().enumerate() {
            contribution.mention(n, mention, touched);
        }
        for (n, link) in links.iter().enumerate() {
            contribution.link(n, link, touched);
        }
        contribution.step(statement, remedy, touched);
        contribution.draws(statement, touched);
        contribution
    }

    /// Adds the facts.
    pub(super) fn put(self, over: &mut Overlay<'_>) {
        for (family, key, value) in self.facts {
            over.put(family, key, value);
        }
    }

    /// Takes them away.
    pub(super) fn delete(self, over: &mut Overlay<'_>) {
        for (family, key, _) in self.facts {
            over.delete(family, key);
        }
    }

    fn add(&mut self, family: Family, key: Key, value: Vec<u8>) {
        self.facts.push((family, key.done(), value));
    }

    fn description(&mut self, n: usize, description: &Description, touched: &mut Touched) {
        let ItemKey { case, subject, line, serial } = &description.key;
        let seq = description.seq;
        touched.items.insert(description.key.clone());
        if let Some(serial) = serial {
            let key = Key::of(b'S').text(serial).text(case.as_str()).byte(b'd');
            let key = key.text(subject.as_str()).text(line).seq(seq).nth(n);
            self.add(Family::Facts, key, json(description));
            let on_line = line_key(case, subject, b'q').text(line).text(serial).seq(seq).nth(n);
            self.add(Family::Facts, on_line, Vec::new());
            touched.serials.insert((case.clone(), serial.clone()));
            touched.described.insert((case.clone(), subject.clone(), line.clone()));
            return;
        }
        let key = line_key(case, subject, b'd').text(line).seq(seq).nth(n);
        self.add(Family::Facts, key, json(description));
        touched.lines.insert((case.clone(), subject.clone(), line.clone()));
        for number in description.numbers() {
            let key = Key::of(b'b').text(case.as_str()).text(number).item(&description.key).seq(seq).nth(n);
            self.add(Family::Index, key, Vec::new());
            touched.numbers.insert((case.clone(), number.to_owned()));
        }
    }

    fn mention(&mut self, n: usize, mention: &Mention, touched: &mut Touched) {
        let seq = mention.seq;
        let value = json(mention);
        match &mention.target {
            Target::Serial(case, serial) => {
                let key = Key::of(b'S').text(serial).text(case.as_str()).byte(b'm').seq(seq).nth(n);
                self.add(Family::Facts, key, value);
                touched.serials.insert((case.clone(), serial.clone()));
                if let Some((case, subject, line)) = &mention.described_in {
                    let pointer = line_key(case, subject, b'p').text(line).seq(seq).nth(n).text(serial);
                    self.add(Family::Facts, pointer, Vec::new());
                    let bulk =
                        ItemKey { case: case.clone(), subject: subject.clone(), line: line.clone(), serial: None };
                    touched.items.insert(bulk);
                }
            }
            Target::Line(case, subject, line) => {
                self.add(Family::Facts, line_key(case, subject, b'l').text(line).seq(seq).nth(n), value);
                let counted = matches!(mention.act, Act::Received { .. });
                if counted || matches!(mention.amount, Amount::All) {
                    touched.lines.insert((case.clone(), subject.clone(), line.clone()));
                } else {
                    let bulk =
                        ItemKey { case: case.clone(), subject: subject.clone(), line: line.clone(), serial: None };
                    touched.items.insert(bulk);
                }
            }
            Target::Stream(case, subject) => {
                self.add(Family::Facts, line_key(case, subject, b's').seq(seq).nth(n), value);
                touched.streams.insert((case.clone(), subject.clone()));
            }
            Target::Stock(case, number) => {
                self.add(Family::Facts, Key::of(b'N').text(case.as_str()).text(number).seq(seq).nth(n), value);
                touched.numbers.insert((case.clone(), number.clone()));
            }
        }
    }

    fn link(&mut self, n: usize, link: &Link, touched: &mut Touched) {
        self.add(Family::Facts, Key::of(b'K').seq(link.seq).nth(n), json(link));
        for (target, _) in [&link.first, &link.second] {
            match target {
                Target::Serial(case, serial) => {
                    let key = Key::of(b'm').text(serial).text(case.as_str()).seq(link.seq).nth(n);
                    self.add(Family::Index, key, Vec::new());
                }
                Target::Line(case, subject, line) => {
                    let name = bulk_name(subject, line);
                    let key = Key::of(b'm').text(&name).text(case.as_str()).seq(link.seq).nth(n);
                    self.add(Family::Index, key, Vec::new());
                }
                Target::Stream(..) | Target::Stock(..) => {}
            }
        }
        touched.links = Some(touched.links.map_or(link.seq, |first| first.min(link.seq)));
    }

    fn step(&mut self, statement: &Statement, remedy: Option<StreamId>, touched: &mut Touched) {
        let stream = match statement.kind.as_str() {
            "remedy.completed" => remedy,
            _ => Some(statement.stream.clone()),
        };
        let (Some(stream), Some(step)) = (stream, Step::of(statement)) else { return };
        self.add(Family::Facts, step_key(&stream).seq(statement.seq), json(&step));
        touched.states.insert(stream);
    }

    fn draws(&mut self, statement: &Statement, touched: &mut Touched) {
        if statement.kind.as_str() != "transfer.dispatched" {
            return;
        }
        for (n, line) in statement.array("lines").iter().enumerate() {
            let Some(reference) = line.get("authorization") else { continue };
            let case: Option<CaseId> = parse(reference, "case").or_else(|| statement.stream.case.clone());
            let of = reference.get("line").and_then(Value::as_str);
            let (Some(case), Some(subject), Some(of)) = (case, parse::<Subject>(reference, "subject"), of) else {
                continue;
            };
            let draw = Draw {
                line: of.to_owned(),
                quantity: parse(line, "quantity"),
                unit: line.get("unit").and_then(Value::as_str).map(str::to_owned),
                consignment: statement.stream.subject.clone(),
            };
            let key = Key::of(b'D').text(case.as_str()).text(subject.as_str()).seq(statement.seq).nth(n);
            self.add(Family::Facts, key, json(&draw));
            touched.states.insert(StreamId { case: Some(case), subject });
        }
    }
}

/// Names what of a line has no serial among serials: a serial has no line feeds.
pub(super) fn bulk_name(subject: &Subject, line: &str) -> String {
    format!("\n{subject}\n{line}")
}

/// Begins the key of a fact about a stream's lines.
pub(super) fn line_key(case: &CaseId, subject: &Subject, sort: u8) -> Key {
    Key::of(b'L').text(case.as_str()).text(subject.as_str()).byte(sort)
}

/// Begins the keys of the steps of a stream.
pub(super) fn step_key(stream: &StreamId) -> Key {
    Key::of(b'V').case(stream.case.as_ref()).text(stream.subject.as_str())
}
