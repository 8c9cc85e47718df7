//! SPEC §9: what a policy table may be.

use super::super::world::*;
use super::super::{Json, Script};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§9", "s9");
    rows(book);
    rules(book);
    bounds(book);
    whatever_it_says(book);
}

/// The table stands in `policy.changed`, the last entry; a malformed one fails there.
fn table(policy: Json) -> Script {
    base().then([policy_changed("x", policy)])
}

fn with_rule(rule: Json) -> Script {
    table(policy().with("transfer.cancelled", row("required", rule)))
}

fn rows(book: &mut Book) {
    let s = "an object from kind to `{\"case\":\"required\"|\"forbidden\"|\"any\",\"rule\":R}`";
    let cell = |v: Json| table(policy().with("transfer.cancelled", v));
    let good = row("required", role("donor"));
    let bad = [
        ("row-without-case", good.clone().without("case")),
        ("row-without-rule", good.clone().without("rule")),
        ("row-unknown-member", good.clone().with("note", "x")),
        ("row-case-unknown", row("optional", role("donor"))),
        ("row-case-capital", row("Required", role("donor"))),
        ("row-case-true", good.clone().with("case", true)),
        ("row-rule-null", good.clone().with("rule", Json::Null)),
        ("row-rule-text", good.clone().with("rule", "donor")),
        ("row-rule-array", good.clone().with("rule", j!([]))),
        ("row-rule-empty", good.clone().with("rule", j!({}))),
        ("row-null", Json::Null),
        ("row-a-rule", role("donor")),
    ];
    for (name, v) in bad {
        book.add(name, s, &cell(v.clone())).refused("FORMAT", "x");
        let created = created().change("created", |e| {
            e.body.at(&["policy"]).set("transfer.cancelled", v);
        });
        book.add(&format!("created-{name}"), s, &created).refused("FORMAT", "created");
    }
    book.add("table-array", s, &table(j!([]))).refused("FORMAT", "x");
    book.add("table-empty", "A table has every kind of §8", &table(j!({}))).refused("FORMAT", "x");
    for k in ["transfer", "Transfer.cancelled", "transfer.*", "transfer.cancelled.v1", "*", ""] {
        let name = k.to_lowercase().replace(['.', '*'], "-");
        let script = table(policy().with(k, row("required", role("donor"))));
        book.add(&format!("table-kind-{name}{}", k.len()), "an object from kind to … (kinds: §1)", &script)
            .refused("FORMAT", "x");
    }
    let s = "A table has every kind of §8 (`case.*` required, the others forbidden)";
    let kinds: Vec<String> = authority_policy().members().iter().map(|(k, _)| k.clone()).collect();
    for kind in kinds {
        let plain = kind.replace(['.', '_'], "-");
        let missing = policy().without(&kind);
        book.add(&format!("table-without-{plain}"), s, &table(missing)).refused("FORMAT", "x");
        let (right, wrong) =
            if kind.starts_with("case.") { ("required", "forbidden") } else { ("forbidden", "required") };
        for word in [wrong, "any"] {
            let script = table(policy().with(&kind, row(word, governance())));
            book.add(&format!("table-{plain}-{word}"), s, &script).refused("FORMAT", "x");
        }
        if kind != "ledger.created" {
            let any = table(policy().with(&kind, row(right, any(vec![governance(), any_party()]))));
            book.add(&format!("table-{plain}-another-rule"), s, &any);
        }
    }
    book.add("table-only-of-section-8", s, &table(authority_policy()));
    let s = "`any` only for `statement.corrected`";
    book.add("any-for-another-kind", s, &cell(row("any", any_party()))).refused("FORMAT", "x");
    for word in ["required", "forbidden"] {
        let script = table(policy().with("statement.corrected", row(word, j!({"corrected": true}))));
        book.add(&format!("corrected-{word}"), s, &script);
    }
    let s = "A kind that is not in it is refused";
    let without = base_with(policy().without("transfer.cancelled")).then([cancel("x"), dispute("after", "case")]);
    book.add("kind-not-in-the-table", s, &without).refused("POLICY", "x");
}

