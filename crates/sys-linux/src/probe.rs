//! What this kernel is, read without changing anything.

/// The kernel's release (`6.18.44-generic`).
#[must_use]
pub fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// Whether seccomp filters can be installed.
#[must_use]
pub fn has_seccomp() -> bool {
    const GET_ACTION_AVAIL: u32 = 2;
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: SECCOMP_GET_ACTION_AVAIL reads one u32, which is live, and changes nothing.
    let r = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            GET_ACTION_AVAIL,
            0_u32,
            &raw const action,
        )
    };
    r == 0
}
