//! One fault at a time: each is told with its own path and what was expected.

use countersign_ledger::default_policy::default_policy;
use countersign_ledger::event::{Body, BodyError, concealable, kind_info, kinds};
use countersign_ledger::id::PartyId;
use countersign_ledger::note::VkeyType;
use serde_json::{Value, json};

use crate::examples::{HASH, example, examples, fault, key, kind, vkey};

#[test]
fn every_kind_has_examples_that_are_read_and_written_back() {
    let examples = examples();
    let named: Vec<&str> = examples.iter().map(|example| example.kind).collect();
    for info in kinds() {
        assert_eq!(named.iter().filter(|name| **name == info.kind).count(), 1, "{}", info.kind);
    }
    for example in &examples {
        for body in [&example.minimal, &example.full] {
            let read = Body::parse(&kind(example.kind), body).unwrap_or_else(|e| panic!("{}: {e}", example.kind));
            assert_eq!(read.kind(), example.kind);
            assert_eq!(&read.to_value(), body, "{}", example.kind);
        }
    }
}

#[test]
fn the_table_of_kinds_agrees_with_the_default_policy() {
    let policy = default_policy().unwrap();
    for info in kinds() {
        let row = policy.row(&kind(info.kind)).unwrap_or_else(|| panic!("{} has no rule", info.kind));
        assert_eq!(row.case, info.case, "{}", info.kind);
    }
    for (ruled, _) in policy.rows() {
        assert!(kind_info(ruled.as_str()).is_some(), "{ruled} has a rule and no body");
    }
    assert_eq!(policy.rows().count(), kinds().len());
}

/// What a rule names in a body must be there to be read before its disclosures are put back.
#[test]
fn parties_that_rules_name_are_members_and_never_concealed() {
    fn pointers(rule: &Value, found: &mut Vec<String>) {
        match rule {
            Value::Object(members) => {
                for name in ["party", "party?"] {
                    found.extend(members.get(name).and_then(Value::as_str).map(str::to_owned));
                }
                members.values().for_each(|rule| pointers(rule, found));
            }
            Value::Array(rules) => rules.iter().for_each(|rule| pointers(rule, found)),
            _ => {}
        }
    }
    let policy = default_policy().unwrap().to_value();
    let mut named = 0;
    for (kind, row) in policy.as_object().unwrap() {
        let mut found = Vec::new();
        pointers(&row["rule"], &mut found);
        for pointer in found {
            named += 1;
            let body = json!({ "body": example(kind).full });
            let party = body.pointer(&pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{kind} {pointer}"));
            assert!(party.parse::<PartyId>().is_ok(), "{kind} {pointer}: {party}");
            assert!(!concealable(kind, None, &pointer), "{kind} {pointer}");
        }
    }
    assert_eq!(named, 10, "of SPEC §8 four, of custody two, of retransfer two, of disposal two");
}

#[test]
fn a_kind_of_later_is_told() {
    for later in ["items.painted", "transfer.received.v2", "a.b"] {
        let error = Body::parse(&kind(later), &json!({})).unwrap_err();
        assert_eq!(error, BodyError::UnknownKind { kind: kind(later) });
        assert_eq!(error.path(), "/kind");
    }
}

/// SPEC §8: a party's country, the end of a key, the start of suspicion.
pub(crate) fn may_be_null(kind: &str, member: &str) -> bool {
    let family = kind.split('.').next().unwrap();
    matches!((family, member), ("party", "country") | ("party" | "key", "not_after") | ("key", "suspect_from"))
}

/// In every object of every full body: a member too many, and each member in turn `null`; in the minimal body each
/// member in turn missing.
#[test]
fn members_are_a_closed_set_and_null_is_not_absence() {
    for example in examples() {
        for (path, _) in objects(&example.full, "") {
            if path.contains("/policy") || path == "/replacement" || path.starts_with("/replacement/") {
                continue;
            }
            let mut body = example.full.clone();
            body.pointer_mut(&path).unwrap()["surplus"] = json!(1);
            let (at, _, _) = fault(example.kind, &body).unwrap_or_else(|| panic!("{} {path}/surplus", example.kind));
            assert_eq!(at, format!("/body{path}/surplus"), "{}", example.kind);
            let members: Vec<String> =
                example.full.pointer(&path).unwrap().as_object().unwrap().keys().cloned().collect();
            for name in members {
                let mut body = example.full.clone();
                body.pointer_mut(&path).unwrap()[&name] = Value::Null;
                let read = fault(example.kind, &body);
                if may_be_null(example.kind, &name) {
                    assert_eq!(read, None, "{} {path}/{name}", example.kind);
                } else {
                    let (at, _, found) = read.unwrap_or_else(|| panic!("{} {path}/{name}: null", example.kind));
                    assert_eq!((at, found.as_str()), (format!("/body{path}/{name}"), "null"), "{}", example.kind);
                }
            }
        }
    }
}

#[test]
fn what_the_minimal_body_has_is_required() {
    for example in examples() {
        for name in example.minimal.as_object().unwrap().keys() {
            let one_of_several = matches!(
                (example.kind, name.as_str()),
                ("party.amended", "country")
                    | ("case.amended", "terms")
                    | ("items.identified", "remarked")
                    | ("service.delivered", "participants")
            );
            if one_of_several {
                continue;
            }
            let mut body = example.minimal.clone();
            body.as_object_mut().unwrap().remove(name);
            let found = fault(example.kind, &body).unwrap_or_else(|| panic!("{} without {name}", example.kind));
            assert_eq!((found.0, found.2), (format!("/body/{name}"), "nothing".to_owned()), "{}", example.kind);
        }
    }
}

/// Every object of a value with its pointer, the outermost first.
pub(crate) fn objects(value: &Value, at: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            found.push((at.to_owned(), value.clone()));
            members.iter().for_each(|(name, value)| found.extend(objects(value, &format!("{at}/{name}"))));
        }
        Value::Array(elements) => {
            let with_index = elements.iter().enumerate();
            with_index.for_each(|(i, value)| found.extend(objects(value, &format!("{at}/{i}"))));
        }
        _ => {}
    }
    found
}

