//! The small forms that bodies are made of: bounded texts, quantities, whole numbers.
//!
//! Every text has a stated maximum in bytes of UTF-8. Reading refuses and repairs nothing.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserializer;
use serde::de::Visitor;

use super::reader::quote;

/// Tells why a text is not of the form that a member wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("expected {expected}, found {found}")]
pub struct FormError {
    /// The form that was wanted.
    pub expected: String,
    /// What was found, quoted and shortened.
    pub found: String,
}

impl FormError {
    pub(crate) fn new(expected: impl Into<String>, found: &str) -> Self {
        Self { expected: expected.into(), found: quote(found) }
    }
}

/// Reads a string through [`FromStr`], without a copy of it.
pub(crate) fn read_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = FormError>,
{
    struct TextVisitor<T>(PhantomData<T>);

    impl<T: FromStr<Err = FormError>> Visitor<'_> for TextVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(TextVisitor(PhantomData))
}

/// Gives a type that is written as a string its serde forms.
macro_rules! serde_as_text {
    ($name:ty $(, const $max:ident)?) => {
        impl$(<const $max: usize>)? serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de $(, const $max: usize)?> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::event::scalars::read_text(deserializer)
            }
        }
    };
}
pub(crate) use serde_as_text;

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $form:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<const MAX: usize>(Box<str>);

        impl<const MAX: usize> $name<MAX> {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<const MAX: usize> FromStr for $name<MAX> {
            type Err = FormError;

            fn from_str(text: &str) -> Result<Self, FormError> {
                let check: fn(&str) -> bool = $check;
                if !text.is_empty() && text.len() <= MAX && check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(FormError::new(format!(concat!($form, ", 1 to {} bytes"), MAX), text))
                }
            }
        }

        impl<const MAX: usize> fmt::Display for $name<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<const MAX: usize> fmt::Debug for $name<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl<const MAX: usize> AsRef<str> for $name<MAX> {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        serde_as_text!($name<MAX>, const MAX);

        impl<const MAX: usize> JsonSchema for $name<MAX> {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                format!("{}{MAX}", stringify!($name)).into()
            }

            // `maxLength` counts characters: never more of them than bytes.
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "minLength": 1, "maxLength": MAX, "pattern": $pattern,
                    "description": format!(concat!($form, ", 1 to {} bytes of UTF-8"), MAX),
                })
            }
        }
    };
}

/// Tells whether a character would break a line of print or hide in it.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

bounded_text! {
    /// A text of an authority body: anything but nothing (SPEC §8).
    Text, "a text", "", |_| true
}
bounded_text! {
    /// A text of one line: names, marks, numbers that people use. No control characters, no space at either end.
    Label, "a text of one line without space at either end", "^\\S(.*\\S)?$",
    |text| text.trim() == text && !text.chars().any(is_control)
}
bounded_text! {
    /// Free text. Not blank; of control characters only tab, line feed and carriage return.
    Prose, "a text", "\\S",
    |text| {
        !text.trim().is_empty() && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
    }
}

/// A decimal amount with at most four places: `(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?` (SPEC §1).
///
/// Amounts compare by value; the number of places written is kept, so that the text comes out as it went in.
#[derive(Clone, Copy)]
pub struct Quantity {
    ten_thousandths: u64,
    places: u8,
}

impl Quantity {
    /// Zero.
    pub const ZERO: Self = Self { ten_thousandths: 0, places: 0 };

    /// Makes a whole amount; `None` with more than fifteen digits.
    #[must_use]
    pub fn whole(amount: u64) -> Option<Self> {
        (amount < 1_000_000_000_000_000).then(|| Self { ten_thousandths: amount * 10_000, places: 0 })
    }

    /// Makes an amount of ten-thousandths, written with as few places as it needs; `None` beyond fifteen digits.
    #[must_use]
    pub fn from_ten_thousandths(ten_thousandths: u64) -> Option<Self> {
        let mut places = 4;
        let mut unit = 10;
        while places > 0 && ten_thousandths.is_multiple_of(unit) {
            places -= 1;
            unit *= 10;
        }
        (ten_thousandths < 10_000_000_000_000_000_000).then_some(Self { ten_thousandths, places })
    }

    /// Tells whether it is none at all.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.ten_thousandths == 0
    }

    /// Returns the amount in ten-thousandths: below 10^19.
    #[must_use]
    pub const fn ten_thousandths(self) -> u64 {
        self.ten_thousandths
    }

    /// Adds; `None` beyond fifteen digits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_ten_thousandths(self.ten_thousandths.checked_add(other.ten_thousandths)?)
    }

    /// Subtracts; `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Self::from_ten_thousandths(self.ten_thousandths.checked_sub(other.ten_thousandths)?)
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.ten_thousandths == other.ten_thousandths
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ten_thousandths.cmp(&other.ten_thousandths)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.ten_thousandths / 10_000, self.ten_thousandths % 10_000);
        let places = usize::from(self.places);
        if places == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:04}");
        write!(f, "{whole}.{}", &digits[..places])
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({self})")
    }
}

