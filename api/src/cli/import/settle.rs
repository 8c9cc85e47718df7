//! What became of each row, and the files that say so: results and quarantine.
//!
//! | file | rows | columns |
//! |---|---|---|
//! | results | every row | `row` `key` `status` `event` `seq` `receipt` `warnings` `reason` |
//! | quarantine | those that were not recorded | `_row` `_reason` `_field`, then the input's own, as they stood |
//!
//! `status` is `appended`, `already` (an earlier run recorded it), `quarantined`, `valid` in a dry run, or with `--out`
//! `written` and `there` (an earlier run wrote it), the file standing under `receipt`. Results are
//! safe to open in a spreadsheet: a cell of ours that would begin a formula begins with `'` instead. The quarantine file
//! keeps the input's values byte for byte and can be imported again once mended; it is made when it has a first row.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use countersign_ledger::hash::EventHash;
use countersign_ledger::id::Seq;
use serde::Serialize;

use super::draft::Group;
use super::fault::Fault;
use super::json_row::LINE_MEMBER;
use super::read::{Layout, OWN_COLUMNS, Raw, Row};
use crate::failure::Failure;
use crate::sheet;

/// How many quarantined rows the summary names.
const NAMED: usize = 20;

/// What became of the rows of one event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Recorded by this run.
    Appended(Place),
    /// Recorded by an earlier run.
    Already(Place),
    /// It would be recorded, as far as can be told without the ledger.
    Valid,
    /// Written to this file, for others to sign.
    Written(PathBuf),
    /// This file has it already, from an earlier run.
    There(PathBuf),
    /// Not recorded, and why.
    Quarantined(Fault),
}

/// Where an event stands in the ledger.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) event: EventHash,
    pub(crate) seq: Seq,
    pub(crate) receipt: Option<PathBuf>,
}

/// The numbers of an import; those of rows, unless they say events.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) appended: u64,
    pub(crate) already: u64,
    pub(crate) valid: u64,
    pub(crate) written: u64,
    pub(crate) there: u64,
    pub(crate) warned: u64,
    pub(crate) quarantined: u64,
    pub(crate) events_appended: u64,
    pub(crate) events_written: u64,
    /// How many rows were warned of, by the sort of warning.
    pub(crate) warnings: BTreeMap<&'static str, u64>,
    /// The first quarantined rows.
    pub(crate) quarantined_rows: Vec<QuarantinedRow>,
}

/// A quarantined row, named in the summary.
#[derive(Debug, Serialize)]
pub(crate) struct QuarantinedRow {
    pub(crate) row: u64,
    pub(crate) key: String,
    pub(crate) field: String,
    pub(crate) reason: String,
}

/// Writes down what became of each row.
pub(crate) struct Ledgerbook {
    results: Option<(PathBuf, csv::Writer<File>)>,
    quarantine: Option<Quarantine>,
    /// The numbers so far.
    pub(crate) counts: Counts,
}

impl Ledgerbook {
    /// Opens the results file; the quarantine file is made when it is needed.
    ///
    /// # Errors
    /// When a file exists already, or cannot be made.
    pub(crate) fn open(results: Option<PathBuf>, quarantine: Option<PathBuf>, layout: Layout) -> Result<Self, Failure> {
        if let Some(path) = &quarantine {
            crate::files::must_be_free(path)?;
        }
        let results = match results {
            Some(path) => {
                let mut writer = csv::Writer::from_writer(create(&path)?);
                let header = ["row", "key", "status", "event", "seq", "receipt", "warnings", "reason"];
                writer.write_record(header).map_err(|e| csv_failure(&path, &e))?;
                Some((path, writer))
            }
            None => None,
        };
        let quarantine = quarantine.map(|path| Quarantine { path, layout, writer: None });
        Ok(Self { results, quarantine, counts: Counts::default() })
    }

