//! Choices from a string of bytes, so that a shorter string is a shorter history.

/// Bytes to choose with.
#[derive(Debug)]
pub struct Dice<'a>(&'a [u8]);

impl<'a> Dice<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether no choice is left.
    pub fn is_spent(&self) -> bool {
        self.0.is_empty()
    }

    /// A number below `end`; 0 when the bytes are spent.
    pub fn below(&mut self, end: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % end.max(1)
    }

    /// True in `percent` of a hundred.
    pub fn happens(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    /// One of them, if there is any.
    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.below(all.len())].clone()) }
    }

    /// Some of them, in their order.
    pub fn some_of<T: Clone>(&mut self, all: &[T], percent: usize) -> Vec<T> {
        all.iter().filter(|_| self.happens(percent)).cloned().collect()
    }
}
