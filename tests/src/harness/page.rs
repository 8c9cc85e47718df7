//! Pages whose shell blocks are run as they stand.

use std::path::Path;
use std::process::{Command, Output};

/// Returns the blocks of a page of the project that are marked `sh`, as one script.
///
/// # Panics
/// When the page cannot be read, or has fewer blocks than it should.
#[must_use]
pub fn script(page: &str, at_least: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = std::fs::read_to_string(path).expect("the page is there");
    let blocks: Vec<&str> = text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```\n").next()).collect();
    assert!(blocks.len() >= at_least, "{page} has lost its blocks");
    blocks.join("\n")
}

/// Makes the command that runs a script in a folder, with what the variables say.
#[must_use]
pub fn shell(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-eu", "-c", script]).current_dir(folder);
    command
}

/// Everything that a command said.
#[must_use]
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Tells whether every tool is there, each with arguments with which it succeeds.
///
/// # Panics
/// When one is missing and `COUNTERSIGN_REQUIRE_PYTHON` says that none may be.
#[must_use]
pub fn have(tools: &[(&str, &[&str])]) -> bool {
    tools.iter().all(|(tool, arguments)| {
        let there = Command::new(tool).args(*arguments).output().is_ok_and(|o| o.status.success());
        assert!(there || std::env::var_os("COUNTERSIGN_REQUIRE_PYTHON").is_none(), "{tool} is missing");
        if !there {
            eprintln!("skipped: {tool} is missing");
        }
        there
    })
}
