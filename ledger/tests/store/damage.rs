//! Files that were cut or changed: a store gives what was written or an error, never something else.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use countersign_ledger::hash::sha256;
use countersign_ledger::id::Seq;
use countersign_ledger::store::{Store, StoreError};

use crate::fixture::{Fixture, check};
use crate::folder::{bytes_of, create, open};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (path, bytes) in bytes_of(from) {
        fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
    }
}

fn named(path: &Path, part: &str) -> Vec<PathBuf> {
    let files = bytes_of(path).into_iter().map(|(path, _)| path);
    files.filter(|path| path.file_name().unwrap().to_string_lossy().contains(part)).collect()
}

/// Asks everything of a store. Errors are fine; a wrong answer is not.
fn ask_all(store: &dyn Store, fixture: &Fixture) -> Result<(), StoreError> {
    let mut result = Ok(());
    let mut note = |answer: Result<bool, StoreError>| match answer {
        Ok(right) => assert!(right, "a wrong answer"),
        Err(error) => result = Err(error),
    };
    note(store.head().map(|found| found == fixture.head));
    for entry in &fixture.entries {
        note(store.lines(entry.seq, 1, 0).map(|found| found == [entry.line.clone()]));
        note(store.seq_of_event(&entry.event).map(|found| found == Some(entry.seq)));
        note(store.seq_of_id(&entry.author, &entry.id).map(|found| found == Some(entry.seq)));
        note(store.disclosures(entry.seq).map(|found| found == entry.disclosures));
        note(store.stream_head(&entry.stream).map(|found| found.is_some_and(|found| found.seq >= entry.seq)));
        note(store.stream_seqs(&entry.stream, entry.seq, 1).map(|found| found == [entry.seq]));
    }
    let authority = fixture.entries.iter().filter(|entry| entry.authority).map(|entry| entry.seq);
    note(store.authority_seqs(Seq(0), usize::MAX).map(|found| found.into_iter().eq(authority)));
    for (index, tile) in fixture.leaves.chunks(256).enumerate() {
        note(store.tile(0, index as u64).map(|found| found.as_deref() == Some(tile)));
    }
    result
}

#[test]
fn changed_tables_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (store, mut fixture) = (create(&path), Fixture::new());
    store.commit(&fixture.drawn(300)).unwrap();
    store.close().unwrap();
    let (mut told, mut tried) = (0, 0);
    for file in named(&path, ".sst") {
        let length = fs::metadata(&file).unwrap().len();
        for trial in 0..6u64 {
            let damaged = folder.path().join(format!("damaged-{tried}"));
            copy(&path, &damaged);
            let target = damaged.join(file.file_name().unwrap());
            let mut bytes = fs::read(&target).unwrap();
            let draw = sha256(&[file.as_os_str().as_encoded_bytes(), &trial.to_be_bytes()]);
            let at = u64::from_be_bytes(draw[..8].try_into().unwrap()) % length;
            bytes[usize::try_from(at).unwrap()] ^= draw[8] | 1;
            fs::write(&target, bytes).unwrap();
            let answer = open(&damaged, fixture.size()).and_then(|store| ask_all(&store, &fixture));
            told += u32::from(answer.is_err());
            tried += 1;
            fs::remove_dir_all(&damaged).unwrap();
        }
    }
    // A byte may stand where nothing is read from: statistics, padding.
    assert!(tried >= 40 && told * 2 > tried, "{told} of {tried} changes were told");
}

#[test]
fn a_missing_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (store, mut fixture) = (create(&path), Fixture::new());
    store.commit(&fixture.drawn(300)).unwrap();
    store.close().unwrap();
    for file in named(&path, ".sst").into_iter().chain(named(&path, "MANIFEST")).chain(named(&path, "CURRENT")) {
        let damaged = folder.path().join("damaged");
        copy(&path, &damaged);
        fs::remove_file(damaged.join(file.file_name().unwrap())).unwrap();
        let answer = open(&damaged, fixture.size()).and_then(|store| ask_all(&store, &fixture));
        assert!(answer.is_err(), "{}", file.display());
        fs::remove_dir_all(&damaged).unwrap();
    }
}