impl FromStr for Quantity {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let error = || FormError::new("a quantity such as \"12\" or \"0.5\" (15 digits, 4 places)", text);
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if (1..=4).contains(&fraction.len()) => (whole, fraction),
            Some(_) => return Err(error()),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || whole.len() > 15 || leading_zero || !digits(whole) || !digits(fraction) {
            return Err(error());
        }
        let number = |part: &str| part.bytes().fold(0u64, |n, b| n * 10 + u64::from(b - b'0'));
        let mut rest = number(fraction);
        for _ in fraction.len()..4 {
            rest *= 10;
        }
        let places = u8::try_from(fraction.len()).map_err(|_| error())?;
        Ok(Self { ten_thousandths: number(whole) * 10_000 + rest, places })
    }
}

serde_as_text!(Quantity);

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$" })
    }
}

/// Defines a whole number within limits.
macro_rules! whole_number {
    ($(#[$doc:meta])* $name:ident($int:ty), $min:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($int);

        impl $name {
            /// Makes it of a number within the limits.
            #[must_use]
            pub fn new(number: $int) -> Option<Self> {
                ($min..=$max).contains(&number).then_some(Self(number))
            }

            /// Returns the number.
            #[must_use]
            pub const fn value(self) -> $int {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(u64::from(self.0))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const EXPECTED: &str = concat!("an integer from ", $min, " to ", $max);
                struct Number;

                impl serde::de::Visitor<'_> for Number {
                    type Value = u64;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(EXPECTED)
                    }

                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u64, E> {
                        Ok(number)
                    }
                }

                let number = deserializer.deserialize_u64(Number)?;
                let wanted = <$int>::try_from(number).ok().and_then(Self::new);
                wanted.ok_or_else(|| <D::Error as serde::de::Error>::custom(format_args!("expected {EXPECTED}, found {number}")))
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "integer", "minimum": $min, "maximum": $max })
            }
        }
    };
}
pub(crate) use whole_number;

whole_number! {
    /// Days, in the terms of a case (SPEC §8).
    Days(u16), 0, 36_500
}
whole_number! {
    /// Years, in the terms of a case (SPEC §8).
    Years(u16), 0, 36_500
}
whole_number! {
    /// The number of a part of a statement that comes in parts (DOMAIN §1.9).
    PartNumber(u16), 1, 9_999
}
whole_number! {
    /// How many people took part in a service (DOMAIN §2a).
    Participants(u32), 1, 1_000_000
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_strict() {
        for good in ["0", "1", "999999999999999.9999", "0.5", "10.50", "0.0000"] {
            let quantity: Quantity = good.parse().unwrap();
            assert_eq!(quantity.to_string(), good);
        }
        for bad in [
            "",
            "01",
            "-1",
            "+1",
            "1.",
            ".5",
            "1.00000",
            "1000000000000000",
            "1e3",
            "1,5",
            " 1",
            "1 ",
            "１",
            "1.5.2",
            "00",
        ] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad:?}");
        }
        let half: Quantity = "0.50".parse().unwrap();
        assert_eq!(half, "0.5".parse().unwrap());
        assert_eq!(half.checked_add(half).unwrap().to_string(), "1");
        assert!("1".parse::<Quantity>().unwrap().checked_sub("1.0001".parse().unwrap()).is_none());
        let most: Quantity = "999999999999999.9999".parse().unwrap();
        assert!(most.checked_add("0.0001".parse().unwrap()).is_none());
    }

    #[test]
    fn texts_are_bounded_in_bytes() {
        assert!("é".repeat(32).parse::<Label<64>>().is_ok());
        assert!("é".repeat(33).parse::<Label<64>>().is_err());
        for bad in ["", " a", "a ", "a\nb", "a\u{85}b", "a\u{2028}b", "\u{feff}\u{7f}"] {
            assert!(bad.parse::<Label<64>>().is_err(), "{bad:?}");
        }
        assert!("two\nlines".parse::<Prose<64>>().is_ok());
        for bad in ["", " \n", "a\u{1b}[2Jb"] {
            assert!(bad.parse::<Prose<64>>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn quantities_round_trip(number in 0u64..10_000_000_000_000_000_000) {
            let quantity = Quantity::from_ten_thousandths(number).unwrap();
            let text = quantity.to_string();
            prop_assert_eq!(text.parse::<Quantity>().unwrap().ten_thousandths(), number);
            prop_assert!(!text.contains('.') || !text.ends_with('0'));
        }
    }
}
