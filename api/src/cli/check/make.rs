//! Makes the events of a check: one or more parts for each case, signed with the keys at hand or not at all.

use std::sync::Arc;

use countersign_ledger::envelope::{Envelope, MAX_PAYLOAD};
use countersign_ledger::event::check::Access;
use countersign_ledger::event::common::Serial;
use countersign_ledger::event::scalars::Label;
use countersign_ledger::event::{Body, Event, Occurred};
use countersign_ledger::hash::{EventHash, LedgerId};
use countersign_ledger::id::{Author, CaseId, Subject};
use countersign_ledger::keys::Signer;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::parts::{item, split};
use super::plan::{Plan, Said, Told};
use super::population::{Before, Population};
use super::{NewArgs, PartArg};
use crate::case_file::CaseFile;
use crate::cli::Context;
use crate::cli::import::derive::event_id;
use crate::draft::Draft;
use crate::failure::Failure;

/// What every event of the check has in common.
pub(super) struct Maker<'a> {
    args: &'a NewArgs,
    ledger: LedgerId,
    author: Author,
    keys: Vec<Arc<dyn Signer>>,
    subject: Subject,
}

/// The check of one case.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) case: CaseId,
    pub(super) submissions: Vec<Submission>,
    pub(super) expected: usize,
    pub(super) seen: usize,
    pub(super) rest: usize,
    pub(super) unmatched: Vec<Serial>,
    pub(super) notes: Vec<String>,
}

impl Made {
    /// Says in one line what is signed.
    pub(super) fn summary(&self) -> String {
        let Self { case, expected, seen, rest, unmatched, .. } = self;
        format!("{case}: {expected} expected, {seen} scanned, {rest} not scanned, {} unmatched", unmatched.len())
    }
}

impl<'a> Maker<'a> {
    pub(super) fn new(
        args: &'a NewArgs,
        context: &Context,
        file: &CaseFile,
        keys: Vec<Arc<dyn Signer>>,
    ) -> Result<Self, Failure> {
        let holder = || file.holder_of(&keys.first()?.public().id());
        let author = args.author.clone().or_else(holder).ok_or_else(|| {
            Failure::usage("nobody is named as the author")
                .hint("give --author PARTY, or first the --key of the party that inspects")
        })?;
        if context.global().ledger.is_none() && args.from.is_some() {
            context.out().note(format_args!(
                "note: the case file is of ledger {}; compare it with the id you were given",
                file.ledger
            ));
        }
        let id = match &args.id {
            Some(id) => id.strip_prefix("check/").unwrap_or(id).to_owned(),
            None => made_id(args),
        };
        let subject = Subject::new("check", &id).map_err(Failure::usage)?;
        Ok(Self { args, ledger: file.ledger, author, keys, subject })
    }

    pub(super) fn subject(&self) -> Subject {
        self.subject.clone()
    }

    /// Makes the events of each case; cases of which nothing is to be said are left out.
    pub(super) fn make(&self, populations: &[Population], plans: Vec<Plan>, told: &Told) -> Result<Vec<Made>, Failure> {
        let full = self.args.access == Access::Full;
        let mut made = Vec::new();
        let mut left_out = Vec::new();
        let mut notes = Vec::new();
        let single = populations.len() == 1;
        let recorded = |population: &&Population| population.checks.contains_key(&self.subject);
        if let (None, Some(population)) = (self.args.part, populations.iter().find(recorded)) {
            let case = &population.case;
            return Err(Failure::refused(format_args!("{} is recorded already in case {case}", self.subject))
                .hint("another check needs another --id; a part of the same needs --part next"));
        }
        for (population, plan) in populations.iter().zip(plans) {
            if plan.is_empty() && (full || !single) {
                left_out.push(population.case.to_string());
                notes.extend(plan.notes);
                continue;
            }
            made.push(
                self.of_case(population, plan, told).map_err(|e| e.within(format_args!("case {}", population.case)))?,
            );
        }
        match made.first_mut() {
            None => {
                Err(Failure::refused(format_args!("nothing to say of {}: nothing was scanned", left_out.join(", ")))
                    .hint("give --scans FILE, or --access partial or refused, or --rest not-found"))
            }
            Some(first) => {
                first.notes.extend(notes);
                first
                    .notes
                    .extend(left_out.iter().map(|case| format!("nothing was scanned of case {case}: no check of it")));
                Ok(made)
            }
        }
    }

