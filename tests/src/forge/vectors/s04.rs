//! SPEC §4: the stored envelope.

use super::super::event::{Edit, Signature};
use super::super::world::*;
use super::super::{Event, Key, b64};
use super::Book;

pub(super) fn write(book: &mut Book) {
    book.section("§4", "s4");
    members(book);
    signatures(book);
    payload_types(book);
}

fn envelope(f: impl Fn(String) -> String + Send + Sync + 'static) -> super::super::Script {
    around(cancel("x").with(|e| e.edit_envelope = Edit::new(f)))
}

fn replaced(from: &'static str, to: &'static str) -> super::super::Script {
    envelope(move |t| super::super::event::replace_once(&t, from, to))
}

fn members(book: &mut Book) {
    let s = "Stored canonically: those members, that order, no white space";
    // The ledger reads envelopes generously and stores its own text, so these are the operator's faults.
    let cases = [
        ("unknown-member", "{\"payloadType\"", "{\"note\":1,\"payloadType\""),
        ("unknown-member-of-signature", "{\"keyid\"", "{\"note\":1,\"keyid\""),
        ("space", "\"payload\":", "\"payload\": "),
        ("space-before", "{\"payloadType\"", " {\"payloadType\""),
        ("type-missing", "\"payloadType\":\"application/vnd.countersign.event.v1+json\",", ""),
        ("type-null", "\"application/vnd.countersign.event.v1+json\"", "null"),
        ("signatures-null", "\"signatures\":[", "\"signatures\":null,\"x\":["),
        ("duplicate-type", "\"payload\":", "\"payloadType\":\"x\",\"payload\":"),
        ("capital-member", "\"keyid\"", "\"keyId\""),
    ];
    for (name, from, to) in cases {
        book.add(&format!("envelope-{name}"), s, &replaced(from, to)).fails("FORMAT", "x");
    }
    let order = envelope(|t| {
        let (head, rest) = t.split_once(",\"payload\":").expect("a payload");
        let (payload, rest) = rest.split_once(",\"signatures\"").expect("signatures");
        format!("{{\"payload\":{payload},{},\"signatures\"{rest}", head.trim_start_matches('{'))
    });
    book.add("envelope-order", s, &order).fails("FORMAT", "x");
    let order = envelope(|t| {
        let start = t.find("{\"keyid\"").expect("a signature");
        let inner = &t[start + 1..t.len() - 3];
        let (keyid, sig) = inner.split_once(',').expect("two members");
        format!("{}{{{sig},{keyid}}}]}}", &t[..start])
    });
    book.add("signature-order", s, &order).fails("FORMAT", "x");
    let s = "padded base64";
    let unpadded = envelope(|t| t.replace("==\"", "\""));
    book.add("base64-unpadded", s, &unpadded).fails("FORMAT", "x");
    let url = envelope(|t| {
        let (head, sig) = t.split_once("\"sig\":\"").expect("a signature");
        format!("{head}\"sig\":\"{}", sig.replace('+', "-").replace('/', "_"))
    });
    book.add("sig-in-base64url", s, &url).fails("FORMAT", "x");
    let bits = around(cancel("x").with(|e| {
        e.edit_signatures = Edit::new(|s: Vec<(String, String)>| {
            s.into_iter().map(|(k, sig)| (k, super::s01::next_last_character(&sig))).collect()
        });
    }));
    book.add("sig-trailing-bits", "padded and canonical (§1)", &bits).fails("FORMAT", "x");
    let padded = cancel("x").with(|e| {
        e.body.set("reason", "superseded!");
        e.edit_envelope = Edit::new(|t: String| {
            let (head, rest) = t.split_once("\"payload\":\"").expect("a payload");
            let (payload, rest) = rest.split_once('"').expect("its end");
            assert!(payload.ends_with('='), "this vector needs a padded payload");
            format!("{head}\"payload\":\"{}\"{rest}", super::s01::next_last_character(payload))
        });
    });
    let payload_bits = around(padded);
    book.add("payload-trailing-bits", "padded and canonical (§1)", &payload_bits).fails("FORMAT", "x");
}

fn edited(f: impl Fn(Vec<(String, String)>) -> Vec<(String, String)> + Send + Sync + 'static) -> Event {
    cancel("x").signed([&donor2()]).with(|e| e.edit_signatures = Edit::new(f))
}

