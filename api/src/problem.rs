//! Problems: what the server answers instead of a result (RFC 9457), shared by server and client.
//!
//! ```json
//! {"type":"about:blank","title":"Conflict","status":409,"code":"stale_after",
//!  "detail":"/after: expected the head of the stream, found an earlier event","path":"/after",
//!  "expected":"the head of the stream","found":"an earlier event","head":"…","request_id":"…"}
//! ```
//!
//! `code` is stable: one of the ledger's refusal codes, or one of [`Code`]. Everything else is for people.

use std::fmt;

use countersign_ledger::hash::EventHash;
use countersign_ledger::id::Seq;
#[cfg(feature = "server")]
use countersign_ledger::refusal::{Refusal, RefusalCode};
use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The codes that are the server's own, beside the ledger's refusal codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A path or query parameter is missing, unknown, repeated or not of its form.
    BadParameter,
    /// A cursor is not one that this server gave for this question.
    BadCursor,
    /// The request's body could not be read to its end.
    BadRequest,
    /// There is nothing at this path, or nothing of this name.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// There is what was to be shown not to be there.
    Present,
    /// The body is longer than the route accepts.
    TooLarge,
    /// A file is another than the one named, or not all of it.
    EvidenceMismatch,
    /// Files were announced by somebody whose keys do not count.
    NotAnnounced,
    /// The range asked for is beyond the file.
    RangeNotSatisfiable,
    /// There is no room for a file.
    StorageFull,
    /// The body is of a type that the route does not read.
    UnsupportedMediaType,
    /// The client was too slow, or the server.
    Timeout,
    /// Too much is waiting; try again.
    Busy,
    /// This is a copy of a ledger: nothing is written here.
    ReadOnly,
    /// The server is stopping, or its store is in doubt.
    Stopped,
    /// The server's fault.
    Internal,
    /// A witness: no known key of the log signed the checkpoint.
    LogSignature,
    /// A witness: the checkpoint does not extend what was cosigned.
    Inconsistent,
    /// An auditor: an entry is not as it should be.
    AuditFailed,
}

impl Code {
    /// Every code of a ledger's server.
    pub const ALL: [Self; 17] = [
        Self::BadParameter,
        Self::BadCursor,
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Present,
        Self::TooLarge,
        Self::EvidenceMismatch,
        Self::NotAnnounced,
        Self::RangeNotSatisfiable,
        Self::StorageFull,
        Self::UnsupportedMediaType,
        Self::Timeout,
        Self::Busy,
        Self::ReadOnly,
        Self::Stopped,
        Self::Internal,
    ];

    /// Returns the code's text, which never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadParameter => "bad_parameter",
            Self::BadCursor => "bad_cursor",
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Present => "present",
            Self::TooLarge => "too_large",
            Self::EvidenceMismatch => "evidence_mismatch",
            Self::NotAnnounced => "not_announced",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::StorageFull => "storage_full",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::ReadOnly => "read_only",
            Self::Stopped => "stopped",
            Self::Internal => "internal",
            Self::LogSignature => "log_signature",
            Self::Inconsistent => "inconsistent",
            Self::AuditFailed => "audit_failed",
        }
    }

    /// Returns the HTTP status that goes with it (RFC 9110 §15).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadParameter | Self::BadCursor | Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Present => 409,
            Self::TooLarge => 413,
            Self::EvidenceMismatch | Self::Inconsistent | Self::AuditFailed => 422,
            Self::NotAnnounced | Self::ReadOnly | Self::LogSignature => 403,
            Self::RangeNotSatisfiable => 416,
            Self::StorageFull => 507,
            Self::UnsupportedMediaType => 415,
            Self::Timeout => 408,
            Self::Busy | Self::Stopped => 503,
            Self::Internal => 500,
        }
    }
}

/// A problem as it is sent (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Always `about:blank`: `code` says more than an address would.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The phrase of the status.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, for people.
    #[serde(default)]
    pub detail: String,
    /// What is wrong, for programs: never changes.
    pub code: String,
    /// The JSON Pointer or the parameter at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was expected there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The event hash of the stream's head, when `after` is stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$"))]
    pub head: Option<EventHash>,
    /// The entry that stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub existing: Option<Seq>,
    /// The request that this answers, as in the header `x-request-id` and in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// After how many seconds it makes sense to try again; sent as `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(&self.code) } else { f.write_str(&self.detail) }
    }
}

impl std::error::Error for Problem {}

#[cfg(feature = "server")]
impl Problem {
    /// Makes a problem of the server's own.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::with(code.status(), code.as_str(), detail.into())
    }

    fn with(status: u16, code: &'static str, detail: String) -> Self {
        let title = axum::http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
        Self {
            kind: about_blank(),
            title: title.to_owned(),
            status,
            detail,
            code: code.to_owned(),
            path: None,
            expected: None,
            found: None,
            hint: None,
            head: None,
            existing: None,
            request_id: None,
            retry_after: None,
        }
    }

    /// Makes the problem of something that differs from what was expected.
    #[must_use]
    pub fn mismatch(code: Code, path: &str, expected: impl Into<String>, found: &str) -> Self {
        let (expected, found) = (expected.into(), shorten(found));
        let mut problem = Self::new(code, format!("{path}: expected {expected}, found {found}"));
        problem.path = Some(path.to_owned());
        problem.expected = Some(expected);
        problem.found = Some(found);
        problem
    }

    /// Makes the problem of a name that nothing bears.
    #[must_use]
    pub fn not_found(what: &str, name: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {what} {}", shorten(&name.to_string())))
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// Shortens what a client sent, so that a problem never is larger than what it is about.
#[cfg(feature = "server")]
fn shorten(text: &str) -> String {
    const MAX: usize = 120;
    if text.chars().nth(MAX).is_none() { text.to_owned() } else { text.chars().take(MAX).chain(['…']).collect() }
}

#[cfg(feature = "server")]
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        Self {
            path: refusal.path,
            expected: Some(refusal.expected),
            found: Some(refusal.found),
            hint: refusal.hint,
            head: refusal.head,
            existing: refusal.existing,
            ..Self::with(refusal.code.http_status(), refusal.code.as_str(), detail)
        }
    }
}

/// Returns every code that a problem can have, for the description of the API.
#[cfg(feature = "server")]
pub fn codes() -> impl Iterator<Item = (&'static str, u16)> {
    let own = Code::ALL.iter().map(|code| (code.as_str(), code.status()));
    own.chain(RefusalCode::ALL.iter().map(|code| (code.as_str(), code.http_status())))
}

/// A problem travels through the router as an extension of an empty response; the outermost layer, which knows the
/// request's id, writes it out (`server::observe`).
#[cfg(feature = "server")]
impl axum::response::IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let status = axum::http::StatusCode::from_u16(self.status);
        let mut response = axum::response::Response::new(axum::body::Body::empty());
        *response.status_mut() = status.unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(Box::new(self));
        response
    }
}
