//! The verifier stands alone: nothing of the ledger is in it, so that no mistake is in both.
//!
//! Its dependencies are walked twice. `Cargo.lock` has every package that could be built with it on any platform, in
//! any kind (normal, build, dev) and with any feature: more than any one build. `cargo metadata` has what its manifest
//! says, and where its sources are. And its sources are read: nothing is included from outside its folder.
//!
//! Beside it: a client built without the server needs no RocksDB, and no program is built with faults in it.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const VERIFIER: &str = "countersign-verify";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Packages of which one in the closure would mean that the verifier talks to a network, or needs the store.
const FOREIGN: [&str; 25] = [
    "async-std",
    "axum",
    "bindgen",
    "cc",
    "curl",
    "h2",
    "http",
    "hyper",
    "librocksdb-sys",
    "mio",
    "native-tls",
    "openssl",
    "quinn",
    "reqwest",
    "rocksdb",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tonic",
    "tower",
    "tungstenite",
    "ureq",
    "url",
    "zstd-sys",
];

/// The project's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).arg("--locked").current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What `cargo metadata` says of the workspace's own packages.
fn packages() -> BTreeMap<String, Value> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), package.clone())).collect()
}

/// A package of the lock file.
#[derive(Debug, Clone)]
struct Locked {
    source: Option<String>,
    checksum: Option<String>,
    dependencies: Vec<(String, Option<String>)>,
}

/// Reads the lock file: packages by name and version.
fn locked() -> BTreeMap<(String, String), Locked> {
    let lock: toml::Table = std::fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let text = |package: &toml::Value, name: &str| package.get(name).and_then(|v| v.as_str()).map(str::to_owned);
    let dependency = |named: &toml::Value| {
        let mut words = named.as_str().unwrap().split(' ').map(str::to_owned);
        (words.next().unwrap(), words.next())
    };
    let packages = lock["package"].as_array().unwrap().iter().map(|package| {
        let dependencies = package.get("dependencies").and_then(|d| d.as_array()).into_iter().flatten();
        let locked = Locked {
            source: text(package, "source"),
            checksum: text(package, "checksum"),
            dependencies: dependencies.map(dependency).collect(),
        };
        ((text(package, "name").unwrap(), text(package, "version").unwrap()), locked)
    });
    packages.collect()
}

/// Every package that can be reached from one of the workspace, itself among them.
fn closure(name: &str) -> BTreeMap<(String, String), Locked> {
    let all = locked();
    let mut found = BTreeMap::new();
    let mut open = vec![(name.to_owned(), None)];
    while let Some((name, version)) = open.pop() {
        let mut hits = all.iter().filter(|((n, v), _)| *n == name && version.as_ref().is_none_or(|wanted| wanted == v));
        let (id, package) = hits.next().unwrap_or_else(|| panic!("{name} is not in Cargo.lock"));
        assert!(hits.next().is_none(), "{name} is there twice and no version is named");
        if found.insert(id.clone(), package.clone()).is_none() {
            open.extend(package.dependencies.clone());
        }
    }
    found
}

#[test]
fn the_verifiers_dependencies_are_published_crates_alone() {
    let own: BTreeSet<String> = packages().into_keys().collect();
    assert!(own.contains(VERIFIER) && own.contains("countersign-ledger"), "{own:?}");
    let closure = closure(VERIFIER);
    assert!(closure.len() > 10, "a closure of {} packages", closure.len());
    for ((name, version), package) in closure {
        if name == VERIFIER {
            continue;
        }
        assert!(!own.contains(&name), "{VERIFIER} needs {name}, which is of this workspace");
        assert_eq!(package.source.as_deref(), Some(CRATES_IO), "{name} {version} is not from crates.io");
        assert!(package.checksum.is_some(), "{name} {version} has no checksum");
        assert!(!FOREIGN.contains(&name.as_str()), "{VERIFIER} needs {name}");
    }
}

#[test]
fn the_walk_finds_what_it_looks_for() {
    let names: BTreeSet<String> = closure("countersign").into_keys().map(|(name, _)| name).collect();
    for name in ["countersign-ledger", "rocksdb", "librocksdb-sys", "tokio", "axum"] {
        assert!(names.contains(name), "{name} is not among what `countersign` needs");
    }
}

#[test]
fn the_verifiers_manifest_names_no_path() {
    let packages = packages();
    let verifier = &packages[VERIFIER];
    for dependency in verifier["dependencies"].as_array().unwrap() {
        let name = dependency["name"].as_str().unwrap();
        assert!(dependency["path"].is_null(), "{VERIFIER} names {name} by a path");
        assert_eq!(dependency["source"], CRATES_IO, "{name}");
        assert!(!packages.contains_key(name), "{VERIFIER} names {name}, which is of this workspace");
    }
    for target in verifier["targets"].as_array().unwrap() {
        let source = Path::new(target["src_path"].as_str().unwrap()).canonicalize().unwrap();
        assert!(
            source.starts_with(root().join("verifier").canonicalize().unwrap()),
            "{} is built into {VERIFIER}",
            source.display()
        );
        assert_ne!(target["kind"][0], "custom-build", "{VERIFIER} has a build script");
    }
}

