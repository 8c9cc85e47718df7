//! Events (SPEC §3): the payload that parties sign, read into what the checks need.

use crate::act::Act;
use crate::fields::{Fields, Malformed, distinct_texts, shown};
use crate::hash::{EventHash, Hash};
use crate::json::{MAX_DEPTH, MAX_INTEGER, Value, parse};
use crate::policy::CORRECTED;
use crate::scalar::{is_author, is_event_uuid, is_id, is_kind, is_word};
use crate::seal::{SEALED, SealBody};
use crate::time::{DAY, Instant};

/// The payload type of version 1.
pub const PAYLOAD_TYPE: &str = "application/vnd.countersign.event.v1+json";
/// The largest payload, in bytes (SPEC §12).
pub const MAX_PAYLOAD: usize = 45_000;
/// The most evidence items (SPEC §12).
const MAX_EVIDENCE: usize = 64;

/// Whether a payload type is that of a version after 1.
pub fn is_newer_payload_type(text: &str) -> bool {
    text.strip_prefix("application/vnd.countersign.event.v")
        .and_then(|rest| rest.strip_suffix("+json"))
        .and_then(crate::scalar::decimal)
        .is_some_and(|version| version >= 2)
}

/// A subject: `type/id`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    text: String,
    slash: usize,
}

impl Subject {
    /// Reads `type/id`.
    pub fn parse(text: &str) -> Option<Subject> {
        let (kind, id) = text.split_once('/')?;
        (is_word(kind) && is_id(id)).then(|| Subject { text: text.to_owned(), slash: kind.len() })
    }

    /// The type.
    pub fn kind(&self) -> &str {
        &self.text[..self.slash]
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// Both, as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// When it happened, as far as the checks ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occurred {
    /// At one moment, or on a date (from its first moment).
    At(Instant),
    /// Between two moments.
    Between(Instant, Instant),
    /// Not known.
    Unknown,
}

/// A file that the event names, by hash and size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Evidence {
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Its length.
    pub size: u64,
}

/// A well-formed event.
#[derive(Debug)]
pub struct Event {
    /// The ledger that it names; absent only in `ledger.created`.
    pub ledger: Option<Hash>,
    /// Its id, unique for its author.
    pub id: String,
    /// What happened.
    pub kind: String,
    /// What it happened to.
    pub subject: Subject,
    /// The case whose roles apply.
    pub case: Option<String>,
    /// The event that its signers had seen last.
    pub after: Option<EventHash>,
    /// The party that makes the statement.
    pub author: String,
    /// Exactly who signed, if it says.
    pub signers: Option<Vec<String>>,
    /// The latest entry time.
    pub until: Option<Instant>,
    /// When it happened.
    pub occurred: Occurred,
    /// Files kept beside the ledger.
    pub evidence: Vec<Evidence>,
    /// The event that it corrects.
    pub corrects: Option<EventHash>,
    /// The hash in `about` of a statement outside a case (SPEC §15).
    pub about: Option<EventHash>,
    /// What it seals, if it is a seal; its form is a matter of SEAL (SPEC §15).
    pub seal: Option<Box<Result<SealBody, Malformed>>>,
    /// What it changes, if it is of an authority kind.
    pub act: Option<Box<Act>>,
}

/// Why a payload is no event of this version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventError {
    /// A later version of the format made it.
    Newer(String),
    /// It is not of the stated form.
    Malformed(Malformed),
}

impl From<Malformed> for EventError {
    fn from(fault: Malformed) -> EventError {
        EventError::Malformed(fault)
    }
}

/// Reads the JSON of a payload.
///
/// # Errors
/// If it is not one strict JSON object within the limits.
pub fn payload_json(payload: &[u8]) -> Result<Value<'_>, Malformed> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Malformed::new(
            "payload",
            format!("at most {MAX_PAYLOAD} bytes"),
            format!("{} bytes", payload.len()),
        ));
    }
    let value = parse(payload, MAX_DEPTH).map_err(|e| {
        let rest = payload.get(e.offset..).unwrap_or_default();
        Malformed::new(
            format!("payload byte {}", e.offset),
            e.expected,
            crate::escape::quoted_bytes(&rest[..rest.len().min(24)]),
        )
    })?;
    match value {
        Value::Object(_) => Ok(value),
        other => Err(Malformed::new("payload", "an object", shown(&other))),
    }
}

