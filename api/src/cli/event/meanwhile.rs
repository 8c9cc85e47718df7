//! What happened while events were made and signed elsewhere: told case by case before they are submitted.
//!
//! The basis is the checkpoint of the case file that they were made from. Everything recorded since in their cases, and
//! about the parties and keys that signed, is compared with them. The ledger judges; this only tells.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, BufReader, Write};

use countersign_ledger::bundle::{LastLeaf, Scope};
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::disclosure::{Disclosure, Matching, restore};
use countersign_ledger::event::Event;
use countersign_ledger::event::common::{Serial, normalise_serial};
use countersign_ledger::hash::{EventHash, KeyId};
use countersign_ledger::id::{Author, CaseId, Seq, Subject, TreeSize};
use countersign_ledger::submission::Submission;
use serde::Serialize;
use serde_json::Value;

use crate::case_file::{CaseFile, Cases, Found};
use crate::cli::submit::count;
use crate::client::Client;
use crate::escape::escaped;
use crate::failure::Failure;
use crate::output::Report;

/// How many serials are named in one piece of news.
const SHOWN_SERIALS: usize = 5;

/// Something that was recorded meanwhile.
#[derive(Debug, Clone, Serialize)]
pub(super) struct News {
    /// Its entry.
    seq: Seq,
    /// What happened, for a program.
    code: &'static str,
    /// What happened, for people.
    what: String,
}

/// What happened in a case since the basis.
#[derive(Debug, Serialize)]
pub(super) struct Meanwhile {
    case: CaseId,
    since: TreeSize,
    /// How many entries of the case are new.
    new_entries: usize,
    meanwhile: Vec<News>,
}

impl Report for Meanwhile {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { case, since, new_entries, meanwhile } = self;
        let new = match new_entries {
            1 => "1 new entry".to_owned(),
            n => format!("{n} new entries"),
        };
        if meanwhile.is_empty() {
            return writeln!(out, "case {case}: {new} since size {since}, none that bears on these events");
        }
        writeln!(out, "case {case}: {new} since size {since}, of which these bear on what you submit:")?;
        for news in meanwhile {
            writeln!(out, "  {}; `countersign event show {}`", escaped(&news.what), news.seq)?;
        }
        Ok(())
    }
}

/// An event about to be submitted.
struct Ours<'a> {
    event: &'a Event,
    hash: EventHash,
    keys: Vec<KeyId>,
    /// Who signs it: the author, and the parties of the keys.
    signers: BTreeSet<Author>,
    serials: BTreeMap<String, String>,
}

/// Compares events with what the server has since a checkpoint, case by case.
///
/// # Errors
/// When the server's history is not that of the checkpoint, or it gives no answer.
pub(super) fn compare(
    client: &Client,
    basis: &SignedCheckpoint,
    events: &[(&Event, &Submission)],
) -> Result<Vec<Meanwhile>, Failure> {
    client.check_history(basis)?;
    let since = basis.checkpoint().size;
    let mut by_case: BTreeMap<&CaseId, Vec<Ours<'_>>> = BTreeMap::new();
    for (event, submission) in events {
        if let Some(case) = &event.case {
            by_case.entry(case).or_default().push(Ours::new(event, submission));
        }
    }
    let mut told = Vec::new();
    for (case, mut ours) in by_case {
        let (_, bundle) = client.bundle(&Scope::Case(case.clone()), LastLeaf::Withheld, true)?;
        let reader = BufReader::with_capacity(1 << 16, bundle);
        let file = CaseFile::read(reader, Some(&client.ledger_id()), &Cases::one(case), |_| true)?;
        for ours in &mut ours {
            ours.signers.extend(ours.keys.iter().filter_map(|keyid| file.holder_of(keyid)));
        }
        told.push(Meanwhile::of(case, since, &ours, &file.events));
    }
    Ok(told)
}

impl<'a> Ours<'a> {
    fn new(event: &'a Event, submission: &Submission) -> Self {
        Self {
            event,
            hash: submission.envelope.event_hash(),
            signers: [event.author.clone()].into(),
            keys: submission.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect(),
            serials: serials_of(event, &submission.disclosures),
        }
    }
}

