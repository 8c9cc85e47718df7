//! Bad input: the right status and code, the place named, and nothing recorded.

use countersign_ledger::envelope::Envelope;
use serde_json::{Value, json};

use super::support::World;
use super::{Answer, CASE, JSON, Served, changed, dispatch, dispatched, draft, key, sign};

/// Sends what must be refused, alone and as a line of a batch, and checks that nothing was recorded.
fn refused(served: &Served, body: &[u8], status: u16, code: &str) -> Value {
    let size = served.size();
    let problem = served.post(JSON, body).problem(status, code);
    if !body.contains(&b'\n') {
        let answer: Answer = served.post(super::NDJSON, body);
        let line = &answer.lines()[0];
        assert_eq!(
            (&line["line"], &line["status"], &line["problem"]["code"]),
            (&json!(1), &json!(status), &json!(code))
        );
    }
    assert_eq!(served.size(), size, "nothing is recorded");
    problem
}

/// Sends a payload, signed as it is, that must be refused.
fn refused_payload(served: &Served, payload: &Value, keys: &[&str], status: u16, code: &str) -> Value {
    refused(served, sign(payload, keys).canonical().as_bytes(), status, code)
}

#[test]
fn broken_json() {
    let served = Served::new();
    let whole = dispatched(&served, "consignment/a");
    for length in [1, 2, 20, whole.len() / 2, whole.len() - 1] {
        refused(&served, &whole.as_bytes()[..length], 400, "malformed_json");
    }
    for bad in [
        format!(" {whole}"),
        format!("{whole} "),
        format!("\u{feff}{whole}"),
        whole.replacen("{\"payloadType\"", "{\"payloadType\":\"x\",\"payloadType\"", 1),
        whole.replacen("{\"payloadType\"", "{\"payload\\u0054ype\":\"x\",\"payloadType\"", 1),
        format!("{{\"envelope\":{whole},\"envelope\":{whole}}}"),
        format!("{whole}{whole}"),
        "[".repeat(100_000),
        format!("{}{}", "[".repeat(17), "]".repeat(17)),
        "{\"a\":".repeat(1000),
        "nonsense".to_owned(),
        "\"\u{fffe}\"".to_owned(),
    ] {
        refused(&served, bad.as_bytes(), 400, "malformed_json");
    }
    assert_eq!(served.post(JSON, b"").problem(400, "malformed_json")["expected"], "strict JSON (SPEC §1)");
    refused(&served, b"\xff\xfe", 400, "malformed_json");
    refused(&served, format!("{whole}\n").as_bytes(), 400, "malformed_json");
}

#[test]
fn broken_envelopes() {
    let served = Served::new();
    let whole: Value = serde_json::from_str(&dispatched(&served, "consignment/a")).unwrap();
    let broken = |pointer: &str, value: Value| {
        let mut envelope = whole.clone();
        *envelope.pointer_mut(pointer).unwrap() = value;
        envelope.to_string()
    };
    let payload = whole["payload"].as_str().unwrap();
    for (body, path) in [
        (broken("/payload", json!(format!("{}*", &payload[..payload.len() - 1]))), "/payload"),
        (broken("/payload", json!(format!("{payload}="))), "/payload"),
        (broken("/payload", json!(7)), "/payload"),
        (broken("/signatures", json!({})), "/signatures"),
        (broken("/signatures/0/sig", json!("AAAA")), "/signatures/0/sig"),
        (broken("/signatures/0/sig", json!(null)), "/signatures/0/sig"),
        (broken("/signatures/0/keyid", json!("x")), "/signatures/0/keyid"),
        (broken("/payloadType", json!("application/vnd.countersign.session.v1+json")), "/payloadType"),
        (broken("/payloadType", json!("application/vnd.in-toto+json")), "/payloadType"),
        ("{}".to_owned(), "/payloadType"),
        ("[]".to_owned(), ""),
        (format!("{{\"envelope\":{whole},\"disclosure\":[]}}"), "/disclosure"),
        (format!("{{\"envelope\":{whole},\"disclosures\":[1]}}"), "/disclosures"),
        ("{\"envelope\":null}".to_owned(), "/envelope"),
    ] {
        let problem = refused(&served, body.as_bytes(), 400, "malformed_envelope");
        assert_eq!(problem["path"], path, "{body}");
    }
    let newer = broken("/payloadType", json!("application/vnd.countersign.event.v2+json"));
    refused(&served, newer.as_bytes(), 422, "newer_version");
    let signature = whole["signatures"][0].clone();
    let twice = broken("/signatures", json!([signature, signature]));
    refused(&served, twice.as_bytes(), 400, "repeated_key");
    refused(&served, broken("/signatures", json!([])).as_bytes(), 422, "unsigned");
    let many: Vec<Value> = (0..17).map(|n| json!({ "keyid": format!("{n:064x}"), "sig": signature["sig"] })).collect();
    refused(&served, broken("/signatures", json!(many)).as_bytes(), 413, "limit_exceeded");
    let mut sig = signature["sig"].as_str().unwrap().to_owned();
    sig.replace_range(0..1, if sig.starts_with('A') { "B" } else { "A" });
    refused(&served, broken("/signatures/0/sig", json!(sig)).as_bytes(), 422, "bad_signature");
}

