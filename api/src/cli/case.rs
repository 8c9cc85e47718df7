//! `case`: cases with their roles and terms (SPEC §8, DOMAIN §4).

use std::io::{self, Write};
use std::path::Path;

use clap::{Args, Subcommand};
use countersign_ledger::capacity::Capacity;
use countersign_ledger::event::Event;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Author, CaseId, PartyId, Seq, StreamId, Subject};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Context;
use super::submit::{SubmitArgs, finish};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{Report, fields};
use crate::wire::CaseView;

/// The longest terms file that is read.
const MAX_TERMS_FILE: usize = 64 * 1024;

/// Arguments of `case`.
#[derive(Debug, Args)]
pub struct CaseArgs {
    #[command(subcommand)]
    command: CaseCommand,
}

#[derive(Debug, Subcommand)]
enum CaseCommand {
    /// Open a case
    Open(OpenArgs),
    /// Change a case's roles, terms or other members
    Amend(AmendArgs),
    /// Name a case's inspectors
    Inspectors(InspectorsArgs),
    /// Close a case
    Close(CloseArgs),
    /// Show a case
    Show(ShowArgs),
    /// List the cases
    List(ListArgs),
}

/// Which parties are what.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Roles")]
struct RoleArgs {
    /// A party that gives
    #[arg(long, value_name = "PARTY")]
    donor: Vec<PartyId>,
    /// A party that is given to
    #[arg(long, value_name = "PARTY")]
    recipient: Vec<PartyId>,
    /// A party that delivers for the donor
    #[arg(long, value_name = "PARTY")]
    implementer: Vec<PartyId>,
    /// A party that carries
    #[arg(long, value_name = "PARTY")]
    carrier: Vec<PartyId>,
    /// A party that keeps items
    #[arg(long, value_name = "PARTY")]
    custodian: Vec<PartyId>,
    /// A party that checks end use
    #[arg(long, value_name = "PARTY")]
    inspector: Vec<PartyId>,
    /// A party that oversees
    #[arg(long, value_name = "PARTY")]
    oversight: Vec<PartyId>,
    /// A party that decides on retransfers
    #[arg(long, value_name = "PARTY")]
    licensor: Vec<PartyId>,
    /// A party that traces items
    #[arg(long, value_name = "PARTY")]
    tracer: Vec<PartyId>,
}

impl RoleArgs {
    fn given(&self) -> impl Iterator<Item = (Capacity, &Vec<PartyId>)> {
        [
            (Capacity::Donor, &self.donor),
            (Capacity::Recipient, &self.recipient),
            (Capacity::Implementer, &self.implementer),
            (Capacity::Carrier, &self.carrier),
            (Capacity::Custodian, &self.custodian),
            (Capacity::Inspector, &self.inspector),
            (Capacity::Oversight, &self.oversight),
            (Capacity::Licensor, &self.licensor),
            (Capacity::Tracer, &self.tracer),
        ]
        .into_iter()
        .filter(|(_, parties)| !parties.is_empty())
    }

    /// Writes the roles given over those of `base`.
    fn over(&self, mut base: Map<String, Value>) -> Value {
        for (role, parties) in self.given() {
            base.insert(role.to_string(), json!(parties));
        }
        Value::Object(base)
    }
}

/// What a case says beside its roles.
#[derive(Debug, Clone, Args)]
struct MemberArgs {
    /// A law or agreement that it rests on; may be given several times
    #[arg(long = "legal-basis", value_name = "TEXT")]
    legal_basis: Vec<String>,
    /// A term such as `receipt_within=30`, or a JSON file of them; may be given several times
    #[arg(long, value_name = "NAME=VALUE|FILE")]
    terms: Vec<String>,
    /// Who may use the equipment; may be given several times
    #[arg(long = "end-user", value_name = "TEXT")]
    end_users: Vec<String>,
    /// An outside number, such as `fms-case=XA-B-UAA`; may be given several times
    #[arg(long = "reference", value_name = "SCHEME=VALUE", value_parser = parse_pair)]
    references: Vec<(String, String)>,
    /// Anything else
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
}