/// Puts `value` at `pointer` below the full body, and expects the fault at `at` (or there) to begin with `expected`.
#[track_caller]
pub(crate) fn assert_refused(name: &str, pointer: &str, value: Value, at: &str, expected: &str) {
    let mut body = example(name).full;
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Array(elements) => elements[member.parse::<usize>().unwrap()] = value,
        object => object[member] = value,
    }
    let at = format!("/body{}", if at.is_empty() { pointer } else { at });
    match fault(name, &body) {
        None => panic!("{name} {pointer}: not refused"),
        Some((path, was, found)) => {
            assert_eq!(path, at, "{name} {pointer}: expected {was}, found {found}");
            assert!(was.starts_with(expected), "{name} {pointer}: expected {was}, found {found}");
        }
    }
}

#[test]
fn ledger_faults() {
    let created = "ledger.created";
    assert_refused(created, "/origin", json!("Ledger.example"), "", "an origin");
    assert_refused(created, "/origin", json!("other.example/log"), "/log_key", "a vkey of the name other.example/log");
    assert_refused(created, "/log_key", json!("x"), "", "");
    let cosigner = vkey("ledger.example/assistance-2026", VkeyType::Cosignature);
    assert_refused(created, "/log_key", json!(cosigner), "", "a vkey of type 0x01");
    assert_refused(created, "/governance/threshold", json!(0), "", "an integer from 1 to 8");
    assert_refused(created, "/governance/threshold", json!(4), "", "at most the number of keys, 3");
    assert_refused(created, "/governance/threshold", json!(-1), "", "an integer from 1 to 8");
    assert_refused(created, "/governance/keys", json!([]), "", "an array of 1 to 8 elements");
    assert_refused(created, "/governance/keys", json!([key(1), key(2), key(1)]), "/governance/keys/2", "an element");
    let nine: Vec<_> = (1..=9).map(key).collect();
    assert_refused(created, "/governance/keys", json!(nine), "/governance/keys/8", "at most 8 elements");
    // The neutral element: of small order (SPEC §2).
    let neutral = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_refused(created, "/governance/keys/0", json!(neutral), "", "");
    assert_refused(created, "/predecessor/size", json!(-1), "", "an integer from 0 to");
    assert_refused(created, "/predecessor/root", json!(HASH.to_uppercase()), "", "64 lower-case hex digits");
    assert_refused(
        created,
        "/policy/key.added/rule",
        json!({ "all": [] }),
        "/policy/key.added/rule/all",
        "an array of 1 to 16",
    );
    assert_refused(created, "/policy/key.added/case", json!("any"), "", "\"required\" or \"forbidden\"");
    assert_refused(created, "/policy", json!({}), "/policy/ledger.created", "a rule for every kind of SPEC §8");
    assert_refused("log_key.rotated", "/log_key", json!(cosigner), "", "a vkey of type 0x01");
    assert_refused("ledger.closed", "/reason", json!("x".repeat(4097)), "", "a text, 1 to 4096 bytes");
    assert_refused("ledger.closed", "/reason", json!(""), "", "a text, 1 to 4096 bytes");
}

