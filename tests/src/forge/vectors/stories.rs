//! Whole ledgers that verify: the lifecycle of equipment, of parties and of keys.

use super::super::bodies::{
    attested, authorized, check, dispatched, diversion, holding, received, self_report, unilateral,
};
use super::super::world::*;
use super::super::{Event, Json, Key, Script, sd};
use super::Book;
use super::s09_rules::correction;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§1–§13", "story");
    let s = "a valid ledger";
    book.add("lifecycle", s, &lifecycle());
    book.add(
        "lifecycle-without-cases",
        s,
        &enrolled()
            .change("created", |e| {
                e.body.set("policy", full_policy());
            })
            .then([dispute("x", "enrol donor-a"), diversion_alone()]),
    );
    concealed(book);
    book.add("authority", s, &authority()).with(|v| v.suspect = vec![14]);
    book.add("corrections", s, &corrections());
    let month = lifecycle();
    let slow =
        Script { events: month.events.into_iter().map(|e| e.with(|e| e.gap = 3 * 86_400_000)).collect(), ..month };
    book.add("lifecycle-slow", s, &slow);
    book.add("lifecycle-compressed", "optionally zstd (§11)", &lifecycle()).compress();
    let names = base().then([
        amended("cyrillic", "recip-b", "name", "Міністерство оборони".into()),
        amended("arabic", "insp-c", "name", "هيئة الرقابة \u{200f}(مستقلة)\u{200e}".into()),
        amended("marks", "donor-a", "name", "Donor \u{202e}yranim\u{202c} \u{2066}A\u{2069}".into()),
        case_amended("title", "title", "Прилади нічного бачення / مناظير ليلية".into()),
    ]);
    book.add(
        "names-of-many-scripts",
        "Text from entries is printed with control and bidirectional characters escaped (§13)",
        &names,
    );
}

fn lifecycle() -> Script {
    base_with(full_policy()).then([
        authorized("a1"),
        dispatched("d1", "c1", "a1", &["SYN-0001"], 1, false),
        dispatched("d2", "c1", "a1", &["SYN-0002", "SYN-0003"], 2, true),
        received("r1", "c1", "1", &["SYN-0001"], &[], 1, false),
        received("r2", "c1", "2", &["SYN-0002"], &["SYN-0003"], 2, true),
        attested("t1", "c1", "r2"),
        holding("h1"),
        check("k1", "c1", &["SYN-0001"]),
        unilateral("k2", "c1", &["SYN-0001"]),
        self_report("s1", "c1", &["SYN-0002"]),
        diversion("i1"),
        dispute("q1", "k2"),
        correction("first", &[donor()]).with(|e| {
            e.label = "fix".to_owned();
            e.subject = "authorization/a1".to_owned();
            e.more[0].1 = Json::event_of("a1");
        }),
        cancel("a2"),
        case_closed("close"),
    ])
}

fn diversion_alone() -> Event {
    let body = j!({"claim": "seen for sale", "source_grade": "self_declared", "marks": ["painted over"]});
    Event::new("i1", "diversion.reported", "incident/recip-b.i1", "recip-b", body).signed([&recip()])
}

/// The lifecycle with what DOMAIN lets be concealed concealed, shown in full, in part and not at all.
fn concealed(book: &mut Book) {
    let s = "They travel beside the envelope, are never part of the leaf, and can be withheld or erased later (§10)";
    let script = lifecycle()
        .map("d1", |mut e| {
            let mut disclosures = sd::conceal(&mut e.body, &["seals", "carrier", "from", "to"], "story d1");
            disclosures.extend(sd::conceal(e.body.at(&["lines", "0"]), &["serials"], "story d1 serials"));
            e.disclosing(disclosures)
        })
        .map("r2", |mut e| {
            let disclosures = sd::conceal(&mut e.body, &["place"], "story r2");
            e.disclosing(disclosures)
        })
        .map("i1", |mut e| {
            let disclosures = sd::conceal(&mut e.body, &["claim", "how_known"], "story i1");
            e.disclosing(disclosures)
        });
    book.add("concealed", s, &script);
    let none = ["d1", "r2", "i1"].iter().fold(script.clone(), |s, label| s.change(label, |e| e.disclosures.clear()));
    book.add("concealed-nothing-shown", s, &none).with(|v| v.undisclosed = 8).not_for_admission();
    let some = script.change("d1", |e| e.disclosures.truncate(2));
    book.add("concealed-some-shown", s, &some).with(|v| v.undisclosed = 3).not_for_admission();
}

