//! What a witness must not forget of a ledger: one small file, replaced whole.
//!
//! ```text
//! countersign witness-state 1
//! <SHA-256 of all that follows, hex>
//! <the witness's vkey>
//! <the ledger's origin>
//! <seconds since 1970 of the latest cosignature; 0 before the first>
//! <why an auditor refuses this ledger for good, as a JSON string; or ->
//! <the checkpoint cosigned last, with the log's signatures and the cosignature; nothing before the first>
//! ```
//!
//! The file is made when the ledger is added. A ledger that was added and has no such file, or one that is damaged, is
//! refused: to begin again at size 0 would be to cosign a second history.

use std::io;
use std::path::{Path, PathBuf};

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::{FileHash, sha256};
use countersign_ledger::id::Origin;
use countersign_ledger::note::{MAX_NOTE_BYTES, Vkey};
use countersign_ledger::witness::Held;

use crate::failure::Failure;
use crate::files;

const MAGIC: &str = "countersign witness-state 1\n";
/// The longest file that is read.
const MAX_STATE: usize = MAX_NOTE_BYTES + (16 << 10);
/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 1_000;

/// What is known of one ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// When the latest cosignature was made, in seconds since 1970; 0 before the first.
    pub time: u64,
    /// Why an auditor refuses this ledger for good.
    pub refused: Option<String>,
    /// What was cosigned last, with the cosignature.
    pub latest: Option<SignedCheckpoint>,
}

/// Tells why a state file cannot be gone on from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There is none.
    #[error("the state file {path} of {origin} is missing")]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// The ledger.
        origin: Origin,
    },
    /// It cannot be read.
    #[error("cannot read the state file {path}: {reason}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It is not what was written.
    #[error("the state file {path} of {origin} is damaged: {reason}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The ledger.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
}

impl State {
    /// Returns the state of a ledger that was never cosigned.
    #[must_use]
    pub const fn fresh() -> Self {
        Self { time: 0, refused: None, latest: None }
    }

    /// Returns the tree that was cosigned last.
    #[must_use]
    pub fn held(&self) -> Held {
        self.latest.as_ref().map_or_else(Held::nothing, |latest| Held::from(latest.checkpoint()))
    }

    /// Shortens a reason to what a state keeps.
    #[must_use]
    pub fn reason(text: &str) -> String {
        text.chars().take(MAX_REASON).collect()
    }

