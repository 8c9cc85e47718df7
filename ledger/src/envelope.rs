//! Envelopes: DSSE 1.0.2 JSON around the bytes that parties sign (SPEC §4).
//!
//! ```json
//! {"payloadType":"application/vnd.countersign.event.v1+json","payload":"…","signatures":[{"keyid":"…","sig":"…"}]}
//! ```
//!
//! On input unknown members are ignored and either base64 alphabet is accepted, one per string, as DSSE says. Written
//! canonically: those members, that order, no white space, padded base64, signatures sorted by `keyid`. The payload's
//! bytes stay exactly as signed.
//!
//! [`Envelope`] is read and not yet believed; [`VerifiedEnvelope`] is one of which every signature has been verified.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::fault::{self, Fault};
use crate::hash::{EventHash, KeyId, sha256};
use crate::json::{self, JsonError};
use crate::keys::{BadSignature, KeyTables, PublicKey, Signature, Signed, Signer, SignerError, signature_by};

/// The only payload type of version 1 (SPEC §3).
pub const EVENT_TYPE: &str = "application/vnd.countersign.event.v1+json";
/// The most bytes of a payload (SPEC §12).
pub const MAX_PAYLOAD: usize = 45_000;
/// The most signatures on one envelope (SPEC §4).
pub const MAX_SIGNATURES: usize = 16;
/// The most bytes of an envelope on input: that of a request (SPEC §12).
pub const MAX_ENVELOPE: usize = 1 << 20;

/// Tells why bytes are no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not strict JSON.
    #[error("the envelope is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A member is missing or not of its form.
    #[error("envelope{path}: expected {expected}, found {found}")]
    Form {
        /// The JSON Pointer within the envelope.
        path: String,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Over a limit of SPEC §12.
    #[error("limit {name} {limit}: found {found}")]
    Limit {
        /// The limit's name.
        name: &'static str,
        /// Its value.
        limit: usize,
        /// What was found.
        found: usize,
    },
    /// The payload type, or `countersign`, is of a later version.
    #[error("needs a newer version: {found}")]
    Newer {
        /// The payload type that was found.
        found: String,
    },
    /// Two signatures by one key.
    #[error("expected one signature a key, found two by {keyid}")]
    RepeatedKey {
        /// The key.
        keyid: KeyId,
    },
    /// A signature that does not verify.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A signature by a key that neither the ledger nor the event knows.
    #[error("the key {keyid} is not known to this ledger")]
    UnknownKey {
        /// The key.
        keyid: KeyId,
    },
}

/// Why an envelope was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A key gave no signature.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The envelope would not be of its form.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// Signs a message with each key.
pub(crate) fn signatures_by<S: Signer>(keys: &[S], message: &[u8]) -> Result<Vec<(KeyId, Signature)>, SignerError> {
    keys.iter().map(|key| Ok((key.public().id(), signature_by(key, message)?))).collect()
}

/// An envelope as read: well-formed, its signatures not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<(KeyId, Signature)>,
}

/// Returns the bytes that a signature of a DSSE envelope is over (DSSE 1.0.2, PAE).
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    let mut out = Vec::with_capacity(head.len() + payload.len());
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(payload);
    out
}

fn form(path: impl Into<String>, expected: impl Into<String>, found: &Value) -> EnvelopeError {
    let found = match found {
        Value::Null => "null".to_owned(),
        other => other.to_string().chars().take(120).collect(),
    };
    EnvelopeError::Form { path: path.into(), expected: expected.into(), found }
}

/// Decodes base64 in either alphabet, one per string (DSSE 1.0.2).
fn decode_either(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
}

fn text_member<'a>(object: &'a Value, name: &str, at: &str) -> Result<&'a str, EnvelopeError> {
    let path = || format!("{at}/{name}");
    match object.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(form(path(), "a string", other)),
        None => Err(EnvelopeError::Form { path: path(), expected: "a string".into(), found: "nothing".into() }),
    }
}

/// Tells the three sorts of payload type apart (SPEC §4).
fn check_payload_type(found: &str) -> Result<(), EnvelopeError> {
    if found == EVENT_TYPE {
        return Ok(());
    }
    let version = found.strip_prefix("application/vnd.countersign.event.v").and_then(|rest| rest.strip_suffix("+json"));
    let newer = version.is_some_and(|v| {
        !v.is_empty() && v.len() < 10 && !v.starts_with('0') && v.bytes().all(|b| b.is_ascii_digit()) && v != "1"
    });
    if newer {
        return Err(EnvelopeError::Newer { found: found.to_owned() });
    }
    Err(EnvelopeError::Form {
        path: "/payloadType".into(),
        expected: format!("{EVENT_TYPE:?}"),
        found: format!("{:?}", found.chars().take(120).collect::<String>()),
    })
}

