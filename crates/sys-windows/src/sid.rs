//! Security identifiers, and the names of the accounts they stand for.

use std::ffi::{OsStr, OsString};
use std::fmt;

use windows_sys::Win32::Foundation::{ERROR_NONE_MAPPED, LocalFree};
use windows_sys::Win32::Security::Authorization::{ConvertSidToStringSidW, ConvertStringSidToSidW};
use windows_sys::Win32::Security::{
    CreateWellKnownSid, GetLengthSid, LookupAccountNameW, LookupAccountSidW, PSID,
    SECURITY_MAX_SID_SIZE, WELL_KNOWN_SID_TYPE,
};

use crate::error::{Refusal, SysError, done};
use crate::memory::{self, Buffer, Local};
use crate::wide;

/// A security identifier: revision, authority and up to 15 sub-authorities.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sid(Buffer);

impl Sid {
    /// The identifier these bytes are.
    ///
    /// # Errors
    /// [`Refusal::Malformed`]: another revision, or not exactly one identifier.
    pub fn from_bytes(bytes: &[u8]) -> Result<Sid, SysError> {
        if len(bytes) == Some(bytes.len()) {
            Ok(Sid(Buffer::of(bytes)))
        } else {
            Err(SysError::refused("Sid", Refusal::Malformed))
        }
    }

    /// The identifier these bytes begin with.
    pub(crate) fn from_start(call: &'static str, bytes: &[u8]) -> Result<Sid, SysError> {
        let start = len(bytes).and_then(|len| bytes.get(..len));
        let start = start.ok_or(SysError::refused(call, Refusal::Malformed))?;
        Ok(Sid(Buffer::of(start)))
    }

    /// Its bytes, as they stand in a descriptor.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// One that Windows knows by a number (`CreateWellKnownSid`). Those of a domain cannot be
    /// made so.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER`: this Windows does not know it, or it needs a domain.
    pub fn well_known(which: WellKnown) -> Result<Sid, SysError> {
        const CALL: &str = "CreateWellKnownSid";
        let mut buffer = Buffer::zeroed(SECURITY_MAX_SID_SIZE as usize);
        let mut size = buffer.size();
        // SAFETY: the buffer has as many bytes as it says; no domain is read.
        let answer = unsafe {
            CreateWellKnownSid(
                which.number(),
                std::ptr::null_mut(),
                buffer.as_mut_ptr(),
                &raw mut size,
            )
        };
        done(CALL, answer)?;
        Sid::from_start(CALL, buffer.bytes())
    }

    /// The identifier written as `S-1-…` or as one of SDDL's two letters
    /// (`ConvertStringSidToSidW`).
    ///
    /// # Errors
    /// `ERROR_INVALID_SID`: it is neither.
    pub fn parse(text: &str) -> Result<Sid, SysError> {
        const CALL: &str = "ConvertStringSidToSidW";
        let text = wide::terminated(CALL, OsStr::new(text))?;
        let mut sid: PSID = std::ptr::null_mut();
        // SAFETY: a NUL-terminated string and a place for the result.
        let answer = unsafe { ConvertStringSidToSidW(text.as_ptr(), &raw mut sid) };
        done(CALL, answer)?;
        let sid = Local(sid);
        // SAFETY: the function succeeded, so a valid identifier is there.
        unsafe { Sid::at(CALL, sid.0) }
    }

    /// A copy of the identifier that is there.
    ///
    /// # Safety
    /// A valid one is, and stays during the call.
    pub(crate) unsafe fn at(call: &'static str, sid: PSID) -> Result<Sid, SysError> {
        // SAFETY: the caller's word.
        let len = unsafe { GetLengthSid(sid) };
        // SAFETY: that is its length.
        let bytes = unsafe { std::slice::from_raw_parts(sid.cast::<u8>(), len as usize) };
        Sid::from_start(call, bytes)
    }

