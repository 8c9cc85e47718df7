//! The life of one item: its description and all that was stated of it, in the order in which it happened.

use serde::{Deserialize, Serialize};

use super::act::{Act, Amount, Description, Mention, Origin, State};
use crate::event::codes::{EvidenceGrade, ItemState};
use crate::event::scalars::Quantity;
use crate::id::{Author, Seq, Subject};
use crate::time::Date;

/// The latest evidence of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The entry.
    pub seq: Seq,
    /// By when it was so.
    pub at: Date,
    /// How it is known.
    pub grade: EvidenceGrade,
}

/// How many of a line without serials are where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Received.
    pub received: Quantity,
    /// Last found by a check or report: all parts of that subject, and all of that date, together.
    pub inventoried: Quantity,
    /// Looked for by it, and not found.
    #[serde(default, skip_serializing_if = "Quantity::is_zero")]
    pub not_found: Quantity,
    /// Expended, destroyed, made unusable, lost for good or given back.
    pub disposed: Quantity,
    /// Lost, stolen or captured, and not recovered.
    pub gone: Quantity,
    /// With another holder.
    pub retransferred: Quantity,
}

/// An item as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What described it first.
    pub description: Description,
    /// Where it is in its life.
    pub state: State,
    /// The entry that says so.
    pub state_by: Seq,
    /// Since when.
    pub since: Date,
    /// Since when the recipient, or a holder under it, has had it without a break, and the entry that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<(Date, Seq)>,
    /// Who has it, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Author>,
    /// At which site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The entry that transferred title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Seq>,
    /// In what condition it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The latest evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The latest evidence by an inspector, `documented` or better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspected: Option<Seen>,
    /// A check or report that looked for it and did not find it, since it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Seq>,
    /// Statements that it is there, each after the terminal statement that it contradicts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<(Seq, Seq)>,
    /// Of a line without serials: how many are where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
    /// All that was stated, in the order in which it happened.
    pub acts: Vec<Mention>,
}

/// Folds what was stated of an item. `mentions` may come in any order; the result does not depend on it.
#[must_use]
pub fn fold(description: Description, mentions: Vec<Mention>) -> Item {
    let mut acts = mentions;
    acts.sort_by_key(|mention| (mention.at, mention.seq));
    let (state, holder) = match description.origin {
        Origin::Dispatched => (State::InTransit, None),
        Origin::Unexpected => (State::ReceivedDiscrepant, Some(description.by.clone())),
        Origin::Declared => {
            (State::InCustody, Some(description.holder.clone().map_or_else(|| description.by.clone(), Author::Party)))
        }
    };
    let seen = description.grade.map(|grade| Seen { seq: description.seq, at: description.at, grade });
    let mut item = Item {
        state,
        state_by: description.seq,
        since: description.at,
        held: state.is_held().then_some((description.at, description.seq)),
        holder,
        site: description.site.clone(),
        title: None,
        condition: None,
        seen,
        inspected: None,
        missed: None,
        contradicted: Vec::new(),
        tally: description.key.serial.is_none().then(Tally::default),
        description,
        acts: Vec::new(),
    };
    let mut inventory = None;
    for mention in &acts {
        item.take(mention, &mut inventory);
    }
    item.settle();
    item.acts = acts;
    item
}

impl Item {
    fn set(&mut self, mention: &Mention, state: State) {
        // part of a line without serials does not move the whole; `settle` says what the rest comes to
        if self.tally.is_none() || matches!(mention.amount, Amount::All) {
            (self.state, self.state_by, self.since) = (state, mention.seq, mention.at);
            self.hold(mention);
        }
    }

    /// Notes since when it is held, or that it is not.
    fn hold(&mut self, mention: &Mention) {
        if !self.state.is_held() {
            self.held = None;
        } else if self.held.is_none() {
            self.held = Some((mention.at, mention.seq));
        }
    }

    /// Notes that a statement contradicts the end of its life. Where it may have been so before that end, it does not.
    fn contradict(&mut self, mention: &Mention) {
        if mention.from.is_some_and(|from| from > self.since) {
            self.contradicted.push((self.state_by, mention.seq));
        }
    }

    /// Notes that somebody says that the item is there.
    fn present(&mut self, mention: &Mention, grade: EvidenceGrade, inspected: bool) {
        if grade == EvidenceGrade::NotSeen {
            return;
        }
        if self.state.is_terminal() && self.tally.is_none() {
            self.contradict(mention);
        } else if !matches!(self.state, State::DamagedBeyondRepair) {
            self.set(mention, State::InCustody);
        }
        self.see(mention, grade, inspected);
        // of several alike, one statement finds some and misses others
        if self.missed != Some(mention.seq) {
            self.missed = None;
        }
        self.at(mention);
        self.condition.clone_from(&mention.condition);
    }

    /// Notes the site, where the statement says one.
    fn at(&mut self, mention: &Mention) {
        if mention.site.is_some() {
            self.site.clone_from(&mention.site);
        }
    }

