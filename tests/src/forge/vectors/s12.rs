//! SPEC §12: limits; §13: evidence.

use super::super::world::*;
use super::super::{Event, Json, Script, sha256};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§12", "s12");
    sizes(book);
    nesting(book);
    other_lines(book);
    parties(book);
    book.section("§13", "s13");
    evidence(book);
}

/// `x` with a payload of exactly this many bytes.
fn of_bytes(n: usize) -> Event {
    cancel("x").payload(move |t| {
        let fill = n - t.len();
        super::super::event::replace_once(&t, "superseded", &format!("superseded{}", "r".repeat(fill))).into_bytes()
    })
}

fn sizes(book: &mut Book) {
    let s = "payload 45,000";
    book.add("payload-45000", s, &around(of_bytes(45_000))).not_for_admission().compress();
    book.add("payload-45001", s, &around(of_bytes(45_001))).refused("FORMAT", "x").compress();
    book.add("payload-48000", s, &around(of_bytes(48_000))).refused("FORMAT", "x").compress();
    let s = "Entry 65,535 bytes";
    let padded = |n: usize| {
        around(cancel("x").line(move |t| {
            let fill = n - t.len() - "\"note\":\"\",".len();
            t.replacen("{\"seq\"", &format!("{{\"note\":\"{}\",\"seq\"", "r".repeat(fill)), 1).into_bytes()
        }))
    };
    book.add("entry-65536", s, &padded(65_536)).fails("FORMAT", "x").compress();
    book.add("entry-of-2-mib", s, &padded(2 << 20)).fails("FORMAT", "x").compress();
    book.add("payload-100000", s, &around(of_bytes(100_000))).refused("FORMAT", "x").compress();
}

fn nesting(book: &mut Book) {
    let s = "nesting 16 (objects and arrays, the outermost is 1 …)";
    let with = |value: String| {
        around(cancel("x").with(|e| {
            e.body.set("deep", Json::Raw(value));
        }))
    };
    // The payload is level 1 and the body level 2.
    let arrays = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let objects = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    book.add("nesting-16-arrays", s, &with(arrays(14))).not_for_admission();
    book.add("nesting-16-objects", s, &with(objects(14))).not_for_admission();
    book.add("nesting-17-arrays", s, &with(arrays(15))).refused("FORMAT", "x");
    book.add("nesting-17-objects", s, &with(objects(15))).refused("FORMAT", "x");
    book.add("nesting-17-mixed", s, &with("[{\"a\":".repeat(7) + "[[]]" + &"}]".repeat(7))).refused("FORMAT", "x");
    book.add("nesting-10000", s, &with(arrays(10_000))).refused("FORMAT", "x").compress();
    book.add("wide-not-deep", s, &with(format!("[{}[]]", "[],".repeat(5_000)))).not_for_admission().compress();
}

fn other_lines(book: &mut Book) {
    let s = "other bundle line 1 MiB";
    let long = |n: usize| {
        base().lines(move |mut l| {
            let text = String::from_utf8(l[0].clone()).expect("UTF-8");
            l[0] = text.replacen('{', &format!("{{{}", " ".repeat(n - text.len())), 1).into_bytes();
            l
        })
    };
    book.add("header-of-1-mib", s, &long(1 << 20)).compress();
    book.add("header-over-1-mib", s, &long((1 << 20) + 1)).fails_line("FORMAT", Some(1)).compress();
}

fn parties(book: &mut Book) {
    let s = "256 parties per case";
    let ids: Vec<String> = (0..253).map(|i| format!("p{i:03}")).collect();
    let mut script: Script = base();
    script.events.extend(ids.iter().map(|id| enrol(id, &["carrier"], &[key(&format!("{id}/0"))])));
    let open = case_opened("x", "donor-a.k2", "donor-a", roles().with("carrier", ids)).signed([&donor(), &recip()]);
    book.add("parties-256", s, &script.then([open])).compress();
}

fn evidence(book: &mut Book) {
    let s = "each evidence file given matches a hash and size, by hash, never by name";
    let content = b"delivery note 7\n";
    let item = |bytes: &[u8], size: i64, name: &str| j!({"sha256": (hex::encode(sha256(bytes))), "size": size, "media_type": "text/plain", "name": name});
    let with = |items: Vec<Json>| around(cancel("x").member("evidence", Json::Arr(items)));
    let good = || with(vec![item(content, 16, "note.txt")]);
    let give = |name: &'static str, bytes: &'static [u8]| {
        move |v: &mut super::super::Vector| v.evidence.push((name.to_owned(), bytes.to_vec()))
    };
    book.add("evidence-not-given", s, &good());
    book.add("evidence-given", s, &good()).with(give("note.txt", content));
    book.add("evidence-under-another-name", s, &good()).with(give("scan.bin", content));
    book.add("evidence-changed", s, &good())
        .fails_line("EVIDENCE", None)
        .anywhere()
        .with(give("note.txt", b"delivery note 8\n"));
    book.add("evidence-of-nothing", s, &base()).fails_line("EVIDENCE", None).anywhere().with(give("note.txt", content));
    book.add("evidence-of-another-size", s, &with(vec![item(content, 17, "note.txt")]))
        .fails_line("EVIDENCE", None)
        .anywhere()
        .with(give("note.txt", content));
    book.add("evidence-cut", s, &good())
        .fails_line("EVIDENCE", None)
        .anywhere()
        .with(give("note.txt", b"delivery note 7"));
    book.add("evidence-empty-file", s, &with(vec![item(b"", 0, "empty.txt")])).with(give("empty.txt", b""));
    book.add("evidence-one-of-two-unknown", s, &good())
        .fails_line("EVIDENCE", None)
        .anywhere()
        .with(give("note.txt", content))
        .with(give("other.txt", b"other"));
}
