//! Starting processes: the runner in new namespaces, and a command with every
//! restriction on, at once or from a spare that stands ready.
//!
//! All go the way of `posix_spawn(3)`: `clone(2)` with `CLONE_VM | CLONE_VFORK` on a stack
//! of its own, so that nothing is copied and the parent waits until the program is executed
//! or the child gave up; it tells where it failed in memory it shares with the waiting
//! parent. What it does before exec calls the kernel only: it allocates nothing, locks
//! nothing and unwinds nowhere.

use std::cell::Cell;
use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::AtomicU32;

use crate::capability;
use crate::error::SysError;
use crate::signal;

mod command;
mod patience;
mod spare;

pub use command::{CommandStart, Resource, Restrictions, command};
pub use patience::Patience;
pub use spare::{Spare, Spares, Started};

const STACK: usize = 64 * 1024;

/// A child's stack: mapped, with a page below it that faults.
struct Stack {
    base: *mut libc::c_void,
    len: usize,
}

// SAFETY: a mapping belongs to the process; whoever has this has it alone.
unsafe impl Send for Stack {}

impl Stack {
    fn new() -> Result<Stack, SysError> {
        let len = STACK + 4096;
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
        let stack = Stack { base, len };
        // SAFETY: the first page of the mapping just made; nothing uses it.
        if unsafe { libc::mprotect(stack.base, 4096, libc::PROT_NONE) } != 0 {
            return Err(SysError::last("mprotect"));
        }
        Ok(stack)
    }

