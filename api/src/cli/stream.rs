//! `stream`: listens to new entries.

use std::io::{self, Write};

use clap::Args;
use countersign_ledger::id::{CaseId, Kind};
use serde::Serialize;

use super::Context;
use crate::client::Listen;
use crate::failure::{Exit, Failure};
use crate::output::Report;
use crate::wire::EntryView;

/// Arguments of `stream`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Writes each entry as one line of JSON, as GET /v1/entries/SEQ has it, as soon as it is
durable; takes up again where a connection broke. What the lines say is the server's word
until a bundle is verified. Ends with --count, or when it is interrupted.

EXAMPLE
  countersign stream
  countersign stream --from 0 --case us-dsca.xa-b-uaa --kind transfer.received
  countersign stream --from 100 --count 5")]
pub struct StreamArgs {
    /// The first entry; unless given, what is new from now on
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Only events of this case
    #[arg(long, value_name = "ID")]
    case: Option<CaseId>,
    /// Only events of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// End after so many entries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Line(EntryView);

impl Report for Line {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        // a terminal shows what is in the JSON: characters that deceive are escaped, which JSON allows
        writeln!(out, "{}", ascii(&serde_json::to_string(self).map_err(io::Error::from)?))
    }
}

/// Writes everything beyond ASCII as JSON's escapes; it stands in strings only.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// Listens until enough came.
///
/// # Errors
/// When the server refuses or stays away, or stdout cannot be written.
pub fn run(args: &StreamArgs, context: &Context) -> Result<Exit, Failure> {
    let listen = Listen { from: args.from, case: args.case.clone(), kind: args.kind.clone() };
    let mut left = args.count;
    context.client()?.listen(listen, |view| -> Result<bool, Failure> {
        context.out().emit(&Line(view))?;
        left = left.map(|left| left - 1);
        Ok(left != Some(0))
    })?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_hide_nothing_and_say_the_same() {
        let text = ascii(&serde_json::to_string("a\u{202e}Ж😀\u{7f}\"").unwrap());
        assert!(text.is_ascii() && !text.contains('\u{7f}'));
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "a\u{202e}Ж😀\u{7f}\"");
    }
}
