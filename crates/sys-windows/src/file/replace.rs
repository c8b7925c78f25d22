//! Putting a file in another's place, and deleting one by its handle.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem as win;

use crate::error::{SysError, done};
use crate::wide;

/// Gives a file another's name, which then is the other's no more, in one step, and waits until
/// that is on the disk (`MoveFileExW`). Whoever has the other open keeps it. The descriptor moves with the
/// file.
///
/// # Errors
/// `ERROR_ACCESS_DENIED`, `ERROR_SHARING_VIOLATION`: somebody has the other open without sharing
/// deletion. `ERROR_NOT_SAME_DEVICE`.
pub fn replace(from: &Path, to: &Path) -> Result<(), SysError> {
    const CALL: &str = "MoveFileExW";
    let from = wide::terminated(CALL, from.as_os_str())?;
    let to = wide::terminated(CALL, to.as_os_str())?;
    let flags = win::MOVEFILE_REPLACE_EXISTING | win::MOVEFILE_WRITE_THROUGH;
    // SAFETY: two NUL-terminated paths.
    let answer = unsafe { win::MoveFileExW(from.as_ptr(), to.as_ptr(), flags) };
    done(CALL, answer)
}

/// Deletes the file of a handle, which needs `DELETE`: its name is gone at once, itself with the
/// last handle (`FileDispositionInfoEx`).
///
/// # Errors
/// `ERROR_DIR_NOT_EMPTY`. `ERROR_INVALID_PARAMETER`: before Windows 10 1607, or a file system
/// that has not this.
pub fn delete(file: BorrowedHandle<'_>) -> Result<(), SysError> {
    let how = win::FILE_DISPOSITION_INFO_EX {
        Flags: win::FILE_DISPOSITION_FLAG_DELETE
            | win::FILE_DISPOSITION_FLAG_POSIX_SEMANTICS
            | win::FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE,
    };
    // SAFETY: a live handle and the structure this class takes.
    let answer = unsafe {
        win::SetFileInformationByHandle(
            file.as_raw_handle(),
            win::FileDispositionInfoEx,
            (&raw const how).cast(),
            u32::try_from(size_of_val(&how)).unwrap_or_default(),
        )
    };
    done("SetFileInformationByHandle", answer)
}
