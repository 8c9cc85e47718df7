//! Capacities of parties, which are also the names of roles in a case (SPEC §8).

use std::fmt;

/// What a party may act as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Capacity(u8);

const NAMES: [&str; 10] = [
    "donor",
    "recipient",
    "implementer",
    "carrier",
    "custodian",
    "inspector",
    "oversight",
    "licensor",
    "tracer",
    "operator",
];

impl Capacity {
    /// `donor`
    pub const DONOR: Capacity = Capacity(0);
    /// `recipient`
    pub const RECIPIENT: Capacity = Capacity(1);
    /// `inspector`
    pub const INSPECTOR: Capacity = Capacity(5);

    /// Every capacity, in the order of SPEC §8.
    pub fn all() -> impl Iterator<Item = Capacity> {
        (0..10).map(Capacity)
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Capacity> {
        let at = NAMES.iter().position(|n| *n == name)?;
        u8::try_from(at).ok().map(Capacity)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of capacities.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Capacities(u16);

impl Capacities {
    /// Adds one.
    pub fn insert(&mut self, capacity: Capacity) {
        self.0 |= 1 << capacity.0;
    }

    /// Whether it is in the set.
    pub fn has(self, capacity: Capacity) -> bool {
        self.0 & 1 << capacity.0 != 0
    }

    /// A capacity of `other` that this set lacks.
    pub fn lacks_of(self, other: Capacities) -> Option<Capacity> {
        (0..10).map(Capacity).find(|c| other.has(*c) && !self.has(*c))
    }
}
