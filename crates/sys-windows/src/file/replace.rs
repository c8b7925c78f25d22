//! Putting a file in another's place, and renaming or deleting one by its handle.

use std::ffi::OsStr;
use std::mem::offset_of;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::path::Path;

use windows_sys::Wdk::Storage::FileSystem as nt;
use windows_sys::Win32::Storage::FileSystem as win;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use crate::error::{SysError, done, nt_success};
use crate::file::one_name;
use crate::memory::Buffer;
use crate::wide;

/// Gives the file or directory of a handle, which needs `DELETE`, another name in a directory of the same volume
/// (`NtSetInformationFile`). What has that name already is not replaced.
///
/// # Errors
/// [`Refusal::NotAName`](crate::error::Refusal::NotAName). `STATUS_OBJECT_NAME_COLLISION`: the name is taken.
/// `STATUS_NOT_SAME_DEVICE`.
pub fn rename_in(
    file: BorrowedHandle<'_>,
    directory: BorrowedHandle<'_>,
    name: &OsStr,
) -> Result<(), SysError> {
    const CALL: &str = "NtSetInformationFile";
    let units = one_name(CALL, name)?;
    let name: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
    // `ReplaceIfExists` stays 0.
    let mut bytes = vec![0; offset_of!(nt::FILE_RENAME_INFORMATION, RootDirectory)];
    bytes.extend(directory.as_raw_handle().addr().to_le_bytes());
    let length = u32::try_from(name.len()).unwrap_or_default();
    bytes.extend(length.to_le_bytes());
    bytes.extend(name);
    // No shorter than the structure, whose last field is the name's first unit.
    bytes.resize(bytes.len().max(size_of::<nt::FILE_RENAME_INFORMATION>()), 0);
    let how = Buffer::of(&bytes);
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: two live handles, a live place, and the structure this class takes, with the name behind it that its length
    // says.
    let answer = unsafe {
        nt::NtSetInformationFile(
            file.as_raw_handle(),
            &raw mut status,
            how.as_ptr(),
            how.size(),
            nt::FileRenameInformation,
        )
    };
    nt_success(CALL, answer)
}

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
