//! One event of every kind of DOMAIN §2 that `bodies.rs` has not, the default policy as DOMAIN writes it, and the ledger
//! in which each stands once.

use super::bodies::{
    attested, authorized, check, dispatched, diversion, holding, place, received, self_report, unilateral,
};
use super::world::*;
use super::{Event, Json, Key, Script};
use crate::j;

/// The key of the holder that is given items.
#[must_use]
pub fn holder() -> Key {
    key("hold-e/0")
}

/// The key of the operator.
#[must_use]
pub fn operator() -> Key {
    key("oper-g/0")
}

/// The default policy, row by row of DOMAIN §2.
#[must_use]
pub fn domain_policy() -> Json {
    let roles = |names: &[&str]| any(names.iter().map(|name| role(name)).collect());
    let both = |second: &str| all(vec![role("recipient"), role(second)]);
    let oversight_or_donor = || any(vec![capacity("oversight"), capacity("donor")]);
    let new_holder = || all(vec![role("recipient"), party("/body/new_holder").with("role", "custodian")]);
    let witnessed = || all(vec![roles(&["recipient", "custodian"]), party("/body/witness").with("optional", true)]);
    let in_case = [
        ("site.registered", roles(&["recipient", "implementer"])),
        ("site.certified", all(vec![role("recipient"), roles(&["implementer", "inspector"])])),
        ("custody.handed_over", all(vec![party("/body/from"), party("/body/to")])),
        ("transfer.not_received", roles(&["recipient", "implementer", "carrier"])),
        ("discrepancy.reported", roles(&["recipient", "implementer"])),
        ("discrepancy.resolved", all(vec![role("donor"), role("recipient")])),
        ("title.transferred", all(vec![role("donor"), role("recipient")])),
        ("items.identified", roles(&["recipient", "inspector", "implementer"])),
        ("items.moved", roles(&["recipient", "custodian"])),
        ("items.expended", roles(&["recipient", "custodian"])),
        ("loss.reported", roles(&["recipient", "custodian", "carrier", "donor", "implementer"])),
        ("items.recovered", roles(&["recipient", "inspector", "donor"])),
        ("retransfer.requested", role("recipient")),
        ("retransfer.decided", roles(&["licensor", "donor"])),
        ("retransfer.executed", new_holder()),
        ("retransfer.ended", new_holder()),
        ("end_use_change.requested", role("recipient")),
        ("end_use_change.decided", roles(&["licensor", "donor"])),
        ("items.demilitarized", witnessed()),
        ("items.destroyed", witnessed()),
        ("items.returned", both("donor")),
        ("service.delivered", all(vec![roles(&["implementer", "donor"]), role("recipient")])),
    ];
    let without_case = [
        ("investigation.opened", oversight_or_donor()),
        ("finding.recorded", capacity("oversight")),
        ("remedy.ordered", oversight_or_donor()),
        ("remedy.accepted", capacity("oversight")),
        ("incident.closed", capacity("oversight")),
        ("incident.reopened", oversight_or_donor()),
        ("evidence.added", any_party()),
        ("response.recorded", any_party()),
        ("remedy.completed", any_party()),
        ("streams.sealed", capacity("operator")),
    ];
    let oversight =
        any(vec![all(vec![role("donor"), role("recipient")]), all(vec![role("donor"), capacity("oversight")])]);
    let table = full_policy().with("case.inspectors", row("required", oversight));
    let table = in_case.into_iter().fold(table, |table, (kind, rule)| table.with(kind, row("required", rule)));
    without_case.into_iter().fold(table, |table, (kind, rule)| table.with(kind, row("forbidden", rule)))
}

/// An event of the base case: kind, what follows the subject's type, who signs (the author first), body.
fn stated(label: &str, kind: &str, subject: &str, signers: &[(&str, Key)], body: Json) -> Event {
    Event::new(label, kind, subject, signers[0].0, body).case(CASE).signed(signers.iter().map(|(_, key)| key))
}

/// An event outside a case.
fn outside(label: &str, kind: &str, subject: &str, author: &str, key: &Key, body: Json) -> Event {
    Event::new(label, kind, subject, author, body).signed([key])
}

fn items(serial: &str) -> Json {
    j!([{"described_in": {"subject": "consignment/c1", "line": "1"}, "serials": [serial]}])
}

fn some() -> Json {
    j!([{"nsn": "5855-01-534-5931", "quantity": "1", "unit": "EA"}])
}

/// Every event of this file, in an order in which they can happen.
#[must_use]
pub fn events() -> Vec<Event> {
    [of_consignments(), of_items(), of_incidents()].concat()
}

