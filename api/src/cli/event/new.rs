//! `event new`: drafts an event and checks its body against its kind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use countersign_ledger::disclosure::{SystemSalts, conceal};
use countersign_ledger::event::{Occurred, concealable, concealable_members, kind_info};
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Author, CaseId, Kind, StreamId, Subject};
use countersign_ledger::keys::Signer;
use countersign_ledger::rule::{CORRECTION, CaseUse, is_authority_kind};
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde_json::Value;

use super::source;
use crate::cli::Context;
use crate::cli::submit::{After, Drafted, check_body, count, sign};
use crate::cli::view::{values, write_values};
use crate::draft::{Draft, evidence_of, parse_occurred};
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::files;

/// The longest body file that is read.
const MAX_BODY: usize = 1 << 20;

#[derive(Debug, Args)]
#[command(after_long_help = "\
The draft gets a fresh id, the ledger's id, and as `after` the latest event of its stream:
from the server, or without one from a bundle or receipt (--from). The body is checked
against its kind, and a mistake is named by its place. With --key the draft is signed at
once, after it was shown.

EXAMPLE
  countersign event kinds transfer.received > schema.json
  countersign event new --kind transfer.received --subject consignment/2026-0001 \\
    --case us-dsca.xa-b-uaa --author xa-mod --body receipt.json --evidence photo.jpg \\
    --conceal /body/place -o receipt.event.json")]
pub(super) struct NewArgs {
    /// What happened
    #[arg(long)]
    kind: Kind,
    /// What it happened to: `type/id`
    #[arg(long, value_name = "TYPE/ID")]
    subject: Subject,
    /// The case whose roles and terms apply
    #[arg(long)]
    case: Option<CaseId>,
    /// The body, a JSON file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// Who makes the statement [default: the holder of the first --key]
    #[arg(long, value_name = "PARTY", env = "COUNTERSIGN_PARTY")]
    author: Option<Author>,
    /// When it happened: `now`, a UTC time, TIME..TIME, a date, or `unknown:WHY`
    #[arg(long, value_name = "WHEN", default_value = "now", value_parser = parse_occurred)]
    occurred: Occurred,
    /// A file to name as evidence, by its hash; may be given several times
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    /// The event that this one corrects
    #[arg(long, value_name = "HASH")]
    corrects: Option<EventHash>,
    /// Exactly who signs, separated by commas; others are refused then
    #[arg(long, value_name = "PARTIES", value_delimiter = ',')]
    signers: Vec<Author>,
    /// After when it can no longer be recorded: a UTC time, or a time from now such as `+72h` or `+14d`
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    until: Option<Time>,
    /// The latest event of the stream that the signers have seen: its hash, `null` for the first, or `head`
    #[arg(long, value_name = "HASH", default_value = "head")]
    after: After,
    /// Take the ledger and the head of the stream from a bundle or receipt, not from the server
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Conceal the value at this place: only its digest is signed; may be given several times
    #[arg(long, value_name = "POINTER")]
    conceal: Vec<String>,
    /// Where to write the event file; `-` is stdout
    #[arg(long, short, value_name = "FILE.event.json")]
    output: PathBuf,
}

fn parse_until(text: &str) -> Result<Time, String> {
    const FORMS: &str = "expected a utc time such as 2026-09-21T14:13:20Z, or +HOURSh, or +DAYSd";
    let Some(span) = text.strip_prefix('+') else { return text.parse().map_err(|_| FORMS.to_owned()) };
    let hours = match (span.strip_suffix('h'), span.strip_suffix('d')) {
        (Some(hours), _) => hours.parse::<u32>().ok(),
        (_, Some(days)) => days.parse::<u32>().ok().and_then(|days| days.checked_mul(24)),
        _ => None,
    };
    let hours = hours.filter(|hours| (1..=24 * 36_500).contains(hours)).ok_or(FORMS)?;
    let now = SystemClock.now();
    // whole seconds are easier to read out
    Ok(now.plus_millis(i64::from(hours) * 3_600_000 - now.unix_millis().rem_euclid(1000)))
}

pub(super) fn run(args: &NewArgs, context: &Context) -> Result<Exit, Failure> {
    let to_stdout = args.output.as_os_str() == "-";
    if !to_stdout {
        files::must_be_free(&args.output)?;
    }
    check_shape(args)?;
    let body = files::read_json(&args.body, MAX_BODY)?;
    let keys = context.keys()?;
    let draft = draft(args, body, &keys, context)?;
    let event = draft.event().map_err(Failure::usage)?;
    let corrected = corrected_kind(args, context);
    check_body(&event, &draft.disclosures, corrected.as_ref())?;
    let mut submission = draft.submission().map_err(Failure::usage)?;
    if !keys.is_empty() {
        if !context.global().yes {
            let values = values(&event, &submission.disclosures).map_err(Failure::usage)?;
            write_values(&mut std::io::stderr().lock(), &values)?;
            context.confirm(&format!("sign this with {}?", count(keys.len(), "key")))?;
        }
        sign(&mut submission, &keys)?;
    }
    let content = event_file::content(&submission);
    if to_stdout {
        context.out().raw(content.as_bytes())?;
    } else {
        files::create_new(&args.output, content.as_bytes())?;
        context.out().emit(&Drafted::new(&args.output, &submission, &event))?;
    }
    Ok(Exit::Done)
}

