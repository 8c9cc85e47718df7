//! Refusals: why the ledger does not record what was submitted. The submitter's to mend; nothing was written.
//!
//! A refusal has a stable code, names the member at fault, and says what was expected and what was found.

use std::fmt;

use crate::envelope::EnvelopeError;
use crate::event::EventError;
use crate::hash::EventHash;
use crate::id::Seq;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// The stable code of a refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)*
        }

        impl RefusalCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the code's text, which never changes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Returns the HTTP status that fits (RFC 9110 §15).
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The submission or the payload is not strict JSON (SPEC §1).
    MalformedJson = "malformed_json", 400;
    /// The envelope is not of its form (SPEC §4).
    MalformedEnvelope = "malformed_envelope", 400;
    /// A member of the event is missing, unknown or not of its form (SPEC §3).
    MalformedEvent = "malformed_event", 422;
    /// The body does not fit its kind (DOMAIN §2).
    BodyMalformed = "body_malformed", 422;
    /// The payload type or `countersign` is of a later version.
    NewerVersion = "newer_version", 422;
    /// Over a limit of SPEC §12.
    LimitExceeded = "limit_exceeded", 413;
    /// The event is for another ledger.
    WrongLedger = "wrong_ledger", 422;
    /// The kind is not in the policy in force, or this version has no schema for it.
    UnknownKind = "unknown_kind", 422;
    /// The kind and the subject do not go together (SPEC §3, §8).
    WrongSubject = "wrong_subject", 422;
    /// The policy requires or forbids a case (SPEC §9).
    CaseUse = "case_required_or_forbidden", 422;
    /// The event names a case that was never opened.
    UnknownCase = "unknown_case", 422;
    /// A signature does not verify.
    BadSignature = "bad_signature", 422;
    /// There is no signature.
    Unsigned = "unsigned", 422;
    /// A key signed twice.
    RepeatedKey = "repeated_key", 400;
    /// A signature is by a key that the ledger does not know.
    UnknownKey = "unknown_key", 403;
    /// A signature is by a key that does not count here: retired, revoked, expired, not for this kind (SPEC §8).
    KeyDoesNotCount = "key_does_not_count", 403;
    /// A key that the event introduces did not sign it.
    IntroducedKeyUnsigned = "introduced_key_unsigned", 422;
    /// A key that the event introduces has been in the ledger before.
    KeyNotNew = "key_not_new", 422;
    /// The key named is not one that this event can act on.
    WrongKey = "wrong_key", 422;
    /// A new key would have more uses or a longer life than those that add it.
    KeyExceedsAdder = "key_exceeds_adder", 403;
    /// Some governance keys signed, fewer than the quorum.
    QuorumShort = "governance_short_of_quorum", 403;
    /// The event needs the governance quorum.
    QuorumNeeded = "governance_needed", 403;
    /// The author did not sign.
    AuthorUnsigned = "author_did_not_sign", 403;
    /// Others than those in `signers` signed, or not all of them.
    SignersDiffer = "signers_differ", 422;
    /// A party signed that has no part in the case.
    NotInCase = "not_in_case", 403;
    /// The rule in force is not satisfied.
    PolicyNotSatisfied = "policy_not_satisfied", 403;
    /// A party that must sign did not.
    PartyUnsigned = "party_did_not_sign", 403;
    /// A party is not enrolled, has been succeeded, or lacks a capacity.
    WrongParty = "wrong_party", 422;
    /// What is to be started exists already.
    AlreadyStarted = "already_started", 409;
    /// The stream is not started by this event.
    NotStarted = "not_started", 409;
    /// `after` is not the head where it must be.
    StaleAfter = "stale_after", 409;
    /// `after` names no earlier event of the stream.
    UnknownAfter = "unknown_after", 422;
    /// A stream outside a case begins with its author's id.
    SubjectNotOwn = "subject_not_own", 403;
    /// The author used the id for another payload.
    IdConflict = "id_conflict", 409;
    /// `occurred` is more than 48 hours ahead.
    OccurredInFuture = "occurred_in_future", 422;
    /// `until` has passed.
    Expired = "expired", 422;
    /// `corrects` names no event that can be corrected so.
    WrongCorrection = "wrong_correction", 422;
    /// Disclosures and digests do not go together (SPEC §10).
    DisclosureRefused = "disclosure_refused", 422;
    /// The ledger is closed.
    LedgerClosed = "ledger_closed", 409;
    /// The server does not hold the private key of the new log key.
    LogKeyUnavailable = "log_key_unavailable", 422;
    /// A seal says what is not so at its position (SPEC §15).
    FalseSeal = "false_seal", 422;
    /// The key that seals did not sign.
    SealKeyUnavailable = "seal_key_unavailable", 503;
    /// There is no room for another proposal of this party, or of anybody.
    ProposalsFull = "proposals_full", 409;
    /// A proposal does not wait for this signature.
    NotAwaited = "signature_not_awaited", 409;
    /// Only the author, or the quorum, withdraws a proposal.
    NotWithdrawable = "not_withdrawable", 403;
}

