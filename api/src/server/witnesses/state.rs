//! What is known of the witnesses: who cosigned what, who fails since when, and what of it comes to a quorum.

use std::collections::VecDeque;
use std::time::Instant;

use countersign_ledger::checkpoint::{Cosignature, SignedCheckpoint};
use countersign_ledger::id::TreeSize;
use countersign_ledger::note::{Note, NoteSignature};
use countersign_ledger::time::Time;
use countersign_ledger::trust::TrustFile;

use super::ask::{AskError, Cosigned};
use super::keep::Content;
use super::pause_after;
use crate::wire::witnesses::{QuorumView, WitnessState, WitnessView, WitnessesView};

/// How many checkpoints gather cosignatures at once: late answers still count towards them.
const CANDIDATES: usize = 8;

/// The checkpoint that witnesses are asked for.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The number of its round, from 1.
    pub(super) round: u64,
    /// The checkpoint, as the log signed it.
    pub(super) checkpoint: SignedCheckpoint,
    /// The time of its newest entry.
    pub(super) newest_entry: Time,
}

impl Target {
    pub(super) const fn size(&self) -> TreeSize {
        self.checkpoint.checkpoint().size
    }

    pub(super) fn text(&self) -> &str {
        self.checkpoint.note().text()
    }
}

/// The newest checkpoint that a witness cosigned, with its cosignature only.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) checkpoint: SignedCheckpoint,
    /// When, in seconds since 1970.
    pub(super) timestamp: u64,
}

/// What is known of one witness.
#[derive(Debug)]
pub(super) struct Seen {
    /// How many entries it is believed to have seen.
    pub(super) known: Option<TreeSize>,
    /// What it cosigned last.
    pub(super) cosigned: Option<Kept>,
    /// The last round in which it cosigned, or need not any more.
    pub(super) done: u64,
    /// The last round in which it answered, or failed to.
    pub(super) answered: u64,
    /// Not before this is it asked again.
    pub(super) next_try: Instant,
    /// What it has against this ledger.
    pub(super) against: Option<String>,
    failures: u32,
    error: Option<String>,
    since: Option<Time>,
}

/// What is known of all.
#[derive(Debug)]
pub(super) struct State {
    pub(super) witnesses: Vec<Seen>,
    pub(super) target: Option<Target>,
    /// Somebody waits for a quorum over at least so many entries.
    pub(super) demanded: TreeSize,
    /// The latest checkpoint that meets the quorum, durable.
    pub(super) witnessed: Option<SignedCheckpoint>,
    pub(super) stopping: bool,
    /// Recent checkpoints with the cosignatures that they have so far.
    candidates: VecDeque<SignedCheckpoint>,
    rounds: u64,
}

impl State {
    /// Knows nothing of so many witnesses.
    pub(super) fn new(witnesses: usize) -> Self {
        let seen = || Seen {
            known: None,
            cosigned: None,
            done: 0,
            answered: 0,
            next_try: Instant::now(),
            against: None,
            failures: 0,
            error: None,
            since: None,
        };
        Self {
            witnesses: std::iter::repeat_with(seen).take(witnesses).collect(),
            target: None,
            demanded: TreeSize(0),
            witnessed: None,
            stopping: false,
            candidates: VecDeque::new(),
            rounds: 0,
        }
    }

    /// Takes over what a witness cosigned before this process began.
    pub(super) fn restore(&mut self, at: usize, checkpoint: SignedCheckpoint, cosignature: Cosignature) {
        if let Some(seen) = self.witnesses.get_mut(at) {
            seen.known = Some(checkpoint.checkpoint().size);
            seen.cosigned = Some(Kept { checkpoint: checkpoint.clone(), timestamp: cosignature.timestamp });
        }
        self.gather(&checkpoint);
    }

    /// Begins a round.
    pub(super) fn begin(&mut self, checkpoint: SignedCheckpoint, newest_entry: Time) {
        self.rounds += 1;
        self.gather(&checkpoint);
        self.target = Some(Target { round: self.rounds, checkpoint, newest_entry });
    }

    /// Adds a checkpoint to those that gather cosignatures, or what it carries to one that is there.
    fn gather(&mut self, checkpoint: &SignedCheckpoint) {
        let same = |known: &&mut SignedCheckpoint| known.note().text() == checkpoint.note().text();
        if let Some(known) = self.candidates.iter_mut().find(same) {
            *known = with_lines(known, checkpoint.note().signatures());
            return;
        }
        if self.candidates.len() == CANDIDATES {
            self.candidates.pop_front();
        }
        self.candidates.push_back(checkpoint.clone());
    }

