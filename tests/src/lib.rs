//! What the tests of the whole project share.

pub mod forge;
pub mod harness;
