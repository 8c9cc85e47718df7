//! One event of a script: what is said and by whom, with a hatch at every layer (SPEC §3–§5).

use std::sync::Arc;

use super::{Json, Key};

/// A change to be made to a value while a ledger is built.
pub struct Edit<T, U = T>(Option<Arc<dyn Fn(T) -> U + Send + Sync>>);

impl<T, U> Clone for Edit<T, U> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, U> Default for Edit<T, U> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T, U> Edit<T, U> {
    /// A change.
    pub fn new(f: impl Fn(T) -> U + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(f)))
    }

    /// Makes the change, or the given one if there is none.
    pub fn apply_or(&self, value: T, otherwise: impl FnOnce(T) -> U) -> U {
        match &self.0 {
            Some(f) => f(value),
            None => otherwise(value),
        }
    }
}

impl<T> Edit<T, T> {
    /// Makes the change, if there is one.
    pub fn apply(&self, value: T) -> T {
        self.apply_or(value, |v| v)
    }
}

/// The `after` member of an event.
#[derive(Clone, Debug)]
pub enum After {
    /// The event before it in its stream, `null` if there is none: as it should be.
    Head,
    /// This value.
    Value(Json),
}

/// How a signature is made.
#[derive(Clone, Debug)]
pub enum How {
    /// As RFC 8032 says.
    Good,
    /// With S + L in place of S.
    LargeS,
    /// With a point of small order added to R: the one of this number, 1 to 7; that of 4 has order two.
    TorsionInR(usize),
    /// With R the neutral element, and the equation holding.
    SmallOrderR,
    /// With R the neutral element not canonically encoded.
    NoncanonicalR,
    /// A good one with one bit of S changed.
    FlippedS,
    /// A good one with one bit of R changed.
    FlippedR,
    /// A good one over the payload alone, without PAE.
    PayloadOnly,
    /// A good one over the PAE of another payload type.
    OtherType(String),
    /// A good one over other bytes in place of the PAE.
    Over(Vec<u8>),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// One signature of an envelope.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The key that makes it.
    pub key: Key,
    /// The `keyid` in the envelope, if not that of the key.
    pub keyid: Option<String>,
    /// How it is made.
    pub how: How,
}

impl From<&Key> for Signature {
    fn from(key: &Key) -> Self {
        Self { key: key.clone(), keyid: None, how: How::Good }
    }
}

/// One event, and the entry that records it.
#[derive(Clone)]
pub struct Event {
    /// The name by which the script and other events know it.
    pub label: String,
    /// `kind`
    pub kind: String,
    /// `subject`
    pub subject: String,
    /// `case`
    pub case: Option<String>,
    /// `author`
    pub author: String,
    /// `after`
    pub after: After,
    /// `body`
    pub body: Json,
    /// The body is that of a seal at its place (SPEC §15), changed so.
    pub seal: Option<Edit<Json>>,
    /// `occurred`; an hour before the entry's time if not given.
    pub occurred: Option<Json>,
    /// Optional members in the order given: `signers`, `until`, `evidence`, `corrects` and others.
    pub more: Vec<(String, Json)>,
    /// Who signs.
    pub signatures: Vec<Signature>,
    /// Disclosure strings that travel beside it.
    pub disclosures: Vec<String>,
    /// The name from which `id` is made, if not that of the label.
    pub id_name: Option<String>,
    /// Changes the payload object before it is written.
    pub edit_object: Edit<Json>,
    /// Changes the payload's bytes before they are signed.
    pub edit_payload: Edit<String, Vec<u8>>,
    /// The payload type in the envelope and in the PAE.
    pub payload_type: String,
    /// Milliseconds after the entry before it.
    pub gap: i64,
    /// `time`, if not as the gap says.
    pub time: Option<String>,
    /// `prev`, if not the leaf hash of the entry before.
    pub prev: Option<String>,
    /// `governance`, `case` and `stream` of the entry, where they are not as SPEC §5 says.
    pub pointers: [Option<Json>; 3],
    /// Changes the signatures as (keyid, base64) after they were sorted.
    pub edit_signatures: Edit<Vec<(String, String)>>,
    /// Changes the envelope's text.
    pub edit_envelope: Edit<String>,
    /// Changes the entry line.
    pub edit_line: Edit<String, Vec<u8>>,
}

