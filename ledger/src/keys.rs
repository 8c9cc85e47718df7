//! Ed25519 keys and signatures under one acceptance rule (SPEC §2).
//!
//! A public key is acceptable only if it is canonically encoded, not of small order, and in the prime-order subgroup:
//! [`PublicKey`] cannot hold another. A signature is valid iff ed25519-dalek's `verify_strict` says so.
//!
//! Private keys are PKCS#8 PEM files, as `openssl genpkey -algorithm ed25519` makes them, encrypted under a passphrase
//! unless the user asks otherwise.

mod cache;
mod signer;
mod table;

pub use cache::{KeyTables, Signed, TableLimits};
pub use signer::{Signer, SignerError, signature_by};

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::hash::{KeyId, sha256};

/// Tells why 32 bytes, or their base64, are no acceptable public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The text is not the canonical base64 of 32 bytes.
    #[error("expected the padded base64 of 32 bytes (44 characters), found {found:?}")]
    Encoding {
        /// The text, shortened.
        found: String,
    },
    /// The bytes are not the canonical encoding of a point of the curve.
    #[error("not the canonical encoding of an Ed25519 public key: {key}")]
    NotCanonical {
        /// The bytes in base64.
        key: String,
    },
    /// The point has small order, or a component of small order.
    #[error("an Ed25519 public key outside the prime-order subgroup: {key}")]
    Torsion {
        /// The bytes in base64.
        key: String,
    },
}

/// An acceptable Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// Accepts 32 bytes as a public key.
    ///
    /// # Errors
    /// When they are not canonical, of small order, or outside the prime-order subgroup (SPEC §2).
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, PublicKeyError> {
        let shown = || STANDARD.encode(bytes);
        let not_canonical = || PublicKeyError::NotCanonical { key: shown() };
        let point = CompressedEdwardsY(*bytes).decompress().ok_or_else(not_canonical)?;
        if point.compress().as_bytes() != bytes {
            return Err(not_canonical());
        }
        if point.is_small_order() || !point.is_torsion_free() {
            return Err(PublicKeyError::Torsion { key: shown() });
        }
        ed25519_dalek::VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| not_canonical())
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Returns the key's id: SHA-256 of its bytes (SPEC §2).
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::from_bytes(sha256(&[self.as_bytes()]))
    }

    /// Checks a signature over `message` with the verdict of `verify_strict`.
    ///
    /// # Errors
    /// When the signature is not valid.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature { keyid: self.id() })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: Option<[u8; 32]> = decode_base64(text).and_then(|bytes| bytes.try_into().ok());
        match bytes {
            Some(bytes) => Self::from_bytes(&bytes),
            None => Err(PublicKeyError::Encoding { found: text.chars().take(80).collect() }),
        }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for PublicKey {
    fn schema_name() -> Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]{43}=$" })
    }
}

/// Decodes padded, canonical base64 (RFC 4648 §4; SPEC §1).
#[must_use]
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Encodes padded base64 (RFC 4648 §4).
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// An Ed25519 signature of 64 bytes, not yet known to be valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps 64 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Returns the 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", STANDARD.encode(self.0))
    }
}

/// Says that a signature does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("the signature by key {keyid} is not valid")]
pub struct BadSignature {
    /// The key it was said to be by.
    pub keyid: KeyId,
}

