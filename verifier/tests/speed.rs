//! How fast a bundle is verified beside plain `verify_strict`, and in how much memory. Not part of the usual run:
//! `SEALS=1000` puts so many seals into the ledger.
//! `cargo test --release -p countersign-verify --test speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)]

mod forge;

use std::collections::HashMap;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_verify::hash::{EventHash, Hash, sha256};
use countersign_verify::keyed_tree::{Branches, Node, Pairs};
use countersign_verify::keys::PublicKey;
use countersign_verify::report::Verdict;
use countersign_verify::seal::{bit, branch, nothing, pair, record};
use countersign_verify::tables::{FastKey, check_all};
use ed25519_dalek::{Signature, Signer, Verifier};
use forge::*;
use rayon::prelude::*;
use serde_json::{Value, json};

/// The largest resident size so far, in bytes, where the system tells.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// Processor time of this process so far, in seconds: what a busy machine does not distort.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn ledger(entries: usize) -> Forge {
    let mut f = Forge::usual();
    let lines: Vec<_> = (0..2)
        .map(|n| json!({"line": n, "nomenclature": "RIFLE,5.56 MILLIMETER", "quantity": "1", "unit": "EA", "nsn": "1005-00-073-9421"}))
        .collect();
    let seals: usize = std::env::var("SEALS").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut sealer = Sealer::default();
    let mut sealed = 0;
    while f.lines.len() + 2 <= entries {
        if seals * f.lines.len() / entries > sealed {
            sealed += 1;
            sealer.seal(&mut f);
        }
        let subject = format!("consignment/{}", f.lines.len());
        let body = json!({"document_number": "W1A2B360000001", "lines": lines});
        f.add("transfer.dispatched", &subject, Some("dd.c1"), "dd", body.clone(), &["dd0"]);
        f.add("transfer.received", &subject, Some("dd.c1"), "rr", body, &["rr0"]);
    }
    f
}

/// Keeps the streams of a ledger as it grows, to seal them. By the verifier's own trees: here they are measured, not judged.
#[derive(Default)]
struct Sealer {
    seen: usize,
    numbers: HashMap<(String, String), (usize, u32)>,
    cases: HashMap<String, Node>,
    trees: Branches,
    pairs: List,
}

#[derive(Default)]
struct List(Vec<(Hash, EventHash, u64)>);

impl Pairs for List {
    fn key(&self, number: u32) -> &Hash {
        &self.0[number as usize].0
    }
    fn hash(&self, number: u32) -> Hash {
        let (key, head, events) = &self.0[number as usize];
        pair(key, &record(*events, *head, None))
    }
}

impl Sealer {
    fn seal(&mut self, f: &mut Forge) {
        for (line, hash) in f.lines.iter().zip(&f.hashes).skip(self.seen) {
            let payload = line.split("\"payload\":\"").nth(1).unwrap().split('"').next().unwrap();
            let payload: Value = serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap();
            let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
            let (case, subject, next) = (text("case"), text("subject"), self.pairs.0.len());
            let head = EventHash(Hash::from_hex(hash.as_bytes()).unwrap());
            let known = self.numbers.entry((case.clone(), subject.clone())).or_insert((next, 0));
            known.1 += 1;
            let row = (sha256(&[subject.as_bytes()]), head, u64::from(known.1));
            if known.0 == next {
                self.pairs.0.push(row)
            } else {
                self.pairs.0[known.0] = row
            }
            let tree = self.cases.entry(case).or_insert(Node::EMPTY);
            *tree = self.trees.put(*tree, u32::try_from(known.0).unwrap(), &self.pairs);
        }
        self.seen = f.lines.len();
        let roots: Vec<(Hash, Hash)> = self
            .cases
            .iter()
            .map(|(case, tree)| (sha256(&[case.as_bytes()]), self.trees.root(*tree, &self.pairs)))
            .collect();
        let body = json!({"size": self.seen, "streams": self.pairs.0.len(), "root": k(&roots, 0).to_string()});
        f.add("streams.sealed", "seal/dd.daily", None, "dd", body, &["dd0"]);
    }
}

/// K by its definition.
fn k(pairs: &[(Hash, Hash)], depth: usize) -> Hash {
    match pairs {
        [] => nothing(),
        [(key, value)] => pair(key, value),
        _ => {
            let (one, zero): (Vec<_>, Vec<_>) = pairs.iter().partition(|(key, _)| bit(key, depth));
            branch(&k(&zero, depth + 1), &k(&one, depth + 1))
        }
    }
}

#[test]
#[ignore = "takes a minute and measures the machine"]
fn beside_plain_verification() {
    let entries: usize = std::env::var("ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(60_000);
    let f = ledger(entries);
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), f.bundle()).unwrap();
    let given = f.given();
    drop(f);
    let signing = key("dd0");
    let message = vec![7; 900];
    let signature = Signature::from_bytes(&signing.sign(&message).to_bytes());
    let public = signing.verifying_key();
    assert!(public.verify(&message, &signature).is_ok());
    let measure = |work: &mut dyn FnMut() -> f64| {
        let (wall, processor_before) = (Instant::now(), processor());
        let count = work();
        (count / wall.elapsed().as_secs_f64(), (processor() - processor_before) / count * 1e6)
    };
    let mut plain = || {
        (0..30_000).into_par_iter().for_each(|_| assert!(public.verify_strict(&message, &signature).is_ok()));
        30_000.0
    };
    measure(&mut plain);
    for width in 4..=8 {
        let fast = FastKey::new(&PublicKey::from_bytes(public.to_bytes()), width).unwrap();
        let bytes = signature.to_bytes();
        let one = measure(&mut || {
            for _ in 0..300 {
                let points: Vec<_> = (0..32).map(|_| fast.expected_r(&message, &bytes).unwrap()).collect();
                assert_eq!(check_all(&points, &[&bytes; 32]), [true; 32]);
            }
            9600.0
        });
        println!("tables {width} bits wide: {:.1} µs of processor a signature", one.1);
    }
    let before = peak();
    let mut verdict = None;
    let bundle = measure(&mut || {
        let file = std::io::BufReader::with_capacity(1 << 18, std::fs::File::open(path.path()).unwrap());
        let (report, _) = countersign_verify::verify::verify_bundle(file, &given, None);
        verdict = Some(report.verdict());
        report.shown as f64
    });
    assert_eq!(verdict, Some(Verdict::Verified));
    let grown = peak() - before;
    println!("peak grew by {grown} bytes, {} an entry", grown / entries);
    let plain = measure(&mut plain);
    println!("bundle: {:.0}/s, {:.1} µs of processor an entry (one signature each)", bundle.0, bundle.1);
    println!("verify_strict: {:.0}/s, {:.1} µs of processor each", plain.0, plain.1);
    println!("ratio: {:.2} by the clock, {:.2} by processor time", bundle.0 / plain.0, plain.1 / bundle.1);
    println!("bundle at {} for the program itself", path.path().display());
    if std::env::var("KEEP").is_ok() {
        println!("--ledger {}", given.ledger.unwrap());
        path.keep().unwrap();
    }
}
