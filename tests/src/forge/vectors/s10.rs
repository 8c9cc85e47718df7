//! SPEC §10: disclosures.

use super::super::script::disclosure_line;
use super::super::world::*;
use super::super::{Event, Json, Script, b64, b64url, sd};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§10", "s10");
    valid(book);
    belongs(book);
    forms(book);
    refused(book);
    limits(book);
    // A verifier may name the entry's line or the disclosure's.
    for failed in book.vectors.iter_mut().flat_map(|v| &mut v.failed).filter(|f| f.code == "DISCLOSURE") {
        failed.any_line = true;
    }
}

/// A cancellation with this body and these disclosures, `x`, then an innocent event.
fn with(body: Json, disclosures: Vec<String>) -> Script {
    around(cancel("x").with(|e| e.body = body).disclosing(disclosures))
}

fn member(name: &str, value: &Json) -> String {
    sd::member(&sd::salt(&format!("s10/{name}")), name, value)
}

fn digests(disclosures: &[&String]) -> Json {
    let mut digests: Vec<String> = disclosures.iter().map(|d| sd::digest(d)).collect();
    digests.sort();
    digests.into()
}

/// A body with one member concealed, and its disclosure.
fn remarks() -> (Json, String) {
    let d = member("remarks", &"two crates were wet".into());
    (j!({"reason": "superseded", "_sd": (digests(&[&d]))}), d)
}

fn valid(book: &mut Book) {
    let s = "a member by its digest in the object's `_sd` array, an element by `{\"...\":digest}`";
    let (body, d) = remarks();
    book.add("member", s, &with(body.clone(), vec![d.clone()]));
    book.add("member-withheld", "can be withheld or erased later", &with(body, Vec::new()))
        .with(|v| v.undisclosed = 1)
        .not_for_admission();
    let element = sd::element(&sd::salt("s10/element"), &j!({"scheme": "PO", "value": "7"}));
    let body = j!({"reason": "superseded", "references": [(sd::stand_in(&element)), {"scheme": "PO", "value": "8"}]});
    book.add("element", s, &with(body.clone(), vec![element])).not_for_admission();
    book.add("element-withheld", s, &with(body, Vec::new())).with(|v| v.undisclosed = 1).not_for_admission();
    let inner = member("text", &"warehouse 7".into());
    let outer = member("place", &j!({"country": "XB", "_sd": (digests(&[&inner]))}));
    let body = j!({"reason": "x", "_sd": (digests(&[&outer]))});
    let s = "belongs, once, to its entry (or to a disclosure of it) (§13)";
    book.add("nested", s, &with(body.clone(), vec![outer.clone(), inner.clone()])).not_for_admission();
    book.add("nested-inner-first", s, &with(body.clone(), vec![inner.clone(), outer.clone()])).not_for_admission();
    book.add("nested-inner-withheld", s, &with(body.clone(), vec![outer]))
        .with(|v| v.undisclosed = 1)
        .not_for_admission();
    book.add("nested-both-withheld", s, &with(body, Vec::new())).with(|v| v.undisclosed = 1).not_for_admission();
    let in_element = sd::element(&sd::salt("s10/list"), &j!(["SYN-1", {"...": (sd::digest(&inner))}]));
    let body = j!({"reason": "x", "lists": [(sd::stand_in(&in_element))]});
    let inner_element = sd::element(&sd::salt("s10/inner element"), &"SYN-2".into());
    let list = sd::element(&sd::salt("s10/list"), &j!(["SYN-1", (sd::stand_in(&inner_element))]));
    let nested = j!({"reason": "x", "lists": [(sd::stand_in(&list))]});
    book.add("nested-elements", s, &with(nested, vec![list, inner_element])).not_for_admission();
    let _ = (body, in_element);
    let two = [member("place", &"depot".into()), member("remarks", &"wet".into())];
    let body = j!({"reason": "x", "_sd": (digests(&[&two[0], &two[1]]))});
    book.add("two-members-one-withheld", s, &with(body, vec![two[1].clone()]))
        .with(|v| v.undisclosed = 1)
        .not_for_admission();
    let unicode = member("remarks", &"Склад №7 — مستودع \u{200f}".into());
    let body = j!({"reason": "x", "_sd": (digests(&[&unicode]))});
    book.add("unicode", s, &with(body, vec![unicode]));
    let spaced = b64url(format!("[ \"{}\" , \"remarks\",\t\"wet\" ]", sd::salt("s10/spaced")).as_bytes());
    let body = j!({"reason": "x", "_sd": (digests(&[&spaced]))});
    book.add("white-space-inside", "RFC 9901 §4.2", &with(body, vec![spaced]));
    let s = "decoys (digests and disclosures match one to one at admission)";
    let (body, d) = remarks();
    let decoy = body.with("_sd", vec![sd::digest(&d), sd::digest("decoy")]);
    book.add("decoy", s, &with(decoy, vec![d])).with(|v| v.undisclosed = 1).inadmissible("x");
}

