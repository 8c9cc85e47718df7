//! How keys stand: from the server's word, or folded from the entries of a bundle with what each key signed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_ledger::authority::{Authority, Position};
use countersign_ledger::bundle::{BundleLine, LastLeaf, Scope, read_bundle};
use countersign_ledger::event::authority_bodies::UsePattern;
use countersign_ledger::event::{Body, Event};
use countersign_ledger::hash::{KeyId, LedgerId};
use countersign_ledger::id::{Kind, PartyId, Seq};
use countersign_ledger::rule::{Policy, is_authority_kind};
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde::Serialize;

use crate::cli::Context;
use crate::failure::Failure;
use crate::wire::{GovernanceInfo, KeyStatus, KeyView, PartyView};

/// Whose keys, from where, as of when.
#[derive(Debug, Args)]
pub(super) struct KeySource {
    /// Only this party's
    #[arg(long, value_name = "PARTY")]
    pub(super) party: Option<PartyId>,
    /// Read this bundle instead of asking the server; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
    /// As if it were this time [default: now]
    #[arg(long, value_name = "TIME")]
    as_of: Option<Time>,
}

impl KeySource {
    /// Returns as of when keys expire.
    pub(super) fn as_of(&self) -> Time {
        self.as_of.unwrap_or_else(|| SystemClock.now())
    }

    /// Reads how keys stand, from the bundle that is given or from the server.
    ///
    /// `with_use` asks what each key signed: from a server that costs the whole ledger.
    ///
    /// # Errors
    /// When it cannot be read, or there is no such party.
    pub(super) fn read(&self, with_use: bool, context: &Context) -> Result<Standing, Failure> {
        let mut standing = match &self.bundle {
            Some(path) => of_bundle(path, context)?,
            None if with_use => {
                let (length, reader) = context.client()?.bundle(&Scope::Full, LastLeaf::Shown, true)?;
                let bar = context.out().byte_progress(length, "reading the ledger");
                let standing = fold(BufReader::new(bar.wrap_read(reader)), context.client()?.ledger_id());
                bar.finish_and_clear();
                standing?
            }
            None => {
                let client = context.client()?;
                let info = client.ledger()?;
                let policy = Policy::from_value(&info.policy).map_err(Failure::usage)?;
                Standing { parties: client.parties()?, governance: info.governance, policy, used: None }
            }
        };
        if let Some(party) = &self.party {
            standing.parties.retain(|known| known.party == *party);
            if standing.parties.is_empty() {
                return Err(Failure::refused(format_args!("there is no party {party}"))
                    .hint("`countersign party list` lists them"));
            }
        }
        Ok(standing)
    }
}

/// How often a key signed, and when last.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Used {
    pub(super) entries: u64,
    pub(super) last: Seq,
    pub(super) last_time: Time,
}

/// Parties, governance and policy, and what each key signed where that is known.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) parties: Vec<PartyView>,
    pub(super) governance: GovernanceInfo,
    pub(super) policy: Policy,
    pub(super) used: Option<HashMap<KeyId, Used>>,
}

/// Tells whether a key may still sign at a time.
pub(super) fn counts_at(key: &KeyView, time: Time) -> bool {
    key.status == KeyStatus::Active && key.not_after.is_none_or(|end| time <= end)
}

/// Tells whether a key is for a kind.
pub(super) fn is_for(key: &KeyView, kind: &Kind) -> bool {
    key.uses.iter().filter_map(|text| text.parse::<UsePattern>().ok()).any(|pattern| pattern.matches(kind))
}

fn of_bundle(path: &Path, context: &Context) -> Result<Standing, Failure> {
    let expected = context.global().ledger;
    context.out().note(format_args!("note: {} is taken as it stands; `countersign-verify` checks it", path.display()));
    let input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|e| Failure::file(path, "read", &e))?))
    };
    fold_named(input, expected).map_err(|failure| failure.within(path.display()))
}

fn fold(input: impl BufRead, ledger: LedgerId) -> Result<Standing, Failure> {
    fold_named(input, Some(ledger))
}

/// Folds the authority of a bundle. Entries that cannot be read are nobody's signatures.
fn fold_named(input: impl BufRead, expected: Option<LedgerId>) -> Result<Standing, Failure> {
    let (mut authority, mut used) = (Authority::new(), HashMap::<KeyId, Used>::new());
    for line in read_bundle(input) {
        let entry = match line.map_err(Failure::usage)? {
            BundleLine::Header(header) if expected.is_some_and(|expected| expected != header.ledger) => {
                return Err(Failure::usage(format_args!("this is of another ledger, {}", header.ledger)));
            }
            BundleLine::Entry(entry) => entry,
            _ => continue,
        };
        let keyids: Vec<KeyId> = entry.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect();
        for keyid in &keyids {
            let now = Used { entries: 0, last: entry.seq, last_time: entry.time };
            let known = used.entry(*keyid).or_insert(now);
            *known = Used { entries: known.entries + 1, ..now };
        }
        let Ok(event) = Event::of_envelope(&entry.envelope) else { continue };
        if !is_authority_kind(event.kind.as_str()) {
            continue;
        }
        if let Ok(body) = Body::parse(&event.kind, event.body()) {
            authority.apply(Position { seq: entry.seq, time: entry.time }, &event.kind, &body, &event, &keyids);
        }
    }
    let key = |keyid: &KeyId| authority.key(keyid).map(|known| known.key);
    let governance = authority.governance();
    Ok(Standing {
        parties: authority.parties().map(|(id, party)| PartyView::of(&authority, id, party)).collect(),
        governance: GovernanceInfo {
            threshold: governance.threshold,
            keys: governance.keys.iter().filter_map(key).collect(),
        },
        policy: authority.policy().as_ref().clone(),
        used: Some(used),
    })
}
