//! The memory and the handles of other processes.

use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, ERROR_INVALID_PARAMETER, HANDLE,
};
use windows_sys::Win32::System::Diagnostics::Debug as win;

use crate::error::{SysError, done};
use crate::handle::Foreign;
use crate::process::{self, Process};

/// A process that is not this one, whose memory belongs to its own code.
fn another(call: &'static str, process: &Process) -> Result<(), SysError> {
    if process.id()? == std::process::id() {
        return Err(SysError::win32(call, ERROR_INVALID_PARAMETER));
    }
    Ok(())
}

/// Reads another process's memory (`ReadProcessMemory`). The handle needs `VM_READ` and `QUERY_LIMITED`.
///
/// # Errors
/// `ERROR_PARTIAL_COPY`: not all of it is there.
pub fn read_memory(process: &Process, at: usize, len: usize) -> Result<Vec<u8>, SysError> {
    const CALL: &str = "ReadProcessMemory";
    another(CALL, process)?;
    let mut bytes = vec![0; len];
    let mut read = 0;
    // SAFETY: a live handle of another process, whose address this is; a buffer of the length given, a live place.
    let answer = unsafe {
        win::ReadProcessMemory(
            process.as_handle().as_raw_handle(),
            std::ptr::without_provenance(at),
            bytes.as_mut_ptr().cast(),
            len,
            &raw mut read,
        )
    };
    done(CALL, answer)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Writes another process's memory (`WriteProcessMemory`). The handle needs `VM_WRITE`, `VM_OPERATION` and `QUERY_LIMITED`.
///
/// # Errors
/// `ERROR_NOACCESS`: it is not there, or not to be written.
pub fn write_memory(process: &Process, at: usize, bytes: &[u8]) -> Result<(), SysError> {
    const CALL: &str = "WriteProcessMemory";
    another(CALL, process)?;
    let mut written = 0;
    // SAFETY: a live handle of another process, whose address this is: nothing of this one changes. A buffer of the length given, a live
    // place.
    let answer = unsafe {
        win::WriteProcessMemory(
            process.as_handle().as_raw_handle(),
            std::ptr::without_provenance(at),
            bytes.as_ptr().cast(),
            bytes.len(),
            &raw mut written,
        )
    };
    done(CALL, answer)
}

/// Copies a handle of another process, which keeps it (`DuplicateHandle`). The handle of the process needs `DUP_HANDLE` and `QUERY_LIMITED`.
///
/// # Errors
/// `ERROR_INVALID_HANDLE`: it has no such handle.
pub fn copy_handle(process: &Process, handle: Foreign) -> Result<OwnedHandle, SysError> {
    const CALL: &str = "DuplicateHandle";
    another(CALL, process)?;
    let mut here: HANDLE = std::ptr::null_mut();
    // SAFETY: a live handle of another process, in which the number is looked up; a live place.
    let answer = unsafe {
        DuplicateHandle(
            process.as_handle().as_raw_handle(),
            std::ptr::without_provenance_mut(handle.0),
            process::current().as_raw_handle(),
            &raw mut here,
            0,
            0,
            DUPLICATE_SAME_ACCESS,
        )
    };
    done(CALL, answer)?;
    // SAFETY: just made in this process, and known to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(here) })
}
