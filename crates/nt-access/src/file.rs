//! What the filesystem adds to the access check: rights by the directory that something is in, and by privileges.

use crate::check::{Doubt, maximum_allowed};
use crate::descriptor::SecurityDescriptor;
use crate::mask::{Mask, file_right, object};
use crate::token::{Privilege, Token};

/// A file or a directory where it is.
#[derive(Debug, Clone, Copy)]
pub struct FileObject<'a> {
    /// Its own descriptor.
    pub own: &'a SecurityDescriptor,
    /// Of the directory that it is in; none of the root of a volume.
    pub parent: Option<&'a SecurityDescriptor>,
}

/// All rights that a token gets to a file or a directory, whichever way it is opened.
///
/// Beside what the descriptor grants: who may delete children of the directory may delete this one ([`file_right::DELETE_CHILD`],
/// "File Security and Access Rights"), who may list it may read its attributes; with `SeBackupPrivilege` and
/// `SeRestorePrivilege` (and `FILE_FLAG_BACKUP_SEMANTICS`) what the documentation of `CreateFile` says. Neither the parent's
/// answer nor a privilege is asked for a second time of a restricted token.
#[must_use]
pub fn file_access(token: &Token, object: FileObject<'_>, doubt: Doubt) -> Mask {
    let mut granted = maximum_allowed(object.own, token, &object::FILE, doubt);
    if let Some(parent) = object.parent {
        let above = maximum_allowed(parent, token, &object::FILE, doubt);
        if above.has(file_right::DELETE_CHILD) {
            granted |= Mask::DELETE;
        }
        if above.has(file_right::READ_DATA) {
            granted |= file_right::READ_ATTRIBUTES;
        }
    }
    if token.privileges.has(Privilege::Backup) {
        granted |= Mask::READ_CONTROL
            | Mask::ACCESS_SYSTEM_SECURITY
            | file_right::GENERIC_READ
            | file_right::EXECUTE;
    }
    if token.privileges.has(Privilege::Restore) {
        granted |= Mask::WRITE_DAC
            | Mask::WRITE_OWNER
            | Mask::ACCESS_SYSTEM_SECURITY
            | file_right::GENERIC_WRITE
            | Mask::DELETE;
    }
    granted
}
