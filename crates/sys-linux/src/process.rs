//! This process and its children.

use crate::error::SysError;

/// Dies when the thread that made this process dies.
///
/// # Errors
/// What `prctl(2)` says.
pub fn die_with_parent() -> Result<(), SysError> {
    // SAFETY: integers only.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } == 0 {
        Ok(())
    } else {
        Err(SysError::last("PR_SET_PDEATHSIG"))
    }
}

/// Takes [`die_with_parent`] back.
///
/// # Errors
/// What `prctl(2)` says.
pub fn outlive_parent() -> Result<(), SysError> {
    // SAFETY: integers only.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) } == 0 {
        Ok(())
    } else {
        Err(SysError::last("PR_SET_PDEATHSIG"))
    }
}

/// Lets nobody of the same user attach to or read this process.
///
/// # Errors
/// What `prctl(2)` says.
pub fn not_dumpable() -> Result<(), SysError> {
    // SAFETY: integers only.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } == 0 {
        Ok(())
    } else {
        Err(SysError::last("PR_SET_DUMPABLE"))
    }
}

/// Adopts orphaned descendants.
///
/// # Errors
/// What `prctl(2)` says.
pub fn subreaper() -> Result<(), SysError> {
    // SAFETY: integers only.
    if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } == 0 {
        Ok(())
    } else {
        Err(SysError::last("PR_SET_CHILD_SUBREAPER"))
    }
}

/// Lets this thread run only when nothing else wants to. Where that is refused it runs
/// as before.
pub fn idle() {
    // `struct sched_param`: the priority alone. By number, since musl's function does nothing.
    let priority: libc::c_int = 0;
    // SAFETY: `priority` is live for the call; 0 is this thread.
    let _refused = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_IDLE,
            &raw const priority,
        )
    };
}

/// Puts a child that was just made on the other processor, where this thread may run on two: the scheduler leaves it on this
/// one, waiting until this thread does. Where it may run is as before when this returns (a processor that is added later is none
/// of these two). What is refused leaves it where it is.
pub fn to_the_other_processor(child: i32) {
    let Some(child) = rustix::process::Pid::from_raw(child) else {
        return;
    };
    let Ok(both) = rustix::thread::sched_getaffinity(None) else {
        return;
    };
    let mut other = both;
    other.unset(rustix::thread::sched_getcpu());
    if both.count() == 2
        && other.count() == 1
        && rustix::thread::sched_setaffinity(Some(child), &other).is_ok()
    {
        // It is there, and has no cause to come back.
        let _refused = rustix::thread::sched_setaffinity(Some(child), &both);
    }
}

/// A child's change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// This signal stopped it.
    Stopped(i32),
    /// It goes on.
    Continued,
}

/// A child that changed, with what it used if it ended.
#[derive(Debug, Clone, Copy)]
pub struct Changed {
    /// Which.
    pub pid: i32,
    /// How.
    pub change: Change,
    /// Largest resident set, KiB.
    pub max_rss_kib: u64,
    /// Processor time, microseconds.
    pub cpu_us: u64,
}

/// The next child that changed, without waiting; `None` when none did or none is left.
#[must_use]
pub fn next_change() -> Option<Changed> {
    let flags = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    changed(-1, flags).ok().filter(|changed| changed.pid > 0)
}

/// Waits until this child has ended, and reaps it.
///
/// # Errors
/// What `wait4(2)` says.
pub fn ended(pid: i32) -> Result<Changed, SysError> {
    changed(pid, 0)
}

fn changed(which: i32, flags: i32) -> Result<Changed, SysError> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: live places for status and usage.
    let pid = unsafe {
        libc::wait4(
            which,
            &raw mut status,
            flags | libc::__WALL,
            usage.as_mut_ptr(),
        )
    };
    if pid < 0 {
        return Err(SysError::last("wait4"));
    }
    // SAFETY: zeroed above and filled by the call.
    let usage = unsafe { usage.assume_init() };
    let change = if libc::WIFEXITED(status) {
        Change::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Change::Signalled(libc::WTERMSIG(status))
    } else if libc::WIFSTOPPED(status) {
        Change::Stopped(libc::WSTOPSIG(status))
    } else {
        Change::Continued
    };
    let micros = |t: libc::timeval| (t.tv_sec * 1_000_000 + t.tv_usec).unsigned_abs();
    Ok(Changed {
        pid,
        change,
        max_rss_kib: usage.ru_maxrss.unsigned_abs(),
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
    })
}

/// Signals a process of this pid namespace, or with a negative number a group.
///
/// # Errors
/// What `kill(2)` says.
pub fn kill(pid: i32, signal: i32) -> Result<(), SysError> {
    // SAFETY: integers only.
    if unsafe { libc::kill(pid, signal) } == 0 {
        Ok(())
    } else {
        Err(SysError::last("kill"))
    }
}
