//! SPEC §9: when a rule is satisfied, and corrections.

use super::super::world::*;
use super::super::{Event, Json, Key, Script, sd};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§9", "s9");
    leaves(book);
    pointers(book);
    operators(book);
    assignments(book);
    several_keys(book);
    outsiders(book);
    position(book);
    corrections(book);
}

/// Carrier, custodian and implementer, bound as all three.
fn d() -> Key {
    imp()
}

/// The base with `impl-d` bound as implementer, carrier and custodian, and `recip-b` as custodian too.
fn wide(rule: Json) -> Script {
    let enrol_d = enrol("impl-d", &["implementer", "carrier", "custodian"], &[d()]);
    let wide_roles = roles()
        .with("implementer", j!(["impl-d"]))
        .with("carrier", j!(["impl-d"]))
        .with("custodian", j!(["impl-d", "recip-b"]));
    let bind = case_amended("bind", "roles", wide_roles).signed([&d()]);
    base_with_rule(rule).then([enrol_d, bind])
}

/// `x` signed by these keys; its author is the party of the first.
fn signed(keys: &[Key]) -> Event {
    let mut e = cancel("x");
    e.signatures.clear();
    let author = keys[0].name.split('/').nth(1).expect("party/key").to_owned();
    e.author = author;
    e.signed(keys)
}

/// A rule of `transfer.cancelled`, who signs, whether it holds.
fn case(book: &mut Book, name: &str, sentence: &str, rule: Json, keys: &[Key], holds: bool) {
    let script = wide(rule).then([signed(keys), cancel("after").with(|e| *e = dispute("after", "case"))]);
    let v = book.add(name, sentence, &script);
    if !holds {
        v.refused("POLICY", "x");
    }
}

fn leaves(book: &mut Book) {
    let (a, b, c) = (donor(), recip(), insp());
    let s = "`{\"role\":\"r\"}` a party bound to r in the event's case, and having capacity r now, signed";
    for (name, r, k) in [
        ("donor", "donor", &a),
        ("recipient", "recipient", &b),
        ("inspector", "inspector", &c),
        ("carrier", "carrier", &d()),
    ] {
        case(book, &format!("role-{name}"), s, role(r), std::slice::from_ref(k), true);
    }
    case(book, "role-another", s, role("recipient"), std::slice::from_ref(&a), false);
    case(book, "role-of-capacity-alone", s, role("oversight"), std::slice::from_ref(&c), false);
    case(book, "role-nobody-has", s, role("tracer"), std::slice::from_ref(&a), false);
    let lost = base().then([amended("lose", "donor-a", "capacities", j!(["tracer"])), cancel("x")]);
    book.add("role-without-the-capacity-now", s, &lost).refused("POLICY", "x");
    let regained = base().then([
        amended("lose", "donor-a", "capacities", j!(["tracer"])),
        amended("regain", "donor-a", "capacities", j!(["donor"])),
        cancel("x"),
    ]);
    book.add("role-with-the-capacity-again", s, &regained);
    let s = "`{\"capacity\":\"c\"}` any enrolled party with capacity c signed";
    case(book, "capacity", s, capacity("oversight"), std::slice::from_ref(&c), true);
    case(book, "capacity-not-held", s, capacity("oversight"), std::slice::from_ref(&a), false);
    let enrol_o = || enrol("over-o", &["oversight"], &[key("over-o/0")]);
    let outside = base_with_rule(capacity("oversight")).then([enrol_o(), signed(&[key("over-o/0")])]);
    book.add("capacity-of-an-outsider", s, &outside);
    let lost = base_with_rule(capacity("oversight")).then([
        enrol_o(),
        amended("lose", "over-o", "capacities", j!(["tracer"])),
        signed(&[key("over-o/0")]),
    ]);
    book.add("capacity-lost", s, &lost).refused("POLICY", "x");
    let s = "`{\"any_party\":true}` any enrolled party did";
    case(book, "any-party", s, any_party(), std::slice::from_ref(&c), true);
    let s = "`{\"governance\":true}` at least `threshold` governance keys in force signed";
    case(book, "governance-missing", s, governance(), std::slice::from_ref(&a), false);
    case(book, "governance-one", s, governance(), &[a.clone(), gov(2)], false);
    case(book, "governance-two", s, governance(), &[a.clone(), gov(2), gov(0)], true);
    case(
        book,
        "any-party-is-not-governance",
        "any enrolled party did",
        all(vec![any_party(), any_party()]),
        &[a, gov(0), gov(1)],
        false,
    );
}

