//! What SPEC §10 refuses.

use super::{DisclosureDigest, MAX_DISCLOSURE_BYTES, MAX_DISCLOSURES};
use crate::id::Kind;
use crate::json::{JsonError, MAX_DEPTH};

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
