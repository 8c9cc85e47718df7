#![allow(clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation, reason = "the trees here have some ten thousand leaves")]

use std::cell::RefCell;
use std::collections::HashMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

use super::*;
use crate::id::Seq;
use crate::tile::{TileId, TileWidth};

/// Tiles in memory, written as a store would write them.
#[derive(Default)]
struct MapTiles {
    tiles: HashMap<TileId, Vec<NodeHash>>,
    reads: RefCell<Vec<TileId>>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such tile")]
struct Missing;

impl TileReader for MapTiles {
    type Error = Missing;

    fn tile(&self, tile: TileId, _: TileWidth) -> Result<Vec<NodeHash>, Missing> {
        self.reads.borrow_mut().push(tile);
        self.tiles.get(&tile).cloned().ok_or(Missing)
    }
}

impl MapTiles {
    fn write(&mut self, appended: &Appended) {
        for changed in appended.tiles() {
            let before = self.tiles.insert(changed.tile, changed.hashes.clone());
            let before = before.unwrap_or_default();
            assert!(before.len() < 256, "{} was full and is written again", changed.tile);
            assert!(changed.hashes.starts_with(&before) && changed.hashes.len() > before.len(), "{}", changed.tile);
            assert_eq!(changed.tile.width_in(appended.size()).unwrap().hashes() as usize, changed.hashes.len());
        }
    }
}

fn data(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

fn leaves(n: u64) -> Vec<LeafHash> {
    (0..n).map(|i| LeafHash::of_line(&data(i))).collect()
}

/// MTH of RFC 6962 §2.1, word by word.
fn naive_root(leaves: &[LeafHash]) -> NodeHash {
    match leaves {
        [] => empty_root(),
        [leaf] => NodeHash::from(*leaf),
        more => {
            let mut k = 1;
            while k * 2 < more.len() {
                k *= 2;
            }
            parent(&naive_root(&more[..k]), &naive_root(&more[k..]))
        }
    }
}

/// A tree of `size` leaves, appended in batches of the given lengths over and over.
fn grown(size: u64, batches: &[usize]) -> (Frontier, MapTiles) {
    let (mut frontier, mut tiles) = (Frontier::new(), MapTiles::default());
    let leaves = leaves(size);
    let (mut rest, mut lengths) = (&leaves[..], batches.iter().cycle());
    while !rest.is_empty() {
        let (batch, after) = rest.split_at((*lengths.next().unwrap()).min(rest.len()));
        tiles.write(&frontier.append(batch).unwrap());
        rest = after;
    }
    (frontier, tiles)
}

fn size(n: u64) -> TreeSize {
    TreeSize(n)
}

#[test]
fn frontier_root_is_the_naive_root_at_every_size() {
    let all = leaves(600);
    let (mut frontier, mut tiles) = (Frontier::new(), MapTiles::default());
    assert_eq!(frontier.root(), empty_root());
    for n in 0..600u64 {
        let appended = frontier.append(&all[n as usize..=n as usize]).unwrap();
        tiles.write(&appended);
        let root = naive_root(&all[..=n as usize]);
        assert_eq!((frontier.root(), appended.root(), frontier.size()), (root, root, size(n + 1)));
        assert_eq!(TreeView::new(&tiles, size(n + 1)).unwrap().root().unwrap(), root);
    }
    assert_eq!(TreeView::new(&tiles, size(0)).unwrap().root().unwrap(), empty_root());
}

#[test]
fn a_reopened_frontier_goes_on_as_if_never_closed() {
    let all = leaves(602);
    let (mut frontier, mut tiles) = (Frontier::new(), MapTiles::default());
    for n in 0..600u64 {
        let mut reopened = Frontier::open(&tiles, size(n)).unwrap();
        assert_eq!(reopened, frontier, "at size {n}");
        let two = &all[n as usize..n as usize + 2];
        let (appended, mut other) = (reopened.append(two).unwrap(), frontier.clone());
        assert_eq!(appended.tiles(), other.append(two).unwrap().tiles());
        assert_eq!(appended.root(), naive_root(&all[..n as usize + 2]));
        tiles.write(&frontier.append(&two[..1]).unwrap());
    }
}

#[test]
fn opening_refuses_tiles_of_another_size() {
    let (_, mut tiles) = grown(300, &[300]);
    assert!(matches!(Frontier::open(&tiles, size(299)), Err(FrontierError::Width { found: 44, .. })));
    assert!(matches!(Frontier::open(&tiles, size(301)), Err(FrontierError::Width { found: 44, .. })));
    assert!(matches!(Frontier::open(&tiles, size(600)), Err(FrontierError::Reader { source: Missing, .. })));
    assert!(matches!(Frontier::open(&tiles, size(1 << 53)), Err(FrontierError::Size { .. })));
    assert!(matches!(Frontier::open(&tiles, MAX_TREE_SIZE), Err(FrontierError::Reader { .. })));
    tiles.tiles.get_mut(&TileId::new(1, 0).unwrap()).unwrap().clear();
    assert!(matches!(Frontier::open(&tiles, size(300)), Err(FrontierError::Width { found: 0, .. })));
    let view = TreeView::new(&tiles, size(300)).unwrap().root();
    assert!(matches!(view, Err(TreeError::Width { found: 0, .. })));
}

#[test]
fn batches_of_any_length_give_the_same_tiles() {
    let size = 66_000;
    let (one, tiles) = grown(size, &[512]);
    assert_eq!(tiles.tiles.len(), 258 + 2 + 1);
    for batches in [&[66_000][..], &[1, 2, 3, 300, 7, 511], &[256], &[255, 1, 257]] {
        let (other, others) = grown(size, batches);
        assert_eq!(one, other);
        assert_eq!(tiles.tiles, others.tiles);
    }
    assert_eq!(one.root(), naive_root(&leaves(size)));
    assert_eq!(Frontier::open(&tiles, TreeSize(size)).unwrap(), one);
}

#[test]
fn proofs_agree_with_ct_merkle_at_every_size_to_300() {
    let all = leaves(300);
    let (_, tiles) = grown(300, &[17, 64]);
    let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for n in 1..=300u64 {
        other.push(data(n - 1));
        let mut view = TreeView::new(&tiles, size(n)).unwrap();
        let root = view.root().unwrap();
        assert_eq!(root.as_bytes()[..], other.root().as_bytes()[..]);
        for seq in 0..n {
            let proof = view.inclusion_proof(Seq(seq)).unwrap();
            assert_eq!(flat(&proof), other.prove_inclusion(seq as usize).as_bytes(), "{seq} of {n}");
            verify_inclusion(Seq(seq), size(n), &all[seq as usize], &proof, &root).unwrap();
        }
        for old in 1..=n {
            let proof = view.consistency_proof(size(old)).unwrap();
            let old_root = naive_or_view(&tiles, old);
            verify_consistency(size(old), size(n), &old_root, &root, &proof).unwrap();
            let theirs = other.prove_consistency((n - old) as usize);
            assert_eq!(flat(&proof), theirs.as_bytes(), "{old} to {n}");
        }
    }
}

fn flat(proof: &[NodeHash]) -> Vec<u8> {
    crate::tile::tile_bytes(proof)
}

fn naive_or_view(tiles: &MapTiles, n: u64) -> NodeHash {
    TreeView::new(tiles, size(n)).unwrap().root().unwrap()
}

#[test]
fn an_append_proves_what_it_appended_without_reading() {
    let all = leaves(1_400);
    for (old, new) in
        [(0, 1), (0, 1_400), (1, 2), (5, 6), (255, 257), (256, 300), (300, 301), (511, 1_400), (777, 1_024)]
    {
        let (mut frontier, mut tiles) = grown(old, &[100]);
        let appended = frontier.append(&all[old as usize..new as usize]).unwrap();
        tiles.write(&appended);
        let mut view = TreeView::new(&tiles, size(new)).unwrap();
        for seq in 0..new + 2 {
            let proof = appended.inclusion_proof(Seq(seq));
            assert_eq!(proof.is_some(), (old..new).contains(&seq));
            if let Some(proof) = proof {
                assert_eq!(proof, view.inclusion_proof(Seq(seq)).unwrap(), "{seq}, {old} to {new}");
            }
        }
        match appended.consistency_proof() {
            None => assert_eq!(old, 0),
            Some(proof) => assert_eq!(proof, view.consistency_proof(size(old)).unwrap()),
        }
    }
    let (mut frontier, _) = grown(70, &[70]);
    let nothing = frontier.append(&[]).unwrap();
    assert!(nothing.tiles().is_empty());
    assert_eq!((nothing.root(), nothing.consistency_proof()), (frontier.root(), Some(Vec::new())));
}

#[test]
fn subtree_hashes_are_those_of_the_leaves() {
    let all = leaves(70_000);
    let (_, tiles) = grown(70_000, &[4_096]);
    let mut view = TreeView::new(&tiles, size(69_999)).unwrap();
    for (start, end) in [(0, 1), (69_998, 69_999), (256, 512), (65_536, 69_632), (0, 65_536), (96, 128), (512, 1_024)] {
        assert_eq!(view.subtree_hash(start, end).unwrap(), naive_root(&all[start as usize..end as usize]));
    }
    for (start, end) in [(0, 0), (1, 1), (1, 3), (2, 6), (0, 3), (5, 4), (69_999, 70_000), (65_536, 131_072)] {
        assert!(matches!(view.subtree_hash(start, end), Err(TreeError::NoSubtree { .. })), "{start} {end}");
    }
    assert!(view.subtree_hash(u64::MAX - 1, u64::MAX).is_err());
    assert!(view.subtree_hash(0, 1 << 63).is_err());
}

#[test]
fn a_view_reads_each_tile_once_and_only_what_it_needs() {
    let (_, tiles) = grown(70_000, &[4_096]);
    let mut view = TreeView::new(&tiles, size(70_000)).unwrap();
    view.inclusion_proof(Seq(3)).unwrap();
    view.inclusion_proof(Seq(4)).unwrap();
    let read = std::mem::take(&mut *tiles.reads.borrow_mut());
    let wanted = [(0, 0), (0, 273), (1, 0), (1, 1)].map(|(level, index)| TileId::new(level, index).unwrap());
    assert_eq!(read.len(), wanted.len());
    assert!(wanted.iter().all(|tile| read.contains(tile)), "{read:?}");
}

#[test]
fn questions_beyond_the_tree_are_errors() {
    let (_, tiles) = grown(10, &[10]);
    let mut view = TreeView::new(&tiles, size(10)).unwrap();
    assert!(matches!(view.inclusion_proof(Seq(10)), Err(TreeError::NoEntry { .. })));
    assert!(matches!(view.inclusion_proof(Seq(u64::MAX)), Err(TreeError::NoEntry { .. })));
    assert!(matches!(view.consistency_proof(size(0)), Err(TreeError::NoOldTree { .. })));
    assert!(matches!(view.consistency_proof(size(11)), Err(TreeError::NoOldTree { .. })));
    assert_eq!(view.consistency_proof(size(10)).unwrap(), []);
    assert!(matches!(TreeView::new(&tiles, size(1 << 53)), Err(TreeError::Size { .. })));
    assert!(TreeView::new(&tiles, size(257)).unwrap().root().is_err());
}

#[test]
fn a_wrong_number_of_hashes_is_told_with_the_right_one() {
    let all = leaves(300);
    let (_, tiles) = grown(300, &[300]);
    for n in 1..=40 {
        let mut view = TreeView::new(&tiles, size(n)).unwrap();
        let root = view.root().unwrap();
        for seq in 0..n {
            let proof = view.inclusion_proof(Seq(seq)).unwrap();
            let mut longer = proof.clone();
            longer.push(root);
            for wrong in [&longer[..], proof.split_last().map_or(&longer[..], |(_, shorter)| shorter)] {
                let expected =
                    InclusionError::Length { seq: Seq(seq), size: size(n), expected: proof.len(), found: wrong.len() };
                let found = verify_inclusion(Seq(seq), size(n), &all[seq as usize], wrong, &root);
                assert_eq!(found, Err(expected));
            }
        }
    }
}

#[test]
fn consistency_has_its_edges() {
    let (a, b) = (naive_root(&leaves(4)), naive_root(&leaves(5)));
    let empty = empty_root();
    assert_eq!(verify_consistency(size(0), size(4), &empty, &a, &[]), Err(ConsistencyError::OldEmpty));
    assert_eq!(verify_consistency(size(0), size(0), &empty, &empty, &[]), Err(ConsistencyError::OldEmpty));
    let shrunk = ConsistencyError::Shrunk { old: size(5), new: size(4) };
    assert_eq!(verify_consistency(size(5), size(4), &b, &a, &[]), Err(shrunk));
    assert_eq!(verify_consistency(size(4), size(4), &a, &a, &[]), Ok(()));
    assert!(matches!(verify_consistency(size(4), size(4), &a, &b, &[]), Err(ConsistencyError::NewRoot { .. })));
    assert!(matches!(verify_consistency(size(4), size(4), &a, &a, &[a]), Err(ConsistencyError::Length { .. })));
    assert!(matches!(verify_consistency(size(4), size(5), &a, &b, &[]), Err(ConsistencyError::Length { .. })));
    assert!(matches!(
        verify_consistency(size(u64::MAX - 1), size(u64::MAX), &a, &b, &vec![a; 63]),
        Err(ConsistencyError::OldRoot { .. } | ConsistencyError::Length { .. })
    ));
    assert!(verify_inclusion(Seq(u64::MAX - 1), size(u64::MAX), &leaves(1)[0], &vec![a; 63], &b).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_changed_bit_or_swap_breaks_a_proof(
        n in 2u64..700, at in any::<prop::sample::Index>(), old in any::<prop::sample::Index>(),
        hash in any::<prop::sample::Index>(), bit in 0usize..256,
    ) {
        let (_, tiles) = grown(n, &[n as usize]);
        let mut view = TreeView::new(&tiles, size(n)).unwrap();
        let (root, seq) = (view.root().unwrap(), at.index(n as usize) as u64);
        let leaf = leaves(n)[seq as usize];
        let proof = view.inclusion_proof(Seq(seq)).unwrap();
        verify_inclusion(Seq(seq), size(n), &leaf, &proof, &root).unwrap();
        let broken = flip(&proof, hash.index(proof.len()), bit);
        prop_assert!(verify_inclusion(Seq(seq), size(n), &leaf, &broken, &root).is_err());
        prop_assert!(verify_inclusion(Seq(seq ^ 1), size(n), &leaf, &proof, &root).is_err());

        let old = old.index(n as usize - 1) as u64 + 1;
        let proof = view.consistency_proof(size(old)).unwrap();
        let old_root = naive_or_view(&tiles, old);
        verify_consistency(size(old), size(n), &old_root, &root, &proof).unwrap();
        let broken = flip(&proof, hash.index(proof.len()), bit);
        prop_assert!(verify_consistency(size(old), size(n), &old_root, &root, &broken).is_err());
        prop_assert!(verify_consistency(size(old), size(n), &root, &root, &proof).is_err());
    }

    #[test]
    fn verification_never_panics(
        seq: u64, n: u64, old: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<_> = proof.into_iter().map(NodeHash::from_bytes).collect();
        let (leaf, root) = (LeafHash::ZERO, empty_root());
        prop_assert!(verify_inclusion(Seq(seq), size(n), &leaf, &proof, &root).is_err());
        prop_assert!(verify_consistency(size(old), size(n), &root, &parent(&root, &root), &proof).is_err());
    }

    #[test]
    fn roots_and_proofs_of_large_sizes_agree_with_the_pieces(n in 1u64..=MAX_TREE_SIZE.0, at: u64, old: u64) {
        // No such tree fits in memory; but the pieces of a proof must cover the tree exactly.
        let seq = at % n;
        let mut covered: Vec<_> = inclusion_pieces(seq, n).into_iter().map(|p| (p.start, p.end)).collect();
        covered.push((seq, seq + 1));
        covered.sort_unstable();
        prop_assert_eq!(covered.first().unwrap().0, 0);
        prop_assert_eq!(covered.last().unwrap().1, n);
        prop_assert!(covered.windows(2).all(|pair| pair[0].1 == pair[1].0));
        let old = old % n;
        if old > 0 {
            let end = consistency_pieces(old, n).iter().map(|p| p.end).max().unwrap();
            prop_assert_eq!(end, n);
        }
    }
}

fn flip(proof: &[NodeHash], at: usize, bit: usize) -> Vec<NodeHash> {
    let mut proof = proof.to_vec();
    let mut bytes = *proof[at].as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    proof[at] = NodeHash::from_bytes(bytes);
    proof
}
