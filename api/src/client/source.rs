//! A server as a source to copy from: it is believed nothing. Whoever copies verifies all of it.

use std::io::Read;

use countersign_ledger::hash::FileHash;
use countersign_ledger::id::TreeSize;

use super::error::ClientError;
use super::evidence;
use super::transport::{Settings, Transport};

/// Asks one server.
#[derive(Debug, Clone)]
pub struct Source(Transport);

impl Source {
    /// Makes one; asks nothing yet.
    ///
    /// # Errors
    /// When the address or the certificate file is not of its form.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        Ok(Self(Transport::new(settings)?))
    }

    /// Returns the server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        self.0.server()
    }

    /// Fetches the newest checkpoint, as it is sent.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn checkpoint(&self) -> Result<String, ClientError> {
        self.0.text("/v1/checkpoint")
    }

    /// Fetches what was recorded from a size on, as a compressed bundle that comes in: with its checkpoint, disclosures,
    /// and the hashes of what is before.
    ///
    /// # Errors
    /// When there is no answer or the server refuses.
    pub fn since(&self, size: TreeSize) -> Result<impl Read + use<>, ClientError> {
        let path = if size.0 == 0 {
            "/v1/bundle?compress=zstd".to_owned()
        } else {
            format!("/v1/bundle?compress=zstd&since={size}")
        };
        Ok(self.0.stream(&path)?.1)
    }

    /// Fetches a file as it comes in; `None` if the server does not have it. What arrives is the caller's to hash.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn evidence(&self, file: &FileHash) -> Result<Option<impl Read + use<>>, ClientError> {
        Ok(Transport::found(self.0.stream(&evidence::path(file)))?.map(|(_, reader)| reader))
    }
}
