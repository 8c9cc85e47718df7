//! What server and client say to each other, as types. The paths are in `/openapi.json`.
//!
//! Hashes are 64 lower-case hex digits in JSON, times are as in entries, keys are base64 (SPEC §1). Members that are
//! absent are left out, unless said to be `null`.

use std::collections::BTreeMap;

use countersign_ledger::annual::{AnnualReport, CaseTotals};
use countersign_ledger::authority::{Authority, KeyUse, Party};
use countersign_ledger::capacity::Capacity;
use countersign_ledger::event::Evidence;
use countersign_ledger::findings::{Finding, Obligation, Unknown};
use countersign_ledger::hash::{EventHash, FileHash, KeyId, LeafHash, LedgerId, NodeHash, SealHash};
use countersign_ledger::id::{Author, CaseId, Kind, PartyId, Seq, Subject, TreeSize};
use countersign_ledger::keys::{self, PublicKey};
use countersign_ledger::reconcile::{Row, Total};
use countersign_ledger::time::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::problem::Problem;

pub mod proposals;
pub mod views;
pub mod witnesses;

/// One JSON value.
pub const JSON: &str = "application/json";
/// One JSON value a line: batches, their results, raw entries.
pub const NDJSON: &str = "application/x-ndjson";
/// Bundles (SPEC §11).
pub const JSONL: &str = "application/jsonl";
/// Bundles compressed as files.
pub const ZSTD: &str = "application/zstd";
/// Notes, proofs, single entry lines.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Tiles and entry bundles.
pub const BYTES: &str = "application/octet-stream";
/// New entries as server-sent events.
pub const EVENT_STREAM: &str = "text/event-stream";

/// The header that tells the sequence number of what was recorded.
pub const SEQ_HEADER: &str = "countersign-seq";
/// The header that tells the event hash of what was recorded.
pub const EVENT_HEADER: &str = "countersign-event";
/// The header that tells how many signatures of a repeated submission are not in the ledger.
pub const UNRECORDED_HEADER: &str = "countersign-unrecorded-signatures";
/// The header that tells, where that was asked for, whether the quorum of witnesses has cosigned the receipt's checkpoint.
pub const WITNESSED_HEADER: &str = "countersign-witnessed";
/// The header with the request's id.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// The most bytes of a request that is one submission (SPEC §12).
pub const MAX_REQUEST: usize = 1 << 20;
/// The most bytes of a batch (SPEC §12).
pub const MAX_BATCH: usize = 32 << 20;
/// The most submissions in a batch.
pub const MAX_BATCH_LINES: u64 = 65_536;

/// What became of one line of a batch: the ledger recorded it (`status` 200 or 201), or `problem` says why not.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct BatchResult {
    /// The line of the request, from 1; empty lines are counted and skipped.
    pub line: u64,
    /// 201 recorded, 200 had been recorded before, otherwise the status of the problem.
    pub status: u16,
    /// The event hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$"))]
    pub event: Option<EventHash>,
    /// The sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub seq: Option<Seq>,
    /// How many signatures of the line are not in the ledger, because the event had been recorded without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrecorded_signatures: Option<usize>,
    /// The receipt (SPEC §11), to be kept as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<ReceiptFile>))]
    pub receipt: Option<Box<RawValue>>,
    /// Why it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// A receipt (SPEC §11).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ReceiptFile {
    /// The entry's line, byte for byte.
    pub entry: String,
    /// The C2SP tlog-proof that it is in the log.
    pub proof: String,
    /// Its disclosures (SPEC §10).
    pub disclosures: Vec<String>,
}

/// A file that events name as evidence.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct EvidenceView {
    /// Its SHA-256.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub sha256: FileHash,
    /// Whether the server has it.
    pub here: bool,
    /// The recorded entries that name it.
    pub named: Vec<EvidenceNamed>,
}

/// What an entry says of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct EvidenceNamed {
    /// The entry.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// The file's size in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// Its name, for people.
    pub name: String,
}

impl EvidenceView {
    /// Puts together what entries say of a file.
    #[must_use]
    pub fn new(sha256: FileHash, here: bool, named: Vec<(Seq, Evidence)>) -> Self {
        let named = named.into_iter().map(|(seq, evidence)| EvidenceNamed {
            seq,
            size: evidence.size,
            media_type: evidence.media_type,
            name: evidence.name,
        });
        Self { sha256, here, named: named.collect() }
    }
}

