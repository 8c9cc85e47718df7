//! Seals with real processes: the server makes them, the verifier counts again, and neither knows the other's code
//! (SPEC §15).
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use countersign_tests::harness::people::{case_opened, dispatch_body, party_body};
use countersign_tests::harness::{DataFolder, Report, Server, binaries, draft, verify};
use serde_json::{Value, json};

const CASE: &str = "us-dsca.x1";

/// A ledger with an operator, of which a consignment is disputed, behind a server that seals.
fn begun() -> (DataFolder, Server) {
    let folder = DataFolder::new();
    let server = start(&folder);
    server.found();
    let body = party_body("ops", &["operator"], &["ops/0"]);
    server.say(&draft("party.enrolled", "party/ops", None, "governance", body), &["gov0", "gov1", "ops/0"]);
    // of another case, so that an extract has something to leave out
    server.say(&case_opened("us-dsca.x2"), &["us-dsca/0", "xa-mod/0"]);
    let other = draft("transfer.dispatched", "consignment/c1", Some("us-dsca.x2"), "us-dsca", dispatch_body());
    server.say(&other, &["us-dsca/0"]);
    dispatch(&server, "c1");
    dispute(&server, "c1");
    (folder, server)
}

fn start(folder: &DataFolder) -> Server {
    let mut command = folder.serve();
    command.arg("--seal-key").arg(folder.key_file("ops/0")).args(["--seal-gap", "0s"]);
    Server::start(command)
}

fn dispatch(server: &Server, id: &str) {
    let sent = draft("transfer.dispatched", &format!("consignment/{id}"), Some(CASE), "us-dsca", dispatch_body());
    server.say(&sent, &["us-dsca/0"]);
}

fn dispute(server: &Server, id: &str) {
    let about = server.head(&format!("consignment/{id}"), Some(CASE));
    let body = json!({ "about": about, "grounds": "one is missing" });
    server.say(&draft("statement.disputed", &format!("statement/xa-mod.{id}"), None, "xa-mod", body), &["xa-mod/0"]);
}

/// Seals; returns the entry.
fn seal(server: &Server) -> u64 {
    let answer = server.http.post("/v1/seals", "application/json", b"").unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    server.http.get("/v1/seals/latest").unwrap().json()["seq"].as_u64().unwrap()
}

fn fetch(server: &Server, path: &str) -> Vec<u8> {
    let answer = server.http.get(path).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.body
}

fn seal_check(report: &Report) -> &str {
    let checks = report.json["checks"].as_array().unwrap();
    checks.iter().find(|check| check["code"] == "SEAL").unwrap()["result"].as_str().unwrap()
}

#[test]
fn what_a_server_seals_the_verifier_counts_again_also_after_a_power_cut() {
    let (folder, server) = begun();
    let unsealed = verify(&fetch(&server, &format!("/v1/bundle?case={CASE}")), &server.ledger);
    assert_eq!((seal_check(&unsealed), &unsealed.json["sealed"]), ("undecided", &json!([])));
    let sealed = seal(&server);
    dispatch(&server, "c1");
    dispatch(&server, "c2");
    dispute(&server, "c2");
    let id = server.ledger.clone();
    let before = fetch(&server, &format!("/v1/bundle?case={CASE}"));
    server.kill();

    let server = start(&folder);
    let after = fetch(&server, &format!("/v1/bundle?case={CASE}"));
    assert_eq!(after, before, "the streams are counted anew as they were sealed");
    let report = verify(&after, &id);
    assert_eq!((seal_check(&report), &report.json["verdict"]), ("ok", &json!("partial")));
    let whole = json!({ "seq": sealed, "case": CASE, "subject": null, "events": 2 });
    assert_eq!(report.json["sealed"][0], whole, "the opening, and the first dispatch");

    let one = verify(&fetch(&server, &format!("/v1/bundle?case={CASE}&subject=consignment/c2")), &id);
    assert_eq!(seal_check(&one), "ok");
    let none = json!({ "seq": sealed, "case": CASE, "subject": "consignment/c2", "events": 0 });
    assert_eq!(one.json["sealed"][0], none, "it came after the seal");
    for query in ["case=nope", "case=us-dsca.x1&subject=consignment/c9"] {
        let report = verify(&fetch(&server, &format!("/v1/seals/latest/proof?{query}")), &id);
        assert_eq!((seal_check(&report), &report.json["sealed"][0]["events"]), ("ok", &json!(0)), "{query}");
        assert_eq!(report.json["verdict"], "partial");
    }

    let next = seal(&server);
    assert!(next > sealed);
    let whole = verify(&server.bundle(), &id);
    assert_eq!((seal_check(&whole), &whole.json["verdict"]), ("ok", &json!("verified")));
    let report = verify(&fetch(&server, &format!("/v1/bundle?case={CASE}")), &id);
    assert_eq!(report.json["sealed"][0]["events"], 4);
}

#[test]
fn a_seal_is_worth_the_users_word() {
    let (folder, server) = begun();
    let id = server.ledger.clone();
    let file = |name: &str| {
        let path = folder.beside(name);
        std::fs::write(&path, fetch(&server, &format!("/v1/bundle?case={CASE}"))).unwrap();
        path
    };
    let ask = |path: &std::path::Path, command: &str, more: &[&str]| {
        let mut run = Command::new(binaries::countersign());
        run.arg(command).arg("--bundle").arg(path).args(["--ledger", &id]).args(more);
        run.env("COUNTERSIGN_VERIFY_BIN", binaries::verifier()).output().unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let unknowns = |output: &Output| {
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(output)));
        json["unknowns"].as_array().map_or(0, Vec::len)
    };
    let unsealed = ask(&file("unsealed.jsonl"), "findings", &["--json"]);
    let trusted = ask(&folder.beside("unsealed.jsonl"), "findings", &["--json", "--trust-scope"]);
    assert!(unknowns(&unsealed) > unknowns(&trusted), "{}", String::from_utf8_lossy(&unsealed.stdout));
    let sealed = seal(&server);
    dispatch(&server, "c2");
    let path = file("sealed.jsonl");
    let proven = ask(&path, "findings", &["--json"]);
    let note = format!("a seal proves that all of it before entry {sealed} is shown");
    assert!(said(&proven).contains(&note), "{}", said(&proven));
    assert_eq!(unknowns(&proven), unknowns(&trusted));
    let findings = String::from_utf8_lossy(&proven.stdout);
    assert!(findings.contains("consignment/c1") && !findings.contains("consignment/c2"), "{findings}");
    let later = ask(&path, "findings", &["--json", "--as-of", "2999-01-01"]);
    assert!(said(&later).contains("but not what came after"), "{}", said(&later));
    assert!(unknowns(&later) > unknowns(&proven));
    for (command, more) in [("reconcile", ["--case", CASE]), ("report", ["--output", "-"])] {
        let output = ask(&path, command, &more);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), said(&output));
        assert!(text.contains(&format!("before entry {sealed}")), "{command}: {text}");
    }
}
