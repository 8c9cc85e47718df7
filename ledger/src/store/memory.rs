//! A store in memory: the model of the others, and the store of tests. Nothing in it survives the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use uuid::Uuid;

use super::{Batch, Head, NewEntry, NewTile, Store, StoreError, StreamHead};
use crate::hash::{EventHash, FileHash, NodeHash};
use crate::id::{Author, CaseId, Seq, StreamId, TreeSize};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    head: Option<Head>,
    lines: Vec<Vec<u8>>,
    by_event: HashMap<EventHash, Seq>,
    by_id: HashMap<(Author, Uuid), Seq>,
    streams: HashMap<StreamId, BTreeMap<Seq, EventHash>>,
    authority: BTreeSet<Seq>,
    tiles: HashMap<(u8, u64), Vec<NodeHash>>,
    disclosures: BTreeMap<Seq, Vec<String>>,
    proposals: BTreeMap<EventHash, Vec<u8>>,
    evidence: BTreeSet<(FileHash, Seq)>,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic of another thread leaves no half batch: `commit` checks before it changes anything.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn size(&self) -> TreeSize {
        self.head.as_ref().map_or(TreeSize(0), |head| head.size)
    }

    fn add(&mut self, entry: &NewEntry) {
        self.lines.push(entry.line.clone());
        self.by_event.insert(entry.event, entry.seq);
        self.by_id.insert((entry.author.clone(), entry.id), entry.seq);
        self.streams.entry(entry.stream.clone()).or_default().insert(entry.seq, entry.event);
        if entry.authority {
            self.authority.insert(entry.seq);
        }
        if !entry.disclosures.is_empty() {
            self.disclosures.insert(entry.seq, entry.disclosures.clone());
        }
        self.evidence.extend(entry.evidence.iter().map(|file| (*file, entry.seq)));
    }

    /// Checks what the stores on disk take for granted: a tile only grows.
    fn check_tile(&self, tile: &NewTile) -> Result<(), StoreError> {
        let stored = self.tiles.get(&(tile.level, tile.index)).map_or(&[][..], Vec::as_slice);
        if tile.hashes.starts_with(stored) {
            return Ok(());
        }
        Err(StoreError::Corrupt {
            place: format!("tile {} of level {}", tile.index, tile.level),
            reason: "a batch changes hashes that are stored".to_owned(),
        })
    }
}

impl Store for MemoryStore {
    fn head(&self) -> Result<Option<Head>, StoreError> {
        Ok(self.read().head.clone())
    }

    fn lines(&self, from: Seq, limit: usize, max_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let inner = self.read();
        let from = usize::try_from(from.0).unwrap_or(usize::MAX);
        let (mut found, mut bytes) = (Vec::new(), 0);
        for line in inner.lines.iter().skip(from).take(limit) {
            bytes += line.len();
            found.push(line.clone());
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(found)
    }

    fn seq_of_event(&self, event: &EventHash) -> Result<Option<Seq>, StoreError> {
        Ok(self.read().by_event.get(event).copied())
    }

    fn seq_of_id(&self, author: &Author, id: &Uuid) -> Result<Option<Seq>, StoreError> {
        Ok(self.read().by_id.get(&(author.clone(), *id)).copied())
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError> {
        let inner = self.read();
        let last = inner.streams.get(stream).and_then(BTreeMap::last_key_value);
        Ok(last.map(|(seq, event)| StreamHead { seq: *seq, event: *event }))
    }

    fn stream_seqs(&self, stream: &StreamId, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let inner = self.read();
        let events = inner.streams.get(stream);
        Ok(events.map_or_else(Vec::new, |events| events.range(from..).map(|(seq, _)| *seq).take(limit).collect()))
    }

    fn case_seqs(&self, case: Option<&CaseId>, ty: Option<&str>) -> Result<Vec<Seq>, StoreError> {
        let inner = self.read();
        let wanted = |stream: &StreamId| stream.case.as_ref() == case && ty.is_none_or(|ty| stream.subject.ty() == ty);
        let streams = inner.streams.iter().filter(|(stream, _)| wanted(stream));
        let mut found: Vec<Seq> = streams.flat_map(|(_, events)| events.keys().copied()).collect();
        found.sort_unstable();
        Ok(found)
    }

    fn authority_seqs(&self, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        Ok(self.read().authority.range(from..).copied().take(limit).collect())
    }

    fn evidence_seqs(&self, file: &FileHash, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let inner = self.read();
        let range = inner.evidence.range((*file, from)..=(*file, Seq(u64::MAX)));
        Ok(range.map(|(_, seq)| *seq).take(limit).collect())
    }

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<NodeHash>>, StoreError> {
        Ok(self.read().tiles.get(&(level, index)).cloned())
    }

    fn next_disclosures(&self, from: Seq, end: Seq) -> Result<Option<(Seq, Vec<String>)>, StoreError> {
        if from >= end {
            return Ok(None);
        }
        let inner = self.read();
        let mut range = inner.disclosures.range((Bound::Included(from), Bound::Excluded(end)));
        Ok(range.next().map(|(seq, found)| (*seq, found.clone())))
    }

    fn disk_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        batch.check_continues(inner.size())?;
        batch.tiles.iter().try_for_each(|tile| inner.check_tile(tile))?;
        batch.entries.iter().for_each(|entry| inner.add(entry));
        for tile in &batch.tiles {
            inner.tiles.insert((tile.level, tile.index), tile.hashes.clone());
        }
        inner.head = Some(batch.head.clone());
        Ok(())
    }

    fn proposal(&self, event: &EventHash) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read().proposals.get(event).cloned())
    }

    fn proposals(&self, after: Option<&EventHash>, limit: usize) -> Result<Vec<(EventHash, Vec<u8>)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
        let inner = self.read();
        let found = inner.proposals.range((from, Bound::Unbounded)).take(limit);
        Ok(found.map(|(event, record)| (*event, record.clone())).collect())
    }

    fn write_proposals(&self, changes: &[(EventHash, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for (event, record) in changes {
            match record {
                Some(record) => drop(inner.proposals.insert(*event, record.clone())),
                None => drop(inner.proposals.remove(event)),
            }
        }
        Ok(())
    }
}
