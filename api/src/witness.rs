//! A witness: cosigns checkpoints of the ledgers that it follows, and never two that contradict one another (C2SP
//! tlog-witness, tlog-cosignature; SPEC §7).
//!
//! What is cosigned is durable before the cosignature leaves: [`Followed::cosign`] checks against what is held, writes
//! the new state and only then lets the line go, all under one lock a ledger. A process that is killed between has
//! cosigned nothing that its state does not name.
//!
//! A cosignature's time is the clock's, and never before that of an earlier cosignature of the same ledger: while the
//! clock is behind, nothing is cosigned. A witness that was restored from an old copy may cosign a smaller tree than
//! before, or another one; then its own cosignatures convict it, since the later time names the smaller or another tree.
//!
//! It stands behind the feature `server`, although a plain witness needs no RocksDB: it shares the server's HTTP parts,
//! and an auditor keeps its copies of ledgers in the same store.

mod audit;
mod folder;
mod run;
mod service;
mod state;

pub use folder::{LedgerConfig, MAX_LEDGERS, MAX_LOG_KEYS, WitnessFolder, key_file};
pub use run::{Options, run};
pub use state::{State, StateError};

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use countersign_ledger::checkpoint::{Cosigner, SignedCheckpoint};
use countersign_ledger::id::{Origin, TreeSize};
use countersign_ledger::note::{Note, NoteSignature, Vkey};
use countersign_ledger::time::Clock;
use countersign_ledger::witness::{Held, Submitted, WitnessRefusal};

use crate::failure::Failure;
use crate::files;

/// A ledger that is followed, and what was cosigned of it.
pub struct Followed {
    origin: Origin,
    keys: RwLock<Vec<Vkey>>,
    state_file: PathBuf,
    fork_file: PathBuf,
    cosigner: Arc<Cosigner>,
    clock: Arc<dyn Clock>,
    tracked: Mutex<Tracked>,
}

/// What is held of a ledger, and whether the file is known to say the same.
#[derive(Debug)]
struct Tracked {
    state: State,
    in_doubt: bool,
}

