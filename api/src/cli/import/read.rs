//! Reads the rows of a CSV or NDJSON file, each with what is needed to write it again as it stood.
//!
//! A row's number is that of its record in the file, as a spreadsheet counts: of a CSV file with a header in the first
//! record, the first row is 2. Columns that this program adds to a quarantine file (`_row`, `_reason`, `_field`) are
//! ignored, so that a mended one can be imported again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};

use countersign_ledger::hash::sha256;
use csv::ByteRecord;
use encoding_rs::{Encoding, UTF_8};

use super::fault::{Fault, quote};
use super::input::{Format, InputStyle, Trim};
use super::json_row;
use super::map::Map;
use super::source::{MAX_ROW, RowBytes, Source, was_utf8};
use super::template::Column;

/// The columns that a quarantine file has before those of the input.
pub(crate) const OWN_COLUMNS: [&str; 3] = ["_row", "_reason", "_field"];

/// Tells why no further row can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The file cannot be read.
    #[error("after row {row}: {source}")]
    Read {
        /// The last row that was read.
        row: u64,
        /// What the reader said.
        source: io::Error,
    },
    /// The file has no header.
    #[error("expected a header, found nothing")]
    NoHeader,
    /// A column that the map reads is not in the header, or stands there twice.
    #[error("expected the column {column:?} once in the header, found {found}")]
    Column {
        /// The column.
        column: String,
        /// What there is.
        found: String,
    },
}

/// A row as it stood in the file.
#[derive(Debug, Clone)]
pub(crate) enum Raw {
    /// The fields of a CSV record, without this program's columns.
    Csv(ByteRecord),
    /// A line of NDJSON, without this program's members.
    Json(Vec<u8>),
}

/// A row: the values that the map reads, and the row as it stood.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Its number in the file.
    pub(crate) number: u64,
    /// Its values by column; `None` where there is none.
    pub(crate) cells: Vec<Option<Box<str>>>,
    /// Columns of which space was taken off, where the map wants that told.
    pub(crate) trimmed: Vec<Column>,
    /// Why it cannot be used at all.
    pub(crate) fault: Option<Fault>,
    /// A hash of its content and the number of rows of that content so far, where the map wants them.
    pub(crate) content: Option<([u8; 32], u64)>,
    /// As it stood.
    pub(crate) raw: Raw,
}

/// How the rows of the input were written, to write some of them again.
#[derive(Debug, Clone)]
pub(crate) enum Layout {
    /// CSV with these columns.
    Csv {
        /// Between fields.
        delimiter: u8,
        /// The header, without this program's columns.
        header: ByteRecord,
        /// Whether the file was in another encoding than UTF-8.
        recoded: bool,
    },
    /// NDJSON.
    Ndjson,
}

/// The rows of a file, in order.
pub(crate) struct Rows {
    lines: Lines,
    layout: Layout,
    reading: Reading,
    number: u64,
    failed: bool,
}

enum Lines {
    Csv(CsvRows),
    Json(BufReader<Box<dyn Read + Send>>),
}

/// What turns a record into a row.
struct Reading {
    guard: RowBytes,
    columns: Vec<String>,
    style: InputStyle,
    encoding: &'static Encoding,
    /// Rows of one content so far, where the map wants to know.
    contents: Option<HashMap<[u8; 16], u64>>,
}

impl Rows {
    /// Begins to read.
    ///
    /// # Errors
    /// When the header cannot be read, or lacks a column of the map.
    pub(crate) fn new(source: Source, map: &Map, format: Format) -> Result<Self, InputError> {
        let reading = Reading {
            guard: source.row,
            columns: map.columns.names().to_vec(),
            style: map.input.clone(),
            encoding: source.encoding,
            contents: map.wants_content().then(HashMap::new),
        };
        if format == Format::Ndjson {
            let lines = Lines::Json(BufReader::with_capacity(64 << 10, source.text));
            return Ok(Self { lines, layout: Layout::Ndjson, reading, number: 0, failed: false });
        }
        let (rows, number) = CsvRows::begin(source.text, &reading)?;
        let layout = Layout::Csv {
            delimiter: reading.style.delimiter,
            header: rows.without_own(&rows.header),
            recoded: reading.encoding != UTF_8,
        };
        Ok(Self { lines: Lines::Csv(rows), layout, reading, number, failed: false })
    }

