//! Gathers what an exhibit needs while its bundle is verified.

use std::collections::HashMap;
use std::fmt;

use super::statement::{self, Statement};
use super::tree::Way;
use super::{At, Bearing, Ended, Exhibit, KeyOrigin, Later, PartyThen, Signer, SourceFile, Tool, statement::Leaf};
use crate::act::{Act, NewKey, Roles};
use crate::authority::Owner;
use crate::capacity::Capacity;
use crate::checkpoint::Checkpoint;
use crate::event::{Event, payload_json};
use crate::fold::{Judged, Observer};
use crate::hash::{EventHash, Hash, KeyId, sha256};
use crate::header::Header;
use crate::json::Value;
use crate::keys::PublicKey;
use crate::note::VKey;
use crate::report::Report;
use crate::report_json::Out;
use crate::scalar::GOVERNANCE;

/// The most later entries that are listed.
const MAX_LATER: usize = 500;

/// Why there is no exhibit, beside what the report says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoExhibit {
    /// The first line of the file could not be read.
    NoHeader,
    /// The file has no such entry, or withholds it.
    NotShown(u64),
    /// The entry's line is there but is no event that this program can read.
    Unreadable(u64),
}

impl fmt::Display for NoExhibit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoExhibit::NoHeader => f.write_str("this is not a bundle that can be read"),
            NoExhibit::NotShown(seq) => write!(f, "this file does not show entry {seq}"),
            NoExhibit::Unreadable(seq) => write!(f, "entry {seq} is no event that this program can read"),
        }
    }
}

impl std::error::Error for NoExhibit {}

/// What is kept of the entry itself.
struct Kept {
    at: At,
    prev: Hash,
    event: EventHash,
    kind: String,
    subject: String,
    case: Option<String>,
    author: String,
    after: Option<(EventHash, Option<u64>)>,
    stream_before: Option<u64>,
    stream_shown: u64,
    rule: Option<String>,
    statement: Statement,
    disclosures: Vec<String>,
    names: Vec<(String, u64)>,
    signers: Vec<Signer>,
}

/// Collects an exhibit while the bundle is verified.
pub struct Collector {
    seq: u64,
    checkpoint: Option<Checkpoint>,
    way: Way,
    leaf: Option<(Hash, Vec<u8>)>,
    kept: Option<Kept>,
    /// Earlier events by hash, so that what the statement names can be found.
    earlier: HashMap<EventHash, u64>,
    /// How many earlier entries each stream has, by a hash of its name: the whole ledger's pass through here.
    streams: HashMap<Hash, u64>,
    keys: HashMap<KeyId, KeyOrigin>,
    ended: Vec<(KeyId, Ended, At)>,
    succeeded: Vec<(String, String, At)>,
    log_key: Option<VKey>,
    later: Vec<Later>,
    later_left_out: u64,
}

impl Collector {
    /// Starts to look for an entry.
    pub fn new(seq: u64) -> Collector {
        Collector {
            seq,
            checkpoint: None,
            way: Way::of(seq),
            leaf: None,
            kept: None,
            earlier: HashMap::new(),
            streams: HashMap::new(),
            keys: HashMap::new(),
            ended: Vec::new(),
            succeeded: Vec::new(),
            log_key: None,
            later: Vec::new(),
            later_left_out: 0,
        }
    }

    /// The exhibit, once the whole bundle went by.
    ///
    /// # Errors
    /// Says why the bundle gives none; the report is the caller's to show.
    pub fn finish(self, report: &Report, file: SourceFile, tool: Tool) -> Result<Exhibit, NoExhibit> {
        let checkpoint = self.checkpoint.ok_or(NoExhibit::NoHeader)?;
        let (leaf, line) = self.leaf.ok_or(NoExhibit::NotShown(self.seq))?;
        let mut kept = self.kept.ok_or(NoExhibit::Unreadable(self.seq))?;
        for signer in &mut kept.signers {
            let of_key = self.ended.iter().filter(|(key, ..)| *key == signer.keyid);
            signer.ended = of_key.map(|(_, ended, at)| (*ended, *at)).collect();
            if let Some(party) = &mut signer.party {
                let found = self.succeeded.iter().find(|(id, ..)| *id == party.id);
                party.succeeded = found.map(|(_, successor, at)| (*at, successor.clone()));
            }
        }
        Ok(Exhibit {
            report: report.clone(),
            file,
            tool,
            way: self.way.into_steps(checkpoint.size),
            checkpoint,
            log_key: self.log_key,
            at: kept.at,
            line,
            leaf,
            prev: kept.prev,
            event: kept.event,
            kind: kept.kind,
            subject: kept.subject,
            case: kept.case,
            author: kept.author,
            after: kept.after,
            stream_before: kept.stream_before,
            stream_shown: kept.stream_shown,
            rule: kept.rule,
            statement: kept.statement.leaves,
            shown: kept.statement.shown,
            disclosures_refused: kept.statement.disclosures_refused,
            disclosures: kept.disclosures,
            names: kept.names,
            signers: kept.signers,
            later: self.later,
            later_left_out: self.later_left_out,
        })
    }

