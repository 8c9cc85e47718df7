//! A witness's folder: its key, the ledgers it follows, and what it cosigned of each.
//!
//! ```text
//! DIR/witness.json         the witness's vkey
//! DIR/witness-key.pem      its private key (--witness-key)
//! DIR/lock                 held by the process that works on the folder
//! DIR/ledgers/NAME.json    a ledger: its origin, its log keys, and for an auditor where its entries are
//! DIR/ledgers/NAME.state   what was cosigned of it (`witness::state`)
//! DIR/ledgers/NAME.fork    another checkpoint that its log signed of the size held, once there was one
//! DIR/ledgers/NAME.receipt a false entry that an auditor found, with the proof that the log signed it
//! DIR/audit/NAME           an auditor's copy of its entries
//! ```
//!
//! NAME is the origin with `+` for `/`. A ledger's state is made before its `.json`, so that what is configured always
//! has a state, and a state that is missing was lost.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use countersign_ledger::checkpoint::Cosigner;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::id::Origin;
use countersign_ledger::note::{Vkey, VkeyType};
use serde::{Deserialize, Serialize};

use super::state::{State, StateError};
use crate::failure::Failure;
use crate::files;
use crate::keyring::Keyring;

/// The longest configuration file that is read.
const MAX_CONFIG: usize = 64 << 10;
/// How many log keys a ledger may have here.
pub const MAX_LOG_KEYS: usize = 32;
/// How many ledgers a witness follows.
pub const MAX_LEDGERS: usize = 1_000;

/// Who this witness is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    countersign_witness: u8,
    witness: Vkey,
}

/// A ledger that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerConfig {
    /// Its name in checkpoints.
    pub origin: Origin,
    /// The keys of its log: one, or several while and after they rotate.
    pub log_keys: Vec<Vkey>,
    /// Its id, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerId>,
    /// Where an auditor fetches its entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Certificates to trust there instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_cert: Option<PathBuf>,
}

impl LedgerConfig {
    /// Checks that every log key is a log's and of this origin.
    ///
    /// # Errors
    /// When one is not, there is none, or there are too many.
    pub fn check(&self) -> Result<(), Failure> {
        for key in &self.log_keys {
            if key.ty() != VkeyType::Ed25519 {
                return Err(Failure::usage(format_args!("{key} is a key of type {}, no log key (0x01)", key.ty())));
            }
            if key.name().as_str() != self.origin.as_str() {
                let name = key.name();
                return Err(Failure::usage(format_args!("{name} is no log key of {}: expected its name", self.origin)));
            }
        }
        if self.log_keys.is_empty() || self.log_keys.len() > MAX_LOG_KEYS {
            let found = self.log_keys.len();
            return Err(Failure::usage(format_args!("expected 1 to {MAX_LOG_KEYS} log keys, found {found}")));
        }
        Ok(())
    }
}

/// A witness's folder, perhaps locked.
#[derive(Debug)]
pub struct WitnessFolder {
    path: PathBuf,
    witness: Vkey,
    /// As long as it is open, no other process works on the folder.
    _lock: Option<File>,
}

