//! What the witnesses of a server have cosigned.

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::TreeSize;
use serde_json::value::RawValue;

use super::receipt::{Asked, check_asked};
use super::transport::Transport;
use super::{Client, ClientError, Distrust, Proven, parse_receipt};
use crate::wire::witnesses::WitnessesView;

impl Client {
    /// Asks how the server's witnesses stand; `None` from a server that knows none. The answer is the server's word.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn witnesses(&self) -> Result<Option<WitnessesView>, ClientError> {
        Transport::found(self.0.transport.json("/v1/witnesses"))
    }

    /// Asks for the witnesses' cosignatures over at least `size` entries, waits as long as the server lets one, and
    /// returns the latest checkpoint that their quorum cosigned: of fewer entries where time was up, `None` where there is
    /// none. It is of the history that this client knows. Whether the cosignatures are those of witnesses that anybody
    /// trusts is for the verifier to say, with a trust file.
    ///
    /// # Errors
    /// When the server gives no answer, or one that does not prove itself.
    pub fn witnessed(&self, size: TreeSize) -> Result<Option<SignedCheckpoint>, ClientError> {
        let found = Transport::found(self.0.transport.text(&format!("/v1/checkpoint/witnessed?size={size}")))?;
        let Some(text) = found else { return Ok(None) };
        let checkpoint = SignedCheckpoint::from_bytes(text.as_bytes()).map_err(Distrust::from)?;
        self.check_history(&checkpoint)?;
        Ok(Some(checkpoint))
    }

    /// Fetches an event with a proof at the latest checkpoint that the witnesses cosigned; `None` where it is not below
    /// that.
    ///
    /// # Errors
    /// When the server gives no answer, or one that does not prove itself.
    pub fn witnessed_event(&self, hash: &EventHash) -> Result<Option<Proven>, ClientError> {
        let path = format!("/v1/events/{hash}?checkpoint=witnessed");
        let Some(text) = Transport::found(self.0.transport.json::<Box<RawValue>>(&path))? else { return Ok(None) };
        let receipt = parse_receipt("GET", &path, &text)?;
        check_asked(receipt, &self.0.trust, &self.0.transport, Asked::Hash(*hash)).map(Some)
    }
}
