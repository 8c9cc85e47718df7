//! Shows an event so that a person knows what a signature will be under.
//!
//! Every value of the payload is one line, `pointer = value`. What could deceive the eye is escaped. A concealed value
//! is shown at its own place when its disclosure is at hand; a digest without one is shown as such, since its signer
//! signs unseen.

use std::collections::BTreeMap;
use std::io::{self, Write};

use countersign_ledger::disclosure::{Disclosure, DisclosureError};
use countersign_ledger::event::Event;
use countersign_ledger::json::pointer_token;
use serde::Serialize;
use serde_json::Value;

use crate::escape::quoted;

/// One value of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownValue {
    /// The JSON Pointer, from the payload's root.
    pub path: String,
    /// The value: a scalar, or an empty object or array.
    pub value: Value,
    /// How it stands in what is signed.
    #[serde(skip_serializing_if = "Shown::is_plain")]
    pub shown: Shown,
}

/// How a value stands in what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// As it is.
    Plain,
    /// Its digest is; the value travels beside the event.
    Concealed,
    /// It is a digest of something that is not at hand.
    Undisclosed,
}

impl Shown {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// Lists every value of an event.
///
/// # Errors
/// When a disclosure is not of its form.
pub fn values(event: &Event, disclosures: &[String]) -> Result<Vec<ShownValue>, DisclosureError> {
    let disclosures = Disclosure::parse_all(disclosures)?;
    let by_digest = disclosures.iter().map(|d| (d.digest().to_string(), d)).collect();
    let mut lister = Lister { by_digest, found: Vec::new() };
    if let Value::Object(members) = event.payload() {
        // the order of SPEC §3: who and what before the details
        const ORDER: [&str; 14] = [
            "kind",
            "subject",
            "case",
            "author",
            "signers",
            "occurred",
            "until",
            "after",
            "corrects",
            "body",
            "evidence",
            "ledger",
            "id",
            "countersign",
        ];
        for name in ORDER {
            if let Some(value) = members.get(name) {
                lister.list(value, &format!("/{name}"), Shown::Plain);
            }
        }
    }
    Ok(lister.found)
}

struct Lister<'a> {
    by_digest: BTreeMap<String, &'a Disclosure>,
    found: Vec<ShownValue>,
}

impl Lister<'_> {
    fn list(&mut self, value: &Value, path: &str, shown: Shown) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (name, member) in members {
                    match (name.as_str(), member) {
                        ("_sd", Value::Array(digests)) => self.members(digests, path, shown),
                        ("...", Value::String(digest)) => self.element(digest, path),
                        _ => self.list(member, &format!("{path}/{}", pointer_token(name)), shown),
                    }
                }
            }
            Value::Array(elements) if !elements.is_empty() => {
                for (i, element) in elements.iter().enumerate() {
                    self.list(element, &format!("{path}/{i}"), shown);
                }
            }
            _ => self.found.push(ShownValue { path: path.to_owned(), value: value.clone(), shown }),
        }
    }

    fn members(&mut self, digests: &[Value], path: &str, shown: Shown) {
        for (i, digest) in digests.iter().enumerate() {
            let disclosed = digest.as_str().and_then(|digest| self.by_digest.get(digest).copied());
            match disclosed.and_then(|d| d.name().map(|name| (name.to_owned(), d.value().clone()))) {
                Some((name, value)) => {
                    self.list(&value, &format!("{path}/{}", pointer_token(&name)), Shown::Concealed);
                }
                None if digest.is_string() => self.undisclosed(digest.clone(), format!("{path}/_sd/{i}")),
                None => self.list(digest, &format!("{path}/_sd/{i}"), shown),
            }
        }
    }

    fn element(&mut self, digest: &str, path: &str) {
        match self.by_digest.get(digest).map(|disclosure| disclosure.value().clone()) {
            Some(value) => self.list(&value, path, Shown::Concealed),
            None => self.undisclosed(Value::from(digest), format!("{path}/...")),
        }
    }

    fn undisclosed(&mut self, digest: Value, path: String) {
        self.found.push(ShownValue { path, value: digest, shown: Shown::Undisclosed });
    }
}

/// Writes one line a value, and what the marks mean if there are any.
///
/// # Errors
/// When writing fails.
pub fn write_values(out: &mut dyn Write, values: &[ShownValue]) -> io::Result<()> {
    for ShownValue { path, value, shown } in values {
        let mark = match shown {
            Shown::Plain => ' ',
            Shown::Concealed => '*',
            Shown::Undisclosed => '?',
        };
        writeln!(out, "{mark} {} = {}", crate::escape::escaped(path), scalar(value))?;
    }
    let has = |wanted: Shown| values.iter().any(|value| value.shown == wanted);
    if has(Shown::Concealed) {
        writeln!(out, "* concealed: its digest is signed, the value travels beside the event")?;
    }
    if has(Shown::Undisclosed) {
        writeln!(out, "? not disclosed: only a digest is at hand, so the signature is under something unseen")?;
    }
    Ok(())
}

/// Writes a value on one line; texts in quotes, with what could deceive the eye escaped.
#[must_use]
pub fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::disclosure::{SystemSalts, conceal};
    use serde_json::json;

    use super::*;

    fn event(body: &Value) -> Event {
        let payload = json!({
            "countersign": 1, "ledger": "0".repeat(64), "id": "01890a5d-ac96-774b-bcce-b302099a8057",
            "kind": "transfer.received", "subject": "consignment/a", "after": null, "author": "xa-mod",
            "occurred": {"date": "2026-09-21"}, "body": body,
        });
        Event::parse(payload.to_string().as_bytes()).unwrap()
    }

    fn shown(event: &Event, disclosures: &[String]) -> String {
        let mut out = Vec::new();
        write_values(&mut out, &values(event, disclosures).unwrap()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_value_is_shown_and_none_deceives() {
        let text = shown(&event(&json!({ "a": ["x\u{202e}y", {}], "b/c": { "d": 1, "e": null } })), &[]);
        assert!(text.starts_with("  /kind = \"transfer.received\"\n  /subject = \"consignment/a\"\n"), "{text}");
        for line in ["  /body/a/0 = \"x\\u{202e}y\"", "  /body/a/1 = {}", "  /body/b~1c/d = 1", "  /body/b~1c/e = null"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn concealed_values_are_marked_and_missing_ones_told() {
        let body = json!({ "place": { "text": "склад" }, "serials": ["A1", "A2"] });
        let (concealed, disclosures) = conceal(&body, &["/body/place", "/body/serials/1"], &mut SystemSalts).unwrap();
        let event = event(&concealed);
        let all = shown(&event, &disclosures);
        assert!(all.contains("* /body/place/text = \"склад\"\n"), "{all}");
        assert!(all.contains("* /body/serials/1 = \"A2\"\n") && all.contains("  /body/serials/0 = \"A1\"\n"), "{all}");
        assert!(!all.contains('?'), "{all}");
        let none = shown(&event, &[]);
        assert_eq!(none.matches("\n? /body/").count(), 2, "{none}");
        assert!(none.contains("not disclosed"), "{none}");
    }
}