impl Envelope {
    /// Reads an envelope, as DSSE allows it to be written.
    ///
    /// # Errors
    /// When it is not well-formed or over a limit (SPEC §4, §12).
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::Limit { name: "request", limit: MAX_ENVELOPE, found: bytes.len() });
        }
        let value = json::parse(bytes, json::MAX_DEPTH)?;
        Self::from_value(&value)
    }

    /// Reads an envelope from JSON that has been read strictly.
    ///
    /// # Errors
    /// When it is not well-formed or over a limit (SPEC §4, §12).
    pub fn from_value(value: &Value) -> Result<Self, EnvelopeError> {
        if !value.is_object() {
            return Err(form("", "an object with payloadType, payload and signatures", value));
        }
        check_payload_type(text_member(value, "payloadType", "")?)?;
        Self::of_parts(value)
    }

    /// Reads payload and signatures of an envelope, whatever its payload type.
    fn of_parts(value: &Value) -> Result<Self, EnvelopeError> {
        let payload = text_member(value, "payload", "")?;
        if payload.len() > MAX_PAYLOAD.div_ceil(3) * 4 {
            return Err(EnvelopeError::Limit { name: "payload", limit: MAX_PAYLOAD, found: payload.len() / 4 * 3 });
        }
        let payload =
            decode_either(payload).ok_or_else(|| form("/payload", "base64, canonical", &Value::from(payload)))?;
        let signatures = match value.get("signatures") {
            Some(Value::Array(items)) => items.iter().enumerate().map(|(i, item)| read_signature(i, item)).collect(),
            Some(other) => Err(form("/signatures", "an array", other)),
            None => Err(form("/signatures", "an array", &Value::from("nothing"))),
        }?;
        Self::new(payload, signatures)
    }

    /// Makes an envelope of a payload and signatures that are not yet verified.
    ///
    /// # Errors
    /// When a limit is exceeded or a key signed twice.
    pub fn new(payload: Vec<u8>, mut signatures: Vec<(KeyId, Signature)>) -> Result<Self, EnvelopeError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(EnvelopeError::Limit { name: "payload", limit: MAX_PAYLOAD, found: payload.len() });
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::Limit { name: "signatures", limit: MAX_SIGNATURES, found: signatures.len() });
        }
        signatures.sort_by_key(|(keyid, _)| *keyid);
        if let Some(pair) = signatures.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(EnvelopeError::RepeatedKey { keyid: pair[0].0 });
        }
        Ok(Self { payload, signatures })
    }

    /// Signs `payload` with each key, or with none.
    ///
    /// # Errors
    /// When a limit is exceeded, a key stands twice, or one does not sign.
    pub fn sign<S: Signer>(payload: Vec<u8>, keys: &[S]) -> Result<Self, SignError> {
        let message = pae(EVENT_TYPE, &payload);
        Ok(Self::new(payload, signatures_by(keys, &message)?)?)
    }

    /// Adds one signature.
    ///
    /// # Errors
    /// When the key has signed already or does not sign, or there are [`MAX_SIGNATURES`]. The envelope stays as it was.
    pub fn add_signature(&mut self, key: &(impl Signer + ?Sized)) -> Result<(), SignError> {
        let keyid = key.public().id();
        if self.signatures.iter().any(|(known, _)| *known == keyid) {
            // before anybody is asked for a PIN
            return Err(EnvelopeError::RepeatedKey { keyid }.into());
        }
        let mut signatures = self.signatures.clone();
        signatures.push((keyid, signature_by(key, &self.pae())?));
        *self = Self::new(self.payload.clone(), signatures)?;
        Ok(())
    }

    /// Returns the payload's bytes, exactly as signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the signatures, sorted by key id.
    #[must_use]
    pub fn signatures(&self) -> &[(KeyId, Signature)] {
        &self.signatures
    }

    /// Returns the bytes that are signed.
    #[must_use]
    pub fn pae(&self) -> Vec<u8> {
        pae(EVENT_TYPE, &self.payload)
    }

    /// Returns the event hash: SHA-256 of the bytes that are signed (SPEC §3).
    #[must_use]
    pub fn event_hash(&self) -> EventHash {
        EventHash::from_bytes(sha256(&[&self.pae()]))
    }

    /// Writes the canonical form (SPEC §4).
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut out = String::with_capacity(self.payload.len() * 4 / 3 + 200 + self.signatures.len() * 180);
        out.push_str("{\"payloadType\":\"");
        out.push_str(EVENT_TYPE);
        out.push_str("\",\"payload\":\"");
        STANDARD.encode_string(&self.payload, &mut out);
        out.push_str("\",\"signatures\":[");
        for (i, (keyid, signature)) in self.signatures.iter().enumerate() {
            out.push_str(if i == 0 { "{\"keyid\":\"" } else { ",{\"keyid\":\"" });
            out.push_str(&hex::encode(keyid.as_bytes()));
            out.push_str("\",\"sig\":\"");
            STANDARD.encode_string(signature.as_bytes(), &mut out);
            out.push_str("\"}");
        }
        out.push_str("]}");
        out
    }

    /// Finds the key of every signature, with what it signed: the message comes from [`Envelope::pae`].
    ///
    /// # Errors
    /// When there is no signature, or a key is not known: the envelope is refused whole (SPEC §4).
    pub fn signed_by<'a, F>(&self, message: &'a [u8], key_of: F) -> Result<Vec<Signed<'a>>, EnvelopeError>
    where
        F: Fn(&KeyId) -> Option<PublicKey>,
    {
        if self.signatures.is_empty() {
            return Err(EnvelopeError::Form {
                path: "/signatures".into(),
                expected: format!("1 to {MAX_SIGNATURES} signatures"),
                found: "none".into(),
            });
        }
        let signed = self.signatures.iter().map(|(keyid, signature)| {
            let key = key_of(keyid).ok_or(EnvelopeError::UnknownKey { keyid: *keyid })?;
            Ok(Signed { key, message, signature: *signature })
        });
        signed.collect()
    }

    /// Verifies every signature, each by the key that `key_of` finds for its id.
    ///
    /// # Errors
    /// When there is none, one is not valid, or its key is not known: the envelope is refused whole (SPEC §4).
    pub fn verify<F>(self, tables: &KeyTables, key_of: F) -> Result<VerifiedEnvelope, EnvelopeError>
    where
        F: Fn(&KeyId) -> Option<PublicKey>,
    {
        let message = self.pae();
        for signed in self.signed_by(&message, key_of)?.iter().filter(|_| !fault::is(Fault::SkipsSignatures)) {
            tables.verify(signed)?;
        }
        Ok(VerifiedEnvelope { event_hash: EventHash::from_bytes(sha256(&[&message])), envelope: self })
    }

    /// Verifies the signatures of many envelopes, each by itself, those of one key together: faster than one by one.
    ///
    /// `messages` are the envelopes' own [`Envelope::pae`], in order.
    pub(crate) fn verify_each<F>(
        envelopes: Vec<Self>,
        messages: &[Vec<u8>],
        tables: &KeyTables,
        key_of: F,
    ) -> Vec<Result<VerifiedEnvelope, EnvelopeError>>
    where
        F: Fn(usize, &KeyId) -> Option<PublicKey>,
    {
        let mut all = Vec::new();
        let mut counts = Vec::with_capacity(envelopes.len());
        for (i, (envelope, message)) in envelopes.iter().zip(messages).enumerate() {
            let signed = envelope.signed_by(message, |keyid| key_of(i, keyid));
            counts.push(signed.map(|signed| {
                let count = signed.len();
                all.extend(signed);
                count
            }));
        }
        let mut verdicts = tables.verify_each(&all).into_iter();
        let checked = envelopes.into_iter().zip(messages).zip(counts).map(|((envelope, message), count)| {
            // Every verdict of this envelope is taken, also behind a bad one, so that the next ones stay in step.
            let own: Vec<Result<(), BadSignature>> = verdicts.by_ref().take(count?).collect();
            own.into_iter().collect::<Result<(), _>>()?;
            Ok(VerifiedEnvelope { event_hash: EventHash::from_bytes(sha256(&[message])), envelope })
        });
        checked.collect()
    }
}

