//! A key that another program holds: `--key exec:PROGRAM`.
//!
//! The program is asked once for each signature, so that whatever drives a hardware token can be wrapped in a script of
//! a few lines. It gets one line of JSON on its standard input and answers one line of base64 (RFC 4648 §4, padded) on
//! its standard output:
//!
//! ```text
//! {"countersign_signer":1,"request":"public_key"}                                    → 32 bytes: the Ed25519 public key
//! {"countersign_signer":1,"request":"sign","public_key":"…","message":"<base64>"}    → 64 bytes: the signature (RFC 8032)
//! ```
//!
//! The message is signed as it is, not hashed before. Exit status 0: the answer stands; 10: the token is not there; 11:
//! the PIN is wrong, or the token is locked; 12: its holder declined; any other: it failed. The last line of its standard
//! error says why. A person is asked on `/dev/tty`, not through these.
//!
//! PROGRAM is the path of one file, run without a shell and without arguments, and looked up nowhere: it comes from
//! the command line only, never from a server or a file that others write. It does not get the passphrase of other
//! keys, nor where that is. It has [`PATIENCE`] and [`MAX_ANSWER`]; what it answers is verified before it is used.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use countersign_ledger::keys::{
    PublicKey, PublicKeyError, Signature, Signer, SignerError, decode_base64, encode_base64,
};
use serde_json::{Value, json};

use crate::escape::printable;
use crate::failure::{Failure, plain_io};

/// What an argument that names such a program begins with.
pub const PREFIX: &str = "exec:";
/// How long a program may take for one answer: somebody may have to type a PIN and touch a token.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer, and of what is kept of a complaint.
pub const MAX_ANSWER: usize = 4_096;
/// How long a program that has answered is left before it is looked at again.
const PAUSE: Duration = Duration::from_millis(2);

const ABSENT: i32 = 10;
const WRONG_PIN: i32 = 11;
const DECLINED: i32 = 12;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// It is not named by its path.
    #[error("{PREFIX}{program} does not name a program by its path")]
    NotAPath {
        /// What was given.
        program: String,
    },
    /// It could not be run, or not be talked to.
    #[error("cannot run {program}: {reason}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        reason: String,
    },
    /// It took too long, and was ended.
    #[error("{program} gave no answer within {} s and was ended", patience.as_secs())]
    TooSlow {
        /// The program.
        program: String,
        /// How long it had.
        patience: Duration,
    },
    /// It wrote too much, and was ended.
    #[error("{program} answered with more than {MAX_ANSWER} bytes")]
    TooLong {
        /// The program.
        program: String,
    },
    /// It ended with another status than 0.
    #[error("{program} ended with {status}{}", said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Ended {
        /// The program.
        program: String,
        /// How.
        status: ExitStatus,
        /// The last line of what it said on standard error.
        said: Option<String>,
    },
    /// It answered something else than what it was asked for.
    #[error("{program}: expected one line with the padded base64 of {expected} bytes, found {found:?}")]
    Answer {
        /// The program.
        program: String,
        /// How many bytes were expected.
        expected: usize,
        /// What it answered, shortened.
        found: String,
    },
    /// It named a key that is not acceptable.
    #[error("{program}: {error}")]
    Key {
        /// The program.
        program: String,
        /// Why not.
        error: PublicKeyError,
    },
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        let failure = Self::usage(&error);
        match error {
            ExecError::NotAPath { .. } => {
                failure.hint("give its path, with a `/`: programs that sign are not looked up, and take no arguments")
            }
            ExecError::Ended { status, .. } if status.code() == Some(ABSENT) => {
                failure.hint("is the token plugged in?")
            }
            ExecError::Answer { .. } => failure.hint("KEYS.md has the protocol, and a script that follows it"),
            _ => failure,
        }
    }
}

/// A key that another program holds.
#[derive(Debug)]
pub struct ExecSigner {
    program: PathBuf,
    public: PublicKey,
    patience: Duration,
    /// A token does one thing at a time.
    turn: Mutex<()>,
}

/// Returns the program that an argument names, if it names one and not a file.
#[must_use]
pub fn program_of(argument: &Path) -> Option<PathBuf> {
    argument.to_str()?.strip_prefix(PREFIX).map(PathBuf::from)
}

