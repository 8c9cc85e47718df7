//! The command line: one file a command.
//!
//! Results go to stdout, everything else to stderr; a failure is one `error:` line, perhaps a `hint:`, and an exit
//! status ([`crate::failure`]). Every command takes `--json`, and says the same then as one JSON object a line.

pub mod annual;
mod bundle_source;
pub mod case;
pub mod check;
pub mod completions;
pub mod context;
#[cfg(feature = "server")]
pub mod demo;
pub mod event;
pub mod evidence;
pub mod export;
pub mod findings;
pub mod governance;
pub mod import;
pub mod inbox;
pub mod incidents;
#[cfg(feature = "server")]
pub mod init;
pub mod items;
pub mod key;
#[cfg(feature = "server")]
pub mod listen;
pub mod log_key;
#[cfg(feature = "server")]
pub mod mirror;
pub mod obligations;
pub mod outbox;
mod pages;
pub mod party;
pub mod policy;
pub mod receive;
pub mod reconcile;
pub mod report;
#[cfg(feature = "server")]
pub mod restore;
mod scans;
pub mod seal;
#[cfg(feature = "server")]
pub mod serve;
pub mod status;
pub mod stream;
pub mod submit;
pub mod trust;
pub mod view;
#[cfg(feature = "server")]
pub mod views;
pub mod watch;
#[cfg(feature = "server")]
pub mod witness;
mod witnessed;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use context::{Context, GlobalArgs};

use crate::failure::{EXIT_CODES, Exit, Failure};

/// A tamper-evident ledger for security assistance: every transfer, check and diversion report is signed by the parties
/// it concerns and can be verified offline.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "`countersign help COMMAND` explains a command, `countersign help exit-codes` the exit codes",
    after_long_help = "\
EXAMPLE
  countersign key new officer.pem
  countersign --server https://ledger.example.org status
  countersign event sign receipt.event.json --key officer.pem

`countersign help COMMAND` explains a command, `countersign help exit-codes` the exit codes"
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a ledger: its key, its policy, its governance
    #[cfg(feature = "server")]
    Init(init::InitArgs),
    /// Run the server of a ledger
    #[cfg(feature = "server")]
    Serve(serve::ServeArgs),
    /// Keep a verified copy of somebody's ledger, and serve it to read
    #[cfg(feature = "server")]
    Mirror(mirror::MirrorArgs),
    /// Rebuild the data folder of a ledger from a bundle
    #[cfg(feature = "server")]
    Restore(restore::RestoreArgs),
    /// Make, show, add, retire and revoke keys
    Key(key::KeyArgs),
    /// Enrol, amend, succeed and show parties
    Party(party::PartyArgs),
    /// Show and change who governs: the keys, and how many of them must sign
    Governance(governance::GovernanceArgs),
    /// Show and change the signature policy: who must sign what
    Policy(policy::PolicyArgs),
    /// Rotate the key that signs checkpoints
    LogKey(log_key::LogKeyArgs),
    /// Open, amend, close and show cases
    Case(case::CaseArgs),
    /// Draft, sign, submit and show events
    Event(event::EventArgs),
    /// Show and sign what awaits a party on the server
    Inbox(Box<inbox::InboxArgs>),
    /// Name, send and fetch the files that events name
    Evidence(evidence::EvidenceArgs),
    /// Record the rows of a CSV or NDJSON file as signed events
    Import(Box<import::ImportArgs>),
    /// Receive what was dispatched: all as sent, or by scanned serials
    Receive(Box<receive::ReceiveArgs>),
    /// Say what is overdue and what does not add up, from a server or a bundle
    Findings(Box<findings::FindingsArgs>),
    /// Set out what countries exported and imported in a year, for UNROCA and the Arms Trade Treaty
    Annual(Box<annual::AnnualArgs>),
    /// Set what was authorized and sent against what came and is there, by line and serial
    Reconcile(Box<reconcile::ReconcileArgs>),
    /// Set out what a bundle comes to, as a page to read and print
    Report(Box<report::ReportArgs>),
    /// Draft end-use checks from what was scanned
    Check(check::CheckArgs),
    /// Write the ledger, or a case of it, to a bundle file: for the verifier, and for the field
    Export(export::ExportArgs),
    /// Have the server commit to all streams, so that extracts prove that they are whole
    Seal(seal::SealArgs),
    /// Listen to new entries: one JSON line each
    Stream(stream::StreamArgs),
    /// Where items are, who has them, and what was stated of them
    Items(Box<items::ItemsArgs>),
    /// What is due, by date
    Obligations(obligations::ObligationsArgs),
    /// Reports of diversions, and what came of them
    Incidents(incidents::IncidentsArgs),
    /// Write and explain trust files: who must have signed and witnessed
    Trust(trust::TrustArgs),
    /// Say which ledger this is and how it stands
    Status(status::StatusArgs),
    /// Follow a ledger from outside, and prove it where it contradicts itself
    Watch(Box<watch::WatchArgs>),
    /// The views of a stopped ledger: rebuild them, say how far they are
    #[cfg(feature = "server")]
    Views(views::ViewsArgs),
    /// Cosign the checkpoints of other parties' ledgers, as a service
    #[cfg(feature = "server")]
    Witness(witness::WitnessArgs),
    /// Play the whole story with a real server and four parties
    #[cfg(feature = "server")]
    Demo(demo::DemoArgs),
    /// Write completions for a shell
    Completions(completions::CompletionsArgs),
    /// What the exit statuses mean
    #[command(hide = true, long_about = EXIT_CODES, help_template = "{about}")]
    ExitCodes,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report_usage(&error),
    };
    let json = cli.global.json;
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.quiet {
                // nobody listens to stderr: the status says it
                let _ = writeln!(std::io::stderr(), "{}", failure.render(json));
            }
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let context = Context::new(cli.global);
    match cli.command {
        #[cfg(feature = "server")]
        Command::Init(args) => init::run(args, &context),
        #[cfg(feature = "server")]
        Command::Serve(args) => serve::run(args, &context),
        #[cfg(feature = "server")]
        Command::Mirror(args) => mirror::run(args, &context),
        #[cfg(feature = "server")]
        Command::Restore(args) => restore::run(&args, &context),
        Command::Key(args) => key::run(args, &context),
        Command::Party(args) => party::run(args, &context),
        Command::Governance(args) => governance::run(args, &context),
        Command::Policy(args) => policy::run(args, &context),
        Command::LogKey(args) => log_key::run(args, &context),
        Command::Case(args) => case::run(args, &context),
        Command::Event(args) => event::run(args, &context),
        Command::Inbox(args) => inbox::run(*args, &context),
        Command::Evidence(args) => evidence::run(args, &context),
        Command::Import(args) => import::run(*args, &context),
        Command::Receive(args) => receive::run(*args, &context),
        Command::Findings(args) => findings::run(&args, &context),
        Command::Annual(args) => annual::run(&args, &context),
        Command::Reconcile(args) => reconcile::run(&args, &context),
        Command::Report(args) => report::run(&args, &context),
        Command::Check(args) => check::run(args, &context),
        Command::Export(args) => export::run(args, &context),
        Command::Seal(args) => seal::run(args, &context),
        Command::Stream(args) => stream::run(&args, &context),
        Command::Items(args) => items::run(*args, &context),
        Command::Obligations(args) => obligations::run(args, &context),
        Command::Incidents(args) => incidents::run(args, &context),
        #[cfg(feature = "server")]
        Command::Views(args) => views::run(args, &context),
        Command::Trust(args) => trust::run(&args, &context),
        Command::Status(args) => status::run(args, &context),
        Command::Watch(args) => watch::run(*args, &context),
        #[cfg(feature = "server")]
        Command::Witness(args) => witness::run(args, &context),
        #[cfg(feature = "server")]
        Command::Demo(args) => demo::run(args, &context),
        Command::Completions(args) => completions::run(args, &context),
        Command::ExitCodes => {
            context.out().raw(EXIT_CODES.as_bytes())?;
            context.out().raw(b"\n")?;
            Ok(Exit::Done)
        }
    }
}

