//! `countersign serve`: runs the HTTP server of one ledger.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use countersign_ledger::append::{DEFAULT_QUEUE, OpenOptions};

use super::listen::ListenArgs;
use super::{Context, trust};
use crate::failure::{Exit, Failure};
use crate::server::{DEFAULT_MAX_EVIDENCE, DataArgs, Limits, Options, SealOptions, WitnessOptions};

/// Arguments of `countersign serve`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign serve --data ledger
  countersign serve --data ledger --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  countersign serve --data ledger --seal-key operator.pem --seal-every 6h
  countersign serve --data ledger --witnesses trust.policy

With --witnesses the server has others cosign its checkpoints (C2SP tlog-witness), so that nobody
has to trust that everyone is shown the same ledger. FILE is a C2SP tlog-policy whose witness lines
have urls; `countersign trust new` writes one. The ledger goes on when witnesses are down;
`countersign status` and GET /v1/witnesses say how each of them stands.

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
    /// Have the witnesses of this trust file (C2SP tlog-policy, with urls) cosign checkpoints
    #[arg(long, value_name = "FILE")]
    pub witnesses: Option<PathBuf>,
    /// How long after asking them the witnesses are asked again, if the ledger grew
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = short_duration, requires = "witnesses")]
    pub witness_every: Duration,
    /// How long one request to a witness may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = short_duration, requires = "witnesses")]
    pub witness_timeout: Duration,
    /// How long a client that waits for the witnesses is kept waiting at most
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = short_duration, requires = "witnesses")]
    pub witness_wait: Duration,
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

/// Reads a length of time: a whole number of milliseconds, seconds, minutes, hours or days.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let number = if digits.len() <= 9 { digits.parse::<u64>().ok() } else { None };
    let length = number.zip(millis).map(|(number, unit)| Duration::from_millis(number * unit));
    length.ok_or_else(|| "expected a time, such as 500ms, 90s, 30m, 24h or 7d".to_owned())
}

/// Reads how long to wait for witnesses, or between two askings: some time, and at most an hour.
fn short_duration(text: &str) -> Result<Duration, String> {
    let within = |length: &Duration| !length.is_zero() && *length <= Duration::from_secs(3_600);
    Some(duration(text)?).filter(within).ok_or_else(|| "expected a time from 1ms to 1h".to_owned())
}

/// The longest that a client may be kept waiting for witnesses: shorter than a request may take.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
    if args.witness_wait > LONGEST_WAIT {
        return Err(Failure::usage("--witness-wait: expected at most 60s"));
    }
    let witnesses = args.witnesses.as_deref().map(trust::read).transpose()?.map(|trust| WitnessOptions {
        trust,
        every: args.witness_every,
        timeout: args.witness_timeout,
        wait: args.witness_wait,
    });
    let options = Options {
        data: args.data,
        listen: args.listen,
        tls,
        queue: args.queue,
        evidence: args.evidence,
        max_evidence: args.max_evidence,
        witnesses,
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
            "--witness-every 10s",
            "--witnesses f --witness-every 10",
            "--witnesses f --witness-every 0s",
            "--witnesses f --witness-every 2h",
            "--witnesses f --witness-every s",
        ] {
            let text = format!("serve --data d {bad}");
            assert!(Command::try_parse_from(text.split(' ')).is_err(), "{bad}");
        }
    }
}
