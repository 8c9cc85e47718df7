//! The ledger that is attacked, and an operator that rewrites it.

use std::path::Path;

use countersign_tests::forge::bodies::{authorized, dispatched, received};
use countersign_tests::forge::world::{
    CASE, ORIGIN, base_with, cancel, dispute, donor, donor2, full_policy, key, key_added, key_revoked, log_key, recip,
};
use countersign_tests::forge::{Event, Key, Ledger, Script, note, time, tree};
use countersign_tests::harness::Report;
use countersign_tests::harness::verify::verify_given;
use serde_json::{Value, json};

/// The honest history: a dispatch that is countersigned, a dispute of the receipt, a key added and revoked.
pub(crate) fn story() -> Script {
    base_with(full_policy()).then([
        authorized("a1"),
        dispatched("d1", "c1", "a1", &["SYN-0001", "SYN-0002"], 1, true),
        received("r1", "c1", "1", &["SYN-0001"], &["SYN-0002"], 1, true),
        dispute("q1", "r1"),
        key_added("add", "donor-a", &donor(), &key("donor-a/2")),
        key_revoked("revoke", "donor-a", &donor(), &donor2()),
        cancel("a2"),
        cancel("a3"),
    ])
}

/// An event of the story's case by its donor and its recipient, which says that both signed it.
pub(crate) fn countersigned(label: &str) -> Event {
    cancel(label).signed([&recip()]).member("signers", vec!["donor-a", "recip-b"])
}

/// What an operator was given and keeps: it can leave out, reorder and re-date, but sign for nobody.
#[derive(Clone)]
struct Kept {
    label: String,
    time: String,
    envelope: String,
    disclosures: Vec<String>,
    stream: (Option<String>, String),
}

/// An operator with the log key, who writes the history anew around the envelopes that parties signed: every line,
/// pointer, hash and checkpoint is as SPEC says for the history that it would like to have been.
#[derive(Clone)]
pub(crate) struct Operator {
    ledger: String,
    entries: Vec<Kept>,
    witnesses: Vec<(String, Key, i64)>,
}

