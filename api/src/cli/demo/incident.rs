//! The second half of the story: a discrepancy, and a diversion from its report to the closing of the incident.

use countersign_ledger::time::{Clock as _, SystemClock};
use serde_json::Value;

use super::bodies::{self, CASE, CONSIGNMENT};
use super::stage::Stage;
use super::story::{expect, write_body};
use crate::failure::Failure;

const INCIDENT: &str = "incident/xd-inspect.2026-1";

pub(super) fn tell(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("7. The recipient claims what is missing, under the code for a shortage.")?;
    let claim = Statement { who: "recipient", name: "discrepancy", kind: "discrepancy.reported", subject: CONSIGNMENT };
    claim.make(stage, Some(CASE), &bodies::discrepancy())?;

    stage.say("8. The inspector reports a diversion: any party may, alone, and nobody can veto it.")?;
    let report = Statement { who: "inspector", name: "diversion", kind: "diversion.reported", subject: INCIDENT };
    report.make(stage, None, &bodies::diversion())?;
    let said = stage.act("oversight", &["findings", "--case", CASE])?;
    expect(&said, "DIVERSION_OPEN")?;

    stage.say(
        "9. Oversight investigates, finds, and orders a remedy; the recipient completes it; oversight accepts that and\n   \
         closes the incident. A party that is accused could not.",
    )?;
    let of_incident = |name, kind| Statement { who: "oversight", name, kind, subject: INCIDENT };
    of_incident("investigation", "investigation.opened").make(stage, None, &bodies::investigation())?;
    let finding = of_incident("finding", "finding.recorded").make(stage, None, &bodies::finding())?;
    let due = SystemClock.now().utc_date().plus_days(30).to_string();
    let order = of_incident("remedy", "remedy.ordered").make(stage, None, &bodies::remedy(&due))?;
    let completion = Statement {
        who: "recipient",
        name: "completion",
        kind: "remedy.completed",
        subject: "statement/xr-mod.remedy-1",
    };
    let completion = completion.make(stage, None, &bodies::completed(&order))?;
    of_incident("acceptance", "remedy.accepted").make(stage, None, &bodies::accepted(&order, &completion))?;
    of_incident("closing", "incident.closed").make(stage, None, &bodies::closed(&finding))?;
    Ok(())
}

/// A statement that one party signs alone.
struct Statement<'a> {
    who: &'a str,
    name: &'a str,
    kind: &'a str,
    subject: &'a str,
}

impl Statement<'_> {
    /// Drafts, signs and submits it; returns its event hash.
    fn make(&self, stage: &mut Stage, case: Option<&str>, body: &Value) -> Result<String, Failure> {
        let (draft, file) = (format!("{}.json", self.name), format!("{}.event.json", self.name));
        let key = format!("{}.pem", self.who);
        write_body(stage, &draft, body)?;
        let mut arguments = vec!["event", "new", "--kind", self.kind, "--subject", self.subject, "--body", &draft];
        if let Some(case) = case {
            arguments.extend(["--case", case]);
        }
        arguments.extend(["--key", &key, "--yes", "-o", &file]);
        stage.act(self.who, &arguments)?;
        let said = stage.act(self.who, &["event", "submit", &file])?;
        expect(&said, "is recorded as entry ")?;
        let event = said.lines().find_map(|line| line.strip_prefix("event "));
        event.map(str::to_owned).ok_or_else(|| Failure::refused("`event submit` printed no event hash"))
    }
}
