//! Ed25519 keys and the one acceptance rule (SPEC §2).

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signature, VerifyingKey};

use crate::hash::{KeyId, sha256};

/// A public key: its 32 bytes, whatever they are worth. Keys are compared as bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Wraps 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }

    /// Reads padded canonical base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Option<PublicKey> {
        let bytes = crate::scalar::base64_bytes(text.as_bytes())?;
        Some(PublicKey(bytes.try_into().ok()?))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key's name: SHA-256 of its bytes.
    pub fn id(&self) -> KeyId {
        KeyId(sha256(&[&self.0]))
    }

    /// Why a ledger must not take this key in (SPEC §2); `None` if it may.
    pub fn unacceptable(&self) -> Option<&'static str> {
        let Some(point) = CompressedEdwardsY(self.0).decompress() else {
            return Some("the key is not a point of the curve");
        };
        if point.compress().0 != self.0 {
            return Some("the key is not canonically encoded");
        }
        if point.is_small_order() {
            return Some("the key is of small order");
        }
        if !point.is_torsion_free() {
            return Some("the key is outside the prime-order subgroup");
        }
        None
    }

    /// Whether a signature by this key can be valid at all: A is the canonical encoding of a point. ed25519-dalek
    /// keeps the bytes that it was given, so this has to be asked beside it; it refuses small orders itself.
    pub fn is_usable(&self) -> bool {
        CompressedEdwardsY(self.0).decompress().is_some_and(|point| point.compress().0 == self.0)
    }

    /// Whether `signature` on `message` is valid as SPEC §2 says.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.is_usable()
            && VerifyingKey::from_bytes(&self.0)
                .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}
