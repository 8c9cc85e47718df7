//! Countersign's ledger: format, authority, policy, Merkle log and store.
//!
//! Imports between modules run one way; ARCHITECTURE.md has the order.

pub mod admission;
pub mod annual;
pub mod append;
pub mod authority;
pub mod book;
pub mod bundle;
pub mod capacity;
pub mod checkpoint;
pub mod default_policy;
pub mod disclosure;
pub mod entry;
pub mod envelope;
pub mod event;
pub mod facts;
pub mod fault;
pub mod findings;
pub mod hash;
pub mod high_water;
pub mod id;
pub mod json;
pub mod keyed;
pub mod keys;
pub mod merkle;
pub mod misbehaviour;
pub mod note;
mod pending;
pub mod policy;
pub mod proof;
pub mod proposal;
pub mod reconcile;
pub mod refusal;
pub mod replay;
pub mod rule;
pub mod seal;
pub mod store;
pub mod submission;
pub mod tile;
pub mod time;
pub mod trust;
pub mod views;
pub mod witness;
