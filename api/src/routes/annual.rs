//! `/v1/annual`: exports and imports of a year by category, for UNROCA and the Arms Trade Treaty, computed when asked.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_ledger::annual::{AnnualReport, CaseTotals, Treaty};
use countersign_ledger::book::{Book, BookBuilder};
use countersign_ledger::entry::Entry;
use countersign_ledger::id::Seq;
use countersign_ledger::time::{Clock as _, SystemClock};

use super::computed::{answer, place};
use super::{corrupt, store_problem};
use crate::cli::annual::{csv, parse_country};
use crate::problem::{Code, Problem};
use crate::server::input::{Params, parse};
use crate::server::{App, read};
use crate::wire::AnnualView;

/// How many entries are read at once, and how many bytes of them.
const CHUNK: usize = 1_024;
const CHUNK_BYTES: usize = 8 << 20;

/// Exports (by the year of dispatch) and imports (by the year of receipt) by category and country, each figure with the
/// entries that it comes from; what has no category is listed without one. Beside it training and services, and what
/// each case comes to. As CSV where `Accept` asks for `text/csv`.
#[utoipa::path(
    get, path = "/v1/annual", tag = "findings",
    params(
        ("year" = i16, Query, description = "the year, 1900 to 9999"),
        ("treaty" = String, Query, description = "`unroca` or `att`"),
        ("country" = Option<String>, Query, description = "the country that reports: two capital letters; every flow unless given"),
    ),
    responses(
        (status = 200, description = "the report", content((Object = "application/json"), (String = "text/csv"))),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`: too many are computed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn annual(
    State(app): State<App>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = |name: &str| Problem::new(Code::BadParameter, format!("{name} is required"));
    let year = params.number("year", 1900, 9999)?.and_then(|year| i16::try_from(year).ok());
    let year = year.ok_or_else(|| missing("year"))?;
    let treaty = params.take("treaty")?.ok_or_else(|| missing("treaty"))?;
    let treaty: Treaty = parse("treaty", &treaty, "unroca or att")?;
    let country = params.take("country")?;
    let country = country.map(|country| {
        parse_country(&country).map_err(|why| Problem::new(Code::BadParameter, format!("country: {why}")))
    });
    let country = country.transpose()?;
    params.finish()?;
    let _place = place(&app).await?;
    let view = read(move || -> Result<AnnualView, Problem> {
        let book = whole(&app)?;
        let report = AnnualReport::of(&book, year, treaty, country.as_deref());
        Ok(AnnualView { report, cases: CaseTotals::of_all(&book) })
    })
    .await??;
    Ok(answer(&headers, view, |view| csv(&view.report)))
}

/// Puts all of the ledger together.
fn whole(app: &App) -> Result<Book, Problem> {
    let size = app.ledger.head().size;
    let mut builder = BookBuilder::until(SystemClock.now().max(app.ledger.latest_time()));
    let store = app.ledger.store();
    let mut from = Seq(0);
    while from.0 < size.0 {
        let lines = store.lines(from, CHUNK, CHUNK_BYTES).map_err(|error| store_problem(&error))?;
        if lines.is_empty() {
            return Err(corrupt(&format!("entry {from} is missing")));
        }
        for line in lines.iter().take(usize::try_from(size.0 - from.0).unwrap_or(usize::MAX)) {
            let entry = Entry::parse(line).map_err(|error| corrupt(&error))?;
            let held = store.disclosures(entry.seq).map_err(|error| store_problem(&error))?;
            builder.add(&entry, &held).map_err(|error| corrupt(&error))?;
            from = Seq(entry.seq.0 + 1);
        }
    }
    Ok(builder.finish())
}
