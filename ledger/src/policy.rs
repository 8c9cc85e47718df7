//! Whether the parties that signed satisfy a rule (SPEC §9). Pure: no clock, no store.
//!
//! A rule is satisfied iff one can choose one branch of each `any`, k of each `at_least` and all of each `all` so that
//! every chosen `governance` leaf holds and all chosen `role`, `capacity`, `party` and `any_party` leaves of the whole
//! rule are assigned pairwise different signing parties. Taking the first party that fits a leaf is not enough; the
//! search below goes through the choices and keeps a maximum matching of leaves to parties as it goes. A rule has at
//! most 16 leaves and an event at most 16 signing parties, so it ends quickly on any input.

pub mod ways;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::capacity::Capacity;
use crate::fault::{self, Fault};
use crate::id::PartyId;
use crate::rule::Rule;

/// A party that signed with at least one counting key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningParty {
    /// Who.
    pub party: PartyId,
    /// What it is now.
    pub capacities: BTreeSet<Capacity>,
    /// What it is bound to in the event's case.
    pub roles: BTreeSet<Capacity>,
    /// For each key that it signed with, the largest `keys` that the key counts towards (SPEC §8).
    pub key_strengths: Vec<u8>,
}

impl SigningParty {
    /// Tells whether it signed with `n` keys of which each counts towards `n`.
    fn has_keys(&self, n: u8) -> bool {
        let counts = |strength: &&u8| **strength >= n || fault::is(Fault::CountsVouchedKeys);
        self.key_strengths.iter().filter(counts).count() >= usize::from(n)
    }
}

/// Who signed the event that a correction corrects, each party by its final successor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorrectedSigners {
    /// The parties.
    pub parties: BTreeSet<PartyId>,
    /// Whether the quorum did.
    pub quorum: bool,
}

/// What a rule is judged on.
pub struct Judged<'a> {
    /// The parties that signed.
    pub signers: &'a [SigningParty],
    /// Whether the governance quorum signed.
    pub quorum: bool,
    /// The payload as signed.
    pub payload: &'a Value,
    /// Finds the final successor of the party of an id, `None` when no such party is enrolled.
    pub resolve: &'a dyn Fn(&str) -> Option<PartyId>,
    /// Who signed the corrected event, if this is a correction.
    pub corrected: Option<&'a CorrectedSigners>,
}

impl std::fmt::Debug for Judged<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judged").field("signers", &self.signers).field("quorum", &self.quorum).finish_non_exhaustive()
    }
}

/// Tells whether a rule is satisfied (SPEC §9).
#[must_use]
pub fn is_satisfied(rule: &Rule, judged: &Judged<'_>) -> bool {
    if matches!(rule, Rule::Corrected) {
        return judged.corrected.is_some_and(|original| {
            let signed = |party: &PartyId| judged.signers.iter().any(|signer| signer.party == *party);
            original.parties.iter().all(signed) && (!original.quorum || judged.quorum)
        });
    }
    let goals = Goals { rule, next: None };
    satisfy(Some(&goals), judged, &Matching::default())
}

/// The goals still to be met: a list that shares its tail.
struct Goals<'a> {
    rule: &'a Rule,
    next: Option<&'a Goals<'a>>,
}

/// Meets all goals, trying the branches of the first one in turn.
fn satisfy(goals: Option<&Goals<'_>>, judged: &Judged<'_>, matching: &Matching) -> bool {
    let Some(Goals { rule, next }) = goals else { return true };
    match rule {
        Rule::All(rules) => satisfy_chosen(rules, rules.len(), *next, judged, matching),
        Rule::Any(rules) => satisfy_chosen(rules, 1, *next, judged, matching),
        Rule::AtLeast { n, of } => satisfy_chosen(of, *n, *next, judged, matching),
        leaf => match candidates(leaf, judged) {
            Leaf::Holds => satisfy(*next, judged, matching),
            Leaf::Fails => false,
            Leaf::OneOf(mask) => matching.with(mask).is_some_and(|matching| satisfy(*next, judged, &matching)),
        },
    }
}

/// Meets `n` of `rules`, then the rest.
fn satisfy_chosen(
    rules: &[Rule],
    n: usize,
    rest: Option<&Goals<'_>>,
    judged: &Judged<'_>,
    matching: &Matching,
) -> bool {
    if n == 0 {
        return satisfy(rest, judged, matching);
    }
    let Some((first, others)) = rules.split_first() else { return false };
    if n > rules.len() {
        return false;
    }
    let remaining = Chosen { rules: others, n: n - 1, rest };
    satisfy_first(first, &remaining, judged, matching) || satisfy_chosen(others, n, rest, judged, matching)
}

/// What is left of a choice once its first branch was taken.
struct Chosen<'a> {
    rules: &'a [Rule],
    n: usize,
    rest: Option<&'a Goals<'a>>,
}

