//! Whether an event may be the next entry: stream, time, correction and limits, beside the authority (SPEC §3, §5, §9).
//!
//! Pure but for look-ups of what is recorded already, which come through [`Recorded`].

use uuid::Uuid;

use crate::authority::judge::{Corrected, Signers};
use crate::authority::{Authority, Position};
use crate::entry::{Entry, MAX_ENTRY};
use crate::event::Event;
use crate::fault::{self, Fault};
use crate::hash::{EventHash, KeyId, LeafHash};
use crate::id::{Author, Seq, StreamId};
use crate::refusal::{Refusal, RefusalCode};
use crate::rule::{CORRECTION, is_authority_kind};
use crate::seal::SEAL_KIND;
use crate::store::{StoreError, StreamHead};
use crate::submission::Prepared;
use crate::time::Time;

/// How far `occurred` may lie ahead of the entry's time (SPEC §3): 48 hours.
pub const MAX_AHEAD_MS: i64 = 48 * 3_600_000;

/// Look-ups of what is recorded: the store, and what the present batch adds to it.
pub trait Recorded {
    /// Returns the entry of an author's event id, and its event hash.
    ///
    /// # Errors
    /// When the store fails; so for every method here.
    fn by_id(&self, author: &Author, id: &Uuid) -> Result<Option<StreamHead>, StoreError>;

    /// Returns the head of a stream.
    ///
    /// # Errors
    /// As [`Recorded::by_id`].
    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError>;

    /// Returns the entry of an event.
    ///
    /// # Errors
    /// As [`Recorded::by_id`].
    fn entry_of(&self, event: &EventHash) -> Result<Option<Entry>, StoreError>;
}

/// Where the next entry goes.
#[derive(Debug, Clone, Copy)]
pub struct Next {
    /// Its sequence number and time.
    pub at: Position,
    /// The leaf hash of the entry before it.
    pub prev: LeafHash,
}

/// What admission says of an event.
#[derive(Debug)]
pub enum Admission {
    /// It may be recorded, as this entry.
    New(Box<Admitted>),
    /// It is recorded already, as this entry.
    Repeated(Seq),
}

/// An event that may be recorded, and the entry that it becomes.
#[derive(Debug)]
pub struct Admitted {
    /// The entry.
    pub entry: Entry,
    /// Its line.
    pub line: String,
    /// Who signed it.
    pub signers: Signers,
}

/// Why an event was not admitted: refused, or the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// The submitter's to mend.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The operator's to mend.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for AdmissionError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Decides whether `prepared` may be the next entry.
///
/// # Errors
/// A refusal, or a failure of the store.
pub fn admit<R: Recorded>(
    prepared: &Prepared,
    authority: &Authority,
    recorded: &R,
    next: Next,
    check_head: bool,
) -> Result<Admission, AdmissionError> {
    let event = prepared.event();
    let hash = prepared.event_hash();
    if let Some(existing) = recorded.by_id(&event.author, &event.id)?.filter(|_| !fault::is(Fault::TakesUsedIds)) {
        if existing.event == hash {
            return Ok(Admission::Repeated(existing.seq));
        }
        return Err(id_conflict(event, existing).into());
    }
    if prepared.envelope().signatures().is_empty() {
        return Err(Refusal::new(RefusalCode::Unsigned, "1 to 16 signatures", "none").at("/signatures").into());
    }
    check_times(event, next.at.time)?;
    let stream = event.stream();
    let head = recorded.stream_head(&stream)?;
    let corrected = corrected_event(event, &stream, authority, recorded)?;
    if let Some((kind, _)) = &corrected {
        prepared.check_replacement(kind)?;
    }
    let corrected = corrected.map(|(_, corrected)| corrected);
    let keyids: Vec<KeyId> = prepared.keyids();
    let signers = authority.judge(next.at, event, prepared.authority_body(), &keyids, corrected.as_ref())?;
    check_stream(event, head, check_head, recorded)?;
    let case = event.case.as_ref().and_then(|case| authority.case(case.as_str())).map(|case| case.latest);
    let entry = Entry {
        seq: next.at.seq,
        time: next.at.time,
        prev: next.prev,
        governance: authority.latest_governance().filter(|_| !fault::is(Fault::ForgetsGovernance)),
        case: case.filter(|_| !fault::is(Fault::ForgetsCase)),
        stream: head.map(|head| head.seq).filter(|_| !fault::is(Fault::ForgetsStream)),
        envelope: prepared.envelope().clone(),
    };
    let line = entry.line();
    if line.len() > MAX_ENTRY {
        let expected = format!("limit entry {MAX_ENTRY}");
        return Err(Refusal::new(RefusalCode::LimitExceeded, expected, line.len().to_string()).into());
    }
    Ok(Admission::New(Box::new(Admitted { entry, line, signers })))
}

