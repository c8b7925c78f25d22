//! What a failed call was and what the kernel said.

use std::fmt;

/// A call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SysError {
    /// Name of the call (`move_mount`).
    pub call: &'static str,
    /// The kernel's error number.
    pub errno: i32,
}

impl SysError {
    /// The failure of `call` with the thread's `errno`.
    #[must_use]
    pub fn last(call: &'static str) -> SysError {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        SysError { call, errno }
    }

    /// The failure of `call` with this error number.
    #[must_use]
    pub fn new(call: &'static str, errno: i32) -> SysError {
        SysError { call, errno }
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = std::io::Error::from_raw_os_error(self.errno);
        write!(f, "{}: {error}", self.call)
    }
}

impl std::error::Error for SysError {}

/// Names the call a result of `rustix` came from.
pub trait Named<T> {
    /// The same result, with the call's name in the error.
    ///
    /// # Errors
    /// What the call failed with.
    fn named(self, call: &'static str) -> Result<T, SysError>;
}

impl<T> Named<T> for Result<T, rustix::io::Errno> {
    fn named(self, call: &'static str) -> Result<T, SysError> {
        self.map_err(|e| SysError::new(call, e.raw_os_error()))
    }
}

impl<T> Named<T> for std::io::Result<T> {
    fn named(self, call: &'static str) -> Result<T, SysError> {
        self.map_err(|e| SysError::new(call, e.raw_os_error().unwrap_or(libc::EIO)))
    }
}
