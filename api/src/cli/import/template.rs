//! Templates: how a map writes a value of an event from the columns of a row.
//!
//! A template is text in which `{…}` stands for a value:
//!
//! ```text
//! {Requisition ID}                     the column
//! consignment/{Requisition ID|lower}   text around it, and a filter
//! {FSC+NIIN|nsn}                       two columns, joined
//! {`A|B`|upper}                        a column whose name has a sign that means something here
//! {{ and }}                            the braces themselves
//! ```
//!
//! Filters: `lower` `upper` `id` (lower case, and `-` for what an id cannot hold) · `number` `int` `bool` · `date` `time` ·
//! `unit` · `nsn` and `local_stock_number` (the number where it is of that grade, else nothing) · `lookup:TABLE` ·
//! `default:TEXT` (where there is nothing) · `cut:BYTES` (told) · `pad:N` (zeros before) · `list:SEP` (many values in one
//! cell) · over several rows `sum` `first` `join:SEP`. Special columns: `{_n}` the element's number in its array, `{_rows}`
//! the number of rows it is made of, `{_row}` the row's number in the file (in `each` only), `{_content}` a hash of the
//! row, `{_nth}` how many rows alike there were to here (keys only), `{_part}` and `{_last}` the part's number and whether it
//! is the last, where the rows make an event in parts.

use std::fmt;

/// Tells why a template cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("in {template:?}: {reason}")]
pub(crate) struct TemplateError {
    /// The template.
    pub(crate) template: String,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// A column by its place among those that the map names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Column(pub(crate) usize);

/// The columns that a map names, in the order of first mention.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns(Vec<String>);

impl Columns {
    /// Returns the place of a column, new or not.
    pub(crate) fn place(&mut self, name: &str) -> Column {
        let found = self.0.iter().position(|known| known == name);
        Column(found.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        }))
    }

    /// Returns the column's name.
    pub(crate) fn name(&self, column: Column) -> &str {
        &self.0[column.0]
    }

    /// Returns all names.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}

/// What a value starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    /// A column.
    Column(Column),
    /// The element's number in its array, from 1.
    Index,
    /// The number of rows it is made of.
    Rows,
    /// The row's number in the file.
    Row,
    /// A hash of the row.
    Content,
    /// How many rows of this content there were up to this one.
    Nth,
    /// The number of the part, where the event comes in parts.
    Part,
    /// Whether the part is the last.
    Last,
}

/// What is done with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// An id of the ledger.
    Id,
    /// A quantity.
    Number,
    /// A JSON integer.
    Int,
    /// A JSON boolean.
    Bool,
    /// A date.
    Date,
    /// An instant.
    Time,
    /// A unit of issue.
    Unit,
    /// A national stock number, or nothing.
    Nsn,
    /// A local stock number, or nothing.
    LocalStockNumber,
    /// A look-up in a table.
    Lookup(String),
    /// A text where there is nothing.
    Default(String),
    /// At most so many bytes.
    Cut(usize),
    /// At least so many characters, with zeros before.
    Pad(usize),
    /// Several values in one cell.
    List(String),
    /// Over rows: their sum.
    Sum,
    /// Over rows: the first that is not empty.
    First,
    /// Over rows: all that are not empty.
    Join(String),
}

impl Filter {
    /// Tells whether the filter makes one value of those of several rows.
    pub(crate) fn is_over_rows(&self) -> bool {
        matches!(self, Self::Sum | Self::First | Self::Join(_))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name.trim(), Some(argument)),
            None => (text.trim(), None),
        };
        let wanted =
            || argument.filter(|a| !a.is_empty()).ok_or_else(|| format!("the filter {name} needs `:` and a text"));
        let count = || {
            let count = wanted()?.trim().parse::<usize>().ok().filter(|n| (1..=10_000).contains(n));
            count.ok_or_else(|| format!("the filter {name} needs `:` and a number from 1 to 10000"))
        };
        let filter = match name {
            "lookup" => return Ok(Self::Lookup(wanted()?.trim().to_owned())),
            "default" => return Ok(Self::Default(wanted()?.to_owned())),
            "cut" => return Ok(Self::Cut(count()?)),
            "pad" => return Ok(Self::Pad(count()?)),
            "list" => return Ok(Self::List(wanted()?.to_owned())),
            "join" => return Ok(Self::Join(wanted()?.to_owned())),
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "id" => Self::Id,
            "number" => Self::Number,
            "int" => Self::Int,
            "bool" => Self::Bool,
            "date" => Self::Date,
            "time" => Self::Time,
            "unit" => Self::Unit,
            "nsn" => Self::Nsn,
            "local_stock_number" => Self::LocalStockNumber,
            "sum" => Self::Sum,
            "first" => Self::First,
            other => return Err(format!("there is no filter {other:?}")),
        };
        match argument {
            Some(_) => Err(format!("the filter {name} takes nothing after it")),
            None => Ok(filter),
        }
    }
}

/// One `{…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression {
    /// What it starts from: one or more, joined.
    pub(crate) terms: Vec<Term>,
    /// What is done with it, in order.
    pub(crate) filters: Vec<Filter>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text as it stands.
    Text(String),
    /// A value.
    Value(Expression),
}

/// A text with values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// The pieces, in order.
    pub(crate) pieces: Vec<Piece>,
}

