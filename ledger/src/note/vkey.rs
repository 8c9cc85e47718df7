//! Verifier keys of notes: `name+id+base64(type || public key)` (C2SP signed-note, SPEC §7).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::sha256;
use crate::id::Origin;
use crate::keys::{PublicKey, PublicKeyError, decode_base64, encode_base64};

/// The longest vkey that is read.
const MAX_VKEY_BYTES: usize = 1_024;

/// The name of a key that signs notes: not empty, without Unicode spaces, `+` and control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Tells that a text is not the name of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("expected a key name, not empty and without spaces, `+` and control characters, found {found:?}")]
pub struct KeyNameError {
    /// The text, shortened to 120 characters.
    pub found: String,
}

impl KeyName {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl KeyName {
    /// Tells whether the name says that its holder verifies every entry before it cosigns (SPEC §11).
    #[must_use]
    pub fn is_auditor(&self) -> bool {
        self.0.rsplit('/').next() == Some("auditor")
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(text: &str) -> Result<Self, KeyNameError> {
        let refused = |c: char| c == '+' || c < ' ' || c.is_whitespace();
        if text.is_empty() || text.contains(refused) {
            return Err(KeyNameError { found: text.chars().take(120).collect() });
        }
        Ok(Self(text.to_owned()))
    }
}

/// A log's key has the log's origin as its name (SPEC §6); every origin is a key name.
impl From<&Origin> for KeyName {
    fn from(origin: &Origin) -> Self {
        Self(origin.as_str().to_owned())
    }
}

/// The four bytes that, together with the name, identify a key in a signature line. Not a cryptographic commitment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyId([u8; 4]);

impl NoteKeyId {
    /// Wraps four bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// Returns the four bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    /// Computes the id: the first four bytes of SHA-256(name || 0x0A || type || public key).
    fn of(name: &KeyName, ty: VkeyType, key: &PublicKey) -> Self {
        let [a, b, c, d, ..] = sha256(&[name.0.as_bytes(), b"\n", &[ty.byte()], key.as_bytes()]);
        Self([a, b, c, d])
    }
}

impl fmt::Display for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKeyId({self})")
    }
}

/// What a key signs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VkeyType {
    /// 0x01: Ed25519 over the note's text. Log keys are of this type.
    Ed25519,
    /// 0x04: a timestamped Ed25519 cosignature (C2SP tlog-cosignature). Witness keys are of this type.
    Cosignature,
}

impl VkeyType {
    /// Returns the byte that stands for the type.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Ed25519),
            4 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

impl fmt::Display for VkeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.byte())
    }
}

/// A verifier key: a name, a type, and a public key that is acceptable (SPEC §2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Vkey {
    name: KeyName,
    id: NoteKeyId,
    ty: VkeyType,
    key: PublicKey,
}

/// Tells why a text is not a vkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VkeyError {
    /// It does not have three parts.
    #[error("expected name+id+key, the id 8 lower-case hex digits, found {found:?}")]
    Shape {
        /// The text, shortened to 200 characters.
        found: String,
    },
    /// The name is not the name of a key.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The last part is not base64.
    #[error("expected padded, canonical base64 as the last part of a vkey, found {found:?}")]
    Base64 {
        /// The part, shortened to 120 characters.
        found: String,
    },
    /// The type is not known.
    #[error("expected a vkey of type 0x01 or 0x04, found type {found:#04x}")]
    Type {
        /// The type's byte.
        found: u8,
    },
    /// The key material is too short or too long.
    #[error("expected 33 bytes of type and public key in a vkey, found {found}")]
    Length {
        /// How many bytes there are.
        found: usize,
    },
    /// The public key is not acceptable.
    #[error("the vkey has no acceptable public key")]
    Key(#[from] PublicKeyError),
    /// The id does not belong to name, type and key.
    #[error("expected the key id {expected} in the vkey of {name}, found {found}")]
    Id {
        /// The name.
        name: KeyName,
        /// The id that follows from name, type and key.
        expected: NoteKeyId,
        /// The id that stands there.
        found: NoteKeyId,
    },
}

impl Vkey {
    /// Makes a vkey and computes its id.
    #[must_use]
    pub fn new(name: KeyName, ty: VkeyType, key: PublicKey) -> Self {
        Self { id: NoteKeyId::of(&name, ty, &key), name, ty, key }
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Returns the id that signature lines carry.
    #[must_use]
    pub const fn id(&self) -> NoteKeyId {
        self.id
    }

    /// Returns the type.
    #[must_use]
    pub const fn ty(&self) -> VkeyType {
        self.ty
    }

    /// Returns the public key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }
}

impl FromStr for Vkey {
    type Err = VkeyError;

    /// Splits at the first two `+` (base64 has more of them), and checks every part against the others.
    fn from_str(text: &str) -> Result<Self, VkeyError> {
        let shape = || VkeyError::Shape { found: text.chars().take(200).collect() };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(shape()) };
        let digits = id.len() == 8 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || text.len() > MAX_VKEY_BYTES {
            return Err(shape());
        }
        let found = NoteKeyId(u32::from_str_radix(id, 16).map_err(|_| shape())?.to_be_bytes());
        let name: KeyName = name.parse()?;
        let base64 = || VkeyError::Base64 { found: key.chars().take(120).collect() };
        let material = decode_base64(key).ok_or_else(base64)?;
        let (type_byte, bytes) = material.split_first().ok_or(VkeyError::Length { found: 0 })?;
        let ty = VkeyType::from_byte(*type_byte).ok_or(VkeyError::Type { found: *type_byte })?;
        let bytes = bytes.try_into().map_err(|_| VkeyError::Length { found: material.len() })?;
        let vkey = Self::new(name, ty, PublicKey::from_bytes(bytes)?);
        if vkey.id != found {
            return Err(VkeyError::Id { name: vkey.name, expected: vkey.id, found });
        }
        Ok(vkey)
    }
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.ty.byte()], &self.key.as_bytes()[..]].concat();
        write!(f, "{}+{}+{}", self.name, self.id, encode_base64(&material))
    }
}

impl Serialize for Vkey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Vkey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Vkey {
    fn schema_name() -> Cow<'static, str> {
        "Vkey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$",
            "description": "A C2SP signed-note verifier key: name+id+base64(type || public key)"
        })
    }
}
