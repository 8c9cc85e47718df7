//! Which corrections take effect (DOMAIN §1.6): one never undoes what others signed on top of the corrected statement,
//! unless they sign it too.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::{Place, acting, line_references};
use crate::authority::Authority;
use crate::facts::Statement;
use crate::hash::EventHash;
use crate::id::{Author, CaseId, Seq, Subject};
use crate::rule::CORRECTION;

/// How a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As it was signed.
    Original,
    /// With the body of a correction.
    Replaced {
        /// The correction's entry.
        by: Seq,
    },
    /// It did not occur.
    Annulled {
        /// The correction's entry.
        by: Seq,
    },
}

/// A correction and what it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Its entry.
    pub seq: Seq,
    /// The entry that it corrects.
    pub corrects: Seq,
    /// Who signed statements that rest on the corrected one and did not sign the correction: empty when it took effect.
    pub against: Vec<Author>,
    /// Entries of theirs that rest on the corrected one, in order.
    pub rests: Vec<Seq>,
    /// What was in force before it: the body, and the pointers of what of it is not disclosed. `None` where it has no effect.
    pub before: Option<(Value, Vec<String>)>,
}

/// All corrections.
#[derive(Debug, Default)]
pub(super) struct Corrections {
    standing: HashMap<Seq, Standing>,
    all: Vec<Correction>,
}

impl Corrections {
    pub(super) fn standing(&self, seq: Seq) -> Standing {
        self.standing.get(&seq).copied().unwrap_or(Standing::Original)
    }

    pub(super) fn all(&self) -> &[Correction] {
        &self.all
    }
}

/// Tells whether a statement of this kind rests on those that it follows and names. Disputes, evidence and responses say
/// something of a statement without building on its truth. A correction builds on nothing either, but stands in the
/// stream of what it corrects: who follows it, follows that.
pub(crate) fn rests(kind: &str) -> bool {
    !matches!(kind, "statement.disputed" | "evidence.added" | "response.recorded")
}

/// What a correction that takes effect puts in the place of what it corrects.
pub(crate) enum Effect {
    /// Nothing: it did not occur.
    Annulled,
    /// Another body, with the pointers of what of it is not disclosed.
    Replaced(Value, Vec<String>),
    /// Another body, which is not disclosed: the statement is left as it was, and unknown.
    Unknown,
}

impl Effect {
    /// Reads the effect of a correction.
    pub(crate) fn of(correction: &Statement) -> Self {
        const FROM: &str = "/body/replacement";
        match correction.body.get("replacement") {
            Some(body) if correction.text("reason") != Some("did_not_occur") => {
                let inside = correction.concealing.iter().filter_map(|at| at.strip_prefix(FROM));
                Self::Replaced(body.clone(), inside.map(|rest| format!("/body{rest}")).collect())
            }
            None if correction.text("reason") == Some("incorrect_data") => Self::Unknown,
            _ => Self::Annulled,
        }
    }

    /// Puts it on a statement; `false` where that is annulled.
    pub(crate) fn put_on(self, statement: &mut Statement) -> bool {
        match self {
            Self::Annulled => return false,
            Self::Replaced(body, concealing) => (statement.body, statement.concealing) = (body, concealing),
            Self::Unknown => statement.concealing = vec!["/body".to_owned()],
        }
        true
    }
}

/// What rests on what.
struct Resting {
    /// For each statement those that follow it or name it; a correction among them passes on what rests on itself.
    on: Vec<Vec<Place>>,
    /// For each statement the lines that it describes.
    describes: Vec<Vec<usize>>,
    /// For each line those that name it, in order.
    naming: Vec<Vec<Place>>,
}

