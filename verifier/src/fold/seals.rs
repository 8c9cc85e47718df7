//! Seals and `sealed` lines (SPEC §15; check SEAL).
//!
//! Of each stream its key, its head and how many events it has are kept; trees only from the first seal on, and then
//! only what changed between two seals is hashed again.

use std::collections::{HashMap, HashSet};

use super::Fold;
use crate::checks::{Code, Fault, Outcome, Place};
use crate::entry::Entry;
use crate::event::Event;
use crate::hash::{EventHash, Hash, sha256};
use crate::header::Scope;
use crate::index::{Salt, Table, Tight};
use crate::keyed_tree::{Branches, Node, Pairs};
use crate::seal::{MAX_SEALED_LINES, SealBody, SealedLine, absent, climb, pair, record};
use crate::time::Instant;

/// What a `sealed` line proved: all events of a case or a stream before a seal are shown, or there was none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// The seal.
    pub seq: u64,
    /// When the seal was recorded.
    pub time: Instant,
    /// The case; `None` for the streams without one.
    pub case: Option<String>,
    /// The subject; `None` for all streams of the case.
    pub subject: Option<String>,
    /// How many events there were before the seal; all are shown.
    pub events: u64,
    /// How many events of it are shown from the seal on, where more may be withheld.
    pub since: u64,
}

impl Sealed {
    /// Whether it is of all that a label names.
    fn covers(&self, scope: &Scope) -> bool {
        let (case, subject) = match scope {
            Scope::Case(case) => (case, None),
            Scope::Stream(case, subject) => (case, Some(subject)),
            Scope::Full | Scope::Since(_) => return false,
        };
        self.case.as_ref() == Some(case) && (self.subject.is_none() || self.subject.as_ref() == subject)
    }
}

/// A shown stream.
struct Stream {
    key: Hash,
    head: EventHash,
    case: u32,
    events: u32,
}

/// A case with a stream that is shown.
struct CaseTree {
    key: Hash,
    streams: Node,
    /// The root over `streams`, unless `stale`.
    root: Hash,
    events: u64,
    stale: bool,
}

/// The streams as pairs of the trees of their cases.
struct StreamPairs<'s> {
    streams: &'s [Stream],
    spoken: &'s HashMap<u32, (u64, EventHash)>,
}

impl Pairs for StreamPairs<'_> {
    fn key(&self, number: u32) -> &Hash {
        &self.streams[number as usize].key
    }

    fn hash(&self, number: u32) -> Hash {
        let stream = &self.streams[number as usize];
        let spoken = self.spoken.get(&number).copied();
        pair(&stream.key, &record(u64::from(stream.events), stream.head, spoken))
    }
}

/// The cases as pairs of the tree of a seal.
struct CasePairs<'s>(&'s [CaseTree]);

impl Pairs for CasePairs<'_> {
    fn key(&self, number: u32) -> &Hash {
        &self.0[number as usize].key
    }

    fn hash(&self, number: u32) -> Hash {
        let case = &self.0[number as usize];
        pair(&case.key, &case.root)
    }
}

/// An event that counts for the seals after it, and not for the `sealed` lines that follow it.
struct Waiting {
    stream: u32,
    /// The case, and the key of the subject, of a stream that starts.
    starts: Option<(Option<String>, Hash)>,
    event: EventHash,
    /// The stream that it speaks of.
    speaks_of: Option<u32>,
}

/// The seal after which the next line stands.
struct After {
    seq: u64,
    time: Instant,
    /// Unless its form is wrong.
    root: Option<Hash>,
    /// What `sealed` lines have asked so far.
    asked: HashSet<(Option<String>, Option<String>)>,
}

/// What the line before is, for a `sealed` line.
enum Last {
    Seal(After),
    /// Of a newer format: a seal perhaps.
    Unknown,
    Other,
}

/// What the streams shown so far come to.
pub(super) struct Seals {
    streams: Tight<Stream>,
    spoken: HashMap<u32, (u64, EventHash)>,
    case_numbers: Table,
    cases: Tight<CaseTree>,
    /// Cases of which a stream has changed; empty before the first seal.
    changed: Vec<u32>,
    within: Branches,
    over: Branches,
    root: Node,
    /// From the first seal on there are trees.
    built: bool,
    waiting: Option<Waiting>,
    last: Last,
    lines: u32,
    pub(super) found: Vec<Sealed>,
}

