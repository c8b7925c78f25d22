//! Window stations and desktops: what keeps the windows of one set of programs from another's.

use std::ffi::{OsStr, OsString};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Security::{GetUserObjectSecurity, SetUserObjectSecurity};
use windows_sys::Win32::System::StationsAndDesktops as win;
use windows_sys::Win32::System::Threading::GetCurrentThreadId;

use crate::acl::Parts;
use crate::counters;
use crate::descriptor::{self, SecurityDescriptor};
use crate::error::{Refusal, SysError, done, made};
use crate::memory::{self, u16_at};
use crate::wide;

/// What may be done through the handle of a desktop or a window station.
pub mod access {
    pub use windows_sys::Win32::Storage::FileSystem::{DELETE, READ_CONTROL, WRITE_DAC};
    /// `DESKTOP_*`, all of them.
    pub const DESKTOP_ALL: u32 = 0x000f_01ff;
    /// `WINSTA_*`, all of them.
    pub const WINDOW_STATION_ALL: u32 = 0x000f_037f;
}

/// A desktop.
#[derive(Debug)]
pub struct Desktop(win::HDESK);

// SAFETY: a handle of the process, for any thread.
unsafe impl Send for Desktop {}
// SAFETY: as above; the system orders what several threads do with it.
unsafe impl Sync for Desktop {}

/// A window station.
#[derive(Debug)]
pub struct WindowStation {
    raw: win::HWINSTA,
    /// It is not the process's own, which is not closed.
    made: bool,
}

// SAFETY: a handle of the process, for any thread.
unsafe impl Send for WindowStation {}
// SAFETY: as above; the system orders what several threads do with it.
unsafe impl Sync for WindowStation {}

impl Desktop {
    /// Makes a desktop on this process's window station (`CreateDesktopW`), or opens one of that
    /// name, whoever made it.
    ///
    /// With `heap`, KiB of the memory that its windows share (`CreateDesktopExW`): of the
    /// session's, which only so many desktops fit in.
    ///
    /// # Errors
    /// What the function says.
    pub fn create(
        name: &OsStr,
        access: u32,
        heap: Option<u32>,
        descriptor: Option<&SecurityDescriptor>,
    ) -> Result<Desktop, SysError> {
        let attributes = descriptor::attributes(descriptor, false);
        let (call, desktop) = if let Some(heap) = heap {
            const CALL: &str = "CreateDesktopExW";
            let name = wide::terminated(CALL, name)?;
            // SAFETY: a NUL-terminated name, and attributes that point to a whole descriptor or
            // none.
            let desktop = unsafe {
                win::CreateDesktopExW(
                    name.as_ptr(),
                    std::ptr::null(),
                    std::ptr::null(),
                    0,
                    access,
                    &raw const attributes,
                    heap,
                    std::ptr::null(),
                )
            };
            (CALL, desktop)
        } else {
            const CALL: &str = "CreateDesktopW";
            let name = wide::terminated(CALL, name)?;
            // SAFETY: a NUL-terminated name, and attributes that point to a whole descriptor or
            // none.
            let desktop = unsafe {
                win::CreateDesktopW(
                    name.as_ptr(),
                    std::ptr::null(),
                    std::ptr::null(),
                    0,
                    access,
                    &raw const attributes,
                )
            };
            (CALL, desktop)
        };
        made(call, desktop).map(Desktop)
    }

    /// Opens a desktop of this process's window station (`OpenDesktopW`).
    ///
    /// # Errors
    /// `ERROR_FILE_NOT_FOUND`; `ERROR_ACCESS_DENIED`.
    pub fn open(name: &OsStr, access: u32) -> Result<Desktop, SysError> {
        const CALL: &str = "OpenDesktopW";
        let name = wide::terminated(CALL, name)?;
        // SAFETY: a NUL-terminated name.
        let desktop = unsafe { win::OpenDesktopW(name.as_ptr(), 0, 0, access) };
        made(CALL, desktop).map(Desktop)
    }

    /// Its name.
    ///
    /// # Errors
    /// What the function says.
    pub fn name(&self) -> Result<OsString, SysError> {
        name(self.0)
    }

    /// Its descriptor (`GetUserObjectSecurity`).
    ///
    /// # Errors
    /// The handle has no `READ_CONTROL`.
    pub fn descriptor(&self, parts: Parts) -> Result<SecurityDescriptor, SysError> {
        read(self.0, parts)
    }

    /// Sets its descriptor (`SetUserObjectSecurity`).
    ///
    /// # Errors
    /// The handle has no `WRITE_DAC`.
    pub fn set_descriptor(
        &self,
        parts: Parts,
        descriptor: &SecurityDescriptor,
    ) -> Result<(), SysError> {
        store(self.0, parts, descriptor)
    }
}

