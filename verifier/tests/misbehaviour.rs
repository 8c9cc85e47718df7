//! Proofs of misbehaviour (SPEC §16): what proves, what does not, and files that mean harm.
#![allow(clippy::unwrap_used)]

mod forge;

use countersign_verify::hash::Hash;
use countersign_verify::misbehaviour::{Finding, Known, MAX_PROOF_OF_MISBEHAVIOUR, Verdict, examine};
use countersign_verify::trust::Trust;
use forge::{Forge, Wrong, b64, checkpoint_lines, hex, leaf, log_line, mth, public, vkey, witness_line};
use serde_json::{Value, json};

fn known(forge: &Forge) -> Known {
    Known { ledger: Hash::from_hex(forge.ledger.as_bytes()), trust: None }
}

fn payload(line: &str) -> Value {
    let entry: Value = serde_json::from_str(line).unwrap();
    entry["envelope"]["payload"].clone()
}

/// A proof without its claim.
fn file(forge: &Forge, what: &str, members: Value) -> Value {
    let mut file = json!({
        "countersign_misbehaviour": 1, "ledger": forge.ledger, "what": what, "created": payload(&forge.lines[0]),
        "keys": [],
    });
    file.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    file
}

fn path(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() <= 1 {
        return vec![];
    }
    let k = 1 << (leaves.len() - 1).ilog2();
    let (mut proof, sibling) = if index < k {
        (path(index, &leaves[..k]), mth(&leaves[k..]))
    } else {
        (path(index - k, &leaves[k..]), mth(&leaves[..k]))
    };
    proof.push(sibling);
    proof
}

fn tlog_proof(forge: &Forge, index: usize) -> String {
    let leaves = forge.leaves();
    let hashes: String = path(index, &leaves).iter().map(|hash| b64(hash) + "\n").collect();
    format!("c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{}", forge.checkpoint(leaves.len()))
}

fn included(forge: &Forge, seq: usize) -> Value {
    let hashes: Vec<String> = path(seq, &forge.leaves()).iter().map(|hash| hex(hash)).collect();
    json!({"seq": seq, "entry": forge.lines[seq], "path": hashes})
}

fn claim(forge: &Forge, what: &str, seqs: &[usize], more: Value) -> Value {
    let entries: Vec<Value> = seqs.iter().map(|seq| included(forge, *seq)).collect();
    let mut members = json!({"checkpoint": forge.checkpoint(forge.lines.len()), "entries": entries});
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    file(forge, what, members)
}

fn subtrees(forge: &Forge, ranges: &[(usize, usize)]) -> Value {
    let leaves = forge.leaves();
    let one =
        |(start, end): &(usize, usize)| json!({"start": start, "end": end, "hash": hex(&mth(&leaves[*start..*end]))});
    ranges.iter().map(one).collect()
}

fn judge(file: &Value, known: &Known) -> Finding {
    examine(file.to_string().as_bytes(), known)
}

fn proven(file: &Value, known: &Known) -> Finding {
    let finding = judge(file, known);
    assert_eq!(finding.verdict, Verdict::Proven, "{}\n{file:#}", finding.to_text());
    finding
}

fn not_proven(file: &Value, known: &Known, why: &str) {
    let finding = judge(file, known);
    assert_eq!(finding.verdict, Verdict::NotProven, "{}\n{file:#}", finding.to_text());
    assert!(finding.detail.contains(why), "{why:?} in {:?}", finding.detail);
}

/// Two histories that part after entry 5.
fn fork() -> (Forge, Forge) {
    let mut one = Forge::usual();
    let mut two = one.clone();
    one.dispatch("1");
    two.dispatch("2");
    (one, two)
}

