//! What one statement says of items: descriptions, mentions and links. A function of the statement alone.

use serde_json::Value;

use super::act::{Act, Amount, Description, ItemKey, Link, Mention, Origin, Target};
use super::statement::{Statement, array, parse};
use crate::event::codes::ItemState;
use crate::event::common::normalise_serial;
use crate::event::scalars::Quantity;
use crate::id::{CaseId, Subject};

/// The unit that counts single items.
const EACH: &str = "EA";

/// What a statement says of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extract {
    /// Items that it describes first.
    pub descriptions: Vec<Description>,
    /// Items that it names.
    pub mentions: Vec<Mention>,
    /// Descriptions that it says are of one item.
    pub links: Vec<Link>,
    /// Pointers of what it conceals that would describe or name items.
    pub concealed: Vec<String>,
}

/// A line of another statement.
type Line = (CaseId, Subject, String);

/// Reads what a statement says of items. The replacement body of a correction is read by giving the corrected statement
/// with that body.
#[must_use]
pub fn extract(statement: &Statement) -> Extract {
    let mut reader = Reader { statement, out: Extract::default() };
    match statement.kind.as_str() {
        "transfer.dispatched" => reader.lines("lines", Origin::Dispatched),
        "transfer.received" => reader.received(),
        "holding.declared" => reader.lines("lines", Origin::Declared),
        "transfer.not_received" => reader.not_received(),
        "custody.handed_over" => {
            if let Some(to) = statement.get("to") {
                reader.whole_stream(&Act::HandedOver { to });
            }
        }
        "title.transferred" => reader.title(),
        "items.identified" => reader.identified(),
        _ => reader.items(),
    }
    reader.out
}

struct Reader<'a> {
    statement: &'a Statement,
    out: Extract,
}

fn owned(object: &Value, member: &str) -> Option<String> {
    object.get(member).and_then(Value::as_str).map(str::to_owned)
}

fn stock_number(object: &Value) -> Option<String> {
    owned(object, "nsn").or_else(|| owned(object, "local_stock_number"))
}

fn quantity(object: &Value, member: &str) -> Option<Quantity> {
    parse(object, member)
}