/// Tells at once what the ledger would refuse later: a kind that is not read, a wrong subject, a case too many.
fn check_shape(args: &NewArgs) -> Result<(), Failure> {
    let kind = args.kind.as_str();
    let info = kind_info(kind).ok_or_else(|| {
        Failure::usage(format_args!("this version reads no events of kind {kind}"))
            .hint("`countersign event kinds` lists those that it reads")
    })?;
    if let Some(wanted) = info.subject_type.filter(|wanted| *wanted != args.subject.ty()) {
        return Err(Failure::usage(format_args!("--subject: {kind} is about {wanted}/…, found {}", args.subject)));
    }
    match (info.case, &args.case) {
        (CaseUse::Required, None) => {
            Err(Failure::usage(format_args!("{kind} belongs to a case")).hint("give --case CASE"))
        }
        (CaseUse::Forbidden, Some(_)) => {
            Err(Failure::usage(format_args!("{kind} belongs to no case")).hint("leave --case out"))
        }
        _ if (kind == CORRECTION) != args.corrects.is_some() => {
            Err(Failure::usage(format_args!("--corrects goes with {CORRECTION}, and only with it")))
        }
        _ => Ok(()),
    }
}

fn draft(args: &NewArgs, body: Value, keys: &[Arc<dyn Signer>], context: &Context) -> Result<Draft, Failure> {
    let stream = StreamId { case: args.case.clone(), subject: args.subject.clone() };
    let (ledger, after) = match &args.from {
        Some(path) => from_file(args, path, &stream, context)?,
        None => (context.ledger_id()?, context.resolve_after(args.after, &stream)?),
    };
    let author = match (&args.author, is_authority_kind(args.kind.as_str()) && args.case.is_none()) {
        (Some(author), _) => author.clone(),
        (None, true) if keys.is_empty() => Author::Governance,
        (None, _) => context.author(None, keys)?,
    };
    let (body, disclosures) = concealed(args, body)?;
    let mut draft = Draft::new(Some(ledger), args.kind.clone(), args.subject.clone(), author, body);
    draft.case.clone_from(&args.case);
    draft.after = after;
    draft.disclosures = disclosures;
    draft.occurred = args.occurred.clone();
    draft.until = args.until;
    draft.corrects = args.corrects;
    draft.evidence = args.evidence.iter().map(|path| evidence_of(path)).collect::<Result<_, _>>()?;
    if !args.signers.is_empty() {
        let mut signers = args.signers.clone();
        signers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        draft.signers = Some(signers);
    }
    Ok(draft)
}

fn from_file(
    args: &NewArgs,
    path: &Path,
    stream: &StreamId,
    context: &Context,
) -> Result<(countersign_ledger::hash::LedgerId, Option<EventHash>), Failure> {
    let found = source::read(path, stream, &args.occurred, context.out())?;
    if let Some(named) = context.global().ledger.filter(|named| *named != found.ledger) {
        return Err(Failure::usage(format_args!("{} is of ledger {}, expected {named}", path.display(), found.ledger)));
    }
    context.out().note(format_args!(
        "note: ledger and head are taken from {} as it stands; `countersign-verify` checks it",
        path.display()
    ));
    let after = match args.after {
        After::Null => None,
        After::Event(hash) => Some(hash),
        After::Head => found.head,
    };
    Ok((found.ledger, after))
}

/// Conceals the values asked for, after checking that the kind lets them be.
fn concealed(args: &NewArgs, body: Value) -> Result<(Value, Vec<String>), Failure> {
    if args.conceal.is_empty() {
        return Ok((body, Vec::new()));
    }
    let kind = args.kind.as_str();
    // what a correction may conceal depends on what it corrects: the check of the whole draft says it
    if let Some(place) = args.conceal.iter().find(|place| kind != CORRECTION && !concealable(kind, None, place)) {
        return Err(Failure::usage(format_args!("--conceal {place}: {kind} does not let this be concealed"))
            .hint(format_args!("it may be: {}", concealable_members(kind).join(" "))));
    }
    conceal(&body, &args.conceal, &mut SystemSalts).map_err(|e| Failure::usage(format_args!("--conceal {e}")))
}

/// Finds the kind of the corrected event, if a server is at hand: the replacement is checked against it.
fn corrected_kind(args: &NewArgs, context: &Context) -> Option<Kind> {
    let corrected = args.corrects?;
    if args.from.is_some() {
        return None;
    }
    context.client().ok()?.event(&corrected).ok()?.map(|proven| proven.event.kind)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn until_is_a_time_or_a_span_from_now() {
        assert_eq!(parse_until("2026-10-01T00:00:00Z").unwrap().to_string(), "2026-10-01T00:00:00.000Z");
        let in_two_days = parse_until("+2d").unwrap().unix_millis() - SystemClock.now().unix_millis();
        assert!((172_790_000..=172_800_000).contains(&in_two_days), "{in_two_days}");
        for bad in ["", "+", "+2", "+0h", "+-2d", "2d", "tomorrow", "+99999999d"] {
            assert!(parse_until(bad).is_err(), "{bad}");
        }
    }
}
