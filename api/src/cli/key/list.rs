//! `key list`: which keys count, until when, and what they signed.

use std::io::{self, Write};

use clap::Args;
use countersign_ledger::id::PartyId;
use countersign_ledger::time::Time;
use serde::Serialize;

use super::standing::{KeySource, Used, counts_at};
use super::status;
use crate::cli::{Context, table};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::wire::KeyView;

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Keys that count now, unless --all. How often each signed is known from a bundle only.

EXAMPLE
  countersign key list --party xa-mod
  countersign key list --expiring 60
  countersign key list --all --bundle ledger.bundle.jsonl")]
pub(super) struct ListArgs {
    #[command(flatten)]
    source: KeySource,
    /// Only keys that stop counting within so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(0..=36_500))]
    expiring: Option<u16>,
    /// Also keys that are retired, revoked or expired, and those of parties that were succeeded
    #[arg(long, conflicts_with = "expiring")]
    all: bool,
}

#[derive(Debug, Serialize)]
struct Listed {
    as_of: Time,
    keys: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    party: PartyId,
    #[serde(flatten)]
    key: KeyView,
    counts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<Used>,
}

impl Report for Listed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.keys.is_empty() {
            return writeln!(out, "no such keys");
        }
        let mut table = table(["party", "holder", "may sign", "until", "status", "signed", "keyid"]);
        for Row { party, key, counts, used } in &self.keys {
            let expired = key.not_after.is_some_and(|end| self.as_of > end) && !counts;
            let status = if expired && key.ended.is_none() { "expired".to_owned() } else { status(key) };
            table.add_row([
                party.to_string(),
                escaped(&key.holder),
                escaped(&key.uses.join(" ")),
                key.not_after.map_or_else(|| "no end".to_owned(), |end| end.to_string()),
                status,
                used.map_or_else(String::new, |used| format!("{} (last entry {})", used.entries, used.last)),
                key.keyid.to_string(),
            ]);
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}

/// Lists keys.
///
/// # Errors
/// When the server or the bundle cannot be read.
pub(super) fn run(args: &ListArgs, context: &Context) -> Result<Exit, Failure> {
    let as_of = args.source.as_of();
    let standing = args.source.read(false, context)?;
    let until = args.expiring.map(|days| as_of.plus_millis(i64::from(days) * DAY_MS));
    let mut keys = Vec::new();
    for party in standing.parties {
        for key in party.keys {
            let counts = counts_at(&key, as_of) && party.successor.is_none();
            let wanted =
                until.map_or(counts || args.all, |until| counts && key.not_after.is_some_and(|end| end <= until));
            if wanted {
                let used = standing.used.as_ref().and_then(|used| used.get(&key.keyid).copied());
                keys.push(Row { party: party.party.clone(), counts, used, key });
            }
        }
    }
    context.out().emit(&Listed { as_of, keys })?;
    Ok(Exit::Done)
}
