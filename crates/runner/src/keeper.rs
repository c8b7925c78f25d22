//! Protected names that do not exist: what appears under them is taken away.
//!
//! A name that does not exist cannot be made a mount point, and making it first would
//! leave a ghost in the user's tree. So its directory is watched, and what appears is
//! renamed aside at once: nothing is lost, and no tool finds it under the name that
//! would have it obeyed.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use ringfence_ops::linux::Located;
use ringfence_sys_linux::error::Named;
use ringfence_sys_linux::listing::Listing;
use ringfence_sys_linux::watch::Watches;
use ringfence_sys_linux::{SysError, object};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::files::open_verified;

/// Names watched at most. A plan with more is refused, or the user has accepted that.
const MOST: usize = ringfence_ops::linux::WATCHES_MOST;

/// What a renamed object's name ends in.
const ASIDE: &str = ".from-ring";

#[derive(Debug)]
struct Watched {
    /// Its number, once the watch is armed.
    watch: Option<i32>,
    /// `None` where none stands at the path any more.
    dir: Option<Rc<OwnedFd>>,
    path: Rc<Path>,
    /// It appeared under a name of the plan. What stands at its path now counts, not what
    /// once did: else a command would have descriptors held without end, until none is left
    /// to look with.
    found: bool,
    /// Path below the directory; its first component is the name that does not exist.
    rest: PathBuf,
}

/// Keeps names from appearing.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    watches: Option<Watches>,
    watched: Vec<Watched>,
    /// The paths of those that were found.
    found: HashSet<Rc<Path>>,
    /// The soft limit of descriptors that this process was given, where it has raised it.
    given: Option<Rlimit>,
    /// The limit of descriptors is not this keeper's to raise.
    fixed: bool,
    /// Directories that were too large to be read for their names, the last times. None is held open for that.
    wide: Vec<Weak<OwnedFd>>,
    sweeps: u32,
}

/// After so many sweeps a directory that was too large to be read is tried once more.
const TRIED_AGAIN: u32 = 256;

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
pub fn take_away<'a>(names: impl IntoIterator<Item = (&'a Located, &'a [PathBuf])>) -> Vec<Taken> {
    let mut keeper = Keeper {
        fixed: true,
        ..Keeper::default()
    };
    let mut taken = Vec::new();
    for (dir, names) in names {
        if let Err(error) = keeper.watch(dir, names.to_vec()) {
            taken.extend(names.iter().map(|name| Taken {
                path: dir.path.join(name),
                errno: Some(error.errno),
            }));
        }
    }
    taken.extend(keeper.sweep());
    taken
}

impl Keeper {
    /// Watches `dir` for the first component of each name.
    pub(crate) fn watch(&mut self, dir: &Located, names: Vec<PathBuf>) -> Result<(), SysError> {
        // As many as there is room for: one that does not fit takes no other with it.
        let room = MOST.saturating_sub(self.watched.len());
        let fits = names.len() <= room;
        let handle = Rc::new(self.opened(|| open_verified(dir))?);
        let path: Rc<Path> = dir.path.as_path().into();
        for rest in names.into_iter().take(room) {
            let watch = match &self.watches {
                Some(watches) => Some(watches.add(&path, is_commondir(&rest))?),
                None => None,
            };
            self.watched.push(Watched {
                watch,
                dir: Some(handle.clone()),
                path: path.clone(),
                found: false,
                rest,
            });
        }
        if fits { Ok(()) } else { Err(TOO_MANY) }
    }

    /// Opens, with more descriptors than this process was given where those do not suffice.
    pub(crate) fn opened(
        &mut self,
        open: impl Fn() -> Result<OwnedFd, SysError>,
    ) -> Result<OwnedFd, SysError> {
        match open() {
            Err(e) if e.errno == Errno::MFILE.raw_os_error() && self.raise() => open(),
            other => other,
        }
    }

    fn raise(&mut self) -> bool {
        let given = getrlimit(Resource::Nofile);
        let most = Rlimit {
            current: given.maximum,
            maximum: given.maximum,
        };
        if self.fixed || given == most || setrlimit(Resource::Nofile, most).is_err() {
            return false;
        }
        self.given.get_or_insert(given);
        true
    }

