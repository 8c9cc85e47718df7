//! Every public key that a bundle has introduced so far, by name. A key's name is the hash of its bytes, so the ring
//! decides nothing: whether a key counts is the authority's business (SPEC §8). Keys that sign much get tables.

use std::collections::HashMap;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::act::Act;
use crate::hash::KeyId;
use crate::keys::PublicKey;
use crate::tables::FastKey;

/// A key gets a table once it has signed this often: making one costs about as much as 30 signatures.
const WORTH_A_TABLE: u64 = 48;
/// The first keys that earn a table get a wide one, of 380 KB; the others one of 130 KB.
const WIDE_TABLES: usize = 4;
const WIDE: usize = 7;
const NARROW: usize = 5;
/// The most tables, so that memory stays within 9 MB whatever a file holds.
const MAX_TABLES: usize = 60;

/// How a key's signatures are verified.
enum Way {
    /// None is valid: the key is unusable.
    Never,
    /// With ed25519-dalek.
    Strict(Box<VerifyingKey>),
    /// With a table.
    Fast(Box<FastKey>),
}

/// A key and how often it has signed.
pub struct Known {
    key: PublicKey,
    signatures: u64,
    way: Way,
}

impl Known {
    fn new(key: PublicKey) -> Known {
        let way = match (key.is_usable(), VerifyingKey::from_bytes(key.as_bytes())) {
            (true, Ok(key)) => Way::Strict(Box::new(key)),
            _ => Way::Never,
        };
        Known { key, signatures: 0, way }
    }

    /// The key's table, if it has one.
    pub fn fast(&self) -> Option<&FastKey> {
        match &self.way {
            Way::Fast(key) => Some(key),
            _ => None,
        }
    }

    /// Whether a signature is valid (SPEC §2).
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        match &self.way {
            Way::Never => false,
            Way::Strict(key) => key.verify_strict(message, &Signature::from_bytes(signature)).is_ok(),
            Way::Fast(key) => key.verifies(message, signature),
        }
    }
}

/// Keys by name.
#[derive(Default)]
pub struct Keyring {
    keys: HashMap<KeyId, Known>,
    tables: usize,
}

impl Keyring {
    /// The key of that name.
    pub fn key(&self, id: &KeyId) -> Option<&Known> {
        self.keys.get(id)
    }

    /// Takes in the keys that an event introduces.
    pub fn introduce(&mut self, act: &Act) {
        // a log key signs no event; if one does, its signature is judged all the same
        let log_key = match act {
            Act::LedgerCreated { log_key, .. } | Act::LogKeyRotated(log_key) => log_key.public_key(),
            _ => None,
        };
        for key in act.public_keys().into_iter().chain(log_key) {
            self.keys.entry(key.id()).or_insert_with(|| Known::new(key));
        }
    }

    /// Counts a signature by a key, and gives the key a table when it is worth one.
    pub fn count(&mut self, id: &KeyId) {
        let Some(known) = self.keys.get_mut(id) else { return };
        known.signatures += 1;
        if known.signatures != WORTH_A_TABLE || self.tables == MAX_TABLES {
            return;
        }
        let width = if self.tables < WIDE_TABLES { WIDE } else { NARROW };
        if let Some(fast) = FastKey::new(&known.key, width) {
            known.way = Way::Fast(Box::new(fast));
            self.tables += 1;
        }
    }
}

impl Act {
    /// The public keys of parties and governance that this event names.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        match self {
            Act::LedgerCreated { governance, .. } | Act::GovernanceChanged(governance) => governance.keys.clone(),
            Act::PartyEnrolled { keys, .. } => keys.iter().map(|k| k.public_key).collect(),
            Act::KeyAdded { key, .. } => vec![key.public_key],
            _ => Vec::new(),
        }
    }
}
