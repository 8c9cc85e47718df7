//! What the lists of consignments, authorizations, sites and incidents share.

use axum::http::HeaderMap;
use axum::response::Response;

use super::views::{Answered, Asked};
use crate::problem::Problem;
use crate::server::App;
use crate::server::input::Params;
use crate::wire::views::StatePage;

/// Streams of one type.
pub(super) struct Resource {
    pub(super) path: &'static str,
    pub(super) ty: &'static str,
    pub(super) states: &'static [&'static str],
    /// Whether they belong to a case.
    pub(super) in_case: bool,
}

/// Answers with the streams of a type.
pub(super) async fn answer(
    app: &App,
    of: &'static Resource,
    mut params: Params,
    headers: &HeaderMap,
    table: impl FnOnce(&[serde_json::Value]) -> Vec<u8>,
) -> Result<Response, Problem> {
    let asked = Asked::take(app, of.path, &mut params, headers)?;
    let state = params.choice("state", of.states)?;
    let case = if of.in_case { params.case("case")? } else { None };
    params.finish()?;
    let (after, limit) = (asked.after.clone(), asked.limit);
    let ask = asked.ask(app, move |view| view.streams(of.ty, case.as_ref(), state, after.as_deref(), limit));
    let Answered { as_of, found: page } = ask.await?;
    let next = asked.cursor(app, page.next.as_deref());
    let found = page.found.iter().filter_map(|stream| serde_json::to_value(stream).ok()).collect();
    let page = StatePage { as_of, found, next };
    Ok(asked.answer(as_of, page.next.as_deref(), &page, || table(&page.found)))
}