/// What happens to a consignment and its sites, beside what `bodies.rs` has.
fn of_consignments() -> Vec<Event> {
    let (d, r, i) = (("donor-a", donor()), ("recip-b", recip()), ("impl-d", imp()));
    let certified = j!({"measures": ["fence", "guard"], "valid_until": "2027-01-05"});
    let handed = j!({
        "from": "impl-d", "to": "recip-b", "place": (place("PL", "gate 2")), "packages": ["CRATE 1/2"],
        "seals": ["SEAL-1"], "counts": [{"line": "1", "quantity": "1", "unit": "EA"}],
    });
    let reported =
        j!({"lines": [{"line": "2", "code": "S1", "shipped": "2", "received": "1", "serials": ["SYN-0003"]}]});
    let resolved = j!({"about": (Json::event_of("w2")), "resolution": "credited", "lines": ["2"]});
    vec![
        stated("p1", "site.registered", "site/site-2", std::slice::from_ref(&r), j!({"code": "SITE-2"})),
        stated("p2", "site.certified", "site/site-2", &[r.clone(), ("insp-c", insp())], certified),
        stated("w0", "custody.handed_over", "consignment/c1", &[i.clone(), r.clone()], handed),
        stated(
            "w1",
            "transfer.not_received",
            "consignment/c2",
            &[i],
            j!({"type": "refused", "circumstances": "seal broken", "lines": ["1"]}),
        ),
        stated("w2", "discrepancy.reported", "consignment/c1", std::slice::from_ref(&r), reported),
        stated("w3", "discrepancy.resolved", "consignment/c1", &[d.clone(), r.clone()], resolved),
        stated(
            "w4",
            "title.transferred",
            "consignment/c1",
            &[d, r],
            j!({"lines": [{"line": "1"}, {"line": "2", "serials": ["SYN-0002"]}]}),
        ),
    ]
}

/// What happens to items with their holder, and to whom they go.
fn of_items() -> Vec<Event> {
    let (d, r, h) = (("donor-a", donor()), ("recip-b", recip()), ("hold-e", holder()));
    let by = std::slice::from_ref(&r);
    let mark = j!({"remarked": {"old": "SYN-0001", "new": "SYN-0001-R"}, "proof": "engraved anew"});
    let moved = j!({"items": (items("SYN-0001")), "to": {"site": "SITE-2"}, "unit": "3rd brigade"});
    let window = j!({"from": "2026-01-02", "to": "2026-01-03"});
    let lost = j!({
        "type": "lost", "items": (items("SYN-0002")), "circumstances": "fire in the store", "known": "2026-01-05",
        "steps": "searched", "part": 1, "last": true,
    });
    let request = j!({
        "items": (items("SYN-0001")), "new_holder": "hold-e", "purpose": "joint exercise", "temporary": true,
        "ends": "2026-03-01",
    });
    let change = j!({"old_use": "border guard", "new_use": "air defence", "items": (some())});
    let decision = || j!({"decision": "granted", "conditions": "monthly report", "expires": "2026-06-01"});
    let passed = || j!({"items": (items("SYN-0001")), "new_holder": "hold-e", "condition": "serviceable"});
    let end = |method: &str| j!({"items": (some()), "method": method});
    vec![
        stated("m1", "items.identified", "item_link/m1", by, mark),
        stated("m2", "items.moved", "movement/m2", by, moved),
        stated("m3", "items.expended", "movement/m3", by, j!({"items": (some()), "window": window})),
        stated("l1", "loss.reported", "loss/l1", by, lost),
        stated("l2", "items.recovered", "loss/l1", by, j!({"items": (items("SYN-0002")), "grade": "sighted"})),
        stated("n1", "retransfer.requested", "retransfer/n1", by, request),
        stated("n2", "retransfer.decided", "retransfer/n1", std::slice::from_ref(&d), decision()),
        stated("n3", "retransfer.executed", "retransfer/n1", &[r.clone(), h.clone()], passed()),
        stated("n4", "retransfer.ended", "retransfer/n1", &[r.clone(), h], passed()),
        stated("u1", "end_use_change.requested", "retransfer/u1", by, change),
        stated("u2", "end_use_change.decided", "retransfer/u1", std::slice::from_ref(&d), decision()),
        stated(
            "e1",
            "items.demilitarized",
            "disposal/e1",
            &[r.clone(), ("insp-c", insp())],
            end("bolt welded").with("witness", "insp-c").with("certificate", "D-1"),
        ),
        stated("e2", "items.destroyed", "disposal/e2", by, end("crushed")),
        stated(
            "e3",
            "items.returned",
            "return/e3",
            &[r.clone(), d.clone()],
            j!({
                "items": (some()), "purpose": "repair", "to": "donor-a", "condition": "repairable",
            }),
        ),
        stated(
            "v1",
            "service.delivered",
            "service/v1",
            &[d, r],
            j!({
                "type": "training", "participants": 12, "hours": "37.5", "course": "NVG-2",
                "value": {"amount": "12500", "currency": "EUR"},
            }),
        ),
    ]
}