/// Appends an entry that is wrong as asked, by the donor, in a stream of its own.
fn wrong(forge: &mut Forge, id: &str, change: impl FnOnce(&mut Value), wrong: &Wrong) -> usize {
    let mut copy = forge.clone();
    copy.event("transfer.dispatched", &format!("consignment/{id}"), Some("dd.c1"), "dd", json!({}), &["dd0"], change);
    let line: Value = serde_json::from_str(copy.lines.last().unwrap()).unwrap();
    let payload = line["envelope"]["payload"].as_str().unwrap();
    let payload = countersign_verify::scalar::base64_bytes(payload.as_bytes()).unwrap();
    forge.payload(std::str::from_utf8(&payload).unwrap(), &["dd0"], wrong)
}

/// A ledger that ends in a wrong entry after some that are right, and the entry's seq.
fn with(change: impl FnOnce(&mut Value), fault: &Wrong) -> (Forge, usize) {
    let mut forge = Forge::usual();
    forge.dispatch("1");
    forge.dispatch("1");
    let seq = wrong(&mut forge, "1", change, fault);
    forge.dispatch("9");
    (forge, seq)
}

/// One file of each kind that proves what it claims, with what is known.
fn one_of_each() -> Vec<(Value, Known)> {
    let mut all = Vec::new();
    let (one, two) = fork();
    let checkpoints = json!({"first": one.checkpoint(7), "second": two.checkpoint(7)});
    all.push((file(&one, "inconsistent_checkpoints", checkpoints), known(&one)));
    let (one, mut two) = fork();
    two.dispatch("3");
    let parts = subtrees(&two, &[(0, 4), (4, 6), (6, 7), (7, 8)]);
    let checkpoints = json!({"first": one.checkpoint(7), "second": two.checkpoint(8), "subtrees": parts});
    all.push((file(&one, "inconsistent_checkpoints", checkpoints), known(&one)));
    let receipt = json!({"entry": one.lines[6], "proof": tlog_proof(&one, 6)});
    let other = json!({"receipt": receipt, "leaf": hex(&leaf(&two.lines[6])), "proof": tlog_proof(&two, 6)});
    all.push((file(&one, "entry_not_in_tree", other), known(&one)));
    let mut entries = |what: &str, (forge, seq): (Forge, usize), others: &[usize], more: Value| {
        let seqs = [others, &[seq]].concat();
        all.push((claim(&forge, what, &seqs, more), known(&forge)));
    };
    let none = || json!({});
    let right = |_: &mut Value| {};
    let plain = Wrong::default;
    entries("invalid_entry", with(|p| p["kind"] = json!("No"), &plain()), &[], none());
    entries("invalid_entry", with(|p| p["ledger"] = json!("0".repeat(64)), &plain()), &[], none());
    entries("invalid_entry", with(|p| p["until"] = json!("2025-01-01T00:00:00Z"), &plain()), &[], none());
    entries("invalid_entry", with(|p| p["occurred"] = json!({"date": "2027-01-01"}), &plain()), &[], none());
    entries("invalid_entry", with(|p| p["after"] = Value::Null, &plain()), &[], none());
    entries("invalid_entry", with(right, &Wrong { seq: Some(7), ..plain() }), &[], none());
    let spaced = Wrong { line: Some(|line| line.replace(",\"case\"", ", \"case\"")), ..plain() };
    entries("invalid_entry", with(right, &spaced), &[], none());
    let bad = Wrong { bad_signature: Some(0), ..plain() };
    entries("bad_signature", with(right, &bad), &[], json!({"key": public("dd0")}));
    entries("broken_chain", with(right, &Wrong { prev: Some("1".repeat(64)), ..plain() }), &[7], none());
    let early = Wrong { time: Some("2026-01-01T00:00:01.000Z".to_owned()), ..plain() };
    entries("time_went_back", with(right, &early), &[6], none());
    let at = |pointer: &str, value: Value| {
        let value = Some(value);
        let fault = match pointer {
            "governance" => Wrong { governance: value, ..plain() },
            "case" => Wrong { case: value, ..plain() },
            _ => Wrong { stream: value, ..plain() },
        };
        (with(right, &fault), json!({ "pointer": pointer }))
    };
    for (pointer, value, others) in [
        // an earlier one, with a later one between
        ("governance", json!(1), vec![4]),
        ("stream", json!(6), vec![7]),
        // none, and there is one
        ("governance", Value::Null, vec![0]),
        ("case", Value::Null, vec![5]),
        ("stream", Value::Null, vec![6]),
        // something else
        ("governance", json!(5), vec![5]),
        ("case", json!(4), vec![4]),
        ("stream", json!(5), vec![5]),
        // itself, or beyond
        ("governance", json!(8), vec![]),
        ("stream", json!(100), vec![]),
    ] {
        let (ledger, more) = at(pointer, value);
        entries("false_pointer", ledger, &others, more);
    }
    let (twice, _) = with(right, &plain());
    let again: Value = serde_json::from_slice(
        &countersign_verify::scalar::base64_bytes(payload(&twice.lines[7]).as_str().unwrap().as_bytes()).unwrap(),
    )
    .unwrap();
    entries("repeated_id", with(|p| p["id"] = again["id"].clone(), &plain()), &[7], none());
    let mut closed = Forge::usual();
    closed.add("ledger.closed", "ledger/self", None, "governance", json!({"reason": "done"}), &["g0", "g1"]);
    let late = closed.dispatch("1");
    entries("after_closed", (closed, late), &[6], none());
    all
}

