//! A mirror: a full copy of somebody else's ledger, verified entry by entry, and served.
//!
//! It asks its source for the checkpoint at an interval, and for what is new as a bundle since the size that it has. That
//! bundle holds the source's signed checkpoint, the hashes of all that is before, every new entry and its disclosures. So
//! three things are known before anything of it is shown: that the source's past is this copy's past, that each new entry
//! is what admission makes of it ([`Replay`]), and that all of it hashes to what the log key signed.
//!
//! | what comes | what the mirror does |
//! |---|---|
//! | nothing, or bytes that do not hash to a signed checkpoint | serves what it has, and asks again |
//! | a signed checkpoint of another past, or over an entry that must not be | notes both checkpoints down and follows no more |
//! | a signed checkpoint of less than it has | notes both down, serves what it has, and asks again |
//!
//! A kill at any moment costs nothing but the time to ask again: what was verified is durable, ahead of the head.

mod fetch;
mod files;
mod folder;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use countersign_ledger::append::Ledger;
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::high_water::HighWater;
use countersign_ledger::id::TreeSize;
use countersign_ledger::replay::Replay;
use countersign_ledger::store::Store;
use countersign_ledger::time::{Clock as _, SystemClock};
use countersign_ledger::trust::TrustFile;

pub(crate) use self::folder::must_be_empty;

use self::files::Files;
use self::folder::Notes;
use super::data::open_copy;
use super::run::serve_ledger;
use super::{App, Copy, Metrics, Options};
use crate::client::Source;
use crate::failure::Failure;
use crate::output::Output;

/// How long a mirror that is told to stop waits for the answer that it is reading.
const LAST: Duration = Duration::from_secs(5);

/// How a mirror is to be run.
#[derive(Debug)]
pub struct MirrorOptions {
    /// Where it copies from.
    pub source: Source,
    /// Which ledger.
    pub ledger: LedgerId,
    /// Whose cosignatures a checkpoint needs before it is followed.
    pub trust: Option<TrustFile>,
    /// How often the source is asked.
    pub every: Duration,
    /// Whether it ends once it has what the source has.
    pub once: bool,
    /// Whether evidence files are copied too.
    pub evidence: bool,
    /// How it is served. Its data folder is the mirror's.
    pub serving: Options,
}

/// What a mirror has when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// How many entries.
    pub size: TreeSize,
}

/// What became of asking the source.
#[derive(Debug)]
enum Step {
    /// It agrees, and there is nothing beyond what is shown here.
    Agrees,
    /// It does not answer, or not with what proves itself.
    Unreached(String),
    /// It contradicts the copy.
    Contradicts(String),
}

/// A mirror at work. The only writer of its folder.
struct Mirror {
    source: Source,
    replay: Replay,
    high_water: HighWater,
    trust: Option<TrustFile>,
    notes: Notes,
}

/// Follows the source and serves the copy until the process is told to stop; with `once` ends as soon as it has what the
/// source has.
///
/// # Errors
/// When the folder is none of this mirror or cannot be written, the address not be used, or with `once` when the source
/// is not reached or contradicts the copy.
pub fn mirror(options: MirrorOptions, output: &Output) -> Result<Mirrored, Failure> {
    let MirrorOptions { source, ledger, trust, every, once, evidence, serving } = options;
    let (marker, store, high_water) = folder::open(&serving.data, ledger, source.server())?;
    let store: Arc<dyn Store> = Arc::new(store);
    let replay = Replay::open(Arc::clone(&store), ledger).map_err(|e| folder::unusable(&serving.data.data, &e))?;
    let notes = Notes::of(&serving.data.data);
    let mut mirror = Mirror { source, replay, high_water, trust, notes };
    if once {
        return match mirror.step()? {
            Step::Agrees => Ok(Mirrored { size: mirror.shown()? }),
            Step::Unreached(why) => Err(Failure::usage(why).hint("what was verified is kept: try again")),
            Step::Contradicts(how) => Err(mirror.distrust(&how)),
        };
    }
    while mirror.shown()? == TreeSize(0) {
        match mirror.step()? {
            Step::Agrees => {}
            Step::Unreached(why) => {
                tracing::warn!(why, "the first copy is not whole yet");
                std::thread::sleep(every);
            }
            Step::Contradicts(how) => return Err(mirror.distrust(&how)),
        }
    }
    let ledger = open_copy(&serving.data, store, &mirror.high_water)?;
    let copy = Arc::new(Copy::new(&marker));
    let (running, stopped) = channel();
    let (at_work, ended) = channel::<()>();
    let metrics = Metrics::new().map_err(Failure::usage)?;
    let (followed, told) = (ledger.clone(), Arc::clone(&copy));
    let begin = move |app: &App| {
        let files = evidence.then(|| Files::new(app.clone()));
        let thread = std::thread::Builder::new().name("mirror".to_owned());
        let follow = move || {
            let _at_work = at_work;
            mirror.run(&followed, &told, files, every, &stopped);
        };
        thread.spawn(follow).map(drop)
    };
    let served = serve_ledger(&ledger, Some(copy), metrics, serving, output, begin);
    drop(running);
    // It may be in the middle of a long answer: what was verified of that is durable, and nobody waits for the rest.
    let _ = ended.recv_timeout(LAST);
    served.map(|()| Mirrored { size: ledger.head().size })
}

