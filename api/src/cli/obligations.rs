//! `countersign obligations`: what is due, by date.

use std::io::{self, Write};

use clap::Args;
use countersign_ledger::id::CaseId;
use countersign_ledger::time::Date;
use serde::Serialize;

use super::pages::{Found, all_pages, say_lag};
use super::{Context, table};
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::wire::views::{AsOf, ObligationView, obligation_table};

/// Arguments of `obligations`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Lists what is due by the terms of the cases, the next first, with what is overdue before it.
`countersign findings` says what is overdue, and on what that rests.

EXAMPLE
  countersign obligations --due-before 2026-12-31
  countersign obligations --case us-dsca.xa-b-uaa --csv > due.csv")]
pub struct ObligationsArgs {
    /// Due before this date
    #[arg(long, value_name = "DATE")]
    due_before: Option<Date>,
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

/// Asks what is due.
///
/// # Errors
/// When the server gives no answer.
pub fn run(args: ObligationsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let pairs = [
        ("due_before", args.due_before.map(|date| date.to_string())),
        ("case", args.case.map(|case| case.to_string())),
    ];
    let question: Vec<(&str, String)> = pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let found = all_pages(context, args.csv, args.limit, obligation_table, |limit, cursor| {
        let mut asked = question.clone();
        asked.push(("limit", limit.to_string()));
        let page = client.obligations(&asked, cursor)?;
        Ok((page.as_of, page.obligations, page.next))
    })?;
    if let Some(Found { as_of, found, more }) = found {
        context.out().emit(&Obligations { as_of, obligations: found, more })?;
    }
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Obligations {
    #[serde(flatten)]
    as_of: AsOf,
    obligations: Vec<ObligationView>,
    more: bool,
}

impl Report for Obligations {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.obligations.is_empty() {
            let mut rows = table(["due", "duty", "case", "subject", "who", "counted from", "item"]);
            for of in &self.obligations {
                let term = of.since.zip(of.days).map(|(since, days)| format!("{since} + {days} d"));
                rows.add_row([
                    of.due.to_string(),
                    of.duty.clone(),
                    of.case.as_ref().map(ToString::to_string).unwrap_or_default(),
                    of.subject.to_string(),
                    of.who.join(" "),
                    term.unwrap_or_default(),
                    of.item.clone().unwrap_or_default(),
                ]);
            }
            writeln!(out, "{rows}")?;
        }
        writeln!(out, "{} due{}", self.obligations.len(), if self.more { ", and more" } else { "" })?;
        say_lag(out, self.as_of)
    }
}
