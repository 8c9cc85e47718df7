//! Rows to a draft: everything about an event but its place in the stream and its signatures.

use countersign_ledger::envelope::MAX_PAYLOAD;
use countersign_ledger::event::codes::CodeNote;
use countersign_ledger::event::{Body, BodyError, Event, EventError};
use countersign_ledger::hash::{EventHash, LedgerId, sha256};
use countersign_ledger::id::{Author, CaseId, PartyId, Subject};

use super::derive::event_id;
use super::eval::{Evaluator, Part, Scope};
use super::fault::{Fault, Warning, quote};
use super::map::Map;
use super::read::Row;
use crate::draft::Draft;

/// The longest key in bytes.
const MAX_KEY: usize = 1_024;

/// Whose events are drafted, for which ledger, by which map.
#[derive(Debug, Clone)]
pub(crate) struct Drafter {
    /// The map.
    pub(crate) map: Map,
    /// The ledger.
    pub(crate) ledger: LedgerId,
    /// The party that makes the statements.
    pub(crate) author: PartyId,
}

/// Rows that make one event, and what became of them.
#[derive(Debug)]
pub(crate) struct Group {
    /// The rows: at least one.
    pub(crate) rows: Vec<Row>,
    /// What there is to warn of.
    pub(crate) warnings: Vec<Warning>,
    /// The rows' own key, as far as it could be made.
    pub(crate) key: String,
}

/// An event that waits for its place in the stream.
#[derive(Debug, Clone)]
pub(crate) struct Drafted {
    /// The draft, after nothing.
    pub(crate) draft: Draft,
    /// A hash of what it says, wherever it stands in its stream.
    pub(crate) content: [u8; 32],
    /// Which part it is, of an event in parts.
    pub(crate) part: Option<Part>,
}

impl Drafted {
    /// Writes the payload of the event after another.
    pub(crate) fn payload(&mut self, after: Option<EventHash>) -> Vec<u8> {
        self.draft.after = after;
        self.draft.payload()
    }
}

impl Drafter {
    /// Drafts the event of some rows, or its parts where the rows are more than the map lets one event have.
    ///
    /// Of parts all are good, or none is: a part that were mended alone would count anew.
    pub(crate) fn draft(&self, mut rows: Vec<Row>) -> Vec<(Group, Result<Box<Drafted>, Fault>)> {
        let most = self.map.rows_per_part.unwrap_or(usize::MAX);
        if rows.len() <= most {
            return vec![self.draft_part(rows, None)];
        }
        let mut parts = Vec::with_capacity(rows.len().div_ceil(most));
        while !rows.is_empty() {
            let rest = rows.split_off(most.min(rows.len()));
            let part = Part { number: parts.len() + 1, last: rest.is_empty() };
            parts.push(self.draft_part(std::mem::replace(&mut rows, rest), Some(part)));
        }
        let bad = parts.iter().position(|(_, made)| made.is_err());
        if let Some(bad) = bad {
            for (_, made) in &mut parts {
                if made.is_ok() {
                    let reason = format!("part {} of the same statement has a mistake: mend them together", bad + 1);
                    *made = Err(Fault::new("", reason));
                }
            }
        }
        parts
    }

    fn draft_part(&self, rows: Vec<Row>, part: Option<Part>) -> (Group, Result<Box<Drafted>, Fault>) {
        let mut evaluator = Evaluator::new(&self.map);
        let mut key = String::new();
        let made = self.make(&mut evaluator, &rows, part, &mut key);
        let mut warnings = std::mem::take(&mut evaluator.warnings);
        warnings.extend(self.trim_warnings(&rows));
        let made = made.map(|(drafted, notes)| {
            warnings.extend(notes);
            Box::new(drafted)
        });
        (Group { rows, warnings, key }, made)
    }

