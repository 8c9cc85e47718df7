//! The loop: committed cases first, then inputs made and changed for as long as there is time.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::folder;
use crate::minimise::minimise;
use crate::mutate::mutate;
use crate::rng::Rng;
use crate::target::{Target, Verdicts};

/// How many inputs are kept to be changed further, for each target.
const MAX_POOL: usize = 2_000;
/// How many disagreements of one target are looked at.
const MAX_FOUND: usize = 8;
/// How many seeds of one target are committed, and how large each may be.
const SEEDS: usize = 6;
const MAX_SEED: usize = 1_536;

/// The committed files of a target below a folder, in the order of their names.
fn committed(kind: &str, target: &Target) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let Ok(entries) = fs::read_dir(folder(kind).join(target.name)) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    let read =
        |path: PathBuf| fs::read(&path).map_err(|e| format!("{}: {e}", path.display())).map(|bytes| (path, bytes));
    paths.into_iter().map(read).collect()
}

/// A search in one target.
struct Search<'t> {
    target: &'t Target,
    rng: Rng,
    pool: Vec<Vec<u8>>,
    ways: HashSet<String>,
    asked: u64,
    found: Vec<(Vec<u8>, Verdicts)>,
    seen: HashSet<String>,
}

impl<'t> Search<'t> {
    fn new(target: &'t Target, seed: u64) -> Self {
        let name = target.name.bytes().fold(seed, |n, b| n.wrapping_mul(257).wrapping_add(u64::from(b)));
        Self {
            target,
            rng: Rng::new(name),
            pool: Vec::new(),
            ways: HashSet::new(),
            asked: 0,
            found: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// Asks about one input, and keeps it if it is of a new way.
    fn ask(&mut self, input: Vec<u8>) {
        let Some(verdicts) = self.target.ask(&input) else { return };
        self.asked += 1;
        let way = verdicts.way();
        if !verdicts.agree() && self.seen.insert(way.clone()) {
            self.found.push((input.clone(), verdicts));
        }
        if self.ways.insert(way) && self.pool.len() < MAX_POOL {
            self.pool.push(input);
        }
    }

    /// Makes inputs and changes them until there is no time left, or enough was found.
    fn run(&mut self, until: Instant) {
        while self.found.len() < MAX_FOUND {
            // the clock is read now and then: a look at it costs as much as a small input
            for _ in 0..16 {
                let fresh = self.pool.is_empty() || self.rng.one_in(3);
                let base = if fresh { (self.target.make)(&mut self.rng) } else { self.rng.pick(&self.pool).clone() };
                let input = if fresh && self.rng.one_in(2) {
                    base
                } else {
                    let other = if self.pool.is_empty() { Vec::new() } else { self.rng.pick(&self.pool).clone() };
                    mutate(self.target, &mut self.rng, &base, &other)
                };
                self.ask(input);
            }
            if Instant::now() >= until {
                return;
            }
        }
    }
}

/// Replays what is committed, then looks for more; whether nothing was found.
pub fn smoke(targets: &[Target], seconds: Duration, seed: u64) -> Result<bool, String> {
    let mut clean = true;
    let mut replayed = 0;
    for target in targets {
        for (path, input) in committed("regressions", target)? {
            let verdicts = target.ask(&input).ok_or_else(|| format!("{} is no input of its target", path.display()))?;
            replayed += 1;
            if !verdicts.agree() {
                println!("REGRESSION {}\n{verdicts}", path.display());
                clean = false;
            }
        }
    }
    println!("{replayed} regressions replayed; {} s from seed {seed}", seconds.as_secs());
    let share = seconds / u32::try_from(targets.len()).unwrap_or(u32::MAX);
    for target in targets {
        let mut search = Search::new(target, seed);
        for (_, input) in committed("seeds", target)?.into_iter().chain(committed("regressions", target)?) {
            search.ask(input);
        }
        search.run(Instant::now() + share);
        println!("{:<12} {:>9} inputs, {:>4} ways", target.name, search.asked, search.ways.len());
        for (input, verdicts) in std::mem::take(&mut search.found) {
            clean = false;
            show(target, &input, &verdicts)?;
        }
    }
    println!("{}", if clean { "the two sides agree" } else { "the two sides DISAGREE" });
    Ok(clean)
}

/// Makes a disagreement small, prints it and writes it to a file.
fn show(target: &Target, input: &[u8], verdicts: &Verdicts) -> Result<(), String> {
    let small = minimise(target, input, verdicts);
    let verdicts = target.ask(&small).unwrap_or_else(|| verdicts.clone());
    let name = small.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    let path = folder("findings").join(target.name).join(format!("{name:016x}"));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(&path, &small)
    };
    write().map_err(|e| format!("{}: {e}", path.display()))?;
    let shown: String = String::from_utf8_lossy(&small).chars().take(2_000).collect();
    println!(
        "DISAGREEMENT in {} ({} bytes), replay {}\n{shown:?}\n{verdicts}",
        target.name,
        small.len(),
        path.display()
    );
    Ok(())
}

/// Writes a few small inputs of different ways for each target, as the seeds that later runs begin with.
pub fn collect(targets: &[Target], seconds: Duration, seed: u64) -> Result<(), String> {
    let share = seconds / u32::try_from(targets.len()).unwrap_or(u32::MAX);
    for target in targets {
        let mut search = Search::new(target, seed);
        search.run(Instant::now() + share);
        let mut pool: Vec<Vec<u8>> = search.pool.into_iter().filter(|input| input.len() <= MAX_SEED).collect();
        // those found last took the longest way
        let keep = pool.split_off(pool.len().saturating_sub(SEEDS));
        let folder = folder("seeds").join(target.name);
        let write = || -> std::io::Result<()> {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
            keep.iter().enumerate().try_for_each(|(at, input)| fs::write(folder.join(format!("{at:02}")), input))
        };
        write().map_err(|e| format!("{}: {e}", folder.display()))?;
        println!("{:<12} {} seeds", target.name, keep.len());
    }
    Ok(())
}
