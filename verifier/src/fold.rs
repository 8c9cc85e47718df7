//! The sequential part of verification: one entry after the other, against the state that the entries before it left.
//!
//! Between entries the fold keeps the authority state and, for each shown entry, an event hash, an id, a stream, who
//! signed and when: well under 128 bytes (SPEC §13).

mod entry;
mod finish;
mod people;
mod seals;
mod streams;

use std::collections::HashMap;

use crate::authority::Authority;
use crate::checkpoint::Checkpoint;
use crate::checks::{Checks, Code, Fault, Place};
use crate::evidence::EvidenceFile;
use crate::fields::Malformed;
use crate::hash::{EventHash, Hash};
use crate::header::{Header, Scope, Withheld};
use crate::index::{Ordinals, Salt, Table, Tight};
use crate::merkle::Range;
use crate::note::VKey;
use crate::prepare::{Disclosed, Item, Parsed, Prepared};
use crate::signing::Signing;
use crate::time::Instant;
use crate::trust::Trust;
use crate::witnessed::Witnessed;
use people::People;
use seals::Seals;
use streams::Streams;

pub(crate) use entry::beyond_cosignature;
pub(crate) use finish::{cosigners, signed_by_log, trusted_log_fault, witness_fault};
pub use people::{Suspect, SuspectBy};
pub use seals::Sealed;

/// What the user gave to check against.
#[derive(Default)]
pub struct Given {
    /// The ledger id, from a trusted source.
    pub ledger: Option<Hash>,
    /// The trust file.
    pub trust: Option<Trust>,
    /// An earlier checkpoint.
    pub previous: Option<Checkpoint>,
    /// Evidence files.
    pub evidence: Vec<EvidenceFile>,
    /// A place in the tree to remember, for a receipt.
    pub probe: Option<Probe>,
}

/// A place in the tree that the fold remembers when it comes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// A tree size.
    pub size: u64,
    /// A leaf's index.
    pub index: u64,
}

/// What a probe found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Probed {
    /// The root at the size, unless the size is beyond the bundle or inside a withheld run.
    pub root: Option<Hash>,
    /// The log key in force at the size.
    pub log_key: Option<VKey>,
    /// The leaf hash at the index, if the bundle has it.
    pub leaf: Option<Hash>,
}

/// An entry as the fold has judged it, for a caller that shows entries.
pub struct Judged<'a> {
    /// Its position.
    pub seq: u64,
    /// The entry, its event and its signatures.
    pub parsed: &'a Parsed,
    /// Its disclosure strings, if they may be put back.
    pub disclosures: &'a [String],
    /// Who signed.
    pub signing: &'a Signing,
    /// The state before it.
    pub authority: &'a Authority,
}

/// Somebody who wants to see the entries as they are judged.
pub trait Observer {
    /// Called once for each entry that is an event, in order.
    fn entry(&mut self, entry: &Judged<'_>);

    /// Called with the first line, before any leaf.
    fn header(&mut self, _header: &Header) {}

    /// Called for each leaf shown, readable or not, before [`Observer::entry`]: its place, hash and line. An overlong
    /// line is not kept.
    fn leaf(&mut self, _seq: u64, _hash: Hash, _line: &[u8]) {}

    /// Called for each subtree of 2^height leaves that is withheld where it fits.
    fn withheld(&mut self, _height: u32, _hash: Hash) {}

    /// Called once when leaves are missing in a way that cannot be mended: the tree cannot be rebuilt.
    fn tree_lost(&mut self) {}
}

/// What the fold knows of the leaf before the next entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Leaf(Hash),
    Hidden,
}

