//! The way of one leaf to the root (RFC 6962 §2.1.1), gathered while the leaves go by.

use crate::hash::{Hash, node_hash};

/// A neighbour on the way up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Whether the neighbour stands on the left, so that it is hashed first.
    pub left: bool,
    /// The neighbour's hash.
    pub sibling: Hash,
    /// The hash of both: where the way has led to.
    pub node: Hash,
}

/// A perfect subtree.
struct Subtree {
    height: u32,
    root: Hash,
    /// Whether the leaf that is followed is in it.
    followed: bool,
}

/// The tree over the leaves so far, with the way of one leaf.
pub(super) struct Way {
    index: u64,
    size: u64,
    subtrees: Vec<Subtree>,
    steps: Vec<Step>,
    lost: bool,
}

impl Way {
    /// Follows the leaf at an index.
    pub(super) fn of(index: u64) -> Way {
        Way { index, size: 0, subtrees: Vec::new(), steps: Vec::new(), lost: false }
    }

    /// Notes that leaves are missing, so that no way leads to the root.
    pub(super) fn lose(&mut self) {
        self.lost = true;
    }

    /// Adds a perfect subtree of 2^height leaves.
    pub(super) fn push(&mut self, height: u32, root: Hash) {
        if self.lost {
            return;
        }
        let followed = height == 0 && self.size == self.index;
        let mut right = Subtree { height, root, followed };
        while let Some(left) = self.subtrees.pop_if(|left| left.height == right.height) {
            right = self.join(&left, &right);
        }
        self.subtrees.push(right);
        match 1u64.checked_shl(height).and_then(|leaves| self.size.checked_add(leaves)) {
            Some(size) => self.size = size,
            None => self.lost = true,
        }
    }

    fn join(&mut self, left: &Subtree, right: &Subtree) -> Subtree {
        let node = node_hash(&left.root, &right.root);
        if left.followed {
            self.steps.push(Step { left: false, sibling: right.root, node });
        } else if right.followed {
            self.steps.push(Step { left: true, sibling: left.root, node });
        }
        Subtree { height: right.height + 1, root: node, followed: left.followed || right.followed }
    }

    /// The way to the root of a tree of `size` leaves; `None` if the leaf is not in it or leaves are missing.
    pub(super) fn into_steps(mut self, size: u64) -> Option<Vec<Step>> {
        if self.lost || self.size != size || self.index >= size {
            return None;
        }
        let mut right = self.subtrees.pop()?;
        while let Some(left) = self.subtrees.pop() {
            right = self.join(&left, &right);
        }
        right.followed.then_some(self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::merkle::{Range, check_inclusion};

    #[test]
    fn the_way_is_the_inclusion_proof() {
        for size in 1..=40u8 {
            let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&[n])).collect();
            let mut range = Range::new();
            leaves.iter().for_each(|leaf| range.push(*leaf));
            for index in 0..u64::from(size) {
                let mut way = Way::of(index);
                leaves.iter().for_each(|leaf| way.push(0, *leaf));
                let steps = way.into_steps(u64::from(size)).expect("the leaf is in the tree");
                let proof: Vec<Hash> = steps.iter().map(|step| step.sibling).collect();
                let leaf = &leaves[usize::try_from(index).expect("small")];
                assert_eq!(check_inclusion(index, u64::from(size), leaf, &proof, &range.root()), Ok(()));
                assert_eq!(steps.last().map_or(*leaf, |step| step.node), range.root());
            }
        }
    }

    #[test]
    fn missing_leaves_leave_no_way() {
        let mut way = Way::of(1);
        way.push(1, leaf_hash(b"withheld"));
        assert_eq!(way.into_steps(2), None);
        let mut way = Way::of(0);
        way.push(0, leaf_hash(b"a"));
        assert_eq!(way.into_steps(2), None);
    }
}
