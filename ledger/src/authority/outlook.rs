//! What an event that is not fully signed may become: whether it can still be recorded, which of its signatures count,
//! and whose it needs (SPEC §8, §9).
//!
//! [`Authority::judge`] says no to an event at its first fault, and a missing signature is one of many. A proposal needs
//! to know them apart: a fault that no signature mends, and signatures that may yet come.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::{Corrected, Signers, Standing, check_insider, check_subject};
use super::{Authority, Position};
use crate::envelope::MAX_SIGNATURES;
use crate::event::{Body, Event};
use crate::hash::KeyId;
use crate::id::{Author, PartyId};
use crate::policy::ways::{Way, ways};
use crate::policy::{Judged, SigningParty, fits, is_satisfied};
use crate::refusal::{Refusal, RefusalCode};
use crate::rule::{KindPolicy, Rule, needs_quorum};
use crate::submission::Prepared;

/// How many parties an explanation names for one leaf.
const NAMED: usize = 8;
/// How many ways to go on an explanation tells.
const TOLD: usize = 4;

/// How an event stands that is not fully signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Who signed, with keys that count.
    pub signers: Signers,
    /// Signatures that do not count here, and why.
    pub dropped: Vec<(KeyId, Refusal)>,
    /// Whose signatures could complete it.
    pub awaited: Awaited,
}

/// Whose signatures an event still needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Awaited {
    /// Parties whose signature brings it nearer.
    pub parties: BTreeSet<PartyId>,
    /// How many more governance signatures could.
    pub governance: usize,
    /// Keys that it introduces, and that must sign.
    pub keys: Vec<KeyId>,
    /// What is missing, in words.
    pub missing: Vec<String>,
}

impl Awaited {
    /// Tells whether nobody is awaited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parties.is_empty() && self.governance == 0 && self.keys.is_empty()
    }

    /// Tells whether a signature of this standing is awaited.
    #[must_use]
    pub fn has(&self, keyid: &KeyId, standing: &Standing) -> bool {
        match standing {
            Standing::Party(party) => self.parties.contains(party),
            Standing::Governance => self.governance > 0,
            Standing::Introduced => self.keys.contains(keyid),
        }
    }
}

impl Authority {
    /// Checks all that does not depend on who signs: what no further signature could mend.
    ///
    /// # Errors
    /// When the event may not be recorded here, whoever signs it.
    pub fn check_unsigned(&self, at: Position, event: &Event, body: Option<&Body>) -> Result<(), Refusal> {
        if let Some(seq) = self.closed() {
            let found = format!("one closed by entry {seq}");
            return Err(Refusal::new(RefusalCode::LedgerClosed, "an open ledger", found));
        }
        self.check_ledger(event)?;
        self.row_for(event)?;
        check_subject(event)?;
        if !matches!(body, Some(Body::CaseOpened(_))) {
            self.check_case(event)?;
        }
        let introduced = self.introduced_keys(body)?;
        if let Some(body) = body {
            let introduced = introduced.iter().map(crate::keys::PublicKey::id).collect();
            let all = Signers { introduced, ..self.everybody(event, body, true) };
            self.check_act(at, event, body, &all)?;
        }
        self.check_can_sign(&event.author, "/author".to_owned())?;
        let declared = event.signers.iter().flatten().enumerate();
        declared.into_iter().try_for_each(|(i, signer)| self.check_can_sign(signer, format!("/signers/{i}")))
    }

    /// Checks that a party that must sign is there to do so.
    fn check_can_sign(&self, signer: &Author, path: String) -> Result<(), Refusal> {
        let Author::Party(party) = signer else { return Ok(()) };
        let found = match self.party(party.as_str()).map(|record| &record.successor) {
            Some(None) => return Ok(()),
            Some(Some(successor)) => format!("{party}, whom {successor} has succeeded"),
            None => format!("{party}, which is not enrolled"),
        };
        Err(Refusal::new(RefusalCode::WrongParty, "an enrolled party that was not succeeded", found)
            .at(path)
            .hint("draft it anew with the party that signs now"))
    }