/// Reads a DSSE envelope of another payload type: its payload, and its signatures, which are over
/// `pae(payload_type, payload)` and not yet verified.
///
/// # Errors
/// When it is not well-formed, over a limit, or of another type.
pub fn parse_other(bytes: &[u8], payload_type: &str) -> Result<(Vec<u8>, Vec<(KeyId, Signature)>), EnvelopeError> {
    if bytes.len() > MAX_ENVELOPE {
        return Err(EnvelopeError::Limit { name: "request", limit: MAX_ENVELOPE, found: bytes.len() });
    }
    let value = json::parse(bytes, json::MAX_DEPTH)?;
    if !value.is_object() {
        return Err(form("", "an object with payloadType, payload and signatures", &value));
    }
    let found = text_member(&value, "payloadType", "")?;
    if found != payload_type {
        return Err(form("/payloadType", format!("{payload_type:?}"), &Value::from(found)));
    }
    let Envelope { payload, signatures } = Envelope::of_parts(&value)?;
    Ok((payload, signatures))
}

fn read_signature(index: usize, item: &Value) -> Result<(KeyId, Signature), EnvelopeError> {
    let at = format!("/signatures/{index}");
    if !item.is_object() {
        return Err(form(at, "an object with keyid and sig", item));
    }
    let keyid = text_member(item, "keyid", &at)?;
    let keyid: KeyId = keyid
        .parse()
        .map_err(|_| form(format!("{at}/keyid"), "the key's id, 64 lower-case hex digits", &Value::from(keyid)))?;
    let sig = text_member(item, "sig", &at)?;
    let bytes: Option<[u8; 64]> = decode_either(sig).and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or_else(|| form(format!("{at}/sig"), "the base64 of 64 bytes", &Value::from(sig)))?;
    Ok((keyid, Signature::from_bytes(bytes)))
}

