//! Putting disclosures back into a body as signed (SPEC §10).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{ALGORITHM, DIGESTS, Disclosure, DisclosureDigest, DisclosureError, ELEMENT, check_bounds};
use crate::fault::{self, Fault};
use crate::json::{MAX_DEPTH, pointer_token};

/// How deep a body lies within its payload: the payload is the outermost (SPEC §12).
const BODY_DEPTH: usize = 2;

/// Whether all digests must have their disclosures and the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// One to one, as at admission: no decoys, nothing left over.
    Complete,
    /// Some were withheld or erased since; left-over disclosures are told, not refused.
    Partial,
}

/// A body with its disclosures put back.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// The body; what is not disclosed is left out.
    pub body: Value,
    /// How many digests have no disclosure.
    pub undisclosed: usize,
    /// Which of the given disclosures were put back, by their places in what was given, ascending.
    pub used: Vec<usize>,
    /// The pointers, from the payload's root, of what was put back.
    pub places: Vec<String>,
    /// The pointers of the objects and arrays of which something is not disclosed, each once.
    pub concealing: Vec<String>,
}

/// Tells whether a body holds a digest, or anything that looks like one.
#[must_use]
pub fn has_digests(body: &Value) -> bool {
    match body {
        Value::Array(elements) => elements.iter().any(has_digests),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| matches!(name.as_str(), DIGESTS | ELEMENT | ALGORITHM) || has_digests(value)),
        _ => false,
    }
}

/// Puts disclosures back into a body as signed.
///
/// # Errors
/// On everything that SPEC §10 refuses; with [`Matching::Complete`] also on a digest without disclosure and on a
/// disclosure without digest.
pub fn restore(body: &Value, disclosures: &[Disclosure], matching: Matching) -> Result<Restored, DisclosureError> {
    check_bounds(disclosures.iter().map(Disclosure::as_str))?;
    let mut by_digest = BTreeMap::new();
    for (i, disclosure) in disclosures.iter().enumerate() {
        if by_digest.insert(disclosure.digest, i).is_some() {
            return Err(DisclosureError::GivenTwice { digest: disclosure.digest });
        }
    }
    let mut restorer = Restorer {
        disclosures,
        by_digest,
        matching,
        seen: BTreeSet::new(),
        used: BTreeSet::new(),
        undisclosed: 0,
        places: Vec::new(),
        concealing: Vec::new(),
    };
    let body = restorer.value(body, "/body", BODY_DEPTH)?;
    let unused = disclosures.iter().enumerate().find(|(i, _)| !restorer.used.contains(i));
    match unused {
        Some((_, disclosure)) if matching == Matching::Complete && !fault::is(Fault::TakesSurplusDisclosures) => {
            Err(DisclosureError::Unmatched { digest: disclosure.digest })
        }
        _ => Ok(Restored {
            body,
            undisclosed: restorer.undisclosed,
            used: restorer.used.into_iter().collect(),
            places: restorer.places,
            concealing: restorer.concealing,
        }),
    }
}

/// How deep objects and arrays are nested in a value: 0 for a plain one.
fn nesting(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(elements) => elements.iter().map(nesting).max(),
        Value::Object(members) => members.values().map(nesting).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}

struct Restorer<'a> {
    disclosures: &'a [Disclosure],
    by_digest: BTreeMap<DisclosureDigest, usize>,
    matching: Matching,
    seen: BTreeSet<DisclosureDigest>,
    used: BTreeSet<usize>,
    undisclosed: usize,
    places: Vec<String>,
    concealing: Vec<String>,
}

impl<'a> Restorer<'a> {
    /// Restores a value that stands at `path`; `depth` is what it has if it is an object or array.
    fn value(&mut self, value: &Value, path: &str, depth: usize) -> Result<Value, DisclosureError> {
        match value {
            Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => {
                Err(DisclosureError::TooDeep { path: path.to_owned() })
            }
            Value::Array(elements) => self.array(elements, path, depth),
            Value::Object(members) => self.object(members, path, depth),
            plain => Ok(plain.clone()),
        }
    }

    /// Restores a disclosed value, which is not nested too deep with its own digests either.
    fn disclosed(&mut self, disclosure: &'a Disclosure, path: &str, depth: usize) -> Result<Value, DisclosureError> {
        if depth + nesting(&disclosure.value) > MAX_DEPTH + 1 {
            return Err(DisclosureError::TooDeep { path: path.to_owned() });
        }
        self.value(&disclosure.value, path, depth)
    }

