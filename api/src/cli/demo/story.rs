//! The story: what each party does, and what must come of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::bodies::{
    self, CASE, CONSIGNMENT, DONOR_NAME, INSPECTOR_NAME, MISSING, OPERATOR_NAME, OVERSIGHT_NAME, RECIPIENT_NAME,
};
use super::incident;
use super::stage::Stage;
use crate::failure::Failure;

/// The entry of the recipient's receipt, which somebody will alter.
const RECEIPT_ENTRY: u64 = 8;

pub(super) fn tell(stage: &mut Stage) -> Result<(), Failure> {
    begin(stage)?;
    enroll(stage)?;
    open_case(stage)?;
    transfer(stage)?;
    check(stage)?;
    incident::tell(stage)?;
    seal(stage)?;
    witness(stage)?;
    let bundle = export(stage)?;
    report(stage)?;
    tamper(stage, bundle)
}

fn begin(stage: &mut Stage) -> Result<(), Failure> {
    for who in ["operator", "donor", "recipient", "inspector", "oversight"] {
        stage.write(&format!("{who}.passphrase"), format!("{who}: correct horse battery staple\n").as_bytes())?;
    }
    stage.say(
        "1. Two governance officers make their keys, and the operator begins a ledger.\n   \
         Its id is the hash of entry 0: the one value that everybody takes from a source they trust.",
    )?;
    stage.act("operator", &["key", "new", "governance-1.pem"])?;
    stage.act("operator", &["key", "new", "governance-2.pem"])?;
    stage.act("operator", &["key", "new", "operator.pem"])?;
    let said = stage.act(
        "operator",
        &[
            "init",
            "--data",
            "ledger",
            "--origin",
            "ledger.example/assistance",
            "--threshold",
            "2",
            "--governance-key",
            "governance-1.pem",
            "--governance-key",
            "governance-2.pem",
            "--yes",
        ],
    )?;
    let ledger = said.lines().find_map(|line| line.strip_prefix("ledger "));
    let ledger = ledger.ok_or_else(|| Failure::refused("`init` printed no ledger id"))?.to_owned();
    stage.set_ledger(&ledger);
    stage.start_server("operator", "ledger", &["--seal-key", "operator.pem"])
}

fn enroll(stage: &mut Stage) -> Result<(), Failure> {
    stage.say(
        "2. Each party makes its own key; nobody else ever has it. Governance enrols them, and each new key signs too.",
    )?;
    let parties = [
        ("donor", "xd-agency", DONOR_NAME, "XD", "donor", "Transfers desk"),
        ("recipient", "xr-mod", RECIPIENT_NAME, "XR", "recipient", "Відділ обліку"),
        ("inspector", "xd-inspect", INSPECTOR_NAME, "XD", "inspector", "Inspection team 4"),
        ("oversight", "xd-ig", OVERSIGHT_NAME, "XD", "oversight", "Evaluations, section 2"),
    ];
    for (i, (who, party, name, country, capacity, holder)) in parties.into_iter().enumerate() {
        let (key, draft) = (format!("{who}.pem"), format!("{who}.event.json"));
        let public = format!("{key}.pub");
        stage.act(who, &["key", "new", &key])?;
        stage.act(
            "operator",
            &[
                "party",
                "enroll",
                party,
                "--name",
                name,
                "--country",
                country,
                "--capacity",
                capacity,
                "--party-key",
                &public,
                "--holder",
                holder,
                "--key",
                "governance-1.pem",
                "--key",
                "governance-2.pem",
                "--draft",
                &draft,
                "--yes",
            ],
        )?;
        // one is shown in full: what a signer sees before the passphrase is asked for
        let arguments = ["event", "sign", &draft, "--key", &key, "--yes"];
        if i == 0 {
            stage.act(who, &arguments)?
        } else {
            stage.act_briefly(who, &arguments)?
        };
        let said = stage.act(who, &["event", "submit", &draft])?;
        expect(&said, &format!("is recorded as entry {} ", i + 1))?;
    }
    Ok(())
}

fn open_case(stage: &mut Stage) -> Result<(), Failure> {
    stage.say(
        "3. Donor and recipient agree on a case: the donor drafts and signs it, the recipient countersigns the same file,\n   \
         offline. The inspector, which the case binds too, need not.",
    )?;
    stage.act(
        "donor",
        &[
            "case",
            "open",
            CASE,
            "--title",
            "Night vision for the 12th Brigade",
            "--donor",
            "xd-agency",
            "--recipient",
            "xr-mod",
            "--inspector",
            "xd-inspect",
            "--legal-basis",
            "Agreement XD-XR 2025/3",
            "--end-use",
            "national defence",
            "--end-user",
            "12 бригада",
            "--terms",
            "receipt_within=30",
            "--terms",
            "inventory_every=365",
            "--key",
            "donor.pem",
            "--draft",
            "case.event.json",
            "--yes",
        ],
    )?;
    stage.act_briefly("recipient", &["event", "sign", "case.event.json", "--key", "recipient.pem", "--yes"])?;
    let said = stage.act("recipient", &["event", "submit", "case.event.json"])?;
    expect(&said, "is recorded as entry 5 ")
}

