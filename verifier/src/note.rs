//! C2SP signed notes and verifier keys: parsing as strict as the format (signed-note v1.0.0).

use std::fmt;

use crate::escape::quoted;
use crate::hash::sha256;
use crate::keys::PublicKey;
use crate::scalar::{base64_bytes, base64_text};

/// The most signature lines of a note (SPEC §12).
const MAX_SIGNATURES: usize = 100;
/// The largest note, in bytes (SPEC §12).
pub const MAX_NOTE: usize = 256 << 10;

/// Why a text is not a signed note, or not a verifier key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoteError {
    /// What should have been there.
    pub expected: String,
    /// What was.
    pub found: String,
}

impl NoteError {
    pub(crate) fn new(expected: impl Into<String>, found: impl Into<String>) -> NoteError {
        NoteError { expected: expected.into(), found: found.into() }
    }
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for NoteError {}

/// Whether a name may stand in a signature line: not empty, no white space, no `+`, no character below U+0020.
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c < ' ' || c == '+')
}

/// What a verifier key can check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VKeyKind {
    /// 0x01: Ed25519 over the note text, as logs sign.
    Log(PublicKey),
    /// 0x04: a timestamped Ed25519 cosignature, as witnesses sign.
    Witness(PublicKey),
    /// A type that we do not know; its signatures are ignored.
    Other(Vec<u8>),
}

impl VKeyKind {
    /// The type byte (signed-note, "Signature types").
    pub(crate) fn type_byte(&self) -> u8 {
        match self {
            VKeyKind::Log(_) => 1,
            VKeyKind::Witness(_) => 4,
            VKeyKind::Other(bytes) => bytes.first().copied().unwrap_or_default(),
        }
    }

    /// The key, without its type.
    pub(crate) fn key_bytes(&self) -> &[u8] {
        match self {
            VKeyKind::Log(key) | VKeyKind::Witness(key) => key.as_bytes(),
            VKeyKind::Other(bytes) => bytes.get(1..).unwrap_or_default(),
        }
    }
}

/// A verifier key: `name+keyid+base64(type || key)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VKey {
    /// The key's name.
    pub name: String,
    /// The first four bytes of the hash over name, type and key.
    pub id: [u8; 4],
    /// Type and key.
    pub kind: VKeyKind,
}

impl VKey {
    /// Reads a verifier key and checks type, length and key id.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn parse(text: &str) -> Result<VKey, NoteError> {
        let wrong = |expected: &str| NoteError::new(expected, quoted(text));
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("a verifier key name+id+key"));
        };
        if !is_key_name(name) {
            return Err(wrong("a key name without spaces"));
        }
        let id = hex_id(id).ok_or_else(|| wrong("a key id of 8 lower-case hex digits"))?;
        let bytes = base64_bytes(key.as_bytes()).ok_or_else(|| wrong("a key in base64"))?;
        let (kind, key) = bytes.split_first().ok_or_else(|| wrong("a key with a type"))?;
        let public = || <[u8; 32]>::try_from(key).map(PublicKey::from_bytes);
        let (parsed, checked) = match kind {
            1 | 4 => {
                let public = public().map_err(|_| wrong("an Ed25519 key of 32 bytes"))?;
                if *kind == 1 { (VKeyKind::Log(public), true) } else { (VKeyKind::Witness(public), true) }
            }
            _ => (VKeyKind::Other(bytes.clone()), false),
        };
        let vkey = VKey { name: name.to_owned(), id, kind: parsed };
        let expected = key_id(name, &bytes);
        if checked && expected != id {
            return Err(NoteError::new(format!("key id {}", id_text(expected)), id_text(id)));
        }
        Ok(vkey)
    }

    /// The Ed25519 key, if the type has one.
    pub fn public_key(&self) -> Option<PublicKey> {
        match self.kind {
            VKeyKind::Log(key) | VKeyKind::Witness(key) => Some(key),
            VKeyKind::Other(_) => None,
        }
    }
}

impl fmt::Display for VKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match &self.kind {
            VKeyKind::Log(key) => [&[1], &key.as_bytes()[..]].concat(),
            VKeyKind::Witness(key) => [&[4], &key.as_bytes()[..]].concat(),
            VKeyKind::Other(bytes) => bytes.clone(),
        };
        write!(f, "{}+{}+{}", self.name, id_text(self.id), base64_text(&bytes))
    }
}

