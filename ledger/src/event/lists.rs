//! Bounded lists, and lists of which no two elements are the same.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::scalars::Label;

/// A list of `MIN` to `MAX` elements.
#[derive(Clone, PartialEq, Eq)]
pub struct List<T, const MIN: usize, const MAX: usize>(Vec<T>);

/// A list of `MIN` to `MAX` elements of which no two are equal, in the order in which they were written.
#[derive(Clone, PartialEq, Eq)]
pub struct Distinct<T, const MIN: usize, const MAX: usize>(Vec<T>);

/// What makes two elements of a [`Distinct`] list the same one.
pub trait Identity {
    /// What is compared.
    type Key: Eq + Hash;

    /// Returns what is compared.
    fn identity(&self) -> Self::Key;
}

macro_rules! identity_is_itself {
    ($($name:ty),+ $(,)?) => {
        $(impl $crate::event::lists::Identity for $name {
            type Key = Self;

            fn identity(&self) -> Self {
                self.clone()
            }
        })+
    };
}
pub(crate) use identity_is_itself;

identity_is_itself!(crate::id::PartyId, crate::id::CaseId, crate::capacity::Capacity);

impl Identity for crate::keys::PublicKey {
    type Key = [u8; 32];

    fn identity(&self) -> [u8; 32] {
        *self.as_bytes()
    }
}

impl<const MAX: usize> Identity for Label<MAX> {
    type Key = Self;

    fn identity(&self) -> Self {
        self.clone()
    }
}

/// What was seen of a list: short ones are looked through, long ones hashed.
struct Seen<K> {
    few: Vec<K>,
    many: HashSet<K>,
}

impl<K: Eq + Hash> Seen<K> {
    /// How many are looked through.
    const FEW: usize = 16;

    fn new() -> Self {
        Self { few: Vec::new(), many: HashSet::new() }
    }

    /// Tells whether it is new.
    fn insert(&mut self, key: K) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(key);
        }
        if self.few.contains(&key) {
            return false;
        }
        self.few.push(key);
        if self.few.len() > Self::FEW {
            self.many.extend(self.few.drain(..));
        }
        true
    }
}

/// Reads one more element after checking that there may be one, and that it is new.
struct Next<'a, T, F> {
    fresh: &'a mut F,
    room: bool,
    max: usize,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(&T) -> bool> DeserializeSeed<'de> for Next<'_, T, F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        if !self.room {
            return Err(D::Error::custom(format_args!("expected at most {} elements, found more", self.max)));
        }
        let element = T::deserialize(deserializer)?;
        if !(self.fresh)(&element) {
            return Err(D::Error::custom("an element that stands only once in its array"));
        }
        Ok(element)
    }
}

struct ListVisitor<T, F, const MIN: usize, const MAX: usize> {
    fresh: F,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(&T) -> bool, const MIN: usize, const MAX: usize> Visitor<'de>
    for ListVisitor<T, F, MIN, MAX>
{
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {MIN} to {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut elements = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(MAX));
        loop {
            let room = elements.len() < MAX;
            let next = Next { fresh: &mut self.fresh, room, max: MAX, element: PhantomData };
            match seq.next_element_seed(next)? {
                Some(element) => elements.push(element),
                None if elements.len() < MIN => return Err(A::Error::invalid_length(elements.len(), &self)),
                None => return Ok(elements),
            }
        }
    }
}

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de> for List<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = ListVisitor::<T, _, MIN, MAX> { fresh: |_: &T| true, element: PhantomData };
        deserializer.deserialize_seq(visitor).map(Self)
    }
}

impl<'de, T: Deserialize<'de> + Identity, const MIN: usize, const MAX: usize> Deserialize<'de>
    for Distinct<T, MIN, MAX>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut seen = Seen::new();
        let fresh = |element: &T| seen.insert(element.identity());
        deserializer.deserialize_seq(ListVisitor::<T, _, MIN, MAX> { fresh, element: PhantomData }).map(Self)
    }
}

macro_rules! list_type {
    ($name:ident, $unique:literal, $($bound:tt)*) => {
        impl<T: $($bound)*, const MIN: usize, const MAX: usize> $name<T, MIN, MAX> {
            /// Makes a list; gives the elements back when they are too few, too many, or not distinct where they
            /// must be.
            ///
            /// # Errors
            /// The elements, when they make no such list.
            pub fn new(elements: Vec<T>) -> Result<Self, Vec<T>> {
                if (MIN..=MAX).contains(&elements.len()) && Self::may_hold(&elements) {
                    Ok(Self(elements))
                } else {
                    Err(elements)
                }
            }
        }

        impl<T, const MIN: usize, const MAX: usize> Deref for $name<T, MIN, MAX> {
            type Target = [T];

            fn deref(&self) -> &[T] {
                &self.0
            }
        }

        impl<'a, T, const MIN: usize, const MAX: usize> IntoIterator for &'a $name<T, MIN, MAX> {
            type Item = &'a T;
            type IntoIter = std::slice::Iter<'a, T>;

            fn into_iter(self) -> Self::IntoIter {
                self.0.iter()
            }
        }

        impl<T, const MIN: usize, const MAX: usize> IntoIterator for $name<T, MIN, MAX> {
            type Item = T;
            type IntoIter = std::vec::IntoIter<T>;

            fn into_iter(self) -> Self::IntoIter {
                self.0.into_iter()
            }
        }

        impl<T: fmt::Debug, const MIN: usize, const MAX: usize> fmt::Debug for $name<T, MIN, MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<T: Serialize, const MIN: usize, const MAX: usize> Serialize for $name<T, MIN, MAX> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<T: JsonSchema, const MIN: usize, const MAX: usize> JsonSchema for $name<T, MIN, MAX> {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                format!("{}_of_{}_{MIN}_{MAX}", stringify!($name), T::schema_name()).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let items = generator.subschema_for::<T>();
                let mut schema = json_schema!({ "type": "array", "items": items, "minItems": MIN, "maxItems": MAX });
                if $unique {
                    schema.insert("uniqueItems".to_owned(), true.into());
                }
                schema
            }
        }
    };
}

list_type!(List, false, Sized);
list_type!(Distinct, true, Identity);

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    fn may_hold(_: &[T]) -> bool {
        true
    }
}

impl<T: Identity, const MIN: usize, const MAX: usize> Distinct<T, MIN, MAX> {
    fn may_hold(elements: &[T]) -> bool {
        let mut seen = Seen::new();
        elements.iter().all(|element| seen.insert(element.identity()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::id::PartyId;

    #[test]
    fn lists_say_which_element() {
        let read = |value: serde_json::Value| {
            super::super::reader::read::<Distinct<PartyId, 1, 3>>(&value).map_err(|fault| fault.into_parts(""))
        };
        assert_eq!(read(serde_json::json!(["a", "b", "c"])).unwrap().len(), 3);
        assert_eq!(read(serde_json::json!(["a", "b", "a"])).unwrap_err().0, "/2");
        let (path, expected, found) = read(serde_json::json!(["a", "b", "c", "d"])).unwrap_err();
        assert_eq!((path.as_str(), expected.as_str(), found.as_str()), ("/3", "at most 3 elements", "more"));
        assert_eq!(read(serde_json::json!([])).unwrap_err().1, "an array of 1 to 3 elements");
        assert_eq!(read(serde_json::json!([])).unwrap_err().2, "0");
    }
}