/// The files of a submission that may be sent before it is recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Announced {
    /// The submission's event hash.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub event: EventHash,
    /// The files that it names.
    pub evidence: Vec<AnnouncedFile>,
}

/// A file that a submission names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AnnouncedFile {
    /// Its SHA-256.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub sha256: FileHash,
    /// Its size in bytes.
    pub size: u64,
    /// Whether the server has it already.
    pub here: bool,
}

/// An entry and, beside its exact line, what it says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct EntryView {
    /// The sequence number.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// The exact line: what is hashed and signed over.
    pub line: String,
    /// Its leaf hash.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub leaf_hash: LeafHash,
    /// Its event hash.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub event_hash: EventHash,
    /// The admission time.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub time: Time,
    /// The payload as signed, decoded (SPEC §3).
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub event: Value,
    /// Who signed.
    pub signatures: Vec<SignatureView>,
    /// The disclosures that the server holds.
    pub disclosures: Vec<String>,
    /// The body with those disclosures put back; only where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub body: Option<Value>,
}

/// One signature of an entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SignatureView {
    /// The key's id.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub keyid: KeyId,
    /// Whose key it is, or `governance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub party: Option<Author>,
}

/// Events of one stream, in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct StreamPage {
    /// The case, `null` for a stream outside any.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, required))]
    pub case: Option<CaseId>,
    /// The subject.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub subject: Subject,
    /// The latest event: what the next one's `after` names.
    pub head: StreamHeadView,
    /// The events from `from`, at most `limit`.
    pub events: Vec<StreamItem>,
    /// The `from` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>, required))]
    pub next: Option<Seq>,
}

/// The latest event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct StreamHeadView {
    /// Its entry.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// Its event hash.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub event: EventHash,
}

/// One event of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct StreamItem {
    /// Its entry.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// Its event hash.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub event: EventHash,
    /// What happened.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub kind: Kind,
    /// Who said so.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub author: Author,
    /// When it was recorded.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub time: Time,
    /// The event that its signers had seen last, `null` for the first.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, required))]
    pub after: Option<EventHash>,
}

/// An inclusion proof (RFC 9162 §2.1.3).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct InclusionProof {
    /// The entry.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// The size of the tree.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub size: TreeSize,
    /// The entry's leaf hash.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub leaf_hash: LeafHash,
    /// The hashes from the leaf's sibling upwards, in base64.
    #[cfg_attr(feature = "server", schema(value_type = Vec<String>))]
    pub hashes: Vec<Base64Hash>,
}

/// A consistency proof (RFC 9162 §2.1.4).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ConsistencyProof {
    /// The size of the earlier tree.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub old: TreeSize,
    /// The size of the later tree.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub new: TreeSize,
    /// The hashes, in base64.
    #[cfg_attr(feature = "server", schema(value_type = Vec<String>))]
    pub hashes: Vec<Base64Hash>,
}

/// A node hash, in base64 as proofs have it (SPEC §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base64Hash(pub(crate) NodeHash);

impl Serialize for Base64Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&keys::encode_base64(self.0.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for Base64Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Option<[u8; 32]> = keys::decode_base64(&text).and_then(|bytes| bytes.try_into().ok());
        let wrong = || serde::de::Error::custom(format!("expected the padded base64 of 32 bytes, found {text:?}"));
        bytes.map(|bytes| Self(NodeHash::from_bytes(bytes))).ok_or_else(wrong)
    }
}

/// The ledger: who it is, what it stands at, who governs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LedgerInfo {
    /// The ledger id. An inspector takes it from a trusted source, not from here (SPEC §6).
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub ledger: LedgerId,
    /// The name in checkpoints.
    pub origin: String,
    /// The log key in force, as a vkey.
    pub log_key: String,
    /// How many entries are durable.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub size: TreeSize,
    /// Whether it records what is submitted.
    pub state: ServiceState,
    /// The signed checkpoint over those entries.
    pub checkpoint: String,
    /// The governance keys in force.
    pub governance: GovernanceInfo,
    /// The policy in force: a rule for every kind (SPEC §9).
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub policy: Value,
    /// The version of the server.
    pub version: String,
    /// How many parties are enrolled.
    pub parties: usize,
    /// How many cases were opened.
    pub cases: usize,
    /// How far the views are.
    #[serde(default)]
    pub views: views::AsOf,
    /// Of what this is a copy, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyInfo>,
}