/// Everything that §8 lets happen to parties, keys, governance, log key, policy and cases.
fn authority() -> Script {
    let third = key("donor-a/2");
    let heir = key("heir-h/0");
    let log2 = key("log2");
    let by = |label: &str, keys: &[Key]| {
        let mut e = cancel(label);
        e.signatures.clear();
        e.signed(keys)
    };
    let suspect = "2026-01-05T08:14:00.000Z";
    let received_by_heir = received("r1", "c1", "1", &["SYN-0001"], &[], 1, true).with(|e| {
        e.signatures.clear();
        "heir-h".clone_into(&mut e.author);
        *e = e.clone().signed([&key("heir-h/0")]);
    });
    base()
        .then([
            amended("5 rename", "donor-a", "name", "Donor Agency".into()),
            key_added("6 add", "donor-a", &donor(), &third),
            enrol("heir-h", &["recipient", "custodian"], std::slice::from_ref(&heir)),
            succeeded("8 succeed", "recip-b", "heir-h", &heir),
            by_quorum("9 governance", "governance.changed", {
                j!({"governance": (governance_of(2, &[gov(0), gov(1), key("gov3")])), "reason": "retirement"})
            })
            .signed([&key("gov3")]),
            by_quorum("10 rotate", "log_key.rotated", j!({"log_key": (log_vkey(&log2)), "reason": "yearly"})),
            policy_changed("11 policy", full_policy().with("transfer.cancelled", row("required", any(vec![role("donor"), role("inspector")])))),
            enrol_imp(),
            by("13 before", std::slice::from_ref(&third)),
            by("14 suspect", std::slice::from_ref(&third)),
            key_revoked("15 revoke", "donor-a", &donor(), &third).with(|e| {
                e.body.set("suspect_from", suspect);
            }),
            key_retired("16 retire", "donor-a", &donor(), &donor2()),
            Event::new("17 amend", "case.amended", &format!("case/{CASE}"), "donor-a", {
                let roles = j!({"donor": ["donor-a"], "recipient": ["heir-h"], "inspector": ["insp-c"], "implementer": ["impl-d"]});
                j!({"roles": roles, "reason": "succession"})
            })
            .case(CASE)
            .signed([&donor(), &heir, &imp()])
            .signed(&quorum()),
            Event::new("18 inspectors", "case.inspectors", &format!("case/{CASE}"), "donor-a", j!({"inspector": ["insp-c"], "reason": "review"}))
                .case(CASE)
                .signed([&donor(), &heir]),
            authorized("a1"),
            dispatched("d1", "c1", "a1", &["SYN-0001"], 1, true).with(|e| {
                e.signatures.clear();
                "impl-d".clone_into(&mut e.author);
                *e = e.clone().signed([&imp()]);
            }),
            received_by_heir,
            case_closed("close"),
            by_quorum("end", "ledger.closed", j!({"reason": "programme ended"})),
        ])
        .sealed(|c| c.signers = vec![(ORIGIN.to_owned(), log_key()), (ORIGIN.to_owned(), log2)])
}

fn corrections() -> Script {
    let first = cancel("first").signed([&recip()]);
    let one = correction("first", &[donor(), recip()]).with(|e| e.label = "one".to_owned());
    let two = correction("first", &[recip(), donor()]).with(|e| {
        e.label = "two".to_owned();
        e.body = j!({"reason": "incorrect_data", "replacement": {"reason": "never agreed"}});
    });
    base().then([first, one, two, dispute("q", "two")])
}
