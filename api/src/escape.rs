//! Makes text that others wrote safe to print.
//!
//! A control character can move the cursor, a bidirectional mark can reorder a line, an invisible character can hide in
//! it. Each is shown as `\u{…}`; a backslash as `\\`, so that nothing can pass itself off as an escape. Letters of every
//! script are left as they are.

use std::fmt::Write as _;

/// Tells whether a character could hide, reorder or rewrite what stands around it.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c),
            0x00ad                                 // soft hyphen
            | 0x034f                               // combining grapheme joiner
            | 0x061c                               // Arabic letter mark
            | 0x115f | 0x1160 | 0x3164 | 0xffa0    // Hangul fillers
            | 0x17b4 | 0x17b5                      // Khmer inherent vowels
            | 0x180b..=0x180f                      // Mongolian selectors and separator
            | 0x200b..=0x200f                      // zero width, left-to-right and right-to-left marks
            | 0x2028..=0x202e                      // separators, embeddings, overrides
            | 0x2060..=0x206f                      // word joiner, isolates, deprecated format characters
            | 0x2800                               // blank Braille pattern
            | 0xe000..=0xf8ff                      // private use
            | 0xfe00..=0xfe0f                      // variation selectors
            | 0xfeff                               // zero width no-break space
            | 0xfff0..=0xfffb                      // interlinear annotation, unassigned specials
            | 0x1_bca0..=0x1_bca3                  // shorthand format controls
            | 0x1_d173..=0x1_d17a                  // musical format controls
            | 0xe_0000..=0x10_ffff) // tags, further selectors, private use
}

/// Returns the text with every deceptive character and every backslash escaped.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push(&mut out, c);
    }
    out
}

/// Returns the text with every deceptive character escaped, backslashes left alone: for messages, which quote with
/// escapes of their own.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' { out.push(c) } else { push(&mut out, c) }
    }
    out
}

/// Returns the text escaped, in double quotes, with the quotes inside it escaped too.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if c == '"' {
            out.push('\\');
        }
        push(&mut out, c);
    }
    out.push('"');
    out
}

fn push(out: &mut String, c: char) {
    if c == '\\' {
        out.push_str("\\\\");
    } else if is_deceptive(c) {
        // writing to a string cannot fail
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_nothing_and_leaves_letters_alone() {
        assert_eq!(escaped("a\u{202e}b\u{1b}[2J\n"), r"a\u{202e}b\u{1b}[2J\u{a}");
        assert_eq!(escaped("Київ القاهرة"), "Київ القاهرة");
        assert_eq!(escaped("\\u{202e}"), r"\\u{202e}");
        assert_eq!(printable("\\u{202e}\u{202e}"), r"\u{202e}\u{202e}");
        assert_eq!(quoted("a\"\u{200f}b"), r#""a\"\u{200f}b""#);
    }
}
