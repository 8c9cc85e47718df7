//! `/v1/ledger`: which ledger this is, how far it goes, and who governs it.

use axum::Json;
use axum::extract::State;
use countersign_ledger::append::LedgerState;

use crate::problem::{Code, Problem};
use crate::server::{App, Copy};
use crate::wire::{GovernanceInfo, LedgerInfo, ServiceState};

/// The ledger: its id, its head, its governance and the policy in force.
///
/// None of it is to be believed because the server says so: an inspector takes the ledger id from elsewhere and checks a
/// bundle against it.
#[utoipa::path(
    get, path = "/v1/ledger", tag = "ledger",
    responses((status = 200, description = "the ledger", body = LedgerInfo))
)]
pub(crate) async fn ledger(State(app): State<App>) -> Result<Json<LedgerInfo>, Problem> {
    let head = app.ledger.head();
    let state = match app.ledger.state() {
        LedgerState::Serving => ServiceState::Serving,
        LedgerState::Closed => ServiceState::Closed,
        LedgerState::ReadOnly => ServiceState::ReadOnly,
        LedgerState::Stopping => ServiceState::Stopping,
        LedgerState::Failed(_) => ServiceState::Failed,
    };
    let info = app.ledger.with_authority(|authority| {
        let governance = authority.governance();
        let keys = governance.keys.iter().filter_map(|keyid| authority.key(keyid)).map(|known| known.key).collect();
        Some(LedgerInfo {
            ledger: authority.ledger()?,
            origin: authority.origin().to_owned(),
            log_key: authority.log_key()?.to_string(),
            size: head.size,
            state,
            checkpoint: head.checkpoint,
            governance: GovernanceInfo { threshold: governance.threshold, keys },
            policy: authority.policy().to_value(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            parties: authority.parties().len(),
            cases: authority.cases().len(),
            views: app.views().as_of(head.size),
            copy: app.copy().map(Copy::info),
        })
    });
    info.map(Json).ok_or_else(|| Problem::new(Code::Internal, "the ledger has no entry 0"))
}
