//! Receipts: an entry, the proof that it is in the log, and disclosures, in one JSON file (SPEC §11).

use serde::{Deserialize, Serialize};

use super::{LogProof, ProofError};
use crate::hash::LeafHash;
use crate::id::Seq;
use crate::json::{self, JsonError};
use crate::merkle::InclusionError;

/// The longest entry line (SPEC §12).
pub const MAX_ENTRY_BYTES: usize = 65_535;
/// The most disclosures of one event (SPEC §10).
pub const MAX_DISCLOSURES: usize = 256;
/// The most bytes in the disclosures of one event (SPEC §10).
pub const MAX_DISCLOSURE_BYTES: usize = 256 * 1024;
/// The largest receipt that is read (SPEC §12).
pub const MAX_RECEIPT_BYTES: usize = 1024 * 1024;

/// What a submitter keeps: the entry's line, the proof that it is recorded, and disclosures of what it conceals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Members", into = "Members")]
pub struct Receipt {
    entry: String,
    proof: LogProof,
    disclosures: Vec<String>,
}

/// The members of the file, in their order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    entry: String,
    proof: String,
    disclosures: Vec<String>,
}

/// Tells why bytes are not a receipt, or a receipt does not prove what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The file is too long.
    #[error("expected a receipt of at most {MAX_RECEIPT_BYTES} bytes, found {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// It is not strict JSON.
    #[error("the receipt is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// Its members are not those of a receipt.
    #[error("expected exactly the members entry, proof and disclosures in a receipt: {reason}")]
    Members {
        /// What is wrong with them.
        reason: String,
    },
    /// The entry's line is too long.
    #[error("expected a line of at most {MAX_ENTRY_BYTES} bytes as the receipt's `entry`, found {found}")]
    EntryTooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The entry does not begin with the `seq` that the proof is about.
    #[error("expected an entry that begins with {expected} in the receipt, found {found:?}")]
    Seq {
        /// The beginning that the proof's index calls for.
        expected: String,
        /// The beginning of the entry.
        found: String,
    },
    /// There are too many disclosures.
    #[error("expected at most {MAX_DISCLOSURES} disclosures in a receipt, found {found}")]
    TooManyDisclosures {
        /// How many there are.
        found: usize,
    },
    /// The disclosures are too long.
    #[error("expected at most {MAX_DISCLOSURE_BYTES} bytes of disclosures in a receipt, found {found}")]
    DisclosuresTooLong {
        /// Their length in bytes.
        found: usize,
    },
    /// The proof is not of its form.
    #[error("the receipt's `proof`: {0}")]
    Proof(#[from] ProofError),
    /// The proof does not lead to the root.
    #[error(transparent)]
    Inclusion(#[from] InclusionError),
}

impl Receipt {
    /// Puts a receipt together.
    ///
    /// # Errors
    /// When a limit is passed, or the entry does not begin with the `seq` of the proof.
    pub fn new(entry: String, proof: LogProof, disclosures: Vec<String>) -> Result<Self, ReceiptError> {
        if entry.len() > MAX_ENTRY_BYTES {
            return Err(ReceiptError::EntryTooLong { found: entry.len() });
        }
        let expected = format!("{{\"seq\":{},", proof.index());
        if !entry.starts_with(&expected) {
            return Err(ReceiptError::Seq { expected, found: entry.chars().take(40).collect() });
        }
        if disclosures.len() > MAX_DISCLOSURES {
            return Err(ReceiptError::TooManyDisclosures { found: disclosures.len() });
        }
        let found = disclosures.iter().map(String::len).sum();
        if found > MAX_DISCLOSURE_BYTES {
            return Err(ReceiptError::DisclosuresTooLong { found });
        }
        Ok(Self { entry, proof, disclosures })
    }

    /// Reads a receipt file.
    ///
    /// # Errors
    /// When it is not strict JSON, has other members, passes a limit, or its proof is not of its form.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLong { found: bytes.len() });
        }
        let value = json::parse(bytes, 2)?;
        let members: Members =
            serde_json::from_value(value).map_err(|e| ReceiptError::Members { reason: e.to_string() })?;
        members.try_into()
    }

    /// Writes the receipt file.
    ///
    /// # Panics
    /// Never: three members of text always are JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts always serialise")
    }

    /// Returns the entry's line. Whether it is a well-formed entry is not known.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// Returns the entry's sequence number.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.proof.index()
    }

    /// Returns the proof.
    #[must_use]
    pub const fn proof(&self) -> &LogProof {
        &self.proof
    }

    /// Returns the disclosures. Whether they belong to the entry is not known.
    #[must_use]
    pub fn disclosures(&self) -> &[String] {
        &self.disclosures
    }

    /// Computes the leaf hash of the entry's line.
    #[must_use]
    pub fn leaf(&self) -> LeafHash {
        LeafHash::of_line(self.entry.as_bytes())
    }

    /// Checks that the entry is in the tree of the checkpoint. Says nothing of the checkpoint's signatures.
    ///
    /// # Errors
    /// When the proof does not lead from the entry to the checkpoint's root.
    pub fn verify_inclusion(&self) -> Result<(), InclusionError> {
        self.proof.verify_leaf(&self.leaf())
    }
}

impl TryFrom<Members> for Receipt {
    type Error = ReceiptError;

    fn try_from(members: Members) -> Result<Self, ReceiptError> {
        Self::new(members.entry, members.proof.parse()?, members.disclosures)
    }
}

impl From<Receipt> for Members {
    fn from(receipt: Receipt) -> Self {
        Self { entry: receipt.entry, proof: receipt.proof.to_string(), disclosures: receipt.disclosures }
    }
}
