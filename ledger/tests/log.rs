//! The log's pieces against test vectors that this project did not write.
//!
//! The vectors are not part of the repository: they are looked for in `../shared/vectors` beside it, or where
//! `COUNTERSIGN_VECTORS` says. Where there are none, these tests say so and pass; the other tests do not need them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_ledger::checkpoint::{Checkpoint, Cosigner, SignedCheckpoint};
use countersign_ledger::hash::{LeafHash, NodeHash, sha256};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::keys::SigningKey;
use countersign_ledger::merkle::{Frontier, verify_consistency, verify_inclusion};
use countersign_ledger::note::{KeyName, NoteSigner, Vkey};
use countersign_ledger::proof::{LogProof, Receipt};
use serde_json::Value;

fn vectors(name: &str) -> Option<String> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map_or(beside, PathBuf::from);
    let file = folder.join(name);
    if !folder.exists() {
        eprintln!("skipped: no test vectors in {}", folder.display());
        return None;
    }
    Some(std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())))
}

fn json(name: &str) -> Option<Value> {
    vectors(name).map(|text| serde_json::from_str(&text).unwrap())
}

/// Reads a hash as a decoder does: of any other length it is refused before a proof is looked at.
fn hash(value: &Value) -> Option<[u8; 32]> {
    STANDARD.decode(value.as_str()?).ok()?.try_into().ok()
}

fn proof(value: &Value) -> Option<Vec<NodeHash>> {
    let hashes = value.as_array().map_or(&[][..], Vec::as_slice);
    hashes.iter().map(|h| hash(h).map(NodeHash::from_bytes)).collect()
}

#[test]
fn inclusion_vectors() {
    let Some(vectors) = json("merkle_inclusion.json") else { return };
    let cases = vectors["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 98);
    for (name, case) in cases {
        let holds = || {
            let (root, leaf) = (hash(&case["root"])?, hash(&case["leafHash"])?);
            let (seq, size) = (Seq(case["leafIdx"].as_u64()?), TreeSize(case["treeSize"].as_u64()?));
            let (leaf, root) = (LeafHash::from_bytes(leaf), NodeHash::from_bytes(root));
            verify_inclusion(seq, size, &leaf, &proof(&case["proof"])?, &root).ok()
        };
        assert_eq!(holds().is_none(), case["wantErr"].as_bool().unwrap(), "{name}: {}", case["desc"]);
    }
}

/// Reads a root. Some of these vectors have a short text such as "don't care 2" for one, and one of them expects it to be
/// accepted; a [`NodeHash`] cannot hold it, so its SHA-256 stands for it: equal where the texts are equal.
fn root(value: &Value) -> Option<NodeHash> {
    let stand_in = || STANDARD.decode(value.as_str()?).ok().map(|text| sha256(&[&text]));
    hash(value).or_else(stand_in).map(NodeHash::from_bytes)
}

#[test]
fn consistency_vectors() {
    let Some(vectors) = json("merkle_consistency.json") else { return };
    let cases = vectors["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 98);
    for (name, case) in cases {
        let holds = || {
            let (old, new) = (TreeSize(case["size1"].as_u64()?), TreeSize(case["size2"].as_u64()?));
            let (old_root, new_root) = (root(&case["root1"])?, root(&case["root2"])?);
            verify_consistency(old, new, &old_root, &new_root, &proof(&case["proof"])?).ok()
        };
        assert_eq!(holds().is_none(), case["wantErr"].as_bool().unwrap(), "{name}: {}", case["desc"]);
    }
}

/// The private key of the example that has this name: its seed is the SHA-256 of the name.
fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(&[name.as_bytes()]))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member}"))
}

#[test]
fn spec_example_roots_checkpoint_and_proof() {
    let (Some(example), Some(bundle)) = (json("spec_example.json"), vectors("spec_example.bundle.jsonl")) else {
        return;
    };
    let lines: Vec<&str> = bundle.lines().filter(|line| line.starts_with("{\"seq\":")).collect();
    let entries = example["entries"].as_array().unwrap();
    assert_eq!((lines.len(), entries.len()), (8, 8));

    let mut frontier = Frontier::new();
    for (line, entry) in lines.iter().zip(entries) {
        let leaf = LeafHash::of_line(line.as_bytes());
        assert_eq!(leaf.to_string(), text(entry, "leaf_hash"));
        frontier.append(&[leaf]).unwrap();
        assert_eq!(frontier.root().to_string(), text(entry, "root_of_first_i_plus_1"));
    }

    let log_vkey: Vkey = text(&example, "log_vkey").parse().unwrap();
    assert_eq!(log_vkey.to_string(), text(&example, "log_vkey"));
    let log = NoteSigner::new(log_vkey.name().clone(), key("spec-example/log"));
    assert_eq!(*log.vkey(), log_vkey);
    let origin = log_vkey.name().as_str().parse().unwrap();
    assert_eq!(KeyName::from(&origin), *log_vkey.name());
    let checkpoint = Checkpoint { origin, size: frontier.size(), root: frontier.root() };
    let signed = checkpoint.sign(std::slice::from_ref(&log)).unwrap();
    assert_eq!(signed.to_string(), text(&example, "checkpoint_without_cosignature"));
    signed.verify(&log_vkey).unwrap();

    let leaves: Vec<_> = lines.iter().map(|line| LeafHash::of_line(line.as_bytes())).collect();
    let appended = Frontier::new().append(&leaves).unwrap();
    let proof = LogProof::new(Seq(5), appended.inclusion_proof(Seq(5)).unwrap(), signed).unwrap();
    assert_eq!(proof.to_string(), text(&example, "proof_of_entry_5"));
    let read: LogProof = text(&example, "proof_of_entry_5").parse().unwrap();
    assert_eq!(read, proof);
    read.verify_leaf(&LeafHash::of_line(text(&example, "entry_5_line").as_bytes())).unwrap();
    let receipt = Receipt::new(lines[5].to_owned(), read, vec![]).unwrap();
    Receipt::from_json(receipt.to_json().as_bytes()).unwrap().verify_inclusion().unwrap();
}

#[test]
fn spec_example_cosignature() {
    let (Some(example), Some(bundle)) = (json("spec_example.json"), vectors("spec_example.bundle.jsonl")) else {
        return;
    };
    let head: Value = serde_json::from_str(bundle.lines().next().unwrap()).unwrap();
    let cosigned: SignedCheckpoint = text(&head, "checkpoint").parse().unwrap();
    assert_eq!(cosigned.to_string(), text(&head, "checkpoint"));
    let plain = text(&example, "checkpoint_without_cosignature");
    assert!(cosigned.to_string().starts_with(plain));

    let vkey: Vkey = text(&example, "witness_vkey").parse().unwrap();
    let witness = Cosigner::new(vkey.name().clone(), key("spec-example/w1"));
    assert_eq!(*witness.vkey(), vkey);
    let cosignature = cosigned.verify_cosignature(&vkey).unwrap();
    let plain: SignedCheckpoint = plain.parse().unwrap();
    let again = plain.with_signature(witness.cosign(&cosigned, cosignature.timestamp).unwrap()).unwrap();
    assert_eq!(again, cosigned);
    cosigned.verify(&text(&example, "log_vkey").parse().unwrap()).unwrap();
}
