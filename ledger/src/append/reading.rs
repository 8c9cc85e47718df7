//! A ledger that is read and never appended to: a copy. Somebody else brings its store on ([`replay`](crate::replay)).

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Condvar, Mutex, RwLock};

use super::open::{Standing, checked_head, fold_authority_from, standing};
use super::{Counters, Ledger, LedgerState, OpenError, Published, Running, Shared, seals};
use crate::high_water::Mark;
use crate::id::{Seq, TreeSize};
use crate::keys::KeyTables;
use crate::pending::entry_at;
use crate::store::{Store, StoreError};
use crate::time::Clock;

impl Ledger {
    /// Opens a ledger to read alone: no log key is needed, nothing is ever appended. What a copy has stored ahead of its
    /// head is not seen.
    ///
    /// # Errors
    /// When the store is empty, its tail does not agree with its checkpoint, or it is behind `mark`.
    pub fn open_to_read(store: Arc<dyn Store>, mark: Option<&Mark>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let head = store.head()?.ok_or(OpenError::Empty)?;
        let Standing { authority, time, .. } = standing(&*store, head.size)?;
        let checkpoint = checked_head(&*store, &head, &authority)?;
        if let Some(mark) = mark {
            super::open::check_high_water(&*store, checkpoint.checkpoint(), mark)?;
        }
        let seal = seals::newest(&*store)?;
        let shared = Arc::new(Shared {
            store,
            clock,
            published: RwLock::new(Published { authority, checkpoint, note: head.checkpoint, time, seal }),
            state: Mutex::new(LedgerState::ReadOnly),
            queued: AtomicUsize::new(0),
            counters: Counters::default(),
            tables: KeyTables::default(),
            seals: seals::Seals::default(),
            grown: (Mutex::new(head.size), Condvar::new()),
        });
        Ok(Self(Arc::new(Running { shared, queue: Mutex::new(None), committer: Mutex::new(None) })))
    }

    /// Says that the store is in doubt: whoever brings it on could not write. The process must end.
    pub fn fail(&self, reason: &str) {
        *self.0.shared.state() = LedgerState::Failed(reason.to_owned());
    }

    /// Shows readers the head that the store has now, and returns its size. For a ledger that is read alone.
    ///
    /// # Errors
    /// When the store fails, or what it holds does not agree with its checkpoint.
    pub fn refresh(&self) -> Result<TreeSize, OpenError> {
        let shared = &self.0.shared;
        let head = shared.store.head()?.ok_or(OpenError::Empty)?;
        let (mut authority, before) = {
            let published = shared.read();
            if published.note == head.checkpoint {
                return Ok(head.size);
            }
            (published.authority.clone(), published.checkpoint.checkpoint().size)
        };
        fold_authority_from(&*shared.store, &mut authority, Seq(before.0))?;
        let checkpoint = checked_head(&*shared.store, &head, &authority)?;
        let last = Seq(head.size.0.saturating_sub(1));
        let missing = || StoreError::Corrupt { place: format!("entry {last}"), reason: "it is missing".to_owned() };
        let time = entry_at(&*shared.store, last)?.ok_or_else(missing)?.time;
        let seal = seals::newest(&*shared.store)?;
        *shared.write() = Published { authority, checkpoint, note: head.checkpoint, time, seal };
        shared.tell_waiting(head.size);
        Ok(head.size)
    }
}
