//! Events to be: what a test says, and what is filled in around it.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_ledger::envelope::Envelope;
use countersign_ledger::keys::SigningKey;
use countersign_ledger::submission::Submission;
use serde_json::{Value, json};

use super::people::key;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A fresh event id.
#[must_use]
pub fn fresh_id() -> String {
    let n = NEXT_ID.fetch_add(1, Ordering::SeqCst);
    format!("0192a000-{:04x}-7000-8000-{:012x}", n >> 48, n & 0xffff_ffff_ffff)
}

/// An event without what the ledger it goes to decides: its id, `ledger`, `after`, the time.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The kind.
    pub kind: String,
    /// The subject.
    pub subject: String,
    /// The case, if it has one.
    pub case: Option<String>,
    /// The author.
    pub author: String,
    /// The body.
    pub body: Value,
    /// Members of the payload that stand as they are here, whatever would be filled in.
    pub more: Value,
    /// What is disclosed beside it.
    pub disclosures: Vec<String>,
}

/// Makes a draft.
#[must_use]
pub fn draft(kind: &str, subject: &str, case: Option<&str>, author: &str, body: Value) -> Draft {
    Draft {
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        case: case.map(str::to_owned),
        author: author.to_owned(),
        body,
        more: json!({}),
        disclosures: Vec::new(),
    }
}

impl Draft {
    /// Sets members of the payload.
    #[must_use]
    pub fn with(mut self, more: Value) -> Self {
        self.more = more;
        self
    }

    /// Sets the author.
    #[must_use]
    pub fn by(mut self, author: &str) -> Self {
        author.clone_into(&mut self.author);
        self
    }

    /// Adds disclosures.
    #[must_use]
    pub fn disclosing(mut self, disclosures: &[&str]) -> Self {
        self.disclosures = disclosures.iter().map(ToString::to_string).collect();
        self
    }

    /// The payload for a ledger, a stream's head and a time.
    ///
    /// # Panics
    /// When `more` is not an object.
    #[must_use]
    pub fn payload(&self, ledger: &Value, after: &Value, occurred: &str) -> Value {
        let mut payload = json!({
            "countersign": 1, "ledger": ledger, "id": fresh_id(), "kind": self.kind, "subject": self.subject,
            "after": after, "author": self.author, "occurred": { "at": occurred }, "body": self.body,
        });
        if let Some(case) = &self.case {
            payload["case"] = json!(case);
        }
        for (name, value) in self.more.as_object().expect("members to set") {
            payload[name] = value.clone();
        }
        payload
    }
}

/// Signs a payload with the keys of those names.
///
/// # Panics
/// When the payload is over a limit.
#[must_use]
pub fn sign(payload: &Value, keys: &[&str]) -> Envelope {
    let keys: Vec<SigningKey> = keys.iter().map(|name| key(name)).collect();
    let keys: Vec<&SigningKey> = keys.iter().collect();
    Envelope::sign(payload.to_string().into_bytes(), &keys).expect("a payload within the limits")
}

/// As [`sign`], for a ledger that takes no disclosures.
#[must_use]
pub fn signed(payload: &Value, keys: &[&str]) -> Submission {
    Submission { envelope: sign(payload, keys), disclosures: Vec::new() }
}
