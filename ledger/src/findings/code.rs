//! The one table of findings (DOMAIN §5): code, severity, trigger, clock, grades, grouping, what clears it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To know.
    Info,
    /// To be mended.
    Warning,
    /// Somebody has to answer for it.
    Serious,
}

impl Severity {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Serious => "serious",
        }
    }
}

/// What one finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// One item each.
    Item,
    /// One subject: a consignment, a check, an incident, with all its items.
    Subject,
    /// One case.
    Case,
    /// One entry.
    Entry,
}

/// What there is to know of a code.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CodeInfo {
    /// Its name.
    pub code: &'static str,
    /// How serious it is.
    pub severity: Severity,
    /// What one finding is about.
    pub grouping: Grouping,
    /// What raises it.
    pub trigger: &'static str,
    /// What starts the clock, and the term that ends it; empty where there is none.
    pub clock: &'static str,
    /// Which grades of evidence count; empty where it does not matter.
    pub grades: &'static str,
    /// What clears it.
    pub clears: &'static str,
}

macro_rules! codes {
    ($($name:ident $text:literal $severity:ident $grouping:ident, $trigger:literal, $clock:literal, $grades:literal, $clears:literal;)+) => {
        /// What a finding says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $trigger] $name),+
        }

        impl Code {
            /// Every code, in the order of DOMAIN §5.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns what there is to know of it.
            #[must_use]
            pub const fn info(self) -> CodeInfo {
                match self {
                    $(Self::$name => CodeInfo {
                        code: $text,
                        severity: Severity::$severity,
                        grouping: Grouping::$grouping,
                        trigger: $trigger,
                        clock: $clock,
                        grades: $grades,
                        clears: $clears,
                    }),+
                }
            }
        }
    };
}

