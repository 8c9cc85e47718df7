//! The verifier binary, and its report as JSON.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::binaries;

/// What the verifier says of a bundle.
#[derive(Debug, Clone)]
pub struct Report {
    /// The exit status.
    pub status: Option<i32>,
    /// The report (SPEC §13).
    pub json: Value,
}

impl Report {
    /// The verdict.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn verdict(&self) -> &str {
        self.json["verdict"].as_str().unwrap_or_else(|| panic!("a verdict in {}", self.json))
    }

    /// The checks that failed, each with the entry at which it did first.
    #[must_use]
    pub fn failed(&self) -> BTreeMap<String, Option<u64>> {
        let checks = self.json["checks"].as_array().into_iter().flatten();
        let failed = checks.filter(|check| check["result"] == "failed");
        failed.filter_map(|check| Some((check["code"].as_str()?.to_owned(), check["seq"].as_u64()))).collect()
    }

    /// Asserts that all is well, and returns how many entries there are.
    ///
    /// # Panics
    /// When it is not.
    pub fn assert_verified(&self) -> u64 {
        assert_eq!((self.verdict(), self.status), ("verified", Some(0)), "{:#}", self.json);
        self.json["size"].as_u64().expect("a size")
    }
}

/// Runs the verifier with these arguments, and `--json`.
///
/// # Panics
/// When it does not run, or prints no report.
#[must_use]
pub fn run(arguments: &[&Path]) -> Report {
    let output = Command::new(binaries::verifier()).args(arguments).arg("--json").output().expect("the verifier runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
    let json = json.unwrap_or_else(|| panic!("no report: {text}{}", String::from_utf8_lossy(&output.stderr)));
    Report { status: output.status.code(), json }
}

/// Runs the verifier on a bundle file.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn verify_file(bundle: &Path, ledger: &str) -> Report {
    run(&[Path::new("bundle"), bundle, Path::new("--ledger"), Path::new(ledger)])
}

/// Runs the verifier on a bundle, given files besides: an earlier checkpoint, a trust file.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn verify_given(bundle: &[u8], ledger: &str, given: &[(&str, &Path)]) -> Report {
    let mut file = tempfile::Builder::new().suffix(".bundle.jsonl").tempfile().expect("a temporary file");
    file.write_all(bundle).expect("a bundle is written");
    let mut arguments = vec![Path::new("bundle"), file.path(), Path::new("--ledger"), Path::new(ledger)];
    arguments.extend(given.iter().flat_map(|(option, path)| [Path::new(*option), *path]));
    run(&arguments)
}

/// Runs the verifier on a bundle.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn verify(bundle: &[u8], ledger: &str) -> Report {
    verify_given(bundle, ledger, &[])
}