/// The same bundle with the disclosure lines after `x` changed.
fn lines(script: Script, f: impl Fn(Vec<Vec<u8>>) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Script {
    script.lines(move |all| {
        let (before, rest) = all.split_at(7);
        let n = rest.iter().take_while(|l| l.starts_with(b"{\"disclosure\"")).count();
        let mut lines = before.to_vec();
        lines.extend(f(rest[..n].to_vec()));
        lines.extend_from_slice(&rest[n..]);
        lines
    })
}

fn belongs(book: &mut Book) {
    let s = "each disclosure belongs, once, to its entry (or to a disclosure of it) (§13)";
    let (body, d) = remarks();
    let good = || with(remarks().0, vec![remarks().1]);
    let at = |book: &mut Book, name: &str, script: &Script, line: u64| {
        book.add(name, s, script).fails_at("DISCLOSURE", Some(5), Some(line));
    };
    let stranger = disclosure_line(&member("place", &"depot".into()));
    let line = stranger.clone();
    at(
        book,
        "of-nothing",
        &lines(good(), move |mut l| {
            l.push(line.clone());
            l
        }),
        9,
    );
    at(
        book,
        "twice",
        &lines(good(), |mut l| {
            l.push(l[0].clone());
            l
        }),
        9,
    );
    let other_salt = disclosure_line(&sd::member(&sd::salt("another"), "remarks", &"two crates were wet".into()));
    at(book, "another-salt", &lines(good(), move |_| vec![other_salt.clone()]), 8);
    let other_value = disclosure_line(&member("remarks", &"all dry".into()));
    at(book, "another-value", &lines(good(), move |_| vec![other_value.clone()]), 8);
    let other_name = disclosure_line(&sd::member(&sd::salt("s10/remarks"), "remark", &"two crates were wet".into()));
    at(book, "another-name", &lines(good(), move |_| vec![other_name.clone()]), 8);
    let after_next = around(cancel("x").with(|e| e.body = body)).lines(move |mut all| {
        all.push(disclosure_line(&d));
        all
    });
    book.add("under-another-entry", s, &after_next)
        .fails_at("DISCLOSURE", Some(6), Some(9))
        .with(|v| v.undisclosed = 1);
    let at_entry_0 = base().lines(move |mut all| {
        all.insert(2, stranger.clone());
        all
    });
    book.add("under-entry-0", s, &at_entry_0).fails_at("DISCLOSURE", Some(0), Some(3));
    let d = remarks().1;
    let first = base().lines(move |mut all| {
        all.insert(1, disclosure_line(&d));
        all
    });
    book.add("before-any-entry", "leaves …, each followed by its disclosure lines (§11)", &first)
        .fails_at("FORMAT", None, Some(2))
        .may_fail(&["DISCLOSURE"]);
    let inner = member("text", &"warehouse 7".into());
    let outer = member("place", &j!({"country": "XB", "_sd": (digests(&[&inner]))}));
    let body = j!({"reason": "x", "_sd": (digests(&[&outer]))});
    book.add("inner-without-its-outer", s, &with(body, vec![inner]))
        .fails_at("DISCLOSURE", Some(5), Some(8))
        .with(|v| v.undisclosed = 1);
}

fn forms(book: &mut Book) {
    let s = "a disclosure is base64url of `[salt,name,value]` or `[salt,value]`, salt = 16 random bytes in base64url";
    let salt = sd::salt("s10/form");
    let raw: Vec<(&str, String)> = vec![
        ("salt-15-bytes", sd::member(&b64url(&[7; 15]), "remarks", &"x".into())),
        ("salt-17-bytes", sd::member(&b64url(&[7; 17]), "remarks", &"x".into())),
        ("salt-empty", sd::member("", "remarks", &"x".into())),
        ("salt-padded", sd::member(&format!("{salt}=="), "remarks", &"x".into())),
        ("salt-trailing-bits", sd::member(&super::s01::next_last_character(&salt), "remarks", &"x".into())),
        ("salt-number", sd::encode(&j!([7, "remarks", "x"]))),
        ("salt-standard-base64", sd::member("////////////////////_A", "remarks", &"x".into())),
        ("one-element", sd::encode(&j!([(salt.clone())]))),
        ("four-elements", sd::encode(&j!([(salt.clone()), "remarks", "x", "y"]))),
        ("empty-array", sd::encode(&j!([]))),
        ("object", sd::encode(&j!({"salt": (salt.clone()), "name": "remarks", "value": "x"}))),
        ("text", sd::encode(&j!("remarks"))),
        ("name-number", sd::encode(&j!([(salt.clone()), 7, "x"]))),
        ("not-json", b64url(b"[\"x\"")),
        ("duplicate-name-inside", sd::encode(&j!([(salt.clone()), "remarks", (Json::raw(r#"{"a":1,"a":1}"#))]))),
        ("fraction-inside", sd::encode(&j!([(salt.clone()), "remarks", (Json::raw("1.5"))]))),
        ("white-space-before", b64url(format!(" [\"{salt}\",\"remarks\",\"x\"]").as_bytes())),
        ("trailing-bytes", b64url(format!("[\"{salt}\",\"remarks\",\"x\"]x").as_bytes())),
        ("invalid-utf-8", b64url(&[format!("[\"{salt}\",\"remarks\",\"").as_bytes(), &[0xff], b"\"]"].concat())),
        ("padded", format!("{}=", member("remarks", &"x".into()))),
        (
            "standard-base64",
            b64(format!("[\"{salt}\",\"remarks\",\"????>>>>\"]").as_bytes()).trim_end_matches('=').to_owned(),
        ),
        ("empty", String::new()),
    ];
    for (name, d) in raw {
        let body = j!({"reason": "x", "_sd": (digests(&[&d]))});
        book.add(&format!("form-{name}"), s, &with(body, vec![d])).fails_at("DISCLOSURE", Some(5), Some(8)).with(|v| {
            v.admission = super::super::vector::Admission::Refused(5);
        });
    }
    let element = sd::element(&salt, &"x".into());
    let as_member = j!({"reason": "x", "_sd": (digests(&[&element]))});
    book.add("element-as-a-member", s, &with(as_member, vec![element])).fails_at("DISCLOSURE", Some(5), Some(8)).with(
        |v| {
            v.admission = super::super::vector::Admission::Refused(5);
        },
    );
    let named = member("remarks", &"x".into());
    let as_element = j!({"reason": "x", "references": [(sd::stand_in(&named))]});
    book.add("member-as-an-element", s, &with(as_element, vec![named])).fails_at("DISCLOSURE", Some(5), Some(8)).with(
        |v| {
            v.admission = super::super::vector::Admission::Refused(5);
        },
    );
    let s = "a `{\"disclosure\":\"…\"}` line (§11)";
    let cases: [(&str, &str); 7] = [
        ("unknown-member", r#"{"disclosure":"AA","note":1}"#),
        ("number", r#"{"disclosure":7}"#),
        ("null", r#"{"disclosure":null}"#),
        ("duplicate", r#"{"disclosure":"AA","disclosure":"AA"}"#),
        ("other-member", r#"{"Disclosure":"AA"}"#),
        ("white-space-before", r#" {"disclosure":"AA"}"#),
        ("trailing-bytes", r#"{"disclosure":"AA"}}"#),
    ];
    for (name, text) in cases {
        let text = text.as_bytes().to_vec();
        let script = base().lines(move |mut all| {
            all.push(text.clone());
            all
        });
        book.add(&format!("line-{name}"), s, &script)
            .fails_at("FORMAT", None, Some(7))
            .with(|v| v.failed[0].any_seq = true);
    }
}

/// A body that the check refuses at the entry itself.
fn refused(book: &mut Book) {
    let s = "Refused: `_sd_alg`";
    let body = |b: Json| around(cancel("x").with(|e| e.body = b));
    let (good, d) = remarks();
    let digest = sd::digest(&d);
    let alg = with(good.clone().with("_sd_alg", "sha-256"), vec![d.clone()]);
    book.add("sd-alg", s, &alg).refused("DISCLOSURE", "x");
    let deep = body(j!({"reason": "x", "place": {"_sd_alg": "sha-256"}}));
    book.add("sd-alg-inside", s, &deep).refused("DISCLOSURE", "x");
    let s = "Refused: … an empty `_sd`";
    book.add("sd-empty", s, &body(j!({"reason": "x", "_sd": []}))).refused("DISCLOSURE", "x");
    let inside = body(j!({"reason": "x", "place": {"_sd": []}}));
    book.add("sd-empty-inside", s, &inside).refused("DISCLOSURE", "x");
    let s = "one digest twice in an event";
    let twice = with(good.clone().with("_sd", vec![&digest, &digest]), vec![d.clone()]);
    book.add("digest-twice-in-one-array", s, &twice).refused("DISCLOSURE", "x");
    let apart = with(good.clone().with("place", j!({"_sd": [(digest.clone())]})), vec![d.clone()]);
    book.add("digest-twice-apart", s, &apart).refused("DISCLOSURE", "x");
    let withheld = body(j!({"reason": "x", "a": {"_sd": [(digest.clone())]}, "b": [{"...": (digest.clone())}]}));
    book.add("digest-twice-withheld", s, &withheld).refused("DISCLOSURE", "x");
    let inner = member("text", &j!({"_sd": [(digest.clone())]}));
    let nested = with(j!({"reason": "x", "_sd": [(digest.clone()), (sd::digest(&inner))]}), vec![d.clone(), inner]);
    book.add("digest-twice-by-a-disclosure", s, &nested).fails_at("DISCLOSURE", Some(5), None).with(|v| {
        v.admission = super::super::vector::Admission::Refused(5);
    });
    let s = "a name that is `_sd`, `...` or already there";
    for (name, of) in [("sd", "_sd"), ("dots", "..."), ("there", "reason")] {
        let d = member(of, &"x".into());
        let script = with(j!({"reason": "x", "_sd": (digests(&[&d]))}), vec![d]);
        book.add(&format!("name-{name}"), s, &script).fails_at("DISCLOSURE", Some(5), Some(8)).with(|v| {
            v.admission = super::super::vector::Admission::Refused(5);
        });
    }
    let (one, two) = (member("remarks", &"a".into()), sd::member(&sd::salt("s10/second"), "remarks", &"b".into()));
    let script = with(j!({"reason": "x", "_sd": (digests(&[&one, &two]))}), vec![one, two]);
    book.add("name-twice", s, &script).fails_at("DISCLOSURE", Some(5), None).with(|v| {
        v.admission = super::super::vector::Admission::Refused(5);
    });
    let s = "a member by its digest in the object's `_sd` array, an element by `{\"...\":digest}`";
    let bad = [
        ("sd-text", j!({"reason": "x", "_sd": (digest.clone())})),
        ("sd-object", j!({"reason": "x", "_sd": {}})),
        ("sd-null", j!({"reason": "x", "_sd": null})),
        ("sd-of-numbers", j!({"reason": "x", "_sd": [7]})),
        ("digest-padded", j!({"reason": "x", "_sd": [(format!("{digest}="))]})),
        ("digest-short", j!({"reason": "x", "_sd": [(b64url(&[7; 31]))]})),
        ("digest-long", j!({"reason": "x", "_sd": [(b64url(&[7; 33]))]})),
        ("digest-hex", j!({"reason": "x", "_sd": [(hex::encode([7; 32]))]})),
        ("digest-standard-base64", j!({"reason": "x", "_sd": [(b64(&[0xff; 32]).trim_end_matches('=').to_owned())]})),
        ("digest-trailing-bits", j!({"reason": "x", "_sd": [(super::s01::next_last_character(&digest))]})),
        ("dots-number", j!({"reason": "x", "references": [{"...": 7}]})),
        ("dots-with-another-member", j!({"reason": "x", "references": [{"...": (digest.clone()), "scheme": "PO"}]})),
        ("dots-as-a-member", j!({"reason": "x", "place": {"...": (digest.clone())}})),
        ("dots-short", j!({"reason": "x", "references": [{"...": "AA"}]})),
    ];
    for (name, b) in bad {
        book.add(name, s, &body(b)).refused("DISCLOSURE", "x");
    }
    let s = "In bodies of kinds outside §8";
    let mut authority = amended("x", "donor-a", "name", "A".into());
    sd::conceal(&mut authority.body, &["name"], "s10 authority");
    book.add("authority-body", s, &base().then([authority])).refused("FORMAT", "x");
    let elsewhere = cancel("x").object(|o| o.with("_sd", vec![sd::digest("x")]));
    book.add("outside-the-body", s, &around(elsewhere)).refused("FORMAT", "x");
    let in_occurred = cancel("x").occurred(j!({"_sd": [(sd::digest("x"))]}));
    book.add("in-occurred", s, &around(in_occurred)).refused("FORMAT", "x");
}

fn limits(book: &mut Book) {
    let s = "≤ 256 disclosures and 256 KiB an event";
    let many = |n: usize, fill: usize| {
        let ds: Vec<String> = (0..n)
            .map(|i| {
                sd::element(&sd::salt(&format!("s10/many/{i}")), &format!("SYN-{i:05}{}", "x".repeat(fill)).into())
            })
            .collect();
        let items: Vec<Json> = ds.iter().map(|d| sd::stand_in(d)).collect();
        with(j!({"reason": "x", "serials": (Json::Arr(items))}), ds)
    };
    book.add("256-disclosures", s, &many(256, 0)).not_for_admission();
    book.add("257-disclosures", s, &many(257, 0)).fails_at("DISCLOSURE", Some(5), None).not_for_admission();
    let big = |bytes: usize| {
        // base64url of [salt,name,value]: the value fills it up to the limit.
        let empty = member("remarks", &"".into()).len();
        let fill = (bytes - empty) / 4 * 3;
        let d = member("remarks", &"r".repeat(fill).into());
        (d.len(), with(j!({"reason": "x", "_sd": (digests(&[&d]))}), vec![d]))
    };
    let (len, script) = big(262_144);
    assert!((262_140..=262_144).contains(&len), "{len} bytes is not just within the limit");
    zst(book.add("256-kib", s, &script).not_for_admission());
    let (len, script) = big(262_160);
    assert!(len > 262_144, "{len} bytes is within the limit");
    zst(book.add("over-256-kib", s, &script).fails_at("DISCLOSURE", Some(5), None).not_for_admission());
    let s = "nesting 16 (objects and arrays, the outermost is 1; also after disclosures) (§12)";
    let deep = |n: usize| (0..n).fold(Json::from("x"), |v, _| Json::Arr(vec![v]));
    // The payload is level 1, the body 2, a concealed member of it begins at 3.
    let nested = |n: usize| {
        let d = member("list", &deep(n));
        with(j!({"reason": "x", "_sd": (digests(&[&d]))}), vec![d])
    };
    book.add("nesting-16-after-disclosure", s, &nested(14)).not_for_admission();
    book.add("nesting-17-after-disclosure", s, &nested(15)).fails_at("DISCLOSURE", Some(5), None).not_for_admission();
    let _: Option<Event> = None;
}

/// Stores the bundle compressed: it is large and all alike.
fn zst(v: &mut super::super::Vector) {
    v.compress();
}
