//! Questions to one state of the views. Each answer is bounded, and says where the next one begins.

use super::Position;
use super::due::{self, Obligation};
use super::items::{Facts, decode, fitting, malformed, record};
use super::key::{Key, Parts};
use super::kv::{Family, Reads};
use super::reading::Header;
use super::stream::{CaseRecord, Stream};
use crate::event::common::normalise_serial;
use crate::facts::{Item, ItemKey, Mention, State};
use crate::hash::EventHash;
use crate::id::{Author, CaseId, Seq, StreamId, Subject, TreeSize};
use crate::store::StoreError;
use crate::time::Date;

/// The most records that are looked at for one page: one that few of them fit may hold less than was asked for, or
/// nothing, and still not be the last.
pub const MAX_LOOKED_AT: usize = 20_000;

/// Some of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What was found, in order.
    pub found: Vec<T>,
    /// After which key the next page begins; `None` at the end.
    pub next: Option<Vec<u8>>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { found: Vec::new(), next: None }
    }
}

/// Which items are asked for: those that fit all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// The serial, compared as DOMAIN §1.7 says.
    pub serial: Option<String>,
    /// The national or local stock number.
    pub stock_number: Option<String>,
    /// Who has it.
    pub holder: Option<Author>,
    /// Where it is in its life.
    pub state: Option<State>,
    /// The code of its site.
    pub site: Option<String>,
    /// Its case.
    pub case: Option<CaseId>,
}

impl ItemFilter {
    fn fits(&self, item: &Item) -> bool {
        let Item { description, state, holder, site, .. } = item;
        let serial = self.serial.as_deref().map(normalise_serial);
        serial.is_none_or(|serial| description.key.serial.as_ref() == Some(&serial))
            && self.stock_number.is_none_or_eq(description.stock_number.as_ref())
            && self.holder.is_none_or_eq(holder.as_ref())
            && self.state.is_none_or(|wanted| wanted == *state)
            && self.site.is_none_or_eq(site.as_ref())
            && self.case.as_ref().is_none_or(|case| *case == description.key.case)
    }
}

trait Wanted<T> {
    fn is_none_or_eq(&self, found: Option<&T>) -> bool;
}

impl<T: PartialEq> Wanted<T> for Option<T> {
    fn is_none_or_eq(&self, found: Option<&T>) -> bool {
        self.as_ref().is_none_or(|wanted| found == Some(wanted))
    }
}

