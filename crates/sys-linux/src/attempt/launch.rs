//! What the tester does to a command before it starts it: descriptors by number, a terminal, an end.

use super::checked;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Starts the command with a descriptor open under a number, as a caller's shell would (`9<file`).
pub fn hand_over(command: &mut Command, descriptor: OwnedFd, number: RawFd) {
    let step = move || {
        if descriptor.as_raw_fd() == number {
            // `dup2` onto itself would leave close-on-exec set.
            // SAFETY: F_SETFD takes an integer; the closure owns `descriptor`.
            return checked(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }).map(drop);
        }
        // SAFETY: dup2 is async-signal-safe; the closure owns `descriptor`, so it is open.
        checked(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }).map(drop)
    };
    // SAFETY: the closure makes one async-signal-safe call and does not allocate.
    unsafe { command.pre_exec(step) };
}

/// Starts the command as leader of a session whose controlling terminal is this one.
pub fn control_terminal(command: &mut Command, terminal: File) {
    let step = move || {
        // SAFETY: setsid is async-signal-safe and takes nothing.
        checked(unsafe { libc::setsid() })?;
        // SAFETY: TIOCSCTTY takes an integer; the closure owns `terminal`.
        checked(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
    };
    // SAFETY: the closure makes async-signal-safe calls only and does not allocate.
    unsafe { command.pre_exec(step) };
}

/// Has the kernel end the command's process when the thread that starts it ends.
pub fn end_with_us(command: &mut Command) {
    let step = || {
        // SAFETY: prctl is async-signal-safe here and takes an integer.
        checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
    };
    // SAFETY: the closure makes one async-signal-safe call and does not allocate.
    unsafe { command.pre_exec(step) };
}
