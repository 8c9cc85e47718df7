//! `party`: who takes part, and with which keys (SPEC §8).

use std::io::{self, Write};
use std::sync::Arc;

use clap::{Args, Subcommand};
use countersign_ledger::capacity::Capacity;
use countersign_ledger::id::{PartyId, Subject};
use countersign_ledger::keys::Signer;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Context;
use super::key::{GrantArgs, named, status};
use super::submit::{SubmitArgs, by_governance};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::{Report, fields};
use crate::wire::PartyView;

/// Arguments of `party`.
#[derive(Debug, Args)]
pub struct PartyArgs {
    #[command(subcommand)]
    command: PartyCommand,
}

#[derive(Debug, Subcommand)]
enum PartyCommand {
    /// Enrol a party with its first keys
    Enroll(EnrollArgs),
    /// Change a party's name, country or capacities
    Amend(AmendArgs),
    /// Put another party in a party's place
    Succeed(SucceedArgs),
    /// Show a party and its keys
    Show(ShowArgs),
    /// List the parties
    List(ListArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The governance quorum signs, and so does each new key: give its private file; or give its
public key and --draft, and have its holder run `countersign event sign`.

EXAMPLE
  countersign party enroll xa-mod --name \"Міністерство оборони\" --country UA \\
    --capacity recipient --party-key officer.pem --holder \"MoD, stores\" \\
    --key governance-1.pem --key governance-2.pem")]
struct EnrollArgs {
    /// The party's id (`[a-z0-9][a-z0-9_-]*`)
    party: PartyId,
    /// Its name
    #[arg(long)]
    name: String,
    /// Its country (ISO 3166-1, two letters); left out for an organisation without one
    #[arg(long, value_name = "XX")]
    country: Option<String>,
    /// What it can be; may be given several times
    #[arg(long = "capacity", value_name = "CAPACITY", required = true, value_parser = parse_capacity)]
    capacities: Vec<Capacity>,
    /// A key of the party: its private file, its public file, or the public key in base64; up to 8
    #[arg(long = "party-key", value_name = "KEY", required = true)]
    party_keys: Vec<String>,
    #[command(flatten)]
    grant: GrantArgs,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign party amend xa-mod --capacity recipient --capacity custodian \\
    --reason \"takes custody\" --key gov.pem")]
struct AmendArgs {
    /// The party
    party: PartyId,
    /// Its new name
    #[arg(long)]
    name: Option<String>,
    /// Its new country; `none` for an organisation without one
    #[arg(long, value_name = "XX")]
    country: Option<String>,
    /// Its capacities from now on, all of them; may be given several times
    #[arg(long = "capacity", value_name = "CAPACITY", value_parser = parse_capacity)]
    capacities: Vec<Capacity>,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The governance quorum and the successor sign.

EXAMPLE
  countersign party succeed xa-mod xa-dod --reason \"reorganised\" \\
    --key gov-1.pem --key gov-2.pem --key xa-dod.pem")]
struct SucceedArgs {
    /// The party
    party: PartyId,
    /// The party that takes its place
    successor: PartyId,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign party show xa-mod")]
struct ShowArgs {
    /// The party
    party: PartyId,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign party list --json")]
struct ListArgs {}

fn parse_capacity(word: &str) -> Result<Capacity, String> {
    Capacity::from_word(word)
        .ok_or_else(|| format!("expected one of {}", Capacity::ALL.map(Capacity::as_str).join(", ")))
}

/// Runs the subcommand.
///
/// # Errors
/// When a key cannot be read, or the server refuses.
pub fn run(args: PartyArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        PartyCommand::Enroll(args) => enroll(&args, context),
        PartyCommand::Amend(args) => amend(&args, context),
        PartyCommand::Succeed(args) => {
            let body = json!({ "party": args.party, "successor": args.successor, "reason": args.reason });
            about("party.succeeded", &args.party, body, &args.submit, Vec::new(), context)
        }
        PartyCommand::Show(args) => show(&args, context),
        PartyCommand::List(_) => list(context),
    }
}

fn enroll(args: &EnrollArgs, context: &Context) -> Result<Exit, Failure> {
    let (mut grants, mut own) = (Vec::new(), Vec::new());
    for argument in &args.party_keys {
        let (public, private) = named(argument, &args.submit, context)?;
        grants.push(args.grant.value(&public));
        own.extend(private);
    }
    let body = json!({
        "party": args.party,
        "name": args.name,
        "country": args.country,
        "capacities": args.capacities,
        "keys": grants,
    });
    about("party.enrolled", &args.party, body, &args.submit, own, context)
}

fn amend(args: &AmendArgs, context: &Context) -> Result<Exit, Failure> {
    let mut body = Map::new();
    body.insert("party".to_owned(), json!(args.party));
    if let Some(name) = &args.name {
        body.insert("name".to_owned(), json!(name));
    }
    match args.country.as_deref() {
        None => {}
        Some("none") => drop(body.insert("country".to_owned(), Value::Null)),
        Some(country) => drop(body.insert("country".to_owned(), json!(country))),
    }
    if !args.capacities.is_empty() {
        body.insert("capacities".to_owned(), json!(args.capacities));
    }
    body.insert("reason".to_owned(), json!(args.reason));
    about("party.amended", &args.party, Value::Object(body), &args.submit, Vec::new(), context)
}

fn about(
    kind: &str,
    party: &PartyId,
    body: Value,
    submit: &SubmitArgs,
    own: Vec<Arc<dyn Signer>>,
    context: &Context,
) -> Result<Exit, Failure> {
    let subject = Subject::new("party", party.as_str()).map_err(Failure::usage)?;
    by_governance(kind, subject, body, submit, own, context)
}

fn words(capacities: &[Capacity]) -> String {
    capacities.iter().map(|capacity| capacity.as_str()).collect::<Vec<_>>().join(" ")
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown(PartyView);

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let party = &self.0;
        let mut rows = vec![
            ("party", party.party.to_string()),
            ("name", escaped(&party.name)),
            ("country", escaped(party.country.as_deref().unwrap_or("none"))),
            ("can be", words(&party.capacities)),
        ];
        if let Some(successor) = &party.successor {
            rows.push(("succeeded by", successor.to_string()));
        }
        fields(out, &rows)?;
        for key in &party.keys {
            writeln!(out)?;
            let until = key.not_after.map_or_else(|| "no end".to_owned(), |time| time.to_string());
            let rows = [
                ("holder", escaped(&key.holder)),
                ("may sign", escaped(&key.uses.join(" "))),
                ("until", until),
                ("status", status(key)),
                ("since entry", key.introduced.to_string()),
                ("public key", key.public_key.to_string()),
                ("keyid", key.keyid.to_string()),
            ];
            fields(out, &rows)?;
        }
        Ok(())
    }
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let party = context.client()?.party(&args.party)?.ok_or_else(|| {
        Failure::refused(format_args!("there is no party {}", args.party)).hint("`countersign party list` lists them")
    })?;
    context.out().emit(&Shown(party))?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Listed {
    parties: Vec<PartyView>,
}

impl Report for Listed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.parties.is_empty() {
            return writeln!(out, "no parties yet");
        }
        let mut table = super::table(["party", "name", "country", "can be", "keys"]);
        for party in &self.parties {
            let active = party.keys.iter().filter(|key| key.status == crate::wire::KeyStatus::Active).count();
            table.add_row([
                party.party.to_string(),
                escaped(&party.name),
                escaped(party.country.as_deref().unwrap_or("")),
                words(&party.capacities),
                format!("{active} of {}", party.keys.len()),
            ]);
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let parties = context.client()?.parties()?;
    context.out().emit(&Listed { parties })?;
    Ok(Exit::Done)
}
