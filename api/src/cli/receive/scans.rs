//! Scanned serials: a list as a scanner writes it, compared with what was sent.
//!
//! One serial a line. Serials compare as DOMAIN §1.7 says: upper case, without spaces and hyphens. Blank lines and
//! repetitions are counted and told, never an error: scanners stutter. A serial that was not sent and looks like one
//! that was, but for letters of another script, is pointed out and never merged.

use std::collections::HashSet;
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
        for (i, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                scans.blank += 1;
                continue;
            }
            let serial: Serial = line.parse().map_err(|e| {
                Failure::usage(format_args!("line {}: {e}", i + 1)).hint("one serial a line, nothing else")
            })?;
            if seen.insert(serial.normalised()) {
                scans.serials.push(serial);
            } else {
                scans.repeated += 1;
            }
        }
        Ok(scans)
    }
}

/// Finds a serial that looks like `serial` but for letters of another script, and says so.
pub(super) fn look_alike<'a>(serial: &Serial, sent: impl Iterator<Item = &'a Serial>) -> Option<String> {
    let folded = fold(&serial.normalised());
    let mut sent = sent;
    let found = sent.find(|other| fold(&other.normalised()) == folded && other.normalised() != serial.normalised())?;
    Some(format!(
        "{} looks like {}, which was sent, but for letters of another script",
        quoted(serial.as_str()),
        quoted(found.as_str())
    ))
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
        assert!(look_alike(&cyrillic, sent.iter()).unwrap().contains("\"AB-1\""));
        assert!(look_alike(&"AB1".parse().unwrap(), sent.iter()).is_none(), "the same serial");
        assert!(look_alike(&"АД1".parse().unwrap(), sent.iter()).is_none());
    }
}
