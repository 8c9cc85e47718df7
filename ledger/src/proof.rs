//! Proofs that an entry is in the log (C2SP tlog-proof) and receipts (SPEC §11).
//!
//! A proof is lines: `c2sp.org/tlog-proof@v1`, perhaps `extra <base64>`, `index <n>`, the inclusion proof with one
//! base64 hash a line from the leaf's sibling upwards, an empty line, and the signed checkpoint. Reading is strict and
//! writing gives the same bytes again. Limits: [`MAX_PROOF_BYTES`], 64 hashes.
//!
//! ```
//! use countersign_ledger::proof::LogProof;
//!
//! let text = "c2sp.org/tlog-proof@v1\nindex 0\n\nexample.com/behind-the-sofa\n1\n\
//!     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzA==\n";
//! let proof: LogProof = text.parse()?;
//! assert_eq!(proof.index().0, 0);
//! assert_eq!(proof.to_string(), text);
//! # Ok::<(), countersign_ledger::proof::ProofError>(())
//! ```

mod receipt;

pub use receipt::{MAX_DISCLOSURE_BYTES, MAX_DISCLOSURES, MAX_ENTRY_BYTES, MAX_RECEIPT_BYTES, Receipt, ReceiptError};

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::checkpoint::{CheckpointError, SignedCheckpoint, parse_decimal, parse_hash};
use crate::hash::{LeafHash, NodeHash};
use crate::id::Seq;
use crate::keys::{decode_base64, encode_base64};
use crate::merkle::{InclusionError, verify_inclusion};
use crate::note::MAX_NOTE_BYTES;

/// The largest proof that is read: a note and 64 KiB for what stands before it.
pub const MAX_PROOF_BYTES: usize = MAX_NOTE_BYTES + 64 * 1024;
/// The most hashes that an inclusion proof can have: one for each height of the largest tree.
const MAX_HASHES: usize = 64;
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that some leaf is in a log, with the checkpoint that it leads to. Nothing in it is verified by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    extra: Option<Vec<u8>>,
    index: Seq,
    hashes: Vec<NodeHash>,
    checkpoint: SignedCheckpoint,
}

/// Tells why a text is not a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The text is too long.
    #[error("expected a proof of at most {MAX_PROOF_BYTES} bytes, found {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The inclusion proof has too many hashes.
    #[error("expected at most {MAX_HASHES} hashes in an inclusion proof, found more")]
    TooManyHashes,
    /// A line is not what it should be.
    #[error("expected {expected} in line {line} of the proof, found {found:?}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What should have stood there.
        expected: &'static str,
        /// The line, shortened to 120 characters.
        found: String,
    },
    /// The text ends too early.
    #[error("expected an empty line and a checkpoint after the hashes of the proof, found the end")]
    NoCheckpoint,
    /// The checkpoint is not one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl LogProof {
    /// Puts a proof together.
    ///
    /// # Errors
    /// When there are more hashes than any tree's proof has.
    pub fn new(index: Seq, hashes: Vec<NodeHash>, checkpoint: SignedCheckpoint) -> Result<Self, ProofError> {
        if hashes.len() > MAX_HASHES {
            return Err(ProofError::TooManyHashes);
        }
        Ok(Self { extra: None, index, hashes, checkpoint })
    }

    /// Returns the opaque data that came along. Nothing vouches for it; this ledger writes none.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Returns the index of the leaf: the entry's `seq`.
    #[must_use]
    pub const fn index(&self) -> Seq {
        self.index
    }

    /// Returns the inclusion proof, from the leaf's sibling upwards.
    #[must_use]
    pub fn hashes(&self) -> &[NodeHash] {
        &self.hashes
    }

    /// Returns the checkpoint that the proof leads to. Its signatures are the caller's to verify.
    #[must_use]
    pub const fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Checks that `leaf` is at this index in the tree of the checkpoint. Says nothing of the checkpoint's signatures.
    ///
    /// # Errors
    /// When the proof does not lead from the leaf to the checkpoint's root.
    pub fn verify_leaf(&self, leaf: &LeafHash) -> Result<(), InclusionError> {
        let checkpoint = self.checkpoint.checkpoint();
        verify_inclusion(self.index, checkpoint.size, leaf, &self.hashes, &checkpoint.root)
    }
}

impl FromStr for LogProof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_PROOF_BYTES {
            return Err(ProofError::TooLong { found: text.len() });
        }
        let mut lines = Lines { rest: text, read: 0 };
        let header = lines.next()?;
        if header != HEADER {
            return Err(lines.expected("`c2sp.org/tlog-proof@v1`", header));
        }
        let mut line = lines.next()?;
        let mut extra = None;
        if let Some(base64) = line.strip_prefix("extra ") {
            let wrong = lines.expected("`extra` and padded, canonical base64", line);
            extra = Some(decode_base64(base64).ok_or(wrong)?);
            line = lines.next()?;
        }
        let index = line.strip_prefix("index ").and_then(parse_decimal).map(Seq);
        let index = index.ok_or_else(|| lines.expected("`index` and a decimal number without leading zeros", line))?;
        let mut hashes = Vec::new();
        loop {
            let line = lines.next()?;
            if line.is_empty() {
                break;
            }
            if hashes.len() == MAX_HASHES {
                return Err(ProofError::TooManyHashes);
            }
            let wrong = || lines.expected("the padded base64 of a 32-byte hash, or an empty line", line);
            hashes.push(parse_hash(line).ok_or_else(wrong)?);
        }
        Ok(Self { extra, index, hashes, checkpoint: lines.rest.parse()? })
    }
}

/// Takes a text apart line by line.
struct Lines<'a> {
    rest: &'a str,
    read: usize,
}

impl<'a> Lines<'a> {
    /// Returns the next line; the last line before the end of the text does not count without its newline.
    fn next(&mut self) -> Result<&'a str, ProofError> {
        let (line, rest) = self.rest.split_once('\n').ok_or(ProofError::NoCheckpoint)?;
        self.rest = rest;
        self.read += 1;
        Ok(line)
    }

    fn expected(&self, expected: &'static str, found: &str) -> ProofError {
        ProofError::Line { line: self.read, expected, found: found.chars().take(120).collect() }
    }
}

/// Writes the proof, byte for byte as it was read.
impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", encode_base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", encode_base64(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl Serialize for LogProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogProof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