    /// Writes down the rows of one event.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&mut self, group: &Group, outcome: &Outcome) -> Result<(), Failure> {
        self.count(group, outcome);
        if let Some((path, writer)) = &mut self.results {
            write_results(writer, group, outcome).map_err(|e| csv_failure(path, &e))?;
        }
        if let (Outcome::Quarantined(fault), Some(quarantine)) = (outcome, &mut self.quarantine) {
            quarantine.write(group, fault)?;
        }
        Ok(())
    }

    fn count(&mut self, group: &Group, outcome: &Outcome) {
        let rows = group.rows.len() as u64;
        let counts = &mut self.counts;
        counts.rows += rows;
        match outcome {
            Outcome::Appended(_) => {
                counts.appended += rows;
                counts.events_appended += 1;
            }
            Outcome::Already(_) => counts.already += rows,
            Outcome::Valid => counts.valid += rows,
            Outcome::Written(_) => {
                counts.written += rows;
                counts.events_written += 1;
            }
            Outcome::There(_) => counts.there += rows,
            Outcome::Quarantined(fault) => {
                counts.quarantined += rows;
                for row in &group.rows {
                    if counts.quarantined_rows.len() < NAMED {
                        counts.quarantined_rows.push(QuarantinedRow {
                            row: row.number,
                            key: group.key.clone(),
                            field: fault.field.clone(),
                            reason: fault.reason.clone(),
                        });
                    }
                }
                return;
            }
        }
        if !group.warnings.is_empty() {
            counts.warned += rows;
            let mut sorts: Vec<&'static str> = group.warnings.iter().map(|warning| warning.sort).collect();
            sorts.sort_unstable();
            sorts.dedup();
            sorts.into_iter().for_each(|sort| *counts.warnings.entry(sort).or_default() += rows);
        }
    }

    /// Makes sure that what was written is in the files.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        if let Some((path, writer)) = &mut self.results {
            writer.flush().map_err(|e| Failure::file(path, "write", &e))?;
        }
        match &mut self.quarantine {
            Some(Quarantine { path, writer: Some(writer), .. }) => {
                writer.flush().map_err(|e| Failure::file(path, "write", &e))
            }
            _ => Ok(()),
        }
    }

    /// Returns the quarantine file, if it was made.
    pub(crate) fn quarantine_file(&self) -> Option<&Path> {
        self.quarantine.as_ref().filter(|q| q.writer.is_some()).map(|q| q.path.as_path())
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    crate::files::must_be_free(path)?;
    File::options().write(true).create_new(true).open(path).map_err(|e| Failure::file(path, "make", &e))
}

fn csv_failure(path: &Path, error: &csv::Error) -> Failure {
    Failure::usage(format_args!("cannot write {}: {error}", path.display()))
}

fn write_results(writer: &mut csv::Writer<File>, group: &Group, outcome: &Outcome) -> csv::Result<()> {
    let (status, place, file, reason) = match outcome {
        Outcome::Appended(place) => ("appended", Some(place), place.receipt.as_ref(), String::new()),
        Outcome::Already(place) => ("already", Some(place), place.receipt.as_ref(), String::new()),
        Outcome::Valid => ("valid", None, None, String::new()),
        Outcome::Written(path) => ("written", None, Some(path), String::new()),
        Outcome::There(path) => ("there", None, Some(path), String::new()),
        Outcome::Quarantined(fault) => ("quarantined", None, None, fault.to_string()),
    };
    let event = place.map(|place| place.event.to_string()).unwrap_or_default();
    let seq = place.map(|place| place.seq.to_string()).unwrap_or_default();
    let receipt = file.map(|path| path.display().to_string()).unwrap_or_default();
    let warnings: Vec<String> = group.warnings.iter().map(ToString::to_string).collect();
    let warnings = warnings.join("; ");
    let (key, receipt, warnings, reason) =
        (sheet::cell(&group.key), sheet::cell(&receipt), sheet::cell(&warnings), sheet::cell(&reason));
    for row in &group.rows {
        writer.write_record([&row.number.to_string(), &*key, status, &event, &seq, &*receipt, &*warnings, &*reason])?;
    }
    Ok(())
}

struct Quarantine {
    path: PathBuf,
    layout: Layout,
    writer: Option<BufWriter<File>>,
}

impl Quarantine {
    fn write(&mut self, group: &Group, fault: &Fault) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        if self.writer.is_none() {
            self.writer = Some(BufWriter::new(create(&self.path)?));
            bytes = header(&self.layout);
        }
        for row in &group.rows {
            bytes.extend(quarantined(&self.layout, row, fault));
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        // What is quarantined is on disk before the next row is: a crash must not lose it.
        let written = writer.write_all(&bytes).and_then(|()| writer.flush());
        written.map_err(|e| Failure::file(&self.path, "write", &e))
    }
}

fn csv_line<'a>(delimiter: u8, fields: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).flexible(true).from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_record(fields);
    writer.into_inner().unwrap_or_default()
}

