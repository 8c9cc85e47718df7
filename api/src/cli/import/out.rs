//! Event files instead of a ledger: `--out DIR` (see `event_file.rs`).
//!
//! An event that more than one party must sign cannot be recorded by the one who has the table. Each becomes a file
//! `ID.event.json`, signed with the keys that are given; others add theirs (`countersign event sign`), anyone submits
//! it. The id is derived from the row's key, so a second run finds the files of the first, and leaves them as they are
//! with whatever was signed since.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_ledger::keys::Signer;
use countersign_ledger::submission::Submission;

use super::draft::Drafted;
use super::fault::Fault;
use super::settle::Outcome;
use crate::client::Client;
use crate::event_file;
use crate::failure::Failure;
use crate::files;

/// A folder of event files.
pub(crate) struct Folder<'a> {
    /// Where.
    pub(crate) path: PathBuf,
    /// Who signs already.
    pub(crate) keys: &'a [Arc<dyn Signer>],
    /// Who knows what the ledger has on the subjects, where that matters.
    pub(crate) client: Option<&'a Client>,
}

impl Folder<'_> {
    /// Writes one event.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, signed: Result<(Box<Drafted>, Submission), Fault>) -> Result<Outcome, Failure> {
        let (drafted, submission) = match signed {
            Ok(signed) => signed,
            Err(fault) => return Ok(Outcome::Quarantined(fault)),
        };
        let path = self.path.join(format!("{}.event.json", drafted.draft.id));
        if path.exists() {
            return Ok(there(path, &submission));
        }
        files::create_new(&path, event_file::content(&submission).as_bytes())?;
        Ok(Outcome::Written(path))
    }
}

/// What to say of a file that is there already: nothing is overwritten.
fn there(path: PathBuf, submission: &Submission) -> Outcome {
    match event_file::read(&path) {
        Ok(found) if found.envelope.payload() == submission.envelope.payload() => Outcome::There(path),
        Ok(_) => Outcome::Quarantined(Fault::new("", differs(&path))),
        Err(failure) => Outcome::Quarantined(Fault::new("", failure.message)),
    }
}

fn differs(path: &Path) -> String {
    format!("{} has this key with another content: take it away if this row is right", path.display())
}
