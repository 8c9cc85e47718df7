//! Strict, bounded reading of I-JSON (RFC 7493; SPEC §1).
//!
//! Refused: duplicate names (after unescaping), lone surrogates, noncharacters, U+0000, a byte-order mark, white space
//! before or after the value, fractions, exponents, `-0`, integers beyond ±(2^53−1), and nesting deeper than the caller
//! allows. What passes is handed on as a [`serde_json::Value`]; nothing is repaired.
//!
//! An error names the place both as a byte offset and as a JSON Pointer (RFC 6901).

use std::fmt;

use serde_json::{Map, Number, Value};

/// The deepest nesting that the format allows: objects and arrays, the outermost is 1 (SPEC §12).
pub const MAX_DEPTH: usize = 16;

/// The largest integer that every JSON reader keeps exact: 2^53 − 1 (RFC 7493 §2.2).
pub const MAX_INTEGER: i64 = 9_007_199_254_740_991;

/// What is wrong with a text as I-JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFault {
    /// The bytes are not UTF-8.
    #[error("expected UTF-8, found a byte that is not")]
    NotUtf8,
    /// The text begins with a byte-order mark.
    #[error("expected a value, found a byte-order mark")]
    ByteOrderMark,
    /// White space stands before the value.
    #[error("expected a value, found white space before it")]
    SpaceBefore,
    /// Something stands after the value.
    #[error("expected the end, found {found} after the value")]
    Trailing {
        /// What stands there.
        found: String,
    },
    /// Something else was expected.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What would have been right.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A name stands twice in one object.
    #[error("expected distinct names, found {name:?} twice in one object")]
    DuplicateName {
        /// The name, unescaped.
        name: String,
    },
    /// An escape is half a surrogate pair.
    #[error("expected a whole surrogate pair, found one half")]
    LoneSurrogate,
    /// A code point that is no character, or U+0000.
    #[error("expected characters, found U+{code:04X}")]
    Forbidden {
        /// The code point.
        code: u32,
    },
    /// A number with a fraction or an exponent, `-0`, or beyond ±(2^53−1).
    #[error("expected an integer within ±(2^53−1), found {found}")]
    Number {
        /// The number as it stands.
        found: String,
    },
    /// Objects and arrays are nested too deep.
    #[error("limit nesting {limit}: found a deeper one")]
    TooDeep {
        /// The deepest allowed.
        limit: usize,
    },
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// The JSON Pointer of the value in which the fault lies.
    pub pointer: String,
    /// The offset of the faulty byte.
    pub offset: usize,
    /// What is wrong.
    pub fault: JsonFault,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {}", self.fault, self.offset)?;
        if !self.pointer.is_empty() {
            write!(f, ", in {}", self.pointer)?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for JsonError {}

/// Reads one value that fills `bytes` exactly.
///
/// # Errors
/// When the bytes are not I-JSON in the sense of SPEC §1, or nested deeper than `max_depth`.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    let top = |offset, fault| JsonError { pointer: String::new(), offset, fault };
    let text = std::str::from_utf8(bytes).map_err(|e| top(e.valid_up_to(), JsonFault::NotUtf8))?;
    if text.starts_with('\u{feff}') {
        return Err(top(0, JsonFault::ByteOrderMark));
    }
    let mut reader = Reader { text, bytes, at: 0, max_depth };
    if reader.skip_space() {
        return Err(top(0, JsonFault::SpaceBefore));
    }
    let value = reader.value(0).map_err(|raw| JsonError { pointer: raw.path, offset: raw.offset, fault: raw.fault })?;
    if reader.at < bytes.len() {
        return Err(top(reader.at, JsonFault::Trailing { found: reader.found() }));
    }
    Ok(value)
}

/// Escapes one reference token of a JSON Pointer (RFC 6901 §3).
#[must_use]
pub fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A fault on its way up: each level puts its own token before the path.
struct Raw {
    path: String,
    offset: usize,
    fault: JsonFault,
}

impl Raw {
    fn within(mut self: Box<Self>, token: &str) -> Box<Self> {
        self.path = format!("/{}{}", pointer_token(token), self.path);
        self
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    max_depth: usize,
}

impl Reader<'_> {
    fn fail(&self, offset: usize, fault: JsonFault) -> Box<Raw> {
        Box::new(Raw { path: String::new(), offset, fault })
    }

