//! SPEC §8: the life of keys.

use super::super::world::*;
use super::super::{Event, Json, Key, Script};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§8", "s8");
    introduced(book);
    counting(book);
    uses(book);
    governance_keys(book);
    keyids(book);
    needs_party_or_quorum(book);
    limits_of_added(book);
    suspicion(book);
    effect_of_faulty(book);
}

fn third() -> Key {
    key("donor-a/2")
}

/// A donor's cancellation signed by these keys.
fn by(label: &str, keys: &[Key]) -> Event {
    let mut event = cancel(label);
    event.signatures.clear();
    event.signed(keys)
}

fn introduced(book: &mut Book) {
    let s = "Every key that an event introduces … also signs that event";
    let unsigned = |mut e: Event, k: &Key| {
        e.signatures.retain(|s| s.key.id() != k.id());
        "x".clone_into(&mut e.label);
        base().then([e])
    };
    let (n, m) = (key("new"), key("new 2"));
    book.add("enrolled-key-did-not-sign", s, &unsigned(enrol("new-e", &["carrier"], std::slice::from_ref(&n)), &n))
        .refused("KEY", "x");
    book.add(
        "one-of-two-enrolled-keys-did-not-sign",
        s,
        &unsigned(enrol("new-e", &["carrier"], &[n.clone(), m.clone()]), &m),
    )
    .refused("KEY", "x");
    book.add("added-key-did-not-sign", s, &unsigned(key_added("x", "donor-a", &donor(), &n), &n)).refused("KEY", "x");
    let changed = |keys: &[Key]| {
        by_quorum("x", "governance.changed", j!({"governance": (governance_of(2, keys)), "reason": "review"}))
    };
    book.add("governance-key-did-not-sign", s, &base().then([changed(&[gov(0), gov(1), n.clone()])]))
        .refused("KEY", "x");
    book.add("governance-kept-keys-need-not-sign", s, &base().then([changed(&[gov(0), gov(2)])]));
    let s = "A log key proves itself by checkpoints and signs no event";
    let rotated = by_quorum("x", "log_key.rotated", j!({"log_key": (log_vkey(&n)), "reason": "yearly"})).signed([&n]);
    let script = base().then([rotated]).sealed(|c| c.signers = vec![(ORIGIN.to_owned(), n.clone())]);
    book.add("new-log-key-signs-its-rotation", s, &script).refused("KEY", "x");
    let s = "the latter add no party to rules or `signers`";
    let alone =
        key_added("x", "donor-a", &donor(), &n).with(|e| e.signatures.retain(|s| s.key.id() == key("new").id()));
    book.add("added-by-itself", s, &base().then([alone])).refused("POLICY", "x");
}

fn counting(book: &mut Book) {
    let s = "A party key counts for entry n and kind k iff introduced by an entry < n";
    let add = || key_added("add", "donor-a", &donor(), &third());
    let late = base().then([by("x", &[donor(), third()]), add(), by("after", &[third()])]);
    book.add("key-before-its-introduction", s, &late).refused("KEY", "x");
    book.add("key-after-its-introduction", s, &base().then([add(), by("x", &[third()])]));
    let s = "not retired or revoked by an entry < n";
    let life = [
        ("retired", key_retired("end", "donor-a", &donor(), &donor2())),
        ("revoked", key_revoked("end", "donor-a", &donor(), &donor2())),
    ];
    for (name, end) in life {
        let one = base().then([end.clone(), by("x", &[donor(), donor2()]), cancel("after")]);
        book.add(&format!("{name}-key-beside-another"), s, &one).refused("KEY", "x");
        let alone = base().then([end.clone(), by("x", &[donor2()]), cancel("after")]);
        book.add(&format!("{name}-key-alone"), s, &alone).refused("KEY", "x").fails("POLICY", "x");
        book.add(&format!("{name}-key-earlier"), s, &base().then([by("x", &[donor2()]), end, cancel("after")]));
    }
    let itself = base().then([key_retired("x", "donor-a", &donor2(), &donor2()), cancel("after")]);
    book.add("key-retires-itself", s, &itself);
    let itself = base().then([key_revoked("x", "donor-a", &donor2(), &donor2()), cancel("after")]);
    book.add("key-revokes-itself", "a key may sign its own revocation", &itself);
    let s = "its party not succeeded by an entry < n";
    let succeeded = || [super::s08_bodies::enrol_heir(), succeeded("succeed", "recip-b", "heir-h", &key("heir-h/0"))];
    let beside = base().then(succeeded()).then([by("x", &[donor(), recip()]), cancel("after")]);
    book.add("key-of-a-succeeded-party-beside", s, &beside).refused("KEY", "x");
    let s = "and the entry's time ≤ `not_after`";
    let until = |ms: i64| {
        let added = key_added("add", "donor-a", &donor(), &third()).with(|e| {
            e.body.at(&["key"]).set("not_after", super::super::time::text(base().start + 6 * 60_000 + ms));
        });
        base().then([added, by("x", &[donor(), third()]), cancel("after")])
    };
    book.add("not-after-now", s, &until(0));
    book.add("not-after-a-millisecond-ago", s, &until(-1)).refused("KEY", "x");
}

