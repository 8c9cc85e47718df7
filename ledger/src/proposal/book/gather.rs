//! Taking proposals and signatures: each is checked, given room, and made durable before anybody is told.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{self, Index, Item};
use super::{Found, ProposalError, Proposals, Signed};
use crate::envelope::{Envelope, MAX_SIGNATURES};
use crate::hash::{EventHash, KeyId};
use crate::proposal::{Assessment, Kept, Standing};
use crate::refusal::{Refusal, RefusalCode};
use crate::submission::{Prepared, Submission};

impl Proposals {
    /// Keeps a proposal, or adds the signatures that one of the same event lacks; records it if that completes it.
    ///
    /// Tells also whether it is new.
    ///
    /// # Errors
    /// When the event could not be recorded whoever signed it, a signature does not count or is not awaited, or there
    /// is no room.
    pub fn propose(&self, submission: Submission) -> Result<(Found, bool), ProposalError> {
        let prepared = self.0.ledger.prepare_unfinished(submission.clone())?;
        let event = prepared.event_hash();
        let new = self.locked(|index| {
            self.check_serving()?;
            if self.0.ledger.store().seq_of_event(&event)?.is_some() {
                return Ok(false);
            }
            let (kept, new) = match self.read(index, &event)? {
                Some((kept, known)) => (self.with_awaited(&kept, &known, &prepared)?, false),
                None => (self.new_kept(index, submission, &prepared)?, true),
            };
            self.room(index, &BTreeMap::new(), &event, &kept)?;
            self.keep(index, &[(event, kept)].into())?;
            Ok(new)
        })?;
        self.advance(&[event])?;
        Ok((self.get(&event)?.ok_or(ProposalError::Unknown { event })?, new))
    }

    pub(super) fn kept_now(&self, submission: Submission, prepared: &Prepared, assessment: &Assessment) -> Kept {
        let proposed = self.0.ledger.next_position().time;
        let charged = index::charge(prepared.event(), &assessment.signers);
        let expires = self.0.limits.expiry(proposed, prepared.event().until, charged.is_some());
        Kept { proposed, expires, charged, submission }
    }

    fn new_kept(&self, index: &Index, submission: Submission, prepared: &Prepared) -> Result<Kept, ProposalError> {
        let assessment = self.assess(index, prepared)?;
        if let Standing::Blocked(refusal) = assessment.standing {
            return Err(ProposalError::Refused(refusal));
        }
        if let Some((_, refusal)) = assessment.dropped.first() {
            return Err(refusal.clone().into());
        }
        Ok(self.kept_now(submission, prepared, &assessment))
    }