/// The state between two lines of a bundle.
pub struct Fold<'g> {
    given: &'g Given,
    header: Option<Header>,
    checks: Checks,
    authority: Authority,
    range: Range,
    /// The tree cannot be rebuilt any more: a withheld run did not fit.
    tree_lost: bool,
    position: u64,
    before: Before,
    ledger: Option<Hash>,
    last_governance: Option<u64>,
    last_time: Option<Instant>,
    /// Until when, and by whose word, the whole tree was there.
    cosigned_by: Option<(Instant, String)>,
    witnessed: Option<Witnessed>,
    /// Leaves withheld so far.
    withheld: u64,
    last_leaf_shown: bool,
    /// Shown leaves that could not be read as events of this version.
    unread: Tight<u64>,
    /// Of these, some whose line could not be read, so that not even the event's hash is known.
    unhashed: bool,
    shown: u64,
    undisclosed: u64,
    newer: Option<String>,
    ordinals: Ordinals,
    salt: Salt,
    streams: Streams,
    events: Table,
    ids: Table,
    people: People,
    seals: Seals,
    seal_shown: bool,
    previous: Probed,
    probed: Probed,
    /// The evidence files with a hash, by their numbers.
    evidence_by_hash: HashMap<Hash, Vec<usize>>,
    evidence_found: Vec<bool>,
    evidence_faults: Vec<Option<(Place, u64)>>,
    surplus_told: bool,
}

