//! The running ledger: one committer that turns prepared submissions into entries, and reads beside it.
//!
//! ```text
//! Submission ─prepare→ Prepared ─enqueue→ bounded queue ─committer→ Admitted … ─one synced commit→ Recorded
//! ```
//!
//! [`Ledger::prepare`] costs the signature checks and runs on any thread; the committer alone decides and writes. It
//! takes what queued while the last commit was on its way to the disk, so that many events share one sync. What a
//! caller is told has happened is durable, and covered by a signed checkpoint.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rayon::prelude::*;

use crate::authority::{Authority, Position};
use crate::checkpoint::{Checkpoint, CheckpointSignatureError, SignedCheckpoint};
use crate::entry::Entry;
use crate::fault::{self, Fault};
use crate::hash::{EventHash, KeyId, LedgerId, NodeHash};
use crate::high_water::HighWater;
use crate::id::{Seq, TreeSize};
use crate::keys::{KeyTables, PublicKey, Signer};
use crate::merkle::{TreeError, TreeView};
use crate::note::{NoteSigner, Vkey};
use crate::pending::entry_at;
use crate::proof::{LogProof, Receipt};
use crate::refusal::Refusal;
use crate::seal::Sealer;
use crate::store::{Head, Store, StoreError};
use crate::submission::{PREPARED_TOGETHER, Prepared, Submission, in_chunks};
use crate::time::{Clock, Time};

mod committer;
mod open;
mod reading;
mod seals;
mod tiles;

pub use open::{OpenError, OpenOptions};
pub(crate) use open::{checked_head, standing};
pub use seals::Sealed;
pub use tiles::{StoreTiles, TileError};

/// How many submissions may wait for the committer before more are told to come again.
pub const DEFAULT_QUEUE: usize = 4_096;

/// What a ledger is made of.
pub struct Parts {
    /// Where entries are kept.
    pub store: Arc<dyn Store>,
    /// Where the newest acknowledged checkpoint is kept besides.
    pub high_water: Option<HighWater>,
    /// The log's private keys: that in force, and while rotating the next one.
    pub log_keys: Vec<Arc<dyn Signer>>,
    /// What the time is.
    pub clock: Arc<dyn Clock>,
    /// How many submissions may wait.
    pub queue: usize,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("log_keys", &self.log_keys).finish_non_exhaustive()
    }
}

/// What became of a submission that was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its entry.
    pub seq: Seq,
    /// When it was admitted.
    pub time: Time,
    /// Its event hash.
    pub event: EventHash,
    /// The proof of it, at the checkpoint of its commit.
    pub receipt: Receipt,
    /// Whether the same event had been recorded before: this is that entry then.
    pub repeated: bool,
    /// How many signatures of a repeated submission are not on the recorded entry.
    pub unrecorded_signatures: usize,
}

/// Why a submission was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The submitter's to mend.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Too much is waiting: come again.
    #[error("the ledger is busy: come again in {retry_after_seconds} s")]
    Busy {
        /// When to.
        retry_after_seconds: u32,
    },
    /// The ledger accepts nothing more. What was acknowledged stands.
    #[error("the ledger has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}

impl From<Refusal> for SubmitError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Whether the ledger accepts events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerState {
    /// It does.
    Serving,
    /// `ledger.closed` is recorded: it never will again, and serves what it has.
    Closed,
    /// It is a copy, and read alone.
    ReadOnly,
    /// It was told to stop.
    Stopping,
    /// A write failed: the store is in doubt, and the process must end (ARCHITECTURE.md, invariant 5).
    Failed(String),
}

/// Counters of the committer, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits that became durable.
    pub commits: u64,
    /// Entries that they held.
    pub entries: u64,
    /// Submissions refused at admission.
    pub refused: u64,
    /// Microseconds that commits took, together: admission to durable.
    pub commit_micros: u64,
    /// Microseconds of that in the store's synced write.
    pub write_micros: u64,
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    entries: AtomicU64,
    refused: AtomicU64,
    commit_micros: AtomicU64,
    write_micros: AtomicU64,
}

/// What readers see: always of one durable head.
struct Published {
    authority: Authority,
    checkpoint: SignedCheckpoint,
    note: String,
    time: Time,
    /// The newest seal.
    seal: Option<Seq>,
}

