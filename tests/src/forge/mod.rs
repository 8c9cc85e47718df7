//! The vector forge: makes ledgers, valid ones and such as have exactly one fault, from SPEC.md alone.
//!
//! It has its own signing, PAE, entry, tree, note and bundle code, slow and plain, and shares none with
//! the ledger or the verifier. A [`Script`] is a list of [`Event`]s; [`Script::build`] computes what follows from them.
//! Every layer has a hatch: the payload object, the payload bytes, each signature, the envelope, the entry line, the
//! checkpoint, the lines of the bundle, its bytes. What comes after a hatch is built consistently on what it made.
//!
//! Everything is deterministic: the seed of a key is SHA-256 of its name, times are fixed, ids and salts come from names.

pub mod bodies;
pub mod event;
pub mod extract;
pub mod json;
pub mod key;
pub mod life;
pub mod note;
pub mod script;
pub mod sd;
pub mod sealing;
pub mod time;
pub mod tree;
pub mod vector;
pub mod vectors;
pub mod world;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

pub use event::{Event, How};
pub use json::Json;
pub use key::Key;
pub use script::{Ledger, Script};
pub use vector::Vector;

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A hash in JSON.
#[must_use]
pub fn j_hex(hash: &[u8; 32]) -> Json {
    hex::encode(hash).into()
}

/// Padded base64.
#[must_use]
pub fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Unpadded base64url.
#[must_use]
pub fn b64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
