//! Seals among the entries of a batch: made where they stand, and refused where they say what is not so (SPEC §15).

use super::{Committer, Fatal, Outcome, Pending, PendingView};
use crate::admission::Recorded as _;
use crate::append::seals::Sealed;
use crate::event::Body;
use crate::id::{Seq, StreamId};
use crate::pending::check_seal;
use crate::refusal::Refusal;
use crate::seal::{Sealer, Streams, advance};
use crate::store::StoreError;
use crate::submission::{Prepared, Submission};

impl Committer {
    /// Makes a seal of all that comes before it, and admits it as any other event. Where that is a seal, nothing was
    /// recorded since, and it stands for the new one.
    pub(super) fn seal(&mut self, sealer: &Sealer, pending: &mut Pending) -> Result<Outcome, Fatal> {
        let at = self.next_position(pending)?;
        let newest = self.counted.sealed.as_ref().map(|sealed| sealed.seq).or(self.shared.read().seal);
        if let Some(newest) = newest.filter(|newest| newest.0 + 1 == at.seq.0) {
            return Ok(Outcome::Repeated(newest, 0));
        }
        let streams = self.streams_before(at.seq, pending).map_err(Fatal::new)?;
        let ledger = self.authority.ledger().ok_or_else(|| Fatal::new("there is no entry 0"))?;
        let refused = |refusal: Refusal| Ok(Outcome::Refused(Box::new(refusal)));
        let subject = match sealer.subject(&streams) {
            Ok(subject) => subject,
            Err(e) => return refused(e.into()),
        };
        let view = PendingView { store: &*self.shared.store, pending };
        let head = view.stream_head(&StreamId { case: None, subject }).map_err(Fatal::new)?;
        let envelope = match sealer.seal(ledger, &streams, head.map(|head| head.event), at.time) {
            Ok(envelope) => envelope,
            Err(e) => return refused(e.into()),
        };
        let submission = Submission { envelope, disclosures: Vec::new() };
        let key = |keyid: &_| self.authority.key(keyid).map(|known| known.key);
        match submission.prepare(&self.shared.tables, key) {
            Ok(prepared) => self.admit(Box::new(prepared), false, pending),
            Err(refusal) => refused(refusal),
        }
    }

    /// Finds out whether a seal is true where it would stand: `None` for what is no seal.
    pub(super) fn check_seal(
        &mut self,
        prepared: &Prepared,
        seq: Seq,
        pending: &Pending,
    ) -> Result<Result<Option<Sealed>, Refusal>, Fatal> {
        let Some(Body::StreamsSealed(body)) = prepared.body() else { return Ok(Ok(None)) };
        let streams = check_seal(body, seq, || self.streams_before(seq, pending)).map_err(Fatal::new)?;
        Ok(streams.map(|streams| Some(Sealed { seq, streams })))
    }

    /// Counts the streams of all entries before `seq`, which stands behind the batch so far.
    fn streams_before(&mut self, seq: Seq, pending: &Pending) -> Result<Streams, StoreError> {
        let durable = self.frontier.size();
        let mut streams = match self.counted.streams.take() {
            Some(streams) => streams,
            None => advance(self.shared.seals.live(), &*self.shared.store, durable)?,
        };
        PendingView { store: &*self.shared.store, pending }.count_before(&mut streams, seq)?;
        self.counted.streams = Some(streams.clone());
        Ok(streams)
    }
}
