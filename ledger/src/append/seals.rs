//! Seals of the running ledger: the streams as they are, carried on from one seal to the next, and as they were sealed.
//!
//! Nothing is counted before a seal is made or asked for. Counting happens beside the committer, which only adds what
//! came meanwhile; the lock below is never held for longer than it takes to copy a handle.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Ledger, Recorded, Shared, SubmitError, What};
use crate::authority::KeyUse;
use crate::event::Event;
use crate::id::{Seq, TreeSize};
use crate::keys::Signer;
use crate::refusal::{Refusal, RefusalCode};
use crate::seal::{MakeSealError, SEAL_KIND, SEAL_TYPE, Sealer, Streams, advance};
use crate::store::{Store, StoreError};

/// A recorded seal, and the streams that it commits to: proofs come from them.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Its entry.
    pub seq: Seq,
    /// The streams of the entries before it.
    pub streams: Streams,
}

#[derive(Debug, Default)]
pub(super) struct Seals {
    known: Mutex<Known>,
    /// Held by whoever counts, so that it is done once. The committer does not take it.
    counting: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// The newest streams that were counted, of durable entries only.
    live: Option<Streams>,
    /// The newest seal whose streams are known.
    sealed: Option<Sealed>,
}

impl Seals {
    fn known(&self) -> MutexGuard<'_, Known> {
        // What is kept is replaced whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live(&self) -> Option<Streams> {
        self.known().live.clone()
    }

    /// Keeps what was counted, unless something newer is there.
    pub(super) fn keep(&self, live: Option<Streams>, sealed: Option<Sealed>) {
        let mut known = self.known();
        if let Some(live) = live.filter(|live| known.live.as_ref().is_none_or(|known| known.size() < live.size())) {
            known.live = Some(live);
        }
        if let Some(sealed) = sealed.filter(|new| known.sealed.as_ref().is_none_or(|known| known.seq < new.seq)) {
            known.sealed = Some(sealed);
        }
    }
}

impl From<MakeSealError> for Refusal {
    fn from(error: MakeSealError) -> Self {
        match error {
            MakeSealError::Party(_) => {
                Self::new(RefusalCode::WrongSubject, "a party that can begin the subject of a seal", error.to_string())
            }
            MakeSealError::Sign(error) => {
                Self::new(RefusalCode::SealKeyUnavailable, "a signature by the key of --seal-key", error.to_string())
            }
        }
    }
}

/// Finds the newest seal of a store.
pub(super) fn newest(store: &dyn Store) -> Result<Option<Seq>, StoreError> {
    for seq in store.case_seqs(None, Some(SEAL_TYPE))?.into_iter().rev() {
        let corrupt = |reason: String| StoreError::Corrupt { place: format!("entry {seq}"), reason };
        let entry = crate::pending::entry_at(store, seq)?.ok_or_else(|| corrupt("it is missing".to_owned()))?;
        let event = Event::of_envelope(&entry.envelope).map_err(|e| corrupt(e.to_string()))?;
        if event.kind.as_str() == SEAL_KIND {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

impl Shared {
    /// Counts the streams of the durable entries below `size`, from what is known.
    fn count(&self, size: TreeSize) -> Result<Streams, StoreError> {
        let _counting = self.seals.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = advance(self.seals.live(), &*self.store, size)?;
        self.seals.keep(Some(streams.clone()), None);
        Ok(streams)
    }
}

impl Ledger {
    /// Returns the newest seal.
    #[must_use]
    pub fn newest_seal(&self) -> Option<Seq> {
        self.0.shared.read().seal
    }

    /// Returns the newest seal with the streams that it commits to. After a restart they are counted anew, which takes
    /// a second or two for a million entries.
    ///
    /// # Errors
    /// When the store fails.
    pub fn sealed(&self) -> Result<Option<Sealed>, StoreError> {
        let Some(seq) = self.newest_seal() else { return Ok(None) };
        let shared = &self.0.shared;
        let kept = || shared.seals.known().sealed.clone().filter(|sealed| sealed.seq >= seq);
        if let Some(sealed) = kept() {
            return Ok(Some(sealed));
        }
        let sealed = Sealed { seq, streams: shared.count(TreeSize(seq.0))? };
        shared.seals.keep(None, Some(sealed.clone()));
        Ok(Some(sealed))
    }

    /// Finds the party whose seals a key would sign; `None` while the key is in no party's hands.
    #[must_use]
    pub fn sealer(&self, key: &Arc<dyn Signer>) -> Option<Sealer> {
        let keyid = key.public().id();
        self.with_authority(|authority| match &authority.key(&keyid)?.purpose {
            KeyUse::Party(of) => Some(Sealer { party: of.party.clone(), key: Arc::clone(key) }),
            KeyUse::Governance | KeyUse::Log => None,
        })
    }

    /// Tells whether a seal by this party and key would be admitted now, as far as its signature goes.
    ///
    /// # Errors
    /// As [`Ledger::seal`].
    pub fn check_sealer(&self, sealer: &Sealer) -> Result<(), Refusal> {
        let at = self.next_position();
        let envelope = sealer.seal(self.id(), &Streams::default(), None, at.time)?;
        let event = Event::of_envelope(&envelope)?;
        let keyids = [sealer.key.public().id()];
        self.with_authority(|authority| authority.judge(at, &event, None, &keyids, None))?;
        Ok(())
    }

    /// Seals all streams as they are: the streams are counted here, the entry is made by the committer. Where nothing
    /// was recorded since the newest seal, that is given ([`Recorded::repeated`]), and nothing is recorded.
    ///
    /// # Errors
    /// As [`Ledger::submit`]: that the key does not count for a seal, for one.
    pub fn seal(&self, sealer: &Sealer) -> Result<Recorded, SubmitError> {
        let size = self.head().size;
        let unchanged = self.newest_seal().is_some_and(|seq| seq.0 + 1 == size.0);
        if !unchanged {
            let stopped = |e: StoreError| SubmitError::Stopped { reason: e.to_string() };
            self.0.shared.count(size).map_err(stopped)?;
        }
        self.send_and_wait(What::Seal(Box::new(sealer.clone())))
    }
}