    /// Everybody whom an authority event concerns, as if they had signed.
    fn everybody(&self, event: &Event, body: &Body, quorum: bool) -> Signers {
        let named = match body {
            Body::PartySucceeded(b) => vec![b.party.clone(), b.successor.clone()],
            Body::KeyAdded(b) => vec![b.party.clone()],
            Body::KeyRetired(b) => vec![b.party.clone()],
            Body::KeyRevoked(b) => vec![b.party.clone()],
            _ => Vec::new(),
        };
        let case = event.case.as_ref().and_then(|case| self.case(case.as_str()));
        let bound = case.into_iter().flat_map(|case| case.roles.values().flatten());
        let bound = bound.filter_map(|party| self.final_successor(party.as_str()).cloned());
        let parties = Self::newly_bound(Some(body)).into_iter().chain(named).chain(bound);
        let keys = |party: &PartyId| self.party(party.as_str()).map(|p| p.keys.clone()).unwrap_or_default();
        Signers {
            parties: parties.map(|party| (party.clone(), keys(&party))).collect(),
            governance: self.governance().keys.clone(),
            introduced: BTreeSet::new(),
            quorum,
        }
    }

    /// Sorts the signatures that an event has, and finds whose it needs. To be asked once
    /// [`Authority::check_unsigned`] has let the event through.
    ///
    /// # Errors
    /// When nobody could complete it.
    pub fn outlook(
        &self,
        at: Position,
        event: &Event,
        body: Option<&Body>,
        signing: &[KeyId],
        corrected: Option<&Corrected>,
    ) -> Result<Outlook, Refusal> {
        let row = self.row_for(event)?;
        let introduced = self.introduced_keys(body)?;
        let newly = Self::newly_bound(body);
        let mut outlook = Outlook::default();
        for keyid in signing {
            let standing = self.standing(at, event, &introduced, keyid, corrected).and_then(|standing| {
                if let Standing::Party(party) = &standing {
                    self.check_declared(event, &Author::Party(party.clone()))?;
                    check_insider(event, &newly, row, &self.as_signer(event, body, party), corrected)?;
                }
                Ok(standing)
            });
            match standing {
                Ok(standing) => outlook.signers.add(*keyid, standing),
                Err(refusal) => outlook.dropped.push((*keyid, refusal)),
            }
        }
        let signed = outlook.signers.governance.len();
        outlook.signers.quorum = signed > 0 && signed >= self.governance().threshold;
        let unsigned = introduced.iter().map(crate::keys::PublicKey::id);
        let unsigned = unsigned.filter(|keyid| !outlook.signers.introduced.contains(keyid)).collect();
        outlook.awaited = Search { authority: self, at, event, body, row, newly: &newly, corrected }
            .awaited(&outlook.signers, unsigned)?;
        Ok(outlook)
    }

    /// Tells what a key stands for that signs this event.
    ///
    /// # Errors
    /// When it does not count.
    pub fn standing_in(&self, at: Position, prepared: &Prepared, keyid: &KeyId) -> Result<Standing, Refusal> {
        let introduced = self.introduced_keys(prepared.authority_body())?;
        self.standing(at, prepared.event(), &introduced, keyid, None)
    }

    fn check_declared(&self, event: &Event, signer: &Author) -> Result<(), Refusal> {
        match &event.signers {
            Some(declared) if !declared.contains(signer) => {
                let names: Vec<&str> = declared.iter().map(Author::as_str).collect();
                let expected = format!("signatures of exactly {}", names.join(", "));
                Err(Refusal::new(RefusalCode::SignersDiffer, expected, signer.to_string()).at("/signers"))
            }
            _ => Ok(()),
        }
    }

    /// A party as it would sign, with as many keys as a rule could ask for.
    fn as_signer(&self, event: &Event, body: Option<&Body>, party: &PartyId) -> SigningParty {
        let alone = Signers { parties: BTreeMap::from([(party.clone(), Vec::new())]), ..Signers::default() };
        let mut found = self.signing_parties(event, body, &alone);
        let mut signer = found.pop().unwrap_or_else(|| SigningParty {
            party: party.clone(),
            capacities: BTreeSet::new(),
            roles: BTreeSet::new(),
            key_strengths: Vec::new(),
        });
        signer.key_strengths = vec![u8::MAX; MAX_SIGNATURES];
        signer
    }
}

/// What the search for those who are awaited needs.
struct Search<'a> {
    authority: &'a Authority,
    at: Position,
    event: &'a Event,
    body: Option<&'a Body>,
    row: &'a KindPolicy,
    newly: &'a BTreeSet<PartyId>,
    corrected: Option<&'a Corrected>,
}

