//! Processes: starting one with exactly what it is to have, waiting for it and ending it.

use std::ffi::OsString;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::PathBuf;
use std::time::Duration;

use windows_sys::Win32::Foundation::{FILETIME, HANDLE};
use windows_sys::Win32::System::Threading as win;

use crate::error::{Refusal, SysError, done};
use crate::handle::owned;
use crate::wait::{self, Waited};
use crate::wide;

mod attributes;
mod command_line;
mod environment;
mod start;

pub use command_line::arguments;
pub use environment::Environment;
pub(crate) use start::started;
pub use start::{Start, Started, Stdio};

/// What may be done through a process's handle.
pub mod access {
    pub use windows_sys::Win32::System::Threading::{
        PROCESS_ALL_ACCESS as ALL, PROCESS_CREATE_PROCESS as CREATE_PROCESS,
        PROCESS_DUP_HANDLE as DUP_HANDLE, PROCESS_QUERY_INFORMATION as QUERY,
        PROCESS_QUERY_LIMITED_INFORMATION as QUERY_LIMITED, PROCESS_READ_CONTROL as READ_CONTROL,
        PROCESS_SET_QUOTA as SET_QUOTA, PROCESS_SYNCHRONIZE as SYNCHRONIZE,
        PROCESS_TERMINATE as TERMINATE, PROCESS_VM_READ as VM_READ, PROCESS_WRITE_DAC as WRITE_DAC,
    };
}

/// This process, with all access, for functions that want a process (`GetCurrentProcess`).
#[must_use]
pub fn current() -> BorrowedHandle<'static> {
    // SAFETY: takes nothing.
    let process = unsafe { win::GetCurrentProcess() };
    // SAFETY: the number that means this process is never closed.
    unsafe { BorrowedHandle::borrow_raw(process) }
}

/// A process. It can be ended and waited for as long as this is kept, and its number is not
/// given to another.
#[derive(Debug)]
pub struct Process(OwnedHandle);

impl Process {
    /// Opens a process by its number (`OpenProcess`).
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER`: there is none. `ERROR_ACCESS_DENIED`: its descriptor does not
    /// grant that to this user.
    pub fn open(id: u32, access: u32) -> Result<Process, SysError> {
        const CALL: &str = "OpenProcess";
        // SAFETY: integers only.
        let process = unsafe { win::OpenProcess(access, 0, id) };
        // SAFETY: just made.
        unsafe { owned(CALL, process) }.map(Process)
    }

    /// Its number (`GetProcessId`). The handle needs `QUERY_LIMITED`.
    ///
    /// # Errors
    /// What the function says.
    pub fn id(&self) -> Result<u32, SysError> {
        // SAFETY: a live handle.
        match unsafe { win::GetProcessId(self.raw()) } {
            0 => Err(SysError::last("GetProcessId")),
            id => Ok(id),
        }
    }

    /// When it was started, in 100 ns since 1601 (`GetProcessTimes`): with the number, it says
    /// which process it is.
    ///
    /// # Errors
    /// What the function says.
    pub fn created(&self) -> Result<u64, SysError> {
        let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: a live handle and live places.
        let answer = unsafe {
            win::GetProcessTimes(
                self.raw(),
                &raw mut created,
                &raw mut exited,
                &raw mut kernel,
                &raw mut user,
            )
        };
        done("GetProcessTimes", answer)?;
        Ok(u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
    }

    /// The program it runs (`QueryFullProcessImageNameW`).
    ///
    /// # Errors
    /// What the function says.
    pub fn image(&self) -> Result<PathBuf, SysError> {
        const CALL: &str = "QueryFullProcessImageNameW";
        let mut name: Vec<u16> = vec![0; 0x8000];
        let mut len = 0x8000;
        // SAFETY: a live handle and a buffer of the length given, longer than any path.
        let answer = unsafe {
            win::QueryFullProcessImageNameW(
                self.raw(),
                win::PROCESS_NAME_WIN32,
                name.as_mut_ptr(),
                &raw mut len,
            )
        };
        done(CALL, answer)?;
        let name = name.get(..len as usize);
        let name = name.ok_or(SysError::refused(CALL, Refusal::Malformed))?;
        let name: OsString = wide::text(name);
        Ok(PathBuf::from(name))
    }

    /// Waits for its end, and tells its exit code; `None` when it was not in time. The handle
    /// needs `SYNCHRONIZE` and `QUERY_LIMITED`.
    ///
    /// # Errors
    /// What the functions say.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<Option<u32>, SysError> {
        if wait::one(self.as_handle(), timeout)? == Waited::TimedOut {
            return Ok(None);
        }
        let mut code = 0;
        // SAFETY: a live handle and a live place.
        let answer = unsafe { win::GetExitCodeProcess(self.raw(), &raw mut code) };
        done("GetExitCodeProcess", answer)?;
        Ok(Some(code))
    }

    /// Its exit code, if it has ended. Every 32 bits can be one, also those that mean "still
    /// active", so it is the handle that is asked.
    ///
    /// # Errors
    /// As of [`Process::wait`].
    pub fn exit_code(&self) -> Result<Option<u32>, SysError> {
        self.wait(Some(Duration::ZERO))
    }

    /// Ends it with this exit code (`TerminateProcess`); its children go on. That it has ended
    /// is to be waited for.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: the handle has no `TERMINATE`, or it has ended.
    pub fn terminate(&self, code: u32) -> Result<(), SysError> {
        // SAFETY: a live handle.
        let answer = unsafe { win::TerminateProcess(self.raw(), code) };
        done("TerminateProcess", answer)
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}

impl AsHandle for Process {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl From<OwnedHandle> for Process {
    fn from(handle: OwnedHandle) -> Process {
        Process(handle)
    }
}

impl From<Process> for OwnedHandle {
    fn from(process: Process) -> OwnedHandle {
        process.0
    }
}
