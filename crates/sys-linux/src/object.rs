//! File system objects by handle: opening without following, and identity.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, MemfdFlags, Mode, OFlags, ResolveFlags, SealFlags, SeekFrom,
};
use rustix::io::Errno;

use crate::error::{Named, SysError};

/// Which object it is and of what kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
    /// File type and permission bits (`st_mode`).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// `st_rdev` of a device.
    pub rdev: u64,
    /// Names it has (`st_nlink`).
    pub links: u64,
}

impl Identity {
    fn of(stat: &rustix::fs::Stat) -> Identity {
        Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            rdev: stat.st_rdev,
            #[allow(clippy::useless_conversion, reason = "32 bits on some architectures")]
            links: stat.st_nlink.into(),
        }
    }

    /// The object's type.
    #[must_use]
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    /// It is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind() == FileType::Directory
    }
}

/// Opens a path as a handle (`O_PATH`), following symbolic links.
///
/// # Errors
/// What `openat(2)` says.
pub fn open_following(path: &Path) -> Result<OwnedFd, SysError> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).named("open")
}

/// Opens a path as a handle; a symbolic link anywhere in it is refused (`ELOOP`).
///
/// # Errors
/// What `openat2(2)` says; `ENOSYS` before kernel 5.6.
pub fn open_without_links(path: &Path) -> Result<OwnedFd, SysError> {
    rustix::fs::openat2(
        CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
    .named("openat2")
}

/// Opens an absolute path as a handle; a symbolic link anywhere but in the last
/// component is refused (`ELOOP`), one in the last component is opened itself.
///
/// # Errors
/// What `openat2(2)` says; `ENOSYS` before kernel 5.6.
pub fn open_exact(path: &Path) -> Result<OwnedFd, SysError> {
    rustix::fs::openat2(
        CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
    .named("openat2")
    .or_else(|e| {
        // RESOLVE_NO_SYMLINKS refuses a link in the last component too, even with
        // O_NOFOLLOW | O_PATH: open its parent exactly, then the link in it.
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(e);
        };
        if e.errno != libc::ELOOP {
            return Err(e);
        }
        let parent = rustix::fs::openat2(
            CWD,
            parent,
            OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        )
        .named("openat2")?;
        open_at(parent.as_fd(), Path::new(name))
    })
}

/// Opens a name in a directory as a handle, not following a link.
///
/// # Errors
/// What `openat(2)` says.
pub fn open_at(dir: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, SysError> {
    rustix::fs::openat(
        dir,
        name,
        OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
    )
    .named("openat")
}

/// Opens a path below a directory as a handle. A symbolic link anywhere in it is refused (`ELOOP`), and what
/// leads out of the directory (`EXDEV`).
///
/// # Errors
/// What `openat2(2)` says; `ENOSYS` before kernel 5.6.
pub fn open_below(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, SysError> {
    rustix::fs::openat2(
        dir,
        path,
        OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH,
    )
    .named("openat2")
}

/// Opens an object for reading from its path. A symbolic link anywhere in it is refused (`ELOOP`).
///
/// # Errors
/// What `openat2(2)` says; `ENOSYS` before kernel 5.6.
pub fn open_read(path: &Path) -> Result<OwnedFd, SysError> {
    rustix::fs::openat2(
        CWD,
        path,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
    .named("openat2")
}

/// The identity of an open object.
///
/// # Errors
/// What `fstat(2)` says.
pub fn identity(fd: BorrowedFd<'_>) -> Result<Identity, SysError> {
    rustix::fs::fstat(fd)
        .named("fstat")
        .map(|s| Identity::of(&s))
}

/// The identity of a name in a directory, its last link not followed; `None` where
/// nothing stands there.
///
/// # Errors
/// What `newfstatat(2)` says, but for `ENOENT` and `ENOTDIR`.
pub fn identity_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Option<Identity>, SysError> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Identity::of(&stat))),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(e) => Err(SysError::new("fstatat", e.raw_os_error())),
    }
}

