//! Evidence files over HTTP: only what is named comes in, only whole, and it goes out by its hash alone.

use std::fs;
use std::io::Write as _;
use std::net::Shutdown;
use std::path::{Path, PathBuf};

use countersign_ledger::hash::{FileHash, sha256};
use serde_json::{Value, json};

use super::support::{Draft, draft, grant};
use super::{Answer, JSON, Served, dispatch, read_answer, request, sign};

const FILE: &[u8] = b"the photograph of a crate";

fn hash(bytes: &[u8]) -> String {
    FileHash::from_bytes(sha256(&[bytes])).to_string()
}

fn item(bytes: &[u8], media_type: &str, name: &str) -> Value {
    json!({ "sha256": hash(bytes), "size": bytes.len(), "media_type": media_type, "name": name })
}

fn naming(subject: &str, items: &[Value]) -> Draft {
    dispatch(subject).with(json!({ "evidence": items }))
}

fn put(served: &Served, name: &str, body: &[u8]) -> Answer {
    served.ask("PUT", &format!("/v1/evidence/{name}"), &[], body)
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_file_that_an_event_names_comes_and_goes() {
    let served = Served::new();
    let name = "../../фото\u{202e} 1.jpg".replace('/', "\u{2215}");
    let draft = naming("consignment/a", &[item(FILE, "image/jpeg", &name)]);
    served.world.say(draft, &["us-dsca/0"]).unwrap();
    let path = format!("/v1/evidence/{}", hash(FILE));
    let missing = served.get(&path).problem(404, "not_found");
    assert_eq!(missing["existing"], 5);
    assert!(missing["detail"].as_str().unwrap().contains("entry 5: 25 bytes"));

    let answer = put(&served, &hash(FILE), FILE);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!((&answer.json()["here"], &answer.json()["named"][0]["seq"]), (&json!(true), &json!(5)));
    assert_eq!(put(&served, &hash(FILE), FILE).status, 200, "once more changes nothing");
    let place = served.evidence.path().join(&hash(FILE)[..2]).join(&hash(FILE)[2..]);
    assert_eq!(files(served.evidence.path()), std::slice::from_ref(&place));
    assert_eq!(fs::read(place).unwrap(), FILE);

    let whole = served.get(&path);
    assert_eq!((whole.status, &*whole.body), (200, FILE));
    assert_eq!(whole.header("content-type"), Some("image/jpeg"));
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    let disposition = whole.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment; filename=\"") && disposition.is_ascii(), "{disposition}");
    assert!(!disposition.contains('/') && !disposition.contains("%E2%80%AE"), "{disposition}");
    let head = served.ask("HEAD", &path, &[("range", "bytes=0-3")], b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("25"), 0));
}

#[test]
fn ranges_are_served_of_the_file_that_the_client_has() {
    let served = Served::new();
    served.world.say(naming("consignment/a", &[item(FILE, "text/html", "a")]), &["us-dsca/0"]).unwrap();
    assert_eq!(put(&served, &hash(FILE), FILE).status, 201);
    let path = format!("/v1/evidence/{}", hash(FILE));
    let get = |headers: &[(&str, &str)]| served.ask("GET", &path, headers, b"");
    let part = get(&[("range", "bytes=4-8")]);
    assert_eq!((part.status, part.text(), part.header("content-range")), (206, "photo", Some("bytes 4-8/25")));
    assert_eq!(part.header("content-length"), Some("5"));
    assert_eq!(part.header("content-type"), Some("text/html"));
    assert_eq!(part.header("x-content-type-options"), Some("nosniff"), "and never shown in place:");
    assert!(part.header("content-disposition").unwrap().starts_with("attachment"));
    assert_eq!(get(&[("range", "bytes=-5")]).text(), "crate");
    assert_eq!(get(&[("range", "bytes=20-")]).text(), "crate");
    assert_eq!(get(&[("range", "bytes=0-1,3-4")]).body, FILE);
    let tag = part.header("etag").unwrap().to_owned();
    assert_eq!(get(&[("range", "bytes=-5"), ("if-range", &tag)]).status, 206);
    assert_eq!(get(&[("range", "bytes=-5"), ("if-range", "\"other\"")]).status, 200);
    assert_eq!((get(&[("if-none-match", &tag)]).status, get(&[("if-none-match", &tag)]).body.len()), (304, 0));
    let beyond = get(&[("range", "bytes=25-")]);
    beyond.problem(416, "range_not_satisfiable");
    assert_eq!(beyond.header("content-range"), Some("bytes */25"));
}

