//! Proposals under races and crashes: real servers, real RocksDB. However it goes there is one entry, or none and a
//! proposal that says why.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Barrier};

use countersign_ledger::append::{Ledger, LedgerState, OpenOptions};
use countersign_ledger::envelope::{EVENT_TYPE, pae};
use countersign_ledger::hash::EventHash;
use countersign_ledger::proposal::{Found, ProposalError, ProposalLimits, Proposals, Signed, Withdrawal};
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::store::testing::{Fault, FaultyStore};
use countersign_ledger::submission::Submission;
use countersign_tests::harness::draft::sign;
use countersign_tests::harness::http::Answer;
use countersign_tests::harness::people::{grant, key};
use countersign_tests::harness::server::Server;
use countersign_tests::harness::world::{self, World};
use countersign_tests::harness::{DataFolder, Draft, draft, verify};
use serde_json::{Value, json};

const CASE: &str = "us-dsca.x1";
const JSON: &str = "application/json";
const ROUNDS: usize = 20;

fn check(n: usize) -> Draft {
    let body = json!({ "type": "routine", "access": "refused" });
    draft("check.recorded", &format!("check/{n}"), Some(CASE), "eu-obs", body)
}

fn server(folder: &DataFolder) -> Server {
    let server = Server::start(folder.serve());
    server.found();
    server
}

/// An event as it was proposed.
struct Proposed {
    payload: Vec<u8>,
    event: String,
}

impl Proposed {
    fn url(&self) -> String {
        format!("/v1/proposals/{}", self.event)
    }

    fn signature(&self, name: &str) -> Value {
        let key = key(name);
        let signature = key.sign(&pae(EVENT_TYPE, &self.payload));
        json!({ "keyid": key.public().id(), "sig": base64(signature.as_bytes()) })
    }
}

fn base64(bytes: &[u8]) -> String {
    countersign_ledger::keys::encode_base64(bytes)
}

fn propose(server: &Server, draft: &Draft, keys: &[&str]) -> Proposed {
    let envelope = sign(&server.payload(draft), keys);
    let answer = server.http.post("/v1/proposals", JSON, envelope.canonical().as_bytes()).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    Proposed { payload: envelope.payload().to_vec(), event: envelope.event_hash().to_string() }
}

fn add(server: &Server, proposed: &Proposed, name: &str) -> Answer {
    let body = proposed.signature(name).to_string();
    server.http.post(&format!("{}/signatures", proposed.url()), JSON, body.as_bytes()).unwrap()
}

