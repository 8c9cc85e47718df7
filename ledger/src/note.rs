//! Signed notes (C2SP signed-note) and the keys that sign them (SPEC §7).
//!
//! A note is a text that ends in a newline, an empty line, and signature lines: em dash, space, key name, space, the
//! base64 of four bytes of key id and the signature, newline. Reading is strict and writing gives the same bytes again.
//! Signatures of unknown keys and types are kept. Limits: [`MAX_NOTE_BYTES`], [`MAX_NOTE_SIGNATURES`].
//!
//! ```
//! use countersign_ledger::note::{Note, Vkey};
//!
//! let key: Vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse()?;
//! let note: Note = "If you think cryptography is the answer to your problem,\n\
//!     then you don't know what your problem is.\n\n\
//!     — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
//!     .parse()?;
//! note.verify(&key)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod vkey;

pub use vkey::{KeyName, KeyNameError, NoteKeyId, Vkey, VkeyError, VkeyType};

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::keys::{Signature, Signer, SignerError, decode_base64, encode_base64, signature_by};

/// The largest signed note: 256 KiB (SPEC §12).
pub const MAX_NOTE_BYTES: usize = 256 * 1024;
/// The most signature lines of a note (SPEC §12).
pub const MAX_NOTE_SIGNATURES: usize = 100;

/// One signature line of a note, verified or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    id: NoteKeyId,
    bytes: Vec<u8>,
}

/// A note: a text and at least one signature, none of them verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// Tells why bytes are not a signed note, or a note cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The note is too long.
    #[error("expected a note of at most {MAX_NOTE_BYTES} bytes, found {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The note has too many signature lines.
    #[error("expected at most {MAX_NOTE_SIGNATURES} signature lines in a note, found {found}")]
    TooManySignatures {
        /// How many there are.
        found: usize,
    },
    /// The bytes are not UTF-8.
    #[error("expected a note in UTF-8, found a wrong byte at offset {offset}")]
    NotUtf8 {
        /// Where the first wrong byte is.
        offset: usize,
    },
    /// An ASCII control character other than newline.
    #[error("expected no control character in a note, found {byte:#04x} at offset {offset}")]
    Control {
        /// Where it is.
        offset: usize,
        /// The character.
        byte: u8,
    },
    /// The text does not end in a newline.
    #[error("expected a note's text to end in a newline, found {found:?}")]
    TextEnd {
        /// The end of the text.
        found: String,
    },
    /// There is no empty line between text and signatures.
    #[error("expected an empty line before the signatures of a note, found none")]
    NoEmptyLine,
    /// There is no signature line.
    #[error("expected at least one signature line in a note, found none")]
    NoSignature,
    /// A signature line is not of its form.
    #[error("expected {expected} in signature line {line} of the note, found {found:?}")]
    Line {
        /// Which signature line, from 1.
        line: usize,
        /// What should have stood there.
        expected: &'static str,
        /// The line, shortened to 120 characters.
        found: String,
    },
}

/// Tells why a note does not count as signed by a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteSignatureError {
    /// No signature line is by the key.
    #[error("expected a signature by the key {name}+{id}, found none")]
    Missing {
        /// The name of the key.
        name: KeyName,
        /// The id of the key.
        id: NoteKeyId,
    },
    /// A signature line says it is by the key, and is not.
    #[error("the signature by the key {name}+{id} is not valid")]
    Invalid {
        /// The name of the key.
        name: KeyName,
        /// The id of the key.
        id: NoteKeyId,
    },
    /// The key is of a type that makes other signatures.
    #[error("expected a key of type {expected}, found {name}+{id} of type {found}")]
    Type {
        /// The name of the key.
        name: KeyName,
        /// The id of the key.
        id: NoteKeyId,
        /// The type that is wanted here.
        expected: VkeyType,
        /// The type that the key has.
        found: VkeyType,
    },
}

impl NoteSignature {
    /// Makes a signature line; `bytes` are the signature without the key id, at least one.
    ///
    /// `None` when there is no byte.
    #[must_use]
    pub fn new(name: KeyName, id: NoteKeyId, bytes: Vec<u8>) -> Option<Self> {
        (!bytes.is_empty()).then_some(Self { name, id, bytes })
    }

    /// Returns the name of the key that is said to have signed.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Returns the id of the key that is said to have signed.
    #[must_use]
    pub const fn key_id(&self) -> NoteKeyId {
        self.id
    }

    /// Returns the signature, without the key id.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Tells whether name and id are those of `key`.
    #[must_use]
    pub fn is_by(&self, key: &Vkey) -> bool {
        self.name == *key.name() && self.id == key.id()
    }

    /// Reads a signature line, without its newline; the error is what was expected.
    fn parse(line: &str) -> Result<Self, &'static str> {
        const BASE64: &str = "the base64 of a key id and a signature, as the last word";
        let rest = line.strip_prefix("— ").ok_or("an em dash and a space at the start")?;
        let (name, base64) = rest.split_once(' ').ok_or("a key name, a space, and base64")?;
        let name = name.parse().map_err(|_| "a key name without spaces and `+`")?;
        let bytes = decode_base64(base64).ok_or(BASE64)?;
        let (id, bytes) = bytes.split_first_chunk::<4>().ok_or(BASE64)?;
        Self::new(name, NoteKeyId::from_bytes(*id), bytes.to_vec()).ok_or(BASE64)
    }
}

