//! Key files and passphrases.
//!
//! A private key is a PKCS#8 PEM file, readable by its owner only and encrypted under a passphrase unless the user asks
//! otherwise (SPEC §2). Beside `officer.pem` stands `officer.pem.pub`, the public key as PEM, to be given away. One
//! passphrase is asked for once and tried on every key file; only a file that it does not open asks again.
//!
//! Instead of a file, `exec:PROGRAM` names a program that holds the key ([`crate::exec_signer`]).

use std::cell::RefCell;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_ledger::keys::{
    PrivateKeyError, PublicKey, PublicKeyError, Signer, SigningKey, decode_base64, encode_base64, is_encrypted_pem,
};
use zeroize::Zeroizing;

use crate::exec_signer::{ExecSigner, program_of};
use crate::failure::Failure;
use crate::files;

/// The longest key or passphrase file that is read.
const MAX_KEY_FILE: usize = 64 * 1024;
/// How often a passphrase may be typed wrong.
const TRIES: usize = 3;
/// The DER that stands before the 32 bytes of an Ed25519 public key (RFC 8410 §4).
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PUBLIC_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PUBLIC_END: &str = "-----END PUBLIC KEY-----";

/// Opens key files, remembering the passphrases that opened one.
#[derive(Debug, Default)]
pub struct Keyring {
    passphrase_file: Option<PathBuf>,
    known: RefCell<Vec<Zeroizing<String>>>,
}

impl Keyring {
    /// Makes one that takes its passphrase from a file, or asks for it on the terminal.
    #[must_use]
    pub fn new(passphrase_file: Option<PathBuf>) -> Self {
        Self { passphrase_file, known: RefCell::default() }
    }

    /// Reads a private key file, or asks the program of `exec:PROGRAM` for its key.
    ///
    /// # Errors
    /// When it cannot be read, is no PKCS#8 PEM of an Ed25519 key, or no passphrase opens it; when the program does not
    /// answer.
    pub fn open(&self, path: &Path) -> Result<Arc<dyn Signer>, Failure> {
        match program_of(path) {
            Some(program) => Ok(Arc::new(ExecSigner::open(&program)?)),
            None => self.open_file(path).map(Into::into),
        }
    }

    fn open_file(&self, path: &Path) -> Result<SigningKey, Failure> {
        let pem = Zeroizing::new(files::read_text(path, MAX_KEY_FILE)?);
        self.open_pem(&pem, path)
    }