/// The payload type of events.
pub const PAYLOAD_TYPE: &str = "application/vnd.countersign.event.v1+json";

impl Event {
    /// An event that its author alone would sign.
    pub fn new(label: &str, kind: &str, subject: &str, author: &str, body: Json) -> Self {
        Self {
            label: label.to_owned(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            case: None,
            author: author.to_owned(),
            after: After::Head,
            body,
            seal: None,
            occurred: None,
            more: Vec::new(),
            signatures: Vec::new(),
            disclosures: Vec::new(),
            id_name: None,
            edit_object: Edit::default(),
            edit_payload: Edit::default(),
            payload_type: PAYLOAD_TYPE.to_owned(),
            gap: 60_000,
            time: None,
            prev: None,
            pointers: [None, None, None],
            edit_signatures: Edit::default(),
            edit_envelope: Edit::default(),
            edit_line: Edit::default(),
        }
    }

    /// In a case.
    #[must_use]
    pub fn case(mut self, case: &str) -> Self {
        self.case = Some(case.to_owned());
        self
    }

    /// Signed by these keys too.
    #[must_use]
    pub fn signed<'a>(mut self, keys: impl IntoIterator<Item = &'a Key>) -> Self {
        self.signatures.extend(keys.into_iter().map(Signature::from));
        self
    }

    /// Signed by this key in this way.
    #[must_use]
    pub fn signed_how(mut self, key: &Key, how: How) -> Self {
        self.signatures.push(Signature { key: key.clone(), keyid: None, how });
        self
    }

    /// With one more member.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.more.push((name.to_owned(), value.into()));
        self
    }

    /// With this `after`.
    #[must_use]
    pub fn after(mut self, value: impl Into<Json>) -> Self {
        self.after = After::Value(value.into());
        self
    }

    /// With this `occurred`.
    #[must_use]
    pub fn occurred(mut self, value: Json) -> Self {
        self.occurred = Some(value);
        self
    }

    /// With these disclosures beside it.
    #[must_use]
    pub fn disclosing(mut self, disclosures: impl IntoIterator<Item = String>) -> Self {
        self.disclosures.extend(disclosures);
        self
    }

    /// With a change to the payload object.
    #[must_use]
    pub fn object(mut self, f: impl Fn(Json) -> Json + Send + Sync + 'static) -> Self {
        self.edit_object = Edit::new(f);
        self
    }

    /// With a change to the payload's text.
    #[must_use]
    pub fn payload(mut self, f: impl Fn(String) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.edit_payload = Edit::new(f);
        self
    }

    /// With a piece of the payload's text replaced by another, which must be there exactly once.
    #[must_use]
    pub fn payload_replace(self, from: &str, to: &str) -> Self {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.payload(move |text| replace_once(&text, &from, &to).into_bytes())
    }

    /// With a change to the entry line.
    #[must_use]
    pub fn line(mut self, f: impl Fn(String) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.edit_line = Edit::new(f);
        self
    }

    /// With a piece of the entry line replaced by another, which must be there exactly once.
    #[must_use]
    pub fn line_replace(self, from: &str, to: &str) -> Self {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.line(move |text| replace_once(&text, &from, &to).into_bytes())
    }

    /// Changes fields in place.
    #[must_use]
    pub fn with(mut self, f: impl FnOnce(&mut Self)) -> Self {
        f(&mut self);
        self
    }

    /// The stream to which it belongs.
    #[must_use]
    pub fn stream(&self) -> (Option<String>, String) {
        (self.case.clone(), self.subject.clone())
    }
}

/// Replaces a piece of text that must be there exactly once.
///
/// # Panics
///
/// If it is not there, or more than once: the vector would not show what it says.
#[must_use]
pub fn replace_once(text: &str, from: &str, to: &str) -> String {
    let n = text.matches(from).count();
    assert_eq!(n, 1, "{from:?} stands {n} times in {text}");
    text.replacen(from, to, 1)
}