impl Meanwhile {
    fn of(case: &CaseId, since: TreeSize, ours: &[Ours<'_>], events: &[Found]) -> Self {
        let mine: HashSet<EventHash> = ours.iter().map(|ours| ours.hash).collect();
        let rests_on = authorizations(ours, events);
        let streams: HashSet<EventHash> = events
            .iter()
            .filter(|found| ours.iter().any(|ours| ours.event.stream() == found.event.stream()))
            .map(|found| found.hash)
            .collect();
        let mut meanwhile = Vec::new();
        let mut new_entries = 0;
        for found in events {
            if mine.contains(&found.hash) {
                let what = format!("this {} is recorded already, as entry {}", found.event.kind, found.seq);
                meanwhile.push(News { seq: found.seq, code: "recorded_already", what });
                continue;
            }
            if let Some(ours) =
                ours.iter().find(|o| o.event.id == found.event.id && o.event.author == found.event.author)
            {
                let what = format!(
                    "another {} under the same id is recorded as entry {}: this one will be refused",
                    ours.event.kind, found.seq
                );
                meanwhile.push(News { seq: found.seq, code: "id_taken", what });
                continue;
            }
            if found.seq.0 < since.0 {
                continue;
            }
            new_entries += usize::from(found.event.case.as_ref() == Some(case));
            meanwhile.extend(news(found, ours, &rests_on, &streams));
        }
        Self { case: case.clone(), since, new_entries, meanwhile }
    }
}

/// Says how a new entry bears on events about to be submitted.
fn news(
    found: &Found,
    ours: &[Ours<'_>],
    rests_on: &BTreeSet<(CaseId, Subject)>,
    streams: &HashSet<EventHash>,
) -> Option<News> {
    let Found { seq, time, event, .. } = found;
    let (kind, author, subject) = (event.kind.as_str(), &event.author, &event.subject);
    let tell = |code, what: String| Some(News { seq: *seq, code, what: format!("{what} ({time}, entry {seq})") });
    let same_stream = ours.iter().any(|ours| ours.event.stream() == event.stream());
    let text = |name: &str| event.body()[name].as_str().unwrap_or_default();
    match kind {
        "key.retired" | "key.revoked" => {
            let keyid: KeyId = text("keyid").parse().ok()?;
            if !ours.iter().any(|ours| ours.keys.contains(&keyid)) {
                return None;
            }
            let (code, done) =
                if kind == "key.retired" { ("key_retired", "retired") } else { ("key_revoked", "revoked") };
            tell(code, format!("key {keyid} of {}, which signed this, was {done}", text("party")))
        }
        "party.succeeded" if ours.iter().flat_map(|ours| &ours.signers).any(|who| who.as_str() == text("party")) => {
            tell("party_succeeded", format!("{} was succeeded by {}", text("party"), text("successor")))
        }
        "case.amended" | "case.inspectors" => tell("case_amended", format!("the case was amended: {kind}")),
        "case.closed" => tell("case_closed", "the case was closed".to_owned()),
        "transfer.cancelled"
            if same_stream || event.case.clone().is_some_and(|case| rests_on.contains(&(case, subject.clone()))) =>
        {
            tell("cancelled", format!("{subject}, which this consignment was sent under, was cancelled by {author}"))
        }
        "transfer.received" if same_stream => {
            tell("second_receipt", format!("{author} recorded a receipt of {subject}"))
        }
        _ if same_stream => tell("same_subject", format!("{author} recorded {kind} on {subject}")),
        _ if event.subject.ty() == "statement" && streams.contains(&text("about").parse().ok()?) => {
            tell("disputed", format!("{author} recorded {kind} about an event of the same subject"))
        }
        _ => {
            let theirs = serials_of(event, &found.disclosures);
            let ours: BTreeMap<&String, &String> = ours.iter().flat_map(|ours| &ours.serials).collect();
            let both: Vec<&String> =
                ours.iter().filter(|(mark, _)| theirs.contains_key(**mark)).map(|(_, text)| *text).collect();
            let shown: Vec<&str> = both.iter().take(SHOWN_SERIALS).map(|text| text.as_str()).collect();
            if shown.is_empty() {
                return None;
            }
            let more = if both.len() > shown.len() {
                format!(" and {} more", both.len() - shown.len())
            } else {
                String::new()
            };
            let what = count(both.len(), "serial");
            tell(
                "serials",
                format!("{author} recorded {kind} of {what} of yours ({}{more}) in {subject}", shown.join(", ")),
            )
        }
    }
}

/// Finds the authorizations that these events name, and those that the consignments in question were sent under.
fn authorizations(ours: &[Ours<'_>], events: &[Found]) -> BTreeSet<(CaseId, Subject)> {
    let sent = events.iter().map(|found| &found.event).filter(|event| {
        event.kind.as_str() == "transfer.dispatched" && ours.iter().any(|o| o.event.stream() == event.stream())
    });
    let named = ours.iter().map(|ours| ours.event).chain(sent).flat_map(|event| {
        let bodies = [event.body(), &event.body()["replacement"]];
        let lines = bodies.into_iter().flat_map(|body| body["lines"].as_array().into_iter().flatten());
        lines.filter_map(move |line| {
            let reference = &line["authorization"];
            let case = reference["case"].as_str().and_then(|case| case.parse().ok()).or_else(|| event.case.clone());
            Some((case?, reference["subject"].as_str()?.parse().ok()?))
        })
    });
    named.collect()
}

/// Finds the serials that an event names as present, seen or gone, by the form in which they compare.
fn serials_of(event: &Event, disclosures: &[String]) -> BTreeMap<String, String> {
    fn walk(value: &Value, serials: bool, found: &mut BTreeMap<String, String>) {
        match value {
            Value::String(text) if serials && text.parse::<Serial>().is_ok() => {
                found.insert(normalise_serial(text), text.clone());
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, serials, found)),
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                let named = matches!(name.as_str(), "serials" | "present" | "damaged" | "unexpected" | "marks");
                // an absent serial was seen by nobody
                if name != "absent" {
                    walk(value, named, found);
                }
            }),
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    let disclosures = Disclosure::parse_all(disclosures).unwrap_or_default();
    let restored = restore(event.body(), &disclosures, Matching::Partial);
    walk(restored.as_ref().map_or(event.body(), |restored| &restored.body), false, &mut found);
    found
}