fn get(server: &Server, proposed: &Proposed) -> Value {
    let answer = server.http.get(&proposed.url()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// How many entries there are of a proposal's event.
fn entries(server: &Server, proposed: &Proposed) -> usize {
    let bundle = server.bundle();
    let lines = bundle.split(|b| *b == b'\n').skip(1).filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let payload = base64(&proposed.payload);
    lines.filter(|entry| entry["envelope"]["payload"] == payload.as_str()).count()
}

/// Every enrolled party proposes, signs and withdraws over HTTP as the description says.
#[test]
fn a_proposal_goes_its_way_and_survives_a_restart() {
    let folder = DataFolder::new();
    let first = server(&folder);
    let unsigned = propose(&first, &check(1), &[]);
    let view = get(&first, &unsigned);
    assert_eq!((&view["state"], &view["awaiting"]), (&json!("open"), &json!(["eu-obs", "xa-mod"])));
    assert_eq!(view["missing"][0], "eu-obs, the author");
    let half = propose(&first, &check(2), &["eu-obs/0"]);
    let gone = propose(&first, &check(3), &["eu-obs/0"]);
    let listed = first.http.get("/v1/proposals?awaiting=xa-mod&limit=2").unwrap().json();
    assert_eq!(listed["proposals"].as_array().unwrap().len(), 2);
    let next = listed["next"].as_str().unwrap();
    let rest = first.http.get(&format!("/v1/proposals?awaiting=xa-mod&limit=2&after={next}")).unwrap().json();
    assert_eq!((rest["proposals"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    for tampered in ["1", "x-y", &format!("+{next}"), &next.replace('-', "--")] {
        let answer = first.http.get(&format!("/v1/proposals?after={tampered}")).unwrap();
        assert_eq!((answer.status, answer.json()["code"].clone()), (400, json!("bad_parameter")), "{tampered}");
    }

    // Another may not withdraw it; its author may, once.
    let proposed = get(&first, &gone)["proposed"].as_str().unwrap().parse().unwrap();
    let event: EventHash = gone.event.parse().unwrap();
    let delete = |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|name| key(name)).collect();
        let request = Withdrawal::sign(first.ledger.parse().unwrap(), event, proposed, &keys).unwrap().to_json();
        first.http.delete(&gone.url(), "application/vnd.dsse+json", request.as_bytes()).unwrap()
    };
    assert_eq!(delete(&["xa-mod/0"]).json()["code"], "not_withdrawable");
    assert_eq!(delete(&[]).status, 403);
    assert_eq!(get(&first, &gone)["state"], "open");
    assert_eq!(delete(&["eu-obs/0"]).status, 200);
    assert_eq!(delete(&["eu-obs/0"]).status, 404);

    first.kill();
    let second = Server::start(folder.serve());
    assert_eq!(get(&second, &unsigned)["state"], "open");
    assert_eq!(second.http.get(&gone.url()).unwrap().status, 404);
    let answer = add(&second, &half, "xa-mod/0").json();
    assert_eq!(answer["state"], "recorded");
    assert_eq!(answer["receipt"], get(&second, &half)["receipt"], "the receipt stays at the proposal's URL");
    // A batch: one that completes, one of nobody's proposal, one by a key that is not awaited.
    let of = |proposed: &Proposed, name: &str| {
        let mut signature = proposed.signature(name);
        signature["event"] = json!(proposed.event);
        signature
    };
    let batch = json!({ "signatures": [
        of(&unsigned, "eu-obs/0"), of(&unsigned, "us-dsca/0"), of(&gone, "xa-mod/0"), of(&unsigned, "xa-mod/0"),
    ] });
    let answer = second.http.post("/v1/proposals/signatures", JSON, batch.to_string().as_bytes()).unwrap().json();
    let statuses: Vec<_> =
        answer["results"].as_array().unwrap().iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 409, 404, 200], "{answer}");
    assert_eq!(answer["results"][3]["proposal"]["state"], "recorded");
    for proposed in [&unsigned, &half] {
        assert_eq!(entries(&second, proposed), 1);
    }
    verify(&second.bundle(), &second.ledger).assert_verified();
}

#[test]
fn of_two_who_sign_at_once_one_completes_it_and_there_is_one_entry() {
    let folder = DataFolder::new();
    let server = server(&folder);
    for round in 0..ROUNDS {
        let proposed = propose(&server, &check(round), &[]);
        let line = Barrier::new(3);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let sign = |name: &'static str| {
                let (line, proposed, server) = (&line, &proposed, &server);
                scope.spawn(move || {
                    server.http.get("/healthz").unwrap();
                    line.wait();
                    add(server, proposed, name)
                })
            };
            // One of them twice, as a client does whose connection broke.
            let clients = ["eu-obs/0", "xa-mod/0", "xa-mod/0"].map(sign);
            clients.map(|client| client.join().unwrap()).into()
        });
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let view = get(&server, &proposed);
        assert_eq!(view["state"], "recorded");
        assert_eq!(view["signed"].as_array().unwrap().len(), 2);
        assert_eq!(entries(&server, &proposed), 1);
    }
    assert_eq!(verify(&server.bundle(), &server.ledger).assert_verified(), 5 + ROUNDS as u64);
}

/// The key of the first signature is retired while the second is on its way: whichever comes first.
#[test]
fn a_key_retired_between_two_signatures_leaves_one_entry_or_none_and_a_reason() {
    let folder = DataFolder::new();
    let server = server(&folder);
    let (mut recorded, mut dropped) = (0, 0);
    for round in 0..ROUNDS {
        let own = format!("eu-obs/{}", round + 1);
        let body = json!({ "party": "eu-obs", "key": grant(&own) });
        server.say(&draft("key.added", "party/eu-obs", None, "eu-obs", body), &["eu-obs/0", &own]);
        let proposed = propose(&server, &check(round), &[&own]);
        let retired = json!({ "party": "eu-obs", "keyid": key(&own).public().id(), "reason": "left" });
        let retired = draft("key.retired", "party/eu-obs", None, "eu-obs", retired);
        let retired = sign(&server.payload(&retired), &["eu-obs/0"]).canonical();
        let line = Barrier::new(2);
        let (answer, retired) = std::thread::scope(|scope| {
            let sign = scope.spawn(|| {
                server.http.get("/healthz").unwrap();
                line.wait();
                add(&server, &proposed, "xa-mod/0")
            });
            let retire = scope.spawn(|| {
                server.http.get("/healthz").unwrap();
                line.wait();
                server.post(&retired).unwrap()
            });
            (sign.join().unwrap(), retire.join().unwrap())
        });
        assert_eq!((answer.status, retired.status), (200, 201), "{} {}", answer.text(), retired.text());
        let view = get(&server, &proposed);
        let entries = entries(&server, &proposed);
        if view["state"] == "recorded" {
            assert_eq!(entries, 1);
            recorded += 1;
            continue;
        }
        // The one signature dropped alone, and the party can sign again with another key.
        assert_eq!((&view["state"], entries), (&json!("open"), 0), "{view}");
        assert_eq!(view["awaiting"], json!(["eu-obs"]));
        assert_eq!(view["dropped"][0]["party"], "eu-obs");
        assert!(view["dropped"][0]["why"].as_str().unwrap().contains("retired by entry"), "{view}");
        assert_eq!(view["signed"][0]["party"], "xa-mod");
        dropped += 1;
        assert_eq!(add(&server, &proposed, "eu-obs/0").json()["state"], "recorded");
        assert_eq!(get(&server, &proposed)["signed"].as_array().unwrap().len(), 2);
    }
    println!("{recorded} recorded, {dropped} waited for another key");
    verify(&server.bundle(), &server.ledger).assert_verified();
}

