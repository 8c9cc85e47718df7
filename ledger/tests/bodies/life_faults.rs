//! One fault at a time in the kinds of `life.rs`: the path, and what was expected.

use countersign_ledger::event::{Body, concealable, concealable_members};
use serde_json::{Value, json};

use crate::examples::{HASH, described_in, example, fault, kind};
use crate::faults::assert_refused;

#[test]
fn site_and_custody_faults() {
    assert_refused("site.registered", "/code", json!("x".repeat(65)), "", "a text of one line");
    assert_refused("site.registered", "/place", json!({}), "", "one of country");
    assert_refused("site.certified", "/measures", json!([]), "", "an array of 1 to 64 elements");
    assert_refused("site.certified", "/measures/1", json!("fence"), "", "an element that stands only once");
    assert_refused("site.certified", "/valid_until", json!("2027-02-29"), "", "a date");
    let handed = "custody.handed_over";
    assert_refused(handed, "/from", json!("governance"), "", "a party id");
    assert_refused(handed, "/to", json!("us-carrier"), "", "another party than from");
    assert_refused(handed, "/counts/1/line", json!("1"), "", "a number that no line before it has");
    assert_refused(handed, "/counts/0/unit", json!("each"), "", "a unit of issue");
    assert_refused(handed, "/seals", json!([]), "", "an array of 1 to 1000 elements");
    assert_refused("title.transferred", "/lines/1/line", json!("1"), "", "a number that no line before it has");
    assert_refused("title.transferred", "/lines", json!([]), "", "an array of 1 to 1000 elements");
}

#[test]
fn discrepancy_faults() {
    assert_refused("transfer.not_received", "/type", json!("late"), "", "one of refused, missing");
    assert_refused("transfer.not_received", "/lines/1", json!("1"), "", "an element that stands only once");
    let reported = "discrepancy.reported";
    for bad in ["", "s1", "S", "S123", "SHORT"] {
        assert_refused(reported, "/lines/0/code", json!(bad), "", "a discrepancy code");
    }
    assert_refused(reported, "/lines/0/received", json!("-1"), "", "a quantity");
    assert_refused(reported, "/lines", json!([]), "", "an array of 1 to 1000 elements");
    assert_refused("discrepancy.resolved", "/about", json!("abc"), "", "64 lower-case hex digits");
    assert_refused("discrepancy.resolved", "/resolution", json!("paid"), "", "one of credited, replaced");
    let read = Body::parse(&kind(reported), &example(reported).full).unwrap();
    let notes: Vec<String> = read.notes().into_iter().map(|(path, note)| format!("{path}: {note}")).collect();
    assert_eq!(notes, ["/body/lines/1/code: C4 is a local discrepancy code"]);
}

#[test]
fn movement_faults() {
    let identified = "items.identified";
    let one = json!({ "described_in": described_in(), "serial": "SYN-0001" });
    let again = json!({ "described_in": described_in(), "serial": "syn 0001" });
    assert_refused(identified, "/same", json!([one]), "", "an array of 2 to 2 elements");
    assert_refused(identified, "/same", json!([one, one, one]), "/same/2", "at most 2 elements");
    assert_refused(identified, "/same/1", again, "", "another description than the first");
    assert_refused(identified, "/remarked", json!({ "old": "A", "new": "B" }), "", "no such member beside same");
    let remarked = |new: &str| json!({ "proof": "seen", "remarked": { "old": "SYN-1", "new": new } });
    assert_eq!(fault(identified, &remarked("syn 1")).unwrap().0, "/body/remarked/new");
    assert_eq!(fault(identified, &remarked("SYN-2")), None);
    assert_eq!(fault(identified, &json!({ "proof": "seen" })).unwrap().1, "one of same, remarked");
    assert_refused("items.moved", "/to", json!({ "lat": "1" }), "/to/lon", "this member beside lat");
    assert_refused("items.moved", "/items", json!([]), "", "an array of 1 to 1000 elements");
    assert_refused("items.moved", "/items/1/lot", json!(7), "", "a string");
    assert_refused("items.expended", "/window/to", json!("2026-02-28"), "", "a date not before 2026-03-01");
    assert_refused("items.expended", "/window/from", json!("2026-03-01T00:00:00Z"), "", "a date");
}

#[test]
fn loss_faults() {
    let loss = "loss.reported";
    assert_refused(loss, "/type", json!("not_found"), "", "one of lost, stolen, captured");
    assert_refused(loss, "/items", json!([{ "quantity": "1", "unit": "EA" }]), "/items/0", "one of described_in");
    assert_refused(loss, "/known", json!("yesterday"), "", "a date");
    assert_refused(loss, "/items/0/state", json!("lost"), "", "no member but");
    let mut alone = example(loss).full;
    alone.as_object_mut().unwrap().remove("last");
    assert_eq!(fault(loss, &alone).unwrap().0, "/body/last");
    assert_refused("items.recovered", "/grade", json!("seen"), "", "one of sighted");
    assert_refused("items.recovered", "/condition", json!("good"), "", "one of serviceable");
}