impl ExecSigner {
    /// Asks a program for its public key.
    ///
    /// # Errors
    /// When it is not named by a path, does not run, or gives no acceptable key.
    pub fn open(program: &Path) -> Result<Self, ExecError> {
        Self::open_within(program, PATIENCE)
    }

    fn open_within(program: &Path, patience: Duration) -> Result<Self, ExecError> {
        let name = program.display().to_string();
        if program.components().count() < 2 && !program.is_absolute() && !name.contains('/') {
            return Err(ExecError::NotAPath { program: name });
        }
        let request = json!({ "countersign_signer": 1, "request": "public_key" });
        let bytes = answer::<32>(program, &request, patience)?;
        let public = PublicKey::from_bytes(&bytes).map_err(|error| ExecError::Key { program: name, error })?;
        Ok(Self { program: program.to_owned(), public, patience, turn: Mutex::new(()) })
    }
}

impl Signer for ExecSigner {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        let request = json!({
            "countersign_signer": 1, "request": "sign", "public_key": self.public, "message": encode_base64(message),
        });
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answer::<64>(&self.program, &request, self.patience);
        drop(turn);
        let (keyid, failed) = (self.public.id(), |e: &ExecError| e.to_string());
        answer.map(Signature::from_bytes).map_err(|error| match &error {
            ExecError::Ended { status, .. } => match status.code() {
                Some(ABSENT) => SignerError::Absent { keyid, reason: failed(&error) },
                Some(WRONG_PIN) => SignerError::WrongPin { keyid, reason: failed(&error) },
                Some(DECLINED) => SignerError::Declined { keyid, reason: failed(&error) },
                _ => SignerError::Failed { keyid, reason: failed(&error) },
            },
            ExecError::Run { .. } => SignerError::Absent { keyid, reason: failed(&error) },
            _ => SignerError::Failed { keyid, reason: failed(&error) },
        })
    }
}

/// Asks a program one thing, and decodes its answer.
fn answer<const N: usize>(program: &Path, request: &Value, patience: Duration) -> Result<[u8; N], ExecError> {
    let text = ask(program, request, patience)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    decode_base64(line).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| ExecError::Answer {
        program: program.display().to_string(),
        expected: N,
        found: printable(&text.chars().take(80).collect::<String>()),
    })
}

