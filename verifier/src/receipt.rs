//! Receipts (SPEC §11): one entry, its proof and its disclosures; alone, or with a bundle that decides the rest.

use std::io::BufRead;

use crate::checkpoint::Checkpoint;
use crate::checks::{Checks, Code, Fault, Outcome, Place};
use crate::disclosure;
use crate::entry::Entry;
use crate::event::{Event, EventError, Occurred, payload_json};
use crate::fields::{Fields, Malformed, texts};
use crate::fold::{
    Given, Probe, Probed, beyond_cosignature, cosigners, signed_by_log, trusted_log_fault, witness_fault,
};
use crate::hash::{Hash, event_hash, leaf_hash, pae};
use crate::json::parse;
use crate::policy::is_authority_kind;
use crate::proof::TlogProof;
use crate::report::Report;
use crate::verify::verify_bundle;
use crate::witnessed::{Said, Witnessed};

/// The largest receipt, in bytes (SPEC §12).
pub const MAX_RECEIPT: usize = 1 << 20;

/// A receipt, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The entry line.
    pub line: String,
    /// Its proof.
    pub proof: TlogProof,
    /// Its disclosures.
    pub disclosures: Vec<String>,
}

impl Receipt {
    /// Reads a receipt; one newline at the end of the file is allowed.
    ///
    /// # Errors
    /// Names the member that is not as SPEC §11 says.
    pub fn parse(bytes: &[u8]) -> Result<Receipt, Malformed> {
        if bytes.len() > MAX_RECEIPT {
            let expected = format!("at most {MAX_RECEIPT} bytes");
            return Err(Malformed::new("receipt", expected, "more"));
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let value = parse(bytes, 2).map_err(|e| {
            let found = bytes.get(e.offset..).unwrap_or_default();
            Malformed::new(
                format!("receipt byte {}", e.offset),
                e.expected,
                crate::escape::quoted_bytes(&found[..found.len().min(24)]),
            )
        })?;
        let mut fields = Fields::of("", &value)?;
        let line = fields.text("entry", "an entry line", |_| true)?.to_owned();
        let proof = fields.text("proof", "a tlog-proof", |_| true)?;
        let proof = TlogProof::parse(proof).map_err(|e| Malformed::new("/proof", e.expected, e.found))?;
        if let Some(fault) = proof.checkpoint.not_plain() {
            return Err(Malformed::new("/proof", fault.expected, fault.found));
        }
        let disclosures = fields.required("disclosures")?;
        let disclosures = texts("/disclosures", disclosures, "a disclosure", |_| true)?;
        fields.finish()?;
        Ok(Receipt { line, proof, disclosures })
    }
}

/// What a receipt alone comes to, before a bundle adds to it.
struct Alone {
    checks: Checks,
    undisclosed: u64,
    newer: Option<String>,
    witnessed: Option<Witnessed>,
}

/// Verifies a receipt by itself: everything that needs other entries stays undecided.
pub fn verify_alone(bytes: &[u8], given: &Given) -> Report {
    let (alone, receipt) = examine(bytes, given);
    report(alone, receipt.as_ref(), given)
}

fn report(alone: Alone, receipt: Option<&Receipt>, given: &Given) -> Report {
    Report {
        ledger: given.ledger,
        ledger_given: given.ledger.is_some(),
        size: receipt.map(|r| r.proof.checkpoint.size),
        shown: u64::from(receipt.is_some()),
        withheld: 0,
        undisclosed: alone.undisclosed,
        extract: true,
        scope: None,
        newer: alone.newer,
        unreadable: None,
        witnessed: alone.witnessed,
        checks: alone.checks,
        suspects: Vec::new(),
        policy: None,
        sealed: Vec::new(),
        sealed_before: None,
    }
}

/// Verifies a receipt with a bundle: the bundle decides, if its tree holds the receipt's.
pub fn verify_with_bundle(bytes: &[u8], given: Given, source: impl BufRead + Send) -> Report {
    let (alone, receipt) = examine(bytes, &given);
    let Some(receipt) = receipt else {
        return report(alone, None, &given);
    };
    let proof = &receipt.proof;
    let given = Given { probe: Some(Probe { size: proof.checkpoint.size, index: proof.index }), ..given };
    let (mut whole, probed) = verify_bundle(source, &given, None);
    // what the bundle's witnesses saw holds the receipt's tree: it needs no cosignatures of its own (SPEC §11)
    let wrong = alone.witnessed.iter().any(|witnessed| witnessed.who(Said::Wrong).next().is_some());
    let held = probed.root == Some(proof.checkpoint.root) && !wrong;
    join(&mut whole.checks, &alone.checks, held);
    connect(&mut whole.checks, &receipt, &probed, whole.size);
    whole.undisclosed = alone.undisclosed;
    whole.newer = whole.newer.or(alone.newer);
    whole
}

/// Adds what the receipt alone shows to be false; of its witnesses only where the bundle's tree does not hold its own.
fn join(whole: &mut Checks, alone: &Checks, held: bool) {
    for row in alone.rows().iter().filter(|row| !(held && row.code == Code::Witness)) {
        if row.outcome == Outcome::Failed
            && let Some(fault) = &row.fault
        {
            let detail = format!("in the receipt: {}", fault.detail);
            let fault = Fault::new(detail, fault.expected.as_str(), fault.found.as_str());
            whole.fail(row.code, Place { line: None, ..row.place }, fault);
        }
    }
}

/// Whether the bundle's tree holds the receipt's entry and tree.
fn connect(checks: &mut Checks, receipt: &Receipt, probed: &Probed, bundle_size: Option<u64>) {
    let proof = &receipt.proof;
    let checkpoint = &proof.checkpoint;
    let leaf = leaf_hash(receipt.line.as_bytes());
    let place = Place { seq: Some(proof.index), line: None };
    checks.clear_not_applicable(Code::Consistent);
    match probed.leaf {
        Some(found) if found != leaf => {
            let detail = "fork: the bundle has another entry at this position";
            let fault = Fault::new(detail, leaf.to_string(), found.to_string());
            checks.fail(Code::Consistent, place, fault);
        }
        Some(_) => {}
        None => {
            let why = "the bundle does not show the receipt's entry";
            for code in [Code::Signature, Code::Key, Code::Policy, Code::Pointers] {
                checks.undecide(code, place, why);
            }
        }
    }
    match probed.root {
        Some(root) if root != checkpoint.root => {
            let detail = "fork: the bundle has another history at the receipt's size";
            let fault = Fault::new(detail, checkpoint.root.to_string(), root.to_string());
            checks.fail(Code::Consistent, place, fault);
        }
        Some(_) => checks.remark(Code::Consistent, "the receipt's tree is a part of the bundle's"),
        None => {
            let why = match bundle_size {
                Some(size) if size < checkpoint.size => {
                    "the receipt is newer than the bundle, which cannot show that its tree goes on"
                }
                _ => "the size of the receipt's tree falls inside a withheld run",
            };
            checks.undecide(Code::Consistent, place, why);
        }
    }
    if let Some(key) = &probed.log_key {
        if let Err(fault) = signed_by_log(checkpoint, key) {
            let detail = format!("in the receipt: {}", fault.detail);
            checks.fail(Code::Checkpoint, place, Fault { detail, ..fault });
        }
    } else {
        let why = "the log key in force at the receipt's size is not known";
        checks.undecide(Code::Checkpoint, place, why);
    }
}

fn examine(bytes: &[u8], given: &Given) -> (Alone, Option<Receipt>) {
    let mut alone = Alone { checks: Checks::default(), undisclosed: 0, newer: None, witnessed: None };
    let receipt = match Receipt::parse(bytes) {
        Ok(receipt) => receipt,
        Err(fault) => {
            let fault = Fault::new(fault.path, fault.expected, fault.found);
            alone.checks.fail(Code::Format, Place::default(), fault);
            for code in Code::ALL {
                alone.checks.undecide(code, Place::default(), "the receipt could not be read");
            }
            return (alone, None);
        }
    };
    let place = Place { seq: Some(receipt.proof.index), line: None };
    alone.undecided_without_bundle(place);
    alone.tree(place, &receipt);
    alone.checkpoint(&receipt.proof.checkpoint, given);
    alone.entry(place, &receipt, given);
    (alone, Some(receipt))
}

impl Alone {
    fn undecided_without_bundle(&mut self, place: Place) {
        let why = "a receipt alone does not decide it; give the bundle too";
        for code in [
            Code::Chain,
            Code::Signature,
            Code::Key,
            Code::Policy,
            Code::Stream,
            Code::Pointers,
            Code::Seal,
            Code::Time,
        ] {
            self.checks.undecide(code, place, why);
        }
        self.checks.not_applicable(Code::Consistent, "no bundle was given");
        self.checks.not_applicable(Code::Evidence, "no evidence file was given");
    }

