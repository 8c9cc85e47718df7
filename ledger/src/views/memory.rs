//! Views in memory: for tests, and for what reads a bundle. Nothing of it survives the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use super::kv::{Changes, Family, Kv, Reads, Take};
use crate::store::StoreError;

type Tables = BTreeMap<(Family, Vec<u8>), Vec<u8>>;

/// Tables in memory. A snapshot shares them until the next write.
#[derive(Debug, Default)]
pub struct MemoryKv(RwLock<Arc<Tables>>);

impl MemoryKv {
    /// Makes empty tables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

struct Snapshot(Arc<Tables>);

impl Reads for Snapshot {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(family, key.to_vec())).cloned())
    }

    fn scan(&self, family: Family, from: &[u8], end: &[u8], take: &mut Take<'_>) -> Result<(), StoreError> {
        if from >= end {
            return Ok(());
        }
        let range = (Bound::Included((family, from.to_vec())), Bound::Excluded((family, end.to_vec())));
        for ((_, key), value) in self.0.range(range) {
            if !take(key, value)? {
                break;
            }
        }
        Ok(())
    }
}

impl Kv for MemoryKv {
    fn snapshot(&self) -> Box<dyn Reads + '_> {
        Box::new(Snapshot(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))))
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let tables = Arc::make_mut(&mut tables);
        for (family, key, value) in changes.iter() {
            let key = (family, key.to_vec());
            match value {
                Some(value) => tables.insert(key, value.to_vec()),
                None => tables.remove(&key),
            };
        }
        Ok(())
    }
}
