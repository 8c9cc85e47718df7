//! JSON on output: a writer for our own objects, and the report of SPEC §13.

use std::fmt::Write;

use crate::checks::Check;
use crate::default_policy::Difference;
use crate::fold::{Sealed, Suspect, SuspectBy};
use crate::report::Report;
use crate::witnessed::{Group, Said, Witness, Witnessed, time_text};

/// A JSON value to be written; members keep their order.
#[derive(Clone, PartialEq, Debug)]
pub enum Out {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(u64),
    /// An integer that may be negative.
    Signed(i64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Out>),
    /// An object.
    Object(Vec<(String, Out)>),
}

impl From<&str> for Out {
    fn from(text: &str) -> Out {
        Out::Text(text.to_owned())
    }
}

impl From<String> for Out {
    fn from(text: String) -> Out {
        Out::Text(text)
    }
}

impl From<u64> for Out {
    fn from(number: u64) -> Out {
        Out::Number(number)
    }
}

impl From<bool> for Out {
    fn from(truth: bool) -> Out {
        Out::Bool(truth)
    }
}

impl<T: Into<Out>> From<Option<T>> for Out {
    fn from(value: Option<T>) -> Out {
        value.map_or(Out::Null, Into::into)
    }
}

/// An object of named values.
pub fn object<const N: usize>(members: [(&str, Out); N]) -> Out {
    Out::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Out {
    /// The JSON text, on one line.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Out::Null => out.push_str("null"),
            Out::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Out::Number(number) => out.push_str(&number.to_string()),
            Out::Signed(number) => out.push_str(&number.to_string()),
            Out::Text(text) => write_text(out, text),
            Out::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Out::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_text(out, name);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Writes a string; whatever is not plain ASCII is escaped, so that the output hides nothing on a terminal.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // writing to a String cannot fail
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

impl Report {
    /// The object of SPEC §13.
    pub fn to_json(&self) -> String {
        self.to_out().to_json()
    }

    /// The object of SPEC §13, to stand in another.
    pub fn to_out(&self) -> Out {
        object([
            ("verdict", self.verdict().name().into()),
            ("ledger", self.ledger.map(|hash| hash.to_string()).into()),
            ("size", self.size.into()),
            ("shown", self.shown.into()),
            ("undisclosed", self.undisclosed.into()),
            ("checks", Out::List(self.checks.rows().iter().map(check).collect())),
            ("suspect", Out::List(self.suspects.iter().map(suspect).collect())),
            ("sealed", Out::List(self.sealed.iter().map(sealed).collect())),
            ("policy", self.policy.as_ref().map(|list| Out::List(list.iter().map(difference).collect())).into()),
            ("witnesses", self.witnessed.as_ref().map_or(Out::Null, witnesses)),
        ])
    }
}

fn check(row: &Check) -> Out {
    let fault = row.fault.as_ref();
    let detail = fault.map(|f| f.detail.clone()).or(row.detail.clone());
    object([
        ("code", row.code.name().into()),
        ("result", row.outcome.name().into()),
        ("seq", row.place.seq.into()),
        ("line", row.place.line.into()),
        ("expected", fault.map(|f| f.expected.clone()).into()),
        ("found", fault.map(|f| f.found.clone()).into()),
        ("detail", detail.into()),
    ])
}

fn witnesses(witnessed: &Witnessed) -> Out {
    let witness = |witness: &Witness| {
        let (result, times) = match witness.said {
            Said::Cosigned(when) => ("cosigned", Some(when)),
            Said::Nothing => ("missing", None),
            Said::Wrong => ("wrong", None),
            Said::Unsupported => ("unsupported", None),
        };
        object([
            ("name", witness.name.as_str().into()),
            ("key", witness.key.as_str().into()),
            ("auditor", witness.auditor.into()),
            ("counts", witness.counts.into()),
            ("result", result.into()),
            ("time", times.map(|when| time_text(when.newest)).into()),
        ])
    };
    let number = |n: usize| Out::Number(u64::try_from(n).unwrap_or(u64::MAX));
    let group = |group: &Group| {
        object([
            ("name", group.name.as_str().into()),
            ("threshold", number(group.threshold)),
            ("members", number(group.members)),
            ("witnessed", number(group.witnessed)),
            ("counts", group.counts.into()),
        ])
    };
    object([
        ("quorum", witnessed.quorum.into()),
        ("witnesses", Out::List(witnessed.witnesses.iter().map(witness).collect())),
        ("groups", Out::List(witnessed.groups.iter().map(group).collect())),
    ])
}

/// A suspect entry: its position, key and party, the revocation's position, and who signed that.
pub fn suspect(suspect: &Suspect) -> Out {
    let by = match suspect.by {
        SuspectBy::Party => "party",
        SuspectBy::Governance => "governance",
    };
    object([
        ("seq", suspect.seq.into()),
        ("keyid", suspect.key.to_string().into()),
        ("party", suspect.party.as_str().into()),
        ("revocation", suspect.revocation.into()),
        ("revoked_by", by.into()),
        ("suspect_from", suspect.from.to_string().into()),
    ])
}

/// A row of the policy that is not that of the default.
fn difference(difference: &Difference) -> Out {
    object([
        ("kind", difference.kind.as_str().into()),
        ("seq", difference.seq.into()),
        ("difference", difference.word().into()),
        ("before", difference.before.clone().into()),
        ("after", difference.after.clone().into()),
    ])
}

/// What a `sealed` line proved: the seal's position, the case and subject that it is of, how many events.
fn sealed(sealed: &Sealed) -> Out {
    object([
        ("seq", sealed.seq.into()),
        ("case", sealed.case.clone().into()),
        ("subject", sealed.subject.clone().into()),
        ("events", sealed.events.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_ascii_json() {
        let text = "a\"\\\n\u{202e}Ж😀";
        let json = Out::from(text).to_json();
        assert!(json.is_ascii());
        let back: String = serde_json::from_str(&json).expect("JSON");
        assert_eq!(back, text);
    }
}
