//! The right edge of a growing tree: appends leaves without a look at the store.
//!
//! It holds, for every level, the hashes of the tile that is still partial (at most 255 each) and the peaks: the roots
//! of the complete subtrees that the tree's size, as a binary number, is made of. Both fit in some 20 KiB for a million
//! leaves, so a caller clones it, appends to the clone, and throws the clone away when the commit fails.

use super::view::subtree;
use super::{MAX_TREE_SIZE, Nodes, TileReader, consistency_pieces, empty_root, inclusion_pieces, leaf_node, parent};
use crate::hash::{LeafHash, NodeHash};
use crate::id::{Seq, TreeSize};
use crate::tile::{FULL_WIDTH, TILE_HEIGHT, TileId, TileWidth};

/// The levels that a tree of [`MAX_TREE_SIZE`] leaves can have.
const LEVELS: u8 = 7;

/// The right edge of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// The complete subtrees of the tree, largest first: one for each bit of `size`.
    peaks: Vec<NodeHash>,
    /// The hashes of the partial tile of each level; the last is not empty.
    partial: Vec<Vec<NodeHash>>,
}

/// A tile that an append changed or began. A full one will never change again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedTile {
    /// Which tile.
    pub tile: TileId,
    /// All its hashes, 1 to 256.
    pub hashes: Vec<NodeHash>,
}

/// What an append did: what to store, and proofs for what is new.
#[derive(Debug, Clone)]
pub struct Appended {
    old_size: u64,
    size: u64,
    root: NodeHash,
    tiles: Vec<ChangedTile>,
    /// The peaks of the tree before, by height.
    old_peaks: Vec<(u8, NodeHash)>,
    /// For each height, the complete nodes that came into being, from index `old_size >> height` on.
    grown: Vec<Vec<NodeHash>>,
}

/// Tells that a tree has no room for more leaves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("a tree of size {size} has no room for {more} more leaves: the limit is {MAX_TREE_SIZE}")]
pub struct TreeFull {
    /// The size of the tree.
    pub size: TreeSize,
    /// How many leaves were to be appended.
    pub more: usize,
}

/// Tells why stored tiles are not the right edge of a tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError<E> {
    /// The tiles could not be read.
    #[error("cannot read {tile}")]
    Reader {
        /// The tile that was asked for.
        tile: TileId,
        /// Why not.
        source: E,
    },
    /// A stored tile does not have the number of hashes that it has at this size.
    #[error("{tile} has {found} hashes, expected {expected} in a tree of size {size}")]
    Width {
        /// The tile.
        tile: TileId,
        /// The size of the tree.
        size: TreeSize,
        /// How many hashes it should have.
        expected: TileWidth,
        /// How many were stored.
        found: usize,
    },
    /// The size is above the limit.
    #[error("a tree of size {size} is above the limit of {MAX_TREE_SIZE}")]
    Size {
        /// The size.
        size: TreeSize,
    },
}

impl Frontier {
    /// Makes the right edge of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the right edge of the tree of `size` leaves out of stored tiles.
    ///
    /// The result is only as good as the tiles: the caller compares [`Frontier::root`] with a signed checkpoint.
    ///
    /// # Errors
    /// When a tile cannot be read or is not exactly as wide as it is at this size.
    pub fn open<R: TileReader>(reader: &R, size: TreeSize) -> Result<Self, FrontierError<R::Error>> {
        if size > MAX_TREE_SIZE {
            return Err(FrontierError::Size { size });
        }
        let (mut peaks, mut partial) = (Vec::new(), Vec::new());
        for level in 0..LEVELS {
            let hashes = size.0 >> (TILE_HEIGHT * level);
            if hashes == 0 {
                break;
            }
            partial.push(Self::open_level(reader, size, level, hashes)?);
        }
        for level in (0..LEVELS).rev() {
            let Some(tile) = partial.get(usize::from(level)) else { continue };
            let mut at = 0;
            for bit in (0..TILE_HEIGHT).rev().map(|height| 1 << height).filter(|bit| tile.len() & bit != 0) {
                peaks.push(subtree(&tile[at..at + bit]));
                at += bit;
            }
        }
        Ok(Self { size: size.0, peaks, partial })
    }

    fn open_level<R: TileReader>(
        reader: &R,
        size: TreeSize,
        level: u8,
        hashes: u64,
    ) -> Result<Vec<NodeHash>, FrontierError<R::Error>> {
        // A full tile at the edge belongs to the store for good; the edge is then the empty tile after it.
        let edge =
            TileId::new(level, hashes / u64::from(FULL_WIDTH)).and_then(|tile| Some((tile, tile.width_in(size)?)));
        let Some((tile, expected)) = edge else { return Ok(Vec::new()) };
        let found = reader.tile(tile, expected).map_err(|source| FrontierError::Reader { tile, source })?;
        if found.len() != usize::from(expected.hashes()) {
            return Err(FrontierError::Width { tile, size, expected, found: found.len() });
        }
        Ok(found)
    }

    /// Returns the number of leaves.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Computes the root, from at most 53 peaks.
    #[must_use]
    pub fn root(&self) -> NodeHash {
        let folded = self.peaks.iter().rev().copied().reduce(|right, left| parent(&left, &right));
        folded.unwrap_or_else(empty_root)
    }

