//! The terms of a case, with the usual value of each that it does not set (DOMAIN §4).

use serde_json::Value;

use crate::book::Book;
use crate::event::codes::EvidenceGrade;
use crate::facts::statement::parse;
use crate::id::CaseId;

/// What is due in a case, and by when, as its opening and amendments have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whether end use is monitored closely.
    pub enhanced: bool,
    /// Whether a site is certified before anything is sent to it: usual where monitoring is enhanced.
    pub site_certificate_before_dispatch: bool,
    /// Days from expected arrival, or dispatch, to the receipt: usually 30.
    pub receipt_within: i64,
    /// Days from receipt to the first inventory: usually 90.
    pub initial_inventory_within: i64,
    /// Days between inventories; none where monitoring is routine and the case does not say, usually 365 otherwise.
    pub inventory_every: Option<i64>,
    /// Days between routine checks: usually 90.
    pub routine_check_every: i64,
    /// The least evidence that counts in an inventory: usually `scanned`.
    pub inventory_grade: EvidenceGrade,
    /// Days from when a loss became known to its report: usually 30.
    pub loss_report_within: i64,
    /// Days from receipt to a claim about a discrepancy: usually 365.
    pub discrepancy_claim_within: i64,
    /// Days from a diversion report to the opening of an investigation: usually 30.
    pub diversion_triage_within: i64,
    /// Years for which records are kept: usually 30.
    pub retain_years: i64,
}

impl Terms {
    /// The usual terms of a case that sets none.
    #[must_use]
    pub const fn usual(enhanced: bool) -> Self {
        Self {
            enhanced,
            site_certificate_before_dispatch: enhanced,
            receipt_within: 30,
            initial_inventory_within: 90,
            inventory_every: if enhanced { Some(365) } else { None },
            routine_check_every: 90,
            inventory_grade: EvidenceGrade::Scanned,
            loss_report_within: 30,
            discrepancy_claim_within: 365,
            diversion_triage_within: 30,
            retain_years: 30,
        }
    }

    /// Returns the terms of a case as they stand; the usual ones of a case that is not shown.
    #[must_use]
    pub fn of(book: &Book, case: &CaseId) -> Self {
        let enhanced = book.case_member(case, "monitoring").and_then(Value::as_str) == Some("enhanced");
        let usual = Self::usual(enhanced);
        let Some(set) = book.case_member(case, "terms") else { return usual };
        let number = |name: &str| set.get(name).and_then(Value::as_i64);
        let truth = |name: &str| set.get(name).and_then(Value::as_bool);
        let days = |name: &str, usual: i64| number(name).unwrap_or(usual);
        Self {
            enhanced,
            site_certificate_before_dispatch: truth("site_certificate_before_dispatch").unwrap_or(enhanced),
            receipt_within: days("receipt_within", usual.receipt_within),
            initial_inventory_within: days("initial_inventory_within", usual.initial_inventory_within),
            inventory_every: number("inventory_every").or(usual.inventory_every),
            routine_check_every: days("routine_check_every", usual.routine_check_every),
            inventory_grade: parse(set, "inventory_grade").unwrap_or(usual.inventory_grade),
            loss_report_within: days("loss_report_within", usual.loss_report_within),
            discrepancy_claim_within: days("discrepancy_claim_within", usual.discrepancy_claim_within),
            diversion_triage_within: days("diversion_triage_within", usual.diversion_triage_within),
            retain_years: days("retain_years", usual.retain_years),
        }
    }
}
