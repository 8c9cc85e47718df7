//! What happens next: an event that the right ones sign, and often enough one that they do not.

use countersign_tests::harness::Hands;

use crate::dice::Dice;
use crate::model::{Act, After, DAY, Model, Need, NewKey, Roles, Statement};

/// The kinds that histories are made of.
pub const KINDS: [&str; 17] = [
    "party.enrolled",
    "party.amended",
    "party.succeeded",
    "key.added",
    "key.retired",
    "key.revoked",
    "governance.changed",
    "case.opened",
    "case.amended",
    "case.inspectors",
    "transfer.authorized",
    "transfer.dispatched",
    "transfer.received",
    "check.recorded",
    "diversion.reported",
    "statement.disputed",
    "statement.corrected",
];

const CAPACITIES: [&str; 6] = ["donor", "recipient", "inspector", "custodian", "implementer", "oversight"];
const PARTIES: [&str; 6] = ["p0", "p1", "p2", "p3", "p4", "p5"];
const CASES: [&str; 3] = ["c0", "c1", "c2"];
const USES: [&[&str]; 8] = [
    &["*"],
    &["*"],
    &["*"],
    &["*"],
    &["transfer.*", "statement.*"],
    &["key.*", "case.*", "check.recorded"],
    &["key.added", "transfer.dispatched"],
    &["party.*", "diversion.reported", "case.opened"],
];

/// Tells a history, one event at a time.
pub struct Teller<'a> {
    pub model: Model,
    pub dice: Dice<'a>,
}

