//! The keyed tree K of SPEC §15: a map from 32-byte keys to values whose hash proves what is in it and what is not.
//!
//! ```text
//! K({})       = SHA-256(0x02)
//! K({(k, v)}) = SHA-256(0x03 || k || v)
//! K           = SHA-256(0x04 || K(those whose next bit is 0) || K(those whose next bit is 1))
//! ```
//!
//! Trees are persistent: an update copies and hashes the changed paths and shares the rest, so that a tree that was
//! sealed is kept for its proofs at the cost of what changed since. A tree of n keys that nobody chose has some 1.44 n
//! branches, and ways of about log2 n; somebody who searches for keys lengthens single ways by a few steps.

use std::sync::Arc;

use crate::hash::{SealHash, SealKey, sha256};

/// How many bits a key has: the longest way down.
pub const KEY_BITS: usize = 256;
/// How many changes at least are worth the other processor.
const WORTH_SPLITTING: usize = 512;

/// What stands in a tree under a key.
pub trait Value: Clone + Send + Sync {
    /// Returns what the tree commits to.
    fn hash(&self) -> SealHash;
}

impl Value for SealHash {
    fn hash(&self) -> SealHash {
        *self
    }
}

/// A keyed tree. Clones share everything.
#[derive(Debug, Clone)]
pub struct Tree<V> {
    root: Node<V>,
    len: usize,
}

#[derive(Debug)]
enum Node<V> {
    Empty,
    Leaf(Arc<(SealKey, V)>),
    Branch(Arc<Branch<V>>),
}

impl<V> Clone for Node<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
            Self::Branch(branch) => Self::Branch(Arc::clone(branch)),
        }
    }
}

#[derive(Debug)]
struct Branch<V> {
    hash: SealHash,
    sides: [Node<V>; 2],
}

/// The way to a key, and what stands at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way<V> {
    /// The siblings on the way down from the root, that at depth 1 first.
    pub siblings: Vec<SealHash>,
    /// What is there.
    pub end: End<V>,
}

/// What stands where the way to a key ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End<V> {
    /// The key, with its value.
    Here(V),
    /// Nothing: the key is not in the tree.
    Nothing,
    /// Another key, alone: the one that was asked for is not in the tree.
    Another {
        /// That key.
        key: SealKey,
        /// What the tree commits to under it.
        value: SealHash,
    },
}

/// Hashes the empty tree.
#[must_use]
pub fn empty() -> SealHash {
    SealHash::from_bytes(sha256(&[&[2]]))
}

/// Hashes the tree of one pair.
#[must_use]
pub fn single(key: &SealKey, value: &SealHash) -> SealHash {
    SealHash::from_bytes(sha256(&[&[3], key.as_bytes(), value.as_bytes()]))
}

/// Hashes a tree of more than one pair.
#[must_use]
pub fn branch(zero: &SealHash, one: &SealHash) -> SealHash {
    SealHash::from_bytes(sha256(&[&[4], zero.as_bytes(), one.as_bytes()]))
}

impl<V: Value> Node<V> {
    fn leaf(key: SealKey, value: V) -> Self {
        Self::Leaf(Arc::new((key, value)))
    }

    fn branch(zero: Self, one: Self) -> Self {
        let hash = branch(&zero.hash(), &one.hash());
        Self::Branch(Arc::new(Branch { hash, sides: [zero, one] }))
    }

    fn hash(&self) -> SealHash {
        match self {
            Self::Empty => empty(),
            Self::Leaf(leaf) => single(&leaf.0, &leaf.1.hash()),
            Self::Branch(branch) => branch.hash,
        }
    }

