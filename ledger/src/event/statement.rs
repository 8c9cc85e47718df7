//! Bodies of statements about statements: disputes, evidence, responses, corrections (DOMAIN §2, SPEC §9).

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;

use super::codes::codes;
use super::common::{Broken, Reference, Rules};
use super::lists::List;
use super::scalars::Prose;
use crate::hash::EventHash;

/// `statement.disputed`: a party says that a statement is not right.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementDisputed {
    /// Which event.
    pub about: EventHash,
    /// What is not right, and why.
    #[schemars(extend("concealable" = true))]
    pub grounds: Prose<4096>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for StatementDisputed {}

/// `evidence.added`: files, named by the event, that bear on a statement.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceAdded {
    /// Which event.
    pub about: EventHash,
    /// What the files show.
    #[schemars(extend("concealable" = true))]
    pub material: Prose<4096>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for EvidenceAdded {}

/// `response.recorded`: a party answers a statement.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseRecorded {
    /// Which event.
    pub about: EventHash,
    /// What it answers.
    #[schemars(extend("concealable" = true))]
    pub response: Prose<4096>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for ResponseRecorded {}

codes! {
    /// Why an event is corrected.
    CorrectionReason {
        /// What it says did not happen.
        DidNotOccur = "did_not_occur",
        /// It happened, but not so.
        IncorrectData = "incorrect_data",
    }
}

/// The body that a correction puts in place of the corrected event's: an object, typed once that event's kind is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Replacement(Value);

impl Replacement {
    /// Makes a replacement of a body; `None` when it is no object.
    #[must_use]
    pub fn new(body: Value) -> Option<Self> {
        body.is_object().then_some(Self(body))
    }

    /// Returns the body.
    #[must_use]
    pub const fn as_value(&self) -> &Value {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Replacement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Value::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("an object"))
    }
}

impl JsonSchema for Replacement {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Replacement".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}

/// `statement.corrected`: who signed a statement takes it back, or says it anew.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "properties": { "reason": { "const": "incorrect_data" } }, "required": ["replacement"] },
    { "properties": { "reason": { "const": "did_not_occur" } }, "not": { "required": ["replacement"] } }
]))]
pub struct StatementCorrected {
    /// Why.
    pub reason: CorrectionReason,
    /// The body as it should have been, of the corrected event's kind: exactly with `incorrect_data`.
    pub replacement: Option<Replacement>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for StatementCorrected {
    fn check(&self) -> Result<(), Broken> {
        match (self.reason, &self.replacement) {
            (CorrectionReason::IncorrectData, None) => {
                Err(Broken::new("/replacement", "this member with incorrect_data", "nothing"))
            }
            (CorrectionReason::DidNotOccur, Some(_)) => {
                Err(Broken::new("/replacement", "no such member with did_not_occur", "this member"))
            }
            _ => Ok(()),
        }
    }
}