impl RefusalCode {
    /// Returns what a submitter can usually do about it; a refusal that knows better says so instead.
    #[must_use]
    pub const fn usual_hint(self) -> Option<&'static str> {
        Some(match self {
            Self::WrongLedger => {
                "it was signed for another ledger, and can only be recorded there: draft it anew for this one"
            }
            Self::UnknownKind => {
                "`countersign policy show` lists the kinds of this ledger; the governance quorum adds one: `countersign policy change`"
            }
            Self::WrongSubject => "draft it anew: `countersign event kinds` says what each kind is about",
            Self::CaseUse => "draft it anew, with --case CASE where one is required and without where it is forbidden",
            Self::BadSignature => "the event was changed after it was signed: sign it again, as it stands now",
            Self::Unsigned => "sign it: `countersign event sign FILE --key KEY`",
            Self::IntroducedKeyUnsigned => {
                "whoever holds the new key signs too: `countersign event sign FILE --key NEW.pem`"
            }
            Self::KeyNotNew => "make a fresh key, `countersign key new FILE`: a key enters a ledger once in its life",
            Self::WrongKey => {
                "`countersign key show KEY --online` tells whose a key is, and whether it was retired or revoked"
            }
            Self::QuorumShort => {
                "gather more governance signatures before it is submitted (--draft FILE and `countersign event sign`, or --propose); `countersign governance show` tells whose"
            }
            Self::QuorumNeeded => {
                "have enough governance keys sign: --draft FILE and `countersign event sign`, or --propose; `countersign governance show` tells how many"
            }
            Self::AuthorUnsigned => "have the author sign, or draft it anew with the author that does: --author",
            Self::SignersDiffer => "have exactly those sign, or draft it anew with other `signers`",
            Self::NotInCase => {
                "have the party bound to the case first: `countersign case amend`, signed by donor, recipient and that party"
            }
            Self::PartyUnsigned => {
                "have that party add its signature: `countersign event sign FILE --key ITS-KEY`, or --propose"
            }
            Self::WrongParty => "`countersign party show PARTY` tells its capacities, and who succeeded it",
            Self::AlreadyStarted => "choose another id, or amend what is there",
            Self::NotStarted => "`after` is null exactly for the event that starts a stream: draft it anew",
            Self::SubjectNotOwn => {
                "outside a case a stream's subject id begins with its author's id and a `.`: draft it anew so"
            }
            Self::NotWithdrawable => "have its author withdraw it, with a key that counts, or the governance quorum",
            Self::LedgerClosed => {
                "nothing follows `ledger.closed`: a successor begins with `countersign init --predecessor CHECKPOINT`"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a submission is not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("{}expected {expected}, found {found}", path.as_ref().filter(|path| !path.is_empty()).map(|path| format!("{path}: ")).unwrap_or_default())]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// The JSON Pointer of the member at fault, into the payload (or the envelope, where that is at fault).
    pub path: Option<String>,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The head of the stream, when `after` is stale.
    pub head: Option<EventHash>,
    /// The entry that stands in the way.
    pub existing: Option<Seq>,
}

impl Refusal {
    /// Makes a refusal without a place.
    #[must_use]
    pub fn new(code: RefusalCode, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            code,
            path: None,
            expected: expected.into(),
            found: found.into(),
            hint: code.usual_hint().map(str::to_owned),
            head: None,
            existing: None,
        }
    }

    /// Names the place.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<EnvelopeError> for Refusal {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::Json(e) => {
                Self::new(RefusalCode::MalformedJson, "strict JSON (SPEC §1)", e.to_string()).at(e.pointer)
            }
            EnvelopeError::Form { path, found, .. } if path == "/signatures" && found == "none" => {
                Self::new(RefusalCode::Unsigned, "1 to 16 signatures", "none").at(path)
            }
            EnvelopeError::Form { path, expected, found } => {
                Self::new(RefusalCode::MalformedEnvelope, expected, found).at(path)
            }
            EnvelopeError::Limit { name, limit, found } => {
                Self::new(RefusalCode::LimitExceeded, format!("limit {name} {limit}"), found.to_string())
            }
            EnvelopeError::Newer { found } => Self::new(
                RefusalCode::NewerVersion,
                format!("payloadType {}", crate::envelope::EVENT_TYPE),
                format!("{found}, which needs a newer version"),
            )
            .at("/payloadType"),
            EnvelopeError::RepeatedKey { keyid } => {
                Self::new(RefusalCode::RepeatedKey, "one signature a key", format!("two by {keyid}")).at("/signatures")
            }
            EnvelopeError::Signature(bad) => Self::new(
                RefusalCode::BadSignature,
                "signatures over exactly this payload",
                format!("one by key {} that does not verify", bad.keyid),
            )
            .at("/signatures"),
            EnvelopeError::UnknownKey { keyid } => Self::new(
                RefusalCode::UnknownKey,
                "signatures by keys that are in the ledger",
                format!("one by key {keyid}, which is not"),
            )
            .at("/signatures")
            .hint("have the party enrolled, or the key added, first; `countersign key show` tells a key's id"),
        }
    }
}

impl From<EventError> for Refusal {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Json(e) => {
                Self::new(RefusalCode::MalformedJson, "strict JSON (SPEC §1)", e.to_string()).at(e.pointer)
            }
            EventError::Form { path, expected, found } => {
                Self::new(RefusalCode::MalformedEvent, expected, found).at(path)
            }
            EventError::Newer { found } => {
                Self::new(RefusalCode::NewerVersion, "countersign 1", format!("{found}, which needs a newer version"))
                    .at("/countersign")
            }
        }
    }
}
