//! Codes: stock numbers, document numbers, units, categories, grades of evidence (DOMAIN §7).
//!
//! A code has one of three grades: *standard* (of the published shape and, where there is a list, on it), *local* (an
//! agency's own, accepted and marked) and *malformed* (refused in an event, quarantined on import). Events hold one
//! canonical form of each code; what people type is brought to it by the functions of this module, never silently.
//!
//! Each list names its source and date beside it.

mod categories;
mod discrepancies;
mod supply_classes;
mod units;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use categories::{Att, Unroca, Usml, Wassenaar};
pub use discrepancies::{DISCREPANCIES, DiscrepancyCode, grade_discrepancy};
pub use supply_classes::{is_supply_class, is_supply_group};
pub use units::{UNITS, Unit, grade_unit, unit_of_word};

use super::scalars::{Label, whole_number};

/// How good a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Of the published form.
    Standard,
    /// An agency's own: accepted and marked.
    Local,
    /// Neither: refused in an event.
    Malformed,
}

/// Something about an accepted code that a reader should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CodeNote {
    /// A stock number of the agency's own.
    #[error("{0} is a local stock number")]
    LocalStockNumber(String),
    /// A document number that is not of MILSTRIP's form.
    #[error("{0} is a local document number")]
    LocalDocumentNumber(String),
    /// A unit of issue that is not on the list.
    #[error("{0} is a local unit of issue")]
    LocalUnit(String),
    /// A discrepancy code that is not on the form.
    #[error("{0} is a local discrepancy code")]
    LocalDiscrepancyCode(String),
    /// A stock number whose first four digits are no known supply class.
    #[error("{0} is no known federal supply class")]
    UnknownSupplyClass(String),
    /// DEMIL code Q, which expects integrity 3 or 6.
    #[error("DEMIL code Q expects integrity 3 or 6, found {0}")]
    DemilIntegrity(u8),
}

/// Tells whether `bytes` has hyphens at the places of `dddd-dd-ddd-dddd` and what `rest` accepts elsewhere after the
/// four digits of the class.
fn is_stock_shape(text: &str, rest: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 16
        && bytes.iter().enumerate().all(|(i, b)| match i {
            0..=3 => b.is_ascii_digit(),
            4 | 7 | 11 => *b == b'-',
            _ => rest(*b),
        })
}

fn is_local_part(b: u8) -> bool {
    b.is_ascii_digit() || b.is_ascii_uppercase()
}

/// Brings a stock number to its hyphenated form, `5855-01-534-5931`; `None` when it is malformed.
///
/// Accepted besides that form: the same thirteen characters without hyphens.
#[must_use]
pub fn canonical_stock_number(text: &str) -> Option<String> {
    let hyphenated = match text.len() {
        16 => text.to_owned(),
        13 if text.is_ascii() => format!("{}-{}-{}-{}", &text[..4], &text[4..6], &text[6..9], &text[9..]),
        _ => return None,
    };
    is_stock_shape(&hyphenated, is_local_part).then_some(hyphenated)
}

/// Grades a stock number, with or without hyphens: NSN, local, or malformed.
#[must_use]
pub fn grade_nsn(text: &str) -> Grade {
    match canonical_stock_number(text) {
        Some(number) if is_stock_shape(&number, |b| b.is_ascii_digit()) => Grade::Standard,
        Some(_) => Grade::Local,
        None => Grade::Malformed,
    }
}

/// Grades a federal supply class: standard when it is on the list, local when it is four digits (a warning).
#[must_use]
pub fn grade_fsc(text: &str) -> Grade {
    if is_supply_class(text) {
        Grade::Standard
    } else if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) {
        Grade::Local
    } else {
        Grade::Malformed
    }
}

/// Grades a document number: MILSTRIP `[A-Z0-9]{6}\d{4}[A-Z0-9]{4}` (DLM 4000.25-1 AP2.8), any other text of one line
/// of at most 64 bytes, or malformed.
#[must_use]
pub fn grade_document_number(text: &str) -> Grade {
    let bytes = text.as_bytes();
    let milstrip =
        bytes.len() == 14 && bytes.iter().all(|b| is_local_part(*b)) && bytes[6..10].iter().all(u8::is_ascii_digit);
    if milstrip {
        Grade::Standard
    } else if text.parse::<Label<64>>().is_ok() {
        Grade::Local
    } else {
        Grade::Malformed
    }
}

/// Tells what is odd about a DEMIL code with its integrity code: Q expects 3 or 6 (DoDM 4160.28 vol. 2).
#[must_use]
pub fn demil_note(code: Demil, integrity: DemilIntegrity) -> Option<CodeNote> {
    (code == Demil::Q && !matches!(integrity.value(), 3 | 6)).then(|| CodeNote::DemilIntegrity(integrity.value()))
}

