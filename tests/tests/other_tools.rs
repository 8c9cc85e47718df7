//! `examples/OTHER_TOOLS.md`: its shell blocks, in order and as they stand, against a real server.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Output;

use countersign_tests::harness::page;
use countersign_tests::harness::people::dispatch_body;
use countersign_tests::harness::world::GOVERNANCE;
use countersign_tests::harness::{DataFolder, Server, draft};

/// What the blocks need, each with a command that succeeds where it is there.
const TOOLS: [(&str, &[&str]); 5] = [
    ("sh", &["-c", "command -v base64 && command -v od"]),
    ("curl", &["--version"]),
    ("openssl", &["pkeyutl", "-help"]),
    ("sha256sum", &["--version"]),
    ("python3", &["--version"]),
];

/// Runs the page in a folder, for a server and a ledger id.
fn run(folder: &Path, server: &str, ledger: &str) -> Output {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut command = page::shell(&page::script("examples/OTHER_TOOLS.md", 5), folder);
    command.env("SERVER", server).env("LEDGER", ledger).env("PROJECT", project).output().unwrap()
}

#[test]
fn the_shell_blocks_of_the_page_work_against_a_server() {
    if !page::have(&TOOLS) {
        return;
    }
    let data = DataFolder::new();
    let server = Server::start(data.serve());
    server.found();
    // More than one tile, and the last one partial.
    for n in 0..260 {
        let consignment = format!("consignment/{n}");
        server.say(
            &draft("transfer.dispatched", &consignment, Some("us-dsca.x1"), "us-dsca", dispatch_body()),
            &["us-dsca/0"],
        );
    }

    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &server.url, &server.ledger);
    let said = page::said(&output);
    assert!(output.status.success(), "{said}");
    // every governance key on entry 0, and the log key on the checkpoint
    assert_eq!(said.matches("Signature Verified Successfully").count(), GOVERNANCE.len() + 1, "{said}");
    assert!(said.contains("265 entries, and the root is the one that was signed"), "{said}");

    // The commands refuse what they should: here the id of another ledger.
    let other = tempfile::tempdir().unwrap();
    let output = run(other.path(), &server.url, &"0".repeat(64));
    assert!(!output.status.success());
    assert!(!other.path().join("checkpoint").exists(), "it went on after the ledger id was another");
}