/// One state of the views.
pub struct View<'a> {
    reads: Box<dyn Reads + 'a>,
    size: TreeSize,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<'a> View<'a> {
    /// Takes a state.
    pub(super) fn of(reads: Box<dyn Reads + 'a>) -> Result<Self, StoreError> {
        let position: Option<Position> = record(&*reads, Family::Meta, super::POSITION)?;
        Ok(Self { reads, size: position.map_or(TreeSize(0), |position| position.size) })
    }

    /// Returns how many entries are applied.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Returns what an entry is, in short.
    ///
    /// # Errors
    /// When the tables cannot be read; so for every method here.
    pub fn entry(&self, seq: Seq) -> Result<Option<Header>, StoreError> {
        record(&*self.reads, Family::Records, &Key::of(b'E').seq(seq).done())
    }

    /// Returns an item with all that was stated of it.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn item(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        Facts::new(&*self.reads)?.item(key)
    }

    /// Returns an item without what was stated of it.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn item_record(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        record(&*self.reads, Family::Records, &Key::of(b'I').item(key).done())
    }

    /// Returns items, in the order of their keys. Those of a serial come whole, on one page.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn items(&self, filter: &ItemFilter, after: Option<&[u8]>, limit: usize) -> Result<Page<Item>, StoreError> {
        if let Some(serial) = &filter.serial {
            return self.items_of_serial(filter, &normalise_serial(serial));
        }
        let index = |letter: u8, text: &str| (Family::Index, Key::of(letter).text(text));
        let (family, key) = match filter {
            ItemFilter { stock_number: Some(number), .. } => index(b's', number),
            ItemFilter { site: Some(site), .. } => index(b'u', site),
            ItemFilter { state: Some(state), .. } if !is_usual(*state) => index(b't', state.as_str()),
            ItemFilter { holder: Some(holder), .. } => index(b'h', holder.as_str()),
            ItemFilter { state: Some(state), .. } => index(b't', state.as_str()),
            _ => (Family::Records, Key::of(b'I')),
        };
        let start = key.clone().done().len();
        // an item's key begins with its case, so those of a case are together under every index
        let range = match &filter.case {
            Some(case) => key.text(case.as_str()).range(),
            None => key.range(),
        };
        self.page(family, range, after, limit, |key, value| {
            let item = if family == Family::Records {
                Some(decode::<Item>(key, value)?)
            } else {
                let item = Parts::of(&key[start - 1..]).item().ok_or_else(|| malformed(key, "not an item"))?;
                self.item_record(&item)?
            };
            Ok(item.filter(|item| filter.fits(item)))
        })
    }

    fn items_of_serial(&self, filter: &ItemFilter, serial: &str) -> Result<Page<Item>, StoreError> {
        let mut keys: Vec<ItemKey> = Vec::new();
        let (mut from, end) = Key::of(b'S').text(serial).range();
        let start = from.len();
        // past the mentions of each case: there may be many
        loop {
            let mut next = None;
            self.reads.scan(Family::Facts, &from, &end, &mut |key, _| {
                let mut parts = Parts::of(&key[start - 1..]);
                let wrong = || malformed(key, "not a fact of a serial");
                let case: CaseId = parts.parse().ok_or_else(wrong)?;
                if parts.byte() != Some(b'd') {
                    next = Some(Key::of(b'S').text(serial).text(case.as_str()).byte(b'n').done());
                    return Ok(false);
                }
                let (subject, line) = parts.parse::<Subject>().zip(parts.text()).ok_or_else(wrong)?;
                let item = ItemKey { case, subject, line, serial: Some(serial.to_owned()) };
                if keys.last() != Some(&item) {
                    keys.push(item);
                }
                Ok(keys.len() < MAX_LOOKED_AT)
            })?;
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        // serials that lead to an item by a link
        for case in self.cases_of_alias(serial)? {
            let target = Facts::new(&*self.reads)?.alias(&case, serial)?;
            keys.extend(target.filter(|target| !keys.contains(target)));
        }
        let mut found = Vec::new();
        let unserial = ItemFilter { serial: None, ..filter.clone() };
        for key in keys {
            found.extend(self.item_record(&key)?.filter(|item| unserial.fits(item)));
        }
        Ok(Page { found, next: None })
    }

    fn cases_of_alias(&self, serial: &str) -> Result<Vec<CaseId>, StoreError> {
        let (from, end) = Key::of(b'm').text(serial).range();
        let start = from.len();
        let mut cases: Vec<CaseId> = Vec::new();
        self.reads.scan(Family::Index, &from, &end, &mut |key, _| {
            let case = Parts::of(&key[start - 1..]).parse().ok_or_else(|| malformed(key, "not a case"))?;
            if cases.last() != Some(&case) {
                cases.push(case);
            }
            Ok(true)
        })?;
        Ok(cases)
    }

    /// Returns what was stated of a serial and fits no item, or more than one.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn unmatched(&self, serial: &str, limit: usize) -> Result<Vec<Mention>, StoreError> {
        let serial = normalise_serial(serial);
        let (from, end) = Key::of(b'S').text(&serial).range();
        let start = from.len();
        let mut mentions: Vec<Mention> = Vec::new();
        self.reads.scan(Family::Facts, &from, &end, &mut |key, value| {
            let mut parts = Parts::of(&key[start - 1..]);
            if parts.text().is_some() && parts.byte() == Some(b'm') {
                mentions.push(decode(key, value)?);
            }
            Ok(mentions.len() < MAX_LOOKED_AT)
        })?;
        let facts = Facts::new(&*self.reads)?;
        let mut found = Vec::new();
        let mut last: Option<(CaseId, super::items::SerialFacts)> = None;
        for mention in mentions {
            let case = mention.target.case().clone();
            if last.as_ref().is_none_or(|(of, _)| *of != case) {
                last = Some((case.clone(), facts.serial(&case, &serial)?));
            }
            let Some((_, of)) = &last else { continue };
            let fits = fitting(&mention, &of.items);
            let bulk = match &mention.described_in {
                Some(line) if fits.is_empty() => facts.bulk(line)?.is_some(),
                _ => false,
            };
            if fits.len() != 1 && !bulk && facts.alias(&case, &serial)?.is_none() {
                found.push(mention);
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// Returns what the streams of a type come to: by case and subject, or by state first where one is given.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn streams(
        &self,
        ty: &str,
        case: Option<&CaseId>,
        state: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Stream>, StoreError> {
        let (family, key) = match state {
            Some(state) => (Family::Index, Key::of(b'w').text(ty).text(state)),
            None => (Family::Records, Key::of(b'W').text(ty)),
        };
        let start = key.clone().done().len();
        let range = match case {
            Some(case) => key.text(case.as_str()).range(),
            None => key.range(),
        };
        self.page(family, range, after, limit, |key, value| {
            if family == Family::Records {
                return decode(key, value).map(Some);
            }
            let mut parts = Parts::of(&key[start - 1..]);
            let id = parts.case().zip(parts.parse::<Subject>()).ok_or_else(|| malformed(key, "not a stream"))?;
            self.stream(&StreamId { case: id.0, subject: id.1 })
        })
    }

    /// Returns what a stream comes to.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn stream(&self, id: &StreamId) -> Result<Option<Stream>, StoreError> {
        record(&*self.reads, Family::Records, &super::derive::stream_key(id))
    }

    /// Returns what is due, by date: before one, of one case, where they are given.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn obligations(
        &self,
        before: Option<Date>,
        case: Option<&CaseId>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Obligation>, StoreError> {
        let (from, mut end) = Key::of(b'O').range();
        if let Some(before) = before {
            end = Key::of(b'O').text(&before.to_string()).done();
        }
        self.page(Family::Records, (from, end), after, limit, |key, value| {
            let found: Obligation = decode(key, value)?;
            Ok(Some(found).filter(|found| case.is_none() || found.case.as_ref() == case))
        })
    }

    /// Returns the entries that refer to an outside number, with its scheme.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn references(
        &self,
        value: &str,
        scheme: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<(String, Seq)>, StoreError> {
        let key = Key::of(b'r').text(value);
        let start = key.clone().done().len();
        let range = match scheme {
            Some(scheme) => key.text(scheme).range(),
            None => key.range(),
        };
        self.page(Family::Index, range, after, limit, |key, _| {
            let mut parts = Parts::of(&key[start - 1..]);
            let found = parts.text().zip(parts.seq());
            found.map(Some).ok_or_else(|| malformed(key, "not a reference"))
        })
    }

    /// Returns a case as its own events have it.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn case(&self, case: &CaseId) -> Result<Option<CaseRecord>, StoreError> {
        record(&*self.reads, Family::Records, &due::case_key(case))
    }

    /// Returns how many items of a case are in which state.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn items_in_case(&self, case: &CaseId) -> Result<Vec<(State, u64)>, StoreError> {
        self.counts(Key::of(b'Q').byte(b'c').text(case.as_str()))
    }

    /// Returns how many items that a party has are in which state.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn items_held(&self, holder: &Author) -> Result<Vec<(State, u64)>, StoreError> {
        self.counts(Key::of(b'Q').byte(b'h').text(holder.as_str()))
    }

    fn counts(&self, key: Key) -> Result<Vec<(State, u64)>, StoreError> {
        let (from, end) = key.range();
        let start = from.len();
        let mut found = Vec::new();
        self.reads.scan(Family::Records, &from, &end, &mut |key, value| {
            let state = Parts::of(&key[start - 1..]).parse().ok_or_else(|| malformed(key, "not a state"))?;
            found.push((state, decode(key, value)?));
            Ok(true)
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// Returns the entries that bear on a case: its own, those outside any case that name it or what is in it, and those
    /// of the incidents that do.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn entries_of_case(&self, case: &CaseId, store: &dyn crate::store::Store) -> Result<Vec<Seq>, StoreError> {
        let mut found = self.seqs(Key::of(b'c').text(case.as_str()))?;
        let (from, end) = Key::of(b'x').text(case.as_str()).range();
        let start = from.len();
        let mut streams: Vec<Subject> = Vec::new();
        self.reads.scan(Family::Index, &from, &end, &mut |key, _| {
            let subject = Parts::of(&key[start - 1..]).parse();
            streams.push(subject.ok_or_else(|| malformed(key, "not a subject"))?);
            Ok(true)
        })?;
        for subject in streams {
            let stream = StreamId { case: None, subject };
            let mut next = Seq(0);
            loop {
                let seqs = store.stream_seqs(&stream, next, 1_024)?;
                let Some(last) = seqs.last() else { break };
                next = Seq(last.0 + 1);
                for seq in seqs.into_iter().filter(|seq| seq.0 < self.size.0) {
                    found.push(seq);
                    if let Some(header) = self.entry(seq)? {
                        found.extend(self.naming(&header.event)?);
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Returns the entries that name an event by hash: `about`, `order`, `finding`, `completion` or `corrects`.
    ///
    /// # Errors
    /// As [`View::entry`].
    pub fn naming(&self, event: &EventHash) -> Result<Vec<Seq>, StoreError> {
        self.seqs(Key::of(b'n').fixed(event.as_bytes()))
    }

    fn seqs(&self, key: Key) -> Result<Vec<Seq>, StoreError> {
        let (from, end) = key.range();
        let start = from.len();
        let mut found = Vec::new();
        self.reads.scan(Family::Index, &from, &end, &mut |key, _| {
            found.push(Parts::of(&key[start - 1..]).seq().ok_or_else(|| malformed(key, "no seq"))?);
            Ok(true)
        })?;
        Ok(found)
    }

    fn page<T>(
        &self,
        family: Family,
        (from, end): (Vec<u8>, Vec<u8>),
        after: Option<&[u8]>,
        limit: usize,
        read: impl Fn(&[u8], &[u8]) -> Result<Option<T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let mut page = Page::default();
        // the least key after the last one that was looked at
        let from = after.map_or(from.clone(), |after| [after, &[0]].concat().max(from));
        let (mut looked_at, mut last) = (0, Vec::new());
        self.reads.scan(family, &from, &end, &mut |key, value| {
            if page.found.len() >= limit || looked_at >= MAX_LOOKED_AT {
                page.next = Some(std::mem::take(&mut last));
                return Ok(false);
            }
            looked_at += 1;
            page.found.extend(read(key, value)?);
            key.clone_into(&mut last);
            Ok(true)
        })?;
        Ok(page)
    }
}

/// Tells whether most items are in a state for most of their life.
const fn is_usual(state: State) -> bool {
    matches!(state, State::InTransit | State::Received | State::InCustody)
}
