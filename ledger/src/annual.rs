//! Annual reports: what a state exported and imported in a year by category (UNROCA, ATT Article 13), and what a case
//! comes to in money and services.
//!
//! A pure function of a [`Book`]. An export counts in the year of its dispatch, an import in the year of its receipt:
//! by the end of the statement's interval, or when it was recorded where it does not say when. Who exports are the
//! donors of the case, who imports its recipients. Each figure names the entries that it comes from. A line without a
//! category of the treaty is listed as uncategorised, never dropped; so is one whose country is not told.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::book::Book;
use crate::capacity::Capacity;
use crate::event::scalars::Quantity;
use crate::facts::Statement;
use crate::facts::statement::{array, parse};
use crate::id::{Author, CaseId, PartyId, Seq, Subject};

/// By which treaty or register a report is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treaty {
    /// The UN Register of Conventional Arms: categories I to VII, and small arms and light weapons.
    Unroca,
    /// The Arms Trade Treaty: Article 2(1)(a) to (h).
    Att,
}

impl Treaty {
    /// Returns its name, which is that of its member in a line's `category`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unroca => "unroca",
            Self::Att => "att",
        }
    }
}

impl std::str::FromStr for Treaty {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Unroca, Self::Att].into_iter().find(|treaty| treaty.as_str() == text);
        found.ok_or_else(|| format!("expected unroca or att, found {text:?}"))
    }
}

/// Which way something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Out of the donor's country, by dispatch.
    Export,
    /// Into the recipient's country, by receipt.
    Import,
}

impl Direction {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Import => "import",
        }
    }
}

/// One figure of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnualLine {
    /// Which way.
    pub direction: Direction,
    /// The category of the treaty; `None` for what has none.
    pub category: Option<String>,
    /// The exporting country; `None` where the ledger does not tell one.
    pub from: Option<String>,
    /// The importing country.
    pub to: Option<String>,
    /// How many.
    pub quantity: String,
    /// Of what.
    pub unit: String,
    /// What it is called, each name once.
    pub nomenclature: Vec<String>,
    /// The cases.
    pub cases: Vec<CaseId>,
    /// The entries that it comes from, in order.
    pub entries: Vec<Seq>,
}

/// Services of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLine {
    /// Training, logistics, maintenance or advice.
    #[serde(rename = "type")]
    pub ty: String,
    /// How often.
    pub deliveries: u64,
    /// How many took part.
    pub participants: u64,
    /// For how many hours.
    pub hours: String,
    /// What they were worth, by currency.
    pub value: BTreeMap<String, String>,
    /// The entries that it comes from, in order.
    pub entries: Vec<Seq>,
}

/// The report of a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnualReport {
    /// The year.
    pub year: i16,
    /// By which treaty.
    pub treaty: Treaty,
    /// The country that reports; every flow where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// What counts into which year, in words.
    pub basis: String,
    /// The figures.
    pub lines: Vec<AnnualLine>,
    /// Training and services of the year, which no treaty counts.
    pub services: Vec<ServiceLine>,
    /// Whether entries are not shown, so that figures may be missing.
    pub incomplete: bool,
}

/// What a case comes to, from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseTotals {
    /// The case.
    pub case: CaseId,
    /// The value of what was authorized, by currency.
    pub authorized: BTreeMap<String, String>,
    /// Of what was dispatched.
    pub dispatched: BTreeMap<String, String>,
    /// Of what was received.
    pub received: BTreeMap<String, String>,
    /// Lines of dispatches that say no value.
    pub unvalued: u64,
    /// Training and services.
    pub services: Vec<ServiceLine>,
}

/// A line of a dispatch, receipt or authorization, by which receipts find what they count.
type Line<'a> = (&'a CaseId, &'a Subject, &'a str);

/// The lines that statements describe, the first of each number.
struct Lines<'a>(HashMap<Line<'a>, &'a Value>);

