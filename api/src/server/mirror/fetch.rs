//! Fetching what is new, and telling a source that contradicts the copy from bytes that prove nothing.

use std::io::{BufReader, Read};

use countersign_ledger::bundle::{BundleLine, Header, read_bundle};
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::{LeafHash, NodeHash};
use countersign_ledger::id::TreeSize;
use countersign_ledger::merkle::{empty_root, parent};
use countersign_ledger::replay::{RecordedEntry, ReplayError};

use super::{Mirror, Step};
use crate::failure::Failure;

/// How many entries are verified together, on all cores.
const TOGETHER: usize = 2_048;
/// About how many bytes of lines and disclosures are held for that.
const BYTES_TOGETHER: usize = 4 << 20;
/// How much of an answer is read at once.
const PIECE: usize = 256 << 10;

/// What an answer came to, read to its end.
struct Answer {
    checkpoint: SignedCheckpoint,
    /// The root of all its leaves.
    root: NodeHash,
    /// Whether the leaves before those asked for are this copy's.
    same_past: bool,
    /// The first entry that does not hold.
    fault: Option<ReplayError>,
}

/// Why an answer was not read to its end.
enum Broken {
    /// It breaks off, or is not what was asked for.
    Answer(String),
    /// The copy itself failed.
    Own(Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Own(failure)
    }
}

fn broken(why: impl Into<String>) -> Broken {
    Broken::Answer(why.into())
}

impl Mirror {
    /// Fetches what is new and shows it, if it holds. `None` when what was stored ahead by an earlier answer does not go
    /// with this one: it was discarded.
    pub(super) fn fetch(&mut self) -> Result<Option<Step>, Failure> {
        let from = self.replay.size();
        let reader = match self.source.since(from) {
            Ok(reader) => reader,
            Err(error) => return Ok(Some(Step::Unreached(error.to_string()))),
        };
        let answer = match self.read(reader, from) {
            Ok(answer) => answer,
            Err(Broken::Answer(why)) => return Ok(Some(Step::Unreached(why))),
            Err(Broken::Own(failure)) => return Err(failure),
        };
        self.settle(answer, from)
    }

    /// Reads an answer: entries that hold are stored ahead of the head.
    fn read(&mut self, reader: impl Read, from: TreeSize) -> Result<Answer, Broken> {
        let mut lines = read_bundle(BufReader::with_capacity(PIECE, reader));
        let first = lines.next().transpose().map_err(|e| broken(format!("the answer breaks off: {e}")))?;
        let Some(BundleLine::Header(header)) = first else { return Err(broken("the answer is no bundle")) };
        let checkpoint = self.check_header(&header)?;
        let mut leaves = Leaves::default();
        let mut news = News { same_past: None, fault: None, entries: Vec::new(), bytes: 0 };
        for line in lines {
            let line = line.map_err(|e| broken(format!("the answer breaks off: {e}")))?;
            if leaves.size == from.0 && news.same_past.is_none() {
                news.same_past = Some(leaves.root() == self.replay.root());
            }
            match line {
                BundleLine::Entry(entry) => {
                    let line = entry.line().into_bytes();
                    leaves.add(0, LeafHash::of_line(&line).into());
                    if entry.seq.0 >= from.0 {
                        self.take(&mut news, RecordedEntry { line, disclosures: Vec::new() })?;
                    }
                }
                BundleLine::Disclosure(text) if leaves.size > from.0 => news.disclose(text),
                BundleLine::Withheld(withheld) if withheld.end <= from.0 => {
                    leaves.add((withheld.end - withheld.start).trailing_zeros(), withheld.hash);
                }
                // What a seal proves of an extract says nothing of what is new.
                BundleLine::Disclosure(_) | BundleLine::Sealed(_) => {}
                _ => return Err(broken(format!("the answer leaves out entries from {from} on"))),
            }
        }
        self.push(&mut news)?;
        let same_past = news.same_past.unwrap_or_else(|| leaves.root() == self.replay.root());
        Ok(Answer { checkpoint, root: leaves.root(), same_past, fault: news.fault })
    }

