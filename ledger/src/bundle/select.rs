//! Which leaves an extract shows (SPEC §11): few, and enough for what is shown to be verified.
//!
//! | scope | leaves |
//! |---|---|
//! | any | entry 0, every `ledger` and `party` entry, the case entries of each case that is shown, the last leaf |
//! | a case | every entry of its streams |
//! | a subject | its stream, and what it rests on: streams that its entries name by hash or line ref, and so on |
//! | a case or subject | statements without a case that name the case, or an event that is shown, with their streams; the newest seal |
//! | since a size | every leaf from there |
//!
//! Only members that are a hash or a line ref by their form (DOMAIN §2a) are followed: a hash in `references` or in prose
//! says nothing. Whoever signs an entry may still name what it likes, so naming discloses nothing: entries of another case
//! than the one asked for, and statements without a case that bear on nothing of it, are shown without their disclosures.
//!
//! The last leaf is there for its `governance` pointer: it shows that no later revocation or log key is held back. Where
//! it is of another case it may be withheld ([`LastLeaf`]), and CHECKPOINT is undecided then.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;
use serde_json::Value;

use super::write::BundleError;
use super::{CHUNK, Scope};
use crate::entry::Entry;
use crate::event::Event;
use crate::hash::EventHash;
use crate::id::{CaseId, Seq, StreamId, Subject};
use crate::seal::{SEAL_TYPE, STATEMENT_TYPE};
use crate::store::{Head, Store};

/// Types of the subjects of which every extract shows all entries (SPEC §11).
const AUTHORITY_TYPES: [&str; 2] = ["ledger", "party"];
/// How many entries are read at once where all are.
const READ_ENTRIES: usize = 512;
/// How many entries at most are parsed at once, on all cores.
const PARSE_ENTRIES: usize = 4_096;

/// Whether an extract shows the last leaf of the ledger where it is of a case that was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastLeaf {
    /// It does, without its disclosures: so that the checkpoint can be decided.
    #[default]
    Shown,
    /// It does not.
    Withheld,
}

/// Leaves next to each other that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first.
    pub(super) start: u64,
    /// The first after them.
    pub(super) end: u64,
    /// Whether their disclosures are shown too.
    pub(super) disclosed: bool,
}

/// Finds the leaves that an extract of a ledger as of `head` shows, in order; of a case or subject with this seal. Returns
/// also the streams of statements without a case that are shown.
pub(super) fn select<S: Store + ?Sized>(
    store: &S,
    head: &Head,
    scope: &Scope,
    last: LastLeaf,
    seal: Option<Seq>,
) -> Result<(Vec<Run>, Vec<StreamId>), BundleError> {
    let mut chosen = Chosen::nothing(store, head);
    if matches!(scope, Scope::Case(_) | Scope::Stream(..)) {
        chosen.show(seal, true);
    }
    match scope {
        Scope::Full => chosen.from = 0,
        Scope::Since(since) if *since > head.size => {
            return Err(BundleError::NotYet { since: *since, size: head.size });
        }
        Scope::Since(since) => {
            chosen.from = since.0;
            chosen.cases_since()?;
        }
        Scope::Case(case) => chosen.case(case)?,
        Scope::Stream(case, subject) => chosen.subject(case, subject)?,
    }
    let statements =
        chosen.taken.keys().filter(|stream| stream.case.is_none() && stream.subject.ty() == STATEMENT_TYPE);
    let mut statements: Vec<StreamId> = statements.cloned().collect();
    statements.sort_unstable();
    Ok((chosen.with_authority(last)?, statements))
}

/// Finds the leaves of an extract that shows that something is not there: a seal, and what every extract shows.
pub(super) fn select_absence<S: Store + ?Sized>(
    store: &S,
    head: &Head,
    last: LastLeaf,
    seal: Seq,
) -> Result<Vec<Run>, BundleError> {
    let mut chosen = Chosen::nothing(store, head);
    chosen.show([seal], true);
    chosen.with_authority(last)
}

/// What was chosen so far.
struct Chosen<'a, S: ?Sized> {
    store: &'a S,
    size: u64,
    /// Entries that are shown, and whether with their disclosures.
    shown: BTreeMap<u64, bool>,
    /// Streams that are shown whole, and whether with their disclosures.
    taken: HashMap<StreamId, bool>,
    /// Every leaf from here on is shown.
    from: u64,
}

