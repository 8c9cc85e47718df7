//! SPEC §8: parties that succeed one another, starts of streams, roles in cases.

use super::super::world::*;
use super::super::{Event, Json, Key, Script};
use super::Book;
use super::s08_bodies::enrol_heir;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§8", "s8");
    starts(book);
    succession(book);
    binding(book);
    opening_signatures(book);
    amending(book);
    inspectors(book);
    closing(book);
}

fn heir() -> Key {
    key("heir-h/0")
}

fn starts(book: &mut Book) {
    let s = "`party.enrolled` and `case.opened`, and nothing else, start those streams";
    book.add("amends-an-unknown-party", s, &base().then([amended("x", "nobody", "name", "A".into())]))
        .refused("POLICY", "x");
    let added = key_added("x", "nobody", &donor(), &key("new")).with(|e| e.author = "donor-a".to_owned());
    book.add("adds-a-key-to-an-unknown-party", s, &base().then([added.signed(&quorum())])).refused("POLICY", "x");
    let on_k2 = |mut e: Event| {
        e.case = Some("donor-a.k2".to_owned());
        e.subject = "case/donor-a.k2".to_owned();
        base().then([e])
    };
    book.add("amends-an-unknown-case", s, &on_k2(case_amended("x", "title", "A".into()))).refused("POLICY", "x");
    book.add("inspectors-of-an-unknown-case", s, &on_k2(case_inspectors("x", &["insp-c"]))).refused("POLICY", "x");
    book.add("closes-an-unknown-case", s, &on_k2(case_closed("x"))).refused("POLICY", "x");
    let again = case_opened("x", CASE, "donor-a", roles()).signed([&donor(), &recip()]);
    book.add("opened-again", s, &base().then([again])).refused("POLICY", "x");
    let s = "An event that names a case needs an earlier `case.opened` of it";
    let early =
        enrolled().then([cancel("x"), case_opened("case", CASE, "donor-a", roles()).signed([&donor(), &recip()])]);
    book.add("event-before-its-case", s, &early).refused("POLICY", "x");
    let bare = case_opened("x", CASE, "donor-a", roles()).signed([&donor(), &recip()]);
    let without = enrolled().then([bare.with(|e| e.case = None)]);
    book.add("opened-without-naming-its-case", "`case.opened` · `case/X`, case X", &without).refused("POLICY", "x");
}

