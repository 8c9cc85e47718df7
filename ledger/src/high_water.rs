//! The high-water mark: the latest signed checkpoint that was ever acknowledged, in a small file of its own.
//!
//! A database that was restored from an old copy, or has lost its tail, is sound in itself. That it is behind can only
//! be seen from outside it, so the mark is a file that may live on another disk. On open the ledger compares the two
//! and refuses to start behind the mark (ARCHITECTURE.md, invariant 4).
//!
//! The file has two slots of 16 KiB, written in turn and in place, each write followed by one fdatasync: a torn write
//! spoils the slot that was being written, and leaves the mark before it. A slot is text and then zeros:
//!
//! ```text
//! countersign high-water 1
//! <counter> <size> <bytes of the checkpoint>
//! <SHA-256 of the line above and the checkpoint, hex>
//! <the checkpoint: a signed note>
//! ```
//!
//! The slot with the greater counter counts. A new file has two slots of size 0: no mark yet. A ledger writes the mark
//! after a batch is durable and before it answers, so the mark is never ahead of what is durable.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::hash::{FileHash, sha256};
use crate::id::TreeSize;

const MAGIC: &str = "countersign high-water 1\n";
const SLOT: usize = 16 << 10;
const SLOTS: u64 = 2;
/// The most bytes of a checkpoint: what fits into a slot beside the longest lines before it.
pub const MAX_CHECKPOINT: usize = SLOT - 192;

/// A size that was acknowledged, with the checkpoint that was signed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// How many entries.
    pub size: TreeSize,
    /// The signed note.
    pub checkpoint: String,
}

/// Tells why the high-water file cannot be used. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HighWaterError {
    /// The file system refused.
    #[error("could not {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such file.
    #[error("there is no high-water file {path}")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A new mark would overwrite one that is there.
    #[error("the high-water file {path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("the high-water file {path} is in use by another process")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Neither slot can be read.
    #[error("the high-water file {path} is corrupt: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The mark would go back.
    #[error("the high-water mark is {mark} entries and cannot go back to {found}")]
    Backwards {
        /// The mark.
        mark: TreeSize,
        /// The size that was to be recorded.
        found: TreeSize,
    },
    /// The checkpoint does not fit.
    #[error("limit checkpoint {MAX_CHECKPOINT}: found {found} bytes")]
    TooLong {
        /// Its bytes.
        found: usize,
    },
    /// An earlier write failed, and what the file holds is not known.
    #[error("an earlier write of the high-water mark failed: restart the process")]
    InDoubt,
}

/// The open file.
#[derive(Debug)]
pub struct HighWater {
    path: PathBuf,
    file: File,
    latest: Slot,
    torn: bool,
    in_doubt: bool,
}

#[derive(Debug, Clone)]
struct Slot {
    counter: u64,
    mark: Mark,
}

impl HighWater {
    /// Makes a file without a mark, durably. A crash meanwhile leaves one that cannot be opened.
    ///
    /// # Errors
    /// [`HighWaterError::Exists`], or when the file cannot be written.
    pub fn create(path: &Path) -> Result<Self, HighWaterError> {
        let io = |source| HighWaterError::Io { action: "make", path: path.to_owned(), source };
        let mut file = match File::create_new(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(HighWaterError::Exists { path: path.to_owned() });
            }
            other => other.map_err(io)?,
        };
        for counter in 0..SLOTS {
            let mut slot = Slot { counter, mark: Mark { size: TreeSize(0), checkpoint: String::new() } }.to_bytes();
            // The zeros are written out: later writes in place then change no metadata that a sync must wait for.
            slot.resize(SLOT, 0);
            file.write_all(&slot).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        Self::open(path)
    }

