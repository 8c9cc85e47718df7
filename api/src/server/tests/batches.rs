//! Batches: order, retries, refusals among good lines, clients that leave, servers that stop.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_ledger::store::memory::MemoryStore;
use serde_json::{Value, json};

use super::support::{fresh_id, grant};
use super::{Ended, Limits, NDJSON, Served, dispatch, dispatched, parse_answer, read_answer, request, sign};

fn numbers(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["line"].as_u64().unwrap()).collect()
}

#[test]
fn results_come_in_order_and_bad_lines_touch_only_themselves() {
    let served = Served::new();
    let good: Vec<String> = (0..200).map(|n| dispatched(&served, &format!("consignment/{n}"))).collect();
    let mut body = Vec::new();
    for (n, line) in good.iter().enumerate() {
        if n % 10 == 3 {
            body.extend_from_slice(b"{\"payload\":\n");
        }
        body.extend_from_slice(line.as_bytes());
        body.extend_from_slice(if n % 2 == 0 { b"\n" } else { b"\r\n\n" });
    }
    body.extend_from_slice(good[7].as_bytes());
    let answer = served.post(NDJSON, &body);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(NDJSON)));
    let lines = answer.lines();
    assert_eq!(lines.len(), 221);
    let numbers = numbers(&lines);
    assert!(numbers.is_sorted() && numbers[220] == 321, "empty lines count: {numbers:?}");
    assert_eq!(lines.iter().filter(|line| line["status"] == 201).count(), 200);
    assert_eq!(lines.iter().filter(|line| line["problem"]["code"] == "malformed_json").count(), 20);
    assert_eq!((&lines[220]["status"], &lines[220]["seq"]), (&json!(200), &json!(12)));
    let seqs: Vec<u64> =
        lines.iter().filter(|line| line["status"] == 201).map(|l| l["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (5..205).collect::<Vec<_>>());
    for line in lines.iter().filter(|line| line["status"] == 201) {
        let receipt = countersign_ledger::proof::Receipt::from_json(line["receipt"].to_string().as_bytes()).unwrap();
        receipt.verify_inclusion().unwrap();
    }
    let request_id = answer.header("x-request-id").unwrap();
    assert!(lines.iter().filter(|l| l["problem"].is_object()).all(|l| l["problem"]["request_id"] == request_id));
}

/// Signs events of a party that no entry has enrolled yet: each line needs the one before.
fn chained(served: &Served) -> Vec<String> {
    let mut lines = Vec::new();
    let mut after: Option<countersign_ledger::hash::EventHash> = None;
    let common = |kind: &str, subject: &str, author: &str, after: Value, body: Value| {
        json!({
            "countersign": 1, "ledger": served.world.ledger.id(), "id": fresh_id(), "kind": kind, "subject": subject,
            "after": after, "author": author, "occurred": { "at": super::support::START }, "body": body,
        })
    };
    let enrolled =
        json!({ "party": "new", "name": "New", "country": null, "capacities": ["donor"], "keys": [grant("new/0")] });
    let enrol =
        sign(&common("party.enrolled", "party/new", "governance", json!(null), enrolled), &["gov0", "gov1", "new/0"]);
    lines.push(enrol.canonical());
    let mut head = enrol.event_hash();
    for n in 1..5 {
        let (old, new) = (format!("new/{}", n - 1), format!("new/{n}"));
        let body = json!({ "party": "new", "key": grant(&new) });
        let add = sign(&common("key.added", "party/new", "new", json!(head), body), &[&old, &new]);
        head = add.event_hash();
        lines.push(add.canonical());
        let claim = common(
            "diversion.reported",
            "incident/new.1",
            "new",
            json!(after),
            json!({ "claim": "one was offered", "source_grade": "documented" }),
        );
        let claim = sign(&claim, &[&new]);
        after = Some(claim.event_hash());
        lines.push(claim.canonical());
    }
    lines
}

#[test]
fn lines_build_on_those_before() {
    let served = Served::new();
    let lines = chained(&served);
    let answer = served.post(NDJSON, lines.join("\n").as_bytes());
    for line in answer.lines() {
        assert_eq!(line["status"], 201, "{line}");
    }
    assert_eq!(served.size(), 5 + lines.len() as u64);
    // in another order the same lines are refused, each with its reason
    let served = Served::new();
    let mut lines = chained(&served);
    lines.rotate_left(1);
    let results = served.post(NDJSON, lines.join("\n").as_bytes()).lines();
    assert_eq!(results[0]["problem"]["code"], "unknown_key");
    assert_eq!(results.last().unwrap()["status"], 201, "the enrolment itself needs nothing");
    assert_eq!(served.size(), 6);
}

#[test]
fn unknown_keys_among_known_ones_are_refused_in_their_place() {
    let served = Served::new();
    let mut body = String::new();
    for n in 0..100 {
        body.push_str(&dispatched(&served, &format!("consignment/{n}")));
        body.push('\n');
        let stranger = sign(&served.world.payload(&dispatch(&format!("consignment/x{n}"))), &["stranger"]);
        body.push_str(&stranger.canonical());
        body.push('\n');
    }
    let lines = served.post(NDJSON, body.as_bytes()).lines();
    assert_eq!(numbers(&lines), (1..=200).collect::<Vec<_>>());
    for (n, line) in lines.iter().enumerate() {
        let expected = if n % 2 == 0 { json!(201) } else { json!(403) };
        assert_eq!(line["status"], expected, "{line}");
    }
}

#[test]
fn a_client_may_send_everything_before_it_reads_anything() {
    let served = Served::new();
    // the results are larger than what sockets hold
    let line = dispatched(&served, "consignment/a");
    let count = 12_000;
    let mut body = Vec::new();
    for _ in 0..count {
        body.extend_from_slice(line.as_bytes());
        body.push(b'\n');
    }
    let answer = served.post(NDJSON, &body);
    let lines = answer.lines();
    assert_eq!(lines.len(), count);
    assert!(lines[1..].iter().all(|line| line["status"] == 200));
    assert_eq!(served.size(), 6);
}

#[test]
fn results_are_sent_while_the_request_is_still_open() {
    let served = Served::new();
    let mut stream = served.connect();
    let head = request("POST", "/v1/events", &[("content-type", NDJSON), ("transfer-encoding", "chunked")], None);
    stream.write_all(&head).unwrap();
    let mut seen = Vec::new();
    for n in 0..3 {
        let line = format!("{}\n", dispatched(&served, &format!("consignment/{n}")));
        stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).unwrap();
        let wanted = format!("\"line\":{},\"status\":201", n + 1);
        while !String::from_utf8_lossy(&seen).contains(&wanted) {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).unwrap();
            assert!(read > 0, "the result of line {} comes before the next line", n + 1);
            seen.extend_from_slice(&piece[..read]);
        }
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    stream.read_to_end(&mut seen).unwrap();
    assert_eq!(parse_answer(&seen, false).lines().len(), 3);
}

