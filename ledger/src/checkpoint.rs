//! Checkpoints: what the log signs (C2SP tlog-checkpoint, SPEC §7).
//!
//! The text is three lines, `origin`, `size` and the base64 of the root, each ending in a newline; no extension lines.
//! It is signed as a note by the log key in force (while that rotates, by both keys), and cosigned by witnesses.
//!
//! ```
//! use countersign_ledger::checkpoint::Checkpoint;
//!
//! let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
//! let checkpoint: Checkpoint = text.parse()?;
//! assert_eq!(checkpoint.size.0, 20_852_163);
//! assert_eq!(checkpoint.to_string(), text);
//! # Ok::<(), countersign_ledger::checkpoint::CheckpointError>(())
//! ```

mod cosignature;

pub use cosignature::{Cosignature, CosignatureError, Cosigner};

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::NodeHash;
use crate::id::{IdError, Origin, TreeSize};
use crate::keys::{SignerError, decode_base64, encode_base64};
use crate::merkle::{MAX_TREE_SIZE, empty_root};
use crate::note::{KeyName, Note, NoteError, NoteSignature, NoteSignatureError, NoteSigner, Vkey};

/// What a log says of itself: its name, how many entries it has, and the root of the tree over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: Origin,
    /// The number of entries.
    pub size: TreeSize,
    /// The root of the tree over them.
    pub root: NodeHash,
}

/// Tells why a text is not a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is not a signed note.
    #[error("the checkpoint is not a signed note: {0}")]
    Note(#[from] NoteError),
    /// The text does not have exactly three lines.
    #[error("expected three lines in a checkpoint (origin, size, root), each ending in a newline, found {found}")]
    Lines {
        /// How many line ends there are.
        found: usize,
    },
    /// The first line is not an origin.
    #[error("the first line of the checkpoint: {0}")]
    Origin(#[from] IdError),
    /// The second line is not a size.
    #[error("expected a tree size in decimal digits without leading zeros, at most {MAX_TREE_SIZE}, found {found:?}")]
    Size {
        /// The line, shortened to 40 characters.
        found: String,
    },
    /// The third line is not a hash.
    #[error("expected the padded base64 of a 32-byte root hash in a checkpoint, found {found:?}")]
    Root {
        /// The line, shortened to 80 characters.
        found: String,
    },
    /// A checkpoint of size 0 has another root than the empty tree.
    #[error("expected the root of the empty tree in a checkpoint of size 0, found {found}")]
    EmptyRoot {
        /// The root that stands there.
        found: NodeHash,
    },
}

/// Reads decimal digits without leading zeros: a number that signed 64 bits hold, as the tools of others have it.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = canonical && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse::<i64>().ok()?.try_into().ok()).flatten()
}

/// Reads the canonical base64 of a hash.
pub(crate) fn parse_hash(text: &str) -> Option<NodeHash> {
    decode_base64(text)?.try_into().ok().map(NodeHash::from_bytes)
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the text of a checkpoint, without signatures.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let lines = || CheckpointError::Lines { found: text.matches('\n').count() };
        let body = text.strip_suffix('\n').ok_or_else(lines)?;
        let mut parts = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(lines());
        };
        let origin = origin.parse()?;
        let wrong_size = || CheckpointError::Size { found: size.chars().take(40).collect() };
        let size = parse_decimal(size).map(TreeSize).filter(|size| *size <= MAX_TREE_SIZE).ok_or_else(wrong_size)?;
        let wrong_root = || CheckpointError::Root { found: root.chars().take(80).collect() };
        let root = parse_hash(root).ok_or_else(wrong_root)?;
        if size.0 == 0 && root != empty_root() {
            return Err(CheckpointError::EmptyRoot { found: root });
        }
        Ok(Self { origin, size, root })
    }
}

/// Writes the text of a checkpoint, without signatures.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, encode_base64(self.root.as_bytes()))
    }
}

