//! Proofs of misbehaviour (SPEC §16): files that show signed statements of a log which cannot all be true.
//!
//! This writes them; `countersign-verify misbehaviour` reads them. Whoever makes one has checked what it claims: nothing
//! here does.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::checkpoint::SignedCheckpoint;
use crate::hash::{LedgerId, NodeHash};
use crate::id::{Seq, TreeSize};
use crate::json;
use crate::keys::{PublicKey, encode_base64};
use crate::merkle::{TileReader, TreeError, TreeView, empty_root, parent};
use crate::proof::LogProof;

/// The largest file (SPEC §16).
pub const MAX_MISBEHAVIOUR_BYTES: usize = 2 << 20;
/// The most rotations of the log key that a file shows.
pub const MAX_KEYS: usize = 16;

/// An entry's line and its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// The line.
    pub entry: String,
    /// Where it is.
    #[serde(serialize_with = "as_text")]
    pub proof: LogProof,
}

/// A complete subtree of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Subtree {
    /// The first leaf.
    pub start: u64,
    /// One after the last leaf.
    pub end: u64,
    /// The subtree's root.
    pub hash: NodeHash,
}

/// A leaf under the claim's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// Its index.
    pub seq: Seq,
    /// Its bytes, which may be no entry.
    pub line: Vec<u8>,
    /// Its inclusion proof.
    pub path: Vec<NodeHash>,
}

impl Serialize for Included {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("seq", &self.seq)?;
        match text_of(&self.line) {
            Some(line) => map.serialize_entry("entry", line)?,
            None => map.serialize_entry("bytes", &encode_base64(&self.line))?,
        }
        map.serialize_entry("path", &self.path)?;
        map.end()
    }
}

/// A line as text, where strict JSON can hold it.
fn text_of(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    let written = serde_json::to_string(text).ok()?;
    json::parse(written.as_bytes(), 1).is_ok().then_some(text)
}

/// Which pointer of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pointer {
    /// To the latest entry about the ledger or a party.
    Governance,
    /// To the latest entry about the event's case.
    Case,
    /// To the latest entry of the stream.
    Stream,
}

/// What one or two entries under a checkpoint show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A line that is no entry of the ledger.
    InvalidEntry,
    /// A signature that this key did not make.
    BadSignature(PublicKey),
    /// An entry that names another one before it.
    BrokenChain,
    /// An entry that is older than one before it.
    TimeWentBack,
    /// A pointer to where it must not point.
    FalsePointer(Pointer),
    /// One id for two events of an author.
    RepeatedId,
    /// An entry after the ledger was closed.
    AfterClosed,
}

impl Shown {
    /// Returns the word of the file.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self {
            Self::InvalidEntry => "invalid_entry",
            Self::BadSignature(_) => "bad_signature",
            Self::BrokenChain => "broken_chain",
            Self::TimeWentBack => "time_went_back",
            Self::FalsePointer(_) => "false_pointer",
            Self::RepeatedId => "repeated_id",
            Self::AfterClosed => "after_closed",
        }
    }
}

/// The claim, with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Two checkpoints of two histories.
    InconsistentCheckpoints {
        /// The smaller.
        first: Box<SignedCheckpoint>,
        /// The larger.
        second: Box<SignedCheckpoint>,
        /// What the larger tree is made of, cut at the smaller size; empty where the sizes are equal.
        subtrees: Vec<Subtree>,
    },
    /// A receipt for an entry in whose place another stands.
    EntryNotInTree {
        /// The receipt's entry and proof.
        receipt: Box<Proven>,
        /// The leaf in its place.
        leaf: NodeHash,
        /// The proof of that leaf.
        proof: Box<LogProof>,
    },
    /// What one or two entries show.
    Entries {
        /// What.
        shown: Shown,
        /// The checkpoint.
        checkpoint: Box<SignedCheckpoint>,
        /// The entries, by seq.
        entries: Vec<Included>,
    },
}

/// A proof of misbehaviour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misbehaviour {
    /// The ledger.
    pub ledger: LedgerId,
    /// The payload of its entry 0.
    pub created: Vec<u8>,
    /// The rotations of the log key, each under a checkpoint signed by the key before.
    pub keys: Vec<Proven>,
    /// The claim.
    pub claim: Claim,
}

impl Misbehaviour {
    /// Returns what is claimed, in the word of the file.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match &self.claim {
            Claim::InconsistentCheckpoints { .. } => "inconsistent_checkpoints",
            Claim::EntryNotInTree { .. } => "entry_not_in_tree",
            Claim::Entries { shown, .. } => shown.what(),
        }
    }

    /// Writes the file, with a newline at its end.
    ///
    /// # Errors
    /// When it would be larger than [`MAX_MISBEHAVIOUR_BYTES`], or show more than [`MAX_KEYS`] rotations.
    pub fn to_json(&self) -> Result<String, TooLarge> {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        if text.len() > MAX_MISBEHAVIOUR_BYTES || self.keys.len() > MAX_KEYS {
            return Err(TooLarge { bytes: text.len(), keys: self.keys.len() });
        }
        Ok(text)
    }
}

/// Tells that a proof does not fit into a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a proof of at most {MAX_MISBEHAVIOUR_BYTES} bytes with {MAX_KEYS} log keys, found {bytes} with {keys}"
)]
pub struct TooLarge {
    /// How many bytes it would have.
    pub bytes: usize,
    /// How many rotations it would show.
    pub keys: usize,
}

