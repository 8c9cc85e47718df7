//! CSV that is safe to open in a spreadsheet.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, tab or CR as a formula, and others' texts are in our
//! tables. Such a cell gets a `'` in front, which spreadsheets show as text; a plain number is left alone. Cells are
//! quoted as RFC 4180 has it; lines end with CR LF.

use std::borrow::Cow;

/// The media type.
pub const MEDIA_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Returns a cell that no spreadsheet takes for a formula.
#[must_use]
pub fn cell(text: &str) -> Cow<'_, str> {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number = text.strip_prefix('-').is_some_and(digits);
    if risky && !number { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A table that is written row by row.
#[derive(Debug)]
pub struct Sheet(csv::Writer<Vec<u8>>);

impl Sheet {
    /// Begins a table with its header.
    #[must_use]
    pub fn new(header: &[&str]) -> Self {
        let mut builder = csv::WriterBuilder::new();
        let writer = builder.terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let mut sheet = Self(writer);
        sheet.row(header);
        sheet
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When it has not as many cells as the header.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        let cells = cells.iter().map(|text| cell(text.as_ref()).into_owned());
        self.0.write_record(cells).expect("a row has the header's cells, and memory takes it");
    }

    /// Returns the table.
    ///
    /// # Panics
    /// Never: memory takes it.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes what is left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let mut sheet = Sheet::new(&["a", "b"]);
        sheet.row(&["=HYPERLINK(\"x\")", "-2.5"]);
        sheet.row(&["@a,b", "-2+3"]);
        sheet.row(&["\tx", "plain"]);
        sheet.row(&["А-Ж1", "＝1"]);
        sheet.row(&["-", ""]);
        let text = String::from_utf8_lossy(&sheet.finish()).into_owned();
        assert_eq!(
            text,
            "a,b\r\n\"'=HYPERLINK(\"\"x\"\")\",-2.5\r\n\"'@a,b\",'-2+3\r\n'\tx,plain\r\nА-Ж1,'＝1\r\n'-,\r\n"
        );
    }
}
