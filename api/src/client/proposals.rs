//! Proposals: events that gather signatures on the server.
//!
//! What the server says of a proposal is not believed where it can be checked: its event hash is computed again from the
//! payload, the event is for this ledger, every signature on it verifies under the key that its id names, and whose key
//! that is is proved by the entry that introduced it. Whose signatures are missing is the server's word.

use std::cell::RefCell;
use std::collections::BTreeMap;

use countersign_ledger::event::{Event, EventError};
use countersign_ledger::hash::{EventHash, KeyId};
use countersign_ledger::id::{Author, CaseId, Kind};
use countersign_ledger::keys::{PublicKey, encode_base64};
use countersign_ledger::proof::Receipt;
use countersign_ledger::proposal::{Signed, Withdrawal};
use countersign_ledger::submission::Submission;
use serde::Serialize;
use serde_json::Value;

use super::error::{ClientError, Distrust};
use super::receipt::{Asked, Proven, check_asked};
use super::transport::{Transport, answer_error};
use super::{Client, parse_receipt};
use crate::problem::Problem;
use crate::wire::proposals::{
    MAX_SIGNATURE_BATCH, ProposalList, ProposalView, SignatureBatch, SignatureFor, SignatureResults, Withdrawn,
};
use crate::wire::{KeyView, PartyView};

const PATH: &str = "/v1/proposals";

/// Which proposals to list.
#[derive(Debug, Clone, Default)]
pub struct ProposalFilter {
    /// Those that await this party, or governance.
    pub awaiting: Option<Author>,
    /// Those by this author.
    pub author: Option<Author>,
    /// Those of this case.
    pub case: Option<CaseId>,
    /// Those of this kind.
    pub kind: Option<Kind>,
}

/// A proposal whose event was checked: it is what its hash says, and for this ledger.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What the server says of it. What it says of the event itself is replaced by what the event says.
    pub view: ProposalView,
    /// What would be signed.
    pub event: Event,
    /// The envelope and its disclosures; `None` once it is recorded.
    pub submission: Option<Submission>,
    /// The entry that it became, proved.
    pub recorded: Option<Box<Proven>>,
}

/// What became of one signature of several.
#[derive(Debug, Clone)]
pub struct SignatureOutcome {
    /// The event.
    pub event: EventHash,
    /// The key.
    pub keyid: KeyId,
    /// The proposal then, its receipt checked, or why the signature was not taken.
    pub result: Result<(ProposalView, Option<Box<Proven>>), Box<Problem>>,
}

impl Client {
    /// Proposes an event: the server keeps it until it can be recorded.
    ///
    /// # Errors
    /// When the server refuses it, or answers about another event.
    pub fn propose(&self, submission: &Submission) -> Result<Proposal, ClientError> {
        self.post_proposal(PATH, submission)
    }

    /// Asks how an event would stand as a proposal; nothing is kept.
    ///
    /// # Errors
    /// As [`Client::propose`].
    pub fn preview(&self, submission: &Submission) -> Result<Proposal, ClientError> {
        self.post_proposal(&format!("{PATH}?dry_run=true"), submission)
    }

    fn post_proposal(&self, path: &str, submission: &Submission) -> Result<Proposal, ClientError> {
        let (_, view): (_, ProposalView) = self.0.transport.post(path, submission.to_json().as_bytes())?;
        self.checked("POST", view, &submission.envelope.event_hash())
    }

    /// Fetches a proposal, or the entry that it became.
    ///
    /// # Errors
    /// When the server gives no answer, or one that does not prove itself.
    pub fn proposal(&self, event: &EventHash) -> Result<Option<Proposal>, ClientError> {
        let path = format!("{PATH}/{event}");
        let Some(view) = Transport::found(self.0.transport.json::<ProposalView>(&path))? else { return Ok(None) };
        self.checked("GET", view, event).map(Some)
    }

