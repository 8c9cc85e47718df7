//! The signature policy (SPEC §9) as data: reading and checking a table. What satisfies a rule is in
//! [`crate::satisfy`].

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::capacity::Capacity;
use crate::fields::{Fields, Malformed, shown};
use crate::json::{MAX_INTEGER, Value, is_pointer};
use crate::scalar::is_kind;

/// The most leaves a rule may have.
pub const MAX_LEAVES: usize = 16;
/// The most keys that a leaf may ask for: as many as an envelope has signatures (SPEC §4).
const MAX_KEYS: i64 = 16;
/// The deepest nesting of operators, the leaf included.
const MAX_RULE_DEPTH: usize = 8;

/// The kinds of SPEC §8; every table has them all.
pub const AUTHORITY_KINDS: [&str; 14] = [
    "ledger.created",
    "ledger.closed",
    "policy.changed",
    "governance.changed",
    "log_key.rotated",
    "party.enrolled",
    "party.amended",
    "party.succeeded",
    "key.added",
    "key.retired",
    "key.revoked",
    "case.opened",
    "case.amended",
    "case.inspectors",
];
/// The last kind of SPEC §8, apart only because arrays of a stated length read better in one column.
pub const CASE_CLOSED: &str = "case.closed";
/// The kind that corrects another (SPEC §9).
pub const CORRECTED: &str = "statement.corrected";

/// Whether a kind is one of SPEC §8.
pub fn is_authority_kind(kind: &str) -> bool {
    kind == CASE_CLOSED || AUTHORITY_KINDS.contains(&kind)
}

/// Whether events of a kind name a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaseUse {
    /// They must.
    Required,
    /// They must not.
    Forbidden,
    /// They may: corrections only.
    Any,
}

/// A condition on one signing party, or on governance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leaf {
    /// The governance quorum signed.
    Governance,
    /// A party bound to the role signed.
    Role {
        /// The role.
        role: Capacity,
        /// Different keys of that party.
        keys: usize,
    },
    /// A party with the capacity signed.
    Capacity {
        /// The capacity.
        capacity: Capacity,
        /// Different keys of that party.
        keys: usize,
    },
    /// The party that the payload names signed.
    Party {
        /// RFC 6901 pointer into the payload as signed.
        pointer: String,
        /// A role that it must be bound to.
        role: Option<Capacity>,
        /// Holds, unassigned, where the pointer finds nothing.
        optional: bool,
        /// Different keys of that party.
        keys: usize,
    },
    /// Any enrolled party signed.
    AnyParty,
    /// Everyone who signed the corrected event signed.
    Corrected,
}

/// How leaves combine; a leaf is named by its index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// One leaf.
    Leaf(usize),
    /// `n` of the parts; `all` and `any` are the two extremes.
    AtLeast(usize, Vec<Node>),
}

/// The rule for one kind.
#[derive(Debug)]
pub struct KindRule {
    /// Whether its events name a case.
    pub case: CaseUse,
    /// The leaves, in the order of the text.
    pub leaves: Vec<Leaf>,
    /// How they combine.
    pub tree: Node,
    /// The minimal sets of leaves that satisfy the tree, found when first asked for.
    pub(crate) minimal: OnceLock<Vec<u16>>,
}

/// A whole table: kind to rule.
#[derive(Debug, Default)]
pub struct Table(HashMap<String, KindRule>);

impl Table {
    /// The rule of a kind; `None` means that the kind is refused.
    pub fn rule(&self, kind: &str) -> Option<&KindRule> {
        self.0.get(kind)
    }

    /// The kinds that it has, in no order.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Reads and checks a table that stands at `path`.
    ///
    /// # Errors
    /// Names the first place where the table is malformed (SPEC §9).
    pub fn read(path: &str, value: &Value<'_>) -> Result<Table, Malformed> {
        let Value::Object(members) = value else {
            return Err(Malformed::new(path, "a policy table", shown(value)));
        };
        let mut table = HashMap::with_capacity(members.len());
        for (kind, rule) in members {
            if !is_kind(kind) {
                return Err(Malformed::new(path, "kinds as member names", crate::escape::quoted(kind)));
            }
            let at = format!("{path}/{kind}");
            table.insert(kind.to_string(), read_kind_rule(at, kind, rule)?);
        }
        for kind in AUTHORITY_KINDS.iter().chain([&CASE_CLOSED]) {
            let wanted = if kind.starts_with("case.") { CaseUse::Required } else { CaseUse::Forbidden };
            match table.get(*kind) {
                None => {
                    return Err(Malformed::new(
                        format!("{path}/{kind}"),
                        "every authority kind in the table",
                        "nothing",
                    ));
                }
                Some(rule) if rule.case != wanted => {
                    return Err(Malformed::new(format!("{path}/{kind}/case"), case_word(wanted), case_word(rule.case)));
                }
                Some(_) => {}
            }
        }
        Ok(Table(table))
    }
}

fn case_word(case: CaseUse) -> &'static str {
    match case {
        CaseUse::Required => "required",
        CaseUse::Forbidden => "forbidden",
        CaseUse::Any => "any",
    }
}

fn read_kind_rule(path: String, kind: &str, value: &Value<'_>) -> Result<KindRule, Malformed> {
    let mut fields = Fields::of(path.clone(), value)?;
    let corrected = kind == CORRECTED;
    let case = match fields.required("case")? {
        Value::Str(word) if word == "required" => CaseUse::Required,
        Value::Str(word) if word == "forbidden" => CaseUse::Forbidden,
        Value::Str(word) if word == "any" && corrected => CaseUse::Any,
        other => {
            let expected = if corrected { "required, forbidden or any" } else { "required or forbidden" };
            return Err(fields.fault("case", expected, other));
        }
    };
    let mut reader = RuleReader { case, may_be_corrected: corrected, leaves: Vec::new() };
    let tree = reader.node(&format!("{path}/rule"), fields.required("rule")?, 1)?;
    fields.finish()?;
    Ok(KindRule { case, leaves: reader.leaves, tree, minimal: OnceLock::new() })
}

