//! The targets, small things first.

mod files;
mod json;
mod merkle;
mod notes;
mod scalars;
mod signatures;

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
    ]
}
