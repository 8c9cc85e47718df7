//! Events: what a payload says (SPEC §3).
//!
//! The payload is one strict JSON object with a closed set of members. [`Event`] is its header and its body as signed;
//! [`Body`] is the body by kind. The typed body of an authority kind (SPEC §8) is read with the event, that of another
//! kind once its disclosures are put back.
//!
//! ```json
//! {"countersign":1,"ledger":"…","id":"…","kind":"transfer.received","subject":"consignment/2026-0001","after":"…",
//!  "case":"us-dsca.xa-b-uaa","author":"xa-mod","occurred":{"at":"2026-09-21T14:13:58.000Z"},"body":{"lines":[…]}}
//! ```

pub mod authority_bodies;
pub mod bodies;
pub mod case;
pub mod check;
pub mod codes;
pub mod common;
pub mod custody;
pub mod discrepancy;
pub mod disposal;
pub mod holding;
pub mod incident;
pub mod item;
pub mod lists;
pub mod loss;
pub mod movement;
pub mod place;
mod reader;
pub mod remedy;
pub mod retransfer;
pub mod scalars;
pub mod schema;
pub mod seal;
pub mod service;
pub mod site;
pub mod statement;
pub mod transfer;

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::bodies::{Body, BodyError, KindInfo, kind_info, kinds};
pub use self::schema::{body_schema, concealable, concealable_members, schema};
use crate::envelope::{Envelope, MAX_PAYLOAD};
use crate::hash::{EventHash, FileHash, LedgerId};
use crate::id::{Author, CaseId, Kind, StreamId, Subject};
use crate::json::{self, JsonError, pointer_token};
use crate::rule::CORRECTION;
use crate::time::{Date, Time};

/// The most files that one event may name as evidence (SPEC §12).
pub const MAX_EVIDENCE: usize = 64;

/// Tells why a payload is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Not strict JSON.
    #[error("the payload is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A member is missing, unknown or not of its form.
    #[error("{path}: expected {expected}, found {found}")]
    Form {
        /// The JSON Pointer into the payload.
        path: String,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// `countersign` is 2 or more.
    #[error("needs a newer version: countersign {found}")]
    Newer {
        /// The version that was found.
        found: i64,
    },
}

/// When it happened in the world (SPEC §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occurred {
    /// At an instant.
    At(Time),
    /// Between two instants.
    Between(Time, Time),
    /// On a date, local to the place.
    On(Date),
    /// It is not known, and why.
    Unknown(String),
}

impl Occurred {
    /// Returns the latest instant that it names; a date counts from 00:00Z.
    #[must_use]
    pub fn latest(&self) -> Option<Time> {
        match self {
            Self::At(at) => Some(*at),
            Self::Between(from, to) => Some(*from.max(to)),
            Self::On(date) => Some(date.start_utc()),
            Self::Unknown(_) => None,
        }
    }
}

/// A file kept beside the ledger (SPEC §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Its SHA-256.
    pub sha256: FileHash,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// Its name, for people only: never a path.
    pub name: String,
}

/// An event as its payload says it: who says what happened to which subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The ledger it is for; absent only in `ledger.created`.
    pub ledger: Option<LedgerId>,
    /// Its id, unique for its author.
    pub id: Uuid,
    /// What happened.
    pub kind: Kind,
    /// What it happened to.
    pub subject: Subject,
    /// The case whose roles and terms apply.
    pub case: Option<CaseId>,
    /// The latest event of the stream that the signers had seen; `None` for the event that starts it.
    pub after: Option<EventHash>,
    /// The party making the statement.
    pub author: Author,
    /// If present, exactly these signed.
    pub signers: Option<Vec<Author>>,
    /// The entry's time must not be later.
    pub until: Option<Time>,
    /// When it happened.
    pub occurred: Occurred,
    /// Files that it names.
    pub evidence: Vec<Evidence>,
    /// The event that it corrects.
    pub corrects: Option<EventHash>,
    payload: Value,
}

impl Event {
    /// Reads the event of an envelope.
    ///
    /// # Errors
    /// When the payload is not strict JSON, or a member of the header is not of its form. The body is only known to be
    /// an object: [`Body::parse`] reads it.
    pub fn of_envelope(envelope: &Envelope) -> Result<Self, EventError> {
        Self::parse(envelope.payload())
    }