impl MemberArgs {
    fn write(&self, body: &mut Map<String, Value>) -> Result<(), Failure> {
        if !self.legal_basis.is_empty() {
            body.insert("legal_basis".to_owned(), json!(self.legal_basis));
        }
        if !self.end_users.is_empty() {
            body.insert("permitted_end_users".to_owned(), json!(self.end_users));
        }
        if !self.references.is_empty() {
            let reference = |(scheme, value): &(String, String)| json!({ "scheme": scheme, "value": value });
            body.insert("references".to_owned(), self.references.iter().map(reference).collect());
        }
        if let Some(remarks) = &self.remarks {
            body.insert("remarks".to_owned(), json!(remarks));
        }
        if !self.terms.is_empty() {
            body.insert("terms".to_owned(), read_terms(&self.terms)?);
        }
        Ok(())
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

/// Reads terms from `NAME=VALUE` arguments and JSON files; later ones win.
fn read_terms(arguments: &[String]) -> Result<Value, Failure> {
    let mut terms = Map::new();
    for argument in arguments {
        if let Ok((name, value)) = parse_pair(argument) {
            let value = match (value.as_str(), value.parse::<u32>()) {
                ("true", _) => Value::Bool(true),
                ("false", _) => Value::Bool(false),
                (_, Ok(number)) => json!(number),
                _ => json!(value),
            };
            terms.insert(name, value);
            continue;
        }
        let path = Path::new(argument);
        match files::read_json(path, MAX_TERMS_FILE)? {
            Value::Object(members) => terms.extend(members),
            _ => return Err(Failure::usage(format_args!("{} is no json object of terms", path.display()))),
        }
    }
    Ok(Value::Object(terms))
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Every donor and every recipient signs: give their keys, or --draft FILE and pass the file
around.

EXAMPLE
  countersign case open us-dsca.xa-b-uaa --title \"Radios\" --donor us-dsca \\
    --recipient xa-mod --inspector us-odc --legal-basis \"FMS case XA-B-UAA\" \\
    --end-use \"national defence\" --end-user \"armed forces\" \\
    --terms receipt_within=30 --key donor.pem --key recipient.pem")]
struct OpenArgs {
    /// The case's id (`[a-z0-9][a-z0-9._-]*`)
    case: CaseId,
    /// What it is about
    #[arg(long)]
    title: String,
    #[command(flatten)]
    roles: RoleArgs,
    #[command(flatten)]
    members: MemberArgs,
    /// What the equipment may be used for
    #[arg(long = "end-use", value_name = "TEXT")]
    end_use: String,
    /// How closely end use is monitored: `routine` or `enhanced`
    #[arg(long, default_value = "routine")]
    monitoring: String,
    /// Whether items may be passed on: `prohibited` or `with_consent`
    #[arg(long, default_value = "prohibited")]
    retransfer: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Only what is given changes; the parties of a role and the terms are replaced as a whole.
Donors and recipients sign, and so does each party that is given a new role.

EXAMPLE
  countersign case amend us-dsca.xa-b-uaa --terms receipt_within=60 --reason \"winter\" \\
    --key donor.pem --key xa.pem")]
struct AmendArgs {
    /// The case
    case: CaseId,
    /// What it is about
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    roles: RoleArgs,
    #[command(flatten)]
    members: MemberArgs,
    /// What the equipment may be used for
    #[arg(long = "end-use", value_name = "TEXT")]
    end_use: Option<String>,
    /// How closely end use is monitored: `routine` or `enhanced`
    #[arg(long)]
    monitoring: Option<String>,
    /// Whether items may be passed on: `prohibited` or `with_consent`
    #[arg(long)]
    retransfer: Option<String>,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The inspectors named take the place of all before. Donor and recipient sign, or donor and an
oversight party; so does each new inspector.

EXAMPLE
  countersign case inspectors us-dsca.xa-b-uaa --inspector us-odc --reason \"first visit\" \\
    --key donor.pem --key xa.pem")]
struct InspectorsArgs {
    /// The case
    case: CaseId,
    /// An inspector; may be given several times
    #[arg(long = "inspector", value_name = "PARTY")]
    inspectors: Vec<PartyId>,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
A closed case still accepts events: evidence is never refused.

EXAMPLE
  countersign case close us-dsca.xa-b-uaa --reason \"all delivered and checked\" --key donor.pem")]
struct CloseArgs {
    /// The case
    case: CaseId,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign case show us-dsca.xa-b-uaa")]
struct ShowArgs {
    /// The case
    case: CaseId,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign case list --json")]
struct ListArgs {}

/// Runs the subcommand.
///
/// # Errors
/// When a key or file cannot be read, or the server refuses.
pub fn run(args: CaseArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        CaseCommand::Open(args) => open(&args, context),
        CaseCommand::Amend(args) => amend(&args, context),
        CaseCommand::Inspectors(args) => {
            let body = json!({ "inspector": args.inspectors, "reason": args.reason });
            about("case.inspectors", &args.case, body, &args.submit, None, context)
        }
        CaseCommand::Close(args) => {
            about("case.closed", &args.case, json!({ "reason": args.reason }), &args.submit, None, context)
        }
        CaseCommand::Show(args) => show(&args, context),
        CaseCommand::List(_) => list(context),
    }
}

fn open(args: &OpenArgs, context: &Context) -> Result<Exit, Failure> {
    let mut body = Map::new();
    body.insert("title".to_owned(), json!(args.title));
    body.insert("legal_basis".to_owned(), json!([]));
    body.insert("roles".to_owned(), args.roles.over(Map::new()));
    body.insert("terms".to_owned(), json!({}));
    body.insert("monitoring".to_owned(), json!(args.monitoring));
    body.insert("permitted_end_use".to_owned(), json!(args.end_use));
    body.insert("permitted_end_users".to_owned(), json!([]));
    body.insert("retransfer".to_owned(), json!(args.retransfer));
    args.members.write(&mut body)?;
    let first = args.roles.donor.first().cloned();
    about("case.opened", &args.case, Value::Object(body), &args.submit, first, context)
}

fn amend(args: &AmendArgs, context: &Context) -> Result<Exit, Failure> {
    let mut body = Map::new();
    let texts = [
        ("title", &args.title),
        ("permitted_end_use", &args.end_use),
        ("monitoring", &args.monitoring),
        ("retransfer", &args.retransfer),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            body.insert(name.to_owned(), json!(text));
        }
    }
    if args.roles.given().next().is_some() {
        let present = find(&args.case, context)?.roles;
        let present = present.into_iter().map(|(role, parties)| (role.to_string(), json!(parties))).collect();
        body.insert("roles".to_owned(), args.roles.over(present));
    }
    args.members.write(&mut body)?;
    body.insert("reason".to_owned(), json!(args.reason));
    about("case.amended", &args.case, Value::Object(body), &args.submit, None, context)
}

fn about(
    kind: &str,
    case: &CaseId,
    body: Value,
    submit: &SubmitArgs,
    author: Option<PartyId>,
    context: &Context,
) -> Result<Exit, Failure> {
    let author = match (&submit.author, author) {
        (Some(author), _) => author.clone(),
        (None, Some(party)) => Author::Party(party),
        (None, None) => context.author(None, &context.keys()?)?,
    };
    let subject = Subject::new("case", case.as_str()).map_err(Failure::usage)?;
    let draft = context.draft(kind, subject, Some(case.clone()), author, body, submit.after)?;
    finish(context, &draft, Vec::new(), submit)
}

fn find(case: &CaseId, context: &Context) -> Result<CaseView, Failure> {
    context.client()?.case(case)?.ok_or_else(|| {
        Failure::refused(format_args!("there is no case {case}")).hint("`countersign case list` lists them")
    })
}

/// A case as its own events say it.
#[derive(Debug, Serialize)]
struct Shown {
    case: CaseId,
    opened: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Seq>,
    /// What `case.opened` said, amended since.
    members: Map<String, Value>,
    /// The latest event of the case's own stream.
    head: EventHash,
}

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rows =
            vec![("case".to_owned(), self.case.to_string()), ("opened in entry".to_owned(), self.opened.to_string())];
        if let Some(closed) = self.closed {
            rows.push(("closed in entry".to_owned(), closed.to_string()));
        }
        for (name, value) in &self.members {
            push_member(&mut rows, name, value);
        }
        rows.push(("head".to_owned(), self.head.to_string()));
        let rows: Vec<(&str, String)> = rows.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        fields(out, &rows)
    }
}

/// Writes a member as rows: its scalars, under the names that lead to them.
fn push_member(rows: &mut Vec<(String, String)>, name: &str, value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| push_member(rows, name, item)),
        Value::Object(members) => {
            members.iter().for_each(|(inner, value)| push_member(rows, &format!("{name}/{inner}"), value));
        }
        Value::String(text) => rows.push((escaped(name), escaped(text))),
        plain => rows.push((escaped(name), plain.to_string())),
    }
}

