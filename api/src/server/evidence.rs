//! Evidence files on disk: found by hash alone, never by a name that somebody gave.
//!
//! ```text
//! DIR/ab/cdef…      a file whose SHA-256 is abcdef…, in hex
//! DIR/incoming/     what is still arriving; emptied at the start
//! DIR/announced/    an empty file of the hash of each that came before an entry named it
//! ```
//!
//! A file takes its place in one step, after all of it arrived, its hash and size are right and it is durable. What
//! breaks off leaves nothing. What was announced only, and is named by no entry when that lapses, is removed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_ledger::hash::FileHash;
use countersign_ledger::id::Author;
use sha2::{Digest as _, Sha256};

use crate::files::sync_folder;

/// The largest file that is taken unless the operator says otherwise.
pub const DEFAULT_MAX_EVIDENCE: u64 = 1 << 30;
/// Bytes that stay free on the disk: the ledger's own store may be on it.
const RESERVE: u64 = 256 << 20;
/// How long files may come that a submission announced.
const ANNOUNCED_FOR: Duration = Duration::from_secs(3600);
/// The most files announced at once.
const MAX_ANNOUNCED: usize = 4_096;
/// The most files that one party has announced and not recorded.
const MAX_OF_PARTY: usize = 512;
/// How many of the largest files one party's announced ones come to, at most.
const LARGEST_OF_PARTY: u64 = 16;

/// The folder of evidence files.
#[derive(Debug)]
pub(crate) struct EvidenceFolder {
    root: PathBuf,
    /// The largest file that is taken, in bytes.
    pub(crate) max: u64,
    announced: Mutex<HashMap<(FileHash, u64), Announcement>>,
    /// Bytes that running uploads may still write.
    promised: Arc<Mutex<u64>>,
}

#[derive(Debug)]
struct Announcement {
    since: Instant,
    /// On whose account it takes room; `None` for what an earlier process left.
    by: Option<Author>,
}

