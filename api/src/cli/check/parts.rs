//! Splits a check into events that keep the limits: 45,000 bytes of payload (SPEC §12), 1,000 items, 5,000 serials.

use countersign_ledger::event::codes::{Condition, EvidenceGrade};
use countersign_ledger::event::common::Serial;
use serde_json::{Map, Value, json};

use super::plan::{As, Said};

/// The most items of one part (DOMAIN §2a).
const MAX_ITEMS: usize = 1_000;
/// The most serials of one part.
const MAX_SERIALS: usize = 5_000;
/// What an item takes beside its serials.
const ITEM_BYTES: usize = 320;

/// Cuts what a check says into parts of at most `room` bytes of items; one part at least.
pub(super) fn split(said: Vec<Said>, room: usize) -> Vec<Vec<Said>> {
    let mut parts: Vec<Vec<Said>> = vec![Vec::new()];
    let (mut bytes, mut serials) = (0, 0);
    for item in said {
        let Said { place, found, serials: all, counted } = item;
        let mut rest = all.into_iter().peekable();
        let mut counted = counted;
        loop {
            let first = ITEM_BYTES + rest.peek().map_or(0, size_of);
            let last = parts.len() - 1;
            if !parts[last].is_empty()
                && (bytes + first > room || serials >= MAX_SERIALS || parts[last].len() >= MAX_ITEMS)
            {
                parts.push(Vec::new());
                (bytes, serials) = (0, 0);
            }
            bytes += ITEM_BYTES;
            let mut taken = Vec::new();
            while let Some(serial) = rest.next_if(|next| bytes + size_of(next) <= room && serials < MAX_SERIALS) {
                bytes += size_of(&serial);
                serials += 1;
                taken.push(serial);
            }
            let last = parts.len() - 1;
            let said = Said { place: place.clone(), found, serials: taken, counted: counted.take() };
            parts[last].push(said);
            if rest.peek().is_none() {
                break;
            }
        }
    }
    parts
}

/// What a serial takes in JSON, with its comma.
fn size_of(serial: &Serial) -> usize {
    serde_json::to_string(serial.as_str()).map_or(serial.as_str().len() * 6, |text| text.len()) + 1
}

/// Writes an item of a check.
pub(super) fn item(said: &Said, grade: EvidenceGrade, condition: Option<Condition>) -> Value {
    let mut item = Map::new();
    let mut put = |name: &str, value: Value| drop(item.insert(name.to_owned(), value));
    if let Some(place) = &said.place {
        put("described_in", json!({ "subject": place.subject, "line": place.line.as_str() }));
    }
    match &said.counted {
        Some((quantity, unit)) => {
            put("quantity", json!(quantity.to_string()));
            put("unit", json!(unit));
        }
        None => put("serials", json!(said.serials.iter().map(Serial::as_str).collect::<Vec<_>>())),
    }
    let (grade, state, condition) = match said.found {
        As::NotFound => (EvidenceGrade::NotSeen, "not_found", None),
        // nobody scans what has no serial
        As::Seen if said.counted.is_some() && grade == EvidenceGrade::Scanned => {
            (EvidenceGrade::Sighted, "in_custody", condition)
        }
        As::Seen => (grade, "in_custody", condition),
        As::Damaged => (grade, "in_custody", Some(Condition::Damaged)),
    };
    put("grade", json!(grade));
    put("state", json!(state));
    if let Some(condition) = condition {
        put("condition", json!(condition));
    }
    Value::Object(item)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::event::Body;

    use super::super::population::Place;
    use super::*;

    #[test]
    fn a_large_check_keeps_the_limits() {
        let place =
            |n: usize| Place { subject: format!("consignment/{n}").parse().unwrap(), line: "1".parse().unwrap() };
        let serials = |n: usize, count: usize| (0..count).map(|i| format!("SYN-{n}-{i:06}").parse().unwrap()).collect();
        let mut said: Vec<Said> = (0..1_500)
            .map(|n| Said { place: Some(place(n)), found: As::Seen, serials: serials(n, 1), counted: None })
            .collect();
        said.push(Said { place: Some(place(9_999)), found: As::NotFound, serials: serials(9, 9_000), counted: None });
        said.push(Said {
            place: Some(place(3)),
            found: As::Seen,
            serials: Vec::new(),
            counted: Some(("2.5".parse().unwrap(), "KG".to_owned())),
        });
        let parts = split(said, 40_000);
        let kind = "check.recorded".parse().unwrap();
        let (mut named, mut counted) = (0, 0);
        for part in &parts {
            let items: Vec<Value> = part.iter().map(|said| item(said, EvidenceGrade::Scanned, None)).collect();
            let body = json!({ "type": "routine", "access": "full", "items": items });
            assert!(body.to_string().len() < 42_000, "{}", body.to_string().len());
            let Body::CheckRecorded(body) = Body::parse(&kind, &body).unwrap() else { panic!("a check") };
            for item in body.items() {
                named += item.serials.as_ref().map_or(0, |serials| serials.len());
                counted += usize::from(item.quantity.is_some());
            }
        }
        assert_eq!((named, counted), (10_500, 1));
        assert!(parts.len() > 5 && split(Vec::new(), 40_000).len() == 1);
    }
}