/// Tells why a checkpoint was not signed, or does not count as signed by a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointSignatureError {
    /// The key has another name than the checkpoint's origin.
    #[error("expected a log key named {origin}, found {name}")]
    Name {
        /// The checkpoint's origin.
        origin: Origin,
        /// The name of the key.
        name: KeyName,
    },
    /// A log key gave no signature.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The signature is missing or not valid.
    #[error(transparent)]
    Signature(#[from] NoteSignatureError),
    /// There is no key, or there are so many that the note passes a limit.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// None of the known log keys signed.
    #[error("expected the checkpoint of {origin} to be signed by one of {known} known log keys, found none of them")]
    NoKnownKey {
        /// The checkpoint's origin.
        origin: Origin,
        /// How many keys are known.
        known: usize,
    },
}

impl Checkpoint {
    /// Signs the checkpoint with one log key, or with both while the key rotates.
    ///
    /// # Errors
    /// When there is no key, a key's name is not the origin, or a key does not sign.
    pub fn sign(&self, keys: &[NoteSigner]) -> Result<SignedCheckpoint, CheckpointSignatureError> {
        for key in keys {
            self.check_name(key.vkey())?;
        }
        let text = self.to_string();
        let signatures = keys.iter().map(|key| key.sign(&text)).collect::<Result<_, _>>()?;
        Ok(SignedCheckpoint { checkpoint: self.clone(), note: Note::new(text, signatures)? })
    }

    fn check_name(&self, key: &Vkey) -> Result<(), CheckpointSignatureError> {
        if key.name().as_str() == self.origin.as_str() {
            return Ok(());
        }
        Err(CheckpointSignatureError::Name { origin: self.origin.clone(), name: key.name().clone() })
    }
}

/// A checkpoint with its signatures, none of which is verified by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint from bytes.
    ///
    /// # Errors
    /// When they are not a note, or its text is not a checkpoint.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::from_note(Note::from_bytes(bytes)?)
    }

    /// Reads a checkpoint out of a note.
    ///
    /// # Errors
    /// When the note's text is not a checkpoint.
    pub fn from_note(note: Note) -> Result<Self, CheckpointError> {
        Ok(Self { checkpoint: note.text().parse()?, note })
    }

    /// Returns what is signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the note.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Checks that the log key `key` signed: its name is the origin, and its signature is there and valid.
    ///
    /// # Errors
    /// When the key has another name or type, or there is no such signature, or one is not valid.
    pub fn verify(&self, key: &Vkey) -> Result<(), CheckpointSignatureError> {
        self.checkpoint.check_name(key)?;
        Ok(self.note.verify(key)?)
    }

    /// Checks that at least one of the known log keys signed, and that none of their signatures is false.
    ///
    /// # Errors
    /// When a signature by a known key is not valid, or there is none.
    pub fn verify_any(&self, keys: &[Vkey]) -> Result<(), CheckpointSignatureError> {
        let mut signed = false;
        for key in keys.iter().filter(|key| self.checkpoint.check_name(key).is_ok()) {
            match self.note.verify(key) {
                Ok(()) => signed = true,
                Err(NoteSignatureError::Missing { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        let none =
            || CheckpointSignatureError::NoKnownKey { origin: self.checkpoint.origin.clone(), known: keys.len() };
        signed.then_some(()).ok_or_else(none)
    }

    /// Adds a signature line at the end, such as a witness's cosignature.
    ///
    /// # Errors
    /// When the note would pass a limit (SPEC §12).
    pub fn with_signature(self, signature: NoteSignature) -> Result<Self, NoteError> {
        Ok(Self { checkpoint: self.checkpoint, note: self.note.with_signature(signature)? })
    }
}

impl FromStr for SignedCheckpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        Self::from_note(text.parse()?)
    }
}

/// Writes the note, byte for byte as it was read.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl Serialize for SignedCheckpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignedCheckpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
