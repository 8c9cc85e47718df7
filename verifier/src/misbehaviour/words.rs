//! A finding in words for a hearing, and as JSON.

use std::fmt::Write;

use super::{Finding, ShownBy, Statement, Verdict};
use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::escape::{escaped, quoted_bytes};
use crate::event::{Event, payload_json};
use crate::report_json::{Out, object};
use crate::witnessed::time_text;

const NOT_SHOWN: &str = "\
This does not show who held the log's key: the operator, or whoever took it from him. A key
that was replaced may have been stolen later. It does not show which statement is the true one.";

/// What a checkpoint says, in words.
pub(crate) fn plain_checkpoint(checkpoint: &Checkpoint) -> String {
    format!("the ledger has {} entries, and the root over them is {}", checkpoint.size, checkpoint.root)
}

/// What an entry is, in words; its bytes where it is none.
pub(crate) fn name_entry(line: &[u8]) -> String {
    let Ok(entry) = Entry::parse(line) else { return quoted_bytes(line) };
    let event = payload_json(&entry.payload).ok().and_then(|json| Event::read(&json).ok());
    match event {
        Some(event) => format!("{} of {} by {}, at {}", event.kind, event.subject.as_str(), event.author, entry.time),
        None => format!("an event that cannot be read, at {}", entry.time),
    }
}

fn shown_by(how: ShownBy) -> String {
    match how {
        ShownBy::Created => "named by the ledger's first entry, whose hash is the ledger id".to_owned(),
        ShownBy::Rotated(seq) => format!("named by entry {seq}, which the log signed for with the key before"),
        ShownBy::Trusted => "listed by the trust file".to_owned(),
    }
}

impl Finding {
    /// The headline, in one line.
    pub fn headline(&self) -> String {
        match (self.verdict, self.what) {
            (Verdict::Proven, Some(what)) => {
                format!("proven: {}: the log's key signed what cannot be true", what.name())
            }
            (verdict, _) => format!("{}: {}", verdict.name(), self.detail),
        }
    }

    /// The whole finding, to be read aloud.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // writing to a String cannot fail
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "verdict: {}", self.headline())?;
        if let Some(ledger) = self.ledger {
            writeln!(out, "\nledger   {ledger}")?;
        }
        if let Some(origin) = &self.origin {
            writeln!(out, "log      {}", escaped(origin))?;
        }
        if self.verdict != Verdict::Proven {
            return Ok(());
        }
        for (at, statement) in self.statements.iter().enumerate() {
            writeln!(out, "\nstatement {}", at + 1)?;
            statement.write_text(out)?;
        }
        writeln!(out, "\nwhy this cannot be")?;
        for why in &self.why {
            writeln!(out, "  {why}")?;
        }
        writeln!(out, "\n{NOT_SHOWN}")
    }

    /// The finding as one JSON object.
    pub fn to_json(&self) -> String {
        let text = |text: &Option<String>| text.as_deref().map_or(Out::Null, Into::into);
        object([
            ("verdict", self.verdict.name().into()),
            ("ledger", text(&self.ledger.map(|ledger| ledger.to_string()))),
            ("origin", text(&self.origin)),
            ("what", text(&self.what.map(|what| what.name().to_owned()))),
            ("statements", Out::List(self.statements.iter().map(Statement::to_out).collect())),
            ("why", Out::List(self.why.iter().map(|why| why.as_str().into()).collect())),
            ("detail", self.detail.as_str().into()),
        ])
        .to_json()
    }
}

impl Statement {
    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let Checkpoint { size, root, .. } = &self.checkpoint;
        writeln!(out, "  {}", self.says)?;
        writeln!(out, "  under the checkpoint of {size} entries with root {root}")?;
        for signed in &self.signed {
            writeln!(out, "  signed with log key {}", signed.key)?;
            writeln!(out, "    {}", shown_by(signed.shown_by))?;
        }
        for (name, time) in &self.cosigned {
            writeln!(out, "  seen by witness {} at {}", escaped(name), time_text(*time))?;
        }
        Ok(())
    }

    fn to_out(&self) -> Out {
        let signed = self.signed.iter().map(|signed| {
            object([
                ("vkey", signed.key.to_string().as_str().into()),
                ("shown_by", shown_by(signed.shown_by).as_str().into()),
            ])
        });
        let cosigned = self
            .cosigned
            .iter()
            .map(|(name, time)| object([("witness", name.as_str().into()), ("time", (*time).into())]));
        object([
            ("says", self.says.as_str().into()),
            ("size", self.checkpoint.size.into()),
            ("root", self.checkpoint.root.to_string().into()),
            ("signed", Out::List(signed.collect())),
            ("cosigned", Out::List(cosigned.collect())),
        ])
    }
}
