//! A log as C2SP tlog-tiles serves it: checkpoint, tiles of hashes, bundles of entries. From any server, believed in
//! nothing: who asks compares what comes with a signed checkpoint.

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::NodeHash;
use countersign_ledger::merkle::TileReader;
use countersign_ledger::tile::{TileId, TileResource, TileWidth, parse_entry_bundle, parse_tile};

use super::error::ClientError;
use super::transport::{Settings, Transport, answer_error};

/// The largest note (SPEC §12).
const MAX_NOTE: u64 = 256 * 1024;
/// The largest tile of hashes.
const MAX_TILE: u64 = 256 * 32;
/// The largest bundle of entries: 256 of 65,535 bytes, each after its length.
const MAX_BUNDLE: u64 = 256 * (2 + 65_535);

/// Reads a log from one server.
#[derive(Debug, Clone)]
pub struct LogReader(Transport);

impl LogReader {
    /// Makes one; asks for nothing yet.
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

    /// Fetches the newest checkpoint. Its signatures are the caller's to verify.
    ///
    /// # Errors
    /// When there is no answer, or none that is a checkpoint.
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, ClientError> {
        let bytes = self.0.bounded("/checkpoint", MAX_NOTE)?;
        SignedCheckpoint::from_bytes(&bytes).map_err(|e| answer_error("GET", "/checkpoint", &e))
    }

    /// Fetches a bundle of entries: exactly as many as asked for.
    ///
    /// # Errors
    /// When there is no answer, or another number of entries.
    pub fn entries(&self, index: u64, width: TileWidth) -> Result<Vec<Vec<u8>>, ClientError> {
        let path = format!("/{}", TileResource::Entries { index, width });
        let bytes = self.0.bounded(&path, MAX_BUNDLE)?;
        let entries = parse_entry_bundle(&bytes).map_err(|e| answer_error("GET", &path, &e))?;
        if entries.len() != usize::from(width.hashes()) {
            return Err(answer_error("GET", &path, &format_args!("{} entries, not {width}", entries.len())));
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }
}

impl TileReader for LogReader {
    type Error = ClientError;

    fn tile(&self, tile: TileId, width: TileWidth) -> Result<Vec<NodeHash>, ClientError> {
        let path = format!("/{}", TileResource::Hashes { tile, width });
        let bytes = self.0.bounded(&path, MAX_TILE)?;
        parse_tile(&bytes).map_err(|e| answer_error("GET", &path, &e))
    }
}
