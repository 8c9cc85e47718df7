//! The policy table: for each kind, whether it needs a case, and the rule that its signatures must satisfy (SPEC §9).
//!
//! ```json
//! { "transfer.dispatched": { "case": "required", "rule": { "any": [ { "role": "donor" }, { "role": "implementer" } ] } } }
//! ```
//!
//! This file knows the form; `policy.rs` decides whether a rule is satisfied.
//!
//! Well-formed (SPEC §9): a rule has one operator; arrays 1 to 16; 1 ≤ n ≤ length; at most 16 leaves; depth at most 8.
//! A table has every kind of §8; `any` as the case, and `corrected`, only for `statement.corrected`; `role` only where
//! the case is required.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::capacity::Capacity;
use crate::id::Kind;
use crate::json::pointer_token;

/// The most leaves that one rule may have.
pub const MAX_LEAVES: usize = 16;
/// The deepest that rules may be nested; the outermost is 1.
pub const MAX_RULE_DEPTH: usize = 8;
/// The most branches of one `all`, `any` or `at_least`.
pub const MAX_BRANCHES: usize = 16;

/// The kind of a correction, which alone may have the case `any` and the rule `corrected`.
pub const CORRECTION: &str = "statement.corrected";

/// The kinds of SPEC §8, each with whether it names a case.
pub const AUTHORITY_KINDS: [(&str, bool); 15] = [
    ("ledger.created", false),
    ("ledger.closed", false),
    ("policy.changed", false),
    ("governance.changed", false),
    ("log_key.rotated", false),
    ("party.enrolled", false),
    ("party.amended", false),
    ("party.succeeded", false),
    ("key.added", false),
    ("key.retired", false),
    ("key.revoked", false),
    ("case.opened", true),
    ("case.amended", true),
    ("case.inspectors", true),
    ("case.closed", true),
];

/// Tells whether a kind is one of SPEC §8.
#[must_use]
pub fn is_authority_kind(kind: &str) -> bool {
    AUTHORITY_KINDS.iter().any(|(name, _)| *name == kind)
}

/// Tells whether a kind needs the governance quorum whatever the table says (SPEC §9).
#[must_use]
pub fn needs_quorum(kind: &str) -> bool {
    let family = kind.split('.').next().unwrap_or_default();
    is_authority_kind(kind)
        && (matches!(family, "ledger" | "party")
            || matches!(kind, "policy.changed" | "governance.changed" | "log_key.rotated"))
}

/// Whether an event of a kind names a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseUse {
    /// It must.
    Required,
    /// It must not.
    Forbidden,
    /// As the event that it corrects.
    Any,
}

/// A rule over the parties that signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// At least `threshold` governance keys in force signed.
    Governance,
    /// A party bound to the role in the event's case, and having that capacity now, signed with `keys` keys.
    Role {
        /// The role.
        role: Capacity,
        /// How many different keys of the party.
        keys: u8,
    },
    /// Any enrolled party with the capacity signed with `keys` keys.
    Capacity {
        /// The capacity.
        capacity: Capacity,
        /// How many different keys of the party.
        keys: u8,
    },
    /// The party named at a pointer into the payload as signed did.
    Party {
        /// A JSON Pointer.
        pointer: String,
        /// The role that it must be bound to in the case.
        role: Option<Capacity>,
        /// Whether the leaf holds, unassigned, where the pointer finds nothing.
        optional: bool,
        /// How many different keys of the party.
        keys: u8,
    },
    /// Any enrolled party signed.
    AnyParty,
    /// Everybody who signed the corrected event signed.
    Corrected,
    /// All branches hold.
    All(Vec<Rule>),
    /// One branch holds.
    Any(Vec<Rule>),
    /// `n` branches hold.
    AtLeast {
        /// How many.
        n: usize,
        /// Of which.
        of: Vec<Rule>,
    },
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindPolicy {
    /// Whether the event names a case.
    pub case: CaseUse,
    /// What its signatures must satisfy.
    pub rule: Rule,
}

/// The table: what a kind that stands in it needs. A kind that does not stand in it is refused.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Policy {
    kinds: BTreeMap<Kind, KindPolicy>,
}

