//! The report in words: the verdict and its limits first, then what was checked, so that it can be read aloud.

use std::fmt::Write;

use crate::checks::{Check, Code, Outcome};
use crate::fold::{Sealed, SuspectBy};
use crate::report::{Report, Verdict};
use crate::witnessed::{Group, Said, Witnessed, time_text};

/// Where what belongs to a check is written, below its meaning.
const DETAIL: usize = 25;
/// How many proofs of completeness are listed; the rest is counted.
const SEALED_LISTED: usize = 20;
/// How many differences of the policy are listed; the rest is counted.
const POLICY_LISTED: usize = 4;
/// How many suspect entries are listed by name; the rest is counted.
const SUSPECTS_LISTED: usize = 20;

impl Report {
    /// The verdict with its limits, in one line (SPEC §13).
    pub fn headline(&self) -> String {
        let verdict = self.verdict();
        let mut line = match verdict {
            Verdict::Verified => "verified".to_owned(),
            Verdict::Failed => "failed: something in this file is not as it should be".to_owned(),
            Verdict::NotChecked => format!("not_checked: {}", self.why_not_checked()),
            Verdict::Partial => "partial: nothing false, but not everything decided".to_owned(),
        };
        if verdict == Verdict::NotChecked {
            return line;
        }
        if self.checks.row(Code::Witness).outcome != Outcome::Ok {
            line += "; not compared with what others are shown";
        }
        if self.extract {
            if let (Some(seal), Some(scope)) = (self.sealed_before, &self.scope) {
                line += &format!("; all of {scope} before entry {seal} is shown");
            }
            line += "; later corrections, disputes and revocations may be withheld";
            if let Some(seal) = self.sealed_before {
                line += &format!(" after entry {seal}");
            }
        }
        line
    }

    fn why_not_checked(&self) -> String {
        if let Some(what) = &self.newer {
            format!("{} needs a newer version of this program", crate::escape::escaped(what))
        } else if let Some(why) = &self.unreadable {
            format!("the input could not be read ({why})")
        } else {
            "no ledger id was given, so this may be another ledger".to_owned()
        }
    }

