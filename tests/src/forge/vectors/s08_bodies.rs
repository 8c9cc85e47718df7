//! SPEC §8: the bodies of authority events, member by member; all FORMAT.

use super::super::world::*;
use super::super::{Event, Json, Key, Script};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§8", "s8");
    members(book);
    subjects(book);
    parties(book);
    key_objects(book);
    texts(book);
    cases(book);
    terms(book);
}

/// A second party that could succeed the recipient.
pub(super) fn enrol_heir() -> Event {
    enrol("heir-h", &["recipient", "custodian"], &[key("heir-h/0")])
}

/// What must stand before the template of a kind.
fn before(kind: &str) -> Vec<Event> {
    if kind == "party.succeeded" { vec![enrol_heir()] } else { Vec::new() }
}

/// One well-formed event `x` for every kind of §8 but `ledger.created`, and the members of its body that may be `null`.
fn templates() -> Vec<(Event, &'static [&'static str])> {
    let revoked = key_revoked("x", "donor-a", &donor(), &donor2());
    let opened = case_opened("x", "donor-a.k2", "donor-a", roles()).signed([&donor(), &recip()]);
    let governance = governance_of(2, &[gov(0), gov(1), key("gov3")]);
    vec![
        (by_quorum("x", "ledger.closed", j!({"reason": "ended"})), &[]),
        (policy_changed("x", policy()), &[]),
        (
            by_quorum("x", "governance.changed", j!({"governance": governance, "reason": "review"}))
                .signed([&key("gov3")]),
            &[],
        ),
        (by_quorum("x", "log_key.rotated", j!({"log_key": (log_vkey(&key("log2"))), "reason": "yearly"})), &[]),
        (enrol("new-e", &["carrier"], &[key("new")]).with(|e| e.label = "x".to_owned()), &["country"]),
        (amended("x", "donor-a", "name", "A".into()), &[]),
        (succeeded("x", "recip-b", "heir-h", &key("heir-h/0")), &[]),
        (key_added("x", "donor-a", &donor(), &key("new")), &[]),
        (key_retired("x", "donor-a", &donor(), &donor2()), &[]),
        (revoked, &["suspect_from"]),
        (opened, &[]),
        (case_amended("x", "title", "A".into()), &[]),
        (case_inspectors("x", &["insp-c"]), &[]),
        (case_closed("x"), &[]),
    ]
}

fn ending(x: Event) -> Script {
    let script = base().then(before(&x.kind)).then([x]);
    if script.events.last().is_some_and(|e| e.kind == "log_key.rotated") {
        let both = vec![(ORIGIN.to_owned(), log_key()), (ORIGIN.to_owned(), key("log2"))];
        return script.sealed(|c| c.signers = both);
    }
    script
}

fn members(book: &mut Book) {
    let s = "Bodies, members exactly these";
    for (x, nullable) in templates() {
        let kind = x.kind.replace(['.', '_'], "-");
        book.add(&kind, s, &ending(x.clone()));
        let unknown = x.clone().with(|e| {
            e.body.set("note", "x");
        });
        book.add(&format!("{kind}-unknown-member"), s, &ending(unknown)).refused("FORMAT", "x");
        let empty = x.clone().with(|e| e.body = j!({}));
        book.add(&format!("{kind}-empty-body"), s, &ending(empty)).refused("FORMAT", "x");
        let names: Vec<String> = x.body.members().iter().map(|(k, _)| k.clone()).collect();
        for name in names {
            let plain = name.replace('_', "-");
            let optional =
                matches!((x.kind.as_str(), name.as_str()), ("party.amended", "name") | ("case.amended", "title"));
            if !optional {
                let without = x.clone().with(|e| e.body = e.body.clone().without(&name));
                book.add(&format!("{kind}-without-{plain}"), s, &ending(without)).refused("FORMAT", "x");
            }
            let value = |v: Json| {
                x.clone().with(|e| {
                    e.body.set(&name, v);
                })
            };
            if !nullable.contains(&name.as_str()) {
                book.add(&format!("{kind}-{plain}-null"), s, &ending(value(Json::Null))).refused("FORMAT", "x");
            }
            book.add(&format!("{kind}-{plain}-number"), s, &ending(value(j!(7)))).refused("FORMAT", "x");
        }
    }
}