#[test]
fn broken_events() {
    let served = Served::new();
    let good = served.world.payload(&dispatch("consignment/a"));
    let donor = &["us-dsca/0"][..];
    for (member, value, path) in [
        ("id", json!("0192a000-0000-4000-8000-000000000001"), "/id"),
        ("subject", json!("Consignment/a"), "/subject"),
        ("occurred", json!({ "at": "2026-02-30T00:00:00Z" }), "/occurred"),
        ("case", json!(null), "/case"),
        ("extra", json!(1), "/extra"),
        ("evidence", json!([]), "/evidence"),
        ("body", json!([]), "/body"),
    ] {
        let problem = refused_payload(&served, &changed(&good, member, value), donor, 422, "malformed_event");
        assert_eq!(problem["path"], path);
    }
    refused_payload(&served, &changed(&good, "countersign", json!(2)), donor, 422, "newer_version");
    refused_payload(&served, &changed(&good, "kind", json!("transfer.teleported")), donor, 422, "unknown_kind");
    refused_payload(&served, &changed(&good, "kind", json!("transfer.dispatched.v2")), donor, 422, "unknown_kind");
    let mut body = good.clone();
    body["body"]["lines"][0]["quantity"] = json!("2.00000");
    let problem = refused_payload(&served, &body, donor, 422, "body_malformed");
    assert_eq!(problem["path"], "/body/lines/0/quantity");
    body["body"]["lines"][0] = json!({ "line": "1" });
    refused_payload(&served, &body, donor, 422, "body_malformed");
    // strictness reaches into the payload
    let text = good.to_string().replacen("{", "{\"countersign\":1,", 1);
    let doubled = Envelope::sign(text.into_bytes(), &[&key("us-dsca/0")]).unwrap();
    refused(&served, doubled.canonical().as_bytes(), 400, "malformed_json");
    let mut deep = json!(1);
    for _ in 0..16 {
        deep = json!({ "a": deep });
    }
    let deep = changed(&good, "body", deep);
    refused_payload(&served, &deep, donor, 400, "malformed_json");
}

#[test]
fn wrong_keys() {
    let served = Served::new();
    let good = served.world.payload(&dispatch("consignment/a"));
    refused_payload(&served, &good, &["stranger"], 403, "unknown_key");
    refused_payload(&served, &good, &["us-dsca/0", "stranger"], 403, "unknown_key");
    refused_payload(&served, &good, &["xa-mod/0"], 403, "author_did_not_sign");
    refused_payload(&served, &good, &["us-dsca/0", "gov0"], 403, "governance_short_of_quorum");
    let keyid = key("us-dsca/0").public().id();
    let body = json!({ "party": "us-dsca", "keyid": keyid, "reason": "left office" });
    served.world.say(draft("key.retired", "party/us-dsca", None, "us-dsca", body), &["us-dsca/0"]).unwrap();
    refused_payload(&served, &good, &["us-dsca/0"], 403, "key_does_not_count");
}

#[test]
fn wrong_places() {
    let served = Served::new();
    let donor = &["us-dsca/0"][..];
    let other = World::new();
    let good = served.world.payload(&dispatch("consignment/a"));
    refused_payload(&served, &changed(&good, "ledger", json!(other.ledger.id())), donor, 422, "wrong_ledger");
    refused_payload(&served, &changed(&good, "case", json!("nowhere")), donor, 422, "unknown_case");
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("case");
    refused_payload(&served, &without, donor, 422, "case_required_or_forbidden");
    refused_payload(&served, &changed(&good, "subject", json!("check/a")), donor, 422, "wrong_subject");
    let after = json!("0".repeat(64));
    refused_payload(&served, &changed(&good, "after", after), donor, 422, "unknown_after");
    let late = changed(&good, "until", json!("2020-01-01T00:00:00Z"));
    refused_payload(&served, &late, donor, 422, "expired");
    let future = changed(&good, "occurred", json!({ "at": "2099-01-01T00:00:00Z" }));
    refused_payload(&served, &future, donor, 422, "occurred_in_future");
    let outsider = served.world.payload(&draft(
        "diversion.reported",
        "incident/x.1",
        None,
        "xa-mod",
        json!({ "claim": "c", "source_grade": "documented" }),
    ));
    refused_payload(&served, &outsider, &["xa-mod/0"], 403, "subject_not_own");
}

