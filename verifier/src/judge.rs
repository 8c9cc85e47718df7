//! Whether those signed who had to, and whether they may do what the event does (SPEC §3, §6, §8, §9; check POLICY).
//!
//! Every function states its rule by the fault that it returns. The state is that of the entries before; the bodies
//! of `ledger.created` and `case.opened` speak for themselves.

use crate::act::Act;
use crate::authority::{Authority, CaseRecord, PartyNo};
use crate::capacity::Capacity;
use crate::checks::Fault;
use crate::event::{Event, payload_json};
use crate::policy::{CORRECTED, CaseUse, KindRule, Leaf, is_authority_kind};
use crate::satisfy::LeafState;
use crate::scalar::{GOVERNANCE, pattern_covers};
use crate::signing::Signing;
use crate::time::{DAY, Instant};

/// Whether the event starts its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Nothing earlier is in the stream.
    Starts,
    /// An earlier entry is in the stream.
    Continues,
    /// Something earlier is withheld, and may be in the stream.
    Unknown,
}

/// The event that a correction names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Corrected {
    /// The event is no correction.
    None,
    /// There is no such event before it.
    Missing,
    /// No such event is shown, and something earlier is withheld or malformed.
    Hidden,
    /// It is shown.
    Found {
        /// Whether it is in the same stream.
        same_stream: bool,
        /// Its kind.
        kind: String,
        /// The parties that signed it.
        parties: Vec<PartyNo>,
        /// Whether the governance quorum signed it.
        quorum: bool,
    },
}

/// All that an event is judged by.
pub struct Case<'a> {
    /// The state before it.
    pub authority: &'a Authority,
    /// The event.
    pub event: &'a Event,
    /// The payload as signed.
    pub payload: &'a [u8],
    /// Its position.
    pub seq: u64,
    /// The entry's time.
    pub time: Instant,
    /// Who signed.
    pub signing: &'a Signing,
    /// Whether it starts its stream.
    pub start: Start,
    /// What it corrects.
    pub corrected: Corrected,
    /// The bindings that it makes, if it makes any.
    pub binds: Option<CaseRecord>,
}

/// What judging comes to, when nothing is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judged {
    /// All of it holds.
    Holds,
    /// It hangs on an event that is not shown.
    Undecided,
}

