//! Seals: what an entry of kind `streams.sealed` commits to, and the proofs that it gives (SPEC §15).
//!
//! A seal says how many events each stream has, which is the latest of them, and which statements speak of it, of all
//! entries before it. [`Streams`] is that state, [`Changes`] what entries add to it; both are pure. [`scan`] and
//! [`advance`] read a store.
//!
//! In memory a stream takes some 250 bytes, whatever its events: 48 for its record, 48 for its place, and 1.44 branches
//! of 96; another 48 once a statement speaks of it.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::hash::{EventHash, SealHash, SealKey, sha256};
use crate::id::{CaseId, StreamId, Subject, TreeSize};
use crate::keyed::{End, Tree, Value, Way};

mod make;
mod scan;

pub use make::{MakeSealError, Sealer};
pub use scan::{advance, count, scan};

/// The kind of a seal.
pub const SEAL_KIND: &str = "streams.sealed";
/// The type of a seal's subject.
pub const SEAL_TYPE: &str = "seal";
/// The type of the subjects whose events without a case speak of others.
pub const STATEMENT_TYPE: &str = "statement";

/// What a seal says of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How many events the stream has.
    pub events: u64,
    /// The latest of them.
    pub head: EventHash,
    /// The statements that speak of it, if any do.
    pub spoken: Option<Box<Spoken>>,
}

/// The statements that speak of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// How many.
    pub statements: u64,
    /// The latest of them.
    pub last: EventHash,
}

impl Value for Record {
    fn hash(&self) -> SealHash {
        let none = [0; 32];
        let (statements, last) =
            self.spoken.as_ref().map_or((0, &none), |spoken| (spoken.statements, spoken.last.as_bytes()));
        let (events, statements) = (self.events.to_be_bytes(), statements.to_be_bytes());
        SealHash::from_bytes(sha256(&[&[5], &events, self.head.as_bytes(), &statements, last]))
    }
}

impl Value for Tree<Record> {
    fn hash(&self) -> SealHash {
        self.root()
    }
}

/// The streams of the entries below a size, and their two-level tree. Clones share what did not change.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    size: TreeSize,
    count: u64,
    cases: Tree<Tree<Record>>,
}

/// What entries add to the streams.
#[derive(Debug, Default)]
pub struct Changes(HashMap<SealKey, HashMap<SealKey, Change>>);

#[derive(Debug, Default, Clone, Copy)]
struct Change {
    events: u64,
    head: Option<EventHash>,
    statements: u64,
    last: Option<EventHash>,
}

/// Returns the key of a case, or of the streams without one.
#[must_use]
pub fn case_key(case: Option<&CaseId>) -> SealKey {
    SealKey::of(case.map_or("", CaseId::as_str))
}

impl Changes {
    fn of(&mut self, stream: &StreamId) -> &mut Change {
        let case = self.0.entry(case_key(stream.case.as_ref())).or_default();
        case.entry(SealKey::of(stream.subject.as_str())).or_default()
    }

    /// Adds events of a stream, of which `head` is the latest.
    pub fn events(&mut self, stream: &StreamId, events: u64, head: EventHash) {
        let change = self.of(stream);
        change.events += events;
        change.head = Some(head);
    }

    /// Adds a statement that speaks of a stream, which has an event before.
    pub fn spoken(&mut self, stream: &StreamId, statement: EventHash) {
        let change = self.of(stream);
        change.statements += 1;
        change.last = Some(statement);
    }
}

impl Change {
    fn onto(&self, before: Option<&Record>) -> Record {
        let head = self.head.or(before.map(|record| record.head));
        let statements = self.statements + before.and_then(|r| r.spoken.as_ref()).map_or(0, |spoken| spoken.statements);
        let last = self.last.or(before.and_then(|record| record.spoken.as_ref()).map(|spoken| spoken.last));
        Record {
            events: self.events + before.map_or(0, |record| record.events),
            head: head.expect("what a statement speaks of is an earlier event of its stream"),
            spoken: last.map(|last| Box::new(Spoken { statements, last })),
        }
    }
}

impl Streams {
    /// Returns how many entries it is over.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Returns how many streams there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the root over all streams.
    #[must_use]
    pub fn root(&self) -> SealHash {
        self.cases.root()
    }