fn subjects(book: &mut Book) {
    let s = "kind · subject";
    for (x, _) in templates() {
        let kind = x.kind.replace(['.', '_'], "-");
        let subjects: &[&str] = match x.subject.split('/').next() {
            Some("ledger") => &["ledger/other", "party/self", "policy/governance.self"],
            Some("party") => &["party/someone-else", "key/governance.x"],
            _ => &["case/donor-a.k9", "agreement/x"],
        };
        for (i, subject) in subjects.iter().enumerate() {
            let moved = x.clone().with(|e| (*subject).clone_into(&mut e.subject));
            book.add(&format!("{kind}-on-another-subject-{i}"), s, &ending(moved)).refused("POLICY", "x");
        }
    }
    let s = "No other kind uses the subject types `ledger`, `party`, `case`";
    for (name, subject) in [
        ("ledger", "ledger/self"),
        ("ledger-other", "ledger/insp-c.x"),
        ("party", "party/insp-c"),
        ("party-unknown", "party/nobody"),
        ("case", "case/insp-c.x"),
    ] {
        let x = dispute("x", "case").with(|e| subject.clone_into(&mut e.subject));
        book.add(&format!("another-kind-on-{name}"), s, &base().then([x])).refused("POLICY", "x");
    }
    let x = cancel("x").with(|e| e.subject = format!("case/{CASE}"));
    book.add("another-kind-on-its-case", s, &base().then([x])).refused("POLICY", "x");
    let x = cancel("x").with(|e| e.subject = "party/donor-a".to_owned());
    book.add("another-kind-on-a-party-in-a-case", s, &base().then([x])).refused("POLICY", "x");
    let x = cancel("x").with(|e| e.subject = "ledger/self".to_owned());
    book.add("another-kind-on-the-ledger-in-a-case", s, &base().then([x])).refused("POLICY", "x");
    let s = "Party id `governance` is reserved";
    let reserved = enrol("governance", &["carrier"], &[key("new")]).with(|e| e.label = "x".to_owned());
    book.add("party-governance", s, &base().then([reserved])).refused("FORMAT", "x");
    let bound = case_opened("x", "donor-a.k2", "donor-a", roles().with("carrier", j!(["governance"])));
    book.add("governance-bound", s, &base().then([bound.signed([&donor(), &recip()])])).refused("FORMAT", "x");
}

/// `x` enrols `new-e` with a change to the body.
fn enrolling(f: impl FnOnce(&mut Json)) -> Script {
    let x = enrol("new-e", &["carrier"], &[key("new")]).with(|e| {
        e.label = "x".to_owned();
        f(&mut e.body);
    });
    base().then([x])
}

fn parties(book: &mut Book) {
    let s = "`country` (`[A-Z]{2}` or `null`)";
    let country = |v: Json| {
        enrolling(|b| {
            b.set("country", v);
        })
    };
    book.add("country-null", s, &country(Json::Null));
    for (name, v) in [
        ("lower-case", "xa"),
        ("one-letter", "X"),
        ("three-letters", "XAB"),
        ("digit", "X1"),
        ("empty", ""),
        ("cyrillic", "ХА"),
        ("newline", "XA\n"),
    ] {
        book.add(&format!("country-{name}"), s, &country(v.into())).refused("FORMAT", "x");
        book.add(&format!("amended-country-{name}"), s, &base().then([amended("x", "donor-a", "country", v.into())]))
            .refused("FORMAT", "x");
    }
    book.add("amended-country-null", s, &base().then([amended("x", "donor-a", "country", Json::Null)]));
    let s = "`capacities` (of `donor recipient implementer carrier custodian inspector oversight licensor tracer operator`)";
    let all = [
        "donor",
        "recipient",
        "implementer",
        "carrier",
        "custodian",
        "inspector",
        "oversight",
        "licensor",
        "tracer",
        "operator",
    ];
    book.add(
        "capacities-all",
        s,
        &enrolling(|b| {
            b.set("capacities", all.to_vec());
        }),
    );
    for (name, v) in [
        ("unknown", j!(["admin"])),
        ("capital", j!(["Donor"])),
        ("governance", j!(["governance"])),
        ("text", j!("donor")),
        ("one-unknown", j!(["donor", "admin"])),
        ("null-inside", j!([null])),
    ] {
        let script = enrolling(|b| {
            b.set("capacities", v.clone());
        });
        book.add(&format!("capacities-{name}"), s, &script).refused("FORMAT", "x");
        book.add(&format!("amended-capacities-{name}"), s, &base().then([amended("x", "donor-a", "capacities", v)]))
            .refused("FORMAT", "x");
    }
    let s = "`keys` [K…] 1 to 8";
    let keys = |n: usize| -> Vec<Key> { (0..n).map(|i| key(&format!("many/{i}"))).collect() };
    let many = |n: usize| base().then([enrol("new-e", &["carrier"], &keys(n)).with(|e| e.label = "x".to_owned())]);
    book.add("enrolled-with-8-keys", s, &many(8));
    book.add("enrolled-with-9-keys", s, &many(9)).refused("FORMAT", "x");
    book.add("enrolled-without-keys", s, &many(0)).refused("FORMAT", "x");
    let s = "any of `name` `country` `capacities`";
    let all = amended("x", "insp-c", "name", "A".into()).with(|e| {
        e.body.set("country", "XC").set("capacities", j!(["inspector", "oversight", "tracer"]));
    });
    book.add("amended-all", s, &base().then([all]));
    let keys = amended("x", "donor-a", "keys", Json::Arr(vec![k(&key("new"))])).signed([&key("new")]);
    book.add("amended-keys", s, &base().then([keys])).refused("FORMAT", "x");
    let s = "`keyid` … In JSON 64 lower-case hex digits (§1)";
    for (name, v) in [
        ("capitals", donor2().id().to_uppercase()),
        ("base64", donor2().base64()),
        ("short", donor2().id()[..62].to_owned()),
        ("empty", String::new()),
    ] {
        for (kind, event) in [
            ("retired", key_retired("x", "donor-a", &donor(), &donor2())),
            ("revoked", key_revoked("x", "donor-a", &donor(), &donor2())),
        ] {
            let x = event.with(|e| {
                e.body.set("keyid", &v);
            });
            book.add(&format!("{kind}-keyid-{name}"), s, &base().then([x])).refused("FORMAT", "x");
        }
    }
    for (name, v) in [("date", "2026-01-01"), ("empty", ""), ("offset", "2026-01-01T00:00:00+01:00")] {
        let x = key_revoked("x", "donor-a", &donor(), &donor2()).with(|e| {
            e.body.set("suspect_from", v);
        });
        book.add(&format!("suspect-from-{name}"), "`suspect_from` (T or `null`)", &base().then([x]))
            .refused("FORMAT", "x");
    }
}

