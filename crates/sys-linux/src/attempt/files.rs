//! Files: the ways to change or reach one that the standard library does not offer.

use super::{c_bytes, c_path, checked};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// Owns a descriptor number the kernel has just returned to us.
pub(super) fn owned(fd: i64) -> OwnedFd {
    // Descriptors are C ints; the kernel returns no larger number.
    #[allow(clippy::cast_possible_truncation)]
    let fd = fd as RawFd;
    // SAFETY: every caller passes a number the kernel returned from a call that makes a new descriptor, so nobody
    // else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Takes a copy of a descriptor this process was started with. Fails with `EBADF` where there is none.
pub fn inherited(number: RawFd) -> io::Result<File> {
    // SAFETY: F_DUPFD_CLOEXEC takes two integers and touches no memory; a bad number is answered with EBADF.
    let fd = checked(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 10) })?;
    Ok(File::from(owned(fd.into())))
}

/// Makes a nameless file in a directory (`O_TMPFILE`), open for writing.
pub fn nameless(dir: &Path) -> io::Result<File> {
    let dir = c_path(dir)?;
    // SAFETY: `dir` is NUL-terminated and lives over the call.
    let fd = checked(unsafe {
        libc::open(
            dir.as_ptr(),
            libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC,
            0o600,
        )
    })?;
    Ok(File::from(owned(fd.into())))
}

/// Opens a name below a directory descriptor: `create` makes it anew for writing, else it is opened read-only.
pub fn open_below(dir: impl AsFd, name: &str, create: bool) -> io::Result<File> {
    let name = c_bytes(name.as_bytes())?;
    let flags = if create {
        libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY
    } else {
        libc::O_RDONLY
    };
    let dir = dir.as_fd().as_raw_fd();
    // SAFETY: `name` is NUL-terminated and lives over the call; `dir` is borrowed open.
    let fd = checked(unsafe { libc::openat(dir, name.as_ptr(), flags | libc::O_CLOEXEC, 0o600) })?;
    Ok(File::from(owned(fd.into())))
}

/// Removes a name below a directory descriptor.
pub fn unlink_below(dir: impl AsFd, name: &str) -> io::Result<()> {
    let name = c_bytes(name.as_bytes())?;
    let dir = dir.as_fd().as_raw_fd();
    // SAFETY: `name` is NUL-terminated and lives over the call; `dir` is borrowed open.
    checked(unsafe { libc::unlinkat(dir, name.as_ptr(), 0) }).map(drop)
}

/// Copies `len` bytes from one file to the other inside the kernel, never through `write`.
pub fn copy_range(from: &File, to: &File, len: usize) -> io::Result<()> {
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    // SAFETY: both descriptors are borrowed open; null offsets mean the files' own positions.
    checked(unsafe {
        libc::copy_file_range(from, std::ptr::null_mut(), to, std::ptr::null_mut(), len, 0)
    })
    .map(drop)
}

/// Sets both times of a path to now, without opening it.
pub fn touch(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: `path` is NUL-terminated; null times mean now.
    checked(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), std::ptr::null(), 0) })
        .map(drop)
}

/// Sets an extended attribute on a path.
pub fn set_attribute(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    let (path, name) = (c_path(path)?, c_bytes(name.as_bytes())?);
    // SAFETY: both names are NUL-terminated, `value` is a live slice passed with its length.
    checked(unsafe {
        libc::setxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    })
    .map(drop)
}

/// Removes an extended attribute from a path.
pub fn remove_attribute(path: &Path, name: &str) -> io::Result<()> {
    let (path, name) = (c_path(path)?, c_bytes(name.as_bytes())?);
    // SAFETY: both names are NUL-terminated and live over the call.
    checked(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }).map(drop)
}

