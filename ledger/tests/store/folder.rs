//! Making, opening and closing a store's folder.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_ledger::id::TreeSize;
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
use countersign_ledger::store::{Store, StoreError};

use crate::fixture::{Fixture, check};

pub(crate) fn create(path: &Path) -> RocksStore {
    RocksStore::create(path, &RocksOptions::default()).unwrap()
}

pub(crate) fn open(path: &Path, acknowledged: u64) -> Result<RocksStore, StoreError> {
    RocksStore::open(path, TreeSize(acknowledged), &RocksOptions::default())
}

/// Makes a store of `batches` batches of 40 entries in a fresh folder, and drops it.
fn filled(batches: u64) -> (tempfile::TempDir, PathBuf, Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (store, mut fixture) = (create(&path), Fixture::new());
    for _ in 0..batches {
        store.commit(&fixture.drawn(40)).unwrap();
    }
    (folder, path, fixture)
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let (_folder, path, mut fixture) = filled(3);
    for round in 0..4 {
        let store = open(&path, fixture.size()).unwrap();
        check(&store, &fixture);
        store.commit(&fixture.drawn(round)).unwrap();
        if round % 2 == 0 {
            store.close().unwrap();
        }
    }
    check(&open(&path, fixture.size()).unwrap(), &fixture);
}

#[test]
fn compaction_changes_nothing() {
    let (_folder, path, mut fixture) = filled(2);
    for _ in 0..3 {
        let store = open(&path, 0).unwrap();
        store.commit(&fixture.drawn(300)).unwrap();
        store.close().unwrap();
    }
    let store = open(&path, 0).unwrap();
    store.compact();
    check(&store, &fixture);
    store.commit(&fixture.drawn(300)).unwrap();
    check(&store, &fixture);
    assert!(store.disk_bytes().unwrap() > 100_000);
}

#[test]
fn a_new_store_needs_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let refused = RocksStore::create(folder.path(), &RocksOptions::default());
    assert!(matches!(refused, Err(StoreError::NotEmpty { found, .. }) if found == "notes.txt"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made beside it");
    drop(create(&folder.path().join("a").join("b")));
    let refused = RocksStore::create(&folder.path().join("a").join("b"), &RocksOptions::default());
    assert!(matches!(refused, Err(StoreError::NotEmpty { .. })));
}

#[test]
fn only_a_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open(folder.path(), 0), Err(StoreError::Missing { .. })));
    assert!(matches!(open(&folder.path().join("x"), 0), Err(StoreError::Missing { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "opening makes nothing");
}

#[test]
fn a_store_is_opened_once() {
    let (_folder, path, fixture) = filled(1);
    let held = open(&path, 0).unwrap();
    assert!(matches!(open(&path, 0), Err(StoreError::InUse { .. })));
    check(&held, &fixture);
    drop(held);
    open(&path, 0).unwrap();
}

#[test]
fn a_store_behind_what_was_acknowledged_is_refused_untouched() {
    let (_folder, path, fixture) = filled(2);
    let before = bytes_of(&path);
    let refused = open(&path, fixture.size() + 1);
    let expected = TreeSize(fixture.size() + 1);
    assert!(matches!(refused, Err(StoreError::Behind { expected: e, found }) if e == expected && found.0 == 80));
    assert!(before == bytes_of(&path), "a file was changed");
    check(&open(&path, fixture.size()).unwrap(), &fixture);
}

/// Every file but RocksDB's own log of what it did, with its bytes.
pub(crate) fn bytes_of(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("LOG"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}
