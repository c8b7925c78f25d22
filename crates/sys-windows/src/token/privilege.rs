//! Privileges of a token.

use std::ffi::{OsStr, OsString};
use std::mem::offset_of;

use windows_sys::Win32::Foundation::{ERROR_NOT_ALL_ASSIGNED, LUID, SetLastError};
use windows_sys::Win32::Security as win;

use crate::error::{SysError, done};
use crate::memory::{u32_at, u64_at};
use crate::token::Token;
use crate::wide;

/// A number that is unique until the machine is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Luid(pub u64);

/// A privilege in a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privilege {
    /// Which.
    pub luid: Luid,
    /// `SE_PRIVILEGE_*`.
    pub attributes: u32,
}

/// What becomes of a privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It can be used.
    Enabled,
    /// It cannot, until it is enabled.
    Disabled,
    /// It is gone.
    Removed,
}

impl Luid {
    /// The number of a privilege (`LookupPrivilegeValueW`).
    ///
    /// # Errors
    /// `ERROR_NO_SUCH_PRIVILEGE`.
    pub fn of_privilege(name: &str) -> Result<Luid, SysError> {
        const CALL: &str = "LookupPrivilegeValueW";
        let name = wide::terminated(CALL, OsStr::new(name))?;
        let mut luid = LUID::default();
        // SAFETY: a NUL-terminated name and a live place.
        let answer =
            unsafe { win::LookupPrivilegeValueW(std::ptr::null(), name.as_ptr(), &raw mut luid) };
        done(CALL, answer)?;
        Ok(Luid::from(luid))
    }

    /// The name of a privilege (`LookupPrivilegeNameW`).
    ///
    /// # Errors
    /// `ERROR_NO_SUCH_PRIVILEGE`.
    pub fn privilege_name(self) -> Result<OsString, SysError> {
        let luid = LUID::from(self);
        let mut name = [0_u16; 128];
        let mut len = 128;
        // SAFETY: a live number, and a buffer of the length given.
        let answer = unsafe {
            win::LookupPrivilegeNameW(
                std::ptr::null(),
                &raw const luid,
                name.as_mut_ptr(),
                &raw mut len,
            )
        };
        done("LookupPrivilegeNameW", answer)?;
        Ok(wide::text(&name))
    }
}

impl From<LUID> for Luid {
    fn from(luid: LUID) -> Luid {
        let high = u64::from(luid.HighPart.cast_unsigned());
        Luid(high << 32 | u64::from(luid.LowPart))
    }
}

impl From<Luid> for LUID {
    fn from(luid: Luid) -> LUID {
        let [low, high] = [luid.0 & 0xffff_ffff, luid.0 >> 32];
        let part = |half: u64| u32::try_from(half).unwrap_or_default();
        LUID {
            LowPart: part(low),
            HighPart: part(high).cast_signed(),
        }
    }
}

impl Token {
    /// Enables, disables or removes a privilege (`AdjustTokenPrivileges`).
    ///
    /// # Errors
    /// `ERROR_NOT_ALL_ASSIGNED`: the token has not that privilege. The handle has no
    /// `ADJUST_PRIVILEGES`.
    pub fn set_privilege(&self, privilege: Luid, change: Change) -> Result<(), SysError> {
        const CALL: &str = "AdjustTokenPrivileges";
        let state = win::TOKEN_PRIVILEGES {
            PrivilegeCount: 1,
            Privileges: [win::LUID_AND_ATTRIBUTES {
                Luid: privilege.into(),
                Attributes: match change {
                    Change::Enabled => win::SE_PRIVILEGE_ENABLED,
                    Change::Disabled => 0,
                    Change::Removed => win::SE_PRIVILEGE_REMOVED,
                },
            }],
        };
        // SAFETY: sets a number of this thread: a success too is told by it.
        unsafe { SetLastError(0) };
        // SAFETY: a live handle and one privilege, as the count says; the state before is not
        // asked for.
        let answer = unsafe {
            win::AdjustTokenPrivileges(
                self.raw(),
                0,
                &raw const state,
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        };
        done(CALL, answer)?;
        let said = SysError::last(CALL);
        if said.is(ERROR_NOT_ALL_ASSIGNED) {
            return Err(said);
        }
        Ok(())
    }
}

/// What `TokenPrivileges` answers.
pub(super) fn listed(bytes: &[u8]) -> Option<Vec<Privilege>> {
    let count = u32_at(bytes, 0)? as usize;
    let first = offset_of!(win::TOKEN_PRIVILEGES, Privileges);
    (0..count)
        .map(|n| {
            let at = first + n * size_of::<win::LUID_AND_ATTRIBUTES>();
            Some(Privilege {
                luid: Luid(u64_at(bytes, at)?),
                attributes: u32_at(bytes, at + 8)?,
            })
        })
        .collect()
}
