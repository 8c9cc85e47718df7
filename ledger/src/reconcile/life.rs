//! The figures of one line, and of each item of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Amount, Explanation, Figure, Row, text};
use crate::book::Book;
use crate::event::codes::{EvidenceGrade, ItemState};
use crate::facts::act::Origin;
use crate::facts::{Act, Amount as Said, Description, Exact, Item, Measure, Mention, State};
use crate::findings::Terms;
use crate::findings::consignment::Consignment;
use crate::id::{Seq, StreamId, Subject};
use crate::time::Date;

/// The figures of a row as they are put together.
#[derive(Debug, Default)]
pub(super) struct Sums {
    figures: BTreeMap<Figure, (Exact, BTreeSet<Seq>)>,
    explained: BTreeMap<&'static str, (Exact, BTreeSet<Seq>)>,
    unknown: BTreeSet<Seq>,
    inventory: Option<(Date, EvidenceGrade)>,
}

impl Sums {
    pub(super) fn count(&mut self, figure: Figure, amount: Exact, entries: impl IntoIterator<Item = Seq>) {
        let (sum, seqs) = self.figures.entry(figure).or_default();
        *sum = sum.plus(amount);
        seqs.extend(entries);
    }

    pub(super) fn explain(&mut self, why: &'static str, amount: Exact, entries: impl IntoIterator<Item = Seq>) {
        if amount.is_zero() {
            return;
        }
        let (sum, seqs) = self.explained.entry(why).or_default();
        *sum = sum.plus(amount);
        seqs.extend(entries);
    }

    /// Notes an entry whose amount cannot be compared.
    pub(super) fn cannot(&mut self, seq: Seq) {
        self.unknown.insert(seq);
    }

    fn get(&self, figure: Figure) -> Exact {
        self.figures.get(&figure).map_or(Exact::ZERO, |(sum, _)| *sum)
    }
}

/// A row as it is put together.
#[derive(Debug)]
pub(super) struct Draft {
    row: Row,
    sums: Sums,
}

impl Draft {
    pub(super) const fn new(row: Row, sums: Sums) -> Self {
        Self { row, sums }
    }

    pub(super) fn add(&mut self, other: &Sums) {
        for (figure, (amount, entries)) in &other.figures {
            self.sums.count(*figure, *amount, entries.iter().copied());
        }
        for (why, (amount, entries)) in &other.explained {
            self.sums.explain(why, *amount, entries.iter().copied());
        }
        self.sums.unknown.extend(&other.unknown);
        // of a line, the latest date and the weakest evidence
        self.sums.inventory = match (self.sums.inventory, other.inventory) {
            (Some((at, grade)), Some((other_at, other_grade))) => Some((at.max(other_at), weaker(grade, other_grade))),
            (one, other) => one.or(other),
        };
    }

    pub(super) fn exact(&self) -> BTreeMap<Figure, Exact> {
        self.sums.figures.iter().map(|(figure, (amount, _))| (*figure, *amount)).collect()
    }

    pub(super) fn written(self, measure: &Measure) -> Row {
        let Self { mut row, sums } = self;
        row.figures = sums
            .figures
            .into_iter()
            .filter(|(_, (amount, _))| !amount.is_zero())
            .map(|(figure, (amount, entries))| {
                (figure, Amount { amount: text(measure, amount), entries: entries.into_iter().collect() })
            })
            .collect();
        row.explained = sums
            .explained
            .into_iter()
            .map(|(why, (amount, entries))| Explanation {
                why: why.to_owned(),
                amount: text(measure, amount),
                entries: entries.into_iter().collect(),
            })
            .collect();
        row.unknown = sums.unknown.into_iter().collect();
        row.inventory = sums.inventory;
        row
    }
}

/// The grades of evidence, the best first (DOMAIN §1.3).
const GRADES: [EvidenceGrade; 6] = [
    EvidenceGrade::Sighted,
    EvidenceGrade::Scanned,
    EvidenceGrade::Photographed,
    EvidenceGrade::Documented,
    EvidenceGrade::SelfDeclared,
    EvidenceGrade::NotSeen,
];

fn weaker(one: EvidenceGrade, other: EvidenceGrade) -> EvidenceGrade {
    let rank = |grade| GRADES.iter().position(|g| *g == grade);
    if rank(one) >= rank(other) { one } else { other }
}

/// One line of a consignment or holding, with what is said of the whole of it.
#[derive(Debug)]
pub(super) struct Life<'a> {
    book: &'a Book,
    line: String,
    pub(super) measure: Measure,
    /// Dispatches and declarations that name the line.
    described: Vec<Seq>,
    /// Until when what was sent may still come, and the dispatch.
    awaited: Option<(Date, Seq)>,
    said_missing: Option<Seq>,
    /// What settled claims account for, and the claims.
    settled: (Exact, Vec<Seq>),
}