    /// Returns a checkpoint with every cosignature that is there for exactly its text.
    pub(super) fn merged(&self, checkpoint: SignedCheckpoint) -> SignedCheckpoint {
        let known = self.candidates.iter().chain(&self.witnessed);
        let same = known.filter(|known| known.note().text() == checkpoint.note().text());
        same.fold(checkpoint.clone(), |merged, known| with_lines(&merged, known.note().signatures()))
    }

    /// Notes a valid cosignature.
    pub(super) fn cosigned(&mut self, at: usize, target: &Target, cosigned: Cosigned) {
        let checkpoint = with_lines(&target.checkpoint, std::slice::from_ref(&cosigned.line));
        self.gather(&checkpoint);
        let seen = &mut self.witnesses[at];
        seen.known = Some(target.size());
        seen.cosigned = Some(Kept { checkpoint, timestamp: cosigned.timestamp });
        (seen.done, seen.answered) = (target.round, target.round);
        (seen.failures, seen.error, seen.since, seen.against) = (0, None, None, None);
    }

    /// Notes that a witness did not cosign. Tells whether that is news.
    pub(super) fn failed(
        &mut self,
        at: usize,
        target: &Target,
        known: Option<TreeSize>,
        error: &AskError,
        now: Time,
    ) -> bool {
        let seen = &mut self.witnesses[at];
        (seen.known, seen.answered) = (known, target.round);
        if let AskError::Newer { size } = error {
            // it is right: the next round asks it for a tree that has those entries
            seen.done = target.round;
            self.demanded = self.demanded.max(*size);
            return false;
        }
        let text = error.to_string();
        let news = seen.error.as_ref() != Some(&text);
        if let AskError::Ahead { .. } | AskError::Forked { .. } = error {
            seen.against = Some(text.clone());
        }
        seen.failures = seen.failures.saturating_add(1);
        seen.next_try = Instant::now() + pause_after(seen.failures);
        seen.error = Some(text);
        seen.since.get_or_insert(now);
        news
    }

    /// The target with its cosignatures, if they meet the quorum and nothing later does already.
    pub(super) fn quorum_of(&self, target: &Target, trust: &TrustFile) -> Option<SignedCheckpoint> {
        let candidate = self.candidates.iter().find(|known| known.note().text() == target.text())?;
        let later = self.witnessed.as_ref().is_some_and(|known| known.checkpoint().size > target.size());
        (!later && trust.is_witnessed(candidate)).then(|| candidate.clone())
    }

    /// What is to be kept: `witnessed`, or what was before.
    pub(super) fn kept(&self, witnessed: Option<&SignedCheckpoint>) -> Content {
        let kept = self.witnesses.iter().filter_map(|seen| seen.cosigned.as_ref());
        Content {
            version: 1,
            witnessed: witnessed.or(self.witnessed.as_ref()).map(ToString::to_string),
            cosigned: kept.map(|kept| kept.checkpoint.to_string()).collect(),
        }
    }

    /// Says how it stands in a ledger of so many entries.
    pub(super) fn view(&self, trust: &TrustFile, size: TreeSize) -> WitnessesView {
        let behind = |seen: TreeSize| size.0.saturating_sub(seen.0);
        let quorum = trust.quorum().map(|quorum| QuorumView {
            name: trust.name(quorum),
            size: self.witnessed.as_ref().map(|witnessed| witnessed.checkpoint().size),
            behind: self.witnessed.as_ref().map(|witnessed| behind(witnessed.checkpoint().size)),
        });
        let one = |(seen, line): (&Seen, &countersign_ledger::trust::Line)| {
            let cosigned = seen.cosigned.as_ref();
            let last = cosigned.map(|kept| kept.checkpoint.checkpoint().size);
            WitnessView {
                name: line.name.as_ref().map(ToString::to_string).unwrap_or_default(),
                key: line.key.vkey().map(ToString::to_string).unwrap_or_default(),
                url: line.url.clone().unwrap_or_default(),
                auditor: line.key.is_auditor(),
                state: match (&seen.against, &seen.error, last) {
                    (Some(_), _, _) => WitnessState::Ahead,
                    (None, Some(_), _) => WitnessState::Failing,
                    (None, None, Some(last)) if last >= size => WitnessState::Current,
                    (None, None, Some(_)) => WitnessState::Behind,
                    (None, None, None) => WitnessState::Unasked,
                },
                size: last,
                time: cosigned.and_then(|kept| Cosignature { timestamp: kept.timestamp }.time()),
                behind: last.map(behind),
                since: seen.since,
                error: seen.error.clone(),
                against: seen.against.clone(),
            }
        };
        let witnesses = self.witnesses.iter().zip(trust.witnesses()).map(one).collect();
        WitnessesView { size, quorum, witnesses }
    }
}

