//! Books of the running ledger: the entries of one case, with what bears on it, put together when asked.

use std::sync::Arc;

use countersign_ledger::book::{Book, BookBuilder};
use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::facts::{FactError, Statement};
use countersign_ledger::id::{CaseId, Seq, TreeSize};
use countersign_ledger::store::{Store, StoreError};
use countersign_ledger::time::Time;
use rayon::prelude::*;

/// How many entries one thread reads together.
const CHUNK: usize = 256;

/// Why a book cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BookError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored entry cannot be read.
    #[error("{0}")]
    Entry(String),
}

impl From<FactError> for BookError {
    fn from(error: FactError) -> Self {
        Self::Entry(error.to_string())
    }
}

/// Puts together what bears on a case, or with `None` what is outside any: the entries of SPEC §8, those without a case,
/// and the case's own, below `size` and up to `as_of`.
pub(crate) fn book(
    store: &Arc<dyn Store>,
    size: TreeSize,
    case: Option<&CaseId>,
    as_of: Time,
) -> Result<Book, BookError> {
    let mut seqs = store.case_seqs(None, None)?;
    if let Some(case) = case {
        seqs.extend(store.case_seqs(Some(case), None)?);
    }
    let mut from = Seq(0);
    loop {
        let some = store.authority_seqs(from, 4_096)?;
        let Some(last) = some.last() else { break };
        from = Seq(last.0 + 1);
        seqs.extend(some);
    }
    seqs.sort_unstable();
    seqs.dedup();
    seqs.retain(|seq| seq.0 < size.0);
    let read: Vec<(Statement, Event)> = seqs
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().map(|seq| statement(&**store, *seq)).collect::<Result<Vec<_>, _>>())
        .collect::<Result<Vec<_>, BookError>>()?
        .into_iter()
        .flatten()
        .collect();
    let mut builder = BookBuilder::new(as_of);
    builder.shows_case(None);
    if case.is_some() {
        builder.shows_case(case.cloned());
    }
    for (statement, event) in read {
        builder.push(statement, &event);
    }
    Ok(builder.finish())
}

fn statement(store: &dyn Store, seq: Seq) -> Result<(Statement, Event), BookError> {
    let missing = || BookError::Entry(format!("entry {seq} is missing"));
    let line = store.lines(seq, 1, 1)?.pop().ok_or_else(missing)?;
    let entry = Entry::parse(&line).map_err(|e| BookError::Entry(format!("entry {seq}: {e}")))?;
    Ok(Statement::read(&entry, &store.disclosures(seq)?)?)
}
