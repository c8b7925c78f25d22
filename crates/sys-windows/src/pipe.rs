//! Pipes: between two handles, and by name between processes.

use std::ffi::OsStr;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_OPERATION_ABORTED,
    ERROR_PIPE_CONNECTED, HANDLE,
};
use windows_sys::Win32::Storage::FileSystem as file;
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes as win;

use crate::descriptor::{self, SecurityDescriptor};
use crate::error::{SysError, done};
use crate::handle::owned;
use crate::sync::Event;
use crate::wait::{self, Waited};
use crate::wide;

/// A pipe without a name (`CreatePipe`): its reading end and its writing end. Neither is
/// inherited.
///
/// # Errors
/// What the function says.
pub fn anonymous() -> Result<(OwnedHandle, OwnedHandle), SysError> {
    let (mut read, mut write): (HANDLE, HANDLE) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: two live places; default attributes.
    let answer = unsafe { win::CreatePipe(&raw mut read, &raw mut write, std::ptr::null(), 0) };
    done("CreatePipe", answer)?;
    // SAFETY: just made, and known to nobody else.
    let read = unsafe { OwnedHandle::from_raw_handle(read) };
    // SAFETY: just made, and known to nobody else.
    let write = unsafe { OwnedHandle::from_raw_handle(write) };
    Ok((read, write))
}

/// Reads from the end of a pipe without a name (`ReadFile`), waiting for it: how many bytes, which may be none where none were
/// written; `None` when all that wrote to it are gone. The standard library does not tell the two apart.
///
/// # Errors
/// What the function says.
pub fn read(from: BorrowedHandle<'_>, buffer: &mut [u8]) -> Result<Option<usize>, SysError> {
    const CALL: &str = "ReadFile";
    let len = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    let mut read = 0;
    // SAFETY: a live handle; a buffer of that length, which is borrowed, and a live place.
    let answer = unsafe {
        file::ReadFile(
            from.as_raw_handle(),
            buffer.as_mut_ptr(),
            len,
            &raw mut read,
            std::ptr::null_mut(),
        )
    };
    match done(CALL, answer) {
        Ok(()) => Ok(Some(read as usize)),
        Err(error) if error.is(ERROR_BROKEN_PIPE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A named pipe to be made.
#[derive(Debug, Clone, Copy)]
pub struct Listen<'a> {
    /// Its name (`\\.\pipe\…`).
    pub name: &'a OsStr,
    /// There may be no pipe of that name, or it is somebody else's
    /// (`FILE_FLAG_FIRST_PIPE_INSTANCE`).
    pub first: bool,
    /// What is written at once is read at once; else it is a stream of bytes.
    pub messages: bool,
    /// Clients at once, 1 to 255.
    pub instances: u8,
    /// Bytes that are kept in each direction.
    pub buffer: u32,
    /// Who may open it.
    pub descriptor: Option<&'a SecurityDescriptor>,
}

/// One end of a named pipe, for overlapped use. It can be read and written at the same time.
#[derive(Debug)]
pub struct Pipe(OwnedHandle);

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// As many bytes.
    Bytes(usize),
    /// As many bytes of a message that is longer than the buffer.
    Part(usize),
    /// The other end is closed.
    End,
    /// Nothing came in time, and nothing was taken.
    TimedOut,
}

impl Listen<'_> {
    /// Makes an instance of the pipe (`CreateNamedPipeW`) that clients of other machines
    /// cannot open.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: it is to be the first and is not, or it is another user's.
    /// `ERROR_PIPE_BUSY`: there are as many instances as may be.
    pub fn create(&self) -> Result<Pipe, SysError> {
        const CALL: &str = "CreateNamedPipeW";
        let name = wide::terminated(CALL, self.name)?;
        let attributes = descriptor::attributes(self.descriptor, false);
        let flag = |set, flag| if set { flag } else { 0 };
        let open = file::PIPE_ACCESS_DUPLEX
            | file::FILE_FLAG_OVERLAPPED
            | flag(self.first, file::FILE_FLAG_FIRST_PIPE_INSTANCE);
        let mode = win::PIPE_REJECT_REMOTE_CLIENTS
            | flag(
                self.messages,
                win::PIPE_TYPE_MESSAGE | win::PIPE_READMODE_MESSAGE,
            );
        // SAFETY: a NUL-terminated name, and attributes that point to a whole descriptor or none.
        let pipe = unsafe {
            win::CreateNamedPipeW(
                name.as_ptr(),
                open,
                mode,
                self.instances.max(1).into(),
                self.buffer,
                self.buffer,
                0,
                &raw const attributes,
            )
        };
        // SAFETY: just made.
        unsafe { owned(CALL, pipe) }.map(Pipe)
    }
}