/// What the committer and the readers share.
struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    published: RwLock<Published>,
    state: Mutex<LedgerState>,
    queued: AtomicUsize,
    counters: Counters,
    tables: KeyTables,
    seals: seals::Seals,
    /// The durable size, for whoever waits for it to grow.
    grown: (Mutex<TreeSize>, Condvar),
}

impl Shared {
    /// Wakes whoever waits, as the ledger has grown or will not.
    fn tell_waiting(&self, size: TreeSize) {
        let mut known = self.grown.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = size.max(*known);
        self.grown.1.notify_all();
    }

    fn read(&self) -> RwLockReadGuard<'_, Published> {
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Published> {
        self.published.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, LedgerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a receipt at a checkpoint that covers the entry.
    fn receipt_at(&self, seq: Seq, checkpoint: &SignedCheckpoint) -> Result<Receipt, StoreError> {
        self.receipt_in(&mut self.tree_at(checkpoint)?, seq, checkpoint)
    }

    /// Looks at the tree of a checkpoint.
    fn tree_at(&self, checkpoint: &SignedCheckpoint) -> Result<TreeView<StoreTiles<'_>>, StoreError> {
        let size = checkpoint.checkpoint().size;
        let corrupt = |e: TreeError<_>| StoreError::Corrupt { place: format!("size {size}"), reason: e.to_string() };
        TreeView::new(StoreTiles(&*self.store), size).map_err(corrupt)
    }

    /// Makes a receipt out of the tree of a checkpoint. Of several, the second costs a small part of the first: what
    /// is costly is to hash a tile, and the tree keeps those that it saw.
    fn receipt_in(
        &self,
        tree: &mut TreeView<StoreTiles<'_>>,
        seq: Seq,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Receipt, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt { place: format!("entry {seq}"), reason };
        let line = self.store.lines(seq, 1, 1)?.pop().ok_or_else(|| corrupt("it is missing".to_owned()))?;
        let line = String::from_utf8(line).map_err(|e| corrupt(e.to_string()))?;
        let hashes = tree.inclusion_proof(seq).map_err(|e| corrupt(e.to_string()))?;
        let proof = LogProof::new(seq, hashes, checkpoint.clone()).map_err(|e| corrupt(e.to_string()))?;
        Receipt::new(line, proof, self.store.disclosures(seq)?).map_err(|e| corrupt(e.to_string()))
    }
}

/// A callback that is told what became of a submission.
type Done = Box<dyn FnOnce(Result<Recorded, SubmitError>) + Send>;

impl Job {
    /// About how many bytes its line will have.
    fn bytes(&self) -> usize {
        match &self.what {
            What::Event { prepared, .. } => prepared.envelope().payload().len() * 2,
            What::Seal(_) => 2_048,
        }
    }
}

/// Something on its way to the committer.
struct Job {
    what: What,
    done: Done,
}

enum What {
    /// An event that was handed in.
    Event { prepared: Box<Prepared>, check_head: bool },
    /// A seal, whose event is made where it will stand.
    Seal(Box<Sealer>),
}

