//! Drafts: events before anybody has signed them (SPEC §3).
//!
//! [`Draft::payload`] writes the members in the order of SPEC §3. What it writes is read back as an [`Event`] before it
//! is used, so that a draft never becomes a payload that the ledger's own reader would refuse.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use countersign_ledger::envelope::{Envelope, EnvelopeError};
use countersign_ledger::event::{Event, EventError, Evidence, Occurred};
use countersign_ledger::hash::{EventHash, FileHash, LedgerId};
use countersign_ledger::id::{Author, CaseId, Kind, Subject};
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::failure::Failure;
use countersign_ledger::submission::Submission;

/// An event that is being written.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The ledger; `None` only for the event that creates one.
    pub ledger: Option<LedgerId>,
    /// Unique for its author.
    pub id: Uuid,
    /// What happened.
    pub kind: Kind,
    /// What it happened to.
    pub subject: Subject,
    /// The case whose roles and terms apply.
    pub case: Option<CaseId>,
    /// The latest event of the stream that the signers have seen.
    pub after: Option<EventHash>,
    /// The party making the statement.
    pub author: Author,
    /// If present, exactly these sign.
    pub signers: Option<Vec<Author>>,
    /// The entry's time must not be later.
    pub until: Option<Time>,
    /// When it happened.
    pub occurred: Occurred,
    /// By kind, as it will be signed: digests stand in it already.
    pub body: Value,
    /// Files that it names.
    pub evidence: Vec<Evidence>,
    /// The event that it corrects.
    pub corrects: Option<EventHash>,
    /// What discloses the digests in the body.
    pub disclosures: Vec<String>,
}

/// Why a draft is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// A member is not of its form.
    #[error(transparent)]
    Event(#[from] EventError),
    /// It is over a limit.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

impl Draft {
    /// Begins a draft that happened now, under a fresh id, with nothing optional in it.
    #[must_use]
    pub fn new(ledger: Option<LedgerId>, kind: Kind, subject: Subject, author: Author, body: Value) -> Self {
        Self {
            ledger,
            id: Uuid::now_v7(),
            kind,
            subject,
            case: None,
            after: None,
            author,
            signers: None,
            until: None,
            occurred: Occurred::At(SystemClock.now()),
            body,
            evidence: Vec::new(),
            corrects: None,
            disclosures: Vec::new(),
        }
    }

    /// Writes the payload and reads it back.
    ///
    /// # Errors
    /// When it is no event or over a limit.
    pub fn event(&self) -> Result<Event, DraftError> {
        Ok(Event::parse(&self.payload())?)
    }

    /// Makes the submission, without signatures.
    ///
    /// # Errors
    /// When the draft is no event or over a limit.
    pub fn submission(&self) -> Result<Submission, DraftError> {
        let payload = self.payload();
        Event::parse(&payload)?;
        Ok(Submission { envelope: Envelope::new(payload, Vec::new())?, disclosures: self.disclosures.clone() })
    }

    /// Writes the payload: compact JSON, members in the order of SPEC §3.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let mut serializer = serde_json::Serializer::new(&mut out);
        // writing strings, numbers and values to memory cannot fail
        let _ = self.write(&mut serializer);
        out
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("countersign", &1)?;
        if let Some(ledger) = &self.ledger {
            map.serialize_entry("ledger", ledger)?;
        }
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("subject", &self.subject)?;
        if let Some(case) = &self.case {
            map.serialize_entry("case", case)?;
        }
        map.serialize_entry("after", &self.after)?;
        map.serialize_entry("author", &self.author)?;
        if let Some(signers) = &self.signers {
            map.serialize_entry("signers", signers)?;
        }
        if let Some(until) = &self.until {
            map.serialize_entry("until", until)?;
        }
        map.serialize_entry("occurred", &occurred_value(&self.occurred))?;
        map.serialize_entry("body", &self.body)?;
        if !self.evidence.is_empty() {
            let files: Vec<Value> = self.evidence.iter().map(evidence_value).collect();
            map.serialize_entry("evidence", &files)?;
        }
        if let Some(corrects) = &self.corrects {
            map.serialize_entry("corrects", corrects)?;
        }
        map.end()
    }
}

fn occurred_value(occurred: &Occurred) -> Value {
    match occurred {
        Occurred::At(at) => json!({ "at": at }),
        Occurred::Between(from, to) => json!({ "from": from, "to": to }),
        Occurred::On(date) => json!({ "date": date }),
        Occurred::Unknown(why) => json!({ "unknown": why }),
    }
}

/// Says a file as an event names it (SPEC §3).
pub(crate) fn evidence_value(file: &Evidence) -> Value {
    json!({ "sha256": file.sha256, "size": file.size, "media_type": file.media_type, "name": file.name })
}