/// An entry, as far as it leads to others.
struct Leads {
    seq: u64,
    hash: EventHash,
    stream: StreamId,
    /// Events that it names: by the body's members that are hashes, and what it corrects and follows.
    events: Vec<EventHash>,
    /// Lines that the body names: their streams.
    lines: Vec<StreamId>,
    /// Cases that the body names.
    cases: Vec<CaseId>,
}

impl<'a, S: Store + ?Sized> Chosen<'a, S> {
    fn nothing(store: &'a S, head: &Head) -> Self {
        let size = head.size.0;
        Self { store, size, shown: BTreeMap::new(), taken: HashMap::new(), from: size }
    }

    /// Adds what every extract shows, and ends.
    fn with_authority(mut self, last: LastLeaf) -> Result<Vec<Run>, BundleError> {
        for ty in AUTHORITY_TYPES {
            let seqs = self.store.case_seqs(None, Some(ty))?;
            self.show(seqs, true);
        }
        self.show([Seq(0)], true);
        let runs = self.runs();
        if last == LastLeaf::Withheld || runs.last().is_some_and(|run| run.end >= self.size) {
            return Ok(runs);
        }
        // What only stands in for the last leaf keeps its disclosures to itself.
        self.show_case_of(Seq(self.size - 1), false)?;
        Ok(self.runs())
    }

    fn show(&mut self, seqs: impl IntoIterator<Item = Seq>, disclosed: bool) {
        for seq in seqs.into_iter().filter(|seq| seq.0 < self.size) {
            *self.shown.entry(seq.0).or_default() |= disclosed;
        }
    }

    /// Shows a stream as far as the head goes, and returns its entries unless it was shown as openly before.
    fn take(&mut self, stream: &StreamId, disclosed: bool) -> Result<Vec<u64>, BundleError> {
        if self.taken.get(stream).is_some_and(|before| *before || !disclosed) {
            return Ok(Vec::new());
        }
        self.taken.insert(stream.clone(), disclosed);
        let seqs = self.store.stream_seqs(stream, Seq(0), usize::MAX)?;
        self.show(seqs.iter().copied(), disclosed);
        Ok(seqs.into_iter().map(|seq| seq.0).filter(|seq| *seq < self.size).collect())
    }

    fn case(&mut self, case: &CaseId) -> Result<(), BundleError> {
        let seqs: Vec<u64> = self.store.case_seqs(Some(case), None)?.into_iter().map(|seq| seq.0).collect();
        let seqs: Vec<u64> = seqs.into_iter().filter(|seq| *seq < self.size).collect();
        if seqs.is_empty() {
            return Err(BundleError::NoCase { case: case.clone() });
        }
        self.show(seqs.iter().copied().map(Seq), true);
        self.follow(seqs, case, |stream| stream.case.is_none())
    }

    fn subject(&mut self, case: &CaseId, subject: &Subject) -> Result<(), BundleError> {
        let stream = StreamId { case: Some(case.clone()), subject: subject.clone() };
        let mut seqs = self.take(&stream, true)?;
        if seqs.is_empty() {
            let known = self.store.stream_seqs(&case_stream(case), Seq(0), 1)?.iter().any(|seq| seq.0 < self.size);
            return Err(match known {
                true => BundleError::NoSubject { case: case.clone(), subject: subject.clone() },
                false => BundleError::NoCase { case: case.clone() },
            });
        }
        // Followed too: a seal proves that every statement that speaks of the case's own events is shown.
        seqs.extend(self.take(&case_stream(case), true)?);
        self.follow(seqs, case, |_| true)
    }