/// Every file and folder below one, none of them a link.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        assert!(!kind.is_symlink(), "{} is a symbolic link", path.display());
        if kind.is_dir() && path.file_name() != Some("target".as_ref()) {
            found.extend(files(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found
}

/// The places in a source where it takes in another file: the words, and what follows on the line.
fn inclusions(source: &str) -> Vec<String> {
    let bare: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let squeezed: String = bare.chars().filter(|c| !c.is_whitespace()).collect();
    let mut found = Vec::new();
    for word in ["include!", "include_str!", "include_bytes!", "#[path", "path=\"", "externcrate", "env!("] {
        found.extend(squeezed.match_indices(word).map(|(at, _)| squeezed[at..].chars().take(80).collect::<String>()));
    }
    found
}

#[test]
fn the_verifiers_sources_include_nothing_from_outside() {
    let sources = files(&root().join("verifier"));
    let rust: Vec<&PathBuf> = sources.iter().filter(|path| path.extension() == Some("rs".as_ref())).collect();
    assert!(rust.len() > 10, "{rust:?}");
    for path in rust {
        let source = std::fs::read_to_string(path).unwrap();
        for inclusion in inclusions(&source) {
            // The compiler's own values; and files below the source's own folder, if they are named by a literal.
            let known = ["env!(\"CARGO_PKG_VERSION\")", "env!(\"CARGO_BIN_EXE_", "env!(\"CARGO_MANIFEST_DIR\")"];
            if known.iter().any(|known| inclusion.starts_with(known)) && !source.contains("include") {
                continue;
            }
            let literal = inclusion.split('"').nth(1);
            let inside = literal.is_some_and(|name| !name.contains("..") && !name.starts_with('/'));
            assert!(inside && !inclusion.contains("concat!"), "{}: {inclusion}", path.display());
        }
        assert!(!source.contains("countersign_ledger"), "{} names the ledger's crate", path.display());
    }
}

#[test]
fn inclusions_are_seen() {
    for hidden in [
        "include!(\"../../ledger/src/hash.rs\");",
        "const S: &str = include_str ! (\"x\");",
        "#[path = \"../../ledger/src/hash.rs\"] mod hash;",
        "# [ cfg_attr(all(), path = \"../x.rs\") ] mod x;",
        "static B: &[u8] = include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../x\"));",
    ] {
        assert!(!inclusions(hidden).is_empty(), "{hidden}");
    }
    assert!(inclusions("// include!(\"x\")\nfn included() {}").is_empty());
}

/// The names of what a program is built of.
fn built(package: &str, more: &[&str]) -> BTreeSet<String> {
    let tree =
        cargo(&[&["tree", "-p", package, "-e", "normal,build", "--prefix", "none", "--format", "{p}"], more].concat());
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn a_client_without_the_server_needs_no_store_and_no_server() {
    let client = built("countersign", &["--no-default-features"]);
    assert!(client.contains("countersign-ledger"), "{client:?}");
    for name in ["rocksdb", "librocksdb-sys", "bindgen", "axum", "tokio", "tower-http", "hyper"] {
        assert!(!client.contains(name), "the client needs {name}");
    }
    let server = built("countersign", &[]);
    assert!(server.contains("rocksdb") && server.contains("axum"), "{server:?}");
}

/// The features of the ledger that a package turns on, by edges of those kinds.
fn ledger_features(package: &str, edges: &str) -> BTreeSet<String> {
    let inverted =
        ["tree", "-p", package, "-e", edges, "-i", "countersign-ledger", "--prefix", "none", "--format", "{p}"];
    let tree = cargo(&inverted);
    let features = tree.lines().filter_map(|line| line.strip_prefix("countersign-ledger feature "));
    features.filter_map(|feature| feature.split('"').nth(1)).map(str::to_owned).collect()
}

#[test]
fn no_program_has_faults() {
    for package in ["countersign", "countersign-tests", "countersign-examples"] {
        let features = ledger_features(package, "normal,build,features");
        assert!(features.contains("rocks"), "{package}: {features:?}");
        assert!(!features.contains("faults") && !features.contains("testing"), "{package}: {features:?}");
    }
    let tests = ledger_features("countersign-tests", "normal,build,dev,features");
    assert!(tests.contains("faults"), "{tests:?}");
}
