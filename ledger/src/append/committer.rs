//! The only writer: admits what queued, and makes it durable in one synced commit.
//!
//! What is durable, step by step:
//!
//! 1. admission, entries, tree, signed checkpoint: in memory only; a crash loses them, and nobody was told;
//! 2. [`Store::commit`](crate::store::Store::commit): entries, indexes, tiles, head and checkpoint, together or not at all;
//! 3. the high-water mark: the same checkpoint in a file of its own;
//! 4. readers see the new head, and each submitter is told.
//!
//! A failure at 2 or 3 leaves the store in doubt: nothing more is accepted and the process must end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::tiles::StoreTiles;
use super::{Job, LedgerState, Recorded, Sealed, Shared, SubmitError, What, sign_checkpoint};
use crate::admission::{self, Admission, AdmissionError, Next};
use crate::authority::{Authority, Position};
use crate::checkpoint::SignedCheckpoint;
use crate::entry::Entry;
use crate::event::Body;
use crate::fault::{self, Fault};
use crate::hash::LeafHash;
use crate::high_water::HighWater;
use crate::id::Seq;
use crate::keys::Signer;
use crate::merkle::{Appended, Frontier, TreeView};
use crate::pending::{Pending, PendingView, Taken, apply, entry_at};
use crate::proof::{LogProof, Receipt};
use crate::refusal::{Refusal, RefusalCode};
use crate::seal::Streams;
use crate::store::{Head, StoreError};
use crate::submission::Prepared;
use crate::time::Time;

mod sealing;

/// The most events of one commit.
const MAX_BATCH: usize = 512;
/// The most bytes of lines of one commit, unless a single line has more.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The committer's own state, ahead of what readers see by the batch that it works on.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) authority: Authority,
    pub(super) frontier: Frontier,
    pub(super) last: LeafHash,
    pub(super) time: Time,
    pub(super) log_keys: Vec<Arc<dyn Signer>>,
    pub(super) high_water: Option<HighWater>,
    /// Of the batch that it works on.
    pub(super) counted: Counted,
}

/// What a job of the batch waits for.
enum Outcome {
    /// The entry of the batch at this place.
    New(usize),
    /// An entry, of this batch or from before; how many signatures came that are not on it.
    Repeated(Seq, usize),
    /// Nothing: it is refused.
    Refused(Box<Refusal>),
}

/// What the seals of a batch were counted by.
#[derive(Default)]
pub(super) struct Counted {
    /// The streams of what is durable and of the batch, as far as they were counted.
    streams: Option<Streams>,
    /// The newest seal of the batch.
    sealed: Option<Sealed>,
}

/// Why the committer must stop.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Fatal(String);

impl Fatal {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Tells that the ledger has failed, should the committer panic: nothing may look as if it went on.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.state() = LedgerState::Failed("the committer panicked".to_owned());
        }
    }
}

