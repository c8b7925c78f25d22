//! The runner's process.

use ringfence_sys_linux::SysError;
use ringfence_sys_linux::packet::Packets;
use ringfence_sys_linux::process;
use ringfence_sys_linux::spawn::RUNNER_SOCKET;
use ringfence_wire::{INLINE_MAX, MESSAGE_MAX};

use crate::session;

/// Serves the harness on the inherited socket until it is gone.
///
/// # Errors
/// When there is no such socket, or it breaks.
pub fn serve() -> Result<(), SysError> {
    // First: whatever happens next, no ring outlives its harness.
    process::die_with_parent()?;
    ringfence_sys_linux::signal::unblock_all()?;
    ringfence_sys_linux::signal::hear_of_children()?;
    // Nothing it starts gains a capability: from here on, while the plan is being made.
    ringfence_sys_linux::capability::drop_bounding()?;
    ringfence_sys_linux::capability::narrow()?;
    let socket = Packets::inherited(RUNNER_SOCKET, INLINE_MAX, MESSAGE_MAX)?;
    // The process ends with it: the kernel closes all it holds at once, and the harness waits for that.
    let mut session = std::mem::ManuallyDrop::new(session::Session::new(socket)?);
    session.run()
}
