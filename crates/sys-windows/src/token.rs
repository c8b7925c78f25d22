//! Access tokens: who a process is, and a lesser token made from its own.

use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_NO_TOKEN, HANDLE};
use windows_sys::Win32::Security as win;
use windows_sys::Win32::System::SystemServices::SE_GROUP_LOGON_ID;
use windows_sys::Win32::System::Threading::{
    GetCurrentThread, OpenProcessToken, OpenThreadToken, SetThreadToken,
};
use windows_sys::core::BOOL;

use crate::descriptor::{Acl, SecurityDescriptor};
use crate::error::{Refusal, SysError, done};
use crate::handle::owned;
use crate::memory::{self, Buffer, address_at, u32_at, u64_at};
use crate::process;
use crate::sid::Sid;

mod privilege;
mod restricted;

pub use privilege::{Change, Luid, Privilege};
pub use restricted::Restriction;

/// What may be done through a token's handle.
pub mod access {
    pub use windows_sys::Win32::Security::{
        TOKEN_ADJUST_DEFAULT as ADJUST_DEFAULT, TOKEN_ADJUST_PRIVILEGES as ADJUST_PRIVILEGES,
        TOKEN_ADJUST_SESSIONID as ADJUST_SESSION, TOKEN_ALL_ACCESS as ALL,
        TOKEN_ASSIGN_PRIMARY as ASSIGN_PRIMARY, TOKEN_DUPLICATE as DUPLICATE,
        TOKEN_IMPERSONATE as IMPERSONATE, TOKEN_QUERY as QUERY,
    };
}

/// A token.
#[derive(Debug)]
pub struct Token(OwnedHandle);

/// A group in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which.
    pub sid: Sid,
    /// `SE_GROUP_*`: enabled, for denying only, and so on.
    pub attributes: u32,
}

/// What a server may do with a client's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// See who it is, and ask what it would be granted.
    Identification,
    /// Act as it on this machine.
    Impersonation,
}

/// Numbers of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// This token's own number.
    pub token: Luid,
    /// The logon it comes from.
    pub logon: Luid,
    /// It is a process's token, not one to act as somebody with.
    pub primary: bool,
    /// `SecurityAnonymous` 0 to `SecurityDelegation` 3, where it is not primary.
    pub level: u32,
    /// How many groups.
    pub groups: u32,
    /// How many privileges.
    pub privileges: u32,
    /// Changes with each change of the token.
    pub modified: Luid,
}

/// Whether an administrator's token is the full one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elevation {
    /// There is only one: not an administrator, or one without User Account Control.
    Default,
    /// The full one of two.
    Full,
    /// The lesser one of two.
    Limited,
    /// Another answer of Windows.
    Unknown(u32),
}

/// What an access check said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// These rights.
    Yes(u32),
    /// Not all that was asked.
    No,
}

/// The rights that the generic ones stand for, of one kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// `GENERIC_READ`.
    pub read: u32,
    /// `GENERIC_WRITE`.
    pub write: u32,
    /// `GENERIC_EXECUTE`.
    pub execute: u32,
    /// `GENERIC_ALL`.
    pub all: u32,
}

impl Mapping {
    /// Of files and directories.
    pub const FILE: Mapping = Mapping {
        read: 0x0012_0089,
        write: 0x0012_0116,
        execute: 0x0012_00a0,
        all: 0x001f_01ff,
    };
}

impl Token {
    /// The token of a process (`OpenProcessToken`).
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: the process's handle has no `PROCESS_QUERY_LIMITED_INFORMATION`,
    /// or the token does not grant `access`.
    pub fn of_process(process: BorrowedHandle<'_>, access: u32) -> Result<Token, SysError> {
        const CALL: &str = "OpenProcessToken";
        let mut token: HANDLE = std::ptr::null_mut();
        // SAFETY: a live handle and a live place.
        let answer = unsafe { OpenProcessToken(process.as_raw_handle(), access, &raw mut token) };
        done(CALL, answer)?;
        // SAFETY: just made.
        unsafe { owned(CALL, token) }.map(Token)
    }

    /// This process's token.
    ///
    /// # Errors
    /// As of [`Token::of_process`].
    pub fn own(access: u32) -> Result<Token, SysError> {
        Token::of_process(process::current(), access)
    }