/// Returns a checkpoint with lines added; a line of the same key is replaced by a newer one. Signatures of the log stay
/// as they are.
fn with_lines(checkpoint: &SignedCheckpoint, lines: &[NoteSignature]) -> SignedCheckpoint {
    let mut all = checkpoint.note().signatures().to_vec();
    for line in lines {
        let own = |known: &&mut NoteSignature| known.name() == line.name() && known.key_id() == line.key_id();
        match all.iter_mut().find(own) {
            // a cosignature begins with its time, so the greater bytes are the newer ones
            Some(known) if known.bytes().len() == 72 && line.bytes() > known.bytes() => *known = line.clone(),
            Some(_) => {}
            None => all.push(line.clone()),
        }
    }
    let note = Note::new(checkpoint.note().text().to_owned(), all);
    // beyond the limits of a note (SPEC §12) it stays as it was
    note.ok().and_then(|note| SignedCheckpoint::from_note(note).ok()).unwrap_or_else(|| checkpoint.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::checkpoint::{Checkpoint, Cosigner};
    use countersign_ledger::hash::NodeHash;
    use countersign_ledger::keys::SigningKey;
    use countersign_ledger::note::NoteSigner;

    use super::*;

    fn witness(n: u8) -> Cosigner {
        Cosigner::new(format!("w{n}.example").parse().unwrap(), SigningKey::from_seed(&[n; 32]))
    }

    fn checkpoint(size: u64) -> SignedCheckpoint {
        let origin = "ledger.example/a".parse().unwrap();
        let log = NoteSigner::new("ledger.example/a".parse().unwrap(), SigningKey::from_seed(&[100; 32]));
        Checkpoint { origin, size: TreeSize(size), root: NodeHash::from_bytes([7; 32]) }.sign(&[log]).unwrap()
    }

    fn trust() -> TrustFile {
        let lines: String = (1..4).map(|n| format!("witness w{n} {} http://w\n", witness(n).vkey())).collect();
        TrustFile::parse(format!("{lines}group g 2 w1 w2 w3\nquorum g\n").as_bytes()).unwrap()
    }

    fn cosigned(state: &mut State, at: u8, target: &Target, timestamp: u64) {
        let line = witness(at + 1).cosign(&target.checkpoint, timestamp).unwrap();
        state.cosigned(usize::from(at), target, Cosigned { line, timestamp });
    }

    fn begin(state: &mut State, size: u64) -> Target {
        state.begin(checkpoint(size), "2026-01-01T00:00:00.000Z".parse().unwrap());
        state.target.clone().unwrap()
    }

    #[test]
    fn late_answers_count_towards_the_checkpoint_that_they_are_for() {
        let (trust, mut state) = (trust(), State::new(3));
        let first = begin(&mut state, 5);
        cosigned(&mut state, 0, &first, 100);
        assert!(state.quorum_of(&first, &trust).is_none(), "one of two");
        let second = begin(&mut state, 6);
        cosigned(&mut state, 1, &second, 101);
        assert!(state.quorum_of(&second, &trust).is_none(), "one each is not two of either");
        cosigned(&mut state, 2, &first, 102);
        let witnessed = state.quorum_of(&first, &trust).unwrap();
        assert_eq!(witnessed.checkpoint().size.0, 5);
        state.witnessed = Some(witnessed);
        cosigned(&mut state, 0, &second, 103);
        state.witnessed = state.quorum_of(&second, &trust);
        assert_eq!(state.witnessed.as_ref().unwrap().checkpoint().size.0, 6);
        // nothing goes back
        cosigned(&mut state, 1, &first, 104);
        assert!(state.quorum_of(&first, &trust).is_none());
        // cosignatures are merged into exactly the text that they are over
        let of = |size: u64| state.merged(checkpoint(size)).note().signatures().len();
        assert_eq!((of(5), of(6), of(7)), (4, 3, 1));
    }

    #[test]
    fn a_newer_cosignature_takes_the_place_of_the_older() {
        let mut state = State::new(1);
        let target = begin(&mut state, 5);
        for (timestamp, newest) in [(100, 100), (200, 200), (150, 200)] {
            cosigned(&mut state, 0, &target, timestamp);
            let merged = state.merged(checkpoint(5));
            assert_eq!(merged.note().signatures().len(), 2);
            assert_eq!(merged.verify_cosignature(witness(1).vkey()).unwrap().timestamp, newest);
        }
    }

    #[test]
    fn candidates_are_few() {
        let mut state = State::new(1);
        for size in 1..100 {
            let target = begin(&mut state, size);
            cosigned(&mut state, 0, &target, 100);
        }
        assert_eq!(state.candidates.len(), CANDIDATES);
        let of = |size: u64| state.merged(checkpoint(size)).note().signatures().len();
        assert_eq!((of(99), of(1)), (2, 1));
    }
}
