//! Where entries are kept: a small trait, so that the committer does not know how.
//!
//! What one [`Batch`] holds becomes durable together or not at all; after [`Store::commit`] returns, it survives a
//! power cut. There is one writer (ARCHITECTURE.md, invariant 3); reads go on beside it and see whole batches only.

use uuid::Uuid;

use crate::hash::{EventHash, NodeHash};
use crate::id::{Author, Seq, StreamId, TreeSize};

pub mod memory;
#[cfg(feature = "rocks")]
pub mod rocks;

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
    /// The new head.
    pub head: Head,
}

/// A store of entries and of what finds them. Every look-up sees only committed batches.
pub trait Store: Send + Sync + 'static {
    /// Returns the head, `None` before the first commit.
    ///
    /// # Errors
    /// When the store cannot be read or is corrupt; so for every method here.
    fn head(&self) -> Result<Option<Head>, StoreError>;

    /// Returns the lines from `from`, at most `limit` of them and about `max_bytes` (at least one, if there is one).
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

    /// Returns the entries whose kind is one of SPEC §8, from `from`, in order, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn authority_seqs(&self, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError>;

    /// Returns the hashes of a tile, as many as are stored.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<NodeHash>>, StoreError>;

    /// Returns an entry's disclosures.
    ///
    /// # Errors
    /// As [`Store::head`].
    fn disclosures(&self, seq: Seq) -> Result<Vec<String>, StoreError>;

    /// Makes a batch durable, whole or not at all.
    ///
    /// # Errors
    /// When it is not known to be durable. The store is then in doubt: nothing more may be written to it.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;
}
