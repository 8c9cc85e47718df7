//! How much of the server one client may use: every bound on time and number in one place. Bounds on bytes are those
//! of SPEC §12, in `wire`.

use std::time::Duration;

/// The bounds under which a server works. Tests make them shorter.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Until the headers of a request must have arrived; also how long an idle connection stays open.
    pub headers: Duration,
    /// The longest pause within a request's body.
    pub pause: Duration,
    /// How long a body may take, beside what `bytes_per_second` gives it.
    pub body: Duration,
    /// The slowest rate at which a body may arrive in the long run.
    pub bytes_per_second: u64,
    /// Until a request must be answered, its body included where the answer needs all of it.
    pub request: Duration,
    /// How long a connection may refuse to take any byte of an answer.
    pub stalled_write: Duration,
    /// How many connections may be open at once; more are closed as they come.
    pub connections: usize,
    /// How many batches are read and worked on at once; more are told to come back.
    pub batches: usize,
    /// How many exports run at once.
    pub exports: usize,
    /// How many evidence files arrive at once.
    pub uploads: usize,
    /// How long an evidence file may take to arrive; `pause` and `bytes_per_second` hold for it too.
    pub upload: Duration,
    /// How many clients listen to new entries at once.
    pub listeners: usize,
    /// How often a client that listens is told that the connection lives.
    pub heartbeat: Duration,
    /// How long a batch waits for a place in the committer's queue.
    pub queue_wait: Duration,
    /// How long requests may go on after the signal to stop.
    pub shutdown: Duration,
    /// How long they may go on when the store is in doubt.
    pub failed: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(15),
            pause: Duration::from_secs(30),
            body: Duration::from_secs(60),
            bytes_per_second: 1024,
            request: Duration::from_secs(90),
            stalled_write: Duration::from_secs(60),
            connections: 512,
            batches: 8,
            exports: 4,
            uploads: 8,
            upload: Duration::from_secs(6 * 3600),
            listeners: 64,
            heartbeat: Duration::from_secs(10),
            queue_wait: Duration::from_secs(30),
            shutdown: Duration::from_secs(30),
            failed: Duration::from_secs(1),
        }
    }
}
