//! Faster verification for keys that sign much: tables of their multiples, kept for the most recently used keys.
//!
//! The verdict is that of [`PublicKey::verify`], so of `verify_strict`, on every input: each signature is checked by
//! itself, with the same equation and the same byte comparison, and no random batch equation is used (SPEC §2). What
//! differs is how sB − kA is computed. A table takes the time of some ten verifications and 215 KiB, so a key gets one
//! only after [`TableLimits::after`] signatures of it were found valid.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use curve25519_dalek::edwards::EdwardsPoint;

use super::table::{KeyTable, halves};
use super::{BadSignature, PublicKey, Signature};

/// How many points are encoded together, which takes one inversion instead of one each.
const ENCODED_TOGETHER: usize = 64;
/// How many keys without a table are counted, for each key that may have one.
const COUNTED_PER_TABLE: usize = 16;

/// How much memory and time tables may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLimits {
    /// The most keys that have a table at one time, at 215 KiB each.
    pub keys: usize,
    /// How many valid signatures of a key are seen before it gets a table.
    pub after: u32,
}

impl Default for TableLimits {
    fn default() -> Self {
        Self { keys: 64, after: 32 }
    }
}

/// A signature over a message, said to be by a key.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The key.
    pub key: PublicKey,
    /// What was signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: Signature,
}

/// Verifies signatures, and learns which keys are worth a table. Shared between threads.
///
/// ```
/// use countersign_ledger::keys::{KeyTables, Signed, SigningKey};
///
/// let (key, tables) = (SigningKey::from_seed(&[7; 32]), KeyTables::default());
/// let signed = Signed { key: key.public(), message: b"hello", signature: key.sign(b"hello") };
/// assert!(tables.verify(&signed).is_ok());
/// assert!(tables.verify(&Signed { message: b"bye", ..signed }).is_err());
/// ```
#[derive(Default)]
pub struct KeyTables {
    limits: TableLimits,
    known: Mutex<Known>,
}

/// What is known of the keys seen lately.
#[derive(Default)]
struct Known {
    /// Counts the uses of tables; the table with the lowest number was used longest ago.
    clock: u64,
    tables: HashMap<[u8; 32], (u64, Arc<KeyTable>)>,
    /// Valid signatures of keys without a table.
    counts: HashMap<[u8; 32], u32>,
}

impl fmt::Debug for KeyTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyTables").field("limits", &self.limits).field("tables", &self.len()).finish()
    }
}

impl KeyTables {
    /// Makes an empty cache with limits of its own.
    #[must_use]
    pub fn new(limits: TableLimits) -> Self {
        Self { limits, known: Mutex::default() }
    }

