//! The Merkle tree of SPEC §7 (RFC 6962 §2.1): a growing range of subtree roots for the stream, and the recursive
//! definitions of RFC 9162 §2.1 read backwards for proofs.

use std::fmt;

use crate::hash::{Hash, empty_root, node_hash};

/// The leaves `[0, size)` as the roots of perfect subtrees, largest first: one for each one-bit of the size.
#[derive(Clone, Debug, Default)]
pub struct Range {
    size: u64,
    /// Height and root; heights strictly decrease.
    roots: Vec<(u32, Hash)>,
}

impl Range {
    /// The empty range.
    pub fn new() -> Range {
        Range::default()
    }

    /// How many leaves are in it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Adds a perfect subtree of 2^height leaves; the size must be a multiple of that.
    ///
    /// # Panics
    /// If the subtree does not fit at this place.
    pub fn push_subtree(&mut self, height: u32, root: Hash) {
        let leaves = 1u64 << height;
        assert!(self.size.is_multiple_of(leaves), "a subtree stands at a multiple of its size");
        let (mut height, mut root) = (height, root);
        while let Some((_, left)) = self.roots.pop_if(|(h, _)| *h == height) {
            root = node_hash(&left, &root);
            height += 1;
        }
        self.roots.push((height, root));
        self.size += leaves;
    }

    /// The root of the tree over the leaves so far.
    pub fn root(&self) -> Hash {
        let mut from_right = self.roots.iter().rev().map(|(_, root)| *root);
        match from_right.next() {
            None => empty_root(),
            Some(last) => from_right.fold(last, |right, left| node_hash(&left, &right)),
        }
    }
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProofError {
    /// The index is not below the size, or the smaller size is 0 or above the larger.
    OutOfRange,
    /// The proof has another number of hashes than the two numbers call for.
    WrongLength,
    /// The proof leads to this root, not to the one of the checkpoint.
    WrongRoot(Hash),
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofError::OutOfRange => f.write_str("the index is not in the tree"),
            ProofError::WrongLength => f.write_str("the proof has the wrong number of hashes"),
            ProofError::WrongRoot(root) => write!(f, "the proof leads to root {root}"),
        }
    }
}

impl std::error::Error for ProofError {}

/// The largest power of two below `n`, for n ≥ 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves with that root (RFC 9162 §2.1.3).
///
/// # Errors
/// Says in which way the proof fails.
pub fn check_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    let found = inclusion_root(index, size, leaf, proof).ok_or(ProofError::WrongLength)?;
    if found == *root { Ok(()) } else { Err(ProofError::WrongRoot(found)) }
}

fn inclusion_root(index: u64, size: u64, leaf: &Hash, proof: &[Hash]) -> Option<Hash> {
    if size == 1 {
        return proof.is_empty().then_some(*leaf);
    }
    let (sibling, inner) = proof.split_last()?;
    let k = split(size);
    if index < k {
        Some(node_hash(&inclusion_root(index, k, leaf, inner)?, sibling))
    } else {
        let right = inclusion_root(index - k, size - k, leaf, inner)?;
        Some(node_hash(sibling, &right))
    }
}

/// Checks that the tree of `old_size` leaves is a prefix of the tree of `new_size` leaves (RFC 9162 §2.1.4).
///
/// # Errors
/// Says in which way the proof fails.
pub fn check_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size == 0 || old_size > new_size {
        return Err(ProofError::OutOfRange);
    }
    let (old, new) = consistency_roots(old_size, new_size, old_root, proof, true).ok_or(ProofError::WrongLength)?;
    if old != *old_root {
        return Err(ProofError::WrongRoot(old));
    }
    if new != *new_root {
        return Err(ProofError::WrongRoot(new));
    }
    Ok(())
}

/// The roots that a proof gives for the old and the new tree; `whole` while the old tree is a whole left part.
fn consistency_roots(m: u64, n: u64, old_root: &Hash, proof: &[Hash], whole: bool) -> Option<(Hash, Hash)> {
    if m == n {
        return match (whole, proof) {
            (true, []) => Some((*old_root, *old_root)),
            (false, [hash]) => Some((*hash, *hash)),
            _ => None,
        };
    }
    let (last, inner) = proof.split_last()?;
    let k = split(n);
    if m <= k {
        let (old, new) = consistency_roots(m, k, old_root, inner, whole)?;
        Some((old, node_hash(&new, last)))
    } else {
        let (old, new) = consistency_roots(m - k, n - k, old_root, inner, false)?;
        Some((node_hash(last, &old), node_hash(last, &new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    /// MTH as RFC 6962 §2.1 defines it.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let k = usize::try_from(split(leaves.len() as u64)).expect("small");
                node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() <= 1 {
            return vec![];
        }
        let k = usize::try_from(split(leaves.len() as u64)).expect("small");
        let (mut proof, sibling) = if index < k {
            (path(index, &leaves[..k]), mth(&leaves[k..]))
        } else {
            (path(index - k, &leaves[k..]), mth(&leaves[..k]))
        };
        proof.push(sibling);
        proof
    }

    fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        let n = leaves.len();
        if m == n {
            return if whole { vec![] } else { vec![mth(leaves)] };
        }
        let k = usize::try_from(split(n as u64)).expect("small");
        let (mut proof, sibling) = if m <= k {
            (subproof(m, &leaves[..k], whole), mth(&leaves[k..]))
        } else {
            (subproof(m - k, &leaves[k..], false), mth(&leaves[..k]))
        };
        proof.push(sibling);
        proof
    }

    #[test]
    fn every_size_to_70() {
        let leaves: Vec<Hash> = (0..70u8).map(|n| leaf_hash(&[n])).collect();
        let mut range = Range::new();
        assert_eq!(range.root(), mth(&[]));
        for size in 1..=leaves.len() {
            range.push(leaves[size - 1]);
            let root = mth(&leaves[..size]);
            assert_eq!(range.root(), root);
            for index in 0..size {
                let proof = path(index, &leaves[..size]);
                let (i, n) = (index as u64, size as u64);
                assert_eq!(check_inclusion(i, n, &leaves[index], &proof, &root), Ok(()));
                assert!(check_inclusion(i, n, &leaf_hash(b"x"), &proof, &root).is_err());
                assert!(check_inclusion(n, n, &leaves[index], &proof, &root).is_err());
            }
            for old in 1..=size {
                let proof = subproof(old, &leaves[..size], true);
                let (m, n) = (old as u64, size as u64);
                let old_root = mth(&leaves[..old]);
                assert_eq!(check_consistency(m, n, &old_root, &root, &proof), Ok(()));
                let wrong = leaf_hash(b"x");
                assert!(check_consistency(m, n, &wrong, &root, &proof).is_err());
                assert!(check_consistency(m, n, &old_root, &wrong, &proof).is_err());
            }
        }
    }

    #[test]
    fn withheld_subtrees_give_the_same_root() {
        let leaves: Vec<Hash> = (0..37u8).map(|n| leaf_hash(&[n])).collect();
        let mut range = Range::new();
        range.push(leaves[0]);
        range.push_subtree(0, leaves[1]);
        range.push_subtree(1, mth(&leaves[2..4]));
        range.push_subtree(2, mth(&leaves[4..8]));
        range.push_subtree(3, mth(&leaves[8..16]));
        range.push_subtree(4, mth(&leaves[16..32]));
        range.push(leaves[32]);
        range.push(leaves[33]);
        range.push_subtree(1, mth(&leaves[34..36]));
        range.push(leaves[36]);
        assert_eq!(range.root(), mth(&leaves));
        assert_eq!(range.size(), 37);
    }
}
