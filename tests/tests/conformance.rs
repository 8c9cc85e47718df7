//! The forge against what others made: the example ledger of `../shared/vectors` value by value, other people's notes,
//! checkpoints and trees; and the ledger's own pieces against the forge.
//!
//! The ledger's unit tests hold its Merkle code, keys and notes against `merkle_*.json`, Wycheproof and the signed-note
//! examples (`ledger/tests/log.rs`, `ledger/tests/keys.rs`, `ledger/src/note/tests.rs`). The example is not part of the
//! repository: it is looked for in `../shared/vectors` beside it, or where `COUNTERSIGN_VECTORS` says.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_ledger::entry::Entry;
use countersign_ledger::envelope::Envelope;
use countersign_ledger::hash::{LeafHash, NodeHash};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::merkle::{verify_consistency, verify_inclusion};
use countersign_ledger::proof::LogProof;
use countersign_tests::forge::event::{Edit, Event};
use countersign_tests::forge::script::{Ledger, Script, Seal, pae};
use countersign_tests::forge::{Json, Key, note, sd, sha256, time, tree, world};
use countersign_tests::j;
use serde_json::Value;
use signed_note::{StandardVerifier, Verifier as _, VerifierList};

fn file(name: &str) -> Option<String> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map_or(beside, PathBuf::from);
    if !folder.exists() {
        eprintln!("skipped: no test vectors in {}", folder.display());
        return None;
    }
    Some(std::fs::read_to_string(folder.join(name)).unwrap())
}

/// The example: its description and the lines of its bundle.
fn example() -> Option<(Value, Vec<String>)> {
    let description = serde_json::from_str(&file("spec_example.json")?).unwrap();
    let lines = file("spec_example.bundle.jsonl")?.lines().map(str::to_owned).collect();
    Some((description, lines))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} of {value}"))
}

/// The example's keys by key id, made from their names.
fn keys(description: &Value) -> BTreeMap<String, Key> {
    let private = &description["private_keys"];
    let governance = private["governance"].as_array().unwrap().iter();
    let parties = private["parties"].as_object().unwrap().values().flat_map(|k| k.as_array().unwrap());
    governance.chain(parties).map(|name| Key::new(name.as_str().unwrap())).map(|key| (key.id(), key)).collect()
}

/// Milliseconds of a time with three fraction digits.
fn millis(t: &str) -> i64 {
    let n = |from: usize, to: usize| t[from..to].parse::<i64>().unwrap();
    time::at(n(0, 4), n(5, 7), n(8, 10), n(11, 13), n(14, 16), n(17, 19)) + n(20, 23)
}

/// The example as a script of the forge: payloads, times, keys and names are given, all else follows.
fn script(description: &Value, lines: &[String]) -> Script {
    let keys = keys(description);
    let mut before = None;
    let event = |(i, line): (usize, &String)| {
        let line: Value = serde_json::from_str(line).unwrap();
        let payload = STANDARD.decode(text(&line["envelope"], "payload")).unwrap();
        let said: Value = serde_json::from_slice(&payload).unwrap();
        let mut event = Event::new(&format!("entry {i}"), text(&said, "kind"), text(&said, "subject"), "", j!({}));
        event.case = said["case"].as_str().map(str::to_owned);
        event.edit_payload = Edit::new(move |_| payload.clone());
        let now = millis(text(&line, "time"));
        event.gap = now - before.replace(now).unwrap_or(now);
        let signatures = line["envelope"]["signatures"].as_array().unwrap();
        event.signed(signatures.iter().map(|s| &keys[text(s, "keyid")]))
    };
    let events = lines[1..].iter().enumerate().map(event).collect();
    let names = &description["private_keys"];
    let origin = text(description, "log_vkey").split('+').next().unwrap().to_owned();
    let witness = text(description, "witness_vkey").split('+').next().unwrap().to_owned();
    let first: Value = serde_json::from_str(&lines[1]).unwrap();
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    let late = cosigned_at(&lines[0]) - millis(text(&last, "time")) / 1000;
    Script {
        events,
        start: millis(text(&first, "time")),
        seal: Seal {
            signers: vec![(origin.clone(), Key::new(text(names, "log")))],
            origin,
            witnesses: vec![(witness, Key::new(text(names, "witness")), late)],
            ..world::seal()
        },
        edit_header: Edit::default(),
        edit_lines: Edit::default(),
        edit_file: Edit::default(),
    }
}

