//! Numbers for the operator, in the text form of Prometheus.
//!
//! No label holds anything that a client chose: routes are those of the router, codes those of `problem`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

const METADATA: Metadata<'static> = Metadata::new("countersign", Level::INFO, None);
const SECONDS: [f64; 14] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
const ENTRIES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

const REQUESTS: &str = "countersign_http_requests_total";
const REQUEST_SECONDS: &str = "countersign_http_request_seconds";
const REFUSALS: &str = "countersign_refusals_total";

/// The server's counters. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
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
    pub(crate) fn new() -> Result<Self, metrics_exporter_prometheus::BuildError> {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS)?;
        let entries = Matcher::Full("countersign_commit_entries".to_owned());
        let recorder = builder.set_buckets_for_metric(entries, &ENTRIES)?.build_recorder();
        describe(&recorder);
        let counter = |name: &'static str| recorder.register_counter(&Key::from_static_name(name), &METADATA);
        let gauge = |name: &'static str| recorder.register_gauge(&Key::from_static_name(name), &METADATA);
        let histogram = |name: &'static str| recorder.register_histogram(&Key::from_static_name(name), &METADATA);
        Ok(Self(Arc::new(Inner {
            appended: counter("countersign_events_appended_total"),
            repeated: counter("countersign_events_repeated_total"),
            submission_seconds: histogram("countersign_submission_seconds"),
            commit_seconds: histogram("countersign_commit_seconds"),
            commit_entries: histogram("countersign_commit_entries"),
            commit_failures: counter("countersign_commit_failures_total"),
            queue_depth: gauge("countersign_queue_depth"),
            size: gauge("countersign_ledger_size"),
            disk_bytes: gauge("countersign_store_bytes"),
            serving: gauge("countersign_ledger_serving"),
            handle: recorder.handle(),
            recorder,
        })))
    }

    /// Counts a request and how long its answer took to begin.
    pub(crate) fn request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let (method, route) = (method_label(method), route.to_owned());
        let labels = vec![Label::from_static_parts("method", method), Label::new("route", route)];
        let seconds = Key::from_parts(REQUEST_SECONDS, labels.clone());
        self.0.recorder.register_histogram(&seconds, &METADATA).record(took.as_secs_f64());
        let mut labels = labels;
        labels.push(Label::new("status", status.as_str().to_owned()));
        self.0.recorder.register_counter(&Key::from_parts(REQUESTS, labels), &METADATA).increment(1);
    }

    /// Counts a problem by its code.
    pub(crate) fn problem(&self, code: &str) {
        let key = Key::from_parts(REFUSALS, vec![Label::new("code", code.to_owned())]);
        self.0.recorder.register_counter(&key, &METADATA).increment(1);
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
        self.0.handle.render()
    }

    /// Folds what was recorded since into the histograms; to be called now and then, or they grow.
    pub(crate) fn upkeep(&self) {
        self.0.handle.run_upkeep();
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

/// Returns a label for a method; one for all that no route has, because clients may make up any.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

fn describe(recorder: &PrometheusRecorder) {
    let counters = [
        (REQUESTS, "Requests, by method, route and status"),
        (REFUSALS, "Problems answered, by code; each line of a batch counts"),
        ("countersign_events_appended_total", "Events recorded"),
        ("countersign_events_repeated_total", "Submissions of events that had been recorded before"),
        ("countersign_commit_failures_total", "Commits of which it is not known that they are durable"),
    ];
    for (name, text) in counters {
        recorder.describe_counter(name.into(), None, text.into());
    }
    let seconds = [
        (REQUEST_SECONDS, "Time from a request's headers to its answer's, by method and route"),
        ("countersign_submission_seconds", "Time from the committer's queue to a durable entry"),
        ("countersign_commit_seconds", "Time of one commit: one write, synced to the disk"),
    ];
    for (name, text) in seconds {
        recorder.describe_histogram(name.into(), Some(Unit::Seconds), text.into());
    }
    recorder.describe_histogram("countersign_commit_entries".into(), None, "Entries in one commit".into());
    let gauges = [
        ("countersign_queue_depth", "Submissions that wait for the committer"),
        ("countersign_ledger_size", "Durable entries"),
        ("countersign_store_bytes", "Bytes that the store takes on disk"),
        ("countersign_ledger_serving", "1 while the ledger records, 0 when closed or failed"),
    ];
    for (name, text) in gauges {
        recorder.describe_gauge(name.into(), None, text.into());
    }
}