/// Writes the line without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_bytes(), &self.bytes[..]].concat();
        write!(f, "— {} {}", self.name, encode_base64(&bytes))
    }
}

/// Checks that `text` can be the text of a note.
fn check_text(text: &str) -> Result<(), NoteError> {
    check_characters(text)?;
    if !text.ends_with('\n') {
        let end: Vec<char> = text.chars().rev().take(40).collect();
        return Err(NoteError::TextEnd { found: end.into_iter().rev().collect() });
    }
    Ok(())
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    if text.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLong { found: text.len() });
    }
    match text.bytes().enumerate().find(|(_, byte)| *byte < 0x20 && *byte != b'\n') {
        Some((offset, byte)) => Err(NoteError::Control { offset, byte }),
        None => Ok(()),
    }
}

impl Note {
    /// Makes a note of a text and signatures over it.
    ///
    /// # Errors
    /// When the text does not end in a newline or has control characters, there is no signature, or a limit is passed.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_text(&text)?;
        if signatures.is_empty() {
            return Err(NoteError::NoSignature);
        }
        Self { text, signatures }.within_limits()
    }

    fn within_limits(self) -> Result<Self, NoteError> {
        if self.signatures.len() > MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooManySignatures { found: self.signatures.len() });
        }
        let found = self.to_string().len();
        if found > MAX_NOTE_BYTES { Err(NoteError::TooLong { found }) } else { Ok(self) }
    }

    /// Reads a note from bytes.
    ///
    /// # Errors
    /// When they are not UTF-8 or not a note.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong { found: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|e| NoteError::NotUtf8 { offset: e.valid_up_to() })?;
        text.parse()
    }

    /// Returns the text that is signed, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the signature lines, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line at the end.
    ///
    /// # Errors
    /// When the note would pass a limit.
    pub fn with_signature(mut self, signature: NoteSignature) -> Result<Self, NoteError> {
        self.signatures.push(signature);
        self.within_limits()
    }

    /// Checks that the note is signed by `key`, of type 0x01. Every line by the key must be valid, and there must be one.
    ///
    /// # Errors
    /// When there is no such line, one is not valid, or the key is not of that type.
    pub fn verify(&self, key: &Vkey) -> Result<(), NoteSignatureError> {
        let (name, id) = (key.name().clone(), key.id());
        if key.ty() != VkeyType::Ed25519 {
            return Err(NoteSignatureError::Type { name, id, expected: VkeyType::Ed25519, found: key.ty() });
        }
        let mut lines = self.signatures.iter().filter(|line| line.is_by(key)).peekable();
        if lines.peek().is_none() {
            return Err(NoteSignatureError::Missing { name, id });
        }
        let valid = |line: &NoteSignature| {
            let signature = line.bytes.as_slice().try_into().ok().map(Signature::from_bytes);
            signature.is_some_and(|signature| key.public_key().verify(self.text.as_bytes(), &signature).is_ok())
        };
        if lines.all(valid) { Ok(()) } else { Err(NoteSignatureError::Invalid { name, id }) }
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        check_characters(note)?;
        let blank = note.rfind("\n\n").ok_or(NoteError::NoEmptyLine)?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let Some(lines) = lines.strip_suffix('\n') else {
            return Err(if lines.is_empty() { NoteError::NoSignature } else { last_line_open(lines) });
        };
        let found = lines.split('\n').count();
        if found > MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooManySignatures { found });
        }
        let parse = |(at, line): (usize, &str)| {
            NoteSignature::parse(line).map_err(|expected| line_error(at + 1, expected, line))
        };
        let signatures = lines.split('\n').enumerate().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }
}

fn line_error(line: usize, expected: &'static str, found: &str) -> NoteError {
    NoteError::Line { line, expected, found: found.chars().take(120).collect() }
}

fn last_line_open(lines: &str) -> NoteError {
    let (at, line) = lines.split('\n').enumerate().last().unwrap_or((0, lines));
    line_error(at + 1, "a newline at the end", line)
}

/// Writes the note: text, empty line, signature lines.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A private key that signs notes under a name, with signatures of type 0x01.
#[derive(Debug, Clone)]
pub struct NoteSigner {
    vkey: Vkey,
    key: Arc<dyn Signer>,
}

impl NoteSigner {
    /// Gives a private key a name.
    #[must_use]
    pub fn new(name: KeyName, key: impl Signer + 'static) -> Self {
        Self { vkey: Vkey::new(name, VkeyType::Ed25519, key.public()), key: Arc::new(key) }
    }

    /// Returns the key that others verify with.
    #[must_use]
    pub const fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// Signs the text of a note, which ends in a newline.
    ///
    /// # Errors
    /// When the key gives no valid signature.
    pub fn sign(&self, text: &str) -> Result<NoteSignature, SignerError> {
        let bytes = signature_by(&self.key, text.as_bytes())?.as_bytes().to_vec();
        Ok(NoteSignature { name: self.vkey.name().clone(), id: self.vkey.id(), bytes })
    }
}

#[cfg(test)]
mod tests;