/// The name of the desktop that this thread's windows come on (`GetThreadDesktop`).
///
/// # Errors
/// What the functions say.
pub fn current_name() -> Result<OsString, SysError> {
    // SAFETY: takes nothing.
    let thread = unsafe { GetCurrentThreadId() };
    // SAFETY: an integer only. What it answers is not to be closed.
    let desktop = unsafe { win::GetThreadDesktop(thread) };
    name(made("GetThreadDesktop", desktop)?)
}

impl WindowStation {
    /// This process's window station (`GetProcessWindowStation`).
    ///
    /// # Errors
    /// It has none.
    pub fn current() -> Result<WindowStation, SysError> {
        // SAFETY: takes nothing.
        let raw = unsafe { win::GetProcessWindowStation() };
        let raw = made("GetProcessWindowStation", raw)?;
        Ok(WindowStation { raw, made: false })
    }

    /// Makes a window station (`CreateWindowStationW`), named by the system after the logon when
    /// the name is left out.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: only administrators may give a name.
    pub fn create(
        name: Option<&OsStr>,
        access: u32,
        descriptor: Option<&SecurityDescriptor>,
    ) -> Result<WindowStation, SysError> {
        const CALL: &str = "CreateWindowStationW";
        let name = wide::optional(CALL, name)?;
        let attributes = descriptor::attributes(descriptor, false);
        // SAFETY: a NUL-terminated name or none, and attributes that point to a whole
        // descriptor or none.
        let raw = unsafe {
            win::CreateWindowStationW(
                wide::pointer(name.as_ref()),
                0,
                access,
                &raw const attributes,
            )
        };
        let raw = made(CALL, raw)?;
        Ok(WindowStation { raw, made: true })
    }

    /// Its name, such as `WinSta0` for the one with screen and keyboard.
    ///
    /// # Errors
    /// What the function says.
    pub fn name(&self) -> Result<OsString, SysError> {
        name(self.raw)
    }

    /// Its descriptor (`GetUserObjectSecurity`).
    ///
    /// # Errors
    /// The handle has no `READ_CONTROL`.
    pub fn descriptor(&self, parts: Parts) -> Result<SecurityDescriptor, SysError> {
        read(self.raw, parts)
    }

    /// Sets its descriptor (`SetUserObjectSecurity`).
    ///
    /// # Errors
    /// The handle has no `WRITE_DAC`.
    pub fn set_descriptor(
        &self,
        parts: Parts,
        descriptor: &SecurityDescriptor,
    ) -> Result<(), SysError> {
        store(self.raw, parts, descriptor)
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        // SAFETY: made by this module, and closed only here.
        unsafe { win::CloseDesktop(self.0) };
    }
}

impl Drop for WindowStation {
    fn drop(&mut self) {
        if self.made {
            // SAFETY: made by this module, and closed only here.
            unsafe { win::CloseWindowStation(self.raw) };
        }
    }
}

fn name(object: HANDLE) -> Result<OsString, SysError> {
    const CALL: &str = "GetUserObjectInformationW";
    let mut filled = 0;
    let buffer = memory::filled(CALL, 512, |place, size, needed| {
        // SAFETY: a live handle and a buffer of the size given.
        let answer =
            unsafe { win::GetUserObjectInformationW(object, win::UOI_NAME, place, size, needed) };
        filled = *needed;
        done(CALL, answer)
    })?;
    let units = (0..filled as usize / 2).map(|n| u16_at(buffer.bytes(), n * 2));
    let units: Option<Vec<u16>> = units.collect();
    let units = units.ok_or(SysError::refused(CALL, Refusal::Malformed))?;
    Ok(wide::text(&units))
}

fn read(object: HANDLE, parts: Parts) -> Result<SecurityDescriptor, SysError> {
    const CALL: &str = "GetUserObjectSecurity";
    let mut filled = 0;
    let mut buffer = memory::filled(CALL, 512, |place, size, needed| {
        // SAFETY: a live handle, live parts, and a buffer of the size given.
        let answer =
            unsafe { GetUserObjectSecurity(object, &raw const parts.0, place, size, needed) };
        filled = *needed;
        done(CALL, answer)
    })?;
    buffer.truncate(filled as usize);
    SecurityDescriptor::from_answer(CALL, buffer.bytes())
}

fn store(object: HANDLE, parts: Parts, descriptor: &SecurityDescriptor) -> Result<(), SysError> {
    counters::descriptor_write();
    // SAFETY: a live handle, live parts, and a whole descriptor.
    let answer = unsafe { SetUserObjectSecurity(object, &raw const parts.0, descriptor.as_ptr()) };
    done("SetUserObjectSecurity", answer)
}
