//! Making the event of a seal.

use uuid::Builder;

use super::{SEAL_KIND, SEAL_TYPE, Streams};
use std::sync::Arc;

use crate::envelope::{Envelope, SignError};
use crate::hash::{EventHash, LedgerId, sha256};
use crate::id::{PartyId, Subject};
use crate::keys::Signer;
use crate::time::Time;

/// Who signs seals, and with which key.
#[derive(Debug, Clone)]
pub struct Sealer {
    /// The party.
    pub party: PartyId,
    /// Its key.
    pub key: Arc<dyn Signer>,
}

/// Why the event of a seal could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeSealError {
    /// The party's id leaves no room for a subject that begins with it (SPEC §1, §3).
    #[error("the id of party {0} is too long to begin the subject of a seal")]
    Party(PartyId),
    /// It could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Sealer {
    /// Returns the subject of the seal at a size. Each seal starts a stream, so that an extract that shows one need not
    /// show those before it.
    ///
    /// # Errors
    /// When the party's id is too long.
    pub fn subject(&self, streams: &Streams) -> Result<Subject, MakeSealError> {
        let id = format!("{}.{}", self.party, streams.size());
        Subject::new(SEAL_TYPE, &id).map_err(|_| MakeSealError::Party(self.party.clone()))
    }

    /// Makes and signs the event that seals streams, admitted at `time` behind the stream's head `after`.
    ///
    /// # Errors
    /// When the party's id is too long, or the envelope is refused.
    pub fn seal(
        &self,
        ledger: LedgerId,
        streams: &Streams,
        after: Option<EventHash>,
        time: Time,
    ) -> Result<Envelope, MakeSealError> {
        let (size, count, root) = (streams.size(), streams.count(), streams.root());
        let subject = self.subject(streams)?;
        // Unique for its author, and nothing random: one position has one seal of one time.
        let millis = u64::try_from(time.unix_millis()).unwrap_or_default();
        let seed = sha256(&[b"streams.sealed", ledger.as_bytes(), &size.0.to_be_bytes(), &millis.to_be_bytes()]);
        let id = match seed.first_chunk::<10>() {
            Some(random) => Builder::from_unix_timestamp_millis(millis, random).into_uuid(),
            None => Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid(),
        };
        let after = after.map_or_else(|| "null".to_owned(), |hash| format!("\"{hash}\""));
        let author = &self.party;
        let payload = format!(
            "{{\"countersign\":1,\"ledger\":\"{ledger}\",\"id\":\"{id}\",\"kind\":\"{SEAL_KIND}\",\
             \"subject\":\"{subject}\",\"after\":{after},\"author\":\"{author}\",\"occurred\":{{\"at\":\"{time}\"}},\
             \"body\":{{\"size\":{size},\"streams\":{count},\"root\":\"{root}\"}}}}"
        );
        Ok(Envelope::sign(payload.into_bytes(), &[&self.key])?)
    }
}
