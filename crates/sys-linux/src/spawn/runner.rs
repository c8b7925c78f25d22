//! Starting a runner, which its caller does not wait for.

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::{CStr, CString, OsString};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use rustix::fs::{Mode, OFlags};

use super::patience::{self, Patience};
use super::{Failure, SpawnError, Stack, Step, Strings, clone, not_cloned, raw};
use crate::error::{Named, SysError};
use crate::{capability, process, signal};

/// How to start a runner.
#[derive(Debug)]
pub struct RunnerStart<'a> {
    /// The runner's binary.
    pub program: &'a Path,
    /// Its socket; it finds it as descriptor 3, the only one it gets.
    pub socket: BorrowedFd<'a>,
    /// A user and a pid namespace; `None` for the landlock-only ring.
    pub namespaces: Option<RunnerNamespaces>,
}

/// The namespaces a runner starts in.
#[derive(Debug, Clone, Copy)]
pub struct RunnerNamespaces {
    /// The one user id mapped, to itself.
    pub uid: u32,
    /// The one group id mapped, to itself.
    pub gid: u32,
}

/// A runner that was started.
#[derive(Debug)]
pub struct Runner {
    /// Its process id.
    pub pid: i32,
    /// Its handle.
    pub pidfd: OwnedFd,
}

/// Descriptor number of the runner's socket.
pub const RUNNER_SOCKET: RawFd = 3;

/// What a child that is about to become the runner has from its parent, in memory that both have.
struct Child {
    /// Not 0 while it is here: the kernel writes that when it has executed or ended (`CLONE_CHILD_CLEARTID`).
    here: AtomicU32,
    failure: Failure,
    program: CString,
    argv: Strings,
    envp: Strings,
    maps: Option<(Vec<u8>, Vec<u8>)>,
    socket: RawFd,
    stack: Stack,
}

/// A runner on its way: a child that executes it, beside this process. Let go of, it ends when its socket does, and is a child
/// that nobody has waited for.
pub struct Starting {
    pid: i32,
    pidfd: Option<OwnedFd>,
    /// Not touched until the child has left this memory, but for `here`.
    child: Option<NonNull<Child>>,
}

// SAFETY: what it points to is its own, and no thread's.
unsafe impl Send for Starting {}
// SAFETY: who shares it is told its number, no more.
unsafe impl Sync for Starting {}

impl std::fmt::Debug for Starting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starting")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// Starts the runner, and does not wait until it is executed: what became of that [`Starting::finish`] tells.
///
/// It is in a user and a pid namespace of its own, in which a process must be made; the others
/// it makes itself ([`namespaces`](crate::namespaces)), and the caller need not wait for them. The child is no copy: it has this
/// process' memory until it executes, so nothing is copied on either side.
///
/// # Errors
/// At the clone `EPERM`, `ENOSPC` or `EUSERS` means that user namespaces are refused.
pub fn runner(start: &RunnerStart<'_>) -> Result<Starting, SpawnError> {
    let at_clone = SpawnError::at(Step::Clone);
    let at_exec = SpawnError::at(Step::Exec);
    let program = CString::new(start.program.as_os_str().as_bytes())
        .map_err(|_| at_exec(SysError::new("execve", libc::EINVAL)))?;
    let map = |id: u32| format!("{id} {id} 1").into_bytes();
    let child = Box::new(Child {
        here: AtomicU32::new(patience::HERE),
        failure: Cell::new(None),
        program,
        argv: Strings::new(&[OsString::from("ringfence: runner")]).map_err(&at_exec)?,
        envp: Strings::new(&[]).map_err(&at_exec)?,
        maps: start.namespaces.map(|n| (map(n.uid), map(n.gid))),
        socket: start.socket.as_raw_fd(),
        stack: Stack::new().map_err(&at_clone)?,
    });
    let mut flags = libc::CLONE_VM | libc::CLONE_CHILD_CLEARTID | libc::CLONE_PIDFD | libc::SIGCHLD;
    if start.namespaces.is_some() {
        flags |= libc::CLONE_NEWUSER | libc::CLONE_NEWPID;
    }
    let top = child.stack.top();
    let shared = NonNull::from(Box::leak(child));
    // SAFETY: it was leaked above, and lives.
    let here = unsafe { &(*shared.as_ptr()).here }.as_ptr();
    let mut number: RawFd = -1;
    // A handler run in a child that shares memory would act on the parent's.
    let blocked = signal::block_all().map_err(&at_clone);
    let cloned = blocked.and_then(|old| {
        // SAFETY: `entry` gets a live `Child`, which nobody moves, frees or writes until the child has left this memory
        // (`Starting`): it waits for that before. The stack is the child's alone for as long. `here` is a live place of
        // four bytes, and `number` one for a descriptor. The child calls the kernel only, and in ways that touch nothing of
        // the C library's, which this thread goes on to use.
        let pid = unsafe {
            clone(
                entry,
                top,
                flags,
                shared.as_ptr().cast(),
                &raw mut number,
                std::ptr::null_mut::<libc::c_void>(),
                here,
            )
        };
        let cloned = if pid < 0 {
            Err(at_clone(not_cloned(pid)))
        } else {
            Ok(pid)
        };
        signal::restore(&old);
        cloned
    });
    let pid = cloned.inspect_err(|_| {
        // SAFETY: it was leaked above, and there is no child that has it.
        drop(unsafe { Box::from_raw(shared.as_ptr()) });
    })?;
    // SAFETY: a clone that was made has made this descriptor for us (close-on-exec); nobody else knows it. (One that failed
    // late has written the number of a descriptor it took back.)
    let pidfd = (number >= 0).then(|| unsafe { OwnedFd::from_raw_fd(number) });
    process::to_the_other_processor(pid);
    Ok(Starting {
        pid,
        pidfd,
        child: Some(shared),
    })
}