impl WitnessFolder {
    /// Makes a folder for a witness.
    ///
    /// # Errors
    /// When there is a witness in it already, or it cannot be written.
    pub fn create(path: &Path, witness: &Vkey) -> Result<Self, Failure> {
        fs::create_dir_all(ledgers(path)).map_err(|e| Failure::file(path, "make", &e))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(path, private).map_err(|e| Failure::file(path, "make", &e))?;
        }
        files::sync_folder(path).map_err(|e| Failure::file(path, "make", &e))?;
        let lock = lock(path)?;
        let identity = Identity { countersign_witness: 1, witness: witness.clone() };
        files::create_new(&identity_file(path), json(&identity)?.as_bytes())?;
        Ok(Self { path: path.to_owned(), witness: witness.clone(), _lock: Some(lock) })
    }

    /// Opens a folder to look at.
    ///
    /// # Errors
    /// When there is no witness in it.
    pub fn look(path: &Path) -> Result<Self, Failure> {
        if !identity_file(path).is_file() {
            return Err(Failure::usage(format_args!("there is no witness in {}", path.display()))
                .hint("`countersign witness init --data DIR --name NAME` makes one"));
        }
        let identity: Identity = read_json(&identity_file(path))?;
        if identity.countersign_witness != 1 {
            let found = identity.countersign_witness;
            return Err(Failure::usage(format_args!("{} is of version {found}, not 1", path.display())));
        }
        Ok(Self { path: path.to_owned(), witness: identity.witness, _lock: None })
    }

    /// Opens a folder to work on: nobody else does as long as this lives.
    ///
    /// # Errors
    /// When another process works on it, or there is no witness in it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let folder = Self::look(path)?;
        let lock = lock(path)?;
        let failed = |e: std::io::Error| Failure::file(path, "clear", &e);
        files::remove_partial(path).map_err(failed)?;
        files::remove_partial(&ledgers(path)).map_err(failed)?;
        Ok(Self { _lock: Some(lock), ..folder })
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the key that others verify this witness with.
    #[must_use]
    pub const fn witness(&self) -> &Vkey {
        &self.witness
    }

    /// Tells whether this witness verifies every entry before it cosigns: its name says so (SPEC §11).
    #[must_use]
    pub fn is_auditor(&self) -> bool {
        self.witness.name().is_auditor()
    }

    /// Reads the private key, and checks that it is this witness's.
    ///
    /// # Errors
    /// When it cannot be opened, or is another.
    pub fn cosigner(&self, key: Option<&Path>, keyring: &Keyring) -> Result<Cosigner, Failure> {
        let path = key.map_or_else(|| key_file(&self.path), Path::to_owned);
        let cosigner = Cosigner::new(self.witness.name().clone(), keyring.open(&path)?);
        if *cosigner.vkey() == self.witness {
            return Ok(cosigner);
        }
        let (found, path) = (cosigner.vkey().id(), path.display());
        let expected = self.witness.id();
        Err(Failure::usage(format_args!("{path} is another key ({found}) than that of this witness ({expected})"))
            .hint("give the file of the witness's key: --witness-key FILE"))
    }

    /// Returns the file of a ledger's configuration.
    fn config_file(&self, origin: &Origin) -> PathBuf {
        self.file(origin, "json")
    }

    /// Returns the file of what was cosigned of a ledger.
    #[must_use]
    pub fn state_file(&self, origin: &Origin) -> PathBuf {
        self.file(origin, "state")
    }

    /// Returns the file of a second checkpoint of the size held.
    #[must_use]
    pub fn fork_file(&self, origin: &Origin) -> PathBuf {
        self.file(origin, "fork")
    }

    /// Returns the file of a false entry that the log signed, as a receipt (SPEC §11).
    #[must_use]
    pub fn receipt_file(&self, origin: &Origin) -> PathBuf {
        self.file(origin, "receipt")
    }

    /// Returns the folder of an auditor's copy.
    #[must_use]
    pub fn audit_folder(&self, origin: &Origin) -> PathBuf {
        self.path.join("audit").join(file_name(origin))
    }

    fn file(&self, origin: &Origin, extension: &str) -> PathBuf {
        ledgers(&self.path).join(format!("{}.{extension}", file_name(origin)))
    }

    /// Reads which ledgers are followed, by origin.
    ///
    /// # Errors
    /// When a file cannot be read or is not what is written.
    pub fn ledgers(&self) -> Result<Vec<LedgerConfig>, Failure> {
        let folder = ledgers(&self.path);
        let failed = |e: std::io::Error| Failure::file(&folder, "read", &e);
        let mut found = Vec::new();
        for item in fs::read_dir(&folder).map_err(failed)? {
            let path = item.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let config: LedgerConfig = read_json(&path)?;
            config.check().map_err(|failure| failure.within(path.display()))?;
            if self.config_file(&config.origin) != path {
                return Err(Failure::usage(format_args!("{} is of {}", path.display(), config.origin))
                    .hint("each ledger has a file named after its origin; was this one renamed?"));
            }
            found.push(config);
        }
        found.sort_by(|a, b| a.origin.cmp(&b.origin));
        Ok(found)
    }

    /// Reads one ledger that is followed.
    ///
    /// # Errors
    /// When it is not followed, or its file cannot be read.
    pub fn ledger(&self, origin: &Origin) -> Result<LedgerConfig, Failure> {
        let unknown = || {
            Failure::usage(format_args!("this witness does not follow {origin}"))
                .hint("`countersign witness add-ledger` makes it follow one")
        };
        self.ledgers()?.into_iter().find(|config| config.origin == *origin).ok_or_else(unknown)
    }

    /// Begins to follow a ledger. What was cosigned of it before, if its state is still there, holds on.
    ///
    /// # Errors
    /// When it is followed already, its state cannot be gone on from, or a file cannot be written.
    pub fn add(&self, config: &LedgerConfig) -> Result<(), Failure> {
        config.check()?;
        if self.config_file(&config.origin).symlink_metadata().is_ok() {
            return Err(Failure::usage(format_args!("this witness follows {} already", config.origin))
                .hint("`countersign witness status` says how far; `countersign witness add-log-key` adds a log key"));
        }
        if self.ledgers()?.len() >= MAX_LEDGERS {
            return Err(Failure::usage(format_args!("a witness follows at most {MAX_LEDGERS} ledgers")));
        }
        match self.state(&config.origin) {
            Ok(_) => {}
            Err(StateError::Missing { path, .. }) => State::fresh().create(&path, &self.witness, &config.origin)?,
            Err(error) => return Err(self.state_failure(&error)),
        }
        // that it is free was seen above, and the folder is this process's
        files::replace(&self.config_file(&config.origin), json(config)?.as_bytes())
    }

    /// Replaces what is known of a ledger.
    ///
    /// # Errors
    /// When it is not as it should be, or cannot be written.
    pub fn update(&self, config: &LedgerConfig) -> Result<(), Failure> {
        config.check()?;
        files::replace(&self.config_file(&config.origin), json(config)?.as_bytes())
    }

    /// Reads what was cosigned of a ledger.
    ///
    /// # Errors
    /// When the file is missing, damaged, or of another witness or ledger.
    pub fn state(&self, origin: &Origin) -> Result<State, StateError> {
        State::read(&self.state_file(origin), &self.witness, origin)
    }

    /// Says what to do about a state that cannot be gone on from.
    #[must_use]
    pub fn state_failure(&self, error: &StateError) -> Failure {
        match error {
            StateError::Io { .. } => Failure::usage(error),
            _ => Failure::refused(error).hint(
                "a witness that forgot what it cosigned must not begin anew: fetch the newest checkpoint that bears its \
                 cosignature from the ledger or from whoever relies on it, and run `countersign witness recover`; if \
                 nobody has one, retire this witness's key and begin another with `countersign witness init`",
            ),
        }
    }
}