struct RuleReader {
    case: CaseUse,
    may_be_corrected: bool,
    leaves: Vec<Leaf>,
}

impl RuleReader {
    fn node(&mut self, path: &str, value: &Value<'_>, depth: usize) -> Result<Node, Malformed> {
        if depth > MAX_RULE_DEPTH {
            return Err(Malformed::new(path, format!("rules nested at most {MAX_RULE_DEPTH}"), "a deeper one"));
        }
        let mut fields = Fields::of(path.to_owned(), value)?;
        let node = if let Some(parts) = fields.optional("all") {
            let parts = self.parts(&format!("{path}/all"), parts, depth)?;
            Node::AtLeast(parts.len(), parts)
        } else if let Some(parts) = fields.optional("any") {
            Node::AtLeast(1, self.parts(&format!("{path}/any"), parts, depth)?)
        } else if let Some(inner) = fields.optional("at_least") {
            self.at_least(format!("{path}/at_least"), inner, depth)?
        } else {
            let leaf = self.leaf(&mut fields, depth)?;
            self.leaves.push(leaf);
            if self.leaves.len() > MAX_LEAVES {
                return Err(Malformed::new(path, format!("at most {MAX_LEAVES} leaves in a rule"), "another one"));
            }
            Node::Leaf(self.leaves.len() - 1)
        };
        fields.finish()?;
        Ok(node)
    }

    fn at_least(&mut self, path: String, value: &Value<'_>, depth: usize) -> Result<Node, Malformed> {
        let mut fields = Fields::of(path.clone(), value)?;
        let parts = self.parts(&format!("{path}/of"), fields.required("of")?, depth)?;
        let most = i64::try_from(parts.len()).unwrap_or(MAX_INTEGER);
        let n = fields.integer("n", 1, most)?;
        fields.finish()?;
        Ok(Node::AtLeast(usize::try_from(n).unwrap_or(parts.len()), parts))
    }

    fn parts(&mut self, path: &str, value: &Value<'_>, depth: usize) -> Result<Vec<Node>, Malformed> {
        match value {
            Value::Array(items) if (1..=16).contains(&items.len()) => {
                items.iter().enumerate().map(|(at, item)| self.node(&format!("{path}/{at}"), item, depth + 1)).collect()
            }
            other => Err(Malformed::new(
                path,
                "an array of 1 to 16 rules",
                match other {
                    Value::Array(items) => format!("{} elements", items.len()),
                    other => shown(other),
                },
            )),
        }
    }

    fn leaf(&mut self, fields: &mut Fields<'_, '_>, depth: usize) -> Result<Leaf, Malformed> {
        if let Some(value) = fields.optional("party") {
            return self.party(fields, value);
        }
        if let Some(value) = fields.optional("role") {
            if self.case != CaseUse::Required {
                return Err(fields.fault("role", "no role where the case is not required", value));
            }
            return Ok(Leaf::Role { role: capacity(fields, "role", value)?, keys: keys(fields)? });
        }
        if let Some(value) = fields.optional("capacity") {
            return Ok(Leaf::Capacity { capacity: capacity(fields, "capacity", value)?, keys: keys(fields)? });
        }
        for (name, leaf) in
            [("governance", Leaf::Governance), ("any_party", Leaf::AnyParty), ("corrected", Leaf::Corrected)]
        {
            let Some(value) = fields.optional(name) else {
                continue;
            };
            if leaf == Leaf::Corrected && !(self.may_be_corrected && depth == 1) {
                let expected = "corrected only as the whole rule of statement.corrected";
                return Err(fields.fault(name, expected, value));
            }
            return match value {
                Value::Bool(true) => Ok(leaf),
                other => Err(fields.fault(name, "true", other)),
            };
        }
        Err(Malformed::new(fields.path_of(""), "one operator of a rule", "none that the format has"))
    }

    fn party(&self, fields: &mut Fields<'_, '_>, value: &Value<'_>) -> Result<Leaf, Malformed> {
        let pointer = match value {
            Value::Str(text) if is_pointer(text) => text.to_string(),
            other => return Err(fields.fault("party", "a JSON Pointer (RFC 6901)", other)),
        };
        let role = match fields.optional("role") {
            None => None,
            Some(value) if self.case != CaseUse::Required => {
                return Err(fields.fault("role", "no role where the case is not required", value));
            }
            Some(value) => Some(capacity(fields, "role", value)?),
        };
        let optional = match fields.optional("optional") {
            None => false,
            Some(Value::Bool(true)) => true,
            Some(other) => return Err(fields.fault("optional", "true, or absent", other)),
        };
        Ok(Leaf::Party { pointer, role, optional, keys: keys(fields)? })
    }
}

fn capacity(fields: &Fields<'_, '_>, name: &str, value: &Value<'_>) -> Result<Capacity, Malformed> {
    value.as_str().and_then(Capacity::parse).ok_or_else(|| fields.fault(name, "a capacity", value))
}

fn keys(fields: &mut Fields<'_, '_>) -> Result<usize, Malformed> {
    match fields.optional("keys") {
        None => Ok(1),
        Some(_) => fields.integer("keys", 1, MAX_KEYS).map(|n| usize::try_from(n).unwrap_or(1)),
    }
}
