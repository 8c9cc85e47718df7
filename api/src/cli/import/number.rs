//! Numbers as records have them, brought to the ledger's form (SPEC §1): `1.234,50` → `1234.50`.
//!
//! Decimal and thousands signs are named, never guessed. More than four places, as a spreadsheet's floats have
//! (`103.82000000000001`), are rounded half up and told. Refused: signs, exponents (a spreadsheet has already lost digits
//! there), digits of other scripts, groups of thousands that are not of three.

/// How the numbers of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberStyle {
    /// The sign before the fraction.
    pub(crate) decimal: char,
    /// The sign between groups of thousands, if any; a space stands for all spaces that print as one.
    pub(crate) thousands: Option<char>,
}

impl Default for NumberStyle {
    fn default() -> Self {
        Self { decimal: '.', thousands: None }
    }
}

/// A number in the ledger's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    /// `(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?`
    pub(crate) text: String,
    /// Whether it was rounded to four places.
    pub(crate) rounded: bool,
}

/// The most digits before the decimal sign.
const WHOLE_DIGITS: usize = 15;
/// The most digits after it.
const PLACES: usize = 4;
/// The longest text that is looked at: a float prints in fewer characters.
const MAX_CHARS: usize = 400;

impl NumberStyle {
    /// Brings a number to the ledger's form.
    ///
    /// # Errors
    /// What was expected, when the text is not a number so written or does not fit.
    pub(crate) fn normalise(self, text: &str) -> Result<Number, String> {
        let error = || format!("a number such as {}", self.example());
        if text.len() > MAX_CHARS {
            return Err(error());
        }
        let (whole, fraction) = match text.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, fraction),
            None => (text, ""),
        };
        let whole = self.ungroup(whole).ok_or_else(error)?;
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !digits(&whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(error());
        }
        let significant = whole.trim_start_matches('0');
        if significant.len() > WHOLE_DIGITS {
            return Err(format!("a number of at most {WHOLE_DIGITS} digits before the decimal sign"));
        }
        if fraction.len() <= PLACES {
            return Ok(Number { text: join(significant, fraction), rounded: false });
        }
        round(significant, fraction)
    }

    fn example(self) -> String {
        match self.thousands {
            Some(sign) => {
                format!("1{sign}234{}5 (decimal sign {:?}, thousands sign {sign:?})", self.decimal, self.decimal)
            }
            None => format!("1234{}5 (decimal sign {:?}, no thousands sign)", self.decimal, self.decimal),
        }
    }

    /// Takes out thousands signs that stand where they should.
    fn ungroup(self, whole: &str) -> Option<String> {
        let is_sign = |c: char| match self.thousands {
            Some(' ') => matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}'),
            sign => Some(c) == sign,
        };
        if !whole.contains(is_sign) {
            return Some(whole.to_owned());
        }
        let mut groups = whole.split(is_sign);
        let first = groups.next().filter(|group| (1..=3).contains(&group.len()))?;
        let mut plain = first.to_owned();
        for group in groups {
            if group.len() != 3 {
                return None;
            }
            plain.push_str(group);
        }
        Some(plain)
    }
}

fn join(whole: &str, fraction: &str) -> String {
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// Rounds half up to four places, and drops the zeros that leaves at the end.
fn round(whole: &str, fraction: &str) -> Result<Number, String> {
    let (kept, dropped) = fraction.split_at(PLACES);
    let digits = whole.bytes().chain(kept.bytes());
    let mut scaled: u64 = digits.fold(0, |n, b| n * 10 + u64::from(b - b'0'));
    if dropped.as_bytes()[0] >= b'5' {
        scaled += 1;
    }
    let (whole_part, fraction_part) = (scaled / 10_000, scaled % 10_000);
    let exact = dropped.bytes().all(|b| b == b'0');
    if scaled == 0 && !exact {
        return Err("0, or a number of at least 0.00005".to_owned());
    }
    if whole_part >= 1_000_000_000_000_000 {
        return Err(format!("a number of at most {WHOLE_DIGITS} digits before the decimal sign"));
    }
    let digits = format!("{fraction_part:04}");
    Ok(Number { text: join(&whole_part.to_string(), digits.trim_end_matches('0')), rounded: !exact })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(style: NumberStyle, text: &str) -> (String, bool) {
        let number = style.normalise(text).unwrap();
        (number.text, number.rounded)
    }

    #[test]
    fn plain_numbers() {
        let style = NumberStyle::default();
        for (text, wanted) in [
            ("12", "12"),
            ("012", "12"),
            ("0", "0"),
            ("000", "0"),
            ("1.50", "1.50"),
            (".5", "0.5"),
            ("5.", "5"),
            ("135.3", "135.3"),
        ] {
            assert_eq!(read(style, text), (wanted.to_owned(), false), "{text}");
        }
        for bad in ["", ".", "-1", "+1", "1e5", "1,5", "1 000", "1.2.3", "١٢", "１", "abc", "1000000000000000", "$5"]
        {
            assert!(style.normalise(bad).is_err(), "{bad:?}");
        }
        assert!(style.normalise(&"0".repeat(401)).is_err());
    }

    #[test]
    fn float_dirt_is_rounded_and_told() {
        let style = NumberStyle::default();
        for (text, wanted) in [
            ("103.82000000000001", "103.82"),
            ("1169.1100000000001", "1169.11"),
            ("19.330000000000002", "19.33"),
            ("19.329999999999998", "19.33"),
            ("0.99999", "1"),
            ("9.99995", "10"),
            ("0.00005", "0.0001"),
            ("999999999999998.99999", "999999999999999"),
        ] {
            assert_eq!(read(style, text), (wanted.to_owned(), true), "{text}");
        }
        assert_eq!(read(style, "2.5000000"), ("2.5".to_owned(), false), "zeros are not dirt");
        assert!(style.normalise("0.00004").is_err(), "something never becomes nothing");
        assert!(style.normalise("999999999999999.99999").is_err());
    }

    #[test]
    fn other_signs() {
        let german = NumberStyle { decimal: ',', thousands: Some('.') };
        assert_eq!(read(german, "1.234.567,89").0, "1234567.89");
        assert_eq!(read(german, "1234,5").0, "1234.5");
        for bad in ["1.23,4", "1234.567,8", ".234", "1..234", "12.34", "1,234.5"] {
            assert!(german.normalise(bad).is_err(), "{bad}");
        }
        let spaced = NumberStyle { decimal: ',', thousands: Some(' ') };
        assert_eq!(read(spaced, "1\u{a0}234\u{202f}567,5").0, "1234567.5");
    }
}
