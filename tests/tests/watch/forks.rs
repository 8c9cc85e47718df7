//! Logs that contradict themselves.

use countersign_tests::forge::event::How;
use countersign_tests::forge::world::{ORIGIN, around, base, by_quorum, cancel, key, log_key, log_vkey};
use countersign_tests::forge::{Event, Json, Ledger, Script, note, tree};
use countersign_tests::harness::{LogServer, Shown};
use countersign_tests::j;
use serde_json::json;

use super::{Watcher, build, shown};

/// The base with these statements after it.
fn story(labels: &[&str]) -> Script {
    base().then(labels.iter().map(|label| cancel(label)))
}

/// The first entries of a ledger, under the checkpoint that the log signed then.
fn start(ledger: &Ledger, script: &Script, size: usize) -> Shown {
    let entries = &ledger.entries[..size];
    let lines = entries.iter().map(|entry| entry.line.clone()).collect();
    Shown { lines, checkpoint: script.checkpoint(entries), ..Shown::default() }
}

#[test]
fn another_history_of_the_same_size() {
    let (ledger, seen) = build(&story(&["a", "b"]));
    let (_, other) = build(&story(&["a", "x"]));
    let log = LogServer::start(seen.clone());
    let watcher = Watcher::new(&log.url, &ledger.id);
    watcher.assert_well();
    let kept = watcher.kept();
    log.show(other);
    let said = watcher.assert_proven(&watcher.once(), "inconsistent_checkpoints");
    assert!(said.contains("the ledger has 7 entries"), "{said}");
    // found again: the same file, and the state is where it was
    watcher.assert_proven(&watcher.once(), "inconsistent_checkpoints");
    assert_eq!(watcher.kept(), kept);
    // what was seen before is still well
    log.show(seen);
    assert_eq!(watcher.once().status, Some(0));
}