impl<'a> Lines<'a> {
    fn of(book: &'a Book) -> Self {
        let mut lines = HashMap::new();
        for statement in book.statements().iter().filter(|s| book.stands(s)) {
            let members: &[&str] = match statement.kind.as_str() {
                "transfer.authorized" | "transfer.dispatched" => &["lines"],
                "transfer.received" => &["unexpected"],
                _ => continue,
            };
            let Some(case) = &statement.stream.case else { continue };
            for line in members.iter().flat_map(|member| array(&statement.body, member)) {
                if let Some(number) = line.get("line").and_then(Value::as_str) {
                    lines.entry((case, &statement.stream.subject, number)).or_insert(line);
                }
            }
        }
        Self(lines)
    }

    /// Returns the line that one is about: of the dispatch for a receipt, and the authorization's for a dispatch.
    fn find(&self, case: &CaseId, subject: &Subject, number: &str) -> Option<&'a Value> {
        self.0.get(&(case, subject, number)).copied()
    }

    /// Returns a member of a line, or of the authorization line that it was sent under.
    fn member(&self, case: &CaseId, line: &'a Value, member: &str) -> Option<&'a Value> {
        let authorized = || {
            let reference = line.get("authorization")?;
            let case = parse(reference, "case").unwrap_or_else(|| case.clone());
            let number = reference.get("line").and_then(Value::as_str)?;
            self.find(&case, &parse(reference, "subject")?, number)?.get(member)
        };
        line.get(member).or_else(authorized)
    }
}

/// Returns the country of those who have a role in a case; of the author where it has that role. `None` where they are
/// of several countries, or of none that is told.
fn country(book: &Book, case: &CaseId, role: Capacity, author: &Author) -> Option<String> {
    let of = |party: &PartyId| book.authority().party(party.as_str()).and_then(|party| party.country.clone());
    let parties = book.authority().case(case.as_str())?.roles.get(&role)?;
    if let Some(author) = author.party().filter(|author| parties.contains(author)) {
        return of(author);
    }
    let mut countries: Vec<Option<String>> = parties.iter().map(of).collect();
    countries.sort_unstable();
    countries.dedup();
    match countries.as_mut_slice() {
        [one] => one.take(),
        _ => None,
    }
}

/// What figures are added up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Flow {
    direction: Direction,
    // those without a category last
    uncategorised: bool,
    category: Option<String>,
    from: Option<String>,
    to: Option<String>,
    unit: String,
}

#[derive(Debug, Default)]
struct Sum {
    quantity: Total,
    names: Vec<String>,
    cases: Vec<CaseId>,
    entries: Vec<Seq>,
}

impl AnnualReport {
    /// Adds up a year. With `country` only what that country exported and imported; flows of which a side is not told
    /// are kept where the other may be it.
    #[must_use]
    pub fn of(book: &Book, year: i16, treaty: Treaty, country: Option<&str>) -> Self {
        let lines = Lines::of(book);
        let mut sums: BTreeMap<Flow, Sum> = BTreeMap::new();
        let of_year = |s: &&Statement| s.by().year() == year && book.stands(s);
        for statement in book.statements().iter().filter(of_year) {
            match statement.kind.as_str() {
                "transfer.dispatched" => add(book, &lines, statement, Direction::Export, treaty, &mut sums),
                "transfer.received" => add(book, &lines, statement, Direction::Import, treaty, &mut sums),
                _ => {}
            }
        }
        let reports = |flow: &Flow| match (country, flow.direction) {
            (None, _) => true,
            (Some(country), Direction::Export) => flow.from.as_deref().is_none_or(|from| from == country),
            (Some(country), Direction::Import) => flow.to.as_deref().is_none_or(|to| to == country),
        };
        let lines = sums.into_iter().filter(|(flow, _)| reports(flow)).map(|(flow, sum)| finished(flow, sum));
        let services = book.statements().iter().filter(of_year).filter(|s| s.kind.as_str() == "service.delivered");
        let of_country = |s: &&Statement| concerns(book, s, country);
        Self {
            year,
            treaty,
            country: country.map(str::to_owned),
            basis: "exports by the year of dispatch, imports by the year of receipt".to_owned(),
            lines: lines.collect(),
            services: services_of(services.filter(of_country)),
            incomplete: book.has_gaps(),
        }
    }
}

