//! Opening what lies below a root: by handle, through no link, and on the root's own filesystem.
//!
//! The tree is writable by commands at that very time. What a name led to a moment ago says nothing of what it leads to now.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::Error;
use crate::state::{ASKED, Stat};

const BELOW: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// A directory that may be written, held open.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    pub(crate) stat: Stat,
}

impl Root {
    /// Opens it; links on the way are followed, it is the caller's path.
    pub(crate) fn open(path: &Path) -> Result<Root, Error> {
        let fail = |errno: Errno| Error::Root {
            path: path.to_owned(),
            source: errno.into(),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(fail)?;
        let stat = itself(fd.as_fd()).map_err(fail)?;
        Ok(Root { fd, stat })
    }

    /// Opens something below.
    pub(crate) fn open_at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        if path.as_os_str().is_empty() {
            return rustix::fs::openat(&self.fd, c".", flags, Mode::empty());
        }
        rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), BELOW)
    }

    /// The directory that holds an entry, and the entry's name in it.
    pub(crate) fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p Path), Errno> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let above = path.parent().unwrap_or(Path::new(""));
        let dir = self.open_at(above, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
        Ok((dir, Path::new(name)))
    }

    /// A handle of whatever is there, without opening it.
    pub(crate) fn handle(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW)
    }

    /// How something below stands; `None` where nothing is.
    pub(crate) fn stat(&self, path: &Path) -> Result<Option<Stat>, Errno> {
        match self.handle(path) {
            Ok(fd) => itself(fd.as_fd()).map(Some),
            Err(errno) if is_nothing(errno) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// There is nothing below a root under a path: no such name, or no directory on the way, but perhaps a link.
pub(crate) fn is_nothing(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

/// How what a handle is of stands.
pub(crate) fn itself(fd: BorrowedFd<'_>) -> Result<Stat, Errno> {
    rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, ASKED).map(|s| Stat::from(&s))
}

/// How an entry of a directory stands; of a link, the link.
pub(crate) fn entry<P: rustix::path::Arg>(dir: BorrowedFd<'_>, name: P) -> Result<Stat, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    rustix::fs::statx(dir, name, flags, ASKED).map(|s| Stat::from(&s))
}

/// Sets permissions of what a handle is of, be it one that can do nothing else.
pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // This path is the handle: it leads to what that is of, wherever it stands now.
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::chmod(path, Mode::from_raw_mode(mode))
}

/// Reads a file to its end, up to so many bytes. One more tells that there is more.
pub(crate) fn read(file: &File, most: u64) -> std::io::Result<Vec<u8>> {
    let expected = file.metadata().map_or(0, |meta| meta.len()).min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1);
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