/// A store whose batches are only in the log: copied while it is open. Returns the sizes after each batch too.
fn only_logged(folder: &Path) -> (PathBuf, Vec<u64>) {
    let (store, mut fixture) = (create(&folder.join("store")), Fixture::new());
    let mut sizes = vec![0];
    for count in [3, 1, 30, 1, 5] {
        store.commit(&fixture.drawn(count)).unwrap();
        sizes.push(fixture.size());
    }
    copy(&folder.join("store"), &folder.join("copy"));
    (folder.join("copy"), sizes)
}

/// Opens a store with a damaged log: as a process does that knows what was acknowledged, and as one that does not.
fn open_damaged(damaged: &Path, sizes: &[u64]) -> u64 {
    let last = sizes[sizes.len() - 1];
    let before = bytes_of(damaged);
    let known = open(damaged, last).map(drop);
    if known.is_err() {
        assert!(matches!(known, Err(StoreError::Behind { .. } | StoreError::Corrupt { .. })), "{known:?}");
        assert!(before == bytes_of(damaged), "a file was changed");
    }
    let Ok(store) = open(damaged, 0) else { return 0 };
    let size = store.head().unwrap().map_or(0, |head| head.size.0);
    assert!(sizes.contains(&size), "half a batch is there: {size} entries");
    assert_eq!(known.is_ok(), size == last);
    let mut fixture = Fixture::new();
    sizes.windows(2).filter(|pair| pair[1] <= size).for_each(|pair| drop(fixture.drawn(pair[1] - pair[0])));
    check(&store, &fixture);
    size
}

#[test]
fn a_log_that_is_cut_gives_whole_batches_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (path, sizes) = only_logged(folder.path());
    let log = named(&path, ".log").pop().unwrap();
    let bytes = fs::read(&log).unwrap();
    let mut seen = Vec::new();
    for part in 0..40 {
        let damaged = folder.path().join("damaged");
        copy(&path, &damaged);
        let cut = bytes.len() - bytes.len() * part / 40;
        fs::write(damaged.join(log.file_name().unwrap()), &bytes[..cut]).unwrap();
        seen.push(open_damaged(&damaged, &sizes));
        fs::remove_dir_all(&damaged).unwrap();
    }
    assert_eq!(seen[0], sizes[sizes.len() - 1], "an undamaged log is read whole");
    assert!(seen.is_sorted_by(|a, b| a >= b) && seen[39] == 0, "{seen:?}");
}

#[test]
fn a_log_that_is_changed_gives_whole_batches_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (path, sizes) = only_logged(folder.path());
    let log = named(&path, ".log").pop().unwrap();
    let bytes = fs::read(&log).unwrap();
    for trial in 0..40u64 {
        let damaged = folder.path().join("damaged");
        copy(&path, &damaged);
        let draw = sha256(&[b"change", &trial.to_be_bytes()]);
        let at = usize::try_from(u64::from_be_bytes(draw[..8].try_into().unwrap()) % bytes.len() as u64).unwrap();
        let mut changed = bytes.clone();
        changed[at] ^= draw[8] | 1;
        fs::write(damaged.join(log.file_name().unwrap()), &changed).unwrap();
        let size = open_damaged(&damaged, &sizes);
        assert!(size < sizes[sizes.len() - 1], "a change at byte {at} of the log went unseen");
        fs::remove_dir_all(&damaged).unwrap();
    }
}

#[test]
fn changed_manifests_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (store, mut fixture) = (create(&path), Fixture::new());
    store.commit(&fixture.drawn(100)).unwrap();
    store.close().unwrap();
    let mut told = 0;
    for file in named(&path, "MANIFEST").into_iter().chain(named(&path, "CURRENT")) {
        let length = fs::metadata(&file).unwrap().len();
        for part in 0..12 {
            let damaged = folder.path().join("damaged");
            copy(&path, &damaged);
            let target = damaged.join(file.file_name().unwrap());
            let mut bytes = fs::read(&target).unwrap();
            bytes[usize::try_from(length * part / 12).unwrap()] ^= 0x55;
            fs::write(&target, bytes).unwrap();
            let answer = catch_unwind(AssertUnwindSafe(|| {
                open(&damaged, fixture.size()).and_then(|store| ask_all(&store, &fixture))
            }));
            told += u32::from(answer.expect("an error, not a panic").is_err());
            fs::remove_dir_all(&damaged).unwrap();
        }
    }
    assert!(told >= 20, "{told} of 24 changes were told");
}
