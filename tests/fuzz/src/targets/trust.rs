//! Trust files and their quorums (SPEC §11; C2SP tlog-policy).
//!
//! A case is a trust file, a line `---`, and a checkpoint whose cosignatures are counted.

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::trust::TrustFile;
use countersign_verify::checkpoint::Checkpoint;
use countersign_verify::trust::Trust;

use crate::forge::{Key, note, sha256};
use crate::rng::Rng;
use crate::target::{Change, Target, Verdicts};

const WITNESSES: usize = 4;

/// Trust files, and whether a checkpoint has the quorum's cosignatures.
pub fn trust() -> Target {
    Target {
        name: "trust",
        about: "trust files, and which cosignatures make the quorum (C2SP tlog-policy)",
        make,
        judge: |input| {
            let cut = input.windows(5).position(|window| window == b"\n---\n")?;
            let (file, signed) = (&input[..=cut], &input[cut + 5..]);
            let ours = SignedCheckpoint::from_bytes(signed).ok()?;
            let theirs = Checkpoint::parse_plain(std::str::from_utf8(signed).ok()?).ok()?;
            Some(Verdicts::of(
                || {
                    let trust = TrustFile::parse(file).map_err(|e| e.to_string())?;
                    let asks = trust.quorum().is_some();
                    Ok(format!("{} logs {asks} {}", trust.logs().len(), trust.is_witnessed(&ours)))
                },
                || {
                    let trust = Trust::parse(file).map_err(|e| e.to_string())?;
                    let met = trust.witnessed(&theirs).quorum;
                    Ok(format!("{} logs {} {met}", trust.logs().len(), trust.asks_for_witnesses()))
                },
            ))
        },
        words: &[
            "quorum none\n",
            "quorum g\n",
            "group g any w0\n",
            "group h 1 w0 g\n",
            "all",
            "any",
            "#",
            "\t",
            " ",
            "w0",
            "w1",
            "log ",
            "01",
            "https://a",
        ],
        change: Change::Bytes,
    }
}

fn witness(n: usize) -> (String, Key) {
    (format!("witness.example/{n}"), Key::new(format!("witness {n}")))
}

fn make(rng: &mut Rng) -> Vec<u8> {
    let mut lines = vec!["# trust".to_owned(), String::new()];
    for _ in 0..rng.below(3) {
        let key = Key::new(["log", "log2"][rng.below(2)]);
        lines.push(format!("log {}", note::vkey("ledger.example/log", *rng.pick(&[1, 1, 1, 4, 2, 7]), &key.public())));
    }
    let count = rng.within(1, WITNESSES);
    let mut names: Vec<String> = Vec::new();
    for n in 0..count {
        let (name, key) = witness(n);
        let kind = *rng.pick(&[4, 4, 4, 4, 4, 4, 1, 6, 9]);
        let url = if rng.one_in(4) { " https://witness.example/" } else { "" };
        lines.push(format!("witness w{n} {}{url}", note::vkey(&name, kind, &key.public())));
        names.push(format!("w{n}"));
    }
    for n in 0..rng.below(3) {
        let members: Vec<String> = (0..rng.within(1, 3)).map(|_| rng.pick(&names).clone()).collect();
        let thresholds =
            if rng.one_in(6) { &["any", "all", "1", "2", "0", "01"][..] } else { &["any", "all", "1", "2"] };
        let threshold = *rng.pick(thresholds);
        lines.push(format!("group g{n} {threshold} {}", members.join(" ")));
        names.push(format!("g{n}"));
    }
    lines.push(format!("quorum {}", if rng.one_in(6) { "none" } else { rng.pick(&names).as_str() }));
    let text = note::checkpoint_text("ledger.example/log", 7, &sha256(b"root"));
    let mut signed = format!("{text}\n{}", note::log_line("ledger.example/log", &Key::new("log"), &text));
    for n in 0..WITNESSES {
        let (name, key) = witness(n);
        match rng.below(4) {
            0 | 1 => signed += &note::cosignature_line(&name, &key, 1_790_000_000 + n as u64, &text),
            2 if rng.one_in(3) => signed += &note::cosignature_line(&name, &key, 5, "another\n"),
            _ => {}
        }
    }
    format!("{}\n---\n{signed}", lines.join("\n")).into_bytes()
}