    fn of_case(&self, population: &Population, plan: Plan, told: &Told) -> Result<Made, Failure> {
        let before = population.checks.get(&self.subject).cloned().unwrap_or_default();
        let Plan { said, expected, seen, rest, unmatched, notes } = plan;
        let args = self.args;
        let texts =
            [args.remarks.as_ref().map(|t| t.as_str().len()), args.unilateral.as_ref().map(|t| t.as_str().len())];
        let texts: usize = texts.into_iter().flatten().map(|bytes| bytes * 2).sum();
        let parts = split(said, MAX_PAYLOAD.saturating_sub(2_500 + texts));
        let first = self.first_part(&before, parts.len())?;
        let mut after = before.head;
        let mut submissions = Vec::with_capacity(parts.len());
        for (i, part) in parts.iter().enumerate() {
            let end = i + 1 == parts.len();
            let number = first.map(|first| part_number(first, i)).transpose()?;
            let last = end && (args.part.is_none() || args.last);
            let mut body = self.body(part, told, i == 0);
            if let Some(number) = number {
                body["part"] = json!(number);
                body["last"] = json!(last);
            }
            // only where one number says it: items with serials, all in one unit
            let unit =
                population.units.first().filter(|_| population.units.len() == 1 && population.unmarked.is_empty());
            if let Some(unit) = unit.filter(|_| i == 0 && expected > 0) {
                body["population"] = json!({ "quantity": expected.to_string(), "unit": unit });
            }
            let submission = self.sign(&population.case, body, number.unwrap_or(0), after)?;
            after = Some(submission.envelope.event_hash());
            submissions.push(submission);
        }
        Ok(Made { case: population.case.clone(), submissions, expected, seen, rest, unmatched, notes })
    }

    /// Numbers the parts: none where a check is one event and the first.
    fn first_part(&self, before: &Before, parts: usize) -> Result<Option<u16>, Failure> {
        let next = before.part.map_or(1, |part| part.saturating_add(1));
        match self.args.part {
            None if parts == 1 => Ok(None),
            None | Some(PartArg::Next) => Ok(Some(next)),
            Some(PartArg::Number(number)) if number < next => {
                Err(Failure::refused(format_args!("part {number} is recorded already"))
                    .hint(format_args!("--part {next} or --part next")))
            }
            Some(PartArg::Number(number)) => Ok(Some(number)),
        }
    }

    fn body(&self, part: &[Said], told: &Told, first: bool) -> Value {
        let args = self.args;
        let mut body = json!({ "type": args.check_type, "access": args.access });
        if !part.is_empty() {
            body["items"] = part.iter().map(|said| item(said, told.grade, told.condition)).collect();
        }
        if let Some(site) = &args.site {
            body["site"] = json!(site);
        }
        if let Some(visit) = &args.visit {
            body["visit"] = json!(visit);
        }
        if let Some(why) = &args.unilateral {
            body["why_not_signed"] = json!(why);
        }
        if let Some(remarks) = args.remarks.as_ref().filter(|_| first) {
            body["remarks"] = json!(remarks);
        }
        body
    }

    fn sign(&self, case: &CaseId, body: Value, part: u16, after: Option<EventHash>) -> Result<Submission, Failure> {
        let kind = if self.args.unilateral.is_some() { "check.unilateral" } else { "check.recorded" };
        let parsed = kind.parse().map_err(Failure::usage)?;
        let mut draft = Draft::new(Some(self.ledger), parsed, self.subject.clone(), self.author.clone(), body);
        let key = format!("{case} {} part {part}", self.subject);
        draft.id = event_id(&self.ledger, self.author.as_str(), kind, &key);
        draft.case = Some(case.clone());
        draft.after = after;
        draft.occurred = self.args.occurred.clone();
        let payload = draft.payload();
        let event = Event::parse(&payload).map_err(Failure::usage)?;
        Body::parse(&event.kind, event.body()).map_err(Failure::usage)?;
        Ok(Submission { envelope: Envelope::sign(payload, &self.keys)?, disclosures: Vec::new() })
    }
}

fn part_number(first: u16, place: usize) -> Result<u16, Failure> {
    let number = u16::try_from(place).ok().and_then(|place| first.checked_add(place)).filter(|n| *n <= 9_999);
    number.ok_or_else(|| Failure::usage("a check has at most 9999 parts"))
}

/// Makes an id of site, type and date: of what an inspector would call the check.
fn made_id(args: &NewArgs) -> String {
    let date = match &args.occurred {
        Occurred::At(at) => at.to_string(),
        Occurred::Between(from, _) => from.to_string(),
        Occurred::On(date) => date.to_string(),
        Occurred::Unknown(_) => SystemClock.now().to_string(),
    };
    let date: String = date.chars().take(10).collect();
    let site = args.site.as_ref().map_or("site", Label::as_str).to_lowercase();
    let site: String = site.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(48).collect();
    let site = site.trim_matches('-');
    let site = if site.is_empty() { "site" } else { site };
    format!("{site}-{}-{date}", args.check_type.as_str().replace('_', "-"))
}
