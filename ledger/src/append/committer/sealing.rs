//! Seals among the entries of a batch: made where they stand, and refused where they say what is not so (SPEC §15).

use super::{Committer, Entry, Fatal, Outcome, Pending, PendingView};
use crate::admission::Recorded as _;
use crate::append::seals::Sealed;
use crate::event::Body;
use crate::id::{Seq, StreamId, TreeSize};
use crate::refusal::{Refusal, RefusalCode};
use crate::seal::{Changes, Sealer, Streams, advance, count};
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
        let refuse = |member: &str, expected: String, found: String| {
            let refusal = Refusal::new(RefusalCode::FalseSeal, expected, found).at(format!("/body/{member}"));
            Ok(Err(refusal.hint("let the server seal: `countersign seal`")))
        };
        // First what costs nothing: whoever is not at the right place has nothing counted.
        if body.size != seq.0 {
            let expected = format!("{seq}, the number of this entry and so of those before it");
            return refuse("size", expected, body.size.to_string());
        }
        let streams = self.streams_before(seq, pending).map_err(Fatal::new)?;
        if body.streams != streams.count() {
            return refuse("streams", format!("{} streams", streams.count()), body.streams.to_string());
        }
        if body.root != streams.root() {
            return refuse("root", streams.root().to_string(), body.root.to_string());
        }
        Ok(Ok(Some(Sealed { seq, streams })))
    }

    /// Counts the streams of all entries before `seq`, which stands behind the batch so far.
    fn streams_before(&mut self, seq: Seq, pending: &Pending) -> Result<Streams, StoreError> {
        let durable = self.frontier.size();
        let mut streams = match self.counted.streams.take() {
            Some(streams) => streams,
            None => advance(self.shared.seals.live(), &*self.shared.store, durable)?,
        };
        let mut changes = Changes::default();
        let view = PendingView { store: &*self.shared.store, pending };
        let entry_of = |event: &_| view.entry_of(event);
        for taken in pending.taken.iter().filter(|taken| taken.admitted.entry.seq.0 >= streams.size().0) {
            let Entry { seq, .. } = taken.admitted.entry;
            count(&mut changes, seq, taken.prepared.event(), taken.prepared.event_hash(), entry_of)?;
        }
        streams.apply(changes, TreeSize(seq.0));
        self.counted.streams = Some(streams.clone());
        Ok(streams)
    }
}
