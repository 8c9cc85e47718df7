//! What tests of running ledgers share: people with keys, a ledger in memory, a ledger behind a real server process,
//! the verifier binary.
//!
//! Everything here panics when it does not work: it is for tests alone.

pub mod binaries;
pub mod draft;
pub mod http;
pub mod impostor;
pub mod log_server;
pub mod page;
pub mod people;
pub mod server;
pub mod staged_witness;
pub mod stores;
pub mod verify;
pub mod witness;
pub mod world;

pub use draft::{Draft, draft};
pub use impostor::Impostor;
pub use log_server::{LogServer, Mischief, Shown};
pub use server::{DataFolder, Server};
pub use staged_witness::{Manner, TestWitness};
pub use verify::{Report, verify};
pub use witness::{Log, Witness, WitnessFolder};
pub use world::{Hands, World};
