//! The routes, one file a resource, and their description in OpenAPI 3.1.
//!
//! Every answer that is not a result is a problem (`crate::problem`), also that of a path or method that is not there.

use std::fmt::Display;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign_ledger::store::StoreError;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use health::healthz;

use crate::problem::{Code, Problem, codes};
use crate::server::{App, Observed, observe, panicked};
use crate::wire::JSON;

mod annual;
mod authorizations;
mod batch;
mod batch_lines;
mod bundle;
mod cases;
mod computed;
mod consignments;
mod entries;
mod events;
mod evidence;
mod findings;
mod health;
mod incidents;
mod items;
mod kinds;
mod ledger;
mod lines;
mod obligations;
mod parties;
mod proofs;
mod proposals;
mod reconciliation;
mod references;
mod seals;
mod sites;
mod state_pages;
mod stream;
mod streams;
mod tiles;
mod views;
mod witnesses;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "A tamper-evident ledger for security assistance: signed events in, receipts out, all of it checkable offline.\n\n\
            Bytes and hashes are those of SPEC.md. Every problem has a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "events", description = "Submit events, fetch receipts"),
        (name = "proposals", description = "Gather signatures"),
        (name = "entries", description = "What is recorded"),
        (name = "evidence", description = "Files that events name, kept beside the ledger"),
        (name = "streams", description = "The events of one subject"),
        (name = "log", description = "Checkpoint, proofs and tiles (C2SP)"),
        (name = "ledger", description = "The ledger, its parties and cases"),
        (name = "items", description = "Items with their custody history, and what they came with. From the views: each answer says how far they are"),
        (name = "findings", description = "What is overdue, what does not add up"),
        (name = "kinds", description = "What can be said, and who must sign it"),
        (name = "operation", description = "For whoever watches the server"),
    ),
    // index parameters of tiles have slashes in them, so the router has them under another pattern
    paths(tiles::tile, tiles::entries),
)]
struct Description;

/// Builds the router.
pub(crate) fn router(app: App) -> Router {
    let described = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(events::submit))
        .routes(routes!(events::receipt))
        .routes(routes!(proposals::propose, proposals::list))
        .routes(routes!(proposals::sign_many))
        .routes(routes!(proposals::proposal, proposals::withdraw))
        .routes(routes!(proposals::sign))
        .routes(routes!(entries::raw))
        .routes(routes!(entries::entry))
        .routes(routes!(stream::stream))
        .routes(routes!(evidence::get, evidence::put))
        .routes(routes!(evidence::announce))
        .routes(routes!(streams::stream))
        .routes(routes!(proofs::inclusion))
        .routes(routes!(proofs::consistency))
        .routes(routes!(proofs::receipt))
        .routes(routes!(tiles::checkpoint))
        .routes(routes!(tiles::root_checkpoint))
        .routes(routes!(witnesses::checkpoint))
        .routes(routes!(witnesses::list))
        .routes(routes!(ledger::ledger))
        .routes(routes!(parties::list))
        .routes(routes!(parties::party))
        .routes(routes!(cases::list))
        .routes(routes!(cases::case))
        .routes(routes!(items::list))
        .routes(routes!(items::item))
        .routes(routes!(consignments::list))
        .routes(routes!(authorizations::list))
        .routes(routes!(sites::list))
        .routes(routes!(incidents::list))
        .routes(routes!(obligations::list))
        .routes(routes!(references::list))
        .routes(routes!(kinds::list))
        .routes(routes!(kinds::kind))
        .routes(routes!(findings::findings))
        .routes(routes!(annual::annual))
        .routes(routes!(reconciliation::reconciliation))
        .routes(routes!(bundle::bundle))
        .routes(routes!(seals::seal))
        .routes(routes!(seals::latest))
        .routes(routes!(seals::proof))
        .routes(routes!(openapi))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .route("/tile/entries/{*index}", get(tiles::entries))
        .route("/tile/{level}/{*index}", get(tiles::tile));
    let (router, mut api) = described.split_for_parts();
    describe_codes(&mut api);
    let text = api.to_json().expect("a description always is JSON");
    // only the first router of an app sets it; all would set the same
    let _ = app.openapi.set(Bytes::from(text));
    let refusing = from_fn_with_state(app.clone(), refuse_writes);
    framed(router.fallback(not_found).layer(refusing), app)
}

/// Puts around routes what every server has: problems for a method that is not there, panics that end one request, and
/// the outermost layer.
pub(crate) fn framed<A: Observed>(router: Router<A>, app: A) -> Router {
    router
        .method_not_allowed_fallback(not_allowed)
        .layer(CatchPanicLayer::custom(|_| panicked().into_response()))
        .layer(from_fn_with_state(app.clone(), observe::<A>))
        .with_state(app)
}

/// Names every code that a problem can have.
fn describe_codes(api: &mut utoipa::openapi::OpenApi) {
    let mut text = String::from("\n\nProblem codes and their statuses: ");
    for (at, (code, status)) in codes().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        text.push_str(&format!("{separator}`{code}` {status}"));
    }
    text.push('.');
    api.info.description.get_or_insert_default().push_str(&text);
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn openapi(State(app): State<App>) -> Response {
    let text = app.openapi.get().cloned().unwrap_or_default();
    ([(CONTENT_TYPE, JSON)], Body::from(text)).into_response()
}

/// Refuses what writes, where this is a copy.
async fn refuse_writes(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.copy() {
        Some(copy) if !request.method().is_safe() => {
            let problem =
                Problem::new(Code::ReadOnly, format!("this is a copy of {}: nothing is written here", copy.source()));
            problem.hint("send it to the ledger itself; if that is gone, a successor takes its place").into_response()
        }
        _ => next.run(request).await,
    }
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found("path", uri.path()).hint("GET /openapi.json lists the paths")
}

/// The router adds `Allow` to this.
async fn not_allowed(method: Method, uri: Uri) -> Problem {
    let shown: String = method.as_str().chars().take(20).collect();
    let path: String = uri.path().chars().take(120).collect();
    Problem::new(Code::MethodNotAllowed, format!("{path} has no method {shown}; the header {ALLOW} lists those it has"))
}

/// Makes the problem of a store that failed. What exactly failed is the operator's to know: it goes to the log.
fn store_problem(error: &StoreError) -> Problem {
    tracing::error!(%error, "the store failed");
    Problem::new(Code::Internal, "the store could not be read; the server's log says more under the request's id")
}

/// Makes the problem of stored bytes that are not what was recorded.
fn corrupt(error: &dyn Display) -> Problem {
    tracing::error!(%error, "a stored entry is not what was recorded");
    Problem::new(Code::Internal, "a stored entry cannot be read; the server's log says more under the request's id")
}
