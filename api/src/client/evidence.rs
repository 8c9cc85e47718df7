//! Evidence files: sent whole, and believed when they hash as asked.

use std::fs::File;
use std::io::{self, Read};

use countersign_ledger::hash::FileHash;
use countersign_ledger::submission::Submission;

use super::error::ClientError;
use super::{Client, Transport};
use crate::wire::{Announced, EvidenceView};

impl Client {
    /// Announces the files that a signed submission names, so that they can be sent before it is recorded.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub fn announce_evidence(&self, submission: &Submission) -> Result<Announced, ClientError> {
        Ok(self.0.transport.post("/v1/evidence", submission.to_json().as_bytes())?.1)
    }

    /// Tells whether the server has a file, and serves it.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn has_evidence(&self, file: &FileHash) -> Result<bool, ClientError> {
        self.0.transport.head(&path(file))
    }

    /// Sends a file. A broken connection is tried again, from the beginning of the file. `true` if the server had not
    /// had it.
    ///
    /// # Errors
    /// When the file cannot be opened, the server refuses it, or gives no answer.
    pub fn put_evidence(
        &self,
        file: &FileHash,
        size: u64,
        open: impl FnMut() -> io::Result<File>,
        progress: impl Fn(u64),
    ) -> Result<(bool, EvidenceView), ClientError> {
        let (status, view) = self.0.transport.put_file(&path(file), size, open, progress)?;
        Ok((status == 201, view))
    }

    /// Fetches a file as it comes in, perhaps with its length; `None` if the server does not have it. What arrives is
    /// the caller's to hash.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn evidence(&self, file: &FileHash) -> Result<Option<(Option<u64>, impl Read + use<>)>, ClientError> {
        Transport::found(self.0.transport.stream(&path(file)))
    }
}

pub(super) fn path(file: &FileHash) -> String {
    format!("/v1/evidence/{file}")
}
