//! What was shipped and what the inventory says is there, by agency, stock number, ship date and unit: read out of a
//! bundle, and read once more out of the published tables, to be held against each other.
//!
//! Both are read with nothing of Countersign's own code: a bundle is lines of JSON, a payload is base64 of JSON (SPEC
//! §4, §5, §11). It verifies nothing; `countersign-verify` does that. A difference is explained by what is recorded, or
//! left unexplained and listed. It is never called a loss: nobody has said so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{column, table};

/// What is counted together. Unlike units are never added.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The state, two capital letters.
    pub state: String,
    /// The agency, as the record names it.
    pub agency: String,
    /// The stock number without hyphens.
    pub stock: String,
    /// When it was shipped.
    pub date: String,
    /// The unit of issue.
    pub unit: String,
}

/// Quantities in ten-thousandths.
pub type Sums = BTreeMap<Key, u128>;

/// The books of all agencies.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// What the donor sent.
    pub dispatched: Sums,
    /// What the inventory has of the time of the shipments.
    pub reported: Sums,
    /// What was there before the shipments begin.
    pub held: Sums,
    /// What the inventory has of that time.
    pub reported_held: Sums,
    /// Rows of the inventory under a national stock number.
    pub standard: u64,
    /// Rows under an agency's own.
    pub local: u64,
    /// Lines of dispatches.
    pub dispatch_lines: u64,
    /// Lines of holdings.
    pub holding_lines: u64,
    /// DEMIL codes of what was sent, for the list of differences.
    pub demil: BTreeMap<Key, String>,
}

fn add(sums: &mut Sums, key: Key, quantity: u128) {
    *sums.entry(key).or_default() += quantity;
}

fn ten_thousandths(text: &str) -> Result<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    ensure!(fraction.len() <= 4 && !whole.is_empty(), "{text:?} is no quantity");
    let digits = format!("{whole}{fraction:0<4}");
    ensure!(digits.bytes().all(|b| b.is_ascii_digit()), "{text:?} is no quantity");
    Ok(digits.parse()?)
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no text {name} in {value}"))
}

fn stock_of(line: &Value) -> Result<String> {
    let number = line["nsn"].as_str().or_else(|| line["local_stock_number"].as_str());
    Ok(number.with_context(|| format!("no stock number in {line}"))?.replace('-', ""))
}

impl Books {
    /// Reads a bundle that is not compressed.
    ///
    /// # Errors
    /// When it is none, or an entry is not what this replay records.
    pub fn of_bundle(path: &Path) -> Result<Self> {
        let mut books = Self::default();
        let mut lines = HashMap::new();
        for (i, line) in BufReader::with_capacity(1 << 20, File::open(path)?).lines().enumerate() {
            let value: Value = serde_json::from_str(&line?).with_context(|| format!("line {}", i + 1))?;
            if i == 0 {
                ensure!(value["countersign_bundle"] == 1, "this is no bundle of version 1");
            } else if let Some(payload) = value["envelope"]["payload"].as_str() {
                let event: Value = serde_json::from_slice(&STANDARD.decode(payload)?)?;
                books.take(&event, &mut lines).with_context(|| format!("line {}", i + 1))?;
            }
        }
        Ok(books)
    }

    fn take(&mut self, event: &Value, lines: &mut HashMap<(String, String, String), Key>) -> Result<()> {
        let kind = text(event, "kind")?;
        if !matches!(kind, "transfer.dispatched" | "holding.declared" | "self_report.recorded") {
            return Ok(());
        }
        let (case, subject, body) = (text(event, "case")?, text(event, "subject")?, &event["body"]);
        let state = case.strip_prefix("leso.").with_context(|| format!("case {case} is of no state"))?.to_uppercase();
        let place = if kind == "transfer.dispatched" { &body["to"] } else { &body["place"] };
        let agency = text(place, "text")?.to_owned();
        let key = |line: &Value, date: &str| -> Result<Key> {
            let (stock, unit) = (stock_of(line)?, text(line, "unit")?.to_owned());
            Ok(Key { state: state.clone(), agency: agency.clone(), stock, date: date.to_owned(), unit })
        };
        let members = if kind == "self_report.recorded" { "items" } else { "lines" };
        let Some(rows) = body[members].as_array() else { bail!("a body without {members}") };
        for row in rows {
            let quantity = ten_thousandths(text(row, "quantity")?)?;
            match kind {
                "transfer.dispatched" => {
                    let key = key(row, text(&event["occurred"], "date")?)?;
                    if let Some(demil) = row["demil"].as_str() {
                        self.demil.insert(key.clone(), demil.to_owned());
                    }
                    self.dispatch_lines += 1;
                    add(&mut self.dispatched, key, quantity);
                }
                "holding.declared" => {
                    let key = key(row, text(row, "original_date")?)?;
                    let place = (case.to_owned(), subject.to_owned(), text(row, "line")?.to_owned());
                    ensure!(lines.insert(place, key.clone()).is_none(), "a holding's line that stood before");
                    self.holding_lines += 1;
                    add(&mut self.held, key, quantity);
                }
                _ => self.item(row, quantity, case, lines, key)?,
            }
        }
        Ok(())
    }

