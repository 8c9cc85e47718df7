//! What a command failed of, and the exit codes: one heading, perhaps a hint, one status.
//!
//! | status | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused or failed: the server refused an event, a check came out false, the operator said no |
//! | 2 | usage or I/O: bad arguments, a file that cannot be read, a server that cannot be reached |
//! | 3 | partly done: some rows were quarantined, the rest is recorded |
//! | 4 | the server's answer does not prove itself: a false receipt, another ledger, two histories |
//! | 5 | the log contradicts itself: a proof of misbehaviour was written |

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use countersign_ledger::envelope::SignError;
use countersign_ledger::keys::SignerError;
use serde::Serialize;

use crate::escape::printable;

/// The text of `countersign help exit-codes`.
pub const EXIT_CODES: &str = "\
0  done
1  refused or failed: the server refused an event, a check came out false, you said no
2  usage or i/o: bad arguments, a file that cannot be read, a server that cannot be reached
3  partly done: some rows were quarantined, the others are recorded
4  the server's answer does not prove itself: a false receipt, another ledger, two histories
5  the log contradicts itself: a proof of misbehaviour was written";

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done,
    /// Something was refused or a check came out false.
    Refused,
    /// The arguments, a file or the network.
    Usage,
    /// Some of it was done, the rest is accounted for.
    Partly,
    /// The server's answer does not prove itself.
    Distrust,
    /// The log contradicts itself, and the proof is in a file.
    Misbehaviour,
}

impl Exit {
    /// Returns the process' exit status.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Partly => 3,
            Self::Distrust => 4,
            Self::Misbehaviour => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

/// Why a command failed: what stands after `error:` and after `hint:`, and the exit status.
#[derive(Debug, Clone)]
pub struct Failure {
    /// One line, lower case, no full stop.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// The stable code of a refusal (`stale_after`, …), if a server gave one.
    pub code: Option<String>,
    /// The exit status.
    pub exit: Exit,
    /// Stdout was closed by its reader: nothing is wrong and nothing is said.
    pub quiet: bool,
}

#[derive(Serialize)]
struct FailureJson<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    exit: u8,
}

impl Failure {
    fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code: None, exit, quiet: false }
    }

    /// Something was refused or a check came out false: status 1.
    #[must_use]
    pub fn refused(message: impl fmt::Display) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// Bad arguments, a file, the network: status 2.
    #[must_use]
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The server's answer does not prove itself: status 4.
    #[must_use]
    pub fn distrust(message: impl fmt::Display) -> Self {
        Self::new(Exit::Distrust, message)
    }

    /// The log contradicts itself, and the proof is in a file: status 5.
    #[must_use]
    pub fn misbehaviour(message: impl fmt::Display) -> Self {
        Self::new(Exit::Misbehaviour, message)
    }

    /// A file could not be read, written or made.
    #[must_use]
    pub fn file(path: &Path, what: &str, error: &std::io::Error) -> Self {
        Self::usage(format_args!("cannot {what} {}: {}", path.display(), plain_io(error)))
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Adds the stable code of a refusal.
    #[must_use]
    pub fn code(mut self, code: impl fmt::Display) -> Self {
        self.code = Some(code.to_string());
        self
    }

    /// Puts words before the message: `row 3: …`.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Writes `error:` and `hint:`, or one JSON object.
    #[must_use]
    pub fn render(&self, json: bool) -> String {
        if json {
            let object = FailureJson {
                error: &self.message,
                hint: self.hint.as_deref(),
                code: self.code.as_deref(),
                exit: self.exit.status(),
            };
            return serde_json::to_string(&object).unwrap_or_default();
        }
        let mut text = format!("error: {}", printable(&self.message));
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(&printable(hint));
        }
        text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// An error while writing a result: a reader that went away is no failure.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let mut failure = Self::usage(format_args!("cannot write the result: {}", plain_io(&error)));
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            failure.quiet = true;
            failure.exit = Exit::Done;
        }
        failure
    }
}

/// A key that did not sign: nothing was sent or written.
impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Self {
        let failure = Self::refused(&error);
        match error {
            SignerError::Absent { .. } => failure.hint("plug the token in, or sign with another key of the same party"),
            SignerError::WrongPin { .. } => {
                failure.hint("tokens lock after a few wrong PINs: ask who manages yours before you try again")
            }
            SignerError::BadSignature { .. } => failure.hint(
                "nothing was signed: does the program sign the message as it is (ed25519, not prehashed), with this key?",
            ),
            _ => failure,
        }
    }
}

impl From<SignError> for Failure {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Signer(error) => error.into(),
            other => Self::usage(other),
        }
    }
}

/// Says an I/O error in lower case and without the number of the operating system.
#[must_use]
pub fn plain_io(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // an acronym keeps its capitals
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(chars).collect::<String>(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_a_heading_and_a_hint_and_escapes_both() {
        let failure = Failure::refused("no such party \u{202e}x").hint("enrol it first").code("unknown_party");
        assert_eq!(failure.render(false), "error: no such party \\u{202e}x\nhint: enrol it first");
        assert_eq!(
            failure.render(true),
            "{\"error\":\"no such party \u{202e}x\",\"hint\":\"enrol it first\",\"code\":\"unknown_party\",\"exit\":1}"
        );
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(failure.quiet);
        assert_eq!(failure.exit, Exit::Done);
    }

    #[test]
    fn system_errors_read_as_part_of_a_sentence() {
        assert_eq!(plain_io(&std::io::Error::from_raw_os_error(2)), "no such file or directory");
    }
}
