//! A real server that asks witnesses: up and down, slow, lying, ahead of it; and what is served of what they say.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::witness::Held;
use countersign_tests::harness::draft::sign;
use countersign_tests::harness::http::Answer;
use countersign_tests::harness::people::dispatch_body;
use countersign_tests::harness::server::run;
use countersign_tests::harness::world::vkey;
use countersign_tests::harness::{DataFolder, Draft, Manner, Server, TestWitness, binaries, draft};
use serde_json::Value;
use signed_note::{Note, StandardVerifier, VerifierList};

#[path = "stock/cosignature.rs"]
mod cosignature;

use cosignature::CosignatureV1;

const CASE: &str = "us-dsca.x1";

/// Three witnesses, two of which are enough.
struct Three {
    folder: DataFolder,
    witnesses: [TestWitness; 3],
    trust: PathBuf,
}

impl Three {
    fn new() -> Self {
        let folder = DataFolder::new();
        let witnesses = ["w1", "w2", "w3"].map(TestWitness::start);
        let trust = folder.beside("trust.policy");
        let lines: String = witnesses.iter().map(TestWitness::line).collect();
        let text = format!("log {}\n{lines}group g 2 w1 w2 w3\nquorum g\n", vkey("log"));
        std::fs::write(&trust, text).unwrap();
        Self { folder, witnesses, trust }
    }

    fn command(&self) -> Command {
        let mut command = self.folder.serve();
        command.arg("--witnesses").arg(&self.trust);
        command.args(["--witness-every", "50ms", "--witness-timeout", "1s", "--witness-wait", "1s"]);
        command
    }

    /// The same, with more time for those who wait.
    fn patient(&self) -> Command {
        let mut command = self.folder.serve();
        command.arg("--witnesses").arg(&self.trust);
        command.args(["--witness-every", "50ms", "--witness-timeout", "5s", "--witness-wait", "60s"]);
        command
    }
}

fn dispatch(n: usize) -> Draft {
    draft("transfer.dispatched", &format!("consignment/{n}"), Some(CASE), "us-dsca", dispatch_body())
}

fn get(server: &Server, path: &str) -> Answer {
    server.http.get(path).unwrap()
}

fn size(server: &Server) -> u64 {
    checkpoint(get(server, "/checkpoint")).checkpoint().size.0
}

fn checkpoint(answer: Answer) -> SignedCheckpoint {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().parse().unwrap()
}

/// The latest checkpoint that the quorum cosigned, over at least the ledger's present size.
fn witnessed(server: &Server) -> SignedCheckpoint {
    let size = size(server);
    let found = eventually_or(|| {
        let answer = get(server, &format!("/v1/checkpoint/witnessed?size={size}"));
        (answer.status == 200).then(|| checkpoint(answer)).filter(|found| found.checkpoint().size.0 >= size)
    });
    found.unwrap_or_else(|| panic!("never witnessed: {}", get(server, "/v1/witnesses").text()))
}

/// How the witness `w<n>` stands, once it stands as wished.
fn standing(server: &Server, n: usize, wish: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let found = eventually_or(|| {
        last = get(server, "/v1/witnesses").json()["witnesses"][n - 1].clone();
        Some(last.clone()).filter(|witness| wish(witness))
    });
    found.unwrap_or_else(|| panic!("the witness never stood as it should: {last:#}"))
}

/// Asks again until there is an answer, for a minute.
fn eventually_or<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        let found = ask();
        if found.is_some() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

fn say_waiting(server: &Server, n: usize) -> Answer {
    let envelope = sign(&server.payload(&dispatch(n)), &["us-dsca/0"]).canonical();
    server.http.post("/v1/events?wait=witnessed", "application/json", envelope.as_bytes()).unwrap()
}

