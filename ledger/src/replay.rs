//! Recorded entries, verified again and stored: how a copy of a ledger is made that nobody has to be trusted for.
//!
//! ```text
//! lines ─push→ verified, stored ahead of the head, unseen ─…─ accept(checkpoint) → the head
//! ```
//!
//! Each line is read, its signatures are verified, and admission decides about it as it did when it was recorded, with
//! the time that it says instead of a clock; the line that admission would have written must be this one, to the byte.
//! So all of SPEC §13 that bears on entries holds of what is stored, but for bodies of kinds outside SPEC §8, of which
//! only the disclosures are judged: other versions may have other schemas.
//!
//! **Nothing is seen before a signed checkpoint covers it.** A source gives lines and one checkpoint at their end. What
//! comes between is made durable in synced batches ahead of the store's head ([`Store::with_ahead`]), where no look-up
//! finds it. [`Replay::accept`] compares size, root and the signature of the log key in force, and then moves the head,
//! in one write. So memory is bounded however much comes, nothing is fetched or hashed twice, and a crash loses nothing
//! that was verified: [`Replay::open`] goes on from where the store ends. If what came does not lead to the checkpoint,
//! [`Replay::discard`] takes it back.
//!
//! Nothing is ever signed here: the checkpoint that is stored is the source's.

mod bundle;

use std::sync::Arc;

use rayon::prelude::*;

use crate::admission::{self, Admission, AdmissionError, Next};
use crate::append::{OpenError, StoreTiles, checked_head, standing};
use crate::authority::{Authority, Position};
use crate::checkpoint::{CheckpointSignatureError, SignedCheckpoint};
use crate::disclosure::{MAX_DISCLOSURE_BYTES, MAX_DISCLOSURES};
use crate::entry::{Entry, EntryError};
use crate::envelope::EnvelopeError;
use crate::event::Body;
use crate::hash::{LeafHash, LedgerId, NodeHash};
use crate::id::{Seq, TreeSize};
use crate::keys::KeyTables;
use crate::merkle::{Frontier, TreeView};
use crate::note::Note;
use crate::pending::{Pending, PendingView, Taken, apply, check_seal};
use crate::refusal::{Refusal, RefusalCode};
use crate::seal::{SEAL_KIND, SEAL_TYPE, Streams, advance};
use crate::store::{Batch, Head, Store, StoreError};
use crate::submission::{Prepared, Submission};
use crate::time::Time;

pub use bundle::BundleReplayError;

/// The most entries of one write.
const MAX_BATCH: usize = 512;
/// The most bytes of lines of one write, unless a single line has more.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// An entry as it is recorded: its line without newline, and what is disclosed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEntry {
    /// The line.
    pub line: Vec<u8>,
    /// Its disclosures, in their order; some or all may have been erased.
    pub disclosures: Vec<String>,
}

impl RecordedEntry {
    /// Adds a disclosure. Of more than an entry may have (SPEC §12) only as many are kept as it takes to refuse it, so that
    /// a source that never stops fills no memory.
    pub fn disclose(&mut self, text: String) {
        let bytes: usize = self.disclosures.iter().map(String::len).sum();
        if self.disclosures.len() <= MAX_DISCLOSURES && bytes <= MAX_DISCLOSURE_BYTES {
            self.disclosures.push(text);
        }
    }
}

