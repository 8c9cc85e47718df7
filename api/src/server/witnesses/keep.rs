//! The file of cosignatures, beside the store: the latest checkpoint that meets the quorum, and the newest that each
//! witness cosigned.
//!
//! It is replaced in one step and synced before anybody is told. When it is missing, witnesses are asked anew; what cannot
//! be read, or does not verify, is left out and said. What does verify and is of a larger or another tree than this ledger
//! has shows that the ledger was rolled back: the server does not start (ARCHITECTURE.md, invariant 4).

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use countersign_ledger::append::Ledger;
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::note::Vkey;
use countersign_ledger::trust::TrustFile;
use serde::{Deserialize, Serialize};

use super::state::State;
use crate::failure::Failure;
use crate::files;

/// Its name in the data folder.
pub(crate) const KEPT_FILE: &str = "witnessed.json";
/// The longest file that is read: a note of the greatest length for every witness is not expected.
const MAX_FILE: u64 = 16 << 20;

/// What the file says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    /// 1.
    #[serde(rename = "countersign_witnessed")]
    pub(super) version: u32,
    /// The latest checkpoint that meets the quorum, with its cosignatures.
    pub(super) witnessed: Option<String>,
    /// The newest checkpoint of each witness that cosigned any, with its cosignature.
    pub(super) cosigned: Vec<String>,
}

/// Writes the file.
#[derive(Debug)]
pub(super) struct Keep {
    file: PathBuf,
}

impl Keep {
    /// Reads the file into `state`.
    ///
    /// # Errors
    /// When the ledger cannot be read, or is behind what the file proves.
    pub(super) fn open(file: PathBuf, ledger: &Ledger, trust: &TrustFile, state: &mut State) -> Result<Self, Failure> {
        let content = match read(&file) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { file }),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "cosignatures cannot be read; witnesses are asked anew");
                return Ok(Self { file });
            }
        };
        let log_keys: Vec<Vkey> =
            ledger.with_authority(|authority| authority.log_keys().iter().map(|(_, vkey)| vkey.clone()).collect());
        let believed = |note: &String| {
            let checkpoint: SignedCheckpoint = note.parse().ok()?;
            checkpoint.verify_any(&log_keys).ok().map(|()| checkpoint)
        };
        for checkpoint in content.cosigned.iter().filter_map(believed) {
            let cosigned = trust.cosignatures(&checkpoint);
            for (at, cosignature) in cosigned.iter().enumerate() {
                if let Some(cosignature) = cosignature {
                    check_tree(ledger, &checkpoint, &file)?;
                    state.restore(at, checkpoint.clone(), *cosignature);
                }
            }
        }
        // the trust file may ask for more than it did
        let witnessed = content.witnessed.as_ref().and_then(believed).filter(|kept| trust.is_witnessed(kept));
        if let Some(witnessed) = &witnessed {
            check_tree(ledger, witnessed, &file)?;
        }
        state.witnessed = witnessed;
        Ok(Self { file })
    }

    /// Replaces the file, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self, content: &Content) -> Result<(), Failure> {
        let json = serde_json::to_vec(content).map_err(Failure::usage)?;
        files::replace(&self.file, &json)
    }
}

fn read(file: &Path) -> io::Result<Content> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    let content: Content = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
    let known = content.version == 1;
    known.then_some(content).ok_or_else(|| io::Error::other("it is of another version"))
}

/// Makes sure that the ledger has the tree of a checkpoint that its log signed and a witness cosigned.
fn check_tree(ledger: &Ledger, checkpoint: &SignedCheckpoint, file: &Path) -> Result<(), Failure> {
    let seen = checkpoint.checkpoint();
    let root = ledger.root(seen.size).map_err(Failure::usage)?;
    let what = match root {
        Some(root) if root == seen.root => return Ok(()),
        Some(_) => "which is not this ledger's history",
        None => "more than this ledger has now",
    };
    let message = format!("a witness has cosigned {} entries, {what} ({})", seen.size, file.display());
    Err(Failure::refused(message).hint(super::super::data::RESTORE))
}
