//! Parameters of a request: strict, and every fault named.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use countersign_ledger::id::CaseId;
use countersign_ledger::json::MAX_INTEGER;
use serde::de::DeserializeOwned;

use crate::problem::{Code, Problem};
use crate::wire::views::percent;

/// The form of a case id.
pub(crate) const CASE_ID: &str = "a case id ([a-z0-9][a-z0-9._-]{0,95})";

/// The placeholders of a path, percent-decoded.
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(segments)| Self(segments)).map_err(|e| Problem::new(Code::BadParameter, e.body_text()))
    }
}

/// The query of a request. Each parameter is taken by its name; [`Params::finish`] refuses what is left.
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) =
            Query::try_from_uri(&parts.uri).map_err(|e| Problem::new(Code::BadParameter, e.body_text()))?;
        Ok(Self(pairs))
    }
}

impl Params {
    /// Takes a parameter out.
    ///
    /// # Errors
    /// When it stands there more than once.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(at) = self.0.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, value) = self.0.remove(at);
        if self.0.iter().any(|(key, _)| key == name) {
            return Err(Problem::mismatch(Code::BadParameter, name, "the parameter once", "it more than once"));
        }
        Ok(Some(value))
    }

    /// Takes a number out.
    ///
    /// # Errors
    /// When it is no number from `min` to `max`, or stands there more than once.
    pub(crate) fn number(&mut self, name: &str, min: u64, max: u64) -> Result<Option<u64>, Problem> {
        self.take(name)?.map(|text| parse_number(name, &text, min, max)).transpose()
    }

    /// Takes a number out that must be there.
    ///
    /// # Errors
    /// As [`Params::number`], and when it is not there.
    pub(crate) fn required(&mut self, name: &str, min: u64, max: u64) -> Result<u64, Problem> {
        let missing = || Problem::mismatch(Code::BadParameter, name, describe(min, max), "nothing");
        self.number(name, min, max)?.ok_or_else(missing)
    }

    /// Takes a case out.
    ///
    /// # Errors
    /// When it is no case id, or stands there more than once.
    pub(crate) fn case(&mut self, name: &str) -> Result<Option<CaseId>, Problem> {
        self.take(name)?.map(|text| parse(name, &text, CASE_ID)).transpose()
    }

    /// Takes out a parameter that may have one of a few values.
    ///
    /// # Errors
    /// When it has another, or stands there more than once.
    pub(crate) fn choice(&mut self, name: &str, values: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        let wrong =
            || Problem::mismatch(Code::BadParameter, name, format!("one of {}", values.join(", ")), &quote(&text));
        values.iter().find(|value| **value == text).map(|value| Some(*value)).ok_or_else(wrong)
    }

    /// Returns the parameters without some of them, as one text that is the same for the same question.
    pub(crate) fn canonical(&self, without: &[&str]) -> String {
        let mut pairs: Vec<_> = self.0.iter().filter(|(name, _)| !without.contains(&name.as_str())).collect();
        pairs.sort_unstable();
        format!("{pairs:?}")
    }

    /// Returns the parameters without some of them, as a query.
    pub(crate) fn query(&self, without: &[&str]) -> String {
        let pairs = self.0.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        let pairs = pairs.map(|(name, value)| format!("{}={}", percent(name), percent(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Refuses parameters that nobody took.
    ///
    /// # Errors
    /// When there is one.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().take(40).collect();
                let expected = "only the parameters that /openapi.json names";
                Err(Problem::mismatch(Code::BadParameter, &shown, expected, "another"))
            }
        }
    }
}

fn quote(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

fn describe(min: u64, max: u64) -> String {
    format!("a decimal number from {min} to {max}, without leading zeros")
}

/// Reads a decimal number without sign and leading zeros.
///
/// # Errors
/// When it is another text, or out of range.
pub(crate) fn parse_number(name: &str, text: &str, min: u64, max: u64) -> Result<u64, Problem> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    let number = if plain { text.parse::<u64>().ok() } else { None };
    let wrong = || Problem::mismatch(Code::BadParameter, name, describe(min, max), &quote(text));
    number.filter(|number| (min..=max).contains(number)).ok_or_else(wrong)
}

/// The largest sequence number or size that JSON keeps exact (SPEC §1).
pub(crate) const MAX_NUMBER: u64 = MAX_INTEGER.unsigned_abs();

/// Reads an id or a hash.
///
/// # Errors
/// When the text is not of its form.
pub(crate) fn parse<T: FromStr>(name: &str, text: &str, expected: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::mismatch(Code::BadParameter, name, expected, &quote(text)))
}

/// Checks a request's media type against those that a route reads, parameters apart, and returns the one it has.
///
/// # Errors
/// When it is another, or the body is compressed.
pub(crate) fn content_type(headers: &HeaderMap, known: &[&'static str]) -> Result<&'static str, Problem> {
    if let Some(coding) = headers.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity") {
        let found = String::from_utf8_lossy(coding.as_bytes());
        return Err(Problem::mismatch(Code::UnsupportedMediaType, "content-encoding", "none", &found));
    }
    let value = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let found = value.as_deref().unwrap_or("nothing");
    let essence = found.split(';').next().unwrap_or_default().trim();
    let wrong = || Problem::mismatch(Code::UnsupportedMediaType, "content-type", known.join(" or "), found);
    known.iter().find(|known| known.eq_ignore_ascii_case(essence)).copied().ok_or_else(wrong)
}

/// Tells whether the client would rather have `media_type` than JSON: it names it, and does not name JSON before.
pub(crate) fn prefers(headers: &HeaderMap, media_type: &str) -> bool {
    let accept = headers.get_all(header::ACCEPT);
    let mut named = accept.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let wanted = named.find_map(|range| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        [media_type, "application/json", "*/*"].into_iter().find(|known| known.eq_ignore_ascii_case(essence))
    });
    wanted == Some(media_type)
}
