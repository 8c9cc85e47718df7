//! SPEC §15: `sealed` lines of another form, in other places, and ways that lead elsewhere.

use super::super::{Json, j_hex};
use super::Book;
use super::s15::{OTHER, STREAM, does_not_hold, last_sealed, proves, put, put_lines, sealed};
use crate::forge::world::*;
use crate::j;

pub(super) fn write(book: &mut Book) {
    lines(book);
    ways(book);
}

/// The last `sealed` line, changed.
fn change_sealed(f: impl Fn(Json) -> Json) -> impl FnOnce(Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    move |mut lines| {
        let at = lines.iter().rposition(|line| line.starts_with(b"{\"sealed\"")).expect("a sealed line");
        let line: serde_json::Value = serde_json::from_slice(&lines[at]).expect("a sealed line is JSON");
        let line = Json::from(&line);
        lines[at] = f(line).text().into_bytes();
        lines
    }
}

fn lines(book: &mut Book) {
    let s = "A line stands after a seal, its disclosures and its other `sealed` lines …; anywhere else it fails FORMAT";
    let moved = |before: &'static str| {
        move |mut lines: Vec<Vec<u8>>| {
            let at = lines.iter().position(|line| line.starts_with(b"{\"sealed\"")).expect("a sealed line");
            let line = lines.remove(at);
            let to = match before {
                "header" => 0,
                "entry 0" => 1,
                "withheld" => 1 + lines.iter().position(|l| l.starts_with(b"{\"withheld\"")).expect("a withheld line"),
                _ => lines.len(),
            };
            lines.insert(to, line);
            lines
        }
    };
    let others = ["SEAL", "LEDGER", "TREE", "CHECKPOINT", "SIGNATURE", "KEY", "POLICY", "STREAM", "POINTERS", "CHAIN"];
    let v = put_lines(book, "line-before-the-header", s, &sealed(), moved("header"));
    v.undecided.clear();
    v.fails_line("FORMAT", None).anywhere().may_fail(&others);
    for (name, to) in [("before-entry-0", "entry 0"), ("after-a-withheld-line", "withheld"), ("at-the-end", "end")] {
        let v = put_lines(book, &format!("line-{name}"), s, &sealed(), moved(to));
        let line = last_sealed(v);
        v.undecided.clear();
        v.fails_line("FORMAT", Some(line));
    }
    let disclosed = |mut lines: Vec<Vec<u8>>| {
        let at = lines.iter().position(|line| line.starts_with(b"{\"sealed\"")).expect("a sealed line");
        lines.insert(at + 1, super::super::script::disclosure_line("WyJhIiwiYiJd"));
        lines
    };
    let v = put_lines(book, "disclosure-after-a-sealed-line", s, &sealed(), disclosed);
    let line = last_sealed(v) + 1;
    v.undecided.clear();
    v.fails_line("FORMAT", Some(line)).fails_line("DISCLOSURE", Some(line));
    let s = "each (case, subject) at most once";
    for (name, extract) in [
        ("case-twice", sealed().seal("seal 2", Some(CASE), None)),
        ("stream-twice", sealed().seal("seal 2", Some(CASE), Some(STREAM)).seal("seal 2", Some(CASE), Some(STREAM))),
    ] {
        let v = put(book, name, s, &extract);
        let line = last_sealed(v);
        v.undecided.clear();
        v.fails_line("FORMAT", Some(line));
    }
    let v = put(book, "case-and-its-stream", s, &sealed().seal("seal 2", Some(CASE), Some(STREAM)));
    proves(v, "seal 2", Some(CASE), None, 6);
    proves(v, "seal 2", Some(CASE), Some(STREAM), 4);
    let s = "1,024 `sealed` lines a bundle (§12)";
    for (name, n) in [("1024-lines", 1023), ("1025-lines", 1024)] {
        let subject = |i: usize| format!("authorization/none{i}");
        let extract = (0..n).fold(sealed(), |e, i| e.seal("seal 2", Some(CASE), Some(&subject(i))));
        let v = put(book, name, s, &extract);
        if n == 1024 {
            let line = last_sealed(v);
            v.undecided.clear();
            v.fails_line("FORMAT", Some(line));
        } else {
            proves(v, "seal 2", Some(CASE), None, 6);
            (0..n).for_each(|i| proves(v, "seal 2", Some(CASE), Some(&subject(i)), 0));
        }
        v.compress();
    }
    members(book);
}

