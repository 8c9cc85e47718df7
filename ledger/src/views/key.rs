//! Keys of the tables: a letter, then texts and numbers that sort as they should, none a prefix of another.
//!
//! | family | key | value |
//! |---|---|---|
//! | facts | `S` serial, case, `d`, subject, line, seq, n | description of an item with a serial |
//! | | `S` serial, case, `m`, seq, n | mention of a serial |
//! | | `L` case, subject, `d`, line, seq, n | description of what of a line has no serial |
//! | | `L` case, subject, `l`, line, seq, n | mention of a line |
//! | | `L` case, subject, `p`, line, seq, n, serial | mention of a serial that names this line |
//! | | `L` case, subject, `q`, line, serial, seq, n | description of an item with a serial on this line |
//! | | `L` case, subject, `s`, seq, n | mention of the whole stream |
//! | | `N` case, number, seq, n | mention of a stock, part or lot number |
//! | | `K` seq, n | link of two descriptions |
//! | | `V` case or nothing, subject, seq | step of a stream |
//! | | `D` case, subject, seq, n | draw on an authorization |
//! | records | `I` item | the item, without what was stated of it |
//! | | `E` seq | what an entry is, in short |
//! | | `W` type, case or nothing, subject | what a stream comes to |
//! | | `C` case | the case |
//! | | `O` due, case or nothing, subject, sort, n | an obligation |
//! | | `P` case or nothing, subject | the keys of its obligations |
//! | | `A` case, serial | the item that a serial leads to by a link |
//! | | `G` key id | who it signs for |
//! | | `H` party | its successor |
//! | | `X` seq of the corrected, seq of the correction | what the correction came to |
//! | | `Q` holder, state · case, state | how many items |
//! | index | `s` number, item · `h` holder, item · `t` state, item · `u` site, item | |
//! | | `b` case, number, item | what has no serial, by stock and part number |
//! | | `y` case, sort, date, item | held items by when they were inspected last |
//! | | `a` item, serial | serials that lead to the item by a link |
//! | | `m` serial, case, seq, n | serials that a link names |
//! | | `w` type, state, case or nothing, subject | streams by state |
//! | | `c` case, seq · `x` case, subject | entries that bear on a case; streams outside any case that do |
//! | | `r` value, scheme, seq · `n` hash, seq · `l` case, subject, line, seq | entries by what they refer to |
//! | meta | `position` | how far the entries are applied |
//! | | `last_link` | the last link that was followed |
//!
//! A text ends with a zero byte (zero and one within it are escaped); numbers are big-endian.

use crate::facts::ItemKey;
use crate::id::{CaseId, Seq, Subject};

/// A key being put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Begins with a letter.
    #[must_use]
    pub fn of(letter: u8) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(letter);
        Self(bytes)
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        push_text(&mut self.0, text);
        self
    }

    /// Adds the beginning of a text, to find all that begin so.
    #[must_use]
    pub fn start_of(mut self, text: &str) -> Self {
        push_text(&mut self.0, text);
        self.0.pop();
        self
    }

    /// Adds a case, or the empty text for none.
    #[must_use]
    pub fn case(self, case: Option<&CaseId>) -> Self {
        self.text(case.map_or("", CaseId::as_str))
    }

    /// Adds one byte.
    #[must_use]
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Adds bytes of a length that is always the same.
    #[must_use]
    pub fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds an entry's number.
    #[must_use]
    pub fn seq(self, seq: Seq) -> Self {
        self.fixed(&seq.0.to_be_bytes())
    }

    /// Adds a number within an entry.
    #[must_use]
    pub fn nth(self, n: usize) -> Self {
        self.fixed(&u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes())
    }

    /// Adds an item.
    #[must_use]
    pub fn item(mut self, key: &ItemKey) -> Self {
        push_item(&mut self.0, key);
        self
    }

    /// Returns the bytes.
    #[must_use]
    pub fn done(self) -> Vec<u8> {
        self.0
    }

    /// Returns the bytes, and those before which every key with this beginning ends.
    #[must_use]
    pub fn range(self) -> (Vec<u8>, Vec<u8>) {
        let end = after_prefix(&self.0);
        (self.0, end)
    }
}

/// Returns the first key that does not begin with `prefix`.
#[must_use]
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX; prefix.len() + 1]
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    for b in text.bytes() {
        match b {
            0 => bytes.extend_from_slice(&[1, 1]),
            1 => bytes.extend_from_slice(&[1, 2]),
            b => bytes.push(b),
        }
    }
    bytes.push(0);
}

fn push_item(bytes: &mut Vec<u8>, key: &ItemKey) {
    push_text(bytes, key.case.as_str());
    push_text(bytes, key.subject.as_str());
    push_text(bytes, &key.line);
    match &key.serial {
        None => bytes.push(1),
        Some(serial) => {
            bytes.push(2);
            push_text(bytes, serial);
        }
    }
}

