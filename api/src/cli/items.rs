//! `countersign items`: where an item is, who has it, and what was stated of it.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use countersign_ledger::facts::State;
use countersign_ledger::id::{Author, CaseId};
use serde::Serialize;

use super::pages::{Found, all_pages, say_lag};
use super::{Context, table};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::{Report, fields};
use crate::wire::views::{AsOf, ItemHistory, ItemView, TimelineView, item_table};

/// How many statements of an item are shown.
const MAX_TIMELINE: usize = 1_000;

/// Arguments of `items`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The answers are the server's word: `countersign event show SEQ` proves a statement.
In CSV a cell that a spreadsheet would run as a formula begins with '.

EXAMPLE
  countersign items --serial SYN-0001
  countersign items --case us-dsca.xa-b-uaa --state lost --csv > lost.csv
  countersign items show us-dsca.xa-b-uaa:consignment:2026-0001:1:SYN0001")]
#[command(args_conflicts_with_subcommands = true)]
pub struct ItemsArgs {
    #[command(subcommand)]
    command: Option<Sub>,
    /// With this serial; case, spaces and hyphens do not matter
    #[arg(long, value_name = "S")]
    serial: Option<String>,
    /// With this national or local stock number
    #[arg(long, value_name = "N")]
    nsn: Option<String>,
    /// That this party has
    #[arg(long, value_name = "PARTY")]
    holder: Option<Author>,
    /// In this state, such as in_custody or lost
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Seen last at this site
    #[arg(long, value_name = "CODE")]
    site: Option<String>,
    /// Of this case
    #[arg(long, value_name = "CASE")]
    case: Option<CaseId>,
    /// Write CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// At most so many [default: 1,000; all with --csv]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Show an item with its custody history
    #[command(after_long_help = "EXAMPLE\n  countersign items show us-dsca.xa-b-uaa:consignment:2026-0001:1:SYN0001")]
    Show {
        /// The item's key, as `items` lists it
        #[arg(value_name = "KEY")]
        key: String,
    },
}

/// Asks for items.
///
/// # Errors
/// When the server gives no answer, or there is no such item.
pub fn run(args: ItemsArgs, context: &Context) -> Result<Exit, Failure> {
    if let Some(Sub::Show { key }) = &args.command {
        return show(key, context);
    }
    let client = context.client()?;
    let pairs = [
        ("serial", args.serial),
        ("nsn", args.nsn),
        ("holder", args.holder.map(|holder| holder.to_string())),
        ("state", args.state.map(|state| state.to_string())),
        ("site", args.site),
        ("case", args.case.map(|case| case.to_string())),
    ];
    let question: Vec<(&str, String)> = pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut unmatched = Vec::new();
    let found = all_pages(context, args.csv, args.limit, item_table, |limit, cursor| {
        let mut asked = question.clone();
        asked.push(("limit", limit.to_string()));
        let page = client.items(&asked, cursor)?;
        unmatched = page.unmatched;
        Ok((page.as_of, page.items, page.next))
    })?;
    if let Some(Found { as_of, found, more }) = found {
        context.out().emit(&Items { as_of, items: found, unmatched, more })?;
    }
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Items {
    #[serde(flatten)]
    as_of: AsOf,
    items: Vec<ItemView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmatched: Vec<TimelineView>,
    more: bool,
}

impl Report for Items {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.items.is_empty() {
            let mut rows = table(["key", "nomenclature", "quantity", "state", "since", "holder", "site", "seen"]);
            for item in &self.items {
                let or_nothing = |text: &Option<String>| escaped(text.as_deref().unwrap_or_default());
                let quantity = [item.quantity.as_deref(), item.unit.as_deref()];
                rows.add_row([
                    item.key.clone(),
                    or_nothing(&item.nomenclature),
                    escaped(&quantity.into_iter().flatten().collect::<Vec<_>>().join(" ")),
                    item.state.clone(),
                    item.since.to_string(),
                    item.holder.as_ref().map(ToString::to_string).unwrap_or_default(),
                    or_nothing(&item.site),
                    item.seen.as_ref().map(|seen| format!("{} {}", seen.at, seen.grade)).unwrap_or_default(),
                ]);
            }
            writeln!(out, "{rows}")?;
        }
        writeln!(out, "{} items{}", self.items.len(), if self.more { ", and more" } else { "" })?;
        if !self.unmatched.is_empty() {
            writeln!(out, "\nstated of this serial and fits no item, or more than one:")?;
            writeln!(out, "{}", timeline(&self.unmatched))?;
        }
        say_lag(out, self.as_of)
    }
}

fn timeline(statements: &[TimelineView]) -> comfy_table::Table {
    let mut rows = table(["entry", "when", "recorded", "act", "by", "grade", "detail", "kind"]);
    for of in statements {
        let detail = [&of.state, &of.party, &of.quantity, &of.condition, &of.site, &of.serial];
        let mut detail: Vec<String> = detail.into_iter().flatten().map(|text| escaped(text)).collect();
        detail.extend(of.case.as_ref().map(ToString::to_string));
        rows.add_row([
            of.seq.to_string(),
            of.at.to_string(),
            of.recorded.map(|time| time.utc_date().to_string()).unwrap_or_default(),
            escaped(&of.act),
            of.by.to_string(),
            of.grade.clone().unwrap_or_default(),
            detail.join(" "),
            of.kind.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    rows
}

fn show(key: &str, context: &Context) -> Result<Exit, Failure> {
    let found = context.client()?.item(key, MAX_TIMELINE)?;
    let found = found.ok_or_else(|| {
        Failure::refused(format_args!("there is no item {key}")).hint("`countersign items --serial S` lists keys")
    })?;
    context.out().emit(&History(found))?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct History(ItemHistory);

impl Report for History {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let ItemHistory { as_of, item, timeline: statements, omitted } = &self.0;
        let mut rows =
            vec![("item", item.key.clone()), ("case", item.case.to_string()), ("subject", item.subject.to_string())];
        let mut add = |name: &'static str, value: Option<String>| {
            rows.extend(value.map(|value| (name, escaped(&value))));
        };
        add("line", Some(item.line.clone()));
        add("serial", item.serial.clone());
        add("nomenclature", item.nomenclature.clone());
        add("stock number", item.stock_number.clone());
        add("part number", item.part_number.clone());
        add("maker", item.maker.clone());
        add("model", item.model.clone());
        add("quantity", item.quantity.as_ref().map(|q| format!("{q} {}", item.unit.clone().unwrap_or_default())));
        add("state", Some(format!("{} since {} (entry {})", item.state, item.since, item.state_by)));
        add("holder", item.holder.as_ref().map(ToString::to_string));
        add("site", item.site.clone());
        add("condition", item.condition.clone());
        add("title", item.title.map(|seq| format!("transferred by entry {seq}")));
        let seen = |seen: &crate::wire::views::SeenView| format!("{} {} (entry {})", seen.at, seen.grade, seen.seq);
        add("seen", item.seen.as_ref().map(seen));
        add("inspected", item.inspected.as_ref().map(seen));
        add("missed", item.missed.map(|seq| format!("not found by entry {seq}")));
        fields(out, &rows)?;
        writeln!(out)?;
        if *omitted > 0 {
            writeln!(out, "{omitted} older statements are left out")?;
        }
        writeln!(out, "{}", timeline(statements))?;
        say_lag(out, *as_of)
    }
}