fn pointers(book: &mut Book) {
    let s = "`{\"party\":\"/body/to\"}` the party named by the string at this pointer into the payload as signed";
    let with = |rule: Json, body: Json, keys: &[Key]| wide(rule).then([signed(keys).with(|e| e.body = body)]);
    let named = |id: &str| j!({"reason": "x", "references": [{"scheme": "holder", "value": id}]});
    let at = "/body/references/0/value";
    let (a, b) = (donor(), recip());
    book.add("pointer", s, &with(party(at), named("donor-a"), std::slice::from_ref(&a)));
    book.add("pointer-to-the-author", s, &with(party("/author"), named("x"), std::slice::from_ref(&a)));
    book.add("pointer-another-signed", s, &with(party(at), named("recip-b"), std::slice::from_ref(&a)))
        .refused("POLICY", "x");
    book.add("pointer-to-an-unknown-party", s, &with(party(at), named("nobody"), std::slice::from_ref(&a)))
        .refused("POLICY", "x");
    book.add("pointer-to-capitals", s, &with(party(at), named("Donor-a"), std::slice::from_ref(&a)))
        .refused("POLICY", "x");
    book.add("pointer-to-governance", s, &with(party(at), named("governance"), &[a.clone(), gov(0), gov(1)]))
        .refused("POLICY", "x");
    let nothing = [
        ("missing", "/body/to"),
        ("beyond-the-array", "/body/references/1/value"),
        ("leading-zero", "/body/references/00/value"),
        ("end-of-array", "/body/references/-/value"),
        ("through-a-text", "/body/reason/0"),
        ("empty-name", "/body/"),
    ];
    let optional = |p: &str| j!({"party": p, "optional": true});
    for (name, p) in nothing {
        book.add(&format!("pointer-{name}"), s, &with(party(p), named("donor-a"), std::slice::from_ref(&a)))
            .refused("POLICY", "x");
        let s = "with `\"optional\":true`: holds, unassigned, where the pointer finds nothing";
        book.add(
            &format!("pointer-{name}-optional"),
            s,
            &with(optional(p), named("donor-a"), std::slice::from_ref(&a)),
        );
    }
    let something = [
        ("whole-payload", ""),
        ("object", "/body"),
        ("array", "/body/references"),
        ("number", "/countersign"),
        ("null", "/after"),
    ];
    for (name, p) in something {
        book.add(&format!("pointer-to-{name}"), s, &with(party(p), named("donor-a"), std::slice::from_ref(&a)))
            .refused("POLICY", "x");
    }
    let s = "with `\"optional\":true`: holds, unassigned, where the pointer finds nothing";
    book.add("pointer-optional-named-and-signed", s, &with(optional(at), named("donor-a"), std::slice::from_ref(&a)));
    book.add("pointer-optional-named-not-signed", s, &with(optional(at), named("recip-b"), std::slice::from_ref(&a)))
        .refused("POLICY", "x");
    book.add("pointer-optional-a-number", s, &with(optional("/countersign"), named("x"), std::slice::from_ref(&a)))
        .refused("POLICY", "x");
    let both = all(vec![role("donor"), optional("/body/witness"), role("recipient")]);
    book.add("pointer-optional-takes-nobody", s, &with(both.clone(), named("x"), &[a.clone(), b.clone()]));
    book.add("pointer-optional-takes-nobody-else", s, &with(both, named("x"), std::slice::from_ref(&a)))
        .refused("POLICY", "x");
    let s = "with `\"role\":\"r\"`: and is bound to r in the case";
    let bound = |r: &str| j!({"party": at, "role": r});
    book.add("pointer-bound", s, &with(bound("custodian"), named("impl-d"), &[d()]));
    book.add("pointer-not-bound", s, &with(bound("custodian"), named("donor-a"), std::slice::from_ref(&a)))
        .refused("POLICY", "x");
    let s = "pointer: RFC 6901";
    let strange = j!({"reason": "x", "references": [{"scheme": "a/b~c", "value": "donor-a"}]});
    book.add("pointer-escapes-nothing-to-escape", s, &with(party(at), strange, std::slice::from_ref(&a)));
    let slash = j!({"reason": "x", "a/b": {"m~n": "donor-a"}});
    book.add("pointer-escapes", s, &with(party("/body/a~1b/m~0n"), slash.clone(), std::slice::from_ref(&a)))
        .not_for_admission();
    book.add("pointer-unescaped", s, &with(party("/body/a/b/m~0n"), slash, std::slice::from_ref(&a)))
        .refused("POLICY", "x")
        .not_for_admission();
    let order = j!({"reason": "x", "~1": "donor-a"});
    book.add("pointer-escape-order", s, &with(party("/body/~01"), order, std::slice::from_ref(&a))).not_for_admission();
    let s = "Rules and pointers read the payload as signed (§10)";
    let mut concealed = j!({"reason": "x", "to": "recip-b"});
    let disclosures = sd::conceal(&mut concealed, &["to"], "s9 concealed pointer");
    let script = |rule: Json| {
        wide(rule).then([signed(std::slice::from_ref(&a))
            .with(|e| e.body = concealed.clone())
            .disclosing(disclosures.clone())])
    };
    book.add("pointer-to-a-concealed-member", s, &script(party("/body/to"))).refused("POLICY", "x").not_for_admission();
    book.add("pointer-to-a-concealed-member-optional", s, &script(optional("/body/to"))).not_for_admission();
}

