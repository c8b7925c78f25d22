//! Rights of accounts on this machine: how they may log on, and their privileges.

use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::{OsStrExt, OsStringExt};

use windows_sys::Win32::Foundation::STATUS_OBJECT_NAME_NOT_FOUND;
use windows_sys::Win32::Security::Authentication::Identity as win;

use crate::error::{Code, Refusal, SysError, nt_success};
use crate::sid::Sid;

/// Those that say how an account may not log on, and the one that lets it at the screen.
pub mod names {
    /// Over the network.
    pub const DENY_NETWORK: &str = "SeDenyNetworkLogonRight";
    /// As a task.
    pub const DENY_BATCH: &str = "SeDenyBatchLogonRight";
    /// As a service.
    pub const DENY_SERVICE: &str = "SeDenyServiceLogonRight";
    /// Over Remote Desktop.
    pub const DENY_REMOTE: &str = "SeDenyRemoteInteractiveLogonRight";
    /// At the screen, which a logon for a program counts as too.
    pub const INTERACTIVE: &str = "SeInteractiveLogonRight";
}

/// The machine's policy.
#[derive(Debug)]
pub struct Policy(win::LSA_HANDLE);

impl Policy {
    /// Opens it to read and change rights (`LsaOpenPolicy`).
    ///
    /// # Errors
    /// `STATUS_ACCESS_DENIED`: not an administrator.
    pub fn open() -> Result<Policy, SysError> {
        let access = win::POLICY_LOOKUP_NAMES | win::POLICY_CREATE_ACCOUNT;
        let attributes = win::LSA_OBJECT_ATTRIBUTES::default();
        let mut policy = 0;
        // SAFETY: no other machine named, attributes that are all zero as they must be, and a
        // live place.
        let answer = unsafe {
            win::LsaOpenPolicy(
                std::ptr::null(),
                &raw const attributes,
                access.cast_unsigned(),
                &raw mut policy,
            )
        };
        nt_success("LsaOpenPolicy", answer)?;
        Ok(Policy(policy))
    }

    /// Gives an account rights (`LsaAddAccountRights`); those it has it keeps.
    ///
    /// Its success is not proof: ask [`Policy::of`].
    ///
    /// # Errors
    /// `STATUS_NO_SUCH_PRIVILEGE`: a name that is none. `STATUS_ACCESS_DENIED`.
    pub fn add(&self, account: &Sid, rights: &[&str]) -> Result<(), SysError> {
        const CALL: &str = "LsaAddAccountRights";
        let names = Names::of(CALL, rights)?;
        let list = names.list();
        // SAFETY: a live policy, a valid identifier, and as many names as the count says.
        let answer = unsafe {
            win::LsaAddAccountRights(self.0, account.as_ptr(), list.as_ptr(), names.count())
        };
        nt_success(CALL, answer)
    }

    /// Takes rights from an account (`LsaRemoveAccountRights`), and says whether it had any. With
    /// none named, nothing is taken.
    ///
    /// # Errors
    /// As of [`Policy::add`].
    pub fn remove(&self, account: &Sid, rights: &[&str]) -> Result<bool, SysError> {
        const CALL: &str = "LsaRemoveAccountRights";
        if rights.is_empty() {
            return Ok(false);
        }
        let names = Names::of(CALL, rights)?;
        let list = names.list();
        // SAFETY: a live policy, a valid identifier, and as many names as the count says.
        let answer = unsafe {
            win::LsaRemoveAccountRights(
                self.0,
                account.as_ptr(),
                false,
                list.as_ptr(),
                names.count(),
            )
        };
        found(nt_success(CALL, answer))
    }

    /// The rights that an account was given (`LsaEnumerateAccountRights`), not those of its
    /// groups.
    ///
    /// # Errors
    /// `STATUS_ACCESS_DENIED`.
    pub fn of(&self, account: &Sid) -> Result<Vec<OsString>, SysError> {
        const CALL: &str = "LsaEnumerateAccountRights";
        let mut list: *mut win::LSA_UNICODE_STRING = std::ptr::null_mut();
        let mut count = 0;
        // SAFETY: a live policy, a valid identifier, and live places.
        let answer = unsafe {
            win::LsaEnumerateAccountRights(self.0, account.as_ptr(), &raw mut list, &raw mut count)
        };
        let answer = Memory(found(nt_success(CALL, answer))?.then_some(list));
        let Some(list) = answer.0 else {
            return Ok(Vec::new());
        };
        let mut rights = Vec::new();
        for n in 0..count as usize {
            // SAFETY: the function says that as many strings are there.
            let name = unsafe { list.wrapping_add(n).read_unaligned() };
            if name.Buffer.is_null() {
                return Err(SysError::refused(CALL, Refusal::Malformed));
            }
            let len = usize::from(name.Length) / 2;
            // SAFETY: each with as many units in the same memory.
            let units = unsafe { std::slice::from_raw_parts(name.Buffer, len) };
            rights.push(OsString::from_wide(units));
        }
        Ok(rights)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, and closed only here.
        unsafe { win::LsaClose(self.0) };
    }
}

/// An account that was given no right is not known to the policy.
fn found(said: Result<(), SysError>) -> Result<bool, SysError> {
    match said {
        Ok(()) => Ok(true),
        Err(error) if error.code == Code::Nt(STATUS_OBJECT_NAME_NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Memory that these functions allocate.
struct Memory(Option<*mut win::LSA_UNICODE_STRING>);

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(list) = self.0 {
            // SAFETY: allocated by a function of this family, and freed only here.
            unsafe { win::LsaFreeMemory(list.cast_const().cast()) };
        }
    }
}

struct Names(Vec<Vec<u16>>);

impl Names {
    fn of(call: &'static str, names: &[&str]) -> Result<Names, SysError> {
        let units = |name: &&str| -> Vec<u16> { OsStr::new(name).encode_wide().collect() };
        let names: Vec<Vec<u16>> = names.iter().map(units).collect();
        if names.iter().any(|name| name.len() > 255) || names.len() > 255 {
            return Err(SysError::refused(call, Refusal::TooLong));
        }
        Ok(Names(names))
    }

    fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or_default()
    }

    /// They point to these names.
    fn list(&self) -> Vec<win::LSA_UNICODE_STRING> {
        let string = |name: &Vec<u16>| {
            let bytes = u16::try_from(name.len() * 2).unwrap_or_default();
            win::LSA_UNICODE_STRING {
                Length: bytes,
                MaximumLength: bytes,
                Buffer: name.as_ptr().cast_mut(),
            }
        };
        self.0.iter().map(string).collect()
    }
}
