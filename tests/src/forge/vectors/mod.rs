//! The vectors, section by section of SPEC.md.

mod kinds;
mod s01;
mod s02;
mod s03;
mod s04;
mod s05;
mod s06;
mod s07;
mod s08_bodies;
mod s08_cases;
mod s08_keys;
mod s09_rules;
mod s09_tables;
mod s10;
mod s11;
mod s12;
mod s13;
mod s15;
mod s15_lines;
mod stories;

use super::{Script, Vector};

/// Vectors as they are written down.
#[derive(Default)]
pub struct Book {
    section: String,
    prefix: String,
    vectors: Vec<Vector>,
}

impl Book {
    /// Begins a section: `§8`, and what its names begin with: `s8`.
    fn section(&mut self, section: &str, prefix: &str) {
        section.clone_into(&mut self.section);
        prefix.clone_into(&mut self.prefix);
    }

    /// Adds a vector, which verifies until said otherwise.
    fn add(&mut self, name: &str, sentence: &str, script: &Script) -> &mut Vector {
        let name = format!("{}-{name}", self.prefix);
        self.vectors.push(Vector::new(&name, &self.section, sentence, script));
        self.vectors.last_mut().expect("just pushed")
    }
}

/// All vectors.
///
/// # Panics
///
/// If two have one name.
#[must_use]
pub fn all() -> Vec<Vector> {
    let mut book = Book::default();
    let chapters = [
        s01::write,
        s02::write,
        s03::write,
        s04::write,
        s05::write,
        s06::write,
        s07::write,
        s08_bodies::write,
        s08_keys::write,
        s08_cases::write,
        s09_tables::write,
        s09_rules::write,
        s10::write,
        s11::write,
        s12::write,
        s13::write,
        s15::write,
        kinds::write,
        stories::write,
    ];
    for write in chapters {
        write(&mut book);
    }
    // The largest families are stored compressed: they differ from one another in a few bytes.
    let large = ["§1", "§3", "§5", "§7", "§8", "§9", "DOMAIN §2"];
    for v in book.vectors.iter_mut().filter(|v| large.contains(&v.section.as_str()) && v.extension == "bundle.jsonl") {
        v.compress();
    }
    let mut names = std::collections::BTreeSet::new();
    for v in &book.vectors {
        assert!(names.insert(v.name.clone()), "two vectors {}", v.name);
    }
    book.vectors
}

/// The folders below `tests/vectors` that the forge fills.
pub const FOLDERS: [&str; 3] = ["valid", "invalid", "inadmissible"];

/// Every file of the vectors, and `index.json`: path below `tests/vectors`, bytes.
///
/// # Panics
///
/// Never: an index is always JSON.
#[must_use]
pub fn files(vectors: &[Vector]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = vectors.iter().flat_map(Vector::files).collect();
    let index: Vec<serde_json::Value> = vectors.iter().map(Vector::index).collect();
    let index = serde_json::to_string_pretty(&index).expect("an index is JSON") + "\n";
    files.push(("index.json".to_owned(), index.into_bytes()));
    files.push(("COUNTS.md".to_owned(), counts(vectors).into_bytes()));
    files
}

/// How many vectors there are, by section and verdict.
fn counts(vectors: &[Vector]) -> String {
    const VERDICTS: [&str; 4] = ["verified", "partial", "failed", "not_checked"];
    let mut rows: Vec<(&str, [usize; 4])> = Vec::new();
    for v in vectors {
        let verdict = VERDICTS.iter().position(|verdict| *verdict == v.verdict).expect("one of the four");
        match rows.iter_mut().find(|(section, _)| *section == v.section) {
            Some((_, row)) => row[verdict] += 1,
            None => {
                let mut row = [0; 4];
                row[verdict] = 1;
                rows.push((&v.section, row));
            }
        }
    }
    let sum = rows.iter().fold([0; 4], |sum, (_, row)| std::array::from_fn(|i| sum[i] + row[i]));
    rows.push(("all", sum));
    let cells = |row: &[usize; 4]| row.map(|n| n.to_string()).join(" | ");
    let rows: String = rows
        .iter()
        .map(|(section, row)| format!("| {section} | {} | {} |\n", cells(row), row.iter().sum::<usize>()))
        .collect();
    format!(
        "# How many vectors there are\n\nWritten by `make_vectors`.\n\n| section of `SPEC.md` | {} | all |\n|---|---|---|---|---|---|\n{rows}",
        VERDICTS.join(" | ")
    )
}
