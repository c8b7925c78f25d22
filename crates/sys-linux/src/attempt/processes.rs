//! Other processes: signals, tracing, their memory, their descriptors.

use super::checked;
use super::files::owned;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The signals a probe sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ends, catchable.
    Term,
    /// Ends, not catchable.
    Kill,
    /// Stops, not catchable.
    Stop,
    /// Goes on.
    Cont,
    /// Ignored unless asked for.
    Urgent,
}

impl Signal {
    const fn number(self) -> libc::c_int {
        match self {
            Self::Term => libc::SIGTERM,
            Self::Kill => libc::SIGKILL,
            Self::Stop => libc::SIGSTOP,
            Self::Cont => libc::SIGCONT,
            Self::Urgent => libc::SIGURG,
        }
    }
}

/// Sends a signal to one process. Zero and negative pids, which mean groups, are refused with `InvalidInput`.
pub fn signal(pid: i32, signal: Signal) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: two integers.
    checked(unsafe { libc::kill(pid, signal.number()) }).map(drop)
}

/// Opens a descriptor that stands for a process.
pub fn open_pid(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: two integers.
    Ok(owned(checked(unsafe {
        libc::syscall(libc::SYS_pidfd_open, pid, 0)
    })?))
}

/// Sends a signal to the process a descriptor stands for.
pub fn signal_by(process: impl AsFd, signal: Signal) -> io::Result<()> {
    let (fd, number) = (process.as_fd().as_raw_fd(), signal.number());
    // SAFETY: a null info means the one `kill` would send; the descriptor is borrowed open.
    checked(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd,
            number,
            std::ptr::null::<u8>(),
            0,
        )
    })
    .map(drop)
}

/// Takes a copy of another process's descriptor.
pub fn steal_descriptor(process: impl AsFd, number: i32) -> io::Result<File> {
    let fd = process.as_fd().as_raw_fd();
    // SAFETY: three integers; the descriptor is borrowed open.
    Ok(File::from(owned(checked(unsafe {
        libc::syscall(libc::SYS_pidfd_getfd, fd, number, 0)
    })?)))
}

/// Becomes the tracer of a process without stopping it. The kernel lets go of it when this process ends.
pub fn seize(pid: i32) -> io::Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_SEIZE reads no memory of ours; the tracee goes on running.
    checked(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, none, none) }).map(drop)
}

/// Reads another process's memory at an address in it.
pub fn read_memory(pid: i32, address: usize, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0_u8; len];
    let here = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: len,
    };
    let there = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address),
        iov_len: len,
    };
    // SAFETY: `here` covers `bytes`; `there` is an address in the other process, which the kernel checks.
    let read = checked(unsafe {
        libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0)
    })?;
    bytes.truncate(read.cast_unsigned());
    Ok(bytes)
}

/// Writes another process's memory at an address in it.
pub fn write_memory(pid: i32, address: usize, bytes: &[u8]) -> io::Result<()> {
    let here = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let there = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address),
        iov_len: bytes.len(),
    };
    if i64::from(pid) == i64::from(std::process::id()) {
        // Writing one's own memory behind the compiler's back would not be sound.
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: `here` is only read from; `there` lies in another process, which the kernel checks.
    checked(unsafe { libc::process_vm_writev(pid, &raw const here, 1, &raw const there, 1, 0) })
        .map(drop)
}

/// Sets a limit of another process to what it is already.
pub fn limit_again(pid: i32) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a null new limit sets none, and `limit` is live for the old one.
    checked(unsafe { libc::prlimit(pid, libc::RLIMIT_CPU, std::ptr::null(), &raw mut limit) })?;
    // SAFETY: `limit` is live, and no old limit is asked for.
    checked(unsafe {
        libc::prlimit(
            pid,
            libc::RLIMIT_CPU,
            &raw const limit,
            std::ptr::null_mut(),
        )
    })
    .map(drop)
}

