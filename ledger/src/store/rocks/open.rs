//! Opening a database: what is checked first, and what errors mean.

use std::fs;
use std::io;
use std::path::Path;

use rocksdb::{DB, ErrorKind, Options};

use super::{Family, LAYOUT, RocksOptions, read_head, size_of};
use crate::id::{Seq, TreeSize};
use crate::store::StoreError;

/// Beside RocksDB's own lock, which a look before opening does not take.
const LOCK_FILE: &str = "in-use";

/// Takes the folder for this process until the file is dropped.
pub(super) fn lock(path: &Path) -> Result<fs::File, StoreError> {
    let file = fs::File::options().create(true).append(true).open(path.join(LOCK_FILE));
    let file = file.map_err(|e| failed("lock the data folder", &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse { path: shown(path) }),
        Err(fs::TryLockError::Error(e)) => Err(failed("lock the data folder", &e)),
    }
}

/// Opens a database with every family.
pub(super) fn open_db(database: &Options, path: &Path, options: &RocksOptions) -> Result<DB, StoreError> {
    DB::open_cf_descriptors(database, path, options.families()).map_err(|e| open_failure(path, &e))
}

/// Checks layout and size without changing a file: opening a database whose log is damaged drops what stands after
/// the damage, and with it the chance to mend it.
pub(super) fn check_before_opening(
    path: &Path,
    acknowledged: TreeSize,
    options: &RocksOptions,
) -> Result<(), StoreError> {
    let database = options.database();
    let mut found = DB::list_cf(&database, path).map_err(|e| open_failure(path, &e))?;
    found.retain(|name| name != "default");
    found.sort_unstable();
    let mut expected = Family::ALL.map(Family::name);
    expected.sort_unstable();
    if found != expected {
        return Err(layout(path, format!("column families {}", found.join(" "))));
    }
    let db = DB::open_cf_descriptors_read_only(&database, path, options.families(), false);
    let db = db.map_err(|e| open_failure(path, &e))?;
    let meta = db.cf_handle(Family::Meta.name()).expect("opened with every family");
    let read = |key: &str| db.get_cf(meta, key).map_err(|e| failure("read the store's layout", &e));
    match read("layout")? {
        Some(found) if found == LAYOUT.as_bytes() => {}
        Some(found) => return Err(layout(path, String::from_utf8_lossy(&found).into_owned())),
        None => return Err(layout(path, "none: its creation was interrupted".to_owned())),
    }
    let head = read("head")?.map(|value| read_head(&value).ok_or_else(|| malformed(Family::Meta, b"head")));
    let found = size_of(head.transpose()?.as_ref());
    if found < acknowledged { Err(StoreError::Behind { expected: acknowledged, found }) } else { Ok(()) }
}

fn layout(path: &Path, found: String) -> StoreError {
    StoreError::Layout { path: shown(path), expected: LAYOUT, found }
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

pub(super) fn failed(action: &'static str, error: &io::Error) -> StoreError {
    StoreError::Failed { action, reason: error.to_string() }
}

/// Sorts an error of the database: corruption is not a failing disk.
pub(super) fn failure(action: &'static str, error: &rocksdb::Error) -> StoreError {
    let reason = error.to_string();
    match error.kind() {
        ErrorKind::Corruption => StoreError::Corrupt { place: format!("the database, when asked to {action}"), reason },
        _ => StoreError::Failed { action, reason },
    }
}

fn open_failure(path: &Path, error: &rocksdb::Error) -> StoreError {
    let text = error.to_string();
    if error.kind() == ErrorKind::IOError && text.contains("lock") && text.contains("LOCK") {
        return StoreError::InUse { path: shown(path) };
    }
    failure("open the database", error)
}

pub(super) fn malformed(family: Family, key: &[u8]) -> StoreError {
    let key = hex::encode(key.get(..256).unwrap_or(key));
    let reason = "not of the form that is written".to_owned();
    StoreError::Corrupt { place: format!("record {key} of {}", family.name()), reason }
}

pub(super) fn missing_entry(seq: Seq) -> StoreError {
    StoreError::Corrupt { place: format!("entry {seq}"), reason: "below the head, but not there".to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::rocks::RocksStore;

    /// Makes a store, changes it with `change`, and returns what opening it says.
    fn opened_after(change: impl FnOnce(&mut DB)) -> Result<(), StoreError> {
        let folder = tempfile::tempdir().unwrap();
        let (path, options) = (folder.path().join("store"), RocksOptions::default());
        let mut store = RocksStore::create(&path, &options).unwrap();
        change(&mut store.db);
        store.close().unwrap();
        RocksStore::open(&path, TreeSize(0), &options).map(drop)
    }

    fn put(db: &DB, family: Family, key: &str, value: &[u8]) {
        db.put_cf(db.cf_handle(family.name()).unwrap(), key, value).unwrap();
    }

    #[test]
    fn stores_of_another_layout_are_refused() {
        assert!(opened_after(|_| {}).is_ok());
        let found = |result: Result<(), StoreError>| match result {
            Err(StoreError::Layout { found, .. }) => found,
            other => format!("{other:?}"),
        };
        let later = opened_after(|db| put(db, Family::Meta, "layout", b"countersign-store-2"));
        assert_eq!(found(later), "countersign-store-2");
        let unfinished = opened_after(|db| {
            db.delete_cf(db.cf_handle(Family::Meta.name()).unwrap(), "layout").unwrap();
        });
        assert!(found(unfinished).contains("interrupted"));
        let more = opened_after(|db| db.create_cf("views", &Options::default()).unwrap());
        assert!(found(more).contains("views"));
    }

    #[test]
    fn a_malformed_head_is_corruption() {
        let result = opened_after(|db| put(db, Family::Meta, "head", b"short"));
        assert!(matches!(result, Err(StoreError::Corrupt { .. })), "{result:?}");
    }
}
