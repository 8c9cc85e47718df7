//! `inbox`: what waits for my signature on the server (proposals).
//!
//! Nothing is signed that was not shown, and nothing shown that was not checked: the event hash is computed from the
//! payload, the ledger id compared, and every signature verified here.

mod look;
mod show;
mod sign;
mod totals;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Author, CaseId, Kind};
use countersign_ledger::proposal::Withdrawal;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde::Serialize;

use super::Context;
use super::submit::count;
use crate::client::{Client, KeyBook, Proposal, ProposalFilter};
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::wire::proposals::{ProposalState, ProposalView};
use look::until_in_words;

/// How many hex digits of an event hash are enough to name a proposal.
const SHORTEST_ID: usize = 6;
/// How many of them a list shows.
const SHOWN_ID: usize = 12;

/// Arguments of `inbox`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "\
Without a subcommand: lists the proposals that await a party, by --party or by whose key is
given. A proposal is named by its event hash, or by the first digits of it.

EXAMPLE
  countersign inbox --key officer.pem
  countersign inbox show 3fa9c2d41b07
  countersign inbox sign 3fa9c2d41b07 --key officer.pem"
)]
pub struct InboxArgs {
    #[command(subcommand)]
    command: Option<InboxCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum InboxCommand {
    /// List the proposals that await a party
    List(ListArgs),
    /// Show exactly what would be signed, who signed, and what to look at
    Show(ShowArgs),
    /// Show and sign one, several or all of them
    Sign(sign::SignArgs),
    /// Put an event file on the server, where others sign it
    Propose(ProposeArgs),
    /// Take a proposal back; its author signs that
    Withdraw(WithdrawArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign inbox list --party xa-mod
  countersign inbox list --key officer.pem --json")]
struct ListArgs {
    /// The party, or `governance`; whose key is given unless named
    #[arg(long, value_name = "PARTY", env = "COUNTERSIGN_PARTY")]
    party: Option<Author>,
    /// Those that the party made, however they stand: also those that cannot be recorded any more
    #[arg(long)]
    mine: bool,
    /// Every proposal, whomever it awaits
    #[arg(long, conflicts_with = "mine")]
    everybody: bool,
    /// Only of this kind
    #[arg(long)]
    kind: Option<Kind>,
    /// Only of this case
    #[arg(long)]
    case: Option<CaseId>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Every value that a signature would be under is shown, one a line, with control, invisible
and bidirectional characters escaped. Signatures are verified here, not believed.

EXAMPLE
  countersign inbox show 3fa9c2d41b07")]
struct ShowArgs {
    /// The event hash, or its first digits
    id: String,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The server keeps the event until the parties that the policy asks for have signed it, then
records it. Signatures in the file count. 30 days unless the event has `until`.

EXAMPLE
  countersign event sign check.event.json --key inspector.pem
  countersign inbox propose check.event.json")]
struct ProposeArgs {
    /// The event file
    file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The author of the event signs the request, or the governance quorum. What is recorded stays.

EXAMPLE
  countersign inbox withdraw 3fa9c2d41b07 --key inspector.pem")]
struct WithdrawArgs {
    /// The event hash, or its first digits
    id: String,
}

/// Runs the subcommand.
///
/// # Errors
/// When the server cannot be asked, does not prove what it says, or refuses.
pub fn run(args: InboxArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        None => list(&args.list, context),
        Some(InboxCommand::List(args)) => list(&args, context),
        Some(InboxCommand::Show(args)) => show(&args, context),
        Some(InboxCommand::Sign(args)) => sign::run(&args, context),
        Some(InboxCommand::Propose(args)) => propose(&args, context),
        Some(InboxCommand::Withdraw(args)) => withdraw(&args, context),
    }
}

/// Finds whose inbox it is: the party named, or the holder of the first key. A public key beside it will do.
fn party_of(named: Option<&Author>, context: &Context, book: &KeyBook) -> Result<Author, Failure> {
    if let Some(party) = named {
        return Ok(party.clone());
    }
    let unknown = |what: &str| {
        Failure::usage(format_args!("{what}: whose inbox is it"))
            .hint("give --party PARTY, or a --key that the ledger knows")
    };
    let path = context.global().keys.first().ok_or_else(|| unknown("no party and no key is given"))?;
    let key = context.keyring().named_public(&path.to_string_lossy())?;
    book.holder(&key.id())?.ok_or_else(|| unknown("this ledger does not know the key"))
}

/// Finds a proposal by its event hash, or by the first digits of it.
fn find(id: &str, client: &Client) -> Result<Proposal, Failure> {
    let missing = || {
        Failure::refused(format_args!("there is no proposal {id}"))
            .hint("it was never proposed, was withdrawn, or has expired; `countersign inbox --everybody` lists them")
    };
    if let Ok(hash) = id.parse::<EventHash>() {
        return client.proposal(&hash)?.ok_or_else(missing);
    }
    if id.len() < SHORTEST_ID || !id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        let expected =
            format!("expected an event hash, or {SHORTEST_ID} or more of its first hex digits, found {id:?}");
        return Err(Failure::usage(expected));
    }
    let mut all = client.proposals(&ProposalFilter::default())?;
    all.retain(|proposal| proposal.view.event.to_string().starts_with(id));
    match all.len() {
        0 => Err(missing()),
        1 => Ok(all.remove(0)),
        n => Err(Failure::usage(format_args!("{n} proposals begin with {id}")).hint("give more digits")),
    }
}

fn short(event: &EventHash) -> String {
    event.to_string().chars().take(SHOWN_ID).collect()
}

/// A list of proposals.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(skip_serializing_if = "Option::is_none")]
    party: Option<Author>,
    proposals: Vec<ProposalView>,
    #[serde(skip)]
    mine: bool,
    #[serde(skip)]
    now: Option<Time>,
}

impl Report for Listed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.proposals.is_empty() {
            return match &self.party {
                Some(party) if !self.mine => writeln!(out, "nothing awaits {party}"),
                _ => writeln!(out, "no proposals"),
            };
        }
        let mut table = super::table(["id", "kind", "subject", "author", "signed", "awaits", "until"]);
        for view in &self.proposals {
            let mut signed: Vec<String> =
                view.signed.iter().filter_map(|s| Some(s.party.as_ref()?.to_string())).collect();
            signed.dedup();
            let awaits = match (&view.state, &view.problem) {
                (ProposalState::Blocked, Some(problem)) => format!("cannot be recorded: {}", problem.code),
                _ => view.awaiting.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            };
            let subject = match &view.case {
                Some(case) => format!("{} in {case}", view.subject),
                None => view.subject.to_string(),
            };
            let end = view.until.or(view.expires);
            table.add_row([
                short(&view.event),
                view.kind.to_string(),
                subject,
                view.author.to_string(),
                signed.join(" "),
                awaits,
                end.zip(self.now).map(|(end, now)| until_in_words(end, now)).unwrap_or_default(),
            ]);
        }
        writeln!(out, "{}", table.trim_fmt())?;
        match &self.party {
            Some(party) => {
                let whose = if self.mine { "by" } else { "for" };
                writeln!(out, "{} {whose} {party}", count(self.proposals.len(), "proposal"))
            }
            None => writeln!(out, "{}", count(self.proposals.len(), "proposal")),
        }
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let book = KeyBook::of(&client)?;
    let party = if args.everybody { None } else { Some(party_of(args.party.as_ref(), context, &book)?) };
    let (awaiting, author) = if args.mine { (None, party.clone()) } else { (party.clone(), None) };
    let filter = ProposalFilter { awaiting, author, case: args.case.clone(), kind: args.kind.clone() };
    let mut views = Vec::new();
    for Proposal { mut view, event, submission, .. } in client.proposals(&filter)? {
        if let Some(submission) = &submission {
            // what is said of signatures is what was verified
            let verified = book.signatories(submission, &event)?;
            view.signed.retain(|signature| verified.iter().any(|v| v.keyid == signature.keyid));
            for signature in &mut view.signed {
                let found = verified.iter().find(|v| v.keyid == signature.keyid);
                signature.party = found.and_then(|signatory| signatory.party.clone());
            }
        }
        view.submission = None;
        views.push(view);
    }
    context.out().emit(&Listed { party, proposals: views, mine: args.mine, now: Some(SystemClock.now()) })?;
    Ok(Exit::Done)
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let book = KeyBook::of(&client)?;
    let proposal = find(&args.id, &client)?;
    context.out().emit(&show::Shown::of(&proposal, &client, &book)?)?;
    Ok(Exit::Done)
}

/// A proposal that was made.
#[derive(Debug, Serialize)]
struct Proposed {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(flatten)]
    view: ProposalView,
}

impl Report for Proposed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let view = &self.view;
        match (view.state, view.seq) {
            (ProposalState::Recorded, Some(seq)) => {
                writeln!(out, "{} of {} is recorded as entry {seq}", view.kind, view.subject)?;
            }
            _ => {
                writeln!(out, "{} of {} is proposed", view.kind, view.subject)?;
                for missing in &view.missing {
                    writeln!(out, "missing: {missing}")?;
                }
                if let Some(expires) = view.expires {
                    writeln!(out, "kept until {expires}")?;
                }
            }
        }
        writeln!(out, "event {}", view.event)
    }
}

