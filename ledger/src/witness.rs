//! What a witness is asked, and when it may cosign (C2SP tlog-witness, `add-checkpoint`).
//!
//! A request is the line `old` and the size that the log believes the witness holds, at most [`MAX_PROOF_LINES`] lines of
//! a consistency proof in base64, an empty line, and a signed checkpoint. The checks are here, pure and in the order of
//! the specification; what a witness holds, and that it is durable before a cosignature leaves, is the caller's.
//!
//! ```
//! use countersign_ledger::witness::AddCheckpoint;
//!
//! let body = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\n\
//!     example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
//!     — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
//! let request = AddCheckpoint::from_bytes(body.as_bytes())?;
//! assert_eq!((request.old().0, request.proof().len()), (20_852_014, 1));
//! assert_eq!(request.origin(), "example.com/behind-the-sofa");
//! assert_eq!(request.to_string(), body);
//! # Ok::<(), countersign_ledger::witness::AddCheckpointError>(())
//! ```

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError, CheckpointSignatureError, SignedCheckpoint};
use crate::checkpoint::{parse_decimal, parse_hash};
use crate::hash::NodeHash;
use crate::id::TreeSize;
use crate::keys::encode_base64;
use crate::merkle::{ConsistencyError, empty_root, verify_consistency};
use crate::note::{MAX_NOTE_BYTES, Note, NoteError, Vkey};

/// The most lines of a consistency proof (C2SP tlog-witness).
pub const MAX_PROOF_LINES: usize = 63;
/// The longest request: the largest note (SPEC §12), and room for the lines before it.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + 44 * 1024;
/// The media type of the answer to a request that does not begin at what the witness holds: that size, in a line.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// A request to cosign a checkpoint. Nothing of it is verified by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: TreeSize,
    proof: Vec<NodeHash>,
    note: Note,
}

/// Tells why bytes are not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// They are too many.
    #[error("limit request {MAX_REQUEST_BYTES}: found {found} bytes")]
    TooLong {
        /// How many there are.
        found: usize,
    },
    /// The lines before the checkpoint are not UTF-8, or no empty line follows them.
    #[error("expected an `old` line, the lines of a consistency proof, and an empty line before the checkpoint")]
    NoEmptyLine,
    /// The first line is not `old` and a size.
    #[error(
        "expected `old`, a space and a size in decimal digits without leading zeros as the first line, found {found:?}"
    )]
    Old {
        /// The line, shortened to 40 characters.
        found: String,
    },
    /// There are too many lines of proof.
    #[error("limit consistency proof {MAX_PROOF_LINES}: found {found} lines")]
    TooManyLines {
        /// How many there are.
        found: usize,
    },
    /// A line of the proof is not the base64 of a hash.
    #[error("expected the padded base64 of a 32-byte hash in line {line} of the consistency proof, found {found:?}")]
    Hash {
        /// Which line, from 1.
        line: usize,
        /// The line, shortened to 80 characters.
        found: String,
    },
    /// What follows is not a signed note.
    #[error("the checkpoint is not a signed note: {0}")]
    Note(#[from] NoteError),
}

impl AddCheckpoint {
    /// Puts a request together: `proof` leads from the tree of `old` entries to the checkpoint's.
    ///
    /// # Errors
    /// When the proof has too many hashes.
    pub fn new(old: TreeSize, proof: Vec<NodeHash>, checkpoint: &SignedCheckpoint) -> Result<Self, AddCheckpointError> {
        if proof.len() > MAX_PROOF_LINES {
            return Err(AddCheckpointError::TooManyLines { found: proof.len() });
        }
        Ok(Self { old, proof, note: checkpoint.note().clone() })
    }

