//! Signals: masks, descriptors to read them from, sending.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::SysError;

/// A saved signal mask.
pub(crate) struct Mask(u64);

fn change(how: libc::c_int, set: &libc::sigset_t) -> Result<libc::sigset_t, SysError> {
    let mut old = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are live places of their type.
    let r = unsafe { libc::pthread_sigmask(how, &raw const *set, old.as_mut_ptr()) };
    if r != 0 {
        return Err(SysError::new("sigprocmask", r));
    }
    // SAFETY: the call succeeded and filled it.
    Ok(unsafe { old.assume_init() })
}

fn empty() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: a live place for a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: sigemptyset has just initialised it, it cannot fail with a valid place.
    unsafe { set.assume_init() }
}

/// Blocks all, those that C libraries keep for themselves among them: which these are differs, and a child that shares memory
/// is to hear none.
pub(crate) fn block_all() -> Result<Mask, SysError> {
    kernel_mask(libc::SIG_BLOCK, u64::MAX).map(Mask)
}

pub(crate) fn restore(mask: &Mask) {
    // Restoring a mask that was in force cannot fail.
    let _restored = kernel_mask(libc::SIG_SETMASK, mask.0);
}

/// `rt_sigprocmask(2)` with the kernel's own set of 64 signals.
fn kernel_mask(how: libc::c_int, set: u64) -> Result<u64, SysError> {
    let mut old = 0_u64;
    let size = size_of::<u64>();
    let (new, was) = (&raw const set, &raw mut old);
    // SAFETY: both sets are live, and of the size that is told.
    if unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, new, was, size) } != 0 {
        return Err(SysError::last("rt_sigprocmask"));
    }
    Ok(old)
}

/// The default disposition for `SIGPIPE`, which the Rust runtime ignores on its own
/// account, and an empty mask. What the caller ignored stays ignored (nohup), what has a
/// handler is reset by exec itself. Async-signal-safe: for use between clone and exec, in
/// a process whose only handlers are for its own faults.
pub(crate) fn reset_for_exec() -> Result<(), SysError> {
    // SAFETY: SIG_DFL is a disposition, not a function of ours.
    if unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) } == libc::SIG_ERR {
        return Err(SysError::last("signal"));
    }
    unblock_all()
}

/// Whether a signal is blocked and waits that does more than nothing. Async-signal-safe.
pub(crate) fn is_pending() -> Result<bool, SysError> {
    const NOTHING: [libc::c_int; 4] = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
    let mut set = empty();
    // SAFETY: a live set.
    if unsafe { libc::sigpending(&raw mut set) } != 0 {
        return Err(SysError::last("sigpending"));
    }
    Ok((1..=libc::SIGRTMAX())
        .filter(|signal| !NOTHING.contains(signal))
        // SAFETY: a live set; a number that is no signal's only fails.
        .any(|signal| unsafe { libc::sigismember(&raw const set, signal) } == 1))
}

/// Empties this thread's signal mask.
///
/// # Errors
/// What `sigprocmask(2)` says.
pub fn unblock_all() -> Result<(), SysError> {
    change(libc::SIG_SETMASK, &empty()).map(|_| ())
}

/// Lets this process be told how its children end. One that was started by a parent that ignores `SIGCHLD` ignores it too
/// (`execve(2)`), and the kernel then takes its children away unseen (`waitpid(2)`, Notes).
///
/// # Errors
/// What `sigaction(2)` says.
pub fn hear_of_children() -> Result<(), SysError> {
    // SAFETY: SIG_DFL is a disposition, not a function of ours.
    if unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) } == libc::SIG_ERR {
        return Err(SysError::last("signal"));
    }
    Ok(())
}

/// Waits for a child that is already dead.
pub(crate) fn reap(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: a live place for the status.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
}

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Its number.
    pub signal: i32,
    /// A process sent it; else the kernel did, for example for a key on the terminal.
    pub sent: bool,
}

/// Signals that are read instead of acting.
pub struct Signals {
    fd: OwnedFd,
    /// The mask before.
    old: libc::sigset_t,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals")
            .field("fd", &self.fd)
            .finish_non_exhaustive()
    }
}