impl Committer {
    /// Works until the queue is closed or a write fails.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        let _watch = Watch(Arc::clone(&self.shared));
        while let Ok(first) = queue.recv() {
            let jobs = self.take(first, queue);
            if let Err(fatal) = self.commit(jobs) {
                for job in queue.try_iter() {
                    self.shared.queued.fetch_sub(1, Ordering::Relaxed);
                    (job.done)(Err(SubmitError::Stopped { reason: fatal.0.clone() }));
                }
                return;
            }
        }
    }

    /// Takes what queued meanwhile, up to a full batch.
    fn take(&self, first: Job, queue: &Receiver<Job>) -> Vec<Job> {
        let mut bytes = first.bytes();
        let mut jobs = vec![first];
        while jobs.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            let Ok(job) = queue.try_recv() else { break };
            bytes += job.bytes();
            jobs.push(job);
        }
        self.shared.queued.fetch_sub(jobs.len(), Ordering::Relaxed);
        jobs
    }

    /// Admits a batch, makes it durable, and tells everybody.
    fn commit(&mut self, jobs: Vec<Job>) -> Result<(), Fatal> {
        let started = Instant::now();
        self.counted = Counted::default();
        let mut pending = Pending::default();
        let mut waiting = Vec::with_capacity(jobs.len());
        let mut fatal = None;
        for job in jobs {
            let Job { what, done } = job;
            match &fatal {
                Some(Fatal(reason)) => done(Err(SubmitError::Stopped { reason: reason.clone() })),
                None => match self.admit_job(what, &mut pending) {
                    Ok(outcome) => waiting.push((outcome, done)),
                    Err(error) => {
                        self.fail(&error);
                        done(Err(SubmitError::Stopped { reason: error.0.clone() }));
                        fatal = Some(error);
                    }
                },
            }
        }
        let durable = match fatal {
            Some(fatal) => Err(fatal),
            None => self.make_durable(&pending),
        };
        let appended = match durable {
            Ok(appended) => appended,
            Err(fatal) => {
                self.fail(&fatal);
                for (_, done) in waiting {
                    done(Err(SubmitError::Stopped { reason: fatal.0.clone() }));
                }
                return Err(fatal);
            }
        };
        let counters = &self.shared.counters;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        counters.commit_micros.fetch_add(micros, Ordering::Relaxed);
        let checkpoint = self.shared.read().checkpoint.clone();
        let mut told = Told {
            shared: &self.shared,
            pending: &pending,
            appended: appended.as_ref(),
            checkpoint: &checkpoint,
            tree: None,
        };
        for (outcome, done) in waiting {
            done(told.result(outcome));
        }
        Ok(())
    }

    /// Takes nothing more, from before anybody is told why.
    fn fail(&self, fatal: &Fatal) {
        *self.shared.state() = LedgerState::Failed(fatal.0.clone());
    }

    fn admit_job(&mut self, what: What, pending: &mut Pending) -> Result<Outcome, Fatal> {
        match what {
            What::Event { prepared, check_head } => self.admit(prepared, check_head, pending),
            What::Seal(sealer) => self.seal(&sealer, pending),
        }
    }

    /// Returns where the next entry stands.
    fn next_position(&self, pending: &Pending) -> Result<Position, Fatal> {
        let count = u64::try_from(pending.taken.len()).map_err(Fatal::new)?;
        let now = self.shared.clock.now();
        let time = if fault::is(Fault::TurnsBackTime) { now } else { now.max(self.time) };
        Ok(Position { seq: Seq(self.frontier.size().0 + count), time })
    }

    fn admit(&mut self, prepared: Box<Prepared>, check_head: bool, pending: &mut Pending) -> Result<Outcome, Fatal> {
        let at = self.next_position(pending)?;
        let next = Next { at, prev: if fault::is(Fault::BreaksChain) { LeafHash::ZERO } else { self.last } };
        let view = PendingView { store: &*self.shared.store, pending };
        let admission = admission::admit(&prepared, &self.authority, &view, next, check_head);
        let shared = Arc::clone(&self.shared);
        let refuse = move |refusal: Box<Refusal>| {
            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            Ok(Outcome::Refused(refusal))
        };
        let admitted = match admission {
            Ok(Admission::New(admitted)) => admitted,
            Ok(Admission::Repeated(seq)) => {
                let unrecorded = self.unrecorded_signatures(&prepared, seq, &view).map_err(Fatal::new)?;
                return Ok(Outcome::Repeated(seq, unrecorded));
            }
            Err(AdmissionError::Refused(refusal)) => return refuse(refusal),
            Err(AdmissionError::Store(error)) => return Err(Fatal::new(error)),
        };
        if let Err(refusal) = self.check_log_key(&prepared) {
            return refuse(Box::new(refusal));
        }
        let sealed = match self.check_seal(&prepared, at.seq, pending)? {
            Ok(sealed) => sealed,
            Err(refusal) => return refuse(Box::new(refusal)),
        };
        apply(&mut self.authority, at, &prepared);
        let leaf = LeafHash::of_line(admitted.line.as_bytes());
        self.time = at.time;
        self.last = leaf;
        pending.push(Taken { prepared, admitted, leaf });
        self.counted.sealed = sealed.or(self.counted.sealed.take());
        Ok(Outcome::New(pending.taken.len() - 1))
    }

    /// A new log key signs the very checkpoint that covers its entry: its private key must be at hand.
    fn check_log_key(&self, prepared: &Prepared) -> Result<(), Refusal> {
        let Some(Body::LogKeyRotated(body)) = prepared.body() else { return Ok(()) };
        if self.log_keys.iter().any(|key| key.public() == *body.log_key.public_key()) {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::LogKeyUnavailable,
            "a log key whose private key the server holds",
            body.log_key.to_string(),
        )
        .at("/body/log_key")
        .hint("start the server with a second --log-key first"))
    }

    fn unrecorded_signatures(
        &self,
        prepared: &Prepared,
        seq: Seq,
        view: &PendingView<'_>,
    ) -> Result<usize, StoreError> {
        let taken = view.pending.taken.iter().find(|taken| taken.admitted.entry.seq == seq);
        let entry = match taken {
            Some(taken) => Some(taken.admitted.entry.clone()),
            None => entry_at(view.store, seq)?,
        };
        let recorded = entry.map(|entry| entry.envelope.signatures().to_vec()).unwrap_or_default();
        let new = prepared.keyids().into_iter().filter(|keyid| !recorded.iter().any(|(known, _)| known == keyid));
        Ok(new.count())
    }

    /// Writes the batch; when this returns without an error, it is durable and readers see it.
    fn make_durable(&mut self, pending: &Pending) -> Result<Option<Appended>, Fatal> {
        if pending.taken.is_empty() {
            // What a false seal was refused by is true of what is durable: the next one is not counted from the start.
            self.shared.seals.keep(self.counted.streams.take(), None);
            return Ok(None);
        }
        let leaves = pending.leaves();
        let appended = self.frontier.append(&leaves).map_err(Fatal::new)?;
        let size = self.frontier.size();
        let checkpoint = sign_checkpoint(&self.authority, &self.log_keys, size, appended.root()).map_err(Fatal::new)?;
        let note = checkpoint.note().to_string();
        let head = Head { size, checkpoint: note.clone() };
        let batch = pending.batch(&appended, Some(head));
        let writing = Instant::now();
        self.shared.store.commit(&batch).map_err(Fatal::new)?;
        if let Some(high_water) = &mut self.high_water {
            high_water.record(size, &note).map_err(Fatal::new)?;
        }
        let counters = &self.shared.counters;
        counters.write_micros.fetch_add(u64::try_from(writing.elapsed().as_micros()).unwrap_or(0), Ordering::Relaxed);
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.entries.fetch_add(u64::try_from(leaves.len()).unwrap_or(0), Ordering::Relaxed);
        let counted = std::mem::take(&mut self.counted);
        let seal = counted.sealed.as_ref().map(|sealed| sealed.seq);
        self.shared.seals.keep(counted.streams, counted.sealed);
        self.publish(pending, checkpoint, note, seal);
        Ok(Some(appended))
    }

    /// Shows readers the new head.
    fn publish(&self, pending: &Pending, checkpoint: SignedCheckpoint, note: String, seal: Option<Seq>) {
        let mut published = self.shared.write();
        for taken in &pending.taken {
            let at = Position { seq: taken.admitted.entry.seq, time: taken.admitted.entry.time };
            apply(&mut published.authority, at, &taken.prepared);
        }
        published.checkpoint = checkpoint;
        published.note = note;
        published.time = self.time;
        published.seal = seal.or(published.seal);
        if published.authority.closed().is_some() {
            *self.shared.state() = LedgerState::Closed;
        }
        drop(published);
        self.shared.tell_waiting(self.frontier.size());
    }
}

