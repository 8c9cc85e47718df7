//! Splits a receipt into events that keep the limits: 45,000 bytes of payload (SPEC §12), and 5,000 serials.
//!
//! Each part is a statement of its own, after the one before: what was signed stands even if a later part is never
//! sent. A line of many serials goes on in the next part.

use countersign_ledger::event::common::Serial;
use countersign_ledger::event::scalars::Quantity;
use serde_json::{Map, Value, json};

use super::plan::{FoundAs, LineResult, Plan, whole};

/// The most serials of one part.
const MAX_SERIALS: usize = 5_000;
/// The most lines of one part (DOMAIN §2a).
const MAX_LINES: usize = 1_000;
/// What a line takes beside its serials.
const LINE_BYTES: usize = 200;

/// What one event of a receipt says.
#[derive(Debug, Default)]
pub(super) struct Part {
    lines: Vec<LineResult>,
    unexpected: Vec<Serial>,
    bytes: usize,
    serials: usize,
}

/// Splits what a receipt says into parts of at most `room` bytes of lines.
pub(super) fn split(plan: Plan, room: usize) -> Vec<Part> {
    let mut parts = vec![Part::default()];
    for line in plan.lines {
        add_line(&mut parts, line, room);
    }
    for serial in plan.unexpected {
        let size = size_of(&serial);
        let part = part_with(&mut parts, size, room);
        part.bytes += size;
        part.serials += 1;
        part.unexpected.push(serial);
    }
    parts
}

/// Returns the last part, or a new one if `bytes` more do not fit.
fn part_with(parts: &mut Vec<Part>, bytes: usize, room: usize) -> &mut Part {
    let full = parts.last().is_none_or(|part| {
        let empty = part.lines.is_empty() && part.unexpected.is_empty();
        !empty && (part.bytes + bytes > room || part.serials >= MAX_SERIALS || part.lines.len() >= MAX_LINES)
    });
    if full {
        parts.push(Part::default());
    }
    let last = parts.len() - 1;
    &mut parts[last]
}

fn add_line(parts: &mut Vec<Part>, line: LineResult, room: usize) {
    let LineResult { line: number, unmarked, serials, condition } = line;
    let begin = |unmarked| LineResult { line: number.clone(), unmarked, serials: Vec::new(), condition };
    let part = part_with(parts, LINE_BYTES + serials.first().map_or(0, |(_, serial)| size_of(serial)), room);
    part.bytes += LINE_BYTES;
    part.lines.push(begin(unmarked));
    for (found, serial) in serials {
        let size = size_of(&serial);
        let last = parts.len() - 1;
        let full = parts[last].bytes + size > room || parts[last].serials >= MAX_SERIALS;
        if full {
            parts.push(Part { bytes: LINE_BYTES, lines: vec![begin(Quantity::ZERO)], ..Part::default() });
        }
        let last = parts.len() - 1;
        let part = &mut parts[last];
        part.bytes += size;
        part.serials += 1;
        if let Some(line) = part.lines.last_mut() {
            line.serials.push((found, serial));
        }
    }
}

/// What a serial takes in JSON, with its comma.
fn size_of(serial: &Serial) -> usize {
    serde_json::to_string(serial.as_str()).map_or(serial.as_str().len() * 6, |text| text.len()) + 1
}

/// What every part of a receipt says beside its lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    /// Where.
    pub(super) place: Option<String>,
    /// Anything else; in the first part.
    pub(super) remarks: Option<String>,
}

impl Part {
    /// Writes the body; `number` is its part number and whether it is the last, unless the receipt is one event.
    pub(super) fn body(&self, beside: &Beside, first: bool, number: Option<(u16, bool)>) -> Value {
        let mut body = Map::new();
        body.insert("lines".to_owned(), self.lines.iter().map(line_value).collect());
        if !self.unexpected.is_empty() {
            body.insert("unexpected".to_owned(), json!([unexpected_line(&self.lines, &self.unexpected)]));
        }
        if let Some(place) = &beside.place {
            body.insert("place".to_owned(), json!({ "text": place }));
        }
        if let Some(remarks) = beside.remarks.as_ref().filter(|_| first) {
            body.insert("remarks".to_owned(), json!(remarks));
        }
        if let Some((part, last)) = number {
            body.insert("part".to_owned(), json!(part));
            body.insert("last".to_owned(), json!(last));
        }
        Value::Object(body)
    }
}

