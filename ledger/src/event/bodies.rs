//! The bodies of events by kind, and the one table of the kinds that this version reads (SPEC §8, DOMAIN §2).
//!
//! Adding a kind is one struct with its rules and one line in the table below.

use std::fmt;

use serde_json::Value;

use super::authority_bodies::{
    GovernanceChanged, KeyAdded, KeyRetired, KeyRevoked, LedgerClosed, LedgerCreated, LogKeyRotated, PartyAmended,
    PartyEnrolled, PartySucceeded, PolicyChanged,
};
use super::case::{CaseAmended, CaseClosed, CaseInspectors, CaseOpened};
use super::check::{CheckRecorded, CheckUnilateral, SelfReportRecorded};
use super::codes::CodeNote;
use super::common::{Broken, Rules};
use super::custody::{CustodyHandedOver, TitleTransferred};
use super::discrepancy::{DiscrepancyReported, DiscrepancyResolved, TransferNotReceived};
use super::disposal::{ItemsDemilitarized, ItemsDestroyed, ItemsReturned};
use super::holding::HoldingDeclared;
use super::incident::{DiversionReported, FindingRecorded, IncidentClosed, IncidentReopened, InvestigationOpened};
use super::loss::{ItemsRecovered, LossReported};
use super::movement::{ItemsExpended, ItemsIdentified, ItemsMoved};
use super::reader::{self, Fault};
use super::remedy::{RemedyAccepted, RemedyCompleted, RemedyOrdered};
use super::retransfer::{
    EndUseChangeDecided, EndUseChangeRequested, RetransferDecided, RetransferEnded, RetransferExecuted,
    RetransferRequested,
};
use super::seal::StreamsSealed;
use super::service::ServiceDelivered;
use super::site::{SiteCertified, SiteRegistered};
use super::statement::{EvidenceAdded, ResponseRecorded, StatementCorrected, StatementDisputed};
use super::transfer::{ReceiptAttested, TransferAuthorized, TransferCancelled, TransferDispatched, TransferReceived};
use crate::id::Kind;
use crate::rule::CaseUse;

/// The pointer of the body within a payload.
const ROOT: &str = "/body";

/// Tells why a body is not of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// This version does not read the kind.
    #[error("unknown kind {kind}")]
    UnknownKind {
        /// The kind.
        kind: Kind,
    },
    /// A member is missing, unknown or not of its form, or a rule between members does not hold.
    #[error("{path}: expected {expected}, found {found}")]
    Form {
        /// The JSON Pointer from the payload's root, such as `/body/lines/3/quantity`.
        path: String,
        /// What should stand there.
        expected: String,
        /// What stands there, shortened.
        found: String,
    },
}

impl BodyError {
    fn of_fault(root: &str, fault: Fault) -> Self {
        let (path, expected, found) = fault.into_parts(root);
        Self::Form { path, expected, found }
    }

    fn of_broken(root: &str, broken: Broken) -> Self {
        let Broken { path, expected, found } = broken.under(root);
        Self::Form { path, expected, found }
    }

    /// Returns the JSON Pointer of the culprit; that of the kind when the kind is unknown.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::UnknownKind { .. } => "/kind",
            Self::Form { path, .. } => path,
        }
    }
}

/// What there is to know of a kind.
#[derive(Clone, Copy)]
pub struct KindInfo {
    /// Its name.
    pub kind: &'static str,
    /// The subject type of its events; `None` where it is that of the corrected event.
    pub subject_type: Option<&'static str>,
    /// Whether its events name a case, under the default policy.
    pub case: CaseUse,
    /// What it says, in a few words.
    pub summary: &'static str,
    /// Writes the schema of its body.
    pub(crate) schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

impl fmt::Debug for KindInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindInfo").field("kind", &self.kind).field("subject_type", &self.subject_type).finish()
    }
}

fn read<T: serde::de::DeserializeOwned + Rules>(body: &Value, root: &str) -> Result<T, BodyError> {
    let read: T = reader::read(body).map_err(|fault| BodyError::of_fault(root, fault))?;
    read.check().map_err(|broken| BodyError::of_broken(root, broken))?;
    Ok(read)
}

