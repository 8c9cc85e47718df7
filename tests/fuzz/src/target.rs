//! What a target is: a function of one input that both implementations answer.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::rng::Rng;

/// What one implementation says of an input: what it read, in a form that both sides write alike, or why it refuses.
pub type Verdict = Result<String, String>;

/// How two verdicts must stand to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// Both accept and read the same, or both refuse.
    Equal,
    /// What the ledger takes, the verifier takes and reads the same. The ledger may refuse more: SPEC.md leaves what a
    /// body means to it.
    LedgerStricter,
}

/// Both verdicts on one input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdicts {
    /// The ledger's.
    pub ledger: Verdict,
    /// The verifier's.
    pub verifier: Verdict,
    /// How they must stand to each other.
    pub relation: Relation,
}

impl Verdicts {
    /// Asks both sides; a panic is a refusal that agrees with nothing.
    pub fn of(ledger: impl FnOnce() -> Verdict, verifier: impl FnOnce() -> Verdict) -> Self {
        Self { ledger: guarded(ledger), verifier: guarded(verifier), relation: Relation::Equal }
    }

    /// The same, where the ledger may refuse more.
    pub fn one_way(mut self) -> Self {
        self.relation = Relation::LedgerStricter;
        self
    }

    /// Whether the verdicts stand to each other as they must.
    pub fn agree(&self) -> bool {
        let panicked = |verdict: &Verdict| matches!(verdict, Err(why) if why.starts_with(PANICKED));
        if panicked(&self.ledger) || panicked(&self.verifier) {
            return false;
        }
        match (&self.ledger, &self.verifier) {
            (Ok(a), Ok(b)) => a == b,
            (Err(_), Err(_)) => true,
            (Ok(_), Err(_)) => false,
            (Err(_), Ok(_)) => self.relation == Relation::LedgerStricter,
        }
    }

    /// In which way they answer: reasons without the values in them, so that inputs can be told apart by the ways that
    /// they take through both sides.
    pub fn way(&self) -> String {
        let way = |verdict: &Verdict| match verdict {
            Ok(read) if read.len() < 64 && read.bytes().all(|b| b.is_ascii_alphabetic() || b == b' ') => read.clone(),
            Ok(_) => "ok".to_owned(),
            Err(why) => words(why),
        };
        format!("{}|{}", way(&self.ledger), way(&self.verifier))
    }

    /// Which sides accept: what a smaller case must keep.
    pub fn sides(&self) -> (bool, bool) {
        (self.ledger.is_ok(), self.verifier.is_ok())
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict) in [("ledger", &self.ledger), ("verifier", &self.verifier)] {
            match verdict {
                Ok(read) => writeln!(f, "{name:>8}: accepts, reads {read}")?,
                Err(why) => writeln!(f, "{name:>8}: refuses: {why}")?,
            }
        }
        Ok(())
    }
}

const PANICKED: &str = "PANICKED: ";

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the place of a panic for the report, and off the screen.
pub fn catch_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !ASKING.get() {
            // a mistake of the fuzzer's own
            return usual(info);
        }
        let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        let what = info.payload();
        let text =
            what.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| what.downcast_ref::<String>().cloned());
        PANIC.with_borrow_mut(|slot| *slot = Some(format!("{}{place}", text.unwrap_or_default())));
    }));
}

/// Does work whose panics are expected, and says nothing of them.
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    ASKING.set(true);
    let done = work();
    ASKING.set(false);
    done
}

fn guarded(side: impl FnOnce() -> Verdict) -> Verdict {
    ASKING.set(true);
    let answer = catch_unwind(AssertUnwindSafe(side));
    ASKING.set(false);
    answer.unwrap_or_else(|_| {
        let text = PANIC.with_borrow_mut(Option::take).unwrap_or_default();
        Err(format!("{PANICKED}{text}"))
    })
}

/// A reason without digits, quotations, long words and what was found.
fn words(reason: &str) -> String {
    let mut out = String::new();
    let reason = reason.split(", found ").next().unwrap_or(reason);
    for (at, part) in reason.split('"').enumerate() {
        if at % 2 == 0 {
            out.extend(part.chars().filter(|c| !c.is_ascii_digit()).take(160));
        }
    }
    let short = out.split(' ').filter(|word| {
        word.len() < 24 && !word.bytes().all(|b| b.is_ascii_hexdigit()) && !word.contains(['/', '\'', '+'])
    });
    short.collect::<Vec<_>>().join(" ")
}

/// A target.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What is compared.
    pub about: &'static str,
    /// Makes an input, valid or nearly so.
    pub make: fn(&mut Rng) -> Vec<u8>,
    /// Asks both sides; `None` for an input that is none of this target's.
    pub judge: fn(&[u8]) -> Option<Verdicts>,
    /// Pieces that mutations put in.
    pub words: &'static [&'static str],
    /// How inputs are changed.
    pub change: Change,
}

/// How inputs are changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// As bytes and words.
    Bytes,
    /// Line by line, as recipes are written.
    Lines,
}

impl Target {
    /// Asks both sides of what a file holds.
    pub fn ask(&self, input: &[u8]) -> Option<Verdicts> {
        (self.judge)(input)
    }
}
