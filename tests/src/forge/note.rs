//! Checkpoints, cosignatures and proofs as text (SPEC §7; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof).

use super::tree::Hash;
use super::{Key, b64, sha256};

/// The first four bytes of SHA-256(name || "\n" || type || public key).
#[must_use]
pub fn key_id(name: &str, kind: u8, public: &[u8]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[kind], public].concat());
    [hash[0], hash[1], hash[2], hash[3]]
}

/// A verifier key: `name+hex(key id)+base64(type || public key)`.
#[must_use]
pub fn vkey(name: &str, kind: u8, public: &[u8]) -> String {
    let id = hex::encode(key_id(name, kind, public));
    format!("{name}+{id}+{}", b64(&[&[kind][..], public].concat()))
}

/// The text of a checkpoint.
#[must_use]
pub fn checkpoint_text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", b64(root))
}

/// One signature line.
#[must_use]
pub fn signature_line(name: &str, id: [u8; 4], rest: &[u8]) -> String {
    format!("— {name} {}\n", b64(&[&id[..], rest].concat()))
}

/// The signature line of a log key over a text.
#[must_use]
pub fn log_line(name: &str, key: &Key, text: &str) -> String {
    signature_line(name, key_id(name, 0x01, &key.public()), &key.sign(text.as_bytes()))
}

/// The cosignature line of a witness over a checkpoint's text at a time in seconds.
#[must_use]
pub fn cosignature_line(name: &str, key: &Key, seconds: u64, text: &str) -> String {
    let message = format!("cosignature/v1\ntime {seconds}\n{text}");
    let mut rest = seconds.to_be_bytes().to_vec();
    rest.extend_from_slice(&key.sign(message.as_bytes()));
    signature_line(name, key_id(name, 0x04, &key.public()), &rest)
}

/// A tlog-proof for the leaf at `index`.
#[must_use]
pub fn proof_text(index: u64, path: &[Hash], checkpoint: &str) -> String {
    let hashes: String = path.iter().map(|h| b64(h) + "\n").collect();
    format!("c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{checkpoint}")
}
