//! An exhibit as one JSON object.

use super::{At, Bearing, Ended, Exhibit, How, Later, Leaf, Signer};
use crate::prepare::Verdict;
use crate::report_json::{Out, object};

impl Exhibit {
    /// The exhibit as an object: what the text says, and the steps as one string.
    pub fn to_out(&self) -> Out {
        object([
            ("verdict", self.report.verdict().name().into()),
            ("headline", self.report.headline().into()),
            ("seq", self.at.seq.into()),
            ("time", self.at.time.to_string().into()),
            ("kind", self.kind.as_str().into()),
            ("subject", self.subject.as_str().into()),
            ("case", self.case.clone().into()),
            ("author", self.author.as_str().into()),
            ("event", self.event.to_string().into()),
            ("leaf", self.leaf.to_string().into()),
            ("prev", self.prev.to_string().into()),
            ("after", self.after.map(|(hash, seq)| after(&hash.to_string(), seq)).into()),
            ("stream_before", self.stream_before.into()),
            ("rule", self.rule.clone().into()),
            ("statement", Out::List(self.statement.iter().map(leaf).collect())),
            ("disclosures_refused", self.disclosures_refused.into()),
            ("names", Out::List(self.names.iter().map(|(pointer, seq)| named(pointer, *seq)).collect())),
            ("signatures", Out::List(self.signers.iter().map(signer).collect())),
            ("later", Out::List(self.later.iter().map(later).collect())),
            ("later_left_out", self.later_left_out.into()),
            ("checkpoint", self.checkpoint_out()),
            ("proof", self.way_out()),
            ("report", self.report.to_out()),
            ("file", self.file_out()),
            ("tool", self.tool_out()),
            ("steps", self.steps().into()),
        ])
    }

    /// [`Exhibit::to_out`] on one line.
    pub fn to_json(&self) -> String {
        self.to_out().to_json()
    }

    fn checkpoint_out(&self) -> Out {
        object([
            ("origin", self.checkpoint.origin.as_str().into()),
            ("size", self.checkpoint.size.into()),
            ("root", self.checkpoint.root.to_string().into()),
            ("log_key", self.log_key.as_ref().map(ToString::to_string).into()),
        ])
    }

    fn way_out(&self) -> Out {
        let Some(way) = &self.way else { return Out::Null };
        let steps = way.iter().map(|step| {
            let side = if step.left { "left" } else { "right" };
            object([
                ("side", side.into()),
                ("sibling", step.sibling.to_string().into()),
                ("node", step.node.to_string().into()),
            ])
        });
        Out::List(steps.collect())
    }

    fn file_out(&self) -> Out {
        object([
            ("name", self.file.name.as_str().into()),
            ("sha256", self.file.sha256.to_string().into()),
            ("size", self.file.size.into()),
        ])
    }

    fn tool_out(&self) -> Out {
        object([
            ("version", self.tool.version.as_str().into()),
            ("sha256", self.tool.sha256.map(|hash| hash.to_string()).into()),
        ])
    }
}

fn after(event: &str, seq: Option<u64>) -> Out {
    object([("event", event.into()), ("seq", seq.into())])
}

fn named(pointer: &str, seq: u64) -> Out {
    object([("pointer", pointer.into()), ("seq", seq.into())])
}

fn leaf(leaf: &Leaf) -> Out {
    let how = match leaf.how {
        How::Signed => "signed",
        How::Disclosed(_) => "disclosed",
        How::Concealed => "concealed",
    };
    object([("pointer", leaf.pointer.as_str().into()), ("value", leaf.value.clone()), ("how", how.into())])
}

fn at(at: At) -> Out {
    object([("seq", at.seq.into()), ("time", at.time.to_string().into())])
}

fn signer(signer: &Signer) -> Out {
    let verdict = match signer.verdict {
        Verdict::Valid => "valid",
        Verdict::Invalid => "invalid",
        Verdict::UnknownKey => "unknown_key",
    };
    let origin = signer.origin.as_ref();
    let party = signer.party.as_ref();
    let words = |words: &[&str]| Out::List(words.iter().map(|word| (*word).into()).collect());
    let ended = signer.ended.iter().map(|(ended, when)| {
        let (what, from) = match ended {
            Ended::Retired => ("retired", None),
            Ended::Revoked(from) => ("revoked", *from),
        };
        object([("what", what.into()), ("by", at(*when)), ("suspect_from", from.map(|f| f.to_string()).into())])
    });
    object([
        ("keyid", signer.keyid.to_string().into()),
        ("signature", verdict.into()),
        ("counted", signer.counted.into()),
        ("owner", origin.map(|origin| origin.owner.clone()).into()),
        ("name", party.map(|party| party.name.clone()).into()),
        ("capacities", party.map(|party| words(&party.capacities)).into()),
        ("roles", party.map(|party| words(&party.roles)).into()),
        ("holder", origin.map(|origin| origin.holder.clone()).filter(|holder| !holder.is_empty()).into()),
        ("introduced", origin.map(|origin| at(origin.introduced)).into()),
        ("not_after", origin.and_then(|origin| origin.not_after).map(|time| time.to_string()).into()),
        ("ended", Out::List(ended.collect())),
    ])
}

fn later(later: &Later) -> Out {
    let (what, pointer) = match &later.what {
        Bearing::Corrects => ("corrects", None),
        Bearing::Disputes => ("disputes", None),
        Bearing::Follows => ("follows", None),
        Bearing::Names(pointer) => ("names", Some(pointer.clone())),
    };
    object([
        ("by", at(later.at)),
        ("kind", later.kind.as_str().into()),
        ("what", what.into()),
        ("pointer", pointer.into()),
    ])
}
