//! One entry against the state before it.

use std::collections::HashSet;

use super::{Before, Fold, Judged, Observer};
use crate::act::{Act, MAX_CASE_PARTIES};
use crate::authority::CaseRecord;
use crate::capacity::Capacity;
use crate::checks::{Code, Fault, Place};
use crate::event::{Event, EventError, Occurred};
use crate::fields::Malformed;
use crate::hash::EventHash;
use crate::judge::{Case, Corrected, Judged as Judgement};
use crate::prepare::{Parsed, Verdict};
use crate::signing::{CorrectedKind, Introduced, Signing, check_keyid, resolve};
use crate::time::{Instant, SECOND};

use super::streams::Stream;

/// How far an entry's time may be beyond the newest cosignature (SPEC §13).
const WITNESS_SLACK: i64 = 300 * SECOND;

/// Whether an entry's time is beyond that of a cosignature over a tree that has the entry.
pub(crate) fn beyond_cosignature(time: Instant, cosigned: Instant, witness: &str) -> Option<Fault> {
    let limit = cosigned.plus(WITNESS_SLACK);
    let expected = || format!("{limit} or earlier: {witness} cosigned at {cosigned}");
    (time > limit).then(|| Fault::new("a time beyond what a witness saw", expected(), time.to_string()))
}

