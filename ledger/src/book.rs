//! The book: all that is recorded about some cases up to an instant, put together (DOMAIN §1.6, §1.7, §3).
//!
//! A pure function of entries, of the disclosures that are held, and of the instant. It decides which corrections take
//! effect, which items the statements mean, and what each item's life comes to. Findings, reconciliation and reports are
//! computed from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::authority::{Authority, KeyUse, Position};
use crate::entry::Entry;
use crate::event::{Body, Event};
use crate::facts::statement::array;
use crate::facts::{FactError, Statement};
use crate::hash::EventHash;
use crate::id::{Author, CaseId, Seq, StreamId};
use crate::rule::{CORRECTION, is_authority_kind};
use crate::time::Time;

mod corrections;
pub mod items;

pub use corrections::{Correction, Standing};
pub(crate) use corrections::{Effect, rests};
pub use items::{ItemTable, Unmatched};

/// The place of a statement in its book.
pub type Place = usize;

/// Collects entries, in order, for a [`Book`].
#[derive(Debug)]
pub struct BookBuilder {
    as_of: Time,
    /// Whether entries later than `as_of` move it instead of being left out.
    open: bool,
    authority: Authority,
    statements: Vec<Statement>,
    /// Where two neighbours are not neighbours in the ledger, or the first is not entry 0.
    gaps: bool,
    next: u64,
    shown: Shown,
    mark: Option<Mark>,
}

/// How far a book had come at an entry, to end it there after all.
#[derive(Debug)]
struct Mark {
    at: Position,
    authority: Authority,
    statements: usize,
    gaps: bool,
}

/// What is shown in full of a ledger that is not.
#[derive(Debug, Default)]
struct Shown {
    cases: BTreeSet<Option<CaseId>>,
    streams: BTreeSet<StreamId>,
}

impl BookBuilder {
    /// Begins a book as of an instant: what is recorded later is left out.
    #[must_use]
    pub fn new(as_of: Time) -> Self {
        Self {
            as_of,
            open: false,
            authority: Authority::new(),
            statements: Vec::new(),
            gaps: false,
            next: 0,
            shown: Shown::default(),
            mark: None,
        }
    }

    /// Remembers how far the book has come, before an entry at this position: [`BookBuilder::end_at_mark`].
    pub fn mark(&mut self, at: Position) {
        let (authority, statements) = (self.authority.clone(), self.statements.len());
        self.mark = Some(Mark { at, authority, statements, gaps: self.gaps });
    }

    /// Returns the latest mark.
    #[must_use]
    pub fn marked(&self) -> Option<Position> {
        self.mark.as_ref().map(|mark| mark.at)
    }

    /// Leaves out again what was added since the latest mark, if there is one: what is left is a book of the entries
    /// before the one that was marked, as of that one's time.
    pub fn end_at_mark(&mut self) {
        let Some(Mark { at, authority, statements, gaps }) = self.mark.take() else { return };
        self.statements.truncate(statements);
        (self.authority, self.gaps, self.as_of, self.open) = (authority, gaps, at.time, false);
    }

    /// Says that every entry of a case up to the instant is added, whatever else is left out; with `None`, every one
    /// outside any case.
    pub fn shows_case(&mut self, case: Option<CaseId>) {
        self.shown.cases.insert(case);
    }

    /// Says that every entry of a stream up to the instant is added.
    pub fn shows_stream(&mut self, stream: StreamId) {
        self.shown.streams.insert(stream);
    }

    /// Begins a book as of now: of the clock's time, or of the latest entry's where the clock is behind it.
    #[must_use]
    pub fn until(now: Time) -> Self {
        Self { open: true, ..Self::new(now) }
    }

    /// Adds an entry with the disclosures of it that are held. Entries come in order; some may be left out, if only
    /// none of SPEC §8 is.
    ///
    /// # Errors
    /// When the entry is no statement: no verified one is not.
    pub fn add<S: AsRef<str>>(&mut self, entry: &Entry, disclosures: &[S]) -> Result<(), FactError> {
        if entry.time > self.as_of && !self.open {
            return Ok(());
        }
        let (statement, event) = Statement::read(entry, disclosures)?;
        self.push(statement, &event);
        Ok(())
    }

    /// Adds a statement that was read from an entry already, with its event.
    pub fn push(&mut self, statement: Statement, event: &Event) {
        if statement.time > self.as_of {
            if !self.open {
                return;
            }
            self.as_of = statement.time;
        }
        self.gaps |= statement.seq.0 != self.next;
        self.next = statement.seq.0 + 1;
        if is_authority_kind(event.kind.as_str())
            && let Ok(body) = Body::parse(&event.kind, event.body())
        {
            let at = Position { seq: statement.seq, time: statement.time };
            self.authority.apply(at, &event.kind, &body, event, &statement.keys);
            if statement.seq == Seq(0) {
                self.authority.set_ledger(statement.event.into());
            }
        }
        self.statements.push(statement);
    }