#[test]
fn what_is_not_as_named_leaves_nothing() {
    let served = Served::new();
    let large = vec![7; (1 << 20) + 1];
    let items = [item(FILE, "image/jpeg", "a"), item(&large, "video/mp4", "b")];
    served.world.say(naming("consignment/a", &items), &["us-dsca/0"]).unwrap();
    let other = [b"X", &FILE[1..]].concat();
    assert_eq!(put(&served, &hash(FILE), &other).problem(422, "evidence_mismatch")["path"], "sha256");
    for wrong in [&FILE[1..], &[FILE, b"x"].concat(), b""] {
        assert_eq!(put(&served, &hash(FILE), wrong).problem(422, "evidence_mismatch")["path"], "size");
    }
    put(&served, &hash(&large), &large).problem(413, "too_large");
    // chunked: nothing is declared
    let chunked = |body: &[u8]| {
        let mut stream = served.connect();
        let head = request("PUT", &format!("/v1/evidence/{}", hash(FILE)), &[("transfer-encoding", "chunked")], None);
        stream.write_all(&head).unwrap();
        stream.write_all(format!("{:x}\r\n", body.len()).as_bytes()).unwrap();
        stream.write_all(&[body, b"\r\n0\r\n\r\n"].concat()).unwrap();
        read_answer(&mut stream, false)
    };
    chunked(&FILE[1..]).problem(422, "evidence_mismatch");
    chunked(&[FILE, b"and more"].concat()).problem(413, "too_large");
    // broken off: the client goes away in the middle
    let mut stream = served.connect();
    let path = format!("/v1/evidence/{}", hash(FILE));
    stream.write_all(&request("PUT", &path, &[], Some(FILE.len()))).unwrap();
    stream.write_all(&FILE[..10]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // answered, or closed: either way the server is done with it
    let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    put(&served, &hash(b"unnamed"), b"unnamed").problem(404, "not_found");
    served.get(&format!("/v1/evidence/{}", hash(b"unnamed"))).problem(404, "not_found");
    assert_eq!(chunked(FILE).status, 201, "after all that");
    assert_eq!(files(served.evidence.path()).len(), 1);
}

#[test]
fn a_path_is_never_a_path() {
    let served = Served::new();
    fs::write(served.evidence.path().join("secret"), b"x").unwrap();
    let upper = hash(FILE).to_uppercase();
    for bad in ["..%2fsecret", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "secret", "..", upper.as_str(), &hash(FILE)[1..]] {
        let answer = served.get(&format!("/v1/evidence/{bad}"));
        assert!(matches!(answer.status, 400 | 404), "{bad}: {}", answer.text());
        let answer = put(&served, bad, b"x");
        assert!(matches!(answer.status, 400 | 404), "{bad}: {}", answer.text());
    }
    for name in ["../x", "a/b", "a\\b", "a\u{7}"] {
        let draft = naming("consignment/a", &[item(FILE, "image/jpeg", name)]);
        let envelope = served.envelope(&draft, &["us-dsca/0"]).canonical();
        served.post(JSON, envelope.as_bytes()).problem(422, "malformed_event");
    }
    assert_eq!(files(served.evidence.path()).len(), 1);
}

#[test]
fn a_signed_submission_announces_its_files() {
    let served = Served::new();
    let draft = naming("consignment/a", &[item(FILE, "image/jpeg", "a")]);
    let envelope = served.envelope(&draft, &["us-dsca/0"]).canonical();
    let announce = |body: &str| served.ask("POST", "/v1/evidence", &[("content-type", JSON)], body.as_bytes());
    put(&served, &hash(FILE), FILE).problem(404, "not_found");
    // strangers announce nothing, nor does a signature that is not valid
    let stranger = sign(&served.world.payload(&draft), &["nobody/0"]).canonical();
    announce(&stranger).problem(403, "unknown_key");
    let mut broken: Value = serde_json::from_str(&envelope).unwrap();
    let other = sign(&served.world.payload(&dispatch("consignment/b")), &["us-dsca/0"]).canonical();
    broken["signatures"] = serde_json::from_str::<Value>(&other).unwrap()["signatures"].clone();
    announce(&broken.to_string()).problem(422, "bad_signature");

    let announced = announce(&envelope);
    assert_eq!(announced.status, 200, "{}", announced.text());
    assert_eq!(announced.json()["evidence"], json!([{ "sha256": hash(FILE), "size": 25, "here": false }]));
    assert_eq!(put(&served, &hash(FILE), FILE).status, 201);
    served.get(&format!("/v1/evidence/{}", hash(FILE))).problem(404, "not_found");
    assert_eq!(served.post(JSON, envelope.as_bytes()).status, 201);
    assert_eq!(served.get(&format!("/v1/evidence/{}", hash(FILE))).body, FILE);
}

#[test]
fn keys_that_expired_and_parties_that_were_succeeded_announce_nothing() {
    let served = Served::new();
    let announce = |key: &str| {
        let draft = naming("consignment/a", &[item(FILE, "image/jpeg", "a")]);
        let envelope = sign(&served.world.payload(&draft), &[key]).canonical();
        served.ask("POST", "/v1/evidence", &[("content-type", JSON)], envelope.as_bytes())
    };
    let mut short = grant("us-new/0");
    short["not_after"] = json!(served.world.ledger.next_position().time.plus_millis(3_600_000).to_string());
    let body = json!({ "party": "us-new", "name": "N", "country": null, "capacities": ["donor"], "keys": [short] });
    let enrolled = draft("party.enrolled", "party/us-new", None, "governance", body);
    served.world.say(enrolled, &["gov0", "gov1", "us-new/0"]).unwrap();
    assert_eq!((announce("us-new/0").status, announce("us-dsca/0").status), (200, 200));
    let body = json!({ "party": "us-dsca", "successor": "us-new", "reason": "merged" });
    let succeeded = draft("party.succeeded", "party/us-dsca", None, "governance", body);
    served.world.say(succeeded, &["gov0", "gov1", "us-new/0"]).unwrap();
    announce("us-dsca/0").problem(403, "not_announced");
    assert_eq!(announce("us-new/0").status, 200);
    served.world.clock.forward(2 * 3_600_000);
    announce("us-new/0").problem(403, "not_announced");
}
