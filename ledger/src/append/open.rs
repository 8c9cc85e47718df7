//! Beginning and opening a ledger: nothing is served before the stored tail agrees with what was signed.
//!
//! On open, in this order: the head's checkpoint is read; the authority state is folded from the entries of SPEC §8; the
//! checkpoint's signature, the tree's root from its tiles, and the last entries' bytes, chain and leaf hashes are
//! compared; the high-water mark must not be ahead, nor on another branch; the clock must not have jumped.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, RwLock};

use super::committer::{Committer, Counted};
use super::tiles::{StoreTiles, TileError};
use super::{
    CheckpointError, Counters, Ledger, LedgerState, Parts, Published, Running, Shared, seals, sign_checkpoint,
};
use crate::admission::{self, Admission, AdmissionError, Next};
use crate::authority::{Authority, Position};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::event::{Body, Event};
use crate::fault;
use crate::hash::{LeafHash, NodeHash};
use crate::high_water::Mark;
use crate::id::{Seq, TreeSize};
use crate::keys::KeyTables;
use crate::merkle::{Frontier, TileReader as _, TreeView};
use crate::note::Vkey;
use crate::pending::{Pending, PendingView, Taken, apply, entry_at};
use crate::refusal::Refusal;
use crate::store::{Head, Store, StoreError};
use crate::submission::Submission;
use crate::tile::{FULL_WIDTH, TileId};
use crate::time::Time;

/// How many entries at the end are read again on open.
const TAIL: u64 = 512;
/// How far the clock may be ahead of the last entry without the operator's word: a day.
const MAX_CLOCK_JUMP_MS: i64 = 86_400_000;
/// How many authority entries are looked up at once.
const CHUNK: usize = 4_096;

/// What the operator allows on open.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// The clock may be more than a day ahead of the last entry.
    pub accept_clock_jump: bool,
}

