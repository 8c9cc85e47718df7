//! `inbox sign`: shows a selection, what it adds up to and what needs a closer look; asks once; signs and sends.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use countersign_ledger::disclosure::{Disclosure, Matching, restore};
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Author, CaseId, Kind, Seq};
use countersign_ledger::keys::{Signer, SignerError, signature_by};
use countersign_ledger::proposal::Signed;
use serde::Serialize;
use serde_json::Value;

use super::show::Shown;
use super::totals::{self, Total, totals};
use super::{find, party_of, short};
use crate::cli::Context;
use crate::cli::submit::{count, receipt_name, write_receipt};
use crate::cli::view::ShownValue;
use crate::client::{Client, KeyBook, Proposal, ProposalFilter, Proven, Recorded, SignatureOutcome};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::wire::proposals::{ProposalState, ProposalView};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Every value of every event is shown, then totals by kind and case, then what needs a closer
look: `until` near, an author without a role in the case, something that occurred long ago,
differences from the event that it answers. One question, one passphrase. An event with
values that are not disclosed is not signed without --unseen.

EXAMPLE
  countersign inbox sign 3fa9c2d41b07 --key officer.pem
  countersign inbox sign --all --kind transfer.received --except 3fa9c2d41b07 --key officer.pem")]
pub(super) struct SignArgs {
    /// Event hashes, or their first digits
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// Everything that awaits the party
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Of all, only this kind
    #[arg(long, requires = "all")]
    kind: Option<Kind>,
    /// Of all, only this case
    #[arg(long, requires = "all")]
    case: Option<CaseId>,
    /// Of all, not this one; may be given several times
    #[arg(long, value_name = "ID", requires = "all")]
    except: Vec<String>,
    /// The party that signs; the holder of the first key unless named
    #[arg(long, value_name = "PARTY", env = "COUNTERSIGN_PARTY")]
    party: Option<Author>,
    /// Sign although values are not disclosed
    #[arg(long)]
    unseen: bool,
    /// Keep the receipts of what is recorded then in this folder
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_RECEIPTS")]
    receipt_dir: Option<PathBuf>,
}

/// What became of one proposal.
#[derive(Debug, Serialize)]
struct Done {
    event: EventHash,
    kind: Kind,
    subject: String,
    /// `recorded`, `signed`, `too_late` or `refused`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<PathBuf>,
    values: Vec<ShownValue>,
    look_at: Vec<super::look::Notice>,
}

/// What was signed.
#[derive(Debug, Serialize)]
struct SignedAll {
    party: Author,
    totals: Vec<Total>,
    proposals: Vec<Done>,
}

impl Report for SignedAll {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for done in &self.proposals {
            let what = format!("{} of {}", done.kind, done.subject);
            match (done.result, done.seq) {
                ("recorded", Some(seq)) => writeln!(out, "{what} is recorded as entry {seq}")?,
                ("too_late", Some(seq)) => {
                    writeln!(out, "{what} was recorded as entry {seq} without your signature, which came too late")?;
                }
                ("signed", _) => {
                    writeln!(out, "{what} is signed")?;
                    for missing in &done.missing {
                        writeln!(out, "missing: {}", escaped(missing))?;
                    }
                }
                _ => writeln!(out, "{what}: {}", escaped(done.refused.as_deref().unwrap_or("refused")))?,
            }
            if let Some(hint) = &done.hint {
                writeln!(out, "hint: {}", escaped(hint))?;
            }
            if let Some(receipt) = &done.receipt {
                writeln!(out, "receipt {}", receipt.display())?;
            }
            writeln!(out, "event {}", done.event)?;
        }
        Ok(())
    }
}

