//! Ed25519: which keys are acceptable, and which signatures are valid (SPEC §2), against `verify_strict` itself.
//!
//! A case is text: key, message, signature in hex, a line each.

use countersign_ledger::keys::{KeyTables, PublicKey, Signature, Signed, TableLimits};
use countersign_verify::keys::PublicKey as ReadKey;
use countersign_verify::tables::FastKey;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;

use crate::forge::Key;
use crate::forge::key::{noncanonical_point, small_order_points};
use crate::rng::Rng;
use crate::target::{Change, Target, Verdict, Verdicts};
use crate::text::lines;

/// Public keys, in hex.
pub fn key() -> Target {
    Target {
        name: "key",
        about: "which public keys a ledger may take in: canonical, no small order, no torsion (SPEC §2)",
        make: |rng| hex::encode(public(rng)).into_bytes(),
        judge: |input| {
            let bytes: [u8; 32] = hex::decode(input).ok()?.try_into().ok()?;
            Some(Verdicts::of(
                || PublicKey::from_bytes(&bytes).map(|key| key.id().to_string()).map_err(|e| e.to_string()),
                || {
                    let key = ReadKey::from_bytes(bytes);
                    key.unacceptable().map_or_else(|| Ok(key.id().to_string()), |why| Err(why.to_owned()))
                },
            ))
        },
        words: &["ed", "7f", "ff", "ee", "00"],
        change: Change::Bytes,
    }
}

fn some_key(rng: &mut Rng) -> Key {
    Key::new(format!("fuzz {}", rng.below(6)))
}

fn public(rng: &mut Rng) -> [u8; 32] {
    match rng.below(8) {
        0 => *rng.pick(&small_order_points()),
        1 => noncanonical_point(),
        2 => some_key(rng).outside_subgroup().public(),
        3 => rng.bytes(),
        4 => near_the_edge(rng),
        5 => {
            let bytes = some_key(rng).public();
            torsion(rng, bytes)
        }
        _ => some_key(rng).public(),
    }
}

/// An encoding with y close to 0, p or 2^255, and either sign.
fn near_the_edge(rng: &mut Rng) -> [u8; 32] {
    let mut bytes = if rng.one_in(2) { [0xff; 32] } else { [0; 32] };
    bytes[0] = if rng.one_in(2) { rng.bytes::<1>()[0] } else { 0xe0 | rng.bytes::<1>()[0] & 0x1f };
    bytes[31] = *rng.pick(&[0x00, 0x7f, 0x80, 0xff]);
    bytes
}

/// The same point with one of small order added.
fn torsion(rng: &mut Rng, bytes: [u8; 32]) -> [u8; 32] {
    let at = rng.below(8);
    CompressedEdwardsY(bytes).decompress().map_or(bytes, |point| (point + EIGHT_TORSION[at]).compress().0)
}

/// Signatures: both sides' usual and fast ways, and ed25519-dalek's `verify_strict`, must say the same.
pub fn signature() -> Target {
    Target {
        name: "signature",
        about: "Ed25519 signatures: usual and fast ways of both sides, and verify_strict itself (SPEC §2)",
        make,
        judge: |input| {
            let parts = lines(input)?;
            let &[key, message, signature] = parts.as_slice() else { return None };
            let key: [u8; 32] = hex::decode(key).ok()?.try_into().ok()?;
            let message = hex::decode(message).ok()?;
            let signature: [u8; 64] = hex::decode(signature).ok()?.try_into().ok()?;
            // a ledger holds no other keys: those are the target `key`
            let acceptable = PublicKey::from_bytes(&key).ok()?;
            let strict = ed25519_dalek::VerifyingKey::from_bytes(&key).is_ok_and(|key| {
                key.verify_strict(&message, &ed25519_dalek::Signature::from_bytes(&signature)).is_ok()
            });
            Some(Verdicts::of(
                || verdict(strict, &by_ledger(&acceptable, &message, signature)),
                || verdict(strict, &by_verifier(key, &message, &signature)),
            ))
        },
        words: &["edd3f55c1a631258d69cf7a2def9de14", "00", "ff", "10"],
        change: Change::Bytes,
    }
}

/// The verdict of several ways that must all be that of `verify_strict`.
fn verdict(strict: bool, ways: &[bool]) -> Verdict {
    match (ways.iter().all(|way| *way), ways.iter().any(|way| *way)) {
        (true, _) if strict => Ok("valid".to_owned()),
        (_, false) if !strict => Err("not valid".to_owned()),
        _ => panic!("verify_strict says {strict}, the ways say {ways:?}"),
    }
}

fn by_ledger(key: &PublicKey, message: &[u8], signature: [u8; 64]) -> Vec<bool> {
    let signature = Signature::from_bytes(signature);
    let signed = Signed { key: *key, message, signature };
    let fast = KeyTables::new(TableLimits { keys: 4, after: 1 });
    // a valid signature earns the key its table
    let seed = (0..6).map(|n| Key::new(format!("fuzz {n}"))).find(|k| k.public() == *key.as_bytes());
    if let Some(own) = seed {
        let signature = Signature::from_bytes(own.sign(b"a table"));
        assert!(
            fast.verify(&Signed { key: *key, message: b"a table", signature }).is_ok(),
            "a good signature is valid"
        );
        assert_eq!(fast.len(), 1, "one signature is worth a table here");
    }
    let many = fast.verify_each(&[signed, signed]);
    vec![key.verify(message, &signature).is_ok(), fast.verify(&signed).is_ok(), many[0].is_ok(), many[1].is_ok()]
}

fn by_verifier(key: [u8; 32], message: &[u8], signature: &[u8; 64]) -> Vec<bool> {
    let key = ReadKey::from_bytes(key);
    let mut ways = vec![key.verifies(message, signature)];
    ways.extend(FastKey::new(&key, 4).map(|fast| fast.verifies(message, signature)));
    ways
}

fn make(rng: &mut Rng) -> Vec<u8> {
    let key = some_key(rng);
    let message = rng.bytes::<8>();
    let mut signature = match rng.below(10) {
        0 => key.sign_with_large_s(&message),
        1 => key.sign_with_torsion_in_r(&message, rng.below(8)),
        2 => key.sign_with_small_order_r(&message),
        3 => key.sign_with_noncanonical_r(&message),
        4 => {
            let mut out = [0; 64];
            let r = if rng.one_in(2) { near_the_edge(rng) } else { public(rng) };
            out[..32].copy_from_slice(&r);
            out[32..].copy_from_slice(&key.sign(&message)[32..]);
            out
        }
        _ => key.sign(&message),
    };
    if rng.one_in(4) {
        signature[rng.below(64)] ^= 1 << rng.below(8);
    }
    let public = if rng.one_in(6) { torsion(rng, key.public()) } else { key.public() };
    format!("{}\n{}\n{}", hex::encode(public), hex::encode(message), hex::encode(signature)).into_bytes()
}
