//! Asking witnesses to cosign (C2SP tlog-witness), and keeping what they say.
//!
//! One thread begins *rounds*: it takes the newest checkpoint as the target that all witnesses are asked for, at an
//! interval, and at once when somebody waits. One thread for each witness asks it, so that a slow one delays nobody; one
//! that fails is asked again after a growing pause. A cosignature is verified before it is kept, and what meets the quorum
//! is durable ([`keep`]) before anybody is told. Nothing of this is ever waited for by the committer: when all witnesses
//! are down, the ledger goes on, and says so.
//!
//! A witness that has seen more than this ledger has, or another tree of the same size, says that the ledger was rolled
//! back or forked. That is logged as an error and shown until the witness cosigns again.

mod ask;
mod keep;
mod state;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_ledger::append::Ledger;
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::id::TreeSize;
use countersign_ledger::time::{Clock as _, SystemClock};
use countersign_ledger::trust::TrustFile;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::wire::witnesses::WitnessesView;
use ask::{AskError, Asker, Question};
use keep::Keep;
use state::State;

pub(crate) use keep::KEPT_FILE;

/// How old cosignatures become before the same checkpoint is cosigned anew.
const REFRESH: Duration = Duration::from_secs(600);
/// The first pause after a witness failed; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a thread sleeps at most before it looks again; what matters also wakes it.
const LOOK: Duration = Duration::from_millis(500);

/// How witnesses are asked.
#[derive(Debug, Clone)]
pub struct WitnessOptions {
    /// Who they are, where they are, and who of them is enough.
    pub trust: TrustFile,
    /// How long after a round the next begins, if the ledger grew.
    pub every: Duration,
    /// How long one request to a witness may take.
    pub timeout: Duration,
    /// How long somebody waits for the quorum, at most.
    pub wait: Duration,
}

/// The witnesses of a server.
#[derive(Debug)]
pub(crate) struct Witnesses {
    ledger: Ledger,
    options: WitnessOptions,
    askers: Vec<Asker>,
    state: Mutex<State>,
    /// Wakes the threads.
    changed: Condvar,
    keep: Mutex<Keep>,
    /// The size of the latest checkpoint that meets the quorum, for whoever waits.
    witnessed: watch::Sender<u64>,
}

impl Witnesses {
    /// Takes witnesses, and what was kept of them; nobody is asked yet.
    ///
    /// # Errors
    /// When the trust file is not of this ledger, a witness has no address, or what was kept shows that this ledger was
    /// rolled back.
    pub(crate) fn open(
        ledger: Ledger,
        options: WitnessOptions,
        file: std::path::PathBuf,
    ) -> Result<Arc<Self>, Failure> {
        check_trust(&options.trust, &ledger)?;
        let askers = Asker::all(&options.trust, options.timeout)?;
        let mut state = State::new(askers.len());
        let keep = Keep::open(file, &ledger, &options.trust, &mut state)?;
        let size = state.witnessed.as_ref().map_or(0, |w| w.checkpoint().size.0);
        Ok(Arc::new(Self {
            ledger,
            options,
            askers,
            state: Mutex::new(state),
            changed: Condvar::new(),
            keep: Mutex::new(keep),
            witnessed: watch::Sender::new(size),
        }))
    }