macro_rules! kinds {
    ($($kind:literal $subject:expr, $case:ident, $name:ident, $summary:literal;)+) => {
        /// The body of an event, by its kind.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Body {
            $(#[doc = concat!("`", $kind, "`: ", $summary, ".")] $name(Box<$name>)),+
        }

        const KINDS: &[KindInfo] = &[
            $(KindInfo {
                kind: $kind,
                subject_type: $subject,
                case: CaseUse::$case,
                summary: $summary,
                schema: <$name as schemars::JsonSchema>::json_schema,
            }),+
        ];

        impl Body {
            /// Reads a body whose pointer is `root`.
            fn parse_under(kind: &Kind, body: &Value, root: &str) -> Result<Self, BodyError> {
                match kind.as_str() {
                    $($kind => read(body, root).map(|read| Self::$name(Box::new(read))),)+
                    _ => Err(BodyError::UnknownKind { kind: kind.clone() }),
                }
            }

            /// Returns the name of its kind.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $kind),+
                }
            }

            /// Writes the body as JSON, as an event has it.
            #[must_use]
            pub fn to_value(&self) -> Value {
                let value = match self {
                    $(Self::$name(body) => serde_json::to_value(body)),+
                };
                value.expect("bodies have string names and no maps that can fail")
            }

            fn rules(&self) -> &dyn Rules {
                match self {
                    $(Self::$name(body) => &**body),+
                }
            }
        }

        $(impl From<$name> for Body {
            fn from(body: $name) -> Self {
                Self::$name(Box::new(body))
            }
        })+
    };
}