impl Default for Seals {
    fn default() -> Seals {
        Seals {
            streams: Tight::default(),
            spoken: HashMap::new(),
            case_numbers: Table::default(),
            cases: Tight::default(),
            changed: Vec::new(),
            within: Branches::default(),
            over: Branches::default(),
            root: Node::EMPTY,
            built: false,
            waiting: None,
            last: Last::Other,
            lines: 0,
            found: Vec::new(),
        }
    }
}

/// The key of a case: that of the streams without one is of the empty text.
fn case_key(case: Option<&str>) -> Hash {
    sha256(&[case.unwrap_or_default().as_bytes()])
}

impl Seals {
    /// Lets the entry before take effect, now that another leaf follows or none does.
    fn settle(&mut self, salt: &Salt) {
        self.last = Last::Other;
        let Some(waiting) = self.waiting.take() else { return };
        if let Some((case, key)) = waiting.starts {
            let case = self.case(salt, case.as_deref());
            self.streams.push(Stream { key, head: waiting.event, case, events: 0 });
        }
        if let Some(stream) = self.streams.as_mut_slice().get_mut(waiting.stream as usize) {
            stream.head = waiting.event;
            stream.events += 1;
            self.cases.as_mut_slice()[stream.case as usize].events += 1;
            self.touch(waiting.stream);
        }
        if let Some(stream) = waiting.speaks_of {
            let spoken = self.spoken.entry(stream).or_insert((0, waiting.event));
            *spoken = (spoken.0 + 1, waiting.event);
            self.touch(stream);
        }
    }

    fn case(&mut self, salt: &Salt, case: Option<&str>) -> u32 {
        let key = case_key(case);
        let salted = salt.key(&[key.as_bytes()]);
        if let Some(number) = self.case_numbers.get(salted) {
            return number;
        }
        // a case comes with a stream, so there are no more of them than numbers
        let number = u32::try_from(self.cases.len()).unwrap_or(u32::MAX);
        self.cases.push(CaseTree { key, streams: Node::EMPTY, root: Hash::ZERO, events: 0, stale: false });
        self.case_numbers.insert(salted, number);
        number
    }

    /// Notes that the record of a stream is another.
    fn touch(&mut self, stream: u32) {
        if !self.built {
            return;
        }
        let pairs = StreamPairs { streams: self.streams.as_slice(), spoken: &self.spoken };
        let number = pairs.streams[stream as usize].case;
        let case = &mut self.cases.as_mut_slice()[number as usize];
        case.streams = self.within.put(case.streams, stream, &pairs);
        if !case.stale {
            case.stale = true;
            self.changed.push(number);
        }
    }

    /// Makes the trees, or brings them up to date.
    fn refresh(&mut self) {
        if !self.built {
            self.built = true;
            for stream in (0..).take(self.streams.len()) {
                self.touch(stream);
            }
        }
        let pairs = StreamPairs { streams: self.streams.as_slice(), spoken: &self.spoken };
        for number in std::mem::take(&mut self.changed) {
            let case = &mut self.cases.as_mut_slice()[number as usize];
            case.root = self.within.root(case.streams, &pairs);
            case.stale = false;
            self.root = self.over.put(self.root, number, &CasePairs(self.cases.as_slice()));
        }
    }

    /// The number of a stream that has an event before the seal.
    fn stream(&self, number: Option<u32>) -> Option<&Stream> {
        self.streams.as_slice().get(number? as usize)
    }

    fn case_shown(&self, salt: &Salt, case: Option<&str>) -> Option<&CaseTree> {
        let number = self.case_numbers.get(salt.key(&[case_key(case).as_bytes()]))?;
        self.cases.as_slice().get(number as usize)
    }

