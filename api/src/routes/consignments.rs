//! `/v1/consignments`: what was sent, and whether it arrived.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::state_pages::{self, Resource};
use crate::problem::Problem;
use crate::server::App;
use crate::server::input::Params;
use crate::wire::views::StatePage;

const CONSIGNMENTS: Resource = Resource {
    path: "/v1/consignments",
    ty: "consignment",
    states: &["announced", "in_transit", "partly_received", "received", "received_discrepant", "not_received"],
    in_case: true,
};

/// Consignments, by case and id. As CSV where `Accept` asks for `text/csv`.
#[utoipa::path(
    get, path = "/v1/consignments", tag = "items",
    params(
        ("case" = Option<String>, Query, description = "of this case"),
        ("state" = Option<String>, Query, description = "one of `announced`, `in_transit`, `partly_received`, `received`, `received_discrepant`, `not_received`"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 10,000; 100 unless given"),
        ("cursor" = Option<String>, Query, description = "the `next` of the page before"),
        ("wait_for" = Option<u64>, Query, description = "answer once the views know of this entry: 503 `busy` if they do not within 10 s"),
    ),
    responses(
        (status = 200, description = "the consignments, with `document_numbers`, `dispatched`, `expected`, `by`, `received`, `custodian`, `title`, `open_discrepancies`", content((StatePage = "application/json"), (String = "text/csv"))),
        (status = 400, description = "`bad_parameter`, `bad_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    const COLUMNS: [&str; 13] = [
        "case",
        "subject",
        "state",
        "document_numbers",
        "dispatched",
        "expected",
        "by",
        "received",
        "custodian",
        "title",
        "open_discrepancies",
        "first",
        "latest",
    ];
    state_pages::answer(&app, &CONSIGNMENTS, params, &headers, |found| crate::wire::views::state_table(COLUMNS, found))
        .await
}
