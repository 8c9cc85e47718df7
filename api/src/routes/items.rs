//! `/v1/items`: every item with its state, holder and custody history.

use axum::Json;
use axum::extract::State as Extract;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use countersign_ledger::facts::act::Origin;
use countersign_ledger::facts::{Amount, Item, ItemKey, Mention, State};
use countersign_ledger::id::Author;
use countersign_ledger::store::StoreError;
use countersign_ledger::views::key::{item_text, parse_item};
use countersign_ledger::views::query::ItemFilter;
use countersign_ledger::views::{Header, View};
use serde_json::Value;

use super::views::{Answered, Asked, text};
use crate::problem::{Code, Problem};
use crate::server::App;
use crate::server::input::{Params, Segments, parse};
use crate::wire::views::{ItemHistory, ItemPage, ItemView, SeenView, TimelineView, item_table};

/// The longest serial, stock number or site that is looked for, in bytes.
const MAX_TEXT: usize = 256;
/// How many statements that fit no item are shown.
const MAX_UNMATCHED: usize = 100;
const PARTY: &str = "a party id ([a-z0-9][a-z0-9_-]{0,95}), or governance";

/// Items, in the order of their keys: those that fit all that is asked for. As CSV where `Accept` asks for `text/csv`: a
/// cell that a spreadsheet would run as a formula begins with `'` then, and the next page is in `Link`.
#[utoipa::path(
    get, path = "/v1/items", tag = "items",
    params(
        ("serial" = Option<String>, Query, description = "the serial; compared in upper case, without spaces and hyphens"),
        ("nsn" = Option<String>, Query, description = "the national or local stock number, as it is recorded"),
        ("holder" = Option<String>, Query, description = "who has it: a party"),
        ("state" = Option<String>, Query, description = "`in_transit`, `received`, `received_discrepant`, `not_received`, `in_custody`, `expended`, `destroyed`, `demilitarized`, `returned`, `in_repair`, `lost`, `stolen`, `captured`, `combat_destroyed`, `damaged_beyond_repair`, `recovered`"),
        ("site" = Option<String>, Query, description = "the code of the site where it was seen last"),
        ("case" = Option<String>, Query, description = "its case"),
        ("limit" = Option<u64>, Query, description = "how many, 1 to 10,000; 100 unless given"),
        ("cursor" = Option<String>, Query, description = "the `next` of the page before"),
        ("wait_for" = Option<u64>, Query, description = "answer once the views know of this entry: 503 `busy` if they do not within 10 s"),
    ),
    responses(
        (status = 200, description = "the items", content((ItemPage = "application/json"), (String = "text/csv"))),
        (status = 400, description = "`bad_parameter`, `bad_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    Extract(app): Extract<App>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::take(&app, "/v1/items", &mut params, &headers)?;
    let filter = filter(&mut params)?;
    params.finish()?;
    let (after, limit) = (asked.after.clone(), asked.limit);
    let answered = asked.ask(&app, move |view| {
        let page = view.items(&filter, after.as_deref(), limit)?;
        let unmatched = match &filter.serial {
            Some(serial) => {
                let mentions = view.unmatched(serial, MAX_UNMATCHED)?;
                mentions.iter().map(|mention| stray(view, mention)).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        Ok((page, unmatched))
    });
    let Answered { as_of, found: (page, unmatched) } = answered.await?;
    let next = asked.cursor(&app, page.next.as_deref());
    let items: Vec<ItemView> = page.found.iter().map(item_view).collect();
    let page = ItemPage { as_of, items, unmatched, next };
    Ok(asked.answer(as_of, page.next.as_deref(), &page, || item_table(&page.items)))
}

fn filter(params: &mut Params) -> Result<ItemFilter, Problem> {
    let mut short = |name: &str| -> Result<Option<String>, Problem> {
        let found = params.take(name)?;
        let bad = found.as_ref().filter(|text| text.is_empty() || text.len() > MAX_TEXT);
        match bad {
            None => Ok(found),
            Some(bad) => {
                let expected = format!("a text of 1 to {MAX_TEXT} bytes");
                Err(Problem::mismatch(Code::BadParameter, name, expected, &format!("{} bytes", bad.len())))
            }
        }
    };
    let (serial, stock_number, site) = (short("serial")?, short("nsn")?, short("site")?);
    let state = params.take("state")?.map(|text| parse_state(&text)).transpose()?;
    Ok(ItemFilter {
        serial,
        stock_number,
        holder: params.take("holder")?.map(|text| parse::<Author>("holder", &text, PARTY)).transpose()?,
        state,
        site,
        case: params.case("case")?,
    })
}

fn parse_state(text: &str) -> Result<State, Problem> {
    let words: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
    parse("state", text, &format!("one of {}", words.join(", ")))
}

/// One item with all that was stated of it: each with its entry, who said so, when it happened, when it was recorded and
/// how it is known.
#[utoipa::path(
    get, path = "/v1/items/{key}", tag = "items",
    params(
        ("key" = String, Path, description = "the item's `key`"),
        ("limit" = Option<u64>, Query, description = "how many statements, 1 to 10,000; the newest 100 unless given"),
        ("wait_for" = Option<u64>, Query, description = "answer once the views know of this entry"),
    ),
    responses(
        (status = 200, description = "the item", body = ItemHistory),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn item(
    Extract(app): Extract<App>,
    Segments(key): Segments<String>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::take(&app, "/v1/items/{key}", &mut params, &headers)?;
    params.finish()?;
    let wrong = || Problem::mismatch(Code::BadParameter, "key", "an item's key: case:type:id:line or …:serial", &key);
    let item = parse_item(&key).ok_or_else(wrong)?;
    let limit = asked.limit;
    let answered = asked.ask(&app, move |view| history(view, &item, limit)).await?;
    let Answered { as_of, found } = answered;
    let (item, timeline, omitted) = found.ok_or_else(|| Problem::not_found("item", &key))?;
    Ok(Json(ItemHistory { as_of, item, timeline, omitted }).into_response())
}

type History = (ItemView, Vec<TimelineView>, usize);

fn history(view: &View<'_>, key: &ItemKey, limit: usize) -> Result<Option<History>, StoreError> {
    let Some(item) = view.item(key)? else { return Ok(None) };
    let total = item.acts.len() + 1;
    let omitted = total.saturating_sub(limit);
    let mut timeline = Vec::with_capacity(total - omitted);
    if omitted == 0 {
        timeline.push(described(view, &item)?);
    }
    for mention in item.acts.iter().skip(omitted.saturating_sub(1)) {
        timeline.push(stated(view, mention)?);
    }
    Ok(Some((item_view(&item), timeline, omitted)))
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Dispatched => "dispatched",
        Origin::Unexpected => "unexpected",
        Origin::Declared => "declared",
    }
}

fn described(view: &View<'_>, item: &Item) -> Result<TimelineView, StoreError> {
    let of = &item.description;
    let header = view.entry(of.seq)?;
    Ok(TimelineView {
        seq: of.seq,
        by: of.by.clone(),
        at: of.at,
        act: origin(of.origin).to_owned(),
        grade: of.grade.map(|grade| grade.to_string()),
        party: of.holder.as_ref().map(ToString::to_string),
        quantity: of.quantity.filter(|_| of.key.serial.is_none()).map(|quantity| quantity.to_string()),
        serial: of.serial.clone(),
        ..said(header, of.seq, of.by.clone(), of.at)
    })
}

/// Begins a line of a timeline with what its entry is.
fn said(
    header: Option<Header>,
    seq: countersign_ledger::id::Seq,
    by: Author,
    at: countersign_ledger::time::Date,
) -> TimelineView {
    let (kind, occurred, recorded) = match header {
        Some(header) => (Some(header.kind), Some(header.occurred), Some(header.time)),
        None => (None, None, None),
    };
    TimelineView {
        seq,
        kind,
        by,
        at,
        occurred,
        recorded,
        act: String::new(),
        grade: None,
        state: None,
        party: None,
        quantity: None,
        condition: None,
        site: None,
        serial: None,
        case: None,
    }
}

fn stated(view: &View<'_>, mention: &Mention) -> Result<TimelineView, StoreError> {
    let header = view.entry(mention.seq)?;
    // an act is its name and few members: those that tell how, and who
    let act = serde_json::to_value(&mention.act).unwrap_or(Value::Null);
    let member =
        |names: &[&str]| names.iter().find_map(|name| act.get(name).and_then(Value::as_str)).map(str::to_owned);
    Ok(TimelineView {
        act: member(&["act"]).unwrap_or_default(),
        grade: member(&["grade"]),
        state: member(&["state", "how"]),
        party: member(&["new_holder", "holder", "to"]),
        quantity: match &mention.amount {
            Amount::Some(quantity, unit) => Some(format!("{quantity} {}", text(unit.as_ref())).trim_end().to_owned()),
            Amount::One | Amount::All | Amount::Concealed => None,
        },
        condition: mention.condition.clone(),
        site: mention.site.clone(),
        serial: mention.serial.clone(),
        ..said(header, mention.seq, mention.by.clone(), mention.at)
    })
}

fn stray(view: &View<'_>, mention: &Mention) -> Result<TimelineView, StoreError> {
    Ok(TimelineView { case: Some(mention.target.case().clone()), ..stated(view, mention)? })
}

fn item_view(item: &Item) -> ItemView {
    let of = &item.description;
    let seen = |seen: &countersign_ledger::facts::fold::Seen| SeenView {
        seq: seen.seq,
        at: seen.at,
        grade: seen.grade.to_string(),
    };
    ItemView {
        key: item_text(&of.key),
        case: of.key.case.clone(),
        subject: of.key.subject.clone(),
        line: of.key.line.clone(),
        serial: of.serial.clone(),
        nomenclature: of.nomenclature.clone(),
        stock_number: of.stock_number.clone(),
        part_number: of.part_number.clone(),
        maker: of.maker.clone(),
        model: of.model.clone(),
        quantity: of.quantity.map(|quantity| quantity.to_string()),
        unit: of.unit.clone(),
        state: item.state.to_string(),
        since: item.since,
        state_by: item.state_by,
        holder: item.holder.clone(),
        site: item.site.clone(),
        condition: item.condition.clone(),
        title: item.title,
        seen: item.seen.as_ref().map(seen),
        inspected: item.inspected.as_ref().map(seen),
        missed: item.missed,
        tally: item.tally.as_ref().and_then(|tally| serde_json::to_value(tally).ok()),
        described: of.seq,
        origin: origin(of.origin).to_owned(),
    }
}
