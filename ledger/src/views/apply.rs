//! Entries, one after the other, into changes of the tables.
//!
//! First every entry of the batch adds its facts; then what they touch is worked out once from all facts. As that is a
//! function of the facts, it does not matter where batches begin and end.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::contribution::{Contribution, Touched};
use super::correct::{self, Weighed};
use super::items::record;
use super::key::Key;
use super::kv::{Changes, Family, Overlay, Reads};
use super::reading::{Header, Reading, outside_numbers};
use super::{ViewError, derive};
use crate::book::{hashes_named, line_references};
use crate::facts::{Statement, Target, extract};
use crate::hash::{EventHash, KeyId};
use crate::id::{Author, CaseId, Seq, StreamId};
use crate::rule::CORRECTION;
use crate::store::Store;

/// A batch of entries on its way into the tables.
pub(super) struct Applier<'a> {
    pub(super) over: Overlay<'a>,
    pub(super) store: &'a dyn Store,
    pub(super) touched: Touched,
    keys: HashMap<KeyId, Option<Author>>,
}

/// Writes a value.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have string names and no maps that can fail")
}

impl<'a> Applier<'a> {
    pub(super) fn new(base: Box<dyn Reads + 'a>, store: &'a dyn Store) -> Self {
        Self { over: Overlay::new(base), store, touched: Touched::default(), keys: HashMap::new() }
    }

    /// Adds an entry.
    pub(super) fn take(&mut self, reading: Reading) -> Result<(), ViewError> {
        let Reading { mut statement, occurred, keys, succession, .. } = reading;
        for (key, author) in keys {
            self.introduce(key, author)?;
        }
        statement.signers = self.signers(&statement.keys)?;
        let header = self.header(&statement, occurred)?;
        self.index(&statement, &header);
        self.over.put(Family::Records, Key::of(b'E').seq(statement.seq).done(), json(&header));
        if statement.kind.as_str() == CORRECTION {
            return self.correct(&statement);
        }
        if let Some((party, successor)) = succession {
            let key = Key::of(b'H').text(party.as_str()).done();
            if self.over.get(Family::Records, &key)?.is_none() {
                self.over.put(Family::Records, key, json(&successor));
            }
            self.weigh_again()?;
        }
        self.add(&statement)
    }

    /// A key enters once in its life (SPEC §2).
    fn introduce(&mut self, key: KeyId, author: Author) -> Result<(), ViewError> {
        let name = Key::of(b'G').fixed(key.as_bytes()).done();
        if self.over.get(Family::Records, &name)?.is_none() {
            self.over.put(Family::Records, name, json(&author));
            self.keys.insert(key, Some(author));
        }
        Ok(())
    }

    fn signers(&mut self, keys: &[KeyId]) -> Result<Vec<Author>, ViewError> {
        let mut signers = Vec::with_capacity(keys.len());
        for key in keys {
            if !self.keys.contains_key(key) {
                let name = Key::of(b'G').fixed(key.as_bytes()).done();
                self.keys.insert(*key, record(&self.over, Family::Records, &name)?);
            }
            signers.extend(self.keys.get(key).cloned().flatten());
        }
        signers.sort_unstable();
        signers.dedup();
        Ok(signers)
    }

    /// Says in short what an entry is, and which cases it bears on: its own, those that it names, and those of what it
    /// names or follows.
    fn header(&mut self, statement: &Statement, occurred: serde_json::Value) -> Result<Header, ViewError> {
        let mut cases: BTreeSet<CaseId> = statement.array("cases").iter().filter_map(case_id).collect();
        let outside = statement.stream.case.is_none();
        if statement.kind.as_str().starts_with("diversion.") || outside {
            cases.extend(extract(statement).mentions.iter().map(|mention| mention.target.case().clone()));
        }
        cases.extend(line_references(statement).into_iter().map(|(case, ..)| case));
        let after = statement.after.filter(|_| outside);
        for event in hashes_named(statement).into_iter().chain(after) {
            if let Some(seq) = self.seq_before(&event, statement.seq)? {
                cases.extend(self.entry(seq)?.map(|header| header.cases).unwrap_or_default());
            }
        }
        let own = statement.stream.case.clone();
        let mut ordered: Vec<CaseId> = own.iter().cloned().collect();
        ordered.extend(cases.into_iter().filter(|case| Some(case) != own.as_ref()));
        Ok(Header {
            kind: statement.kind.clone(),
            case: own,
            subject: statement.stream.subject.clone(),
            author: statement.author.clone(),
            time: statement.time,
            occurred,
            event: statement.event,
            after: statement.after,
            signers: statement.signers.clone(),
            cases: ordered,
        })
    }

    /// Adds what finds the entry.
    fn index(&mut self, statement: &Statement, header: &Header) {
        let seq = statement.seq;
        let mut put = |key: Key| self.over.put(Family::Index, key.done(), Vec::new());
        for case in &header.cases {
            put(Key::of(b'c').text(case.as_str()).seq(seq));
            if header.case.is_none() {
                put(Key::of(b'x').text(case.as_str()).text(header.subject.as_str()));
            }
        }
        for event in hashes_named(statement) {
            put(Key::of(b'n').fixed(event.as_bytes()).seq(seq));
        }
        for (case, subject, line) in line_references(statement) {
            put(Key::of(b'l').text(case.as_str()).text(subject.as_str()).text(&line).seq(seq));
        }
        for number in outside_numbers(statement) {
            put(Key::of(b'r').text(&number.value).text(&number.scheme).seq(seq));
        }
    }

