//! Mounts, by the old interface and the new one.

use super::files::owned;
use super::{c_bytes, c_path, checked};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::ptr;

/// `mount(2)` with everything optional.
fn mount(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: libc::c_ulong,
) -> io::Result<()> {
    let source = source.map(c_path).transpose()?;
    let kind = kind.map(|kind| c_bytes(kind.as_bytes())).transpose()?;
    let target = c_path(target)?;
    let source = source
        .as_ref()
        .map_or(ptr::null(), |text: &CString| text.as_ptr());
    let kind = kind
        .as_ref()
        .map_or(ptr::null(), |text: &CString| text.as_ptr());
    // SAFETY: each pointer is null or a NUL-terminated string that lives over the call; no data is passed.
    checked(unsafe { libc::mount(source, target.as_ptr(), kind, flags, ptr::null()) }).map(drop)
}

/// Mounts an empty tmpfs on a directory.
pub fn mount_tmpfs(target: &Path) -> io::Result<()> {
    mount(Some(Path::new("tmpfs")), target, Some("tmpfs"), 0)
}

/// Mounts a new procfs on a directory.
pub fn mount_proc(target: &Path) -> io::Result<()> {
    mount(Some(Path::new("proc")), target, Some("proc"), 0)
}

/// Binds a path over another, with all mounts below it.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount(Some(source), target, None, libc::MS_BIND | libc::MS_REC)
}

/// Makes the mount at a path writable again.
pub fn remount_writable(target: &Path) -> io::Result<()> {
    mount(None, target, None, libc::MS_REMOUNT | libc::MS_BIND)
}

/// Makes the whole superblock behind a path writable again.
pub fn remount_superblock(target: &Path) -> io::Result<()> {
    mount(None, target, None, libc::MS_REMOUNT)
}

/// Keeps what is mounted from now on out of every other mount namespace.
pub fn make_private() -> io::Result<()> {
    mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE)
}

/// Takes the topmost mount off a path, lazily (`MNT_DETACH`) or not.
pub fn unmount(target: &Path, lazy: bool) -> io::Result<()> {
    let target = c_path(target)?;
    let flags = if lazy { libc::MNT_DETACH } else { 0 };
    // SAFETY: `target` is NUL-terminated and lives over the call.
    checked(unsafe { libc::umount2(target.as_ptr(), flags) }).map(drop)
}

/// Takes a detached copy of the mount at a path (`open_tree(OPEN_TREE_CLONE)`).
pub fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    // SYS_open_tree takes flags as unsigned int; OPEN_TREE_CLONE is 1, AT_RECURSIVE 0x8000.
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | 0x8000;
    // SAFETY: `path` is NUL-terminated and lives over the call.
    let fd = checked(unsafe {
        libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags)
    })?;
    Ok(owned(fd))
}

/// `MOVE_MOUNT_F_EMPTY_PATH`.
const FROM_EMPTY_PATH: libc::c_uint = 4;

/// Puts a detached mount on a path.
pub fn attach(tree: impl AsFd, target: &Path) -> io::Result<()> {
    let target = c_path(target)?;
    let (tree, empty) = (tree.as_fd().as_raw_fd(), c"".as_ptr());
    let (call, cwd) = (libc::SYS_move_mount, libc::AT_FDCWD);
    // SAFETY: both paths are NUL-terminated; `tree` is borrowed open.
    checked(unsafe { libc::syscall(call, tree, empty, cwd, target.as_ptr(), FROM_EMPTY_PATH) })
        .map(drop)
}

/// Moves the mount at one path to another path.
pub fn move_mount(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to, cwd) = (c_path(from)?, c_path(to)?, libc::AT_FDCWD);
    // SAFETY: both paths are NUL-terminated and live over the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            cwd,
            from.as_ptr(),
            cwd,
            to.as_ptr(),
            0,
        )
    })
    .map(drop)
}

/// Opens a context for a new filesystem of a kind (`fsopen`).
pub fn open_filesystem(kind: &str) -> io::Result<OwnedFd> {
    let kind = c_bytes(kind.as_bytes())?;
    // SAFETY: `kind` is NUL-terminated and lives over the call.
    let fd = checked(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1) })?;
    Ok(owned(fd))
}

/// `struct mount_attr`, version 0.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Takes read-only off the mount at a path and off all below it (`mount_setattr`).
pub fn clear_read_only(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    let attributes = Attributes {
        set: 0,
        clear: 1,
        propagation: 0,
        user_namespace: 0,
    };
    let (call, cwd, size) = (
        libc::SYS_mount_setattr,
        libc::AT_FDCWD,
        size_of::<Attributes>(),
    );
    // SAFETY: `attributes` is passed with its size; `path` is NUL-terminated. 0x8000 is AT_RECURSIVE.
    checked(unsafe {
        libc::syscall(
            call,
            cwd,
            path.as_ptr(),
            0x8000,
            &raw const attributes,
            size,
        )
    })
    .map(drop)
}

/// Changes the root mount of the namespace.
pub fn pivot_root(new: &Path, old: &Path) -> io::Result<()> {
    let (new, old) = (c_path(new)?, c_path(old)?);
    // SAFETY: both paths are NUL-terminated and live over the call.
    checked(unsafe { libc::syscall(libc::SYS_pivot_root, new.as_ptr(), old.as_ptr()) }).map(drop)
}