fn uses(book: &mut Book) {
    let s = "a pattern of `uses` matches k";
    let with = |uses: &[&str], x: Event| {
        let uses: Vec<&str> = uses.to_vec();
        let add = key_added("add", "donor-a", &donor(), &third()).with(|e| {
            e.body.at(&["key"]).set("uses", uses);
        });
        base().then([add, x, cancel("after")])
    };
    let x = || by("x", &[donor(), third()]);
    for (name, uses) in [
        ("kind", &["transfer.cancelled"][..]),
        ("prefix", &["transfer.*"]),
        ("all", &["*"]),
        ("one-of-several", &["case.*", "transfer.cancelled"]),
    ] {
        book.add(&format!("uses-match-{name}"), s, &with(uses, x()));
    }
    let bad = [
        ("another-kind", &["transfer.received"][..]),
        ("another-prefix", &["statement.*"]),
        ("part-of-the-prefix", &["trans.*"]),
        ("longer-prefix", &["transfers.*"]),
        ("a-later-version", &["transfer.cancelled.v2"]),
    ];
    for (name, uses) in bad {
        book.add(&format!("uses-{name}"), s, &with(uses, x())).refused("KEY", "x");
    }
    let alone = with(&["statement.*"], by("x", &[third()]));
    book.add("uses-another-prefix-alone", s, &alone).refused("KEY", "x").fails("POLICY", "x");
    let s = "For `statement.corrected` it must match the corrected kind too";
    let correction = |keys: &[Key]| {
        let body = j!({"reason": "did_not_occur"});
        Event::new("x", "statement.corrected", "authorization/first", "donor-a", body)
            .case(CASE)
            .signed(keys)
            .member("corrects", Json::event_of("first"))
    };
    let correct = |uses: &[&str]| {
        let script = with(uses, cancel("first"));
        script.then([correction(&[donor(), third()])])
    };
    book.add("uses-of-a-correction", s, &correct(&["statement.corrected", "transfer.cancelled"]));
    book.add("uses-of-a-correction-prefixes", s, &correct(&["statement.*", "transfer.*"]));
    book.add("uses-without-the-corrected-kind", s, &correct(&["statement.*"])).refused("KEY", "x");
    book.add("uses-without-the-correction", s, &correct(&["transfer.*"])).refused("KEY", "x");
}