/// Checks all of an event that does not depend on who signs it: whether [`admit`] would let it through with the
/// signatures of everybody whom it concerns.
///
/// # Errors
/// A refusal, or a failure of the store.
pub fn check_unsigned<R: Recorded>(
    prepared: &Prepared,
    authority: &Authority,
    recorded: &R,
    at: Position,
) -> Result<Option<Corrected>, AdmissionError> {
    let event = prepared.event();
    check_times(event, at.time)?;
    let stream = event.stream();
    let corrected = corrected_event(event, &stream, authority, recorded)?;
    if let Some((kind, _)) = &corrected {
        prepared.check_replacement(kind)?;
    }
    authority.check_unsigned(at, event, prepared.authority_body())?;
    check_stream(event, recorded.stream_head(&stream)?, false, recorded)?;
    Ok(corrected.map(|(_, corrected)| corrected))
}

/// Looks up an author's event id: the entry that has it with this very payload.
///
/// # Errors
/// When another payload has it, or the store fails.
pub fn recorded_as<R: Recorded>(prepared: &Prepared, recorded: &R) -> Result<Option<Seq>, AdmissionError> {
    let event = prepared.event();
    match recorded.by_id(&event.author, &event.id)? {
        None => Ok(None),
        Some(existing) if existing.event == prepared.event_hash() => Ok(Some(existing.seq)),
        Some(existing) => Err(id_conflict(event, existing).into()),
    }
}

fn id_conflict(event: &Event, existing: StreamHead) -> Refusal {
    let mut refusal = Refusal::new(
        RefusalCode::IdConflict,
        format!("an id that {} has not used for another payload", event.author),
        format!("{}, which is entry {}, event {}", event.id, existing.seq, existing.event),
    )
    .at("/id")
    .hint(format!(
        "to change what was said: `countersign event new --kind {CORRECTION} --corrects {}`",
        existing.event
    ));
    refusal.existing = Some(existing.seq);
    refusal
}

fn check_times(event: &Event, now: Time) -> Result<(), Refusal> {
    if let Some(until) = event.until.filter(|until| now > *until && !fault::is(Fault::TakesAnyTime)) {
        return Err(Refusal::new(RefusalCode::Expired, format!("admission until {until}"), now.to_string())
            .at("/until")
            .hint("draft it anew with a later `until`, and have it signed again"));
    }
    let latest = now.plus_millis(MAX_AHEAD_MS);
    match event.occurred.latest() {
        Some(occurred) if occurred > latest && !fault::is(Fault::TakesAnyTime) => Err(Refusal::new(
            RefusalCode::OccurredInFuture,
            format!("{latest} at the latest (48 h after admission)"),
            occurred.to_string(),
        )
        .at("/occurred")),
        _ => Ok(()),
    }
}

