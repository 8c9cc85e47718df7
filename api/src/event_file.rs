//! Event files `*.event.json`: a submission on its way to the ledger, with the signatures that it has so far.
//!
//! ```json
//! {"envelope":{"payloadType":"…","payload":"…","signatures":[…]},"disclosures":["…"]}
//! ```
//!
//! A bare DSSE envelope is read too. Officers pass the file around; `countersign event sign` adds a signature. Limit: a
//! request's, 1 MiB (SPEC §12).

use std::path::Path;

use countersign_ledger::refusal::RefusalCode;
use countersign_ledger::submission::Submission;

use crate::failure::Failure;
use crate::files;

/// The longest event file that is read: a request's limit (SPEC §12).
pub const MAX_EVENT_FILE: usize = 1 << 20;

/// Reads an event file, or a bare envelope; `-` is stdin. White space around it is no matter.
///
/// # Errors
/// When it cannot be read or is no event file.
pub fn read(path: &Path) -> Result<Submission, Failure> {
    let bytes = files::read(path, MAX_EVENT_FILE)?;
    Submission::parse(bytes.trim_ascii()).map_err(|refusal| {
        let reason = match refusal.code {
            // what was found is a whole sentence there
            RefusalCode::MalformedJson => refusal.found,
            _ => refusal.to_string(),
        };
        Failure::usage(format_args!("{} is no event file: {reason}", path.display()))
            .hint("`countersign event new` makes one")
    })
}

/// Returns the content of an event file.
#[must_use]
pub fn content(submission: &Submission) -> String {
    submission.to_json() + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use countersign_ledger::envelope::Envelope;
    use countersign_ledger::keys::SigningKey;

    use super::*;

    #[test]
    fn reads_what_it_writes_signed_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.event.json");
        let mut submission = Submission {
            envelope: Envelope::new(b"{}".to_vec(), Vec::new()).unwrap(),
            disclosures: vec!["abc".into()],
        };
        std::fs::write(&path, content(&submission)).unwrap();
        assert_eq!(read(&path).unwrap(), submission);
        submission.envelope.add_signature(&SigningKey::from_seed(&[1; 32])).unwrap();
        std::fs::write(&path, content(&submission)).unwrap();
        assert_eq!(read(&path).unwrap(), submission);
        std::fs::write(&path, "hello").unwrap();
        assert!(read(&path).unwrap_err().message.contains("is no event file"));
    }
}
