//! Entries that are admitted and not stored yet: what the committer and [`replay`](crate::replay) put together before
//! they write it.

use std::collections::HashMap;

use uuid::Uuid;

use crate::admission::{self, Admitted, Recorded as _};
use crate::authority::{Authority, Position};
use crate::entry::Entry;
use crate::event::Body;
use crate::event::seal::StreamsSealed;
use crate::hash::{EventHash, KeyId, LeafHash};
use crate::id::{Author, Seq, StreamId, TreeSize};
use crate::merkle::Appended;
use crate::refusal::{Refusal, RefusalCode};
use crate::seal::{Changes, Streams, count};
use crate::store::{Batch, Head, NewEntry, NewTile, Store, StoreError, StreamHead};
use crate::submission::Prepared;

/// Reads an entry of the store.
pub(crate) fn entry_at(store: &dyn Store, seq: Seq) -> Result<Option<Entry>, StoreError> {
    let Some(line) = store.lines(seq, 1, 1)?.pop() else { return Ok(None) };
    let corrupt = |reason: String| StoreError::Corrupt { place: format!("entry {seq}"), reason };
    let entry = Entry::parse(&line).map_err(|e| corrupt(e.to_string()))?;
    if entry.seq != seq {
        return Err(corrupt(format!("it says that it is entry {}", entry.seq)));
    }
    Ok(Some(entry))
}

/// An event that was admitted.
pub(crate) struct Taken {
    pub(crate) prepared: Box<Prepared>,
    pub(crate) admitted: Box<Admitted>,
    pub(crate) leaf: LeafHash,
}

impl Taken {
    fn new_entry(&self) -> NewEntry {
        let event = self.prepared.event();
        NewEntry {
            seq: self.admitted.entry.seq,
            line: self.admitted.line.clone().into_bytes(),
            event: self.prepared.event_hash(),
            author: event.author.clone(),
            id: event.id,
            stream: event.stream(),
            authority: self.prepared.authority_body().is_some(),
            disclosures: self.prepared.disclosures().to_vec(),
            evidence: event.evidence.iter().map(|file| file.sha256).collect(),
        }
    }
}

/// What a batch adds to what the store has.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) taken: Vec<Taken>,
    by_id: HashMap<(Author, Uuid), usize>,
    by_event: HashMap<EventHash, usize>,
    heads: HashMap<StreamId, StreamHead>,
}

impl Pending {
    pub(crate) fn push(&mut self, taken: Taken) {
        let event = taken.prepared.event();
        let at = self.taken.len();
        let head = StreamHead { seq: taken.admitted.entry.seq, event: taken.prepared.event_hash() };
        self.by_id.insert((event.author.clone(), event.id), at);
        self.by_event.insert(head.event, at);
        self.heads.insert(event.stream(), head);
        self.taken.push(taken);
    }

    pub(crate) fn leaves(&self) -> Vec<LeafHash> {
        self.taken.iter().map(|taken| taken.leaf).collect()
    }

    /// Puts together what is to be stored, with the tiles that these leaves changed.
    pub(crate) fn batch(&self, appended: &Appended, head: Option<Head>) -> Batch {
        Batch {
            entries: self.taken.iter().map(Taken::new_entry).collect(),
            tiles: appended.tiles().iter().map(NewTile::from).collect(),
            head,
        }
    }
}

/// The store as it will be, once the batch is committed.
pub(crate) struct PendingView<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) pending: &'a Pending,
}

impl admission::Recorded for PendingView<'_> {
    fn by_id(&self, author: &Author, id: &Uuid) -> Result<Option<StreamHead>, StoreError> {
        if let Some(at) = self.pending.by_id.get(&(author.clone(), *id)) {
            let taken = &self.pending.taken[*at];
            return Ok(Some(StreamHead { seq: taken.admitted.entry.seq, event: taken.prepared.event_hash() }));
        }
        let Some(seq) = self.store.seq_of_id(author, id)? else { return Ok(None) };
        let entry = entry_at(self.store, seq)?.ok_or_else(|| StoreError::Corrupt {
            place: format!("entry {seq}"),
            reason: "the index names it and it is missing".to_owned(),
        })?;
        Ok(Some(StreamHead { seq, event: entry.envelope.event_hash() }))
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError> {
        match self.pending.heads.get(stream) {
            Some(head) => Ok(Some(*head)),
            None => self.store.stream_head(stream),
        }
    }

    fn entry_of(&self, event: &EventHash) -> Result<Option<Entry>, StoreError> {
        if let Some(at) = self.pending.by_event.get(event) {
            return Ok(Some(self.pending.taken[*at].admitted.entry.clone()));
        }
        match self.store.seq_of_event(event)? {
            Some(seq) => entry_at(self.store, seq),
            None => Ok(None),
        }
    }
}

impl PendingView<'_> {
    /// Brings streams that were counted of what is stored up to the entry `seq` of the batch (SPEC §15).
    pub(crate) fn count_before(&self, streams: &mut Streams, seq: Seq) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        let entry_of = |event: &_| self.entry_of(event);
        for taken in self.pending.taken.iter().filter(|taken| taken.admitted.entry.seq.0 >= streams.size().0) {
            let Entry { seq, .. } = taken.admitted.entry;
            count(&mut changes, seq, taken.prepared.event(), taken.prepared.event_hash(), entry_of)?;
        }
        streams.apply(changes, TreeSize(seq.0));
        Ok(())
    }
}

/// Finds out whether a seal is true where it stands, by the streams before it.
pub(crate) fn check_seal<E>(
    body: &StreamsSealed,
    seq: Seq,
    streams: impl FnOnce() -> Result<Streams, E>,
) -> Result<Result<Streams, Refusal>, E> {
    let refuse = |member: &str, expected: String, found: String| {
        let refusal = Refusal::new(RefusalCode::FalseSeal, expected, found).at(format!("/body/{member}"));
        Ok(Err(refusal.hint("let the server seal: `countersign seal`")))
    };
    // First what costs nothing: whoever is not at the right place has nothing counted.
    if body.size != seq.0 {
        let expected = format!("{seq}, the number of this entry and so of those before it");
        return refuse("size", expected, body.size.to_string());
    }
    let streams = streams()?;
    if body.streams != streams.count() {
        return refuse("streams", format!("{} streams", streams.count()), body.streams.to_string());
    }
    if body.root != streams.root() {
        return refuse("root", streams.root().to_string(), body.root.to_string());
    }
    Ok(Ok(streams))
}

/// Adds an admitted event to the authority state, if it bears on it.
pub(crate) fn apply(authority: &mut Authority, at: Position, prepared: &Prepared) {
    if let Some(body) = prepared.authority_body() {
        let keyids: Vec<KeyId> = prepared.keyids();
        authority.apply(at, &prepared.event().kind, body, prepared.event(), &keyids);
        if matches!(body, Body::LedgerCreated(_)) {
            authority.set_ledger(prepared.event_hash().into());
        }
    }
}