    /// Describes what stands at the present place.
    fn found(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => format!("{c:?}"),
            None if self.at >= self.bytes.len() => "the end".to_owned(),
            None => "part of a character".to_owned(),
        }
    }

    fn unexpected(&self, expected: &'static str) -> Box<Raw> {
        self.fail(self.at, JsonFault::Unexpected { expected, found: self.found() })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips white space and tells whether there was any.
    fn skip_space(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.at > start
    }

    fn value(&mut self, depth: usize) -> Result<Value, Box<Raw>> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, Box<Raw>> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.unexpected("a value"))
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), Box<Raw>> {
        if depth > self.max_depth {
            return Err(self.fail(self.at, JsonFault::TooDeep { limit: self.max_depth }));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<Value, Box<Raw>> {
        self.enter(depth)?;
        let mut members = Map::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            let name_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in double quotes"));
            }
            let name = self.string()?;
            if members.contains_key(&name) {
                return Err(self.fail(name_at, JsonFault::DuplicateName { name }));
            }
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("':'"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value(depth).map_err(|raw| raw.within(&name))?;
            members.insert(name, value);
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                _ => return Err(self.unexpected("',' or '}'")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Box<Raw>> {
        self.enter(depth)?;
        let mut elements = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            let value = self.value(depth).map_err(|raw| raw.within(&elements.len().to_string()))?;
            elements.push(value);
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(elements));
                }
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
    }

    fn number(&mut self) -> Result<Value, Box<Raw>> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let bad = |reader: &Self| reader.fail(start, JsonFault::Number { found: text.chars().take(40).collect() });
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let plain = !magnitude.is_empty()
            && magnitude.bytes().all(|b| b.is_ascii_digit())
            && (magnitude == "0" || !magnitude.starts_with('0'))
            && text != "-0";
        match text.parse::<i64>() {
            Ok(number) if plain && (-MAX_INTEGER..=MAX_INTEGER).contains(&number) => {
                Ok(Value::Number(Number::from(number)))
            }
            _ => Err(bad(self)),
        }
    }

    fn string(&mut self) -> Result<String, Box<Raw>> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|b| b != b'"' && b != b'\\' && (0x20..0x80).contains(&b)) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    out.push(c);
                }
                Some(b) if b >= 0x80 => {
                    let c = self.text[self.at..].chars().next().unwrap_or('\u{fffd}');
                    self.check(c, self.at)?;
                    self.at += c.len_utf8();
                    out.push(c);
                }
                _ => return Err(self.unexpected("a character or the closing '\"'")),
            }
        }
    }

    /// Refuses U+0000 and noncharacters.
    fn check(&self, c: char, offset: usize) -> Result<(), Box<Raw>> {
        let code = u32::from(c);
        if code == 0 || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe {
            return Err(self.fail(offset, JsonFault::Forbidden { code }));
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<char, Box<Raw>> {
        let start = self.at;
        self.at += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            _ => return Err(self.unexpected("an escape (one of \"\\/bfnrtu)")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Box<Raw>> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(self.fail(start, JsonFault::LoneSurrogate));
                }
                self.at += 2;
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.fail(start, JsonFault::LoneSurrogate));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        let c = char::from_u32(code).ok_or_else(|| self.fail(start, JsonFault::LoneSurrogate))?;
        self.check(c, start)?;
        Ok(c)
    }

    fn hex4(&mut self) -> Result<u32, Box<Raw>> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else { return Err(self.unexpected("four hex digits")) };
        let code = digits.iter().fold(0, |code, b| code * 16 + char::from(*b).to_digit(16).unwrap_or(0));
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn fault(text: &str) -> JsonFault {
        parse(text.as_bytes(), MAX_DEPTH).unwrap_err().fault
    }

    #[test]
    fn refuses_what_spec_1_refuses() {
        assert_eq!(fault(r#"{"a":1,"\u0061":2}"#), JsonFault::DuplicateName { name: "a".into() });
        assert_eq!(fault(r#""\ud800""#), JsonFault::LoneSurrogate);
        assert_eq!(fault(r#""\udc00""#), JsonFault::LoneSurrogate);
        assert_eq!(fault(r#""\ud800\u0041""#), JsonFault::LoneSurrogate);
        assert_eq!(fault(r#""\ufffe""#), JsonFault::Forbidden { code: 0xfffe });
        assert_eq!(fault(r#""\ud83f\udfff""#), JsonFault::Forbidden { code: 0x1ffff });
        assert_eq!(fault("\"\u{fdd0}\""), JsonFault::Forbidden { code: 0xfdd0 });
        assert_eq!(fault(r#""\u0000""#), JsonFault::Forbidden { code: 0 });
        assert_eq!(fault("\u{feff}{}"), JsonFault::ByteOrderMark);
        assert_eq!(fault(" {}"), JsonFault::SpaceBefore);
        for trailing in ["{} ", "{}\n", "{}{}", "1 1"] {
            assert!(matches!(fault(trailing), JsonFault::Trailing { .. }), "{trailing:?}");
        }
        for number in ["1.0", "1e3", "-0", "01", "9007199254740992", "-9007199254740992", "-", "99999999999999999999"] {
            assert!(matches!(fault(number), JsonFault::Number { .. }), "{number}");
        }
        for broken in
            ["", "{", "[1,]", "{\"a\"}", "{a:1}", "\"\t\"", "\"a", "tru", "nul", "[1 2]", "\"\\x\"", "\"\\u12\""]
        {
            assert!(matches!(fault(broken), JsonFault::Unexpected { .. }), "{broken:?}");
        }
        assert_eq!(parse(b"\"\xff\"", 16).unwrap_err().fault, JsonFault::NotUtf8);
    }

    #[test]
    fn depth_counts_from_the_outermost() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(16).as_bytes(), 16).is_ok());
        assert_eq!(fault(&nested(17)), JsonFault::TooDeep { limit: 16 });
        assert_eq!(fault(&"[".repeat(100_000)), JsonFault::TooDeep { limit: 16 });
    }

    #[test]
    fn a_fault_is_placed() {
        let error = parse(br#"{"a":[1,{"b/c":01}]}"#, 16).unwrap_err();
        assert_eq!(error.pointer, "/a/1/b~1c");
        assert_eq!(error.offset, 15);
    }

    #[test]
    fn surrogate_pairs_and_extremes_are_read() {
        assert_eq!(parse(br#""\ud83d\ude00\/""#, 16).unwrap(), Value::String("😀/".into()));
        assert_eq!(parse(b"9007199254740991", 16).unwrap(), serde_json::json!(9_007_199_254_740_991i64));
        assert_eq!(parse(b"-9007199254740991", 16).unwrap(), serde_json::json!(-9_007_199_254_740_991i64));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, 16);
        }

        #[test]
        fn agrees_with_serde_json_on_what_it_accepts(text in r#"[\[\]{}",:0-9a-z\\\- ]{0,40}"#) {
            if let Ok(value) = parse(text.as_bytes(), 16) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
