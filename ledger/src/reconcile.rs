//! Reconciliation (DOMAIN §6): what was authorized, sent, received, declared, found, disposed of, by line and by serial;
//! the difference explained by entries, or left unexplained.
//!
//! A figure leads back to the entries that it is made of. What no entry explains is *unexplained*: nothing here says
//! that it is lost. Amounts are exact; lines are put together only where they have one stock number (or name) and one
//! unit.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::book::Book;
use crate::event::codes::EvidenceGrade;
use crate::facts::{Exact, Item, Measure, State};
use crate::id::{Author, CaseId, PartyId, Seq, StreamId, Subject};
use crate::time::Date;

mod authorized;
mod life;

use life::Life;

/// Of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Of a case.
    Case(CaseId),
    /// Of what a party holds.
    Holder(PartyId),
    /// Of what was last at a site.
    Site(String),
    /// Of a national or local stock number.
    StockNumber(String),
}

impl Scope {
    /// Makes the scope of a stock number; one of thirteen digits is hyphenated.
    #[must_use]
    pub fn stock_number(text: &str) -> Self {
        let bare: String = text.chars().filter(|c| *c != '-').collect();
        if bare.len() == 13 && bare.is_ascii() {
            let bare = bare.to_ascii_uppercase();
            return Self::StockNumber(format!("{}-{}-{}-{}", &bare[..4], &bare[4..6], &bare[6..9], &bare[9..]));
        }
        Self::StockNumber(text.to_owned())
    }

    fn takes(&self, item: &Item) -> bool {
        match self {
            Self::Case(case) => item.description.key.case == *case,
            Self::Holder(party) => item.holder.as_ref().and_then(Author::party) == Some(party),
            Self::Site(site) => item.site.as_deref() == Some(site),
            Self::StockNumber(number) => item.description.stock_number.as_ref() == Some(number),
        }
    }
}

macro_rules! figures {
    ($($name:ident $text:literal $doc:literal;)+) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Figure {
            $(#[doc = $doc] $name),+
        }

        impl Figure {
            /// Every figure, in the order of a life.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

figures! {
    Authorized "authorized" "May be sent.";
    Dispatched "dispatched" "Sent.";
    Received "received" "Came.";
    Declared "declared" "Was there before the ledger.";
    Inventoried "inventoried" "Last found by a check or report.";
    Disposed "disposed" "Expended, destroyed, made unusable or given back for good.";
    Gone "gone" "Reported lost, stolen or captured, and not recovered.";
    Retransferred "retransferred" "With another holder.";
    Held "held" "What there should be: received and declared, less what is disposed of, gone or with another holder.";
    UnexplainedShort "unexplained_short" "Fewer than there should be, and no entry says why.";
    UnexplainedOver "unexplained_over" "More than there should be, and no entry says why.";
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Figure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|figure| figure.as_str() == text);
        found.ok_or_else(|| format!("there is no figure {text:?}"))
    }
}

/// An amount, and the entries that it is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// How many, in the row's unit, or with the unit that it contains.
    pub amount: String,
    /// The entries, in order.
    pub entries: Vec<Seq>,
}

/// Part of a difference, and what explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Why: `in_transit`, `not_received`, `claim_settled`, `not_inventoried`, `in_repair`, `not_dispatched`, `cancelled`.
    pub why: String,
    /// How many.
    pub amount: String,
    /// The entries that say so; those that wait for one where none does yet.
    pub entries: Vec<Seq>,
}

/// A line, or one serial of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The case.
    pub case: CaseId,
    /// The authorization, consignment or holding.
    pub subject: Subject,
    /// The line.
    pub line: String,
    /// The serial as it is written; the row of a line has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nomenclature: Option<String>,
    /// The national or local stock number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_number: Option<String>,
    /// The unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Of a serial: where it is in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// When it was last inventoried, and with which grade of evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<(Date, EvidenceGrade)>,
    /// The figures that are not zero.
    pub figures: BTreeMap<Figure, Amount>,
    /// What explains differences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explained: Vec<Explanation>,
    /// Entries that count the line in a unit that cannot be compared, or do not disclose their items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Seq>,
}

/// All lines of one stock number (or name) and unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// The national or local stock number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_number: Option<String>,
    /// What it is called; of a stock number, in its first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nomenclature: Option<String>,
    /// The unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The figures that are not zero.
    pub figures: BTreeMap<Figure, String>,
}

/// What reconciliation comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// By stock number and unit.
    pub totals: Vec<Total>,
    /// By line, each followed by its serials.
    pub rows: Vec<Row>,
}

/// What lines must have in common to be put together.
type Kind = (Option<String>, Option<String>, Option<String>, Option<(u64, String)>);