fn key_objects(book: &mut Book) {
    let s = "K = `{\"public_key\":base64,\"holder\":text,\"uses\":[pattern…],\"not_after\":T|null}`";
    let both = |book: &mut Book, name: &str, bad: bool, f: fn(&mut Json)| {
        let enrolled = enrolling(|b| f(b.at(&["keys", "0"])));
        let added = key_added("x", "donor-a", &donor(), &key("new")).with(|e| f(e.body.at(&["key"])));
        for (how, script) in [("enrolled", enrolled), ("added", base().then([added]))] {
            let v = book.add(&format!("{how}-key-{name}"), s, &script);
            if bad {
                v.refused("FORMAT", "x");
            }
        }
    };
    type Case = (&'static str, fn(&mut Json));
    let bad: [Case; 12] = [
        ("without-public-key", |k| *k = k.clone().without("public_key")),
        ("without-holder", |k| *k = k.clone().without("holder")),
        ("without-uses", |k| *k = k.clone().without("uses")),
        ("without-not-after", |k| *k = k.clone().without("not_after")),
        ("unknown-member", |k| {
            k.set("keyid", "x");
        }),
        ("holder-null", |k| {
            k.set("holder", Json::Null);
        }),
        ("uses-text", |k| {
            k.set("uses", "*");
        }),
        ("uses-null", |k| {
            k.set("uses", Json::Null);
        }),
        ("not-after-date", |k| {
            k.set("not_after", "2027-01-01");
        }),
        ("not-after-empty", |k| {
            k.set("not_after", "");
        }),
        ("not-after-number", |k| {
            k.set("not_after", 0);
        }),
        ("null", |k| *k = Json::Null),
    ];
    for (name, f) in bad {
        both(book, name, true, f);
    }
    both(book, "not-after-9999", false, |k| {
        k.set("not_after", "9999-12-31T23:59:59.999Z");
    });
    let s = "a pattern is a kind, `prefix.*` (`[a-z_]+`), or `*`";
    let uses = |p: &str| {
        enrolling(|b| {
            b.at(&["keys", "0"]).set("uses", vec![p]);
        })
    };
    for (name, p) in [
        ("kind", "transfer.received"),
        ("kind-v2", "transfer.received.v2"),
        ("prefix", "transfer.*"),
        ("prefix-underscore", "log_key.*"),
        ("all", "*"),
    ] {
        book.add(&format!("uses-{name}"), s, &uses(p));
    }
    let bad = [
        ("word", "transfer"),
        ("dot", "transfer."),
        ("no-prefix", ".*"),
        ("star-first", "*.received"),
        ("star-in-the-middle", "transfer.*.v2"),
        ("part-of-a-word", "transfer.rec*"),
        ("glob", "transf*"),
        ("capital", "Transfer.*"),
        ("digit", "transfer2.*"),
        ("two-stars", "**"),
        ("v1", "transfer.received.v1"),
        ("version-star", "transfer.received.*"),
        ("space", "transfer.* "),
        ("empty", ""),
    ];
    for (name, p) in bad {
        book.add(&format!("uses-{name}"), s, &uses(p)).refused("FORMAT", "x");
    }
}

fn texts(book: &mut Book) {
    let s = "Texts in all these bodies are ≤ 4,096 bytes";
    let (ascii, cyrillic) = ("r".repeat(4096), "я".repeat(2048));
    let (long, long_cyrillic) = ("r".repeat(4097), "я".repeat(2049));
    type Place = (&'static str, fn(&str) -> Event);
    let places: [Place; 6] = [
        ("holder", |t| {
            enrol("new-e", &["carrier"], &[key("new")]).with(|e| {
                e.label = "x".to_owned();
                e.body.at(&["keys", "0"]).set("holder", t);
            })
        }),
        ("name", |t| amended("x", "donor-a", "name", t.into())),
        ("reason", |t| {
            key_retired("x", "donor-a", &donor(), &donor2()).with(|e| {
                e.body.set("reason", t);
            })
        }),
        ("title", |t| case_amended("x", "title", t.into())),
        ("legal-basis", |t| case_amended("x", "legal_basis", vec![t].into())),
        ("end-use", |t| case_amended("x", "permitted_end_use", t.into())),
    ];
    for (name, f) in places {
        book.add(&format!("{name}-of-4096-bytes"), s, &base().then([f(&ascii)]));
        book.add(&format!("{name}-of-2048-two-byte-letters"), s, &base().then([f(&cyrillic)]));
        book.add(&format!("{name}-of-4097-bytes"), s, &base().then([f(&long)])).refused("FORMAT", "x");
        book.add(&format!("{name}-of-2049-two-byte-letters"), s, &base().then([f(&long_cyrillic)]))
            .refused("FORMAT", "x");
    }
}

/// `x` opens a second case with a change to the body.
fn opening(f: impl FnOnce(&mut Json)) -> Script {
    let x = case_opened("x", "donor-a.k2", "donor-a", roles()).signed([&donor(), &recip()]);
    base().then([x.with(|e| f(&mut e.body))])
}

fn cases(book: &mut Book) {
    let s = "`case.opened` body: every member that DOMAIN §2 lists";
    let values: [(&str, Json); 12] = [
        ("monitoring", j!("relaxed")),
        ("monitoring", j!("Routine")),
        ("retransfer", j!("allowed")),
        ("retransfer", j!("")),
        ("legal_basis", j!("Framework agreement 7")),
        ("legal_basis", j!([1])),
        ("permitted_end_users", j!("Border Service")),
        ("permitted_end_users", j!([null])),
        ("title", j!(["x"])),
        ("terms", j!([])),
        ("references", j!("PO-7")),
        ("remarks", j!([])),
    ];
    for (i, (name, v)) in values.into_iter().enumerate() {
        let opened = opening(|b| {
            b.set(name, v.clone());
        });
        let plain = name.replace('_', "-");
        book.add(&format!("case-{plain}-wrong-{i}"), s, &opened).refused("FORMAT", "x");
        book.add(&format!("amended-case-{plain}-wrong-{i}"), s, &base().then([case_amended("x", name, v)]))
            .refused("FORMAT", "x");
    }
    let s = "`references` and `remarks` optional here and in `case.amended`";
    let references = j!([{"scheme": "PO", "value": "BESCHAFFUNG/2026-Ж 7"}]);
    let with = opening(|b| {
        b.set("references", references.clone()).set("remarks", "see annex");
    });
    book.add("case-with-references-and-remarks", s, &with);
    let amended = case_amended("x", "references", references).with(|e| {
        e.body.set("remarks", "see annex");
    });
    book.add("amended-case-with-references-and-remarks", s, &base().then([amended]));
    for value in ["enhanced", "routine"] {
        book.add(
            &format!("case-monitoring-{value}"),
            s,
            &opening(|b| {
                b.set("monitoring", value).set("retransfer", "with_consent");
            }),
        );
    }
    let s = "Role names are capacities; ids in an array are distinct; `donor` and `recipient` are never empty";
    let bad = [
        ("unknown-role", roles().with("observer", j!(["insp-c"]))),
        ("governance-role", roles().with("governance", j!(["insp-c"]))),
        ("capital-role", roles().with("Tracer", j!(["insp-c"]))),
        ("id-twice", roles().with("inspector", j!(["insp-c", "insp-c"]))),
        ("donor-empty", roles().with("donor", j!([]))),
        ("donor-missing", roles().without("donor")),
        ("recipient-empty", roles().with("recipient", j!([]))),
        ("recipient-missing", roles().without("recipient")),
        ("role-a-text", roles().with("inspector", "insp-c")),
        ("role-null", roles().with("inspector", Json::Null)),
        ("party-with-dot", roles().with("inspector", j!(["insp.c"]))),
        ("party-capital", roles().with("inspector", j!(["Insp-c"]))),
        ("party-number", roles().with("inspector", j!([7]))),
        ("array", j!([])),
        ("empty", j!({})),
    ];
    for (name, roles) in bad {
        let opened = opening(|b| {
            b.set("roles", roles.clone());
        });
        book.add(&format!("roles-{name}"), s, &opened).refused("FORMAT", "x");
        book.add(&format!("amended-roles-{name}"), s, &base().then([case_amended("x", "roles", roles)]))
            .refused("FORMAT", "x");
    }
    book.add(
        "roles-empty-inspector",
        s,
        &opening(|b| {
            b.at(&["roles"]).set("inspector", j!([]));
        }),
    );
    for (name, v) in
        [("twice", j!(["insp-c", "insp-c"])), ("text", j!("insp-c")), ("object", j!({"inspector": ["insp-c"]}))]
    {
        let x = case_inspectors("x", &[]).with(|e| {
            e.body.set("inspector", v);
        });
        book.add(&format!("inspectors-{name}"), s, &base().then([x])).refused("FORMAT", "x");
    }
    let s = "256 parties per case (§12)";
    let many: Vec<String> = (0..255).map(|i| format!("p{i:03}")).collect();
    book.add(
        "parties-257",
        s,
        &opening(|b| {
            b.at(&["roles"]).set("carrier", many);
            b.at(&["roles"]).set("inspector", j!([]));
        }),
    )
    .refused("FORMAT", "x");
}

fn terms(book: &mut Book) {
    let s = "`terms` any of DOMAIN §4, integers 0 to 36,500 unless DOMAIN says otherwise";
    let with = |t: Json| {
        opening(|b| {
            b.set("terms", t);
        })
    };
    let days = [
        "receipt_within",
        "initial_inventory_within",
        "inventory_every",
        "routine_check_every",
        "loss_report_within",
        "discrepancy_claim_within",
        "diversion_triage_within",
        "retain_years",
    ];
    let at = |n: i64| Json::Obj(days.iter().map(|d| ((*d).to_owned(), Json::Int(n))).collect());
    let others = |t: Json| t.with("site_certificate_before_dispatch", true).with("inventory_grade", "scanned");
    book.add("terms-none", s, &with(j!({})));
    book.add("terms-all-0", s, &with(others(at(0))));
    book.add("terms-all-36500", s, &with(others(at(36_500))));
    for day in days {
        let plain = day.replace('_', "-");
        book.add(&format!("terms-{plain}-36501"), s, &with(j!({}).with(day, 36_501))).refused("FORMAT", "x");
        book.add(&format!("terms-{plain}-negative"), s, &with(j!({}).with(day, -1))).refused("FORMAT", "x");
    }
    for grade in ["sighted", "scanned", "photographed", "documented", "self_declared", "not_seen"] {
        book.add(&format!("terms-grade-{}", grade.replace('_', "-")), s, &with(j!({"inventory_grade": grade})));
    }
    let bad = [
        ("unknown", j!({"payment_within": 30})),
        ("text", j!({"receipt_within": "30"})),
        ("null", j!({"receipt_within": null})),
        ("true", j!({"receipt_within": true})),
        ("grade-unknown", j!({"inventory_grade": "glanced"})),
        ("grade-number", j!({"inventory_grade": 1})),
        ("certificate-number", j!({"site_certificate_before_dispatch": 1})),
        ("certificate-text", j!({"site_certificate_before_dispatch": "true"})),
    ];
    for (name, t) in bad {
        book.add(&format!("terms-{name}"), s, &with(t.clone())).refused("FORMAT", "x");
        book.add(&format!("amended-terms-{name}"), s, &base().then([case_amended("x", "terms", t)]))
            .refused("FORMAT", "x");
    }
}
