//! Waiting for a child to execute that others may signal.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::thread::futex;
use rustix::time::Timespec;

use crate::error::SysError;

/// A child has neither executed nor ended. The kernel writes 0 then (`CLONE_CHILD_CLEARTID`,
/// `set_tid_address(2)`).
pub(super) const HERE: u32 = 1;

/// A child that does not move is looked at this often.
pub(super) const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// One that was found stopped so often is being stopped over and over: for two seconds.
const STOPS: u32 = 40;

/// One that was killed has a second to go.
const LAST_LOOKS: u32 = 20;

/// What is told of a child that was killed, and is not gone for all that.
pub(super) const GIVEN_UP: SysError = SysError {
    call: "waiting for it to be executed: it was stopped, over and over",
    errno: libc::ETIMEDOUT,
};

/// How long a child is waited for. One that is stopped is continued; one that is stopped over and over is
/// killed, and ends by that as any command may that others of its ring kill; one whose execution takes its time (a disk that is far away) is waited for.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// Asked now and then: whether the start is wanted still.
    pub go_on: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patience").finish_non_exhaustive()
    }
}

impl Patience<'_> {
    /// Waits until the child is gone from this memory. `false`: it was killed, and is not gone for all
    /// that. Calls the kernel without the C library (see `start_patiently`).
    pub(super) fn wait(&self, here: &AtomicU32, pid: impl Fn() -> Option<i32>) -> bool {
        let gone = || here.load(Ordering::Acquire) != HERE;
        let look = || wait(here, HERE, Some(&LOOK));
        let mut stops = 0;
        while !gone() {
            look();
            let Some(pid) = pid().and_then(Pid::from_raw).filter(|_| !gone()) else {
                continue;
            };
            let options = WaitIdOptions::EXITED
                | WaitIdOptions::STOPPED
                | WaitIdOptions::NOHANG
                | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(pid), options) {
                Ok(None) => {}
                Ok(Some(status)) if status.stopped() => stops += 1,
                // It has ended, though nothing was written: it dumped core.
                Ok(Some(_)) | Err(_) => return true,
            }
            if stops >= STOPS || !(self.go_on)() {
                let _ended = kill_process(pid, Signal::KILL);
                for _ in 0..LAST_LOOKS {
                    if gone() {
                        return true;
                    }
                    look();
                }
                return gone();
            }
            let _ended = kill_process(pid, Signal::CONT);
        }
        true
    }
}

/// Waits until the word may be another, and no longer than this. Not a private wait: the kernel's own wake-up
/// of `CLONE_CHILD_CLEARTID` is none. Why it returns does not matter: callers look again.
pub(super) fn wait(word: &AtomicU32, is: u32, no_longer_than: Option<&Timespec>) {
    let _why = futex::wait(word, futex::Flags::empty(), is, no_longer_than);
}
