//! Disclosures (SPEC §10, RFC 9901 §4.2): matching disclosure strings to the digests of a body.
//!
//! A digest stands in the `_sd` array of an object, for a member, or alone in `{"...":digest}`, for an array element.
//! A disclosed value may hold digests itself. Digests that nothing matches are counted, never faults.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::escape::quoted;
use crate::hash::{Hash, sha256};
use crate::json::{MAX_DEPTH, Value, parse};
use crate::scalar::base64url_bytes;

/// The most disclosures of an event.
pub const MAX_DISCLOSURES: usize = 256;
/// The most bytes of all disclosures of an event.
pub const MAX_DISCLOSURE_BYTES: usize = 256 * 1024;

const SD: &str = "_sd";
const DOTS: &str = "...";
const ALGORITHM: &str = "_sd_alg";
/// Where a body stands in its payload.
const BODY_DEPTH: usize = 2;

/// A rule of SPEC §10 that is not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisclosureFault {
    /// The disclosure at fault, by its number; `None` for a fault of the body itself.
    pub disclosure: Option<usize>,
    /// What the format asks for.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl DisclosureFault {
    fn new(disclosure: Option<usize>, expected: &str, found: impl Into<String>) -> DisclosureFault {
        DisclosureFault { disclosure, expected: expected.to_owned(), found: found.into() }
    }
}

/// One disclosure string, decoded.
struct Disclosure {
    digest: Hash,
    json: Vec<u8>,
}

/// Name (for a member) and value of a disclosure.
type Content<'a> = (Option<Cow<'a, str>>, Value<'a>);

/// What the disclosures of a body come to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Disclosed {
    /// How many digests are left undisclosed, as far as the body could be walked.
    pub undisclosed: u64,
    /// The first rule of SPEC §10 that body or disclosures do not keep.
    pub fault: Option<DisclosureFault>,
}

/// Checks the disclosures of a body and counts the digests left undisclosed.
pub fn check(body: &Value<'_>, strings: &[&str]) -> Disclosed {
    let mut undisclosed = 0;
    let fault = walk(body, strings, &mut undisclosed).err();
    Disclosed { undisclosed, fault }
}

/// What disclosures of an authority event come to, which has none.
pub fn refuse_any(strings: &[&str]) -> Disclosed {
    let fault = || DisclosureFault::new(Some(0), "no disclosure for an authority event", "one");
    Disclosed { undisclosed: 0, fault: (!strings.is_empty()).then(fault) }
}

fn walk(body: &Value<'_>, strings: &[&str], undisclosed: &mut u64) -> Result<(), DisclosureFault> {
    let disclosures = decode(strings)?;
    let contents = contents(&disclosures)?;
    let mut walk = Walk {
        by_digest: by_digest(&disclosures)?,
        contents: &contents,
        seen: HashSet::new(),
        used: vec![false; contents.len()],
        undisclosed: 0,
    };
    let walked = walk.value(body, BODY_DEPTH, None);
    *undisclosed = walk.undisclosed;
    walked?;
    match walk.used.iter().position(|used| !used) {
        None => Ok(()),
        Some(at) => Err(DisclosureFault::new(Some(at), "a disclosure whose digest is in its entry", "no such digest")),
    }
}

fn decode(strings: &[&str]) -> Result<Vec<Disclosure>, DisclosureFault> {
    let total: usize = strings.iter().map(|s| s.len()).sum();
    if strings.len() > MAX_DISCLOSURES || total > MAX_DISCLOSURE_BYTES {
        return Err(DisclosureFault::new(
            None,
            "at most 256 disclosures and 256 KiB an event",
            format!("{} disclosures of {total} bytes", strings.len()),
        ));
    }
    strings
        .iter()
        .enumerate()
        .map(|(at, string)| {
            let json = base64url_bytes(string.as_bytes())
                .ok_or_else(|| DisclosureFault::new(Some(at), "unpadded canonical base64url", quoted(string)))?;
            Ok(Disclosure { digest: sha256(&[string.as_bytes()]), json })
        })
        .collect()
}

fn contents(disclosures: &[Disclosure]) -> Result<Vec<Content<'_>>, DisclosureFault> {
    disclosures.iter().enumerate().map(|(at, disclosure)| content(at, &disclosure.json)).collect()
}

