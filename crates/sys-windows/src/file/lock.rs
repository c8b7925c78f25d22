//! Locking a file against other processes.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{GetOverlappedResult, OVERLAPPED};

use crate::error::{SysError, done};

/// With whom a lock is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// With those who ask for the same.
    Shared,
    /// With nobody.
    Exclusive,
}

/// A lock on all of a file. Dropping it lets it go; so does the end of the process.
#[derive(Debug)]
pub struct Locked<'a>(BorrowedHandle<'a>);

/// Locks a whole file (`LockFileEx`), opened for reading or writing. Without `wait`, `None` when
/// another has it.
///
/// # Errors
/// What the function says.
pub fn lock(
    file: BorrowedHandle<'_>,
    sharing: Sharing,
    wait: bool,
) -> Result<Option<Locked<'_>>, SysError> {
    let mut flags = match sharing {
        Sharing::Shared => 0,
        Sharing::Exclusive => LOCKFILE_EXCLUSIVE_LOCK,
    };
    if !wait {
        flags |= LOCKFILE_FAIL_IMMEDIATELY;
    }
    let mut place = OVERLAPPED::default();
    // SAFETY: a live handle; `place` lives until the call has ended, which is waited for below
    // where the handle is for overlapped use.
    let answer = unsafe {
        LockFileEx(
            file.as_raw_handle(),
            flags,
            0,
            u32::MAX,
            u32::MAX,
            &raw mut place,
        )
    };
    let mut said = done("LockFileEx", answer);
    if said.is_err_and(|error| error.is(ERROR_IO_PENDING)) {
        let mut none = 0;
        // SAFETY: the same handle and place, and a live place for the number.
        let answer = unsafe {
            GetOverlappedResult(file.as_raw_handle(), &raw const place, &raw mut none, 1)
        };
        said = done("LockFileEx", answer);
    }
    match said {
        Ok(()) => Ok(Some(Locked(file))),
        Err(error) if error.is(ERROR_LOCK_VIOLATION) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let mut place = OVERLAPPED::default();
        // SAFETY: a live handle and a live place; this call does not go on after it returned.
        unsafe {
            UnlockFileEx(
                self.0.as_raw_handle(),
                0,
                u32::MAX,
                u32::MAX,
                &raw mut place,
            )
        };
    }
}
