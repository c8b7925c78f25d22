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
#![forbid(unsafe_code)]

pub mod ask;
pub mod caches;
mod careful;
pub mod changed;
pub mod doctor;
pub mod environment;
mod error;
pub mod facts;
pub mod grants;
mod group;
mod keeping;
mod late;
mod launch;
pub mod layers;
mod locate;
mod look;
mod mounts;
pub mod offer;
mod prepare;
pub mod pretend;
pub mod program;
pub mod record;
mod relay;
pub mod ring;
pub mod rules;
mod site;
mod state;
mod supervise;
#[cfg(test)]
mod tests;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod traced;
pub mod trials;
pub mod trust;
mod unconfined;
pub mod undo;
pub mod why;
mod workspace;

pub use error::{Error, Kind};
pub use launch::{Early, Launched, runner_program};
pub use prepare::{
    Begun, Outside, Prepared, Preview, Request, begin, begin_with, prepare, preview,
};
pub use record::By;
pub use relay::PtyMode;
pub use ring::{Command, Ring};
pub use site::Made;
pub use state::State;
pub use supervise::{Ended, Finished, run};
