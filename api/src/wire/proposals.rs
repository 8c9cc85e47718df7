//! Proposals: events that gather signatures on the server.

use countersign_ledger::hash::{EventHash, KeyId};
use countersign_ledger::id::{Author, CaseId, Kind, PartyId, Seq, Subject};
use countersign_ledger::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[cfg(feature = "server")]
use super::ReceiptFile;
use super::SignatureView;
use crate::problem::Problem;

/// The most signatures of one batch.
pub const MAX_SIGNATURE_BATCH: usize = 1_000;

/// How a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// It waits for signatures.
    Open,
    /// It has them, and is about to be recorded.
    Complete,
    /// It is recorded: `seq` and `receipt` say where.
    Recorded,
    /// It cannot be recorded as things are: `problem` says why and what to do.
    Blocked,
}

/// A proposal, or the entry that it became.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ProposalView {
    /// The event hash: what it is known by.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub event: EventHash,
    /// How it stands.
    pub state: ProposalState,
    /// What is said to have happened.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub kind: Kind,
    /// To what.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub subject: Subject,
    /// The case, `null` outside any.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, required))]
    pub case: Option<CaseId>,
    /// Who says so.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub author: Author,
    /// Until when it can be recorded, if the event says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Time>,
    /// When it was proposed: what a withdrawal names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub proposed: Option<Time>,
    /// When the server forgets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub expires: Option<Time>,
    /// Who signed, with keys that count. Of a blocked proposal, every signature.
    pub signed: Vec<SignatureView>,
    /// Signatures that do not count any more.
    pub dropped: Vec<DroppedSignature>,
    /// Parties (and `governance`) whose signature could complete it or bring it nearer.
    #[cfg_attr(feature = "server", schema(value_type = Vec<String>))]
    pub awaiting: Vec<Author>,
    /// Keys that the event introduces, and that have yet to sign it.
    #[cfg_attr(feature = "server", schema(value_type = Vec<String>))]
    pub awaiting_keys: Vec<KeyId>,
    /// What is missing, in words.
    pub missing: Vec<String>,
    /// The rule in force, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why it cannot be recorded, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub seq: Option<Seq>,
    /// Its receipt (SPEC §11), to be kept as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<ReceiptFile>))]
    pub receipt: Option<Box<RawValue>>,
    /// The envelope with its signatures, and the disclosures: what to check and sign. Left out in the results of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub submission: Option<Box<RawValue>>,
}

/// A signature that does not count.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DroppedSignature {
    /// The key.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub keyid: KeyId,
    /// Whose key it is or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub party: Option<PartyId>,
    /// Why it does not count.
    pub why: String,
}

/// Proposals, the oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ProposalList {
    /// The proposals. A page may hold fewer than asked for, even none, and still have a next one.
    pub proposals: Vec<ProposalView>,
    /// The `after` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(required))]
    pub next: Option<String>,
}

/// A signature for a proposal: over the DSSE PAE of the event's payload (SPEC §3).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignatureInput {
    /// The key.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub keyid: KeyId,
    /// The signature, 64 bytes in base64.
    pub sig: String,
}

/// A signature of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignatureFor {
    /// The event hash of the proposal.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub event: EventHash,
    /// The key.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub keyid: KeyId,
    /// The signature, 64 bytes in base64.
    pub sig: String,
}

/// Signatures for many proposals.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignatureBatch {
    /// The signatures, 1 to 1,000.
    pub signatures: Vec<SignatureFor>,
}

/// What became of one signature of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SignatureResult {
    /// The event hash of the proposal.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub event: EventHash,
    /// The key.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub keyid: KeyId,
    /// 200 taken, otherwise the status of the problem.
    pub status: u16,
    /// The proposal as it stands then, without its submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<ProposalView>,
    /// Why the signature was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What became of a batch of signatures, in its order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SignatureResults {
    /// One result a signature.
    pub results: Vec<SignatureResult>,
}

/// A proposal that was withdrawn.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Withdrawn {
    /// Its event hash.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub withdrawn: EventHash,
}