#[test]
fn what_the_quorum_cosigned_is_served_and_verifies_everywhere() {
    let three = Three::new();
    three.witnesses[2].behave(Manner::Down);
    let server = Server::start(three.command());
    server.found();
    let witnessed = witnessed(&server);
    let cosigned: Vec<bool> = three.witnesses.iter().map(|w| witnessed.verify_cosignature(&w.vkey()).is_ok()).collect();
    assert_eq!(cosigned, [true, true, false]);

    // a stock note library accepts the note as served, the log's signature and both cosignatures
    for path in ["/checkpoint", "/v1/checkpoint", "/v1/checkpoint/witnessed"] {
        let answer = get(&server, path);
        let stock = Note::from_bytes(&answer.body).unwrap();
        let known = VerifierList::new(vec![
            Box::new(StandardVerifier::new(&vkey("log")).unwrap()),
            Box::new(CosignatureV1::new(&three.witnesses[0].vkey().to_string())),
            Box::new(CosignatureV1::new(&three.witnesses[1].vkey().to_string())),
        ]);
        let (verified, unverified) = stock.verify(&known).unwrap();
        assert_eq!((verified.len(), unverified.len()), (3, 0), "{path}: {}", answer.text());
    }

    // an export at that checkpoint, when the ledger has grown: verified, with the witnesses' word
    three.witnesses[1].behave(Manner::Down);
    server.say(&dispatch(1), &["us-dsca/0"]);
    let before = witnessed.checkpoint().size.0;
    let client = |arguments: &[&str]| {
        let mut command = Command::new(binaries::countersign());
        command.args(["--server", &server.url, "--ledger", &server.ledger]).args(arguments);
        command.env("XDG_STATE_HOME", three.folder.beside("state"));
        run(command)
    };
    let bundle = three.folder.beside("witnessed.bundle.jsonl");
    let said = client(&["export", "--witnessed", "--output", bundle.to_str().unwrap()]);
    let note = format!("witnesses have cosigned {before} of {} entries", before + 1);
    assert!(String::from_utf8_lossy(&said.stderr).contains(&note), "{said:?}");
    let verify = |file: &PathBuf| {
        let mut command = Command::new(binaries::verifier());
        command.arg("bundle").arg(file).args(["--ledger", &server.ledger, "--json", "--trust"]).arg(&three.trust);
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report)
    };
    let (status, report) = verify(&bundle);
    assert_eq!((status, &report["verdict"]), (Some(0), &"verified".into()), "{report:#}");
    assert_eq!((report["size"].as_u64(), size(&server)), (Some(before), before + 1));
    let results: Vec<&str> =
        report["witnesses"]["witnesses"].as_array().unwrap().iter().map(|w| w["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["cosigned", "cosigned", "missing"]);
    // what is newer is not witnessed, and the verifier says so
    let newest = three.folder.beside("newest.bundle.jsonl");
    client(&["export", "--output", newest.to_str().unwrap()]);
    let (status, report) = verify(&newest);
    assert_eq!((status, &report["checks"][5]["result"]), (Some(1), &"failed".into()), "{report:#}");

    // receipts at it, for what is below it
    let entry = before - 1;
    let event = get(&server, &format!("/v1/entries/{entry}")).json()["event_hash"].as_str().unwrap().to_owned();
    let receipt = get(&server, &format!("/v1/events/{event}?checkpoint=witnessed"));
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    assert!(receipt.json()["proof"].as_str().unwrap().ends_with(&witnessed.to_string()));
    let proof = get(&server, &format!("/v1/proofs/receipt/{entry}?checkpoint=witnessed"));
    assert!(proof.text().ends_with(&witnessed.to_string()), "{}", proof.text());
    let beyond = get(&server, &format!("/v1/proofs/receipt/{before}?checkpoint=witnessed"));
    assert_eq!((beyond.status, &beyond.json()["code"]), (404, &"not_found".into()));
    let said = String::from_utf8(client(&["status"]).stdout).unwrap();
    assert!(said.contains("g has witnessed") && said.contains("w3"), "{said}");
}

#[test]
fn whoever_waits_gets_a_receipt_that_the_quorum_cosigned() {
    let three = Three::new();
    let server = Server::start(three.patient());
    server.found();
    let answer = say_waiting(&server, 1);
    assert_eq!((answer.status, answer.header("countersign-witnessed")), (201, Some("true")), "{}", answer.text());
    let receipt = answer.json();
    let proof: countersign_ledger::proof::LogProof = receipt["proof"].as_str().unwrap().parse().unwrap();
    let signed = three.witnesses.iter().filter(|w| proof.checkpoint().verify_cosignature(&w.vkey()).is_ok()).count();
    assert!(signed >= 2, "{receipt:#}");
    let seq: u64 = answer.header("countersign-seq").unwrap().parse().unwrap();
    assert!(proof.checkpoint().checkpoint().size.0 > seq);
    // sent again: the same entry, and still witnessed
    let envelope: Value = serde_json::from_str(receipt["entry"].as_str().unwrap()).unwrap();
    let again = serde_json::to_vec(&envelope["envelope"]).unwrap();
    let again = server.http.post("/v1/events?wait=witnessed", "application/json", &again).unwrap();
    assert_eq!((again.status, again.header("countersign-witnessed")), (200, Some("true")));
}

#[test]
fn without_a_quorum_events_are_recorded_all_the_same() {
    let three = Three::new();
    three.witnesses[0].behave(Manner::Down);
    three.witnesses[1].behave(Manner::Mute);
    let server = Server::start(three.command());
    server.found();
    assert_eq!(get(&server, "/v1/checkpoint/witnessed").status, 404);
    assert_eq!(get(&server, "/v1/bundle?checkpoint=witnessed").status, 404);
    let before = size(&server);
    let answer = say_waiting(&server, 1);
    assert_eq!((answer.status, answer.header("countersign-witnessed")), (201, Some("false")), "{}", answer.text());
    assert_eq!(size(&server), before + 1);
    let down = standing(&server, 1, |w| w["state"] == "failing");
    assert!(down["error"].as_str().unwrap().starts_with("it cannot be reached"), "{down}");
    assert!(down["since"].is_string(), "{down}");
    let slow = standing(&server, 2, |w| w["state"] == "failing");
    assert!(slow["error"].as_str().unwrap().contains("timeout"), "{slow}");
    let up = standing(&server, 3, |w| w["state"] == "current");
    assert_eq!((&up["behind"], up["size"].as_u64()), (&0.into(), Some(before + 1)));
    assert_eq!(get(&server, "/v1/witnesses").json()["quorum"], serde_json::json!({ "name": "g" }));
    assert_eq!(get(&server, "/readyz").status, 200);
    // one comes back: the quorum is met without anybody asking for it
    three.witnesses[0].behave(Manner::Honest);
    standing(&server, 1, |w| w["state"] == "current");
    assert_eq!(witnessed(&server).checkpoint().size.0, before + 1);
}

#[test]
fn those_who_wait_together_share_a_round() {
    let three = Three::new();
    let server = Server::start(three.patient());
    server.found();
    witnessed(&server);
    let payloads: Vec<String> =
        (0..8).map(|n| sign(&server.payload(&dispatch(n)), &["us-dsca/0"]).canonical()).collect();
    let mute = || three.witnesses.iter().for_each(|w| w.behave(Manner::Mute));
    mute();
    let asked = three.witnesses[0].asked().len();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = payloads
            .iter()
            .map(|event| {
                let http = server.http.clone();
                let run = move || http.post("/v1/events?wait=witnessed", "application/json", event.as_bytes()).unwrap();
                scope.spawn(run)
            })
            .collect();
        // a round is under way that some of them missed
        three.witnesses[0].asked_beyond(asked);
        while size(&server) < 13 {
            std::thread::yield_now();
        }
        three.witnesses.iter().for_each(|w| w.behave(Manner::Honest));
        for answer in waiting {
            let answer = answer.join().unwrap();
            assert_eq!((answer.status, answer.header("countersign-witnessed")), (201, Some("true")));
        }
    });
    let rounds = three.witnesses[0].asked().len() - asked;
    assert!((1..=3).contains(&rounds), "{rounds} rounds for 8 events: {:?}", three.witnesses[0].asked());
}

