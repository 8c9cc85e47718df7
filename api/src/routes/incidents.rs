//! `/v1/incidents`: reports of diversions, and what came of them.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::state_pages::{self, Resource};
use crate::problem::Problem;
use crate::server::App;
use crate::server::input::Params;
use crate::wire::views::StatePage;

const INCIDENTS: Resource = Resource {
    path: "/v1/incidents",
    ty: "incident",
    states: &["reported", "investigating", "finding", "remedy", "closed", "reopened"],
    in_case: false,
};

/// Incidents, by id. What a party did that is accused has no effect on the state, and is named (DOMAIN §1.5). As CSV where `Accept` asks for `text/csv`.
#[utoipa::path(
    get, path = "/v1/incidents", tag = "findings",
    params(
        ("state" = Option<String>, Query, description = "one of `reported`, `investigating`, `finding`, `remedy`, `closed`, `reopened`"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 10,000; 100 unless given"),
        ("cursor" = Option<String>, Query, description = "the `next` of the page before"),
        ("wait_for" = Option<u64>, Query, description = "answer once the views know of this entry: 503 `busy` if they do not within 10 s"),
    ),
    responses(
        (status = 200, description = "the incidents, with `reported`, `by`, `grade`, `cases`, `against`, `investigator`, `outcome`, `remedies`, `closed`, `without_effect`", content((StatePage = "application/json"), (String = "text/csv"))),
        (status = 400, description = "`bad_parameter`, `bad_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    const COLUMNS: [&str; 13] = [
        "subject",
        "state",
        "reported",
        "by",
        "grade",
        "cases",
        "against",
        "investigator",
        "outcome",
        "closed",
        "without_effect",
        "first",
        "latest",
    ];
    state_pages::answer(&app, &INCIDENTS, params, &headers, |found| crate::wire::views::state_table(COLUMNS, found))
        .await
}
