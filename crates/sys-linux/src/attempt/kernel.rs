//! Calls that reach into the kernel itself. Arguments are chosen so that a call that is let through changes nothing.

use super::files::owned;
use super::{c_bytes, c_path, checked};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::ptr;

/// Makes an `io_uring`, by which operations run that no filter of system calls sees.
pub fn io_uring() -> io::Result<OwnedFd> {
    // struct io_uring_params is 120 bytes.
    let mut parameters = [0_u64; 15];
    // SAFETY: the kernel reads and writes within the 120 bytes.
    Ok(owned(checked(unsafe {
        libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr())
    })?))
}

/// Makes a small BPF array.
pub fn bpf_map() -> io::Result<OwnedFd> {
    // union bpf_attr for BPF_MAP_CREATE: type ARRAY, key 4, value 4, one entry; the rest zero.
    let mut attributes = [0_u32; 32];
    attributes[..4].copy_from_slice(&[2, 4, 4, 1]);
    let size = size_of_val(&attributes);
    // SAFETY: the attributes are passed with their size and live over the call.
    Ok(owned(checked(unsafe {
        libc::syscall(libc::SYS_bpf, 0, attributes.as_ptr(), size)
    })?))
}

/// Counts this process's own task clock, in user mode only.
pub fn perf_counter() -> io::Result<OwnedFd> {
    // struct perf_event_attr, version 0 (64 bytes): type SOFTWARE, size, config TASK_CLOCK; flags at byte 40:
    // disabled (bit 0), exclude_kernel (bit 5), exclude_hv (bit 6).
    let mut attributes = [0_u64; 8];
    attributes[0] = 1 | (64 << 32);
    attributes[1] = 1;
    attributes[5] = 1 | (1 << 5) | (1 << 6);
    let (call, from) = (libc::SYS_perf_event_open, attributes.as_ptr());
    // SAFETY: the attributes say their own size and live over the call.
    Ok(owned(checked(unsafe {
        libc::syscall(call, from, 0, -1, -1, 0)
    })?))
}

/// Opens a descriptor that handles page faults of user mode (`UFFD_USER_MODE_ONLY`).
pub fn user_faults() -> io::Result<OwnedFd> {
    // SAFETY: one integer.
    Ok(owned(checked(unsafe {
        libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | 1)
    })?))
}

/// Loads an empty kernel for `kexec`, of an architecture that does not exist: past the check of privilege it is
/// `EINVAL`.
pub fn kexec() -> io::Result<()> {
    let none = ptr::null::<u8>();
    // SAFETY: no segments are passed.
    checked(unsafe { libc::syscall(libc::SYS_kexec_load, 0, 0, none, 0x7fff_0000_u64) }).map(drop)
}

/// Loads a kernel module from a descriptor that is not open: past the check of privilege it is `EBADF`.
pub fn load_module() -> io::Result<()> {
    // SAFETY: the parameters are a NUL-terminated string; the descriptor is not one.
    checked(unsafe { libc::syscall(libc::SYS_finit_module, -1, c"".as_ptr(), 0) }).map(drop)
}

/// Reboots with a wrong magic number: past the check of privilege it is `EINVAL`.
pub fn reboot_wrongly() -> io::Result<()> {
    // SAFETY: the magic numbers are none the kernel knows, so nothing is done.
    checked(unsafe { libc::syscall(libc::SYS_reboot, 0, 0, 0, ptr::null::<u8>()) }).map(drop)
}

/// Swaps to a path that does not exist: past the check of privilege it is `ENOENT`.
pub fn swap_on_nothing() -> io::Result<()> {
    // SAFETY: a NUL-terminated literal.
    checked(unsafe { libc::swapon(c"/nonexistent/ringfence-swap".as_ptr(), 0) }).map(drop)
}

/// Turns process accounting to a path that does not exist: past the check of privilege it is `ENOENT`.
pub fn account_to_nothing() -> io::Result<()> {
    // SAFETY: a NUL-terminated literal.
    checked(unsafe { libc::acct(c"/nonexistent/ringfence".as_ptr()) }).map(drop)
}

/// Watches whole filesystems.
pub fn fanotify() -> io::Result<OwnedFd> {
    // FAN_CLASS_CONTENT: the one that needs privilege.
    // SAFETY: two integers.
    Ok(owned(checked(unsafe { libc::fanotify_init(4, 0) })?.into()))
}

