//! Strict I-JSON (SPEC §1): one value, nothing before or after it, every doubt refused.
//!
//! Refused: duplicate names (after unescaping), lone surrogates, noncharacters, U+0000, a byte-order mark, white
//! space before or after the value, fractions, exponents, `-0`, integers beyond ±(2^53−1), and nesting deeper than
//! the caller allows. Strings without escapes borrow from the input.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// The largest integer of I-JSON, 2^53 − 1.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// The nesting that events may have (SPEC §12); the outermost object is 1.
pub const MAX_DEPTH: usize = 16;

/// A JSON value whose strings borrow from the text that it was read from.
#[derive(Clone, PartialEq, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer of at most 53 bits.
    Int(i64),
    /// A string, unescaped.
    Str(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object: members in the order of the text, names unique.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The member of that name, if this is an object that has it.
    pub fn member(&self, name: &str) -> Option<&Value<'a>> {
        match self {
            Value::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// What an RFC 6901 pointer finds; `None` where it finds nothing.
    pub fn pointed(&self, pointer: &str) -> Option<&Value<'a>> {
        let mut at = self;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            at = match at {
                Value::Object(_) => at.member(&token)?,
                Value::Array(items) => items.get(array_index(&token)?)?,
                _ => return None,
            };
        }
        Some(at)
    }

    /// The word for what this is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Str(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// How deep the value nests: 0 for a scalar, 1 for an array or object of scalars.
    pub fn depth(&self) -> usize {
        match self {
            Value::Array(items) => 1 + items.iter().map(Value::depth).max().unwrap_or(0),
            Value::Object(members) => 1 + members.iter().map(|(_, v)| v.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }
}

fn array_index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with('0');
    (plain && !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit())).then(|| token.parse().ok()).flatten()
}

/// Whether a text is an RFC 6901 pointer.
pub fn is_pointer(text: &str) -> bool {
    let mut rest = text.bytes().peekable();
    if !text.is_empty() && !text.starts_with('/') {
        return false;
    }
    while let Some(byte) = rest.next() {
        if byte == b'~' && !matches!(rest.peek(), Some(b'0' | b'1')) {
            return false;
        }
    }
    true
}

/// Why a text is not I-JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JsonError {
    /// Byte offset of the fault.
    pub offset: usize,
    /// What should have stood there.
    pub expected: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.offset)
    }
}

impl std::error::Error for JsonError {}

/// Reads one value that is the whole of `bytes`, nested at most `max_depth`.
///
/// # Errors
/// The first fault, with its offset.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value<'_>, JsonError> {
    let text =
        std::str::from_utf8(bytes).map_err(|e| JsonError { offset: e.valid_up_to(), expected: "valid UTF-8" })?;
    let mut reader = Reader { text, at: 0, depth_left: max_depth };
    let value = reader.value()?;
    if reader.at != bytes.len() {
        return Err(reader.fault("the end of the text"));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth_left: usize,
}

