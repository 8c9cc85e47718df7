#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::id::TreeSize;
use crate::keys::SigningKey;
use crate::merkle::{Frontier, empty_root};
use crate::note::NoteSigner;

const HASH: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

fn line(seq: u64) -> String {
    format!("{{\"seq\":{seq},\"text\":\"hello\"}}")
}

/// A log of `size` entries, and the proof of one of them.
fn proof(seq: u64, size: u64) -> LogProof {
    let leaves: Vec<_> = (0..size).map(|seq| LeafHash::of_line(line(seq).as_bytes())).collect();
    let appended = Frontier::new().append(&leaves).unwrap();
    let checkpoint =
        Checkpoint { origin: "log.example/a".parse().unwrap(), size: TreeSize(size), root: appended.root() };
    let key = NoteSigner::new("log.example/a".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
    let hashes = appended.inclusion_proof(Seq(seq)).unwrap();
    LogProof::new(Seq(seq), hashes, checkpoint.sign(&[key]).unwrap()).unwrap()
}

#[test]
fn a_proof_proves_one_leaf() {
    let proof: LogProof = proof(5, 8).to_string().parse().unwrap();
    proof.verify_leaf(&LeafHash::of_line(line(5).as_bytes())).unwrap();
    let other = proof.verify_leaf(&LeafHash::of_line(line(4).as_bytes()));
    assert!(matches!(other, Err(InclusionError::Root { .. })));
    let short = LogProof::new(Seq(5), proof.hashes()[1..].to_vec(), proof.checkpoint().clone()).unwrap();
    let leaf = LeafHash::of_line(line(5).as_bytes());
    assert!(matches!(short.verify_leaf(&leaf), Err(InclusionError::Length { expected: 3, found: 2, .. })));
    let beyond = LogProof::new(Seq(8), vec![], proof.checkpoint().clone()).unwrap();
    assert!(matches!(beyond.verify_leaf(&leaf), Err(InclusionError::BeyondTree { .. })));
}

#[test]
fn other_forms_of_a_proof_are_refused() {
    let good = proof(5, 8).to_string();
    let checkpoint = good.split_once("\n\n").unwrap().1;
    let head = "c2sp.org/tlog-proof@v1\n";
    let with_extra = format!("{head}extra AAE=\nindex 5\n\n{checkpoint}");
    assert_eq!(with_extra.parse::<LogProof>().unwrap().extra(), Some(&[0, 1][..]));
    assert_eq!(with_extra.parse::<LogProof>().unwrap().to_string(), with_extra);
    for (bad, error, at) in [
        (String::new(), "NoCheckpoint", 0),
        (head.into(), "NoCheckpoint", 0),
        (format!("{head}index 5\n"), "NoCheckpoint", 0),
        (format!("{head}index 5\n{HASH}\n"), "NoCheckpoint", 0),
        (format!("{head}index 5\n{HASH}\n{checkpoint}"), "Line", 4),
        (format!("{head}index 5\n\n\n{checkpoint}"), "Checkpoint", 0),
        (format!("{head}index 5\n\n"), "Checkpoint", 0),
        (good.replacen("@v1", "@v2", 1), "Line", 1),
        (format!("\u{feff}{good}"), "Line", 1),
        (format!("\n{good}"), "Line", 1),
        (good.replacen('\n', "\r\n", 1), "Line", 1),
        (good.replacen("index 5", "index 05", 1), "Line", 2),
        (good.replacen("index 5", "index  5", 1), "Line", 2),
        (good.replacen("index 5", "index -5", 1), "Line", 2),
        (good.replacen("index 5", "index", 1), "Line", 2),
        (good.replacen("index 5", "index 18446744073709551616", 1), "Line", 2),
        (good.replacen("index 5", "Index 5", 1), "Line", 2),
        (good.replacen("index 5", "extra AAF=\nindex 5", 1), "Line", 2),
        (good.replacen("index 5", "extra AAE\nindex 5", 1), "Line", 2),
        (good.replacen("index 5", "extra\nindex 5", 1), "Line", 2),
        (good.replacen("index 5", "index 5\nextra AAE=", 1), "Line", 3),
        (good.replacen("index 5", "extra AAE=\nextra AAE=\nindex 5", 1), "Line", 3),
        (good.replacen("index 5", "index 5\nAAAA", 1), "Line", 3),
        (good.replacen("index 5", &format!("index 5\n{HASH} "), 1), "Line", 3),
        (good.replacen("index 5", &format!("index 5{}", format!("\n{HASH}").repeat(62)), 1), "TooManyHashes", 0),
        (format!("{good}\n"), "Checkpoint", 0),
        (good.trim_end().into(), "Checkpoint", 0),
    ] {
        let found = bad.parse::<LogProof>().unwrap_err();
        assert!(format!("{found:?}").starts_with(error), "{bad:?}: {found:?}");
        if let ProofError::Line { line, .. } = found {
            assert_eq!(line, at, "{bad:?}");
        }
    }
    let long = format!("{head}extra {}\nindex 5\n\n{checkpoint}", "A".repeat(MAX_PROOF_BYTES));
    assert_eq!(long.parse::<LogProof>(), Err(ProofError::TooLong { found: long.len() }));
    let many = LogProof::new(Seq(0), vec![empty_root(); 65], proof(0, 1).checkpoint().clone());
    assert_eq!(many, Err(ProofError::TooManyHashes));
}

#[test]
fn receipts_have_exactly_three_members() {
    let receipt = Receipt::new(line(5), proof(5, 8), vec!["WyJ4Il0".into()]).unwrap();
    let json = receipt.to_json();
    assert!(json.starts_with("{\"entry\":\"{\\\"seq\\\":5,") && json.ends_with(",\"disclosures\":[\"WyJ4Il0\"]}"));
    let again = Receipt::from_json(json.as_bytes()).unwrap();
    assert_eq!(again, receipt);
    again.verify_inclusion().unwrap();
    assert_eq!(again.seq(), Seq(5));
    assert_eq!(serde_json::from_str::<Receipt>(&json).unwrap(), receipt);
    for (bad, error) in [
        (String::new(), "Json"),
        (format!("{json}\n"), "Json"),
        (format!(" {json}"), "Json"),
        (json.replacen(":[", ":[[", 1).replacen("]}", "]]}", 1), "Json"),
        (json.replacen("{\"entry\"", "{\"entry\":\"x\",\"entry\"", 1), "Json"),
        (json.replacen("{\"entry\"", "{\"more\":1,\"entry\"", 1), "Members"),
        (json.replacen("\"disclosures\"", "\"disclosure\"", 1), "Members"),
        (json.replacen(",\"disclosures\":[\"WyJ4Il0\"]", "", 1), "Members"),
        (json.replacen("[\"WyJ4Il0\"]", "null", 1), "Members"),
        (json.replacen("[\"WyJ4Il0\"]", "[1]", 1), "Members"),
        (json.replacen("tlog-proof@v1", "tlog-proof@v2", 1), "Proof"),
        (json.replacen("index 5", "index 4", 1), "Seq"),
        (json.replacen("\\\"seq\\\":5", "\\\"seq\\\":55", 1), "Seq"),
        (json.replacen("\\\"seq\\\":5", " \\\"seq\\\":5", 1), "Seq"),
    ] {
        let found = Receipt::from_json(bad.as_bytes()).unwrap_err();
        assert!(format!("{found:?}").starts_with(error), "{bad}: {found:?}");
    }
}

#[test]
fn receipts_keep_their_limits() {
    let long = format!("{{\"seq\":5,{}", "x".repeat(MAX_ENTRY_BYTES));
    assert!(matches!(Receipt::new(long, proof(5, 8), vec![]), Err(ReceiptError::EntryTooLong { .. })));
    let many = vec![String::new(); MAX_DISCLOSURES + 1];
    assert!(matches!(Receipt::new(line(5), proof(5, 8), many), Err(ReceiptError::TooManyDisclosures { found: 257 })));
    let big = vec!["x".repeat(MAX_DISCLOSURE_BYTES / 2 + 1); 2];
    assert!(matches!(Receipt::new(line(5), proof(5, 8), big), Err(ReceiptError::DisclosuresTooLong { .. })));
    let padded = format!("{}{}", " ".repeat(MAX_RECEIPT_BYTES), "{}");
    assert!(matches!(Receipt::from_json(padded.as_bytes()), Err(ReceiptError::TooLong { .. })));
    // The largest receipt that can be made can be read.
    let entry = format!("{{\"seq\":5,{}", "\"".repeat(MAX_ENTRY_BYTES - 9));
    let disclosures = vec!["x".repeat(MAX_DISCLOSURE_BYTES / MAX_DISCLOSURES); MAX_DISCLOSURES];
    let receipt = Receipt::new(entry, proof(5, 8), disclosures).unwrap();
    assert_eq!(Receipt::from_json(receipt.to_json().as_bytes()).unwrap(), receipt);
}

proptest! {
    #[test]
    fn proofs_round_trip(seq in 0u64..40, more in 1u64..40) {
        let proof = proof(seq, seq + more);
        let text = proof.to_string();
        let again: LogProof = text.parse().unwrap();
        prop_assert_eq!(&again, &proof);
        prop_assert_eq!(again.to_string(), text);
        prop_assert!(again.verify_leaf(&LeafHash::of_line(line(seq).as_bytes())).is_ok());
    }

    #[test]
    fn what_parses_is_written_the_same_again(middle in "[a-z0-9A-Z+/= \n]{0,100}", text in any::<String>()) {
        let good = proof(0, 1).to_string();
        for text in [text, format!("c2sp.org/tlog-proof@v1\n{middle}"), good.replacen("index 0\n", &middle, 1)] {
            if let Ok(proof) = text.parse::<LogProof>() {
                prop_assert_eq!(proof.to_string(), text);
            }
        }
    }

    #[test]
    fn one_changed_character_never_passes(at in any::<prop::sample::Index>(), with in "[ -~\n]") {
        let (good, key) = (proof(5, 8).to_string(), SigningKey::from_seed(&[1; 32]));
        let vkey = NoteSigner::new("log.example/a".parse().unwrap(), key);
        let mut chars: Vec<char> = good.chars().collect();
        let at = at.index(chars.len());
        chars[at] = with.chars().next().unwrap();
        let text: String = chars.into_iter().collect();
        let leaf = LeafHash::of_line(line(5).as_bytes());
        let holds = text.parse::<LogProof>().is_ok_and(|proof| {
            proof.verify_leaf(&leaf).is_ok() && proof.checkpoint().verify(vkey.vkey()).is_ok()
        });
        prop_assert_eq!(holds, text == good);
    }

    #[test]
    fn receipts_never_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        let _ = Receipt::from_json(&bytes);
        let _ = Receipt::from_json(text.as_bytes());
    }
}