    /// Lists proposals, the oldest first.
    ///
    /// # Errors
    /// When the server gives no answer, or lists what is no proposal of this ledger.
    pub fn proposals(&self, filter: &ProposalFilter) -> Result<Vec<Proposal>, ClientError> {
        let mut query = String::from("?limit=100");
        let mut ask = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={value}"));
            }
        };
        ask("awaiting", filter.awaiting.as_ref().map(Author::as_str));
        ask("author", filter.author.as_ref().map(Author::as_str));
        ask("case", filter.case.as_ref().map(CaseId::as_str));
        ask("kind", filter.kind.as_ref().map(Kind::as_str));
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page: ProposalList = self.0.transport.json(&format!("{PATH}{query}{after}"))?;
            for view in page.proposals {
                let event = view.event;
                found.push(self.checked("GET", view, &event)?);
            }
            match page.next {
                Some(next) if next.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                    let next = format!("&after={next}");
                    if next == after {
                        return Err(answer_error("GET", PATH, &"a page that leads to itself"));
                    }
                    after = next;
                }
                Some(_) => return Err(answer_error("GET", PATH, &"a cursor with other characters than it has")),
                None => return Ok(found),
            }
        }
    }

    /// Sends signatures for proposals; what is complete then is recorded. Each is taken or refused by itself.
    ///
    /// # Errors
    /// When the server gives no answer, or a receipt does not prove itself.
    pub fn sign_proposals(&self, signatures: &[Signed]) -> Result<Vec<SignatureOutcome>, ClientError> {
        let path = format!("{PATH}/signatures");
        let mut outcomes = Vec::with_capacity(signatures.len());
        for chunk in signatures.chunks(MAX_SIGNATURE_BATCH) {
            let signatures = chunk.iter().map(|signed| SignatureFor {
                event: signed.event,
                keyid: signed.keyid,
                sig: encode_base64(signed.signature.as_bytes()),
            });
            let batch = serde_json::to_vec(&SignatureBatch { signatures: signatures.collect() })
                .map_err(|e| answer_error("POST", &path, &e))?;
            let (_, answer): (_, SignatureResults) = self.0.transport.post(&path, &batch)?;
            if answer.results.len() != chunk.len() {
                let reason = format!("{} results for {} signatures", answer.results.len(), chunk.len());
                return Err(answer_error("POST", &path, &reason));
            }
            for (signed, result) in chunk.iter().zip(answer.results) {
                let result = match (result.proposal, result.problem) {
                    (Some(view), _) if view.event == signed.event => {
                        let proven = self.proven(&view)?;
                        Ok((view, proven))
                    }
                    (None, Some(problem)) => Err(Box::new(problem)),
                    _ => return Err(answer_error("POST", &path, &"a result of another signature")),
                };
                outcomes.push(SignatureOutcome { event: signed.event, keyid: signed.keyid, result });
            }
        }
        Ok(outcomes)
    }

    /// Withdraws a proposal.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn withdraw_proposal(&self, event: &EventHash, request: &Withdrawal) -> Result<(), ClientError> {
        let path = format!("{PATH}/{event}");
        let answer: Withdrawn = self.0.transport.delete(&path, request.to_json().as_bytes())?;
        if answer.withdrawn == *event { Ok(()) } else { Err(answer_error("DELETE", &path, &"another event")) }
    }

    /// Checks a receipt that came with a proposal.
    fn proven(&self, view: &ProposalView) -> Result<Option<Box<Proven>>, ClientError> {
        let Some(receipt) = &view.receipt else { return Ok(None) };
        let receipt: Receipt = parse_receipt("GET", PATH, receipt)?;
        let proven = check_asked(receipt, &self.0.trust, &self.0.transport, Asked::Hash(view.event))?;
        self.0.trust.save(&self.0.transport)?;
        Ok(Some(Box::new(proven)))
    }

    fn checked(&self, method: &str, mut view: ProposalView, asked: &EventHash) -> Result<Proposal, ClientError> {
        let wrong = |reason: &dyn std::fmt::Display| answer_error(method, PATH, reason);
        if view.event != *asked {
            return Err(Distrust::OtherEvent { expected: *asked, found: view.event }.into());
        }
        let recorded = self.proven(&view)?;
        let submission = match &view.submission {
            Some(text) => Some(Submission::parse(text.get().as_bytes()).map_err(|refusal| wrong(&refusal))?),
            None => None,
        };
        let envelope = match (&submission, &recorded) {
            (Some(submission), _) => &submission.envelope,
            (None, Some(proven)) => &proven.envelope,
            (None, None) => return Err(wrong(&"neither a submission nor a receipt")),
        };
        let found = envelope.event_hash();
        if found != *asked {
            return Err(Distrust::OtherEvent { expected: *asked, found }.into());
        }
        let event = Event::of_envelope(envelope).map_err(|e: EventError| wrong(&e))?;
        if let Some(found) = event.ledger.filter(|found| *found != self.ledger_id()) {
            let server = self.server().to_owned();
            return Err(Distrust::WrongLedger { server, expected: self.ledger_id(), found }.into());
        }
        view.kind = event.kind.clone();
        view.subject = event.subject.clone();
        view.case.clone_from(&event.case);
        view.author = event.author.clone();
        view.until = event.until;
        Ok(Proposal { view, event, submission, recorded })
    }
}

