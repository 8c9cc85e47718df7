//! Evidence files on disk: found by hash alone, never by a name that somebody gave.
//!
//! ```text
//! DIR/ab/cdef…      a file whose SHA-256 is abcdef…, in hex
//! DIR/incoming/     what is still arriving; emptied at the start
//! ```
//!
//! A file takes its place in one step, after all of it arrived, its hash and size are right and it is durable. What
//! breaks off leaves nothing.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_ledger::hash::FileHash;
use sha2::{Digest as _, Sha256};

/// The largest file that is taken unless the operator says otherwise.
pub const DEFAULT_MAX_EVIDENCE: u64 = 1 << 30;
/// Bytes that stay free on the disk: the ledger's own store may be on it.
const RESERVE: u64 = 256 << 20;
/// How long files may come that a submission announced.
const ANNOUNCED_FOR: Duration = Duration::from_secs(3600);
/// The most files announced at once.
const MAX_ANNOUNCED: usize = 4_096;

/// The folder of evidence files.
#[derive(Debug)]
pub(crate) struct EvidenceFolder {
    root: PathBuf,
    /// The largest file that is taken, in bytes.
    pub(crate) max: u64,
    announced: Mutex<HashMap<(FileHash, u64), Instant>>,
}

/// Why a file was not taken.
#[derive(Debug)]
pub(crate) enum NotKept {
    /// What arrived has another hash or size.
    Mismatch {
        /// The hash of what arrived.
        sha256: FileHash,
        /// Its length.
        size: u64,
    },
    /// The disk is full, or nearly.
    Full,
    /// The disk failed.
    Disk(io::Error),
}

impl From<io::Error> for NotKept {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::Full,
            _ => Self::Disk(error),
        }
    }
}

impl EvidenceFolder {
    /// Opens the folder, making it if need be, and removes what was cut off when the process last ended.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn open(root: &Path, max: u64) -> io::Result<Self> {
        let incoming = root.join("incoming");
        fs::create_dir_all(&incoming)?;
        for left in fs::read_dir(&incoming)? {
            fs::remove_file(left?.path())?;
        }
        Ok(Self { root: root.to_owned(), max, announced: Mutex::default() })
    }

    fn place(&self, file: &FileHash) -> PathBuf {
        let hex = file.to_string();
        self.root.join(&hex[..2]).join(&hex[2..])
    }

    /// Opens a file, with its length; `None` if it is not here.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn find(&self, file: &FileHash) -> io::Result<Option<(File, u64)>> {
        match File::open(self.place(file)) {
            Ok(found) => {
                let length = found.metadata()?.len();
                Ok(Some((found, length)))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Begins to take a file of at most `size` bytes in.
    ///
    /// # Errors
    /// [`NotKept::Full`] when it would take the last of the disk.
    pub(crate) fn begin(&self, size: u64) -> Result<Upload, NotKept> {
        let incoming = self.root.join("incoming");
        if free_bytes(&incoming)?.is_some_and(|free| free.saturating_sub(size) < RESERVE) {
            return Err(NotKept::Full);
        }
        let part = tempfile::Builder::new().suffix(".part").tempfile_in(incoming)?;
        Ok(Upload { part, hasher: Sha256::new(), written: 0 })
    }

    /// Puts a file in its place, durably, if it is the one and of one of the sizes.
    ///
    /// # Errors
    /// [`NotKept::Mismatch`] when it is another; nothing of it stays then.
    pub(crate) fn keep(&self, upload: Upload, file: &FileHash, sizes: &[u64]) -> Result<(), NotKept> {
        let Upload { part, hasher, written } = upload;
        let sha256 = FileHash::from_bytes(hasher.finalize().into());
        if sha256 != *file || !sizes.contains(&written) {
            return Err(NotKept::Mismatch { sha256, size: written });
        }
        part.as_file().sync_all()?;
        let place = self.place(file);
        let folder = place.parent().unwrap_or(&self.root);
        if !folder.is_dir() {
            fs::create_dir_all(folder)?;
            sync(&self.root)?;
        }
        // Should another upload of it have been faster, its bytes are the same.
        part.persist(&place).map_err(|e| e.error)?;
        sync(folder)?;
        Ok(())
    }

    /// Notes that a signed submission names a file, so that it may come before the event is recorded. `false` when too
    /// many are awaited.
    pub(crate) fn announce(&self, files: &[(FileHash, u64)]) -> bool {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        announced.retain(|_, since| since.elapsed() < ANNOUNCED_FOR);
        let new = files.iter().filter(|file| !announced.contains_key(*file)).count();
        if announced.len() + new > MAX_ANNOUNCED {
            return false;
        }
        announced.extend(files.iter().map(|file| (*file, Instant::now())));
        true
    }

    /// The sizes of which a file was announced.
    pub(crate) fn announced(&self, file: &FileHash) -> Vec<u64> {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let current = announced.iter().filter(|((name, _), since)| name == file && since.elapsed() < ANNOUNCED_FOR);
        current.map(|((_, size), _)| *size).collect()
    }
}

/// A file on its way in. Dropped, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Upload {
    part: tempfile::NamedTempFile,
    hasher: Sha256,
    written: u64,
}

impl Upload {
    /// Takes the next piece.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<(), NotKept> {
        self.hasher.update(piece);
        self.part.as_file_mut().write_all(piece)?;
        self.written += piece.len() as u64;
        Ok(())
    }
}

#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// How many bytes are free for us where a folder is; `None` where that cannot be asked.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> io::Result<Option<u64>> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize)))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_cut_off_is_gone_and_what_is_whole_stays() {
        let folder = tempfile::tempdir().unwrap();
        let kept = EvidenceFolder::open(folder.path(), 100).unwrap();
        let hash: FileHash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
        let mut upload = kept.begin(3).unwrap();
        upload.write(b"ab").unwrap();
        assert!(matches!(kept.keep(upload, &hash, &[3]), Err(NotKept::Mismatch { size: 2, .. })));
        let mut upload = kept.begin(3).unwrap();
        upload.write(b"ab").unwrap();
        upload.write(b"c").unwrap();
        kept.keep(upload, &hash, &[2, 3]).unwrap();
        assert_eq!(kept.find(&hash).unwrap().unwrap().1, 3);
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        fs::write(folder.path().join("incoming/left.part"), b"x").unwrap();
        let again = EvidenceFolder::open(folder.path(), 100).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        assert!(again.find(&hash).unwrap().is_some());
        assert!(matches!(kept.begin(u64::MAX), Err(NotKept::Full)));
    }

    #[test]
    fn announcements_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let kept = EvidenceFolder::open(folder.path(), 100).unwrap();
        let name = |n: usize| FileHash::from_bytes([u8::try_from(n % 256).unwrap(); 32]);
        let many: Vec<_> = (0..MAX_ANNOUNCED).map(|n| (name(n), n as u64)).collect();
        assert!(kept.announce(&many) && kept.announce(&many[..7]));
        assert!(!kept.announce(&[(name(1), u64::MAX)]));
        assert_eq!(kept.announced(&name(3)).len(), MAX_ANNOUNCED / 256);
    }
}
