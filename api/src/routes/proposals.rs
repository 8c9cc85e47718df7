//! `/v1/proposals`: events that gather signatures until they can be recorded.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_ledger::authority::judge::Signers;
use countersign_ledger::authority::{Authority, KeyUse};
use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{EventHash, KeyId};
use countersign_ledger::id::{Author, CaseId, Kind};
use countersign_ledger::json;
use countersign_ledger::keys::{Signature, decode_base64};
use countersign_ledger::proof::Receipt;
use countersign_ledger::proposal::{
    Assessment, Cursor, Filter, Found, Kept, ProposalError, Signed, Standing, WITHDRAWAL_TYPE, Withdrawal,
};
use countersign_ledger::submission::{Prepared, Submission};
use countersign_ledger::time::Time;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{corrupt, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{Params, Segments, content_type, parse};
use crate::server::{App, read, read_all};
use crate::wire::proposals::{
    DroppedSignature, MAX_SIGNATURE_BATCH, ProposalList, ProposalState, ProposalView, SignatureBatch, SignatureFor,
    SignatureInput, SignatureResult, SignatureResults, Withdrawn,
};
use crate::wire::{JSON, MAX_REQUEST, SignatureView};

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 100;
/// About the most bytes of submissions on one page, unless a single one has more.
const PAGE_BYTES: usize = 2 << 20;
const EVENT_HASH: &str = "an event hash (64 lower-case hex digits)";
/// The media type of a withdrawal, which is a DSSE envelope.
const DSSE: &str = "application/vnd.dsse+json";

/// Proposes an event: keeps it until it has the signatures that the policy asks for, then records it.
///
/// A submission as for `/v1/events`, with any number of signatures by keys that count or that the event introduces, or
/// none. Proposing an event again adds the signatures that are awaited. When they satisfy the rule in force (or, if the
/// event has `signers`, when exactly these signed) it is recorded at once, and the answer has the receipt. It is
/// forgotten 7 days after its `until`, or 30 days after it was proposed; while nobody signed it, after 7 days.
#[utoipa::path(
    post, path = "/v1/proposals", tag = "proposals",
    params(("dry_run" = Option<bool>, Query, description = "`true`: say how it would stand, and keep nothing")),
    request_body(description = "an envelope, with or without disclosures", content((Object = "application/json"))),
    responses(
        (status = 201, description = "kept, or recorded at once", body = ProposalView, headers(
            ("location" = String, description = "the proposal"),
        )),
        (status = 200, description = "there was a proposal, or an entry, of this event already; or it was a dry run",
            body = ProposalView),
        (status = 400, description = "`malformed_json`, `malformed_envelope`, `bad_parameter`, …", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "`unknown_key`, `key_does_not_count`, `not_in_case`, `policy_not_satisfied` (nobody could)",
            body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`stale_after`, `id_conflict`, `signature_not_awaited`, `proposals_full`, …", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "`too_large`, `limit_exceeded`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`malformed_event`, `body_malformed`, `bad_signature`, …", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "`stopped`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn propose(
    State(app): State<App>,
    mut params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let dry_run = params.choice("dry_run", &["true", "false"])? == Some("true");
    params.finish()?;
    let bytes = body_of(&app, &headers, body, &[JSON]).await?;
    let (view, new) = read(move || -> Result<_, Problem> {
        let submission = Submission::parse(&bytes)?;
        let (found, new) = if dry_run {
            (app.proposals.preview(submission), false)
        } else {
            match app.proposals.propose(submission) {
                Ok((found, new)) => (Ok(found), new),
                Err(error) => (Err(error), false),
            }
        };
        Ok((view(&app, found.map_err(problem)?, true)?, new))
    })
    .await??;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/v1/proposals/{}", view.event);
    let mut response = (status, Json(view)).into_response();
    if new {
        let location = HeaderValue::try_from(location).expect("digits and letters are a header value");
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Proposals, the oldest first.
#[utoipa::path(
    get, path = "/v1/proposals", tag = "proposals",
    params(
        ("awaiting" = Option<String>, Query, description = "those that await this party, or `governance`"),
        ("author" = Option<String>, Query, description = "those by this author"),
        ("case" = Option<String>, Query, description = "those of this case"),
        ("kind" = Option<String>, Query, description = "those of this kind"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 100; 50 unless given"),
    ),
    responses(
        (status = 200, description = "the proposals", body = ProposalList),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<App>, mut params: Params) -> Result<Json<ProposalList>, Problem> {
    const PARTY: &str = "a party id, or governance";
    let author = |name: &str, text: Option<String>| text.map(|text| parse::<Author>(name, &text, PARTY)).transpose();
    let filter = Filter {
        awaiting: author("awaiting", params.take("awaiting")?)?,
        author: author("author", params.take("author")?)?,
        case: params.take("case")?.map(|text| parse::<CaseId>("case", &text, "a case id")).transpose()?,
        kind: params.take("kind")?.map(|text| parse::<Kind>("kind", &text, "a kind")).transpose()?,
    };
    let after = params.take("after")?.map(|text| read_cursor(&text)).transpose()?;
    let limit = params.number("limit", 1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    params.finish()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let list = read(move || -> Result<_, Problem> {
        let page = app.proposals.list(&filter, after, limit, PAGE_BYTES).map_err(problem)?;
        let proposals = page.proposals.into_iter().map(|found| view(&app, found, true)).collect::<Result<_, _>>()?;
        Ok(ProposalList { proposals, next: page.next.map(write_cursor) })
    });
    Ok(Json(list.await??))
}

/// A proposal; once it is recorded, its entry and receipt.
#[utoipa::path(
    get, path = "/v1/proposals/{event}", tag = "proposals",
    params(("event" = String, Path, description = "the event hash: 64 lower-case hex digits")),
    responses(
        (status = 200, description = "the proposal", body = ProposalView),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: never proposed, withdrawn or expired", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn proposal(
    State(app): State<App>,
    Segments(event): Segments<String>,
) -> Result<Json<ProposalView>, Problem> {
    let event: EventHash = parse("event", &event, EVENT_HASH)?;
    let found = read(move || -> Result<_, Problem> {
        let found = app.proposals.get(&event).map_err(problem)?;
        view(&app, found.ok_or_else(|| unknown(&event))?, true)
    });
    Ok(Json(found.await??))
}

/// Adds a signature to a proposal, and records it if that completes it.
#[utoipa::path(
    post, path = "/v1/proposals/{event}/signatures", tag = "proposals",
    params(("event" = String, Path, description = "the event hash: 64 lower-case hex digits")),
    request_body(content = SignatureInput),
    responses(
        (status = 200, description = "the proposal as it stands then. Where it is recorded without this signature, which came \
            too late, `signed` does not have it", body = ProposalView),
        (status = 400, description = "`bad_parameter`, `malformed_json`, `bad_request`", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "`unknown_key`, `key_does_not_count`, `not_in_case`", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`signature_not_awaited`, or why the proposal is blocked", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`bad_signature`, `signers_differ`, or why the proposal is blocked", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "`stopped`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn sign(
    State(app): State<App>,
    Segments(event): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ProposalView>, Problem> {
    let event: EventHash = parse("event", &event, EVENT_HASH)?;
    let SignatureInput { keyid, sig } = json_of(&body_of(&app, &headers, body, &[JSON]).await?)?;
    let signed = Signed { event, keyid, signature: signature("/sig", &sig)? };
    let found = read(move || -> Result<_, Problem> {
        let mut found = app.proposals.sign(&[signed]).map_err(problem)?;
        let found = found.pop().ok_or_else(|| unknown(&event))?.map_err(problem)?;
        view(&app, found, true)
    });
    Ok(Json(found.await??))
}

/// Adds signatures to many proposals, each by itself, and records those that are complete then.
#[utoipa::path(
    post, path = "/v1/proposals/signatures", tag = "proposals",
    request_body(content = SignatureBatch),
    responses(
        (status = 200, description = "one result a signature, in order", body = SignatureResults),
        (status = 400, description = "`malformed_json`, `bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`stopped`: ask for each proposal how it stands", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn sign_many(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SignatureResults>, Problem> {
    let SignatureBatch { signatures } = json_of(&body_of(&app, &headers, body, &[JSON]).await?)?;
    if !(1..=MAX_SIGNATURE_BATCH).contains(&signatures.len()) {
        let expected = format!("1 to {MAX_SIGNATURE_BATCH} signatures");
        let found = format!("{}", signatures.len());
        return Err(Problem::mismatch(Code::BadRequest, "/signatures", expected, &found));
    }
    let read_one = |(i, of): (usize, SignatureFor)| {
        let signature = signature(&format!("/signatures/{i}/sig"), &of.sig)?;
        Ok::<_, Problem>(Signed { event: of.event, keyid: of.keyid, signature })
    };
    let signed: Vec<Signed> = signatures.into_iter().enumerate().map(read_one).collect::<Result<_, _>>()?;
    let results = read(move || -> Result<_, Problem> {
        let found = app.proposals.sign(&signed).map_err(problem)?;
        let results = signed.iter().zip(found).map(|(signed, found)| {
            let view = found.map_err(problem).and_then(|found| view(&app, found, false));
            let (status, proposal, problem) = match view {
                Ok(view) => (200, Some(view), None),
                Err(problem) => (problem.status, None, Some(problem)),
            };
            SignatureResult { event: signed.event, keyid: signed.keyid, status, proposal, problem }
        });
        Ok(SignatureResults { results: results.collect() })
    });
    Ok(Json(results.await??))
}

/// Withdraws a proposal: its author, or the governance quorum, signs the request (SPEC §4).
#[utoipa::path(
    delete, path = "/v1/proposals/{event}", tag = "proposals",
    params(("event" = String, Path, description = "the event hash: 64 lower-case hex digits")),
    request_body(
        description = "a DSSE envelope of payloadType `application/vnd.countersign.withdrawal.v1+json` over \
            `{\"countersign\":1,\"ledger\":…,\"withdraw\":<event hash>,\"proposed\":<the proposal's time>}`",
        content((Object = "application/vnd.dsse+json"), (Object = "application/json")),
    ),
    responses(
        (status = 200, description = "it is withdrawn", body = Withdrawn),
        (status = 400, description = "`bad_parameter`, `malformed_envelope`", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "`not_withdrawable`, `unknown_key`, `key_does_not_count`", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`already_started`: it is recorded, or about to be", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`bad_signature`, `malformed_event`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn withdraw(
    State(app): State<App>,
    Segments(event): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Withdrawn>, Problem> {
    let event: EventHash = parse("event", &event, EVENT_HASH)?;
    let bytes = body_of(&app, &headers, body, &[DSSE, JSON]).await?;
    let withdrawn = read(move || -> Result<_, Problem> {
        let request = Withdrawal::parse(&bytes).map_err(|refusal| {
            Problem::from(refusal).hint(format!("a DSSE envelope of payloadType {WITHDRAWAL_TYPE}: SPEC §4"))
        })?;
        app.proposals.withdraw(&event, &request).map_err(problem)
    });
    withdrawn.await??;
    Ok(Json(Withdrawn { withdrawn: event }))
}

async fn body_of(app: &App, headers: &HeaderMap, body: Body, known: &[&'static str]) -> Result<Vec<u8>, Problem> {
    content_type(headers, known)?;
    read_all(headers, body, MAX_REQUEST, &app.limits).await
}

/// Reads a JSON body strictly (SPEC §1).
fn json_of<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = json::parse(bytes, json::MAX_DEPTH)
        .map_err(|e| Problem::mismatch(Code::BadRequest, &e.pointer, "strict JSON (SPEC §1)", &e.to_string()))?;
    serde_json::from_value(value).map_err(|e| Problem::new(Code::BadRequest, format!("the request's body: {e}")))
}

fn signature(path: &str, text: &str) -> Result<Signature, Problem> {
    let bytes: Option<[u8; 64]> = decode_base64(text).and_then(|bytes| bytes.try_into().ok());
    let wrong = || Problem::mismatch(Code::BadRequest, path, "the base64 of 64 bytes", text);
    bytes.map(Signature::from_bytes).ok_or_else(wrong)
}

fn write_cursor((proposed, event): Cursor) -> String {
    format!("{}-{event}", proposed.unix_millis())
}

fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let cursor = text.split_once('-').and_then(|(millis, event)| {
        let proposed = Time::from_unix_millis(millis.parse().ok()?)?;
        Some((proposed, event.parse().ok()?)).filter(|cursor| write_cursor(*cursor) == text)
    });
    cursor.ok_or_else(|| Problem::mismatch(Code::BadParameter, "after", "the `next` of a page", text))
}

fn unknown(event: &EventHash) -> Problem {
    Problem::not_found("proposal", event).hint("it was never proposed, was withdrawn, or has expired")
}

fn problem(error: ProposalError) -> Problem {
    match error {
        ProposalError::Refused(refusal) => (*refusal).into(),
        ProposalError::Unknown { event } => unknown(&event),
        ProposalError::Store(error) => store_problem(&error),
        ProposalError::Stopped { reason } => {
            Problem::new(Code::Stopped, format!("nothing is recorded any more: {reason}"))
        }
        _ => Problem::new(Code::Internal, "the proposals failed"),
    }
}

fn raw(json: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(json).map_err(|e| corrupt(&e))
}

fn view(app: &App, found: Found, with_submission: bool) -> Result<ProposalView, Problem> {
    match found {
        Found::Kept { kept, prepared, assessment } => kept_view(app, &kept, &prepared, *assessment, with_submission),
        Found::Recorded { receipt, .. } => recorded_view(app, &receipt),
    }
}

fn empty_view(event: EventHash, says: &Event, state: ProposalState) -> ProposalView {
    ProposalView {
        event,
        state,
        kind: says.kind.clone(),
        subject: says.subject.clone(),
        case: says.case.clone(),
        author: says.author.clone(),
        until: says.until,
        proposed: None,
        expires: None,
        signed: Vec::new(),
        dropped: Vec::new(),
        awaiting: Vec::new(),
        awaiting_keys: Vec::new(),
        missing: Vec::new(),
        rule: None,
        problem: None,
        seq: None,
        receipt: None,
        submission: None,
    }
}

fn kept_view(
    app: &App,
    kept: &Kept,
    prepared: &Prepared,
    assessment: Assessment,
    with_submission: bool,
) -> Result<ProposalView, Problem> {
    let event = prepared.event();
    let (state, problem) = match assessment.standing {
        Standing::Open => (ProposalState::Open, None),
        Standing::Complete => (ProposalState::Complete, None),
        Standing::Recorded(_) => (ProposalState::Recorded, None),
        Standing::Blocked(refusal) => (ProposalState::Blocked, Some(Problem::from(*refusal))),
    };
    let awaited = assessment.awaited;
    let governance = (awaited.governance > 0).then_some(Author::Governance);
    let blocked = state == ProposalState::Blocked;
    let (signed, dropped, rule) = app.ledger.with_authority(|authority| {
        let signed = if blocked { every(authority, prepared) } else { counting(&assessment.signers) };
        let dropped = assessment.dropped.into_iter().map(|(keyid, refusal)| DroppedSignature {
            keyid,
            party: party_of(authority, &keyid).and_then(|author| author.party().cloned()),
            why: refusal.to_string(),
        });
        let rule = authority.policy().row(&event.kind).map(|row| row.rule.in_words());
        (signed, dropped.collect(), rule)
    });
    Ok(ProposalView {
        proposed: Some(kept.proposed),
        expires: Some(kept.expires),
        signed,
        dropped,
        awaiting: awaited.parties.into_iter().map(Author::Party).chain(governance).collect(),
        awaiting_keys: awaited.keys,
        missing: awaited.missing,
        rule,
        problem,
        submission: with_submission.then(|| raw(kept.submission.to_json())).transpose()?,
        ..empty_view(prepared.event_hash(), event, state)
    })
}

fn recorded_view(app: &App, receipt: &Receipt) -> Result<ProposalView, Problem> {
    let entry = Entry::parse(receipt.entry().as_bytes()).map_err(|e| corrupt(&e))?;
    let event = Event::of_envelope(&entry.envelope).map_err(|e| corrupt(&e))?;
    let keyids = entry.envelope.signatures().iter().map(|(keyid, _)| *keyid);
    let signed = app.ledger.with_authority(|authority| {
        keyids.map(|keyid| SignatureView { keyid, party: party_of(authority, &keyid) }).collect()
    });
    Ok(ProposalView {
        signed,
        seq: Some(entry.seq),
        receipt: Some(raw(receipt.to_json())?),
        ..empty_view(entry.envelope.event_hash(), &event, ProposalState::Recorded)
    })
}

fn counting(signers: &Signers) -> Vec<SignatureView> {
    let parties = signers.parties.iter().flat_map(|(party, keys)| keys.iter().map(move |keyid| (*keyid, party)));
    let parties = parties.map(|(keyid, party)| SignatureView { keyid, party: Some(Author::Party(party.clone())) });
    let governance = signers.governance.iter();
    let governance = governance.map(|keyid| SignatureView { keyid: *keyid, party: Some(Author::Governance) });
    let introduced = signers.introduced.iter().map(|keyid| SignatureView { keyid: *keyid, party: None });
    parties.chain(governance).chain(introduced).collect()
}

fn every(authority: &Authority, prepared: &Prepared) -> Vec<SignatureView> {
    let keyids = prepared.keyids().into_iter();
    keyids.map(|keyid| SignatureView { keyid, party: party_of(authority, &keyid) }).collect()
}

fn party_of(authority: &Authority, keyid: &KeyId) -> Option<Author> {
    match &authority.key(keyid)?.purpose {
        KeyUse::Party(key) => Some(Author::Party(key.party.clone())),
        KeyUse::Governance => Some(Author::Governance),
        KeyUse::Log => None,
    }
}
