//! The life of a consignment, in one process: begin a ledger, dispatch, receive one item short, and write the bundle.
//!
//! ```text
//! cargo run --release -p countersign-examples --bin lifecycle -- bundle.jsonl
//! countersign-verify bundle bundle.jsonl --ledger ID
//! ```
//!
//! `countersign demo` tells the same story through the server and the command line.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use countersign_examples::world::{CASE, World, payload, signed};
use countersign_ledger::bundle::{Compression, write_full};
use countersign_ledger::store::memory::MemoryStore;
use serde_json::json;

/// Plays the life of a consignment and writes its bundle.
#[derive(Parser)]
struct Arguments {
    /// Where to write the bundle.
    bundle: PathBuf,
}

fn main() -> Result<()> {
    let Arguments { bundle } = Arguments::parse();
    let world = World::begin(Arc::new(MemoryStore::new()), None)?;
    println!("ledger {}", world.id);

    let dispatched = world.ledger.submit(world.dispatch(1, false)?)?;
    println!("entry {}: the donor dispatched, event {}", dispatched.seq, dispatched.event);

    let body = json!({ "lines": [{
        "line": "1", "received": "1", "condition": "serviceable",
        "serials": { "present": ["SYN-0000001-A"], "absent": ["SYN-0000001-B"] },
    }] });
    let mut receipt = payload(Some(world.id), "transfer.received", "consignment/c-0000001", "xa-mod", &body);
    receipt["case"] = json!(CASE);
    receipt["after"] = json!(dispatched.event);
    let received = world.ledger.submit(signed(&receipt, &[&world.recipient])?)?;
    println!("entry {}: the recipient received one of two, event {}", received.seq, received.event);

    // Each of them holds a receipt, and can prove the entry without the ledger.
    received.receipt.verify_inclusion()?;
    received.receipt.proof().checkpoint().verify(&world.ledger.log_vkey())?;

    let out = BufWriter::new(File::create(&bundle)?);
    write_full(out, &**world.ledger.store(), world.id, &world.ledger.head(), Compression::None, |_| {})?;
    println!("countersign-verify bundle {} --ledger {}", bundle.display(), world.id);
    Ok(())
}