    /// Gives back what a command must inherit as the caller has it.
    pub(crate) fn before_a_command(&self) {
        if let Some(given) = self.given {
            // Lowering a soft limit is always allowed.
            let _lowered = setrlimit(Resource::Nofile, given);
        }
    }

    /// Takes it again: of what is held here already nothing more could be opened or received.
    pub(crate) fn after_a_command(&mut self) {
        if self.given.is_some() {
            // What cannot be raised is tried again where it is missed.
            let _raised = self.raise();
        }
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
            match watches.add(&watched.path, is_commondir(&watched.rest)) {
                Ok(watch) => watched.watch = Some(watch),
                // Gone by now, or something else: the name that leads there is watched.
                Err(_) if watched.found => {}
                Err(error) => return Err(error),
            }
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
        self.sweeps = self.sweeps.wrapping_add(1);
        if self.sweeps.is_multiple_of(TRIED_AGAIN) {
            self.wide.clear();
        }
        let mut listed: Option<(Rc<OwnedFd>, Option<Listing>)> = None;
        // Looking may add watches below, which are then looked at in turn.
        while index < self.watched.len() {
            if self.may_be_there(index, &mut listed) {
                self.look(index, &mut taken);
            }
            index += 1;
        }
        taken
    }

    /// Whether a name has to be looked at. A small directory is read once for all its names.
    fn may_be_there(
        &mut self,
        index: usize,
        listed: &mut Option<(Rc<OwnedFd>, Option<Listing>)>,
    ) -> bool {
        let watched = &self.watched[index];
        let (Some(dir), Some(name)) = (&watched.dir, first(&watched.rest)) else {
            return true;
        };
        // What was found is let go of where it is gone.
        if !self.found.is_empty() && self.found.contains(watched.path.join(name).as_path()) {
            return true;
        }
        let listing = match listed {
            Some((known, listing)) if Rc::ptr_eq(known, dir) => &*listing,
            other => {
                let wide = self
                    .wide
                    .iter()
                    .any(|known| known.as_ptr() == Rc::as_ptr(dir));
                // To begin reading it takes longer than to look at each name.
                let listing = if wide { None } else { Listing::of(dir.as_fd()) };
                if listing.is_none() && !wide {
                    self.wide.push(Rc::downgrade(dir));
                }
                &other.insert((dir.clone(), listing)).1
            }
        };
        listing.as_ref().is_none_or(|l| l.may_have(name.as_bytes()))
    }

    fn look(&mut self, index: usize, taken: &mut Vec<Taken>) {
        let watched = &self.watched[index];
        let Some(dir) = watched.dir.clone() else {
            return;
        };
        let mut components = watched.rest.components();
        let Some(name) = components.next().map(|c| c.as_os_str().to_owned()) else {
            return;
        };
        let below = components.as_path().to_owned();
        let path = watched.path.join(&name);
        if !below.as_os_str().is_empty() {
            match self.opened(|| object::open_at(dir.as_fd(), Path::new(&name))) {
                Ok(handle) if is_dir(&handle) => {
                    // Only what lies deeper is protected: keep an eye on this directory.
                    self.descend(path.into(), below, handle, taken);
                    return;
                }
                Err(e) if e.errno == Errno::NOENT.raw_os_error() => {
                    self.forget(&path, &below);
                    return;
                }
                // What is no directory stands in the way of one; what cannot be looked into
                // is taken away whole.
                Ok(_) | Err(_) => {}
            }
        }
        if is_gits_own(&dir, &path, &name) {
            return;
        }
        // Without opening it: that takes a descriptor, and a command may see to it that there
        // is none.
        match aside(&dir, &name) {
            Ok(false) => {}
            Ok(true) => taken.push(Taken { path, errno: None }),
            Err(error) => taken.push(Taken {
                path,
                errno: Some(error.errno),
            }),
        }
    }

