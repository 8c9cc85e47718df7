//! Which proposals there are, in what order, and how much room each party's take: in memory, beside their records.

use std::collections::{BTreeSet, HashMap};

use super::Cursor;
use crate::authority::judge::Signers;
use crate::event::Event;
use crate::hash::EventHash;
use crate::id::{Author, Seq, TreeSize};
use crate::proposal::Kept;
use crate::refusal::{Refusal, RefusalCode};
use crate::submission::Submission;
use crate::time::Time;

const DAY_MS: i64 = 86_400_000;

/// How much room proposals may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many.
    pub number: usize,
    /// Bytes of their events and disclosures. Signatures are not counted: what was let in can be completed.
    pub bytes: usize,
}

/// The bounds of proposals, so that nobody fills the disk, nor another's room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProposalLimits {
    /// Of one party, or of governance: those that it signed as author, or before anybody else.
    pub party: Room,
    /// Of all that no counting key has signed.
    pub unsigned: Room,
    /// Of all.
    pub all: Room,
    /// How long one is kept without `until`, in days.
    pub days: i64,
    /// How long one is kept that nobody signed, in days.
    pub unsigned_days: i64,
    /// How long one is kept with `until`, at most and before its grace, in days.
    pub most_days: i64,
    /// How long one can be read behind its `until`, in days.
    pub grace_days: i64,
}

impl Default for ProposalLimits {
    fn default() -> Self {
        Self {
            party: Room { number: 1_000, bytes: 64 << 20 },
            unsigned: Room { number: 256, bytes: 16 << 20 },
            all: Room { number: 10_000, bytes: 512 << 20 },
            days: 30,
            unsigned_days: 7,
            most_days: 366,
            grace_days: 7,
        }
    }
}

impl ProposalLimits {
    /// Returns when a proposal is forgotten.
    pub(super) fn expiry(&self, proposed: Time, until: Option<Time>, signed: bool) -> Time {
        let after = |days: i64| proposed.plus_millis(days * DAY_MS);
        let expires = match until {
            Some(until) => until.min(after(self.most_days)).plus_millis(self.grace_days * DAY_MS),
            None => after(self.days),
        };
        if signed { expires } else { expires.min(after(self.unsigned_days)) }
    }
}

/// Finds on whose account a proposal goes: the author's if it signed, else the first party's that did.
pub(super) fn charge(event: &Event, signers: &Signers) -> Option<Author> {
    if let Author::Party(author) = &event.author
        && signers.parties.contains_key(author)
    {
        return Some(event.author.clone());
    }
    let governance = (!signers.governance.is_empty()).then_some(Author::Governance);
    governance.or_else(|| signers.parties.keys().next().cloned().map(Author::Party))
}

/// What is known of a proposal without reading it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) proposed: Time,
    pub(super) expires: Time,
    pub(super) charged: Option<Author>,
    /// What it is charged with: as much with the last signature as with none.
    pub(super) bytes: usize,
    /// How many threads wait for the committer with it.
    pub(super) submitting: usize,
    /// What the committer said of it when it was complete, and at which head.
    pub(super) refused: Option<(TreeSize, Box<Refusal>)>,
}

impl Item {
    pub(super) fn of(kept: &Kept) -> Self {
        let Submission { envelope, disclosures } = &kept.submission;
        let bytes = envelope.payload().len() + disclosures.iter().map(String::len).sum::<usize>();
        Self {
            proposed: kept.proposed,
            expires: kept.expires,
            charged: kept.charged.clone(),
            bytes,
            submitting: 0,
            refused: None,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    number: usize,
    bytes: usize,
}

/// The proposals, by event and in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Index {
    items: HashMap<EventHash, Item>,
    order: BTreeSet<Cursor>,
    used: HashMap<Option<Author>, Used>,
    all: Used,
    /// Complete ones that the committer was too busy for.
    pub(super) retry: BTreeSet<EventHash>,
    /// Authority entries before this one have been looked at.
    pub(super) looked_at: Seq,
    /// Events of proposals have been looked for among the entries of this head.
    pub(super) looked_for: TreeSize,
}

impl Index {
    pub(super) fn item(&self, event: &EventHash) -> Option<&Item> {
        self.items.get(event)
    }

    pub(super) fn events(&self) -> Vec<EventHash> {
        self.order.iter().map(|(_, event)| *event).collect()
    }

