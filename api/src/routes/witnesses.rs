//! `/v1/witnesses` and `/v1/checkpoint/witnessed`: how witnesses stand, and what their quorum has cosigned (C2SP
//! tlog-witness, tlog-cosignature).

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::id::TreeSize;

use crate::problem::{Code, Problem};
use crate::server::App;
use crate::server::input::{MAX_NUMBER, Params};
use crate::wire::TEXT;
use crate::wire::witnesses::WitnessesView;

/// How each witness stands, and how far the quorum has cosigned. Without witnesses the list is empty.
#[utoipa::path(
    get, path = "/v1/witnesses", tag = "log",
    responses((status = 200, description = "how they stand", body = WitnessesView))
)]
pub(crate) async fn list(State(app): State<App>) -> Json<WitnessesView> {
    let none = || WitnessesView { size: app.ledger.head().size, quorum: None, witnesses: Vec::new() };
    Json(app.witnesses().map_or_else(none, |witnesses| witnesses.view()))
}

/// The latest checkpoint that the quorum of witnesses has cosigned, with its cosignatures: a C2SP signed note. With
/// `size`, waits (10 s unless the operator says otherwise) until it is over at least so many entries.
#[utoipa::path(
    get, path = "/v1/checkpoint/witnessed", tag = "log",
    params(("size" = Option<u64>, Query, description = "ask for cosignatures over at least so many entries, and wait for them")),
    responses(
        (status = 200, description = "the note, over fewer entries than `size` where time was up", body = String, content_type = "text/plain"),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "this server asks no witnesses, or their quorum has not cosigned yet: `not_found`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn checkpoint(State(app): State<App>, mut params: Params) -> Result<Response, Problem> {
    let size = params.number("size", 0, MAX_NUMBER)?.map(TreeSize);
    params.finish()?;
    let head = app.ledger.head().size;
    if let Some(size) = size.filter(|size| *size > head) {
        let expected = format!("a size of at most {head}, the ledger's");
        return Err(Problem::mismatch(Code::BadParameter, "size", expected, &size.to_string()));
    }
    if let (Some(witnesses), Some(size)) = (app.witnesses(), size) {
        // what is there when time is up is the answer
        let _ = witnesses.reach(size).await;
    }
    Ok(([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-cache")], witnessed(&app)?.to_string()).into_response())
}

/// Returns the latest checkpoint that meets the quorum.
///
/// # Errors
/// When no witness is asked, or the quorum has not cosigned yet.
pub(crate) fn witnessed(app: &App) -> Result<SignedCheckpoint, Problem> {
    let asked = app.witnesses().ok_or_else(|| {
        Problem::new(Code::NotFound, "this server asks no witnesses")
            .hint("its operator gives `serve --witnesses FILE`")
    })?;
    let none = || {
        Problem::new(Code::NotFound, "the quorum of witnesses has cosigned no checkpoint yet")
            .hint("GET /v1/witnesses says how each of them stands")
    };
    asked.latest().ok_or_else(none)
}