impl<'g> Fold<'g> {
    /// Starts before the first leaf.
    pub fn new(given: &'g Given, header: Option<Header>) -> Fold<'g> {
        let witnessed = match (&header, &given.trust) {
            (Some(header), Some(trust)) if trust.asks_for_witnesses() => Some(trust.witnessed(&header.checkpoint)),
            _ => None,
        };
        let bound = witnessed.as_ref().and_then(Witnessed::bound);
        let cosigned_by = bound.map(|(time, witness)| (time, witness.label()));
        Fold {
            given,
            header,
            checks: Checks::default(),
            authority: Authority::default(),
            range: Range::new(),
            tree_lost: false,
            position: 0,
            before: Before::Leaf(Hash::ZERO),
            ledger: given.ledger,
            last_governance: None,
            last_time: None,
            cosigned_by,
            witnessed,
            withheld: 0,
            last_leaf_shown: false,
            unread: Tight::default(),
            unhashed: false,
            shown: 0,
            undisclosed: 0,
            newer: None,
            ordinals: Ordinals::default(),
            salt: Salt::random(),
            streams: Streams::default(),
            events: Table::default(),
            ids: Table::default(),
            people: People::default(),
            seals: Seals::default(),
            seal_shown: false,
            previous: Probed::default(),
            probed: Probed::default(),
            evidence_by_hash: by_hash(&given.evidence),
            evidence_found: vec![false; given.evidence.len()],
            evidence_faults: vec![None; given.evidence.len()],
            surplus_told: false,
        }
    }

    /// Notes a fault of the first line.
    pub fn header_fault(&mut self, fault: &Malformed) {
        self.malformed(Place::line(1), fault);
    }

    /// Notes that the first line states a newer version.
    pub fn header_newer(&mut self, version: i64) {
        let what = format!("bundle version {version}");
        let why = format!("{what} needs a newer version of this program");
        for code in Code::ALL {
            self.checks.undecide(code, Place::line(1), why.as_str());
        }
        self.newer = Some(what);
    }

    /// Notes that the file is damaged beyond this line: its compressed form cannot be read on.
    pub fn damaged(&mut self, line: u64, why: &str) {
        let fault = Fault::new("the file ends in damage", "readable data", why);
        self.checks.fail(Code::Format, Place::line(line), fault);
    }

    fn malformed(&mut self, place: Place, fault: &Malformed) {
        let fault = Fault::new(fault.path.clone(), fault.expected.clone(), fault.found.clone());
        self.checks.fail(Code::Format, place, fault);
    }

    /// The first line, if it could be read.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// How many leaves the checkpoint commits to, as far as there is one.
    fn size(&self) -> Option<u64> {
        self.header.as_ref().map(|header| header.checkpoint.size)
    }

    /// Takes the next line in.
    pub fn step(&mut self, prepared: Prepared, mut observer: Option<&mut (dyn Observer + '_)>) {
        let line = prepared.line;
        let lost_before = self.tree_lost;
        if !prepared.ended {
            let fault = Fault::new("the end of a line", "LF", "the end of the file");
            self.checks.fail(Code::Format, Place::line(line), fault);
        }
        if let Some(line) = prepared.stray_disclosure {
            let place = Place::line(line);
            let expected = "the entry that it belongs to before it";
            let fault = Fault::new("a disclosure on its own", expected, "no entry");
            self.checks.fail(Code::Format, place, fault.clone());
            self.checks.fail(Code::Disclosure, place, fault);
        }
        if matches!(prepared.item, Item::Leaf { .. } | Item::Withheld(_)) {
            self.settle_seals();
        }
        match prepared.item {
            Item::Other(fault) => self.malformed(Place::line(line), &fault),
            Item::Sealed(Ok(sealed)) => self.sealed_line(line, sealed),
            Item::Sealed(Err(fault)) => self.malformed(Place::line(line), &fault),
            Item::Withheld(Ok(withheld)) => self.hide(line, withheld, observer.as_deref_mut()),
            Item::Withheld(Err(fault)) => {
                self.malformed(Place::line(line), &fault);
                self.lose_tree();
                self.withheld = self.withheld.saturating_add(1);
                self.before = Before::Hidden;
            }
            Item::Leaf { hash, parsed, disclosed, strings, text } => {
                if self.tree_lost
                    && let Ok(parsed) = &*parsed
                {
                    self.position = self.position.max(parsed.entry.seq);
                }
                if self.surplus(line) {
                    return;
                }
                if let Some(observer) = observer.as_deref_mut() {
                    observer.leaf(self.position, hash, &text);
                }
                self.leaf(line, hash, *parsed, &disclosed, &strings, observer.as_deref_mut());
            }
        }
        if self.tree_lost
            && !lost_before
            && let Some(observer) = observer
        {
            observer.tree_lost();
        }
        self.come_by();
    }

    /// Whether the tree is complete already; a leaf more is told once.
    fn surplus(&mut self, line: u64) -> bool {
        let Some(size) = self.size() else {
            return false;
        };
        if self.position < size {
            return false;
        }
        if !self.surplus_told {
            self.surplus_told = true;
            let fault = Fault::new("more leaves than the checkpoint has", format!("{size} leaves"), "another one");
            self.checks.fail(Code::Format, Place::line(line), fault);
        }
        true
    }

    fn hide(&mut self, line: u64, withheld: Withheld, observer: Option<&mut (dyn Observer + '_)>) {
        if self.surplus(line) {
            return;
        }
        let place = Place::line(line);
        let fail = |checks: &mut Checks, detail: &str, expected: String, found: String| {
            checks.fail(Code::Format, place, Fault::new(detail, expected, found));
        };
        let end = withheld.start + withheld.leaves();
        if withheld.start != self.position || self.size().is_some_and(|size| end > size) {
            fail(
                &mut self.checks,
                "withheld leaves in order, within the tree",
                format!("leaves from {}", self.position),
                format!("{} to {end}", withheld.start),
            );
            self.lose_tree();
        }
        if withheld.start == 0 {
            let expected = "entry 0 shown".to_owned();
            fail(&mut self.checks, "entry 0", expected, "withheld".to_owned());
        }
        if self.header.as_ref().is_some_and(|h| h.scope == Scope::Full) {
            let found = format!("leaves {} to {end} withheld", withheld.start);
            let expected = "no withheld leaf in a full bundle".to_owned();
            fail(&mut self.checks, "scope full", expected, found);
        }
        if !self.tree_lost {
            self.range.push_subtree(withheld.height, withheld.hash);
            if let Some(observer) = observer {
                observer.withheld(withheld.height, withheld.hash);
            }
        }
        self.position = self.position.max(end.min(self.size().unwrap_or(end)));
        self.withheld = self.withheld.saturating_add(withheld.leaves());
        self.last_leaf_shown = false;
        self.before = if withheld.height == 0 { Before::Leaf(withheld.hash) } else { Before::Hidden };
    }

    /// Notes that leaves are missing in a way that cannot be mended: from here on entries stand where they say.
    fn lose_tree(&mut self) {
        self.tree_lost = true;
    }

    /// Remembers what the probes ask for when the position is theirs.
    fn come_by(&mut self) {
        if let Some(previous) = &self.given.previous
            && previous.size == self.position
            && !self.tree_lost
        {
            self.previous.root = Some(self.range.root());
            self.previous.log_key = self.authority.log_key.clone();
        }
        if let Some(probe) = &self.given.probe
            && probe.size == self.position
            && !self.tree_lost
        {
            self.probed.root = Some(self.range.root());
            self.probed.log_key = self.authority.log_key.clone();
        }
    }

    fn leaf(
        &mut self,
        line: u64,
        hash: Hash,
        parsed: Result<Parsed, Malformed>,
        disclosed: &Disclosed,
        strings: &[String],
        observer: Option<&mut (dyn Observer + '_)>,
    ) {
        let seq = self.position;
        let place = Place::entry(seq, line);
        self.shown += 1;
        self.last_leaf_shown = true;
        if self.given.probe.as_ref().is_some_and(|p| p.index == seq) {
            self.probed.leaf = Some(hash);
        }
        let ordinal = self.ordinals.push(seq);
        if ordinal.is_none() {
            let fault = Fault::new("entries shown", "at most 2^32 − 2", "another one");
            self.checks.fail(Code::Format, place, fault);
        }
        if !self.tree_lost {
            self.range.push(hash);
        }
        self.disclosures(place, disclosed);
        match parsed {
            Ok(parsed) => self.entry(place, seq, &parsed, strings, observer),
            Err(fault) => {
                self.malformed(place, &fault);
                self.unhashed = true;
                self.unread(place, seq, None, "the entry could not be read");
                self.checks.undecide(Code::Chain, place, "the entry could not be read");
            }
        }
        self.before = Before::Leaf(hash);
        self.position += 1;
    }

    fn disclosures(&mut self, place: Place, disclosed: &Disclosed) {
        self.undisclosed += disclosed.undisclosed;
        let at = |line: u64| Place { line: if line == 0 { place.line } else { Some(line) }, ..place };
        if let Some((line, fault)) = &disclosed.malformed {
            self.malformed(at(*line), fault);
        }
        if let Some((line, expected, found)) = &disclosed.fault {
            let fault = Fault::new("a disclosure", expected.as_str(), found.as_str());
            self.checks.fail(Code::Disclosure, at(*line), fault);
        }
    }

    /// Notes a leaf whose event is unknown: the checks that need it cannot be decided.
    fn unread(&mut self, place: Place, seq: u64, event: Option<EventHash>, why: &str) {
        for code in [Code::Ledger, Code::Key, Code::Policy, Code::Stream, Code::Pointers, Code::Time, Code::Disclosure]
        {
            self.checks.undecide(code, place, why);
        }
        self.unread.push(seq);
        if let (Some(event), Some(ordinal)) = (event, self.ordinals.ordinal(seq)) {
            let key = self.salt.key(&[event.0.as_bytes()]);
            self.events.insert(key, ordinal);
        }
        self.streams.push_unknown();
        self.people.push_unknown();
    }

    fn is_unread(&self, seq: u64) -> bool {
        self.unread.as_slice().binary_search(&seq).is_ok()
    }

    /// Whether an earlier leaf may hold anything at all: it is withheld, or could not be read.
    fn something_hidden(&self) -> bool {
        self.withheld > 0 || !self.unread.is_empty()
    }
}

fn by_hash(files: &[EvidenceFile]) -> HashMap<Hash, Vec<usize>> {
    let mut map: HashMap<Hash, Vec<usize>> = HashMap::new();
    for (at, file) in files.iter().enumerate() {
        map.entry(file.sha256).or_default().push(at);
    }
    map
}