/// What happens after a diversion report, and statements about statements.
fn of_incidents() -> Vec<Event> {
    let incident = "incident/insp-c.i1";
    let by = |label: &str, kind: &str, body: Json| outside(label, kind, incident, "insp-c", &insp(), body);
    let finding = |label: &str| Json::event_of(label);
    vec![
        by(
            "i2",
            "investigation.opened",
            j!({"allegation": "sold by a guard", "investigator": "insp-c", "against": ["recip-b"]}),
        ),
        by(
            "i3",
            "finding.recorded",
            j!({"outcome": "substantiated", "standard": "balance of probabilities", "reasons": "the guard admitted it"}),
        ),
        by("i4", "remedy.ordered", j!({"measure": "count anew", "responsible": "recip-b", "due": "2026-02-01"})),
        outside(
            "i5",
            "remedy.completed",
            "statement/recip-b.i5",
            "recip-b",
            &recip(),
            j!({"about": (finding("i4")), "material": "count of January"}),
        ),
        by("i6", "remedy.accepted", j!({"order": (finding("i4")), "completion": (finding("i5"))})),
        by("i7", "incident.closed", j!({"finding": (finding("i3")), "reason": "remedied"})),
        by("i8", "incident.reopened", j!({"reason": "another one seen"})),
        outside(
            "q2",
            "evidence.added",
            "statement/donor-a.q2",
            "donor-a",
            &donor(),
            j!({"about": (finding("i1")), "material": "export licence"}),
        ),
        outside(
            "q3",
            "response.recorded",
            "statement/recip-b.q3",
            "recip-b",
            &recip(),
            j!({"about": (finding("i1")), "response": "we are looking into it"}),
        ),
    ]
}

/// The ledger, its parties with an implementer and a holder, and a case that binds them all.
#[must_use]
pub fn begun() -> Script {
    let roles = roles().with("implementer", j!(["impl-d"])).with("custodian", j!(["hold-e"]));
    let signers = [donor(), recip(), imp(), holder()];
    enrolled()
        .change("created", |e| {
            e.body.set("policy", domain_policy());
        })
        .then([
            enrol_imp(),
            enrol("hold-e", &["custodian"], &[holder()]),
            case_opened("case", CASE, "donor-a", roles).signed(&signers),
        ])
}

/// A ledger with the default policy and at least one event of every kind of DOMAIN §2 outside §8.
#[must_use]
pub fn every_kind() -> Script {
    let correction =
        Event::new("fix", "statement.corrected", "authorization/a2", "donor-a", j!({"reason": "did_not_occur"}))
            .case(CASE)
            .signed([&donor()])
            .member("corrects", Json::event_of("a2"));
    let seal = streams_sealed("seal").with(|e| {
        "oper-g".clone_into(&mut e.author);
        "seal/oper-g.1".clone_into(&mut e.subject);
        e.signatures = vec![(&operator()).into()];
    });
    begun()
        .then([
            authorized("a1"),
            dispatched("d1", "c1", "a1", &["SYN-0001"], 1, false),
            dispatched("d2", "c1", "a1", &["SYN-0002", "SYN-0003"], 2, true),
            dispatched("d3", "c2", "a1", &["SYN-0004"], 1, true),
            received("r1", "c1", "1", &["SYN-0001"], &[], 1, false),
            received("r2", "c1", "2", &["SYN-0002"], &["SYN-0003"], 2, true),
            attested("t1", "c1", "r2"),
        ])
        .then(of_consignments())
        .then([
            holding("h1"),
            check("k1", "c1", &["SYN-0001"]),
            unilateral("k2", "c1", &["SYN-0001"]),
            self_report("s1", "c1", &["SYN-0002"]),
        ])
        .then(of_items())
        .then([diversion("i1")])
        .then(of_incidents())
        .then([dispute("q1", "k2"), cancel("a2"), correction])
        .then([enrol("oper-g", &["operator"], &[operator()]), seal])
}
