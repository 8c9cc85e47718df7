//! Views of a real server: found after kills, deleted and rebuilt, the same to the byte.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

use countersign_tests::harness::draft::draft;
use countersign_tests::harness::people::{dispatch_body, receipt_body};
use countersign_tests::harness::{DataFolder, Server, binaries};
use serde_json::{Value, json};

const CASE: Option<&str> = Some("us-dsca.x1");

/// Runs `countersign views …` on a folder, and returns its status and what it said.
fn views(data: &DataFolder, command: &str) -> (Option<i32>, String, String) {
    let mut views = Command::new(binaries::countersign());
    views.args(["views", command, "--json", "--digest", "--data"]).arg(data.path());
    let output = views.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn digest(data: &DataFolder, command: &str) -> Value {
    let (status, out, err) = views(data, command);
    assert_eq!(status, Some(0), "{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&said["lag"], said.get("must_be_rebuilt")), (&json!(0), None), "{said}");
    said["digest"].clone()
}

/// The states of a consignment's items, once the views know of an entry.
fn states(server: &Server, last: u64) -> Vec<Value> {
    let answer = server.http.get(&format!("/v1/items?wait_for={last}")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = answer.json();
    assert_eq!((&found["as_of_seq"], &found["lag"]), (&json!(last), &json!(0)));
    found["items"].as_array().unwrap().iter().map(|item| item["state"].clone()).collect()
}

#[test]
fn views_survive_kills_and_come_back_when_they_are_deleted() {
    let data = DataFolder::new();
    let server = Server::start(data.serve());
    server.found();
    let dispatched = draft("transfer.dispatched", "consignment/a", CASE, "us-dsca", dispatch_body());
    server.say(&dispatched, &["us-dsca/0"]);
    assert_eq!(states(&server, 5), ["in_transit", "in_transit"]);
    let (status, _, said) = views(&data, "status");
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("in use") && said.contains("stop its server first"), "{said}");
    server.say(&draft("transfer.received", "consignment/a", CASE, "xa-mod", receipt_body()), &["xa-mod/0"]);
    server.kill();

    let server = Server::start(data.serve());
    assert_eq!(states(&server, 6), ["received", "received"]);
    server.stop();
    let kept = digest(&data, "status");
    assert_eq!(digest(&data, "rebuild"), kept);

    std::fs::remove_dir_all(data.path().join("views")).unwrap();
    let server = Server::start(data.serve());
    assert_eq!(states(&server, 6), ["received", "received"]);
    server.stop();
    assert_eq!(digest(&data, "status"), kept);

    // views of another ledger are no views of this one
    let other = DataFolder::new();
    let server = Server::start(other.serve());
    server.found();
    assert_eq!(states(&server, 4), Vec::<Value>::new());
    server.stop();
    std::fs::remove_dir_all(data.path().join("views")).unwrap();
    std::fs::rename(other.path().join("views"), data.path().join("views")).unwrap();
    let (_, said, _) = views(&data, "status");
    assert!(said.contains("must_be_rebuilt"), "{said}");
    let server = Server::start(data.serve());
    assert_eq!(states(&server, 6), ["received", "received"]);
    let (_, log) = server.stop();
    assert!(log.contains("views are rebuilt"), "{log}");
    assert_eq!(digest(&data, "status"), kept);
}