fn ledgers(path: &Path) -> PathBuf {
    path.join("ledgers")
}

fn identity_file(path: &Path) -> PathBuf {
    path.join("witness.json")
}

/// Returns where a witness's private key is unless said.
#[must_use]
pub fn key_file(path: &Path) -> PathBuf {
    path.join("witness-key.pem")
}

/// Returns the name of a ledger's files: no origin has `+` in it, and each begins with a letter or digit (SPEC §6).
fn file_name(origin: &Origin) -> String {
    origin.as_str().replace('/', "+")
}

fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| format!("{text}\n")).map_err(Failure::usage)
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Failure> {
    let text = files::read_text(path, MAX_CONFIG)?;
    serde_json::from_str(&text)
        .map_err(|e| Failure::usage(format_args!("{} is not as it is written: {e}", path.display())))
}

/// Takes the folder for this process.
fn lock(path: &Path) -> Result<File, Failure> {
    let file = path.join("lock");
    let lock = File::options().write(true).create(true).truncate(false).open(&file);
    let lock = lock.map_err(|e| Failure::file(&file, "open", &e))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::usage(format_args!("another process works on {}", path.display()))
                .hint("stop `countersign witness run` first"))
        }
        Err(TryLockError::Error(e)) => Err(Failure::file(&file, "lock", &e)),
    }
}