fn operators(book: &mut Book) {
    let (a, b, c) = (donor(), recip(), insp());
    let s = "`{\"all\":[…]}` `{\"any\":[…]}` `{\"at_least\":{\"n\":k,\"of\":[…]}}` all · one · k of them";
    let three = || vec![role("donor"), role("recipient"), role("inspector")];
    let sets: [(&str, Vec<Key>, usize); 7] = [
        ("a", vec![a.clone()], 1),
        ("b", vec![b.clone()], 1),
        ("c", vec![c.clone()], 1),
        ("ab", vec![a.clone(), b.clone()], 2),
        ("bc", vec![b.clone(), c.clone()], 2),
        ("ca", vec![c.clone(), a.clone()], 2),
        ("abc", vec![a, b, c], 3),
    ];
    for (name, keys, n) in sets {
        case(book, &format!("all-{name}"), s, all(three()), &keys, n == 3);
        case(book, &format!("any-{name}"), s, any(three()), &keys, true);
        case(book, &format!("two-of-three-{name}"), s, at_least(2, three()), &keys, n >= 2);
        case(book, &format!("three-of-three-{name}"), s, at_least(3, three()), &keys, n == 3);
    }
}

fn assignments(book: &mut Book) {
    let s = "assigned pairwise different signing parties";
    let (a, b, c) = (donor(), recip(), insp());
    let ab = [a.clone(), b.clone()];
    let abc = [a.clone(), b.clone(), c.clone()];
    let bd = [b.clone(), d()];
    let abcd = [a.clone(), b.clone(), c.clone(), d()];
    let p = any_party;
    let r = role;
    let bca = [b.clone(), c.clone(), a.clone()];
    let a_quorum = [a.clone(), gov(0), gov(1)];
    let d_alone = [d()];
    let da = [d(), a.clone()];
    let cases: Vec<(&str, Json, &[Key], bool)> = vec![
        ("any-party-before-a-role", all(vec![p(), r("donor")]), &ab, true),
        ("two-any-parties-and-a-role", all(vec![p(), p(), r("donor")]), &abc, true),
        ("wider-role-first", all(vec![r("custodian"), r("recipient")]), &bd, true),
        ("wider-role-last", all(vec![r("recipient"), r("custodian")]), &bd, true),
        ("branch-chosen-first-blocks", all(vec![any(vec![r("donor"), r("recipient")]), r("donor")]), &ab, true),
        (
            "chain-of-three",
            all(vec![any(vec![r("custodian"), r("donor")]), any(vec![r("custodian"), r("inspector")]), r("recipient")]),
            &bca,
            true,
        ),
        (
            "two-of-three-chosen-well",
            all(vec![at_least(2, vec![r("donor"), p(), r("inspector")]), r("donor")]),
            &abc,
            true,
        ),
        (
            "four-parties-four-leaves",
            all(vec![p(), r("custodian"), any(vec![r("donor"), r("carrier")]), r("recipient")]),
            &abcd,
            true,
        ),
        (
            "shared-between-two-subrules",
            any(vec![all(vec![r("donor"), r("tracer")]), all(vec![p(), r("donor")])]),
            &ab,
            true,
        ),
        ("governance-is-nobody", all(vec![governance(), r("donor")]), &a_quorum, true),
        ("one-party-for-two-leaves", all(vec![r("donor"), capacity("donor")]), &ab, false),
        ("one-party-for-role-and-any-party", all(vec![r("donor"), p()]), std::slice::from_ref(&a), false),
        ("three-leaves-two-parties", all(vec![p(), p(), p()]), &ab, false),
        ("three-leaves-three-parties", all(vec![p(), p(), p()]), &abc, true),
        ("both-roles-of-one-party", all(vec![r("recipient"), r("custodian")]), std::slice::from_ref(&b), false),
        ("three-roles-two-parties", all(vec![r("recipient"), r("custodian"), r("carrier")]), &bd, false),
        ("no-branch-fits", all(vec![any(vec![r("donor"), r("donor")]), r("donor")]), &ab, false),
        ("two-of-three-that-share-one", at_least(2, vec![r("implementer"), r("carrier"), r("donor")]), &d_alone, false),
        (
            "two-of-three-that-share-one-and-another",
            at_least(2, vec![r("implementer"), r("carrier"), r("donor")]),
            &da,
            true,
        ),
        ("pointer-and-role-one-party", all(vec![party("/author"), r("donor")]), std::slice::from_ref(&a), false),
        ("pointer-and-role-two-parties", all(vec![party("/author"), r("recipient")]), &ab, true),
        (
            "pairs-across-the-whole-rule",
            all(vec![all(vec![r("donor"), p()]), all(vec![r("recipient"), p()])]),
            &abc,
            false,
        ),
        (
            "pairs-across-the-whole-rule-met",
            all(vec![all(vec![r("donor"), p()]), all(vec![r("recipient"), p()])]),
            &abcd,
            true,
        ),
        ("sixteen-any-parties", at_least(5, vec![p(); 16]), &abcd, false),
        ("four-of-sixteen-any-parties", at_least(4, vec![p(); 16]), &abcd, true),
        (
            "deep-choices",
            all(vec![
                any(vec![r("custodian"), r("carrier")]),
                any(vec![r("custodian"), r("inspector")]),
                any(vec![r("custodian"), r("donor")]),
                any(vec![r("recipient"), r("tracer")]),
            ]),
            &abcd,
            true,
        ),
        (
            "deep-choices-none",
            all(vec![
                any(vec![r("custodian"), r("carrier")]),
                any(vec![r("custodian"), r("implementer")]),
                any(vec![r("recipient"), r("tracer")]),
            ]),
            &bd,
            false,
        ),
        ("eight-choices-of-two", all((0..8).map(|_| any(vec![r("custodian"), r("carrier")])).collect()), &abcd, false),
    ];
    for (name, rule, keys, holds) in cases {
        case(book, &format!("assign-{name}"), s, rule, keys, holds);
    }
    let s = "Several keys of one party are one party";
    case(book, "two-keys-of-one-party", s, all(vec![role("donor"), any_party()]), &[donor(), donor2()], false);
    case(
        book,
        "two-keys-of-one-party-and-another",
        s,
        all(vec![role("donor"), any_party()]),
        &[donor(), donor2(), recip()],
        true,
    );
}

