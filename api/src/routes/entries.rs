//! `/v1/entries`: what is recorded, byte for byte, and what it says.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use countersign_ledger::authority::{Authority, KeyUse};
use countersign_ledger::disclosure::{Disclosure, Matching, restore};
use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{KeyId, LeafHash};
use countersign_ledger::id::{Author, Seq};
use countersign_ledger::rule::is_authority_kind;
use serde_json::Value;

use super::lines::{self, Framing};
use super::{corrupt, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{MAX_NUMBER, Params, Segments, parse_number, prefers};
use crate::server::{App, read};
use crate::wire::{EntryView, NDJSON, SignatureView, TEXT};

/// How many lines `/v1/entries` gives unless asked, and at most.
const DEFAULT_LIMIT: u64 = 1_000;
const MAX_LIMIT: u64 = 10_000;

/// Raw entry lines, in order: `application/x-ndjson`, each line as it is hashed.
#[utoipa::path(
    get, path = "/v1/entries", tag = "entries",
    params(
        ("from" = Option<u64>, Query, description = "the first sequence number; 0 unless given"),
        ("limit" = Option<u64>, Query, description = "how many lines, 1 to 10,000; 1,000 unless given"),
    ),
    responses(
        (status = 200, description = "the lines; fewer than `limit` at the end of the ledger", body = String,
            content_type = "application/x-ndjson"),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn raw(State(app): State<App>, mut params: Params) -> Result<Response, Problem> {
    let from = params.number("from", 0, MAX_NUMBER)?.unwrap_or(0);
    let limit = params.number("limit", 1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    params.finish()?;
    let count = app.ledger.head().size.0.saturating_sub(from).min(limit);
    let body = lines::stream(app, Seq(from), count, Framing::Newline);
    Ok(([(CONTENT_TYPE, NDJSON)], body).into_response())
}

/// One entry: its exact line, and the decoded event beside it. With `Accept: text/plain` the line alone.
#[utoipa::path(
    get, path = "/v1/entries/{seq}", tag = "entries",
    params(("seq" = u64, Path, description = "the sequence number, from 0")),
    responses(
        (status = 200, description = "the entry", content((EntryView = "application/json"), (String = "text/plain"))),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn entry(
    State(app): State<App>,
    Segments(seq): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seq = existing(&app, &seq)?;
    let line_only = prefers(&headers, "text/plain");
    let response = read(move || -> Result<Response, Problem> {
        let line = lines::one(&app, seq)?;
        if line_only {
            return Ok(([(CONTENT_TYPE, TEXT)], line).into_response());
        }
        let disclosures = app.ledger.store().disclosures(seq).map_err(|e| store_problem(&e))?;
        Ok(Json(view_of(&app, &line, disclosures)?).into_response())
    });
    let mut response = response.await??;
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Reads a sequence number, and checks that there is such an entry.
///
/// # Errors
/// When it is no number, or there is none.
pub(super) fn existing(app: &App, seq: &str) -> Result<Seq, Problem> {
    let seq = parse_number("seq", seq, 0, MAX_NUMBER)?;
    let size = app.ledger.head().size;
    if seq < size.0 {
        return Ok(Seq(seq));
    }
    Err(Problem::new(Code::NotFound, format!("there is no entry {seq}: the ledger has {size}, from 0")))
}

/// Decodes an entry.
///
/// # Errors
/// When the line is none.
pub(super) fn view_of(app: &App, line: &[u8], disclosures: Vec<String>) -> Result<EntryView, Problem> {
    view(line, disclosures, |keyid| app.ledger.with_authority(|state| signer(state, keyid)))
}

/// Tells whose key signed.
fn signer(state: &Authority, keyid: &KeyId) -> Option<Author> {
    match &state.key(keyid)?.purpose {
        KeyUse::Party(key) => Some(Author::Party(key.party.clone())),
        KeyUse::Governance => Some(Author::Governance),
        KeyUse::Log => None,
    }
}

fn view(
    line: &[u8],
    disclosures: Vec<String>,
    signer: impl Fn(&KeyId) -> Option<Author>,
) -> Result<EntryView, Problem> {
    let entry = Entry::parse(line).map_err(|e| corrupt(&e))?;
    let event = Event::of_envelope(&entry.envelope).map_err(|e| corrupt(&e))?;
    let body = restored(&event, &disclosures)?;
    let signatures =
        entry.envelope.signatures().iter().map(|(keyid, _)| SignatureView { keyid: *keyid, party: signer(keyid) });
    Ok(EntryView {
        seq: entry.seq,
        line: String::from_utf8(line.to_vec()).map_err(|e| corrupt(&e))?,
        leaf_hash: LeafHash::of_line(line),
        event_hash: entry.envelope.event_hash(),
        time: entry.time,
        signatures: signatures.collect(),
        event: event.payload().clone(),
        disclosures,
        body,
    })
}

/// Puts the disclosures that are held back into the body; `None` where there are none.
fn restored(event: &Event, disclosures: &[String]) -> Result<Option<Value>, Problem> {
    if disclosures.is_empty() || is_authority_kind(event.kind.as_str()) {
        return Ok(None);
    }
    let parsed = Disclosure::parse_all(disclosures).map_err(|e| corrupt(&e))?;
    let restored = restore(event.body(), &parsed, Matching::Partial).map_err(|e| corrupt(&e))?;
    Ok(Some(restored.body))
}