fn content(at: usize, json: &[u8]) -> Result<Content<'_>, DisclosureFault> {
    let form = "[salt,name,value] or [salt,value], the salt of 16 bytes in base64url";
    let wrong = |found: String| DisclosureFault::new(Some(at), form, found);
    let value = parse(json, MAX_DEPTH + 1).map_err(|e| wrong(e.to_string()))?;
    let Value::Array(items) = value else {
        return Err(wrong(value.type_name().to_owned()));
    };
    let count = items.len();
    let mut items = items.into_iter();
    let salt = items.next();
    let salted = salt
        .as_ref()
        .and_then(Value::as_str)
        .and_then(|salt| base64url_bytes(salt.as_bytes()))
        .is_some_and(|salt| salt.len() == 16);
    if !salted {
        return Err(wrong("another salt".to_owned()));
    }
    match (count, items.next(), items.next()) {
        (2, Some(value), None) => Ok((None, value)),
        (3, Some(Value::Str(name)), Some(value)) => {
            if name == SD || name == DOTS || name == ALGORITHM {
                return Err(DisclosureFault::new(Some(at), "a name other than _sd, _sd_alg and ...", quoted(&name)));
            }
            Ok((Some(name), value))
        }
        _ => Err(wrong(format!("an array of {count}"))),
    }
}

fn by_digest(disclosures: &[Disclosure]) -> Result<HashMap<Hash, usize>, DisclosureFault> {
    let mut map = HashMap::with_capacity(disclosures.len());
    for (at, disclosure) in disclosures.iter().enumerate() {
        if map.insert(disclosure.digest, at).is_some() {
            return Err(DisclosureFault::new(Some(at), "each disclosure once", "the same again"));
        }
    }
    Ok(map)
}

fn digest(value: &Value<'_>) -> Option<Hash> {
    let bytes = base64url_bytes(value.as_str()?.as_bytes())?;
    Some(Hash::from_bytes(bytes.try_into().ok()?))
}

/// The digest of `{"...":digest}`, if the element is one.
fn element_digest(value: &Value<'_>) -> Result<Option<Hash>, DisclosureFault> {
    let Some(inner) = value.member(DOTS) else {
        return Ok(None);
    };
    let alone = matches!(value, Value::Object(members) if members.len() == 1);
    match digest(inner) {
        Some(digest) if alone => Ok(Some(digest)),
        _ => Err(DisclosureFault::new(None, "... alone in an array element, with a digest", "another form")),
    }
}

/// A disclosure that a digest led to.
struct Matched {
    at: usize,
    name: Option<String>,
}

struct Walk<'d, 'a> {
    by_digest: HashMap<Hash, usize>,
    contents: &'d [Content<'a>],
    seen: HashSet<Hash>,
    used: Vec<bool>,
    undisclosed: u64,
}

impl Walk<'_, '_> {
    /// Walks a value that stands at a depth (1 is the outermost object), inside a disclosure or the body itself.
    fn value(&mut self, value: &Value<'_>, depth: usize, inside: Option<usize>) -> Result<(), DisclosureFault> {
        match value {
            Value::Array(items) => self.array(items, depth, inside),
            Value::Object(members) => self.object(members, depth, inside),
            _ => Ok(()),
        }
    }

    fn array(&mut self, items: &[Value<'_>], depth: usize, inside: Option<usize>) -> Result<(), DisclosureFault> {
        for item in items {
            match element_digest(item)? {
                None => self.value(item, depth + 1, inside)?,
                Some(digest) => {
                    if let Some(Matched { at, name: Some(_) }) = self.resolve(digest, depth, inside)? {
                        let expected = "[salt,value] for an array element";
                        return Err(DisclosureFault::new(Some(at), expected, "a name"));
                    }
                }
            }
        }
        Ok(())
    }

    fn object(
        &mut self,
        members: &[(Cow<'_, str>, Value<'_>)],
        depth: usize,
        inside: Option<usize>,
    ) -> Result<(), DisclosureFault> {
        let mut disclosed: HashSet<String> = HashSet::new();
        for (name, value) in members {
            match &**name {
                ALGORITHM => {
                    return Err(DisclosureFault::new(inside, "no _sd_alg", "_sd_alg"));
                }
                DOTS => {
                    let expected = "... only in an array element";
                    return Err(DisclosureFault::new(inside, expected, "a member ..."));
                }
                SD => {
                    for digest in sd_digests(value, inside)? {
                        let Some(Matched { at, name }) = self.resolve(digest, depth, inside)? else {
                            continue;
                        };
                        let Some(name) = name else {
                            let expected = "[salt,name,value] for a member";
                            return Err(DisclosureFault::new(Some(at), expected, "no name"));
                        };
                        let taken = members.iter().any(|(n, _)| *n == name);
                        let shown = quoted(&name);
                        if taken || !disclosed.insert(name) {
                            let expected = "a name that is not there already";
                            return Err(DisclosureFault::new(Some(at), expected, shown));
                        }
                    }
                }
                _ => self.value(value, depth + 1, inside)?,
            }
        }
        Ok(())
    }

    /// Looks a digest up and walks what it discloses; answers the disclosure's number and name.
    fn resolve(
        &mut self,
        digest: Hash,
        depth: usize,
        inside: Option<usize>,
    ) -> Result<Option<Matched>, DisclosureFault> {
        if !self.seen.insert(digest) {
            return Err(DisclosureFault::new(inside, "each digest once in an event", "a digest again"));
        }
        let Some(&at) = self.by_digest.get(&digest) else {
            self.undisclosed += 1;
            return Ok(None);
        };
        self.used[at] = true;
        let contents = self.contents;
        let (name, value) = &contents[at];
        let deepest = depth + value.depth();
        if deepest > MAX_DEPTH {
            return Err(DisclosureFault::new(
                Some(at),
                "nesting of at most 16, disclosures put back",
                deepest.to_string(),
            ));
        }
        self.value(value, depth + 1, Some(at))?;
        Ok(Some(Matched { at, name: name.as_ref().map(|n| n.to_string()) }))
    }
}

fn sd_digests(value: &Value<'_>, inside: Option<usize>) -> Result<Vec<Hash>, DisclosureFault> {
    let wrong = || DisclosureFault::new(inside, "_sd: an array of digests, not empty", value.type_name());
    let Value::Array(items) = value else {
        return Err(wrong());
    };
    if items.is_empty() {
        return Err(wrong());
    }
    items.iter().map(|item| digest(item).ok_or_else(wrong)).collect()
}

/// Disclosures by their digests, for a caller that shows them one by one.
pub(crate) struct Opened<'c, 'd> {
    contents: &'c [Content<'d>],
    by_digest: HashMap<Hash, usize>,
}

