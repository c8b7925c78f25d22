//! The ring on Windows: who a command is, and which ACEs let it write where it may.
//!
//! Pure, on every operating system: what is on the machine comes in as [`Facts`] and [`Site`], with the security
//! descriptors that were read; what the child will get is asked of the model (`ringfence-nt-access`) before anything is
//! written. What is proved of it over random trees is in `tests/windows`.

mod explain;
mod facts;
mod identity;
mod refuse;
mod ring;
mod site;
mod stamp;
mod walk;

pub use facts::{Facts, Place, Principals};
pub use identity::{FileId, Purpose, synthetic};
pub use refuse::{RootRefusal, refuse_root};
pub use ring::{Job, Mode, Plan, RootPlan, Stamp, plan};
pub use site::{Guarded, Open, Outside, Root, Site, Undecided, Volume};
pub use stamp::{cleanse, is_of, pass_on, pass_on_denials, stamp};
pub use walk::{Next, Step, Walk, Why};