    /// Shows what entries lead to, as far as `may` allows, and the statements without a case that bear on any of it.
    fn follow(&mut self, mut new: Vec<u64>, case: &CaseId, may: impl Fn(&StreamId) -> bool) -> Result<(), BundleError> {
        // what is shown openly, and the rest
        let (mut open, mut closed) = (HashSet::new(), HashSet::new());
        let mut apart: Option<Vec<Leads>> = None;
        loop {
            while !new.is_empty() {
                let mut next = Vec::new();
                for leads in self.read(&new)? {
                    let disclosed = self.discloses(leads.seq);
                    if disclosed { &mut open } else { &mut closed }.insert(leads.hash);
                    // A statement without a case may name many cases: it leads into none of them.
                    let apart = leads.stream.case.is_none();
                    let streams = self.led_to(&leads)?.into_iter();
                    for stream in streams.filter(|stream| may(stream) && !(apart && stream.case.is_some())) {
                        let own = stream.case.as_ref() == Some(case);
                        next.extend(self.take(&stream, own)?);
                        if let Some(case) = &stream.case {
                            self.take(&case_stream(case), own)?;
                        }
                    }
                }
                new = next;
            }
            let apart = match &mut apart {
                Some(apart) => apart,
                none => none.insert(self.without_case()?),
            };
            apart.retain(|leads| !self.discloses(leads.seq));
            for leads in apart.iter() {
                let about = |shown: &HashSet<EventHash>| leads.events.iter().any(|event| shown.contains(event));
                let bears = leads.cases.contains(case) || about(&open);
                if bears || about(&closed) {
                    new.extend(self.take(&leads.stream, bears)?);
                }
            }
            if new.is_empty() {
                return Ok(());
            }
        }
    }

    /// Tells whether an entry is shown with its disclosures.
    fn discloses(&self, seq: u64) -> bool {
        self.shown.get(&seq).copied().unwrap_or_default()
    }

    /// Returns the streams that an entry's body names, by line or by the hash of one of their events.
    fn led_to(&self, leads: &Leads) -> Result<Vec<StreamId>, BundleError> {
        let mut streams = leads.lines.clone();
        for event in &leads.events {
            if let Some(seq) = self.store.seq_of_event(event)?.filter(|seq| seq.0 < self.size) {
                streams.extend(self.read(&[seq.0])?.into_iter().map(|found| found.stream));
            }
        }
        Ok(streams)
    }

    /// Reads the entries of streams without a case, but for those that every extract shows, and seals, which lead nowhere.
    fn without_case(&self) -> Result<Vec<Leads>, BundleError> {
        let mut always = HashSet::new();
        for ty in AUTHORITY_TYPES.into_iter().chain([SEAL_TYPE]) {
            always.extend(self.store.case_seqs(None, Some(ty))?);
        }
        let rest = self.store.case_seqs(None, None)?.into_iter().filter(|seq| !always.contains(seq));
        self.read(&rest.map(|seq| seq.0).filter(|seq| *seq < self.size).collect::<Vec<_>>())
    }

