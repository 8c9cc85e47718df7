//! A server as the source of an auditor: it is believed nothing. Whoever asks verifies all of it.

use countersign_ledger::hash::NodeHash;
use countersign_ledger::id::{Seq, TreeSize};

use super::error::ClientError;
use super::transport::{Settings, Transport, answer_error};
use crate::wire::{ConsistencyProof, InclusionProof};

/// The most lines that are asked for at once: the longest of them fit into one answer (SPEC §12).
const PAGE: u64 = 120;

/// Asks one server for entries.
#[derive(Debug, Clone)]
pub struct EntrySource(Transport);

impl EntrySource {
    /// Makes one; asks nothing yet.
    ///
    /// # Errors
    /// When the address or the certificate file is not of its form.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        Ok(Self(Transport::new(settings)?))
    }

    /// Fetches lines of entries from `from` on, in order: some of those before `end`, and at least one.
    ///
    /// # Errors
    /// When there is no answer, or none that is lines.
    pub fn lines(&self, from: Seq, end: TreeSize) -> Result<Vec<Vec<u8>>, ClientError> {
        let limit = end.0.saturating_sub(from.0).min(PAGE);
        let path = format!("/v1/entries?from={from}&limit={limit}");
        let text = self.0.text(&path)?;
        let wrong = |reason: &str| answer_error("GET", &path, &reason);
        let body = text.strip_suffix('\n').ok_or_else(|| wrong("it has no whole line of an entry"))?;
        let lines: Vec<Vec<u8>> = body.split('\n').map(|line| line.as_bytes().to_vec()).collect();
        if u64::try_from(lines.len()).is_ok_and(|count| count <= limit) {
            Ok(lines)
        } else {
            Err(wrong("too many lines"))
        }
    }

    /// Fetches a proof that an entry is in the tree of a size. It is the caller's to verify.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn inclusion(&self, seq: Seq, size: TreeSize) -> Result<Vec<NodeHash>, ClientError> {
        let proof: InclusionProof = self.0.json(&format!("/v1/proofs/inclusion?seq={seq}&size={size}"))?;
        Ok(proof.hashes.into_iter().map(|hash| hash.0).collect())
    }

    /// Fetches a proof that one tree begins with another. It is the caller's to verify.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn consistency(&self, old: TreeSize, new: TreeSize) -> Result<Vec<NodeHash>, ClientError> {
        let proof: ConsistencyProof = self.0.json(&format!("/v1/proofs/consistency?old={old}&new={new}"))?;
        Ok(proof.hashes.into_iter().map(|hash| hash.0).collect())
    }
}
