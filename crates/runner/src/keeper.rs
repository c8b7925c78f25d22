//! Protected names that do not exist: what appears under them is taken away.
//!
//! A name that does not exist cannot be made a mount point, and making it first would
//! leave a ghost in the user's tree. So its directory is watched, and what appears is
//! renamed aside at once: nothing is lost, and no tool finds it under the name that
//! would have it obeyed.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ringfence_ops::linux::Located;
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::watch::Watches;
use ringfence_sys_linux::{SysError, object};
use rustix::fs::{FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::files::open_verified;

/// Directories watched at most: far more than a plan has names, and an end to a command
/// that makes and moves such directories without end. Past it each is reported.
const MOST: usize = 4096;

/// What a renamed object's name ends in.
const ASIDE: &str = ".from-ring";

#[derive(Debug)]
struct Watched {
    /// Its number, once the watch is armed.
    watch: Option<i32>,
    dir: Rc<OwnedFd>,
    path: PathBuf,
    /// Path below the directory; its first component is the name that does not exist.
    rest: PathBuf,
}

/// Keeps names from appearing.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    watches: Option<Watches>,
    watched: Vec<Watched>,
}

/// Something that was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its path.
    pub path: PathBuf,
    /// It could not be: the kernel's error number.
    pub errno: Option<i32>,
}

/// Takes away what stands under these names, each below a directory the plan located: for
/// a harness whose runner died. As in the runner, every step is by handle and follows no
/// link, since what lies there was made by the command.
pub fn take_away<'a>(names: impl IntoIterator<Item = (&'a Located, &'a Path)>) -> Vec<Taken> {
    let mut keeper = Keeper::default();
    let mut taken = Vec::new();
    for (dir, name) in names {
        if let Err(error) = keeper.watch(dir, name) {
            taken.push(Taken {
                path: dir.path.join(name),
                errno: Some(error.errno),
            });
        }
    }
    taken.extend(keeper.sweep());
    taken
}

impl Keeper {
    /// Watches `dir` for the first component of `name`.
    pub(crate) fn watch(&mut self, dir: &Located, name: &Path) -> Result<(), SysError> {
        let known = self.watched.iter().find(|w| w.path == dir.path);
        let handle = match known {
            Some(watched) => Rc::clone(&watched.dir),
            None => Rc::new(open_verified(dir)?),
        };
        self.add(handle, dir.path.clone(), name.to_owned())
    }

    fn add(&mut self, dir: Rc<OwnedFd>, path: PathBuf, rest: PathBuf) -> Result<(), SysError> {
        if self.watched.len() >= MOST {
            return Err(SysError::new(
                "inotify_add_watch",
                Errno::NOSPC.raw_os_error(),
            ));
        }
        let watch = match &self.watches {
            Some(watches) => Some(watches.add(&path, is_commondir(&rest))?),
            None => None,
        };
        self.watched.push(Watched {
            watch,
            dir,
            path,
            rest,
        });
        Ok(())
    }

    /// Names are kept by looking when the command ends, and by a watch when it takes
    /// long enough to need one.
    pub(crate) fn needs_arming(&self) -> bool {
        self.watches.is_none() && !self.watched.is_empty()
    }

    /// Watches from now on, and takes away what has appeared before.
    ///
    /// Not done at the start: the kernel takes milliseconds to let go of an inotify
    /// instance, which is more than many commands take.
    pub(crate) fn arm(&mut self) -> Result<Vec<Taken>, SysError> {
        let watches = Watches::new()?;
        for watched in &mut self.watched {
            // By path: this process is not dumpable once the ring stands, and its own
            // /proc/self/fd then closed to it. A directory swapped in between is found
            // by its handle when the command ends.
            watched.watch = Some(watches.add(&watched.path, is_commondir(&watched.rest))?);
        }
        self.watches = Some(watches);
        Ok(self.sweep())
    }

