//! `/v1/authorizations`: what may be sent, and how much of it was.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::state_pages::{self, Resource};
use crate::problem::Problem;
use crate::server::App;
use crate::server::input::Params;
use crate::wire::views::StatePage;

const AUTHORIZATIONS: Resource = Resource {
    path: "/v1/authorizations",
    ty: "authorization",
    states: &["authorized", "partly_dispatched", "dispatched", "cancelled", "named"],
    in_case: true,
};

/// Authorizations, by case and id. `named` are those that only a dispatch names. As CSV where `Accept` asks for `text/csv`.
#[utoipa::path(
    get, path = "/v1/authorizations", tag = "items",
    params(
        ("case" = Option<String>, Query, description = "of this case"),
        ("state" = Option<String>, Query, description = "one of `authorized`, `partly_dispatched`, `dispatched`, `cancelled`, `named`"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 10,000; 100 unless given"),
        ("cursor" = Option<String>, Query, description = "the `next` of the page before"),
        ("wait_for" = Option<u64>, Query, description = "answer once the views know of this entry: 503 `busy` if they do not within 10 s"),
    ),
    responses(
        (status = 200, description = "the authorizations, with `authorized`, `end_user`, `cancelled`, `consignments` and `lines`, each with how many were `dispatched`", content((StatePage = "application/json"), (String = "text/csv"))),
        (status = 400, description = "`bad_parameter`, `bad_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    const COLUMNS: [&str; 9] =
        ["case", "subject", "state", "authorized", "end_user", "consignments", "cancelled", "first", "latest"];
    state_pages::answer(&app, &AUTHORIZATIONS, params, &headers, |found| {
        crate::wire::views::state_table(COLUMNS, found)
    })
    .await
}