/// An envelope of which every signature has been verified. Whether the keys count is for the authority to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEnvelope {
    envelope: Envelope,
    event_hash: EventHash,
}

impl VerifiedEnvelope {
    /// Takes an envelope as verified that has no signature to verify: `envelope` loses any that it has.
    pub(crate) fn of_none(envelope: Envelope) -> Self {
        let envelope = Envelope { signatures: Vec::new(), ..envelope };
        Self { event_hash: envelope.event_hash(), envelope }
    }

    /// Leaves out the signatures of other keys than these.
    pub(crate) fn signed_by_only(&self, keyids: &BTreeSet<KeyId>) -> Self {
        let mut kept = self.clone();
        kept.envelope.signatures.retain(|(keyid, _)| keyids.contains(keyid));
        kept
    }

    /// Returns the envelope.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns the event hash of the bytes that were verified.
    #[must_use]
    pub fn event_hash(&self) -> EventHash {
        self.event_hash
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::SigningKey;

    fn sample() -> (SigningKey, Envelope) {
        let key = SigningKey::from_seed(&[1; 32]);
        let envelope = Envelope::sign(b"{}".to_vec(), &[&key]).unwrap();
        (key, envelope)
    }

    #[test]
    fn canonical_form_reads_back() {
        let (key, envelope) = sample();
        let again = Envelope::parse(envelope.canonical().as_bytes()).unwrap();
        assert_eq!(again, envelope);
        let hash = envelope.event_hash();
        assert_eq!(again.verify(&KeyTables::default(), |_| Some(key.public())).unwrap().event_hash(), hash);
    }

    #[test]
    fn reads_what_dsse_allows() {
        let (_, envelope) = sample();
        let text = envelope.canonical();
        let spaced = text.replace(",\"payload\"", " ,\n \"x\":{\"y\":[]},\"payload\"");
        assert_eq!(Envelope::parse(spaced.as_bytes()).unwrap(), envelope);
        let url = text.replace('+', "-").replace("event.v1-json", "event.v1+json").replace("/", "_");
        let url = url.replace("application_vnd", "application/vnd");
        assert_eq!(Envelope::parse(url.as_bytes()).unwrap(), envelope);
    }

    #[test]
    fn refuses_and_names_the_place() {
        let (_, envelope) = sample();
        let text = envelope.canonical();
        let path = |text: &str| match Envelope::parse(text.as_bytes()) {
            Err(EnvelopeError::Form { path, .. }) => path,
            other => format!("{other:?}"),
        };
        assert_eq!(path(&text.replace("\"e30=\"", "\"e31=\"")), "/payload");
        assert_eq!(path(&text.replace("\"e30=\"", "7")), "/payload");
        assert_eq!(path(&text.replace("keyid", "keyld")), "/signatures/0/keyid");
        assert_eq!(path(&text.replace("\"sig\":\"", "\"sig\":\"AA")), "/signatures/0/sig");
        assert_eq!(path(&text.replace("vnd.countersign.event", "vnd.other")), "/payloadType");
        let newer = text.replace("event.v1+json", "event.v2+json");
        assert!(matches!(Envelope::parse(newer.as_bytes()), Err(EnvelopeError::Newer { .. })));
        let (key, mut twice) = sample();
        assert!(matches!(twice.add_signature(&key), Err(SignError::Envelope(EnvelopeError::RepeatedKey { .. }))));
    }
}
