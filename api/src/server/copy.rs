//! Copies of a ledger: what marks their folders, and what is known of their source while they are served.
//!
//! `DIR/copy.json` says what a folder is a copy of. It is there before anything else of the copy, and never goes: a
//! folder that has it is never appended to, as nobody knows whether its ledger went on somewhere else.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_ledger::hash::LedgerId;
use countersign_ledger::time::Time;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::files;
use crate::wire::{CopyInfo, CopyRole};

/// The longest marker.
const MAX_MARKER: usize = 64 << 10;

/// What the marker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Marker {
    countersign_copy: u8,
    /// What sort of copy it is.
    pub(crate) role: CopyRole,
    /// Of which ledger.
    pub(crate) ledger: LedgerId,
    /// The server or the bundle that it is made from.
    pub(crate) source: String,
    /// Whether the empty store was made: before that, nothing in the folder is worth anything.
    pub(crate) begun: bool,
}

impl Marker {
    /// Makes one of a copy that is about to begin.
    pub(crate) const fn new(role: CopyRole, ledger: LedgerId, source: String) -> Self {
        Self { countersign_copy: 1, role, ledger, source, begun: false }
    }

    fn path(data: &Path) -> PathBuf {
        data.join("copy.json")
    }

    /// Reads the marker of a folder; `None` if it is no copy.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub(crate) fn read(data: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(data);
        if !path.exists() {
            return Ok(None);
        }
        let wrong = |e: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {e}", path.display()));
        let marker: Self = serde_json::from_slice(&files::read(&path, MAX_MARKER)?).map_err(|e| wrong(&e))?;
        if marker.countersign_copy != 1 {
            return Err(wrong(&"needs a newer version"));
        }
        Ok(Some(marker))
    }

    /// Writes the marker, durably.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write(&self, data: &Path) -> Result<(), Failure> {
        let path = Self::path(data);
        let bytes = serde_json::to_vec(self).map_err(Failure::usage)?;
        files::replace(&path, &bytes)?;
        sync_folder(data)
    }

    /// Says that this folder is not appended to.
    pub(crate) fn refusal(&self, data: &Path) -> Failure {
        let what = match self.role {
            CopyRole::Mirror => "a mirror",
            CopyRole::ReadOnly => "restored to be read",
        };
        Failure::refused(format_args!("{} is {what} of {}: it is never appended to", data.display(), self.source)).hint(
            "if the ledger is gone, make a bundle here (`countersign export`), and `countersign restore` a folder from it",
        )
    }
}

/// Makes what was renamed into a folder durable.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Failure> {
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|e| Failure::file(folder, "make durable", &e))
}

/// A copy that is being served.
#[derive(Debug)]
pub(crate) struct Copy {
    info: Mutex<CopyInfo>,
}

impl Copy {
    /// Takes what the marker says.
    pub(crate) fn new(marker: &Marker) -> Self {
        let (role, source) = (marker.role, marker.source.clone());
        Self { info: Mutex::new(CopyInfo { role, source, agreed: None, unreached: None, contradiction: None }) }
    }

    fn lock(&self) -> MutexGuard<'_, CopyInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of it.
    pub(crate) fn info(&self) -> CopyInfo {
        self.lock().clone()
    }

    /// Returns where it was made from.
    pub(crate) fn source(&self) -> String {
        self.lock().source.clone()
    }

    /// Returns how the source contradicts it.
    pub(crate) fn contradiction(&self) -> Option<String> {
        self.lock().contradiction.clone()
    }

    /// The source agrees with the copy.
    pub(crate) fn agrees(&self, now: Time) {
        let mut info = self.lock();
        (info.agreed, info.unreached, info.contradiction) = (Some(now), None, None);
    }

    /// The source does not answer, or not with what proves itself.
    pub(crate) fn is_unreached(&self, why: String) {
        self.lock().unreached = Some(why);
    }

    /// The source contradicts the copy.
    pub(crate) fn is_contradicted(&self, how: String) {
        self.lock().contradiction = Some(how);
    }
}
