//! What a client remembers between runs: the newest checkpoint of each ledger, and which ledger an address served.
//!
//! | file in the state folder | content |
//! |---|---|
//! | `LEDGERID.checkpoint` | the newest signed checkpoint that this user has seen and checked (a C2SP signed note) |
//! | `servers.json` | an object from server address to the ledger id that it served first |
//!
//! The folder is `$XDG_STATE_HOME/countersign`, or what the platform has in its place. Files are replaced whole; two
//! commands at once leave the larger checkpoint.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::LedgerId;

use super::error::ClientError;

/// The folder.
#[derive(Debug, Clone)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// Uses a folder; makes it when something is to be written.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Finds the user's own.
    ///
    /// # Errors
    /// When the environment names none.
    pub fn of_user() -> Result<Self, ClientError> {
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        variable("XDG_STATE_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local").join("state")))
            .or_else(|| variable("LOCALAPPDATA"))
            .map(|base| Self(base.join("countersign")))
            .ok_or_else(|| ClientError::Setting {
                what: "there is no folder for the newest checkpoints: set XDG_STATE_HOME".to_owned(),
            })
    }

    /// Returns the file of a ledger's checkpoint.
    #[must_use]
    pub fn checkpoint_file(&self, ledger: &LedgerId) -> PathBuf {
        self.0.join(format!("{ledger}.checkpoint"))
    }

    /// Reads the newest checkpoint seen of a ledger.
    ///
    /// # Errors
    /// When there is a file and it cannot be read, or is no checkpoint.
    pub fn checkpoint(&self, ledger: &LedgerId) -> Result<Option<SignedCheckpoint>, ClientError> {
        let path = self.checkpoint_file(ledger);
        let Some(bytes) = read(&path)? else { return Ok(None) };
        SignedCheckpoint::from_bytes(&bytes).map(Some).map_err(|e| damaged(&path, &e.to_string()))
    }

    /// Keeps a checkpoint, unless the file has a larger one by now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, ledger: &LedgerId, checkpoint: &SignedCheckpoint) -> Result<(), ClientError> {
        let _lock = self.lock()?;
        let newer = self.checkpoint(ledger)?.is_some_and(|kept| kept.checkpoint().size >= checkpoint.checkpoint().size);
        if newer {
            return Ok(());
        }
        self.write(&self.checkpoint_file(ledger), checkpoint.to_string().as_bytes())
    }

    /// Returns the ledger that an address served first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn ledger_of(&self, server: &str) -> Result<Option<LedgerId>, ClientError> {
        Ok(self.servers()?.get(server).copied())
    }

    /// Remembers which ledger an address serves.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember(&self, server: &str, ledger: LedgerId) -> Result<(), ClientError> {
        let _lock = self.lock()?;
        let mut servers = self.servers()?;
        if servers.insert(server.to_owned(), ledger) == Some(ledger) {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&servers).unwrap_or_default() + "\n";
        self.write(&self.servers_file(), text.as_bytes())
    }

    /// Returns the file of addresses.
    #[must_use]
    pub fn servers_file(&self) -> PathBuf {
        self.0.join("servers.json")
    }

    fn servers(&self) -> Result<BTreeMap<String, LedgerId>, ClientError> {
        let path = self.servers_file();
        let Some(bytes) = read(&path)? else { return Ok(BTreeMap::new()) };
        serde_json::from_slice(&bytes).map_err(|e| damaged(&path, &e.to_string()))
    }

    /// Keeps other commands from writing until it is dropped.
    fn lock(&self) -> Result<File, ClientError> {
        let path = self.0.join("lock");
        let error = |source| ClientError::State { what: "lock", path: path.clone(), source };
        fs::create_dir_all(&self.0).map_err(error)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(error)?;
        file.lock().map_err(error)?;
        Ok(file)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ClientError> {
        let error = |source| ClientError::State { what: "write", path: path.to_owned(), source };
        let mut file = tempfile::NamedTempFile::new_in(&self.0).map_err(error)?;
        io::Write::write_all(&mut file, bytes).map_err(error)?;
        file.persist(path).map_err(|e| error(e.error))?;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ClientError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ClientError::State { what: "read", path: path.to_owned(), source }),
    }
}

fn damaged(path: &Path, reason: &str) -> ClientError {
    ClientError::Setting { what: format!("{} is damaged: {reason}", path.display()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::checkpoint::Checkpoint;
    use countersign_ledger::hash::NodeHash;
    use countersign_ledger::id::TreeSize;
    use countersign_ledger::keys::SigningKey;
    use countersign_ledger::note::NoteSigner;

    use super::*;

    fn checkpoint(size: u64) -> SignedCheckpoint {
        let signer = NoteSigner::new("example.org/log".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
        let checkpoint = Checkpoint {
            origin: "example.org/log".parse().unwrap(),
            size: TreeSize(size),
            root: NodeHash::from_bytes([u8::try_from(size).unwrap(); 32]),
        };
        checkpoint.sign(&[signer]).unwrap()
    }

    #[test]
    fn keeps_the_largest_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path().join("new"));
        let ledger = LedgerId::from_bytes([7; 32]);
        assert!(state.checkpoint(&ledger).unwrap().is_none());
        state.keep(&ledger, &checkpoint(3)).unwrap();
        state.keep(&ledger, &checkpoint(2)).unwrap();
        assert_eq!(state.checkpoint(&ledger).unwrap().unwrap().checkpoint().size, TreeSize(3));
        fs::write(state.checkpoint_file(&ledger), "hello").unwrap();
        assert!(state.checkpoint(&ledger).unwrap_err().to_string().contains("is damaged"));
    }

    #[test]
    fn remembers_the_ledger_of_an_address() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path().to_owned());
        assert_eq!(state.ledger_of("http://a").unwrap(), None);
        state.remember("http://a", LedgerId::from_bytes([7; 32])).unwrap();
        state.remember("http://b", LedgerId::from_bytes([8; 32])).unwrap();
        assert_eq!(state.ledger_of("http://a").unwrap(), Some(LedgerId::from_bytes([7; 32])));
    }
}
