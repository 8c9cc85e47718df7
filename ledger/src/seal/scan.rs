//! The streams of a store: counted from its indexes, or carried on from what was counted before.

use rayon::prelude::*;

use super::{Changes, STATEMENT_TYPE, Streams};
use crate::entry::Entry;
use crate::event::Event;
use crate::hash::EventHash;
use crate::id::{Seq, StreamId, TreeSize};
use crate::store::{Store, StoreError};

/// From how many entries on counting anew may be cheaper than reading them.
const MANY: u64 = 1 << 16;
/// An entry costs about this many times as much to read as to count by the index.
const READING: u64 = 16;
/// How many entries are read at once.
const CHUNK: usize = 2_048;
/// How many bytes of them at most.
const CHUNK_BYTES: usize = 8 << 20;

fn corrupt(seq: Seq, reason: impl ToString) -> StoreError {
    StoreError::Corrupt { place: format!("entry {seq}"), reason: reason.to_string() }
}

fn entry_at(store: &dyn Store, seq: Seq) -> Result<Entry, StoreError> {
    let line = store.lines(seq, 1, 1)?.pop().ok_or_else(|| corrupt(seq, "it is missing"))?;
    Entry::parse(&line).map_err(|e| corrupt(seq, e))
}

fn event_of(entry: &Entry) -> Result<Event, StoreError> {
    Event::of_envelope(&entry.envelope).map_err(|e| corrupt(entry.seq, e))
}

fn entry_of(store: &dyn Store, event: &EventHash) -> Result<Option<Entry>, StoreError> {
    store.seq_of_event(event)?.map(|seq| entry_at(store, seq)).transpose()
}

/// Adds an event, and what it speaks of (SPEC §15), to the changes. `entry_of` finds the entry of an event.
///
/// # Errors
/// When the store fails or is corrupt; so for every function here.
pub fn count(
    changes: &mut Changes,
    seq: Seq,
    event: &Event,
    hash: EventHash,
    entry_of: impl Fn(&EventHash) -> Result<Option<Entry>, StoreError>,
) -> Result<(), StoreError> {
    changes.events(&event.stream(), 1, hash);
    if let Some(stream) = spoken_of(seq, event, entry_of)? {
        changes.spoken(&stream, hash);
    }
    Ok(())
}

/// Finds the stream that an entry speaks of.
fn spoken_of(
    seq: Seq,
    event: &Event,
    entry_of: impl Fn(&EventHash) -> Result<Option<Entry>, StoreError>,
) -> Result<Option<StreamId>, StoreError> {
    if event.case.is_some() || event.subject.ty() != STATEMENT_TYPE {
        return Ok(None);
    }
    let about = event.body().get("about").and_then(|about| about.as_str()?.parse().ok());
    let Some(about) = about else { return Ok(None) };
    // Whoever signs may name what is recorded only later.
    let earlier = entry_of(&about)?.filter(|entry| entry.seq < seq);
    earlier.map(|entry| event_of(&entry).map(|event| event.stream())).transpose()
}

/// Counts the streams of the entries below `size`, by the store's index: some microseconds a stream, less an entry.
///
/// # Errors
/// When the store fails or is corrupt.
pub fn scan(store: &dyn Store, size: TreeSize) -> Result<Streams, StoreError> {
    let mut changes = Changes::default();
    // Streams whose head is not below the size: the event of the last entry that is has to be read.
    let mut older: Vec<(StreamId, u64, Seq)> = Vec::new();
    store.each_stream(&mut |stream, seqs, head| {
        let below = seqs.partition_point(|seq| seq.0 < size.0);
        let events = u64::try_from(below).unwrap_or(u64::MAX);
        match below.checked_sub(1).map(|last| seqs[last]) {
            None => {}
            Some(_) if below == seqs.len() => changes.events(stream, events, head),
            Some(last) => older.push((stream.clone(), events, last)),
        }
    })?;
    for (stream, events, last) in older {
        changes.events(&stream, events, entry_at(store, last)?.envelope.event_hash());
    }
    let statements = store.case_seqs(None, Some(STATEMENT_TYPE))?;
    for seq in statements.into_iter().filter(|seq| seq.0 < size.0) {
        let entry = entry_at(store, seq)?;
        if let Some(stream) = spoken_of(seq, &event_of(&entry)?, |event| entry_of(store, event))? {
            changes.spoken(&stream, entry.envelope.event_hash());
        }
    }
    let mut streams = Streams::default();
    streams.apply(changes, size);
    Ok(streams)
}

/// Brings streams up to `size`, from what was counted before if that is not beyond it; counts anew where that is less
/// work.
///
/// # Errors
/// When the store fails or is corrupt.
pub fn advance(known: Option<Streams>, store: &dyn Store, size: TreeSize) -> Result<Streams, StoreError> {
    let Some(mut streams) = known.filter(|known| known.size() <= size) else { return scan(store, size) };
    let new = size.0 - streams.size().0;
    if new > MANY && new > size.0 / READING {
        return scan(store, size);
    }
    let mut next = streams.size();
    let mut changes = Changes::default();
    while next < size {
        let left = usize::try_from(size.0 - next.0).unwrap_or(usize::MAX);
        let lines = store.lines(Seq(next.0), left.min(CHUNK), CHUNK_BYTES)?;
        let read = lines.par_iter().map(|line| {
            let entry = Entry::parse(line).map_err(|e| corrupt(Seq(next.0), e))?;
            Ok((entry.seq, event_of(&entry)?, entry.envelope.event_hash()))
        });
        let read: Vec<(Seq, Event, EventHash)> = read.collect::<Result<_, StoreError>>()?;
        for (seq, event, hash) in &read {
            if seq.0 != next.0 {
                return Err(corrupt(Seq(next.0), format!("entry {seq} stands there")));
            }
            count(&mut changes, *seq, event, *hash, |event| entry_of(store, event))?;
            next.0 += 1;
        }
        if read.is_empty() {
            return Err(corrupt(Seq(next.0), "it is missing"));
        }
    }
    streams.apply(changes, size);
    Ok(streams)
}