impl<'a> Life<'a> {
    pub(super) fn new(book: &'a Book, stream: &StreamId, line: &str, measure: Measure) -> Self {
        let mut life = Self {
            book,
            line: line.to_owned(),
            measure,
            described: Vec::new(),
            awaited: None,
            said_missing: None,
            settled: (Exact::ZERO, Vec::new()),
        };
        for statement in book.stream(stream) {
            let describes = matches!(statement.kind.as_str(), "transfer.dispatched" | "holding.declared");
            if describes && Consignment::lines_of(statement).any(|number| number == line) {
                life.described.push(statement.seq);
            }
        }
        if stream.subject.ty() == "consignment" {
            life.transit(stream);
        }
        life
    }

    /// Reads what explains that something that was sent did not come.
    fn transit(&mut self, stream: &StreamId) {
        let consignment = Consignment::read(self.book, stream);
        let within = stream.case.as_ref().map_or(30, |case| Terms::of(self.book, case).receipt_within);
        let open = consignment.dispatches.iter().filter(|dispatch| {
            Consignment::lines_of(dispatch).any(|number| number == self.line) && consignment.closing(dispatch).is_none()
        });
        let awaited = open.map(|dispatch| (Consignment::awaited(dispatch).plus_days(within), dispatch.seq));
        self.awaited = awaited.max().filter(|(due, _)| *due >= self.book.as_of().utc_date());
        self.said_missing = consignment.said_missing(&self.line).map(|said| said.seq);
        let claims = consignment.claims.iter().flat_map(|claim| &claim.resolved_by).copied();
        self.settled = (consignment.settled(&self.line, false), claims.collect());
    }

    pub(super) fn row(&self, of: &Description, serial: Option<String>) -> Draft {
        let row = Row {
            case: of.key.case.clone(),
            subject: of.key.subject.clone(),
            line: of.key.line.clone(),
            serial,
            nomenclature: of.nomenclature.clone(),
            stock_number: of.stock_number.clone(),
            unit: self.measure.unit.clone(),
            state: None,
            inventory: None,
            figures: BTreeMap::new(),
            explained: Vec::new(),
            unknown: Vec::new(),
        };
        Draft::new(row, Sums::default())
    }

    /// Returns how many a statement is about; `None` where that cannot be compared, or is not disclosed.
    fn amount(&self, item: &Item, mention: &Mention) -> Option<Exact> {
        let all = || item.description.quantity.and_then(|quantity| self.measure.exact(quantity, None));
        match &mention.amount {
            _ if item.description.key.serial.is_some() => Some(self.measure.whole(1)),
            Said::One => Some(self.measure.whole(1)),
            Said::Some(quantity, unit) => self.measure.exact(*quantity, unit.as_deref()),
            Said::All => all(),
            Said::Concealed => None,
        }
    }

    /// Computes the figures of one item.
    pub(super) fn item(&mut self, item: &Item) -> Sums {
        let mut sums = Sums::default();
        let single = item.description.key.serial.is_some();
        let all = if single {
            self.measure.whole(1)
        } else {
            item.description.quantity.and_then(|q| self.measure.exact(q, None)).unwrap_or_default()
        };
        match item.description.origin {
            Origin::Dispatched => sums.count(Figure::Dispatched, all, self.described.iter().copied()),
            Origin::Declared => sums.count(Figure::Declared, all, self.described.iter().copied()),
            Origin::Unexpected => sums.count(Figure::Received, all, [item.description.seq]),
        }
        let mut flow = Flow { arrived: sums.get(Figure::Declared), ..Flow::default() };
        if item.description.origin == Origin::Unexpected {
            flow.arrived = all;
        }
        let inventory = self.inventory(item);
        let until = inventory.as_ref().map(|inventory| inventory.at);
        let mut then = flow;
        for mention in &item.acts {
            let Some(amount) = self.amount(item, mention) else {
                sums.unknown.insert(mention.seq);
                continue;
            };
            flow.take(&mut sums, mention, amount, single);
            if until.is_some_and(|at| mention.at <= at) {
                then = flow;
            }
        }
        let arrived = if flow.arrived > sums.get(Figure::Declared) { flow.arrived } else { Exact::ZERO };
        for (figure, amount) in [
            (Figure::Received, arrived),
            (Figure::Disposed, flow.disposed),
            (Figure::Gone, flow.gone),
            (Figure::Retransferred, flow.away),
            (Figure::Held, flow.held()),
        ] {
            let before = sums.get(figure);
            sums.count(figure, amount.less(before), []);
        }
        if item.description.origin == Origin::Dispatched {
            self.arrival(&mut sums, all, flow);
        }
        match inventory {
            Some(found) => {
                sums.inventory = found.grade.map(|grade| (found.at, grade));
                sums.count(Figure::Inventoried, found.amount, found.entries.iter().copied());
                let should = then.held();
                sums.count(Figure::UnexplainedShort, should.less(found.amount), found.entries.iter().copied());
                sums.count(Figure::UnexplainedOver, found.amount.less(should), found.entries);
            }
            None if item.state == State::InRepair => sums.explain("in_repair", flow.held(), [item.state_by]),
            None => sums.explain("not_inventoried", flow.held(), []),
        }
        sums
    }