    /// The token this thread acts with, if it acts as somebody (`OpenThreadToken`).
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`: the token does not grant `access`.
    pub fn of_thread(access: u32) -> Result<Option<Token>, SysError> {
        const CALL: &str = "OpenThreadToken";
        let mut token: HANDLE = std::ptr::null_mut();
        // SAFETY: takes nothing.
        let thread = unsafe { GetCurrentThread() };
        // SAFETY: this thread and a live place. As the process, not as whom it acts.
        let answer = unsafe { OpenThreadToken(thread, access, 1, &raw mut token) };
        match done(CALL, answer) {
            // SAFETY: just made.
            Ok(()) => unsafe { owned(CALL, token) }.map(|token| Some(Token(token))),
            Err(error) if error.is(ERROR_NO_TOKEN) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The token that a handle is of.
    #[must_use]
    pub fn from_handle(handle: OwnedHandle) -> Token {
        Token(handle)
    }

    /// Its user.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn user(&self) -> Result<Sid, SysError> {
        self.identifier(win::TokenUser)
    }

    /// Who owns what is made with it.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn owner(&self) -> Result<Sid, SysError> {
        self.identifier(win::TokenOwner)
    }

    /// The primary group of what is made with it.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn primary_group(&self) -> Result<Sid, SysError> {
        self.identifier(win::TokenPrimaryGroup)
    }

    /// Its integrity level, as an identifier.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn integrity(&self) -> Result<Sid, SysError> {
        self.identifier(win::TokenIntegrityLevel)
    }

    /// Its groups.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn groups(&self) -> Result<Vec<Group>, SysError> {
        self.list(win::TokenGroups)
    }

    /// The identifiers of its second access check; none where it has none.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn restricting(&self) -> Result<Vec<Group>, SysError> {
        self.list(win::TokenRestrictedSids)
    }

    /// The identifier of its logon: one that all of a logon's processes share.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn logon_sid(&self) -> Result<Option<Sid>, SysError> {
        let is_logon = |group: &Group| group.attributes & SE_GROUP_LOGON_ID.cast_unsigned() != 0;
        let mut groups = self.groups()?.into_iter();
        Ok(groups.find(is_logon).map(|group| group.sid))
    }

    /// Its privileges.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn privileges(&self) -> Result<Vec<Privilege>, SysError> {
        let buffer = self.information(win::TokenPrivileges)?;
        privilege::listed(buffer.bytes())
            .ok_or(SysError::refused("GetTokenInformation", Refusal::Malformed))
    }

    /// It is elevated: it has an administrator's rights.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn is_elevated(&self) -> Result<bool, SysError> {
        Ok(self.number(win::TokenElevation)? != 0)
    }

    /// Which of an administrator's tokens it is.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn elevation(&self) -> Result<Elevation, SysError> {
        Ok(match self.number(win::TokenElevationType)?.cast_signed() {
            win::TokenElevationTypeDefault => Elevation::Default,
            win::TokenElevationTypeFull => Elevation::Full,
            win::TokenElevationTypeLimited => Elevation::Limited,
            other => Elevation::Unknown(other.cast_unsigned()),
        })
    }

    /// The terminal session it is of.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn session(&self) -> Result<u32, SysError> {
        self.number(win::TokenSessionId)
    }

    /// It was filtered: groups for denying only, privileges taken, or restricting identifiers
    /// (`TokenHasRestrictions`).
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn has_restrictions(&self) -> Result<bool, SysError> {
        Ok(self.number(win::TokenHasRestrictions)? != 0)
    }

    /// It has restricting identifiers (`IsTokenRestricted`). Which they are says
    /// [`Token::restricting`].
    ///
    /// # Errors
    /// What the function says.
    pub fn is_restricted(&self) -> Result<bool, SysError> {
        use windows_sys::Win32::Foundation::SetLastError;
        // SAFETY: sets a number of this thread, so that "no" can be told from a failure.
        unsafe { SetLastError(0) };
        // SAFETY: a live handle.
        if unsafe { win::IsTokenRestricted(self.raw()) } != 0 {
            return Ok(true);
        }
        let error = SysError::last("IsTokenRestricted");
        if error.is(0) { Ok(false) } else { Err(error) }
    }

    /// Its numbers.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn statistics(&self) -> Result<Statistics, SysError> {
        use std::mem::offset_of;
        let buffer = self.information(win::TokenStatistics)?;
        let bytes = buffer.bytes();
        let number = |at| u32_at(bytes, at);
        let luid = |at| u64_at(bytes, at).map(Luid);
        let read = || {
            Some(Statistics {
                token: luid(offset_of!(win::TOKEN_STATISTICS, TokenId))?,
                logon: luid(offset_of!(win::TOKEN_STATISTICS, AuthenticationId))?,
                primary: number(offset_of!(win::TOKEN_STATISTICS, TokenType))?
                    == win::TokenPrimary.cast_unsigned(),
                level: number(offset_of!(win::TOKEN_STATISTICS, ImpersonationLevel))?,
                groups: number(offset_of!(win::TOKEN_STATISTICS, GroupCount))?,
                privileges: number(offset_of!(win::TOKEN_STATISTICS, PrivilegeCount))?,
                modified: luid(offset_of!(win::TOKEN_STATISTICS, ModifiedId))?,
            })
        };
        read().ok_or(SysError::refused("GetTokenInformation", Refusal::Malformed))
    }

    /// The list that objects get which are made with it and without one of their own; `None`
    /// lets everybody.
    ///
    /// # Errors
    /// The handle has no `QUERY`.
    pub fn default_dacl(&self) -> Result<Option<Acl>, SysError> {
        const CALL: &str = "GetTokenInformation";
        let buffer = self.information(win::TokenDefaultDacl)?;
        match address_at(buffer.bytes(), 0) {
            Some(0) => Ok(None),
            Some(list) => {
                let bytes = buffer.at_address(list).unwrap_or_default();
                Acl::from_start(CALL, bytes).map(Some)
            }
            None => Err(SysError::refused(CALL, Refusal::Malformed)),
        }
    }

    /// Sets that list (`SetTokenInformation`).
    ///
    /// # Errors
    /// The handle has no `ADJUST_DEFAULT`. `ERROR_ALLOTTED_SPACE_EXCEEDED`: the list is longer
    /// than the room that was kept for it when the token was made.
    pub fn set_default_dacl(&self, list: &Acl) -> Result<(), SysError> {
        let value = win::TOKEN_DEFAULT_DACL {
            DefaultDacl: list.as_ptr().cast_mut(),
        };
        // SAFETY: a live handle, and the structure this class takes, with a whole list.
        let answer = unsafe {
            win::SetTokenInformation(
                self.raw(),
                win::TokenDefaultDacl,
                (&raw const value).cast(),
                u32::try_from(size_of_val(&value)).unwrap_or_default(),
            )
        };
        done("SetTokenInformation", answer)
    }

    /// A copy to start a process with (`DuplicateTokenEx`).
    ///
    /// # Errors
    /// The handle has no `DUPLICATE`; or it is one that only identifies.
    pub fn duplicate_primary(&self, access: u32) -> Result<Token, SysError> {
        self.duplicated(access, win::SecurityAnonymous, win::TokenPrimary)
    }

    /// A copy to act with (`DuplicateTokenEx`).
    ///
    /// # Errors
    /// The handle has no `DUPLICATE`; or a higher level is asked than it has.
    pub fn duplicate(&self, level: Level, access: u32) -> Result<Token, SysError> {
        let level = match level {
            Level::Identification => win::SecurityIdentification,
            Level::Impersonation => win::SecurityImpersonation,
        };
        self.duplicated(access, level, win::TokenImpersonation)
    }

    fn duplicated(
        &self,
        access: u32,
        level: win::SECURITY_IMPERSONATION_LEVEL,
        kind: win::TOKEN_TYPE,
    ) -> Result<Token, SysError> {
        const CALL: &str = "DuplicateTokenEx";
        let mut token: HANDLE = std::ptr::null_mut();
        // SAFETY: a live handle, default attributes and a live place.
        let answer = unsafe {
            win::DuplicateTokenEx(
                self.raw(),
                access,
                std::ptr::null(),
                level,
                kind,
                &raw mut token,
            )
        };
        done(CALL, answer)?;
        // SAFETY: just made.
        unsafe { owned(CALL, token) }.map(Token)
    }

    /// Runs `act` with this thread acting as this token (`SetThreadToken`), which is to be one
    /// that [`Token::duplicate`] makes, and puts back what was before. Where that cannot be put
    /// back the process is aborted: nothing may run on as another.
    ///
    /// # Errors
    /// The handle has no `IMPERSONATE`, or the token is a primary one.
    pub fn acting<T>(&self, act: impl FnOnce() -> T) -> Result<T, SysError> {
        struct PutBack(Option<Token>);
        impl Drop for PutBack {
            fn drop(&mut self) {
                if set_thread_token(self.0.as_ref()).is_err() {
                    std::process::abort();
                }
            }
        }
        let before = Token::of_thread(access::IMPERSONATE)?;
        set_thread_token(Some(self))?;
        let _put_back = PutBack(before);
        Ok(act())
    }

    /// The token, one to act with, has this identifier enabled (`CheckTokenMembership`).
    ///
    /// # Errors
    /// `ERROR_NO_IMPERSONATION_TOKEN`: it is a primary token.
    pub fn is_member(&self, sid: &Sid) -> Result<bool, SysError> {
        let mut member: BOOL = 0;
        // SAFETY: a live handle, a valid identifier, a live place.
        let answer =
            unsafe { win::CheckTokenMembership(self.raw(), sid.as_ptr(), &raw mut member) };
        done("CheckTokenMembership", answer)?;
        Ok(member != 0)
    }

    /// What an object with this descriptor grants the token, which is to be one to act with
    /// (`AccessCheck`). `desired` may be `MAXIMUM_ALLOWED`; no generic rights: map them first.
    ///
    /// # Errors
    /// `ERROR_NO_IMPERSONATION_TOKEN`: it is a primary token. `ERROR_INVALID_SECURITY_DESCR`:
    /// the descriptor has no owner or no group. `ERROR_GENERIC_NOT_MAPPED`.
    pub fn check(
        &self,
        descriptor: &SecurityDescriptor,
        mapping: Mapping,
        desired: u32,
    ) -> Result<Granted, SysError> {
        const CALL: &str = "AccessCheck";
        let mapping = win::GENERIC_MAPPING {
            GenericRead: mapping.read,
            GenericWrite: mapping.write,
            GenericExecute: mapping.execute,
            GenericAll: mapping.all,
        };
        let (mut granted, mut status): (u32, BOOL) = (0, 0);
        let used = size_of::<win::PRIVILEGE_SET>();
        memory::filled(CALL, used, |place, size, needed| {
            *needed = size;
            // SAFETY: a whole descriptor, a live handle, live places, and a buffer of the size
            // given for the privileges that were used.
            let answer = unsafe {
                win::AccessCheck(
                    descriptor.as_ptr(),
                    self.raw(),
                    desired,
                    &raw const mapping,
                    place.cast(),
                    needed,
                    &raw mut granted,
                    &raw mut status,
                )
            };
            done(CALL, answer)
        })?;
        Ok(if status == 0 {
            Granted::No
        } else {
            Granted::Yes(granted)
        })
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// One kind of information, as long as it is.
    fn information(&self, class: win::TOKEN_INFORMATION_CLASS) -> Result<Buffer, SysError> {
        const CALL: &str = "GetTokenInformation";
        let mut filled = 0;
        let mut buffer = memory::filled(CALL, 256, |place, size, needed| {
            // SAFETY: a live handle and a buffer of the size given.
            let answer =
                unsafe { win::GetTokenInformation(self.raw(), class, place, size, needed) };
            filled = *needed;
            done(CALL, answer)
        })?;
        buffer.truncate(filled as usize);
        Ok(buffer)
    }

    fn number(&self, class: win::TOKEN_INFORMATION_CLASS) -> Result<u32, SysError> {
        let bytes = self.information(class)?;
        // TokenHasRestrictions is documented as a DWORD and answered as one byte.
        let byte = bytes.bytes().first().copied().map(u32::from);
        u32_at(bytes.bytes(), 0)
            .or(byte)
            .ok_or(SysError::refused("GetTokenInformation", Refusal::Malformed))
    }

    /// The identifier that a structure begins with a pointer to.
    fn identifier(&self, class: win::TOKEN_INFORMATION_CLASS) -> Result<Sid, SysError> {
        let buffer = self.information(class)?;
        let sid = address_at(buffer.bytes(), 0).and_then(|sid| buffer.at_address(sid));
        Sid::from_start("GetTokenInformation", sid.unwrap_or_default())
    }

    fn list(&self, class: win::TOKEN_INFORMATION_CLASS) -> Result<Vec<Group>, SysError> {
        use std::mem::offset_of;
        const CALL: &str = "GetTokenInformation";
        let buffer = self.information(class)?;
        let bytes = buffer.bytes();
        let count = u32_at(bytes, 0).unwrap_or_default() as usize;
        let first = offset_of!(win::TOKEN_GROUPS, Groups);
        let mut groups = Vec::new();
        for at in (first..bytes.len())
            .step_by(size_of::<win::SID_AND_ATTRIBUTES>())
            .take(count)
        {
            let sid = address_at(bytes, at).and_then(|sid| buffer.at_address(sid));
            let attributes = u32_at(bytes, at + offset_of!(win::SID_AND_ATTRIBUTES, Attributes));
            groups.push(Group {
                sid: Sid::from_start(CALL, sid.unwrap_or_default())?,
                attributes: attributes.ok_or(SysError::refused(CALL, Refusal::Malformed))?,
            });
        }
        Ok(groups)
    }
}

impl AsHandle for Token {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl From<Token> for OwnedHandle {
    fn from(token: Token) -> OwnedHandle {
        token.0
    }
}

fn set_thread_token(token: Option<&Token>) -> Result<(), SysError> {
    let handle = token.map_or(std::ptr::null_mut(), Token::raw);
    // SAFETY: no thread named is this one; a live token, or none.
    let answer = unsafe { SetThreadToken(std::ptr::null(), handle) };
    done("SetThreadToken", answer)
}
