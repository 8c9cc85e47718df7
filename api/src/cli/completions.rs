//! `completions`: a script that completes commands and options in a shell.

use clap::Args;
use clap_complete::Shell;

use super::Context;
use crate::failure::{Exit, Failure};

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign completions bash > ~/.local/share/bash-completion/completions/countersign")]
pub struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

/// Writes the script to stdout.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: CompletionsArgs, context: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::definition(), "countersign", &mut script);
    context.out().raw(&script)?;
    Ok(Exit::Done)
}
