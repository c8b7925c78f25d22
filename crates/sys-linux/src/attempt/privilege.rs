//! Getting more than the process was started with: ids, capabilities, priorities, limits.

use super::checked;
use std::io;

/// The effective user id.
#[must_use]
pub fn effective_user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// The real user id.
#[must_use]
pub fn real_user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getuid() }
}

/// Whether `no_new_privs` is set on this thread.
pub fn is_confined_for_good() -> io::Result<bool> {
    // SAFETY: PR_GET_NO_NEW_PRIVS takes zeros only.
    Ok(checked(unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) })? == 1)
}

/// Becomes another user in all three ids, by the raw call: this thread only, so meant for a process with one.
pub fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: three integers.
    checked(unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) }).map(drop)
}

/// Becomes a member of another group, by the raw call.
pub fn join_group(id: u32) -> io::Result<()> {
    // SAFETY: one id is passed with its count.
    checked(unsafe { libc::syscall(libc::SYS_setgroups, 1, &raw const id) }).map(drop)
}

/// Sets this thread's effective and permitted sets to the right to pass every file's mode, and nothing else
/// (`capset`). It works where that capability is held.
pub fn keep_override() -> io::Result<()> {
    // struct __user_cap_header_struct {version 3, pid 0}; two of {effective, permitted, inheritable}.
    let header = [0x2008_0522_u32, 0];
    // CAP_DAC_OVERRIDE is bit 1.
    let sets = [2_u32, 2, 0, 0, 0, 0];
    // SAFETY: header and sets have the sizes version 3 asks for and are only read.
    checked(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) }).map(drop)
}

/// Sets this process's nice value.
pub fn set_nice(value: i32) -> io::Result<()> {
    // SAFETY: three integers; 0 means this process.
    checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) }).map(drop)
}

/// Puts this process among those that run before all others (`SCHED_FIFO`, lowest priority).
pub fn real_time() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: `parameters` is only read; 0 means this process.
    checked(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) })
        .map(drop)
}

/// Raises the hard limit on open files by one over what it is.
pub fn raise_hard_limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is live and of the kind the call writes.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    // Down first, so that there is room to go up even from the kernel's own ceiling.
    limit.rlim_max = limit.rlim_max.saturating_sub(1);
    limit.rlim_cur = limit.rlim_cur.min(limit.rlim_max);
    // SAFETY: `limit` is only read.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    limit.rlim_max += 1;
    // SAFETY: `limit` is only read.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}
