//! `countersign-verify`: checks what a Countersign ledger says, offline, with nothing but the files.
#![allow(clippy::print_stderr, reason = "a command speaks on standard error; the library never does")]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