impl Operator {
    /// The operator of a ledger that was built.
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let kept = |entry: &countersign_tests::forge::script::Entry| Kept {
            label: entry.label.clone(),
            time: time::text(entry.time),
            envelope: entry.envelope.clone(),
            disclosures: entry.disclosures.clone(),
            stream: stream(&serde_json::from_slice(&entry.payload).unwrap()),
        };
        Self { ledger: ledger.id.clone(), entries: ledger.entries.iter().map(kept).collect(), witnesses: Vec::new() }
    }

    fn at(&self, label: &str) -> usize {
        self.entries.iter().position(|entry| entry.label == label).unwrap_or_else(|| panic!("no entry {label}"))
    }

    /// Forgets an entry.
    pub(crate) fn without(mut self, label: &str) -> Self {
        let at = self.at(label);
        self.entries.remove(at);
        self
    }

    /// Forgets an entry and all after it.
    pub(crate) fn until(mut self, label: &str) -> Self {
        let at = self.at(label);
        self.entries.truncate(at);
        self
    }

    /// Exchanges two entries; the times stay where they are, so that they do not go back.
    pub(crate) fn swapped(mut self, one: &str, other: &str) -> Self {
        let (one, other) = (self.at(one), self.at(other));
        self.entries.swap(one, other);
        let time = self.entries[one].time.clone();
        self.entries[one].time = std::mem::replace(&mut self.entries[other].time, time);
        self
    }

    /// Records an entry of this or another ledger (once more) at the end, a minute after the last.
    pub(crate) fn replaying(mut self, from: &Ledger, label: &str) -> Self {
        let again = Self::of(from);
        let mut entry = again.entries[again.at(label)].clone();
        entry.label = format!("{label} again");
        entry.time = self.entries.last().unwrap().time.clone();
        self.entries.push(entry);
        self
    }

    /// Gives an entry another time.
    pub(crate) fn dated(mut self, label: &str, time: &str) -> Self {
        let at = self.at(label);
        time.clone_into(&mut self.entries[at].time);
        self
    }

    /// Changes the envelope of an entry.
    pub(crate) fn enveloped(mut self, label: &str, change: impl FnOnce(&mut Value)) -> Self {
        let at = self.at(label);
        let mut envelope: Value = serde_json::from_str(&self.entries[at].envelope).unwrap();
        change(&mut envelope);
        let payload = base64(envelope["payload"].as_str().unwrap());
        self.entries[at].stream = stream(&serde_json::from_slice(&payload).unwrap());
        // the stored form (SPEC §4): members in this order
        let signatures: Vec<String> = envelope["signatures"].as_array().unwrap().iter().map(signature).collect();
        self.entries[at].envelope = format!(
            r#"{{"payloadType":{},"payload":{},"signatures":[{}]}}"#,
            envelope["payloadType"],
            envelope["payload"],
            signatures.join(",")
        );
        self
    }

    /// The envelope of an entry.
    pub(crate) fn envelope(&self, label: &str) -> Value {
        serde_json::from_str(&self.entries[self.at(label)].envelope).unwrap()
    }

    /// With witnesses that cosign what it shows, so many seconds after its last entry.
    pub(crate) fn witnessed(mut self, witnesses: &[(String, Key, i64)]) -> Self {
        self.witnesses = witnesses.to_vec();
        self
    }

    /// The lines, as they would be had this been the history.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut prev = hex::encode([0; 32]);
        for (at, entry) in self.entries.iter().enumerate() {
            let latest = |holds: &dyn Fn(&(Option<String>, String)) -> bool| {
                let seq = self.entries[..at].iter().rposition(|earlier| holds(&earlier.stream));
                seq.map_or_else(|| "null".to_owned(), |seq| seq.to_string())
            };
            let governance = latest(&|(_, subject)| subject.starts_with("ledger/") || subject.starts_with("party/"));
            let case = entry.stream.0.as_ref().map_or_else(
                || "null".to_owned(),
                |case| latest(&|(of, subject)| of.as_ref() == Some(case) && *subject == format!("case/{case}")),
            );
            let line = format!(
                r#"{{"seq":{at},"time":"{}","prev":"{prev}","governance":{governance},"case":{case},"stream":{},"envelope":{}}}"#,
                entry.time,
                latest(&|stream| *stream == entry.stream),
                entry.envelope,
            );
            prev = hex::encode(tree::leaf_hash(line.as_bytes()));
            lines.push(line);
        }
        lines
    }

    /// The checkpoint over the history as it would like it to be.
    pub(crate) fn checkpoint(&self) -> String {
        let leaves: Vec<_> = self.lines().iter().map(|line| tree::leaf_hash(line.as_bytes())).collect();
        let text = note::checkpoint_text(ORIGIN, leaves.len() as u64, &tree::root(&leaves));
        let mut signed = format!("{text}\n{}", note::log_line(ORIGIN, &log_key(), &text));
        let newest = &self.entries.last().unwrap().time;
        let newest = newest.parse::<jiff::Timestamp>().unwrap().as_second();
        for (name, key, late) in &self.witnesses {
            signed += &note::cosignature_line(name, key, u64::try_from(newest + late).unwrap(), &text);
        }
        signed
    }

    /// The bundle of it.
    pub(crate) fn bundle(&self) -> Vec<u8> {
        let header = json!({
            "countersign_bundle": 1, "ledger": self.ledger, "scope": "full", "checkpoint": self.checkpoint(),
        });
        let mut lines = vec![ordered(&header)];
        for (line, entry) in self.lines().into_iter().zip(&self.entries) {
            lines.push(line);
            lines.extend(entry.disclosures.iter().map(|d| json!({ "disclosure": d }).to_string()));
        }
        lines.join("\n").into_bytes().into_iter().chain(*b"\n").collect()
    }

    /// The receipt of an entry at its checkpoint.
    pub(crate) fn receipt(&self, label: &str) -> String {
        let lines = self.lines();
        let leaves: Vec<_> = lines.iter().map(|line| tree::leaf_hash(line.as_bytes())).collect();
        let at = self.at(label);
        let proof = note::proof_text(at as u64, &tree::inclusion(at, &leaves), &self.checkpoint());
        let entry = &self.entries[at];
        format!(
            r#"{{"entry":{},"proof":{},"disclosures":{}}}"#,
            json!(lines[at]),
            json!(proof),
            json!(entry.disclosures)
        )
    }

    /// What the verifier says of it, given only the ledger id.
    pub(crate) fn judged(&self) -> Report {
        verify_given(&self.bundle(), &self.ledger, &[])
    }

    /// What the verifier says of it to who holds an earlier checkpoint.
    pub(crate) fn judged_after(&self, previous: &str) -> Report {
        let file = kept(previous);
        verify_given(&self.bundle(), &self.ledger, &[("--previous", file.path())])
    }

    /// What the verifier says of it by a trust file.
    pub(crate) fn judged_by(&self, trust: &str) -> Report {
        let file = kept(trust);
        verify_given(&self.bundle(), &self.ledger, &[("--trust", file.path())])
    }
}

/// A file with a text in it.
pub(crate) fn kept(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// What the verifier says of a receipt held against a bundle.
pub(crate) fn receipt_against(receipt: &str, bundle: &[u8], ledger: &str) -> Report {
    let (receipt, file) = (kept(receipt), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(file.path(), bundle).unwrap();
    countersign_tests::harness::verify::run(&[
        Path::new("receipt"),
        receipt.path(),
        Path::new("--bundle"),
        file.path(),
        Path::new("--ledger"),
        Path::new(ledger),
    ])
}

/// The bytes of padded base64.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn stream(payload: &Value) -> (Option<String>, String) {
    (payload["case"].as_str().map(str::to_owned), payload["subject"].as_str().unwrap().to_owned())
}

fn signature(signature: &Value) -> String {
    format!(r#"{{"keyid":{},"sig":{}}}"#, signature["keyid"], signature["sig"])
}

/// The first line of a bundle, members as SPEC §11 has them (their order does not matter).
fn ordered(header: &Value) -> String {
    header.to_string()
}

/// Asserts that the ledger fails, at exactly these checks.
pub(crate) fn fails(report: &Report, codes: &[&str]) {
    assert_eq!((report.verdict(), report.status), ("failed", Some(1)), "{:#}", report.json);
    assert_eq!(report.failed().into_keys().collect::<Vec<_>>(), codes, "{:#}", report.json);
}

/// The case of the story.
pub(crate) const THE_CASE: &str = CASE;