/// Tells why a private key file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The file is encrypted and no passphrase was given.
    #[error("the private key is encrypted and needs its passphrase")]
    PassphraseNeeded,
    /// The passphrase does not open the file.
    #[error("the passphrase does not open this private key")]
    WrongPassphrase,
    /// The text is no PKCS#8 PEM of an Ed25519 key.
    #[error("expected an Ed25519 private key in PKCS#8 PEM (`openssl genpkey -algorithm ed25519` makes one): {reason}")]
    Malformed {
        /// What the reader said.
        reason: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// An Ed25519 private key. Its bytes are wiped when it is dropped.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes a fresh key from the operating system's random bytes.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn generate() -> Result<Self, PrivateKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| PrivateKeyError::NoRandomness)?;
        Ok(Self::from_seed(&seed))
    }

    /// Makes the key of a 32-byte seed (RFC 8032 §5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads a PKCS#8 PEM file, encrypted or not.
    ///
    /// # Errors
    /// When the text is no such key, a passphrase is missing, or it is wrong.
    pub fn from_pem(pem: &str, passphrase: Option<&[u8]>) -> Result<Self, PrivateKeyError> {
        if is_encrypted_pem(pem) {
            let passphrase = passphrase.ok_or(PrivateKeyError::PassphraseNeeded)?;
            return ed25519_dalek::SigningKey::from_pkcs8_encrypted_pem(pem.trim(), passphrase).map(Self).map_err(
                |e| {
                    match e {
                        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) => {
                            PrivateKeyError::WrongPassphrase
                        }
                        // A wrong passphrase may also leave bytes that end in valid padding and are no key.
                        pkcs8::Error::Asn1(_) => PrivateKeyError::WrongPassphrase,
                        other => PrivateKeyError::Malformed { reason: other.to_string() },
                    }
                },
            );
        }
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim())
            .map(Self)
            .map_err(|e| PrivateKeyError::Malformed { reason: e.to_string() })
    }

    /// Writes PKCS#8 PEM, encrypted (scrypt, AES-256-CBC) when a passphrase is given.
    ///
    /// # Errors
    /// When encryption fails for want of random bytes or memory.
    pub fn to_pem(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<String>, PrivateKeyError> {
        // OpenSSL before 3.0 refuses the v2 form that carries the public key: write the v1 form.
        let pair = ed25519_dalek::pkcs8::KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let ending = pkcs8::LineEnding::LF;
        match passphrase {
            Some(passphrase) => pair.to_pkcs8_encrypted_pem(passphrase, ending),
            None => pair.to_pkcs8_pem(ending),
        }
        .map_err(|e| PrivateKeyError::Malformed { reason: e.to_string() })
    }

    /// Returns the public key.
    ///
    /// # Panics
    /// Never: a clamped scalar times the base point is of prime order and canonical.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `message`. What is given to others is signed through [`signature_by`].
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(ed25519_dalek::Signer::sign(&self.0, message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public().id())
    }
}

/// Tells whether a PEM text is an encrypted PKCS#8 key.
#[must_use]
pub fn is_encrypted_pem(pem: &str) -> bool {
    pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pem_round_trips_and_wrong_passphrases_are_told() {
        let key = SigningKey::from_seed(&[7; 32]);
        let plain = key.to_pem(None).unwrap();
        assert_eq!(SigningKey::from_pem(&plain, None).unwrap().public(), key.public());
        let secret = key.to_pem(Some(b"correct horse")).unwrap();
        assert!(is_encrypted_pem(&secret));
        assert_eq!(SigningKey::from_pem(&secret, Some(b"correct horse")).unwrap().public(), key.public());
        assert!(matches!(SigningKey::from_pem(&secret, None), Err(PrivateKeyError::PassphraseNeeded)));
        assert!(matches!(SigningKey::from_pem(&secret, Some(b"wrong")), Err(PrivateKeyError::WrongPassphrase)));
        assert!(matches!(SigningKey::from_pem("hello", None), Err(PrivateKeyError::Malformed { .. })));
    }

    #[test]
    fn keys_outside_the_prime_order_subgroup_are_refused() {
        use curve25519_dalek::constants::EIGHT_TORSION;
        use curve25519_dalek::edwards::EdwardsPoint;
        use curve25519_dalek::scalar::Scalar;
        for torsion in &EIGHT_TORSION {
            assert!(PublicKey::from_bytes(torsion.compress().as_bytes()).is_err());
        }
        let mixed = EdwardsPoint::mul_base(&Scalar::from(9u64)) + EIGHT_TORSION[1];
        assert!(matches!(PublicKey::from_bytes(mixed.compress().as_bytes()), Err(PublicKeyError::Torsion { .. })));
        // y = p + 1, a non-canonical encoding of y = 1
        let mut bytes = [0xff; 32];
        bytes[0] = 0xee;
        bytes[31] = 0x7f;
        assert!(matches!(PublicKey::from_bytes(&bytes), Err(PublicKeyError::NotCanonical { .. })));
        assert!(PublicKey::from_bytes(SigningKey::from_seed(&[1; 32]).public().as_bytes()).is_ok());
    }
}