/// Tells whether a case has a donor or recipient of a country, or one whose country is not told.
fn concerns(book: &Book, statement: &Statement, wanted: Option<&str>) -> bool {
    let (Some(wanted), Some(case)) = (wanted, &statement.stream.case) else { return true };
    let side = |role| country(book, case, role, &Author::Governance);
    [side(Capacity::Donor), side(Capacity::Recipient)].iter().any(|of| of.as_deref().is_none_or(|of| of == wanted))
}

fn finished(flow: Flow, mut sum: Sum) -> AnnualLine {
    sum.names.sort_unstable();
    sum.names.dedup();
    sum.cases.sort_unstable();
    sum.cases.dedup();
    sum.entries.sort_unstable();
    sum.entries.dedup();
    AnnualLine {
        direction: flow.direction,
        category: flow.category,
        from: flow.from,
        to: flow.to,
        quantity: sum.quantity.to_string(),
        unit: flow.unit,
        nomenclature: sum.names,
        cases: sum.cases,
        entries: sum.entries,
    }
}

fn add(
    book: &Book,
    lines: &Lines<'_>,
    statement: &Statement,
    direction: Direction,
    treaty: Treaty,
    sums: &mut BTreeMap<Flow, Sum>,
) {
    let Some(case) = &statement.stream.case else { return };
    let subject = &statement.stream.subject;
    let side = |role| country(book, case, role, &statement.author);
    let (from, to) = (side(Capacity::Donor), side(Capacity::Recipient));
    let members: &[(&str, &str)] = match direction {
        Direction::Export => &[("lines", "quantity")],
        Direction::Import => &[("lines", "received"), ("unexpected", "quantity")],
    };
    for (member, amount) in members {
        for line in statement.array(member) {
            let Some(quantity) = parse::<Quantity>(line, amount) else { continue };
            let number = line.get("line").and_then(Value::as_str).unwrap_or_default();
            let of = lines.find(case, subject, number).unwrap_or(line);
            let own = |name: &str| line.get(name).or_else(|| of.get(name)).and_then(Value::as_str).map(str::to_owned);
            let category = lines.member(case, of, "category").and_then(|c| c.get(treaty.as_str()));
            let category = category.and_then(Value::as_str).map(str::to_owned);
            let unit = own("unit").unwrap_or_default();
            let uncategorised = category.is_none();
            let flow = Flow { direction, uncategorised, category, from: from.clone(), to: to.clone(), unit };
            let sum = sums.entry(flow).or_default();
            sum.quantity = sum.quantity.plus(quantity);
            sum.names.extend(own("nomenclature"));
            sum.cases.push(case.clone());
            sum.entries.push(statement.seq);
        }
    }
}

/// A sum of quantities, exact. Stays at the greatest rather than pass it, which no ledger comes to.
#[derive(Debug, Clone, Copy, Default)]
struct Total(u128);

impl Total {
    const PARTS: u128 = 10_000;

    fn plus(self, quantity: Quantity) -> Self {
        Self(self.0.saturating_add(u128::from(quantity.ten_thousandths())))
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:04}", self.0 % Self::PARTS);
        let decimals = decimals.trim_end_matches('0');
        let point = if decimals.is_empty() { "" } else { "." };
        write!(f, "{}{point}{decimals}", self.0 / Self::PARTS)
    }
}

/// Amounts of money by currency, exact.
#[derive(Debug, Default)]
struct Money(BTreeMap<String, u128>);

impl Money {
    /// A hundred-millionth: the product of two amounts of four places.
    const PARTS: u128 = 100_000_000;

    fn add(&mut self, currency: &str, amount: Quantity, times: Quantity) {
        let product = u128::from(amount.ten_thousandths()).saturating_mul(u128::from(times.ten_thousandths()));
        let sum = self.0.entry(currency.to_owned()).or_default();
        *sum = sum.saturating_add(product);
    }

    fn texts(self) -> BTreeMap<String, String> {
        let text = |sum: u128| {
            let (whole, rest) = (sum / Self::PARTS, sum % Self::PARTS);
            // two places as money is written, more where there are more
            let digits = format!("{rest:08}");
            let places = digits.trim_end_matches('0').len().max(2);
            format!("{whole}.{}", &digits[..places])
        };
        self.0.into_iter().map(|(currency, sum)| (currency, text(sum))).collect()
    }
}

