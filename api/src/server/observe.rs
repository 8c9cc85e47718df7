//! The outermost layer: gives every request an id and a deadline, counts and logs it, and writes problems out.
//!
//! The log has one line a request: id, method, path, status, milliseconds, and the code of a problem; never a header, a
//! body or a query. Answered requests are logged at `debug`, refused ones at `info`, failures of the server at `error`.

use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;
use uuid::Uuid;

use super::http_metrics::HttpMetrics;
use super::limits::Limits;
use crate::problem::{Code, MEDIA_TYPE, Problem};
use crate::wire::REQUEST_ID_HEADER;

/// The id of a request, for handlers that write problems into a stream.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Takes the client's id if it is short and plain, or makes one.
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID_HEADER).filter(|value| is_plain(value.as_bytes()));
        Self(given.cloned().unwrap_or_else(|| {
            let id = Uuid::now_v7().hyphenated().to_string();
            HeaderValue::try_from(id).expect("a UUID is a header value")
        }))
    }

    /// Returns the id.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

fn is_plain(bytes: &[u8]) -> bool {
    (1..=64).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// What this layer needs of a server.
pub(crate) trait Observed: Clone + Send + Sync + 'static {
    /// Returns where requests are counted.
    fn counters(&self) -> &HttpMetrics;
    /// Returns the bounds on time.
    fn bounds(&self) -> &Limits;
}

/// Runs a request.
pub(crate) async fn observe<A: Observed>(State(app): State<A>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();

    let span = tracing::info_span!("request", id = id.as_str(), %method, path);
    // only evidence files are put, and those may be large
    let within = if method == Method::PUT { app.bounds().upload } else { app.bounds().request };
    let answer = tokio::time::timeout(within, next.run(request)).instrument(span.clone()).await;
    let mut response = answer.unwrap_or_else(|_| unanswered(app.bounds()).into_response());

    let problem = response.extensions_mut().remove::<Box<Problem>>();
    let code = problem.as_ref().map(|problem| problem.code.clone());
    if let Some(problem) = problem {
        response = write_problem(*problem, response, &id);
    }
    response.headers_mut().insert(HeaderName::from_static(REQUEST_ID_HEADER), id.0);

    let (status, took) = (response.status(), began.elapsed());
    app.counters().request(&method, route.as_ref().map_or("none", MatchedPath::as_str), status, took);
    if let Some(code) = &code {
        app.counters().problem(code);
    }
    span.in_scope(|| log(status, took.as_micros(), code.as_deref()));
    response
}

fn unanswered(limits: &Limits) -> Problem {
    let detail = format!("the request was not answered within {} s", limits.request.as_secs());
    let hint = "what was sent may have been taken all the same: send it again, nothing is recorded twice";
    Problem::new(Code::Busy, detail).hint(hint).retry_after(5)
}

fn log(status: StatusCode, micros: u128, code: Option<&str>) {
    let milliseconds = format_args!("{}.{:03}", micros / 1000, micros % 1000);
    let (status, code) = (status.as_u16(), code.unwrap_or_default());
    match status {
        503 => tracing::warn!(status, code, milliseconds, "not served"),
        500.. => tracing::error!(status, code, milliseconds, "failed"),
        400.. => tracing::info!(status, code, milliseconds, "refused"),
        _ => tracing::debug!(status, milliseconds, "answered"),
    }
}

/// Puts a problem into the response that carries it, keeping that response's headers (`Allow`).
fn write_problem(mut problem: Problem, carrier: Response, id: &RequestId) -> Response {
    problem.request_id = Some(id.as_str().to_owned());
    let body = serde_json::to_vec(&problem).expect("a problem always is JSON");
    let (mut parts, _) = carrier.into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = problem.retry_after {
        parts.headers.insert(RETRY_AFTER, seconds.into());
    }
    Response::from_parts(parts, Body::from(Bytes::from(body)))
}
