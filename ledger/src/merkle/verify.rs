//! Checks of inclusion and consistency proofs, iterative, as RFC 9162 §2.1.3.2 and §2.1.4.2 give them.

use super::{leaf_node, parent};
use crate::hash::{LeafHash, NodeHash};
use crate::id::{Seq, TreeSize};

/// Tells why an inclusion proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InclusionError {
    /// The entry is not in a tree of that size.
    #[error("entry {seq} is not in a tree of size {size}")]
    BeyondTree {
        /// The entry's index.
        seq: Seq,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The proof has too few or too many hashes.
    #[error("expected {expected} hashes in the inclusion proof of entry {seq} in a tree of size {size}, found {found}")]
    Length {
        /// The entry's index.
        seq: Seq,
        /// The size of the tree.
        size: TreeSize,
        /// How many hashes such a proof has.
        expected: usize,
        /// How many this one has.
        found: usize,
    },
    /// Leaf and proof lead to another root.
    #[error("the inclusion proof of entry {seq} leads to root {found}, expected {expected} of the tree of size {size}")]
    Root {
        /// The entry's index.
        seq: Seq,
        /// The size of the tree.
        size: TreeSize,
        /// The root of the tree.
        expected: NodeHash,
        /// The root that follows from leaf and proof.
        found: NodeHash,
    },
}

/// Checks that `leaf` is at `seq` in the tree of `size` leaves with this `root` (RFC 9162 §2.1.3.2).
///
/// # Errors
/// When `seq` is not below `size`, the proof has a wrong number of hashes, or it leads to another root.
pub fn verify_inclusion(
    seq: Seq,
    size: TreeSize,
    leaf: &LeafHash,
    proof: &[NodeHash],
    root: &NodeHash,
) -> Result<(), InclusionError> {
    if seq.0 >= size.0 {
        return Err(InclusionError::BeyondTree { seq, size });
    }
    let length = || InclusionError::Length { seq, size, expected: inclusion_length(seq.0, size.0), found: proof.len() };
    let (mut at, mut last) = (seq.0, size.0 - 1);
    let mut hash = leaf_node(leaf);
    for sibling in proof {
        if last == 0 {
            return Err(length());
        }
        if at & 1 == 1 || at == last {
            hash = parent(sibling, &hash);
            // A node at the right edge without a sibling rises unchanged to the height where it has one.
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = parent(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length());
    }
    if hash != *root {
        return Err(InclusionError::Root { seq, size, expected: *root, found: hash });
    }
    Ok(())
}

/// Returns how many hashes the inclusion proof of `at` < `size` has.
fn inclusion_length(at: u64, size: u64) -> usize {
    // Below the height at which the paths of leaf and last leaf meet, every height gives one; above it, every left
    // neighbour of the right edge.
    let inner = u64::BITS - (at ^ (size - 1)).leading_zeros();
    let border = at.checked_shr(inner).unwrap_or(0).count_ones();
    usize::try_from(inner + border).unwrap_or(usize::MAX)
}

/// Tells why a consistency proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsistencyError {
    /// The earlier tree is empty: anything would follow from it, so a proof would say nothing.
    #[error("nothing can be proved about an earlier tree of size 0")]
    OldEmpty,
    /// The earlier tree is the larger.
    #[error("a tree of size {new} cannot extend one of size {old}")]
    Shrunk {
        /// The size of the earlier tree.
        old: TreeSize,
        /// The size of the later tree.
        new: TreeSize,
    },
    /// The proof has too few or too many hashes.
    #[error("the consistency proof from size {old} to size {new} has {found} hashes, which is not their number")]
    Length {
        /// The size of the earlier tree.
        old: TreeSize,
        /// The size of the later tree.
        new: TreeSize,
        /// How many hashes there are.
        found: usize,
    },
    /// The proof leads to another root of the earlier tree.
    #[error("the consistency proof leads to root {found} at size {old}, expected {expected}")]
    OldRoot {
        /// The size of the earlier tree.
        old: TreeSize,
        /// Its root.
        expected: NodeHash,
        /// The root that follows from the proof.
        found: NodeHash,
    },
    /// The proof leads to another root of the later tree.
    #[error("the consistency proof leads to root {found} at size {new}, expected {expected}")]
    NewRoot {
        /// The size of the later tree.
        new: TreeSize,
        /// Its root.
        expected: NodeHash,
        /// The root that follows from the proof.
        found: NodeHash,
    },
}

/// Checks that the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162 §2.1.4.2).
///
/// # Errors
/// When `old` is 0 or above `new`, the proof has a wrong number of hashes, or it leads to other roots.
pub fn verify_consistency(
    old: TreeSize,
    new: TreeSize,
    old_root: &NodeHash,
    new_root: &NodeHash,
    proof: &[NodeHash],
) -> Result<(), ConsistencyError> {
    if old.0 == 0 {
        return Err(ConsistencyError::OldEmpty);
    }
    if old > new {
        return Err(ConsistencyError::Shrunk { old, new });
    }
    let length = || ConsistencyError::Length { old, new, found: proof.len() };
    let (found_old, found_new) = if old == new {
        if !proof.is_empty() {
            return Err(length());
        }
        (*old_root, *old_root)
    } else {
        roots(old.0, new.0, old_root, proof).ok_or_else(length)?
    };
    if found_old != *old_root {
        return Err(ConsistencyError::OldRoot { old, expected: *old_root, found: found_old });
    }
    if found_new != *new_root {
        return Err(ConsistencyError::NewRoot { new, expected: *new_root, found: found_new });
    }
    Ok(())
}

/// Computes both roots out of the proof; `None` when it has a wrong number of hashes. `0 < old < new`.
fn roots(old: u64, new: u64, old_root: &NodeHash, proof: &[NodeHash]) -> Option<(NodeHash, NodeHash)> {
    let (mut at, mut last) = (old - 1, new - 1);
    let shift = at.trailing_ones();
    at >>= shift;
    last >>= shift;
    // Where the earlier tree is one complete node, the proof does not repeat its root.
    let (start, rest) = if old.is_power_of_two() { (old_root, proof) } else { proof.split_first()? };
    let (mut old_hash, mut new_hash) = (*start, *start);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            old_hash = parent(hash, &old_hash);
            new_hash = parent(hash, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = parent(&new_hash, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((old_hash, new_hash))
}