    /// Returns up to `limit` proposals behind a place, and whether there are more.
    pub(super) fn page(&self, after: Option<Cursor>, limit: usize) -> (Vec<Cursor>, bool) {
        use std::ops::Bound::{Excluded, Unbounded};
        let mut rest = self.order.range((after.map_or(Unbounded, Excluded), Unbounded));
        let page = rest.by_ref().take(limit).copied().collect();
        (page, rest.next().is_some())
    }

    pub(super) fn expired(&self, now: Time) -> Vec<EventHash> {
        self.items.iter().filter(|(_, item)| item.expires < now).map(|(event, _)| *event).collect()
    }

    pub(super) fn put(&mut self, event: EventHash, mut item: Item) {
        if let Some(old) = self.items.get(&event) {
            item.submitting = old.submitting;
        }
        self.remove(&event);
        self.all.number += 1;
        self.all.bytes += item.bytes;
        let used = self.used.entry(item.charged.clone()).or_default();
        used.number += 1;
        used.bytes += item.bytes;
        self.order.insert((item.proposed, event));
        self.items.insert(event, item);
    }

    pub(super) fn remove(&mut self, event: &EventHash) {
        let Some(item) = self.items.remove(event) else { return };
        self.order.remove(&(item.proposed, *event));
        self.retry.remove(event);
        self.all.number -= 1;
        self.all.bytes -= item.bytes;
        if let Some(used) = self.used.get_mut(&item.charged) {
            used.number -= 1;
            used.bytes -= item.bytes;
            if used.number == 0 {
                self.used.remove(&item.charged);
            }
        }
    }

    pub(super) fn submitting(&mut self, event: &EventHash) {
        if let Some(item) = self.items.get_mut(event) {
            item.submitting += 1;
        }
    }

    pub(super) fn submitted(&mut self, event: &EventHash) {
        if let Some(item) = self.items.get_mut(event) {
            item.submitting = item.submitting.saturating_sub(1);
        }
    }

    pub(super) fn refused(&mut self, event: &EventHash, head: TreeSize, refusal: Box<Refusal>) {
        if let Some(item) = self.items.get_mut(event) {
            item.refused = Some((head, refusal));
        }
    }

    /// Checks that there is room for these, which may replace others. What has expired takes none.
    pub(super) fn check_room(
        &self,
        items: &[(EventHash, Item)],
        limits: &ProposalLimits,
        now: Time,
    ) -> Result<(), Refusal> {
        let mut used = self.used.clone();
        let mut all = self.all;
        let gone = self.items.iter().filter(|(_, item)| item.expires < now).map(|(event, _)| event);
        let replaced = items.iter().map(|(event, _)| event).filter(|event| self.items.contains_key(*event));
        let leaving: BTreeSet<&EventHash> = gone.chain(replaced).collect();
        for item in leaving.into_iter().filter_map(|event| self.items.get(event)) {
            let of = used.entry(item.charged.clone()).or_default();
            (of.number, of.bytes) = (of.number - 1, of.bytes - item.bytes);
            (all.number, all.bytes) = (all.number - 1, all.bytes - item.bytes);
        }
        for (event, item) in items {
            let of = used.entry(item.charged.clone()).or_default();
            (of.number, of.bytes) = (of.number + 1, of.bytes + item.bytes);
            (all.number, all.bytes) = (all.number + 1, all.bytes + item.bytes);
            let (room, whose) = match &item.charged {
                Some(party) => (limits.party, format!("of {party}")),
                None => (limits.unsigned, "that nobody has signed".to_owned()),
            };
            within(*of, room, &whose)?;
            // One that only changes its account takes no more in all.
            if self.items.get(event).is_none_or(|known| known.expires < now) {
                within(all, limits.all, "in all")?;
            }
        }
        Ok(())
    }
}

fn within(used: Used, room: Room, whose: &str) -> Result<(), Refusal> {
    let refuse = |expected: String, found: String| {
        Err(Refusal::new(RefusalCode::ProposalsFull, expected, found)
            .hint("have some of them signed or withdrawn, wait until they expire, or pass a file around"))
    };
    if used.number > room.number {
        return refuse(format!("at most {} proposals {whose}", room.number), used.number.to_string());
    }
    if used.bytes > room.bytes {
        return refuse(format!("at most {} bytes of proposals {whose}", room.bytes), used.bytes.to_string());
    }
    Ok(())
}
