//! Handles: duplicating them, also into another process, and what children inherit.

use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::Foundation::{
    DUPLICATE_CLOSE_SOURCE, DUPLICATE_SAME_ACCESS, DuplicateHandle, GetHandleInformation, HANDLE,
    HANDLE_FLAG_INHERIT, SetHandleInformation,
};

use windows_sys::Win32::System::Threading::GetProcessId;

use crate::error::{Refusal, SysError, done, made};
use crate::process;

/// What may be done through a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// As through the handle it is made from.
    Same,
    /// This access mask. Windows gives what the handle it is made from has; for more it
    /// asks the object's security descriptor.
    Mask(u32),
}

/// A handle in another process: a number that means nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign(pub usize);

/// Duplicates a handle within this process (`DuplicateHandle`).
///
/// # Errors
/// `ERROR_ACCESS_DENIED`: more was asked than the object grants.
pub fn duplicate(
    handle: BorrowedHandle<'_>,
    access: Access,
    inherit: bool,
) -> Result<OwnedHandle, SysError> {
    let made = place(process::current(), handle, access, inherit)?;
    // SAFETY: just made in this process, and known to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(made) })
}

/// Duplicates a handle into a process (`DuplicateHandle`). The handle there is closed by that
/// process, which takes it with [`adopt`] where it is inherited, or by [`close_in`].
///
/// `process` needs `PROCESS_DUP_HANDLE`.
///
/// # Errors
/// As of [`duplicate`], and where `process` has not that right.
pub fn duplicate_into(
    process: BorrowedHandle<'_>,
    handle: BorrowedHandle<'_>,
    access: Access,
    inherit: bool,
) -> Result<Foreign, SysError> {
    place(process, handle, access, inherit).map(|handle| Foreign(handle.addr()))
}

/// Takes a handle out of another process: it is duplicated here and closed there.
///
/// `process` needs `PROCESS_DUP_HANDLE`, and `PROCESS_QUERY_LIMITED_INFORMATION` to see that it
/// is another.
///
/// # Errors
/// [`Refusal::Conflict`]: it is this process, where a number may be somebody's handle.
/// `ERROR_INVALID_HANDLE`: that process has no such handle.
pub fn take_from(process: BorrowedHandle<'_>, handle: Foreign) -> Result<OwnedHandle, SysError> {
    const CALL: &str = "DuplicateHandle";
    // SAFETY: a live handle.
    match unsafe { GetProcessId(process.as_raw_handle()) } {
        0 => return Err(SysError::last("GetProcessId")),
        id if id == std::process::id() => return Err(SysError::refused(CALL, Refusal::Conflict)),
        _ => {}
    }
    let mut here: HANDLE = std::ptr::null_mut();
    // SAFETY: the process's handle is live, the place for the new one too; the foreign number
    // is looked up in the other process, and closed there.
    let answer = unsafe {
        DuplicateHandle(
            process.as_raw_handle(),
            std::ptr::without_provenance_mut(handle.0),
            process::current().as_raw_handle(),
            &raw mut here,
            0,
            0,
            DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE,
        )
    };
    done(CALL, answer)?;
    // SAFETY: just made in this process, and known to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(here) })
}

/// Takes a handle that this process was given by its number: inherited from its parent, or placed
/// here by [`duplicate_into`], as one that is inherited. It is inherited no more.
///
/// # Errors
/// [`Refusal::Conflict`]: it is not inherited, so it is this process's own, or was taken
/// already. `ERROR_INVALID_HANDLE`: there is none.
pub fn adopt(handle: Foreign) -> Result<OwnedHandle, SysError> {
    const CALL: &str = "SetHandleInformation";
    let raw: HANDLE = std::ptr::without_provenance_mut(handle.0);
    made(CALL, raw)?;
    // One at a time: of two who ask for the same number, one sees that it was taken.
    let _alone = ADOPTING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut flags = 0;
    // SAFETY: a number that is no handle is an error; a live place.
    let answer = unsafe { GetHandleInformation(raw, &raw mut flags) };
    done("GetHandleInformation", answer)?;
    if flags & HANDLE_FLAG_INHERIT == 0 {
        return Err(SysError::refused(CALL, Refusal::Conflict));
    }
    // SAFETY: a handle, as the call before said.
    let answer = unsafe { SetHandleInformation(raw, HANDLE_FLAG_INHERIT, 0) };
    done(CALL, answer)?;
    // SAFETY: what this process makes is not inherited, but where it says so of a handle that it
    // holds, and such a one is borrowed when a child is started. So this was given to it, and
    // nobody took it before, as it would be inherited no more.
    Ok(unsafe { OwnedHandle::from_raw_handle(raw) })
}

static ADOPTING: Mutex<()> = Mutex::new(());

/// Closes a handle of another process, such as one placed there for a process that did not
/// come to use it.
///
/// # Errors
/// As of [`take_from`].
pub fn close_in(process: BorrowedHandle<'_>, handle: Foreign) -> Result<(), SysError> {
    take_from(process, handle).map(drop)
}

fn place(
    process: BorrowedHandle<'_>,
    handle: BorrowedHandle<'_>,
    access: Access,
    inherit: bool,
) -> Result<HANDLE, SysError> {
    let (mask, options) = match access {
        Access::Same => (0, DUPLICATE_SAME_ACCESS),
        Access::Mask(mask) => (mask, 0),
    };
    let mut there: HANDLE = std::ptr::null_mut();
    // SAFETY: both handles are live, and so is the place for the new one.
    let answer = unsafe {
        DuplicateHandle(
            process::current().as_raw_handle(),
            handle.as_raw_handle(),
            process.as_raw_handle(),
            &raw mut there,
            mask,
            inherit.into(),
            options,
        )
    };
    done("DuplicateHandle", answer)?;
    Ok(there)
}

/// Whether children that inherit handles get this one (`GetHandleInformation`).
///
/// # Errors
/// What the function says.
pub fn is_inherited(handle: BorrowedHandle<'_>) -> Result<bool, SysError> {
    let mut flags = 0;
    // SAFETY: a live handle and a live place.
    let answer = unsafe { GetHandleInformation(handle.as_raw_handle(), &raw mut flags) };
    done("GetHandleInformation", answer)?;
    Ok(flags & HANDLE_FLAG_INHERIT != 0)
}

/// Says whether children that inherit handles get this one (`SetHandleInformation`).
///
/// # Errors
/// What the function says.
pub fn set_inherited(handle: BorrowedHandle<'_>, inherited: bool) -> Result<(), SysError> {
    let flags = if inherited { HANDLE_FLAG_INHERIT } else { 0 };
    // SAFETY: a live handle, and integers.
    let answer =
        unsafe { SetHandleInformation(handle.as_raw_handle(), HANDLE_FLAG_INHERIT, flags) };
    done("SetHandleInformation", answer)
}

/// Takes what a function made into ownership; null and -1 are its failure.
///
/// # Safety
/// Just made by `call` in this process, to be closed with `CloseHandle`, and known to nobody
/// else.
pub(crate) unsafe fn owned(call: &'static str, handle: HANDLE) -> Result<OwnedHandle, SysError> {
    let handle = made(call, handle)?;
    // SAFETY: the caller's word.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}