impl<'c, 'd> Opened<'c, 'd> {
    /// The disclosure of a digest: its number, the member's name if it is for a member, and the value.
    pub(crate) fn find(&self, digest_of: &Value<'_>) -> Option<(usize, Option<&'c str>, &'c Value<'d>)> {
        let at = *self.by_digest.get(&digest(digest_of)?)?;
        let (name, value) = self.contents.get(at)?;
        Some((at, name.as_deref(), value))
    }
}

/// Decodes disclosures for a caller that shows them one by one; only after [`check`] has accepted them, else none is
/// found.
pub(crate) fn opened<R>(strings: &[&str], then: impl FnOnce(&Opened<'_, '_>) -> R) -> R {
    let disclosures = decode(strings).unwrap_or_default();
    let contents = contents(&disclosures).unwrap_or_default();
    let by_digest = by_digest(&disclosures).unwrap_or_default();
    then(&Opened { contents: &contents, by_digest })
}

/// A value with every disclosure put back, and digests left out that nothing discloses. For printing; only after
/// [`check`] has accepted the disclosures.
pub fn restored(body: &Value<'_>, strings: &[&str]) -> Value<'static> {
    let disclosures = decode(strings).unwrap_or_default();
    let contents = contents(&disclosures).unwrap_or_default();
    let by_digest = by_digest(&disclosures).unwrap_or_default();
    let find = |value: &Value<'_>| -> Option<&Content<'_>> { contents.get(*by_digest.get(&digest(value)?)?) };
    put_back(body, &find, 0)
}

fn put_back<'c, 'd: 'c>(
    value: &Value<'_>,
    find: &impl Fn(&Value<'_>) -> Option<&'c Content<'d>>,
    depth: usize,
) -> Value<'static> {
    let hidden = || Value::Str(Cow::Borrowed("(undisclosed)"));
    // check() has bounded the depth; this bounds a caller that did not call it
    if depth > 2 * MAX_DEPTH {
        return hidden();
    }
    match value {
        Value::Null => Value::Null,
        Value::Bool(b) => Value::Bool(*b),
        Value::Int(n) => Value::Int(*n),
        Value::Str(text) => Value::Str(Cow::Owned(text.to_string())),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| match item.member(DOTS) {
                    None => put_back(item, find, depth + 1),
                    Some(digest) => find(digest).map_or_else(hidden, |(_, value)| put_back(value, find, depth + 1)),
                })
                .collect(),
        ),
        Value::Object(members) => {
            let mut out = Vec::with_capacity(members.len());
            for (name, value) in members {
                if name != SD {
                    out.push((Cow::Owned(name.to_string()), put_back(value, find, depth + 1)));
                    continue;
                }
                let Value::Array(digests) = value else {
                    continue;
                };
                let mut undisclosed = 0;
                for digest in digests {
                    match find(digest) {
                        Some((Some(name), value)) => {
                            out.push((Cow::Owned(name.to_string()), put_back(value, find, depth + 1)))
                        }
                        _ => undisclosed += 1,
                    }
                }
                if undisclosed > 0 {
                    out.push((Cow::Borrowed("(undisclosed members)"), Value::Int(undisclosed)));
                }
            }
            Value::Object(out)
        }
    }
}
