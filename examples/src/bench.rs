//! The measurements of `make bench`: each beside the signature limit of the same machine in the same run.
//!
//! - [`limit`]: how many signatures all cores verify in a second, and do nothing else;
//! - [`append`]: events prepared, admitted, stored and synced, with receipts; open time; bytes stored;
//! - [`seal`]: the time that sealing all streams takes, and the size of what it proves;
//! - [`serve`]: single events over HTTP, from request to receipt;
//! - [`verify`]: the verifier's program on a bundle of them;
//! - [`views`]: entries applied to views, and items looked up among many.

pub mod append;
pub mod limit;
pub mod seal;
pub mod serve;
pub mod verify;
pub mod views;
