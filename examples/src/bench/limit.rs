//! The signature limit: plain `verify_strict` on all cores, the yardstick of everything else.

use std::time::Instant;

use anyhow::{Result, ensure};
use countersign_ledger::submission::Submission;
use rayon::prelude::*;

/// Returns how many signatures a second all cores verify with `verify_strict`, over the messages of real events.
///
/// # Errors
/// When a signature is not valid, which would make the figure meaningless.
pub fn signatures_per_second(submissions: &[Submission], keys: &[countersign_ledger::keys::PublicKey]) -> Result<f64> {
    let work: Vec<_> = submissions
        .iter()
        .flat_map(|submission| {
            let message = submission.envelope.pae();
            submission.envelope.signatures().iter().map(move |(keyid, signature)| (message.clone(), *keyid, *signature))
        })
        .collect();
    let check = || {
        work.par_iter().all(|(message, keyid, signature)| {
            keys.iter().find(|key| key.id() == *keyid).is_some_and(|key| key.verify(message, signature).is_ok())
        })
    };
    ensure!(check(), "every signature is valid");
    let started = Instant::now();
    let mut rounds = 0u32;
    while started.elapsed().as_millis() < 2_000 {
        ensure!(check(), "every signature is valid");
        rounds += 1;
    }
    Ok(work.len() as f64 * f64::from(rounds) / started.elapsed().as_secs_f64())
}
