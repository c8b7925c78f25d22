//! Layer 4 as a test: a table of things a command inside a ring must not be able to do, each tried for real.
//!
//! A row is tried twice, by the same code: outside as a control, where it must work, and inside, where it must not.
//! Only that pair proves anything. "It is not there" and "it could not be tried" never count as stopped, unless being
//! kept away *is* how the boundary stops it, which each row says for itself.
//!
//! ```no_run
//! use ringfence_probe::{Arena, Options, verify};
//! let arena = Arena::make(&Options::new("/usr/libexec/ringfence-probe".into())).unwrap();
//! let report = verify(&arena, &|wanted| wanted.ringfence("ringfence".as_ref()), &|_| true, &mut |_| ());
//! assert!(report.holds());
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod answer;
mod arena;
mod facts;
mod moment;
mod row;
mod run;
mod stays;
mod table;
mod verify;

pub use answer::{Answer, Line, Tried};
pub use arena::{Arena, ArenaError, Options};
pub use facts::{Facts, VARIABLE};
pub use row::{Attempt, End, Extra, Group, Judge, Judged, Need, Row, Stdin};
pub use run::Invocation;
pub use stays::{Stays, verify_stays};
pub use table::{TABLE, find, hold_memory, linger, report_identity};
pub use verify::{Reason, Report, RowResult, Verdict, verify};
