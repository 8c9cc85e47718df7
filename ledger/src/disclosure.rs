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

mod conceal;
mod error;
mod restore;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

pub use self::conceal::{ConcealError, Salts, SystemSalts, conceal};
pub use self::error::DisclosureError;
pub use self::restore::{Matching, Restored, has_digests, restore};
use crate::event::{Body, BodyError, concealable};
use crate::hash::sha256;
use crate::id::Kind;
use crate::json::{self, MAX_DEPTH};
use crate::rule::is_authority_kind;

/// The most disclosures of one event (SPEC §10).
pub const MAX_DISCLOSURES: usize = 256;
/// The most characters of all disclosures of one event (SPEC §10).
pub const MAX_DISCLOSURE_BYTES: usize = 262_144;
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
/// kind. Left out, because that event is not looked up yet, the replacement is only known to be an object, and what it
/// conceals is not judged.
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
        let refused = |place: &&String| {
            let later = corrected.is_none() && place.starts_with("/body/replacement/");
            !later && !concealable(kind.as_str(), corrected.map(Kind::as_str), place)
        };
        if let Some(place) = restored.places.iter().find(refused) {
            return Err(DisclosureError::NotConcealable { path: place.clone() }.into());
        }
        parsed
    };
    if let (Some(corrected), Body::StatementCorrected(correction)) = (corrected, &body)
        && let Some(replacement) = &correction.replacement
    {
        Body::parse_replacement(corrected, replacement.as_value())?;
    }
    Ok(body)
}
