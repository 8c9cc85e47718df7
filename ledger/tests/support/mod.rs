//! A ledger in memory and people who sign: what the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use countersign_ledger::append::{Ledger, Parts, Recorded, SubmitError};
use countersign_ledger::default_policy::default_policy;
use countersign_ledger::envelope::Envelope;
use countersign_ledger::hash::{EventHash, sha256};
use countersign_ledger::keys::SigningKey;
use countersign_ledger::note::{Vkey, VkeyType};
use countersign_ledger::refusal::RefusalCode;
use countersign_ledger::store::Store;
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock, Time};
use serde_json::{Value, json};

pub const ORIGIN: &str = "ledger.example/tests";
pub const START: &str = "2026-09-21T14:00:00.000Z";

/// A clock that stands until it is moved.
pub struct Hands(AtomicI64);

impl Hands {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START.parse::<Time>().unwrap().unix_millis())))
    }

    pub fn forward(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Time {
        Time::from_unix_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// The key of a name, the same in every run.
pub fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(&[name.as_bytes()]))
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A fresh event id.
pub fn fresh_id() -> String {
    let n = NEXT_ID.fetch_add(1, Ordering::SeqCst);
    format!("0192a000-{:04x}-7000-8000-{:012x}", n >> 48 & 0xffff, n & 0xffff_ffff_ffff)
}

pub fn genesis() -> Submission {
    let governance: Vec<SigningKey> = ["gov0", "gov1", "gov2"].map(key).into();
    let vkey = Vkey::new(ORIGIN.parse().unwrap(), VkeyType::Ed25519, key("log").public());
    let payload = json!({
        "countersign": 1, "id": fresh_id(), "kind": "ledger.created", "subject": "ledger/self", "after": null,
        "author": "governance", "occurred": { "at": START },
        "body": {
            "origin": ORIGIN, "log_key": vkey.to_string(),
            "governance": { "threshold": 2, "keys": governance.iter().map(|k| k.public().to_string()).collect::<Vec<_>>() },
            "policy": default_policy().unwrap(),
        },
    });
    let keys: Vec<&SigningKey> = governance.iter().collect();
    Submission { envelope: Envelope::sign(payload.to_string().into_bytes(), &keys).unwrap(), disclosures: vec![] }
}

pub fn parts(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Parts {
    Parts { store, high_water: None, log_keys: vec![key("log").into()], clock, queue: 1_024 }
}

/// A ledger with its clock, and what is needed to draft events for it.
pub struct World {
    pub ledger: Ledger,
    pub clock: Arc<Hands>,
    pub store: Arc<dyn Store>,
}

/// An event to be: everything but what the ledger knows.
pub struct Draft {
    pub kind: &'static str,
    pub subject: String,
    pub case: Option<&'static str>,
    pub author: &'static str,
    pub body: Value,
    pub more: Value,
}

pub fn draft(
    kind: &'static str,
    subject: &str,
    case: Option<&'static str>,
    author: &'static str,
    body: Value,
) -> Draft {
    Draft { kind, subject: subject.to_owned(), case, author, body, more: json!({}) }
}

impl Draft {
    pub fn with(mut self, more: Value) -> Self {
        self.more = more;
        self
    }
}

impl World {
    pub fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()))
    }

    pub fn on(store: Arc<dyn Store>) -> Self {
        let clock = Hands::new();
        let ledger = Ledger::create(parts(Arc::clone(&store), clock.clone()), genesis()).unwrap();
        Self { ledger, clock, store }
    }

    /// A ledger with a donor, a recipient, an inspector and an opened case.
    pub fn with_case() -> Self {
        let world = Self::new();
        world.enroll("us-dsca", &["donor"]);
        world.enroll("xa-mod", &["recipient", "custodian"]);
        world.enroll("eu-obs", &["inspector", "oversight"]);
        world.open_case("us-dsca.x1");
        world
    }

    pub fn head(&self, subject: &str, case: Option<&str>) -> Option<EventHash> {
        let stream = countersign_ledger::id::StreamId {
            case: case.map(|case| case.parse().unwrap()),
            subject: subject.parse().unwrap(),
        };
        self.store.stream_head(&stream).unwrap().map(|head| head.event)
    }

    pub fn payload(&self, draft: &Draft) -> Value {
        let mut payload = json!({
            "countersign": 1, "ledger": self.ledger.id(), "id": fresh_id(), "kind": draft.kind,
            "subject": draft.subject, "after": self.head(&draft.subject, draft.case), "author": draft.author,
            "occurred": { "at": self.clock.now() }, "body": draft.body,
        });
        if let Some(case) = draft.case {
            payload["case"] = json!(case);
        }
        for (name, value) in draft.more.as_object().unwrap() {
            payload[name] = value.clone();
        }
        payload
    }

    pub fn say_payload(&self, payload: &Value, keys: &[&str]) -> Result<Recorded, SubmitError> {
        let keys: Vec<SigningKey> = keys.iter().map(|name| key(name)).collect();
        let keys: Vec<&SigningKey> = keys.iter().collect();
        let envelope = Envelope::sign(payload.to_string().into_bytes(), &keys).unwrap();
        self.ledger.submit(Submission { envelope, disclosures: vec![] })
    }

    pub fn say(&self, draft: Draft, keys: &[&str]) -> Result<Recorded, SubmitError> {
        self.say_payload(&self.payload(&draft), keys)
    }

    pub fn refused(&self, draft: Draft, keys: &[&str]) -> RefusalCode {
        let size = self.ledger.head().size;
        let code = match self.say(draft, keys) {
            Err(SubmitError::Refused(refusal)) => {
                // who may not is told what to do about it
                assert!(refusal.code.http_status() != 403 || refusal.hint.is_some(), "{refusal:?}");
                refusal.code
            }
            other => panic!("expected a refusal, found {other:?}"),
        };
        assert_eq!(self.ledger.head().size, size, "a refusal writes nothing");
        code
    }

    pub fn enroll(&self, party: &str, capacities: &[&str]) -> Recorded {
        let own = format!("{party}/0");
        let body = json!({
            "party": party, "name": party.to_uppercase(), "country": null, "capacities": capacities,
            "keys": [grant(&own)],
        });
        self.say(draft("party.enrolled", &format!("party/{party}"), None, "governance", body), &["gov0", "gov1", &own])
            .unwrap()
    }

    pub fn open_case(&self, case: &'static str) -> Recorded {
        let roles = json!({ "donor": ["us-dsca"], "recipient": ["xa-mod"], "inspector": ["eu-obs"] });
        self.say(
            draft("case.opened", &format!("case/{case}"), Some(case), "us-dsca", case_body(&roles)),
            &["us-dsca/0", "xa-mod/0"],
        )
        .unwrap()
    }
}

pub fn grant(name: &str) -> Value {
    json!({ "public_key": key(name).public(), "holder": "the office", "uses": ["*"], "not_after": null })
}

pub fn case_body(roles: &Value) -> Value {
    json!({
        "title": "Night vision devices", "legal_basis": ["22 USC 2318"], "roles": roles, "terms": { "receipt_within": 30 },
        "monitoring": "enhanced", "permitted_end_use": "self-defence", "permitted_end_users": ["xa-mod"],
        "retransfer": "with_consent",
    })
}

pub fn dispatch_body() -> Value {
    json!({
        "document_number": "W1A2B360000001",
        "lines": [{
            "line": "1", "nomenclature": "NIGHT VISION DEVICE", "quantity": "2", "unit": "EA",
            "nsn": "5855-01-534-5931", "serials": ["SYN-0001", "SYN-0002"],
        }],
    })
}