/// Reads when something happened from an argument: `now`, a time, `TIME..TIME`, a date, or `unknown:WHY`.
///
/// # Errors
/// When the text is none of these.
pub fn parse_occurred(text: &str) -> Result<Occurred, String> {
    const FORMS: &str =
        "expected now, a utc time (2026-09-21T14:13:20Z), TIME..TIME, a date (2026-09-21) or unknown:WHY";
    if text == "now" {
        return Ok(Occurred::At(SystemClock.now()));
    }
    if let Some(why) = text.strip_prefix("unknown:") {
        return if why.trim().is_empty() { Err(FORMS.to_owned()) } else { Ok(Occurred::Unknown(why.to_owned())) };
    }
    if let Some((from, to)) = text.split_once("..") {
        let (from, to): (Time, Time) = from.parse().ok().zip(to.parse().ok()).ok_or(FORMS)?;
        return if from <= to { Ok(Occurred::Between(from, to)) } else { Err(format!("{from} is after {to}")) };
    }
    if let Ok(at) = text.parse() {
        return Ok(Occurred::At(at));
    }
    text.parse().map(Occurred::On).map_err(|_| FORMS.to_owned())
}

/// Hashes a file that is to be named as evidence; it stays where it is.
///
/// # Errors
/// When it cannot be read, or its name is none that an event can hold.
pub fn evidence_of(path: &Path) -> Result<Evidence, Failure> {
    let failed = |e: std::io::Error| Failure::file(path, "read", &e);
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| Failure::usage(format_args!("the name of {} is not utf-8", path.display())))?;
    let mut file = File::open(path).map_err(failed)?;
    let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0u64, vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        size += u64::try_from(read).unwrap_or(u64::MAX);
    }
    Ok(Evidence {
        sha256: FileHash::from_bytes(hasher.finalize().into()),
        size,
        media_type: media_type(path).to_owned(),
        name: name.to_owned(),
    })
}

/// Guesses a media type by the file's ending; the hash, not the type, says what the file is.
fn media_type(path: &Path) -> &'static str {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "heic" => "image/heic",
        "tif" | "tiff" => "image/tiff",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "csv" => "text/csv",
        "txt" => "text/plain",
        "json" => "application/json",
        "xml" => "application/xml",
        "zip" => "application/zip",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_draft_reads_back_as_it_was_written() {
        let mut draft = Draft::new(
            Some(LedgerId::from_bytes([1; 32])),
            "transfer.received".parse().unwrap(),
            "consignment/2026-0001".parse().unwrap(),
            "xa-mod".parse().unwrap(),
            json!({ "place": { "text": "Київ" } }),
        );
        draft.case = Some("us-dsca.xa-b-uaa".parse().unwrap());
        draft.after = Some(EventHash::from_bytes([2; 32]));
        draft.signers = Some(vec!["eu-obs".parse().unwrap(), "xa-mod".parse().unwrap()]);
        draft.until = Some("2026-10-01T00:00:00Z".parse().unwrap());
        draft.occurred = parse_occurred("2026-09-21").unwrap();
        draft.evidence = vec![Evidence {
            sha256: FileHash::from_bytes([3; 32]),
            size: 5,
            media_type: "image/jpeg".into(),
            name: "фото.jpg".into(),
        }];
        let event = draft.event().unwrap();
        assert_eq!(event.id, draft.id);
        assert_eq!(event.after, draft.after);
        assert_eq!(event.case, draft.case);
        assert_eq!(event.signers, draft.signers);
        assert_eq!(event.until, draft.until);
        assert_eq!(event.occurred, draft.occurred);
        assert_eq!(event.evidence, draft.evidence);
        assert_eq!(event.body(), &draft.body);
        draft.after = None;
        assert_eq!(draft.event().unwrap().after, None);
        draft.ledger = None;
        assert!(draft.submission().is_err());
    }

    #[test]
    fn occurred_has_five_forms() {
        assert!(matches!(parse_occurred("now"), Ok(Occurred::At(_))));
        assert!(matches!(parse_occurred("2026-09-21T14:13:20Z"), Ok(Occurred::At(_))));
        assert!(matches!(parse_occurred("2026-09-21T14:13:20Z..2026-09-22T00:00:00Z"), Ok(Occurred::Between(..))));
        assert!(matches!(parse_occurred("2026-09-21"), Ok(Occurred::On(_))));
        assert_eq!(parse_occurred("unknown:records lost"), Ok(Occurred::Unknown("records lost".into())));
        for bad in
            ["", "yesterday", "2026-02-30", "unknown:", "2026-09-22T00:00:00Z..2026-09-21T14:13:20Z", "21.9.2026"]
        {
            assert!(parse_occurred(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn evidence_is_named_by_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo.JPG");
        std::fs::write(&path, b"abc").unwrap();
        let evidence = evidence_of(&path).unwrap();
        assert_eq!(evidence.sha256.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            (evidence.size, evidence.media_type.as_str(), evidence.name.as_str()),
            (3, "image/jpeg", "photo.JPG")
        );
    }
}
