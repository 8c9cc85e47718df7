//! Signing without a network: one officer drafts and signs, another adds a signature, a third machine submits.
//!
//! What travels is an envelope (DSSE), a few hundred bytes of JSON. Nothing here opens a connection. What is signed can
//! be signed by any tool that signs Ed25519: it is the DSSE pre-authentication encoding, printed here.
//!
//! ```text
//! cargo run --release -p countersign-examples --bin offline_signing
//! ```

use anyhow::{Result, ensure};
use countersign_ledger::envelope::Envelope;
use countersign_ledger::event::{Body, Event};
use countersign_ledger::hash::{LedgerId, sha256};
use countersign_ledger::keys::{KeyTables, SigningKey};
use serde_json::json;

fn main() -> Result<()> {
    let (inspector, recipient) = (SigningKey::generate()?, SigningKey::generate()?);
    let ledger = LedgerId::from_bytes(sha256(&[b"an example: not a real ledger"]));

    // The inspector drafts the record of a joint check and signs it.
    let payload = json!({
        "countersign": 1, "ledger": ledger, "id": uuid::Uuid::now_v7(), "kind": "check.recorded",
        "subject": "check/2027-004", "case": "xd-moda.x1", "after": null, "author": "xo-obs",
        "signers": ["xa-mod", "xo-obs"], "occurred": { "date": "2027-03-02" },
        "body": {
            "type": "routine", "access": "full", "items": [
                { "described_in": { "subject": "consignment/c-0000001", "line": "1" }, "serials": ["SYN-0000001-A"],
                  "grade": "sighted", "state": "in_custody", "condition": "serviceable" },
            ],
        },
    });
    let first = Envelope::sign(payload.to_string().into_bytes(), &[&inspector])?;
    let on_paper = first.canonical();
    println!("the inspector sends {} bytes:\n{on_paper}\n", on_paper.len());

    // The recipient, elsewhere, reads what it would sign, and adds its signature to the same envelope.
    let mut second = Envelope::parse(on_paper.as_bytes())?;
    let event = Event::of_envelope(&second)?;
    println!("the recipient reads: {} of {}, by {}: {}", event.kind, event.subject, event.author, event.body());
    println!("and signs these bytes:\n{}\n", String::from_utf8_lossy(&second.pae()));
    match Body::parse(&event.kind, event.body()) {
        Ok(_) => println!("the body is well-formed"),
        Err(error) => println!("the ledger would refuse the body: {error}"),
    }
    second.add_signature(&recipient)?;

    // Whoever has the public keys can check both signatures.
    let known = [inspector.public(), recipient.public()];
    let found = second.verify(&KeyTables::default(), |id| known.iter().find(|key| key.id() == *id).copied())?;
    ensure!(found.envelope().signatures().len() == 2, "both signed");
    println!("event {}", found.event_hash());
    Ok(())
}