/// Why an entry or a checkpoint is not what the ledger's rules make of it. Nothing of the entry is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A line is not of the form of an entry.
    #[error("entry {seq}: {source}")]
    Malformed {
        /// Where the line stands.
        seq: Seq,
        /// What is wrong with it.
        source: EntryError,
    },
    /// A line says something else than what the entries before it make of it.
    #[error("entry {seq}: `{member}`: expected {expected}, found {found}")]
    Differs {
        /// The entry.
        seq: Seq,
        /// The member.
        member: &'static str,
        /// What SPEC §5 makes of it.
        expected: String,
        /// What the line says.
        found: String,
    },
    /// The ledger's rules would not have let the event through.
    #[error("entry {seq}: {refusal}")]
    Refused {
        /// The entry.
        seq: Seq,
        /// Why not.
        refusal: Box<Refusal>,
    },
    /// An entry is of a later format.
    #[error("entry {seq} needs a newer version: {found}")]
    Newer {
        /// The entry.
        seq: Seq,
        /// What is newer.
        found: String,
    },
    /// It is another ledger.
    #[error("expected ledger {expected}, found entry 0 of ledger {found}")]
    Ledger {
        /// The ledger that was asked for.
        expected: LedgerId,
        /// The ledger that entry 0 begins, or that the store holds.
        found: LedgerId,
    },
    /// A checkpoint is of another size than the entries.
    #[error("expected a checkpoint of size {expected}, found one of size {found}")]
    Size {
        /// How many entries there are.
        expected: TreeSize,
        /// How many the checkpoint is over.
        found: TreeSize,
    },
    /// The entries do not hash to the checkpoint's root.
    #[error("the entries do not lead to the checkpoint of size {size}: expected root {expected}, found {found}")]
    Root {
        /// The size.
        size: TreeSize,
        /// The checkpoint's root.
        expected: NodeHash,
        /// What the entries hash to.
        found: NodeHash,
    },
    /// The checkpoint is not signed by the log key in force.
    #[error("the checkpoint of size {size} is not signed by the log key in force: {source}")]
    Unsigned {
        /// The size.
        size: TreeSize,
        /// What is wrong.
        source: CheckpointSignatureError,
    },
    /// The tree can take no more.
    #[error(transparent)]
    Full(#[from] crate::merkle::TreeFull),
    /// What is stored already cannot be gone on from.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry before was refused: only [`Replay::discard`] leads on.
    #[error("an earlier entry was refused, and nothing after it is taken")]
    Stopped,
}

impl ReplayError {
    /// Returns the check of SPEC §13 that does not hold, where it is one. Of a body that names a key which is none, and
    /// of a second `ledger.created`, a verifier may name another: admission asks in another order.
    #[must_use]
    pub fn check(&self) -> Option<&'static str> {
        match self {
            Self::Malformed { .. } => Some("FORMAT"),
            Self::Ledger { .. } => Some("LEDGER"),
            Self::Size { .. } | Self::Root { .. } => Some("TREE"),
            Self::Unsigned { .. } => Some("CHECKPOINT"),
            Self::Differs { member, .. } => Some(match *member {
                "seq" => "FORMAT",
                "prev" => "CHAIN",
                "time" => "TIME",
                _ => "POINTERS",
            }),
            Self::Refused { refusal, .. } => Some(check_of(refusal.code)),
            Self::Newer { .. } | Self::Full(_) | Self::Open(_) | Self::Store(_) | Self::Stopped => None,
        }
    }
}

/// Returns the check of SPEC §13 under which a verifier reports what admission refuses with a code.
const fn check_of(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::BadSignature => "SIGNATURE",
        RefusalCode::UnknownKey
        | RefusalCode::KeyDoesNotCount
        | RefusalCode::IntroducedKeyUnsigned
        | RefusalCode::KeyNotNew
        | RefusalCode::WrongKey => "KEY",
        RefusalCode::StaleAfter | RefusalCode::UnknownAfter | RefusalCode::IdConflict => "STREAM",
        RefusalCode::OccurredInFuture | RefusalCode::Expired => "TIME",
        RefusalCode::DisclosureRefused => "DISCLOSURE",
        RefusalCode::FalseSeal => "SEAL",
        RefusalCode::WrongLedger => "LEDGER",
        RefusalCode::MalformedJson
        | RefusalCode::MalformedEnvelope
        | RefusalCode::MalformedEvent
        | RefusalCode::BodyMalformed
        | RefusalCode::LimitExceeded
        | RefusalCode::Unsigned
        | RefusalCode::RepeatedKey => "FORMAT",
        _ => "POLICY",
    }
}

