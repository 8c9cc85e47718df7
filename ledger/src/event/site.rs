//! Bodies about sites: where items are kept (DOMAIN §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::common::{Broken, Reference, Rules};
use super::lists::{Distinct, List};
use super::place::{Place, check_place};
use super::scalars::{Label, Prose};
use crate::time::Date;

/// `site.registered`: a site under the code by which checks name it. Where it is may stay unsaid.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteRegistered {
    /// Its code.
    pub code: Label<64>,
    /// What it is called.
    #[schemars(extend("concealable" = true))]
    pub name: Option<Label<200>>,
    /// Where it is.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for SiteRegistered {
    fn check(&self) -> Result<(), Broken> {
        check_place("/place", self.place.as_ref())
    }
}

/// `site.certified`: the site has what the items need to be safe there.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteCertified {
    /// What was found to be in place: fence, alarm, guard.
    pub measures: Distinct<Label<200>, 1, 64>,
    /// The last date on which the certificate holds.
    pub valid_until: Date,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for SiteCertified {}