    /// The root that a `sealed` line leads to and how many events it covers.
    fn climb(&self, salt: &Salt, line: &SealedLine, stream: Option<u32>) -> Result<(Hash, u64), &'static str> {
        const NEEDED: &str = "nothing of it is shown, and the line does not say that it is not there";
        let key = case_key(line.case.as_deref());
        let shown = self.case_shown(salt, line.case.as_deref());
        let instead = |key: &Hash, way: &[Hash]| {
            let instead = line.instead.ok_or(NEEDED)?;
            absent(key, instead, way.len()).ok_or("the pair in its place is not another on the same way")
        };
        let (end, events) = match (&line.subject, &line.within) {
            (Some(subject), Some(within)) => {
                let subject = sha256(&[subject.as_bytes()]);
                let (end, events) = match stream.zip(self.stream(stream)) {
                    Some(_) if line.instead.is_some() => {
                        return Err("it is shown, and the line says that it is not there");
                    }
                    Some((number, stream)) => {
                        let pairs = StreamPairs { streams: self.streams.as_slice(), spoken: &self.spoken };
                        (pairs.hash(number), u64::from(stream.events))
                    }
                    None => (instead(&subject, within)?, 0),
                };
                (pair(&key, &climb(&subject, end, within)), events)
            }
            _ => match shown {
                Some(_) if line.instead.is_some() => return Err("it is shown, and the line says that it is not there"),
                Some(_) if line.subject.is_some() => {
                    return Err("its case is shown, and the line says that it has no stream");
                }
                Some(case) => (pair(&key, &case.root), case.events),
                None => (instead(&key, &line.path)?, 0),
            },
        };
        Ok((climb(&key, end, &line.path), events))
    }
}

