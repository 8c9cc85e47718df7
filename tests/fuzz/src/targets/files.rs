//! Files: proofs, receipts, the lines of bundles (SPEC §5, §11).

use std::str::FromStr;

use countersign_ledger::bundle::{Header, Scope, Withheld};
use countersign_ledger::entry::Entry;
use countersign_ledger::hash::LeafHash;
use countersign_ledger::proof::{LogProof, Receipt};
use countersign_verify::entry::Entry as ReadEntry;
use countersign_verify::hash::{Hash, leaf_hash};
use countersign_verify::header::{Header as ReadHeader, HeaderError, Scope as ReadScope, Withheld as ReadWithheld};
use countersign_verify::proof::TlogProof;
use countersign_verify::receipt::Receipt as ReadReceipt;

use crate::forge::script::{Ledger, pae};
use crate::forge::{Json, Key, b64, note, tree, world};
use crate::rng::Rng;
use crate::target::{Change, Target, Verdicts};

/// A small ledger that every case is cut from.
fn ledger() -> &'static Ledger {
    static BUILT: std::sync::OnceLock<Ledger> = std::sync::OnceLock::new();
    BUILT.get_or_init(|| world::base().then([world::cancel("x").signed([&world::donor2()])]).build())
}

/// The proof of one of its entries.
fn some_proof(rng: &mut Rng) -> (usize, String) {
    let built = ledger();
    let seq = rng.below(built.entries.len());
    let path = tree::inclusion(seq, &built.leaves());
    let text = note::proof_text(seq as u64, &path, &built.checkpoint);
    let extra = if rng.one_in(4) { format!("\nextra {}", b64(&rng.bytes::<7>())) } else { String::new() };
    (seq, text.replacen("@v1", &format!("@v1{extra}"), 1))
}

/// Proofs: what they say, and whether they prove it. A case is the leaf hash in hex, then the proof.
pub fn proof() -> Target {
    Target {
        name: "proof",
        about: "tlog-proofs: what is read, and whether the leaf is in the tree (C2SP tlog-proof)",
        make: |rng| {
            let (seq, text) = some_proof(rng);
            format!("{}\n{text}", hex::encode(ledger().entries[seq].leaf)).into_bytes()
        },
        judge: |input| {
            let (leaf, text) = std::str::from_utf8(input).ok()?.split_once('\n')?;
            let leaf: [u8; 32] = hex::decode(leaf).ok()?.try_into().ok()?;
            Some(Verdicts::of(
                || {
                    let proof = LogProof::from_str(text).map_err(|e| e.to_string())?;
                    let proved = proof.verify_leaf(&LeafHash::from_bytes(leaf)).is_ok();
                    let hashes: Vec<String> = proof.hashes().iter().map(ToString::to_string).collect();
                    let size = proof.checkpoint().checkpoint().size;
                    Ok(format!("{:?} {} of {size} {hashes:?} {proved}", proof.extra(), proof.index()))
                },
                || {
                    let proof = TlogProof::parse(text).map_err(|e| e.to_string())?;
                    proof.checkpoint.not_plain().map_or(Ok(()), |e| Err(e.to_string()))?;
                    let proved = proof.includes(&Hash::from_bytes(leaf)).is_ok();
                    let hashes: Vec<String> = proof.path.iter().map(ToString::to_string).collect();
                    Ok(format!(
                        "{:?} {} of {} {hashes:?} {proved}",
                        proof.extra.as_deref(),
                        proof.index,
                        proof.checkpoint.size
                    ))
                },
            ))
        },
        words: &["\n\n", "\n", "extra ", "index ", "AAAA", "— ", "c2sp.org/tlog-proof@v1"],
        change: Change::Bytes,
    }
}

