//! Proposals: events that gather signatures on the server until they can be recorded.
//!
//! A proposal is a submission, with the signatures that it has so far, in a record beside the log ([`Kept`]). What it is
//! worth is never stored but found anew from the authority in force ([`assess`], pure): which signatures count, whose
//! are missing, or why it can no longer be recorded. Once its signatures satisfy the policy it is submitted like any
//! other event; the committer alone decides. [`Proposals`] keeps them, bounded, and across restarts.

mod book;
mod withdrawal;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use book::{Cursor, Filter, Found, Page, ProposalError, ProposalLimits, Proposals, Room, Signed};
pub use withdrawal::{WITHDRAWAL_TYPE, Withdrawal};

use crate::admission::{self, Admission, AdmissionError, Next, Recorded};
use crate::authority::Authority;
use crate::authority::judge::Signers;
use crate::authority::outlook::{Awaited, Outlook};
use crate::envelope::Envelope;
use crate::hash::{EventHash, KeyId, LeafHash};
use crate::id::{Author, Seq};
use crate::json;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::StoreError;
use crate::submission::{Prepared, Submission};
use crate::time::Time;

/// A proposal as it is stored: what was submitted, and how long it stays.
///
/// ```json
/// {"proposed":"2026-09-21T14:13:58.000Z","expires":"…","charged":"xa-mod","envelope":{…},"disclosures":["…"]}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// When it was proposed.
    pub proposed: Time,
    /// When it is forgotten.
    pub expires: Time,
    /// On whose account it takes room; `None` while no counting key has signed it.
    pub charged: Option<Author>,
    /// The event, with the signatures so far.
    pub submission: Submission,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    proposed: Time,
    expires: Time,
    charged: Option<Author>,
    envelope: Box<RawValue>,
    disclosures: Vec<String>,
}

impl Kept {
    /// Writes the record.
    ///
    /// # Panics
    /// Never: a canonical envelope is JSON.
    #[must_use]
    pub fn to_record(&self) -> Vec<u8> {
        let envelope = RawValue::from_string(self.submission.envelope.canonical()).expect("an envelope is JSON");
        let record = Record {
            proposed: self.proposed,
            expires: self.expires,
            charged: self.charged.clone(),
            envelope,
            disclosures: self.submission.disclosures.clone(),
        };
        serde_json::to_vec(&record).expect("texts and times are JSON")
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it is not what was written.
    pub fn from_record(event: &EventHash, bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt { place: format!("proposal {event}"), reason };
        let record: Record = serde_json::from_slice(bytes).map_err(|e| corrupt(e.to_string()))?;
        let value = json::parse(record.envelope.get().as_bytes(), json::MAX_DEPTH);
        let value = value.map_err(|e| corrupt(e.to_string()))?;
        let envelope = Envelope::from_value(&value).map_err(|e| corrupt(e.to_string()))?;
        let found = envelope.event_hash();
        if found != *event {
            return Err(corrupt(format!("it holds event {found}")));
        }
        let submission = Submission { envelope, disclosures: record.disclosures };
        Ok(Self { proposed: record.proposed, expires: record.expires, charged: record.charged, submission })
    }
}

/// How a proposal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It waits for signatures.
    Open,
    /// It has them all, and is about to be recorded.
    Complete,
    /// It is recorded.
    Recorded(Seq),
    /// It cannot be recorded as things are: why, and what to do.
    Blocked(Box<Refusal>),
}

/// What a proposal is worth at a position of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// How it stands.
    pub standing: Standing,
    /// Who signed, with keys that count.
    pub signers: Signers,
    /// Signatures that do not count here, and why.
    pub dropped: Vec<(KeyId, Refusal)>,
    /// Whose signatures are missing; empty unless it is open.
    pub awaited: Awaited,
}

impl Assessment {
    fn of(standing: Standing) -> Self {
        Self { standing, signers: Signers::default(), dropped: Vec::new(), awaited: Awaited::default() }
    }

