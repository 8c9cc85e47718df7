//! The proposals of a running ledger: kept in its store, bounded, and recorded once they are complete.
//!
//! What is durable, step by step, when a signature completes a proposal:
//!
//! 1. the record with the signature, in one synced write, before anybody is told;
//! 2. the entry, by the committer, as for any other submission;
//! 3. the record's removal.
//!
//! A process that dies between 1 and 2 finds the complete proposal when it starts again, and submits it; between 2 and 3
//! it finds the event recorded, and removes the record. The committer knows an event by author and id, so that however
//! often it is submitted there is one entry.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::{Assessment, Kept, Standing, Withdrawal, assess, nowhere};
use crate::admission;
use crate::append::{Ledger, LedgerState};
use crate::entry::Entry;
use crate::hash::{EventHash, KeyId};
use crate::id::{Author, CaseId, Kind, Seq, StreamId, TreeSize};
use crate::keys::Signature;
use crate::proof::Receipt;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{StoreError, StreamHead};
use crate::submission::{Prepared, Submission};
use crate::time::Time;

mod gather;
mod index;
mod recording;

use index::{Index, Item};
pub use index::{ProposalLimits, Room};

/// How many proposals one page looks at, whatever it finds.
const SCAN: usize = 1_000;
/// How many records are read at once.
const CHUNK: usize = 64;

/// Why something could not be done with a proposal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProposalError {
    /// The client's to mend. Nothing was written.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// There is no proposal of this event, and no entry.
    #[error("there is no proposal {event}")]
    Unknown {
        /// The event.
        event: EventHash,
    },
    /// The ledger takes nothing more.
    #[error("the ledger has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for ProposalError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// A signature for a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The event.
    pub event: EventHash,
    /// The key.
    pub keyid: KeyId,
    /// The signature over the event's PAE.
    pub signature: Signature,
}

/// What there is under an event's hash.
#[derive(Debug, Clone)]
pub enum Found {
    /// A proposal.
    Kept {
        /// What is stored.
        kept: Box<Kept>,
        /// What it says.
        prepared: Box<Prepared>,
        /// What it is worth now.
        assessment: Box<Assessment>,
    },
    /// An entry.
    Recorded {
        /// Its place.
        seq: Seq,
        /// Whose keys signed it.
        signing: Vec<KeyId>,
        /// The proof of it, at the present head.
        receipt: Box<Receipt>,
    },
}

/// What a list of proposals is to hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that await this party, or governance.
    pub awaiting: Option<Author>,
    /// Those by this author.
    pub author: Option<Author>,
    /// Those of this case.
    pub case: Option<CaseId>,
    /// Those of this kind.
    pub kind: Option<Kind>,
}

/// Where a page of proposals ended.
pub type Cursor = (Time, EventHash);

/// A page of proposals, the oldest first.
#[derive(Debug)]
pub struct Page {
    /// The proposals.
    pub proposals: Vec<Found>,
    /// Where the next page begins; a page may be shorter than asked for and still have one.
    pub next: Option<Cursor>,
}

/// The proposals of a ledger. Clones are handles of the same ones.
#[derive(Debug, Clone)]
pub struct Proposals(Arc<Book>);

#[derive(Debug)]
struct Book {
    ledger: Ledger,
    limits: ProposalLimits,
    /// Read from the store when first needed.
    index: Mutex<Option<Index>>,
}

/// What is recorded, at the durable head.
struct Durable<'a>(&'a Ledger);

impl admission::Recorded for Durable<'_> {
    fn by_id(&self, author: &Author, id: &Uuid) -> Result<Option<StreamHead>, StoreError> {
        let Some(seq) = self.0.store().seq_of_id(author, id)? else { return Ok(None) };
        let entry = self.0.entry(seq)?;
        Ok(entry.map(|entry| StreamHead { seq, event: entry.envelope.event_hash() }))
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError> {
        self.0.store().stream_head(stream)
    }

    fn entry_of(&self, event: &EventHash) -> Result<Option<Entry>, StoreError> {
        match self.0.store().seq_of_event(event)? {
            Some(seq) => self.0.entry(seq),
            None => Ok(None),
        }
    }
}

/// A proposal and what it says.
type Read = (Kept, Prepared);

impl Proposals {
    /// Makes a handle; reads nothing yet.
    #[must_use]
    pub fn new(ledger: Ledger, limits: ProposalLimits) -> Self {
        Self(Arc::new(Book { ledger, limits, index: Mutex::new(None) }))
    }

