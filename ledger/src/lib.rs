//! Countersign's ledger: format, authority, policy, Merkle log and store.
//!
//! Imports between modules run one way; ARCHITECTURE.md has the order.

pub mod capacity;
pub mod envelope;
pub mod event;
pub mod hash;
pub mod id;
pub mod json;
pub mod keys;
pub mod merkle;
pub mod rule;
pub mod tile;
pub mod time;