#[test]
fn a_client_that_leaves_loses_nothing_that_is_recorded() {
    let served = Served::new();
    let lines: Vec<String> = (0..600).map(|n| dispatched(&served, &format!("consignment/{n}"))).collect();
    let body = lines.join("\n");
    let mut stream = served.connect();
    stream.write_all(&request("POST", "/v1/events", &[("content-type", NDJSON)], Some(body.len()))).unwrap();
    stream.write_all(&body.as_bytes()[..body.len() / 2]).unwrap();
    let mut first = [0; 2000];
    assert!(stream.read(&mut first).unwrap() > 0);
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    // the ledger goes on, and what was recorded is there exactly once when the batch is sent again
    let single = dispatched(&served, "consignment/single");
    assert_eq!(served.post(super::JSON, single.as_bytes()).status, 201);
    let before = served.size();
    let results = served.post(NDJSON, body.as_bytes()).lines();
    assert_eq!(results.len(), 600);
    let repeated = results.iter().filter(|line| line["status"] == 200).count() as u64;
    assert!(repeated >= 1, "the first lines had been recorded");
    assert!(results.iter().all(|line| line["status"] == 200 || line["status"] == 201));
    assert_eq!(served.size(), 5 + 601);
    assert!(before <= 6 + repeated, "nothing is recorded twice");
}

#[test]
fn a_line_that_breaks_off_is_not_taken_for_whole() {
    let served = Served::new();
    let (first, second) = (dispatched(&served, "consignment/a"), dispatched(&served, "consignment/b"));
    let body = format!("{first}\n{second}");
    let mut stream = served.connect();
    // one byte more is declared than sent, and the last line is whole as it stands
    stream.write_all(&request("POST", "/v1/events", &[("content-type", NDJSON)], Some(body.len() + 1))).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while served.size() < 6 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(stream);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(served.size(), 6, "the first line is recorded, the second is not");
}

