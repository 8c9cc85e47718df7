//! Federal supply classes: the first four digits of a stock number, by group.
//!
//! The groups and classes of Cataloging Handbook H2 (Defense Logistics Agency), which NATO's ACodP-2/3 shares, as known
//! in 2020. The 78 groups, and the twelve numbers that are none, were checked against H2 of February 2003; the classes,
//! 669 where H2 of 2003 had 645, were compiled by hand, and all 426 that stand in 355,000 published stock numbers of
//! 2016 to 2020 are among them. Classes come and go: one that is not listed is a reason to look again, never to refuse.

/// Each group with its classes, sorted: the class is the group's two digits, then these two.
const CLASSES: &[(&str, &str)] = &[
    ("10", "05 10 15 20 25 30 35 40 45 55 70 75 80 90 95"),
    ("11", "05 10 15 20 25 27 30 35 40 45 90 95"),
    ("12", "10 20 30 40 50 60 65 70 80 85 87 90"),
    ("13", "05 10 15 20 25 30 36 37 38 40 45 46 50 51 52 53 55 56 60 61 65 67 70 75 76 77 85 86 90 95 98"),
    ("14", "10 20 25 27 30 40 50"),
    ("15", "10 20 40 50 60"),
    ("16", "10 15 20 30 40 50 60 70 80"),
    ("17", "10 20 30 40"),
    ("18", "10 20 30 40 50 60"),
    ("19", "05 10 15 20 25 30 35 40 45 50 55 90"),
    ("20", "10 20 30 40 50 60 90"),
    ("22", "10 20 30 40 50"),
    ("23", "05 10 20 30 40 50 55 60"),
    ("24", "10 20 30"),
    ("25", "10 20 30 40 41 90"),
    ("26", "10 20 30 40"),
    ("28", "05 10 15 20 25 30 35 40 45 50 95"),
    ("29", "10 15 20 25 30 35 40 45 50 90 95"),
    ("30", "10 20 30 40"),
    ("31", "10 20 30"),
    ("32", "10 20 30"),
    (
        "34",
        "05 08 10 11 12 13 14 15 16 17 18 19 22 24 26 31 32 33 36 38 39 41 42 43 44 45 46 47 48 49 50 55 56 60 61 65 70",
    ),
    ("35", "10 20 30 40 50 90"),
    ("36", "05 10 11 15 20 25 30 35 40 45 50 55 60 70 80 85 90 93 94 95"),
    ("37", "10 20 30 40 50 60 70"),
    ("38", "05 10 15 20 25 30 35 95"),
    ("39", "10 15 20 30 40 50 60 90"),
    ("40", "10 20 30"),
    ("41", "10 20 30 40 50"),
    ("42", "10 20 30 35 40 50"),
    ("43", "10 20 30"),
    ("44", "10 20 30 40 60 70"),
    ("45", "10 20 30 40"),
    ("46", "10 20 30"),
    ("47", "10 20 30"),
    ("48", "10 20"),
    ("49", "10 20 21 23 25 27 30 31 33 35 40 60 70"),
    ("51", "10 20 30 33 36 40 80"),
    ("52", "10 20 80"),
    ("53", "05 06 07 10 15 20 25 30 31 35 40 41 42 45 50 55 60 65"),
    ("54", "10 11 19 20 30 40 45 50"),
    ("55", "10 20 30"),
    ("56", "10 20 30 40 50 60 70 75 80"),
    ("58", "05 10 11 15 20 21 25 26 30 31 35 36 40 41 45 50 55 60 65 95"),
    ("59", "05 10 15 20 25 30 35 40 45 50 55 60 61 62 63 65 70 75 77 80 85 90 95 96 98 99"),
    ("60", "04 05 06 07 08 10 15 20 21 25 26 29 30 31 32 33 34 35 40 50 60 70 80 99"),
    ("61", "05 10 15 16 17 20 25 30 35 40 45 50 60"),
    ("62", "10 20 30 40 50 60"),
    ("63", "10 20 30 40 50"),
    ("65", "05 08 09 10 15 20 25 30 32 40 45 50"),
    ("66", "05 10 15 20 25 30 35 36 40 45 50 55 60 65 70 75 80 85 95"),
    ("67", "10 20 30 40 50 60 70 80"),
    ("68", "10 20 30 40 50"),
    ("69", "10 20 30 40"),
    ("70", "10 20 21 22 25 30 35 40 42 45 50"),
    ("71", "05 10 25 95"),
    ("72", "10 20 30 40 90"),
    ("73", "10 20 30 40 50 60"),
    ("74", "20 30 35 50 60 90"),
    ("75", "10 20 30 40"),
    ("76", "10 20 30 31 40 41 42 43 44 50 60 70 90"),
    ("77", "10 20 30 35 40"),
    ("78", "10 20 30"),
    ("79", "10 20 30"),
    ("80", "10 20 30 40"),
    ("81", "05 10 15 20 25 30 35 40 45 50"),
    ("83", "05 10 15 20 25 30 35 40 45"),
    ("84", "05 10 15 20 25 30 35 40 45 50 55 57 60 65 70 75"),
    ("85", "10 20 30 40"),
    ("87", "10 20 30"),
    ("88", "10 20"),
    ("89", "05 10 15 20 25 30 35 40 45 50 55 60 65 70 75 99"),
    ("91", "10 20 30 35 40 50 60"),
    ("93", "10 20 30 40 50 90"),
    ("94", "10 20 30 40 50"),
    ("95", "05 10 15 20 25 30 35 40 45"),
    ("96", "10 20 30 40 50 60 70 80"),
    ("99", "05 10 15 20 25 30 98 99"),
];

fn classes_of(group: &str) -> Option<&'static str> {
    let index = CLASSES.binary_search_by(|(listed, _)| (*listed).cmp(group)).ok()?;
    Some(CLASSES[index].1)
}

/// Tells whether two digits are a federal supply group.
#[must_use]
pub fn is_supply_group(group: &str) -> bool {
    classes_of(group).is_some()
}

/// Tells whether four digits are a federal supply class.
#[must_use]
pub fn is_supply_class(class: &str) -> bool {
    let Some((group, rest)) = class.split_at_checked(2) else { return false };
    rest.len() == 2 && classes_of(group).is_some_and(|classes| classes.split(' ').any(|listed| listed == rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_well_formed() {
        assert!(CLASSES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(CLASSES.len(), 78);
        assert_eq!(CLASSES.iter().map(|(_, classes)| classes.split(' ').count()).sum::<usize>(), 669);
        for unassigned in ["21", "27", "33", "50", "57", "64", "82", "86", "90", "92", "97", "98"] {
            assert!(!is_supply_group(unassigned), "{unassigned}");
        }
        for (group, classes) in CLASSES {
            let classes: Vec<&str> = classes.split(' ').collect();
            assert!(classes.is_sorted_by(|a, b| a < b), "{group}");
            assert!(classes.iter().all(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_digit())), "{group}");
        }
    }

    #[test]
    fn classes_and_groups() {
        assert!(is_supply_class("1005") && is_supply_class("5855") && is_supply_group("99"));
        for unknown in ["", "10", "100", "1006", "2101", "0005", "10055", "é05", "10 5", "5 55"] {
            assert!(!is_supply_class(unknown), "{unknown:?}");
        }
    }
}