#[test]
fn each_kind_proves_and_says_why() {
    for (file, known) in one_of_each() {
        let finding = proven(&file, &known);
        let text = finding.to_text();
        assert!(text.starts_with(&format!("verdict: proven: {}", file["what"].as_str().unwrap())), "{text}");
        assert!(text.contains("signed with log key forge.example/test+"), "{text}");
        assert!(text.contains("does not show who held"), "{text}");
        let json: Value = serde_json::from_str(&finding.to_json()).unwrap();
        assert_eq!(json["verdict"], "proven");
        assert_eq!(json["what"], file["what"]);
        // a newline at the end of the file
        assert_eq!(examine(format!("{file}\n").as_bytes(), &known).verdict, Verdict::Proven);
        assert_eq!(examine(format!("{file}\n\n").as_bytes(), &known).verdict, Verdict::NotProven);
    }
}

#[test]
fn no_altered_byte_proves() {
    for (n, (file, known)) in one_of_each().into_iter().enumerate() {
        let text = file.to_string();
        // long, and the same in all: once is enough
        let created = text.find(file["created"].as_str().unwrap()).unwrap();
        let created = created + 100..created + file["created"].as_str().unwrap().len();
        let bytes = text.into_bytes();
        for at in (0..bytes.len()).filter(|at| n == 0 || !created.contains(at)) {
            for mask in [1, 0x20] {
                let mut other = bytes.clone();
                other[at] ^= mask;
                let verdict = examine(&other, &known).verdict;
                let around = String::from_utf8_lossy(&bytes[at.saturating_sub(20)..bytes.len().min(at + 20)]);
                assert_ne!(verdict, Verdict::Proven, "byte {at} of {}: {around}", file["what"]);
            }
        }
    }
}

#[test]
fn no_member_is_missing_or_too_many() {
    for (file, known) in one_of_each() {
        for name in file.as_object().unwrap().keys() {
            let mut less = file.clone();
            less.as_object_mut().unwrap().remove(name);
            assert_eq!(judge(&less, &known).verdict, Verdict::NotProven, "without {name}");
        }
        let mut more = file.clone();
        more["more"] = json!(1);
        assert_eq!(judge(&more, &known).verdict, Verdict::NotProven);
    }
}

