//! What the examples share: a small ledger to play with, a lean HTTP client to measure with, an office that
//! records real transfers.

pub mod bench;
pub mod http;
pub mod leso;
pub mod world;