#[test]
fn limits_of_a_batch() {
    let served = Served::new();
    let good = dispatched(&served, "consignment/a");
    let long = "x".repeat((1 << 20) + 1);
    let results = served.post(NDJSON, format!("{long}\n{good}\n{long}").as_bytes()).lines();
    assert_eq!(results[0]["problem"]["code"], "too_large");
    assert_eq!(results[1]["status"], 201);
    assert_eq!((&results[2]["line"], &results[2]["status"]), (&json!(3), &json!(413)));
    let exact = "x".repeat(1 << 20);
    let results = served.post(NDJSON, exact.as_bytes()).lines();
    assert_eq!(results[0]["problem"]["code"], "malformed_json", "the limit itself is allowed");

    let many = "{}\n".repeat(65_537);
    let results = served.post(NDJSON, many.as_bytes()).lines();
    assert_eq!(results.len(), 65_537);
    assert_eq!(results[65_535]["problem"]["code"], "malformed_envelope");
    assert_eq!(results[65_536]["problem"]["code"], "too_large");

    let mut stream = served.connect();
    stream.write_all(&request("POST", "/v1/events", &[("content-type", NDJSON)], Some((32 << 20) + 1))).unwrap();
    let piece = vec![b'\n'; 1 << 20];
    for _ in 0..9 {
        let _ = stream.write_all(&piece);
    }
    read_answer(&mut stream, false).problem(413, "too_large");

    let mut stream = served.connect();
    let head = request("POST", "/v1/events", &[("content-type", NDJSON), ("transfer-encoding", "chunked")], None);
    stream.write_all(&head).unwrap();
    for _ in 0..33 {
        stream.write_all(b"100000\r\n").unwrap();
        stream.write_all(&piece).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let results = read_answer(&mut stream, false).lines();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["problem"]["code"], "too_large");
    assert_eq!(served.post(NDJSON, b"").text(), "");
    assert_eq!(served.post(NDJSON, b"\n\r\n\n").text(), "");
}

#[test]
fn a_batch_under_way_is_finished_when_the_server_stops() {
    let mut served = Served::new();
    let lines: Vec<String> = (0..2_000).map(|n| dispatched(&served, &format!("consignment/{n}"))).collect();
    let body = lines.join("\n");
    let mut stream = served.connect();
    stream.write_all(&request("POST", "/v1/events", &[("content-type", NDJSON)], Some(body.len()))).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut bytes = vec![0; 1];
    stream.read_exact(&mut bytes).unwrap();
    served.stop();
    stream.read_to_end(&mut bytes).unwrap();
    let results = parse_answer(&bytes, false).lines();
    assert_eq!(numbers(&results), (1..=2_000).collect::<Vec<_>>());
    assert!(results.iter().all(|line| line["status"] == 201));
    assert_eq!(served.ended(), Ended::Stopped);
    assert_eq!(served.size(), 2_005);
}

#[test]
fn a_batch_that_does_not_end_is_told_that_the_server_stops() {
    let limits = Limits { shutdown: Duration::from_secs(3), ..Limits::default() };
    let mut served = Served::with(limits, Arc::new(MemoryStore::new()));
    let mut stream = served.connect();
    let head = request("POST", "/v1/events", &[("content-type", NDJSON), ("transfer-encoding", "chunked")], None);
    stream.write_all(&head).unwrap();
    let send = |stream: &mut std::net::TcpStream, line: &str| {
        stream.write_all(format!("{:x}\r\n{line}\n\r\n", line.len() + 1).as_bytes()).unwrap();
    };
    let lines: Vec<String> = (0..60).map(|n| dispatched(&served, &format!("consignment/{n}"))).collect();
    send(&mut stream, &lines[0]);
    let mut bytes = vec![0; 1];
    stream.read_exact(&mut bytes).unwrap();
    served.stop();
    let began = Instant::now();
    for line in &lines[1..] {
        if began.elapsed() > Duration::from_millis(2_600) {
            break;
        }
        send(&mut stream, line);
        std::thread::sleep(Duration::from_millis(100));
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    stream.read_to_end(&mut bytes).unwrap();
    let results = parse_answer(&bytes, false).lines();
    let recorded = results.iter().filter(|line| line["status"] == 201).count() as u64;
    let told = results.iter().filter(|line| line["problem"]["code"] == "stopped").count();
    assert!(recorded >= 1 && told >= 1, "{results:?}");
    assert_eq!(served.ended(), Ended::Stopped);
    assert_eq!(served.size(), 5 + recorded, "what was acknowledged, and nothing else, is recorded");
}