impl Mirror {
    /// Asks the source again and again.
    fn run(mut self, ledger: &Ledger, copy: &Copy, mut files: Option<Files>, every: Duration, stopped: &Receiver<()>) {
        loop {
            match self.step() {
                Ok(Step::Agrees) => copy.agrees(SystemClock.now()),
                Ok(Step::Unreached(why)) => {
                    tracing::warn!(why, "the source is not followed now");
                    copy.is_unreached(why);
                }
                Ok(Step::Contradicts(how)) => {
                    if copy.contradiction().as_ref() != Some(&how) {
                        tracing::error!(how, "the source contradicts this copy, which is served as it is");
                    }
                    copy.is_contradicted(how);
                }
                Err(failure) => return ledger.fail(&failure.message),
            }
            if let Err(error) = ledger.refresh() {
                return ledger.fail(&error.to_string());
            }
            if let Some(files) = &mut files {
                files.fetch(&self.source);
            }
            match stopped.recv_timeout(every) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Returns how many entries readers see.
    fn shown(&self) -> Result<TreeSize, Failure> {
        let head = self.replay.store().head().map_err(Failure::refused)?;
        Ok(head.map_or(TreeSize(0), |head| head.size))
    }

    /// Asks for the newest checkpoint, compares, and fetches what is new.
    fn step(&mut self) -> Result<Step, Failure> {
        if let Some(how) = self.notes.proven()? {
            return Ok(Step::Contradicts(how));
        }
        let text = match self.source.checkpoint() {
            Ok(text) => text,
            Err(error) => return Ok(Step::Unreached(error.to_string())),
        };
        let Ok(checkpoint) = SignedCheckpoint::from_bytes(text.as_bytes()) else {
            return Ok(Step::Unreached(format!("{} does not answer with a checkpoint", self.source.server())));
        };
        let shown = self.shown()?;
        if checkpoint.checkpoint().size <= shown {
            return self.compare(&checkpoint, shown);
        }
        match self.fetch()? {
            // What was ahead came of another answer than this one: once more, from what is shown.
            None => Ok(self.fetch()?.unwrap_or_else(|| Step::Unreached("the source changes its answers".to_owned()))),
            Some(step) => Ok(step),
        }
    }

    /// Compares a checkpoint that is not of more entries than this copy has.
    fn compare(&mut self, checkpoint: &SignedCheckpoint, shown: TreeSize) -> Result<Step, Failure> {
        let signed = checkpoint.checkpoint();
        if let Err(error) = self.replay.check_signature(checkpoint) {
            return Ok(Step::Unreached(format!("its checkpoint proves nothing: {error}")));
        }
        let root = self.replay.root_at(signed.size).map_err(Failure::refused)?;
        if root != Some(signed.root) {
            let how = format!("it shows another history of {} entries, signed by the log key", signed.size);
            return self.contradicted(checkpoint, how).map(Step::Contradicts);
        }
        if signed.size < shown {
            let how = format!("it shows {} entries, and has shown {shown} before", signed.size);
            self.notes.rolled_back(&how, &self.own()?, checkpoint)?;
            return Ok(Step::Contradicts(how));
        }
        if self.replay.size() == shown && self.is_witnessed(checkpoint) && self.own()? != checkpoint.to_string() {
            // The same tree, signed again: by witnesses, or by the next log key.
            self.replay.accept(checkpoint).map_err(Failure::refused)?;
        }
        Ok(Step::Agrees)
    }

    fn is_witnessed(&self, checkpoint: &SignedCheckpoint) -> bool {
        self.trust.as_ref().is_none_or(|trust| trust.is_witnessed(checkpoint))
    }

    /// Returns the checkpoint that readers see, empty before the first.
    fn own(&self) -> Result<String, Failure> {
        let head = self.replay.store().head().map_err(Failure::refused)?;
        Ok(head.map_or_else(String::new, |head| head.checkpoint))
    }

    /// Notes a contradiction down, for good.
    fn contradicted(&self, theirs: &SignedCheckpoint, how: String) -> Result<String, Failure> {
        self.notes.contradicted(&how, &self.own()?, theirs)?;
        Ok(how)
    }

    fn distrust(&self, how: &str) -> Failure {
        Failure::distrust(format_args!("{} contradicts this copy: {how}", self.source.server()))
            .hint(format_args!("both checkpoints are in {}: show them to the others", self.notes.latest().display()))
    }
}
