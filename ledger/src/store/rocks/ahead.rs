//! What is stored ahead of the head: unseen, until a head covers it or it is removed.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use rocksdb::{Direction, IteratorMode, WriteBatch};

use super::{
    Family, NOTHING_AHEAD, RocksStore, Writer, evidence_key, failure, id_key, malformed, missing_entry, read_seq,
    size_of, stream_entry_key, stream_key, tile_key,
};
use crate::entry::Entry;
use crate::event::Event;
use crate::hash::NodeHash;
use crate::id::{Seq, TreeSize};
use crate::store::{Store, StoreError, StreamHead, codec};
use crate::tile::{FULL_WIDTH, MAX_LEVEL, TILE_HEIGHT, TileId};

/// How many entries are removed by one write.
const REMOVED_TOGETHER: u64 = 512;

impl RocksStore {
    pub(super) fn hide_from(&self, size: TreeSize) {
        self.inner.hidden_from.store(size.0, Ordering::Release);
    }

    /// Finds out, on opening, what is ahead of the head.
    pub(super) fn read_ahead(&self) -> Result<(), StoreError> {
        let (head, ahead) = (size_of(self.head()?.as_ref()), self.size_ahead()?);
        if ahead < head {
            return Err(malformed(Family::Meta, b"ahead"));
        }
        self.writer().size = ahead;
        self.hide_from(if ahead == head { TreeSize(NOTHING_AHEAD) } else { head });
        Ok(())
    }

    /// Finds the latest event of a stream before `end`, where the record of its head is of a later one.
    pub(super) fn stream_head_before(&self, stream: &[u8], end: Seq) -> Result<Option<StreamHead>, StoreError> {
        let Some(last) = end.0.checked_sub(1) else { return Ok(None) };
        let from = stream_entry_key(stream.to_vec(), Seq(last));
        let mode = IteratorMode::From(&from, Direction::Reverse);
        let Some(found) = self.inner.db.iterator_cf(self.family(Family::ByStream), mode).next() else {
            return Ok(None);
        };
        let (key, _) = found.map_err(|e| failure("read records", &e))?;
        let Some((own, seq)) = key.split_last_chunk::<8>() else { return Err(malformed(Family::ByStream, &key)) };
        if own.strip_suffix(&[0]) != Some(stream) {
            return Ok(None);
        }
        let seq = read_seq(seq).ok_or_else(|| malformed(Family::ByStream, &key))?;
        Ok(Some(StreamHead { seq, event: self.stored_entry(seq)?.envelope.event_hash() }))
    }

    fn stored_entry(&self, seq: Seq) -> Result<Entry, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt { place: format!("entry {seq}"), reason };
        let line = self.value(Family::Entries, &seq.0.to_be_bytes(), |record| Some(codec::decode(seq, record)))?;
        let line = line.ok_or_else(|| missing_entry(seq))?.map_err(|e| corrupt(e.to_string()))?;
        Entry::parse(&line).map_err(|e| corrupt(e.to_string()))
    }

    /// Removes what is ahead, the last entries first: after each write the store is as if it had never come further.
    pub(super) fn discard(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if writer.in_doubt {
            return Err(StoreError::InDoubt);
        }
        let head = size_of(self.head()?.as_ref());
        while writer.size > head {
            let to = TreeSize(writer.size.0.saturating_sub(REMOVED_TOGETHER).max(head.0));
            let write = self.removal(to, writer.size, head)?;
            writer.in_doubt = true;
            self.write(write)?;
            *writer = Writer::at(to);
        }
        self.hide_from(TreeSize(NOTHING_AHEAD));
        Ok(())
    }

    /// Puts together what removes the entries from `to` up to `size`.
    fn removal(&self, to: TreeSize, size: TreeSize, head: TreeSize) -> Result<WriteBatch, StoreError> {
        let mut write = WriteBatch::default();
        let mut streams = BTreeSet::new();
        for seq in (to.0..size.0).map(Seq) {
            let entry = self.stored_entry(seq)?;
            let event = Event::of_envelope(&entry.envelope)
                .map_err(|e| StoreError::Corrupt { place: format!("entry {seq}"), reason: e.to_string() })?;
            let (key, stream) = (seq.0.to_be_bytes(), event.stream());
            for family in [Family::Entries, Family::Authority, Family::Disclosures] {
                write.delete_cf(self.family(family), key);
            }
            write.delete_cf(self.family(Family::ByEvent), entry.envelope.event_hash().as_bytes());
            write.delete_cf(self.family(Family::ById), id_key(&event.author, &event.id));
            write.delete_cf(self.family(Family::ByStream), stream_entry_key(stream_key(&stream), seq));
            for file in &event.evidence {
                write.delete_cf(self.family(Family::ByEvidence), evidence_key(&file.sha256, seq));
            }
            streams.insert(stream_key(&stream));
        }
        for key in streams {
            match self.stream_head_before(&key, Seq(to.0))? {
                Some(StreamHead { seq, event }) => {
                    let record = [&seq.0.to_be_bytes()[..], event.as_bytes()].concat();
                    write.put_cf(self.family(Family::Heads), key, record);
                }
                None => write.delete_cf(self.family(Family::Heads), key),
            }
        }
        self.cut_tiles(&mut write, to, size)?;
        match to == head {
            true => write.delete_cf(self.family(Family::Meta), b"ahead"),
            false => write.put_cf(self.family(Family::Meta), b"ahead", to.0.to_be_bytes()),
        }
        Ok(write)
    }

    /// Cuts every tile that has grown from a tree of `to` leaves to one of `size`.
    fn cut_tiles(&self, write: &mut WriteBatch, to: TreeSize, size: TreeSize) -> Result<(), StoreError> {
        let tiles = self.family(Family::Tiles);
        for level in 0..MAX_LEVEL {
            let shift = u32::from(TILE_HEIGHT) * u32::from(level);
            let hashes = |size: TreeSize| size.0.checked_shr(shift).unwrap_or(0);
            let (before, now) = (hashes(to), hashes(size));
            if before == now {
                break;
            }
            for index in before / u64::from(FULL_WIDTH)..now.div_ceil(u64::from(FULL_WIDTH)) {
                let width = TileId::new(level, index).and_then(|tile| tile.width_in(to));
                let key = tile_key(level, index);
                let Some(width) = width else {
                    write.delete_cf(tiles, key);
                    continue;
                };
                let stored = self.tile(level, index)?.ok_or_else(|| malformed(Family::Tiles, &key))?;
                let kept = stored.iter().take(usize::from(width.hashes()));
                write.put_cf(tiles, key, kept.flat_map(NodeHash::as_bytes).copied().collect::<Vec<_>>());
            }
        }
        Ok(())
    }
}
