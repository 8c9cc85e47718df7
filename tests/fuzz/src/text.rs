//! What both sides' values look like as text, and texts to begin with.

use countersign_verify::json::Value as Read;
use serde_json::Value;

use crate::rng::Rng;

/// A value of the ledger's reader as text: members sorted, strings escaped alike.
pub fn of_ledger(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&str, &Value)> = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
            members.sort_by_key(|(name, _)| *name);
            let members: Vec<String> = members.iter().map(|(n, v)| format!("{n:?}:{}", of_ledger(v))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(of_ledger).collect::<Vec<_>>().join(",")),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// A value of the verifier's reader as text.
pub fn of_verifier(value: &Read<'_>) -> String {
    match value {
        Read::Object(members) => {
            let mut members: Vec<(&str, &Read<'_>)> = members.iter().map(|(name, value)| (&**name, value)).collect();
            members.sort_by_key(|(name, _)| *name);
            let members: Vec<String> = members.iter().map(|(n, v)| format!("{n:?}:{}", of_verifier(v))).collect();
            format!("{{{}}}", members.join(","))
        }
        Read::Array(items) => format!("[{}]", items.iter().map(of_verifier).collect::<Vec<_>>().join(",")),
        Read::Str(text) => format!("{text:?}"),
        Read::Int(number) => number.to_string(),
        Read::Bool(b) => b.to_string(),
        Read::Null => "null".to_owned(),
    }
}

/// The text of some JSON value, now and then with a fault.
pub fn json(rng: &mut Rng, depth: usize) -> String {
    let space =
        |rng: &mut Rng| if rng.one_in(12) { *rng.pick(&[" ", "\n", "\t", "\r", "\u{a0}", "\u{c}"]) } else { "" };
    let list = |rng: &mut Rng, one: &dyn Fn(&mut Rng) -> String| -> String {
        let count = if rng.one_in(30) { 20 } else { rng.below(4) };
        let items: Vec<String> = (0..count).map(|_| format!("{}{}{}", space(rng), one(rng), space(rng))).collect();
        items.join(",")
    };
    match rng.below(if depth == 0 { 5 } else { 8 }) {
        0 => rng.pick(&["null", "true", "false", "nul", "True"]).to_string(),
        1 => number(rng),
        2..=4 => string(rng),
        5 => format!("[{}]", list(rng, &|rng| json(rng, depth - 1))),
        _ => format!(
            "{{{}}}",
            list(rng, &|rng| format!("{}{}:{}{}", string(rng), space(rng), space(rng), json(rng, depth - 1)))
        ),
    }
}

fn number(rng: &mut Rng) -> String {
    let sign = if rng.one_in(3) { "-" } else { "" };
    let tail = if rng.one_in(12) { *rng.pick(&[".0", ".5", "e1", "E0", "e-1", ".", "-"]) } else { "" };
    let zeros = if rng.one_in(16) { "0" } else { "" };
    format!("{sign}{zeros}{}{tail}", rng.number())
}

/// The text of a JSON string, quotes and all.
pub fn string(rng: &mut Rng) -> String {
    const PIECES: [&str; 30] = [
        "a",
        "b",
        "a",
        "_sd",
        "...",
        "\\u0061",
        "\\n",
        "\\/",
        "/",
        "\\\\",
        "\\\"",
        "é",
        "\u{10ffff}",
        "\u{fdd0}",
        "\u{1f600}",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\ude00",
        "\\ud83d\\u0041",
        "\\uD83D\\uDE00",
        "\\u0000",
        "\\uFFFE",
        "\\ufdef",
        "\\ud83f\\udffe",
        "\u{7f}",
        "\u{feff}",
        "\\b",
        "\\x",
        "\u{85}",
        "\\u00e9",
    ];
    let count = rng.below(4);
    let piece = |_| {
        let pieces = if rng.one_in(2) { &PIECES[..9] } else { &PIECES };
        *rng.pick(pieces)
    };
    let body: String = (0..count).map(piece).collect();
    format!("\"{body}\"")
}

/// Splits a case of several lines.
pub fn lines(input: &[u8]) -> Option<Vec<&str>> {
    Some(std::str::from_utf8(input).ok()?.split('\n').collect())
}
