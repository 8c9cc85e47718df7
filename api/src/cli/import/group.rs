//! Puts rows together that make one event.
//!
//! Without `group_by` each row is an event and the file streams through. With it, the rows of one event may stand
//! anywhere in the file, so all are read first; events come in the order of their first rows. Limit: 2,000,000 rows.

use std::collections::HashMap;

use super::read::{InputError, Row, Rows};
use super::template::Column;

/// The most rows of a file that is grouped.
const MAX_GROUPED: usize = 2_000_000;

/// Rows that make one event, one after the other.
pub(crate) struct Groups {
    rows: Rows,
    by: Vec<Column>,
    grouped: Option<std::vec::IntoIter<Vec<Row>>>,
}

/// Why no further event can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    /// The file cannot be read on.
    #[error(transparent)]
    Input(#[from] InputError),
    /// More rows than can be put together.
    #[error("expected at most {MAX_GROUPED} rows in a file that is grouped, found more")]
    TooLong,
}

impl Groups {
    /// Puts rows together by columns; none: each row is an event.
    pub(crate) fn new(rows: Rows, by: Vec<Column>) -> Self {
        Self { rows, by, grouped: None }
    }

    fn collect(&mut self) -> Result<Vec<Vec<Row>>, GroupError> {
        let mut groups: Vec<Vec<Row>> = Vec::new();
        let mut places: HashMap<Vec<Option<Box<str>>>, usize> = HashMap::new();
        let mut count = 0usize;
        for row in &mut self.rows {
            let row = row?;
            count += 1;
            if count > MAX_GROUPED {
                return Err(GroupError::TooLong);
            }
            let key: Vec<Option<Box<str>>> = self.by.iter().map(|column| row.cells[column.0].clone()).collect();
            // A row that cannot be read, or belongs nowhere, stands alone.
            if row.fault.is_some() || key.iter().any(Option::is_none) {
                groups.push(vec![row]);
                continue;
            }
            let place = *places.entry(key).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push(row);
        }
        Ok(groups)
    }
}

impl Iterator for Groups {
    type Item = Result<Vec<Row>, GroupError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.by.is_empty() {
            return self.rows.next().map(|row| Ok(vec![row?]));
        }
        if self.grouped.is_none() {
            match self.collect() {
                Ok(groups) => self.grouped = Some(groups.into_iter()),
                Err(error) => {
                    self.grouped = Some(Vec::new().into_iter());
                    return Some(Err(error));
                }
            }
        }
        self.grouped.as_mut().and_then(Iterator::next).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Cursor;
    use std::path::Path;

    use super::super::input::Format;
    use super::super::map::Map;
    use super::super::source::from_reader;
    use super::*;

    fn groups(csv: &str, by: &str) -> Vec<Vec<u64>> {
        let map = format!(
            "kind = \"a.b\"\nkey = \"{{No}}\"\nsubject = \"s/{{No}}\"\ngroup_by = {by}\noccurred = {{ unknown = \"x\" }}\n[body]\nb = \"{{B}}\""
        );
        let map = Map::parse(&map, Path::new("")).unwrap();
        let source = from_reader(Cursor::new(csv.to_owned()), None, encoding_rs::UTF_8).unwrap();
        let rows = Rows::new(source, &map, Format::Csv).unwrap();
        let groups = Groups::new(rows, map.group_by.clone());
        groups.map(|group| group.unwrap().iter().map(|row| row.number).collect()).collect()
    }

    #[test]
    fn rows_of_one_event_may_stand_anywhere() {
        let csv = "No,B\n1,a\n2,b\n1,c\n,d\n,e\n2\n";
        assert_eq!(groups(csv, "[\"No\"]"), [vec![2, 4], vec![3], vec![5], vec![6], vec![7]]);
        assert_eq!(groups(csv, "[]").len(), 6);
    }
}
