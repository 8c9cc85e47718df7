//! Makes the values of an event from the rows that it is about.
//!
//! Where an event or a line is made of several rows, a value must be the same in all of them once it is brought to the
//! ledger's form, unless a filter makes one value of many (`sum`, `first`, `join`). Nothing here depends on anything but the rows and the map:
//! the same rows give the same values everywhere.

use std::collections::HashMap;

use countersign_ledger::event::Occurred;
use countersign_ledger::event::codes::{Grade, canonical_stock_number, grade_nsn, unit_of_word};
use countersign_ledger::event::scalars::Quantity;
use serde_json::{Map, Value as Json};

use super::fault::{Fault, Warning, quote};
use super::map::{Map as EventMap, OccurredMap};
use super::read::Row;
use super::shape::Shape;
use super::template::{Expression, Filter, Piece, Template, Term};
use super::value::{Value, boolean, cut, id_of, integer, plain, text_or_nothing};

/// What a part of the outline came to.
enum Made {
    /// The same in every event.
    Constant(Json),
    /// Something of the rows.
    Taken(Json),
    /// The rows have nothing for it.
    Empty,
}

/// Which part of an event that comes in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Whether it is the last.
    pub(crate) last: bool,
}

/// The rows that a value is made of, and the number of the element that it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    rows: &'a [&'a Row],
    index: usize,
    part: Option<Part>,
}

impl<'a> Scope<'a> {
    /// Makes the scope of a whole event, or of a part.
    pub(crate) fn event(rows: &'a [&'a Row], part: Option<Part>) -> Self {
        Self { rows, index: 1, part }
    }

    /// Makes the scope of an element of it.
    fn element(self, rows: &'a [&'a Row], index: usize) -> Self {
        Self { rows, index, ..self }
    }
}

/// Makes values by a map, keeping what there is to warn of.
pub(crate) struct Evaluator<'m> {
    map: &'m EventMap,
    /// What was changed on the way.
    pub(crate) warnings: Vec<Warning>,
}

impl<'m> Evaluator<'m> {
    /// Makes one.
    pub(crate) fn new(map: &'m EventMap) -> Self {
        Self { map, warnings: Vec::new() }
    }

    fn warn(&mut self, sort: &'static str, field: String, text: String) {
        let warning = Warning { sort, field, text };
        // A value that several members use is told once.
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn fields(&self, value: &Expression) -> String {
        let names: Vec<&str> = value.columns().map(|column| self.map.columns.name(column)).collect();
        names.join(", ")
    }

    /// Makes the text of a template of which no value may be empty: a key, a subject, a case.
    ///
    /// # Errors
    /// When one is, or a value is not of its form.
    pub(crate) fn required(&mut self, template: &Template, scope: Scope<'_>) -> Result<String, Fault> {
        let mut text = String::new();
        for piece in &template.pieces {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Value(value) => match self.value(value, scope)? {
                    Value::Nothing => return Err(Fault::new(self.fields(value), "expected a value, found nothing")),
                    made => text.push_str(&plain(&made)),
                },
            }
        }
        Ok(text)
    }

    /// Makes the body.
    ///
    /// # Errors
    /// When a value is not of its form, or rows of one value disagree.
    pub(crate) fn body(&mut self, scope: Scope<'_>) -> Result<Json, Fault> {
        let map = self.map;
        match self.shape(&map.body, scope)? {
            Made::Constant(node) | Made::Taken(node) => Ok(node),
            Made::Empty => Ok(Json::Object(Map::new())),
        }
    }

    /// Makes the time of what happened.
    ///
    /// # Errors
    /// When there is none, or it is not of its form.
    pub(crate) fn occurred(&mut self, scope: Scope<'_>) -> Result<Occurred, Fault> {
        let map = self.map;
        let OccurredMap { date, at, between, unknown } = &map.occurred;
        let mut named: Vec<&Template> = Vec::new();
        if let Some(template) = date {
            named.push(template);
            if let Some(text) = self.optional(template, scope)? {
                return text.parse().map(Occurred::On).map_err(|_| self.not_a(template, "date", &text));
            }
        }
        if let Some(template) = at {
            named.push(template);
            if let Some(text) = self.optional(template, scope)? {
                return text.parse().map(Occurred::At).map_err(|_| self.not_a(template, "time", &text));
            }
        }
        if let Some((from, to)) = between {
            named.extend([from, to]);
            if let (Some(a), Some(b)) = (self.optional(from, scope)?, self.optional(to, scope)?) {
                let start = a.parse().map_err(|_| self.not_a(from, "time", &a))?;
                let end = b.parse().map_err(|_| self.not_a(to, "time", &b))?;
                if start > end {
                    return Err(self.not_a(to, "time not before the one that it began", &b));
                }
                return Ok(Occurred::Between(start, end));
            }
        }
        if let Some(template) = unknown
            && let Some(why) = self.optional(template, scope)?
        {
            return Ok(Occurred::Unknown(why));
        }
        let fields: Vec<String> = named.iter().flat_map(|t| t.values()).map(|value| self.fields(value)).collect();
        Err(Fault::new(fields.join(", "), "expected a date or time, found nothing"))
    }