#[test]
fn conflicts_name_what_stands_in_the_way() {
    let served = Served::new();
    let good = served.world.payload(&dispatch("consignment/a"));
    let first = served.world.say_payload(&good, &["us-dsca/0"]).unwrap();
    let mut other = good.clone();
    other["body"]["document_number"] = json!("W1A2B360000002");
    let problem = refused_payload(&served, &other, &["us-dsca/0"], 409, "id_conflict");
    assert_eq!(problem["existing"], json!(first.seq));
    let again = served.world.payload(&dispatch("consignment/a").with(json!({ "after": null })));
    let problem = refused_payload(&served, &again, &["us-dsca/0"], 409, "stale_after");
    assert_eq!(problem["head"], json!(first.event));

    let opened = served.world.head("case/us-dsca.x1", CASE).unwrap();
    let amend = || draft("case.amended", "case/us-dsca.x1", CASE, "us-dsca", json!({ "title": "T", "reason": "r" }));
    let amended = served.world.say(amend(), &["us-dsca/0", "xa-mod/0"]).unwrap();
    let stale = served.world.payload(&amend().with(json!({ "after": opened })));
    let problem = refused_payload(&served, &stale, &["us-dsca/0", "xa-mod/0"], 409, "stale_after");
    assert_eq!(problem["head"], json!(amended.event));
    let party = served.world.payload(&draft(
        "party.enrolled",
        "party/xa-mod",
        None,
        "governance",
        json!({ "party": "xa-mod", "name": "N", "country": null, "capacities": ["donor"], "keys": [super::support::grant("new")] }),
    ).with(json!({ "after": null })));
    let problem = served.post(JSON, sign(&party, &["gov0", "gov1", "new"]).canonical().as_bytes());
    assert_eq!(problem.status, 409, "{}", problem.text());

    let close = draft("ledger.closed", "ledger/self", None, "governance", json!({ "reason": "done" }));
    served.world.say(close, &["gov0", "gov1"]).unwrap();
    refused_payload(&served, &again, &["us-dsca/0"], 409, "ledger_closed");
    assert_eq!(served.get("/readyz").json(), json!({ "status": "closed" }));
    assert_eq!(served.get("/v1/ledger").json()["state"], "closed");
}

#[test]
fn disclosures_and_digests_go_together() {
    let served = Served::new();
    let good = served.world.payload(&dispatch("consignment/a"));
    let envelope = sign(&good, &["us-dsca/0"]).canonical();
    for disclosures in [json!(["AAAA"]), json!(["*"]), json!([""]), json!(vec!["AAAA"; 257])] {
        let body = format!("{{\"envelope\":{envelope},\"disclosures\":{disclosures}}}");
        let size = served.size();
        let answer = served.post(JSON, body.as_bytes());
        assert!([413, 422].contains(&answer.status), "{}", answer.text());
        assert_eq!(served.size(), size);
    }
    let missing =
        json!({ "_sd": ["A".repeat(43)], "document_number": "W1A2B360000001", "lines": good["body"]["lines"] });
    let payload = changed(&good, "body", missing);
    refused_payload(&served, &payload, &["us-dsca/0"], 422, "disclosure_refused");
}

#[test]
fn media_types_and_parameters() {
    let served = Served::new();
    let good = dispatched(&served, "consignment/a");
    let size = served.size();
    for other in ["text/plain", "application/jsonl", "application/json2", "", "application/x-www-form-urlencoded"] {
        let problem = served.post(other, good.as_bytes()).problem(415, "unsupported_media_type");
        assert_eq!(problem["path"], "content-type");
    }
    served.ask("POST", "/v1/events", &[], good.as_bytes()).problem(415, "unsupported_media_type");
    let headers = [("content-type", JSON), ("content-encoding", "gzip")];
    served.ask("POST", "/v1/events", &headers, good.as_bytes()).problem(415, "unsupported_media_type");
    for query in ["x=1", "expect=head&expect=head", "expect", "expect=HEAD", "%ff=1"] {
        let headers = [("content-type", JSON)];
        let path = format!("/v1/events?{query}");
        served.ask("POST", &path, &headers, good.as_bytes()).problem(400, "bad_parameter");
    }
    assert_eq!(served.size(), size);
}
