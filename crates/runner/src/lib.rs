//! Layer 3: builds the ring, spawns and reaps the command.
//!
//! The runner decides nothing. It does the steps the harness planned, in order, in the
//! namespaces it was started in and those it makes itself; tells what failed, by number;
//! spawns commands with the caller's own descriptors; and as process 1 of the ring kills whatever a command
//! leaves behind.
//!
//! It ends with the harness: by `PR_SET_PDEATHSIG` until the ring stands (without a pid namespace,
//! always), then by the end of its socket, so that it can take away what appeared under protected names.
#![forbid(unsafe_code)]

mod files;
mod keeper;
mod ready;
mod ring;
mod session;
mod tree;

use ringfence_sys_linux::SysError;
use ringfence_sys_linux::packet::Packets;
use ringfence_sys_linux::process;
use ringfence_sys_linux::spawn::RUNNER_SOCKET;
use ringfence_wire::{INLINE_MAX, MESSAGE_MAX};

pub use keeper::{Taken, take_away};

/// Serves the harness on the inherited socket until it is gone.
///
/// # Errors
/// When there is no such socket, or it breaks.
pub fn serve() -> Result<(), SysError> {
    // First: whatever happens next, no ring outlives its harness.
    process::die_with_parent()?;
    ringfence_sys_linux::signal::unblock_all()?;
    // Nothing it starts gains a capability: from here on, while the plan is being made.
    ringfence_sys_linux::capability::drop_bounding()?;
    ringfence_sys_linux::capability::narrow()?;
    let socket = Packets::inherited(RUNNER_SOCKET, INLINE_MAX, MESSAGE_MAX)?;
    session::Session::new(socket)?.run()
}
