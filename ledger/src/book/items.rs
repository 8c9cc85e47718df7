//! Which items statements mean, and what each item's life comes to (DOMAIN §1.7, §3).

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::event::scalars::Quantity;
use crate::facts::{Act, Amount, Description, Extract, Item, ItemKey, Link, Mention, Statement, Target, extract, fold};
use crate::id::{CaseId, Seq, Subject};
use crate::rule::CORRECTION;

use super::corrections::{Corrections, Standing};

/// The place of an item in its table.
pub type ItemPlace = usize;

/// A statement of an item that no description, or more than one, fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// What was stated.
    pub mention: Mention,
    /// The items that it may mean: none, or several.
    pub candidates: Vec<ItemPlace>,
}

/// Every item of a book.
#[derive(Debug, Default)]
pub struct ItemTable {
    items: Vec<Item>,
    places: HashMap<ItemKey, ItemPlace>,
    by_serial: HashMap<(CaseId, String), Vec<ItemPlace>>,
    by_line: HashMap<(CaseId, Subject, String), Vec<ItemPlace>>,
    by_stream: BTreeMap<(CaseId, Subject), Vec<ItemPlace>>,
    by_stock: HashMap<(CaseId, String), Vec<ItemPlace>>,
    unmatched: Vec<Unmatched>,
    stock: Vec<Mention>,
    concealed: Vec<(Seq, String)>,
    /// Second descriptions of items: where the one that stands for both is.
    same: HashMap<ItemPlace, ItemPlace>,
    /// Items that were said to be one with another, shown or not.
    identified: HashSet<ItemPlace>,
}

impl ItemTable {
    pub(super) fn of(statements: &[Statement], corrections: &Corrections) -> Self {
        let mut descriptions: Vec<Description> = Vec::new();
        let mut mentions: Vec<Mention> = Vec::new();
        let mut links: Vec<Link> = Vec::new();
        let mut table = Self::default();
        for statement in statements {
            let annulled = matches!(corrections.standing(statement.seq), Standing::Annulled { .. });
            if annulled || statement.kind.as_str() == CORRECTION {
                continue;
            }
            let Extract { descriptions: d, mentions: m, links: l, concealed } = extract(statement);
            descriptions.extend(d);
            mentions.extend(m);
            links.extend(l);
            table.concealed.extend(concealed.into_iter().map(|pointer| (statement.seq, pointer)));
        }
        table.place(&mut descriptions);
        table.assign(descriptions, mentions, links);
        table
    }

    /// Gives each description its place. A part of a dispatch may add to a line that an earlier part began.
    fn place(&mut self, descriptions: &mut Vec<Description>) {
        let mut kept: Vec<Description> = Vec::with_capacity(descriptions.len());
        for description in descriptions.drain(..) {
            let key = description.key.clone();
            if let Some(place) = self.places.get(&key) {
                if key.serial.is_none() {
                    let (before, more) = (kept[*place].quantity, description.quantity);
                    kept[*place].quantity = match (before, more) {
                        (Some(a), Some(b)) if kept[*place].unit == description.unit => a.checked_add(b).or(before),
                        (before, more) => before.or(more),
                    };
                }
                continue;
            }
            let place = kept.len();
            if let Some(serial) = &key.serial {
                self.by_serial.entry((key.case.clone(), serial.clone())).or_default().push(place);
            }
            let line = (key.case.clone(), key.subject.clone(), key.line.clone());
            self.by_line.entry(line).or_default().push(place);
            self.by_stream.entry((key.case.clone(), key.subject.clone())).or_default().push(place);
            if key.serial.is_none() {
                for number in description.numbers() {
                    self.by_stock.entry((key.case.clone(), number.to_owned())).or_default().push(place);
                }
            }
            self.places.insert(key, place);
            kept.push(description);
        }
        *descriptions = kept;
    }

    fn assign(&mut self, descriptions: Vec<Description>, mentions: Vec<Mention>, links: Vec<Link>) {
        let aliases = self.aliases(&descriptions, links);
        let mut assigned: Vec<Vec<Mention>> = vec![Vec::new(); descriptions.len()];
        // what a receipt lists by serial comes before what it counts by line
        let (single, counted): (Vec<Mention>, Vec<Mention>) =
            mentions.into_iter().partition(|mention| matches!(mention.target, Target::Serial(..)));
        for mention in single {
            match self.find_serial(&mention, &descriptions, &aliases) {
                Ok(place) => assigned[place].push(mention),
                Err(candidates) => self.unmatched.push(Unmatched { mention, candidates }),
            }
        }
        for mention in counted {
            self.assign_counted(mention, &descriptions, &mut assigned);
        }
        self.items = descriptions.into_iter().zip(assigned).map(|(of, mentions)| fold(of, mentions)).collect();
    }

