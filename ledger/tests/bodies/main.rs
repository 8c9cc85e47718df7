//! Bodies of events: every kind with a minimal and a full example, one-fault mutations, schemas, disclosures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod disclosures;
mod examples;
mod faults;
mod life;
mod life_faults;
mod mutations;
mod schemas;
