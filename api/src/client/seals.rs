//! Seals of all streams (SPEC §15).

use std::io::Read;

use countersign_ledger::bundle::LastLeaf;
use countersign_ledger::event::Event;
use countersign_ledger::id::{CaseId, Subject, TreeSize};
use countersign_ledger::seal::SEAL_KIND;
use serde_json::value::RawValue;

use super::error::{ClientError, Distrust};
use super::receipt::{Proven, check_inclusion};
use super::transport::{Transport, answer_error};
use super::{Client, parse_receipt};
use crate::wire::SealView;

const PATH: &str = "/v1/seals";

impl Client {
    /// Asks for a seal; gives the newest one where nothing was recorded since. Tells whether it is new. That it is true
    /// is for whoever has the whole ledger to say.
    ///
    /// # Errors
    /// When the server does not seal, or the receipt does not prove itself or is of something else.
    pub fn seal(&self) -> Result<(Proven, bool), ClientError> {
        let floor = self.0.trust.floor();
        let (status, text): (u16, Box<RawValue>) = self.0.transport.post(PATH, b"")?;
        let included = check_inclusion(parse_receipt("POST", PATH, &text)?)?;
        let (entry, receipt) = (included.entry, included.receipt);
        let event = Event::parse(entry.envelope.payload()).map_err(Distrust::from)?;
        if event.kind.as_str() != SEAL_KIND {
            return Err(answer_error("POST", PATH, &format_args!("expected {SEAL_KIND}, found {}", event.kind)));
        }
        let new = status == 201;
        let floor = if new { floor } else { TreeSize(0) };
        self.0.trust.observe(&self.0.transport, receipt.proof().checkpoint(), floor)?;
        self.0.trust.save(&self.0.transport)?;
        let hash = entry.envelope.event_hash();
        Ok((Proven { seq: entry.seq, time: entry.time, hash, event, envelope: entry.envelope, receipt }, new))
    }

    /// Asks for the newest seal: the server's word.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn newest_seal(&self) -> Result<Option<SealView>, ClientError> {
        Transport::found(self.0.transport.json(&format!("{PATH}/latest")))
    }

    /// Fetches a bundle that proves that there was no such case, or no such subject in it, before the newest seal.
    /// Nothing in it is checked: that is the verifier's work.
    ///
    /// # Errors
    /// When there is, nothing was sealed yet, or the server gives no answer.
    pub fn absence(
        &self,
        case: &CaseId,
        subject: Option<&Subject>,
        last: LastLeaf,
        zstd: bool,
    ) -> Result<(Option<u64>, impl Read + use<>), ClientError> {
        let subject = subject.map(|subject| format!("&subject={subject}")).unwrap_or_default();
        let more = super::bundle_form(last, zstd).concat();
        self.0.transport.stream(&format!("{PATH}/latest/proof?case={case}{subject}{more}"))
    }
}