fn members(book: &mut Book) {
    let s = "{\"sealed\":{\"case\":X,\"path\":P}} …, P an array of 0 to 256 hashes";
    let inner = |f: fn(Json) -> Json| {
        move |mut line: Json| {
            let sealed = f(line.at(&["sealed"]).clone());
            line.with("sealed", sealed)
        }
    };
    let cases: [(&str, fn(Json) -> Json); 14] = [
        ("path-of-257", |l| l.with("path", Json::Arr(vec![j_hex(&[7; 32]); 257]))),
        ("path-null", |l| l.with("path", Json::Null)),
        ("path-of-numbers", |l| l.with("path", j!([1]))),
        ("path-of-short-hashes", |l| l.with("path", j!(["ab"]))),
        ("without-path", |l| l.without("path")),
        ("without-case", |l| l.without("case")),
        ("case-empty", |l| l.with("case", "")),
        ("case-number", |l| l.with("case", 1)),
        ("within-without-subject", |l| l.with("within", j!([]))),
        ("subject-null", |l| l.with("subject", Json::Null)),
        ("subject-no-slash", |l| l.with("subject", "authorization")),
        ("instead-empty", |l| l.with("instead", j!({}))),
        ("instead-text", |l| l.with("instead", "none")),
        ("unknown-member-of-a-line", |l| l.with("note", "x")),
    ];
    for (name, f) in cases {
        let v = put_lines(book, name, s, &sealed(), change_sealed(inner(f)));
        let line = last_sealed(v);
        v.undecided.clear();
        v.fails_line("FORMAT", Some(line));
    }
    let within = |l: Json| l.with("within", Json::Arr(vec![j_hex(&[7; 32]); 257]));
    let extract = sealed().seal("seal 2", Some(CASE), Some(STREAM));
    let v = put_lines(book, "within-of-257", s, &extract, change_sealed(inner(within)));
    let line = last_sealed(v);
    v.undecided.clear();
    v.fails_line("FORMAT", Some(line));
    let long = |l: Json| l.with("path", Json::Arr(vec![j_hex(&[7; 32]); 256]));
    let v = put_lines(book, "path-of-256-that-leads-elsewhere", s, &sealed(), change_sealed(inner(long)));
    does_not_hold(v, "seal 2");
}