impl Case<'_> {
    /// Judges the event.
    ///
    /// # Errors
    /// The first rule that is not kept.
    pub fn judge(&self) -> Result<Judged, Fault> {
        self.not_closed()?;
        let rule = self.rule_in_force()?;
        self.case_as_required(rule)?;
        self.subject()?;
        self.starts()?;
        self.case_is_open()?;
        self.author()?;
        self.signers()?;
        self.needs_quorum()?;
        self.party_events()?;
        self.key_events()?;
        self.bindings()?;
        if self.correction()? == Judged::Undecided {
            return Ok(Judged::Undecided);
        }
        self.rule(rule)?;
        self.no_outsiders(rule)?;
        Ok(Judged::Holds)
    }

    fn kind(&self) -> &str {
        &self.event.kind
    }

    fn not_closed(&self) -> Result<(), Fault> {
        match self.authority.closed {
            None => Ok(()),
            Some(seq) => Err(Fault::new(
                "an entry after the ledger was closed",
                format!("nothing after entry {seq} (ledger.closed)"),
                format!("{} at {}", self.kind(), self.seq),
            )),
        }
    }

    fn rule_in_force(&self) -> Result<&KindRule, Fault> {
        self.authority.policy.rule(self.kind()).ok_or_else(|| {
            Fault::new("a kind that the policy does not have", "a kind of the policy in force", self.kind())
        })
    }

    fn case_as_required(&self, rule: &KindRule) -> Result<(), Fault> {
        let (expected, found) = match (rule.case, &self.event.case) {
            (CaseUse::Required, None) => ("a case", "none".to_owned()),
            (CaseUse::Forbidden, Some(case)) => ("no case", format!("case {case}")),
            _ => return Ok(()),
        };
        let detail = format!("the policy's word on cases of {}", self.kind());
        Err(Fault::new(detail, expected, found))
    }

    fn subject(&self) -> Result<(), Fault> {
        let subject = &self.event.subject;
        let expected = match self.event.act.as_deref() {
            None if matches!(subject.kind(), "ledger" | "party" | "case") => {
                return Err(Fault::new("a subject of authority kinds only", "another subject type", subject.as_str()));
            }
            None => return Ok(()),
            Some(
                Act::LedgerCreated { .. }
                | Act::LedgerClosed
                | Act::PolicyChanged(_)
                | Act::GovernanceChanged(_)
                | Act::LogKeyRotated(_),
            ) => "ledger/self".to_owned(),
            Some(
                Act::PartyEnrolled { party, .. }
                | Act::PartyAmended { party, .. }
                | Act::PartySucceeded { party, .. }
                | Act::KeyAdded { party, .. }
                | Act::KeyRetired { party, .. }
                | Act::KeyRevoked { party, .. },
            ) => format!("party/{party}"),
            Some(Act::CaseOpened(_) | Act::CaseAmended(_) | Act::CaseInspectors(_) | Act::CaseClosed) => {
                format!("case/{}", self.event.case.as_deref().unwrap_or_default())
            }
        };
        if subject.as_str() == expected {
            return Ok(());
        }
        Err(Fault::new(format!("the subject of {}", self.kind()), expected, subject.as_str()))
    }

    fn starts(&self) -> Result<(), Fault> {
        let starter = matches!(self.kind(), "ledger.created" | "party.enrolled" | "case.opened");
        let authority_subject = is_authority_kind(self.kind());
        let fault = |expected: &str, found: &str| {
            let detail = format!("what starts the stream {}", self.event.subject.as_str());
            Err(Fault::new(detail, expected, found))
        };
        match self.start {
            Start::Continues if starter => fault("no earlier entry in the stream", "a second start of the stream"),
            Start::Starts if authority_subject && !starter => {
                fault("party.enrolled, case.opened or ledger.created first", self.kind())
            }
            Start::Starts if !starter && self.event.case.is_none() => {
                let prefix = format!("{}.", self.event.author);
                if self.event.subject.id().starts_with(&prefix) {
                    return Ok(());
                }
                fault(&format!("a subject id that begins {prefix}"), self.event.subject.as_str())
            }
            _ => Ok(()),
        }
    }

    fn case_is_open(&self) -> Result<(), Fault> {
        match &self.event.case {
            Some(case) if self.kind() != "case.opened" && self.record().is_none() => {
                Err(Fault::new("a case that is not open", format!("an earlier case.opened of {case}"), "none"))
            }
            _ => Ok(()),
        }
    }

    /// The bindings in force: those of the case, or of the body that opens it.
    fn record(&self) -> Option<&CaseRecord> {
        if self.kind() == "case.opened" {
            self.binds.as_ref()
        } else {
            self.authority.case(self.event.case.as_deref()?)
        }
    }

    fn author(&self) -> Result<(), Fault> {
        let author = self.event.author.as_str();
        let signed = if author == GOVERNANCE { self.signing.quorum } else { self.signed_by(author) };
        if signed {
            return Ok(());
        }
        Err(Fault::new("the author did not sign", format!("a counting signature of {author}"), self.who_signed()))
    }

    fn signed_by(&self, id: &str) -> bool {
        self.authority.enrolled(id).is_some_and(|party| self.signing.by(party))
    }

    /// Who signed, as the event names them: parties and `governance`, sorted.
    fn signer_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.signing.parties.iter().map(|p| self.authority.party(p.party).id.as_str()).collect();
        if self.signing.quorum {
            names.push(GOVERNANCE);
        }
        names.sort_unstable();
        names
    }

    fn who_signed(&self) -> String {
        let names = self.signer_names();
        match (names.is_empty(), self.signing.governance) {
            (false, _) => format!("signed by {}", names.join(", ")),
            (true, 0) => "no counting signature".to_owned(),
            (true, count) => format!("{count} governance signatures, short of the quorum"),
        }
    }

    fn signers(&self) -> Result<(), Fault> {
        match &self.event.signers {
            Some(signers) if *signers != self.signer_names() => Err(Fault::new(
                "others signed than the event says",
                format!("exactly {}", signers.join(", ")),
                self.who_signed(),
            )),
            _ => Ok(()),
        }
    }

    fn needs_quorum(&self) -> Result<(), Fault> {
        let kind = self.kind();
        let always = kind.starts_with("ledger.")
            || kind.starts_with("party.")
            || matches!(kind, "policy.changed" | "governance.changed" | "log_key.rotated");
        let short = self.signing.governance > 0 && !self.signing.quorum;
        if (always && !self.signing.quorum) || short {
            return Err(Fault::new(
                "the governance quorum",
                format!("{} governance signatures in force", self.authority.governance.threshold),
                self.signing.governance.to_string(),
            ));
        }
        Ok(())
    }

    fn live_party(&self, id: &str) -> Result<PartyNo, Fault> {
        let fault = |found: &str| {
            let expected = format!("{id} enrolled and not succeeded");
            Fault::new(format!("party {id}"), expected, found)
        };
        let party = self.authority.enrolled(id).ok_or_else(|| fault("no such party"))?;
        if self.authority.is_succeeded(party) {
            return Err(fault("another party has succeeded it"));
        }
        Ok(party)
    }

    fn party_events(&self) -> Result<(), Fault> {
        match self.event.act.as_deref() {
            Some(Act::PartyAmended { party, .. }) => self.live_party(party).map(drop),
            Some(Act::PartySucceeded { party, successor }) => {
                if party == successor {
                    let expected = "a successor other than the party";
                    return Err(Fault::new("succession", expected, party));
                }
                let old = self.live_party(party)?;
                let new = self.live_party(successor)?;
                let capacities = self.authority.party(new).capacities;
                if let Some(lacks) = capacities.lacks_of(self.authority.party(old).capacities) {
                    return Err(Fault::new(
                        "succession",
                        format!("a successor with every capacity of {party}"),
                        format!("{successor} lacks {lacks}"),
                    ));
                }
                self.must_sign(new, "the successor signs")
            }
            _ => Ok(()),
        }
    }

    fn must_sign(&self, party: PartyNo, why: &str) -> Result<(), Fault> {
        if self.signing.by(party) {
            return Ok(());
        }
        let id = &self.authority.party(party).id;
        Err(Fault::new(why, format!("a counting signature of {id}"), self.who_signed()))
    }

    fn key_events(&self) -> Result<(), Fault> {
        let (Act::KeyAdded { party, .. } | Act::KeyRetired { party, .. } | Act::KeyRevoked { party, .. }) =
            (match self.event.act.as_deref() {
                Some(act) => act,
                None => return Ok(()),
            })
        else {
            return Ok(());
        };
        if self.signing.quorum {
            return Ok(());
        }
        let number = self.live_party(party)?;
        self.must_sign(number, "key events need a key of the party, or the quorum")?;
        match self.event.act.as_deref() {
            Some(Act::KeyAdded { key, .. }) => self.key_grants(number, party, key),
            Some(Act::KeyRevoked { suspect_from: Some(from), .. }) if *from < self.time.plus(-30 * DAY) => {
                Err(Fault::new(
                    "suspicion reaching back without the quorum",
                    "suspect_from at most 30 days before the entry",
                    from.to_string(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Without the quorum a key gives no more than one signing key of its party has.
    fn key_grants(&self, number: PartyNo, party: &str, new: &crate::act::NewKey) -> Result<(), Fault> {
        let covers = |key: &crate::authority::KeyNo| {
            let record = self.authority.key(*key);
            let in_time = match (record.not_after, new.not_after) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(have), Some(given)) => given <= have,
            };
            let covered = |pattern: &String| record.uses.iter().any(|u| pattern_covers(u, pattern));
            in_time && new.uses.iter().all(covered)
        };
        let signer = self.signing.party(number);
        if signer.is_some_and(|signer| signer.keys.iter().any(covers)) {
            return Ok(());
        }
        Err(Fault::new(
            "a new key with more rights than the key that added it",
            format!("uses and not_after within those of one signing key of {party}"),
            format!("uses {}", new.uses.join(" ")),
        ))
    }

    fn bindings(&self) -> Result<(), Fault> {
        let Some(new) = &self.binds else {
            return Ok(());
        };
        let authority = self.authority;
        let old = if self.kind() == "case.opened" { None } else { self.record() };
        for (role, parties) in &new.roles {
            for party in parties {
                let id = &authority.party(*party).id;
                self.live_party(id)?;
                if !authority.party(*party).capacities.has(*role) {
                    return Err(Fault::new(
                        format!("role {role}"),
                        format!("a party with capacity {role}"),
                        id.as_str(),
                    ));
                }
                let signs = match old {
                    None => matches!(*role, Capacity::DONOR | Capacity::RECIPIENT),
                    Some(old) => !old.holds(authority, *role, *party),
                };
                if signs {
                    self.must_sign(*party, &format!("a party given the role {role} signs"))?;
                }
            }
        }
        match old {
            Some(old) if !self.signing.quorum => self.none_removed_silently(old, new),
            _ => Ok(()),
        }
    }

    fn none_removed_silently(&self, old: &CaseRecord, new: &CaseRecord) -> Result<(), Fault> {
        // case.inspectors replaces one role and leaves the others as they are
        if matches!(self.event.act.as_deref(), Some(Act::CaseInspectors(_))) {
            return Ok(());
        }
        for (role, parties) in &old.roles {
            if !matches!(*role, Capacity::DONOR | Capacity::RECIPIENT) {
                continue;
            }
            for party in parties {
                let party = self.authority.final_party(*party);
                if !new.holds(self.authority, *role, party) {
                    self.must_sign(party, &format!("a party taken off the role {role} signs"))?;
                }
            }
        }
        Ok(())
    }

    fn correction(&self) -> Result<Judged, Fault> {
        let fault = |expected: &str, found: &str| {
            let detail = "the event that is corrected";
            Err(Fault::new(detail, expected, found))
        };
        match &self.corrected {
            Corrected::None => Ok(Judged::Holds),
            Corrected::Hidden => Ok(Judged::Undecided),
            Corrected::Missing => fault("an earlier event of the same stream", "no such event"),
            Corrected::Found { same_stream: false, .. } => {
                fault("an earlier event of the same stream", "an event of another stream")
            }
            Corrected::Found { kind, .. } if kind == CORRECTED || is_authority_kind(kind) => {
                fault("a kind that can be corrected", kind)
            }
            Corrected::Found { .. } => Ok(Judged::Holds),
        }
    }

    fn rule(&self, rule: &KindRule) -> Result<(), Fault> {
        if rule.leaves.as_slice() == [Leaf::Corrected] {
            return self.all_correct();
        }
        let mut json = None;
        let states: Vec<LeafState> = rule.leaves.iter().map(|leaf| self.leaf(leaf, &mut json)).collect();
        if rule.satisfied(&states) {
            return Ok(());
        }
        Err(Fault::new(format!("the rule for {}", self.kind()), crate::rule_text::describe(rule), self.who_signed()))
    }

    /// The rule `corrected`: everyone who signed the corrected event signs its correction.
    fn all_correct(&self) -> Result<(), Fault> {
        let Corrected::Found { parties, quorum, .. } = &self.corrected else {
            return Ok(());
        };
        for party in parties {
            let party = self.authority.final_party(*party);
            self.must_sign(party, "everyone who signed the corrected event signs")?;
        }
        if *quorum && !self.signing.quorum {
            return Err(Fault::new(
                "everyone who signed the corrected event signs",
                "the governance quorum",
                self.who_signed(),
            ));
        }
        Ok(())
    }

    fn leaf<'p>(&'p self, leaf: &Leaf, json: &mut Option<crate::json::Value<'p>>) -> LeafState {
        let authority = self.authority;
        match leaf {
            Leaf::Governance if self.signing.quorum => LeafState::Holds,
            Leaf::Governance | Leaf::Corrected => LeafState::Fails,
            Leaf::AnyParty => self.those(1, |p| authority.party(p).enrolled.is_some()),
            Leaf::Capacity { capacity, keys } => self.those(*keys, |p| authority.party(p).capacities.has(*capacity)),
            Leaf::Role { role, keys } => match self.record() {
                None => LeafState::Fails,
                Some(record) => {
                    self.those(*keys, |p| record.holds(authority, *role, p) && authority.party(p).capacities.has(*role))
                }
            },
            Leaf::Party { pointer, role, optional, keys } => {
                // the payload was read before, so reading it again cannot fail
                let json = json.get_or_insert_with(|| payload_json(self.payload).unwrap_or(crate::json::Value::Null));
                let Some(found) = json.pointed(pointer) else {
                    return if *optional { LeafState::Holds } else { LeafState::Fails };
                };
                let Some(named) = found.as_str().and_then(|id| authority.enrolled(id)) else {
                    return LeafState::Fails;
                };
                let named = authority.final_party(named);
                let bound =
                    role.is_none_or(|role| self.record().is_some_and(|record| record.holds(authority, role, named)));
                self.those(*keys, |p| p == named && bound)
            }
        }
    }

    /// The signing parties that a leaf could take, each with enough keys.
    fn those(&self, keys: usize, accepts: impl Fn(PartyNo) -> bool) -> LeafState {
        let mut set = 0;
        for (at, signer) in self.signing.parties.iter().enumerate().take(16) {
            // a key counts towards n keys only if n officers or the quorum brought it in
            let weighty = signer.keys.iter().filter(|key| keys == 1 || self.authority.key(**key).weight >= keys);
            if weighty.count() >= keys && accepts(signer.party) {
                set |= 1 << at;
            }
        }
        LeafState::Needs(set)
    }

    fn no_outsiders(&self, rule: &KindRule) -> Result<(), Fault> {
        if self.event.case.is_none() {
            return Ok(());
        }
        let authority = self.authority;
        for signer in &self.signing.parties {
            let party = signer.party;
            let bound =
                [self.record(), self.binds.as_ref()].into_iter().flatten().any(|record| record.binds(authority, party));
            let by_capacity = rule.leaves.iter().any(|leaf| {
                matches!(leaf, Leaf::Capacity { capacity, .. }
                    if authority.party(party).capacities.has(*capacity))
            });
            let corrects = matches!(&self.corrected, Corrected::Found { parties, .. }
                if parties.iter().any(|p| authority.final_party(*p) == party));
            if !(bound || by_capacity || corrects) {
                return Err(Fault::new(
                    "a signing party from outside the case",
                    "parties bound in the case",
                    authority.party(party).id.as_str(),
                ));
            }
        }
        Ok(())
    }
}
