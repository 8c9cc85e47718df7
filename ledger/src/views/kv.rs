//! Where views are kept: sorted tables of keys and values, read at one state and written in whole batches.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use crate::store::StoreError;

/// The tables, by how they are used: each is a column family of its own on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// What statements say, as it is read out of them.
    Facts,
    /// What the facts come to.
    Records,
    /// Keys that find records; most have no value.
    Index,
    /// The position.
    Meta,
}

impl Family {
    /// Every table.
    pub const ALL: [Self; 4] = [Self::Facts, Self::Records, Self::Index, Self::Meta];

    /// Returns its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Records => "records",
            Self::Index => "index",
            Self::Meta => "meta",
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::Facts => 0,
            Self::Records => 1,
            Self::Index => 2,
            Self::Meta => 3,
        }
    }
}

/// Takes one record of a scan, and tells whether to go on.
pub type Take<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool, StoreError> + 'a;

/// One state of the tables.
pub trait Reads {
    /// Returns a value.
    ///
    /// # Errors
    /// When the tables cannot be read; so for every method here.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Gives `take` the records from `from` and before `end`, in order, until it says to stop.
    ///
    /// # Errors
    /// As [`Reads::get`], and what `take` returns.
    fn scan(&self, family: Family, from: &[u8], end: &[u8], take: &mut Take<'_>) -> Result<(), StoreError>;
}

/// What one write changes: new values, and `None` for what is deleted.
#[derive(Debug, Default)]
pub struct Changes([BTreeMap<Vec<u8>, Option<Vec<u8>>>; 4]);

impl Changes {
    /// Sets a value.
    pub fn put(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) {
        self.0[family.place()].insert(key, Some(value));
    }

    /// Deletes a key.
    pub fn delete(&mut self, family: Family, key: Vec<u8>) {
        self.0[family.place()].insert(key, None);
    }

    /// Returns every change.
    pub fn iter(&self) -> impl Iterator<Item = (Family, &[u8], Option<&[u8]>)> {
        let of = |family: Family| self.0[family.place()].iter().map(move |(k, v)| (family, k.as_slice(), v.as_deref()));
        Family::ALL.into_iter().flat_map(of)
    }

    /// Returns how many keys change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(BTreeMap::len).sum()
    }

    /// Tells whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(BTreeMap::is_empty)
    }
}

/// Tables that last.
pub trait Kv: Send + Sync + 'static {
    /// Takes the present state, which later writes do not change.
    fn snapshot(&self) -> Box<dyn Reads + '_>;

    /// Makes changes, all or none, also across a crash; a later write never survives an earlier one.
    ///
    /// # Errors
    /// When they could not be written.
    fn write(&self, changes: &Changes) -> Result<(), StoreError>;
}

/// A state with changes on top of it that are not written yet.
pub struct Overlay<'a> {
    base: Box<dyn Reads + 'a>,
    changes: Changes,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("changes", &self.changes.len()).finish_non_exhaustive()
    }
}

impl<'a> Overlay<'a> {
    /// Begins without changes.
    #[must_use]
    pub fn new(base: Box<dyn Reads + 'a>) -> Self {
        Self { base, changes: Changes::default() }
    }

    /// Sets a value.
    pub fn put(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) {
        self.changes.put(family, key, value);
    }

    /// Deletes a key.
    pub fn delete(&mut self, family: Family, key: Vec<u8>) {
        self.changes.delete(family, key);
    }

    /// Returns how many keys change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Tells whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the changes.
    #[must_use]
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}

impl Reads for Overlay<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.0[family.place()].get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(family, key),
        }
    }

    fn scan(&self, family: Family, from: &[u8], end: &[u8], take: &mut Take<'_>) -> Result<(), StoreError> {
        if from >= end {
            return Ok(());
        }
        let range = (Bound::Included(from), Bound::Excluded(end));
        let mut changed = self.changes.0[family.place()].range::<[u8], _>(range).peekable();
        let mut on = true;
        self.base.scan(family, from, end, &mut |key, value| {
            on = give_until(&mut changed, Some(key), take)?;
            if !on {
                return Ok(false);
            }
            on = match changed.next_if(|(changed, _)| changed.as_slice() == key) {
                None => take(key, value)?,
                Some((_, Some(value))) => take(key, value)?,
                Some((_, None)) => true,
            };
            Ok(on)
        })?;
        if on {
            give_until(&mut changed, None, take)?;
        }
        Ok(())
    }
}

type Changed<'a> = std::iter::Peekable<btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>;

/// Gives the changed records before a key, or all of them. Tells whether to go on.
fn give_until(changed: &mut Changed<'_>, key: Option<&[u8]>, take: &mut Take<'_>) -> Result<bool, StoreError> {
    while let Some((found, value)) = changed.next_if(|(found, _)| key.is_none_or(|key| found.as_slice() < key)) {
        if let Some(value) = value
            && !take(found, value)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}