    /// Appends leaves: one hash each for the nodes that they complete.
    ///
    /// # Errors
    /// When the tree would have more than [`MAX_TREE_SIZE`] leaves; nothing is appended then.
    pub fn append(&mut self, leaves: &[LeafHash]) -> Result<Appended, TreeFull> {
        let full = || TreeFull { size: self.size(), more: leaves.len() };
        let more = u64::try_from(leaves.len()).map_err(|_| full())?;
        let fits = self.size.checked_add(more).is_some_and(|size| size <= MAX_TREE_SIZE.0);
        if !fits {
            return Err(full());
        }
        let heights = (0..=63).rev().filter(|height| self.size >> height & 1 == 1);
        let old_peaks = heights.zip(self.peaks.iter().copied()).collect();
        let mut done = Appended {
            old_size: self.size,
            size: self.size + more,
            root: empty_root(),
            tiles: Vec::new(),
            old_peaks,
            grown: Vec::new(),
        };
        for leaf in leaves {
            self.push(leaf_node(leaf), &mut done);
        }
        done.tiles.extend(self.changed_partial(done.old_size));
        done.root = self.root();
        Ok(done)
    }

    /// Adds one leaf and joins the subtrees that it completes, as a binary counter carries.
    fn push(&mut self, leaf: NodeHash, done: &mut Appended) {
        let mut node = leaf;
        let carries = self.size.trailing_ones();
        self.size += 1;
        for height in 0..=carries {
            if height > 0 {
                // There is a peak for each bit of the size before, so for each carry.
                let Some(left) = self.peaks.pop() else { break };
                node = parent(&left, &node);
            }
            done.record(height, node);
            if height % u32::from(TILE_HEIGHT) == 0 {
                self.push_to_tile(height / u32::from(TILE_HEIGHT), node, done);
            }
        }
        self.peaks.push(node);
    }

    /// Adds a hash to the partial tile of a level; a tile that this fills is handed over and a new one begun.
    fn push_to_tile(&mut self, level: u32, hash: NodeHash, done: &mut Appended) {
        let at = level as usize;
        if self.partial.len() <= at {
            self.partial.resize_with(at + 1, Vec::new);
        }
        let tile = &mut self.partial[at];
        tile.push(hash);
        if tile.len() == usize::from(FULL_WIDTH) {
            let hashes = std::mem::take(tile);
            let index = (self.size >> (u32::from(TILE_HEIGHT) * (level + 1))) - 1;
            done.tiles.extend(tile_id(at, index).map(|tile| ChangedTile { tile, hashes }));
        }
    }

    /// Returns the partial tiles that have grown since the tree had `old_size` leaves.
    fn changed_partial(&self, old_size: u64) -> Vec<ChangedTile> {
        let mut changed = Vec::new();
        for (level, hashes) in self.partial.iter().enumerate() {
            let (before, now) = (old_size >> (8 * level), self.size >> (8 * level));
            if before != now && !hashes.is_empty() {
                let tile = tile_id(level, now / u64::from(FULL_WIDTH));
                changed.extend(tile.map(|tile| ChangedTile { tile, hashes: hashes.clone() }));
            }
        }
        changed
    }
}

fn tile_id(level: usize, index: u64) -> Option<TileId> {
    u8::try_from(level).ok().and_then(|level| TileId::new(level, index))
}

impl Appended {
    fn record(&mut self, height: u32, node: NodeHash) {
        let height = height as usize;
        if self.grown.len() <= height {
            self.grown.resize_with(height + 1, Vec::new);
        }
        self.grown[height].push(node);
    }

    /// Returns the size before.
    #[must_use]
    pub const fn old_size(&self) -> TreeSize {
        TreeSize(self.old_size)
    }

    /// Returns the size after.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Returns the root after.
    #[must_use]
    pub const fn root(&self) -> NodeHash {
        self.root
    }

    /// Returns the tiles to write, in one batch with the entries: whole tiles, each replacing what the store has of it.
    #[must_use]
    pub fn tiles(&self) -> &[ChangedTile] {
        &self.tiles
    }

    /// Makes the inclusion proof of an entry that was appended, in the tree after the append. Hashes little and reads
    /// nothing.
    ///
    /// `None` when `seq` was not appended.
    #[must_use]
    pub fn inclusion_proof(&self, seq: Seq) -> Option<Vec<NodeHash>> {
        if seq.0 < self.old_size || seq.0 >= self.size {
            return None;
        }
        Grown(self).pieces(inclusion_pieces(seq.0, self.size)).ok()
    }

    /// Makes the consistency proof from the size before to the size after.
    ///
    /// `None` when the tree was empty before. Empty when nothing was appended.
    #[must_use]
    pub fn consistency_proof(&self) -> Option<Vec<NodeHash>> {
        match (self.old_size, self.old_size == self.size) {
            (0, _) => None,
            (_, true) => Some(Vec::new()),
            (old, false) => Grown(self).pieces(consistency_pieces(old, self.size)).ok(),
        }
    }
}

/// The nodes that an append knows: the peaks before it, and all that came into being.
struct Grown<'a>(&'a Appended);

/// Tells that a node is older than the append.
struct Older;

impl Nodes for Grown<'_> {
    type Error = Older;

    fn node(&mut self, height: u8, index: u64) -> Result<NodeHash, Older> {
        let first = self.0.old_size >> height;
        let known = match index.checked_sub(first) {
            Some(at) => usize::try_from(at).ok().and_then(|at| self.0.grown.get(usize::from(height))?.get(at)),
            None if index + 1 == first => self.0.old_peaks.iter().find(|(h, _)| *h == height).map(|(_, hash)| hash),
            None => None,
        };
        known.copied().ok_or(Older)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_tree_takes_no_more() {
        // Only the size matters here: the check comes before all else.
        let mut frontier = Frontier { size: MAX_TREE_SIZE.0 - 1, ..Frontier::new() };
        let before = frontier.clone();
        assert_eq!(frontier.append(&[LeafHash::ZERO; 2]).unwrap_err(), TreeFull { size: before.size(), more: 2 });
        assert_eq!(frontier, before);
    }
}
