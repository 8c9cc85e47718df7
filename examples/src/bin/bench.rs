//! `make bench`: how fast, as ratios to what the machine's signatures allow.
//!
//! Every figure stands beside the signature limit that was measured in the same run: plain `verify_strict` on all
//! cores. An event of the bulk carries two signatures. The last line is one JSON object with the same figures.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use countersign_examples::bench::{append, limit, seal, serve, verify, views};
use countersign_examples::world::World;
use countersign_ledger::bundle::{Compression, write_full};
use countersign_ledger::submission::Submission;
use countersign_ledger::views::Readers;
use rayon::prelude::*;
use serde_json::{Value, json};

/// Measures the ledger, its server and its verifier against the signature limit of this machine.
#[derive(Parser)]
struct Arguments {
    /// How many entries; may be given more than once.
    #[arg(long, default_values_t = [10_000, 200_000])]
    entries: Vec<usize>,
    /// How many events to post singly over 64 connections (a twentieth of it over one).
    #[arg(long, default_value_t = 20_000)]
    posts: usize,
    /// Among how many items to look for serials.
    #[arg(long, default_value_t = 1_000_000)]
    items: usize,
    /// Also measure sealing with so many entries (1000000 is the aim's size).
    #[arg(long, value_name = "ENTRIES")]
    seal: Option<usize>,
    /// Over how many streams those are spread.
    #[arg(long, default_value_t = 300_000)]
    streams: usize,
    /// Only what `--seal` measures.
    #[arg(long, requires = "seal")]
    only_seal: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let sealing = arguments.seal.map(|entries| sealing(entries, arguments.streams)).transpose()?;
    if arguments.only_seal {
        println!("{}", json!({ "sealing": sealing }));
        return Ok(());
    }
    let mut runs = Vec::new();
    for entries in &arguments.entries {
        runs.push(run(*entries)?);
    }
    let http = http(arguments.posts)?;
    let items = look_up(arguments.items)?;
    let memory = memory_per_entry(&runs);
    if let Some(bytes) = memory {
        println!(
            "verifier memory                {bytes:>10.0} bytes an entry, between the smallest and the largest run"
        );
    }
    let summary =
        json!({ "runs": runs, "http": http, "views": items, "verifier_bytes_per_entry": memory, "sealing": sealing });
    println!("{summary}");
    Ok(())
}

fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Makes `count` dispatches, signed by both parties, on all cores.
fn dispatches(world: &World, count: usize, both: bool) -> Result<Vec<Submission>> {
    (0..count).into_par_iter().map(|n| world.dispatch(n, both)).collect()
}

fn run(entries: usize) -> Result<Value> {
    println!("== {entries} entries");
    let folder = tempfile::tempdir()?;
    let world = append::begin(folder.path())?;
    let submissions = dispatches(&world, entries, true)?;
    let keys = [world.donor.public(), world.recipient.public()];
    let sample = &submissions[..submissions.len().min(10_000)];
    let signatures = limit::signatures_per_second(sample, &keys)?;
    println!("signature limit                {signatures:>10.0} signatures/s (verify_strict, all cores)");
    let appended = per_second(entries, append::bulk(&world.ledger, submissions)?);
    let append_ratio = appended * 2.0 / signatures;
    println!("bulk append                    {appended:>10.0} events/s    {append_ratio:.2} of the limit");

    let (followed, rebuilt) = views_of(&world, folder.path(), appended)?;

    let (id, log) = (world.id, world.log.clone());
    world.ledger.shutdown();
    drop(world);
    let (ledger, opened) = append::open(folder.path(), &log)?;
    println!("open                           {:>10.0} ms", opened.as_secs_f64() * 1e3);

    let bundle = folder.path().join("bundle.jsonl");
    let mut out = BufWriter::new(File::create(&bundle)?);
    write_full(&mut out, &**ledger.store(), id, &ledger.head(), Compression::None, |_| {})?;
    drop(out);
    let bundle_bytes = fs::metadata(&bundle)?.len();
    let (took, resident) = verify::bundle(&bundle, id)?;
    let verified = per_second(entries, took);
    let verify_ratio = verified * 2.0 / signatures;
    println!("offline verification           {verified:>10.0} entries/s   {verify_ratio:.2} of the limit");
    println!("verifier, most resident        {:>10.1} MiB", resident as f64 / f64::from(1 << 20));

    ledger.shutdown();
    drop(ledger);
    let stored = append::folder_bytes(&folder.path().join("db"))?;
    let stored_ratio = stored as f64 / bundle_bytes as f64;
    println!("stored                         {stored:>10} bytes        {stored_ratio:.2} of the entries' bytes");
    Ok(json!({
        "entries": entries, "signatures_per_second": signatures, "append_per_second": appended,
        "append_ratio": append_ratio, "views_follow_per_second": followed, "views_rebuild_per_second": rebuilt,
        "views_follow_ratio_to_append": followed / appended, "open_ms": opened.as_secs_f64() * 1e3, "verify_per_second": verified,
        "verify_ratio": verify_ratio, "verifier_resident_bytes": resident, "bundle_bytes": bundle_bytes,
        "stored_bytes": stored, "stored_ratio": stored_ratio,
    }))
}

