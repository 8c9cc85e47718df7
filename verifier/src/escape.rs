//! Making text from entries safe to print: what is invisible, moves the cursor or reorders the line is shown as
//! `\u{…}` (SPEC §13), so that a report reads as it is.

use std::fmt::Write;

/// The longest piece of an entry that a message quotes, in characters.
const QUOTE_LIMIT: usize = 120;

/// Whether a character could hide, reorder or rewrite what stands around it.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00ad                      // soft hyphen
            | 0x034f                    // combining grapheme joiner
            | 0x061c                    // Arabic letter mark
            | 0x115f | 0x1160 | 0x3164 | 0xffa0 // Hangul fillers
            | 0x17b4 | 0x17b5           // Khmer inherent vowels
            | 0x180b..=0x180f           // Mongolian selectors and separator
            | 0x200b..=0x200f           // zero width, left-to-right and right-to-left marks
            | 0x2028..=0x202e           // line and paragraph separators, embeddings, overrides
            | 0x2060..=0x206f           // word joiner, isolates, deprecated format characters
            | 0x2800                    // blank Braille pattern
            | 0xfe00..=0xfe0f           // variation selectors
            | 0xfeff                    // zero width no-break space
            | 0xfff0..=0xfffb           // interlinear annotation and unassigned specials
            | 0x1bca0..=0x1bca3         // shorthand format controls
            | 0x1d173..=0x1d17a         // musical format controls
            | 0xe0000..=0xe0fff         // tags and further selectors
            | 0xe000..=0xf8ff           // private use
            | 0xf0000..=0x10ffff)
        || (c.is_whitespace() && c != ' ')
}

/// The text with every unsafe character and every backslash escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_escaped(&mut out, c);
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    if c == '\\' {
        out.push_str("\\\\");
    } else if is_unsafe(c) {
        // writing to a String cannot fail
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

/// The text in quotes, escaped, and cut if it is long; says how much was cut.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    let mut rest = text.chars();
    for c in rest.by_ref().take(QUOTE_LIMIT) {
        if c == '"' {
            out.push('\\');
        }
        push_escaped(&mut out, c);
    }
    out.push('"');
    let cut = rest.count();
    if cut > 0 {
        let _ = write!(out, " and {cut} more characters");
    }
    out
}

/// Bytes quoted as text, with what is not UTF-8 replaced.
pub fn quoted_bytes(bytes: &[u8]) -> String {
    // four bytes a character at most: enough to fill the quote, whatever follows
    let head = &bytes[..bytes.len().min(QUOTE_LIMIT * 4)];
    let mut out = quoted(&String::from_utf8_lossy(head));
    if head.len() < bytes.len() {
        let _ = write!(out, " ({} bytes in all)", bytes.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_nothing() {
        assert_eq!(escaped("a\u{202e}b\u{1b}[2J\n"), r"a\u{202e}b\u{1b}[2J\u{a}");
        assert_eq!(escaped("Київ القاهرة"), "Київ القاهرة");
        assert_eq!(escaped("\\u{202e}"), r"\\u{202e}");
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
        assert!(quoted(&"x".repeat(200)).ends_with("80 more characters"));
    }
}
