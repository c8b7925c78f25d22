//! How Windows takes a command line apart.

use std::ffi::{OsStr, OsString};

use windows_sys::Win32::UI::Shell::CommandLineToArgvW;

use crate::error::{Refusal, SysError};
use crate::memory::Local;
use crate::wide;

/// The arguments of a command line, with the program as the first, as programs see them that use
/// the system's rules (`CommandLineToArgvW`).
///
/// # Errors
/// [`Refusal::Malformed`]: an empty line, for which the function answers with this process's
/// own program. What the function says.
pub fn arguments(line: &OsStr) -> Result<Vec<OsString>, SysError> {
    const CALL: &str = "CommandLineToArgvW";
    if line.is_empty() {
        return Err(SysError::refused(CALL, Refusal::Malformed));
    }
    let line = wide::terminated(CALL, line)?;
    let mut count = 0;
    // SAFETY: a NUL-terminated line and a live place.
    let list = unsafe { CommandLineToArgvW(line.as_ptr(), &raw mut count) };
    if list.is_null() {
        return Err(SysError::last(CALL));
    }
    let list = Local(list.cast());
    let count = usize::try_from(count).unwrap_or_default();
    let places: *const *const u16 = list.0.cast_const().cast();
    // SAFETY: the function succeeded, so as many pointers are there.
    let places = unsafe { std::slice::from_raw_parts(places, count) };
    let argument = |place: &*const u16| {
        // SAFETY: each points to a NUL-terminated string in the same memory.
        unsafe { wide::at(*place) }
    };
    Ok(places.iter().map(argument).collect())
}
