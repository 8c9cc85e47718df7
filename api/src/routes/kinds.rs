//! `/v1/kinds`: what can be recorded, what it looks like, and who must sign it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use countersign_ledger::event::{kind_info, kinds, schema};
use countersign_ledger::id::Kind;

use crate::problem::Problem;
use crate::server::App;
use crate::server::input::{Segments, parse};
use crate::wire::{KindItem, KindList, KindView};

/// Every kind that the policy in force or this server knows.
#[utoipa::path(
    get, path = "/v1/kinds", tag = "kinds",
    responses((status = 200, description = "the kinds", body = KindList))
)]
pub(crate) async fn list(State(app): State<App>) -> Json<KindList> {
    let policy = app.ledger.with_authority(|authority| authority.policy().clone());
    let mut found: BTreeMap<Kind, KindItem> = BTreeMap::new();
    let item = |kind: &Kind| KindItem { kind: kind.clone(), in_policy: false, has_schema: false, summary: None };
    for (kind, _) in policy.rows() {
        found.entry(kind.clone()).or_insert_with(|| item(kind)).in_policy = true;
    }
    for info in kinds() {
        let Ok(kind) = info.kind.parse::<Kind>() else { continue };
        let item = found.entry(kind.clone()).or_insert_with(|| item(&kind));
        item.has_schema = true;
        item.summary = Some(info.summary.to_owned());
    }
    Json(KindList { kinds: found.into_values().collect() })
}

/// The JSON Schema of an event of a kind, from the types that parse it, and the rule in force for it.
#[utoipa::path(
    get, path = "/v1/kinds/{kind}", tag = "kinds",
    params(("kind" = String, Path, description = "the kind, such as `transfer.received`")),
    responses(
        (status = 200, description = "the kind", body = KindView),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "neither the policy nor this server knows it: `not_found`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn kind(State(app): State<App>, Segments(name): Segments<String>) -> Result<Json<KindView>, Problem> {
    let kind: Kind = parse("kind", &name, "a kind, such as transfer.received")?;
    let policy = app.ledger.with_authority(|authority| authority.policy().clone());
    let row = policy.row(&kind);
    let schema = schema(kind.as_str());
    if row.is_none() && schema.is_none() {
        return Err(Problem::not_found("kind", &kind).hint("GET /v1/kinds lists them"));
    }
    let table = policy.to_value();
    Ok(Json(KindView {
        summary: kind_info(kind.as_str()).map(|info| info.summary.to_owned()),
        rule: row.map(|row| row.rule.in_words()),
        policy: table.get(kind.as_str()).cloned(),
        schema,
        kind,
    }))
}