#[test]
fn another_history_that_is_longer() {
    let many: Vec<String> = (0..300).map(|n| format!("n{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (before, after) in [(&["a", "b"][..], &["a", "x", "y"][..]), (&many[..290], &[&["x"], &many[1..]].concat())] {
        let (ledger, seen) = build(&story(before));
        let log = LogServer::start(seen);
        let watcher = Watcher::new(&log.url, &ledger.id);
        watcher.assert_well();
        let kept = watcher.kept();
        log.show(build(&story(after)).1);
        watcher.assert_proven(&watcher.once(), "inconsistent_checkpoints");
        assert_eq!(watcher.kept(), kept);
    }
}

#[test]
fn a_backup_that_was_put_back_and_gone_on_with() {
    let script = story(&["a", "b", "c"]);
    let (ledger, seen) = build(&script);
    let log = LogServer::start(seen);
    let watcher = Watcher::new(&log.url, &ledger.id);
    watcher.assert_well();
    // the backup alone contradicts nothing: it is an old copy
    log.show(start(&ledger, &script, 6));
    let ended = watcher.once();
    assert_eq!((ended.status, watcher.proofs().len()), (Some(4), 0), "{ended:?}");
    assert!(ended.stderr.contains("an earlier state of the same history: 6 entries, and 8 were seen"), "{ended:?}");
    // with one more entry it does, though it is still shorter than what was seen
    log.show(build(&story(&["a", "x"])).1);
    watcher.assert_proven(&watcher.once(), "inconsistent_checkpoints");
}

#[test]
fn what_others_were_given() {
    let script = story(&["a", "b", "c"]);
    let (ledger, seen) = build(&script);
    let log = LogServer::start(seen.clone());
    let mirror = LogServer::start(start(&ledger, &script, 7));
    let watcher = Watcher::new(&log.url, &ledger.id);
    let also = ["--once", "--also", &mirror.url];
    assert_eq!(watcher.run(&also).status, Some(0));
    // longer there than here, of the same history
    let longer = story(&["a", "b", "c", "d"]);
    mirror.show(build(&longer).1);
    assert_eq!(watcher.run(&also).status, Some(0));
    // a friend's checkpoints: earlier, later, of nobody
    let file = |name: &str, text: &str| {
        let path = watcher.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let earlier = file("earlier.txt", &start(&ledger, &script, 5).checkpoint);
    let later = file("later.txt", &build(&longer).1.checkpoint);
    let ended = watcher.run(&["compare", &earlier, &later]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("earlier.txt: the same history\n"), "{ended:?}");
    assert!(ended.stdout.contains("later.txt: of 9 entries, more than the server shows"), "{ended:?}");
    let text = note::checkpoint_text(ORIGIN, 6, &[7; 32]);
    let forged = file("forged.txt", &format!("{text}\n{}", note::log_line(ORIGIN, &key("thief"), &text)));
    let ended = watcher.run(&["compare", &forged]);
    assert_eq!((ended.status, watcher.proofs().len()), (Some(1), 0), "{ended:?}");
    // another history, in a file and at another place: shorter, longer
    let other = file("other.txt", &build(&story(&["a", "x"])).1.checkpoint);
    watcher.assert_proven(&watcher.run(&["compare", &other]), "inconsistent_checkpoints");
    for labels in [&["x"][..], &["a", "b", "x", "y", "z"]] {
        let watcher = Watcher::new(&log.url, &ledger.id);
        mirror.show(build(&story(labels)).1);
        watcher.assert_proven(&watcher.run(&also), "inconsistent_checkpoints");
    }
}

#[test]
fn a_history_that_forgot_the_rotation_of_its_key() {
    let body = j!({"log_key": (log_vkey(&key("log2"))), "reason": "yearly"});
    let both = vec![(ORIGIN.to_owned(), key("log2")), (ORIGIN.to_owned(), log_key())];
    let script = base().then([by_quorum("rotated", "log_key.rotated", body), cancel("a")]);
    let (ledger, seen) = build(&script.sealed(|seal| seal.signers = both));
    for labels in [&["x"][..], &["x", "y"], &["x", "y", "z"]] {
        let log = LogServer::start(seen.clone());
        let watcher = Watcher::new(&log.url, &ledger.id);
        assert_eq!(watcher.assert_well().stderr, "");
        // by the old key alone
        log.show(build(&story(labels)).1);
        watcher.assert_proven(&watcher.once(), "inconsistent_checkpoints");
    }
}

/// Receipts of the entries of a ledger, in a folder of their own.
fn receipts(watcher: &Watcher, ledger: &Ledger, seqs: &[usize]) -> String {
    let folder = watcher.folder.path().join("receipts");
    std::fs::create_dir_all(&folder).unwrap();
    for seq in seqs {
        let path = tree::inclusion(*seq, &ledger.leaves());
        let proof = note::proof_text(*seq as u64, &path, &ledger.checkpoint);
        let line = String::from_utf8(ledger.entries[*seq].line.clone()).unwrap();
        let receipt = json!({ "entry": line, "proof": proof, "disclosures": [] });
        std::fs::write(folder.join(format!("{seq}.receipt.json")), receipt.to_string() + "\n").unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

#[test]
fn receipts_that_the_ledger_must_keep() {
    let script = story(&["a", "b"]);
    let (ledger, seen) = build(&script);
    let log = LogServer::start(start(&ledger, &script, 6));
    let watcher = Watcher::new(&log.url, &ledger.id);
    let folder = receipts(&watcher, &ledger, &[4, 5, 6]);
    let looked = || watcher.run(&["--once", "--receipts", &folder]);
    // one promises more than is shown: a warning, until it is
    let ended = looked();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("6.receipt.json promises entry 6, and the server shows 6 entries"), "{ended:?}");
    log.show(seen);
    let ended = looked();
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    // one that nobody signed binds nobody
    let (strange, _) = build(&story(&["a", "b"]).sealed(|seal| seal.signers = vec![(ORIGIN.to_owned(), key("thief"))]));
    receipts(&watcher, &strange, &[6]);
    let ended = looked();
    assert_eq!((ended.status, watcher.proofs().len()), (Some(0), 0), "{ended:?}");
    assert!(ended.stderr.contains("binds nobody"), "{ended:?}");
    // one for an entry in whose place another stands
    receipts(&watcher, &build(&story(&["a", "x", "y"])).0, &[6]);
    let said = watcher.assert_proven(&looked(), "entry_not_in_tree");
    assert!(said.contains("transfer.cancelled of authorization/x by donor-a"), "{said}");
}

#[test]
fn a_receipt_for_the_same_entry_of_another_history() {
    let (ledger, seen) = build(&story(&["a", "b"]));
    let log = LogServer::start(seen);
    let watcher = Watcher::new(&log.url, &ledger.id);
    let folder = receipts(&watcher, &build(&story(&["a", "x"])).0, &[5]);
    let ended = watcher.run(&["--once", "--receipts", &folder]);
    watcher.assert_proven(&ended, "inconsistent_checkpoints");
}

/// A cancellation of the same authorization as the one labelled `a`.
fn again(label: &str) -> Event {
    cancel(label).with(|event| event.subject = "authorization/a".to_owned())
}

#[test]
fn entries_that_no_ledger_may_have() {
    let points = |at: usize, value: Json| {
        let mut x = again("x");
        x.pointers[at] = Some(value);
        base().then([cancel("a"), again("b"), x, cancel("after")])
    };
    let wrong = |change: fn(Event) -> Event| around(change(cancel("x")));
    let closed = by_quorum("closed", "ledger.closed", j!({"reason": "done"}));
    let cases: Vec<(&str, Script, &str)> = vec![
        ("false_pointer", points(0, Json::Int(2)), "later"),
        ("false_pointer", points(0, Json::Null), "says that there is none"),
        ("false_pointer", points(0, Json::Int(4)), "entry 4 is not of the ledger or a party"),
        ("false_pointer", points(0, Json::Int(7)), "no earlier one"),
        ("false_pointer", points(1, Json::Null), "says that there is none"),
        ("false_pointer", points(1, Json::Int(5)), "is not of case/donor-a.k1"),
        ("false_pointer", points(2, Json::Int(5)), "later"),
        ("false_pointer", points(2, Json::Int(4)), "later"),
        ("false_pointer", points(2, Json::Int(70)), "no earlier one"),
        ("invalid_entry", points(2, Json::Null), "first of its stream"),
        ("time_went_back", wrong(|x| x.with(|x| x.gap = -1)), "before"),
        ("broken_chain", wrong(|x| x.with(|x| x.prev = Some("1".repeat(64)))), "before it"),
        ("bad_signature", wrong(|x| x.with(|x| x.signatures[0].how = How::FlippedS)), "did not make"),
        ("invalid_entry", wrong(|x| x.member("until", "2025-01-01T00:00:00Z")), "until when"),
        ("invalid_entry", wrong(|x| x.payload_replace("\"kind\":\"", "\"kind\":\"X")), "not well formed"),
        ("invalid_entry", wrong(|x| x.line_replace("\"seq\":5", "\"seq\":6")), "that it is entry 6"),
        ("invalid_entry", wrong(|x| x.line(|_| b"\xff\0".to_vec())), "not an entry"),
        ("invalid_entry", wrong(|x| x.line(|_| Vec::new())), "not an entry"),
        ("repeated_id", base().then([cancel("a"), again("x")]), "one id"),
        ("after_closed", base().then([closed, cancel("x")]), "nothing may follow"),
    ];
    for (what, mut script, why) in cases {
        if what == "repeated_id" {
            let first = script.build().entries[5].payload.clone();
            let first: serde_json::Value = serde_json::from_slice(&first).unwrap();
            let id = first["id"].as_str().unwrap().to_owned();
            let id = move |event: Json| event.with("id", id.as_str());
            script = script.map("x", |x| x.object(id));
        }
        // seen from the start, and after what was well
        for size in [0, 5] {
            let ledger = script.build();
            let log = LogServer::start(if size == 0 { shown(&ledger) } else { start(&ledger, &script, size) });
            let watcher = Watcher::new(&log.url, &ledger.id);
            if size > 0 {
                watcher.assert_well();
                log.show(shown(&ledger));
            }
            let ended = watcher.once();
            let said = watcher.assert_proven(&ended, what);
            assert!(said.contains(why), "{what}: {why:?} in {said}");
            assert!(size == 0 || watcher.kept().windows(3).any(|w| w == b"\\n5"), "{what}: the state moved");
        }
    }
}
