//! A minimal and a full body of every kind. Keys come from fixed seeds; every serial is synthetic.

use countersign_ledger::default_policy::default_policy;
use countersign_ledger::event::Body;
use countersign_ledger::id::Kind;
use countersign_ledger::keys::{PublicKey, SigningKey};
use countersign_ledger::note::{Vkey, VkeyType};
use serde_json::{Value, json};

/// A kind with a body that has only what is required, and one that has everything.
pub(crate) struct Example {
    pub(crate) kind: &'static str,
    pub(crate) minimal: Value,
    pub(crate) full: Value,
}

pub(crate) const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) fn key(n: u8) -> PublicKey {
    SigningKey::from_seed(&[n; 32]).public()
}

pub(crate) fn vkey(name: &str, ty: VkeyType) -> String {
    Vkey::new(name.parse().unwrap(), ty, key(9)).to_string()
}

pub(crate) fn kind(name: &str) -> Kind {
    name.parse().unwrap()
}

/// Reads a body and gives its error as (path, expected, found).
pub(crate) fn fault(name: &str, body: &Value) -> Option<(String, String, String)> {
    match Body::parse(&kind(name), body) {
        Ok(_) => None,
        Err(countersign_ledger::event::BodyError::Form { path, expected, found }) => Some((path, expected, found)),
        Err(other) => panic!("{other}"),
    }
}

pub(crate) fn example(name: &str) -> Example {
    examples().into_iter().find(|example| example.kind == name).unwrap()
}

pub(crate) fn examples() -> Vec<Example> {
    let mut all = ledger();
    all.extend(parties());
    all.extend(cases());
    all.extend(transfers());
    all.extend(after_delivery());
    all.extend(statements());
    all.extend(crate::life::examples());
    all
}

pub(crate) fn one(kind: &'static str, minimal: Value, full: Value) -> Example {
    Example { kind, minimal, full }
}

/// An example whose members are all required.
pub(crate) fn same(kind: &'static str, body: Value) -> Example {
    Example { kind, minimal: body.clone(), full: body }
}