    /// Returns how the rows are written.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    fn read(&mut self) -> io::Result<Option<Row>> {
        match &mut self.lines {
            Lines::Csv(rows) => {
                let Some(record) = rows.read(&self.reading.guard)? else { return Ok(None) };
                self.number += 1;
                Ok(Some(self.reading.csv_row(self.number, rows, &record)))
            }
            Lines::Json(reader) => loop {
                let mut line = Vec::new();
                reader.by_ref().take(MAX_ROW as u64 + 1).read_until(b'\n', &mut line)?;
                self.reading.guard.row_ended();
                if line.is_empty() {
                    return Ok(None);
                }
                if line.len() > MAX_ROW {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("a line is longer than {MAX_ROW} bytes"),
                    ));
                }
                self.number += 1;
                let line = line.trim_ascii();
                if !line.is_empty() {
                    return Ok(Some(self.reading.json_row(self.number, line)));
                }
            },
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.read().map_err(|source| InputError::Read { row: self.number, source });
        self.failed = row.is_err();
        row.transpose()
    }
}

struct CsvRows {
    reader: csv::Reader<Box<dyn Read + Send>>,
    header: ByteRecord,
    /// The field of each column of the map.
    places: Vec<usize>,
    /// The fields that are this program's own.
    own: Vec<usize>,
    /// The first row, where the file has no header.
    first: Option<ByteRecord>,
}

fn csv_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, format!("{other:?}")),
    }
}

impl CsvRows {
    /// Reads the header; returns the number of the record that it is.
    fn begin(text: Box<dyn Read + Send>, reading: &Reading) -> Result<(Self, u64), InputError> {
        let style = &reading.style;
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(style.delimiter).buffer_capacity(64 << 10);
        let mut rows = Self {
            reader: builder.from_reader(text),
            header: ByteRecord::new(),
            places: Vec::new(),
            own: Vec::new(),
            first: None,
        };
        let mut number = 0;
        let mut read = |rows: &mut Self| {
            let record = rows.read(&reading.guard).map_err(|source| InputError::Read { row: number, source })?;
            number += 1;
            record.ok_or(InputError::NoHeader)
        };
        let mut record = read(&mut rows)?;
        // A quarantine file of ours has a header and nothing above it, whatever the map says of the file it came from.
        let ours = record.get(0) == Some(OWN_COLUMNS[0].as_bytes());
        if !ours {
            for _ in 0..style.skip {
                record = read(&mut rows)?;
            }
        }
        match &style.columns {
            Some(columns) if !ours => {
                rows.header = columns.iter().map(String::as_bytes).collect();
                rows.first = Some(record);
                number -= 1;
            }
            _ => rows.header = record,
        }
        rows.place(&reading.columns)?;
        Ok((rows, number))
    }

    fn place(&mut self, columns: &[String]) -> Result<(), InputError> {
        let names: Vec<Cow<'_, str>> = self.header.iter().map(String::from_utf8_lossy).collect();
        let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
        self.own = (0..names.len()).filter(|i| OWN_COLUMNS.contains(&names[*i])).collect();
        let mut places = Vec::with_capacity(columns.len());
        for column in columns {
            let found: Vec<usize> = (0..names.len()).filter(|i| names[*i] == column.trim()).collect();
            match found.as_slice() {
                [one] => places.push(*one),
                [] => {
                    let found = format!("only {}", names.join(", ").chars().take(400).collect::<String>());
                    return Err(InputError::Column { column: column.clone(), found });
                }
                many => {
                    return Err(InputError::Column {
                        column: column.clone(),
                        found: format!("it {} times", many.len()),
                    });
                }
            }
        }
        self.places = places;
        Ok(())
    }

