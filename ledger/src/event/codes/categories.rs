//! Categories under which transfers are reported or controlled.
//!
//! UNROCA: the seven categories of General Assembly resolution 46/36 L with the small arms of resolution 58/54, as the
//! standardised form of 2022 has them. ATT: Article 2(1) of the treaty of 2013-04-02. Wassenaar: Munitions List
//! ML1–ML22, WA-LIST (24) of 2024-12. USML: 22 CFR 121.1, categories I–XXI, as of 2025. All four compiled by hand: the
//! categories only, of which none has changed in number since; what stands below one is of its form, not on a list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{code, codes};

codes! {
    /// A category of the UN Register of Conventional Arms.
    Unroca {
        /// Battle tanks.
        I = "I",
        /// Armoured combat vehicles.
        II = "II",
        /// Large-calibre artillery systems.
        III = "III",
        /// Combat aircraft and unmanned combat aerial vehicles.
        IV = "IV",
        /// Attack helicopters.
        V = "V",
        /// Warships.
        VI = "VI",
        /// Missiles and missile launchers.
        VII = "VII",
        /// Small arms and light weapons.
        Salw = "SALW",
    }
}

codes! {
    /// A category of Article 2(1) of the Arms Trade Treaty.
    Att {
        /// Battle tanks.
        A = "2(1)(a)",
        /// Armoured combat vehicles.
        B = "2(1)(b)",
        /// Large-calibre artillery systems.
        C = "2(1)(c)",
        /// Combat aircraft.
        D = "2(1)(d)",
        /// Attack helicopters.
        E = "2(1)(e)",
        /// Warships.
        F = "2(1)(f)",
        /// Missiles and missile launchers.
        G = "2(1)(g)",
        /// Small arms and light weapons.
        H = "2(1)(h)",
    }
}

const ROMAN: [&str; 21] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI", "XVII",
    "XVIII", "XIX", "XX", "XXI",
];

/// `ML1` to `ML22`, then sub-items `.a`, `.1`, at most 16 characters.
fn is_wassenaar(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("ML").filter(|_| text.len() <= 16) else { return false };
    let mut parts = rest.split('.');
    let number = parts.next().unwrap_or_default();
    let category = number.parse::<u8>().is_ok_and(|n| (1..=22).contains(&n) && n.to_string() == number);
    category
        && parts.all(|part| {
            let digits = !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
            digits || matches!(part.as_bytes(), [b'a'..=b'z'])
        })
}

/// A Roman number from I to XXI, then paragraphs `(c)(2)`, at most 24 characters.
fn is_usml(text: &str) -> bool {
    let (category, paragraphs) = text.split_at(text.find('(').unwrap_or(text.len()));
    let inside = paragraphs.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let paragraph = |part: &str| {
        (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= 24
        && ROMAN.contains(&category)
        && (paragraphs.is_empty() || inside.is_some_and(|inside| inside.split(")(").all(paragraph)))
}

code! {
    /// An item of the Wassenaar Munitions List, with its sub-items if wanted.
    Wassenaar, "an item of the Wassenaar Munitions List such as ML15 or ML15.c",
    r"^ML([1-9]|1[0-9]|2[0-2])(\.([a-z]|[0-9]{1,2}))*$", is_wassenaar
}
code! {
    /// A category of the United States Munitions List, with its paragraphs if wanted.
    Usml, "a category of the US Munitions List such as XII or XII(c)(2)",
    r"^(I|II|III|IV|V|VI|VII|VIII|IX|X|XI|XII|XIII|XIV|XV|XVI|XVII|XVIII|XIX|XX|XXI)(\([a-z0-9]{1,4}\))*$",
    is_usml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn munitions_lists() {
        for good in ["ML1", "ML22", "ML15.c", "ML10.e.1", "ML4.b.12"] {
            assert!(good.parse::<Wassenaar>().is_ok(), "{good}");
        }
        for bad in
            ["ML0", "ML23", "ML01", "ML", "ml1", "ML1.", "ML1.A", "ML1.ab", "ML1..a", "ML1.1.1.1.1.1.1.1", "ML+1"]
        {
            assert!(bad.parse::<Wassenaar>().is_err(), "{bad}");
        }
        for good in ["I", "XXI", "XII(c)(2)", "IV(h)(30)", "VIII(h)(2)(iii)"] {
            assert!(good.parse::<Usml>().is_ok(), "{good}");
        }
        for bad in
            ["", "XXII", "IIII", "xii", "XII()", "XII(c", "XIIc)", "XII(c)x", "XII(C)", "XII((c))", "(a)", "XII(c) (2)"]
        {
            assert!(bad.parse::<Usml>().is_err(), "{bad}");
        }
    }

    #[test]
    fn registers() {
        assert_eq!(Unroca::ALL.len(), 8);
        assert_eq!(Att::ALL.len(), 8);
        assert!("VIII".parse::<Unroca>().is_err());
        assert!("2(1)(i)".parse::<Att>().is_err());
    }
}
