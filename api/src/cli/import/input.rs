//! The `[input]` of a map: how a file is written.

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::date::{DateStyle, check_format, parse_offset, parse_zone};
use super::map::{MapError, form};
use super::number::NumberStyle;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputSource {
    format: Option<Format>,
    delimiter: Option<String>,
    decimal: Option<char>,
    thousands: Option<String>,
    dates: Option<Vec<String>>,
    offset: Option<String>,
    timezone: Option<String>,
    encoding: Option<String>,
    #[serde(default)]
    empty: Vec<String>,
    #[serde(default)]
    trim: Trim,
    #[serde(default)]
    skip: usize,
    columns: Option<Vec<String>>,
}

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// What is done with space around a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trim {
    /// Taken off.
    #[default]
    Silent,
    /// Taken off and told.
    Warn,
    /// Kept.
    Off,
}

/// How a file is written.
#[derive(Debug, Clone)]
pub(crate) struct InputStyle {
    /// CSV or NDJSON; `None`: by the file's name.
    pub(crate) format: Option<Format>,
    /// Between the fields of a CSV row.
    pub(crate) delimiter: u8,
    /// Its numbers.
    pub(crate) numbers: NumberStyle,
    /// Its dates.
    pub(crate) dates: DateStyle,
    /// Its encoding, unless it begins with a byte-order mark.
    pub(crate) encoding: &'static encoding_rs::Encoding,
    /// Texts that mean nothing.
    pub(crate) empty: Vec<String>,
    /// Space around values.
    pub(crate) trim: Trim,
    /// Records above the header.
    pub(crate) skip: usize,
    /// The columns of a file without a header.
    pub(crate) columns: Option<Vec<String>>,
}

impl InputStyle {
    /// Checks what the map says.
    ///
    /// # Errors
    /// When a member is not of its form.
    pub(crate) fn new(source: InputSource) -> Result<Self, MapError> {
        let decimal = source.decimal.unwrap_or('.');
        let thousands = match source.thousands.as_deref() {
            None | Some("") => None,
            Some(text) => Some(one_char(text).ok_or_else(|| form("input.thousands", "one sign", text))?),
        };
        let clash = decimal.is_ascii_digit() || thousands.is_some_and(|sign| sign.is_ascii_digit() || sign == decimal);
        if clash {
            return Err(form(
                "input.thousands",
                "a sign that is no digit and not the decimal sign",
                thousands.unwrap_or(decimal),
            ));
        }
        let mut dates = DateStyle::default();
        if let Some(formats) = source.dates {
            for format in &formats {
                check_format(format)
                    .map_err(|why| form("input.dates", format!("a strptime format ({why})"), format))?;
            }
            if formats.is_empty() {
                return Err(form("input.dates", "at least one format", "none"));
            }
            dates.formats = formats;
        }
        if let Some(offset) = source.offset {
            let read = parse_offset(&offset);
            let read = read.ok_or_else(|| form("input.offset", "an offset from UTC such as +02:00", offset))?;
            dates.zone = Some(TimeZone::fixed(read));
        }
        if let Some(name) = source.timezone {
            if dates.zone.is_some() {
                return Err(form("input.timezone", "either a zone or an offset", "both"));
            }
            let zone = parse_zone(&name);
            dates.zone = Some(zone.ok_or_else(|| form("input.timezone", "a zone such as Europe/Kyiv", name))?);
        }
        let encoding = match source.encoding {
            None => encoding_rs::UTF_8,
            Some(label) => encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(|| {
                form("input.encoding", "a name of the WHATWG Encoding Standard such as windows-1251", label)
            })?,
        };
        Ok(Self {
            format: source.format,
            delimiter: read_delimiter(source.delimiter.as_deref())?,
            numbers: NumberStyle { decimal, thousands },
            dates,
            encoding,
            empty: source.empty.iter().map(|text| text.trim().to_owned()).collect(),
            trim: source.trim,
            skip: source.skip,
            columns: source.columns,
        })
    }
}

fn one_char(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

fn read_delimiter(text: Option<&str>) -> Result<u8, MapError> {
    match text {
        None => Ok(b','),
        Some("tab" | "\t") => Ok(b'\t'),
        Some(text) => match text.as_bytes() {
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => Ok(*byte),
            _ => Err(form("input.delimiter", "one ASCII sign, or \"tab\"", text)),
        },
    }
}