/// The key id of a name and a typed key.
fn key_id(name: &str, typed_key: &[u8]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", typed_key]);
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

fn hex_id(text: &str) -> Option<[u8; 4]> {
    let plain = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u32::from_str_radix(text, 16).ok().map(u32::to_be_bytes)).flatten()
}

/// A key id as eight hex digits.
pub fn id_text(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// One signature line of a note.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: [u8; 4],
    /// What follows the key id: the signature in the form of its type.
    pub bytes: Vec<u8>,
}

/// When a witness cosigned, in seconds since 1970: of several lines the oldest and the newest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cosigned {
    /// The oldest.
    pub oldest: u64,
    /// The newest.
    pub newest: u64,
}

/// What a note says about one verifier key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed {
    /// No line is by that key.
    No,
    /// Lines by that key are there and all are valid; for a witness, when it cosigned.
    Yes(Option<Cosigned>),
    /// A line by that key is there and is not valid.
    Wrong,
}

/// A signed note: text and signature lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The text, its final newline included.
    pub text: String,
    /// The signature lines, in order.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a signed note.
    ///
    /// # Errors
    /// Says what the format asks for and does not find.
    pub fn parse(note: &str) -> Result<Note, NoteError> {
        if note.len() > MAX_NOTE {
            let found = format!("{} or more", note.len());
            return Err(NoteError::new(format!("a note of at most {MAX_NOTE} bytes"), found));
        }
        if let Some(c) = note.chars().find(|c| *c < ' ' && *c != '\n') {
            return Err(NoteError::new("no control character in a note", quoted(&c.to_string())));
        }
        // the last empty line separates: nothing after it may be empty, as every line there is a signature
        let Some(at) = note.rfind("\n\n") else {
            return Err(NoteError::new("a signed note", "no empty line"));
        };
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        let Some(lines) = lines.strip_suffix('\n') else {
            return Err(NoteError::new("signature lines that end in a newline", "none at the end"));
        };
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::new(format!("at most {MAX_SIGNATURES} signature lines"), "more"));
            }
            signatures.push(
                parse_signature(line)
                    .ok_or_else(|| NoteError::new("a signature line `— name base64`", quoted(line)))?,
            );
        }
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// What the note says about a key: every line by it must verify (signed-note, "Signatures").
    pub fn signed_by(&self, key: &VKey) -> Signed {
        let mut state = Signed::No;
        for line in &self.signatures {
            if line.name != key.name || line.id != key.id {
                continue;
            }
            let time = match key.kind {
                VKeyKind::Log(public) => self.log_signature(public, &line.bytes),
                VKeyKind::Witness(public) => {
                    self.cosignature(public, &line.bytes).map(|time| Some(Cosigned { oldest: time, newest: time }))
                }
                VKeyKind::Other(_) => return Signed::No,
            };
            state = match (time, state) {
                (None, _) => return Signed::Wrong,
                (Some(Some(new)), Signed::Yes(Some(old))) => Signed::Yes(Some(Cosigned {
                    oldest: new.oldest.min(old.oldest),
                    newest: new.newest.max(old.newest),
                })),
                (Some(new), _) => Signed::Yes(new),
            };
        }
        state
    }

    fn log_signature(&self, key: PublicKey, bytes: &[u8]) -> Option<Option<Cosigned>> {
        let signature = <&[u8; 64]>::try_from(bytes).ok()?;
        key.verifies(self.text.as_bytes(), signature).then_some(None)
    }

    /// Checks a tlog-cosignature (v1, 0x04) and returns its time in seconds since 1970.
    fn cosignature(&self, key: PublicKey, bytes: &[u8]) -> Option<u64> {
        let (time, signature) = bytes.split_at_checked(8)?;
        let time = u64::from_be_bytes(time.try_into().ok()?);
        let signature = <&[u8; 64]>::try_from(signature).ok()?;
        let message = format!("cosignature/v1\ntime {time}\n{}", self.text);
        (time <= i64::MAX.cast_unsigned() && key.verifies(message.as_bytes(), signature)).then_some(time)
    }
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = base64_bytes(signature.as_bytes())?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    (is_key_name(name) && !bytes.is_empty()).then(|| NoteSignature {
        name: name.to_owned(),
        id: *id,
        bytes: bytes.to_vec(),
    })
}
