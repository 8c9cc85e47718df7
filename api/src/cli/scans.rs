//! Scanned serials: a list as a scanner writes it, compared with what the ledger describes.
//!
//! One serial a line. Serials compare as DOMAIN §1.7 says: upper case, without spaces and hyphens. Blank lines and
//! repetitions are counted and told, never an error: scanners stutter. A serial that is not known and looks like one
//! that is, but for letters of another script, is pointed out and never merged; so is a last line that ends without a
//! newline and is the beginning of a known one: the scanner was cut off.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use countersign_ledger::event::common::{Serial, normalise_serial};

use crate::escape::quoted;
use crate::failure::Failure;
use crate::files;

/// The longest list that is read: a hundred thousand serials of the greatest length.
const MAX_LIST: usize = 8 << 20;

/// A list of serials, each once, in the order of the scanner.
#[derive(Debug, Default)]
pub(super) struct Scans {
    /// The serials.
    pub(super) serials: Vec<Serial>,
    /// How many lines were blank.
    pub(super) blank: usize,
    /// How many lines repeated one before.
    pub(super) repeated: usize,
    /// Whether the last serial is of a line that nothing ended: perhaps half of it.
    pub(super) unfinished: bool,
}

impl Scans {
    /// Reads a list; `-` is stdin.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no serial.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = files::read_text(path, MAX_LIST)?;
        Self::parse(&text).map_err(|failure| failure.within(path.display()))
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let mut scans = Self::default();
        let mut seen = HashSet::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (count, ended) = (text.lines().count(), text.ends_with('\n'));
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                scans.blank += 1;
                continue;
            }
            let serial: Serial = line.parse().map_err(|e| {
                Failure::usage(format_args!("line {}: {e}", i + 1)).hint("one serial a line, nothing else")
            })?;
            let last = i + 1 == count;
            if seen.insert(serial.normalised()) {
                scans.serials.push(serial);
                scans.unfinished = last && !ended;
            } else {
                scans.repeated += 1;
            }
        }
        Ok(scans)
    }

    /// Says what was left out.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let counts =
            [(self.blank, "blank lines left out"), (self.repeated, "serials scanned more than once, counted once")];
        counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"))
    }

    /// Tells whether a serial of the list is perhaps cut off: of a last line without an end, and the beginning of a
    /// known one.
    pub(super) fn is_cut_off(&self, at: usize, known: &Known) -> Option<String> {
        let serial = self.serials.get(at).filter(|_| self.unfinished && at + 1 == self.serials.len())?;
        let longer = known.beginning_with(&serial.normalised())?;
        Some(format!(
            "{} is left out: the last line of the scan has no end, and {} begins so; scan it again",
            quoted(serial.as_str()),
            quoted(longer)
        ))
    }
}

/// The serials that the ledger describes, to find those that look like a scanned one.
#[derive(Debug, Default)]
pub(super) struct Known {
    by_look: HashMap<String, Vec<String>>,
    marks: BTreeSet<String>,
}

impl Known {
    /// Remembers serials.
    pub(super) fn of<'a>(serials: impl IntoIterator<Item = &'a Serial>) -> Self {
        let mut known = Self::default();
        for serial in serials {
            let mark = serial.normalised();
            known.by_look.entry(fold(&mark)).or_default().push(serial.as_str().to_owned());
            known.marks.insert(mark);
        }
        known
    }

    /// Finds a serial that looks like `serial` but for letters of another script, and is another.
    pub(super) fn look_alike(&self, serial: &Serial) -> Option<&str> {
        let mark = serial.normalised();
        let alike = self.by_look.get(&fold(&mark))?;
        alike.iter().find(|other| normalise_serial(other) != mark).map(String::as_str)
    }

    /// Says that a serial looks like another.
    pub(super) fn suggestion(&self, serial: &Serial) -> Option<String> {
        let found = self.look_alike(serial)?;
        let (serial, found) = (quoted(serial.as_str()), quoted(found));
        Some(format!("{serial} looks like {found}, which is known, but for letters of another script"))
    }

    fn beginning_with(&self, mark: &str) -> Option<&str> {
        let next = self.marks.range::<str, _>((std::ops::Bound::Excluded(mark), std::ops::Bound::Unbounded)).next()?;
        let known = self.marks.contains(mark);
        (!known && next.starts_with(mark)).then_some(next.as_str())
    }
}

/// Folds Cyrillic and Greek capitals into the Latin ones that print alike.
fn fold(serial: &str) -> String {
    let latin = |c: char| match c {
        'А' | 'Α' => 'A',
        'В' | 'Β' => 'B',
        'С' => 'C',
        'Е' | 'Ε' => 'E',
        'Н' | 'Η' => 'H',
        'І' | 'Ι' => 'I',
        'Ј' => 'J',
        'К' | 'Κ' => 'K',
        'М' | 'Μ' => 'M',
        'Ν' => 'N',
        'О' | 'Ο' => 'O',
        'Р' | 'Ρ' => 'P',
        'Ѕ' => 'S',
        'Т' | 'Τ' => 'T',
        'Х' | 'Χ' => 'X',
        'У' | 'Υ' => 'Y',
        'Ζ' => 'Z',
        other => other,
    };
    normalise_serial(serial).chars().map(latin).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_are_read_as_scanners_write_them() {
        let scans = Scans::parse("\u{feff}SYN-0001\r\n\r\n  syn 0001 \nSYN-0002\n\n").unwrap();
        let serials: Vec<&str> = scans.serials.iter().map(Serial::as_str).collect();
        assert_eq!((serials, scans.blank, scans.repeated), (vec!["SYN-0001", "SYN-0002"], 2, 1));
        assert!(Scans::parse("ok\n--\n").unwrap_err().message.starts_with("line 2: "));
    }

    #[test]
    fn look_alikes_are_pointed_out() {
        let sent: Vec<Serial> = ["AB-1", "AC-2"].iter().map(|s| s.parse().unwrap()).collect();
        let cyrillic: Serial = "АВ1".parse().unwrap();
        let known = Known::of(&sent);
        assert!(known.suggestion(&cyrillic).unwrap().contains("\"AB-1\""));
        assert!(known.suggestion(&"AB1".parse().unwrap()).is_none(), "the same serial");
        assert!(known.suggestion(&"АД1".parse().unwrap()).is_none());
    }

    #[test]
    fn half_a_line_at_the_end_is_noticed() {
        let known: Vec<Serial> = ["SYN-0001", "SYN-0002", "SYN-00"].iter().map(|s| s.parse().unwrap()).collect();
        let known = Known::of(&known);
        let cut = |text: &str| {
            let scans = Scans::parse(text).unwrap();
            (0..scans.serials.len()).filter_map(|at| scans.is_cut_off(at, &known)).count()
        };
        assert_eq!(cut("SYN-0001\nSYN-0"), 1);
        assert_eq!(cut("SYN-0001\nSYN-0\n"), 0, "the line is whole");
        assert_eq!(cut("SYN-0\nSYN-0001"), 0, "the last line is a known serial");
        assert_eq!(cut("SYN-0001\nSYN-00"), 0, "it is a serial of its own");
        assert_eq!(cut("SYN-0001\nZ"), 0);
    }
}