#[test]
fn party_faults() {
    let enrolled = "party.enrolled";
    assert_refused(enrolled, "/party", json!("governance"), "", "a party id");
    assert_refused(enrolled, "/party", json!("a.b"), "", "a party id");
    assert_refused(enrolled, "/country", json!("xa"), "", "two capital letters");
    assert_refused(enrolled, "/country", json!(5), "", "a text or null");
    assert_refused(enrolled, "/capacities", json!([]), "", "an array of 1 to 10 elements");
    assert_refused(
        enrolled,
        "/capacities",
        json!(["donor", "donor"]),
        "/capacities/1",
        "an element that stands only once",
    );
    assert_refused(enrolled, "/capacities/0", json!("giver"), "", "one of donor, recipient");
    assert_refused(enrolled, "/keys", json!([]), "", "an array of 1 to 8 elements");
    assert_refused(enrolled, "/keys/0/uses", json!([]), "", "an array of 1 to");
    assert_refused(enrolled, "/keys/0/uses/1", json!("transfer.*"), "", "an element that stands only once");
    assert_refused(enrolled, "/keys/0/uses/0", json!("trans*"), "", "a kind, a family");
    assert_refused(enrolled, "/keys/0/not_after", json!("2027-01-01"), "", "a UTC time");
    assert_refused(enrolled, "/keys/1/public_key", json!(key(4)), "", "a key that no element before it has");
    assert_refused("party.amended", "/country", json!("Xa"), "", "two capital letters");
    assert_refused("key.revoked", "/suspect_from", json!(0), "", "a text or null");
    assert_refused("key.retired", "/keyid", json!("abc"), "", "64 lower-case hex digits");
    let nothing = json!({ "party": "xa-mod", "reason": "none" });
    assert_eq!(fault("party.amended", &nothing).unwrap().1, "at least one of name, country, capacities");
}

#[test]
fn case_faults() {
    let opened = "case.opened";
    assert_refused(opened, "/roles/donor", json!([]), "", "at least one party");
    assert_refused(opened, "/roles", json!({ "donor": ["a"] }), "/roles/recipient", "at least one party");
    assert_refused(
        opened,
        "/roles/recipient",
        json!(["a", "b", "a"]),
        "/roles/recipient/2",
        "an element that stands only once",
    );
    assert_refused(opened, "/roles/observer", json!(["a"]), "", "a role: one of donor");
    assert_refused(opened, "/roles/inspector", json!("eu-obs"), "", "an array of 0 to 256 elements");
    let many = |prefix: &str| (0..129).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>();
    let roles = json!({ "donor": many("d"), "recipient": many("r") });
    assert_refused(opened, "/roles", roles, "", "at most 256 parties");
    assert_refused(opened, "/terms/receipt_within", json!(36_501), "", "an integer from 0 to 36500");
    assert_refused(opened, "/terms/receipt_within", json!("30"), "", "an integer from 0 to 36500");
    assert_refused(opened, "/terms/inventory_grade", json!("seen"), "", "one of sighted");
    assert_refused(opened, "/terms/site_certificate_before_dispatch", json!(1), "", "a boolean");
    assert_refused(opened, "/monitoring", json!("golden_sentry"), "", "one of routine, enhanced");
    assert_refused(opened, "/retransfer", json!("free"), "", "one of prohibited, with_consent");
    assert_refused(opened, "/legal_basis", json!([]), "", "an array of 1 to 256");
    assert_refused(opened, "/title", json!("x".repeat(4097)), "", "a text, 1 to 4096 bytes");
    assert_refused("case.amended", "/roles/donor", json!([]), "", "at least one party");
    let nothing = json!({ "reason": "none" });
    assert!(fault("case.amended", &nothing).unwrap().1.starts_with("at least one member of case.opened"));
}

