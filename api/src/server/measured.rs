//! A store that tells how long its commits take.

use std::sync::Arc;
use std::time::Instant;

use countersign_ledger::hash::{EventHash, FileHash, NodeHash};
use countersign_ledger::id::{Author, CaseId, Seq, StreamId, TreeSize};
use countersign_ledger::store::{Batch, Head, Store, StoreError, StreamHead};
use uuid::Uuid;

use super::metrics::Metrics;

/// Passes everything on, and measures commits.
pub(crate) struct MeasuredStore {
    inner: Arc<dyn Store>,
    metrics: Metrics,
}

impl MeasuredStore {
    /// Measures `inner`.
    pub(crate) fn new(inner: Arc<dyn Store>, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }
}

impl Store for MeasuredStore {
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

    fn disclosures(&self, seq: Seq) -> Result<Vec<String>, StoreError> {
        self.inner.disclosures(seq)
    }

    fn next_disclosures(&self, from: Seq, end: Seq) -> Result<Option<(Seq, Vec<String>)>, StoreError> {
        self.inner.next_disclosures(from, end)
    }

    fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.inner.disk_bytes()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let began = Instant::now();
        let result = self.inner.commit(batch);
        self.metrics.commit(batch.entries.len(), began.elapsed(), result.is_ok());
        result
    }

    fn size_ahead(&self) -> Result<TreeSize, StoreError> {
        self.inner.size_ahead()
    }

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

    fn write_proposals(&self, changes: &[(EventHash, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        self.inner.write_proposals(changes)
    }
}
