//! SPEC §11: the bundle file.

use super::super::world::*;
use super::super::{Json, Script, b64, note, tree};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§11", "s11");
    header(book);
    lines(book);
    entries(book);
    compressed(book);
    receipts(book);
}

fn header(book: &mut Book) {
    let s = "first `{\"countersign_bundle\":1,\"ledger\":H,\"scope\":S,\"checkpoint\":\"<note>\"}`";
    let edited = |f: fn(Json) -> Json| base().header(f);
    type Header = (&'static str, fn(Json) -> Json);
    let bad: [Header; 19] = [
        ("without-version", |h| h.without("countersign_bundle")),
        ("without-ledger", |h| h.without("ledger")),
        ("without-scope", |h| h.without("scope")),
        ("without-checkpoint", |h| h.without("checkpoint")),
        ("unknown-member", |h| h.with("note", "x")),
        ("version-0", |h| h.with("countersign_bundle", 0)),
        ("version-text", |h| h.with("countersign_bundle", "1")),
        ("version-fraction", |h| h.with("countersign_bundle", Json::raw("1.0"))),
        ("ledger-short", |h| h.with("ledger", "00")),
        ("ledger-capitals", |h| h.with("ledger", "ABCDEF0123456789".repeat(4))),
        ("ledger-null", |h| h.with("ledger", Json::Null)),
        ("scope-unknown", |h| h.with("scope", "part")),
        ("scope-null", |h| h.with("scope", Json::Null)),
        ("scope-empty", |h| h.with("scope", j!({}))),
        ("scope-case-number", |h| h.with("scope", j!({"case": 7}))),
        ("scope-since-negative", |h| h.with("scope", j!({"since": (-1)}))),
        ("scope-two-forms", |h| h.with("scope", j!({"case": "donor-a.k1", "since": 1}))),
        ("checkpoint-null", |h| h.with("checkpoint", Json::Null)),
        ("checkpoint-object", |h| h.with("checkpoint", j!({}))),
    ];
    for (name, f) in bad {
        book.add(&format!("header-{name}"), s, &edited(f)).fails_line("FORMAT", Some(1));
    }
    book.add(
        "header-version-2",
        "`not_checked` 2 (… a newer format) (§13)",
        &edited(|h| h.with("countersign_bundle", 2)),
    )
    .not_checked();
    let other = |h: Json| h.with("ledger", "0".repeat(64));
    book.add("header-of-another-ledger", "every later event and the bundle's first line name it (§13)", &edited(other))
        .fails_line("LEDGER", Some(1));
    book.add(
        "header-any-order",
        s,
        &edited(|h| {
            let Json::Obj(mut members) = h else { unreachable!("a header is an object") };
            members.reverse();
            Json::Obj(members)
        }),
    );
    let line = |f: fn(String) -> String| {
        base().lines(move |mut lines| {
            lines[0] = f(String::from_utf8(lines[0].clone()).expect("UTF-8")).into_bytes();
            lines
        })
    };
    book.add("header-escapes", s, &line(|t| t.replace('—', "\\u2014").replace("\"full\"", "\"f\\u0075ll\"")));
    book.add("header-spaces-inside", s, &line(|t| t.replace("\":", "\" : ")));
    type Line = (&'static str, fn(String) -> String);
    let bad: [Line; 8] = [
        ("space-before", |t| format!(" {t}")),
        ("space-after", |t| format!("{t} ")),
        ("byte-order-mark", |t| format!("\u{feff}{t}")),
        ("trailing-bytes", |t| format!("{t}x")),
        ("duplicate", |t| t.replacen('{', "{\"scope\":\"full\",", 1)),
        ("duplicate-escaped", |t| t.replacen('{', "{\"\\u0073cope\":\"full\",", 1)),
        ("array", |t| format!("[{t}]")),
        ("carriage-return", |t| format!("{t}\r")),
    ];
    for (name, f) in bad {
        book.add(&format!("header-{name}"), "JSON is I-JSON, read strictly (§1)", &line(f))
            .fails_line("FORMAT", Some(1));
    }
}

/// What may fail where lines are missing or in the wrong place.
const OTHERS: [&str; 10] =
    ["CHAIN", "TREE", "LEDGER", "KEY", "POLICY", "STREAM", "POINTERS", "TIME", "SIGNATURE", "CHECKPOINT"];

fn lines(book: &mut Book) {
    let s = "lines ending in LF (the last too), no CR, no empty line";
    let file = |f: fn(Vec<u8>) -> Vec<u8>| base().file(f);
    let line = |f: fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>| base().lines(f);
    let last_lf = file(|mut b| {
        b.pop();
        b
    });
    book.add("no-last-line-feed", s, &last_lf).fails_at("FORMAT", Some(4), Some(6)).anywhere();
    let empty_end = line(|mut l| {
        l.push(Vec::new());
        l
    });
    book.add("empty-line-at-the-end", s, &empty_end).fails_line("FORMAT", Some(7)).anywhere();
    let empty = line(|mut l| {
        l.insert(3, Vec::new());
        l
    });
    book.add("empty-line-inside", s, &empty).fails_line("FORMAT", Some(4)).anywhere();
    let empty_first = line(|mut l| {
        l.insert(0, Vec::new());
        l
    });
    book.add("empty-line-first", s, &empty_first).fails_line("FORMAT", Some(1)).anywhere().may_fail(&OTHERS);
    let cr = line(|mut l| {
        l[5].push(b'\r');
        l
    });
    book.add("carriage-return", s, &cr).fails_at("FORMAT", Some(4), Some(6)).may_fail(&["TREE", "CHAIN"]);
    let crlf = line(|l| {
        l.into_iter()
            .map(|mut x| {
                x.push(b'\r');
                x
            })
            .collect()
    });
    book.add("crlf-everywhere", s, &crlf).fails_line("FORMAT", Some(1)).may_fail(&["TREE", "CHAIN", "LEDGER"]);
    book.add("empty-file", s, &file(|_| Vec::new())).fails_line("FORMAT", None).anywhere();
    book.add("line-feed-alone", s, &file(|_| b"\n".to_vec())).fails_line("FORMAT", None).anywhere();
    let unknown = line(|mut l| {
        l.push(b"{\"note\":1}".to_vec());
        l
    });
    book.add("unknown-line", s, &unknown).fails_line("FORMAT", Some(7)).anywhere();
    book.add("text-file", s, &file(|_| b"not a bundle\n".to_vec())).fails_line("FORMAT", Some(1)).anywhere();
}

fn entries(book: &mut Book) {
    let s = "leaves 0 to size in order: entry lines verbatim";
    let line = |f: fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>| base().then([cancel("a"), cancel("b")]).lines(f);
    type Lines = (&'static str, fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>);
    let cases: [Lines; 7] = [
        ("entry-removed", |mut l| {
            l.remove(6);
            l
        }),
        ("entries-swapped", |mut l| {
            l.swap(6, 7);
            l
        }),
        ("entry-doubled", |mut l| {
            l.insert(7, l[6].clone());
            l
        }),
        ("entry-0-removed", |mut l| {
            l.remove(1);
            l
        }),
        ("header-removed", |mut l| {
            l.remove(0);
            l
        }),
        ("header-doubled", |mut l| {
            l.insert(1, l[0].clone());
            l
        }),
        ("header-alone", |mut l| {
            l.truncate(1);
            l
        }),
    ];
    for (name, f) in cases {
        book.add(name, s, &line(f)).fails_line("FORMAT", None).anywhere().may_fail(&OTHERS);
    }
    let s = "`full` with a withheld leaf fails FORMAT";
    let withheld = base().then([cancel("a"), cancel("b")]).lines(|mut l| {
        let hash = hex::encode(tree::leaf_hash(&l[6]));
        l[6] = j!({"withheld": {"start": 5, "end": 6, "hash": hash}}).text().into_bytes();
        l
    });
    book.add("withheld-in-full", s, &withheld).fails_line("FORMAT", Some(7)).anywhere();
}

fn compressed(book: &mut Book) {
    let s = "optionally zstd (window ≤ 8 MiB)";
    book.add("zstd", s, &base()).compress();
    let garbage = base().file(|b| {
        let mut z = zstd::encode_all(&b[..], 3).expect("compression in memory");
        z.extend_from_slice(b"garbage");
        z
    });
    let cut = base().file(|b| {
        let mut z = zstd::encode_all(&b[..], 3).expect("compression in memory");
        z.truncate(z.len() - 40);
        z
    });
    let zst = |v: &mut super::super::Vector| v.extension = "bundle.jsonl.zst";
    let s2 = "Every parser … rejects trailing bytes (§1)";
    book.add("zstd-trailing-bytes", s2, &garbage).fails_line("FORMAT", None).anywhere().may_fail(&["TREE"]).with(zst);
    book.add("zstd-cut", s2, &cut).fails_line("FORMAT", None).anywhere().may_fail(&["TREE"]).with(zst);
    let wide = base().file(|b| {
        use std::io::Write as _;
        let mut e = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
        e.window_log(24).expect("a window");
        e.include_contentsize(false).expect("a parameter");
        e.write_all(&b).expect("compression in memory");
        e.finish().expect("compression in memory")
    });
    book.add("zstd-window-16-mib", s, &wide).fails_line("FORMAT", None).anywhere().with(zst);
    let allowed = base().file(|b| {
        use std::io::Write as _;
        let mut e = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
        e.window_log(23).expect("a window");
        e.include_contentsize(false).expect("a parameter");
        e.include_checksum(true).expect("a parameter");
        e.write_all(&b).expect("compression in memory");
        e.finish().expect("compression in memory")
    });
    book.add("zstd-window-8-mib", s, &allowed).with(zst);
}

/// A receipt of an entry of a script, over its whole tree.
fn receipt(script: &Script, label: &str) -> Json {
    let built = script.build();
    let seq = built.seq(label);
    let at = usize::try_from(seq).expect("small");
    let path = tree::inclusion(at, &built.leaves());
    let entry = &built.entries[at];
    j!({
        "entry": (String::from_utf8(entry.line.clone()).expect("ASCII")),
        "proof": (note::proof_text(seq, &path, &built.checkpoint)),
        "disclosures": (entry.disclosures.clone()),
    })
}

fn receipts(book: &mut Book) {
    let s = "Alone it decides FORMAT, TREE, DISCLOSURE, and CHECKPOINT and WITNESS given a trust file; with a bundle …, everything";
    let script = || base().then([cancel("x"), cancel("after"), cancel("last")]);
    let trust = format!("log {}\nquorum none\n", note::vkey(ORIGIN, 1, &log_key().public()));
    let put = |book: &mut Book, name: &str, r: Json, with: &str| -> usize {
        let v = book.add(&format!("receipt-{name}"), s, &script());
        v.command = "receipt";
        v.extension = "receipt.json";
        v.file = r.text().into_bytes();
        v.not_for_admission();
        if with.contains('t') {
            v.trust = Some(trust.clone());
        }
        if with.contains('b') {
            v.bundle = Some(v.built.bundle.clone());
        }
        book.vectors.len() - 1
    };
    let r = || receipt(&script(), "x");
    put(book, "with-bundle", r(), "b");
    put(book, "with-bundle-and-trust", r(), "bt");
    let alone = put(book, "alone", r(), "");
    book.vectors[alone].verdict = "partial";
    book.vectors[alone].any_undecided = true;
    let alone = put(book, "alone-with-trust", r(), "t");
    book.vectors[alone].verdict = "partial";
    book.vectors[alone].any_undecided = true;
    let w = key("witness 1");
    let vkey = note::vkey("witness.example/w1", 4, &w.public());
    for (name, late) in [("cosigned", 0), ("cosigned-before-its-entry", -1_000_000)] {
        let seal = |c: &mut super::super::script::Seal| {
            c.witnesses = vec![("witness.example/w1".to_owned(), w.clone(), late)];
        };
        let alone = put(book, name, receipt(&script().sealed(seal), "x"), "");
        let v = &mut book.vectors[alone];
        v.trust = Some(format!("{}witness w1 {vkey}\nquorum w1\n", trust.replace("quorum none\n", "")));
        if late < 0 {
            v.fails_line("TIME", None).anywhere();
        } else {
            v.verdict = "partial";
        }
        v.any_undecided = true;
    }
    let s = "with a bundle … WITNESS is then the bundle's, and the receipt's own cosignatures may be missing, but not invalid";
    let witness = |late: Option<i64>| {
        let w = w.clone();
        script().sealed(move |c| {
            c.witnesses = late.iter().map(|late| ("witness.example/w1".to_owned(), w.clone(), *late)).collect()
        })
    };
    let wrong = || {
        let w = w.clone();
        script().sealed(move |c| {
            let line =
                note::cosignature_line("witness.example/w1", &w, 1_767_600_300, "vectors.example/log\n5\nAAAA\n");
            c.edit_note = super::super::event::Edit::new(move |n: String| n + &line);
        })
    };
    for (name, of_receipt, of_bundle, fails) in [
        ("uncosigned-with-cosigned-bundle", witness(None), witness(Some(0)), false),
        ("cosigned-with-uncosigned-bundle", witness(Some(0)), witness(None), true),
        ("wrongly-cosigned-with-cosigned-bundle", wrong(), witness(Some(0)), true),
    ] {
        let at = put(book, name, receipt(&of_receipt, "x"), "");
        let v = &mut book.vectors[at];
        s.clone_into(&mut v.sentence);
        v.trust = Some(format!("{}witness w1 {vkey}\nquorum w1\n", trust.replace("quorum none\n", "")));
        v.bundle = Some(of_bundle.build().bundle);
        if fails {
            v.fails_line("WITNESS", None).anywhere();
        }
    }
    let bad = |book: &mut Book, name: &str, r: Json, code: &str| {
        let i = put(book, name, r, "t");
        book.vectors[i].fails_line(code, None).anywhere();
    };
    bad(book, "unknown-member", r().with("note", "x"), "FORMAT");
    for member in ["entry", "proof", "disclosures"] {
        bad(book, &format!("without-{member}"), r().without(member), "FORMAT");
    }
    let changed = |member: &'static str, from: &str, to: &str| {
        let Json::Str(text) = r().at(&[member]).clone() else { unreachable!("a text") };
        r().with(member, super::super::event::replace_once(&text, from, to))
    };
    bad(book, "entry-changed", changed("entry", "08:05:00.000Z", "08:05:00.001Z"), "TREE");
    for (name, index) in [("another-index", "index 4"), ("index-beyond", "index 8")] {
        bad(book, name, changed("proof", "index 5", index), "TREE");
        book.vectors.last_mut().expect("just added").may_fail(&["FORMAT"]);
    }
    bad(book, "index-leading-zero", changed("proof", "index 5", "index 05"), "FORMAT");
    bad(book, "proof-of-version-2", changed("proof", "tlog-proof@v1", "tlog-proof@v2"), "FORMAT");
    let hash = b64(&tree::inclusion(5, &script().build().leaves())[0]);
    bad(book, "hash-missing", changed("proof", &format!("{hash}\n"), ""), "TREE");
    bad(book, "hash-doubled", changed("proof", &format!("{hash}\n"), &format!("{hash}\n{hash}\n")), "TREE");
    bad(book, "hash-changed", changed("proof", &hash, &b64(&[7; 32])), "TREE");
    bad(book, "hash-short", changed("proof", &hash, &b64(&[7; 31])), "FORMAT");
    let stranger = script().sealed(|c| c.signers = vec![(ORIGIN.to_owned(), key("stranger"))]);
    bad(book, "signed-by-a-stranger", receipt(&stranger, "x"), "CHECKPOINT");
}
