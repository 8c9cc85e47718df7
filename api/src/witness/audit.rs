//! An auditor verifies every entry below a checkpoint before it cosigns (SPEC §11).
//!
//! It keeps a copy of each ledger (`DIR/audit/NAME`), into which entries come only through [`Replay`]: as admission
//! decides, with every check of SPEC §13 that bears on entries. Disclosures are not fetched. The copy may be deleted at any time: it is
//! fetched and verified again.
//!
//! What a server sends is not what a log signed. So an entry is held against the *ledger*, for good, only if the log
//! signed it, and all that it was judged by: if an inclusion proof leads from it, and a consistency proof from the tree
//! before it, to the root of the checkpoint that was to be cosigned. Anything else that does not fit is a server that
//! answers badly, or somebody in between: nothing is cosigned, and it may ask again.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_ledger::append::StoreTiles;
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::{LeafHash, LedgerId, NodeHash};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::merkle::{Frontier, verify_consistency, verify_inclusion};
use countersign_ledger::note::Vkey;
use countersign_ledger::proof::{LogProof, Receipt};
use countersign_ledger::replay::{RecordedEntry, Replay, ReplayError};
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
use countersign_ledger::store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::{Followed, LedgerConfig, WitnessFolder};
use crate::client::{ClientError, EntrySource, Settings};
use crate::failure::Failure;
use crate::files;

/// How long one request to the ledger's server may stand still.
const STANDSTILL: Duration = Duration::from_secs(30);

/// The copy of one ledger, and where it comes from.
#[derive(Debug)]
pub(super) struct Auditor {
    source: EntrySource,
    replay: Arc<tokio::sync::Mutex<Replay>>,
    folder: Arc<WitnessFolder>,
    config: Mutex<LedgerConfig>,
    followed: Arc<Followed>,
}

/// Why a checkpoint is not cosigned, as far as its entries go.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAudited {
    /// The log signed an entry that is false.
    #[error("{reason}")]
    False {
        /// Which entry, which check of SPEC §13, and what was found.
        reason: String,
        /// The entry with the proof that the log signed it, where it can be written as a receipt (SPEC §11).
        receipt: Option<Box<Receipt>>,
    },
    /// The log signed another tree of this size before.
    #[error("the entries that were verified under an earlier checkpoint hash to another root at size {size}")]
    Forked {
        /// The size.
        size: TreeSize,
    },
    /// The key that signed is not the one in force at this size.
    #[error("{reason}")]
    Key {
        /// What was found.
        reason: String,
    },
    /// Entries of a later format.
    #[error("this auditor is too old: {reason}")]
    Newer {
        /// What is newer.
        reason: String,
    },
    /// The server did not send what the log signed.
    #[error("the entries could not be had from the ledger's server: {reason}")]
    Source {
        /// What was wrong.
        reason: String,
    },
    /// The copy failed.
    #[error("this auditor's copy of the ledger failed: {reason}")]
    Copy {
        /// What was said.
        reason: String,
    },
    /// Entries are still being verified.
    #[error("the entries before this checkpoint are still being verified")]
    TooSlow,
    /// The process is stopping.
    #[error("the auditor is stopping")]
    Stopping,
}

impl Auditor {
    /// Opens the copy of a ledger, or begins one.
    ///
    /// # Errors
    /// When the ledger's id or server is not known, or the copy cannot be gone on from.
    pub(super) fn open(
        folder: Arc<WitnessFolder>,
        config: LedgerConfig,
        followed: Arc<Followed>,
    ) -> Result<Self, Failure> {
        let (Some(ledger), Some(server)) = (config.ledger, config.server.clone()) else {
            return Err(Failure::usage(format_args!("it is not known where the entries of {} are", config.origin))
                .hint("an auditor fetches them: add the ledger with --server URL and --ledger ID"));
        };
        let settings = Settings { server, ca_cert: config.ca_cert.clone(), timeout: STANDSTILL, on_wait: None };
        let path = folder.audit_folder(&config.origin);
        let replay = open_copy(&path, ledger).map_err(|error| {
            Failure::refused(format_args!("the copy of {} cannot be gone on from: {error}", config.origin))
                .hint(format_args!("it may be deleted, and is then fetched and verified again: {}", path.display()))
        })?;
        Ok(Self {
            source: EntrySource::new(settings)?,
            replay: Arc::new(tokio::sync::Mutex::new(replay)),
            folder,
            config: Mutex::new(config),
            followed,
        })
    }

