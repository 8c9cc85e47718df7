//! Who may sign what, as simply as it can be said: SPEC §8 and §9 over plain maps of names.
//!
//! Nothing here is fast, and nothing is shared with the ledger. A rule is judged by trying every choice and every
//! assignment. Times are milliseconds since the ledger began.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::hash::EventHash;

pub const DAY: i64 = 86_400_000;

/// A key that an event introduces.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub name: String,
    pub uses: Vec<&'static str>,
    pub until: Option<i64>,
}

/// Roles of a case, by name.
pub type Roles = BTreeMap<&'static str, Vec<String>>;

/// What an event does, beside being said.
#[derive(Debug, Clone)]
pub enum Act {
    Enrol { party: String, capacities: Vec<&'static str>, keys: Vec<NewKey> },
    Amend { party: String, capacities: Vec<&'static str> },
    Succeed { party: String, successor: String },
    AddKey { party: String, key: NewKey },
    Retire { party: String, key: String },
    Revoke { party: String, key: String, since: Option<i64> },
    Govern { keys: Vec<String>, threshold: usize },
    Open { roles: Roles },
    Rebind { roles: Roles },
    Inspectors { parties: Vec<String> },
    Correct { of: usize },
    Nothing,
}

/// Which event of its stream a statement says that it follows.
#[derive(Debug, Clone)]
pub enum After {
    Null,
    Head,
    /// The event of the history at this place, of whatever stream.
    Said(usize),
}

/// An event, as far as authority goes.
#[derive(Debug, Clone)]
pub struct Statement {
    pub kind: &'static str,
    pub subject: String,
    pub case: Option<String>,
    pub author: String,
    pub after: After,
    pub act: Act,
    pub declared: Option<Vec<String>>,
    pub keys: Vec<String>,
}

#[derive(Debug)]
pub struct Party {
    pub capacities: BTreeSet<&'static str>,
    pub successor: Option<String>,
}

#[derive(Debug)]
pub struct Key {
    pub party: String,
    pub uses: Vec<&'static str>,
    pub until: Option<i64>,
    pub retired: bool,
    pub revoked: bool,
    /// The largest n of `"keys":n` that it counts towards.
    pub worth: usize,
}

/// A recorded event.
#[derive(Debug)]
pub struct Said {
    pub kind: &'static str,
    pub stream: (Option<String>, String),
    pub keys: Vec<String>,
    pub hash: EventHash,
}

/// What a rule needs.
#[derive(Debug, Clone)]
pub enum Need {
    Quorum,
    Role(&'static str, usize),
    Capacity(&'static str),
    Party(String),
    Anybody,
    All(Vec<Need>),
    Any(Vec<Need>),
}

/// Everything that was said, and what follows from it.
#[derive(Debug)]
pub struct Model {
    pub now: i64,
    pub threshold: usize,
    pub governance: BTreeSet<String>,
    pub parties: BTreeMap<String, Party>,
    pub keys: BTreeMap<String, Key>,
    /// Every key that was ever in the ledger, as whatever.
    pub known: BTreeSet<String>,
    pub cases: BTreeMap<String, Roles>,
    pub said: Vec<Said>,
}

/// Who signed: what their keys stand for.
struct Signed {
    parties: BTreeMap<String, Vec<String>>,
    quorum: bool,
}

fn refuse(what: &'static str, unless: bool) -> Result<(), &'static str> {
    if unless { Ok(()) } else { Err(what) }
}

fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}

/// Whether whatever the second pattern matches, the first does.
fn covers(wide: &str, narrow: &str) -> bool {
    match (wide.strip_suffix('*'), narrow.strip_suffix('*')) {
        (Some(wide), Some(narrow)) => narrow.starts_with(wide),
        (Some(wide), None) => narrow.starts_with(wide),
        (None, Some(_)) => false,
        (None, None) => wide == narrow,
    }
}

impl Model {
    /// The state of a ledger in which only `ledger.created` was said.
    pub fn new(genesis: EventHash) -> Self {
        let governance: BTreeSet<String> = ["gov0", "gov1", "gov2"].map(str::to_owned).into();
        let known = governance.iter().cloned().chain(["log".to_owned()]).collect();
        let stream = (None, "ledger/self".to_owned());
        let keys = governance.iter().cloned().collect();
        let created = Said { kind: "ledger.created", stream, keys, hash: genesis };
        Self {
            now: 0,
            threshold: 2,
            governance,
            known,
            said: vec![created],
            parties: BTreeMap::new(),
            keys: BTreeMap::new(),
            cases: BTreeMap::new(),
        }
    }

    /// The party that acts for a party now.
    pub fn final_successor(&self, party: &str) -> Option<String> {
        let successor = self.parties.get(party)?.successor.as_ref();
        successor.map_or(Some(party.to_owned()), |next| self.final_successor(next))
    }

    fn stands(&self, party: &str) -> bool {
        self.parties.get(party).is_some_and(|party| party.successor.is_none())
    }

    pub fn has(&self, party: &str, capacity: &str) -> bool {
        self.parties.get(party).is_some_and(|party| party.capacities.contains(capacity))
    }

    /// Whether a key counts now for those kinds.
    pub fn counts(&self, key: &str, kinds: &[&str]) -> bool {
        self.keys.get(key).is_some_and(|key| {
            !key.retired
                && !key.revoked
                && self.stands(&key.party)
                && key.until.is_none_or(|until| self.now <= until)
                && kinds.iter().all(|kind| key.uses.iter().any(|pattern| matches(pattern, kind)))
        })
    }

    /// The events of a stream, in order, by their places in the history.
    pub fn stream(&self, case: Option<&String>, subject: &str) -> Vec<usize> {
        let of = |said: &Said| said.stream.0.as_ref() == case && said.stream.1 == subject;
        (0..self.said.len()).filter(|i| of(&self.said[*i])).collect()
    }

    /// The parties bound to a role in the event's case, by who acts for them now.
    pub fn bound(&self, statement: &Statement, role: &str) -> Vec<String> {
        let roles = match (&statement.act, &statement.case) {
            (Act::Open { roles }, _) => Some(roles),
            (_, Some(case)) => self.cases.get(case),
            (_, None) => None,
        };
        let parties = roles.and_then(|roles| roles.get(role)).into_iter().flatten();
        parties.filter_map(|party| self.final_successor(party)).collect()
    }

    /// The keys that an event introduces.
    pub fn introduced(&self, act: &Act) -> Vec<String> {
        match act {
            Act::Enrol { keys, .. } => keys.iter().map(|key| key.name.clone()).collect(),
            Act::AddKey { key, .. } => vec![key.name.clone()],
            Act::Govern { keys, .. } => keys.iter().filter(|key| !self.governance.contains(*key)).cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// The rule of a kind, but for `statement.corrected`.
    pub fn need(&self, statement: &Statement) -> Need {
        use Need::{All, Any, Anybody, Capacity, Party, Quorum, Role};
        let both = || All(vec![Role("donor", 1), Role("recipient", 1)]);
        let named = |party: &String| Party(party.clone());
        match (&statement.act, statement.kind) {
            (Act::Succeed { successor, .. }, _) => All(vec![Quorum, named(successor)]),
            (Act::AddKey { party, .. } | Act::Revoke { party, .. }, _) => Any(vec![named(party), Quorum]),
            (Act::Retire { party, .. }, _) => named(party),
            (Act::Open { .. } | Act::Rebind { .. }, _) => both(),
            (Act::Inspectors { .. }, _) => Any(vec![both(), All(vec![Role("donor", 1), Capacity("oversight")])]),
            (_, "transfer.authorized") => Role("donor", 2),
            (_, "transfer.dispatched") => Any(vec![Role("donor", 1), Role("implementer", 1)]),
            (_, "transfer.received") => Role("recipient", 1),
            (_, "check.recorded") => {
                All(vec![Role("inspector", 1), Any(vec![Role("recipient", 1), Role("custodian", 1)])])
            }
            (_, "diversion.reported" | "statement.disputed") => Anybody,
            _ => Quorum,
        }
    }

    /// Whether an event may be recorded next.
    pub fn admits(&self, statement: &Statement) -> Result<(), &'static str> {
        let signed = self.signed(statement)?;
        self.author(statement, &signed)?;
        self.stream_continues(statement)?;
        if let (Some(case), false) = (&statement.case, matches!(statement.act, Act::Open { .. })) {
            refuse("no such case", self.cases.contains_key(case))?;
        }
        self.act(statement, &signed)?;
        let corrected = match statement.act {
            Act::Correct { of } => {
                let original = &self.said[of];
                let parties = original.keys.iter().filter_map(|key| self.keys.get(key));
                let parties: BTreeSet<String> = parties.filter_map(|key| self.final_successor(&key.party)).collect();
                let quorum = original.keys.iter().any(|key| !self.keys.contains_key(key));
                refuse("not all who signed it", parties.iter().all(|party| signed.parties.contains_key(party)))?;
                refuse("the quorum signed it", !quorum || signed.quorum)?;
                parties
            }
            _ => {
                refuse("rule", self.satisfied(&self.need(statement), statement, &signed))?;
                BTreeSet::new()
            }
        };
        self.insiders(statement, &signed, &corrected)
    }

    fn signed(&self, statement: &Statement) -> Result<Signed, &'static str> {
        let introduced = self.introduced(&statement.act);
        refuse("key not new", introduced.iter().all(|key| !self.known.contains(key)))?;
        refuse("new key unsigned", introduced.iter().all(|key| statement.keys.contains(key)))?;
        let mut kinds = vec![statement.kind];
        if let Act::Correct { of } = statement.act {
            kinds.push(self.said[of].kind);
        }
        let mut signed = Signed { parties: BTreeMap::new(), quorum: false };
        let mut governors = 0;
        for key in statement.keys.iter().filter(|key| !introduced.contains(key)) {
            if self.governance.contains(key) {
                governors += 1;
                continue;
            }
            refuse("key does not count", self.counts(key, &kinds))?;
            signed.parties.entry(self.keys[key].party.clone()).or_default().push(key.clone());
        }
        signed.quorum = governors >= self.threshold;
        refuse("short of the quorum", governors == 0 || signed.quorum)?;
        Ok(signed)
    }

    fn author(&self, statement: &Statement, signed: &Signed) -> Result<(), &'static str> {
        let author = &statement.author;
        let did = if author == "governance" { signed.quorum } else { signed.parties.contains_key(author) };
        refuse("author", did)?;
        let quorum = signed.quorum.then(|| "governance".to_owned());
        let mut all: Vec<String> = signed.parties.keys().cloned().chain(quorum).collect();
        all.sort();
        refuse("declared signers", statement.declared.as_ref().is_none_or(|declared| *declared == all))
    }

    fn stream_continues(&self, statement: &Statement) -> Result<(), &'static str> {
        let stream = self.stream(statement.case.as_ref(), &statement.subject);
        let head_only = ["ledger/", "case/"].iter().any(|ty| statement.subject.starts_with(ty));
        let starts = match statement.after {
            After::Null => refuse("null, and it has started", stream.is_empty()).map(|()| true),
            After::Head => Ok(stream.is_empty()),
            After::Said(i) if head_only => refuse("not the head", stream.last() == Some(&i)).map(|()| false),
            After::Said(i) => refuse("not of the stream", stream.contains(&i)).map(|()| false),
        }?;
        if !starts {
            return Ok(());
        }
        let (ty, id) = statement.subject.split_once('/').expect("a subject");
        match ty {
            "party" => refuse("starts a party", statement.kind == "party.enrolled"),
            "case" => refuse("starts a case", statement.kind == "case.opened"),
            _ if statement.case.is_some() => Ok(()),
            _ => refuse("squatted", id.starts_with(&format!("{}.", statement.author))),
        }
    }

    fn act(&self, statement: &Statement, signed: &Signed) -> Result<(), &'static str> {
        let signs = |party: &String| signed.parties.contains_key(party);
        match &statement.act {
            Act::Nothing => Ok(()),
            Act::Enrol { party, .. } => {
                refuse("enrolled before", !self.parties.contains_key(party))?;
                refuse("quorum", signed.quorum)
            }
            Act::Amend { party, .. } => refuse("succeeded", self.stands(party) && signed.quorum),
            Act::Succeed { party, successor } => {
                refuse("succession", party != successor && self.stands(party) && self.stands(successor))?;
                let capacities = &self.parties[party].capacities;
                refuse("capacities", capacities.is_subset(&self.parties[successor].capacities))?;
                refuse("signatures", signed.quorum && signs(successor))
            }
            Act::AddKey { party, key } => {
                refuse("nobody for the party", self.parties.contains_key(party) && (signed.quorum || signs(party)))?;
                let own = signed.parties.get(party);
                let reaches = |adder: &String| {
                    let adder = &self.keys[adder];
                    let uses = key.uses.iter().all(|new| adder.uses.iter().any(|own| covers(own, new)));
                    uses && adder.until.is_none_or(|end| key.until.is_some_and(|new| new <= end))
                };
                refuse("more than its adder", signed.quorum || own.into_iter().flatten().any(reaches))
            }
            Act::Retire { party, key } => {
                let key = self.keys.get(key).filter(|key| key.party == *party).ok_or("not its key")?;
                refuse("ended before", !key.retired && !key.revoked)?;
                refuse("nobody for the party", signed.quorum || signs(party))
            }
            Act::Revoke { party, key, since } => {
                let key = self.keys.get(key).filter(|key| key.party == *party).ok_or("not its key")?;
                refuse("revoked before", !key.revoked)?;
                refuse("nobody for the party", signed.quorum || signs(party))?;
                refuse("too long ago", signed.quorum || since.is_none_or(|since| since >= self.now - 30 * DAY))
            }
            Act::Govern { .. } => refuse("quorum", signed.quorum),
            Act::Open { roles } => {
                refuse("open", !self.cases.contains_key(statement.case.as_deref().unwrap_or_default()))?;
                self.bindable(roles)?;
                refuse("donor, recipient", ["donor", "recipient"].iter().all(|r| roles[r].iter().all(signs)))
            }
            Act::Rebind { roles } => {
                self.bindable(roles)?;
                for (role, parties) in roles {
                    let held = self.bound(statement, role);
                    refuse("newly bound", parties.iter().filter(|party| !held.contains(party)).all(signs))?;
                }
                for role in ["donor", "recipient"] {
                    let mut off = self.bound(statement, role).into_iter().filter(|party| !roles[role].contains(party));
                    refuse("taken off", signed.quorum || off.all(|party| signs(&party)))?;
                }
                Ok(())
            }
            Act::Inspectors { parties } => {
                self.bindable(&BTreeMap::from([("inspector", parties.clone())]))?;
                let held = self.bound(statement, "inspector");
                refuse("newly bound", parties.iter().filter(|party| !held.contains(party)).all(signs))
            }
            Act::Correct { of } => {
                let original = &self.said[*of];
                let own = original.stream.0 == statement.case && original.stream.1 == statement.subject;
                refuse("another stream's", own)?;
                let authority = ["ledger.", "policy.", "governance.", "log_key.", "party.", "key.", "case."];
                refuse("a correction", original.kind != "statement.corrected")?;
                refuse("of authority", !authority.iter().any(|family| original.kind.starts_with(family)))
            }
        }
    }

    fn bindable(&self, roles: &Roles) -> Result<(), &'static str> {
        let mut all = roles.iter().flat_map(|(role, parties)| parties.iter().map(move |party| (role, party)));
        refuse("bound without capacity", all.all(|(role, party)| self.stands(party) && self.has(party, role)))
    }

