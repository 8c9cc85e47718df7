//! What every server of this package counts, in the text form of Prometheus: requests and refusals.
//!
//! No label holds anything that a client chose: routes are those of the router, codes those of `problem`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

const METADATA: Metadata<'static> = Metadata::new("countersign", Level::INFO, None);
const SECONDS: [f64; 14] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

const REQUESTS: &str = "countersign_http_requests_total";
const REQUEST_SECONDS: &str = "countersign_http_request_seconds";
const REFUSALS: &str = "countersign_refusals_total";

/// A recorder with the counters of requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpMetrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl HttpMetrics {
    /// Makes a set of counters, all zero; `buckets` are those of histograms that measure no time.
    ///
    /// # Errors
    /// When the exporter refuses the buckets.
    pub(crate) fn new(buckets: &[(&str, &[f64])]) -> Result<Self, BuildError> {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let mut builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS)?;
        for (name, bounds) in buckets {
            builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), bounds)?;
        }
        let recorder = builder.build_recorder();
        for (name, text) in [
            (REQUESTS, "Requests, by method, route and status"),
            (REFUSALS, "Problems answered, by code; each line of a batch counts"),
        ] {
            recorder.describe_counter(name.into(), None, text.into());
        }
        let text = "Time from a request's headers to its answer's, by method and route";
        recorder.describe_histogram(REQUEST_SECONDS.into(), Some(Unit::Seconds), text.into());
        Ok(Self(Arc::new(Inner { handle: recorder.handle(), recorder })))
    }

    /// Makes a counter.
    pub(crate) fn counter(&self, name: &'static str, text: &'static str) -> Counter {
        self.0.recorder.describe_counter(name.into(), None, text.into());
        self.0.recorder.register_counter(&Key::from_static_name(name), &METADATA)
    }

    /// Makes a gauge.
    pub(crate) fn gauge(&self, name: &'static str, text: &'static str) -> Gauge {
        self.0.recorder.describe_gauge(name.into(), None, text.into());
        self.0.recorder.register_gauge(&Key::from_static_name(name), &METADATA)
    }

    /// Makes one gauge of several of a name, told apart by a label that no client chose.
    pub(crate) fn labelled_gauge(
        &self,
        name: &'static str,
        text: &'static str,
        (label, value): (&'static str, String),
    ) -> Gauge {
        self.0.recorder.describe_gauge(name.into(), None, text.into());
        let key = Key::from_parts(name, vec![Label::new(label, value)]);
        self.0.recorder.register_gauge(&key, &METADATA)
    }

    /// Makes a histogram.
    pub(crate) fn histogram(&self, name: &'static str, unit: Option<Unit>, text: &'static str) -> Histogram {
        self.0.recorder.describe_histogram(name.into(), unit, text.into());
        self.0.recorder.register_histogram(&Key::from_static_name(name), &METADATA)
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

    /// Writes everything out.
    pub(crate) fn render(&self) -> String {
        self.0.handle.render()
    }

    /// Folds what was recorded since into the histograms; to be called now and then, or they grow.
    pub(crate) fn upkeep(&self) {
        self.0.handle.run_upkeep();
    }
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