/// Receipts: entry, proof, disclosures.
pub fn receipt() -> Target {
    Target {
        name: "receipt",
        about: "receipts: entry, proof, disclosures, and whether the entry is in the tree (SPEC §11)",
        make: |rng| {
            let (seq, proof) = some_proof(rng);
            let line = String::from_utf8_lossy(&ledger().entries[seq].line).into_owned();
            let disclosures: Vec<String> = (0..rng.below(3)).map(|n| format!("d{n}")).collect();
            let members = [("entry", line.into()), ("proof", proof.into()), ("disclosures", Json::from(disclosures))];
            format!("{}{}", Json::object(members).text(), if rng.one_in(3) { "\n" } else { "" }).into_bytes()
        },
        judge: |input| {
            // SPEC §11 lets one LF end the file: the ledger's commands take it off
            let stripped = input.strip_suffix(b"\n").unwrap_or(input);
            Some(Verdicts::of(
                || {
                    let receipt = Receipt::from_json(stripped).map_err(|e| e.to_string())?;
                    // what is wrong with the line is the target `entry`; that it is the proof's is said by the reader
                    Entry::parse(receipt.entry().as_bytes()).map_err(|e| e.to_string())?;
                    let proved = receipt.verify_inclusion().is_ok();
                    Ok(format!("{} {} {:?} {proved}", receipt.seq(), receipt.leaf(), receipt.disclosures()))
                },
                || {
                    let receipt = ReadReceipt::parse(input).map_err(|e| e.to_string())?;
                    let entry = ReadEntry::parse(receipt.line.as_bytes()).map_err(|e| e.to_string())?;
                    if entry.is_newer() || entry.seq != receipt.proof.index {
                        return Err("a newer entry, or another one".to_owned());
                    }
                    let leaf = leaf_hash(receipt.line.as_bytes());
                    let proved = receipt.proof.includes(&leaf).is_ok();
                    Ok(format!("{} {leaf} {:?} {proved}", entry.seq, receipt.disclosures))
                },
            ))
        },
        words: &["\"disclosures\":[]", "\"d0\",", "\\n", "\\n\\n", "\\\"", "{\\\"seq\\\":0", "null", "\\u2014 "],
        change: Change::Bytes,
    }
}

/// The first line of a bundle.
pub fn header() -> Target {
    Target {
        name: "header",
        about: "a bundle's first line: ledger, scope, checkpoint (SPEC §11)",
        make: |rng| {
            let built = ledger();
            let scope: Json = match rng.below(5) {
                0 => Json::object([("case", "donor-a.k1".into())]),
                1 => Json::object([("case", "donor-a.k1".into()), ("subject", "consignment/1".into())]),
                2 => Json::object([("since", Json::raw(rng.number().to_string()))]),
                _ => "full".into(),
            };
            Json::object([
                ("countersign_bundle", Json::Int(1)),
                ("ledger", (&built.id).into()),
                ("scope", scope),
                ("checkpoint", (&built.checkpoint).into()),
            ])
            .text()
            .into_bytes()
        },
        judge: |input| {
            Some(Verdicts::of(
                || {
                    let header = Header::parse(input).map_err(|e| e.to_string())?;
                    let scope = match &header.scope {
                        Scope::Full => "full".to_owned(),
                        Scope::Case(case) => format!("case {case}"),
                        Scope::Stream(case, subject) => format!("stream {case} {subject}"),
                        Scope::Since(size) => format!("since {size}"),
                    };
                    // an empty ledger is said to be none by the reader of the lines
                    let size = header.size().map_err(|e| e.to_string())?;
                    if size.0 == 0 { Err("size 0".to_owned()) } else { Ok(format!("{} {scope} {size}", header.ledger)) }
                },
                || {
                    let header = ReadHeader::parse(input).map_err(|e| match e {
                        HeaderError::Newer(_) => "newer".to_owned(),
                        HeaderError::Malformed(fault) => fault.to_string(),
                    })?;
                    let scope = match &header.scope {
                        ReadScope::Full => "full".to_owned(),
                        ReadScope::Case(case) => format!("case {case}"),
                        ReadScope::Stream(case, subject) => format!("stream {case} {subject}"),
                        ReadScope::Since(size) => format!("since {size}"),
                    };
                    Ok(format!("{} {scope} {}", header.ledger, header.checkpoint.size))
                },
            ))
        },
        words: &[
            "\"full\"",
            "{\"case\":\"a\"}",
            "{\"since\":0}",
            "\"subject\":\"a/b\"",
            ",",
            ":1",
            ":2",
            "\"countersign_bundle\":1,",
        ],
        change: Change::Bytes,
    }
}

/// Lines of leaves that are not shown.
pub fn withheld() -> Target {
    Target {
        name: "withheld",
        about: "lines of withheld leaves: complete subtrees (SPEC §11)",
        make: |rng| {
            let (height, at) = (rng.below(53), rng.below(4) as u64);
            let start = at << height;
            let hash = hex::encode(rng.bytes::<32>());
            format!("{{\"withheld\":{{\"start\":{start},\"end\":{},\"hash\":\"{hash}\"}}}}", start + (1 << height))
                .into_bytes()
        },
        judge: |input| {
            Some(Verdicts::of(
                || {
                    let read = Withheld::parse(input).map_err(|e| e.to_string())?;
                    Ok(format!("{} {} {}", read.start, read.end - read.start, read.hash))
                },
                || {
                    let read = ReadWithheld::parse(input).map_err(|e| e.to_string())?;
                    Ok(format!("{} {} {}", read.start, read.leaves(), read.hash))
                },
            ))
        },
        words: &["\"start\":", "\"end\":", "\"hash\":", "{\"withheld\":", ",", "}"],
        change: Change::Bytes,
    }
}

