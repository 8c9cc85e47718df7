//! Ed25519 against Wycheproof, with and without tables (SPEC §2).
//!
//! The vectors are found as in `log.rs`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::PathBuf;

use countersign_ledger::keys::{KeyTables, PublicKey, Signature, Signed, TableLimits};
use serde_json::Value;

#[test]
fn wycheproof_with_and_without_tables() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map_or(beside, PathBuf::from);
    if !folder.exists() {
        eprintln!("skipped: no test vectors in {}", folder.display());
        return;
    }
    let text = std::fs::read_to_string(folder.join("wycheproof_ed25519.json")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let tables = KeyTables::new(TableLimits { keys: 64, after: 0 });
    let (mut seen, mut refused) = (0, Vec::new());
    for group in vectors["testGroups"].as_array().unwrap() {
        let key: [u8; 32] = hex::decode(group["publicKey"]["pk"].as_str().unwrap()).unwrap().try_into().unwrap();
        let key = PublicKey::from_bytes(&key);
        for case in group["tests"].as_array().unwrap() {
            seen += 1;
            let wanted = case["result"] == "valid";
            let message = hex::decode(case["msg"].as_str().unwrap()).unwrap();
            let signature = hex::decode(case["sig"].as_str().unwrap()).unwrap();
            let found = match (&key, <[u8; 64]>::try_from(signature)) {
                (Ok(key), Ok(bytes)) => {
                    let signed = Signed { key: *key, message: &message, signature: Signature::from_bytes(bytes) };
                    let strict = key.verify(&message, &signed.signature).is_ok();
                    // The first valid signature of a key makes its table; the second goes through it.
                    for _ in 0..2 {
                        assert_eq!(tables.verify(&signed).is_ok(), strict, "{case}");
                        assert_eq!(tables.verify_each(&[signed; 3]), vec![key.verify(&message, &signed.signature); 3]);
                    }
                    strict
                }
                // Refused where bytes become a key or a signature.
                _ => false,
            };
            assert!(wanted || !found, "accepted: {case}");
            if wanted && !found {
                refused.push(case["tcId"].as_u64().unwrap());
            }
        }
    }
    assert_eq!(seen, 151);
    assert!(!tables.is_empty());
    // Nothing that Wycheproof calls valid is refused: it has no valid case with small order or another encoding.
    assert_eq!(refused, [0u64; 0]);
}
