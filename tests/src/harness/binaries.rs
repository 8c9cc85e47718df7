//! The programs under test: real ones, from the target directory that the test itself is in.

use std::path::{Path, PathBuf};

/// Finds a program: the file that the variable names, else the one in the target directory of this test.
fn find(variable: &str, name: &str, package: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.parent().and_then(Path::parent).expect("tests are in target/release/deps");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not there: build it with `cargo build --release -p {package}`, or name it in {variable}",
        path.display()
    );
    path
}

/// The server and command line, `countersign`.
#[must_use]
pub fn countersign() -> PathBuf {
    find("COUNTERSIGN_BIN", "countersign", "countersign")
}

/// The verifier, `countersign-verify`.
#[must_use]
pub fn verifier() -> PathBuf {
    find("COUNTERSIGN_VERIFY_BIN", "countersign-verify", "countersign-verify")
}