/// Tells why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotCosigned {
    /// The specification forbids it.
    #[error(transparent)]
    Refused(#[from] WitnessRefusal),
    /// An auditor found the ledger false.
    #[error("this auditor refuses the ledger for good: {reason}")]
    ForGood {
        /// What it found.
        reason: String,
    },
    /// The clock is behind the latest cosignature.
    #[error("the clock of this witness is {seconds} s behind its latest cosignature of this ledger")]
    ClockBehind {
        /// By how much.
        seconds: u64,
    },
    /// The witness's key gave no signature.
    #[error("the key of this witness did not sign: {reason}")]
    NotSigned {
        /// What was said.
        reason: String,
    },
    /// The state cannot be kept, so nothing may be cosigned.
    #[error("what this witness holds of the ledger cannot be kept: {reason}")]
    NotKept {
        /// What the system said.
        reason: String,
    },
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Followed {
    /// Goes on from what was cosigned of a ledger.
    ///
    /// # Errors
    /// When its state is missing or damaged.
    pub fn open(
        folder: &WitnessFolder,
        config: &LedgerConfig,
        cosigner: Arc<Cosigner>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let origin = config.origin.clone();
        let state = folder.state(&origin).map_err(|error| folder.state_failure(&error))?;
        Ok(Self {
            state_file: folder.state_file(&origin),
            fork_file: folder.fork_file(&origin),
            origin,
            keys: RwLock::new(config.log_keys.clone()),
            cosigner,
            clock,
            tracked: Mutex::new(Tracked { state, in_doubt: false }),
        })
    }

    /// Returns the ledger's name.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the keys of its log.
    #[must_use]
    pub fn keys(&self) -> Vec<Vkey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what is held, and whether it is known to be durable.
    #[must_use]
    pub fn state(&self) -> (State, bool) {
        let tracked = self.lock();
        (tracked.state.clone(), !tracked.in_doubt)
    }

    /// Checks whether a checkpoint could be cosigned now. Decides nothing: [`Followed::cosign`] asks again. Keeps a fork, as that does.
    ///
    /// # Errors
    /// As [`Followed::cosign`], but for the disk.
    pub fn would_cosign(&self, submitted: &Submitted) -> Result<(), NotCosigned> {
        let tracked = self.lock();
        self.check_for_fork(&tracked.state, submitted).map(|_| ())
    }

    /// Cosigns a checkpoint: checks that it extends what is held, makes it what is held, durably, and returns the line.
    ///
    /// The same checkpoint again, within the second, writes nothing: the file says so already.
    ///
    /// # Errors
    /// When it does not extend what is held, the clock is behind, or the state cannot be kept.
    pub fn cosign(&self, submitted: &Submitted) -> Result<NoteSignature, NotCosigned> {
        let mut tracked = self.lock();
        self.settle(&mut tracked)?;
        let now = self.check_for_fork(&tracked.state, submitted)?;
        let not_kept = |reason: String| NotCosigned::NotKept { reason };
        let checkpoint = self.signed_by_log(submitted.checkpoint()).map_err(not_kept)?;
        let line = self.cosigner.cosign(&checkpoint, now).map_err(|error| {
            tracing::error!(origin = %self.origin, %error, "the witness's key did not sign");
            NotCosigned::NotSigned { reason: error.to_string() }
        })?;
        let latest = checkpoint.with_signature(line.clone()).map_err(|e| not_kept(e.to_string()))?;
        if tracked.state.time == now && tracked.state.held() == Held::from(latest.checkpoint()) {
            return Ok(line);
        }
        let state = State { time: now, refused: None, latest: Some(latest) };
        self.write(&mut tracked, state)?;
        Ok(line)
    }

    /// Accepts these keys of the log from now on.
    fn accept_keys(&self, keys: Vec<Vkey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Refuses the ledger for good.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub fn refuse_for_good(&self, reason: &str) -> Result<(), NotCosigned> {
        let mut tracked = self.lock();
        self.settle(&mut tracked)?;
        let state = State { refused: Some(State::reason(reason)), ..tracked.state.clone() };
        self.write(&mut tracked, state)
    }

    /// As [`Followed::check`]; keeps a second tree of the size held.
    fn check_for_fork(&self, state: &State, submitted: &Submitted) -> Result<u64, NotCosigned> {
        let checked = self.check(state, submitted);
        if let Err(NotCosigned::Refused(WitnessRefusal::TwoRoots { .. })) = &checked {
            self.keep_fork(submitted.checkpoint());
        }
        checked
    }

    /// Checks what may be cosigned, and returns the time to cosign it at.
    fn check(&self, state: &State, submitted: &Submitted) -> Result<u64, NotCosigned> {
        if let Some(reason) = &state.refused {
            return Err(NotCosigned::ForGood { reason: reason.clone() });
        }
        submitted.extends(&state.held())?;
        // before 1970 the clock is behind anything
        let now = u64::try_from(self.clock.now().unix_millis() / 1_000).unwrap_or(0);
        match state.time.checked_sub(now) {
            Some(seconds) if seconds > 0 => Err(NotCosigned::ClockBehind { seconds }),
            _ => Ok(now),
        }
    }

    /// Leaves of a checkpoint's signatures those of the log's known keys: a submitter may add any others.
    fn signed_by_log(&self, checkpoint: &SignedCheckpoint) -> Result<SignedCheckpoint, String> {
        let (keys, note) = (self.keys(), checkpoint.note());
        let lines = note.signatures().iter().filter(|line| keys.iter().any(|key| line.is_by(key)));
        let mut kept: Vec<NoteSignature> = Vec::new();
        for line in lines {
            if !kept.contains(line) {
                kept.push(line.clone());
            }
        }
        let note = Note::new(note.text().to_owned(), kept).map_err(|e| e.to_string())?;
        SignedCheckpoint::from_note(note).map_err(|e| e.to_string())
    }

    /// Makes a state what is held. Until the file is known to say so, nothing more is cosigned.
    fn write(&self, tracked: &mut Tracked, state: State) -> Result<(), NotCosigned> {
        tracked.in_doubt = true;
        state.write(&self.state_file, self.cosigner.vkey(), &self.origin).map_err(|failure| {
            tracing::error!(origin = %self.origin, %failure, "what was to be cosigned could not be kept");
            NotCosigned::NotKept { reason: failure.message }
        })?;
        *tracked = Tracked { state, in_doubt: false };
        Ok(())
    }

    /// After a write that failed: reads what the file says now, and makes it durable.
    fn settle(&self, tracked: &mut Tracked) -> Result<(), NotCosigned> {
        if !tracked.in_doubt {
            return Ok(());
        }
        let state = State::read(&self.state_file, self.cosigner.vkey(), &self.origin)
            .map_err(|error| NotCosigned::NotKept { reason: error.to_string() })?;
        self.write(tracked, state)
    }

    /// Keeps the first checkpoint that the log signed beside the one held: with that one it proves a fork.
    fn keep_fork(&self, checkpoint: &SignedCheckpoint) {
        let size = checkpoint.checkpoint().size;
        tracing::error!(origin = %self.origin, %size, "the log signed two trees of one size");
        if self.fork_file.symlink_metadata().is_ok() {
            return;
        }
        let kept = self.signed_by_log(checkpoint).map_err(Failure::usage);
        if let Err(failure) = kept.and_then(|kept| files::create_new(&self.fork_file, kept.to_string().as_bytes())) {
            tracing::error!(origin = %self.origin, %failure, "the second checkpoint could not be kept");
        }
    }

    /// Returns the size held.
    fn size(&self) -> TreeSize {
        self.lock().state.held().size
    }

    fn lock(&self) -> MutexGuard<'_, Tracked> {
        // a panic while it was held has changed nothing that the file does not say, or left it in doubt
        self.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
