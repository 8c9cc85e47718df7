//! Events of DOMAIN §2 with complete bodies, so that a ledger with a schema for every kind admits them.

use super::world::*;
use super::{Event, Json, Key};
use crate::j;

/// A line of equipment without serials.
#[must_use]
pub fn line(number: &str, quantity: &str) -> Json {
    j!({
        "line": number,
        "nomenclature": "NIGHT VISION GOGGLE",
        "quantity": quantity,
        "unit": "EA",
        "nsn": "5855-01-534-5931",
    })
}

/// A line with serials.
#[must_use]
pub fn line_with(number: &str, serials: &[&str]) -> Json {
    line(number, &serials.len().to_string()).with("serials", serials.to_vec())
}

/// An event of the base case by one party.
fn in_case(label: &str, kind: &str, subject: &str, author: &str, key: &Key, body: Json) -> Event {
    Event::new(label, kind, subject, author, body).case(CASE).signed([key])
}

/// `transfer.authorized` of two pieces.
#[must_use]
pub fn authorized(label: &str) -> Event {
    let body = j!({
        "lines": [(line("1", "2"))],
        "end_user": "Border Service",
        "certificate": {"form": "euc", "number": "EUC-2026/11"},
    });
    in_case(label, "transfer.authorized", &format!("authorization/{label}"), "donor-a", &donor(), body)
}

/// A place in a country, with words.
#[must_use]
pub fn place(country: &str, text: &str) -> Json {
    j!({"country": country, "text": text})
}

/// `transfer.dispatched` of these serials under line 1 of an authorization, as one part of the stream `consignment/…`.
#[must_use]
pub fn dispatched(label: &str, stream: &str, authorization: &str, serials: &[&str], part: i64, last: bool) -> Event {
    let from = j!({"subject": (format!("authorization/{authorization}")), "line": "1"});
    let body = j!({
        "document_number": "W1A2B360000001",
        "lines": [(line_with(&part.to_string(), serials).with("authorization", from))],
        "packages": [{"mark": "CRATE 1/2", "kind": "crate"}],
        "seals": ["SEAL-1"],
        "carrier": "Carrier Ltd",
        "from": (place("DE", "Depot 1")),
        "to": (place("PL", "Depot 2")),
        "expected": "2026-01-20",
        "part": part,
        "last": last,
    });
    in_case(label, "transfer.dispatched", &format!("consignment/{stream}"), "donor-a", &donor(), body)
}

/// `transfer.received` of one dispatch line, as one part.
#[must_use]
pub fn received(
    label: &str,
    stream: &str,
    line: &str,
    serials: &[&str],
    absent: &[&str],
    part: i64,
    last: bool,
) -> Event {
    let mut results = j!({"present": (serials.to_vec())});
    if !absent.is_empty() {
        results.set("absent", absent.to_vec());
    }
    let body = j!({
        "lines": [{
            "line": line,
            "received": (serials.len().to_string()),
            "condition": "serviceable",
            "serials": results,
        }],
        "place": (place("PL", "Склад №2")),
        "part": part,
        "last": last,
    });
    in_case(label, "transfer.received", &format!("consignment/{stream}"), "recip-b", &recip(), body)
}

/// `receipt.attested` by the donor.
#[must_use]
pub fn attested(label: &str, stream: &str, about: &str) -> Event {
    let body = j!({"about": (Json::event_of(about)), "grade": "documented", "method": "carrier's delivery note"});
    in_case(label, "receipt.attested", &format!("consignment/{stream}"), "donor-a", &donor(), body)
}

/// `holding.declared` by the recipient.
#[must_use]
pub fn holding(label: &str) -> Event {
    let body = j!({
        "lines": [(line_with("1", &["SYN-OLD-1"]).with("original_date", "2019-06-01"))],
        "grade": "documented",
        "source": "inventory card 14",
    });
    in_case(label, "holding.declared", &format!("holding/{label}"), "recip-b", &recip(), body)
}

fn checked(access: &str, stream: &str, serials: &[&str]) -> Json {
    let described = j!({"subject": (format!("consignment/{stream}")), "line": "1"});
    j!({
        "type": "routine",
        "access": access,
        "site": "SITE-2",
        "items": [{
            "described_in": described,
            "serials": (serials.to_vec()),
            "grade": "sighted",
            "state": "in_custody",
            "condition": "serviceable",
        }],
        "checklist": [{"question": "Store locked?", "answer": "yes"}],
    })
}

/// `check.recorded` by inspector and recipient.
#[must_use]
pub fn check(label: &str, stream: &str, serials: &[&str]) -> Event {
    let body = checked("full", stream, serials).with("part", 1).with("last", true);
    in_case(label, "check.recorded", &format!("check/{label}"), "insp-c", &insp(), body).signed([&recip()])
}

/// `check.unilateral` by the inspector.
#[must_use]
pub fn unilateral(label: &str, stream: &str, serials: &[&str]) -> Event {
    let body = checked("partial", stream, serials).with("why_not_signed", "the commander was away");
    in_case(label, "check.unilateral", &format!("check/{label}"), "insp-c", &insp(), body)
}

/// `self_report.recorded` by the recipient.
#[must_use]
pub fn self_report(label: &str, stream: &str, serials: &[&str]) -> Event {
    let described = j!({"subject": (format!("consignment/{stream}")), "line": "1"});
    let body = j!({
        "items": [{"described_in": described, "serials": (serials.to_vec()), "state": "in_custody"}],
        "why_not_inspected": "front line",
        "part": 1,
        "last": true,
    });
    in_case(label, "self_report.recorded", &format!("check/{label}"), "recip-b", &recip(), body)
}

/// `diversion.reported` by the inspector, outside a case.
#[must_use]
pub fn diversion(label: &str) -> Event {
    let described = j!({"case": CASE, "subject": "consignment/c1", "line": "1"});
    let body = j!({
        "claim": "seen for sale",
        "source_grade": "photographed",
        "cases": [CASE],
        "items": [{"described_in": described, "serials": ["SYN-0002"]}],
        "place": (place("PL", "market")),
        "how_known": "photograph by a journalist",
    });
    Event::new(label, "diversion.reported", &format!("incident/insp-c.{label}"), "insp-c", body).signed([&insp()])
}
