//! Bulk append: from signed envelopes to durable entries with receipts, on RocksDB.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_ledger::append::{Ledger, OpenOptions, SubmitError};
use countersign_ledger::high_water::HighWater;
use countersign_ledger::id::TreeSize;
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
use countersign_ledger::submission::Submission;

use crate::world::{World, parts};

/// Begins a ledger in a folder.
///
/// # Errors
/// When the folder is not empty or cannot be written.
pub fn begin(folder: &Path) -> Result<World> {
    let store = RocksStore::create(&folder.join("db"), &RocksOptions::default())?;
    World::begin(Arc::new(store), Some(HighWater::create(&folder.join("high-water"))?))
}

/// Appends events as fast as the ledger takes them, and waits for the last receipt. Returns the time it took.
///
/// # Errors
/// When one of them is not recorded.
pub fn bulk(ledger: &Ledger, submissions: Vec<Submission>) -> Result<Duration> {
    let count = submissions.len();
    let recorded = Arc::new(AtomicUsize::new(0));
    let (finished, finish) = sync_channel(1);
    let started = Instant::now();
    let mut rest = submissions.into_iter().peekable();
    while rest.peek().is_some() {
        let chunk: Vec<Submission> = rest.by_ref().take(2_048).collect();
        for prepared in ledger.prepare_each(chunk) {
            let mut prepared = prepared?;
            loop {
                let (recorded, finished) = (Arc::clone(&recorded), finished.clone());
                let again = prepared.clone();
                let done = move |result: Result<_, SubmitError>| {
                    if result.is_ok() && recorded.fetch_add(1, Ordering::SeqCst) + 1 == count {
                        // The waiting side is below and never goes first.
                        let _ = finished.send(());
                    }
                };
                match ledger.enqueue(prepared, false, done) {
                    Ok(()) => break,
                    Err(SubmitError::Busy { .. }) => std::thread::yield_now(),
                    Err(error) => return Err(error.into()),
                }
                prepared = again;
            }
        }
    }
    finish.recv_timeout(Duration::from_secs(120))?;
    ensure!(recorded.load(Ordering::SeqCst) == count, "every event is recorded");
    Ok(started.elapsed())
}

/// Opens the ledger of a folder again and returns the time it took.
///
/// # Errors
/// When it does not open.
pub fn open(folder: &Path, log: &countersign_ledger::keys::SigningKey) -> Result<(Ledger, Duration)> {
    let started = Instant::now();
    let high_water = HighWater::open(&folder.join("high-water"))?;
    let acknowledged = high_water.latest().map_or(TreeSize(0), |mark| mark.size);
    let store = RocksStore::open(&folder.join("db"), acknowledged, &RocksOptions::default())?;
    let ledger = Ledger::open(parts(Arc::new(store), Some(high_water), log), OpenOptions::default())?;
    Ok((ledger, started.elapsed()))
}

/// Adds up the bytes of the files in a folder.
///
/// # Errors
/// When it cannot be read.
pub fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        sum += if file.file_type()?.is_dir() { folder_bytes(&file.path())? } else { file.metadata()?.len() };
    }
    Ok(sum)
}
