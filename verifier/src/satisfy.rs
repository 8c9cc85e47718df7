//! Whether signatures satisfy a rule (SPEC §9): branches are chosen so that every chosen leaf that asks for a party
//! gets one of its own.
//!
//! Choosing is exact. A rule has at most 16 leaves, each standing once in its tree, so the minimal sets of leaves
//! that satisfy the tree form an antichain of at most C(16,8) = 12,870 sets; they are found once for a rule. For an
//! event each of them is a bipartite matching of at most 16 leaves with at most 16 signing parties. No input makes
//! that grow.

use crate::policy::{KindRule, Node};

/// What a leaf comes to for one event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeafState {
    /// It holds and takes nobody.
    Holds,
    /// It does not hold.
    Fails,
    /// It holds if one of these signing parties is kept for it: a bit for each.
    Needs(u16),
}

impl KindRule {
    /// The minimal sets of leaves that satisfy the tree, a bit for each leaf, small sets first.
    fn minimal_sets(&self) -> &[u16] {
        self.minimal.get_or_init(|| {
            let mut sets = minimal(&self.tree);
            sets.sort_by_key(|set| set.count_ones());
            sets
        })
    }

    /// Whether the rule is satisfied, given what each leaf comes to.
    pub fn satisfied(&self, leaves: &[LeafState]) -> bool {
        let possible = leaves
            .iter()
            .enumerate()
            .filter(|(_, state)| !matches!(state, LeafState::Fails | LeafState::Needs(0)))
            .fold(0u16, |set, (at, _)| set | 1 << at);
        self.minimal_sets().iter().any(|set| set & !possible == 0 && assignable(*set, leaves))
    }
}

fn minimal(node: &Node) -> Vec<u16> {
    match node {
        Node::Leaf(at) => vec![1 << at],
        Node::AtLeast(n, parts) => {
            // ways[k]: the sets that satisfy exactly k of the parts so far
            let mut ways: Vec<Vec<u16>> = vec![Vec::new(); n + 1];
            ways[0].push(0);
            for part in parts {
                let sets = minimal(part);
                for k in (0..*n).rev() {
                    let joined: Vec<u16> =
                        ways[k].iter().flat_map(|have| sets.iter().map(move |set| have | set)).collect();
                    ways[k + 1].extend(joined);
                }
            }
            ways.swap_remove(*n)
        }
    }
}

/// Whether the chosen leaves can be given pairwise different parties.
fn assignable(set: u16, leaves: &[LeafState]) -> bool {
    let mut owner: [Option<usize>; 16] = [None; 16];
    (0..leaves.len()).filter(|at| set & 1 << at != 0).all(|at| {
        let mut seen = 0;
        !matches!(leaves[at], LeafState::Needs(_)) || assign(at, leaves, &mut owner, &mut seen)
    })
}

/// Finds a party for the leaf, moving others along an augmenting path where needed.
fn assign(leaf: usize, leaves: &[LeafState], owner: &mut [Option<usize>; 16], seen: &mut u16) -> bool {
    let LeafState::Needs(parties) = leaves[leaf] else {
        return true;
    };
    for party in 0..16 {
        if parties & !*seen & 1 << party == 0 {
            continue;
        }
        *seen |= 1 << party;
        let free = match owner[party] {
            None => true,
            Some(other) => assign(other, leaves, owner, seen),
        };
        if free {
            owner[party] = Some(leaf);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{CaseUse, Leaf};
    use proptest::prelude::*;
    use std::sync::OnceLock;

    fn rule(tree: Node, leaves: usize) -> KindRule {
        KindRule { case: CaseUse::Required, leaves: vec![Leaf::AnyParty; leaves], tree, minimal: OnceLock::new() }
    }

    #[test]
    fn one_party_is_not_two() {
        let both = rule(Node::AtLeast(2, vec![Node::Leaf(0), Node::Leaf(1)]), 2);
        assert!(!both.satisfied(&[LeafState::Needs(1), LeafState::Needs(1)]));
        assert!(both.satisfied(&[LeafState::Needs(3), LeafState::Needs(1)]));
        assert!(both.satisfied(&[LeafState::Holds, LeafState::Needs(1)]));
        assert!(!both.satisfied(&[LeafState::Fails, LeafState::Needs(1)]));
    }

    #[test]
    fn widest_rule_stays_small() {
        let wide = rule(Node::AtLeast(8, (0..16).map(Node::Leaf).collect()), 16);
        assert_eq!(wide.minimal_sets().len(), 12_870);
        // seven parties for eight leaves: every set has to be tried, and none can do
        assert!(!wide.satisfied(&[LeafState::Needs(0x7f); 16]));
        assert!(wide.satisfied(&[LeafState::Needs(0xff); 16]));
    }

    /// The definition, word by word: try every choice and every assignment.
    fn by_definition(node: &Node, leaves: &[LeafState], used: u16) -> Vec<u16> {
        match node {
            Node::Leaf(at) => match leaves[*at] {
                LeafState::Holds => vec![used],
                LeafState::Fails => vec![],
                LeafState::Needs(parties) => {
                    (0..16).filter(|p| parties & !used & 1 << p != 0).map(|p| used | 1 << p).collect()
                }
            },
            Node::AtLeast(n, parts) => {
                let mut found = vec![];
                for choice in 0u32..1 << parts.len() {
                    if choice.count_ones() as usize != *n {
                        continue;
                    }
                    let mut states = vec![used];
                    for (at, part) in parts.iter().enumerate() {
                        if choice & 1 << at != 0 {
                            states = states.iter().flat_map(|used| by_definition(part, leaves, *used)).collect();
                            states.sort_unstable();
                            states.dedup();
                        }
                    }
                    found.extend(states);
                }
                found
            }
        }
    }

    /// A tree over leaves 0, 1, 2, … in order.
    fn tree() -> impl Strategy<Value = (Node, usize)> {
        let leaf = Just(Node::Leaf(0));
        leaf.prop_recursive(3, 8, 4, |inner| {
            (proptest::collection::vec(inner, 1..4), any::<prop::sample::Index>())
                .prop_map(|(parts, n)| Node::AtLeast(n.index(parts.len()) + 1, parts))
        })
        .prop_map(|mut node| {
            let mut next = 0;
            number(&mut node, &mut next);
            (node, next)
        })
        .prop_filter("few leaves", |(_, leaves)| *leaves <= 8)
    }

    fn number(node: &mut Node, next: &mut usize) {
        match node {
            Node::Leaf(at) => {
                *at = *next;
                *next += 1;
            }
            Node::AtLeast(_, parts) => parts.iter_mut().for_each(|part| number(part, next)),
        }
    }

    fn state() -> impl Strategy<Value = LeafState> {
        prop_oneof![
            1 => Just(LeafState::Holds),
            1 => Just(LeafState::Fails),
            6 => (0u16..32).prop_map(LeafState::Needs),
        ]
    }

    proptest! {
        #[test]
        fn same_as_the_definition(
            (tree, count) in tree(),
            states in proptest::collection::vec(state(), 8),
        ) {
            let leaves = &states[..count];
            let expected = !by_definition(&tree, leaves, 0).is_empty();
            prop_assert_eq!(rule(tree, count).satisfied(leaves), expected);
        }
    }
}