    /// Reads the state of `origin`, as kept by the witness with this key.
    ///
    /// # Errors
    /// When the file is missing, not what was written, or of another witness or ledger.
    pub fn read(path: &Path, witness: &Vkey, origin: &Origin) -> Result<Self, StateError> {
        let missing = || StateError::Missing { path: path.to_owned(), origin: origin.clone() };
        match path.symlink_metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(missing()),
            _ => {}
        }
        let bytes = files::read(path, MAX_STATE)
            .map_err(|failure| StateError::Io { path: path.to_owned(), reason: failure.message })?;
        Self::parse(&bytes, witness, origin).map_err(|reason| StateError::Damaged {
            path: path.to_owned(),
            origin: origin.clone(),
            reason,
        })
    }

    /// Puts the state in its place, durably: the file is whole before or after, whatever happens.
    ///
    /// # Errors
    /// When it cannot be written; whether it is in its place is not known then.
    pub fn write(&self, path: &Path, witness: &Vkey, origin: &Origin) -> Result<(), Failure> {
        files::replace(path, self.to_text(witness, origin).as_bytes())
    }

    /// Makes the file, durably and whole or not at all; one that is there is left alone and told. Only for whoever holds
    /// the folder: nobody else may make it meanwhile.
    ///
    /// # Errors
    /// When there is one already, or it cannot be written.
    pub fn create(&self, path: &Path, witness: &Vkey, origin: &Origin) -> Result<(), Failure> {
        files::must_be_free(path)?;
        self.write(path, witness, origin)
    }

    fn to_text(&self, witness: &Vkey, origin: &Origin) -> String {
        let refused = self.refused.as_ref().map_or_else(|| "-".to_owned(), |why| serde_json::json!(why).to_string());
        let latest = self.latest.as_ref().map(ToString::to_string).unwrap_or_default();
        let rest = format!("{witness}\n{origin}\n{}\n{refused}\n{latest}", self.time);
        format!("{MAGIC}{}\n{rest}", FileHash::from_bytes(sha256(&[rest.as_bytes()])))
    }

    fn parse(bytes: &[u8], witness: &Vkey, origin: &Origin) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not utf-8".to_owned())?;
        let rest = text.strip_prefix(MAGIC).ok_or("its first line is not that of a witness's state, version 1")?;
        let (hash, rest) = rest.split_once('\n').ok_or("it is cut short")?;
        if hash != FileHash::from_bytes(sha256(&[rest.as_bytes()])).to_string() {
            return Err("its hash does not match".to_owned());
        }
        let mut lines = rest.splitn(5, '\n');
        let mut line = || lines.next().ok_or("it has too few lines");
        let (found, of, time, refused, latest) = (line()?, line()?, line()?, line()?, line()?);
        if found != witness.to_string() {
            return Err(format!("it is of another witness, {found}"));
        }
        if of != origin.as_str() {
            return Err(format!("it is of another ledger, {of}"));
        }
        let time = time.parse().map_err(|_| "its time is no number of seconds")?;
        let refused = match refused {
            "-" => None,
            reason => Some(serde_json::from_str(reason).map_err(|_| "its reason for refusing is no text")?),
        };
        let latest = match latest {
            "" => None,
            note => Some(note.parse::<SignedCheckpoint>().map_err(|e| e.to_string())?),
        };
        if let Some(latest) = &latest {
            if latest.checkpoint().origin != *origin {
                return Err(format!("its checkpoint is of {}", latest.checkpoint().origin));
            }
            latest.verify_cosignature(witness).map_err(|e| e.to_string())?;
        }
        Ok(Self { time, refused, latest })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::checkpoint::{Checkpoint, Cosigner};
    use countersign_ledger::hash::NodeHash;
    use countersign_ledger::id::TreeSize;
    use countersign_ledger::keys::SigningKey;
    use countersign_ledger::note::NoteSigner;
    use std::fs;

    use super::*;

    fn witness(seed: u8) -> Cosigner {
        Cosigner::new("example.org/witness".parse().unwrap(), SigningKey::from_seed(&[seed; 32]))
    }

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    fn state() -> State {
        let log = NoteSigner::new("log.example/a".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
        let root = NodeHash::from_bytes([7; 32]);
        let checkpoint = Checkpoint { origin: origin("log.example/a"), size: TreeSize(3), root }.sign(&[log]).unwrap();
        let line = witness(2).cosign(&checkpoint, 1_700_000_000).unwrap();
        State {
            time: 1_700_000_000,
            refused: Some("line 1\n\u{202e}x".to_owned()),
            latest: Some(checkpoint.with_signature(line).unwrap()),
        }
    }

    #[test]
    fn states_come_back_and_every_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.state");
        let (key, log) = (witness(2).vkey().clone(), origin("log.example/a"));
        assert!(matches!(State::read(&path, &key, &log), Err(StateError::Missing { .. })));
        for state in [State::fresh(), state()] {
            state.write(&path, &key, &log).unwrap();
            assert_eq!(State::read(&path, &key, &log).unwrap(), state);
            assert!(state.create(&path, &key, &log).is_err());
            let whole = fs::read(&path).unwrap();
            for cut in 0..whole.len() {
                fs::write(&path, &whole[..cut]).unwrap();
                let error = State::read(&path, &key, &log).unwrap_err();
                assert!(matches!(error, StateError::Damaged { .. }), "cut at {cut}");
                let mut flipped = whole.clone();
                flipped[cut] ^= 1;
                fs::write(&path, &flipped).unwrap();
                assert!(State::read(&path, &key, &log).is_err(), "flipped at {cut}");
            }
            fs::write(&path, &whole).unwrap();
            let said = |error: StateError| error.to_string();
            assert!(said(State::read(&path, witness(3).vkey(), &log).unwrap_err()).contains("another witness"));
            assert!(said(State::read(&path, &key, &origin("log.example/b")).unwrap_err()).contains("another ledger"));
        }
    }
}