/// Reads a key's parts, after its letter.
#[derive(Debug)]
pub struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// Begins after the letter.
    #[must_use]
    pub fn of(key: &'a [u8]) -> Self {
        Self(key.get(1..).unwrap_or_default())
    }

    /// Takes a text.
    pub fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|b| *b == 0)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        let mut bytes = Vec::with_capacity(text.len());
        let mut escaped = false;
        for b in text {
            match (escaped, b) {
                (false, 1) => escaped = true,
                (true, b) => {
                    bytes.push(b - 1);
                    escaped = false;
                }
                (false, b) => bytes.push(*b),
            }
        }
        String::from_utf8(bytes).ok()
    }

    /// Takes a text in its own form.
    pub fn parse<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.text()?.parse().ok()
    }

    /// Takes a case, `None` inside for the empty text.
    pub fn case(&mut self) -> Option<Option<CaseId>> {
        let text = self.text()?;
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    }

    /// Takes one byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Takes an entry's number.
    pub fn seq(&mut self) -> Option<Seq> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(Seq(u64::from_be_bytes(*bytes)))
    }

    /// Takes a number within an entry.
    pub fn nth(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// Takes an item.
    pub fn item(&mut self) -> Option<ItemKey> {
        let (case, subject, line) = (self.parse()?, self.parse::<Subject>()?, self.text()?);
        let serial = match self.byte()? {
            1 => None,
            2 => Some(self.text()?),
            _ => return None,
        };
        Some(ItemKey { case, subject, line, serial })
    }
}

/// Writes an item's key as one segment of a path: `case:type:id:line` and `:serial` where it has one. What is not a
/// letter, a digit or one of `.` `_` `-` in them stands as `~` and two hex digits for each byte.
#[must_use]
pub fn item_text(key: &ItemKey) -> String {
    let mut text = String::new();
    let parts = [key.case.as_str(), key.subject.ty(), key.subject.id(), key.line.as_str()];
    for (at, part) in parts.into_iter().chain(key.serial.as_deref()).enumerate() {
        if at > 0 {
            text.push(':');
        }
        for b in part.bytes() {
            if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-') {
                text.push(char::from(b));
            } else {
                text.push_str(&format!("~{b:02x}"));
            }
        }
    }
    text
}

/// Reads what [`item_text`] writes, and nothing else.
#[must_use]
pub fn parse_item(text: &str) -> Option<ItemKey> {
    let mut parts = Vec::new();
    for part in text.split(':') {
        let mut bytes = Vec::with_capacity(part.len());
        let mut rest = part.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first != b'~' {
                bytes.push(*first);
                continue;
            }
            let (digits, after) = rest.split_first_chunk::<2>()?;
            rest = after;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        }
        parts.push(String::from_utf8(bytes).ok()?);
    }
    let (case, ty, id, line, serial) = match parts.as_slice() {
        [case, ty, id, line] => (case, ty, id, line, None),
        [case, ty, id, line, serial] => (case, ty, id, line, Some(serial.clone())),
        _ => return None,
    };
    let key = ItemKey { case: case.parse().ok()?, subject: Subject::new(ty, id).ok()?, line: line.clone(), serial };
    (item_text(&key) == text).then_some(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn item(line: &str, serial: Option<&str>) -> ItemKey {
        ItemKey {
            case: "us-dsca.x1".parse().unwrap(),
            subject: "consignment/c-1".parse().unwrap(),
            line: line.to_owned(),
            serial: serial.map(str::to_owned),
        }
    }

    #[test]
    fn items_have_one_text_each() {
        for (key, text) in [
            (item("1", None), "us-dsca.x1:consignment:c-1:1"),
            (item("1/a", Some("SYN0001")), "us-dsca.x1:consignment:c-1:1~2fa:SYN0001"),
            (item("1", Some("Ж:~")), "us-dsca.x1:consignment:c-1:1:~d0~96~3a~7e"),
        ] {
            assert_eq!(item_text(&key), text);
            assert_eq!(parse_item(text), Some(key));
        }
        for bad in [
            "",
            "a:b",
            "us-dsca.x1:consignment:c-1:1:~D0~96",
            "us-dsca.x1:consignment:c-1:1:~41",
            "a:b:c:1:~d",
            "A:b:c:1",
        ] {
            assert_eq!(parse_item(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_read_back_and_sort() {
        let key = item("1", Some("a\u{0}b\u{1}c"));
        let bytes = Key::of(b'I').item(&key).seq(Seq(7)).done();
        let mut parts = Parts::of(&bytes);
        assert_eq!((parts.item(), parts.seq(), parts.byte()), (Some(key), Some(Seq(7)), None));
        let (from, end) = Key::of(b'S').text("A").range();
        let inside = Key::of(b'S').text("A").text("x").done();
        let beside = Key::of(b'S').text("A\u{0}").done();
        assert!(from <= inside && inside < end && !(from <= beside && beside < end));
        assert_eq!(after_prefix(&[1, 255]), [2]);
    }
}
