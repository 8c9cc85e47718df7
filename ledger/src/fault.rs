//! Mistakes that tests have the ledger make, to see that the verifier finds each (`tests/tests/faults.rs`).
//!
//! Two programs read SPEC.md here, the ledger and the verifier. If both had the same gap, every test of a good ledger
//! would still pass. So each [`Fault`] opens one gap in the ledger, at one line that asks [`is`], and the verifier must
//! reject what then comes through.
//!
//! Without the feature `faults`, which no program is built with, [`is`] is constant `false` and nothing of this remains.
//! With it, faults are injected by a thread, for itself and for the ledgers that it starts.

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A gap.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $doc])* $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

faults! {
    /// The rule of the policy table is not looked at (SPEC §9).
    SkipsPolicy,
    /// One party fills two leaves of a rule (SPEC §9).
    CountsPartiesTwice,
    /// A key that another key of its party vouched for counts as a second officer's (SPEC §8).
    CountsVouchedKeys,
    /// Parties that are no parties to a case act inside it (SPEC §9).
    LetsOutsidersIn,
    /// Governance signatures short of the quorum are taken for it (SPEC §8).
    TakesShortQuorum,
    /// The author need not sign (SPEC §3).
    ForgetsAuthor,
    /// `signers` is not compared with who signed (SPEC §3).
    ForgetsSigners,
    /// Parties are bound to roles without their signature (SPEC §8).
    BindsUnasked,
    /// A key may be added that may do more than the key that adds it (SPEC §8).
    AddsStrongerKeys,
    /// Events are taken after `ledger.closed` (SPEC §6).
    GoesOnAfterClose,
    /// A party starts a stream under another's name (SPEC §3).
    TakesSquatters,
    /// Retired and revoked keys count (SPEC §8).
    CountsEndedKeys,
    /// Keys count after their `not_after` (SPEC §8).
    CountsExpiredKeys,
    /// Keys sign what they are not for (SPEC §8).
    IgnoresUses,
    /// Keys enter without signing (SPEC §8).
    TakesUnsignedKeys,
    /// A key enters a second time (SPEC §2).
    TakesOldKeys,
    /// Signatures are not verified (SPEC §4).
    SkipsSignatures,
    /// Another ledger's events are taken (SPEC §3).
    TakesForeignEvents,
    /// `after` need not be the head on `ledger` and `case` streams (SPEC §3).
    TakesStaleAfter,
    /// An author uses an id twice (SPEC §3).
    TakesUsedIds,
    /// The clock is followed when it goes back (SPEC §5).
    TurnsBackTime,
    /// `until` and `occurred` are not compared with the entry's time (SPEC §3).
    TakesAnyTime,
    /// The `governance` pointer is left out (SPEC §5).
    ForgetsGovernance,
    /// The `case` pointer is left out (SPEC §5).
    ForgetsCase,
    /// The `stream` pointer is left out (SPEC §5).
    ForgetsStream,
    /// `prev` does not name the entry before (SPEC §5).
    BreaksChain,
    /// The checkpoint says another root than the tree's (SPEC §7).
    SignsAnotherRoot,
    /// The checkpoint is signed by the log key that was replaced (SPEC §7).
    SignsWithOldKey,
    /// Disclosures without a digest are taken (SPEC §10).
    TakesSurplusDisclosures,
}

#[cfg(not(feature = "faults"))]
mod switch {
    use super::Fault;

    /// Tells whether a fault is injected: it is not.
    #[must_use]
    pub const fn is(_: Fault) -> bool {
        false
    }

    /// Hands the faults of this thread on to the thread that does `work`: there are none.
    pub fn inherited<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
        work
    }
}

#[cfg(feature = "faults")]
mod switch {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Fault;

    thread_local! {
        static ACTIVE: RefCell<Arc<AtomicU64>> = RefCell::default();
    }

    const fn bit(fault: Fault) -> u64 {
        1 << fault as u32
    }

    /// Tells whether a fault is injected in this thread.
    #[must_use]
    pub fn is(fault: Fault) -> bool {
        ACTIVE.with_borrow(|active| active.load(Ordering::SeqCst) & bit(fault) != 0)
    }

    /// Hands the faults of this thread, also those injected later, on to the thread that does `work`.
    pub fn inherited<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
        let active = ACTIVE.with_borrow(Arc::clone);
        move || {
            ACTIVE.set(active);
            work()
        }
    }

    /// A fault that lasts as long as this.
    #[derive(Debug)]
    #[must_use = "the fault ends when this is dropped"]
    pub struct Injected {
        fault: Fault,
        active: Arc<AtomicU64>,
    }

    /// Injects a fault into this thread and the ledgers that it started or starts.
    pub fn inject(fault: Fault) -> Injected {
        let active = ACTIVE.with_borrow(Arc::clone);
        active.fetch_or(bit(fault), Ordering::SeqCst);
        Injected { fault, active }
    }

    impl Drop for Injected {
        fn drop(&mut self) {
            self.active.fetch_and(!bit(self.fault), Ordering::SeqCst);
        }
    }
}

#[cfg(feature = "faults")]
pub use switch::{Injected, inject};
pub use switch::{inherited, is};
