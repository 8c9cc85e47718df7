//! The durable store, on RocksDB. Nothing else names that library.
//!
//! | column family | key | value |
//! |---|---|---|
//! | `entries` | seq | [`codec`] record |
//! | `by_event` | event hash | seq |
//! | `by_id` | author, 0, id (16 bytes) | seq |
//! | `by_stream` | case, 0, subject, 0, seq | nothing |
//! | `heads` | case, 0, subject | seq, event hash |
//! | `authority` | seq | nothing |
//! | `by_evidence` | file hash, seq | nothing |
//! | `tiles` | level, index | its hashes; those that a batch adds are appended by a merge |
//! | `disclosures` | seq | each with its length before it (4 bytes) |
//! | `proposals` | event hash | a record of [`proposal`](crate::proposal) |
//! | `meta` | `layout` | the layout's version |
//! | | `head` | size, checkpoint |
//! | | `ahead` | size with what is ahead of the head; absent where nothing is |
//!
//! Numbers are big-endian, so that keys sort as numbers do; seqs, sizes and indexes have 8 bytes. Ids contain no zero
//! byte, so no key is another's prefix.
//!
//! **What is durable when.** A batch is one write to RocksDB's write-ahead log, synced before [`Store::commit`] returns,
//! and is found whole or not at all after a power cut. If the log is damaged in the middle, RocksDB opens with what
//! stands before the damage; so [`RocksStore::open`] takes the size that is known to have been acknowledged
//! ([`HighWater`](crate::high_water::HighWater)), looks before it touches anything, and refuses a store that is behind.

mod ahead;
mod open;
mod options;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocksdb::{ColumnFamily, DB, Direction, FlushOptions, IteratorMode, ReadOptions, WriteBatch, WriteOptions};
use uuid::Uuid;

use open::{
    Found, check_before_opening, failed, failure, index_evidence, lock, malformed, missing_entry, open_db, shown,
};
pub use options::RocksOptions;

use super::{Batch, Head, NewEntry, NewTile, Store, StoreError, StreamHead, codec};
use crate::hash::{EventHash, FileHash, NodeHash};
use crate::id::{Author, CaseId, Seq, StreamId, TreeSize};

/// The layout described above.
const LAYOUT: &str = "countersign-store-2";
/// Scans longer than this pass the block cache by: an export must not push out what admission needs.
const LONG_SCAN: usize = 1_024;

/// The column families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Entries,
    ByEvent,
    ById,
    ByStream,
    Heads,
    Authority,
    ByEvidence,
    Tiles,
    Disclosures,
    Proposals,
    Meta,
}

impl Family {
    const ALL: [Self; 11] = [
        Self::Entries,
        Self::ByEvent,
        Self::ById,
        Self::ByStream,
        Self::Heads,
        Self::Authority,
        Self::ByEvidence,
        Self::Tiles,
        Self::Disclosures,
        Self::Proposals,
        Self::Meta,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::ByEvent => "by_event",
            Self::ById => "by_id",
            Self::ByStream => "by_stream",
            Self::Heads => "heads",
            Self::Authority => "authority",
            Self::ByEvidence => "by_evidence",
            Self::Tiles => "tiles",
            Self::Disclosures => "disclosures",
            Self::Proposals => "proposals",
            Self::Meta => "meta",
        }
    }
}

/// A store in a folder of its own.
#[derive(Debug)]
pub struct RocksStore {
    inner: Arc<Inner>,
    /// Whether what is ahead of the head is in view.
    whole: bool,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    db: DB,
    writer: Mutex<Writer>,
    /// The head's size while something is ahead of it, [`NOTHING_AHEAD`] otherwise: look-ups end there.
    hidden_from: AtomicU64,
    /// Held as long as the store is open.
    _lock: fs::File,
}

/// See [`Inner::hidden_from`].
const NOTHING_AHEAD: u64 = u64::MAX;