/// Finds for each statement those that rest directly on it.
fn resting(statements: &[Statement], by_event: &HashMap<EventHash, Place>) -> Resting {
    let mut lines: HashMap<(&CaseId, &Subject, &str), usize> = HashMap::new();
    let mut describes: Vec<Vec<usize>> = vec![Vec::new(); statements.len()];
    for (place, statement) in statements.iter().enumerate() {
        let described = matches!(
            statement.kind.as_str(),
            "transfer.authorized" | "transfer.dispatched" | "transfer.received" | "holding.declared"
        );
        let Some(case) = statement.stream.case.as_ref().filter(|_| described) else { continue };
        for member in ["lines", "unexpected"] {
            for line in statement.array(member) {
                if let Some(number) = line.get("line").and_then(Value::as_str) {
                    let next = lines.len();
                    describes[place].push(*lines.entry((case, &statement.stream.subject, number)).or_insert(next));
                }
            }
        }
    }
    let mut on: Vec<Vec<Place>> = vec![Vec::new(); statements.len()];
    let mut naming: Vec<Vec<Place>> = vec![Vec::new(); lines.len()];
    for (place, statement) in statements.iter().enumerate() {
        if !rests(statement.kind.as_str()) {
            continue;
        }
        let mut below: BTreeSet<Place> = BTreeSet::new();
        below.extend(statement.after.iter().filter_map(|event| by_event.get(event)));
        below.extend(super::hashes_named(statement).iter().filter_map(|event| by_event.get(event)));
        for (case, subject, line) in line_references(statement) {
            if let Some(line) = lines.get(&(&case, &subject, line.as_str())) {
                naming[*line].push(place);
            }
        }
        for under in below {
            if under < place {
                on[under].push(place);
            }
        }
    }
    Resting { on, describes, naming }
}

/// Decides each correction in the order of recording, and puts replacement bodies in the place of what they replace.
pub(super) fn judge(
    statements: &mut [Statement],
    by_event: &HashMap<EventHash, Place>,
    about: &HashMap<EventHash, Vec<Place>>,
    authority: &Authority,
) -> Corrections {
    let mut corrections = Corrections::default();
    let places: Vec<Place> = (0..statements.len()).filter(|p| statements[*p].kind.as_str() == CORRECTION).collect();
    if places.is_empty() || about.is_empty() {
        return corrections;
    }
    let on = resting(statements, by_event);
    for place in places {
        let Some(target) = statements[place].corrects.and_then(|event| by_event.get(&event)).copied() else {
            continue;
        };
        if target >= place || statements[target].kind.as_str() == CORRECTION {
            continue;
        }
        let mut correction = weigh(statements, &on, place, target, authority);
        if correction.against.is_empty() {
            let by = correction.seq;
            correction.before = Some((statements[target].body.clone(), statements[target].concealing.clone()));
            let stands = Effect::of(&statements[place]).put_on(&mut statements[target]);
            let standing = if stands { Standing::Replaced { by } } else { Standing::Annulled { by } };
            corrections.standing.insert(statements[target].seq, standing);
        }
        corrections.all.push(correction);
    }
    corrections
}

/// Finds who signed what rests on the corrected statement and did not sign the correction.
fn weigh(
    statements: &[Statement],
    resting: &Resting,
    place: Place,
    target: Place,
    authority: &Authority,
) -> Correction {
    let own: BTreeSet<Author> = signers(&statements[target], authority);
    let agree: BTreeSet<Author> = signers(&statements[place], authority);
    let (mut open, mut seen) = (BTreeSet::from([target]), BTreeSet::from([target]));
    let mut read: BTreeSet<usize> = BTreeSet::new();
    let (mut against, mut entries) = (BTreeSet::new(), BTreeSet::new());
    // the earliest first: who names a line is read once, from the earliest that describes it
    while let Some(under) = open.pop_first() {
        let lines = resting.describes[under].iter().filter(|line| read.insert(**line));
        let naming = lines.flat_map(|line| &resting.naming[*line]).filter(|above| **above > under);
        for above in resting.on[under].iter().chain(naming).copied().filter(|above| *above < place) {
            if !seen.insert(above) {
                continue;
            }
            open.insert(above);
            if statements[above].kind.as_str() == CORRECTION {
                continue;
            }
            let others = signers(&statements[above], authority);
            let mut foreign = others.into_iter().filter(|who| !own.contains(who) && !agree.contains(who)).peekable();
            if foreign.peek().is_some() {
                entries.insert(statements[above].seq);
                against.extend(foreign);
            }
        }
    }
    Correction {
        seq: statements[place].seq,
        corrects: statements[target].seq,
        against: against.into_iter().collect(),
        rests: entries.into_iter().collect(),
        before: None,
    }
}

fn signers(statement: &Statement, authority: &Authority) -> BTreeSet<Author> {
    statement.signers.iter().map(|who| acting(authority, who)).collect()
}