    /// Takes an item of a report: it names the holding's line, or says when it was shipped.
    fn item(
        &mut self,
        item: &Value,
        quantity: u128,
        case: &str,
        lines: &HashMap<(String, String, String), Key>,
        key: impl Fn(&Value, &str) -> Result<Key>,
    ) -> Result<()> {
        *(if item["nsn"].is_string() { &mut self.standard } else { &mut self.local }) += 1;
        if item["described_in"].is_object() {
            let line = &item["described_in"];
            let place = (case.to_owned(), text(line, "subject")?.to_owned(), text(line, "line")?.to_owned());
            let described = lines.get(&place).with_context(|| format!("a report of what nobody declared: {line}"))?;
            let said = key(item, &described.date)?;
            ensure!(said == *described, "a report that is not of its holding: {said:?}, {described:?}");
            add(&mut self.reported_held, said, quantity);
        } else {
            let shipped = text(item, "remarks")?.strip_prefix("shipped ").context("an item without its date")?;
            add(&mut self.reported, key(item, shipped)?, quantity);
        }
        Ok(())
    }

    /// Reads the published tables, from the rows as they stand: nothing of what was recorded.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of_tables(shipments: &Path, inventory: &Path) -> Result<Self> {
        let mut books = Self::default();
        let first = books.shipments(shipments)?;
        books.inventory(inventory, &first)?;
        Ok(books)
    }

    /// Adds up the shipments; returns the date of the first.
    fn shipments(&mut self, path: &Path) -> Result<String> {
        let mut reader = table(path)?;
        let header = reader.headers()?.clone();
        let at = |name: &str| column(&header, name);
        let (state, agency, number) = (at("State")?, at("Station Name (LEA)")?, at("Requisition ID")?);
        let (class, item, unit) = (at("FSC")?, at("NIIN")?, at("UI")?);
        let (quantity, demil, shipped) = (at("Quantity")?, at("DEMIL Code")?, at("Date Shipped")?);
        let mut seen = HashSet::new();
        let mut first: Option<String> = None;
        for row in reader.records() {
            let row = row?;
            let date = row[shipped].get(..10).context("no date")?.to_owned();
            first = Some(first.map_or_else(|| date.clone(), |first| first.min(date.clone())));
            // The second row of a requisition is not recorded: a number is dispatched once.
            if !seen.insert(row[number].trim().to_owned()) {
                continue;
            }
            let key = Key {
                state: row[state].trim().to_owned(),
                agency: row[agency].trim().to_owned(),
                stock: format!("{}{}", row[class].trim(), row[item].trim()),
                date,
                unit: row[unit].trim().to_owned(),
            };
            if !row[demil].trim().is_empty() {
                self.demil.insert(key.clone(), row[demil].trim().to_owned());
            }
            self.dispatch_lines += 1;
            add(&mut self.dispatched, key, ten_thousandths(row[quantity].trim())?);
        }
        first.context("no shipments")
    }

    fn inventory(&mut self, path: &Path, first: &str) -> Result<()> {
        let mut reader = table(path)?;
        let header = reader.headers()?.clone();
        let at = |name: &str| column(&header, name);
        let (state, agency, number) = (at("State")?, at("Station Name (LEA)")?, at("NSN")?);
        let (unit, quantity, shipped) = (at("UI")?, at("Quantity")?, at("Ship Date")?);
        for row in reader.records() {
            let row = row?;
            let Some(standard) = stock_number(row[number].trim()) else { continue };
            *(if standard { &mut self.standard } else { &mut self.local }) += 1;
            let date = row[shipped].get(..10).context("no date")?.to_owned();
            let key = Key {
                state: row[state].trim().to_owned(),
                agency: row[agency].trim().to_owned(),
                stock: row[number].trim().replace('-', ""),
                unit: unit_code(row[unit].trim())?.to_owned(),
                date,
            };
            let amount = ten_thousandths(row[quantity].trim())?;
            if key.date.as_str() < first {
                self.holding_lines += 1;
                add(&mut self.held, key.clone(), amount);
                add(&mut self.reported_held, key, amount);
            } else {
                add(&mut self.reported, key, amount);
            }
        }
        Ok(())
    }
}

