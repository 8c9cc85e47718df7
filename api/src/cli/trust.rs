//! `trust`: trust files (C2SP tlog-policy, SPEC §11), for the server that asks witnesses and for the verifier.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_ledger::trust::{Line, MAX_TRUST_BYTES, Member, TrustFile, TrustKey};
use serde::Serialize;

use super::Context;
use super::submit::count;
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;

/// How many smallest quorums are written out.
const SHOWN_QUORUMS: usize = 20;

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    /// Write a trust file: the log key of the server's ledger, and witnesses
    New(NewArgs),
    /// Say what a trust file asks for; needs no server
    Show(ShowArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The log key is the one that the ledger's own entries establish, under the ledger id that you
give: with --ledger from a source you trust. A witness is given as its line in the file: the
name that you choose, its vkey, and, for a server that is to ask it, its url.

EXAMPLE
  countersign trust new --ledger ID --threshold 2 \\
    --witness \"w1 w1.example+c1f2a0b3+BAdS… https://w1.example\" \\
    --witness \"w2 w2.example/auditor+9d0c11e2+BBx3…\" \\
    --witness \"w3 w3.example+40aa5b7f+BKc9…\" --output trust.policy
  countersign serve --data ledger --witnesses trust.policy
  countersign-verify bundle ledger.bundle.jsonl --ledger ID --trust trust.policy")]
struct NewArgs {
    /// A witness: NAME VKEY [URL], as `countersign witness trust-line` writes it; may be given several times
    #[arg(long = "witness", value_name = "LINE")]
    witnesses: Vec<String>,
    /// How many of the witnesses must have cosigned; all unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threshold: Option<u16>,
    /// Where to write the file; `-` is stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign trust show trust.policy")]
struct ShowArgs {
    /// The trust file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the subcommand.
///
/// # Errors
/// When the server cannot be reached, or a file is none or cannot be written.
pub fn run(args: &TrustArgs, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        TrustCommand::New(args) => new(args, context),
        TrustCommand::Show(args) => {
            context.out().emit(&Shown::of(&read(&args.file)?))?;
            Ok(Exit::Done)
        }
    }
}

/// Reads a trust file.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read(path: &Path) -> Result<TrustFile, Failure> {
    let bytes = files::read(path, MAX_TRUST_BYTES)?;
    TrustFile::parse(&bytes).map_err(|error| Failure::usage(error).within(path.display()))
}

fn new(args: &NewArgs, context: &Context) -> Result<Exit, Failure> {
    if args.output.as_os_str() != "-" {
        files::must_be_free(&args.output)?;
    }
    let lines: Vec<&str> = args.witnesses.iter().map(|line| without_keyword(line)).collect();
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split_ascii_whitespace().next()).collect();
    let threshold = args.threshold.map_or(names.len(), usize::from);
    if threshold > names.len() {
        return Err(Failure::usage(format_args!(
            "--threshold: expected at most {}, the number of witnesses, found {threshold}",
            names.len()
        )));
    }
    let client = context.client()?;
    let log = client.log_key()?;
    let mut text = format!("# ledger {}\nlog {log}\n", client.ledger_id());
    for line in lines {
        text.push_str(&format!("witness {line}\n"));
    }
    text.push_str(&match names.as_slice() {
        [] => "quorum none\n".to_owned(),
        [one] => format!("quorum {one}\n"),
        // a name that no witness has
        all => {
            let group = (0..).map(|n| if n == 0 { "witnesses".to_owned() } else { format!("witnesses-{n}") });
            let group = group.into_iter().find(|name| !all.contains(&name.as_str())).unwrap_or_default();
            format!("group {group} {threshold} {}\nquorum {group}\n", all.join(" "))
        }
    });
    let made = TrustFile::parse(text.as_bytes()).map_err(Failure::usage)?;
    if args.output.as_os_str() == "-" {
        context.out().raw(text.as_bytes())?;
        return Ok(Exit::Done);
    }
    files::create_new(&args.output, text.as_bytes())?;
    context.out().emit(&Shown::of(&made))?;
    Ok(Exit::Done)
}

/// Leaves out the comment lines and the word `witness` of a line of a trust file; a witness may itself be called so.
fn without_keyword(line: &str) -> &str {
    let line = line.lines().find(|line| !line.trim_start().starts_with('#')).unwrap_or_default().trim();
    let is_vkey = |word: Option<&str>| word.is_some_and(|word| word.contains('+'));
    match line.strip_prefix("witness ") {
        Some(rest) if is_vkey(rest.split_ascii_whitespace().nth(1)) => rest.trim_start(),
        _ => line,
    }
}

#[derive(Debug, Serialize)]
struct ShownKey {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    key_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    auditor: bool,
    /// Whether the quorum could count it.
    counts: bool,
}

#[derive(Debug, Serialize)]
struct ShownGroup {
    name: String,
    threshold: usize,
    members: Vec<String>,
}

