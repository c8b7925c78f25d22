//! Layer 3: builds the ring, spawns and reaps the command.
//!
//! The runner decides nothing. On Linux it does the steps the harness planned, in order, in the
//! namespaces it was started in and those it makes itself; tells what failed, by number;
//! spawns commands with the caller's own descriptors; and as process 1 of the ring kills whatever a command
//! leaves behind.
//!
//! It ends with the harness: by `PR_SET_PDEATHSIG` until the ring stands (without a pid namespace,
//! and before Landlock 6, always), then by the end of its socket, so that it can end what a command left and take away what
//! appeared under protected names.
//!
//! On Windows a ring is a token and a job (`windows`). Where commands run as the user, the harness links it
//! and no process of its own is started: between two processes of one user there is no line to defend.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod ready;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod session;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(windows)]
pub mod windows;

#[cfg(target_os = "linux")]
pub use keeper::{Taken, take_away};
#[cfg(target_os = "linux")]
pub use linux::serve;
#[cfg(windows)]
pub use windows::serve;
