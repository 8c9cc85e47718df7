//! Streams, `after` and the three pointers (SPEC §3, §5; checks STREAM and POINTERS).

use super::Fold;
use crate::checks::{Code, Fault, Place};
use crate::entry::Entry;
use crate::event::Event;
use crate::hash::EventHash;
use crate::index::{Key, Salt, Table, Tight};
use crate::judge::Start;

const UNKNOWN: u32 = u32::MAX;

/// Heads of the streams seen so far, and the stream of each shown entry.
#[derive(Default)]
pub(super) struct Streams {
    numbers: Table,
    /// Ordinal of the latest entry of each stream.
    heads: Tight<u32>,
    /// Stream of each entry, by ordinal.
    of_entry: Tight<u32>,
}

/// A stream as an entry finds it.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    key: Key,
    number: Option<u32>,
    /// Ordinal of its latest entry.
    pub(super) head: Option<u32>,
}

impl Stream {
    /// Its number, unless it has no entry yet.
    pub(super) fn number(&self) -> Option<u32> {
        self.number
    }
}

impl Streams {
    /// The stream of a case (or none) and a subject.
    pub(super) fn find(&self, salt: &Salt, case: Option<&str>, subject: &str) -> Stream {
        let (tag, case): (&[u8], _) = match case {
            None => (b"-", ""),
            Some(case) => (b"c", case),
        };
        let key = salt.key(&[tag, case.as_bytes(), subject.as_bytes()]);
        let number = self.numbers.get(key);
        Stream { key, number, head: number.map(|number| self.heads.as_slice()[number as usize]) }
    }

    /// The stream of an entry; `None` where it could not be read.
    pub(super) fn of(&self, ordinal: u32) -> Option<u32> {
        let number = *self.of_entry.as_slice().get(ordinal as usize)?;
        (number != UNKNOWN).then_some(number)
    }

    /// Whether an entry is in a stream; `None` where it could not be read.
    pub(super) fn holds(&self, stream: &Stream, ordinal: u32) -> Option<bool> {
        self.of(ordinal).map(|number| stream.number == Some(number))
    }

    /// Notes an entry of a stream; answers the stream's number.
    pub(super) fn push(&mut self, stream: &Stream, ordinal: u32) -> u32 {
        let number = match stream.number {
            Some(number) => {
                self.heads.as_mut_slice()[number as usize] = ordinal;
                number
            }
            None => {
                let number = u32::try_from(self.heads.len()).unwrap_or(UNKNOWN);
                self.heads.push(ordinal);
                self.numbers.insert(stream.key, number);
                number
            }
        };
        self.of_entry.push(number);
        number
    }

    pub(super) fn push_unknown(&mut self) {
        self.of_entry.push(UNKNOWN);
    }
}

fn seq_text(seq: Option<u64>) -> String {
    seq.map_or_else(|| "null".to_owned(), |seq| seq.to_string())
}

/// A pointer that does not agree with what is shown.
enum Disagreement {
    /// It is false.
    False,
    /// What it points at is withheld or could not be read.
    Unknown(&'static str),
}

impl Fold<'_> {
    pub(super) fn head_seq(&self, stream: &Stream) -> Option<u64> {
        stream.head.map(|ordinal| self.ordinals.seq(ordinal))
    }

    /// Whether an event starts its stream, for the rules on starts (SPEC §3, §8).
    pub(super) fn start(&self, event: &Event, stream: &Stream) -> Start {
        // every ledger and party entry is shown, in an extract too
        let always_shown = matches!(event.subject.kind(), "ledger" | "party");
        match stream.head {
            Some(_) => Start::Continues,
            // it says itself that it starts
            None if event.after.is_none() || always_shown || !self.something_hidden() => Start::Starts,
            None => Start::Unknown,
        }
    }

    /// `after` (SPEC §3) and the id.
    pub(super) fn check_stream(&mut self, place: Place, entry: &Entry, event: &Event, stream: &Stream) {
        let verdict = match event.after {
            None => self.starts_stream(entry, stream),
            Some(after) => self.follows(after, entry, event, stream),
        };
        match verdict {
            Ok(None) => {}
            Ok(Some(why)) => self.checks.undecide(Code::Stream, place, why),
            Err(fault) => self.checks.fail(Code::Stream, place, fault),
        }
        let key = self.salt.key(&[event.author.as_bytes(), event.id.as_bytes()]);
        let Some(ordinal) = self.ordinals.ordinal(self.position) else {
            return;
        };
        if let Some(first) = self.ids.insert(key, ordinal) {
            let fault = Fault::new(
                "an id that its author used before",
                format!("an id new to {}", event.author),
                format!("{} again, as in entry {}", event.id, self.ordinals.seq(first)),
            );
            self.checks.fail(Code::Stream, place, fault);
        }
    }

