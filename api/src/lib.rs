//! Countersign's client, operator commands and server.
//!
//! The binary `countersign` is [`cli::main`]. The modules are public so that tests, benches and examples can use the
//! same client that officers use. Without the default feature `server` the crate needs no RocksDB and no libclang.
//!
//! Nothing here prints except through [`output::Output`]: results on stdout, everything else on stderr.

pub mod book_file;
pub mod case_file;
pub mod cli;
pub mod client;
pub mod draft;
pub mod escape;
pub mod event_file;
pub mod exec_signer;
pub mod failure;
pub mod files;
pub mod keyring;
pub mod output;
pub mod problem;
#[cfg(feature = "server")]
mod routes;
#[cfg(feature = "server")]
pub mod server;
pub mod sheet;
pub mod watch;
pub mod wire;
#[cfg(feature = "server")]
pub mod witness;