    fn check_header(&self, header: &Header) -> Result<SignedCheckpoint, Broken> {
        let expected = self.replay.ledger();
        if header.ledger != expected {
            return Err(broken(format!("expected ledger {expected}, found a bundle of {}", header.ledger)));
        }
        SignedCheckpoint::from_bytes(header.checkpoint.as_bytes()).map_err(|e| broken(e.to_string()))
    }

    /// Takes one new entry; a full batch is verified and stored.
    fn take(&mut self, news: &mut News, entry: RecordedEntry) -> Result<(), Broken> {
        if news.fault.is_some() || news.same_past == Some(false) {
            return Ok(());
        }
        if news.entries.len() >= TOGETHER || news.bytes >= BYTES_TOGETHER {
            self.push(news)?;
        }
        news.bytes += entry.line.len();
        news.entries.push(entry);
        Ok(())
    }

    fn push(&mut self, news: &mut News) -> Result<(), Broken> {
        news.bytes = 0;
        let entries = std::mem::take(&mut news.entries);
        if entries.is_empty() || news.fault.is_some() {
            return Ok(());
        }
        match self.replay.push(entries) {
            Ok(()) => Ok(()),
            Err(error @ (ReplayError::Store(_) | ReplayError::Open(_) | ReplayError::Full(_))) => {
                Err(Broken::Own(Failure::refused(error)))
            }
            Err(error) => {
                news.fault = Some(error);
                Ok(())
            }
        }
    }

    /// Decides what an answer that was read to its end is worth.
    fn settle(&mut self, answer: Answer, from: TreeSize) -> Result<Option<Step>, Failure> {
        let Answer { checkpoint, root, same_past, fault } = answer;
        let size = checkpoint.checkpoint().size;
        let shown = self.shown()?;
        if let Some(newer @ ReplayError::Newer { .. }) = &fault {
            let why = format!("this mirror needs a newer version to go on: {newer}");
            self.replay.discard().map_err(Failure::refused)?;
            return Ok(Some(Step::Unreached(why)));
        }
        let signed = self.replay.check_signature(&checkpoint);
        if root == checkpoint.checkpoint().root && same_past && fault.is_none() {
            if !self.is_witnessed(&checkpoint) {
                let why = format!("its checkpoint of {size} entries is not cosigned as the trust file asks");
                return Ok(Some(Step::Unreached(why)));
            }
            return match self.replay.accept(&checkpoint) {
                Ok(()) => {
                    let bare = self.replay.bare(&checkpoint).map_err(Failure::refused)?;
                    self.high_water.record(size, &bare.to_string()).map_err(Failure::refused)?;
                    Ok(Some(Step::Agrees))
                }
                Err(error @ ReplayError::Store(_)) => Err(Failure::refused(error)),
                Err(error) => {
                    self.replay.discard().map_err(Failure::refused)?;
                    Ok(Some(Step::Unreached(format!("its checkpoint proves nothing: {error}"))))
                }
            };
        }
        self.replay.discard().map_err(Failure::refused)?;
        if root != checkpoint.checkpoint().root {
            return Ok(Some(Step::Unreached(format!(
                "the entries do not hash to its checkpoint of {size} entries: they were changed on the way, or are not all there"
            ))));
        }
        if !same_past && from > shown {
            return Ok(None);
        }
        // What is disclosed beside an entry is no part of what was signed: anybody on the way may have changed it.
        if let Some(fault) = fault.as_ref().filter(|fault| fault.check() == Some("DISCLOSURE")) {
            return Ok(Some(Step::Unreached(format!("what it discloses does not belong to its entries: {fault}"))));
        }
        if let Err(error) = signed {
            return Ok(Some(Step::Unreached(format!("its checkpoint proves nothing: {error}"))));
        }
        let how = match fault {
            Some(fault) => {
                let check = fault.check().map(|check| format!("{check}: ")).unwrap_or_default();
                format!("it signed a checkpoint of {size} entries over one that must not be: {check}{fault}")
            }
            None => {
                format!("it shows another history before entry {from}, under a signed checkpoint of {size} entries")
            }
        };
        self.contradicted(&checkpoint, how).map(Step::Contradicts).map(Some)
    }
}

