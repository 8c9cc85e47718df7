//! What can go wrong between a client and a server.

use std::path::PathBuf;

use countersign_ledger::checkpoint::{CheckpointError, CheckpointSignatureError};
use countersign_ledger::entry::EntryError;
use countersign_ledger::event::EventError;
use countersign_ledger::hash::{EventHash, KeyId, LedgerId};
use countersign_ledger::id::TreeSize;
use countersign_ledger::merkle::{ConsistencyError, InclusionError};

use crate::failure::{Failure, plain_io};
use crate::problem::Problem;

/// Why the client did not get, or does not believe, an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address, a certificate file or another setting.
    #[error("{what}")]
    Setting {
        /// What is wrong with which setting.
        what: String,
    },
    /// No answer, after several tries.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What the last try said.
        reason: String,
    },
    /// The server refused, or has no such thing.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// What the server sent is not of the form of this API.
    #[error("the server's answer to {request} is not what it should be: {reason}")]
    Answer {
        /// The method and path.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The state file could not be read or written.
    #[error("cannot {what} {}: {}", path.display(), plain_io(source))]
    State {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The answer does not prove itself.
    #[error(transparent)]
    Distrust(#[from] Distrust),
}

/// Why an answer does not prove itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// Another ledger than the one asked for.
    #[error("{server} serves ledger {found}, expected {expected}")]
    WrongLedger {
        /// The server's address.
        server: String,
        /// The ledger that was named.
        expected: LedgerId,
        /// The ledger that it serves.
        found: LedgerId,
    },
    /// Entry 0 is not what the ledger id is the hash of.
    #[error("entry 0 has event hash {found}, which is not the ledger id {expected}")]
    Genesis {
        /// The ledger id.
        expected: LedgerId,
        /// The hash of what the server sent.
        found: EventHash,
    },
    /// Entry 0 says nothing that a ledger begins with.
    #[error("entry 0 is no ledger.created: {reason}")]
    GenesisBody {
        /// What is wrong with it.
        reason: String,
    },
    /// A change of log key or of governance without the quorum's signatures.
    #[error("entry {seq} ({kind}) is not signed by the governance quorum")]
    Quorum {
        /// The entry.
        seq: u64,
        /// Its kind.
        kind: String,
    },
    /// A line that is no entry.
    #[error("the server sent a line that is no entry: {0}")]
    Entry(#[from] EntryError),
    /// An entry without an event.
    #[error("the server sent an entry without an event: {0}")]
    Event(#[from] EventError),
    /// An entry with another event than the one asked for or sent.
    #[error("the server sent event {found}, expected {expected}")]
    OtherEvent {
        /// The event asked for or sent.
        expected: EventHash,
        /// The event received.
        found: EventHash,
    },
    /// A proposal with a signature that is none, or by a key that nobody knows.
    #[error("the server shows a proposal with a signature by {keyid} that does not verify")]
    ProposalSignature {
        /// The key.
        keyid: KeyId,
    },
    /// A key that the entry which the server names did not give to that party.
    #[error("the server says that {keyid} is a key of {party}, and the entry that it names does not")]
    Holder {
        /// The key.
        keyid: KeyId,
        /// Whose it is said to be.
        party: String,
    },
    /// A receipt whose entry has other signatures than those that were sent.
    #[error("the receipt's entry has other signatures than the envelope that was sent")]
    OtherSignatures,
    /// A receipt without the disclosures that were sent.
    #[error("the receipt has other disclosures than those that were sent")]
    OtherDisclosures,
    /// A checkpoint that is none.
    #[error("the server sent no checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint of another log.
    #[error("the checkpoint is of {found}, expected {expected}")]
    Origin {
        /// The origin of the ledger.
        expected: String,
        /// The origin of the checkpoint.
        found: String,
    },
    /// A checkpoint that the log key in force did not sign.
    #[error("the checkpoint is not signed by the ledger's log key: {0}")]
    Unsigned(#[from] CheckpointSignatureError),
    /// An inclusion proof that leads elsewhere.
    #[error("the receipt does not prove itself: {0}")]
    Inclusion(#[from] InclusionError),
    /// A checkpoint smaller than one that was seen before.
    #[error("the server went back: it shows {shown} entries, and has shown {seen} before")]
    Behind {
        /// The size it shows.
        shown: TreeSize,
        /// The size seen before.
        seen: TreeSize,
    },
    /// Two signed checkpoints that are not of one history.
    #[error(
        "the server showed two histories: the checkpoint of size {new} does not extend the one of size {old} ({reason})"
    )]
    TwoHistories {
        /// The smaller size.
        old: TreeSize,
        /// The larger size.
        new: TreeSize,
        /// The proof's verdict.
        reason: ConsistencyError,
    },
    /// Two signed checkpoints of one size and two roots.
    #[error("the server showed two histories: two checkpoints of size {size} with different roots")]
    TwoRoots {
        /// The size.
        size: TreeSize,
    },
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Setting { .. } | ClientError::State { .. } => Self::usage(message),
            ClientError::Unreachable { .. } => {
                Self::usage(message).hint("is the server running, and is --server (or COUNTERSIGN_SERVER) its address?")
            }
            ClientError::Refused(problem) => Self::from(*problem),
            ClientError::Answer { .. } => {
                Self::distrust(message).hint("is this the address of a countersign server of the same version?")
            }
            ClientError::Distrust(distrust) => {
                let failure = Self::distrust(message);
                match distrust {
                    Distrust::WrongLedger { .. } => failure
                        .hint("name the right --server, or the right --ledger if you have it from a source you trust"),
                    Distrust::Behind { .. } | Distrust::TwoHistories { .. } | Distrust::TwoRoots { .. } => failure.hint(
                        "keep the checkpoint in your state folder: with the server's answer it is evidence; tell the other parties",
                    ),
                    _ => failure.hint("do not rely on this server before its operator has explained it"),
                }
            }
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let unavailable = problem.status >= 500;
        let message = problem.to_string();
        let failure = if unavailable {
            let id = problem.request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default();
            Self::usage(format_args!("the server cannot answer: {message}{id}"))
        } else {
            Self::refused(format_args!("the server refused: {message}"))
        };
        let hint = problem.hint.clone().or_else(|| hint_for(&problem));
        let failure = failure.code(&problem.code);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Says what to do about a refusal that brings no hint of its own.
fn hint_for(problem: &Problem) -> Option<String> {
    let text = match problem.code.as_str() {
        "stale_after" => match problem.head {
            Some(head) => {
                return Some(format!(
                    "somebody was faster: look at the event that is the head now, then draft and sign again after {head}"
                ));
            }
            None => "somebody was faster: draft and sign again after the present head",
        },
        "id_conflict" => match problem.existing {
            Some(seq) => {
                return Some(format!("entry {seq} has this id with another content: `countersign event show {seq}`"));
            }
            None => "draft the event again: it gets a new id",
        },
        "unsigned" => "sign it first: `countersign event sign FILE --key KEY`",
        "policy_not_satisfied" | "party_did_not_sign" | "author_did_not_sign" | "signers_differ" => {
            "`countersign event sign FILE --key KEY` adds the signatures that are missing"
        }
        "introduced_key_unsigned" => "the new key signs too: `countersign event sign FILE --key NEWKEY`",
        "governance_short_of_quorum" | "governance_needed" => {
            "more governance keys must sign: `countersign event sign FILE --key KEY`"
        }
        "unknown_key" | "key_does_not_count" => "`countersign party show PARTY` lists the keys and what they may sign",
        _ => return None,
    };
    Some(text.to_owned())
}
