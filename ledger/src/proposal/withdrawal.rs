//! Withdrawing a proposal: a request that its author signs (SPEC §4). It is never recorded.
//!
//! ```json
//! {"countersign":1,"ledger":"…","withdraw":"<event hash>","proposed":"2026-09-21T14:13:58.000Z"}
//! ```

use serde_json::json;

use crate::authority::judge::Signers;
use crate::authority::{Authority, Position};
use crate::envelope::{self, pae};
use crate::event::Event;
use crate::hash::{EventHash, KeyId, LedgerId};
use crate::id::Author;
use crate::json;
use crate::keys::{PublicKey, Signature, Signer, SignerError};
use crate::refusal::{Refusal, RefusalCode};
use crate::time::Time;

/// The payload type of a withdrawal: no event, and no event is one of it.
pub const WITHDRAWAL_TYPE: &str = "application/vnd.countersign.withdrawal.v1+json";

/// A signed request to withdraw a proposal. Its signatures are not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The ledger.
    pub ledger: LedgerId,
    /// The event that was proposed.
    pub event: EventHash,
    /// When it was proposed: a withdrawal is for one proposal, not for a later one of the same event.
    pub proposed: Time,
    payload: Vec<u8>,
    signatures: Vec<(KeyId, Signature)>,
}

impl Withdrawal {
    /// Makes and signs a withdrawal.
    ///
    /// # Errors
    /// When a key does not sign.
    pub fn sign<S: Signer>(
        ledger: LedgerId,
        event: EventHash,
        proposed: Time,
        keys: &[S],
    ) -> Result<Self, SignerError> {
        let payload = json!({ "countersign": 1, "ledger": ledger, "withdraw": event, "proposed": proposed });
        let payload = payload.to_string().into_bytes();
        let message = pae(WITHDRAWAL_TYPE, &payload);
        let signatures = envelope::signatures_by(keys, &message)?;
        Ok(Self { ledger, event, proposed, payload, signatures })
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is no DSSE envelope of that type, or its payload is of another form.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let (payload, signatures) = envelope::parse_other(bytes, WITHDRAWAL_TYPE)?;
        let form = |path: &str, expected: &str, found: &str| {
            Refusal::new(RefusalCode::MalformedEvent, expected, found).at(path)
        };
        let value = json::parse(&payload, json::MAX_DEPTH).map_err(|e| {
            Refusal::new(RefusalCode::MalformedJson, "strict JSON (SPEC §1)", e.to_string()).at(e.pointer)
        })?;
        let members = value.as_object().ok_or_else(|| form("", "a JSON object", "something else"))?;
        const KNOWN: [&str; 4] = ["countersign", "ledger", "withdraw", "proposed"];
        if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            let expected = "only countersign, ledger, withdraw and proposed";
            return Err(form(&format!("/{}", json::pointer_token(name)), expected, "an unknown member"));
        }
        if members.get("countersign").and_then(serde_json::Value::as_i64) != Some(1) {
            return Err(form("/countersign", "1", "something else"));
        }
        let text = |name: &str| members.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let wrong = |name: &str, expected: &str| form(&format!("/{name}"), expected, "something else");
        Ok(Self {
            ledger: text("ledger").parse().map_err(|_| wrong("ledger", "a ledger id (64 lower-case hex digits)"))?,
            event: text("withdraw")
                .parse()
                .map_err(|_| wrong("withdraw", "an event hash (64 lower-case hex digits)"))?,
            proposed: text("proposed").parse().map_err(|_| wrong("proposed", "the time of the proposal"))?,
            payload,
            signatures,
        })
    }

    /// Writes the request.
    #[must_use]
    pub fn to_json(&self) -> String {
        let base64 = crate::keys::encode_base64;
        let signatures = self.signatures.iter();
        let signatures: Vec<serde_json::Value> =
            signatures.map(|(keyid, sig)| json!({ "keyid": keyid, "sig": base64(sig.as_bytes()) })).collect();
        json!({ "payloadType": WITHDRAWAL_TYPE, "payload": base64(&self.payload), "signatures": signatures })
            .to_string()
    }

    /// Checks that the author of `event`, or the quorum, signed this.
    ///
    /// # Errors
    /// When a signature is not valid or by a key that does not count, or neither of them signed.
    pub fn check(&self, at: Position, event: &Event, authority: &Authority) -> Result<(), Refusal> {
        let message = pae(WITHDRAWAL_TYPE, &self.payload);
        let mut signers = Signers::default();
        for (keyid, signature) in &self.signatures {
            let unknown = || Refusal::from(envelope::EnvelopeError::UnknownKey { keyid: *keyid });
            let key: PublicKey = authority.key(keyid).ok_or_else(unknown)?.key;
            key.verify(&message, signature).map_err(envelope::EnvelopeError::from)?;
            signers.add(*keyid, authority.standing(at, event, &[], keyid, None)?);
        }
        if !signers.governance.is_empty() && signers.governance.len() >= authority.governance().threshold {
            return Ok(());
        }
        if let Author::Party(author) = &event.author {
            // Whoever took the author's place speaks for it.
            let author = authority.final_successor(author.as_str()).unwrap_or(author);
            if signers.parties.contains_key(author) {
                return Ok(());
            }
        }
        let expected = format!("a counting signature of the author, {}, or of the governance quorum", event.author);
        Err(Refusal::new(RefusalCode::NotWithdrawable, expected, signers.in_words()).at("/signatures"))
    }
}
