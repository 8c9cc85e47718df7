//! What is kept of every entry, in a file that only grows: 64 bytes each.
//!
//! ```text
//! leaf hash, 32 bytes · tag of the stream, 16 · tag of author and id, 16
//! ```
//!
//! The leaf hashes give every root, proof and subtree that a proof of misbehaviour needs, for any size that was ever
//! seen, long after the server has another history. The tags say where each stream was last and which ids are used. What
//! lies behind the size that the state file names was never verified and is cut off when the file is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use countersign_ledger::hash::{LeafHash, NodeHash};
use countersign_ledger::merkle::{TileReader, parent};
use countersign_ledger::tile::{FULL_WIDTH, TileId, TileWidth};

/// The bytes of a record.
const RECORD: usize = 64;
/// How many are read or written at a time.
const CHUNK: usize = FULL_WIDTH as usize;

/// The first half of a hash: enough that two things do not share one by chance or with effort that anybody has.
pub(super) type Tag = [u8; 16];

/// What is kept of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) leaf: LeafHash,
    pub(super) stream: Tag,
    pub(super) id: Tag,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..32].copy_from_slice(self.leaf.as_bytes());
        bytes[32..48].copy_from_slice(&self.stream);
        bytes[48..].copy_from_slice(&self.id);
        bytes
    }

    fn of_bytes(bytes: &[u8; RECORD]) -> Self {
        let (mut leaf, mut stream, mut id) = ([0; 32], [0; 16], [0; 16]);
        leaf.copy_from_slice(&bytes[..32]);
        stream.copy_from_slice(&bytes[32..48]);
        id.copy_from_slice(&bytes[48..]);
        Self { leaf: LeafHash::from_bytes(leaf), stream, id }
    }
}

/// The file, and the roots of its full tiles in memory: 32 bytes for 256 entries.
#[derive(Debug)]
pub(super) struct Records {
    file: File,
    len: u64,
    full: Vec<NodeHash>,
    /// The leaves after the last full tile.
    tail: Vec<NodeHash>,
    /// Records of those leaves that are not in the file yet.
    waiting: Vec<u8>,
}

impl Records {
    /// Opens the file, for this process alone, reads the first `size` records and cuts off the rest.
    pub(super) fn open(path: &Path, size: u64, each: impl FnMut(u64, Record)) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        file.try_lock().map_err(|_| io::Error::other("another watch uses it"))?;
        Self::of(file, size, each)
    }

    /// Reads the file again, under the same lock.
    pub(super) fn again(&self, size: u64, each: impl FnMut(u64, Record)) -> io::Result<Self> {
        Self::of(self.file.try_clone()?, size, each)
    }

    fn of(file: File, size: u64, mut each: impl FnMut(u64, Record)) -> io::Result<Self> {
        let wanted =
            size.checked_mul(RECORD as u64).ok_or_else(|| io::Error::other("the state file names too many"))?;
        if file.metadata()?.len() < wanted {
            return Err(io::Error::other(format!("it has fewer than the {size} records that the state file names")));
        }
        file.set_len(wanted)?;
        let mut records = Self { file, len: 0, full: Vec::new(), tail: Vec::new(), waiting: Vec::new() };
        (&records.file).seek(SeekFrom::Start(0))?;
        let mut bytes = vec![0; CHUNK * RECORD];
        while records.len < size {
            let count = usize::try_from(size - records.len).map_or(CHUNK, |left| left.min(CHUNK));
            (&records.file).read_exact(&mut bytes[..count * RECORD])?;
            for record in bytes[..count * RECORD].as_chunks().0 {
                let record = Record::of_bytes(record);
                each(records.len, record);
                records.count(record.leaf);
            }
        }
        Ok(records)
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    fn count(&mut self, leaf: LeafHash) {
        self.tail.push(leaf.into());
        self.len += 1;
        if self.tail.len() == CHUNK {
            self.full.push(root_of(&self.tail));
            self.tail.clear();
        }
    }

    /// Adds a record. It is in the file, but not durable, once a tile of them is full.
    pub(super) fn push(&mut self, record: Record) -> io::Result<()> {
        self.waiting.extend_from_slice(&record.to_bytes());
        self.count(record.leaf);
        if self.tail.is_empty() { self.flush() } else { Ok(()) }
    }

    /// Writes what waits, so that it can be read back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let at = self.len * RECORD as u64 - self.waiting.len() as u64;
        (&self.file).seek(SeekFrom::Start(at))?;
        (&self.file).write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    /// Makes all records durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_all()
    }

    /// Reads records from `first` on. They must be in the file.
    fn read(&self, first: u64, count: usize) -> io::Result<Vec<LeafHash>> {
        let mut bytes = vec![0; count * RECORD];
        (&self.file).seek(SeekFrom::Start(first * RECORD as u64))?;
        (&self.file).read_exact(&mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|record| Record::of_bytes(record).leaf).collect())
    }

    /// Returns the leaf hash of an entry, which must be there.
    pub(super) fn leaf(&self, seq: u64) -> io::Result<LeafHash> {
        let behind = self.len - self.tail.len() as u64;
        if let Some(leaf) = seq.checked_sub(behind).and_then(|at| self.tail.get(usize::try_from(at).ok()?)) {
            return Ok(LeafHash::from_bytes(*leaf.as_bytes()));
        }
        self.read(seq, 1)?.pop().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Hashes a complete subtree.
fn root_of(hashes: &[NodeHash]) -> NodeHash {
    match hashes {
        [only] => *only,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            parent(&root_of(left), &root_of(right))
        }
    }
}

