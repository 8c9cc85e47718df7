//! Bodies of the authority kinds (SPEC §6, §8): a closed set of members for each, read into what they change.

use crate::capacity::{Capacities, Capacity};
use crate::fields::{Fields, Malformed, distinct_texts, shown, texts};
use crate::hash::KeyId;
use crate::json::{MAX_INTEGER, Value};
use crate::keys::PublicKey;
use crate::note::{VKey, VKeyKind};
use crate::policy::Table;
use crate::scalar::{is_origin, is_party_id, is_pattern};
use crate::time::Instant;

/// The most bytes of a text in these bodies (SPEC §8).
const MAX_TEXT: usize = 4096;
const TEXT: &str = "a text of at most 4096 bytes";
/// The most parties of a case (SPEC §12).
pub const MAX_CASE_PARTIES: usize = 256;

/// A party key as an event introduces it: K of SPEC §8.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// The key.
    pub public_key: PublicKey,
    /// The office that holds it.
    pub holder: String,
    /// Patterns of the kinds that it may sign.
    pub uses: Vec<String>,
    /// The last moment at which it counts.
    pub not_after: Option<Instant>,
}

/// The governance that an event sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewGovernance {
    /// How many keys make the quorum.
    pub threshold: usize,
    /// The keys.
    pub keys: Vec<PublicKey>,
}

/// Role to party ids, as an event binds them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Roles(pub Vec<(Capacity, Vec<String>)>);

/// What an authority event changes; members without effect on authority are checked and dropped.
#[derive(Debug)]
pub enum Act {
    /// `ledger.created`
    LedgerCreated {
        /// The log's name.
        origin: String,
        /// The first log key.
        log_key: VKey,
        /// The first governance.
        governance: NewGovernance,
        /// The first policy.
        policy: Table,
    },
    /// `ledger.closed`
    LedgerClosed,
    /// `policy.changed`
    PolicyChanged(Table),
    /// `governance.changed`
    GovernanceChanged(NewGovernance),
    /// `log_key.rotated`
    LogKeyRotated(VKey),
    /// `party.enrolled`
    PartyEnrolled {
        /// Its id.
        party: String,
        /// Its name for people.
        name: String,
        /// What it may act as.
        capacities: Capacities,
        /// Its first keys.
        keys: Vec<NewKey>,
    },
    /// `party.amended`
    PartyAmended {
        /// Its id.
        party: String,
        /// Its new name.
        name: Option<String>,
        /// What it may act as from now on.
        capacities: Option<Capacities>,
    },
    /// `party.succeeded`
    PartySucceeded {
        /// The party that ends.
        party: String,
        /// The party that takes its place.
        successor: String,
    },
    /// `key.added`
    KeyAdded {
        /// Whose key.
        party: String,
        /// The key.
        key: NewKey,
    },
    /// `key.retired`
    KeyRetired {
        /// Whose key.
        party: String,
        /// Which.
        keyid: KeyId,
    },
    /// `key.revoked`
    KeyRevoked {
        /// Whose key.
        party: String,
        /// Which.
        keyid: KeyId,
        /// From when its entries are suspect.
        suspect_from: Option<Instant>,
    },
    /// `case.opened`
    CaseOpened(Roles),
    /// `case.amended`, with the roles if it replaces them.
    CaseAmended(Option<Roles>),
    /// `case.inspectors`
    CaseInspectors(Vec<String>),
    /// `case.closed`
    CaseClosed,
}