    fn make(
        &self,
        evaluator: &mut Evaluator<'_>,
        rows: &[Row],
        part: Option<Part>,
        key: &mut String,
    ) -> Result<(Drafted, Vec<Warning>), Fault> {
        for row in rows {
            if let Some(fault) = &row.fault {
                return Err(if rows.len() == 1 {
                    fault.clone()
                } else {
                    Fault::new(&fault.field, format!("row {} of the same event: {}", row.number, fault.reason))
                });
            }
        }
        let map = &self.map;
        let rows: Vec<&Row> = rows.iter().collect();
        let scope = Scope::event(&rows, part);
        *key = evaluator.required(&map.key, scope)?;
        if let Some(part) = part {
            // As `receive` names the parts of a receipt (DOMAIN §7).
            key.push_str(&format!(" part {}", part.number));
        }
        if key.len() > MAX_KEY {
            return Err(Fault::expected("", &format!("a key of at most {MAX_KEY} bytes"), key));
        }
        let id = event_id(&self.ledger, self.author.as_str(), map.kind.as_str(), key);
        let subject = evaluator.required(&map.subject, scope)?;
        let subject: Subject = subject.parse().map_err(|_| {
            Fault::expected(
                self.fields(&map.subject),
                "a subject such as consignment/2026-0001 (`|id` makes an id)",
                &subject,
            )
        })?;
        let case =
            match &map.case {
                Some(template) => {
                    let case = evaluator.required(template, scope)?;
                    let parsed: Result<CaseId, _> = case.parse();
                    Some(parsed.map_err(|_| {
                        Fault::expected(self.fields(template), "a case id (`|lookup:` finds it)", &case)
                    })?)
                }
                None => None,
            };
        let occurred = evaluator.occurred(scope)?;
        let body = evaluator.body(scope)?;
        let draft = Draft {
            id,
            case,
            occurred,
            signers: map.signers.clone(),
            ..Draft::new(Some(self.ledger), map.kind.clone(), subject, Author::Party(self.author.clone()), body)
        };
        let (content, notes) = self.check(&draft)?;
        Ok((Drafted { draft, content, part }, notes))
    }

    /// Reads the draft as the ledger will; returns its hash and what there is to know about its codes.
    fn check(&self, draft: &Draft) -> Result<([u8; 32], Vec<Warning>), Fault> {
        // After something, which is longer than after nothing.
        let payload = Draft { after: Some(EventHash::from_bytes([0; 32])), ..draft.clone() }.payload();
        if payload.len() > MAX_PAYLOAD {
            let reason = format!(
                "expected an event of at most {MAX_PAYLOAD} bytes, found {}: make parts of it (rows_per_part in the map)",
                payload.len()
            );
            return Err(Fault::new("", reason));
        }
        let event = Event::parse(&payload).map_err(|error| match error {
            EventError::Form { path, expected, found } => {
                Fault::new(path, format!("expected {expected}, found {found}"))
            }
            other => Fault::new("", other.to_string()),
        })?;
        let body = Body::parse(&event.kind, event.body()).map_err(|error| match error {
            BodyError::Form { path, expected, found } => self.body_fault(&path, &expected, &found),
            other => Fault::new("", other.to_string()),
        })?;
        let notes = body.notes().into_iter().map(|(path, note)| self.note(&path, &note)).collect();
        Ok((sha256(&[&payload]), notes))
    }

    /// Says which column made the body's culprit.
    fn body_fault(&self, path: &str, expected: &str, found: &str) -> Fault {
        let below = path.strip_prefix("/body").unwrap_or(path);
        let field = self.map.body.at(below).fields(&self.map.columns);
        Fault::new(field, format!("{path}: expected {expected}, found {found}"))
    }

    fn note(&self, path: &str, note: &CodeNote) -> Warning {
        let sort = match note {
            CodeNote::LocalStockNumber(_) => "local stock number",
            CodeNote::LocalDocumentNumber(_) => "local document number",
            CodeNote::LocalUnit(_) => "local unit of issue",
            CodeNote::LocalDiscrepancyCode(_) => "local discrepancy code",
            CodeNote::UnknownSupplyClass(_) => "unknown supply class",
            _ => "unusual code",
        };
        Warning { sort, field: path.to_owned(), text: note.to_string() }
    }

    fn fields(&self, template: &super::template::Template) -> String {
        let names: Vec<&str> = template.columns().map(|column| self.map.columns.name(column)).collect();
        names.join(", ")
    }

