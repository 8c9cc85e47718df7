//! A ledger in this process, with a clock that stands until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_ledger::append::{Ledger, Parts, Recorded, SubmitError};
use countersign_ledger::bundle::{BundleChunks, Compression, LastLeaf, Scope, write_full};
use countersign_ledger::default_policy::default_policy;
use countersign_ledger::hash::EventHash;
use countersign_ledger::high_water::HighWater;
use countersign_ledger::id::StreamId;
use countersign_ledger::note::{Vkey, VkeyType};
use countersign_ledger::refusal::{Refusal, RefusalCode};
use countersign_ledger::store::Store;
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock, Time};
use serde_json::{Value, json};

use super::draft::{Draft, draft, fresh_id, sign, signed};
use super::people::{PARTIES, case_opened, key, party_body};

/// The origin of test ledgers.
pub const ORIGIN: &str = "ledger.example/tests";
/// When their clocks start.
pub const START: &str = "2026-09-21T14:00:00.000Z";
/// The governance keys, of which two make the quorum.
pub const GOVERNANCE: [&str; 3] = ["gov0", "gov1", "gov2"];
/// Two of them.
pub const QUORUM: [&str; 2] = ["gov0", "gov1"];

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct Hands(AtomicI64);

impl Hands {
    /// Makes one that stands at [`START`].
    ///
    /// # Panics
    /// Never: it is a time.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START.parse::<Time>().expect("a time").unix_millis())))
    }

    /// Moves it, back with a negative number.
    pub fn forward(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Time {
        Time::from_unix_millis(self.0.load(Ordering::SeqCst)).expect("a time in range")
    }
}

/// The vkey of a log key's name.
///
/// # Panics
/// Never: the origin is a name.
#[must_use]
pub fn vkey(name: &str) -> String {
    Vkey::new(ORIGIN.parse().expect("an origin"), VkeyType::Ed25519, key(name).public()).to_string()
}

/// Entry 0, with the default policy and what `rows` changes of it.
///
/// # Panics
/// Never: the default policy is well formed.
#[must_use]
pub fn genesis(rows: &Value) -> Submission {
    let mut policy = default_policy().expect("the default policy").to_value();
    for (kind, row) in rows.as_object().into_iter().flatten() {
        policy[kind] = row.clone();
    }
    let keys: Vec<Value> = GOVERNANCE.iter().map(|name| json!(key(name).public())).collect();
    let payload = json!({
        "countersign": 1, "id": fresh_id(), "kind": "ledger.created", "subject": "ledger/self", "after": null,
        "author": "governance", "occurred": { "at": START },
        "body": {
            "origin": ORIGIN, "log_key": vkey("log"), "governance": { "threshold": 2, "keys": keys }, "policy": policy,
        },
    });
    signed(&payload, &GOVERNANCE)
}

/// What a ledger is made of, its log keys by name.
#[must_use]
pub fn parts(store: Arc<dyn Store>, clock: Arc<dyn Clock>, high_water: Option<HighWater>, log_keys: &[&str]) -> Parts {
    Parts { store, high_water, log_keys: log_keys.iter().map(|name| key(name).into()).collect(), clock, queue: 1_024 }
}

