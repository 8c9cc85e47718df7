//! `/v1/seals`: sealed on demand and when it is time, never twice, and what is not there is proven not to be.

use std::io::BufReader;
use std::time::{Duration, Instant};

use countersign_ledger::bundle::{BundleLine, read_bundle};
use countersign_ledger::id::TreeSize;
use countersign_ledger::seal::{Instead, SealedLine, scan};
use serde_json::{Value, json};

use super::support::{World, key};
use super::{Answer, JSON, Limits, Metrics, SealOptions, Served, dispatched};

const DAY: Duration = Duration::from_secs(86_400);
const GAP: Duration = Duration::from_secs(5);

fn seal(served: &Served) -> Answer {
    served.ask("POST", "/v1/seals", &[], b"")
}

fn record(served: &Served, subject: &str) {
    assert_eq!(served.post(JSON, dispatched(served, subject).as_bytes()).status, 201);
}

/// Checks that a seal is what the store says.
fn assert_true(served: &Served, view: &Value) {
    let streams = scan(&*served.world.store, TreeSize(view["seq"].as_u64().unwrap())).unwrap();
    assert_eq!(view["streams"], streams.count());
    assert_eq!(view["root"], json!(streams.root()));
}

#[test]
fn sealed_on_demand_and_not_twice() {
    let served = Served::sealing(DAY, GAP);
    served.get("/v1/seals/latest").problem(404, "not_found");
    served.get("/v1/seals/latest/proof?case=nope").problem(404, "not_found");
    let first = seal(&served);
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(first.header("location"), Some("/v1/entries/6"));
    let latest = served.get("/v1/seals/latest").json();
    assert_eq!((latest["seq"].as_u64(), latest["since"].as_u64()), (Some(6), Some(0)));
    assert_eq!((&latest["author"], latest["event"].as_str()), (&json!("ops"), first.header("countersign-event")));
    assert_true(&served, &latest);
    let again = seal(&served);
    assert_eq!((again.status, again.header("countersign-seq")), (200, Some("6")));
    record(&served, "consignment/c1");
    assert_eq!(served.get("/v1/seals/latest").json()["since"], 1);
    let soon = seal(&served);
    soon.problem(503, "busy");
    assert_eq!(soon.header("retry-after"), Some("5"));
    served.world.clock.forward(5_000);
    let next = seal(&served);
    assert_eq!((next.status, next.header("countersign-seq")), (201, Some("8")));
    assert_true(&served, &served.get("/v1/seals/latest").json());
    assert_eq!(served.size(), 9);
    served.ask("POST", "/v1/seals?x=1", &[], b"").problem(400, "bad_parameter");
}

#[test]
fn sealed_when_it_is_time() {
    let served = Served::sealing(DAY, GAP);
    assert_eq!(seal(&served).status, 201);
    let begun = Instant::now();
    let wait = |beyond: u64| {
        let mut size = TreeSize(served.size());
        while size.0 <= beyond && begun.elapsed() < Duration::from_secs(60) {
            size = served.world.ledger.wait_beyond(TreeSize(beyond), Duration::from_secs(60));
        }
        size.0
    };
    record(&served, "consignment/c1");
    served.world.clock.forward(86_400_000);
    assert_eq!(wait(8), 9, "the event, and then the seal");
    assert_eq!(served.get("/v1/seals/latest").json()["seq"], 8);
    // time alone seals nothing, so the next entry is the event
    served.world.clock.forward(86_400_000 * 3);
    assert_eq!(seal(&served).status, 200);
    record(&served, "consignment/c2");
    assert_eq!(wait(10), 11);
    let latest = served.get("/v1/seals/latest").json();
    assert_eq!(latest["seq"], 10);
    assert_true(&served, &latest);
}

#[test]
fn who_does_not_seal_says_so() {
    let served = Served::new();
    let problem = seal(&served).problem(404, "not_found");
    assert!(problem["hint"].as_str().unwrap().contains("--seal-key"));
    let strangers = |name: &str| {
        let options = SealOptions { key: std::sync::Arc::new(key(name)), every: DAY, gap: GAP };
        Served::serve(World::with_case(), Limits::default(), Metrics::new().unwrap(), 1_024, Some(options))
    };
    seal(&strangers("ops/0")).problem(403, "unknown_key");
    seal(&strangers("us-dsca/0")).problem(403, "policy_not_satisfied");
    let served = strangers("ops/0");
    seal(&served).problem(403, "unknown_key");
    served.world.enroll("ops", &["operator"]);
    served.world.clock.forward(5_000);
    assert_eq!(seal(&served).status, 201, "from when its party is enrolled");
}

fn sealed_lines(answer: &Answer) -> Vec<SealedLine> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lines = read_bundle(BufReader::new(answer.body.as_slice())).map(Result::unwrap);
    lines.filter_map(|line| if let BundleLine::Sealed(line) = line { Some(*line) } else { None }).collect()
}

#[test]
fn extracts_prove_what_is_there_and_what_is_not() {
    let served = Served::sealing(DAY, GAP);
    record(&served, "consignment/c1");
    let none: [SealedLine; 0] = [];
    assert_eq!(sealed_lines(&served.get("/v1/bundle?case=us-dsca.x1")), none);
    assert_eq!(seal(&served).status, 201);
    record(&served, "consignment/c2");
    let case = sealed_lines(&served.get("/v1/bundle?case=us-dsca.x1"));
    assert_eq!(case.len(), 1);
    assert_eq!((case[0].subject.as_ref(), case[0].instead), (None, None));
    let one = sealed_lines(&served.get("/v1/bundle?case=us-dsca.x1&subject=consignment/c1"));
    assert_eq!(one.len(), 2);
    assert!(one.iter().all(|line| line.within.is_some() && line.instead.is_none()));
    let later = sealed_lines(&served.get("/v1/bundle?case=us-dsca.x1&subject=consignment/c2"));
    assert!(later[0].instead.is_some(), "it came after the seal");
    assert_eq!(sealed_lines(&served.get("/v1/bundle")), none, "a whole ledger needs none");
    for query in ["case=nope", "case=nope&subject=consignment/c1", "case=us-dsca.x1&subject=consignment/c9"] {
        let lines = sealed_lines(&served.get(&format!("/v1/seals/latest/proof?{query}")));
        assert_eq!(lines.len(), 1, "{query}");
        assert!(matches!(lines[0].instead, Some(Instead::Nothing | Instead::Pair { .. })), "{query}");
    }
    for query in ["case=us-dsca.x1", "case=us-dsca.x1&subject=consignment/c2"] {
        served.get(&format!("/v1/seals/latest/proof?{query}")).problem(409, "present");
    }
    served.get("/v1/seals/latest/proof").problem(400, "bad_parameter");
    served.get("/v1/seals/latest/proof?case=A").problem(400, "bad_parameter");
}