    fn tree(&mut self, place: Place, receipt: &Receipt) {
        let leaf = leaf_hash(receipt.line.as_bytes());
        let proof = &receipt.proof;
        match proof.includes(&leaf) {
            Ok(()) => self.checks.remark(Code::Tree, format!("entry {} of {}", proof.index, proof.checkpoint.size)),
            Err(error) => {
                let expected = format!("a proof that leads to root {}", proof.checkpoint.root);
                let fault = Fault::new("the inclusion proof", expected, error.to_string());
                self.checks.fail(Code::Tree, place, fault);
            }
        }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, given: &Given) {
        let place = Place::default();
        match &given.trust {
            Some(trust) if !trust.logs().is_empty() => match trusted_log_fault(checkpoint, trust.logs()) {
                Some(fault) => self.checks.fail(Code::Checkpoint, place, fault),
                None => self.checks.remark(Code::Checkpoint, "signed by a log of the trust file"),
            },
            _ => self.checks.undecide(
                Code::Checkpoint,
                place,
                "no trust file names the log, and no bundle shows its key",
            ),
        }
        match &given.trust {
            Some(trust) if trust.asks_for_witnesses() => {
                let witnessed = trust.witnessed(checkpoint);
                match witness_fault(&witnessed) {
                    Some(fault) => self.checks.fail(Code::Witness, place, fault),
                    None => self.checks.remark(Code::Witness, cosigners(&witnessed)),
                }
                self.witnessed = Some(witnessed);
            }
            Some(_) => self.checks.not_applicable(Code::Witness, "the trust file asks for no witness"),
            None => self.checks.not_applicable(Code::Witness, "no trust file was given"),
        }
    }

