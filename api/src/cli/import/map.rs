//! The map file: how the rows of one agency's file become events. TOML, read strictly.
//!
//! ```toml
//! kind = "transfer.dispatched"
//! key = "{Requisition ID}"                          # the row's own key: the event id is derived from it
//! subject = "consignment/{Requisition ID|lower}"
//! case = "{State|lookup:cases}"                     # templates: see `template.rs`
//! author = "us-dla"                                 # or --author
//! after = "start"                                   # or "stream": after what the ledger has on the subject
//! group_by = ["Requisition ID"]                     # rows that make one event together; without it each row is one
//! rows_per_part = 200                               # more rows than this make one event after the other, in parts
//! signers = ["eu-obs", "xa-mod"]                    # exactly who signs; left out: whoever must
//!
//! [occurred]                                        # date, or at, or from and to; `unknown` where those are empty
//! date = "{Date Shipped|date}"
//! unknown = "the record has no date"
//!
//! [input]
//! delimiter = ";"                                   # or "tab"; default ","
//! decimal = ","                                     # default "."
//! thousands = "."                                   # default none; " " is every kind of space
//! dates = ["%d.%m.%Y", "%Y-%m-%d"]                  # strptime, or "excel"; tried in order
//! offset = "+02:00"                                 # of times that name no zone
//! timezone = "Europe/Kyiv"                          # or their zone, with its summer time
//! encoding = "windows-1251"                         # default UTF-8; a byte-order mark wins
//! empty = ["N/A", "-"]                              # cells that mean nothing, beside empty ones
//! trim = "warn"                                     # of space around values: "silent" (default), "warn" or "off"
//! skip = 2                                          # records above the header
//! columns = ["a", "b"]                              # of a file without a header
//!
//! [units]                                           # words for units of issue, before the ledger's own
//! "шт" = "EA"
//!
//! [tables.cases]                                    # {X|lookup:cases}
//! values = { AK = "leso-ak" }                       # or file = "cases.csv", key = "State", value = "case"
//!
//! [body]                                            # the event's body, member by member
//! document_number = "{Requisition ID}"
//! [body.lines]
//! each = "{_row}"                                   # one element for each value that this has among the rows
//! [body.lines.of]
//! line = "{_n}"
//! quantity = "{Quantity|number}"
//! ```
//!
//! A member whose columns are empty is left out, and so is an object of which every member taken from the row is.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use countersign_ledger::event::codes::Unit;
use countersign_ledger::id::{Author, Kind, PartyId};
use serde::Deserialize;

use super::input::{InputSource, InputStyle};
use super::shape::{Shape, ShapeError};
use super::table::{Table, TableError, TableSource};
use super::template::{Column, Columns, Filter, Template, TemplateError, Term};

/// The most rows of a part.
const MAX_PART: usize = 10_000;
/// The longest map file in bytes.
const MAX_MAP: u64 = 16 << 20;

