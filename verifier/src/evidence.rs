//! Evidence files given by the user: hashed here, matched by hash and size, never by name (SPEC §13).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hash::Hash;

/// A file and its hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EvidenceFile {
    /// Where it is, for messages.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Its length.
    pub size: u64,
}

/// Hashes a file, or every regular file under a folder. Links inside a folder are left out, and counted.
///
/// # Errors
/// Names the path that cannot be read.
pub fn collect(path: &Path) -> Result<(Vec<EvidenceFile>, usize), (PathBuf, io::Error)> {
    let mut files = Vec::new();
    let mut links = 0;
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let fault = |e| (path.clone(), e);
        if fs::metadata(&path).map_err(fault)?.is_dir() {
            for entry in fs::read_dir(&path).map_err(fault)? {
                let entry = entry.map_err(fault)?;
                if entry.file_type().map_err(fault)?.is_symlink() {
                    links += 1;
                } else {
                    waiting.push(entry.path());
                }
            }
        } else {
            files.push(hash_file(&path).map_err(fault)?);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((files, links))
}

fn hash_file(path: &Path) -> io::Result<EvidenceFile> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
    Ok(EvidenceFile { path: path.to_owned(), sha256: Hash::from_bytes(hasher.finalize().into()), size })
}
