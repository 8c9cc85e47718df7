//! Changes to inputs: of bytes, of words, of numbers, of lines, of members.

use crate::rng::Rng;
use crate::target::{Change, Target};

/// The longest input that mutations make.
const MAX_INPUT: usize = 1 << 20;

/// Pieces that have been trouble in many formats.
const TROUBLE: [&str; 44] = [
    "0",
    "-0",
    "00",
    "1e1",
    "1.0",
    "-1",
    "9007199254740991",
    "9007199254740992",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\ude00",
    "\\uffff",
    "\u{feff}",
    "\u{fdd0}",
    "\u{85}",
    "\u{7f}",
    "\u{a0}",
    "\u{2028}",
    "\u{301}",
    "\0",
    "\t",
    "\r",
    "\n",
    "\n\n",
    " ",
    "+",
    "/",
    "=",
    "==",
    "_",
    "-",
    ".",
    "~",
    "~1",
    "null",
    "true",
    "[]",
    "{}",
];

/// Changes an input in one to four places.
pub fn mutate(target: &Target, rng: &mut Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=rng.below(4) {
        out = match target.change {
            Change::Lines => change_lines(rng, &out, other),
            Change::Bytes if rng.one_in(5) => change_lines(rng, &out, other),
            Change::Bytes => change_bytes(rng, &out, other, target.words),
        };
        out.truncate(MAX_INPUT);
    }
    out
}

/// A place in the input, most often where a word begins or ends.
fn place(rng: &mut Rng, input: &[u8]) -> usize {
    let at = rng.below(input.len() + 1);
    if rng.one_in(3) {
        return at;
    }
    let edge = |i: usize| {
        let kind = |at: usize| input.get(at).map(|b| b.is_ascii_alphanumeric());
        i == 0 || kind(i) != kind(i - 1)
    };
    (at..=input.len()).find(|i| edge(*i)).unwrap_or(at)
}

fn span(rng: &mut Rng, input: &[u8]) -> (usize, usize) {
    let (a, b) = (place(rng, input), place(rng, input));
    let (from, to) = (a.min(b), a.max(b));
    if rng.one_in(4) { (from, to) } else { (from, to.min(from + rng.below(12))) }
}

fn change_bytes(rng: &mut Rng, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let mut out = input.to_vec();
    let word = |rng: &mut Rng| -> Vec<u8> {
        match rng.below(6) {
            0 => rng.number().to_string().into_bytes(),
            1 if !other.is_empty() => {
                let (from, to) = span(rng, other);
                other[from..to].to_vec()
            }
            1..=3 if !words.is_empty() => rng.pick(words).as_bytes().to_vec(),
            _ => rng.pick(&TROUBLE).as_bytes().to_vec(),
        }
    };
    match rng.below(10) {
        0 if !out.is_empty() => {
            let at = rng.below(out.len());
            out[at] ^= 1 << rng.below(8);
        }
        1 if !out.is_empty() => {
            let at = rng.below(out.len());
            out[at] = rng.bytes::<1>()[0];
        }
        2 if !out.is_empty() => {
            // another character of the same sort, so that encodings stay encodings
            let at = rng.below(out.len());
            out[at] = match out[at] {
                b'0'..=b'9' => *rng.pick(b"0123456789"),
                b'a'..=b'z' => *rng.pick(b"abcdefghijklmnopqrstuvwxyz0"),
                b'A'..=b'Z' => *rng.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ+/"),
                b => b.swap_bytes(),
            };
        }
        3 => {
            let (from, to) = span(rng, &out);
            out.drain(from..to);
        }
        4 => {
            let (from, to) = span(rng, &out);
            let piece = out[from..to].to_vec();
            let at = place(rng, &out);
            out.splice(at..at, piece);
        }
        5 | 6 => {
            let at = place(rng, &out);
            out.splice(at..at, word(rng));
        }
        7 | 8 => {
            let (from, to) = span(rng, &out);
            out.splice(from..to, word(rng));
        }
        _ => change_number(rng, &mut out),
    }
    out
}

/// Replaces one run of digits by another number.
fn change_number(rng: &mut Rng, out: &mut Vec<u8>) {
    let runs: Vec<(usize, usize)> = out
        .split(|b| !b.is_ascii_digit())
        .scan(0, |at, run| {
            let from = *at;
            *at += run.len() + 1;
            Some((from, from + run.len()))
        })
        .filter(|(from, to)| from < to)
        .collect();
    if runs.is_empty() {
        return;
    }
    let (from, to) = *rng.pick(&runs);
    let new = match std::str::from_utf8(&out[from..to]).ok().and_then(|text| text.parse::<u64>().ok()) {
        Some(n) if rng.one_in(2) => n.wrapping_add([1, u64::MAX, 2, 256][rng.below(4)]).to_string(),
        _ => rng.number().to_string(),
    };
    out.splice(from..to, new.into_bytes());
}

fn change_lines(rng: &mut Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = input.split(|b| *b == b'\n').collect();
    let others: Vec<&[u8]> = other.split(|b| *b == b'\n').collect();
    let (a, b) = (rng.below(lines.len()), rng.below(lines.len()));
    match rng.below(5) {
        0 if lines.len() > 1 => {
            lines.remove(a);
        }
        1 => lines.insert(b, lines[a]),
        2 => lines.swap(a, b),
        3 => lines.insert(a, others[rng.below(others.len())]),
        _ => lines[a] = others[rng.below(others.len())],
    }
    lines.join(&b'\n')
}