/// When the witness cosigned: the eight bytes after the key id.
fn cosigned_at(header: &str) -> i64 {
    let header: Value = serde_json::from_str(header).unwrap();
    let line = text(&header, "checkpoint").trim_end().rsplit(' ').next().unwrap().to_owned();
    i64::from_be_bytes(STANDARD.decode(line).unwrap()[4..12].try_into().unwrap())
}

fn built() -> Option<(Value, Vec<String>, Ledger)> {
    let (description, lines) = example()?;
    let ledger = script(&description, &lines).build();
    Some((description, lines, ledger))
}

#[test]
fn the_forge_makes_the_example_bit_for_bit() {
    let Some((_, lines, ledger)) = built() else { return };
    let made = String::from_utf8(ledger.bundle.clone()).unwrap();
    for (i, (made, given)) in made.lines().zip(&lines).enumerate() {
        assert_eq!(made, given, "line {}", i + 1);
    }
    assert_eq!(made.into_bytes(), file("spec_example.bundle.jsonl").unwrap().into_bytes());
}

#[test]
fn every_value_of_the_example_follows() {
    let Some((description, _, ledger)) = built() else { return };
    assert_eq!(ledger.id, text(&description, "ledger_id"));
    let names = &description["private_keys"];
    for (name, member, kind) in [("log", "log_vkey", 1), ("witness", "witness_vkey", 4)] {
        let vkey = text(&description, member);
        let public = Key::new(text(names, name)).public();
        assert_eq!(note::vkey(vkey.split('+').next().unwrap(), kind, &public), vkey);
    }
    let leaves = ledger.leaves();
    for (i, of) in description["entries"].as_array().unwrap().iter().enumerate() {
        let entry = &ledger.entries[i];
        assert_eq!(hex::encode(sha256(&entry.payload)), text(of, "payload_sha256"), "payload {i}");
        assert_eq!(hex::encode(entry.event_hash), text(of, "event_hash"), "event hash {i}");
        assert_eq!(hex::encode(entry.leaf), text(of, "leaf_hash"), "leaf hash {i}");
        assert_eq!(hex::encode(tree::root(&leaves[..=i])), text(of, "root_of_first_i_plus_1"), "root {i}");
    }
    let entry = &ledger.entries[5];
    assert_eq!(entry.payload, text(&description, "entry_5_payload").as_bytes());
    assert_eq!(
        pae("application/vnd.countersign.event.v1+json", &entry.payload),
        text(&description, "entry_5_pae").as_bytes()
    );
    assert_eq!(entry.line, text(&description, "entry_5_line").as_bytes());
    let plain = text(&description, "checkpoint_without_cosignature");
    assert_eq!(note::proof_text(5, &tree::inclusion(5, &leaves), plain), text(&description, "proof_of_entry_5"));
    assert!(ledger.checkpoint.starts_with(plain));
}

#[test]
fn the_payload_and_the_disclosure_of_the_example() {
    let Some((description, _)) = example() else { return };
    let line = j!({
        "line": "1", "nomenclature": "NIGHT VISION DEVICE", "quantity": "2", "unit": "EA",
        "nsn": "5855-01-534-5931", "serials": ["SYN-0001", "SYN-0002"],
    });
    let payload = j!({
        "countersign": 1,
        "ledger": (text(&description, "ledger_id")),
        "id": "5faf7dda-4f79-79e1-abb8-d75b44d2d410",
        "kind": "transfer.dispatched",
        "subject": "consignment/2026-0001",
        "after": null,
        "case": "us-dsca.xa-b-uaa",
        "author": "us-dsca",
        "occurred": {"at": "2026-09-21T14:13:37.000Z"},
        "body": {"document_number": "W1A2B360000001", "lines": [line]},
    });
    assert_eq!(payload.text(), text(&description, "entry_5_payload"));
    let bytes: Vec<u8> = (0..16).collect();
    let salt = countersign_tests::forge::b64url(&bytes);
    let disclosure = sd::member(&salt, "place", &Json::from("warehouse 7"));
    assert_eq!(disclosure, text(&description["disclosure"], "string"));
    assert_eq!(sd::digest(&disclosure), text(&description["disclosure"], "digest"));
}

