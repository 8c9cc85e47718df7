//! What commands that ask the server's views share: pages, CSV, how far the views are.

use std::io::{self, Write};

use super::Context;
use crate::client::ClientError;
use crate::failure::Failure;
use crate::wire::views::AsOf;

/// How many are shown unless asked.
const DEFAULT_LIMIT: usize = 1_000;
/// How many are fetched at once.
const PAGE: usize = 1_000;

/// What was found.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) as_of: AsOf,
    pub(super) found: Vec<T>,
    /// There is more than was asked for.
    pub(super) more: bool,
}

/// A page: how far the views are, what is on it, and the cursor of the next one.
type Fetched<T> = (AsOf, Vec<T>, Option<String>);

/// Fetches page after page: up to a limit, or all as CSV, which is written as it comes and leaves nothing to show.
pub(super) fn all_pages<T>(
    context: &Context,
    csv: bool,
    limit: Option<usize>,
    table: impl Fn(&[T]) -> Vec<u8>,
    mut fetch: impl FnMut(usize, Option<&str>) -> Result<Fetched<T>, ClientError>,
) -> Result<Option<Found<T>>, Failure> {
    let most = limit.unwrap_or(if csv { usize::MAX } else { DEFAULT_LIMIT });
    let (mut cursor, mut count, mut found) = (None::<String>, 0, Vec::new());
    loop {
        let wanted = PAGE.min(most - count).max(1);
        let (as_of, mut page, next) = fetch(wanted, cursor.as_deref())?;
        page.truncate(most - count);
        if csv {
            let written = table(&page);
            let header = written.iter().position(|b| *b == b'\n').map_or(0, |end| end + 1);
            context.out().raw(if cursor.is_none() { &written } else { &written[header..] })?;
            count += page.len();
        } else {
            count += page.len();
            found.append(&mut page);
        }
        match next {
            Some(next) if count < most => cursor = Some(next),
            next => return Ok((!csv).then_some(Found { as_of, found, more: next.is_some() })),
        }
    }
}

/// Says how far the views are, where they are behind.
pub(super) fn say_lag(out: &mut dyn Write, as_of: AsOf) -> io::Result<()> {
    if as_of.lag == 0 {
        return Ok(());
    }
    let last = as_of.as_of_seq.map_or_else(|| "none".to_owned(), |seq| seq.to_string());
    writeln!(out, "as of entry {last}: {} newer entries are not taken into account yet", as_of.lag)
}
