//! Keys from names, and signatures that are good or wrong in one way (SPEC §2).
//!
//! The seed of a key is SHA-256 of its name, so every vector can be made again from its text alone.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256, Sha512};

use super::{b64, sha256};

/// An Ed25519 key pair made from a name.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name whose SHA-256 is the seed.
    pub name: String,
    signing: SigningKey,
    /// A small-order point added to the public key, if it is to be an unacceptable one.
    torsion: Option<usize>,
}

impl Key {
    /// The key whose seed is SHA-256(name).
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let seed: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        Self { name, signing: SigningKey::from_bytes(&seed), torsion: None }
    }

    /// The same key with a point of order eight added to the public half: outside the prime-order
    /// subgroup, yet able to make signatures that the cofactorless equation accepts.
    #[must_use]
    pub fn outside_subgroup(mut self) -> Self {
        self.torsion = Some(1);
        self
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.signing.to_bytes()
    }

    /// Whether the seed alone makes the key.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.torsion.is_none()
    }

    /// The 32 bytes of the public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let point = self.signing.verifying_key().to_bytes();
        match self.torsion {
            None => point,
            Some(i) => (decompress(&point) + EIGHT_TORSION[i]).compress().to_bytes(),
        }
    }

    /// The public key as JSON has it.
    #[must_use]
    pub fn base64(&self) -> String {
        b64(&self.public())
    }

    /// Lower-case hex SHA-256 of the public key.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(sha256(&self.public()))
    }

    /// Signs as RFC 8032 says; for a key outside the subgroup, with a nonce for which the
    /// cofactorless equation still holds.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        if self.torsion.is_none() {
            return self.signing.sign(message).to_bytes();
        }
        (0u64..)
            .map(|n| self.sign_with(message, n, |r| r.compress().to_bytes()))
            .find(|(_, k)| k.as_bytes()[0].is_multiple_of(8))
            .expect("one nonce in eight will do")
            .0
    }

    /// Signs with S + L in place of S: the same equation, another encoding.
    #[must_use]
    pub fn sign_with_large_s(&self, message: &[u8]) -> [u8; 64] {
        let mut sig = self.signing.sign(message).to_bytes();
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0u16;
        for (s, l) in sig[32..].iter_mut().zip(L) {
            let sum = u16::from(*s) + u16::from(l) + carry;
            [*s, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        assert_eq!(carry, 0, "S + L fits 256 bits");
        sig
    }

    /// Signs with a point of small order added to R, the `i`th of the eight: refused by the cofactorless equation, accepted
    /// by the cofactored one and by a batch equation whose random factor is a multiple of eight.
    #[must_use]
    pub fn sign_with_torsion_in_r(&self, message: &[u8], i: usize) -> [u8; 64] {
        self.sign_with(message, 0, |r| (r + EIGHT_TORSION[i]).compress().to_bytes()).0
    }

    /// Signs with nonce zero, so that R is the neutral element: the equation holds, R has small order.
    #[must_use]
    pub fn sign_with_small_order_r(&self, message: &[u8]) -> [u8; 64] {
        self.sign_scalar(message, Scalar::ZERO, EdwardsPoint::default().compress().to_bytes()).0
    }

    /// As [`Key::sign_with_small_order_r`], with the neutral element written as y = p + 1.
    #[must_use]
    pub fn sign_with_noncanonical_r(&self, message: &[u8]) -> [u8; 64] {
        let mut r = [0xff; 32];
        r[0] = 0xee;
        r[31] = 0x7f;
        self.sign_scalar(message, Scalar::ZERO, r).0
    }

    fn sign_with(&self, message: &[u8], nonce: u64, r_bytes: impl Fn(EdwardsPoint) -> [u8; 32]) -> ([u8; 64], Scalar) {
        let mut h = Sha512::new();
        h.update(b"countersign vectors nonce");
        h.update(self.seed());
        h.update(nonce.to_be_bytes());
        h.update(message);
        let r = Scalar::from_bytes_mod_order_wide(&h.finalize().into());
        self.sign_scalar(message, r, r_bytes(ED25519_BASEPOINT_POINT * r))
    }

    fn sign_scalar(&self, message: &[u8], r: Scalar, r_bytes: [u8; 32]) -> ([u8; 64], Scalar) {
        let mut h = Sha512::new();
        h.update(r_bytes);
        h.update(self.public());
        h.update(message);
        let k = Scalar::from_bytes_mod_order_wide(&h.finalize().into());
        let s = r + k * self.signing.to_scalar();
        let mut out = [0; 64];
        out[..32].copy_from_slice(&r_bytes);
        out[32..].copy_from_slice(s.as_bytes());
        (out, k)
    }
}

fn decompress(bytes: &[u8; 32]) -> EdwardsPoint {
    CompressedEdwardsY(*bytes).decompress().expect("a public key is a point")
}

/// The eight points of small order, each in its canonical encoding.
#[must_use]
pub fn small_order_points() -> Vec<[u8; 32]> {
    EIGHT_TORSION.iter().map(|p| p.compress().to_bytes()).collect()
}

/// An encoding with y = p + 1: the neutral element, not canonical.
#[must_use]
pub fn noncanonical_point() -> [u8; 32] {
    let mut r = [0xff; 32];
    r[0] = 0xee;
    r[31] = 0x7f;
    r
}
