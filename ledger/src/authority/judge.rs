//! The signatures of one event against the authority in force (SPEC §8, §9).

use std::collections::{BTreeMap, BTreeSet};

use super::{Authority, Introduction, KeyUse, PartyKey, Position};
use crate::event::{Body, Event};
use crate::fault::{self, Fault};
use crate::hash::KeyId;
use crate::id::{Author, Kind, PartyId};
use crate::keys::PublicKey;
use crate::policy::{CorrectedSigners, Judged, SigningParty, is_satisfied};
use crate::refusal::{Refusal, RefusalCode};
use crate::rule::{CORRECTION, CaseUse, KindPolicy, Rule, is_authority_kind, needs_quorum};

/// The event that a correction corrects, as far as judging needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    /// Its kind.
    pub kind: Kind,
    /// Who signed it.
    pub signers: CorrectedSigners,
}

/// Who signed an event: keys sorted by what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    /// For each party, its counting keys that signed.
    pub parties: BTreeMap<PartyId, Vec<KeyId>>,
    /// Governance keys in force that signed.
    pub governance: BTreeSet<KeyId>,
    /// Keys that the event introduces, and that signed.
    pub introduced: BTreeSet<KeyId>,
    /// Whether the governance keys make a quorum.
    pub quorum: bool,
}

impl Authority {
    /// Tells whether an event that follows this state may be recorded, as far as keys, rules, parties and cases go.
    ///
    /// `body` is the typed body of an authority kind (SPEC §8) and `None` for the others.
    ///
    /// # Errors
    /// When it may not: the refusal names the first check that fails.
    pub fn judge(
        &self,
        at: Position,
        event: &Event,
        body: Option<&Body>,
        signing: &[KeyId],
        corrected: Option<&Corrected>,
    ) -> Result<Signers, Refusal> {
        if let Some(seq) = self.closed().filter(|_| !fault::is(Fault::GoesOnAfterClose)) {
            return Err(Refusal::new(
                RefusalCode::LedgerClosed,
                "an open ledger",
                format!("one closed by entry {seq}"),
            ));
        }
        self.check_ledger(event)?;
        // `ledger.created` and `case.opened` are judged by their own body (SPEC §9).
        let created = match body {
            Some(own @ Body::LedgerCreated(_)) => {
                let mut state = Self::new();
                state.apply(at, &event.kind, own, event, signing);
                Some(state)
            }
            _ => None,
        };
        let in_force = created.as_ref().unwrap_or(self);
        let row = in_force.row_for(event)?;
        check_subject(event)?;
        if !matches!(body, Some(Body::CaseOpened(_))) {
            in_force.check_case(event)?;
        }
        let signers = in_force.sort_signers(at, event, body, signing, corrected, created.is_some())?;
        if let Some(body) = body {
            self.check_act(at, event, body, &signers)?;
        }
        in_force.check_author(event, &signers)?;
        in_force.check_rule(event, body, row, &signers, corrected)?;
        Ok(signers)
    }

