//! Every route, with what it answers when all is well and when there is no such thing.

use countersign_ledger::hash::LeafHash;
use countersign_ledger::proof::Receipt;
use serde_json::json;

use super::{CASE, JSON, Served, dispatched};

#[test]
fn an_event_is_recorded_once() {
    let served = Served::new();
    let envelope = dispatched(&served, "consignment/a");
    let first = served.post(JSON, envelope.as_bytes());
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(first.header("location"), Some("/v1/entries/5"));
    assert_eq!(first.header("countersign-seq"), Some("5"));
    let event = first.header("countersign-event").unwrap().to_owned();
    let receipt = Receipt::from_json(&first.body).unwrap();
    receipt.verify_inclusion().unwrap();
    receipt.proof().checkpoint().verify(&served.world.ledger.log_vkey()).unwrap();

    let again = served.post(JSON, envelope.as_bytes());
    assert_eq!((again.status, served.size()), (200, 6));
    assert_eq!(Receipt::from_json(&again.body).unwrap().entry(), receipt.entry());
    assert_eq!(again.header("countersign-unrecorded-signatures"), None);
    let wrapped = format!("{{\"envelope\":{envelope},\"disclosures\":[]}}");
    assert_eq!(served.post("application/json; charset=utf-8", wrapped.as_bytes()).status, 200);

    let fetched = served.get(&format!("/v1/events/{event}"));
    assert_eq!((fetched.status, fetched.header("countersign-seq")), (200, Some("5")));
    Receipt::from_json(&fetched.body).unwrap().verify_inclusion().unwrap();
    served.get(&format!("/v1/events/{}", "0".repeat(64))).problem(404, "not_found");
    served.get("/v1/events/xyz").problem(400, "bad_parameter");
    served.get(&format!("/v1/events/{}", event.to_uppercase())).problem(400, "bad_parameter");
}

#[test]
fn a_signature_added_since_is_told_to_be_missing() {
    let served = Served::new();
    let payload = served.world.payload(&super::dispatch("consignment/a"));
    assert_eq!(served.post(JSON, super::sign(&payload, &["us-dsca/0"]).canonical().as_bytes()).status, 201);
    let more = super::sign(&payload, &["us-dsca/0", "xa-mod/0"]).canonical();
    let answer = served.post(JSON, more.as_bytes());
    assert_eq!((answer.status, answer.header("countersign-unrecorded-signatures")), (200, Some("1")));
    assert_eq!(answer.header("countersign-seq"), Some("5"));
}

