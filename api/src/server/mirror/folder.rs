//! The folder of a mirror, and what is noted down in it of a source that contradicts it.
//!
//! ```text
//! DIR/contradiction/what.txt            how the source contradicts the copy; while it is there, nothing is followed
//! DIR/contradiction/ours.checkpoint     what it signed before
//! DIR/contradiction/theirs.checkpoint   what it signed now
//! DIR/rollback/…                        the same, of a source that showed less than before
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::high_water::HighWater;
use countersign_ledger::replay::ReplayError;
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};

use crate::failure::Failure;
use crate::files;
use crate::server::data::{high_water_failure, open_store, store_failure};
use crate::server::{DataArgs, Marker, sync_folder};
use crate::wire::CopyRole;

/// The longest note.
const MAX_NOTE: usize = 64 << 10;

/// Opens the folder of a mirror, or begins one in a folder that is empty or not there.
///
/// # Errors
/// When it is the folder of something else, or the disk refuses.
pub(super) fn open(
    args: &DataArgs,
    ledger: LedgerId,
    source: &str,
) -> Result<(Marker, RocksStore, HighWater), Failure> {
    let data = &args.data;
    fs::create_dir_all(data).map_err(|e| Failure::file(data, "make", &e))?;
    let mut marker = match Marker::read(data)? {
        Some(marker) if marker.role != CopyRole::Mirror => return Err(marker.refusal(data)),
        Some(marker) if marker.ledger != ledger => {
            let mirrors = format!("{} mirrors ledger {}, expected {ledger}", data.display(), marker.ledger);
            return Err(Failure::usage(mirrors).hint(
                "choose a folder for each ledger; one that was begun with a wrong id has no entries and can be removed",
            ));
        }
        Some(marker) => marker,
        None => {
            must_be_empty(data)?;
            let marker = Marker::new(CopyRole::Mirror, ledger, source.to_owned());
            marker.write(data)?;
            marker
        }
    };
    let (store, high_water) = if marker.begun {
        open_store(args)?
    } else {
        // What a process left that died before it had made both.
        let (db, mark) = (args.store_path(), args.high_water_path());
        remove(fs::remove_dir_all(&db), &db)?;
        remove(fs::remove_file(&mark), &mark)?;
        let store = RocksStore::create(&db, &RocksOptions::default()).map_err(|e| store_failure(&e))?;
        let high_water = HighWater::create(&mark).map_err(|e| high_water_failure(&e))?;
        (store, high_water)
    };
    if !marker.begun || marker.source != source {
        (marker.begun, marker.source) = (true, source.to_owned());
        marker.write(data)?;
    }
    Ok((marker, store, high_water))
}

/// Refuses a folder with anything in it, but for files that a write left that was cut off.
pub(crate) fn must_be_empty(data: &Path) -> Result<(), Failure> {
    for item in fs::read_dir(data).map_err(|e| Failure::file(data, "read", &e))? {
        let name = item.map_err(|e| Failure::file(data, "read", &e))?.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(".countersign-") && name.ends_with(".part")) {
            return Err(Failure::usage(format_args!("{} is not empty: it has {name}", data.display()))
                .hint("choose a new folder: a ledger is never overwritten"));
        }
    }
    Ok(())
}

fn remove(removed: std::io::Result<()>, path: &Path) -> Result<(), Failure> {
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Failure::file(path, "remove", &e)),
        _ => Ok(()),
    }
}

/// Says that a copy cannot be gone on from.
pub(super) fn unusable(data: &Path, error: &ReplayError) -> Failure {
    Failure::refused(format_args!("the copy in {} cannot be gone on from: {error}", data.display()))
        .hint("make the mirror anew in an empty folder: nothing in this one is found nowhere else")
}

/// What is noted down of a source that contradicts the copy.
#[derive(Debug)]
pub(super) struct Notes {
    data: PathBuf,
}

impl Notes {
    /// Those of a data folder.
    pub(super) fn of(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Returns where a contradiction is noted down.
    pub(super) fn folder(&self) -> PathBuf {
        self.data.join("contradiction")
    }

    /// Returns the folder of what was noted down: of a rollback only where nothing is proven.
    pub(super) fn latest(&self) -> PathBuf {
        let proven = self.folder();
        if proven.exists() { proven } else { self.data.join("rollback") }
    }

    /// Returns how the source contradicted the copy, if it ever did.
    ///
    /// # Errors
    /// When the note cannot be read.
    pub(super) fn proven(&self) -> Result<Option<String>, Failure> {
        let path = self.folder().join("what.txt");
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(files::read_text(&path, MAX_NOTE)?.trim_end().to_owned()))
    }

    /// Notes a contradiction down, durably, unless there is one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn contradicted(&self, how: &str, ours: &str, theirs: &SignedCheckpoint) -> Result<(), Failure> {
        note(&self.folder(), how, ours, theirs)
    }

    /// Notes down that the source showed less than before: the latest time that it did.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn rolled_back(&self, how: &str, ours: &str, theirs: &SignedCheckpoint) -> Result<(), Failure> {
        note(&self.data.join("rollback"), how, ours, theirs)
    }
}

fn note(folder: &Path, how: &str, ours: &str, theirs: &SignedCheckpoint) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|e| Failure::file(folder, "make", &e))?;
    files::replace(&folder.join("ours.checkpoint"), ours.as_bytes())?;
    files::replace(&folder.join("theirs.checkpoint"), theirs.to_string().as_bytes())?;
    // last: where it is, the others are
    files::replace(&folder.join("what.txt"), format!("{how}\n").as_bytes())?;
    sync_folder(folder)
}
