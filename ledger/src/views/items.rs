//! Items, put together from the facts as [`crate::book`] does it, one at a time.
//!
//! Which mentions are an item's depends on what else is described and linked (DOMAIN §1.7): a serial that two lines of a
//! case describe is told apart by the line or the stock number that the mention names, or by nothing; a serial that a
//! line was described without belongs to what of the line has no serial; a receipt that counts a whole line has received
//! each item of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use serde::de::DeserializeOwned;

use super::contribution::line_key;
use super::key::{Key, Parts};
use super::kv::{Family, Reads};
use super::reading::LineOf;
use crate::event::scalars::Quantity;
use crate::facts::{Act, Amount, Description, Item, ItemKey, Mention, fold};
use crate::id::{CaseId, Seq, Subject};
use crate::store::StoreError;

/// A mention with its place: the entry, and which of it.
type Placed = (Seq, u32, Mention);

/// What is said of a serial in a case.
#[derive(Debug, Default)]
pub struct SerialFacts {
    /// The items that it is the serial of, each by its first description, in the order of their keys.
    pub items: BTreeMap<ItemKey, Description>,
    /// What mentions it.
    pub mentions: Vec<Placed>,
}

/// Reads the facts of one state, and keeps what many items share.
pub struct Facts<'a> {
    reads: &'a dyn Reads,
    linked: bool,
    whole: HashMap<(CaseId, Subject), Rc<Vec<Placed>>>,
    lines: HashMap<LineOf, Rc<Vec<Placed>>>,
    listed: HashMap<(LineOf, Seq), usize>,
    on_line: HashMap<LineOf, usize>,
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").finish_non_exhaustive()
    }
}

/// Makes the error of a record that is not of its form.
pub(super) fn malformed(key: &[u8], reason: impl ToString) -> StoreError {
    StoreError::Corrupt { place: format!("record {} of the views", hex::encode(key)), reason: reason.to_string() }
}

/// Reads a value.
pub(super) fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|e| malformed(key, e))
}

/// Reads a record, if it is there.
pub(super) fn record<T: DeserializeOwned>(
    reads: &dyn Reads,
    family: Family,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    reads.get(family, key)?.map(|value| decode(key, &value)).transpose()
}

/// Tells whether a range holds anything.
pub(super) fn any(reads: &dyn Reads, family: Family, (from, end): (Vec<u8>, Vec<u8>)) -> Result<bool, StoreError> {
    let mut found = false;
    reads.scan(family, &from, &end, &mut |_, _| {
        found = true;
        Ok(false)
    })?;
    Ok(found)
}

/// Reads the seq and the number at the end of a fact's key.
fn placed(key: &[u8]) -> Result<(Seq, u32), StoreError> {
    let tail = key.last_chunk::<12>().ok_or_else(|| malformed(key, "too short"))?;
    let (seq, n) = tail.split_at(8);
    let seq = seq.try_into().map(u64::from_be_bytes).map_err(|_| malformed(key, "no seq"))?;
    let n = n.try_into().map(u32::from_be_bytes).map_err(|_| malformed(key, "no number"))?;
    Ok((Seq(seq), n))
}

fn line_of(key: &ItemKey) -> LineOf {
    (key.case.clone(), key.subject.clone(), key.line.clone())
}

fn bulk_of((case, subject, line): &LineOf) -> ItemKey {
    ItemKey { case: case.clone(), subject: subject.clone(), line: line.clone(), serial: None }
}

impl<'a> Facts<'a> {
    /// Begins with a state.
    ///
    /// # Errors
    /// When it cannot be read; so for every method here.
    pub fn new(reads: &'a dyn Reads) -> Result<Self, StoreError> {
        let linked = any(reads, Family::Facts, Key::of(b'K').range())?;
        let (whole, lines, listed, on_line) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Ok(Self { reads, linked, whole, lines, listed, on_line })
    }

    /// Returns an item with all that was stated of it; `None` where nothing describes it.
    ///
    /// # Errors
    /// As [`Facts::new`].
    pub fn item(&mut self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        let gathered = match &key.serial {
            Some(serial) => self.with_serial(key, serial)?,
            None => self.without(key)?,
        };
        Ok(gathered.map(|(description, mentions)| fold(description, mentions)))
    }

