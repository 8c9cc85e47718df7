//! SPEC §6: the ledger's first entry and its end.

use super::super::event::Edit;
use super::super::world::*;
use super::super::{Event, Json, Key, Script, b64, note};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§6", "s6");
    first_and_only(book);
    origins(book);
    log_keys(book);
    governance_keys(book);
    predecessor(book);
    closed(book);
}

/// A ledger of one entry with another body.
fn alone(f: impl FnOnce(&mut Json)) -> Script {
    created().change("created", |e| f(&mut e.body))
}

fn first_and_only(book: &mut Book) {
    let s = "Entry 0, and only it, is `ledger.created`";
    book.add("alone", s, &created());
    let again = Event::new("x", "ledger.created", "ledger/self", "governance", created_body())
        .signed(&[gov(0), gov(1), gov(2)])
        .object(|o| o.without("ledger"));
    book.add("created-again", s, &base().then([again])).refused("FORMAT", "x");
    let other = created().change("created", |e| {
        e.kind = "policy.changed".to_owned();
        e.body = j!({"policy": (policy()), "reason": "review"});
        e.edit_object = Edit::new(|o: Json| o.with("ledger", "0".repeat(64)));
    });
    book.add("first-is-another-kind", s, &other).refused("FORMAT", "created");
    let s = "subject `ledger/self`, author `governance`";
    let subject = base().change("created", |e| e.subject = "ledger/other".to_owned());
    book.add("created-on-another-subject", s, &subject).refused("POLICY", "created");
    let typed = base().change("created", |e| e.subject = "party/self".to_owned());
    book.add("created-on-a-party", s, &typed).refused("POLICY", "created");
    let author = base().change("created", |e| e.author = "donor-a".to_owned());
    book.add("created-by-a-party", s, &author).refused("POLICY", "created");
    let after = base().change("created", |e| *e = e.clone().after("0".repeat(64)));
    book.add("created-after-something", "`null` exactly for the event that starts the stream (§3)", &after)
        .refused("STREAM", "created");
    let s = "the one value that an inspector must have from a trusted source";
    book.add("id-not-given", "`not_checked` 2 (… no ledger id) (§13)", &base()).not_checked().with(|v| v.ledger = None);
    let zeros = Some("0".repeat(64));
    book.add("id-of-another-ledger", s, &base()).fails("LEDGER", "created").with(|v| v.ledger = zeros);
    let built = base().build();
    let leaf = Some(hex::encode(built.entries[0].leaf));
    book.add("id-the-leaf-hash", "its event hash is the ledger id", &base())
        .fails("LEDGER", "created")
        .with(|v| v.ledger = leaf);
    let second = Some(hex::encode(built.entries[1].event_hash));
    book.add("id-of-entry-1", s, &base()).fails("LEDGER", "created").with(|v| v.ledger = second);
    for name in ["origin", "log_key", "governance", "policy"] {
        let without = alone(|b| *b = b.clone().without(name));
        book.add(
            &format!("created-without-{}", name.replace('_', "-")),
            "Body: `origin` … `log_key` … `governance` … `policy`",
            &without,
        )
        .refused("FORMAT", "created");
        let null = alone(|b| {
            b.set(name, Json::Null);
        });
        book.add(&format!("created-{}-null", name.replace('_', "-")), "never `null`, unless said (§3)", &null)
            .refused("FORMAT", "created");
    }
    let more = alone(|b| {
        b.set("reason", "x");
    });
    book.add("created-unknown-member", "Members are a closed set (§1)", &more).refused("FORMAT", "created");
}

/// A ledger under another origin.
fn under(origin: &str) -> Script {
    let vkey = note::vkey(origin, 1, &log_key().public());
    alone(|b| {
        b.set("origin", origin).set("log_key", vkey);
    })
    .sealed(|c| {
        origin.clone_into(&mut c.origin);
        c.signers = vec![(origin.to_owned(), log_key())];
    })
}

