//! A store in memory: the model of the others, and the store of tests. Nothing in it survives the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use uuid::Uuid;

use super::{Batch, Head, NewEntry, NewTile, Store, StoreError, StreamHead};
use crate::hash::{EventHash, FileHash, NodeHash};
use crate::id::{Author, CaseId, Seq, StreamId, TreeSize};
use crate::tile::TileId;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Arc<RwLock<Inner>>,
    /// Whether what is ahead of the head is in view.
    whole: bool,
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

    /// Returns the first entry that is not in view.
    fn end(&self, inner: &Inner) -> Seq {
        Seq(if self.whole { inner.stored().0 } else { inner.size().0 })
    }
}

impl Inner {
    fn size(&self) -> TreeSize {
        self.head.as_ref().map_or(TreeSize(0), |head| head.size)
    }

    fn stored(&self) -> TreeSize {
        TreeSize(u64::try_from(self.lines.len()).unwrap_or(u64::MAX))
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

    /// Removes the entries from `end` on.
    fn cut(&mut self, end: Seq) {
        self.lines.truncate(usize::try_from(end.0).unwrap_or(usize::MAX));
        self.by_event.retain(|_, seq| *seq < end);
        self.by_id.retain(|_, seq| *seq < end);
        self.streams.values_mut().for_each(|events| drop(events.split_off(&end)));
        self.streams.retain(|_, events| !events.is_empty());
        self.authority.retain(|seq| *seq < end);
        self.disclosures.retain(|seq, _| *seq < end);
        self.evidence.retain(|(_, seq)| *seq < end);
        self.tiles.retain(|(level, index), hashes| {
            let width = TileId::new(*level, *index).and_then(|tile| tile.width_in(TreeSize(end.0)));
            hashes.truncate(width.map_or(0, |width| usize::from(width.hashes())));
            !hashes.is_empty()
        });
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
        let end = usize::try_from(self.end(&inner).0).unwrap_or(usize::MAX);
        let from = usize::try_from(from.0).unwrap_or(usize::MAX);
        let (mut found, mut bytes) = (Vec::new(), 0);
        for line in inner.lines.iter().take(end).skip(from).take(limit) {
            bytes += line.len();
            found.push(line.clone());
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(found)
    }

    fn seq_of_event(&self, event: &EventHash) -> Result<Option<Seq>, StoreError> {
        let inner = self.read();
        Ok(inner.by_event.get(event).copied().filter(|seq| *seq < self.end(&inner)))
    }

    fn seq_of_id(&self, author: &Author, id: &Uuid) -> Result<Option<Seq>, StoreError> {
        let inner = self.read();
        Ok(inner.by_id.get(&(author.clone(), *id)).copied().filter(|seq| *seq < self.end(&inner)))
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError> {
        let inner = self.read();
        let last = inner.streams.get(stream).and_then(|events| events.range(..self.end(&inner)).next_back());
        Ok(last.map(|(seq, event)| StreamHead { seq: *seq, event: *event }))
    }

    fn stream_seqs(&self, stream: &StreamId, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let inner = self.read();
        let Some(events) = inner.streams.get(stream) else { return Ok(Vec::new()) };
        let end = self.end(&inner).max(from);
        Ok(events.range(from..end).map(|(seq, _)| *seq).take(limit).collect())
    }

    fn case_seqs(&self, case: Option<&CaseId>, ty: Option<&str>) -> Result<Vec<Seq>, StoreError> {
        let inner = self.read();
        let wanted = |stream: &StreamId| stream.case.as_ref() == case && ty.is_none_or(|ty| stream.subject.ty() == ty);
        let streams = inner.streams.iter().filter(|(stream, _)| wanted(stream));
        let end = self.end(&inner);
        let mut found: Vec<Seq> = streams.flat_map(|(_, events)| events.range(..end).map(|(seq, _)| *seq)).collect();
        found.sort_unstable();
        Ok(found)
    }

    fn each_stream(&self, visit: &mut dyn FnMut(&StreamId, &[Seq], EventHash)) -> Result<(), StoreError> {
        let inner = self.read();
        let end = self.end(&inner);
        for (stream, events) in &inner.streams {
            let seqs: Vec<Seq> = events.range(..end).map(|(seq, _)| *seq).collect();
            if let Some((_, head)) = events.range(..end).next_back() {
                visit(stream, &seqs, *head);
            }
        }
        Ok(())
    }

    fn authority_seqs(&self, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let inner = self.read();
        let end = self.end(&inner).max(from);
        Ok(inner.authority.range(from..end).copied().take(limit).collect())
    }

    fn evidence_seqs(&self, file: &FileHash, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let inner = self.read();
        let end = self.end(&inner).max(from);
        let range = inner.evidence.range((*file, from)..(*file, end));
        Ok(range.map(|(_, seq)| *seq).take(limit).collect())
    }

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<NodeHash>>, StoreError> {
        Ok(self.read().tiles.get(&(level, index)).cloned())
    }

    fn next_disclosures(&self, from: Seq, end: Seq) -> Result<Option<(Seq, Vec<String>)>, StoreError> {
        let inner = self.read();
        let end = end.min(self.end(&inner));
        if from >= end {
            return Ok(None);
        }
        let mut range = inner.disclosures.range((Bound::Included(from), Bound::Excluded(end)));
        Ok(range.next().map(|(seq, found)| (*seq, found.clone())))
    }

    fn disk_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        batch.check_continues(inner.stored())?;
        batch.tiles.iter().try_for_each(|tile| inner.check_tile(tile))?;
        batch.entries.iter().for_each(|entry| inner.add(entry));
        for tile in &batch.tiles {
            inner.tiles.insert((tile.level, tile.index), tile.hashes.clone());
        }
        if let Some(head) = &batch.head {
            inner.head = Some(head.clone());
        }
        Ok(())
    }

    fn size_ahead(&self) -> Result<TreeSize, StoreError> {
        Ok(self.read().stored())
    }

    fn with_ahead(&self) -> Arc<dyn Store> {
        Arc::new(Self { inner: Arc::clone(&self.inner), whole: true })
    }

    fn discard_ahead(&self) -> Result<(), StoreError> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let end = Seq(inner.size().0);
        inner.cut(end);
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
