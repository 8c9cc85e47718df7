//! A tree of a given size, seen through stored tiles: its root, its proofs, the hashes of its subtrees.

use std::collections::HashMap;

use super::{MAX_TREE_SIZE, Nodes, Piece, consistency_pieces, empty_root, inclusion_pieces, parent};
use crate::hash::NodeHash;
use crate::id::{Seq, TreeSize};
use crate::tile::{TILE_HEIGHT, TileId, TileWidth};

/// How many tiles a view keeps with all their inner nodes, at 16 KiB each.
const CACHED_TILES: usize = 64;

/// Where tiles come from.
pub trait TileReader {
    /// Why a tile could not be read.
    type Error;

    /// Returns the hashes of a tile: at least `width` of them, from the left.
    ///
    /// A store may return more, when the tile has grown since; never fewer: a missing tile is an error.
    ///
    /// # Errors
    /// When the tile cannot be read or is not there.
    fn tile(&self, tile: TileId, width: TileWidth) -> Result<Vec<NodeHash>, Self::Error>;
}

impl<R: TileReader + ?Sized> TileReader for &R {
    type Error = R::Error;

    fn tile(&self, tile: TileId, width: TileWidth) -> Result<Vec<NodeHash>, Self::Error> {
        (**self).tile(tile, width)
    }
}

/// Tells why a question about a tree has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError<E> {
    /// A tile could not be read.
    #[error("cannot read {tile}")]
    Reader {
        /// The tile that was asked for.
        tile: TileId,
        /// Why not.
        source: E,
    },
    /// A tile has fewer hashes than the tree has in it, or more than a tile can have.
    #[error("{tile} has {found} hashes, expected at least {expected} and at most 256")]
    Width {
        /// The tile.
        tile: TileId,
        /// How many hashes the tree has in it.
        expected: TileWidth,
        /// How many were returned.
        found: usize,
    },
    /// The size is above the limit.
    #[error("a tree of size {size} is above the limit of {MAX_TREE_SIZE}")]
    Size {
        /// The size.
        size: TreeSize,
    },
    /// The entry is not in the tree.
    #[error("entry {seq} is not in the tree of size {size}")]
    NoEntry {
        /// The entry.
        seq: Seq,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The earlier size is 0 or above the later.
    #[error("expected an earlier size of 1 to {size}, found {old}")]
    NoOldTree {
        /// The earlier size that was asked for.
        old: TreeSize,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The leaves are not those of a subtree.
    #[error(
        "leaves {start} to {end} are not a subtree: expected a power of two of them, dividing the start, within {size}"
    )]
    NoSubtree {
        /// The first leaf.
        start: u64,
        /// One after the last leaf.
        end: u64,
        /// The size of the tree.
        size: TreeSize,
    },
}

/// A tree of a fixed size over a [`TileReader`].
///
/// Tiles that were read are kept, with their inner nodes, so that many proofs cost little more than one. The view trusts
/// its reader: a damaged tile gives a wrong proof, which does not verify.
#[derive(Debug)]
pub struct TreeView<R> {
    reader: R,
    size: TreeSize,
    tiles: HashMap<TileId, Expanded>,
}

/// A tile with its inner nodes: the hashes of height 0 (in the tile), then of height 1, and so on.
#[derive(Debug)]
struct Expanded(Vec<Vec<NodeHash>>);

impl Expanded {
    fn new(hashes: Vec<NodeHash>) -> Self {
        let mut rows = vec![hashes];
        while let Some(below) = rows.last().filter(|row| row.len() > 1) {
            rows.push(below.as_chunks().0.iter().map(|[left, right]| parent(left, right)).collect());
        }
        Self(rows)
    }
}

impl<R: TileReader> TreeView<R> {
    /// Looks at the tree of `size` leaves. Reads nothing yet.
    ///
    /// # Errors
    /// When the size is above [`MAX_TREE_SIZE`].
    pub fn new(reader: R, size: TreeSize) -> Result<Self, TreeError<R::Error>> {
        if size > MAX_TREE_SIZE {
            return Err(TreeError::Size { size });
        }
        Ok(Self { reader, size, tiles: HashMap::new() })
    }