    /// Verifies every entry below a checkpoint, waiting at most `patience` for it. What takes longer goes on, so that
    /// the next request finds more of it done.
    ///
    /// # Errors
    /// When an entry is false, or it is not known yet that none is.
    pub(super) async fn verify(
        self: &Arc<Self>,
        checkpoint: SignedCheckpoint,
        patience: Duration,
        stop: CancellationToken,
    ) -> Result<(), NotAudited> {
        let until = tokio::time::Instant::now() + patience;
        let Ok(mut replay) = tokio::time::timeout_at(until, Arc::clone(&self.replay).lock_owned()).await else {
            return Err(NotAudited::TooSlow);
        };
        let auditor = Arc::clone(self);
        let job = tokio::task::spawn_blocking(move || {
            let result = auditor.reach(&mut replay, &checkpoint, &stop);
            auditor.conclude(&result, &replay);
            result
        });
        match tokio::time::timeout_at(until, job).await {
            Err(_) => Err(NotAudited::TooSlow),
            Ok(Err(_)) => Err(NotAudited::Copy { reason: "the verification panicked".to_owned() }),
            Ok(Ok(result)) => result,
        }
    }

    /// Keeps what follows from a verification, whether anybody still waits for it or not.
    fn conclude(&self, result: &Result<(), NotAudited>, replay: &Replay) {
        match result {
            Ok(()) => self.learn(replay),
            Err(NotAudited::False { reason, receipt }) => {
                tracing::error!(origin = %self.followed.origin(), reason, "the log signed a false entry");
                if let Some(receipt) = receipt {
                    self.keep_receipt(receipt);
                }
                if let Err(error) = self.followed.refuse_for_good(reason) {
                    tracing::error!(origin = %self.followed.origin(), %error, "that it is refused could not be kept");
                }
            }
            Err(error) => tracing::warn!(origin = %self.followed.origin(), %error, "not verified"),
        }
    }

    /// Brings the copy to a checkpoint's size, and checks that it is what the log signed.
    fn reach(
        &self,
        replay: &mut Replay,
        checkpoint: &SignedCheckpoint,
        stop: &CancellationToken,
    ) -> Result<(), NotAudited> {
        let size = checkpoint.checkpoint().size;
        // what is ahead of the head was verified and may still not be what the log signed: then it is fetched once more
        for attempt in 0..2 {
            while replay.size() < size {
                if stop.is_cancelled() {
                    return Err(NotAudited::Stopping);
                }
                self.fetch(replay, checkpoint)?;
            }
            if replay.root_at(size).map_err(copy)? == Some(checkpoint.checkpoint().root) {
                return self.accept(replay, checkpoint);
            }
            let head = replay.store().head().map_err(|e| copy(e.into()))?.map_or(TreeSize(0), |head| head.size);
            if head >= size {
                return Err(NotAudited::Forked { size });
            }
            replay.discard().map_err(copy)?;
            tracing::warn!(%size, attempt, "the entries do not lead to the checkpoint, and were discarded");
        }
        Err(NotAudited::Source { reason: "they do not lead to the checkpoint".to_owned() })
    }

    /// Fetches and verifies the next entries.
    fn fetch(&self, replay: &mut Replay, checkpoint: &SignedCheckpoint) -> Result<(), NotAudited> {
        let from = Seq(replay.size().0);
        let lines = self.source.lines(from, checkpoint.checkpoint().size).map_err(|e| source(&e))?;
        let recorded = |line: &Vec<u8>| RecordedEntry { line: line.clone(), disclosures: Vec::new() };
        let Err(error) = replay.push(lines.iter().map(recorded).collect()) else { return Ok(()) };
        let refused = self.judge(&error, replay, (from, &lines), checkpoint).unwrap_or_else(|other| other);
        // what was verified before the entry is kept only below the head
        replay.discard().map_err(copy)?;
        Err(refused)
    }