/// Meets `rule`, then the remaining choice.
fn satisfy_first(rule: &Rule, remaining: &Chosen<'_>, judged: &Judged<'_>, matching: &Matching) -> bool {
    if remaining.n == 0 {
        return satisfy(Some(&Goals { rule, next: remaining.rest }), judged, matching);
    }
    // The remaining branches become a goal of their own behind this one.
    let others = Rule::AtLeast { n: remaining.n, of: remaining.rules.to_vec() };
    let behind = Goals { rule: &others, next: remaining.rest };
    satisfy(Some(&Goals { rule, next: Some(&behind) }), judged, matching)
}

/// What a leaf needs.
enum Leaf {
    /// Nothing: it holds by itself.
    Holds,
    /// It cannot hold.
    Fails,
    /// One signing party of these (a bit each), for itself alone.
    OneOf(u32),
}

fn candidates(leaf: &Rule, judged: &Judged<'_>) -> Leaf {
    if holds_alone(leaf, judged) {
        return Leaf::Holds;
    }
    let fitting = judged.signers.iter().enumerate().filter(|(_, signer)| fits(leaf, signer, judged));
    let mask = fitting.fold(0, |m, (i, _)| m | 1 << i);
    if mask == 0 { Leaf::Fails } else { Leaf::OneOf(mask) }
}

/// Tells whether a leaf holds without a party for itself.
fn holds_alone(leaf: &Rule, judged: &Judged<'_>) -> bool {
    match leaf {
        Rule::Governance => judged.quorum,
        Rule::Party { pointer, optional, .. } => *optional && judged.payload.pointer(pointer).is_none(),
        _ => false,
    }
}

/// Tells whether a party can fill a leaf. `governance` is filled by none, and `corrected` stands only as a whole rule.
pub(crate) fn fits(leaf: &Rule, signer: &SigningParty, judged: &Judged<'_>) -> bool {
    match leaf {
        Rule::Role { role, keys } => {
            signer.roles.contains(role) && signer.capacities.contains(role) && signer.has_keys(*keys)
        }
        Rule::Capacity { capacity, keys } => signer.capacities.contains(capacity) && signer.has_keys(*keys),
        Rule::AnyParty => true,
        Rule::Party { pointer, role, keys, .. } => {
            let named = judged.payload.pointer(pointer).and_then(Value::as_str).and_then(|id| (judged.resolve)(id));
            named.is_some_and(|named| signer.party == named)
                && role.is_none_or(|role| signer.roles.contains(&role))
                && signer.has_keys(*keys)
        }
        _ => false,
    }
}

/// An assignment of leaves to pairwise different parties: a bipartite matching that grows one leaf at a time.
#[derive(Clone, Default)]
struct Matching {
    /// For each leaf taken so far, the parties that fit it and the one it has.
    leaves: Vec<(u32, u32)>,
}

impl Matching {
    /// Adds a leaf, moving others to other parties where needed; `None` when there is no assignment.
    fn with(&self, mask: u32) -> Option<Self> {
        let mut grown = self.clone();
        grown.leaves.push((mask, 0));
        let mut tried = 0;
        grown.place(grown.leaves.len() - 1, &mut tried).then_some(grown)
    }

