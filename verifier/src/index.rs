//! What the verifier keeps for each entry, in few bytes (SPEC §13 allows 128): tables keyed by 16 bytes of a hash
//! that is salted afresh for each run, so that no file can be made to collide in them.

use std::hash::{BuildHasher, RandomState};

use sha2::{Digest, Sha256};

/// 128 bits of a salted SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key([u8; 16]);

impl Key {
    const EMPTY: Key = Key([0; 16]);
}

/// Makes keys that nobody can foresee.
pub struct Salt([u8; 32]);

impl Salt {
    /// A salt from the operating system's randomness, by way of the standard library's hash keys.
    pub fn random() -> Salt {
        let mut salt = [0; 32];
        for (at, chunk) in salt.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&RandomState::new().hash_one(at).to_le_bytes());
        }
        Salt(salt)
    }

    /// The key of some parts; the parts are told apart by their lengths.
    pub fn key(&self, parts: &[&[u8]]) -> Key {
        let mut hasher = Sha256::new_with_prefix(self.0);
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let hash = hasher.finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        if key == Key::EMPTY.0 {
            key[0] = 1;
        }
        Key(key)
    }
}

const SHARDS: usize = 64;

/// A map from keys to numbers that only grows: open addressing, at most four fifths full, growing by a quarter at a
/// time and shard by shard, so that memory stays close to 20 bytes a key.
pub struct Table {
    shards: Vec<Shard>,
}

#[derive(Default)]
struct Shard {
    len: usize,
    keys: Vec<Key>,
    values: Vec<u32>,
}

impl Default for Table {
    fn default() -> Table {
        Table { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }
}

impl Table {
    /// The number of a key.
    pub fn get(&self, key: Key) -> Option<u32> {
        let shard = &self.shards[usize::from(key.0[0]) % SHARDS];
        if shard.keys.is_empty() {
            return None;
        }
        let at = shard.slot(key);
        (shard.keys[at] == key).then(|| shard.values[at])
    }

    /// Sets the number of a key that has none; answers the number that it had before, which stands.
    pub fn insert(&mut self, key: Key, value: u32) -> Option<u32> {
        let shard = &mut self.shards[usize::from(key.0[0]) % SHARDS];
        if shard.len * 5 >= shard.keys.len() * 4 {
            shard.grow();
        }
        let at = shard.slot(key);
        if shard.keys[at] == key {
            return Some(shard.values[at]);
        }
        shard.keys[at] = key;
        shard.values[at] = value;
        shard.len += 1;
        None
    }

    /// Replaces the number of a key that is there.
    pub fn replace(&mut self, key: Key, value: u32) {
        let shard = &mut self.shards[usize::from(key.0[0]) % SHARDS];
        if !shard.keys.is_empty() {
            let at = shard.slot(key);
            if shard.keys[at] == key {
                shard.values[at] = value;
            }
        }
    }
}

impl Shard {
    /// Where the key is, or the free place where it would go.
    fn slot(&self, key: Key) -> usize {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&key.0[1..9]);
        let spread = (u128::from(u64::from_be_bytes(bytes)) * self.keys.len() as u128) >> 64;
        let mut at = usize::try_from(spread).unwrap_or_default();
        while self.keys[at] != key && self.keys[at] != Key::EMPTY {
            at = if at + 1 == self.keys.len() { 0 } else { at + 1 };
        }
        at
    }

    fn grow(&mut self) {
        let size = (self.keys.len() + self.keys.len() / 4).max(16);
        let keys = std::mem::replace(&mut self.keys, vec![Key::EMPTY; size]);
        let values = std::mem::replace(&mut self.values, vec![0; size]);
        for (key, value) in keys.into_iter().zip(values) {
            if key != Key::EMPTY {
                let at = self.slot(key);
                self.keys[at] = key;
                self.values[at] = value;
            }
        }
    }
}

/// A vector that grows by an eighth instead of doubling.
#[derive(Clone, Debug)]
pub struct Tight<T>(Vec<T>);

