//! What entries state, in the form in which states, findings and reconciliation are computed (DOMAIN §1, §3).
//!
//! ```text
//! Entry + disclosures held → Statement → Description, Mention → Item
//!                                      → Standing (corrections)
//! ```
//!
//! All of it is pure and lenient: an entry that was recorded is evidence, whatever its body; what a body does not show
//! (concealed, erased, of a form that this version does not know) is unknown, never guessed. The same functions serve
//! the report of a bundle and the views of a running ledger, so that both say the same.

pub mod act;
pub mod extract;
pub mod fold;
pub mod measure;
pub mod statement;

pub use act::{Act, Amount, Description, ItemKey, Link, Mention, State, Target};
pub use extract::{Extract, extract};
pub use fold::{Item, fold};
pub use measure::{Exact, Measure};
pub use statement::{FactError, Statement};
