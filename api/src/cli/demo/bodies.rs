//! What the parties of the demo say. Names, numbers and serials are made up.

use serde_json::{Value, json};

pub(super) const CASE: &str = "xd-agency.xr-b-001";
pub(super) const CONSIGNMENT: &str = "consignment/2026-0001";
pub(super) const MISSING: &str = "SYN-1003";
pub(super) const DONOR_NAME: &str = "Exampland Assistance Agency";
pub(super) const RECIPIENT_NAME: &str = "Міністерство оборони Зразкії";
pub(super) const INSPECTOR_NAME: &str = "Exampland Field Inspectorate";
pub(super) const OVERSIGHT_NAME: &str = "Exampland Inspector-General";
pub(super) const OPERATOR_NAME: &str = "Registry of Exampland";

fn line(serials: bool) -> Value {
    let mut line = json!({
        "line": "1",
        "nomenclature": "NIGHT VISION DEVICE, MONOCULAR",
        "quantity": "3",
        "unit": "EA",
        "nsn": "5855-01-432-0524",
        "maker": "Example Optics",
        "model": "EO-14",
    });
    if serials {
        line["serials"] = json!(["SYN-1001", "SYN-1002", MISSING]);
        line["authorization"] = json!({ "subject": "authorization/xr-b-001-a", "line": "1" });
    }
    line
}

pub(super) fn authorization() -> Value {
    json!({
        "lines": [line(false)],
        "end_user": "12 бригада",
        "certificate": { "form": "euc", "number": "EUC-2026-17", "issued": "2026-06-30" },
    })
}

pub(super) fn dispatch() -> Value {
    json!({
        "document_number": "XDA00162310001",
        "lines": [line(true)],
        "seals": ["SEAL-0457"],
        "carrier": "Example Airlift",
        "from": { "text": "Depot 3" },
        "to": { "text": "склад 7" },
    })
}

pub(super) fn check() -> Value {
    let described = json!({ "subject": CONSIGNMENT, "line": "1" });
    json!({
        "type": "post_shipment",
        "access": "full",
        "site": "XR-7",
        "population": { "quantity": "3", "unit": "EA" },
        "items": [
            { "described_in": described, "serials": ["SYN-1001", "SYN-1002"], "grade": "sighted", "state": "in_custody",
              "condition": "serviceable" },
            { "described_in": described, "serials": [MISSING], "grade": "not_seen", "state": "not_found" },
        ],
    })
}

pub(super) fn diversion() -> Value {
    json!({
        "claim": "one of the three devices is offered for sale, with its serial in the picture",
        "source_grade": "photographed",
        "cases": [CASE],
        "items": [{ "described_in": { "case": CASE, "subject": CONSIGNMENT, "line": "1" }, "serials": [MISSING] }],
        "how_known": "an advertisement seen online",
    })
}

pub(super) fn discrepancy() -> Value {
    json!({ "lines": [{ "line": "1", "code": "S1", "shipped": "3", "received": "2", "serials": [MISSING] }] })
}

pub(super) fn investigation() -> Value {
    json!({ "allegation": "one device left the consignment between depot and receipt and was offered for sale" })
}

pub(super) fn finding() -> Value {
    json!({
        "outcome": "substantiated",
        "standard": "balance of probabilities",
        "reasons": "the serial in the picture is that of the missing device, and the seal was broken at the depot",
    })
}

pub(super) fn remedy(due: &str) -> Value {
    json!({ "measure": "store such devices under two locks, and count them at every change of guard",
            "responsible": "xr-mod", "due": due })
}

pub(super) fn completed(order: &str) -> Value {
    json!({ "about": order, "material": "standing order 14 is in force; two locks were fitted" })
}

pub(super) fn accepted(order: &str, completion: &str) -> Value {
    json!({ "order": order, "completion": completion })
}

pub(super) fn closed(finding: &str) -> Value {
    json!({ "finding": finding, "reason": "the remedy is in place; the device is still sought by the police" })
}
