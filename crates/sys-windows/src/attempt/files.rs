//! Other names of a file.

use std::ffi::OsString;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::GetShortPathNameW;

use crate::error::SysError;
use crate::wide;

/// The path with a name of eight letters, a dot and three in the place of each that is longer (`GetShortPathNameW`), as far as the file system keeps such names: else
/// the path as it is.
///
/// # Errors
/// `ERROR_FILE_NOT_FOUND`; `ERROR_ACCESS_DENIED`: a directory on the way may not be listed.
pub fn short(path: &Path) -> Result<OsString, SysError> {
    const CALL: &str = "GetShortPathNameW";
    let path = wide::terminated(CALL, path.as_os_str())?;
    wide::filled(CALL, |buffer, room| {
        // SAFETY: a NUL-terminated path, and a buffer of the length given.
        unsafe { GetShortPathNameW(path.as_ptr(), buffer, room) }
    })
}