    /// Returns the entry of an event, if it is before another.
    pub(super) fn seq_before(&self, event: &EventHash, before: Seq) -> Result<Option<Seq>, ViewError> {
        Ok(self.store.seq_of_event(event)?.filter(|seq| *seq < before))
    }

    pub(super) fn entry(&self, seq: Seq) -> Result<Option<Header>, ViewError> {
        Ok(record(&self.over, Family::Records, &Key::of(b'E').seq(seq).done())?)
    }

    /// Reads a recorded statement again, as it was signed.
    pub(super) fn statement(&self, seq: Seq) -> Result<Statement, ViewError> {
        let missing = || crate::store::StoreError::Corrupt {
            place: format!("entry {seq}"),
            reason: "below the head, but not there".to_owned(),
        };
        let line = self.store.lines(seq, 1, 1)?.pop().ok_or_else(missing)?;
        let mut statement = Reading::of(seq, &line, &self.store.disclosures(seq)?)?.statement;
        statement.signers = self.entry(seq)?.map(|header| header.signers).unwrap_or_default();
        Ok(statement)
    }

    /// Returns the incident of the order that a `remedy.completed` names.
    fn remedy(&self, statement: &Statement) -> Result<Option<StreamId>, ViewError> {
        if statement.kind.as_str() != "remedy.completed" {
            return Ok(None);
        }
        let Some(order) = statement.get::<EventHash>("about") else { return Ok(None) };
        let Some(seq) = self.seq_before(&order, statement.seq)? else { return Ok(None) };
        Ok(self.entry(seq)?.filter(|header| header.kind.as_str() == "remedy.ordered").map(|header| header.stream()))
    }

    /// Adds what a statement says.
    fn add(&mut self, statement: &Statement) -> Result<(), ViewError> {
        let remedy = self.remedy(statement)?;
        Contribution::of(statement, remedy, &mut self.touched).put(&mut self.over);
        Ok(())
    }

    /// Takes away what a statement says.
    fn remove(&mut self, statement: &Statement) -> Result<(), ViewError> {
        let remedy = self.remedy(statement)?;
        Contribution::of(statement, remedy, &mut self.touched).delete(&mut self.over);
        Ok(())
    }

    fn correct(&mut self, correction: &Statement) -> Result<(), ViewError> {
        let Some(event) = correction.corrects else { return Ok(()) };
        let Some(target) = self.seq_before(&event, correction.seq)? else { return Ok(()) };
        let original = self.statement(target)?;
        if original.kind.as_str() == CORRECTION {
            return Ok(());
        }
        let before = correct::standing(self, &original)?;
        let weighed = correct::weigh(self, &original, correction)?;
        self.over.put(Family::Records, correct::key(target, correction.seq), json(&weighed));
        let after = correct::standing(self, &original)?;
        self.replace(before, after)
    }

    /// Puts a statement as it stands now in the place of itself as it stood.
    fn replace(&mut self, before: Option<Statement>, after: Option<Statement>) -> Result<(), ViewError> {
        if before == after {
            return Ok(());
        }
        if let Some(before) = before {
            self.remove(&before)?;
        }
        if let Some(after) = after {
            self.add(&after)?;
        }
        Ok(())
    }

    /// Weighs every correction again: who acts for whom has changed.
    fn weigh_again(&mut self) -> Result<(), ViewError> {
        let mut all: Vec<(Seq, Seq)> = Vec::new();
        let (from, end) = Key::of(b'X').range();
        self.over.scan(Family::Records, &from, &end, &mut |key, _| {
            all.extend(correct::of_key(key));
            Ok(true)
        })?;
        all.sort_unstable_by_key(|(target, correction)| (*correction, *target));
        for (target, seq) in all {
            let (original, correction) = (self.statement(target)?, self.statement(seq)?);
            let before = correct::standing(self, &original)?;
            let weighed: Weighed = correct::weigh(self, &original, &correction)?;
            self.over.put(Family::Records, correct::key(target, seq), json(&weighed));
            let after = correct::standing(self, &original)?;
            self.replace(before, after)?;
        }
        Ok(())
    }

    /// Works out what was touched, and returns all that changes.
    pub(super) fn finish(mut self, position: Vec<u8>) -> Result<Changes, ViewError> {
        let touched = std::mem::take(&mut self.touched);
        derive::all(&mut self.over, touched)?;
        self.over.put(Family::Meta, super::POSITION.to_vec(), position);
        Ok(self.over.into_changes())
    }
}

fn case_id(value: &serde_json::Value) -> Option<CaseId> {
    value.as_str()?.parse().ok()
}

/// Returns the serial of a target, if it is one.
pub(super) fn serial_of(target: &Target) -> Option<(&CaseId, &str)> {
    match target {
        Target::Serial(case, serial) => Some((case, serial)),
        _ => None,
    }
}
