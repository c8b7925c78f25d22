//! Calls a ring must refuse, each as a sound function that makes the call and says what the kernel answered.
//!
//! A probe is only worth something when it makes the very call an attacker would make, so these functions go past
//! the standard library to the kernel. They decide nothing: an `Err` here is often what the caller hopes for.
//! Everything a call makes (a descriptor, a mount, a child) is owned by the value returned, or is gone on return.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub mod files;
pub mod ipc;
pub mod kernel;
pub mod launch;
pub mod mounts;
pub mod namespaces;
pub mod privilege;
pub mod processes;
pub mod sockets;
pub mod terminal;

/// Error numbers by name, so that callers need no `libc` of their own.
pub mod errno {
    pub use libc::{
        E2BIG, EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, EBUSY, ECHILD,
        ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EEXIST, EFAULT, EHOSTUNREACH, EINVAL, EIO, EISDIR,
        ELOOP, EMFILE, ENETDOWN, ENETUNREACH, ENODATA, ENODEV, ENOENT, ENOEXEC, ENOKEY, ENOMEM,
        ENONET, ENOPKG, ENOPROTOOPT, ENOSPC, ENOSYS, ENOTBLK, ENOTDIR, ENOTEMPTY, ENOTTY, ENXIO,
        EOPNOTSUPP, EPERM, EPROTONOSUPPORT, EROFS, ESOCKTNOSUPPORT, ESRCH, ETIMEDOUT, ETXTBSY,
        EXDEV,
    };
}

/// Turns a path into what the kernel takes. Fails with `InvalidInput` on an inner NUL.
fn c_path(path: &Path) -> io::Result<CString> {
    c_bytes(path.as_os_str().as_bytes())
}

/// Turns bytes into a C string. Fails with `InvalidInput` on an inner NUL.
fn c_bytes(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// The kernel's convention: -1 means look at `errno`.
fn checked<T: From<i8> + PartialEq>(returned: T) -> io::Result<T> {
    if returned == T::from(-1) {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}