impl Act {
    /// Reads the body of an authority kind; `None` for any other kind.
    ///
    /// # Errors
    /// Names the first member that is not as SPEC §6 and §8 say.
    pub fn read(kind: &str, body: &Value<'_>) -> Result<Option<Act>, Malformed> {
        let mut fields = Fields::of("/body", body)?;
        let f = &mut fields;
        let act = match kind {
            "ledger.created" => ledger_created(f)?,
            "ledger.closed" => Act::LedgerClosed,
            "policy.changed" => Act::PolicyChanged(policy(f)?),
            "governance.changed" => Act::GovernanceChanged(governance(f)?),
            "log_key.rotated" => Act::LogKeyRotated(log_key(f)?),
            "party.enrolled" => party_enrolled(f)?,
            "party.amended" => Act::PartyAmended {
                party: party(f, "party")?,
                name: f.optional_text("name", TEXT, short)?.map(str::to_owned),
                capacities: {
                    country(f, false)?;
                    match f.optional("capacities") {
                        None => None,
                        Some(value) => Some(capacities(value)?),
                    }
                },
            },
            "party.succeeded" => Act::PartySucceeded { party: party(f, "party")?, successor: party(f, "successor")? },
            "key.added" => Act::KeyAdded { party: party(f, "party")?, key: new_key("/body/key", f.required("key")?)? },
            "key.retired" => Act::KeyRetired { party: party(f, "party")?, keyid: KeyId(f.hash("keyid")?) },
            "key.revoked" => Act::KeyRevoked {
                party: party(f, "party")?,
                keyid: KeyId(f.hash("keyid")?),
                suspect_from: time_or_null(f, "suspect_from")?,
            },
            "case.opened" => {
                let roles = roles(f.required("roles")?)?;
                case_members(f, true)?;
                Act::CaseOpened(roles)
            }
            "case.amended" => {
                let roles = f.optional("roles").map(roles).transpose()?;
                case_members(f, false)?;
                Act::CaseAmended(roles)
            }
            "case.inspectors" => {
                let expected = "a party id";
                let value = f.required("inspector")?;
                let ids = distinct_texts("/body/inspector", value, expected, is_party_id)?;
                case_parties("/body/inspector", ids.len())?;
                Act::CaseInspectors(ids)
            }
            "case.closed" => Act::CaseClosed,
            _ => return Ok(None),
        };
        if !matches!(kind, "ledger.created" | "party.enrolled" | "key.added" | "case.opened") {
            f.text("reason", TEXT, short)?;
        }
        fields.finish()?;
        Ok(Some(act))
    }
}

fn short(text: &str) -> bool {
    text.len() <= MAX_TEXT
}

fn party(fields: &mut Fields<'_, '_>, name: &str) -> Result<String, Malformed> {
    fields.text(name, "a party id", is_party_id).map(str::to_owned)
}

fn time_or_null(fields: &mut Fields<'_, '_>, name: &str) -> Result<Option<Instant>, Malformed> {
    match fields.required(name)? {
        Value::Null => Ok(None),
        _ => fields.time(name).map(Some),
    }
}

fn policy(fields: &mut Fields<'_, '_>) -> Result<Table, Malformed> {
    Table::read("/body/policy", fields.required("policy")?)
}

fn log_key(fields: &mut Fields<'_, '_>) -> Result<VKey, Malformed> {
    let value = fields.required("log_key")?;
    let Value::Str(text) = value else {
        return Err(fields.fault("log_key", "a verifier key", value));
    };
    let key = VKey::parse(text).map_err(|e| Malformed::new(fields.path_of("log_key"), e.expected, e.found))?;
    match key.kind {
        VKeyKind::Log(_) => Ok(key),
        _ => Err(fields.fault("log_key", "a verifier key of type 0x01", value)),
    }
}

fn governance(fields: &mut Fields<'_, '_>) -> Result<NewGovernance, Malformed> {
    let mut inner = Fields::of("/body/governance", fields.required("governance")?)?;
    let items = inner.array("keys")?;
    if !(1..=8).contains(&items.len()) {
        let found = format!("{} elements", items.len());
        return Err(Malformed::new(inner.path_of("keys"), "1 to 8 keys", found));
    }
    let mut keys: Vec<PublicKey> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let path = format!("/body/governance/keys/{at}");
        let key = public_key(&path, item)?;
        if keys.contains(&key) {
            return Err(Malformed::new(path, "distinct keys", "a key again"));
        }
        keys.push(key);
    }
    let most = i64::try_from(keys.len()).unwrap_or(MAX_INTEGER);
    let threshold = inner.integer("threshold", 1, most)?;
    inner.finish()?;
    Ok(NewGovernance { threshold: usize::try_from(threshold).unwrap_or(keys.len()), keys })
}

