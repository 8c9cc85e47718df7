//! Proofs of misbehaviour (SPEC §16): signed statements of a log that cannot all be true, or its signature over an
//! entry that the ledger must not have. A file of this kind needs nothing beside it but the ledger id.
//!
//! [`read`] takes the file apart, [`keys`] finds the log's keys and whether a checkpoint is the log's statement,
//! [`judge`] says whether the claim holds, [`words`] puts it into sentences for people who were not there.

pub mod judge;
pub mod keys;
pub mod read;
pub mod words;

use std::fmt;

use crate::checkpoint::Checkpoint;
use crate::checks::Fault;
use crate::hash::Hash;
use crate::trust::Trust;

pub use keys::{ShownBy, SignedWith};
pub use read::{MAX_PROOF_OF_MISBEHAVIOUR, Proof, ProofFault};

/// What a proof claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Two checkpoints, neither of which is of a tree that the other continues.
    InconsistentCheckpoints,
    /// A receipt for an entry in whose place another stands.
    EntryNotInTree,
    /// An entry that is none by its own line.
    InvalidEntry,
    /// An entry with a signature that is not valid.
    BadSignature,
    /// An entry that names another one before it than the tree has.
    BrokenChain,
    /// An entry that is older than one before it.
    TimeWentBack,
    /// A pointer of an entry to where it must not point.
    FalsePointer,
    /// One id for two events of an author.
    RepeatedId,
    /// An entry after the ledger's last.
    AfterClosed,
}

impl What {
    const ALL: [What; 9] = [
        What::InconsistentCheckpoints,
        What::EntryNotInTree,
        What::InvalidEntry,
        What::BadSignature,
        What::BrokenChain,
        What::TimeWentBack,
        What::FalsePointer,
        What::RepeatedId,
        What::AfterClosed,
    ];

    /// The word of the file.
    pub fn name(self) -> &'static str {
        match self {
            What::InconsistentCheckpoints => "inconsistent_checkpoints",
            What::EntryNotInTree => "entry_not_in_tree",
            What::InvalidEntry => "invalid_entry",
            What::BadSignature => "bad_signature",
            What::BrokenChain => "broken_chain",
            What::TimeWentBack => "time_went_back",
            What::FalsePointer => "false_pointer",
            What::RepeatedId => "repeated_id",
            What::AfterClosed => "after_closed",
        }
    }

    /// Reads the word.
    pub fn parse(name: &str) -> Option<What> {
        What::ALL.into_iter().find(|what| what.name() == name)
    }
}

/// Which pointer of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pointer {
    /// To the latest entry about the ledger or a party.
    Governance,
    /// To the latest entry about the event's case.
    Case,
    /// To the latest entry of the stream.
    Stream,
}

impl Pointer {
    /// The member's name.
    pub fn name(self) -> &'static str {
        match self {
            Pointer::Governance => "governance",
            Pointer::Case => "case",
            Pointer::Stream => "stream",
        }
    }
}

/// What the user knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The ledger id.
    pub ledger: Option<Hash>,
    /// A trust file.
    pub trust: Option<Trust>,
}

/// What comes of a proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The claim holds.
    Proven,
    /// It does not, or the file is not of the form.
    NotProven,
    /// Nothing was decided.
    NotChecked,
}

impl Verdict {
    /// The word of reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Proven => "proven",
            Verdict::NotProven => "not_proven",
            Verdict::NotChecked => "not_checked",
        }
    }

    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            Verdict::Proven => 0,
            Verdict::NotProven => 1,
            Verdict::NotChecked => 2,
        }
    }
}

/// A checkpoint of the file, and with which keys of the log it is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// What the log said by it, in words.
    pub says: String,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The keys of the log that signed it.
    pub signed: Vec<SignedWith>,
    /// Witnesses of the trust file whose cosignatures are valid, and when they cosigned, in seconds since 1970.
    pub cosigned: Vec<(String, u64)>,
}

/// What a file comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Whether it is proven.
    pub verdict: Verdict,
    /// The ledger that the file names.
    pub ledger: Option<Hash>,
    /// The log's name, where the file's entry 0 is that ledger's.
    pub origin: Option<String>,
    /// What it claims.
    pub what: Option<What>,
    /// The log's signed statements.
    pub statements: Vec<Statement>,
    /// Why they cannot all be true, or the entry must not be there; empty where it is not proven.
    pub why: Vec<String>,
    /// Why it is not proven or not checked; empty where it is.
    pub detail: String,
}

impl Finding {
    fn not(verdict: Verdict, detail: String) -> Finding {
        Finding { verdict, ledger: None, origin: None, what: None, statements: Vec::new(), why: Vec::new(), detail }
    }
}

/// Why a claim is not proven: what was expected, and what the file has.
pub(crate) fn fault(detail: impl Into<String>, expected: impl fmt::Display, found: impl fmt::Display) -> Fault {
    Fault::new(detail, expected.to_string(), found.to_string())
}

/// Decides whether a file proves what it claims.
pub fn examine(bytes: &[u8], known: &Known) -> Finding {
    let proof = match Proof::parse(bytes) {
        Ok(proof) => proof,
        Err(ProofFault::Newer(version)) => {
            let detail = format!("version {version} needs a newer version of this program");
            return Finding::not(Verdict::NotChecked, detail);
        }
        Err(ProofFault::Malformed(fault)) => {
            return Finding::not(Verdict::NotProven, format!("this is not a proof of misbehaviour: {fault}"));
        }
    };
    let mut finding = Finding::not(Verdict::NotChecked, String::new());
    finding.ledger = Some(proof.ledger);
    finding.what = Some(proof.claim.what());
    let trusts_logs = known.trust.as_ref().is_some_and(|trust| !trust.logs().is_empty());
    if known.ledger.is_none() && !trusts_logs {
        finding.detail = "neither a ledger id nor a trust file that lists the log was given, so these may be keys \
                          that somebody made up"
            .to_owned();
        return finding;
    }
    match judge::judge(&proof, known, &mut finding) {
        Ok(why) => {
            finding.verdict = Verdict::Proven;
            finding.why = why;
        }
        Err(fault) => {
            finding.verdict = Verdict::NotProven;
            finding.detail = format!("{}: expected {}, found {}", fault.detail, fault.expected, fault.found);
        }
    }
    finding
}
