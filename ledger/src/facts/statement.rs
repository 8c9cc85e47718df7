//! One recorded statement: the header of its event and its body with the disclosures that are held.

use serde_json::Value;

use crate::disclosure::{Disclosure, DisclosureError, Matching, restore};
use crate::entry::Entry;
use crate::event::{Event, EventError, Evidence, Occurred};
use crate::hash::{EventHash, KeyId};
use crate::id::{Author, Kind, Seq, StreamId};
use crate::rule::is_authority_kind;
use crate::time::{Date, Time};

/// Tells why an entry cannot be read as a statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FactError {
    /// Its payload is no event.
    #[error("entry {seq}: {source}")]
    Event {
        /// The entry.
        seq: Seq,
        /// What is wrong.
        source: EventError,
    },
    /// Its disclosures do not fit.
    #[error("entry {seq}: {source}")]
    Disclosure {
        /// The entry.
        seq: Seq,
        /// What is wrong.
        source: DisclosureError,
    },
}

/// A recorded statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its entry.
    pub seq: Seq,
    /// When it was recorded.
    pub time: Time,
    /// Its event hash.
    pub event: EventHash,
    /// Its kind.
    pub kind: Kind,
    /// Its stream.
    pub stream: StreamId,
    /// Who made it.
    pub author: Author,
    /// The event of the stream that it follows.
    pub after: Option<EventHash>,
    /// When it says that it happened.
    pub occurred: Occurred,
    /// The files that it names.
    pub evidence: Vec<Evidence>,
    /// The event that it corrects.
    pub corrects: Option<EventHash>,
    /// The keys that signed it.
    pub keys: Vec<KeyId>,
    /// Who signed it: the parties of those keys, sorted. Set by whoever knows the keys.
    pub signers: Vec<Author>,
    /// Its body, as far as it is disclosed.
    pub body: Value,
    /// The pointers, from the payload's root, of objects and arrays of which something is not disclosed, sorted.
    pub concealing: Vec<String>,
}

impl Statement {
    /// Reads the statement of an entry, with the disclosures of it that are held.
    ///
    /// # Errors
    /// When the payload is no event or a disclosure is not of its form: no verified entry has such.
    pub fn read<S: AsRef<str>>(entry: &Entry, disclosures: &[S]) -> Result<(Self, Event), FactError> {
        let seq = entry.seq;
        let event = Event::of_envelope(&entry.envelope).map_err(|source| FactError::Event { seq, source })?;
        let (body, concealing) = if is_authority_kind(event.kind.as_str()) {
            (event.body().clone(), Vec::new())
        } else {
            let wrong = |source| FactError::Disclosure { seq, source };
            let disclosures = Disclosure::parse_all(disclosures).map_err(wrong)?;
            let restored = restore(event.body(), &disclosures, Matching::Partial).map_err(wrong)?;
            let mut concealing = restored.concealing;
            concealing.sort_unstable();
            (restored.body, concealing)
        };
        let statement = Self {
            seq,
            time: entry.time,
            event: entry.envelope.event_hash(),
            kind: event.kind.clone(),
            stream: event.stream(),
            author: event.author.clone(),
            after: event.after,
            occurred: event.occurred.clone(),
            evidence: event.evidence.clone(),
            corrects: event.corrects,
            keys: entry.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect(),
            signers: Vec::new(),
            body,
            concealing,
        };
        Ok((statement, event))
    }

    /// Tells whether something directly in the object or array at `pointer` (from the payload's root) is not disclosed.
    #[must_use]
    pub fn conceals(&self, pointer: &str) -> bool {
        self.concealing.binary_search_by(|at| at.as_str().cmp(pointer)).is_ok()
    }

    /// Tells whether something in the object or array at `pointer`, or below it, is not disclosed.
    #[must_use]
    pub fn conceals_below(&self, pointer: &str) -> bool {
        let from = self.concealing.partition_point(|at| at.as_str() < pointer);
        let below = self.concealing[from..].iter().map_while(|at| at.strip_prefix(pointer));
        below.into_iter().any(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Tells whether it says from which record it was taken: by an outside number, or a `source`. Such a statement may be
    /// made long after what it states, and its date is when that was so. A file of evidence is no such record: any
    /// statement may have one.
    #[must_use]
    pub fn names_source(&self) -> bool {
        !self.array("references").is_empty() || self.text("source").is_some()
    }

    /// Returns the date on which it was made: when it was recorded; for a record that was imported, when that was made.
    #[must_use]
    pub fn made(&self) -> Date {
        if self.names_source() { self.by().min(self.recorded()) } else { self.recorded() }
    }

    /// Returns the first and the last date on which it may have happened; `None` where that is not known. An instant
    /// counts on its date in UTC.
    #[must_use]
    pub fn happened(&self) -> Option<(Date, Date)> {
        match &self.occurred {
            Occurred::At(at) => Some((at.utc_date(), at.utc_date())),
            Occurred::Between(from, to) => Some((from.utc_date(), to.utc_date())),
            Occurred::On(date) => Some((*date, *date)),
            Occurred::Unknown(_) => None,
        }
    }

    /// Returns the date by which it had happened: the end of its interval, or when it was recorded.
    #[must_use]
    pub fn by(&self) -> Date {
        self.happened().map_or_else(|| self.recorded(), |(_, last)| last)
    }

    /// Returns the date on which it was recorded, in UTC.
    #[must_use]
    pub fn recorded(&self) -> Date {
        self.time.utc_date()
    }

    /// Tells whether a party, or the governance quorum, signed it.
    #[must_use]
    pub fn signed_by(&self, who: &Author) -> bool {
        self.signers.contains(who)
    }

    /// Returns a text of the body.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.body.get(member).and_then(Value::as_str)
    }

    /// Returns a member of the body in its own form; `None` where it is absent, concealed or of another.
    #[must_use]
    pub fn get<T: std::str::FromStr>(&self, member: &str) -> Option<T> {
        parse(&self.body, member)
    }

    /// Returns an array of the body; empty where there is none.
    #[must_use]
    pub fn array(&self, member: &str) -> &[Value] {
        array(&self.body, member)
    }
}

/// Returns a member of an object in its own form.
#[must_use]
pub fn parse<T: std::str::FromStr>(object: &Value, member: &str) -> Option<T> {
    object.get(member).and_then(Value::as_str).and_then(|text| text.parse().ok())
}

/// Returns an array that is a member of an object; empty where there is none.
#[must_use]
pub fn array<'a>(object: &'a Value, member: &str) -> &'a [Value] {
    object.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