fn line_value(line: &LineResult) -> Value {
    let arrived = line.serials.iter().filter(|(found, _)| matches!(found, FoundAs::Present | FoundAs::Damaged)).count();
    let received = line.unmarked.checked_add(whole(arrived)).unwrap_or(line.unmarked);
    let mut value = Map::new();
    value.insert("line".to_owned(), json!(line.line.as_str()));
    value.insert("received".to_owned(), json!(received.to_string()));
    value.insert("condition".to_owned(), json!(line.condition.as_str()));
    if !line.serials.is_empty() {
        let mut results = Map::new();
        for (found, name) in [
            (FoundAs::Present, "present"),
            (FoundAs::Absent, "absent"),
            (FoundAs::Unexpected, "unexpected"),
            (FoundAs::Damaged, "damaged"),
        ] {
            let serials: Vec<&str> =
                line.serials.iter().filter(|(as_, _)| *as_ == found).map(|(_, serial)| serial.as_str()).collect();
            if !serials.is_empty() {
                results.insert(name.to_owned(), json!(serials));
            }
        }
        value.insert("serials".to_owned(), Value::Object(results));
    }
    Value::Object(value)
}

/// A line for serials that are on no line of the dispatch, under a number that none has.
fn unexpected_line(lines: &[LineResult], serials: &[Serial]) -> Value {
    let taken = |number: &str| lines.iter().any(|line| line.line.as_str() == number);
    let number = (1..).map(|n| format!("x{n}")).find(|number| !taken(number)).unwrap_or_default();
    json!({
        "line": number,
        "nomenclature": "items that no line of the dispatch lists",
        "quantity": serials.len().to_string(),
        "unit": "EA",
        "serials": serials.iter().map(Serial::as_str).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::event::Body;
    use countersign_ledger::event::codes::Condition;

    use super::*;

    fn line(number: &str, count: usize) -> LineResult {
        let serial = |i: usize| (FoundAs::Present, format!("SYN-{number}-{i:06}").parse().unwrap());
        LineResult {
            line: number.parse().unwrap(),
            unmarked: "2".parse().unwrap(),
            serials: (0..count).map(serial).collect(),
            condition: Condition::Serviceable,
        }
    }

    #[test]
    fn five_thousand_serials_make_parts_that_keep_the_limit() {
        let plan = Plan { lines: vec![line("1", 4_999), line("2", 1)], ..Plan::default() };
        let parts = split(plan, 40_000);
        assert_eq!(parts.len(), 2);
        let kind = "transfer.received".parse().unwrap();
        let (mut received, mut serials) = (0u64, 0);
        for (i, part) in parts.iter().enumerate() {
            let number = (u16::try_from(i).unwrap() + 1, i == 1);
            let value = part.body(&Beside::default(), i == 0, Some(number));
            assert!(value.to_string().len() < 41_000);
            let Body::TransferReceived(body) = Body::parse(&kind, &value).unwrap() else { panic!("a receipt") };
            for line in &body.lines {
                received += line.received.ten_thousandths() / 10_000;
                serials += line.serials.as_ref().unwrap().present.as_ref().unwrap().len();
            }
        }
        assert_eq!((received, serials), (5_004, 5_000), "the unmarked items of each line are told once");
    }

    #[test]
    fn unexpected_serials_get_a_line_of_their_own() {
        let plan = Plan { lines: vec![line("x1", 1)], unexpected: vec!["Z-1".parse().unwrap()], notes: Vec::new() };
        let parts = split(plan, 40_000);
        let beside = Beside { place: Some("Rzeszów".to_owned()), remarks: Some("in the rain".to_owned()) };
        let value = parts[0].body(&beside, true, None);
        assert!(Body::parse(&"transfer.received".parse().unwrap(), &value).is_ok(), "{value}");
        assert_eq!(value["unexpected"][0]["line"], "x2");
    }
}