fn succession(book: &mut Book) {
    let s = "Succession: where a binding or a pointer names P, its final successor is meant";
    let done = || base().then([enrol_heir(), succeeded("succeed", "recip-b", "heir-h", &heir())]);
    let table = |rule: Json| policy().with("transfer.cancelled", row("required", rule));
    let by_heir = |label: &str| {
        let mut e = cancel(label);
        e.signatures.clear();
        "heir-h".clone_into(&mut e.author);
        e.signed([&heir()])
    };
    let under = |rule: Json, x: Event| {
        base_with(table(rule)).then([enrol_heir(), succeeded("succeed", "recip-b", "heir-h", &heir()), x])
    };
    book.add("successor-in-a-role", s, &under(role("recipient"), by_heir("x")));
    let named = by_heir("x").with(|e| {
        e.body.set("references", j!([{"scheme": "holder", "value": "recip-b"}]));
    });
    book.add("successor-at-a-pointer", s, &under(party("/body/references/0/value"), named.clone()));
    let with_role = j!({"party": "/body/references/0/value", "role": "recipient"});
    book.add("successor-at-a-pointer-with-a-role", s, &under(with_role, named));
    let q = || enrol("last-l", &["recipient", "custodian"], &[key("last-l/0")]);
    let chain = base_with(table(role("recipient"))).then([
        enrol_heir(),
        q(),
        succeeded("succeed", "recip-b", "heir-h", &heir()),
        succeeded("succeed 2", "heir-h", "last-l", &key("last-l/0")),
        {
            let mut e = cancel("x");
            e.signatures.clear();
            "last-l".clone_into(&mut e.author);
            e.signed([&key("last-l/0")])
        },
    ]);
    book.add("final-successor-in-a-role", s, &chain);
    let before = base_with(table(role("recipient"))).then([enrol_heir(), by_heir("x")]);
    book.add("successor-before-the-succession", s, &before).refused("POLICY", "x");
    let s = "Refused: successor = P, P or successor already succeeded, successor lacking a capacity of P";
    let own = base().then([succeeded("x", "recip-b", "recip-b", &recip())]);
    book.add("successor-is-the-party", s, &own).refused("POLICY", "x");
    let twice = done().then([q(), succeeded("x", "recip-b", "last-l", &key("last-l/0"))]);
    book.add("succeeded-already", s, &twice).refused("POLICY", "x");
    let gone = base().then([enrol_heir(), q(), succeeded("succeed", "heir-h", "last-l", &key("last-l/0"))]);
    let to_gone = gone.then([succeeded("x", "recip-b", "heir-h", &heir())]);
    book.add("successor-succeeded-already", s, &to_gone).refused("POLICY", "x").fails("KEY", "x");
    let back = done().then([succeeded("x", "heir-h", "recip-b", &recip())]);
    book.add("succession-in-a-circle", s, &back).refused("POLICY", "x").fails("KEY", "x");
    let poorer = base().then([
        enrol("poor-p", &["recipient"], &[key("poor-p/0")]),
        succeeded("x", "recip-b", "poor-p", &key("poor-p/0")),
    ]);
    book.add("successor-lacks-a-capacity", s, &poorer).refused("POLICY", "x");
    let richer = base().then([
        enrol("rich-r", &["recipient", "custodian", "carrier"], &[key("rich-r/0")]),
        succeeded("x", "recip-b", "rich-r", &key("rich-r/0")),
    ]);
    book.add("successor-has-more-capacities", s, &richer);
    let unknown = base().then([{
        let mut e = succeeded("x", "recip-b", "nobody", &recip());
        e.signatures.truncate(2);
        e
    }]);
    book.add("successor-unknown", s, &unknown).refused("POLICY", "x");
    let s = "The successor signs, whatever the table says";
    let mut alone = succeeded("x", "recip-b", "heir-h", &heir());
    alone.signatures.truncate(2);
    book.add("successor-did-not-sign", s, &base().then([enrol_heir(), alone.clone()])).refused("POLICY", "x");
    let lax = policy().with("party.succeeded", row("forbidden", governance()));
    book.add("successor-did-not-sign-under-a-lax-table", s, &base_with(lax).then([enrol_heir(), alone]))
        .refused("POLICY", "x");
    let s = "A succeeded party is never bound or amended again";
    book.add("amends-a-succeeded-party", s, &done().then([amended("x", "recip-b", "name", "A".into())]))
        .refused("POLICY", "x");
    let bound = case_opened("x", "donor-a.k2", "donor-a", roles()).signed([&donor(), &heir()]);
    book.add("binds-a-succeeded-party", s, &done().then([bound])).refused("POLICY", "x");
    let s = "its party not succeeded by an entry < n";
    let old = done().then([key_added("x", "recip-b", &recip(), &key("new"))]);
    book.add("succeeded-party-adds-a-key", s, &old).refused("KEY", "x").fails("POLICY", "x");
}

/// `x` opens a second case with these roles, signed by these keys.
fn opening(roles: Json, keys: &[Key]) -> Event {
    case_opened("x", "donor-a.k2", "donor-a", roles).signed(keys)
}

fn binding(book: &mut Book) {
    let s = "Roles are bound only to parties with that capacity";
    let with = |r: &str, ids: &[&str]| opening(roles().with(r, ids.to_vec()), &[donor(), recip()]);
    book.add("bound-without-the-capacity", s, &base().then([with("carrier", &["insp-c"])])).refused("POLICY", "x");
    book.add("bound-and-unknown", s, &base().then([with("carrier", &["nobody"])])).refused("POLICY", "x");
    book.add("bound-before-enrolment", s, &base().then([with("carrier", &["impl-d"]), enrol_imp()]))
        .refused("POLICY", "x");
    book.add("bound-after-enrolment", s, &base().then([enrol_imp(), with("carrier", &["impl-d"])]));
    let lost = amended("lose", "insp-c", "capacities", j!(["oversight"]));
    book.add("bound-after-losing-the-capacity", s, &base().then([lost, opening(roles(), &[donor(), recip()])]))
        .refused("POLICY", "x");
    let gained = amended("gain", "insp-c", "capacities", j!(["oversight", "inspector", "carrier"]));
    book.add("bound-after-gaining-the-capacity", s, &base().then([gained, with("carrier", &["insp-c"])]));
    let donor_too = opening(roles().with("donor", j!(["donor-a", "recip-b"])), &[donor(), recip()]);
    book.add("recipient-bound-as-donor", s, &base().then([donor_too])).refused("POLICY", "x");
}

