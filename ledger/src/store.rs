//! Where entries are kept: a small trait, so that the committer does not know how.
//!
//! What one [`Batch`] holds becomes durable together or not at all; after [`Store::commit`] returns, it survives a
//! power cut. There is one writer (ARCHITECTURE.md, invariant 3); reads go on beside it and see whole batches only.
//! Nothing committed ever changes, so a reader that takes a [`Head`] first and asks for nothing at or beyond its size
//! sees one state, however many calls it makes and whatever is committed meanwhile.
//!
//! **Ahead of the head.** Who copies a ledger has checkpoints for some sizes only, and may have to store much before the
//! next one can be compared. A batch without a head is durable and nobody sees it: every look-up answers as if it had
//! not come, until a batch with a head covers it. [`Store::with_ahead`] is the view of who writes, and
//! [`Store::discard_ahead`] takes back what turned out not to lead to the checkpoint.

use std::sync::Arc;

use uuid::Uuid;

use crate::hash::{EventHash, FileHash, NodeHash};
use crate::id::{Author, CaseId, Seq, StreamId, TreeSize};
use crate::merkle::ChangedTile;
use crate::tile::TileId;

pub mod codec;
pub mod memory;
#[cfg(feature = "rocks")]
pub mod rocks;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

/// Tells what the store could not do. The operator's to mend, never the submitter's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk or the database refused.
    #[error("the store could not {action}: {reason}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// What the database said.
        reason: String,
    },
    /// Stored bytes are not what was written.
    #[error("the store is corrupt at {place}: {reason}")]
    Corrupt {
        /// Which record.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process has the store open.
    #[error("the data folder {path} is in use by another process")]
    InUse {
        /// The folder.
        path: String,
    },
    /// There is no store to open.
    #[error("there is no ledger in the data folder {path}")]
    Missing {
        /// The folder.
        path: String,
    },
    /// A new store would mix with other files.
    #[error("a new ledger needs an empty data folder, found {found:?} in {path}")]
    NotEmpty {
        /// The folder.
        path: String,
        /// One of the files in it.
        found: String,
    },
    /// The store was written by a version with another layout.
    #[error("the data folder {path} has layout {found:?}, this version reads {expected:?}")]
    Layout {
        /// The folder.
        path: String,
        /// The layout that this version reads.
        expected: &'static str,
        /// The layout of the store.
        found: String,
    },
    /// The store holds less than what is known to have been acknowledged. Nothing in it was touched.
    #[error("the store holds {found} entries, but {expected} were acknowledged: it was rolled back or has lost data")]
    Behind {
        /// How many entries were acknowledged.
        expected: TreeSize,
        /// How many the store holds.
        found: TreeSize,
    },
    /// A batch does not continue what is stored: a mistake of the writer.
    #[error("the batch does not continue the store: expected {what} {expected}, found {found}")]
    Discontinuous {
        /// What is out of order.
        what: &'static str,
        /// What would have continued the store.
        expected: u64,
        /// What the batch has.
        found: u64,
    },
    /// An earlier write failed, and nothing may be written since.
    #[error("an earlier write failed and the store is in doubt: restart the process")]
    InDoubt,
}

/// The end of what is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub size: TreeSize,
    /// The signed checkpoint over them, as a note.
    pub checkpoint: String,
}

/// The latest event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamHead {
    /// Its entry.
    pub seq: Seq,
    /// Its event hash.
    pub event: EventHash,
}

/// An entry about to be stored, with what the indexes need.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Its sequence number.
    pub seq: Seq,
    /// Its line.
    pub line: Vec<u8>,
    /// Its event hash.
    pub event: EventHash,
    /// Its event's author and id: unique together.
    pub author: Author,
    /// See `author`.
    pub id: Uuid,
    /// Its stream.
    pub stream: StreamId,
    /// Whether its kind is one of SPEC §8.
    pub authority: bool,
    /// Its disclosures, in the order in which they came.
    pub disclosures: Vec<String>,
    /// The files that it names as evidence.
    pub evidence: Vec<FileHash>,
}

/// A tile of the tree as it stands after a batch (C2SP tlog-tiles).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTile {
    /// The level, 0 for leaf hashes.
    pub level: u8,
    /// The index within the level.
    pub index: u64,
    /// Its hashes, 1 to 256.
    pub hashes: Vec<NodeHash>,
}

/// What one commit makes durable.
#[derive(Debug, Clone)]
pub struct Batch {
    /// New entries, consecutive from the present size.
    pub entries: Vec<NewEntry>,
    /// Every tile that they change.
    pub tiles: Vec<NewTile>,
    /// The new head; `None` to store them ahead of the present one, unseen.
    pub head: Option<Head>,
}

