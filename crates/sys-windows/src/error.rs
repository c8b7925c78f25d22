//! What a failed call was and what Windows said.

use std::fmt;

use windows_sys::Win32::Foundation::{
    ERROR_SUCCESS, GetLastError, HANDLE, INVALID_HANDLE_VALUE, NTSTATUS, RtlNtStatusToDosError,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    FORMAT_MESSAGE_FROM_SYSTEM, FORMAT_MESSAGE_IGNORE_INSERTS, FormatMessageW,
};
use windows_sys::core::{BOOL, HRESULT};

/// A call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {code}")]
pub struct SysError {
    /// Name of the function (`CreateRestrictedToken`).
    pub call: &'static str,
    /// What it said.
    pub code: Code,
}

/// An error number, of the kind the function reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Of `GetLastError`, or returned as such.
    Win32(u32),
    /// An `NTSTATUS`.
    Nt(i32),
    /// An `HRESULT`.
    Com(i32),
    /// The function was not called.
    Refused(Refusal),
}

/// Why a function was not called, or what it answered was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A string has a NUL in it, where Windows would end it.
    #[error("a string with a NUL in it")]
    InteriorNul,
    /// A string, a list or a buffer is longer than the function can be told.
    #[error("longer than Windows can be told")]
    TooLong,
    /// The bytes are not what their type says.
    #[error("bytes that are not whole")]
    Malformed,
    /// A name that would lead elsewhere: empty, `.` or `..`, or with a separator or a colon.
    #[error("not the name of one file")]
    NotAName,
    /// Two things were asked that do not go together.
    #[error("two things that do not go together")]
    Conflict,
    /// A link or another reparse point lies on the way.
    #[error("a reparse point on the way")]
    ReparsePoint,
}

impl SysError {
    /// The failure of `call` with the thread's last error.
    #[must_use]
    pub fn last(call: &'static str) -> SysError {
        // SAFETY: reads a number of this thread.
        let code = unsafe { GetLastError() };
        SysError::win32(call, code)
    }

    /// The failure of `call` with this Win32 error.
    #[must_use]
    pub fn win32(call: &'static str, code: u32) -> SysError {
        let code = Code::Win32(code);
        SysError { call, code }
    }

    /// The failure of `call` with this `NTSTATUS`.
    #[must_use]
    pub fn nt(call: &'static str, status: i32) -> SysError {
        let code = Code::Nt(status);
        SysError { call, code }
    }

    /// The failure of `call` with this `HRESULT`.
    #[must_use]
    pub fn com(call: &'static str, result: i32) -> SysError {
        let code = Code::Com(result);
        SysError { call, code }
    }

    /// `call` was not made, or not believed.
    #[must_use]
    pub fn refused(call: &'static str, why: Refusal) -> SysError {
        let code = Code::Refused(why);
        SysError { call, code }
    }

    /// The failure as a Win32 error; none for what was refused here.
    #[must_use]
    pub fn as_win32(&self) -> Option<u32> {
        match self.code {
            Code::Win32(code) => Some(code),
            // SAFETY: integers only.
            Code::Nt(status) => Some(unsafe { RtlNtStatusToDosError(status) }),
            // 0x8007…: a Win32 error in an HRESULT.
            Code::Com(result) if result.cast_unsigned() >> 16 == 0x8007 => {
                Some(result.cast_unsigned() & 0xffff)
            }
            Code::Com(_) | Code::Refused(_) => None,
        }
    }

    /// Windows said this Win32 error, in whichever form.
    #[must_use]
    pub fn is(&self, code: u32) -> bool {
        self.as_win32() == Some(code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Win32(code) => write!(f, "{} ({code})", words(*code)),
            Code::Nt(status) => {
                // SAFETY: integers only.
                let code = unsafe { RtlNtStatusToDosError(*status) };
                write!(f, "{} (NTSTATUS {:#010x})", words(code), status)
            }
            Code::Com(result) => {
                let message = words(result.cast_unsigned());
                write!(f, "{message} (HRESULT {result:#010x})")
            }
            Code::Refused(why) => why.fmt(f),
        }
    }
}

/// The system's words for an error, in the user's language.
fn words(code: u32) -> String {
    let mut buffer = [0_u16; 512];
    // SAFETY: the buffer is live and has 512 units; without inserts no arguments are read.
    let len = unsafe {
        FormatMessageW(
            FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
            std::ptr::null(),
            code,
            0,
            buffer.as_mut_ptr(),
            512,
            std::ptr::null(),
        )
    };
    let text = String::from_utf16_lossy(buffer.get(..len as usize).unwrap_or_default());
    let text = text.trim_end();
    if text.is_empty() {
        "an error without words".to_owned()
    } else {
        text.to_owned()
    }
}

/// What a function that answers `BOOL` said.
pub(crate) fn done(call: &'static str, answer: BOOL) -> Result<(), SysError> {
    if answer == 0 {
        Err(SysError::last(call))
    } else {
        Ok(())
    }
}

/// What a function that answers a Win32 error said.
pub(crate) fn succeeded(call: &'static str, answer: u32) -> Result<(), SysError> {
    if answer == ERROR_SUCCESS {
        Ok(())
    } else {
        Err(SysError::win32(call, answer))
    }
}

/// What a function that answers an `NTSTATUS` said.
pub(crate) fn nt_success(call: &'static str, answer: NTSTATUS) -> Result<(), SysError> {
    if answer >= 0 {
        Ok(())
    } else {
        Err(SysError::nt(call, answer))
    }
}

/// What a function that answers an `HRESULT` said.
pub(crate) fn com_success(call: &'static str, answer: HRESULT) -> Result<(), SysError> {
    if answer >= 0 {
        Ok(())
    } else {
        Err(SysError::com(call, answer))
    }
}

/// A handle, where both null and -1 are how functions say that they failed.
pub(crate) fn made(call: &'static str, handle: HANDLE) -> Result<HANDLE, SysError> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        Err(SysError::last(call))
    } else {
        Ok(handle)
    }
}
