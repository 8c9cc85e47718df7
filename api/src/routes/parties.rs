//! `/v1/parties`: who takes part, and with which keys.

use axum::Json;
use axum::extract::State;
use countersign_ledger::id::{Author, PartyId};

use super::views::{by_state, read_views};
use crate::problem::Problem;
use crate::server::App;
use crate::server::input::{Params, Segments, parse};
use crate::wire::{PartyInViews, PartyList, PartyView};

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1_000;
const PARTY_ID: &str = "a party id ([a-z0-9][a-z0-9_-]{0,95})";

/// Parties, in the order of their ids.
#[utoipa::path(
    get, path = "/v1/parties", tag = "ledger",
    params(
        ("after" = Option<String>, Query, description = "parties with ids after this one"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 1,000; 100 unless given"),
    ),
    responses(
        (status = 200, description = "the parties", body = PartyList),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<App>, mut params: Params) -> Result<Json<PartyList>, Problem> {
    let after = params.take("after")?.map(|after| parse::<PartyId>("after", &after, PARTY_ID)).transpose()?;
    let limit = usize::try_from(params.number("limit", 1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
    params.finish()?;
    Ok(Json(app.ledger.with_authority(|authority| {
        let mut rest = authority.parties().skip_while(|(id, _)| after.as_ref().is_some_and(|after| *id <= after));
        let parties: Vec<_> =
            rest.by_ref().take(limit).map(|(id, party)| PartyView::of(authority, id, party)).collect();
        let next = rest.next().and(parties.last()).map(|last| last.party.clone());
        PartyList { parties, next }
    })))
}

/// A party as the ledger has it at its head, with every key it ever had.
#[utoipa::path(
    get, path = "/v1/parties/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the party's id")),
    responses(
        (status = 200, description = "the party", body = PartyView),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn party(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<PartyView>, Problem> {
    let id: PartyId = parse("id", &id, PARTY_ID)?;
    let found = app
        .ledger
        .with_authority(|authority| authority.party(id.as_str()).map(|party| PartyView::of(authority, &id, party)));
    let mut found = found.ok_or_else(|| Problem::not_found("party", &id))?;
    let answered = read_views(&app, move |view| view.items_held(&Author::Party(id))).await?;
    found.views = Some(PartyInViews { as_of: answered.as_of, items: by_state(answered.found) });
    Ok(Json(found))
}
