//! The verifier binary on every vector, and the committed vectors against the forge.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_tests::forge::{Vector, vectors};
use serde_json::Value;

/// The vectors, made once.
static MADE: LazyLock<Vec<Vector>> = LazyLock::new(vectors::all);

/// `tests/vectors`
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The verifier binary: `COUNTERSIGN_VERIFY_BIN`, else beside the test in the target directory.
fn verifier() -> PathBuf {
    if let Some(path) = std::env::var_os("COUNTERSIGN_VERIFY_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(format!("countersign-verify{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not there: build it with `cargo build --release -p countersign-verify`, or name it in COUNTERSIGN_VERIFY_BIN",
        path.display()
    );
    path
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// Runs the verifier on one vector: exit status, standard output.
fn run(verifier: &Path, vector: &Value) -> (Option<i32>, String) {
    let mut command = Command::new(verifier);
    command.arg(text(vector, "command")).arg(root().join(text(vector, "file"))).arg("--json");
    if let Some(ledger) = vector["ledger"].as_str() {
        command.args(["--ledger", ledger]);
    }
    for option in ["trust", "previous", "bundle"] {
        if let Some(path) = vector[option].as_str() {
            command.arg(format!("--{option}")).arg(root().join(path));
        }
    }
    for path in vector["evidence"].as_array().into_iter().flatten() {
        command.arg("--evidence").arg(root().join(path.as_str().unwrap()));
    }
    let output = command.output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

/// Compares a report with what is expected, and says what differs.
fn compare(vector: &Value, status: Option<i32>, output: &str) -> Vec<String> {
    let expect = &vector["expect"];
    let mut wrong = Vec::new();
    let mut differ = |what: &str, expected: &Value, found: &Value| {
        if expected != found {
            wrong.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    differ("exit status", &expect["exit"], &status.map_or(Value::Null, Value::from));
    let Some(report) = output.lines().next().and_then(|l| serde_json::from_str::<Value>(l).ok()) else {
        if expect["verdict"] != "not_checked" {
            wrong.push(format!("no report: {}", output.chars().take(300).collect::<String>()));
        }
        return wrong;
    };
    differ("verdict", &expect["verdict"], &report["verdict"]);
    if expect["verdict"] == "not_checked" && report.get("checks").is_none() {
        return wrong;
    }
    let checks: Vec<&Value> = report["checks"].as_array().into_iter().flatten().collect();
    let with = |result: &str| -> BTreeMap<&str, &Value> {
        checks.iter().filter(|c| c["result"] == result).map(|c| (text(c, "code"), *c)).collect()
    };
    let failed = with("failed");
    let may: BTreeSet<&str> = expect["may_fail"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut wanted = BTreeSet::new();
    for want in expect["failed"].as_array().unwrap() {
        let code = text(want, "code");
        wanted.insert(code);
        let Some(found) = failed.get(code) else {
            wrong.push(format!("{code}: expected to fail, did not"));
            continue;
        };
        for place in ["seq", "line"] {
            let exact = want[place] != "any" && !(place == "line" && (want[place].is_null() || found[place].is_null()));
            if exact && want[place] != found[place] {
                wrong.push(format!("{code}: expected {place} {}, found {found}", want[place]));
            }
        }
    }
    for (code, found) in failed {
        if !wanted.contains(code) && !may.contains(code) {
            wrong.push(format!("{code}: not expected to fail, but {found}"));
        }
    }
    if let Some(undecided) = expect["undecided"].as_array() {
        let undecided: BTreeSet<&str> = undecided.iter().filter_map(Value::as_str).collect();
        let found: BTreeSet<&str> = with("undecided").into_keys().collect();
        if undecided != found {
            wrong.push(format!("undecided: expected {undecided:?}, found {found:?}"));
        }
    }
    if expect["undecided"].is_array() {
        let sealed = expect.get("sealed").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        if sealed != report["sealed"] {
            wrong.push(format!("sealed: expected {sealed}, found {}", report["sealed"]));
        }
    }
    if expect["verdict"] == "verified" {
        let suspect: Vec<&Value> = report["suspect"].as_array().into_iter().flatten().map(|s| &s["seq"]).collect();
        let wanted: Vec<&Value> = expect["suspect"].as_array().unwrap().iter().collect();
        if suspect != wanted {
            wrong.push(format!("suspect: expected {wanted:?}, found {}", report["suspect"]));
        }
        if expect["undisclosed"] != report["undisclosed"] {
            wrong.push(format!("undisclosed: expected {}, found {}", expect["undisclosed"], report["undisclosed"]));
        }
    }
    wrong
}

#[test]
fn the_verifier_judges_every_vector() {
    let verifier = verifier();
    let index: Vec<Value> = serde_json::from_slice(&std::fs::read(root().join("index.json")).unwrap()).unwrap();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut wrong = Vec::new();
        while let Some(vector) = index.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (status, output) = run(&verifier, vector);
            let differences = compare(vector, status, &output);
            if !differences.is_empty() {
                let sentence = text(vector, "sentence");
                wrong.push(format!("{} ({sentence})\n    {}", text(vector, "name"), differences.join("\n    ")));
            }
        }
        wrong
    };
    let mut wrong = std::thread::scope(|scope| {
        let threads = [scope.spawn(worker), scope.spawn(worker)];
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect::<Vec<String>>()
    });
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {} vectors:\n{}", wrong.len(), index.len(), wrong.join("\n"));
}

#[test]
fn committed_vectors_are_what_the_forge_makes() {
    let files = vectors::files(&MADE);
    let mut names = BTreeSet::new();
    for (name, bytes) in &files {
        let committed = std::fs::read(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}; run make_vectors"));
        assert!(committed == *bytes, "{name} differs from what the forge makes; run make_vectors");
        names.insert(root().join(name));
    }
    let mut folders: Vec<PathBuf> = vectors::FOLDERS.iter().map(|f| root().join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert!(names.contains(&path), "{} is not made by the forge", path.display());
            }
        }
    }
}

#[test]
fn every_vector_shows_a_sentence() {
    let all = &*MADE;
    assert!(all.iter().all(|v| !v.sentence.is_empty() && !v.section.is_empty()));
    for section in ["§1", "§2", "§3", "§4", "§5", "§6", "§7", "§8", "§9", "§10", "§11", "§12", "§13"] {
        assert!(all.iter().any(|v| v.section == section && !v.failed.is_empty()), "no invalid vector for {section}");
    }
    let codes: BTreeSet<&str> = all.iter().flat_map(|v| &v.failed).map(|f| f.code.as_str()).collect();
    for code in [
        "FORMAT",
        "LEDGER",
        "CHAIN",
        "TREE",
        "CHECKPOINT",
        "WITNESS",
        "CONSISTENT",
        "SIGNATURE",
        "KEY",
        "POLICY",
        "STREAM",
        "POINTERS",
        "TIME",
        "DISCLOSURE",
        "EVIDENCE",
    ] {
        assert!(codes.contains(code), "no vector fails {code}");
    }
}