impl Search<'_> {
    fn awaited(&self, signers: &Signers, keys: Vec<KeyId>) -> Result<Awaited, Refusal> {
        let quorum = self.quorum_is_needed(signers);
        let required = self.required(signers.quorum || quorum);
        let mut awaited = Awaited { keys, ..Awaited::default() };
        for (party, why) in &required {
            if !signers.parties.contains_key(party) {
                awaited.parties.insert(party.clone());
                awaited.missing.push(format!("{party}, {why}"));
            }
        }
        if quorum && !signers.quorum {
            awaited.governance = self.governance_short_of(signers);
            awaited.missing.push(format!("{} more of governance", awaited.governance));
        }
        awaited.missing.extend(awaited.keys.iter().map(|keyid| format!("key {keyid}, which the event introduces")));
        self.await_rule(signers, signers.quorum || quorum, &mut awaited)?;
        Ok(awaited)
    }

    fn governance_short_of(&self, signers: &Signers) -> usize {
        self.authority.governance().threshold.saturating_sub(signers.governance.len()).max(1)
    }

    /// Tells whether nothing but the quorum will do.
    fn quorum_is_needed(&self, signers: &Signers) -> bool {
        let declared = self.event.signers.iter().flatten().any(|signer| *signer == Author::Governance);
        self.event.author == Author::Governance
            || declared
            || needs_quorum(self.event.kind.as_str())
            || self.corrected.is_some_and(|corrected| corrected.signers.quorum)
            // whoever of governance signed meant the quorum to
            || !signers.governance.is_empty()
    }

    /// Returns the parties without whom it cannot be, and why.
    fn required(&self, quorum: bool) -> BTreeMap<PartyId, &'static str> {
        let mut required = BTreeMap::new();
        if let Some(body) = self.body {
            let all = self.authority.everybody(self.event, body, quorum);
            for party in all.parties.keys() {
                let mut others = all.clone();
                others.parties.remove(party);
                let refused = self.authority.check_act(self.at, self.event, body, &others);
                if refused.is_err_and(|refusal| refusal.code == RefusalCode::PartyUnsigned) {
                    required.insert(party.clone(), "whom it binds");
                }
            }
        }
        if let Some(corrected) = self.corrected {
            let signed = corrected.signers.parties.iter();
            required.extend(signed.map(|party| (party.clone(), "who signed the corrected event")));
        }
        let declared = self.event.signers.iter().flatten().filter_map(Author::party);
        required.extend(declared.map(|party| (party.clone(), "whom `signers` names")));
        if let Author::Party(author) = &self.event.author {
            required.insert(author.clone(), "the author");
        }
        required
    }

    /// Finds who beside those required could satisfy the rule.
    fn await_rule(&self, signers: &Signers, quorum: bool, awaited: &mut Awaited) -> Result<(), Refusal> {
        let mut base = self.authority.signing_parties(self.event, self.body, signers);
        base.extend(awaited.parties.iter().map(|party| self.authority.as_signer(self.event, self.body, party)));
        if base.len() > MAX_SIGNATURES {
            let expected = format!("limit signatures {MAX_SIGNATURES}");
            return Err(Refusal::new(RefusalCode::LimitExceeded, expected, base.len().to_string()).at("/signatures"));
        }
        let resolve = |id: &str| self.authority.final_successor(id).cloned();
        let judged = Judged {
            signers: &base,
            quorum,
            payload: self.event.payload(),
            resolve: &resolve,
            corrected: self.corrected.map(|corrected| &corrected.signers),
        };
        if is_satisfied(&self.row.rule, &judged) {
            return Ok(());
        }
        let others = self.others(&base);
        let mut possible: Vec<Way<'_>> = ways(&self.row.rule, &judged);
        possible.retain(|way| self.can_be_completed(way, &base, &others, &judged));
        if possible.is_empty() {
            let expected = format!("parties that could sign as {}", self.row.rule.in_words());
            return Err(Refusal::new(RefusalCode::PolicyNotSatisfied, expected, "nobody beside those named")
                .at("/signatures")
                .hint("have a party enrolled or bound to that role, or draft it anew with other `signers`"));
        }
        for way in &possible {
            let fitting = others.iter().filter(|party| way.open.iter().any(|leaf| brings(leaf, party, &judged)));
            awaited.parties.extend(fitting.map(|party| party.party.clone()));
            if way.governance && awaited.governance == 0 {
                awaited.governance = self.governance_short_of(signers);
            }
        }
        awaited.missing.push(self.in_words(&possible, &others, &judged));
        Ok(())
    }

    /// Returns the parties beside `base` that may sign at all, and those of `base` with more keys.
    fn others(&self, base: &[SigningParty]) -> Vec<SigningParty> {
        let declared = |party: &PartyId| match &self.event.signers {
            Some(declared) => declared.iter().any(|signer| signer.party() == Some(party)),
            None => true,
        };
        let authority = self.authority;
        let case = self.event.case.as_ref().filter(|_| !names_capacity(&self.row.rule));
        let parties: BTreeSet<&PartyId> = match case.map(|case| authority.case(case.as_str())) {
            // In a case only those bound to it act.
            Some(case) => {
                let bound = case.into_iter().flat_map(|case| case.roles.values().flatten());
                let bound = bound.filter_map(|party| authority.final_successor(party.as_str()));
                bound.chain(self.newly).chain(self.corrected.into_iter().flat_map(|c| &c.signers.parties)).collect()
            }
            None => authority.parties().map(|(party, _)| party).collect(),
        };
        let stands = |party: &PartyId| authority.party(party.as_str()).is_some_and(|p| p.successor.is_none());
        let standing = parties.into_iter().filter(|party| stands(party) && declared(party));
        let signers = standing.map(|party| authority.as_signer(self.event, self.body, party));
        let may = |signer: &SigningParty| {
            let more_keys = base.iter().any(|b| b.party == signer.party && b.key_strengths.len() == MAX_SIGNATURES);
            !more_keys && check_insider(self.event, self.newly, self.row, signer, self.corrected).is_ok()
        };
        signers.filter(may).collect()
    }

    /// Tells whether the leaves of a way can all be filled by those who signed and those who may.
    fn can_be_completed(
        &self,
        way: &Way<'_>,
        base: &[SigningParty],
        others: &[SigningParty],
        judged: &Judged<'_>,
    ) -> bool {
        let declared = |signer: &Author| self.event.signers.as_ref().is_none_or(|declared| declared.contains(signer));
        if way.governance && !declared(&Author::Governance) {
            return false;
        }
        let same = |party: &SigningParty| others.iter().any(|other| other.party == party.party);
        let mut all: Vec<SigningParty> = base.iter().filter(|party| !same(party)).cloned().collect();
        for leaf in &way.leaves {
            let fitting = others.iter().filter(|party| fits(leaf, party, judged));
            // Of more than there are leaves it does not matter which.
            let fitting: Vec<&SigningParty> = fitting.take(2 * MAX_SIGNATURES).collect();
            for party in fitting {
                if all.iter().all(|other| other.party != party.party) {
                    all.push(party.clone());
                }
            }
        }
        way.fits_all(&all, judged)
    }

    /// Says what is missing, by the ways that need least.
    fn in_words(&self, possible: &[Way<'_>], others: &[SigningParty], judged: &Judged<'_>) -> String {
        let lacks = |way: &Way<'_>| way.unfilled.len() + usize::from(way.governance);
        let least = possible.iter().map(lacks).min().unwrap_or(0);
        let mut told: Vec<String> = Vec::new();
        for way in possible.iter().filter(|way| lacks(way) == least) {
            let mut parts: Vec<String> = way.unfilled.iter().map(|leaf| leaf_in_words(leaf, others, judged)).collect();
            if way.governance {
                parts.push("the governance quorum".to_owned());
            }
            let text = parts.join(" and ");
            if !told.contains(&text) {
                told.push(text);
            }
        }
        let more = told.len().saturating_sub(TOLD);
        told.truncate(TOLD);
        let more = if more > 0 { format!(" or {more} other ways") } else { String::new() };
        format!("{}{more}", told.join(", or "))
    }
}

/// Tells whether a party that signs, or signs with more keys, can fill a leaf that it does not fill now.
fn brings(leaf: &Rule, party: &SigningParty, judged: &Judged<'_>) -> bool {
    let fits_now = || judged.signers.iter().any(|signer| signer.party == party.party && fits(leaf, signer, judged));
    fits(leaf, party, judged) && !fits_now()
}

fn names_capacity(rule: &Rule) -> bool {
    match rule {
        Rule::Capacity { .. } => true,
        Rule::All(rules) | Rule::Any(rules) | Rule::AtLeast { of: rules, .. } => rules.iter().any(names_capacity),
        _ => false,
    }
}

fn leaf_in_words(leaf: &Rule, others: &[SigningParty], judged: &Judged<'_>) -> String {
    let fitting = others.iter().filter(|party| brings(leaf, party, judged));
    let mut names: Vec<&str> = fitting.map(|party| party.party.as_str()).take(NAMED + 1).collect();
    let more = names.len() > NAMED;
    names.truncate(NAMED);
    let names = names.join(", ");
    format!("{} ({names}{})", leaf.in_words(), if more { ", …" } else { "" })
}
