//! Keys from names, and the bodies that tests use most.

use countersign_ledger::hash::sha256;
use countersign_ledger::keys::SigningKey;
use serde_json::{Value, json};

use super::draft::{Draft, draft};

/// The key of a name: the same in every run, its seed the SHA-256 of the name.
#[must_use]
pub fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(&[name.as_bytes()]))
}

/// A key as a body introduces it, for everything and for ever.
#[must_use]
pub fn grant(name: &str) -> Value {
    json!({ "public_key": key(name).public(), "holder": "the office", "uses": ["*"], "not_after": null })
}

/// The body of `party.enrolled`, with the keys of those names.
#[must_use]
pub fn party_body(party: &str, capacities: &[&str], keys: &[&str]) -> Value {
    let keys: Vec<Value> = keys.iter().map(|name| grant(name)).collect();
    json!({ "party": party, "name": party.to_uppercase(), "country": null, "capacities": capacities, "keys": keys })
}

/// The body of `case.opened` with those roles.
#[must_use]
pub fn case_body(roles: &Value) -> Value {
    json!({
        "title": "Night vision devices", "legal_basis": ["22 USC 2318"], "roles": roles,
        "terms": { "receipt_within": 30 }, "monitoring": "enhanced", "permitted_end_use": "self-defence",
        "permitted_end_users": ["the ministry"], "retransfer": "with_consent",
    })
}

/// The parties of most tests, with their capacities; each has a key `PARTY/0`.
pub const PARTIES: [(&str, &[&str]); 3] =
    [("us-dsca", &["donor"]), ("xa-mod", &["recipient", "custodian"]), ("eu-obs", &["inspector", "oversight"])];

/// The opening of a case between them.
#[must_use]
pub fn case_opened(case: &str) -> Draft {
    let roles = json!({ "donor": ["us-dsca"], "recipient": ["xa-mod"], "inspector": ["eu-obs"] });
    draft("case.opened", &format!("case/{case}"), Some(case), "us-dsca", case_body(&roles))
}

/// The body of a dispatch of two devices.
#[must_use]
pub fn dispatch_body() -> Value {
    json!({
        "document_number": "W1A2B360000001",
        "lines": [{
            "line": "1", "nomenclature": "NIGHT VISION DEVICE", "quantity": "2", "unit": "EA",
            "nsn": "5855-01-534-5931", "serials": ["SYN-0001", "SYN-0002"],
        }],
    })
}

/// The body of the receipt for it: all there.
#[must_use]
pub fn receipt_body() -> Value {
    json!({
        "lines": [{
            "line": "1", "received": "2", "condition": "serviceable",
            "serials": { "present": ["SYN-0001", "SYN-0002"] },
        }],
    })
}