    /// Opens keys to sign with.
    ///
    /// # Errors
    /// As [`Keyring::open`], or when two are the same key.
    pub fn open_all(&self, paths: &[PathBuf]) -> Result<Vec<Arc<dyn Signer>>, Failure> {
        let mut keys: Vec<Arc<dyn Signer>> = Vec::with_capacity(paths.len());
        for path in paths {
            let key = self.open(path)?;
            if keys.iter().any(|other| other.public() == key.public()) {
                return Err(Failure::usage(format_args!("{} holds a key that is given twice", path.display())));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    fn open_pem(&self, pem: &str, path: &Path) -> Result<SigningKey, Failure> {
        if !is_encrypted_pem(pem) {
            return SigningKey::from_pem(pem, None).map_err(|e| key_failure(path, &e));
        }
        for passphrase in self.known.borrow().iter() {
            match SigningKey::from_pem(pem, Some(passphrase.as_bytes())) {
                Err(PrivateKeyError::WrongPassphrase) => {}
                other => return other.map_err(|e| key_failure(path, &e)),
            }
        }
        if let Some(file) = &self.passphrase_file {
            let passphrase = read_passphrase_file(file)?;
            let key = SigningKey::from_pem(pem, Some(passphrase.as_bytes())).map_err(|e| match e {
                PrivateKeyError::WrongPassphrase => Failure::usage(format_args!(
                    "the passphrase in {} does not open {}",
                    file.display(),
                    path.display()
                )),
                other => key_failure(path, &other),
            })?;
            self.known.borrow_mut().push(passphrase);
            return Ok(key);
        }
        self.ask(pem, path)
    }

    fn ask(&self, pem: &str, path: &Path) -> Result<SigningKey, Failure> {
        for _ in 0..TRIES {
            let passphrase = prompt(&format!("passphrase for {}: ", path.display()))
                .map_err(|_| key_failure(path, &PrivateKeyError::PassphraseNeeded))?;
            match SigningKey::from_pem(pem, Some(passphrase.as_bytes())) {
                Ok(key) => {
                    self.known.borrow_mut().push(passphrase);
                    return Ok(key);
                }
                Err(PrivateKeyError::WrongPassphrase) => {
                    // on the terminal, beside the prompt
                    let _ = io::Write::write_all(&mut io::stderr(), b"that passphrase does not open this key\n");
                }
                Err(other) => return Err(key_failure(path, &other)),
            }
        }
        Err(key_failure(path, &PrivateKeyError::WrongPassphrase))
    }

    /// Returns the passphrase for new key files: from the file, or typed twice; `None` when none is wanted.
    ///
    /// # Errors
    /// When the two differ, it is empty, or there is no terminal to type it on.
    pub fn new_passphrase(&self, none_wanted: bool) -> Result<Option<Zeroizing<String>>, Failure> {
        if none_wanted {
            return Ok(None);
        }
        if let Some(file) = &self.passphrase_file {
            let passphrase = read_passphrase_file(file)?;
            self.known.borrow_mut().push(passphrase.clone());
            return Ok(Some(passphrase));
        }
        let no_terminal = |_| {
            Failure::usage("there is no terminal to type a passphrase on")
                .hint("give --passphrase-file FILE, or --no-passphrase if the key needs none")
        };
        let first = prompt("new passphrase: ").map_err(no_terminal)?;
        if first.is_empty() {
            return Err(Failure::usage("the passphrase is empty").hint("--no-passphrase makes a key without one"));
        }
        let second = prompt("the same again: ").map_err(no_terminal)?;
        if first != second {
            return Err(Failure::usage("the two passphrases differ"));
        }
        self.known.borrow_mut().push(first.clone());
        Ok(Some(first))
    }
}

fn prompt(text: &str) -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password(text).map(Zeroizing::new)
}

fn read_passphrase_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = Zeroizing::new(files::read_text(path, MAX_KEY_FILE)?);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::usage(format_args!("the passphrase file {} is empty", path.display())));
    }
    if line.contains('\n') {
        return Err(Failure::usage(format_args!("the passphrase file {} has more than one line", path.display())));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn key_failure(path: &Path, error: &PrivateKeyError) -> Failure {
    let path = path.display();
    match error {
        PrivateKeyError::PassphraseNeeded => {
            Failure::usage(format_args!("{path} is encrypted and needs its passphrase"))
                .hint("type it on a terminal, or give --passphrase-file FILE")
        }
        PrivateKeyError::WrongPassphrase => Failure::usage(format_args!("the passphrase does not open {path}")),
        PrivateKeyError::Malformed { .. } => {
            Failure::usage(format_args!("{path} is no ed25519 private key in pkcs#8 pem"))
                .hint("`countersign key new FILE` or `openssl genpkey -algorithm ed25519` makes one")
        }
        other => Failure::usage(format_args!("{path}: {other}")),
    }
}

/// Tells whether there is a key to open: a file, or a program that holds one.
#[must_use]
pub fn is_there(path: &Path) -> bool {
    program_of(path).is_some() || path.exists()
}

/// Opens a key as [`Keyring::open`], or makes its file if there is none.
///
/// # Errors
/// When it cannot be opened, or not be made.
pub fn open_or_make(keyring: &Keyring, path: &Path, no_passphrase: bool) -> Result<Arc<dyn Signer>, Failure> {
    if is_there(path) {
        return keyring.open(path);
    }
    let passphrase = keyring.new_passphrase(no_passphrase)?;
    let key = SigningKey::generate().map_err(Failure::usage)?;
    write_pair(path, &key, passphrase.as_ref().map(|p| p.as_str()))?;
    Ok(key.into())
}

/// Writes a new private key file, readable by its owner only, and the public key beside it.
///
/// # Errors
/// When either file exists or cannot be written; then neither is left behind.
pub fn write_pair(path: &Path, key: &SigningKey, passphrase: Option<&str>) -> Result<PathBuf, Failure> {
    let public_path = public_path(path);
    files::must_be_free(&public_path)?;
    let pem = key.to_pem(passphrase.map(str::as_bytes)).map_err(|e| key_failure(path, &e))?;
    files::create_secret(path, pem.as_bytes())?;
    if let Err(failure) = files::create_new(&public_path, public_pem(&key.public()).as_bytes()) {
        // the key is not in use yet, and a later run must find a free name
        let _ = std::fs::remove_file(path);
        return Err(failure);
    }
    Ok(public_path)
}

/// Returns where the public key stands beside a private key file.
#[must_use]
pub fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// Writes a public key as PEM, as `openssl pkey -pubout` does.
#[must_use]
pub fn public_pem(key: &PublicKey) -> String {
    let mut der = SPKI_HEAD.to_vec();
    der.extend_from_slice(key.as_bytes());
    format!("{PUBLIC_BEGIN}\n{}\n{PUBLIC_END}\n", encode_base64(&der))
}

/// Reads a public key from PEM or base64.
///
/// # Errors
/// When it is neither, or not acceptable (SPEC §2).
pub fn parse_public(text: &str) -> Result<PublicKey, Failure> {
    let text = text.trim();
    let Some(rest) = text.strip_prefix(PUBLIC_BEGIN) else {
        return text.parse().map_err(Failure::usage);
    };
    let malformed = || Failure::usage("expected the pem of an ed25519 public key (rfc 8410)");
    let base64: String = rest.strip_suffix(PUBLIC_END).ok_or_else(malformed)?.split_whitespace().collect();
    let der = decode_base64(&base64).ok_or_else(malformed)?;
    let bytes: &[u8; 32] = der.strip_prefix(&SPKI_HEAD).and_then(|b| b.try_into().ok()).ok_or_else(malformed)?;
    PublicKey::from_bytes(bytes).map_err(Failure::usage)
}

/// What an argument that names a key holds: a private key can also sign.
#[derive(Debug)]
pub enum NamedKey {
    /// A private key, in a file or held by a program.
    Private(Arc<dyn Signer>),
    /// A public key, as base64 or in a file.
    Public(PublicKey),
}

impl NamedKey {
    /// Returns the public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Private(key) => key.public(),
            Self::Public(key) => *key,
        }
    }
}

