//! How RocksDB is set up: first that nothing is lost or silently wrong, then memory, then bytes on disk.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel, MergeOperands,
    Options,
};

use super::Family;

/// How much memory the store may take. The defaults suit a ledger of some millions of entries on a small machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes for blocks that were read, with their indexes and filters.
    pub cache_bytes: usize,
    /// Bytes of entries that wait in memory (and in the log) to be written out; all families together take twice as
    /// much at most. After a crash so much is read again before the store opens.
    pub write_buffer_bytes: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, write_buffer_bytes: 32 << 20 }
    }
}

impl RocksOptions {
    /// Options of the database as a whole.
    pub(super) fn database(&self) -> Options {
        let mut options = Options::default();
        options.set_paranoid_checks(true);
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        // Logs that were closed and synced must be there, whole. The one in use is not covered: the high-water is
        // for that.
        options.set_track_and_verify_wals_in_manifest(true);
        // All families are written out together, so that a damaged log cannot leave an index ahead of its entries.
        options.set_atomic_flush(true);
        // Stated although they are defaults: with these, what was acknowledged could be lost or reordered.
        options.set_manual_wal_flush(false);
        options.set_recycle_log_file_num(0);
        options.set_enable_pipelined_write(false);
        options.set_unordered_write(false);
        options.set_use_fsync(false);
        options.set_db_write_buffer_size(self.write_buffer_bytes.saturating_mul(2));
        options.set_max_total_wal_size(u64::try_from(self.write_buffer_bytes.saturating_mul(3)).unwrap_or(u64::MAX));
        options.set_max_open_files(512);
        options.set_max_background_jobs(2);
        options.set_skip_stats_update_on_db_open(true);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options.set_log_level(LogLevel::Warn);
        options.set_max_log_file_size(1 << 20);
        options.set_keep_log_file_num(4);
        options
    }

    /// Families with their options; one cache for all.
    pub(super) fn families(&self, families: &[Family]) -> Vec<ColumnFamilyDescriptor> {
        let cache = Cache::new_lru_cache(self.cache_bytes);
        families.iter().map(|family| ColumnFamilyDescriptor::new(family.name(), self.family(*family, &cache))).collect()
    }

    fn family(&self, family: Family, cache: &Cache) -> Options {
        let mut options = Options::default();
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        options.set_write_buffer_size(self.write_buffer_bytes);
        options.set_max_write_buffer_number(3);
        let small_block = 4 << 10;
        let (compression, block) = match family {
            // Keys only grow, so files of one compression are moved down the levels, never written again.
            Family::Entries => (DBCompressionType::Zstd, 32 << 10),
            Family::Disclosures | Family::Proposals => (DBCompressionType::Zstd, 16 << 10),
            Family::ByStream | Family::Authority => (DBCompressionType::Zstd, small_block),
            Family::ById | Family::Heads => (DBCompressionType::Lz4, small_block),
            // Hashes do not compress.
            Family::ByEvent | Family::ByEvidence | Family::Tiles | Family::Meta => {
                (DBCompressionType::None, small_block)
            }
        };
        if matches!(family, Family::ByEvent | Family::ById | Family::Heads) {
            // Admission asks whether an event, an id or a stream exists; mostly it does not.
            table.set_bloom_filter(10.0, false);
        }
        if family == Family::Tiles {
            options.set_merge_operator_associative("append", append);
        }
        table.set_block_size(block);
        options.set_compression_type(compression);
        options.set_block_based_table_factory(&table);
        options
    }
}

/// Appends to a tile the hashes that later batches add, in the order of the batches.
fn append(_key: &[u8], stored: Option<&[u8]>, added: &MergeOperands) -> Option<Vec<u8>> {
    let mut tile = stored.unwrap_or_default().to_vec();
    added.iter().for_each(|hashes| tile.extend_from_slice(hashes));
    Some(tile)
}
