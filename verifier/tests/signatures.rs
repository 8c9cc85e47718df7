//! The table method against ed25519-dalek's `verify_strict`: the same verdict on crafted and on random input.
#![allow(clippy::unwrap_used)]

use countersign_verify::keys::PublicKey;
use countersign_verify::tables::{FastKey, check_all};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use proptest::prelude::*;
use sha2::{Digest, Sha512};

fn strict(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

fn fast(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    FastKey::new(&PublicKey::from_bytes(*key), 5).is_some_and(|key| key.verifies(message, signature))
}

/// Asserts that all three ways agree, and answers what they say.
fn agreed(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let verdict = strict(key, message, signature);
    assert_eq!(fast(key, message, signature), verdict);
    assert_eq!(PublicKey::from_bytes(*key).verifies(message, signature), verdict);
    verdict
}

fn challenge(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(a).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

fn join(r: &[u8; 32], s: &Scalar) -> [u8; 64] {
    [*r, s.to_bytes()].concat().try_into().unwrap()
}

/// A signature with a torsion part in A and another in R, made so that the equation may hold.
#[test]
fn torsion_in_keys_and_nonces() {
    let (a, nonce) = (Scalar::from(1_234_567_u64), Scalar::from(7_654_321_u64));
    let (mut held, mut tried) = (0, 0);
    for key_torsion in EIGHT_TORSION {
        for nonce_torsion in EIGHT_TORSION {
            let point = ED25519_BASEPOINT_POINT * a + key_torsion;
            let key = point.compress().0;
            for n in 0..24u8 {
                let r = (ED25519_BASEPOINT_POINT * nonce + nonce_torsion).compress().0;
                let k = challenge(&r, &key, &[n]);
                held += u32::from(agreed(&key, &[n], &join(&r, &(nonce + k * a))));
                tried += 1;
            }
        }
    }
    // the equation is cofactorless: torsion has to cancel, which it does by chance
    assert!(held > 100 && held < tried / 2, "{held} of {tried}");
}

#[test]
fn small_orders() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = key.verifying_key().to_bytes();
    let a = key.to_scalar();
    for torsion in EIGHT_TORSION {
        let small = torsion.compress().0;
        for n in 0..16u8 {
            // R of small order, S made so that the equation holds
            let k = challenge(&small, &public, &[n]);
            assert!(!agreed(&public, &[n], &join(&small, &(k * a))));
            // A of small order: any R = S·B − k·A that happens to fit
            let s = Scalar::from(u64::from(n) + 5);
            let r = (ED25519_BASEPOINT_POINT * s).compress().0;
            assert!(!agreed(&small, &[n], &join(&r, &s)));
            assert!(!agreed(&small, &[n], &join(&small, &Scalar::ZERO)));
        }
    }
    let identity = EdwardsPoint::default().compress().0;
    assert!(!agreed(&identity, b"", &join(&identity, &Scalar::ZERO)));
}

#[test]
fn non_canonical_encodings() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = key.verifying_key().to_bytes();
    let good = key.sign(b"message").to_bytes();
    assert!(agreed(&public, b"message", &good));
    // S + L
    let order: [u8; 32] = {
        let minus_one = (-Scalar::ONE).to_bytes();
        let mut order = minus_one;
        order[0] += 1;
        order
    };
    let mut high = good;
    let mut carry = 0u16;
    for (byte, add) in high[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert!(!agreed(&public, b"message", &high));
    // every encoding with y from p to 2^255 − 1, as R and as A, and y = 0 to 18, both signs
    for low in 0..=255u8 {
        for sign in [0x00, 0x80] {
            let mut encoding = [0xff; 32];
            encoding[0] = low;
            encoding[31] = 0x7f | sign;
            let mut small = [0; 32];
            (small[0], small[31]) = (low, sign);
            for encoding in [encoding, small] {
                let mut signature = good;
                signature[..32].copy_from_slice(&encoding);
                assert!(!agreed(&public, b"message", &signature));
                assert!(!agreed(&encoding, b"message", &good));
                assert!(!agreed(&encoding, b"message", &join(&encoding, &Scalar::ZERO)));
            }
        }
    }
}

#[test]
fn many_at_once() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let fast = FastKey::new(&PublicKey::from_bytes(key.verifying_key().to_bytes()), 7).unwrap();
    let mut signatures: Vec<[u8; 64]> = (0..100u8).map(|n| key.sign(&[n]).to_bytes()).collect();
    for (at, signature) in signatures.iter_mut().enumerate() {
        if at % 3 == 0 {
            signature[at % 32] ^= 4;
        }
    }
    let points: Vec<_> = (0..100u8).map(|n| fast.expected_r(&[n], &signatures[usize::from(n)]).unwrap()).collect();
    let verdicts = check_all(&points, &signatures.iter().collect::<Vec<_>>());
    for (n, verdict) in (0..100u8).zip(verdicts) {
        let signature = &signatures[usize::from(n)];
        assert_eq!(verdict, strict(&key.verifying_key().to_bytes(), &[n], signature));
        assert_eq!(verdict, n % 3 != 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn mutations(seed in any::<[u8; 32]>(), message in proptest::collection::vec(any::<u8>(), 0..80), flips in proptest::collection::vec((0usize..96, 0u8..8), 0..3)) {
        let key = SigningKey::from_bytes(&seed);
        let mut both = [&key.verifying_key().to_bytes()[..], &key.sign(&message).to_bytes()].concat();
        for (byte, bit) in &flips {
            both[*byte] ^= 1 << bit;
        }
        let public: [u8; 32] = both[..32].try_into().unwrap();
        let signature: [u8; 64] = both[32..].try_into().unwrap();
        let verdict = agreed(&public, &message, &signature);
        if flips.is_empty() {
            prop_assert!(verdict);
        }
    }
}
