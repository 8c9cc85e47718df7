//! The HTTP service of a witness: `POST /add-checkpoint`, and what whoever watches it asks for.
//!
//! | status | when (C2SP tlog-witness) |
//! |---|---|
//! | 200 | cosigned: the body is the cosignature's line |
//! | 400 | not a request, or `old` above the checkpoint's size |
//! | 403 | no known key of the log signed |
//! | 404 | the origin is none that is followed |
//! | 409 | `old` is not the size held, or the roots differ at that size: the body is the size held, `text/x.tlog.size` |
//! | 413 | longer than any request is |
//! | 422 | the consistency proof does not hold; an auditor: an entry is false, or was another under the same log key |
//! | 503 | the clock is behind, the disk or the key refuses, too much at once; an auditor: entries could not be fetched in time |
//!
//! Every refusal but 409 has a problem as its body. Nobody authenticates here but by the log's signature: what comes
//! without one is bounded in bytes, time and number, and writes nothing.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use countersign_ledger::id::TreeSize;
use countersign_ledger::note::NoteSignature;
use countersign_ledger::witness::{AddCheckpoint, MAX_REQUEST_BYTES, SIZE_MEDIA_TYPE, WitnessRefusal};
use metrics::{Counter, Gauge};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::audit::{Auditor, NotAudited};
use super::{Followed, NotCosigned};
use crate::problem::{Code, Problem};
use crate::routes::{framed, healthz};
use crate::server::{HttpMetrics, Limits, Observed, read, read_all};
use crate::wire::TEXT;

/// How many requests are worked on at once; others wait.
const AT_ONCE: usize = 16;
/// The longest that a client is told to wait for a clock.
const LONGEST_RETRY: u64 = 3_600;

/// What every route has at hand. Cheap to clone.
#[derive(Clone)]
pub(super) struct Service(Arc<Shared>);

/// One ledger: what is cosigned of it, and who verifies its entries before.
pub(super) struct Ledger {
    /// What is held of it.
    pub(super) followed: Arc<Followed>,
    /// Verifies its entries, if this witness is an auditor.
    pub(super) auditor: Option<Arc<Auditor>>,
}

/// See [`Service`].
pub(super) struct Shared {
    ledgers: BTreeMap<String, Ledger>,
    audit_wait: Duration,
    counters: HttpMetrics,
    cosigned: Counter,
    conflicts: Counter,
    sizes: BTreeMap<String, Gauge>,
    limits: Limits,
    places: Arc<Semaphore>,
    /// Cancelled when the witness is told to stop.
    pub(super) closing: CancellationToken,
}

impl Deref for Service {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Observed for Service {
    fn counters(&self) -> &HttpMetrics {
        &self.counters
    }

    fn bounds(&self) -> &Limits {
        &self.limits
    }
}

/// The bounds under which a witness works: requests are small, and there are few who send any.
pub(super) fn limits() -> Limits {
    Limits {
        headers: Duration::from_secs(15),
        pause: Duration::from_secs(15),
        body: Duration::from_secs(20),
        bytes_per_second: 16 << 10,
        request: Duration::from_secs(60),
        connections: 128,
        queue_wait: Duration::from_secs(20),
        ..Limits::default()
    }
}

impl Service {
    /// Puts a service together.
    pub(super) fn new(ledgers: Vec<Ledger>, counters: HttpMetrics, limits: Limits, audit_wait: Duration) -> Self {
        let size = "countersign_witness_size";
        let text = "Entries of the tree that was cosigned last, by ledger";
        let sizes = ledgers.iter().map(|ledger| {
            let origin = ledger.followed.origin().to_string();
            (origin.clone(), counters.labelled_gauge(size, text, ("origin", origin)))
        });
        Self(Arc::new(Shared {
            sizes: sizes.collect(),
            cosigned: counters.counter("countersign_witness_cosignatures_total", "Cosignatures given"),
            conflicts: counters.counter("countersign_witness_conflicts_total", "Requests answered 409"),
            ledgers: ledgers.into_iter().map(|ledger| (ledger.followed.origin().to_string(), ledger)).collect(),
            audit_wait,
            counters,
            limits,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            closing: CancellationToken::new(),
        }))
    }

    /// Builds the router; `prefix` is empty, or begins with a slash and does not end in one.
    pub(super) fn router(self, prefix: &str) -> Router {
        let router = Router::new()
            .route(&format!("{prefix}/add-checkpoint"), post(add_checkpoint))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .fallback(not_found);
        framed(router, self)
    }

    /// Folds what was counted.
    pub(super) fn upkeep(&self) {
        self.counters.upkeep();
    }

    /// Runs something that computes or waits for the disk, as one of a bounded number.
    async fn work<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let place = tokio::time::timeout(self.limits.queue_wait, Arc::clone(&self.places).acquire_owned());
        let Ok(Ok(place)) = place.await else {
            return Err(Problem::new(Code::Busy, "too many requests at once").retry_after(2));
        };
        read(move || {
            let result = job();
            drop(place);
            result
        })
        .await
    }
}

