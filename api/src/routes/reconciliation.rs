//! `/v1/reconciliation`: what there should be against what was found (DOMAIN §6), computed when asked.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_ledger::id::{CaseId, PartyId};
use countersign_ledger::reconcile::{Reconciler, Reconciliation, Scope};
use countersign_ledger::time::Time;

use super::computed::{answer, as_of, book_of, known_case, place};
use crate::problem::{Code, Problem};
use crate::server::input::{Params, parse};
use crate::server::{App, read};
use crate::wire::ReconciliationPage;

const PARTY_ID: &str = "a party id ([a-z0-9][a-z0-9_-]{0,95})";

/// Reconciliation of a case, a holder, a site or a stock number: figures by line and serial, each with the entries that
/// it is made of; what explains differences; what is left unexplained. As CSV where `Accept` asks for `text/csv`.
#[utoipa::path(
    get, path = "/v1/reconciliation", tag = "findings",
    params(
        ("case" = Option<String>, Query, description = "of this case; exactly one of `case`, `holder`, `site`, `nsn`"),
        ("holder" = Option<String>, Query, description = "of what this party holds"),
        ("site" = Option<String>, Query, description = "of what was last at the site of this code"),
        ("nsn" = Option<String>, Query, description = "of this national or local stock number"),
        ("as_of" = Option<String>, Query, description = "a UTC time: what was recorded later is left out; now unless given"),
    ),
    responses(
        (status = 200, description = "the figures", content(
            (ReconciliationPage = "application/json"), (String = "text/csv"),
        )),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such case", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`: too many are computed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reconciliation(
    State(app): State<App>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let as_of = as_of(&app, &mut params)?;
    let scope = scope(&mut params)?;
    params.finish()?;
    if let Scope::Case(case) = &scope {
        known_case(&app, Some(case))?;
    }
    let _place = place(&app).await?;
    let page = read(move || page(&app, scope, as_of)).await??;
    Ok(answer(&headers, page, |page| crate::cli::reconcile::csv(&page.rows)))
}

fn scope(params: &mut Params) -> Result<Scope, Problem> {
    let (case, holder) = (params.case("case")?, params.take("holder")?);
    let (site, number) = (params.take("site")?, params.take("nsn")?);
    let given = usize::from(case.is_some()) + [&holder, &site, &number].iter().filter(|value| value.is_some()).count();
    let wrong =
        |found: &str| Problem::mismatch(Code::BadParameter, "case", "exactly one of case, holder, site and nsn", found);
    match (case, holder, site, number) {
        _ if given > 1 => Err(wrong("several")),
        (Some(case), ..) => Ok(Scope::Case(case)),
        (_, Some(party), ..) => Ok(Scope::Holder(parse::<PartyId>("holder", &party, PARTY_ID)?)),
        (_, _, Some(site), _) => Ok(Scope::Site(site)),
        (_, _, _, Some(number)) => Ok(Scope::stock_number(&number)),
        _ => Err(wrong("none")),
    }
}

fn page(app: &App, scope: Scope, as_of: Time) -> Result<ReconciliationPage, Problem> {
    let size = app.ledger.head().size;
    let cases: Vec<CaseId> = match &scope {
        Scope::Case(case) => vec![case.clone()],
        _ => app.ledger.with_authority(|authority| authority.cases().map(|(id, _)| id.clone()).collect()),
    };
    let mut reconciler = Reconciler::new(scope);
    for case in cases {
        reconciler.add(&book_of(app, size, Some(&case), as_of)?);
    }
    let Reconciliation { totals, rows } = reconciler.finish();
    Ok(ReconciliationPage { as_of, size, totals, rows })
}
