//! The part of verification that no entry shares with another, done for a whole batch on all cores: parsing,
//! hashing, disclosures, signatures.

use curve25519_dalek::edwards::EdwardsPoint;
use rayon::prelude::*;

use crate::disclosure;
use crate::entry::Entry;
use crate::event::{Event, EventError, payload_json};
use crate::fields::Malformed;
use crate::hash::{EventHash, Hash, event_hash, leaf_hash, pae};
use crate::header::{Withheld, parse_disclosure};
use crate::keyring::Keyring;
use crate::lines::{Batch, Group};
use crate::policy::is_authority_kind;
use crate::seal::SealedLine;
use crate::tables::check_all;

/// What a signature came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is valid.
    Valid,
    /// It is not.
    Invalid,
    /// No event so far introduced a key of that name.
    UnknownKey,
}

/// What the disclosure lines of an entry came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Disclosed {
    /// Digests that nothing discloses.
    pub undisclosed: u64,
    /// The first rule not kept, with its line.
    pub fault: Option<(u64, String, String)>,
    /// The first line that is no disclosure line, with its number.
    pub malformed: Option<(u64, Malformed)>,
}

/// An entry whose line could be read.
#[derive(Debug)]
pub struct Parsed {
    /// The line.
    pub entry: Entry,
    /// What its signers signed: the PAE, which ends in the payload.
    pub message: Vec<u8>,
    /// The event's hash.
    pub event_hash: EventHash,
    /// The event, if the payload is one.
    pub event: Result<Event, EventError>,
    /// One verdict a signature.
    pub verdicts: Vec<Verdict>,
    payload_length: usize,
}

impl Parsed {
    /// The payload as signed.
    pub fn payload(&self) -> &[u8] {
        &self.message[self.message.len() - self.payload_length..]
    }
}

/// A line that stands for leaves, prepared.
#[derive(Debug)]
pub enum Item {
    /// An entry line, well formed or not.
    Leaf {
        /// Its leaf hash.
        hash: Hash,
        /// What it says.
        parsed: Box<Result<Parsed, Malformed>>,
        /// Its disclosures.
        disclosed: Disclosed,
        /// Its disclosure strings, for a caller that shows entries.
        strings: Vec<String>,
        /// The line itself, for a caller that shows entries.
        text: Vec<u8>,
    },
    /// A withheld subtree, well formed or not.
    Withheld(Result<Withheld, Malformed>),
    /// A line on what a seal proves, well formed or not.
    Sealed(Result<SealedLine, Malformed>),
    /// A line that stands for no leaf.
    Other(Malformed),
}

/// An item and where it stands.
#[derive(Debug)]
pub struct Prepared {
    /// The line's number.
    pub line: u64,
    /// Whether a newline ended each of its lines.
    pub ended: bool,
    /// The first line of disclosures that follow no entry.
    pub stray_disclosure: Option<u64>,
    /// What it is.
    pub item: Item,
}

/// How many lines a core takes at a time: enough to share a field inversion, few enough to spread.
const CHUNK: usize = 32;

/// Prepares a batch on all cores and takes the keys that it introduces into the ring.
pub fn prepare(batch: &Batch, ring: &mut Keyring, keep_strings: bool) -> Vec<Prepared> {
    let known = &*ring;
    let mut items: Vec<Prepared> = batch
        .groups
        .par_chunks(CHUNK)
        .flat_map_iter(|groups| {
            let mut items: Vec<Prepared> =
                groups.iter().map(|group| prepare_group(group, &batch.bytes, keep_strings)).collect();
            verify_signatures(&mut items, known);
            items
        })
        .collect();
    let mut introduced = false;
    for parsed in items.iter().filter_map(Prepared::parsed) {
        if let Ok(Event { act: Some(act), .. }) = &parsed.event {
            ring.introduce(act);
            introduced = true;
        }
    }
    if introduced {
        // keys of this very batch: signatures by them have waited until now
        let known = &*ring;
        items.par_chunks_mut(CHUNK).for_each(|items| verify_signatures(items, known));
    }
    for parsed in items.iter().filter_map(Prepared::parsed) {
        for signature in &parsed.entry.signatures {
            ring.count(&signature.keyid);
        }
    }
    items
}

impl Prepared {
    fn parsed(&self) -> Option<&Parsed> {
        match &self.item {
            Item::Leaf { parsed, .. } => parsed.as_ref().as_ref().ok(),
            _ => None,
        }
    }

    fn parsed_mut(&mut self) -> Option<&mut Parsed> {
        match &mut self.item {
            Item::Leaf { parsed, .. } => parsed.as_mut().as_mut().ok(),
            _ => None,
        }
    }
}

fn prepare_group(group: &Group, bytes: &[u8], keep_strings: bool) -> Prepared {
    let line = group.line.bytes(bytes);
    let mut ended = group.line.ended;
    for disclosure in &group.disclosures {
        ended &= disclosure.ended;
    }
    let mut stray_disclosure = None;
    let item = if line.is_empty() {
        Item::Other(Malformed::new("line", "no empty line", "an empty line"))
    } else if line.starts_with(b"{\"disclosure\":") {
        stray_disclosure = Some(group.line.number);
        let found = "a disclosure line";
        Item::Other(Malformed::new("line", "an entry before a disclosure", found))
    } else if line.starts_with(Withheld::PREFIX) {
        stray_disclosure = first_disclosure(group);
        Item::Withheld(Withheld::parse(line))
    } else if line.starts_with(SealedLine::PREFIX) {
        stray_disclosure = first_disclosure(group);
        Item::Sealed(SealedLine::parse(line))
    } else {
        prepare_leaf(group, bytes, keep_strings)
    };
    Prepared { line: group.line.number, ended, stray_disclosure, item }
}

