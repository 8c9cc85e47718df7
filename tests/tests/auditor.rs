//! An auditor as a process: it cosigns only over entries that it verified, refuses a ledger that signed a false one for
//! good, and blames the ledger only for what the log signed.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_ledger::proof::Receipt;
use countersign_tests::forge::tree::{consistency, leaf_hash};
use countersign_tests::forge::{Key, note};
use countersign_tests::harness::impostor::root_of;
use countersign_tests::harness::people::case_opened;
use countersign_tests::harness::witness::body;
use countersign_tests::harness::{DataFolder, Impostor, Server, Witness, WitnessFolder, draft};
use serde_json::{Value, json};

const ORIGIN: &str = "ledger.example/tests";
const STATE: &str = "ledgers/ledger.example+tests";

/// A ledger with parties and a case, its server, and an auditor that follows it.
struct Scene {
    data: DataFolder,
    server: Server,
    folder: WitnessFolder,
}

impl Scene {
    fn new() -> Self {
        let data = DataFolder::new();
        let server = Server::start(data.serve());
        server.found();
        let folder = WitnessFolder::new("example.org/auditor");
        folder.done(&["add-ledger", "--server", &server.url, "--ledger", &server.ledger]);
        Self { data, server, folder }
    }

    fn start(&self) -> Witness {
        self.folder.start(&["--audit-wait", "50"])
    }

    /// The lines of the ledger as its server shows them.
    fn lines(&self) -> Vec<String> {
        let answer = self.server.http.get("/v1/entries?limit=10000").unwrap();
        answer.text().lines().map(str::to_owned).collect()
    }

    /// Has the auditor fetch the entries from somewhere else.
    fn redirect(&self, url: &str) {
        let path: PathBuf = self.folder.data().join(format!("{STATE}.json"));
        let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(config["server"].is_string());
        config["server"] = json!(url);
        fs::write(&path, config.to_string()).unwrap();
    }