    fn trim_warnings(&self, rows: &[Row]) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = Vec::new();
        for row in rows {
            for column in &row.trimmed {
                let value = row.cells[column.0].as_deref().unwrap_or_default();
                let text = format!("space around {} left out", quote(value));
                let warning =
                    Warning { sort: "space left out", field: self.map.columns.name(*column).to_owned(), text };
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Cursor;
    use std::path::Path;

    use serde_json::{Value, json};

    use super::super::group::Groups;
    use super::super::input::Format;
    use super::super::read::Rows;
    use super::super::source::from_reader;
    use super::*;

    type Made = Vec<(Group, Result<Box<Drafted>, Fault>)>;

    fn drafts(map: &str, input: &str, format: Format) -> Made {
        let map = Map::parse(map, Path::new("")).unwrap();
        let source = from_reader(Cursor::new(input.to_owned()), None, map.input.encoding).unwrap();
        let rows = Rows::new(source, &map, format).unwrap();
        let groups = Groups::new(rows, map.group_by.clone());
        let author = map.author.clone().unwrap_or_else(|| "us-dla".parse().unwrap());
        let drafter = Drafter { map, ledger: LedgerId::from_bytes([0xab; 32]), author };
        groups.flat_map(|rows| drafter.draft(rows.unwrap())).collect()
    }

    fn payload(made: &Result<Box<Drafted>, Fault>) -> Value {
        serde_json::from_slice(&made.as_ref().unwrap().clone().payload(None)).unwrap()
    }

    const LESO: &str = include_str!("../../../../examples/maps/leso_shipments.toml");
    const LESO_HEADER: &str = "quarter,State,Station Name (LEA),Requisition ID,FSC,NIIN,Item Name,UI,Quantity,Acquisition Value,DEMIL Code,Date Shipped\n";

    fn leso(row: &str) -> (Group, Result<Box<Drafted>, Fault>) {
        drafts(LESO, &format!("{LESO_HEADER}{row}\n"), Format::Csv).pop().unwrap()
    }

    #[test]
    fn a_shipment_becomes_a_dispatch() {
        let (group, made) = leso(
            r#"2016-12-31,AK ,POLICE  ,2YTPEJ62701100   ,8415,014618341,"SHIRT,COLD ",EA  ,1,60.250000000000004,A,2016-10-05 00:00:00"#,
        );
        let payload = payload(&made);
        assert_eq!(payload["subject"], "consignment/2ytpej62701100");
        assert_eq!(payload["case"], "leso.ak");
        assert_eq!(payload["occurred"], json!({"date": "2016-10-05"}));
        assert_eq!(
            payload["id"],
            event_id(&LedgerId::from_bytes([0xab; 32]), "us-dla", "transfer.dispatched", "2YTPEJ62701100").to_string()
        );
        let wanted = json!({
            "document_number": "2YTPEJ62701100",
            "to": {"text": "POLICE"},
            "references": [{"scheme": "source", "value": "DLA LESO shipments, quarter ending 2016-12-31"}],
            "lines": [{
                "line": "1", "nomenclature": "SHIRT,COLD", "quantity": "1", "unit": "EA", "nsn": "8415-01-461-8341",
                "demil": "A", "unit_value": {"amount": "60.25", "currency": "USD"}
            }]
        });
        assert_eq!(payload["body"], wanted);
        let mut sorts: Vec<&str> = group.warnings.iter().map(|warning| warning.sort).collect();
        sorts.dedup();
        assert_eq!(sorts, ["rounded to four places", "space left out"]);
    }

    #[test]
    fn local_numbers_are_marked_and_bad_values_named() {
        let (group, made) = leso("q,AK,P,2YTPEJ62701100,2320,DSTRUCK00,TRUCK,EA,1,,,2016-10-05 00:00:00");
        let line = &payload(&made)["body"]["lines"][0];
        assert_eq!(line["local_stock_number"], "2320-DS-TRU-CK00");
        assert!(line.get("nsn").is_none() && line.get("unit_value").is_none(), "{line}");
        assert_eq!(group.warnings[0].sort, "local stock number");
        for (row, field, reason) in [
            ("q,AK,P,2YTPEJ62701100,8415,0146183,X,EA,1,1,A,2016-10-05 00:00:00", "FSC, NIIN", "stock number"),
            ("q,AK,P,2YTPEJ62701100,8415,014618341,X,Unknown,1,1,A,2016-10-05 00:00:00", "UI", "unit of issue"),
            ("q,AK,P,2YTPEJ62701100,8415,014618341,X,EA,-1,1,A,2016-10-05 00:00:00", "Quantity", "a number such as"),
            (
                "q,AK,P,2YTPEJ62701100,8415,014618341,X,EA,1,1,H,2016-10-05 00:00:00",
                "DEMIL Code",
                "/body/lines/0/demil: expected one of A, B",
            ),
            ("q,AK,P,2YTPEJ62701100,8415,014618341,X,EA,1,1,A,10/05/2016", "Date Shipped", "a date written as"),
            ("q,AK,P,2YTPEJ62701100,8415,014618341,X,EA,1,1,A,", "Date Shipped", "found nothing"),
            ("q,AK,P,,8415,014618341,X,EA,1,1,A,2016-10-05 00:00:00", "Requisition ID", "expected a value"),
            ("q,A K,P,2YTPEJ62701100,8415,014618341,X,EA,1,1,A,2016-10-05 00:00:00", "State", "a case id"),
            ("q,AK,P,2YTPEJ 62701100,8415,014618341,X,EA,1,1,A,2016-10-05 00:00:00", "Requisition ID", "a subject"),
            (
                "q,AK,P,2YTPEJ62701100,8415,014618341,,EA,1,1,A,2016-10-05 00:00:00",
                "Item Name",
                "/body/lines/0/nomenclature",
            ),
        ] {
            let fault = leso(row).1.unwrap_err();
            assert_eq!(fault.field, field, "{row}: {fault}");
            assert!(fault.reason.contains(reason), "{row}: {fault}");
        }
    }

    const SERIALS: &str = include_str!("../../../../examples/maps/dispatch_serials.toml");
    const SERIALS_CSV: &str = include_str!("../../../../examples/data/dispatch_serials.csv");

    #[test]
    fn rows_of_serials_make_lines_of_events() {
        let made = drafts(SERIALS, SERIALS_CSV, Format::Csv);
        assert_eq!(made.len(), 2);
        let body = &payload(&made[0].1)["body"];
        assert_eq!(body["lines"][0]["serials"], json!(["SYN-0001", "SYN-0002", "SYN-0003"]));
        assert_eq!((&body["lines"][0]["quantity"], &body["lines"][0]["line"]), (&json!("3"), &json!("1")));
        assert_eq!(body["lines"][0]["unit_value"]["amount"], "102500.50");
        assert_eq!((&body["lines"][1]["quantity"], &body["lines"][1]["unit"]), (&json!("40"), &json!("SE")));
        assert!(body["lines"][1].get("serials").is_none());
        assert!(payload(&made[1].1)["body"].get("carrier").is_none());
        assert_eq!(made[0].0.key, "НК-0001/26");
    }

    #[test]
    fn rows_that_disagree_or_repeat_are_told() {
        let other_name = SERIALS_CSV.replacen("бачення;шт;1;SYN-0002", "бачення-2;шт;1;SYN-0002", 1);
        let fault = drafts(SERIALS, &other_name, Format::Csv)[0].1.as_ref().unwrap_err().clone();
        assert_eq!(fault.field, "Найменування");
        assert!(fault.reason.contains("in row 2 and") && fault.reason.ends_with("in row 3"), "{fault}");
        let twice = SERIALS_CSV.replacen("SYN-0002", "syn 0001", 1);
        let fault = drafts(SERIALS, &twice, Format::Csv)[0].1.as_ref().unwrap_err().clone();
        assert_eq!(fault.field, "Серійний №");
        assert!(fault.reason.starts_with("/body/lines/0/serials/1: "), "{fault}");
    }

    #[test]
    fn keys_of_files_without_keys() {
        let map = include_str!("../../../../examples/maps/leso_holdings.toml");
        let header = "State,Station Name (LEA),NSN,Item Name,Quantity,UI,Acquisition Value,DEMIL Code,DEMIL IC,Ship Date,Station Type\n";
        let row = "AL,ABBEVILLE,1240-DS-OPT-SIGH,SIGHT,1,Each,245.88,D,,2016-06-02 00:00:00,State\n";
        let other = "AL,ABBEVILLE,1005-01-587-7175,MOUNT,10,Each,1626,Q,1,,State\n";
        let made = drafts(map, &format!("{header}{row}{other}{row}"), Format::Csv);
        let keys: Vec<&str> = made.iter().map(|(group, _)| group.key.as_str()).collect();
        assert_eq!(keys[0].strip_suffix("-1"), keys[2].strip_suffix("-2"));
        assert_ne!(keys[0].strip_suffix("-1"), keys[1].strip_suffix("-1"));
        let body = &payload(&made[1].1)["body"];
        assert_eq!(body["lines"][0]["demil_integrity"], json!(1));
        assert_eq!(payload(&made[1].1)["occurred"], json!({"unknown": "the inventory has no date"}));
        assert!(made[1].0.warnings.iter().any(|warning| warning.sort == "unusual code"), "DEMIL Q with integrity 1");
    }

    #[test]
    fn receipts_and_self_reports_are_bodies_like_others() {
        let map = include_str!("../../../../examples/maps/receipts.toml");
        let made = drafts(map, include_str!("../../../../examples/data/receipts.csv"), Format::Csv);
        let event = payload(&made[0].1);
        assert_eq!(event["occurred"], json!({"at": "2026-09-29T06:30:00.000Z"}));
        assert_eq!(event["body"]["lines"][0]["serials"]["present"], json!(["SYN-0001", "SYN-0002", "SYN-0003"]));
        assert!(event["body"]["lines"][1].get("serials").is_none(), "an object without anything is left out");
        let map = r#"
            kind = "self_report.recorded"
            key = "{id}"
            subject = "check/{id|id}"
            case = "c"
            occurred = { date = "{when|date}" }
            [body]
            why_not_inspected = "front line"
            [[body.items]]
            serials = "{serials|list:/}"
            state = "{state|default:in_custody}"
        "#;
        let rows = "{\"id\":\"SR 1\",\"when\":\"2026-10-01\",\"serials\":\"SYN-1/ SYN-2\"}\n{\"id\":2,\"when\":\"2026-10-01\",\"serials\":\"A\",\"state\":\"lost?\"}\n";
        let made = drafts(map, rows, Format::Ndjson);
        assert_eq!(payload(&made[0].1)["subject"], "check/sr-1");
        assert_eq!(
            payload(&made[0].1)["body"]["items"],
            json!([{"serials": ["SYN-1", "SYN-2"], "state": "in_custody"}])
        );
        assert_eq!(made[1].1.as_ref().unwrap_err().field, "state");
        let authorized = map.replace("self_report.recorded", "transfer.authorized").replace("check/", "authorization/");
        let authorized = &authorized[..authorized.find("why_not").unwrap()];
        let authorized = format!(
            "{authorized}end_user = \"brigade\"\n[[body.lines]]\nline = \"1\"\nnomenclature = \"{{state}}\"\nquantity = \"{{id|number}}\"\nunit = \"EA\"\n"
        );
        assert!(
            drafts(&authorized, "{\"id\":7,\"when\":\"2026-10-01\",\"state\":\"Radio\"}\n", Format::Ndjson)[0]
                .1
                .is_ok()
        );
    }

    #[test]
    fn the_same_row_gives_the_same_bytes() {
        let bytes = |made: &Made| made[0].1.as_ref().unwrap().clone().payload(None);
        let (one, two) = (drafts(SERIALS, SERIALS_CSV, Format::Csv), drafts(SERIALS, SERIALS_CSV, Format::Csv));
        assert_eq!(bytes(&one), bytes(&two));
        let text = String::from_utf8(bytes(&one)).unwrap();
        let names = ["\"carrier\"", "\"document_number\"", "\"lines\"", "\"references\""];
        let places: Vec<usize> = names.iter().map(|name| text.find(name).unwrap()).collect();
        assert!(places.is_sorted(), "members of the body in the order of their names: {text}");
    }

    #[test]
    fn an_event_over_the_limit_is_told() {
        let mut csv = SERIALS_CSV.lines().next().unwrap().to_owned() + "\n";
        for i in 0..5_000 {
            csv.push_str(&format!("НК-0001/26;21.09.2026;5855-01-534-5931;Прилад;шт;1;SYN-{i:06};1;-\n"));
        }
        let made = drafts(SERIALS, &csv, Format::Csv);
        let fault = made[0].1.as_ref().unwrap_err();
        assert!(fault.reason.contains("at most 45000 bytes"), "{fault}");
        assert_eq!(made[0].0.rows.len(), 5_000);
    }
}
