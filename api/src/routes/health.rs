//! `/healthz`, `/readyz`, `/metrics`: for whoever watches the server.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use countersign_ledger::append::LedgerState;

use crate::problem::{Code, Problem};
use crate::server::{App, Copy, Moment, read};
use crate::wire::Health;

/// Tells that the process answers. Says nothing of the ledger.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "it does", body = Health)))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned(), warnings: Vec::new() })
}

/// Tells whether the ledger can be read and, unless it was closed, appended to. A witness that has seen more than this ledger
/// has, or another history, is a warning, as a single one may lie; when those that say so are a quorum, the ledger was rolled back.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "it can", body = Health),
        (status = 503, description = "it cannot: `stopped`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn readyz(State(app): State<App>) -> Result<Json<Health>, Problem> {
    if app.stopping.is_cancelled() {
        return Err(Problem::new(Code::Stopped, "the server is stopping"));
    }
    let (warnings, quorum) = app.witnesses().map(|witnesses| witnesses.accusations()).unwrap_or_default();
    if quorum {
        let said = warnings.join("; ");
        return Err(Problem::new(Code::Stopped, format!("the quorum of witnesses has seen another history: {said}")));
    }
    match app.ledger.state() {
        LedgerState::Serving => Ok(Json(Health { status: "ok".to_owned(), warnings })),
        LedgerState::ReadOnly => {
            let fault = app.copy().and_then(Copy::contradiction);
            let status = fault.map_or_else(|| "read_only".to_owned(), |fault| format!("contradiction: {fault}"));
            Ok(Json(Health { status, warnings }))
        }
        LedgerState::Closed => Ok(Json(Health { status: "closed".to_owned(), warnings })),
        LedgerState::Stopping => Err(Problem::new(Code::Stopped, "the server is stopping")),
        LedgerState::Failed(reason) => Err(Problem::new(Code::Stopped, format!("the store is in doubt: {reason}"))),
    }
}

/// Numbers for the operator, in the text form of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "the numbers", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let text = read(move || {
        let ledger = &app.ledger;
        let moment = Moment {
            queue_depth: ledger.queue_depth(),
            size: ledger.head().size.0,
            disk_bytes: ledger.store().disk_bytes().unwrap_or_default(),
            serving: matches!(ledger.state(), LedgerState::Serving),
        };
        app.metrics.render(&moment)
    });
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.await?).into_response())
}