    /// The account an identifier is of (`LookupAccountSidW`), as this machine knows it; it may
    /// ask a domain controller. `None` when nobody has it, as of one that was made up.
    ///
    /// # Errors
    /// What the function says, such as that a domain controller does not answer.
    pub fn account(&self) -> Result<Option<Account>, SysError> {
        const CALL: &str = "LookupAccountSidW";
        let mut name = vec![0_u16; 257];
        let mut domain = vec![0_u16; 257];
        let (mut name_len, mut domain_len) = (257, 257);
        let mut kind = 0;
        // SAFETY: a valid identifier, and two buffers of the lengths given.
        let answer = unsafe {
            LookupAccountSidW(
                std::ptr::null(),
                self.as_ptr(),
                name.as_mut_ptr(),
                &raw mut name_len,
                domain.as_mut_ptr(),
                &raw mut domain_len,
                &raw mut kind,
            )
        };
        match done(CALL, answer) {
            Ok(()) => Ok(Some(Account {
                name: wide::text(&name),
                domain: wide::text(&domain),
                kind,
            })),
            Err(error) if error.is(ERROR_NONE_MAPPED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The identifier of an account (`LookupAccountNameW`), with the domain it was found in.
    /// `None` when there is none of that name.
    ///
    /// # Errors
    /// What the function says, such as that a domain controller does not answer.
    pub fn of_account(name: &OsStr) -> Result<Option<(Sid, OsString)>, SysError> {
        const CALL: &str = "LookupAccountNameW";
        let name = wide::terminated(CALL, name)?;
        let mut domain = vec![0_u16; 257];
        let asked = memory::filled(
            CALL,
            SECURITY_MAX_SID_SIZE as usize,
            |buffer, size, needed| {
                *needed = size;
                let mut domain_len = 257;
                let mut kind = 0;
                // SAFETY: a NUL-terminated name, and two buffers of the lengths given.
                let answer = unsafe {
                    LookupAccountNameW(
                        std::ptr::null(),
                        name.as_ptr(),
                        buffer,
                        needed,
                        domain.as_mut_ptr(),
                        &raw mut domain_len,
                        &raw mut kind,
                    )
                };
                done(CALL, answer)
            },
        );
        match asked {
            Ok(buffer) => {
                let sid = Sid::from_start(CALL, buffer.bytes())?;
                Ok(Some((sid, wide::text(&domain))))
            }
            Err(error) if error.is(ERROR_NONE_MAPPED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// For functions that read it.
    pub(crate) fn as_ptr(&self) -> PSID {
        self.0.as_ptr()
    }
}

/// As `S-1-…` (`ConvertSidToStringSidW`).
impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = std::ptr::null_mut();
        // SAFETY: a valid identifier and a place for the result.
        if unsafe { ConvertSidToStringSidW(self.as_ptr(), &raw mut text) } == 0 {
            return Err(fmt::Error);
        }
        // SAFETY: the function succeeded, so a NUL-terminated string is there.
        let shown = unsafe { wide::at(text) };
        // SAFETY: allocated by the function, freed once.
        unsafe { LocalFree(text.cast()) };
        f.write_str(&shown.to_string_lossy())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({self})")
    }
}

/// An account by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, in the language of this Windows.
    pub name: OsString,
    /// The domain or machine it is of.
    pub domain: OsString,
    /// `SID_NAME_USE`: 1 user, 2 group, 4 alias, 5 well-known group.
    pub kind: i32,
}

/// Identifiers that are the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WellKnown {
    /// Everyone, S-1-1-0.
    Everyone,
    /// CREATOR OWNER, S-1-3-0.
    CreatorOwner,
    /// OWNER RIGHTS, S-1-3-4: limits what an owner may by being one.
    OwnerRights,
    /// Authenticated Users, S-1-5-11.
    AuthenticatedUsers,
    /// INTERACTIVE, S-1-5-4.
    Interactive,
    /// RESTRICTED, S-1-5-12.
    Restricted,
    /// SYSTEM, S-1-5-18.
    LocalSystem,
    /// BUILTIN\Administrators, S-1-5-32-544.
    Administrators,
    /// BUILTIN\Users, S-1-5-32-545.
    Users,
    /// Low integrity, S-1-16-4096.
    LowLabel,
    /// Medium integrity, S-1-16-8192.
    MediumLabel,
    /// High integrity, S-1-16-12288.
    HighLabel,
}

impl WellKnown {
    fn number(self) -> WELL_KNOWN_SID_TYPE {
        use windows_sys::Win32::Security as w;
        match self {
            WellKnown::Everyone => w::WinWorldSid,
            WellKnown::CreatorOwner => w::WinCreatorOwnerSid,
            WellKnown::OwnerRights => w::WinCreatorOwnerRightsSid,
            WellKnown::AuthenticatedUsers => w::WinAuthenticatedUserSid,
            WellKnown::Interactive => w::WinInteractiveSid,
            WellKnown::Restricted => w::WinRestrictedCodeSid,
            WellKnown::LocalSystem => w::WinLocalSystemSid,
            WellKnown::Administrators => w::WinBuiltinAdministratorsSid,
            WellKnown::Users => w::WinBuiltinUsersSid,
            WellKnown::LowLabel => w::WinLowLabelSid,
            WellKnown::MediumLabel => w::WinMediumLabelSid,
            WellKnown::HighLabel => w::WinHighLabelSid,
        }
    }
}

/// How long the identifier is that begins here.
pub(crate) fn len(bytes: &[u8]) -> Option<usize> {
    let (revision, count) = (*bytes.first()?, *bytes.get(1)?);
    let len = 8 + 4 * usize::from(count);
    (revision == 1 && count <= 15 && bytes.len() >= len).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_identifier_are_refused() {
        let everyone = [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert!(Sid::from_bytes(&everyone).is_ok());
        assert!(Sid::from_bytes(&everyone[..11]).is_err());
        assert!(Sid::from_bytes(&[&everyone[..], &[0]].concat()).is_err());
        let mut other = everyone;
        other[0] = 2;
        assert!(Sid::from_bytes(&other).is_err());
        other = everyone;
        other[1] = 16;
        assert!(Sid::from_bytes(&other).is_err());
        assert!(Sid::from_bytes(&[]).is_err());
    }
}
