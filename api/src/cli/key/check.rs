//! `key check`: what is wrong with keys, before it matters.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use countersign_ledger::capacity::Capacity;
use countersign_ledger::hash::KeyId;
use countersign_ledger::id::{Author, Kind};
use countersign_ledger::rule::{Policy, Rule};
use countersign_ledger::time::Time;
use serde::Serialize;

use super::list::DAY_MS;
use super::standing::{KeySource, Standing, counts_at, is_for};
use crate::cli::Context;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::wire::{KeyView, PartyView};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Says which keys stop counting soon, which never signed anything, for which kinds that a
party's capacities may have to sign it has no key, who has one key only, and whether
governance could lose a key. Reads the whole ledger, or the bundle that is given. Exit
status 1 if there is anything.

EXAMPLE
  countersign key check --party xa-mod
  countersign key check --bundle ledger.bundle.jsonl --within 90 --json")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    source: KeySource,
    /// How many days ahead an end counts as soon
    #[arg(long, value_name = "DAYS", default_value = "60", value_parser = clap::value_parser!(u16).range(0..=36_500))]
    within: u16,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Code {
    NoKey,
    SingleKey,
    Expired,
    ExpiresSoon,
    NeverUsed,
    KindsNotCovered,
    GovernanceWithoutSpare,
    GovernanceByOne,
}

#[derive(Debug, Serialize)]
struct Notice {
    whose: Author,
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyid: Option<KeyId>,
    detail: String,
    hint: String,
}

#[derive(Debug, Serialize)]
struct Checked {
    as_of: Time,
    parties: usize,
    notices: Vec<Notice>,
}

impl Report for Checked {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for Notice { whose, detail, hint, .. } in &self.notices {
            writeln!(out, "{whose}: {detail}\n  {hint}")?;
        }
        if self.notices.is_empty() {
            writeln!(out, "nothing to do")?;
        }
        Ok(())
    }
}

/// Checks keys.
///
/// # Errors
/// When the server or the bundle cannot be read.
pub(super) fn run(args: &CheckArgs, context: &Context) -> Result<Exit, Failure> {
    let as_of = args.source.as_of();
    let standing = args.source.read(true, context)?;
    let soon = as_of.plus_millis(i64::from(args.within) * DAY_MS);
    let mut notices = Vec::new();
    for party in standing.parties.iter().filter(|party| party.successor.is_none()) {
        check_party(party, &standing, as_of, soon, &mut notices);
    }
    if args.source.party.is_none() {
        check_governance(&standing, &mut notices);
    }
    let found = !notices.is_empty();
    context.out().emit(&Checked { as_of, parties: standing.parties.len(), notices })?;
    Ok(if found { Exit::Refused } else { Exit::Done })
}

