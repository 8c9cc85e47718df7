//! A folder of event files that are to be signed by others, or submitted once there is a server again.
//!
//! Beside the files stands `basis.checkpoint`: where the ledger stood when they were made. `countersign event submit`
//! tells what happened since.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use countersign_ledger::hash::EventHash;
use countersign_ledger::submission::Submission;
use serde::Serialize;

use crate::case_file::Basis;
use crate::event_file;
use crate::failure::Failure;
use crate::files;

use super::submit::count;

/// The file that says where the ledger stood.
pub const BASIS: &str = "basis.checkpoint";
/// How event files end.
pub const EVENT: &str = ".event.json";

/// A folder to be filled.
#[derive(Debug)]
pub struct Outbox<'a> {
    folder: &'a Path,
    files: Vec<(PathBuf, &'a Submission)>,
}

/// An event file that was written.
#[derive(Debug, Clone, Serialize)]
pub struct Written {
    /// Where.
    pub file: PathBuf,
    /// The event in it.
    pub event: EventHash,
    /// How many signatures it has.
    pub signatures: usize,
}

impl<'a> Outbox<'a> {
    /// Begins one; touches nothing yet.
    #[must_use]
    pub const fn new(folder: &'a Path) -> Self {
        Self { folder, files: Vec::new() }
    }

    /// Adds an event under a name, which is made distinct from those before.
    pub fn add(&mut self, name: &str, submission: &'a Submission) {
        let path = |suffix: &str| self.folder.join(format!("{name}{suffix}{EVENT}"));
        let taken = |path: &PathBuf| self.files.iter().any(|(other, _)| other == path);
        let free = std::iter::once(path("")).chain((2u32..).map(|n| path(&format!("-{n}")))).find(|path| !taken(path));
        self.files.extend(free.map(|free| (free, submission)));
    }

    /// Writes the files, or none if one of them exists already; and the checkpoint that they are based on.
    ///
    /// # Errors
    /// When a file exists, or the folder cannot be written.
    pub fn write(self, basis: Option<&str>) -> Result<Vec<Written>, Failure> {
        fs::create_dir_all(self.folder).map_err(|e| Failure::file(self.folder, "make", &e))?;
        self.files.iter().try_for_each(|(path, _)| files::must_be_free(path))?;
        if let Some(note) = basis {
            keep_basis(&self.folder.join(BASIS), note)?;
        }
        let mut written = Vec::with_capacity(self.files.len());
        for (path, submission) in self.files {
            files::create_new(&path, event_file::content(submission).as_bytes())?;
            let (event, signatures) = (submission.envelope.event_hash(), submission.envelope.signatures().len());
            written.push(Written { file: path, event, signatures });
        }
        Ok(written)
    }
}

/// Writes the checkpoint; where the folder has one, the older stays: it makes `event submit` tell more.
fn keep_basis(path: &Path, note: &str) -> Result<(), Failure> {
    if !path.exists() {
        return files::create_new(path, note.as_bytes());
    }
    let older = Basis::read(path)?.checkpoint.checkpoint().size;
    let newer =
        countersign_ledger::checkpoint::SignedCheckpoint::from_bytes(note.as_bytes()).map_err(Failure::usage)?;
    if newer.checkpoint().size < older { files::replace(path, note.as_bytes()) } else { Ok(()) }
}

/// Says which files were written.
///
/// # Errors
/// When writing fails.
pub fn written_text(written: &[Written], out: &mut dyn Write) -> io::Result<()> {
    for Written { file, signatures, event } in written {
        writeln!(out, "wrote {} with {}, event {event}", file.display(), count(*signatures, "signature"))?;
    }
    Ok(())
}
