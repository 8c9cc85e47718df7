//! What the routes share that compute their answer from books: a place among those that may, the case and the instant
//! that are asked for, and the answer as JSON or as a table.

use std::future::Future;

use axum::Json;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use countersign_ledger::book::Book;
use countersign_ledger::id::{CaseId, TreeSize};
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{corrupt, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{Params, parse, prefers};
use crate::server::{App, BookError, book};
use crate::sheet;

/// Waits for a place among the exports and computations that may run.
pub(super) fn place(app: &App) -> impl Future<Output = Result<OwnedSemaphorePermit, Problem>> + use<> {
    let (wait, places) = (app.limits.queue_wait, app.exports.clone());
    async move {
        match tokio::time::timeout(wait, places.acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Problem::new(Code::Busy, "too many findings and exports are computed").retry_after(10)),
        }
    }
}

/// Takes out `as_of`: now, or the latest entry's time where the clock is behind it, unless given.
pub(super) fn as_of(app: &App, params: &mut Params) -> Result<Time, Problem> {
    let given = params.take("as_of")?.map(|text| parse::<Time>("as_of", &text, "a UTC time")).transpose()?;
    Ok(given.unwrap_or_else(|| SystemClock.now().max(app.ledger.latest_time())))
}

/// Refuses a case that was never opened.
pub(super) fn known_case(app: &App, case: Option<&CaseId>) -> Result<(), Problem> {
    match case {
        Some(case) if app.ledger.with_authority(|authority| authority.case(case.as_str()).is_none()) => {
            Err(Problem::not_found("case", case))
        }
        _ => Ok(()),
    }
}

/// Puts together what bears on a case, or what is outside any.
pub(super) fn book_of(app: &App, size: TreeSize, case: Option<&CaseId>, as_of: Time) -> Result<Book, Problem> {
    book(app.ledger.store(), size, case, as_of).map_err(|error| match error {
        BookError::Store(error) => store_problem(&error),
        BookError::Entry(reason) => corrupt(&reason),
    })
}

/// Answers with a page, as a table where the client prefers one.
pub(super) fn answer<T: Serialize>(headers: &HeaderMap, page: T, table: impl FnOnce(&T) -> Vec<u8>) -> Response {
    if prefers(headers, "text/csv") {
        return ([(CONTENT_TYPE, sheet::MEDIA_TYPE)], table(&page)).into_response();
    }
    Json(page).into_response()
}