impl Fold<'_> {
    /// Called before each leaf, shown or not, and at the end.
    pub(super) fn settle_seals(&mut self) {
        self.seals.settle(&self.salt);
    }

    /// Notes that the line before a `sealed` line may be a seal that this version cannot read.
    pub(super) fn newer_before_sealed(&mut self) {
        self.seals.last = Last::Unknown;
    }

    /// Keeps an event for the seals after it.
    pub(super) fn keep_for_seals(&mut self, event: &Event, hash: EventHash, stream: u32, starts: bool) {
        if stream >= Branches::MOST {
            return;
        }
        let about = event.about.and_then(|about| self.events.get(self.salt.key(&[about.0.as_bytes()])));
        let starts = starts.then(|| (event.case.clone(), sha256(&[event.subject.as_str().as_bytes()])));
        let speaks_of = about.and_then(|ordinal| self.streams.of(ordinal)).filter(|stream| *stream < Branches::MOST);
        self.seals.waiting = Some(Waiting { stream, starts, event: hash, speaks_of });
    }

    /// What a seal says of itself and, where everything before it is shown, of the streams.
    pub(super) fn check_seal(&mut self, place: Place, entry: &Entry, event: &Event) {
        let Some(body) = event.seal.as_deref() else { return };
        let wrong = match body {
            Err(fault) => Some(Fault::new(fault.path.as_str(), fault.expected.as_str(), fault.found.as_str())),
            Ok(_) if event.case.is_some() => Some(Fault::new("the case of a seal", "none", "one")),
            Ok(_) if event.subject.kind() != "seal" => {
                Some(Fault::new("the subject of a seal", "seal/id", event.subject.as_str()))
            }
            Ok(body) if body.size != entry.seq => {
                Some(Fault::new("the size in a seal", entry.seq.to_string(), body.size.to_string()))
            }
            Ok(_) => None,
        };
        self.seal_shown = true;
        let root = body.as_ref().ok().map(|body| body.root).filter(|_| wrong.is_none());
        self.seals.last = Last::Seal(After { seq: entry.seq, time: entry.time, root, asked: HashSet::new() });
        match (wrong, body) {
            (Some(fault), _) => self.checks.fail(Code::Seal, place, fault),
            (None, Ok(body)) => self.check_streams(place, body),
            (None, Err(_)) => {}
        }
    }

    fn check_streams(&mut self, place: Place, body: &SealBody) {
        if !self.unread.is_empty() {
            let why = "which streams the entries before a seal have: one of them could not be read";
            self.checks.undecide(Code::Seal, place, why);
            return;
        }
        self.seals.refresh();
        if self.withheld > 0 {
            return;
        }
        let streams = self.seals.streams.len() as u64;
        let root = self.seals.over.root(self.seals.root, &CasePairs(self.seals.cases.as_slice()));
        if body.streams != streams {
            let fault = Fault::new("how many streams a seal counts", streams.to_string(), body.streams.to_string());
            self.checks.fail(Code::Seal, place, fault);
        } else if body.root != root {
            let fault = Fault::new("the root of a seal over all streams", root.to_string(), body.root.to_string());
            self.checks.fail(Code::Seal, place, fault);
        }
    }

    /// A `sealed` line.
    pub(super) fn sealed_line(&mut self, number: u64, line: SealedLine) {
        let misplaced = |checks: &mut crate::checks::Checks, detail: &str, expected: &str, found: &str| {
            checks.fail(Code::Format, Place::line(number), Fault::new(detail, expected, found));
        };
        self.seals.lines = self.seals.lines.saturating_add(1);
        if self.seals.lines > MAX_SEALED_LINES {
            let expected = format!("at most {MAX_SEALED_LINES} sealed lines");
            return misplaced(&mut self.checks, "a sealed line", &expected, "another one");
        }
        let (seq, time, root) = match &mut self.seals.last {
            Last::Unknown => return,
            Last::Other => {
                return misplaced(&mut self.checks, "a sealed line", "a seal before it", "none");
            }
            Last::Seal(after) => {
                if !after.asked.insert((line.case.clone(), line.subject.clone())) {
                    return misplaced(&mut self.checks, "a sealed line", "each case and subject once", "one again");
                }
                (after.seq, after.time, after.root)
            }
        };
        let place = Place::entry(seq, number);
        if !self.unread.is_empty() {
            let why = "whether all is shown before a seal: an entry before it could not be read";
            return self.checks.undecide(Code::Seal, place, why);
        }
        // a seal of another form has failed already
        let Some(root) = root else { return };
        let stream = line
            .subject
            .as_ref()
            .and_then(|subject| self.streams.find(&self.salt, line.case.as_deref(), subject).number());
        let fault = match self.seals.climb(&self.salt, &line, stream) {
            Err(why) => {
                Fault::new(format!("all of {} before entry {seq}", what(&line)), "a line that fits what is shown", why)
            }
            Ok((found, events)) if found == root => {
                let SealedLine { case, subject, .. } = line;
                self.seals.found.push(Sealed { seq, time, case, subject, events, since: 0 });
                return;
            }
            Ok((found, _)) => {
                let detail = format!("all of {} before entry {seq}: something is left out or was changed", what(&line));
                Fault::new(detail, format!("root {root}"), format!("root {found}"))
            }
        };
        self.checks.fail(Code::Seal, place, fault);
    }

    /// What only the whole bundle decides of seals; answers the latest seal before which all of the label is shown.
    pub(super) fn finish_seals(&mut self) -> Option<u64> {
        self.settle_seals();
        for at in 0..self.seals.found.len() {
            let sealed = &self.seals.found[at];
            let events = match &sealed.subject {
                None => self.seals.case_shown(&self.salt, sealed.case.as_deref()).map_or(0, |case| case.events),
                Some(subject) => {
                    let number = self.streams.find(&self.salt, sealed.case.as_deref(), subject).number();
                    self.seals.stream(number).map_or(0, |stream| u64::from(stream.events))
                }
            };
            self.seals.found[at].since = events - self.seals.found[at].events;
        }
        let whole = self.header.as_ref().and_then(|header| {
            let of_it = self.seals.found.iter().filter(|sealed| sealed.covers(&header.scope));
            of_it.map(|sealed| sealed.seq).max()
        });
        let outcome = self.checks.row(Code::Seal).outcome;
        if self.withheld > 0 && whole.is_none() {
            let why = "no seal shows that nothing of what the file is labelled with is left out";
            self.checks.undecide(Code::Seal, Place::default(), why);
        } else if self.withheld == 0 && !self.seal_shown && outcome == Outcome::Ok {
            self.checks.not_applicable(Code::Seal, "no seal is shown");
        }
        whole.filter(|_| self.checks.row(Code::Seal).outcome == Outcome::Ok)
    }
}

fn what(line: &SealedLine) -> String {
    let case = match &line.case {
        Some(case) => format!("case {case}"),
        None => "what has no case".to_owned(),
    };
    match &line.subject {
        Some(subject) => format!("{subject} of {case}"),
        None => case,
    }
}
