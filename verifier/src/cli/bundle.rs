//! The commands about ledgers: `bundle`, `receipt`, `show`.

use std::path::PathBuf;

use countersign_verify::evidence::{self, EvidenceFile};
use countersign_verify::fold::Given;
use countersign_verify::receipt::{MAX_RECEIPT, verify_alone, verify_with_bundle};
use countersign_verify::report::Report;
use countersign_verify::show::{Collector, Form, Selection};
use countersign_verify::verify::verify_bundle;

use super::{Outcome, Unusable, args, ledger_id, one_input, open, read_checkpoint, read_small, read_trust};

fn outcome(report: &Report, json: bool) -> Outcome {
    Outcome { text: if json { report.to_json() + "\n" } else { report.to_text() }, verdict: report.verdict() }
}

pub(super) fn bundle(args: &args::Bundle) -> Result<Outcome, Unusable> {
    one_input(&[Some(&args.file), args.trust.as_ref(), args.previous.as_ref()])?;
    let given = Given {
        ledger: ledger_id(args.ledger.as_ref())?,
        trust: read_trust(args.trust.as_ref())?,
        previous: match &args.previous {
            None => None,
            Some(path) => Some(read_checkpoint(path)?),
        },
        evidence: evidence_files(&args.evidence)?,
        probe: None,
    };
    let (report, _) = verify_bundle(open(&args.file)?, &given, None);
    Ok(outcome(&report, args.json))
}

pub(super) fn evidence_files(paths: &[PathBuf]) -> Result<Vec<EvidenceFile>, Unusable> {
    let mut all = Vec::new();
    for path in paths {
        let (files, links) = evidence::collect(path).map_err(|(p, e)| Unusable::Read(p, e))?;
        if links > 0 {
            eprintln!("note: {links} links in {} were left out", path.display());
        }
        all.extend(files);
    }
    Ok(all)
}

pub(super) fn receipt(args: &args::Receipt) -> Result<Outcome, Unusable> {
    one_input(&[Some(&args.file), args.trust.as_ref(), args.bundle.as_ref()])?;
    let given =
        Given { ledger: ledger_id(args.ledger.as_ref())?, trust: read_trust(args.trust.as_ref())?, ..Given::default() };
    let bytes = read_small(&args.file, MAX_RECEIPT)?;
    let report = match &args.bundle {
        None => verify_alone(&bytes, &given),
        Some(path) => verify_with_bundle(&bytes, given, open(path)?),
    };
    Ok(outcome(&report, args.json))
}

pub(super) fn show(args: &args::Show) -> Result<Outcome, Unusable> {
    one_input(&[Some(&args.file), args.trust.as_ref()])?;
    let given =
        Given { ledger: ledger_id(args.ledger.as_ref())?, trust: read_trust(args.trust.as_ref())?, ..Given::default() };
    let selection = Selection { seq: args.seq, subject: args.subject.clone(), party: args.party.clone() };
    let form = if args.json { Form::Json } else { Form::Text };
    let mut collector = Collector::new(selection, form);
    let (report, _) = verify_bundle(open(&args.file)?, &given, Some(&mut collector));
    Ok(Outcome { text: collector.finish(&report), verdict: report.verdict() })
}