impl Keyring {
    /// Reads an argument that is a public key in base64, a public key file or a private key file.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn named(&self, argument: &str) -> Result<NamedKey, Failure> {
        match argument.parse() {
            Ok(key) => return Ok(NamedKey::Public(key)),
            // not a key's base64 at all: a file
            Err(PublicKeyError::Encoding { .. }) => {}
            Err(error) => return Err(Failure::usage(error)),
        }
        let path = Path::new(argument);
        if program_of(path).is_some() {
            return self.open(path).map(NamedKey::Private);
        }
        let text = Zeroizing::new(files::read_text(path, MAX_KEY_FILE).map_err(|failure| {
            failure.hint(
                "expected a public key (44 characters of base64), a public key file, a private key file or exec:PROGRAM",
            )
        })?);
        if text.contains("PRIVATE KEY-----") {
            return self.open_pem(&text, path).map(|key| NamedKey::Private(key.into()));
        }
        parse_public(&text).map(NamedKey::Public).map_err(|failure| failure.within(path.display()))
    }

    /// Reads the public key of an argument as [`Keyring::named`]; for an encrypted private key file the public key file
    /// beside it will do, without a passphrase.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn named_public(&self, argument: &str) -> Result<PublicKey, Failure> {
        let beside = public_path(Path::new(argument));
        if argument.parse::<PublicKey>().is_err()
            && beside.is_file()
            && files::read_text(Path::new(argument), MAX_KEY_FILE).is_ok_and(|pem| is_encrypted_pem(&pem))
        {
            return parse_public(&files::read_text(&beside, MAX_KEY_FILE)?)
                .map_err(|failure| failure.within(beside.display()));
        }
        self.named(argument).map(|key| key.public())
    }
}

/// Tells whether a person can be asked something: stdin and stderr are a terminal.
#[must_use]
pub fn on_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[3; 32])
    }

    #[test]
    fn public_keys_are_read_in_both_forms() {
        let public = key().public();
        assert_eq!(parse_public(&public_pem(&public)).unwrap(), public);
        assert_eq!(parse_public(&format!("{public}\n")).unwrap(), public);
        assert!(parse_public("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
        assert!(parse_public("hello").is_err());
    }

    #[test]
    fn one_passphrase_opens_several_files_and_a_wrong_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        write_pair(&a, &key(), Some("correct horse")).unwrap();
        write_pair(&b, &SigningKey::from_seed(&[4; 32]), Some("correct horse")).unwrap();
        let passphrase = folder.path().join("passphrase");
        std::fs::write(&passphrase, "correct horse\n").unwrap();
        let ring = Keyring::new(Some(passphrase.clone()));
        assert_eq!(ring.open_all(&[a.clone(), b.clone()]).unwrap().len(), 2);
        assert!(ring.open_all(&[a.clone(), a.clone()]).unwrap_err().message.ends_with("given twice"));
        assert_eq!(ring.named_public(a.to_str().unwrap()).unwrap(), key().public());

        std::fs::write(&passphrase, "wrong").unwrap();
        let failure = Keyring::new(Some(passphrase.clone())).open(&a).unwrap_err();
        assert!(failure.message.contains("does not open"), "{failure}");
        std::fs::write(&passphrase, "two\nlines\n").unwrap();
        assert!(Keyring::new(Some(passphrase)).open(&a).unwrap_err().message.ends_with("more than one line"));
    }

    #[test]
    fn neither_file_of_a_pair_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(public_path(&path), "mine").unwrap();
        assert!(write_pair(&path, &key(), None).is_err());
        assert!(!path.exists());
        assert_eq!(std::fs::read_to_string(public_path(&path)).unwrap(), "mine");
    }
}
