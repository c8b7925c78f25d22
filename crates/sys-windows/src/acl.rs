//! The security descriptor of an object: reading and setting it, by handle only, so that what
//! is judged and what is changed are the same object.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Wdk::Storage::FileSystem::NtSetSecurityObject;
use windows_sys::Win32::Security::Authorization::{
    SE_FILE_OBJECT, SE_KERNEL_OBJECT, SE_OBJECT_TYPE, SE_REGISTRY_KEY, SetSecurityInfo,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION, GetKernelObjectSecurity,
    LABEL_SECURITY_INFORMATION, OBJECT_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION, UNPROTECTED_DACL_SECURITY_INFORMATION,
};

use crate::counters;
use crate::descriptor::{Acl, SecurityDescriptor};
use crate::error::{SysError, done, nt_success, succeeded};
use crate::memory;
use crate::sid::Sid;

/// Parts of a descriptor: a set of `*_SECURITY_INFORMATION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts(pub OBJECT_SECURITY_INFORMATION);

impl Parts {
    /// Who owns it. Reading takes `READ_CONTROL`, setting `WRITE_OWNER`.
    pub const OWNER: Parts = Parts(OWNER_SECURITY_INFORMATION);
    /// Its primary group.
    pub const GROUP: Parts = Parts(GROUP_SECURITY_INFORMATION);
    /// Who may do what. Reading takes `READ_CONTROL`, setting `WRITE_DAC`.
    pub const DACL: Parts = Parts(DACL_SECURITY_INFORMATION);
    /// Its integrity label.
    pub const LABEL: Parts = Parts(LABEL_SECURITY_INFORMATION);
    /// Owner, group and DACL: all that `READ_CONTROL` shows.
    pub const ACCESS: Parts = Parts(Parts::OWNER.0 | Parts::GROUP.0 | Parts::DACL.0);

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Parts) -> Parts {
        Parts(self.0 | other.0)
    }
}

/// What kind of object a handle is of, for [`propagate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file or directory, also a pipe.
    File,
    /// A registry key.
    Key,
    /// A process, thread, token, job, event, mutex, section: what has no children.
    Kernel,
}

impl Kind {
    fn number(self) -> SE_OBJECT_TYPE {
        match self {
            Kind::File => SE_FILE_OBJECT,
            Kind::Key => SE_REGISTRY_KEY,
            Kind::Kernel => SE_KERNEL_OBJECT,
        }
    }
}

/// Whether a list takes entries from the object above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inheritance {
    /// As it is.
    Kept,
    /// No more.
    Protected,
    /// Again.
    Inherited,
}

/// The descriptor of an object as it is stored, with its flags (`GetKernelObjectSecurity`).
/// Files, directories and registry keys too are asked so.
///
/// # Errors
/// `ERROR_ACCESS_DENIED`: the handle has no `READ_CONTROL`.
pub fn read(handle: BorrowedHandle<'_>, parts: Parts) -> Result<SecurityDescriptor, SysError> {
    const CALL: &str = "GetKernelObjectSecurity";
    let mut filled = 0;
    let mut buffer = memory::filled(CALL, 512, |place, size, needed| {
        // SAFETY: a live handle and a buffer of the size given.
        let answer = unsafe {
            GetKernelObjectSecurity(handle.as_raw_handle(), parts.0, place, size, needed)
        };
        filled = *needed;
        done(CALL, answer)
    })?;
    buffer.truncate(filled as usize);
    SecurityDescriptor::from_answer(CALL, buffer.bytes())
}

/// Stores parts of a descriptor on one object and nothing else (`NtSetSecurityObject`): nothing
/// is propagated to what lies below, and inherited entries are taken as they are given.
///
/// For a list to be marked as inherited afterwards (`SE_DACL_AUTO_INHERITED`) the descriptor
/// must ask for it (`SE_DACL_AUTO_INHERIT_REQ`) too.
///
/// # Errors
/// `STATUS_ACCESS_DENIED`: the handle has no `WRITE_DAC` (`WRITE_OWNER` for the owner).
/// `STATUS_INVALID_OWNER`: the token may not make that one the owner.
pub fn store(
    handle: BorrowedHandle<'_>,
    parts: Parts,
    descriptor: &SecurityDescriptor,
) -> Result<(), SysError> {
    counters::descriptor_write();
    // SAFETY: a live handle and a whole descriptor.
    let answer =
        unsafe { NtSetSecurityObject(handle.as_raw_handle(), parts.0, descriptor.as_ptr()) };
    nt_success("NtSetSecurityObject", answer)
}

/// Sets an object's list and brings what is inherited from it to everything below
/// (`SetSecurityInfo`). On a directory that walks the tree, with no progress and no end.
///
/// Of `list` the entries that are not inherited count; those of the object above are added.
///
/// # Errors
/// `ERROR_ACCESS_DENIED`: the handle has no `WRITE_DAC`, or no `READ_CONTROL` to merge with.
pub fn propagate(
    handle: BorrowedHandle<'_>,
    kind: Kind,
    list: &Acl,
    inheritance: Inheritance,
) -> Result<(), SysError> {
    counters::descriptor_write();
    let parts = DACL_SECURITY_INFORMATION
        | match inheritance {
            Inheritance::Kept => 0,
            Inheritance::Protected => PROTECTED_DACL_SECURITY_INFORMATION,
            Inheritance::Inherited => UNPROTECTED_DACL_SECURITY_INFORMATION,
        };
    // SAFETY: a live handle and a whole list; the other parts are not named, so not read.
    let answer = unsafe {
        SetSecurityInfo(
            handle.as_raw_handle(),
            kind.number(),
            parts,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            list.as_ptr(),
            std::ptr::null(),
        )
    };
    succeeded("SetSecurityInfo", answer)
}

/// Makes somebody an object's owner (`SetSecurityInfo`).
///
/// # Errors
/// `ERROR_ACCESS_DENIED`: the handle has no `WRITE_OWNER`. `ERROR_INVALID_OWNER`: the token may
/// not make that one the owner.
pub fn set_owner(handle: BorrowedHandle<'_>, kind: Kind, owner: &Sid) -> Result<(), SysError> {
    counters::descriptor_write();
    // SAFETY: a live handle and a valid identifier; the other parts are not named, so not read.
    let answer = unsafe {
        SetSecurityInfo(
            handle.as_raw_handle(),
            kind.number(),
            OWNER_SECURITY_INFORMATION,
            owner.as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    succeeded("SetSecurityInfo", answer)
}
