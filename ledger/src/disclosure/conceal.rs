//! Concealing members and elements of a body before it is signed (SPEC §10).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{DIGESTS, DisclosureDigest, DisclosureError, ELEMENT, check_bounds, has_digests};
use crate::hash::sha256;

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
/// not asked here (see [`concealable`](crate::event::concealable)).
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
