//! Salted disclosures: members and elements of a body that travel beside its envelope (SPEC §10, RFC 9901 §4.2).
//!
//! A disclosure is the base64url of `[salt,name,value]` for a member or `[salt,value]` for an element, the salt 16
//! random bytes in base64url. In the body as signed stands only its digest, the base64url of SHA-256 over the
//! disclosure's characters: a member's in the array `_sd` of its object, an element's as `{"...":digest}` in its place.
//! A disclosed value may hold digests itself.
//!
//! ```text
//! ["AAECAwQFBgcICQoLDA0ODw","place","warehouse 7"]
//! WyJBQUVDQXdRRkJnY0lDUW9MREEwT0R3IiwicGxhY2UiLCJ3YXJlaG91c2UgNyJd      the disclosure
//! Y1ejtjAvIeQKfc0Mi9bbjto65m7FYIPh29z4PevGpGM                           its digest
//! ```
//!
//! Limits: 256 disclosures and 256 KiB an event; nesting 16 also with all of them put back (SPEC §12).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::event::{Body, BodyError, concealable};
use crate::hash::sha256;
use crate::id::Kind;
use crate::json::{self, JsonError, MAX_DEPTH, pointer_token};
use crate::rule::is_authority_kind;

/// The most disclosures of one event (SPEC §10).
pub const MAX_DISCLOSURES: usize = 256;
/// The most characters of all disclosures of one event (SPEC §10).
pub const MAX_DISCLOSURE_BYTES: usize = 262_144;
/// How deep a body lies within its payload: the payload is the outermost (SPEC §12).
const BODY_DEPTH: usize = 2;
/// The member that holds the digests of an object's concealed members.
const DIGESTS: &str = "_sd";
/// The member that stands for a concealed element.
const ELEMENT: &str = "...";
/// The member by which RFC 9901 names another hash: not used here.
const ALGORITHM: &str = "_sd_alg";

/// The digest of a disclosure: SHA-256, in JSON base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisclosureDigest([u8; 32]);

impl DisclosureDigest {
    /// Returns the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for DisclosureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for DisclosureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisclosureDigest({self})")
    }
}

impl FromStr for DisclosureDigest {
    type Err = DisclosureError;

    fn from_str(text: &str) -> Result<Self, DisclosureError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| DisclosureError::Digest { path: String::new(), found: text.chars().take(80).collect() })
    }
}

/// What is wrong with disclosures, or with the digests of a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisclosureError {
    /// More disclosures than an event may have.
    #[error("limit disclosures {MAX_DISCLOSURES}: found {found}")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// More characters of disclosures than an event may have.
    #[error("limit disclosure bytes {MAX_DISCLOSURE_BYTES}: found {found}")]
    TooLong {
        /// How many.
        found: usize,
    },
    /// With all disclosures put back the event is nested too deep.
    #[error("{path}: limit nesting {MAX_DEPTH}: found a deeper one with disclosures put back")]
    TooDeep {
        /// The pointer of what is too deep.
        path: String,
    },
    /// A disclosure is not the canonical base64url of anything.
    #[error("expected a disclosure in canonical unpadded base64url, found {found:?}")]
    Encoding {
        /// The disclosure, shortened.
        found: String,
    },
    /// A disclosure is not strict JSON.
    #[error("a disclosure is not strict JSON: {error}")]
    Json {
        /// What is wrong.
        error: JsonError,
    },
    /// A disclosure is not `[salt,name,value]` or `[salt,value]`.
    #[error("expected {expected}, found {found}")]
    Form {
        /// What should stand there.
        expected: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// A digest is not the canonical base64url of 32 bytes.
    #[error("{path}: expected a digest (43 characters of canonical base64url), found {found:?}")]
    Digest {
        /// Where.
        path: String,
        /// What stands there, shortened.
        found: String,
    },
    /// `_sd`, `...` or `_sd_alg` stand where or how they must not.
    #[error("{path}: expected {expected}, found {found}")]
    Misplaced {
        /// Where.
        path: String,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// One digest stands twice in an event.
    #[error("{path}: expected digests that stand once in an event, found {digest} again")]
    Repeated {
        /// Where it stands again.
        path: String,
        /// The digest.
        digest: DisclosureDigest,
    },
    /// One disclosure was given twice.
    #[error("expected each disclosure once, found {digest} twice")]
    GivenTwice {
        /// Its digest.
        digest: DisclosureDigest,
    },
    /// A disclosure's name is already there.
    #[error("{path}: expected a member that is not there yet, found one of that name")]
    NameTaken {
        /// The pointer of the member.
        path: String,
    },
    /// A member's disclosure has no name, or an element's has one.
    #[error("{path}: expected {expected}, found the other sort of disclosure")]
    Sort {
        /// Where the digest stands.
        path: String,
        /// Which sort belongs there.
        expected: &'static str,
    },
    /// A digest has no disclosure, where all must have one.
    #[error("{path}: expected a disclosure for every digest, found none for {digest}")]
    Undisclosed {
        /// Where the digest stands.
        path: String,
        /// The digest.
        digest: DisclosureDigest,
    },
    /// A disclosure has no digest in the event.
    #[error("expected disclosures that belong to the event, found one whose digest {digest} is not in it")]
    Unmatched {
        /// Its digest.
        digest: DisclosureDigest,
    },
    /// A body of an authority kind conceals something.
    #[error("expected no disclosures with {kind}, found some")]
    AuthorityKind {
        /// The kind.
        kind: Kind,
    },
    /// Something is concealed that must be readable.
    #[error("{path}: expected a member that may be concealed, found a digest in place of one that may not")]
    NotConcealable {
        /// The pointer of what is concealed.
        path: String,
    },
}

/// One disclosure, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Disclosure {
    text: Box<str>,
    digest: DisclosureDigest,
    name: Option<Box<str>>,
    value: Value,
}