    /// Changes the values of sorted keys below a node at `depth`. Returns how many keys are new.
    fn update<C, F>(&mut self, depth: usize, changes: &[(SealKey, C)], change: &F) -> usize
    where
        C: Sync,
        F: Fn(Option<&V>, &C) -> V + Sync,
    {
        match (&*self, changes) {
            (_, []) => 0,
            (Self::Empty, [(key, only)]) => {
                *self = Self::leaf(*key, change(None, only));
                1
            }
            (Self::Leaf(leaf), [(key, only)]) if leaf.0 == *key => {
                *self = Self::leaf(*key, change(Some(&leaf.1), only));
                0
            }
            _ => {
                let [mut zero, mut one] = self.sides(depth);
                let (below, above) = changes.split_at(changes.partition_point(|(key, _)| !key.bit(depth)));
                let new = if changes.len() < WORTH_SPLITTING {
                    (zero.update(depth + 1, below, change), one.update(depth + 1, above, change))
                } else {
                    rayon::join(|| zero.update(depth + 1, below, change), || one.update(depth + 1, above, change))
                };
                *self = Self::branch(zero, one);
                new.0 + new.1
            }
        }
    }

    /// Returns what is below a node at `depth`, as if it were a branch.
    fn sides(&self, depth: usize) -> [Self; 2] {
        match self {
            Self::Empty => [Self::Empty, Self::Empty],
            Self::Leaf(leaf) if leaf.0.bit(depth) => [Self::Empty, self.clone()],
            Self::Leaf(_) => [self.clone(), Self::Empty],
            Self::Branch(branch) => branch.sides.clone(),
        }
    }
}

impl<V: Value> Default for Tree<V> {
    fn default() -> Self {
        Self { root: Node::Empty, len: 0 }
    }
}

impl<V: Value> Tree<V> {
    /// Returns how many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns K of it.
    #[must_use]
    pub fn root(&self) -> SealHash {
        self.root.hash()
    }

    /// Changes values: `change` makes each out of the one that is there, if any. Only the changed paths are hashed.
    /// Costs the sorting of the changes and, for each, the length of its way.
    ///
    /// # Panics
    /// When a key stands twice in `changes`: a mistake of the caller.
    pub fn update<C, F>(&mut self, mut changes: Vec<(SealKey, C)>, change: &F)
    where
        C: Send + Sync,
        F: Fn(Option<&V>, &C) -> V + Sync,
    {
        changes.sort_unstable_by_key(|(key, _)| *key);
        assert!(changes.windows(2).all(|pair| pair[0].0 != pair[1].0), "a key is changed once at a time");
        self.len += self.root.update(0, &changes, change);
    }

    /// Finds a value.
    #[must_use]
    pub fn get(&self, key: &SealKey) -> Option<&V> {
        let (mut node, mut depth) = (&self.root, 0);
        loop {
            match node {
                Node::Empty => return None,
                Node::Leaf(leaf) => return (leaf.0 == *key).then_some(&leaf.1),
                Node::Branch(branch) => node = &branch.sides[usize::from(key.bit(depth))],
            }
            depth += 1;
        }
    }

    /// Proves what stands under a key, or that nothing does.
    #[must_use]
    pub fn way(&self, key: &SealKey) -> Way<V> {
        let (mut node, mut siblings) = (&self.root, Vec::new());
        while let Node::Branch(branch) = node {
            let side = usize::from(key.bit(siblings.len()));
            siblings.push(branch.sides[1 - side].hash());
            node = &branch.sides[side];
        }
        let end = match node {
            Node::Leaf(leaf) if leaf.0 == *key => End::Here(leaf.1.clone()),
            Node::Leaf(leaf) => End::Another { key: leaf.0, value: leaf.1.hash() },
            _ => End::Nothing,
        };
        Way { siblings, end }
    }
}

