//! A load generator: posts dispatches to a server of its own and prints what it took.
//!
//! ```text
//! cargo run --release -p countersign-examples --bin load -- --connections 64 --events 20000
//! ```
//!
//! The server runs on the loopback with a data folder that is thrown away; the load ends by itself.

use std::fs;

use anyhow::{Context as _, Result};
use clap::Parser;
use countersign_examples::bench::{append, serve};

/// Posts events to a server of its own, each on its own, and prints rate and latencies.
#[derive(Parser)]
struct Arguments {
    /// How many connections at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// How many events altogether.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    events: u32,
}

fn main() -> Result<()> {
    let Arguments { connections, events } = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let world = append::begin(folder.path())?;
    let envelopes: Result<Vec<String>> =
        (0..events as usize).map(|n| Ok(world.dispatch(n, false)?.envelope.canonical())).collect();
    let envelopes = envelopes?;
    fs::write(folder.path().join("log-key.pem"), world.log.to_pem(None).context("the log key")?.as_bytes())?;
    world.ledger.shutdown();
    drop(world);
    let server = serve::Server::start(folder.path())?;
    let found = serve::post_singly(&server.address, &envelopes, usize::from(connections))?;
    println!(
        "{events} events over {connections} connections: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms",
        found.per_second,
        found.p50.as_secs_f64() * 1e3,
        found.p99.as_secs_f64() * 1e3
    );
    Ok(())
}