    /// Every way to choose branches: lists of leaves.
    fn choices(need: &Need) -> Vec<Vec<Need>> {
        match need {
            Need::All(needs) => needs.iter().map(Self::choices).fold(vec![vec![]], |sofar, next| {
                let joined = sofar.iter().flat_map(|a| next.iter().map(|b| [a.clone(), b.clone()].concat()));
                joined.collect()
            }),
            Need::Any(needs) => needs.iter().flat_map(Self::choices).collect(),
            leaf => vec![vec![leaf.clone()]],
        }
    }

    fn satisfied(&self, need: &Need, statement: &Statement, signed: &Signed) -> bool {
        Self::choices(need).iter().any(|leaves| self.assign(leaves, &[], statement, signed))
    }

    /// Whether each leaf can have a party of its own, beside those that are taken.
    fn assign(&self, leaves: &[Need], taken: &[&String], statement: &Statement, signed: &Signed) -> bool {
        let Some((leaf, others)) = leaves.split_first() else { return true };
        if matches!(leaf, Need::Quorum) {
            return signed.quorum && self.assign(others, taken, statement, signed);
        }
        let fits = |party: &String, keys: &[String]| match leaf {
            Need::Role(role, n) => {
                let worth = keys.iter().filter(|key| self.keys[*key].worth >= *n).count() >= *n;
                worth && self.has(party, role) && self.bound(statement, role).contains(party)
            }
            Need::Capacity(capacity) => self.has(party, capacity),
            Need::Party(named) => self.final_successor(named).as_ref() == Some(party),
            _ => true,
        };
        signed.parties.iter().any(|(party, keys)| {
            let free = !taken.contains(&party);
            free && fits(party, keys) && self.assign(others, &[taken, &[party]].concat(), statement, signed)
        })
    }

