//! Submissions: an envelope with its disclosures, on its way to the ledger.
//!
//! Read from a bare DSSE envelope, or from
//!
//! ```json
//! {"envelope":{"payloadType":"…","payload":"…","signatures":[…]},"disclosures":["…"]}
//! ```
//!
//! [`Submission`] is read and not believed; [`Prepared`] has verified signatures and a typed body. Only the committer
//! turns a prepared one into an entry.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::disclosure::{self, AdmitError};
use crate::envelope::{Envelope, EnvelopeError, MAX_ENVELOPE, VerifiedEnvelope};
use crate::event::{Body, BodyError, Event, kind_info};
use crate::hash::{EventHash, KeyId};
use crate::id::Kind;
use crate::json;
use crate::keys::{KeyTables, PublicKey};
use crate::refusal::{Refusal, RefusalCode};
use crate::rule::is_authority_kind;

/// An envelope and the disclosures that travel beside it (SPEC §10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// What the parties signed.
    pub envelope: Envelope,
    /// Disclosures of what the payload conceals.
    pub disclosures: Vec<String>,
}

impl Submission {
    /// Reads a submission: a bare envelope, or an envelope with disclosures.
    ///
    /// # Errors
    /// When it is not strict JSON of that form, or over a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::Limit { name: "request", limit: MAX_ENVELOPE, found: bytes.len() }.into());
        }
        let value = json::parse(bytes, json::MAX_DEPTH).map_err(EnvelopeError::from)?;
        let Some(members) = value.as_object().filter(|members| members.contains_key("envelope")) else {
            return Ok(Self { envelope: Envelope::from_value(&value)?, disclosures: Vec::new() });
        };
        let form = |path: &str, expected: &str, found: &str| {
            Refusal::new(RefusalCode::MalformedEnvelope, expected, found).at(path)
        };
        if let Some(name) = members.keys().find(|name| !matches!(name.as_str(), "envelope" | "disclosures")) {
            let path = format!("/{}", json::pointer_token(name));
            return Err(form(&path, "only envelope and disclosures", "an unknown member"));
        }
        let envelope = Envelope::from_value(&members["envelope"]).map_err(|error| {
            let refusal = Refusal::from(error);
            let path = format!("/envelope{}", refusal.path.clone().unwrap_or_default());
            refusal.at(path)
        })?;
        let texts = match members.get("disclosures") {
            None => Some(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let disclosures = texts.ok_or_else(|| form("/disclosures", "an array of strings", "something else"))?;
        Ok(Self { envelope, disclosures })
    }

    /// Writes the submission, with its disclosures if there are any.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{{\"envelope\":{},\"disclosures\":{}}}", self.envelope.canonical(), json!(self.disclosures))
    }

    /// Reads the event, types its body, and verifies every signature with the keys that `key_of` knows and those that
    /// the event introduces.
    ///
    /// # Errors
    /// The first check that fails, as a refusal.
    pub fn prepare<F>(self, tables: &KeyTables, key_of: F) -> Result<Prepared, Refusal>
    where
        F: Fn(&KeyId) -> Option<PublicKey>,
    {
        let (typed, envelope) = Typed::of(self)?;
        let envelope = envelope.verify(tables, |keyid| typed.key(keyid, &key_of))?;
        Ok(typed.prepared(envelope))
    }

    /// As [`Submission::prepare`], for a proposal: it may have no signature yet. Those that it has are verified all the
    /// same. [`admit`](crate::admission::admit) never lets it through without one.
    ///
    /// # Errors
    /// As [`Submission::prepare`].
    pub fn prepare_unfinished<F>(self, tables: &KeyTables, key_of: F) -> Result<Prepared, Refusal>
    where
        F: Fn(&KeyId) -> Option<PublicKey>,
    {
        let (typed, envelope) = Typed::of(self)?;
        let envelope = if envelope.signatures().is_empty() {
            VerifiedEnvelope::of_none(envelope)
        } else {
            envelope.verify(tables, |keyid| typed.key(keyid, &key_of))?
        };
        Ok(typed.prepared(envelope))
    }

    /// Prepares many at once, in order: the signatures of one key are verified together.
    ///
    /// # Errors
    /// For each by itself, as [`Submission::prepare`].
    pub fn prepare_each<F>(submissions: Vec<Self>, tables: &KeyTables, key_of: F) -> Vec<Result<Prepared, Refusal>>
    where
        F: Fn(&KeyId) -> Option<PublicKey>,
    {
        let mut results: Vec<Option<Refusal>> = Vec::with_capacity(submissions.len());
        let (mut typed, mut envelopes) = (Vec::new(), Vec::new());
        for submission in submissions {
            match Typed::of(submission) {
                Ok((event, envelope)) => {
                    typed.push(event);
                    envelopes.push(envelope);
                    results.push(None);
                }
                Err(refusal) => results.push(Some(refusal)),
            }
        }
        let messages: Vec<Vec<u8>> = envelopes.iter().map(Envelope::pae).collect();
        let find = |i: usize, keyid: &KeyId| typed[i].key(keyid, &key_of);
        let verified = Envelope::verify_each(envelopes, &messages, tables, find);
        let mut prepared = typed.into_iter().zip(verified).map(|(event, envelope)| Ok(event.prepared(envelope?)));
        let ended = || Err(Refusal::new(RefusalCode::MalformedEnvelope, "an envelope", "nothing"));
        let result = |refusal: Option<Refusal>| refusal.map_or_else(|| prepared.next().unwrap_or_else(ended), Err);
        results.into_iter().map(result).collect()
    }
}