    /// Reads the event of a payload.
    ///
    /// # Errors
    /// As [`Event::of_envelope`].
    pub fn parse(payload: &[u8]) -> Result<Self, EventError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(EventError::Form {
                path: String::new(),
                expected: format!("a payload of at most {MAX_PAYLOAD} bytes"),
                found: format!("{} bytes", payload.len()),
            });
        }
        let value = json::parse(payload, json::MAX_DEPTH)?;
        let members = value.as_object().ok_or_else(|| form("", "a JSON object", Some(&value)))?;
        check_version(members)?;
        let event = Self {
            ledger: optional(members, "ledger", "a ledger id (64 lower-case hex digits)")?,
            id: read_id(members)?,
            kind: required(members, "kind", "a kind such as transfer.received")?,
            subject: required(members, "subject", "a subject such as consignment/2026-0001")?,
            case: optional(members, "case", "a case id ([a-z0-9][a-z0-9._-]{0,95})")?,
            after: read_after(members)?,
            author: required(members, "author", "a party id, or \"governance\"")?,
            signers: read_signers(members)?,
            until: optional(members, "until", "a UTC time such as 2026-09-21T14:13:20Z")?,
            occurred: read_occurred(members)?,
            evidence: read_evidence(members)?,
            corrects: optional(members, "corrects", "an event hash (64 lower-case hex digits)")?,
            payload: Value::Null,
        };
        event.check_closed(members)?;
        Ok(Self { payload: value, ..event })
    }

    /// Checks what depends on more than one member, and that there is no other.
    fn check_closed(&self, members: &Map<String, Value>) -> Result<(), EventError> {
        const KNOWN: [&str; 14] = [
            "countersign",
            "ledger",
            "id",
            "kind",
            "subject",
            "case",
            "after",
            "author",
            "signers",
            "until",
            "occurred",
            "body",
            "evidence",
            "corrects",
        ];
        if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(form_text(&pointer(name), "only the members of SPEC §3", "an unknown member"));
        }
        if !members.get("body").is_some_and(Value::is_object) {
            return Err(form("/body", "an object", members.get("body")));
        }
        let genesis = self.kind.as_str() == "ledger.created";
        if genesis && self.ledger.is_some() {
            return Err(form_text("/ledger", "no ledger id in ledger.created", "one"));
        }
        if !genesis && self.ledger.is_none() {
            return Err(form_text("/ledger", "a ledger id", "nothing"));
        }
        let correction = self.kind.as_str() == CORRECTION;
        if correction != self.corrects.is_some() {
            let (expected, found) =
                if correction { ("an event hash", "nothing") } else { ("nothing", "an event hash") };
            return Err(form_text("/corrects", expected, found));
        }
        Ok(())
    }

    /// Returns the stream that the event belongs to.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId { case: self.case.clone(), subject: self.subject.clone() }
    }

    /// Returns the payload as signed, for pointers of rules (SPEC §9).
    #[must_use]
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// Returns the body as signed, digests and all.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.payload["body"]
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", pointer_token(name))
}

fn form(path: &str, expected: &str, found: Option<&Value>) -> EventError {
    let found = found.map_or_else(|| "nothing".to_owned(), |value| value.to_string().chars().take(120).collect());
    EventError::Form { path: path.to_owned(), expected: expected.to_owned(), found }
}

fn form_text(path: &str, expected: &str, found: &str) -> EventError {
    EventError::Form { path: path.to_owned(), expected: expected.to_owned(), found: found.to_owned() }
}

fn check_version(members: &Map<String, Value>) -> Result<(), EventError> {
    match members.get("countersign").map(Value::as_i64) {
        Some(Some(1)) => Ok(()),
        Some(Some(found @ 2..)) => Err(EventError::Newer { found }),
        _ => Err(form("/countersign", "1", members.get("countersign"))),
    }
}

fn optional<T: std::str::FromStr>(
    members: &Map<String, Value>,
    name: &str,
    expected: &str,
) -> Result<Option<T>, EventError> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| form(&pointer(name), expected, Some(value)))
}

fn required<T: std::str::FromStr>(members: &Map<String, Value>, name: &str, expected: &str) -> Result<T, EventError> {
    optional(members, name, expected)?.ok_or_else(|| form(&pointer(name), expected, None))
}

/// Reads an event id: a UUID of RFC 9562, lower case, version 7 or 8.
///
/// # Errors
/// When the text is another, with what was expected.
pub fn parse_event_id(text: &str) -> Result<Uuid, &'static str> {
    const EXPECTED: &str = "a lower-case UUID of version 7 or 8 (RFC 9562)";
    let id = Uuid::try_parse(text).map_err(|_| EXPECTED)?;
    let canonical = id.hyphenated().to_string() == text;
    let version = matches!(id.get_version_num(), 7 | 8) && id.get_variant() == uuid::Variant::RFC4122;
    if canonical && version { Ok(id) } else { Err(EXPECTED) }
}

fn read_id(members: &Map<String, Value>) -> Result<Uuid, EventError> {
    let value = members.get("id");
    let text = value.and_then(Value::as_str).unwrap_or_default();
    parse_event_id(text).map_err(|expected| form("/id", expected, value))
}

