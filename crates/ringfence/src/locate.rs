//! Names to objects, once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use ringfence_ops::linux::Located;
use ringfence_sys_linux::object::{self, Identity};
use ringfence_sys_linux::{SysError, error::Named};

/// An object that was resolved, and its open handle.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) at: Located,
    pub(crate) identity: Identity,
    pub(crate) handle: OwnedFd,
}

pub(crate) fn located(path: impl Into<std::path::PathBuf>, identity: &Identity) -> Located {
    Located {
        path: path.into(),
        device: identity.device,
        inode: identity.inode,
        dir: identity.is_dir(),
    }
}

/// Resolves a path, following symbolic links, to its canonical place.
pub(crate) fn follow(path: &Path) -> Result<Found, SysError> {
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

/// The same for an open descriptor.
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
    // Most entries of a default policy do not exist: ask that first, it is one call.
    let Some(identity) = object::identity_of(path)? else {
        return Ok(None);
    };
    let parent = follow(parent)?;
    Ok(Some(located(parent.at.path.join(name), &identity)))
}
