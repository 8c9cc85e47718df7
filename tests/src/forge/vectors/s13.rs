//! SPEC §13: what an extract leaves undecided, each reason by itself, and what is false in it all the same.

use super::super::extract::{Extract, file};
use super::super::{Event, Json, Script, Vector, note};
use super::Book;
use crate::forge::world::*;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§13", "s13");
    reasons(book);
    given(book);
    contradictions(book);
}

/// What every extract here shows before its case's events.
const ALWAYS: [&str; 5] = ["created", "enrol donor-a", "enrol recip-b", "enrol insp-c", "case"];

/// The case with events `a` to `h`, each on a stream of its own but for `b`, which goes on with that of `a`.
fn story() -> Script {
    let second = cancel("b").with(|e| e.subject = "authorization/a".to_owned());
    base().then([cancel("a"), second]).then(["c", "d", "e", "f", "g", "h"].map(cancel))
}

fn showing(labels: &[&str]) -> Extract {
    Extract::new(j!({"case": CASE}), &[&ALWAYS[..], labels].concat())
}

/// Adds an extract of a script.
fn put<'b>(book: &'b mut Book, name: &str, s: &str, script: &Script, extract: &Extract) -> &'b mut Vector {
    let v = book.add(name, s, script);
    v.file = file(&extract.lines(&v.built));
    v.partial(&["STREAM", "SEAL"])
}

/// The line of an entry in a vector's file, counted from 1.
fn line_of(v: &Vector, label: &str) -> u64 {
    let start = format!("{{\"seq\":{},", v.built.seq(label));
    let mut lines = v.file.split(|b| *b == b'\n');
    let at = lines.position(|line| line.starts_with(start.as_bytes())).expect("the entry is shown");
    u64::try_from(at + 1).expect("small")
}

/// A check of an entry in an extract fails.
fn fails<'v>(v: &'v mut Vector, code: &str, label: &str) -> &'v mut Vector {
    let (seq, line) = (v.built.seq(label), line_of(v, label));
    v.undecided.clear();
    v.fails_at(code, Some(seq), Some(line))
}

