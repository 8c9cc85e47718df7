//! Differential fuzzing: the ledger and the verifier read SPEC.md each by itself, and must answer alike.
//!
//! ```text
//! countersign-fuzz smoke [--seconds N] [--seed S] [--target NAME]    every committed case, then new ones from the seed
//! countersign-fuzz replay FILE [--target NAME]                       one case, both verdicts
//! countersign-fuzz list                                              the targets
//! countersign-fuzz collect [--seconds N] [--seed S]                  writes seeds/ anew
//! ```
//!
//! A [`Target`] makes inputs and asks both sides about one. What they say is compared: whether they take it, and what
//! they read. Inputs that take a new way through either side are kept and changed further. A disagreement is made
//! small, printed with both verdicts, and written to `findings/`; mended, it is kept in `regressions/`.

mod engine;
#[allow(dead_code, missing_docs, reason = "the forge serves more than this")]
#[path = "../../src/forge/mod.rs"]
mod forge;
mod minimise;
mod mutate;
mod rng;
mod target;
mod targets;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use target::Target;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<String>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!(
                "error: {why}\nusage: smoke | replay FILE | list | collect  [--seconds N] [--seed S] [--target NAME]"
            );
            ExitCode::from(2)
        }
    }
}

/// What was asked for on the command line.
#[derive(Default)]
struct Arguments {
    words: Vec<String>,
    seconds: Option<u64>,
    seed: Option<u64>,
    target: Option<String>,
}

fn arguments(given: &[String]) -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut rest = given.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: &String| text.parse().map_err(|_| format!("{word}: expected a number, found {text:?}"));
        match word.as_str() {
            "--seconds" => parsed.seconds = Some(number(value()?)?),
            "--seed" => parsed.seed = Some(number(value()?)?),
            "--target" => parsed.target = Some(value()?.clone()),
            other if other.starts_with("--") => return Err(format!("unknown option {other}")),
            _ => parsed.words.push(word.clone()),
        }
    }
    Ok(parsed)
}

/// Runs one command; whether nothing was found.
fn run(given: &[String]) -> Result<bool, String> {
    let arguments = arguments(given)?;
    let all = targets::all();
    let chosen: Vec<Target> = match &arguments.target {
        None => all,
        Some(name) => {
            let chosen: Vec<Target> = all.into_iter().filter(|target| target.name == name).collect();
            if chosen.is_empty() {
                return Err(format!("no target {name}; `list` names them"));
            }
            chosen
        }
    };
    target::catch_panics();
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    let seconds = Duration::from_secs(arguments.seconds.unwrap_or(45));
    let seed = arguments.seed.unwrap_or(1);
    match words.as_slice() {
        ["list"] => {
            for target in &chosen {
                println!("{:<12} {}", target.name, target.about);
            }
            Ok(true)
        }
        ["smoke"] => engine::smoke(&chosen, seconds, seed),
        ["collect"] => engine::collect(&chosen, seconds, seed).map(|()| true),
        ["replay", file] => replay(&chosen, arguments.target.is_some(), Path::new(file)),
        _ => Err("expected a command".to_owned()),
    }
}

/// Shows both verdicts on a file, which stands in the folder of its target unless that is named.
fn replay(targets: &[Target], named: bool, file: &Path) -> Result<bool, String> {
    let input = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let target = targets.iter().find(|target| named || target.name == folder);
    let target = target.ok_or_else(|| format!("{folder:?} is no target: name it with --target"))?;
    let verdicts = target.ask(&input).ok_or_else(|| format!("this is no input of {}", target.name))?;
    print!("{verdicts}");
    println!("{}", if verdicts.agree() { "they agree" } else { "they DISAGREE" });
    Ok(verdicts.agree())
}

/// A folder beside the manifest.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
