//! Dates and times as records have them, read by the formats that the map names (`strptime`; jiff's dialect).
//!
//! Formats are tried in order. A text that two of them read as two different days (`05/06/2020` by day first and by month
//! first) is refused, not guessed. The format `excel` reads a spreadsheet's day number (43952 is 2020-05-01).

use countersign_ledger::time::{Date, Time};
use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};

/// The formats that are tried when the map names none.
pub(crate) const DEFAULT_FORMATS: [&str; 3] = ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];

/// How the dates of a file are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DateStyle {
    /// The formats, in order.
    pub(crate) formats: Vec<String>,
    /// The zone of the file's clocks, where a time names none.
    pub(crate) zone: Option<TimeZone>,
}

impl Default for DateStyle {
    fn default() -> Self {
        Self { formats: DEFAULT_FORMATS.map(str::to_owned).to_vec(), zone: None }
    }
}

/// A date in the ledger's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateRead {
    /// The date as it stands on the paper, whatever the zone.
    pub(crate) date: Date,
    /// Whether a time of day other than midnight was dropped.
    pub(crate) time_dropped: bool,
}

/// Checks that a format can be used at all.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_format(format: &str) -> Result<(), String> {
    if format == "excel" {
        return Ok(());
    }
    let sample = civil::date(2020, 5, 17).at(13, 14, 15, 0).to_zoned(jiff::tz::TimeZone::UTC);
    let sample = sample.map_err(|e| e.to_string())?;
    let written = jiff::fmt::strtime::format(format, &sample).map_err(|e| e.to_string())?;
    let read = BrokenDownTime::parse(format, &written).map_err(|e| e.to_string())?;
    let date = read.to_date().map_err(|e| format!("{e}; it must read a whole date"))?;
    if date == civil::date(2020, 5, 17) {
        Ok(())
    } else {
        Err("it does not read back the date that it writes".to_owned())
    }
}

impl DateStyle {
    fn readings<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (civil::DateTime, Option<Offset>, &'a str)> {
        self.formats.iter().filter_map(move |format| {
            if format == "excel" {
                return excel_day(text).map(|date| (date.at(0, 0, 0, 0), None, format.as_str()));
            }
            let parsed = BrokenDownTime::parse(format, text).ok()?;
            let date = parsed.to_date().ok()?;
            let time = parsed.to_time().unwrap_or(civil::Time::midnight());
            Some((date.to_datetime(time), parsed.offset(), format.as_str()))
        })
    }

    fn one_reading(&self, text: &str) -> Result<(civil::DateTime, Option<Offset>), String> {
        let mut readings = self.readings(text);
        let Some((first, offset, format)) = readings.next() else {
            return Err(format!("a date written as {}", self.formats.join(" or ")));
        };
        match readings.find(|(other, _, _)| other.date() != first.date()) {
            Some((other, _, other_format)) => Err(format!(
                "a date that reads one way only: it is {} by {format} and {} by {other_format}",
                first.date(),
                other.date()
            )),
            None => Ok((first, offset)),
        }
    }

    /// Reads a date.
    ///
    /// # Errors
    /// What was expected, when no format reads it, or two do so differently.
    pub(crate) fn date(&self, text: &str) -> Result<DateRead, String> {
        let (read, _) = self.one_reading(text)?;
        let date = Date::new(read.year(), read.month(), read.day());
        let date = date.ok_or_else(|| "a date of the years 1900 to 9999".to_owned())?;
        Ok(DateRead { date, time_dropped: read.time() != civil::Time::midnight() })
    }

    /// Reads an instant.
    ///
    /// # Errors
    /// What was expected, when no format reads it, or its zone is not known.
    pub(crate) fn time(&self, text: &str) -> Result<Time, String> {
        let (read, offset) = self.one_reading(text)?;
        let zone = offset.map(TimeZone::fixed).or_else(|| self.zone.clone()).ok_or_else(|| {
            "a time whose zone is known (%z in the format, or `offset` or `timezone` in the map's [input])".to_owned()
        })?;
        // When clocks are set forward or back, a time is shown never or twice: it is told, not guessed.
        let timestamp = zone.to_ambiguous_timestamp(read).unambiguous().map_err(|_| {
            let name = zone.iana_name().unwrap_or("the zone");
            format!("a time that clocks of {name} show once (name the offset with %z)")
        })?;
        let time = Time::from_unix_millis(timestamp.as_millisecond());
        time.ok_or_else(|| "a time of the years 1900 to 9999".to_owned())
    }
}

/// Reads a spreadsheet's day number: 1 is 1900-01-01, and 60 the 29 February that 1900 did not have.
fn excel_day(text: &str) -> Option<civil::Date> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let day: i32 = whole.parse().ok().filter(|day| (61..=2_958_465).contains(day))?;
    civil::date(1899, 12, 30).checked_add(jiff::Span::new().try_days(day).ok()?).ok()
}

