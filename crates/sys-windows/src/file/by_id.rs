//! Opening a file by its number.

use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};

use windows_sys::Win32::Storage::FileSystem as win;

use super::SHARE_ALL;
use crate::error::SysError;
use crate::handle::owned;

/// Opens the file of this number, whatever it is called now, on the volume that a handle is on (`OpenFileById`). A reparse point is
/// opened itself.
///
/// Where the upper half of a number is zero the file system has 64 bits of it (NTFS), and is asked by these.
///
/// # Errors
/// `ERROR_INVALID_PARAMETER` (Wine: `ERROR_FILE_NOT_FOUND`): there is no such file, or the file system opens none so.
pub fn open_by_id(
    volume: BorrowedHandle<'_>,
    id: [u8; 16],
    access: u32,
) -> Result<OwnedHandle, SysError> {
    let number = u128::from_le_bytes(id);
    let (kind, id) = match i64::try_from(number) {
        Ok(id) => (win::FileIdType, win::FILE_ID_DESCRIPTOR_0 { FileId: id }),
        Err(_) => {
            let id = win::FILE_ID_128 { Identifier: id };
            let id = win::FILE_ID_DESCRIPTOR_0 { ExtendedFileId: id };
            (win::ExtendedFileIdType, id)
        }
    };
    let which = win::FILE_ID_DESCRIPTOR {
        dwSize: u32::try_from(size_of::<win::FILE_ID_DESCRIPTOR>()).unwrap_or_default(),
        Type: kind,
        Anonymous: id,
    };
    // SAFETY: a live handle and a whole description of the kind it names.
    let file = unsafe {
        win::OpenFileById(
            volume.as_raw_handle(),
            &raw const which,
            access,
            SHARE_ALL,
            std::ptr::null(),
            win::FILE_FLAG_OPEN_REPARSE_POINT | win::FILE_FLAG_BACKUP_SEMANTICS,
        )
    };
    // SAFETY: just made.
    unsafe { owned("OpenFileById", file) }
}