    /// Finds out whether the log signed an entry that was refused, and those before it.
    ///
    /// `lines` are those that were pushed last, the first of them entry `from`.
    fn judge(
        &self,
        error: &ReplayError,
        replay: &Replay,
        (from, lines): (Seq, &[Vec<u8>]),
        checkpoint: &SignedCheckpoint,
    ) -> Result<NotAudited, NotAudited> {
        let seq = match error {
            ReplayError::Malformed { seq, .. }
            | ReplayError::Differs { seq, .. }
            | ReplayError::Refused { seq, .. } => *seq,
            ReplayError::Ledger { .. } => Seq(0),
            ReplayError::Newer { .. } => return Err(NotAudited::Newer { reason: error.to_string() }),
            _ => return Err(NotAudited::Copy { reason: error.to_string() }),
        };
        let unknown = || NotAudited::Copy { reason: error.to_string() };
        let (before, line) = split(replay, lines, from, seq).ok_or_else(unknown)?;
        let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
        let not_signed = || NotAudited::Source { reason: format!("not what the log signed: {error}") };
        if let Some(before) = before {
            let proof = self.source.consistency(TreeSize(seq.0), size).map_err(|e| source(&e))?;
            verify_consistency(TreeSize(seq.0), size, &before, &root, &proof).map_err(|_| not_signed())?;
        }
        let proof = self.source.inclusion(seq, size).map_err(|e| source(&e))?;
        verify_inclusion(seq, size, &LeafHash::of_line(line), &proof, &root).map_err(|_| not_signed())?;
        let check = error.check().map(|check| format!("{check}: ")).unwrap_or_default();
        let receipt = LogProof::new(seq, proof, checkpoint.clone()).ok().and_then(|proof| {
            let line = String::from_utf8(line.clone()).ok()?;
            Receipt::new(line, proof, Vec::new()).ok().map(Box::new)
        });
        Ok(NotAudited::False { reason: format!("{check}{error}, under the checkpoint of size {size}"), receipt })
    }

    /// Checks that the key in force signed, and makes the checkpoint the copy's if it is of its size.
    fn accept(&self, replay: &mut Replay, checkpoint: &SignedCheckpoint) -> Result<(), NotAudited> {
        let unsigned = |error: ReplayError| match error {
            ReplayError::Unsigned { .. } => NotAudited::Key { reason: error.to_string() },
            other => copy(other),
        };
        replay.check_signature(checkpoint).map_err(unsigned)?;
        if replay.size() == checkpoint.checkpoint().size {
            replay.accept(checkpoint).map_err(unsigned)?;
        }
        Ok(())
    }

    /// Accepts the log keys that the verified entries name: from now on, also after a restart.
    fn learn(&self, replay: &Replay) {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let named = replay.authority().log_keys().iter().map(|(_, key)| key);
        let new: Vec<Vkey> = named.filter(|key| !config.log_keys.contains(key)).cloned().collect();
        if new.is_empty() {
            return;
        }
        config.log_keys.extend(new);
        self.followed.accept_keys(config.log_keys.clone());
        if let Err(failure) = self.folder.update(&config) {
            tracing::error!(origin = %config.origin, %failure, "a log key that was learnt could not be kept");
        }
    }

    /// Keeps what shows that the log signed a false entry, unless there is such a file already.
    fn keep_receipt(&self, receipt: &Receipt) {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.receipt_file(&config.origin);
        if path.symlink_metadata().is_err()
            && let Err(failure) = files::create_new(&path, receipt.to_json().as_bytes())
        {
            tracing::error!(origin = %config.origin, %failure, "the receipt of a false entry could not be kept");
        }
    }
}

/// Opens a copy, or makes an empty one.
fn open_copy(path: &Path, ledger: LedgerId) -> Result<Replay, ReplayError> {
    let options = RocksOptions::default();
    let store: Arc<dyn Store> = match RocksStore::open(path, TreeSize(0), &options) {
        Err(StoreError::Missing { .. }) => Arc::new(RocksStore::create(path, &options)?),
        other => Arc::new(other?),
    };
    Replay::open(store, ledger)
}

/// Finds a line that was refused, and the root of the tree before it; none before entry 0. Of the lines that were pushed
/// at once, some may be in the copy already.
fn split<'a>(replay: &Replay, lines: &'a [Vec<u8>], from: Seq, seq: Seq) -> Option<(Option<NodeHash>, &'a Vec<u8>)> {
    let place = |seq: u64| seq.checked_sub(from.0).and_then(|at| usize::try_from(at).ok());
    let line = lines.get(place(seq.0)?)?;
    if seq.0 == 0 {
        return Some((None, line));
    }
    let stored = replay.size();
    let whole = replay.store().with_ahead();
    let mut tree = Frontier::open(&StoreTiles(&*whole), stored).ok()?;
    let more: Vec<LeafHash> =
        lines.get(place(stored.0)?..place(seq.0)?)?.iter().map(|line| LeafHash::of_line(line)).collect();
    tree.append(&more).ok()?;
    Some((Some(tree.root()), line))
}

fn copy(error: ReplayError) -> NotAudited {
    NotAudited::Copy { reason: error.to_string() }
}

fn source(error: &ClientError) -> NotAudited {
    NotAudited::Source { reason: error.to_string() }
}
