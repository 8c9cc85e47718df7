//! `/v1/findings`: what is overdue and what does not add up (DOMAIN §5), computed when asked.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_ledger::book::Book;
use countersign_ledger::findings::{Assessment, Code as FindingCode, Unknown, assess, concerns};
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{CaseId, TreeSize};
use countersign_ledger::time::Time;

use super::computed::{answer, as_of, book_of, known_case, place};
use super::store_problem;
use crate::problem::Problem;
use crate::server::input::Params;
use crate::server::{App, read};
use crate::wire::FindingsPage;

/// A page ends after the case with which it has so many findings.
const PAGE: usize = 1_000;

/// Findings of a case, or of one case after the other, most serious first within each; those of incidents that no case
/// is named by come first. As CSV where `Accept` asks for `text/csv`.
#[utoipa::path(
    get, path = "/v1/findings", tag = "findings",
    params(
        ("case" = Option<String>, Query, description = "of this case, and of incidents that name it"),
        ("as_of" = Option<String>, Query, description = "a UTC time: what was recorded later is left out; now unless given"),
        ("after" = Option<String>, Query, description = "without `case`: cases with ids after this one"),
    ),
    responses(
        (status = 200, description = "the findings", content(
            (FindingsPage = "application/json"), (String = "text/csv"),
        )),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such case", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`: too many are computed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn findings(
    State(app): State<App>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let case = params.case("case")?;
    let as_of = as_of(&app, &mut params)?;
    let after = params.case("after")?;
    params.finish()?;
    known_case(&app, case.as_ref())?;
    let _place = place(&app).await?;
    let page = read(move || page(&app, case.as_ref(), after.as_ref(), as_of)).await??;
    Ok(answer(&headers, page, |page| crate::cli::findings::csv(&page.findings)))
}

fn page(app: &App, case: Option<&CaseId>, after: Option<&CaseId>, as_of: Time) -> Result<FindingsPage, Problem> {
    let size = app.ledger.head().size;
    let mut page =
        FindingsPage { as_of, size, findings: Vec::new(), unknowns: Vec::new(), obligations: Vec::new(), next: None };
    if let Some(case) = case {
        take(app, &mut page, size, Some(case), true)?;
        return Ok(page);
    }
    if after.is_none() {
        take(app, &mut page, size, None, false)?;
    }
    let mut cases = app.ledger.with_authority(|authority| {
        let ids = authority.cases().map(|(id, _)| id.clone());
        ids.filter(|id| after.is_none_or(|after| id > after)).collect::<Vec<_>>().into_iter()
    });
    for case in cases.by_ref() {
        take(app, &mut page, size, Some(&case), false)?;
        if page.findings.len() + page.obligations.len() + page.unknowns.len() >= PAGE {
            page.next = Some(case);
            break;
        }
    }
    page.next = page.next.filter(|_| cases.next().is_some());
    Ok(page)
}

/// Adds the findings of a case, or of what is outside any; `with_incidents` adds to a case's those of incidents that
/// name it.
fn take(
    app: &App,
    page: &mut FindingsPage,
    size: TreeSize,
    case: Option<&CaseId>,
    with_incidents: bool,
) -> Result<(), Problem> {
    let book = book_of(app, size, case, page.as_of)?;
    let Assessment { findings, mut unknowns, obligations } = assess(&book);
    if case.is_none() {
        // what is recorded in a case is judged with that case
        let mut outside = Vec::with_capacity(unknowns.len());
        for unknown in unknowns {
            if !of_a_case(app, &book, &unknown)? {
                outside.push(unknown);
            }
        }
        unknowns = outside;
    }
    let wanted = |of: Option<&CaseId>, subject: &countersign_ledger::id::Subject| match case {
        Some(case) if with_incidents => concerns(&book, of, subject, case),
        _ => of == case,
    };
    page.findings.extend(findings.into_iter().filter(|f| wanted(f.case.as_ref(), &f.subject)));
    page.unknowns.extend(unknowns.into_iter().filter(|u| wanted(u.case.as_ref(), &u.subject)));
    page.obligations.extend(obligations.into_iter().filter(|o| wanted(o.case.as_ref(), &o.subject)));
    Ok(())
}

/// Tells whether something that is unknown in the book of what is outside any case is a dispute of a statement that is
/// recorded all the same: in a case, whose own book has both.
fn of_a_case(app: &App, book: &Book, unknown: &Unknown) -> Result<bool, Problem> {
    if unknown.code != FindingCode::StatementDisputed || unknown.case.is_some() {
        return Ok(false);
    }
    let disputes = unknown.entries.iter().filter_map(|seq| book.by_seq(*seq));
    for event in disputes.filter_map(|dispute| dispute.get::<EventHash>("about")) {
        if app.ledger.store().seq_of_event(&event).map_err(|error| store_problem(&error))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
