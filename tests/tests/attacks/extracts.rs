//! Attacks by who makes an extract: leaving out what bears on it.

use countersign_tests::forge::extract::{Extract, file};
use countersign_tests::forge::world::{
    CASE, any_party, base_with, cancel, case_amended, case_opened, dispute, donor, donor2, full_policy, key_revoked,
    recip, roles, row, streams_sealed,
};
use countersign_tests::forge::{Event, Json, Ledger, Script};
use countersign_tests::harness::{Report, verify};
use countersign_tests::j;

use super::story::fails;

const OTHER: &str = "donor-a.k2";
const ALWAYS: [&str; 5] = ["created", "enrol donor-a", "enrol recip-b", "enrol insp-c", "last"];
const OF_CASE: [&str; 7] = ["case", "a1", "amend", "a2", "q1", "fix", "a3"];

fn corrected(label: &str, of: &str) -> Event {
    let subject = format!("authorization/{of}");
    Event::new(label, "statement.corrected", &subject, "donor-a", j!({"reason": "did_not_occur"}))
        .case(CASE)
        .member("corrects", Json::event_of(of))
        .signed([&donor()])
}

/// A case that is amended, disputed and corrected; a key that is revoked; a seal over all that; what came later, and
/// another case.
fn told() -> Ledger {
    let policy = full_policy().with("streams.sealed", row("forbidden", any_party()));
    let script: Script = base_with(policy).then([
        case_opened("case 2", OTHER, "donor-a", roles()).signed([&donor(), &recip()]),
        cancel("a1"),
        case_amended("amend", "title", "Night vision devices, second lot".into()),
        cancel("a2"),
        dispute("q1", "a2"),
        corrected("fix", "a1"),
        key_revoked("revoke", "donor-a", &donor(), &donor2()),
        cancel("a3"),
        cancel("other").with(|e| e.case = Some(OTHER.to_owned())),
        streams_sealed("seal"),
        cancel("late"),
        cancel("last").with(|e| e.case = Some(OTHER.to_owned())),
    ]);
    script.build()
}

/// An extract of the case, as an honest exporter makes it.
fn honest() -> Extract {
    let shown = [&ALWAYS[..], &["case 2", "revoke"], &OF_CASE, &["seal", "late"]].concat();
    Extract::new(j!({"case": CASE}), &shown).seal("seal", Some(CASE), None)
}

fn judged(extract: &Extract) -> Report {
    let ledger = told();
    verify(&file(&extract.lines(&ledger)), &ledger.id)
}

fn result(report: &Report, code: &str) -> String {
    let checks = report.json["checks"].as_array().unwrap();
    checks.iter().find(|check| check["code"] == code).unwrap()["result"].as_str().unwrap().to_owned()
}

#[test]
pub(crate) fn hide_from_an_extract() {
    let report = judged(&honest());
    assert_eq!((report.verdict(), report.status), ("partial", Some(3)), "{:#}", report.json);
    assert_eq!(result(&report, "SEAL"), "ok");
    assert_eq!(report.json["sealed"][0]["case"], CASE);
    // A revocation, an amendment: what is shown later points at them, and at nothing older.
    for hidden in ["revoke", "amend"] {
        let report = judged(&honest().without(hidden));
        assert_eq!(report.verdict(), "failed");
        assert!(report.failed().contains_key("POINTERS"), "{hidden}: {:#}", report.json);
    }
    // Any event of the case, its correction, its dispute: the seal counted them.
    for hidden in ["a1", "a2", "q1", "fix", "a3"] {
        let report = judged(&honest().without(hidden));
        assert_eq!(report.verdict(), "failed");
        assert!(report.failed().contains_key("SEAL"), "{hidden}: {:#}", report.json);
    }
    fails(&judged(&honest().without("a2").without("q1")), &["SEAL"]);
}

#[test]
pub(crate) fn hide_the_newest_event_of_an_extract() {
    // What came after the seal can be left out: nothing fails, and nothing says that all is there.
    let report = judged(&honest().without("late"));
    assert_eq!((report.verdict(), result(&report, "SEAL").as_str()), ("partial", "ok"));
    let seal = told().seq("seal");
    assert!(report.json["sealed"].as_array().unwrap().iter().all(|line| line["seq"] == seal), "no later than the seal");
    // Without the proof nothing is said of what may be missing, whatever is shown.
    let mut unproved = honest();
    unproved.sealed.clear();
    assert_eq!(result(&judged(&unproved), "SEAL"), "undecided");
    assert_eq!(result(&judged(&unproved.without("a3")), "SEAL"), "undecided");
}

#[test]
pub(crate) fn prove_the_wrong_scope_complete() {
    // The label says one case, the proof is of the other: SEAL is never ok for what was left out.
    let other = Extract { sealed: Vec::new(), ..honest().without("a3") }.seal("seal", Some(OTHER), None);
    let report = judged(&other);
    assert_ne!(result(&report, "SEAL"), "ok", "{:#}", report.json);
    // And that a case does not exist cannot be shown of one that does, with its entries hidden.
    let shown = [&ALWAYS[..], &["case 2", "revoke", "seal"]].concat();
    let none = Extract::new(j!({"case": CASE}), &shown).seal("seal", Some("donor-a.k7"), None);
    let ledger = told();
    let lines = none.lines(&ledger).into_iter().map(|line| {
        let text = String::from_utf8(line).unwrap();
        if text.starts_with("{\"sealed\"") { text.replace("donor-a.k7", CASE).into_bytes() } else { text.into_bytes() }
    });
    let report = verify(&file(&lines.collect::<Vec<_>>()), &ledger.id);
    assert!(report.failed().contains_key("SEAL"), "{:#}", report.json);
}
