//! Between what Windows is asked for by handles and what the planner reasons with.

use std::os::windows::io::BorrowedHandle;

use ringfence_nt_access::{
    Acl, Group, Integrity, Membership, Privilege, Privileges, SecurityDescriptor, Sid, Token,
};
use ringfence_plan::windows::FileId;
use ringfence_sys_windows as sys;
use ringfence_sys_windows::acl::{self, Parts};
use ringfence_sys_windows::error::{Refusal, SysError};
use ringfence_sys_windows::token::Luid;

const SE_GROUP_ENABLED: u32 = 0x4;
const SE_GROUP_USE_FOR_DENY_ONLY: u32 = 0x10;

fn malformed() -> SysError {
    SysError::refused("convert", Refusal::Malformed)
}

/// Who it is.
pub(super) fn sid(sid: &sys::Sid) -> Result<Sid, SysError> {
    Sid::parse(sid.as_bytes()).map_err(|_| malformed())
}

/// For Windows.
pub(super) fn sys_sid(sid: &Sid) -> Result<sys::Sid, SysError> {
    sys::Sid::from_bytes(&sid.to_bytes())
}

/// A descriptor, as its bytes say.
pub(super) fn descriptor(of: &sys::SecurityDescriptor) -> Result<SecurityDescriptor, SysError> {
    SecurityDescriptor::parse(of.as_bytes()).map_err(|_| malformed())
}

/// The descriptor of what a handle with `READ_CONTROL` is of.
pub(super) fn descriptor_of(handle: BorrowedHandle<'_>) -> Result<SecurityDescriptor, SysError> {
    descriptor(&acl::read(handle, Parts::ACCESS)?)
}

/// Which object it is.
pub(super) fn file_id(handle: BorrowedHandle<'_>) -> Result<FileId, SysError> {
    let id = sys::file::id(handle)?;
    Ok(FileId {
        volume: id.volume,
        file: u128::from_le_bytes(id.file),
    })
}

/// A list, for Windows.
pub(super) fn sys_acl(list: &Acl) -> Result<sys::Acl, SysError> {
    sys::Acl::from_bytes(&list.to_bytes().map_err(|_| malformed())?)
}

/// A token, as far as it decides about access.
pub(crate) fn token(of: &sys::token::Token) -> Result<Token, SysError> {
    let user = sid(&of.user()?)?;
    let mut groups = Vec::new();
    for group in of.groups()? {
        groups.push(Group {
            sid: sid(&group.sid)?,
            membership: membership(group.attributes),
        });
    }
    // A system that has no such SIDs does not answer: that is none.
    let restricting = of.restricting().unwrap_or_default();
    let restricting = restricting
        .iter()
        .map(|group| sid(&group.sid))
        .collect::<Result<Vec<Sid>, SysError>>()?;
    Ok(Token {
        groups,
        restricting: (!restricting.is_empty()).then_some(restricting),
        privileges: privileges(of)?,
        integrity: integrity(&sid(&of.integrity()?)?),
        owner: sid(&of.owner()?)?,
        primary_group: sid(&of.primary_group()?)?,
        ..Token::of(user, &[])
    })
}

fn membership(attributes: u32) -> Membership {
    if attributes & SE_GROUP_USE_FOR_DENY_ONLY != 0 {
        Membership::DenyOnly
    } else if attributes & SE_GROUP_ENABLED != 0 {
        Membership::Enabled
    } else {
        Membership::Disabled
    }
}

fn privileges(of: &sys::token::Token) -> Result<Privileges, SysError> {
    let had: Vec<Luid> = of.privileges()?.iter().map(|held| held.luid).collect();
    let known = |privilege: &Privilege| {
        Luid::of_privilege(privilege.name()).is_ok_and(|luid| had.contains(&luid))
    };
    Ok(Privilege::ALL.into_iter().filter(known).collect())
}

/// The last number of `S-1-16-…`.
fn integrity(level: &Sid) -> Integrity {
    let bytes = level.to_bytes();
    let last = bytes.as_chunks::<4>().0.last().copied();
    last.map_or(Integrity::MEDIUM, |word| {
        Integrity(u32::from_le_bytes(word))
    })
}