fn governance_keys(book: &mut Book) {
    let s = "A governance key counts iff it is in the list in force; one that left never returns";
    let change = |label: &str, threshold: i64, keys: &[Key], new: &[Key]| {
        by_quorum(label, "governance.changed", j!({"governance": (governance_of(threshold, keys)), "reason": "review"}))
            .signed(new)
    };
    let replaced = || change("change", 2, &[gov(0), gov(1), key("gov3")], &[key("gov3")]);
    let by = |label: &str, keys: &[Key]| {
        let mut e = amended(label, "donor-a", "name", "A".into());
        e.signatures.clear();
        e.signed(keys)
    };
    book.add("governance-key-in-force", s, &base().then([replaced(), by("x", &[gov(0), key("gov3")])]));
    book.add("governance-key-that-left", s, &base().then([replaced(), by("x", &[gov(0), gov(1), gov(2)])]))
        .refused("KEY", "x");
    book.add("governance-key-that-left-for-the-quorum", s, &base().then([replaced(), by("x", &[gov(0), gov(2)])]))
        .refused("KEY", "x")
        .fails("POLICY", "x");
    let back = change("x", 2, &[gov(0), gov(1), gov(2)], &[gov(2)]);
    book.add("governance-key-that-returns", s, &base().then([replaced(), back])).refused("KEY", "x");
    book.add("governance-key-before-its-time", s, &base().then([by("x", &[gov(0), gov(1), key("gov3")]), replaced()]))
        .refused("KEY", "x");
    let s = "Governance signatures short of the quorum are refused";
    book.add("one-governance-signature-beside-a-party", s, &around(cancel("x").signed(&[gov(0)])))
        .refused("POLICY", "x");
    book.add("quorum-beside-a-party", s, &around(cancel("x").signed(&quorum())));
    book.add("all-governance-beside-a-party", s, &around(cancel("x").signed(&[gov(0), gov(1), gov(2)])));
    book.add("short-of-the-quorum", s, &base().then([by("x", &[gov(1)])])).refused("POLICY", "x");
    book.add("other-two-of-three", s, &base().then([by("x", &[gov(1), gov(2)])]));
    let s = "Rule, quorum, roles and keys for entry n are those set by entries < n (§9)";
    let lower = |keys: &[Key]| {
        let mut e = change("x", 1, &[gov(0)], &[]);
        e.signatures.clear();
        e.signed(keys)
    };
    book.add("lowering-the-quorum-by-one", s, &base().then([lower(&[gov(0)])])).refused("POLICY", "x");
    book.add("after-lowering-the-quorum", s, &base().then([lower(&quorum()), by("one", &[gov(0)])]));
    let raised = change("raise", 3, &[gov(0), gov(1), gov(2)], &[]);
    book.add("after-raising-the-quorum", s, &base().then([raised.clone(), by("x", &quorum())])).refused("POLICY", "x");
    book.add("after-raising-the-quorum-all", s, &base().then([raised, by("x", &[gov(0), gov(1), gov(2)])]));
}

fn keyids(book: &mut Book) {
    let s = "`keyid` in `key.retired`/`key.revoked` must be a key of `party`";
    let retire = |label: &str, k: &Key| key_retired(label, "donor-a", &donor(), k);
    let revoke = |label: &str, k: &Key| key_revoked(label, "donor-a", &donor(), k);
    let one = |e: Event| base().then([e, cancel("after")]);
    book.add("retires-anothers-key", s, &one(retire("x", &insp()))).refused("KEY", "x");
    book.add("revokes-anothers-key", s, &one(revoke("x", &insp()))).refused("KEY", "x");
    book.add("retires-an-unknown-key", s, &one(retire("x", &key("stranger")))).refused("KEY", "x");
    book.add("revokes-an-unknown-key", s, &one(revoke("x", &key("stranger")))).refused("KEY", "x");
    book.add("retires-a-governance-key", s, &one(retire("x", &gov(2)))).refused("KEY", "x");
    book.add("revokes-the-log-key", s, &one(revoke("x", &log_key()))).refused("KEY", "x");
    let s = "a retired key may still be revoked but not retired again, a revoked one neither";
    let two = |a: Event, b: Event| base().then([a, b, cancel("after")]);
    book.add("retired-then-revoked", s, &two(retire("one", &donor2()), revoke("x", &donor2())));
    book.add("retired-twice", s, &two(retire("one", &donor2()), retire("x", &donor2()))).refused("KEY", "x");
    book.add("revoked-twice", s, &two(revoke("one", &donor2()), revoke("x", &donor2()))).refused("KEY", "x");
    book.add("revoked-then-retired", s, &two(revoke("one", &donor2()), retire("x", &donor2()))).refused("KEY", "x");
    let s = "iff introduced by an entry < n";
    let early = base().then([retire("x", &third()), key_added("add", "donor-a", &donor(), &third())]);
    book.add("retires-a-key-of-tomorrow", s, &early).refused("KEY", "x");
}