fn check_party(party: &PartyView, standing: &Standing, as_of: Time, soon: Time, notices: &mut Vec<Notice>) {
    let mut say = |code, keyid: Option<KeyId>, detail: String, hint: String| {
        notices.push(Notice { whose: Author::Party(party.party.clone()), code, keyid, detail, hint });
    };
    let id = &party.party;
    let counting: Vec<&KeyView> = party.keys.iter().filter(|key| counts_at(key, as_of)).collect();
    let add = format!("`countersign key add {id} NEW.pem --holder OFFICE --key ITS-KEY.pem`");
    match counting.as_slice() {
        [] => say(
            Code::NoKey,
            None,
            "it has no key that counts".to_owned(),
            format!("governance adds one: `countersign key add {id} NEW.pem --holder OFFICE --key GOV.pem …`"),
        ),
        [only] => say(
            Code::SingleKey,
            Some(only.keyid),
            "it has one key only: if that is lost, only governance can give it another".to_owned(),
            add.clone(),
        ),
        _ => {}
    }
    for key in &party.keys {
        let Some(end) = key.not_after.filter(|_| key.ended.is_none()) else { continue };
        let (keyid, short) = (Some(key.keyid), short(&key.keyid));
        if as_of > end {
            say(
                Code::Expired,
                keyid,
                format!("key {short} stopped counting at {end}"),
                format!("`countersign key retire {id} {} --reason expired` says that it is done with", key.keyid),
            );
        } else if end <= soon {
            say(Code::ExpiresSoon, keyid, format!("key {short} counts until {end}"), add.clone());
        }
    }
    if let Some(used) = &standing.used {
        for key in &counting {
            // What introduces a key bears its signature.
            if used.get(&key.keyid).is_none_or(|used| used.last == key.introduced) {
                say(
                    Code::NeverUsed,
                    Some(key.keyid),
                    format!("key {} has never signed anything but what introduced it", short(&key.keyid)),
                    "is it where you think it is? sign something with it, or retire it".to_owned(),
                );
            }
        }
    }
    let uncovered = uncovered(party, &counting, &standing.policy);
    if !counting.is_empty() && !uncovered.is_empty() {
        let list: Vec<String> = uncovered
            .iter()
            .map(
                |(kind, (has, needs))| {
                    if *needs > 1 { format!("{kind} ({has} of {needs} keys)") } else { kind.to_string() }
                },
            )
            .collect();
        say(
            Code::KindsNotCovered,
            None,
            format!("as {}, it may have to sign what it has no key for: {}", words(&party.capacities), list.join(", ")),
            "add a key with --use for these; a party's own keys give only what they have, more needs governance"
                .to_owned(),
        );
    }
}

fn words(capacities: &[Capacity]) -> String {
    capacities.iter().map(|capacity| capacity.as_str()).collect::<Vec<_>>().join(", ")
}

fn short(keyid: &KeyId) -> String {
    keyid.to_string().chars().take(12).collect()
}

/// Returns the kinds that a party's capacities, or its own keys, may need it for: how many keys it has, and needs.
fn uncovered<'a>(party: &PartyView, keys: &[&KeyView], policy: &'a Policy) -> BTreeMap<&'a str, (usize, usize)> {
    let mut uncovered = BTreeMap::new();
    for (kind, row) in policy.rows() {
        let needs = needed(&row.rule, &party.capacities, kind);
        let has = keys.iter().filter(|key| is_for(key, kind)).count();
        if has < needs {
            uncovered.insert(kind.as_str(), (has, needs));
        }
    }
    uncovered
}

/// Returns the most keys that a leaf of a rule asks of a party with these capacities.
fn needed(rule: &Rule, capacities: &[Capacity], kind: &Kind) -> usize {
    match rule {
        Rule::Role { role, keys } if capacities.contains(role) => usize::from(*keys),
        Rule::Capacity { capacity, keys } if capacities.contains(capacity) => usize::from(*keys),
        Rule::Party { role: Some(role), keys, .. } if capacities.contains(role) => usize::from(*keys),
        // its own keys: who cannot sign `key.*` needs governance to rotate one
        Rule::Party { role: None, keys, .. } if kind.as_str().starts_with("key.") => usize::from(*keys),
        Rule::All(rules) | Rule::Any(rules) | Rule::AtLeast { of: rules, .. } => {
            rules.iter().map(|rule| needed(rule, capacities, kind)).max().unwrap_or(0)
        }
        _ => 0,
    }
}

fn check_governance(standing: &Standing, notices: &mut Vec<Notice>) {
    let (threshold, keys) = (standing.governance.threshold, standing.governance.keys.len());
    let mut say = |code, detail: String, hint: &str| {
        notices.push(Notice { whose: Author::Governance, code, keyid: None, detail, hint: hint.to_owned() });
    };
    if threshold == keys {
        say(
            Code::GovernanceWithoutSpare,
            format!("all of {keys} keys must sign: one that is lost ends governance, and then the ledger"),
            "`countersign governance change --add NEW.pem --reason …` makes one to spare",
        );
    }
    if threshold == 1 {
        say(
            Code::GovernanceByOne,
            "one key governs alone: whoever has it can enrol, revoke and change the policy".to_owned(),
            "`countersign governance change --threshold 2 --reason …`, with more keys where needed",
        );
    }
}