#[test]
fn a_witness_that_lies_is_said_and_never_served() {
    let three = Three::new();
    let liar = &three.witnesses[0];
    let server = Server::start(three.patient());
    server.found();
    let manners = [
        (Manner::Key("a stranger".to_owned()), "is not valid"),
        (Manner::Another, "is not valid"),
        (Manner::Off(3_600), "is dated"),
        (Manner::Off(-3_600), "is dated"),
        (Manner::Endless, "longer than 65536 bytes"),
        (Manner::Says(200, String::new()), "not of the form"),
        (Manner::Says(200, "garbage\n".to_owned()), "not of the form"),
        (Manner::Says(200, "— w9.example AAAAAAAAAAA=\n".to_owned()), "found none"),
        (Manner::Says(409, "many\n".to_owned()), "http status 409"),
        (Manner::Says(404, String::new()), "does not know this ledger's log"),
        (Manner::Says(403, String::new()), "does not accept the log's signature"),
        (Manner::Says(500, "\u{1b}[2J".to_owned()), "http status 500"),
        (Manner::Says(301, String::new()), "http status 301"),
    ];
    for (n, (manner, expected)) in manners.into_iter().enumerate() {
        liar.behave(Manner::Honest);
        standing(&server, 1, |w| w["state"] == "current");
        liar.behave(manner.clone());
        let answer = say_waiting(&server, n);
        assert_eq!(answer.header("countersign-witnessed"), Some("true"), "the other two are enough");
        let lying = standing(&server, 1, |w| w["error"].as_str().is_some_and(|error| error.contains(expected)));
        assert_eq!(lying["state"], "failing", "{manner:?}");
        let newest = checkpoint(get(&server, "/checkpoint"));
        assert!(newest.verify_cosignature(&liar.vkey()).is_err(), "{manner:?}");
        assert!(witnessed(&server).verify_cosignature(&liar.vkey()).is_err(), "{manner:?}");
        assert!(get(&server, "/v1/witnesses").json()["witnesses"][0]["against"].is_null());
    }
}