    fn top(&self) -> *mut libc::c_void {
        self.base.wrapping_byte_add(self.len)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the child that ran on it has left it: with
        // CLONE_VFORK the parent goes on only after exec or exit, and the thread that makes
        // spares waits for that.
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
        libc::clone(
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
        let error = SysError::last("clone");
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
    pidfd: Option<&mut RawFd>,
) -> Result<libc::pid_t, SpawnError> {
    let at_clone = SpawnError::at(Step::Clone);
    let stack = Stack::new().map_err(&at_clone)?;
    let mut flags = flags | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let mut number: RawFd = -1;
    let ptid: *mut RawFd = if pidfd.is_some() {
        flags |= libc::CLONE_PIDFD;
        &raw mut number
    } else {
        std::ptr::null_mut()
    };
    // A handler run in a child that shares memory would act on the parent's.
    let old = signal::block_all().map_err(&at_clone)?;
    // SAFETY: `entry` gets `arg`, which the callers point at a live value of the type the
    // entry casts it to. The stack is mapped and ours for as long as the child is on it, and
    // the memory it shares is not used by this thread meanwhile: CLONE_VFORK holds it here
    // until the child has left. `ptid` is null or a live place for a descriptor.
    let pid = unsafe { libc::clone(entry, stack.top(), flags, arg, ptid) };
    let cloned = if pid < 0 {
        Err(at_clone(SysError::last("clone")))
    } else {
        Ok(pid)
    };
    signal::restore(&old);
    let pid = cloned?;
    if let Some(pidfd) = pidfd {
        // Not before: a clone that fails late has written the number of a descriptor it took back.
        *pidfd = number;
    }
    match failure.get() {
        None => Ok(pid),
        Some(error) => {
            signal::reap(pid);
            Err(error)
        }
    }
}

/// Opens, writes and closes a file of /proc without allocating.
fn write_file(path: &CStr, bytes: &[u8]) -> Result<(), SysError> {
    // SAFETY: `path` is a C string.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(SysError::last("open id map"));
    }
    // SAFETY: the buffer is live and of the length given.
    let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    let result = if n == bytes.len() as isize {
        Ok(())
    } else {
        Err(SysError::last("write id map"))
    };
    // SAFETY: closes the descriptor opened above, which nobody else has.
    unsafe { libc::close(fd) };
    result
}

/// Ends the child without running anything of the parent's.
fn leave() -> ! {
    // SAFETY: `_exit` runs no handlers and touches no memory.
    unsafe { libc::_exit(127) }
}

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

struct RunnerArgs<'a> {
    program: &'a CStr,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    socket: RawFd,
    maps: Option<(&'a [u8], &'a [u8])>,
    failure: &'a Failure,
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

/// Starts the runner, and returns once it is executed. [`Step::MapIds`] or
/// [`Step::Capabilities`] with `EPERM` or `EACCES` means that user namespaces are made
/// without their capabilities (AppArmor).
///
/// It is in a user and a pid namespace of its own, in which a process must be made; the others
/// it makes itself ([`namespaces`](crate::namespaces)), and the caller need not wait for them. A
/// copy of the caller that it need not wait for at all costs more: it and the caller each copy
/// what either writes, and the scheduler lets the copy wait for the caller's processor, where
/// one that executes anew is moved to an idle one.
///
/// # Errors
/// Where it failed. At the clone `EPERM`, `ENOSPC` or `EUSERS` means that user namespaces
/// are refused.
pub fn runner(start_with: &RunnerStart<'_>) -> Result<Runner, SpawnError> {
    let invalid = |_| SpawnError {
        step: Step::Exec,
        error: SysError::new("execve", libc::EINVAL),
    };
    let program = CString::new(start_with.program.as_os_str().as_bytes()).map_err(invalid)?;
    let argv =
        Strings::new(&[OsString::from("ringfence: runner")]).map_err(SpawnError::at(Step::Exec))?;
    let envp = Strings::new(&[]).map_err(SpawnError::at(Step::Exec))?;
    let maps = start_with.namespaces.map(|n| {
        (
            format!("{0} {0} 1", n.uid).into_bytes(),
            format!("{0} {0} 1", n.gid).into_bytes(),
        )
    });
    let failure = Cell::new(None);
    let mut args = RunnerArgs {
        program: &program,
        argv: argv.pointers.as_ptr(),
        envp: envp.pointers.as_ptr(),
        socket: start_with.socket.as_raw_fd(),
        maps: maps.as_ref().map(|(u, g)| (&u[..], &g[..])),
        failure: &failure,
    };
    let flags = match start_with.namespaces {
        Some(_) => libc::CLONE_NEWUSER | libc::CLONE_NEWPID,
        None => 0,
    };
    let mut pidfd: RawFd = -1;
    let pid = start(
        flags,
        runner_entry,
        (&raw mut args).cast(),
        &failure,
        Some(&mut pidfd),
    );
    // A child that failed has left a descriptor too.
    let fd = (pidfd >= 0).then(|| {
        // SAFETY: `start` tells a number only where the clone was made, and with it this
        // descriptor for us (close-on-exec); nobody else knows it.
        unsafe { OwnedFd::from_raw_fd(pidfd) }
    });
    match (pid?, fd) {
        (pid, Some(pidfd)) => Ok(Runner { pid, pidfd }),
        (pid, None) => {
            signal::reap(pid);
            Err(SpawnError::at(Step::Clone)(SysError::new(
                "clone",
                libc::EBADF,
            )))
        }
    }
}

extern "C" fn runner_entry(arg: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `runner` passes a pointer to a `RunnerArgs` that outlives this process' use of
    // the shared memory: its parent waits.
    let args = unsafe { &*arg.cast::<RunnerArgs<'_>>() };
    let step = Cell::new(Step::MapIds);
    let Err(error) = enter_and_exec(args, &step);
    args.failure.set(Some(SpawnError {
        step: step.get(),
        error,
    }));
    leave()
}

fn enter_and_exec(
    args: &RunnerArgs<'_>,
    step: &Cell<Step>,
) -> Result<std::convert::Infallible, SysError> {
    if let Some((uid_map, gid_map)) = args.maps {
        // An ordinary user may map groups only after giving up setgroups(2).
        write_file(c"/proc/self/setgroups", b"deny")?;
        write_file(c"/proc/self/uid_map", uid_map)?;
        write_file(c"/proc/self/gid_map", gid_map)?;
        step.set(Step::Capabilities);
        capability::keep_for_runner()?;
    }
    step.set(Step::Prepare);
    take_descriptor(args.socket, RUNNER_SOCKET)?;
    close_from(RUNNER_SOCKET + 1)?;
    for fd in 0..RUNNER_SOCKET {
        // SAFETY: closes inherited descriptors of this process only: the table is its own,
        // CLONE_FILES is not among the flags.
        unsafe { libc::close(fd) };
    }
    step.set(Step::Exec);
    // All signals stay blocked until the runner unblocks them: the parent's handlers are not
    // for this process.
    //
    // SAFETY: program, argv and envp are null-terminated and live in the parent, which
    // waits.
    unsafe { libc::execve(args.program.as_ptr(), args.argv, args.envp) };
    Err(SysError::last("execve"))
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