    /// Starts to ask. The threads end soon after [`Witnesses::stop`]; nobody needs to wait for them.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let rounds = Arc::clone(self);
        std::thread::Builder::new().name("witnesses".to_owned()).spawn(move || rounds.begin_rounds())?;
        for at in 0..self.askers.len() {
            let asking = Arc::clone(self);
            std::thread::Builder::new().name(format!("witness {at}")).spawn(move || asking.ask_one(at))?;
        }
        Ok(())
    }

    /// Tells the threads to end.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// Returns the latest checkpoint that meets the quorum, with its cosignatures.
    pub(crate) fn latest(&self) -> Option<SignedCheckpoint> {
        self.lock().witnessed.clone()
    }

    /// Returns a checkpoint with the cosignatures that exist for exactly its text.
    pub(crate) fn cosigned(&self, checkpoint: SignedCheckpoint) -> SignedCheckpoint {
        self.lock().merged(checkpoint)
    }

    /// Asks for the quorum's cosignatures of a tree of at least `size` entries, and waits until they are there or time is
    /// up. Whoever waits at the same time shares a round.
    pub(crate) async fn reach(&self, size: TreeSize) -> Option<SignedCheckpoint> {
        {
            let mut state = self.lock();
            state.demanded = state.demanded.max(size);
        }
        self.changed.notify_all();
        let mut known = self.witnessed.subscribe();
        // what is there when time is up decides
        let _ = tokio::time::timeout(self.options.wait, known.wait_for(|known| *known >= size.0)).await;
        self.latest().filter(|witnessed| witnessed.checkpoint().size >= size)
    }

    /// Says how each witness stands.
    pub(crate) fn view(&self) -> WitnessesView {
        self.lock().view(&self.options.trust, self.ledger.head().size)
    }

    /// Says what witnesses have against this ledger, each in a sentence; and whether those who do are a quorum.
    pub(crate) fn accusations(&self) -> (Vec<String>, bool) {
        let state = self.lock();
        let said = state.witnesses.iter().enumerate();
        let said = said.filter_map(|(at, seen)| Some((at, seen.against.as_ref()?)));
        let said: Vec<String> =
            said.map(|(at, against)| format!("witness {}: {against}", self.askers[at].name)).collect();
        let quorum = !said.is_empty() && self.options.trust.is_quorum(|at| state.witnesses[at].against.is_some());
        (said, quorum)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins rounds until it is told to stop.
    fn begin_rounds(&self) {
        let mut state = self.lock();
        let mut begun: Option<Instant> = None;
        while !state.stopping {
            let size = self.ledger.head().size;
            let covered = state.target.as_ref().map(|target| target.size());
            let grown = covered.is_none_or(|covered| covered < size);
            let due = begun.is_none_or(|at| at.elapsed() >= self.options.every);
            let stale = begun.is_none_or(|at| at.elapsed() >= REFRESH);
            let demanded = grown && covered.is_none_or(|covered| covered < state.demanded);
            if (demanded || (grown && due) || stale) && self.is_over(&state, begun) {
                // before the checkpoint: an entry that comes in between is not yet asked to be witnessed
                let newest_entry = self.ledger.latest_time();
                state.begin(self.ledger.checkpoint(), newest_entry);
                begun = Some(Instant::now());
                self.changed.notify_all();
                continue;
            }
            let left = begun.map_or(Duration::ZERO, |at| self.options.every.saturating_sub(at.elapsed()));
            // once it is due, only the ledger's growth is waited for
            let pause = if left.is_zero() { self.options.every } else { left };
            state = self.wait(state, pause.min(LOOK));
        }
    }

    /// Whether the next round may begin: the quorum is met, or nobody more will answer soon. Would each new wish begin one
    /// at once, witnesses could be kept asking about different trees for ever.
    fn is_over(&self, state: &State, begun: Option<Instant>) -> bool {
        let Some(target) = &state.target else { return true };
        let met = state.witnessed.as_ref().is_some_and(|witnessed| witnessed.note().text() == target.text());
        let now = Instant::now();
        let silent = state.witnesses.iter().all(|seen| seen.answered >= target.round || seen.next_try > now);
        let patience = self.options.timeout.saturating_mul(2);
        met || silent || begun.is_none_or(|at| at.elapsed() >= patience)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, pause: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Asks one witness for every target, until it is told to stop.
    fn ask_one(&self, at: usize) {
        let mut state = self.lock();
        while !state.stopping {
            let now = Instant::now();
            let seen = &state.witnesses[at];
            let pause = seen.next_try.saturating_duration_since(now);
            let target = state.target.clone().filter(|target| seen.done < target.round && pause.is_zero());
            let Some(target) = target else {
                let pause = if pause.is_zero() { LOOK } else { pause.min(LOOK) };
                state = self.wait(state, pause);
                continue;
            };
            let mut known = seen.known;
            let last = seen.cosigned.as_ref().map(|kept| kept.timestamp);
            drop(state);
            let question = Question { target: &target, last };
            let answer = self.askers[at].ask(&self.ledger, &question, &mut known);
            self.take(at, &target, known, answer);
            state = self.lock();
        }
    }

    /// Keeps what a witness answered, or why it did not.
    fn take(
        &self,
        at: usize,
        target: &state::Target,
        known: Option<TreeSize>,
        answer: Result<ask::Cosigned, AskError>,
    ) {
        let name = &self.askers[at].name;
        match answer {
            Ok(cosigned) => {
                let mut keep = self.keep.lock().unwrap_or_else(PoisonError::into_inner);
                let (content, witnessed) = {
                    let mut state = self.lock();
                    state.cosigned(at, target, cosigned);
                    let witnessed = state.quorum_of(target, &self.options.trust);
                    (state.kept(witnessed.as_ref()), witnessed)
                };
                if let Err(error) = keep.write(&content) {
                    // nobody is told of a quorum that a restart would forget
                    tracing::error!(error = %error, "cosignatures could not be kept");
                } else if let Some(witnessed) = witnessed {
                    let size = witnessed.checkpoint().size;
                    self.lock().witnessed = Some(witnessed);
                    self.witnessed.send_replace(size.0);
                    tracing::debug!(size = size.0, "the quorum has witnessed");
                }
            }
            Err(error) => {
                let now = SystemClock.now();
                let mut state = self.lock();
                let news = state.failed(at, target, known, &error, now);
                match error {
                    AskError::Ahead { .. } | AskError::Forked { .. } if news => {
                        tracing::error!(witness = %name, %error, "a witness says that this ledger was rolled back or forked");
                    }
                    _ if news => tracing::warn!(witness = %name, %error, "a witness does not cosign"),
                    _ => {}
                }
            }
        }
        self.changed.notify_all();
    }
}

/// How long a witness that failed so often is left alone.
fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

/// Checks that a trust file can be meant for this ledger.
fn check_trust(trust: &TrustFile, ledger: &Ledger) -> Result<(), Failure> {
    if trust.quorum().is_none() {
        return Err(Failure::usage("--witnesses: expected a quorum of witnesses, found `quorum none`")
            .hint("name a witness or a group in the quorum line"));
    }
    let in_force = ledger.log_vkey();
    let listed = trust.logs().iter().any(|log| log.key.vkey() == Some(&in_force));
    if !trust.logs().is_empty() && !listed {
        return Err(Failure::usage(format_args!(
            "--witnesses: expected this ledger's log key {in_force} among the logs, found others only"
        ))
        .hint("is it the trust file of another ledger? after a rotation, put in the new key"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<Duration> = (1..12).map(pause_after).collect();
        assert_eq!(pauses[0], FIRST_PAUSE);
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
        assert_eq!((pauses[10], pause_after(u32::MAX)), (LONGEST_PAUSE, LONGEST_PAUSE));
    }
}