fn public_key(path: &str, value: &Value<'_>) -> Result<PublicKey, Malformed> {
    value
        .as_str()
        .and_then(PublicKey::from_base64)
        .ok_or_else(|| Malformed::new(path, "32 bytes in base64", shown(value)))
}

fn ledger_created(fields: &mut Fields<'_, '_>) -> Result<Act, Malformed> {
    let expected = "an origin [a-z0-9][a-z0-9./_-]{2,127}";
    let origin = fields.text("origin", expected, is_origin)?.to_owned();
    let log_key = log_key(fields)?;
    if log_key.name != origin {
        return Err(Malformed::new(
            "/body/log_key",
            format!("a verifier key named {origin}"),
            crate::escape::quoted(&log_key.name),
        ));
    }
    let governance = governance(fields)?;
    let policy = policy(fields)?;
    if let Some(value) = fields.optional("predecessor") {
        let mut inner = Fields::of("/body/predecessor", value)?;
        inner.hash("ledger")?;
        inner.integer("size", 0, MAX_INTEGER)?;
        inner.hash("root")?;
        inner.finish()?;
    }
    Ok(Act::LedgerCreated { origin, log_key, governance, policy })
}

fn party_enrolled(fields: &mut Fields<'_, '_>) -> Result<Act, Malformed> {
    let party = party(fields, "party")?;
    let name = fields.text("name", TEXT, short)?.to_owned();
    country(fields, true)?;
    let capacities = capacities(fields.required("capacities")?)?;
    let items = fields.array("keys")?;
    if !(1..=8).contains(&items.len()) {
        let found = format!("{} elements", items.len());
        return Err(Malformed::new("/body/keys", "1 to 8 keys", found));
    }
    let keys = items
        .iter()
        .enumerate()
        .map(|(at, item)| new_key(&format!("/body/keys/{at}"), item))
        .collect::<Result<_, _>>()?;
    Ok(Act::PartyEnrolled { party, name, capacities, keys })
}

fn new_key(path: &str, value: &Value<'_>) -> Result<NewKey, Malformed> {
    let mut fields = Fields::of(path.to_owned(), value)?;
    let key = NewKey {
        public_key: public_key(&format!("{path}/public_key"), fields.required("public_key")?)?,
        holder: fields.text("holder", TEXT, short)?.to_owned(),
        uses: texts(&format!("{path}/uses"), fields.required("uses")?, "a pattern of kinds", is_pattern)?,
        not_after: time_or_null(&mut fields, "not_after")?,
    };
    fields.finish()?;
    Ok(key)
}

fn country(fields: &mut Fields<'_, '_>, required: bool) -> Result<(), Malformed> {
    let value = if required {
        fields.required("country")?
    } else {
        match fields.optional("country") {
            None => return Ok(()),
            Some(value) => value,
        }
    };
    match value {
        Value::Null => Ok(()),
        Value::Str(code) if code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()) => Ok(()),
        other => Err(fields.fault("country", "two capital letters, or null", other)),
    }
}

fn capacities(value: &Value<'_>) -> Result<Capacities, Malformed> {
    let names = texts("/body/capacities", value, "a capacity", |name| Capacity::parse(name).is_some())?;
    let mut set = Capacities::default();
    for capacity in names.iter().filter_map(|name| Capacity::parse(name)) {
        set.insert(capacity);
    }
    Ok(set)
}

