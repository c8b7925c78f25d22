//! Watching directories for names that appear (`inotify(7)`).

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags};

use crate::error::{Named, SysError};

/// Directories being watched.
#[derive(Debug)]
pub struct Watches {
    fd: OwnedFd,
}

/// A name that appeared.
#[derive(Debug)]
pub struct Appeared {
    /// The number [`Watches::add`] gave the directory.
    pub watch: i32,
    /// The name in it; empty when events were lost and everything must be looked at.
    pub name: OsString,
}

impl Watches {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// What `inotify_init1(2)` says: `EMFILE` when the user has too many.
    pub fn new() -> Result<Watches, SysError> {
        let fd = rustix::fs::inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .named("inotify_init1")?;
        Ok(Watches { fd })
    }

    /// Watches a directory for names that are made in it or moved to it, and, where `writes`
    /// asks for it, for files in it that were written.
    ///
    /// # Errors
    /// What `inotify_add_watch(2)` says: `ENOSPC` when the user has too many.
    pub fn add(&self, dir: &Path, writes: bool) -> Result<i32, SysError> {
        let mut events = WatchFlags::CREATE | WatchFlags::MOVED_TO;
        if writes {
            events |= WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
        }
        // One directory may be watched for several names.
        let how = WatchFlags::ONLYDIR | WatchFlags::MASK_ADD;
        rustix::fs::inotify::add_watch(&self.fd, dir, events | how).named("inotify_add_watch")
    }

    /// Watches a directory no more.
    pub fn remove(&self, watch: i32) {
        // Where the directory is gone, so is the watch.
        let _gone = rustix::fs::inotify::remove_watch(&self.fd, watch);
    }

    /// The descriptor to wait on for reading.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What has appeared since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<Appeared> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 8192];
        let mut reader = Reader::new(&self.fd, &mut buffer);
        let mut appeared = Vec::new();
        while let Ok(event) = reader.next() {
            // The last word about a watch that ended; nothing appeared.
            if event.events().contains(ReadFlags::IGNORED) {
                continue;
            }
            let name = event
                .file_name()
                .map(|n| OsString::from_vec(n.to_bytes().to_vec()))
                .unwrap_or_default();
            appeared.push(Appeared {
                watch: event.wd(),
                name,
            });
        }
        appeared
    }
}
