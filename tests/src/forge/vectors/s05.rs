//! SPEC §5: the entry line, the chain, times and pointers.

use super::super::event::replace_once;
use super::super::world::*;
use super::super::{Event, Json, Script, time};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§5", "s5");
    lines(book);
    values(book);
    chain_and_time(book);
    pointers(book);
}

fn line(f: impl Fn(String) -> String + Send + Sync + 'static) -> Script {
    around(cancel("x").line(move |t| f(t).into_bytes()))
}

/// The line without the member of this name.
fn without(line: &str, name: &str) -> String {
    let start = line.find(&format!("\"{name}\":")).expect("the member");
    if name == "envelope" {
        return format!("{}}}", &line[..start - 1]);
    }
    let end = start + line[start..].find(",\"").expect("another member") + 1;
    format!("{}{}", &line[..start], &line[end..])
}

fn lines(book: &mut Book) {
    let s = "One line of JSON, in this order, ASCII without `\\`, no white space, no newline";
    for name in ["seq", "time", "prev", "governance", "case", "stream", "envelope"] {
        book.add(&format!("{name}-missing"), s, &line(move |t| without(&t, name))).fails("FORMAT", "x");
    }
    let replacements = [
        ("unknown-member", "{\"seq\":5,", "{\"seq\":5,\"note\":1,"),
        ("unknown-member-last", "]}}", "]},\"note\":1}"),
        ("duplicate-member", "{\"seq\":5,", "{\"seq\":5,\"seq\":5,"),
        ("space-before", "{\"seq\"", " {\"seq\""),
        ("space-inside", "\"seq\":5,", "\"seq\":5, "),
        ("tab-inside", "\"seq\":5,", "\"seq\":\t5,"),
        ("space-after", "]}}", "]}} "),
        ("trailing-bytes", "]}}", "]}}x"),
        ("trailing-comma", "]}}", "]},}"),
        ("backslash", "\"envelope\"", "\"envel\\u006fpe\""),
        ("backslash-in-time", "\"time\":\"2", "\"time\":\"\\u0032"),
        ("slash-escaped", "application/vnd", "application\\/vnd"),
        ("non-ascii", "{\"seq\":5,", "{\"seq\":5,\"é\":1,"),
        ("delete-character", "{\"seq\":5,", "{\"seq\":5,\"\u{7f}\":1,"),
        ("byte-order-mark", "{\"seq\"", "\u{feff}{\"seq\""),
        ("nul-after", "]}}", "]}}\0"),
    ];
    for (name, from, to) in replacements {
        book.add(name, s, &line(move |t| replace_once(&t, from, to))).fails("FORMAT", "x");
    }
    let swapped = line(|t| {
        let seq = "\"seq\":5,";
        let t = replace_once(&t, seq, "");
        let at = t.find("\"prev\"").expect("prev");
        format!("{}{seq}{}", &t[..at], &t[at..])
    });
    book.add("member-order", s, &swapped).fails("FORMAT", "x");
    let first = line(|t| {
        let (head, envelope) = t.split_once(",\"envelope\":").expect("an envelope");
        let envelope = &envelope[..envelope.len() - 1];
        format!("{{\"envelope\":{envelope},{}}}", &head[1..])
    });
    book.add("envelope-first", s, &first).fails("FORMAT", "x");
    let entry0 = created().change("created", |e| *e = e.clone().line_replace("{\"seq\":0,", "{\"seq\":0, "));
    book.add("space-inside-entry-0", s, &entry0).fails("FORMAT", "created");
}

