//! What a rule still needs: the ways in which it can be satisfied, and which of their leaves nobody fills yet. Pure.

use super::{Judged, SigningParty, fits, holds_alone};
use crate::rule::Rule;

/// The most ways that are looked at. A rule of 16 leaves can have more; whoever could sign only in one of the others is
/// then not named, and can sign all the same with an envelope that satisfies the rule at once.
const MAX_WAYS: usize = 4_096;

/// One way to satisfy a rule, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way<'a> {
    /// The leaves that need a party each.
    pub leaves: Vec<&'a Rule>,
    /// Those that no signer is left for.
    pub unfilled: Vec<&'a Rule>,
    /// Those that another party could fill so that more are filled: the unfilled ones, and those whose signer could
    /// go to one of these.
    pub open: Vec<&'a Rule>,
    /// Whether the governance quorum is needed and did not sign.
    pub governance: bool,
}

/// Returns every way to satisfy a rule, each with what it lacks.
#[must_use]
pub fn ways<'a>(rule: &'a Rule, judged: &Judged<'_>) -> Vec<Way<'a>> {
    choices(rule).into_iter().filter_map(|leaves| way(leaves, judged)).collect()
}

fn way<'a>(chosen: Vec<&'a Rule>, judged: &Judged<'_>) -> Option<Way<'a>> {
    let mut governance = false;
    let mut leaves = Vec::new();
    for leaf in chosen {
        match leaf {
            _ if holds_alone(leaf, judged) => {}
            Rule::Governance => governance = true,
            Rule::Party { pointer, .. } if judged.payload.pointer(pointer).is_none() => return None,
            leaf => leaves.push(leaf),
        }
    }
    let fitting = fitting(&leaves, judged.signers, judged);
    let filled = matching(&fitting, judged.signers.len());
    let mut open: Vec<bool> = filled.iter().map(Option::is_none).collect();
    // A leaf whose signer could fill an open one is open itself.
    loop {
        let frees = |at: usize| {
            let signer = filled[at];
            signer.is_some_and(|signer| fitting.iter().zip(&open).any(|(fits, open)| *open && fits.contains(&signer)))
        };
        let Some(more) = (0..leaves.len()).find(|at| !open[*at] && frees(*at)) else { break };
        open[more] = true;
    }
    let those =
        |wanted: &[bool]| leaves.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(leaf, _)| *leaf).collect();
    let unfilled: Vec<bool> = filled.iter().map(Option::is_none).collect();
    Some(Way { unfilled: those(&unfilled), open: those(&open), governance, leaves })
}

impl Way<'_> {
    /// Tells whether these parties can fill every leaf, each its own.
    #[must_use]
    pub fn fits_all(&self, parties: &[SigningParty], judged: &Judged<'_>) -> bool {
        let fitting = fitting(&self.leaves, parties, judged);
        matching(&fitting, parties.len()).iter().all(Option::is_some)
    }
}

/// For each leaf the parties that fit it, by their places.
fn fitting(leaves: &[&Rule], parties: &[SigningParty], judged: &Judged<'_>) -> Vec<Vec<usize>> {
    let of = |leaf: &Rule| (0..parties.len()).filter(|at| fits(leaf, &parties[*at], judged)).collect();
    leaves.iter().map(|leaf| of(leaf)).collect()
}

/// Gives as many leaves as possible a party each, by augmenting paths.
fn matching(fitting: &[Vec<usize>], parties: usize) -> Vec<Option<usize>> {
    fn place(leaf: usize, fitting: &[Vec<usize>], holder: &mut [Option<usize>], tried: &mut [bool]) -> bool {
        for &party in &fitting[leaf] {
            if std::mem::replace(&mut tried[party], true) {
                continue;
            }
            if holder[party].is_none_or(|other| place(other, fitting, holder, tried)) {
                holder[party] = Some(leaf);
                return true;
            }
        }
        false
    }
    let mut holder = vec![None; parties];
    for leaf in 0..fitting.len() {
        place(leaf, fitting, &mut holder, &mut vec![false; parties]);
    }
    (0..fitting.len()).map(|leaf| holder.iter().position(|held| *held == Some(leaf))).collect()
}

/// Returns the leaves of every choice of branches, at most [`MAX_WAYS`] of them.
fn choices(rule: &Rule) -> Vec<Vec<&Rule>> {
    match rule {
        Rule::All(rules) => pick(rules, rules.len()),
        Rule::Any(rules) => pick(rules, 1),
        Rule::AtLeast { n, of } => pick(of, *n),
        leaf => vec![vec![leaf]],
    }
}

fn pick(rules: &[Rule], n: usize) -> Vec<Vec<&Rule>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let Some((first, others)) = rules.split_first().filter(|_| n <= rules.len()) else { return Vec::new() };
    let mut all = Vec::new();
    let tails = pick(others, n - 1);
    for head in choices(first) {
        for tail in &tails {
            if all.len() >= MAX_WAYS {
                return all;
            }
            all.push(head.iter().chain(tail).copied().collect());
        }
    }
    all.extend(pick(others, n));
    all.truncate(MAX_WAYS);
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::capacity::Capacity::{self, Donor, Inspector, Recipient};

    fn signer(party: &str, roles: &[Capacity]) -> SigningParty {
        let roles: std::collections::BTreeSet<_> = roles.iter().copied().collect();
        SigningParty { party: party.parse().unwrap(), capacities: roles.clone(), roles, key_strengths: vec![16] }
    }

    fn role(role: Capacity) -> Rule {
        Rule::Role { role, keys: 1 }
    }

    #[test]
    fn every_way_says_what_it_lacks() {
        let rule = Rule::All(vec![role(Donor), Rule::Any(vec![role(Inspector), role(Recipient)])]);
        let signers = [signer("a", &[Donor])];
        let resolve = |_: &str| None;
        let payload = json!({});
        let judged = Judged { signers: &signers, quorum: false, payload: &payload, resolve: &resolve, corrected: None };
        let found: Vec<String> = ways(&rule, &judged)
            .iter()
            .map(|way| way.unfilled.iter().map(|leaf| leaf.in_words()).collect::<Vec<_>>().join(" and "))
            .collect();
        assert_eq!(found, ["a inspector of the case", "a recipient of the case"]);
    }

    /// One who could do either leaf leaves both open until somebody else comes.
    #[test]
    fn a_leaf_that_could_be_freed_is_open() {
        let rule = Rule::All(vec![role(Donor), role(Recipient)]);
        let signers = [signer("a", &[Donor, Recipient])];
        let (resolve, payload) = (|_: &str| None, json!({}));
        let judged = Judged { signers: &signers, quorum: false, payload: &payload, resolve: &resolve, corrected: None };
        let ways = ways(&rule, &judged);
        assert_eq!((ways[0].unfilled.len(), ways[0].open.len()), (1, 2));
        assert!(!ways[0].fits_all(&signers, &judged));
        assert!(ways[0].fits_all(&[signers[0].clone(), signer("b", &[Donor])], &judged));
    }

    #[test]
    fn the_number_of_ways_is_bounded() {
        let rule = Rule::AtLeast { n: 8, of: vec![Rule::AnyParty; 16] };
        assert_eq!(choices(&rule).len(), MAX_WAYS);
    }
}