#[test]
fn retransfer_faults() {
    let requested = "retransfer.requested";
    assert_refused(requested, "/temporary", json!(false), "/ends", "no such member unless temporary");
    assert_refused(requested, "/temporary", json!("no"), "", "a boolean");
    assert_refused(requested, "/new_holder", json!("Ministry of XB"), "", "a party id");
    for decided in ["retransfer.decided", "end_use_change.decided"] {
        assert_refused(decided, "/decision", json!("denied"), "/expires", "no such member with denied");
        assert_refused(decided, "/decision", json!("perhaps"), "", "one of granted, denied");
    }
    for moved in ["retransfer.executed", "retransfer.ended"] {
        assert_refused(moved, "/items/0/quantity", json!("1"), "", "no such member beside serials");
    }
    assert_refused("end_use_change.requested", "/items", json!([]), "", "an array of 1 to 1000 elements");
    assert_refused("end_use_change.requested", "/old_use", json!("\n"), "", "a text, 1 to 4096 bytes");
}

#[test]
fn disposal_and_service_faults() {
    for disposed in ["items.demilitarized", "items.destroyed"] {
        assert_refused(disposed, "/witness", json!("EU observers"), "", "a party id");
        assert_refused(disposed, "/method", json!(" cut"), "", "a text of one line");
    }
    assert_refused("items.returned", "/purpose", json!("loan"), "", "one of final, repair");
    let service = "service.delivered";
    for bad in [json!(0), json!(1_000_001), json!("12"), json!(-1)] {
        assert_refused(service, "/participants", bad, "", "an integer from 1 to 1000000");
    }
    assert_refused(service, "/hours", json!("37,5"), "", "a quantity");
    assert_refused(service, "/value/currency", json!("EURO"), "", "an ISO 4217 currency code");
    assert_eq!(fault(service, &json!({ "type": "advice" })).unwrap().1, "at least one of participants, hours");
    assert_eq!(fault(service, &json!({ "type": "advice", "hours": "8" })), None);
}

#[test]
fn incident_faults() {
    assert_refused("investigation.opened", "/against/1", json!("xa-mod"), "", "an element that stands only once");
    assert_refused("investigation.opened", "/investigator", json!("Inspector"), "", "a party id");
    assert_refused("finding.recorded", "/outcome", json!("guilty"), "", "one of substantiated");
    assert_refused("finding.recorded", "/against", json!([]), "", "an array of 1 to 64 elements");
    assert_refused("remedy.ordered", "/due", json!("soon"), "", "a date");
    assert_refused("remedy.accepted", "/order", json!(HASH.to_uppercase()), "", "64 lower-case hex digits");
    assert_refused("incident.closed", "/finding", json!("none"), "", "64 lower-case hex digits");
    assert_refused("incident.reopened", "/reason", json!("x".repeat(4097)), "", "a text, 1 to 4096 bytes");
    assert_refused("evidence.added", "/about", json!(null), "", "");
    assert_refused("response.recorded", "/response", json!(""), "", "a text, 1 to 4096 bytes");
    assert_refused("remedy.completed", "/material", json!("\u{1b}[2J"), "", "a text, 1 to 4096 bytes");
}

#[test]
fn what_endangers_may_be_concealed_and_what_counts_may_not() {
    let hidden = |name: &str, pointers: &[&str]| {
        let members: Vec<String> = concealable_members(name);
        for pointer in pointers {
            assert!(members.contains(&format!("/body/{pointer}")), "{name}: {members:?}");
        }
        assert_eq!(members.len(), pointers.len() + 1, "{name}: beside remarks {members:?}");
    };
    hidden("site.registered", &["name", "place"]);
    hidden("site.certified", &[]);
    hidden("custody.handed_over", &["place", "packages", "seals"]);
    hidden("title.transferred", &["lines/*/serials"]);
    hidden("discrepancy.reported", &["circumstances", "lines/*/serials"]);
    hidden("items.identified", &["proof", "same/*/serial", "remarked/old", "remarked/new"]);
    hidden("items.moved", &["to", "from", "unit", "items/*/serials", "items/*/lot"]);
    hidden("loss.reported", &["circumstances", "steps", "place", "items/*/serials", "items/*/lot"]);
    hidden("retransfer.decided", &["conditions"]);
    hidden("items.destroyed", &["place", "items/*/serials", "items/*/lot"]);
    hidden("remedy.accepted", &[]);
    hidden("incident.closed", &["reason"]);
    assert!(!concealable("items.destroyed", None, "/body/witness"));
    assert!(!concealable("loss.reported", None, "/body/known"));
    let mut body: Value = example("items.moved").full;
    body["to"] = json!(null);
    assert_eq!(fault("items.moved", &body).unwrap().0, "/body/to");
}
