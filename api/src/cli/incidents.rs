//! `countersign incidents`: reports of diversions, and what came of them.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::pages::{Found, all_pages, say_lag};
use super::{Context, table};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::wire::views::{AsOf, state_table};

const COLUMNS: [&str; 9] = ["subject", "state", "reported", "by", "grade", "cases", "against", "outcome", "latest"];

/// Arguments of `incidents`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
States: reported, investigating, finding, remedy, closed, reopened. What a party did that is
accused has no effect on them.

EXAMPLE
  countersign incidents
  countersign incidents --state reported --csv > untriaged.csv")]
pub struct IncidentsArgs {
    /// In this state
    #[arg(long, value_name = "STATE", value_parser = ["reported", "investigating", "finding", "remedy", "closed", "reopened"])]
    state: Option<String>,
    /// Write CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// At most so many [default: 1,000; all with --csv]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// Asks for incidents.
///
/// # Errors
/// When the server gives no answer.
pub fn run(args: IncidentsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let question: Vec<(&str, String)> = args.state.into_iter().map(|state| ("state", state)).collect();
    let write = |found: &[Value]| state_table(COLUMNS, found);
    let found = all_pages(context, args.csv, args.limit, write, |limit, cursor| {
        let mut asked = question.clone();
        asked.push(("limit", limit.to_string()));
        let page = client.incidents(&asked, cursor)?;
        Ok((page.as_of, page.found, page.next))
    })?;
    if let Some(Found { as_of, found, more }) = found {
        context.out().emit(&Incidents { as_of, incidents: found, more })?;
    }
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Incidents {
    #[serde(flatten)]
    as_of: AsOf,
    incidents: Vec<Value>,
    more: bool,
}

impl Report for Incidents {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.incidents.is_empty() {
            let mut rows = table(COLUMNS);
            for incident in &self.incidents {
                rows.add_row(COLUMNS.map(|column| match incident.get(column) {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => escaped(text),
                    Some(Value::Array(values)) => {
                        let texts = values.iter().map(|value| escaped(value.as_str().unwrap_or_default()));
                        texts.collect::<Vec<_>>().join(" ")
                    }
                    Some(other) => other.to_string(),
                }));
            }
            writeln!(out, "{rows}")?;
        }
        writeln!(out, "{} incidents{}", self.incidents.len(), if self.more { ", and more" } else { "" })?;
        say_lag(out, self.as_of)
    }
}