pub(super) fn run(args: &SignArgs, context: &Context) -> Result<Exit, Failure> {
    if context.global().keys.is_empty() {
        // before anything is fetched
        context.some_keys()?;
    }
    let client = context.client()?;
    let book = KeyBook::of(&client)?;
    let party = party_of(args.party.as_ref(), context, &book)?;
    let selected = select(args, &party, &client)?;
    if selected.is_empty() {
        context.out().emit(&SignedAll { party, totals: Vec::new(), proposals: Vec::new() })?;
        context.out().note("nothing to sign");
        return Ok(Exit::Done);
    }
    let shown = selected.iter().map(|p| Shown::of(p, &client, &book)).collect::<Result<Vec<_>, _>>()?;
    let totals = totals(selected.iter().map(|proposal| (&proposal.event, body_of(proposal))));
    refuse_unseen(args, &selected, &shown)?;
    if !context.out().is_json() {
        // before the question, and on the terminal whatever stdout is
        present(&mut io::stderr().lock(), &selected, &shown, &totals)?;
    }
    let what = count(selected.len(), "event");
    context.confirm(&format!("sign {what} as {party} with {}?", count(context.global().keys.len(), "key")))?;
    let keys = context.some_keys()?;
    check_holders(&keys, &party, &book)?;
    let signatures = signatures(&selected, &keys)?;
    let outcomes = client.sign_proposals(&signatures)?;
    let mut done = Vec::with_capacity(selected.len());
    for (proposal, shown) in selected.iter().zip(shown) {
        let own = outcomes.iter().filter(|outcome| outcome.event == proposal.view.event);
        done.push(outcome_of(proposal, shown, &own.collect::<Vec<_>>(), args.receipt_dir.as_deref())?);
    }
    let refused = done.iter().filter(|done| done.result == "refused").count();
    let all = done.len();
    context.out().emit(&SignedAll { party, totals, proposals: done })?;
    match refused {
        0 => Ok(Exit::Done),
        n if n == all => Err(Failure::refused(format_args!("{n} of {} refused", count(all, "signature")))),
        n => {
            context.out().warn(format_args!("{n} of {} refused", count(all, "signature")));
            Ok(Exit::Partly)
        }
    }
}

/// Finds what is to be signed: by name, or all that awaits the party.
fn select(args: &SignArgs, party: &Author, client: &Client) -> Result<Vec<Proposal>, Failure> {
    if !args.all {
        let mut found: Vec<Proposal> = Vec::new();
        for id in &args.ids {
            let proposal = find(id, client)?;
            check_open(&proposal, party)?;
            if found.iter().all(|other| other.view.event != proposal.view.event) {
                found.push(proposal);
            }
        }
        return Ok(found);
    }
    let mut except = Vec::new();
    for id in &args.except {
        except.push(find(id, client)?.view.event);
    }
    let filter = ProposalFilter {
        awaiting: Some(party.clone()),
        kind: args.kind.clone(),
        case: args.case.clone(),
        author: None,
    };
    let mut found = client.proposals(&filter)?;
    let wanted = |proposal: &Proposal| {
        // the server's filter is not believed either
        proposal.submission.is_some()
            && !except.contains(&proposal.view.event)
            && args.kind.as_ref().is_none_or(|kind| proposal.event.kind == *kind)
            && args.case.as_ref().is_none_or(|case| proposal.event.case.as_ref() == Some(case))
    };
    found.retain(wanted);
    Ok(found)
}

/// A proposal that is named must wait for this party.
fn check_open(proposal: &Proposal, party: &Author) -> Result<(), Failure> {
    let view = &proposal.view;
    let what = format!("{} of {} ({})", view.kind, view.subject, short(&view.event));
    match view.state {
        ProposalState::Recorded => {
            let seq = view.seq.map(|seq| seq.to_string()).unwrap_or_default();
            Err(Failure::refused(format_args!("{what} is recorded as entry {seq}")))
        }
        ProposalState::Blocked => {
            let problem = view.problem.as_ref();
            let why = problem.map(ToString::to_string).unwrap_or_default();
            let failure = Failure::refused(format_args!("{what} cannot be recorded: {why}"));
            match problem.and_then(|problem| problem.hint.as_ref()) {
                Some(hint) => Err(failure.hint(hint)),
                None => Err(failure),
            }
        }
        ProposalState::Open if !view.awaiting.contains(party) && view.awaiting_keys.is_empty() => {
            let awaited: Vec<&str> = view.awaiting.iter().map(Author::as_str).collect();
            Err(Failure::refused(format_args!("{what} does not await {party}"))
                .hint(format_args!("it awaits {}", awaited.join(", "))))
        }
        ProposalState::Open | ProposalState::Complete => Ok(()),
    }
}

fn refuse_unseen(args: &SignArgs, selected: &[Proposal], shown: &[Shown]) -> Result<(), Failure> {
    let serious = selected.iter().zip(shown).find(|(_, shown)| shown.serious() > 0);
    let Some((proposal, shown)) = serious.filter(|_| !args.unseen) else { return Ok(()) };
    let why: Vec<&str> = shown.look_at.iter().filter(|n| n.serious).map(|n| n.detail.as_str()).collect();
    let what = format!("{} of {} ({})", proposal.view.kind, proposal.view.subject, short(&proposal.view.event));
    Err(Failure::refused(format_args!("{what}: {}", why.join("; ")))
        .hint("have its author propose it with its disclosures, leave it out with --except, or give --unseen"))
}

