//! What can be said only after the last line: the tree, the checkpoint, the witnesses, the evidence.

use super::{Fold, Probed};
use crate::checkpoint::Checkpoint;
use crate::checks::{Code, Fault, Place};
use crate::escape::quoted;
use crate::header::Scope;
use crate::note::{Signed, VKey};
use crate::report::Report;
use crate::witnessed::{Said, Witness, Witnessed};

impl Fold<'_> {
    /// Decides the remaining checks.
    pub fn finish(mut self) -> (Report, Probed) {
        self.coverage();
        self.tree();
        self.checkpoint();
        self.witnesses();
        self.consistency();
        self.evidence();
        self.whole_ledger();
        let sealed_before = self.finish_seals();
        let suspects = self.people.suspects(&self.authority, &self.ordinals);
        let authority = &self.authority;
        let policy = authority.origin.is_some().then(|| authority.policy_age.differences(&authority.policy));
        let (size, scope) = match &self.header {
            Some(header) => (Some(header.checkpoint.size), Some(header.scope.clone())),
            None => (None, None),
        };
        let extract = self.withheld > 0 || scope.as_ref().is_some_and(|s| *s != Scope::Full);
        let report = Report {
            ledger: self.ledger,
            ledger_given: self.given.ledger.is_some(),
            size,
            shown: self.shown,
            withheld: self.withheld,
            undisclosed: self.undisclosed,
            extract,
            scope,
            newer: self.newer,
            unreadable: None,
            witnessed: self.witnessed,
            checks: self.checks,
            suspects,
            policy,
            sealed: self.seals.found,
            sealed_before,
        };
        (report, self.probed)
    }

    fn coverage(&mut self) {
        if let Some(size) = self.size()
            && self.position < size
        {
            let fault =
                Fault::new("fewer leaves than the checkpoint has", format!("{size} leaves"), self.position.to_string());
            self.checks.fail(Code::Format, Place::default(), fault);
        }
    }

    fn tree(&mut self) {
        let place = Place::default();
        let Some(header) = &self.header else {
            self.checks.undecide(Code::Tree, place, "the bundle has no readable checkpoint");
            return;
        };
        let checkpoint = &header.checkpoint;
        if self.tree_lost {
            let why = "the leaves are not all in their places";
            self.checks.undecide(Code::Tree, place, why);
            return;
        }
        let root = self.range.root();
        if self.range.size() != checkpoint.size || root != checkpoint.root {
            let fault = Fault::new(
                "the root of the tree",
                format!("{} over {} leaves", checkpoint.root, checkpoint.size),
                format!("{root} over {} leaves", self.range.size()),
            );
            self.checks.fail(Code::Tree, place, fault);
        } else {
            let leaves = match checkpoint.size {
                1 => "1 leaf".to_owned(),
                n => format!("{n} leaves"),
            };
            self.checks.remark(Code::Tree, leaves);
        }
    }

    fn checkpoint(&mut self) {
        let Some(header) = &self.header else {
            let why = "the bundle has no readable checkpoint";
            self.checks.undecide(Code::Checkpoint, Place::default(), why);
            return;
        };
        let checkpoint = &header.checkpoint;
        let place = Place::default();
        if let Some(fault) = self.log_fault(checkpoint) {
            self.checks.fail(Code::Checkpoint, place, fault);
            return;
        }
        match &self.authority.log_key {
            None => {
                let why = "the log key is not known: entry 0 could not be read";
                self.checks.undecide(Code::Checkpoint, place, why);
            }
            Some(key) => {
                let complete = self.last_leaf_shown && self.position == checkpoint.size;
                match signed_by_log(checkpoint, key) {
                    // a key in force that is withheld may have signed
                    Err(_) if self.withheld > 0 && !complete && not_signed(checkpoint, key) => {
                        let why = "the log key in force at the end may be withheld";
                        self.checks.undecide(Code::Checkpoint, place, why);
                    }
                    Err(fault) => self.checks.fail(Code::Checkpoint, place, fault),
                    Ok(()) if self.withheld > 0 && !complete => {
                        let why = "the last leaf is not shown, so a later log key may be withheld";
                        self.checks.undecide(Code::Checkpoint, place, why);
                    }
                    Ok(()) => {
                        let remark = format!("signed by {}", key.name);
                        self.checks.remark(Code::Checkpoint, remark);
                    }
                }
            }
        }
    }

    /// A log of the trust file must have signed, if it lists any.
    fn log_fault(&self, checkpoint: &Checkpoint) -> Option<Fault> {
        let logs = self.given.trust.as_ref()?.logs();
        trusted_log_fault(checkpoint, logs)
    }

    fn witnesses(&mut self) {
        let Some(trust) = &self.given.trust else {
            self.checks.not_applicable(Code::Witness, "no trust file was given");
            return;
        };
        if !trust.asks_for_witnesses() {
            self.checks.not_applicable(Code::Witness, "the trust file asks for no witness");
            return;
        }
        let place = Place::default();
        let Some(witnessed) = &self.witnessed else {
            let why = "the bundle has no readable checkpoint";
            self.checks.undecide(Code::Witness, place, why);
            return;
        };
        match witness_fault(witnessed) {
            Some(fault) => self.checks.fail(Code::Witness, place, fault),
            None => self.checks.remark(Code::Witness, cosigners(witnessed)),
        }
    }

    fn consistency(&mut self) {
        let Some(previous) = &self.given.previous else {
            self.checks.not_applicable(Code::Consistent, "no earlier checkpoint was given");
            return;
        };
        let place = Place::default();
        let size = self.size().unwrap_or(u64::MAX);
        if previous.size > size {
            let fault = Fault::new(
                "rollback: the earlier checkpoint is larger",
                format!("at least {} leaves", previous.size),
                format!("{size} leaves"),
            );
            self.checks.fail(Code::Consistent, place, fault);
            return;
        }
        let (Some(root), Some(key)) = (self.previous.root, &self.previous.log_key) else {
            if previous.size == 0 && previous.root == crate::hash::empty_root() {
                self.checks.remark(Code::Consistent, "the earlier checkpoint is of no entry");
                return;
            }
            let why = "the size of the earlier checkpoint falls where the tree cannot be rebuilt";
            self.checks.undecide(Code::Consistent, place, why);
            return;
        };
        if let Err(fault) = signed_by_log(previous, key) {
            let fault = Fault { detail: format!("the earlier checkpoint: {}", fault.detail), ..fault };
            self.checks.fail(Code::Consistent, place, fault);
        } else if root != previous.root {
            let fault = Fault::new(
                format!("fork: another history of the first {} entries", previous.size),
                previous.root.to_string(),
                root.to_string(),
            );
            self.checks.fail(Code::Consistent, place, fault);
        } else {
            let remark = format!("its first {} entries are the same", previous.size);
            self.checks.remark(Code::Consistent, remark);
        }
    }

    fn evidence(&mut self) {
        if self.given.evidence.is_empty() {
            self.checks.not_applicable(Code::Evidence, "no evidence file was given");
            return;
        }
        for (at, file) in self.given.evidence.iter().enumerate() {
            if self.evidence_found[at] {
                continue;
            }
            let path = quoted(&file.path.to_string_lossy());
            let detail = format!("evidence file {path}");
            if let Some((place, size)) = self.evidence_faults[at] {
                let found = format!("{} bytes", file.size);
                let fault = Fault::new(detail, format!("{size} bytes"), found);
                self.checks.fail(Code::Evidence, place, fault);
            } else if self.something_hidden() {
                let why = format!("{detail} may be named by an entry that is not shown");
                self.checks.undecide(Code::Evidence, Place::default(), why);
            } else {
                let expected = "a file that an entry names by its hash";
                let found = format!("hash {}, which no entry names", file.sha256);
                let fault = Fault::new(detail, expected, found);
                self.checks.fail(Code::Evidence, Place::default(), fault);
            }
        }
        let remark = match self.given.evidence.len() {
            1 => "1 file".to_owned(),
            n => format!("{n} files"),
        };
        self.checks.remark(Code::Evidence, remark);
    }

    /// What only the whole ledger, and its id, can decide.
    fn whole_ledger(&mut self) {
        if self.withheld > 0 {
            let why = "ids in withheld entries are not seen";
            self.checks.undecide(Code::Stream, Place::default(), why);
        }
        if self.given.ledger.is_none() {
            let why = "no ledger id was given";
            self.checks.undecide(Code::Ledger, Place::default(), why);
        }
        if self.shown == 0 {
            let why = "no entry is shown";
            for code in [Code::Ledger, Code::Signature, Code::Key, Code::Policy] {
                self.checks.undecide(code, Place::default(), why);
            }
        }
    }
}