    /// Resolves links: where a second description or a new serial leads.
    fn aliases(&mut self, descriptions: &[Description], links: Vec<Link>) -> HashMap<(CaseId, String), ItemPlace> {
        let mut aliases = HashMap::new();
        for link in links {
            let first = self.find_target(&link.first, descriptions, &aliases);
            let second = if link.remarked { None } else { self.find_target(&link.second, descriptions, &aliases) };
            if let (Some(first), Target::Serial(case, serial)) = (first, &link.second.0)
                && (link.remarked || second.is_some())
            {
                aliases.insert((case.clone(), serial.clone()), first);
            }
            if let (Some(first), Some(second), false) = (first, second, link.remarked) {
                let (first, second) = (self.standing_for(first), self.standing_for(second));
                if first != second {
                    self.same.insert(second, first);
                }
            }
            if !link.remarked {
                self.identified.extend([first, second].into_iter().flatten());
            }
        }
        aliases
    }

    /// Returns the description that stands for this one.
    fn standing_for(&self, place: ItemPlace) -> ItemPlace {
        let mut at = place;
        // no link closes a circle; the bound keeps that from mattering
        for _ in 0..=self.same.len() {
            match self.same.get(&at) {
                Some(first) => at = *first,
                None => break,
            }
        }
        at
    }

    fn find_target(
        &self,
        (target, place): &(Target, Option<(CaseId, Subject, String)>),
        descriptions: &[Description],
        aliases: &HashMap<(CaseId, String), ItemPlace>,
    ) -> Option<ItemPlace> {
        match target {
            Target::Serial(case, serial) => {
                let found = self.by_serial.get(&(case.clone(), serial.clone())).map_or(&[][..], Vec::as_slice);
                let fits = |at: &&ItemPlace| place.as_ref().is_none_or(|line| on_line(&descriptions[**at], line));
                let mut found = found.iter().filter(fits);
                match (found.next(), found.next()) {
                    (Some(place), None) => Some(*place),
                    (None, _) => aliases.get(&(case.clone(), serial.clone())).copied(),
                    _ => None,
                }
            }
            Target::Line(case, subject, line) => {
                self.bulk(&(case.clone(), subject.clone(), line.clone()), descriptions)
            }
            _ => None,
        }
    }

    /// Returns what of a line has no serials.
    fn bulk(&self, line: &(CaseId, Subject, String), descriptions: &[Description]) -> Option<ItemPlace> {
        let places = self.by_line.get(line)?;
        places.iter().copied().find(|place| descriptions[*place].key.serial.is_none())
    }

    /// Finds the item of a serial; else those that it may be.
    fn find_serial(
        &self,
        mention: &Mention,
        descriptions: &[Description],
        aliases: &HashMap<(CaseId, String), ItemPlace>,
    ) -> Result<ItemPlace, Vec<ItemPlace>> {
        let Target::Serial(case, serial) = &mention.target else { return Err(Vec::new()) };
        let key = (case.clone(), serial.clone());
        if let Some(place) = aliases.get(&key) {
            return Ok(*place);
        }
        let all = || self.by_serial.get(&key).cloned().unwrap_or_default();
        // its line and serial are where it was described: looked up, since a serial may stand on any number of lines
        let on = |(case, subject, line): &(CaseId, Subject, String)| {
            let (case, subject, line) = (case.clone(), subject.clone(), line.clone());
            let key = ItemKey { case, subject, line, serial: Some(serial.clone()) };
            self.places.get(&key).copied().into_iter().collect::<Vec<_>>()
        };
        let mut fits = mention.described_in.as_ref().map_or_else(all, on);
        if fits.len() > 1
            && let Some(number) = &mention.stock_number
        {
            let same = |p: &ItemPlace| descriptions[*p].stock_number.as_ref() == Some(number);
            if fits.iter().any(same) {
                fits.retain(same);
            }
        }
        if let [one] = fits.as_slice() {
            return Ok(*one);
        }
        if fits.is_empty()
            && let Some(place) = mention.described_in.as_ref().and_then(|line| self.bulk(line, descriptions))
        {
            // a serial of a line that was described without serials
            return Ok(place);
        }
        Err(fits)
    }

