//! Honest ledgers: growth, restarts, kills and rotations, and nothing is reported.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use countersign_tests::forge::world::{base, cancel, log_vkey};
use countersign_tests::forge::{Key, note};
use countersign_tests::harness::people::{dispatch_body, key};
use countersign_tests::harness::server::run;
use countersign_tests::harness::world::ORIGIN;
use countersign_tests::harness::{DataFolder, LogServer, Mischief, Server, Shown, draft};
use serde_json::json;

use super::{Watcher, build};

/// Sends something, and returns the receipt.
fn dispatch(server: &Server, id: &str) -> Vec<u8> {
    let sent =
        draft("transfer.dispatched", &format!("consignment/{id}"), Some("us-dsca.x1"), "us-dsca", dispatch_body());
    server.say(&sent, &["us-dsca/0"]).body
}

#[test]
fn a_real_ledger_over_growth_and_restarts() {
    let data = DataFolder::new();
    let server = Server::start(data.serve());
    let watcher = Watcher::new(&server.url, &server.ledger);
    let receipts = watcher.folder.path().join("receipts");
    std::fs::create_dir(&receipts).unwrap();
    let looked = |watcher: &Watcher| watcher.run(&["--once", "--receipts", receipts.to_str().unwrap()]);
    watcher.assert_well();
    server.found();
    for n in 0..5 {
        let receipt = dispatch(&server, &n.to_string());
        std::fs::write(receipts.join(format!("{n}.receipt.json")), receipt).unwrap();
        let ended = looked(&watcher);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    }
    server.kill();
    let server = Server::start(data.serve());
    let watcher = Watcher { url: server.url.clone(), ..watcher };
    assert_eq!(looked(&watcher).status, Some(0));
    dispatch(&server, "9");
    let ended = looked(&watcher);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.contains("1 of them new"), "{ended:?}");
    // without --ledger the state says which it is
    let mut command = watcher.command(&["--once"]);
    command.args(["--json"]).env_remove("COUNTERSIGN_LEDGER");
    let ended = command.output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((said["seen"].as_str(), said["ledger"].as_str()), (Some("same"), Some(watcher.ledger.as_str())));
}

#[test]
fn a_restored_backup_of_a_real_ledger() {
    let data = DataFolder::new();
    let server = Server::start(data.serve());
    server.found();
    let (status, _) = server.stop();
    assert!(status.success());
    let backup = data.beside("backup");
    let mut copy = std::process::Command::new("cp");
    copy.arg("-r").arg(data.path()).arg(&backup);
    run(copy);
    let server = Server::start(data.serve());
    dispatch(&server, "1");
    let watcher = Watcher::new(&server.url, &server.ledger);
    watcher.assert_well();
    server.kill();
    std::fs::remove_dir_all(data.path()).unwrap();
    std::fs::rename(backup, data.path()).unwrap();
    let server = Server::start(data.serve());
    let watcher = Watcher { url: server.url.clone(), ..watcher };
    let ended = watcher.once();
    assert_eq!((ended.status, watcher.proofs().len()), (Some(4), 0), "{ended:?}");
    dispatch(&server, "2");
    let said = watcher.assert_proven(&watcher.once(), "inconsistent_checkpoints");
    assert!(said.contains("named by the ledger's first entry"), "{said}");
}

#[test]
fn a_rotated_log_key() {
    let data = DataFolder::new();
    let new = data.key_file("log2");
    let rotating = || {
        let mut command = data.serve();
        command.arg("--log-key").arg(data.path().join("log-key.pem")).arg("--log-key").arg(&new);
        command
    };
    let server = Server::start(rotating());
    server.found();
    let watcher = Watcher::new(&server.url, &server.ledger);
    watcher.assert_well();
    let vkey = note::vkey(ORIGIN, 1, key("log2").public().as_bytes());
    let body = json!({ "log_key": vkey, "reason": "yearly" });
    server.say(&draft("log_key.rotated", "ledger/self", None, "governance", body), &["gov0", "gov1"]);
    // both keys sign: whoever looks now can show the new one to anybody
    assert_eq!(watcher.assert_well().stderr, "");
    let (status, _) = server.stop();
    assert!(status.success());
    let backup = data.beside("backup");
    let mut copy = std::process::Command::new("cp");
    copy.arg("-r").arg(data.path()).arg(&backup);
    run(copy);
    let with_new = || {
        let mut command = data.serve();
        command.arg("--log-key").arg(&new);
        command
    };
    let server = Server::start(with_new());
    dispatch(&server, "1");
    let watcher = Watcher { url: server.url.clone(), ..watcher };
    assert_eq!(watcher.assert_well().stderr, "");
    // who comes late follows too, and is told what a proof would lack
    let late = Watcher::new(&server.url, &server.ledger);
    assert!(late.assert_well().stderr.contains("entry 5 rotated the log key"));
    server.kill();
    std::fs::remove_dir_all(data.path()).unwrap();
    std::fs::rename(backup, data.path()).unwrap();
    let server = Server::start(with_new());
    dispatch(&server, "2");
    let watcher = Watcher { url: server.url.clone(), ..watcher };
    let said = watcher.assert_proven(&watcher.once(), "inconsistent_checkpoints");
    assert!(said.contains("named by entry 5, which the log signed for with the key before"), "{said}");
    // the late one's proof needs the trust file
    let late = Watcher { url: server.url.clone(), ..late };
    assert_eq!(late.once().status, Some(5));
    let proof = &late.proofs()[0];
    assert_eq!(super::confirm(proof, &["--ledger", &late.ledger]).0, Some(1));
    let trust = late.folder.path().join("trust");
    std::fs::write(&trust, format!("log {vkey}\nquorum none\n")).unwrap();
    assert_eq!(super::confirm(proof, &["--trust", trust.to_str().unwrap()]).0, Some(0));
}

