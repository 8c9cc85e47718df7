//! SPEC §7: tree, checkpoint, cosignatures; §13: WITNESS and CONSISTENT, which rest on them.

use super::super::event::{Edit, replace_once};
use super::super::script::Seal;
use super::super::world::*;
use super::super::{Event, Key, Script, b64, note, time, tree};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§7", "s7");
    roots(book);
    sizes(book);
    notes(book);
    log_signatures(book);
    rotation(book);
    witnesses(book);
    trust_logs(book);
    times(book);
    previous(book);
}

fn roots(book: &mut Book) {
    let s = "Merkle tree per RFC 6962 §2.1 over the leaf hashes";
    let full = base().then((0..12).map(|i| cancel(&format!("c{i}"))));
    for n in 1..=full.events.len() {
        let mut script = full.clone();
        script.events.truncate(n);
        book.add(&format!("tree-of-{n}"), s, &script);
    }
    let leaves = base().build().leaves();
    let mut swapped = leaves.clone();
    swapped.swap(1, 2);
    let last_twice: Vec<_> = leaves.iter().chain(leaves.last()).copied().collect();
    let wrong = [
        ("root-changed", [7; 32]),
        ("root-of-nothing", tree::root(&[])),
        ("root-zeros", [0; 32]),
        ("root-of-one-leaf-less", tree::root(&leaves[..4])),
        ("root-leaves-swapped", tree::root(&swapped)),
        ("root-last-leaf-doubled", tree::root(&last_twice)),
        (
            "root-without-prefixes",
            leaves.iter().skip(1).fold(leaves[0], |a, b| super::super::sha256(&[a, *b].concat())),
        ),
        ("root-a-chain", leaves.iter().skip(1).fold(leaves[0], |a, b| tree::node_hash(&a, b))),
    ];
    for (name, root) in wrong {
        book.add(name, s, &base().sealed(|c| c.root = Some(root))).fails_line("TREE", None);
    }
    // Entries changed after the checkpoint was made: the line is still of the stated form.
    let later = base().then([cancel("x"), cancel("after")]).lines(|mut lines| {
        let text = String::from_utf8(lines[6].clone()).expect("ASCII");
        lines[6] = replace_once(&text, "2026-01-05T08:05:00.000Z", "2026-01-05T08:05:00.001Z").into_bytes();
        lines
    });
    book.add("line-changed-afterwards", s, &later).fails_line("TREE", None).fails("CHAIN", "after");
    let last = base().then([cancel("x")]).lines(|mut lines| {
        let text = String::from_utf8(lines[6].clone()).expect("ASCII");
        lines[6] = replace_once(&text, "2026-01-05T08:05:00.000Z", "2026-01-05T08:05:00.001Z").into_bytes();
        lines
    });
    book.add("last-line-changed-afterwards", s, &last).fails_line("TREE", None);
}

fn sizes(book: &mut Book) {
    let s = "in order, covering [0,size) exactly (§13)";
    let shown = base().build().leaves();
    let fewer = base().sealed(move |c| c.size = Some(6));
    book.add("entry-missing-at-the-end", s, &fewer).fails_at("FORMAT", None, None).anywhere().may_fail(&["TREE"]);
    let root = tree::root(&shown[..4]);
    let more = base().sealed(move |c| {
        c.size = Some(4);
        c.root = Some(root);
    });
    book.add("entry-beyond-the-size", s, &more).fails_at("FORMAT", Some(4), Some(6)).anywhere();
}

/// A base script with the text of its checkpoint changed before signing.
fn text(f: impl Fn(String) -> String + Send + Sync + 'static) -> Script {
    base().sealed(|c| c.edit_text = Edit::new(f))
}

/// A base script with its note changed after signing.
fn noted(f: impl Fn(String) -> String + Send + Sync + 'static) -> Script {
    base().sealed(|c| c.edit_note = Edit::new(f))
}

