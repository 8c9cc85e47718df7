//! `log-key`: the key that signs checkpoints, and its rotation (SPEC §6, §7).

use std::io::{self, Write};

use clap::{Args, Subcommand};
use countersign_ledger::id::Subject;
use countersign_ledger::note::{KeyName, Vkey, VkeyType};
use serde::Serialize;
use serde_json::json;

use super::Context;
use super::submit::{SubmitArgs, by_governance};
use crate::failure::{Exit, Failure};
use crate::output::Report;

/// Arguments of `log-key`.
#[derive(Debug, Args)]
pub struct LogKeyArgs {
    #[command(subcommand)]
    command: LogKeyCommand,
}

#[derive(Debug, Subcommand)]
enum LogKeyCommand {
    /// Show the log key in force, as a vkey
    Show(ShowArgs),
    /// Have another key sign checkpoints from now on
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign log-key show")]
struct ShowArgs {}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The governance quorum signs. The server must hold the new private key before: start it with
--log-key OLD --log-key NEW, then rotate. From then on checkpoints carry both signatures, so
that whoever knows one key only can follow; start it with the new one alone after that.

EXAMPLE
  countersign key new log-key-2.pem
  countersign serve --data ledger --log-key ledger/log-key.pem --log-key log-key-2.pem
  countersign log-key rotate log-key-2.pem.pub --reason yearly --key gov-1.pem --key gov-2.pem")]
struct RotateArgs {
    /// The new log key: its public file, the public key in base64, or its private file
    new_key: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Serialize)]
struct Shown {
    log_key: String,
}

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.log_key)
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When a key cannot be read, or the server refuses.
pub fn run(args: LogKeyArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        LogKeyCommand::Show(_) => {
            context.out().emit(&Shown { log_key: context.client()?.ledger()?.log_key })?;
            Ok(Exit::Done)
        }
        LogKeyCommand::Rotate(args) => {
            let name: KeyName = context.client()?.origin().parse().map_err(Failure::usage)?;
            let key = context.keyring().named_public(&args.new_key)?;
            let body = json!({ "log_key": Vkey::new(name, VkeyType::Ed25519, key), "reason": args.reason });
            let subject = Subject::new("ledger", "self").map_err(Failure::usage)?;
            by_governance("log_key.rotated", subject, body, &args.submit, Vec::new(), context)
        }
    }
}