/// Checks `after` against the stream, and who may start one (SPEC §3, §8).
fn check_stream<R: Recorded>(
    event: &Event,
    head: Option<StreamHead>,
    check_head: bool,
    recorded: &R,
) -> Result<(), AdmissionError> {
    let stale = |head: Option<StreamHead>, expected: String, found: String| {
        let mut refusal = Refusal::new(RefusalCode::StaleAfter, expected, found).at("/after");
        refusal.head = head.map(|head| head.event);
        refusal.hint("look at what was recorded meanwhile, then draft it again: `countersign event new`")
    };
    let shown = |after: Option<EventHash>| after.map_or_else(|| "null".to_owned(), |hash| hash.to_string());
    match (event.after, head) {
        (None, None) => check_start(event).map_err(Into::into),
        (None, Some(head)) => {
            let expected =
                format!("the hash of an earlier event of {}, of which {} is the head", event.stream(), head.event);
            Err(stale(Some(head), expected, "null, as if it started the stream".to_owned()).into())
        }
        (Some(after), None) => {
            let expected = format!("null, as nothing of {} is recorded", event.stream());
            Err(Refusal::new(RefusalCode::UnknownAfter, expected, after.to_string()).at("/after").into())
        }
        (Some(after), Some(head)) if after == head.event => Ok(()),
        (after, Some(head)) if check_head || (of_head(event) && !fault::is(Fault::TakesStaleAfter)) => {
            Err(stale(Some(head), format!("the head, {}", head.event), shown(after)).into())
        }
        (Some(after), Some(_)) => match entry_event(recorded.entry_of(&after)?)? {
            Some((_, earlier)) if earlier.stream() == event.stream() => Ok(()),
            _ => {
                let expected = format!("the hash of an earlier event of {}", event.stream());
                Err(Refusal::new(RefusalCode::UnknownAfter, expected, after.to_string()).at("/after").into())
            }
        },
    }
}

/// Tells whether `after` must be the head whatever the submitter asks for.
fn of_head(event: &Event) -> bool {
    matches!(event.subject.ty(), "ledger" | "case")
}

fn check_start(event: &Event) -> Result<(), Refusal> {
    let kind = event.kind.as_str();
    let starts = match event.subject.ty() {
        "ledger" => kind == "ledger.created",
        "party" => kind == "party.enrolled",
        "case" => kind == "case.opened",
        _ => true,
    };
    if !starts {
        let expected = format!("{} to be started before", event.subject);
        return Err(
            Refusal::new(RefusalCode::NotStarted, expected, format!("{kind} as its first event")).at("/subject")
        );
    }
    let own = format!("{}.", event.author);
    if event.case.is_none()
        && !matches!(event.subject.ty(), "ledger" | "party")
        && !event.subject.id().starts_with(&own)
        && !fault::is(Fault::TakesSquatters)
    {
        let expected = format!("a subject id that begins with {own:?}, as it starts a stream outside any case");
        return Err(Refusal::new(RefusalCode::SubjectNotOwn, expected, event.subject.id()).at("/subject"));
    }
    Ok(())
}

/// Finds the event that a correction corrects, and checks that it can be (SPEC §9).
fn corrected_event<R: Recorded>(
    event: &Event,
    stream: &StreamId,
    authority: &Authority,
    recorded: &R,
) -> Result<Option<(crate::id::Kind, Corrected)>, AdmissionError> {
    let Some(hash) = event.corrects else { return Ok(None) };
    let refuse =
        |expected: &str, found: String| Refusal::new(RefusalCode::WrongCorrection, expected, found).at("/corrects");
    let Some((entry, original)) = entry_event(recorded.entry_of(&hash)?)? else {
        return Err(refuse("the hash of an earlier event of the same stream", hash.to_string()).into());
    };
    if original.stream() != *stream {
        let found = format!("one of {}", original.stream());
        return Err(refuse(&format!("an earlier event of {stream}"), found).into());
    }
    if original.kind.as_str() == CORRECTION {
        return Err(refuse("the original: a correction is not corrected", original.kind.to_string()).into());
    }
    if is_authority_kind(original.kind.as_str()) {
        return Err(refuse("an event that is not of SPEC §8", original.kind.to_string()).into());
    }
    if original.kind.as_str() == SEAL_KIND {
        return Err(
            refuse("an event other than a seal, which says what the ledger counted", SEAL_KIND.to_owned()).into()
        );
    }
    let keyids: Vec<KeyId> = entry.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect();
    let corrected = Corrected { kind: original.kind.clone(), signers: authority.signers_of_recorded(&keyids) };
    Ok(Some((original.kind, corrected)))
}

/// Reads the event of a stored entry.
fn entry_event(entry: Option<Entry>) -> Result<Option<(Entry, Event)>, StoreError> {
    let Some(entry) = entry else { return Ok(None) };
    let event = Event::of_envelope(&entry.envelope)
        .map_err(|e| StoreError::Corrupt { place: format!("entry {}", entry.seq), reason: e.to_string() })?;
    Ok(Some((entry, event)))
}