/// Which bound an announcement would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// That of all.
    All,
    /// That of the party.
    Party,
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
        let markers = root.join("announced");
        fs::create_dir_all(&markers)?;
        let folder = Self { root: root.to_owned(), max, announced: Mutex::default(), promised: Arc::default() };
        let mut left = HashMap::new();
        for marker in fs::read_dir(&markers)? {
            let marker = marker?;
            let Some(file) = marker.file_name().to_str().and_then(|name| name.parse::<FileHash>().ok()) else {
                continue;
            };
            match folder.find(&file)? {
                // It may still be recorded: it has its time from now on.
                Some((_, size)) => drop(left.insert((file, size), Announcement { since: Instant::now(), by: None })),
                None => fs::remove_file(marker.path())?,
            }
        }
        *folder.lock() = left;
        Ok(folder)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(FileHash, u64), Announcement>> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn marker(&self, file: &FileHash) -> PathBuf {
        self.root.join("announced").join(file.to_string())
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
    /// [`NotKept::Full`] when it would take the last of the disk, beside what running uploads may still write.
    pub(crate) fn begin(&self, size: u64) -> Result<Upload, NotKept> {
        let incoming = self.root.join("incoming");
        let promise = {
            let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
            let after = promised.saturating_add(size);
            if free_bytes(&incoming)?.is_some_and(|free| free.saturating_sub(after) < RESERVE) {
                return Err(NotKept::Full);
            }
            *promised = after;
            Promise { left: size, of: Arc::clone(&self.promised) }
        };
        let part = tempfile::Builder::new().suffix(".part").tempfile_in(incoming)?;
        Ok(Upload { part, hasher: Sha256::new(), written: 0, promise })
    }

    /// Puts a file in its place, durably, if it is the one and of one of the sizes. One that no entry names yet is
    /// marked first, so that it goes when its announcement lapses, whatever happens to this process.
    ///
    /// # Errors
    /// [`NotKept::Mismatch`] when it is another; nothing of it stays then.
    pub(crate) fn keep(&self, upload: Upload, file: &FileHash, sizes: &[u64], named: bool) -> Result<(), NotKept> {
        let Upload { part, hasher, written, promise: _promise } = upload;
        let sha256 = FileHash::from_bytes(hasher.finalize().into());
        if sha256 != *file || !sizes.contains(&written) {
            return Err(NotKept::Mismatch { sha256, size: written });
        }
        part.as_file().sync_all()?;
        if !named {
            File::create(self.marker(file))?;
            sync_folder(&self.root.join("announced"))?;
        }
        let place = self.place(file);
        let folder = place.parent().unwrap_or(&self.root);
        if !folder.is_dir() {
            fs::create_dir_all(folder)?;
            sync_folder(&self.root)?;
        }
        // Should another upload of it have been faster, its bytes are the same.
        part.persist(&place).map_err(|e| e.error)?;
        sync_folder(folder)?;
        Ok(())
    }

    /// Notes that a party's signed submission names files, so that they may come before the event is recorded. `named`
    /// tells whether an entry names a file: what is recorded takes no room here.
    ///
    /// # Errors
    /// When too many are awaited, or too many or too large ones from this party.
    pub(crate) fn announce(
        &self,
        by: &Author,
        files: &[(FileHash, u64)],
        named: impl Fn(&FileHash) -> bool,
    ) -> Result<(), Crowded> {
        let files: HashSet<(FileHash, u64)> = files.iter().copied().collect();
        let mut announced = self.lock();
        let mut fit = self.fit(&announced, by, &files);
        if fit.is_err() {
            announced.retain(|(file, _), _| {
                let named = named(file);
                if named {
                    // Should the marker stay, the next start looks again.
                    let _ = fs::remove_file(self.marker(file));
                }
                !named
            });
            fit = self.fit(&announced, by, &files);
        }
        fit?;
        let since = Instant::now();
        announced.extend(files.into_iter().map(|file| (file, Announcement { since, by: Some(by.clone()) })));
        Ok(())
    }

    fn fit(
        &self,
        announced: &HashMap<(FileHash, u64), Announcement>,
        by: &Author,
        files: &HashSet<(FileHash, u64)>,
    ) -> Result<(), Crowded> {
        if announced.len() + files.iter().filter(|file| !announced.contains_key(*file)).count() > MAX_ANNOUNCED {
            return Err(Crowded::All);
        }
        let own = announced.iter().filter(|(file, known)| known.by.as_ref() == Some(by) && !files.contains(*file));
        let (mut number, mut bytes) = (0, 0_u64);
        for (_, size) in own.map(|(file, _)| file).chain(files) {
            number += 1;
            // A larger one is never taken.
            bytes = bytes.saturating_add(if *size <= self.max { *size } else { 0 });
        }
        let fits = number <= MAX_OF_PARTY && bytes <= self.max.saturating_mul(LARGEST_OF_PARTY);
        if fits { Ok(()) } else { Err(Crowded::Party) }
    }

    /// The sizes of which a file was announced.
    pub(crate) fn announced(&self, file: &FileHash) -> Vec<u64> {
        let announced = self.lock();
        let current = announced.iter().filter(|((name, _), known)| name == file && !lapsed(known, Instant::now()));
        current.map(|((_, size), _)| *size).collect()
    }

    /// Forgets announcements whose time is over, and removes the files of which no entry has come.
    ///
    /// # Errors
    /// When the disk or the look-up fails: what is left then goes another time.
    pub(crate) fn lapse<E: From<io::Error>>(&self, named: impl Fn(&FileHash) -> Result<bool, E>) -> Result<(), E> {
        self.lapse_at(Instant::now(), named)
    }

    fn lapse_at<E: From<io::Error>>(
        &self,
        now: Instant,
        named: impl Fn(&FileHash) -> Result<bool, E>,
    ) -> Result<(), E> {
        // Held to the end: nobody is told that a file is here that is about to go.
        let mut announced = self.lock();
        let over: Vec<_> = announced.iter().filter(|(_, known)| lapsed(known, now)).map(|(file, _)| *file).collect();
        for (file, size) in over {
            if !announced.keys().any(|(name, other)| *name == file && *other != size) {
                self.settle(&file, named(&file)?)?;
            }
            announced.remove(&(file, size));
        }
        Ok(())
    }

    /// Removes a file that came only because it was announced, if that has lapsed meanwhile and no entry names it.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn drop_lapsed(&self, file: &FileHash) -> io::Result<bool> {
        let announced = self.lock();
        if announced.keys().any(|(name, _)| name == file) {
            return Ok(false);
        }
        self.settle(file, false)
    }

    /// Ends the time of a file that was marked: it stays if it is named. Tells whether it went.
    fn settle(&self, file: &FileHash, named: bool) -> io::Result<bool> {
        let marker = self.marker(file);
        if !marker.try_exists()? {
            return Ok(false);
        }
        if !named {
            match fs::remove_file(self.place(file)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::remove_file(marker)?;
        Ok(!named)
    }
}

fn lapsed(known: &Announcement, now: Instant) -> bool {
    now.saturating_duration_since(known.since) >= ANNOUNCED_FOR
}

/// What a running upload may still write. Dropped, it is free for others.
#[derive(Debug)]
struct Promise {
    left: u64,
    of: Arc<Mutex<u64>>,
}

impl Promise {
    fn release(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        *self.of.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.release(self.left);
    }
}

/// A file on its way in. Dropped, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Upload {
    part: tempfile::NamedTempFile,
    hasher: Sha256,
    written: u64,
    promise: Promise,
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
        self.promise.release(piece.len() as u64);
        Ok(())
    }
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
        assert!(matches!(kept.keep(upload, &hash, &[3], true), Err(NotKept::Mismatch { size: 2, .. })));
        let mut upload = kept.begin(3).unwrap();
        upload.write(b"ab").unwrap();
        upload.write(b"c").unwrap();
        kept.keep(upload, &hash, &[2, 3], true).unwrap();
        assert_eq!(kept.find(&hash).unwrap().unwrap().1, 3);
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        fs::write(folder.path().join("incoming/left.part"), b"x").unwrap();
        let again = EvidenceFolder::open(folder.path(), 100).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        assert!(again.find(&hash).unwrap().is_some());
        assert!(matches!(kept.begin(u64::MAX), Err(NotKept::Full)));
    }

    fn party(name: &str) -> Author {
        Author::Party(name.parse().unwrap())
    }

    #[test]
    fn running_uploads_leave_the_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let kept = EvidenceFolder::open(folder.path(), 100).unwrap();
        let Some(free) = free_bytes(folder.path()).unwrap() else { return };
        let most = free.saturating_sub(RESERVE) / 3 * 2;
        let first = kept.begin(most).unwrap();
        assert!(matches!(kept.begin(most), Err(NotKept::Full)));
        drop(first);
        let mut again = kept.begin(most).unwrap();
        again.write(b"abc").unwrap();
        assert_eq!(*kept.promised.lock().unwrap(), most - 3, "what is written is no longer promised");
        drop(again);
        assert_eq!(*kept.promised.lock().unwrap(), 0);
    }

    #[test]
    fn announcements_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let kept = EvidenceFolder::open(folder.path(), 100).unwrap();
        let name = |n: usize| FileHash::from_bytes([u8::try_from(n % 256).unwrap(); 32]);
        let unnamed = |_: &FileHash| false;
        let announce = |by: &str, files: &[(FileHash, u64)]| kept.announce(&party(by), files, unnamed);
        // beyond what is taken, they take places only
        let many = |from: usize| -> Vec<_> { (from..from + MAX_OF_PARTY).map(|n| (name(n), n as u64 + 101)).collect() };
        assert_eq!((announce("a", &many(0)), announce("a", &many(0)[..7])), (Ok(()), Ok(())));
        assert_eq!(announce("a", &[(name(1), u64::MAX)]), Err(Crowded::Party));
        assert_eq!(kept.announced(&name(3)).len(), MAX_OF_PARTY / 256);
        // the bytes of one party are bounded, not another's; what is recorded makes room
        let large: Vec<_> = (0..16).map(|n| (name(n), 100)).collect();
        assert_eq!(announce("b", &large), Ok(()));
        assert_eq!(announce("b", &[(name(99), 1)]), Err(Crowded::Party));
        assert_eq!(announce("c", &[(name(99), 1)]), Ok(()));
        assert_eq!(kept.announce(&party("b"), &[(name(98), 1)], |file| *file == name(7)), Ok(()));
        let rest = MAX_ANNOUNCED / MAX_OF_PARTY;
        let announced: Vec<_> = (1..=rest).map(|n| announce(&format!("p{n}"), &many(n * MAX_OF_PARTY))).collect();
        let crowded = announced.into_iter().next_back();
        assert_eq!(crowded, Some(Err(Crowded::All)));
    }

    #[test]
    fn what_no_entry_names_goes_when_its_announcement_lapses() {
        let folder = tempfile::tempdir().unwrap();
        let hash = |bytes: &[u8]| FileHash::from_bytes(Sha256::digest(bytes).into());
        let files = [b"one", b"two", b"six"];
        let kept = EvidenceFolder::open(folder.path(), 100).unwrap();
        for (n, file) in files.iter().enumerate() {
            kept.announce(&party("a"), &[(hash(*file), 3)], |_| false).unwrap();
            let mut upload = kept.begin(3).unwrap();
            upload.write(*file).unwrap();
            // the last one came once it was recorded
            kept.keep(upload, &hash(*file), &[3], n == 2).unwrap();
        }
        let here = |kept: &EvidenceFolder| files.map(|file| kept.find(&hash(file)).unwrap().is_some());
        let named = |file: &FileHash| Ok::<_, io::Error>(*file == hash(b"two"));
        kept.lapse(named).unwrap();
        assert_eq!(here(&kept), [true; 3], "they have their time");
        // a process that starts again knows which ones wait
        drop(kept);
        let kept = EvidenceFolder::open(folder.path(), 100).unwrap();
        assert_eq!(kept.announced(&hash(b"one")), [3]);
        assert!(!kept.drop_lapsed(&hash(b"one")).unwrap());
        kept.lapse_at(Instant::now() + ANNOUNCED_FOR, named).unwrap();
        assert_eq!(here(&kept), [false, true, true]);
        assert_eq!(fs::read_dir(folder.path().join("announced")).unwrap().count(), 0);
    }
}