impl Signals {
    /// Blocks these signals in this thread and reads them from now on. Call it before
    /// any other thread is started.
    ///
    /// # Errors
    /// What `sigprocmask(2)` and `signalfd(2)` say.
    pub fn take(signals: &[i32]) -> Result<Signals, SysError> {
        let mut set = empty();
        for signal in signals {
            // SAFETY: a live set; an invalid number only fails.
            unsafe { libc::sigaddset(&raw mut set, *signal) };
        }
        let old = change(libc::SIG_BLOCK, &set)?;
        // SAFETY: a live set.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(SysError::last("signalfd"));
        }
        // SAFETY: the kernel has just made it for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Signals { fd, old })
    }

    /// Lets them act again in this thread, those that have arrived and were not read among them.
    pub fn give_back(self) {
        // Restoring a mask that was in force cannot fail.
        let _restored = change(libc::SIG_SETMASK, &self.old);
    }

    /// The descriptor to wait on for reading.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.fd.as_fd()
    }

    /// The next signal that has arrived, if any.
    #[must_use]
    pub fn next(&self) -> Option<Arrived> {
        let mut info = std::mem::MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let len = size_of::<libc::signalfd_siginfo>();
        // SAFETY: a live place of the length given.
        let n = unsafe { libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), len) };
        if n != len as isize {
            return None;
        }
        // SAFETY: the kernel filled the whole record.
        let info = unsafe { info.assume_init() };
        Some(Arrived {
            signal: info.ssi_signo as i32,
            sent: info.ssi_code <= 0,
        })
    }
}

/// Stops this process by a signal of job control it has blocked, with the signal's default
/// disposition, as if it had not been blocked; returns when it is continued. Where nobody
/// could continue it (an orphaned process group) the kernel does not stop it.
///
/// # Errors
/// What `sigprocmask(2)` and `kill(2)` say.
pub fn stop_by(signal: i32) -> Result<(), SysError> {
    let mut set = empty();
    // SAFETY: a live set; an invalid number only fails.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    // SAFETY: takes nothing.
    let own = unsafe { libc::getpid() };
    // SAFETY: integers only.
    if unsafe { libc::kill(own, signal) } != 0 {
        return Err(SysError::last("kill"));
    }
    // It acts as this thread stops blocking it.
    let old = change(libc::SIG_UNBLOCK, &set)?;
    change(libc::SIG_SETMASK, &old).map(|_| ())
}

/// Ends this process as Ctrl-C would have, where it has the foreground of a terminal: a shell that ran it in a loop or a list
/// then ends that too, as it does not for an exit code. Returns where that is not so, or the signal is ignored.
pub fn end_by_interrupt() {
    use std::os::fd::AsFd;
    let own = rustix::process::getpgrp();
    let foreground = |fd: std::os::fd::BorrowedFd<'_>| {
        rustix::termios::tcgetpgrp(fd).is_ok_and(|group| group == own)
    };
    let (i, o, e) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    if [i.as_fd(), o.as_fd(), e.as_fd()]
        .into_iter()
        .any(foreground)
    {
        // Where it does not act, the exit code says it.
        let _ignored = stop_by(libc::SIGINT);
    }
}

/// Ignores a signal in this process.
///
/// # Errors
/// What `sigaction(2)` says.
pub fn ignore(signal: i32) -> Result<(), SysError> {
    // SAFETY: SIG_IGN is a disposition, not a function of ours.
    let r = unsafe { libc::signal(signal, libc::SIG_IGN) };
    if r == libc::SIG_ERR {
        Err(SysError::last("signal"))
    } else {
        Ok(())
    }
}

/// Signals a process by its handle.
///
/// # Errors
/// What `pidfd_send_signal(2)` says.
pub fn send(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), SysError> {
    // SAFETY: integers and a null siginfo, which the call allows.
    let r = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0_u32,
        )
    };
    if r == 0 {
        Ok(())
    } else {
        Err(SysError::last("pidfd_send_signal"))
    }
}