    fn read(&mut self, guard: &RowBytes) -> io::Result<Option<ByteRecord>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let mut record = ByteRecord::new();
        let more = self.reader.read_byte_record(&mut record).map_err(csv_error)?;
        guard.row_ended();
        Ok(more.then_some(record))
    }

    fn without_own(&self, record: &ByteRecord) -> ByteRecord {
        if self.own.is_empty() {
            return record.clone();
        }
        record.iter().enumerate().filter(|(i, _)| !self.own.contains(i)).map(|(_, field)| field).collect()
    }
}

impl Reading {
    fn csv_row(&mut self, number: u64, rows: &CsvRows, record: &ByteRecord) -> Row {
        let width = rows.header.len();
        let mut row = self.empty_row(number, Raw::Csv(rows.without_own(record)));
        if record.len() != width {
            let reason =
                format!("expected {width} fields, found {}: is a delimiter in a value without quotes?", record.len());
            row.fault = Some(Fault::new("", reason));
            return row;
        }
        for (i, place) in rows.places.iter().enumerate() {
            let bytes = record.get(*place).unwrap_or_default();
            self.fill(&mut row, Column(i), bytes);
        }
        if self.contents.is_some() {
            let own = |(i, _): &(usize, _)| !rows.own.contains(i);
            let fields = rows.header.iter().zip(record.iter()).enumerate().filter(own);
            self.note_content(&mut row, fields.flat_map(|(_, (name, value))| [name, value]));
        }
        row
    }

    fn json_row(&mut self, number: u64, line: &[u8]) -> Row {
        let (line, members) = json_row::read(line);
        let mut row = self.empty_row(number, Raw::Json(line));
        match members {
            Err(reason) => row.fault = Some(Fault::new("", reason)),
            Ok(members) => {
                for i in 0..self.columns.len() {
                    if let Some(value) = members.get(self.columns[i].as_str()) {
                        self.fill(&mut row, Column(i), value.as_bytes());
                    }
                }
                let fields = members.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
                self.note_content(&mut row, fields);
            }
        }
        row
    }

    fn empty_row(&self, number: u64, raw: Raw) -> Row {
        Row { number, cells: vec![None; self.columns.len()], trimmed: Vec::new(), fault: None, content: None, raw }
    }