/// Tells what is wrong with a policy table, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("policy{path}: expected {expected}, found {found}")]
pub struct PolicyFormError {
    /// The JSON Pointer from the table's root.
    pub path: String,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

fn error(path: &str, expected: impl Into<String>, found: impl fmt::Display) -> PolicyFormError {
    let mut found: String = found.to_string().chars().take(120).collect();
    if found.is_empty() {
        found.push_str("nothing");
    }
    PolicyFormError { path: path.to_owned(), expected: expected.into(), found }
}

impl Policy {
    /// Reads a table.
    ///
    /// # Errors
    /// When it is not well-formed (SPEC §9); the error names the place.
    pub fn from_value(value: &Value) -> Result<Self, PolicyFormError> {
        let table = value.as_object().ok_or_else(|| error("", "an object from kind to rule", value))?;
        let mut kinds = BTreeMap::new();
        for (name, row) in table {
            let path = format!("/{}", pointer_token(name));
            let kind: Kind = name.parse().map_err(|_| error(&path, "a kind", name))?;
            kinds.insert(kind, read_row(name, row, &path)?);
        }
        for (name, has_case) in AUTHORITY_KINDS {
            let path = format!("/{name}");
            let row = kinds.get(name).ok_or_else(|| error(&path, "a rule for every kind of SPEC §8", "none"))?;
            let wanted = if has_case { CaseUse::Required } else { CaseUse::Forbidden };
            if row.case != wanted {
                return Err(error(
                    &format!("{path}/case"),
                    if has_case { "\"required\"" } else { "\"forbidden\"" },
                    format!("{:?}", row.case).to_lowercase(),
                ));
            }
        }
        Ok(Self { kinds })
    }

    /// Makes a table of rows, through the same reader as any other.
    ///
    /// # Errors
    /// When it is not well-formed.
    pub fn from_rows<'a>(rows: impl Iterator<Item = (&'a str, KindPolicy)>) -> Result<Self, PolicyFormError> {
        let members = rows.map(|(kind, row)| (kind.to_owned(), row.to_value()));
        Self::from_value(&Value::Object(members.collect()))
    }

    /// Returns the row of a kind, if it has one.
    #[must_use]
    pub fn row(&self, kind: &Kind) -> Option<&KindPolicy> {
        self.kinds.get(kind)
    }

    /// Returns every kind with its row, in order.
    pub fn rows(&self) -> impl Iterator<Item = (&Kind, &KindPolicy)> {
        self.kinds.iter()
    }

    /// Writes the table as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let rows = self.kinds.iter().map(|(kind, row)| (kind.to_string(), row.to_value()));
        Value::Object(rows.collect::<Map<_, _>>())
    }
}

impl KindPolicy {
    fn to_value(&self) -> Value {
        json!({ "case": self.case, "rule": self.rule.to_value() })
    }
}

fn read_row(kind: &str, row: &Value, path: &str) -> Result<KindPolicy, PolicyFormError> {
    let members = row.as_object().ok_or_else(|| error(path, "an object with case and rule", row))?;
    if let Some(name) = members.keys().find(|name| !matches!(name.as_str(), "case" | "rule")) {
        return Err(error(&format!("{path}/{}", pointer_token(name)), "only case and rule", "an unknown member"));
    }
    let case_path = format!("{path}/case");
    let case = match members.get("case").and_then(Value::as_str) {
        Some("required") => CaseUse::Required,
        Some("forbidden") => CaseUse::Forbidden,
        Some("any") if kind == CORRECTION => CaseUse::Any,
        Some("any") => {
            return Err(error(
                &case_path,
                "\"required\" or \"forbidden\" (\"any\" only for statement.corrected)",
                "any",
            ));
        }
        _ => {
            let found = members.get("case").map_or_else(|| "nothing".to_owned(), Value::to_string);
            return Err(error(&case_path, "\"required\", \"forbidden\" or \"any\"", found));
        }
    };
    let rule_path = format!("{path}/rule");
    let value = members.get("rule").ok_or_else(|| error(&rule_path, "a rule", "nothing"))?;
    if value.get("corrected").is_some() && kind == CORRECTION {
        return if value == &json!({ "corrected": true }) {
            Ok(KindPolicy { case, rule: Rule::Corrected })
        } else {
            Err(error(&rule_path, "{\"corrected\":true}", value))
        };
    }
    let mut reader = RuleReader { case, leaves: 0 };
    let rule = reader.rule(value, &rule_path, 1)?;
    if reader.leaves > MAX_LEAVES {
        return Err(error(&rule_path, format!("at most {MAX_LEAVES} leaves"), reader.leaves));
    }
    Ok(KindPolicy { case, rule })
}

struct RuleReader {
    case: CaseUse,
    leaves: usize,
}

const OPERATORS: [&str; 9] =
    ["governance", "role", "capacity", "party", "any_party", "corrected", "all", "any", "at_least"];

