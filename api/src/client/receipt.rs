//! Checks a receipt before anybody relies on it.

use countersign_ledger::entry::Entry;
use countersign_ledger::envelope::Envelope;
use countersign_ledger::event::Event;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::proof::Receipt;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::Time;

use super::error::{ClientError, Distrust};
use super::transport::Transport;
use super::trust::Trust;

/// An event that is in the ledger, with the proof of it. The proof has been checked.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its entry.
    pub seq: Seq,
    /// When it was admitted.
    pub time: Time,
    /// Its event hash.
    pub event: EventHash,
    /// The proof.
    pub receipt: Receipt,
    /// Whether the ledger had it already.
    pub repeated: bool,
    /// How many of the signatures sent are not on the entry, because it had been recorded without them.
    pub unrecorded_signatures: usize,
}

/// An event of the ledger that was asked for. The proof of it has been checked.
#[derive(Debug, Clone)]
pub struct Proven {
    /// Its entry.
    pub seq: Seq,
    /// When it was admitted.
    pub time: Time,
    /// Its event hash.
    pub hash: EventHash,
    /// What it says.
    pub event: Event,
    /// The envelope.
    pub envelope: Envelope,
    /// The proof.
    pub receipt: Receipt,
}

/// A receipt whose entry and inclusion proof hold; its checkpoint is not believed yet.
pub(super) struct Included {
    pub(super) entry: Entry,
    pub(super) receipt: Receipt,
}

/// Checks that the receipt's line is an entry and is in the tree of its checkpoint. Costs only processor time.
pub(super) fn check_inclusion(receipt: Receipt) -> Result<Included, Distrust> {
    let entry = Entry::parse(receipt.entry().as_bytes())?;
    receipt.verify_inclusion()?;
    Ok(Included { entry, receipt })
}

/// Checks that a receipt is for exactly what was sent.
pub(super) fn check_sent(included: Included, sent: &Submission, repeated: bool) -> Result<Recorded, Distrust> {
    let Included { entry, receipt } = included;
    let (expected, found) = (sent.envelope.event_hash(), entry.envelope.event_hash());
    if expected != found {
        return Err(Distrust::OtherEvent { expected, found });
    }
    let recorded = entry.envelope.signatures();
    let unrecorded = sent.envelope.signatures().iter().filter(|signature| !recorded.contains(signature)).count();
    if !repeated {
        if unrecorded > 0 || recorded.len() != sent.envelope.signatures().len() {
            return Err(Distrust::OtherSignatures);
        }
        let sorted = |texts: &[String]| {
            let mut texts = texts.to_vec();
            texts.sort_unstable();
            texts
        };
        if sorted(receipt.disclosures()) != sorted(&sent.disclosures) {
            return Err(Distrust::OtherDisclosures);
        }
    }
    Ok(Recorded {
        seq: entry.seq,
        time: entry.time,
        event: found,
        receipt,
        repeated,
        unrecorded_signatures: unrecorded,
    })
}

/// Checks a receipt for an event that was asked for by its hash or its seq.
pub(super) fn check_asked(
    receipt: Receipt,
    trust: &Trust,
    transport: &Transport,
    asked: Asked,
) -> Result<Proven, ClientError> {
    let Included { entry, receipt } = check_inclusion(receipt)?;
    let hash = entry.envelope.event_hash();
    match asked {
        Asked::Hash(expected) if expected != hash => {
            return Err(Distrust::OtherEvent { expected, found: hash }.into());
        }
        Asked::Seq(expected) if expected != entry.seq => {
            return Err(ClientError::Answer {
                request: format!("a request for entry {expected}"),
                reason: format!("it is about entry {}", entry.seq),
            });
        }
        Asked::Hash(_) | Asked::Seq(_) => {}
    }
    trust.observe(transport, receipt.proof().checkpoint(), TreeSize(0))?;
    let event = Event::parse(entry.envelope.payload()).map_err(Distrust::from)?;
    Ok(Proven { seq: entry.seq, time: entry.time, hash, event, envelope: entry.envelope, receipt })
}

/// How an event was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    Hash(EventHash),
    Seq(Seq),
}
