//! `policy`: who must sign what, as the ledger has it in force (SPEC §9).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_ledger::default_policy::default_policy;
use countersign_ledger::id::Subject;
use countersign_ledger::json as strict;
use countersign_ledger::rule::{CaseUse, KindPolicy, Policy};
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::submit::{SubmitArgs, by_governance};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;

/// The longest policy file that is read.
const MAX_POLICY: usize = 64 * 1024;

/// Arguments of `policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Write the policy in force, as JSON
    Show(ShowArgs),
    /// Say where the policy in force differs from the default one, or from a file
    Diff(DiffArgs),
    /// Put another policy in force
    Change(ChangeArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign policy show > policy.json")]
struct ShowArgs {}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign policy diff
  countersign policy diff policy.json")]
struct DiffArgs {
    /// A policy to compare with [default: the one of `countersign init --print-policy`]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The governance quorum signs. The whole table is replaced; what changes is said first. It
bears on what is recorded after it, never on what was recorded before.

EXAMPLE
  countersign policy show > policy.json      # and edit it
  countersign policy change policy.json --reason \"two officers for destruction\" \\
    --key gov-1.pem --key gov-2.pem")]
struct ChangeArgs {
    /// The new policy, a JSON file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

/// A policy table, as it stands in an event.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Table(pub(super) Value);

impl Report for Table {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &self.0)?;
        writeln!(out)
    }
}

/// A row that differs.
#[derive(Debug, Serialize)]
struct Difference {
    kind: String,
    was: Option<String>,
    is: Option<String>,
}

#[derive(Debug, Serialize)]
struct Differences {
    differences: Vec<Difference>,
}

impl Report for Differences {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.differences.is_empty() {
            return writeln!(out, "no difference");
        }
        for Difference { kind, was, is } in &self.differences {
            let said = |side: &Option<String>| side.as_deref().map_or_else(|| "not in it".to_owned(), escaped);
            writeln!(out, "{}: {} -> {}", escaped(kind), said(was), said(is))?;
        }
        Ok(())
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When a file is no policy, nothing would change, or the server refuses.
pub fn run(args: PolicyArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        PolicyCommand::Show(_) => context.out().emit(&Table(in_force(context)?.to_value()))?,
        PolicyCommand::Diff(args) => {
            let from = match &args.file {
                Some(path) => read(path)?,
                None => default_policy().map_err(Failure::usage)?,
            };
            context.out().emit(&differences(&from, &in_force(context)?))?;
        }
        PolicyCommand::Change(args) => return change(&args, context),
    }
    Ok(Exit::Done)
}

fn change(args: &ChangeArgs, context: &Context) -> Result<Exit, Failure> {
    let policy = read(&args.file)?;
    let report = differences(&in_force(context)?, &policy);
    if report.differences.is_empty() {
        return Err(Failure::usage("this policy is in force already"));
    }
    let mut text = Vec::new();
    report.text(&mut text)?;
    String::from_utf8_lossy(&text).lines().for_each(|line| context.out().note(line));
    let body = json!({ "policy": policy, "reason": args.reason });
    let subject = Subject::new("ledger", "self").map_err(Failure::usage)?;
    by_governance("policy.changed", subject, body, &args.submit, Vec::new(), context)
}

fn in_force(context: &Context) -> Result<Policy, Failure> {
    Policy::from_value(&context.client()?.ledger()?.policy).map_err(Failure::usage)
}

/// Reads a policy file.
///
/// # Errors
/// When it is no policy.
pub(super) fn read(path: &Path) -> Result<Policy, Failure> {
    let value = strict::parse(files::read(path, MAX_POLICY)?.trim_ascii(), strict::MAX_DEPTH)
        .map_err(|e| Failure::usage(format_args!("{} is not strict json: {e}", path.display())))?;
    Policy::from_value(&value).map_err(|e| {
        Failure::usage(e)
            .within(path.display())
            .hint("`countersign policy show`, or `countersign init --print-policy`, writes one to start from")
    })
}

fn in_words(row: &KindPolicy) -> String {
    let case = match row.case {
        CaseUse::Required => "in a case",
        CaseUse::Forbidden => "outside cases",
        CaseUse::Any => "anywhere",
    };
    format!("{}, {case}", row.rule.in_words())
}

fn differences(from: &Policy, to: &Policy) -> Differences {
    let gone = from.rows().filter(|(kind, _)| to.row(kind).is_none()).map(|(kind, row)| (kind, Some(row), None));
    let others = to.rows().map(|(kind, row)| (kind, from.row(kind), Some(row))).filter(|(_, was, is)| was != is);
    let mut differences: Vec<Difference> = gone
        .chain(others)
        .map(|(kind, was, is)| Difference { kind: kind.to_string(), was: was.map(in_words), is: is.map(in_words) })
        .collect();
    differences.sort_by(|a, b| a.kind.cmp(&b.kind));
    Differences { differences }
}
