//! Places, as exactly as their teller wants (DOMAIN §2).

use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{Country, UnLocode};
use super::common::{Broken, Rules};
use super::scalars::{FormError, Label, Prose, serde_as_text};

/// Degrees north, `-90` to `90`, at most six places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latitude(Degrees);

/// Degrees east, `-180` to `180`, at most six places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Longitude(Degrees);

/// Decimal degrees as a text: JSON numbers of the format have no fractions (SPEC §1).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Degrees(Box<str>);

impl Degrees {
    fn parse(text: &str, most: u32, expected: &'static str) -> Result<Self, FormError> {
        let error = || FormError::new(expected, text);
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match magnitude.split_once('.') {
            Some((whole, fraction)) if (1..=6).contains(&fraction.len()) => (whole, fraction),
            Some(_) => return Err(error()),
            None => (magnitude, ""),
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let plain = (1..=3).contains(&whole.len()) && (whole == "0" || !whole.starts_with('0'));
        if !plain || !digits(whole) || !digits(fraction) {
            return Err(error());
        }
        let whole: u32 = whole.parse().map_err(|_| error())?;
        let beyond = whole > most || (whole == most && fraction.bytes().any(|b| b != b'0'));
        if beyond { Err(error()) } else { Ok(Self(text.into())) }
    }
}

macro_rules! degrees {
    ($name:ident, $most:literal, $expected:literal) => {
        impl std::str::FromStr for $name {
            type Err = FormError;

            fn from_str(text: &str) -> Result<Self, FormError> {
                Degrees::parse(text, $most, $expected).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.0)
            }
        }

        serde_as_text!($name);

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
                schemars::json_schema!({
                    "type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,2})(\.[0-9]{1,6})?$", "description": $expected
                })
            }
        }
    };
}

degrees!(Latitude, 90, "degrees north from -90 to 90 such as 50.0413 (6 places)");
degrees!(Longitude, 180, "degrees east from -180 to 180 such as 21.999 (6 places)");

/// A place, as exactly as its teller wants: at least one member, `lat` and `lon` together.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "dependentRequired" = { "lat": ["lon"], "lon": ["lat"] }))]
pub struct Place {
    /// The country (ISO 3166-1).
    pub country: Option<Country>,
    /// The UN/LOCODE.
    pub un_locode: Option<UnLocode>,
    /// The code of a registered site.
    pub site: Option<Label<64>>,
    /// Degrees north.
    pub lat: Option<Latitude>,
    /// Degrees east.
    pub lon: Option<Longitude>,
    /// In words.
    pub text: Option<Prose<1000>>,
}

impl Rules for Place {
    fn check(&self) -> Result<(), Broken> {
        match (self.lat.is_some(), self.lon.is_some()) {
            (true, false) => return Err(Broken::new("/lon", "this member beside lat", "nothing")),
            (false, true) => return Err(Broken::new("/lat", "this member beside lon", "nothing")),
            _ => {}
        }
        let none = self.country.is_none() && self.un_locode.is_none() && self.site.is_none();
        if none && self.lat.is_none() && self.text.is_none() {
            return Err(Broken::new("", "one of country, un_locode, site, lat, lon, text", "an object of 0"));
        }
        Ok(())
    }
}

/// Checks a place that may be absent.
pub(crate) fn check_place(at: &str, place: Option<&Place>) -> Result<(), Broken> {
    place.map_or(Ok(()), |place| place.check().map_err(|b| b.under(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_bounded() {
        for good in ["0", "-0.5", "90", "-90.000000", "50.041300"] {
            assert!(good.parse::<Latitude>().is_ok(), "{good}");
        }
        for bad in ["", "-", "+1", "90.1", "91", "050", "1.", ".5", "1.0000000", "1e1", "-90.000001", "999"] {
            assert!(bad.parse::<Latitude>().is_err(), "{bad}");
        }
        assert!("180".parse::<Longitude>().is_ok() && "-180.1".parse::<Longitude>().is_err());
    }
}