    fn status(&self) -> Value {
        let output = self.folder.command(&["status", "--json"]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["ledgers"][0].clone()
    }
}

/// The checkpoint over lines, signed with the ledger's own log key.
fn signed(lines: &[String]) -> String {
    signed_by(lines, &["log"])
}

/// The checkpoint over lines, signed with these keys.
fn signed_by(lines: &[String], keys: &[&str]) -> String {
    let text = note::checkpoint_text(ORIGIN, lines.len() as u64, &root_of(lines));
    let signatures: String = keys.iter().map(|name| note::log_line(ORIGIN, &Key::new(*name), &text)).collect();
    format!("{text}\n{signatures}")
}

/// The request to go from the first `old` lines to all, with checkpoints signed by these keys.
fn request(lines: &[String], old: usize, keys: &[&str]) -> String {
    let leaves: Vec<_> = lines.iter().map(|line| leaf_hash(line.as_bytes())).collect();
    let proof = if old == 0 || old == lines.len() { Vec::new() } else { consistency(old, &leaves) };
    let proof: Vec<String> = proof.iter().map(|hash| STANDARD.encode(hash)).collect();
    body(old as u64, &proof, &signed_by(lines, keys))
}

/// Another character in the last entry's signature: canonical still, and false.
fn forged(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    let last = lines.last_mut().unwrap();
    let at = last.rfind("\"sig\":\"").unwrap() + 17;
    let other = if last.as_bytes()[at] == b'A' { "B" } else { "A" };
    last.replace_range(at..=at, other);
    lines
}

/// The lines with the time of one put off by a millisecond: nobody signs it, and the next line's `prev` is then wrong.
fn retimed(lines: &[String], at: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    let (head, rest) = lines[at].split_once(",\"prev\"").unwrap();
    let time = &head[head.len() - 25..head.len() - 1];
    let next: jiff::Timestamp = time.parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_millis(1);
    let head = head.replace(time, &next.strftime("%FT%T%.3fZ").to_string());
    lines[at] = format!("{head},\"prev\"{rest}");
    lines
}

#[test]
fn it_cosigns_what_it_verified_and_waits_for_what_it_cannot_have() {
    let scene = Scene::new();
    let witness = scene.start();
    let before = scene.lines();
    let size = before.len() as u64;
    let checkpoint = scene.server.http.get("/v1/checkpoint").unwrap().text();
    assert_eq!(checkpoint, signed(&before));
    let answer = witness.ask(&body(0, &[], &checkpoint));
    assert_eq!(answer.status, 200, "{}", answer.text());
    // an older checkpoint is refused before anything is fetched
    assert_eq!(witness.ask(&body(0, &[], &signed(&before[..2]))).text(), format!("{size}\n"));

    // more is recorded, and the server goes
    scene.server.say(&case_opened("us-dsca.x2"), &["us-dsca/0", "xa-mod/0"]);
    let after = scene.lines();
    let proof =
        scene.server.http.get(&format!("/v1/proofs/consistency?old={size}&new={}", after.len())).unwrap().json();
    let proof: Vec<String> =
        proof["hashes"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap().to_owned()).collect();
    let request = body(size, &proof, &signed(&after));
    let address = scene.server.url.strip_prefix("http://").unwrap().to_owned();
    let Scene { data, server, folder } = scene;
    assert!(server.stop().0.success());
    let answer = witness.ask(&request);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.retry_after.is_some());
    // it comes back: nothing was held against the ledger meanwhile, and what was verified is not asked for again
    let server = Server::start(data.serve_at(&address));
    let answer = witness.ask(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    witness.0.kill();
    let witness = folder.start(&[]);
    assert!(server.stop().0.success());
    assert_eq!(witness.ask(&body(after.len() as u64, &[], &signed(&after))).status, 200);
}

#[test]
fn it_learns_a_rotated_log_key_from_the_entries() {
    let Scene { data, server, folder } = Scene::new();
    assert!(server.stop().0.success());
    let mut serve = data.serve();
    serve.arg("--log-key").arg(data.path().join("log-key.pem")).arg("--log-key").arg(data.key_file("next"));
    let scene = Scene { server: Server::start(serve), data, folder };
    let vkey = note::vkey(ORIGIN, 0x01, &Key::new("next").public());
    let body = json!({ "log_key": vkey, "reason": "yearly" });
    scene.server.say(&draft("log_key.rotated", "ledger/self", None, "governance", body), &["gov0", "gov1"]);
    let rotated = scene.lines();
    scene.server.say(&case_opened("us-dsca.x2"), &["us-dsca/0", "xa-mod/0"]);
    let later = scene.lines();
    let impostor = Impostor::new();
    impostor.show(&later, &later);
    scene.redirect(&impostor.url);

    let witness = scene.start();
    // by the new key alone it is nobody's yet; by both it is the log's, and the entries say whose the other one is
    assert_eq!(witness.ask(&request(&rotated, 0, &["next"])).status, 403);
    let answer = witness.ask(&request(&rotated, 0, &["log", "next"]));
    assert_eq!(answer.status, 200, "{}", answer.text());
    witness.0.kill();
    let witness = scene.start();
    // the old key is not in force any more
    let answer = witness.ask(&request(&later, rotated.len(), &["log"]));
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("log_signature")), "{}", answer.text());
    assert_eq!(witness.ask(&request(&later, rotated.len(), &["next"])).status, 200);
    assert_eq!(scene.status()["log_keys"].as_array().unwrap().len(), 2);
}