    /// Returns what a seal says of a stream.
    #[must_use]
    pub fn record(&self, stream: &StreamId) -> Option<&Record> {
        self.cases.get(&case_key(stream.case.as_ref()))?.get(&SealKey::of(stream.subject.as_str()))
    }

    /// Adds what the entries up to a size changed.
    pub fn apply(&mut self, changes: Changes, size: TreeSize) {
        let mut added = 0;
        let cases = changes.0.into_iter().map(|(case, streams)| {
            let mut tree = self.cases.get(&case).cloned().unwrap_or_default();
            let before = tree.len();
            tree.update(streams.into_iter().collect(), &|record, change: &Change| change.onto(record));
            added += tree.len() - before;
            (case, tree)
        });
        let cases = cases.collect();
        self.cases.update(cases, &|_, tree: &Tree<Record>| tree.clone());
        self.count += u64::try_from(added).unwrap_or(u64::MAX);
        self.size = size;
    }

    /// Proves all streams of a case, or of those without one; or that there is none.
    #[must_use]
    pub fn prove_case(&self, case: Option<&CaseId>) -> SealedLine {
        let way = self.cases.way(&case_key(case));
        SealedLine { case: case.cloned(), subject: None, within: None, instead: instead(&way), path: way.siblings }
    }

    /// Proves one stream, or that there is none.
    #[must_use]
    pub fn prove_stream(&self, stream: &StreamId) -> SealedLine {
        let whole = self.cases.way(&case_key(stream.case.as_ref()));
        let (within, instead) = match &whole.end {
            End::Here(tree) => {
                let way = tree.way(&SealKey::of(stream.subject.as_str()));
                let instead = instead(&way);
                (Some(way.siblings), instead)
            }
            _ => (None, instead(&whole)),
        };
        let (case, subject) = (stream.case.clone(), Some(stream.subject.clone()));
        SealedLine { case, subject, within, path: whole.siblings, instead }
    }
}

/// Returns what stands where something else was looked for.
fn instead<V: Value>(way: &Way<V>) -> Option<Instead> {
    match &way.end {
        End::Here(_) => None,
        End::Nothing => Some(Instead::Nothing),
        End::Another { key, value } => Some(Instead::Pair { key: *key, value: *value }),
    }
}

/// A line of a bundle that proves, by the seal before it, that all events of a case or stream before the seal are shown,
/// or that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedLine {
    /// The case; none for the streams without one.
    pub case: Option<CaseId>,
    /// The subject, for one stream.
    pub subject: Option<Subject>,
    /// The siblings on the way to the stream in the tree of the case, if the case has a stream.
    pub within: Option<Vec<SealHash>>,
    /// The siblings on the way to the case.
    pub path: Vec<SealHash>,
    /// What stands in the place of what was looked for, if it is not there.
    pub instead: Option<Instead>,
}

/// What stands in a keyed tree where something else was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// An empty tree.
    Nothing,
    /// Another pair.
    Pair {
        /// Its key.
        key: SealKey,
        /// Its value.
        value: SealHash,
    },
}

impl SealedLine {
    /// Writes the line, without its LF.
    #[must_use]
    pub fn line(&self) -> String {
        let array = |hashes: &[SealHash]| {
            let hashes: Vec<String> = hashes.iter().map(|hash| format!("\"{hash}\"")).collect();
            format!("[{}]", hashes.join(","))
        };
        let case = self.case.as_ref().map_or_else(|| "null".to_owned(), |case| format!("\"{case}\""));
        let mut line = format!("{{\"sealed\":{{\"case\":{case}");
        // writing to a string cannot fail
        if let Some(subject) = &self.subject {
            let _ = write!(line, ",\"subject\":\"{subject}\"");
        }
        if let Some(within) = &self.within {
            let _ = write!(line, ",\"within\":{}", array(within));
        }
        let _ = write!(line, ",\"path\":{}", array(&self.path));
        match self.instead {
            None => {}
            Some(Instead::Nothing) => line.push_str(",\"instead\":null"),
            Some(Instead::Pair { key, value }) => {
                let _ = write!(line, ",\"instead\":{{\"key\":\"{key}\",\"value\":\"{value}\"}}");
            }
        }
        line.push_str("}}");
        line
    }
}

#[cfg(test)]
mod tests;