/// What the writer knows: commits are checked against it without a read.
#[derive(Debug)]
struct Writer {
    /// With what is ahead of the head.
    size: TreeSize,
    in_doubt: bool,
}

impl RocksStore {
    /// Makes a store in a folder that is empty or not there yet.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`], [`StoreError::InUse`], or when the folder cannot be written.
    pub fn create(path: &Path, options: &RocksOptions) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(|e| failed("make the data folder", &e))?;
        let mut inside = fs::read_dir(path).map_err(|e| failed("read the data folder", &e))?;
        if let Some(found) = inside.next() {
            let found = found.map_err(|e| failed("read the data folder", &e))?.file_name();
            return Err(StoreError::NotEmpty { path: shown(path), found: found.to_string_lossy().into_owned() });
        }
        let lock = lock(path)?;
        let mut db_options = options.database();
        db_options.create_if_missing(true);
        db_options.create_missing_column_families(true);
        db_options.set_error_if_exists(true);
        let db = open_db(&db_options, path, options)?;
        let store = Self::of(path, db, lock);
        let mut batch = WriteBatch::default();
        batch.put_cf(store.family(Family::Meta), b"layout", LAYOUT);
        store.write(batch)?;
        let folder = path.canonicalize().and_then(|path| match path.parent() {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        });
        folder.map_err(|e| failed("make the data folder durable", &e))?;
        Ok(store)
    }

    /// Opens a store of which at least `acknowledged` entries must be there.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::InUse`], [`StoreError::Layout`]; [`StoreError::Behind`], before anything
    /// is changed; or when the database is corrupt or cannot be read.
    pub fn open(path: &Path, acknowledged: TreeSize, options: &RocksOptions) -> Result<Self, StoreError> {
        if !path.join("CURRENT").is_file() {
            return Err(StoreError::Missing { path: shown(path) });
        }
        let lock = lock(path)?;
        let found = check_before_opening(path, acknowledged, options)?;
        let mut db_options = options.database();
        db_options.create_missing_column_families(found == Found::First);
        let db = open_db(&db_options, path, options)?;
        let store = Self::of(path, db, lock);
        if found == Found::First {
            index_evidence(&store)?;
        }
        store.read_ahead()?;
        Ok(store)
    }

    fn of(path: &Path, db: DB, lock: fs::File) -> Self {
        let writer = Mutex::new(Writer::at(TreeSize(0)));
        let hidden_from = AtomicU64::new(NOTHING_AHEAD);
        Self { inner: Arc::new(Inner { path: path.to_owned(), db, writer, hidden_from, _lock: lock }), whole: false }
    }

    /// Returns the first entry that is not in view, [`NOTHING_AHEAD`] if all are.
    fn end(&self) -> u64 {
        if self.whole { NOTHING_AHEAD } else { self.inner.hidden_from.load(Ordering::Acquire) }
    }

    /// Writes out what is only in the log and closes, so that the next open is quick. Nothing is lost without it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn close(self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    /// Rewrites the whole store in its final form, as happens anyway in the background over time.
    pub fn compact(&self) {
        for family in Family::ALL {
            self.inner.db.compact_range_cf(self.family(family), None::<&[u8]>, None::<&[u8]>);
        }
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.inner.family(family)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.inner.writer()
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.inner.db.write_opt(batch, &options).map_err(|e| failure("commit a batch", &e))
    }

    fn value<T>(
        &self,
        family: Family,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let found = self.inner.db.get_pinned_cf(self.family(family), key).map_err(|e| failure("read a record", &e))?;
        found.map(|value| read(&value).ok_or_else(|| malformed(family, key))).transpose()
    }

    /// Reads records from `from` and before `end` while `take` says to go on.
    fn scan(
        &self,
        family: Family,
        from: &[u8],
        end: Vec<u8>,
        limit: usize,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        if limit == 0 || from >= end.as_slice() {
            return Ok(());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end);
        options.fill_cache(limit <= LONG_SCAN);
        let mode = IteratorMode::From(from, Direction::Forward);
        for record in self.inner.db.iterator_cf_opt(self.family(family), options, mode).take(limit) {
            let (key, value) = record.map_err(|e| failure("read records", &e))?;
            if !take(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn add_entry(&self, batch: &mut WriteBatch, entry: &NewEntry) {
        let seq = entry.seq.0.to_be_bytes();
        batch.put_cf(self.family(Family::Entries), seq, codec::encode(entry.seq, &entry.line));
        batch.put_cf(self.family(Family::ByEvent), entry.event.as_bytes(), seq);
        batch.put_cf(self.family(Family::ById), id_key(&entry.author, &entry.id), seq);
        let stream = stream_key(&entry.stream);
        batch.put_cf(self.family(Family::Heads), &stream, [&seq[..], entry.event.as_bytes()].concat());
        batch.put_cf(self.family(Family::ByStream), stream_entry_key(stream, entry.seq), b"");
        if entry.authority {
            batch.put_cf(self.family(Family::Authority), seq, b"");
        }
        if !entry.disclosures.is_empty() {
            batch.put_cf(self.family(Family::Disclosures), seq, join(&entry.disclosures));
        }
        for file in &entry.evidence {
            batch.put_cf(self.family(Family::ByEvidence), evidence_key(file, entry.seq), b"");
        }
    }

    /// Appends to a tile the hashes that a tree of `size` leaves does not have in it.
    fn add_tile(&self, batch: &mut WriteBatch, tile: &NewTile, size: TreeSize) {
        let stored = usize::try_from(tile.width_in(size)).unwrap_or(usize::MAX);
        let added: Vec<u8> = tile.hashes.iter().skip(stored).flat_map(NodeHash::as_bytes).copied().collect();
        let key = tile_key(tile.level, tile.index);
        match (stored, added.is_empty()) {
            (_, true) => {}
            (0, false) => batch.put_cf(self.family(Family::Tiles), key, added),
            (_, false) => batch.merge_cf(self.family(Family::Tiles), key, added),
        }
    }
}

impl Writer {
    const fn at(size: TreeSize) -> Self {
        Self { size, in_doubt: false }
    }
}

impl Inner {
    fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("the store is opened with every family")
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic within a commit leaves the store in doubt; see `commit`.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) -> Result<(), StoreError> {
        if self.writer().in_doubt {
            return Err(StoreError::InDoubt);
        }
        let families = Family::ALL.map(|family| self.family(family));
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db.flush_cfs_opt(&families, &options).map_err(|e| failure("write out the store", &e))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // All that was acknowledged is in the log already: a failure here costs the next open some time, no more.
        let _ = self.flush();
        self.db.cancel_all_background_work(true);
    }
}

impl Store for RocksStore {
    fn head(&self) -> Result<Option<Head>, StoreError> {
        self.value(Family::Meta, b"head", read_head)
    }

    fn lines(&self, from: Seq, limit: usize, max_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let size = if self.whole { self.size_ahead()? } else { size_of(self.head()?.as_ref()) };
        let there = usize::try_from(size.0.saturating_sub(from.0)).unwrap_or(usize::MAX);
        let limit = limit.min(there);
        let (mut found, mut bytes, mut next) = (Vec::with_capacity(limit.min(LONG_SCAN)), 0, from);
        self.scan(Family::Entries, &from.0.to_be_bytes(), size.0.to_be_bytes().to_vec(), limit, |key, record| {
            if key != next.0.to_be_bytes() {
                return Err(missing_entry(next));
            }
            let line = codec::decode(next, record)
                .map_err(|e| StoreError::Corrupt { place: format!("entry {next}"), reason: e.to_string() })?;
            bytes += line.len();
            next.0 += 1;
            found.push(line);
            Ok(bytes < max_bytes)
        })?;
        if found.len() < limit && bytes < max_bytes {
            return Err(missing_entry(next));
        }
        Ok(found)
    }

    fn seq_of_event(&self, event: &EventHash) -> Result<Option<Seq>, StoreError> {
        Ok(self.value(Family::ByEvent, event.as_bytes(), read_seq)?.filter(|seq| seq.0 < self.end()))
    }

    fn seq_of_id(&self, author: &Author, id: &Uuid) -> Result<Option<Seq>, StoreError> {
        Ok(self.value(Family::ById, &id_key(author, id), read_seq)?.filter(|seq| seq.0 < self.end()))
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError> {
        let head = self.value(Family::Heads, &stream_key(stream), |value| {
            read_stream_head(value).map(|(seq, event)| StreamHead { seq, event })
        })?;
        match (head, self.end()) {
            (Some(head), end) if head.seq.0 >= end => self.stream_head_before(&stream_key(stream), Seq(end)),
            (head, _) => Ok(head),
        }
    }

    fn stream_seqs(&self, stream: &StreamId, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let stream = stream_key(stream);
        let end = stream_entry_key(stream.clone(), Seq(self.end()));
        let mut found = Vec::new();
        self.scan(Family::ByStream, &stream_entry_key(stream, from), end, limit, |key, _| {
            let seq = key.last_chunk::<8>().and_then(|seq| read_seq(seq));
            found.push(seq.ok_or_else(|| malformed(Family::ByStream, key))?);
            Ok(true)
        })?;
        Ok(found)
    }

    fn case_seqs(&self, case: Option<&CaseId>, ty: Option<&str>) -> Result<Vec<Seq>, StoreError> {
        let mut from = case.map_or_else(Vec::new, |case| case.as_str().as_bytes().to_vec());
        from.push(0);
        if let Some(ty) = ty {
            from.extend_from_slice(ty.as_bytes());
            from.push(b'/');
        }
        let mut end = from.clone();
        // The key after every one that begins so; the last byte is 0 or a slash.
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let mut found = Vec::new();
        let hidden_from = self.end();
        self.scan(Family::ByStream, &from, end, usize::MAX, |key, _| {
            let seq = key.last_chunk::<8>().and_then(|seq| read_seq(seq));
            let seq = seq.ok_or_else(|| malformed(Family::ByStream, key))?;
            found.extend(Some(seq).filter(|seq| seq.0 < hidden_from));
            Ok(true)
        })?;
        // By stream in the index.
        found.sort_unstable();
        Ok(found)
    }

    fn each_stream(&self, visit: &mut dyn FnMut(&StreamId, &[Seq], EventHash)) -> Result<(), StoreError> {
        let snapshot = self.inner.db.snapshot();
        let records = |family: Family| {
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            snapshot.iterator_cf_opt(self.family(family), options, IteratorMode::Start)
        };
        // Both are in the order of streams: what follows a stream's key in the index is a zero byte, which none has in it.
        let mut entries = records(Family::ByStream);
        let (end, mut seqs) = (self.end(), Vec::new());
        for record in records(Family::Heads) {
            let (stream, head) = record.map_err(|e| failure("read records", &e))?;
            let (last, event) = read_stream_head(&head).ok_or_else(|| malformed(Family::Heads, &stream))?;
            seqs.clear();
            while seqs.last() != Some(&last) {
                let out_of_order = || malformed(Family::ByStream, &stream);
                let entry = entries.next().ok_or_else(out_of_order)?;
                let (key, _) = entry.map_err(|e| failure("read records", &e))?;
                let seq = key.strip_prefix(&*stream).and_then(|rest| read_seq(rest.strip_prefix(&[0])?));
                seqs.push(seq.filter(|seq| *seq <= last).ok_or_else(out_of_order)?);
            }
            let id = read_stream(&stream).ok_or_else(|| malformed(Family::Heads, &stream))?;
            if last.0 < end {
                visit(&id, &seqs, event);
            } else if let Some(head) = self.stream_head_before(&stream, Seq(end))? {
                seqs.retain(|seq| seq.0 < end);
                visit(&id, &seqs, head.event);
            }
        }
        Ok(())
    }

    fn authority_seqs(&self, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let mut found = Vec::new();
        let end = self.end().to_be_bytes().to_vec();
        self.scan(Family::Authority, &from.0.to_be_bytes(), end, limit, |key, _| {
            found.push(read_seq(key).ok_or_else(|| malformed(Family::Authority, key))?);
            Ok(true)
        })?;
        Ok(found)
    }

    fn evidence_seqs(&self, file: &FileHash, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let mut found = Vec::new();
        let end = evidence_key(file, Seq(self.end()));
        self.scan(Family::ByEvidence, &evidence_key(file, from), end, limit, |key, _| {
            let seq = key.last_chunk::<8>().and_then(|seq| read_seq(seq));
            found.push(seq.ok_or_else(|| malformed(Family::ByEvidence, key))?);
            Ok(true)
        })?;
        Ok(found)
    }

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<NodeHash>>, StoreError> {
        self.value(Family::Tiles, &tile_key(level, index), |value| {
            let (hashes, rest) = value.as_chunks::<32>();
            let whole = rest.is_empty() && (1..=256).contains(&hashes.len());
            whole.then(|| hashes.iter().copied().map(NodeHash::from_bytes).collect())
        })
    }

    fn next_disclosures(&self, from: Seq, end: Seq) -> Result<Option<(Seq, Vec<String>)>, StoreError> {
        let mut found = None;
        let end = end.0.min(self.end()).to_be_bytes().to_vec();
        self.scan(Family::Disclosures, &from.0.to_be_bytes(), end, 1, |key, value| {
            let record = read_seq(key).zip(split(value));
            found = Some(record.ok_or_else(|| malformed(Family::Disclosures, key))?);
            Ok(false)
        })?;
        Ok(found)
    }

    fn disk_bytes(&self) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for file in fs::read_dir(&self.inner.path).map_err(|e| failed("read the data folder", &e))? {
            match file.and_then(|file| file.metadata()) {
                Ok(metadata) => bytes += metadata.len(),
                // The database deletes files that it no longer needs, at any time.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(failed("read the data folder", &e)),
            }
        }
        Ok(bytes)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if writer.in_doubt {
            return Err(StoreError::InDoubt);
        }
        let size = batch.check_continues(writer.size)?;
        let mut write = WriteBatch::default();
        batch.entries.iter().for_each(|entry| self.add_entry(&mut write, entry));
        batch.tiles.iter().for_each(|tile| self.add_tile(&mut write, tile, writer.size));
        let meta = self.family(Family::Meta);
        match &batch.head {
            Some(head) => {
                let head = [&head.size.0.to_be_bytes(), head.checkpoint.as_bytes()].concat();
                write.put_cf(meta, b"head", head);
                write.delete_cf(meta, b"ahead");
            }
            None => {
                write.put_cf(meta, b"ahead", size.0.to_be_bytes());
                // Before the write: nobody may see any of it.
                self.hide_from(size_of(self.head()?.as_ref()));
            }
        }
        // From here on the batch may be durable, whatever the database answers.
        writer.in_doubt = true;
        self.write(write)?;
        *writer = Writer::at(size);
        if batch.head.is_some() {
            self.hide_from(TreeSize(NOTHING_AHEAD));
        }
        Ok(())
    }

    fn size_ahead(&self) -> Result<TreeSize, StoreError> {
        let ahead = self.value(Family::Meta, b"ahead", read_seq)?.map(|seq| TreeSize(seq.0));
        ahead.map_or_else(|| Ok(size_of(self.head()?.as_ref())), Ok)
    }

    fn with_ahead(&self) -> Arc<dyn Store> {
        Arc::new(Self { inner: Arc::clone(&self.inner), whole: true })
    }

    fn discard_ahead(&self) -> Result<(), StoreError> {
        self.discard()
    }

    fn proposal(&self, event: &EventHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.value(Family::Proposals, event.as_bytes(), |value| Some(value.to_vec()))
    }

    fn proposals(&self, after: Option<&EventHash>, limit: usize) -> Result<Vec<(EventHash, Vec<u8>)>, StoreError> {
        // The least key behind another is that one with a zero byte.
        let from = after.map_or_else(Vec::new, |after| [&after.as_bytes()[..], &[0]].concat());
        let mut found = Vec::new();
        self.scan(Family::Proposals, &from, vec![0xff; 33], limit, |key, value| {
            let event = key.try_into().map_err(|_| malformed(Family::Proposals, key))?;
            found.push((EventHash::from_bytes(event), value.to_vec()));
            Ok(true)
        })?;
        Ok(found)
    }

    fn write_proposals(&self, changes: &[(EventHash, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if writer.in_doubt {
            return Err(StoreError::InDoubt);
        }
        let mut write = WriteBatch::default();
        for (event, record) in changes {
            match record {
                Some(record) => write.put_cf(self.family(Family::Proposals), event.as_bytes(), record),
                None => write.delete_cf(self.family(Family::Proposals), event.as_bytes()),
            }
        }
        writer.in_doubt = true;
        self.write(write)?;
        writer.in_doubt = false;
        Ok(())
    }
}

fn size_of(head: Option<&Head>) -> TreeSize {
    head.map_or(TreeSize(0), |head| head.size)
}

fn read_head(value: &[u8]) -> Option<Head> {
    let (size, checkpoint) = value.split_first_chunk::<8>()?;
    let checkpoint = std::str::from_utf8(checkpoint).ok()?.to_owned();
    Some(Head { size: TreeSize(u64::from_be_bytes(*size)), checkpoint })
}

fn read_seq(bytes: &[u8]) -> Option<Seq> {
    bytes.try_into().ok().map(|bytes| Seq(u64::from_be_bytes(bytes)))
}

fn id_key(author: &Author, id: &Uuid) -> Vec<u8> {
    [author.as_str().as_bytes(), &[0], id.as_bytes()].concat()
}

fn stream_key(stream: &StreamId) -> Vec<u8> {
    let case = stream.case.as_ref().map_or("", |case| case.as_str());
    [case.as_bytes(), &[0], stream.subject.as_str().as_bytes()].concat()
}

/// Reads what [`stream_key`] wrote.
fn read_stream(key: &[u8]) -> Option<StreamId> {
    let (case, subject) = std::str::from_utf8(key).ok()?.split_once('\0')?;
    let case = if case.is_empty() { None } else { Some(case.parse().ok()?) };
    Some(StreamId { case, subject: subject.parse().ok()? })
}

fn read_stream_head(value: &[u8]) -> Option<(Seq, EventHash)> {
    let (seq, event) = value.split_first_chunk::<8>()?;
    Some((read_seq(seq)?, EventHash::from_bytes(event.try_into().ok()?)))
}

fn stream_entry_key(mut stream: Vec<u8>, seq: Seq) -> Vec<u8> {
    stream.push(0);
    stream.extend_from_slice(&seq.0.to_be_bytes());
    stream
}

fn evidence_key(file: &FileHash, seq: Seq) -> Vec<u8> {
    [&file.as_bytes()[..], &seq.0.to_be_bytes()].concat()
}

fn tile_key(level: u8, index: u64) -> [u8; 9] {
    let mut key = [level; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

fn join(disclosures: &[String]) -> Vec<u8> {
    let mut joined = Vec::new();
    for disclosure in disclosures {
        let length = u32::try_from(disclosure.len()).expect("disclosures are at most 256 KiB (SPEC §10)");
        joined.extend_from_slice(&length.to_be_bytes());
        joined.extend_from_slice(disclosure.as_bytes());
    }
    joined
}

fn split(mut joined: &[u8]) -> Option<Vec<String>> {
    let mut disclosures = Vec::new();
    while let Some((length, rest)) = joined.split_first_chunk::<4>() {
        let (disclosure, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        disclosures.push(std::str::from_utf8(disclosure).ok()?.to_owned());
        joined = rest;
    }
    joined.is_empty().then_some(disclosures)
}