    fn not_a(&self, template: &Template, what: &str, found: &str) -> Fault {
        let fields: Vec<String> = template.values().map(|value| self.fields(value)).collect();
        Fault::expected(fields.join(", "), &format!("a {what} (the filter `|{what}` reads the file's own)"), found)
    }

    fn optional(&mut self, template: &Template, scope: Scope<'_>) -> Result<Option<String>, Fault> {
        match self.template(template, scope)? {
            Value::Nothing => Ok(None),
            made => Ok(Some(plain(&made).into_owned())),
        }
    }

    fn shape(&mut self, shape: &Shape, scope: Scope<'_>) -> Result<Made, Fault> {
        match shape {
            Shape::Constant(node) => Ok(Made::Constant(node.clone())),
            Shape::Taken(template) => Ok(match self.template(template, scope)? {
                Value::Nothing => Made::Empty,
                Value::Text(text) => Made::Taken(text.into()),
                Value::Int(number) => Made::Taken(number.into()),
                Value::Bool(value) => Made::Taken(value.into()),
                Value::List(texts) => Made::Taken(texts.into()),
            }),
            Shape::Object(members) => {
                let mut made = Parts::default();
                let mut object = Map::new();
                for (name, shape) in members {
                    if let Some(node) = made.take(self.shape(shape, scope)?) {
                        object.insert(name.clone(), node);
                    }
                }
                Ok(made.whole(Json::Object(object)))
            }
            Shape::Array(elements) => {
                let mut made = Parts::default();
                let mut array = Vec::with_capacity(elements.len());
                for shape in elements {
                    array.extend(made.take(self.shape(shape, scope)?));
                }
                Ok(made.whole(Json::Array(array)))
            }
            Shape::Each { by, of } => self.each(by, of, scope),
        }
    }

    fn each(&mut self, by: &Template, of: &Shape, scope: Scope<'_>) -> Result<Made, Fault> {
        let mut order: Vec<Vec<&Row>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for row in scope.rows {
            let value = self.template(by, Scope { rows: &[row], ..scope })?;
            if value == Value::Nothing {
                continue;
            }
            let place = *places.entry(plain(&value).into_owned()).or_insert(order.len());
            if place == order.len() {
                order.push(Vec::new());
            }
            order[place].push(row);
        }
        let mut made = Parts::default();
        let mut array = Vec::with_capacity(order.len());
        for (i, rows) in order.iter().enumerate() {
            array.extend(made.take(self.shape(of, scope.element(rows, i + 1))?));
        }
        Ok(if array.is_empty() { Made::Empty } else { Made::Taken(Json::Array(array)) })
    }