impl Batch {
    /// Checks that the batch continues a store of `size` entries, counting those ahead of its head. Returns the size
    /// after it.
    ///
    /// # Errors
    /// [`StoreError::Discontinuous`] when entries, tiles or head do not.
    pub fn check_continues(&self, size: TreeSize) -> Result<TreeSize, StoreError> {
        let must = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(StoreError::Discontinuous { what, expected, found }) }
        };
        let mut next = size.0;
        for entry in &self.entries {
            must("entry", next, entry.seq.0)?;
            next += 1;
        }
        must("head size", next, self.head.as_ref().map_or(next, |head| head.size.0))?;
        for tile in &self.tiles {
            let hashes = u64::try_from(tile.hashes.len()).unwrap_or(u64::MAX);
            must("tile width", tile.width_in(TreeSize(next)), hashes)?;
        }
        Ok(TreeSize(next))
    }
}

impl From<&ChangedTile> for NewTile {
    fn from(changed: &ChangedTile) -> Self {
        Self { level: changed.tile.level(), index: changed.tile.index(), hashes: changed.hashes.clone() }
    }
}

impl NewTile {
    /// Returns how many hashes the tile has in a tree of `size` leaves.
    #[must_use]
    pub fn width_in(&self, size: TreeSize) -> u64 {
        let tile = TileId::new(self.level, self.index);
        tile.and_then(|tile| tile.width_in(size)).map_or(0, |width| u64::from(width.hashes()))
    }
}

/// A store of entries and of what finds them. Every look-up sees only committed batches.
pub trait Store: Send + Sync + 'static {
    /// Returns the head, `None` before the first commit.
    ///
    /// # Errors
    /// When the store cannot be read or is corrupt; so for every method here.
    fn head(&self) -> Result<Option<Head>, StoreError>;

    /// Returns the lines from `from`, at most `limit` of them, and none after the one that reaches `max_bytes`: at least
    /// one, if there is one and `limit` is not 0.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn lines(&self, from: Seq, limit: usize, max_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Returns the entry of an event.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn seq_of_event(&self, event: &EventHash) -> Result<Option<Seq>, StoreError>;

    /// Returns the entry of an author's event id.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn seq_of_id(&self, author: &Author, id: &Uuid) -> Result<Option<Seq>, StoreError>;

    /// Returns the latest event of a stream.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError>;

    /// Returns the entries of a stream from `from`, in order, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn stream_seqs(&self, stream: &StreamId, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError>;

    /// Returns the entries of every stream of a case, or of those without one, in order; with `ty` only of streams whose
    /// subject is of that type.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn case_seqs(&self, case: Option<&CaseId>, ty: Option<&str>) -> Result<Vec<Seq>, StoreError>;

    /// Visits every stream: its entries in order, and the event hash of the last. All that is visited is of one state,
    /// which may be later than a head that was taken before.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn each_stream(&self, visit: &mut dyn FnMut(&StreamId, &[Seq], EventHash)) -> Result<(), StoreError>;

    /// Returns the entries whose kind is one of SPEC §8, from `from`, in order, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn authority_seqs(&self, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError>;

    /// Returns the entries that name a file as evidence, from `from`, in order, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn evidence_seqs(&self, file: &FileHash, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError>;

    /// Returns the hashes of a tile, as many as are stored, also ahead of the head.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<NodeHash>>, StoreError>;

    /// Returns the first entry from `from` and before `end` that has disclosures, with these in their order.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn next_disclosures(&self, from: Seq, end: Seq) -> Result<Option<(Seq, Vec<String>)>, StoreError>;

    /// Returns an entry's disclosures.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn disclosures(&self, seq: Seq) -> Result<Vec<String>, StoreError> {
        Ok(self.next_disclosures(seq, Seq(seq.0.saturating_add(1)))?.map_or_else(Vec::new, |(_, found)| found))
    }

    /// Returns how many bytes the store takes on disk, 0 if it is not on one.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn disk_bytes(&self) -> Result<u64, StoreError>;

    /// Makes a batch durable, whole or not at all.
    ///
    /// # Errors
    /// When it is not known to be durable. The store is then in doubt: nothing more may be written to it.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Returns how many entries are stored, with those ahead of the head.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn size_ahead(&self) -> Result<TreeSize, StoreError>;

    /// Returns the same store with what is ahead of its head in view.
    fn with_ahead(&self) -> Arc<dyn Store>;

    /// Removes what is ahead of the head. A crash leaves less of it, or none.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn discard_ahead(&self) -> Result<(), StoreError>;

    /// Returns the record of a proposal (`proposal`), as it was written.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn proposal(&self, event: &EventHash) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns the proposals behind `after`, in order of their event hashes, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn proposals(&self, after: Option<&EventHash>, limit: usize) -> Result<Vec<(EventHash, Vec<u8>)>, StoreError>;

    /// Writes records of proposals, `None` to remove one: durable together or not at all. They are beside the log and
    /// nothing of an entry depends on them.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn write_proposals(&self, changes: &[(EventHash, Option<Vec<u8>>)]) -> Result<(), StoreError>;
}