    /// Returns how many keys have a table now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known().tables.len()
    }

    /// Tells whether no key has a table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks one signature, with the verdict of [`PublicKey::verify`].
    ///
    /// # Errors
    /// When the signature is not valid.
    pub fn verify(&self, signed: &Signed<'_>) -> Result<(), BadSignature> {
        match self.table(&signed.key) {
            Some(table) if table.verify(signed.message, &signed.signature) => Ok(()),
            Some(_) => Err(BadSignature { keyid: signed.key.id() }),
            None => {
                signed.key.verify(signed.message, &signed.signature)?;
                self.count(&signed.key, 1);
                Ok(())
            }
        }
    }

    /// Checks signatures each by itself, with the verdicts of [`PublicKey::verify`] in the order of `signed`. For many at
    /// a time this is faster still: those of one key are taken together, and their points encoded together.
    #[must_use]
    pub fn verify_each(&self, signed: &[Signed<'_>]) -> Vec<Result<(), BadSignature>> {
        let mut by_key: Vec<usize> = (0..signed.len()).collect();
        by_key.sort_by_key(|at| *signed[*at].key.as_bytes());
        let mut valid = vec![false; signed.len()];
        let mut pending = Pending { signed, valid: &mut valid, points: Vec::new(), at: Vec::new() };
        for run in by_key.chunk_by(|a, b| signed[*a].key == signed[*b].key) {
            self.verify_run(run, &mut pending);
        }
        pending.encode();
        let verdict = |(signed, valid): (&Signed<'_>, bool)| match valid {
            true => Ok(()),
            false => Err(BadSignature { keyid: signed.key.id() }),
        };
        signed.iter().zip(valid).map(verdict).collect()
    }

    /// Checks signatures that are all by one key, or leaves their points to be encoded.
    fn verify_run(&self, run: &[usize], pending: &mut Pending<'_, '_>) {
        let (all, mut rest) = (pending.signed, run.iter());
        let Some(first) = run.first() else { return };
        let key = &all[*first].key;
        let mut table = self.table(key);
        while table.is_none() {
            // Without a table: count, and try again as soon as there may be one.
            let Some(at) = rest.next() else { return };
            let signed = &all[*at];
            if key.verify(signed.message, &signed.signature).is_ok() {
                pending.valid[*at] = true;
                table = self.count(key, 1);
            }
        }
        let Some(table) = table else { return };
        for at in rest {
            let signed = &all[*at];
            if let Some(point) = table.expected(signed.message, &signed.signature) {
                pending.push(*at, point);
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic elsewhere cannot leave the maps half changed in a way that matters: they hold nothing but speed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the key's table, if it has one, and marks it as used.
    fn table(&self, key: &PublicKey) -> Option<Arc<KeyTable>> {
        let mut known = self.known();
        known.clock += 1;
        let now = known.clock;
        let (used, table) = known.tables.get_mut(key.as_bytes())?;
        *used = now;
        Some(Arc::clone(table))
    }

    /// Counts valid signatures of a key without a table, and makes the table when it is due.
    fn count(&self, key: &PublicKey, more: u32) -> Option<Arc<KeyTable>> {
        if self.limits.keys == 0 {
            return None;
        }
        {
            let mut known = self.known();
            let full = known.counts.len() >= self.limits.keys.saturating_mul(COUNTED_PER_TABLE);
            if full && !known.counts.contains_key(key.as_bytes()) {
                known.counts.clear();
            }
            let count = known.counts.entry(*key.as_bytes()).or_default();
            *count = count.saturating_add(more);
            if *count < self.limits.after {
                return None;
            }
            // Only the thread that takes the count away makes the table, outside the lock.
            known.counts.remove(key.as_bytes());
        }
        let table = Arc::new(KeyTable::new(key)?);
        let mut known = self.known();
        known.clock += 1;
        let now = known.clock;
        known.tables.insert(*key.as_bytes(), (now, Arc::clone(&table)));
        while known.tables.len() > self.limits.keys {
            let oldest = known.tables.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key)?;
            known.tables.remove(&oldest);
        }
        Some(table)
    }
}

/// Points that are to be encoded and compared with the R of their signatures.
struct Pending<'s, 'm> {
    signed: &'s [Signed<'m>],
    valid: &'s mut [bool],
    points: Vec<EdwardsPoint>,
    at: Vec<usize>,
}

impl Pending<'_, '_> {
    fn push(&mut self, at: usize, point: EdwardsPoint) {
        self.points.push(point);
        self.at.push(at);
        if self.points.len() == ENCODED_TOGETHER {
            self.encode();
        }
    }

    fn encode(&mut self) {
        let encoded = EdwardsPoint::compress_batch_alloc(&self.points);
        for (at, point) in self.at.drain(..).zip(encoded) {
            self.valid[at] = point.as_bytes() == halves(&self.signed[at].signature).0;
        }
        self.points.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::SigningKey;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn signed<'a>(key: &SigningKey, message: &'a [u8]) -> Signed<'a> {
        Signed { key: key.public(), message, signature: key.sign(message) }
    }

    #[test]
    fn a_key_gets_a_table_after_enough_valid_signatures() {
        let tables = KeyTables::new(TableLimits { keys: 2, after: 3 });
        let good = signed(&key(1), b"hello");
        let bad = Signed { message: b"bye", ..good };
        for _ in 0..9 {
            tables.verify(&bad).unwrap_err();
        }
        for before in [true, true, false] {
            assert!(tables.is_empty());
            tables.verify(&good).unwrap();
            assert_eq!(tables.is_empty(), before);
        }
        tables.verify(&good).unwrap();
        assert_eq!(tables.verify(&bad).unwrap_err(), good.key.verify(bad.message, &bad.signature).unwrap_err());
    }

    #[test]
    fn the_key_that_was_used_longest_ago_loses_its_table() {
        let tables = KeyTables::new(TableLimits { keys: 2, after: 1 });
        let [one, two, three] = [1, 2, 3].map(|seed| signed(&key(seed), b"hello"));
        for use_ in [one, two, one, three] {
            tables.verify(&use_).unwrap();
        }
        let has = |signed: &Signed<'_>| tables.known().tables.contains_key(signed.key.as_bytes());
        assert_eq!([one, two, three].each_ref().map(has), [true, false, true]);
        let none = KeyTables::new(TableLimits { keys: 0, after: 0 });
        none.verify(&one).unwrap();
        assert!(none.is_empty() && none.known().counts.is_empty());
    }

    #[test]
    fn counts_of_many_keys_stay_bounded() {
        let tables = KeyTables::new(TableLimits { keys: 1, after: 2 });
        for seed in 0..100 {
            tables.verify(&signed(&key(seed), b"hello")).unwrap();
            assert!(tables.known().counts.len() <= COUNTED_PER_TABLE);
        }
        assert!(tables.is_empty());
    }

    #[test]
    fn many_at_a_time_have_the_verdicts_of_each() {
        for after in [0, 1, 5, 1_000] {
            let tables = KeyTables::new(TableLimits { keys: 3, after });
            let messages: Vec<Vec<u8>> = (0..400u32).map(|at| at.to_be_bytes().to_vec()).collect();
            let mut all = Vec::new();
            for (at, message) in messages.iter().enumerate() {
                let mut one = signed(&key([1, 2, 3, 1, 1, 4, 1][at % 7]), message);
                let mut bytes = *one.signature.as_bytes();
                match at % 11 {
                    3 => one.message = b"another",
                    5 => bytes[at % 64] ^= 1 << (at % 8),
                    7 => bytes[63] |= 0x80,
                    9 => one.key = key(5).public(),
                    _ => {}
                }
                one.signature = Signature::from_bytes(bytes);
                all.push(one);
            }
            let expected: Vec<_> = all.iter().map(|one| one.key.verify(one.message, &one.signature)).collect();
            assert!(expected.iter().filter(|verdict| verdict.is_ok()).count() > 200);
            for _ in 0..2 {
                assert_eq!(tables.verify_each(&all), expected, "after {after}");
            }
            assert_eq!(tables.len(), if after == 1_000 { 0 } else { 3 });
        }
        assert_eq!(KeyTables::default().verify_each(&[]), []);
    }

    #[test]
    fn threads_share_tables() {
        let tables = KeyTables::new(TableLimits { keys: 4, after: 8 });
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for at in 0..100u8 {
                        let good = signed(&key(at % 3), b"hello");
                        tables.verify(&good).unwrap();
                        tables.verify(&Signed { message: b"bye", ..good }).unwrap_err();
                    }
                });
            }
        });
        assert_eq!(tables.len(), 3);
    }
}