impl Reader<'_> {
    fn case(&self) -> Option<&CaseId> {
        self.statement.stream.case.as_ref()
    }

    /// Reads a line reference; the event's own case where it names none.
    fn line_ref(&self, object: &Value, member: &str) -> Option<Line> {
        let reference = object.get(member)?;
        let case = parse(reference, "case").or_else(|| self.case().cloned())?;
        Some((case, parse(reference, "subject")?, owned(reference, "line")?))
    }

    fn mention(&self, target: Target, amount: Amount, act: Act) -> Mention {
        let statement = self.statement;
        Mention {
            seq: statement.seq,
            subject: statement.stream.subject.clone(),
            from: statement.happened().map(|(first, _)| first),
            at: statement.by(),
            recorded: statement.recorded(),
            by: statement.author.clone(),
            target,
            described_in: None,
            stock_number: None,
            serial: None,
            amount,
            act,
            condition: None,
            site: self.site(),
            concealed: false,
        }
    }

    /// Returns the code of the site where the statement says that items are.
    fn site(&self) -> Option<String> {
        let body = &self.statement.body;
        let at = |pointer| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        match self.statement.kind.as_str() {
            "transfer.dispatched" => None,
            "items.moved" => at("/to/site"),
            _ => at("/site").or_else(|| at("/place/site")),
        }
    }

    /// Tells whether the serials of a line or item, or some of them, are not disclosed. Where an object conceals
    /// something and has serials, it is something else.
    fn conceals_serials(&self, object: &Value, pointer: &str) -> bool {
        let some = self.statement.conceals(&format!("{pointer}/serials"));
        some || (object.get("serials").is_none() && self.statement.conceals(pointer))
    }

    fn whole_stream(&mut self, act: &Act) {
        if let Some(case) = self.case().cloned() {
            let target = Target::Stream(case, self.statement.stream.subject.clone());
            self.out.mentions.push(self.mention(target, Amount::All, act.clone()));
        }
    }

    /// Reads lines that describe items.
    fn lines(&mut self, member: &str, origin: Origin) {
        let Some(case) = self.case().cloned() else { return };
        for (i, line) in self.statement.array(member).iter().enumerate() {
            self.line(&case, line, &format!("/body/{member}/{i}"), origin);
        }
    }

    fn line(&mut self, case: &CaseId, line: &Value, pointer: &str, origin: Origin) {
        let statement = self.statement;
        let key = ItemKey {
            case: case.clone(),
            subject: statement.stream.subject.clone(),
            line: owned(line, "line").unwrap_or_default(),
            serial: None,
        };
        let all = Description {
            key,
            seq: statement.seq,
            at: statement.by(),
            recorded: statement.recorded(),
            by: statement.author.clone(),
            origin,
            holder: statement.get("holder"),
            grade: statement.get("grade"),
            serial: None,
            nomenclature: owned(line, "nomenclature"),
            stock_number: stock_number(line),
            part_number: owned(line, "part_number"),
            maker: owned(line, "maker"),
            model: owned(line, "model"),
            lot: owned(line, "lot"),
            quantity: quantity(line, "quantity"),
            unit: owned(line, "unit"),
            authorization: self.line_ref(line, "authorization"),
            original_date: parse(line, "original_date"),
            site: self.site(),
        };
        let serials = array(line, "serials");
        if self.conceals_serials(line, pointer) {
            self.out.concealed.push(pointer.to_owned());
        }
        for serial in serials.iter().filter_map(Value::as_str) {
            let key = ItemKey { serial: Some(normalise_serial(serial)), ..all.key.clone() };
            let one = Quantity::whole(1);
            let description = Description { key, serial: Some(serial.to_owned()), quantity: one, ..all.clone() };
            self.out.descriptions.push(description);
        }
        // what has no serial of its own: all of the line, or what a count of single items leaves
        let count = u64::try_from(serials.len()).ok().and_then(Quantity::whole);
        let rest = match (all.quantity, count) {
            (Some(of), Some(count)) if !serials.is_empty() => {
                of.checked_sub(count).filter(|rest| *rest > Quantity::ZERO && all.unit.as_deref() == Some(EACH))
            }
            (of, _) => of.filter(|_| serials.is_empty()),
        };
        if rest.is_some() {
            self.out.descriptions.push(Description { quantity: rest, ..all });
        }
    }

    fn received(&mut self) {
        let Some(case) = self.case().cloned() else { return };
        let subject = self.statement.stream.subject.clone();
        for (i, line) in self.statement.array("lines").iter().enumerate() {
            let Some(number) = owned(line, "line") else { continue };
            let place: Line = (case.clone(), subject.clone(), number);
            let condition = owned(line, "condition");
            let sound = condition.as_deref().is_none_or(|c| matches!(c, "serviceable" | "unknown"));
            let empty = Value::Null;
            let results = line.get("serials").unwrap_or(&empty);
            let mut listed = 0u64;
            for (result, act) in [
                ("present", Act::Received { sound }),
                ("damaged", Act::Received { sound: false }),
                ("absent", Act::Absent),
            ] {
                for serial in array(results, result).iter().filter_map(Value::as_str) {
                    let target = Target::Serial(case.clone(), normalise_serial(serial));
                    let mut mention = self.mention(target, Amount::One, act.clone());
                    mention.described_in = Some(place.clone());
                    mention.serial = Some(serial.to_owned());
                    mention.condition.clone_from(&condition);
                    self.out.mentions.push(mention);
                    listed += u64::from(result != "absent");
                }
            }
            for serial in array(results, "unexpected").iter().filter_map(Value::as_str) {
                self.unexpected(&place, serial);
                listed += 1;
            }
            let concealed = self.statement.conceals_below(&format!("/body/lines/{i}/serials"));
            if concealed {
                self.out.concealed.push(format!("/body/lines/{i}"));
            }
            // what was received and not listed by serial
            let received = quantity(line, "received");
            let unit = owned(line, "unit");
            let counted = Quantity::whole(listed).and_then(|n| received.and_then(|received| received.checked_sub(n)));
            let amount = match (received, counted) {
                (Some(_), Some(rest)) if listed > 0 => Amount::Some(rest, unit),
                (Some(received), _) if listed == 0 => Amount::Some(received, unit),
                _ => continue,
            };
            let target = Target::Line(place.0, place.1, place.2);
            let mut mention = self.mention(target, amount, Act::Received { sound });
            mention.condition = condition;
            mention.concealed = concealed;
            self.out.mentions.push(mention);
        }
        self.lines("unexpected", Origin::Unexpected);
    }

    /// Describes an item that arrived and was not sent.
    fn unexpected(&mut self, place: &Line, serial: &str) {
        let statement = self.statement;
        self.out.descriptions.push(Description {
            key: ItemKey {
                case: place.0.clone(),
                subject: place.1.clone(),
                line: place.2.clone(),
                serial: Some(normalise_serial(serial)),
            },
            seq: statement.seq,
            at: statement.by(),
            recorded: statement.recorded(),
            by: statement.author.clone(),
            origin: Origin::Unexpected,
            holder: None,
            grade: None,
            serial: Some(serial.to_owned()),
            nomenclature: None,
            stock_number: None,
            part_number: None,
            maker: None,
            model: None,
            lot: None,
            quantity: Quantity::whole(1),
            unit: Some(EACH.to_owned()),
            authorization: None,
            original_date: None,
            site: self.site(),
        });
    }

    fn not_received(&mut self) {
        let act = Act::NotReceived { refused: self.statement.text("type") == Some("refused") };
        let lines = self.statement.array("lines");
        if lines.is_empty() {
            return self.whole_stream(&act);
        }
        let Some(case) = self.case().cloned() else { return };
        for number in lines.iter().filter_map(Value::as_str) {
            let target = Target::Line(case.clone(), self.statement.stream.subject.clone(), number.to_owned());
            self.out.mentions.push(self.mention(target, Amount::All, act.clone()));
        }
    }

    fn title(&mut self) {
        let Some(case) = self.case().cloned() else { return };
        for (i, line) in self.statement.array("lines").iter().enumerate() {
            let Some(number) = owned(line, "line") else { continue };
            let place: Line = (case.clone(), self.statement.stream.subject.clone(), number);
            let serials = array(line, "serials");
            for serial in serials.iter().filter_map(Value::as_str) {
                let target = Target::Serial(case.clone(), normalise_serial(serial));
                let mut mention = self.mention(target, Amount::One, Act::TitleTransferred);
                mention.described_in = Some(place.clone());
                mention.serial = Some(serial.to_owned());
                self.out.mentions.push(mention);
            }
            let at = format!("/body/lines/{i}");
            if self.conceals_serials(line, &at) {
                self.out.concealed.push(at);
            } else if serials.is_empty() {
                let target = Target::Line(place.0, place.1, place.2);
                self.out.mentions.push(self.mention(target, Amount::All, Act::TitleTransferred));
            }
        }
    }

    fn identified(&mut self) {
        let Some(case) = self.case().cloned() else { return };
        let side = |reader: &Self, object: &Value, serial: &str| {
            let place = reader.line_ref(object, "described_in");
            let at = place.as_ref().map_or_else(|| case.clone(), |(case, ..)| case.clone());
            match (owned(object, serial), place.clone()) {
                (Some(serial), _) => Some((Target::Serial(at, normalise_serial(&serial)), place)),
                (None, Some((case, subject, line))) => Some((Target::Line(case, subject, line), place)),
                (None, None) => None,
            }
        };
        let statement = self.statement;
        let same = statement.array("same");
        if statement.conceals_below("/body/same") || statement.conceals_below("/body/remarked") {
            self.out.concealed.push("/body".to_owned());
        }
        let (first, second, remarked) = match (same, statement.body.get("remarked")) {
            ([a, b, ..], _) => (side(self, a, "serial"), side(self, b, "serial"), false),
            (_, Some(mark)) => (side(self, mark, "old"), side(self, mark, "new"), true),
            _ => return,
        };
        let (Some(first), Some(second)) = (first, second) else {
            self.out.concealed.push("/body".to_owned());
            return;
        };
        for (target, place) in [&first, &second] {
            let mut mention = self.mention(target.clone(), Amount::One, Act::Identified);
            mention.described_in.clone_from(place);
            self.out.mentions.push(mention);
        }
        self.out.links.push(Link { seq: statement.seq, first, second, remarked });
    }

    /// Reads the `items` of a statement.
    fn items(&mut self) {
        for (i, item) in self.statement.array("items").iter().enumerate() {
            if let Some(act) = self.act_of(item) {
                self.item(item, &format!("/body/items/{i}"), &act);
            }
        }
    }

    /// Tells what the statement says of an item.
    fn act_of(&self, item: &Value) -> Option<Act> {
        let statement = self.statement;
        Some(match statement.kind.as_str() {
            "check.recorded" | "check.unilateral" => Act::Checked {
                grade: parse(item, "grade")?,
                state: parse(item, "state")?,
                unilateral: statement.kind.as_str() == "check.unilateral",
            },
            "self_report.recorded" => Act::Reported { state: parse(item, "state")? },
            "items.moved" => Act::Moved,
            "items.expended" => Act::Expended,
            "loss.reported" => Act::Lost { how: statement.get::<ItemState>("type")? },
            "items.recovered" => Act::Recovered { grade: statement.get("grade")? },
            "retransfer.requested" => Act::RetransferRequested { new_holder: statement.get("new_holder")? },
            "retransfer.executed" => Act::Retransferred { new_holder: statement.get("new_holder")? },
            "retransfer.ended" => Act::RetransferEnded { holder: statement.get("new_holder")? },
            "items.demilitarized" => Act::Demilitarized,
            "items.destroyed" => Act::Destroyed,
            "items.returned" => Act::Returned { last: statement.text("purpose") == Some("final") },
            "diversion.reported" => Act::Diverted,
            _ => return None,
        })
    }

    fn item(&mut self, item: &Value, pointer: &str, act: &Act) {
        let place = self.line_ref(item, "described_in");
        let Some(case) = place.as_ref().map(|(case, ..)| case).or(self.case()).cloned() else { return };
        let statement = self.statement;
        let number = stock_number(item).or_else(|| owned(item, "part_number"));
        let dress = |mut mention: Mention| {
            mention.described_in.clone_from(&place);
            mention.stock_number.clone_from(&number);
            mention.condition = owned(item, "condition").or_else(|| owned(&statement.body, "condition"));
            mention
        };
        let serials = array(item, "serials");
        for serial in serials.iter().filter_map(Value::as_str) {
            let target = Target::Serial(case.clone(), normalise_serial(serial));
            let mut mention = dress(self.mention(target, Amount::One, act.clone()));
            mention.serial = Some(serial.to_owned());
            self.out.mentions.push(mention);
        }
        let amount = quantity(item, "quantity").map(|q| Amount::Some(q, owned(item, "unit")));
        let lot = owned(item, "lot");
        // an item without serials says how many; which, a lot that is not disclosed may say
        let unnamed = place.is_none() && number.is_none() && lot.is_none();
        let concealed = match amount {
            Some(_) => unnamed && statement.conceals(pointer),
            None => self.conceals_serials(item, pointer),
        };
        if concealed {
            self.out.concealed.push(pointer.to_owned());
        }
        if !serials.is_empty() || (amount.is_none() && !concealed) {
            return;
        }
        let target = match (&place, number.clone().or(lot)) {
            (Some((case, subject, line)), _) => Target::Line(case.clone(), subject.clone(), line.clone()),
            (None, Some(number)) => Target::Stock(case, number),
            (None, None) => return,
        };
        let mention = dress(self.mention(target, amount.unwrap_or(Amount::Concealed), act.clone()));
        self.out.mentions.push(mention);
    }
}