impl Fold<'_> {
    pub(super) fn entry(
        &mut self,
        place: Place,
        seq: u64,
        parsed: &Parsed,
        strings: &[String],
        observer: Option<&mut (dyn Observer + '_)>,
    ) {
        let entry = &parsed.entry;
        if entry.seq != seq {
            let fault = Fault::new("seq", seq.to_string(), entry.seq.to_string());
            self.checks.fail(Code::Format, place, fault);
        }
        match self.before {
            Before::Leaf(hash) if hash != entry.prev => {
                let detail = match seq.checked_sub(1) {
                    Some(before) => format!("prev is not the leaf hash of entry {before}: one of the two was changed"),
                    None => "prev of entry 0".to_owned(),
                };
                let fault = Fault::new(detail, hash.to_string(), entry.prev.to_string());
                self.checks.fail(Code::Chain, place, fault);
            }
            Before::Leaf(_) => {}
            Before::Hidden => {
                let why = "the leaf before it is withheld";
                self.checks.undecide(Code::Chain, place, why);
            }
        }
        if seq == 0 {
            self.ledger_start(place, parsed.event_hash);
        }
        match &parsed.event {
            Ok(event) => match self.misplaced(seq, event) {
                None => self.event(place, seq, parsed, event, strings, observer),
                Some(fault) => self.unread_event(place, seq, parsed, &EventError::Malformed(fault)),
            },
            Err(error) => self.unread_event(place, seq, parsed, error),
        }
        self.last_time = Some(entry.time);
    }

    /// An event that fails FORMAT, or that a newer version made, is judged no further (SPEC §13).
    fn unread_event(&mut self, place: Place, seq: u64, parsed: &Parsed, error: &EventError) {
        let why = match error {
            EventError::Newer(what) => {
                let why = format!("{what} needs a newer version of this program");
                self.checks.undecide(Code::Format, place, why.as_str());
                self.newer.get_or_insert_with(|| what.clone());
                self.checks.newer_at(seq);
                self.newer_before_sealed();
                why
            }
            EventError::Malformed(fault) => {
                self.malformed(place, fault);
                "the event is not well formed".to_owned()
            }
        };
        self.unread(place, seq, Some(parsed.event_hash), &why);
    }

    /// What makes a body malformed that only its place in the ledger shows (SPEC §6, §12).
    fn misplaced(&self, seq: u64, event: &Event) -> Option<Malformed> {
        let creates = matches!(event.act.as_deref(), Some(Act::LedgerCreated { .. }));
        if creates != (seq == 0) {
            let expected = if creates { "ledger.created at entry 0 only" } else { "ledger.created at entry 0" };
            return Some(Malformed::new("/kind", expected, format!("{} at entry {seq}", event.kind)));
        }
        match event.act.as_deref()? {
            Act::LogKeyRotated(key) => {
                let origin = self.authority.origin.as_ref().filter(|origin| **origin != key.name)?;
                let expected = format!("a verifier key named {origin}");
                Some(Malformed::new("/body/log_key", expected, crate::escape::quoted(&key.name)))
            }
            Act::CaseInspectors(ids) => {
                let count = self.parties_with_inspectors(event.case.as_deref()?, ids)?;
                let expected = format!("at most {MAX_CASE_PARTIES} parties per case");
                (count > MAX_CASE_PARTIES).then(|| Malformed::new("/body/inspector", expected, count.to_string()))
            }
            _ => None,
        }
    }

    /// How many parties a case has once these are its inspectors.
    fn parties_with_inspectors(&self, case: &str, inspectors: &[String]) -> Option<usize> {
        let record = self.authority.case(case)?;
        let staying = record.roles.iter().filter(|(role, _)| *role != Capacity::INSPECTOR);
        let staying = staying.flat_map(|(_, ids)| ids).map(|id| self.authority.party(*id).id.as_str());
        let all: HashSet<&str> = staying.chain(inspectors.iter().map(String::as_str)).collect();
        Some(all.len())
    }

    fn event(
        &mut self,
        place: Place,
        seq: u64,
        parsed: &Parsed,
        event: &Event,
        strings: &[String],
        observer: Option<&mut (dyn Observer + '_)>,
    ) {
        let entry = &parsed.entry;
        self.check_ledger(place, seq, event);
        self.check_governance_pointer(place, entry);
        self.check_clock(place, parsed);
        let stream = self.streams.find(&self.salt, event.case.as_deref(), event.subject.as_str());
        self.check_stream(place, entry, event, &stream);
        self.check_pointers(place, entry, event, &stream);
        self.check_times(place, parsed, event);
        let introduced = Introduced::by(event, &self.authority, &entry.signatures);
        self.signatures(place, parsed, &introduced);
        self.found_ledger(seq, event, parsed);
        let corrected = self.corrected(event, &stream);
        let resolved =
            resolve(event, corrected_kind(&corrected), entry.time, &entry.signatures, &introduced, &self.authority);
        let key_fault = resolved.fault.or_else(|| check_keyid(event, &self.authority));
        if let Some(fault) = key_fault {
            self.checks.fail(Code::Key, place, fault);
        } else if let Some(id) = resolved.undecided {
            let why = format!("whether key {id} may correct an event that is not shown");
            self.checks.undecide(Code::Key, place, why);
        }
        let signing = resolved.signing;
        self.judge(place, seq, parsed, event, &signing, &stream, corrected);
        self.match_evidence(place, event);
        self.check_seal(place, entry, event);
        if let Some(observer) = observer {
            observer.entry(&Judged {
                seq,
                parsed,
                disclosures: strings,
                signing: &signing,
                authority: &self.authority,
            });
        }
        self.record(seq, parsed, event, &signing, &stream);
    }

    fn check_ledger(&mut self, place: Place, seq: u64, event: &Event) {
        match self.ledger {
            _ if seq == 0 => {}
            Some(ledger) if event.ledger == Some(ledger) => {}
            Some(ledger) => {
                let found = event.ledger.map_or_else(|| "no ledger named".to_owned(), |hash| hash.to_string());
                let fault = Fault::new("the ledger that an event names", ledger.to_string(), found);
                self.checks.fail(Code::Ledger, place, fault);
            }
            None => {
                let why = "entry 0 is not shown, and no ledger id was given";
                self.checks.undecide(Code::Ledger, place, why);
            }
        }
    }

    fn ledger_start(&mut self, place: Place, hash: EventHash) {
        if let Some(ledger) = self.given.ledger
            && ledger != hash.0
        {
            let fault = Fault::new("the event hash of entry 0", ledger.to_string(), hash.to_string());
            self.checks.fail(Code::Ledger, place, fault);
        }
        let named = self.header.as_ref().map(|header| header.ledger);
        let ledger = *self.ledger.get_or_insert(hash.0);
        if let Some(named) = named
            && named != ledger
        {
            let fault = Fault::new("the ledger that the bundle names", ledger.to_string(), named.to_string());
            self.checks.fail(Code::Ledger, Place::line(1), fault);
        }
    }

    /// `ledger.created` is judged by its own body: governance, policy and log key are in force for it already.
    fn found_ledger(&mut self, seq: u64, event: &Event, parsed: &Parsed) {
        if self.authority.origin.is_some() {
            return;
        }
        if let Some(Act::LedgerCreated { .. }) = event.act.as_deref()
            && let Some(act) = reread_act(event, parsed)
        {
            self.authority.apply(act, None, seq, true, 0);
        }
    }

    /// A signature by a key that no entry so far introduced is a matter of KEY alone (SPEC §13).
    fn signatures(&mut self, place: Place, parsed: &Parsed, introduced: &Introduced) {
        for (signature, verdict) in parsed.entry.signatures.iter().zip(&parsed.verdicts) {
            let id = signature.keyid;
            let known = introduced.keys.contains(&id) || self.authority.key_number(&id).is_some();
            if known && *verdict != Verdict::Valid {
                let what = format!("the signature by key {id}");
                let fault = Fault::new(what, "a valid signature over this event", "one that is not");
                self.checks.fail(Code::Signature, place, fault);
            }
        }
    }

    fn check_clock(&mut self, place: Place, parsed: &Parsed) {
        let time = parsed.entry.time;
        if let Some(last) = self.last_time
            && time < last
        {
            let fault = Fault::new("time goes back", format!("{last} or later"), time.to_string());
            self.checks.fail(Code::Time, place, fault);
        }
        if let Some((cosigned, witness)) = &self.cosigned_by
            && let Some(fault) = beyond_cosignature(time, *cosigned, witness)
        {
            self.checks.fail(Code::Time, place, fault);
        }
    }

    fn check_times(&mut self, place: Place, parsed: &Parsed, event: &Event) {
        let time = parsed.entry.time;
        let fault = if let Some(until) = event.until.filter(|until| time > *until) {
            Fault::new("until", format!("an entry by {until}"), time.to_string())
        } else if let Occurred::Between(from, to) = event.occurred
            && from > to
        {
            Fault::new("occurred", "from not after to", format!("{from} to {to}"))
        } else if let Some(latest) = event.occurred.latest()
            && latest > Occurred::limit(time)
        {
            let expected = format!("{} or earlier", Occurred::limit(time));
            Fault::new("occurred", expected, latest.to_string())
        } else {
            return;
        };
        self.checks.fail(Code::Time, place, fault);
    }

    /// The event that a correction names.
    fn corrected(&self, event: &Event, stream: &Stream) -> Corrected {
        let Some(corrects) = event.corrects else {
            return Corrected::None;
        };
        let Some(ordinal) = self.events.get(self.salt.key(&[corrects.0.as_bytes()])) else {
            return if self.withheld > 0 || self.unhashed { Corrected::Hidden } else { Corrected::Missing };
        };
        match (self.streams.holds(stream, ordinal), self.people.of(ordinal)) {
            (Some(same_stream), Some(signers)) => Corrected::Found {
                same_stream,
                kind: signers.kind.clone(),
                parties: signers.parties.clone(),
                quorum: signers.quorum,
            },
            _ => Corrected::Hidden,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the pieces of one entry, each computed by another check")]
    fn judge(
        &mut self,
        place: Place,
        seq: u64,
        parsed: &Parsed,
        event: &Event,
        signing: &Signing,
        stream: &Stream,
        corrected: Corrected,
    ) {
        let binds = self.new_bindings(event);
        let case = Case {
            authority: &self.authority,
            event,
            payload: parsed.payload(),
            seq,
            time: parsed.entry.time,
            signing,
            start: self.start(event, stream),
            corrected,
            binds,
        };
        match case.judge() {
            Ok(Judgement::Holds) => {}
            Ok(Judgement::Undecided) => {
                let why = "it corrects an event that is not shown";
                self.checks.undecide(Code::Policy, place, why);
            }
            Err(fault) => self.checks.fail(Code::Policy, place, fault),
        }
    }

    fn new_bindings(&mut self, event: &Event) -> Option<CaseRecord> {
        let roles = match event.act.as_deref()? {
            Act::CaseOpened(roles) | Act::CaseAmended(Some(roles)) => self.authority.bindings(roles),
            Act::CaseInspectors(ids) => {
                let ids = ids.iter().map(|id| self.authority.name_party(id)).collect();
                vec![(Capacity::INSPECTOR, ids)]
            }
            _ => return None,
        };
        Some(CaseRecord { roles })
    }

    fn match_evidence(&mut self, place: Place, event: &Event) {
        for item in &event.evidence {
            for &at in self.evidence_by_hash.get(&item.sha256).into_iter().flatten() {
                if self.given.evidence[at].size == item.size {
                    self.evidence_found[at] = true;
                } else {
                    self.evidence_faults[at].get_or_insert((place, item.size));
                }
            }
        }
    }

    /// Lets the event take effect and keeps what later entries ask for.
    fn record(&mut self, seq: u64, parsed: &Parsed, event: &Event, signing: &Signing, stream: &Stream) {
        if let Some(act) = reread_act(event, parsed) {
            let weight = match &act {
                Act::KeyAdded { party, .. } => self
                    .authority
                    .party_number(party)
                    .map_or(0, |party| signing.weight_given_by(party, &self.authority)),
                _ => 0,
            };
            let case = event.case.as_deref();
            self.authority.apply(act, case, seq, signing.quorum, weight);
        }
        let Some(ordinal) = self.ordinals.ordinal(seq) else {
            return;
        };
        let key = self.salt.key(&[parsed.event_hash.0.as_bytes()]);
        let number = self.streams.push(stream, ordinal);
        self.keep_for_seals(event, parsed.event_hash, number, stream.number().is_none());
        self.events.insert(key, ordinal);
        self.people.push(&event.kind, signing, parsed.entry.time);
        if matches!(event.subject.kind(), "ledger" | "party") {
            self.last_governance = Some(seq);
        }
    }
}

/// What the event changes, to be given away: read from the payload again, as authority events are few and the parsed
/// event stays whole for those who look at it.
fn reread_act(event: &Event, parsed: &Parsed) -> Option<Act> {
    event.act.as_ref()?;
    let json = crate::event::payload_json(parsed.payload()).ok()?;
    Act::read(&event.kind, json.member("body")?).ok()?
}

fn corrected_kind(corrected: &Corrected) -> CorrectedKind<'_> {
    match corrected {
        Corrected::None | Corrected::Missing => CorrectedKind::None,
        Corrected::Hidden => CorrectedKind::Unknown,
        Corrected::Found { kind, .. } => CorrectedKind::Kind(kind),
    }
}