fn as_text<S: Serializer>(proof: &LogProof, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(proof)
}

impl Serialize for Misbehaviour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("countersign_misbehaviour", &1)?;
        map.serialize_entry("ledger", &self.ledger)?;
        map.serialize_entry("what", self.what())?;
        map.serialize_entry("created", &encode_base64(&self.created))?;
        map.serialize_entry("keys", &self.keys)?;
        match &self.claim {
            Claim::InconsistentCheckpoints { first, second, subtrees } => {
                map.serialize_entry("first", first)?;
                map.serialize_entry("second", second)?;
                if !subtrees.is_empty() {
                    map.serialize_entry("subtrees", subtrees)?;
                }
            }
            Claim::EntryNotInTree { receipt, leaf, proof } => {
                map.serialize_entry("receipt", receipt)?;
                map.serialize_entry("leaf", leaf)?;
                map.serialize_entry("proof", &proof.to_string())?;
            }
            Claim::Entries { shown, checkpoint, entries } => {
                map.serialize_entry("checkpoint", checkpoint)?;
                match shown {
                    Shown::FalsePointer(pointer) => map.serialize_entry("pointer", pointer)?,
                    Shown::BadSignature(key) => map.serialize_entry("key", &encode_base64(key.as_bytes()))?,
                    _ => {}
                }
                map.serialize_entry("entries", entries)?;
            }
        }
        map.end()
    }
}

/// Cuts the leaves `start` to `end` into complete subtrees, from the left: at most two of each height.
fn cut(start: u64, end: u64) -> Vec<(u64, u64)> {
    let (mut ranges, mut at) = (Vec::new(), start);
    while at < end {
        let most = (end - at).ilog2();
        let height = if at == 0 { most } else { at.trailing_zeros().min(most) };
        ranges.push((at, at + (1 << height)));
        at += 1 << height;
    }
    ranges
}

/// Reads the subtrees that a tree is made of, cut at a smaller size.
///
/// # Errors
/// When a tile cannot be read or is too short.
pub fn subtrees<R: TileReader>(
    view: &mut TreeView<R>,
    boundary: TreeSize,
) -> Result<Vec<Subtree>, TreeError<R::Error>> {
    let size = view.size().0;
    let ranges = cut(0, boundary.0.min(size)).into_iter().chain(cut(boundary.0, size));
    ranges.map(|(start, end)| Ok(Subtree { start, end, hash: view.subtree_hash(start, end)? })).collect()
}

/// Computes the root over the leaves up to `boundary` and the root over all, from subtrees as [`subtrees`] cuts them.
#[must_use]
pub fn roots(subtrees: &[Subtree], boundary: TreeSize) -> (NodeHash, NodeHash) {
    let mut peaks: Vec<(u64, NodeHash)> = Vec::new();
    let root = |peaks: &[(u64, NodeHash)]| {
        let hashes = peaks.iter().rev().map(|(_, hash)| *hash);
        hashes.reduce(|right, left| parent(&left, &right)).unwrap_or_else(empty_root)
    };
    let mut before = root(&peaks);
    for subtree in subtrees {
        let (mut leaves, mut hash) = (subtree.end - subtree.start, subtree.hash);
        while let Some((_, left)) = peaks.pop_if(|(of, _)| *of == leaves) {
            hash = parent(&left, &hash);
            leaves *= 2;
        }
        peaks.push((leaves, hash));
        if subtree.end == boundary.0 {
            before = root(&peaks);
        }
    }
    (before, root(&peaks))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hash::LeafHash;
    use crate::merkle::Frontier;
    use crate::tile::{TileId, TileWidth};

    /// Tiles of a tree of fewer than 257 leaves.
    struct Leaves(Vec<NodeHash>);

    impl TileReader for Leaves {
        type Error = std::convert::Infallible;

        fn tile(&self, _: TileId, width: TileWidth) -> Result<Vec<NodeHash>, Self::Error> {
            Ok(self.0[..usize::from(width.hashes())].to_vec())
        }
    }

    #[test]
    fn subtrees_hash_to_both_roots_at_every_size() {
        let leaves: Vec<LeafHash> = (0..70u8).map(|n| LeafHash::of_line(&[n])).collect();
        let nodes = Leaves(leaves.iter().map(|leaf| (*leaf).into()).collect());
        let root = |size: usize| {
            let mut frontier = Frontier::new();
            frontier.append(&leaves[..size]).unwrap();
            frontier.root()
        };
        for size in 1..=70usize {
            let mut view = TreeView::new(&nodes, TreeSize(size as u64)).unwrap();
            for old in 0..=size {
                let boundary = TreeSize(old as u64);
                let found = subtrees(&mut view, boundary).unwrap();
                assert!(found.len() <= 128);
                assert_eq!(roots(&found, boundary), (root(old), root(size)), "{old} of {size}");
            }
        }
        for (start, end) in [(0, (1 << 53) - 1), (1, (1 << 53) - 1), ((1 << 52) + 1, (1 << 53) - 1)] {
            assert!(cut(start, end).len() <= 104);
        }
    }

    #[test]
    fn only_text_stands_as_text() {
        assert_eq!(text_of(b"{\"a\"}"), Some("{\"a\"}"));
        for bytes in [&[0xff][..], &[0], "\u{ffff}".as_bytes()] {
            assert_eq!(text_of(bytes), None);
        }
    }
}