/// Reads the kernel's log.
pub fn read_log() -> io::Result<()> {
    let mut bytes = [0_u8; 256];
    // SAFETY: SYSLOG_ACTION_READ_ALL (3) writes at most the length passed.
    checked(unsafe { libc::syscall(libc::SYS_syslog, 3, bytes.as_mut_ptr(), bytes.len()) })
        .map(drop)
}

/// Sets the host's name.
pub fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: the name is passed with its length.
    checked(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// Sets the kernel's time zone to the one it has, which needs the privilege to set the clock.
pub fn set_time_zone_again() -> io::Result<()> {
    let mut zone = [0_i32; 2];
    let none = ptr::null_mut::<libc::timeval>();
    // SAFETY: struct timezone is two ints; a null time is allowed.
    checked(unsafe { libc::syscall(libc::SYS_gettimeofday, none, zone.as_mut_ptr()) })?;
    // SAFETY: as above; the kernel only reads.
    checked(unsafe { libc::syscall(libc::SYS_settimeofday, none, zone.as_ptr()) }).map(drop)
}

/// Asks for the right to one I/O port. `ENOSYS` but on x86-64.
pub fn io_port() -> io::Result<()> {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: 0x80 is the diagnostic port; nothing is written to it.
        checked(unsafe { libc::syscall(libc::SYS_ioperm, 0x80, 1, 1) }).map(drop)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }
}

/// A kernel keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyring {
    /// This process's own.
    Process,
    /// The login session's.
    Session,
    /// All of the user's processes share it.
    User,
}

impl Keyring {
    const fn number(self) -> i32 {
        match self {
            Self::Process => -2,
            Self::Session => -3,
            Self::User => -4,
        }
    }
}

/// Puts a key of type `user` in a keyring; answers its serial number.
pub fn add_key(ring: Keyring, name: &str, secret: &[u8]) -> io::Result<i32> {
    let name = c_bytes(name.as_bytes())?;
    let (kind, from, len) = (c"user".as_ptr(), secret.as_ptr(), secret.len());
    // SAFETY: the strings are NUL-terminated, the secret is passed with its length.
    let serial = checked(unsafe {
        libc::syscall(
            libc::SYS_add_key,
            kind,
            name.as_ptr(),
            from,
            len,
            ring.number(),
        )
    })?;
    // Serial numbers are 32 bits.
    #[allow(clippy::cast_possible_truncation)]
    Ok(serial as i32)
}

/// Finds a key of type `user` by name and reads it.
pub fn read_key(ring: Keyring, name: &str) -> io::Result<Vec<u8>> {
    let name = c_bytes(name.as_bytes())?;
    let (call, kind, ring) = (libc::SYS_keyctl, c"user".as_ptr(), ring.number());
    // SAFETY: KEYCTL_SEARCH (10) reads two NUL-terminated strings.
    let serial = checked(unsafe { libc::syscall(call, 10, ring, kind, name.as_ptr(), 0) })?;
    let mut bytes = vec![0_u8; 256];
    // SAFETY: KEYCTL_READ (11) writes at most the length passed.
    let read =
        checked(unsafe { libc::syscall(call, 11, serial, bytes.as_mut_ptr(), bytes.len()) })?;
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    Ok(bytes)
}

/// Takes a key out of a keyring.
pub fn unlink_key(ring: Keyring, serial: i32) -> io::Result<()> {
    // SAFETY: KEYCTL_UNLINK (9) takes two integers.
    checked(unsafe { libc::syscall(libc::SYS_keyctl, 9, serial, ring.number()) }).map(drop)
}

/// The serial number of a keyring (`KEYCTL_GET_KEYRING_ID`).
pub fn keyring_id(ring: Keyring) -> io::Result<()> {
    // SAFETY: KEYCTL_GET_KEYRING_ID (0) takes two integers.
    checked(unsafe { libc::syscall(libc::SYS_keyctl, 0, ring.number(), 0) }).map(drop)
}

/// Changes this process's root directory.
pub fn change_root(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: `path` is NUL-terminated and lives over the call.
    checked(unsafe { libc::chroot(path.as_ptr()) }).map(drop)
}
