//! Network links.

use std::os::fd::AsRawFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Named, SysError};

/// Brings up `lo` in this network namespace. The kernel then gives it `127.0.0.1` and
/// `::1` itself.
///
/// # Errors
/// What `socket(2)` and `ioctl(SIOCSIFFLAGS)` say.
pub fn loopback_up() -> Result<(), SysError> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .named("socket")?;
    // SAFETY: all bytes of `ifreq` may be zero: names, integers and addresses.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads a `struct ifreq`, which lives until the call returns.
    let r = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if r == 0 {
        Ok(())
    } else {
        Err(SysError::last("SIOCSIFFLAGS"))
    }
}
