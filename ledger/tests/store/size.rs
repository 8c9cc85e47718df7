//! How much and how fast: prints what it measures (`--nocapture`), asserts what the project promises.

use std::time::{Duration, Instant};

use countersign_ledger::high_water::HighWater;
use countersign_ledger::store::Store;

use crate::fixture::Fixture;
use crate::folder::{create, open};

/// Commits `entries` entries in batches of `count`; returns their bytes and the time that each commit took.
fn fill(store: &dyn Store, fixture: &mut Fixture, entries: u64, count: u64) -> (u64, Vec<Duration>) {
    let (mut bytes, mut times) = (0, Vec::new());
    while fixture.size() < entries {
        let batch = fixture.drawn(count);
        bytes += batch.entries.iter().map(|entry| entry.line.len() as u64).sum::<u64>();
        let start = Instant::now();
        store.commit(&batch).unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    (bytes, times)
}

#[allow(clippy::print_stdout, reason = "a measurement")]
fn measure(entries: u64, count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = create(&path);
    let (bytes, times) = fill(&store, &mut Fixture::quick(), entries, count);
    let while_open = store.disk_bytes().unwrap();
    let start = Instant::now();
    store.close().unwrap();
    let closed = start.elapsed();
    let start = Instant::now();
    let store = open(&path, entries).unwrap();
    let opened = start.elapsed();
    let stored = store.disk_bytes().unwrap();
    #[allow(clippy::cast_precision_loss, reason = "a ratio")]
    let ratio = |part: u64| part as f64 / bytes as f64;
    println!(
        "{entries} entries of {} bytes in batches of {count}: stored {:.3} of them ({:.3} before closing); commit p50 {:?} p99 {:?}; close {closed:?}, open {opened:?}",
        bytes / entries,
        ratio(stored),
        ratio(while_open),
        times[times.len() / 2],
        times[times.len() * 99 / 100],
    );
    assert!(stored <= bytes && while_open <= bytes, "more than the entries' own bytes");
    assert!(opened < Duration::from_secs(2));
}

#[test]
fn stored_bytes_stay_below_the_entries_own() {
    measure(10_240, 256);
}

#[test]
#[ignore = "takes a minute"]
fn a_million_entries_open_at_once() {
    measure(1_000_192, 256);
    measure(20_000, 1);
}

#[test]
#[allow(clippy::print_stdout, reason = "a measurement")]
fn a_high_water_mark_costs_one_small_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut mark = HighWater::create(&folder.path().join("high-water")).unwrap();
    let checkpoint = Fixture::new().drawn(1).head.unwrap().checkpoint.repeat(3);
    let mut times: Vec<_> = (1..500)
        .map(|n| {
            let start = Instant::now();
            mark.record(countersign_ledger::id::TreeSize(n), &checkpoint).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("high-water mark: p50 {:?} p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
}
