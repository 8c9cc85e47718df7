//! Offline verifier of Countersign ledgers, written from SPEC.md alone.
//!
//! A bundle goes through four stages: [`lines`] reads it in bounded pieces, [`prepare`] parses, hashes and verifies
//! signatures on all cores, [`fold`] takes entry after entry against the state that the entries before it left, and
//! [`report`] holds what came out. The library never prints.
//!
//! Small things come first: [`hash`], [`scalar`], [`time`], [`json`], [`fields`], [`keys`]; then what others
//! published: [`merkle`], [`note`], [`checkpoint`], [`proof`], [`trust`], [`witnessed`]; then what this format adds: [`entry`],
//! [`event`], [`act`], [`policy`], [`disclosure`], [`header`], [`seal`], [`keyed_tree`]; then the judgement:
//! [`authority`], [`default_policy`], [`signing`],
//! [`judge`], [`satisfy`].

pub mod act;
pub mod authority;
pub mod capacity;
pub mod checkpoint;
pub mod checks;
pub mod default_policy;
pub mod disclosure;
pub mod entry;
pub mod escape;
pub mod event;
pub mod evidence;
pub mod exhibit;
pub mod fields;
pub mod fold;
pub mod hash;
pub mod header;
pub mod index;
pub mod json;
pub mod judge;
pub mod keyed_tree;
pub mod keyring;
pub mod keys;
pub mod lines;
pub mod merkle;
pub mod misbehaviour;
pub mod note;
pub mod policy;
pub mod prepare;
pub mod proof;
pub mod receipt;
pub mod report;
pub mod report_json;
pub mod report_text;
pub mod rule_text;
pub mod satisfy;
pub mod scalar;
pub mod seal;
pub mod show;
pub mod signing;
pub mod source;
pub mod tables;
pub mod time;
pub mod trust;
pub mod verify;
pub mod witnessed;