fn transfer(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("4. The donor authorizes three devices and dispatches them. Where they go is concealed: only a digest is signed.")?;
    write_body(stage, "authorization.json", &bodies::authorization())?;
    stage.act(
        "donor",
        &[
            "event",
            "new",
            "--kind",
            "transfer.authorized",
            "--subject",
            "authorization/xr-b-001-a",
            "--case",
            CASE,
            "--body",
            "authorization.json",
            "--key",
            "donor.pem",
            "--yes",
            "-o",
            "authorization.event.json",
        ],
    )?;
    let said = stage.act("donor", &["event", "submit", "authorization.event.json"])?;
    expect(&said, "is recorded as entry 6 ")?;
    write_body(stage, "dispatch.json", &bodies::dispatch())?;
    stage.act(
        "donor",
        &[
            "event",
            "new",
            "--kind",
            "transfer.dispatched",
            "--subject",
            CONSIGNMENT,
            "--case",
            CASE,
            "--body",
            "dispatch.json",
            "--conceal",
            "/body/to",
            "--key",
            "donor.pem",
            "--yes",
            "-o",
            "dispatch.event.json",
        ],
    )?;
    let said = stage.act("donor", &["event", "submit", "dispatch.event.json"])?;
    expect(&said, "is recorded as entry 7 ")?;

    stage.say("5. The recipient counts: two of the three arrived. It signs what it found, after the dispatch that it answers.")?;
    stage.act(
        "recipient",
        &[
            "receive",
            CONSIGNMENT,
            "--case",
            CASE,
            "--all",
            "--absent",
            MISSING,
            "--condition",
            "serviceable",
            "--key",
            "recipient.pem",
            "--receipt-dir",
            "receipts",
            "--yes",
        ],
    )?;
    let said = stage.act("recipient", &["event", "show", &RECEIPT_ENTRY.to_string()])?;
    expect(&said, "/kind = \"transfer.received\"")?;
    expect(&said, &format!("/body/lines/0/serials/absent/0 = \"{MISSING}\""))
}

fn check(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("6. A joint check: the donor's inspector drafts, signs and proposes it; the recipient finds it in its inbox, is shown\n   \
         every value of it, and countersigns. It is recorded at once.")?;
    write_body(stage, "check.json", &bodies::check())?;
    stage.act(
        "inspector",
        &[
            "event",
            "new",
            "--kind",
            "check.recorded",
            "--subject",
            "check/2026-04",
            "--case",
            CASE,
            "--body",
            "check.json",
            "--key",
            "inspector.pem",
            "--yes",
            "-o",
            "check.event.json",
        ],
    )?;
    stage.act("inspector", &["inbox", "propose", "check.event.json"])?;
    let said = stage.act("recipient", &["inbox", "--key", "recipient.pem"])?;
    expect(&said, "check.recorded")?;
    let said = stage.act("recipient", &["inbox", "sign", "--all", "--key", "recipient.pem", "--yes"])?;
    expect(&said, "is recorded as entry 9")
}

/// Seals, and has it proven what a case file leaves out, and what was never there.
fn seal(stage: &mut Stage) -> Result<(), Failure> {
    stage.say(
        "10. A case file shows a part of the ledger. So that it proves that nothing of the case was left out, the operator is\n   \
         enrolled, and its server seals: one entry commits to every stream. Whoever has the whole ledger counts again.",
    )?;
    let said = stage.act_briefly(
        "operator",
        &[
            "party",
            "enroll",
            "xd-operator",
            "--name",
            OPERATOR_NAME,
            "--country",
            "XD",
            "--capacity",
            "operator",
            "--party-key",
            "operator.pem",
            "--holder",
            "Server room",
            "--use",
            "streams.sealed",
            "--key",
            "governance-1.pem",
            "--key",
            "governance-2.pem",
            "--yes",
        ],
    )?;
    expect(&said, "is recorded")?;
    stage.act("inspector", &["export", "--sealed", "--case", CASE, "--output", "case.bundle.jsonl"])?;
    let ledger = stage.ledger().to_owned();
    let said = stage.verify("inspector", &["bundle", "case.bundle.jsonl", "--ledger", &ledger], 3)?;
    expect(&said, "before entry 19 are shown")?;
    stage.say("   And that a consignment that somebody speaks of was never recorded:")?;
    let absent =
        ["export", "--absent", "--case", CASE, "--subject", "consignment/2026-0099", "-o", "none.bundle.jsonl"];
    stage.act("inspector", &absent)?;
    let said = stage.verify("inspector", &["bundle", "none.bundle.jsonl", "--ledger", &ledger], 3)?;
    expect(&said, "had no event before entry 19")
}

