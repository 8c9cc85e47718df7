//! Reads a JSON value into a typed body and says exactly what is wrong with it.
//!
//! It is a serde data format over a borrowed [`serde_json::Value`], stricter than serde_json's own where serde is lax:
//! an `Option` means *absent*, so `null` is refused (see [`nullable`] for the few members that may be `null`); a struct
//! is read from an object only, never from an array; an enum only from a string. A fault carries the JSON Pointer of the
//! culprit (a missing or unknown member's own), what was expected and what was found. The path is put together only
//! while a fault travels up: what is well formed pays nothing for it.

use std::fmt;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Value, map};

/// How much of a faulty text a fault quotes.
const QUOTED_CHARS: usize = 80;

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Fault(Box<Parts>);

#[derive(Debug)]
struct Parts {
    /// Innermost first.
    path: Vec<String>,
    expected: String,
    /// `None` until a reader that knows the value fills it in.
    found: Option<String>,
}

impl Fault {
    /// Makes a fault of the value that is being read.
    fn new(expected: impl Into<String>, found: Option<String>) -> Self {
        Self(Box::new(Parts { path: Vec::new(), expected: expected.into(), found }))
    }

    fn under(mut self, token: String) -> Self {
        self.0.path.push(token);
        self
    }

    /// Says what was found, unless that is already said.
    fn on(mut self, value: &Value) -> Self {
        self.0.found.get_or_insert_with(|| describe(value));
        self
    }

    /// Returns the pointer below `root`, what was expected and what was found.
    pub(crate) fn into_parts(self, root: &str) -> (String, String, String) {
        let Parts { path, expected, found } = *self.0;
        let mut pointer = root.to_owned();
        for token in path.iter().rev() {
            pointer.push('/');
            pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        }
        (pointer, expected, found.unwrap_or_else(|| "something else".to_owned()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0.expected)?;
        self.0.found.as_ref().map_or(Ok(()), |found| write!(f, ", found {found}"))
    }
}

impl std::error::Error for Fault {}

/// Quotes a text, shortened, with what does not print escaped.
pub(crate) fn quote(text: &str) -> String {
    let cut: String = text.chars().take(QUOTED_CHARS).collect();
    if cut.len() < text.len() { format!("{cut:?}… ({} bytes)", text.len()) } else { format!("{cut:?}") }
}

/// Names a value in an error: a short one by itself, a long one by its sort.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quote(text),
        Value::Array(elements) => format!("an array of {}", elements.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
    }
}

impl de::Error for Fault {
    /// Takes a message `expected X, found Y`, as the errors of this crate read, or `…/a/b: expected X, found Y` with a
    /// pointer below the value; anything else is all expectation.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        let (place, plain) = match message.split_once(": expected ") {
            Some((place, plain)) => (place.find('/').map(|at| &place[at + 1..]), plain),
            None => (None, message.strip_prefix("expected ").unwrap_or(&message)),
        };
        let mut fault = match plain.rsplit_once(", found ") {
            Some((expected, found)) => Self::new(expected, Some(found.to_owned())),
            None => Self::new(plain, None),
        };
        for token in place.into_iter().flat_map(|place| place.rsplit('/')) {
            fault = fault.under(token.replace("~1", "/").replace("~0", "~"));
        }
        fault
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(expected.to_string(), None)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(expected.to_string(), None)
    }

    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Self::new(expected.to_string(), Some(found.to_string()))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(one_of(expected), None)
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("no member but {}", expected.join(", ")), Some("this member".to_owned()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("this member", Some("nothing".to_owned())).under(field.to_owned())
    }
}

fn one_of(choices: &[&str]) -> String {
    match choices {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        many => format!("one of {}", many.join(", ")),
    }
}

/// Reads a typed value.
///
/// # Errors
/// When the value is not of the type's form.
pub(crate) fn read<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, Fault> {
    T::deserialize(Reader { value })
}

/// Reads a member that may be `null` and must be present: `#[serde(deserialize_with = "nullable")]`.
///
/// # Errors
/// When the value is neither `null` nor a text of the type's form.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct TextOrNull<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrNull<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or null")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            T::deserialize(text.into_deserializer()).map(Some)
        }
    }

    deserializer.deserialize_any(TextOrNull(std::marker::PhantomData))
}

