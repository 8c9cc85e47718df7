//! Totals of a selection: how many events of each kind and case, and what they add up to.
//!
//! Unlike units are never added (DOMAIN §1.8).

use std::collections::BTreeMap;
use std::io::{self, Write};

use countersign_ledger::event::Event;
use serde::Serialize;
use serde_json::Value;

use crate::cli::submit::count;
use crate::escape::escaped;

/// Fractions of a quantity: four places (SPEC §1).
const PLACES: u32 = 4;

/// The events of one kind and case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Total {
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) case: Option<String>,
    pub(super) events: usize,
    /// Quantities of lines and items, by unit; `""` where the event names none.
    pub(super) quantities: BTreeMap<String, String>,
    /// Serials named in them.
    pub(super) serials: usize,
}

#[derive(Default)]
struct Sums {
    events: usize,
    quantities: BTreeMap<String, i128>,
    serials: usize,
}

/// Adds up events, each with its body as far as it is disclosed.
pub(super) fn totals<'a>(events: impl Iterator<Item = (&'a Event, Value)>) -> Vec<Total> {
    let mut sums: BTreeMap<(String, Option<String>), Sums> = BTreeMap::new();
    for (event, body) in events {
        let key = (event.kind.to_string(), event.case.as_ref().map(ToString::to_string));
        let sum = sums.entry(key).or_default();
        sum.events += 1;
        for name in ["lines", "items", "unexpected"] {
            for line in body.get(name).and_then(Value::as_array).into_iter().flatten() {
                add_line(line, sum);
            }
        }
    }
    let total = |((kind, case), sum): ((String, Option<String>), Sums)| Total {
        kind,
        case,
        events: sum.events,
        quantities: sum.quantities.into_iter().map(|(unit, sum)| (unit, in_decimals(sum))).collect(),
        serials: sum.serials,
    };
    sums.into_iter().map(total).collect()
}

fn add_line(line: &Value, sum: &mut Sums) {
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    if let Some(quantity) = text("received").or_else(|| text("quantity")).and_then(parse) {
        let unit = text("unit").unwrap_or_default().to_owned();
        let of_unit = sum.quantities.entry(unit).or_default();
        *of_unit = of_unit.saturating_add(quantity);
    }
    sum.serials += match line.get("serials") {
        Some(Value::Array(serials)) => serials.len(),
        Some(Value::Object(results)) => results.values().filter_map(Value::as_array).map(Vec::len).sum(),
        _ => 0,
    };
}

/// Reads a quantity (SPEC §1) in ten-thousandths.
fn parse(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() > 15 || fraction.len() > 4 {
        return None;
    }
    let digits = format!("{whole}{fraction:0<4}");
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn in_decimals(sum: i128) -> String {
    let one = 10_i128.pow(PLACES);
    let (whole, fraction) = (sum / one, sum % one);
    if fraction == 0 {
        return whole.to_string();
    }
    format!("{whole}.{}", format!("{fraction:04}").trim_end_matches('0'))
}

/// Writes one line a kind and case.
pub(super) fn write(out: &mut dyn Write, totals: &[Total]) -> io::Result<()> {
    for total in totals {
        let place = total.case.as_ref().map(|case| format!(" in {case}")).unwrap_or_default();
        write!(out, "total: {} {}{place}", total.events, total.kind)?;
        for (unit, quantity) in &total.quantities {
            let unit = if unit.is_empty() { "(unit as dispatched)" } else { unit };
            write!(out, ", {quantity} {}", escaped(unit))?;
        }
        if total.serials > 0 {
            write!(out, ", {}", count(total.serials, "serial"))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_add_up_by_unit_and_exactly() {
        let event = |subject: &str| {
            let payload = json!({
                "countersign": 1, "ledger": "0".repeat(64), "id": "01890a5d-ac96-774b-bcce-b302099a8057",
                "kind": "holding.declared", "subject": subject, "after": null, "author": "xa-mod", "case": "c.1",
                "occurred": {"date": "2026-09-21"}, "body": {},
            });
            Event::parse(payload.to_string().as_bytes()).unwrap()
        };
        let lines = |quantity: &str, unit: &str| {
            json!({ "lines": [
            { "quantity": quantity, "unit": unit, "serials": ["A", "B"] }, { "quantity": "0.1", "unit": "EA" },
        ] })
        };
        let events = [event("holding/1"), event("holding/2")];
        let bodies = [lines("999999999999999.9999", "KG"), lines("0.2", "KG")];
        let found = totals(events.iter().zip(bodies));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].events, found[0].serials), (2, 4));
        assert_eq!(found[0].quantities["KG"], "1000000000000000.1999");
        assert_eq!(found[0].quantities["EA"], "0.2");
        let mut text = Vec::new();
        write(&mut text, &found).unwrap();
        let expected = "total: 2 holding.declared in c.1, 0.2 EA, 1000000000000000.1999 KG, 4 serials\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        for wrong in ["", ".", "1.23456", "-1", "1e3", "٣"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
