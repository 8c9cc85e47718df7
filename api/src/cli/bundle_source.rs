//! The options of commands that compute from a bundle where one is given, and from the server else.

use std::path::PathBuf;

use clap::Args;
use countersign_ledger::book::Book;
use countersign_ledger::id::CaseId;
use countersign_ledger::time::Time;

use super::Context;
use crate::book_file::{self, BookFile, Request, Verdict, Whole};
use crate::failure::Failure;

/// Which bundle, and how it is read.
#[derive(Debug, Args)]
pub(crate) struct BundleSource {
    /// Read this bundle instead of asking the server; `-` is stdin
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Take the exporter's word that an extract shows all of its case or subject, where no seal proves it
    #[arg(long, requires = "bundle")]
    trust_scope: bool,
    /// The verifier's program [default: beside this one, or on the path]
    #[arg(long, value_name = "FILE", requires = "bundle")]
    verifier: Option<PathBuf>,
}

impl BundleSource {
    /// Reads the bundle that is given, and what the verifier says of it; `None` where the server is to be asked.
    ///
    /// # Errors
    /// When it cannot be read, or a check of it is false: nothing is computed from it then.
    pub(crate) fn read(&self, context: &Context, as_of: Option<Time>) -> Result<Option<(Book, Verdict)>, Failure> {
        let Some(file) = &self.bundle else { return Ok(None) };
        let read = book_file::read(&Request {
            file,
            ledger: context.global().ledger,
            as_of,
            verifier: self.verifier.as_deref(),
            trust: None,
            previous: None,
            trust_scope: self.trust_scope,
        })?;
        match &read.whole {
            Whole::Unsaid | Whole::Trusted => {}
            Whole::Proven { entry, time } => context.out().note(format_args!(
                "a seal proves that all of it before entry {entry} is shown: nothing later than {time} is counted"
            )),
            Whole::Before { entry, time } => context.out().warn(format_args!(
                "a seal proves that all of it before entry {entry} is shown, but not what came after {time}"
            )),
        }
        let found = usable(read)?;
        if found.1.verdict == "not_checked" {
            context.out().warn("the bundle was not checked: give the ledger id with --ledger, from a source you trust");
        }
        Ok(Some(found))
    }
}

/// Returns the book of a bundle, unless a check of it is false.
fn usable(read: BookFile) -> Result<(Book, Verdict), Failure> {
    let BookFile { book, unreadable, verdict, .. } = read;
    if verdict.failed() {
        let failed: Vec<&str> = verdict.checks.iter().filter(|c| c.result == "failed").map(|c| &*c.code).collect();
        return Err(Failure::refused(format_args!("the bundle is false: {}", failed.join(", ")))
            .hint("`countersign-verify bundle FILE` says where it breaks; nothing is computed from it"));
    }
    let unreadable =
        || Failure::usage(format_args!("the bundle cannot be read: {}", unreadable.clone().unwrap_or_default()));
    Ok((book.ok_or_else(unreadable)?, verdict))
}

/// Refuses a case that a book has nothing of.
///
/// # Errors
/// When it was not opened in what the bundle shows.
pub(crate) fn known_case(book: &Book, case: Option<&CaseId>) -> Result<(), Failure> {
    match case {
        Some(case) if !book.cases().any(|known| known == case) => {
            Err(Failure::usage(format_args!("the bundle shows no case {case}"))
                .hint("`countersign-verify show` lists what it shows; an extract may hold other cases back"))
        }
        _ => Ok(()),
    }
}