/// What a trust file asks for.
#[derive(Debug, Serialize)]
struct Shown {
    logs: Vec<ShownKey>,
    witnesses: Vec<ShownKey>,
    groups: Vec<ShownGroup>,
    /// `null` where no witness is asked for.
    quorum: Option<String>,
    /// The smallest sets of witnesses that are the quorum; `null` where there are too many to be written out.
    smallest: Option<Vec<Vec<String>>>,
}

impl Shown {
    fn of(trust: &TrustFile) -> Self {
        let name = |at: &usize| trust.name(Member::Witness(*at));
        let counted = counted(trust);
        let witness = |(at, line): (usize, &Line)| ShownKey { counts: counted[at], ..shown_key(line) };
        let group = |group: &countersign_ledger::trust::Group| ShownGroup {
            name: group.name.to_string(),
            threshold: group.threshold,
            members: group.members.iter().map(|member| trust.name(*member)).collect(),
        };
        let smallest = trust.smallest_quorums(SHOWN_QUORUMS);
        Self {
            logs: trust.logs().iter().map(shown_key).collect(),
            witnesses: trust.witnesses().iter().enumerate().map(witness).collect(),
            groups: trust.groups().iter().map(group).collect(),
            quorum: trust.quorum().map(|quorum| trust.name(quorum)),
            smallest: smallest.map(|sets| sets.iter().map(|set| set.iter().map(name).collect()).collect()),
        }
    }
}

fn shown_key(line: &Line) -> ShownKey {
    ShownKey {
        name: line.name.as_ref().map(ToString::to_string),
        key_name: line.key.name().to_string(),
        vkey: line.key.vkey().map(ToString::to_string),
        url: line.url.clone(),
        auditor: line.name.is_some() && line.key.is_auditor(),
        counts: matches!(line.key, TrustKey::Known(_)),
    }
}

/// Which witnesses the quorum leads to, and can count.
fn counted(trust: &TrustFile) -> Vec<bool> {
    let mut counted = vec![false; trust.witnesses().len()];
    let mut left: Vec<Member> = trust.quorum().into_iter().collect();
    while let Some(member) = left.pop() {
        match member {
            Member::Witness(at) => counted[at] = trust.witnesses()[at].key.vkey().is_some(),
            Member::Group(at) => left.extend(&trust.groups()[at].members),
        }
    }
    counted
}

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.logs.as_slice() {
            [] => writeln!(out, "log: any; the ledger itself says which key is in force")?,
            logs => logs.iter().try_for_each(|log| writeln!(out, "log {}", described(log)))?,
        }
        for witness in &self.witnesses {
            write!(out, "witness {}: {}", escaped(witness.name.as_deref().unwrap_or_default()), described(witness))?;
            if witness.auditor {
                write!(out, ", an auditor: says that it verifies every entry")?;
            }
            let aside = match (&witness.vkey, witness.counts) {
                (None, _) => ", its key is of a type that is not known: never counts",
                (_, false) => ", the quorum does not ask for it",
                _ => "",
            };
            writeln!(out, "{aside}")?;
        }
        for group in &self.groups {
            let members: Vec<String> = group.members.iter().map(|member| escaped(member)).collect();
            writeln!(out, "group {}: {} of {}", escaped(&group.name), group.threshold, members.join(", "))?;
        }
        let Some(quorum) = &self.quorum else {
            return writeln!(out, "quorum: none, a checkpoint needs no witness");
        };
        writeln!(out, "quorum: {}", escaped(quorum))?;
        match &self.smallest {
            None => writeln!(out, "more than {SHOWN_QUORUMS} smallest sets of witnesses are enough"),
            Some(sets) => {
                writeln!(
                    out,
                    "{} enough:",
                    if sets.len() == 1 { "this set of witnesses is" } else { "any of these sets of witnesses is" }
                )?;
                sets.iter().try_for_each(|set| {
                    let names: Vec<String> = set.iter().map(|name| escaped(name)).collect();
                    writeln!(out, "  {} ({})", names.join(", "), count(names.len(), "cosignature"))
                })
            }
        }
    }
}

fn described(key: &ShownKey) -> String {
    let mut text = escaped(key.vkey.as_deref().unwrap_or(&key.key_name));
    if let Some(url) = &key.url {
        text += &format!(" at {}", escaped(url));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn witnesses_are_given_as_lines_or_without_their_first_word() {
        for (given, read) in [
            ("w1 w.example+01020304+AAAA http://w", "w1 w.example+01020304+AAAA http://w"),
            ("witness w1 w.example+01020304+AAAA", "w1 w.example+01020304+AAAA"),
            ("witness w.example+01020304+AAAA http://w", "witness w.example+01020304+AAAA http://w"),
            ("# verifies\nwitness witness w.example+01020304+AAAA\n", "witness w.example+01020304+AAAA"),
            ("", ""),
        ] {
            assert_eq!(without_keyword(given), read);
        }
    }
}