impl Pipe {
    /// Opens a pipe as its client (`CreateFileW`). Its server may see who this is, and no more:
    /// it cannot act as this user.
    ///
    /// # Errors
    /// `ERROR_FILE_NOT_FOUND`; `ERROR_PIPE_BUSY`: all instances have a client
    /// ([`wait_for_server`]); `ERROR_ACCESS_DENIED`.
    pub fn open(name: &OsStr) -> Result<Pipe, SysError> {
        const CALL: &str = "CreateFileW";
        let name = wide::terminated(CALL, name)?;
        let flags = file::FILE_FLAG_OVERLAPPED
            | file::SECURITY_SQOS_PRESENT
            | file::SECURITY_IDENTIFICATION;
        // SAFETY: a NUL-terminated name, default attributes.
        let pipe = unsafe {
            file::CreateFileW(
                name.as_ptr(),
                file::FILE_GENERIC_READ | file::FILE_GENERIC_WRITE,
                0,
                std::ptr::null(),
                file::OPEN_EXISTING,
                flags,
                std::ptr::null_mut(),
            )
        };
        // SAFETY: just made.
        unsafe { owned(CALL, pipe) }.map(Pipe)
    }

    /// Lets a client that opened a pipe of messages read them as such
    /// (`SetNamedPipeHandleState`).
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER`: the pipe is one of bytes.
    pub fn read_messages(&self) -> Result<(), SysError> {
        let mode = win::PIPE_READMODE_MESSAGE;
        // SAFETY: a live handle and a live mode; the rest stays.
        let answer = unsafe {
            win::SetNamedPipeHandleState(
                self.raw(),
                &raw const mode,
                std::ptr::null(),
                std::ptr::null(),
            )
        };
        done("SetNamedPipeHandleState", answer)
    }

    /// Waits for a client (`ConnectNamedPipe`); false when none came in time.
    ///
    /// # Errors
    /// `ERROR_NO_DATA`: one came and went; [`Pipe::disconnect`] first.
    pub fn connect(&self, timeout: Option<Duration>) -> Result<bool, SysError> {
        const CALL: &str = "ConnectNamedPipe";
        let ended = self.overlapped(CALL, timeout, |pipe, place| {
            // SAFETY: a live handle, and a place that `overlapped` keeps until the end.
            unsafe { win::ConnectNamedPipe(pipe, place) }
        });
        match ended {
            Ok(Some(_)) => Ok(true),
            Ok(None) => Ok(false),
            Err(error) if error.is(ERROR_PIPE_CONNECTED) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Sends the client away, so that another can come (`DisconnectNamedPipe`). What it has not
    /// read is lost.
    ///
    /// # Errors
    /// What the function says.
    pub fn disconnect(&self) -> Result<(), SysError> {
        // SAFETY: a live handle.
        let answer = unsafe { win::DisconnectNamedPipe(self.raw()) };
        done("DisconnectNamedPipe", answer)
    }

    /// The number of the process that opened the pipe as client (`GetNamedPipeClientProcessId`).
    /// The process may be gone and the number another's: open it, compare when it was started.
    ///
    /// # Errors
    /// What the function says.
    pub fn client(&self) -> Result<u32, SysError> {
        let mut id = 0;
        // SAFETY: a live handle and a live place.
        let answer = unsafe { win::GetNamedPipeClientProcessId(self.raw(), &raw mut id) };
        done("GetNamedPipeClientProcessId", answer)?;
        Ok(id)
    }

    /// The number of the process that made this instance (`GetNamedPipeServerProcessId`).
    ///
    /// # Errors
    /// What the function says.
    pub fn server(&self) -> Result<u32, SysError> {
        let mut id = 0;
        // SAFETY: a live handle and a live place.
        let answer = unsafe { win::GetNamedPipeServerProcessId(self.raw(), &raw mut id) };
        done("GetNamedPipeServerProcessId", answer)?;
        Ok(id)
    }

    /// Reads what is there, or waits for it (`ReadFile`).
    ///
    /// # Errors
    /// What the function says.
    pub fn read_within(
        &self,
        buffer: &mut [u8],
        timeout: Option<Duration>,
    ) -> Result<Read, SysError> {
        let len = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let start = buffer.as_mut_ptr();
        let ended = self.overlapped("ReadFile", timeout, |pipe, place| {
            // SAFETY: a live handle; a buffer of that length, which is borrowed, and a place, both
            // kept until the end.
            unsafe { file::ReadFile(pipe, start, len, std::ptr::null_mut(), place) }
        });
        match ended {
            Ok(Some(Ended::Whole(count))) => Ok(Read::Bytes(count)),
            Ok(Some(Ended::Part(count))) => Ok(Read::Part(count)),
            Ok(None) => Ok(Read::TimedOut),
            Err(error) if error.is(ERROR_BROKEN_PIPE) => Ok(Read::End),
            Err(error) => Err(error),
        }
    }

    /// Writes (`WriteFile`), and waits until there is room; `None` when there was none in time:
    /// then a part may have been written.
    ///
    /// # Errors
    /// `ERROR_NO_DATA`, `ERROR_BROKEN_PIPE`: the other end is closed.
    pub fn write_within(
        &self,
        bytes: &[u8],
        timeout: Option<Duration>,
    ) -> Result<Option<usize>, SysError> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let ended = self.overlapped("WriteFile", timeout, |pipe, place| {
            // SAFETY: a live handle; bytes of that length, which are borrowed, and a place, both
            // kept until the end.
            unsafe { file::WriteFile(pipe, bytes.as_ptr(), len, std::ptr::null_mut(), place) }
        })?;
        Ok(ended.map(|(Ended::Whole(count) | Ended::Part(count))| count))
    }

    /// Starts an operation and waits for its end; `None` when it was not in time and was
    /// cancelled. In any case it has ended when this returns, so what it uses may go.
    fn overlapped(
        &self,
        call: &'static str,
        timeout: Option<Duration>,
        start: impl FnOnce(HANDLE, *mut OVERLAPPED) -> windows_sys::core::BOOL,
    ) -> Result<Option<Ended>, SysError> {
        let event = Event::own()?;
        let mut state = OVERLAPPED {
            hEvent: event.as_handle().as_raw_handle(),
            ..OVERLAPPED::default()
        };
        let place: *mut OVERLAPPED = &raw mut state;
        let mut in_time = true;
        match done(call, start(self.raw(), place)) {
            Ok(()) => {}
            Err(error) if error.is(ERROR_IO_PENDING) => {
                // A wait that fails is as one that was not in time: the operation must end.
                in_time = wait::one(event.as_handle(), timeout)
                    .is_ok_and(|waited| waited != Waited::TimedOut);
                if !in_time {
                    // SAFETY: a live handle and the place of the operation. That it ended
                    // meanwhile is no failure.
                    let _ended = unsafe { CancelIoEx(self.raw(), place) };
                }
            }
            Err(error) if error.is(ERROR_MORE_DATA) => {}
            Err(error) => return Err(error),
        }
        let mut count = 0;
        // SAFETY: a live handle, the place of the operation, and a live place for the count. It
        // waits until the operation has ended.
        let answer = unsafe { GetOverlappedResult(self.raw(), place, &raw mut count, 1) };
        match done(call, answer) {
            Ok(()) => Ok(Some(Ended::Whole(count as usize))),
            Err(error) if error.is(ERROR_MORE_DATA) => Ok(Some(Ended::Part(count as usize))),
            Err(error) if !in_time && error.is(ERROR_OPERATION_ABORTED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}

enum Ended {
    Whole(usize),
    Part(usize),
}

impl AsHandle for Pipe {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl io::Read for &Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.read_within(buffer, None).map_err(io::Error::other)? {
            Read::Bytes(count) | Read::Part(count) => Ok(count),
            Read::End | Read::TimedOut => Ok(0),
        }
    }
}

impl io::Write for &Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.write_within(bytes, None).map_err(io::Error::other)?;
        Ok(written.unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until a pipe of that name has an instance without a client (`WaitNamedPipeW`); another
/// client may come first.
///
/// # Errors
/// `ERROR_FILE_NOT_FOUND`: there is none. `ERROR_SEM_TIMEOUT`.
pub fn wait_for_server(name: &OsStr, timeout: Option<Duration>) -> Result<(), SysError> {
    const CALL: &str = "WaitNamedPipeW";
    let name = wide::terminated(CALL, name)?;
    // Zero would be the time that the server chose.
    let millis = wait::millis(timeout).max(1);
    // SAFETY: a NUL-terminated name.
    let answer = unsafe { win::WaitNamedPipeW(name.as_ptr(), millis) };
    done(CALL, answer)
}
