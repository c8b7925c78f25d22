//! Landlock rulesets (`landlock(7)`).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::SysError;

/// `struct landlock_ruleset_attr`, ABI 6.
#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`, which the kernel declares packed.
#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: i32 = 1;

/// The ABI version of this kernel; 0 where Landlock is absent or switched off.
#[must_use]
pub fn abi() -> u32 {
    // SAFETY: with a null attribute, size 0 and this flag the call only reads a version
    // (landlock_create_ruleset(2)).
    let r = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<RulesetAttr>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(r).unwrap_or(0)
}

/// Makes a ruleset that denies these rights.
///
/// # Errors
/// What `landlock_create_ruleset(2)` says.
pub fn create(abi: u32, fs: u64, net: u64, scoped: u64) -> Result<OwnedFd, SysError> {
    let attr = RulesetAttr {
        handled_access_fs: fs,
        handled_access_net: net,
        scoped,
    };
    // An older kernel refuses a longer struct only if what it does not know is set,
    // but the size below is exact all the same.
    let size = match abi {
        0..=3 => 8,
        4 | 5 => 16,
        _ => size_of::<RulesetAttr>(),
    };
    // SAFETY: `attr` is a live ruleset attribute of at least `size` bytes.
    let r = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attr,
            size,
            0_u32,
        )
    };
    match i32::try_from(r) {
        // SAFETY: the kernel has just made this descriptor for us, and nobody else
        // knows it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(SysError::last("landlock_create_ruleset")),
    }
}

/// Grants rights beneath an object.
///
/// # Errors
/// What `landlock_add_rule(2)` says.
pub fn grant(
    ruleset: BorrowedFd<'_>,
    beneath: BorrowedFd<'_>,
    rights: u64,
) -> Result<(), SysError> {
    let attr = PathBeneathAttr {
        allowed_access: rights,
        parent_fd: beneath.as_raw_fd(),
    };
    // SAFETY: `attr` is a live `landlock_path_beneath_attr`; both descriptors are open
    // for the length of the borrows.
    let r = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const attr,
            0_u32,
        )
    };
    if r == 0 {
        Ok(())
    } else {
        Err(SysError::last("landlock_add_rule"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_have_the_kernels_layout() {
        assert_eq!(size_of::<RulesetAttr>(), 24);
        assert_eq!(size_of::<PathBeneathAttr>(), 12);
        assert_eq!(std::mem::offset_of!(PathBeneathAttr, parent_fd), 8);
    }
}
