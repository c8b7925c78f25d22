//! Waiting for objects: a process's end, an event, a mutex.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    HANDLE, WAIT_ABANDONED_0, WAIT_FAILED, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{
    INFINITE, WaitForMultipleObjects, WaitForSingleObject,
};

use crate::error::{Refusal, SysError};

/// The most that can be waited for at once.
pub const MOST: usize = 64;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// This one of those waited for is signalled.
    Signalled(usize),
    /// This one is a mutex whose owner ended without letting it go; it is this thread's now.
    Abandoned(usize),
    /// None was in time.
    TimedOut,
}

/// Waits for an object (`WaitForSingleObject`), for ever without a time. The handle needs
/// `SYNCHRONIZE`.
///
/// # Errors
/// What the function says.
pub fn one(object: BorrowedHandle<'_>, timeout: Option<Duration>) -> Result<Waited, SysError> {
    // SAFETY: a live handle.
    let answer = unsafe { WaitForSingleObject(object.as_raw_handle(), millis(timeout)) };
    waited("WaitForSingleObject", answer)
}

/// Waits for the first of some objects (`WaitForMultipleObjects`). Of several that are, the first
/// in the list is told.
///
/// # Errors
/// [`Refusal::TooLong`]: more than [`MOST`], or none. What the function says.
pub fn any(objects: &[BorrowedHandle<'_>], timeout: Option<Duration>) -> Result<Waited, SysError> {
    const CALL: &str = "WaitForMultipleObjects";
    let handles: Vec<HANDLE> = objects.iter().map(AsRawHandle::as_raw_handle).collect();
    let count = u32::try_from(handles.len()).unwrap_or(u32::MAX);
    if handles.is_empty() || handles.len() > MOST {
        return Err(SysError::refused(CALL, Refusal::TooLong));
    }
    // SAFETY: as many live handles as the count says.
    let answer = unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, millis(timeout)) };
    waited(CALL, answer)
}

fn waited(call: &'static str, answer: u32) -> Result<Waited, SysError> {
    let most = MOST as u32;
    match answer {
        WAIT_FAILED => Err(SysError::last(call)),
        WAIT_TIMEOUT => Ok(Waited::TimedOut),
        n if n.wrapping_sub(WAIT_OBJECT_0) < most => Ok(Waited::Signalled(n as usize)),
        n => Ok(Waited::Abandoned(n.wrapping_sub(WAIT_ABANDONED_0) as usize)),
    }
}

/// Milliseconds, rounded up: a wait is never shorter than asked.
pub(crate) fn millis(timeout: Option<Duration>) -> u32 {
    timeout.map_or(INFINITE, |timeout| {
        let millis = timeout.as_micros().div_ceil(1000);
        u32::try_from(millis).map_or(INFINITE - 1, |millis| millis.min(INFINITE - 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_and_only_none_is_for_ever() {
        assert_eq!(millis(None), INFINITE);
        assert_eq!(millis(Some(Duration::ZERO)), 0);
        assert_eq!(millis(Some(Duration::from_micros(1))), 1);
        assert_eq!(millis(Some(Duration::from_millis(1500))), 1500);
        assert_eq!(millis(Some(Duration::MAX)), INFINITE - 1);
    }
}
