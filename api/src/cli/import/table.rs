//! Look-up tables: a file's words for parties, cases and the like, and the ledger's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The most rows of a table.
const MAX_ROWS: usize = 1_000_000;

/// A table as the map has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableSource {
    /// The rows themselves.
    values: Option<HashMap<String, String>>,
    /// A CSV file with a header, relative to the map.
    file: Option<PathBuf>,
    /// Its column to look in.
    key: Option<String>,
    /// Its column to take from.
    value: Option<String>,
    /// Whether capitals do not matter.
    #[serde(default)]
    ignore_case: bool,
}

/// Tells why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// Neither rows nor a file, or half of either.
    #[error("expected either `values`, or `file` with the columns `key` and `value`")]
    Form,
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: csv::Error,
    },
    /// The file has no such column.
    #[error("{}: expected a column {column:?}, found {found}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Those that it has.
        found: String,
    },
    /// A key stands twice with two values.
    #[error("{key:?} stands twice, with {first:?} and {second:?}")]
    Twice {
        /// The key.
        key: String,
        /// Its value.
        first: String,
        /// Its other value.
        second: String,
    },
    /// Too many rows.
    #[error("expected at most {MAX_ROWS} rows, found more")]
    TooLong,
}

/// A table, loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    rows: HashMap<String, String>,
    ignore_case: bool,
}

impl Table {
    /// Loads a table; file names are relative to `folder`.
    ///
    /// # Errors
    /// When it has no rows, the file cannot be read, or a key stands twice with two values.
    pub(crate) fn load(source: TableSource, folder: &Path) -> Result<Self, TableError> {
        let mut table = Self { rows: HashMap::new(), ignore_case: source.ignore_case };
        match (source.values, source.file, source.key, source.value) {
            (Some(values), None, None, None) => {
                for (key, value) in values {
                    table.insert(&key, value)?;
                }
            }
            (None, Some(file), Some(key), Some(value)) => table.read(&folder.join(file), &key, &value)?,
            _ => return Err(TableError::Form),
        }
        Ok(table)
    }

    fn read(&mut self, path: &Path, key: &str, value: &str) -> Result<(), TableError> {
        let failed = |source| TableError::Read { path: path.to_owned(), source };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(failed)?;
        let header = reader.headers().map_err(failed)?.clone();
        let place = |column: &str| {
            header.iter().position(|name| name == column).ok_or_else(|| TableError::Column {
                path: path.to_owned(),
                column: column.to_owned(),
                found: header.iter().collect::<Vec<_>>().join(", "),
            })
        };
        let (key, value) = (place(key)?, place(value)?);
        for record in reader.records() {
            let record = record.map_err(failed)?;
            let (key, value) = (record.get(key).unwrap_or_default(), record.get(value).unwrap_or_default());
            if self.rows.len() >= MAX_ROWS {
                return Err(TableError::TooLong);
            }
            if !key.is_empty() {
                self.insert(key, value.to_owned())?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, key: &str, value: String) -> Result<(), TableError> {
        let folded = self.fold(key);
        match self.rows.insert(folded, value.clone()) {
            Some(first) if first != value => Err(TableError::Twice { key: key.to_owned(), first, second: value }),
            _ => Ok(()),
        }
    }

    fn fold(&self, key: &str) -> String {
        let key = key.trim();
        if self.ignore_case { key.to_lowercase() } else { key.to_owned() }
    }

    /// Looks a word up.
    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        self.rows.get(&self.fold(key)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn load(source: &str, folder: &Path) -> Result<Table, TableError> {
        Table::load(toml::from_str(source).unwrap(), folder)
    }

    #[test]
    fn tables_of_values_and_files() {
        let here = tempfile::tempdir().unwrap();
        std::fs::write(here.path().join("p.csv"), "\u{feff}State,Party\r\nAK,us-ak\r\n\"AL \",us-al\r\n").unwrap();
        let table = load("values = { AK = \"us-ak\" }\nignore_case = true", here.path()).unwrap();
        assert_eq!(table.find(" ak "), Some("us-ak"));
        let table = load("file = \"p.csv\"\nkey = \"State\"\nvalue = \"Party\"", here.path()).unwrap();
        assert_eq!(table.find("AL"), Some("us-al"));
        assert_eq!(table.find("al"), None);
        let missing = load("file = \"p.csv\"\nkey = \"state\"\nvalue = \"Party\"", here.path()).unwrap_err();
        assert_eq!(missing.to_string().rsplit_once(": ").unwrap().1, "expected a column \"state\", found State, Party");
        assert!(matches!(load("file = \"p.csv\"", here.path()), Err(TableError::Form)));
        let twice = load("values = { ak = \"1\", AK = \"2\" }\nignore_case = true", here.path());
        assert!(matches!(twice, Err(TableError::Twice { .. })));
    }
}