/// Prints help and version to stdout, and mistakes as every other error.
fn report_usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // a reader that went away is no failure
            let _ = error.print();
            return Exit::Done.into();
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return Exit::Usage.into();
        }
        _ => {}
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    let _ = writeln!(std::io::stderr(), "{}", usage_failure(&error.render().to_string()).render(json));
    Exit::Usage.into()
}

/// Puts what the argument parser says into the form of every other error.
fn usage_failure(text: &str) -> Failure {
    let paragraphs: Vec<&str> = text.split("\n\n").collect();
    let joined = |paragraph: &str| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let message = joined(paragraphs.first().copied().unwrap_or_default());
    let tip = paragraphs.iter().find_map(|paragraph| paragraph.trim().strip_prefix("tip: ")).map(joined);
    let failure = Failure::usage(message.strip_prefix("error: ").unwrap_or(&message));
    failure.hint(tip.unwrap_or_else(|| "--help explains the command".to_owned()))
}

/// Makes a table without lines.
fn table<const N: usize>(header: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    table
}

/// Returns the command line's definition, for completions and documents.
#[must_use]
pub fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn mistakes_read_as_every_other_error() {
        let said = |arguments: &[&str]| match Cli::try_parse_from(arguments) {
            Ok(_) => String::new(),
            Err(error) => usage_failure(&error.render().to_string()).render(false),
        };
        assert_eq!(
            said(&["countersign", "event", "sing"]),
            "error: unrecognized subcommand 'sing'\nhint: a similar subcommand exists: 'sign'"
        );
        assert_eq!(
            said(&["countersign", "event", "sign"]),
            "error: the following required arguments were not provided: <FILE>\nhint: --help explains the command"
        );
    }

    /// A release build does not notice when a command's argument hides a global one.
    #[test]
    fn no_argument_hides_a_global_one() {
        fn walk(command: &clap::Command, globals: &[String]) {
            for sub in command.get_subcommands() {
                for argument in sub.get_arguments().map(|argument| argument.get_id().to_string()) {
                    assert!(!globals.contains(&argument), "{} of {}", argument, sub.get_name());
                }
                walk(sub, globals);
            }
        }
        let definition = definition();
        let globals: Vec<String> =
            definition.get_arguments().filter(|a| a.is_global_set()).map(|a| a.get_id().to_string()).collect();
        assert!(globals.len() >= 8, "{globals:?}");
        walk(&definition, &globals);
    }

    /// Every command explains itself with an example.
    #[test]
    fn every_command_has_an_example() {
        fn walk(command: &clap::Command, path: &str, missing: &mut Vec<String>) {
            for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
                let path = format!("{path} {}", sub.get_name());
                let help = sub.get_after_long_help().map(ToString::to_string).unwrap_or_default();
                if !help.contains("EXAMPLE\n") && !sub.has_subcommands() {
                    missing.push(path.clone());
                }
                walk(sub, &path, missing);
            }
        }
        let mut missing = Vec::new();
        walk(&definition(), "countersign", &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }
}