impl Disclosure {
    /// Reads a disclosure.
    ///
    /// # Errors
    /// When it is too long, not canonical base64url, not strict JSON, not of the form of SPEC §10, or names a member
    /// `_sd`, `_sd_alg` or `...`.
    pub fn parse(text: &str) -> Result<Self, DisclosureError> {
        if text.len() > MAX_DISCLOSURE_BYTES {
            return Err(DisclosureError::TooLong { found: text.len() });
        }
        let bytes = URL_SAFE_NO_PAD.decode(text);
        let bytes = bytes.map_err(|_| DisclosureError::Encoding { found: text.chars().take(80).collect() })?;
        let value = json::parse(&bytes, MAX_DEPTH).map_err(|error| DisclosureError::Json { error })?;
        let form = |expected, found: &Value| DisclosureError::Form {
            expected,
            found: found.to_string().chars().take(80).collect(),
        };
        let expected = "a disclosure [salt,name,value] or [salt,value]";
        let (salt, name, value) = match value {
            Value::Array(parts) => match <[Value; 3]>::try_from(parts) {
                Ok([salt, name, value]) => (salt, Some(name), value),
                Err(parts) => match <[Value; 2]>::try_from(parts) {
                    Ok([salt, value]) => (salt, None, value),
                    Err(parts) => return Err(form(expected, &Value::Array(parts))),
                },
            },
            other => return Err(form(expected, &other)),
        };
        let salt_bytes = salt.as_str().and_then(|salt| URL_SAFE_NO_PAD.decode(salt).ok());
        if salt_bytes.is_none_or(|bytes| bytes.len() != 16) {
            return Err(form("a salt of 16 bytes in canonical base64url", &salt));
        }
        let name = match name {
            None => None,
            Some(Value::String(name)) if !matches!(name.as_str(), DIGESTS | ELEMENT | ALGORITHM) => Some(name.into()),
            Some(other) => return Err(form("a member's name other than _sd, _sd_alg and ...", &other)),
        };
        let digest = DisclosureDigest(sha256(&[text.as_bytes()]));
        Ok(Self { text: text.into(), digest, name, value })
    }

    /// Reads the disclosures of one event.
    ///
    /// # Errors
    /// As [`Disclosure::parse`], or when they are too many or too long together.
    pub fn parse_all<S: AsRef<str>>(texts: &[S]) -> Result<Vec<Self>, DisclosureError> {
        check_bounds(texts.iter().map(AsRef::as_ref))?;
        texts.iter().map(|text| Self::parse(text.as_ref())).collect()
    }

    /// Returns the disclosure as it travels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns its digest.
    #[must_use]
    pub const fn digest(&self) -> DisclosureDigest {
        self.digest
    }