fn needs_party_or_quorum(book: &mut Book) {
    let s = "`key.*` needs a counting key of `body.party` or the quorum, whatever the table says";
    let lax = ["key.added", "key.retired", "key.revoked"]
        .iter()
        .fold(policy(), |p, k| p.with(k, row("forbidden", any_party())));
    let stranger = |mut e: Event| {
        e.signatures.retain(|s| s.key.id() != donor().id());
        "insp-c".clone_into(&mut e.author);
        e.signed([&insp()])
    };
    let events = [
        ("added", key_added("x", "donor-a", &donor(), &third())),
        ("retired", key_retired("x", "donor-a", &donor(), &donor2())),
        ("revoked", key_revoked("x", "donor-a", &donor(), &donor2())),
    ];
    for (name, event) in events {
        let lax = base_with(lax.clone());
        book.add(&format!("{name}-by-a-stranger"), s, &lax.clone().then([stranger(event.clone())]))
            .refused("POLICY", "x");
        book.add(&format!("{name}-by-a-stranger-under-the-usual-table"), s, &base().then([stranger(event.clone())]))
            .refused("POLICY", "x");
        book.add(&format!("{name}-by-its-party-under-a-lax-table"), s, &lax.clone().then([event.clone()]));
        let with_quorum = stranger(event.clone()).signed(&quorum());
        book.add(&format!("{name}-by-a-stranger-and-the-quorum"), s, &lax.then([with_quorum]));
        let mut quorum_alone = event;
        quorum_alone.signatures.retain(|s| s.key.id() != donor().id());
        "governance".clone_into(&mut quorum_alone.author);
        let quorum_alone = base().then([quorum_alone.signed(&quorum())]);
        let v = book.add(&format!("{name}-by-the-quorum"), "key.retired: p(party) (DOMAIN §2)", &quorum_alone);
        if name == "retired" {
            v.refused("POLICY", "x");
        }
    }
}

/// The donor gets a key with limits, which then adds one with the given uses and end.
fn limits_of_added(book: &mut Book) {
    let s = "Without the quorum, `key.added` gives no pattern of `uses` that is not covered by, and no `not_after` later than, those of one signing key of that party";
    let end = "2027-01-01T00:00:00.000Z";
    let add = |label: &str, new: &Key, by: &[&Key], uses: &[&str], not_after: Option<&str>| {
        let body = j!({"party": "donor-a", "key": (k_with(new, uses, not_after))});
        Event::new(label, "key.added", "party/donor-a", "donor-a", body).signed(by.iter().copied()).signed([new])
    };
    let (limited, n) = (third(), key("new"));
    let holder = |uses: &[&str], not_after| base().then([add("limited", &limited, &[&donor()], uses, not_after)]);
    let usual = || holder(&["key.*", "transfer.*"], Some(end));
    let d2027 = Some(end);
    let same = |uses: &[&str], not_after| usual().then([add("x", &n, &[&limited], uses, not_after)]);
    book.add("adds-the-same-uses", s, &same(&["key.*", "transfer.*"], d2027));
    book.add("adds-a-kind-under-its-prefix", s, &same(&["transfer.received"], d2027));
    book.add("adds-a-version-under-its-prefix", s, &same(&["transfer.received.v2"], d2027));
    book.add("adds-an-earlier-end", s, &same(&["transfer.*"], Some("2026-06-01T00:00:00Z")));
    book.add("adds-the-same-end-written-otherwise", s, &same(&["transfer.*"], Some("2027-01-01T00:00:00Z")));
    book.add("adds-all-uses", s, &same(&["*"], d2027)).refused("POLICY", "x");
    book.add("adds-another-prefix", s, &same(&["statement.*"], d2027)).refused("POLICY", "x");
    book.add("adds-one-use-too-many", s, &same(&["transfer.*", "statement.disputed"], d2027)).refused("POLICY", "x");
    book.add("adds-no-end", s, &same(&["transfer.*"], None)).refused("POLICY", "x");
    book.add("adds-a-later-end", s, &same(&["transfer.*"], Some("2027-01-01T00:00:00.001Z"))).refused("POLICY", "x");
    let kinds =
        holder(&["key.added", "transfer.received"], None).then([add("x", &n, &[&limited], &["transfer.*"], None)]);
    book.add("adds-a-prefix-for-a-kind", s, &kinds).refused("POLICY", "x");
    let prefix = holder(&["key.*", "log.*"], None).then([add("x", &n, &[&limited], &["log_key.*"], None)]);
    book.add("adds-a-longer-prefix", s, &prefix).refused("POLICY", "x");
    let other = key("donor-a/3");
    let two = |a: (&[&str], Option<&str>), b: (&[&str], Option<&str>), c: (&[&str], Option<&str>)| {
        base().then([
            add("limited", &limited, &[&donor()], a.0, a.1),
            add("other", &other, &[&donor()], b.0, b.1),
            add("x", &n, &[&limited, &other], c.0, c.1),
        ])
    };
    let across = two(
        (&["key.*", "transfer.*"], None),
        (&["key.*", "statement.*"], None),
        (&["transfer.*", "statement.*"], None),
    );
    book.add("adds-uses-of-two-keys", s, &across).refused("POLICY", "x");
    let mixed = two((&["key.*", "transfer.*"], d2027), (&["key.*"], None), (&["transfer.*"], None));
    book.add("adds-uses-of-one-and-end-of-another", s, &mixed).refused("POLICY", "x");
    let one = two((&["key.*"], d2027), (&["key.*", "transfer.*"], None), (&["transfer.*"], None));
    book.add("adds-within-one-of-two-keys", s, &one);
    let quorum = usual().then([add("x", &n, &[&limited], &["*"], None).signed(&quorum())]);
    book.add("adds-beyond-with-the-quorum", s, &quorum);
}

