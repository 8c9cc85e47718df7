//! Questions to the views, while the ledger grows.

use serde_json::{Value, json};

use super::{Answer, CASE, Served, dispatch, draft};

const CHECKED: &str = "check/k1";

/// A consignment of two devices that arrives, is checked, and of which one is lost: entries 5 to 8.
fn story() -> Served {
    let served = Served::new();
    let world = &served.world;
    world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    world.clock.forward(86_400_000);
    let receipt = json!({ "lines": [{
        "line": "1", "received": "2", "condition": "serviceable", "serials": { "present": ["SYN-0001", "syn 0002"] },
    }] });
    world.say(draft("transfer.received", "consignment/a", CASE, "xa-mod", receipt), &["xa-mod/0"]).unwrap();
    world.clock.forward(86_400_000);
    let check = json!({
        "type": "routine", "access": "full", "site": "=cmd|' /C calc'!A0",
        "items": [{ "serials": ["SYN-0001"], "state": "in_custody", "grade": "scanned" }],
        "references": [{ "scheme": "@visit", "value": "+49 30" }],
    });
    world.say(draft("check.recorded", CHECKED, CASE, "eu-obs", check), &["eu-obs/0", "xa-mod/0"]).unwrap();
    world.clock.forward(86_400_000);
    let loss = json!({ "type": "lost", "items": [{ "serials": ["SYN-0002"] }], "circumstances": "unknown" });
    world.say(draft("loss.reported", "loss/l1", CASE, "xa-mod", loss), &["xa-mod/0"]).unwrap();
    served
}

