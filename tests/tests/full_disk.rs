//! A disk that fills up under a real server: 503, a non-zero exit, and nothing acknowledged is lost.
//!
//! Twice: on a small file system of its own, where the machine lets us mount one; and with a limit on the size of files,
//! which works everywhere and fails the same writes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_tests::harness::draft::sign;
use countersign_tests::harness::people::dispatch_body;
use countersign_tests::harness::{DataFolder, Server, draft, verify};
use serde_json::{Value, json};

const CASE: &str = "us-dsca.x1";

/// An event of some 40 kB, so that a disk is full soon.
fn large(server: &Server, n: usize) -> String {
    let mut body = dispatch_body();
    let line = body["lines"][0].clone();
    let lines = (0..100).map(|number| {
        let mut line = line.clone();
        line["line"] = json!(number.to_string());
        line["nomenclature"] = json!("x".repeat(200));
        line.as_object_mut().unwrap().remove("serials");
        line
    });
    body["lines"] = lines.collect();
    let subject = format!("consignment/{n}");
    let event = draft("transfer.dispatched", &subject, Some(CASE), "us-dsca", body);
    sign(&event.payload(&json!(server.ledger), &Value::Null, "2026-09-21T14:00:00Z"), &["us-dsca/0"]).canonical()
}

/// What is acknowledged before the disk is full, by the entry's number; and the event that found it full.
struct Filled {
    acknowledged: BTreeMap<u64, String>,
    refused: String,
}

/// Sends events until one is not recorded, and waits for the server's end.
fn fill(server: Server) -> Filled {
    let mut acknowledged = BTreeMap::new();
    for n in 0..5_000 {
        let event = large(&server, n);
        let answer = server.post(&event).unwrap();
        if answer.status == 201 {
            let receipt = answer.json();
            let entry = receipt["entry"].as_str().unwrap().to_owned();
            let seq = serde_json::from_str::<Value>(&entry).unwrap()["seq"].as_u64().unwrap();
            acknowledged.insert(seq, entry);
            continue;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.json()["code"], "stopped");
        // The process ends by itself, and says so.
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("the store is in doubt"), "{log}");
        return Filled { acknowledged, refused: event };
    }
    panic!("the disk did not fill up: {} events", acknowledged.len());
}

/// Starts again where there is space, and looks for everything.
fn check(server: &Server, filled: &Filled) {
    assert!(filled.acknowledged.len() > 5, "{} events were acknowledged", filled.acknowledged.len());
    let again = server.post(&filled.refused).unwrap();
    assert!(matches!(again.status, 200 | 201), "{}", again.text());
    let bundle = server.bundle();
    let size = verify(&bundle, &server.ledger).assert_verified();
    assert_eq!(size, 5 + filled.acknowledged.len() as u64 + 1);
    let bundle = String::from_utf8(bundle).unwrap();
    let lines: Vec<&str> = bundle.lines().skip(1).collect();
    for (seq, entry) in &filled.acknowledged {
        assert_eq!(lines[usize::try_from(*seq).unwrap()], entry, "entry {seq} was acknowledged");
    }
}

#[test]
fn a_file_that_cannot_grow_stops_the_server() {
    let folder = DataFolder::new();
    let server = Server::start(folder.serve());
    server.found();
    assert!(server.stop().0.success());

    // POSIX counts in blocks of 512 bytes: 1 MiB.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]);
    let serve = folder.serve();
    limited.arg(serve.get_program()).args(serve.get_args());
    let filled = fill(Server::start(limited));

    let server = Server::start(folder.serve());
    check(&server, &filled);
}

/// A small file system in memory, if the machine lets us mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=128m"]).arg(&self.0).status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_server() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(root.path()) else {
        // The other test has shown the same.
        eprintln!("no file system of our own can be mounted here: not run");
        return;
    };
    let folder = DataFolder::on(root);
    let server = Server::start(folder.serve());
    server.found();
    let filled = fill(server);
    disk.grow();
    let server = Server::start(folder.serve());
    check(&server, &filled);
    drop(server);
    drop(disk);
}
