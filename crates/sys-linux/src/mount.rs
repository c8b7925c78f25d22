//! Mounts by handle: clone, attach, attributes, new file systems.
//!
//! The mount API of kernel 5.2 and 5.12 (`open_tree(2)`, `move_mount(2)`,
//! `mount_setattr(2)`, `fsopen(2)`): no path string is resolved twice.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

use crate::error::{Named, SysError};

/// `struct mount_attr` of `mount_setattr(2)`, first version.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// What to set on a mount.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes {
    /// `Some(true)` makes it read-only, `Some(false)` writable.
    pub read_only: Option<bool>,
    /// Ignore set-user-ID bits and file capabilities.
    pub nosuid: bool,
    /// Ignore device nodes.
    pub nodev: bool,
    /// Ignore program files.
    pub noexec: bool,
    /// Neither send nor receive mount events.
    pub private: bool,
}

/// Sets attributes of the mount at a handle, and with `recursive` of all below it.
///
/// # Errors
/// What `mount_setattr(2)` says; `ENOSYS` before kernel 5.12.
pub fn set(mount: BorrowedFd<'_>, attributes: Attributes, recursive: bool) -> Result<(), SysError> {
    let mut attr = MountAttr::default();
    match attributes.read_only {
        Some(true) => attr.attr_set |= libc::MOUNT_ATTR_RDONLY,
        Some(false) => attr.attr_clr |= libc::MOUNT_ATTR_RDONLY,
        None => {}
    }
    if attributes.nosuid {
        attr.attr_set |= libc::MOUNT_ATTR_NOSUID;
    }
    if attributes.nodev {
        attr.attr_set |= libc::MOUNT_ATTR_NODEV;
    }
    if attributes.noexec {
        attr.attr_set |= libc::MOUNT_ATTR_NOEXEC;
    }
    if attributes.private {
        attr.propagation = libc::MS_PRIVATE;
    }
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string literal, `attr` is a live `struct mount_attr` of the
    // size passed, and the descriptor is open for the length of the borrow.
    let r = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if r == 0 {
        Ok(())
    } else {
        Err(SysError::last("mount_setattr"))
    }
}

/// Whether the mount at a handle is read-only, or its file system is.
///
/// # Errors
/// What `fstatfs(2)` says.
pub fn is_read_only(mount: BorrowedFd<'_>) -> Result<bool, SysError> {
    let stat = rustix::fs::fstatvfs(mount).named("fstatfs")?;
    Ok(stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// Mounts what has one path on what has another, with the attributes of the mount it lies in.
///
/// # Errors
/// What `mount(2)` says.
pub fn bind(from: &CStr, onto: &CStr) -> Result<(), SysError> {
    rustix::mount::mount_bind(from, onto).named("mount")
}

/// A detached copy of the mount tree at a handle.
///
/// # Errors
/// What `open_tree(2)` says: `EINVAL` where the handle belongs to another mount
/// namespace, `EPERM` without `CAP_SYS_ADMIN` over this one.
pub fn clone_tree(at: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, SysError> {
    clone_named(at, c"", recursive)
}

/// A detached copy of the mount tree at a name below a directory, its last link not
/// followed.
///
/// # Errors
/// As [`clone_tree`].
pub fn clone_named(dir: BorrowedFd<'_>, name: &CStr, recursive: bool) -> Result<OwnedFd, SysError> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    if name.is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    rustix::mount::open_tree(dir, name, flags).named("open_tree")
}

/// Takes the mount away of which this is the root; who is in it stays there. By handle (`/proc/self/fd`, proc(5)): a
/// name may lead to another mount by the time it is resolved once more.
///
/// # Errors
/// What `umount2(2)` says: `EINVAL` where it is no root of a mount.
pub fn take_away(root: BorrowedFd<'_>) -> Result<(), SysError> {
    use rustix::mount::UnmountFlags;
    let path = format!("/proc/self/fd/{}", root.as_raw_fd());
    rustix::mount::unmount(path, UnmountFlags::DETACH).named("umount2")
}

/// Attaches a detached tree on top of a handle.
///
/// # Errors
/// What `move_mount(2)` says.
pub fn attach(tree: BorrowedFd<'_>, onto: BorrowedFd<'_>) -> Result<(), SysError> {
    rustix::mount::move_mount(
        tree,
        c"",
        onto,
        c"",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
    )
    .named("move_mount")
}

/// Attaches a detached tree on a name in a directory of the caller's own making, or the kernel's; a
/// link of that name is not followed.
///
/// # Errors
/// What `move_mount(2)` says.
pub fn attach_named(
    tree: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    name: &CStr,
) -> Result<(), SysError> {
    rustix::mount::move_mount(
        tree,
        c"",
        dir,
        name,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .named("move_mount")
}

/// A new, detached file system of a type, with string options.
///
/// # Errors
/// What `fsopen(2)`, `fsconfig(2)` and `fsmount(2)` say.
pub fn new_filesystem(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    flags: &[&CStr],
    attributes: Attributes,
) -> Result<OwnedFd, SysError> {
    let fs = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).named("fsopen")?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(fs.as_fd(), *key, *value).named("fsconfig")?;
    }
    for flag in flags {
        rustix::mount::fsconfig_set_flag(fs.as_fd(), *flag).named("fsconfig")?;
    }
    rustix::mount::fsconfig_create(fs.as_fd()).named("fsconfig")?;
    let mut attr = MountAttrFlags::empty();
    attr.set(
        MountAttrFlags::MOUNT_ATTR_RDONLY,
        attributes.read_only == Some(true),
    );
    attr.set(MountAttrFlags::MOUNT_ATTR_NOSUID, attributes.nosuid);
    attr.set(MountAttrFlags::MOUNT_ATTR_NODEV, attributes.nodev);
    attr.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, attributes.noexec);
    rustix::mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attr).named("fsmount")
}
