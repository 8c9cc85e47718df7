//! Every public key that a bundle has introduced so far, by name. A key's name is the hash of its bytes, so the ring
//! decides nothing: whether a key counts is the authority's business (SPEC §8).

use std::collections::HashMap;

use crate::act::Act;
use crate::hash::KeyId;
use crate::keys::PublicKey;

/// Keys by name.
#[derive(Default)]
pub struct Keyring(HashMap<KeyId, PublicKey>);

impl Keyring {
    /// The key of that name.
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.0.get(id)
    }

    /// Takes in the keys that an event introduces.
    pub fn introduce(&mut self, act: &Act) {
        for key in act.public_keys() {
            self.0.insert(key.id(), key);
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