struct Running {
    shared: Arc<Shared>,
    queue: Mutex<Option<SyncSender<Job>>>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    fn stop(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = committer {
            // A committer that panicked has nothing left to say; the state tells that it failed.
            let _ = committer.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A running ledger. Clones are handles of the same one.
#[derive(Clone)]
pub struct Ledger(Arc<Running>);

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("id", &self.id()).field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Begins a ledger in an empty store: records entry 0 and serves.
    ///
    /// # Errors
    /// When the store is not empty, the genesis is refused, or the store fails.
    pub fn create(parts: Parts, genesis: Submission) -> Result<Self, OpenError> {
        open::create(parts, genesis)
    }

    /// Opens a ledger, after checking its tail against the signed checkpoint, the high-water mark and the clock.
    ///
    /// # Errors
    /// When anything does not fit: nothing is served then.
    pub fn open(parts: Parts, options: OpenOptions) -> Result<Self, OpenError> {
        open::open(parts, options)
    }

    /// Reads the event, types the body and verifies every signature. Costs processor time, writes nothing.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn prepare(&self, submission: Submission) -> Result<Prepared, Refusal> {
        submission.prepare(&self.0.shared.tables, |keyid| self.key(keyid))
    }

    /// Prepares many submissions on all cores, in order. Faster for each than [`Ledger::prepare`], as the signatures of
    /// one key are verified together.
    ///
    /// An event that needs one of an earlier line (its party's key) is refused here as [`RefusalCode::UnknownKey`]:
    /// prepare it again once that one is recorded.
    ///
    /// [`RefusalCode::UnknownKey`]: crate::refusal::RefusalCode::UnknownKey
    #[must_use]
    pub fn prepare_each(&self, submissions: Vec<Submission>) -> Vec<Result<Prepared, Refusal>> {
        let prepare = |chunk| Submission::prepare_each(chunk, &self.0.shared.tables, |keyid| self.key(keyid));
        in_chunks(submissions, PREPARED_TOGETHER).into_par_iter().flat_map_iter(prepare).collect()
    }

    fn key(&self, keyid: &KeyId) -> Option<PublicKey> {
        self.0.shared.read().authority.key(keyid).map(|known| known.key)
    }

    /// Hands a prepared submission to the committer; `done` is called on the committer's thread once it is durable or
    /// refused, and must not block.
    ///
    /// `check_head` asks that `after` is the head on any stream, as it must be on `ledger` and `case` streams.
    ///
    /// # Errors
    /// When the queue is full or the ledger has stopped; `done` is dropped uncalled then.
    pub fn enqueue(
        &self,
        prepared: Prepared,
        check_head: bool,
        done: impl FnOnce(Result<Recorded, SubmitError>) + Send + 'static,
    ) -> Result<(), SubmitError> {
        self.send(Job { what: What::Event { prepared: Box::new(prepared), check_head }, done: Box::new(done) })
    }

    fn send(&self, job: Job) -> Result<(), SubmitError> {
        if let LedgerState::Failed(reason) = &*self.0.shared.state() {
            return Err(SubmitError::Stopped { reason: reason.clone() });
        }
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let read_only = *self.0.shared.state() == LedgerState::ReadOnly;
        let reason = if read_only { "it is a copy, and read alone" } else { "it is shutting down" };
        let stopped = || SubmitError::Stopped { reason: reason.to_owned() };
        let queue = queue.as_ref().ok_or_else(stopped)?;
        self.0.shared.queued.fetch_add(1, Ordering::Relaxed);
        queue.try_send(job).map_err(|error| {
            self.0.shared.queued.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => SubmitError::Busy { retry_after_seconds: 1 },
                TrySendError::Disconnected(_) => stopped(),
            }
        })
    }

    /// Prepares, enqueues and waits.
    ///
    /// # Errors
    /// As [`Ledger::prepare`] and [`Ledger::enqueue`], and what the committer says.
    pub fn submit(&self, submission: Submission) -> Result<Recorded, SubmitError> {
        let prepared = self.prepare(submission)?;
        self.send_and_wait(What::Event { prepared: Box::new(prepared), check_head: false })
    }

    fn send_and_wait(&self, what: What) -> Result<Recorded, SubmitError> {
        let (send, receive) = sync_channel(1);
        let done = Box::new(move |result| {
            // The receiver waits below until it is told.
            let _ = send.send(result);
        });
        self.send(Job { what, done })?;
        receive.recv().unwrap_or_else(|_| Err(SubmitError::Stopped { reason: "the committer ended".to_owned() }))
    }

    /// Returns the ledger id (SPEC §6).
    ///
    /// # Panics
    /// Never: a ledger that serves has entry 0.
    #[must_use]
    pub fn id(&self) -> LedgerId {
        self.0.shared.read().authority.ledger().expect("a ledger that serves has entry 0")
    }

