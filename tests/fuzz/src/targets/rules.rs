//! The signature policy: which rules are well formed, and which signers satisfy one (SPEC §9).

use std::collections::BTreeSet;

use countersign_ledger::capacity::Capacity;
use countersign_ledger::id::{Kind, PartyId};
use countersign_ledger::policy::{Judged, SigningParty, is_satisfied};
use countersign_ledger::rule::Policy;
use countersign_verify::json::parse;
use countersign_verify::policy::{KindRule, Leaf, Table};
use countersign_verify::satisfy::LeafState;
use serde_json::Value;

use crate::forge::{Json, world};
use crate::rng::Rng;
use crate::target::{Change, Target, Verdicts};
use crate::text::lines;

const WORDS: &[&str] = &[
    "{\"any_party\":true}",
    "{\"governance\":true}",
    "{\"corrected\":true}",
    "\"keys\":2",
    "\"keys\":16",
    "\"keys\":17",
    "\"keys\":0",
    "\"role\":\"donor\"",
    "\"optional\":true",
    "\"n\":1",
    "\"of\":",
    "\"case\":\"any\"",
    "\"case\":\"forbidden\"",
    "{\"all\":[]}",
    "{\"party\":\"/body/to\"}",
    "\"/a~2\"",
    "\"\"",
    ",",
    "statement.corrected",
    "transfer.received",
];

/// A rule of some depth.
pub fn rule(rng: &mut Rng, depth: usize) -> Json {
    let parts = |rng: &mut Rng| -> Vec<Json> { (0..rng.within(1, 3)).map(|_| rule(rng, depth - 1)).collect() };
    let capacity = |rng: &mut Rng| ["donor", "recipient", "inspector", "carrier"][rng.below(4)];
    let keys =
        |rng: &mut Rng, rule: Json| if rng.one_in(3) { rule.with("keys", rng.within(1, 3) as i64) } else { rule };
    match rng.below(if depth == 0 { 5 } else { 8 }) {
        0 => Json::object([("governance", Json::Bool(true))]),
        1 => {
            let leaf = world::role(capacity(rng));
            keys(rng, leaf)
        }
        2 => {
            let leaf = world::capacity(capacity(rng));
            keys(rng, leaf)
        }
        3 => {
            let mut leaf =
                world::party(["/author", "/body/to", "/case", "/signers/0", "/body/list/0", ""][rng.below(6)]);
            if rng.one_in(3) {
                leaf.set("role", capacity(rng));
            }
            if rng.one_in(3) {
                leaf.set("optional", true);
            }
            keys(rng, leaf)
        }
        4 => world::any_party(),
        5 => world::all(parts(rng)),
        6 => world::any(parts(rng)),
        _ => {
            let of = parts(rng);
            world::at_least(rng.within(1, of.len()) as i64, of)
        }
    }
}

fn row(rng: &mut Rng) -> Json {
    let depth = if rng.one_in(20) { rng.within(6, 9) } else { rng.below(4) };
    let mut inner = if depth > 4 { world::any_party() } else { rule(rng, depth) };
    for _ in 4..depth {
        inner = world::all(vec![inner]);
    }
    world::row(["required", "required", "forbidden", "any"][rng.below(4)], inner)
}

/// A table with one row of a case in it: `kind\nrow`.
pub fn form() -> Target {
    Target {
        name: "rule",
        about: "which rules and tables are well formed (SPEC §9)",
        make: |rng| {
            let kind = *rng.pick(&["transfer.received", "statement.corrected", "party.enrolled", "case.opened"]);
            let row = if kind == "statement.corrected" && rng.one_in(2) {
                world::row("any", Json::object([("corrected", Json::Bool(true))]))
            } else {
                row(rng)
            };
            format!("{kind}\n{}", row.text()).into_bytes()
        },
        judge: |input| {
            let parts = lines(input)?;
            let (kind, row) = (*parts.first()?, parts.get(1..)?.join("\n"));
            let mut table = world::authority_policy();
            if table.members().iter().any(|(name, _)| name == kind) {
                table = table.without(kind);
            }
            let table = table.with(kind, Json::raw(row)).text();
            Some(Verdicts::of(
                || {
                    let value = countersign_ledger::json::parse(table.as_bytes(), 16).map_err(|e| e.to_string())?;
                    Policy::from_value(&value)
                        .map(|policy| policy.rows().count().to_string())
                        .map_err(|e| e.to_string())
                },
                || {
                    let value = parse(table.as_bytes(), 16).map_err(|e| e.to_string())?;
                    let read = Table::read("", &value).map_err(|e| e.to_string())?;
                    let countersign_verify::json::Value::Object(members) = &value else {
                        return Err("no object".to_owned());
                    };
                    Ok(members.iter().filter(|(kind, _)| read.rule(kind).is_some()).count().to_string())
                },
            ))
        },
        words: WORDS,
        change: Change::Bytes,
    }
}