/// `POST <prefix>/add-checkpoint`.
async fn add_checkpoint(State(service): State<Service>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let bytes = read_all(&headers, body, MAX_REQUEST_BYTES, &service.limits).await?;
    let request = AddCheckpoint::from_bytes(&bytes).map_err(|e| Problem::new(Code::BadRequest, e.to_string()))?;
    let ledger = service.ledgers.get(request.origin());
    let ledger = ledger.ok_or_else(|| Problem::not_found("ledger", request.origin()))?;
    match answer(&service, ledger, request).await? {
        Ok((line, size)) => {
            service.cosigned.increment(1);
            tracing::debug!(origin = %ledger.followed.origin(), %size, "cosigned");
            Ok(([(CONTENT_TYPE, TEXT)], format!("{line}\n")).into_response())
        }
        Err(NotCosigned::Refused(WitnessRefusal::Conflict { held, .. } | WitnessRefusal::TwoRoots { held, .. })) => {
            service.conflicts.increment(1);
            Ok(conflict(held))
        }
        Err(error) => Err(problem(&error)),
    }
}

/// Checks a request in the order of the specification; an auditor then verifies the entries, and all is checked again
/// where it is cosigned.
async fn answer(
    service: &Service,
    ledger: &Ledger,
    request: AddCheckpoint,
) -> Result<Result<(NoteSignature, TreeSize), NotCosigned>, Problem> {
    let (followed, audited) = (Arc::clone(&ledger.followed), ledger.auditor.is_some());
    let checked = service.work(move || {
        let submitted = request.authenticate(&followed.keys())?;
        // nothing is fetched for what would not be cosigned anyway
        if audited { followed.would_cosign(&submitted).map(|()| submitted) } else { Ok(submitted) }
    });
    let submitted = match checked.await? {
        Ok(submitted) => submitted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let checkpoint = submitted.checkpoint().clone();
    let size = checkpoint.checkpoint().size;
    if let Some(auditor) = ledger.auditor.as_ref().filter(|_| size > TreeSize(0)) {
        let verified = auditor.verify(checkpoint, service.audit_wait, service.closing.clone()).await;
        verified.map_err(|error| not_audited(&error))?;
    }
    let followed = Arc::clone(&ledger.followed);
    service.work(move || followed.cosign(&submitted).map(|line| (line, size))).await
}

fn not_audited(error: &NotAudited) -> Problem {
    let text = error.to_string();
    match error {
        NotAudited::False { .. } => Problem::new(Code::AuditFailed, text),
        NotAudited::Forked { .. } => Problem::new(Code::Inconsistent, text),
        NotAudited::Key { .. } => Problem::new(Code::LogSignature, text),
        NotAudited::TooSlow => Problem::new(Code::Busy, text).retry_after(5),
        NotAudited::Source { .. } => Problem::new(Code::Busy, text).retry_after(30),
        // it is in the log; only the operator can do something about it
        NotAudited::Newer { .. } | NotAudited::Copy { .. } | NotAudited::Stopping => {
            Problem::new(Code::Stopped, "this auditor cannot verify entries now").retry_after(60)
        }
    }
}

fn conflict(held: TreeSize) -> Response {
    (StatusCode::CONFLICT, [(CONTENT_TYPE, SIZE_MEDIA_TYPE)], format!("{held}\n")).into_response()
}

fn problem(error: &NotCosigned) -> Problem {
    let text = error.to_string();
    match error {
        NotCosigned::Refused(refusal) => match refusal.http_status() {
            403 => Problem::new(Code::LogSignature, text),
            422 => Problem::new(Code::Inconsistent, text),
            _ => Problem::new(Code::BadRequest, text),
        },
        NotCosigned::ForGood { .. } => Problem::new(Code::AuditFailed, text),
        NotCosigned::ClockBehind { seconds } => {
            Problem::new(Code::Busy, text).retry_after((*seconds).min(LONGEST_RETRY))
        }
        // the log has the rest: it is the operator's to know
        NotCosigned::NotSigned { .. } => {
            Problem::new(Code::Stopped, "the key of this witness does not sign").retry_after(30)
        }
        NotCosigned::NotKept { .. } => {
            Problem::new(Code::Stopped, "this witness cannot keep what it would cosign").retry_after(30)
        }
    }
}

/// Tells whether every ledger can be cosigned, as far as it is the witness's to say.
async fn readyz(State(service): State<Service>) -> Result<Response, Problem> {
    if service.closing.is_cancelled() {
        return Err(Problem::new(Code::Stopped, "the witness is stopping"));
    }
    let shared = service.clone();
    let doubtful = service.work(move || {
        let mut followed = shared.ledgers.values().map(|ledger| &ledger.followed);
        followed.find(|followed| !followed.state().1).map(|followed| followed.origin().clone())
    });
    match doubtful.await? {
        None => Ok(healthz().await.into_response()),
        Some(origin) => Err(Problem::new(Code::Stopped, format!("the state of {origin} cannot be kept"))),
    }
}

/// Numbers for the operator, in the text form of Prometheus.
async fn metrics(State(service): State<Service>) -> Result<Response, Problem> {
    let shared = service.clone();
    let text = service.work(move || {
        for (origin, gauge) in &shared.sizes {
            #[allow(clippy::cast_precision_loss, reason = "it is a gauge")]
            gauge.set(shared.ledgers[origin].followed.size().0 as f64);
        }
        shared.counters.render()
    });
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.await?).into_response())
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found("path", uri.path())
}