fn values(book: &mut Book) {
    let s = "{\"seq\":N,\"time\":\"T\",\"prev\":\"H\",\"governance\":G,\"case\":C,\"stream\":S,\"envelope\":{…}}";
    let seq = [
        ("seq-text", "\"5\""),
        ("seq-null", "null"),
        ("seq-fraction", "5.0"),
        ("seq-exponent", "5e0"),
        ("seq-leading-zero", "05"),
        ("seq-negative", "-5"),
        ("seq-too-large", "9007199254740992"),
    ];
    for (name, v) in seq {
        book.add(name, s, &line(move |t| replace_once(&t, "\"seq\":5,", &format!("\"seq\":{v},"))))
            .fails("FORMAT", "x");
    }
    let order = "every line is … in order, covering [0,size) exactly (§13)";
    for (name, v) in
        [("seq-of-the-entry-before", "4"), ("seq-of-the-entry-after", "6"), ("seq-zero", "0"), ("seq-far", "500")]
    {
        book.add(name, order, &line(move |t| replace_once(&t, "\"seq\":5,", &format!("\"seq\":{v},")))).fails_at(
            "FORMAT",
            Some(5),
            Some(7),
        );
    }
    let s = "`time`: admission time, exactly three fraction digits";
    let times = [
        ("time-no-fraction", "2026-01-05T08:05:00Z"),
        ("time-one-digit", "2026-01-05T08:05:00.0Z"),
        ("time-six-digits", "2026-01-05T08:05:00.000000Z"),
        ("time-no-zone", "2026-01-05T08:05:00.000"),
        ("time-offset", "2026-01-05T08:05:00.000+00:00"),
        ("time-leap-second", "2026-01-05T08:05:60.000Z"),
        ("time-february-30", "2026-02-30T08:05:00.000Z"),
        ("time-lower-case", "2026-01-05t08:05:00.000z"),
        ("time-empty", ""),
    ];
    for (name, t) in times {
        book.add(name, s, &around(cancel("x").with(|e| e.time = Some(t.to_owned())))).fails("FORMAT", "x");
    }
    let number = line(|t| replace_once(&t, "\"time\":\"2026-01-05T08:05:00.000Z\"", "\"time\":1767600300"));
    book.add("time-number", s, &number).fails("FORMAT", "x");
    let s = "`prev` = leaf hash: in JSON 64 lower-case hex digits (§1)";
    for (name, v) in
        [("capitals", "A".repeat(64)), ("short", "0".repeat(62)), ("long", "0".repeat(66)), ("empty", String::new())]
    {
        book.add(&format!("prev-{name}"), s, &around(cancel("x").with(|e| e.prev = Some(v)))).fails("FORMAT", "x");
    }
    let s = "Each `null` where there is none";
    for (i, name) in ["governance", "case", "stream"].into_iter().enumerate() {
        for (form, v) in [
            ("text", j!("3")),
            ("fraction", Json::raw("3.0")),
            ("negative", j!(-1)),
            ("false", j!(false)),
            ("array", j!([3])),
        ] {
            let event = cancel("x").with(|e| e.pointers[i] = Some(v));
            book.add(&format!("{name}-{form}"), s, &around(event)).fails("FORMAT", "x");
        }
    }
}

fn chain_and_time(book: &mut Book) {
    let s = "`prev` = leaf hash of entry `seq−1` (64 zeros for 0): the hash chain";
    let prev = |v: String| around(cancel("x").with(|e| e.prev = Some(v)));
    book.add("prev-changed", s, &prev("7".repeat(64))).fails("CHAIN", "x");
    book.add("prev-zeros", s, &prev("0".repeat(64))).fails("CHAIN", "x");
    let built = base().build();
    let earlier = hex::encode(built.entries[3].leaf);
    book.add("prev-of-an-earlier-entry", s, &prev(earlier)).fails("CHAIN", "x");
    let event_hash = hex::encode(built.entries[4].event_hash);
    book.add("prev-an-event-hash", s, &prev(event_hash)).fails("CHAIN", "x");
    let entry0 = base().change("created", |e| e.prev = Some("7".repeat(64)));
    book.add("prev-of-entry-0", s, &entry0).fails("CHAIN", "created");
    let entry1 = base().change("enrol donor-a", |e| e.prev = Some("0".repeat(64)));
    book.add("prev-of-entry-1", s, &entry1).fails("CHAIN", "enrol donor-a");
    let last = base().change("case", |e| e.prev = Some("0".repeat(64)));
    book.add("prev-of-the-last-entry", s, &last).fails("CHAIN", "case");
    let s = "never less than the entry's before";
    let gap = |ms: i64| {
        base().then([cancel("before"), cancel("x").with(|e| e.gap = ms), cancel("after").with(|e| e.gap = 60_000)])
    };
    book.add("time-equal", "when the clock is behind, the previous `time` again", &gap(0));
    book.add("time-back-by-a-millisecond", s, &gap(-1)).fails("TIME", "x");
    book.add("time-back-by-a-year", s, &gap(-366 * time::DAY)).fails("TIME", "x");
    let long = base().then([cancel("before"), cancel("x").with(|e| e.gap = 20 * 365 * time::DAY)]);
    book.add("time-twenty-years-on", s, &long);
}