/// A copy of a ledger: it is read and never appended to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CopyInfo {
    /// What sort: `mirror` follows a server; `read_only` was restored to be read.
    pub role: CopyRole,
    /// The server, or the bundle, that it was made from.
    pub source: String,
    /// When the source last answered with a checkpoint that agrees with the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub agreed: Option<Time>,
    /// Why the source is not reached; the copy is served as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<String>,
    /// How the source contradicts the copy. It is not followed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradiction: Option<String>,
}

/// Sorts of copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CopyRole {
    /// It follows a server.
    Mirror,
    /// It was restored to be read.
    ReadOnly,
}

/// A seal: an entry that commits to every stream of the entries before it (SPEC §15).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SealView {
    /// Its entry, and so how many entries it covers.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// When it was recorded.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub time: Time,
    /// Its event hash.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub event: EventHash,
    /// Who signed it.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub author: Author,
    /// How many streams it covers.
    pub streams: u64,
    /// The root over them.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub root: SealHash,
    /// How many entries were recorded after it.
    pub since: u64,
}

/// What the ledger does with submissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It records them.
    Serving,
    /// It was closed by `ledger.closed` and refuses them.
    Closed,
    /// It is a copy: it refuses them.
    ReadOnly,
    /// The server is about to exit; nothing more is recorded.
    Stopping,
    /// Its store is in doubt; the server is about to exit.
    Failed,
}

/// The governance keys and how many of them must sign (SPEC §6).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct GovernanceInfo {
    /// How many must sign.
    pub threshold: usize,
    /// The keys, in base64.
    #[cfg_attr(feature = "server", schema(value_type = Vec<String>))]
    pub keys: Vec<PublicKey>,
}

/// A party as the ledger has it at its head (SPEC §8).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PartyView {
    /// Its id.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub party: PartyId,
    /// Its name.
    pub name: String,
    /// Its country (ISO 3166-1 alpha-2), `null` for an organisation without one.
    #[cfg_attr(feature = "server", schema(required))]
    pub country: Option<String>,
    /// Its capacities.
    #[cfg_attr(feature = "server", schema(value_type = Vec<String>))]
    pub capacities: Vec<Capacity>,
    /// The entry that enrolled it.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub enrolled: Seq,
    /// The party that succeeded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub successor: Option<PartyId>,
    /// Its keys, as they were introduced.
    pub keys: Vec<KeyView>,
    /// What the views know of it; only where one party is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<PartyInViews>,
}

impl PartyView {
    /// Returns a party as an authority state has it.
    #[must_use]
    pub fn of(authority: &Authority, id: &PartyId, party: &Party) -> Self {
        Self {
            party: id.clone(),
            name: party.name.clone(),
            country: party.country.clone(),
            capacities: party.capacities.iter().copied().collect(),
            enrolled: party.enrolled,
            successor: party.successor.clone(),
            keys: party.keys.iter().filter_map(|keyid| KeyView::of(authority, keyid)).collect(),
            views: None,
        }
    }
}

impl KeyView {
    /// Returns a party's key as an authority state has it; `None` where it is no party's.
    #[must_use]
    pub fn of(authority: &Authority, keyid: &KeyId) -> Option<Self> {
        let known = authority.key(keyid)?;
        let KeyUse::Party(key) = &known.purpose else { return None };
        let (status, ended) = match (&key.revoked, &key.retired) {
            (Some(revoked), _) => (KeyStatus::Revoked, Some(revoked)),
            (None, Some(retired)) => (KeyStatus::Retired, Some(retired)),
            (None, None) => (KeyStatus::Active, None),
        };
        Some(Self {
            keyid: *keyid,
            public_key: known.key,
            holder: key.holder.clone(),
            uses: key.uses.iter().map(ToString::to_string).collect(),
            not_after: key.not_after,
            status,
            introduced: key.introduced,
            ended: ended.map(|ended| ended.seq),
            suspect_from: ended.and_then(|ended| ended.suspect_from),
        })
    }
}

/// What views know of a party.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PartyInViews {
    /// How far the views are.
    #[serde(flatten)]
    pub as_of: views::AsOf,
    /// How many items that it has are in which state; what has no serials counts as one.
    pub items: BTreeMap<String, u64>,
}

