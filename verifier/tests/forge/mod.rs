//! Makes small ledgers for tests, right ones and wrong ones: a writer of SPEC.md that checks nothing.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_verify::checks::{Code, Outcome};
use countersign_verify::fold::Given;
use countersign_verify::hash::Hash;
use countersign_verify::report::Report;
use countersign_verify::verify::verify_bundle;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const ORIGIN: &str = "forge.example/test";
pub const PAYLOAD_TYPE: &str = "application/vnd.countersign.event.v1+json";

pub fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&sha(format!("forge/{name}").as_bytes()))
}

pub fn public(name: &str) -> String {
    b64(key(name).verifying_key().as_bytes())
}

pub fn keyid(name: &str) -> String {
    hex(&sha(key(name).verifying_key().as_bytes()))
}

pub fn vkey(name: &str, key_name: &str, kind: u8) -> String {
    let mut typed = vec![kind];
    typed.extend_from_slice(key(key_name).verifying_key().as_bytes());
    let id = sha(&[name.as_bytes(), b"\n", &typed].concat());
    format!("{name}+{}+{}", hex(&id[..4]), b64(&typed))
}

pub fn k(name: &str, uses: &[&str]) -> Value {
    json!({"public_key": public(name), "holder": "office", "uses": uses, "not_after": null})
}

/// Signed note lines of the log, and of a witness at a time.
pub fn log_line(text: &str, key_name: &str) -> String {
    let vkey = vkey(ORIGIN, key_name, 1);
    let id = vkey.split('+').nth(1).unwrap().to_owned();
    signature_line(ORIGIN, &id, &key(key_name).sign(text.as_bytes()).to_bytes())
}

/// A note of a text and lines.
pub fn checkpoint_lines(text: &str, lines: &[&str]) -> String {
    format!("{text}\n{}", lines.concat())
}

pub fn witness_line(text: &str, name: &str, time: u64) -> String {
    witness_line_by(text, name, name, time)
}

pub fn witness_line_by(text: &str, name: &str, key_name: &str, time: u64) -> String {
    let vkey = vkey(name, key_name, 4);
    let id = vkey.split('+').nth(1).unwrap().to_owned();
    let signature = key(key_name).sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
    signature_line(name, &id, &[&time.to_be_bytes()[..], &signature.to_bytes()].concat())
}

fn signature_line(name: &str, id: &str, signature: &[u8]) -> String {
    let id = u32::from_str_radix(id, 16).unwrap().to_be_bytes();
    format!("— {name} {}\n", b64(&[&id[..], signature].concat()))
}

pub fn mth(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves.len() {
        0 => sha(b""),
        1 => leaves[0],
        n => {
            let k = 1 << (n - 1).ilog2();
            let (l, r) = (mth(&leaves[..k]), mth(&leaves[k..]));
            sha(&[&[1u8][..], &l, &r].concat())
        }
    }
}

/// What is wrong with an entry beside its payload.
#[derive(Default, Clone)]
pub struct Wrong {
    pub time: Option<String>,
    pub prev: Option<String>,
    pub seq: Option<u64>,
    pub governance: Option<Value>,
    pub case: Option<Value>,
    pub stream: Option<Value>,
    pub payload_type: Option<String>,
    /// Flips a bit in the signature of this number.
    pub bad_signature: Option<usize>,
    pub line: Option<fn(String) -> String>,
}

#[derive(Clone)]
pub struct Forge {
    pub ledger: String,
    pub lines: Vec<String>,
    pub hashes: Vec<String>,
    pub disclosures: HashMap<usize, Vec<String>>,
    heads: HashMap<(String, String), usize>,
    governance: Option<usize>,
    seconds: u64,
    ids: u64,
    pub log_keys: Vec<&'static str>,
}