/// Finds a zone of the IANA database, as this program brings it along.
pub(crate) fn parse_zone(name: &str) -> Option<TimeZone> {
    // Names of the database are found whatever their case; a wrong case is as good as a wrong name elsewhere.
    TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}

/// Reads an offset from UTC: `Z`, `+02:00`, `-0530`.
pub(crate) fn parse_offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let parsed = BrokenDownTime::parse("%:z", text).or_else(|_| BrokenDownTime::parse("%z", text)).ok()?;
    parsed.offset()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn style(formats: &[&str]) -> DateStyle {
        DateStyle { formats: formats.iter().map(|f| (*f).to_owned()).collect(), zone: None }
    }

    #[test]
    fn dates_by_the_formats_named() {
        let plain = DateStyle::default();
        let read = plain.date("2016-10-05 00:00:00").unwrap();
        assert_eq!((read.date.to_string().as_str(), read.time_dropped), ("2016-10-05", false));
        assert!(plain.date("2016-10-05 13:00:00").unwrap().time_dropped);
        assert!(plain.date("2016-10-05 00:00:00.999680").unwrap().time_dropped);
        for bad in ["2023-02-29", "05.10.2016", "", "2016-10-05x", "1899-12-31", "٢٠١٦-١٠-٠٥", "2016-10-05 "] {
            assert!(plain.date(bad).is_err(), "{bad:?}");
        }
        assert_eq!(style(&["%d.%m.%Y"]).date("05.10.2016").unwrap().date.to_string(), "2016-10-05");
        assert_eq!(style(&["%d %b %Y"]).date("5 Oct 2016").unwrap().date.to_string(), "2016-10-05");
    }

    #[test]
    fn two_readings_are_refused() {
        let both = style(&["%d/%m/%Y", "%m/%d/%Y"]);
        assert_eq!(both.date("25/12/2020").unwrap().date.to_string(), "2020-12-25");
        assert_eq!(both.date("05/05/2020").unwrap().date.to_string(), "2020-05-05");
        let error = both.date("05/06/2020").unwrap_err();
        assert!(error.contains("2020-06-05 by %d/%m/%Y") && error.contains("2020-05-06 by %m/%d/%Y"), "{error}");
    }

    #[test]
    fn day_numbers_and_times() {
        assert_eq!(style(&["excel"]).date("43952").unwrap().date.to_string(), "2020-05-01");
        assert!(style(&["excel"]).date("60").is_err());
        let mut zoned = style(&["%Y-%m-%d %H:%M"]);
        assert!(zoned.time("2026-09-21 16:30").unwrap_err().contains("zone"));
        zoned.zone = parse_offset("+02:00").map(TimeZone::fixed);
        assert_eq!(zoned.time("2026-09-21 16:30").unwrap().to_string(), "2026-09-21T14:30:00.000Z");
        let own = style(&["%Y-%m-%dT%H:%M:%S%:z"]);
        assert_eq!(own.time("2026-09-21T16:30:05-03:00").unwrap().to_string(), "2026-09-21T19:30:05.000Z");
        assert!(parse_offset("+2 hours").is_none());
    }

    #[test]
    fn zones_have_summer_time_and_hours_that_are_none() {
        let mut kyiv = style(&["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M %z"]);
        kyiv.zone = parse_zone("Europe/Kyiv");
        for (text, utc) in [
            ("2026-01-15 12:00", "2026-01-15T10:00:00.000Z"),
            ("2026-07-15 12:00", "2026-07-15T09:00:00.000Z"),
            ("2026-03-29 02:59", "2026-03-29T00:59:00.000Z"),
            ("2026-03-29 04:00", "2026-03-29T01:00:00.000Z"),
            ("2026-10-25 02:59", "2026-10-24T23:59:00.000Z"),
            ("2026-10-25 04:00", "2026-10-25T02:00:00.000Z"),
            ("2026-10-25 03:30 +0300", "2026-10-25T00:30:00.000Z"),
        ] {
            assert_eq!(kyiv.time(text).unwrap().to_string(), utc, "{text}");
        }
        for never_or_twice in ["2026-03-29 03:30", "2026-10-25 03:30"] {
            let expected = kyiv.time(never_or_twice).unwrap_err();
            assert!(expected.contains("clocks of Europe/Kyiv show once"), "{expected}");
        }
        for bad in ["", "Kyiv", "Europe/Atlantis", "europe/kyiv", "../etc/passwd", "EET\0"] {
            assert!(parse_zone(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn formats_are_checked_before_use() {
        for good in ["%Y-%m-%d", "%d.%m.%y", "excel", "%d %b %Y %H:%M"] {
            assert!(check_format(good).is_ok(), "{good}");
        }
        for bad in ["%Y-%m", "%H:%M", "%Q", "yyyy-mm-dd"] {
            assert!(check_format(bad).is_err(), "{bad}");
        }
    }
}
