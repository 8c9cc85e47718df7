//! The small textual forms of SPEC §1: ids, kinds, patterns, base64, UUIDs.
//!
//! Every function answers whether the whole text has the form; nothing is trimmed, folded or repaired.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// An id: `[a-z0-9][a-z0-9._-]{0,95}`.
pub fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=96).contains(&bytes.len())
        && matches!(bytes[0], b'a'..=b'z' | b'0'..=b'9')
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// An id of a party: an id without `.`, other than the reserved `governance` (SPEC §8).
pub fn is_party_id(text: &str) -> bool {
    is_author(text) && text != GOVERNANCE
}

/// The reserved name of the governance quorum as author and signer.
pub const GOVERNANCE: &str = "governance";

/// A party id or `governance`.
pub fn is_author(text: &str) -> bool {
    is_id(text) && !text.contains('.')
}

/// A word: `[a-z_]+`, the form of types and of the halves of a kind.
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'))
}

/// A kind: `[a-z_]+\.[a-z_]+(\.v[2-9])?`.
pub fn is_kind(text: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(family), Some(act)) = (parts.next(), parts.next()) else {
        return false;
    };
    let version = match parts.next() {
        None => true,
        Some(v) => matches!(v.as_bytes(), [b'v', b'2'..=b'9']),
    };
    is_word(family) && is_word(act) && version && parts.next().is_none()
}

/// A pattern of `uses`: a kind, `prefix.*`, or `*` (SPEC §8).
pub fn is_pattern(text: &str) -> bool {
    text == "*" || text.strip_suffix(".*").is_some_and(is_word) || is_kind(text)
}

/// Whether a pattern matches a kind.
pub fn pattern_matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        // `prefix.`: the dot is part of what must stand at the start
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}

/// Whether everything that `narrow` matches is matched by `wide`.
pub fn pattern_covers(wide: &str, narrow: &str) -> bool {
    wide == "*" || wide == narrow || (!narrow.ends_with('*') && pattern_matches(wide, narrow))
}

/// An origin: `[a-z0-9][a-z0-9./_-]{2,127}` (SPEC §6).
pub fn is_origin(text: &str) -> bool {
    let bytes = text.as_bytes();
    (3..=128).contains(&bytes.len())
        && matches!(bytes[0], b'a'..=b'z' | b'0'..=b'9')
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'/' | b'_' | b'-'))
}

/// A UUID in lower case, of version 7 or 8 and the RFC 9562 variant (SPEC §3).
pub fn is_event_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            14 => matches!(b, b'7' | b'8'),
            19 => matches!(b, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Decodes padded canonical base64 (RFC 4648 §4).
pub fn base64_bytes(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Encodes padded base64.
pub fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes unpadded canonical base64url (RFC 4648 §5).
pub fn base64url_bytes(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A decimal of a note or proof: digits, no leading zero, at most 2^63 − 1.
pub fn decimal(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) || (bytes[0] == b'0' && bytes.len() > 1) {
        return None;
    }
    text.parse().ok().filter(|n| *n <= i64::MAX.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for good in ["a.b", "transfer.received", "a_b.c_d.v2", "a.b.v9"] {
            assert!(is_kind(good), "{good}");
        }
        for bad in ["", "a", "a.", ".b", "a.b.", "a.b.v1", "a.b.v10", "a.b.c", "A.b", "a.b.v2.v2", "a1.b"] {
            assert!(!is_kind(bad), "{bad}");
        }
    }

    #[test]
    fn patterns() {
        assert!(pattern_matches("*", "a.b.v2"));
        assert!(pattern_matches("a.*", "a.b.v2"));
        assert!(!pattern_matches("a.*", "ab.c"));
        assert!(!pattern_matches("a.b", "a.b.v2"));
        assert!(pattern_covers("a.*", "a.b"));
        assert!(pattern_covers("a.*", "a.*"));
        assert!(!pattern_covers("a.*", "*"));
        assert!(!pattern_covers("a.b", "a.*"));
        assert!(!pattern_covers("a.*", "ab.*"));
        for bad in ["**", ".*", "a.b.*", "a*", "", "a.v2.*"] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn ids() {
        assert!(is_id("a.b-c_9"));
        assert!(!is_id(".a"));
        assert!(!is_id(&"a".repeat(97)));
        assert!(is_id(&"a".repeat(96)));
        assert!(!is_party_id("a.b"));
        assert!(!is_party_id("governance"));
        assert!(is_author("governance"));
        assert!(is_event_uuid("334ec10f-1116-7384-8e8f-3a5d9f80371f"));
        assert!(!is_event_uuid("334ec10f-1116-4384-8e8f-3a5d9f80371f"));
        assert!(!is_event_uuid("334ec10f-1116-7384-ce8f-3a5d9f80371f"));
        assert!(!is_event_uuid("334EC10f-1116-7384-8e8f-3a5d9f80371f"));
    }

    #[test]
    fn encodings_are_canonical() {
        assert_eq!(base64_bytes(b"AA=="), Some(vec![0]));
        assert_eq!(base64_bytes(b"AB=="), None);
        assert_eq!(base64_bytes(b"AA"), None);
        assert_eq!(base64_bytes(b"AA==\n"), None);
        assert_eq!(base64url_bytes(b"AA"), Some(vec![0]));
        assert_eq!(base64url_bytes(b"AB"), None);
        assert_eq!(base64url_bytes(b"AA=="), None);
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("00"), None);
        assert_eq!(decimal("+1"), None);
        assert_eq!(decimal("9223372036854775808"), None);
    }
}