/// Whether signers satisfy a rule. The first line is a row; each further line is a signing party: its capacities, its
/// roles and the strengths of its keys. A line `quorum` says that the quorum signed.
pub fn satisfied() -> Target {
    Target {
        name: "satisfied",
        about: "which signers satisfy a rule: choice and assignment, exactly (SPEC §9)",
        make: |rng| {
            let row = world::row("required", rule(rng, rng.clone().below(4)));
            let mut lines = vec![row.text()];
            if rng.one_in(3) {
                lines.push("quorum".to_owned());
            }
            for _ in 0..rng.below(6) {
                let words = |rng: &mut Rng| {
                    let all = ["donor", "recipient", "inspector", "carrier"];
                    all.iter().filter(|_| rng.one_in(3)).copied().collect::<Vec<_>>().join(",")
                };
                let keys: Vec<String> = (0..rng.within(1, 3)).map(|_| rng.within(1, 3).to_string()).collect();
                lines.push(format!("{};{};{}", words(rng), words(rng), keys.join(",")));
            }
            lines.join("\n").into_bytes()
        },
        judge: evaluate,
        words: &["quorum", "\ndonor;donor;1", "\n;;1", "\ndonor,recipient;donor,recipient;2,2", "/body/to"],
        change: Change::Lines,
    }
}

/// The payload that `party` leaves point into: it names parties by their place among the signers.
const PAYLOAD: &str = r#"{"author":"p0","body":{"to":"p1","list":["p2","p9"]},"case":"a.b","signers":["p3"]}"#;

fn evaluate(input: &[u8]) -> Option<Verdicts> {
    let lines = lines(input)?;
    let (row, rest) = lines.split_first()?;
    let table = world::authority_policy().with("transfer.received", Json::raw(*row)).text();
    let policy = Policy::from_value(&countersign_ledger::json::parse(table.as_bytes(), 16).ok()?).ok()?;
    let value = parse(table.as_bytes(), 16).ok()?;
    let read = Table::read("", &value).ok()?;
    let quorum = rest.contains(&"quorum");
    let signers: Vec<SigningParty> = rest
        .iter()
        .filter(|line| **line != "quorum" && !line.is_empty())
        .enumerate()
        .map(|(at, line)| signer(at, line))
        .collect::<Option<_>>()?;
    if signers.len() > 16 {
        return None;
    }
    let kind: Kind = "transfer.received".parse().ok()?;
    let (ours, theirs) = (policy.row(&kind)?, read.rule("transfer.received")?);
    Some(Verdicts::of(
        || {
            let payload: Value = serde_json::from_str(PAYLOAD).map_err(|e| e.to_string())?;
            let resolve = |id: &str| signers.iter().map(|s| s.party.clone()).find(|party| party.as_str() == id);
            let judged = Judged { signers: &signers, quorum, payload: &payload, resolve: &resolve, corrected: None };
            if is_satisfied(&ours.rule, &judged) { Ok("satisfied".to_owned()) } else { Err("not satisfied".to_owned()) }
        },
        || {
            if theirs.satisfied(&states(theirs, &signers, quorum)) {
                Ok("satisfied".to_owned())
            } else {
                Err("not satisfied".to_owned())
            }
        },
    ))
}

fn signer(at: usize, line: &str) -> Option<SigningParty> {
    let parts: Vec<&str> = line.split(';').collect();
    let &[capacities, roles, keys] = parts.as_slice() else { return None };
    let set = |words: &str| -> Option<BTreeSet<Capacity>> {
        words.split(',').filter(|word| !word.is_empty()).map(Capacity::from_word).collect()
    };
    let party: PartyId = format!("p{at}").parse().ok()?;
    let key_strengths: Vec<u8> = keys.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    Some(SigningParty { party, capacities: set(capacities)?, roles: set(roles)?, key_strengths })
}

/// What each leaf comes to, said here once more from SPEC §9: in the verifier that rests on the state of a ledger.
fn states(rule: &KindRule, signers: &[SigningParty], quorum: bool) -> Vec<LeafState> {
    let payload = parse(PAYLOAD.as_bytes(), 16).expect("a payload");
    let those = |keys: usize, fits: &dyn Fn(&SigningParty) -> bool| {
        let enough = |s: &SigningParty| s.key_strengths.iter().filter(|n| usize::from(**n) >= keys).count() >= keys;
        let fitting = signers.iter().enumerate().filter(|(_, s)| enough(s) && fits(s));
        LeafState::Needs(fitting.fold(0, |set, (at, _)| set | 1 << at))
    };
    let has = |set: &BTreeSet<Capacity>, name: &str| set.iter().any(|c| c.as_str() == name);
    let state = |leaf: &Leaf| match leaf {
        Leaf::Governance if quorum => LeafState::Holds,
        Leaf::Governance | Leaf::Corrected => LeafState::Fails,
        Leaf::AnyParty => those(1, &|_| true),
        Leaf::Capacity { capacity, keys } => those(*keys, &|s| has(&s.capacities, capacity.name())),
        Leaf::Role { role, keys } => those(*keys, &|s| has(&s.roles, role.name()) && has(&s.capacities, role.name())),
        Leaf::Party { pointer, role, optional, keys } => match payload.pointed(pointer) {
            None if *optional => LeafState::Holds,
            None => LeafState::Fails,
            Some(named) => those(*keys, &|s| {
                named.as_str() == Some(s.party.as_str()) && role.is_none_or(|role| has(&s.roles, role.name()))
            }),
        },
    };
    rule.leaves.iter().map(state).collect()
}