/// The replay of one ledger into one store. The only writer of that store.
pub struct Replay {
    store: Arc<dyn Store>,
    /// The same store, with what is ahead of its head.
    whole: Arc<dyn Store>,
    ledger: LedgerId,
    authority: Authority,
    frontier: Frontier,
    last: LeafHash,
    time: Option<Time>,
    tables: KeyTables,
    /// The streams of what is stored, as far as they were counted for a seal.
    streams: Option<Streams>,
    stopped: bool,
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("ledger", &self.ledger).field("size", &self.size()).finish_non_exhaustive()
    }
}

impl Replay {
    /// Begins in an empty store, or goes on from where a store ends, with what is ahead of its head.
    ///
    /// # Errors
    /// When the store holds another ledger, or its tail, tree and checkpoint do not agree.
    pub fn open(store: Arc<dyn Store>, ledger: LedgerId) -> Result<Self, ReplayError> {
        let whole = store.with_ahead();
        let size = store.size_ahead()?;
        let mut replay = Self {
            store,
            whole,
            ledger,
            authority: Authority::new(),
            frontier: Frontier::new(),
            last: LeafHash::ZERO,
            time: None,
            tables: KeyTables::default(),
            streams: None,
            stopped: false,
        };
        if size > TreeSize(0) {
            let standing = standing(&*replay.whole, size)?;
            if let Some(found) = standing.authority.ledger().filter(|found| *found != ledger) {
                return Err(ReplayError::Ledger { expected: ledger, found });
            }
            if let Some(head) = replay.store.head()? {
                checked_head(&*replay.whole, &head, &standing.authority)?;
            }
            replay.authority = standing.authority;
            replay.frontier = standing.frontier;
            replay.last = standing.last;
            replay.time = Some(standing.time);
        }
        Ok(replay)
    }

    /// Returns how many entries are verified and durable, with those ahead of the head: the seq of the next.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// Returns the ledger's id.
    #[must_use]
    pub const fn ledger(&self) -> LedgerId {
        self.ledger
    }

    /// Returns the root of the tree over them.
    #[must_use]
    pub fn root(&self) -> NodeHash {
        self.frontier.root()
    }

    /// Returns the authority state after them.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns the root that the tree had at a size; `None` beyond [`Replay::size`].
    ///
    /// # Errors
    /// When the store fails.
    pub fn root_at(&self, size: TreeSize) -> Result<Option<NodeHash>, ReplayError> {
        if size > self.size() {
            return Ok(None);
        }
        let corrupt = |reason: String| StoreError::Corrupt { place: format!("the tree at size {size}"), reason };
        let mut tree = TreeView::new(StoreTiles(&*self.whole), size).map_err(|e| corrupt(e.to_string()))?;
        Ok(Some(tree.root().map_err(|e| corrupt(e.to_string()))?))
    }