/// Gives a string newtype its constructor, text forms and schema.
macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::event::scalars::FormError;

            fn from_str(text: &str) -> Result<Self, $crate::event::scalars::FormError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err($crate::event::scalars::FormError::new($expected, text)) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        $crate::event::scalars::serde_as_text!($name);

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $expected })
            }
        }
    };
}
pub(crate) use code;

code! {
    /// A national stock number, hyphenated: class, country, item (NATO ACodP-1; DoD 4100.39-M).
    Nsn, "a national stock number such as 5855-01-534-5931", "^[0-9]{4}-[0-9]{2}-[0-9]{3}-[0-9]{4}$",
    |text| is_stock_shape(text, |b| b.is_ascii_digit())
}
code! {
    /// An agency's own stock number in the same shape, with at least one letter after the class.
    LocalStockNumber, "a local stock number such as 2320-DS-TRU-CK00",
    "^[0-9]{4}-[A-Z0-9]{2}-[A-Z0-9]{3}-[A-Z0-9]{4}$",
    |text| is_stock_shape(text, is_local_part) && !is_stock_shape(text, |b| b.is_ascii_digit())
}
code! {
    /// A document number: MILSTRIP's, or an agency's own text of one line (see [`grade_document_number`]).
    DocumentNumber, "a document number such as W1A2B360000001, one line of 1 to 64 bytes", "^\\S(.{0,62}\\S)?$",
    |text| grade_document_number(text) != Grade::Malformed
}
code! {
    /// A country outside §8: an ISO 3166-1 alpha-2 code now in use.
    Country, "an ISO 3166-1 country code such as UA", "^[A-Z]{2}$",
    |text| text.len() == 2 && text.parse::<iso_country::Country>().is_ok()
}
code! {
    /// The country of a party (SPEC §8): the shape of an ISO 3166-1 alpha-2 code, whatever the list says.
    PartyCountry, "two capital letters", "^[A-Z]{2}$",
    |text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}
code! {
    /// A currency: an ISO 4217 code.
    Currency, "an ISO 4217 currency code such as USD", "^[A-Z]{3}$",
    |text| iso_currency::Currency::from_code(text).is_some()
}
code! {
    /// A place by its UN/LOCODE: country and three characters, no digits 0 and 1 (UN/ECE Recommendation 16).
    UnLocode, "a UN/LOCODE such as PLRZE", "^[A-Z]{2}[A-Z2-9]{3}$",
    |text| {
        let bytes = text.as_bytes();
        bytes.len() == 5
            && bytes[..2].iter().all(u8::is_ascii_uppercase)
            && bytes[2..].iter().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'9'))
    }
}

impl LocalStockNumber {
    /// Returns the federal supply class: the first four digits.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.0[..4]
    }
}

impl Nsn {
    /// Returns the federal supply class: the first four digits.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.0[..4]
    }
}

impl DocumentNumber {
    /// Tells whether it is of MILSTRIP's form.
    #[must_use]
    pub fn grade(&self) -> Grade {
        grade_document_number(&self.0)
    }
}

/// Defines a closed set of codes.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// All codes, in the order of their list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the code's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::event::scalars::FormError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|code| code.as_str() == text);
                found.copied().ok_or_else(|| {
                    let all: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
                    $crate::event::scalars::FormError::new(format!("one of {}", all.join(", ")), text)
                })
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// How a statement about an item is known, best first (DOMAIN §1.3).
    EvidenceGrade {
        /// Seen by the one who says so.
        Sighted = "sighted",
        /// Its mark read by a machine.
        Scanned = "scanned",
        /// Seen on a photograph.
        Photographed = "photographed",
        /// Known from papers.
        Documented = "documented",
        /// Said by its holder.
        SelfDeclared = "self_declared",
        /// Not seen at all.
        NotSeen = "not_seen",
    }
}

codes! {
    /// The condition of an item (DOMAIN §2; coarser than DLM 4000.25-2's condition codes: those go into remarks).
    Condition {
        /// Fit for use.
        Serviceable = "serviceable",
        /// Not fit for use, worth repair.
        Repairable = "repairable",
        /// Not fit for use.
        Unserviceable = "unserviceable",
        /// Damaged, extent not judged.
        Damaged = "damaged",
        /// Parts are missing.
        Incomplete = "incomplete",
        /// Not examined.
        Unknown = "unknown",
    }
}