impl Teller<'_> {
    /// The next event; `None` at the end.
    pub fn next(&mut self, clock: &Hands) -> Option<Statement> {
        if self.dice.is_spent() {
            return None;
        }
        if self.dice.happens(10) {
            let millis = 1 + i64::try_from(self.dice.below(48)).ok()? * DAY / 4;
            self.model.now += millis;
            clock.forward(millis);
        }
        let kind = self.kind();
        let mut statement = self.statement(kind)?;
        self.sign(&mut statement);
        self.spoil(&mut statement);
        Some(statement)
    }

    /// Enough parties and a case first; then anything.
    fn kind(&mut self) -> &'static str {
        match (self.model.parties.len(), self.model.cases.len()) {
            (0..3, _) => "party.enrolled",
            (_, 0) if self.dice.happens(50) => "case.opened",
            _ => match KINDS[self.dice.below(KINDS.len())] {
                // Ends are rarer than what is said before them.
                "party.succeeded" | "key.revoked" | "key.retired" if self.dice.happens(60) => "check.recorded",
                kind => kind,
            },
        }
    }

    fn any_party(&mut self) -> String {
        self.dice.one_of(&PARTIES).unwrap_or("p0").to_owned()
    }

    /// A case that is open, or free to be opened; sometimes the other way round.
    fn case(&mut self, kind: &str) -> String {
        let wanted = |case: &&str| self.model.cases.contains_key(*case) == (kind != "case.opened");
        let fitting: Vec<&str> = CASES.into_iter().filter(wanted).collect();
        let any = if self.dice.happens(5) { None } else { self.dice.one_of(&fitting) };
        any.or_else(|| self.dice.one_of(&CASES)).unwrap_or("c0").to_owned()
    }

    /// A party that is there; sometimes one that is not.
    fn party(&mut self) -> String {
        let there: Vec<String> = self.model.parties.keys().cloned().collect();
        if self.dice.happens(5) { self.any_party() } else { self.dice.one_of(&there).unwrap_or_default() }
    }

    fn capacities(&mut self) -> Vec<&'static str> {
        let some = self.dice.some_of(&CAPACITIES, 70);
        if some.is_empty() { vec!["recipient"] } else { some }
    }

    fn new_key(&mut self, party: &str) -> NewKey {
        let fresh = format!("{party}/{}", self.model.known.len());
        let old: Vec<String> = self.model.known.iter().cloned().collect();
        let name = if self.dice.happens(4) { self.dice.one_of(&old).unwrap_or(fresh) } else { fresh };
        let uses = USES[self.dice.below(USES.len())].to_vec();
        let until =
            self.dice.happens(20).then(|| self.model.now + DAY * i64::try_from(1 + self.dice.below(40)).unwrap_or(1));
        NewKey { name, uses, until }
    }

    fn key_of(&mut self, party: &str) -> Option<String> {
        let own: Vec<String> =
            self.model.keys.iter().filter(|(_, k)| k.party == party).map(|(n, _)| n.clone()).collect();
        let all: Vec<String> = self.model.keys.keys().cloned().collect();
        if self.dice.happens(5) { self.dice.one_of(&all) } else { self.dice.one_of(&own) }
    }

    /// Parties for each role: mostly such as can be bound.
    fn roles(&mut self) -> Roles {
        let mut roles = Roles::new();
        for role in CAPACITIES {
            let able: Vec<String> =
                self.model.parties.keys().filter(|party| self.model.has(party, role)).cloned().collect();
            let mut bound = self.dice.some_of(&able, 55);
            let needed = matches!(role, "donor" | "recipient");
            if bound.is_empty() && needed {
                let party = self.party();
                bound.extend(self.dice.one_of(&able).or(Some(party)));
            }
            if !bound.is_empty() {
                roles.insert(role, bound);
            }
        }
        roles
    }

    fn statement(&mut self, kind: &'static str) -> Option<Statement> {
        let party = if kind == "party.enrolled" { self.any_party() } else { self.party() };
        let of_party = format!("party/{party}");
        let case = self.case(kind);
        let of_case = format!("case/{case}");
        let (subject, case, act) = match kind {
            "party.enrolled" => {
                let keys = (0..=self.dice.below(3)).map(|i| {
                    let key = self.new_key(&party);
                    // Keys of one event get numbers of their own.
                    NewKey { name: format!("{}{}", key.name, ["", "b", "c"][i]), ..key }
                });
                let keys = keys.collect();
                (of_party, None, Act::Enrol { capacities: self.capacities(), party, keys })
            }
            "party.amended" => (of_party, None, Act::Amend { capacities: self.capacities(), party }),
            "party.succeeded" => {
                let successor = self.party();
                (of_party, None, Act::Succeed { party, successor })
            }
            "key.added" => (of_party, None, Act::AddKey { key: self.new_key(&party), party }),
            "key.retired" => (of_party, None, Act::Retire { key: self.key_of(&party)?, party }),
            "key.revoked" => {
                let days = [None, Some(0), Some(29), Some(31)][self.dice.below(4)];
                let since = days.map(|days: i64| self.model.now - days * DAY);
                (of_party, None, Act::Revoke { key: self.key_of(&party)?, party, since })
            }
            "governance.changed" => {
                let fresh = format!("gov{}", self.model.known.len());
                let mut keys: Vec<String> = self.model.governance.iter().cloned().collect();
                if keys.len() > 2 {
                    keys.remove(self.dice.below(keys.len()));
                }
                let old: Vec<String> = self.model.known.iter().filter(|key| !keys.contains(key)).cloned().collect();
                let joining = if self.dice.happens(15) { self.dice.one_of(&old)? } else { fresh };
                keys.push(joining);
                let threshold = 1 + self.dice.below(keys.len().min(3));
                ("ledger/self".to_owned(), None, Act::Govern { keys, threshold })
            }
            "case.opened" => (of_case, Some(case), Act::Open { roles: self.roles() }),
            "case.amended" => (of_case, Some(case), Act::Rebind { roles: self.roles() }),
            "case.inspectors" => {
                let able: Vec<String> =
                    self.model.parties.keys().filter(|party| self.model.has(party, "inspector")).cloned().collect();
                (of_case, Some(case), Act::Inspectors { parties: self.dice.some_of(&able, 50) })
            }
            "statement.corrected" => {
                let of = self.dice.below(self.model.said.len());
                let (case, subject) = self.model.said[of].stream.clone();
                (subject, case, Act::Correct { of })
            }
            "diversion.reported" => (format!("incident/{party}.{}", self.dice.below(3)), None, Act::Nothing),
            "statement.disputed" => (format!("statement/{party}.{}", self.dice.below(3)), None, Act::Nothing),
            "check.recorded" => (format!("check/{}", self.dice.below(3)), Some(case), Act::Nothing),
            "transfer.authorized" => (format!("authorization/{}", self.dice.below(3)), Some(case), Act::Nothing),
            _ => (format!("consignment/{}", self.dice.below(3)), Some(case), Act::Nothing),
        };
        let (author, after) = (String::new(), After::Head);
        Some(Statement { kind, subject, case, author, after, act, declared: None, keys: Vec::new() })
    }

    /// Some counting keys of a party, as many as asked for if there are.
    fn keys_for(&mut self, party: &str, statement: &Statement, n: usize) -> Vec<String> {
        let mut kinds = vec![statement.kind];
        if let Act::Correct { of } = statement.act {
            kinds.push(self.model.said[of].kind);
        }
        let party = self.model.final_successor(party).unwrap_or_default();
        let counting =
            |(name, key): &(&String, &crate::model::Key)| key.party == party && self.model.counts(name, &kinds);
        let mut keys: Vec<String> = self.model.keys.iter().filter(counting).map(|(name, _)| name.clone()).collect();
        while keys.len() > n {
            keys.remove(self.dice.below(keys.len()));
        }
        keys
    }

    fn quorum(&mut self) -> Vec<String> {
        let mut keys: Vec<String> = self.model.governance.iter().cloned().collect();
        while keys.len() > self.model.threshold {
            keys.remove(self.dice.below(keys.len()));
        }
        keys
    }

    fn keys_of_need(&mut self, need: &Need, statement: &Statement) -> Vec<String> {
        match need {
            Need::Quorum => self.quorum(),
            Need::Role(role, n) => {
                let bound = self.model.bound(statement, role);
                let able: Vec<String> = bound.into_iter().filter(|party| self.model.has(party, role)).collect();
                let party = self.dice.one_of(&able).unwrap_or_default();
                self.keys_for(&party, statement, *n)
            }
            Need::Capacity(capacity) => {
                let parties = self.model.parties.keys().filter(|party| self.model.has(party, capacity));
                let able: Vec<String> = parties.cloned().collect();
                let party = self.dice.one_of(&able).unwrap_or_default();
                self.keys_for(&party, statement, 1)
            }
            Need::Party(party) => {
                let n = 1 + self.dice.below(3);
                self.keys_for(party, statement, n)
            }
            Need::Anybody => {
                let party = statement.subject.split_once('/').and_then(|(_, id)| id.split_once('.'));
                let party = party.map(|(author, _)| author.to_owned()).unwrap_or_default();
                self.keys_for(&party, statement, 1)
            }
            Need::All(needs) => needs.iter().flat_map(|need| self.keys_of_need(need, statement)).collect(),
            Need::Any(needs) => {
                let need = needs[self.dice.below(needs.len())].clone();
                self.keys_of_need(&need, statement)
            }
        }
    }

    /// Has the right ones sign, as far as there are any.
    fn sign(&mut self, statement: &mut Statement) {
        let mut keys = match statement.act {
            Act::Correct { of } => {
                let signed: Vec<String> = self.model.said[of].keys.clone();
                let parties: Vec<String> =
                    signed.iter().filter_map(|key| self.model.keys.get(key)).map(|key| key.party.clone()).collect();
                parties.iter().flat_map(|party| self.keys_for(party, statement, 1)).collect()
            }
            _ => {
                let need = self.model.need(statement);
                self.keys_of_need(&need, statement)
            }
        };
        for party in self.must_sign(statement) {
            keys.extend(self.keys_for(&party, statement, 1));
        }
        // Sometimes the quorum signs beside them, which lifts some limits.
        if self.dice.happens(10) {
            keys.extend(self.quorum());
        }
        keys.extend(self.model.introduced(&statement.act));
        statement.keys = keys;
    }

    /// The parties that an act binds.
    fn must_sign(&self, statement: &Statement) -> Vec<String> {
        let named = |roles: &Roles, role: &str| roles.get(role).cloned().unwrap_or_default();
        match &statement.act {
            Act::Open { roles } => [named(roles, "donor"), named(roles, "recipient")].concat(),
            Act::Rebind { roles } => {
                let new = roles.iter().flat_map(|(role, parties)| {
                    let held = self.model.bound(statement, role);
                    parties.iter().filter(move |party| !held.contains(party)).cloned()
                });
                let held = [self.model.bound(statement, "donor"), self.model.bound(statement, "recipient")].concat();
                new.chain(held).collect()
            }
            Act::Inspectors { parties } => {
                let held = self.model.bound(statement, "inspector");
                parties.iter().filter(|party| !held.contains(party)).cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Makes something wrong of it, or perhaps only different.
    fn spoil(&mut self, statement: &mut Statement) {
        let keys = &mut statement.keys;
        if self.dice.happens(8) && !keys.is_empty() {
            keys.remove(self.dice.below(keys.len()));
        }
        if self.dice.happens(10) {
            let all: Vec<String> = self.model.known.iter().cloned().collect();
            keys.extend(self.dice.one_of(&all));
        }
        if keys.is_empty() {
            let all: Vec<String> = self.model.known.iter().cloned().collect();
            keys.extend(self.dice.one_of(&all));
        }
        keys.sort();
        keys.dedup();
        keys.truncate(16);

        let mut authors: Vec<String> =
            keys.iter().filter_map(|key| self.model.keys.get(key)).map(|key| key.party.clone()).collect();
        if keys.iter().filter(|key| self.model.governance.contains(*key)).count() >= self.model.threshold {
            authors.push("governance".to_owned());
        }
        authors.sort();
        authors.dedup();
        let other = if self.dice.happens(5) { Some(self.any_party()) } else { None };
        statement.author = other.or_else(|| self.dice.one_of(&authors)).unwrap_or_else(|| "p0".to_owned());
        if self.dice.happens(15) {
            let declared = if self.dice.happens(25) { self.dice.some_of(&authors, 70) } else { authors };
            statement.declared = (!declared.is_empty()).then_some(declared);
        }
        statement.after = match self.dice.below(25) {
            0 => After::Null,
            1 => After::Said(self.dice.below(self.model.said.len())),
            2 | 3 => {
                let stream = self.model.stream(statement.case.as_ref(), &statement.subject);
                self.dice.one_of(&stream).map_or(After::Head, After::Said)
            }
            _ => After::Head,
        };
    }
}