    /// Adds those signatures of `offered` that are awaited, one after the other.
    fn with_awaited(&self, kept: &Kept, known: &Prepared, offered: &Prepared) -> Result<Kept, ProposalError> {
        let have = known.keyids();
        let new: Vec<_> =
            offered.envelope().signatures().iter().filter(|(keyid, _)| !have.contains(keyid)).copied().collect();
        let (mut kept, mut refused) = (kept.clone(), None);
        let mut added = new.is_empty();
        for (keyid, signature) in new {
            match self.add(&kept, &Signed { event: offered.event_hash(), keyid, signature }) {
                Ok(more) => (kept, added) = (more, true),
                Err(ProposalError::Refused(refusal)) => refused = Some(refusal),
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(refusal) if !added => Err(ProposalError::Refused(refusal)),
            _ => Ok(kept),
        }
    }

    /// Adds signatures to proposals, in one synced write, and records those that are complete then. Each is taken or
    /// refused by itself, in order.
    ///
    /// # Errors
    /// When the store fails or the ledger has stopped: then none is known to be kept.
    pub fn sign(&self, signatures: &[Signed]) -> Result<Vec<Result<Found, ProposalError>>, ProposalError> {
        let mut outcomes: Vec<Result<(), ProposalError>> = Vec::with_capacity(signatures.len());
        self.locked(|index| {
            self.check_serving()?;
            let mut changed: BTreeMap<EventHash, Kept> = BTreeMap::new();
            for signed in signatures {
                let outcome = self.add_to(index, &changed, signed);
                outcomes.push(match outcome {
                    Ok(None) => Ok(()),
                    Ok(Some(kept)) => match self.room(index, &changed, &signed.event, &kept) {
                        Ok(()) => {
                            changed.insert(signed.event, kept);
                            Ok(())
                        }
                        Err(refusal) => Err(refusal.into()),
                    },
                    Err(error @ ProposalError::Store(_)) => return Err(error),
                    Err(error) => Err(error),
                });
            }
            self.keep(index, &changed)
        })?;
        let events: BTreeSet<EventHash> = signatures.iter().map(|signed| signed.event).collect();
        self.advance(&events.into_iter().collect::<Vec<_>>())?;
        let found = signatures.iter().zip(outcomes).map(|(signed, outcome)| {
            outcome?;
            self.get(&signed.event)?.ok_or(ProposalError::Unknown { event: signed.event })
        });
        Ok(found.collect())
    }

    /// Finds what one signature makes of its proposal; `None` when there is nothing to add.
    fn add_to(
        &self,
        index: &Index,
        changed: &BTreeMap<EventHash, Kept>,
        signed: &Signed,
    ) -> Result<Option<Kept>, ProposalError> {
        if self.0.ledger.store().seq_of_event(&signed.event)?.is_some() {
            return Ok(None);
        }
        let kept = match changed.get(&signed.event) {
            Some(kept) => kept.clone(),
            None => {
                let read = self.read(index, &signed.event)?;
                read.ok_or(ProposalError::Unknown { event: signed.event })?.0
            }
        };
        if kept.submission.envelope.signatures().contains(&(signed.keyid, signed.signature)) {
            return Ok(None);
        }
        self.add(&kept, signed).map(Some)
    }

    /// Adds one signature that is valid, counts and is awaited.
    fn add(&self, kept: &Kept, signed: &Signed) -> Result<Kept, ProposalError> {
        let ledger = &self.0.ledger;
        let before = ledger.prepare_unfinished(kept.submission.clone())?;
        let assessment = self.assess_at_head(&before)?;
        let mut signatures = kept.submission.envelope.signatures().to_vec();
        if signatures.len() >= MAX_SIGNATURES {
            // What does not count gives way.
            let dropped = |keyid: &KeyId| assessment.dropped.iter().any(|(other, _)| other == keyid);
            signatures.retain(|(keyid, _)| !dropped(keyid));
        }
        signatures.push((signed.keyid, signed.signature));
        let envelope = Envelope::new(before.envelope().payload().to_vec(), signatures).map_err(Refusal::from)?;
        let submission = Submission { envelope, disclosures: kept.submission.disclosures.clone() };
        let after = ledger.prepare_unfinished(submission.clone())?;
        if let Standing::Blocked(refusal) = assessment.standing {
            return Err(ProposalError::Refused(refusal));
        }
        let worth = self.assess_at_head(&after)?;
        if let Some((_, refusal)) = worth.dropped.iter().find(|(keyid, _)| *keyid == signed.keyid) {
            return Err(refusal.clone().into());
        }
        let at = ledger.next_position();
        let standing = ledger.with_authority(|authority| authority.standing_in(at, &after, &signed.keyid));
        if !assessment.awaited.has(&signed.keyid, &standing?) {
            return Err(not_awaited(&assessment, &signed.keyid).into());
        }
        let charged = kept.charged.clone().or_else(|| index::charge(after.event(), &worth.signers));
        let expires = match (&kept.charged, &charged) {
            (None, Some(_)) => self.0.limits.expiry(kept.proposed, after.event().until, true),
            _ => kept.expires,
        };
        Ok(Kept { proposed: kept.proposed, expires, charged, submission })
    }

    /// Makes the records durable, and then shows them. Whoever calls this has checked that there is room.
    fn keep(&self, index: &mut Index, changed: &BTreeMap<EventHash, Kept>) -> Result<(), ProposalError> {
        if changed.is_empty() {
            return Ok(());
        }
        let changes: Vec<_> = changed.iter().map(|(event, kept)| (*event, Some(kept.to_record()))).collect();
        self.0.ledger.write_proposals(&changes)?;
        changed.iter().for_each(|(event, kept)| index.put(*event, Item::of(kept)));
        Ok(())
    }

    /// Checks that one more change has room beside those already made.
    ///
    /// Only what is new, or comes on another account, can lack room: signatures take none, or a party near its bounds
    /// could complete nothing.
    fn room(
        &self,
        index: &Index,
        changed: &BTreeMap<EventHash, Kept>,
        event: &EventHash,
        kept: &Kept,
    ) -> Result<(), Refusal> {
        let now = self.0.ledger.next_position().time;
        let moves = |event: &EventHash, kept: &Kept| {
            index.item(event).is_none_or(|known| known.expires < now || known.charged != kept.charged)
        };
        if !moves(event, kept) {
            return Ok(());
        }
        let others = changed.iter().filter(|(other, kept)| *other != event && moves(other, kept));
        let items: Vec<_> = others.chain([(event, kept)]).map(|(event, kept)| (*event, Item::of(kept))).collect();
        index.check_room(&items, &self.0.limits, now)
    }
}

fn not_awaited(assessment: &Assessment, keyid: &KeyId) -> Refusal {
    let expected = match assessment.awaited.missing.join("; ") {
        missing if missing.is_empty() => "no further signature: it is complete".to_owned(),
        missing => missing,
    };
    Refusal::new(RefusalCode::NotAwaited, expected, format!("one by {keyid}"))
        .at("/signatures")
        .hint("to have others sign beside those whom the rule asks for, draft it anew with `signers`")
}