#[test]
fn a_witness_that_has_seen_more_or_another_history_is_shouted_about() {
    let three = Three::new();
    let server = Server::start(three.patient());
    server.found();
    let known = size(&server);
    witnessed(&server);
    let first = &three.witnesses[0];
    for (claims, expected) in [(1_000, "it has seen 1000 entries"), (known + 7, "has seen")] {
        first.behave(Manner::Claims(claims));
        server.say(&dispatch(usize::try_from(claims).unwrap()), &["us-dsca/0"]);
        let ahead = standing(&server, 1, |w| w["state"] == "ahead");
        assert!(ahead["against"].as_str().unwrap().contains(expected), "{ahead}");
        assert!(ahead["error"].as_str().unwrap().contains("rolled back"), "{ahead}");
        let ready = get(&server, "/readyz");
        assert_eq!(ready.status, 200, "one witness may lie");
        assert!(ready.json()["warnings"][0].as_str().unwrap().contains("witness w1"), "{}", ready.text());
        first.behave(Manner::Honest);
        standing(&server, 1, |w| w["state"] == "current" && w["against"].is_null());
        assert!(get(&server, "/readyz").json()["warnings"].is_null());
    }
    // another tree, of a smaller and of the same size
    first.saw_another(3);
    server.say(&dispatch(1), &["us-dsca/0"]);
    let forked = standing(&server, 1, |w| w["state"] == "ahead");
    assert!(forked["against"].as_str().unwrap().contains("another tree of 3 entries"), "{forked}");
    // two of three say so: that is the quorum's word
    three.witnesses[1].saw_another(size(&server));
    standing(&server, 2, |w| w["state"] == "ahead" || w["state"] == "current");
    server.say(&dispatch(2), &["us-dsca/0"]);
    standing(&server, 2, |w| w["state"] == "ahead");
    let ready = get(&server, "/readyz");
    assert_eq!((ready.status, &ready.json()["code"]), (503, &"stopped".into()), "{}", ready.text());
    let (_, log) = server.stop();
    assert!(log.contains("ERROR") && log.contains("rolled back or forked"), "{log}");
}

#[test]
fn a_witness_from_a_backup_is_brought_on_from_where_it_is() {
    let three = Three::new();
    let server = Server::start(three.patient());
    server.found();
    witnessed(&server);
    let held = standing(&server, 1, |w| w["state"] == "current");
    let old = three.witnesses[0].held();
    server.say(&dispatch(1), &["us-dsca/0"]);
    standing(&server, 1, |w| w["state"] == "current" && w["size"] != held["size"]);
    for restored in [old, Held::nothing()] {
        three.witnesses[0].restore(restored);
        server.say(&dispatch(usize::try_from(2 + restored.size.0).unwrap()), &["us-dsca/0"]);
        let size = size(&server);
        standing(&server, 1, |w| w["size"].as_u64() == Some(size));
        assert_eq!(three.witnesses[0].asked().last(), Some(&(restored.size.0, size)), "the proof begins where it is");
    }
}