fn opening_signatures(book: &mut Book) {
    let s = "Every donor and recipient named by `case.opened` signs it (its other parties need not)";
    let second = || enrol("donor-e", &["donor"], &[key("donor-e/0")]);
    let other = || enrol("recip-f", &["recipient"], &[key("recip-f/0")]);
    let two = roles().with("donor", j!(["donor-a", "donor-e"]));
    let both = base().then([second(), opening(two.clone(), &[donor(), recip(), key("donor-e/0")])]);
    book.add("both-donors-sign", s, &both);
    let one = base().then([second(), opening(two, &[donor(), recip()])]);
    book.add("one-of-two-donors-signs", s, &one).refused("POLICY", "x");
    let two = roles().with("recipient", j!(["recip-b", "recip-f"]));
    let one = base().then([other(), opening(two, &[donor(), recip()])]);
    book.add("one-of-two-recipients-signs", s, &one).refused("POLICY", "x");
    book.add("recipient-did-not-sign", s, &base().then([opening(roles(), &[donor()])])).refused("POLICY", "x");
    let lax = policy().with("case.opened", row("required", role("donor")));
    book.add("recipient-did-not-sign-under-a-lax-table", s, &base_with(lax).then([opening(roles(), &[donor()])]))
        .refused("POLICY", "x");
    book.add("inspector-signs-too", s, &base().then([opening(roles(), &[donor(), recip(), insp()])]));
    let outsider = base().then([second(), opening(roles(), &[donor(), recip(), key("donor-e/0")])]);
    book.add("outsider-signs-the-opening", "outsiders do not act inside a case (§9)", &outsider).refused("POLICY", "x");
}

fn amending(book: &mut Book) {
    let s = "in `case.amended` and `case.inspectors` each party given a role that it did not hold signs";
    let amend = |roles: Json, keys: &[Key]| case_amended("x", "roles", roles).signed(keys);
    let with_imp = || roles().with("implementer", j!(["impl-d"]));
    book.add("newly-bound-did-not-sign", s, &base().then([enrol_imp(), amend(with_imp(), &[])])).refused("POLICY", "x");
    book.add("newly-bound-signed", s, &base().then([enrol_imp(), amend(with_imp(), &[imp()])]));
    book.add("newly-bound-did-not-sign-yet-the-quorum", s, &base().then([enrol_imp(), amend(with_imp(), &quorum())]))
        .refused("POLICY", "x");
    let carrier = case_amended("bind", "roles", with_imp()).signed([&imp()]);
    let more = with_imp().with("carrier", j!(["impl-d"]));
    let second = base().then([enrol_imp(), carrier.clone(), amend(more.clone(), &[])]);
    book.add("another-role-for-a-bound-party-unsigned", s, &second).refused("POLICY", "x");
    book.add(
        "another-role-for-a-bound-party-signed",
        s,
        &base().then([enrol_imp(), carrier.clone(), amend(more, &[imp()])]),
    );
    let same = base().then([enrol_imp(), carrier.clone(), amend(with_imp(), &[])]);
    book.add("role-kept-unsigned", s, &same);
    let off = base().then([enrol_imp(), carrier, amend(roles(), &[])]);
    book.add("implementer-taken-off", "a party taken off `donor` or `recipient` signs too", &off);

    let s = "a party taken off `donor` or `recipient` signs too, unless the quorum does";
    for (r, id) in [("donor", "donor-e"), ("recipient", "recip-f")] {
        let k = key(&format!("{id}/0"));
        let first = if r == "donor" { "donor-a" } else { "recip-b" };
        let two = roles().with(r, vec![first, id]);
        let start = || {
            let open = case_opened("open", "donor-a.k2", "donor-a", two.clone()).signed([&donor(), &recip(), &k]);
            base().then([enrol(id, &[r], std::slice::from_ref(&k)), open])
        };
        let remove =
            |keys: &[Key]| amend(roles(), keys).case("donor-a.k2").with(|e| e.subject = "case/donor-a.k2".to_owned());
        book.add(&format!("{r}-taken-off-unsigned"), s, &start().then([remove(&[])])).refused("POLICY", "x");
        book.add(&format!("{r}-taken-off-signed"), s, &start().then([remove(std::slice::from_ref(&k))]));
        book.add(&format!("{r}-taken-off-by-the-quorum"), s, &start().then([remove(&quorum())]));
        book.add(&format!("{r}-taken-off-by-less-than-the-quorum"), s, &start().then([remove(&[gov(0)])]))
            .refused("POLICY", "x");
    }
    let s = "Rule, quorum, roles and keys for entry n are those set by entries < n (§9)";
    let k = key("donor-e/0");
    let takeover = || enrol("donor-e", &["donor"], &[key("donor-e/0")]);
    let mut new_alone = case_amended("x", "roles", roles().with("donor", j!(["donor-e"])));
    new_alone.signatures.clear();
    "donor-e".clone_into(&mut new_alone.author);
    let alone = base().then([takeover(), new_alone.signed([&k, &recip()]).signed(&quorum())]);
    book.add("new-donor-signs-for-the-old", s, &alone).refused("POLICY", "x");
    let both =
        base().then([takeover(), case_amended("x", "roles", roles().with("donor", j!(["donor-e"]))).signed([&k])]);
    book.add(
        "donor-replaced",
        s,
        &both.clone().then([{
            let mut e = cancel("by the new donor");
            e.signatures.clear();
            "donor-e".clone_into(&mut e.author);
            e.signed([&k])
        }]),
    );
    book.add("old-donor-after-its-replacement", s, &both.then([cancel("y")])).refused("POLICY", "y");
    let s = "Roles are bound only to parties with that capacity";
    let unfit = amend(roles().with("carrier", j!(["insp-c"])), &[insp()]);
    book.add("amended-to-bind-without-the-capacity", s, &base().then([unfit])).refused("POLICY", "x");
    let unknown = amend(roles().with("carrier", j!(["nobody"])), &[]);
    book.add("amended-to-bind-an-unknown-party", s, &base().then([unknown])).refused("POLICY", "x");
}

