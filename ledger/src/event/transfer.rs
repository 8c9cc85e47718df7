//! Bodies of the transfer kinds: authorized, cancelled, dispatched, received, attested (DOMAIN §2).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{CodeNote, Condition, DocumentNumber, EvidenceGrade, Grade, Unit, codes};
use super::common::{
    Broken, Line, LineNumber, LineUse, MAX_LINES, MAX_SERIALS, Reference, Rules, Serial, check_lines, check_part,
    dispatch_lines, distinct_lines, note_unit, plain_lines,
};
use super::lists::{Distinct, List};
use super::place::{Place, check_place};
use super::scalars::{Label, PartNumber, Prose, Quantity};
use crate::hash::EventHash;
use crate::time::Date;

codes! {
    /// What an end-use certificate is written on.
    CertificateForm {
        /// An end-user certificate of the OSCE or Wassenaar form.
        Euc = "euc",
        /// Form DSP-83 (22 CFR 123.10).
        Dsp83 = "dsp83",
        /// Another.
        Other = "other",
    }
}

/// The paper in which an end user promises what it will not do.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// What it is written on.
    pub form: CertificateForm,
    /// Its number.
    pub number: Label<64>,
    /// Who issued it.
    #[schemars(extend("concealable" = true))]
    pub issuer: Option<Label<200>>,
    /// When.
    pub issued: Option<Date>,
}

/// `transfer.authorized`: what a donor will send, and to whom.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferAuthorized {
    /// What may be sent.
    #[schemars(transform = plain_lines)]
    pub lines: List<Line, 1, MAX_LINES>,
    /// Who will use it.
    #[schemars(extend("concealable" = true))]
    pub end_user: Label<200>,
    /// The end-use certificate.
    pub certificate: Option<Certificate>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for TransferAuthorized {
    fn check(&self) -> Result<(), Broken> {
        check_lines("/lines", &self.lines, LineUse::Plain)
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_lines("/lines", &self.lines, note);
    }
}

/// `transfer.cancelled`: nothing more is sent under the authorization.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferCancelled {
    /// Why.
    #[schemars(extend("concealable" = true))]
    pub reason: Prose<4096>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for TransferCancelled {}

/// A package of a consignment.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// What is written on it.
    pub mark: Label<64>,
    /// What it is: a crate, a pallet.
    pub kind: Option<Label<64>>,
    /// The lines of which it holds something.
    pub lines: Option<Distinct<LineNumber, 1, MAX_LINES>>,
    /// What it weighs, in kilograms.
    pub gross_weight_kg: Option<Quantity>,
}

/// `transfer.dispatched`: what was sent.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferDispatched {
    /// The number on the papers.
    pub document_number: DocumentNumber,
    /// What was sent.
    #[schemars(transform = dispatch_lines)]
    pub lines: List<Line, 1, MAX_LINES>,
    /// In which packages.
    #[schemars(extend("concealable" = true))]
    pub packages: Option<List<Package, 1, MAX_LINES>>,
    /// Under which seals.
    #[schemars(extend("concealable" = true))]
    pub seals: Option<Distinct<Label<64>, 1, MAX_LINES>>,
    /// With whom.
    #[schemars(extend("concealable" = true))]
    pub carrier: Option<Label<200>>,
    /// By which way.
    #[schemars(extend("concealable" = true))]
    pub route: Option<Prose<1000>>,
    /// From where.
    #[schemars(extend("concealable" = true))]
    pub from: Option<Place>,
    /// To where.
    #[schemars(extend("concealable" = true))]
    pub to: Option<Place>,
    /// When it should arrive.
    pub expected: Option<Date>,
    /// Which part of the dispatch this is.
    pub part: Option<PartNumber>,
    /// Whether it is the last.
    pub last: Option<bool>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for TransferDispatched {
    fn check(&self) -> Result<(), Broken> {
        check_lines("/lines", &self.lines, LineUse::Dispatch)?;
        check_place("/from", self.from.as_ref())?;
        check_place("/to", self.to.as_ref())?;
        check_part(self.part, self.last)
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        if self.document_number.grade() == Grade::Local {
            let number = self.document_number.to_string();
            note("/document_number".to_owned(), CodeNote::LocalDocumentNumber(number));
        }
        note_lines("/lines", &self.lines, note);
    }
}

pub(crate) fn note_lines(at: &str, lines: &[Line], note: &mut dyn FnMut(String, CodeNote)) {
    for (i, line) in lines.iter().enumerate() {
        line.notes(&format!("{at}/{i}"), note);
    }
}

