//! Local users and groups of this machine.

use std::ffi::{OsStr, OsString};

use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_MEMBER_IN_ALIAS, ERROR_MEMBER_NOT_IN_ALIAS, ERROR_MORE_DATA,
    ERROR_NO_SUCH_ALIAS,
};
use windows_sys::Win32::NetworkManagement::NetManagement as win;
use windows_sys::Win32::UI::Shell::DeleteProfileW;

use crate::error::{SysError, done, succeeded};
use crate::sid::Sid;
use crate::wide::{self, Secret};

/// Flags of a user's account.
pub mod flags {
    pub use windows_sys::Win32::NetworkManagement::NetManagement::{
        UF_ACCOUNTDISABLE as DISABLED, UF_DONT_EXPIRE_PASSWD as PASSWORD_STAYS,
        UF_NORMAL_ACCOUNT as NORMAL, UF_PASSWD_CANT_CHANGE as PASSWORD_IS_NOT_THE_USERS,
        UF_SCRIPT as SCRIPT,
    };
}

/// A user to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// The name, of 20 characters at most.
    pub name: &'a OsStr,
    /// The password.
    pub password: &'a OsStr,
    /// What administrators read.
    pub comment: &'a OsStr,
    /// Of [`flags`], [`flags::SCRIPT`] among them.
    pub flags: u32,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name as it is written.
    pub name: OsString,
    /// What administrators read.
    pub comment: OsString,
    /// Of [`flags`].
    pub flags: u32,
}

/// Makes a user, of no group (`NetUserAdd`).
///
/// Its success is not proof: look for the user's identifier ([`Sid::of_account`]).
///
/// # Errors
/// `NERR_UserExists` (2224); `NERR_PasswordTooShort` (2245), which is said of every breach of the
/// policy for passwords; `ERROR_ACCESS_DENIED`: not an administrator.
pub fn add_user(user: &NewUser<'_>) -> Result<(), SysError> {
    const CALL: &str = "NetUserAdd";
    let mut name = wide::terminated(CALL, user.name)?;
    let mut comment = wide::terminated(CALL, user.comment)?;
    let mut password = Secret::of(CALL, user.password)?;
    let info = win::USER_INFO_1 {
        usri1_name: name.as_mut_ptr(),
        usri1_password: password.as_mut_ptr(),
        usri1_password_age: 0,
        usri1_priv: win::USER_PRIV_USER,
        usri1_home_dir: std::ptr::null_mut(),
        usri1_comment: comment.as_mut_ptr(),
        usri1_flags: user.flags,
        usri1_script_path: std::ptr::null_mut(),
    };
    // SAFETY: the structure of level 1, with NUL-terminated strings or none.
    let answer = unsafe {
        win::NetUserAdd(
            std::ptr::null(),
            1,
            (&raw const info).cast(),
            std::ptr::null_mut(),
        )
    };
    succeeded(CALL, answer)
}

/// A user by name (`NetUserGetInfo`); `None` when there is none.
///
/// # Errors
/// What the function says.
pub fn user(name: &OsStr) -> Result<Option<User>, SysError> {
    const CALL: &str = "NetUserGetInfo";
    let name = wide::terminated(CALL, name)?;
    let mut answer = Answer::none();
    // SAFETY: a NUL-terminated name and a live place.
    let said =
        unsafe { win::NetUserGetInfo(std::ptr::null(), name.as_ptr(), 1, &raw mut answer.0) };
    if said == win::NERR_UserNotFound {
        return Ok(None);
    }
    succeeded(CALL, said)?;
    let info: *const win::USER_INFO_1 = answer.0.cast_const().cast();
    // SAFETY: the function succeeded, so the structure of level 1 is there.
    let info = unsafe { info.read_unaligned() };
    Ok(Some(User {
        // SAFETY: NUL-terminated strings in the same memory, or null.
        name: unsafe { wide::at(info.usri1_name) },
        // SAFETY: as above.
        comment: unsafe { wide::at(info.usri1_comment) },
        flags: info.usri1_flags,
    }))
}

/// Sets a user's password (`NetUserSetInfo`).
///
/// # Errors
/// `NERR_UserNotFound` (2221), and as of [`add_user`].
pub fn set_password(name: &OsStr, password: &OsStr) -> Result<(), SysError> {
    let mut password = Secret::of("NetUserSetInfo", password)?;
    let info = win::USER_INFO_1003 {
        usri1003_password: password.as_mut_ptr(),
    };
    // SAFETY: the structure of that level, with a NUL-terminated string.
    unsafe { set_info(name, 1003, (&raw const info).cast()) }
}

