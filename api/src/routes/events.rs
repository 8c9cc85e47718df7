//! `/v1/events`: submitting events, and fetching their receipts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_ledger::append::{Ledger, Recorded, SubmitError};
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::submission::{Prepared, Submission};
use tokio::sync::oneshot;

use super::proofs::entry_receipt;
use super::{batch, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{Params, Segments, content_type, parse};
use crate::server::{App, Incoming, RequestId, panicked, read, read_all, spawn};
use crate::wire::{
    BatchResult, EVENT_HEADER, JSON, MAX_BATCH, MAX_REQUEST, NDJSON, ReceiptFile, SEQ_HEADER, UNRECORDED_HEADER,
    WITNESSED_HEADER,
};

/// Records an event, or a batch of them.
///
/// One DSSE envelope, bare or as `{"envelope":…,"disclosures":[…]}`: answered with its receipt once it is durable. Send
/// it again after a broken connection: the same author, id and payload give the original receipt. With
/// `application/x-ndjson` one submission a line (at most 1 MiB each, 65,536 of them, 32 MiB together): answered with one
/// result a line, in order, as they become durable; a line may build on those before it, and a refused one touches
/// only itself.
#[utoipa::path(
    post, path = "/v1/events", tag = "events",
    params(
        ("expect" = Option<String>, Query, description = "`head`: refuse the event unless its `after` is the head of its stream, \
            whatever the stream"),
        ("wait" = Option<String>, Query, description = "`witnessed`: answer when the quorum of witnesses has cosigned a checkpoint over \
            the event, with a receipt at that one, or when time is up, with a receipt at the present one; \
            `countersign-witnessed` says which. Either way the event is recorded. Not for batches"),
    ),
    request_body(
        description = "an envelope, with or without disclosures; or a line of these each",
        content((Object = "application/json"), (String = "application/x-ndjson")),
    ),
    responses(
        (status = 201, description = "recorded: the receipt (SPEC §11)", body = ReceiptFile, headers(
            ("location" = String, description = "the entry"),
            ("countersign-seq" = u64, description = "its sequence number"),
            ("countersign-event" = String, description = "its event hash"),
            ("countersign-witnessed" = bool, description = "with `wait=witnessed`: whether the receipt's checkpoint is cosigned by the quorum"),
        )),
        (status = 200, description = "it had been recorded before: the receipt, with `countersign-unrecorded-signatures` where \
            signatures were added since, which the ledger does not have; or, for a batch, one result a line", content(
            (ReceiptFile = "application/json"), (BatchResult = "application/x-ndjson"),
        )),
        (status = 400, description = "`malformed_json`, `malformed_envelope`, `repeated_key`, `bad_parameter`, `bad_request`",
            body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "the signatures do not entitle: `unknown_key`, `key_does_not_count`, `policy_not_satisfied`, …",
            body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`stale_after` with `head`, `id_conflict` with `existing`, `already_started`, `not_started`, \
            `ledger_closed`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`, `limit_exceeded`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "well-formed, but not as it should be: `malformed_event`, `body_malformed`, `bad_signature`, …",
            body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy` with `Retry-After`, `stopped`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn submit(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (check_head, witnessed, media_type) = match asked(&app, params, &headers) {
        Ok(asked) => asked,
        Err(problem) => {
            Incoming::new(body, MAX_BATCH, &app.limits).drain().await;
            return Err(problem);
        }
    };
    if media_type == NDJSON {
        return batch::submit(app, &id, &headers, body, check_head).await;
    }
    let bytes = read_all(&headers, body, MAX_REQUEST, &app.limits).await?;
    let ledger = app.ledger.clone();
    let (reply, receiver) = Reply::channel();
    let began = Instant::now();
    spawn(move || {
        let prepared = Submission::parse(&bytes).and_then(|submission| ledger.prepare(submission));
        let taken = prepared.map_err(SubmitError::from);
        let taken = taken.and_then(|prepared| enqueue(&ledger, prepared, check_head, reply.clone(), ()));
        if let Err(error) = taken {
            reply.send(Err(error));
        }
    });
    let recorded = receiver.await.map_err(|_| panicked())?.map_err(submit_problem)?;
    app.metrics.recorded(recorded.repeated, began.elapsed());
    if witnessed { witnessed_answer(app, recorded).await } else { Ok(receipt_of(&recorded)) }
}

/// Reads what a submission asks for: whether its `after` must be the head, whether to wait for witnesses, and whether it
/// is one or a batch.
fn asked(app: &App, mut params: Params, headers: &HeaderMap) -> Result<(bool, bool, &'static str), Problem> {
    let check_head = params.choice("expect", &["head"])?.is_some();
    let witnessed = params.choice("wait", &["witnessed"])?.is_some();
    params.finish()?;
    let media_type = content_type(headers, &[JSON, NDJSON])?;
    let wrong = |expected: &str| Err(Problem::mismatch(Code::BadParameter, "wait", expected, "witnessed"));
    match witnessed {
        true if app.witnesses().is_none() => wrong("nothing to wait for, as this server asks no witnesses"),
        true if media_type == NDJSON => wrong("one event; after a batch, GET /v1/checkpoint/witnessed?size=N waits"),
        _ => Ok((check_head, witnessed, media_type)),
    }
}

/// Waits until witnesses have cosigned a tree that has the entry, or time is up, and answers with a receipt. The event is
/// recorded, whatever becomes of that: nothing here is an error of the submission.
async fn witnessed_answer(app: App, recorded: Recorded) -> Result<Response, Problem> {
    let Some(witnesses) = app.witnesses().cloned() else { return Ok(receipt_of(&recorded)) };
    let mut recorded = recorded;
    let mut met = false;
    if let Some(checkpoint) = witnesses.reach(TreeSize(recorded.seq.0 + 1)).await {
        let (ledger, seq) = (app.ledger.clone(), recorded.seq);
        if let Ok(Ok(Some(receipt))) = read(move || ledger.receipt_at(seq, &checkpoint)).await {
            recorded.receipt = receipt;
            met = true;
        }
    }
    let mut response = receipt_of(&recorded);
    response.headers_mut().insert(WITNESSED_HEADER, HeaderValue::from_static(if met { "true" } else { "false" }));
    Ok(response)
}

/// Where the outcome of a submission goes: the committer's thread or, when it never gets there, whoever tried.
#[derive(Clone)]
pub(crate) struct Reply(Arc<Mutex<Option<oneshot::Sender<Result<Recorded, SubmitError>>>>>);

impl Reply {
    /// Makes one, and where it can be waited for.
    pub(crate) fn channel() -> (Self, oneshot::Receiver<Result<Recorded, SubmitError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    /// Sends the outcome; only the first counts. It does not matter whether anybody still waits: what is recorded is
    /// recorded.
    pub(crate) fn send(&self, outcome: Result<Recorded, SubmitError>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let _ = sender.send(outcome);
        }
    }
}

/// Hands a submission to the committer, whose outcome goes to `reply`. `held` is dropped when the committer is done.
///
/// # Errors
/// When the committer does not take it; `reply` is left alone then.
pub(crate) fn enqueue<T>(
    ledger: &Ledger,
    prepared: Prepared,
    check_head: bool,
    reply: Reply,
    held: T,
) -> Result<(), SubmitError>
where
    T: Send + 'static,
{
    ledger.enqueue(prepared, check_head, move |outcome| {
        reply.send(outcome);
        drop(held);
    })
}

/// Turns what the ledger says into a problem.
pub(crate) fn submit_problem(error: SubmitError) -> Problem {
    match error {
        SubmitError::Refused(refusal) => (*refusal).into(),
        SubmitError::Busy { retry_after_seconds } => {
            Problem::new(Code::Busy, "too many submissions wait to be recorded").retry_after(retry_after_seconds.into())
        }
        SubmitError::Stopped { reason } => {
            Problem::new(Code::Stopped, format!("nothing is recorded any more: {reason}"))
        }
        _ => Problem::new(Code::Internal, "the ledger failed"),
    }
}

pub(super) fn receipt_of(recorded: &Recorded) -> Response {
    let status = if recorded.repeated { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = receipt_response(status, recorded.seq, &recorded.event, recorded.receipt.to_json());
    if recorded.unrecorded_signatures > 0 {
        response.headers_mut().insert(UNRECORDED_HEADER, recorded.unrecorded_signatures.into());
    }
    response
}

fn receipt_response(status: StatusCode, seq: Seq, event: &EventHash, receipt: String) -> Response {
    let mut response = (status, receipt).into_response();
    let headers = response.headers_mut();
    let text = |text: String| HeaderValue::try_from(text).expect("digits and letters are a header value");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(LOCATION, text(format!("/v1/entries/{seq}")));
    headers.insert(SEQ_HEADER, seq.0.into());
    headers.insert(EVENT_HEADER, text(event.to_string()));
    response
}

/// The receipt of a recorded event, proved against the present checkpoint, or the latest that witnesses cosigned.
#[utoipa::path(
    get, path = "/v1/events/{event}", tag = "events",
    params(
        ("event" = String, Path, description = "the event hash: 64 lower-case hex digits"),
        ("checkpoint" = Option<String>, Query, description = "`witnessed`: at the latest checkpoint that the quorum of witnesses cosigned"),
    ),
    responses(
        (status = 200, description = "the receipt (SPEC §11)", body = ReceiptFile, headers(
            ("location" = String, description = "the entry"),
            ("countersign-seq" = u64, description = "its sequence number"),
            ("countersign-event" = String, description = "its event hash"),
        )),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receipt(
    State(app): State<App>,
    Segments(event): Segments<String>,
    mut params: Params,
) -> Result<Response, Problem> {
    let witnessed = params.choice("checkpoint", &["witnessed"])?.is_some();
    params.finish()?;
    let event: EventHash = parse("event", &event, "an event hash (64 lower-case hex digits)")?;
    let found = read(move || -> Result<_, Problem> {
        let Some(seq) = app.ledger.store().seq_of_event(&event).map_err(|e| store_problem(&e))? else {
            return Ok(None);
        };
        Ok(Some((seq, entry_receipt(&app, seq, witnessed)?)))
    });
    let (seq, receipt) = found.await??.ok_or_else(|| Problem::not_found("event", event))?;
    Ok(receipt_response(StatusCode::OK, seq, &event, receipt.to_json()))
}