    /// Makes a template's value: that of its one expression as it is, else a text; nothing where all values are.
    fn template(&mut self, template: &Template, scope: Scope<'_>) -> Result<Value, Fault> {
        if let Some(value) = template.sole() {
            return self.value(value, scope);
        }
        let mut text = String::new();
        let (mut values, mut empty) = (0usize, 0usize);
        for piece in &template.pieces {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Value(value) => {
                    values += 1;
                    match self.value(value, scope)? {
                        Value::Nothing => empty += 1,
                        made => text.push_str(&plain(&made)),
                    }
                }
            }
        }
        let nothing = values > 0 && values == empty;
        Ok(if nothing { Value::Nothing } else { text_or_nothing(text.trim()) })
    }

    fn value(&mut self, value: &Expression, scope: Scope<'_>) -> Result<Value, Fault> {
        let Some(at) = value.filters.iter().position(Filter::is_over_rows) else { return self.agreed(value, scope) };
        let (before, rest) = value.filters.split_at(at);
        let mut all = Vec::with_capacity(scope.rows.len());
        for row in scope.rows {
            let made = self.terms(value, Scope { rows: &[row], ..scope });
            let made = self.filters(made, value, before)?;
            if made != Value::Nothing {
                all.push(plain(&made).into_owned());
            }
        }
        let one = match &rest[0] {
            Filter::Sum => self.sum(value, &all)?,
            Filter::Join(separator) => text_or_nothing(&all.join(separator)),
            _ => all.into_iter().next().map_or(Value::Nothing, Value::Text),
        };
        self.filters(one, value, &rest[1..])
    }

    /// Makes the value that all rows of the scope agree on, once it is brought to the ledger's form.
    fn agreed(&mut self, value: &Expression, scope: Scope<'_>) -> Result<Value, Fault> {
        let Some((first, rest)) = scope.rows.split_first() else { return Ok(Value::Nothing) };
        let made = self.terms(value, scope);
        let made = self.filters(made, value, &value.filters)?;
        for row in rest {
            let same = value.columns().all(|column| row.cells[column.0] == first.cells[column.0]);
            if same {
                continue;
            }
            let one = Scope { rows: &[row], ..scope };
            let other = self.terms(value, one);
            let other = self.filters(other, value, &value.filters)?;
            if other != made {
                let reason = format!(
                    "expected the same in all rows of one event or line, found {} in row {} and {} in row {}",
                    quote(&plain(&made)),
                    first.number,
                    quote(&plain(&other)),
                    row.number
                );
                return Err(Fault::new(self.fields(value), reason));
            }
        }
        Ok(made)
    }

    fn sum(&self, value: &Expression, all: &[String]) -> Result<Value, Fault> {
        if all.is_empty() {
            return Ok(Value::Nothing);
        }
        let mut total = Quantity::ZERO;
        for text in all {
            let field = || self.fields(value);
            let number: Quantity =
                text.parse().map_err(|_| Fault::expected(field(), "a number (`|number` before `|sum`)", text))?;
            total = total
                .checked_add(number)
                .ok_or_else(|| Fault::new(field(), "expected a sum of at most 15 digits, found more"))?;
        }
        Ok(Value::Text(total.to_string()))
    }

    /// Joins what a value starts from in the first row of the scope; nothing where every column is empty.
    fn terms(&self, value: &Expression, scope: Scope<'_>) -> Value {
        let mut text = String::new();
        let mut any = false;
        for term in &value.terms {
            match term {
                Term::Column(column) => {
                    if let Some(cell) = scope.rows.first().and_then(|row| row.cells[column.0].as_deref()) {
                        any = true;
                        text.push_str(cell);
                    }
                }
                Term::Part | Term::Last if scope.part.is_none() => {}
                special => {
                    any = true;
                    text.push_str(&self.special(*special, scope));
                }
            }
        }
        if any { Value::Text(text) } else { Value::Nothing }
    }

    fn special(&self, term: Term, scope: Scope<'_>) -> String {
        let first = scope.rows.first();
        match term {
            Term::Index => scope.index.to_string(),
            Term::Rows => scope.rows.len().to_string(),
            Term::Row => first.map_or(0, |row| row.number).to_string(),
            Term::Content => first.and_then(|row| row.content).map_or_else(String::new, |(hash, _)| hex::encode(hash)),
            Term::Nth => first.and_then(|row| row.content).map_or(0, |(_, nth)| nth).to_string(),
            Term::Part => scope.part.map_or(0, |part| part.number).to_string(),
            Term::Last => scope.part.is_some_and(|part| part.last).to_string(),
            Term::Column(_) => String::new(),
        }
    }

    fn filters(&mut self, mut made: Value, value: &Expression, filters: &[Filter]) -> Result<Value, Fault> {
        for filter in filters {
            made = match (made, filter) {
                (Value::Nothing, Filter::Default(text)) => Value::Text(text.clone()),
                (Value::Nothing, _) => return self.default_after(value, filters, filter),
                (Value::List(texts), filter) => {
                    let each = |text: String| self.filter(&text, value, filter).map(|made| plain(&made).into_owned());
                    Value::List(texts.into_iter().map(each).collect::<Result<_, _>>()?)
                }
                (some, filter) => self.filter(&plain(&some), value, filter)?,
            };
        }
        Ok(made)
    }

    /// Nothing goes through every filter but a `default` further on.
    fn default_after(&mut self, value: &Expression, filters: &[Filter], from: &Filter) -> Result<Value, Fault> {
        let at = filters.iter().position(|filter| std::ptr::eq(filter, from)).unwrap_or(0);
        let next = filters[at..].iter().position(|filter| matches!(filter, Filter::Default(_)));
        match next {
            Some(next) => self.filters(Value::Nothing, value, &filters[at + next..]),
            None => Ok(Value::Nothing),
        }
    }

    fn filter(&mut self, text: &str, value: &Expression, filter: &Filter) -> Result<Value, Fault> {
        let style = &self.map.input;
        let expected = |expected: String| Fault::expected(self.fields(value), &expected, text);
        Ok(match filter {
            Filter::Lower => Value::Text(text.to_lowercase()),
            Filter::Upper => Value::Text(text.to_uppercase()),
            Filter::Id => text_or_nothing(&id_of(text)),
            Filter::Number => {
                let number = style.numbers.normalise(text).map_err(expected)?;
                if number.rounded {
                    self.warn(
                        "rounded to four places",
                        self.fields(value),
                        format!("{} rounded to {}", quote(text), number.text),
                    );
                }
                Value::Text(number.text)
            }
            Filter::Int => Value::Int(integer(text).ok_or_else(|| expected("a whole number".to_owned()))?),
            Filter::Bool => {
                Value::Bool(boolean(text).ok_or_else(|| expected("true or false, yes or no, 1 or 0".to_owned()))?)
            }
            Filter::Date => {
                let read = style.dates.date(text).map_err(expected)?;
                if read.time_dropped {
                    self.warn(
                        "time of day left out",
                        self.fields(value),
                        format!("{} taken as {}", quote(text), read.date),
                    );
                }
                Value::Text(read.date.to_string())
            }
            Filter::Time => Value::Text(style.dates.time(text).map_err(expected)?.to_string()),
            Filter::Unit => {
                let own = self.map.units.get(&text.trim().to_lowercase()).copied();
                let unit = own.or_else(|| unit_of_word(text)).or_else(|| text.parse().ok());
                Value::Text(
                    unit.ok_or_else(|| expected("a unit of issue, or a word in the map's [units]".to_owned()))?
                        .to_string(),
                )
            }
            Filter::Nsn | Filter::LocalStockNumber => {
                let wanted = if *filter == Filter::Nsn { Grade::Standard } else { Grade::Local };
                match (canonical_stock_number(text), grade_nsn(text)) {
                    (Some(number), grade) if grade == wanted => Value::Text(number),
                    (Some(_), _) => Value::Nothing,
                    (None, _) => {
                        return Err(expected("a stock number such as 5855-01-534-5931 or 2320-DS-TRU-CK00".to_owned()));
                    }
                }
            }
            Filter::Lookup(table) => {
                let found = self.map.tables.get(table).and_then(|rows| rows.find(text));
                text_or_nothing(found.ok_or_else(|| expected(format!("a word of the map's table {table}")))?)
            }
            Filter::Cut(most) => {
                let cut = cut(text, *most);
                if cut.len() < text.len() {
                    self.warn("cut", self.fields(value), format!("{} cut to {most} bytes", quote(text)));
                }
                text_or_nothing(cut.trim())
            }
            Filter::Pad(least) => {
                let missing = least.saturating_sub(text.chars().count());
                Value::Text("0".repeat(missing) + text)
            }
            Filter::List(separator) => {
                let texts: Vec<String> = text
                    .split(separator.as_str())
                    .map(str::trim)
                    .filter(|t| !t.is_empty())
                    .map(str::to_owned)
                    .collect();
                if texts.is_empty() { Value::Nothing } else { Value::List(texts) }
            }
            Filter::Default(_) | Filter::Sum | Filter::First | Filter::Join(_) => Value::Text(text.to_owned()),
        })
    }
}

/// What the parts of an object or array came to.
#[derive(Default)]
struct Parts {
    taken: bool,
    empty: bool,
}

impl Parts {
    fn take(&mut self, made: Made) -> Option<Json> {
        match made {
            Made::Constant(node) => Some(node),
            Made::Taken(node) => {
                self.taken = true;
                Some(node)
            }
            Made::Empty => {
                self.empty = true;
                None
            }
        }
    }

    fn whole(&self, node: Json) -> Made {
        match (self.taken, self.empty) {
            (true, _) => Made::Taken(node),
            (false, true) => Made::Empty,
            (false, false) => Made::Constant(node),
        }
    }
}
