//! Where the families of findings write: a book, the day, the terms of its cases, and what is found so far.

use std::collections::{BTreeMap, HashMap};

use super::desk::described_case;
use super::{Assessment, Code, Finding, Obligation, Terms, Unknown};
use crate::book::Book;
use crate::facts::ItemKey;
use crate::id::{CaseId, Seq, StreamId, Subject};
use crate::time::Date;

/// What must be shown in full for a finding to stand: where something left out could clear it, it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// The stream that it is about.
    Stream,
    /// The case.
    Case,
    /// All of the ledger.
    Ledger,
}

/// A finding to be.
#[derive(Debug)]
pub(super) struct Fact<'s> {
    /// What.
    pub(super) code: Code,
    /// About which stream.
    pub(super) stream: &'s StreamId,
    /// The items concerned.
    pub(super) items: Vec<ItemKey>,
    /// What it rests on.
    pub(super) entries: Vec<Seq>,
    /// The first date on which it was so.
    pub(super) since: Date,
    /// The last date on which it could have been done in time.
    pub(super) due: Option<Date>,
    /// What is so.
    pub(super) detail: String,
}

/// A book and what is found in it.
#[derive(Debug)]
pub(super) struct Out<'a> {
    /// The book.
    pub(super) book: &'a Book,
    /// The date of the instant that it is of, in UTC.
    pub(super) today: Date,
    terms: BTreeMap<CaseId, Terms>,
    /// Per case, the statements that conceal what became of which items.
    hidden: HashMap<CaseId, Vec<Seq>>,
    /// Per case, these and the statements that conceal which items they describe.
    concealing: HashMap<CaseId, Vec<Seq>>,
    done: Assessment,
}

impl<'a> Out<'a> {
    pub(super) fn new(book: &'a Book) -> Self {
        let terms = book.cases().map(|case| (case.clone(), Terms::of(book, case))).collect();
        let mut hidden: HashMap<CaseId, Vec<Seq>> = HashMap::new();
        let mut concealing: HashMap<CaseId, Vec<Seq>> = HashMap::new();
        for (seq, pointer) in book.items().concealed() {
            let Some(statement) = book.by_seq(*seq) else { continue };
            let Some(case) = &statement.stream.case else { continue };
            let object = pointer.strip_prefix("/body").and_then(|at| statement.body.pointer(at));
            let place = object.and_then(|object| object.get("described_in"));
            let case = place.map_or_else(|| case.clone(), |place| described_case(case, place));
            concealing.entry(case.clone()).or_default().push(*seq);
            // what describes items says nothing of what became of them
            if matches!(statement.kind.as_str(), "transfer.dispatched" | "holding.declared") {
                continue;
            }
            hidden.entry(case.clone()).or_default().push(*seq);
        }
        for seqs in hidden.values_mut().chain(concealing.values_mut()) {
            seqs.dedup();
        }
        Self { book, today: book.as_of().utc_date(), terms, hidden, concealing, done: Assessment::default() }
    }

    pub(super) fn finish(self) -> Assessment {
        let mut done = self.done;
        done.settle();
        done
    }

    /// Returns the terms of a case.
    pub(super) fn terms(&self, case: Option<&CaseId>) -> Terms {
        case.and_then(|case| self.terms.get(case)).cloned().unwrap_or_else(|| Terms::usual(false))
    }

    /// Returns the streams of every case whose subject is of a type.
    pub(super) fn streams_of(&self, ty: &'static str) -> Vec<&'a StreamId> {
        let book = self.book;
        book.cases().flat_map(|case| book.streams(Some(case), ty)).collect()
    }

    /// Tells whether a deadline is over: the due date itself is in time.
    pub(super) fn over(&self, due: Date) -> bool {
        self.today > due
    }

    /// Returns statements of a case that conceal what became of which items, in order.
    pub(super) fn hidden(&self, case: Option<&CaseId>) -> &[Seq] {
        case.and_then(|case| self.hidden.get(case)).map_or(&[], Vec::as_slice)
    }

    /// Returns statements of a case that conceal something of which items there are, or what became of them, in order.
    pub(super) fn concealing(&self, case: Option<&CaseId>) -> &[Seq] {
        case.and_then(|case| self.concealing.get(case)).map_or(&[], Vec::as_slice)
    }

    /// Tells whether what a finding needs is shown in full.
    pub(super) fn shows(&self, stream: &StreamId, needs: Needs) -> bool {
        match needs {
            Needs::Stream => self.book.shows_all_of(stream),
            Needs::Case => self.book.shows_all_of_case(stream.case.as_ref()),
            Needs::Ledger => !self.book.has_gaps(),
        }
    }

    /// Writes a finding; where something that is left out of the book could clear it, an unknown.
    pub(super) fn find(&mut self, fact: Fact<'_>, needs: Needs) {
        let Fact { code, stream, items, mut entries, since, due, detail } = fact;
        entries.sort_unstable();
        entries.dedup();
        if !self.shows(stream, needs) {
            let why = format!("entries that are not shown may clear it: {detail}");
            return self.unknown(code, stream, entries, why);
        }
        let mut items = items;
        items.sort_unstable();
        items.dedup();
        let (case, subject) = (stream.case.clone(), stream.subject.clone());
        let severity = code.severity();
        self.done.findings.push(Finding { code, severity, case, subject, items, entries, since, due, detail });
    }

    /// Writes that something cannot be told.
    pub(super) fn unknown(&mut self, code: Code, stream: &StreamId, mut entries: Vec<Seq>, why: impl Into<String>) {
        entries.sort_unstable();
        entries.dedup();
        let (case, subject): (_, Subject) = (stream.case.clone(), stream.subject.clone());
        self.done.unknowns.push(Unknown { code, case, subject, entries, why: why.into() });
    }

    /// Writes what will be due.
    pub(super) fn obligation(
        &mut self,
        code: Code,
        stream: &StreamId,
        (started, from): (Seq, Date),
        due: Date,
        what: impl Into<String>,
    ) {
        let (case, subject) = (stream.case.clone(), stream.subject.clone());
        self.done.obligations.push(Obligation { due, code, case, subject, started, from, what: what.into() });
    }
}