    /// Reads a request.
    ///
    /// # Errors
    /// When the bytes are not of its form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AddCheckpointError> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(AddCheckpointError::TooLong { found: bytes.len() });
        }
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").ok_or(AddCheckpointError::NoEmptyLine)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| AddCheckpointError::NoEmptyLine)?;
        let mut lines = head.split('\n');
        let first = lines.next().unwrap_or_default();
        let old = first.strip_prefix("old ").and_then(parse_decimal).map(TreeSize);
        let old = old.ok_or_else(|| AddCheckpointError::Old { found: first.chars().take(40).collect() })?;
        let found = lines.clone().count();
        if found > MAX_PROOF_LINES {
            return Err(AddCheckpointError::TooManyLines { found });
        }
        let hash = |(at, line): (usize, &str)| {
            let wrong = || AddCheckpointError::Hash { line: at + 1, found: line.chars().take(80).collect() };
            parse_hash(line).ok_or_else(wrong)
        };
        let proof = lines.enumerate().map(hash).collect::<Result<_, _>>()?;
        Ok(Self { old, proof, note: Note::from_bytes(&bytes[end + 2..])? })
    }

    /// Returns the size that the log believes the witness holds.
    #[must_use]
    pub const fn old(&self) -> TreeSize {
        self.old
    }

    /// Returns the hashes of the consistency proof.
    #[must_use]
    pub fn proof(&self) -> &[NodeHash] {
        &self.proof
    }

    /// Returns the first line of the checkpoint, which says what log it is of.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.note.text().split('\n').next().unwrap_or_default()
    }

    /// Checks that one of the log's keys signed the checkpoint, and that it is of a tree not smaller than `old`.
    ///
    /// # Errors
    /// When it is no checkpoint (SPEC §7), no known key signed it, or it is smaller.
    pub fn authenticate(self, keys: &[Vkey]) -> Result<Submitted, WitnessRefusal> {
        let checkpoint = SignedCheckpoint::from_note(self.note)?;
        checkpoint.verify_any(keys)?;
        let (old, size) = (self.old, checkpoint.checkpoint().size);
        if old > size {
            return Err(WitnessRefusal::OldAbove { old, size });
        }
        Ok(Submitted { old, proof: self.proof, checkpoint })
    }
}

/// Writes the request as it is sent.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", encode_base64(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// The tree that a witness cosigned last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its size.
    pub size: TreeSize,
    /// Its root.
    pub root: NodeHash,
}

impl Held {
    /// Returns what a witness holds of a log that it never cosigned: the empty tree.
    #[must_use]
    pub fn nothing() -> Self {
        Self { size: TreeSize(0), root: empty_root() }
    }
}

impl From<&Checkpoint> for Held {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self { size: checkpoint.size, root: checkpoint.root }
    }
}

/// Tells why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRefusal {
    /// The note is no checkpoint of this format.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No known key of the log signed.
    #[error(transparent)]
    Signature(#[from] CheckpointSignatureError),
    /// The log believes that the witness holds more than it shows now.
    #[error("expected an old size of at most the checkpoint's {size}, found {old}")]
    OldAbove {
        /// The old size.
        old: TreeSize,
        /// The size of the checkpoint.
        size: TreeSize,
    },
    /// The witness holds another size than the log believes.
    #[error("expected an old size of {held}, which is what this witness cosigned last, found {old}")]
    Conflict {
        /// The size that it holds.
        held: TreeSize,
        /// The old size.
        old: TreeSize,
    },
    /// The log shows another tree of the size that the witness holds.
    #[error("expected root {expected} at size {held}, which is what this witness cosigned, found {found}")]
    TwoRoots {
        /// The size that it holds.
        held: TreeSize,
        /// The root that it holds.
        expected: NodeHash,
        /// The root that the log shows.
        found: NodeHash,
    },
    /// There is a proof where there is nothing to prove.
    #[error("expected no consistency proof from size 0, found one of {found} hashes")]
    ProofFromNothing {
        /// How many hashes there are.
        found: usize,
    },
    /// The consistency proof does not hold.
    #[error(transparent)]
    Inconsistent(#[from] ConsistencyError),
}

impl WitnessRefusal {
    /// Returns the HTTP status that C2SP tlog-witness gives it.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Checkpoint(_) | Self::OldAbove { .. } => 400,
            Self::Signature(_) => 403,
            Self::Conflict { .. } | Self::TwoRoots { .. } => 409,
            Self::ProofFromNothing { .. } | Self::Inconsistent(_) => 422,
        }
    }
}

/// A request of which the log's signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    old: TreeSize,
    proof: Vec<NodeHash>,
    checkpoint: SignedCheckpoint,
}

impl Submitted {
    /// Returns the checkpoint to cosign.
    #[must_use]
    pub const fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Checks that the checkpoint extends what the witness holds. To be asked under the same lock under which the
    /// checkpoint then takes its place.
    ///
    /// Of two trees of one size only the roots are compared, since no proof between those could hold: two roots are a
    /// conflict, not a bad proof.
    ///
    /// # Errors
    /// When it does not begin at what is held, or does not extend it.
    pub fn extends(&self, held: &Held) -> Result<(), WitnessRefusal> {
        let Checkpoint { size, root, .. } = *self.checkpoint.checkpoint();
        if self.old != held.size {
            return Err(WitnessRefusal::Conflict { held: held.size, old: self.old });
        }
        if size == held.size && root != held.root {
            return Err(WitnessRefusal::TwoRoots { held: held.size, expected: held.root, found: root });
        }
        if held.size.0 == 0 {
            let found = self.proof.len();
            return if found == 0 { Ok(()) } else { Err(WitnessRefusal::ProofFromNothing { found }) };
        }
        Ok(verify_consistency(held.size, size, &held.root, &root, &self.proof)?)
    }
}

#[cfg(test)]
mod tests;