/// Tells whether a stock number is national (`true`), an agency's own (`false`), or neither.
#[must_use]
pub fn stock_number(text: &str) -> Option<bool> {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let shaped = lengths == [4, 2, 3, 4] && digits(parts[0]) && parts.iter().all(|part| part.bytes().all(plain));
    shaped.then(|| parts.iter().all(|part| digits(part)))
}

/// The words of the inventory for units of issue. `Unknown` is what the map makes of it.
fn unit_code(word: &str) -> Result<&'static str> {
    const WORDS: [(&str, &str); 33] = [
        ("Assembly", "AY"),
        ("Assortment", "AT"),
        ("Bag", "BG"),
        ("Bale", "BE"),
        ("Board Foot", "BF"),
        ("Box", "BX"),
        ("Bundle", "BD"),
        ("Can", "CN"),
        ("Cartridge", "CA"),
        ("Case", "CS"),
        ("Coil", "CL"),
        ("Container", "CO"),
        ("Dozen", "DZ"),
        ("Each", "EA"),
        ("Foot", "FT"),
        ("Gallon", "GL"),
        ("Hundred", "HD"),
        ("Kit", "KT"),
        ("Length", "LG"),
        ("Meter", "MR"),
        ("Outfit", "OT"),
        ("Package", "PG"),
        ("Pair", "PR"),
        ("Pint", "PT"),
        ("Plate", "PM"),
        ("Pound", "LB"),
        ("Reel", "RL"),
        ("Roll", "RO"),
        ("Set", "SE"),
        ("Sheet", "SH"),
        ("Spool", "SL"),
        ("Thousand", "MX"),
        ("Unknown", "ZZ"),
    ];
    let found = WORDS.iter().find(|(name, _)| *name == word);
    found.map(|(_, code)| *code).with_context(|| format!("the unit {word:?} is no word that is known"))
}

/// A group of which more or less was reported than was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub key: Key,
    /// How much was sent.
    pub dispatched: u128,
    /// How much the inventory has.
    pub reported: u128,
}

/// Shipments against inventory.
#[derive(Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// Groups in which both are the same.
    pub agree: usize,
    /// Groups that differ, by what is recorded that explains it.
    pub explained: BTreeMap<&'static str, usize>,
    /// Groups that differ, and nothing recorded says why.
    pub unexplained: Vec<Difference>,
}

/// Holds what was sent against what the inventory has.
#[must_use]
pub fn reconcile(books: &Books) -> Reconciled {
    let keys: BTreeSet<&Key> = books.dispatched.keys().chain(books.reported.keys()).collect();
    let amount = |sums: &Sums, key: &Key| sums.get(key).copied().unwrap_or_default();
    let all = keys.iter().map(|key| Difference {
        key: (*key).clone(),
        dispatched: amount(&books.dispatched, key),
        reported: amount(&books.reported, key),
    });
    let mut open: Vec<Difference> = all.filter(|d| d.dispatched != d.reported).collect();
    let agree = keys.len() - open.len();
    let mut explained = BTreeMap::new();
    let last = books.dispatched.keys().map(|key| key.date.clone()).max().unwrap_or_default();
    let mut settle = |name, open: &mut Vec<Difference>, is: &dyn Fn(&[&Difference]) -> bool, by: fn(&Key) -> Key| {
        let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        open.iter().enumerate().for_each(|(i, d)| groups.entry(by(&d.key)).or_default().push(i));
        let settled: HashSet<usize> = groups
            .into_values()
            .filter(|group| is(&group.iter().map(|i| &open[*i]).collect::<Vec<_>>()))
            .flatten()
            .collect();
        explained.insert(name, settled.len());
        let mut i = 0;
        open.retain(|_| {
            i += 1;
            !settled.contains(&(i - 1))
        });
    };
    let after = |group: &[&Difference]| group.iter().all(|d| d.key.date > last);
    settle("shipped after the shipments end", &mut open, &after, Key::clone);
    // The same number of pieces, called by another unit: not added, but seen to be the same.
    let renamed = |group: &[&Difference]| match group {
        [a, b] => (a.dispatched, a.reported) == (b.reported, b.dispatched) && a.dispatched.min(a.reported) == 0,
        _ => false,
    };
    settle("the same under another unit of issue", &mut open, &renamed, |key| Key {
        unit: String::new(),
        ..key.clone()
    });
    let balanced = |group: &[&Difference]| {
        let sum = |of: fn(&Difference) -> u128| group.iter().map(|d| of(d)).sum::<u128>();
        group.len() > 1 && sum(|d| d.dispatched) == sum(|d| d.reported)
    };
    settle("the same under other ship dates", &mut open, &balanced, |key| Key { date: String::new(), ..key.clone() });
    settle("the same with another agency of the state", &mut open, &balanced, |key| Key {
        agency: String::new(),
        ..key.clone()
    });
    Reconciled { agree, explained, unexplained: open }
}
