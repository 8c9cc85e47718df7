//! Units of issue: two letters (DoD 4100.39-M vol. 10 table 53, as of 2010-10; the same codes in DLM 4000.25), with `PL`
//! of 2022-06-14 (Cataloging Data and Transaction Standards vol. 10, change 4), and the words that records use for them.
//! Compiled by hand; all codes and words of 355,000 published rows of 2016 to 2020 are among them but `Unknown`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Grade;
use crate::event::scalars::{FormError, serde_as_text};

/// The standard units of issue with their names, sorted by code.
pub const UNITS: &[(&str, &str)] = &[
    ("AM", "ampoule"),
    ("AT", "assortment"),
    ("AY", "assembly"),
    ("BA", "ball"),
    ("BD", "bundle"),
    ("BE", "bale"),
    ("BF", "board foot"),
    ("BG", "bag"),
    ("BK", "book"),
    ("BL", "barrel"),
    ("BO", "bolt"),
    ("BR", "bar"),
    ("BT", "bottle"),
    ("BX", "box"),
    ("CA", "cartridge"),
    ("CB", "carboy"),
    ("CD", "cubic yard"),
    ("CE", "cone"),
    ("CF", "cubic foot"),
    ("CK", "cake"),
    ("CL", "coil"),
    ("CM", "centimeter"),
    ("CN", "can"),
    ("CO", "container"),
    ("CS", "case"),
    ("CU", "curie"),
    ("CY", "cylinder"),
    ("CZ", "cubic meter"),
    ("DR", "drum"),
    ("DZ", "dozen"),
    ("EA", "each"),
    ("EX", "exposure"),
    ("FT", "foot"),
    ("FV", "five"),
    ("FY", "fifty"),
    ("GL", "gallon"),
    ("GP", "group"),
    ("GR", "gross"),
    ("HD", "hundred"),
    ("HF", "hundred feet"),
    ("HK", "hank"),
    ("HP", "hundred pounds"),
    ("HS", "hundred square feet"),
    ("HY", "hundred yards"),
    ("IN", "inch"),
    ("JR", "jar"),
    ("KG", "kilogram"),
    ("KT", "kit"),
    ("LB", "pound"),
    ("LG", "length"),
    ("LI", "liter"),
    ("LT", "lot"),
    ("MC", "thousand cubic feet"),
    ("ME", "meal"),
    ("ML", "milliliter"),
    ("MM", "millimeter"),
    ("MR", "meter"),
    ("MX", "thousand"),
    ("OT", "outfit"),
    ("OZ", "ounce"),
    ("PD", "pad"),
    ("PG", "package"),
    ("PL", "pallet"),
    ("PM", "plate"),
    ("PR", "pair"),
    ("PT", "pint"),
    ("PZ", "packet"),
    ("QT", "quart"),
    ("RA", "ration"),
    ("RL", "reel"),
    ("RM", "ream"),
    ("RO", "roll"),
    ("SD", "skid"),
    ("SE", "set"),
    ("SF", "square foot"),
    ("SH", "sheet"),
    ("SK", "skein"),
    ("SL", "spool"),
    ("SO", "shot"),
    ("SP", "strip"),
    ("SV", "service"),
    ("SX", "stick"),
    ("SY", "square yard"),
    ("TD", "twenty-four"),
    ("TE", "ten"),
    ("TF", "twenty-five"),
    ("TN", "ton"),
    ("TO", "troy ounce"),
    ("TS", "thirty-six"),
    ("TU", "tube"),
    ("VI", "vial"),
    ("XX", "dollars for services"),
    ("YD", "yard"),
];

/// Other words for a unit, in lower case, beside the names of [`UNITS`].
const OTHER_WORDS: &[(&str, &str)] = &[
    ("ampule", "AM"),
    ("boxes", "BX"),
    ("centimetre", "CM"),
    ("cubic metre", "CZ"),
    ("ea", "EA"),
    ("ea.", "EA"),
    ("feet", "FT"),
    ("item", "EA"),
    ("kilo", "KG"),
    ("litre", "LI"),
    ("metre", "MR"),
    ("millilitre", "ML"),
    ("millimetre", "MM"),
    ("number", "EA"),
    ("pairs", "PR"),
    ("pcs", "EA"),
    ("piece", "EA"),
    ("pieces", "EA"),
    ("pounds", "LB"),
    ("thousands", "MX"),
];

/// A unit of issue: two capital letters, standard or local.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit([u8; 2]);

impl Unit {
    /// Returns the two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Two ASCII capitals by construction.
        std::str::from_utf8(&self.0).unwrap_or("??")
    }

    /// Tells whether it is on the list.
    #[must_use]
    pub fn grade(self) -> Grade {
        grade_unit(self.as_str())
    }
}

/// Grades a unit of issue: on the list, any other two capital letters, or malformed.
#[must_use]
pub fn grade_unit(text: &str) -> Grade {
    if UNITS.binary_search_by(|(code, _)| (*code).cmp(text)).is_ok() {
        Grade::Standard
    } else if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        Grade::Local
    } else {
        Grade::Malformed
    }
}

/// Finds the unit of a code or word as records have it, whatever its case and the space around it; `None` when it is
/// not known, such as `Unknown`.
#[must_use]
pub fn unit_of_word(word: &str) -> Option<Unit> {
    let word = word.trim();
    let lower = word.to_lowercase();
    let by_code = || UNITS.iter().find(|(code, _)| code.eq_ignore_ascii_case(word)).map(|(code, _)| *code);
    let by_name = || UNITS.iter().find(|(_, name)| *name == lower).map(|(code, _)| *code);
    let by_other = || OTHER_WORDS.iter().find(|(other, _)| *other == lower).map(|(_, code)| *code);
    by_code().or_else(by_name).or_else(by_other).and_then(|code| code.parse().ok())
}

impl FromStr for Unit {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        match text.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Ok(Self([*a, *b])),
            _ => Err(FormError::new("a unit of issue of two capital letters such as EA", text)),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit({})", self.as_str())
    }
}

serde_as_text!(Unit);

impl JsonSchema for Unit {
    fn schema_name() -> Cow<'static, str> {
        "Unit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z]{2}$", "description": "a unit of issue such as EA" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_list_is_sorted_and_well_formed() {
        assert!(UNITS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(UNITS.iter().all(|(code, _)| grade_unit(code) == Grade::Standard));
        assert!(OTHER_WORDS.iter().all(|(_, code)| grade_unit(code) == Grade::Standard));
    }

    #[test]
    fn words_find_their_unit() {
        for (word, unit) in
            [("Each", "EA"), ("EA  ", "EA"), ("pr", "PR"), ("Board Foot", "BF"), ("pcs", "EA"), ("LT", "LT")]
        {
            assert_eq!(unit_of_word(word).unwrap().as_str(), unit, "{word:?}");
        }
        for unknown in ["Unknown", "", "QQ", "EACH ONE", "Еach"] {
            assert!(unit_of_word(unknown).is_none(), "{unknown:?}");
        }
    }

    #[test]
    fn grades() {
        assert_eq!(grade_unit("QQ"), Grade::Local);
        for bad in ["ea", "EA ", "E", "EAC", "E1", "ЕА"] {
            assert_eq!(grade_unit(bad), Grade::Malformed, "{bad}");
            assert!(bad.parse::<Unit>().is_err(), "{bad}");
        }
    }
}