/// A ledger in this process, and what is needed to draft events for it.
pub struct World {
    /// The ledger.
    pub ledger: Ledger,
    /// Its clock.
    pub clock: Arc<Hands>,
    /// Its store.
    pub store: Arc<dyn Store>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl World {
    /// A ledger in memory, with what `rows` changes of the default policy. It holds `log` and `log2` as log keys.
    #[must_use]
    pub fn with_policy(rows: &Value) -> Self {
        Self::on(Arc::new(MemoryStore::new()), None, rows)
    }

    /// A ledger in a store that is empty.
    ///
    /// # Panics
    /// When it cannot begin.
    #[must_use]
    pub fn on(store: Arc<dyn Store>, high_water: Option<HighWater>, rows: &Value) -> Self {
        let clock = Hands::new();
        let parts = parts(Arc::clone(&store), clock.clone(), high_water, &["log", "log2"]);
        let ledger = Ledger::create(parts, genesis(rows)).expect("a ledger begins");
        Self { ledger, clock, store }
    }

    /// A ledger in memory with a donor `us-dsca`, a recipient `xa-mod`, an inspector `eu-obs` (each with a key `…/0`)
    /// and the case `us-dsca.x1` between them: entries 0 to 4.
    #[must_use]
    pub fn with_case() -> Self {
        let world = Self::with_policy(&json!({}));
        world.found();
        world
    }

    /// Records the parties and the case of [`World::with_case`].
    pub fn found(&self) {
        for (party, capacities) in PARTIES {
            self.enroll(party, capacities);
        }
        self.open_case("us-dsca.x1");
    }

    /// The head of a stream.
    ///
    /// # Panics
    /// When the store fails; so for every method here that has nothing else to say.
    #[must_use]
    pub fn head(&self, subject: &str, case: Option<&str>) -> Option<EventHash> {
        let case = case.map(|case| case.parse().expect("a case id"));
        let stream = StreamId { case, subject: subject.parse().expect("a subject") };
        self.store.stream_head(&stream).expect("the store answers").map(|head| head.event)
    }

    /// The payload of a draft, for now.
    #[must_use]
    pub fn payload(&self, draft: &Draft) -> Value {
        let after = json!(self.head(&draft.subject, draft.case.as_deref()));
        draft.payload(&json!(self.ledger.id()), &after, &self.clock.now().to_string())
    }

    /// Signs a draft with the keys of those names.
    #[must_use]
    pub fn submission(&self, draft: &Draft, keys: &[&str]) -> Submission {
        Submission { envelope: sign(&self.payload(draft), keys), disclosures: draft.disclosures.clone() }
    }

    /// Signs a draft and submits it.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn try_say(&self, draft: &Draft, keys: &[&str]) -> Result<Recorded, SubmitError> {
        self.ledger.submit(self.submission(draft, keys))
    }

    /// Signs a draft and has it recorded.
    ///
    /// # Panics
    /// When it is not.
    pub fn say(&self, draft: &Draft, keys: &[&str]) -> Recorded {
        self.try_say(draft, keys).unwrap_or_else(|e| panic!("{} by {keys:?}: {e}", draft.kind))
    }

    /// Signs a draft and has it refused, with nothing written.
    ///
    /// # Panics
    /// When it is not.
    pub fn refused(&self, draft: &Draft, keys: &[&str]) -> RefusalCode {
        let size = self.ledger.head().size;
        let refusal: Box<Refusal> = match self.try_say(draft, keys) {
            Err(SubmitError::Refused(refusal)) => refusal,
            other => panic!("expected a refusal of {}, found {other:?}", draft.kind),
        };
        assert_eq!(self.ledger.head().size, size, "a refusal writes nothing");
        refusal.code
    }

    /// Enrols a party with the key `PARTY/0`.
    pub fn enroll(&self, party: &str, capacities: &[&str]) -> Recorded {
        let own = format!("{party}/0");
        let body = party_body(party, capacities, &[&own]);
        let enrolled = draft("party.enrolled", &format!("party/{party}"), None, "governance", body);
        self.say(&enrolled, &["gov0", "gov1", &own])
    }

    /// Opens a case between the three parties of [`World::with_case`].
    pub fn open_case(&self, case: &str) -> Recorded {
        self.say(&case_opened(case), &["us-dsca/0", "xa-mod/0"])
    }

    /// The whole ledger as a bundle.
    #[must_use]
    pub fn bundle(&self) -> Vec<u8> {
        let mut bundle = Vec::new();
        let (head, id) = (self.ledger.head(), self.ledger.id());
        write_full(&mut bundle, &*self.store, id, &head, Compression::None, |_| {}).expect("a bundle is written");
        bundle
    }

    /// An extract of the ledger.
    #[must_use]
    pub fn extract(&self, scope: &Scope) -> Vec<u8> {
        let sealed = self.ledger.sealed().expect("a store that can be read");
        let (head, id) = (self.ledger.head(), self.ledger.id());
        let chunks = BundleChunks::of_scope(
            &*self.store,
            id,
            &head,
            scope.clone(),
            LastLeaf::Shown,
            sealed.as_ref(),
            Compression::None,
        );
        chunks
            .expect("there is such a scope")
            .map(|chunk| chunk.expect("a store that can be read"))
            .collect::<Vec<_>>()
            .concat()
    }
}
