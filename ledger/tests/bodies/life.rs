//! Examples of the kinds between a dispatch and the end of an item, and of those about incidents.

use serde_json::{Value, json};

use crate::examples::{Example, HASH, described_in, line, one, place, references, same, with};

pub(crate) fn examples() -> Vec<Example> {
    let mut all = sites_and_custody();
    all.extend(discrepancies());
    all.extend(movements());
    all.extend(retransfers());
    all.extend(disposals());
    all.extend(incidents());
    all
}

/// The members that every kind may have.
fn more(base: &Value) -> Value {
    with(base, json!({ "references": references(), "remarks": "see letter" }))
}

fn by_quantity() -> Value {
    json!([{ "nsn": "5855-01-534-5931", "quantity": "3", "unit": "EA" }])
}

fn items() -> Value {
    json!([
        { "described_in": described_in(), "serials": ["SYN-0001", "SYN-0002"], "maker": "Maker", "model": "M2" },
        { "lot": "LOT-1", "quantity": "10.5", "unit": "LB" },
        { "local_stock_number": "2320-DS-TRU-CK00", "part_number": "P", "quantity": "1", "unit": "EA" }
    ])
}

fn sites_and_custody() -> Vec<Example> {
    let certified = json!({ "measures": ["fence", "guard by night"], "valid_until": "2027-06-30" });
    let handed = json!({ "from": "us-carrier", "to": "xa-mod" });
    let handed_full = with(
        &handed,
        json!({ "place": place(), "packages": ["1/2", "2/2"], "seals": ["S-1"],
                "counts": [{ "line": "1", "quantity": "2", "unit": "EA" }, { "line": "2", "quantity": "0", "unit": "BX" }] }),
    );
    let titles = json!({ "lines": [{ "line": "1" }] });
    vec![
        one(
            "site.registered",
            json!({ "code": "DEPOT-7" }),
            more(&json!({ "code": "DEPOT-7", "name": "Склад №7", "place": place() })),
        ),
        one("site.certified", certified.clone(), more(&certified)),
        one("custody.handed_over", handed, more(&handed_full)),
        one(
            "title.transferred",
            titles,
            more(&json!({ "lines": [{ "line": "1", "serials": ["SYN-0001"] }, { "line": "2" }] })),
        ),
    ]
}

fn discrepancies() -> Vec<Example> {
    let missing = json!({ "type": "missing", "circumstances": "train stopped at the border" });
    let reported = json!({ "lines": [{ "line": "1", "code": "S1", "shipped": "2", "received": "1" }] });
    let reported_full = json!({
        "lines": [{ "line": "1", "code": "S1", "shipped": "2", "received": "1", "unit": "BX", "serials": ["SYN-0002"] },
                  { "line": "1", "code": "C4", "shipped": "2", "received": "1" }],
        "circumstances": "box open"
    });
    let resolved = json!({ "about": HASH, "resolution": "replaced" });
    vec![
        one("transfer.not_received", missing.clone(), more(&with(&missing, json!({ "lines": ["1", "2"] })))),
        one("discrepancy.reported", reported, more(&reported_full)),
        one("discrepancy.resolved", resolved.clone(), more(&with(&resolved, json!({ "lines": ["1"] })))),
    ]
}

fn movements() -> Vec<Example> {
    let same = json!([{ "described_in": described_in(), "serial": "SYN-0001" },
                      { "described_in": { "case": "us-dsca.xa-b-uaa", "subject": "holding/h1", "line": "7" } }]);
    let moved = json!({ "items": by_quantity(), "to": { "site": "DEPOT-8" } });
    let moved_full = with(&moved, json!({ "items": items(), "from": place(), "unit": "3rd brigade" }));
    let window = json!({ "from": "2026-03-01", "to": "2026-03-01" });
    let expended = json!({ "items": items(), "window": window, "unit": "3rd brigade", "place": place() });
    let loss = json!({ "type": "captured", "items": by_quantity(), "circumstances": "position overrun" });
    let loss_full = with(
        &loss,
        json!({ "items": items(), "known": "2026-03-05", "steps": "frequencies changed", "place": place(),
                "part": 1, "last": false }),
    );
    let recovered = json!({ "items": by_quantity(), "grade": "sighted" });
    vec![
        one(
            "items.identified",
            json!({ "remarked": { "old": "SYN-0001", "new": "SYN-0001/R" }, "proof": "seen being engraved" }),
            more(&json!({ "same": same, "proof": "photographs compared" })),
        ),
        one("items.moved", moved, more(&moved_full)),
        one("items.expended", json!({ "items": by_quantity() }), more(&expended)),
        one("loss.reported", loss, more(&loss_full)),
        one(
            "items.recovered",
            recovered.clone(),
            more(&with(&recovered, json!({ "items": items(), "condition": "damaged", "place": place() }))),
        ),
    ]
}

