//! SPEC §1: JSON, numbers, base64, times, ids.

use super::super::bodies::authorized;
use super::super::world::*;
use super::super::{Event, Json};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§1", "s1");
    json_valid(book);
    json_bytes(book);
    json_values(book);
    times(book);
    dates(book);
    ids(book);
    subjects_and_kinds(book);
    encodings(book);
    quantities(book);
}

/// A cancellation with one more member in its body, written as it is.
fn with_body(name: &str, value: &str) -> Event {
    cancel("x").with(|e| {
        e.body.set(name, Json::raw(value));
    })
}

fn json_valid(book: &mut Book) {
    let s = "JSON is I-JSON, read strictly";
    let ok = |event: Event| around(event);
    let spaced = cancel("x").payload(|t| t.replace("\":", "\" :\t").replace(',', "\r\n, ").into_bytes());
    book.add("white-space-inside", s, &ok(spaced));
    let escaped = cancel("x").payload_replace("\"reason\":\"superseded\"", r#""re\u0061son":"\u0073uper\/seded \"\\""#);
    book.add("escapes", s, &ok(escaped));
    let controls =
        cancel("x").payload_replace("superseded", "\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\u{7f}\u{85}\u{feff}");
    book.add("escaped-controls", s, &ok(controls)).not_for_admission();
    let pair = cancel("x").payload_replace("superseded", r"\ud83d\ude00 \u0416 😀");
    book.add("surrogate-pair", s, &ok(pair));
    let texts = cancel("x").payload_replace(
        "superseded",
        "Скасовано: змінено план. أُلغِيَت بسبب تغيير الخطة \u{200f}\u{202b}\u{2067}رقم 7\u{2069}\u{202c}\u{200e} — Ünïcödé",
    );
    book.add("cyrillic-arabic-marks", s, &ok(texts));
    let ends = "integers beyond ±(2^53−1)";
    book.add("largest-integer", ends, &ok(with_body("n", "9007199254740991"))).not_for_admission();
    book.add("smallest-integer", ends, &ok(with_body("n", "-9007199254740991"))).not_for_admission();
    book.add("zero", ends, &ok(with_body("n", "0"))).not_for_admission();
    let edge = with_body("edge", "\"\u{e000}\u{fdcf}\u{fdf0}\u{fffd}\u{10fffd}\"");
    book.add("not-quite-noncharacters", "noncharacters", &ok(edge)).not_for_admission();
    book.add("empty-member-name", s, &ok(with_body("", "1"))).not_for_admission();
}

/// Faults in the payload's bytes.
fn json_bytes(book: &mut Book) {
    type Case = (&'static str, &'static str, fn(String) -> Vec<u8>);
    let cases: [Case; 24] = [
        ("byte-order-mark", "a byte-order mark", |t| format!("\u{feff}{t}").into_bytes()),
        ("space-before", "white space before or after the value", |t| format!(" {t}").into_bytes()),
        ("space-after", "white space before or after the value", |t| format!("{t} ").into_bytes()),
        ("newline-after", "white space before or after the value", |t| format!("{t}\n").into_bytes()),
        ("tab-before", "white space before or after the value", |t| format!("\t{t}").into_bytes()),
        ("trailing-bytes", "rejects trailing bytes", |t| format!("{t}x").into_bytes()),
        ("second-value", "rejects trailing bytes", |t| format!("{t}{{}}").into_bytes()),
        ("trailing-nul", "rejects trailing bytes", |t| format!("{t}\0").into_bytes()),
        ("empty-payload", "What is not of the stated form is refused", |_| Vec::new()),
        ("array-payload", "What is not of the stated form is refused", |t| format!("[{t}]").into_bytes()),
        ("string-payload", "What is not of the stated form is refused", |_| b"\"x\"".to_vec()),
        ("null-payload", "What is not of the stated form is refused", |_| b"null".to_vec()),
        ("truncated", "What is not of the stated form is refused", |mut t| {
            t.pop();
            t.into_bytes()
        }),
        ("duplicate-name", "duplicate names", |t| {
            t.replacen("{\"countersign\":1", "{\"countersign\":1,\"countersign\":1", 1).into_bytes()
        }),
        ("duplicate-name-escaped", "duplicate names (after unescaping)", |t| {
            t.replacen("{\"countersign\":1", "{\"countersign\":1,\"counter\\u0073ign\":1", 1).into_bytes()
        }),
        ("duplicate-name-in-body", "duplicate names", |t| {
            t.replacen("\"reason\":\"superseded\"", "\"reason\":\"a\",\"reason\":\"b\"", 1).into_bytes()
        }),
        ("duplicate-name-in-body-escaped", "duplicate names (after unescaping)", |t| {
            t.replacen("\"reason\":\"superseded\"", "\"reason\":\"a\",\"r\\u0065ason\":\"a\"", 1).into_bytes()
        }),
        ("invalid-utf-8", "JSON is I-JSON", |t| patch(&t, &[0xff])),
        ("overlong-utf-8", "JSON is I-JSON", |t| patch(&t, &[0xc1, 0xa1])),
        ("cut-utf-8", "JSON is I-JSON", |t| patch(&t, &[0xd0])),
        ("surrogate-in-utf-8", "lone surrogates", |t| patch(&t, &[0xed, 0xa0, 0x80])),
        ("utf-16", "JSON is I-JSON", |t| t.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("trailing-comma", "JSON is I-JSON", |t| t.replacen("superseded\"", "superseded\",", 1).into_bytes()),
        ("comment", "JSON is I-JSON", |t| t.replacen("superseded\"", "superseded\"/**/", 1).into_bytes()),
    ];
    for (name, sentence, f) in cases {
        book.add(name, sentence, &around(cancel("x").payload(f))).refused("FORMAT", "x");
    }
}

/// Puts bytes into the reason.
fn patch(text: &str, bytes: &[u8]) -> Vec<u8> {
    let at = text.find("superseded").expect("the reason");
    [&text.as_bytes()[..at], bytes, &text.as_bytes()[at..]].concat()
}

/// Faults in a value of the body, whose members no schema of SPEC limits.
fn json_values(book: &mut Book) {
    let cases = [
        ("lone-high-surrogate", "lone surrogates", r#""\ud83d""#),
        ("lone-low-surrogate", "lone surrogates", r#""\ude00""#),
        ("surrogates-reversed", "lone surrogates", r#""\ude00\ud83d""#),
        ("high-surrogate-then-text", "lone surrogates", r#""\ud83dx""#),
        ("two-high-surrogates", "lone surrogates", r#""\ud83d\ud83d\ude00""#),
        ("noncharacter-fffe", "noncharacters", "\"\u{fffe}\""),
        ("noncharacter-ffff", "noncharacters", "\"\u{ffff}\""),
        ("noncharacter-fdd0", "noncharacters", "\"\u{fdd0}\""),
        ("noncharacter-fdef", "noncharacters", "\"\u{fdef}\""),
        ("noncharacter-1fffe", "noncharacters", "\"\u{1fffe}\""),
        ("noncharacter-10ffff", "noncharacters", "\"\u{10ffff}\""),
        ("noncharacter-escaped", "noncharacters", r#""\ufffe""#),
        ("noncharacter-escaped-pair", "noncharacters", r#""\ud83f\udffe""#),
        ("noncharacter-in-name", "noncharacters", "{\"\u{fdd0}\":1}"),
        ("nul-escaped", "U+0000", r#""\u0000""#),
        ("nul-in-name", "U+0000", r#"{"\u0000":1}"#),
        ("nul-literal", "U+0000", "\"\0\""),
        ("control-literal", "JSON is I-JSON", "\"\u{1}\""),
        ("newline-literal", "JSON is I-JSON", "\"\n\""),
        ("escape-unknown", "JSON is I-JSON", r#""\a""#),
        ("escape-short", "JSON is I-JSON", r#""\u12""#),
        ("fraction", "fractions", "1.5"),
        ("fraction-zero", "fractions", "1.0"),
        ("exponent", "exponents", "1e2"),
        ("exponent-capital", "exponents", "1E0"),
        ("exponent-negative", "exponents", "10e-1"),
        ("minus-zero", "`-0`", "-0"),
        ("too-large-integer", "integers beyond ±(2^53−1)", "9007199254740992"),
        ("too-small-integer", "integers beyond ±(2^53−1)", "-9007199254740992"),
        ("integer-of-64-bits", "integers beyond ±(2^53−1)", "18446744073709551615"),
        ("integer-wraps", "integers beyond ±(2^53−1)", "18446744073709551617"),
        ("integer-of-40-digits", "integers beyond ±(2^53−1)", "1000000000000000000000000000000000000000"),
        ("leading-zero", "JSON is I-JSON", "01"),
        ("plus-sign", "JSON is I-JSON", "+1"),
        ("not-a-number", "JSON is I-JSON", "NaN"),
        ("infinity", "JSON is I-JSON", "Infinity"),
        ("hexadecimal", "JSON is I-JSON", "0x1"),
        ("single-quotes", "JSON is I-JSON", "'x'"),
        ("capital-literal", "JSON is I-JSON", "True"),
        ("missing-value", "JSON is I-JSON", ""),
        ("duplicate-name-deep", "duplicate names", r#"[{"a":{"b":1,"b":1}}]"#),
        ("number-deep", "fractions", r#"[[{"a":[0.1]}]]"#),
    ];
    for (name, sentence, value) in cases {
        book.add(name, sentence, &around(with_body("n", value))).refused("FORMAT", "x");
    }
}

fn times(book: &mut Book) {
    let s =
        "Time T: `YYYY-MM-DDThh:mm:ss[.sss]Z`, ASCII, capitals, a real Gregorian date, years 1900–9999, seconds 00–59";
    let good = [
        ("time-without-fraction", "2026-01-05T07:00:00Z"),
        ("time-first-year", "1900-01-01T00:00:00.000Z"),
        ("time-leap-day", "2024-02-29T23:59:59.999Z"),
        ("time-leap-day-2000", "2000-02-29T00:00:00Z"),
    ];
    for (name, t) in good {
        book.add(name, s, &around(cancel("x").occurred(j!({"at": t}))));
    }
    book.add("until-last-year", s, &around(cancel("x").member("until", "9999-12-31T23:59:59.999Z")));
    let bad = [
        ("time-1899", "1899-12-31T23:59:59Z"),
        ("time-year-10000", "10000-01-01T00:00:00Z"),
        ("time-year-0", "0000-01-01T00:00:00Z"),
        ("time-february-29", "2025-02-29T00:00:00Z"),
        ("time-february-29-1900", "1900-02-29T00:00:00Z"),
        ("time-february-30", "2024-02-30T00:00:00Z"),
        ("time-april-31", "2025-04-31T00:00:00Z"),
        ("time-month-0", "2025-00-10T00:00:00Z"),
        ("time-month-13", "2025-13-10T00:00:00Z"),
        ("time-day-0", "2025-01-00T00:00:00Z"),
        ("time-day-32", "2025-01-32T00:00:00Z"),
        ("time-hour-24", "2025-01-01T24:00:00Z"),
        ("time-minute-60", "2025-01-01T00:60:00Z"),
        ("time-leap-second", "2016-12-31T23:59:60Z"),
        ("time-lower-case-t", "2025-01-01t00:00:00Z"),
        ("time-lower-case-z", "2025-01-01T00:00:00z"),
        ("time-space", "2025-01-01 00:00:00Z"),
        ("time-offset", "2025-01-01T00:00:00+00:00"),
        ("time-no-zone", "2025-01-01T00:00:00"),
        ("time-one-fraction-digit", "2025-01-01T00:00:00.1Z"),
        ("time-two-fraction-digits", "2025-01-01T00:00:00.12Z"),
        ("time-four-fraction-digits", "2025-01-01T00:00:00.1234Z"),
        ("time-no-fraction-digits", "2025-01-01T00:00:00.Z"),
        ("time-comma", "2025-01-01T00:00:00,000Z"),
        ("time-no-seconds", "2025-01-01T00:00Z"),
        ("time-basic-format", "20250101T000000Z"),
        ("time-short-month", "2025-1-01T00:00:00Z"),
        ("time-sign", "+2025-01-01T00:00:00Z"),
        ("time-space-after", "2025-01-01T00:00:00Z "),
        ("time-newline-after", "2025-01-01T00:00:00Z\n"),
        ("time-full-width-digit", "2025-01-0１T00:00:00Z"),
        ("time-arabic-digits", "٢٠٢٥-01-01T00:00:00Z"),
        ("time-empty", ""),
    ];
    for (name, t) in bad {
        book.add(name, s, &around(cancel("x").occurred(j!({"at": t})))).refused("FORMAT", "x");
    }
    let number = cancel("x").occurred(j!({"at": 1_767_600_000}));
    book.add("time-a-number", s, &around(number)).refused("FORMAT", "x");
}

fn dates(book: &mut Book) {
    let s = "Date: `YYYY-MM-DD`, as real and in the same years";
    for (name, d) in [("date", "2025-12-31"), ("date-leap-day", "2024-02-29"), ("date-first", "1900-01-01")] {
        book.add(name, s, &around(cancel("x").occurred(j!({"date": d}))));
    }
    let bad = [
        ("date-february-30", "2025-02-30"),
        ("date-february-29", "2025-02-29"),
        ("date-short", "2025-2-03"),
        ("date-1899", "1899-12-31"),
        ("date-with-time", "2025-02-03T00:00:00Z"),
        ("date-slashes", "2025/02/03"),
        ("date-basic-format", "20250203"),
        ("date-month-13", "2025-13-01"),
        ("date-of-year", "2025-034"),
        ("date-zone", "2025-02-03Z"),
    ];
    for (name, d) in bad {
        book.add(name, s, &around(cancel("x").occurred(j!({"date": d})))).refused("FORMAT", "x");
    }
}

fn ids(book: &mut Book) {
    let s = "Ids are ASCII `[a-z0-9][a-z0-9._-]{0,95}`";
    let long = "a".repeat(96);
    let with_id = |id: &str| cancel("x").with(|e| e.subject = format!("authorization/{id}"));
    for (name, id) in [("id-of-96", long.as_str()), ("id-of-one", "7"), ("id-all-characters", "0a.z_9-")] {
        book.add(name, s, &around(with_id(id)));
    }
    let too_long = "a".repeat(97);
    let bad = [
        ("id-of-97", too_long.as_str()),
        ("id-empty", ""),
        ("id-capital", "A1"),
        ("id-capital-inside", "a1B"),
        ("id-leading-dot", ".a"),
        ("id-leading-hyphen", "-a"),
        ("id-leading-underscore", "_a"),
        ("id-slash", "a/b"),
        ("id-space", "a b"),
        ("id-cyrillic", "ка-1"),
        ("id-latin-look-alike", "\u{0430}b"),
        ("id-plus", "a+b"),
        ("id-newline", "a\n"),
        ("id-right-to-left-mark", "a\u{200f}"),
        ("id-colon", "a:b"),
        ("id-full-width", "ａ"),
    ];
    for (name, id) in bad {
        book.add(name, s, &around(with_id(id))).refused("FORMAT", "x");
    }
    let case = |id: &str| case_opened("x", id, "donor-a", roles()).signed([&donor(), &recip()]);
    book.add("case-id-of-96", s, &base().then([case(&long)]));
    for (name, id) in
        [("case-id-capital", "K2"), ("case-id-empty", ""), ("case-id-97", &too_long), ("case-id-slash", "a/b")]
    {
        book.add(name, s, &base().then([case(id)])).refused("FORMAT", "x");
    }
    let party = "party ids contain no `.`";
    let p = |id: &str| base().then([enrol(id, &["carrier"], &[key("new")]).with(|e| e.label = "x".to_owned())]);
    book.add("party-id-of-96", s, &p(&long));
    for (name, id) in
        [("party-id-dot", "a.b"), ("party-id-capital", "Ab"), ("party-id-empty", ""), ("party-id-97", &too_long)]
    {
        book.add(name, party, &p(id)).refused("FORMAT", "x");
    }
    let author = around(cancel("x").with(|e| e.author = "donor.a".to_owned()));
    book.add("author-with-dot", party, &author).refused("FORMAT", "x");
}

fn subjects_and_kinds(book: &mut Book) {
    let s = "types `[a-z_]+`";
    let subject = |t: &str| around(cancel("x").with(|e| e.subject = t.to_owned()));
    let bad = [
        ("subject-no-slash", "authorization"),
        ("subject-two-slashes", "authorization/a/b"),
        ("subject-no-type", "/a"),
        ("subject-no-id", "authorization/"),
        ("type-capital", "Authorization/a"),
        ("type-digit", "authorization2/a"),
        ("type-hyphen", "auth-orization/a"),
        ("type-dot", "auth.orization/a"),
        ("type-space", "auth orization/a"),
        ("type-non-ascii", "автор/a"),
        ("subject-empty", ""),
    ];
    for (name, t) in bad {
        book.add(name, s, &subject(t)).refused("FORMAT", "x");
    }
    let s = "kinds `[a-z_]+\\.[a-z_]+(\\.v[2-9])?`";
    let kind = |k: &str| around(cancel("x").with(|e| e.kind = k.to_owned()));
    let bad = [
        ("kind-no-dot", "cancelled"),
        ("kind-two-dots", "transfer.cancelled.again"),
        ("kind-v1", "transfer.cancelled.v1"),
        ("kind-v10", "transfer.cancelled.v10"),
        ("kind-v2-v3", "transfer.cancelled.v2.v3"),
        ("kind-capital", "Transfer.cancelled"),
        ("kind-hyphen", "transfer.can-celled"),
        ("kind-digit", "transfer.cancelled2"),
        ("kind-no-name", "transfer."),
        ("kind-no-prefix", ".cancelled"),
        ("kind-star", "transfer.*"),
        ("kind-empty", ""),
        ("kind-space", "transfer.cancelled "),
        ("kind-non-ascii", "трансфер.cancelled"),
    ];
    for (name, k) in bad {
        book.add(name, s, &kind(k)).refused("FORMAT", "x");
    }
    let table = policy().with("transfer.cancelled.v2", row("required", role("donor")));
    let v2 = cancel("x").with(|e| e.kind = "transfer.cancelled.v2".to_owned());
    book.add("kind-v2-in-the-table", "unknown kinds never fail here (§13)", &base_with(table).then([v2]))
        .not_for_admission();
    let v9 = cancel("x").with(|e| e.kind = "transfer.cancelled.v9".to_owned());
    book.add("kind-v9-not-in-the-table", "A kind that is not in it is refused (§9)", &around(v9))
        .refused("POLICY", "x");
}

/// base64 in bodies of §8 and base64 of the entry line; base64url is with §10.
fn encodings(book: &mut Book) {
    let s = "base64 is RFC 4648 §4, padded and canonical";
    let edit = |f: fn(&str) -> String| {
        let text = f(&key("new").base64());
        let mut event = enrol("new-e", &["carrier"], &[key("new")]);
        event.label = "x".to_owned();
        event.body.at(&["keys", "0"]).set("public_key", text);
        base().then([event])
    };
    type Case = (&'static str, fn(&str) -> String);
    let cases: [Case; 9] = [
        ("base64-no-padding", |b| b.trim_end_matches('=').to_owned()),
        ("base64-two-paddings", |b| format!("{b}=")),
        ("base64-trailing-bits", |b| next_last_character(b)),
        ("base64-newline", |b| format!("{b}\n")),
        ("base64-space-inside", |b| format!("{} {}", &b[..4], &b[4..])),
        ("base64-url-alphabet", |_| format!("{}-_8=", "A".repeat(40))),
        ("base64-31-bytes", |_| format!("{}=", &"A".repeat(42)) + "="),
        ("base64-33-bytes", |_| "A".repeat(44)),
        ("base64-hex", |_| key("new").id()),
    ];
    for (name, f) in cases {
        book.add(name, s, &edit(f)).refused("FORMAT", "x");
    }
}

/// The same bytes with other bits where padding hides them.
pub(super) fn next_last_character(b: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let end = b.trim_end_matches('=').len();
    let last = ALPHABET.find(&b[end - 1..end]).expect("base64");
    format!("{}{}{}", &b[..end - 1], &ALPHABET[last + 1..last + 2], &b[end..])
}

/// Bodies of kinds outside §8 are the ledger's to judge: these verify, and are refused at admission.
fn quantities(book: &mut Book) {
    let s = "Quantities and money are strings `(0|[1-9][0-9]{0,14})(\\.[0-9]{1,4})?`";
    let with = |q: Json| {
        let mut event = authorized("x");
        event.body.at(&["lines", "0"]).set("quantity", q);
        base_with(full_policy()).then([event, cancel("after")])
    };
    let good =
        [("quantity-largest", "999999999999999.9999"), ("quantity-zero", "0"), ("quantity-zero-fraction", "0.0001")];
    for (name, q) in good {
        book.add(name, s, &with(q.into()));
    }
    let bad = [
        ("quantity-leading-zero", "01"),
        ("quantity-16-digits", "1000000000000000"),
        ("quantity-five-fraction-digits", "1.00000"),
        ("quantity-no-fraction-digits", "1."),
        ("quantity-no-whole-digits", ".5"),
        ("quantity-minus", "-1"),
        ("quantity-plus", "+1"),
        ("quantity-exponent", "1e3"),
        ("quantity-comma", "1,5"),
        ("quantity-thousands", "1,000"),
        ("quantity-space", " 1"),
        ("quantity-empty", ""),
        ("quantity-arabic-digits", "٣"),
    ];
    for (name, q) in bad {
        book.add(name, s, &with(q.into())).inadmissible("x");
    }
    book.add("quantity-a-number", s, &with(Json::Int(2))).inadmissible("x");
}
