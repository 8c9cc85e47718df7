//! The policy table that `init` writes unless told otherwise: DOMAIN §2, for every kind of version 1.

use crate::capacity::Capacity;
use crate::capacity::Capacity::{
    Carrier, Custodian, Donor, Implementer, Inspector, Licensor, Operator, Oversight, Recipient,
};
use crate::rule::{CORRECTION, CaseUse, KindPolicy, Policy, PolicyFormError, Rule};

fn role(role: Capacity) -> Rule {
    Rule::Role { role, keys: 1 }
}

fn capacity(capacity: Capacity) -> Rule {
    Rule::Capacity { capacity, keys: 1 }
}

fn party(pointer: &str) -> Rule {
    Rule::Party { pointer: pointer.to_owned(), role: None, optional: false, keys: 1 }
}

fn party_as(pointer: &str, role: Capacity) -> Rule {
    Rule::Party { pointer: pointer.to_owned(), role: Some(role), optional: false, keys: 1 }
}

fn party_if_named(pointer: &str) -> Rule {
    Rule::Party { pointer: pointer.to_owned(), role: None, optional: true, keys: 1 }
}

fn all<const N: usize>(rules: [Rule; N]) -> Rule {
    Rule::All(rules.into())
}

fn any<const N: usize>(rules: [Rule; N]) -> Rule {
    Rule::Any(rules.into())
}

fn any_role<const N: usize>(roles: [Capacity; N]) -> Rule {
    Rule::Any(roles.map(role).into())
}

/// The rows of SPEC §8.
fn authority_rows() -> Vec<(&'static str, CaseUse, Rule)> {
    use CaseUse::{Forbidden, Required};
    let mut rows: Vec<(&str, CaseUse, Rule)> = [
        "ledger.created",
        "ledger.closed",
        "policy.changed",
        "governance.changed",
        "log_key.rotated",
        "party.enrolled",
        "party.amended",
    ]
    .map(|kind| (kind, Forbidden, Rule::Governance))
    .into();
    rows.extend([
        ("party.succeeded", Forbidden, all([Rule::Governance, party("/body/successor")])),
        ("key.added", Forbidden, any([party("/body/party"), Rule::Governance])),
        ("key.retired", Forbidden, party("/body/party")),
        ("key.revoked", Forbidden, any([party("/body/party"), Rule::Governance])),
        ("case.opened", Required, all([role(Donor), role(Recipient)])),
        ("case.amended", Required, all([role(Donor), role(Recipient)])),
        (
            "case.inspectors",
            Required,
            any([all([role(Donor), role(Recipient)]), all([role(Donor), capacity(Oversight)])]),
        ),
        ("case.closed", Required, role(Donor)),
    ]);
    rows
}

/// The rows of DOMAIN §2 that need a case.
fn case_rows() -> Vec<(&'static str, Rule)> {
    vec![
        ("site.registered", any_role([Recipient, Implementer])),
        ("site.certified", all([role(Recipient), any_role([Implementer, Inspector])])),
        ("transfer.authorized", role(Donor)),
        ("transfer.cancelled", role(Donor)),
        ("transfer.dispatched", any_role([Donor, Implementer])),
        ("custody.handed_over", all([party("/body/from"), party("/body/to")])),
        ("transfer.received", role(Recipient)),
        ("receipt.attested", any_role([Implementer, Donor])),
        ("transfer.not_received", any_role([Recipient, Implementer, Carrier])),
        ("discrepancy.reported", any_role([Recipient, Implementer])),
        ("discrepancy.resolved", all([role(Donor), role(Recipient)])),
        ("title.transferred", all([role(Donor), role(Recipient)])),
        ("holding.declared", any_role([Recipient, Donor])),
        ("items.identified", any_role([Recipient, Inspector, Implementer])),
        ("items.moved", any_role([Recipient, Custodian])),
        ("items.expended", any_role([Recipient, Custodian])),
        ("check.recorded", all([role(Inspector), any_role([Recipient, Custodian])])),
        ("check.unilateral", role(Inspector)),
        ("self_report.recorded", any_role([Recipient, Custodian])),
        ("loss.reported", any_role([Recipient, Custodian, Carrier, Donor, Implementer])),
        ("items.recovered", any_role([Recipient, Inspector, Donor])),
        ("retransfer.requested", role(Recipient)),
        ("retransfer.decided", any_role([Licensor, Donor])),
        ("retransfer.executed", all([role(Recipient), party_as("/body/new_holder", Custodian)])),
        ("retransfer.ended", all([role(Recipient), party_as("/body/new_holder", Custodian)])),
        ("end_use_change.requested", role(Recipient)),
        ("end_use_change.decided", any_role([Licensor, Donor])),
        ("items.demilitarized", all([any_role([Recipient, Custodian]), party_if_named("/body/witness")])),
        ("items.destroyed", all([any_role([Recipient, Custodian]), party_if_named("/body/witness")])),
        ("items.returned", all([role(Recipient), role(Donor)])),
        ("service.delivered", all([any_role([Implementer, Donor]), role(Recipient)])),
    ]
}

/// The rows of DOMAIN §2 without a case.
fn caseless_rows() -> Vec<(&'static str, Rule)> {
    let oversight_or_donor = || any([capacity(Oversight), capacity(Donor)]);
    vec![
        ("diversion.reported", Rule::AnyParty),
        ("investigation.opened", oversight_or_donor()),
        ("finding.recorded", capacity(Oversight)),
        ("remedy.ordered", oversight_or_donor()),
        ("remedy.accepted", capacity(Oversight)),
        ("incident.closed", capacity(Oversight)),
        ("incident.reopened", oversight_or_donor()),
        ("statement.disputed", Rule::AnyParty),
        ("evidence.added", Rule::AnyParty),
        ("response.recorded", Rule::AnyParty),
        ("remedy.completed", Rule::AnyParty),
        ("streams.sealed", capacity(Operator)),
    ]
}

/// Returns the default policy table.
///
/// # Errors
/// Never on the table that stands here; a test reads it. The table goes through the one reader that judges them all.
pub fn default_policy() -> Result<Policy, PolicyFormError> {
    let with = |case: CaseUse| move |(kind, rule): (&'static str, Rule)| (kind, case, rule);
    let rows = authority_rows()
        .into_iter()
        .chain(case_rows().into_iter().map(with(CaseUse::Required)))
        .chain(caseless_rows().into_iter().map(with(CaseUse::Forbidden)))
        .chain([(CORRECTION, CaseUse::Any, Rule::Corrected)]);
    Policy::from_rows(rows.map(|(kind, case, rule)| (kind, KindPolicy { case, rule })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_default_is_well_formed_and_reads_back() {
        let policy = default_policy().unwrap();
        assert_eq!(Policy::from_value(&policy.to_value()).unwrap(), policy);
        assert_eq!(policy.rows().count(), 15 + 31 + 12 + 1);
    }
}
