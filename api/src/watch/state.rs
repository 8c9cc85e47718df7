//! The state file: the last verified checkpoint, and what the records do not say. Written whole or not at all.

use std::path::Path;

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::id::Seq;
use countersign_ledger::json;
use countersign_ledger::keys::{PublicKey, decode_base64, encode_base64};
use countersign_ledger::note::Vkey;
use countersign_ledger::time::Time;
use serde::{Deserialize, Serialize};

use super::fold::{Fold, LogKey};
use crate::failure::Failure;
use crate::files;

/// The largest state file that is read: keys of some hundred thousand officers.
const MAX_STATE: usize = 64 << 20;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    countersign_watch: u8,
    pub(super) ledger: LedgerId,
    pub(super) checkpoint: SignedCheckpoint,
    created: String,
    time: Time,
    governance: Option<Seq>,
    closed: Option<Seq>,
    log_keys: Vec<KeptLogKey>,
    keys: Vec<PublicKey>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptLogKey {
    seq: Seq,
    vkey: Vkey,
    entry: String,
    /// The entry under a checkpoint that a key before it signed.
    proof: Option<String>,
}

impl State {
    /// Reads the file; `None` when there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        if !path.exists() {
            return Ok(None);
        }
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::usage(format_args!("{} is no state of a watch: {why}", path.display()))
                .hint("it is written whole or not at all: keep it, look at the disk, and begin another")
        };
        let bytes = files::read(path, MAX_STATE)?;
        let value = json::parse(bytes.trim_ascii(), 4).map_err(|e| wrong(&e))?;
        let state: Self = serde_json::from_value(value).map_err(|e| wrong(&e))?;
        match state.countersign_watch {
            1 => Ok(Some(state)),
            other => Err(wrong(&format_args!("version {other}"))),
        }
    }

    /// What is to be kept of a fold, under the checkpoint that it was verified with.
    pub(super) fn of(fold: &Fold, proofs: &[Option<String>], checkpoint: &SignedCheckpoint) -> Option<Self> {
        let kept = |(key, proof): (&LogKey, &Option<String>)| KeptLogKey {
            seq: key.seq,
            vkey: key.vkey.clone(),
            entry: key.line.clone(),
            proof: proof.clone(),
        };
        let mut keys: Vec<PublicKey> = fold.keys.values().copied().collect();
        keys.sort_by_key(|key| *key.as_bytes());
        Some(Self {
            countersign_watch: 1,
            ledger: fold.ledger,
            checkpoint: checkpoint.clone(),
            created: encode_base64(&fold.created),
            time: fold.time?,
            governance: fold.governance,
            closed: fold.closed,
            log_keys: fold.log_keys.iter().zip(proofs).map(kept).collect(),
            keys,
        })
    }

    /// Gives a fold back what the records do not say; returns what shows each log key to be the log's.
    pub(super) fn restore(self, fold: &mut Fold) -> Option<Vec<Option<String>>> {
        fold.created = decode_base64(&self.created)?;
        fold.time = Some(self.time);
        fold.governance = self.governance;
        fold.closed = self.closed;
        fold.keys = self.keys.into_iter().map(|key| (key.id(), key)).collect();
        let mut proofs = Vec::new();
        for kept in self.log_keys {
            fold.log_keys.push(LogKey { seq: kept.seq, vkey: kept.vkey, line: kept.entry });
            proofs.push(kept.proof);
        }
        (!proofs.is_empty()).then_some(proofs)
    }

    /// Writes the file, durably.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        files::replace(path, text.as_bytes())?;
        sync_folder(path);
        Ok(())
    }
}

/// Makes a rename durable, where the system can.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // an older state is one that was verified too: losing the rename costs a repetition, no more
    if let Ok(folder) = std::fs::File::open(folder) {
        let _ = folder.sync_all();
    }
}