codes! {
    /// Where an item is in its life, as its holder or an inspector found it (DOMAIN §3).
    ItemState {
        /// With its holder.
        InCustody = "in_custody",
        /// Should be there and was not found; the cause is not known.
        NotFound = "not_found",
        /// Used up.
        Expended = "expended",
        /// Destroyed under control.
        Destroyed = "destroyed",
        /// Made unusable.
        Demilitarized = "demilitarized",
        /// Given back to the donor.
        Returned = "returned",
        /// With another holder.
        Retransferred = "retransferred",
        /// Lost.
        Lost = "lost",
        /// Stolen.
        Stolen = "stolen",
        /// Taken by an adversary.
        Captured = "captured",
        /// Destroyed in combat.
        CombatDestroyed = "combat_destroyed",
        /// Damaged beyond repair.
        DamagedBeyondRepair = "damaged_beyond_repair",
    }
}

codes! {
    /// What must be done to an item before it leaves control (DoDM 4160.28 vol. 2, 2017-03-07; checked against the list
    /// of DLA Disposition Services).
    Demil {
        /// No demilitarisation.
        A = "A",
        /// Mutilation worldwide.
        B = "B",
        /// Removal of the listed parts.
        C = "C",
        /// Destruction worldwide.
        D = "D",
        /// By the programme's instructions, critical item.
        E = "E",
        /// By special instructions.
        F = "F",
        /// By special instructions, ammunition and explosives.
        G = "G",
        /// Technical data with it.
        P = "P",
        /// Mutilation outside the United States.
        Q = "Q",
    }
}

whole_number! {
    /// The DEMIL integrity code: how the DEMIL code was checked (DoDM 4160.28 vol. 2).
    DemilIntegrity(u8), 0, 7
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn stock_numbers_have_three_grades() {
        for (text, grade) in [
            ("5855-01-534-5931", Grade::Standard),
            ("5855015345931", Grade::Standard),
            ("2320-DS-TRU-CK00", Grade::Local),
            ("2320DSTRUCK00", Grade::Local),
            ("5855-01-5345931", Grade::Malformed),
            ("5855-IR-LAM-P", Grade::Malformed),
            ("585A-01-534-5931", Grade::Malformed),
            ("2320-ds-tru-ck00", Grade::Malformed),
            ("5855-01-534-593１", Grade::Malformed),
            ("５855015345931", Grade::Malformed),
            (" 5855015345931", Grade::Malformed),
            ("", Grade::Malformed),
        ] {
            assert_eq!(grade_nsn(text), grade, "{text:?}");
            if let Some(canonical) = canonical_stock_number(text) {
                assert_eq!(canonical.parse::<Nsn>().is_ok(), grade == Grade::Standard);
                assert_eq!(canonical.parse::<LocalStockNumber>().is_ok(), grade == Grade::Local);
            }
        }
        assert!("5855015345931".parse::<Nsn>().is_err(), "an event has the hyphenated form only");
    }

    #[test]
    fn document_numbers_have_three_grades() {
        assert_eq!(grade_document_number("2YTKXD71513126"), Grade::Standard);
        assert_eq!(grade_document_number("№ 12/347-Б"), Grade::Local);
        assert_eq!(grade_document_number("2ytkxd71513126"), Grade::Local);
        for bad in ["", " 2YTKXD71513126", "a\nb", &"x".repeat(65)] {
            assert_eq!(grade_document_number(bad), Grade::Malformed, "{bad:?}");
        }
    }

    #[test]
    fn countries_currencies_places() {
        let alphabet = || (b'A'..=b'Z').map(char::from);
        let countries = alphabet().flat_map(|a| alphabet().map(move |b| format!("{a}{b}")));
        assert_eq!(countries.filter(|c| c.parse::<Country>().is_ok()).count(), 249, "ISO 3166-1 has 249 codes");
        for bad in ["", "u", "ua", "UKR", "XK", "ZZ", "EU"] {
            assert!(bad.parse::<Country>().is_err(), "{bad}");
        }
        assert!("ZZ".parse::<PartyCountry>().is_ok());
        assert!("USD".parse::<Currency>().is_ok() && "UAH".parse::<Currency>().is_ok());
        for bad in ["usd", "US", "ZZZ", ""] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
        assert!("PLRZE".parse::<UnLocode>().is_ok() && "USLA2".parse::<UnLocode>().is_ok());
        for bad in ["PL RZE", "PLRZ1", "plrze", "PLRZ", "P1RZE"] {
            assert!(bad.parse::<UnLocode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn demil_q_expects_three_or_six() {
        let integrity = |n| DemilIntegrity::new(n).unwrap();
        assert_eq!(demil_note(Demil::Q, integrity(3)), None);
        assert_eq!(demil_note(Demil::A, integrity(1)), None);
        assert_eq!(demil_note(Demil::Q, integrity(1)), Some(CodeNote::DemilIntegrity(1)));
        assert!(DemilIntegrity::new(8).is_none());
        assert!("H".parse::<Demil>().is_err());
    }

    #[test]
    fn code_texts_and_serde_agree() {
        for state in ItemState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert_eq!(state.as_str().parse::<ItemState>().unwrap(), *state);
        }
    }
}
