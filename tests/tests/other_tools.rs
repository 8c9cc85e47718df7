//! `examples/OTHER_TOOLS.md`: its shell blocks, in order and as they stand, against a real server.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Output;

use countersign_tests::forge::Key;
use countersign_tests::forge::note::vkey;
use countersign_tests::harness::draft;
use countersign_tests::harness::page;
use countersign_tests::harness::people::dispatch_body;
use countersign_tests::harness::world::GOVERNANCE;

#[path = "stock/witnessed.rs"]
mod witnessed;

use witnessed::{WITNESS, Witnessed};

/// What the blocks need, each with a command that succeeds where it is there.
const TOOLS: [(&str, &[&str]); 5] = [
    ("sh", &["-c", "command -v base64 && command -v od"]),
    ("curl", &["--version"]),
    ("openssl", &["pkeyutl", "-help"]),
    ("sha256sum", &["--version"]),
    ("python3", &["--version"]),
];

/// Runs the page in a folder, for a server, a ledger id and a witness's vkey.
fn run(folder: &Path, server: &str, ledger: &str, witness: &str) -> Output {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut command = page::shell(&page::script("examples/OTHER_TOOLS.md", 6), folder);
    command
        .env("SERVER", server)
        .env("LEDGER", ledger)
        .env("WITNESS", witness)
        .env("PROJECT", project)
        .output()
        .unwrap()
}

#[test]
fn the_shell_blocks_of_the_page_work_against_a_server() {
    if !page::have(&TOOLS) {
        return;
    }
    let witnessed = Witnessed::start();
    let (server, witness) = (&witnessed.server, witnessed.witness.as_str());
    server.found();
    // More than one tile, and the last one partial.
    for n in 0..260 {
        let consignment = format!("consignment/{n}");
        server.say(
            &draft("transfer.dispatched", &consignment, Some("us-dsca.x1"), "us-dsca", dispatch_body()),
            &["us-dsca/0"],
        );
    }

    witnessed.checkpoint(265);

    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &server.url, &server.ledger, witness);
    let said = page::said(&output);
    assert!(output.status.success(), "{said}");
    // every governance key on entry 0, the log key on the checkpoint, and the witness's
    assert_eq!(said.matches("Signature Verified Successfully").count(), GOVERNANCE.len() + 2, "{said}");
    assert!(said.contains("cosigned 265 entries at "), "{said}");
    assert!(said.contains("265 entries, and the root is the one that was signed"), "{said}");

    // The commands refuse what they should: here the id of another ledger.
    let other = tempfile::tempdir().unwrap();
    let output = run(other.path(), &server.url, &"0".repeat(64), witness);
    assert!(!output.status.success());
    assert!(!other.path().join("checkpoint").exists(), "it went on after the ledger id was another");

    // A witness whose key is another has not cosigned: the page stops there.
    let stranger = vkey(WITNESS, 0x04, &Key::new("a stranger").public());
    let other = tempfile::tempdir().unwrap();
    let output = run(other.path(), &server.url, &server.ledger, &stranger);
    let said = page::said(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("Signature Verification Failure"), "{said}");
}
