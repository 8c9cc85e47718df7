//! The attack table of SECURITY.md, row by row, against real processes: who notices, holding what, and by which check.
//!
//! An attacker here has what the row says and no more. Someone who has only the file changes its lines. An operator has
//! the log key and every envelope it was given, and writes the history anew around them ([`story::Operator`]); it lets
//! through what an honest ledger refuses. What nobody can notice is asserted too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

#[path = "attacks/authority.rs"]
mod authority;
#[path = "attacks/extracts.rs"]
mod extracts;
#[path = "attacks/history.rs"]
mod history;
#[path = "attacks/servers.rs"]
mod servers;
#[path = "attacks/story.rs"]
mod story;

/// Rows and tests name each other, so that neither is there alone.
#[test]
fn the_table_of_security_md_names_every_attack() {
    let sources = [
        ("authority", include_str!("attacks/authority.rs")),
        ("extracts", include_str!("attacks/extracts.rs")),
        ("history", include_str!("attacks/history.rs")),
        ("servers", include_str!("attacks/servers.rs")),
    ];
    let tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|(file, source)| {
            let attacks = source.split("#[test]\npub(crate) fn ").skip(1);
            attacks.map(move |rest| format!("{file}::{}", rest.split('(').next().unwrap()))
        })
        .collect();
    let security = include_str!("../../SECURITY.md");
    let named: BTreeSet<String> = security
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| line.trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned))
        .filter(|name| sources.iter().any(|(file, _)| name.starts_with(&format!("{file}::"))))
        .collect();
    assert_eq!(named, tests);
}