    fn with_serial(&mut self, key: &ItemKey, serial: &str) -> Result<Option<(Description, Vec<Mention>)>, StoreError> {
        let facts = self.serial(&key.case, serial)?;
        let Some(description) = facts.items.get(key).cloned() else { return Ok(None) };
        let mut single: Vec<Placed> = Vec::new();
        let elsewhere = self.alias(&key.case, serial)?;
        if let Some(target) = &elsewhere {
            if target == key {
                single.extend(facts.mentions.iter().cloned());
            }
        } else {
            for found in &facts.mentions {
                if let [only] = fitting(&found.2, &facts.items).as_slice()
                    && *only == key
                {
                    single.push(found.clone());
                }
            }
        }
        self.aliased(key, serial, &mut single)?;
        let mentions = self.counted(key, single)?;
        Ok(Some((description, mentions)))
    }

    /// Adds what mentions other serials that a link leads to the item.
    fn aliased(&mut self, key: &ItemKey, own: &str, single: &mut Vec<Placed>) -> Result<(), StoreError> {
        if !self.linked {
            return Ok(());
        }
        let (from, end) = Key::of(b'a').item(key).range();
        let start = from.len();
        let mut names: Vec<(CaseId, String)> = Vec::new();
        self.reads.scan(Family::Index, &from, &end, &mut |found, _| {
            let mut parts = Parts::of(&found[start - 1..]);
            let name = parts.parse().zip(parts.text());
            names.push(name.ok_or_else(|| malformed(found, "not an alias"))?);
            Ok(true)
        })?;
        for (case, serial) in names {
            if case != key.case || serial != own {
                single.extend(self.serial(&case, &serial)?.mentions);
            }
        }
        Ok(())
    }

    /// Adds what is said of the item's line and stream, in the order in which it was recorded.
    fn counted(&mut self, key: &ItemKey, mut single: Vec<Placed>) -> Result<Vec<Mention>, StoreError> {
        single.sort_by_key(|(seq, n, _)| (*seq, *n));
        let line = line_of(key);
        let (whole, of_line) = (self.whole(&line)?, self.of_line(&line)?);
        let mut counted: Vec<(&Placed, bool)> = whole.iter().map(|found| (found, true)).collect();
        counted.extend(of_line.iter().map(|found| (found, false)));
        counted.sort_by_key(|((seq, n, _), _)| (*seq, *n));
        let mut mentions: Vec<Mention> = single.into_iter().map(|(_, _, mention)| mention).collect();
        for ((seq, _, mention), whole) in counted {
            if whole || key.serial.is_none() {
                mentions.push(mention.clone());
                continue;
            }
            if mentions.iter().any(|m| m.seq == *seq) {
                continue;
            }
            let each = match &mention.amount {
                _ if mention.concealed => false,
                Amount::All => true,
                // a receipt that counts all items of a line that it did not list has received each of them
                Amount::Some(quantity, _) if matches!(mention.act, Act::Received { .. }) => {
                    let unlisted = self.on_line(&line)?.saturating_sub(self.listed(&line, *seq)?);
                    u64::try_from(unlisted).ok().and_then(Quantity::whole).is_some_and(|n| *quantity >= n)
                }
                _ => false,
            };
            if each {
                mentions.push(Mention { amount: Amount::One, ..mention.clone() });
            }
        }
        Ok(mentions)
    }

    /// Puts together what of a line has no serial.
    fn without(&mut self, key: &ItemKey) -> Result<Option<(Description, Vec<Mention>)>, StoreError> {
        let line = line_of(key);
        let Some(description) = self.bulk(&line)? else { return Ok(None) };
        let mut single: Vec<Placed> = Vec::new();
        for (seq, n, serial) in self.pointers(&line, None)? {
            if self.alias(&line.0, &serial)?.is_some() {
                continue;
            }
            let facts = self.serial(&line.0, &serial)?;
            if facts.items.keys().any(|item| line_of(item) == line) {
                continue;
            }
            single.extend(facts.mentions.into_iter().filter(|found| (found.0, found.1) == (seq, n)));
        }
        self.aliased(key, "", &mut single)?;
        let mut stock: Vec<Placed> = Vec::new();
        for number in description.numbers() {
            if self.bearing(&line.0, number)?.len() == 1 {
                let range = Key::of(b'N').text(line.0.as_str()).text(number).range();
                stock.extend(self.mentions(range)?);
            }
        }
        let mut mentions = self.counted(key, single)?;
        if !stock.is_empty() {
            // they stand among what is counted, by entry; those by serial come first
            let mut placed: Vec<((bool, Seq), Mention)> = mentions
                .into_iter()
                .map(|m| ((!matches!(m.target, crate::facts::Target::Serial(..)), m.seq), m))
                .chain(stock.into_iter().map(|(seq, _, m)| ((true, seq), m)))
                .collect();
            placed.sort_by_key(|(at, _)| *at);
            mentions = placed.into_iter().map(|(_, mention)| mention).collect();
        }
        Ok(Some((description, mentions)))
    }

