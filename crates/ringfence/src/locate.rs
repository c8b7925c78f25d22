//! Names to objects, once.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use ringfence_ops::linux::Located;
use ringfence_sys_linux::object::{self, Identity};
use ringfence_sys_linux::{SysError, error::Named};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::error::Error;

/// An object that was resolved, and its open handle.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) at: Located,
    pub(crate) identity: Identity,
    pub(crate) handle: OwnedFd,
}

/// Whether it failed for want of descriptors alone.
pub(crate) fn too_few_files(error: SysError) -> bool {
    let errno = Errno::from_raw_os_error(error.errno);
    errno == Errno::MFILE || errno == Errno::NFILE
}

/// Why the current directory cannot be looked at.
pub(crate) fn no_cwd(error: SysError) -> Error {
    if too_few_files(error) {
        Error::TooFewFiles(error)
    } else {
        Error::NoCwd
    }
}

pub(crate) fn located(path: impl Into<PathBuf>, identity: &Identity) -> Located {
    Located {
        path: path.into(),
        device: identity.device,
        inode: identity.inode,
        dir: identity.is_dir(),
    }
}

/// Opens a path that has no symbolic link in it: such a path is canonical as it is written,
/// and need not be read back from the kernel, which takes longer than the opening.
pub(crate) fn straight(path: &Path) -> Result<Found, SysError> {
    let written = path
        .components()
        .all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    if !(written && path.is_absolute()) {
        return Err(SysError::new("openat2", Errno::LOOP.raw_os_error()));
    }
    let handle = object::open_without_links(path)?;
    let identity = object::identity(handle.as_fd())?;
    Ok(Found {
        at: located(path.components().collect::<PathBuf>(), &identity),
        identity,
        handle,
    })
}

/// Resolves a path, following symbolic links, to its canonical place.
pub(crate) fn follow(path: &Path) -> Result<Found, SysError> {
    if let Ok(found) = straight(path) {
        return Ok(found);
    }
    let handle = object::open_following(path)?;
    let identity = object::identity(handle.as_fd())?;
    let canonical = match object::path_of(handle.as_fd()) {
        Ok(canonical) => canonical,
        // Without /proc, the slower way.
        Err(_) => std::fs::canonicalize(path).named("realpath")?,
    };
    Ok(Found {
        at: located(canonical, &identity),
        identity,
        handle,
    })
}

/// Whether a path leads through a link of `/proc` that is another for each process (`proc_pid_cwd(5)`), or through very many: where
/// it leads another program is not known.
pub(crate) fn by_process(path: &Path) -> bool {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
    found.is_err_and(|error| error == Errno::LOOP)
}

/// Resolves what is open.
pub(crate) fn of_descriptor(fd: BorrowedFd<'_>) -> Result<Located, SysError> {
    let identity = object::identity(fd)?;
    Ok(located(object::path_of(fd)?, &identity))
}

/// Resolves the parents of a path, but not a symbolic link in its last component.
/// `None` where nothing stands there.
pub(crate) fn no_follow(path: &Path) -> Result<Option<Located>, SysError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return follow(path).map(|found| Some(found.at));
    };
    // Most entries of a default policy do not exist, and most that do have no link before
    // them: one call tells.
    match straight(path) {
        Ok(found) => return Ok(Some(found.at)),
        Err(e) if [Errno::NOENT, Errno::NOTDIR].contains(&Errno::from_raw_os_error(e.errno)) => {
            return Ok(None);
        }
        Err(_) => {}
    }
    let Some(identity) = object::identity_of(path)? else {
        return Ok(None);
    };
    let parent = follow(parent)?;
    Ok(Some(located(parent.at.path.join(name), &identity)))
}

/// What stands at a path, a link not followed; `None` for nothing. Under a name that is
/// too long nothing can stand.
pub(crate) fn look(path: &Path) -> Result<Option<Identity>, SysError> {
    match object::identity_of(path) {
        Err(e) if e.errno == Errno::NAMETOOLONG.raw_os_error() => Ok(None),
        other => other,
    }
}

/// How a path leads where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trail {
    /// Symbolic links on the way, each in its canonical place: whoever changes one changes
    /// where the path leads.
    pub(crate) links: Vec<PathBuf>,
    /// Where it leads: canonical as far as it exists, the rest as it is written.
    pub(crate) end: PathBuf,
}

/// Follows an absolute path by hand, component by component. What cannot be looked at is
/// taken as it is written: by that name nobody of this user reaches it.
pub(crate) fn trail(path: &Path) -> Result<Trail, SysError> {
    const MOST_LINKS: usize = 40;
    let mut links = Vec::new();
    let mut here = PathBuf::from("/");
    let mut rest: Vec<OsString> = parts(path);
    while let Some(name) = rest.pop() {
        if name == ".." {
            here.pop();
            continue;
        }
        here.push(&name);
        let found = match look(&here) {
            Err(e) if e.errno == Errno::ACCESS.raw_os_error() => None,
            other => other?,
        };
        let Some(identity) = found else {
            while let Some(name) = rest.pop() {
                if name == ".." {
                    here.pop();
                } else {
                    here.push(name);
                }
            }
            break;
        };
        if identity.kind() != FileType::Symlink {
            continue;
        }
        if links.len() == MOST_LINKS {
            return Err(SysError::new("readlink", Errno::LOOP.raw_os_error()));
        }
        let target = std::fs::read_link(&here).named("readlink")?;
        links.push(here.clone());
        if target.is_absolute() {
            here = PathBuf::from("/");
        } else {
            here.pop();
        }
        rest.extend(parts(&target));
    }
    Ok(Trail { links, end: here })
}

/// Names of a path, the last first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir))
        .map(|c| c.as_os_str().to_owned())
        .collect()
}