/// Sets a user's flags (`NetUserSetInfo`).
///
/// # Errors
/// `NERR_UserNotFound` (2221); `ERROR_ACCESS_DENIED`.
pub fn set_flags(name: &OsStr, flags: u32) -> Result<(), SysError> {
    let info = win::USER_INFO_1008 {
        usri1008_flags: flags,
    };
    // SAFETY: the structure of that level.
    unsafe { set_info(name, 1008, (&raw const info).cast()) }
}

/// # Safety
/// The structure of the level is there.
unsafe fn set_info(name: &OsStr, level: u32, info: *const u8) -> Result<(), SysError> {
    const CALL: &str = "NetUserSetInfo";
    let name = wide::terminated(CALL, name)?;
    // SAFETY: a NUL-terminated name; the caller's word for the structure.
    let answer = unsafe {
        win::NetUserSetInfo(
            std::ptr::null(),
            name.as_ptr(),
            level,
            info,
            std::ptr::null_mut(),
        )
    };
    succeeded(CALL, answer)
}

/// Deletes a user (`NetUserDel`), and says whether there was one. Its profile stays:
/// [`delete_profile`].
///
/// # Errors
/// `ERROR_ACCESS_DENIED`.
pub fn delete_user(name: &OsStr) -> Result<bool, SysError> {
    const CALL: &str = "NetUserDel";
    let name = wide::terminated(CALL, name)?;
    // SAFETY: a NUL-terminated name.
    let answer = unsafe { win::NetUserDel(std::ptr::null(), name.as_ptr()) };
    unless(CALL, answer, win::NERR_UserNotFound)
}