    /// Returns the log's origin.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.shared.read().authority.origin().to_owned()
    }

    /// Returns the log key in force.
    ///
    /// # Panics
    /// Never: a ledger that serves has entry 0.
    #[must_use]
    pub fn log_vkey(&self) -> Vkey {
        self.0.shared.read().authority.log_key().cloned().expect("a ledger that serves has a log key")
    }

    /// Returns the durable head.
    #[must_use]
    pub fn head(&self) -> Head {
        let published = self.0.shared.read();
        Head { size: published.checkpoint.checkpoint().size, checkpoint: published.note.clone() }
    }

    /// Returns the signed checkpoint of the durable head.
    #[must_use]
    pub fn checkpoint(&self) -> SignedCheckpoint {
        self.0.shared.read().checkpoint.clone()
    }

    /// Returns the time of the latest entry.
    #[must_use]
    pub fn latest_time(&self) -> Time {
        self.0.shared.read().time
    }

    /// Returns the store, to read.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.shared.store
    }

    /// Reads and verifies an event that may lack signatures, for a proposal.
    ///
    /// # Errors
    /// As [`Ledger::prepare`].
    pub fn prepare_unfinished(&self, submission: Submission) -> Result<Prepared, Refusal> {
        submission.prepare_unfinished(&self.0.shared.tables, |keyid| self.key(keyid))
    }

    /// Returns where the next entry would stand if it were recorded now.
    #[must_use]
    pub fn next_position(&self) -> Position {
        let published = self.0.shared.read();
        let time = self.0.shared.clock.now().max(published.time);
        Position { seq: Seq(published.checkpoint.checkpoint().size.0), time }
    }

    /// Writes records of proposals, durably. They share the store with the entries: after a write that failed nothing
    /// more is accepted.
    ///
    /// # Errors
    /// When they are not known to be durable.
    pub fn write_proposals(&self, changes: &[(EventHash, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        let written = self.0.shared.store.write_proposals(changes);
        if let Err(error) = &written {
            *self.0.shared.state() = LedgerState::Failed(error.to_string());
        }
        written
    }

    /// Looks at the authority state at the durable head.
    pub fn with_authority<T>(&self, look: impl FnOnce(&Authority) -> T) -> T {
        look(&self.0.shared.read().authority)
    }

    /// Returns the entry of `seq`, if it is below the head.
    ///
    /// # Errors
    /// When the store fails.
    pub fn entry(&self, seq: Seq) -> Result<Option<Entry>, StoreError> {
        entry_at(&*self.0.shared.store, seq)
    }

    /// Makes a receipt of an entry at the present head; `None` when there is no such entry.
    ///
    /// # Errors
    /// When the store fails.
    pub fn receipt(&self, seq: Seq) -> Result<Option<Receipt>, StoreError> {
        let checkpoint = self.checkpoint();
        if seq.0 >= checkpoint.checkpoint().size.0 {
            return Ok(None);
        }
        self.0.shared.receipt_at(seq, &checkpoint).map(Some)
    }

    /// Makes a receipt of an entry at a checkpoint of this ledger, such as one that witnesses cosigned; `None` when the
    /// entry is not below it, or the ledger has not come so far.
    ///
    /// # Errors
    /// When the store fails.
    pub fn receipt_at(&self, seq: Seq, checkpoint: &SignedCheckpoint) -> Result<Option<Receipt>, StoreError> {
        let size = checkpoint.checkpoint().size;
        if seq.0 >= size.0 || size > self.head().size {
            return Ok(None);
        }
        self.0.shared.receipt_at(seq, checkpoint).map(Some)
    }

    /// Computes the root of the tree of `size` (RFC 9162 §2.1.1); `None` unless `size` ≤ the head's.
    ///
    /// # Errors
    /// When the store fails.
    pub fn root(&self, size: TreeSize) -> Result<Option<NodeHash>, StoreError> {
        if size > self.head().size {
            return Ok(None);
        }
        self.tree(size, |tree| tree.root()).map(Some)
    }

    /// Makes an inclusion proof in the tree of `size` (RFC 9162 §2.1.3); `None` unless `seq < size` ≤ the head's.
    ///
    /// # Errors
    /// When the store fails.
    pub fn inclusion(&self, seq: Seq, size: TreeSize) -> Result<Option<Vec<NodeHash>>, StoreError> {
        if seq.0 >= size.0 || size > self.head().size {
            return Ok(None);
        }
        self.tree(size, |tree| tree.inclusion_proof(seq)).map(Some)
    }

    /// Makes a consistency proof between two sizes (RFC 9162 §2.1.4); `None` unless `1 ≤ old ≤ new` ≤ the head's.
    ///
    /// # Errors
    /// When the store fails.
    pub fn consistency(&self, old: TreeSize, new: TreeSize) -> Result<Option<Vec<NodeHash>>, StoreError> {
        if old.0 == 0 || old > new || new > self.head().size {
            return Ok(None);
        }
        self.tree(new, |tree| tree.consistency_proof(old)).map(Some)
    }

    fn tree<T>(
        &self,
        size: TreeSize,
        ask: impl FnOnce(&mut TreeView<StoreTiles<'_>>) -> Result<T, crate::merkle::TreeError<TileError>>,
    ) -> Result<T, StoreError> {
        let corrupt = |e: crate::merkle::TreeError<TileError>| StoreError::Corrupt {
            place: "the tree's tiles".to_owned(),
            reason: e.to_string(),
        };
        let mut tree = TreeView::new(StoreTiles(&*self.0.shared.store), size).map_err(corrupt)?;
        ask(&mut tree).map_err(corrupt)
    }

    /// Tells whether the ledger accepts events.
    #[must_use]
    pub fn state(&self) -> LedgerState {
        self.0.shared.state().clone()
    }

    /// Returns how many submissions wait for the committer.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.0.shared.queued.load(Ordering::Relaxed)
    }

    /// Returns the committer's counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.0.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&counters.commits),
            entries: read(&counters.entries),
            refused: read(&counters.refused),
            commit_micros: read(&counters.commit_micros),
            write_micros: read(&counters.write_micros),
        }
    }

    /// Waits until more than `size` entries are durable, the ledger is told to stop, somebody calls [`Ledger::wake`], or
    /// time is up. Returns how many are.
    #[must_use]
    pub fn wait_beyond(&self, size: TreeSize, patience: Duration) -> TreeSize {
        let (known, grown) = &self.0.shared.grown;
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if *known > size {
            return *known;
        }
        let (known, _) = grown.wait_timeout(known, patience).unwrap_or_else(PoisonError::into_inner);
        *known
    }

    /// Wakes whoever waits for entries.
    pub fn wake(&self) {
        self.0.shared.tell_waiting(TreeSize(0));
    }

    /// Records what is queued, then stops. Reads go on.
    pub fn shutdown(&self) {
        {
            let mut state = self.0.shared.state();
            if *state == LedgerState::Serving {
                *state = LedgerState::Stopping;
            }
        }
        self.0.stop();
        self.wake();
    }
}