fn roles(value: &Value<'_>) -> Result<Roles, Malformed> {
    let Value::Object(members) = value else {
        return Err(Malformed::new("/body/roles", "an object", shown(value)));
    };
    let mut roles = Vec::with_capacity(members.len());
    let mut distinct = std::collections::HashSet::new();
    for (name, ids) in members {
        let Some(role) = Capacity::parse(name) else {
            return Err(Malformed::new("/body/roles", "capacities as role names", crate::escape::quoted(name)));
        };
        let path = format!("/body/roles/{role}");
        let ids = distinct_texts(&path, ids, "a party id", is_party_id)?;
        distinct.extend(ids.iter().cloned());
        roles.push((role, ids));
    }
    for needed in [Capacity::DONOR, Capacity::RECIPIENT] {
        let filled = roles.iter().any(|(r, ids)| *r == needed && !ids.is_empty());
        if !filled {
            return Err(Malformed::new(format!("/body/roles/{needed}"), "at least one party", "none"));
        }
    }
    case_parties("/body/roles", distinct.len())?;
    Ok(Roles(roles))
}

fn case_parties(path: &str, count: usize) -> Result<(), Malformed> {
    if count > MAX_CASE_PARTIES {
        return Err(Malformed::new(path, format!("at most {MAX_CASE_PARTIES} parties per case"), count.to_string()));
    }
    Ok(())
}

/// The members of `case.opened` beside `roles`, which change no authority: their form is checked.
fn case_members(fields: &mut Fields<'_, '_>, required: bool) -> Result<(), Malformed> {
    if required {
        for name in
            ["title", "legal_basis", "terms", "monitoring", "permitted_end_use", "permitted_end_users", "retransfer"]
        {
            fields.required(name)?;
        }
    }
    let expected = TEXT;
    for name in ["title", "permitted_end_use", "remarks"] {
        fields.optional_text(name, expected, short)?;
    }
    for name in ["legal_basis", "permitted_end_users"] {
        if let Some(value) = fields.optional(name) {
            texts(&fields.path_of(name), value, expected, short)?;
        }
    }
    fields.optional_text("monitoring", "routine or enhanced", |word| matches!(word, "routine" | "enhanced"))?;
    fields.optional_text("retransfer", "prohibited or with_consent", |word| {
        matches!(word, "prohibited" | "with_consent")
    })?;
    if let Some(value) = fields.optional("terms") {
        terms(value)?;
    }
    if let Some(value) = fields.optional("references") {
        references(value)?;
    }
    Ok(())
}

fn references(value: &Value<'_>) -> Result<(), Malformed> {
    let Value::Array(items) = value else {
        return Err(Malformed::new("/body/references", "an array", shown(value)));
    };
    for (at, item) in items.iter().enumerate() {
        let mut inner = Fields::of(format!("/body/references/{at}"), item)?;
        inner.text("scheme", TEXT, short)?;
        inner.text("value", TEXT, short)?;
        inner.finish()?;
    }
    Ok(())
}

/// Terms of a case: any of DOMAIN §4.
fn terms(value: &Value<'_>) -> Result<(), Malformed> {
    let mut inner = Fields::of("/body/terms", value)?;
    match inner.optional("site_certificate_before_dispatch") {
        None | Some(Value::Bool(_)) => {}
        Some(other) => {
            return Err(inner.fault("site_certificate_before_dispatch", "true or false", other));
        }
    }
    inner.optional_text("inventory_grade", "a grade of evidence", |word| {
        matches!(word, "sighted" | "scanned" | "photographed" | "documented" | "self_declared" | "not_seen")
    })?;
    for name in [
        "receipt_within",
        "initial_inventory_within",
        "inventory_every",
        "routine_check_every",
        "loss_report_within",
        "discrepancy_claim_within",
        "diversion_triage_within",
        "retain_years",
    ] {
        match inner.optional(name) {
            None => {}
            Some(Value::Int(0..=36_500)) => {}
            Some(other) => return Err(inner.fault(name, "an integer 0 to 36500", other)),
        }
    }
    inner.finish()
}