#[test]
fn a_restart_keeps_what_was_witnessed() {
    let three = Three::new();
    let server = Server::start(three.patient());
    server.found();
    witnessed(&server);
    let before = eventually_or(|| {
        let found = checkpoint(get(&server, "/v1/checkpoint/witnessed"));
        three.witnesses.iter().all(|w| found.verify_cosignature(&w.vkey()).is_ok()).then_some(found)
    })
    .expect("all three cosign");
    server.kill();
    three.witnesses.iter().for_each(|w| w.behave(Manner::Down));
    let server = Server::start(three.command());
    assert_eq!(get(&server, "/v1/checkpoint/witnessed").text(), before.to_string());
    let lines = |note: &str| note.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let newest = get(&server, "/checkpoint").text();
    assert_eq!(lines(&newest), lines(&before.to_string()), "the cosignatures of the newest are there too");
    let third = standing(&server, 3, |w| w["state"] == "failing");
    assert_eq!(third["size"].as_u64(), Some(before.checkpoint().size.0));
    // nobody is asked from nothing again
    three.witnesses.iter().for_each(|w| w.behave(Manner::Honest));
    let asked = three.witnesses[0].asked().len();
    server.say(&dispatch(1), &["us-dsca/0"]);
    three.witnesses[0].asked_beyond(asked);
    assert_eq!(three.witnesses[0].asked()[asked].0, before.checkpoint().size.0);
    witnessed(&server);
    server.kill();

    // without the file, or with one that does not verify, they are asked anew
    let file = three.folder.path().join("witnessed.json");
    let good = std::fs::read_to_string(&file).unwrap();
    three.witnesses.iter().for_each(|w| w.behave(Manner::Down));
    let forged = good.replace("w1.example", "w2.example").replace("w3.example", "w1.example");
    for (bad, name) in [(None, "missing"), (Some("{"), "torn"), (Some(forged.as_str()), "forged")] {
        match bad {
            None => std::fs::remove_file(&file).unwrap(),
            Some(text) => std::fs::write(&file, text).unwrap(),
        }
        let server = Server::start(three.command());
        assert_eq!(get(&server, "/v1/checkpoint/witnessed").status, 404, "{name}");
        server.kill();
    }
}

#[test]
fn a_ledger_behind_its_own_witnessed_checkpoint_does_not_start() {
    let three = Three::new();
    let server = Server::start(three.patient());
    server.found();
    witnessed(&server);
    let (status, _) = server.stop();
    assert!(status.success());
    let data = three.folder.path();
    let backup = three.folder.beside("backup");
    run({
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(&data).arg(&backup);
        copy
    });
    let server = Server::start(three.patient());
    server.say(&dispatch(1), &["us-dsca/0"]);
    witnessed(&server);
    server.stop();
    // yesterday's store and its high-water mark, with today's cosignatures
    let witnessed_file = std::fs::read(data.join("witnessed.json")).unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&backup, &data).unwrap();
    std::fs::write(data.join("witnessed.json"), &witnessed_file).unwrap();
    let output = three.patient().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("a witness has cosigned") && said.contains("more than this ledger has now"), "{said}");
    // without that file it is the witnesses who say so
    std::fs::remove_file(data.join("witnessed.json")).unwrap();
    let server = Server::start(three.patient());
    for n in 1..=3 {
        standing(&server, n, |w| w["state"] == "ahead");
    }
    assert_eq!(get(&server, "/readyz").status, 503);
    assert_eq!(get(&server, "/v1/checkpoint/witnessed").status, 404);
}

