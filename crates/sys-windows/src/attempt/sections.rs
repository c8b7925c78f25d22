//! Memory that processes share by name.

use std::ffi::OsStr;
use std::os::windows::io::{AsRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Memory as win;

use crate::error::{SysError, done};
use crate::handle::owned;
use crate::wide;

/// A page of memory that has a name.
#[derive(Debug)]
pub struct Section(OwnedHandle);

impl Section {
    /// Makes one of this name (`CreateFileMappingW`), with what the token's default list says.
    ///
    /// # Errors
    /// What the function says.
    pub fn create(name: &OsStr) -> Result<Section, SysError> {
        const CALL: &str = "CreateFileMappingW";
        let name = wide::terminated(CALL, name)?;
        // SAFETY: no file, default attributes, a NUL-terminated name.
        let section = unsafe {
            win::CreateFileMappingW(
                INVALID_HANDLE_VALUE,
                std::ptr::null(),
                win::PAGE_READWRITE,
                0,
                4096,
                name.as_ptr(),
            )
        };
        // SAFETY: just made.
        unsafe { owned(CALL, section) }.map(Section)
    }

    /// Opens one by name to write it (`OpenFileMappingW`).
    ///
    /// # Errors
    /// `ERROR_FILE_NOT_FOUND`; `ERROR_ACCESS_DENIED`.
    pub fn open(name: &OsStr) -> Result<Section, SysError> {
        const CALL: &str = "OpenFileMappingW";
        let name = wide::terminated(CALL, name)?;
        // SAFETY: a NUL-terminated name.
        let section = unsafe { win::OpenFileMappingW(win::FILE_MAP_WRITE, 0, name.as_ptr()) };
        // SAFETY: just made.
        unsafe { owned(CALL, section) }.map(Section)
    }

    /// Writes its first byte (`MapViewOfFile`).
    ///
    /// # Errors
    /// What the functions say.
    pub fn write(&self, byte: u8) -> Result<(), SysError> {
        const CALL: &str = "MapViewOfFile";
        // SAFETY: a live handle; where it comes is for the system to say.
        let view =
            unsafe { win::MapViewOfFile(self.0.as_raw_handle(), win::FILE_MAP_WRITE, 0, 0, 1) };
        let place: *mut u8 = view.Value.cast();
        if place.is_null() {
            return Err(SysError::last(CALL));
        }
        // SAFETY: mapped above, for writing, and a page long. Others write it too, of which nobody here relies on anything.
        unsafe { place.write_volatile(byte) };
        // SAFETY: mapped above, and used no more.
        let answer = unsafe { win::UnmapViewOfFile(view) };
        done("UnmapViewOfFile", answer)
    }
}