    /// The whole report.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // writing to a String cannot fail
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "verdict: {}", self.headline())?;
        writeln!(out)?;
        if let Some(ledger) = self.ledger {
            writeln!(out, "ledger       {ledger}")?;
            if !self.ledger_given {
                writeln!(out, "             as the file says; give the id from a source you trust")?;
            }
        }
        if let Some(size) = self.size {
            write!(out, "entries      {} of {size} shown", self.shown)?;
            match &self.scope {
                Some(scope) if self.extract => writeln!(out, "; labelled {scope}")?,
                _ => writeln!(out)?,
            }
        }
        match self.undisclosed {
            0 => {}
            1 => writeln!(out, "undisclosed  1 value, known only by its digest")?,
            n => writeln!(out, "undisclosed  {n} values, each known only by its digest")?,
        }
        if let Some(row) = self.checks.first_fault() {
            writeln!(out)?;
            writeln!(out, "first fault: {} at {}", row.code, place(row))?;
            write_fault(out, row, 2)?;
        }
        self.write_sealed(out)?;
        self.write_policy(out)?;
        self.write_suspects(out)?;
        self.write_checks(out)?;
        self.write_limits(out)
    }

    /// What `sealed` lines proved, how old their seals are, and what they leave open.
    fn write_sealed(&self, out: &mut String) -> std::fmt::Result {
        let Some(newest) = self.sealed.iter().max_by_key(|sealed| sealed.seq) else {
            return Ok(());
        };
        // of what is false, or of another ledger perhaps, nothing is proved
        if !matches!(self.verdict(), Verdict::Verified | Verdict::Partial) {
            return Ok(());
        }
        writeln!(out)?;
        writeln!(out, "nothing left out")?;
        for sealed in self.sealed.iter().take(SEALED_LISTED) {
            writeln!(out, "  {}", sealed_in_words(sealed))?;
        }
        let more = self.sealed.len().saturating_sub(SEALED_LISTED);
        if more > 0 {
            writeln!(out, "  and {more} more, all in the --json report")?;
        }
        if let Some(later) = self.size.and_then(|size| size.checked_sub(newest.seq + 1)) {
            let entries = match later {
                0 => "nothing was recorded after it".to_owned(),
                1 => "1 entry was recorded after it".to_owned(),
                n => format!("{n} entries were recorded after it"),
            };
            writeln!(out, "  the newest of these seals, entry {}, is of {}; {entries}", newest.seq, newest.time)?;
        }
        out.write_str(SEALS_LEAVE_OPEN)
    }

    /// In what the policy differs from the default: the first rows that ask for something else, and counts.
    fn write_policy(&self, out: &mut String) -> std::fmt::Result {
        let Some(differences) = self.policy.as_ref().filter(|list| !list.is_empty()) else {
            return Ok(());
        };
        let count = |word: &str| differences.iter().filter(|difference| difference.word() == word).count();
        let counts = ["changed", "added", "removed"].map(|word| format!("{} {word}", count(word)));
        writeln!(out)?;
        writeln!(out, "policy in force against the default: kinds {}", counts.join(", "))?;
        for difference in differences.iter().take(POLICY_LISTED) {
            writeln!(out, "  {} {} since entry {}", difference.kind, difference.word(), difference.seq)?;
            if let Some(before) = &difference.before {
                writeln!(out, "    default   {before}")?;
            }
            writeln!(out, "    in force  {}", difference.after.as_deref().unwrap_or("nobody may record it"))?;
        }
        let more = differences.len().saturating_sub(POLICY_LISTED);
        if more > 0 {
            writeln!(out, "  and {more} more, all in the --json report")?;
        }
        Ok(())
    }

    fn write_suspects(&self, out: &mut String) -> std::fmt::Result {
        if self.suspects.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        writeln!(out, "suspect entries: {}", self.suspects.len())?;
        for suspect in self.suspects.iter().take(SUSPECTS_LISTED) {
            let by = match suspect.by {
                SuspectBy::Party => "the party itself",
                SuspectBy::Governance => "governance",
            };
            writeln!(
                out,
                "  entry {}: signed by a key of {} that entry {} revoked, suspect from {}; revoked by {by}",
                suspect.seq, suspect.party, suspect.revocation, suspect.from
            )?;
        }
        let more = self.suspects.len().saturating_sub(SUSPECTS_LISTED);
        if more > 0 {
            writeln!(out, "  and {more} more, all in the --json report")?;
        }
        Ok(())
    }

    fn write_checks(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out)?;
        let decided = self.checks.any(Outcome::Ok) || self.checks.any(Outcome::Failed);
        if !decided {
            return writeln!(out, "nothing could be checked");
        }
        let first = self.checks.first_fault().map(|row| row.code);
        writeln!(out, "what was checked")?;
        for row in self.checks.rows() {
            let word = match row.outcome {
                Outcome::Ok => "ok",
                Outcome::Failed => "FAILED",
                Outcome::Undecided => "undecided",
                Outcome::NotApplicable => "not asked",
            };
            writeln!(out, "  {word:<10} {:<11} {}", row.code, row.code.meaning())?;
            match &row.detail {
                Some(detail) if row.outcome == Outcome::Undecided => {
                    writeln!(out, "{:DETAIL$}{detail} ({})", "", place(row))?;
                }
                Some(detail) => writeln!(out, "{:DETAIL$}{detail}", "")?,
                None if first == Some(row.code) => writeln!(out, "{:DETAIL$}not so: see the first fault above", "")?,
                None if row.outcome == Outcome::Failed => {
                    writeln!(out, "{:DETAIL$}not so at {}", "", place(row))?;
                    write_fault(out, row, DETAIL)?;
                }
                None => {}
            }
            if row.code == Code::Witness
                && let Some(witnessed) = &self.witnessed
            {
                write_witnesses(out, witnessed)?;
            }
        }
        Ok(())
    }

    fn write_limits(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out)?;
        if matches!(self.verdict(), Verdict::Verified | Verdict::Partial) {
            writeln!(out, "This shows who said what, in which order, and that nothing shown was altered.")?;
            if self.checks.row(Code::Witness).outcome == Outcome::Ok {
                writeln!(out, "Witnesses saw the same ledger: everyone is shown the same history.")?;
            } else {
                writeln!(out, "Without witnesses it cannot show that others are shown the same history.")?;
            }
        }
        out.write_str(LIMITS)
    }
}

