//! Writes `tests/vectors` anew, bit for bit: `cargo run --release -p countersign-tests --bin make_vectors`.

use std::path::PathBuf;

use anyhow::Context as _;
use countersign_tests::forge::vectors;

fn main() -> anyhow::Result<()> {
    let root = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors"),
    };
    for folder in vectors::FOLDERS {
        let path = root.join(folder);
        if path.exists() {
            std::fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    let files = vectors::files(&vectors::all());
    for (name, bytes) in &files {
        let path = root.join(name);
        let folder = path.parent().context("a file has a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    println!("{} files, {} bytes in {}", files.len(), files.iter().map(|f| f.1.len()).sum::<usize>(), root.display());
    Ok(())
}