#[test]
fn a_watch_killed_at_any_request_takes_up_again() {
    let many: Vec<_> = (0..700).map(|n| cancel(&format!("n{n}"))).collect();
    let (ledger, seen) = build(&base().then(many.clone()));
    let (_, start) = build(&base().then(many[..10].to_vec()));
    // the checkpoint, three tiles that show how the tree went on, three bundles of entries
    for (begun, requests) in [(false, 4), (true, 7)] {
        let mut unverified = 0;
        for answered in 0..requests {
            let log = LogServer::start(start.clone());
            let watcher = Watcher::new(&log.url, &ledger.id);
            if begun {
                watcher.assert_well();
            }
            let kept = std::fs::read(watcher.state()).ok();
            let log = LogServer::start(Shown { mischief: Mischief::StallsAfter(answered), ..seen.clone() });
            let watcher = Watcher { url: log.url.clone(), ..watcher };
            let mut child = watcher.command(&["--once"]).spawn().unwrap();
            log.wait_for(answered + 1);
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(std::fs::read(watcher.state()).ok(), kept);
            let records = std::fs::metadata(watcher.folder.path().join("state.entries")).unwrap().len() / 64;
            unverified += usize::from(records > 15);
            log.show(seen.clone());
            let ended = watcher.assert_well();
            assert!(ended.stdout.contains("705 entries"), "{ended:?}");
        }
        assert_eq!(unverified, 2, "killed with records in the file that no checkpoint covers");
    }
}

#[test]
fn following_goes_on_through_silence_and_ends_with_a_contradiction() {
    let story = |labels: &[&str]| base().then(labels.iter().map(|label| cancel(label)));
    let (ledger, seen) = build(&story(&["a"]));
    let log = LogServer::start(seen.clone());
    let watcher = Watcher::new(&log.url, &ledger.id);
    let mut command = watcher.command(&["--every", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.next().unwrap().contains("6 entries, 6 of them new"));
    log.show(Shown { mischief: Mischief::Unavailable, ..seen.clone() });
    let silent = told.find(|line| line.contains("no answer that can be used since")).unwrap();
    assert!(silent.contains("http status 503"), "{silent}");
    log.show(build(&story(&["a", "b"])).1);
    assert!(told.any(|line| line.contains("answers again, after silence since")));
    assert!(said.next().unwrap().contains("7 entries, 1 of them new"));
    // bytes that fit nothing are borne with too
    log.show(Shown { mischief: Mischief::OtherTiles, ..build(&story(&["a", "b", "c"])).1 });
    assert!(told.any(|line| line.contains("do not hash to the root")));
    log.show(build(&story(&["a", "x", "y"])).1);
    let proof: Vec<String> = said.collect();
    assert!(proof.contains(&"what    inconsistent_checkpoints".to_owned()), "{proof:?}");
    let told: Vec<String> = told.collect();
    assert!(told.last().unwrap().contains("tell the other parties"), "{told:?}");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(watcher.proofs().len(), 1);
}

#[test]
fn witnesses_that_lag_are_told() {
    let witness = Key::new("countersign vectors/witness".to_owned());
    let (ledger, seen) =
        build(&base().sealed(|seal| seal.witnesses = vec![("w.example".to_owned(), witness.clone(), 5)]));
    let (_, bare) = build(&base());
    let log = LogServer::start(bare);
    let watcher = Watcher::new(&log.url, &ledger.id);
    let trust = watcher.folder.path().join("trust");
    let vkey = note::vkey("w.example", 4, &witness.public());
    let log_vkey = log_vkey(&countersign_tests::forge::world::log_key());
    let log_vkey = log_vkey.text();
    std::fs::write(&trust, format!("log {}\nwitness w {vkey}\nquorum w\n", log_vkey.trim_matches('"'))).unwrap();
    let looked = || watcher.run(&["--once", "--trust", trust.to_str().unwrap(), "--max-age", "60"]);
    let ended = looked();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("not cosigned by the quorum"), "{ended:?}");
    log.show(seen);
    let ended = looked();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("no witness has cosigned the checkpoint for"), "{ended:?}");
    assert!(!ended.stderr.contains("quorum"), "{ended:?}");
}
