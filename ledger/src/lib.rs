//! Countersign's ledger: format, authority, policy, Merkle log and store.
//!
//! Imports between modules run one way; ARCHITECTURE.md has the order.

pub mod authority;
pub mod refusal;
pub mod admission;
pub mod append;
pub mod submission;
pub mod capacity;
pub mod checkpoint;
pub mod envelope;
pub mod event;
pub mod hash;
pub mod high_water;
pub mod id;
pub mod json;
pub mod keys;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod rule;
pub mod store;
pub mod tile;
pub mod default_policy;
pub mod disclosure;
pub mod entry;
pub mod policy;
pub mod time;