#[test]
fn a_trust_file_that_cannot_be_meant_is_refused() {
    let three = Three::new();
    let good = std::fs::read_to_string(&three.trust).unwrap();
    let url = format!(" {}", three.witnesses[0].url);
    for (text, expected) in [
        (good.replace(&url, ""), "witness w1: expected a url"),
        (good.replace(&url, " ftp://x"), "begins with http:// or https://"),
        (good.replace("quorum g", "quorum none"), "quorum none"),
        (good.replace("quorum g", "quorum h"), "line 6"),
        (good.replace(&vkey("log"), &vkey("log2")), "log key"),
        (good.replace("witness w2", "witness w1"), "name that is not taken"),
    ] {
        std::fs::write(&three.trust, text).unwrap();
        let output = three.command().output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let server = Server::start(three.folder.serve());
    let answer = say_waiting(&server, 1);
    assert_eq!((answer.status, &answer.json()["path"]), (400, &"wait".into()), "{}", answer.text());
    assert_eq!(get(&server, "/v1/witnesses").json(), serde_json::json!({ "size": 1, "witnesses": [] }));
    assert_eq!(get(&server, "/v1/checkpoint/witnessed").status, 404);
}

#[test]
fn the_commands_of_parties_and_operators() {
    let three = Three::new();
    let server = Server::start(three.command());
    server.found();
    let run_as = |arguments: &[&str]| {
        let mut command = Command::new(binaries::countersign());
        command.args(["--server", &server.url, "--ledger", &server.ledger]).args(arguments);
        command.env("XDG_STATE_HOME", three.folder.beside("state"));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said, String::from_utf8(output.stderr).unwrap())
    };
    // a trust file from the ledger's own entries
    let made = three.folder.beside("made.policy");
    let made = made.to_str().unwrap();
    let lines = three.witnesses.each_ref().map(|w| w.line().trim_start_matches("witness ").trim_end().to_owned());
    let [w1, w2, w3] = lines.each_ref().map(String::as_str);
    let new = ["trust", "new", "--threshold", "2", "--witness", w1, "--witness", w2, "--witness", w3, "--output", made];
    let (status, said, log) = run_as(&new);
    assert_eq!(status, Some(0), "{log}");
    assert!(said.contains("any of these sets of witnesses is enough:\n  w1, w2 (2 cosignatures)\n"), "{said}");
    let text = std::fs::read_to_string(made).unwrap();
    assert!(
        text.contains(&format!("\nlog {}\n", vkey("log"))) && text.contains("group witnesses 2 w1 w2 w3\n"),
        "{text}"
    );
    let (_, shown, _) = run_as(&["trust", "show", made, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["smallest"], serde_json::json!([["w1", "w2"], ["w1", "w3"], ["w2", "w3"]]));
    let (status, _, log) = run_as(&new);
    assert_eq!((status, log.contains("exists already")), (Some(2), true), "{log}");
    let (status, _, log) = run_as(&["trust", "new", "--threshold", "2", "--witness", w1]);
    assert_eq!((status, log.contains("at most 1")), (Some(2), true), "{log}");
    let (status, _, log) = run_as(&["trust", "new", "--witness", "w1 nonsense"]);
    assert_eq!((status, log.contains("line 3")), (Some(2), true), "{log}");

    // receipts at a checkpoint that the quorum cosigned, judged by the verifier with that file
    let submit = |n: usize| {
        let file = three.folder.beside(&format!("{n}.event.json"));
        std::fs::write(&file, sign(&server.payload(&dispatch(n)), &["us-dsca/0"]).canonical()).unwrap();
        run_as(&["event", "submit", file.to_str().unwrap(), "--wait", "witnessed"])
    };
    let (status, said, log) = submit(1);
    assert_eq!((status, said.contains("\nwitnessed: ")), (Some(0), true), "{said}{log}");
    let receipt = three.folder.beside("1.receipt.json");
    let mut verify = Command::new(binaries::verifier());
    verify.arg("receipt").arg(&receipt).args(["--ledger", &server.ledger, "--json", "--trust", made]);
    let report: Value = serde_json::from_slice(&verify.output().unwrap().stdout).unwrap();
    assert_eq!((&report["verdict"], &report["checks"][5]["result"]), (&"partial".into(), &"ok".into()), "{report:#}");

    // in vain: recorded all the same, said so, and nothing has to be sent again
    three.witnesses.iter().for_each(|w| w.behave(Manner::Down));
    let before = size(&server);
    let (status, said, log) = submit(2);
    assert_eq!(status, Some(3), "{said}{log}");
    assert!(
        said.contains("recorded, and not witnessed yet") && log.contains("nothing has to be sent again"),
        "{said}{log}"
    );
    assert_eq!(size(&server), before + 1);
    let (_, said, _) = run_as(&["status", "--json"]);
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(status["witnesses"]["quorum"]["behind"], 1, "{status:#}");
}