/// Applies what was appended to views: as the thread beside a server does, and as a rebuild does.
fn views_of(world: &World, folder: &Path, appended: f64) -> Result<(f64, f64)> {
    let store = &**world.ledger.store();
    let entries = usize::try_from(world.ledger.head().size.0)?;
    let (_, one) = views::apply(store, &folder.join("views-one"), 512, Readers::One)?;
    let (_, all) = views::apply(store, &folder.join("views-all"), 4_096, Readers::All)?;
    let (followed, rebuilt) = (per_second(entries, one), per_second(entries, all));
    println!(
        "views follow (one thread)      {followed:>10.0} entries/s   {:.2} of the append rate",
        followed / appended
    );
    println!("views rebuild (all cores)      {rebuilt:>10.0} entries/s   {:.2} of the append rate", rebuilt / appended);
    Ok((followed, rebuilt))
}

fn look_up(items: usize) -> Result<Value> {
    println!("== look-ups among {items} items");
    let found = views::look_up(items, 20_000)?;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let built = per_second(found.items, found.built);
    println!("views made                     {built:>10.0} items/s");
    println!(
        "by serial                      p50 {:.3} ms   p99 {:.3} ms   with history p99 {:.3} ms",
        millis(found.p50),
        millis(found.p99),
        millis(found.history_p99)
    );
    Ok(json!({
        "items": found.items, "built_items_per_second": built, "p50_ms": millis(found.p50), "p99_ms": millis(found.p99),
        "history_p99_ms": millis(found.history_p99),
    }))
}

/// Seals a ledger of many streams: from nothing, and again after a day's worth of entries.
fn sealing(entries: usize, streams: usize) -> Result<Value> {
    println!("== sealing {entries} entries in {streams} streams");
    let folder = tempfile::tempdir()?;
    let world = append::begin(folder.path())?;
    let found = seal::measure(&world, entries, streams, (entries / 100).max(1))?;
    let (first, next) = (found.first.as_secs_f64() * 1e3, found.next.as_secs_f64() * 1e3);
    println!("first seal, all counted        {first:>10.0} ms           {} streams", found.streams);
    println!("next seal                      {next:>10.0} ms           after {} entries", found.between);
    println!("proof of a consignment         {:>10} bytes", found.proof_bytes);
    Ok(json!({
        "entries": found.entries, "streams": found.streams, "first_ms": first, "next_ms": next,
        "next_after_entries": found.between, "proof_bytes": found.proof_bytes,
    }))
}

fn memory_per_entry(runs: &[Value]) -> Option<f64> {
    let (small, large) = (runs.first()?, runs.last()?);
    let more = large["entries"].as_f64()? - small["entries"].as_f64()?;
    let bytes = large["verifier_resident_bytes"].as_f64()? - small["verifier_resident_bytes"].as_f64()?;
    (more > 0.0).then(|| bytes / more)
}

fn http(posts: usize) -> Result<Value> {
    println!("== single events over HTTP, from request to receipt");
    let folder = tempfile::tempdir()?;
    let world = append::begin(folder.path())?;
    let singly = posts / 20;
    let submissions = dispatches(&world, posts + singly, false)?;
    let keys = [world.donor.public()];
    let signatures = limit::signatures_per_second(&submissions[..submissions.len().min(10_000)], &keys)?;
    save_log_key(&world, folder.path())?;
    world.ledger.shutdown();
    drop(world);
    let envelopes: Vec<String> = submissions.iter().map(|submission| submission.envelope.canonical()).collect();
    let (one, many) = envelopes.split_at(singly);
    let server = serve::Server::start(folder.path())?;
    let mut rows = Vec::new();
    for (envelopes, connections) in [(one, 1), (many, 64)] {
        let found = serve::post_singly(&server.address, envelopes, connections)?;
        let ratio = found.per_second / signatures;
        let (p50, p99) = (found.p50.as_secs_f64() * 1e3, found.p99.as_secs_f64() * 1e3);
        println!(
            "{connections:>2} connections                 {:>10.0} events/s    {ratio:.2} of the limit   p50 {p50:.2} ms   p99 {p99:.2} ms",
            found.per_second
        );
        rows.push(json!({
            "connections": connections, "per_second": found.per_second, "ratio": ratio, "p50_ms": p50, "p99_ms": p99,
        }));
    }
    Ok(json!(rows))
}

/// Writes the log key where the server looks for it.
fn save_log_key(world: &World, folder: &Path) -> Result<()> {
    let pem = world.log.to_pem(None).context("the log key as PEM")?;
    Ok(fs::write(folder.join("log-key.pem"), pem.as_bytes())?)
}