#[test]
fn a_head_check_can_be_asked_for() {
    let served = Served::new();
    let first = served.world.say(super::dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    let second = served.world.say(super::dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    let stale = super::dispatch("consignment/a").with(json!({ "after": first.event }));
    let stale = served.envelope(&stale, &["us-dsca/0"]).canonical();
    let headers = [("content-type", JSON)];
    let problem = served.ask("POST", "/v1/events?expect=head", &headers, stale.as_bytes()).problem(409, "stale_after");
    assert_eq!(problem["head"], second.event.to_string());
    served.ask("POST", "/v1/events?expect=tail", &headers, stale.as_bytes()).problem(400, "bad_parameter");
    assert_eq!(served.size(), 7);
    assert_eq!(served.post(JSON, stale.as_bytes()).status, 201, "other streams take any earlier event");
}

#[test]
fn entries_are_served_as_they_are_hashed() {
    let served = Served::new();
    let view = served.get("/v1/entries/3").json();
    let line = served.ask("GET", "/v1/entries/3", &[("accept", "text/plain")], b"");
    assert_eq!(line.header("vary"), Some("accept"));
    assert_eq!(view["line"], line.text());
    assert_eq!(view["leaf_hash"], LeafHash::of_line(&line.body).to_string());
    assert_eq!((&view["seq"], &view["event"]["kind"]), (&json!(3), &json!("party.enrolled")));
    assert_eq!(view["signatures"].as_array().unwrap().len(), 3);
    let parties: Vec<&str> =
        view["signatures"].as_array().unwrap().iter().map(|s| s["party"].as_str().unwrap()).collect();
    assert_eq!(parties.iter().filter(|p| **p == "governance").count(), 2);
    assert!(parties.contains(&"eu-obs"));
    served.get("/v1/entries/5").problem(404, "not_found");
    for bad in ["-1", "01", "1e3", "x", "9007199254740992", "99999999999999999999999", "%00", "%ff"] {
        served.get(&format!("/v1/entries/{bad}")).problem(400, "bad_parameter");
    }

    let all = served.get("/v1/entries");
    assert_eq!(all.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(all.text().lines().count(), 5);
    assert!(all.text().ends_with("}\n"));
    assert_eq!(served.get("/v1/entries?from=3&limit=1").text(), format!("{}\n", line.text()));
    assert_eq!(served.get("/v1/entries?from=5").text(), "");
    assert_eq!(served.get("/v1/entries?from=9007199254740991").text(), "");
    for bad in
        ["from=x", "from=-1", "from=9007199254740992", "limit=0", "limit=10001", "from=1&from=2", "form=1", "from="]
    {
        served.get(&format!("/v1/entries?{bad}")).problem(400, "bad_parameter");
    }
}

#[test]
fn streams_tell_their_events_and_head() {
    let served = Served::new();
    let events: Vec<_> =
        (0..3).map(|_| served.world.say(super::dispatch("consignment/a"), &["us-dsca/0"]).unwrap()).collect();
    let page = served.get("/v1/streams/us-dsca.x1/consignment/a?limit=2").json();
    assert_eq!((&page["case"], &page["subject"]), (&json!(CASE), &json!("consignment/a")));
    assert_eq!(page["head"], json!({ "seq": 7, "event": events[2].event }));
    assert_eq!(page["events"][0]["after"], json!(null));
    assert_eq!(page["events"][1]["after"], json!(events[0].event));
    assert_eq!((page["events"].as_array().unwrap().len(), &page["next"]), (2, &json!(7)));
    let rest = served.get("/v1/streams/us-dsca.x1/consignment/a?from=7").json();
    assert_eq!((&rest["events"][0]["event"], &rest["next"]), (&json!(events[2].event), &json!(null)));
    assert_eq!(served.get("/v1/streams/-/party/xa-mod").json()["case"], json!(null));
    served.get("/v1/streams/-/consignment/a").problem(404, "not_found");
    served.get("/v1/streams/us-dsca.x1/consignment/b").problem(404, "not_found");
    served.get("/v1/streams/A/consignment/a").problem(400, "bad_parameter");
    served.get("/v1/streams/-/consignment/a%2Fb").problem(400, "bad_parameter");
    assert_eq!(served.get("/v1/streams/us-dsca.x1/consignment/%61").status, 200, "percent-encoded");
}

#[test]
fn proofs_prove() {
    use countersign_ledger::checkpoint::SignedCheckpoint;
    use countersign_ledger::id::{Seq, TreeSize};
    use countersign_ledger::merkle::{verify_consistency, verify_inclusion};

    use crate::wire::{ConsistencyProof, InclusionProof};

    let served = Served::new();
    let old: SignedCheckpoint = served.get("/v1/checkpoint").text().parse().unwrap();
    served.world.say(super::dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    let new: SignedCheckpoint = served.get("/checkpoint").text().parse().unwrap();
    assert_eq!((old.checkpoint().size, new.checkpoint().size), (TreeSize(5), TreeSize(6)));
    let proof: InclusionProof = serde_json::from_value(served.get("/v1/proofs/inclusion?seq=3").json()).unwrap();
    let hashes: Vec<_> = proof.hashes.iter().map(|hash| hash.0).collect();
    verify_inclusion(Seq(3), TreeSize(6), &proof.leaf_hash, &hashes, &new.checkpoint().root).unwrap();
    let proof: InclusionProof = serde_json::from_value(served.get("/v1/proofs/inclusion?seq=3&size=5").json()).unwrap();
    let hashes: Vec<_> = proof.hashes.iter().map(|hash| hash.0).collect();
    verify_inclusion(Seq(3), TreeSize(5), &proof.leaf_hash, &hashes, &old.checkpoint().root).unwrap();
    let proof: ConsistencyProof = serde_json::from_value(served.get("/v1/proofs/consistency?old=5").json()).unwrap();
    let hashes: Vec<_> = proof.hashes.iter().map(|hash| hash.0).collect();
    let (old, new) = (old.checkpoint(), new.checkpoint());
    verify_consistency(old.size, new.size, &old.root, &new.root, &hashes).unwrap();
    let text = served.get("/v1/proofs/receipt/3");
    let proof: countersign_ledger::proof::LogProof = text.text().parse().unwrap();
    let line = served.ask("GET", "/v1/entries/3", &[("accept", "text/plain")], b"").body;
    proof.verify_leaf(&LeafHash::of_line(&line)).unwrap();

    for missing in
        ["inclusion?seq=6", "inclusion?seq=5&size=5", "inclusion?seq=0&size=7", "consistency?old=5&new=7", "receipt/6"]
    {
        served.get(&format!("/v1/proofs/{missing}")).problem(404, "not_found");
    }
    for bad in ["inclusion", "inclusion?seq=0&size=0", "consistency?old=0", "consistency?old=6&new=5", "receipt/x"] {
        served.get(&format!("/v1/proofs/{bad}")).problem(400, "bad_parameter");
    }
}

#[test]
fn tiles_are_those_of_c2sp() {
    let served = Served::new();
    let lines: Vec<String> = served.get("/v1/entries").text().lines().map(str::to_owned).collect();
    let tile = served.get("/tile/0/000.p/5");
    assert_eq!(tile.header("content-type"), Some("application/octet-stream"));
    assert!(tile.header("cache-control").unwrap().contains("immutable"));
    let leaves: Vec<u8> = lines.iter().flat_map(|line| *LeafHash::of_line(line.as_bytes()).as_bytes()).collect();
    assert_eq!(tile.body, leaves);
    assert_eq!(served.get("/tile/0/000.p/2").body, leaves[..64], "an earlier, narrower one stays available");
    let mut bundle = Vec::new();
    for line in &lines {
        bundle.extend_from_slice(&u16::try_from(line.len()).unwrap().to_be_bytes());
        bundle.extend_from_slice(line.as_bytes());
    }
    assert_eq!(served.get("/tile/entries/000.p/5").body, bundle);
    for missing in ["0/000", "0/000.p/6", "1/000.p/1", "0/001", "entries/000", "entries/x001/000", "63/000"] {
        served.get(&format!("/tile/{missing}")).problem(404, "not_found");
    }
    for bad in
        ["0/0", "00/000", "64/000", "0/000.p/0", "0/000.p/256", "0/x000/001", "0/1000", "x/000", "0/000.p/05", "0/"]
    {
        let answer = served.get(&format!("/tile/{bad}"));
        assert!([400, 404].contains(&answer.status), "{bad}: {}", answer.text());
        answer.problem(answer.status, if answer.status == 400 { "bad_parameter" } else { "not_found" });
    }
}

#[test]
fn a_full_tile_is_served_whole_and_in_part() {
    let served = Served::new();
    let payloads: Vec<String> = (0..300).map(|n| dispatched(&served, &format!("consignment/{n}"))).collect();
    let answer = served.post(super::NDJSON, payloads.join("\n").as_bytes());
    assert!(answer.lines().iter().all(|line| line["status"] == 201));
    assert_eq!(served.size(), 305);
    let full = served.get("/tile/0/000").body;
    assert_eq!(full.len(), 256 * 32);
    assert_eq!(served.get("/tile/0/000.p/255").body, full[..255 * 32]);
    assert_eq!(served.get("/tile/1/000.p/1").body.len(), 32);
    assert_eq!(served.get("/tile/0/001.p/49").body.len(), 49 * 32);
    let mut entries = &served.get("/tile/entries/000").body[..];
    let mut count = 0;
    while let [high, low, rest @ ..] = entries {
        entries = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        count += 1;
    }
    assert_eq!(count, 256);
}

#[test]
fn the_ledger_its_parties_and_its_cases() {
    let served = Served::new();
    let info = served.get("/v1/ledger").json();
    assert_eq!(info["ledger"], served.world.ledger.id().to_string());
    assert_eq!(
        (&info["size"], &info["state"], &info["parties"], &info["cases"]),
        (&json!(5), &json!("serving"), &json!(3), &json!(1))
    );
    assert_eq!(info["governance"]["threshold"], 2);
    assert_eq!(info["governance"]["keys"].as_array().unwrap().len(), 3);
    assert!(info["policy"]["transfer.received"]["rule"].is_object());
    assert!(info["log_key"].as_str().unwrap().starts_with(super::support::ORIGIN));

    let party = served.get("/v1/parties/xa-mod").json();
    assert_eq!((&party["name"], &party["country"]), (&json!("XA-MOD"), &json!(null)));
    assert_eq!(party["capacities"], json!(["recipient", "custodian"]));
    assert_eq!((&party["keys"][0]["status"], &party["keys"][0]["uses"]), (&json!("active"), &json!(["*"])));
    let keyid = super::key("xa-mod/0").public().id();
    let body = json!({ "party": "xa-mod", "keyid": keyid, "reason": "left office" });
    served.world.say(super::draft("key.retired", "party/xa-mod", None, "xa-mod", body), &["xa-mod/0"]).unwrap();
    let key = served.get("/v1/parties/xa-mod").json()["keys"][0].clone();
    assert_eq!((&key["status"], &key["ended"], &key["introduced"]), (&json!("retired"), &json!(5), &json!(2)));

    let page = served.get("/v1/parties?limit=2").json();
    assert_eq!((&page["parties"][0]["party"], &page["parties"][1]["party"]), (&json!("eu-obs"), &json!("us-dsca")));
    assert_eq!(page["next"], "us-dsca");
    let rest = served.get("/v1/parties?after=us-dsca").json();
    assert_eq!((&rest["parties"][0]["party"], &rest["next"]), (&json!("xa-mod"), &json!(null)));
    assert_eq!(served.get("/v1/parties?after=zz").json()["parties"], json!([]));

    let case = served.get("/v1/cases/us-dsca.x1").json();
    assert_eq!(case["roles"], json!({ "donor": ["us-dsca"], "recipient": ["xa-mod"], "inspector": ["eu-obs"] }));
    assert_eq!((&case["opened"], &case["latest"]), (&json!(4), &json!(4)));
    // the list does not say what the views know, one case does once they have come so far
    let mut listed = case.clone();
    listed.as_object_mut().unwrap().remove("views");
    assert_eq!(served.get("/v1/cases").json()["cases"], json!([listed]));
    for path in ["/v1/parties/nobody", "/v1/cases/none"] {
        served.get(path).problem(404, "not_found");
    }
    for path in
        ["/v1/parties/a.b", "/v1/parties/governance", "/v1/cases/A", "/v1/parties?limit=0", "/v1/cases?limit=1001"]
    {
        served.get(path).problem(400, "bad_parameter");
    }
}

#[test]
fn kinds_have_schemas_and_rules() {
    let served = Served::new();
    let kinds = served.get("/v1/kinds").json();
    let kinds = kinds["kinds"].as_array().unwrap();
    let of = |kind: &str| kinds.iter().find(|item| item["kind"] == kind).unwrap().clone();
    assert_eq!(
        (&of("transfer.received")["in_policy"], &of("transfer.received")["has_schema"]),
        (&json!(true), &json!(true))
    );
    for kind in kinds {
        assert_eq!((&kind["in_policy"], &kind["has_schema"]), (&json!(true), &json!(true)), "{kind}");
    }
    let kind = served.get("/v1/kinds/transfer.received").json();
    assert_eq!(kind["policy"]["case"], "required");
    assert!(kind["schema"]["properties"]["body"].is_object() || kind["schema"]["$defs"].is_object());
    assert!(!kind["rule"].as_str().unwrap().is_empty());
    let kind = served.get("/v1/kinds/items.destroyed").json();
    assert_eq!(kind["schema"]["properties"]["subject"]["pattern"], "^disposal/[a-z0-9][a-z0-9._-]{0,95}$");
    served.get("/v1/kinds/transfer.invented").problem(404, "not_found");
    served.get("/v1/kinds/Transfer").problem(400, "bad_parameter");
}

#[test]
fn the_description_names_every_route() {
    let served = Served::new();
    let answer = served.get("/openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let api = answer.json();
    assert_eq!(api["openapi"], "3.1.0");
    let paths = api["paths"].as_object().unwrap();
    for path in [
        "/v1/events",
        "/v1/events/{event}",
        "/v1/entries",
        "/v1/entries/{seq}",
        "/v1/stream",
        "/v1/evidence",
        "/v1/evidence/{sha256}",
        "/v1/streams/{case}/{type}/{id}",
        "/v1/proofs/inclusion",
        "/v1/proofs/consistency",
        "/v1/proofs/receipt/{seq}",
        "/v1/checkpoint",
        "/v1/checkpoint/witnessed",
        "/v1/witnesses",
        "/checkpoint",
        "/tile/{level}/{index}",
        "/tile/entries/{index}",
        "/v1/ledger",
        "/v1/parties",
        "/v1/parties/{id}",
        "/v1/cases",
        "/v1/cases/{id}",
        "/v1/kinds",
        "/v1/kinds/{kind}",
        "/v1/bundle",
        "/v1/seals",
        "/v1/seals/latest",
        "/v1/seals/latest/proof",
        "/v1/annual",
        "/v1/findings",
        "/v1/items",
        "/v1/items/{key}",
        "/v1/consignments",
        "/v1/authorizations",
        "/v1/sites",
        "/v1/incidents",
        "/v1/obligations",
        "/v1/references",
        "/v1/reconciliation",
        "/v1/proposals",
        "/v1/proposals/signatures",
        "/v1/proposals/{event}",
        "/v1/proposals/{event}/signatures",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    assert_eq!(paths.len(), 47);
    let description = api["info"]["description"].as_str().unwrap();
    for (code, _) in crate::problem::codes() {
        assert!(description.contains(&format!("`{code}`")), "{code}");
    }
    // every reference leads somewhere
    let mut pending = vec![&api];
    while let Some(value) = pending.pop() {
        match value {
            serde_json::Value::Array(items) => pending.extend(items),
            serde_json::Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(|target| target.as_str()) {
                    assert!(api.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
                }
                pending.extend(members.values());
            }
            _ => {}
        }
    }
}

#[test]
fn a_year_is_reported_by_treaty() {
    let served = Served::new();
    served.world.say(super::dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    let of = |query: &str| served.get(&format!("/v1/annual?{query}"));
    let answer = of("year=2026&treaty=unroca").json();
    assert_eq!((&answer["report"]["year"], &answer["report"]["treaty"]), (&json!(2026), &json!("unroca")));
    let line = &answer["report"]["lines"][0];
    assert_eq!(
        (&line["direction"], &line["category"], &line["entries"]),
        (&json!("export"), &json!(null), &json!([5]))
    );
    assert_eq!(answer["report"]["incomplete"], false);
    assert_eq!(answer["cases"][0]["case"], json!(CASE));
    assert_eq!(of("year=2025&treaty=att").json()["report"]["lines"], json!([]));
    let table = served.ask("GET", "/v1/annual?year=2026&treaty=att", &[("accept", "text/csv")], b"");
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert!(table.text().lines().nth(1).unwrap().starts_with("att,2026,export,uncategorised,"), "{}", table.text());
    for bad in [
        "",
        "year=2026",
        "treaty=att",
        "year=26&treaty=att",
        "year=2026&treaty=nato",
        "year=2026&treaty=att&country=usa",
    ] {
        of(bad).problem(400, "bad_parameter");
    }
}

#[test]
fn metrics_count() {
    let served = Served::new();
    let envelope = dispatched(&served, "consignment/a");
    served.post(JSON, envelope.as_bytes());
    served.post(JSON, envelope.as_bytes());
    served.post(JSON, b"{}").problem(400, "malformed_envelope");
    let text = served.get("/metrics").text().to_owned();
    for line in [
        "countersign_events_appended_total 1",
        "countersign_events_repeated_total 1",
        "countersign_refusals_total{code=\"malformed_envelope\"} 1",
        "countersign_http_requests_total{method=\"POST\",route=\"/v1/events\",status=\"201\"} 1",
        "countersign_ledger_size 6",
        "countersign_ledger_serving 1",
        "countersign_queue_depth 0",
        "countersign_commit_entries_count 6",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    assert!(text.contains("countersign_commit_seconds_bucket{le="), "{text}");
}

#[test]
fn head_answers_without_a_body_and_other_methods_are_told() {
    let served = Served::new();
    for path in
        ["/v1/checkpoint", "/v1/entries", "/v1/entries/0", "/tile/0/000.p/5", "/v1/ledger", "/healthz", "/v1/bundle"]
    {
        let (head, get) = (served.ask("HEAD", path, &[], b""), served.get(path));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    let head = served.ask("HEAD", "/v1/entries/9", &[], b"");
    assert_eq!((head.status, head.body.len()), (404, 0));
    let answer = served.ask("PUT", "/v1/events", &[], b"{}");
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = served.ask("DELETE", "/v1/entries/0", &[], b"");
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    served.ask("GET", "/v1/events", &[], b"").problem(405, "method_not_allowed");
    for path in ["/", "/v1", "/v1/", "/v1/event", "/v1/events/", "/%65", "/v1/entries/0/x", "/../etc/passwd"] {
        served.get(path).problem(404, "not_found");
    }
}

#[test]
fn request_ids_are_kept_if_plain() {
    let served = Served::new();
    let id = |given: &str| {
        let answer = served.ask("GET", "/healthz", &[("x-request-id", given)], b"");
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id("import-7.a_B"), "import-7.a_B");
    for odd in ["a b", "<script>", &"a".repeat(65), ""] {
        let made = id(odd);
        assert!(made != odd && made.len() == 36, "{made}");
    }
}

#[test]
fn the_bundle_is_the_ledger() {
    use countersign_ledger::bundle::{BundleLine, Compression, read_bundle, write_full};

    let served = Served::new();
    let body = json!({
        "envelope": served.envelope(&super::dispatch("consignment/a"), &["us-dsca/0"]).canonical().parse::<serde_json::Value>().unwrap(),
        "disclosures": [],
    });
    assert_eq!(served.post(JSON, body.to_string().as_bytes()).status, 201);
    let bundle = served.get("/v1/bundle");
    assert_eq!(bundle.header("content-type"), Some("application/jsonl"));
    let mut expected = Vec::new();
    let ledger = &served.world.ledger;
    write_full(&mut expected, &**ledger.store(), ledger.id(), &ledger.head(), Compression::None, |_| {}).unwrap();
    assert_eq!(bundle.body, expected);
    let lines: Vec<_> = read_bundle(&bundle.body[..]).collect::<Result<_, _>>().unwrap();
    assert_eq!(lines.iter().filter(|line| matches!(line, BundleLine::Entry(_))).count(), 6);

    let encoded = served.ask("GET", "/v1/bundle", &[("accept-encoding", "gzip, zstd;q=0.5")], b"");
    assert_eq!(
        (encoded.header("content-encoding"), encoded.header("content-type")),
        (Some("zstd"), Some("application/jsonl"))
    );
    assert_eq!(zstd::decode_all(&encoded.body[..]).unwrap(), bundle.body);
    let refused = served.ask("GET", "/v1/bundle", &[("accept-encoding", "zstd;q=0")], b"");
    assert_eq!((refused.header("content-encoding"), refused.body == bundle.body), (None, true));
    let file = served.ask("GET", "/v1/bundle?compress=zstd", &[("accept-encoding", "zstd")], b"");
    assert_eq!((file.header("content-encoding"), file.header("content-type")), (None, Some("application/zstd")));
    assert_eq!(zstd::decode_all(&file.body[..]).unwrap(), bundle.body);
    assert!(file.header("content-disposition").unwrap().ends_with(".bundle.jsonl.zst\""));
    served.get("/v1/bundle?compress=gzip").problem(400, "bad_parameter");
}

#[test]
fn what_is_disclosed_travels_beside_the_entry() {
    use countersign_ledger::disclosure::{SystemSalts, conceal};

    let served = Served::new();
    let mut payload = served.world.payload(&super::dispatch("consignment/a"));
    let whole = payload["body"].clone();
    let (body, disclosures) = conceal(&whole, &["/body/lines/0/serials"], &mut SystemSalts).unwrap();
    payload["body"] = body;
    let envelope: serde_json::Value = super::sign(&payload, &["us-dsca/0"]).canonical().parse().unwrap();
    let submission = json!({ "envelope": envelope, "disclosures": disclosures });
    let answer = served.post(JSON, submission.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["disclosures"], json!(disclosures));
    assert!(!answer.json()["entry"].as_str().unwrap().contains("SYN-0001"));

    let view = served.get("/v1/entries/5").json();
    assert_eq!((&view["disclosures"], &view["body"]), (&json!(disclosures), &whole));
    assert_eq!(view["event"]["body"], payload["body"], "the event stays as it was signed");
    let event = answer.header("countersign-event").unwrap();
    assert_eq!(served.get(&format!("/v1/events/{event}")).json()["disclosures"], json!(disclosures));
    let last = served.get("/v1/bundle").text().lines().last().unwrap().to_owned();
    assert_eq!(last, json!({ "disclosure": disclosures[0] }).to_string());
    assert_eq!(served.get("/v1/entries/4").json().get("body"), None, "nothing is concealed there");
}

#[test]
fn extracts_are_bundles_of_what_was_asked_for() {
    use countersign_ledger::bundle::{BundleLine, read_bundle};

    let served = Served::new();
    let sent = dispatched(&served, "consignment/1");
    served.post(JSON, sent.as_bytes());
    let shown = |path: &str| {
        let answer = served.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jsonl")), "{path}");
        let lines = read_bundle(&answer.body[..]).map(Result::unwrap);
        let seqs = lines.filter_map(|line| if let BundleLine::Entry(entry) = line { Some(entry.seq.0) } else { None });
        (seqs.collect::<Vec<_>>(), String::from_utf8(answer.body.clone()).unwrap())
    };
    let case = CASE.unwrap();
    let size = served.world.ledger.head().size.0;
    let (seqs, text) = shown(&format!("/v1/bundle?case={case}"));
    assert!(seqs.contains(&(size - 1)) && text.contains(&format!("\"scope\":{{\"case\":\"{case}\"}}")), "{text}");
    let (_, text) = shown(&format!("/v1/bundle?case={case}&subject=consignment/1"));
    assert!(text.contains("\"subject\":\"consignment/1\"}"), "{text}");
    shown(&format!("/v1/bundle?since={}", size - 1));
    shown(&format!("/v1/bundle?since={size}&last=withheld"));
    let not_found = |path: &str| served.get(path).problem(404, "not_found");
    not_found("/v1/bundle?case=nobody.none");
    not_found(&format!("/v1/bundle?case={case}&subject=consignment/none"));
    for bad in [
        "since=x".to_owned(),
        format!("since={}", size + 1),
        "case=A".to_owned(),
        "subject=consignment/1".to_owned(),
        format!("case={case}&since=1"),
        format!("case={case}&case={case}"),
        "last=shown".to_owned(),
    ] {
        served.get(&format!("/v1/bundle?{bad}")).problem(400, "bad_parameter");
    }
}

#[test]
fn reconciliation_leads_back_to_entries() {
    let served = Served::new();
    served.world.say(super::dispatch("consignment/2026-0001"), &["us-dsca/0"]).unwrap();
    let case = CASE.unwrap();
    let of = |query: &str| served.get(&format!("/v1/reconciliation?{query}"));
    let answer = of(&format!("case={case}")).json();
    let line = &answer["rows"][0];
    assert_eq!((&line["subject"], &line["line"]), (&json!("consignment/2026-0001"), &json!("1")), "{answer}");
    assert_eq!(line["figures"]["dispatched"], json!({ "amount": "2", "entries": [5] }));
    let then = of(&format!("case={case}&as_of=2026-09-30T00:00:00Z")).json();
    assert_eq!(then["rows"][0]["explained"][0], json!({ "why": "in_transit", "amount": "2", "entries": [5] }));
    assert_eq!(answer["rows"][1]["serial"], "SYN-0001");
    assert_eq!(answer["totals"][0]["figures"]["dispatched"], "2");
    assert_eq!(of("nsn=5855015345931").json()["totals"], answer["totals"]);
    assert_eq!(of("holder=xa-mod").json()["rows"], json!([]), "nobody holds what is on its way");
    let path = format!("/v1/reconciliation?case={case}");
    let table = served.ask("GET", &path, &[("accept", "text/csv")], b"");
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert!(table.text().contains("dispatched: 5"), "{}", table.text());
    for bad in ["", "case=x&nsn=1", "case=X", "holder=a.b", "site=a&as_of=now", "site=a&of=b"] {
        of(bad).problem(400, "bad_parameter");
    }
    of("case=no-such").problem(404, "not_found");
}