    /// Puts the book together.
    #[must_use]
    pub fn finish(self) -> Book {
        let Self { as_of, authority, mut statements, gaps, shown, .. } = self;
        for statement in &mut statements {
            let mut signers: Vec<Author> = statement.keys.iter().filter_map(|key| signer(&authority, key)).collect();
            signers.sort_unstable();
            signers.dedup();
            statement.signers = signers;
        }
        let by_event = statements.iter().enumerate().map(|(place, s)| (s.event, place)).collect();
        let mut about: HashMap<EventHash, Vec<Place>> = HashMap::new();
        for (place, statement) in statements.iter().enumerate() {
            for event in hashes_named(statement) {
                about.entry(event).or_default().push(place);
            }
        }
        let corrections = corrections::judge(&mut statements, &by_event, &about, &authority);
        let mut streams: BTreeMap<StreamId, Vec<Place>> = BTreeMap::new();
        for (place, statement) in statements.iter().enumerate() {
            streams.entry(statement.stream.clone()).or_default().push(place);
        }
        let items = ItemTable::of(&statements, &corrections);
        Book { as_of, authority, statements, by_event, about, streams, corrections, items, gaps, shown }
    }
}

/// Returns who a key signs for.
fn signer(authority: &Authority, key: &crate::hash::KeyId) -> Option<Author> {
    match &authority.key(key)?.purpose {
        KeyUse::Party(key) => Some(Author::Party(key.party.clone())),
        KeyUse::Governance => Some(Author::Governance),
        KeyUse::Log => None,
    }
}

/// Returns the events that a statement names by hash.
#[must_use]
pub fn hashes_named(statement: &Statement) -> Vec<EventHash> {
    let mut named: Vec<EventHash> =
        ["about", "order", "finding", "completion"].iter().filter_map(|member| statement.get(member)).collect();
    named.extend(statement.corrects);
    named.sort_unstable();
    named.dedup();
    named
}

/// What is recorded, put together.
#[derive(Debug)]
pub struct Book {
    as_of: Time,
    authority: Authority,
    statements: Vec<Statement>,
    by_event: HashMap<EventHash, Place>,
    about: HashMap<EventHash, Vec<Place>>,
    streams: BTreeMap<StreamId, Vec<Place>>,
    corrections: corrections::Corrections,
    items: ItemTable,
    gaps: bool,
    shown: Shown,
}

impl Book {
    /// Returns the instant that it is of.
    #[must_use]
    pub const fn as_of(&self) -> Time {
        self.as_of
    }

    /// Tells whether entries are left out, so that what is not in the book may still be in the ledger.
    #[must_use]
    pub const fn has_gaps(&self) -> bool {
        self.gaps
    }

    /// Tells whether every entry of a case is here; of what is outside any case, with `None`.
    #[must_use]
    pub fn shows_all_of_case(&self, case: Option<&CaseId>) -> bool {
        !self.gaps || self.shown.cases.contains(&case.cloned())
    }

    /// Tells whether every entry of a stream is here.
    #[must_use]
    pub fn shows_all_of(&self, stream: &StreamId) -> bool {
        self.shows_all_of_case(stream.case.as_ref()) || self.shown.streams.contains(stream)
    }

    /// Returns the authority state as of the instant.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns every statement in the order of recording, corrected bodies in place of those that they replace.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Returns a statement by its place.
    ///
    /// # Panics
    /// When the place is not one of this book.
    #[must_use]
    pub fn statement(&self, place: Place) -> &Statement {
        &self.statements[place]
    }

    /// Returns a statement by its entry.
    #[must_use]
    pub fn by_seq(&self, seq: Seq) -> Option<&Statement> {
        self.statements.binary_search_by_key(&seq, |s| s.seq).ok().map(|place| &self.statements[place])
    }

    /// Returns a statement by its event hash.
    #[must_use]
    pub fn by_event(&self, event: &EventHash) -> Option<&Statement> {
        self.by_event.get(event).map(|place| &self.statements[*place])
    }

    /// Tells how a statement stands after corrections.
    #[must_use]
    pub fn standing(&self, seq: Seq) -> Standing {
        self.corrections.standing(seq)
    }

    /// Returns every correction with what it came to.
    #[must_use]
    pub fn corrections(&self) -> &[Correction] {
        self.corrections.all()
    }