    /// Opens a file and reads its mark.
    ///
    /// # Errors
    /// [`HighWaterError::Missing`], [`HighWaterError::InUse`], or when no mark can be read from it.
    pub fn open(path: &Path) -> Result<Self, HighWaterError> {
        let io = |source| HighWaterError::Io { action: "open", path: path.to_owned(), source };
        let file = match File::options().read(true).write(true).open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(HighWaterError::Missing { path: path.to_owned() });
            }
            other => other.map_err(io)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HighWaterError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(e)) => return Err(io(e)),
        }
        let mut bytes = Vec::with_capacity(SLOT * 2);
        (&file).take(SLOT as u64 * SLOTS + 1).read_to_end(&mut bytes).map_err(io)?;
        let (latest, torn) =
            read(&bytes).map_err(|reason| HighWaterError::Corrupt { path: path.to_owned(), reason })?;
        Ok(Self { path: path.to_owned(), file, latest, torn, in_doubt: false })
    }

    /// Returns the latest mark, `None` before the first.
    #[must_use]
    pub fn latest(&self) -> Option<&Mark> {
        Some(&self.latest.mark).filter(|mark| mark.size > TreeSize(0))
    }

    /// Returns the size of the latest mark, 0 before the first.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.latest.mark.size
    }

    /// Tells whether one slot could not be read on opening: a write was cut short (it was not acknowledged), or the
    /// file was damaged. Worth a line in the operator's log.
    #[must_use]
    pub const fn was_torn(&self) -> bool {
        self.torn
    }

    /// Records a mark; durable when this returns. Costs one write in place and one fdatasync.
    ///
    /// # Errors
    /// [`HighWaterError::Backwards`] and [`HighWaterError::TooLong`] change nothing. When the write fails, no more are
    /// taken: nothing may be acknowledged.
    pub fn record(&mut self, size: TreeSize, checkpoint: &str) -> Result<(), HighWaterError> {
        if self.in_doubt {
            return Err(HighWaterError::InDoubt);
        }
        if size < self.size() {
            return Err(HighWaterError::Backwards { mark: self.size(), found: size });
        }
        if checkpoint.len() > MAX_CHECKPOINT {
            return Err(HighWaterError::TooLong { found: checkpoint.len() });
        }
        let slot = Slot { counter: self.latest.counter + 1, mark: Mark { size, checkpoint: checkpoint.to_owned() } };
        self.in_doubt = true;
        self.write(&slot).map_err(|source| HighWaterError::Io { action: "write", path: self.path.clone(), source })?;
        self.in_doubt = false;
        self.latest = slot;
        Ok(())
    }

    fn write(&mut self, slot: &Slot) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(slot.counter % SLOTS * SLOT as u64))?;
        // What is left of a longer checkpoint behind this one is not read: the length says where it ends.
        self.file.write_all(&slot.to_bytes())?;
        self.file.sync_data()
    }
}

impl Slot {
    fn to_bytes(&self) -> Vec<u8> {
        let Mark { size, checkpoint } = &self.mark;
        let line = format!("{} {size} {}\n", self.counter, checkpoint.len());
        let hash = FileHash::from_bytes(sha256(&[line.as_bytes(), checkpoint.as_bytes()]));
        format!("{MAGIC}{line}{hash}\n{checkpoint}").into_bytes()
    }

    /// Reads a slot; `None` when it is not as it was written.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC.as_bytes())?;
        let mut lines = rest.splitn(3, |b| *b == b'\n');
        let (numbers, _hash, rest) = (lines.next()?, lines.next()?, lines.next()?);
        let mut numbers = std::str::from_utf8(numbers).ok()?.split(' ');
        let counter = numbers.next()?.parse().ok()?;
        let size = TreeSize(numbers.next()?.parse().ok()?);
        let checkpoint = rest.get(..numbers.next()?.parse().ok()?)?;
        let checkpoint = std::str::from_utf8(checkpoint).ok()?.to_owned();
        let slot = Self { counter, mark: Mark { size, checkpoint } };
        bytes.starts_with(&slot.to_bytes()).then_some(slot)
    }
}