    pub(super) fn check_ledger(&self, event: &Event) -> Result<(), Refusal> {
        let genesis = event.kind.as_str() == "ledger.created";
        match self.ledger() {
            None if !genesis => {
                Err(Refusal::new(RefusalCode::NotStarted, "ledger.created as the first event", event.kind.to_string()))
            }
            Some(_) if genesis => Err(Refusal::new(RefusalCode::AlreadyStarted, "no second ledger.created", "one")),
            own if own != event.ledger && !fault::is(Fault::TakesForeignEvents) => {
                let text =
                    |id: Option<crate::hash::LedgerId>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
                Err(Refusal::new(RefusalCode::WrongLedger, format!("ledger {}", text(own)), text(event.ledger))
                    .at("/ledger"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn row_for(&self, event: &Event) -> Result<&KindPolicy, Refusal> {
        let row = self.policy().row(&event.kind).ok_or_else(|| {
            Refusal::new(RefusalCode::UnknownKind, "a kind of the policy in force", event.kind.to_string()).at("/kind")
        })?;
        let (expected, found) = match (row.case, &event.case) {
            (CaseUse::Required, None) => ("a case", "none".to_owned()),
            (CaseUse::Forbidden, Some(case)) => ("no case", case.to_string()),
            _ => return Ok(row),
        };
        let expected = format!("{expected}, as the policy says of {}", event.kind);
        Err(Refusal::new(RefusalCode::CaseUse, expected, found).at("/case"))
    }

    pub(super) fn check_case(&self, event: &Event) -> Result<(), Refusal> {
        match &event.case {
            Some(case) if self.case(case.as_str()).is_none() => {
                Err(Refusal::new(RefusalCode::UnknownCase, "a case that was opened", case.to_string())
                    .at("/case")
                    .hint("open it first: `countersign case open`"))
            }
            _ => Ok(()),
        }
    }

    /// Sorts the signing keys, and refuses one that does not count.
    fn sort_signers(
        &self,
        at: Position,
        event: &Event,
        body: Option<&Body>,
        signing: &[KeyId],
        corrected: Option<&Corrected>,
        genesis: bool,
    ) -> Result<Signers, Refusal> {
        let introduced = if genesis { Vec::new() } else { self.introduced_keys(body)? };
        let mut signers = Signers::default();
        for keyid in signing {
            let standing = self.standing(at, event, &introduced, keyid, corrected)?;
            signers.add(*keyid, standing);
        }
        let signed = |key: &PublicKey| signers.introduced.contains(&key.id()) || fault::is(Fault::TakesUnsignedKeys);
        if let Some(unsigned) = introduced.iter().find(|key| !signed(key)) {
            return Err(Refusal::new(
                RefusalCode::IntroducedKeyUnsigned,
                "a signature by every key that the event introduces",
                format!("none by {}", unsigned.id()),
            )
            .at("/signatures"));
        }
        let found = signers.governance.len();
        signers.quorum = found >= self.governance().threshold || (found > 0 && fault::is(Fault::TakesShortQuorum));
        if found > 0 && !signers.quorum {
            let expected = format!("at least {} governance signatures, or none", self.governance().threshold);
            return Err(Refusal::new(RefusalCode::QuorumShort, expected, found.to_string()).at("/signatures"));
        }
        Ok(signers)
    }

    /// Tells what a signing key stands for, and refuses one that does not count.
    pub(crate) fn standing(
        &self,
        at: Position,
        event: &Event,
        introduced: &[PublicKey],
        keyid: &KeyId,
        corrected: Option<&Corrected>,
    ) -> Result<Standing, Refusal> {
        if introduced.iter().any(|key| key.id() == *keyid) {
            return Ok(Standing::Introduced);
        }
        let known = self
            .key(keyid)
            .ok_or_else(|| Refusal::from(crate::envelope::EnvelopeError::UnknownKey { keyid: *keyid }))?;
        match &known.purpose {
            KeyUse::Governance if self.governance().keys.contains(keyid) => Ok(Standing::Governance),
            KeyUse::Governance => Err(does_not_count(keyid, "a governance key that is no longer in force")
                .hint("it never governs again: sign with one that `countersign governance show` lists")),
            KeyUse::Log => Err(does_not_count(keyid, "a log key, which signs only checkpoints")
                .hint("one key has one purpose: sign with the key of a party or of governance")),
            KeyUse::Party(key) => {
                self.check_counts(at, event, keyid, key, corrected)?;
                Ok(Standing::Party(key.party.clone()))
            }
        }
    }

    /// Tells whether a party key counts here and for this kind (SPEC §8).
    fn check_counts(
        &self,
        at: Position,
        event: &Event,
        keyid: &KeyId,
        key: &PartyKey,
        corrected: Option<&Corrected>,
    ) -> Result<(), Refusal> {
        if let Some(ended) = key.revoked.or(key.retired).filter(|_| !fault::is(Fault::CountsEndedKeys)) {
            let how = if key.revoked.is_some() { "revoked" } else { "retired" };
            return Err(does_not_count(keyid, &format!("a key of {} {how} by entry {}", key.party, ended.seq))
                .hint(other_key(&key.party)));
        }
        if let Some(successor) = self.party(key.party.as_str()).and_then(|party| party.successor.as_ref()) {
            return Err(does_not_count(keyid, &format!("a key of {}, whom {successor} has succeeded", key.party))
                .hint(format!("{successor} signs in its place: draft it anew with that author")));
        }
        if let Some(end) = key.not_after.filter(|end| at.time > *end && !fault::is(Fault::CountsExpiredKeys)) {
            return Err(does_not_count(keyid, &format!("a key of {} that counted until {end}", key.party))
                .hint(other_key(&key.party)));
        }
        for kind in std::iter::once(&event.kind).chain(corrected.map(|c| &c.kind)) {
            if !key.uses.iter().any(|pattern| pattern.matches(kind)) && !fault::is(Fault::IgnoresUses) {
                let uses: Vec<String> = key.uses.iter().map(ToString::to_string).collect();
                let found = format!("a key of {} for {}, not for {kind}", key.party, uses.join(", "));
                return Err(does_not_count(keyid, &found).hint(other_key(&key.party)));
            }
        }
        Ok(())
    }

    /// Returns the keys that an event introduces, all of which must be new (SPEC §2, §8).
    pub(super) fn introduced_keys(&self, body: Option<&Body>) -> Result<Vec<PublicKey>, Refusal> {
        let (keys, path): (Vec<PublicKey>, &str) = match body {
            Some(Body::PartyEnrolled(b)) => (b.keys.iter().map(|grant| grant.public_key).collect(), "/body/keys"),
            Some(Body::KeyAdded(b)) => (vec![b.key.public_key], "/body/key/public_key"),
            Some(Body::GovernanceChanged(b)) => {
                let in_force = |key: &&PublicKey| !self.governance().keys.contains(&key.id());
                (b.governance.keys.iter().filter(in_force).copied().collect(), "/body/governance/keys")
            }
            _ => return Ok(Vec::new()),
        };
        if let Some(old) = keys.iter().find(|key| self.key(&key.id()).is_some() && !fault::is(Fault::TakesOldKeys)) {
            return Err(Refusal::new(
                RefusalCode::KeyNotNew,
                "a key that has never been in this ledger",
                format!("key {}, which is or was", old.id()),
            )
            .at(path)
            .hint("make a fresh key: `countersign key new`"));
        }
        Ok(keys)
    }

    /// Checks that the author signed, and exactly those of `signers` (SPEC §3).
    fn check_author(&self, event: &Event, signers: &Signers) -> Result<(), Refusal> {
        let signed = match &event.author {
            Author::Governance => signers.quorum,
            Author::Party(party) => signers.parties.contains_key(party),
        };
        if !signed && !fault::is(Fault::ForgetsAuthor) {
            return Err(Refusal::new(
                RefusalCode::AuthorUnsigned,
                format!("a counting signature of the author, {}", event.author),
                signers.in_words(),
            )
            .at("/author"));
        }
        let Some(declared) = &event.signers else { return Ok(()) };
        let mut found: Vec<Author> = signers.parties.keys().cloned().map(Author::Party).collect();
        if signers.quorum {
            found.push(Author::Governance);
        }
        found.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        if &found == declared || fault::is(Fault::ForgetsSigners) {
            return Ok(());
        }
        let names: Vec<&str> = declared.iter().map(Author::as_str).collect();
        let expected = format!("signatures of exactly {}", names.join(", "));
        Err(Refusal::new(RefusalCode::SignersDiffer, expected, signers.in_words()).at("/signers"))
    }

    /// Checks the rule in force, and that no outsider acts inside the case (SPEC §9).
    fn check_rule(
        &self,
        event: &Event,
        body: Option<&Body>,
        row: &KindPolicy,
        signers: &Signers,
        corrected: Option<&Corrected>,
    ) -> Result<(), Refusal> {
        if needs_quorum(event.kind.as_str()) && !signers.quorum {
            let expected = format!("the governance quorum, which {} needs whatever the policy says", event.kind);
            return Err(Refusal::new(RefusalCode::QuorumNeeded, expected, signers.in_words()).at("/signatures"));
        }
        let judged_parties = self.signing_parties(event, body, signers);
        let resolve = |id: &str| self.final_successor(id).cloned();
        let judged = Judged {
            signers: &judged_parties,
            quorum: signers.quorum,
            payload: event.payload(),
            resolve: &resolve,
            corrected: corrected.map(|c| &c.signers),
        };
        if !is_satisfied(&row.rule, &judged) && !fault::is(Fault::SkipsPolicy) {
            return Err(Refusal::new(
                RefusalCode::PolicyNotSatisfied,
                format!("signatures of {}", row.rule.in_words()),
                signers.in_words(),
            )
            .at("/signatures")
            .hint("have the missing party add its signature: `countersign event sign FILE --key KEY`"));
        }
        check_insiders(event, body, row, &judged_parties, corrected)
    }

    /// Returns the parties that signed, with what they are and are bound to.
    pub(super) fn signing_parties(&self, event: &Event, body: Option<&Body>, signers: &Signers) -> Vec<SigningParty> {
        let case = event.case.as_ref().and_then(|case| self.case(case.as_str()));
        let own_roles = match body {
            Some(Body::CaseOpened(b)) => Some(super::acts::roles_map(&b.roles)),
            _ => None,
        };
        let judged = signers.parties.iter().map(|(party, keys)| SigningParty {
            party: party.clone(),
            capacities: self.party(party.as_str()).map(|p| p.capacities.clone()).unwrap_or_default(),
            roles: match (&own_roles, case) {
                (Some(roles), _) => {
                    roles.iter().filter(|(_, bound)| bound.contains(party)).map(|(role, _)| *role).collect()
                }
                (None, Some(case)) => self.roles_in(case, party),
                (None, None) => BTreeSet::new(),
            },
            key_strengths: keys.iter().map(|keyid| self.strength(keyid)).collect(),
        });
        judged.collect()
    }

    fn strength(&self, keyid: &KeyId) -> u8 {
        match self.key(keyid).map(|known| &known.purpose) {
            Some(KeyUse::Party(key)) => key.introduction.strength(),
            _ => 0,
        }
    }

    /// Tells how a key that this event adds counts later: as far as the keys that add it count (SPEC §8).
    pub(super) fn introduction_by(&self, at: Position, kind: &Kind, event: &Event, signing: &[KeyId]) -> Introduction {
        if kind.as_str() != "key.added" {
            return Introduction::Independent;
        }
        let quorum = signing.iter().filter(|keyid| self.governance().keys.contains(keyid)).count();
        if quorum >= self.governance().threshold {
            return Introduction::Independent;
        }
        let party = event.payload().pointer("/body/party").and_then(serde_json::Value::as_str).unwrap_or_default();
        let mut strengths: Vec<u8> = signing
            .iter()
            .filter(|keyid| match self.key(keyid).map(|known| &known.purpose) {
                Some(KeyUse::Party(key)) => {
                    key.party.as_str() == party && self.check_counts(at, event, keyid, key, None).is_ok()
                }
                _ => false,
            })
            .map(|keyid| self.strength(keyid))
            .collect();
        strengths.sort_unstable_by(|a, b| b.cmp(a));
        // The largest n such that n of them count towards n.
        let reached = strengths.iter().zip(1u8..).take_while(|(strength, n)| *strength >= n).count();
        Introduction::ByKeys(u8::try_from(reached).unwrap_or(u8::MAX))
    }

    /// Returns who signed a recorded event, each party by its final successor now (SPEC §9, `corrected`).
    #[must_use]
    pub fn signers_of_recorded(&self, signing: &[KeyId]) -> CorrectedSigners {
        let mut signers = CorrectedSigners::default();
        for keyid in signing {
            match self.key(keyid).map(|known| &known.purpose) {
                Some(KeyUse::Party(key)) => {
                    let party = self.final_successor(key.party.as_str()).unwrap_or(&key.party);
                    signers.parties.insert(party.clone());
                }
                Some(KeyUse::Governance) => signers.quorum = true,
                _ => {}
            }
        }
        signers
    }
}

/// What a signing key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A party.
    Party(PartyId),
    /// Governance, as one of its keys in force.
    Governance,
    /// Itself: the event introduces it.
    Introduced,
}

impl Signers {
    /// Adds a key with what it stands for; whether governance makes a quorum is not looked at.
    pub(crate) fn add(&mut self, keyid: KeyId, standing: Standing) {
        match standing {
            Standing::Party(party) => self.parties.entry(party).or_default().push(keyid),
            Standing::Governance => drop(self.governance.insert(keyid)),
            Standing::Introduced => drop(self.introduced.insert(keyid)),
        }
    }

    /// Names who signed.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut names: Vec<String> = self.parties.keys().map(ToString::to_string).collect();
        if self.quorum {
            names.push("the governance quorum".to_owned());
        }
        if names.is_empty() { "none that counts".to_owned() } else { names.join(", ") }
    }
}

/// No outsider acts inside a case (SPEC §9).
fn check_insiders(
    event: &Event,
    body: Option<&Body>,
    row: &KindPolicy,
    parties: &[SigningParty],
    corrected: Option<&Corrected>,
) -> Result<(), Refusal> {
    let newly = Authority::newly_bound(body);
    parties.iter().try_for_each(|signer| check_insider(event, &newly, row, signer, corrected))
}

/// One party acts inside its case only (SPEC §9).
pub(super) fn check_insider(
    event: &Event,
    newly: &BTreeSet<PartyId>,
    row: &KindPolicy,
    signer: &SigningParty,
    corrected: Option<&Corrected>,
) -> Result<(), Refusal> {
    let Some(case) = &event.case else { return Ok(()) };
    let allowed = !signer.roles.is_empty()
        || newly.contains(&signer.party)
        || signer.capacities.iter().any(|capacity| names_capacity(&row.rule, *capacity))
        || corrected.is_some_and(|c| c.signers.parties.contains(&signer.party));
    if allowed || fault::is(Fault::LetsOutsidersIn) {
        return Ok(());
    }
    let expected = format!("signatures of parties to case {case}");
    Err(Refusal::new(RefusalCode::NotInCase, expected, signer.party.to_string()).at("/signatures"))
}

fn other_key(party: &PartyId) -> String {
    format!(
        "sign with another key of {party} (`countersign key list --party {party}`), or have one added: `countersign key add`"
    )
}

fn does_not_count(keyid: &KeyId, found: &str) -> Refusal {
    Refusal::new(RefusalCode::KeyDoesNotCount, "signatures by keys that count here", format!("{keyid}: {found}"))
        .at("/signatures")
}

fn names_capacity(rule: &Rule, wanted: crate::capacity::Capacity) -> bool {
    match rule {
        Rule::Capacity { capacity, .. } => *capacity == wanted,
        Rule::All(rules) | Rule::Any(rules) | Rule::AtLeast { of: rules, .. } => {
            rules.iter().any(|rule| names_capacity(rule, wanted))
        }
        _ => false,
    }
}

/// Checks that kind, subject and case go together (SPEC §8).
pub(super) fn check_subject(event: &Event) -> Result<(), Refusal> {
    let kind = event.kind.as_str();
    let subject = &event.subject;
    let refuse =
        |expected: String| Err(Refusal::new(RefusalCode::WrongSubject, expected, subject.to_string()).at("/subject"));
    if !is_authority_kind(kind) {
        if matches!(subject.ty(), "ledger" | "party" | "case") {
            let sort = if kind == CORRECTION { "no correction of authority" } else { "another subject type" };
            return refuse(format!("{sort}: only the kinds of SPEC §8 are about a ledger, a party or a case"));
        }
        return Ok(());
    }
    match kind.split('.').next().unwrap_or_default() {
        "ledger" | "policy" | "governance" | "log_key" if subject.as_str() == "ledger/self" => Ok(()),
        "ledger" | "policy" | "governance" | "log_key" => refuse(format!("ledger/self as the subject of {kind}")),
        "party" | "key" => {
            let party = event.body().get("party").and_then(serde_json::Value::as_str).unwrap_or_default();
            if subject.ty() == "party" && subject.id() == party {
                return Ok(());
            }
            refuse(format!("party/{party}, the party of the body"))
        }
        _ => {
            let case = event.case.as_ref().map(ToString::to_string).unwrap_or_default();
            if subject.ty() == "case" && subject.id() == case {
                return Ok(());
            }
            refuse(format!("case/{case}, the event's own case"))
        }
    }
}
