//! Single events over HTTP: each waits for its own receipt, which is durable and can be verified offline.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::http::Connection;
use crate::world::program;

/// A running server, stopped when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Server {
    /// Serves a data folder on a free port of the loopback.
    ///
    /// # Errors
    /// When it does not say where it listens.
    pub fn start(data: &Path) -> Result<Self> {
        let mut child = Command::new(program("countersign")?)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("the server's standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let Some((_, address)) = line.trim().rsplit_once("http://") else {
            let _ = child.kill();
            bail!("the server does not say where it listens: {line:?}");
        };
        Ok(Self { child, address: address.to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is a benchmark's own: its data is thrown away.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What many single appends took.
pub struct Latencies {
    /// Events a second.
    pub per_second: f64,
    /// The time that half of them stayed under.
    pub p50: Duration,
    /// The time that 99 in 100 stayed under.
    pub p99: Duration,
}

/// Posts events one by one over some connections at once.
///
/// # Errors
/// When one is not recorded.
pub fn post_singly(address: &str, envelopes: &[String], connections: usize) -> Result<Latencies> {
    let started = Instant::now();
    let share = envelopes.len().div_ceil(connections);
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let workers: Vec<_> = envelopes
            .chunks(share)
            .map(|own| {
                scope.spawn(move || -> Result<Vec<Duration>> {
                    let mut connection = Connection::open(address)?;
                    let post = |envelope: &String| {
                        let begun = Instant::now();
                        let answer = connection.post("/v1/events", envelope.as_bytes())?;
                        ensure!(answer.status == 201, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
                        Ok(begun.elapsed())
                    };
                    own.iter().map(post).collect()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect::<Result<Vec<_>>>()
    })?
    .concat();
    let elapsed = started.elapsed();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    Ok(Latencies { per_second: times.len() as f64 / elapsed.as_secs_f64(), p50: at(50), p99: at(99) })
}