    /// Notes what an authority event does to keys and parties.
    fn act(&mut self, entry: &Judged<'_>, act: &Act) {
        let at = At { seq: entry.seq, time: entry.parsed.entry.time };
        match act {
            Act::LedgerCreated { log_key, governance, .. } if entry.seq == 0 => {
                self.governance_keys(&governance.keys, at);
                self.log_key = Some(log_key.clone());
            }
            Act::GovernanceChanged(governance) => self.governance_keys(&governance.keys, at),
            Act::LogKeyRotated(key) => self.log_key = Some(key.clone()),
            // of two enrolments the first stands
            Act::PartyEnrolled { party, keys, .. } if entry.authority.enrolled(party).is_none() => {
                keys.iter().for_each(|key| self.party_key(party, key, at));
            }
            Act::KeyAdded { party, key } => self.party_key(party, key, at),
            Act::KeyRetired { keyid, .. } => self.ended.push((*keyid, Ended::Retired, at)),
            Act::KeyRevoked { keyid, suspect_from, .. } => {
                self.ended.push((*keyid, Ended::Revoked(*suspect_from), at));
            }
            Act::PartySucceeded { party, successor } => {
                self.succeeded.push((party.clone(), successor.clone(), at));
            }
            _ => {}
        }
    }

    fn governance_keys(&mut self, keys: &[PublicKey], at: At) {
        for key in keys {
            self.keys.entry(key.id()).or_insert_with(|| KeyOrigin {
                public: *key,
                owner: GOVERNANCE.to_owned(),
                holder: String::new(),
                uses: Vec::new(),
                not_after: None,
                introduced: at,
            });
        }
    }

    fn party_key(&mut self, party: &str, key: &NewKey, at: At) {
        self.keys.entry(key.public_key.id()).or_insert_with(|| KeyOrigin {
            public: key.public_key,
            owner: party.to_owned(),
            holder: key.holder.clone(),
            uses: key.uses.clone(),
            not_after: key.not_after,
            introduced: at,
        });
    }

    fn keep(&mut self, entry: &Judged<'_>, event: &Event, payload: &Value<'_>) {
        let statement = statement::read(event, payload, entry.disclosures);
        let parsed = entry.parsed;
        self.kept = Some(Kept {
            at: At { seq: entry.seq, time: parsed.entry.time },
            prev: parsed.entry.prev,
            event: parsed.event_hash,
            kind: event.kind.clone(),
            subject: event.subject.as_str().to_owned(),
            case: event.case.clone(),
            author: event.author.clone(),
            after: event.after.map(|after| (after, self.earlier.get(&after).copied())),
            stream_before: parsed.entry.stream,
            stream_shown: self.streams.get(&stream(event)).copied().unwrap_or_default(),
            rule: self.rule(entry, event),
            names: self.named(&statement.leaves),
            statement,
            disclosures: entry.disclosures.to_vec(),
            signers: self.signers(entry, event),
        });
        // what came before is of no more use
        self.earlier = HashMap::new();
        self.streams = HashMap::new();
    }

    fn rule(&self, entry: &Judged<'_>, event: &Event) -> Option<String> {
        let own = match event.act.as_deref() {
            Some(Act::LedgerCreated { policy, .. }) if entry.seq == 0 => policy,
            _ => &entry.authority.policy,
        };
        own.rule(&event.kind).map(crate::rule_text::describe)
    }

    /// Members whose text is the hash of an earlier event.
    fn named(&self, leaves: &[Leaf]) -> Vec<(String, u64)> {
        let hash = |leaf: &Leaf| match &leaf.value {
            Out::Text(text) => Hash::from_hex(text.as_bytes()).map(EventHash),
            _ => None,
        };
        leaves
            .iter()
            .filter_map(|leaf| Some((leaf.pointer.clone(), *self.earlier.get(&hash(leaf)?)?)))
            .filter(|(pointer, _)| pointer != "/ledger")
            .collect()
    }

    fn signers(&self, entry: &Judged<'_>, event: &Event) -> Vec<Signer> {
        let signatures = entry.parsed.entry.signatures.iter().zip(&entry.parsed.verdicts);
        signatures
            .map(|(signature, verdict)| {
                let number = entry.authority.key_number(&signature.keyid);
                let counted = number.is_some_and(|number| match entry.authority.key(number).owner {
                    Owner::Party(_) => entry.signing.parties.iter().any(|party| party.keys.contains(&number)),
                    Owner::Governance => entry.authority.is_governing(number),
                    Owner::Log => false,
                });
                let origin = self.keys.get(&signature.keyid).cloned();
                let party = origin.as_ref().and_then(|origin| party_then(entry, event, &origin.owner));
                Signer { keyid: signature.keyid, verdict: *verdict, counted, party, origin, ended: Vec::new() }
            })
            .collect()
    }