/// Entry lines, envelope and all.
pub fn entry() -> Target {
    Target {
        name: "entry",
        about: "entry lines in their one spelling, with the envelope as stored (SPEC §4, §5)",
        make: make_entry,
        judge: |input| {
            Some(Verdicts::of(
                || {
                    let entry = Entry::parse(input).map_err(|e| e.to_string())?;
                    // a line without signatures is read, and refused where they are verified
                    if entry.envelope.signatures().is_empty() {
                        return Err("no signature".to_owned());
                    }
                    let signatures: Vec<String> = entry
                        .envelope
                        .signatures()
                        .iter()
                        .map(|(id, sig)| format!("{id} {}", hex::encode(sig.as_bytes())))
                        .collect();
                    let pointers = [entry.governance, entry.case, entry.stream].map(|p| p.map(|seq| seq.0));
                    Ok(format!(
                        "{} {} {} {pointers:?} {} {signatures:?} {}",
                        entry.seq,
                        entry.time.unix_millis(),
                        entry.prev,
                        hex::encode(entry.envelope.payload()),
                        entry.envelope.event_hash()
                    ))
                },
                || {
                    let entry = ReadEntry::parse(input).map_err(|e| e.to_string())?;
                    // the ledger keeps nothing of a newer format
                    if entry.is_newer() {
                        return Err("newer".to_owned());
                    }
                    // the payload's limit is the event's, and stands there
                    if entry.payload.len() > countersign_verify::event::MAX_PAYLOAD {
                        return Err("a long payload".to_owned());
                    }
                    let signatures: Vec<String> =
                        entry.signatures.iter().map(|s| format!("{} {}", s.keyid, hex::encode(s.bytes))).collect();
                    let pointers = [entry.governance, entry.case, entry.stream];
                    let message = countersign_verify::hash::pae(&entry.payload_type, &entry.payload);
                    Ok(format!(
                        "{} {} {} {pointers:?} {} {signatures:?} {}",
                        entry.seq,
                        entry.time.millis(),
                        entry.prev,
                        hex::encode(&entry.payload),
                        countersign_verify::hash::event_hash(&message)
                    ))
                },
            ))
        },
        words: &[
            "null",
            "\"seq\":",
            "\"keyid\":\"",
            "{}",
            "\\u0061",
            " ",
            "[]",
            ".v1+json",
            ".v2+json",
            ".v01+json",
            ",\"x\":1",
        ],
        change: Change::Bytes,
    }
}

fn make_entry(rng: &mut Rng) -> Vec<u8> {
    let payload_type = "application/vnd.countersign.event.v1+json";
    let count = if rng.one_in(8) { rng.within(15, 18) } else { rng.below(4) };
    let payload = vec![b'x'; if rng.one_in(10) { rng.within(44_998, 45_003) } else { rng.below(40) }];
    let mut signatures: Vec<(String, String)> = (0..count)
        .map(|n| {
            let key = Key::new(format!("fuzz {n}"));
            (key.id(), b64(&key.sign(&pae(payload_type, &payload))))
        })
        .collect();
    if !rng.one_in(6) {
        signatures.sort();
    }
    let signatures: Vec<String> =
        signatures.iter().map(|(id, sig)| format!("{{\"keyid\":\"{id}\",\"sig\":\"{sig}\"}}")).collect();
    let pointer = |rng: &mut Rng| if rng.one_in(2) { "null".to_owned() } else { rng.number().to_string() };
    let seq = rng.number();
    format!(
        "{{\"seq\":{seq},\"time\":\"2026-09-21T14:14:37.00{}Z\",\"prev\":\"{}\",\"governance\":{},\"case\":{},\"stream\":{},\
         \"envelope\":{{\"payloadType\":\"{payload_type}\",\"payload\":\"{}\",\"signatures\":[{}]}}}}",
        rng.below(10),
        hex::encode(rng.bytes::<32>()),
        pointer(rng),
        pointer(rng),
        pointer(rng),
        b64(&payload),
        signatures.join(",")
    )
    .into_bytes()
}