kinds! {
    "ledger.created" Some("ledger"), Forbidden, LedgerCreated, "the ledger begins";
    "ledger.closed" Some("ledger"), Forbidden, LedgerClosed, "the ledger ends";
    "policy.changed" Some("ledger"), Forbidden, PolicyChanged, "a new signature policy";
    "governance.changed" Some("ledger"), Forbidden, GovernanceChanged, "a new governance quorum";
    "log_key.rotated" Some("ledger"), Forbidden, LogKeyRotated, "a new key signs checkpoints";
    "party.enrolled" Some("party"), Forbidden, PartyEnrolled, "a party with its first keys";
    "party.amended" Some("party"), Forbidden, PartyAmended, "a party's name, country or capacities change";
    "party.succeeded" Some("party"), Forbidden, PartySucceeded, "another party takes a party's place";
    "key.added" Some("party"), Forbidden, KeyAdded, "a new key of a party";
    "key.retired" Some("party"), Forbidden, KeyRetired, "a key is no longer used";
    "key.revoked" Some("party"), Forbidden, KeyRevoked, "a key is in wrong hands";
    "case.opened" Some("case"), Required, CaseOpened, "a case with its roles and terms";
    "case.amended" Some("case"), Required, CaseAmended, "a case's roles or terms change";
    "case.inspectors" Some("case"), Required, CaseInspectors, "a case's inspectors change";
    "case.closed" Some("case"), Required, CaseClosed, "a case is done";
    "site.registered" Some("site"), Required, SiteRegistered, "a site under its code";
    "site.certified" Some("site"), Required, SiteCertified, "a site has what items need to be safe";
    "transfer.authorized" Some("authorization"), Required, TransferAuthorized, "what a donor will send";
    "transfer.cancelled" Some("authorization"), Required, TransferCancelled, "an authorization is taken back";
    "transfer.dispatched" Some("consignment"), Required, TransferDispatched, "what was sent";
    "custody.handed_over" Some("consignment"), Required, CustodyHandedOver, "a consignment changes hands on its way";
    "transfer.received" Some("consignment"), Required, TransferReceived, "what arrived";
    "receipt.attested" Some("consignment"), Required, ReceiptAttested, "a third party confirms what arrived";
    "transfer.not_received" Some("consignment"), Required, TransferNotReceived, "what was refused or did not arrive";
    "discrepancy.reported" Some("consignment"), Required, DiscrepancyReported, "how a receipt differs from its papers";
    "discrepancy.resolved" Some("consignment"), Required, DiscrepancyResolved, "how a discrepancy was settled";
    "title.transferred" Some("consignment"), Required, TitleTransferred, "what is the recipient's from now on";
    "holding.declared" Some("holding"), Required, HoldingDeclared, "what was there before the ledger";
    "items.identified" Some("item_link"), Required, ItemsIdentified, "two descriptions or marks of one item";
    "items.moved" Some("movement"), Required, ItemsMoved, "items are elsewhere";
    "items.expended" Some("movement"), Required, ItemsExpended, "items are used up";
    "check.recorded" Some("check"), Required, CheckRecorded, "what inspector and recipient found together";
    "check.unilateral" Some("check"), Required, CheckUnilateral, "what an inspector found alone";
    "self_report.recorded" Some("check"), Required, SelfReportRecorded, "what a holder says that nobody inspected";
    "loss.reported" Some("loss"), Required, LossReported, "items are gone";
    "items.recovered" Some("loss"), Required, ItemsRecovered, "items that were gone are back";
    "retransfer.requested" Some("retransfer"), Required, RetransferRequested, "a recipient asks to pass items on";
    "retransfer.decided" Some("retransfer"), Required, RetransferDecided, "whether items may be passed on";
    "retransfer.executed" Some("retransfer"), Required, RetransferExecuted, "a new holder has the items";
    "retransfer.ended" Some("retransfer"), Required, RetransferEnded, "the recipient has them back";
    "end_use_change.requested" Some("retransfer"), Required, EndUseChangeRequested, "a recipient asks for another use";
    "end_use_change.decided" Some("retransfer"), Required, EndUseChangeDecided, "whether items may be used otherwise";
    "items.demilitarized" Some("disposal"), Required, ItemsDemilitarized, "items were made unusable";
    "items.destroyed" Some("disposal"), Required, ItemsDestroyed, "items were destroyed under control";
    "items.returned" Some("return"), Required, ItemsReturned, "items are with the donor again";
    "service.delivered" Some("service"), Required, ServiceDelivered, "training or a service was given";
    "diversion.reported" Some("incident"), Forbidden, DiversionReported, "items where they should not be";
    "investigation.opened" Some("incident"), Forbidden, InvestigationOpened, "somebody looks into an incident";
    "finding.recorded" Some("incident"), Forbidden, FindingRecorded, "what an investigation came to";
    "remedy.ordered" Some("incident"), Forbidden, RemedyOrdered, "a party has to put something right";
    "remedy.accepted" Some("incident"), Forbidden, RemedyAccepted, "it is put right";
    "incident.closed" Some("incident"), Forbidden, IncidentClosed, "nothing more is to be done";
    "incident.reopened" Some("incident"), Forbidden, IncidentReopened, "there is more to be done";
    "statement.disputed" Some("statement"), Forbidden, StatementDisputed, "a party says that a statement is not right";
    "evidence.added" Some("statement"), Forbidden, EvidenceAdded, "files that bear on a statement";
    "response.recorded" Some("statement"), Forbidden, ResponseRecorded, "a party answers a statement";
    "remedy.completed" Some("statement"), Forbidden, RemedyCompleted, "a party says that it is put right";
    "streams.sealed" Some("seal"), Forbidden, StreamsSealed, "what every stream has, so that nothing can be left out";
    "statement.corrected" None, Any, StatementCorrected, "who signed a statement says it anew";
}

/// Returns every kind that this version reads, authority kinds first.
#[must_use]
pub const fn kinds() -> &'static [KindInfo] {
    KINDS
}

/// Finds a kind by its name.
#[must_use]
pub fn kind_info(kind: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|info| info.kind == kind)
}

impl Body {
    /// Reads a body of a kind, with all its disclosures put back.
    ///
    /// # Errors
    /// When this version does not read the kind, or the body is not of its form; the error names the place.
    pub fn parse(kind: &Kind, body: &Value) -> Result<Self, BodyError> {
        Self::parse_under(kind, body, ROOT)
    }

    /// Reads the replacement body of a correction as a body of the corrected event's kind.
    ///
    /// # Errors
    /// As [`Body::parse`], with pointers under `/body/replacement`.
    pub fn parse_replacement(corrected: &Kind, replacement: &Value) -> Result<Self, BodyError> {
        Self::parse_under(corrected, replacement, "/body/replacement")
    }

    /// Returns what a reader should know about codes that were accepted, with their pointers from the payload's root.
    #[must_use]
    pub fn notes(&self) -> Vec<(String, CodeNote)> {
        let mut notes = Vec::new();
        self.rules().notes(&mut |path, note| notes.push((format!("{ROOT}{path}"), note)));
        notes
    }
}