impl<V: Value> Way<V> {
    /// Puts what stands at the end together with the siblings: the root that the way proves it in.
    #[must_use]
    pub fn root(&self, key: &SealKey) -> SealHash {
        let end = match &self.end {
            End::Here(value) => single(key, &value.hash()),
            End::Nothing => empty(),
            End::Another { key, value } => single(key, value),
        };
        self.siblings.iter().enumerate().rev().fold(end, |below, (depth, sibling)| {
            if key.bit(depth) { branch(sibling, &below) } else { branch(&below, sibling) }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The definition of SPEC §15, word for word.
    fn naive(pairs: &[(SealKey, SealHash)], depth: usize) -> SealHash {
        match pairs {
            [] => empty(),
            [(key, value)] => single(key, value),
            _ => {
                let side = |bit| {
                    let of: Vec<_> = pairs.iter().copied().filter(|(key, _)| key.bit(depth) == bit).collect();
                    naive(&of, depth + 1)
                };
                branch(&side(false), &side(true))
            }
        }
    }

    /// Keys of which many share long beginnings: chance has few of these.
    fn key() -> impl Strategy<Value = SealKey> {
        let near = (0..3u8, 0..256usize).prop_map(|(fill, flipped)| {
            let mut bytes = [[0, 0xa5, 0xff][usize::from(fill)]; 32];
            bytes[flipped / 8] ^= 0x80 >> (flipped % 8);
            SealKey::from_bytes(bytes)
        });
        prop_oneof![near, any::<[u8; 32]>().prop_map(SealKey::from_bytes)]
    }

    fn value() -> impl Strategy<Value = SealHash> {
        any::<[u8; 32]>().prop_map(SealHash::from_bytes)
    }

    fn replace(_: Option<&SealHash>, new: &SealHash) -> SealHash {
        *new
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn updates_give_what_the_definition_gives(
            rounds in prop::collection::vec(prop::collection::btree_map(key(), value(), 0..20), 0..6),
            asked in prop::collection::vec(key(), 4),
        ) {
            let mut model = BTreeMap::new();
            let mut tree = Tree::default();
            for round in rounds {
                let (before, old) = (tree.clone(), tree.root());
                model.extend(round.clone());
                tree.update(round.into_iter().collect(), &replace);
                let pairs: Vec<_> = model.iter().map(|(key, value)| (*key, *value)).collect();
                prop_assert_eq!(tree.root(), naive(&pairs, 0));
                prop_assert_eq!(tree.len(), model.len());
                prop_assert_eq!(before.root(), old, "what was sealed stays");
            }
            for key in asked.iter().chain(model.keys()) {
                let way = tree.way(key);
                prop_assert!(way.siblings.len() <= KEY_BITS);
                prop_assert_eq!(way.root(key), tree.root());
                prop_assert_eq!(tree.get(key), model.get(key));
                match (&way.end, model.get(key)) {
                    (End::Here(found), Some(value)) => prop_assert_eq!(found, value),
                    (End::Nothing, None) => {}
                    (End::Another { key: other, value }, None) => {
                        prop_assert_ne!(other, key);
                        prop_assert_eq!(model.get(other), Some(value));
                        prop_assert!((0..way.siblings.len()).all(|depth| other.bit(depth) == key.bit(depth)));
                    }
                    (end, expected) => prop_assert!(false, "{:?}, expected {:?}", end, expected),
                }
            }
        }
    }

    #[test]
    fn many_changes_at_once_are_as_many_by_themselves() {
        let pairs: Vec<(SealKey, SealHash)> = (0..3_000u32)
            .map(|n| (SealKey::of(&n.to_string()), SealHash::from_bytes(sha256(&[&n.to_be_bytes()]))))
            .collect();
        let mut at_once = Tree::default();
        at_once.update(pairs.clone(), &replace);
        let mut one_by_one = Tree::default();
        for pair in &pairs {
            one_by_one.update(vec![*pair], &replace);
        }
        assert_eq!(at_once.root(), one_by_one.root());
        assert_eq!(at_once.root(), naive(&pairs, 0));
        let longest = pairs.iter().map(|(key, _)| at_once.way(key).siblings.len()).max();
        assert!(longest.is_some_and(|longest| longest < 40), "{longest:?}");
    }
}