fn retransfers() -> Vec<Example> {
    let requested =
        json!({ "items": by_quantity(), "new_holder": "xb-mod", "purpose": "joint exercise", "temporary": false });
    let requested_full = with(
        &requested,
        json!({ "items": items(), "temporary": true, "ends": "2026-12-31", "new_holder_name": "Ministry of XB",
                "assurances": "as in the case" }),
    );
    let granted = json!({ "decision": "granted", "conditions": "back by winter", "expires": "2026-12-31" });
    let executed = json!({ "items": by_quantity(), "new_holder": "xb-mod" });
    let executed_full =
        more(&with(&executed, json!({ "items": items(), "place": place(), "condition": "serviceable" })));
    let change = json!({ "old_use": "border guard", "new_use": "air defence" });
    vec![
        one("retransfer.requested", requested, more(&requested_full)),
        one("retransfer.decided", json!({ "decision": "denied" }), more(&granted)),
        one("retransfer.executed", executed.clone(), executed_full.clone()),
        one("retransfer.ended", executed, executed_full),
        one("end_use_change.requested", change.clone(), more(&with(&change, json!({ "items": items() })))),
        one("end_use_change.decided", json!({ "decision": "granted" }), more(&granted)),
    ]
}

fn disposals() -> Vec<Example> {
    let destroyed = json!({ "items": by_quantity(), "method": "cut to pieces" });
    let destroyed_full = more(&with(
        &destroyed,
        json!({ "items": items(), "certificate": "D-17", "witness": "eu-obs", "place": place() }),
    ));
    let returned = json!({ "items": by_quantity(), "purpose": "repair" });
    let returned_full = json!({ "items": items(), "to": "us-depot", "condition": "repairable", "place": place() });
    let value = json!({ "amount": "12500", "currency": "EUR" });
    vec![
        one("items.demilitarized", destroyed.clone(), destroyed_full.clone()),
        one("items.destroyed", destroyed, destroyed_full),
        one("items.returned", returned.clone(), more(&with(&returned, returned_full))),
        one(
            "service.delivered",
            json!({ "type": "training", "participants": 12 }),
            more(&json!({ "type": "maintenance", "participants": 1_000_000, "hours": "37.5", "course": "NVG-2",
                          "value": value, "place": place() })),
        ),
    ]
}

fn incidents() -> Vec<Example> {
    let finding = json!({ "outcome": "substantiated", "standard": "balance of probabilities", "reasons": "admitted" });
    let remedy = json!({ "measure": "count all devices anew", "responsible": "xa-mod", "due": "2026-11-30" });
    let closed = json!({ "finding": HASH, "reason": "devices are back" });
    let material = json!({ "about": HASH, "material": "count of 2026-11-20" });
    let response = json!({ "about": HASH, "response": "the devices were ours" });
    vec![
        one(
            "investigation.opened",
            json!({ "allegation": "one device offered for sale" }),
            more(&json!({ "allegation": "one device offered for sale", "investigator": "eu-obs",
                          "against": ["xa-mod", "xa-depot"] })),
        ),
        one("finding.recorded", finding.clone(), more(&with(&finding, json!({ "against": ["xa-depot"] })))),
        one("remedy.ordered", remedy.clone(), more(&remedy)),
        one("remedy.accepted", json!({ "order": HASH }), more(&json!({ "order": HASH, "completion": HASH }))),
        one("incident.closed", closed.clone(), more(&closed)),
        one("incident.reopened", json!({ "reason": "another device seen" }), more(&json!({ "reason": "seen again" }))),
        one("evidence.added", material.clone(), more(&material)),
        one("response.recorded", response.clone(), more(&response)),
        one("remedy.completed", material.clone(), more(&material)),
        same("streams.sealed", json!({ "size": 12, "streams": 7, "root": HASH })),
    ]
}

#[test]
fn a_dispatch_line_is_no_item() {
    let mut body = json!({ "type": "lost", "circumstances": "fire", "items": [line()] });
    let (path, expected, _) = crate::examples::fault("loss.reported", &body).unwrap();
    assert_eq!((path.as_str(), &expected[..13]), ("/body/items/0/line", "no member but"), "{expected}");
    body["items"] = by_quantity();
    assert_eq!(crate::examples::fault("loss.reported", &body), None);
}
