//! Seals that the server makes: when it is asked, and at an interval (SPEC §15).
//!
//! Anybody may ask, so it is bounded: nothing is sealed twice, and one seal follows another only after a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_ledger::append::{Ledger, Recorded, SubmitError};
use countersign_ledger::id::PartyId;
use countersign_ledger::keys::Signer;
use countersign_ledger::refusal::{Refusal, RefusalCode};
use countersign_ledger::store::StoreError;
use countersign_ledger::time::Time;

/// How a server seals.
#[derive(Debug, Clone)]
pub struct SealOptions {
    /// The key of an operator party.
    pub key: Arc<dyn Signer>,
    /// How long after a seal the next one is made without being asked for.
    pub every: Duration,
    /// How long after a seal nobody gets another by asking.
    pub gap: Duration,
}

/// Makes seals for a ledger.
#[derive(Debug)]
pub(crate) struct Sealing {
    options: SealOptions,
    /// When a seal was last made, or tried. Held while one is made on demand: whoever asks meanwhile gets that one.
    last: Mutex<Option<Time>>,
    began: Time,
}

/// Why no seal was made.
#[derive(Debug)]
pub(crate) enum NotSealed {
    /// One was made a moment ago, and something was recorded since.
    TooSoon {
        /// After how many seconds there may be another.
        seconds: u64,
    },
    /// The ledger does not take it.
    Submit(SubmitError),
}

impl Sealing {
    /// Begins to seal for a ledger: the interval counts from its newest seal, or from now.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn new(options: SealOptions, ledger: &Ledger) -> Result<Self, StoreError> {
        let newest = ledger.newest_seal().map(|seq| ledger.entry(seq)).transpose()?.flatten();
        Ok(Self { options, last: Mutex::new(newest.map(|entry| entry.time)), began: ledger.next_position().time })
    }

    /// Tells whose seals these are, and why they are not admitted if they are not.
    pub(crate) fn standing(&self, ledger: &Ledger) -> Result<PartyId, Refusal> {
        let sealer = ledger.sealer(&self.options.key).ok_or_else(|| self.unknown())?;
        ledger.check_sealer(&sealer)?;
        Ok(sealer.party)
    }

    fn unknown(&self) -> Refusal {
        let found = format!("key {}, which is no party's", self.options.key.public().id());
        Refusal::new(RefusalCode::UnknownKey, "the key of a party of the ledger to seal with", found)
            .hint("have the operator enrolled: `countersign party enroll PARTY --capacity operator`")
    }

    fn last(&self) -> MutexGuard<'_, Option<Time>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals because somebody asks; gives the newest seal where nothing was recorded since.
    ///
    /// # Errors
    /// When one was made a moment ago, or the ledger does not take it.
    pub(crate) fn on_demand(&self, ledger: &Ledger) -> Result<Recorded, NotSealed> {
        let mut last = self.last();
        let now = ledger.next_position().time;
        let left = last.map_or(0, |last| millis(self.options.gap) - (now.unix_millis() - last.unix_millis()));
        if left > 0 && !is_sealed(ledger) {
            let seconds = u64::try_from(left).unwrap_or_default().div_ceil(1_000);
            return Err(NotSealed::TooSoon { seconds });
        }
        self.seal(ledger, &mut last).map_err(NotSealed::Submit)
    }

    /// Seals because the interval is over and something was recorded; `None` where it is not time.
    pub(crate) fn if_due(&self, ledger: &Ledger) -> Option<Result<Recorded, SubmitError>> {
        let mut last = self.last();
        let now = ledger.next_position().time;
        let since = now.unix_millis() - last.unwrap_or(self.began).unix_millis();
        let due = since >= millis(self.options.every) && !is_sealed(ledger);
        due.then(|| self.seal(ledger, &mut last))
    }

    fn seal(&self, ledger: &Ledger, last: &mut Option<Time>) -> Result<Recorded, SubmitError> {
        let sealer = ledger.sealer(&self.options.key).ok_or_else(|| self.unknown())?;
        let result = ledger.seal(&sealer);
        match &result {
            Ok(recorded) => *last = Some(recorded.time),
            // it will be refused again: not before the next time
            Err(SubmitError::Refused(_)) => *last = Some(ledger.next_position().time),
            Err(_) => {}
        }
        result
    }
}

/// Tells whether the newest entry is a seal.
fn is_sealed(ledger: &Ledger) -> bool {
    let size = ledger.head().size;
    ledger.newest_seal().is_some_and(|seq| seq.0 + 1 >= size.0)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
