//! Proofs of RFC 9162 and roots of RFC 6962, also over withheld subtrees (SPEC §7, §11).
//!
//! A case is text: a line of numbers, then one hash a line.

use std::str::FromStr;

use countersign_ledger::hash::{LeafHash, NodeHash};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::merkle::{Frontier, verify_consistency, verify_inclusion};
use countersign_verify::hash::Hash;
use countersign_verify::merkle::{ProofError, Range, check_consistency, check_inclusion};

use crate::forge::tree;
use crate::rng::Rng;
use crate::target::{Change, Target, Verdicts};
use crate::text::lines;

fn leaf(n: usize) -> tree::Hash {
    tree::leaf_hash(&n.to_be_bytes())
}

fn leaves(count: usize) -> Vec<tree::Hash> {
    (0..count).map(leaf).collect()
}

fn size(rng: &mut Rng) -> usize {
    if rng.one_in(3) { *rng.pick(&[1, 2, 3, 4, 7, 8, 9, 16, 31, 32, 33, 64, 65, 128, 129]) } else { rng.within(1, 70) }
}

fn case(numbers: &[u64], hashes: &[tree::Hash]) -> Vec<u8> {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let hashes: Vec<String> = hashes.iter().map(hex::encode).collect();
    format!("{}\n{}", numbers.join(" "), hashes.join("\n")).into_bytes()
}

/// The numbers and hashes of a case; `None` where it is of no such form, which proves nothing about proofs.
fn parse(input: &[u8], count: usize) -> Option<(Vec<u64>, Vec<[u8; 32]>)> {
    let lines = lines(input)?;
    let (first, rest) = lines.split_first()?;
    let numbers: Vec<u64> = first.split(' ').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let hashes = rest.iter().filter(|line| !line.is_empty());
    let hashes = hashes.map(|line| hex::decode(line).ok()?.try_into().ok()).collect::<Option<Vec<[u8; 32]>>>()?;
    (numbers.len() == count && hashes.len() <= 80).then_some((numbers, hashes))
}

fn outcome(result: Result<(), ProofError>) -> Result<String, String> {
    result.map(|()| "proved".to_owned()).map_err(|e| e.to_string())
}

/// Inclusion proofs: `index size`, leaf, root, the path.
pub fn inclusion() -> Target {
    Target {
        name: "inclusion",
        about: "inclusion proofs (RFC 9162 §2.1.3)",
        make: |rng| {
            let size = size(rng);
            let (index, all) = (rng.below(size), leaves(size));
            let path = tree::inclusion(index, &all);
            let root = tree::root(&all);
            let index = if rng.one_in(6) { rng.below(2 * size) } else { index };
            case(&[index as u64, size as u64], &[vec![leaf(index), root], path].concat())
        },
        judge: |input| {
            let (numbers, hashes) = parse(input, 2)?;
            let [leaf, root, path @ ..] = hashes.as_slice() else { return None };
            Some(Verdicts::of(
                || {
                    let path: Vec<NodeHash> = path.iter().map(|h| NodeHash::from_bytes(*h)).collect();
                    let (leaf, root) = (LeafHash::from_bytes(*leaf), NodeHash::from_bytes(*root));
                    verify_inclusion(Seq(numbers[0]), TreeSize(numbers[1]), &leaf, &path, &root)
                        .map(|()| "proved".to_owned())
                        .map_err(|e| e.to_string())
                },
                || {
                    let path: Vec<Hash> = path.iter().map(|h| Hash::from_bytes(*h)).collect();
                    let (leaf, root) = (Hash::from_bytes(*leaf), Hash::from_bytes(*root));
                    outcome(check_inclusion(numbers[0], numbers[1], &leaf, &path, &root))
                },
            ))
        },
        words: &[],
        change: Change::Bytes,
    }
}