impl Template {
    /// Reads a template, naming its columns in `columns`.
    ///
    /// # Errors
    /// When a brace or quote is left open, or a filter is not known.
    pub(crate) fn parse(template: &str, columns: &mut Columns) -> Result<Self, TemplateError> {
        let fail = |reason: String| TemplateError { template: template.to_owned(), reason };
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(doubled) = after.strip_prefix(brace) {
                text.push_str(brace);
                rest = doubled;
                continue;
            }
            if brace == "}" {
                return Err(fail("a } that nothing opened; write }} for the sign itself".to_owned()));
            }
            let end = closing(after).ok_or_else(|| fail("a { that nothing closes".to_owned()))?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Value(Expression::parse(&after[..end], columns).map_err(fail)?));
            rest = &after[end + 1..];
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { pieces })
    }

    /// Returns the template's one value, when it is nothing else.
    pub(crate) fn sole(&self) -> Option<&Expression> {
        match self.pieces.as_slice() {
            [Piece::Value(expression)] => Some(expression),
            _ => None,
        }
    }

    /// Returns its values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Expression> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(expression) => Some(expression),
            Piece::Text(_) => None,
        })
    }

    /// Returns the text of a template without values.
    pub(crate) fn constant(&self) -> Option<String> {
        match self.pieces.as_slice() {
            [] => Some(String::new()),
            [Piece::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// Returns the columns that it reads.
    pub(crate) fn columns(&self) -> impl Iterator<Item = Column> {
        self.values().flat_map(Expression::columns)
    }

    /// Tells whether it starts from `term`.
    pub(crate) fn uses(&self, term: Term) -> bool {
        self.values().any(|value| value.terms.contains(&term))
    }
}

/// Finds the brace that closes an expression, past quoted names.
fn closing(text: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '`' => quoted = !quoted,
            '}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Splits at a sign, past quoted names.
fn split_unquoted(text: &str, sign: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c: char| {
        quoted ^= c == '`';
        c == sign && !quoted
    })
    .collect()
}

impl Expression {
    fn parse(text: &str, columns: &mut Columns) -> Result<Self, String> {
        let mut parts = split_unquoted(text, '|').into_iter();
        let terms = parts.next().unwrap_or_default();
        let terms =
            split_unquoted(terms, '+').into_iter().map(|term| Term::parse(term, columns)).collect::<Result<_, _>>()?;
        let filters: Vec<Filter> = parts.map(Filter::parse).collect::<Result<_, _>>()?;
        if filters.iter().filter(|filter| filter.is_over_rows()).count() > 1 {
            return Err("only one of sum, first and join".to_owned());
        }
        Ok(Self { terms, filters })
    }

    /// Returns the columns that it reads.
    pub(crate) fn columns(&self) -> impl Iterator<Item = Column> {
        self.terms.iter().filter_map(|term| match term {
            Term::Column(column) => Some(*column),
            _ => None,
        })
    }
}

impl Term {
    fn parse(text: &str, columns: &mut Columns) -> Result<Self, String> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
            return Ok(Self::Column(columns.place(name)));
        }
        match text {
            "" => Err("a column's name is missing".to_owned()),
            "_n" => Ok(Self::Index),
            "_rows" => Ok(Self::Rows),
            "_row" => Ok(Self::Row),
            "_content" => Ok(Self::Content),
            "_nth" => Ok(Self::Nth),
            "_part" => Ok(Self::Part),
            "_last" => Ok(Self::Last),
            name if name.starts_with('_') => {
                Err(format!("there is no special column {name}; write `{name}` in backquotes for a column"))
            }
            name => Ok(Self::Column(columns.place(name))),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Column(_) => "a column",
            Self::Index => "_n",
            Self::Rows => "_rows",
            Self::Row => "_row",
            Self::Content => "_content",
            Self::Nth => "_nth",
            Self::Part => "_part",
            Self::Last => "_last",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> (Template, Vec<String>) {
        let mut columns = Columns::default();
        let template = Template::parse(text, &mut columns).unwrap();
        (template, columns.names().to_vec())
    }

    #[test]
    fn pieces_columns_filters() {
        let (template, columns) = parse("consignment/{Requisition ID|lower}");
        assert_eq!(columns, ["Requisition ID"]);
        assert_eq!(template.pieces[0], Piece::Text("consignment/".to_owned()));
        let Piece::Value(value) = &template.pieces[1] else { panic!("a value") };
        assert_eq!(value.filters, [Filter::Lower]);
        let (template, columns) = parse("{FSC + NIIN|pad:13|nsn}");
        assert_eq!(columns, ["FSC", "NIIN"]);
        assert_eq!(template.sole().unwrap().filters, [Filter::Pad(13), Filter::Nsn]);
        assert_eq!(parse("a{{b}}c").0.constant().unwrap(), "a{b}c");
        assert_eq!(parse("").0.constant().unwrap(), "");
    }

    #[test]
    fn names_in_backquotes() {
        let (template, columns) = parse("{`A|B+}C`+D|default:x}");
        assert_eq!(columns, ["A|B+}C", "D"]);
        assert_eq!(template.sole().unwrap().filters, [Filter::Default("x".to_owned())]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, reason) in [
            ("{A", "nothing closes"),
            ("A}", "nothing opened"),
            ("{}", "name is missing"),
            ("{A|shout}", "no filter \"shout\""),
            ("{A|lookup}", "needs `:`"),
            ("{A|lower:x}", "takes nothing"),
            ("{A|cut:0}", "1 to 10000"),
            ("{A|sum|first}", "only one"),
            ("{_line}", "no special column"),
        ] {
            let error = Template::parse(text, &mut Columns::default()).unwrap_err();
            assert!(error.reason.contains(reason), "{text}: {}", error.reason);
        }
    }
}