fn not_signed(checkpoint: &Checkpoint, key: &VKey) -> bool {
    checkpoint.note.signed_by(key) == Signed::No && checkpoint.origin == key.name
}

/// Whether the log key in force signed a checkpoint, in the name that the checkpoint bears.
///
/// # Errors
/// Says what is missing or wrong.
pub(crate) fn signed_by_log(checkpoint: &Checkpoint, key: &VKey) -> Result<(), Fault> {
    if checkpoint.origin != key.name {
        return Err(Fault::new("the origin of the checkpoint", key.name.as_str(), quoted(&checkpoint.origin)));
    }
    let expected = format!("a valid signature by log key {key}");
    match checkpoint.note.signed_by(key) {
        Signed::Yes(_) => Ok(()),
        Signed::No => Err(Fault::new("the signature of the checkpoint", expected, "none by the log key in force")),
        Signed::Wrong => Err(Fault::new("the signature of the checkpoint", expected, "one that is not valid")),
    }
}

/// Why no log of a trust file signed; `None` if one did, or the file lists none.
pub(crate) fn trusted_log_fault(checkpoint: &Checkpoint, logs: &[VKey]) -> Option<Fault> {
    let signed = |log: &&VKey| signed_by_log(checkpoint, log).is_ok();
    if logs.is_empty() || logs.iter().any(|log| signed(&log)) {
        return None;
    }
    Some(Fault::new(
        "the logs of the trust file",
        format!("a signature by {}", names(logs.iter().map(|log| log.name.as_str()))),
        "none that is valid",
    ))
}

