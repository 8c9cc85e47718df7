//! SPEC §3: the event.

use super::super::world::*;
use super::super::{Event, Json, b64url, sha256, time};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§3", "s3");
    members(book);
    ledger_and_id(book);
    case_and_after(book);
    author_and_signers(book);
    until_and_occurred(book);
    body_and_evidence(book);
    corrects(book);
    streams(book);
}

/// Every member missing, `null`, of another type; one too many.
fn members(book: &mut Book) {
    let s = "Members are a closed set: an unknown or missing one is refused";
    let all = ["countersign", "ledger", "id", "kind", "subject", "after", "author", "occurred", "body"];
    for name in all {
        let without = cancel("x").object(move |o| o.without(name));
        book.add(&format!("{name}-missing"), s, &around(without)).refused("FORMAT", "x");
        if name != "after" {
            let null = cancel("x").object(move |o| o.with(name, Json::Null));
            let sentence = "Optional members are absent, never `null`, unless said";
            book.add(&format!("{name}-null"), sentence, &around(null)).refused("FORMAT", "x");
        }
        let number = cancel("x").object(move |o| o.with(name, Json::Arr(vec![Json::Int(7)])));
        book.add(&format!("{name}-an-array"), s, &around(number)).refused("FORMAT", "x");
    }
    for name in ["case", "signers", "until", "evidence", "corrects"] {
        let null = cancel("x").object(move |o| o.with(name, Json::Null));
        let sentence = "Optional members are absent, never `null`, unless said";
        book.add(&format!("{name}-null"), sentence, &around(null)).refused("FORMAT", "x");
        let number = cancel("x").object(move |o| o.with(name, Json::Int(7)));
        book.add(&format!("{name}-a-number"), s, &around(number)).refused("FORMAT", "x");
    }
    for name in ["note", "Kind", "kind ", "_sd", "references", "seq", "time"] {
        let more = cancel("x").object(move |o| o.with(name, "x"));
        let plain = name.trim().trim_start_matches('_').to_lowercase();
        book.add(&format!("unknown-member-{plain}{}", name.len()), s, &around(more)).refused("FORMAT", "x");
    }
    let reversed = cancel("x").object(|o| {
        let Json::Obj(mut members) = o else { unreachable!("a payload is an object") };
        members.reverse();
        Json::Obj(members)
    });
    book.add("any-order", "one JSON object", &around(reversed));
    let s = "`countersign` | `1`";
    let version = |v: &str| {
        let v = Json::raw(v);
        around(cancel("x").object(move |o| o.with("countersign", v.clone())))
    };
    for (name, v) in [("zero", "0"), ("minus-one", "-1"), ("text", "\"1\""), ("true", "true"), ("fraction", "1.0")] {
        book.add(&format!("countersign-{name}"), s, &version(v)).refused("FORMAT", "x");
    }
    let s = "`countersign` ≥ 2 …: \"needs a newer version\" (§4)";
    for (name, v) in [("2", "2"), ("3", "3"), ("large", "9007199254740991")] {
        book.add(&format!("countersign-{name}"), s, &version(v)).not_checked();
    }
}