/// The oversight body runs a witness, which the operator's server asks from then on.
fn witness(stage: &mut Stage) -> Result<(), Failure> {
    stage.say(
        "11. So that nobody has to trust that all are shown the same ledger, the oversight body runs a witness: it cosigns what\n    \
         extends what it has seen, and nothing else. The operator's server asks it from now on.",
    )?;
    stage.act("oversight", &["witness", "init", "--data", "witness", "--name", "oversight.example/witness"])?;
    let said = stage.act("oversight", &["witness", "add-ledger", "--data", "witness"])?;
    expect(&said, "ledger.example/assistance")?;
    let address = stage.start_witness("oversight", "witness")?;
    let said = stage
        .act("oversight", &["witness", "trust-line", "--data", "witness", "--as", "oversight", "--url", &address])?;
    let line = said.lines().find(|line| line.starts_with("witness ")).unwrap_or_default().to_owned();
    let said = stage.act("inspector", &["trust", "new", "--witness", &line, "--output", "trust.policy"])?;
    expect(&said, "quorum: oversight")?;
    stage.stop_server()?;
    stage.start_server("operator", "ledger", &["--seal-key", "operator.pem", "--witnesses", "trust.policy"])
}

/// Exports and verifies; returns the bundle.
fn export(stage: &mut Stage) -> Result<Vec<u8>, Failure> {
    stage.say(
        "12. The inspector exports the whole ledger, and checks it with the separate verifier, which shares no code with the\n    \
         server and needs no network: only the bundle, the ledger id, and the trust file, which names the witness.",
    )?;
    stage.act("inspector", &["export", "--witnessed", "--output", "ledger.bundle.jsonl"])?;
    let said = stage.act("inspector", &["status"])?;
    expect(&said, stage.ledger())?;
    expect(&said, "oversight current")?;
    let ledger = stage.ledger().to_owned();
    let trusted = ["bundle", "ledger.bundle.jsonl", "--ledger", &ledger, "--trust", "trust.policy"];
    let said = stage.verify("inspector", &trusted, 0)?;
    expect(&said, "verified")?;
    expect(&said, "cosigned by oversight")?;
    stage.read("ledger.bundle.jsonl")
}

fn report(stage: &mut Stage) -> Result<(), Failure> {
    stage.say(
        "13. What it comes to: findings are computed from the bundle, after the verifier has read the same bytes, and set\n    \
         out on a page that can be printed. What is due, and what is not known, stands beside.",
    )?;
    let ledger = stage.ledger().to_owned();
    let said = stage.act("oversight", &["findings", "--bundle", "ledger.bundle.jsonl", "--ledger", &ledger])?;
    expect(&said, "bundle: verified")?;
    expect(&said, "DISCREPANCY_UNRESOLVED")?;
    let said = stage
        .act("oversight", &["report", "--bundle", "ledger.bundle.jsonl", "--ledger", &ledger, "-o", "report.html"])?;
    expect(&said, "bundle: verified")
}

fn tamper(stage: &mut Stage, mut bundle: Vec<u8>) -> Result<(), Failure> {
    stage.say(
        "14. Somebody with a copy changes one byte of it: in the recipient's receipt, 2 devices received become 3.\n   \
         The verifier names the entry.",
    )?;
    let place = alter(&mut bundle)?;
    stage.say(&format!("   byte {place} of altered.bundle.jsonl"))?;
    stage.write("altered.bundle.jsonl", &bundle)?;
    let ledger = stage.ledger().to_owned();
    let said = stage.verify("inspector", &["bundle", "altered.bundle.jsonl", "--ledger", &ledger], 1)?;
    expect(&said, "failed")?;
    expect(&said, &format!("entry {RECEIPT_ENTRY}"))
}

/// Changes `"received":"2"` to `"received":"3"` in the receipt's entry: one byte of its base64. Returns where.
fn alter(bundle: &mut [u8]) -> Result<usize, Failure> {
    let missing = || Failure::refused("the bundle has no receipt of 2 devices where it should be");
    let find = |haystack: &[u8], needle: &[u8]| haystack.windows(needle.len()).position(|window| window == needle);
    let line = find(bundle, format!("\n{{\"seq\":{RECEIPT_ENTRY},").as_bytes()).ok_or_else(missing)?;
    let payload = line + find(&bundle[line..], b"\"payload\":\"").ok_or_else(missing)? + b"\"payload\":\"".len();
    let length = find(&bundle[payload..], b"\"").ok_or_else(missing)?;
    let before = &bundle[payload..payload + length];
    let mut said = STANDARD.decode(before).map_err(|_| missing())?;
    let wanted = b"\"received\":\"2\"";
    let digit = find(&said, wanted).ok_or_else(missing)? + wanted.len() - 2;
    said[digit] = b'3';
    let after = STANDARD.encode(&said).into_bytes();
    let changed: Vec<usize> = (0..length).filter(|i| before[*i] != after[*i]).collect();
    let [place] = changed[..] else { return Err(missing()) };
    bundle[payload + place] = after[place];
    Ok(payload + place)
}

pub(super) fn write_body(stage: &Stage, name: &str, body: &Value) -> Result<(), Failure> {
    stage.write(name, format!("{body:#}\n").as_bytes())
}

/// Checks that a command said something.
pub(super) fn expect(said: &str, wanted: &str) -> Result<(), Failure> {
    if said.contains(wanted) {
        return Ok(());
    }
    Err(Failure::refused(format_args!("the last command did not say `{wanted}`")))
}
