//! The store's tiles as the node store of the tree.

use crate::hash::NodeHash;
use crate::merkle::TileReader;
use crate::store::{Store, StoreError};
use crate::tile::{TileId, TileWidth};

/// Reads tiles out of a store.
#[derive(Clone, Copy)]
pub struct StoreTiles<'a>(pub &'a dyn Store);

/// Why a tile could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tile is not there.
    #[error("the tile is missing")]
    Missing,
}

impl TileReader for StoreTiles<'_> {
    type Error = TileError;

    /// Returns exactly the first `width` hashes: a tile may have grown since the tree that is looked at.
    fn tile(&self, tile: TileId, width: TileWidth) -> Result<Vec<NodeHash>, TileError> {
        let mut hashes = self.0.tile(tile.level(), tile.index())?.ok_or(TileError::Missing)?;
        hashes.truncate(usize::from(width.hashes()));
        Ok(hashes)
    }
}
