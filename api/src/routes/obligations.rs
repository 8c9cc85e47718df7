//! `/v1/obligations`: what is due, by date (DOMAIN §4).

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_ledger::time::Date;
use countersign_ledger::views::due::Obligation;
use countersign_ledger::views::key::item_text;

use super::views::{Answered, Asked};
use crate::problem::Problem;
use crate::server::App;
use crate::server::input::{Params, parse};
use crate::wire::views::{ObligationPage, ObligationView, obligation_table};

/// What is due, the next first, also what is overdue: receipts, inventories (the first that is due of a case), site
/// certificates, consents, returns of retransfers, triage of reports, remedies. Without the term in its case nothing has
/// a due date. As CSV where `Accept` asks for `text/csv`.
#[utoipa::path(
    get, path = "/v1/obligations", tag = "findings",
    params(
        ("due_before" = Option<String>, Query, description = "due before this date"),
        ("case" = Option<String>, Query, description = "of this case"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 10,000; 100 unless given"),
        ("cursor" = Option<String>, Query, description = "the `next` of the page before"),
        ("wait_for" = Option<u64>, Query, description = "answer once the views know of this entry: 503 `busy` if they do not within 10 s"),
    ),
    responses(
        (status = 200, description = "what is due", content((ObligationPage = "application/json"), (String = "text/csv"))),
        (status = 400, description = "`bad_parameter`, `bad_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<App>, mut params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    let asked = Asked::take(&app, "/v1/obligations", &mut params, &headers)?;
    let before = params.take("due_before")?.map(|text| parse::<Date>("due_before", &text, "a date such as 2026-09-21"));
    let before = before.transpose()?;
    let case = params.case("case")?;
    params.finish()?;
    let (after, limit) = (asked.after.clone(), asked.limit);
    let ask = asked.ask(&app, move |view| view.obligations(before, case.as_ref(), after.as_deref(), limit));
    let Answered { as_of, found: page } = ask.await?;
    let next = asked.cursor(&app, page.next.as_deref());
    let page = ObligationPage { as_of, obligations: page.found.into_iter().map(view).collect(), next };
    Ok(asked.answer(as_of, page.next.as_deref(), &page, || obligation_table(&page.obligations)))
}

fn view(of: Obligation) -> ObligationView {
    ObligationView {
        due: of.due,
        duty: of.duty.as_str().to_owned(),
        case: of.case,
        subject: of.subject,
        who: of.who.iter().map(ToString::to_string).collect(),
        since: of.since,
        days: of.days,
        seq: of.seq,
        item: of.item.as_ref().map(item_text),
    }
}
