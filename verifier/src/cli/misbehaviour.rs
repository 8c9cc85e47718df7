//! The command `misbehaviour`.

use countersign_verify::misbehaviour::{Known, MAX_PROOF_OF_MISBEHAVIOUR, examine};

use super::{Unusable, args, ledger_id, one_input, read_small, read_trust};

/// Says what a proof shows, and the exit status of its verdict, which is of a table of its own (SPEC §16).
pub(super) fn misbehaviour(args: &args::Misbehaviour) -> Result<(String, u8), Unusable> {
    one_input(&[Some(&args.file), args.trust.as_ref()])?;
    let known = Known { ledger: ledger_id(args.ledger.as_ref())?, trust: read_trust(args.trust.as_ref())? };
    let finding = examine(&read_small(&args.file, MAX_PROOF_OF_MISBEHAVIOUR)?, &known);
    let text = if args.json { finding.to_json() + "\n" } else { finding.to_text() };
    Ok((text, finding.verdict.status()))
}