/// Whose key a signature is by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signatory {
    /// The key.
    pub keyid: KeyId,
    /// Its holder; `None` for a key that the event itself introduces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Author>,
}

/// Keys and their holders, proved as they are asked for.
#[derive(Debug)]
pub struct KeyBook {
    client: Client,
    parties: Vec<PartyView>,
    governance: Vec<PublicKey>,
    proven: RefCell<BTreeMap<KeyId, Author>>,
}

impl KeyBook {
    /// Asks for every party and key.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn of(client: &Client) -> Result<Self, ClientError> {
        let (parties, governance) = (client.parties()?, client.ledger()?.governance.keys);
        Ok(Self { client: client.clone(), parties, governance, proven: RefCell::default() })
    }

    fn party_key(&self, keyid: &KeyId) -> Option<(&PartyView, &KeyView)> {
        let mut keys = self.parties.iter().flat_map(|party| party.keys.iter().map(move |key| (party, key)));
        keys.find(|(_, key)| key.keyid == *keyid)
    }

    /// Returns a party, as the server says.
    #[must_use]
    pub fn party(&self, name: &Author) -> Option<&PartyView> {
        self.parties.iter().find(|party| name.party() == Some(&party.party))
    }

    /// Finds whose key this is. That of a party is proved by the entry that introduced it; that a key is one of
    /// governance is the server's word.
    ///
    /// # Errors
    /// When the server does not prove what it says.
    pub fn holder(&self, keyid: &KeyId) -> Result<Option<Author>, ClientError> {
        if let Some(known) = self.proven.borrow().get(keyid) {
            return Ok(Some(known.clone()));
        }
        if self.governance.iter().any(|key| key.id() == *keyid) {
            return Ok(Some(Author::Governance));
        }
        let Some((party, key)) = self.party_key(keyid) else { return Ok(None) };
        let unproved = || Distrust::Holder { keyid: *keyid, party: party.party.to_string() };
        let entry = self.client.entry(key.introduced)?.ok_or_else(unproved)?;
        let body = entry.event.body();
        let text = key.public_key.to_string();
        let introduces = introduced(body).contains(&text) && key.public_key.id() == *keyid;
        let names = body.get("party").and_then(Value::as_str) == Some(party.party.as_str());
        if !introduces || !names || !matches!(entry.event.kind.as_str(), "party.enrolled" | "key.added") {
            return Err(unproved().into());
        }
        let holder = Author::Party(party.party.clone());
        self.proven.borrow_mut().insert(*keyid, holder.clone());
        Ok(Some(holder))
    }

    /// Verifies every signature on an envelope, and finds whose it is.
    ///
    /// # Errors
    /// When one does not verify or is by a key that nobody knows: a server does not keep such a one.
    pub fn signatories(&self, submission: &Submission, event: &Event) -> Result<Vec<Signatory>, ClientError> {
        let message = submission.envelope.pae();
        let own: Vec<PublicKey> = introduced(event.body()).iter().filter_map(|text| text.parse().ok()).collect();
        let check = |(keyid, signature): &(KeyId, _)| {
            let bad = || ClientError::from(Distrust::ProposalSignature { keyid: *keyid });
            let party = self.holder(keyid)?;
            let governance = self.governance.iter().find(|key| key.id() == *keyid);
            let own = || own.iter().find(|key| key.id() == *keyid);
            let key = self.party_key(keyid).map(|(_, key)| &key.public_key).or(governance).or_else(own);
            key.ok_or_else(bad)?.verify(&message, signature).map_err(|_| bad())?;
            Ok(Signatory { keyid: *keyid, party })
        };
        submission.envelope.signatures().iter().map(check).collect()
    }
}

/// The keys that a body introduces, as texts.
fn introduced(body: &Value) -> Vec<String> {
    let grants = body.get("keys").and_then(Value::as_array).into_iter().flatten();
    let grants = grants.chain(body.get("key")).filter_map(|grant| grant.get("public_key"));
    let governance = body.pointer("/governance/keys").and_then(Value::as_array).into_iter().flatten();
    grants.chain(governance).filter_map(Value::as_str).map(str::to_owned).collect()
}