impl Starting {
    /// Waits until the runner is executed. [`Step::MapIds`] or [`Step::Capabilities`] with `EPERM` or `EACCES` means that
    /// user namespaces are made without their capabilities (AppArmor).
    ///
    /// # Errors
    /// Where it failed.
    pub fn finish(mut self) -> Result<Runner, SpawnError> {
        let failed = self.left()?;
        let failed = failed.or_else(|| {
            self.pidfd
                .is_none()
                .then(|| SpawnError::at(Step::Clone)(SysError::new("clone", libc::EBADF)))
        });
        match (failed, self.pidfd.take()) {
            (None, Some(pidfd)) => Ok(Runner {
                pid: self.pid,
                pidfd,
            }),
            (failed, _) => {
                signal::reap(self.pid);
                Err(failed.unwrap_or(GONE))
            }
        }
    }

    /// Waits until the child has left this memory: why it did not execute, if it did not.
    fn left(&mut self) -> Result<Option<SpawnError>, SpawnError> {
        let Some(child) = self.child.take() else {
            return Ok(None);
        };
        // SAFETY: it lives until it is freed below; the child and the kernel change it as an atomic is changed.
        let here = unsafe { &(*child.as_ptr()).here };
        let patience = Patience { go_on: &|| true };
        if !patience.wait(here, || Some(self.pid)) {
            // It was killed and has not gone: it runs nothing of ours any more, but the kernel still writes that it left,
            // and has its stack.
            return Err(GONE);
        }
        // SAFETY: it was leaked by `runner`, which gave it to nobody but the child, which has left.
        let child = unsafe { Box::from_raw(child.as_ptr()) };
        Ok(child.failure.get())
    }
}

const GONE: SpawnError = SpawnError {
    step: Step::Prepare,
    error: patience::GIVEN_UP,
};

impl Drop for Starting {
    fn drop(&mut self) {
        // One that was not executed is no runner, and nobody's to wait for. (One that does not go is waited for no longer.)
        if let Ok(Some(_)) = self.left() {
            signal::reap(self.pid);
        }
    }
}

extern "C" fn entry(arg: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `runner` passes a `Child` that outlives this process' use of the shared memory: `Starting` waits.
    let child = unsafe { &*arg.cast::<Child>() };
    let step = Cell::new(Step::MapIds);
    let Err(error) = enter_and_exec(child, &step);
    child.failure.set(Some(SpawnError {
        step: step.get(),
        error,
    }));
    raw::leave()
}

fn enter_and_exec(child: &Child, step: &Cell<Step>) -> Result<Infallible, SysError> {
    if let Some((uid_map, gid_map)) = &child.maps {
        // An ordinary user may map groups only after giving up setgroups(2).
        write_file(c"/proc/self/setgroups", b"deny")?;
        write_file(c"/proc/self/uid_map", uid_map)?;
        write_file(c"/proc/self/gid_map", gid_map)?;
        step.set(Step::Capabilities);
        capability::keep_for_runner()?;
    }
    step.set(Step::Prepare);
    // The descriptors are its own: CLONE_FILES is not among the flags.
    if child.socket == RUNNER_SOCKET {
        numbers("fcntl", libc::SYS_fcntl, [3, libc::F_SETFD as usize, 0])?;
    } else {
        numbers("dup3", libc::SYS_dup3, [child.socket as usize, 3, 0])?;
    }
    numbers(
        "close_range",
        libc::SYS_close_range,
        [4, u32::MAX as usize, 0],
    )?;
    for number in 0..3 {
        // One that is closed is.
        let _closed = numbers("close", libc::SYS_close, [number, 0, 0]);
    }
    step.set(Step::Exec);
    // All signals stay blocked until the runner unblocks them: the parent's handlers are not
    // for this process.
    let (program, argv, envp) = (
        child.program.as_ptr() as usize,
        child.argv.pointers.as_ptr() as usize,
        child.envp.pointers.as_ptr() as usize,
    );
    // SAFETY: program, argv and envp are null-terminated and live in the parent.
    let failed = unsafe { raw::say("execve", libc::SYS_execve, [program, argv, envp, 0]) };
    Err(failed.err().unwrap_or(SysError::new("execve", libc::EIO)))
}

/// A call that takes numbers.
fn numbers(
    what: &'static str,
    number: libc::c_long,
    [a, b, c]: [usize; 3],
) -> Result<usize, SysError> {
    // SAFETY: no word is an address.
    unsafe { raw::say(what, number, [a, b, c, 0]) }
}

/// Writes a file of /proc, which is closed with all else that the runner does not get.
fn write_file(path: &CStr, bytes: &[u8]) -> Result<(), SysError> {
    let how = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, how, Mode::empty()).named("open id map")?;
    // Dropped, the C library would close it.
    let file = ManuallyDrop::new(file);
    match rustix::io::write(&*file, bytes).named("write id map")? {
        n if n == bytes.len() => Ok(()),
        _ => Err(SysError::new("write id map", libc::EIO)),
    }
}
