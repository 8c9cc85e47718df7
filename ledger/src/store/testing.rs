//! A store that fails when told to: what a full disk and a power cut look like to the committer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::{Batch, Head, Store, StoreError, StreamHead};
use crate::hash::{EventHash, FileHash, NodeHash};
use crate::id::{Author, CaseId, Seq, StreamId, TreeSize};

/// What happens at a commit that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written: a full disk.
    Before,
    /// All is durable, but the writer does not learn of it: the answer of a disk that was lost, or a power cut
    /// between the write and its acknowledgement.
    After,
}

/// A store around another, of which one commit fails. As a store on disk, it takes no write after that.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    plan: Mutex<Plan>,
    scans: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
enum Plan {
    Healthy,
    FailAfter { commits: u64, fault: Fault },
    InDoubt,
}

impl<S> FaultyStore<S> {
    /// Wraps a store; no commit fails until [`FaultyStore::fail_after`].
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Mutex::new(Plan::Healthy), scans: AtomicU64::new(0) }
    }

    /// Lets `commits` more commits succeed, and the next one fail.
    pub fn fail_after(&self, commits: u64, fault: Fault) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Plan::FailAfter { commits, fault };
    }

    /// Returns how often all streams were looked through.
    pub fn scans(&self) -> u64 {
        self.scans.load(Ordering::Relaxed)
    }

    /// Takes writes again, as after a restart of the process.
    pub fn restart(&self) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Plan::Healthy;
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn head(&self) -> Result<Option<Head>, StoreError> {
        self.inner.head()
    }

    fn lines(&self, from: Seq, limit: usize, max_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.inner.lines(from, limit, max_bytes)
    }

    fn seq_of_event(&self, event: &EventHash) -> Result<Option<Seq>, StoreError> {
        self.inner.seq_of_event(event)
    }

    fn seq_of_id(&self, author: &Author, id: &Uuid) -> Result<Option<Seq>, StoreError> {
        self.inner.seq_of_id(author, id)
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError> {
        self.inner.stream_head(stream)
    }

    fn stream_seqs(&self, stream: &StreamId, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        self.inner.stream_seqs(stream, from, limit)
    }

    fn case_seqs(&self, case: Option<&CaseId>, ty: Option<&str>) -> Result<Vec<Seq>, StoreError> {
        self.inner.case_seqs(case, ty)
    }

    fn each_stream(&self, visit: &mut dyn FnMut(&StreamId, &[Seq], EventHash)) -> Result<(), StoreError> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.inner.each_stream(visit)
    }

    fn authority_seqs(&self, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        self.inner.authority_seqs(from, limit)
    }

    fn evidence_seqs(&self, file: &FileHash, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        self.inner.evidence_seqs(file, from, limit)
    }

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<NodeHash>>, StoreError> {
        self.inner.tile(level, index)
    }

    fn next_disclosures(&self, from: Seq, end: Seq) -> Result<Option<(Seq, Vec<String>)>, StoreError> {
        self.inner.next_disclosures(from, end)
    }

    fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.inner.disk_bytes()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        match *plan {
            Plan::Healthy => self.inner.commit(batch),
            Plan::InDoubt => Err(StoreError::InDoubt),
            Plan::FailAfter { commits: 0, fault } => {
                *plan = Plan::InDoubt;
                if fault == Fault::After {
                    self.inner.commit(batch)?;
                }
                Err(StoreError::Failed { action: "commit a batch", reason: format!("told to fail: {fault:?}") })
            }
            Plan::FailAfter { commits, fault } => {
                self.inner.commit(batch)?;
                *plan = Plan::FailAfter { commits: commits - 1, fault };
                Ok(())
            }
        }
    }

    fn size_ahead(&self) -> Result<TreeSize, StoreError> {
        self.inner.size_ahead()
    }

    /// Returns the view of the store within: to read, as no fault comes from it.
    fn with_ahead(&self) -> Arc<dyn Store> {
        self.inner.with_ahead()
    }

    fn discard_ahead(&self) -> Result<(), StoreError> {
        self.inner.discard_ahead()
    }

    fn proposal(&self, event: &EventHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.proposal(event)
    }

    fn proposals(&self, after: Option<&EventHash>, limit: usize) -> Result<Vec<(EventHash, Vec<u8>)>, StoreError> {
        self.inner.proposals(after, limit)
    }

    /// Proposals are written unless the store is in doubt: faults are those of commits.
    fn write_proposals(&self, changes: &[(EventHash, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*plan, Plan::InDoubt) {
            return Err(StoreError::InDoubt);
        }
        self.inner.write_proposals(changes)
    }
}
