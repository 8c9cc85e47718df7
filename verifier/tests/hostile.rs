//! Whatever the bytes: no panic, a verdict, and never `verified` for what was changed.
#![allow(clippy::unwrap_used)]

mod forge;

use countersign_verify::checkpoint::Checkpoint;
use countersign_verify::entry::Entry;
use countersign_verify::event::{Event, payload_json};
use countersign_verify::header::{Header, Withheld};
use countersign_verify::note::VKey;
use countersign_verify::proof::TlogProof;
use countersign_verify::receipt::Receipt;
use countersign_verify::report::Verdict;
use countersign_verify::trust::Trust;
use forge::*;
use proptest::prelude::*;
use serde_json::json;

fn feed_all(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Entry::parse(bytes);
    let _ = Header::parse(bytes);
    let _ = Withheld::parse(bytes);
    let _ = Receipt::parse(bytes);
    let _ = Trust::parse(bytes);
    let _ = Checkpoint::parse(&text);
    let _ = TlogProof::parse(&text);
    let _ = VKey::parse(&text);
    if let Ok(payload) = payload_json(bytes) {
        let _ = Event::read(&payload);
    }
    let _ = check(&text, &Forge::usual().given()).to_text();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        feed_all(&bytes);
    }

    /// Any single byte of a bundle changed, removed or doubled is noticed.
    #[test]
    fn one_byte(at in any::<prop::sample::Index>(), with in 1u8..=255, how in 0..3) {
        let f = Forge::usual();
        let mut bundle = f.bundle().into_bytes();
        let at = at.index(bundle.len());
        match how {
            0 => bundle[at] ^= with,
            1 => { bundle.remove(at); }
            _ => bundle.insert(at, bundle[at]),
        }
        let (report, _) = countersign_verify::verify::verify_bundle(bundle.as_slice(), &f.given(), None);
        // the scope is a label and the signature lines of the note bear no meaning but their own; both fail or are said
        prop_assert_ne!(report.verdict(), Verdict::Verified, "{}", report.to_text());
        let _ = report.to_json();
    }

    /// Lines dropped, doubled or moved are noticed.
    #[test]
    fn lines_shuffled(from in 1usize..8, to in 1usize..8) {
        let f = Forge::usual();
        let bundle = f.bundle();
        let mut lines: Vec<&str> = bundle.lines().collect();
        let count = lines.len();
        let line = lines.remove(from % count);
        if to < 7 && to != from % count {
            lines.insert(to.min(lines.len()), line);
        } else if to == from % count {
            lines.insert(to, line);
            lines.insert(to, line);
        }
        let report = check(&(lines.join("\n") + "\n"), &f.given());
        prop_assert_eq!(report.verdict(), Verdict::Failed);
    }

    /// Pieces of well-formed bundles in any order never make a panic.
    #[test]
    fn pieces(picks in proptest::collection::vec((0usize..12, 0usize..3), 0..14)) {
        let f = Forge::usual();
        let bundle = f.bundle();
        let lines: Vec<&str> = bundle.lines().collect();
        let mut out = String::new();
        for (pick, kind) in picks {
            match kind {
                0 => out += lines.get(pick).copied().unwrap_or("{\"disclosure\":\"AA\"}"),
                1 => out += &format!("{{\"withheld\":{{\"start\":{pick},\"end\":{},\"hash\":\"{}\"}}}}", pick + 1, "0".repeat(64)),
                _ => out += &lines[pick % lines.len()][..pick * 7],
            }
            out.push('\n');
        }
        let report = check(&out, &f.given());
        let _ = (report.to_text(), report.to_json());
        prop_assert_ne!(report.verdict(), Verdict::Verified);
    }
}

#[test]
fn widest_rules_stay_quick() {
    let mut f = Forge::usual();
    let mut policy = policy();
    let leaves = vec![json!({"any_party": true}); 16];
    policy["wide.rule"] = json!({"case": "forbidden", "rule": {"at_least": {"n": 8, "of": leaves}}});
    f.add("policy.changed", "ledger/self", None, "governance", json!({"policy": policy, "reason": "x"}), &["g0", "g1"]);
    let at = f.lines.len() as u64;
    for n in 0..200 {
        f.add("wide.rule", &format!("thing/ii.{n}"), None, "ii", json!({}), &["ii0", "cc0", "dd0", "rr0"]);
    }
    let start = std::time::Instant::now();
    assert_eq!(failed(&f.report()), [(countersign_verify::checks::Code::Policy, Some(at))]);
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn text_from_entries_cannot_rewrite_the_report() {
    let mut f = Forge::usual();
    f.event("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
        e["\u{202e}verified\u{1b}[2J\n"] = json!(1);
    });
    let report = f.report();
    for text in [report.to_text(), report.to_json()] {
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
        assert!(text.contains("u{202e}verified"), "{text}");
    }
}

/// Numbers at the edge of what a line may state do not overflow anything.
#[test]
fn largest_numbers() {
    let f = Forge::usual();
    let run = format!("{{\"withheld\":{{\"start\":0,\"end\":{},\"hash\":\"{}\"}}}}\n", 1u64 << 52, "0".repeat(64));
    let bundle = format!("no header\n{}", run.repeat(5000));
    assert_eq!(check(&bundle, &f.given()).verdict(), Verdict::Failed);
    let far = f.lines[3].replace("\"seq\":3", "\"seq\":9007199254740991");
    let bundle = format!("no header\n{run}{far}\n{far}\n{run}");
    assert_eq!(check(&bundle, &f.given()).verdict(), Verdict::Failed);
    let bundle = format!("{}{run}{far}\n", f.bundle());
    assert_eq!(check(&bundle, &f.given()).verdict(), Verdict::Failed);
}