/// Runs a program with one line of input, and returns what it wrote.
fn ask(program: &Path, request: &Value, patience: Duration) -> Result<String, ExecError> {
    let name = || program.display().to_string();
    let run = |e: &io::Error| ExecError::Run { program: name(), reason: plain_io(e) };
    let deadline = Instant::now() + patience;
    let mut command = Command::new(program);
    command.env_remove("COUNTERSIGN_PASSPHRASE_FILE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().map_err(|e| run(&e))?);
    let child = &mut running.0;
    let mut line = request.to_string();
    line.push('\n');
    if let Some(mut stdin) = child.stdin.take() {
        // A program that knows its answer need not read the question.
        thread::spawn(move || drop(stdin.write_all(line.as_bytes())));
    }
    let said = child.stderr.take().map(|stderr| read_aside(stderr, true));
    let answer = child.stdout.take().map(|stdout| read_aside(stdout, false));
    let too_slow = || ExecError::TooSlow { program: name(), patience };
    let answer = match answer.as_ref().map(|answer| answer.recv_timeout(left(deadline))) {
        Some(Ok(answer)) => answer.map_err(|e| run(&e))?,
        Some(Err(RecvTimeoutError::Timeout)) => return Err(too_slow()),
        Some(Err(RecvTimeoutError::Disconnected)) | None => Vec::new(),
    };
    if answer.len() > MAX_ANSWER {
        return Err(ExecError::TooLong { program: name() });
    }
    // Its output has ended, and so has it, or it is about to.
    let status = loop {
        match child.try_wait().map_err(|e| run(&e))? {
            Some(status) => break status,
            None if Instant::now() >= deadline => return Err(too_slow()),
            None => thread::sleep(PAUSE),
        }
    };
    if status.success() {
        return Ok(String::from_utf8_lossy(&answer).into_owned());
    }
    let said = said.and_then(|said| said.recv_timeout(left(deadline)).ok()).and_then(Result::ok).unwrap_or_default();
    Err(ExecError::Ended { program: name(), status, said: last_line(&said) })
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A program under way: ended when nobody waits for it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended by itself, or does now; either way it is waited for, and nothing is left of it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads what a program writes, up to one byte more than it may. The thread ends with the program's output: a program
/// that leaves another behind which keeps the pipe open costs the thread, not the command.
fn read_aside(from: impl Read + Send + 'static, to_the_end: bool) -> Receiver<io::Result<Vec<u8>>> {
    let (send, receive) = sync_channel(1);
    thread::spawn(move || {
        let mut kept = Vec::new();
        let most = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX) + 1;
        let mut from = from;
        let read = from.by_ref().take(most).read_to_end(&mut kept);
        if to_the_end {
            // so that a program that complains at length does not stand still
            let _ = io::copy(&mut from, &mut io::sink());
        }
        // Whoever asked may have given up.
        let _ = send.send(read.map(|_| kept));
    });
    receive
}

fn last_line(said: &[u8]) -> Option<String> {
    let said = String::from_utf8_lossy(&said[..said.len().min(MAX_ANSWER)]).into_owned();
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(printable(&line.chars().take(300).collect::<String>()))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use countersign_ledger::keys::{SigningKey, signature_by};

    use super::*;

    fn script(folder: &Path, body: &str) -> PathBuf {
        let path = folder.join("signer");
        // written under another name first: a file that is open for writing cannot be run
        let fresh = folder.join("signer.new");
        std::fs::write(&fresh, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        path
    }

    /// Answers the public key, and to everything else `body`.
    fn signer(folder: &Path, body: &str) -> ExecSigner {
        let key = SigningKey::from_seed(&[1; 32]).public();
        let program =
            script(folder, &format!("read -r line\ncase $line in *public_key\\\"}}) echo {key};; *) {body};; esac"));
        ExecSigner::open_within(&program, Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn how_a_program_ends_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let error = |body: &str| signature_by(&signer(folder.path(), body), b"hello").unwrap_err();
        let absent = error("echo '  no token  ' >&2; exit 10");
        assert!(matches!(&absent, SignerError::Absent { reason, .. } if reason.ends_with(": no token")), "{absent}");
        assert!(matches!(error("exit 11"), SignerError::WrongPin { .. }));
        assert!(matches!(error("exit 12"), SignerError::Declined { .. }));
        assert!(matches!(error("kill -9 $$"), SignerError::Failed { .. }));
        assert!(matches!(error("echo hello"), SignerError::Failed { .. }));
        // 64 bytes that are no signature of this
        let zeros = encode_base64(&[0; 64]);
        assert!(matches!(error(&format!("echo {zeros}")), SignerError::BadSignature { .. }));
        let good = encode_base64(SigningKey::from_seed(&[1; 32]).sign(b"hello").as_bytes());
        assert!(signature_by(&signer(folder.path(), &format!("echo {good}")), b"hello").is_ok());
        assert!(matches!(error(&format!("echo {good}; echo {good}")), SignerError::Failed { .. }), "two lines");
    }

    #[test]
    fn time_and_output_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let open = |body: &str, patience: u64| {
            ExecSigner::open_within(&script(folder.path(), body), Duration::from_millis(patience)).unwrap_err()
        };
        assert!(matches!(open("exec sleep 600", 200), ExecError::TooSlow { .. }));
        // what it leaves behind keeps its output open
        assert!(matches!(open("sleep 600 & wait", 200), ExecError::TooSlow { .. }));
        assert!(matches!(open("exec >&-; exec sleep 600", 200), ExecError::TooSlow { .. }));
        assert!(matches!(open("exec cat /dev/zero", 20_000), ExecError::TooLong { .. }));
        let long = open("head -c 3000000 /dev/zero >&2; exit 3", 20_000);
        assert!(matches!(long, ExecError::Ended { .. }), "{long}");
        assert!(matches!(open("exit 0", 20_000), ExecError::Answer { .. }));
    }

    #[test]
    fn a_program_is_named_by_its_path() {
        assert!(matches!(ExecSigner::open(Path::new("sh")), Err(ExecError::NotAPath { .. })));
        assert!(matches!(ExecSigner::open(Path::new("./is-not-there")), Err(ExecError::Run { .. })));
        assert_eq!(program_of(Path::new("exec:/bin/x y")), Some(PathBuf::from("/bin/x y")));
        assert_eq!(program_of(Path::new("./exec:x")), None);
    }
}
