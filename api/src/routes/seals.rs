//! `/v1/seals`: seals of all streams, on demand, and what they prove is not there (SPEC §15).

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_ledger::event::{Body, Event};

use super::bundle::{self, What};
use super::events::{receipt_of, submit_problem};
use super::{corrupt, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{Params, parse};
use crate::server::{App, NotSealed, read};
use crate::wire::{ReceiptFile, SealView};

/// Seals all streams as they are; gives the newest seal where nothing was recorded since.
///
/// The body is not looked at. Whoever asks, the server signs: a seal says only what everybody can count.
#[utoipa::path(
    post, path = "/v1/seals", tag = "log",
    responses(
        (status = 201, description = "sealed: the receipt of the seal (SPEC §11)", body = ReceiptFile, headers(
            ("location" = String, description = "the entry"),
            ("countersign-seq" = u64, description = "its sequence number"),
            ("countersign-event" = String, description = "its event hash"),
        )),
        (status = 200, description = "nothing was recorded since the newest seal: its receipt", body = ReceiptFile),
        (status = 403, description = "`policy_not_satisfied`, `key_does_not_count`, `unknown_key`: the server's key does not count for seals",
            body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: this server does not seal", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy` with `Retry-After`: a seal was made a moment ago; `stopped`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn seal(State(app): State<App>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let none = || {
        Problem::new(Code::NotFound, "this server does not seal").hint("its operator starts it with --seal-key FILE")
    };
    let sealing = app.sealing().cloned().ok_or_else(none)?;
    let began = Instant::now();
    let ledger = app.ledger.clone();
    let recorded = read(move || sealing.on_demand(&ledger)).await?.map_err(|error| match error {
        NotSealed::TooSoon { seconds } => Problem::new(Code::Busy, "a seal was made a moment ago").retry_after(seconds),
        NotSealed::Submit(error) => submit_problem(error),
    })?;
    app.metrics.recorded(recorded.repeated, began.elapsed());
    Ok(receipt_of(&recorded))
}

/// The newest seal, and how many entries it does not cover.
#[utoipa::path(
    get, path = "/v1/seals/latest", tag = "log",
    responses(
        (status = 200, description = "the seal", body = SealView),
        (status = 404, description = "`not_found`: nothing was sealed yet", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn latest(State(app): State<App>, params: Params) -> Result<Json<SealView>, Problem> {
    params.finish()?;
    let (seal, head) = (app.ledger.newest_seal(), app.ledger.head());
    let seq = seal.ok_or_else(no_seal)?;
    let entry = read(move || app.ledger.entry(seq)).await?.map_err(|e| store_problem(&e))?;
    let entry = entry.ok_or_else(|| corrupt(&"the seal is missing"))?;
    let event = Event::of_envelope(&entry.envelope).map_err(|e| corrupt(&e))?;
    match Body::parse(&event.kind, event.body()) {
        Ok(Body::StreamsSealed(body)) => Ok(Json(SealView {
            seq,
            time: entry.time,
            event: entry.envelope.event_hash(),
            author: event.author,
            streams: body.streams,
            root: body.root,
            since: head.size.0.saturating_sub(seq.0 + 1),
        })),
        _ => Err(corrupt(&"the seal is none")),
    }
}

/// A small extract that proves that there was no such case, or no such subject in it, before the newest seal.
#[utoipa::path(
    get, path = "/v1/seals/latest/proof", tag = "log",
    params(
        ("case" = String, Query, description = "the case"),
        ("subject" = Option<String>, Query, description = "the subject in the case"),
        ("last" = Option<String>, Query, description = "`withheld`: do not show the ledger's last entry where it is of a case"),
        ("compress" = Option<String>, Query, description = "`zstd`: the bundle as a compressed file"),
    ),
    responses(
        (status = 200, description = "the bundle", content((String = "application/jsonl"), (String = "application/zstd"))),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: nothing was sealed yet", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`present`: it is there, export it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`: too many exports run", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn proof(State(app): State<App>, mut params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    let case = params.take("case")?.map(|text| parse("case", &text, "a case id")).transpose()?;
    let case = case.ok_or_else(|| Problem::mismatch(Code::BadParameter, "case", "a case id", "nothing"))?;
    let subject = params.take("subject")?.map(|text| parse("subject", &text, "a subject")).transpose()?;
    bundle::answer(app, What::Absence(case, subject), params, &headers).await
}

/// Makes the problem of a ledger without a seal.
pub(super) fn no_seal() -> Problem {
    Problem::new(Code::NotFound, "nothing was sealed yet").hint("`countersign seal`, or POST /v1/seals")
}
