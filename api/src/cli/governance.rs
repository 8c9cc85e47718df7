//! `governance`: the keys that govern, and how many of them must sign (SPEC §6, §8).

use std::io::{self, Write};

use clap::{Args, Subcommand};
use countersign_ledger::hash::KeyId;
use countersign_ledger::id::Subject;
use countersign_ledger::keys::PublicKey;
use serde::Serialize;
use serde_json::json;

use super::Context;
use super::key::{key_id, named};
use super::submit::{SubmitArgs, by_governance, count};
use crate::failure::{Exit, Failure};
use crate::output::Report;

/// Arguments of `governance`.
#[derive(Debug, Args)]
pub struct GovernanceArgs {
    #[command(subcommand)]
    command: GovernanceCommand,
}

#[derive(Debug, Subcommand)]
enum GovernanceCommand {
    /// Show the governance keys in force
    Show(ShowArgs),
    /// Add and remove governance keys, or change how many must sign
    Change(ChangeArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign governance show")]
struct ShowArgs {}

#[derive(Debug, Args)]
#[command(after_long_help = "\
As many governance keys in force as the present threshold says sign this, and so does each
new key: give its private file; or give its public key with --draft or --propose, and have
its holder sign. A key that is removed never governs again.

EXAMPLE
  countersign governance change --remove lost.pem.pub --add new.pem --reason \"token lost\" \\
    --key gov-1.pem --key gov-2.pem
  countersign governance change --threshold 3 --reason \"one more must sign\" --draft g.event.json")]
struct ChangeArgs {
    /// A new governance key: its private file, its public file, or the public key in base64; may be given several times
    #[arg(long, value_name = "KEY")]
    add: Vec<String>,
    /// A governance key in force that is to leave: its id, its public key, or a key file; may be given several times
    #[arg(long, value_name = "KEY")]
    remove: Vec<String>,
    /// How many must sign from now on [default: as now]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(1..=8))]
    threshold: Option<u8>,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Serialize)]
struct Shown {
    threshold: usize,
    keys: Vec<ShownKey>,
}

#[derive(Debug, Serialize)]
struct ShownKey {
    keyid: KeyId,
    public_key: PublicKey,
}

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} of {} must sign", self.threshold, count(self.keys.len(), "key"))?;
        self.keys.iter().try_for_each(|key| writeln!(out, "{}  {}", key.keyid, key.public_key))
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When a key cannot be read, the change makes no sense, or the server refuses.
pub fn run(args: GovernanceArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        GovernanceCommand::Show(_) => {
            let governance = context.client()?.ledger()?.governance;
            let key = |key: PublicKey| ShownKey { keyid: key.id(), public_key: key };
            let keys = governance.keys.into_iter().map(key).collect();
            context.out().emit(&Shown { threshold: governance.threshold, keys })?;
            Ok(Exit::Done)
        }
        GovernanceCommand::Change(args) => change(&args, context),
    }
}

fn change(args: &ChangeArgs, context: &Context) -> Result<Exit, Failure> {
    let in_force = context.client()?.ledger()?.governance;
    let mut keys = in_force.keys.clone();
    for argument in &args.remove {
        let keyid = key_id(argument, context)?;
        let place = keys.iter().position(|key| key.id() == keyid).ok_or_else(|| {
            Failure::usage(format_args!("--remove {argument}: {keyid} is no governance key in force"))
                .hint("`countersign governance show` lists them")
        })?;
        keys.remove(place);
    }
    let mut own = Vec::new();
    for argument in &args.add {
        let (public, private) = named(argument, &args.submit, context)?;
        if keys.contains(&public) {
            return Err(Failure::usage(format_args!("--add {argument}: {} governs already", public.id())));
        }
        keys.push(public);
        own.extend(private);
    }
    let threshold = args.threshold.map_or(in_force.threshold, usize::from);
    if keys == in_force.keys && threshold == in_force.threshold {
        return Err(Failure::usage("this changes nothing").hint("give --add, --remove or --threshold"));
    }
    if threshold > keys.len() || keys.len() > 8 {
        return Err(Failure::usage(format_args!("{threshold} of {} cannot govern", count(keys.len(), "key")))
            .hint("there are 1 to 8 keys, and at least as many as must sign: give --threshold, --add or --remove"));
    }
    let body = json!({ "governance": { "threshold": threshold, "keys": keys }, "reason": args.reason });
    let subject = Subject::new("ledger", "self").map_err(Failure::usage)?;
    by_governance("governance.changed", subject, body, &args.submit, own, context)
}
