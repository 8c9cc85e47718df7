//! The HTTP client: what officers' commands, imports and tests talk to a server with.
//!
//! It checks what the server says. An answer about an event is believed when the receipt's entry holds exactly that
//! event, the inclusion proof leads to the checkpoint, the ledger's log key signed the checkpoint, and the checkpoint
//! extends the newest one that this user has seen (`state`). A server that shows two histories is found out.
//!
//! Blocking; a [`Client`] can be shared between threads, and a clone is the same client.

mod batch;
#[cfg(feature = "server")]
mod entries;
mod error;
mod evidence;
mod listen;
mod log;
mod proposals;
mod receipt;
mod seals;
mod source;
mod state;
mod transport;
mod trust;
mod views;
#[cfg(feature = "server")]
pub mod witness;
mod witnesses;

use std::io::Read;
use std::sync::Arc;

use countersign_ledger::annual::Treaty;
use countersign_ledger::bundle::{LastLeaf, Scope};
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::{EventHash, LedgerId};
use countersign_ledger::id::{CaseId, Kind, PartyId, Seq, StreamId, TreeSize};
use countersign_ledger::note::Vkey;
use countersign_ledger::proof::Receipt;
use countersign_ledger::reconcile;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::Time;
use serde_json::Value;
use serde_json::value::RawValue;

#[cfg(feature = "server")]
pub use entries::EntrySource;
pub use error::{ClientError, Distrust};
pub use listen::Listen;
pub use log::LogReader;
pub use proposals::{KeyBook, Proposal, ProposalFilter, Signatory, SignatureOutcome};
pub use receipt::{Proven, Recorded};
pub use source::Source;
pub use state::StateFolder;
#[cfg(feature = "server")]
pub(crate) use transport::check_address;
pub use transport::{Patience, Settings};
pub use views::Question;

use crate::problem::Problem;
use crate::wire::{
    AnnualView, CaseList, CaseView, EntryView, FindingsPage, LedgerInfo, PartyList, PartyView, ReconciliationPage,
    StreamItem, StreamPage,
};
use receipt::{Asked, check_asked, check_inclusion, check_sent};
use transport::Transport;
use trust::Trust;

/// How the ledger of a server became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquaintance {
    /// The user named it.
    Named,
    /// The server at this address served it before.
    Before,
    /// Nobody vouches for it: the server at this address named it, for the first time.
    First,
}

/// A connection to one ledger on one server.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Transport,
    trust: Trust,
    acquaintance: Acquaintance,
}

impl Client {
    /// Connects, finds the ledger's keys, and checks the server's checkpoint against the newest one seen.
    ///
    /// # Errors
    /// When the server cannot be reached, serves another ledger than `ledger` (or than it served before), or does not
    /// prove what it says.
    pub fn connect(settings: Settings, ledger: Option<LedgerId>, state: StateFolder) -> Result<Self, ClientError> {
        let transport = Transport::new(settings)?;
        let info: LedgerInfo = transport.json("/v1/ledger")?;
        let before = state.ledger_of(transport.server())?;
        let acquaintance = match (ledger, before) {
            (Some(_), _) => Acquaintance::Named,
            (None, Some(_)) => Acquaintance::Before,
            (None, None) => Acquaintance::First,
        };
        let expected = ledger.or(before).unwrap_or(info.ledger);
        if info.ledger != expected {
            let server = transport.server().to_owned();
            return Err(Distrust::WrongLedger { server, expected, found: info.ledger }.into());
        }
        let trust = Trust::establish(&transport, expected, state)?;
        let client = Self(Arc::new(Inner { transport, trust, acquaintance }));
        client.checkpoint()?;
        client.0.trust.state().remember(client.server(), expected)?;
        Ok(client)
    }

