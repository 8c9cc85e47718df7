//! `demo`: the whole story with a real server, three parties and the separate verifier.
//!
//! Everything happens through the public commands, each in a process of its own, in a temporary folder. Each step is
//! checked; the first that is not as it should be ends the demo with a failure. The server is stopped at the end.

mod bodies;
mod incident;
mod stage;
mod story;

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::failure::{Exit, Failure};
use stage::Stage;

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The verifier `countersign-verify` is looked for beside this program; COUNTERSIGN_VERIFY_BIN
names another.

EXAMPLE
  countersign demo
  countersign demo --report report.html
  countersign demo --keep")]
pub struct DemoArgs {
    /// Leave the folder with keys, ledger, receipts and bundles where it is
    #[arg(long)]
    keep: bool,
    /// Leave the report that the story ends with in this file, in place of an earlier one
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// How the demo ended.
#[derive(Debug, Serialize)]
struct Outcome {
    demo: &'static str,
    steps: usize,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<PathBuf>,
}

/// Plays the story.
///
/// # Errors
/// When any step is not as it should be.
pub fn run(args: DemoArgs, context: &Context) -> Result<Exit, Failure> {
    let began = std::time::Instant::now();
    let mut stage = Stage::new(*context.out())?;
    let told = story::tell(&mut stage);
    let stopped = stage.stop_all();
    if let (Ok(()), Some(path)) = (&told, &args.report) {
        crate::files::replace(path, &stage.read("report.html")?)?;
    }
    let folder = if args.keep { Some(stage.keep()) } else { None };
    let steps = stage.steps();
    if let Some(folder) = &folder {
        context.out().note(format_args!("everything is in {}", folder.display()));
    }
    told?;
    stopped?;
    let outcome =
        Outcome { demo: "as it should be", steps, seconds: began.elapsed().as_secs_f64(), folder, report: args.report };
    let mut out = std::io::stdout().lock();
    if context.out().is_json() {
        writeln!(out, "{}", serde_json::to_string(&outcome).unwrap_or_default())?;
    } else {
        writeln!(out, "\n{} commands in {:.0} s, and everything was as it should be", outcome.steps, outcome.seconds)?;
        if let Some(report) = &outcome.report {
            writeln!(out, "the report is in {}", report.display())?;
        }
    }
    Ok(Exit::Done)
}
