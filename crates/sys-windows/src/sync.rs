//! Events and mutexes, between threads and, by name, between processes.

use std::ffi::OsStr;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, SetLastError};
use windows_sys::Win32::System::Threading as win;

use crate::descriptor::{self, SecurityDescriptor};
use crate::error::{SysError, done};
use crate::handle::owned;
use crate::wait::{self, Waited};
use crate::wide;

/// What may be done through the handle of an event or a mutex.
pub mod access {
    pub use windows_sys::Win32::System::Threading::{
        EVENT_ALL_ACCESS as EVENT_ALL, EVENT_MODIFY_STATE, MUTEX_ALL_ACCESS as MUTEX_ALL,
        SYNCHRONIZATION_READ_CONTROL as READ_CONTROL, SYNCHRONIZATION_SYNCHRONIZE as SYNCHRONIZE,
        SYNCHRONIZATION_WRITE_DAC as WRITE_DAC,
    };
}

/// How an event is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventOptions<'a> {
    /// By this name others open it; `Local\…` is this session's.
    pub name: Option<&'a OsStr>,
    /// It stays set until it is reset; else the first wait takes it.
    pub manual: bool,
    /// It is set from the beginning.
    pub set: bool,
    /// Who may open it. Left out, what the token's default list says.
    pub descriptor: Option<&'a SecurityDescriptor>,
}

/// An event.
#[derive(Debug)]
pub struct Event(OwnedHandle);

impl Event {
    /// Makes an event (`CreateEventW`), and says whether it is new: where one of that name was
    /// there, that is opened, whoever made it.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: one of that name does not let this user. `ERROR_INVALID_HANDLE`:
    /// the name is another kind of object's.
    pub fn create(options: EventOptions<'_>) -> Result<(Event, bool), SysError> {
        const CALL: &str = "CreateEventW";
        let name = wide::optional(CALL, options.name)?;
        let attributes = descriptor::attributes(options.descriptor, false);
        // SAFETY: sets a number of this thread: that one was there is told by it.
        unsafe { SetLastError(0) };
        // SAFETY: attributes that point to a whole descriptor or none, and a NUL-terminated
        // name or none.
        let event = unsafe {
            win::CreateEventW(
                &raw const attributes,
                options.manual.into(),
                options.set.into(),
                wide::pointer(name.as_ref()),
            )
        };
        let new = !SysError::last(CALL).is(ERROR_ALREADY_EXISTS);
        // SAFETY: just made.
        let event = unsafe { owned(CALL, event) }?;
        Ok((Event(event), new))
    }

    /// An event of this process's own, which the first wait takes.
    ///
    /// # Errors
    /// What the function says.
    pub fn own() -> Result<Event, SysError> {
        Event::create(EventOptions::default()).map(|(event, _)| event)
    }

    /// Opens an event by name (`OpenEventW`).
    ///
    /// # Errors
    /// `ERROR_FILE_NOT_FOUND`; `ERROR_ACCESS_DENIED`.
    pub fn open(name: &OsStr, access: u32) -> Result<Event, SysError> {
        const CALL: &str = "OpenEventW";
        let name = wide::terminated(CALL, name)?;
        // SAFETY: a NUL-terminated name.
        let event = unsafe { win::OpenEventW(access, 0, name.as_ptr()) };
        // SAFETY: just made.
        unsafe { owned(CALL, event) }.map(Event)
    }

    /// Sets it (`SetEvent`). The handle needs `EVENT_MODIFY_STATE`.
    ///
    /// # Errors
    /// What the function says.
    pub fn set(&self) -> Result<(), SysError> {
        // SAFETY: a live handle.
        let answer = unsafe { win::SetEvent(self.0.as_raw_handle()) };
        done("SetEvent", answer)
    }

    /// Resets it (`ResetEvent`).
    ///
    /// # Errors
    /// What the function says.
    pub fn reset(&self) -> Result<(), SysError> {
        // SAFETY: a live handle.
        let answer = unsafe { win::ResetEvent(self.0.as_raw_handle()) };
        done("ResetEvent", answer)
    }
}

impl AsHandle for Event {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl From<OwnedHandle> for Event {
    fn from(handle: OwnedHandle) -> Event {
        Event(handle)
    }
}

/// A mutex: at most one thread of all processes has it.
#[derive(Debug)]
pub struct Mutex(OwnedHandle);

/// The mutex is this thread's until this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    mutex: &'a Mutex,
    /// Whoever had it before ended without letting it go: what it guards may be half done.
    pub abandoned: bool,
    /// A mutex is let go by the thread that has it.
    _thread: std::marker::PhantomData<*const ()>,
}

impl Mutex {
    /// Makes a mutex (`CreateMutexW`), nobody's, and says whether it is new.
    ///
    /// # Errors
    /// As of [`Event::create`].
    pub fn create(
        name: Option<&OsStr>,
        descriptor: Option<&SecurityDescriptor>,
    ) -> Result<(Mutex, bool), SysError> {
        const CALL: &str = "CreateMutexW";
        let name = wide::optional(CALL, name)?;
        let attributes = descriptor::attributes(descriptor, false);
        // SAFETY: sets a number of this thread: that one was there is told by it.
        unsafe { SetLastError(0) };
        // SAFETY: attributes that point to a whole descriptor or none, and a NUL-terminated
        // name or none.
        let mutex =
            unsafe { win::CreateMutexW(&raw const attributes, 0, wide::pointer(name.as_ref())) };
        let new = !SysError::last(CALL).is(ERROR_ALREADY_EXISTS);
        // SAFETY: just made.
        let mutex = unsafe { owned(CALL, mutex) }?;
        Ok((Mutex(mutex), new))
    }

    /// Waits until it is this thread's; `None` when it was not in time. The thread that has it
    /// may take it again.
    ///
    /// # Errors
    /// What `WaitForSingleObject` says.
    pub fn take(&self, timeout: Option<Duration>) -> Result<Option<Held<'_>>, SysError> {
        let abandoned = match wait::one(self.as_handle(), timeout)? {
            Waited::TimedOut => return Ok(None),
            Waited::Signalled(_) => false,
            Waited::Abandoned(_) => true,
        };
        Ok(Some(Held {
            mutex: self,
            abandoned,
            _thread: std::marker::PhantomData,
        }))
    }
}

impl AsHandle for Mutex {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SAFETY: a live handle; the mutex is this thread's, as `Held` does not leave it.
        unsafe { win::ReleaseMutex(self.mutex.0.as_raw_handle()) };
    }
}
