//! A verifier of cosignatures for the stock note library, written from C2SP tlog-cosignature and signed-note: it shares
//! no code with the ledger's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use signed_note::Verifier;

/// The signature type of an Ed25519 cosignature.
const COSIGNATURE_V1: u8 = 0x04;

/// A witness's key.
pub struct CosignatureV1 {
    name: String,
    id: u32,
    key: ed25519_dalek::VerifyingKey,
}

impl CosignatureV1 {
    /// Reads a vkey, `NAME+ID+base64(0x04 ‖ KEY)`.
    ///
    /// # Panics
    /// When it is not one of a witness.
    pub fn new(vkey: &str) -> Self {
        let mut parts = vkey.splitn(3, '+');
        let (name, id, key) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let key = STANDARD.decode(key).unwrap();
        let hash = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(&key).finalize();
        assert_eq!((key[0], id), (COSIGNATURE_V1, hex::encode(&hash[..4]).as_str()), "{vkey}");
        Self {
            name: name.to_owned(),
            id: u32::from_be_bytes(hash[..4].try_into().unwrap()),
            key: ed25519_dalek::VerifyingKey::from_bytes(key[1..].try_into().unwrap()).unwrap(),
        }
    }
}

impl Verifier for CosignatureV1 {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let message = [format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time)).as_bytes(), text].concat();
        let signature = ed25519_dalek::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(&message, &signature).is_ok())
    }
}