/// Killed at some moment around the last signature: whatever was acknowledged stands, and one entry comes of it.
#[test]
fn a_server_killed_around_the_last_signature_leaves_one_entry() {
    let folder = DataFolder::new();
    drop(server(&folder));
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let server = Server::start(folder.serve());
        let proposed = propose(&server, &check(round), &["eu-obs/0"]);
        let line = Arc::new(Barrier::new(2));
        let signing = {
            let (http, line) = (server.http.clone(), Arc::clone(&line));
            let (url, body) = (format!("{}/signatures", proposed.url()), proposed.signature("xa-mod/0").to_string());
            std::thread::spawn(move || {
                http.get("/healthz").unwrap();
                line.wait();
                http.post(&url, JSON, body.as_bytes()).ok()
            })
        };
        line.wait();
        // A little later in each round: before, within and after the two writes.
        let until = std::time::Instant::now() + std::time::Duration::from_micros(2_000 * round as u64);
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        server.kill();
        let told = signing.join().unwrap().filter(|answer| answer.status == 200);
        acknowledged += usize::from(told.is_some());

        let server = Server::start(folder.serve());
        if told.is_none() && get(&server, &proposed)["state"] == "open" {
            // The signature never arrived; the party signs again.
            assert_eq!(get(&server, &proposed)["awaiting"], json!(["xa-mod"]));
        }
        // Signing again is what a client does that got no answer, and harmless where it did.
        assert_eq!(add(&server, &proposed, "xa-mod/0").json()["state"], "recorded");
        assert_eq!(entries(&server, &proposed), 1, "round {round}");
        server.kill();
    }
    println!("{acknowledged} of {ROUNDS} were acknowledged before the kill");
    let server = Server::start(folder.serve());
    assert_eq!(verify(&server.bundle(), &server.ledger).assert_verified(), 5 + ROUNDS as u64);
}

/// The very moment between the last signature and the append: the signature's record is durable, the commit is not, or
/// is and nobody learns of it.
#[test]
fn what_was_complete_when_the_process_died_is_recorded_once_when_it_starts_again() {
    for fault in [Fault::Before, Fault::After] {
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let world = World::on(store.clone(), None, &json!({}));
        world.found();
        let proposals = Proposals::new(world.ledger.clone(), ProposalLimits::default());
        let envelope = sign(&world.payload(&check(1)), &["eu-obs/0"]);
        let submission = Submission { envelope, disclosures: vec![] };
        proposals.propose(submission.clone()).unwrap();
        let event = submission.envelope.event_hash();
        let size = world.ledger.head().size.0;

        store.fail_after(0, fault);
        let signature = key("xa-mod/0").sign(&submission.envelope.pae());
        let signed = Signed { event, keyid: key("xa-mod/0").public().id(), signature };
        let outcome = proposals.sign(&[signed]);
        assert!(matches!(outcome, Err(ProposalError::Stopped { .. })), "{outcome:?}");
        assert!(matches!(world.ledger.state(), LedgerState::Failed(_)));
        world.ledger.shutdown();

        store.restart();
        let parts = world::parts(store.clone(), world.clock.clone(), None, &["log"]);
        let ledger = Ledger::open(parts, OpenOptions::default()).unwrap();
        let proposals = Proposals::new(ledger.clone(), ProposalLimits::default());
        proposals.upkeep().unwrap();
        let found = proposals.get(&event).unwrap().unwrap();
        let Found::Recorded { seq, signing, .. } = found else { panic!("{fault:?}: {found:?}") };
        assert_eq!((seq.0, signing.len()), (size, 2), "{fault:?}");
        assert_eq!(ledger.head().size.0, size + 1, "{fault:?}: one entry");
        let records = countersign_ledger::store::Store::proposals(&*store, None, 10).unwrap();
        assert!(records.is_empty(), "{fault:?}: and no record of the proposal");
        // Once more changes nothing.
        proposals.sign(&[signed]).unwrap().pop().unwrap().unwrap();
        proposals.upkeep().unwrap();
        assert_eq!(ledger.head().size.0, size + 1);
    }
}
