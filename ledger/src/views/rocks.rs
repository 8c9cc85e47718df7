//! Views on disk: a RocksDB of their own, which may be deleted at any time.
//!
//! Writes go to the write-ahead log unsynced: a crash may cost the newest of them, never one before another, and entries
//! are applied again from the position that survived.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, LogLevel, Options, ReadOptions, Snapshot, WriteBatch, WriteOptions,
};

use super::kv::{Changes, Family, Kv, Reads, Take};
use crate::store::StoreError;

/// How much memory the tables may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewOptions {
    /// Bytes for blocks that were read.
    pub cache_bytes: usize,
    /// Bytes of changes that wait in memory to be written out.
    pub write_buffer_bytes: usize,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, write_buffer_bytes: 64 << 20 }
    }
}

/// Tables in a folder.
#[derive(Debug)]
pub struct RocksKv {
    path: PathBuf,
    db: DB,
}

impl RocksKv {
    /// Opens the tables of a folder, or makes them.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has them open; [`StoreError::Corrupt`] or [`StoreError::Failed`]
    /// where what is there cannot be opened: it may be removed with [`RocksKv::remove`] and made again.
    pub fn open(path: &Path, options: &ViewOptions) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(|e| failed("make the folder of the views", &e))?;
        let database = database(options);
        let db = DB::open_cf_descriptors(&database, path, families(options)).map_err(|e| open_failure(path, &e))?;
        Ok(Self { path: path.to_owned(), db })
    }

    /// Removes the tables of a folder, and nothing that is not theirs.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when a process has them open, or when the disk refuses.
    pub fn remove(path: &Path) -> Result<(), StoreError> {
        if !path.exists() {
            return Ok(());
        }
        DB::destroy(&Options::default(), path).map_err(|e| open_failure(path, &e))
    }

    /// Writes out what is only in memory and in the log.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush(&self) -> Result<(), StoreError> {
        let families = Family::ALL.map(|family| self.family(family));
        self.db
            .flush_cfs_opt(&families, &rocksdb::FlushOptions::default())
            .map_err(|e| failure("write out the views", &e))
    }

    /// Returns how many bytes the tables take on disk.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for file in fs::read_dir(&self.path).map_err(|e| failed("read the folder of the views", &e))? {
            // the database deletes files that it no longer needs, at any time
            bytes += file.and_then(|file| file.metadata()).map_or(0, |metadata| metadata.len());
        }
        Ok(bytes)
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("the tables are opened with every family")
    }
}

impl Drop for RocksKv {
    fn drop(&mut self) {
        self.db.cancel_all_background_work(true);
    }
}

struct State<'a> {
    of: &'a RocksKv,
    snapshot: Snapshot<'a>,
}

impl Reads for State<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.snapshot.get_cf(self.of.family(family), key).map_err(|e| failure("read a record", &e))
    }

    fn scan(&self, family: Family, from: &[u8], end: &[u8], take: &mut Take<'_>) -> Result<(), StoreError> {
        if from >= end {
            return Ok(());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end);
        let mode = IteratorMode::From(from, Direction::Forward);
        for found in self.snapshot.iterator_cf_opt(self.of.family(family), options, mode) {
            let (key, value) = found.map_err(|e| failure("read records", &e))?;
            if !take(&key, &value)? {
                break;
            }
        }
        Ok(())
    }
}

impl Kv for RocksKv {
    fn snapshot(&self) -> Box<dyn Reads + '_> {
        Box::new(State { of: self, snapshot: self.db.snapshot() })
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for (family, key, value) in changes.iter() {
            match value {
                Some(value) => batch.put_cf(self.family(family), key, value),
                None => batch.delete_cf(self.family(family), key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(false);
        self.db.write_opt(batch, &options).map_err(|e| failure("write the views", &e))
    }
}

fn database(options: &ViewOptions) -> Options {
    let mut database = Options::default();
    database.create_if_missing(true);
    database.create_missing_column_families(true);
    database.set_paranoid_checks(true);
    // what the log holds after a damage is dropped: the position with it, so entries are applied again
    database.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // all tables are written out together, so that none is ahead of the position
    database.set_atomic_flush(true);
    database.set_db_write_buffer_size(options.write_buffer_bytes.saturating_mul(2));
    database.set_max_total_wal_size(u64::try_from(options.write_buffer_bytes.saturating_mul(3)).unwrap_or(u64::MAX));
    database.set_max_open_files(512);
    database.set_max_background_jobs(2);
    database.set_skip_stats_update_on_db_open(true);
    database.set_stats_dump_period_sec(0);
    database.set_stats_persist_period_sec(0);
    database.set_log_level(LogLevel::Warn);
    database.set_max_log_file_size(1 << 20);
    database.set_keep_log_file_num(4);
    database
}

fn families(options: &ViewOptions) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(options.cache_bytes);
    let of = |family: Family| {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        // most new items are asked for once, and are not there
        table.set_bloom_filter(10.0, false);
        table.set_block_size(if family == Family::Index { 4 << 10 } else { 8 << 10 });
        let mut options_of = Options::default();
        options_of.set_write_buffer_size(options.write_buffer_bytes);
        options_of.set_max_write_buffer_number(3);
        options_of.set_compression_type(DBCompressionType::Lz4);
        options_of.set_bottommost_compression_type(DBCompressionType::Zstd);
        options_of.set_block_based_table_factory(&table);
        ColumnFamilyDescriptor::new(family.name(), options_of)
    };
    Family::ALL.into_iter().map(of).collect()
}

fn failed(action: &'static str, error: &std::io::Error) -> StoreError {
    StoreError::Failed { action, reason: error.to_string() }
}

fn failure(action: &'static str, error: &rocksdb::Error) -> StoreError {
    let reason = error.to_string();
    match error.kind() {
        rocksdb::ErrorKind::Corruption => {
            StoreError::Corrupt { place: format!("the views, when asked to {action}"), reason }
        }
        _ => StoreError::Failed { action, reason },
    }
}

fn open_failure(path: &Path, error: &rocksdb::Error) -> StoreError {
    let text = error.to_string();
    if text.contains("lock") && text.contains("LOCK") {
        return StoreError::InUse { path: path.display().to_string() };
    }
    failure("open the views", error)
}