impl Event {
    /// Reads an event from the JSON of its payload.
    ///
    /// # Errors
    /// Names the first member that is not as SPEC §3 says, or the newer version that it states.
    pub fn read(payload: &Value<'_>) -> Result<Event, EventError> {
        let mut fields = Fields::of("", payload)?;
        let f = &mut fields;
        match f.required("countersign")? {
            Value::Int(1) => {}
            Value::Int(n) if *n >= 2 => return Err(EventError::Newer(format!("version {n}"))),
            other => return Err(f.fault("countersign", "1", other).into()),
        }
        let kind = f.text("kind", "a kind", is_kind)?.to_owned();
        let ledger = if kind == "ledger.created" { None } else { Some(f.hash("ledger")?) };
        let id = f.text("id", "a lower-case UUID of version 7 or 8", is_event_uuid)?;
        let id = id.to_owned();
        let subject = f.required("subject")?;
        let subject =
            subject.as_str().and_then(Subject::parse).ok_or_else(|| f.fault("subject", "type/id", subject))?;
        let case = f.optional_text("case", "an id", is_id)?.map(str::to_owned);
        let after = match f.required("after")? {
            Value::Null => None,
            _ => Some(EventHash(f.hash("after")?)),
        };
        let author = f.text("author", "a party id or governance", is_author)?;
        let author = author.to_owned();
        let signers = match f.optional("signers") {
            None => None,
            Some(value) => Some(signers(value)?),
        };
        let until = match f.optional("until") {
            None => None,
            Some(_) => Some(f.time("until")?),
        };
        let occurred = occurred(f.required("occurred")?)?;
        let body = f.required("body")?;
        let act = Act::read(&kind, body)?.map(Box::new);
        let evidence = match f.optional("evidence") {
            None => Vec::new(),
            Some(value) => evidence(value)?,
        };
        let corrects = if kind == CORRECTED { Some(EventHash(f.hash("corrects")?)) } else { None };
        fields.finish()?;
        let about = if case.is_none() && subject.kind() == "statement" { about(body) } else { None };
        let seal = (kind == SEALED).then(|| Box::new(SealBody::read(body)));
        Ok(Event {
            ledger,
            id,
            kind,
            subject,
            case,
            after,
            author,
            signers,
            until,
            occurred,
            evidence,
            corrects,
            about,
            seal,
            act,
        })
    }
}

fn about(body: &Value<'_>) -> Option<EventHash> {
    let text = body.member("about")?.as_str()?;
    Hash::from_hex(text.as_bytes()).map(EventHash)
}

fn signers(value: &Value<'_>) -> Result<Vec<String>, Malformed> {
    let ids = distinct_texts("/signers", value, "a party id or governance", is_author)?;
    if ids.is_empty() {
        return Err(Malformed::new("/signers", "at least one id, or no such member", "none"));
    }
    match ids.windows(2).position(|pair| pair[0] > pair[1]) {
        None => Ok(ids),
        Some(at) => Err(Malformed::new(
            format!("/signers/{}", at + 1),
            "ids in ascending order",
            crate::escape::quoted(&ids[at + 1]),
        )),
    }
}

fn occurred(value: &Value<'_>) -> Result<Occurred, Malformed> {
    let mut fields = Fields::of("/occurred", value)?;
    let form = if value.member("at").is_some() {
        Occurred::At(fields.time("at")?)
    } else if value.member("from").is_some() {
        Occurred::Between(fields.time("from")?, fields.time("to")?)
    } else if let Some(date) = fields.optional("date") {
        let start = date
            .as_str()
            .and_then(Instant::parse_date)
            .ok_or_else(|| fields.fault("date", "a date YYYY-MM-DD", date))?;
        Occurred::At(start)
    } else {
        fields.text("unknown", "one of at, from and to, date, unknown", |_| true)?;
        Occurred::Unknown
    };
    fields.finish()?;
    Ok(form)
}

impl Occurred {
    /// The latest moment that it states.
    pub fn latest(&self) -> Option<Instant> {
        match self {
            Occurred::At(at) | Occurred::Between(_, at) => Some(*at),
            Occurred::Unknown => None,
        }
    }

    /// The latest moment that an entry of a given time may state: 48 hours on (SPEC §3).
    pub fn limit(entry_time: Instant) -> Instant {
        entry_time.plus(2 * DAY)
    }
}

/// Whether a text is `type/subtype`, two names of RFC 6838 §4.2.
fn is_media_type(text: &str) -> bool {
    let mut names = text.split('/');
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 127
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9') || b"!#$&-^_.+".contains(&b))
    };
    names.by_ref().take(2).filter(|name| is_name(name)).count() == 2 && names.next().is_none()
}

fn evidence(value: &Value<'_>) -> Result<Vec<Evidence>, Malformed> {
    let Value::Array(items) = value else {
        return Err(Malformed::new("/evidence", "an array", shown(value)));
    };
    if !(1..=MAX_EVIDENCE).contains(&items.len()) {
        return Err(Malformed::new(
            "/evidence",
            format!("1 to {MAX_EVIDENCE} evidence items"),
            items.len().to_string(),
        ));
    }
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let mut fields = Fields::of(format!("/evidence/{at}"), item)?;
            let sha256 = fields.hash("sha256")?;
            let size = fields.integer("size", 0, MAX_INTEGER)?;
            fields.text("media_type", "a media type type/subtype", is_media_type)?;
            fields.text("name", "a name of 1 to 255 bytes without /, \\ and control characters", |name| {
                (1..=255).contains(&name.len()) && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
            })?;
            fields.finish()?;
            Ok(Evidence { sha256, size: size.unsigned_abs() })
        })
        .collect()
}