#[test]
fn line_faults() {
    let sent = "transfer.dispatched";
    assert_refused(sent, "/lines", json!([]), "", "an array of 1 to 1000 elements");
    assert_refused(sent, "/lines/0/line", json!("2"), "/lines/1/line", "a number that no line before it has");
    assert_refused(sent, "/lines/1/line", json!("a b"), "", "a line number");
    for bad in ["", "01", "-1", "1.", "1.00000", "1e3", "1000000000000000", "1,5"] {
        assert_refused(sent, "/lines/1/quantity", json!(bad), "", "a quantity");
    }
    assert_refused(sent, "/lines/1/quantity", json!(2), "", "a string");
    assert_refused(sent, "/lines/1/unit", json!("ea"), "", "a unit of issue");
    assert_refused(sent, "/lines/1/nsn", json!("5855015345931"), "", "a national stock number");
    assert_refused(sent, "/lines/1/nsn", json!("2320-DS-TRU-CK00"), "", "a national stock number");
    assert_refused(sent, "/lines/1/local_stock_number", json!("5855-01-534-5931"), "", "a local stock number");
    assert_refused(sent, "/lines/1/serials/1", json!(" SYN-1"), "", "a text of one line");
    assert_refused(sent, "/lines/1/serials/1", json!("syn 0001"), "", "an element that stands only once");
    assert_refused(sent, "/lines/1/serials/1", json!("-"), "", "a serial with more than hyphens");
    assert_refused(sent, "/lines/1/serials", json!([]), "", "an array of 1 to 10000 elements");
    let many: Vec<String> = (0..10_001).map(|i| format!("SYN-{i}")).collect();
    assert_refused(sent, "/lines/1/serials", json!(many), "/lines/1/serials/10000", "at most 10000 elements");
    assert_refused(sent, "/lines/1/part_of", json!("2"), "", "the number of another line");
    assert_refused(sent, "/lines/1/unit_value/currency", json!("usd"), "", "an ISO 4217 currency code");
    assert_refused(sent, "/lines/1/category", json!({}), "", "one of unroca, att, wassenaar, usml");
    assert_refused(sent, "/lines/1/category/att", json!("2(1)(i)"), "", "one of 2(1)(a)");
    assert_refused(sent, "/lines/1/category/usml", json!("XXII"), "", "a category of the US Munitions List");
    assert_refused(sent, "/lines/1/demil", json!("H"), "", "one of A, B");
    assert_refused(sent, "/lines/1/demil_integrity", json!(8), "", "an integer from 0 to 7");
    assert_refused(sent, "/lines/1/original_date", json!("2020-01-01"), "", "no such member");
    assert_refused(
        "holding.declared",
        "/lines/0/authorization",
        json!({ "subject": "authorization/a", "line": "1" }),
        "",
        "no such member",
    );
    assert_refused("transfer.authorized", "/lines/1/original_date", json!("2020-01-01"), "", "no such member");
    assert_refused("holding.declared", "/lines/0/original_date", json!("2020-02-30"), "", "a date");
}

#[test]
fn transfer_faults() {
    let sent = "transfer.dispatched";
    assert_refused(sent, "/document_number", json!("x".repeat(65)), "", "a document number");
    assert_refused(sent, "/document_number", json!("a\nb"), "", "a document number");
    assert_refused(sent, "/seals/1", json!("S-1"), "", "an element that stands only once");
    assert_refused(sent, "/packages/0/gross_weight_kg", json!("-1"), "", "a quantity");
    assert_refused(sent, "/from", json!({}), "", "one of country");
    assert_refused(sent, "/to/country", json!("XA"), "", "an ISO 3166-1 country code");
    assert_refused(sent, "/to/un_locode", json!("PLRZ0"), "", "a UN/LOCODE");
    assert_refused(sent, "/to/lat", json!("90.1"), "", "degrees north");
    assert_refused(sent, "/to/lon", json!("181"), "", "degrees east");
    assert_refused(sent, "/to", json!({ "lat": "1" }), "/to/lon", "this member beside lat");
    assert_refused(sent, "/expected", json!("2026-02-29"), "", "a date");
    assert_refused(sent, "/part", json!(0), "", "an integer from 1 to 9999");
    assert_refused(sent, "/last", json!("no"), "", "a boolean");
    assert_refused(sent, "/remarks", json!("\u{7}"), "", "a text, 1 to 4096 bytes");
    assert_refused(sent, "/references/0/scheme", json!("x".repeat(65)), "", "a text of one line");
    assert_refused(sent, "/carrier", json!("a\u{202e}b\nc"), "", "a text of one line");
    assert_refused("transfer.authorized", "/certificate/form", json!("DSP-83"), "", "one of euc, dsp83, other");
    let got = "transfer.received";
    assert_refused(got, "/lines/0/condition", json!("good"), "", "one of serviceable");
    assert_refused(got, "/lines/0/received", json!("-1"), "", "a quantity");
    assert_refused(got, "/lines/0/serials", json!({}), "", "one of present, absent, unexpected, damaged");
    assert_refused(got, "/lines/0/serials/absent/0", json!("SYN 0001"), "", "a serial that no list before it has");
    assert_refused(got, "/unexpected/0/line", json!("1"), "", "a number that no line before it has");
    assert_refused("receipt.attested", "/about", json!("abc"), "", "64 lower-case hex digits");
    assert_refused("receipt.attested", "/grade", json!("seen"), "", "one of sighted");
    let mut alone = example(sent).full;
    alone.as_object_mut().unwrap().remove("last");
    assert_eq!(fault(sent, &alone).unwrap().0, "/body/last");
    alone.as_object_mut().unwrap().remove("part");
    alone["last"] = json!(true);
    assert_eq!(fault(sent, &alone).unwrap().0, "/body/part");
}