    fn assign_counted(&mut self, mention: Mention, descriptions: &[Description], assigned: &mut [Vec<Mention>]) {
        match &mention.target {
            Target::Stream(case, subject) => {
                for place in self.by_stream.get(&(case.clone(), subject.clone())).into_iter().flatten() {
                    assigned[*place].push(mention.clone());
                }
            }
            Target::Line(case, subject, line) => {
                let line = (case.clone(), subject.clone(), line.clone());
                let places = self.by_line.get(&line).cloned().unwrap_or_default();
                if places.is_empty() {
                    return self.unmatched.push(Unmatched { mention, candidates: Vec::new() });
                }
                let with_serials = places.iter().copied().filter(|p| descriptions[*p].key.serial.is_some());
                // a receipt that counts all items of a line that it did not list has received each of them
                let unlisted: Vec<ItemPlace> =
                    with_serials.filter(|p| !assigned[*p].iter().any(|m| m.seq == mention.seq)).collect();
                let each = match &mention.amount {
                    _ if mention.concealed => false,
                    Amount::All => true,
                    Amount::Some(quantity, _) if matches!(mention.act, Act::Received { .. }) => {
                        u64::try_from(unlisted.len()).ok().and_then(Quantity::whole).is_some_and(|n| *quantity >= n)
                    }
                    _ => false,
                };
                if each {
                    for place in unlisted {
                        assigned[place].push(Mention { amount: Amount::One, ..mention.clone() });
                    }
                }
                if let Some(place) = self.bulk(&line, descriptions) {
                    assigned[place].push(mention);
                } else if counts_some(&mention) {
                    // a count of what has serials says of none of them that it is meant
                    self.unmatched.push(Unmatched { mention, candidates: places });
                }
            }
            Target::Stock(case, number) => {
                let found = self.by_stock.get(&(case.clone(), number.clone())).map_or(&[][..], Vec::as_slice);
                match found {
                    [place] => assigned[*place].push(mention),
                    _ => self.stock.push(mention),
                }
            }
            Target::Serial(..) => {}
        }
    }

    /// Returns every item, in the order in which they were described.
    #[must_use]
    pub fn all(&self) -> &[Item] {
        &self.items
    }

    /// Returns every item once: of two descriptions of one item (`items.identified`) the one that stands for both.
    pub fn distinct(&self) -> impl Iterator<Item = &Item> {
        let all = self.items.iter().enumerate();
        all.filter(|(place, _)| self.same.is_empty() || !self.same.contains_key(place)).map(|(_, item)| item)
    }

    /// Returns the items of a case, each once.
    ///
    /// # Panics
    /// Never.
    pub fn of_case<'a>(&'a self, case: &'a CaseId) -> impl Iterator<Item = &'a Item> {
        let first = (case.clone(), Subject::new("a", "0").expect("`a/0` is a subject"));
        let of_case = self.by_stream.range(first..).take_while(move |((of, _), _)| of == case);
        let places = of_case.flat_map(|(_, places)| places).filter(|place| !self.same.contains_key(place));
        places.map(|place| &self.items[*place])
    }

    /// Returns an item by its key.
    #[must_use]
    pub fn find(&self, key: &ItemKey) -> Option<&Item> {
        self.places.get(key).map(|place| &self.items[*place])
    }

    /// Returns the items of a serial (in any case of letters) in a case.
    pub fn of_serial<'a>(&'a self, case: &CaseId, serial: &str) -> impl Iterator<Item = &'a Item> {
        let key = (case.clone(), crate::event::common::normalise_serial(serial));
        self.by_serial.get(&key).into_iter().flatten().map(|place| &self.items[*place])
    }

    /// Returns the items of a line: those with serials, and what has none.
    pub fn of_line<'a>(&'a self, case: &CaseId, subject: &Subject, line: &str) -> impl Iterator<Item = &'a Item> {
        let key = (case.clone(), subject.clone(), line.to_owned());
        self.by_line.get(&key).into_iter().flatten().map(|place| &self.items[*place])
    }

    /// Returns the items that a consignment or holding describes.
    pub fn of_stream<'a>(&'a self, case: &CaseId, subject: &Subject) -> impl Iterator<Item = &'a Item> {
        let key = (case.clone(), subject.clone());
        self.by_stream.get(&key).into_iter().flatten().map(|place| &self.items[*place])
    }

    /// Returns statements that no description, or more than one, fits.
    #[must_use]
    pub fn unmatched(&self) -> &[Unmatched] {
        &self.unmatched
    }

    /// Returns statements of a stock, part or lot number that no one line without serials answers to.
    #[must_use]
    pub fn by_stock_number(&self) -> &[Mention] {
        &self.stock
    }

    /// Returns what statements conceal of items: entry and pointer.
    #[must_use]
    pub fn concealed(&self) -> &[(Seq, String)] {
        &self.concealed
    }

    /// Tells whether an item was said to be one with another (`items.identified`), shown or not.
    #[must_use]
    pub fn is_identified(&self, key: &ItemKey) -> bool {
        self.places.get(key).is_some_and(|place| self.identified.contains(place))
    }

    /// Tells whether two items were said to be one (`items.identified`).
    #[must_use]
    pub fn identified(&self, a: &ItemKey, b: &ItemKey) -> bool {
        let at = |key| self.places.get(key).map(|place| self.standing_for(*place));
        matches!((at(a), at(b)), (Some(a), Some(b)) if a == b)
    }
}

/// Tells whether a statement counts something, and so must mean something. What a receipt counts is compared with what
/// was sent.
fn counts_some(mention: &Mention) -> bool {
    let some = matches!(&mention.amount, Amount::Some(quantity, _) if *quantity > Quantity::ZERO);
    some && !matches!(mention.act, Act::Received { .. })
}

fn on_line(description: &Description, (case, subject, line): &(CaseId, Subject, String)) -> bool {
    let key = &description.key;
    key.case == *case && key.subject == *subject && key.line == *line
}