fn reasons(book: &mut Book) {
    let s = "id uniqueness, later corrections and suspicion in any extract";
    put(book, "one-leaf-withheld", s, &story(), &showing(&["a", "b", "d", "e", "f", "g", "h"]));
    let s = "any extract";
    let everything = showing(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    put(book, "labelled-and-whole", s, &story(), &everything).partial(&[]);
    let s = "CHAIN after a `withheld` line of more than one leaf (the hash of one leaf is what `prev` must be)";
    let v = put(book, "two-leaves-withheld", s, &story(), &showing(&["a", "b", "c", "f", "g", "h"]));
    v.partial(&["CHAIN", "STREAM", "SEAL"]);
    let s = "POINTERS where a `stream` target is withheld; STREAM where `after` … names nothing shown";
    let v = put(book, "stream-target-withheld", s, &story(), &showing(&["b", "c", "d", "e", "f", "g", "h"]));
    v.partial(&["STREAM", "POINTERS", "SEAL"]);
    let corrects = |of: &str| {
        Event::new("x", "statement.corrected", "authorization/a", "donor-a", j!({"reason": "did_not_occur"}))
            .case(CASE)
            .member("corrects", Json::event_of(of))
            .signed([&donor()])
    };
    let s = "POLICY where `corrects` names nothing shown";
    let script = story().then([corrects("a")]);
    let shown = ["c", "d", "e", "f", "g", "h", "x"];
    let v = put(book, "corrected-withheld", s, &script, &showing(&shown));
    v.partial(&["POLICY", "STREAM", "POINTERS", "SEAL"]);
    let s = "KEY where `corrects` names nothing shown and a signing key is not for every kind";
    let uses = ["case.*", "transfer.*", "statement.*"];
    let script = script.change("enrol donor-a", |e| *e.body.at(&["keys", "0"]) = k_with(&donor(), &uses, None));
    let v = put(book, "corrected-withheld-key-for-some-kinds", s, &script, &showing(&shown));
    v.partial(&["KEY", "POLICY", "STREAM", "POINTERS", "SEAL"]);
    let s = "CHECKPOINT in an extract that does not show leaf size−1";
    let v = put(book, "last-leaf-withheld", s, &story(), &showing(&["a", "b", "c", "d", "e", "f", "g"]));
    v.partial(&["CHECKPOINT", "STREAM", "SEAL"]);
}

fn given(book: &mut Book) {
    let s = "CONSISTENT where the earlier size falls inside a withheld run";
    let checkpoint = |size: usize| {
        let built = story().build();
        story().checkpoint(&built.entries[..size])
    };
    let shown = showing(&["a", "b", "c", "f", "g", "h"]);
    let v = put(book, "previous-inside-a-withheld-run", s, &story(), &shown);
    v.previous = Some(checkpoint(9));
    v.partial(&["CHAIN", "CONSISTENT", "STREAM", "SEAL"]);
    for (name, size) in [("before", 8), ("after", 10), ("at-the-end-of", 13)] {
        let v = put(book, &format!("previous-{name}-a-withheld-run"), s, &story(), &shown);
        v.previous = Some(checkpoint(size));
        v.partial(&["CHAIN", "STREAM", "SEAL"]);
    }
    let s = "EVIDENCE where a file matches nothing shown and a leaf is withheld";
    let v = put(book, "evidence-of-nothing-shown", s, &story(), &showing(&["a", "b", "c", "e", "f", "g", "h"]));
    v.evidence = vec![("photo.jpg".to_owned(), b"not named here".to_vec())];
    v.partial(&["STREAM", "SEAL", "EVIDENCE"]);
    let s = "CHECKPOINT: signed by … a log of the trust file";
    let v = put(book, "extract-with-trust", s, &story(), &showing(&["a", "b", "d", "e", "f", "g", "h"]));
    v.trust = Some(format!("log {}\nquorum none\n", note::vkey(ORIGIN, 1, &log_key().public())));
}

fn contradictions(book: &mut Book) {
    let s = "what the first two point at is shown (withheld: failed)";
    let mut hidden = showing(&["a", "b", "c", "d", "e", "f", "g", "h"]).without("case");
    fails(put(book, "case-entry-withheld", s, &story(), &hidden), "POINTERS", "a").may_fail(&["POLICY", "KEY"]);
    hidden.shown.push("case".to_owned());
    let v = put(book, "party-entry-withheld", s, &story(), &hidden.without("enrol insp-c"));
    fails(v, "POINTERS", "case").may_fail(&["POLICY", "KEY"]);
    let s = "A shown contradiction is always *failed*";
    let null = story().map("g", |e| e.after(Json::Null).with(|e| e.subject = "authorization/f".to_owned()));
    let v = put(book, "after-null-where-the-stream-is-shown", s, &null, &showing(&["a", "b", "c", "f", "g", "h"]));
    fails(v, "STREAM", "g");
    let null = story().map("g", |e| e.after(Json::Null).with(|e| e.subject = "authorization/d".to_owned()));
    let v = put(book, "after-null-and-a-pointer-back", s, &null, &showing(&["a", "b", "c", "f", "g", "h"]));
    fails(v, "STREAM", "g");
    let twice = story().change("g", |e| e.id_name = Some("f".to_owned())).change("g", |e| e.gap = 0);
    let v = put(book, "id-twice-among-what-is-shown", s, &twice, &showing(&["a", "b", "c", "e", "f", "g", "h"]));
    fails(v, "STREAM", "g");
    let s = "TREE: leaves and withheld subtrees hash to the checkpoint's root";
    let v = put(book, "withheld-hash-changed", s, &story(), &showing(&["a", "b", "c", "f", "g", "h"]));
    let text = String::from_utf8(v.file.clone()).expect("text");
    let at = text.find("\"hash\":\"").expect("a withheld line") + 8;
    v.file[at] = if v.file[at] == b'0' { b'1' } else { b'0' };
    v.undecided.clear();
    v.fails_line("TREE", None);
}