fn inspectors(book: &mut Book) {
    let s = "`inspector` [party ids], replacing `roles.inspector`";
    let second = || enrol("insp-g", &["inspector"], &[key("insp-g/0")]);
    let change = |ids: &[&str], keys: &[Key]| case_inspectors("x", ids).signed(keys);
    let check = |label: &str, who: &str, k: &Key| {
        let mut e = cancel(label);
        e.signatures.clear();
        who.clone_into(&mut e.author);
        e.signed([k])
    };
    let table = || base_with_rule(role("inspector"));
    let replaced =
        table().then([second(), change(&["insp-g"], &[key("insp-g/0")]), check("y", "insp-g", &key("insp-g/0"))]);
    book.add("inspector-replaced", s, &replaced);
    let old = table().then([second(), change(&["insp-g"], &[key("insp-g/0")]), check("y", "insp-c", &insp())]);
    book.add("old-inspector-after-its-replacement", s, &old).refused("POLICY", "y");
    let s = "each party given a role that it did not hold signs";
    book.add("new-inspector-did-not-sign", s, &base().then([second(), change(&["insp-c", "insp-g"], &[])]))
        .refused("POLICY", "x");
    book.add("new-inspector-signed", s, &base().then([second(), change(&["insp-c", "insp-g"], &[key("insp-g/0")])]));
    let s = "Roles are bound only to parties with that capacity";
    book.add("inspector-without-the-capacity", s, &base().then([change(&["recip-b"], &[])])).refused("POLICY", "x");
    book.add("inspector-unknown", s, &base().then([change(&["nobody"], &[])])).refused("POLICY", "x");
    let s = "(D + R) | (D + O) (DOMAIN §2)";
    let by = |keys: &[Key]| {
        let mut e = case_inspectors("x", &["insp-c"]);
        e.signatures.clear();
        base().then([e.signed(keys)])
    };
    book.add("inspectors-by-donor-and-oversight", s, &by(&[donor(), insp()]));
    book.add("inspectors-by-the-donor-alone", s, &by(&[donor()])).refused("POLICY", "x");
    let mut oversight = case_inspectors("x", &["insp-c"]);
    oversight.signatures.clear();
    "insp-c".clone_into(&mut oversight.author);
    book.add("inspectors-by-oversight-alone", s, &base().then([oversight.signed([&insp()])])).refused("POLICY", "x");
}

fn closing(book: &mut Book) {
    let s = "changes no authority, events of the case are still accepted";
    let after: Script = base().then([
        case_closed("close"),
        cancel("x"),
        case_amended("amend", "title", "A".into()),
        case_closed("again"),
    ]);
    book.add("events-after-the-case-closed", s, &after);
    let mut by_recipient = case_closed("x");
    by_recipient.signatures.clear();
    "recip-b".clone_into(&mut by_recipient.author);
    book.add(
        "closed-by-the-recipient",
        "`case.closed` … D (DOMAIN §2)",
        &base().then([by_recipient.signed([&recip()])]),
    )
    .refused("POLICY", "x");
}
