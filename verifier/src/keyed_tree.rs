//! Keyed trees (SPEC §15) that grow and change: many in one arena, of which only what changed is hashed again.
//!
//! Where one half of a subtree is empty no node is kept, so that n pairs have n − 1 branches of 44 bytes; the hashes
//! of the halves left out are made again on the way up.

use crate::hash::Hash;
use crate::index::Tight;
use crate::seal::{bit, branch, nothing};

/// A subtree: nothing, a pair by its number, or a branch of the arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node(u32);

const BRANCH: u32 = 1 << 31;

impl Node {
    /// A tree of no pair.
    pub const EMPTY: Node = Node(u32::MAX);

    fn leaf(self) -> Option<u32> {
        (self.0 < BRANCH).then_some(self.0)
    }

    fn branch(self) -> Option<usize> {
        (self.0 >= BRANCH && self != Node::EMPTY).then_some((self.0 & !BRANCH) as usize)
    }
}

/// The pairs that trees are made of, by number.
pub trait Pairs {
    /// The key of a pair.
    fn key(&self, number: u32) -> &Hash;
    /// K of the pair alone, as it is now.
    fn hash(&self, number: u32) -> Hash;
}

#[derive(Clone, Copy)]
struct Branch {
    /// K at its depth, if `fresh`.
    hash: Hash,
    halves: [Node; 2],
    /// The first bit in which its keys differ: its depth.
    bit: u8,
    fresh: bool,
}

/// The branches of all trees over one set of pairs.
pub struct Branches {
    nodes: Tight<Branch>,
    empty: Hash,
}

impl Default for Branches {
    fn default() -> Branches {
        Branches { nodes: Tight::default(), empty: nothing() }
    }
}

impl Branches {
    /// The most pairs, and the most branches, that an arena has room for.
    pub const MOST: u32 = BRANCH - 1;

    /// Takes a pair into a tree, or notes that it changed; answers the tree. Numbers are below [`Branches::MOST`].
    pub fn put(&mut self, tree: Node, number: u32, pairs: &impl Pairs) -> Node {
        if tree == Node::EMPTY {
            return Node(number);
        }
        let key = *pairs.key(number);
        let other = self.nearest(tree, &key);
        let differs = (0..=u8::MAX).find(|at| bit(&key, usize::from(*at)) != bit(pairs.key(other), usize::from(*at)));
        let mut tree = tree;
        let (mut at, mut above) = (tree, None);
        while let Some(index) = at.branch() {
            let node = &mut self.nodes.as_mut_slice()[index];
            if differs.is_some_and(|differs| node.bit > differs) {
                break;
            }
            node.fresh = false;
            let half = usize::from(bit(&key, usize::from(node.bit)));
            above = Some((index, half));
            at = node.halves[half];
        }
        // no difference: it is there already
        let Some(differs) = differs else { return tree };
        let new = Node(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX) | BRANCH);
        let mut halves = [at, Node(number)];
        if !bit(&key, usize::from(differs)) {
            halves.swap(0, 1);
        }
        self.nodes.push(Branch { hash: Hash::ZERO, halves, bit: differs, fresh: false });
        match above {
            None => tree = new,
            Some((index, half)) => self.nodes.as_mut_slice()[index].halves[half] = new,
        }
        tree
    }

    /// The pair at the end of the way that a key goes in a tree that is not empty.
    fn nearest(&self, tree: Node, key: &Hash) -> u32 {
        let mut at = tree;
        loop {
            match at.branch().map(|index| &self.nodes.as_slice()[index]) {
                Some(node) => at = node.halves[usize::from(bit(key, usize::from(node.bit)))],
                None => return at.leaf().unwrap_or_default(),
            }
        }
    }

    /// K of a tree; hashes again what changed since it was last asked.
    pub fn root(&mut self, tree: Node, pairs: &impl Pairs) -> Hash {
        self.at_depth(tree, 0, pairs)
    }

    /// K of a subtree at a depth not below its own: with the empty halves between.
    fn at_depth(&mut self, tree: Node, depth: usize, pairs: &impl Pairs) -> Hash {
        let Some(index) = tree.branch() else {
            return tree.leaf().map_or(self.empty, |number| pairs.hash(number));
        };
        let node = self.nodes.as_slice()[index];
        let own = usize::from(node.bit);
        let mut hash = node.hash;
        if !node.fresh {
            let [zero, one] = node.halves.map(|half| self.at_depth(half, own + 1, pairs));
            hash = branch(&zero, &one);
            let node = &mut self.nodes.as_mut_slice()[index];
            node.hash = hash;
            node.fresh = true;
        }
        if own > depth {
            let key = pairs.key(self.nearest(tree, &Hash::ZERO));
            for between in (depth..own).rev() {
                hash = if bit(key, between) { branch(&self.empty, &hash) } else { branch(&hash, &self.empty) };
            }
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seal::pair;

    struct List(Vec<(Hash, Hash)>);

    impl Pairs for List {
        fn key(&self, number: u32) -> &Hash {
            &self.0[number as usize].0
        }
        fn hash(&self, number: u32) -> Hash {
            let (key, value) = &self.0[number as usize];
            pair(key, value)
        }
    }

    /// K by its definition.
    fn plain(pairs: &[(Hash, Hash)], depth: usize) -> Hash {
        match pairs {
            [] => nothing(),
            [(key, value)] => pair(key, value),
            _ => {
                let (one, zero): (Vec<_>, Vec<_>) = pairs.iter().partition(|(key, _)| bit(key, depth));
                branch(&plain(&zero, depth + 1), &plain(&one, depth + 1))
            }
        }
    }

    /// Keys that have long beginnings in common.
    fn key() -> impl Strategy<Value = Hash> {
        (0usize..3, prop::sample::select(vec![0u8, 1, 2, 64, 128, 255]), any::<bool>()).prop_map(|(at, byte, last)| {
            let mut bytes = [0; 32];
            bytes[[0, 7, 31][at]] = byte;
            bytes[31] |= u8::from(last);
            Hash::from_bytes(bytes)
        })
    }

    proptest! {
        #[test]
        fn it_is_what_the_definition_says(steps in prop::collection::vec((key(), any::<u8>(), any::<bool>()), 0..40)) {
            let (mut list, mut branches, mut tree) = (List(Vec::new()), Branches::default(), Node::EMPTY);
            prop_assert_eq!(branches.root(tree, &list), nothing());
            for (key, value, ask) in steps {
                let value = Hash::from_bytes([value; 32]);
                let number = match list.0.iter().position(|(k, _)| *k == key) {
                    Some(at) => {
                        list.0[at].1 = value;
                        at
                    }
                    None => {
                        list.0.push((key, value));
                        list.0.len() - 1
                    }
                };
                tree = branches.put(tree, u32::try_from(number).expect("few"), &list);
                if ask {
                    prop_assert_eq!(branches.root(tree, &list), plain(&list.0, 0));
                }
            }
            prop_assert_eq!(branches.root(tree, &list), plain(&list.0, 0));
        }
    }
}
