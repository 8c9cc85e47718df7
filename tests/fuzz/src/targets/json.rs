//! Strict JSON (SPEC §1).

use countersign_ledger::json as ledger;
use countersign_verify::json as verifier;

use crate::rng::Rng;
use crate::target::{Change, Target, Verdicts};
use crate::text;

/// Any bytes, read as one JSON value.
pub fn json() -> Target {
    Target {
        name: "json",
        about: "strict JSON: what is read, and that it is (SPEC §1)",
        make,
        judge: |input| {
            Some(Verdicts::of(
                || ledger::parse(input, 16).map(|v| text::of_ledger(&v)).map_err(|e| e.to_string()),
                || verifier::parse(input, 16).map(|v| text::of_verifier(&v)).map_err(|e| e.to_string()),
            ))
        },
        words: &["\"a\":", "{\"a\":1}", "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]", "\"\\u0061\"", "1.0", "-0"],
        change: Change::Bytes,
    }
}

fn make(rng: &mut Rng) -> Vec<u8> {
    let depth = rng.below(5);
    let inner = text::json(rng, depth);
    let around = if rng.one_in(8) { rng.within(12, 18) } else { 0 };
    format!("{}{inner}{}", "[".repeat(around), "]".repeat(around)).into_bytes()
}
