//! A donor, a recipient and a case, on a ledger of one's own: what the examples and benchmarks begin with.
//!
//! Keys come from the system's random numbers; the governance quorum is one key of one, which suffices for a
//! benchmark and for nothing else.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use countersign_ledger::append::{DEFAULT_QUEUE, Ledger, Parts};
use countersign_ledger::default_policy::default_policy;
use countersign_ledger::envelope::Envelope;
use countersign_ledger::hash::{EventHash, LedgerId};
use countersign_ledger::high_water::HighWater;
use countersign_ledger::keys::SigningKey;
use countersign_ledger::note::{Vkey, VkeyType};
use countersign_ledger::store::Store;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock as _, SystemClock};
use serde_json::{Value, json};

/// The case that everything happens in.
pub const CASE: &str = "xd-moda.x1";

/// A ledger with a donor, a recipient and an opened case.
pub struct World {
    /// The ledger.
    pub ledger: Ledger,
    /// Its id.
    pub id: LedgerId,
    /// The log's private key, to open the ledger again.
    pub log: SigningKey,
    /// The donor's key.
    pub donor: SigningKey,
    /// The recipient's key.
    pub recipient: SigningKey,
    /// The key of a party that operates, to seal with.
    pub operator: SigningKey,
}

fn now() -> String {
    SystemClock.now().to_string()
}

/// Makes a payload's header, to which a body is added.
#[must_use]
pub fn payload(ledger: Option<LedgerId>, kind: &str, subject: &str, author: &str, body: &Value) -> Value {
    let mut payload = json!({
        "countersign": 1, "id": uuid::Uuid::now_v7(), "kind": kind, "subject": subject, "after": null,
        "author": author, "occurred": { "at": now() }, "body": body,
    });
    if let Some(ledger) = ledger {
        payload["ledger"] = json!(ledger);
    }
    payload
}

/// Signs a payload.
///
/// # Errors
/// When the payload is over a limit.
pub fn signed(payload: &Value, keys: &[&SigningKey]) -> Result<Submission> {
    let envelope = Envelope::sign(payload.to_string().into_bytes(), keys)?;
    Ok(Submission { envelope, disclosures: Vec::new() })
}

/// Makes the parts of a ledger on a store.
#[must_use]
pub fn parts(store: Arc<dyn Store>, high_water: Option<HighWater>, log: &SigningKey) -> Parts {
    Parts { store, high_water, log_keys: vec![log.clone().into()], clock: Arc::new(SystemClock), queue: DEFAULT_QUEUE }
}

impl World {
    /// Begins a ledger on an empty store.
    ///
    /// # Errors
    /// When the store or the ledger refuses.
    pub fn begin(store: Arc<dyn Store>, high_water: Option<HighWater>) -> Result<Self> {
        let [governance, log, donor, recipient, operator] = [(); 5].map(|()| SigningKey::generate());
        let (governance, log, donor, recipient, operator) = (governance?, log?, donor?, recipient?, operator?);
        let origin = "ledger.example/bench";
        let vkey = Vkey::new(origin.parse()?, VkeyType::Ed25519, log.public());
        let genesis = json!({
            "origin": origin, "log_key": vkey.to_string(), "policy": default_policy()?,
            "governance": { "threshold": 1, "keys": [governance.public()] },
        });
        let genesis = payload(None, "ledger.created", "ledger/self", "governance", &genesis);
        let ledger = Ledger::create(parts(store, high_water, &log), signed(&genesis, &[&governance])?)?;
        let id = ledger.id();
        let parties =
            [("xd-moda", "donor", &donor), ("xa-mod", "recipient", &recipient), ("xd-registry", "operator", &operator)];
        for (party, capacity, key) in parties {
            let grant = json!({ "public_key": key.public(), "holder": "registry", "uses": ["*"], "not_after": null });
            let body = json!({
                "party": party, "name": party, "country": null, "capacities": [capacity], "keys": [grant],
            });
            let enrol = payload(Some(id), "party.enrolled", &format!("party/{party}"), "governance", &body);
            ledger.submit(signed(&enrol, &[&governance, key])?)?;
        }
        let body = json!({
            "title": "Vehicles", "legal_basis": ["an act"], "permitted_end_use": "self-defence",
            "permitted_end_users": ["xa-mod"], "monitoring": "routine", "retransfer": "prohibited", "terms": {},
            "roles": { "donor": ["xd-moda"], "recipient": ["xa-mod"] },
        });
        let mut open = payload(Some(id), "case.opened", &format!("case/{CASE}"), "xd-moda", &body);
        open["case"] = json!(CASE);
        ledger.submit(signed(&open, &[&donor, &recipient])?)?;
        Ok(Self { ledger, id, log, donor, recipient, operator })
    }

    /// Makes a dispatch of a consignment of its own, signed by the donor, and by the recipient too where asked.
    ///
    /// # Errors
    /// Never with these values; the limits are checked all the same.
    pub fn dispatch(&self, n: usize, both: bool) -> Result<Submission> {
        let keys: &[&SigningKey] = if both { &[&self.donor, &self.recipient] } else { &[&self.donor] };
        signed(&self.dispatch_payload(n), keys)
    }

    /// Makes the payload of such a dispatch.
    #[must_use]
    pub fn dispatch_payload(&self, n: usize) -> Value {
        let body = json!({
            "document_number": format!("W1A2B3{:04}{:04}", n / 10_000 % 10_000, n % 10_000),
            "lines": [{
                "line": "1", "nomenclature": "TRUCK,UTILITY", "quantity": "2", "unit": "EA",
                "nsn": "2320-01-107-7155",
                "serials": [format!("SYN-{n:07}-A"), format!("SYN-{n:07}-B")],
                "unit_value": { "amount": "62627.00", "currency": "USD" },
            }],
            "carrier": "Example Lines", "from": { "country": "DE", "text": "Depot 7" }, "expected": "2027-01-31",
        });
        let mut payload =
            payload(Some(self.id), "transfer.dispatched", &format!("consignment/c-{n:07}"), "xd-moda", &body);
        payload["case"] = json!(CASE);
        payload
    }
}

/// Reads the id of a recorded event out of a receipt's entry.
///
/// # Errors
/// When the entry is not one.
pub fn event_of(entry: &str) -> Result<EventHash> {
    let entry = countersign_ledger::entry::Entry::parse(entry.as_bytes()).context("an entry in the receipt")?;
    Ok(entry.envelope.event_hash())
}

/// Finds a program that is built beside this one.
///
/// # Errors
/// When it is not there: it says how to build it.
pub fn program(name: &str) -> Result<std::path::PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.ancestors().skip(1).take(3).map(|folder| folder.join(name)).find(|path| path.is_file());
    beside.ok_or_else(|| anyhow!("{name} is not built: cargo build --release -p countersign -p countersign-verify"))
}