/// Finds the latest slot, and whether the other is damaged.
fn read(bytes: &[u8]) -> Result<(Slot, bool), &'static str> {
    if bytes.len() != SLOT * 2 {
        return Err("not of the length that is written");
    }
    let (one, two) = bytes.split_at(SLOT);
    match (Slot::parse(one), Slot::parse(two)) {
        (Some(one), Some(two)) if one.counter == two.counter => Err("both slots have the same counter"),
        (Some(one), Some(two)) => Ok((if one.counter > two.counter { one } else { two }, false)),
        (Some(slot), None) | (None, Some(slot)) => Ok((slot, true)),
        (None, None) => Err("neither slot can be read"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    use proptest::prelude::*;

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("high-water");
        HighWater::create(&path).unwrap();
        (folder, path)
    }

    fn note(n: u64) -> String {
        format!("ledger.example/a\n{n}\nroot=\n\n— ledger.example/a {}\n", "s".repeat(usize::try_from(n % 97).unwrap()))
    }

    /// Records 1 to `n` and returns the file's bytes before and after the last of them.
    fn recorded(path: &Path, n: u64) -> (Vec<u8>, Vec<u8>) {
        let mut file = HighWater::open(path).unwrap();
        (1..n).for_each(|i| file.record(TreeSize(i), &note(i)).unwrap());
        let before = fs::read(path).unwrap();
        file.record(TreeSize(n), &note(n)).unwrap();
        (before, fs::read(path).unwrap())
    }

    #[test]
    fn marks_come_back() {
        let (_folder, path) = fresh();
        let mut file = HighWater::open(&path).unwrap();
        assert_eq!((file.latest(), file.size()), (None, TreeSize(0)));
        for n in [1, 5, 5, 200, 1 << 53] {
            file.record(TreeSize(n), &note(n)).unwrap();
            drop(file);
            file = HighWater::open(&path).unwrap();
            assert_eq!(file.latest(), Some(&Mark { size: TreeSize(n), checkpoint: note(n) }));
            assert!(!file.was_torn());
        }
        assert!(matches!(file.record(TreeSize(9), "x"), Err(HighWaterError::Backwards { .. })));
        let long = "x".repeat(MAX_CHECKPOINT + 1);
        assert!(matches!(file.record(TreeSize(u64::MAX), &long), Err(HighWaterError::TooLong { .. })));
        file.record(TreeSize(u64::MAX), &long[1..]).unwrap();
        file.record(TreeSize(u64::MAX), "").unwrap();
        drop(file);
        assert_eq!(fs::metadata(&path).unwrap().len(), 2 * 16_384);
        assert_eq!(HighWater::open(&path).unwrap().latest().unwrap().checkpoint, "");
    }

    #[test]
    fn a_torn_write_leaves_the_mark_before_it() {
        for n in [1, 2, 7, 8] {
            let (_folder, path) = fresh();
            let (before, after) = recorded(&path, n);
            let changed: Vec<_> = (0..before.len()).filter(|i| before[*i] != after[*i]).collect();
            let (first, last) = (changed[0], changed[changed.len() - 1]);
            for cut in first..=last {
                // What is new up to `cut`, and what was there behind it: and the other way round.
                for torn in [[&after[..cut], &before[cut..]].concat(), [&before[..cut], &after[cut..]].concat()] {
                    fs::write(&path, &torn).unwrap();
                    let file = HighWater::open(&path).unwrap();
                    let whole = torn == after;
                    let mark = (n - u64::from(!whole) > 0).then(|| n - u64::from(!whole));
                    assert_eq!(file.latest().map(|mark| mark.size.0), mark, "cut at {cut}");
                    assert!(!file.was_torn() || (torn != after && torn != before));
                }
            }
        }
    }

    #[test]
    fn damage_to_both_slots_is_told() {
        let (_folder, path) = fresh();
        let (_, good) = recorded(&path, 7);
        for (one, two) in [(30, SLOT + 30), (0, SLOT), (100, SLOT + 150)] {
            let mut bytes = good.clone();
            bytes[one] ^= 1;
            bytes[two] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(HighWater::open(&path), Err(HighWaterError::Corrupt { .. })));
        }
        let twice = [&good[..SLOT], &good[..SLOT]].concat();
        for bytes in [&good[1..], &[&good[..], &[0]].concat(), &[], &[0; 2 * SLOT], &twice] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(HighWater::open(&path), Err(HighWaterError::Corrupt { .. })));
        }
    }

    #[test]
    fn a_mark_is_neither_lost_nor_shared() {
        let (_folder, path) = fresh();
        recorded(&path, 3);
        assert!(matches!(HighWater::create(&path), Err(HighWaterError::Exists { .. })));
        let held = HighWater::open(&path).unwrap();
        assert_eq!(held.size(), TreeSize(3));
        assert!(matches!(HighWater::open(&path), Err(HighWaterError::InUse { .. })));
        drop(held);
        fs::remove_file(&path).unwrap();
        assert!(matches!(HighWater::open(&path), Err(HighWaterError::Missing { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_mark_or_refused(at in 0..2 * SLOT, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut file = vec![0; 2 * SLOT];
            file[..MAGIC.len()].copy_from_slice(MAGIC.as_bytes());
            let end = (at + bytes.len()).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
            prop_assert!(read(&file).is_err());
        }
    }
}
