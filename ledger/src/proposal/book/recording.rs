//! Recording what is complete, and forgetting what is recorded or has expired.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, sync_channel};

use super::index::Index;
use super::{CHUNK, ProposalError, Proposals};
use crate::append::{LedgerState, Recorded, SubmitError};
use crate::hash::EventHash;
use crate::id::Seq;
use crate::proposal::Standing;
use crate::submission::Prepared;

impl Proposals {
    /// Forgets what has expired, and records what became complete without a signature: after a restart, or when rules
    /// and keys changed. To be called from time to time.
    ///
    /// # Errors
    /// When the store fails.
    pub fn upkeep(&self) -> Result<(), ProposalError> {
        let serving = match self.0.ledger.state() {
            LedgerState::Serving => true,
            LedgerState::Closed => false,
            LedgerState::ReadOnly | LedgerState::Stopping | LedgerState::Failed(_) => return Ok(()),
        };
        let now = self.0.ledger.next_position().time;
        let due = self.locked(|index| {
            let mut gone: BTreeSet<EventHash> = index.expired(now).into_iter().collect();
            let head = self.0.ledger.head().size;
            if head != index.looked_for {
                gone.extend(self.recorded_by_others(index)?);
                index.looked_for = head;
            }
            self.forget(index, gone)?;
            let changed = self.0.ledger.store().authority_seqs(index.looked_at, 1)?;
            let retry = std::mem::take(&mut index.retry);
            if changed.is_empty() || !serving {
                return Ok(retry.into_iter().collect());
            }
            index.looked_at = Seq(head.0);
            Ok(index.events())
        })?;
        due.chunks(CHUNK).try_for_each(|events| self.advance(events))
    }

    /// Finds proposals whose events were submitted by another way.
    fn recorded_by_others(&self, index: &Index) -> Result<Vec<EventHash>, ProposalError> {
        let mut found = Vec::new();
        for event in index.events() {
            let under_way = index.item(&event).is_some_and(|item| item.submitting > 0);
            if !under_way && self.0.ledger.store().seq_of_event(&event)?.is_some() {
                found.push(event);
            }
        }
        Ok(found)
    }

    fn forget(&self, index: &mut Index, events: BTreeSet<EventHash>) -> Result<(), ProposalError> {
        if events.is_empty() {
            return Ok(());
        }
        let changes: Vec<_> = events.iter().map(|event| (*event, None)).collect();
        self.0.ledger.write_proposals(&changes)?;
        events.iter().for_each(|event| index.remove(event));
        Ok(())
    }

    /// Submits those of the proposals that are complete, and removes those that are recorded.
    pub(super) fn advance(&self, events: &[EventHash]) -> Result<(), ProposalError> {
        let mut under_way: Vec<(EventHash, Receiver<Result<Recorded, SubmitError>>)> = Vec::new();
        let mut done: Vec<(EventHash, Result<(), SubmitError>)> = Vec::new();
        self.locked(|index| {
            for event in events {
                let Ok(Some((_, prepared))) = self.read(index, event) else { continue };
                let assessment = self.assess(index, &prepared)?;
                match assessment.standing {
                    Standing::Recorded(_) => done.push((*event, Ok(()))),
                    Standing::Complete => {
                        let counting = prepared.signed_by_only(&assessment.counting().collect());
                        match self.submit(counting) {
                            Ok(receiver) => {
                                index.submitting(event);
                                under_way.push((*event, receiver));
                            }
                            Err(_) => drop(index.retry.insert(*event)),
                        }
                    }
                    Standing::Open | Standing::Blocked(_) => {}
                }
            }
            Ok(())
        })?;
        let ended = || SubmitError::Stopped { reason: "the committer ended".to_owned() };
        let submitted: BTreeSet<EventHash> = under_way.iter().map(|(event, _)| *event).collect();
        for (event, receiver) in under_way {
            let outcome = receiver.recv().unwrap_or_else(|_| Err(ended()));
            done.push((event, outcome.map(|_| ())));
        }
        self.locked(|index| self.settle(index, &submitted, done))
    }

    fn submit(&self, prepared: Prepared) -> Result<Receiver<Result<Recorded, SubmitError>>, SubmitError> {
        let (send, receive) = sync_channel(1);
        self.0.ledger.enqueue(prepared, false, move |outcome| {
            // The receiver waits until it is told.
            let _ = send.send(outcome);
        })?;
        Ok(receive)
    }

    /// Notes what became of submitted proposals.
    fn settle(
        &self,
        index: &mut Index,
        submitted: &BTreeSet<EventHash>,
        done: Vec<(EventHash, Result<(), SubmitError>)>,
    ) -> Result<(), ProposalError> {
        submitted.iter().for_each(|event| index.submitted(event));
        let (mut removed, mut stopped) = (BTreeSet::new(), None);
        for (event, outcome) in done {
            match outcome {
                // Another thread may have removed it already.
                Ok(()) if index.item(&event).is_some() => drop(removed.insert(event)),
                Ok(()) => {}
                Err(SubmitError::Refused(refusal)) => index.refused(&event, self.0.ledger.head().size, refusal),
                Err(SubmitError::Busy { .. }) => drop(index.retry.insert(event)),
                Err(SubmitError::Stopped { reason }) => stopped = Some(reason),
            }
        }
        self.forget(index, removed)?;
        stopped.map_or(Ok(()), |reason| Err(ProposalError::Stopped { reason }))
    }
}