/// Signs a checkpoint with the log key in force, and with the one before while both private keys are held (SPEC §7).
fn sign_checkpoint(
    authority: &Authority,
    log_keys: &[Arc<dyn Signer>],
    size: TreeSize,
    root: NodeHash,
) -> Result<SignedCheckpoint, CheckpointError> {
    let (in_force, before) = match authority.log_keys() {
        [] => return Err(CheckpointError::NoKey),
        [(_, only)] => (only, None),
        [.., (_, before), _] if fault::is(Fault::SignsWithOldKey) => (before, None),
        [.., (_, before), (_, last)] => (last, Some(before)),
    };
    let holder = |vkey: &Vkey| log_keys.iter().find(|key| key.public() == *vkey.public_key());
    let first = holder(in_force).ok_or(CheckpointError::NoKey)?;
    let mut signers = vec![NoteSigner::new(in_force.name().clone(), Arc::clone(first))];
    signers.extend(before.and_then(|vkey| Some(NoteSigner::new(vkey.name().clone(), Arc::clone(holder(vkey)?)))));
    let origin = in_force.name().as_str().parse().map_err(CheckpointError::Origin)?;
    let root = if fault::is(Fault::SignsAnotherRoot) { NodeHash::from_bytes([0; 32]) } else { root };
    let checkpoint = Checkpoint { origin, size, root };
    Ok(checkpoint.sign(&signers)?)
}

/// Why a checkpoint could not be signed.
#[derive(Debug, thiserror::Error)]
enum CheckpointError {
    #[error("the private key of the log key in force is not at hand")]
    NoKey,
    #[error(transparent)]
    Origin(crate::id::IdError),
    #[error(transparent)]
    Sign(#[from] CheckpointSignatureError),
}