fn suspicion(book: &mut Book) {
    let s = "Entries by that key with time ≥ `suspect_from` are reported as suspect";
    // Entries 5 to 8 at minutes 5 to 8: by the second key, by both, by the second, by the first.
    let before = base().then([
        by("c5", &[donor2()]),
        by("c6", &[donor(), donor2()]),
        by("c7", &[donor2()]),
        by("c8", &[donor()]),
    ]);
    let minute = |m: i64| super::super::time::text(base().start + m * 60_000);
    let revoke = |from: Json| {
        key_revoked("x", "donor-a", &donor(), &donor2()).with(|e| {
            e.body.set("suspect_from", from);
        })
    };
    let with = |from: Json| before.clone().then([revoke(from), cancel("after")]);
    book.add("suspect-none", s, &with(Json::Null));
    book.add("suspect-all", s, &with(minute(0).into())).with(|v| v.suspect = vec![5, 6, 7]);
    book.add("suspect-from-an-entry", s, &with(minute(6).into())).with(|v| v.suspect = vec![6, 7]);
    book.add("suspect-after-an-entry", s, &with("2026-01-05T08:06:00.001Z".into())).with(|v| v.suspect = vec![7]);
    book.add("suspect-from-now", s, &with(minute(9).into()));
    let s = "`suspect_from` more than 30 days before the entry's time needs the quorum";
    let at = before.build().entries[8].time + 60_000 - 30 * super::super::time::DAY;
    let t = |ms: i64| Json::from(super::super::time::text(ms));
    book.add("suspect-from-30-days-ago", s, &with(t(at))).with(|v| v.suspect = vec![5, 6, 7]);
    book.add("suspect-from-over-30-days-ago", s, &with(t(at - 1)))
        .refused("POLICY", "x")
        .with(|v| v.suspect = vec![5, 6, 7]);
    let quorum =
        before.clone().then([revoke(t(at - 366 * super::super::time::DAY)).signed(&quorum()), cancel("after")]);
    book.add("suspect-from-over-30-days-ago-with-the-quorum", s, &quorum).with(|v| v.suspect = vec![5, 6, 7]);
}

/// A well-formed authority event counts although a check of it failed.
fn effect_of_faulty(book: &mut Book) {
    let s = "A well-formed authority event takes effect for later checks even if a check of it failed";
    let as_stranger = |mut e: Event| {
        e.signatures.retain(|s| s.key.id() != donor().id());
        "insp-c".clone_into(&mut e.author);
        e.signed([&insp()])
    };
    let added = as_stranger(key_added("x", "donor-a", &donor(), &third()));
    let script: Script = base().then([added, by("then", &[third()])]);
    book.add("key-added-by-a-stranger-then-used", s, &script).refused("POLICY", "x");
    let retired = as_stranger(key_retired("x", "donor-a", &donor(), &donor2()));
    let script = base().then([retired, by("then", &[donor(), donor2()])]);
    book.add("key-retired-by-a-stranger-then-used", s, &script).refused("POLICY", "x").fails("KEY", "then");
    let first = policy_changed("first", policy());
    let table = policy().with("transfer.cancelled", row("required", role("inspector")));
    let changed = policy_changed("x", table).after(Json::event_of("created"));
    let mut then = by("then", &[insp()]);
    "insp-c".clone_into(&mut then.author);
    let script = base().then([first, changed, then]);
    book.add("policy-changed-on-a-stale-head-then-applied", s, &script).refused("STREAM", "x");
    let s = "of two starts the first stands";
    let again = enrol("donor-a", &["donor"], &[third()]).with(|e| e.label = "x".to_owned());
    book.add("enrolled-again", s, &base().then([again.clone(), cancel("after")])).refused("POLICY", "x");
    let script = base().then([again, by("then", &[donor(), third()])]);
    book.add("enrolled-again-then-used", s, &script).refused("POLICY", "x").fails("KEY", "then");
}