fn notes(book: &mut Book) {
    let s = "Checkpoint: `origin\\nsize\\nbase64(root)\\n`, no extension lines";
    let root = b64(&tree::root(&base().build().leaves()));
    let extension: Box<dyn Fn(String) -> String + Send + Sync> = Box::new(|t| format!("{t}extension\n"));
    book.add("extension-line", s, &text(extension)).fails_line("FORMAT", Some(1));
    type Case = (&'static str, fn(&str, &str) -> String);
    let cases: [Case; 19] = [
        ("two-extension-lines", |t, _| format!("{t}a\nb\n")),
        ("size-leading-zero", |t, _| replace_once(t, "\n5\n", "\n05\n")),
        ("size-plus", |t, _| replace_once(t, "\n5\n", "\n+5\n")),
        ("size-minus", |t, _| replace_once(t, "\n5\n", "\n-5\n")),
        ("size-space", |t, _| replace_once(t, "\n5\n", "\n5 \n")),
        ("size-fraction", |t, _| replace_once(t, "\n5\n", "\n5.0\n")),
        ("size-hexadecimal", |t, _| replace_once(t, "\n5\n", "\n0x5\n")),
        ("size-arabic", |t, _| replace_once(t, "\n5\n", "\n٥\n")),
        ("size-too-large", |t, _| replace_once(t, "\n5\n", "\n18446744073709551621\n")),
        ("size-empty", |t, _| replace_once(t, "\n5\n", "\n\n")),
        ("size-missing", |t, _| replace_once(t, "\n5\n", "\n")),
        ("root-missing", |t, r| replace_once(t, &format!("{r}\n"), "")),
        ("root-unpadded", |t, r| replace_once(t, r, r.trim_end_matches('='))),
        ("root-hex", |t, r| replace_once(t, r, &"0".repeat(64))),
        ("root-31-bytes", |t, r| replace_once(t, r, &b64(&[0; 31]))),
        ("root-33-bytes", |t, r| replace_once(t, r, &b64(&[0; 33]))),
        ("root-trailing-bits", |t, r| replace_once(t, r, &super::s01::next_last_character(r))),
        ("origin-missing", |t, _| t.split_once('\n').expect("lines").1.to_owned()),
        ("carriage-return", |t, _| t.replace('\n', "\r\n")),
    ];
    for (name, f) in cases {
        let root = root.clone();
        book.add(&format!("checkpoint-{name}"), s, &text(move |t| f(&t, &root))).fails_line("FORMAT", Some(1));
    }
    book.add("checkpoint-size-0", "Size ≥ 1 (§11)", &text(|t| replace_once(&t, "\n5\n", "\n0\n")))
        .fails_line("FORMAT", Some(1));
    let s = "a signed note";
    type Noted = (&'static str, fn(String) -> String);
    let cases: [Noted; 9] = [
        ("no-blank-line", |n| replace_once(&n, "\n\n", "\n")),
        ("no-last-newline", |n| n.trim_end_matches('\n').to_owned()),
        ("hyphen-for-dash", |n| replace_once(&n, "— ", "- ")),
        ("no-space-after-dash", |n| replace_once(&n, "— ", "—")),
        ("text-after", |n| n + "x"),
        ("line-after", |n| n + "x\n"),
        ("control-character", |n| replace_once(&n, "— ", "— \u{1}")),
        ("signature-not-base64", |n| {
            let at = n.trim_end().rfind(' ').expect("a signature");
            format!("{} ****\n", &n[..at])
        }),
        ("empty", |_| String::new()),
    ];
    for (name, f) in cases {
        book.add(&format!("note-{name}"), s, &noted(f)).fails_line("FORMAT", Some(1));
    }
}

fn log_signatures(book: &mut Book) {
    let s = "a signed note by the log key in force";
    let signed = |signers: Vec<(&str, Key)>| {
        let signers = signers.into_iter().map(|(n, k)| (n.to_owned(), k)).collect::<Vec<_>>();
        base().sealed(move |c| c.signers = signers)
    };
    let fails = |book: &mut Book, name: &str, script: &Script| {
        book.add(name, s, script).fails_line("CHECKPOINT", None);
    };
    fails(book, "signed-by-another-key", &signed(vec![(ORIGIN, key("stranger"))]));
    fails(book, "signed-under-another-name", &signed(vec![("vectors.example/other", log_key())]));
    fails(book, "signed-by-governance", &signed(vec![(ORIGIN, gov(0))]));
    fails(book, "signed-by-a-party", &signed(vec![(ORIGIN, donor())]));
    book.add(
        "signed-by-others-too",
        "unknown types are ignored",
        &signed(vec![("aaa.example", key("stranger")), (ORIGIN, log_key()), (ORIGIN, key("stranger 2"))]),
    );
    let flipped = noted(|n| {
        let at = n.trim_end().rfind(' ').expect("a signature") + 30;
        let letter = if &n[at..=at] == "A" { "B" } else { "A" };
        format!("{}{letter}{}", &n[..at], &n[at + 1..])
    });
    fails(book, "signature-changed", &flipped);
    let origin = base().sealed(|c| {
        "vectors.example/other".clone_into(&mut c.origin);
    });
    fails(book, "another-origin", &origin);
    let both = base().sealed(|c| {
        "vectors.example/other".clone_into(&mut c.origin);
        c.signers = vec![("vectors.example/other".to_owned(), log_key())];
    });
    fails(book, "another-origin-and-name", &both);
    let other_root = noted(|n| {
        let mut lines: Vec<&str> = n.split('\n').collect();
        let root = b64(&[7; 32]);
        lines[2] = &root;
        lines.join("\n")
    });
    book.add("root-changed-after-signing", s, &other_root).fails_line("TREE", None).fails_line("CHECKPOINT", None);
    let without_dot = base().sealed(|c| c.signers = vec![("witness.example/w".to_owned(), key("witness"))]);
    fails(book, "signed-by-a-witness-name-alone", &without_dot);
    let short = noted(|n| {
        let at = n.trim_end().rfind(' ').expect("a signature");
        let id = note::key_id(ORIGIN, 1, &log_key().public());
        format!("{} {}\n", &n[..at], b64(&[&id[..], &[7; 63]].concat()))
    });
    fails(book, "signature-of-63-bytes", &short);
}

fn rotated(label: &str, new: &Key) -> Event {
    by_quorum(label, "log_key.rotated", j!({"log_key": (log_vkey(new)), "reason": "yearly"}))
}

fn signers(keys: &[Key]) -> impl Fn(&mut Seal) + use<> {
    let keys: Vec<(String, Key)> = keys.iter().map(|k| (ORIGIN.to_owned(), k.clone())).collect();
    move |c: &mut Seal| c.signers.clone_from(&keys)
}

fn rotation(book: &mut Book) {
    let s = "the one declared by the latest `ledger.created` or `log_key.rotated` below `size`";
    let new = key("log2");
    let last = base().then([rotated("rotate", &new)]);
    let earlier = base().then([rotated("rotate", &new), cancel("after")]);
    for (name, script) in [("last", &last), ("earlier", &earlier)] {
        book.add(&format!("rotated-{name}-new-key"), s, &script.clone().sealed(signers(std::slice::from_ref(&new))));
        let both = script.clone().sealed(signers(&[log_key(), new.clone()]));
        book.add(
            &format!("rotated-{name}-both-keys"),
            "While rotating, checkpoints carry both log keys' signatures",
            &both,
        );
        let other_order = script.clone().sealed(signers(&[new.clone(), log_key()]));
        book.add(
            &format!("rotated-{name}-both-keys-new-first"),
            "While rotating, checkpoints carry both log keys' signatures",
            &other_order,
        );
        let old = script.clone().sealed(signers(&[log_key()]));
        book.add(&format!("rotated-{name}-old-key"), s, &old).fails_line("CHECKPOINT", None);
    }
    let before = base().sealed(signers(std::slice::from_ref(&new)));
    book.add("rotated-not-yet", s, &before).fails_line("CHECKPOINT", None);
    let third = key("log3");
    let twice = base().then([rotated("one", &new), cancel("between"), rotated("two", &third)]);
    book.add("rotated-twice", s, &twice.clone().sealed(signers(std::slice::from_ref(&third))));
    book.add("rotated-twice-second-key", s, &twice.clone().sealed(signers(&[new]))).fails_line("CHECKPOINT", None);
    book.add("rotated-twice-first-key", s, &twice.sealed(signers(&[log_key()]))).fails_line("CHECKPOINT", None);
}

fn witness(n: usize) -> (String, Key) {
    (format!("witness.example/w{n}"), key(&format!("witness {n}")))
}

fn witness_vkey(n: usize) -> String {
    let (name, key) = witness(n);
    note::vkey(&name, 4, &key.public())
}

/// A trust file that knows the log and four witnesses.
fn trust(quorum: &str) -> String {
    let log = note::vkey(ORIGIN, 1, &log_key().public());
    let witnesses: String = (1..=4).map(|n| format!("witness w{n} {}\n", witness_vkey(n))).collect();
    format!("# whom we trust\nlog {log} https://vectors.example/log\n\n{witnesses}{quorum}")
}

/// The base, cosigned by these witnesses half a minute after its last entry.
fn cosigned(witnesses: &[usize]) -> Script {
    let witnesses: Vec<_> = witnesses.iter().map(|n| witness(*n)).collect();
    base().sealed(|c| c.witnesses = witnesses.into_iter().map(|(n, k)| (n, k, 30)).collect())
}

fn witnesses(book: &mut Book) {
    let s = "cosigned according to the trust file's quorum; each witness counts once (§13)";
    let two_of = "group g 2 w1 w2 w3\nquorum g\n";
    let nested = "group x 2 w1 w2 w3\ngroup y any w4\ngroup z all x y\nquorum z\n";
    let good: [(&str, &str, &[usize]); 10] = [
        ("one-witness", "quorum w1\n", &[1]),
        ("one-witness-of-four", "quorum w2\n", &[1, 2, 3, 4]),
        ("two-of-three", two_of, &[1, 3]),
        ("any", "group g any w1 w2\nquorum g\n", &[2]),
        ("all", "group g all w1 w2\nquorum g\n", &[2, 1]),
        ("nested", nested, &[1, 2, 4]),
        ("none-asked", "quorum none\n", &[]),
        ("none-asked-some-there", "quorum none\n", &[1]),
        ("comments-and-spaces", "  # comment\n\t\n group\tg  1   w1 \t\n quorum g \n", &[1]),
        ("unused-group", "group g all w1 w2 w3\nquorum w4\n", &[4]),
    ];
    for (name, quorum, by) in good {
        book.add(&format!("witness-{name}"), s, &cosigned(by)).with(|v| v.trust = Some(trust(quorum)));
    }
    let bad: [(&str, &str, &[usize]); 8] = [
        ("missing", "quorum w1\n", &[]),
        ("another", "quorum w1\n", &[2]),
        ("one-of-two", two_of, &[1]),
        ("one-outside-the-group", two_of, &[1, 4]),
        ("not-all", "group g all w1 w2\nquorum g\n", &[1]),
        ("nested-half", nested, &[1, 2, 3]),
        ("nested-other-half", nested, &[1, 4]),
        ("unknown-alone", "quorum w1\n", &[7]),
    ];
    for (name, quorum, by) in bad {
        book.add(&format!("witness-{name}"), s, &cosigned(by))
            .fails_line("WITNESS", None)
            .with(|v| v.trust = Some(trust(quorum)));
    }
    let (name, w1) = witness(1);
    let twice = base().sealed(|c| c.witnesses = vec![(name.clone(), w1.clone(), 30), (name.clone(), w1.clone(), 31)]);
    book.add("witness-counted-once", s, &twice).fails_line("WITNESS", None).with(|v| v.trust = Some(trust(two_of)));
    let forged = |f: fn(&str) -> String| {
        base().sealed(|c| {
            c.edit_note = Edit::new(move |n: String| {
                let text = n.split_once("\n\n").expect("a note").0.to_owned() + "\n";
                n + &f(&text)
            });
        })
    };
    type Forged = (&'static str, fn(&str) -> String);
    let cases: [Forged; 5] = [
        ("over-another-text", |_| {
            let (name, key) = witness(1);
            note::cosignature_line(&name, &key, 1_767_600_300, "vectors.example/log\n5\nAAAA\n")
        }),
        ("timestamp-changed", |text| {
            let (name, key) = witness(1);
            let message = format!("cosignature/v1\ntime 1767600300\n{text}");
            let rest = [&1_767_600_301u64.to_be_bytes()[..], &key.sign(message.as_bytes())].concat();
            note::signature_line(&name, note::key_id(&name, 4, &key.public()), &rest)
        }),
        ("as-a-log-signature", |text| {
            let (name, key) = witness(1);
            note::log_line(&name, &key, text)
        }),
        ("under-another-name", |text| {
            let (_, key) = witness(1);
            note::cosignature_line("witness.example/other", &key, 1_767_600_300, text)
        }),
        ("without-timestamp", |text| {
            let (name, key) = witness(1);
            let message = format!("cosignature/v1\ntime 1767600300\n{text}");
            note::signature_line(&name, note::key_id(&name, 4, &key.public()), &key.sign(message.as_bytes()))
        }),
    ];
    for (name, f) in cases {
        book.add(&format!("witness-{name}"), s, &forged(f))
            .fails_line("WITNESS", None)
            .with(|v| v.trust = Some(trust("quorum w1\n")));
    }
    let one_wrong = cosigned(&[1]).sealed(|c| {
        c.edit_note = Edit::new(|n: String| {
            let (name, key) = witness(2);
            n + &note::cosignature_line(&name, &key, 1_767_600_300, "vectors.example/log\n5\nAAAA\n")
        });
    });
    let sentence = "no cosignature that bears the name and key id of a listed witness is invalid (§13)";
    book.add("witness-wrong-beside-enough", sentence, &one_wrong)
        .fails_line("WITNESS", None)
        .with(|v| v.trust = Some(trust("quorum w1\n")));
    let unknown = note::vkey("witness.example/w5", 7, &key("witness 5").public());
    book.add("witness-of-unknown-type-beside", "unknown types are ignored (§7)", &cosigned(&[1]))
        .with(|v| v.trust = Some(trust(&format!("witness w5 {unknown}\ngroup g any w5 w1\nquorum g\n"))));
    book.add("witness-of-unknown-type-alone", "unknown types are ignored (§7)", &cosigned(&[1]))
        .fails_line("WITNESS", None)
        .with(|v| v.trust = Some(trust(&format!("witness w5 {unknown}\nquorum w5\n"))));
    book.add("cosigned-without-a-trust-file", "Not applicable without one (§13)", &cosigned(&[1, 2]));
    let s = "Trust file: a C2SP tlog-policy (§11)";
    let malformed = [
        ("no-quorum", trust("")),
        ("two-quorums", trust("quorum w1\nquorum w1\n")),
        ("quorum-unknown", trust("quorum w9\n")),
        ("quorum-before-its-group", trust("quorum g\ngroup g any w1\n")),
        ("group-of-unknown", trust("group g any w1 w9\nquorum g\n")),
        ("group-of-nobody", trust("group g any\nquorum g\n")),
        ("group-threshold-0", trust("group g 0 w1 w2\nquorum g\n")),
        ("group-threshold-too-large", trust("group g 3 w1 w2\nquorum g\n")),
        ("member-of-two-groups", trust("group g any w1 w2\ngroup h any w1 w3\nquorum h\n")),
        ("member-twice", trust("group g 2 w1 w1\nquorum g\n")),
        ("group-of-none", trust("group g any none\nquorum g\n")),
        ("name-twice", trust(&format!("witness w1 {}\nquorum w1\n", witness_vkey(5)))),
        ("key-twice", trust(&format!("witness w5 {}\nquorum w1\n", witness_vkey(1)))),
        ("unknown-line", trust("quorum w1\nwitnesses w1\n")),
        (
            "log-key-as-witness",
            trust(&format!("witness w5 {}\nquorum w1\n", note::vkey(ORIGIN, 1, &key("stranger").public()))),
        ),
        ("bad-vkey", trust(&format!("witness w5 {}\nquorum w1\n", witness_vkey(5).replace("/w5+", "/w6+")))),
        ("carriage-return", trust("quorum w1\r\n")),
        ("last-line-open", trust("quorum w1")),
        (
            "key-twice-under-another-type",
            trust(&format!("witness w5 {}\nquorum w1\n", note::vkey("witness.example/w1", 7, &witness(1).1.public()))),
        ),
        (
            "cosignature-key-as-log",
            trust(&format!("log {}\nquorum w1\n", note::vkey(ORIGIN, 4, &key("stranger").public()))),
        ),
    ];
    for (name, trust) in malformed {
        let sentence = "`not_checked` 2 (usage, I/O, …) (§13)";
        let sentence = if name == "no-quorum" { s } else { sentence };
        book.add(&format!("trust-{name}"), sentence, &cosigned(&[1])).not_checked().with(|v| v.trust = Some(trust));
    }
}

fn trust_logs(book: &mut Book) {
    let s = "signed by the log key in force (and by a log of the trust file, if it lists any) (§13)";
    let log = |name: &str, key: &Key| format!("log {}\n", note::vkey(name, 1, &key.public()));
    let with = |text: String| move |v: &mut super::super::Vector| v.trust = Some(text + "quorum none\n");
    book.add("trust-lists-no-log", s, &base()).with(with(String::new()));
    book.add("trust-lists-the-log", s, &base()).with(with(log(ORIGIN, &log_key())));
    book.add("trust-lists-two-logs", s, &base())
        .with(with(log("other.example", &key("stranger")) + &log(ORIGIN, &log_key())));
    book.add("trust-lists-another-log", s, &base())
        .fails_line("CHECKPOINT", None)
        .with(with(log("other.example", &key("stranger"))));
    book.add("trust-lists-another-key", s, &base())
        .fails_line("CHECKPOINT", None)
        .with(with(log(ORIGIN, &key("stranger"))));
    book.add("trust-lists-another-name", s, &base())
        .fails_line("CHECKPOINT", None)
        .with(with(log("other.example", &log_key())));
    let new = key("log2");
    let rotating = base().then([rotated("rotate", &new)]).sealed(signers(&[log_key(), new.clone()]));
    book.add("trust-lists-the-old-key-while-rotating", s, &rotating).with(with(log(ORIGIN, &log_key())));
    let done = base().then([rotated("rotate", &new)]).sealed(signers(&[new]));
    book.add("trust-lists-the-old-key-after-rotating", s, &done)
        .fails_line("CHECKPOINT", None)
        .with(with(log(ORIGIN, &log_key())));
}

fn times(book: &mut Book) {
    let s = "with witnesses, none beyond the time + 300 s of any valid cosignature by a witness that the quorum leads to (§13)";
    let late = |seconds: &[i64], x: Option<Event>| {
        let witnesses: Vec<_> = seconds.iter().enumerate().map(|(i, s)| (witness(i + 1), *s)).collect();
        base().then(x).sealed(|c| c.witnesses = witnesses.into_iter().map(|((n, k), s)| (n, k, s)).collect())
    };
    let with = |quorum: &'static str| move |v: &mut super::super::Vector| v.trust = Some(trust(quorum));
    book.add("cosigned-300-s-before", s, &late(&[-300], None)).with(with("quorum w1\n"));
    book.add("cosigned-301-s-before", s, &late(&[-301], None)).fails("TIME", "case").with(with("quorum w1\n"));
    let milli = late(&[-300], Some(cancel("x").with(|e| e.gap = 60_001)));
    book.add("cosigned-300-s-and-1-ms-before", s, &milli).fails("TIME", "x").with(with("quorum w1\n"));
    let hour = late(&[-3600], Some(cancel("x").with(|e| e.gap = 7_200_000)));
    book.add("cosigned-an-hour-before", s, &hour).fails("TIME", "x").with(with("quorum w1\n"));
    let any = "group g any w1 w2\nquorum g\n";
    book.add("cosigned-twice-oldest-counts", s, &late(&[-301, 0], None)).fails("TIME", "case").with(with(any));
    let liar = late(&[-301, 3_153_600_000], None);
    let two_of = "group g 2 w1 w2 w3\nquorum g\n";
    book.add("cosigned-by-a-liar-from-the-future", s, &liar).fails("TIME", "case").with(with(two_of));
    let (name, w1) = witness(1);
    let both = base().sealed(|c| c.witnesses = vec![(name.clone(), w1.clone(), -301), (name, w1, 0)]);
    book.add("cosigned-again-oldest-counts", s, &both).fails("TIME", "case").with(with("quorum w1\n"));
    book.add("cosigned-before-by-one-not-asked", s, &late(&[0, -3600], None)).with(with("quorum w1\n"));
    book.add("cosigned-long-after", s, &late(&[3_153_600_000], None)).with(with("quorum w1\n"));
    let _ = time::DAY;
}

fn previous(book: &mut Book) {
    let s = "the earlier checkpoint that the user gave … is a prefix of this one; else fork or rollback (§13)";
    let full = base().then((0..6).map(|i| cancel(&format!("c{i}"))));
    let prefix = |n: usize| {
        let mut script = full.clone();
        script.events.truncate(n);
        script
    };
    let given = |text: String| move |v: &mut super::super::Vector| v.previous = Some(text);
    for n in 1..=full.events.len() {
        book.add(&format!("previous-of-{n}"), s, &full).with(given(prefix(n).build().checkpoint));
    }
    let rollback = full.build().checkpoint;
    book.add("previous-larger", s, &prefix(8)).fails_line("CONSISTENT", None).with(given(rollback));
    for n in [1, 5, 8, 10, 11] {
        let mut forked = prefix(n);
        let last = forked.events.last_mut().expect("an event");
        last.gap += 1;
        if n == 1 {
            forked.start += 1;
        }
        let text = forked.build().checkpoint;
        book.add(&format!("previous-fork-at-{n}"), s, &full).fails_line("CONSISTENT", None).with(given(text));
    }
    let s = "(signed by the key in force at its size)";
    let stranger = prefix(7).sealed(|c| c.signers = vec![(ORIGIN.to_owned(), key("stranger"))]).build().checkpoint;
    book.add("previous-signed-by-a-stranger", s, &full).fails_line("CONSISTENT", None).with(given(stranger));
    let other = prefix(7)
        .sealed(|c| {
            "vectors.example/other".clone_into(&mut c.origin);
            c.signers = vec![("vectors.example/other".to_owned(), log_key())];
        })
        .build()
        .checkpoint;
    book.add("previous-of-another-origin", s, &full).fails_line("CONSISTENT", None).with(given(other));
    let new = key("log2");
    let rotating =
        base().then([rotated("rotate", &new), cancel("c0"), cancel("c1")]).sealed(signers(std::slice::from_ref(&new)));
    let at = |n: usize, by: &Key| {
        let mut script = rotating.clone().sealed(signers(std::slice::from_ref(by)));
        script.events.truncate(n);
        script.build().checkpoint
    };
    book.add("previous-before-rotation-old-key", s, &rotating).with(given(at(5, &log_key())));
    book.add("previous-before-rotation-new-key", s, &rotating).fails_line("CONSISTENT", None).with(given(at(5, &new)));
    book.add("previous-at-rotation-new-key", s, &rotating).with(given(at(6, &new)));
    book.add("previous-at-rotation-old-key", s, &rotating)
        .fails_line("CONSISTENT", None)
        .with(given(at(6, &log_key())));
}
