//! Numbers for the operator of a ledger, in the text form of Prometheus.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};
use metrics_exporter_prometheus::BuildError;

use super::http_metrics::HttpMetrics;

const ENTRIES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
const COMMIT_ENTRIES: &str = "countersign_commit_entries";

/// The server's counters. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    http: HttpMetrics,
    appended: Counter,
    repeated: Counter,
    submission_seconds: Histogram,
    commit_seconds: Histogram,
    commit_entries: Histogram,
    commit_failures: Counter,
    queue_depth: Gauge,
    size: Gauge,
    disk_bytes: Gauge,
    serving: Gauge,
}

impl Metrics {
    /// Makes a set of counters, all zero.
    ///
    /// # Errors
    /// When the exporter refuses the buckets.
    pub(crate) fn new() -> Result<Self, BuildError> {
        let http = HttpMetrics::new(&[(COMMIT_ENTRIES, &ENTRIES)])?;
        let seconds = |name, text| http.histogram(name, Some(Unit::Seconds), text);
        Ok(Self(Arc::new(Inner {
            appended: http.counter("countersign_events_appended_total", "Events recorded"),
            repeated: http
                .counter("countersign_events_repeated_total", "Submissions of events that had been recorded before"),
            submission_seconds: seconds(
                "countersign_submission_seconds",
                "Time from the committer's queue to a durable entry",
            ),
            commit_seconds: seconds("countersign_commit_seconds", "Time of one commit: one write, synced to the disk"),
            commit_entries: http.histogram(COMMIT_ENTRIES, None, "Entries in one commit"),
            commit_failures: http
                .counter("countersign_commit_failures_total", "Commits of which it is not known that they are durable"),
            queue_depth: http.gauge("countersign_queue_depth", "Submissions that wait for the committer"),
            size: http.gauge("countersign_ledger_size", "Durable entries"),
            disk_bytes: http.gauge("countersign_store_bytes", "Bytes that the store takes on disk"),
            serving: http.gauge("countersign_ledger_serving", "1 while the ledger records, 0 when closed or failed"),
            http,
        })))
    }

    /// Returns the counters of requests.
    pub(crate) fn http(&self) -> &HttpMetrics {
        &self.0.http
    }

    /// Counts a submission that is recorded, and how long it took from the queue to the disk.
    pub(crate) fn recorded(&self, repeated: bool, took: Duration) {
        let counter = if repeated { &self.0.repeated } else { &self.0.appended };
        counter.increment(1);
        self.0.submission_seconds.record(took.as_secs_f64());
    }

    /// Counts a commit.
    pub(crate) fn commit(&self, entries: usize, took: Duration, ok: bool) {
        if !ok {
            self.0.commit_failures.increment(1);
        }
        self.0.commit_seconds.record(took.as_secs_f64());
        // a batch has at most a few hundred entries: exact
        self.0.commit_entries.record(f64::from(u32::try_from(entries).unwrap_or(u32::MAX)));
    }

    /// Writes everything out, with what holds at this moment.
    pub(crate) fn render(&self, now: &Moment) -> String {
        self.0.queue_depth.set(f64::from(u32::try_from(now.queue_depth).unwrap_or(u32::MAX)));
        #[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        self.0.size.set(now.size as f64);
        #[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        self.0.disk_bytes.set(now.disk_bytes as f64);
        self.0.serving.set(f64::from(u8::from(now.serving)));
        self.0.http.render()
    }
}

/// What holds at the moment of writing.
pub(crate) struct Moment {
    /// Submissions that wait.
    pub(crate) queue_depth: usize,
    /// Durable entries.
    pub(crate) size: u64,
    /// Bytes on disk.
    pub(crate) disk_bytes: u64,
    /// Whether the ledger records.
    pub(crate) serving: bool,
}