    /// Returns the member's name; `None` for an element.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the value, which may hold digests itself.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }
}

fn check_bounds<'a>(texts: impl Iterator<Item = &'a str>) -> Result<(), DisclosureError> {
    let (count, bytes) =
        texts.fold((0usize, 0usize), |(count, bytes), text| (count + 1, bytes.saturating_add(text.len())));
    if count > MAX_DISCLOSURES {
        return Err(DisclosureError::TooMany { found: count });
    }
    if bytes > MAX_DISCLOSURE_BYTES { Err(DisclosureError::TooLong { found: bytes }) } else { Ok(()) }
}

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
    };
    let body = restorer.value(body, "/body", BODY_DEPTH)?;
    let unused = disclosures.iter().enumerate().find(|(i, _)| !restorer.used.contains(i));
    match unused {
        Some((_, disclosure)) if matching == Matching::Complete => {
            Err(DisclosureError::Unmatched { digest: disclosure.digest })
        }
        _ => Ok(Restored {
            body,
            undisclosed: restorer.undisclosed,
            used: restorer.used.into_iter().collect(),
            places: restorer.places,
        }),
    }
}

struct Restorer<'a> {
    disclosures: &'a [Disclosure],
    by_digest: BTreeMap<DisclosureDigest, usize>,
    matching: Matching,
    seen: BTreeSet<DisclosureDigest>,
    used: BTreeSet<usize>,
    undisclosed: usize,
    places: Vec<String>,
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

    fn array(&mut self, elements: &[Value], path: &str, depth: usize) -> Result<Value, DisclosureError> {
        let mut restored = Vec::with_capacity(elements.len());
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
            let Some(disclosure) = self.find(digest, &at)? else { continue };
            if disclosure.name.is_some() {
                return Err(DisclosureError::Sort { path: at, expected: "an element's disclosure [salt,value]" });
            }
            restored.push(self.value(&disclosure.value, &at, depth + 1)?);
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
        for (i, digest) in digests.iter().enumerate() {
            let digest_at = format!("{at}/{i}");
            let Some(disclosure) = self.find(digest, &digest_at)? else { continue };
            let Some(name) = &disclosure.name else {
                let expected = "a member's disclosure [salt,name,value]";
                return Err(DisclosureError::Sort { path: digest_at, expected });
            };
            let place = format!("{path}/{}", pointer_token(name));
            if members.contains_key(&**name) || restored.contains_key(&**name) {
                return Err(DisclosureError::NameTaken { path: place });
            }
            let value = self.value(&disclosure.value, &place, depth + 1)?;
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

/// Why a body with its disclosures is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// The disclosures do not fit.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// The body with all disclosures put back is not of its kind.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// Reads a body as admission does: digests and disclosures match one to one, only what may be concealed is, and the
/// body with all of it put back is of its kind (SPEC §10).
///
/// `corrected` is the kind of the event that a `statement.corrected` names; its replacement body is read as one of that
/// kind. Left out, the replacement is only known to be an object.
///
/// # Errors
/// When any of that does not hold.
pub fn admit<S: AsRef<str>>(
    kind: &Kind,
    corrected: Option<&Kind>,
    body: &Value,
    disclosures: &[S],
) -> Result<Body, AdmitError> {
    let plain = disclosures.is_empty() && (is_authority_kind(kind.as_str()) || !has_digests(body));
    let body = if plain {
        Body::parse(kind, body)?
    } else {
        if is_authority_kind(kind.as_str()) {
            return Err(DisclosureError::AuthorityKind { kind: kind.clone() }.into());
        }
        let restored = restore(body, &Disclosure::parse_all(disclosures)?, Matching::Complete)?;
        let parsed = Body::parse(kind, &restored.body)?;
        let allowed = |place: &&String| !concealable(kind.as_str(), corrected.map(Kind::as_str), place);
        if let Some(place) = restored.places.iter().find(allowed) {
            return Err(DisclosureError::NotConcealable { path: place.clone() }.into());
        }
        parsed
    };
    if let (Some(corrected), Body::StatementCorrected(correction)) = (corrected, &body)
        && let Some(replacement) = &correction.replacement
    {
        Body::parse_replacement(corrected, &Value::Object(replacement.clone()))?;
    }
    Ok(body)
}

/// Where salts come from: the system's generator; a fixed one in tests.
pub trait Salts {
    /// Returns 16 random bytes.
    ///
    /// # Errors
    /// When the system has none to give.
    fn salt(&mut self) -> Result<[u8; 16], getrandom::Error>;
}

/// The system's random number generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSalts;

impl Salts for SystemSalts {
    fn salt(&mut self) -> Result<[u8; 16], getrandom::Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        Ok(salt)
    }
}

/// Why something cannot be concealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConcealError {
    /// Nothing stands at the pointer.
    #[error("{pointer}: expected a member or element below /body, found nothing")]
    NotFound {
        /// The pointer.
        pointer: String,
    },
    /// A pointer was given twice.
    #[error("{pointer}: expected each place once, found it twice")]
    Twice {
        /// The pointer.
        pointer: String,
    },
    /// The body holds digests already.
    #[error("expected a body without digests, found one with some")]
    AlreadyConcealed,
    /// The disclosures are too many or too long.
    #[error(transparent)]
    Limit(#[from] DisclosureError),
    /// The system's random number generator failed.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Conceals what stands at pointers from the payload's root, such as `/body/lines/0/serials`; returns the body as it is
/// to be signed, and the disclosures.
///
/// A place within another that is concealed too is concealed within the other's disclosure. Whether a kind allows it is
/// not asked here (see [`concealable`]).
///
/// # Errors
/// When nothing stands at a pointer, a pointer stands twice, the body holds digests already, a limit is passed, or the
/// random number generator fails.
pub fn conceal<P: AsRef<str>>(
    body: &Value,
    pointers: &[P],
    salts: &mut dyn Salts,
) -> Result<(Value, Vec<String>), ConcealError> {
    if has_digests(body) {
        return Err(ConcealError::AlreadyConcealed);
    }
    let mut ordered: Vec<&str> = pointers.iter().map(AsRef::as_ref).collect();
    // The deepest first, so that a place is concealed before what holds it.
    ordered.sort_unstable_by_key(|pointer| (std::cmp::Reverse(pointer.matches('/').count()), *pointer));
    if let Some(pair) = ordered.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(ConcealError::Twice { pointer: pair[0].to_owned() });
    }
    let mut concealed = body.clone();
    let mut disclosures = Vec::with_capacity(ordered.len());
    for pointer in ordered {
        let salt = URL_SAFE_NO_PAD.encode(salts.salt().map_err(ConcealError::Random)?);
        let disclosure = conceal_one(&mut concealed, pointer, &salt)
            .ok_or_else(|| ConcealError::NotFound { pointer: pointer.to_owned() })?;
        disclosures.push(disclosure);
    }
    check_bounds(disclosures.iter().map(String::as_str))?;
    Ok((concealed, disclosures))
}

/// Replaces what stands at a pointer by its digest and returns its disclosure; `None` when nothing stands there.
fn conceal_one(body: &mut Value, pointer: &str, salt: &str) -> Option<String> {
    let below = pointer.strip_prefix("/body/").map(|rest| format!("/{rest}"))?;
    let (parent, token) = below.rsplit_once('/')?;
    let name = token.replace("~1", "/").replace("~0", "~");
    let seal = |parts: Value| {
        let disclosure = URL_SAFE_NO_PAD.encode(parts.to_string());
        let digest = DisclosureDigest(sha256(&[disclosure.as_bytes()])).to_string();
        (disclosure, digest)
    };
    match body.pointer_mut(parent)? {
        Value::Object(members) => {
            if name == DIGESTS {
                return None;
            }
            let value = members.remove(&name)?;
            let (disclosure, digest) = seal(json!([salt, name, value]));
            if let Value::Array(digests) = members.entry(DIGESTS).or_insert_with(|| json!([])) {
                digests.push(Value::String(digest));
                // Their order would tell the order of the members.
                digests.sort_unstable_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            Some(disclosure)
        }
        Value::Array(elements) => {
            let index = name.parse::<usize>().ok().filter(|index| index.to_string() == name)?;
            let element = elements.get_mut(index)?;
            let (disclosure, digest) = seal(json!([salt, element.take()]));
            *element = json!({ ELEMENT: digest });
            Some(disclosure)
        }
        _ => None,
    }
}