fn ask(served: &Served, path: &str) -> Value {
    let mark = if path.contains('?') { '&' } else { '?' };
    let last = served.size() - 1;
    let answer = served.get(&format!("{path}{mark}wait_for={last}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = answer.json();
    if path.starts_with("/v1/items") || found.get("as_of_seq").is_some() {
        assert_eq!((&found["as_of_seq"], &found["lag"]), (&json!(last), &json!(0)), "{path}");
    }
    found
}

fn keys(found: &Value) -> Vec<&str> {
    found["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).collect()
}

const ONE: &str = "us-dsca.x1:consignment:a:1:SYN0001";
const TWO: &str = "us-dsca.x1:consignment:a:1:SYN0002";

#[test]
fn items_are_found_by_all_that_they_are() {
    let served = story();
    assert_eq!(keys(&ask(&served, "/v1/items")), [ONE, TWO]);
    for (query, expected) in [
        ("serial=syn+0001", vec![ONE]),
        ("nsn=5855-01-534-5931", vec![ONE, TWO]),
        ("nsn=5855-01-534-5931&state=lost", vec![TWO]),
        ("holder=xa-mod&state=in_custody", vec![ONE]),
        ("state=lost", vec![TWO]),
        ("state=received", vec![]),
        ("case=us-dsca.x1", vec![ONE, TWO]),
        ("case=us-dsca.x2", vec![]),
        ("site=%3Dcmd%7C%27%20%2FC%20calc%27%21A0", vec![ONE]),
        ("serial=SYN-0001&case=us-dsca.x2", vec![]),
    ] {
        assert_eq!(keys(&ask(&served, &format!("/v1/items?{query}"))), expected, "{query}");
    }
    let stray = json!({ "type": "routine", "access": "full", "items": [
        { "serials": ["GHOST-1"], "state": "in_custody", "grade": "sighted" },
    ] });
    served.world.say(draft("check.recorded", "check/k2", CASE, "eu-obs", stray), &["eu-obs/0", "xa-mod/0"]).unwrap();
    let ghost = ask(&served, "/v1/items?serial=GHOST1");
    assert_eq!((keys(&ghost).len(), &ghost["unmatched"][0]["act"]), (0, &json!("checked")));
    served.get("/v1/items?state=gone").problem(400, "bad_parameter");
    served.get("/v1/items?serial=").problem(400, "bad_parameter");
    served.get("/v1/items?colour=green").problem(400, "bad_parameter");
}

#[test]
fn an_item_has_its_history() {
    let served = story();
    let found = ask(&served, &format!("/v1/items/{ONE}"));
    assert_eq!(found["item"]["state"], "in_custody");
    assert_eq!(found["item"]["inspected"], json!({ "seq": 7, "at": "2026-09-23", "grade": "scanned" }));
    let timeline = found["timeline"].as_array().unwrap();
    let told: Vec<[&str; 4]> =
        timeline.iter().map(|of| ["act", "kind", "by", "at"].map(|member| of[member].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ["dispatched", "transfer.dispatched", "us-dsca", "2026-09-21"],
            ["received", "transfer.received", "xa-mod", "2026-09-22"],
            ["checked", "check.recorded", "eu-obs", "2026-09-23"],
        ]
    );
    assert_eq!((&timeline[2]["seq"], &timeline[2]["grade"]), (&json!(7), &json!("scanned")));
    assert_eq!(timeline[2]["recorded"], "2026-09-23T14:00:00.000Z");
    assert_eq!(timeline[2]["occurred"], json!({ "at": "2026-09-23T14:00:00.000Z" }));
    let newest = ask(&served, &format!("/v1/items/{ONE}?limit=1"));
    assert_eq!((newest["timeline"].as_array().unwrap().len(), &newest["omitted"]), (1, &json!(2)));
    served.get("/v1/items/us-dsca.x1:consignment:a:1:NONE").problem(404, "not_found");
    for bad in ["x", "us-dsca.x1:consignment:a:1:~53", "us-dsca.x1:consignment:a:1:%00", "a:b:c:d:e:f"] {
        served.get(&format!("/v1/items/{bad}")).problem(400, "bad_parameter");
    }
}

#[test]
fn cursors_fit_one_question_and_cannot_be_changed() {
    let served = story();
    let first = ask(&served, "/v1/items?limit=1");
    assert_eq!(keys(&first), [ONE]);
    let cursor = first["next"].as_str().unwrap();
    let second = ask(&served, &format!("/v1/items?limit=5&cursor={cursor}"));
    assert_eq!((keys(&second), &second["next"]), (vec![TWO], &Value::Null));

    let refused = |path: String| served.get(&path).problem(400, "bad_cursor");
    for at in 0..cursor.len() {
        let mut changed = cursor.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        refused(format!("/v1/items?cursor={}", String::from_utf8(changed).unwrap()));
    }
    refused(format!("/v1/items?state=lost&cursor={cursor}"));
    refused(format!("/v1/consignments?cursor={cursor}"));
    refused(format!("/v1/items?cursor={}", &cursor[..cursor.len() - 1]));
    refused("/v1/items?cursor=".to_owned());
    refused(format!("/v1/items?cursor={}", "A".repeat(50_000)));
    let other = Served::new();
    other.get(&format!("/v1/items?cursor={cursor}")).problem(400, "bad_cursor");
}

fn as_csv(served: &Served, path: &str) -> Answer {
    ask(served, "/v1/items");
    let answer = served.ask("GET", path, &[("accept", "text/csv")], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-type").unwrap().starts_with("text/csv"));
    assert_eq!(answer.header("countersign-lag"), Some("0"));
    assert_eq!(answer.header("countersign-as-of-seq"), Some("8"));
    answer
}

#[test]
fn csv_runs_nothing_and_goes_on() {
    let served = story();
    let answer = as_csv(&served, "/v1/items?limit=1&holder=xa-mod");
    let lines: Vec<&str> = answer.text().split("\r\n").collect();
    assert!(lines[0].starts_with("key,case,subject,line,serial,"), "{}", lines[0]);
    assert!(lines[1].contains(",'=cmd|' /C calc'!A0,"), "{}", lines[1]);
    assert_eq!((lines.len(), lines[2]), (3, ""));
    let link = answer.header("link").unwrap();
    let next = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    assert!(next.starts_with("/v1/items?holder=xa-mod&limit=1&cursor="), "{link}");
    let rest = as_csv(&served, next);
    assert!(rest.text().contains(TWO) && rest.header("link").is_none(), "{}", rest.text());
    let references = as_csv(&served, "/v1/references?value=%2B49%2030");
    assert!(
        references.text().contains("\r\n'@visit,'+49 30,7,check.recorded,us-dsca.x1,check/k1,"),
        "{}",
        references.text()
    );
}

#[test]
fn streams_due_dates_and_references_follow_the_events() {
    let served = Served::new();
    let world = &served.world;
    world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    let found = ask(&served, "/v1/consignments?state=in_transit");
    assert_eq!(found["found"][0]["subject"], "consignment/a");
    assert_eq!(found["found"][0]["document_numbers"], json!(["W1A2B360000001"]));
    let due = ask(&served, "/v1/obligations?due_before=2026-10-22");
    assert_eq!(due["obligations"][0]["due"], "2026-10-21", "{due}");
    assert_eq!(
        (&due["obligations"][0]["duty"], &due["obligations"][0]["who"]),
        (&json!("receipt"), &json!(["xa-mod"]))
    );
    assert_eq!(ask(&served, "/v1/obligations?due_before=2026-10-21")["obligations"], json!([]));
    let number = ask(&served, "/v1/references?value=W1A2B360000001&scheme=document_number");
    assert_eq!(
        (&number["references"][0]["seq"], &number["references"][0]["kind"]),
        (&json!(5), &json!("transfer.dispatched"))
    );

    let receipt = json!({ "lines": [{ "line": "1", "received": "2", "condition": "damaged" }] });
    world.say(draft("transfer.received", "consignment/a", CASE, "xa-mod", receipt), &["xa-mod/0"]).unwrap();
    assert_eq!(ask(&served, "/v1/consignments?state=in_transit")["found"], json!([]));
    assert_eq!(ask(&served, "/v1/consignments?case=us-dsca.x1")["found"][0]["state"], "received_discrepant");
    assert_eq!(ask(&served, "/v1/obligations")["obligations"], json!([]));

    let report = json!({ "claim": "x", "source_grade": "photographed", "cases": ["us-dsca.x1"] });
    world.say(draft("diversion.reported", "incident/eu-obs.i1", None, "eu-obs", report), &["eu-obs/0"]).unwrap();
    let open = json!({ "allegation": "x", "against": ["xa-mod"] });
    world.say(draft("investigation.opened", "incident/eu-obs.i1", None, "eu-obs", open), &["eu-obs/0"]).unwrap();
    let incident = &ask(&served, "/v1/incidents?state=investigating")["found"][0];
    assert_eq!((&incident["against"], &incident["cases"]), (&json!(["xa-mod"]), &json!(["us-dsca.x1"])));
    served.get("/v1/incidents?state=lost").problem(400, "bad_parameter");
    served.get("/v1/obligations?due_before=tomorrow").problem(400, "bad_parameter");
    served.get("/v1/references").problem(400, "bad_parameter");

    // it takes no parameters; the question before waited for all that is recorded
    let case = served.get("/v1/cases/us-dsca.x1").json();
    assert_eq!(case["views"]["items"], json!({ "received_discrepant": 2 }), "{case}");
    assert_eq!(case["views"]["terms"], json!({ "receipt_within": 30 }));
}

#[test]
fn an_answer_can_wait_for_an_entry_that_never_comes_but_not_for_long() {
    let limits = super::Limits { request: std::time::Duration::from_millis(400), ..super::Limits::default() };
    let served = Served::with(limits, std::sync::Arc::new(countersign_ledger::store::memory::MemoryStore::new()));
    let problem = served.get("/v1/items?wait_for=1000000").problem(503, "busy");
    assert!(problem["detail"].as_str().unwrap().contains("do not know of entry 1000000"), "{problem}");
}
