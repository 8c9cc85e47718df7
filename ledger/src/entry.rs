//! Entries: one line of canonical JSON each (SPEC §5).
//!
//! ```json
//! {"seq":N,"time":"T","prev":"H","governance":G,"case":C,"stream":S,"envelope":{…}}
//! ```
//!
//! The bytes of this line are what is hashed, served and exported. [`Entry::parse`] accepts a line only if writing it
//! again gives the same bytes, so that no second spelling of an entry exists.

use serde_json::Value;

use crate::envelope::{Envelope, EnvelopeError};
use crate::hash::LeafHash;
use crate::id::Seq;
use crate::json::{self, JsonError};
use crate::time::Time;

/// The most bytes of an entry's line (SPEC §5, §12): what a C2SP entry bundle can hold.
pub const MAX_ENTRY: usize = 65_535;

/// Tells why a line is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Over the limit.
    #[error("limit entry {MAX_ENTRY}: found {found} bytes")]
    TooLong {
        /// The line's bytes.
        found: usize,
    },
    /// Not strict JSON.
    #[error("the entry is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A member is missing or not of its form.
    #[error("/{member}: expected {expected}, found {found}")]
    Form {
        /// The member's name.
        member: &'static str,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The envelope is not well-formed.
    #[error("/envelope: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The line says the same as the canonical one, in other bytes.
    #[error("expected the canonical form of SPEC §5, found a difference at byte {at}")]
    NotCanonical {
        /// The first byte that differs.
        at: usize,
    },
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence number, which is its leaf index.
    pub seq: Seq,
    /// When it was admitted.
    pub time: Time,
    /// The leaf hash of the entry before it.
    pub prev: LeafHash,
    /// The latest earlier entry about the ledger or a party.
    pub governance: Option<Seq>,
    /// The latest earlier entry about the event's case.
    pub case: Option<Seq>,
    /// The latest earlier entry of the same stream.
    pub stream: Option<Seq>,
    /// What the parties signed.
    pub envelope: Envelope,
}

impl Entry {
    /// Writes the line: the entry's bytes, without a newline.
    #[must_use]
    pub fn line(&self) -> String {
        let pointer = |seq: Option<Seq>| seq.map_or_else(|| "null".to_owned(), |seq| seq.to_string());
        format!(
            "{{\"seq\":{},\"time\":\"{}\",\"prev\":\"{}\",\"governance\":{},\"case\":{},\"stream\":{},\"envelope\":{}}}",
            self.seq,
            self.time,
            self.prev,
            pointer(self.governance),
            pointer(self.case),
            pointer(self.stream),
            self.envelope.canonical()
        )
    }

    /// Reads a line.
    ///
    /// # Errors
    /// When it is not the canonical line of an entry.
    pub fn parse(line: &[u8]) -> Result<Self, EntryError> {
        if line.len() > MAX_ENTRY {
            return Err(EntryError::TooLong { found: line.len() });
        }
        let value = json::parse(line, json::MAX_DEPTH)?;
        let entry = Self {
            seq: Seq(number(&value, "seq")?),
            time: text(&value, "time", "a UTC time with three fraction digits")?,
            prev: text(&value, "prev", "a leaf hash (64 lower-case hex digits)")?,
            governance: pointer(&value, "governance")?,
            case: pointer(&value, "case")?,
            stream: pointer(&value, "stream")?,
            envelope: Envelope::from_value(value.get("envelope").unwrap_or(&Value::Null))?,
        };
        let canonical = entry.line();
        if canonical.as_bytes() == line {
            return Ok(entry);
        }
        let same = canonical.bytes().zip(line).take_while(|(a, b)| a == *b).count();
        Err(EntryError::NotCanonical { at: same })
    }
}

fn form(value: &Value, member: &'static str, expected: &'static str) -> EntryError {
    let found = value.get(member).map_or_else(|| "nothing".to_owned(), |v| v.to_string().chars().take(120).collect());
    EntryError::Form { member, expected, found }
}

fn number(value: &Value, member: &'static str) -> Result<u64, EntryError> {
    let number = value.get(member).and_then(Value::as_u64);
    number.ok_or_else(|| form(value, member, "an integer, 0 or more"))
}

fn pointer(value: &Value, member: &'static str) -> Result<Option<Seq>, EntryError> {
    match value.get(member) {
        Some(Value::Null) => Ok(None),
        Some(Value::Number(n)) if n.is_u64() => Ok(n.as_u64().map(Seq)),
        _ => Err(form(value, member, "the seq of an earlier entry, or null")),
    }
}

fn text<T: std::str::FromStr>(value: &Value, member: &'static str, expected: &'static str) -> Result<T, EntryError> {
    let parsed = value.get(member).and_then(Value::as_str).and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| form(value, member, expected))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::SigningKey;

    fn sample() -> Entry {
        let key = SigningKey::from_seed(&[1; 32]);
        Entry {
            seq: Seq(7),
            time: "2026-09-21T14:14:37.000Z".parse().unwrap(),
            prev: LeafHash::ZERO,
            governance: Some(Seq(3)),
            case: None,
            stream: Some(Seq(5)),
            envelope: Envelope::sign(b"{}".to_vec(), &[&key]).unwrap(),
        }
    }

    #[test]
    fn lines_read_back_to_the_byte() {
        let entry = sample();
        assert_eq!(Entry::parse(entry.line().as_bytes()).unwrap(), entry);
    }

    #[test]
    fn another_spelling_is_refused() {
        let line = sample().line();
        for other in [
            line.replace(".000Z", "Z"),
            line.replace("\"seq\":7,", "\"seq\": 7,"),
            line.replace("\"case\":null,\"stream\":5", "\"stream\":5,\"case\":null"),
            line.replace("\"case\"", "\"\\u0063ase\""),
            line.replace("\"seq\":7,", "\"seq\":7,\"x\":1,"),
            format!("{}}}", line.trim_end_matches('}')),
        ] {
            assert!(Entry::parse(other.as_bytes()).is_err(), "{other}");
        }
        assert!(matches!(Entry::parse(&vec![b' '; MAX_ENTRY + 1]), Err(EntryError::TooLong { .. })));
    }
}