    /// Watches for the rest of a name in a directory that appeared, and looks there.
    fn descend(&mut self, path: Rc<Path>, rest: PathBuf, handle: OwnedFd, taken: &mut Vec<Taken>) {
        // Several names may lie in it: one descriptor does for them.
        let held = self
            .watched
            .iter()
            .filter(|w| w.found && w.path == path)
            .find_map(|w| w.dir.as_ref().filter(|dir| same(dir, &handle)))
            .cloned();
        let index = self
            .watched
            .iter()
            .position(|w| w.found && w.path == path && w.rest == rest);
        if let (Some(index), Some(held)) = (index, &held)
            && let Some(known) = &self.watched[index].dir
            && Rc::ptr_eq(known, held)
        {
            return;
        }
        let add = |watches: &Watches| watches.add(&path, is_commondir(&rest));
        let watch = match self.watches.as_ref().map(add) {
            None => None,
            Some(Ok(watch)) => Some(watch),
            // It is looked at when the command ends, and told.
            Some(Err(error)) => {
                taken.push(Taken {
                    path: path.join(&rest),
                    errno: Some(error.errno),
                });
                None
            }
        };
        let entry = Watched {
            watch,
            dir: Some(held.unwrap_or_else(|| Rc::new(handle))),
            path,
            rest,
            found: true,
        };
        let index = match index {
            Some(index) => {
                let before = std::mem::replace(&mut self.watched[index], entry);
                self.unwatch(before.watch);
                index
            }
            None if self.watched.len() < MOST => {
                self.found.insert(entry.path.clone());
                self.watched.push(entry);
                self.watched.len() - 1
            }
            None => {
                taken.push(Taken {
                    path: entry.path.join(entry.rest),
                    errno: Some(TOO_MANY.errno),
                });
                return;
            }
        };
        self.look(index, taken);
    }

    /// Lets go of a directory that stands at its path no more.
    fn forget(&mut self, path: &Path, rest: &Path) {
        if !self.found.contains(path) {
            return;
        }
        let gone = |w: &&mut Watched| w.found && *w.path == *path && w.rest == rest;
        let Some(entry) = self.watched.iter_mut().find(gone) else {
            return;
        };
        entry.dir = None;
        let watch = entry.watch.take();
        self.unwatch(watch);
    }

    /// Ends a watch that no entry has any more.
    fn unwatch(&self, watch: Option<i32>) {
        if let (Some(watches), Some(watch)) = (&self.watches, watch)
            && !self.watched.iter().any(|w| w.watch == Some(watch))
        {
            watches.remove(watch);
        }
    }
}

const TOO_MANY: SysError = SysError {
    call: "inotify_add_watch",
    errno: Errno::NOSPC.raw_os_error(),
};

fn is_dir(handle: &OwnedFd) -> bool {
    object::identity(handle.as_fd()).is_ok_and(|i| i.is_dir())
}

/// The name by which a git directory names another, whose configuration and hooks count.
const COMMONDIR: &str = "commondir";

fn is_commondir(rest: &Path) -> bool {
    rest == Path::new(COMMONDIR)
}

/// Whether what stands there is what git itself writes: a linked worktree's `commondir`, which
/// names the repository that the worktree lies in (`gitrepository-layout(5)`). Any other
/// content is another repository's configuration and hooks.
fn is_gits_own(dir: &OwnedFd, path: &Path, name: &OsStr) -> bool {
    const OWN: &[u8] = b"../..\n";
    let linked = path
        .ancestors()
        .nth(2)
        .is_some_and(|up| up.ends_with("worktrees"));
    if name != COMMONDIR || !linked {
        return false;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(dir, name, flags, Mode::empty()) else {
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
/// have taken beforehand. Whether there was anything.
fn aside(dir: &OwnedFd, name: &OsStr) -> Result<bool, SysError> {
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
            Ok(()) => return Ok(true),
            Err(Errno::NOENT) => return Ok(false),
            Err(Errno::EXIST | Errno::NAMETOOLONG) => {}
            Err(e) => {
                // On a read-only file system the kernel says so before it looks.
                return match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => Ok(false),
                    _ => Err(e).named("renameat2"),
                };
            }
        }
    }
    Err(SysError::new("renameat2", Errno::EXIST.raw_os_error()))
}
