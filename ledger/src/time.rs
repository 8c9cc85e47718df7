//! Times and dates in the one form that the format allows (SPEC §1).
//!
//! A time is `YYYY-MM-DDThh:mm:ss[.sss]Z`, a date `YYYY-MM-DD`: ASCII, capitals, a real Gregorian date, years 1900 to
//! 9999, seconds 00 to 59. Times compare as instants, with milliseconds as their finest part.
//! The calendar is jiff's; only the closed text form is ours.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::civil;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Tells why a text is not a time or a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("expected {expected}, found {found:?}")]
pub struct TimeError {
    /// The form that was wanted.
    pub expected: &'static str,
    /// What was found, shortened to 80 characters.
    pub found: String,
}

const TIME_FORM: &str = "a UTC time such as 2026-09-21T14:13:20Z or 2026-09-21T14:13:20.500Z";
const MILLIS_PER_DAY: i64 = 86_400_000;
const DATE_FORM: &str = "a date such as 2026-09-21";

/// An instant in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A calendar date at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(civil::Date);

/// Reads `n` ASCII digits at `at`.
fn digits(bytes: &[u8], at: usize, n: usize) -> Option<i16> {
    let mut value = 0i16;
    for b in bytes.get(at..at + n)? {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i16::from(b - b'0');
    }
    Some(value)
}

fn parse_date(bytes: &[u8]) -> Option<civil::Date> {
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(bytes, 0, 4)?;
    if year < 1900 {
        return None;
    }
    civil::Date::new(year, i8::try_from(digits(bytes, 5, 2)?).ok()?, i8::try_from(digits(bytes, 8, 2)?).ok()?).ok()
}

/// Days from 1970-01-01 to a civil date (negative before).
fn days_from_epoch(date: civil::Date) -> i64 {
    let epoch = civil::date(1970, 1, 1);
    i64::from(epoch.until(date).map_or(0, |span| span.get_days()))
}

/// The civil date in UTC of milliseconds since the epoch.
fn civil_date(millis: i64) -> Option<civil::Date> {
    let days = i32::try_from(millis.div_euclid(MILLIS_PER_DAY)).ok()?;
    civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

fn parse_time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if !(bytes.len() == 20 || bytes.len() == 24) || bytes[10] != b'T' || bytes[bytes.len() - 1] != b'Z' {
        return None;
    }
    if bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let date = parse_date(&bytes[..10])?;
    let (hour, minute, second) = (digits(bytes, 11, 2)?, digits(bytes, 14, 2)?, digits(bytes, 17, 2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let millis = if bytes.len() == 24 {
        if bytes[19] != b'.' {
            return None;
        }
        digits(bytes, 20, 3)?
    } else {
        0
    };
    let seconds = days_from_epoch(date) * 86_400 + i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Some(seconds * 1_000 + i64::from(millis))
}

impl Time {
    /// Makes an instant of milliseconds since 1970-01-01T00:00:00Z; `None` outside the years 1900 to 9999.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        civil_date(millis).filter(|date| (1900..=9999).contains(&date.year())).map(|_| Self(millis))
    }

    /// Returns milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Returns the instant `millis` later (or earlier, if negative), saturating.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Returns the date in UTC.
    #[must_use]
    pub fn utc_date(self) -> Date {
        Date(civil_date(self.0).unwrap_or(if self.0 < 0 { civil::Date::MIN } else { civil::Date::MAX }))
    }
}

impl Date {
    /// Returns 00:00:00Z of this date.
    #[must_use]
    pub fn start_utc(self) -> Time {
        Time(days_from_epoch(self.0) * MILLIS_PER_DAY)
    }

    /// Returns its year, 1900 to 9999.
    #[must_use]
    pub fn year(self) -> i16 {
        self.0.year()
    }

    /// Returns the date `days` later (or earlier, if negative), saturating at the ends of the years 1900 to 9999.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        let limit = || if days < 0 { civil::date(1900, 1, 1) } else { civil::date(9999, 12, 31) };
        let moved = i32::try_from(days).ok().and_then(|days| jiff::Span::new().try_days(days).ok());
        let moved = moved.and_then(|span| self.0.checked_add(span).ok());
        Self(moved.filter(|date| (1900..=9999).contains(&date.year())).unwrap_or_else(limit))
    }

    /// Returns how many days lie from this date to another: negative when that one is earlier.
    #[must_use]
    pub fn days_until(self, other: Self) -> i64 {
        days_from_epoch(other.0) - days_from_epoch(self.0)
    }

    /// Makes a date of year, month and day; `None` when there is no such day or the year is not 1900 to 9999.
    #[must_use]
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        (1900..=9999).contains(&year).then(|| civil::Date::new(year, month, day).ok().map(Self)).flatten()
    }
}

/// Writes the form with exactly three fraction digits, as entries have it (SPEC §5).
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = self.0.rem_euclid(MILLIS_PER_DAY);
        let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", self.utc_date())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_time(text)
            .map(Self)
            .ok_or_else(|| TimeError { expected: TIME_FORM, found: text.chars().take(80).collect() })
    }
}

impl FromStr for Date {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_date(text.as_bytes())
            .map(Self)
            .ok_or_else(|| TimeError { expected: DATE_FORM, found: text.chars().take(80).collect() })
    }
}

macro_rules! text_form {
    ($name:ident, $pattern:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

text_form!(Time, r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{3})?Z$");
text_form!(Date, r"^\d{4}-\d{2}-\d{2}$");

/// Where the time comes from: the system's clock in a server, a fixed one in tests.
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Time;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time(jiff::Timestamp::now().as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_strict() {
        for good in
            ["1900-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2024-02-29T12:00:00.001Z", "1970-01-01T00:00:00.000Z"]
        {
            let time: Time = good.parse().unwrap();
            let shown = time.to_string();
            assert_eq!(shown.parse::<Time>().unwrap(), time);
            assert!(shown.starts_with(&good[..19]));
        }
        for bad in [
            "1899-12-31T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-02-29t12:00:00Z",
            "2024-02-29T12:00:00z",
            "2024-02-29T24:00:00Z",
            "2024-02-29T12:60:00Z",
            "2024-02-29T12:00:60Z",
            "2024-02-29T12:00:00.1Z",
            "2024-02-29T12:00:00,001Z",
            "2024-02-29T12:00:00+00:00",
            "2024-02-29 12:00:00Z",
            "2024-02-29T12:00:00ZZ",
            "２024-02-29T12:00:00Z",
            "",
        ] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }

    #[test]
    fn instants_compare_not_texts() {
        let plain: Time = "2024-02-29T12:00:00Z".parse().unwrap();
        let zeros: Time = "2024-02-29T12:00:00.000Z".parse().unwrap();
        assert_eq!(plain, zeros);
        assert_eq!(plain.unix_millis(), 1_709_208_000_000);
        assert_eq!("1900-01-01".parse::<Date>().unwrap().start_utc().to_string(), "1900-01-01T00:00:00.000Z");
    }
}