fn propose(args: &ProposeArgs, context: &Context) -> Result<Exit, Failure> {
    submit_as_proposal(&event_file::read(&args.file)?, Some(args.file.clone()), context)
}

/// Proposes an event, so that whose signatures it needs finds it in the inbox.
///
/// # Errors
/// When the server refuses.
pub(super) fn submit_as_proposal(
    submission: &Submission,
    file: Option<PathBuf>,
    context: &Context,
) -> Result<Exit, Failure> {
    let mut view = context.client()?.propose(submission)?.view;
    view.submission = None;
    context.out().emit(&Proposed { file, view })?;
    Ok(Exit::Done)
}

/// A proposal that was taken back.
#[derive(Debug, Serialize)]
struct TakenBack {
    withdrawn: EventHash,
    kind: Kind,
    subject: String,
}

impl Report for TakenBack {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} of {} is withdrawn", self.kind, self.subject)?;
        writeln!(out, "event {}", self.withdrawn)
    }
}

fn withdraw(args: &WithdrawArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let proposal = find(&args.id, &client)?;
    let view = &proposal.view;
    let Some(proposed) = view.proposed.filter(|_| proposal.recorded.is_none()) else {
        return Err(Failure::refused(format_args!("{} of {} is recorded, and stays", view.kind, view.subject))
            .hint("correct it: `countersign event new --kind statement.corrected`"));
    };
    let keys = context.some_keys()?;
    let subject = proposal.event.stream().to_string();
    context.confirm(&format!("withdraw {} of {subject} by {}?", view.kind, view.author))?;
    let request = Withdrawal::sign(client.ledger_id(), view.event, proposed, &keys)?;
    client.withdraw_proposal(&view.event, &request)?;
    context.out().emit(&TakenBack { withdrawn: view.event, kind: view.kind.clone(), subject })?;
    Ok(Exit::Done)
}