    /// Returns the statements of a stream that stand: not annulled, and no corrections (which stand in the bodies).
    pub fn stream<'a>(&'a self, stream: &StreamId) -> impl Iterator<Item = &'a Statement> {
        let places = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| &self.statements[*place]).filter(|s| self.stands(s))
    }

    /// Tells whether a statement is in effect.
    #[must_use]
    pub fn stands(&self, statement: &Statement) -> bool {
        statement.kind.as_str() != CORRECTION && !matches!(self.standing(statement.seq), Standing::Annulled { .. })
    }

    /// Returns the streams of a case (`None`: those outside any) whose subject is of a type, in order of id.
    ///
    /// # Panics
    /// When `ty` is no subject type.
    pub fn streams<'a>(&'a self, case: Option<&'a CaseId>, ty: &'a str) -> impl Iterator<Item = &'a StreamId> {
        // streams sort by case, then subject, so a case's are together
        let first = StreamId {
            case: case.cloned(),
            subject: format!("{ty}/0").parse().expect("subject types are words, and `0` is the least id"),
        };
        let of_case = self.streams.range(first..).map(|(stream, _)| stream);
        of_case.take_while(move |s| s.case.as_ref() == case && s.subject.ty() == ty)
    }

    /// Returns the statements that name an event by hash and stand, in order: disputes, evidence, responses, attests.
    pub fn about<'a>(&'a self, event: &EventHash) -> impl Iterator<Item = &'a Statement> {
        let places = self.about.get(event).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| &self.statements[*place]).filter(|s| self.stands(s))
    }

    /// Returns the cases that were opened, in order of id.
    pub fn cases(&self) -> impl Iterator<Item = &CaseId> {
        self.authority.cases().map(|(id, _)| id)
    }

    /// Returns a member of a case as it stands: the latest amendment that has it, or else the opening.
    #[must_use]
    pub fn case_member(&self, case: &CaseId, member: &str) -> Option<&Value> {
        let subject = format!("case/{case}").parse().ok()?;
        let places = self.streams.get(&StreamId { case: Some(case.clone()), subject })?;
        let of_case = places.iter().rev().map(|place| &self.statements[*place]);
        of_case.filter(|s| matches!(s.kind.as_str(), "case.opened" | "case.amended")).find_map(|s| s.body.get(member))
    }

    /// Returns the items.
    #[must_use]
    pub const fn items(&self) -> &ItemTable {
        &self.items
    }

    /// Returns the party that acts for `who` now: itself or its final successor.
    #[must_use]
    pub fn acting(&self, who: &Author) -> Author {
        acting(&self.authority, who)
    }
}

fn acting(authority: &Authority, who: &Author) -> Author {
    let successor = who.party().and_then(|party| authority.final_successor(party.as_str()));
    successor.map_or_else(|| who.clone(), |party| Author::Party(party.clone()))
}

/// Statements whose `lines` are lines of a dispatch in their stream.
const OF_DISPATCH: [&str; 5] =
    ["transfer.received", "transfer.not_received", "discrepancy.reported", "discrepancy.resolved", "title.transferred"];

/// Returns the lines of other statements that a statement refers to: (case, subject, line).
#[must_use]
pub fn line_references(statement: &Statement) -> Vec<(CaseId, crate::id::Subject, String)> {
    use crate::facts::statement::parse;
    let mut found = Vec::new();
    let mut take = |object: &Value, member: &str| {
        let Some(reference) = object.get(member) else { return };
        let case = parse(reference, "case").or_else(|| statement.stream.case.clone());
        let line = reference.get("line").and_then(Value::as_str);
        if let (Some(case), Some(subject), Some(line)) = (case, parse(reference, "subject"), line) {
            found.push((case, subject, line.to_owned()));
        }
    };
    for line in array(&statement.body, "lines") {
        take(line, "authorization");
    }
    for member in ["items", "same"] {
        for item in array(&statement.body, member) {
            take(item, "described_in");
        }
    }
    if let Some(mark) = statement.body.get("remarked") {
        take(mark, "described_in");
    }
    if let Some(case) = statement.stream.case.as_ref().filter(|_| OF_DISPATCH.contains(&statement.kind.as_str())) {
        let lines = array(&statement.body, "lines").iter();
        let numbers = lines.filter_map(|line| line.as_str().or_else(|| line.get("line").and_then(Value::as_str)));
        found.extend(numbers.map(|line| (case.clone(), statement.stream.subject.clone(), line.to_owned())));
    }
    found.sort_unstable();
    found.dedup();
    found
}
