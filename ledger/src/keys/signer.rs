//! What makes signatures: a private key in memory, or something that keeps it to itself, such as a hardware token.
//!
//! [`Signer`] is all that signing needs. Events, checkpoints, cosignatures and withdrawals are signed through
//! [`signature_by`], which verifies each signature before it is used: a faulty token never makes a bad envelope.

use std::fmt;
use std::sync::Arc;

use super::{PublicKey, Signature, SigningKey};
use crate::hash::KeyId;

/// Makes Ed25519 signatures by one key, which need not be in this process.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Returns the public key. It is the same as long as this lives.
    fn public(&self) -> PublicKey;

    /// Signs `message`: RFC 8032 Ed25519, not prehashed. To be called through [`signature_by`].
    ///
    /// # Errors
    /// When there is no signature: the token is gone, its PIN is wrong, its holder declined.
    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError>;
}

/// Why there is no signature. Nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// What holds the key cannot be reached.
    #[error("what holds key {keyid} is not there: {reason}")]
    Absent {
        /// The key.
        keyid: KeyId,
        /// What was said.
        reason: String,
    },
    /// The PIN is wrong, or what holds the key is locked.
    #[error("what holds key {keyid} did not open: {reason}")]
    WrongPin {
        /// The key.
        keyid: KeyId,
        /// What was said.
        reason: String,
    },
    /// The holder of the key said no.
    #[error("the holder of key {keyid} declined to sign: {reason}")]
    Declined {
        /// The key.
        keyid: KeyId,
        /// What was said.
        reason: String,
    },
    /// Anything else.
    #[error("key {keyid} did not sign: {reason}")]
    Failed {
        /// The key.
        keyid: KeyId,
        /// What was said.
        reason: String,
    },
    /// There is a signature, and it does not verify.
    #[error("what holds key {keyid} gave a signature that is not valid")]
    BadSignature {
        /// The key.
        keyid: KeyId,
    },
}

impl SignerError {
    /// Returns the key that did not sign.
    #[must_use]
    pub const fn keyid(&self) -> &KeyId {
        match self {
            Self::Absent { keyid, .. }
            | Self::WrongPin { keyid, .. }
            | Self::Declined { keyid, .. }
            | Self::Failed { keyid, .. }
            | Self::BadSignature { keyid } => keyid,
        }
    }
}

/// Signs `message`, and verifies the signature against the key before anybody sees it.
///
/// # Errors
/// When the signer gives none, or one that is not valid.
pub fn signature_by(signer: &(impl Signer + ?Sized), message: &[u8]) -> Result<Signature, SignerError> {
    let key = signer.public();
    let signature = signer.sign(message)?;
    key.verify(message, &signature).map_err(|bad| SignerError::BadSignature { keyid: bad.keyid })?;
    Ok(signature)
}

impl Signer for SigningKey {
    fn public(&self) -> PublicKey {
        Self::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        Ok(Self::sign(self, message))
    }
}

impl<S: Signer + ?Sized> Signer for &S {
    fn public(&self) -> PublicKey {
        (**self).public()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        (**self).sign(message)
    }
}

impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn public(&self) -> PublicKey {
        (**self).public()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        (**self).sign(message)
    }
}

impl From<SigningKey> for Arc<dyn Signer> {
    fn from(key: SigningKey) -> Self {
        Arc::<SigningKey>::new(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Signs something else than it was asked to.
    #[derive(Debug)]
    struct Faulty(SigningKey);

    impl Signer for Faulty {
        fn public(&self) -> PublicKey {
            self.0.public()
        }

        fn sign(&self, _: &[u8]) -> Result<Signature, SignerError> {
            Ok(self.0.sign(b"something else"))
        }
    }

    #[test]
    fn a_signature_that_does_not_verify_never_leaves() {
        let key = SigningKey::from_seed(&[1; 32]);
        let keyid = key.public().id();
        let good = signature_by(&key, b"hello").unwrap();
        key.public().verify(b"hello", &good).unwrap();
        assert_eq!(signature_by(&Faulty(key.clone()), b"hello"), Err(SignerError::BadSignature { keyid }));
        let shared: Arc<dyn Signer> = Arc::new(Faulty(key));
        assert_eq!(signature_by(&shared, b"hello"), Err(SignerError::BadSignature { keyid }));
    }
}