/// Finds the one operator of a rule, and refuses members that do not go with it.
fn operator<'a>(members: &'a Map<String, Value>, path: &str) -> Result<(&'a str, &'a Value), PolicyFormError> {
    let one = || format!("one operator of {}", OPERATORS.join(", "));
    // `role` is an operator by itself and a member of `party`.
    let name = if members.contains_key("party") {
        "party"
    } else {
        let mut names = members.keys().map(String::as_str).filter(|name| OPERATORS.contains(name));
        let name = names.next().ok_or_else(|| error(path, one(), "none"))?;
        if let Some(second) = names.next() {
            return Err(error(path, one(), format!("{name} and {second}")));
        }
        name
    };
    let beside: &[&str] = match name {
        "role" | "capacity" => &["keys"],
        "party" => &["keys", "role", "optional"],
        _ => &[],
    };
    if let Some(other) = members.keys().find(|m| *m != name && !beside.contains(&m.as_str())) {
        return Err(error(&format!("{path}/{}", pointer_token(other)), format!("a member of a {name} rule"), other));
    }
    let (key, value) = members.get_key_value(name).ok_or_else(|| error(path, one(), "none"))?;
    Ok((key, value))
}

impl RuleReader {
    fn rule(&mut self, value: &Value, path: &str, depth: usize) -> Result<Rule, PolicyFormError> {
        if depth > MAX_RULE_DEPTH {
            return Err(error(path, format!("rules nested at most {MAX_RULE_DEPTH} deep"), "a deeper one"));
        }
        let members = value.as_object().ok_or_else(|| error(path, "a rule (an object)", value))?;
        let (name, operand) = operator(members, path)?;
        let at = format!("{path}/{name}");
        if !matches!(name, "all" | "any" | "at_least") {
            self.leaves += 1;
        }
        match name {
            "governance" => only_true(operand, &at).map(|()| Rule::Governance),
            "any_party" => only_true(operand, &at).map(|()| Rule::AnyParty),
            "role" => {
                if self.case != CaseUse::Required {
                    return Err(error(&at, "role only where the case is required", operand));
                }
                Ok(Rule::Role { role: read_capacity(operand, &at)?, keys: read_keys(members, path)? })
            }
            "capacity" => {
                Ok(Rule::Capacity { capacity: read_capacity(operand, &at)?, keys: read_keys(members, path)? })
            }
            "party" => self.party(members, operand, path),
            "all" => Ok(Rule::All(self.branches(operand, &at, depth)?)),
            "any" => Ok(Rule::Any(self.branches(operand, &at, depth)?)),
            "at_least" => self.at_least(operand, &at, depth),
            _ => Err(error(&at, "corrected only as the whole rule of statement.corrected", operand)),
        }
    }

    fn party(&self, members: &Map<String, Value>, operand: &Value, path: &str) -> Result<Rule, PolicyFormError> {
        let at = format!("{path}/party");
        let pointer = operand.as_str().ok_or_else(|| error(&at, "a JSON Pointer", operand))?;
        if !is_pointer(pointer) {
            return Err(error(&at, "a JSON Pointer such as /body/to", operand));
        }
        let role = match members.get("role") {
            None => None,
            Some(role) if self.case == CaseUse::Required => Some(read_capacity(role, &format!("{path}/role"))?),
            Some(role) => return Err(error(&format!("{path}/role"), "role only where the case is required", role)),
        };
        let optional = match members.get("optional") {
            None => false,
            Some(Value::Bool(true)) => true,
            Some(other) => return Err(error(&format!("{path}/optional"), "true", other)),
        };
        Ok(Rule::Party { pointer: pointer.to_owned(), role, optional, keys: read_keys(members, path)? })
    }

    fn branches(&mut self, value: &Value, path: &str, depth: usize) -> Result<Vec<Rule>, PolicyFormError> {
        let wanted = || format!("an array of 1 to {MAX_BRANCHES} rules");
        let rules = value.as_array().ok_or_else(|| error(path, wanted(), value))?;
        if rules.is_empty() || rules.len() > MAX_BRANCHES {
            return Err(error(path, wanted(), format!("{} rules", rules.len())));
        }
        let branches = rules.iter().enumerate().map(|(i, rule)| self.rule(rule, &format!("{path}/{i}"), depth + 1));
        branches.collect()
    }