    /// Returns the number of leaves.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Computes the root.
    ///
    /// # Errors
    /// When a tile cannot be read or is too short.
    pub fn root(&mut self) -> Result<NodeHash, TreeError<R::Error>> {
        self.piece(Piece { start: 0, end: self.size.0 })
    }

    /// Makes the inclusion proof of an entry, from its sibling upwards (RFC 6962 §2.1.1).
    ///
    /// # Errors
    /// When the tree has no such entry, or a tile cannot be read or is too short.
    pub fn inclusion_proof(&mut self, seq: Seq) -> Result<Vec<NodeHash>, TreeError<R::Error>> {
        if seq.0 >= self.size.0 {
            return Err(TreeError::NoEntry { seq, size: self.size });
        }
        self.pieces(inclusion_pieces(seq.0, self.size.0))
    }

    /// Makes the proof that this tree begins with the tree of `old` leaves (RFC 6962 §2.1.2); empty for equal sizes.
    ///
    /// # Errors
    /// When `old` is 0 or above the tree's size, or a tile cannot be read or is too short.
    pub fn consistency_proof(&mut self, old: TreeSize) -> Result<Vec<NodeHash>, TreeError<R::Error>> {
        if old.0 == 0 || old > self.size {
            return Err(TreeError::NoOldTree { old, size: self.size });
        }
        self.pieces(consistency_pieces(old.0, self.size.0))
    }

    /// Returns the hash of the subtree over leaves `start` to `end` (exclusive), as a bundle gives it for withheld
    /// leaves (SPEC §11).
    ///
    /// # Errors
    /// When `end − start` is not a power of two that divides `start`, `end` is above the tree's size, or a tile cannot
    /// be read or is too short.
    pub fn subtree_hash(&mut self, start: u64, end: u64) -> Result<NodeHash, TreeError<R::Error>> {
        let within = Piece { start, end }.complete().filter(|_| end <= self.size.0);
        let (height, index) = within.ok_or(TreeError::NoSubtree { start, end, size: self.size })?;
        self.node(height, index)
    }

    /// Reads a tile as this tree has it, unless it is kept already.
    fn load(&mut self, tile: TileId) -> Result<&Expanded, TreeError<R::Error>> {
        if !self.tiles.contains_key(&tile) {
            if self.tiles.len() >= CACHED_TILES {
                self.tiles.clear();
            }
            let expected = tile.width_in(self.size).unwrap_or(TileWidth::FULL);
            let mut hashes = self.reader.tile(tile, expected).map_err(|source| TreeError::Reader { tile, source })?;
            let (found, wanted) = (hashes.len(), usize::from(expected.hashes()));
            if found < wanted || found > usize::from(TileWidth::FULL.hashes()) {
                return Err(TreeError::Width { tile, expected, found });
            }
            hashes.truncate(wanted);
            self.tiles.insert(tile, Expanded::new(hashes));
        }
        Ok(&self.tiles[&tile])
    }
}

impl<R: TileReader> Nodes for TreeView<R> {
    type Error = TreeError<R::Error>;

    /// Finds a complete node: heights 8L to 8L+7 are in the tiles of level L.
    fn node(&mut self, height: u8, index: u64) -> Result<NodeHash, Self::Error> {
        let tile = TileId::of_node(height, index);
        let size = self.size;
        let row = height % TILE_HEIGHT;
        let at = index & ((1 << (TILE_HEIGHT - row)) - 1);
        let known = self.load(tile)?.0.get(usize::from(row));
        let node = known.and_then(|row| usize::try_from(at).ok().and_then(|at| row.get(at)));
        // Every node that is asked for lies within the tree, so within the width that was loaded.
        node.copied().ok_or(TreeError::NoSubtree { start: index << height, end: (index + 1) << height, size })
    }
}

/// Hashes the complete subtree over `hashes`, whose number is a power of two.
pub(super) fn subtree(hashes: &[NodeHash]) -> NodeHash {
    match hashes {
        [] => empty_root(),
        [only] => *only,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            parent(&subtree(left), &subtree(right))
        }
    }
}