#[test]
fn the_ledger_reads_and_writes_the_example() {
    let Some((description, lines, ledger)) = built() else { return };
    for (i, line) in lines[1..].iter().enumerate() {
        let entry = Entry::parse(line.as_bytes()).unwrap();
        let made = &ledger.entries[i];
        assert_eq!(entry.line(), *line);
        assert_eq!(LeafHash::of_line(line.as_bytes()).as_bytes(), &made.leaf);
        assert_eq!(entry.envelope.payload(), made.payload);
        assert_eq!(entry.envelope.event_hash().as_bytes(), &made.event_hash);
        assert_eq!(Envelope::parse(made.envelope.as_bytes()).unwrap().canonical(), made.envelope);
    }
    let proof: LogProof = text(&description, "proof_of_entry_5").parse().unwrap();
    assert_eq!(proof.to_string(), text(&description, "proof_of_entry_5"));
    proof.verify_leaf(&LeafHash::from_bytes(ledger.entries[5].leaf)).unwrap();
    let log = text(&description, "log_vkey").parse().unwrap();
    proof.checkpoint().verify(&log).unwrap();
}

#[test]
fn other_libraries_read_the_forges_checkpoints() {
    let ledger = world::base().build();
    let key = world::log_key();
    let vkey = note::vkey(world::ORIGIN, 1, &key.public());
    let verifier = StandardVerifier::new(&vkey).unwrap();
    assert_eq!(verifier.name(), world::ORIGIN);
    let known = VerifierList::new(vec![Box::new(verifier)]);
    let theirs = signed_note::Note::from_bytes(ledger.checkpoint.as_bytes()).unwrap();
    let (verified, unverified) = theirs.verify(&known).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size(), checkpoint.extension()), (world::ORIGIN, 5, ""));
    assert_eq!(checkpoint.hash().0, tree::root(&ledger.leaves()));
    let changed = ledger.checkpoint.replacen("\n5\n", "\n6\n", 1);
    assert!(signed_note::Note::from_bytes(changed.as_bytes()).unwrap().verify(&known).is_err());
}

#[test]
fn the_forges_tree_is_that_of_others() {
    let records: Vec<Vec<u8>> = (0..64u8).map(|i| vec![i; usize::from(i) % 5]).collect();
    let leaves: Vec<tree::Hash> = records.iter().map(|r| tree::leaf_hash(r)).collect();
    let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    for (n, record) in (1u64..).zip(&records) {
        theirs.push(record.clone());
        let at = usize::try_from(n).unwrap();
        let root = tree::root(&leaves[..at]);
        assert_eq!(theirs.root().as_bytes().as_slice(), root, "ct-merkle, {n} leaves");
        for m in 0..at {
            let path = tree::inclusion(m, &leaves[..at]);
            let hashes = path.iter().map(|h| tlog_tiles::tlog::Hash(*h)).collect();
            let (size, index) = (n, u64::try_from(m).unwrap());
            let (root_there, leaf_there) = (tlog_tiles::tlog::Hash(root), tlog_tiles::tlog::Hash(leaves[m]));
            tlog_tiles::tlog::check_record(&hashes, size, root_there, index, leaf_there).unwrap();
            let hashes: Vec<NodeHash> = path.iter().map(|h| NodeHash::from_bytes(*h)).collect();
            let (leaf, root) = (LeafHash::from_bytes(leaves[m]), NodeHash::from_bytes(root));
            verify_inclusion(Seq(index), TreeSize(size), &leaf, &hashes, &root).unwrap();
        }
        for m in 1..=at {
            let (old, proof) = (tree::root(&leaves[..m]), tree::consistency(m, &leaves[..at]));
            let hashes = proof.iter().map(|h| tlog_tiles::tlog::Hash(*h)).collect();
            let size = u64::try_from(m).unwrap();
            let (new_there, old_there) = (tlog_tiles::tlog::Hash(root), tlog_tiles::tlog::Hash(old));
            tlog_tiles::tlog::check_tree(&hashes, n, new_there, size, old_there).unwrap();
            let hashes: Vec<NodeHash> = proof.iter().map(|h| NodeHash::from_bytes(*h)).collect();
            let (old, new) = (NodeHash::from_bytes(old), NodeHash::from_bytes(root));
            verify_consistency(TreeSize(size), TreeSize(n), &old, &new, &hashes).unwrap();
        }
    }
}

/// The forge writes the default policy by DOMAIN §2; the ledger has its own.
#[test]
fn the_ledger_of_every_kind_has_every_kind() {
    use countersign_ledger::default_policy::default_policy;
    use countersign_ledger::event::kinds;
    use countersign_tests::forge::life;

    let ledgers: Value = serde_json::from_str(&life::domain_policy().text()).unwrap();
    assert_eq!(default_policy().unwrap().to_value(), ledgers);
    let recorded: BTreeSet<String> = life::every_kind().events.into_iter().map(|event| event.kind).collect();
    for info in kinds() {
        let authority = countersign_ledger::rule::is_authority_kind(info.kind);
        assert!(authority || recorded.contains(info.kind), "{}", info.kind);
    }
}
