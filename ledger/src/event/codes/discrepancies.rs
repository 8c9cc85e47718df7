//! Discrepancy codes: those on the face of Standard Form 364 (2-80), Report of Discrepancy. C, D, M, Q, S and T1 to T3 were
//! checked against a copy of the form, the others compiled by hand.
//!
//! The manuals that came after add many (DLM 4000.25 vol. 2, AP7.28), which agencies use as they please: a code of the
//! same shape that is not on the form is local, never refused.

use super::{Grade, code};

/// The codes of the form with what they say, sorted by code.
pub const DISCREPANCIES: &[(&str, &str)] = &[
    ("C1", "condition other than on the receipt document"),
    ("C2", "shelf life expired"),
    ("C3", "parcel damaged in the post"),
    ("D1", "supply document not received"),
    ("D2", "supply document illegible or mutilated"),
    ("D3", "supply document incomplete, improper or without authority"),
    ("M1", "addressed to the wrong activity"),
    ("O1", "quantity more than on the receipt document"),
    ("O2", "quantity more than requested"),
    ("O3", "shipped twice"),
    ("P1", "improper preservation"),
    ("P2", "improper packing"),
    ("P3", "improper marking"),
    ("P4", "improper unitization"),
    ("Q1", "deficient materiel"),
    ("S1", "quantity less than on the receipt document"),
    ("S2", "quantity less than requested"),
    ("S3", "parcel not received"),
    ("T1", "technical markings or papers missing"),
    ("T2", "technical markings or papers illegible or mutilated"),
    ("T3", "precautionary markings missing"),
    ("T4", "inspection data missing or incomplete"),
    ("T5", "serviceability data missing or incomplete"),
    ("T6", "warranty data missing"),
    ("W1", "wrong item"),
    ("W2", "substitute that cannot be accepted"),
    ("Z1", "another discrepancy"),
];

/// Grades a discrepancy code: on the form, any other capital letter with one or two digits, or malformed.
#[must_use]
pub fn grade_discrepancy(text: &str) -> Grade {
    let shaped = matches!(text.as_bytes(), [b'A'..=b'Z', digits @ ..]
        if (1..=2).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit));
    if DISCREPANCIES.binary_search_by(|(code, _)| (*code).cmp(text)).is_ok() {
        Grade::Standard
    } else if shaped {
        Grade::Local
    } else {
        Grade::Malformed
    }
}

code! {
    /// What is wrong with a line of a receipt (see [`grade_discrepancy`]).
    DiscrepancyCode, "a discrepancy code such as S1 or C1", "^[A-Z][0-9]{1,2}$",
    |text| grade_discrepancy(text) != Grade::Malformed
}

impl DiscrepancyCode {
    /// Tells whether it is on the form.
    #[must_use]
    pub fn grade(&self) -> Grade {
        grade_discrepancy(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discrepancies_have_three_grades() {
        assert!(DISCREPANCIES.is_sorted_by(|a, b| a.0 < b.0));
        for (text, grade) in
            [("S1", Grade::Standard), ("C4", Grade::Local), ("P21", Grade::Local), ("S", Grade::Malformed)]
        {
            assert_eq!(grade_discrepancy(text), grade, "{text}");
        }
        for bad in ["", "s1", "S123", "1S", "SS1", "S1 ", "Ѕ1", "S١"] {
            assert!(bad.parse::<DiscrepancyCode>().is_err(), "{bad:?}");
        }
    }
}