pub(crate) fn with(base: &Value, more: Value) -> Value {
    let mut body = base.clone();
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn grant(n: u8, uses: Value, not_after: Value) -> Value {
    json!({ "public_key": key(n), "holder": "duty officer", "uses": uses, "not_after": not_after })
}

fn ledger() -> Vec<Example> {
    let policy = default_policy().unwrap().to_value();
    let governance = json!({ "threshold": 2, "keys": [key(1), key(2), key(3)] });
    let origin = "ledger.example/assistance-2026";
    let created = json!({
        "origin": origin, "log_key": vkey(origin, VkeyType::Ed25519), "governance": governance, "policy": policy
    });
    vec![
        one(
            "ledger.created",
            created.clone(),
            with(&created, json!({ "predecessor": { "ledger": HASH, "size": 17, "root": HASH } })),
        ),
        same("ledger.closed", json!({ "reason": "moved" })),
        same("policy.changed", json!({ "policy": policy, "reason": "two keys for receipts" })),
        same("governance.changed", json!({ "governance": governance, "reason": "new minister" })),
        same("log_key.rotated", json!({ "log_key": vkey("any.example/log", VkeyType::Ed25519), "reason": "yearly" })),
    ]
}

fn parties() -> Vec<Example> {
    vec![
        one(
            "party.enrolled",
            json!({ "party": "eu-obs", "name": "Observers", "country": null, "capacities": ["inspector"],
                    "keys": [grant(4, json!(["*"]), Value::Null)] }),
            json!({ "party": "xa-mod", "name": "Міністерство оборони", "country": "XA",
                    "capacities": ["recipient", "custodian"],
                    "keys": [grant(4, json!(["transfer.*", "key.added"]), json!("2027-01-01T00:00:00.000Z")),
                             grant(5, json!(["self_report.recorded.v2"]), Value::Null)] }),
        ),
        one(
            "party.amended",
            json!({ "party": "xa-mod", "country": null, "reason": "dissolved" }),
            json!({ "party": "xa-mod", "name": "Ministry", "country": "XB", "capacities": ["recipient"],
                    "reason": "renamed" }),
        ),
        same("party.succeeded", json!({ "party": "xa-mod", "successor": "xb-mod", "reason": "merged" })),
        same("key.added", json!({ "party": "xa-mod", "key": grant(6, json!(["transfer.received"]), Value::Null) })),
        same("key.retired", json!({ "party": "xa-mod", "keyid": HASH, "reason": "officer left" })),
        one(
            "key.revoked",
            json!({ "party": "xa-mod", "keyid": HASH, "reason": "lost", "suspect_from": null }),
            json!({ "party": "xa-mod", "keyid": HASH, "reason": "stolen", "suspect_from": "2026-09-01T00:00:00.000Z" }),
        ),
    ]
}

fn cases() -> Vec<Example> {
    let opened = json!({
        "title": "Night vision devices", "legal_basis": ["22 USC 2318"],
        "roles": { "donor": ["us-dsca"], "recipient": ["xa-mod"] }, "terms": {}, "monitoring": "routine",
        "permitted_end_use": "self-defence", "permitted_end_users": ["Land forces"], "retransfer": "prohibited"
    });
    let terms = json!({
        "site_certificate_before_dispatch": true, "receipt_within": 30, "initial_inventory_within": 90,
        "inventory_every": 365, "routine_check_every": 0, "inventory_grade": "scanned", "loss_report_within": 30,
        "discrepancy_claim_within": 365, "diversion_triage_within": 30, "retain_years": 36_500
    });
    let full = with(
        &opened,
        json!({
            "roles": { "donor": ["us-dsca"], "recipient": ["xa-mod", "xb-mod"], "inspector": ["eu-obs"], "carrier": [] },
            "terms": terms, "monitoring": "enhanced", "retransfer": "with_consent",
            "references": [{ "scheme": "fms-case", "value": "XA-B-UAA" }], "remarks": "first of three"
        }),
    );
    vec![
        one("case.opened", opened, full.clone()),
        one(
            "case.amended",
            json!({ "terms": { "receipt_within": 45 }, "reason": "winter" }),
            with(&full, json!({ "reason": "all anew" })),
        ),
        one(
            "case.inspectors",
            json!({ "inspector": [], "reason": "mandate ended" }),
            json!({ "inspector": ["eu-obs", "un-obs"], "reason": "mandate shared" }),
        ),
        same("case.closed", json!({ "reason": "all returned" })),
    ]
}

pub(crate) fn references() -> Value {
    json!([{ "scheme": "waybill", "value": "№ 12/347-Б" }])
}

pub(crate) fn line() -> Value {
    json!({ "line": "1", "nomenclature": "NIGHT VISION DEVICE", "quantity": "2", "unit": "EA" })
}

pub(crate) fn full_line() -> Value {
    with(
        &line(),
        json!({
            "line": "2", "contains": { "quantity": "10.5", "unit": "LB" }, "nsn": "5855-01-534-5931",
            "part_number": "PN-7/2", "local_stock_number": "2320-DS-TRU-CK00", "maker": "Виробник", "model": "M2",
            "lot": "LOT-1", "serials": ["SYN-0001", "SYN-0002"], "part_of": "1",
            "unit_value": { "amount": "103.82", "currency": "USD" },
            "category": { "unroca": "SALW", "att": "2(1)(h)", "wassenaar": "ML15.c", "usml": "XII(c)(2)" },
            "demil": "Q", "demil_integrity": 3
        }),
    )
}

pub(crate) fn place() -> Value {
    json!({ "country": "PL", "un_locode": "PLRZE", "site": "DEPOT-7", "lat": "50.0413", "lon": "-21.999",
            "text": "warehouse 7,\nnorth gate" })
}

fn transfers() -> Vec<Example> {
    let authorization = json!({ "subject": "authorization/2026-0001", "line": "1" });
    vec![
        one(
            "transfer.authorized",
            json!({ "lines": [line()], "end_user": "Land forces" }),
            json!({ "lines": [line(), full_line()], "end_user": "Land forces",
                    "certificate": { "form": "dsp83", "number": "83-1", "issuer": "Ministry", "issued": "2026-01-31" },
                    "references": references(), "remarks": "urgent" }),
        ),
        one(
            "transfer.cancelled",
            json!({ "reason": "not needed" }),
            json!({ "reason": "not needed", "references": references(), "remarks": "see letter" }),
        ),
        one(
            "transfer.dispatched",
            json!({ "document_number": "W1A2B360000001", "lines": [line()] }),
            json!({ "document_number": "№ 5/1",
                    "lines": [with(&line(), json!({ "authorization": authorization })), full_line()],
                    "packages": [{ "mark": "1/2", "kind": "crate", "lines": ["1", "2"], "gross_weight_kg": "120.5" },
                                 { "mark": "2/2" }],
                    "seals": ["S-1", "S-2"], "carrier": "Carrier Ltd", "route": "by rail", "from": { "country": "US" },
                    "to": place(), "expected": "2026-02-28", "part": 1, "last": false, "references": references(),
                    "remarks": "fragile" }),
        ),
        one(
            "transfer.received",
            json!({ "lines": [{ "line": "1", "received": "0", "condition": "unknown" }] }),
            json!({ "lines": [{ "line": "1", "received": "1", "unit": "BX", "condition": "serviceable", "lot": "LOT-1",
                                "serials": { "present": ["SYN-0001"], "absent": ["SYN-0002"],
                                             "unexpected": ["SYN-0003"], "damaged": ["SYN-0004"] },
                                "remarks": "box wet" }],
                    "unexpected": [with(&full_line(), json!({ "line": "X1", "part_of": "KIT" }))],
                    "place": place(), "part": 9999, "last": true, "references": references(), "remarks": "at night" }),
        ),
        one(
            "receipt.attested",
            json!({ "about": HASH, "grade": "sighted", "method": "counted at the gate" }),
            json!({ "about": HASH, "grade": "documented", "method": "waybill compared", "place": place(),
                    "references": references(), "remarks": "recipient absent" }),
        ),
    ]
}

pub(crate) fn described_in() -> Value {
    json!({ "subject": "consignment/2026-0001", "line": "1" })
}

fn after_delivery() -> Vec<Example> {
    let items = json!([
        { "described_in": described_in(), "serials": ["SYN-0001"], "maker": "Maker", "model": "M2", "grade": "scanned",
          "state": "in_custody", "condition": "serviceable", "remarks": "in use" },
        { "lot": "LOT-1", "quantity": "10", "unit": "BX", "grade": "not_seen", "state": "expended" },
        { "nsn": "5855-01-534-5931", "quantity": "1", "unit": "EA", "grade": "sighted", "state": "not_found" },
        { "local_stock_number": "2320-DS-TRU-CK00", "part_number": "P", "quantity": "1", "unit": "EA",
          "grade": "photographed", "state": "combat_destroyed" }
    ]);
    let check = json!({ "type": "enhanced", "access": "full", "items": items });
    let check_full = with(
        &check,
        json!({
            "visit": "V-2026-3", "site": "DEPOT-7", "place": place(), "population": { "quantity": "12", "unit": "EA" },
            "checklist": [{ "question": "Locked?", "answer": "yes, two locks" }], "part": 1, "last": true,
            "references": references(), "remarks": "quiet"
        }),
    );
    let unsigned = json!({ "why_not_signed": "nobody present" });
    let reported = json!([{ "described_in": described_in(), "serials": ["SYN-0001", "SYN-0002"], "state": "lost" }]);
    vec![
        one(
            "holding.declared",
            json!({ "lines": [line()], "grade": "documented", "source": "inventory of 2020-03-31" }),
            json!({ "lines": [with(&full_line(), json!({ "original_date": "2016-09-19" })), line()],
                    "grade": "self_declared", "source": "inventory of 2020-03-31", "holder": "xa-depot",
                    "place": place(), "references": references(), "remarks": "before the ledger" }),
        ),
        one("check.recorded", json!({ "type": "routine", "access": "refused" }), check_full.clone()),
        one(
            "check.unilateral",
            with(&json!({ "type": "post_shipment", "access": "partial" }), unsigned.clone()),
            with(&check_full, unsigned),
        ),
        one(
            "self_report.recorded",
            json!({ "items": reported, "why_not_inspected": "front line" }),
            json!({ "items": [{ "described_in": described_in(), "quantity": "3", "unit": "EA", "state": "captured",
                                "condition": "unknown", "remarks": "unconfirmed" }],
                    "why_not_inspected": "front line", "site": "DEPOT-7", "place": place(), "part": 2, "last": false,
                    "references": references(), "remarks": "by radio" }),
        ),
    ]
}

fn statements() -> Vec<Example> {
    let mut in_case = described_in();
    in_case["case"] = json!("us-dsca.xa-b-uaa");
    vec![
        one(
            "diversion.reported",
            json!({ "claim": "one device offered for sale", "source_grade": "not_seen" }),
            json!({ "claim": "one device offered for sale", "source_grade": "photographed",
                    "cases": ["us-dsca.xa-b-uaa"], "items": [{ "described_in": in_case, "serials": ["SYN-0001"] }],
                    "marks": ["NVD 7 ★"], "place": { "text": "market" }, "how_known": "photograph on a channel",
                    "references": references(), "remarks": "source fears harm" }),
        ),
        one(
            "statement.disputed",
            json!({ "about": HASH, "grounds": "never arrived" }),
            json!({ "about": HASH, "grounds": "never arrived", "references": references(), "remarks": "see report" }),
        ),
        one(
            "statement.corrected",
            json!({ "reason": "did_not_occur" }),
            json!({ "reason": "incorrect_data", "replacement": { "document_number": "W1A2B360000001", "lines": [line()] },
                    "references": references(), "remarks": "typing error" }),
        ),
    ]
}