#[derive(Debug, Default)]
struct Services {
    deliveries: u64,
    participants: u64,
    hours: Total,
    value: Money,
    entries: Vec<Seq>,
}

fn services_of<'a>(delivered: impl Iterator<Item = &'a Statement>) -> Vec<ServiceLine> {
    let one = Quantity::whole(1).unwrap_or(Quantity::ZERO);
    let mut types: BTreeMap<String, Services> = BTreeMap::new();
    for statement in delivered {
        let sum = types.entry(statement.text("type").unwrap_or("unknown").to_owned()).or_default();
        sum.deliveries += 1;
        let participants = statement.body.get("participants").and_then(Value::as_u64).unwrap_or(0);
        sum.participants = sum.participants.saturating_add(participants);
        if let Some(hours) = statement.get::<Quantity>("hours") {
            sum.hours = sum.hours.plus(hours);
        }
        if let Some(value) = statement.body.get("value")
            && let (Some(amount), Some(currency)) =
                (parse(value, "amount"), value.get("currency").and_then(Value::as_str))
        {
            sum.value.add(currency, amount, one);
        }
        sum.entries.push(statement.seq);
    }
    let line = |(ty, sum): (String, Services)| ServiceLine {
        ty,
        deliveries: sum.deliveries,
        participants: sum.participants,
        hours: sum.hours.to_string(),
        value: sum.value.texts(),
        entries: sum.entries,
    };
    types.into_iter().map(line).collect()
}

impl CaseTotals {
    /// Adds a case up.
    #[must_use]
    pub fn of(book: &Book, case: &CaseId) -> Self {
        let lines = Lines::of(book);
        Self::with(book, case, &lines)
    }

    /// Adds every case up.
    #[must_use]
    pub fn of_all(book: &Book) -> Vec<Self> {
        let lines = Lines::of(book);
        book.cases().map(|case| Self::with(book, case, &lines)).collect()
    }

    fn with(book: &Book, case: &CaseId, lines: &Lines<'_>) -> Self {
        let (mut authorized, mut dispatched, mut received) = (Money::default(), Money::default(), Money::default());
        let mut unvalued = 0;
        let streams = |ty: &'static str| book.streams(Some(case), ty).flat_map(|stream| book.stream(stream));
        let mut value = |statement: &Statement, member: &str, amount: &str, money: &mut Money| {
            for line in statement.array(member) {
                let Some(quantity) = parse::<Quantity>(line, amount) else { continue };
                let number = line.get("line").and_then(Value::as_str).unwrap_or_default();
                let of = lines.find(case, &statement.stream.subject, number).unwrap_or(line);
                // what is counted in another unit than its line has no value that can be told
                let same = line.get("unit").is_none_or(|unit| of.get("unit") == Some(unit));
                let unit = lines.member(case, of, "unit_value").filter(|_| same);
                let priced = unit.and_then(|u| Some((u.get("currency")?.as_str()?, parse(u, "amount")?)));
                match priced {
                    Some((currency, each)) => money.add(currency, each, quantity),
                    None => unvalued += u64::from(statement.kind.as_str() == "transfer.dispatched"),
                }
            }
        };
        for statement in streams("authorization").filter(|s| s.kind.as_str() == "transfer.authorized") {
            value(statement, "lines", "quantity", &mut authorized);
        }
        for statement in streams("consignment") {
            match statement.kind.as_str() {
                "transfer.dispatched" => value(statement, "lines", "quantity", &mut dispatched),
                "transfer.received" => {
                    value(statement, "lines", "received", &mut received);
                    value(statement, "unexpected", "quantity", &mut received);
                }
                _ => {}
            }
        }
        Self {
            case: case.clone(),
            authorized: authorized.texts(),
            dispatched: dispatched.texts(),
            received: received.texts(),
            unvalued,
            services: services_of(streams("service").filter(|s| s.kind.as_str() == "service.delivered")),
        }
    }
}