    /// Puts a value into its cell, without the space around it, or says what is wrong with it.
    fn fill(&self, row: &mut Row, column: Column, bytes: &[u8]) {
        let name = &self.columns[column.0];
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
                let reason =
                    format!("expected UTF-8, found the byte 0x{byte:02x} (the map's input.encoding names another)");
                row.fault.get_or_insert_with(|| Fault::new(name, reason));
                return;
            }
        };
        if text.contains('\u{fffd}') {
            row.fault
                .get_or_insert_with(|| Fault::new(name, "expected text, found a byte that the encoding does not have"));
            return;
        }
        if self.encoding != UTF_8 {
            let reason = if text.contains(|c: char| ('\u{80}'..='\u{9f}').contains(&c)) {
                Some("expected text, found a byte that the encoding does not have".to_owned())
            } else {
                was_utf8(text, self.encoding)
                    .then(|| format!("expected {}, found UTF-8: {}", self.encoding.name(), quote(text)))
            };
            if let Some(reason) = reason {
                row.fault.get_or_insert_with(|| Fault::new(name, reason));
                return;
            }
        }
        let trimmed = text.trim();
        if trimmed.is_empty() || self.style.empty.iter().any(|empty| empty == trimmed) {
            return;
        }
        let kept = if self.style.trim == Trim::Off { text } else { trimmed };
        if self.style.trim == Trim::Warn && trimmed.len() != text.len() {
            row.trimmed.push(column);
        }
        row.cells[column.0] = Some(kept.into());
    }

    /// Notes the content's hash, and how many rows had it, if the map wants to know.
    fn note_content<'a>(&mut self, row: &mut Row, fields: impl Iterator<Item = &'a [u8]>) {
        let Some(contents) = &mut self.contents else { return };
        let mut input = Vec::new();
        for field in fields {
            input.extend_from_slice(&(field.len() as u64).to_be_bytes());
            input.extend_from_slice(field);
        }
        let hash = sha256(&[&input]);
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        let nth = contents.entry(short).or_default();
        *nth += 1;
        row.content = Some((hash, *nth));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::source::from_reader;
    use super::*;
    use std::path::Path;

    fn map(input: &str) -> Map {
        let text = format!(
            "kind = \"a.b\"\nkey = \"{{A}}{{B}}\"\nsubject = \"s/{{A}}\"\noccurred = {{ unknown = \"x\" }}\n[input]\n{input}\n[body]\n"
        );
        Map::parse(&text, Path::new("")).unwrap()
    }

    fn rows(bytes: &[u8], input: &str, format: Format) -> Result<Vec<Row>, InputError> {
        let map = map(input);
        let source = from_reader(io::Cursor::new(bytes.to_vec()), None, map.input.encoding).unwrap();
        Rows::new(source, &map, format)?.collect()
    }

    fn cells(row: &Row) -> Vec<Option<&str>> {
        row.cells.iter().map(Option::as_deref).collect()
    }

    #[test]
    fn marks_line_ends_quotes() {
        let read = rows(b"\xef\xbb\xbfA,\"B \"\r\n1,\"x\r\ny, \"\"z\"\"\"\r\n\r\n2,\r\n", "", Format::Csv).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].number, cells(&read[0])), (2, vec![Some("1"), Some("x\r\ny, \"z\"")]));
        assert_eq!((read[1].number, cells(&read[1])), (3, vec![Some("2"), None]));
    }

    #[test]
    fn delimiters_encodings_empties() {
        let read = rows(
            b"skipped\nB;A\n\xcf\xf0 ; N/A\n",
            "delimiter=\";\"\nencoding=\"windows-1251\"\nskip=1\nempty=[\"N/A\"]\ntrim=\"warn\"",
            Format::Csv,
        )
        .unwrap();
        assert_eq!((read[0].number, cells(&read[0])), (3, vec![None, Some("Пр")]));
        assert_eq!(read[0].trimmed, [Column(1)]);
        let read = rows(b"1\t2\n", "delimiter=\"tab\"\ncolumns=[\"A\",\"B\"]", Format::Csv).unwrap();
        assert_eq!((read[0].number, cells(&read[0])), (1, vec![Some("1"), Some("2")]));
    }

    #[test]
    fn bad_rows_are_told_and_kept() {
        let read = rows(b"A,B,C\n1,2\n\xff,2,3\n1,2,\xff\n1,2,3,4\n", "", Format::Csv).unwrap();
        let reasons: Vec<Option<String>> = read.iter().map(|row| row.fault.as_ref().map(ToString::to_string)).collect();
        assert!(reasons[0].as_ref().unwrap().starts_with("expected 3 fields, found 2"));
        assert!(reasons[1].as_ref().unwrap().starts_with("A: expected UTF-8, found the byte 0xff"));
        assert_eq!(reasons[2], None, "a column that the map does not read");
        assert!(reasons[3].as_ref().unwrap().starts_with("expected 3 fields, found 4"));
        let Raw::Csv(record) = &read[1].raw else { panic!("csv") };
        assert_eq!(record.get(0), Some(&b"\xff"[..]));
    }

    #[test]
    fn every_encoding_with_quoted_lines_and_bytes_that_are_none() {
        let table = "A;B\r\n\"перший\r\nрядок\";Ж\r\n2;ї\r\n";
        let wanted = [[Some("перший\r\nрядок"), Some("Ж")], [Some("2"), Some("ї")]];
        let wide = |to: fn(u16) -> [u8; 2], mark: &[u8]| {
            let units: Vec<u8> = table.encode_utf16().flat_map(to).collect();
            [mark, &units].concat()
        };
        for (bytes, encoding) in [
            (table.as_bytes().to_vec(), ""),
            ([b"\xef\xbb\xbf", table.as_bytes()].concat(), "encoding=\"windows-1251\""),
            (encoding_rs::WINDOWS_1251.encode(table).0.into_owned(), "encoding=\"windows-1251\""),
            (wide(u16::to_le_bytes, b""), "encoding=\"utf-16le\""),
            (wide(u16::to_be_bytes, b""), "encoding=\"utf-16be\""),
            (wide(u16::to_le_bytes, b"\xff\xfe"), ""),
            (wide(u16::to_be_bytes, b"\xfe\xff"), "encoding=\"windows-1252\""),
        ] {
            let read = rows(&bytes, &format!("delimiter=\";\"\n{encoding}"), Format::Csv).unwrap();
            let cells: Vec<Vec<Option<&str>>> = read.iter().map(cells).collect();
            assert_eq!(cells, wanted, "{encoding}");
        }
        let told = |bytes: &[u8], encoding: &str| -> String {
            let read = rows(bytes, &format!("encoding=\"{encoding}\""), Format::Csv).unwrap();
            format!("row {}, {}", read[0].number, read[0].fault.as_ref().unwrap())
        };
        // 0x98 is nothing in windows-1251, 0x81 nothing in windows-1252.
        assert_eq!(
            told(b"A,B\n1,\x98\n", "windows-1251"),
            "row 2, B: expected text, found a byte that the encoding does not have"
        );
        assert_eq!(
            told(b"A,B\n\x81,2\n", "windows-1252"),
            "row 2, A: expected text, found a byte that the encoding does not have"
        );
        // A lone surrogate, and half a sign at the end.
        let lone: Vec<u8> = "A,B\n1,".encode_utf16().chain([0xd800, 0x0a]).flat_map(u16::to_le_bytes).collect();
        assert!(told(&lone, "utf-16le").starts_with("row 2, B: expected text"));
        let half: Vec<u8> = "A,B\n1,2".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(told(&half[..half.len() - 1], "utf-16le").starts_with("row 2, B: expected text"));
        // One row of a file in windows-1251 that somebody pasted UTF-8 into.
        let garbled = [&encoding_rs::WINDOWS_1251.encode("A,B\nї,").0[..], "Київ\n".as_bytes()].concat();
        assert!(told(&garbled, "windows-1251").starts_with("row 2, B: expected windows-1251, found UTF-8"));
    }

    #[test]
    fn headers_are_checked() {
        let error = |bytes: &[u8]| rows(bytes, "", Format::Csv).unwrap_err().to_string();
        assert_eq!(error(b"A,C\n"), "expected the column \"B\" once in the header, found only A, C");
        assert_eq!(error(b"A,B,A\n"), "expected the column \"A\" once in the header, found it 2 times");
        assert_eq!(error(b""), "expected a header, found nothing");
    }

    #[test]
    fn own_columns_are_ignored() {
        let read =
            rows(b"_row,_reason,_field,A,B\n7,why,B,1,2\n", "skip=3\ncolumns=[\"A\",\"B\"]", Format::Csv).unwrap();
        assert_eq!(cells(&read[0]), [Some("1"), Some("2")]);
        let Raw::Csv(record) = &read[0].raw else { panic!("csv") };
        assert_eq!(record.len(), 2);
    }

    #[test]
    fn ndjson_rows() {
        let lines =
            b"{\"A\":\"x\",\"B\":1.50}\n\n{\"A\":{\"z\":1}}\n{\"A\":1,\"A\":2}\nhello\n{\"A\":null,\"B\":true}\n";
        let read = rows(lines, "", Format::Ndjson).unwrap();
        assert_eq!((read[0].number, cells(&read[0])), (1, vec![Some("x"), Some("1.50")]));
        assert_eq!((read[1].number, cells(&read[1])), (3, vec![None, None]));
        assert!(read[2].fault.is_some() && read[3].fault.is_some());
        assert_eq!(cells(&read[4]), [None, Some("true")]);
    }
}
