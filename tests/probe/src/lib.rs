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
//! Each operating system has its own arena, rows and way to run them (`windows/`, and Linux' beside this file); what answers mean, and
//! the verdict, is the same.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod answer;
#[cfg(target_os = "linux")]
mod arena;
#[cfg(windows)]
#[path = "windows/arena/mod.rs"]
mod arena;
#[cfg(target_os = "linux")]
mod facts;
#[cfg(windows)]
#[path = "windows/facts.rs"]
mod facts;
mod moment;
#[cfg(target_os = "linux")]
mod row;
#[cfg(windows)]
#[path = "windows/row.rs"]
mod row;
#[cfg(target_os = "linux")]
mod run;
#[cfg(windows)]
#[path = "windows/run.rs"]
mod run;
#[cfg(target_os = "linux")]
mod stays;
#[cfg(target_os = "linux")]
mod table;
#[cfg(windows)]
#[path = "windows/table/mod.rs"]
mod table;
mod verify;

pub use answer::{Answer, Line, Tried};
#[cfg(windows)]
pub use arena::keep;
pub use arena::{Arena, ArenaError, Options};
pub use facts::{Facts, VARIABLE};
pub use row::{Attempt, Group, Judge, Judged, Need, Row};
#[cfg(target_os = "linux")]
pub use row::{End, Extra, Stdin};
pub use run::Invocation;
#[cfg(target_os = "linux")]
pub use stays::{Stays, verify_stays};
pub use table::{TABLE, find, linger};
#[cfg(target_os = "linux")]
pub use table::{hold_memory, report_identity};
pub use verify::{Reason, Report, RowResult, Verdict, verify};

/// A failed call of the system crate, as the standard library has it.
#[cfg(windows)]
pub(crate) fn sys(error: ringfence_sys_windows::SysError) -> std::io::Error {
    match error.as_win32() {
        Some(code) => std::io::Error::from_raw_os_error(code.cast_signed()),
        None => std::io::Error::other(error),
    }
}
