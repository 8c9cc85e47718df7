//! Witness cosignatures with Ed25519, type 0x04 (C2SP tlog-cosignature).
//!
//! The signature line holds a time in seconds since 1970 (eight bytes, big-endian) and 64 bytes of signature, over
//! `cosignature/v1`, a line `time <seconds>`, and the text of the checkpoint. It says: at that time this was the largest
//! consistent tree that the witness had seen of this log.

use std::sync::Arc;

use super::SignedCheckpoint;
use crate::keys::{Signature, Signer, SignerError, signature_by};
use crate::note::{KeyName, Note, NoteKeyId, NoteSignature, NoteSignatureError, Vkey, VkeyType};
use crate::time::Time;

/// The latest time that a cosignature can carry: 2^63 − 1 seconds.
const MAX_TIMESTAMP: u64 = i64::MAX as u64;

/// A cosignature that was found valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cosignature {
    /// When the witness signed, in seconds since 1970-01-01T00:00:00Z.
    pub timestamp: u64,
}

impl Cosignature {
    /// Returns the time; `None` after the year 9999.
    #[must_use]
    pub fn time(self) -> Option<Time> {
        i64::try_from(self.timestamp).ok()?.checked_mul(1_000).and_then(Time::from_unix_millis)
    }
}

/// Tells why a checkpoint does not count as cosigned by a witness, or was not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignatureError {
    /// The cosignature is missing or not valid, or the key is not a witness's.
    #[error(transparent)]
    Signature(#[from] NoteSignatureError),
    /// The witness's key gave no signature.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The time is out of range.
    #[error("expected a cosignature's time of at most 2^63 − 1 seconds, found {found} by {name}+{id}")]
    Timestamp {
        /// The name of the witness's key.
        name: KeyName,
        /// The id of the witness's key.
        id: NoteKeyId,
        /// The seconds that stand there.
        found: u64,
    },
}

fn message(timestamp: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {timestamp}\n{text}").into_bytes()
}

/// A witness's private key.
#[derive(Debug, Clone)]
pub struct Cosigner {
    vkey: Vkey,
    key: Arc<dyn Signer>,
}

impl Cosigner {
    /// Gives a private key the name of a witness.
    #[must_use]
    pub fn new(name: KeyName, key: impl Signer + 'static) -> Self {
        Self { vkey: Vkey::new(name, VkeyType::Cosignature, key.public()), key: Arc::new(key) }
    }

    /// Returns the key that others verify with, of type 0x04.
    #[must_use]
    pub const fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// Cosigns a checkpoint as of `timestamp`, in seconds since 1970. Whether it is consistent with what the witness
    /// saw before is the caller's to know.
    ///
    /// # Errors
    /// When the time is above 2^63 − 1, or the key gives no valid signature.
    pub fn cosign(&self, checkpoint: &SignedCheckpoint, timestamp: u64) -> Result<NoteSignature, CosignatureError> {
        let (name, id) = (self.vkey.name().clone(), self.vkey.id());
        if timestamp > MAX_TIMESTAMP {
            return Err(CosignatureError::Timestamp { name, id, found: timestamp });
        }
        let signature = signature_by(&self.key, &message(timestamp, checkpoint.note().text()))?;
        let bytes = [&timestamp.to_be_bytes(), &signature.as_bytes()[..]].concat();
        let missing = NoteSignatureError::Missing { name: name.clone(), id };
        Ok(NoteSignature::new(name, id, bytes).ok_or(missing)?)
    }
}

impl SignedCheckpoint {
    /// Checks that the witness cosigned. Every line by its key must be valid; the latest of them is returned.
    ///
    /// # Errors
    /// When there is no such line, one is not valid, or the key is not of type 0x04.
    pub fn verify_cosignature(&self, witness: &Vkey) -> Result<Cosignature, CosignatureError> {
        let (name, id) = (witness.name().clone(), witness.id());
        if witness.ty() != VkeyType::Cosignature {
            let (expected, found) = (VkeyType::Cosignature, witness.ty());
            return Err(NoteSignatureError::Type { name, id, expected, found }.into());
        }
        let mut latest = None;
        for line in self.note().signatures().iter().filter(|line| line.is_by(witness)) {
            latest = latest.max(Some(verify_line(self.note(), line, witness)?));
        }
        Ok(latest.ok_or(NoteSignatureError::Missing { name, id })?)
    }
}

fn verify_line(note: &Note, line: &NoteSignature, witness: &Vkey) -> Result<Cosignature, CosignatureError> {
    let (name, id) = (witness.name(), witness.id());
    let invalid = || NoteSignatureError::Invalid { name: name.clone(), id };
    let (timestamp, signature) = line.bytes().split_first_chunk::<8>().ok_or_else(invalid)?;
    let timestamp = u64::from_be_bytes(*timestamp);
    let signature = signature.try_into().map(Signature::from_bytes).map_err(|_| invalid())?;
    if timestamp > MAX_TIMESTAMP {
        return Err(CosignatureError::Timestamp { name: name.clone(), id, found: timestamp });
    }
    witness.public_key().verify(&message(timestamp, note.text()), &signature).map_err(|_| invalid())?;
    Ok(Cosignature { timestamp })
}
