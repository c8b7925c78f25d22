//! Walks a root: each entry, and how it stands.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::OFlags;

use ringfence_changes::Lister;

use crate::below::{self, Root};
use crate::exclude::Exclude;
use crate::state::{Kind, Stat};

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All was seen that may be.
    Whole,
    /// There is more than is looked at.
    More,
    /// It was stopped.
    Stopped,
}

/// Tells each entry below a root. Links are not followed, other filesystems not entered, directories that are excluded left
/// out, and what cannot be read passed over.
pub(crate) fn walk(
    root: &Root,
    exclude: &Exclude,
    most: usize,
    stop: &dyn Fn() -> bool,
    mut each: impl FnMut(PathBuf, Stat),
) -> Ended {
    let mut lister = Lister::new();
    let mut ahead = vec![PathBuf::new()];
    let mut seen = 0;
    while let Some(path) = ahead.pop() {
        if stop() {
            return Ended::Stopped;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let Ok(dir) = root.open_at(&path, flags) else {
            continue;
        };
        let Ok(names) = lister.names(dir.as_fd()) else {
            continue;
        };
        for name in names {
            let Ok(stat) = below::entry(dir.as_fd(), &*name) else {
                continue;
            };
            seen += 1;
            if seen > most {
                return Ended::More;
            }
            let here = path.join(OsStr::from_bytes(name.to_bytes()));
            if stat.kind == Kind::Directory {
                if stat.dev != root.stat.dev || exclude.is(&here) {
                    continue;
                }
                ahead.push(here.clone());
            }
            each(here, stat);
        }
    }
    Ended::Whole
}