fn ways(book: &mut Book) {
    let s = "put together with the siblings …, gives the seal's H";
    let hash = |n: u8| j_hex(&[n; 32]);
    let at = |path: &'static [&'static str], f: fn(Json) -> Json| {
        change_sealed(move |mut line: Json| {
            let value = f(line.at(path).clone());
            *line.at(path) = value;
            line
        })
    };
    let first = |value: Json| -> Json {
        let Json::Arr(mut items) = value else { unreachable!("an array") };
        items[0] = j_hex(&[7; 32]);
        Json::Arr(items)
    };
    let fewer = |value: Json| -> Json {
        let Json::Arr(mut items) = value else { unreachable!("an array") };
        items.pop();
        Json::Arr(items)
    };
    let more = |value: Json| -> Json {
        let Json::Arr(mut items) = value else { unreachable!("an array") };
        items.push(j_hex(&crate::forge::sha256(&[2])));
        Json::Arr(items)
    };
    let swapped = |value: Json| -> Json {
        let Json::Arr(mut items) = value else { unreachable!("an array") };
        items.reverse();
        items.push(j_hex(&[0; 32]));
        Json::Arr(items)
    };
    let changes: [(&str, fn(Json) -> Json); 5] =
        [("altered", first), ("missing", fewer), ("one-more", more), ("reversed", swapped), ("none", |_| j!([]))];
    let stream = || sealed().seal("seal 2", Some(CASE), Some(STREAM));
    for (name, f) in changes {
        let v = put_lines(book, &format!("sibling-{name}"), s, &sealed(), at(&["sealed", "path"], f));
        does_not_hold(v, "seal 2");
        let v = put_lines(book, &format!("sibling-{name}-within"), s, &stream(), at(&["sealed", "within"], f));
        does_not_hold(v, "seal 2");
        let v = put_lines(book, &format!("sibling-{name}-of-the-case"), s, &stream(), at(&["sealed", "path"], f));
        does_not_hold(v, "seal 2");
    }
    let s = "`instead` stands in its place, and is required; where they have, it is forbidden, and `within` required";
    let set = |name: &'static str, value: Json| {
        change_sealed(move |mut line: Json| {
            line.at(&["sealed"]).set(name, value.clone());
            line
        })
    };
    let take = |name: &'static str| {
        change_sealed(move |mut line: Json| {
            let inner = line.at(&["sealed"]).clone().without(name);
            line.with("sealed", inner)
        })
    };
    let pair = |key: Json, value: Json| Json::object([("key", key), ("value", value)]);
    let of_name = |name: &str| j_hex(&crate::forge::sha256(name.as_bytes()));
    for (name, extract) in [("case", sealed()), ("stream", stream())] {
        let v = put_lines(book, &format!("shown-{name}-instead-null"), s, &extract, set("instead", Json::Null));
        does_not_hold(v, "seal 2");
        let other = pair(hash(1), hash(2));
        let v = put_lines(book, &format!("shown-{name}-instead-a-pair"), s, &extract, set("instead", other));
        does_not_hold(v, "seal 2");
    }
    does_not_hold(put_lines(book, "shown-stream-without-within", s, &stream(), take("within")), "seal 2");
    for (what, case, subject, key) in [
        ("case", "donor-a.none0", None, "donor-a.none0"),
        ("stream", CASE, Some("authorization/none0"), "authorization/none0"),
        ("stream-of-no-case", "donor-a.none0", Some(STREAM), "donor-a.none0"),
    ] {
        let extract = || sealed().seal("seal 2", Some(case), subject);
        let v = put_lines(book, &format!("absent-{what}-without-instead"), s, &extract(), take("instead"));
        does_not_hold(v, "seal 2");
        let itself = pair(of_name(key), hash(2));
        let v = put_lines(book, &format!("absent-{what}-instead-itself"), s, &extract(), set("instead", itself));
        does_not_hold(v, "seal 2");
        let stranger = pair(hash(1), hash(2));
        let v = put_lines(book, &format!("absent-{what}-instead-a-stranger"), s, &extract(), set("instead", stranger));
        does_not_hold(v, "seal 2");
    }
    let v = put_lines(
        book,
        "absent-stream-without-within",
        s,
        &sealed().seal("seal 2", Some(CASE), Some("authorization/none0")),
        take("within"),
    );
    does_not_hold(v, "seal 2");
    let s = "a line of another case, another seal";
    let named = change_sealed(|mut line: Json| {
        line.at(&["sealed"]).set("case", OTHER);
        line
    });
    does_not_hold(put_lines(book, "line-of-another-case", s, &sealed(), named), "seal 2");
    let mut both = sealed();
    both.shown.push("seal 1".to_owned());
    let v = put_lines(book, "line-of-another-seal", s, &both, |mut lines| {
        let at = lines.iter().position(|line| line.starts_with(b"{\"sealed\"")).expect("a sealed line");
        let line = lines.remove(at);
        let seal = lines.iter().position(|line| line.starts_with(b"{\"seq\":14,")).expect("the first seal");
        lines.insert(seal + 1, line);
        lines
    });
    does_not_hold(v, "seal 1");
}