    /// Returns the keys whose signatures count.
    pub fn counting(&self) -> impl Iterator<Item = KeyId> {
        let parties = self.signers.parties.values().flatten();
        parties.chain(&self.signers.governance).chain(&self.signers.introduced).copied()
    }
}

/// Turns a refusal into a verdict; a failing store is none.
fn blocked(error: AdmissionError) -> Result<Standing, StoreError> {
    match error {
        AdmissionError::Refused(refusal) => Ok(Standing::Blocked(advised(refusal))),
        AdmissionError::Store(error) => Err(error),
    }
}

/// Says what to do about a proposal, where the refusal itself does not.
fn advised(mut refusal: Box<Refusal>) -> Box<Refusal> {
    let hint = match refusal.code {
        RefusalCode::LedgerClosed => "nothing is recorded here any more: draft it for the successor ledger",
        RefusalCode::UnknownAfter | RefusalCode::AlreadyStarted | RefusalCode::NotStarted => {
            "look at what was recorded meanwhile, then draft it anew"
        }
        RefusalCode::OccurredInFuture => "wait until then, or draft it anew",
        _ => "draft it anew as the ledger stands now, and withdraw this proposal",
    };
    refusal.hint.get_or_insert_with(|| hint.to_owned());
    refusal
}

/// Finds what a proposal is worth, and its signatures that count. Pure but for look-ups of what is recorded.
///
/// # Errors
/// When a look-up fails.
pub fn assess<R: Recorded>(
    prepared: &Prepared,
    authority: &Authority,
    recorded: &R,
    next: Next,
) -> Result<Assessment, StoreError> {
    match admission::recorded_as(prepared, recorded) {
        Ok(None) => {}
        Ok(Some(seq)) => return Ok(Assessment::of(Standing::Recorded(seq))),
        Err(error) => return Ok(Assessment::of(blocked(error)?)),
    }
    let (event, body) = (prepared.event(), prepared.authority_body());
    let keyids = prepared.keyids();
    let corrected = match admission::check_unsigned(prepared, authority, recorded, next.at) {
        Ok(corrected) => corrected,
        Err(error) => return Ok(Assessment::of(blocked(error)?)),
    };
    let outlook = authority.outlook(next.at, event, body, &keyids, corrected.as_ref());
    let Outlook { signers, dropped, mut awaited } = match outlook {
        Ok(outlook) => outlook,
        Err(refusal) => return Ok(Assessment::of(Standing::Blocked(advised(Box::new(refusal))))),
    };
    let mut assessment = Assessment { standing: Standing::Open, signers, dropped, awaited: Awaited::default() };
    let counting = prepared.signed_by_only(&assessment.counting().collect());
    assessment.standing = match admission::admit(&counting, authority, recorded, next, false) {
        Ok(Admission::New(_)) => return Ok(Assessment { standing: Standing::Complete, ..assessment }),
        Ok(Admission::Repeated(seq)) => Standing::Recorded(seq),
        Err(AdmissionError::Refused(refusal)) => {
            if awaited.is_empty() && needs_more(refusal.code) {
                // A party that signed can sign no better; the quorum could.
                awaited.governance = authority.governance().threshold;
                awaited.missing.push(refusal.expected.clone());
            }
            if awaited.is_empty() { Standing::Blocked(advised(refusal)) } else { Standing::Open }
        }
        Err(AdmissionError::Store(error)) => return Err(error),
    };
    if assessment.standing == Standing::Open {
        assessment.awaited = awaited;
    }
    Ok(assessment)
}

/// Tells whether the quorum mends a refusal that a party's signature does not.
fn needs_more(code: RefusalCode) -> bool {
    matches!(code, RefusalCode::KeyExceedsAdder | RefusalCode::QuorumNeeded | RefusalCode::QuorumShort)
}

/// A place for assessments only: they never become an entry.
fn nowhere(at: crate::authority::Position) -> Next {
    Next { at, prev: LeafHash::ZERO }
}
