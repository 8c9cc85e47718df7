//! The attack table of SECURITY.md, row by row, against real processes: who notices, holding what, and by which check.
//!
//! An attacker here has what the row says and no more. Someone who has only the file changes its lines. An operator has
//! the log key and every envelope it was given, and writes the history anew around them ([`story::Operator`]); it lets
//! through what an honest ledger refuses. What nobody can notice is asserted too.
#![allow(clippy::unwrap_used)]

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
