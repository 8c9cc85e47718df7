//! Copies of a ledger, with real processes: restored from a bundle, mirrored from a server.
#![allow(clippy::unwrap_used)]

mod mirror;
mod restore;
mod small;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_ledger::disclosure::{SystemSalts, conceal};
use countersign_ledger::id::TreeSize;
use countersign_ledger::store::Store;
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
use countersign_ledger::submission::Submission;
use countersign_tests::harness::draft::sign;
use countersign_tests::harness::people::dispatch_body;
use countersign_tests::harness::stores::assert_same_store;
use countersign_tests::harness::{Draft, Server, binaries, draft};
use serde_json::{Value, json};

const CASE: &str = "us-dsca.x1";

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A dispatch of a consignment that nobody has spoken of; the serials of every fifth are concealed.
fn dispatch(server: &Server) -> Submission {
    let n = NEXT.fetch_add(1, Ordering::SeqCst);
    let drafted = draft("transfer.dispatched", &format!("consignment/{n}"), Some(CASE), "us-dsca", dispatch_body());
    let (body, disclosures) = match n % 5 {
        0 => conceal(&drafted.body, &["/body/lines/0/serials"], &mut SystemSalts).unwrap(),
        _ => (drafted.body.clone(), Vec::new()),
    };
    let payload = Draft { body, ..drafted }.payload(&json!(server.ledger), &Value::Null, "2026-09-21T14:00:00Z");
    Submission { envelope: sign(&payload, &["us-dsca/0"]), disclosures }
}

/// Records so many dispatches.
fn fill(server: &Server, count: usize) {
    let lines: String = (0..count).map(|_| dispatch(server).to_json() + "\n").collect();
    let results = server.http.post_batch(lines.as_bytes());
    assert_eq!(results.len(), count);
    assert!(results.iter().all(|result| result["status"] == 201), "{results:?}");
}

fn get(server: &Server, path: &str) -> Vec<u8> {
    let answer = server.http.get(path).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.body
}

fn size(server: &Server) -> u64 {
    server.http.get("/v1/ledger").unwrap().json()["size"].as_u64().unwrap()
}

/// A command of the program, with its ledger and a state folder of its own.
fn command(arguments: &[&str], ledger: &str) -> Command {
    let mut command = Command::new(binaries::countersign());
    command.args(arguments).args(["--ledger", ledger]).stdin(Stdio::null());
    command
}

/// Runs it, and returns the status and what it said.
fn said(mut command: Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code().unwrap_or(-1), text)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Opens the store of a data folder whose process has ended.
fn store(data: &Path) -> RocksStore {
    RocksStore::open(&data.join("db"), TreeSize(0), &RocksOptions::default()).unwrap()
}

fn assert_same(data: &Path, other: &Path) {
    assert_same_store(&store(data), &store(other));
}

/// What stands in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Copies a folder with all that is in it, as a backup does.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target: PathBuf = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// How many bytes a folder takes, 0 if it is not there.
fn bytes(folder: &Path) -> u64 {
    let Ok(items) = std::fs::read_dir(folder) else { return 0 };
    items
        .flatten()
        .map(|item| match item.metadata() {
            Ok(found) if found.is_dir() => bytes(&item.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

fn is_closed(store: &dyn Store) -> bool {
    store.size_ahead().unwrap() == store.head().unwrap().map_or(TreeSize(0), |head| head.size)
}
