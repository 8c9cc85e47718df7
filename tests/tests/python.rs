//! `examples/verify.py`, written from SPEC.md alone, against the verifier: on every vector the same verdict, the same exit
//! status, the same failing checks.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_tests::harness::binaries;
use serde_json::Value;

/// The root of the project.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether the interpreter has a package.
fn has(python: &str, package: &str) -> bool {
    Command::new(python).args(["-c", &format!("import {package}")]).output().is_ok_and(|o| o.status.success())
}

/// A Python with `cryptography`, or `None` and the reason said. CI sets `COUNTERSIGN_REQUIRE_PYTHON`: there it must be.
fn python() -> Option<String> {
    let named = std::env::var("COUNTERSIGN_PYTHON").ok();
    let found = named.into_iter().chain(["python3".to_owned(), "/usr/bin/python3".to_owned()]);
    let found = found.into_iter().find(|python| has(python, "cryptography"));
    if found.is_none() {
        let reason =
            "no python3 with the package cryptography: `pip install cryptography`, or name one in COUNTERSIGN_PYTHON";
        assert!(std::env::var_os("COUNTERSIGN_REQUIRE_PYTHON").is_none(), "{reason}");
        eprintln!("skipped: {reason}");
    }
    found
}

/// The vectors with every zstd file unpacked, for a Python that cannot. Those that are about zstd are left out.
fn unpacked(index: &[Value], into: &Path) -> Vec<Value> {
    let root = project().join("tests/vectors");
    let mut kept = Vec::new();
    for vector in index.iter().filter(|v| !v["name"].as_str().unwrap().starts_with("s11-zstd")) {
        let mut vector = vector.clone();
        let given = vector["evidence"].as_array().cloned().unwrap_or_default();
        let given = given.into_iter().chain(["file", "trust", "previous", "bundle"].map(|name| vector[name].clone()));
        for file in given.filter_map(|v| v.as_str().map(str::to_owned)).collect::<Vec<String>>() {
            let bytes = std::fs::read(root.join(&file)).unwrap();
            let plain = file.strip_suffix(".zst");
            let bytes = if plain.is_some() { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes };
            let target = into.join(plain.unwrap_or(&file));
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, bytes).unwrap();
        }
        for name in ["file", "bundle"] {
            if let Some(plain) = vector[name].as_str().and_then(|file| file.strip_suffix(".zst")) {
                vector[name] = plain.into();
            }
        }
        kept.push(vector);
    }
    std::fs::write(into.join("index.json"), serde_json::to_vec(&kept).unwrap()).unwrap();
    kept
}

/// What `countersign-verify` says of a vector: exit status and report.
fn verifier(vector: &Value) -> (Option<i32>, Value) {
    let root = project().join("tests/vectors");
    let path = |file: &Value| root.join(file.as_str().unwrap());
    let mut command = Command::new(binaries::verifier());
    command.arg(vector["command"].as_str().unwrap()).arg(path(&vector["file"])).arg("--json");
    if let Some(ledger) = vector["ledger"].as_str() {
        command.args(["--ledger", ledger]);
    }
    for option in ["trust", "previous", "bundle"].iter().filter(|option| vector[**option].is_string()) {
        command.arg(format!("--{option}")).arg(path(&vector[*option]));
    }
    for file in vector["evidence"].as_array().into_iter().flatten() {
        command.arg("--evidence").arg(path(file));
    }
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|e| panic!("{}: no report: {e}", vector["name"])))
}

/// The failing checks of a report, each with its seq.
fn failing(report: &Value) -> BTreeMap<&str, &Value> {
    let checks = report["checks"].as_array().unwrap().iter().filter(|c| c["result"] == "failed");
    checks.map(|c| (c["code"].as_str().unwrap(), &c["seq"])).collect()
}

/// How the two differ on one vector, beyond what SPEC leaves open there.
fn differences(vector: &Value, line: &Value) -> Vec<String> {
    let mut wrong: Vec<String> = line["differs"].as_array().unwrap().iter().map(Value::to_string).collect();
    let (status, theirs) = verifier(vector);
    let ours = &line["report"];
    for (what, theirs, ours) in
        [("exit status", &Value::from(status), &line["exit"]), ("verdict", &theirs["verdict"], &ours["verdict"])]
    {
        if theirs != ours {
            wrong.push(format!("{what}: countersign-verify {theirs}, verify.py {ours}"));
        }
    }
    // verified, and extracts
    if theirs["verdict"] == "verified" || vector["command"] == "bundle" && theirs["verdict"] == "partial" {
        for member in ["ledger", "size", "shown", "undisclosed", "suspect", "sealed"] {
            if theirs[member] != ours[member] {
                wrong.push(format!("{member}: countersign-verify {}, verify.py {}", theirs[member], ours[member]));
            }
        }
    }
    let (mut theirs, mut ours) = (failing(&theirs), failing(ours));
    for code in vector["expect"]["may_fail"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        theirs.remove(code);
        ours.remove(code);
    }
    for open in vector["expect"]["failed"].as_array().unwrap().iter().filter(|f| f["seq"] == "any") {
        let code = open["code"].as_str().unwrap();
        if theirs.remove(code).is_some() != ours.remove(code).is_some() {
            wrong.push(format!("{code}: one of the two says that it failed"));
        }
    }
    if theirs != ours {
        wrong.push(format!("failing: countersign-verify {theirs:?}, verify.py {ours:?}"));
    }
    wrong
}

#[test]
fn the_python_verifier_agrees_on_every_vector() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut vectors = project().join("tests/vectors");
    let mut index: Vec<Value> = serde_json::from_slice(&std::fs::read(vectors.join("index.json")).unwrap()).unwrap();
    if !has(&python, "zstandard") {
        eprintln!("the package zstandard is not installed: without the vectors on zstd itself");
        index = unpacked(&index, folder.path());
        folder.path().clone_into(&mut vectors);
    }
    let script = project().join("examples/verify.py");
    let output = Command::new(&python).arg(script).arg("vectors").arg(&vectors).arg("--json").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<Value> =
        output.stdout.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice(l).ok()).collect();
    assert_eq!(lines.len(), index.len(), "verify.py ended early: {errors}");

    // Those that were unpacked are read by the verifier as they are in the folder of the project.
    let original: Vec<Value> =
        serde_json::from_slice(&std::fs::read(project().join("tests/vectors/index.json")).unwrap()).unwrap();
    let original: BTreeMap<&str, &Value> = original.iter().map(|v| (v["name"].as_str().unwrap(), v)).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut wrong = Vec::new();
        while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = line["name"].as_str().unwrap();
            let differences = differences(original[name], line);
            if !differences.is_empty() {
                wrong.push(format!("{name}\n    {}", differences.join("\n    ")));
            }
        }
        wrong
    };
    let mut wrong = std::thread::scope(|scope| {
        let threads = [scope.spawn(worker), scope.spawn(worker)];
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect::<Vec<String>>()
    });
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {} vectors:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
    assert!(output.status.success(), "verify.py: {errors}");
}
