//! Arguments, with the help that people read.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Checks what a Countersign ledger says, offline, with nothing but the files.
///
/// Exit status: 0 verified, 1 failed, 2 not checked (usage, input, no ledger id, a newer format), 3 partial (nothing
/// false, something undecided; every extract).
#[derive(Parser)]
#[command(name = "countersign-verify", version, max_term_width = 110)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Verify a bundle: every check of the format, one line each
    #[command(
        after_help = "Example:\n  countersign-verify bundle ledger.bundle.jsonl.zst --ledger 65c1ad52… --trust trust.txt"
    )]
    Bundle(Bundle),
    /// Verify a receipt, alone or with a bundle that decides the rest
    #[command(
        after_help = "Example:\n  countersign-verify receipt 41.receipt.json --ledger 65c1ad52… --bundle ledger.bundle.jsonl"
    )]
    Receipt(Receipt),
    /// Show what was said and by whom, after verifying the bundle
    #[command(
        after_help = "Example:\n  countersign-verify show ledger.bundle.jsonl --ledger 65c1ad52… --subject consignment/2026-0001"
    )]
    Show(Show),
    /// Set one entry out for a hearing, after verifying the bundle: text, or an HTML file to print
    #[command(
        after_help = "Example:\n  countersign-verify exhibit ledger.bundle.jsonl --ledger 65c1ad52… --seq 41 --html exhibit-41.html"
    )]
    Exhibit(Exhibit),
    /// Check a checkpoint's signatures
    #[command(
        after_help = "Example:\n  countersign-verify checkpoint checkpoint.txt --key ledger.example/2026+8a3e07eb+AZm1…"
    )]
    Checkpoint(Checkpoint),
    /// Check a C2SP transparency log proof for any leaf file
    #[command(
        after_help = "Example:\n  countersign-verify proof firmware.tlog-proof --leaf firmware.bin --key log.example+8a3e07eb+AZm1…"
    )]
    Proof(Proof),
    /// Confirm a proof of misbehaviour: signed statements of a log that cannot all be true
    #[command(
        after_help = "Exit status: 0 proven, 1 not proven, 2 not checked\n\nExample:\n  countersign-verify misbehaviour fork.misbehaviour.json --ledger 65c1ad52…"
    )]
    Misbehaviour(Misbehaviour),
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  countersign-verify completions bash > /etc/bash_completion.d/countersign-verify"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether the result is to be JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Command::Bundle(args) => args.json,
            Command::Receipt(args) => args.json,
            Command::Show(args) => args.json,
            Command::Exhibit(args) => args.json,
            Command::Checkpoint(args) => args.json,
            Command::Proof(args) => args.json,
            Command::Misbehaviour(args) => args.json,
            Command::Completions { .. } => false,
        }
    }
}

#[derive(ClapArgs)]
pub(crate) struct Bundle {
    /// The bundle, plain or zstd; - for standard input
    pub(crate) file: PathBuf,
    /// The ledger id, from a source you trust: 64 hex digits
    #[arg(long, value_name = "ID")]
    pub(crate) ledger: Option<String>,
    /// A trust file (C2SP tlog-policy): logs, witnesses, quorum
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// An earlier checkpoint that the ledger must continue
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) previous: Option<PathBuf>,
    /// An evidence file, or a folder of them, that entries must name by hash; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) evidence: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
pub(crate) struct Receipt {
    /// The receipt; - for standard input
    pub(crate) file: PathBuf,
    /// The ledger id, from a source you trust: 64 hex digits
    #[arg(long, value_name = "ID")]
    pub(crate) ledger: Option<String>,
    /// A trust file (C2SP tlog-policy): logs, witnesses, quorum
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// A bundle of the ledger, to decide what the receipt alone cannot
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
pub(crate) struct Show {
    /// The bundle, plain or zstd; - for standard input
    pub(crate) file: PathBuf,
    /// The ledger id, from a source you trust: 64 hex digits
    #[arg(long, value_name = "ID")]
    pub(crate) ledger: Option<String>,
    /// A trust file (C2SP tlog-policy): logs, witnesses, quorum
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// Only the entry at this position
    #[arg(long, value_name = "N")]
    pub(crate) seq: Option<u64>,
    /// Only entries about this subject
    #[arg(long, value_name = "TYPE/ID")]
    pub(crate) subject: Option<String>,
    /// Only entries that this party wrote or signed
    #[arg(long, value_name = "ID")]
    pub(crate) party: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
pub(crate) struct Exhibit {
    /// The bundle, plain or zstd; - for standard input
    pub(crate) file: PathBuf,
    /// The entry's position
    #[arg(long, value_name = "N")]
    pub(crate) seq: u64,
    /// The ledger id, from a source you trust: 64 hex digits
    #[arg(long, value_name = "ID")]
    pub(crate) ledger: Option<String>,
    /// A trust file (C2SP tlog-policy): logs, witnesses, quorum
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// An earlier checkpoint that the ledger must continue
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) previous: Option<PathBuf>,
    /// An evidence file, or a folder of them, that entries must name by hash; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) evidence: Vec<PathBuf>,
    /// Write a self-contained HTML file instead of text; - for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
pub(crate) struct Checkpoint {
    /// The checkpoint; - for standard input
    pub(crate) file: PathBuf,
    /// A verifier key (name+keyid+key) that must have signed; may be repeated
    #[arg(long, value_name = "VKEY")]
    pub(crate) key: Vec<String>,
    /// A trust file (C2SP tlog-policy): logs, witnesses, quorum
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
pub(crate) struct Proof {
    /// The proof (tlog-proof@v1); - for standard input
    pub(crate) file: PathBuf,
    /// The leaf: any file, hashed as an RFC 6962 leaf
    #[arg(long, value_name = "FILE")]
    pub(crate) leaf: PathBuf,
    /// A verifier key (name+keyid+key) that must have signed the checkpoint; may be repeated
    #[arg(long, value_name = "VKEY")]
    pub(crate) key: Vec<String>,
    /// A trust file (C2SP tlog-policy): logs, witnesses, quorum
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
pub(crate) struct Misbehaviour {
    /// The proof (*.misbehaviour.json); - for standard input
    pub(crate) file: PathBuf,
    /// The ledger id, from a source you trust: 64 hex digits
    #[arg(long, alias = "ledger-id", value_name = "ID")]
    pub(crate) ledger: Option<String>,
    /// A trust file (C2SP tlog-policy) that lists the log: only keys that it lists count
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
