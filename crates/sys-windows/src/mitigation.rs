//! What a process cannot do any more, or cannot be done to it, for the rest of its life.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Win32::System::LibraryLoader::{
    LOAD_LIBRARY_SEARCH_SYSTEM32, SetDefaultDllDirectories,
};
use windows_sys::Win32::System::Threading as win;

use crate::error::{SysError, done};

/// Policies whose value is one word of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Bit 0: no libraries of others are loaded into it (hooks, input methods, `AppInit`).
    ExtensionPoints,
    /// Bit 0: no images of other machines; bit 1: none with a low label; bit 2: those of
    /// `System32` first.
    ImageLoad,
    /// Bit 0: no fonts but those of the system.
    Fonts,
    /// Bit 0: the use of a handle that is closed ends it.
    StrictHandles,
    /// Bit 0: no memory that is both written and executed.
    DynamicCode,
    /// Bit 0: it starts no processes.
    ChildProcess,
}

impl Policy {
    fn number(self) -> win::PROCESS_MITIGATION_POLICY {
        match self {
            Policy::ExtensionPoints => win::ProcessExtensionPointDisablePolicy,
            Policy::ImageLoad => win::ProcessImageLoadPolicy,
            Policy::Fonts => win::ProcessFontDisablePolicy,
            Policy::StrictHandles => win::ProcessStrictHandleCheckPolicy,
            Policy::DynamicCode => win::ProcessDynamicCodePolicy,
            Policy::ChildProcess => win::ProcessChildProcessPolicy,
        }
    }
}

/// Sets a policy of this process (`SetProcessMitigationPolicy`). What is set stays.
///
/// Its success is not proof: ask [`get`].
///
/// # Errors
/// `ERROR_INVALID_PARAMETER`: this Windows does not know it. `ERROR_ACCESS_DENIED`: it would take
/// one back.
pub fn set(policy: Policy, flags: u32) -> Result<(), SysError> {
    // SAFETY: one word, as each of these policies is.
    let answer = unsafe {
        win::SetProcessMitigationPolicy(
            policy.number(),
            (&raw const flags).cast(),
            size_of::<u32>(),
        )
    };
    done("SetProcessMitigationPolicy", answer)
}

/// A policy of a process (`GetProcessMitigationPolicy`). The handle needs `QUERY`.
///
/// # Errors
/// What the function says.
pub fn get(process: BorrowedHandle<'_>, policy: Policy) -> Result<u32, SysError> {
    let mut flags: u32 = 0;
    // SAFETY: a live handle, and one word, as each of these policies is.
    let answer = unsafe {
        win::GetProcessMitigationPolicy(
            process.as_raw_handle(),
            policy.number(),
            (&raw mut flags).cast(),
            size_of::<u32>(),
        )
    };
    done("GetProcessMitigationPolicy", answer)?;
    Ok(flags)
}

/// Libraries that are loaded by name come from `System32` only from now on
/// (`SetDefaultDllDirectories`), not from the program's or the current directory.
///
/// # Errors
/// What the function says.
pub fn load_from_system_only() -> Result<(), SysError> {
    // SAFETY: an integer only.
    let answer = unsafe { SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32) };
    done("SetDefaultDllDirectories", answer)
}