/// Reads the inode's flags and writes the same ones back (`chattr`), which needs a writable mount but only a
/// read-only descriptor.
pub fn rewrite_flags(file: &File) -> io::Result<()> {
    let mut flags: libc::c_long = 0;
    let fd = file.as_raw_fd();
    // SAFETY: FS_IOC_GETFLAGS writes an int, and a long has room for it.
    checked(unsafe { libc::ioctl(fd, libc::FS_IOC_GETFLAGS, &raw mut flags) })?;
    // SAFETY: FS_IOC_SETFLAGS reads an int from the same live variable.
    checked(unsafe { libc::ioctl(fd, libc::FS_IOC_SETFLAGS, &raw const flags) }).map(drop)
}

/// Makes a node of `mode` (type and permissions) with a device number.
pub fn make_node(path: &Path, mode: u32, major: u32, minor: u32) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: `path` is NUL-terminated and lives over the call.
    checked(unsafe { libc::mknod(path.as_ptr(), mode, libc::makedev(major, minor)) }).map(drop)
}

/// `S_IFCHR | 0o600`: a character device, for [`make_node`].
pub const CHARACTER_DEVICE: u32 = libc::S_IFCHR | 0o600;
/// `S_IFBLK | 0o600`: a block device, for [`make_node`].
pub const BLOCK_DEVICE: u32 = libc::S_IFBLK | 0o600;
/// `S_IFIFO | 0o600`: a named pipe, for [`make_node`].
pub const NAMED_PIPE: u32 = libc::S_IFIFO | 0o600;

/// Writes the first bytes of a file through a shared mapping. The file must be open read-write and not shorter than
/// `bytes`.
pub fn write_mapped(file: &File, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() || file.metadata()?.len() < bytes.len() as u64 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let (fd, len) = (file.as_raw_fd(), bytes.len());
    // SAFETY: a fresh mapping at an address of the kernel's choosing replaces nothing.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            protection,
            libc::MAP_SHARED,
            fd,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is `len` bytes, writable and ours; the two ranges cannot overlap. A file cut short in
    // between ends the process with SIGBUS, which harms no memory.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at.cast::<u8>(), len) };
    // SAFETY: exactly the mapping made above.
    checked(unsafe { libc::munmap(at, len) }).map(drop)
}

/// Gives an open file a name, through `/proc/self/fd`.
pub fn name_file(file: &File, to: &Path) -> io::Result<()> {
    let from = c_bytes(format!("/proc/self/fd/{}", file.as_raw_fd()).as_bytes())?;
    let to = c_path(to)?;
    let (cwd, follow) = (libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
    // SAFETY: both paths are NUL-terminated and live over the call.
    checked(unsafe { libc::linkat(cwd, from.as_ptr(), cwd, to.as_ptr(), follow) }).map(drop)
}

/// Swaps two paths in one step (`RENAME_EXCHANGE`).
pub fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    let (a, b) = (c_path(a)?, c_path(b)?);
    let cwd = libc::AT_FDCWD;
    // SAFETY: both paths are NUL-terminated and live over the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            cwd,
            a.as_ptr(),
            cwd,
            b.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    })
    .map(drop)
}

/// The room the kernel needs behind a `struct file_handle`.
#[repr(C, align(8))]
struct Handle {
    bytes: u32,
    kind: i32,
    data: [u8; 128],
}

/// Names a file by its handle and opens it again by that handle (`open_by_handle_at`), past every directory.
pub fn reopen_by_handle(path: &Path, mount: &File) -> io::Result<File> {
    let path = c_path(path)?;
    let mut handle = Handle {
        bytes: 128,
        kind: 0,
        data: [0; 128],
    };
    let (mut mount_id, cwd) = (0_i32, libc::AT_FDCWD);
    let (to, id) = (&raw mut handle, &raw mut mount_id);
    // SAFETY: `handle` says how much room it has and the kernel writes no more; `path` and `mount_id` are live.
    checked(unsafe { libc::syscall(libc::SYS_name_to_handle_at, cwd, path.as_ptr(), to, id, 0) })?;
    let (mount, flags) = (mount.as_raw_fd(), libc::O_RDONLY | libc::O_CLOEXEC);
    // SAFETY: the handle is the one the kernel wrote; `mount` is borrowed open.
    let fd = checked(unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, mount, &raw const handle, flags)
    })?;
    Ok(File::from(owned(fd)))
}
