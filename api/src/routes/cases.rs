//! `/v1/cases`: cases, and who has which role in them.

use axum::Json;
use axum::extract::State;
use countersign_ledger::authority::Case;
use countersign_ledger::id::CaseId;

use super::views::{by_state, read_views};
use crate::problem::Problem;
use crate::server::App;
use crate::server::input::{CASE_ID, Params, Segments, parse};
use crate::wire::{CaseInViews, CaseList, CaseView};

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1_000;

/// Cases, in the order of their ids.
#[utoipa::path(
    get, path = "/v1/cases", tag = "ledger",
    params(
        ("after" = Option<String>, Query, description = "cases with ids after this one"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 1,000; 100 unless given"),
    ),
    responses(
        (status = 200, description = "the cases", body = CaseList),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<App>, mut params: Params) -> Result<Json<CaseList>, Problem> {
    let after = params.case("after")?;
    let limit = usize::try_from(params.number("limit", 1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
    params.finish()?;
    Ok(Json(app.ledger.with_authority(|authority| {
        let mut rest = authority.cases().skip_while(|(id, _)| after.as_ref().is_some_and(|after| *id <= after));
        let cases: Vec<_> = rest.by_ref().take(limit).map(|(id, case)| view(id, case)).collect();
        let next = rest.next().and(cases.last()).map(|last| last.case.clone());
        CaseList { cases, next }
    })))
}

/// A case as the ledger has it at its head.
#[utoipa::path(
    get, path = "/v1/cases/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the case's id")),
    responses(
        (status = 200, description = "the case", body = CaseView),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn case(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<CaseView>, Problem> {
    let id: CaseId = parse("id", &id, CASE_ID)?;
    let found = app.ledger.with_authority(|authority| authority.case(id.as_str()).map(|case| view(&id, case)));
    let mut found = found.ok_or_else(|| Problem::not_found("case", &id))?;
    let answered = read_views(&app, move |view| Ok((view.case(&id)?, view.items_in_case(&id)?))).await?;
    let (record, items) = answered.found;
    found.views = record.map(|record| CaseInViews {
        as_of: answered.as_of,
        monitoring: record.monitoring,
        terms: record.terms,
        items: by_state(items),
    });
    Ok(Json(found))
}

fn view(id: &CaseId, case: &Case) -> CaseView {
    CaseView {
        case: id.clone(),
        title: case.title.clone(),
        roles: case.roles.clone(),
        opened: case.opened,
        latest: case.latest,
        closed: case.closed,
        views: None,
    }
}