    /// Verifies the next entries and makes them durable ahead of the head, in synced batches.
    ///
    /// # Errors
    /// The first entry that does not hold. Those before it may be stored; nothing more is taken until
    /// [`Replay::discard`] or a new [`Replay::open`].
    pub fn push(&mut self, entries: Vec<RecordedEntry>) -> Result<(), ReplayError> {
        if self.stopped {
            return Err(ReplayError::Stopped);
        }
        self.stopped = true;
        let mut rest = entries.into_iter().peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let mut batch = Vec::new();
            while let Some(entry) = rest.next_if(|_| batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES) {
                bytes += entry.line.len() + entry.disclosures.iter().map(String::len).sum::<usize>();
                batch.push(entry);
            }
            self.push_batch(batch)?;
        }
        self.stopped = false;
        Ok(())
    }

    fn push_batch(&mut self, entries: Vec<RecordedEntry>) -> Result<(), ReplayError> {
        let (read, submissions) = self.read(entries)?;
        let prepared = {
            let known = |keyid: &_| self.authority.key(keyid).map(|known| known.key);
            Submission::prepare_recorded(submissions, &self.tables, known)
        };
        let mut pending = Pending::default();
        for ((entry, line), prepared) in read.into_iter().zip(prepared) {
            let prepared = prepared.map_err(|refusal| refused(entry.seq, refusal.into()))?;
            let taken = self.take(&entry, &line, prepared, &pending)?;
            pending.push(taken);
        }
        let appended = self.frontier.append(&pending.leaves())?;
        Ok(self.store.commit(&pending.batch(&appended, None))?)
    }

    /// Reads lines, on all cores.
    #[allow(clippy::type_complexity, reason = "entries with their lines, and what is verified of them")]
    fn read(&self, entries: Vec<RecordedEntry>) -> Result<(Vec<(Entry, Vec<u8>)>, Vec<Submission>), ReplayError> {
        let parsed: Vec<_> = entries.into_par_iter().map(|entry| (Entry::parse(&entry.line), entry)).collect();
        let (mut read, mut submissions) = (Vec::with_capacity(parsed.len()), Vec::with_capacity(parsed.len()));
        for (seq, (parsed, RecordedEntry { line, disclosures })) in (self.size().0..).map(Seq).zip(parsed) {
            let entry = parsed.map_err(|source| match source {
                EntryError::Envelope(EnvelopeError::Newer { found }) => ReplayError::Newer { seq, found },
                source => ReplayError::Malformed { seq, source },
            })?;
            must(seq, "seq", seq, entry.seq)?;
            submissions.push(Submission { envelope: entry.envelope.clone(), disclosures });
            read.push((entry, line));
        }
        Ok((read, submissions))
    }

    /// Has admission decide, and compares what it would have written.
    fn take(
        &mut self,
        entry: &Entry,
        line: &[u8],
        prepared: Prepared,
        pending: &Pending,
    ) -> Result<Taken, ReplayError> {
        let seq = entry.seq;
        if seq == Seq(0) && LedgerId::from(prepared.event_hash()) != self.ledger {
            return Err(ReplayError::Ledger { expected: self.ledger, found: prepared.event_hash().into() });
        }
        if let Some(before) = self.time.filter(|before| entry.time < *before) {
            must(seq, "time", format!("{before} or later"), entry.time.to_string())?;
        }
        must(seq, "prev", self.last, entry.prev)?;
        let at = Position { seq, time: entry.time };
        let view = PendingView { store: &*self.whole, pending };
        let next = Next { at, prev: self.last };
        let admitted = match admission::admit(&prepared, &self.authority, &view, next, false) {
            Ok(Admission::New(admitted)) => admitted,
            Ok(Admission::Repeated(first)) => {
                let event = prepared.event();
                let expected = format!("an id that {} has not used", event.author);
                let found = format!("{}, which is entry {first}", event.id);
                return Err(refused(seq, Refusal::new(RefusalCode::IdConflict, expected, found).at("/id").into()));
            }
            Err(AdmissionError::Refused(refusal)) => return Err(refused(seq, refusal)),
            Err(AdmissionError::Store(error)) => return Err(error.into()),
        };
        let own = &admitted.entry;
        must(seq, "governance", shown(own.governance), shown(entry.governance))?;
        must(seq, "case", shown(own.case), shown(entry.case))?;
        must(seq, "stream", shown(own.stream), shown(entry.stream))?;
        if admitted.line.as_bytes() != line {
            // Every member was compared, and `Entry::parse` takes one spelling: this is never reached.
            let at = admitted.line.bytes().zip(line).take_while(|(a, b)| a == *b).count();
            return Err(ReplayError::Malformed { seq, source: EntryError::NotCanonical { at } });
        }
        if prepared.event().kind.as_str() == SEAL_KIND {
            self.check_seal(&prepared, seq, pending)?;
        }
        apply(&mut self.authority, at, &prepared);
        let leaf = LeafHash::of_line(line);
        self.time = Some(entry.time);
        self.last = leaf;
        Ok(Taken { prepared: Box::new(prepared), admitted, leaf })
    }

    /// Counts the streams before a seal, and compares (SPEC §15).
    fn check_seal(&mut self, prepared: &Prepared, seq: Seq, pending: &Pending) -> Result<(), ReplayError> {
        let event = prepared.event();
        let form = |found: String| {
            let expected = format!("a seal, of no case, on a subject of type {SEAL_TYPE}");
            refused(seq, Refusal::new(RefusalCode::FalseSeal, expected, found).into())
        };
        let body = match Body::parse(&event.kind, event.body()) {
            Ok(Body::StreamsSealed(body)) if event.case.is_none() && event.subject.ty() == SEAL_TYPE => body,
            Ok(_) => return Err(form(event.stream().to_string())),
            Err(error) => return Err(form(error.to_string())),
        };
        let (store, known, size) = (&*self.whole, &mut self.streams, self.frontier.size());
        let judged = check_seal(&body, seq, || {
            let stored = advance(known.take(), store, size)?;
            let mut streams = stored.clone();
            *known = Some(stored);
            PendingView { store, pending }.count_before(&mut streams, seq)?;
            Ok::<_, StoreError>(streams)
        });
        judged?.map(drop).map_err(|refusal| refused(seq, refusal.into()))
    }

    /// Checks that a checkpoint is of this tree and signed by the log key in force, and makes it the head: all entries
    /// are seen from here on. Durable when this returns. The same size again replaces the note, as by one with more
    /// cosignatures.
    ///
    /// # Errors
    /// When it is of another size or root, or not signed as it should be; nothing changes then.
    pub fn accept(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), ReplayError> {
        if self.stopped {
            return Err(ReplayError::Stopped);
        }
        let (size, signed) = (self.size(), checkpoint.checkpoint());
        if signed.size != size || size == TreeSize(0) {
            return Err(ReplayError::Size { expected: size, found: signed.size });
        }
        if signed.root != self.root() {
            return Err(ReplayError::Root { size, expected: signed.root, found: self.root() });
        }
        self.check_signature(checkpoint)?;
        let head = Head { size, checkpoint: checkpoint.to_string() };
        Ok(self.store.commit(&Batch { entries: Vec::new(), tiles: Vec::new(), head: Some(head) })?)
    }

    /// Checks that a checkpoint is signed by the log key in force at its size, as far as the entries here tell.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_signature(&self, checkpoint: &SignedCheckpoint) -> Result<(), ReplayError> {
        let size = checkpoint.checkpoint().size;
        let no_key = || OpenError::Empty;
        let key = self.authority.log_key_at(size).ok_or_else(no_key)?;
        checkpoint.verify(key).map_err(|source| ReplayError::Unsigned { size, source })
    }

    /// Returns a checkpoint as a high-water mark keeps it: with one signature, by the log key in force. Whoever gave it may
    /// have added others, more than a mark has room for.
    ///
    /// # Errors
    /// When the log key in force did not sign it.
    pub fn bare(&self, checkpoint: &SignedCheckpoint) -> Result<SignedCheckpoint, ReplayError> {
        self.check_signature(checkpoint)?;
        let key = self.authority.log_key_at(checkpoint.checkpoint().size);
        let note = checkpoint.note();
        let line = note.signatures().iter().find(|line| key.is_some_and(|key| line.is_by(key)));
        let bare = Note::new(note.text().to_owned(), line.cloned().into_iter().collect()).ok();
        // a note that was read is one with fewer lines, too
        Ok(bare.and_then(|note| SignedCheckpoint::from_note(note).ok()).unwrap_or_else(|| checkpoint.clone()))
    }

    /// Removes what is stored ahead of the head, and stands there again.
    ///
    /// # Errors
    /// When the store fails.
    pub fn discard(&mut self) -> Result<(), ReplayError> {
        self.store.discard_ahead()?;
        *self = Self::open(Arc::clone(&self.store), self.ledger)?;
        Ok(())
    }
}

fn refused(seq: Seq, refusal: Box<Refusal>) -> ReplayError {
    if refusal.code == RefusalCode::NewerVersion {
        return ReplayError::Newer { seq, found: refusal.found };
    }
    ReplayError::Refused { seq, refusal }
}

fn must<T: ToString + PartialEq<U>, U: ToString>(
    seq: Seq,
    member: &'static str,
    expected: T,
    found: U,
) -> Result<(), ReplayError> {
    if expected == found {
        return Ok(());
    }
    Err(ReplayError::Differs { seq, member, expected: expected.to_string(), found: found.to_string() })
}

fn shown(pointer: Option<Seq>) -> String {
    pointer.map_or_else(|| "null".to_owned(), |seq| seq.to_string())
}