    fn array(&mut self, elements: &[Value], path: &str, depth: usize) -> Result<Value, DisclosureError> {
        let mut restored = Vec::with_capacity(elements.len());
        let mut concealed = false;
        for element in elements {
            let at = format!("{path}/{}", restored.len());
            let Some(digest) = element.as_object().and_then(|members| members.get(ELEMENT)) else {
                restored.push(self.value(element, &at, depth + 1)?);
                continue;
            };
            if element.as_object().is_some_and(|members| members.len() != 1) {
                let expected = "{\"...\":digest} without other members";
                return Err(DisclosureError::Misplaced { path: at, expected, found: "others".to_owned() });
            }
            let Some(disclosure) = self.find(digest, &at)? else {
                if !std::mem::replace(&mut concealed, true) {
                    self.concealing.push(path.to_owned());
                }
                continue;
            };
            if disclosure.name.is_some() {
                return Err(DisclosureError::Sort { path: at, expected: "an element's disclosure [salt,value]" });
            }
            restored.push(self.disclosed(disclosure, &at, depth + 1)?);
            self.places.push(at);
        }
        Ok(Value::Array(restored))
    }

    fn object(&mut self, members: &Map<String, Value>, path: &str, depth: usize) -> Result<Value, DisclosureError> {
        let mut restored = Map::new();
        for (name, value) in members {
            let at = format!("{path}/{}", pointer_token(name));
            match name.as_str() {
                DIGESTS => {}
                ALGORITHM => {
                    let expected = "no _sd_alg: digests are SHA-256";
                    return Err(DisclosureError::Misplaced { path: at, expected, found: "this member".to_owned() });
                }
                ELEMENT => {
                    let expected = "the member \"...\" only in an element of an array";
                    return Err(DisclosureError::Misplaced { path: at, expected, found: "this member".to_owned() });
                }
                _ => {
                    restored.insert(name.clone(), self.value(value, &at, depth + 1)?);
                }
            }
        }
        if let Some(digests) = members.get(DIGESTS) {
            self.concealed_members(digests, path, depth, members, &mut restored)?;
        }
        Ok(Value::Object(restored))
    }

    fn concealed_members(
        &mut self,
        digests: &Value,
        path: &str,
        depth: usize,
        members: &Map<String, Value>,
        restored: &mut Map<String, Value>,
    ) -> Result<(), DisclosureError> {
        let at = format!("{path}/{DIGESTS}");
        let Some(digests) = digests.as_array().filter(|digests| !digests.is_empty()) else {
            let found = digests.as_array().map_or("something else", |_| "an empty array").to_owned();
            return Err(DisclosureError::Misplaced { path: at, expected: "an array of digests, not empty", found });
        };
        let mut concealed = false;
        for (i, digest) in digests.iter().enumerate() {
            let digest_at = format!("{at}/{i}");
            let Some(disclosure) = self.find(digest, &digest_at)? else {
                if !std::mem::replace(&mut concealed, true) {
                    self.concealing.push(path.to_owned());
                }
                continue;
            };
            let Some(name) = &disclosure.name else {
                let expected = "a member's disclosure [salt,name,value]";
                return Err(DisclosureError::Sort { path: digest_at, expected });
            };
            let place = format!("{path}/{}", pointer_token(name));
            if members.contains_key(&**name) || restored.contains_key(&**name) {
                return Err(DisclosureError::NameTaken { path: place });
            }
            let value = self.disclosed(disclosure, &place, depth + 1)?;
            restored.insert(name.to_string(), value);
            self.places.push(place);
        }
        Ok(())
    }

    /// Finds the disclosure of a digest that stands at `path`; `None` where it may be lacking and is.
    fn find(&mut self, digest: &Value, path: &str) -> Result<Option<&'a Disclosure>, DisclosureError> {
        let wrong = |found: String| DisclosureError::Digest { path: path.to_owned(), found };
        let text = digest.as_str().ok_or_else(|| wrong(digest.to_string().chars().take(80).collect()))?;
        let digest: DisclosureDigest = text.parse().map_err(|_| wrong(text.chars().take(80).collect()))?;
        if !self.seen.insert(digest) {
            return Err(DisclosureError::Repeated { path: path.to_owned(), digest });
        }
        match self.by_digest.get(&digest) {
            Some(index) => {
                self.used.insert(*index);
                Ok(Some(&self.disclosures[*index]))
            }
            None if self.matching == Matching::Complete => {
                Err(DisclosureError::Undisclosed { path: path.to_owned(), digest })
            }
            None => {
                self.undisclosed += 1;
                Ok(None)
            }
        }
    }
}