pub fn policy() -> Value {
    let gov = json!({"governance": true});
    let party = json!({"any": [{"party": "/body/party"}, {"governance": true}]});
    let mut table = serde_json::Map::new();
    for kind in [
        "ledger.created",
        "ledger.closed",
        "policy.changed",
        "governance.changed",
        "log_key.rotated",
        "party.enrolled",
        "party.amended",
    ] {
        table.insert(kind.into(), json!({"case": "forbidden", "rule": gov}));
    }
    let succession = json!({"all": [{"governance": true}, {"party": "/body/successor"}]});
    table.insert("party.succeeded".into(), json!({"case": "forbidden", "rule": succession}));
    for kind in ["key.added", "key.retired", "key.revoked"] {
        table.insert(kind.into(), json!({"case": "forbidden", "rule": party}));
    }
    let both = json!({"all": [{"role": "donor"}, {"role": "recipient"}]});
    for kind in ["case.opened", "case.amended", "title.transferred"] {
        table.insert(kind.into(), json!({"case": "required", "rule": both}));
    }
    let inspectors = json!({"any": [both, {"all": [{"role": "donor"}, {"capacity": "oversight"}]}]});
    table.insert("case.inspectors".into(), json!({"case": "required", "rule": inspectors}));
    for kind in ["case.closed", "transfer.authorized", "transfer.dispatched"] {
        table.insert(kind.into(), json!({"case": "required", "rule": {"role": "donor"}}));
    }
    let rules = [
        ("transfer.received", "required", json!({"role": "recipient"})),
        ("twice.signed", "required", json!({"role": "recipient", "keys": 2})),
        ("check.recorded", "required", json!({"all": [{"role": "inspector"}, {"role": "recipient"}]})),
        ("custody.handed_over", "required", json!({"all": [{"party": "/body/from"}, {"party": "/body/to"}]})),
        (
            "items.destroyed",
            "required",
            json!({"all": [{"role": "recipient"}, {"party": "/body/witness", "optional": true}]}),
        ),
        ("diversion.reported", "forbidden", json!({"any_party": true})),
        ("statement.disputed", "forbidden", json!({"any_party": true})),
        ("streams.sealed", "forbidden", json!({"any_party": true})),
        ("finding.recorded", "forbidden", json!({"capacity": "oversight"})),
        ("statement.corrected", "any", json!({"corrected": true})),
    ];
    for (kind, case, rule) in rules {
        table.insert(kind.into(), json!({"case": case, "rule": rule}));
    }
    Value::Object(table)
}

pub fn case_body() -> Value {
    json!({
        "title": "Radios", "legal_basis": ["act"], "terms": {"receipt_within": 30}, "monitoring": "routine",
        "roles": {"donor": ["dd"], "recipient": ["rr"], "inspector": ["ii"], "carrier": ["cc"]},
        "permitted_end_use": "defence", "permitted_end_users": ["rr"], "retransfer": "prohibited"
    })
}

pub fn enrolment(id: &str, capacities: &[&str], keys: Vec<Value>) -> Value {
    json!({"party": id, "name": id, "country": "UA", "capacities": capacities, "keys": keys})
}

impl Forge {
    /// Only `ledger.created`, changed as asked before it is signed.
    pub fn empty(change: impl FnOnce(&mut Value), signers: &[&str]) -> Forge {
        let mut forge = Forge {
            ledger: String::new(),
            lines: vec![],
            hashes: vec![],
            disclosures: HashMap::new(),
            heads: HashMap::new(),
            governance: None,
            seconds: 0,
            ids: 0,
            log_keys: vec!["log"],
        };
        let body = json!({
            "origin": ORIGIN, "log_key": vkey(ORIGIN, "log", 1), "policy": policy(),
            "governance": {"threshold": 2, "keys": [public("g0"), public("g1"), public("g2")]}
        });
        forge.event("ledger.created", "ledger/self", None, "governance", body, signers, change);
        forge.ledger = forge.hashes[0].clone();
        forge
    }

    /// A ledger with donor `dd`, recipient `rr` (two keys), inspector and oversight `ii`, carrier `cc`, and the open
    /// case `dd.c1`: entries 0 to 5.
    pub fn usual() -> Forge {
        let mut forge = Forge::empty(|_| {}, &["g0", "g1", "g2"]);
        forge.enrol("dd", &["donor"], &["dd0"]);
        forge.enrol("rr", &["recipient"], &["rr0", "rr1"]);
        forge.enrol("ii", &["inspector", "oversight"], &["ii0"]);
        forge.enrol("cc", &["carrier"], &["cc0"]);
        forge.add("case.opened", "case/dd.c1", Some("dd.c1"), "dd", case_body(), &["dd0", "rr0"]);
        forge
    }

