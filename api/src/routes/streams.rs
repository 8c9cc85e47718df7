//! `/v1/streams`: the events of one subject, and its head.

use axum::Json;
use axum::extract::State;
use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::id::{CaseId, Seq, StreamId, Subject};

use super::{corrupt, lines, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{MAX_NUMBER, Params, Segments, parse};
use crate::server::{App, read};
use crate::wire::{StreamHeadView, StreamItem, StreamPage};

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1_000;

/// The events of a stream, in order, and its head: what the `after` of the next event names.
#[utoipa::path(
    get, path = "/v1/streams/{case}/{type}/{id}", tag = "streams",
    params(
        ("case" = String, Path, description = "the case, or `-` for a stream outside any"),
        ("type" = String, Path, description = "the subject's type, such as `consignment`"),
        ("id" = String, Path, description = "the subject's id"),
        ("from" = Option<u64>, Query, description = "events from this sequence number on; 0 unless given"),
        ("limit" = Option<u64>, Query, description = "how many events, 1 to 1,000; 100 unless given"),
    ),
    responses(
        (status = 200, description = "the events", body = StreamPage),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "nothing of the subject is recorded: `not_found`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stream(
    State(app): State<App>,
    Segments((case, ty, id)): Segments<(String, String, String)>,
    mut params: Params,
) -> Result<Json<StreamPage>, Problem> {
    let case = match case.as_str() {
        "-" => None,
        case => Some(parse::<CaseId>("case", case, "a case id ([a-z0-9][a-z0-9._-]{0,95}), or -")?),
    };
    let subject =
        Subject::new(&ty, &id).map_err(|e| Problem::mismatch(Code::BadParameter, "subject", e.expected, &e.found))?;
    let from = params.number("from", 0, MAX_NUMBER)?.unwrap_or(0);
    let limit = params.number("limit", 1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    params.finish()?;
    let stream = StreamId { case, subject };
    Ok(Json(read(move || page(&app, stream, Seq(from), limit)).await??))
}

fn page(app: &App, stream: StreamId, from: Seq, limit: u64) -> Result<StreamPage, Problem> {
    let store = app.ledger.store();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let head = store.stream_head(&stream).map_err(|e| store_problem(&e))?;
    let head = head.ok_or_else(|| Problem::not_found("stream", &stream))?;
    let mut seqs = store.stream_seqs(&stream, from, limit + 1).map_err(|e| store_problem(&e))?;
    let next = seqs.get(limit).copied();
    seqs.truncate(limit);
    let events = seqs.into_iter().map(|seq| item(app, seq)).collect::<Result<_, _>>()?;
    let head = StreamHeadView { seq: head.seq, event: head.event };
    Ok(StreamPage { case: stream.case, subject: stream.subject, head, events, next })
}

fn item(app: &App, seq: Seq) -> Result<StreamItem, Problem> {
    let entry = Entry::parse(&lines::one(app, seq)?).map_err(|e| corrupt(&e))?;
    let event = Event::of_envelope(&entry.envelope).map_err(|e| corrupt(&e))?;
    Ok(StreamItem {
        seq,
        event: entry.envelope.event_hash(),
        kind: event.kind,
        author: event.author,
        time: entry.time,
        after: event.after,
    })
}
