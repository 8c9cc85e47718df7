//! Files: read with a limit, written whole or not at all, never overwritten unawares.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use countersign_ledger::json;
use serde_json::Value;

use crate::failure::Failure;

/// Reads a file of at most `limit` bytes; `-` is stdin.
///
/// # Errors
/// When it cannot be read or is longer.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let result = if path.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    result.map_err(|e| Failure::file(path, "read", &e))?;
    if bytes.len() > limit {
        return Err(Failure::usage(format_args!("{} is longer than {limit} bytes", path.display())));
    }
    Ok(bytes)
}

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, is longer, or is not UTF-8.
pub fn read_text(path: &Path, limit: usize) -> Result<String, Failure> {
    String::from_utf8(read(path, limit)?).map_err(|e| {
        Failure::usage(format_args!("{} is not utf-8 (byte {})", path.display(), e.utf8_error().valid_up_to()))
    })
}

/// Reads a JSON file of at most `limit` bytes, strictly (SPEC §1); white space around the value is no matter.
///
/// # Errors
/// When it cannot be read, is longer, or is not strict JSON.
pub fn read_json(path: &Path, limit: usize) -> Result<Value, Failure> {
    let bytes = read(path, limit)?;
    // a body takes part in a payload's nesting, which the reader of the payload limits again
    json::parse(bytes.trim_ascii(), json::MAX_DEPTH)
        .map_err(|e| Failure::usage(format_args!("{} is not strict json: {e}", path.display())))
}

/// Makes a new file that only its owner can read, durably; an existing one is left alone and told.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    create(path, bytes, 0o600)
}

/// Makes a new file, durably; an existing one is left alone and told.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub fn create_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    create(path, bytes, 0o644)
}

fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format_args!("{} exists already", path.display()))
            .hint("nothing is ever overwritten: choose another name, or move that file away first"),
        _ => Failure::file(path, "make", &e),
    })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_folder(folder_of(path)));
    if let Err(e) = written {
        drop(file);
        // half a file is worse than none; that it cannot be removed either changes nothing
        let _ = fs::remove_file(path);
        return Err(Failure::file(path, "write", &e));
    }
    Ok(())
}

/// Replaces a file in one step, or leaves it as it was.
///
/// # Errors
/// When the new file cannot be written beside it or put in its place.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut partial = Partial::create(path)?;
    partial.write_all(bytes).map_err(|e| Failure::file(path, "write", &e))?;
    partial.persist()
}

/// How the names of files begin and end that are being written.
const PARTIAL_PREFIX: &str = ".countersign-";
const PARTIAL_SUFFIX: &str = ".part";

/// Removes from a folder what processes that were killed left of files that they were writing. Only for a folder of
/// which it is certain that nobody writes there now.
///
/// # Errors
/// When the folder cannot be read, or a file not be removed.
pub fn remove_partial(folder: &Path) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name();
        let partial = name.to_str().is_some_and(|n| n.starts_with(PARTIAL_PREFIX) && n.ends_with(PARTIAL_SUFFIX));
        if partial && item.file_type()?.is_file() {
            fs::remove_file(item.path())?;
        }
    }
    Ok(())
}

/// A file that is being written: it takes its name only when it is whole.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Partial {
    /// Begins a file beside its final place.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let folder = folder_of(path);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PARTIAL_PREFIX).suffix(PARTIAL_SUFFIX);
        #[cfg(unix)]
        {
            let mode = fs::metadata(path).map_or(0o644, |m| std::os::unix::fs::PermissionsExt::mode(&m.permissions()));
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        }
        let file = builder.tempfile_in(folder).map_err(|e| Failure::file(path, "write", &e))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Puts the whole file in its place, durably.
    ///
    /// # Errors
    /// When it cannot be synced or renamed.
    pub fn persist(self) -> Result<(), Failure> {
        let Self { path, file } = self;
        file.as_file().sync_all().map_err(|e| Failure::file(&path, "write", &e))?;
        file.persist(&path).map_err(|e| Failure::file(&path, "write", &e.error))?;
        sync_folder(folder_of(&path)).map_err(|e| Failure::file(&path, "write", &e))
    }
}

/// Makes durable which files are in a folder.
///
/// # Errors
/// When the folder cannot be synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // elsewhere a folder cannot be opened as a file
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Refuses a path that exists, before work is done for it.
///
/// # Errors
/// When there is something at `path`.
pub fn must_be_free(path: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(Failure::usage(format_args!("{} exists already", path.display()))
            .hint("nothing is ever overwritten: choose another name, or move that file away first"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn never_overwrites_and_replaces_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        create_secret(&path, b"one").unwrap();
        assert!(create_secret(&path, b"two").unwrap_err().message.ends_with("exists already"));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
        replace(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_over_the_limit_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4).unwrap_err().message.ends_with("is longer than 4 bytes"));
    }
}
