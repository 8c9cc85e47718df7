//! `event kinds`: what can be recorded, and how its body looks. Needs no server.

use std::io::{self, Write};

use clap::Args;
use countersign_ledger::event::{concealable_members, kind_info, kinds, schema};
use countersign_ledger::rule::CaseUse;
use serde::Serialize;
use serde_json::Value;

use crate::cli::Context;
use crate::failure::{Exit, Failure};
use crate::output::Report;

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign event kinds
  countersign event kinds transfer.dispatched > transfer.dispatched.schema.json")]
pub(super) struct KindsArgs {
    /// Write the JSON Schema (2020-12) of events of this kind
    kind: Option<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    kinds: Vec<ListedKind>,
}

#[derive(Debug, Serialize)]
struct ListedKind {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'static str>,
    case: &'static str,
    summary: &'static str,
    concealable: Vec<String>,
}

impl Report for Listed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = crate::cli::table(["kind", "subject", "case", "what it says"]);
        for kind in &self.kinds {
            table.add_row([kind.kind, kind.subject.unwrap_or("any"), kind.case, kind.summary]);
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Schema(Value);

impl Report for Schema {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &self.0)?;
        writeln!(out)
    }
}

pub(super) fn run(args: &KindsArgs, context: &Context) -> Result<Exit, Failure> {
    if let Some(kind) = &args.kind {
        let found = kind_info(kind).and_then(|_| schema(kind)).ok_or_else(|| {
            Failure::usage(format_args!("this version reads no events of kind {kind}"))
                .hint("`countersign event kinds` lists those that it reads")
        })?;
        context.out().emit(&Schema(found))?;
        return Ok(Exit::Done);
    }
    let listed = kinds().iter().map(|info| ListedKind {
        kind: info.kind,
        subject: info.subject_type,
        case: match info.case {
            CaseUse::Required => "required",
            CaseUse::Forbidden => "none",
            CaseUse::Any => "any",
        },
        summary: info.summary,
        concealable: concealable_members(info.kind),
    });
    context.out().emit(&Listed { kinds: listed.collect() })?;
    Ok(Exit::Done)
}