impl Drop for Committer {
    /// A committer that panics leaves the store as much in doubt as a write that fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail(&Fatal("the committer panicked".to_owned()));
        }
    }
}

/// What is needed to tell a submitter what became of its event.
struct Told<'a> {
    shared: &'a Shared,
    pending: &'a Pending,
    appended: Option<&'a Appended>,
    checkpoint: &'a SignedCheckpoint,
    /// The tree of the checkpoint, once an event was repeated: one for all of the batch.
    tree: Option<TreeView<StoreTiles<'a>>>,
}

impl Told<'_> {
    fn result(&mut self, outcome: Outcome) -> Result<Recorded, SubmitError> {
        // The entry is durable whatever fails from here on; the submitter can ask for its receipt again.
        let stopped = |reason: String| SubmitError::Stopped { reason };
        match outcome {
            Outcome::Refused(refusal) => Err(SubmitError::Refused(refusal)),
            Outcome::New(at) => self.new_receipt(&self.pending.taken[at]).map_err(stopped),
            Outcome::Repeated(seq, unrecorded) => {
                let receipt = self.old_receipt(seq).map_err(|e| stopped(e.to_string()))?;
                let entry = Entry::parse(receipt.entry().as_bytes()).map_err(|e| stopped(e.to_string()))?;
                Ok(Recorded {
                    seq,
                    time: entry.time,
                    event: entry.envelope.event_hash(),
                    receipt,
                    repeated: true,
                    unrecorded_signatures: unrecorded,
                })
            }
        }
    }

    fn old_receipt(&mut self, seq: Seq) -> Result<Receipt, StoreError> {
        let tree = match &mut self.tree {
            Some(tree) => tree,
            none => none.insert(self.shared.tree_at(self.checkpoint)?),
        };
        self.shared.receipt_in(tree, seq, self.checkpoint)
    }

    fn new_receipt(&self, taken: &Taken) -> Result<Recorded, String> {
        let entry = &taken.admitted.entry;
        let hashes = self.appended.and_then(|appended| appended.inclusion_proof(entry.seq));
        let hashes = hashes.ok_or_else(|| format!("entry {} has no proof", entry.seq))?;
        let proof = LogProof::new(entry.seq, hashes, self.checkpoint.clone()).map_err(|e| e.to_string())?;
        let disclosures = taken.prepared.disclosures().to_vec();
        let receipt = Receipt::new(taken.admitted.line.clone(), proof, disclosures).map_err(|e| e.to_string())?;
        Ok(Recorded {
            seq: entry.seq,
            time: entry.time,
            event: taken.prepared.event_hash(),
            receipt,
            repeated: false,
            unrecorded_signatures: 0,
        })
    }
}