fn header(layout: &Layout) -> Vec<u8> {
    match layout {
        Layout::Ndjson => Vec::new(),
        Layout::Csv { delimiter, header, recoded } => {
            // The mark says that this file is in UTF-8, whatever the map says of the one that it came from.
            let mut bytes = if *recoded { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
            bytes.extend(csv_line(*delimiter, OWN_COLUMNS.iter().map(|name| name.as_bytes()).chain(header.iter())));
            bytes
        }
    }
}

fn quarantined(layout: &Layout, row: &Row, fault: &Fault) -> Vec<u8> {
    let number = row.number.to_string();
    match (layout, &row.raw) {
        (Layout::Csv { delimiter, .. }, Raw::Csv(record)) => {
            let own = [number.as_bytes(), fault.reason.as_bytes(), fault.field.as_bytes()];
            csv_line(*delimiter, own.into_iter().chain(record.iter()))
        }
        (_, Raw::Json(line)) => json_line(&number, line, fault),
        // Rows are of the layout of their file.
        (Layout::Ndjson, Raw::Csv(_)) => Vec::new(),
    }
}

fn json_line(number: &str, line: &[u8], fault: &Fault) -> Vec<u8> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let own = format!("{{\"_row\":{number},\"_reason\":{},\"_field\":{}", text(&fault.reason), text(&fault.field));
    let mut out = own.into_bytes();
    let is_object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line).is_ok();
    match line.strip_prefix(b"{") {
        Some(rest) if is_object => {
            if rest.trim_ascii_start() != b"}" {
                out.push(b',');
            }
            out.extend_from_slice(rest);
        }
        _ => {
            out.extend_from_slice(format!(",\"{LINE_MEMBER}\":{}}}", text(&String::from_utf8_lossy(line))).as_bytes());
        }
    }
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(raw: Raw) -> Row {
        Row { number: 7, cells: Vec::new(), trimmed: Vec::new(), fault: None, content: None, raw }
    }

    fn group(key: &str, raw: Raw) -> Group {
        Group { rows: vec![row(raw)], warnings: Vec::new(), key: key.to_owned() }
    }

    #[test]
    fn quarantine_keeps_the_bytes_and_results_are_inert() {
        let folder = tempfile::tempdir().unwrap();
        let (results, quarantine) = (folder.path().join("r.csv"), folder.path().join("q.csv"));
        let header: csv::ByteRecord = ["No", "Name"].into_iter().map(str::as_bytes).collect();
        let layout = Layout::Csv { delimiter: b';', header, recoded: false };
        let mut book = Ledgerbook::open(Some(results.clone()), Some(quarantine.clone()), layout).unwrap();
        assert!(!quarantine.exists());
        let record: csv::ByteRecord = [&b"=1+1"[..], b"a;\xff\n\"b\" "].into_iter().collect();
        let outcome = Outcome::Quarantined(Fault::new("Name", "expected UTF-8"));
        book.write(&group("=1+1", Raw::Csv(record)), &outcome).unwrap();
        book.finish().unwrap();
        let written = std::fs::read(&quarantine).unwrap();
        assert_eq!(written, b"_row;_reason;_field;No;Name\n7;expected UTF-8;Name;=1+1;\"a;\xff\n\"\"b\"\" \"\n");
        let written = std::fs::read_to_string(&results).unwrap();
        assert!(written.ends_with("7,'=1+1,quarantined,,,,,Name: expected UTF-8\n"), "{written}");
        assert_eq!((book.counts.rows, book.counts.quarantined), (1, 1));
        assert!(Ledgerbook::open(Some(results), None, Layout::Ndjson).is_err(), "nothing is overwritten");
    }

    #[test]
    fn quarantined_json_lines_read_back() {
        let fault = Fault::new("a", "why \"not\"");
        for (line, wanted) in [
            (&b"{\"a\": 1}"[..], "{\"_row\":7,\"_reason\":\"why \\\"not\\\"\",\"_field\":\"a\",\"a\": 1}\n"),
            (b"{ }", "{\"_row\":7,\"_reason\":\"why \\\"not\\\"\",\"_field\":\"a\" }\n"),
            (b"[1]", "{\"_row\":7,\"_reason\":\"why \\\"not\\\"\",\"_field\":\"a\",\"_line\":\"[1]\"}\n"),
        ] {
            let written = quarantined(&Layout::Ndjson, &row(Raw::Json(line.to_vec())), &fault);
            assert_eq!(String::from_utf8(written.clone()).unwrap(), wanted);
            let (kept, _) = super::super::json_row::read(written.trim_ascii_end());
            let plain = |bytes: &[u8]| bytes.iter().copied().filter(|b| *b != b' ').collect::<Vec<u8>>();
            assert_eq!(plain(&kept), plain(line));
        }
    }
}