impl<T> Default for Tight<T> {
    fn default() -> Self {
        Tight(Vec::new())
    }
}

impl<T> Tight<T> {
    /// Appends.
    pub fn push(&mut self, value: T) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(self.0.len() / 8 + 1024);
        }
        self.0.push(value);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The elements, to change.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }
}

/// Which ordinal among the shown entries a position in the ledger has. In a full bundle they are equal.
#[derive(Clone, Debug, Default)]
pub struct Ordinals {
    /// First ordinal and first seq of each run of shown entries.
    runs: Tight<(u32, u64)>,
    next: u32,
}

impl Ordinals {
    /// Notes that the entry at `seq` is shown, and answers its ordinal; `None` after 2^32 − 2 entries.
    pub fn push(&mut self, seq: u64) -> Option<u32> {
        let ordinal = self.next;
        let next = ordinal.checked_add(1).filter(|n| *n < u32::MAX)?;
        let continues =
            self.runs.as_slice().last().is_some_and(|(first, start)| start + u64::from(ordinal - first) == seq);
        if !continues {
            self.runs.push((ordinal, seq));
        }
        self.next = next;
        Some(ordinal)
    }

    /// The position of an ordinal.
    pub fn seq(&self, ordinal: u32) -> u64 {
        let runs = self.runs.as_slice();
        let at = runs.partition_point(|(first, _)| *first <= ordinal);
        match at.checked_sub(1).map(|at| runs[at]) {
            Some((first, start)) => start + u64::from(ordinal - first),
            None => 0,
        }
    }

    /// The ordinal of a position, if it is shown.
    pub fn ordinal(&self, seq: u64) -> Option<u32> {
        let runs = self.runs.as_slice();
        let at = runs.partition_point(|(_, start)| *start <= seq).checked_sub(1)?;
        let (first, start) = runs[at];
        let end = runs.get(at + 1).map_or(self.next, |(next, _)| *next);
        let ordinal = u64::from(first) + (seq - start);
        u32::try_from(ordinal).ok().filter(|o| *o < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_keeps_what_it_is_given() {
        let salt = Salt::random();
        let mut table = Table::default();
        for n in 0..20_000u32 {
            let key = salt.key(&[&n.to_be_bytes()]);
            assert_eq!(table.get(key), None);
            assert_eq!(table.insert(key, n), None);
            assert_eq!(table.insert(key, n + 1), Some(n));
        }
        for n in 0..20_000u32 {
            assert_eq!(table.get(salt.key(&[&n.to_be_bytes()])), Some(n));
        }
        let bytes: usize = table.shards.iter().map(|s| s.keys.capacity() * 20).sum();
        assert!(bytes < 20_000 * 34, "{bytes}");
        table.replace(salt.key(&[&7u32.to_be_bytes()]), 99);
        assert_eq!(table.get(salt.key(&[&7u32.to_be_bytes()])), Some(99));
    }

    #[test]
    fn keys_tell_parts_apart() {
        let salt = Salt::random();
        assert_ne!(salt.key(&[b"ab", b"c"]), salt.key(&[b"a", b"bc"]));
        assert_ne!(salt.key(&[b"a"]), Salt::random().key(&[b"a"]));
    }

    #[test]
    fn ordinals_of_an_extract() {
        let mut ordinals = Ordinals::default();
        for seq in [0, 1, 2, 8, 9, 20] {
            ordinals.push(seq);
        }
        let found: Vec<u64> = (0..6).map(|o| ordinals.seq(o)).collect();
        assert_eq!(found, [0, 1, 2, 8, 9, 20]);
        assert_eq!(ordinals.ordinal(2), Some(2));
        assert_eq!(ordinals.ordinal(3), None);
        assert_eq!(ordinals.ordinal(7), None);
        assert_eq!(ordinals.ordinal(9), Some(4));
        assert_eq!(ordinals.ordinal(10), None);
        assert_eq!(ordinals.ordinal(20), Some(5));
        assert_eq!(ordinals.ordinal(21), None);
    }
}
