//! A statement as signed, one leaf value after the other, with what disclosures put back and what stays concealed.

use crate::disclosure::{self, Opened};
use crate::event::Event;
use crate::json::Value;
use crate::report_json::Out;

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// It stands in the payload that was signed.
    Signed,
    /// Its digest was signed, and the disclosure of this number shows it.
    Disclosed(usize),
    /// Only this digest of it was signed, and nothing discloses it.
    Concealed,
}

/// One value of the statement.
#[derive(Clone, PartialEq, Debug)]
pub struct Leaf {
    /// Where it stands (RFC 6901); disclosed members where they are put back.
    pub pointer: String,
    /// The value; of a concealed one, its digest.
    pub value: Out,
    /// Where it comes from.
    pub how: How,
}

/// A disclosure that shows a part of the statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Its number among the entry's disclosures.
    pub number: usize,
    /// Where its value was put back.
    pub pointer: String,
    /// Its digest, as signed.
    pub digest: String,
    /// The disclosure whose value has the digest; `None` for the payload.
    pub inside: Option<usize>,
}

/// What a statement says.
#[derive(Default)]
pub(super) struct Statement {
    pub(super) leaves: Vec<Leaf>,
    pub(super) shown: Vec<Shown>,
    /// Whether disclosures that came with the entry do not hold, so that none was put back.
    pub(super) disclosures_refused: bool,
}

/// Reads every leaf value of a payload.
pub(super) fn read(event: &Event, payload: &Value<'_>, strings: &[String]) -> Statement {
    let mut strings: Vec<&str> = strings.iter().map(String::as_str).collect();
    let conceals = event.act.is_none();
    let refused = match payload.member("body") {
        Some(body) if conceals => disclosure::check(body, &strings).fault.is_some(),
        _ => !strings.is_empty(),
    };
    if refused {
        strings.clear();
    }
    let mut statement = Statement { disclosures_refused: refused, ..Statement::default() };
    disclosure::opened(&strings, |opened| {
        let Value::Object(members) = payload else { return };
        for (name, value) in members {
            let opened = (conceals && name == "body").then_some(opened);
            let mut walk = Walk { statement: &mut statement, opened };
            walk.value(&format!("/{}", token(name)), value, None);
        }
    });
    statement
}

/// A member name as a token of a pointer.
fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Walk<'s, 'o, 'c, 'd> {
    statement: &'s mut Statement,
    /// Where disclosures are looked up; `None` where none may stand.
    opened: Option<&'o Opened<'c, 'd>>,
}

impl Walk<'_, '_, '_, '_> {
    fn value(&mut self, pointer: &str, value: &Value<'_>, inside: Option<usize>) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (name, value) in members {
                    match value {
                        Value::Array(digests) if name == "_sd" && self.opened.is_some() => {
                            self.digests(pointer, digests, inside);
                        }
                        _ => self.value(&format!("{pointer}/{}", token(name)), value, inside),
                    }
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (at, item) in items.iter().enumerate() {
                    let pointer = format!("{pointer}/{at}");
                    match item.member("...").filter(|_| self.opened.is_some()) {
                        Some(digest) => self.digest(&pointer, None, digest, inside),
                        None => self.value(&pointer, item, inside),
                    }
                }
            }
            leaf => {
                let how = inside.map_or(How::Signed, How::Disclosed);
                self.statement.leaves.push(Leaf { pointer: pointer.to_owned(), value: out(leaf), how });
            }
        }
    }

    fn digests(&mut self, pointer: &str, digests: &[Value<'_>], inside: Option<usize>) {
        for (at, digest) in digests.iter().enumerate() {
            self.digest(&format!("{pointer}/_sd/{at}"), Some(pointer), digest, inside);
        }
    }

    /// A digest at a pointer: of a member of the object at `parent`, or of an array element that stands there itself.
    fn digest(&mut self, pointer: &str, parent: Option<&str>, digest: &Value<'_>, inside: Option<usize>) {
        let found = self.opened.and_then(|opened| opened.find(digest));
        let Some((number, name, value)) = found else {
            self.statement.leaves.push(Leaf { pointer: pointer.to_owned(), value: out(digest), how: How::Concealed });
            return;
        };
        let put_back = match (parent, name) {
            (Some(parent), Some(name)) => format!("{parent}/{}", token(name)),
            _ => pointer.to_owned(),
        };
        self.statement.shown.push(Shown {
            number,
            pointer: put_back.clone(),
            digest: digest.as_str().unwrap_or_default().to_owned(),
            inside,
        });
        self.value(&put_back, value, Some(number));
    }
}

fn out(value: &Value<'_>) -> Out {
    match value {
        Value::Null => Out::Null,
        Value::Bool(truth) => Out::Bool(*truth),
        Value::Int(number) => Out::Signed(*number),
        Value::Str(text) => Out::Text(text.to_string()),
        // only empty ones are leaves
        Value::Array(_) => Out::List(Vec::new()),
        Value::Object(_) => Out::Object(Vec::new()),
    }
}