/// Puts the case together from its own events, each of which proves itself.
fn show(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let view = find(&args.case, context)?;
    let subject = Subject::new("case", args.case.as_str()).map_err(Failure::usage)?;
    let items = client.stream(&StreamId { case: Some(args.case.clone()), subject })?;
    let mut members = Map::new();
    let mut head = None;
    for item in items {
        head = Some(item.event);
        let event = client.event(&item.event)?.map(|proven| proven.event);
        let Some(Value::Object(body)) = event.as_ref().map(Event::body) else { continue };
        let mut body = body.clone();
        match item.kind.as_str() {
            "case.opened" => members = body,
            "case.amended" => {
                body.remove("reason");
                members.extend(body);
            }
            "case.inspectors" => {
                let roles = members.entry("roles").or_insert_with(|| json!({}));
                roles["inspector"] = body.remove("inspector").unwrap_or_default();
            }
            _ => {}
        }
    }
    let head =
        head.ok_or_else(|| Failure::distrust(format_args!("the server shows no events of case {}", args.case)))?;
    context.out().emit(&Shown { case: view.case, opened: view.opened, closed: view.closed, members, head })?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Listed {
    cases: Vec<CaseView>,
}

impl Report for Listed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.cases.is_empty() {
            return writeln!(out, "no cases yet");
        }
        let mut table = super::table(["case", "title", "donor", "recipient"]);
        for case in &self.cases {
            let role = |role: Capacity| {
                let parties = case.roles.get(&role).map(Vec::as_slice).unwrap_or_default();
                parties.iter().map(PartyId::as_str).collect::<Vec<_>>().join(" ")
            };
            table.add_row([
                case.case.to_string(),
                escaped(&case.title),
                role(Capacity::Donor),
                role(Capacity::Recipient),
            ]);
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let cases = context.client()?.cases()?;
    context.out().emit(&Listed { cases })?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn terms_come_from_pairs_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("terms.json");
        std::fs::write(&file, "{\"receipt_within\": 10, \"retain_years\": 5}\n").unwrap();
        let arguments =
            [file.to_str().unwrap().to_owned(), "receipt_within=30".into(), "inventory_grade=sighted".into()];
        assert_eq!(
            read_terms(&arguments).unwrap(),
            json!({ "receipt_within": 30, "retain_years": 5, "inventory_grade": "sighted" })
        );
        assert_eq!(
            read_terms(&["site_certificate_before_dispatch=true".into()]).unwrap()["site_certificate_before_dispatch"],
            true
        );
        std::fs::write(&file, "[]").unwrap();
        assert!(read_terms(&arguments).is_err());
    }
}