fn origins(book: &mut Book) {
    let s = "`origin` (`[a-z0-9][a-z0-9./_-]{2,127}`)";
    let (longest, too_long) = ("o".repeat(128), "o".repeat(129));
    for (name, o) in [("of-3", "a.b"), ("of-128", &longest), ("all-characters", "0./_-z")] {
        book.add(&format!("origin-{name}"), s, &under(o));
    }
    let bad = [
        ("of-2", "ab"),
        ("of-129", too_long.as_str()),
        ("capital", "Vectors.example/log"),
        ("leading-dot", ".vectors.example"),
        ("leading-slash", "/vectors.example"),
        ("colon", "https://vectors.example"),
        ("tilde", "vectors.example/~log"),
        ("cyrillic", "приклад.example/log"),
    ];
    for (name, o) in bad {
        // the checkpoint in the first line bears it too (§7)
        let v = book.add(&format!("origin-{name}"), s, &under(o)).refused("FORMAT", "created");
        v.failed[0].seq = None;
        v.failed[0].line = Some(1);
        v.may_fail(&["TREE", "CHECKPOINT"]);
    }
}

/// A key whose verifier key has a `+` inside the base64.
pub(super) fn key_with_plus() -> Key {
    (0..)
        .map(|i| key(&format!("log plus {i}")))
        .find(|k| note::vkey(ORIGIN, 1, &k.public()).matches('+').count() > 2)
        .expect("one key in two has it")
}

fn log_keys(book: &mut Book) {
    let s = "vkey: split at the first two `+`; type, length and key id are checked (§7)";
    let plus = key_with_plus();
    let with_plus = alone(|b| {
        b.set("log_key", log_vkey(&plus));
    })
    .sealed(|c| c.signers = vec![(ORIGIN.to_owned(), plus)]);
    book.add("log-key-with-plus-inside", s, &with_plus);
    let public = log_key().public();
    let id = hex::encode(note::key_id(ORIGIN, 1, &public));
    let good = note::vkey(ORIGIN, 1, &public);
    let one = [&[1][..], &public].concat();
    let bad = [
        ("type-4", note::vkey(ORIGIN, 4, &public)),
        ("type-2", note::vkey(ORIGIN, 2, &public)),
        ("type-4-under-the-id-of-1", format!("{ORIGIN}+{id}+{}", b64(&[&[4][..], &public].concat()))),
        ("31-bytes", note::vkey(ORIGIN, 1, &public[..31])),
        ("33-bytes", note::vkey(ORIGIN, 1, &[&public[..], &[0]].concat())),
        ("no-type", format!("{ORIGIN}+{id}+{}", b64(&public))),
        ("another-id", format!("{ORIGIN}+00000000+{}", b64(&one))),
        ("id-capitals", format!("{ORIGIN}+{}+{}", id.to_uppercase(), b64(&one))),
        ("id-short", format!("{ORIGIN}+{}+{}", &id[..6], b64(&one))),
        ("no-id", format!("{ORIGIN}+{}", b64(&one))),
        ("no-name", format!("+{id}+{}", b64(&one))),
        ("unpadded", good.trim_end_matches('=').to_owned()),
        ("newline", format!("{good}\n")),
        ("last-character-changed", super::s01::next_last_character(&good)),
        ("base64url", format!("{ORIGIN}+{id}+{}", b64(&one).replace('+', "-").replace('/', "_"))),
        ("empty", String::new()),
        ("raw-base64", b64(&public)),
    ];
    for (name, v) in bad {
        if v == good {
            continue;
        }
        let script = alone(|b| {
            b.set("log_key", v);
        });
        book.add(&format!("log-key-{name}"), s, &script).refused("FORMAT", "created");
    }
    let s = "`log_key` (vkey of type 0x01, name = origin)";
    let named = alone(|b| {
        b.set("log_key", note::vkey("vectors.example/other", 1, &public));
    });
    book.add("log-key-of-another-name", s, &named).refused("FORMAT", "created");
    let rotated =
        |vkey: String| base().then([by_quorum("x", "log_key.rotated", j!({"log_key": vkey, "reason": "review"}))]);
    let new = key("log2").public();
    book.add("rotated-to-another-name", s, &rotated(note::vkey("vectors.example/other", 1, &new)))
        .refused("FORMAT", "x");
    book.add("rotated-to-a-witness-key", s, &rotated(note::vkey(ORIGIN, 4, &new))).refused("FORMAT", "x");
}

