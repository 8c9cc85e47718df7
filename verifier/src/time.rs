//! Times and dates of SPEC §1, as milliseconds since 1970-01-01T00:00:00Z.

use std::fmt;

/// A moment, in milliseconds since 1970 (UTC, without leap seconds); years 1900 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Instant(i64);

/// Milliseconds in a second.
pub const SECOND: i64 = 1000;
/// Milliseconds in an hour.
pub const HOUR: i64 = 3600 * SECOND;
/// Milliseconds in a day.
pub const DAY: i64 = 24 * HOUR;

impl Instant {
    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Instant {
        Instant(millis)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment moved by a number of milliseconds.
    pub const fn plus(self, millis: i64) -> Instant {
        Instant(self.0.saturating_add(millis))
    }

    /// Reads `YYYY-MM-DDThh:mm:ss[.sss]Z`; the fraction is absent or exactly three digits.
    pub fn parse(text: &str) -> Option<Instant> {
        match text.len() {
            20 => parse_parts(text.as_bytes(), None),
            24 => Instant::parse_millis(text.as_bytes()),
            _ => None,
        }
    }

    /// Reads the form of entry lines: exactly three fraction digits (SPEC §5).
    pub fn parse_millis(text: &[u8]) -> Option<Instant> {
        if text.len() != 24 || text[19] != b'.' {
            return None;
        }
        let fraction = number(&text[20..23])?;
        parse_parts(text, Some(fraction))
    }

    /// Reads `YYYY-MM-DD` as the start of that day in UTC.
    pub fn parse_date(text: &str) -> Option<Instant> {
        let bytes = text.as_bytes();
        (bytes.len() == 10).then(|| days(bytes)).flatten().map(|d| Instant(d * DAY))
    }
}

fn parse_parts(text: &[u8], fraction: Option<i64>) -> Option<Instant> {
    let day = days(&text[..10])?;
    if text[10] != b'T' || text[13] != b':' || text[16] != b':' || *text.last()? != b'Z' {
        return None;
    }
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(Instant(day * DAY + hour * HOUR + minute * 60 * SECOND + second * SECOND + fraction.unwrap_or_default()))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
}

/// Days since 1970-01-01 of a real Gregorian date in the years 1900 to 9999.
fn days(text: &[u8]) -> Option<i64> {
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year < 1900 || day < 1 || day > length {
        return None;
    }
    // days from civil: years start in March, so that the leap day is the last of its year
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let of_era = y - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let z = day + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        write!(
            f,
            "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            doy - (153 * mp + 2) / 5 + 1,
            rest / HOUR,
            rest / 60_000 % 60,
            rest / SECOND % 60,
            rest % SECOND
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(Instant::parse("1970-01-01T00:00:00Z"), Some(Instant(0)));
        assert_eq!(Instant::parse("2000-02-29T23:59:59.999Z"), Some(Instant(951_868_799_999)));
        assert_eq!(Instant::parse("1900-01-01T00:00:00Z"), Some(Instant(-2_208_988_800_000)));
        assert_eq!(Instant::parse_date("9999-12-31"), Some(Instant(253_402_214_400_000)));
    }

    #[test]
    fn refused() {
        for bad in [
            "1899-12-31T00:00:00Z",
            "2001-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01t00:00:00Z",
            "2026-01-01T00:00:00z",
            "2026-01-01T00:00:00.1Z",
            "2026-01-01T00:00:00.1234Z",
            "2026-01-01T00:00:00+00:00",
            "2026-01-01 00:00:00Z",
            "2026-1-01T00:00:00Z",
            "",
        ] {
            assert_eq!(Instant::parse(bad), None, "{bad}");
        }
        assert_eq!(Instant::parse_date("2026-02-30"), None);
        assert_eq!(Instant::parse_date("2026-02-3"), None);
    }

    #[test]
    fn every_day_round_trips() {
        let mut at = Instant::parse_date("1900-01-01").expect("a date");
        let end = Instant::parse_date("2105-01-01").expect("a date");
        while at < end {
            let text = at.to_string();
            assert_eq!(Instant::parse(&text), Some(at), "{text}");
            assert_eq!(Instant::parse_date(&text[..10]), Some(at), "{text}");
            at = at.plus(DAY);
        }
    }
}