    /// Reads entries, in order.
    fn read(&self, seqs: &[u64]) -> Result<Vec<Leads>, BundleError> {
        let mut found = Vec::with_capacity(seqs.len());
        for some in seqs.chunks(PARSE_ENTRIES) {
            let lines: Vec<(u64, Vec<u8>)> =
                some.iter().map(|seq| Ok((*seq, self.line(*seq)?))).collect::<Result<_, BundleError>>()?;
            let read = lines.par_iter().map(|(seq, line)| Leads::read(*seq, line));
            found.extend(read.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(found)
    }

    fn line(&self, seq: u64) -> Result<Vec<u8>, BundleError> {
        let line = self.store.lines(Seq(seq), 1, 1)?.pop();
        line.ok_or(BundleError::Missing { seq: Seq(seq), size: crate::id::TreeSize(self.size) })
    }

    /// Shows the entries of every case that a leaf from `from` on is of.
    fn cases_since(&mut self) -> Result<(), BundleError> {
        let mut pointers = HashSet::new();
        let mut next = self.from;
        while next < self.size {
            let left = usize::try_from(self.size - next).unwrap_or(usize::MAX).min(READ_ENTRIES);
            let lines = self.store.lines(Seq(next), left, CHUNK)?;
            if lines.is_empty() {
                return Err(BundleError::Missing { seq: Seq(next), size: crate::id::TreeSize(self.size) });
            }
            for line in lines {
                // A case entry from `from` on is shown as every leaf is; one before it leads to its whole stream.
                if let Some(pointer) = case_pointer(&line).filter(|pointer| *pointer < self.from) {
                    pointers.insert(pointer);
                }
                next += 1;
            }
        }
        for pointer in pointers {
            self.show_case_of(Seq(pointer), true)?;
        }
        // The case of a leaf whose pointer is a case entry from `from` on: that one's stream may begin before.
        let later = self.store.authority_seqs(Seq(self.from), usize::MAX)?;
        let size = self.size;
        for seq in later.into_iter().take_while(|seq| seq.0 < size) {
            self.show_case_of(seq, true)?;
        }
        Ok(())
    }

    /// Shows an entry, and the case entries of its case.
    fn show_case_of(&mut self, seq: Seq, disclosed: bool) -> Result<(), BundleError> {
        let line = self.line(seq.0)?;
        let event = parse(seq.0, &line)?.1;
        if let Some(case) = &event.case {
            self.take(&case_stream(case), disclosed)?;
        }
        self.show([seq], disclosed);
        Ok(())
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let before = self.shown.range(..self.from).map(|(seq, disclosed)| Run {
            start: *seq,
            end: seq + 1,
            disclosed: *disclosed,
        });
        let rest = Run { start: self.from, end: self.size, disclosed: true };
        for run in before.chain((self.from < self.size).then_some(rest)) {
            match runs.last_mut() {
                Some(last) if last.end == run.start && last.disclosed == run.disclosed => last.end = run.end,
                _ => runs.push(run),
            }
        }
        runs
    }
}

pub(super) fn case_stream(case: &CaseId) -> StreamId {
    let subject = Subject::new("case", case.as_str()).expect("a case id is the id of a subject");
    StreamId { case: Some(case.clone()), subject }
}

fn parse(seq: u64, line: &[u8]) -> Result<(Entry, Event), BundleError> {
    let corrupt = |reason: String| BundleError::Corrupt { seq: Seq(seq), reason };
    let entry = Entry::parse(line).map_err(|e| corrupt(e.to_string()))?;
    let event = Event::of_envelope(&entry.envelope).map_err(|e| corrupt(e.to_string()))?;
    Ok((entry, event))
}

/// Reads the `case` pointer of an entry's line, which is canonical (SPEC §5), without reading the rest.
fn case_pointer(line: &[u8]) -> Option<u64> {
    let head = line.get(..line.len().min(320))?;
    let at = head.windows(8).position(|window| window == b",\"case\":")? + 8;
    let end = head[at..].iter().position(|b| *b == b',')? + at;
    std::str::from_utf8(&head[at..end]).ok()?.parse().ok()
}

impl Leads {
    fn read(seq: u64, line: &[u8]) -> Result<Self, BundleError> {
        let (entry, event) = parse(seq, line)?;
        let mut leads = Self {
            seq,
            hash: entry.envelope.event_hash(),
            stream: event.stream(),
            events: event.corrects.into_iter().chain(event.after).collect(),
            lines: Vec::new(),
            cases: Vec::new(),
        };
        leads.walk(event.body(), event.case.as_ref());
        Ok(leads)
    }

    /// Finds the events, lines and cases that a body names, and so does a replacement body in it: in the members whose
    /// form is a hash, a line ref or cases, and nowhere else. None of these can be concealed (DOMAIN §2a).
    fn walk(&mut self, value: &Value, own: Option<&CaseId>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.walk(value, own)),
            Value::Object(members) => {
                for (name, value) in members {
                    match name.as_str() {
                        "about" | "order" | "finding" | "completion" => {
                            self.events.extend(value.as_str().and_then(|hash| hash.parse::<EventHash>().ok()));
                        }
                        "described_in" | "authorization" => self.line(value, own),
                        "cases" => {
                            let named = value.as_array().into_iter().flatten();
                            self.cases.extend(named.filter_map(|case| case.as_str()?.parse().ok()));
                        }
                        "references" => {}
                        _ => self.walk(value, own),
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes a line ref, which names a line of the own case or of another.
    fn line(&mut self, reference: &Value, own: Option<&CaseId>) {
        let text = |name: &str| reference.get(name).and_then(Value::as_str);
        let case: Option<CaseId> = text("case").and_then(|case| case.parse().ok());
        if let (Some(subject), Some(_)) = (text("subject").and_then(|s| s.parse().ok()), text("line"))
            && let Some(case) = case.as_ref().or(own)
        {
            self.lines.push(StreamId { case: Some(case.clone()), subject });
        }
        self.cases.extend(case);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_pointers_are_read_from_the_line() {
        let line = |case: &str| {
            format!(
                "{{\"seq\":12,\"time\":\"2026-09-21T14:13:20.000Z\",\"prev\":\"{}\",\"governance\":3,\"case\":{case},\"stream\":null,\"envelope\":{{}}}}",
                "a".repeat(64)
            )
        };
        assert_eq!(case_pointer(line("7").as_bytes()), Some(7));
        assert_eq!(case_pointer(line("null").as_bytes()), None);
        assert_eq!(case_pointer(b"{\"withheld\":{}}"), None);
    }
}