fn governance_keys(book: &mut Book) {
    let s = "`governance` `{\"threshold\":k,\"keys\":[base64…]}` (1 to 8 distinct, 1 ≤ k ≤ count)";
    let keys = |n: usize| -> Vec<Key> { (0..n).map(|i| key(&format!("g{i}"))).collect() };
    let of = |threshold: i64, keys: Vec<Key>| {
        created().change("created", |e| {
            e.body.set("governance", governance_of(threshold, &keys));
            e.signatures = keys.iter().map(Into::into).collect();
        })
    };
    book.add("governance-of-one", s, &of(1, keys(1)));
    book.add("governance-of-eight", s, &of(8, keys(8)));
    book.add("governance-of-nine", s, &of(2, keys(9))).refused("FORMAT", "created");
    book.add("governance-threshold-0", s, &of(0, keys(3))).refused("FORMAT", "created");
    book.add("governance-threshold-above-count", s, &of(4, keys(3))).refused("FORMAT", "created");
    book.add("governance-threshold-negative", s, &of(-1, keys(3))).refused("FORMAT", "created");
    type Case = (&'static str, fn(&mut Json));
    let edits: [Case; 7] = [
        ("no-keys", |g| {
            g.set("keys", j!([]));
        }),
        ("key-twice", |g| {
            let first = g.at(&["keys", "0"]).clone();
            *g.at(&["keys", "1"]) = first;
        }),
        ("threshold-text", |g| {
            g.set("threshold", "2");
        }),
        ("threshold-missing", |g| *g = g.clone().without("threshold")),
        ("keys-missing", |g| *g = g.clone().without("keys")),
        ("unknown-member", |g| {
            g.set("holders", j!([]));
        }),
        ("key-hex", |g| *g.at(&["keys", "0"]) = gov(0).id().into()),
    ];
    for (name, f) in edits {
        let script = alone(|b| f(b.at(&["governance"])));
        book.add(&format!("governance-{name}"), s, &script).refused("FORMAT", "created");
        let mut governance = governance_of(2, &[gov(0), gov(1), gov(2)]);
        f(&mut governance);
        let changed =
            by_quorum("x", "governance.changed", j!({"governance": governance, "reason": "review"})).signed(&[gov(2)]);
        book.add(&format!("changed-governance-{name}"), s, &base().then([changed])).refused("FORMAT", "x");
    }
    let s = "Signed by *every* listed governance key";
    for i in 0..3 {
        let script = base().change("created", |e| {
            e.signatures.remove(i);
        });
        book.add(&format!("created-without-signature-{i}"), s, &script).refused("KEY", "created");
    }
    let stranger = base().change("created", |e| *e = e.clone().signed(&[key("stranger")]));
    book.add(
        "created-with-a-foreign-signature",
        "Every signing key counts or is introduced by the event (§8)",
        &stranger,
    )
    .refused("KEY", "created");
}

fn predecessor(book: &mut Book) {
    let s = "optional `predecessor` `{\"ledger\",\"size\",\"root\"}`";
    let hash = "0123456789abcdef".repeat(4);
    let good = j!({"ledger": (&hash), "size": 7, "root": (&hash)});
    let with = |p: Json| {
        alone(|b| {
            b.set("predecessor", p);
        })
    };
    book.add("predecessor", s, &with(good.clone()));
    let bad = [
        ("null", Json::Null),
        ("without-ledger", good.clone().without("ledger")),
        ("without-size", good.clone().without("size")),
        ("without-root", good.clone().without("root")),
        ("unknown-member", good.clone().with("origin", "x")),
        ("size-text", good.clone().with("size", "7")),
        ("size-negative", good.clone().with("size", -7)),
        ("root-base64", good.clone().with("root", b64(&[0; 32]))),
        ("ledger-capitals", good.clone().with("ledger", hash.to_uppercase())),
        ("text", j!("x")),
    ];
    for (name, p) in bad {
        book.add(&format!("predecessor-{name}"), s, &with(p)).refused("FORMAT", "created");
    }
}

fn closed(book: &mut Book) {
    let s = "`ledger.closed` (quorum; `reason`): nothing may follow it";
    let close = || by_quorum("close", "ledger.closed", j!({"reason": "programme ended"}));
    book.add("closed", s, &base().then([close()]));
    book.add("event-after-closed", s, &base().then([close(), cancel("x")])).refused("POLICY", "x");
    book.add("dispute-after-closed", s, &base().then([close(), dispute("x", "case")])).refused("POLICY", "x");
    let policy = policy_changed("x", policy());
    book.add("policy-after-closed", s, &base().then([close(), policy])).refused("POLICY", "x");
    let again = by_quorum("x", "ledger.closed", j!({"reason": "again"}));
    book.add("closed-twice", s, &base().then([close(), again])).refused("POLICY", "x");
    let mut one = by_quorum("x", "ledger.closed", j!({"reason": "programme ended"}));
    one.signatures.pop();
    book.add("closed-without-quorum", s, &base().then([one])).refused("POLICY", "x");
}