fn signatures(book: &mut Book) {
    let s = "`signatures` sorted by `keyid`";
    let unsorted = edited(|mut s| {
        s.reverse();
        s
    });
    book.add("signatures-unsorted", s, &around(unsorted)).fails("FORMAT", "x");
    let s = "1 to 16";
    let none = edited(|_| Vec::new());
    book.add("no-signature", s, &around(none)).refused("FORMAT", "x");
    let keys: Vec<Key> = (0..8).map(|i| key(&format!("many/{i}"))).collect();
    let more: Vec<Key> = (8..15).map(|i| key(&format!("many/{i}"))).collect();
    let with = |n: usize| {
        let all: Vec<Key> = keys.iter().chain(&more).cloned().collect();
        let mut x = cancel("x").signed(&all[..n - 1]);
        x.signatures.truncate(n);
        let mut script = base().then([enrol("many-m", &["donor"], &keys)]);
        script
            .events
            .extend(more.iter().enumerate().map(|(i, k)| key_added(&format!("more {i}"), "many-m", &keys[0], k)));
        let roles = super::super::Json::Obj(vec![
            ("donor".to_owned(), vec!["donor-a", "many-m"].into()),
            ("recipient".to_owned(), vec!["recip-b"].into()),
            ("inspector".to_owned(), vec!["insp-c"].into()),
        ]);
        script.then([case_amended("amend", "roles", roles).signed([&keys[1]]), x, cancel("after")])
    };
    book.add("signatures-16", s, &with(16));
    let largest = with(16).change("x", |e| *e = e.clone().payload(|t| fill(&t, 45_000)));
    book.add("signatures-16-payload-45000", "1 to 16; payload 45,000 (§12)", &largest).not_for_admission().compress();
    let seventeen = with(16).map("x", |e| e.signed([&donor2()]));
    book.add("signatures-17", s, &seventeen).refused("FORMAT", "x");
    let s = "two signatures by one key are refused";
    let twice = edited(|s| vec![s[0].clone(), s[0].clone(), s[1].clone()]);
    book.add("one-key-twice", s, &around(twice)).refused("FORMAT", "x");
    let s = "`keyid` is required";
    let missing = envelope(|t| {
        let start = t.find("\"keyid\"").expect("a signature");
        let end = t.find("\"sig\"").expect("a signature");
        format!("{}{}", &t[..start], &t[end..])
    });
    book.add("keyid-missing", s, &missing).refused("FORMAT", "x");
    for (name, f) in [
        ("capitals", (|k: String| k.to_uppercase()) as fn(String) -> String),
        ("short", |k| k[..62].to_owned()),
        ("empty", |_| String::new()),
        ("base64", |_| b64(&[7; 32])),
    ] {
        let event = cancel("x").with(|e| {
            e.edit_signatures =
                Edit::new(move |s: Vec<(String, String)>| s.into_iter().map(|(k, v)| (f(k), v)).collect());
        });
        book.add(&format!("keyid-{name}"), "In JSON 64 lower-case hex digits (§1)", &around(event))
            .fails("FORMAT", "x");
    }
    let s = "`sig` is 64 bytes";
    for (name, bytes) in [("63-bytes", 63), ("65-bytes", 65), ("0-bytes", 0), ("128-bytes", 128)] {
        let event = edited(move |mut s| {
            s[1].1 = b64(&vec![0; bytes]);
            s
        });
        book.add(&format!("sig-{name}"), s, &around(event)).refused("FORMAT", "x");
    }
    let s = "be by a key that counts (§8): an envelope with a bad or foreign signature is refused whole";
    let foreign = cancel("x").signed([&key("stranger")]);
    book.add("foreign-signature", s, &around(foreign)).refused("KEY", "x");
    let mut alone = cancel("x");
    alone.signatures.clear();
    book.add("foreign-signature-alone", s, &around(alone.signed([&key("stranger")])))
        .refused("KEY", "x")
        .fails("POLICY", "x");
    let log = cancel("x").signed([&log_key()]);
    book.add("signature-of-the-log-key", s, &around(log)).refused("KEY", "x");
    let claimed = cancel("x").with(|e| {
        e.signatures =
            vec![Signature { key: key("stranger"), keyid: Some(donor().id()), how: super::super::How::Good }];
    });
    book.add("foreign-signature-under-a-known-keyid", s, &around(claimed)).refused("SIGNATURE", "x");
    let unknown = cancel("x").with(|e| {
        let donor2 = Signature { key: donor2(), keyid: Some("7".repeat(64)), how: super::super::How::Good };
        e.signatures.push(donor2);
    });
    book.add("known-key-under-an-unknown-keyid", s, &around(unknown)).fails("KEY", "x");
}

/// Fills the reason so that the payload has this many bytes.
fn fill(text: &str, bytes: usize) -> Vec<u8> {
    let more = "r".repeat(bytes - text.len());
    super::super::event::replace_once(text, "superseded", &format!("superseded{more}")).into_bytes()
}

fn payload_types(book: &mut Book) {
    let typed = |t: &str| around(cancel("x").with(|e| e.payload_type = t.to_owned()));
    let s = "payloadType `…countersign.event.vN+json` with N ≥ 2: \"needs a newer version\"";
    for n in ["2", "3", "10", "123"] {
        book.add(&format!("type-v{n}"), s, &typed(&format!("application/vnd.countersign.event.v{n}+json")))
            .not_checked();
    }
    let s = "any other type is malformed";
    let bad = [
        ("v0", "application/vnd.countersign.event.v0+json"),
        ("v01", "application/vnd.countersign.event.v01+json"),
        ("v02", "application/vnd.countersign.event.v02+json"),
        ("no-version", "application/vnd.countersign.event+json"),
        ("version-text", "application/vnd.countersign.event.vx+json"),
        ("capitals", "application/vnd.Countersign.event.v1+json"),
        ("parameter", "application/vnd.countersign.event.v1+json; charset=utf-8"),
        ("in-toto", "application/vnd.in-toto+json"),
        ("session", "application/vnd.countersign.session.v1+json"),
        ("json", "application/json"),
        ("empty", ""),
        ("space-after", "application/vnd.countersign.event.v1+json "),
        ("minus", "application/vnd.countersign.event.v-2+json"),
        ("proposal-v2", "application/vnd.countersign.proposal.v2+json"),
    ];
    for (name, t) in bad {
        book.add(&format!("type-{name}"), s, &typed(t)).refused("FORMAT", "x");
    }
    let s = "`countersign` ≥ 2 or payloadType …: `failed` over `not_checked` (§13)";
    let both = base().then([
        cancel("newer").with(|e| e.payload_type = "application/vnd.countersign.event.v2+json".to_owned()),
        cancel("x").with(|e| e.prev = Some("7".repeat(64))),
    ]);
    book.add("newer-and-broken-chain", s, &both).fails("CHAIN", "x");
}