impl<'a> Reader<'a> {
    fn fault(&self, expected: &'static str) -> JsonError {
        JsonError { offset: self.at, expected }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.fault("a JSON value"))
        }
    }

    fn value(&mut self) -> Result<Value<'a>, JsonError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Value::Str(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.fault("a JSON value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value<'a>, JsonError>) -> Result<Value<'a>, JsonError> {
        if self.depth_left == 0 {
            return Err(self.fault("nesting within the limit"));
        }
        self.depth_left -= 1;
        self.at += 1;
        let value = read(self)?;
        self.depth_left += 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value<'a>, JsonError> {
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        let mut many: HashSet<String> = HashSet::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.fault("a member name"));
            }
            let name = self.string()?;
            // a scan is fastest for the usual few members; a set keeps hostile objects linear
            let twice = if members.len() < 16 {
                members.iter().any(|(n, _)| *n == name)
            } else {
                if many.is_empty() {
                    many.extend(members.iter().map(|(n, _)| n.to_string()));
                }
                !many.insert(name.to_string())
            };
            if twice {
                return Err(JsonError { offset: start, expected: "a member name that is not there already" });
            }
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.fault("`:`"));
            }
            self.at += 1;
            self.skip_space();
            members.push((name, self.value()?));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                _ => return Err(self.fault("`,` or `}`")),
            }
            self.skip_space();
        }
    }

    fn array(&mut self) -> Result<Value<'a>, JsonError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.fault("`,` or `]`")),
            }
            self.skip_space();
        }
    }

    fn integer(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let digits = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[digits..self.at];
        let fault = |expected| Err(JsonError { offset: start, expected });
        if text.is_empty() || (text.starts_with('0') && (text.len() > 1 || negative)) {
            return fault("an integer without leading zero, not `-0`");
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return fault("an integer without fraction or exponent");
        }
        match text.parse::<i64>() {
            Ok(n) if n <= MAX_INTEGER => Ok(Value::Int(if negative { -n } else { n })),
            _ => fault("an integer within ±(2^53−1)"),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        let mut plain = start;
        let mut unescaped: Option<String> = None;
        loop {
            match self.peek() {
                None => return Err(self.fault("the end of the string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    let out = unescaped.get_or_insert_default();
                    out.push_str(&self.text[plain..self.at]);
                    out.push(self.escape()?);
                    plain = self.at;
                }
                Some(0..=0x1f) => return Err(self.fault("no control character")),
                Some(_) => self.at += 1,
            }
        }
        let tail = &self.text[plain..self.at];
        let string = match unescaped {
            None => Cow::Borrowed(tail),
            Some(mut out) => {
                out.push_str(tail);
                Cow::Owned(out)
            }
        };
        self.at += 1;
        if !string.is_ascii() && string.chars().any(is_noncharacter) || string.contains('\0') {
            return Err(JsonError { offset: start, expected: "a string without noncharacters or U+0000" });
        }
        Ok(string)
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let simple = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.fault("a JSON escape")),
        };
        self.at += 1;
        Ok(simple)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let lone = JsonError { offset: start, expected: "no lone surrogate" };
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    return Err(lone);
                }
                self.at += 1;
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(lone);
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        char::from_u32(code).ok_or(lone)
    }

    /// Reads the four digits after the `u` that the reader stands on.
    fn hex4(&mut self) -> Result<u32, JsonError> {
        self.at += 1;
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let code =
            digits.and_then(|digits| digits.iter().try_fold(0, |n, d| Some(n * 16 + char::from(*d).to_digit(16)?)));
        let code = code.ok_or_else(|| self.fault("four hex digits"))?;
        self.at += 4;
        Ok(code)
    }
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Value<'_>, JsonError> {
        parse(text.as_bytes(), MAX_DEPTH)
    }

    #[test]
    fn refused() {
        let deep = "[".repeat(17) + &"]".repeat(17);
        for bad in [
            "",
            " 1",
            "1 ",
            "\u{feff}1",
            "01",
            "-0",
            "-",
            "1.0",
            "1e3",
            "9007199254740992",
            "-9007199254740992",
            "99999999999999999999999",
            "+1",
            "nul",
            "tru",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\u0000\"",
            "\"\\ufffe\"",
            "\"\u{fdd0}\"",
            "\"\u{1ffff}\"",
            "\"\n\"",
            "{",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "[1,]",
            "[1",
            "[,1]",
            "{\"a\":1,\"\\u0061\":2}",
            "{\"a\":1 \"b\":2}",
            "1 2",
            "[1]]",
            &deep,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(parse(b"\"\xff\"", 16).is_err());
        assert!(parse(b"\"\xed\xa0\x80\"", 16).is_err());
    }

    #[test]
    fn accepted() {
        assert_eq!(read("9007199254740991"), Ok(Value::Int(MAX_INTEGER)));
        assert_eq!(read("\"\\ud83d\\ude00\""), Ok(Value::Str("😀".into())));
        assert_eq!(
            read("{ \"a\" : [ null , true ] }"),
            Ok(Value::Object(vec![("a".into(), Value::Array(vec![Value::Null, Value::Bool(true)]))]))
        );
        assert!(read(&("[".repeat(16) + &"]".repeat(16))).is_ok());
    }

    #[test]
    fn duplicates_among_many_members() {
        let mut text = String::from("{");
        for n in 0..100 {
            text += &format!("\"m{n}\":{n},");
        }
        assert!(read(&(text.clone() + "\"last\":0}")).is_ok());
        for twice in ["m0", "m15", "m16", "m99"] {
            assert!(read(&format!("{text}\"{twice}\":0}}")).is_err(), "{twice}");
        }
    }

    #[test]
    fn pointers() {
        let value = read(r#"{"a/b":{"m~n":[1,{"x":2}]},"":3}"#).expect("JSON");
        assert_eq!(value.pointed("/a~1b/m~0n/1/x"), Some(&Value::Int(2)));
        assert_eq!(value.pointed("/"), Some(&Value::Int(3)));
        assert_eq!(value.pointed(""), Some(&value));
        for nothing in ["/a", "/a~1b/m~0n/2", "/a~1b/m~0n/01", "/a~1b/m~0n/-", "/a~1b/m~0n/0/x"] {
            assert_eq!(value.pointed(nothing), None, "{nothing}");
        }
        assert!(is_pointer("") && is_pointer("/a~0b/~1"));
        assert!(!is_pointer("a") && !is_pointer("/~") && !is_pointer("/~2"));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, MAX_DEPTH);
        }

        #[test]
        fn never_panics_on_near_json(text in r#"[\[\]{}",:0-9eE.\\untrfalsd+ -]{0,60}"#) {
            let _ = parse(text.as_bytes(), MAX_DEPTH);
        }

        #[test]
        fn strings_round_trip(text in "[^\u{0}\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]{0,40}") {
            prop_assume!(!text.chars().any(is_noncharacter));
            let json = serde_json::to_string(&text).expect("a string");
            prop_assert_eq!(read(&json), Ok(Value::Str(text.clone().into())));
        }

        /// Whatever we accept, another reader accepts and understands the same.
        #[test]
        fn agrees_with_serde(text in r#"[\[\]{}",:0-9a-c\\u-]{0,40}"#) {
            if let Ok(value) = parse(text.as_bytes(), MAX_DEPTH) {
                let theirs: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
                prop_assert!(same(&value, &theirs));
            }
        }
    }

    fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
        use serde_json::Value as Theirs;
        match (ours, theirs) {
            (Value::Null, Theirs::Null) => true,
            (Value::Bool(a), Theirs::Bool(b)) => a == b,
            (Value::Int(a), Theirs::Number(b)) => b.as_i64() == Some(*a),
            (Value::Str(a), Theirs::String(b)) => a == b,
            (Value::Array(a), Theirs::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Value::Object(a), Theirs::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(n, v)| b.get(&**n).is_some_and(|t| same(v, t)))
            }
            _ => false,
        }
    }
}