/// Tells why a map cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MapError {
    /// The file cannot be read.
    #[error("cannot read the map {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, a member that a map does not have, or one that it misses.
    #[error("map: {0}")]
    Toml(#[from] toml::de::Error),
    /// A member is not of its form.
    #[error("map, {member}: expected {expected}, found {found:?}")]
    Form {
        /// The member.
        member: String,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A template is not of its form.
    #[error("map, {member}: {source}")]
    Template {
        /// The member.
        member: String,
        /// What is wrong.
        source: TemplateError,
    },
    /// A value of the body is not of its form.
    #[error("map, {0}")]
    Shape(#[from] ShapeError),
    /// A table cannot be used.
    #[error("map, [tables.{name}]: {source}")]
    Table {
        /// The table.
        name: String,
        /// What is wrong.
        source: TableError,
    },
}

/// Makes the error of a member that is not of its form.
pub(crate) fn form(member: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> MapError {
    MapError::Form { member: member.into(), expected: expected.into(), found: found.into() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapSource {
    kind: String,
    key: String,
    subject: String,
    case: Option<String>,
    author: Option<String>,
    #[serde(default)]
    after: After,
    #[serde(default)]
    group_by: Vec<String>,
    rows_per_part: Option<usize>,
    signers: Option<Vec<String>>,
    occurred: OccurredSource,
    #[serde(default)]
    input: InputSource,
    #[serde(default)]
    units: BTreeMap<String, String>,
    #[serde(default)]
    tables: BTreeMap<String, TableSource>,
    body: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OccurredSource {
    date: Option<String>,
    at: Option<String>,
    from: Option<String>,
    to: Option<String>,
    unknown: Option<String>,
}

/// What an event of the file comes after in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum After {
    /// It starts the stream.
    #[default]
    Start,
    /// It follows what the ledger has on the subject, then what the file has.
    Stream,
}

/// When the row says that it happened.
#[derive(Debug, Clone)]
pub(crate) struct OccurredMap {
    /// On a date.
    pub(crate) date: Option<Template>,
    /// At an instant.
    pub(crate) at: Option<Template>,
    /// Between two instants.
    pub(crate) between: Option<(Template, Template)>,
    /// Why it is not known, where the others are empty.
    pub(crate) unknown: Option<Template>,
}

/// A map, ready for use.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    /// The kind of every event.
    pub(crate) kind: Kind,
    /// The row's own key.
    pub(crate) key: Template,
    /// What it is about.
    pub(crate) subject: Template,
    /// The case, if the kind has one.
    pub(crate) case: Option<Template>,
    /// The party that makes the statements.
    pub(crate) author: Option<PartyId>,
    /// What each event comes after.
    pub(crate) after: After,
    /// Columns that are the same in all rows of one event; empty: each row is one.
    pub(crate) group_by: Vec<Column>,
    /// The most rows of one event; those of a group with more make several, in parts.
    pub(crate) rows_per_part: Option<usize>,
    /// Exactly who signs, sorted.
    pub(crate) signers: Option<Vec<Author>>,
    /// When it happened.
    pub(crate) occurred: OccurredMap,
    /// How the file is written.
    pub(crate) input: InputStyle,
    /// The file's words for units.
    pub(crate) units: HashMap<String, Unit>,
    /// Look-up tables.
    pub(crate) tables: HashMap<String, Table>,
    /// The body.
    pub(crate) body: Shape,
    /// All columns that it reads.
    pub(crate) columns: Columns,
}

impl Map {
    /// Reads a map file; the files that it names are relative to it.
    ///
    /// # Errors
    /// When it cannot be read or is not of its form.
    pub(crate) fn read(path: &Path) -> Result<Self, MapError> {
        let failed = |source| MapError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_MAP {
            return Err(form("its size", format!("at most {MAX_MAP} bytes"), "more"));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads a map from its text; the files that it names are in `folder`.
    ///
    /// # Errors
    /// When it is not of its form.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Self, MapError> {
        let source: MapSource = toml::from_str(text.strip_prefix('\u{feff}').unwrap_or(text))?;
        let mut columns = Columns::default();
        let mut template = |member: &str, text: &str| {
            Template::parse(text, &mut columns)
                .map_err(|source| MapError::Template { member: member.to_owned(), source })
        };
        let key = template("key", &source.key)?;
        let subject = template("subject", &source.subject)?;
        let case = source.case.map(|case| template("case", &case)).transpose()?;
        let occurred = OccurredMap::new(source.occurred, &mut template)?;
        let body = Shape::of_table("body", source.body, &mut columns)?;
        let group_by = source.group_by.iter().map(|name| columns.place(name)).collect();
        let map = Self {
            kind: source.kind.parse().map_err(|_| form("kind", "a kind such as transfer.dispatched", &source.kind))?,
            key,
            subject,
            case,
            author: read_author(source.author.as_deref())?,
            after: source.after,
            group_by,
            rows_per_part: source.rows_per_part,
            signers: source.signers.map(read_signers).transpose()?,
            occurred,
            input: InputStyle::new(source.input)?,
            units: read_units(source.units)?,
            tables: load_tables(source.tables, folder)?,
            body,
            columns,
        };
        map.check()?;
        Ok(map)
    }

    /// Returns the templates outside the body, with their members' names.
    fn header(&self) -> Vec<(&'static str, &Template)> {
        let occurred = &self.occurred;
        let mut all = vec![("key", &self.key), ("subject", &self.subject)];
        all.extend(self.case.as_ref().map(|t| ("case", t)));
        all.extend(occurred.date.as_ref().map(|t| ("occurred.date", t)));
        all.extend(occurred.at.as_ref().map(|t| ("occurred.at", t)));
        all.extend(occurred.between.iter().flat_map(|(a, b)| [("occurred.from", a), ("occurred.to", b)]));
        all.extend(occurred.unknown.as_ref().map(|t| ("occurred.unknown", t)));
        all
    }

    /// Checks what depends on more than one member.
    fn check(&self) -> Result<(), MapError> {
        if self.key.values().next().is_none() {
            return Err(form(
                "key",
                "a template with at least one column: the row's own key",
                format!("{:?}", self.key.constant()),
            ));
        }
        let rows = self.rows_per_part;
        if rows.is_some_and(|rows| self.group_by.is_empty() || !(1..=MAX_PART).contains(&rows)) {
            let expected = format!("1 to {MAX_PART}, beside group_by");
            return Err(form("rows_per_part", expected, rows.unwrap_or(0).to_string()));
        }
        let body = self.body.templates();
        for (member, template) in self.header() {
            self.check_template(member, template)?;
            for term in [Term::Row, Term::Index, Term::Rows, Term::Part, Term::Last] {
                if template.uses(term) {
                    return Err(form(member, "columns of the file only", format!("{{{term}}}")));
                }
            }
            if member != "key" && member != "subject" {
                self.check_no_content(member, template)?;
            }
        }
        for (member, template, is_each) in body {
            self.check_template(&member, template)?;
            self.check_no_content(&member, template)?;
            if self.rows_per_part.is_none() && (template.uses(Term::Part) || template.uses(Term::Last)) {
                return Err(form(member, "{_part} and {_last} only beside rows_per_part", "them without it"));
            }
            if template.uses(Term::Row) && !is_each {
                return Err(form(member, "no {_row}: the same row may have another number tomorrow", "{_row}"));
            }
        }
        Ok(())
    }

    fn check_no_content(&self, member: &str, template: &Template) -> Result<(), MapError> {
        match [Term::Content, Term::Nth].into_iter().find(|term| template.uses(*term)) {
            Some(term) => Err(form(member, "{_content} and {_nth} in key and subject only", format!("{{{term}}}"))),
            None => Ok(()),
        }
    }

    fn check_template(&self, member: &str, template: &Template) -> Result<(), MapError> {
        for value in template.values() {
            for filter in &value.filters {
                if let Filter::Lookup(table) = filter
                    && !self.tables.contains_key(table)
                {
                    return Err(form(member, "the name of a table of this map", table));
                }
            }
        }
        Ok(())
    }

    /// Tells whether keys are made of the row's content.
    pub(crate) fn wants_content(&self) -> bool {
        self.header().iter().any(|(_, template)| template.uses(Term::Content) || template.uses(Term::Nth))
    }
}

impl OccurredMap {
    fn new(
        source: OccurredSource,
        template: &mut impl FnMut(&str, &str) -> Result<Template, MapError>,
    ) -> Result<Self, MapError> {
        let mut read = |member: &str, text: Option<String>| text.map(|text| template(member, &text)).transpose();
        let date = read("occurred.date", source.date)?;
        let at = read("occurred.at", source.at)?;
        let from = read("occurred.from", source.from)?;
        let to = read("occurred.to", source.to)?;
        let unknown = read("occurred.unknown", source.unknown)?;
        let between = from.zip(to);
        let ways = [date.is_some(), at.is_some(), between.is_some()].into_iter().filter(|way| *way).count();
        if ways > 1 || (ways == 0 && unknown.is_none()) {
            return Err(form(
                "[occurred]",
                "one of date, at, or from and to (and unknown where it is empty)",
                "another set",
            ));
        }
        Ok(Self { date, at, between, unknown })
    }
}

fn read_author(text: Option<&str>) -> Result<Option<PartyId>, MapError> {
    text.map(|text| text.parse().map_err(|_| form("author", "a party id", text))).transpose()
}

fn read_signers(texts: Vec<String>) -> Result<Vec<Author>, MapError> {
    let read = |text: &String| text.parse().map_err(|_| form("signers", "party ids", text));
    let mut signers: Vec<Author> = texts.iter().map(read).collect::<Result<_, _>>()?;
    signers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    signers.dedup();
    if signers.is_empty() { Err(form("signers", "at least one party", "none")) } else { Ok(signers) }
}

fn read_units(units: BTreeMap<String, String>) -> Result<HashMap<String, Unit>, MapError> {
    let read = |(word, unit): (String, String)| {
        let code = unit.parse().map_err(|_| form(format!("[units] {word:?}"), "a unit of issue such as EA", unit))?;
        Ok((word.trim().to_lowercase(), code))
    };
    units.into_iter().map(read).collect()
}

fn load_tables(tables: BTreeMap<String, TableSource>, folder: &Path) -> Result<HashMap<String, Table>, MapError> {
    let load = |(name, source)| match Table::load(source, folder) {
        Ok(table) => Ok((name, table)),
        Err(source) => Err(MapError::Table { name, source }),
    };
    tables.into_iter().map(load).collect()
}

/// A constant of the body is kept as it is written.
pub(crate) fn constant(value: &toml::Value) -> Option<serde_json::Value> {
    match value {
        toml::Value::Integer(number) => Some((*number).into()),
        toml::Value::Boolean(value) => Some((*value).into()),
        toml::Value::Datetime(date) => Some(date.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SMALL: &str = r#"
        kind = "transfer.dispatched"
        key = "{No}"
        subject = "consignment/{No|lower}"
        occurred = { date = "{Date|date}" }
        [body]
        document_number = "{No}"
    "#;

    fn error(map: &str) -> String {
        Map::parse(map, Path::new("")).unwrap_err().to_string()
    }

    #[test]
    fn a_small_map() {
        let map = Map::parse(SMALL, Path::new("")).unwrap();
        assert_eq!(map.columns.names(), ["No", "Date"]);
        assert_eq!((map.after, map.input.delimiter), (After::Start, b','));
        assert!(!map.wants_content());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (find, replace, wanted) in [
            ("kind = \"transfer.dispatched\"", "kind = \"Transfer\"", "map, kind: expected a kind"),
            ("key = \"{No}\"", "key = \"constant\"", "map, key: expected a template with at least one column"),
            ("key = \"{No}\"", "key = \"{_row}\"", "map, key: expected columns of the file only"),
            ("{No|lower}", "{No|lower", "map, subject: in \"consignment/{No|lower\": a { that nothing closes"),
            ("{No|lower}", "{No|lookup:x}", "map, subject: expected the name of a table of this map, found \"x\""),
            ("date = \"{Date|date}\"", "date = \"{Date|date}\", at = \"{T|time}\"", "map, [occurred]: expected one of"),
            ("document_number = \"{No}\"", "document_number = 1.5", "map, body.document_number: expected"),
            (
                "document_number = \"{No}\"",
                "document_number = \"{_row}\"",
                "map, body.document_number: expected no {_row}",
            ),
            ("[body]", "[input]\ndecimal = \",\"\nthousands = \",\"\n[body]", "map, input.thousands: expected a sign"),
            ("[body]", "[input]\ndelimiter = \"||\"\n[body]", "map, input.delimiter: expected one ASCII sign"),
            ("[body]", "[input]\ndates = [\"%Y-%m\"]\n[body]", "map, input.dates: expected a strptime format"),
            ("[body]", "[input]\nencoding = \"klingon\"\n[body]", "map, input.encoding: expected a name"),
            ("[body]", "[units]\nEach = \"each\"\n[body]", "map, [units] \"Each\": expected a unit of issue"),
            ("[body]", "[tables.x]\nfile = \"x.csv\"\n[body]", "map, [tables.x]: expected either `values`, or `file`"),
            ("[body]", "colour = \"red\"\n[body]", "unknown field `colour`"),
            (
                "key =",
                "rows_per_part = 9\nkey =",
                "map, rows_per_part: expected 1 to 10000, beside group_by, found \"9\"",
            ),
            ("key =", "group_by = [\"No\"]\nrows_per_part = 0\nkey =", "map, rows_per_part: expected 1 to 10000"),
            ("key =", "signers = []\nkey =", "map, signers: expected at least one party"),
            ("key =", "signers = [\"XA MOD\"]\nkey =", "map, signers: expected party ids"),
            (
                "document_number = \"{No}\"",
                "document_number = \"{_part}\"",
                "{_part} and {_last} only beside rows_per_part",
            ),
            (
                "key = \"{No}\"",
                "key = \"{No}{_part}\"",
                "map, key: expected columns of the file only, found \"{_part}\"",
            ),
            ("[body]", "[input]\ntimezone = \"Kyiv\"\n[body]", "map, input.timezone: expected a zone"),
            (
                "[body]",
                "[input]\ntimezone = \"Europe/Kyiv\"\noffset = \"Z\"\n[body]",
                "map, input.timezone: expected either a zone or an offset",
            ),
        ] {
            let map = SMALL.replace(find, replace);
            assert_ne!(map, SMALL, "{find}");
            let found = error(&map);
            assert!(found.contains(wanted), "{replace}: {found}");
        }
    }
}