    pub(crate) fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.watches.as_ref().map(Watches::fd)
    }

    /// Takes away what has appeared.
    pub(crate) fn react(&mut self) -> Vec<Taken> {
        let Some(watches) = &self.watches else {
            return Vec::new();
        };
        let appeared = watches.take();
        // An event without a name: some were lost. Then every name is looked at.
        let all = appeared.iter().any(|a| a.name.is_empty());
        let concerned = |w: &Watched| {
            all || appeared
                .iter()
                .any(|a| Some(a.watch) == w.watch && first(&w.rest) == Some(a.name.as_os_str()))
        };
        let indices: Vec<usize> = (0..self.watched.len())
            .filter(|i| concerned(&self.watched[*i]))
            .collect();
        let mut taken = Vec::new();
        for index in indices {
            self.look(index, &mut taken);
        }
        taken
    }

    /// Looks at every name once more: for the end of a command.
    pub(crate) fn sweep(&mut self) -> Vec<Taken> {
        let mut taken = Vec::new();
        let mut index = 0;
        // Looking may add watches below, which are then looked at in turn.
        while index < self.watched.len() {
            self.look(index, &mut taken);
            index += 1;
        }
        taken
    }

    fn look(&mut self, index: usize, taken: &mut Vec<Taken>) {
        let watched = &self.watched[index];
        let mut components = watched.rest.components();
        let Some(name) = components.next().map(|c| c.as_os_str().to_owned()) else {
            return;
        };
        let below = components.as_path().to_owned();
        let path = watched.path.join(&name);
        let handle = match object::open_at(watched.dir.as_fd(), Path::new(&name)) {
            Ok(handle) => handle,
            Err(e) if e.errno == Errno::NOENT.raw_os_error() => return,
            // Something may stand there that could not be looked at.
            Err(e) => {
                taken.push(Taken {
                    path,
                    errno: Some(e.errno),
                });
                return;
            }
        };
        let is_dir = object::identity(handle.as_fd()).is_ok_and(|i| i.is_dir());
        if is_dir && !below.as_os_str().is_empty() {
            // Only what lies deeper is protected: keep an eye on this directory.
            let known = self
                .watched
                .iter()
                .any(|w| w.rest == below && same(&w.dir, &handle));
            if known {
                return;
            }
            match self.add(Rc::new(handle), path.clone(), below) {
                Ok(()) => self.look(self.watched.len() - 1, taken),
                Err(error) => taken.push(Taken {
                    path,
                    errno: Some(error.errno),
                }),
            }
            return;
        }
        if is_gits_own(watched, &name) {
            return;
        }
        let moved = aside(&watched.dir, &name);
        taken.push(Taken {
            path,
            errno: moved.err().map(|e| e.errno),
        });
    }
}

/// The name by which a git directory names another, whose configuration and hooks count.
const COMMONDIR: &str = "commondir";

fn is_commondir(rest: &Path) -> bool {
    rest == Path::new(COMMONDIR)
}

/// Whether what stands there is what git itself writes: a linked worktree's `commondir`, which
/// names the repository that the worktree lies in (`gitrepository-layout(5)`). Any other
/// content is another repository's configuration and hooks.
fn is_gits_own(watched: &Watched, name: &OsStr) -> bool {
    const OWN: &[u8] = b"../..\n";
    let linked = watched
        .path
        .parent()
        .is_some_and(|up| up.ends_with("worktrees"));
    if name != COMMONDIR || !linked {
        return false;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(&watched.dir, name, flags, Mode::empty()) else {
        return false;
    };
    let plain = rustix::fs::fstat(&file).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1
    });
    let mut bytes = [0; OWN.len() + 1];
    plain && rustix::io::read(&file, &mut bytes).is_ok_and(|n| &bytes[..n] == OWN)
}

fn same(a: &OwnedFd, b: &OwnedFd) -> bool {
    let identity = |fd: &OwnedFd| {
        object::identity(fd.as_fd())
            .map(|i| (i.device, i.inode))
            .ok()
    };
    identity(a).is_some() && identity(a) == identity(b)
}

fn first(path: &Path) -> Option<&OsStr> {
    path.components().next().map(|c| c.as_os_str())
}

/// Renames a name aside, to one that is free: the plain one, or one that nobody could
/// have taken beforehand.
fn aside(dir: &OwnedFd, name: &OsStr) -> Result<(), SysError> {
    for attempt in 0..16 {
        let mut to = OsString::from(name);
        if attempt > 0 {
            // A name may be as long as names get.
            let bytes = to.as_bytes();
            let kept = bytes.len().min(200);
            to = OsStr::from_bytes(&bytes[..kept]).to_owned();
        }
        to.push(ASIDE);
        if attempt > 0 {
            to.push(format!("-{:016x}", RandomState::new().hash_one(attempt)));
        }
        match rustix::fs::renameat_with(dir, name, dir, &to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            // Gone again: whoever made it took it away.
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::EXIST | Errno::NAMETOOLONG) => {}
            Err(e) => return Err(e).named("renameat2"),
        }
    }
    Err(SysError::new("renameat2", Errno::EXIST.raw_os_error()))
}