    pub fn enrol(&mut self, id: &str, capacities: &[&str], keys: &[&str]) -> usize {
        let body = enrolment(id, capacities, keys.iter().map(|name| k(name, &["*"])).collect());
        let mut signers = vec!["g0", "g1"];
        signers.extend_from_slice(keys);
        self.add("party.enrolled", &format!("party/{id}"), None, "governance", body, &signers)
    }

    /// A dispatch by the donor on a stream of its own.
    pub fn dispatch(&mut self, id: &str) -> usize {
        let body = json!({"lines": []});
        self.add("transfer.dispatched", &format!("consignment/{id}"), Some("dd.c1"), "dd", body, &["dd0"])
    }

    pub fn add(
        &mut self,
        kind: &str,
        subject: &str,
        case: Option<&str>,
        author: &str,
        body: Value,
        signers: &[&str],
    ) -> usize {
        self.event(kind, subject, case, author, body, signers, |_| {})
    }

    #[allow(clippy::too_many_arguments)]
    pub fn event(
        &mut self,
        kind: &str,
        subject: &str,
        case: Option<&str>,
        author: &str,
        body: Value,
        signers: &[&str],
        change: impl FnOnce(&mut Value),
    ) -> usize {
        self.ids += 1;
        let after = self.head(case, subject).map(|at| self.hashes[at].clone());
        let mut payload = json!({
            "countersign": 1, "id": format!("00000000-0000-7000-8000-{:012x}", self.ids), "kind": kind,
            "subject": subject, "after": after, "author": author,
            "occurred": {"at": self.time(self.seconds)}, "body": body
        });
        if !self.ledger.is_empty() {
            payload["ledger"] = json!(self.ledger);
        }
        if let Some(case) = case {
            payload["case"] = json!(case);
        }
        change(&mut payload);
        self.payload(&payload.to_string(), signers, &Wrong::default())
    }

    pub fn head(&self, case: Option<&str>, subject: &str) -> Option<usize> {
        self.heads.get(&(case.unwrap_or("-").to_owned(), subject.to_owned())).copied()
    }

    pub fn time(&self, seconds: u64) -> String {
        format!(
            "2026-01-{:02}T{:02}:{:02}:{:02}.000Z",
            seconds / 86_400 + 1,
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60
        )
    }

    /// Signs a payload and appends its entry, right but for what is asked to be wrong.
    pub fn payload(&mut self, payload: &str, signers: &[&str], wrong: &Wrong) -> usize {
        let seq = self.lines.len();
        self.seconds += 1;
        let kind = wrong.payload_type.as_deref().unwrap_or(PAYLOAD_TYPE);
        let pae = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let mut signatures: Vec<(String, [u8; 64])> =
            signers.iter().map(|name| (keyid(name), key(name).sign(pae.as_bytes()).to_bytes())).collect();
        signatures.sort();
        if let Some(at) = wrong.bad_signature {
            signatures[at].1[7] ^= 1;
        }
        let signatures: Vec<String> =
            signatures.iter().map(|(id, sig)| format!("{{\"keyid\":\"{id}\",\"sig\":\"{}\"}}", b64(sig))).collect();
        let parsed: Value = serde_json::from_str(payload).unwrap_or(Value::Null);
        let subject = parsed["subject"].as_str().unwrap_or("x/x").to_owned();
        let case = parsed["case"].as_str().map(str::to_owned);
        let stream = self.head(case.as_deref(), &subject);
        let case_at = case.as_deref().and_then(|c| self.head(Some(c), &format!("case/{c}")));
        let pointer = |wrong: &Option<Value>, right: Option<usize>| match wrong {
            Some(value) => value.to_string(),
            None => right.map_or("null".to_owned(), |n| n.to_string()),
        };
        let prev = match (&wrong.prev, self.lines.last()) {
            (Some(prev), _) => prev.clone(),
            (None, Some(line)) => hex(&leaf(line)),
            (None, None) => "0".repeat(64),
        };
        let mut line = format!(
            "{{\"seq\":{},\"time\":\"{}\",\"prev\":\"{prev}\",\"governance\":{},\"case\":{},\"stream\":{},\
             \"envelope\":{{\"payloadType\":\"{kind}\",\"payload\":\"{}\",\"signatures\":[{}]}}}}",
            wrong.seq.unwrap_or(seq as u64),
            wrong.time.clone().unwrap_or_else(|| self.time(self.seconds)),
            pointer(&wrong.governance, self.governance),
            pointer(&wrong.case, case_at),
            pointer(&wrong.stream, stream),
            b64(payload.as_bytes()),
            signatures.join(",")
        );
        if let Some(change) = wrong.line {
            line = change(line);
        }
        self.lines.push(line);
        self.hashes.push(hex(&sha(pae.as_bytes())));
        if subject.starts_with("ledger/") || subject.starts_with("party/") {
            self.governance = Some(seq);
        }
        self.heads.insert((case.unwrap_or("-".to_owned()), subject), seq);
        seq
    }