/// Why a ledger does not open. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is a ledger in this store already.
    #[error("the store has a ledger of {size} entries already")]
    NotEmpty {
        /// Its entries.
        size: TreeSize,
    },
    /// There is no ledger in this store.
    #[error("the store has no ledger")]
    Empty,
    /// The first event is refused.
    #[error("the first event is refused: {0}")]
    Genesis(#[source] Box<Refusal>),
    /// The private key of the log key in force is not at hand.
    #[error("the private key of the log key in force, {vkey}, is not among those given")]
    LogKeyMissing {
        /// The log key.
        vkey: String,
    },
    /// Stored bytes do not agree with what was signed.
    #[error("the stored ledger does not agree with its signed checkpoint: {what}: expected {expected}, found {found}")]
    Tail {
        /// What was compared.
        what: String,
        /// What was signed.
        expected: String,
        /// What is stored.
        found: String,
    },
    /// Entries are stored that no checkpoint covers: those of a copy that was not finished.
    #[error(
        "the store has entries to {ahead}, of which its checkpoint covers {size}: it is a copy that was not finished"
    )]
    Ahead {
        /// The head's size.
        size: TreeSize,
        /// The size with them.
        ahead: TreeSize,
    },
    /// The store is behind what was acknowledged: it was rolled back.
    #[error("the store ends at size {size}, behind the checkpoint of size {acknowledged} that was acknowledged")]
    RolledBack {
        /// The store's size.
        size: TreeSize,
        /// The size in the high-water file.
        acknowledged: TreeSize,
    },
    /// The high-water file is of another history.
    #[error("the high-water file has another root at size {size}: it is of another ledger, or the store was replaced")]
    Forked {
        /// The size at which they differ.
        size: TreeSize,
    },
    /// The clock is far ahead of the last entry.
    #[error("the clock says {now}, more than a day after the last entry at {last}")]
    ClockJump {
        /// The clock's time.
        now: Time,
        /// The last entry's time.
        last: Time,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The high-water file failed.
    #[error(transparent)]
    HighWater(#[from] crate::high_water::HighWaterError),
    /// The checkpoint could not be signed.
    #[error("the checkpoint could not be signed: {reason}")]
    Sign {
        /// Why.
        reason: String,
    },
    /// The committer's thread could not be started.
    #[error("the committer could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

fn tail(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> OpenError {
    OpenError::Tail { what: what.into(), expected: expected.to_string(), found: found.to_string() }
}

pub(super) fn create(mut parts: Parts, genesis: Submission) -> Result<Ledger, OpenError> {
    if let Some(head) = parts.store.head()? {
        return Err(OpenError::NotEmpty { size: head.size });
    }
    if let Some(mark) = parts.high_water.as_ref().and_then(|high_water| high_water.latest()) {
        return Err(OpenError::RolledBack { size: TreeSize(0), acknowledged: mark.size });
    }
    let refused = |refusal: Refusal| OpenError::Genesis(Box::new(refusal));
    let prepared = genesis.prepare(&KeyTables::default(), |_| None).map_err(refused)?;
    let mut authority = Authority::new();
    let at = Position { seq: Seq(0), time: parts.clock.now() };
    let next = Next { at, prev: LeafHash::ZERO };
    let nothing = PendingView { store: &*parts.store, pending: &Pending::default() };
    let admitted = match admission::admit(&prepared, &authority, &nothing, next, false) {
        Ok(Admission::New(admitted)) => admitted,
        Ok(Admission::Repeated(_)) => return Err(OpenError::NotEmpty { size: TreeSize(1) }),
        Err(AdmissionError::Refused(refusal)) => return Err(OpenError::Genesis(refusal)),
        Err(AdmissionError::Store(error)) => return Err(error.into()),
    };
    apply(&mut authority, at, &prepared);
    let leaf = LeafHash::of_line(admitted.line.as_bytes());
    let mut frontier = Frontier::new();
    let appended = frontier.append(&[leaf]).map_err(|e| OpenError::Sign { reason: e.to_string() })?;
    let checkpoint =
        sign_checkpoint(&authority, &parts.log_keys, TreeSize(1), appended.root()).map_err(|e| match e {
            CheckpointError::NoKey => OpenError::LogKeyMissing { vkey: log_key_text(&authority) },
            other => OpenError::Sign { reason: other.to_string() },
        })?;
    let note = checkpoint.note().to_string();
    let mut pending = Pending::default();
    pending.push(Taken { prepared: Box::new(prepared), admitted, leaf });
    let head = Head { size: TreeSize(1), checkpoint: note.clone() };
    parts.store.commit(&pending.batch(&appended, Some(head)))?;
    if let Some(high_water) = &mut parts.high_water {
        high_water.record(TreeSize(1), &note)?;
    }
    start(parts, authority, frontier, checkpoint, (leaf, at.time))
}

fn log_key_text(authority: &Authority) -> String {
    authority.log_key().map(ToString::to_string).unwrap_or_default()
}

pub(super) fn open(parts: Parts, options: OpenOptions) -> Result<Ledger, OpenError> {
    let store = &*parts.store;
    let head = store.head()?.ok_or(OpenError::Empty)?;
    let ahead = store.size_ahead()?;
    if ahead != head.size {
        return Err(OpenError::Ahead { size: head.size, ahead });
    }
    let Standing { authority, frontier, last, time } = standing(store, head.size)?;
    let checkpoint = checked_head(store, &head, &authority)?;
    let in_force = authority.log_key().map(Vkey::public_key);
    if !parts.log_keys.iter().any(|key| Some(&key.public()) == in_force) {
        return Err(OpenError::LogKeyMissing { vkey: log_key_text(&authority) });
    }
    if let Some(mark) = parts.high_water.as_ref().and_then(|high_water| high_water.latest()) {
        check_high_water(store, checkpoint.checkpoint(), mark)?;
    }
    let now = parts.clock.now();
    if !options.accept_clock_jump && now > time.plus_millis(MAX_CLOCK_JUMP_MS) {
        return Err(OpenError::ClockJump { now, last: time });
    }
    start(parts, authority, frontier, checkpoint, (last, time))
}

/// What the entries below a size come to, for whoever goes on from there.
pub(crate) struct Standing {
    pub(crate) authority: Authority,
    pub(crate) frontier: Frontier,
    /// The leaf hash of the last entry, and its time.
    pub(crate) last: LeafHash,
    pub(crate) time: Time,
}

/// Works out where a store of `size` ≥ 1 entries stands, and reads its tail again.
///
/// # Errors
/// When the tail's bytes, chain or tiles do not agree.
pub(crate) fn standing(store: &dyn Store, size: TreeSize) -> Result<Standing, OpenError> {
    let mut authority = Authority::new();
    fold_authority_from(store, &mut authority, Seq(0))?;
    let frontier =
        Frontier::open(&StoreTiles(store), size).map_err(|e| tail("the tree's tiles", "a whole right edge", e))?;
    let (last, time) = check_tail(store, size)?;
    Ok(Standing { authority, frontier, last, time })
}

/// Reads the checkpoint of a head, and compares it with the stored tree and the log key in force at its size.
///
/// # Errors
/// When they do not agree.
pub(crate) fn checked_head(
    store: &dyn Store,
    head: &Head,
    authority: &Authority,
) -> Result<SignedCheckpoint, OpenError> {
    let checkpoint = SignedCheckpoint::from_bytes(head.checkpoint.as_bytes())
        .map_err(|e| tail("the stored checkpoint", "a signed checkpoint", e))?;
    let signed = checkpoint.checkpoint();
    if signed.size != head.size || head.size.0 == 0 {
        return Err(tail("the head's size", signed.size, head.size));
    }
    let log_key = authority.log_key_at(head.size).ok_or_else(|| tail("the log key", "one in entry 0", "none"))?;
    checkpoint.verify(log_key).map_err(|e| tail("the checkpoint's signature", "one by the log key in force", e))?;
    let root = TreeView::new(StoreTiles(store), head.size)
        .and_then(|mut tree| tree.root())
        .map_err(|e| tail("the tree's tiles", "whole tiles", e))?;
    if root != signed.root {
        return Err(tail("the tree's root", signed.root, root));
    }
    Ok(checkpoint)
}

/// Folds the entries of SPEC §8 from `from` on, which the store lists.
pub(super) fn fold_authority_from(
    store: &dyn Store,
    authority: &mut Authority,
    mut from: Seq,
) -> Result<(), OpenError> {
    loop {
        let seqs = store.authority_seqs(from, CHUNK)?;
        let Some(last) = seqs.last() else { return Ok(()) };
        from = Seq(last.0 + 1);
        for seq in seqs {
            let entry = entry_at(store, seq)?.ok_or_else(|| tail(format!("entry {seq}"), "an entry", "nothing"))?;
            let unreadable = |e: &dyn std::fmt::Display| tail(format!("entry {seq}"), "an authority event", e);
            let event = Event::of_envelope(&entry.envelope).map_err(|e| unreadable(&e))?;
            let body = Body::parse(&event.kind, event.body()).map_err(|e| unreadable(&e))?;
            let keyids: Vec<_> = entry.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect();
            authority.apply(Position { seq, time: entry.time }, &event.kind, &body, &event, &keyids);
            if seq == Seq(0) {
                authority.set_ledger(entry.envelope.event_hash().into());
            }
        }
    }
}

/// Reads the last entries again: their bytes, their chain, their place in the tree. Returns the last leaf and time.
fn check_tail(store: &dyn Store, size: TreeSize) -> Result<(LeafHash, Time), OpenError> {
    let first = size.0.saturating_sub(TAIL);
    let mut prev: Option<LeafHash> = (first == 0).then_some(LeafHash::ZERO);
    let mut time = None;
    for seq in (first..size.0).map(Seq) {
        let entry = entry_at(store, seq)?.ok_or_else(|| tail(format!("entry {seq}"), "an entry", "nothing"))?;
        if let Some(expected) = prev.filter(|expected| *expected != entry.prev) {
            return Err(tail(format!("`prev` of entry {seq}"), expected, entry.prev));
        }
        let leaf = LeafHash::of_line(entry.line().as_bytes());
        let stored = stored_leaf(store, seq, size)?;
        if NodeHash::from(leaf) != stored {
            return Err(tail(format!("the leaf hash of entry {seq}"), stored, leaf));
        }
        prev = Some(leaf);
        time = Some(entry.time);
    }
    match (prev, time) {
        (Some(leaf), Some(time)) => Ok((leaf, time)),
        _ => Err(OpenError::Empty),
    }
}

fn stored_leaf(store: &dyn Store, seq: Seq, size: TreeSize) -> Result<NodeHash, OpenError> {
    let missing = || tail(format!("the leaf hash of entry {seq}"), "one in the tiles", "nothing");
    let width = u64::from(FULL_WIDTH);
    let tile = TileId::new(0, seq.0 / width).ok_or_else(missing)?;
    let hashes = StoreTiles(store).tile(tile, tile.width_in(size).ok_or_else(missing)?).map_err(|e| match e {
        TileError::Store(error) => OpenError::Store(error),
        TileError::Missing => missing(),
    })?;
    let at = usize::try_from(seq.0 % width).map_err(|_| missing())?;
    hashes.get(at).copied().ok_or_else(missing)
}

/// Compares with what was acknowledged: the store must not be behind it, nor on another branch.
pub(super) fn check_high_water(store: &dyn Store, signed: &Checkpoint, mark: &Mark) -> Result<(), OpenError> {
    if mark.size > signed.size {
        return Err(OpenError::RolledBack { size: signed.size, acknowledged: mark.size });
    }
    let acknowledged = SignedCheckpoint::from_bytes(mark.checkpoint.as_bytes())
        .map_err(|e| tail("the high-water file", "a signed checkpoint", e))?;
    let root = TreeView::new(StoreTiles(store), mark.size)
        .and_then(|mut tree| tree.root())
        .map_err(|e| tail("the tree at the high-water mark", "whole tiles", e))?;
    if root == acknowledged.checkpoint().root {
        return Ok(());
    }
    Err(OpenError::Forked { size: mark.size })
}

/// Starts the committer.
fn start(
    parts: Parts,
    authority: Authority,
    frontier: Frontier,
    checkpoint: SignedCheckpoint,
    (last, time): (LeafHash, Time),
) -> Result<Ledger, OpenError> {
    let state = if authority.closed().is_some() { LedgerState::Closed } else { LedgerState::Serving };
    let note = checkpoint.note().to_string();
    let size = checkpoint.checkpoint().size;
    let seal = seals::newest(&*parts.store)?;
    let shared = Arc::new(Shared {
        store: parts.store,
        clock: parts.clock,
        published: RwLock::new(Published { authority: authority.clone(), checkpoint, note, time, seal }),
        state: Mutex::new(state),
        queued: AtomicUsize::new(0),
        counters: Counters::default(),
        tables: KeyTables::default(),
        seals: seals::Seals::default(),
        grown: (Mutex::new(size), Condvar::new()),
    });
    let committer = Committer {
        shared: Arc::clone(&shared),
        authority,
        frontier,
        last,
        time,
        log_keys: parts.log_keys,
        high_water: parts.high_water,
        counted: Counted::default(),
    };
    let (queue, jobs) = sync_channel(parts.queue.max(1));
    let thread = std::thread::Builder::new().name("committer".to_owned());
    let committer = thread.spawn(fault::inherited(move || committer.run(&jobs))).map_err(OpenError::Thread)?;
    Ok(Ledger(Arc::new(Running { shared, queue: Mutex::new(Some(queue)), committer: Mutex::new(Some(committer)) })))
}