    /// Returns the server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        self.0.transport.server()
    }

    /// Returns the ledger id.
    #[must_use]
    pub fn ledger_id(&self) -> LedgerId {
        self.0.trust.ledger()
    }

    /// Returns the log's name.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.trust.origin()
    }

    /// Returns the log key in force, vouched for by the governance of a ledger of this id.
    ///
    /// # Errors
    /// When the ledger names none.
    pub fn log_key(&self) -> Result<Vkey, ClientError> {
        let none = || Distrust::GenesisBody { reason: "/body/log_key is missing".to_owned() };
        Ok(self.0.trust.log_key().ok_or_else(none)?)
    }

    /// Tells how the ledger became known.
    #[must_use]
    pub fn acquaintance(&self) -> Acquaintance {
        self.0.acquaintance
    }

    /// Fetches the newest checkpoint and checks it against the newest one seen.
    ///
    /// # Errors
    /// When it does not prove itself.
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, ClientError> {
        let floor = self.0.trust.floor();
        let text = self.0.transport.text("/v1/checkpoint")?;
        let checkpoint = SignedCheckpoint::from_bytes(text.as_bytes()).map_err(Distrust::from)?;
        self.0.trust.observe(&self.0.transport, &checkpoint, floor)?;
        self.0.trust.save(&self.0.transport)?;
        Ok(checkpoint)
    }

    /// Returns the newest checkpoint that was seen and checked.
    #[must_use]
    pub fn newest_checkpoint(&self) -> Option<SignedCheckpoint> {
        self.0.trust.newest()
    }

    /// Checks that a checkpoint from elsewhere is of the same history: signed by the ledger's log, and consistent with
    /// what the server shows.
    ///
    /// # Errors
    /// When it is not, or the server gives no answer.
    pub fn check_history(&self, checkpoint: &SignedCheckpoint) -> Result<(), ClientError> {
        self.0.trust.observe(&self.0.transport, checkpoint, TreeSize(0))
    }

    /// Returns by how much this machine's clock is ahead of the server's, in milliseconds, by the `Date` of its latest
    /// answer, if it had one.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<i64> {
        self.0.transport.clock_ahead()
    }

    /// Asks about the ledger. What it says beyond its id is the server's word.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn ledger(&self) -> Result<LedgerInfo, ClientError> {
        self.0.transport.json("/v1/ledger")
    }

    /// Submits one event and checks the receipt.
    ///
    /// # Errors
    /// When the server refuses it, cannot be reached, or the receipt does not prove itself.
    pub fn submit(&self, submission: &Submission) -> Result<Recorded, ClientError> {
        self.submit_to("/v1/events", submission)
    }

    /// Submits one event that must come directly after the head of its stream.
    ///
    /// # Errors
    /// As [`Client::submit`]; `stale_after` when somebody was faster.
    pub fn submit_at_head(&self, submission: &Submission) -> Result<Recorded, ClientError> {
        self.submit_to("/v1/events?expect=head", submission)
    }

    fn submit_to(&self, path: &str, submission: &Submission) -> Result<Recorded, ClientError> {
        let Inner { transport, trust, .. } = &*self.0;
        let floor = trust.floor();
        let (status, text): (u16, Box<RawValue>) = transport.post(path, submission.to_json().as_bytes())?;
        let receipt = parse_receipt("POST", path, &text)?;
        let repeated = status == 200;
        let recorded = check_sent(check_inclusion(receipt)?, submission, repeated)?;
        let floor = if repeated { TreeSize(0) } else { floor };
        trust.observe(transport, recorded.receipt.proof().checkpoint(), floor)?;
        trust.save(transport)?;
        Ok(recorded)
    }

    /// Submits many events over a link that may break, and tells `done` about each by its place in `items`. Each is
    /// recorded at most once; each receipt is checked before `done` is told. Events are mostly told in order.
    ///
    /// # Errors
    /// When the server cannot be reached for minutes, a receipt does not prove itself, or `done` fails: everything told
    /// to `done` until then stands.
    pub fn submit_batch<I, F, E>(&self, items: I, done: F) -> Result<(), E>
    where
        I: IntoIterator<Item = Submission>,
        I::IntoIter: Send,
        F: FnMut(usize, Result<Recorded, Problem>) -> Result<(), E>,
        E: From<ClientError>,
    {
        batch::submit(&self.0.transport, &self.0.trust, items, done)
    }

    /// Fetches an event by its hash, with a proof that it is in the ledger.
    ///
    /// # Errors
    /// When the server gives no answer, or one that does not prove itself.
    pub fn event(&self, hash: &EventHash) -> Result<Option<Proven>, ClientError> {
        let path = format!("/v1/events/{hash}");
        let Some(text) = Transport::found(self.0.transport.json::<Box<RawValue>>(&path))? else { return Ok(None) };
        let receipt = parse_receipt("GET", &path, &text)?;
        let proven = check_asked(receipt, &self.0.trust, &self.0.transport, Asked::Hash(*hash))?;
        self.0.trust.save(&self.0.transport)?;
        Ok(Some(proven))
    }

    /// Fetches the event of an entry, with a proof that it is in the ledger at that place.
    ///
    /// # Errors
    /// When the server gives no answer, or one that does not prove itself.
    pub fn entry(&self, seq: Seq) -> Result<Option<Proven>, ClientError> {
        let path = format!("/v1/entries/{seq}");
        let Some(view) = Transport::found(self.0.transport.json::<EntryView>(&path))? else { return Ok(None) };
        let path = format!("/v1/events/{}", view.event_hash);
        let receipt = parse_receipt("GET", &path, &self.0.transport.json::<Box<RawValue>>(&path)?)?;
        let proven = check_asked(receipt, &self.0.trust, &self.0.transport, Asked::Seq(seq))?;
        self.0.trust.save(&self.0.transport)?;
        Ok(Some(proven))
    }

    /// Returns the latest event of a stream, proved to be in the ledger and of that stream. That there is no later one
    /// is the server's word.
    ///
    /// # Errors
    /// When the server gives no answer, or one that does not prove itself.
    pub fn stream_head(&self, stream: &StreamId) -> Result<Option<Proven>, ClientError> {
        let path = format!("{}?limit=1", stream_path(stream));
        let Some(page) = Transport::found(self.0.transport.json::<StreamPage>(&path))? else { return Ok(None) };
        let wrong = |reason: &str| ClientError::Answer { request: format!("GET {path}"), reason: reason.to_owned() };
        let head = self.event(&page.head.event)?.ok_or_else(|| wrong("it names an event that the server has not"))?;
        if head.event.stream() != *stream {
            return Err(wrong("it names an event of another stream"));
        }
        Ok(Some(head))
    }

    /// Lists the events of a stream, in order. The list is the server's word; each event proves itself when fetched.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn stream(&self, stream: &StreamId) -> Result<Vec<StreamItem>, ClientError> {
        let mut items = Vec::new();
        let mut from = 0;
        loop {
            let path = format!("{}?from={from}&limit=1000", stream_path(stream));
            let Some(page) = Transport::found(self.0.transport.json::<StreamPage>(&path))? else { return Ok(items) };
            items.extend(page.events);
            match page.next {
                Some(next) if next.0 > from => from = next.0,
                _ => return Ok(items),
            }
        }
    }

    /// Asks about a party. The answer is the server's word.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn party(&self, party: &PartyId) -> Result<Option<PartyView>, ClientError> {
        Transport::found(self.0.transport.json(&format!("/v1/parties/{party}")))
    }

    /// Lists every party. The answer is the server's word.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn parties(&self) -> Result<Vec<PartyView>, ClientError> {
        let mut parties: Vec<PartyView> = Vec::new();
        loop {
            let after = parties.last().map(|last| format!("?after={}", last.party)).unwrap_or_default();
            let page: PartyList = self.0.transport.json(&format!("/v1/parties{after}"))?;
            let more = page.next.is_some() && !page.parties.is_empty();
            parties.extend(page.parties);
            if !more {
                return Ok(parties);
            }
        }
    }

    /// Asks about a case. The answer is the server's word.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn case(&self, case: &CaseId) -> Result<Option<CaseView>, ClientError> {
        Transport::found(self.0.transport.json(&format!("/v1/cases/{case}")))
    }

    /// Lists every case. The answer is the server's word.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn cases(&self) -> Result<Vec<CaseView>, ClientError> {
        let mut cases: Vec<CaseView> = Vec::new();
        loop {
            let after = cases.last().map(|last| format!("?after={}", last.case)).unwrap_or_default();
            let page: CaseList = self.0.transport.json(&format!("/v1/cases{after}"))?;
            let more = page.next.is_some() && !page.cases.is_empty();
            cases.extend(page.cases);
            if !more {
                return Ok(cases);
            }
        }
    }

    /// Asks for the report of a year: of a country, or of all flows.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn annual(&self, year: i16, treaty: Treaty, country: Option<&str>) -> Result<AnnualView, ClientError> {
        let country = country.map(|country| format!("&country={country}")).unwrap_or_default();
        self.0.transport.json(&format!("/v1/annual?year={year}&treaty={}{country}", treaty.as_str()))
    }

    /// Asks for findings: of a case, or of the cases after one, as of an instant or now.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn findings(
        &self,
        case: Option<&CaseId>,
        as_of: Option<Time>,
        after: Option<&CaseId>,
    ) -> Result<FindingsPage, ClientError> {
        let parts = [
            case.map(|case| format!("case={case}")),
            as_of.map(|time| format!("as_of={time}")),
            after.map(|after| format!("after={after}")),
        ];
        let query: Vec<String> = parts.into_iter().flatten().collect();
        let mark = if query.is_empty() { "" } else { "?" };
        self.0.transport.json(&format!("/v1/findings{mark}{}", query.join("&")))
    }

    /// Asks for the reconciliation of a case, holder, site or stock number, as of an instant or now.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn reconciliation(
        &self,
        scope: &reconcile::Scope,
        as_of: Option<Time>,
    ) -> Result<ReconciliationPage, ClientError> {
        let (name, value) = match scope {
            reconcile::Scope::Case(case) => ("case", case.as_str()),
            reconcile::Scope::Holder(party) => ("holder", party.as_str()),
            reconcile::Scope::Site(site) => ("site", site.as_str()),
            reconcile::Scope::StockNumber(number) => ("nsn", number.as_str()),
        };
        let as_of = as_of.map(|time| format!("&as_of={time}")).unwrap_or_default();
        self.0.transport.json(&format!("/v1/reconciliation?{name}={}{as_of}", query_value(value)))
    }

    /// Fetches the JSON Schema of a kind and the rule in force for it.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub fn kind(&self, kind: &Kind) -> Result<Option<Value>, ClientError> {
        Transport::found(self.0.transport.json(&format!("/v1/kinds/{kind}")))
    }

    /// Fetches the ledger, or an extract of it, as a bundle (SPEC §11), as it comes in; perhaps with its length in bytes.
    /// Nothing in it is checked: that is the verifier's work.
    ///
    /// # Errors
    /// When the server gives no answer, or there is nothing of this scope.
    pub fn bundle(
        &self,
        scope: &Scope,
        last: LastLeaf,
        zstd: bool,
    ) -> Result<(Option<u64>, impl Read + use<>), ClientError> {
        self.bundle_at(scope, last, zstd, false)
    }

    /// As [`Client::bundle`]; `witnessed` asks for the latest checkpoint that the quorum of the server's witnesses has
    /// cosigned, with their cosignatures.
    ///
    /// # Errors
    /// As [`Client::bundle`], and when there is no such checkpoint.
    pub fn bundle_at(
        &self,
        scope: &Scope,
        last: LastLeaf,
        zstd: bool,
        witnessed: bool,
    ) -> Result<(Option<u64>, impl Read + use<>), ClientError> {
        let mut parameters = match scope {
            Scope::Full => Vec::new(),
            Scope::Case(case) => vec![format!("&case={case}")],
            Scope::Stream(case, subject) => vec![format!("&case={case}"), format!("&subject={subject}")],
            Scope::Since(since) => vec![format!("&since={since}")],
        };
        parameters.extend(bundle_form(last, zstd).map(str::to_owned));
        parameters.extend(witnessed.then(|| "&checkpoint=witnessed".to_owned()));
        let query = format!("?{}", parameters.concat().trim_start_matches('&'));
        self.0.transport.stream(&format!("/v1/bundle{}", query.trim_end_matches('?')))
    }
}

/// Returns the parameters of a bundle's form, each behind an `&`.
fn bundle_form(last: LastLeaf, zstd: bool) -> [&'static str; 2] {
    let withheld = last == LastLeaf::Withheld;
    [if withheld { "&last=withheld" } else { "" }, if zstd { "&compress=zstd" } else { "" }]
}

/// Writes a value of a query: unreserved characters as they are, every other byte as `%XX` (RFC 3986 §2).
fn query_value(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

fn stream_path(stream: &StreamId) -> String {
    let case = stream.case.as_ref().map_or("-", CaseId::as_str);
    format!("/v1/streams/{case}/{}", stream.subject)
}

fn parse_receipt(method: &str, path: &str, text: &RawValue) -> Result<Receipt, ClientError> {
    Receipt::from_json(text.get().as_bytes()).map_err(|e| transport::answer_error(method, path, &e))
}