#[derive(Clone, Copy)]
struct Reader<'de> {
    value: &'de Value,
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let read = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(elements) => visitor.visit_seq(Elements { rest: elements, next: 0 }),
            Value::Object(members) => visitor.visit_map(Members { rest: members.iter(), pending: None }),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => Err(Fault::new("an integer", None)),
            },
        };
        read.map_err(|fault| if fault.0.path.is_empty() { fault.on(self.value) } else { fault })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if self.value.is_object() {
            self.deserialize_any(visitor)
        } else {
            Err(Fault::new("an object", None).on(self.value))
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(text) => visitor.visit_enum(Code(text)).map_err(|fault| fault.on(self.value)),
            other => Err(Fault::new(one_of(variants), None).on(other)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A string as the name of a unit variant.
struct Code<'de>(&'de str);

impl<'de> EnumAccess<'de> for Code<'de> {
    type Error = Fault;
    type Variant = UnitOnly;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, UnitOnly), Fault> {
        seed.deserialize(de::value::BorrowedStrDeserializer::new(self.0)).map(|variant| (variant, UnitOnly))
    }
}

struct UnitOnly;

impl<'de> de::VariantAccess<'de> for UnitOnly {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Fault> {
        Err(Fault::new("a code", None))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new("a code", None))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Fault> {
        Err(Fault::new("a code", None))
    }
}

struct Elements<'de> {
    rest: &'de [Value],
    next: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((value, rest)) = self.rest.split_first() else { return Ok(None) };
        let index = self.next;
        self.rest = rest;
        self.next += 1;
        let element = seed.deserialize(Reader { value });
        element.map(Some).map_err(|fault| fault.on(value).under(index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Members<'de> {
    rest: map::Iter<'de>,
    pending: Option<(&'de str, &'de Value)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.pending = Some((name, value));
        let key = seed.deserialize(Name(name));
        key.map(Some).map_err(|fault| fault.under(name.clone()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((name, value)) = self.pending.take() else { return Err(Fault::new("a name before a value", None)) };
        seed.deserialize(Reader { value }).map_err(|fault| fault.on(value).under(name.to_owned()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A member's name: a string, or a code where names are codes.
struct Name<'de>(&'de str);

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.0).map_err(|fault| self.named(fault))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(Code(self.0)).map_err(|fault| self.named(fault))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

impl Name<'_> {
    fn named(&self, mut fault: Fault) -> Fault {
        fault.0.found.get_or_insert_with(|| format!("the name {}", quote(self.0)));
        fault
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        DarkBlue,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Thing {
        size: u8,
        name: Option<String>,
        colours: Option<Vec<Colour>>,
        by_colour: Option<BTreeMap<Colour, u8>>,
        inner: Option<Box<Thing>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Holder {
        #[serde(deserialize_with = "nullable")]
        date: Option<crate::time::Date>,
    }

    fn fault(value: &Value) -> (String, String, String) {
        read::<Thing>(value).unwrap_err().into_parts("")
    }

    #[track_caller]
    fn assert_fault(value: &Value, path: &str, expected: &str, found: &str) {
        assert_eq!(fault(value), (path.to_owned(), expected.to_owned(), found.to_owned()));
    }

    #[test]
    fn faults_are_placed_and_named() {
        assert_fault(&json!({}), "/size", "this member", "nothing");
        assert_fault(
            &json!({"size": 1, "a/b": 2}),
            "/a~1b",
            "no member but size, name, colours, by_colour, inner",
            "this member",
        );
        assert_fault(&json!({"size": "1"}), "/size", "u8", "\"1\"");
        assert_fault(&json!({"size": 256}), "/size", "u8", "256");
        assert_fault(&json!({"size": 1, "name": null}), "/name", "a string", "null");
        assert_fault(
            &json!({"size": 1, "inner": {"size": 2, "colours": ["red", "blue"]}}),
            "/inner/colours/1",
            "one of red, dark_blue",
            "\"blue\"",
        );
        assert_fault(&json!({"size": 1, "colours": {"red": null}}), "/colours", "a sequence", "an object of 1");
        assert_fault(
            &json!({"size": 1, "colours": [{"red": null}]}),
            "/colours/0",
            "one of red, dark_blue",
            "an object of 1",
        );
        assert_fault(
            &json!({"size": 1, "by_colour": {"green": 2}}),
            "/by_colour/green",
            "one of red, dark_blue",
            "the name \"green\"",
        );
        assert_fault(&json!({"size": 1, "inner": [2, null]}), "/inner", "an object", "an array of 2");
        assert_fault(&json!([1]), "", "an object", "an array of 1");
    }

    #[test]
    fn null_only_where_said() {
        assert!(read::<Holder>(&json!({"date": null})).unwrap().date.is_none());
        assert!(read::<Holder>(&json!({"date": "2026-01-01"})).unwrap().date.is_some());
        let fault = |value| read::<Holder>(&value).unwrap_err().into_parts("/body");
        assert_eq!(fault(json!({})).0, "/body/date");
        assert_eq!(fault(json!({})).2, "nothing");
        assert_eq!(fault(json!({"date": 5})), ("/body/date".into(), "a text or null".into(), "5".into()));
        assert_eq!(
            fault(json!({"date": "x"})),
            ("/body/date".into(), "a date such as 2026-09-21".into(), "\"x\"".into())
        );
    }
}