/// SPEC §15, for every report that says something is sealed.
const SEALS_LEAVE_OPEN: &str = "  \
not covered: what was recorded after the seal, other cases and incidents that name the same items, what was said
  of those statements themselves or corrected in them unless they are listed, and whatever else is shown
  the seal is the operator's word under its checkpoint; whoever has the whole ledger can compute it again
";

/// What a `sealed` line proved, in a sentence.
pub(crate) fn sealed_in_words(sealed: &Sealed) -> String {
    let what = match (&sealed.case, &sealed.subject) {
        (Some(case), None) => format!("case {case}"),
        (Some(case), Some(subject)) => format!("{subject} in case {case}"),
        (None, Some(subject)) => format!("{subject} outside any case"),
        (None, None) => "all streams outside any case".to_owned(),
    };
    let seal = sealed.seq;
    let mut said = match sealed.events {
        0 => format!("{what} had no event before entry {seal}"),
        1 => format!("the 1 event of {what} before entry {seal} is shown, and all statements that speak of it"),
        n => format!("all {n} events of {what} before entry {seal} are shown, and all statements that speak of them"),
    };
    match sealed.since {
        0 => {}
        1 => said += "; 1 event of it after that is shown, perhaps not the only one",
        n => said += &format!("; {n} events of it after that are shown, perhaps not all"),
    }
    said
}

/// SPEC §14, for every report.
pub(crate) const LIMITS: &str = "\
It does not show
  that a statement is true, or that the first description of an item was right;
  that nothing happened off the ledger, or that all that was submitted was recorded;
  that entry times are true beyond what witnesses bound;
  that two party ids are two organisations, or that a named predecessor ledger is true;
  that a key's holder was not coerced or robbed before revocation.
";

pub(crate) fn place(row: &Check) -> String {
    match (row.place.seq, row.place.line) {
        (Some(seq), Some(line)) => format!("entry {seq}, line {line}"),
        (Some(seq), None) => format!("entry {seq}"),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => "the file as a whole".to_owned(),
    }
}

/// Who of the trust file cosigned and when, and what its groups came to.
fn write_witnesses(out: &mut String, witnessed: &Witnessed) -> std::fmt::Result {
    for witness in &witnessed.witnesses {
        let said = match witness.said {
            Said::Cosigned(when) => format!("cosigned at {}", time_text(when.newest)),
            Said::Nothing => "did not cosign".to_owned(),
            Said::Wrong => "its cosignature is not valid".to_owned(),
            Said::Unsupported => "its key is of a type that this program does not know".to_owned(),
        };
        let aside = if witness.counts { "" } else { "; the quorum does not ask for it" };
        writeln!(out, "{:DETAIL$}witness {}: {said}{aside}", "", witness.label())?;
    }
    for group in witnessed.groups.iter().filter(|group| group.counts) {
        let word = if group.met() { "met" } else { "not met" };
        let Group { name, threshold, members, witnessed, .. } = group;
        writeln!(out, "{:DETAIL$}group {name}: {witnessed} of {members} witnessed, {threshold} needed: {word}", "")?;
    }
    Ok(())
}

fn write_fault(out: &mut String, row: &Check, indent: usize) -> std::fmt::Result {
    let Some(fault) = &row.fault else {
        return Ok(());
    };
    writeln!(out, "{:indent$}what      {}", "", fault.detail)?;
    writeln!(out, "{:indent$}expected  {}", "", fault.expected)?;
    writeln!(out, "{:indent$}found     {}", "", fault.found)
}