fn first_disclosure(group: &Group) -> Option<u64> {
    group.disclosures.first().map(|line| line.number).or(group.dropped)
}

fn prepare_leaf(group: &Group, bytes: &[u8], keep_strings: bool) -> Item {
    let line = group.line.bytes(bytes);
    if let Some((hash, length)) = group.line.overlong {
        return Item::Leaf {
            hash,
            parsed: Box::new(Err(Malformed::new(
                "entry",
                format!("at most {} bytes", crate::entry::MAX_ENTRY),
                format!("{length} bytes"),
            ))),
            disclosed: Disclosed::default(),
            strings: Vec::new(),
            text: Vec::new(),
        };
    }
    let mut disclosed = Disclosed::default();
    let mut strings = Vec::with_capacity(group.disclosures.len());
    for disclosure in &group.disclosures {
        match parse_disclosure(disclosure.bytes(bytes)) {
            Ok(string) => strings.push((disclosure.number, string)),
            Err(fault) => {
                disclosed.malformed.get_or_insert((disclosure.number, fault));
            }
        }
    }
    if let Some(number) = group.dropped {
        let expected = "at most 256 disclosures and 256 KiB an event".to_owned();
        disclosed.fault = Some((number, expected, "more".to_owned()));
    }
    let parsed = Entry::parse(line).map(|entry| parse_event(entry, &strings, &mut disclosed));
    if !keep_strings {
        strings.clear();
    }
    Item::Leaf {
        hash: leaf_hash(line),
        parsed: Box::new(parsed),
        disclosed,
        strings: strings.into_iter().map(|(_, string)| string).collect(),
        text: if keep_strings { line.to_vec() } else { Vec::new() },
    }
}

fn parse_event(mut entry: Entry, strings: &[(u64, String)], disclosed: &mut Disclosed) -> Parsed {
    let message = pae(&entry.payload_type, &entry.payload);
    let event = if entry.is_newer() {
        Err(EventError::Newer(entry.payload_type.clone()))
    } else {
        payload_json(&entry.payload).map_err(EventError::Malformed).and_then(|value| {
            let event = Event::read(&value)?;
            if !is_authority_kind(&event.kind) {
                check_disclosures(value.member("body"), strings, disclosed);
            } else if let Some((line, _)) = strings.first() {
                let expected = "no disclosure for an authority event".to_owned();
                disclosed.fault.get_or_insert((*line, expected, "one".to_owned()));
            }
            Ok(event)
        })
    };
    // the message holds the payload from here on
    let payload_length = std::mem::take(&mut entry.payload).len();
    Parsed {
        event_hash: event_hash(&message),
        message,
        verdicts: vec![Verdict::UnknownKey; entry.signatures.len()],
        entry,
        event,
        payload_length,
    }
}

fn check_disclosures(body: Option<&crate::json::Value<'_>>, strings: &[(u64, String)], disclosed: &mut Disclosed) {
    let Some(body) = body else { return };
    let texts: Vec<&str> = strings.iter().map(|(_, text)| text.as_str()).collect();
    // where disclosures were dropped there is a fault already, and no count of digests would be right
    if disclosed.fault.is_some() {
        return;
    }
    let found = disclosure::check(body, &texts);
    disclosed.undisclosed = found.undisclosed;
    if let Some(fault) = found.fault {
        let line = fault.disclosure.and_then(|at| strings.get(at)).map_or(0, |(line, _)| *line);
        disclosed.fault = Some((line, fault.expected, fault.found));
    }
}

/// Verifies the signatures by keys that are known now and were not when last asked.
fn verify_signatures(items: &mut [Prepared], ring: &Keyring) {
    let mut waiting = Waiting::default();
    for (item, prepared) in items.iter_mut().enumerate() {
        let Some(parsed) = prepared.parsed_mut() else { continue };
        let signatures = parsed.entry.signatures.iter().zip(&mut parsed.verdicts);
        for (at, (signature, verdict)) in signatures.enumerate() {
            if *verdict != Verdict::UnknownKey {
                continue;
            }
            let Some(key) = ring.key(&signature.keyid) else { continue };
            *verdict = match key.fast() {
                None => valid(key.verifies(&parsed.message, &signature.bytes)),
                Some(fast) => match fast.expected_r(&parsed.message, &signature.bytes) {
                    None => Verdict::Invalid,
                    Some(point) => {
                        waiting.places.push((item, at));
                        waiting.points.push(point);
                        waiting.signatures.push(signature.bytes);
                        Verdict::Invalid
                    }
                },
            };
        }
    }
    let signatures: Vec<&[u8; 64]> = waiting.signatures.iter().collect();
    let verdicts = check_all(&waiting.points, &signatures);
    for ((item, at), verdict) in waiting.places.into_iter().zip(verdicts) {
        if let Some(parsed) = items[item].parsed_mut() {
            parsed.verdicts[at] = valid(verdict);
        }
    }
}

/// Signatures whose expected R is known and not yet compared.
#[derive(Default)]
struct Waiting {
    places: Vec<(usize, usize)>,
    points: Vec<EdwardsPoint>,
    signatures: Vec<[u8; 64]>,
}

fn valid(valid: bool) -> Verdict {
    if valid { Verdict::Valid } else { Verdict::Invalid }
}