/// New entries on their way to the store.
struct News {
    /// Whether what is before them is this copy's past; not known before that was read.
    same_past: Option<bool>,
    fault: Option<ReplayError>,
    entries: Vec<RecordedEntry>,
    bytes: usize,
}

impl News {
    fn disclose(&mut self, text: String) {
        self.bytes += text.len();
        if let Some(entry) = self.entries.last_mut() {
            entry.disclose(text);
        }
    }
}

/// Leaves and complete subtrees, in order from leaf 0: their root.
#[derive(Default)]
struct Leaves {
    size: u64,
    /// Complete subtrees, the largest first, with their heights.
    peaks: Vec<(u32, NodeHash)>,
}

impl Leaves {
    /// Adds a complete subtree, which the reader has checked to lie where it can.
    fn add(&mut self, mut height: u32, mut node: NodeHash) {
        self.size += 1 << height;
        while let Some((_, left)) = self.peaks.pop_if(|(other, _)| *other == height) {
            node = parent(&left, &node);
            height += 1;
        }
        self.peaks.push((height, node));
    }

    fn root(&self) -> NodeHash {
        let mut peaks = self.peaks.iter().rev().map(|(_, node)| *node);
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(last, |right, left| parent(&left, &right))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::disclosure::{MAX_DISCLOSURE_BYTES, MAX_DISCLOSURES};
    use countersign_ledger::merkle::Frontier;

    use super::*;

    #[test]
    fn a_source_that_discloses_without_end_fills_no_memory() {
        let entry = |line: &str| RecordedEntry { line: line.into(), disclosures: Vec::new() };
        let many = |news: &mut News, text: &str| {
            news.entries.push(entry("x"));
            (0..10_000).for_each(|_| news.disclose(text.to_owned()));
            let kept = news.entries.last().unwrap().disclosures.clone();
            (kept.len(), kept.iter().map(String::len).sum::<usize>())
        };
        let mut news = News { same_past: None, fault: None, entries: Vec::new(), bytes: 0 };
        // one more than an entry may have, so that it is refused
        assert_eq!(many(&mut news, "x"), (MAX_DISCLOSURES + 1, MAX_DISCLOSURES + 1));
        let (_, bytes) = many(&mut news, &"x".repeat(10_000));
        assert!((MAX_DISCLOSURE_BYTES + 1..=MAX_DISCLOSURE_BYTES + 10_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn leaves_and_subtrees_have_the_root_of_the_tree() {
        let leaves: Vec<LeafHash> = (0..300u32).map(|n| LeafHash::of_line(&n.to_be_bytes())).collect();
        for size in [0, 1, 2, 3, 7, 8, 255, 256, 257, 300] {
            let mut frontier = Frontier::new();
            frontier.append(&leaves[..size]).unwrap();
            let mut found = Leaves::default();
            leaves[..size].iter().for_each(|leaf| found.add(0, (*leaf).into()));
            assert_eq!((found.root(), found.size), (frontier.root(), size as u64));
        }
        let mut whole = Leaves::default();
        leaves.iter().for_each(|leaf| whole.add(0, (*leaf).into()));
        let mut half = Leaves::default();
        leaves[..256].iter().for_each(|leaf| half.add(0, (*leaf).into()));
        let mut cut = Leaves::default();
        cut.add(8, half.root());
        leaves[256..].iter().for_each(|leaf| cut.add(0, (*leaf).into()));
        assert_eq!((cut.root(), cut.size), (whole.root(), 300));
    }
}