/// Deletes a user's profile, directory and hive (`DeleteProfileW`), and says whether there was
/// one.
///
/// # Errors
/// `ERROR_SHARING_VIOLATION`, `ERROR_INVALID_PARAMETER`: it is loaded.
pub fn delete_profile(user: &Sid) -> Result<bool, SysError> {
    const CALL: &str = "DeleteProfileW";
    let user = wide::terminated(CALL, OsStr::new(&user.to_string()))?;
    // SAFETY: a NUL-terminated identifier.
    let answer = unsafe { DeleteProfileW(user.as_ptr(), std::ptr::null(), std::ptr::null()) };
    match done(CALL, answer) {
        Ok(()) => Ok(true),
        Err(error) if error.is(ERROR_FILE_NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a local group (`NetLocalGroupAdd`).
///
/// Its success is not proof: look for the group's identifier ([`Sid::of_account`]).
///
/// # Errors
/// `ERROR_ALIAS_EXISTS`, `NERR_GroupExists` (2223); `ERROR_ACCESS_DENIED`.
pub fn add_group(name: &OsStr, comment: &OsStr) -> Result<(), SysError> {
    const CALL: &str = "NetLocalGroupAdd";
    let mut name = wide::terminated(CALL, name)?;
    let mut comment = wide::terminated(CALL, comment)?;
    let info = win::LOCALGROUP_INFO_1 {
        lgrpi1_name: name.as_mut_ptr(),
        lgrpi1_comment: comment.as_mut_ptr(),
    };
    // SAFETY: the structure of level 1, with NUL-terminated strings.
    let answer = unsafe {
        win::NetLocalGroupAdd(
            std::ptr::null(),
            1,
            (&raw const info).cast(),
            std::ptr::null_mut(),
        )
    };
    succeeded(CALL, answer)
}

/// The comment of a local group (`NetLocalGroupGetInfo`); `None` when there is no such group.
///
/// # Errors
/// What the function says.
pub fn group(name: &OsStr) -> Result<Option<OsString>, SysError> {
    const CALL: &str = "NetLocalGroupGetInfo";
    let name = wide::terminated(CALL, name)?;
    let mut answer = Answer::none();
    // SAFETY: a NUL-terminated name and a live place.
    let said =
        unsafe { win::NetLocalGroupGetInfo(std::ptr::null(), name.as_ptr(), 1, &raw mut answer.0) };
    if no_group(said) {
        return Ok(None);
    }
    succeeded(CALL, said)?;
    let info: *const win::LOCALGROUP_INFO_1 = answer.0.cast_const().cast();
    // SAFETY: the function succeeded, so the structure of level 1 is there.
    let info = unsafe { info.read_unaligned() };
    // SAFETY: a NUL-terminated string in the same memory, or null.
    Ok(Some(unsafe { wide::at(info.lgrpi1_comment) }))
}

/// Deletes a local group (`NetLocalGroupDel`), and says whether there was one.
///
/// # Errors
/// `ERROR_ACCESS_DENIED`.
pub fn delete_group(name: &OsStr) -> Result<bool, SysError> {
    const CALL: &str = "NetLocalGroupDel";
    let name = wide::terminated(CALL, name)?;
    // SAFETY: a NUL-terminated name.
    match unsafe { win::NetLocalGroupDel(std::ptr::null(), name.as_ptr()) } {
        said if no_group(said) => Ok(false),
        said => succeeded(CALL, said).map(|()| true),
    }
}

/// Puts somebody into a local group (`NetLocalGroupAddMembers`), and says whether that was new.
///
/// Its success is not proof: ask [`members`].
///
/// # Errors
/// `NERR_GroupNotFound` (2220), `ERROR_NO_SUCH_MEMBER`, `ERROR_ACCESS_DENIED`.
pub fn add_member(group: &OsStr, member: &Sid) -> Result<bool, SysError> {
    const CALL: &str = "NetLocalGroupAddMembers";
    let group = wide::terminated(CALL, group)?;
    let info = win::LOCALGROUP_MEMBERS_INFO_0 {
        lgrmi0_sid: member.as_ptr(),
    };
    // SAFETY: a NUL-terminated name and one structure of level 0 with a valid identifier.
    let answer = unsafe {
        win::NetLocalGroupAddMembers(
            std::ptr::null(),
            group.as_ptr(),
            0,
            (&raw const info).cast(),
            1,
        )
    };
    unless(CALL, answer, ERROR_MEMBER_IN_ALIAS)
}

/// Takes somebody out of a local group (`NetLocalGroupDelMembers`), and says whether they were
/// in it.
///
/// # Errors
/// As of [`add_member`].
pub fn remove_member(group: &OsStr, member: &Sid) -> Result<bool, SysError> {
    const CALL: &str = "NetLocalGroupDelMembers";
    let group = wide::terminated(CALL, group)?;
    let info = win::LOCALGROUP_MEMBERS_INFO_0 {
        lgrmi0_sid: member.as_ptr(),
    };
    // SAFETY: a NUL-terminated name and one structure of level 0 with a valid identifier.
    let answer = unsafe {
        win::NetLocalGroupDelMembers(
            std::ptr::null(),
            group.as_ptr(),
            0,
            (&raw const info).cast(),
            1,
        )
    };
    unless(CALL, answer, ERROR_MEMBER_NOT_IN_ALIAS)
}

/// Who is in a local group (`NetLocalGroupGetMembers`).
///
/// # Errors
/// `NERR_GroupNotFound` (2220), `ERROR_NO_SUCH_ALIAS`.
pub fn members(group: &OsStr) -> Result<Vec<Sid>, SysError> {
    const CALL: &str = "NetLocalGroupGetMembers";
    let group = wide::terminated(CALL, group)?;
    let mut members = Vec::new();
    let mut resume = 0;
    loop {
        let mut answer = Answer::none();
        let (mut count, mut total) = (0, 0);
        // SAFETY: a NUL-terminated name and live places.
        let said = unsafe {
            win::NetLocalGroupGetMembers(
                std::ptr::null(),
                group.as_ptr(),
                0,
                &raw mut answer.0,
                win::MAX_PREFERRED_LENGTH,
                &raw mut count,
                &raw mut total,
                &raw mut resume,
            )
        };
        if said != ERROR_MORE_DATA {
            succeeded(CALL, said)?;
        }
        let list: *const win::LOCALGROUP_MEMBERS_INFO_0 = answer.0.cast_const().cast();
        for n in 0..count as usize {
            // SAFETY: the function says that as many structures of level 0 are there.
            let info = unsafe { list.wrapping_add(n).read_unaligned() };
            // SAFETY: with a valid identifier in the same memory.
            members.push(unsafe { Sid::at(CALL, info.lgrmi0_sid) }?);
        }
        // One that says "more" and brings nothing would do so for ever.
        if said != ERROR_MORE_DATA || count == 0 {
            return Ok(members);
        }
    }
}

fn no_group(said: u32) -> bool {
    said == win::NERR_GroupNotFound || said == ERROR_NO_SUCH_ALIAS
}

/// True when it was done, false when there was nothing to do.
fn unless(call: &'static str, said: u32, already: u32) -> Result<bool, SysError> {
    if said == already {
        return Ok(false);
    }
    succeeded(call, said).map(|()| true)
}

/// Memory that these functions allocate.
struct Answer(*mut u8);

impl Answer {
    fn none() -> Answer {
        Answer(std::ptr::null_mut())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: allocated by a function of this family, and freed only here.
            unsafe { win::NetApiBufferFree(self.0.cast_const().cast()) };
        }
    }
}