    fn at_least(&mut self, value: &Value, path: &str, depth: usize) -> Result<Rule, PolicyFormError> {
        let members = value.as_object().ok_or_else(|| error(path, "an object with n and of", value))?;
        if let Some(name) = members.keys().find(|name| !matches!(name.as_str(), "n" | "of")) {
            return Err(error(&format!("{path}/{}", pointer_token(name)), "only n and of", name));
        }
        let of = members.get("of").ok_or_else(|| error(&format!("{path}/of"), "an array of rules", "nothing"))?;
        let of = self.branches(of, &format!("{path}/of"), depth)?;
        let n = members.get("n").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        match n {
            Some(n) if (1..=of.len()).contains(&n) => Ok(Rule::AtLeast { n, of }),
            _ => {
                let found = members.get("n").map_or_else(|| "nothing".to_owned(), Value::to_string);
                Err(error(&format!("{path}/n"), format!("an integer from 1 to {}", of.len()), found))
            }
        }
    }
}

fn only_true(value: &Value, path: &str) -> Result<(), PolicyFormError> {
    if value == &Value::Bool(true) { Ok(()) } else { Err(error(path, "true", value)) }
}

fn read_capacity(value: &Value, path: &str) -> Result<Capacity, PolicyFormError> {
    let word = value.as_str().and_then(Capacity::from_word);
    word.ok_or_else(|| error(path, "a capacity such as donor or recipient (SPEC §8)", value))
}

fn read_keys(members: &Map<String, Value>, path: &str) -> Result<u8, PolicyFormError> {
    match members.get("keys") {
        None => Ok(1),
        Some(value) => match value.as_u64().and_then(|n| u8::try_from(n).ok()) {
            Some(n @ 1..=16) => Ok(n),
            _ => Err(error(&format!("{path}/keys"), "an integer from 1 to 16", value)),
        },
    }
}

/// Tells whether a text is a JSON Pointer (RFC 6901 §3): empty, or tokens that begin with `/`, `~` only as `~0` or `~1`.
fn is_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/'))
        && text.split('~').skip(1).all(|rest| rest.starts_with('0') || rest.starts_with('1'))
}

impl Rule {
    /// Writes the rule as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let with_keys = |mut value: Value, keys: u8| {
            if keys > 1 {
                value["keys"] = json!(keys);
            }
            value
        };
        let list = |rules: &[Self]| Value::Array(rules.iter().map(Self::to_value).collect());
        match self {
            Self::Governance => json!({ "governance": true }),
            Self::Role { role, keys } => with_keys(json!({ "role": role }), *keys),
            Self::Capacity { capacity, keys } => with_keys(json!({ "capacity": capacity }), *keys),
            Self::Party { pointer, role, optional, keys } => {
                let mut value = json!({ "party": pointer });
                if let Some(role) = role {
                    value["role"] = json!(role);
                }
                if *optional {
                    value["optional"] = json!(true);
                }
                with_keys(value, *keys)
            }
            Self::AnyParty => json!({ "any_party": true }),
            Self::Corrected => json!({ "corrected": true }),
            Self::All(rules) => json!({ "all": list(rules) }),
            Self::Any(rules) => json!({ "any": list(rules) }),
            Self::AtLeast { n, of } => json!({ "at_least": { "n": n, "of": list(of) } }),
        }
    }

    /// Writes the rule in words, as an error message needs it: `(donor or implementer) and recipient`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let keys = |n: u8| if n > 1 { format!(" with {n} keys") } else { String::new() };
        let list = |rules: &[Self], word: &str| {
            let parts: Vec<String> = rules.iter().map(Self::in_words).collect();
            if parts.len() == 1 { parts.concat() } else { format!("({})", parts.join(word)) }
        };
        match self {
            Self::Governance => "the governance quorum".to_owned(),
            Self::Role { role, keys: n } => format!("a {role} of the case{}", keys(*n)),
            Self::Capacity { capacity, keys: n } => format!("any party with capacity {capacity}{}", keys(*n)),
            Self::Party { pointer, role, optional, keys: n } => {
                let role = role.map(|role| format!(", bound as {role}")).unwrap_or_default();
                let when = if *optional { ", if named" } else { "" };
                format!("the party at {pointer}{role}{when}{}", keys(*n))
            }
            Self::AnyParty => "any enrolled party".to_owned(),
            Self::Corrected => "everybody who signed the corrected event".to_owned(),
            Self::All(rules) => list(rules, " and "),
            Self::Any(rules) => list(rules, " or "),
            Self::AtLeast { n, of } => format!("{n} of {}", list(of, ", ")),
        }
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Policy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "from kind to {case, rule} (SPEC §9)",
            "additionalProperties": {
                "type": "object",
                "required": ["case", "rule"],
                "additionalProperties": false,
                "properties": {
                    "case": { "enum": ["required", "forbidden", "any"] },
                    "rule": { "type": "object" }
                }
            }
        })
    }
}
