//! A rule in words, for reports.

use crate::policy::{KindRule, Leaf, Node};

/// Says what a rule asks for, such as `all of (donor, recipient)`.
pub fn describe(rule: &KindRule) -> String {
    node(&rule.tree, &rule.leaves, false)
}

/// The same with the parts of each list in order, so that rules that ask for the same have the same words.
pub fn in_order(rule: &KindRule) -> String {
    node(&rule.tree, &rule.leaves, true)
}

fn node(tree: &Node, leaves: &[Leaf], ordered: bool) -> String {
    match tree {
        Node::Leaf(at) => leaves.get(*at).map(leaf).unwrap_or_default(),
        Node::AtLeast(n, parts) => {
            let mut list: Vec<String> = parts.iter().map(|part| node(part, leaves, ordered)).collect();
            if ordered {
                list.sort();
            }
            let list = list.join(", ");
            match (*n, parts.len()) {
                (1, 1) => list,
                (n, count) if n == count => format!("all of ({list})"),
                (1, _) => format!("one of ({list})"),
                (n, _) => format!("{n} of ({list})"),
            }
        }
    }
}

fn leaf(leaf: &Leaf) -> String {
    let with_keys = |what: String, keys: usize| match keys {
        1 => what,
        n => format!("{what} with {n} keys"),
    };
    match leaf {
        Leaf::Governance => "the governance quorum".to_owned(),
        Leaf::Role { role, keys } => with_keys(format!("the case's {role}"), *keys),
        Leaf::Capacity { capacity, keys } => with_keys(format!("a party with capacity {capacity}"), *keys),
        Leaf::Party { pointer, role, optional, keys } => {
            let mut what = format!("the party at {}", crate::escape::escaped(pointer));
            if let Some(role) = role {
                what += &format!(" bound as {role}");
            }
            if *optional {
                what += " if there is one";
            }
            with_keys(what, *keys)
        }
        Leaf::AnyParty => "any party".to_owned(),
        Leaf::Corrected => "everyone who signed the corrected event".to_owned(),
    }
}