fn several_keys(book: &mut Book) {
    let s = "`role`, `capacity` and `party` take `\"keys\":n`: n different keys of that party";
    for leaf in [role("donor"), capacity("donor"), party("/author")] {
        let operator = leaf.members()[0].0.clone();
        let two = leaf.with("keys", 2);
        case(book, &format!("{operator}-two-keys"), s, two.clone(), &[donor(), donor2()], true);
        case(book, &format!("{operator}-one-key-of-two"), s, two.clone(), &[donor()], false);
        case(book, &format!("{operator}-keys-of-two-parties"), s, two.clone(), &[donor(), recip()], false);
        case(book, &format!("{operator}-three-keys-of-two"), s, two.with("keys", 3), &[donor(), donor2()], false);
    }
    case(book, "one-key-asked-two-given", s, role("donor").with("keys", 1), &[donor(), donor2()], true);
    let s = "A key counts towards `\"keys\":n` only if introduced by `party.enrolled`, under the quorum, or by n counting keys of its party that themselves count towards it (§8)";
    let third = key("donor-a/2");
    let rule = |r: &str, n: i64| base_with_rule(role(r).with("keys", n));
    let add = |by: &[Key]| {
        let mut e = key_added("add", "donor-a", &donor(), &third);
        e.signatures.clear();
        e.signed(by).signed([&third])
    };
    let by_one = rule("donor", 2).then([add(&[donor()]), signed(&[donor(), third.clone()])]);
    book.add("keys-added-by-one", s, &by_one).refused("POLICY", "x");
    let by_two = rule("donor", 2).then([add(&[donor(), donor2()]), signed(&[donor(), third.clone()])]);
    book.add("keys-added-by-two", s, &by_two);
    let by_two_of_three =
        rule("donor", 3).then([add(&[donor(), donor2()]), signed(&[donor(), donor2(), third.clone()])]);
    book.add("three-keys-added-by-two", s, &by_two_of_three).refused("POLICY", "x");
    let quorum_too: Vec<Key> = [donor()].into_iter().chain(quorum()).collect();
    let by_quorum = rule("donor", 2).then([add(&quorum_too), signed(&[donor(), third.clone()])]);
    book.add("keys-added-under-the-quorum", s, &by_quorum);
    let three_by_quorum = rule("donor", 3).then([add(&quorum_too), signed(&[donor(), donor2(), third.clone()])]);
    book.add("three-keys-added-under-the-quorum", s, &three_by_quorum);
    let (r1, r2) = (key("recip-b/1"), key("recip-b/2"));
    let first = key_added("one", "recip-b", &recip(), &r1);
    let second = key_added("two", "recip-b", &recip(), &r2).signed([&r1]);
    let by_way = rule("recipient", 2).then([first, second, signed(&[recip(), r2.clone()])]);
    book.add("keys-by-way-of-a-third", s, &by_way).refused("POLICY", "x");
    let mut by_way_all = by_way;
    let x = by_way_all.event("x");
    *x = x.clone().signed([&r1]);
    book.add("keys-by-way-of-a-third-all-three", s, &by_way_all).refused("POLICY", "x");
    let fourth = key("donor-a/3");
    let chain = rule("donor", 2).then([
        add(&[donor(), donor2()]),
        key_added("four", "donor-a", &donor(), &fourth).signed([&third]),
        signed(&[third.clone(), fourth]),
    ]);
    book.add("keys-added-by-added-ones-that-count", s, &chain);
}