codes! {
    ReceiptOverdue "RECEIPT_OVERDUE" Warning Subject,
        "a dispatch has no receipt of all its lines by the deadline", "`expected`, else the end of the dispatch's interval; `receipt_within`", "of an attestation, any but `not_seen`",
        "a receipt that is whole or says `last`, parts that add up to all, `receipt.attested` about the dispatch, or `transfer.not_received`";
    InitialInventoryOverdue "INITIAL_INVENTORY_OVERDUE" Warning Subject,
        "items of a consignment were not inventoried after their receipt", "the end of the receipt's interval; `initial_inventory_within`", "`inventory_grade` or better",
        "a check, or a self-report where `inventory_grade` is `self_declared`, that names every item";
    InventoryOverdue "INVENTORY_OVERDUE" Serious Case,
        "items of a case under enhanced monitoring were not inventoried for longer than the term", "the last inventory that counts, else the receipt; `inventory_every`", "`inventory_grade` or better",
        "a check that counts, of each item";
    RoutineCheckOverdue "ROUTINE_CHECK_OVERDUE" Warning Case,
        "no check of any kind was made in a case that holds items", "the last check, or the first receipt or holding where that is later; `routine_check_every`", "any but `not_seen`",
        "a check with access that is not refused, which saw an item";
    LossReportedLate "LOSS_REPORTED_LATE" Warning Subject,
        "a loss was recorded after the deadline", "`known`, else the end of the loss's interval; `loss_report_within`", "",
        "nothing: it stays on record";
    LossWithoutDate "LOSS_WITHOUT_DATE" Warning Subject,
        "a loss report says neither when it happened nor when it became known", "", "",
        "a correction that says when";
    QuantityShort "QUANTITY_SHORT" Serious Subject,
        "fewer of a line were received than sent (a serial is absent, or the sum of the parts is less), and the receipt is whole or `last`, the line is said not to have come, or the deadline of a receipt in parts is over", "as `RECEIPT_OVERDUE`, unless the receipt is whole or `last`", "",
        "`discrepancy.resolved` for as many, not as `withdrawn`; a correction";
    QuantityOver "QUANTITY_OVER" Warning Subject,
        "more of a line were received than sent", "", "",
        "`discrepancy.resolved` for as many, not as `withdrawn`; a correction";
    ItemUnexpected "ITEM_UNEXPECTED" Warning Item,
        "an item was received that was not sent", "", "",
        "`discrepancy.resolved` of a claim about its line, not as `withdrawn`, or `items.identified`";
    ItemUnmatched "ITEM_UNMATCHED" Warning Entry,
        "a statement names an item that no description, or more than one, fits", "", "",
        "a description, `items.identified`, or a correction";
    ItemDamaged "ITEM_DAMAGED" Warning Subject,
        "items were received damaged, or in a condition that is neither `serviceable` nor `unknown`", "", "of a sighting, any but `not_seen`",
        "`discrepancy.resolved` of a claim about the line, not as `withdrawn`; of a serial also a later check or self-report in serviceable condition";
    UnitMismatch "UNIT_MISMATCH" Warning Subject,
        "a statement counts a line in a unit that is neither the line's nor what it contains", "", "",
        "a correction, or a later statement of the kind that counts the line in a unit that fits";
    DispatchExceedsAuthorization "DISPATCH_EXCEEDS_AUTHORIZATION" Serious Subject,
        "more was sent under an authorization line than all its authorizations allow, or it was sent on a day after they were cancelled", "", "",
        "an authorization of as much more, or a correction";
    DispatchWithoutAuthorization "DISPATCH_WITHOUT_AUTHORIZATION" Serious Subject,
        "a dispatch line names no authorization line, or one that does not exist", "", "",
        "a correction that names it";
    SiteNotCertified "SITE_NOT_CERTIFIED" Serious Subject,
        "items were sent to, or found by a check at, a site of whose code no certificate was in force that day, where the terms ask for one", "the dispatch or check; `site_certificate_before_dispatch`", "",
        "a `site.certified` that was in force that day, or a correction";
    SiteCertificateExpired "SITE_CERTIFICATE_EXPIRED" Warning Subject,
        "the certificate of a site that holds items has expired", "`valid_until`", "",
        "a new `site.certified`, or that no item is there any more";
    DuplicateSerial "DUPLICATE_SERIAL" Serious Item,
        "maker, model or stock number, and serial are described twice, both alive", "", "",
        "`items.identified`, a correction, or the end of one of the two";
    SeenAfterTerminal "SEEN_AFTER_TERMINAL" Serious Item,
        "an item is stated to be there after it was stated to be expended, destroyed, demilitarized or returned", "", "all but `not_seen`",
        "a correction of one of the two, or `items.recovered`";
    InTwoPlaces "IN_TWO_PLACES" Serious Item,
        "an item was found at two sites on one date", "", "`photographed` or better",
        "a correction of one of the two, or `items.moved` on that date";
    NotSeenInInventory "NOT_SEEN_IN_INVENTORY" Serious Item,
        "an inventory looked for an item and did not find it", "", "",
        "a later sighting, a loss report, a disposal, or a return";
    NeverInspected "NEVER_INSPECTED" Info Item,
        "an item in custody was never seen by an inspector", "", "`documented` or better, by an inspector",
        "a check that saw it";
    AccessRefused "ACCESS_REFUSED" Serious Subject,
        "inspectors were refused access, or given part of it", "", "",
        "a later check of that site, or of the case, with full access";
    UnilateralCheck "UNILATERAL_CHECK" Warning Subject,
        "an inspector recorded a check that the recipient did not sign", "", "",
        "a check of the same subject that both signed";
    RetransferWithoutConsent "RETRANSFER_WITHOUT_CONSENT" Serious Subject,
        "items went to another holder without consent in force, or against a denial", "", "",
        "a correction; consent given later does not clear it";
    ConsentExpired "CONSENT_EXPIRED" Serious Subject,
        "a temporary retransfer went on after its end, or consent was used after it expired", "`expires`, `ends`", "",
        "`retransfer.ended`, or a new consent";
    ConflictingDecisions "CONFLICTING_DECISIONS" Warning Subject,
        "one request was granted and denied: the denial prevails", "", "",
        "a correction of one of the two";
    EndUserNotPermitted "END_USER_NOT_PERMITTED" Serious Subject,
        "an authorization names, or a retransfer went to, an end user that neither the case nor a consent permits", "", "",
        "a case amendment that permits it, consent to that holder, or a correction";
    DisposalWithoutWitness "DISPOSAL_WITHOUT_WITNESS" Warning Subject,
        "items were destroyed or demilitarized without a witness that signed", "", "",
        "a correction, or evidence added by a party that did not dispose of them";
    DiscrepancyUnresolved "DISCREPANCY_UNRESOLVED" Warning Subject,
        "a discrepancy was reported and not all its lines are resolved", "", "",
        "`discrepancy.resolved` about it, for every line";
    DiscrepancyLate "DISCREPANCY_LATE" Warning Subject,
        "a discrepancy was reported after the deadline", "the end of the interval of the last receipt before it that names its lines; `discrepancy_claim_within`", "",
        "nothing: it stays on record";
    TitlePending "TITLE_PENDING" Info Subject,
        "a receipt that is whole or `last` has items of which title was not transferred", "the end of the receipt's interval", "",
        "`title.transferred` of the line, or of every serial that came";
    DiversionOpen "DIVERSION_OPEN" Serious Subject,
        "an incident is not closed", "", "",
        "`incident.closed` by a party that is not accused, citing a finding";
    DiversionUntriaged "DIVERSION_UNTRIAGED" Serious Subject,
        "a diversion report led to no investigation", "when it was recorded; `diversion_triage_within` of its cases, else 30", "",
        "`investigation.opened` or `finding.recorded` by a party that is not accused";
    RemedyOverdue "REMEDY_OVERDUE" Serious Entry,
        "a remedy was ordered and not completed by its responsible party", "`due`", "",
        "`remedy.completed` by the responsible party if it is not accused, or `remedy.accepted` by one who is not";
    StatementDisputed "STATEMENT_DISPUTED" Warning Entry,
        "a party says that a statement is not right", "", "",
        "a correction that takes effect and changes what the statement says, or annuls it";
    CorrectedAfterCountersignature "CORRECTED_AFTER_COUNTERSIGNATURE" Serious Entry,
        "a statement on which others rest was corrected without them: the correction has no effect", "", "",
        "a correction that they sign too";
    SignedUnseen "SIGNED_UNSEEN" Info Entry,
        "a statement was signed on top of an earlier one of its stream though another party had spoken since", "", "",
        "nothing: it stays on record";
    SuspectKey "SUSPECT_KEY" Serious Entry,
        "a statement was signed with a key from the time from which it is suspect", "`suspect_from`", "",
        "the same statement signed again with another key";
    KeyAddedByGovernance "KEY_ADDED_BY_GOVERNANCE" Warning Entry,
        "governance added a key to a party without a key of the party", "", "",
        "the party signs with an older key afterwards, be it to retire the new one";
    LateRecording "LATE_RECORDING" Info Entry,
        "a statement was recorded long after what it states, and names no source", "the end of its interval; 30 days", "",
        "nothing: it stays on record";
    CaseClosedWithOpen "CASE_CLOSED_WITH_OPEN" Serious Case,
        "a case was closed with items unaccounted for or findings open", "", "",
        "what clears those findings";
    ClosedByAccused "CLOSED_BY_ACCUSED" Serious Entry,
        "a party named in `against` acted to close, or to find on, its own incident: the act clears nothing", "", "",
        "the same act by a party that is not accused";
}

impl Code {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.info().code
    }

    /// Returns how serious it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        self.info().severity
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        found.ok_or_else(|| format!("expected the code of a finding, found {text:?}"))
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