    fn note_later(&mut self, entry: &Judged<'_>, event: &Event, about: EventHash) {
        let mut bearings = Vec::new();
        if event.corrects == Some(about) {
            bearings.push(Bearing::Corrects);
        }
        if event.after == Some(about) {
            bearings.push(Bearing::Follows);
        }
        let hex = about.to_string();
        let payload = entry.parsed.payload();
        // a text with an escape in it could be the hash all the same
        if payload.contains(&b'\\') || payload.windows(hex.len()).any(|part| part == hex.as_bytes()) {
            let Ok(json) = payload_json(payload) else { return };
            let disputes = event.kind == "statement.disputed";
            if let Some(body) = json.member("body") {
                pointers_to(body, "/body", &hex, &mut |pointer| {
                    let dispute = disputes && pointer == "/body/about";
                    bearings.push(if dispute { Bearing::Disputes } else { Bearing::Names(pointer.to_owned()) });
                });
            }
        }
        let at = At { seq: entry.seq, time: entry.parsed.entry.time };
        for what in bearings {
            if self.later.len() < MAX_LATER {
                self.later.push(Later { at, kind: event.kind.clone(), what });
            } else {
                self.later_left_out += 1;
            }
        }
    }
}

/// Calls back with each pointer at which a text stands.
fn pointers_to(value: &Value<'_>, pointer: &str, text: &str, found: &mut impl FnMut(&str)) {
    match value {
        Value::Str(here) if here == text => found(pointer),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                pointers_to(item, &format!("{pointer}/{at}"), text, found);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers_to(value, &format!("{pointer}/{name}"), text, found);
            }
        }
        _ => {}
    }
}

/// A stream's name in 32 bytes; no part of it holds a NUL.
fn stream(event: &Event) -> Hash {
    let case = event.case.as_deref().unwrap_or_default();
    sha256(&[case.as_bytes(), b"\0", event.subject.as_str().as_bytes()])
}

/// A party as it stood before the entry; one that the entry itself enrols or binds, as the entry says.
fn party_then(entry: &Judged<'_>, event: &Event, id: &str) -> Option<PartyThen> {
    let authority = entry.authority;
    let record = authority.enrolled(id).map(|number| authority.party(number));
    let (name, capacities) = match (record, event.act.as_deref()) {
        (Some(record), _) => (record.name.clone(), record.capacities),
        (None, Some(Act::PartyEnrolled { party, name, capacities, .. })) if party == id => (name.clone(), *capacities),
        _ => return None,
    };
    let roles = match (event.act.as_deref(), &event.case, authority.party_number(id)) {
        (Some(Act::CaseOpened(roles)), ..) => bound_by(roles, id),
        (_, Some(case), Some(number)) => authority.case(case).map_or_else(Vec::new, |case| {
            Capacity::all().filter(|role| case.holds(authority, *role, number)).map(Capacity::name).collect()
        }),
        _ => Vec::new(),
    };
    let capacities = Capacity::all().filter(|c| capacities.has(*c)).map(Capacity::name).collect();
    Some(PartyThen { id: id.to_owned(), name, capacities, roles, succeeded: None })
}

fn bound_by(roles: &Roles, id: &str) -> Vec<&'static str> {
    roles.0.iter().filter(|(_, ids)| ids.iter().any(|bound| bound == id)).map(|(role, _)| role.name()).collect()
}

impl Observer for Collector {
    fn header(&mut self, header: &Header) {
        self.checkpoint = Some(header.checkpoint.clone());
    }

    fn leaf(&mut self, seq: u64, hash: Hash, line: &[u8]) {
        self.way.push(0, hash);
        if seq == self.seq {
            self.leaf = Some((hash, line.to_vec()));
        }
    }

    fn withheld(&mut self, height: u32, hash: Hash) {
        self.way.push(height, hash);
    }

    fn tree_lost(&mut self) {
        self.way.lose();
    }

    fn entry(&mut self, entry: &Judged<'_>) {
        let Ok(event) = &entry.parsed.event else { return };
        if let Some(act) = event.act.as_deref() {
            self.act(entry, act);
        }
        if let Some(kept) = &self.kept {
            let about = kept.event;
            self.note_later(entry, event, about);
            return;
        }
        if entry.seq == self.seq {
            // read once before, so this cannot fail
            if let Ok(payload) = payload_json(entry.parsed.payload()) {
                self.keep(entry, event, &payload);
            }
            return;
        }
        self.earlier.entry(entry.parsed.event_hash).or_insert(entry.seq);
        *self.streams.entry(stream(event)).or_default() += 1;
    }
}
