//! `/v1/stream`: new entries as server-sent events, as fast as the client takes them and no faster.
//!
//! Nothing is buffered for a client beyond one piece: the next one is read from the store when this one was taken. A
//! client that takes none for long is ended by the connection's guard (`server::connection`).

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use countersign_ledger::id::{CaseId, Kind, Seq};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::store_problem;
use crate::problem::{Code, Problem};
use crate::server::input::{MAX_NUMBER, Params, parse, parse_number};
use crate::server::{App, read};
use crate::wire::{EVENT_STREAM, EntryView};

/// How many entries are looked at for one piece, and about how many bytes of lines.
const PIECE_ENTRIES: usize = 32;
const PIECE_BYTES: usize = 64 << 10;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// New entries as they become durable: `text/event-stream`, each `event: entry` with `id` its sequence number and the
/// JSON of `/v1/entries/{seq}` as data.
///
/// After a break, send the last `id` as `Last-Event-ID` (browsers do) or go on with `?from`. Comments keep the connection
/// alive. With a filter, an `id` alone says how far the server has looked.
#[utoipa::path(
    get, path = "/v1/stream", tag = "entries",
    params(
        ("from" = Option<u64>, Query, description = "the first sequence number; unless given, what is new from now on"),
        ("case" = Option<String>, Query, description = "only events of this case"),
        ("kind" = Option<String>, Query, description = "only events of this kind"),
        ("last-event-id" = Option<u64>, Header, description = "the last entry that the client has; goes over `from`"),
    ),
    responses(
        (status = 200, description = "the entries, without end", body = String, content_type = "text/event-stream"),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`: too many listen; `stopped`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stream(
    State(app): State<App>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let from = params.number("from", 0, MAX_NUMBER)?;
    let case = params.take("case")?.map(|text| parse("case", &text, "a case id")).transpose()?;
    let kind = params.take("kind")?.map(|text| parse("kind", &text, "a kind")).transpose()?;
    params.finish()?;
    let last = match headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?")) {
        // what a browser sends that has seen no id
        None | Some("") => None,
        Some(text) => Some(parse_number("last-event-id", text, 0, MAX_NUMBER)?),
    };
    if app.closing.is_cancelled() {
        return Err(Problem::new(Code::Stopped, "the server is stopping").retry_after(5));
    }
    let Ok(place) = app.listeners.clone().try_acquire_owned() else {
        return Err(Problem::new(Code::Busy, "too many clients listen").retry_after(30));
    };
    let heads = app.heads.subscribe();
    let next = last.map(|last| last + 1).or(from).unwrap_or_else(|| app.ledger.head().size.0);
    let listener = Listener { app, filter: Filter { case, kind }, next, heads, begun: false, _place: place };
    let pieces = stream::try_unfold(listener, |listener| async move {
        listener.piece().await.inspect_err(|problem| tracing::error!(detail = problem.detail, "a stream broke off"))
    });
    let headers = [(CONTENT_TYPE, EVENT_STREAM), (CACHE_CONTROL, "no-store")];
    Ok((headers, [("x-accel-buffering", "no")], Body::from_stream(pieces)).into_response())
}

#[derive(Clone)]
struct Filter {
    case: Option<CaseId>,
    kind: Option<Kind>,
}

impl Filter {
    fn takes(&self, view: &EntryView) -> bool {
        let is = |member: &str, wanted: &str| view.event[member].as_str() == Some(wanted);
        self.case.as_ref().is_none_or(|case| is("case", case.as_str()))
            && self.kind.as_ref().is_none_or(|kind| is("kind", kind.as_str()))
    }
}

/// One client that listens.
struct Listener {
    app: App,
    filter: Filter,
    /// The entry to look at next.
    next: u64,
    heads: watch::Receiver<u64>,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// Waits for something to say; `None` when the server stops.
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        if !self.begun {
            self.begun = true;
            return Ok(Some((Bytes::from_static(b"retry: 2000\n\n"), self)));
        }
        loop {
            if self.app.closing.is_cancelled() {
                return Ok(None);
            }
            // seen before the store is asked, so that what comes meanwhile wakes this again
            self.heads.mark_unchanged();
            if self.app.ledger.head().size.0 > self.next {
                let (app, filter, next) = (self.app.clone(), self.filter.clone(), self.next);
                let (bytes, next) = read(move || entries(&app, &filter, next)).await??;
                self.next = next;
                return Ok(Some((Bytes::from(bytes), self)));
            }
            let closing = self.app.closing.clone();
            let heartbeat = self.app.limits.heartbeat;
            tokio::select! {
                () = closing.cancelled() => return Ok(None),
                changed = self.heads.changed() => if changed.is_err() { return Ok(None) },
                () = tokio::time::sleep(heartbeat) => return Ok(Some((Bytes::from_static(b":\n\n"), self))),
            }
        }
    }
}

/// Writes the next entries down, and says where to go on. Nothing of what it returns is empty.
fn entries(app: &App, filter: &Filter, from: u64) -> Result<(String, u64), Problem> {
    let store = app.ledger.store();
    let there = usize::try_from(app.ledger.head().size.0.saturating_sub(from)).unwrap_or(usize::MAX);
    let lines = store.lines(Seq(from), there.min(PIECE_ENTRIES), PIECE_BYTES).map_err(|e| store_problem(&e))?;
    let (mut text, mut next, mut told) = (String::new(), from, true);
    for line in lines {
        let seq = Seq(next);
        next += 1;
        let disclosures = store.disclosures(seq).map_err(|e| store_problem(&e))?;
        let view = super::entries::view_of(app, &line, disclosures)?;
        told = filter.takes(&view);
        if told {
            // JSON has no line break outside of strings, and none unescaped in them
            let json = serde_json::to_string(&view).map_err(|e| super::corrupt(&e))?;
            text.push_str(&format!("id: {seq}\nevent: entry\ndata: {json}\n\n"));
        }
    }
    if next == from {
        return Err(super::corrupt(&format_args!("entry {from} is not in the store")));
    }
    if !told {
        // no data, so no event: only how far this is
        text.push_str(&format!("id: {}\n\n", next - 1));
    }
    Ok((text, next))
}
