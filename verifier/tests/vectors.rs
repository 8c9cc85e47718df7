//! Vectors that others made, read from `../shared/vectors` beside the project. Where that folder is missing these tests
//! say so and are left out, except in CI, which has it.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use countersign_verify::checkpoint::Checkpoint;
use countersign_verify::entry::Entry;
use countersign_verify::event::{Event, payload_json};
use countersign_verify::fold::Given;
use countersign_verify::hash::{Hash, event_hash, leaf_hash, pae, sha256};
use countersign_verify::keys::PublicKey;
use countersign_verify::merkle::{Range, check_consistency, check_inclusion};
use countersign_verify::note::{Note, Signed, VKey};
use countersign_verify::proof::TlogProof;
use countersign_verify::report::Verdict;
use countersign_verify::tables::FastKey;
use countersign_verify::trust::Trust;
use countersign_verify::verify::verify_bundle;
use serde_json::Value;

/// The text of a shared vector file; `None` where it is not there, except in CI, which has it.
fn shared(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(_) if std::env::var("CI").as_deref() != Ok("true") => {
            eprintln!("left out: {} is not there", path.display());
            None
        }
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn json(name: &str) -> Option<Value> {
    shared(name).map(|text| serde_json::from_str(&text).unwrap())
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Hashes of a proof; `None` where one is not 32 bytes, which a proof file cannot hold.
fn hashes(value: &Value) -> Option<Vec<Hash>> {
    value.as_array().into_iter().flatten().map(|h| Hash::from_base64(h.as_str().unwrap())).collect()
}

fn hash(value: &Value) -> Option<Hash> {
    Hash::from_base64(value.as_str().unwrap_or_default())
}

#[test]
fn merkle_inclusion() {
    let Some(file) = json("merkle_inclusion.json") else { return };
    let cases = file["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 98);
    for (name, case) in cases {
        let index = case["leafIdx"].as_u64().unwrap();
        let size = case["treeSize"].as_u64().unwrap();
        let ok = match (hash(&case["leafHash"]), hashes(&case["proof"]), hash(&case["root"])) {
            (Some(leaf), Some(proof), Some(root)) => check_inclusion(index, size, &leaf, &proof, &root).is_ok(),
            _ => false,
        };
        assert_eq!(ok, !case["wantErr"].as_bool().unwrap(), "{name}");
    }
}

/// This case is to be accepted although its two roots, equal, are 12 bytes long. No such root can be written where we
/// read one, so it does not come to a proof at all.
const ROOTS_OF_12_BYTES: &str = "additional/sizes-are-equal-one-and-proof-is-empty";

#[test]
fn merkle_consistency() {
    let Some(file) = json("merkle_consistency.json") else { return };
    let cases = file["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 98);
    for (name, case) in cases {
        let (old, new) = (case["size1"].as_u64().unwrap(), case["size2"].as_u64().unwrap());
        let ok = match (hash(&case["root1"]), hash(&case["root2"]), hashes(&case["proof"])) {
            (Some(first), Some(second), Some(proof)) => check_consistency(old, new, &first, &second, &proof).is_ok(),
            _ => false,
        };
        if name == ROOTS_OF_12_BYTES {
            assert_eq!((ok, case["root1"].as_str().unwrap().len()), (false, 16));
            continue;
        }
        assert_eq!(ok, !case["wantErr"].as_bool().unwrap(), "{name}");
    }
}

/// Wycheproof, by dalek and by tables. SPEC §2 refuses more than Wycheproof only where something is of small order or
/// not canonical; those cases would be named here. In this version of the suite there is none.
const STRICTER_THAN_WYCHEPROOF: [u64; 0] = [];

#[test]
fn wycheproof() {
    let Some(file) = json("wycheproof_ed25519.json") else { return };
    let mut cases = 0;
    let mut deviations = vec![];
    for group in file["testGroups"].as_array().unwrap() {
        let key: [u8; 32] = unhex(group["publicKey"]["pk"].as_str().unwrap()).try_into().unwrap();
        let key = PublicKey::from_bytes(key);
        for test in group["tests"].as_array().unwrap() {
            cases += 1;
            let id = test["tcId"].as_u64().unwrap();
            let message = unhex(test["msg"].as_str().unwrap());
            let signature = <[u8; 64]>::try_from(unhex(test["sig"].as_str().unwrap()));
            let (mut slow, mut fast) = (false, false);
            if let Ok(signature) = &signature {
                slow = key.verifies(&message, signature);
                fast = FastKey::new(&key, 5).is_some_and(|fast| fast.verifies(&message, signature));
            }
            assert_eq!(slow, fast, "case {id}: tables and ed25519-dalek disagree");
            if slow != (test["result"] == "valid") {
                assert!(!slow, "case {id} is accepted and must not be");
                deviations.push(id);
            }
        }
    }
    assert_eq!(cases, 151);
    assert_eq!(deviations, STRICTER_THAN_WYCHEPROOF);
}

#[test]
fn signed_note_example() {
    // C2SP signed-note v1.0.0, "Note"; the key is that of golang.org/x/mod/sumdb/note's example of a verifier
    let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
                — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0mxcxXj99\
                ihAQwaqP3ZekRwNtIc=\n";
    let note = Note::parse(note).unwrap();
    assert!(note.text.ends_with("\n\ned è subito sera.\n"));
    assert_eq!(note.signatures.len(), 1);
    assert_eq!(note.signatures[0].name, "quasimodo.example/salvatore");
    assert_eq!(countersign_verify::note::id_text(note.signatures[0].id), "367ba04b");
    assert_eq!(note.signatures[0].bytes.len(), 64);
}

#[test]
fn spec_example() {
    let (Some(values), Some(bundle)) = (json("spec_example.json"), shared("spec_example.bundle.jsonl")) else { return };
    let text = |name: &str| values[name].as_str().unwrap();
    let ledger = Hash::from_hex(text("ledger_id").as_bytes());
    let trust = format!("log {}\nwitness w {}\nquorum w\n", text("log_vkey"), text("witness_vkey"));
    let given = Given {
        ledger,
        trust: Some(Trust::parse(trust.as_bytes()).unwrap()),
        previous: Some(Checkpoint::parse_plain(text("checkpoint_without_cosignature")).unwrap()),
        ..Given::default()
    };
    let (report, _) = verify_bundle(bundle.as_bytes(), &given, None);
    assert_eq!(report.verdict(), Verdict::Verified, "{}", report.to_text());
    assert_eq!((report.size, report.shown), (Some(8), 8));
    // value by value
    let mut range = Range::new();
    let entries = values["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 8);
    for (line, expected) in bundle.lines().skip(1).zip(entries) {
        let entry = Entry::parse(line.as_bytes()).unwrap();
        let payload = payload_json(&entry.payload).unwrap();
        let event = Event::read(&payload).unwrap();
        assert_eq!(expected["seq"], entry.seq);
        assert_eq!(expected["kind"], *event.kind);
        assert_eq!(expected["payload_sha256"], sha256(&[&entry.payload]).to_string());
        let message = pae(&entry.payload_type, &entry.payload);
        assert_eq!(expected["event_hash"], event_hash(&message).to_string());
        assert_eq!(expected["leaf_hash"], leaf_hash(line.as_bytes()).to_string());
        range.push(leaf_hash(line.as_bytes()));
        assert_eq!(expected["root_of_first_i_plus_1"], range.root().to_string());
        if entry.seq == 5 {
            assert_eq!(text("entry_5_line"), line);
            assert_eq!(text("entry_5_payload").as_bytes(), entry.payload);
            assert_eq!(text("entry_5_pae").as_bytes(), message);
        }
    }
    let proof = TlogProof::parse(text("proof_of_entry_5")).unwrap();
    assert_eq!(proof.includes(&leaf_hash(text("entry_5_line").as_bytes())), Ok(()));
    let note = &proof.checkpoint.note;
    let log = VKey::parse(text("log_vkey")).unwrap();
    let witness = VKey::parse(text("witness_vkey")).unwrap();
    assert_eq!((log.to_string(), witness.to_string()), (text("log_vkey").into(), text("witness_vkey").into()));
    assert_eq!(note.signed_by(&log), Signed::Yes(None));
    assert_eq!(note.signed_by(&witness), Signed::No);
    let disclosure = &values["disclosure"];
    let string = disclosure["string"].as_str().unwrap();
    let digest = sha256(&[string.as_bytes()]);
    let body = format!("{{\"_sd\":[\"{}\"]}}", disclosure["digest"].as_str().unwrap());
    let body = payload_json(body.as_bytes()).unwrap();
    let check = countersign_verify::disclosure::check;
    assert_eq!((check(&body, &[]).undisclosed, check(&body, &[]).fault), (1, None));
    assert_eq!((check(&body, &[string]).undisclosed, check(&body, &[string]).fault), (0, None), "{digest}");
}