/// Sets the priority of another process to what it is already.
pub fn slow(pid: i32) -> io::Result<()> {
    let who = libc::id_t::try_from(pid).unwrap_or(libc::id_t::MAX);
    // SAFETY: two integers.
    let now = unsafe { libc::getpriority(libc::PRIO_PROCESS, who) };
    // SAFETY: three integers.
    checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, who, now) }).map(drop)
}

/// Sets the priority of the own process group, whoever is in it, to the best that one of it has.
pub fn slow_group() -> io::Result<()> {
    // SAFETY: two integers.
    let best = unsafe { libc::getpriority(libc::PRIO_PGRP, 0) };
    // SAFETY: three integers.
    checked(unsafe { libc::setpriority(libc::PRIO_PGRP, 0, best) }).map(drop)
}

/// Sets the priority for disks of the own process group, whoever is in it, to the usual one.
pub fn slow_group_disks() -> io::Result<()> {
    const GROUP: i32 = 2;
    const BEST_EFFORT: i32 = 2 << 13 | 4;
    // SAFETY: three integers.
    checked(unsafe { libc::syscall(libc::SYS_ioprio_set, GROUP, 0, BEST_EFFORT) }).map(drop)
}

/// Binds another process to the processors it may use already.
pub fn bind_again(pid: i32) -> io::Result<()> {
    // SAFETY: plain integers, for which all zeros are a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: `set` is live and as large as said.
    checked(unsafe { libc::sched_getaffinity(pid, size, &raw mut set) })?;
    // SAFETY: `set` is live and as large as said.
    checked(unsafe { libc::sched_setaffinity(pid, size, &raw const set) }).map(drop)
}

/// Starts a session of its own, away from the terminal and the group. Fails with `EPERM` for a group's leader.
pub fn new_session() -> io::Result<()> {
    // SAFETY: takes nothing, touches no memory.
    checked(unsafe { libc::setsid() }).map(drop)
}

/// Ignores the signals by which a process is asked to end.
pub fn ignore_endings() {
    for number in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: SIG_IGN runs no code of ours.
        unsafe { libc::signal(number, libc::SIG_IGN) };
    }
}

/// Takes the signal off by which the kernel ends this process when its parent does.
pub fn outlive_parent() -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one integer.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) }).map(drop)
}

/// Lets go of standard error: who reads what is written to it sees its end.
pub fn let_go_of_stderr() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    // SAFETY: two integers; `null` is open.
    checked(unsafe { libc::dup2(null.as_raw_fd(), libc::STDERR_FILENO) }).map(drop)
}

/// Ends the thread that calls this, and nothing else of the process, its first thread as any other.
pub fn end_thread() -> ! {
    loop {
        // SAFETY: one integer. The stack of a first thread stays, and nothing on it is dropped: what others borrow from it lives.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

/// Children that do nothing, all ended and reaped when this is dropped.
#[derive(Debug, Default)]
pub struct Idlers(Vec<libc::pid_t>);

impl Idlers {
    /// Adds one child that waits for ever.
    pub fn add(&mut self) -> io::Result<()> {
        // SAFETY: the child makes only async-signal-safe calls (prctl, pause), whatever threads the parent has.
        let pid = checked(unsafe { libc::fork() })?;
        if pid == 0 {
            // SAFETY: PR_SET_PDEATHSIG takes one integer.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            loop {
                // SAFETY: takes nothing.
                unsafe { libc::pause() };
            }
        }
        self.0.push(pid);
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Idlers {
    fn drop(&mut self) {
        for pid in &self.0 {
            // SAFETY: a child of ours that is not reaped yet, so the number is still its own.
            unsafe { libc::kill(*pid, libc::SIGKILL) };
        }
        for pid in &self.0 {
            // SAFETY: a null status pointer is allowed.
            unsafe { libc::waitpid(*pid, std::ptr::null_mut(), 0) };
        }
    }
}
