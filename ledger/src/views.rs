//! Views: what the entries come to, kept ready for questions. Deletable at any time, rebuilt from the log to the byte.
//!
//! ```text
//! Entry + disclosures → Reading → facts → items, streams, cases, obligations, counts → queries
//! ```
//!
//! Views live in tables of their own ([`kv::Kv`]; on disk [`rocks`]). Each write holds what a batch of entries changes
//! *and* the position after them, so that after a crash they go on from what is there. Everything derived is a function
//! of the facts, and the facts of the entries: it does not matter where batches began and ended, nor what was rebuilt.
//! Views never speak for the ledger: whoever needs proof asks for entries, and verifies.

use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::hash::LeafHash;
use crate::id::{Seq, TreeSize};
use crate::store::{Store, StoreError};

mod apply;
mod contribution;
mod correct;
mod derive;
pub mod due;
pub mod items;
pub mod key;
pub mod kv;
pub mod memory;
pub mod query;
pub mod reading;
#[cfg(feature = "rocks")]
pub mod rocks;
pub mod step;
pub mod stream;

use apply::Applier;
use kv::{Family, Kv};
pub use query::{Page, View};
pub use reading::{Header, Reading, ReadingError};

/// The version of the tables: another is rebuilt.
pub const LAYOUT: &str = "countersign-views-2";
/// Where the position is kept.
const POSITION: &[u8] = b"position";
/// About how many bytes of lines are read at once.
const PIECE: usize = 4 << 20;

/// Why views could not be brought on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The ledger's store or the views' tables failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored entry is not what was recorded.
    #[error(transparent)]
    Reading(#[from] ReadingError),
}

/// How far the entries are applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The version of the tables.
    pub layout: String,
    /// How many entries.
    pub size: TreeSize,
    /// The leaf hash of the last of them.
    pub leaf: LeafHash,
}

impl Position {
    /// The position before entry 0.
    #[must_use]
    pub fn start() -> Self {
        Self { layout: LAYOUT.to_owned(), size: TreeSize(0), leaf: LeafHash::ZERO }
    }
}

/// Whether views are of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fit {
    /// They are, up to their position.
    Fits,
    /// They must be rebuilt, and why.
    Rebuild(String),
}

/// How entries are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// On this thread: others have work to do.
    One,
    /// On all cores.
    All,
}

/// Views over the entries of one ledger. One thread brings them on; any number ask.
#[derive(Clone)]
pub struct Views {
    kv: Arc<dyn Kv>,
}

impl std::fmt::Debug for Views {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Views").field("position", &self.position()).finish_non_exhaustive()
    }
}

impl Views {
    /// Takes tables, with what is in them.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>) -> Self {
        Self { kv }
    }

    /// Returns how far the entries are applied; `None` in tables of another version.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn position(&self) -> Result<Option<Position>, StoreError> {
        let Some(bytes) = self.kv.snapshot().get(Family::Meta, POSITION)? else { return Ok(Some(Position::start())) };
        Ok(serde_json::from_slice::<Position>(&bytes).ok().filter(|position| position.layout == LAYOUT))
    }

    /// Tells whether the views are of a ledger, as far as they go.
    ///
    /// # Errors
    /// When the store or the tables cannot be read.
    pub fn fit(&self, store: &dyn Store) -> Result<Fit, StoreError> {
        let Some(position) = self.position()? else {
            return Ok(Fit::Rebuild(format!("they are not of layout {LAYOUT}")));
        };
        let Some(last) = position.size.0.checked_sub(1).map(Seq) else { return Ok(Fit::Fits) };
        let size = store.head()?.map_or(TreeSize(0), |head| head.size);
        if position.size > size {
            return Ok(Fit::Rebuild(format!("they hold {} entries, the ledger {size}", position.size)));
        }
        let line = store.lines(last, 1, 1)?.pop().unwrap_or_default();
        if LeafHash::of_line(&line) != position.leaf {
            return Ok(Fit::Rebuild(format!("entry {last} is another than the one that they are of")));
        }
        Ok(Fit::Fits)
    }

    /// Applies the next entries, at most `limit` of them and none from `end` on, in one write. Returns how many.
    ///
    /// # Errors
    /// When the store or the tables fail, or an entry cannot be read; nothing is changed then.
    pub fn advance(
        &self,
        store: &dyn Store,
        end: TreeSize,
        limit: usize,
        readers: Readers,
    ) -> Result<usize, ViewError> {
        let position = self.position()?.ok_or_else(|| StoreError::Layout {
            path: "the views".to_owned(),
            expected: LAYOUT,
            found: "another".to_owned(),
        })?;
        let left = usize::try_from(end.0.saturating_sub(position.size.0)).unwrap_or(usize::MAX);
        let from = Seq(position.size.0);
        let lines = store.lines(from, limit.min(left), PIECE)?;
        if lines.is_empty() {
            return Ok(0);
        }
        let readings = read(store, from, &lines, readers)?;
        let leaf = readings.last().map_or(position.leaf, |reading| reading.leaf);
        let mut applier = Applier::new(self.kv.snapshot(), store);
        for reading in readings {
            applier.take(reading)?;
        }
        let applied = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let position = Position { size: TreeSize(from.0 + applied), leaf, ..position };
        let changes = applier.finish(apply::json(&position))?;
        self.kv.write(&changes)?;
        Ok(lines.len())
    }

    /// Applies every entry before `end`, `batch` at a time, and tells `progress` how far it is.
    ///
    /// # Errors
    /// As [`Views::advance`].
    pub fn catch_up(
        &self,
        store: &dyn Store,
        end: TreeSize,
        batch: usize,
        readers: Readers,
        mut progress: impl FnMut(TreeSize),
    ) -> Result<(), ViewError> {
        loop {
            let applied = self.advance(store, end, batch.max(1), readers)?;
            progress(self.position()?.map_or(TreeSize(0), |position| position.size));
            if applied == 0 {
                return Ok(());
            }
        }
    }

    /// Opens the present state to ask.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn view(&self) -> Result<View<'_>, StoreError> {
        View::of(self.kv.snapshot())
    }

    /// Gives `take` every record of every table, in order.
    ///
    /// # Errors
    /// When the tables cannot be read, and what `take` returns.
    pub fn dump(&self, take: &mut dyn FnMut(Family, &[u8], &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let snapshot = self.kv.snapshot();
        for family in Family::ALL {
            snapshot.scan(family, &[], &[u8::MAX; 2], &mut |key, value| take(family, key, value).map(|()| true))?;
        }
        Ok(())
    }
}

/// Reads entries with their disclosures.
fn read(store: &dyn Store, from: Seq, lines: &[Vec<u8>], readers: Readers) -> Result<Vec<Reading>, ViewError> {
    let end = Seq(from.0 + u64::try_from(lines.len()).unwrap_or(u64::MAX));
    let mut disclosures: Vec<Vec<String>> = vec![Vec::new(); lines.len()];
    let mut next = from;
    while let Some((seq, found)) = store.next_disclosures(next, end)? {
        if let Some(place) = usize::try_from(seq.0 - from.0).ok().and_then(|at| disclosures.get_mut(at)) {
            *place = found;
        }
        next = Seq(seq.0 + 1);
    }
    let one = |(at, line): (usize, &Vec<u8>)| {
        let seq = Seq(from.0 + u64::try_from(at).unwrap_or(u64::MAX));
        Reading::of(seq, line, &disclosures[at]).map_err(ViewError::from)
    };
    match readers {
        Readers::One => lines.iter().enumerate().map(one).collect(),
        Readers::All => lines.par_iter().enumerate().map(one).collect(),
    }
}
