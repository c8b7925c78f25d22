//! Starting processes: the runner in new namespaces, and a command with every
//! restriction on, at once or from a spare that stands ready.
//!
//! All but the runner go the way of `posix_spawn(3)`: `clone(2)` with `CLONE_VM | CLONE_VFORK` on a stack
//! of its own, so that nothing is copied and the parent waits until the program is executed
//! or the child gave up; it tells where it failed in memory it shares with the waiting
//! parent. What it does before exec calls the kernel only: it allocates nothing, locks
//! nothing and unwinds nowhere.

use std::cell::Cell;
use std::ffi::{CString, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::error::SysError;
use crate::signal;

mod command;
mod patience;
mod raw;
mod runner;
mod spare;

use raw::leave;

pub use command::{CommandStart, Resource, Restrictions, command};
pub use patience::Patience;
pub use runner::{RUNNER_SOCKET, Runner, RunnerNamespaces, RunnerStart, Starting, runner};
pub use spare::{Spare, Spares, Started};

const STACK: usize = 64 * 1024;

/// A child's stack: mapped, with a page below it that faults.
struct Stack {
    base: *mut libc::c_void,
    len: usize,
}

// SAFETY: a mapping belongs to the process; whoever has this has it alone.
unsafe impl Send for Stack {}

/// One that is not used, for the next child: to map one, and to give it back, costs a start more than its clone does.
static UNUSED: AtomicPtr<libc::c_void> = AtomicPtr::new(std::ptr::null_mut());

impl Stack {
    fn new() -> Result<Stack, SysError> {
        let len = STACK + 4096;
        let base = UNUSED.swap(std::ptr::null_mut(), Ordering::Acquire);
        if !base.is_null() {
            return Ok(Stack { base, len });
        }
        // SAFETY: an anonymous private mapping at an address of the kernel's choice
        // touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(SysError::last("mmap"));
        }
        // SAFETY: the first page of the mapping just made; nothing uses it.
        if unsafe { libc::mprotect(base, 4096, libc::PROT_NONE) } != 0 {
            let error = SysError::last("mprotect");
            // SAFETY: the mapping just made. No stack without its guard is kept for another child.
            unsafe { libc::munmap(base, len) };
            return Err(error);
        }
        Ok(Stack { base, len })
    }

    fn top(&self) -> *mut libc::c_void {
        self.base.wrapping_byte_add(self.len)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let none = std::ptr::null_mut();
        let kept = UNUSED.compare_exchange(none, self.base, Ordering::Release, Ordering::Relaxed);
        if kept.is_ok() {
            return;
        }
        // SAFETY: the mapping is ours, and the child that ran on it has left it: with
        // CLONE_VFORK the parent goes on only after exec or exit, and who does not wait so
        // (a runner's start, the thread that makes spares) waits for that before.
        unsafe { libc::munmap(self.base, self.len) };
    }
}

/// Strings as `execve(2)` takes them.
struct Strings {
    _owned: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Strings {
    fn new(strings: &[OsString]) -> Result<Strings, SysError> {
        let owned = strings
            .iter()
            .map(|s| CString::new(s.as_bytes()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| SysError::new("execve", libc::EINVAL))?;
        let mut pointers: Vec<_> = owned.iter().map(|s| s.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Ok(Strings {
            _owned: owned,
            pointers,
        })
    }
}

/// Becomes another program, with these words and this process' environment. Returns where that cannot be. Not as
/// `execvp(3)`: what the kernel does not take for a program is not given to a shell; and no signal's disposition is changed.
pub fn execute(program: &Path, argv: &[OsString]) -> SysError {
    let variable = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        name
    };
    let env: Vec<OsString> = std::env::vars_os().map(variable).collect();
    let program = CString::new(program.as_os_str().as_bytes());
    let (Ok(program), Ok(argv), Ok(env)) = (program, Strings::new(argv), Strings::new(&env)) else {
        return SysError::new("execve", libc::EINVAL);
    };
    // SAFETY: program, argv and envp are null-terminated, and live for the call.
    unsafe {
        libc::execve(
            program.as_ptr(),
            argv.pointers.as_ptr(),
            env.pointers.as_ptr(),
        )
    };
    SysError::last("execve")
}

/// A failure's place in the child, before anyone translates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The clone itself.
    Clone,
    /// Writing the id maps.
    MapIds,
    /// Namespaces beside those it was cloned in. No start fails here: a runner makes them itself.
    Namespaces,
    /// Descriptors, signals, session.
    Prepare,
    /// The working directory.
    Cwd,
    /// Starting the session or taking its terminal.
    Session,
    /// A resource limit.
    Limit,
    /// Capabilities.
    Capabilities,
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivs,
    /// Landlock.
    Landlock,
    /// seccomp.
    Seccomp,
    /// `execve`.
    Exec,
}

/// A process that could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpawnError {
    /// Where it failed.
    pub step: Step,
    /// The call and the kernel's word.
    pub error: SysError,
}

