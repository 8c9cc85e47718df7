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

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;
use serde_json::{Value, json};

use crate::disclosure::{self, AdmitError, Disclosure, DisclosureError, Matching};
use crate::envelope::{Envelope, EnvelopeError, MAX_ENVELOPE, VerifiedEnvelope};
use crate::event::{Body, BodyError, Event, kind_info};
use crate::hash::{EventHash, KeyId};
use crate::id::Kind;
use crate::json;
use crate::keys::{KeyTables, PublicKey};
use crate::refusal::{Refusal, RefusalCode};
use crate::rule::is_authority_kind;
use crate::seal::SEAL_KIND;

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
        Typed::verify_each(submissions.into_iter().map(Typed::of).collect(), tables, key_of)
    }

    /// Prepares entries that are recorded already, on all cores, in order.
    ///
    /// What this differs in from admission is what SPEC §13 leaves open of the past: the body of a kind outside SPEC §8
    /// may be any object, as versions before or after this one had other schemas; and digests may lack their
    /// disclosures, which can be erased. A key may come from any event among those given: whether it counts is for
    /// [`admit`](crate::admission::admit).
    ///
    /// # Errors
    /// For each by itself, as [`Submission::prepare`].
    pub(crate) fn prepare_recorded<F>(
        submissions: Vec<Self>,
        tables: &KeyTables,
        key_of: F,
    ) -> Vec<Result<Prepared, Refusal>>
    where
        F: Fn(&KeyId) -> Option<PublicKey> + Sync,
    {
        let typed: Vec<_> = submissions.into_par_iter().map(Typed::of_recorded).collect();
        let introduced: HashMap<KeyId, PublicKey> = typed
            .iter()
            .filter_map(|typed| typed.as_ref().ok())
            .flat_map(|(typed, _)| typed.introduced.iter().map(|key| (key.id(), *key)))
            .collect();
        let key_of = |keyid: &KeyId| key_of(keyid).or_else(|| introduced.get(keyid).copied());
        in_chunks(typed, PREPARED_TOGETHER)
            .into_par_iter()
            .flat_map_iter(|typed| Typed::verify_each(typed, tables, key_of))
            .collect()
    }
}

/// How many submissions one thread prepares together.
pub(crate) const PREPARED_TOGETHER: usize = 64;

/// Cuts a list into lists of at most `length`.
pub(crate) fn in_chunks<T>(items: Vec<T>, length: usize) -> Vec<Vec<T>> {
    let mut rest = items.into_iter();
    std::iter::from_fn(|| Some(rest.by_ref().take(length).collect::<Vec<_>>()).filter(|c| !c.is_empty())).collect()
}

/// A submission whose event is read and whose body is typed; its signatures are not verified yet.
struct Typed {
    event: Event,
    body: Option<Body>,
    introduced: Vec<PublicKey>,
    disclosures: Vec<String>,
}

impl Typed {
    fn of(submission: Submission) -> Result<(Self, Envelope), Refusal> {
        let event = Event::of_envelope(&submission.envelope)?;
        let body = type_body(&event, &submission.disclosures)?;
        let introduced = introduced(&body);
        Ok((Self { event, body: Some(body), introduced, disclosures: submission.disclosures }, submission.envelope))
    }

    /// As [`Typed::of`], for an entry that is recorded already.
    fn of_recorded(submission: Submission) -> Result<(Self, Envelope), Refusal> {
        let event = Event::of_envelope(&submission.envelope)?;
        if is_authority_kind(event.kind.as_str()) {
            return Self::of(submission);
        }
        let disclosures = Disclosure::parse_all(&submission.disclosures).map_err(AdmitError::Disclosure)?;
        if !disclosures.is_empty() || disclosure::has_digests(event.body()) {
            let restored = disclosure::restore(event.body(), &disclosures, Matching::Partial);
            let used = restored.map_err(AdmitError::Disclosure)?.used;
            if let Some(surplus) = disclosures.iter().enumerate().find(|(at, _)| !used.contains(at)) {
                let digest = surplus.1.digest();
                return Err(AdmitError::Disclosure(DisclosureError::Unmatched { digest }).into());
            }
        }
        let disclosures = submission.disclosures;
        Ok((Self { event, body: None, introduced: Vec::new(), disclosures }, submission.envelope))
    }

    /// Verifies the signatures of many, those of one key together.
    fn verify_each<F>(
        submissions: Vec<Result<(Self, Envelope), Refusal>>,
        tables: &KeyTables,
        key_of: F,
    ) -> Vec<Result<Prepared, Refusal>>
    where
        F: Fn(&KeyId) -> Option<PublicKey>,
    {
        let mut results: Vec<Option<Refusal>> = Vec::with_capacity(submissions.len());
        let (mut typed, mut envelopes) = (Vec::new(), Vec::new());
        for submission in submissions {
            match submission {
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
    // A policy row may ask for a case, but a seal is over every case (SPEC §15).
    if let Some(case) = event.case.as_ref().filter(|_| event.kind.as_str() == SEAL_KIND) {
        let expected = "no case, as a seal is over all of them";
        return Err(Refusal::new(RefusalCode::CaseUse, expected, case.to_string()).at("/case"));
    }
    Ok(disclosure::admit(&event.kind, None, event.body(), texts)?)
}

/// Returns the keys that a body introduces, which sign beside those that count (SPEC §8).
pub fn introduced(body: &Body) -> Vec<PublicKey> {
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
    /// `None` of an entry that is recorded already, unless its kind is one of SPEC §8.
    body: Option<Body>,
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

    /// Returns the typed body, with its disclosures put back; `None` of an entry that is recorded already, unless its
    /// kind is one of SPEC §8.
    #[must_use]
    pub fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }

    /// Returns the typed body when it is that of an authority kind.
    #[must_use]
    pub fn authority_body(&self) -> Option<&Body> {
        self.body.as_ref().filter(|_| is_authority_kind(self.event.kind.as_str()))
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

    /// Checks a correction's replacement against the kind that it corrects (DOMAIN §2), unless it is recorded already.
    ///
    /// # Errors
    /// When the replacement is no body of that kind, or conceals what that kind must show.
    pub fn check_replacement(&self, corrected: &Kind) -> Result<(), Refusal> {
        if self.body.is_some() {
            disclosure::admit(&self.event.kind, Some(corrected), self.event.body(), &self.disclosures)?;
        }
        Ok(())
    }
}
