//! Attacks by way of running servers: yesterday's backup restored, two histories shown.

use std::path::Path;
use std::process::{Command, Output};

use countersign_tests::harness::binaries::countersign;
use countersign_tests::harness::people::{dispatch_body, receipt_body};
use countersign_tests::harness::{DataFolder, Server, draft, verify};

/// Copies a folder and all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Puts a copy in place of a folder.
fn restore(backup: &Path, data: &Path) {
    std::fs::remove_dir_all(data).unwrap();
    copy(backup, data);
}

/// What the client of somebody with this state folder says of a server.
fn status(server: &Server, state: &Path) -> Output {
    let mut command = Command::new(countersign());
    command.env("XDG_STATE_HOME", state).args(["--server", &server.url, "--ledger", &server.ledger, "status"]);
    command.output().unwrap()
}

fn dispatch(server: &Server, id: &str) {
    let case = Some("us-dsca.x1");
    server.say(
        &draft("transfer.dispatched", &format!("consignment/{id}"), case, "us-dsca", dispatch_body()),
        &["us-dsca/0"],
    );
}

/// A ledger with a case and a dispatch, a backup of it, and what was recorded since: a receipt.
struct Yesterday {
    folder: DataFolder,
    /// The checkpoint after the receipt.
    seen: String,
    /// The state folder of a client that saw it.
    client: tempfile::TempDir,
}

fn yesterday() -> Yesterday {
    let folder = DataFolder::new();
    let server = Server::start(folder.serve());
    server.found();
    dispatch(&server, "1");
    server.stop();
    copy(&folder.path(), &folder.beside("backup"));
    let server = Server::start(folder.serve());
    let received = draft("transfer.received", "consignment/1", Some("us-dsca.x1"), "xa-mod", receipt_body());
    server.say(&received, &["xa-mod/0"]);
    let client = tempfile::tempdir().unwrap();
    let seen = status(&server, client.path());
    assert!(seen.status.success(), "{seen:?}");
    let seen = server.http.get("/checkpoint").unwrap().text();
    server.stop();
    Yesterday { folder, seen, client }
}

#[test]
pub(crate) fn roll_back() {
    let Yesterday { folder, seen, client } = yesterday();
    let backup = folder.beside("backup");
    // The store of yesterday beside the mark of today: the server itself does not start.
    std::fs::copy(folder.path().join("high-water"), folder.beside("mark")).unwrap();
    restore(&backup, &folder.path());
    std::fs::copy(folder.beside("mark"), folder.path().join("high-water")).unwrap();
    let refused = folder.serve().output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("rolled back"), "{said}");
    // The mark of yesterday too: it starts, and goes on as if the receipt had never been.
    restore(&backup, &folder.path());
    let server = Server::start(folder.serve());
    // A client that saw more does not speak with it any more, also when it has grown past what was seen.
    for (expected, id) in [("went back", "2"), ("two histories", "3"), ("two histories", "4")] {
        let told = status(&server, client.path());
        assert!(!told.status.success());
        let said = String::from_utf8_lossy(&told.stderr);
        assert!(said.contains(expected), "expected {expected:?}, found {said}");
        dispatch(&server, id);
    }
    // Nor is anybody deceived who kept the checkpoint; who kept nothing sees nothing.
    let bundle = server.bundle();
    verify(&bundle, &server.ledger).assert_verified();
    let previous = super::story::kept(&seen);
    let report =
        countersign_tests::harness::verify::verify_given(&bundle, &server.ledger, &[("--previous", previous.path())]);
    super::story::fails(&report, &["CONSISTENT"]);
}

#[test]
pub(crate) fn show_two_histories() {
    let Yesterday { folder, client, .. } = yesterday();
    let today = Server::start(folder.serve());
    // A second server of the same ledger and log key, on which other things were recorded.
    let other = DataFolder::new();
    restore(&folder.beside("backup"), &other.path());
    let forked = Server::start(other.serve());
    assert_eq!(forked.ledger, today.ledger);
    dispatch(&forked, "2");
    // Both verify; both have the same size; the client that saw one refuses the other, and still takes the first.
    for server in [&today, &forked] {
        verify(&server.bundle(), &server.ledger).assert_verified();
    }
    let told = status(&forked, client.path());
    assert!(!told.status.success());
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(said.contains("two histories"), "{said}");
    assert!(status(&today, client.path()).status.success());
}