impl TileReader for Records {
    type Error = io::Error;

    fn tile(&self, tile: TileId, width: TileWidth) -> io::Result<Vec<NodeHash>> {
        let first = tile.index().saturating_mul(CHUNK as u64);
        let count = usize::from(width.hashes());
        if tile.level() == 0 {
            return Ok(self.read(first, count)?.into_iter().map(NodeHash::from).collect());
        }
        // a hash of level 2 is over 256 of level 1, and so on
        let span = CHUNK.checked_pow(u32::from(tile.level()) - 1);
        let node = |at: usize| {
            let span = span?;
            let start = usize::try_from(first).ok()?.checked_add(at)?.checked_mul(span)?;
            Some(root_of(self.full.get(start..start.checked_add(span)?)?))
        };
        let nodes: Option<Vec<NodeHash>> = (0..count).map(node).collect();
        nodes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use countersign_ledger::id::{Seq, TreeSize};
    use countersign_ledger::merkle::{Frontier, TreeView, verify_inclusion};

    fn record(n: u32) -> Record {
        let leaf = LeafHash::of_line(&n.to_be_bytes());
        Record { leaf, stream: [u8::try_from(n % 7).unwrap(); 16], id: [9; 16] }
    }

    #[test]
    fn any_size_is_read_back_and_the_rest_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let mut records = Records::open(&path, 0, |_, _| panic!("nothing is there")).unwrap();
        assert!(Records::open(&path, 0, |_, _| ()).is_err(), "two at a time");
        for n in 0..66_000 {
            records.push(record(n)).unwrap();
        }
        records.sync().unwrap();
        for size in [1, 255, 256, 257, 600, 65_536, 65_537, 66_000u32] {
            let mut frontier = Frontier::new();
            frontier.append(&(0..size).map(|n| record(n).leaf).collect::<Vec<_>>()).unwrap();
            let mut view = TreeView::new(&records, TreeSize(size.into())).unwrap();
            assert_eq!(view.root().unwrap(), frontier.root(), "{size}");
            let (seq, leaf) = (Seq(u64::from(size / 2)), record(size / 2).leaf);
            assert_eq!(records.leaf(seq.0).unwrap(), leaf);
            let path = view.inclusion_proof(seq).unwrap();
            verify_inclusion(seq, TreeSize(size.into()), &leaf, &path, &frontier.root()).unwrap();
        }
        drop(records);
        let mut seen = 0;
        let records = Records::open(&path, 300, |seq, read| {
            assert_eq!((seq, read), (seen, record(u32::try_from(seq).unwrap())));
            seen += 1;
        });
        assert_eq!((records.unwrap().len(), seen), (300, 300));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 300 * 64);
        assert!(Records::open(&path, 301, |_, _| ()).unwrap_err().to_string().contains("fewer than the 301"));
    }
}
