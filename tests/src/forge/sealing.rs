//! SPEC §15 by its definitions, slow and plain: records, keyed trees, the body of a seal, `sealed` lines.

use std::collections::BTreeMap;

use super::sha256;
use super::tree::Hash;
use super::{Json, j_hex};
use crate::j;

/// A pair of a keyed tree.
type Pair = (Hash, Hash);

/// A stream: its case (the empty text for none) and its subject.
type Name = (String, String);

/// The streams of some entries: the hashes of their events, and of the entries that speak of them.
#[derive(Default)]
pub struct Streams(BTreeMap<Name, (Vec<Hash>, Vec<Hash>)>);

impl Streams {
    /// The streams of these payloads, each with its event hash. What is no JSON has none.
    #[must_use]
    pub fn of<'e>(entries: impl IntoIterator<Item = (&'e [u8], Hash)>) -> Self {
        let mut streams = Self::default();
        let mut names: BTreeMap<String, Name> = BTreeMap::new();
        for (payload, hash) in entries {
            let Ok(payload) = serde_json::from_slice::<serde_json::Value>(payload) else { continue };
            let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
            let name = (text("case"), text("subject"));
            if name.0.is_empty()
                && name.1.starts_with("statement/")
                && let Some(spoken) = payload["body"]["about"].as_str().and_then(|about| names.get(about))
            {
                streams.0.entry(spoken.clone()).or_default().1.push(hash);
            }
            names.insert(hex::encode(hash), name.clone());
            streams.0.entry(name).or_default().0.push(hash);
        }
        streams
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs of the tree of a case.
    fn of_case(&self, case: &str) -> Vec<Pair> {
        let of_it = self.0.iter().filter(|((c, _), _)| c == case);
        of_it.map(|((_, subject), (events, spoken))| (sha256(subject.as_bytes()), record(events, spoken))).collect()
    }

    /// The pairs of the tree of the root.
    fn of_root(&self) -> Vec<Pair> {
        let cases: std::collections::BTreeSet<&String> = self.0.keys().map(|(case, _)| case).collect();
        cases.into_iter().map(|case| (sha256(case.as_bytes()), k(&self.of_case(case), 0))).collect()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        k(&self.of_root(), 0)
    }

    /// The body of the seal that follows the first `size` entries.
    #[must_use]
    pub fn body(&self, size: usize) -> Json {
        let number = |n: usize| Json::Int(i64::try_from(n).expect("a small number"));
        j!({"size": (number(size)), "streams": (number(self.len())), "root": (hex::encode(self.root()))})
    }

    /// The `sealed` line of a case, or of a stream, as an object.
    #[must_use]
    pub fn line(&self, case: Option<&str>, subject: Option<&str>) -> Json {
        let name = case.unwrap_or_default();
        let (path, instead) = way(&self.of_root(), &sha256(name.as_bytes()));
        let mut line = Json::object([("case", case.map_or(Json::Null, Json::from))]);
        let mut instead = instead;
        if let Some(subject) = subject {
            line.set("subject", subject);
            if instead.is_none() {
                let (within, other) = way(&self.of_case(name), &sha256(subject.as_bytes()));
                line.set("within", hashes(&within));
                instead = other;
            }
        }
        line.set("path", hashes(&path));
        if let Some(instead) = instead {
            line.set("instead", instead);
        }
        j!({"sealed": line})
    }
}

fn hashes(hashes: &[Hash]) -> Json {
    Json::Arr(hashes.iter().map(j_hex).collect())
}

fn record(events: &[Hash], spoken: &[Hash]) -> Hash {
    let part = |hashes: &[Hash]| {
        let last = hashes.last().copied().unwrap_or([0; 32]);
        [&(hashes.len() as u64).to_be_bytes()[..], &last].concat()
    };
    sha256(&[&[5][..], &part(events), &part(spoken)].concat())
}

fn bit(key: &Hash, at: usize) -> u8 {
    key[at / 8] >> (7 - at % 8) & 1
}

fn half(pairs: &[Pair], depth: usize, value: u8) -> Vec<Pair> {
    pairs.iter().filter(|(key, _)| bit(key, depth) == value).copied().collect()
}

/// K.
#[must_use]
pub fn k(pairs: &[Pair], depth: usize) -> Hash {
    match pairs {
        [] => sha256(&[2]),
        [(key, value)] => sha256(&[&[3][..], key, value].concat()),
        _ => {
            let [zero, one] = [0, 1].map(|value| k(&half(pairs, depth, value), depth + 1));
            sha256(&[&[4][..], &zero, &one].concat())
        }
    }
}

/// The siblings on the way to a key, and `instead` where it is not there.
fn way(pairs: &[Pair], key: &Hash) -> (Vec<Hash>, Option<Json>) {
    let (mut here, mut siblings) = (pairs.to_vec(), Vec::new());
    while here.len() > 1 {
        let depth = siblings.len();
        siblings.push(k(&half(&here, depth, 1 - bit(key, depth)), depth + 1));
        here = half(&here, depth, bit(key, depth));
    }
    let instead = match here.first() {
        None => Some(Json::Null),
        Some((found, _)) if found == key => None,
        Some((found, value)) => Some(Json::object([("key", j_hex(found)), ("value", j_hex(value))])),
    };
    (siblings, instead)
}