/// How each serial of a line was found on receipt; a serial stands in one list only.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct SerialResults {
    /// Sent and received.
    #[schemars(extend("concealable" = true))]
    pub present: Option<Distinct<Serial, 1, MAX_SERIALS>>,
    /// Sent and not received.
    #[schemars(extend("concealable" = true))]
    pub absent: Option<Distinct<Serial, 1, MAX_SERIALS>>,
    /// Received and not sent.
    #[schemars(extend("concealable" = true))]
    pub unexpected: Option<Distinct<Serial, 1, MAX_SERIALS>>,
    /// Sent and received damaged.
    #[schemars(extend("concealable" = true))]
    pub damaged: Option<Distinct<Serial, 1, MAX_SERIALS>>,
}

impl SerialResults {
    fn lists(&self) -> impl Iterator<Item = (&'static str, &Distinct<Serial, 1, MAX_SERIALS>)> {
        let lists = [
            ("present", &self.present),
            ("absent", &self.absent),
            ("unexpected", &self.unexpected),
            ("damaged", &self.damaged),
        ];
        lists.into_iter().filter_map(|(name, list)| list.as_ref().map(|list| (name, list)))
    }
}

impl Rules for SerialResults {
    fn check(&self) -> Result<(), Broken> {
        let mut seen = BTreeMap::new();
        let mut any = false;
        for (name, serials) in self.lists() {
            any = true;
            // Within a list they are distinct already.
            for (i, serial) in serials.iter().enumerate() {
                if let Some(before) = seen.insert(serial.normalised(), name) {
                    let path = format!("/{name}/{i}");
                    let found = format!("{:?}, which is {before}", serial.as_str());
                    return Err(Broken::new(path, "a serial that no list before it has", found));
                }
            }
        }
        if any { Ok(()) } else { Err(Broken::new("", "one of present, absent, unexpected, damaged", "an object of 0")) }
    }
}

/// What of a dispatch line was received.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceivedLine {
    /// The number of the dispatch line, in the same stream.
    pub line: LineNumber,
    /// How many were received.
    pub received: Quantity,
    /// Of what, where it is not counted in the dispatch's unit.
    pub unit: Option<Unit>,
    /// In what condition.
    pub condition: Condition,
    /// The lot as marked.
    #[schemars(extend("concealable" = true))]
    pub lot: Option<Label<64>>,
    /// How each serial was found.
    pub serials: Option<SerialResults>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<1000>>,
}

/// `transfer.received`: what arrived of a dispatch.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferReceived {
    /// What was received of each dispatch line.
    pub lines: List<ReceivedLine, 1, MAX_LINES>,
    /// What was received that is on no line of the dispatch.
    #[schemars(transform = plain_lines)]
    pub unexpected: Option<List<Line, 1, MAX_LINES>>,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// Which part of the receipt this is.
    pub part: Option<PartNumber>,
    /// Whether it is the last.
    pub last: Option<bool>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for TransferReceived {
    fn check(&self) -> Result<(), Broken> {
        distinct_lines("/lines", self.lines.iter().map(|line| &line.line))?;
        for (i, line) in self.lines.iter().enumerate() {
            if let Some(serials) = &line.serials {
                serials.check().map_err(|b| b.under(&format!("/lines/{i}/serials")))?;
            }
        }
        if let Some(unexpected) = &self.unexpected {
            check_lines("/unexpected", unexpected, LineUse::Plain)?;
            let numbers: Vec<&LineNumber> = self.lines.iter().map(|line| &line.line).collect();
            if let Some(i) = unexpected.iter().position(|line| numbers.contains(&&line.line)) {
                let found = format!("{:?} again", unexpected[i].line.as_str());
                let path = format!("/unexpected/{i}/line");
                return Err(Broken::new(path, "a number that no line before it has", found));
            }
        }
        check_place("/place", self.place.as_ref())?;
        check_part(self.part, self.last)
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        for (i, line) in self.lines.iter().enumerate() {
            if let Some(unit) = line.unit {
                note_unit(&format!("/lines/{i}/unit"), unit, note);
            }
        }
        if let Some(unexpected) = &self.unexpected {
            note_lines("/unexpected", unexpected, note);
        }
    }
}

/// `receipt.attested`: a third party confirms a receipt, or a dispatch whose receipt the recipient refuses.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptAttested {
    /// The receipt or dispatch.
    pub about: EventHash,
    /// How it is known.
    pub grade: EvidenceGrade,
    /// How it was confirmed.
    #[schemars(extend("concealable" = true))]
    pub method: Prose<4096>,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for ReceiptAttested {
    fn check(&self) -> Result<(), Broken> {
        check_place("/place", self.place.as_ref())
    }
}
