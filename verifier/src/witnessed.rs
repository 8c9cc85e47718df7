//! What the witnesses of a trust file say about a checkpoint: who cosigned, when, who did not, and what that comes to.

use crate::checkpoint::Checkpoint;
use crate::escape::escaped;
use crate::note::{Cosigned, Signed, VKeyKind};
use crate::time::{Instant, SECOND};
use crate::trust::{Member, Trust};

/// The last second of the year 9999, from 1970.
const LAST_SECOND: u64 = 253_402_300_799;

/// What one witness says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// Its cosignature is there and valid.
    Cosigned(Cosigned),
    /// No line is by its key.
    Nothing,
    /// A line by its key is there and is not valid.
    Wrong,
    /// Its key is of a type that this program does not know: it never counts.
    Unsupported,
}

/// One witness of a trust file, and what it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Witness {
    /// The name that the trust file has for it, escaped.
    pub name: String,
    /// The name of its key.
    pub key: String,
    /// Whether its key's name says that it checks every entry before it cosigns (SPEC §11).
    pub auditor: bool,
    /// Whether the quorum could count it: it is the quorum, or in a group that leads to it.
    pub counts: bool,
    /// What it says.
    pub said: Said,
}

impl Witness {
    /// Its name, that of its key where it is another, and whether it is an auditor.
    pub fn label(&self) -> String {
        let mut label = self.name.clone();
        let key = escaped(&self.key);
        if key != self.name {
            label += &format!(" ({key})");
        }
        if self.auditor {
            label += ", an auditor";
        }
        label
    }
}

/// One group of a trust file, and how many of its members witnessed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Its name, escaped.
    pub name: String,
    /// How many members must witness.
    pub threshold: usize,
    /// How many members there are.
    pub members: usize,
    /// How many of them witnessed.
    pub witnessed: usize,
    /// Whether the quorum could count it.
    pub counts: bool,
}

impl Group {
    /// Whether the group witnessed.
    pub fn met(&self) -> bool {
        self.witnessed >= self.threshold
    }
}

/// What the witnesses of a trust file say about a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Witnessed {
    /// Whether the quorum cosigned.
    pub quorum: bool,
    /// The witnesses, in the order of the file.
    pub witnesses: Vec<Witness>,
    /// The groups, in the order of the file.
    pub groups: Vec<Group>,
}

impl Witnessed {
    /// Those whose cosignatures are valid, with when they were made.
    pub fn cosigners(&self) -> impl Iterator<Item = (&Witness, Cosigned)> {
        self.witnesses.iter().filter_map(|witness| match witness.said {
            Said::Cosigned(when) => Some((witness, when)),
            Said::Nothing | Said::Wrong | Said::Unsupported => None,
        })
    }

    /// Those who say this.
    pub fn who(&self, said: Said) -> impl Iterator<Item = &Witness> {
        self.witnesses.iter().filter(move |witness| witness.said == said)
    }

    /// The oldest valid cosignature that the quorum could count, and whose it is: no entry may be much later than that.
    ///
    /// Each of them says that the whole tree was there by then. Were it the newest, one witness that lies would lift the
    /// bound that all others set (SPEC §13).
    pub fn bound(&self) -> Option<(Instant, &Witness)> {
        let counted = self.cosigners().filter(|(witness, _)| witness.counts);
        let (witness, when) = counted.min_by_key(|(_, when)| when.oldest)?;
        let seconds = i64::try_from(when.oldest).unwrap_or(i64::MAX);
        Some((Instant::from_millis(seconds.saturating_mul(SECOND)), witness))
    }
}

/// A time in seconds since 1970, as reports write it.
pub fn time_text(seconds: u64) -> String {
    match i64::try_from(seconds) {
        Ok(known) if seconds <= LAST_SECOND => Instant::from_millis(known * SECOND).to_string(),
        _ => format!("{seconds} s after 1970"),
    }
}

/// Whether the name of a key says that its holder checks entries: its last path segment is `auditor` (SPEC §11).
fn is_auditor(key: &str) -> bool {
    key.rsplit('/').next() == Some("auditor")
}

fn octets(name: &[u8]) -> String {
    escaped(&String::from_utf8_lossy(name))
}

impl Trust {
    /// Evaluates the quorum on a checkpoint; each witness counts once.
    pub fn witnessed(&self, checkpoint: &Checkpoint) -> Witnessed {
        let (witnesses_count, groups_count) = self.counting();
        let witnesses: Vec<Witness> = self
            .witnesses
            .iter()
            .zip(witnesses_count)
            .map(|(witness, counts)| Witness {
                name: octets(&witness.name),
                key: witness.key.name.clone(),
                auditor: is_auditor(&witness.key.name),
                counts,
                said: match (&witness.key.kind, checkpoint.note.signed_by(&witness.key)) {
                    (VKeyKind::Other(_), _) => Said::Unsupported,
                    (_, Signed::Yes(Some(when))) => Said::Cosigned(when),
                    (_, Signed::Wrong) => Said::Wrong,
                    (_, Signed::Yes(None) | Signed::No) => Said::Nothing,
                },
            })
            .collect();
        // a group names only what stands before it, so one pass from the first is enough
        let mut groups: Vec<Group> = Vec::with_capacity(self.groups.len());
        let holds = |groups: &[Group], member: &Member| match *member {
            Member::Witness(at) => matches!(witnesses[at].said, Said::Cosigned(_)),
            Member::Group(at) => groups[at].met(),
        };
        for (group, counts) in self.groups.iter().zip(groups_count) {
            let (threshold, members) = (group.threshold, group.members.len());
            let witnessed = group.members.iter().filter(|m| holds(&groups, m)).count();
            groups.push(Group { name: octets(&group.name), threshold, members, witnessed, counts });
        }
        let quorum = self.quorum.is_none_or(|member| holds(&groups, &member));
        Witnessed { quorum, witnesses, groups }
    }

    /// Which witnesses and groups the quorum leads to.
    fn counting(&self) -> (Vec<bool>, Vec<bool>) {
        let (mut witnesses, mut groups) = (vec![false; self.witnesses.len()], vec![false; self.groups.len()]);
        let mut mark = |member: Member, groups: &mut [bool]| match member {
            Member::Witness(at) => witnesses[at] = true,
            Member::Group(at) => groups[at] = true,
        };
        if let Some(quorum) = self.quorum {
            mark(quorum, &mut groups);
        }
        // members stand before their group: from the last one back, each is marked before it is looked at
        for at in (0..self.groups.len()).rev() {
            if groups[at] {
                for member in &self.groups[at].members {
                    mark(*member, &mut groups);
                }
            }
        }
        (witnesses, groups)
    }
}