/// Consistency proofs: `old new`, the old root, the new root, the proof.
pub fn consistency() -> Target {
    Target {
        name: "consistency",
        about: "consistency proofs (RFC 9162 §2.1.4)",
        make: |rng| {
            let new = size(rng);
            let old = rng.within(1, new);
            let all = leaves(new);
            let proof = tree::consistency(old, &all);
            let stated = if rng.one_in(6) { rng.below(new + 2) } else { old };
            case(&[stated as u64, new as u64], &[vec![tree::root(&all[..old]), tree::root(&all)], proof].concat())
        },
        judge: |input| {
            let (numbers, hashes) = parse(input, 2)?;
            let [old, new, proof @ ..] = hashes.as_slice() else { return None };
            Some(Verdicts::of(
                || {
                    let proof: Vec<NodeHash> = proof.iter().map(|h| NodeHash::from_bytes(*h)).collect();
                    let (old, new) = (NodeHash::from_bytes(*old), NodeHash::from_bytes(*new));
                    verify_consistency(TreeSize(numbers[0]), TreeSize(numbers[1]), &old, &new, &proof)
                        .map(|()| "proved".to_owned())
                        .map_err(|e| e.to_string())
                },
                || {
                    let proof: Vec<Hash> = proof.iter().map(|h| Hash::from_bytes(*h)).collect();
                    let (old, new) = (Hash::from_bytes(*old), Hash::from_bytes(*new));
                    outcome(check_consistency(numbers[0], numbers[1], &old, &new, &proof))
                },
            ))
        },
        words: &[],
        change: Change::Bytes,
    }
}

/// Roots: a size on the first line, then the heights of the runs that are withheld, in the order of the leaves. The
/// ledger appends every leaf; the verifier gets a withheld run as its subtree's hash, wherever one fits.
pub fn root() -> Target {
    Target {
        name: "root",
        about: "roots of growing trees, and of trees with withheld subtrees (RFC 6962 §2.1, SPEC §11)",
        make: |rng| {
            let size = if rng.one_in(4) { rng.within(250, 600) } else { rng.below(70) };
            let heights: Vec<String> = (0..rng.below(12)).map(|_| rng.below(9).to_string()).collect();
            format!("{size}\n{}", heights.join(" ")).into_bytes()
        },
        judge: |input| {
            let parts = lines(input)?;
            let &[size, heights] = parts.as_slice() else { return None };
            let size = usize::from_str(size).ok().filter(|size| *size <= 2_000)?;
            let heights: Vec<u32> = heights.split(' ').filter_map(|h| h.parse().ok()).filter(|h| *h < 12).collect();
            let all = leaves(size);
            Some(Verdicts::of(|| by_ledger(&all, &heights), || Ok(by_verifier(&all, &heights))))
        },
        words: &[],
        change: Change::Bytes,
    }
}

fn by_ledger(all: &[tree::Hash], heights: &[u32]) -> Result<String, String> {
    let mut frontier = Frontier::new();
    let hashes: Vec<LeafHash> = all.iter().map(|h| LeafHash::from_bytes(*h)).collect();
    // in batches, so that tiles are finished inside and at the ends of batches
    let mut rest = &hashes[..];
    let mut sizes = heights.iter().map(|h| 1usize << h).cycle();
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(sizes.next().unwrap_or(rest.len()).min(rest.len()));
        frontier.append(batch).map_err(|_| "full".to_owned())?;
        rest = others;
    }
    Ok(frontier.root().to_string())
}

fn by_verifier(all: &[tree::Hash], heights: &[u32]) -> String {
    let mut range = Range::new();
    let mut heights = heights.iter().copied().cycle();
    let mut at = 0;
    while at < all.len() {
        let height = heights.next().unwrap_or(0);
        let run = 1usize << height;
        if at.is_multiple_of(run) && at + run <= all.len() {
            range.push_subtree(height, Hash::from_bytes(tree::root(&all[at..at + run])));
            at += run;
        } else {
            range.push(Hash::from_bytes(all[at]));
            at += 1;
        }
    }
    range.root().to_string()
}