/// A key of a party.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct KeyView {
    /// Its id.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub keyid: KeyId,
    /// The key, in base64.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub public_key: PublicKey,
    /// The office that holds it.
    pub holder: String,
    /// For which kinds it counts: kinds, `prefix.*` or `*`.
    pub uses: Vec<String>,
    /// Until when it counts, `null` for no end.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, required))]
    pub not_after: Option<Time>,
    /// `active`, `retired` or `revoked`.
    pub status: KeyStatus,
    /// The entry that introduced it.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub introduced: Seq,
    /// The entry that retired or revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub ended: Option<Seq>,
    /// From when on its signatures are suspect (SPEC §8), if its revocation says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub suspect_from: Option<Time>,
}

/// Whether a key may still sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// It may.
    Active,
    /// It was retired.
    Retired,
    /// It was revoked.
    Revoked,
}

/// Parties, by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PartyList {
    /// The parties.
    pub parties: Vec<PartyView>,
    /// The `after` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, required))]
    pub next: Option<PartyId>,
}

/// A case as the ledger has it at its head (SPEC §8).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CaseView {
    /// Its id.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub case: CaseId,
    /// Its title.
    pub title: String,
    /// Which parties are bound to each role.
    #[cfg_attr(feature = "server", schema(value_type = BTreeMap<String, Vec<String>>))]
    pub roles: BTreeMap<Capacity, Vec<PartyId>>,
    /// The entry that opened it.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub opened: Seq,
    /// The latest entry of the case's own stream; `/v1/entries` and `/v1/streams` have what it says.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub latest: Seq,
    /// The entry that closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub closed: Option<Seq>,
    /// What the views know of it; only where one case is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<CaseInViews>,
}

/// What views know of a case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CaseInViews {
    /// How far the views are.
    #[serde(flatten)]
    pub as_of: views::AsOf,
    /// How closely end use is monitored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<String>,
    /// Its terms (DOMAIN §4), as the latest amendment has them.
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub terms: Value,
    /// How many items are in which state; what has no serials counts as one.
    pub items: BTreeMap<String, u64>,
}

/// Cases, by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CaseList {
    /// The cases.
    pub cases: Vec<CaseView>,
    /// The `after` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, required))]
    pub next: Option<CaseId>,
}

/// The report of a year, and what each case comes to, computed when asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnnualView {
    /// The report.
    pub report: AnnualReport,
    /// The totals of each case, from its beginning.
    pub cases: Vec<CaseTotals>,
}

/// Findings of some cases, computed when asked (DOMAIN §5).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FindingsPage {
    /// As of when: entries recorded later are left out.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub as_of: Time,
    /// The size of the ledger that they were computed from.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub size: TreeSize,
    /// What does not add up: the most serious first within a case.
    #[cfg_attr(feature = "server", schema(value_type = Vec<Object>))]
    pub findings: Vec<Finding>,
    /// What cannot be told from what the server holds.
    #[cfg_attr(feature = "server", schema(value_type = Vec<Object>))]
    pub unknowns: Vec<Unknown>,
    /// What is open and not overdue.
    #[cfg_attr(feature = "server", schema(value_type = Vec<Object>))]
    pub obligations: Vec<Obligation>,
    /// The `after` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, required))]
    pub next: Option<CaseId>,
}

/// Reconciliation of a case, holder, site or stock number, computed when asked (DOMAIN §6).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ReconciliationPage {
    /// As of when: entries recorded later are left out.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub as_of: Time,
    /// The size of the ledger that it was computed from.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub size: TreeSize,
    /// By stock number and unit.
    #[cfg_attr(feature = "server", schema(value_type = Vec<Object>))]
    pub totals: Vec<Total>,
    /// By line, each followed by its serials.
    #[cfg_attr(feature = "server", schema(value_type = Vec<Object>))]
    pub rows: Vec<Row>,
}

/// Every kind that has a rule or a schema.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct KindList {
    /// The kinds, in order.
    pub kinds: Vec<KindItem>,
}

/// A kind in the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct KindItem {
    /// The kind.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub kind: Kind,
    /// Whether the policy in force has a rule for it.
    pub in_policy: bool,
    /// Whether this server has a schema for it. Only a kind with both can be recorded.
    pub has_schema: bool,
    /// What it says, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// What an event of a kind looks like, and who must sign it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct KindView {
    /// The kind.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub kind: Kind,
    /// The JSON Schema (2020-12) of an event of this kind, `null` when this server has none.
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>, required))]
    pub schema: Option<Value>,
    /// The rule in force and whether a case is required (SPEC §9), `null` when the policy has none.
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>, required))]
    pub policy: Option<Value>,
    /// What it says, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The rule in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Whether the server can do its work.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// What the operator should look into: a witness says that this ledger was rolled back or forked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
