//! `countersign serve`: runs the HTTP server of one ledger.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use countersign_ledger::append::{DEFAULT_QUEUE, OpenOptions};

use super::Context;
use super::listen::ListenArgs;
use crate::failure::{Exit, Failure};
use crate::server::{DEFAULT_MAX_EVIDENCE, DataArgs, Limits, Options, SealOptions};

/// Arguments of `countersign serve`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign serve --data ledger
  countersign serve --data ledger --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  countersign serve --data ledger --seal-key operator.pem --seal-every 6h

A key to seal with stands on the server: have it enrolled for seals alone, with
`party enroll … --capacity operator --use streams.sealed`.

Prints one line on stdout once it listens, logs on stderr (COUNTERSIGN_LOG=debug for one line a request).
SIGTERM or SIGINT: requests under way are finished (30 s at most), what is queued is recorded.
Exit status: 0 told to stop; 1 the store is in doubt or was rolled back; 2 usage, files, address.")]
pub struct ServeArgs {
    /// Where the ledger is.
    #[command(flatten)]
    pub data: DataArgs,
    /// Address to listen on; port 0 takes a free one. Beyond loopback only with TLS or --behind-proxy
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8750")]
    pub listen: SocketAddr,
    /// How it is listened.
    #[command(flatten)]
    pub how: ListenArgs,
    /// How many submissions may wait for the disk before more are told to come back
    #[arg(long, value_name = "N", default_value_t = DEFAULT_QUEUE, value_parser = queue_length)]
    pub queue: usize,
    /// Folder of evidence files [default: DIR/evidence]
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
    /// The largest evidence file that is taken: bytes, or with K, M or G
    #[arg(long, value_name = "SIZE", default_value_t = DEFAULT_MAX_EVIDENCE, value_parser = bytes)]
    pub max_evidence: u64,
    /// Seal all streams with this key, of a party with capacity operator: extracts then prove that they are whole
    #[arg(long, value_name = "FILE")]
    pub seal_key: Option<PathBuf>,
    /// How long after a seal to make the next: such as 90s, 30m, 24h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration, requires = "seal_key")]
    pub seal_every: Duration,
    /// How long after a seal nobody gets another by asking
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration, requires = "seal_key")]
    pub seal_gap: Duration,
    /// Start although the clock is more than a day ahead of the last entry
    #[arg(long)]
    pub accept_clock_jump: bool,
}

fn queue_length(text: &str) -> Result<usize, String> {
    const MAX: usize = 1 << 20;
    let length = text.parse().ok().filter(|length| (1..=MAX).contains(length));
    length.ok_or_else(|| format!("expected a number from 1 to {MAX}"))
}

/// Reads a number of bytes, perhaps in binary thousands.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let size = if plain { digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)) } else { None };
    size.ok_or_else(|| "expected a number of bytes, such as 500000, 512M or 4G".to_owned())
}

/// Reads a time: a number of seconds, minutes, hours or days.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b'h') => (&text[..text.len() - 1], 3_600),
        Some(b'd') => (&text[..text.len() - 1], 86_400),
        _ => ("", 1),
    };
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let seconds = if plain { digits.parse::<u64>().ok().map(|n| n * unit) } else { None };
    seconds.map(Duration::from_secs).ok_or_else(|| "expected a time, such as 90s, 30m, 24h or 7d".to_owned())
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// When it may not listen there, the ledger cannot be opened, or the store failed while serving.
pub fn run(args: ServeArgs, context: &Context) -> Result<Exit, Failure> {
    let tls = args.how.prepare(args.listen)?;
    let seal = match &args.seal_key {
        Some(file) => {
            let key = context.keyring().open(file)?;
            Some(SealOptions { key, every: args.seal_every, gap: args.seal_gap })
        }
        None => None,
    };
    let options = Options {
        data: args.data,
        listen: args.listen,
        tls,
        queue: args.queue,
        evidence: args.evidence,
        max_evidence: args.max_evidence,
        open: OpenOptions { accept_clock_jump: args.accept_clock_jump },
        limits: Limits::default(),
        seal,
    };
    crate::server::run(options, context.keyring(), context.out()).map(|()| Exit::Done)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: ServeArgs,
    }

    #[test]
    fn a_certificate_needs_its_key_and_a_queue_a_length() {
        for bad in [
            "--tls-cert c",
            "--tls-key k",
            "--tls-cert c --tls-key k --behind-proxy",
            "--queue 0",
            "--queue x",
            "--max-evidence 1T",
            "--max-evidence G",
            "--seal-every 24h",
            "--seal-key k --seal-every 24",
            "--seal-key k --seal-every h",
            "--seal-key k --seal-gap -1s",
        ] {
            let text = format!("serve --data d {bad}");
            assert!(Command::try_parse_from(text.split(' ')).is_err(), "{bad}");
        }
    }
}