#[test]
fn item_faults() {
    let check = "check.recorded";
    assert_refused(check, "/type", json!("surprise"), "", "one of routine, enhanced, delivery, post_shipment");
    assert_refused(check, "/access", json!("none"), "", "one of full, partial, refused");
    assert_refused(check, "/items", json!([]), "", "an array of 1 to 1000 elements");
    assert_refused(check, "/items/0/quantity", json!("1"), "", "no such member beside serials");
    assert_refused(check, "/items/0/unit", json!("EA"), "", "no such member beside serials");
    assert_refused(check, "/items/0/state", json!("fine"), "", "one of in_custody");
    assert_refused(check, "/items/0/described_in/subject", json!("2026-0001"), "", "a subject");
    let bare = |extra: Value| {
        let mut item = json!({ "grade": "sighted", "state": "in_custody" });
        extra.as_object().unwrap().iter().for_each(|(name, value)| item[name] = value.clone());
        item
    };
    assert_refused(check, "/items/1", bare(json!({})), "", "serials, or a quantity and unit");
    assert_refused(
        check,
        "/items/1",
        bare(json!({ "quantity": "1", "nsn": "5855-01-534-5931" })),
        "/items/1/unit",
        "this member",
    );
    assert_refused(check, "/items/1", bare(json!({ "quantity": "1", "unit": "EA" })), "", "one of described_in");
    let mut unseen = example(check).full;
    unseen.as_object_mut().unwrap().remove("items");
    assert_eq!(fault(check, &unseen).unwrap().0, "/body/items");
    assert_refused("check.unilateral", "/why_not_signed", json!(" "), "", "a text, 1 to 4096 bytes");
    assert_refused("self_report.recorded", "/items", json!([]), "", "an array of 1 to 1000 elements");
    assert_refused("self_report.recorded", "/items/0/grade", json!("sighted"), "", "no member but");
    let report = "diversion.reported";
    assert_refused(
        report,
        "/items/0/described_in",
        json!({ "subject": "consignment/a", "line": "1" }),
        "/items/0/described_in/case",
        "this member",
    );
    assert_refused(report, "/cases", json!(["a", "a"]), "/cases/1", "an element that stands only once");
    assert_refused(report, "/marks", json!([]), "", "an array of 1 to 1000 elements");
}

#[test]
fn correction_faults() {
    let corrected = "statement.corrected";
    assert_refused(corrected, "/reason", json!("error"), "", "one of did_not_occur, incorrect_data");
    assert_refused(corrected, "/reason", json!("did_not_occur"), "/replacement", "no such member with did_not_occur");
    assert_refused(corrected, "/replacement", json!([]), "", "");
    let bare = json!({ "reason": "incorrect_data" });
    assert_eq!(fault(corrected, &bare).unwrap().0, "/body/replacement");
    let dispatched = kind("transfer.dispatched");
    let error = Body::parse_replacement(&dispatched, &json!({ "document_number": "X", "lines": [] })).unwrap_err();
    assert_eq!(error.path(), "/body/replacement/lines");
}

#[test]
fn accepted_codes_are_noted() {
    let body = example("transfer.dispatched").full;
    let mut with_odd = body.clone();
    with_odd["lines"][0]["unit"] = json!("QQ");
    with_odd["lines"][1]["demil_integrity"] = json!(1);
    with_odd["lines"][1]["nsn"] = json!("0001-01-534-5931");
    let notes = |body: &Value| -> Vec<String> {
        let read = Body::parse(&kind("transfer.dispatched"), body).unwrap();
        read.notes().into_iter().map(|(path, note)| format!("{path}: {note}")).collect()
    };
    assert_eq!(
        notes(&body),
        [
            "/body/document_number: № 5/1 is a local document number",
            "/body/lines/1/local_stock_number: 2320-DS-TRU-CK00 is a local stock number",
        ]
    );
    assert_eq!(
        notes(&with_odd)[1..],
        [
            "/body/lines/0/unit: QQ is a local unit of issue",
            "/body/lines/1/nsn: 0001 is no known federal supply class",
            "/body/lines/1/local_stock_number: 2320-DS-TRU-CK00 is a local stock number",
            "/body/lines/1/demil_integrity: DEMIL code Q expects integrity 3 or 6, found 1",
        ]
    );
}