/// Reconciles one or several books.
#[derive(Debug)]
pub struct Reconciler {
    scope: Scope,
    rows: Vec<Row>,
    totals: BTreeMap<Kind, (Option<String>, Measure, BTreeMap<Figure, Exact>)>,
}

/// Reconciles a book.
#[must_use]
pub fn reconcile(book: &Book, scope: &Scope) -> Reconciliation {
    let mut reconciler = Reconciler::new(scope.clone());
    reconciler.add(book);
    reconciler.finish()
}

impl Reconciler {
    /// Begins with nothing.
    #[must_use]
    pub const fn new(scope: Scope) -> Self {
        Self { scope, rows: Vec::new(), totals: BTreeMap::new() }
    }

    /// Adds what of a book is in scope. Books must not show the same case twice.
    pub fn add(&mut self, book: &Book) {
        authorized::add(self, book);
        let mut measures = Measures::default();
        let mut lines: BTreeMap<(&CaseId, &Subject, &str), Vec<&Item>> = BTreeMap::new();
        for item in book.items().all().iter().filter(|item| self.scope.takes(item)) {
            let key = &item.description.key;
            lines.entry((&key.case, &key.subject, &key.line)).or_default().push(item);
        }
        for ((case, subject, line), items) in lines {
            let Some(first) = items.first() else { continue };
            let measure = measures.of(book, first);
            let stream = StreamId { case: Some(case.clone()), subject: subject.clone() };
            let life = Life::new(book, &stream, line, measure.clone());
            self.line(life, &items);
        }
    }

    fn line(&mut self, mut life: Life<'_>, items: &[&Item]) {
        let Some(first) = items.first() else { return };
        let of = &first.description;
        let mut whole = life.row(of, None);
        let mut serials = Vec::new();
        for item in items {
            let one = life.item(item);
            whole.add(&one);
            if item.description.key.serial.is_some() {
                let mut row = life.row(&item.description, item.description.serial.clone());
                row.add(&one);
                let mut row = row.written(&life.measure);
                row.state = Some(item.state);
                serials.push(row);
            }
        }
        self.total(of.stock_number.clone(), of.nomenclature.clone(), &life.measure, &whole.exact());
        self.rows.push(whole.written(&life.measure));
        self.rows.append(&mut serials);
    }

    fn total(
        &mut self,
        number: Option<String>,
        name: Option<String>,
        measure: &Measure,
        figures: &BTreeMap<Figure, Exact>,
    ) {
        let called = if number.is_some() { None } else { name.clone() };
        let contains = measure.contains.as_ref().map(|(quantity, unit)| (quantity.ten_thousandths(), unit.clone()));
        let kind = (number, called, measure.unit.clone(), contains);
        let (_, _, sums) = self.totals.entry(kind).or_insert_with(|| (name, measure.clone(), BTreeMap::new()));
        for (figure, amount) in figures {
            let sum = sums.entry(*figure).or_default();
            *sum = sum.plus(*amount);
        }
    }

    /// Returns the result.
    #[must_use]
    pub fn finish(self) -> Reconciliation {
        let totals = self.totals.into_iter().map(|((number, _, unit, _), (name, measure, sums))| Total {
            stock_number: number,
            nomenclature: name,
            unit,
            figures: sums.into_iter().filter(|(_, sum)| !sum.is_zero()).map(|(f, s)| (f, text(&measure, s))).collect(),
        });
        Reconciliation { totals: totals.collect(), rows: self.rows }
    }
}

/// Writes an amount: the number alone where it is in the line's unit.
fn text(measure: &Measure, amount: Exact) -> String {
    measure.quantity(amount).map_or_else(|| measure.show(amount), |quantity| quantity.to_string())
}

/// How lines are counted, read once for each statement.
#[derive(Default)]
struct Measures(HashMap<Seq, HashMap<String, Measure>>);

impl Measures {
    fn of(&mut self, book: &Book, item: &Item) -> Measure {
        let described = item.description.seq;
        let lines = self.0.entry(described).or_insert_with(|| {
            let statement = book.by_seq(described);
            let lines = statement.into_iter().flat_map(|s| s.array("lines").iter().chain(s.array("unexpected")));
            let read = lines.filter_map(|line| {
                let number = line.get("line").and_then(Value::as_str)?;
                Some((number.to_owned(), Measure::of_line(line)))
            });
            read.collect()
        });
        let plain = || Measure { unit: item.description.unit.clone(), contains: None };
        let read = lines.get(&item.description.key.line).filter(|measure| measure.unit.is_some());
        read.cloned().unwrap_or_else(plain)
    }
}