/// Five entries with something to point at, then `x`.
fn eventful(x: Event) -> Script {
    let open = case_opened("case 2", "donor-a.k2", "donor-a", roles()).signed([&donor(), &recip()]);
    let on = |label: &str| cancel(label).with(|e| e.subject = "authorization/s".to_owned());
    base().then([
        case_amended("amend", "title", "A".into()),
        amended("rename", "insp-c", "name", "B".into()),
        open,
        on("one"),
        on("two"),
        x.with(|e| e.subject = "authorization/s".to_owned()),
        cancel("after"),
    ])
}

fn pointers(book: &mut Book) {
    // Entries: 0 created, 1–3 parties, 4 case, 5 amended, 6 party amended, 7 another case, 8 and 9 the stream, 10 x.
    let point = |i: usize, v: Json| eventful(cancel("x").with(|e| e.pointers[i] = Some(v)));
    book.add("pointers", "`governance`: seq of the latest earlier entry …", &eventful(cancel("x")));
    let s = "`governance`: seq of the latest earlier entry whose subject type is `ledger` or `party`";
    let bad = [
        ("null", Json::Null),
        ("older", j!(3)),
        ("oldest", j!(0)),
        ("case-entry", j!(7)),
        ("entry-before", j!(9)),
        ("itself", j!(10)),
        ("later", j!(11)),
        ("beyond", j!(1000)),
    ];
    for (name, v) in bad {
        book.add(&format!("governance-{name}"), s, &point(0, v)).fails("POINTERS", "x");
    }
    let s = "`case`: of the latest earlier entry of the stream (X, `case/X`) for the event's case X";
    let bad = [
        ("null", Json::Null),
        ("opened-not-amended", j!(4)),
        ("another-case", j!(7)),
        ("entry-of-the-case", j!(9)),
        ("itself", j!(10)),
        ("later", j!(11)),
        ("beyond", j!(1000)),
    ];
    for (name, v) in bad {
        book.add(&format!("case-{name}"), s, &point(1, v)).fails("POINTERS", "x");
    }
    let s = "`stream`: of the latest earlier entry of the same stream";
    let bad = [
        ("null", Json::Null),
        ("older", j!(8)),
        ("another", j!(5)),
        ("itself", j!(10)),
        ("later", j!(11)),
        ("beyond", j!(1000)),
    ];
    for (name, v) in bad {
        book.add(&format!("stream-{name}"), s, &point(2, v)).fails("POINTERS", "x");
    }
    let s = "Each `null` where there is none";
    let caseless = around(dispute("x", "case").with(|e| e.pointers[1] = Some(j!(4))));
    book.add("case-without-a-case", s, &caseless).fails("POINTERS", "x");
    let start = around(cancel("x").with(|e| e.pointers[2] = Some(j!(4))));
    book.add("stream-at-its-start", s, &start).fails("POINTERS", "x");
    let opened = base().change("case", |e| e.pointers[1] = Some(j!(3)));
    book.add("case-at-its-opening", s, &opened).fails("POINTERS", "case");
    for (i, name) in ["governance", "case", "stream"].into_iter().enumerate() {
        let first = base().change("created", |e| e.pointers[i] = Some(j!(0)));
        book.add(&format!("{name}-of-entry-0"), s, &first).fails("POINTERS", "created");
    }
    let ledger = base().change("enrol recip-b", |e| e.pointers[0] = Some(j!(0)));
    book.add("governance-skips-a-party", "latest earlier entry", &ledger).fails("POINTERS", "enrol recip-b");
    let case_stream = base().then([case_amended("x", "title", "A".into()).with(|e| e.pointers[1] = Some(Json::Null))]);
    book.add("case-of-an-amendment", "for the event's case X", &case_stream).fails("POINTERS", "x");
    let other_case_stream =
        eventful(cancel("x")).then([case_amended("y", "title", "C".into()).with(|e| e.pointers[2] = Some(j!(4)))]);
    book.add("stream-of-an-amendment", "`stream`: of the latest earlier entry of the same stream", &other_case_stream)
        .fails("POINTERS", "y");
}
