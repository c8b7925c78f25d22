//! Namespaces: making new ones, entering others'.

use super::checked;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Which namespaces, as the kernel's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespaces(libc::c_int);

impl Namespaces {
    /// User ids.
    pub const USER: Self = Self(libc::CLONE_NEWUSER);
    /// Mounts.
    pub const MOUNT: Self = Self(libc::CLONE_NEWNS);
    /// Network.
    pub const NET: Self = Self(libc::CLONE_NEWNET);
    /// Process ids.
    pub const PID: Self = Self(libc::CLONE_NEWPID);
    /// System V objects and POSIX queues.
    pub const IPC: Self = Self(libc::CLONE_NEWIPC);
    /// Host name.
    pub const UTS: Self = Self(libc::CLONE_NEWUTS);
    /// Control groups.
    pub const CGROUP: Self = Self(libc::CLONE_NEWCGROUP);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Puts this process in new namespaces. A user namespace needs the process to have one thread only (`EINVAL`).
pub fn unshare(which: Namespaces) -> io::Result<()> {
    // SAFETY: namespace flags only: nothing shared between threads (files, memory) is unshared.
    checked(unsafe { libc::unshare(which.0) }).map(drop)
}

/// Enters the namespace a descriptor stands for.
pub fn enter(namespace: impl AsFd, which: Namespaces) -> io::Result<()> {
    // SAFETY: two integers; the descriptor is borrowed open.
    checked(unsafe { libc::setns(namespace.as_fd().as_raw_fd(), which.0) }).map(drop)
}

/// Waits for a child of ours that only ever exits.
fn reap(pid: libc::pid_t) -> io::Result<()> {
    // SAFETY: a null status pointer is allowed.
    checked(unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) }).map(drop)
}

/// What the child of a raw clone does: nothing more.
fn leave() -> ! {
    // SAFETY: _exit is async-signal-safe and runs no handler of this copied address space.
    unsafe { libc::_exit(0) }
}

/// `clone(2)` into new namespaces; the child exits at once.
pub fn clone_child(which: Namespaces) -> io::Result<()> {
    let flags = libc::c_long::from(which.0 | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child has its own copy of memory, and it makes no call but _exit.
    let pid = checked(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    if pid == 0 {
        leave()
    }
    // A pid is a C int.
    #[allow(clippy::cast_possible_truncation)]
    reap(pid as libc::pid_t)
}

/// `clone3(2)` into new namespaces; the child exits at once.
pub fn clone3_child(which: Namespaces) -> io::Result<()> {
    // struct clone_args, version 0: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls.
    let mut arguments = [0_u64; 8];
    arguments[0] = u64::from(which.0.cast_unsigned());
    arguments[4] = u64::from(libc::SIGCHLD.cast_unsigned());
    let size = size_of_val(&arguments);
    // SAFETY: `arguments` is passed with its size; without CLONE_VM the child has its own memory and only exits.
    let pid = checked(unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size) })?;
    if pid == 0 {
        leave()
    }
    // A pid is a C int.
    #[allow(clippy::cast_possible_truncation)]
    reap(pid as libc::pid_t)
}

/// `unshare(CLONE_NEWUSER)` by the 32-bit entry (`int 0x80`), which a filter for one architecture does not see.
#[cfg(target_arch = "x86_64")]
pub fn unshare_user_compat() -> io::Result<()> {
    let mut answer: i64 = 310; // __NR_unshare on i386
    // SAFETY: the 32-bit entry takes its arguments in eax and ebx and may clobber r8 to r11; rbx is put back as the
    // compiler reserves it. The call touches no memory.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {flags}", "int 0x80", "xchg rbx, {flags}",
            flags = inout(reg) i64::from(libc::CLONE_NEWUSER) => _,
            inout("rax") answer,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    // The compat entry answers in eax; the sign is in the lower half.
    #[allow(clippy::cast_possible_truncation)]
    let answer = answer as i32;
    if answer < 0 {
        Err(io::Error::from_raw_os_error(-answer))
    } else {
        Ok(())
    }
}

/// No such entry on this architecture: always `ENOSYS`.
#[cfg(not(target_arch = "x86_64"))]
pub fn unshare_user_compat() -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}