fn read_after(members: &Map<String, Value>) -> Result<Option<EventHash>, EventError> {
    match members.get("after") {
        Some(Value::Null) => Ok(None),
        _ => required(members, "after", "an event hash (64 lower-case hex digits) or null").map(Some),
    }
}

fn read_signers(members: &Map<String, Value>) -> Result<Option<Vec<Author>>, EventError> {
    const EXPECTED: &str = "a sorted array of distinct party ids (and \"governance\"), not empty";
    let Some(value) = members.get("signers") else { return Ok(None) };
    let error = |path: &str, found| form(path, EXPECTED, Some(found));
    let items = value.as_array().filter(|items| !items.is_empty()).ok_or_else(|| error("/signers", value))?;
    let mut signers: Vec<Author> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let path = format!("/signers/{i}");
        let signer: Author = item.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| error(&path, item))?;
        if signers.last().is_some_and(|last| last.as_str() >= signer.as_str()) {
            return Err(error(&path, item));
        }
        signers.push(signer);
    }
    Ok(Some(signers))
}

fn read_occurred(members: &Map<String, Value>) -> Result<Occurred, EventError> {
    const EXPECTED: &str =
        "{\"at\":T}, {\"from\":T,\"to\":T} with from ≤ to, {\"date\":D} or {\"unknown\":why} with UTC times";
    let value = members.get("occurred");
    let error = || form("/occurred", EXPECTED, value);
    let object = value.and_then(Value::as_object).ok_or_else(error)?;
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let time = |name: &str| text(name).and_then(|text| text.parse::<Time>().ok());
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    let occurred = match names.as_slice() {
        ["at"] => time("at").map(Occurred::At),
        ["from", "to"] => {
            time("from").zip(time("to")).filter(|(from, to)| from <= to).map(|(f, t)| Occurred::Between(f, t))
        }
        ["date"] => text("date").and_then(|text| text.parse().ok()).map(Occurred::On),
        ["unknown"] => text("unknown").map(|why| Occurred::Unknown(why.to_owned())),
        _ => None,
    };
    occurred.ok_or_else(error)
}

fn read_evidence(members: &Map<String, Value>) -> Result<Vec<Evidence>, EventError> {
    let Some(value) = members.get("evidence") else { return Ok(Vec::new()) };
    let items = value.as_array().filter(|items| (1..=MAX_EVIDENCE).contains(&items.len()));
    let items = items.ok_or_else(|| {
        let found = value.as_array().map_or_else(|| value.to_string(), |items| format!("{} items", items.len()));
        form_text("/evidence", &format!("an array of 1 to {MAX_EVIDENCE} files"), &found)
    })?;
    items.iter().enumerate().map(|(i, item)| read_file(item, &format!("/evidence/{i}"))).collect()
}

fn read_file(item: &Value, path: &str) -> Result<Evidence, EventError> {
    let object = item.as_object().ok_or_else(|| form(path, "an object", Some(item)))?;
    if let Some(name) = object.keys().find(|n| !matches!(n.as_str(), "sha256" | "size" | "media_type" | "name")) {
        return Err(form_text(&format!("{path}{}", pointer(name)), "only sha256, size, media_type, name", "another"));
    }
    let member = |name: &str| object.get(name);
    let error = |name: &str, expected: &str| form(&format!("{path}/{name}"), expected, member(name));
    let text = |name: &str| member(name).and_then(Value::as_str);
    let name_expected = "a file name of 1 to 255 bytes without /, \\ or control characters";
    Ok(Evidence {
        sha256: text("sha256")
            .and_then(|hash| hash.parse().ok())
            .ok_or_else(|| error("sha256", "a SHA-256 (64 lower-case hex digits)"))?,
        size: member("size").and_then(Value::as_u64).ok_or_else(|| error("size", "a number of bytes"))?,
        media_type: text("media_type")
            .filter(|text| is_media_type(text))
            .ok_or_else(|| error("media_type", "a media type such as image/jpeg"))?
            .to_owned(),
        name: text("name").filter(|n| is_file_name(n)).ok_or_else(|| error("name", name_expected))?.to_owned(),
    })
}

/// Tells whether a text is `type/subtype` of RFC 6838 §4.2, without parameters.
fn is_media_type(text: &str) -> bool {
    let half = |part: &str| {
        (1..=127).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(ty, subtype)| half(ty) && half(subtype))
}

fn is_file_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(|c| c == '/' || c == '\\' || c.is_control())
}

impl fmt::Display for Occurred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => write!(f, "{at}"),
            Self::Between(from, to) => write!(f, "{from} to {to}"),
            Self::On(date) => write!(f, "{date}"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}
