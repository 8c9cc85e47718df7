//! SHA-256 values, one type for each meaning.
//!
//! A leaf hash, a node hash and an event hash are all 32 bytes, and none may stand for another: each is a type of its
//! own. In JSON and on the command line they are 64 lower-case hex digits; in notes and proofs base64 (SPEC §1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Returns the SHA-256 of the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Tells why a text is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("expected 64 lower-case hex digits, found {found:?}")]
pub struct HashTextError {
    /// The text that was given, shortened to 80 characters.
    pub found: String,
}

/// Reads 64 lower-case hex digits.
fn from_hex(text: &str) -> Result<[u8; 32], HashTextError> {
    let error = || HashTextError { found: text.chars().take(80).collect() };
    if text.len() != 64 || text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(error());
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| error())?;
    Ok(bytes)
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes that are known to have this meaning.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Returns the 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = HashTextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                from_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
            }
        }
    };
}

hash_type! {
    /// The hash of an entry's line as a leaf of the tree: SHA-256(0x00 || line) (SPEC §5, RFC 6962 §2.1).
    LeafHash
}
hash_type! {
    /// The hash of a node of the tree: SHA-256(0x01 || left || right) or, for one leaf, the leaf hash (RFC 6962 §2.1).
    NodeHash
}
hash_type! {
    /// The hash of what the parties sign: SHA-256(PAE(payloadType, payload)) (SPEC §3).
    EventHash
}
hash_type! {
    /// The ledger id: the event hash of entry 0 (SPEC §6).
    LedgerId
}
hash_type! {
    /// The id of a signing key: SHA-256 of its 32 public bytes (SPEC §2).
    KeyId
}
hash_type! {
    /// The SHA-256 of a file kept beside the ledger (SPEC §3, `evidence`).
    FileHash
}

hash_type! {
    /// A key of the keyed tree: SHA-256 of a case id or of a subject (SPEC §15).
    SealKey
}
hash_type! {
    /// A value, or the hash of a node, of the keyed tree: a stream's record, a case's tree, a seal's root (SPEC §15).
    SealHash
}

impl SealKey {
    /// Returns the key of a case or of a subject; that of the streams without a case is the empty text's.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(sha256(&[text.as_bytes()]))
    }

    /// Returns the bit that decides at a depth of 0 to 255; bit 0 is the most significant of the first byte.
    #[must_use]
    pub fn bit(&self, depth: usize) -> bool {
        self.0[depth / 8] >> (7 - depth % 8) & 1 == 1
    }
}

impl LeafHash {
    /// The `prev` of entry 0: 32 zero bytes (SPEC §5).
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes an entry's line.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Self {
        Self(sha256(&[&[0], line]))
    }
}

impl From<LeafHash> for NodeHash {
    fn from(leaf: LeafHash) -> Self {
        Self(leaf.0)
    }
}

impl From<EventHash> for LedgerId {
    fn from(event: EventHash) -> Self {
        Self(event.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_form_is_strict() {
        let hash = LeafHash::of_line(b"");
        assert_eq!(hash.to_string().parse::<LeafHash>().unwrap(), hash);
        for bad in ["", "00", &"A".repeat(64), &"0".repeat(63), &"0".repeat(65), &"é".repeat(32)] {
            assert!(bad.parse::<LeafHash>().is_err(), "{bad}");
        }
    }
}
