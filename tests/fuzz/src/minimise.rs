//! Makes a case smaller as long as the two sides go on disagreeing in the same way.

use std::time::{Duration, Instant};

use crate::target::{Change, Target, Verdicts};

/// How long a case is made smaller at most.
const TIME: Duration = Duration::from_secs(10);

/// The smallest case found on which the sides disagree as they do on `input`.
pub fn minimise(target: &Target, input: &[u8], verdicts: &Verdicts) -> Vec<u8> {
    let until = Instant::now() + TIME;
    let same = |case: &[u8]| {
        let found = target.ask(case);
        found.is_some_and(|found| !found.agree() && found.sides() == verdicts.sides())
    };
    let mut best = shorten(input, b'\n', until, &same);
    if target.change == Change::Bytes {
        best = shorten_bytes(best, until, &same);
        best = simplify(best, until, &same);
    }
    best
}

/// Leaves out runs of lines, from half of them to one.
fn shorten(input: &[u8], separator: u8, until: Instant, same: &impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = input.split(|b| *b == separator).collect();
    let mut run = lines.len() / 2;
    while run > 0 {
        let mut at = 0;
        while at < lines.len() && Instant::now() < until {
            let fewer: Vec<&[u8]> =
                lines.iter().enumerate().filter(|(i, _)| *i < at || *i >= at + run).map(|(_, l)| *l).collect();
            if !fewer.is_empty() && same(&fewer.join(&separator)) {
                lines = fewer;
            } else {
                at += run;
            }
        }
        run /= 2;
    }
    lines.join(&separator)
}

/// Leaves out runs of bytes, from half of them to one, until nothing more can go.
fn shorten_bytes(mut best: Vec<u8>, until: Instant, same: &impl Fn(&[u8]) -> bool) -> Vec<u8> {
    loop {
        let before = best.len();
        let mut run = best.len().div_ceil(2).max(1);
        while run > 0 {
            let mut at = 0;
            while at < best.len() && Instant::now() < until {
                let end = (at + run).min(best.len());
                let fewer = [&best[..at], &best[end..]].concat();
                if same(&fewer) {
                    best = fewer;
                } else {
                    at += run;
                }
            }
            run /= 2;
        }
        if best.len() == before || Instant::now() >= until {
            return best;
        }
    }
}

/// Replaces bytes by plain ones.
fn simplify(mut best: Vec<u8>, until: Instant, same: &impl Fn(&[u8]) -> bool) -> Vec<u8> {
    for at in 0..best.len() {
        for plain in [b'a', b'0'] {
            if Instant::now() >= until || best[at] == plain {
                break;
            }
            let before = std::mem::replace(&mut best[at], plain);
            if same(&best) {
                break;
            }
            best[at] = before;
        }
    }
    best
}