impl SpawnError {
    fn at(step: Step) -> impl Fn(SysError) -> SpawnError {
        move |error| SpawnError { step, error }
    }
}

type Failure = Cell<Option<SpawnError>>;

#[cfg(target_env = "gnu")]
use libc::clone;

// musl's `clone(3)` refuses a child that tells when it has left: its C code there would be a thread without a thread's
// memory. No C code is run by ours, and this is what that function calls.
#[cfg(target_env = "musl")]
unsafe extern "C" {
    #[link_name = "__clone"]
    fn clone(
        entry: extern "C" fn(*mut libc::c_void) -> libc::c_int,
        stack: *mut libc::c_void,
        flags: libc::c_int,
        arg: *mut libc::c_void,
        ptid: *mut libc::pid_t,
        tls: *mut libc::c_void,
        ctid: *mut u32,
    ) -> libc::pid_t;
}

/// What `clone` says where it gave this: musl's leaves `errno` alone.
fn not_cloned(gave: libc::pid_t) -> SysError {
    if cfg!(target_env = "musl") {
        SysError::new("clone", -gave)
    } else {
        SysError::last("clone")
    }
}

/// As [`start`], and does not wait in the kernel: who may signal the child before it executes could
/// stop it, and with it this process. While the child is here this thread calls the kernel only in ways
/// that touch nothing of the C library's, which it shares with the child.
fn start_patiently(
    entry: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    arg: *mut libc::c_void,
    failure: &Failure,
    patience: &Patience<'_>,
) -> Result<libc::pid_t, SpawnError> {
    let at_clone = SpawnError::at(Step::Clone);
    let stack = Stack::new().map_err(&at_clone)?;
    let here = Box::new(AtomicU32::new(patience::HERE));
    let flags = libc::CLONE_VM | libc::CLONE_CHILD_CLEARTID | libc::SIGCHLD;
    let old = signal::block_all().map_err(&at_clone)?;
    // SAFETY: as in `start`; this thread goes on, and uses nothing that the child uses: what `arg` leads to
    // and the stack are left alone until the child has left this memory (`Patience::wait`). `here` is a live
    // place of four bytes, and atomic.
    let pid = unsafe {
        clone(
            entry,
            stack.top(),
            flags,
            arg,
            std::ptr::null_mut::<libc::pid_t>(),
            std::ptr::null_mut::<libc::c_void>(),
            here.as_ptr(),
        )
    };
    if pid < 0 {
        let error = not_cloned(pid);
        signal::restore(&old);
        return Err(at_clone(error));
    }
    let left = patience.wait(&here, || Some(pid));
    signal::restore(&old);
    if !left {
        // It was killed and has not gone: it runs nothing of ours any more, but the kernel still writes
        // that it left, and has its stack.
        Box::leak(here);
        std::mem::forget(stack);
        return Err(SpawnError::at(Step::Prepare)(patience::GIVEN_UP));
    }
    match failure.get() {
        None => Ok(pid),
        Some(error) => {
            signal::reap(pid);
            Err(error)
        }
    }
}

/// Clones, with `flags` more, on a new stack, and waits until the child has executed or
/// failed. The child has all signals blocked.
fn start(
    flags: libc::c_int,
    entry: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    arg: *mut libc::c_void,
    failure: &Failure,
) -> Result<libc::pid_t, SpawnError> {
    let at_clone = SpawnError::at(Step::Clone);
    let stack = Stack::new().map_err(&at_clone)?;
    let flags = flags | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // A handler run in a child that shares memory would act on the parent's.
    let old = signal::block_all().map_err(&at_clone)?;
    // SAFETY: `entry` gets `arg`, which the callers point at a live value of the type the
    // entry casts it to. The stack is mapped and ours for as long as the child is on it, and
    // the memory it shares is not used by this thread meanwhile: CLONE_VFORK holds it here
    // until the child has left.
    let pid = unsafe { libc::clone(entry, stack.top(), flags, arg) };
    let cloned = if pid < 0 {
        Err(at_clone(SysError::last("clone")))
    } else {
        Ok(pid)
    };
    signal::restore(&old);
    let pid = cloned?;
    match failure.get() {
        None => Ok(pid),
        Some(error) => {
            signal::reap(pid);
            Err(error)
        }
    }
}

/// Makes `fd` the descriptor `number`, not closed on exec.
fn take_descriptor(fd: RawFd, number: RawFd) -> Result<(), SysError> {
    if fd == number {
        // SAFETY: integers only.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } != 0 {
            return Err(SysError::last("fcntl"));
        }
        return Ok(());
    }
    // SAFETY: integers only; the table is this process' own.
    if unsafe { libc::dup2(fd, number) } < 0 {
        return Err(SysError::last("dup2"));
    }
    Ok(())
}

/// Closes every descriptor from `first` on.
fn close_from(first: RawFd) -> Result<(), SysError> {
    // SAFETY: integers only; the descriptor table is this process' own copy.
    let r = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if r == 0 {
        Ok(())
    } else {
        Err(SysError::last("close_range"))
    }
}