    fn entry(&mut self, place: Place, receipt: &Receipt, given: &Given) {
        let entry = match Entry::parse(receipt.line.as_bytes()) {
            Ok(entry) => entry,
            Err(fault) => return self.malformed(place, fault),
        };
        let seq = receipt.proof.index;
        if entry.seq != seq {
            let fault = Fault::new("seq", seq.to_string(), entry.seq.to_string());
            self.checks.fail(Code::Format, place, fault);
        }
        let event = if entry.is_newer() {
            Err(EventError::Newer(entry.payload_type.clone()))
        } else {
            payload_json(&entry.payload).map_err(EventError::Malformed).and_then(|json| {
                let event = Event::read(&json)?;
                self.disclosures(place, &event, json.member("body"), &receipt.disclosures);
                Ok(event)
            })
        };
        match event {
            Ok(event) => self.event(place, &entry, &event, given),
            Err(EventError::Malformed(fault)) => self.malformed(place, fault),
            Err(EventError::Newer(what)) => {
                let why = format!("{what} needs a newer version of this program");
                for code in [Code::Format, Code::Ledger, Code::Disclosure] {
                    self.checks.undecide(code, place, why.as_str());
                }
                self.newer = Some(what);
            }
        }
    }

    fn malformed(&mut self, place: Place, fault: Malformed) {
        let fault = Fault::new(fault.path, fault.expected, fault.found);
        self.checks.fail(Code::Format, place, fault);
        for code in [Code::Ledger, Code::Disclosure] {
            self.checks.undecide(code, place, "the entry could not be read");
        }
    }

    fn disclosures(&mut self, place: Place, event: &Event, body: Option<&crate::json::Value<'_>>, strings: &[String]) {
        let texts: Vec<&str> = strings.iter().map(String::as_str).collect();
        let found = match body {
            Some(body) if !is_authority_kind(&event.kind) => disclosure::check(body, &texts),
            _ => disclosure::refuse_any(&texts),
        };
        self.undisclosed = found.undisclosed;
        if let Some(fault) = found.fault {
            let fault = Fault::new("a disclosure", fault.expected, fault.found);
            self.checks.fail(Code::Disclosure, place, fault);
        }
    }

    fn event(&mut self, place: Place, entry: &Entry, event: &Event, given: &Given) {
        let hash = event_hash(&pae(&entry.payload_type, &entry.payload)).0;
        self.ledger(place, entry, event, hash, given);
        let late = event.until.is_some_and(|until| entry.time > until);
        let early = event.occurred.latest().is_some_and(|latest| latest > Occurred::limit(entry.time));
        let backwards = matches!(event.occurred, Occurred::Between(from, to) if from > to);
        if late || early || backwards {
            let expected = "until and occurred within bounds of the entry's time";
            let fault = Fault::new("times of the event", expected, entry.time.to_string());
            self.checks.fail(Code::Time, place, fault);
        }
        let bound = self.witnessed.as_ref().and_then(Witnessed::bound);
        if let Some(fault) = bound.and_then(|(at, witness)| beyond_cosignature(entry.time, at, &witness.label())) {
            self.checks.fail(Code::Time, place, fault);
        }
    }

    fn ledger(&mut self, place: Place, entry: &Entry, event: &Event, hash: Hash, given: &Given) {
        let Some(ledger) = given.ledger else {
            let why = "no ledger id was given";
            self.checks.undecide(Code::Ledger, place, why);
            return;
        };
        let named = if entry.seq == 0 { Some(hash) } else { event.ledger };
        if named != Some(ledger) {
            let found = named.map_or_else(|| "no ledger".to_owned(), |hash| hash.to_string());
            let fault = Fault::new("the ledger that the entry names", ledger.to_string(), found);
            self.checks.fail(Code::Ledger, place, fault);
        } else if entry.seq > 0 {
            let why = "entry 0 is not shown; the entry names the ledger that was given";
            self.checks.undecide(Code::Ledger, place, why);
        }
    }
}