/// Why the witnesses' word is not enough; `None` if it is.
pub(crate) fn witness_fault(witnessed: &Witnessed) -> Option<Fault> {
    let wrong: Vec<String> = witnessed.who(Said::Wrong).map(Witness::label).collect();
    if !wrong.is_empty() {
        let found = format!("one by {} that is not", wrong.join(", "));
        return Some(Fault::new("a witness's cosignature", "a valid cosignature", found));
    }
    if witnessed.quorum {
        return None;
    }
    let none = witnessed.cosigners().next().is_none();
    let found = if none { "no valid cosignature".to_owned() } else { cosigners(witnessed) };
    Some(Fault::new("the witness quorum", "cosignatures by the quorum of the trust file", found))
}

/// Who cosigned, and who of the trust file did not.
pub(crate) fn cosigners(witnessed: &Witnessed) -> String {
    let there: Vec<&str> = witnessed.cosigners().map(|(witness, _)| witness.name.as_str()).collect();
    let not: Vec<&str> = [Said::Nothing, Said::Unsupported]
        .into_iter()
        .flat_map(|said| witnessed.who(said))
        .map(|witness| witness.name.as_str())
        .collect();
    let mut text = format!("cosigned by {}", there.join(", "));
    if !not.is_empty() {
        text += &format!("; not by {}", not.join(", "));
    }
    text
}

/// Names in a row, escaped.
pub(crate) fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let list: Vec<String> = names.map(crate::escape::escaped).collect();
    list.join(", ")
}
