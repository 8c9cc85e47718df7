//! `/v1/parties`: who takes part, and with which keys.

use axum::Json;
use axum::extract::State;
use countersign_ledger::authority::{Authority, KeyUse, Party};
use countersign_ledger::hash::KeyId;
use countersign_ledger::id::{Author, PartyId};

use super::views::{by_state, read_views};
use crate::problem::Problem;
use crate::server::App;
use crate::server::input::{Params, Segments, parse};
use crate::wire::{KeyStatus, KeyView, PartyInViews, PartyList, PartyView};

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
        let parties: Vec<_> = rest.by_ref().take(limit).map(|(id, party)| view(authority, id, party)).collect();
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
    let found =
        app.ledger.with_authority(|authority| authority.party(id.as_str()).map(|party| view(authority, &id, party)));
    let mut found = found.ok_or_else(|| Problem::not_found("party", &id))?;
    let answered = read_views(&app, move |view| view.items_held(&Author::Party(id))).await?;
    found.views = Some(PartyInViews { as_of: answered.as_of, items: by_state(answered.found) });
    Ok(Json(found))
}

fn view(authority: &Authority, id: &PartyId, party: &Party) -> PartyView {
    PartyView {
        party: id.clone(),
        name: party.name.clone(),
        country: party.country.clone(),
        capacities: party.capacities.iter().copied().collect(),
        enrolled: party.enrolled,
        successor: party.successor.clone(),
        keys: party.keys.iter().filter_map(|keyid| key(authority, keyid)).collect(),
        views: None,
    }
}

fn key(authority: &Authority, keyid: &KeyId) -> Option<KeyView> {
    let known = authority.key(keyid)?;
    let KeyUse::Party(key) = &known.purpose else { return None };
    let (status, ended) = match (&key.revoked, &key.retired) {
        (Some(revoked), _) => (KeyStatus::Revoked, Some(revoked)),
        (None, Some(retired)) => (KeyStatus::Retired, Some(retired)),
        (None, None) => (KeyStatus::Active, None),
    };
    Some(KeyView {
        keyid: *keyid,
        public_key: known.key,
        holder: key.holder.clone(),
        uses: key.uses.iter().map(ToString::to_string).collect(),
        not_after: key.not_after,
        status,
        introduced: key.introduced,
        ended: ended.map(|ended| ended.seq),
        suspect_from: ended.and_then(|ended| ended.suspect_from),
    })
}