fn outsiders(book: &mut Book) {
    let s = "outsiders do not act inside a case";
    let e = || enrol("other-e", &["donor", "carrier"], &[key("other-e/0")]);
    let with = |rule: Json, keys: &[Key]| base_with_rule(rule).then([e(), signed(keys)]);
    book.add("outsider-beside", s, &with(role("donor"), &[donor(), key("other-e/0")])).refused("POLICY", "x");
    book.add("outsider-as-any-party", s, &with(any_party(), &[key("other-e/0")])).refused("POLICY", "x");
    book.add("outsider-at-a-pointer", s, &with(party("/author"), &[key("other-e/0")])).refused("POLICY", "x");
    let s = "or holds a capacity that a `capacity` leaf of its rule names";
    book.add("outsider-by-capacity", s, &with(any(vec![role("donor"), capacity("carrier")]), &[key("other-e/0")]));
    book.add(
        "outsider-by-an-unused-capacity-leaf",
        s,
        &with(any(vec![role("donor"), capacity("carrier")]), &[donor(), key("other-e/0")]),
    );
    book.add(
        "outsider-by-another-capacity",
        s,
        &with(any(vec![role("donor"), capacity("tracer")]), &[donor(), key("other-e/0")]),
    )
    .refused("POLICY", "x");
    let inner = any(vec![role("donor"), all(vec![role("recipient"), at_least(1, vec![capacity("carrier")])])]);
    book.add("outsider-by-an-inner-capacity-leaf", s, &with(inner, &[donor(), key("other-e/0")]));
    let s = "every signing party is bound in that case";
    let other_role = around(cancel("x").signed([&insp()]));
    book.add("insider-of-another-role-beside", s, &other_role);
    let two_cases = base().then([
        e(),
        case_opened("case 2", "donor-a.k2", "donor-a", roles().with("carrier", j!(["other-e"])))
            .signed([&donor(), &recip()]),
        cancel("x").signed([&key("other-e/0")]),
    ]);
    book.add("insider-of-another-case", s, &two_cases).refused("POLICY", "x");
    let removed = base().then([
        enrol_imp(),
        case_amended("bind", "roles", roles().with("implementer", j!(["impl-d"]))).signed([&imp()]),
        case_amended("unbind", "roles", roles()),
        cancel("x").signed([&imp()]),
    ]);
    book.add("insider-no-longer", s, &removed).refused("POLICY", "x");
}

