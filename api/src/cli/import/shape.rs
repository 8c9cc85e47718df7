//! The body as a map has it: an outline whose values are templates.

use serde_json::Value;

use super::map::constant;
use super::template::{Columns, Template, TemplateError};

/// How deep an outline may be.
const MAX_DEPTH: usize = 12;

/// Tells why the outline of a body cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShapeError {
    /// A value of a sort that events do not have.
    #[error("{member}: expected {expected}, found {found}")]
    Form {
        /// The member.
        member: String,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A template is not of its form.
    #[error("{member}: {source}")]
    Template {
        /// The member.
        member: String,
        /// What is wrong.
        source: TemplateError,
    },
}

/// A value of the outline.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// The same in every event.
    Constant(Value),
    /// Taken from the row.
    Taken(Template),
    /// An object.
    Object(Vec<(String, Shape)>),
    /// An array of as many elements as are written.
    Array(Vec<Shape>),
    /// An array of one element for each value of a template among the rows.
    Each {
        /// The template.
        by: Template,
        /// The element.
        of: Box<Shape>,
    },
}

impl Shape {
    /// Reads an object of the outline.
    ///
    /// # Errors
    /// When a value is of a sort that events do not have, or a template not of its form.
    pub(crate) fn of_table(member: &str, table: toml::Table, columns: &mut Columns) -> Result<Self, ShapeError> {
        Self::object(member, table, columns, 0)
    }

    fn object(member: &str, table: toml::Table, columns: &mut Columns, depth: usize) -> Result<Self, ShapeError> {
        let mut members = Vec::with_capacity(table.len());
        for (name, value) in table {
            let shape = Self::read(&format!("{member}.{name}"), value, columns, depth + 1)?;
            members.push((name, shape));
        }
        // In the order of their names, whatever the reader of TOML keeps: the same map makes the same bytes everywhere.
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Self::Object(members))
    }

    fn read(member: &str, value: toml::Value, columns: &mut Columns, depth: usize) -> Result<Self, ShapeError> {
        let fail = |expected, found: String| ShapeError::Form { member: member.to_owned(), expected, found };
        if depth > MAX_DEPTH {
            return Err(fail("an outline of at most 12 levels", "more".to_owned()));
        }
        match value {
            toml::Value::String(text) => {
                let template = Template::parse(&text, columns)
                    .map_err(|source| ShapeError::Template { member: member.to_owned(), source })?;
                Ok(template.constant().map_or(Self::Taken(template), |text| Self::Constant(text.into())))
            }
            toml::Value::Table(table) if table.contains_key("each") || table.contains_key("of") => {
                Self::each(member, table, columns, depth)
            }
            toml::Value::Table(table) => Self::object(member, table, columns, depth),
            toml::Value::Array(elements) => {
                let element = |(i, value)| Self::read(&format!("{member}[{i}]"), value, columns, depth + 1);
                elements.into_iter().enumerate().map(element).collect::<Result<_, _>>().map(Self::Array)
            }
            toml::Value::Float(number) => {
                Err(fail("a number in quotes: events have no fractions but in texts", number.to_string()))
            }
            other => constant(&other)
                .map(Self::Constant)
                .ok_or_else(|| fail("a text, integer or boolean", other.to_string())),
        }
    }

    fn each(member: &str, mut table: toml::Table, columns: &mut Columns, depth: usize) -> Result<Self, ShapeError> {
        let fail = |found: String| ShapeError::Form {
            member: member.to_owned(),
            expected: "`each` (a template) and `of` (one element), and nothing beside them",
            found,
        };
        match (table.remove("each"), table.remove("of"), table.keys().next()) {
            (Some(toml::Value::String(by)), Some(of), None) => {
                let by = Template::parse(&by, columns)
                    .map_err(|source| ShapeError::Template { member: format!("{member}.each"), source })?;
                let of = Box::new(Self::read(&format!("{member}.of"), of, columns, depth + 1)?);
                Ok(Self::Each { by, of })
            }
            (_, _, Some(other)) => Err(fail(other.clone())),
            _ => Err(fail("only one of them, or `each` that is no text".to_owned())),
        }
    }

    /// Returns every template with its member's name, and whether it stands in `each`.
    pub(crate) fn templates(&self) -> Vec<(String, &Template, bool)> {
        let mut all = Vec::new();
        self.collect("body", &mut all);
        all
    }

    fn collect<'a>(&'a self, member: &str, all: &mut Vec<(String, &'a Template, bool)>) {
        match self {
            Self::Constant(_) => {}
            Self::Taken(template) => all.push((member.to_owned(), template, false)),
            Self::Object(members) => {
                members.iter().for_each(|(name, shape)| shape.collect(&format!("{member}.{name}"), all))
            }
            Self::Array(elements) => {
                elements.iter().enumerate().for_each(|(i, s)| s.collect(&format!("{member}[{i}]"), all))
            }
            Self::Each { by, of } => {
                all.push((format!("{member}.each"), by, true));
                of.collect(&format!("{member}.of"), all);
            }
        }
    }

    /// Returns the part of the outline that made the value at a JSON Pointer below the body: the part itself, or the
    /// nearest around it that is there.
    pub(crate) fn at(&self, pointer: &str) -> &Self {
        let mut here = self;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let next = match here {
                Self::Object(members) => members.iter().find(|(name, _)| *name == token).map(|(_, shape)| shape),
                Self::Array(elements) => token.parse::<usize>().ok().and_then(|i| elements.get(i)),
                Self::Each { of, .. } => Some(&**of),
                Self::Constant(_) | Self::Taken(_) => None,
            };
            match next {
                Some(next) => here = next,
                None => return here,
            }
        }
        here
    }

    /// Names the columns that it reads, for a person to mend.
    pub(crate) fn fields(&self, columns: &Columns) -> String {
        // Of an object, only a leaf tells which column is at fault.
        let template = match self {
            Self::Taken(template) | Self::Each { by: template, .. } => template,
            _ => return String::new(),
        };
        let mut names: Vec<&str> = template.columns().map(|column| columns.name(column)).collect();
        names.dedup();
        names.join(", ")
    }
}
