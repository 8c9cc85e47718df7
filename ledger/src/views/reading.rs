//! One entry as views take it: what can be read out of its bytes alone, on any thread.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entry::Entry;
use crate::event::{Body, Event};
use crate::facts::statement::array;
use crate::facts::{FactError, Statement};
use crate::hash::{EventHash, KeyId, LeafHash};
use crate::id::{Author, CaseId, Kind, PartyId, Seq, StreamId, Subject};
use crate::rule::is_authority_kind;
use crate::time::Time;

/// What an entry is, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// What happened.
    pub kind: Kind,
    /// Its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// Its subject.
    pub subject: Subject,
    /// Who says so.
    pub author: Author,
    /// When it was recorded.
    pub time: Time,
    /// When it says that it happened (SPEC §3).
    pub occurred: Value,
    /// Its event hash.
    pub event: EventHash,
    /// The event of the stream that its signers had seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EventHash>,
    /// Who signed it.
    pub signers: Vec<Author>,
    /// The cases that it bears on, its own first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<CaseId>,
}

impl Header {
    /// Returns its stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId { case: self.case.clone(), subject: self.subject.clone() }
    }
}

/// A number of somebody outside the ledger that an entry refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutsideNumber {
    /// Whose number it is.
    pub scheme: String,
    /// The number.
    pub value: String,
}

/// An entry, read.
#[derive(Debug)]
pub struct Reading {
    /// Its leaf hash.
    pub leaf: LeafHash,
    /// Its statement. The signers are not known yet.
    pub statement: Statement,
    /// When it says that it happened, as it says it.
    pub occurred: Value,
    /// The keys that it brings into the ledger, with whom they sign for.
    pub keys: Vec<(KeyId, Author)>,
    /// The party that was succeeded, and its successor.
    pub succession: Option<(PartyId, PartyId)>,
}

/// Why stored bytes are no statement: the ledger admits none such.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadingError {
    /// The line is no entry.
    #[error("entry {seq}: {source}")]
    Entry {
        /// Which.
        seq: Seq,
        /// What is wrong.
        source: crate::entry::EntryError,
    },
    /// The line is another entry.
    #[error("entry {expected}: it says that it is entry {found}")]
    Misplaced {
        /// Which it should be.
        expected: Seq,
        /// Which it says it is.
        found: Seq,
    },
    /// Its payload or its disclosures are not of their form.
    #[error(transparent)]
    Fact(#[from] FactError),
}

impl Reading {
    /// Reads an entry's line, with the disclosures of it that are held.
    ///
    /// # Errors
    /// When the line is not that entry, or says nothing.
    pub fn of(seq: Seq, line: &[u8], disclosures: &[String]) -> Result<Self, ReadingError> {
        let entry = Entry::parse(line).map_err(|source| ReadingError::Entry { seq, source })?;
        if entry.seq != seq {
            return Err(ReadingError::Misplaced { expected: seq, found: entry.seq });
        }
        let (statement, event) = Statement::read(&entry, disclosures)?;
        let occurred = event.payload().get("occurred").cloned().unwrap_or(Value::Null);
        let (keys, succession) = authority_facts(&event);
        Ok(Self { leaf: LeafHash::of_line(line), statement, occurred, keys, succession })
    }
}

type AuthorityFacts = (Vec<(KeyId, Author)>, Option<(PartyId, PartyId)>);

/// Reads what an authority event says of keys and successors.
fn authority_facts(event: &Event) -> AuthorityFacts {
    if !is_authority_kind(event.kind.as_str()) {
        return (Vec::new(), None);
    }
    let quorum = |keys: &[crate::keys::PublicKey]| keys.iter().map(|key| (key.id(), Author::Governance)).collect();
    match Body::parse(&event.kind, event.body()) {
        Ok(Body::LedgerCreated(body)) => (quorum(&body.governance.keys), None),
        Ok(Body::GovernanceChanged(body)) => (quorum(&body.governance.keys), None),
        Ok(Body::PartyEnrolled(body)) => {
            let own = |grant: &crate::event::authority_bodies::KeyGrant| {
                (grant.public_key.id(), Author::Party(body.party.clone()))
            };
            (body.keys.iter().map(own).collect(), None)
        }
        Ok(Body::KeyAdded(body)) => (vec![(body.key.public_key.id(), Author::Party(body.party.clone()))], None),
        Ok(Body::PartySucceeded(body)) => (Vec::new(), Some((body.party.clone(), body.successor.clone()))),
        _ => (Vec::new(), None),
    }
}

/// A line of another statement: case, subject, line.
pub type LineOf = (CaseId, Subject, String);

/// Returns the lines that a statement describes.
#[must_use]
pub fn lines_described(statement: &Statement) -> Vec<LineOf> {
    let describes = matches!(
        statement.kind.as_str(),
        "transfer.authorized" | "transfer.dispatched" | "transfer.received" | "holding.declared"
    );
    let Some(case) = statement.stream.case.as_ref().filter(|_| describes) else { return Vec::new() };
    let lines = ["lines", "unexpected"].into_iter().flat_map(|member| statement.array(member));
    let numbers = lines.filter_map(|line| line.get("line").and_then(Value::as_str));
    numbers.map(|number| (case.clone(), statement.stream.subject.clone(), number.to_owned())).collect()
}

/// Returns the outside numbers of a statement: its `references`, those of the body that it puts in another's place, and
/// the numbers of documents and certificates, as schemes `document_number` and `certificate`.
#[must_use]
pub fn outside_numbers(statement: &Statement) -> Vec<OutsideNumber> {
    let mut found = Vec::new();
    let replacement = statement.body.get("replacement");
    for body in std::iter::once(&statement.body).chain(replacement) {
        let text = |object: &Value, member: &str| object.get(member).and_then(Value::as_str).map(str::to_owned);
        for reference in array(body, "references") {
            if let (Some(scheme), Some(value)) = (text(reference, "scheme"), text(reference, "value")) {
                found.push(OutsideNumber { scheme, value });
            }
        }
        let certificate = match body.get("certificate") {
            Some(Value::String(number)) => Some(number.clone()),
            Some(object) => text(object, "number"),
            None => None,
        };
        let own = [("document_number", text(body, "document_number")), ("certificate", certificate)];
        found.extend(
            own.into_iter()
                .filter_map(|(scheme, value)| value.map(|value| OutsideNumber { scheme: scheme.to_owned(), value })),
        );
    }
    found.sort_unstable();
    found.dedup();
    found
}