fn position(book: &mut Book) {
    let s = "a verifier judges every entry by the rule in force at its position";
    let table = || policy().with("transfer.cancelled", row("required", role("inspector")));
    let change = || policy_changed("change", table());
    let by_insp = |label: &str| {
        signed(&[insp()]).with(|e| {
            label.clone_into(&mut e.label);
            e.subject = format!("authorization/{label}");
        })
    };
    book.add("old-rule-before-the-change", s, &base().then([cancel("a"), change(), by_insp("b")]));
    book.add("old-rule-after-the-change", s, &base().then([change(), cancel("x")])).refused("POLICY", "x");
    book.add("new-rule-before-the-change", s, &base().then([by_insp("x"), change()])).refused("POLICY", "x");
    let dropped = policy_changed("change", policy().without("transfer.cancelled"));
    book.add("kind-dropped-from-the-table", s, &base().then([dropped, cancel("x")])).refused("POLICY", "x");
    let back = base().then([change(), policy_changed("back", policy()), cancel("a")]);
    book.add("rule-changed-back", s, &back);
    let s = "(`ledger.created` and `case.opened`: by their own body)";
    book.add("case-opened-by-its-own-roles", s, &base());
}

/// `x` corrects `first`.
pub(super) fn correction(of: &str, keys: &[Key]) -> Event {
    let author = keys[0].name.split('/').nth(1).expect("party/key").to_owned();
    Event::new("x", "statement.corrected", "authorization/first", &author, j!({"reason": "did_not_occur"}))
        .case(CASE)
        .signed(keys)
        .member("corrects", Json::event_of(of))
}