    /// Returns what is said of a serial in a case.
    ///
    /// # Errors
    /// As [`Facts::new`].
    pub fn serial(&self, case: &CaseId, serial: &str) -> Result<SerialFacts, StoreError> {
        let (from, end) = Key::of(b'S').text(serial).text(case.as_str()).range();
        let sort = from.len();
        let mut facts = SerialFacts::default();
        self.reads.scan(Family::Facts, &from, &end, &mut |key, value| {
            if key.get(sort) == Some(&b'd') {
                let description: Description = decode(key, value)?;
                facts.items.entry(description.key.clone()).or_insert(description);
            } else {
                let (seq, n) = placed(key)?;
                facts.mentions.push((seq, n, decode(key, value)?));
            }
            Ok(true)
        })?;
        Ok(facts)
    }

    /// Returns the item that a serial leads to by a link.
    ///
    /// # Errors
    /// As [`Facts::new`].
    pub fn alias(&self, case: &CaseId, serial: &str) -> Result<Option<ItemKey>, StoreError> {
        if !self.linked {
            return Ok(None);
        }
        record(self.reads, Family::Records, &alias_key(case, serial))
    }

    /// Returns what of a line has no serial: the first description, with what later parts add to it.
    ///
    /// # Errors
    /// As [`Facts::new`].
    pub fn bulk(&self, (case, subject, line): &LineOf) -> Result<Option<Description>, StoreError> {
        let (from, end) = line_key(case, subject, b'd').text(line).range();
        let mut found: Option<Description> = None;
        self.reads.scan(Family::Facts, &from, &end, &mut |key, value| {
            let more: Description = decode(key, value)?;
            match &mut found {
                None => found = Some(more),
                Some(first) => {
                    first.quantity = match (first.quantity, more.quantity) {
                        (Some(a), Some(b)) if first.unit == more.unit => a.checked_add(b).or(Some(a)),
                        (before, more) => before.or(more),
                    };
                }
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// Returns what without serials bears a stock or part number in a case.
    ///
    /// # Errors
    /// As [`Facts::new`].
    pub fn bearing(&self, case: &CaseId, number: &str) -> Result<BTreeSet<ItemKey>, StoreError> {
        let (from, end) = Key::of(b'b').text(case.as_str()).text(number).range();
        let start = from.len();
        let mut found = BTreeSet::new();
        self.reads.scan(Family::Index, &from, &end, &mut |key, _| {
            let item = Parts::of(&key[start - 1..]).item();
            found.insert(item.ok_or_else(|| malformed(key, "not an item"))?);
            Ok(true)
        })?;
        // a later part may have given another number than the first, which counts
        let mut bearing = BTreeSet::new();
        for item in found {
            let first = self.bulk(&line_of(&item))?;
            if first.is_some_and(|first| first.numbers().contains(&number)) {
                bearing.insert(item);
            }
        }
        Ok(bearing)
    }

    /// Returns the items with serials that are described on a line, or on any line of a stream.
    ///
    /// # Errors
    /// As [`Facts::new`].
    pub fn serials_on(&self, case: &CaseId, subject: &Subject, line: Option<&str>) -> Result<Vec<ItemKey>, StoreError> {
        let key = line_key(case, subject, b'q');
        let start = key.clone().done().len();
        let (from, end) = match line {
            Some(line) => key.text(line).range(),
            None => key.range(),
        };
        let mut found: Vec<ItemKey> = Vec::new();
        self.reads.scan(Family::Facts, &from, &end, &mut |key, _| {
            let mut parts = Parts::of(&key[start - 1..]);
            let (line, serial) =
                parts.text().zip(parts.text()).ok_or_else(|| malformed(key, "not an item of a line"))?;
            let item = ItemKey { case: case.clone(), subject: subject.clone(), line, serial: Some(serial) };
            if found.last() != Some(&item) {
                found.push(item);
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// Returns the lines of a stream that have something without serials.
    ///
    /// # Errors
    /// As [`Facts::new`].
    pub fn bulks_of(&self, case: &CaseId, subject: &Subject) -> Result<Vec<ItemKey>, StoreError> {
        let key = line_key(case, subject, b'd');
        let start = key.clone().done().len();
        let (from, end) = key.range();
        let mut found: Vec<ItemKey> = Vec::new();
        self.reads.scan(Family::Facts, &from, &end, &mut |key, _| {
            let line = Parts::of(&key[start - 1..]).text().ok_or_else(|| malformed(key, "not a line"))?;
            let item = bulk_of(&(case.clone(), subject.clone(), line));
            if found.last() != Some(&item) {
                found.push(item);
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// Tells whether a receipt counts items of the line.
    ///
    /// # Errors
    /// As [`Facts::new`].
    pub fn is_counted(&mut self, line: &LineOf) -> Result<bool, StoreError> {
        Ok(self.of_line(line)?.iter().any(|(_, _, mention)| matches!(mention.act, Act::Received { .. })))
    }

    fn whole(&mut self, (case, subject, _): &LineOf) -> Result<Rc<Vec<Placed>>, StoreError> {
        let key = (case.clone(), subject.clone());
        if let Some(found) = self.whole.get(&key) {
            return Ok(Rc::clone(found));
        }
        let found = Rc::new(self.mentions(line_key(case, subject, b's').range())?);
        self.whole.insert(key, Rc::clone(&found));
        Ok(found)
    }

    fn of_line(&mut self, line: &LineOf) -> Result<Rc<Vec<Placed>>, StoreError> {
        if let Some(found) = self.lines.get(line) {
            return Ok(Rc::clone(found));
        }
        let range = line_key(&line.0, &line.1, b'l').text(&line.2).range();
        let found = Rc::new(self.mentions(range)?);
        self.lines.insert(line.clone(), Rc::clone(&found));
        Ok(found)
    }

    fn mentions(&self, (from, end): (Vec<u8>, Vec<u8>)) -> Result<Vec<Placed>, StoreError> {
        let mut found = Vec::new();
        self.reads.scan(Family::Facts, &from, &end, &mut |key, value| {
            let (seq, n) = placed(key)?;
            found.push((seq, n, decode(key, value)?));
            Ok(true)
        })?;
        Ok(found)
    }

    /// Returns mentions of serials that name the line: of one entry, or of all.
    fn pointers(&self, (case, subject, line): &LineOf, of: Option<Seq>) -> Result<Vec<(Seq, u32, String)>, StoreError> {
        let key = line_key(case, subject, b'p').text(line);
        let start = key.clone().done().len();
        let (from, end) = match of {
            Some(seq) => key.seq(seq).range(),
            None => key.range(),
        };
        let mut found = Vec::new();
        self.reads.scan(Family::Facts, &from, &end, &mut |key, _| {
            let mut parts = Parts::of(&key[start - 1..]);
            let pointer = parts.seq().zip(parts.nth()).zip(parts.text());
            let ((seq, n), serial) = pointer.ok_or_else(|| malformed(key, "not a mention of a line"))?;
            found.push((seq, n, serial));
            Ok(true)
        })?;
        Ok(found)
    }

    /// Returns how many items with serials are described on a line.
    fn on_line(&mut self, line: &LineOf) -> Result<usize, StoreError> {
        if let Some(count) = self.on_line.get(line) {
            return Ok(*count);
        }
        let count = self.serials_on(&line.0, &line.1, Some(&line.2))?.len();
        self.on_line.insert(line.clone(), count);
        Ok(count)
    }

    /// Returns how many items of a line a receipt lists by serial.
    fn listed(&mut self, line: &LineOf, seq: Seq) -> Result<usize, StoreError> {
        if let Some(count) = self.listed.get(&(line.clone(), seq)) {
            return Ok(*count);
        }
        let mut items: BTreeSet<ItemKey> = BTreeSet::new();
        for (_, _, serial) in self.pointers(line, Some(seq))? {
            let item = match self.alias(&line.0, &serial)? {
                Some(item) => item,
                None => ItemKey { serial: Some(serial), ..bulk_of(line) },
            };
            if line_of(&item) == *line
                && let Some(serial) = &item.serial
                && self.serial(&line.0, serial)?.items.contains_key(&item)
            {
                items.insert(item);
            }
        }
        self.listed.insert((line.clone(), seq), items.len());
        Ok(items.len())
    }
}

/// Returns the key of the item that a serial leads to by a link.
pub(super) fn alias_key(case: &CaseId, serial: &str) -> Vec<u8> {
    Key::of(b'A').text(case.as_str()).text(serial).done()
}

/// Returns the items that a mention of their serial may mean.
pub(super) fn fitting<'k>(mention: &Mention, items: &'k BTreeMap<ItemKey, Description>) -> Vec<&'k ItemKey> {
    let on = |key: &ItemKey| mention.described_in.as_ref().is_none_or(|line| line_of(key) == *line);
    let mut fits: Vec<(&ItemKey, &Description)> = items.iter().filter(|(key, _)| on(key)).collect();
    if fits.len() > 1
        && let Some(number) = &mention.stock_number
    {
        let same = |(_, d): &(&ItemKey, &Description)| d.stock_number.as_ref() == Some(number);
        if fits.iter().any(same) {
            fits.retain(same);
        }
    }
    fits.into_iter().map(|(key, _)| key).collect()
}