/// The identity of a path, its last link not followed; `None` where nothing is.
///
/// # Errors
/// As [`identity_at`].
pub fn identity_of(path: &Path) -> Result<Option<Identity>, SysError> {
    match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Identity::of(&stat))),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(e) => Err(SysError::new("fstatat", e.raw_os_error())),
    }
}

/// When the object at a path was made; `None` where nothing stands there or the file
/// system does not say. Nobody can set it (`statx(2)`, `stx_btime`).
#[must_use]
pub fn born(path: &Path) -> Option<std::time::SystemTime> {
    let wanted = rustix::fs::StatxFlags::BTIME;
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()?;
    if stat.stx_mask & wanted.bits() == 0 {
        return None;
    }
    let seconds = u64::try_from(stat.stx_btime.tv_sec).ok()?;
    let since = std::time::Duration::new(seconds, stat.stx_btime.tv_nsec);
    std::time::SystemTime::UNIX_EPOCH.checked_add(since)
}

/// The canonical path of an open object, as the kernel knows it.
///
/// # Errors
/// What `readlink(2)` on `/proc/self/fd` says; `ENOENT` for an object that has been
/// unlinked.
pub fn path_of(fd: BorrowedFd<'_>) -> Result<PathBuf, SysError> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let path = std::fs::read_link(link).named("readlink")?;
    if !path.is_absolute() || path.as_os_str().as_bytes().ends_with(b" (deleted)") {
        // A file may really be called so; then it stands at that path.
        let real = identity_of(&path)?.map(|i| (i.device, i.inode));
        let open = identity(fd)?;
        if real != Some((open.device, open.inode)) {
            return Err(SysError::new("readlink", libc::ENOENT));
        }
    }
    Ok(path)
}

/// What an open file holds, at the same offset, in memory that nobody changes any more. It stands for no file: its mode and
/// times are its own.
///
/// # Errors
/// `EFBIG` where it is longer than `most` bytes; what `memfd_create(2)`, `pread(2)` and `write(2)` say.
pub fn sealed_copy(fd: BorrowedFd<'_>, most: u64) -> Result<OwnedFd, SysError> {
    let too_long = || SysError::new("pread", Errno::FBIG.raw_os_error());
    let length = rustix::fs::fstat(fd).named("fstat")?.st_size;
    if u64::try_from(length).is_ok_and(|length| length > most) {
        return Err(too_long());
    }
    let copy = rustix::fs::memfd_create(
        c"ringfence-copy",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )
    .named("memfd_create")?;
    let mut buffer = vec![0; 1 << 16];
    let mut copied = 0;
    loop {
        let read = match rustix::io::pread(fd, &mut buffer, copied) {
            Err(Errno::INTR) => continue,
            read => read.named("pread")?,
        };
        if read == 0 {
            break;
        }
        copied += read as u64;
        if copied > most {
            return Err(too_long());
        }
        let mut rest = buffer.get(..read).unwrap_or_default();
        while !rest.is_empty() {
            let written = match rustix::io::write(&copy, rest) {
                Err(Errno::INTR) => continue,
                written => written.named("write")?,
            };
            rest = rest.get(written..).unwrap_or_default();
        }
    }
    rustix::fs::seek(&copy, SeekFrom::Start(offset(fd).unwrap_or(0))).named("lseek")?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&copy, seals).named("fcntl")?;
    Ok(copy)
}

/// The offset of an open file; `None` where it has none.
#[must_use]
pub fn offset(fd: BorrowedFd<'_>) -> Option<u64> {
    rustix::fs::tell(fd).ok()
}

/// Whether a descriptor is open for reading, and for writing.
///
/// # Errors
/// What `fcntl(2)` says.
pub fn access_of(fd: BorrowedFd<'_>) -> Result<(bool, bool), SysError> {
    let flags = rustix::fs::fcntl_getfl(fd).named("fcntl")?;
    let mode = flags & OFlags::RWMODE;
    Ok((mode != OFlags::WRONLY, mode != OFlags::RDONLY))
}