fn corrections(book: &mut Book) {
    let s = "every party that signed the event named in `corrects` … signed this";
    let first = |keys: &[Key]| cancel("first").signed(keys);
    let both = || base().then([first(&[recip()])]);
    book.add("corrected-by-its-signer", s, &base().then([first(&[]), correction("first", &[donor()])]));
    book.add("corrected-by-another-key-of-its-signer", s, &base().then([first(&[]), correction("first", &[donor2()])]));
    book.add("corrected-by-both-signers", s, &both().then([correction("first", &[donor(), recip()])]));
    book.add("corrected-by-one-of-two", s, &both().then([correction("first", &[donor()])])).refused("POLICY", "x");
    book.add("corrected-by-the-other-of-two", s, &both().then([correction("first", &[recip()])]))
        .refused("POLICY", "x");
    book.add("corrected-by-a-stranger", s, &base().then([first(&[]), correction("first", &[insp()])]))
        .refused("POLICY", "x");
    book.add(
        "corrected-with-an-insider-beside",
        s,
        &base().then([first(&[]), correction("first", &[donor(), insp()])]),
    );
    let quorum_signed = || base().then([first(&quorum())]);
    let s2 = "and the quorum if it signed that";
    book.add("corrected-without-the-quorum", s2, &quorum_signed().then([correction("first", &[donor()])]))
        .refused("POLICY", "x");
    book.add("corrected-with-the-quorum", s2, &quorum_signed().then([correction("first", &[donor(), gov(1), gov(2)])]));
    let s2 = "(succeeded: its successor)";
    let succeeded =
        || both().then([super::s08_bodies::enrol_heir(), succeeded("succeed", "recip-b", "heir-h", &key("heir-h/0"))]);
    book.add("corrected-by-the-successor", s2, &succeeded().then([correction("first", &[donor(), key("heir-h/0")])]));
    book.add("corrected-without-the-successor", s2, &succeeded().then([correction("first", &[donor()])]))
        .refused("POLICY", "x");
    let s2 = "or (corrections) signed the corrected event";
    let left = base().then([
        enrol_imp(),
        case_amended("bind", "roles", roles().with("implementer", j!(["impl-d"]))).signed([&imp()]),
        first(&[imp()]),
        case_amended("unbind", "roles", roles()),
        correction("first", &[donor(), imp()]),
    ]);
    book.add("corrected-by-one-who-left-the-case", s2, &left);
    let s = "`corrects` names an earlier event of the same stream";
    let two = || base().then([first(&[]), cancel("second")]);
    book.add("corrects-another-stream", s, &two().then([correction("second", &[donor()])])).refused("POLICY", "x");
    let later = base().then([
        first(&[]),
        correction("third", &[donor()]).after(Json::event_of("first")),
        cancel("third").with(|e| e.subject = "authorization/first".to_owned()).after(Json::event_of("first")),
    ]);
    book.add("corrects-a-later-event", s, &later).refused("POLICY", "x");
    let unknown =
        base().then([first(&[]), correction("first", &[donor()]).with(|e| e.more[0].1 = "7".repeat(64).into())]);
    book.add("corrects-an-unknown-event", s, &unknown).refused("POLICY", "x");
    let open = case_opened("case 2", "donor-a.k2", "donor-a", roles()).signed([&donor(), &recip()]);
    let twin = cancel("twin").case("donor-a.k2").with(|e| e.subject = "authorization/first".to_owned());
    let across = base().then([open, first(&[]), twin, correction("twin", &[donor()])]);
    book.add("corrects-the-same-subject-in-another-case", s, &across).refused("POLICY", "x");
    let s = "whose kind is neither `statement.corrected` nor one of §8";
    let again = base().then([first(&[]), correction("first", &[donor()]).with(|e| e.label = "one".to_owned())]);
    book.add("corrects-a-correction", s, &again.clone().then([correction("one", &[donor()])])).refused("POLICY", "x");
    let s2 = "Corrections are never corrected; the original is corrected again";
    book.add("corrected-again", s2, &again.then([correction("first", &[donor()])]));
    let authority = correction("case", &[donor(), recip()]).with(|e| e.subject = format!("case/{CASE}"));
    book.add("corrects-an-opening", s, &base().then([authority])).refused("POLICY", "x");
    let s = "`any` only for `statement.corrected`";
    let dispute_first = dispute("first", "case");
    let mut outside = correction("first", &[insp()]);
    outside.case = None;
    outside.subject = "statement/insp-c.first".to_owned();
    book.add("corrects-outside-a-case", s, &base().then([dispute_first, outside]));
    let body = correction("first", &[donor()]).with(|e| {
        e.body = j!({"reason": "incorrect_data", "replacement": {"reason": "duplicate"}});
    });
    book.add("corrected-data", "DOMAIN §2", &base().then([first(&[]), body]));
}