    /// Notes that somebody says in which state the item is.
    fn found(&mut self, mention: &Mention, state: ItemState, grade: EvidenceGrade, inspected: bool) {
        let becomes = match state {
            ItemState::InCustody => return self.present(mention, grade, inspected),
            ItemState::NotFound => {
                if !self.state.is_terminal() && !self.state.is_gone() {
                    self.missed = Some(mention.seq);
                }
                return;
            }
            ItemState::Expended => State::Expended,
            ItemState::Destroyed => State::Destroyed,
            ItemState::Demilitarized => State::Demilitarized,
            ItemState::Returned => State::Returned,
            ItemState::Retransferred => State::InCustody,
            ItemState::Lost => State::Lost,
            ItemState::Stolen => State::Stolen,
            ItemState::Captured => State::Captured,
            ItemState::CombatDestroyed => State::CombatDestroyed,
            ItemState::DamagedBeyondRepair => State::DamagedBeyondRepair,
        };
        if !self.state.is_terminal() {
            self.set(mention, becomes);
        }
        self.see(mention, grade, inspected);
        self.missed = None;
    }

    /// Notes evidence. What an inspector was only told is no inspection.
    fn see(&mut self, mention: &Mention, grade: EvidenceGrade, inspected: bool) {
        let seen = Seen { seq: mention.seq, at: mention.at, grade };
        if inspected && grade <= EvidenceGrade::Documented {
            self.inspected = Some(seen.clone());
        }
        self.seen = Some(seen);
    }

    /// Returns how many of it a statement is about, in its unit: 0 where it counts in another, or conceals it.
    #[must_use]
    pub fn amount_of(&self, mention: &Mention) -> Quantity {
        match &mention.amount {
            Amount::One => Quantity::whole(1).unwrap_or(Quantity::ZERO),
            Amount::Some(quantity, unit) => {
                let same = unit.is_none() || *unit == self.description.unit;
                if same { *quantity } else { Quantity::ZERO }
            }
            Amount::All => self.description.quantity.unwrap_or(Quantity::ZERO),
            Amount::Concealed => Quantity::ZERO,
        }
    }

    fn count(&mut self, mention: &Mention, tally: impl FnOnce(&mut Tally) -> &mut Quantity) {
        let amount = self.amount_of(mention);
        if let Some(place) = self.tally.as_mut().map(tally) {
            *place = place.checked_add(amount).unwrap_or(*place);
        }
    }

    fn uncount(&mut self, mention: &Mention, tally: impl FnOnce(&mut Tally) -> &mut Quantity) {
        let amount = self.amount_of(mention);
        if let Some(place) = self.tally.as_mut().map(tally) {
            *place = place.checked_sub(amount).unwrap_or(Quantity::ZERO);
        }
    }

    fn take(&mut self, mention: &Mention, inventory: &mut Option<(Subject, Date)>) {
        match &mention.act {
            Act::Received { sound } => {
                if matches!(self.state, State::InTransit | State::NotReceived | State::InRepair) {
                    let state = if *sound { State::Received } else { State::ReceivedDiscrepant };
                    self.set(mention, state);
                }
                self.holder = Some(mention.by.clone());
                self.at(mention);
                self.condition.clone_from(&mention.condition);
                self.count(mention, |tally| &mut tally.received);
                if self.tally.is_some() && self.held.is_none() {
                    self.held = Some((mention.at, mention.seq));
                }
            }
            Act::Absent => {
                if matches!(self.state, State::InTransit) {
                    self.set(mention, State::NotReceived);
                }
            }
            Act::NotReceived { .. } => {
                if matches!(self.state, State::InTransit) {
                    self.set(mention, State::NotReceived);
                }
            }
            Act::HandedOver { to } => self.holder = Some(Author::Party(to.clone())),
            Act::TitleTransferred => self.title = Some(mention.seq),
            Act::Checked { grade, state, .. } => {
                if *grade != EvidenceGrade::NotSeen || *state == ItemState::NotFound {
                    self.inventory(mention, *state, inventory);
                }
                self.found(mention, *state, *grade, true);
            }
            Act::Reported { state } => {
                self.inventory(mention, *state, inventory);
                self.found(mention, *state, EvidenceGrade::SelfDeclared, false);
            }
            Act::Moved => {
                self.site.clone_from(&mention.site);
                if self.state.is_terminal() && self.tally.is_none() {
                    self.contradict(mention);
                }
            }
            Act::Lost { how } => {
                let permanent = matches!(how, ItemState::CombatDestroyed | ItemState::DamagedBeyondRepair);
                self.count(mention, |tally| if permanent { &mut tally.disposed } else { &mut tally.gone });
                self.lost(mention, *how);
            }
            Act::Recovered { grade } => {
                self.uncount(mention, |tally| &mut tally.gone);
                self.set(mention, State::Recovered);
                self.at(mention);
                self.missed = None;
                self.contradicted.clear();
                self.seen = Some(Seen { seq: mention.seq, at: mention.at, grade: *grade });
            }
            Act::Retransferred { new_holder } => {
                self.count(mention, |tally| &mut tally.retransferred);
                self.missed = None;
                if self.state.is_terminal() && self.tally.is_none() {
                    self.contradict(mention);
                } else {
                    self.set(mention, State::InCustody);
                }
                if self.tally.is_none() {
                    self.holder = Some(Author::Party(new_holder.clone()));
                    self.site.clone_from(&mention.site);
                }
            }
            Act::RetransferEnded { .. } => {
                self.uncount(mention, |tally| &mut tally.retransferred);
                if self.tally.is_none() {
                    self.holder = Some(mention.by.clone());
                }
            }
            Act::Expended => self.dispose(mention, State::Expended),
            Act::Demilitarized => self.dispose(mention, State::Demilitarized),
            Act::Destroyed => self.dispose(mention, State::Destroyed),
            Act::Returned { last: true } => self.dispose(mention, State::Returned),
            Act::Returned { last: false } => {
                self.missed = None;
                if self.state.is_terminal() && self.tally.is_none() {
                    self.contradict(mention);
                } else {
                    self.set(mention, State::InRepair);
                }
            }
            Act::RetransferRequested { .. } | Act::Identified | Act::Diverted => {}
        }
    }

