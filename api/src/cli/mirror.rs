//! `countersign mirror`: keeps a verified copy of somebody's ledger, and serves it to read.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use countersign_ledger::append::{DEFAULT_QUEUE, OpenOptions};
use countersign_ledger::hash::LedgerId;
use countersign_ledger::id::TreeSize;
use countersign_ledger::trust::{MAX_TRUST_BYTES, TrustFile};
use serde::Serialize;

use super::Context;
use super::listen::ListenArgs;
use crate::client::Source;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;
use crate::server::{DEFAULT_MAX_EVIDENCE, DataArgs, Limits, MirrorOptions, Options};

/// Arguments of `countersign mirror`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Verifies every entry as the ledger did when it recorded it, and the tree against the signed
checkpoint, before anything of it is shown. Serves the same reads as the ledger; what would
write is answered with 403. When the ledger is gone the mirror goes on serving, and makes the
bundle that `countersign restore` rebuilds the ledger from. It never needs the log key.

A ledger that contradicts the copy (another history, or less than before) is not followed: the
copy is served as it is, /readyz and /v1/ledger say so, and both signed checkpoints are kept in
DIR/contradiction or DIR/rollback. After a contradiction nothing is followed any more until
somebody has looked at it and taken that folder away.

What the ledger discloses is copied too. What it erases later stays here until it is asked for:
tell whoever runs a mirror.

EXAMPLE
  countersign mirror --server https://ledger.example.org --ledger ID --data copy
  countersign mirror --server https://ledger.example.org --ledger ID --data copy --once")]
pub struct MirrorArgs {
    /// Folder of the copy: new, or that of this mirror
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA")]
    data: PathBuf,
    /// Address to serve the copy on; port 0 takes a free one. Beyond loopback only with TLS or --behind-proxy
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8760")]
    listen: SocketAddr,
    /// How often the ledger is asked, such as 30s or 5m
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    every: Duration,
    /// Copy what there is now, and end
    #[arg(long)]
    once: bool,
    /// Follow only checkpoints that are cosigned as this trust file asks
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Copy the evidence files that entries name, too
    #[arg(long)]
    evidence: bool,
    /// How it listens.
    #[command(flatten)]
    how: ListenArgs,
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration of 10ms to 1d, such as 30s or 5m".to_owned();
    let span: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
    let duration = Duration::try_from(span).map_err(|_| expected())?;
    let fits = (Duration::from_millis(10)..=Duration::from_secs(86_400)).contains(&duration);
    if fits { Ok(duration) } else { Err(expected()) }
}

/// What is said at the end of `--once`.
#[derive(Debug, Serialize)]
struct Copied {
    data: PathBuf,
    source: String,
    ledger: LedgerId,
    entries: TreeSize,
}

impl Report for Copied {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} entries of {} verified in {}", self.entries, self.source, self.data.display())?;
        writeln!(out, "ledger {}", self.ledger)
    }
}

/// Runs a mirror until it is told to stop, or with `--once` until it has what there is.
///
/// # Errors
/// When the folder or the address cannot be used, or with `--once` the ledger is not reached or contradicts the copy.
pub fn run(args: MirrorArgs, context: &Context) -> Result<Exit, Failure> {
    let tls = args.how.prepare(args.listen)?;
    let ledger = context.named_ledger()?;
    let trust = args.trust.as_ref().map(|path| {
        TrustFile::parse(&files::read(path, MAX_TRUST_BYTES)?).map_err(|e| Failure::usage(e).within(path.display()))
    });
    let source = Source::new(context.settings())?;
    let server = source.server().to_owned();
    let serving = Options {
        data: DataArgs { data: args.data.clone(), high_water: None, log_key: Vec::new() },
        listen: args.listen,
        tls,
        queue: DEFAULT_QUEUE,
        evidence: None,
        max_evidence: DEFAULT_MAX_EVIDENCE,
        open: OpenOptions::default(),
        seal: None,
        witnesses: None,
        limits: Limits::default(),
    };
    let options = MirrorOptions {
        source,
        ledger,
        trust: trust.transpose()?,
        every: args.every,
        once: args.once,
        evidence: args.evidence,
        serving,
    };
    let mirrored = crate::server::mirror(options, context.out())?;
    if args.once {
        let copied = Copied { data: args.data, source: server, ledger, entries: mirrored.size };
        context.out().emit(&copied)?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_are_bounded() {
        assert_eq!(duration("30s").unwrap(), Duration::from_secs(30));
        assert_eq!(duration("5m").unwrap(), Duration::from_secs(300));
        for wrong in ["", "0s", "-3s", "2d", "soon", "3"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
