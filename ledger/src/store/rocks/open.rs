//! Opening a database: what is checked first, and what errors mean.

use std::fs;
use std::io;
use std::path::Path;

use rocksdb::{DB, ErrorKind, Options, WriteBatch};

use super::{Family, LAYOUT, RocksOptions, RocksStore, evidence_key, read_head, size_of};
use crate::entry::Entry;
use crate::event::Event;
use crate::id::{Seq, TreeSize};
use crate::store::{Store as _, StoreError};

/// The layout before this one: without the index of evidence files. What it lacks is made of its entries.
const LAYOUT_1: &str = "countersign-store-1";
/// How many entries are read at once, and about how many bytes, while an index is made.
const INDEXED_TOGETHER: usize = 1_024;
const INDEXED_BYTES: usize = 4 << 20;

/// Which layout a store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The present one.
    Current,
    /// [`LAYOUT_1`], perhaps with an index that was begun.
    First,
}

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
    DB::open_cf_descriptors(database, path, options.families(&Family::ALL)).map_err(|e| open_failure(path, &e))
}

/// Checks layout and size without changing a file: opening a database whose log is damaged drops what stands after
/// the damage, and with it the chance to mend it.
pub(super) fn check_before_opening(
    path: &Path,
    acknowledged: TreeSize,
    options: &RocksOptions,
) -> Result<Found, StoreError> {
    let database = options.database();
    let mut found = DB::list_cf(&database, path).map_err(|e| open_failure(path, &e))?;
    found.retain(|name| name != "default");
    found.sort_unstable();
    let mut expected = Family::ALL.to_vec();
    expected.sort_unstable_by_key(|family| family.name());
    if !found.iter().any(|name| name == Family::ByEvidence.name()) {
        expected.retain(|family| *family != Family::ByEvidence);
    }
    if !found.iter().map(String::as_str).eq(expected.iter().map(|family| family.name())) {
        return Err(layout(path, format!("column families {}", found.join(" "))));
    }
    let db = DB::open_cf_descriptors_read_only(&database, path, options.families(&expected), false);
    let db = db.map_err(|e| open_failure(path, &e))?;
    let meta = db.cf_handle(Family::Meta.name()).expect("opened with every family");
    let read = |key: &str| db.get_cf(meta, key).map_err(|e| failure("read the store's layout", &e));
    let layout_found = match read("layout")? {
        Some(found) if found == LAYOUT.as_bytes() && expected.len() == Family::ALL.len() => Found::Current,
        Some(found) if found == LAYOUT_1.as_bytes() => Found::First,
        Some(found) => return Err(layout(path, String::from_utf8_lossy(&found).into_owned())),
        None => return Err(layout(path, "none: its creation was interrupted".to_owned())),
    };
    let head = read("head")?.map(|value| read_head(&value).ok_or_else(|| malformed(Family::Meta, b"head")));
    let found = size_of(head.transpose()?.as_ref());
    if found < acknowledged {
        return Err(StoreError::Behind { expected: acknowledged, found });
    }
    Ok(layout_found)
}

/// Makes the index of evidence files of a store that has none yet. A crash leaves the old layout, and it is made again.
pub(super) fn index_evidence(store: &RocksStore) -> Result<(), StoreError> {
    let size = size_of(store.head()?.as_ref());
    let mut next = Seq(0);
    while next.0 < size.0 {
        let mut batch = WriteBatch::default();
        for line in store.lines(next, INDEXED_TOGETHER, INDEXED_BYTES)? {
            let corrupt = |reason: String| StoreError::Corrupt { place: format!("entry {next}"), reason };
            let entry = Entry::parse(&line).map_err(|e| corrupt(e.to_string()))?;
            let event = Event::of_envelope(&entry.envelope).map_err(|e| corrupt(e.to_string()))?;
            for file in &event.evidence {
                batch.put_cf(store.family(Family::ByEvidence), evidence_key(&file.sha256, next), b"");
            }
            next.0 += 1;
        }
        store.write(batch)?;
    }
    let mut batch = WriteBatch::default();
    batch.put_cf(store.family(Family::Meta), b"layout", LAYOUT);
    store.write(batch)
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
        change(&mut std::sync::Arc::get_mut(&mut store.inner).unwrap().db);
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
        let later = opened_after(|db| put(db, Family::Meta, "layout", b"countersign-store-3"));
        assert_eq!(found(later), "countersign-store-3");
        let unfinished = opened_after(|db| {
            db.delete_cf(db.cf_handle(Family::Meta.name()).unwrap(), "layout").unwrap();
        });
        assert!(found(unfinished).contains("interrupted"));
        let more = opened_after(|db| db.create_cf("views", &Options::default()).unwrap());
        assert!(found(more).contains("views"));
    }

    #[test]
    fn the_index_of_a_store_of_the_first_layout_is_made() {
        use crate::envelope::Envelope;
        use crate::hash::{EventHash, FileHash, LeafHash};
        use crate::store::{Batch, Head, NewEntry, NewTile};

        let folder = tempfile::tempdir().unwrap();
        let (path, options) = (folder.path().join("store"), RocksOptions::default());
        let store = RocksStore::create(&path, &options).unwrap();
        let file = FileHash::from_bytes([7; 32]);
        let payload = serde_json::json!({
            "countersign": 1, "ledger": "0".repeat(64), "id": "01920000-0000-7000-8000-000000000001",
            "kind": "diversion.reported", "subject": "incident/a.1", "after": null, "author": "a",
            "occurred": { "unknown": "x" }, "body": {},
            "evidence": [{ "sha256": file, "size": 5, "media_type": "image/jpeg", "name": "a.jpg" }],
        });
        let key = crate::keys::SigningKey::from_seed(&[1; 32]);
        let envelope = Envelope::sign(payload.to_string().into_bytes(), &[&key]).unwrap();
        let event = Event::of_envelope(&envelope).unwrap();
        let entry = Entry {
            seq: Seq(0),
            time: "2026-01-01T00:00:00.000Z".parse().unwrap(),
            prev: LeafHash::ZERO,
            governance: None,
            case: None,
            stream: None,
            envelope,
        };
        let line = entry.line().into_bytes();
        let leaf = LeafHash::of_line(&line);
        let new = NewEntry {
            seq: Seq(0),
            line,
            event: EventHash::from_bytes([1; 32]),
            author: event.author.clone(),
            id: event.id,
            stream: event.stream(),
            authority: false,
            disclosures: Vec::new(),
            evidence: Vec::new(),
        };
        let head = Head { size: TreeSize(1), checkpoint: "note".to_owned() };
        let tile = NewTile { level: 0, index: 0, hashes: vec![leaf.into()] };
        store.commit(&Batch { entries: vec![new], tiles: vec![tile], head: Some(head) }).unwrap();
        store.close().unwrap();
        // as a store was before there was such an index
        let mut db = open_db(&options.database(), &path, &options).unwrap();
        db.drop_cf(Family::ByEvidence.name()).unwrap();
        put(&db, Family::Meta, "layout", LAYOUT_1.as_bytes());
        drop(db);
        for _ in 0..2 {
            let store = RocksStore::open(&path, TreeSize(1), &options).unwrap();
            assert_eq!(store.evidence_seqs(&file, Seq(0), 9).unwrap(), [Seq(0)]);
        }
    }

    #[test]
    fn a_malformed_head_is_corruption() {
        let result = opened_after(|db| put(db, Family::Meta, "head", b"short"));
        assert!(matches!(result, Err(StoreError::Corrupt { .. })), "{result:?}");
    }
}