    /// Finds a party for a leaf along an augmenting path.
    fn place(&mut self, leaf: usize, tried: &mut u32) -> bool {
        let fitting = self.leaves[leaf].0;
        for party in (0..u32::BITS).map(|i| 1 << i).filter(|party| fitting & party != 0) {
            if *tried & party != 0 {
                continue;
            }
            *tried |= party;
            let holder = self.leaves.iter().position(|(_, has)| *has == party);
            if holder.is_none_or(|holder| self.place(holder, tried) || fault::is(Fault::CountsPartiesTwice)) {
                self.leaves[leaf].1 = party;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn signer(party: &str, capacities: &[Capacity], keys: &[u8]) -> SigningParty {
        let capacities: BTreeSet<Capacity> = capacities.iter().copied().collect();
        SigningParty {
            party: party.parse().unwrap(),
            roles: capacities.clone(),
            capacities,
            key_strengths: keys.to_vec(),
        }
    }

    fn holds(rule: &Rule, signers: &[SigningParty]) -> bool {
        let payload = json!({ "body": { "to": "a", "list": [1] } });
        let resolve = |id: &str| signers.iter().map(|s| s.party.clone()).find(|party| party.as_str() == id);
        is_satisfied(rule, &Judged { signers, quorum: false, payload: &payload, resolve: &resolve, corrected: None })
    }

    fn role(role: Capacity) -> Rule {
        Rule::Role { role, keys: 1 }
    }

    #[test]
    fn one_party_does_not_fill_two_leaves() {
        use Capacity::{Donor, Recipient};
        let both = Rule::All(vec![role(Donor), role(Recipient)]);
        assert!(!holds(&both, &[signer("a", &[Donor, Recipient], &[16])]));
        assert!(holds(&both, &[signer("a", &[Donor, Recipient], &[16]), signer("b", &[Donor], &[16])]));
    }

    #[test]
    fn a_greedy_choice_is_undone() {
        use Capacity::{Donor, Inspector, Recipient};
        let rule = Rule::All(vec![Rule::AnyParty, role(Donor), Rule::Any(vec![role(Inspector), role(Recipient)])]);
        let signers =
            [signer("a", &[Donor], &[16]), signer("b", &[Inspector, Recipient], &[16]), signer("c", &[], &[16])];
        assert!(holds(&rule, &signers));
        assert!(!holds(&rule, &signers[..2]));
    }

    #[test]
    fn keys_count_only_as_far_as_they_were_introduced() {
        let rule = Rule::Capacity { capacity: Capacity::Donor, keys: 2 };
        assert!(holds(&rule, &[signer("a", &[Capacity::Donor], &[16, 2])]));
        assert!(!holds(&rule, &[signer("a", &[Capacity::Donor], &[16, 1])]));
        assert!(!holds(&rule, &[signer("a", &[Capacity::Donor], &[16])]));
    }

    #[test]
    fn named_parties() {
        let named = |pointer: &str, optional| Rule::Party { pointer: pointer.into(), role: None, optional, keys: 1 };
        let a = [signer("a", &[], &[16])];
        let b = [signer("b", &[], &[16])];
        assert!(holds(&named("/body/to", false), &a));
        assert!(!holds(&named("/body/to", false), &b));
        assert!(!holds(&named("/body/other", false), &a));
        assert!(holds(&named("/body/other", true), &b));
        assert!(!holds(&named("/body/list", true), &a));
    }

    /// Tries every choice and every assignment, without cleverness.
    fn model(rule: &Rule, signers: &[SigningParty]) -> bool {
        fn choices(rule: &Rule) -> Vec<Vec<Rule>> {
            fn pick(rules: &[Rule], n: usize) -> Vec<Vec<Rule>> {
                if n == 0 {
                    return vec![vec![]];
                }
                let Some((first, others)) = rules.split_first() else { return vec![] };
                let mut all = pick(others, n);
                for head in choices(first) {
                    for tail in pick(others, n - 1) {
                        all.push(head.iter().chain(&tail).cloned().collect());
                    }
                }
                all
            }
            match rule {
                Rule::All(rules) => pick(rules, rules.len()),
                Rule::Any(rules) => pick(rules, 1),
                Rule::AtLeast { n, of } => pick(of, *n),
                leaf => vec![vec![leaf.clone()]],
            }
        }
        fn assign(leaves: &[Rule], free: &[SigningParty]) -> bool {
            let Some((leaf, others)) = leaves.split_first() else { return true };
            (0..free.len()).any(|i| {
                let mut rest = free.to_vec();
                let one = rest.remove(i);
                holds(leaf, &[one]) && assign(others, &rest)
            })
        }
        choices(rule).iter().any(|leaves| assign(leaves, signers))
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let capacity = prop_oneof![Just(Capacity::Donor), Just(Capacity::Recipient), Just(Capacity::Inspector)];
        let leaf = prop_oneof![
            (capacity.clone(), 1u8..3).prop_map(|(role, keys)| Rule::Role { role, keys }),
            (capacity, 1u8..3).prop_map(|(capacity, keys)| Rule::Capacity { capacity, keys }),
            Just(Rule::AnyParty),
        ];
        leaf.prop_recursive(3, 7, 3, |inner| {
            let some = proptest::collection::vec(inner, 1..4);
            prop_oneof![
                some.clone().prop_map(Rule::All),
                some.clone().prop_map(Rule::Any),
                (some, 1usize..4).prop_map(|(of, n)| Rule::AtLeast { n: n.min(of.len()), of }),
            ]
        })
    }

    fn any_signers() -> impl Strategy<Value = Vec<SigningParty>> {
        let capacities = proptest::collection::btree_set(
            prop_oneof![Just(Capacity::Donor), Just(Capacity::Recipient), Just(Capacity::Inspector)],
            0..3,
        );
        let one = (capacities.clone(), capacities, proptest::collection::vec(1u8..3, 1..3));
        proptest::collection::vec(one, 0..5).prop_map(|all| {
            let named = all.into_iter().enumerate();
            named
                .map(|(i, (capacities, roles, key_strengths))| SigningParty {
                    party: format!("p{i}").parse().unwrap(),
                    capacities,
                    roles,
                    key_strengths,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(rule in any_rule(), signers in any_signers()) {
            prop_assert_eq!(holds(&rule, &signers), model(&rule, &signers));
        }
    }
}