fn rules(book: &mut Book) {
    let s = "a rule has one operator";
    let bad = [
        ("two-operators", j!({"role": "donor", "capacity": "donor"})),
        ("all-and-any", j!({"all": [{"role": "donor"}], "any": [{"role": "donor"}]})),
        ("unknown-operator", j!({"not": {"role": "donor"}})),
        ("unknown-operator-beside", j!({"role": "donor", "not": true})),
        ("operator-capital", j!({"Role": "donor"})),
        ("governance-false", j!({"governance": false})),
        ("governance-text", j!({"governance": "true"})),
        ("governance-keys", j!({"governance": true, "keys": 2})),
        ("any-party-false", j!({"any_party": false})),
        ("any-party-keys", j!({"any_party": true, "keys": 2})),
        ("role-unknown", j!({"role": "observer"})),
        ("role-array", j!({"role": ["donor"]})),
        ("role-null", j!({"role": null})),
        ("role-optional", j!({"role": "donor", "optional": true})),
        ("capacity-unknown", j!({"capacity": "observer"})),
        ("capacity-role", j!({"capacity": "donor", "role": "donor"})),
        ("party-no-slash", j!({"party": "body/party"})),
        ("party-bad-escape", j!({"party": "/body/a~2b"})),
        ("party-tilde-at-the-end", j!({"party": "/body/a~"})),
        ("party-number", j!({"party": 1})),
        ("party-role-unknown", j!({"party": "/body/to", "role": "observer"})),
        ("party-optional-text", j!({"party": "/body/to", "optional": "true"})),
        ("all-object", j!({"all": {"role": "donor"}})),
        ("any-null", j!({"any": null})),
        ("at-least-array", j!({"at_least": [{"role": "donor"}]})),
        ("at-least-without-n", j!({"at_least": {"of": [{"role": "donor"}]}})),
        ("at-least-without-of", j!({"at_least": {"n": 1}})),
        ("at-least-unknown-member", j!({"at_least": {"n": 1, "of": [{"role": "donor"}], "x": 1}})),
        ("at-least-n-text", j!({"at_least": {"n": "1", "of": [{"role": "donor"}]}})),
        ("inner-empty", j!({"all": [{}]})),
        ("inner-unknown", j!({"any": [{"role": "donor"}, {"nobody": true}]})),
    ];
    for (name, rule) in bad {
        book.add(&format!("rule-{name}"), s, &with_rule(rule)).refused("FORMAT", "x");
    }
    let s = "`role`, `capacity` and `party` take `\"keys\":n`, 1 to 16";
    for (name, keys) in [
        ("zero", j!(0)),
        ("negative", j!(-1)),
        ("text", j!("2")),
        ("null", Json::Null),
        ("fraction", Json::raw("1.5")),
        ("17", j!(17)),
    ] {
        for leaf in [role("donor"), capacity("donor"), party("/author")] {
            let operator = leaf.members()[0].0.clone();
            book.add(&format!("{operator}-keys-{name}"), s, &with_rule(leaf.with("keys", keys.clone())))
                .refused("FORMAT", "x");
        }
    }
    for leaf in [role("donor"), capacity("donor"), party("/author")] {
        let operator = leaf.members()[0].0.clone();
        book.add(&format!("{operator}-keys-2-well-formed"), s, &with_rule(leaf.with("keys", 2)));
    }
    let s = "`{\"role\":\"r\"}` … only where the case is required";
    let forbidden = |rule: Json| table(policy().with("statement.disputed", row("forbidden", rule)));
    book.add("role-where-the-case-is-forbidden", s, &forbidden(role("donor"))).refused("FORMAT", "x");
    let bound = j!({"party": "/author", "role": "donor"});
    book.add("party-role-where-the-case-is-forbidden", s, &forbidden(bound)).refused("FORMAT", "x");
    book.add("role-inside-any-where-the-case-is-forbidden", s, &forbidden(any(vec![any_party(), role("donor")])))
        .refused("FORMAT", "x");
    let s = "`{\"corrected\":true}` … only as the whole rule of `statement.corrected`";
    book.add("corrected-for-another-kind", s, &with_rule(j!({"corrected": true}))).refused("FORMAT", "x");
    let of = |rule: Json| table(policy().with("statement.corrected", row("any", rule)));
    book.add("corrected-inside-all", s, &of(all(vec![j!({"corrected": true})]))).refused("FORMAT", "x");
    book.add("corrected-inside-any", s, &of(any(vec![j!({"corrected": true}), any_party()]))).refused("FORMAT", "x");
    book.add("corrected-false", s, &of(j!({"corrected": false}))).refused("FORMAT", "x");
    book.add(
        "role-where-the-case-may-be-either",
        "`{\"role\":\"r\"}` … only where the case is required",
        &of(role("donor")),
    )
    .refused("FORMAT", "x");
    book.add("corrected-by-any-party", "Policy is data in the ledger", &of(any_party()));
}

