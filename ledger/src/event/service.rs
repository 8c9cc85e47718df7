//! The body of `service.delivered`: training and services that go with equipment (DOMAIN §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::codes;
use super::common::{Broken, Money, Reference, Rules};
use super::lists::List;
use super::place::{Place, check_place};
use super::scalars::{Label, Participants, Prose, Quantity};

codes! {
    /// What a service is.
    ServiceType {
        /// Teaching.
        Training = "training",
        /// Transport, storage, supply.
        Logistics = "logistics",
        /// Upkeep and repair.
        Maintenance = "maintenance",
        /// Advisers.
        Advice = "advice",
    }
}

/// `service.delivered`: a service was given and taken.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["participants"] }, { "required": ["hours"] }]))]
pub struct ServiceDelivered {
    /// What it is.
    #[serde(rename = "type")]
    pub service_type: ServiceType,
    /// How many people took part.
    pub participants: Option<Participants>,
    /// How many hours were given.
    pub hours: Option<Quantity>,
    /// Which course.
    pub course: Option<Label<200>>,
    /// What it was worth.
    pub value: Option<Money>,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for ServiceDelivered {
    fn check(&self) -> Result<(), Broken> {
        if self.participants.is_none() && self.hours.is_none() {
            return Err(Broken::new("", "at least one of participants, hours", "neither"));
        }
        check_place("/place", self.place.as_ref())
    }
}
