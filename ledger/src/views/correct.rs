//! Corrections, weighed as [`crate::book`] does it: one takes effect if whoever signed what rests on the corrected
//! statement, and did not sign that statement, signed the correction too (DOMAIN §1.6).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::ViewError;
use super::apply::Applier;
use super::items::{decode, record};
use super::key::{Key, Parts};
use super::kv::{Family, Reads};
use super::reading::{LineOf, lines_described};
use crate::book::{Effect, rests};
use crate::facts::Statement;
use crate::hash::EventHash;
use crate::id::{Author, PartyId, Seq, StreamId};
use crate::rule::CORRECTION;

/// What a correction came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Weighed {
    /// Who signed statements that rest on the corrected one and did not sign the correction: empty when it took effect.
    pub(super) against: Vec<Author>,
    /// Entries of theirs that rest on the corrected one, in order.
    pub(super) rests: Vec<Seq>,
}

/// Returns the key of what a correction came to.
pub(super) fn key(target: Seq, correction: Seq) -> Vec<u8> {
    Key::of(b'X').seq(target).seq(correction).done()
}

/// Reads the corrected entry and the correction out of a key.
pub(super) fn of_key(key: &[u8]) -> Option<(Seq, Seq)> {
    let mut parts = Parts::of(key);
    parts.seq().zip(parts.seq())
}

/// Returns a statement as it stands: with the body of the latest correction in effect; `None` where it is annulled.
pub(super) fn standing(applier: &Applier<'_>, original: &Statement) -> Result<Option<Statement>, ViewError> {
    let (from, end) = Key::of(b'X').seq(original.seq).range();
    let mut latest = None;
    applier.over.scan(Family::Records, &from, &end, &mut |key, value| {
        let weighed: Weighed = decode(key, value)?;
        if weighed.against.is_empty() {
            latest = of_key(key).map(|(_, correction)| correction);
        }
        Ok(true)
    })?;
    let mut statement = original.clone();
    let Some(latest) = latest else { return Ok(Some(statement)) };
    let stands = Effect::of(&applier.statement(latest)?).put_on(&mut statement);
    Ok(stands.then_some(statement))
}

/// Finds who signed what rests on a statement, before the correction, and did not sign that.
pub(super) fn weigh(applier: &Applier<'_>, original: &Statement, correction: &Statement) -> Result<Weighed, ViewError> {
    let own = acting(applier, &original.signers)?;
    let agree = acting(applier, &correction.signers)?;
    let mut above = Above { applier, before: correction.seq, streams: HashMap::new(), read: BTreeSet::new() };
    let (mut open, mut seen) = (BTreeSet::from([original.seq]), BTreeSet::from([original.seq]));
    let (mut against, mut resting) = (BTreeSet::new(), BTreeSet::new());
    // the earliest first: who names a line is read once, from the earliest that describes it
    while let Some(under) = open.pop_first() {
        for seq in above.directly(under)? {
            if !seen.insert(seq) {
                continue;
            }
            open.insert(seq);
            let Some(header) = applier.entry(seq)?.filter(|header| header.kind.as_str() != CORRECTION) else {
                continue;
            };
            let signers = acting(applier, &header.signers)?;
            let mut foreign = signers.into_iter().filter(|who| !own.contains(who) && !agree.contains(who)).peekable();
            if foreign.peek().is_some() {
                resting.insert(seq);
                against.extend(foreign);
            }
        }
    }
    Ok(Weighed { against: against.into_iter().collect(), rests: resting.into_iter().collect() })
}

fn acting(applier: &Applier<'_>, signers: &[Author]) -> Result<BTreeSet<Author>, ViewError> {
    let mut found = BTreeSet::new();
    for who in signers {
        let mut last = who.clone();
        // succession is refused in a circle; the bound keeps a faulty ledger finite
        for _ in 0..1_000 {
            let Author::Party(party) = &last else { break };
            let key = Key::of(b'H').text(party.as_str()).done();
            let Some(next) = record::<PartyId>(&applier.over, Family::Records, &key)? else { break };
            last = Author::Party(next);
        }
        found.insert(last);
    }
    Ok(found)
}

/// Finds what rests directly on a statement.
struct Above<'a, 'b> {
    applier: &'a Applier<'b>,
    before: Seq,
    /// Of each stream that was looked at, the entries that follow an event.
    streams: HashMap<StreamId, BTreeMap<EventHash, Vec<Seq>>>,
    /// Lines of which it was read who names them.
    read: BTreeSet<LineOf>,
}

impl Above<'_, '_> {
    fn directly(&mut self, under: Seq) -> Result<BTreeSet<Seq>, ViewError> {
        let Some(header) = self.applier.entry(under)? else { return Ok(BTreeSet::new()) };
        let mut found: BTreeSet<Seq> = BTreeSet::new();
        found.extend(self.following(header.stream(), &header.event)?);
        let before = self.before;
        let mut take = |range: (Vec<u8>, Vec<u8>)| {
            self.applier.over.scan(Family::Index, &range.0, &range.1, &mut |key, _| {
                found.extend(key.last_chunk::<8>().map(|seq| Seq(u64::from_be_bytes(*seq))));
                Ok(true)
            })
        };
        take(Key::of(b'n').fixed(header.event.as_bytes()).range())?;
        for line in lines_described(&self.applier.statement(under)?) {
            if !self.read.insert(line.clone()) {
                continue;
            }
            let (case, subject, line) = line;
            take(Key::of(b'l').text(case.as_str()).text(subject.as_str()).text(&line).range())?;
        }
        let mut resting = BTreeSet::new();
        for seq in found.into_iter().filter(|seq| under < *seq && *seq < before) {
            if self.applier.entry(seq)?.is_some_and(|header| rests(header.kind.as_str())) {
                resting.insert(seq);
            }
        }
        Ok(resting)
    }

    fn following(&mut self, stream: StreamId, event: &EventHash) -> Result<Vec<Seq>, ViewError> {
        if !self.streams.contains_key(&stream) {
            let mut after: BTreeMap<EventHash, Vec<Seq>> = BTreeMap::new();
            let mut from = Seq(0);
            loop {
                let seqs = self.applier.store.stream_seqs(&stream, from, 1_024)?;
                let Some(last) = seqs.last() else { break };
                from = Seq(last.0 + 1);
                for seq in seqs.into_iter().filter(|seq| *seq < self.before) {
                    if let Some(event) = self.applier.entry(seq)?.and_then(|header| header.after) {
                        after.entry(event).or_default().push(seq);
                    }
                }
                if from >= self.before {
                    break;
                }
            }
            self.streams.insert(stream.clone(), after);
        }
        Ok(self.streams.get(&stream).and_then(|after| after.get(event)).cloned().unwrap_or_default())
    }
}