fn ledger_and_id(book: &mut Book) {
    let s = "every later event … name[s] it (§13)";
    let other = "0123456789abcdef".repeat(4);
    let ledger = |v: String| around(cancel("x").object(move |o| o.with("ledger", v.clone())));
    book.add("another-ledger", s, &ledger(other.clone())).refused("LEDGER", "x");
    book.add("ledger-of-zeros", s, &ledger("0".repeat(64))).refused("LEDGER", "x");
    let s = "`ledger` | hash";
    book.add("ledger-capitals", s, &ledger(other.to_uppercase())).refused("FORMAT", "x");
    book.add("ledger-63-digits", s, &ledger("0".repeat(63))).refused("FORMAT", "x");
    book.add("ledger-65-digits", s, &ledger("0".repeat(65))).refused("FORMAT", "x");
    book.add("ledger-not-hex", s, &ledger("g".repeat(64))).refused("FORMAT", "x");
    let created = created().change("created", |e| {
        e.edit_object = super::super::event::Edit::new(|o: Json| o.with("ledger", "0".repeat(64)));
    });
    book.add("ledger-in-created", "absent only in `ledger.created`", &created).refused("FORMAT", "created");

    let s = "`id` | UUID, lower case, version 7, or 8";
    let id = |v: &str| {
        let v = v.to_owned();
        around(cancel("x").object(move |o| o.with("id", v.clone())))
    };
    book.add("id-version-8", s, &id("01970000-0000-8000-8000-000000000001"));
    book.add("id-all-variants", s, &id("01970000-0000-7fff-bfff-ffffffffffff"));
    let bad = [
        ("version-1", "01970000-0000-1000-8000-000000000001"),
        ("version-4", "01970000-0000-4000-8000-000000000001"),
        ("version-6", "01970000-0000-6000-8000-000000000001"),
        ("version-9", "01970000-0000-9000-8000-000000000001"),
        ("nil", "00000000-0000-0000-0000-000000000000"),
        ("max", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("variant-0", "01970000-0000-7000-0000-000000000001"),
        ("variant-c", "01970000-0000-7000-c000-000000000001"),
        ("capitals", "0197ABCD-0000-7000-8000-000000000001"),
        ("no-hyphens", "01970000000070008000000000000001"),
        ("braces", "{01970000-0000-7000-8000-000000000001}"),
        ("urn", "urn:uuid:01970000-0000-7000-8000-000000000001"),
        ("hyphens-elsewhere", "019700000-000-7000-8000-000000000001"),
        ("short", "01970000-0000-7000-8000-00000000001"),
        ("not-hex", "0197000g-0000-7000-8000-000000000001"),
        ("empty", ""),
    ];
    for (name, v) in bad {
        book.add(&format!("id-{name}"), s, &id(v)).refused("FORMAT", "x");
    }
    let s = "unique per author: idempotency";
    let same = |e: Event| e.object(|o| o.with("id", "01970000-0000-7000-8000-000000000001"));
    let twice = base().then([same(cancel("first")), same(cancel("x")), cancel("after")]);
    book.add("id-twice", s, &twice).refused("STREAM", "x");
    let elsewhere = base().then([same(dispute_as("first", "donor-a", &donor())), same(cancel("x")), cancel("after")]);
    book.add("id-twice-in-other-streams", s, &elsewhere).refused("STREAM", "x");
    let by_two = base().then([same(cancel("first")), same(dispute("x", "first")), cancel("after")]);
    book.add("id-of-another-author", s, &by_two);
    let governance = base().then([
        same(amended("first", "donor-a", "name", "A".into())),
        same(amended("x", "recip-b", "name", "B".into())),
    ]);
    book.add("id-twice-by-governance", s, &governance).refused("STREAM", "x");
}

/// A dispute of the case by any party.
fn dispute_as(label: &str, party: &str, key: &super::super::Key) -> Event {
    let body = j!({"about": (Json::event_of("case")), "grounds": "not as agreed"});
    Event::new(label, "statement.disputed", &format!("statement/{party}.{label}"), party, body).signed([key])
}

fn case_and_after(book: &mut Book) {
    let s = "the policy says for each kind whether it is required or forbidden";
    let mut without = dispute("x", "case");
    without.kind = "transfer.cancelled".to_owned();
    without.body = j!({"reason": "x"});
    without.author = "donor-a".to_owned();
    without.subject = "authorization/donor-a.x".to_owned();
    without.signatures.clear();
    let without = without.signed([&donor()]);
    book.add("case-required", s, &around(without)).refused("POLICY", "x");
    let inside = dispute("x", "case").case(CASE);
    book.add("case-forbidden", s, &around(inside)).refused("POLICY", "x");
    let unknown = cancel("x").case("donor-a.k2");
    book.add("case-unknown", "An event that names a case needs an earlier `case.opened` of it (§8)", &around(unknown))
        .refused("POLICY", "x");

    let s = "`null` exactly for the event that starts the stream";
    let on = |label: &str, stream: &str| cancel(label).with(|e| e.subject = format!("authorization/{stream}"));
    let two = |x: Event| base().then([on("first", "s"), x, cancel("after")]);
    book.add("after-null-in-stream", s, &two(on("x", "s").after(Json::Null))).refused("STREAM", "x");
    let zeros = "0".repeat(64);
    book.add("after-at-start", s, &around(cancel("x").after(Json::event_of("case")))).refused("STREAM", "x");
    book.add("after-unknown-at-start", s, &around(cancel("x").after(&zeros))).refused("STREAM", "x");
    let s = "`after` | event hash of an earlier event of the same stream";
    book.add("after-unknown", s, &two(on("x", "s").after(&zeros))).refused("STREAM", "x");
    book.add("after-of-another-stream", s, &two(on("x", "s").after(Json::event_of("case")))).refused("STREAM", "x");
    let three = |label: &str| {
        base().then([on("first", "s"), on("second", "s"), on("x", "s").after(Json::event_of(label)), cancel("after")])
    };
    book.add("after-the-head", s, &three("second"));
    book.add("after-an-earlier-one", "elsewhere any earlier event is accepted", &three("first"));
    let later = base().then([
        on("first", "s"),
        on("x", "s").after(Json::event_of("later")),
        on("later", "s").after(Json::event_of("first")),
    ]);
    book.add("after-a-later-one", s, &later).refused("STREAM", "x");
    let payload_hash = base().then([on("first", "s"), on("x", "s"), cancel("after")]);
    let first = payload_hash.build().entries[5].payload.clone();
    let by_payload = two(on("x", "s").after(hex::encode(sha256(&first))));
    book.add("after-hash-of-the-payload", s, &by_payload).refused("STREAM", "x");
    for (name, v) in [
        ("capitals", "ABCDEF0123456789".repeat(4)),
        ("short", "0".repeat(63)),
        ("empty", String::new()),
        ("base64url", b64url(&[0; 32])),
    ] {
        book.add(&format!("after-{name}"), "`after` | hash or `null`", &two(on("x", "s").after(v)))
            .refused("FORMAT", "x");
    }
    let s = "On `ledger` and `case` streams it must be the head at admission";
    let stale_case = base().then([
        case_amended("first", "title", "A".into()),
        case_amended("x", "title", "B".into()).after(Json::event_of("case")),
    ]);
    book.add("after-stale-on-case", s, &stale_case).refused("STREAM", "x");
    let stale_ledger = base()
        .then([policy_changed("first", policy()), policy_changed("x", policy()).after(Json::event_of("created"))]);
    book.add("after-stale-on-ledger", s, &stale_ledger).refused("STREAM", "x");
    let stale_party = base().then([
        amended("first", "donor-a", "name", "A".into()),
        amended("x", "donor-a", "name", "B".into()).after(Json::event_of("enrol donor-a")),
    ]);
    book.add("after-stale-on-party", "elsewhere any earlier event is accepted", &stale_party);
}

fn author_and_signers(book: &mut Book) {
    let s = "the party making the statement: it signed with a counting key";
    let author = |a: &str| around(cancel("x").with(|e| e.author = a.to_owned()));
    book.add("author-did-not-sign", s, &author("recip-b")).refused("POLICY", "x");
    book.add("author-unknown", s, &author("nobody")).refused("POLICY", "x");
    let s2 = "`governance` only where the quorum signed";
    book.add("author-governance-without-quorum", s2, &author("governance")).refused("POLICY", "x");
    let one = around(cancel("x").with(|e| e.author = "governance".to_owned()).signed(&[gov(0)]));
    book.add("author-governance-with-one-key", s2, &one).refused("POLICY", "x");
    let both = around(cancel("x").with(|e| e.author = "governance".to_owned()).signed(&quorum()));
    book.add("author-governance-with-quorum", s2, &both);
    let other = cancel("x").with(|e| e.author = "recip-b".to_owned()).signed([&recip()]);
    book.add("author-another-signer", s, &around(other));

    let s = "`signers` … if present, exactly these signed";
    let signed_by = |names: Json, keys: &[super::super::Key]| around(cancel("x").member("signers", names).signed(keys));
    let none: &[super::super::Key] = &[];
    book.add("signers-one", s, &signed_by(j!(["donor-a"]), none));
    book.add("signers-two", s, &signed_by(j!(["donor-a", "recip-b"]), &[recip()]));
    book.add("signers-with-governance", s, &signed_by(j!(["donor-a", "governance"]), &quorum()));
    book.add("signers-two-keys-of-one", s, &signed_by(j!(["donor-a"]), &[donor2()]));
    let bad = [
        ("countersignature-added", j!(["donor-a"]), vec![recip()]),
        ("countersignature-stripped", j!(["donor-a", "recip-b"]), vec![]),
        ("others", j!(["recip-b"]), vec![]),
        ("unknown-party", j!(["donor-a", "nobody"]), vec![]),
        ("governance-added", j!(["donor-a"]), quorum().to_vec()),
        ("governance-stripped", j!(["donor-a", "governance"]), vec![]),
        ("governance-short-of-quorum", j!(["donor-a", "governance"]), vec![gov(2)]),
    ];
    for (name, names, keys) in bad {
        book.add(&format!("signers-{name}"), s, &signed_by(names, &keys)).refused("POLICY", "x");
    }
    let s = "optional sorted array, not empty, of party ids (and `governance`)";
    let bad = [
        ("empty", j!([]), vec![]),
        ("unsorted", j!(["recip-b", "donor-a"]), vec![recip()]),
        ("twice", j!(["donor-a", "donor-a"]), vec![]),
        ("text", j!("donor-a"), vec![]),
        ("number", j!([1]), vec![]),
        ("with-dot", j!(["donor.a"]), vec![]),
        ("capital", j!(["Donor-a"]), vec![]),
    ];
    for (name, names, keys) in bad {
        book.add(&format!("signers-{name}"), s, &signed_by(names, &keys)).refused("FORMAT", "x");
    }
    let enrolled = enrol("new-e", &["carrier"], &[key("new")])
        .member("signers", j!(["governance", "new-e"]))
        .with(|e| e.label = "x".to_owned());
    let s = "the latter add no party to rules or `signers` (§8)";
    book.add("signers-of-an-introduced-key", s, &base().then([enrolled])).refused("POLICY", "x");
    let alone = enrol("new-e", &["carrier"], &[key("new")]).member("signers", j!(["governance"]));
    book.add("signers-without-the-introduced-key", s, &base().then([alone]));
}

fn until_and_occurred(book: &mut Book) {
    // Entry 5 of the base, where `x` stands, is recorded five minutes after the start.
    let now = base().start + 5 * 60_000;
    let until = |ms: i64| around(cancel("x").member("until", time::text(ms)));
    let s = "the entry's time must not be later";
    book.add("until-now", s, &until(now));
    book.add("until-passed", s, &until(now - 1)).refused("TIME", "x");
    book.add("until-long-passed", s, &until(now - 366 * time::DAY)).refused("TIME", "x");
    book.add("until-a-date", "optional T", &around(cancel("x").member("until", "2027-01-01"))).refused("FORMAT", "x");

    let limit = now + 2 * time::DAY;
    let s = "none later than the entry's time + 48 h";
    let at = |v: Json| around(cancel("x").occurred(v));
    let t = |ms: i64| Json::from(time::text(ms));
    book.add("occurred-at-48-h", s, &at(j!({"at": (t(limit))})));
    book.add("occurred-after-48-h", s, &at(j!({"at": (t(limit + 1))}))).refused("TIME", "x");
    book.add("occurred-next-century", s, &at(j!({"at": "2126-01-01T00:00:00Z"}))).refused("TIME", "x");
    book.add("occurred-to-at-48-h", s, &at(j!({"from": (t(now)), "to": (t(limit))})));
    book.add("occurred-to-after-48-h", s, &at(j!({"from": (t(now)), "to": (t(limit + 1))}))).refused("TIME", "x");
    book.add("occurred-date-within-48-h", "a date counts from 00:00Z", &at(j!({"date": "2026-01-07"})));
    book.add("occurred-date-after-48-h", "a date counts from 00:00Z", &at(j!({"date": "2026-01-08"})))
        .refused("TIME", "x");
    let midnight = base()
        .change("created", |_| {})
        .then([cancel("x").occurred(j!({"date": "2026-01-08"})).with(|e| e.gap = 15 * 3_600_000 + 56 * 60_000)]);
    book.add("occurred-date-at-48-h", "a date counts from 00:00Z", &midnight);
    let s = "`from` ≤ `to`";
    book.add("occurred-from-to", s, &at(j!({"from": (t(now - 1)), "to": (t(now))})));
    book.add("occurred-from-equals-to", s, &at(j!({"from": "2026-01-05T07:00:00Z", "to": "2026-01-05T07:00:00.000Z"})));
    book.add("occurred-from-after-to", s, &at(j!({"from": (t(now)), "to": (t(now - 1))}))).refused("TIME", "x");
    book.add("occurred-unknown", "`{\"unknown\":\"why\"}`", &at(j!({"unknown": "records lost in a fire"})));
    let s = "`occurred` | `{\"at\":T}` · `{\"from\":T,\"to\":T}` · `{\"date\":Date}` · `{\"unknown\":\"why\"}`";
    let bad = [
        ("empty", j!({})),
        ("two-forms", j!({"at": "2026-01-01T00:00:00Z", "date": "2026-01-01"})),
        ("from-alone", j!({"from": "2026-01-01T00:00:00Z"})),
        ("to-alone", j!({"to": "2026-01-01T00:00:00Z"})),
        (
            "from-to-at",
            j!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z", "at": "2026-01-01T00:00:00Z"}),
        ),
        ("unknown-member", j!({"at": "2026-01-01T00:00:00Z", "zone": "Z"})),
        ("at-null", j!({"at": null})),
        ("at-a-date", j!({"at": "2026-01-01"})),
        ("date-a-time", j!({"date": "2026-01-01T00:00:00Z"})),
        ("unknown-true", j!({"unknown": true})),
        ("text", j!("2026-01-01T00:00:00Z")),
    ];
    for (name, v) in bad {
        book.add(&format!("occurred-{name}"), s, &at(v)).refused("FORMAT", "x");
    }
}

fn body_and_evidence(book: &mut Book) {
    let s = "`body` | object";
    for (name, v) in [("array", j!([])), ("text", j!("x")), ("number", j!(1))] {
        book.add(&format!("body-{name}"), s, &around(cancel("x").with(|e| e.body = v))).refused("FORMAT", "x");
    }
    let content = b"delivery note 7\n";
    let item = || {
        j!({
            "sha256": (hex::encode(sha256(content))),
            "size": (i64::try_from(content.len()).expect("small")),
            "media_type": "text/plain",
            "name": "delivery-note.txt",
        })
    };
    let with = |items: Json| around(cancel("x").member("evidence", items));
    let s = "`evidence` | optional array, not empty";
    book.add("evidence", s, &with(Json::Arr(vec![item()])));
    book.add("evidence-empty", s, &with(j!([]))).refused("FORMAT", "x");
    book.add("evidence-object", s, &with(item())).refused("FORMAT", "x");
    for name in ["sha256", "size", "media_type", "name"] {
        book.add(
            &format!("evidence-without-{}", name.replace('_', "-")),
            s,
            &with(Json::Arr(vec![item().without(name)])),
        )
        .refused("FORMAT", "x");
    }
    let s = "`name` 1 to 255 bytes without `/`, `\\`, control characters";
    let named = |n: &str| with(Json::Arr(vec![item().with("name", n)]));
    book.add("evidence-name-of-255", s, &named(&"n".repeat(255)));
    book.add("evidence-name-cyrillic", s, &named("накладна №7.pdf"));
    let cyrillic = "я".repeat(128);
    let long = "n".repeat(256);
    let bad = [
        ("empty", ""),
        ("256", long.as_str()),
        ("256-in-two-byte-letters", &cyrillic),
        ("slash", "a/b"),
        ("backslash", "a\\b"),
        ("newline", "a\nb"),
        ("escape", "a\u{1b}[31m"),
        ("delete", "a\u{7f}"),
        ("c1-control", "a\u{85}"),
    ];
    for (name, n) in bad {
        book.add(&format!("evidence-name-{name}"), s, &named(n)).refused("FORMAT", "x");
    }
    let s = "`{\"sha256\",\"size\",\"media_type\",\"name\"}`";
    let bad = [
        ("unknown-member", item().with("url", "x")),
        ("sha256-capitals", item().with("sha256", "ABCDEF0123456789".repeat(4))),
        ("sha256-short", item().with("sha256", "00")),
        ("size-negative", item().with("size", -1)),
        ("size-text", item().with("size", "16")),
        ("media-type-number", item().with("media_type", 1)),
        ("media-type-empty", item().with("media_type", "")),
        ("media-type-one-word", item().with("media_type", "text")),
        ("media-type-with-a-parameter", item().with("media_type", "text/plain; charset=utf-8")),
        ("name-null", item().with("name", Json::Null)),
        ("not-an-object", j!("delivery-note.txt")),
    ];
    for (name, v) in bad {
        book.add(&format!("evidence-{name}"), s, &with(Json::Arr(vec![v]))).refused("FORMAT", "x");
    }
    let s = "64 evidence items (§12)";
    let many = |n: usize| with(Json::Arr((0..n).map(|i| item().with("name", format!("{i}.txt"))).collect()));
    book.add("evidence-64", s, &many(64));
    book.add("evidence-65", s, &many(65)).refused("FORMAT", "x");
}

fn corrects(book: &mut Book) {
    let s = "`corrects` | present iff kind is `statement.corrected`";
    let extra =
        base().then([cancel("first"), cancel("x").member("corrects", Json::event_of("first")), cancel("after")]);
    book.add("corrects-elsewhere", s, &extra).refused("FORMAT", "x");
    let body = j!({"reason": "did_not_occur"});
    let correction =
        Event::new("x", "statement.corrected", "authorization/first", "donor-a", body).case(CASE).signed([&donor()]);
    let missing = base().then([cancel("first"), correction, cancel("after")]);
    book.add("corrects-missing", s, &missing).refused("FORMAT", "x");
}

fn streams(book: &mut Book) {
    let s = "An event without a case that starts a stream … has a subject id beginning `<author>.`";
    let on = |subject: &str| around(dispute("x", "case").with(|e| e.subject = subject.to_owned()));
    let bad = [
        ("no-prefix", "statement/x"),
        ("another-author", "statement/donor-a.x"),
        ("prefix-without-dot", "statement/insp-cx"),
        ("author-alone", "statement/insp-c"),
        ("longer-author", "statement/insp-cc.x"),
        ("author-in-the-middle", "statement/x.insp-c.x"),
        ("hyphen-for-dot", "statement/insp-c-x"),
    ];
    for (name, subject) in bad {
        book.add(&format!("squatting-{name}"), s, &on(subject)).refused("POLICY", "x");
    }
    book.add("own-prefix-and-dot-alone", s, &on("statement/insp-c."));
    let second = dispute_as("second", "donor-a", &donor()).with(|e| e.subject = "statement/insp-c.x".to_owned());
    let joined = base().then([dispute("x", "case"), second]);
    book.add("joining-anothers-stream", s, &joined);
    let s = "Equal subjects under different cases are different streams";
    let open = case_opened("case 2", "donor-a.k2", "donor-a", roles()).signed([&donor(), &recip()]);
    let same = |label: &str, case: &str| cancel(label).case(case).with(|e| e.subject = "authorization/s".to_owned());
    let two = base().then([open, same("one", CASE), same("two", "donor-a.k2")]);
    book.add("one-subject-in-two-cases", s, &two);
    let across = two.clone().change("two", |e| *e = e.clone().after(Json::event_of("one")));
    book.add("after-across-cases", s, &across).refused("STREAM", "two");
}
