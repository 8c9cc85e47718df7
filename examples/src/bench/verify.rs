//! The verifier's program on a bundle: how long, and with how much memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_ledger::hash::LedgerId;

use crate::world::program;

/// Verifies a bundle; returns the time it took and the most memory that it had resident, in bytes.
///
/// # Errors
/// When the verdict is not `verified`.
pub fn bundle(file: &Path, ledger: LedgerId) -> Result<(Duration, u64)> {
    let started = Instant::now();
    let mut child = Command::new(program("countersign-verify")?)
        .arg("bundle")
        .arg(file)
        .args(["--ledger", &ledger.to_string(), "--json"])
        .stdout(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let exit = loop {
        // The high-water mark of the resident set is gone with the process: it is read until then.
        most = most.max(resident(&status));
        match child.try_wait()? {
            Some(exit) => break exit,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let elapsed = started.elapsed();
    ensure!(exit.success(), "the verifier says {exit}");
    Ok((elapsed, most))
}

/// Reads the most memory resident so far; 0 where the system does not tell.
fn resident(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