    fn starts_stream(&self, entry: &Entry, stream: &Stream) -> Result<Option<&'static str>, Fault> {
        let fault = |seq: u64| {
            Err(Fault::new(
                "after is null where the stream goes on",
                format!("after: the hash of an earlier event, such as that of entry {seq}"),
                "null",
            ))
        };
        match (self.head_seq(stream), entry.stream) {
            (Some(head), _) => fault(head),
            (None, _) if !self.something_hidden() => Ok(None),
            // the entry itself points at an earlier one of its stream
            (None, Some(earlier)) if earlier < self.position => fault(earlier),
            _ => Ok(Some("a stream starts after leaves that are not shown, and may have started there")),
        }
    }

    fn follows(
        &self,
        after: EventHash,
        entry: &Entry,
        event: &Event,
        stream: &Stream,
    ) -> Result<Option<&'static str>, Fault> {
        let must_be_head = matches!(event.subject.kind(), "ledger" | "case");
        let fault = |found: &str| {
            let expected = match (must_be_head, self.head_seq(stream)) {
                (true, Some(head)) => format!("the head of the stream, entry {head}"),
                (true, None) => "null, as the stream starts here".to_owned(),
                (false, _) => "an earlier event of the same stream".to_owned(),
            };
            Err(Fault::new(format!("after {after}"), expected, found))
        };
        let key = self.salt.key(&[after.0.as_bytes()]);
        let Some(ordinal) = self.events.get(key) else {
            let says_it_starts = entry.stream.is_none();
            let head_known = must_be_head && stream.head.is_some() && entry.stream == self.head_seq(stream);
            let hidden = self.withheld > 0 || self.unhashed;
            return if !hidden || says_it_starts || head_known {
                fault("no such event before it")
            } else {
                Ok(Some("after names an event that is not shown"))
            };
        };
        match self.streams.holds(stream, ordinal) {
            None => Ok(Some("after names an event that could not be read")),
            Some(false) => fault(&format!("the event of entry {}, in another stream", self.ordinals.seq(ordinal))),
            Some(true) if must_be_head && stream.head != Some(ordinal) => {
                fault(&format!("the event of entry {}, which is not the head", self.ordinals.seq(ordinal)))
            }
            Some(true) => Ok(None),
        }
    }

    /// The pointer to the latest governance or party entry, which needs no event.
    pub(super) fn check_governance_pointer(&mut self, place: Place, entry: &Entry) {
        let expected = self.last_governance;
        self.check_pointer(place, "governance", expected, entry.governance, false);
    }

    /// The pointers to the case and to the stream.
    pub(super) fn check_pointers(&mut self, place: Place, entry: &Entry, event: &Event, stream: &Stream) {
        let case_head = event.case.as_deref().and_then(|case| {
            let subject = format!("case/{case}");
            self.head_seq(&self.streams.find(&self.salt, Some(case), &subject))
        });
        self.check_pointer(place, "case", case_head, entry.case, false);
        let head = self.head_seq(stream);
        self.check_pointer(place, "stream", head, entry.stream, true);
    }

    fn check_pointer(
        &mut self,
        place: Place,
        name: &str,
        expected: Option<u64>,
        found: Option<u64>,
        may_be_hidden: bool,
    ) {
        if expected == found {
            return;
        }
        match self.disagreement(expected, found, may_be_hidden) {
            Disagreement::Unknown(why) => {
                let why = format!("{name} points at {}, {why}", seq_text(found));
                self.checks.undecide(Code::Pointers, place, why);
            }
            Disagreement::False => {
                let withheld = found.is_some_and(|seq| seq < self.position && self.ordinals.ordinal(seq).is_none());
                let found = if withheld { format!("{}, which is withheld", seq_text(found)) } else { seq_text(found) };
                let detail = format!("the pointer `{name}`");
                let fault = Fault::new(detail, seq_text(expected), found);
                self.checks.fail(Code::Pointers, place, fault);
            }
        }
    }

    fn disagreement(&self, expected: Option<u64>, found: Option<u64>, may_be_hidden: bool) -> Disagreement {
        let Some(found) = found.filter(|found| *found < self.position) else {
            return Disagreement::False;
        };
        if expected.is_some_and(|head| head > found) {
            return Disagreement::False;
        }
        if self.is_unread(found) {
            return Disagreement::Unknown("which could not be read");
        }
        if may_be_hidden && self.ordinals.ordinal(found).is_none() {
            return Disagreement::Unknown("which is withheld");
        }
        Disagreement::False
    }
}