    fn insiders(
        &self,
        statement: &Statement,
        signed: &Signed,
        corrected: &BTreeSet<String>,
    ) -> Result<(), &'static str> {
        let Some(case) = &statement.case else { return Ok(()) };
        let roles: Vec<&str> = self.cases.get(case).into_iter().flat_map(|roles| roles.keys().copied()).collect();
        let newly: Vec<&String> = match &statement.act {
            Act::Open { roles } | Act::Rebind { roles } => roles.values().flatten().collect(),
            Act::Inspectors { parties } => parties.iter().collect(),
            _ => Vec::new(),
        };
        let inside = |party: &String| {
            roles.iter().any(|role| self.bound(statement, role).contains(party))
                || newly.contains(&party)
                || corrected.contains(party)
                || (matches!(statement.act, Act::Inspectors { .. }) && self.has(party, "oversight"))
        };
        refuse("outsider", signed.parties.keys().all(inside))
    }

    /// What a new key is worth that these keys add: the largest n of them that themselves are worth n.
    fn worth_of(&self, party: &str, statement: &Statement) -> usize {
        if statement.keys.iter().filter(|key| self.governance.contains(*key)).count() >= self.threshold {
            return usize::MAX;
        }
        let own = statement.keys.iter().filter_map(|key| self.keys.get(key)).filter(|key| key.party == party);
        let own: Vec<&Key> = own.collect();
        (0..=own.len()).rev().find(|n| own.iter().filter(|key| key.worth >= *n).count() >= *n).unwrap_or(0)
    }

    /// Adds a recorded event.
    pub fn record(&mut self, statement: &Statement, hash: EventHash) {
        let add = |model: &mut Self, party: &str, new: &NewKey, worth: usize| {
            let (uses, until) = (new.uses.clone(), new.until);
            let key = Key { party: party.to_owned(), uses, until, retired: false, revoked: false, worth };
            model.keys.insert(new.name.clone(), key);
        };
        self.known.extend(self.introduced(&statement.act));
        match &statement.act {
            Act::Enrol { party, capacities, keys } => {
                let capacities = capacities.iter().copied().collect();
                self.parties.insert(party.clone(), Party { capacities, successor: None });
                keys.iter().for_each(|key| add(self, party, key, usize::MAX));
            }
            Act::Amend { party, capacities } => {
                self.parties.get_mut(party).expect("it stands").capacities = capacities.iter().copied().collect();
            }
            Act::Succeed { party, successor } => {
                self.parties.get_mut(party).expect("it stands").successor = Some(successor.clone());
            }
            Act::AddKey { party, key } => {
                let worth = self.worth_of(party, statement);
                add(self, party, key, worth);
            }
            Act::Retire { key, .. } => self.keys.get_mut(key).expect("a key").retired = true,
            Act::Revoke { key, .. } => self.keys.get_mut(key).expect("a key").revoked = true,
            Act::Govern { keys, threshold } => {
                (self.governance, self.threshold) = (keys.iter().cloned().collect(), *threshold);
            }
            Act::Open { roles } | Act::Rebind { roles } => {
                self.cases.insert(statement.case.clone().expect("a case"), roles.clone());
            }
            Act::Inspectors { parties } => {
                let roles = self.cases.get_mut(statement.case.as_ref().expect("a case")).expect("it is open");
                roles.insert("inspector", parties.clone());
            }
            Act::Correct { .. } | Act::Nothing => {}
        }
        let stream = (statement.case.clone(), statement.subject.clone());
        self.said.push(Said { kind: statement.kind, stream, keys: statement.keys.clone(), hash });
    }
}