/// The body as far as it is disclosed.
fn body_of(proposal: &Proposal) -> Value {
    let disclosures = proposal.submission.as_ref().map(|s| s.disclosures.clone()).unwrap_or_default();
    let restored = Disclosure::parse_all(&disclosures)
        .and_then(|disclosures| restore(proposal.event.body(), &disclosures, Matching::Partial));
    restored.map_or_else(|_| proposal.event.body().clone(), |restored| restored.body)
}

fn present(out: &mut dyn Write, selected: &[Proposal], shown: &[Shown], totals: &[Total]) -> io::Result<()> {
    for (n, (proposal, shown)) in selected.iter().zip(shown).enumerate() {
        let ProposalView { kind, event, .. } = &proposal.view;
        writeln!(out, "{} of {}: {kind} of {} ({})", n + 1, selected.len(), proposal.event.stream(), short(event))?;
        shown.write(out)?;
        writeln!(out)?;
    }
    totals::write(out, totals)?;
    for (proposal, shown) in selected.iter().zip(shown).filter(|(_, shown)| !shown.look_at.is_empty()) {
        for notice in &shown.look_at {
            let ProposalView { kind, subject, event, .. } = &proposal.view;
            writeln!(out, "look at {} ({kind} of {subject}): {}", short(event), escaped(&notice.detail))?;
        }
    }
    Ok(())
}

/// A key of another party would sign for that one.
fn check_holders(keys: &[Arc<dyn Signer>], party: &Author, book: &KeyBook) -> Result<(), Failure> {
    for key in keys {
        let keyid = key.public().id();
        match book.holder(&keyid)? {
            Some(holder) if holder != *party => {
                return Err(Failure::refused(format_args!("key {keyid} is of {holder}, not of {party}"))
                    .hint("give one party's keys at a time, or --party"));
            }
            // a key that an event introduces signs that event alone; the server says whether it does
            _ => {}
        }
    }
    Ok(())
}

/// Signs the very bytes that were shown.
///
/// # Errors
/// When a key does not sign.
fn signatures(selected: &[Proposal], keys: &[Arc<dyn Signer>]) -> Result<Vec<Signed>, SignerError> {
    let mut signatures = Vec::new();
    for submission in selected.iter().filter_map(|proposal| proposal.submission.as_ref()) {
        let (event, message) = (submission.envelope.event_hash(), submission.envelope.pae());
        for key in keys {
            let keyid = key.public().id();
            signatures.push(Signed { event, keyid, signature: signature_by(key, &message)? });
        }
    }
    Ok(signatures)
}

fn outcome_of(
    proposal: &Proposal,
    shown: Shown,
    own: &[&SignatureOutcome],
    receipt_dir: Option<&Path>,
) -> Result<Done, Failure> {
    let mut done = Done {
        event: proposal.view.event,
        kind: proposal.view.kind.clone(),
        subject: proposal.event.stream().to_string(),
        result: "refused",
        seq: None,
        missing: Vec::new(),
        refused: None,
        code: None,
        hint: None,
        receipt: None,
        values: shown.values,
        look_at: shown.look_at,
    };
    for outcome in own {
        match &outcome.result {
            Ok((view, proven)) => {
                done.missing.clone_from(&view.missing);
                done.result = "signed";
                if let Some(proven) = proven {
                    let keyids: Vec<_> = proven.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect();
                    let there = own.iter().any(|outcome| keyids.contains(&outcome.keyid));
                    done.result = if there { "recorded" } else { "too_late" };
                    done.seq = Some(proven.seq);
                    done.receipt = keep_receipt(proven, receipt_dir)?;
                }
                (done.refused, done.code, done.hint) = (None, None, None);
                return Ok(done);
            }
            Err(problem) => {
                let failure = Failure::from((**problem).clone());
                (done.refused, done.code, done.hint) = (Some(failure.message), failure.code, failure.hint);
            }
        }
    }
    Ok(done)
}

fn keep_receipt(proven: &Proven, folder: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    let Some(folder) = folder else { return Ok(None) };
    let path = folder.join(receipt_name(&proven.hash));
    let recorded = Recorded {
        seq: proven.seq,
        time: proven.time,
        event: proven.hash,
        receipt: proven.receipt.clone(),
        repeated: false,
        unrecorded_signatures: 0,
    };
    write_receipt(&path, &recorded)?;
    Ok(Some(path))
}