#[test]
fn what_takes_longer_goes_on_and_is_done_when_it_is_asked_again() {
    let scene = Scene::new();
    let honest = scene.lines();
    let impostor = Impostor::new();
    impostor.show(&honest, &honest);
    scene.redirect(&impostor.url);
    let witness = scene.folder.start(&["--audit-wait", "1"]);
    let held = impostor.hold();
    for _ in 0..2 {
        let answer = witness.ask(&request(&honest, 0, &["log"]));
        assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("5")), "{}", answer.text());
        assert!(answer.text().contains("still being verified"), "{}", answer.text());
    }
    drop(held);
    let answer = std::iter::repeat_with(|| witness.ask(&request(&honest, 0, &["log"])));
    let answer = answer.take(20).find(|answer| answer.status != 503).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_false_entry_that_the_log_signed_is_refused_for_good() {
    let scene = Scene::new();
    let honest = scene.lines();
    let false_lines = forged(&honest);
    let impostor = Impostor::new();
    impostor.show(&false_lines, &false_lines);
    scene.redirect(&impostor.url);
    let witness = scene.start();
    let answer = witness.ask(&body(0, &[], &signed(&false_lines)));
    assert_eq!((answer.status, answer.content_type.as_str()), (422, "application/problem+json"), "{}", answer.text());
    let last = honest.len() - 1;
    let said = answer.json();
    assert_eq!(said["code"], "audit_failed");
    assert!(said["detail"].as_str().unwrap().contains(&format!("SIGNATURE: entry {last}")), "{said}");

    // the honest history too, once it has signed that one, and after a restart
    impostor.show(&honest, &honest);
    let refuses = |witness: &Witness| {
        let answer = witness.ask(&body(0, &[], &signed(&honest)));
        assert_eq!(answer.status, 422, "{}", answer.text());
    };
    refuses(&witness);
    witness.0.kill();
    refuses(&scene.start());
    let status = scene.status();
    assert!(status["refused"].as_str().unwrap().contains(&format!("entry {last}")), "{status}");
    // what is kept shows it to anybody: the line, and the proof that the log signed it
    let kept = fs::read(scene.folder.data().join(format!("{STATE}.receipt"))).unwrap();
    let receipt = Receipt::from_json(&kept).unwrap();
    receipt.verify_inclusion().unwrap();
    assert_eq!(receipt.entry(), false_lines[last]);
    assert_eq!(receipt.proof().checkpoint().to_string(), signed(&false_lines));
}

#[test]
fn a_chain_that_the_log_signed_broken_is_refused_for_good() {
    let scene = Scene::new();
    let lines = retimed(&scene.lines(), 2);
    let impostor = Impostor::new();
    impostor.show(&lines, &lines);
    scene.redirect(&impostor.url);
    let answer = scene.start().ask(&body(0, &[], &signed(&lines)));
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.json()["detail"].as_str().unwrap().contains("CHAIN: entry 3"), "{}", answer.text());
}

#[test]
fn what_only_the_server_says_is_not_held_against_the_ledger() {
    let scene = Scene::new();
    let honest = scene.lines();
    let impostor = Impostor::new();
    scene.redirect(&impostor.url);
    let witness = scene.start();
    let good = body(0, &[], &signed(&honest));
    // a line that the log never signed; true lines after one that is not; none; fewer; junk; proofs of another tree
    let (false_last, false_third) = (forged(&honest), retimed(&honest, 2));
    let mut junk = honest.clone();
    *junk.last_mut().unwrap() = "{}".to_owned();
    for (lines, proofs) in [
        (&false_last, &honest),
        (&false_third, &honest),
        (&Vec::new(), &honest),
        (&honest[..3].to_vec(), &honest),
        (&junk, &honest),
        (&false_last, &false_last),
        (&false_third, &false_third),
    ] {
        impostor.show(lines, proofs);
        let answer = witness.ask(&good);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.retry_after.is_some());
    }
    assert_eq!(scene.status()["refused"], Value::Null);
    impostor.show(&honest, &honest);
    let answer = witness.ask(&good);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let whole = STANDARD.decode(answer.text().trim_end().rsplit(' ').next().unwrap()).unwrap();
    assert_eq!(whole.len(), 4 + 8 + 64);
}