/// A submission whose event is read and whose body is typed; its signatures are not verified yet.
struct Typed {
    event: Event,
    body: Body,
    introduced: Vec<PublicKey>,
    disclosures: Vec<String>,
}

impl Typed {
    fn of(submission: Submission) -> Result<(Self, Envelope), Refusal> {
        let event = Event::of_envelope(&submission.envelope)?;
        let body = type_body(&event, &submission.disclosures)?;
        let introduced = introduced(&body);
        Ok((Self { event, body, introduced, disclosures: submission.disclosures }, submission.envelope))
    }

    fn key<F: Fn(&KeyId) -> Option<PublicKey>>(&self, keyid: &KeyId, key_of: &F) -> Option<PublicKey> {
        key_of(keyid).or_else(|| self.introduced.iter().find(|key| key.id() == *keyid).copied())
    }

    fn prepared(self, envelope: VerifiedEnvelope) -> Prepared {
        Prepared { envelope, event: self.event, body: self.body, disclosures: self.disclosures }
    }
}

/// Puts the disclosures back and reads the body by its kind.
fn type_body(event: &Event, texts: &[String]) -> Result<Body, Refusal> {
    let info = kind_info(event.kind.as_str()).ok_or_else(|| {
        let found = format!("{}, which it does not", event.kind);
        Refusal::new(RefusalCode::UnknownKind, "a kind that this version reads", found).at("/kind")
    })?;
    if info.subject_type.is_some_and(|ty| ty != event.subject.ty()) {
        let expected = format!("a subject of type {}", info.subject_type.unwrap_or_default());
        return Err(Refusal::new(RefusalCode::WrongSubject, expected, event.subject.to_string()).at("/subject"));
    }
    Ok(disclosure::admit(&event.kind, None, event.body(), texts)?)
}

/// Returns the keys that a body introduces, which sign beside those that count (SPEC §8).
fn introduced(body: &Body) -> Vec<PublicKey> {
    match body {
        Body::LedgerCreated(b) => b.governance.keys.to_vec(),
        Body::GovernanceChanged(b) => b.governance.keys.to_vec(),
        Body::PartyEnrolled(b) => b.keys.iter().map(|grant| grant.public_key).collect(),
        Body::KeyAdded(b) => vec![b.key.public_key],
        _ => Vec::new(),
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::UnknownKind { kind } => {
                Self::new(RefusalCode::UnknownKind, "a kind that this version reads", kind.to_string()).at("/kind")
            }
            BodyError::Form { path, expected, found } => {
                Self::new(RefusalCode::BodyMalformed, expected, found).at(path)
            }
        }
    }
}

impl From<AdmitError> for Refusal {
    fn from(error: AdmitError) -> Self {
        let error = match error {
            AdmitError::Body(error) => return error.into(),
            AdmitError::Disclosure(error) => error,
        };
        let text = error.to_string();
        let (path, text) = match text.split_once(": expected ") {
            Some((path, rest)) if path.starts_with('/') => (Some(path.to_owned()), format!("expected {rest}")),
            _ => (None, text),
        };
        let (expected, found) = match text.strip_prefix("expected ").and_then(|rest| rest.rsplit_once(", found ")) {
            Some((expected, found)) => (expected.to_owned(), found.to_owned()),
            None => ("disclosures as SPEC §10 has them".to_owned(), text.clone()),
        };
        let refusal = Self::new(RefusalCode::DisclosureRefused, expected, found);
        match path {
            Some(path) => refusal.at(path),
            None => refusal,
        }
    }
}

/// A submission whose signatures are verified and whose body is typed. Not yet admitted.
#[derive(Debug, Clone)]
pub struct Prepared {
    envelope: VerifiedEnvelope,
    event: Event,
    body: Body,
    disclosures: Vec<String>,
}

impl Prepared {
    /// Returns the envelope.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        self.envelope.envelope()
    }

    /// Returns the event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the event hash of the bytes that were verified.
    #[must_use]
    pub fn event_hash(&self) -> EventHash {
        self.envelope.event_hash()
    }

    /// Returns the typed body, with its disclosures put back.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Returns the typed body when it is that of an authority kind.
    #[must_use]
    pub fn authority_body(&self) -> Option<&Body> {
        is_authority_kind(self.event.kind.as_str()).then_some(&self.body)
    }

    /// Leaves out the signatures of other keys than these.
    #[must_use]
    pub fn signed_by_only(&self, keyids: &BTreeSet<KeyId>) -> Self {
        Self { envelope: self.envelope.signed_by_only(keyids), ..self.clone() }
    }

    /// Returns the ids of the keys that signed, sorted.
    #[must_use]
    pub fn keyids(&self) -> Vec<KeyId> {
        self.envelope().signatures().iter().map(|(keyid, _)| *keyid).collect()
    }

    /// Returns the disclosures.
    #[must_use]
    pub fn disclosures(&self) -> &[String] {
        &self.disclosures
    }

    /// Checks a correction's replacement against the kind that it corrects (DOMAIN §2).
    ///
    /// # Errors
    /// When the replacement is no body of that kind, or conceals what that kind must show.
    pub fn check_replacement(&self, corrected: &Kind) -> Result<(), Refusal> {
        disclosure::admit(&self.event.kind, Some(corrected), self.event.body(), &self.disclosures)?;
        Ok(())
    }
}
