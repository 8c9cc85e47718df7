//! A process that is killed while it commits, or whose disk is full: nothing that it acknowledged is lost.
//!
//! The child is this same test program, told by its environment to commit until it dies. It acknowledges a batch by
//! printing the size, after the store and the high-water mark have it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use countersign_ledger::high_water::HighWater;
use countersign_ledger::store::{Store, StoreError};

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
        if let Err(error) = store.commit(&batch) {
            assert!(matches!(error, StoreError::Failed { .. }), "{error}");
            assert!(matches!(store.commit(&batch), Err(StoreError::InDoubt)));
            writeln!(std::io::stderr(), "failed: {error}").unwrap();
            return;
        }
        let head = batch.head.as_ref().unwrap();
        mark.record(head.size, &head.checkpoint).unwrap();
        let mut out = std::io::stderr().lock();
        writeln!(out, "acknowledged {}", head.size).unwrap();
    }
}

/// A child with a shell around it that sets limits before it becomes the child.
fn child_process(folder: &Path, limits: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{limits} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Opens what a child left behind, and compares it with what it must be.
fn check_survivors(folder: &Path, acknowledged: u64) {
    let mark = HighWater::open(&folder.join("high-water")).unwrap();
    let store = open(&folder.join("store"), mark.size().0).unwrap();
    let head = store.head().unwrap().unwrap();
    assert!(head.size >= mark.size() && mark.size().0 >= acknowledged, "{acknowledged} were acknowledged");
    let (fixture, _) = replay(head.size.0);
    check(&store, &fixture);
}

fn fresh_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    create(&folder.path().join("store")).close().unwrap();
    HighWater::create(&folder.path().join("high-water")).unwrap();
    folder
}

/// Starts a child and kills it after `batches` batches; returns the last size that it acknowledged.
fn commit_and_kill(folder: &Path, batches: usize) -> u64 {
    let mut child = child_process(folder, "");
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
    let folder = fresh_folder();
    for round in 0..8 {
        let acknowledged = commit_and_kill(folder.path(), 3 + round * 2);
        check_survivors(folder.path(), acknowledged);
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_disk_is_full() {
    let folder = fresh_folder();
    for kibibytes in [250, 300, 415, 600] {
        // No file may grow beyond the limit: the log's write is cut short, as on a full disk.
        let limits = format!("trap '' XFSZ; ulimit -f {} || exit 1;", kibibytes * 2);
        let output = child_process(folder.path(), &limits).wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && text.contains("failed: "), "{text}");
        let sizes = text.lines().filter_map(|line| line.strip_prefix("acknowledged "));
        let acknowledged =
            sizes.max_by_key(|size| size.parse::<u64>().unwrap()).map_or(0, |size| size.parse().unwrap());
        check_survivors(folder.path(), acknowledged);
    }
}
