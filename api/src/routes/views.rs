//! What every question to the views shares: how far they are, pages, cursors, CSV.
//!
//! A cursor is the key after which the next page begins, and an HMAC of it together with the question: nobody can make
//! one up, change one, or take it to another question. The HMAC's key lives as long as the process.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, LINK, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_ledger::facts::State;
use countersign_ledger::id::Seq;
use countersign_ledger::store::StoreError;
use countersign_ledger::views::View;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use super::store_problem;
use crate::problem::{Code, Problem};
use crate::server::input::{MAX_NUMBER, Params, prefers};
use crate::server::{App, read};
use crate::sheet;
use crate::wire::views::{AS_OF_HEADER, AsOf, ItemCounts, LAG_HEADER};

/// How many records a page has unless asked, and at most.
const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 10_000;
/// How long `wait_for` waits.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// Bytes of a cursor's HMAC.
const TAG: usize = 16;
/// The longest cursor: keys hold ids, numbers and serials.
const MAX_CURSOR: usize = 32 << 10;

/// What is asked, beside what is looked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) limit: usize,
    pub(super) after: Option<Vec<u8>>,
    pub(super) csv: bool,
    wait_for: Option<u64>,
    path: &'static str,
    question: String,
    query: String,
}

/// What is answered, beside what was found.
#[derive(Debug)]
pub(super) struct Answered<T> {
    pub(super) as_of: AsOf,
    pub(super) found: T,
}

impl Asked {
    /// Takes what every question may have: `limit`, `cursor`, `wait_for`, and the wish for CSV.
    pub(super) fn take(
        app: &App,
        path: &'static str,
        params: &mut Params,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        const BESIDE: [&str; 3] = ["limit", "cursor", "wait_for"];
        let (question, query) = (params.canonical(&BESIDE), params.query(&BESIDE));
        let limit = params.number("limit", 1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let wait_for = params.number("wait_for", 0, MAX_NUMBER)?;
        let cursor = params.take("cursor")?;
        let csv = prefers(headers, "text/csv");
        let mut asked = Self { limit, after: None, csv, wait_for, path, question, query };
        asked.after = cursor.map(|cursor| asked.open(app, &cursor)).transpose()?;
        Ok(asked)
    }

    fn tag(&self, app: &App, key: &[u8]) -> [u8; TAG] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&app.cursor_key).expect("an HMAC takes keys of any length");
        mac.update(self.path.as_bytes());
        mac.update(&[0]);
        mac.update(&u64::try_from(self.question.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(self.question.as_bytes());
        mac.update(key);
        let whole = mac.finalize().into_bytes();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&whole[..TAG]);
        tag
    }

    /// Makes the cursor of the next page.
    pub(super) fn cursor(&self, app: &App, key: Option<&[u8]>) -> Option<String> {
        key.map(|key| URL_SAFE_NO_PAD.encode([&self.tag(app, key)[..], key].concat()))
    }

    fn open(&self, app: &App, cursor: &str) -> Result<Vec<u8>, Problem> {
        let wrong = || {
            let expected = "a cursor that this server gave for this question";
            Problem::mismatch(Code::BadCursor, "cursor", expected, "another").hint(
                "ask again without `cursor`: cursors do not outlive the server's process, and fit one question only",
            )
        };
        let bytes = Some(cursor).filter(|cursor| cursor.len() <= MAX_CURSOR);
        let bytes = bytes.and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok()).ok_or_else(wrong)?;
        let (tag, key) = bytes.split_at_checked(TAG).ok_or_else(wrong)?;
        // in constant time: whoever guesses learns nothing from how long it took
        let same = self.tag(app, key).iter().zip(tag).fold(0, |differs, (a, b)| differs | (a ^ b));
        if same == 0 { Ok(key.to_vec()) } else { Err(wrong()) }
    }

    /// Waits as long as was asked for, and asks the views.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        app: &App,
        ask: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Answered<T>, Problem> {
        if let Some(seq) = self.wait_for {
            let wait = PATIENCE.min(app.limits.request / 2);
            if !app.views().reach(seq.saturating_add(1), wait).await {
                let detail = format!("the views do not know of entry {seq} yet");
                return Err(Problem::new(Code::Busy, detail).hint("ask again, or without `wait_for`").retry_after(5));
            }
        }
        read_views(app, ask).await
    }

    /// Writes the answer: as JSON, or as CSV with the next page in `Link`.
    pub(super) fn answer<T: Serialize>(
        &self,
        as_of: AsOf,
        next: Option<&str>,
        page: &T,
        table: impl FnOnce() -> Vec<u8>,
    ) -> Response {
        let mut response = if self.csv {
            ([(CONTENT_TYPE, sheet::MEDIA_TYPE)], table()).into_response()
        } else {
            Json(page).into_response()
        };
        let headers = response.headers_mut();
        if let Some(next) = next.filter(|_| self.csv) {
            let query = self.next_query(next);
            if let Ok(link) = HeaderValue::from_str(&format!("<{}?{query}>; rel=\"next\"", self.path)) {
                headers.insert(LINK, link);
            }
        }
        headers.insert(VARY, HeaderValue::from_static("accept"));
        if let Some(seq) = as_of.as_of_seq {
            headers.insert(HeaderName::from_static(AS_OF_HEADER), HeaderValue::from(seq.0));
        }
        headers.insert(HeaderName::from_static(LAG_HEADER), HeaderValue::from(as_of.lag));
        response
    }

    /// Returns the query of the next page.
    fn next_query(&self, next: &str) -> String {
        let separator = if self.query.is_empty() { "" } else { "&" };
        format!("{}{separator}limit={}&cursor={next}", self.query, self.limit)
    }
}

/// Asks the views.
pub(super) async fn read_views<T: Send + 'static>(
    app: &App,
    ask: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<Answered<T>, Problem> {
    let app = app.clone();
    let answer = read(move || -> Result<Answered<T>, StoreError> {
        let view = app.views().views.view()?;
        let found = ask(&view)?;
        let (known, size) = (view.size().0, app.ledger.head().size.0);
        let as_of_seq = known.checked_sub(1).map(Seq);
        Ok(Answered { as_of: AsOf { as_of_seq, lag: size.saturating_sub(known) }, found })
    });
    answer.await?.map_err(|e| store_problem(&e))
}

/// Names states.
pub(super) fn by_state(counts: Vec<(State, u64)>) -> ItemCounts {
    counts.into_iter().map(|(state, count)| (state.to_string(), count)).collect()
}

/// Returns a text, or nothing.
pub(super) fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