#[test]
fn an_honest_ledger_gives_no_proof() {
    let mut forge = Forge::usual();
    forge.dispatch("1");
    forge.dispatch("1");
    let known = &known(&forge);
    let parts = subtrees(&forge, &[(0, 4), (4, 6), (6, 8)]);
    let grown = json!({"first": forge.checkpoint(6), "second": forge.checkpoint(8), "subtrees": parts});
    not_proven(&file(&forge, "inconsistent_checkpoints", grown), known, "two histories");
    let same = json!({"first": forge.checkpoint(8), "second": forge.checkpoint(8)});
    not_proven(&file(&forge, "inconsistent_checkpoints", same), known, "two roots");
    let receipt = json!({"entry": forge.lines[6], "proof": tlog_proof(&forge, 6)});
    let own = json!({"receipt": receipt, "leaf": hex(&leaf(&forge.lines[6])), "proof": tlog_proof(&forge, 6)});
    not_proven(&file(&forge, "entry_not_in_tree", own), known, "another leaf");
    let other = json!({"receipt": receipt, "leaf": hex(&leaf(&forge.lines[7])), "proof": tlog_proof(&forge, 7)});
    not_proven(&file(&forge, "entry_not_in_tree", other), known, "index 6");
    for seq in 0..8 {
        not_proven(&claim(&forge, "invalid_entry", &[seq], json!({})), known, "a fault in its line");
        for pointer in ["governance", "case", "stream"] {
            let more = json!({ "pointer": pointer });
            not_proven(&claim(&forge, "false_pointer", &[seq], more.clone()), known, "");
            for other in 0..seq {
                not_proven(&claim(&forge, "false_pointer", &[other, seq], more.clone()), known, "");
            }
        }
        for other in 0..seq {
            for what in ["broken_chain", "time_went_back", "repeated_id", "after_closed"] {
                not_proven(&claim(&forge, what, &[other, seq], json!({})), known, "");
            }
        }
    }
    not_proven(&claim(&forge, "bad_signature", &[6], json!({"key": public("dd0")})), known, "one that is not valid");
    not_proven(&claim(&forge, "bad_signature", &[6], json!({"key": public("rr0")})), known, "envelope names");
}

#[test]
fn subtrees_must_be_the_tree() {
    let (one, mut two) = fork();
    two.dispatch("3");
    let known = &known(&one);
    let with = |ranges: &[(usize, usize)]| {
        let parts = subtrees(&two, ranges);
        let members = json!({"first": one.checkpoint(7), "second": two.checkpoint(8), "subtrees": parts});
        file(&one, "inconsistent_checkpoints", members)
    };
    not_proven(&with(&[(0, 4), (4, 8)]), known, "a boundary at leaf 7");
    not_proven(&with(&[(0, 4), (4, 6), (6, 7)]), known, "8 leaves");
    not_proven(&with(&[(0, 4), (6, 7), (7, 8)]), known, "from leaf 4");
    not_proven(&with(&[(4, 6), (0, 4), (6, 7), (7, 8)]), known, "from leaf 0");
    let mut beyond = with(&[(0, 4), (4, 6), (6, 7), (7, 8)]);
    beyond["subtrees"][3] = json!({"start": 0, "end": 1_u64 << 52, "hash": "0".repeat(64)});
    not_proven(&beyond, known, "within 8");
    // larger before smaller is another form of the same claim, and refused
    let mut turned = with(&[(0, 4), (4, 6), (6, 7), (7, 8)]);
    turned["first"] = json!(two.checkpoint(8));
    turned["second"] = json!(one.checkpoint(7));
    not_proven(&turned, known, "the larger checkpoint last");
}

