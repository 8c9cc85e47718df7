//! A process that is killed while it commits: nothing that it acknowledged is lost.
//!
//! The child is this same test program, told by its environment to commit until it dies. It acknowledges a batch by
//! printing the size, after the store and the high-water mark have it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_ledger::high_water::HighWater;
use countersign_ledger::store::Store;

use crate::fixture::{Fixture, check};
use crate::folder::{create, open};

const FOLDER: &str = "COUNTERSIGN_TEST_COMMITS_IN";

/// How many entries batch `number` has: many small ones, some large.
fn batch_size(number: u64) -> u64 {
    [1, 2, 1, 40, 1, 256, 3, 1][usize::try_from(number % 8).unwrap()]
}

/// Replays batches until the fixture has `size` entries; fails if `size` lies within a batch.
fn replay(size: u64) -> (Fixture, u64) {
    let (mut fixture, mut number) = (Fixture::new(), 0);
    while fixture.size() < size {
        fixture.drawn(batch_size(number));
        number += 1;
    }
    assert_eq!(fixture.size(), size, "half a batch is there");
    (fixture, number)
}

#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut mark = HighWater::open(&folder.join("high-water")).unwrap();
    let store = open(&folder.join("store"), mark.size().0).unwrap();
    let size = store.head().unwrap().map_or(0, |head| head.size.0);
    let (mut fixture, mut number) = replay(size);
    loop {
        let batch = fixture.drawn(batch_size(number));
        number += 1;
        store.commit(&batch).unwrap();
        mark.record(batch.head.size, &batch.head.checkpoint).unwrap();
        let mut out = std::io::stderr().lock();
        writeln!(out, "acknowledged {}", batch.head.size).unwrap();
    }
}

/// Starts a child and kills it after `batches` batches; returns the last size that it acknowledged.
fn commit_and_kill(folder: &Path, batches: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut acknowledged = None;
    let mut take = |line: String| {
        let size = line.strip_prefix("acknowledged ").unwrap_or_else(|| panic!("the child failed: {line}"));
        acknowledged = Some(size.parse().unwrap());
    };
    lines.by_ref().take(batches).for_each(|line| take(line.unwrap()));
    child.kill().unwrap();
    child.wait().unwrap();
    lines.map_while(Result::ok).for_each(take);
    acknowledged.unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    create(&folder.path().join("store")).close().unwrap();
    HighWater::create(&folder.path().join("high-water")).unwrap();
    for round in 0..8 {
        let acknowledged = commit_and_kill(folder.path(), 3 + round * 2);
        let mark = HighWater::open(&folder.path().join("high-water")).unwrap();
        let store = open(&folder.path().join("store"), mark.size().0).unwrap();
        let head = store.head().unwrap().unwrap();
        assert!(head.size >= mark.size() && mark.size().0 >= acknowledged, "{acknowledged} were acknowledged");
        let (fixture, _) = replay(head.size.0);
        check(&store, &fixture);
    }
}
