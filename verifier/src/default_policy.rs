//! The default signature policy (DOMAIN §2): what a ledger has where nobody chose otherwise, and where the policy in
//! force is another. The default decides nothing: every entry is judged by the table in the ledger (SPEC §9).

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use crate::json::parse;
use crate::policy::{CaseUse, KindRule, Table};
use crate::rule_text::{describe, in_order};

/// DOMAIN §2, row by row.
const DEFAULT: &str = r#"{
"ledger.created":{"case":"forbidden","rule":{"governance":true}},
"ledger.closed":{"case":"forbidden","rule":{"governance":true}},
"policy.changed":{"case":"forbidden","rule":{"governance":true}},
"governance.changed":{"case":"forbidden","rule":{"governance":true}},
"log_key.rotated":{"case":"forbidden","rule":{"governance":true}},
"party.enrolled":{"case":"forbidden","rule":{"governance":true}},
"party.amended":{"case":"forbidden","rule":{"governance":true}},
"party.succeeded":{"case":"forbidden","rule":{"all":[{"governance":true},{"party":"/body/successor"}]}},
"key.added":{"case":"forbidden","rule":{"any":[{"party":"/body/party"},{"governance":true}]}},
"key.retired":{"case":"forbidden","rule":{"party":"/body/party"}},
"key.revoked":{"case":"forbidden","rule":{"any":[{"party":"/body/party"},{"governance":true}]}},
"case.opened":{"case":"required","rule":{"all":[{"role":"donor"},{"role":"recipient"}]}},
"case.amended":{"case":"required","rule":{"all":[{"role":"donor"},{"role":"recipient"}]}},
"case.inspectors":{"case":"required","rule":{"any":[{"all":[{"role":"donor"},{"role":"recipient"}]},{"all":[{"role":"donor"},{"capacity":"oversight"}]}]}},
"case.closed":{"case":"required","rule":{"role":"donor"}},
"site.registered":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"implementer"}]}},
"site.certified":{"case":"required","rule":{"all":[{"role":"recipient"},{"any":[{"role":"implementer"},{"role":"inspector"}]}]}},
"transfer.authorized":{"case":"required","rule":{"role":"donor"}},
"transfer.cancelled":{"case":"required","rule":{"role":"donor"}},
"transfer.dispatched":{"case":"required","rule":{"any":[{"role":"donor"},{"role":"implementer"}]}},
"custody.handed_over":{"case":"required","rule":{"all":[{"party":"/body/from"},{"party":"/body/to"}]}},
"transfer.received":{"case":"required","rule":{"role":"recipient"}},
"receipt.attested":{"case":"required","rule":{"any":[{"role":"implementer"},{"role":"donor"}]}},
"transfer.not_received":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"implementer"},{"role":"carrier"}]}},
"discrepancy.reported":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"implementer"}]}},
"discrepancy.resolved":{"case":"required","rule":{"all":[{"role":"donor"},{"role":"recipient"}]}},
"title.transferred":{"case":"required","rule":{"all":[{"role":"donor"},{"role":"recipient"}]}},
"holding.declared":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"donor"}]}},
"items.identified":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"inspector"},{"role":"implementer"}]}},
"items.moved":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"custodian"}]}},
"items.expended":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"custodian"}]}},
"check.recorded":{"case":"required","rule":{"all":[{"role":"inspector"},{"any":[{"role":"recipient"},{"role":"custodian"}]}]}},
"check.unilateral":{"case":"required","rule":{"role":"inspector"}},
"self_report.recorded":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"custodian"}]}},
"loss.reported":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"custodian"},{"role":"carrier"},{"role":"donor"},{"role":"implementer"}]}},
"items.recovered":{"case":"required","rule":{"any":[{"role":"recipient"},{"role":"inspector"},{"role":"donor"}]}},
"retransfer.requested":{"case":"required","rule":{"role":"recipient"}},
"retransfer.decided":{"case":"required","rule":{"any":[{"role":"licensor"},{"role":"donor"}]}},
"retransfer.executed":{"case":"required","rule":{"all":[{"role":"recipient"},{"party":"/body/new_holder","role":"custodian"}]}},
"retransfer.ended":{"case":"required","rule":{"all":[{"role":"recipient"},{"party":"/body/new_holder","role":"custodian"}]}},
"end_use_change.requested":{"case":"required","rule":{"role":"recipient"}},
"end_use_change.decided":{"case":"required","rule":{"any":[{"role":"licensor"},{"role":"donor"}]}},
"items.demilitarized":{"case":"required","rule":{"all":[{"any":[{"role":"recipient"},{"role":"custodian"}]},{"party":"/body/witness","optional":true}]}},
"items.destroyed":{"case":"required","rule":{"all":[{"any":[{"role":"recipient"},{"role":"custodian"}]},{"party":"/body/witness","optional":true}]}},
"items.returned":{"case":"required","rule":{"all":[{"role":"recipient"},{"role":"donor"}]}},
"service.delivered":{"case":"required","rule":{"all":[{"any":[{"role":"implementer"},{"role":"donor"}]},{"role":"recipient"}]}},
"diversion.reported":{"case":"forbidden","rule":{"any_party":true}},
"investigation.opened":{"case":"forbidden","rule":{"any":[{"capacity":"oversight"},{"capacity":"donor"}]}},
"finding.recorded":{"case":"forbidden","rule":{"capacity":"oversight"}},
"remedy.ordered":{"case":"forbidden","rule":{"any":[{"capacity":"oversight"},{"capacity":"donor"}]}},
"remedy.accepted":{"case":"forbidden","rule":{"capacity":"oversight"}},
"incident.closed":{"case":"forbidden","rule":{"capacity":"oversight"}},
"incident.reopened":{"case":"forbidden","rule":{"any":[{"capacity":"oversight"},{"capacity":"donor"}]}},
"statement.disputed":{"case":"forbidden","rule":{"any_party":true}},
"evidence.added":{"case":"forbidden","rule":{"any_party":true}},
"response.recorded":{"case":"forbidden","rule":{"any_party":true}},
"remedy.completed":{"case":"forbidden","rule":{"any_party":true}},
"streams.sealed":{"case":"forbidden","rule":{"capacity":"operator"}},
"statement.corrected":{"case":"any","rule":{"corrected":true}}
}"#;