#[test]
fn only_the_logs_key_counts() {
    let (one, two) = fork();
    let all = json!({"first": one.checkpoint(7), "second": two.checkpoint(7)});
    let good = file(&one, "inconsistent_checkpoints", all);
    let ledger = known(&one);
    proven(&good, &ledger);
    // nothing to hold the keys against
    assert_eq!(judge(&good, &Known::default()).verdict, Verdict::NotChecked);
    let other = Known { ledger: Hash::from_hex("0".repeat(64).as_bytes()), trust: None };
    not_proven(&good, &other, "the ledger that the file is about");
    // a trust file in place of the id, beside it, and of another log
    let trust = |key: &str| {
        let file = format!("log {}\nquorum none\n", vkey(forge::ORIGIN, key, 1));
        Some(Trust::parse(file.as_bytes()).unwrap())
    };
    proven(&good, &Known { ledger: None, trust: trust("log") });
    proven(&good, &Known { trust: trust("log"), ..ledger.clone() });
    not_proven(&good, &Known { ledger: None, trust: trust("other") }, "");
    not_proven(&good, &Known { trust: trust("other"), ..ledger.clone() }, "");
    // signed by somebody else
    for name in ["first", "second"] {
        let mut forged = good.clone();
        let text = two.checkpoint_text(7);
        forged[name] = json!(checkpoint_lines(&text, &[&log_line(&text, "thief")]));
        not_proven(&forged, &ledger, "a signature by the log's key");
    }
    // when the witness saw it is said
    let mut seen = good.clone();
    let text = two.checkpoint_text(7);
    let lines = [log_line(&text, "log"), witness_line(&text, "w.example", 1_700_000_000)];
    seen["second"] = json!(checkpoint_lines(&text, &[&lines[0], &lines[1]]));
    let file = format!("witness w {}\nquorum w\n", vkey("w.example", "w.example", 4));
    let trust = Some(Trust::parse(file.as_bytes()).unwrap());
    let text = proven(&seen, &Known { trust, ..ledger.clone() }).to_text();
    assert!(text.contains("seen by witness w.example at 2023-11-14T22:13:20.000Z"), "{text}");
}

/// A ledger that rotates its key as entry 6, and goes on.
fn rotated() -> (Forge, Value) {
    let mut forge = Forge::usual();
    let body = json!({"log_key": vkey(forge::ORIGIN, "log2", 1), "reason": "yearly"});
    forge.add("log_key.rotated", "ledger/self", None, "governance", body, &["g0", "g1"]);
    forge.log_keys = vec!["log2", "log"];
    let rotation = json!({"entry": forge.lines[6], "proof": tlog_proof(&forge, 6)});
    (forge, rotation)
}

#[test]
fn a_rotated_key_counts_when_the_log_signed_for_it() {
    let (mut one, rotation) = rotated();
    let ledger = known(&one);
    one.log_keys = vec!["log2"];
    let mut two = one.clone();
    one.dispatch("1");
    two.dispatch("2");
    let all = json!({"first": one.checkpoint(8), "second": two.checkpoint(8)});
    let mut file = file(&one, "inconsistent_checkpoints", all);
    not_proven(&file, &ledger, "a signature by the log's key");
    file["keys"] = json!([rotation]);
    let text = proven(&file, &ledger).to_text();
    assert!(text.contains("named by entry 6, which the log signed for with the key before"), "{text}");
    // the same rotation twice
    file["keys"] = json!([rotation, rotation]);
    not_proven(&file, &ledger, "ascending");
    // under a checkpoint that only the new key signed
    let (mut alone, _) = rotated();
    alone.log_keys = vec!["log2"];
    file["keys"] = json!([{"entry": alone.lines[6], "proof": tlog_proof(&alone, 6)}]);
    not_proven(&file, &ledger, "/keys/0");
    // another entry than a rotation
    let (both, _) = rotated();
    file["keys"] = json!([{"entry": both.lines[5], "proof": tlog_proof(&both, 5)}]);
    not_proven(&file, &ledger, "log_key.rotated");
    // a fork that does not rotate against one that does
    let (one, rotation) = rotated();
    let mut two = Forge::usual();
    two.dispatch("1");
    let mut other = json!({"first": one.checkpoint(7), "second": two.checkpoint(7)});
    other = self::file(&one, "inconsistent_checkpoints", other);
    proven(&other, &ledger);
    other["keys"] = json!([rotation]);
    proven(&other, &ledger);
}

