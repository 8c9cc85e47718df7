//! The targets, small things first.

mod bundles;
mod disclosures;
mod events;
mod files;
mod json;
mod merkle;
mod notes;
pub mod rules;
mod scalars;
mod signatures;
mod trust;

use crate::target::Target;

/// Every target.
pub fn all() -> Vec<Target> {
    vec![
        json::json(),
        scalars::base64(),
        scalars::time(),
        scalars::word(),
        scalars::pattern(),
        signatures::key(),
        signatures::signature(),
        notes::vkey(),
        notes::note(),
        notes::checkpoint(),
        notes::signature(),
        merkle::inclusion(),
        merkle::consistency(),
        merkle::root(),
        files::proof(),
        files::receipt(),
        files::header(),
        files::withheld(),
        files::entry(),
        events::event(),
        events::body(),
        disclosures::disclosure(),
        trust::trust(),
        rules::form(),
        rules::satisfied(),
        bundles::bundle(),
    ]
}