    /// Returns how many of it the recipient, or a holder under it, must account for: 1 or 0 of an item with a serial.
    #[must_use]
    pub fn remaining(&self) -> Quantity {
        let Some(tally) = &self.tally else {
            return if self.state.is_held() { Quantity::whole(1).unwrap_or(Quantity::ZERO) } else { Quantity::ZERO };
        };
        let had = match self.description.origin {
            Origin::Dispatched => tally.received,
            Origin::Unexpected | Origin::Declared => self.description.quantity.unwrap_or(Quantity::ZERO),
        };
        let left = had.checked_sub(tally.disposed).and_then(|left| left.checked_sub(tally.gone));
        let held = self.state.is_held() || self.held.is_some();
        left.filter(|_| held).unwrap_or(Quantity::ZERO)
    }

    /// Adds to the latest inventory: the parts of one check or report, and statements of one date, count together.
    fn inventory(&mut self, mention: &Mention, state: ItemState, latest: &mut Option<(Subject, Date)>) {
        let amount = self.amount_of(mention);
        let Some(tally) = &mut self.tally else { return };
        let continued = latest.as_ref().is_some_and(|(of, at)| *of == mention.subject || *at == mention.at);
        if !continued {
            (tally.inventoried, tally.not_found) = (Quantity::ZERO, Quantity::ZERO);
        }
        *latest = Some((mention.subject.clone(), mention.at));
        let place = match state {
            ItemState::InCustody => &mut tally.inventoried,
            ItemState::NotFound => &mut tally.not_found,
            _ => return,
        };
        *place = place.checked_add(amount).unwrap_or(*place);
    }

    fn lost(&mut self, mention: &Mention, how: ItemState) {
        let state = match how {
            ItemState::Stolen => State::Stolen,
            ItemState::Captured => State::Captured,
            ItemState::CombatDestroyed => State::CombatDestroyed,
            ItemState::DamagedBeyondRepair => State::DamagedBeyondRepair,
            _ => State::Lost,
        };
        if self.tally.is_none() && !self.state.is_terminal() {
            self.set(mention, state);
        }
        self.missed = None;
    }

    fn dispose(&mut self, mention: &Mention, state: State) {
        self.count(mention, |tally| &mut tally.disposed);
        // a second disposal of another sort is a contradiction too, unless what was made unusable is then destroyed
        let scrap = (self.state, state) == (State::Demilitarized, State::Destroyed);
        if self.tally.is_none() && self.state.is_terminal() && !scrap {
            if self.state != state {
                self.contradict(mention);
            }
        } else if self.tally.is_none() || matches!(mention.amount, Amount::All) {
            self.set(mention, state);
        }
        self.missed = None;
    }

    /// Says in which state a line without serials is, from its tally.
    fn settle(&mut self) {
        let Some(tally) = &self.tally else { return };
        let all = self.description.quantity.unwrap_or(Quantity::ZERO);
        if tally.received > Quantity::ZERO && matches!(self.state, State::InTransit | State::NotReceived) {
            self.state = if tally.received < all { State::ReceivedDiscrepant } else { State::Received };
            if let Some((at, seq)) = self.held {
                (self.state_by, self.since) = (seq, at);
            }
        }
        if tally.inventoried > Quantity::ZERO && matches!(self.state, State::Received | State::ReceivedDiscrepant) {
            self.state = State::InCustody;
        }
        if let Some(seen) = self.seen.as_ref().filter(|_| self.state == State::InCustody) {
            (self.state_by, self.since) = (seen.seq, seen.at);
        }
    }
}