fn bounds(book: &mut Book) {
    let s = "arrays 1 to 16; 1 ≤ n ≤ length; ≤ 16 leaves; depth ≤ 8";
    let leaves = |n: usize| vec![role("donor"); n];
    book.add("rule-all-of-16", s, &with_rule(all(leaves(16))));
    book.add("rule-any-of-16", s, &with_rule(any(leaves(16))));
    book.add("rule-16-of-16", s, &with_rule(at_least(16, leaves(16))));
    book.add("rule-1-of-1", s, &with_rule(at_least(1, leaves(1))));
    let bad = [
        ("all-of-0", all(vec![])),
        ("any-of-0", any(vec![])),
        ("at-least-of-0", at_least(0, vec![])),
        ("at-least-1-of-0", at_least(1, vec![])),
        ("all-of-17", all(leaves(17))),
        ("any-of-17", any(leaves(17))),
        ("at-least-of-17", at_least(1, leaves(17))),
        ("at-least-0", at_least(0, leaves(2))),
        ("at-least-negative", at_least(-1, leaves(2))),
        ("at-least-3-of-2", at_least(3, leaves(2))),
        ("17-leaves-in-two-arrays", all(vec![all(leaves(9)), any(leaves(8))])),
    ];
    for (name, rule) in bad {
        book.add(&format!("rule-{name}"), s, &with_rule(rule)).refused("FORMAT", "x");
    }
    book.add("rule-16-leaves-in-two-arrays", s, &with_rule(all(vec![all(leaves(8)), any(leaves(8))])));
    let deep =
        |n: usize| (1..n).fold(role("donor"), |rule, i| if i % 2 == 0 { all(vec![rule]) } else { any(vec![rule]) });
    // A table stands four levels deep in its payload and every operator takes two, so the nesting of §12 ends first.
    book.add("rule-depth-6", s, &with_rule(deep(6)));
    for n in 7..=9 {
        book.add(&format!("rule-depth-{n}"), "nesting 16 (§12); depth ≤ 8", &with_rule(deep(n))).refused("FORMAT", "x");
    }
}

fn whatever_it_says(book: &mut Book) {
    let s = "`ledger.*`, `policy.changed`, `governance.changed`, `log_key.rotated` and `party.*` need the quorum whatever it says";
    let by_donor = |mut e: super::super::Event| {
        let quorum: Vec<String> = quorum().iter().map(super::super::Key::id).collect();
        e.signatures.retain(|s| !quorum.contains(&s.key.id()));
        "donor-a".clone_into(&mut e.author);
        e.signed([&donor()])
    };
    let heir = super::s08_bodies::enrol_heir();
    let cases = [
        ("ledger.closed", by_quorum("x", "ledger.closed", j!({"reason": "ended"}))),
        ("policy.changed", policy_changed("x", policy())),
        (
            "governance.changed",
            by_quorum("x", "governance.changed", j!({"governance": (governance_of(1, &[gov(0)])), "reason": "coup"})),
        ),
        (
            "log_key.rotated",
            by_quorum("x", "log_key.rotated", j!({"log_key": (log_vkey(&key("log2"))), "reason": "coup"})),
        ),
        ("party.enrolled", enrol("new-e", &["carrier"], &[key("new")]).with(|e| e.label = "x".to_owned())),
        ("party.amended", amended("x", "donor-a", "name", "A".into())),
        ("party.succeeded", succeeded("x", "recip-b", "heir-h", &key("heir-h/0"))),
    ];
    for (kind, x) in cases {
        let table = policy().with(kind, row("forbidden", any_party()));
        let seals = if kind == "log_key.rotated" { vec![log_key(), key("log2")] } else { vec![log_key()] };
        let seals: Vec<_> = seals.into_iter().map(|k| (ORIGIN.to_owned(), k)).collect();
        let start = base().then([heir.clone(), policy_changed("lax", table)]).sealed(|c| c.signers = seals);
        let plain = kind.replace(['.', '_'], "-");
        book.add(&format!("{plain}-by-a-party"), s, &start.clone().then([by_donor(x.clone())])).refused("POLICY", "x");
        let one = by_donor(x.clone()).signed(&[gov(0)]);
        book.add(&format!("{plain}-by-a-party-and-one-key"), s, &start.clone().then([one])).refused("POLICY", "x");
        let both = by_donor(x).signed(&quorum());
        book.add(&format!("{plain}-by-a-party-and-the-quorum"), s, &start.then([both]));
    }
}