    pub fn leaves(&self) -> Vec<[u8; 32]> {
        self.lines.iter().map(|line| leaf(line)).collect()
    }

    pub fn checkpoint_text(&self, size: usize) -> String {
        format!("{ORIGIN}\n{size}\n{}\n", b64(&mth(&self.leaves()[..size])))
    }

    pub fn checkpoint(&self, size: usize) -> String {
        let text = self.checkpoint_text(size);
        let lines: String = self.log_keys.iter().map(|name| log_line(&text, name)).collect();
        format!("{text}\n{lines}")
    }

    pub fn bundle_with(&self, scope: &Value, checkpoint: &str, withheld: &[(usize, usize)]) -> String {
        let header = format!(
            "{{\"countersign_bundle\":1,\"ledger\":\"{}\",\"scope\":{scope},\"checkpoint\":{}}}\n",
            self.ledger,
            json!(checkpoint)
        );
        let leaves = self.leaves();
        let mut out = header;
        let mut at = 0;
        while at < self.lines.len() {
            if let Some((start, end)) = withheld.iter().find(|(start, _)| *start == at) {
                let hash = hex(&mth(&leaves[*start..*end]));
                out += &format!("{{\"withheld\":{{\"start\":{start},\"end\":{end},\"hash\":\"{hash}\"}}}}\n");
                at = *end;
                continue;
            }
            out += &self.lines[at];
            out += "\n";
            for disclosure in self.disclosures.get(&at).into_iter().flatten() {
                out += &format!("{{\"disclosure\":\"{disclosure}\"}}\n");
            }
            at += 1;
        }
        out
    }

    pub fn bundle(&self) -> String {
        self.bundle_with(&json!("full"), &self.checkpoint(self.lines.len()), &[])
    }

    pub fn given(&self) -> Given {
        Given { ledger: Hash::from_hex(self.ledger.as_bytes()), ..Given::default() }
    }

    pub fn report(&self) -> Report {
        check(&self.bundle(), &self.given())
    }
}

pub fn leaf(line: &str) -> [u8; 32] {
    sha(&[&[0u8][..], line.as_bytes()].concat())
}

pub fn check(bundle: &str, given: &Given) -> Report {
    verify_bundle(bundle.as_bytes(), given, None).0
}

/// Codes that failed, each with the position of its first fault.
pub fn failed(report: &Report) -> Vec<(Code, Option<u64>)> {
    report
        .checks
        .rows()
        .iter()
        .filter(|row| row.outcome == Outcome::Failed)
        .map(|row| (row.code, row.place.seq))
        .collect()
}

pub fn undecided(report: &Report) -> Vec<Code> {
    report.checks.rows().iter().filter(|row| row.outcome == Outcome::Undecided).map(|row| row.code).collect()
}

/// A zstd frame of raw blocks, as RFC 8878 §3.1 has them, with a window of 2^log bytes.
pub fn zstd(bytes: &[u8], window_log: u8) -> Vec<u8> {
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (window_log - 10) << 3];
    let chunks: Vec<&[u8]> = bytes.chunks(100_000).collect();
    for (at, chunk) in chunks.iter().enumerate() {
        let header = (u32::try_from(chunk.len()).unwrap() << 3) | u32::from(at + 1 == chunks.len());
        out.extend_from_slice(&header.to_le_bytes()[..3]);
        out.extend_from_slice(chunk);
    }
    out
}
