//! Sealing: how long it takes to commit to all streams, and how large the proof is that an extract is whole (SPEC §15).

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::StreamId;
use countersign_ledger::seal::{SealedLine, Sealer};
use countersign_ledger::submission::Submission;
use rayon::prelude::*;
use serde_json::json;

use super::append;
use crate::world::{CASE, World, signed};

/// How many events are made and appended together: their bytes are held in memory.
const TOGETHER: usize = 50_000;

/// What sealing takes.
#[derive(Debug, Clone, Copy)]
pub struct Sealing {
    /// How many entries there were at the first seal.
    pub entries: u64,
    /// How many streams.
    pub streams: u64,
    /// The first seal: every stream is counted by the index.
    pub first: Duration,
    /// A seal after `between` more entries.
    pub next: Duration,
    /// How many those were.
    pub between: usize,
    /// The lines that prove that an extract of one consignment is whole.
    pub proof_bytes: usize,
}

/// Appends `entries` events to `streams` streams, and seals: at once, and again after `between` more.
///
/// # Errors
/// When the ledger refuses, or a seal is not new.
pub fn measure(world: &World, entries: usize, streams: usize, between: usize) -> Result<Sealing> {
    let streams = streams.clamp(1, entries.max(1));
    let mut heads = Vec::with_capacity(streams);
    add(world, 0..entries, streams, &mut heads)?;
    let sealer = Sealer { party: "xd-registry".parse()?, key: Arc::new(world.operator.clone()) };
    let seal = || -> Result<Duration> {
        let started = Instant::now();
        let recorded = world.ledger.seal(&sealer)?;
        ensure!(!recorded.repeated, "the seal is new");
        Ok(started.elapsed())
    };
    let first = seal()?;
    let sealed = world.ledger.sealed()?.context("a seal")?;
    let (count, size) = (sealed.streams.count(), sealed.streams.size().0);
    let proof = |subject: String| -> Result<SealedLine> {
        let stream = StreamId { case: Some(CASE.parse()?), subject: subject.parse()? };
        Ok(sealed.streams.prove_stream(&stream))
    };
    let lines = [proof(format!("consignment/c-{:07}", streams / 2))?, proof(format!("case/{CASE}"))?];
    ensure!(lines.iter().all(|line| line.instead.is_none()), "both are there");
    let proof_bytes = lines.iter().map(|line| line.line().len() + 1).sum();
    add(world, entries..entries + between, streams, &mut heads)?;
    Ok(Sealing { entries: size, streams: count, first, next: seal()?, between, proof_bytes })
}

/// Appends events of these numbers: the first of each stream begins it, the others follow that one.
fn add(world: &World, numbers: std::ops::Range<usize>, streams: usize, heads: &mut Vec<EventHash>) -> Result<()> {
    let mut next = numbers.start;
    while next < numbers.end {
        // those that begin a stream and those that follow are not mixed
        let end = if next < streams { streams } else { numbers.end }.min(next + TOGETHER).min(numbers.end);
        let known = &*heads;
        let made = (next..end).into_par_iter().map(|n| {
            let mut payload = world.dispatch_payload(n % streams);
            if let Some(first) = known.get(n % streams).filter(|_| n >= streams) {
                payload["after"] = json!(first);
            }
            signed(&payload, &[&world.donor])
        });
        let made: Vec<Submission> = made.collect::<Result<_>>()?;
        if next < streams {
            heads.extend(made.iter().map(|submission| submission.envelope.event_hash()));
        }
        append::bulk(&world.ledger, made)?;
        next = end;
    }
    Ok(())
}
