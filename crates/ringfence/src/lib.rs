//! Layer 1 as a library: probe, plan, launch, supervise.
//!
//! ```text
//! Request ─ load ─▶ Effective ─ survey ─▶ Site ─ plan ─▶ Plan ─ launch ─▶ runner ─▶ child
//! ```
//!
//! The harness decides everything and confines nothing: it resolves each name once,
//! plans, and hands the plan to a runner that builds the ring and spawns the command in
//! it. It runs as the real user and never leaves that user's process group, so that a
//! terminal, Ctrl-C and job control work as without it.
//!
//! On Windows rings are made as the user, of other parts (`windows`); servers, questions and what changed are not there yet.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(target_os = "linux"),
    allow(
        dead_code,
        reason = "what only rings use is not used where there are none yet"
    )
)]

#[cfg(target_os = "linux")]
mod adapt;
#[cfg(target_os = "linux")]
pub mod ask;
#[cfg(target_os = "linux")]
pub mod caches;
mod careful;
#[cfg(target_os = "linux")]
pub mod changed;
#[cfg(target_os = "linux")]
pub mod doctor;
#[cfg(windows)]
#[path = "doctor/windows.rs"]
pub mod doctor;
pub mod environment;
mod error;
#[cfg(target_os = "linux")]
pub mod facts;
#[cfg(target_os = "linux")]
mod finished;
pub mod grants;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod keeping;
#[cfg(target_os = "linux")]
mod late;
#[cfg(target_os = "linux")]
mod launch;
pub mod layers;
#[cfg(target_os = "linux")]
mod locate;
#[cfg(target_os = "linux")]
mod look;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
pub mod offer;
#[cfg(target_os = "linux")]
mod prepare;
#[cfg(target_os = "linux")]
pub mod pretend;
#[cfg(target_os = "linux")]
pub mod program;
mod pty;
#[cfg(target_os = "linux")]
mod record;
pub mod recorded;
mod refused;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
pub mod ring;
pub mod rules;
#[cfg(target_os = "linux")]
mod site;
mod state;
#[cfg(target_os = "linux")]
mod supervise;
mod sys;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
#[cfg(all(feature = "tokio", target_os = "linux"))]
pub mod tokio;
#[cfg(target_os = "linux")]
pub mod traced;
#[cfg(target_os = "linux")]
pub mod trials;
pub mod trust;
#[cfg(target_os = "linux")]
mod unconfined;
#[cfg(target_os = "linux")]
pub mod undo;
#[cfg(target_os = "linux")]
mod unended;
#[cfg(target_os = "linux")]
pub mod why;
#[cfg(windows)]
pub mod windows;
#[cfg(target_os = "linux")]
mod workspace;
#[cfg(windows)]
#[path = "sys/windows/workspace.rs"]
mod workspace;

pub use error::{Error, Kind, LOOKS};
#[cfg(target_os = "linux")]
pub use finished::{Ended, Finished};
#[cfg(target_os = "linux")]
pub use launch::{Early, Launched, runner_program};
#[cfg(target_os = "linux")]
pub use prepare::{
    Begun, Outside, Prepared, Preview, Request, begin, begin_with, prepare, preview,
};
pub use pty::PtyMode;
pub use recorded::By;
#[cfg(target_os = "linux")]
pub use ring::{Command, Ring};
/// For Ringfence's own programs: what they were started with, also where the standard library was not told.
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use ringfence_sys_linux::entry::words;
/// For Ringfence's own programs: they begin without what the standard library does before `main`.
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use ringfence_sys_linux::program;
/// For Ringfence's own programs: as `execve(2)`, and no shell is given what is no program.
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use ringfence_sys_linux::signal::{end_by_interrupt, hear_of_children};
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use ringfence_sys_linux::spawn::execute;
#[cfg(target_os = "linux")]
pub use site::Made;
pub use state::State;
#[cfg(target_os = "linux")]
pub use supervise::run;
#[cfg(windows)]
pub use windows::{Begun, Ended, Finished, Request, begin, run};