    /// Tells how a proposal would stand, and keeps nothing.
    ///
    /// # Errors
    /// When it is no event of its kind, or a signature is not valid.
    pub fn preview(&self, submission: Submission) -> Result<Found, ProposalError> {
        let prepared = self.0.ledger.prepare_unfinished(submission.clone())?;
        if let Some(seq) = self.0.ledger.store().seq_of_event(&prepared.event_hash())? {
            return self.recorded(seq);
        }
        let assessment = self.assess_at_head(&prepared)?;
        let kept = self.kept_now(submission, &prepared, &assessment);
        Ok(Found::Kept { kept: Box::new(kept), prepared: Box::new(prepared), assessment: Box::new(assessment) })
    }

    /// Returns what there is under an event's hash: a proposal, or the entry that it became.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, event: &EventHash) -> Result<Option<Found>, ProposalError> {
        if let Some(seq) = self.0.ledger.store().seq_of_event(event)? {
            return self.recorded(seq).map(Some);
        }
        let found = self.locked(|index| match self.read(index, event)? {
            Some((kept, prepared)) => Ok(Some((kept, self.assess(index, &prepared)?, prepared))),
            None => Ok(None),
        })?;
        match found {
            Some((_, Assessment { standing: Standing::Recorded(seq), .. }, _)) => self.recorded(seq).map(Some),
            Some((kept, assessment, prepared)) => Ok(Some(Found::Kept {
                kept: Box::new(kept),
                prepared: Box::new(prepared),
                assessment: Box::new(assessment),
            })),
            // It may have been recorded, and have gone from here, since the first look.
            None => self.0.ledger.store().seq_of_event(event)?.map(|seq| self.recorded(seq)).transpose(),
        }
    }

    fn recorded(&self, seq: Seq) -> Result<Found, ProposalError> {
        let missing = |reason: String| StoreError::Corrupt { place: format!("entry {seq}"), reason };
        let receipt = self.0.ledger.receipt(seq)?.ok_or_else(|| missing("it has no receipt".to_owned()))?;
        let entry = Entry::parse(receipt.entry().as_bytes()).map_err(|e| missing(e.to_string()))?;
        let signing = entry.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect();
        Ok(Found::Recorded { seq, signing, receipt: Box::new(receipt) })
    }

    /// Lists proposals, the oldest first: at most `limit`, and about `max_bytes` of them.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Page, ProposalError> {
        let (keys, more) = self.locked(|index| Ok(index.page(after, SCAN)))?;
        let mut page = Page { proposals: Vec::new(), next: None };
        let (mut bytes, mut last) = (0, None);
        for (place, (proposed, event)) in keys.iter().enumerate() {
            last = Some((*proposed, *event));
            let found = self.get(event);
            if let Ok(Some(Found::Kept { kept, prepared, assessment })) = found {
                if matches(filter, &prepared, &assessment) {
                    bytes += kept.to_record().len();
                    page.proposals.push(Found::Kept { kept, prepared, assessment });
                }
            } else if let Err(error @ (ProposalError::Store(_) | ProposalError::Stopped { .. })) = found {
                return Err(error);
            }
            if page.proposals.len() >= limit || bytes >= max_bytes {
                page.next = last.filter(|_| more || place + 1 < keys.len());
                return Ok(page);
            }
        }
        page.next = last.filter(|_| more);
        Ok(page)
    }

    /// Withdraws a proposal, at the signed request of its author or of the quorum.
    ///
    /// # Errors
    /// When the request is not theirs, or for another proposal; or the event is recorded, or about to be.
    pub fn withdraw(&self, event: &EventHash, request: &Withdrawal) -> Result<(), ProposalError> {
        self.locked(|index| {
            self.check_serving()?;
            let conflict = |expected: &str, found: String| Refusal::new(RefusalCode::AlreadyStarted, expected, found);
            if let Some(seq) = self.0.ledger.store().seq_of_event(event)? {
                let hint = "what is recorded stays: correct it with `statement.corrected`";
                return Err(conflict("a proposal", format!("entry {seq}")).hint(hint).into());
            }
            let (kept, prepared) = self.read(index, event)?.ok_or(ProposalError::Unknown { event: *event })?;
            let differs = |path: &str, expected: String, found: String| {
                ProposalError::from(Refusal::new(RefusalCode::NotWithdrawable, expected, found).at(path))
            };
            let ledger = self.0.ledger.id();
            if request.ledger != ledger {
                return Err(differs("/ledger", format!("ledger {ledger}"), request.ledger.to_string()));
            }
            if request.event != *event {
                return Err(differs("/withdraw", event.to_string(), request.event.to_string()));
            }
            if request.proposed != kept.proposed {
                return Err(differs("/proposed", kept.proposed.to_string(), request.proposed.to_string()));
            }
            let at = self.0.ledger.next_position();
            self.0.ledger.with_authority(|authority| request.check(at, prepared.event(), authority))?;
            if index.item(event).is_some_and(|item| item.submitting > 0) {
                return Err(conflict("a proposal that is not complete", "one that is being recorded".to_owned()).into());
            }
            self.0.ledger.write_proposals(&[(*event, None)])?;
            index.remove(event);
            Ok(())
        })
    }

    fn check_serving(&self) -> Result<(), ProposalError> {
        match self.0.ledger.state() {
            // A closed ledger says so of each proposal by itself.
            LedgerState::Serving | LedgerState::Closed => Ok(()),
            LedgerState::ReadOnly => Err(ProposalError::Stopped { reason: "it is a copy, and read alone".to_owned() }),
            LedgerState::Stopping => Err(ProposalError::Stopped { reason: "it is shutting down".to_owned() }),
            LedgerState::Failed(reason) => Err(ProposalError::Stopped { reason }),
        }
    }

    /// Works on the index, alone.
    fn locked<T>(&self, work: impl FnOnce(&mut Index) -> Result<T, ProposalError>) -> Result<T, ProposalError> {
        // A panic of another thread leaves no half change: the index follows the store's writes.
        let mut index = self.0.index.lock().unwrap_or_else(PoisonError::into_inner);
        let index = match &mut *index {
            Some(index) => index,
            none => none.insert(self.load()?),
        };
        work(index)
    }

    fn load(&self) -> Result<Index, StoreError> {
        let (mut index, mut last) = (Index::default(), None);
        loop {
            let records = self.0.ledger.store().proposals(last.as_ref(), CHUNK)?;
            let Some((event, _)) = records.last() else { return Ok(index) };
            last = Some(*event);
            for (event, record) in records {
                index.put(event, Item::of(&Kept::from_record(&event, &record)?));
            }
        }
    }

    /// Reads a proposal that has not expired.
    fn read(&self, index: &Index, event: &EventHash) -> Result<Option<Read>, ProposalError> {
        let now = self.0.ledger.next_position().time;
        if index.item(event).is_none_or(|item| item.expires < now) {
            return Ok(None);
        }
        let Some(record) = self.0.ledger.store().proposal(event)? else { return Ok(None) };
        let kept = Kept::from_record(event, &record)?;
        let prepared = self.0.ledger.prepare_unfinished(kept.submission.clone())?;
        Ok(Some((kept, prepared)))
    }

    fn assess_at_head(&self, prepared: &Prepared) -> Result<Assessment, StoreError> {
        let ledger = &self.0.ledger;
        let next = nowhere(ledger.next_position());
        ledger.with_authority(|authority| assess(prepared, authority, &Durable(ledger), next))
    }

    /// Assesses, and remembers what the committer said.
    fn assess(&self, index: &Index, prepared: &Prepared) -> Result<Assessment, ProposalError> {
        let mut assessment = self.assess_at_head(prepared)?;
        let head: TreeSize = self.0.ledger.head().size;
        let refused = index.item(&prepared.event_hash()).and_then(|item| item.refused.as_ref());
        if let (Standing::Complete, Some((_, refusal))) =
            (&assessment.standing, refused.filter(|(size, _)| *size == head))
        {
            assessment.standing = Standing::Blocked(refusal.clone());
        }
        Ok(assessment)
    }
}

fn matches(filter: &Filter, prepared: &Prepared, assessment: &Assessment) -> bool {
    let event = prepared.event();
    let awaits = |who: &Author| match who {
        Author::Party(party) => assessment.awaited.parties.contains(party),
        Author::Governance => assessment.awaited.governance > 0,
    };
    filter.awaiting.as_ref().is_none_or(awaits)
        && filter.author.as_ref().is_none_or(|author| event.author == *author)
        && filter.case.as_ref().is_none_or(|case| event.case.as_ref() == Some(case))
        && filter.kind.as_ref().is_none_or(|kind| event.kind == *kind)
}
