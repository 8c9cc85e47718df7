//! `/v1/references`: entries by the numbers that people outside the ledger use.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_ledger::id::Seq;
use countersign_ledger::store::StoreError;
use countersign_ledger::views::View;

use super::views::{Answered, Asked};
use crate::problem::{Code, Problem};
use crate::server::App;
use crate::server::input::Params;
use crate::wire::views::{ReferencePage, ReferenceView, reference_table};

/// Entries whose `references` name a number, or whose document or certificate bears it (schemes `document_number` and
/// `certificate`). As CSV where `Accept` asks for `text/csv`.
#[utoipa::path(
    get, path = "/v1/references", tag = "entries",
    params(
        ("value" = String, Query, description = "the number, as it is recorded"),
        ("scheme" = Option<String>, Query, description = "whose number it is"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 10,000; 100 unless given"),
        ("cursor" = Option<String>, Query, description = "the `next` of the page before"),
        ("wait_for" = Option<u64>, Query, description = "answer once the views know of this entry: 503 `busy` if they do not within 10 s"),
    ),
    responses(
        (status = 200, description = "the entries", content((ReferencePage = "application/json"), (String = "text/csv"))),
        (status = 400, description = "`bad_parameter`, `bad_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<App>, mut params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    let asked = Asked::take(&app, "/v1/references", &mut params, &headers)?;
    let missing = || Problem::mismatch(Code::BadParameter, "value", "the number to look for", "nothing");
    let value = params.take("value")?.ok_or_else(missing)?;
    let scheme = params.take("scheme")?;
    params.finish()?;
    let (after, limit) = (asked.after.clone(), asked.limit);
    let ask = asked.ask(&app, move |view| {
        let page = view.references(&value, scheme.as_deref(), after.as_deref(), limit)?;
        let found = page.found.into_iter().map(|(scheme, seq)| reference(view, scheme, &value, seq));
        let found: Vec<Option<ReferenceView>> = found.collect::<Result<_, _>>()?;
        Ok((found.into_iter().flatten().collect(), page.next))
    });
    let Answered { as_of, found: (references, next) } = ask.await?;
    let page = ReferencePage { as_of, references, next: asked.cursor(&app, next.as_deref()) };
    Ok(asked.answer(as_of, page.next.as_deref(), &page, || reference_table(&page.references)))
}

fn reference(view: &View<'_>, scheme: String, value: &str, seq: Seq) -> Result<Option<ReferenceView>, StoreError> {
    Ok(view.entry(seq)?.map(|header| ReferenceView {
        scheme,
        value: value.to_owned(),
        seq,
        kind: header.kind,
        case: header.case,
        subject: header.subject,
        author: header.author,
        time: header.time,
    }))
}