/// The most nesting of the table above.
const DEPTH: usize = 16;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let value = parse(DEFAULT.trim().as_bytes(), DEPTH).ok();
    value.and_then(|value| Table::read("", &value).ok()).unwrap_or_default()
});

/// How the policy in force differs from the default in a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The kind.
    pub kind: String,
    /// The entry since which it is so.
    pub seq: u64,
    /// The default, in words; `None` where the default has no such kind.
    pub before: Option<String>,
    /// The rule in force, in words; `None` where the kind is refused.
    pub after: Option<String>,
}

impl Difference {
    /// The word of reports.
    pub fn word(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "added",
            (Some(_), None) => "removed",
            (Some(_), Some(_)) => "changed",
        }
    }
}

/// Since when each row of the policy is as it is.
#[derive(Debug, Default)]
pub struct PolicyAge {
    since: HashMap<String, u64>,
}

impl PolicyAge {
    /// Notes that an entry replaced a table.
    pub fn replaced(&mut self, old: &Table, new: &Table, seq: u64) {
        let kinds = new.kinds().chain(old.kinds()).chain(TABLE.kinds());
        let changed: Vec<String> =
            kinds.filter(|kind| !same(old.rule(kind), new.rule(kind))).map(str::to_owned).collect();
        for kind in changed {
            self.since.insert(kind, seq);
        }
        // what is in neither table is like a kind that never was
        self.since.retain(|kind, _| new.rule(kind).is_some() || TABLE.rule(kind).is_some());
    }

    /// In what a table differs from the default, by kind: what it changes first, then what it adds, then what it lacks.
    pub fn differences(&self, table: &Table) -> Vec<Difference> {
        let kinds: BTreeMap<&str, ()> = table.kinds().chain(TABLE.kinds()).map(|kind| (kind, ())).collect();
        let differing = kinds.into_keys().filter(|kind| !same(TABLE.rule(kind), table.rule(kind)));
        let mut found: Vec<Difference> = differing
            .map(|kind| Difference {
                kind: kind.to_owned(),
                seq: self.since.get(kind).copied().unwrap_or(0),
                before: TABLE.rule(kind).map(words),
                after: table.rule(kind).map(words),
            })
            .collect();
        found.sort_by_key(|difference| (difference.after.is_none(), difference.before.is_none()));
        found
    }
}

fn case_words(case: CaseUse) -> &'static str {
    match case {
        CaseUse::Required => "in a case",
        CaseUse::Forbidden => "outside cases",
        CaseUse::Any => "in a case or outside",
    }
}

fn words(rule: &KindRule) -> String {
    format!("{}: {}", case_words(rule.case), describe(rule))
}

/// Whether two rows ask for the same, in whichever order they list it.
fn same(one: Option<&KindRule>, other: Option<&KindRule>) -> bool {
    let plain = |rule: &KindRule| (case_words(rule.case), in_order(rule));
    one.map(plain) == other.map(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_table() {
        assert_eq!(TABLE.kinds().count(), 59);
        let none = Table::default();
        let mut age = PolicyAge::default();
        age.replaced(&none, &TABLE, 0);
        assert_eq!(age.differences(&TABLE), []);
        assert_eq!(age.differences(&none).len(), 59);
    }
}
