//! What the examples share: a small ledger to play with, and a lean HTTP client to measure with.

pub mod bench;
pub mod http;
pub mod world;