#[test]
fn newer_formats_and_strange_bytes() {
    let (one, two) = fork();
    let all = json!({"first": one.checkpoint(7), "second": two.checkpoint(7)});
    let mut newer = file(&one, "inconsistent_checkpoints", all);
    newer["countersign_misbehaviour"] = json!(2);
    assert_eq!(judge(&newer, &known(&one)).verdict, Verdict::NotChecked);
    newer["countersign_misbehaviour"] = json!(0);
    assert_eq!(judge(&newer, &known(&one)).verdict, Verdict::NotProven);
    // an entry of a newer format is not invalid
    let next = Wrong { payload_type: Some("application/vnd.countersign.event.v2+json".to_owned()), ..Wrong::default() };
    let (forge, seq) = with(|_| {}, &next);
    not_proven(&claim(&forge, "invalid_entry", &[seq], json!({})), &known(&forge), "newer format");
    // a leaf that is no text
    let forge = Forge::usual();
    let bytes = [0xff, 0, b'"'];
    let mut leaves = forge.leaves();
    leaves.push(forge::sha(&[&[0][..], &bytes].concat()));
    let text = format!("{}\n7\n{}\n", forge::ORIGIN, b64(&mth(&leaves)));
    let hashes: Vec<String> = path(6, &leaves).iter().map(|hash| hex(hash)).collect();
    let members = json!({
        "checkpoint": checkpoint_lines(&text, &[&log_line(&text, "log")]),
        "entries": [{"seq": 6, "bytes": b64(&bytes), "path": hashes}],
    });
    let strange = file(&forge, "invalid_entry", members);
    let text = proven(&strange, &known(&forge)).to_text();
    assert!(!text.contains('\0'), "{text:?}");
}

#[test]
fn hostile_files() {
    let forge = Forge::usual();
    let known = &known(&forge);
    let good = claim(&forge, "invalid_entry", &[1], json!({}));
    let huge = "1".repeat(MAX_PROOF_OF_MISBEHAVIOUR + 1);
    let deep = "[".repeat(1 << 20);
    let numbers = |n: &str| good.to_string().replacen("\"seq\":1", &format!("\"seq\":{n}"), 1);
    let note = |size: &str| {
        let text = format!("{}\n{size}\n{}\n", forge::ORIGIN, b64(&[7; 32]));
        let mut file = good.clone();
        file["checkpoint"] = json!(checkpoint_lines(&text, &[&log_line(&text, "log")]));
        file.to_string()
    };
    let many = |name: &str, item: &Value, count: usize| {
        let mut file = good.clone();
        file[name] = std::iter::repeat_n(item.clone(), count).collect();
        file.to_string()
    };
    for bytes in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        huge,
        deep.clone(),
        format!("{{\"countersign_misbehaviour\":1,\"ledger\":{deep}"),
        format!(" {good}"),
        format!("{good}{good}"),
        good.to_string().replacen("{\"", "{\"what\":\"x\",\"", 1),
        numbers("-1"),
        numbers("9007199254740992"),
        numbers("9223372036854775808"),
        numbers("1.0"),
        note("0"),
        note("9007199254740992"),
        note("9223372036854775807"),
        note("9223372036854775808"),
        note("9007199254740991"),
        many("keys", &json!({"entry": "", "proof": ""}), 17),
        many("keys", &json!({"entry": "", "proof": ""}), 1),
        many("entries", &good["entries"][0], 2),
        many("entries", &good["entries"][0], 0),
        many("entries", &json!({"seq": 1, "entry": forge.lines[1], "path": vec!["0".repeat(64); 65]}), 1),
        many("entries", &json!({"seq": 1, "entry": "", "bytes": "", "path": []}), 1),
        many("entries", &json!({"seq": 1, "path": []}), 1),
        many("entries", &json!({"seq": 1, "bytes": b64(&vec![0; 65_536]), "path": []}), 1),
    ] {
        let finding = examine(bytes.as_bytes(), known);
        assert_eq!(finding.verdict, Verdict::NotProven, "{}", bytes.chars().take(200).collect::<String>());
    }
    assert_eq!(examine(&[0xff; 100], known).verdict, Verdict::NotProven);
}
