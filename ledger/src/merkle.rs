//! The Merkle tree over the entries (RFC 6962 §2.1, SPEC §7).
//!
//! A leaf is SHA-256(0x00 || line), an inner node SHA-256(0x01 || left || right), the empty tree SHA-256(""). A tree of
//! n leaves splits at the largest power of two below n. Four things are here, all pure:
//!
//! - [`verify_inclusion`], [`verify_consistency`]: checks of proofs, with nothing but the proof at hand;
//! - [`Frontier`]: the right edge of a growing tree; appending needs no look at the store and says which tiles changed;
//! - [`TreeView`]: roots, proofs and subtree hashes at any size, out of stored tiles ([`TileReader`]).
//!
//! Trees have at most [`MAX_TREE_SIZE`] leaves here, because a `seq` is a JSON integer (SPEC §1, §5). Verification takes
//! any `u64`.

mod frontier;
mod verify;
mod view;

pub use frontier::{Appended, ChangedTile, Frontier, FrontierError, TreeFull};
pub use verify::{ConsistencyError, InclusionError, verify_consistency, verify_inclusion};
pub use view::{TileReader, TreeError, TreeView};

use crate::hash::{LeafHash, NodeHash, sha256};
use crate::id::TreeSize;

/// The largest tree: 2^53 − 1 leaves.
pub const MAX_TREE_SIZE: TreeSize = TreeSize((1 << 53) - 1);

/// Returns the root of the tree without leaves: SHA-256("").
#[must_use]
pub fn empty_root() -> NodeHash {
    NodeHash::from_bytes(sha256(&[]))
}

/// Returns the hash of the node above `left` and `right`.
#[must_use]
pub fn parent(left: &NodeHash, right: &NodeHash) -> NodeHash {
    NodeHash::from_bytes(sha256(&[&[1], left.as_bytes(), right.as_bytes()]))
}

/// The hash of leaves `start` to `end`, a piece of a tree that a proof needs.
///
/// Either complete (`end − start` a power of two that divides `start`) or ragged: it ends where the tree ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start: u64,
    end: u64,
}

impl Piece {
    /// Returns height and index within that height, if the piece is complete.
    fn complete(self) -> Option<(u8, u64)> {
        let leaves = self.end.checked_sub(self.start)?;
        let height = leaves.trailing_zeros();
        let aligned = leaves.is_power_of_two() && self.start.trailing_zeros() >= height;
        aligned.then(|| (u8::try_from(height).unwrap_or(u8::MAX), self.start >> height))
    }

    /// Cuts the piece into complete ones, largest first: 0 to 64 of them. `start` must be where such a cut can begin,
    /// as it is for every piece that a proof needs.
    fn peaks(self) -> Vec<(u8, u64)> {
        let (mut peaks, mut at) = (Vec::new(), self.start);
        while at < self.end {
            let height = (self.end - at).ilog2();
            peaks.push((u8::try_from(height).unwrap_or(u8::MAX), at >> height));
            at += 1 << height;
        }
        peaks
    }
}

/// Where a tree of `leaves` ≥ 2 leaves is split: the largest power of two below it.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// Returns the pieces of an inclusion proof, from the leaf's sibling upwards: PATH of RFC 6962 §2.1.1.
///
/// `seq` must be below `size`.
fn inclusion_pieces(seq: u64, size: u64) -> Vec<Piece> {
    let (mut start, mut end, mut pieces) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + split(end - start);
        if seq < middle {
            pieces.push(Piece { start: middle, end });
            end = middle;
        } else {
            pieces.push(Piece { start, end: middle });
            start = middle;
        }
    }
    pieces.reverse();
    pieces
}

/// Returns the pieces of a consistency proof: PROOF of RFC 6962 §2.1.2. `0 < old < new`.
fn consistency_pieces(old: u64, new: u64) -> Vec<Piece> {
    let (mut start, mut end, mut pieces) = (0, new, Vec::new());
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            pieces.push(Piece { start: middle, end });
            end = middle;
        } else {
            pieces.push(Piece { start, end: middle });
            start = middle;
        }
    }
    if start > 0 {
        pieces.push(Piece { start, end });
    }
    pieces.reverse();
    pieces
}

/// Something that knows the complete nodes of a tree.
trait Nodes {
    type Error;

    /// Returns the hash of a complete node, by height and index within that height.
    fn node(&mut self, height: u8, index: u64) -> Result<NodeHash, Self::Error>;

    /// Returns the hash of a piece: a complete node, or the peaks of a ragged one hashed together from the right.
    fn piece(&mut self, piece: Piece) -> Result<NodeHash, Self::Error> {
        let mut hash = None;
        for (height, index) in piece.peaks().into_iter().rev() {
            let peak = self.node(height, index)?;
            hash = Some(hash.map_or(peak, |right| parent(&peak, &right)));
        }
        Ok(hash.unwrap_or_else(empty_root))
    }

    /// Returns the hashes of several pieces.
    fn pieces(&mut self, pieces: Vec<Piece>) -> Result<Vec<NodeHash>, Self::Error> {
        pieces.into_iter().map(|piece| self.piece(piece)).collect()
    }
}

/// Returns the hash of `leaf` as a node.
fn leaf_node(leaf: &LeafHash) -> NodeHash {
    NodeHash::from(*leaf)
}

#[cfg(test)]
mod tests;