    /// Explains that less came than was sent, as far as an entry does.
    fn arrival(&mut self, sums: &mut Sums, sent: Exact, flow: Flow) {
        sums.count(Figure::UnexplainedOver, flow.arrived.less(sent), []);
        let mut missing = sent.less(flow.arrived);
        let absent = missing.min(flow.absent);
        sums.explain("not_received", absent, flow.absent_by);
        missing = missing.less(absent);
        if let Some((_, dispatch)) = self.awaited {
            return sums.explain("in_transit", missing, [dispatch]);
        }
        if let Some(seq) = self.said_missing {
            return sums.explain("not_received", missing, [seq]);
        }
        let settled = missing.min(self.settled.0);
        self.settled.0 = self.settled.0.less(settled);
        sums.explain("claim_settled", settled, self.settled.1.iter().copied());
        sums.count(Figure::UnexplainedShort, missing.less(settled), []);
    }

    /// Returns what the last check or report found, all parts of that subject together.
    fn inventory(&self, item: &Item) -> Option<Found> {
        let looked = |mention: &&Mention| match &mention.act {
            Act::Checked { grade, .. } => *grade != EvidenceGrade::NotSeen,
            Act::Reported { .. } => true,
            _ => false,
        };
        let subject = |mention: &Mention| -> Option<&Subject> { Some(&self.book.by_seq(mention.seq)?.stream.subject) };
        let last = item.acts.iter().rev().find(looked)?;
        let of = subject(last);
        let mut found = Found { at: last.at, grade: None, amount: Exact::ZERO, entries: BTreeSet::new() };
        for mention in item.acts.iter().filter(looked).filter(|mention| subject(mention) == of) {
            let (state, grade) = match &mention.act {
                Act::Checked { grade, state, .. } => (*state, *grade),
                Act::Reported { state } => (*state, EvidenceGrade::SelfDeclared),
                _ => continue,
            };
            found.entries.insert(mention.seq);
            if state == ItemState::InCustody {
                let amount = self.amount(item, mention).unwrap_or_default();
                // an item with a serial is one, however often it was found
                let single = item.description.key.serial.is_some();
                found.amount = if single { amount } else { found.amount.plus(amount) };
                found.grade = Some(found.grade.map_or(grade, |before| weaker(before, grade)));
            } else if item.description.key.serial.is_some() {
                found.amount = Exact::ZERO;
            }
        }
        Some(found)
    }
}

/// What an inventory found.
#[derive(Debug)]
struct Found {
    at: Date,
    grade: Option<EvidenceGrade>,
    amount: Exact,
    entries: BTreeSet<Seq>,
}

/// What came and went.
#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    arrived: Exact,
    disposed: Exact,
    gone: Exact,
    away: Exact,
    /// Said to be absent, and by which receipt.
    absent: Exact,
    absent_by: Option<Seq>,
}

impl Flow {
    fn held(&self) -> Exact {
        self.arrived.less(self.disposed).less(self.gone).less(self.away)
    }

    /// Counts an act; of an item with a serial no act counts twice.
    fn take(&mut self, sums: &mut Sums, mention: &Mention, amount: Exact, single: bool) {
        let add = |sum: Exact| if single { amount } else { sum.plus(amount) };
        let seq = mention.seq;
        match &mention.act {
            Act::Received { .. } => {
                self.arrived = add(self.arrived);
                sums.count(Figure::Received, Exact::ZERO, [seq]);
            }
            Act::Absent => {
                sums.count(Figure::Received, Exact::ZERO, [seq]);
                (self.absent, self.absent_by) = (add(self.absent), Some(seq));
            }
            Act::Expended | Act::Demilitarized | Act::Destroyed | Act::Returned { last: true } => {
                self.disposed = add(self.disposed);
                sums.count(Figure::Disposed, Exact::ZERO, [seq]);
            }
            Act::Lost { how: ItemState::CombatDestroyed } => {
                self.disposed = add(self.disposed);
                sums.count(Figure::Disposed, Exact::ZERO, [seq]);
            }
            // beyond repair, and there
            Act::Lost { how: ItemState::DamagedBeyondRepair } => {}
            Act::Lost { .. } => {
                self.gone = add(self.gone);
                sums.count(Figure::Gone, Exact::ZERO, [seq]);
            }
            Act::Recovered { .. } => {
                self.gone = self.gone.less(amount);
                sums.count(Figure::Gone, Exact::ZERO, [seq]);
            }
            Act::Retransferred { .. } => {
                self.away = add(self.away);
                sums.count(Figure::Retransferred, Exact::ZERO, [seq]);
            }
            Act::RetransferEnded { .. } => {
                self.away = self.away.less(amount);
                sums.count(Figure::Retransferred, Exact::ZERO, [seq]);
            }
            _ => {}
        }
    }
}
