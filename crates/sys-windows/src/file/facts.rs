//! What a file is.

use std::ffi::OsString;
use std::mem::offset_of;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Win32::Foundation::{
    ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED,
};
use windows_sys::Win32::Storage::FileSystem as win;

use crate::error::{Refusal, SysError, done};
use crate::memory::{Buffer, u32_at, u64_at};
use crate::wide;

pub(super) const CALL: &str = "GetFileInformationByHandleEx";

/// Which file it is, on this machine, until it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// The volume's serial number.
    pub volume: u64,
    /// The file's number on it.
    pub file: [u8; 16],
}

/// What kind of file, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// `FILE_ATTRIBUTE_*`.
    pub attributes: u32,
    /// `IO_REPARSE_TAG_*`, where the attributes say that it is a reparse point.
    pub reparse_tag: u32,
    /// Its length.
    pub size: u64,
    /// Names it has.
    pub links: u32,
    /// It is a directory.
    pub directory: bool,
    /// It goes when its last handle is closed.
    pub deleted: bool,
}

/// How a path is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathForm {
    /// `\\?\C:\…`, `\\?\UNC\server\share\…`.
    Dos,
    /// `\\?\Volume{…}\…`.
    Guid,
    /// `\Device\HarddiskVolume1\…`.
    Nt,
}

/// Which file a handle is of (`FileIdInfo`).
///
/// # Errors
/// `ERROR_INVALID_PARAMETER`, `ERROR_NOT_SUPPORTED`: the file system has no such numbers.
pub fn id(file: BorrowedHandle<'_>) -> Result<Id, SysError> {
    let answer = information(file, win::FileIdInfo, size_of::<win::FILE_ID_INFO>())?;
    let bytes = answer.bytes();
    let number = bytes.get(offset_of!(win::FILE_ID_INFO, FileId)..);
    let read = || {
        Some(Id {
            volume: u64_at(bytes, offset_of!(win::FILE_ID_INFO, VolumeSerialNumber))?,
            file: *number?.first_chunk()?,
        })
    };
    read().ok_or(SysError::refused(CALL, Refusal::Malformed))
}

/// What it is (`FileAttributeTagInfo`, `FileStandardInfo`). The handle needs
/// `READ_ATTRIBUTES`.
///
/// # Errors
/// What the function says.
pub fn facts(file: BorrowedHandle<'_>) -> Result<Facts, SysError> {
    use win::{FILE_ATTRIBUTE_TAG_INFO as Tag, FILE_STANDARD_INFO as Standard};
    let tag = information(file, win::FileAttributeTagInfo, size_of::<Tag>())?;
    let standard = information(file, win::FileStandardInfo, size_of::<Standard>())?;
    let (tag, standard) = (tag.bytes(), standard.bytes());
    let read = || {
        Some(Facts {
            attributes: u32_at(tag, offset_of!(Tag, FileAttributes))?,
            reparse_tag: u32_at(tag, offset_of!(Tag, ReparseTag))?,
            size: u64_at(standard, offset_of!(Standard, EndOfFile))?,
            links: u32_at(standard, offset_of!(Standard, NumberOfLinks))?,
            directory: *standard.get(offset_of!(Standard, Directory))? != 0,
            deleted: *standard.get(offset_of!(Standard, DeletePending))? != 0,
        })
    };
    read().ok_or(SysError::refused(CALL, Refusal::Malformed))
}

/// The file is on another machine (`FileRemoteProtocolInfo`).
///
/// # Errors
/// What the function says beside that it is not.
pub fn is_remote(file: BorrowedHandle<'_>) -> Result<bool, SysError> {
    let size = size_of::<win::FILE_REMOTE_PROTOCOL_INFO>();
    match information(file, win::FileRemoteProtocolInfo, size) {
        Ok(_) => Ok(true),
        Err(error) => {
            // How the file systems of this machine say that they know no protocol.
            let local = [
                ERROR_INVALID_PARAMETER,
                ERROR_NOT_SUPPORTED,
                ERROR_INVALID_FUNCTION,
            ];
            if local.iter().any(|code| error.is(*code)) {
                Ok(false)
            } else {
                Err(error)
            }
        }
    }
}

/// The path of a file with every link followed and every name in full
/// (`GetFinalPathNameByHandleW`). Only for showing and for comparing: whoever opens it again may
/// get another file.
///
/// # Errors
/// `ERROR_PATH_NOT_FOUND`: the volume has no such path, as with [`PathForm::Dos`] where no drive
/// letter is given to it.
pub fn final_path(file: BorrowedHandle<'_>, form: PathForm) -> Result<OsString, SysError> {
    let form = match form {
        PathForm::Dos => win::VOLUME_NAME_DOS,
        PathForm::Guid => win::VOLUME_NAME_GUID,
        PathForm::Nt => win::VOLUME_NAME_NT,
    };
    wide::filled("GetFinalPathNameByHandleW", |place, len| {
        // SAFETY: a live handle and a buffer of the length given.
        unsafe { win::GetFinalPathNameByHandleW(file.as_raw_handle(), place, len, form) }
    })
}

/// One kind of information of a fixed size.
fn information(
    file: BorrowedHandle<'_>,
    class: win::FILE_INFO_BY_HANDLE_CLASS,
    size: usize,
) -> Result<Buffer, SysError> {
    let mut buffer = Buffer::zeroed(size);
    let size = buffer.size();
    // SAFETY: a live handle and a buffer of the size given.
    let answer = unsafe {
        win::GetFileInformationByHandleEx(file.as_raw_handle(), class, buffer.as_mut_ptr(), size)
    };
    done(CALL, answer)?;
    Ok(buffer)
}
