//! A ring that stands: mended where something was replaced from outside, and made wider by grants.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringfence_ops::linux::Located;
use ringfence_sys_linux::mount::{self, Attributes};
use ringfence_sys_linux::{SysError, object};
use ringfence_wire::{Names, Widening};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Ring, protect, ruleset_of, seal};
use crate::files::{HARMLESS, IDENTITY, SEALED, make_mount_point_below, open_verified, same};

impl Ring {
    /// Something is protected. A directory keeps its mount: nobody replaces it by renaming.
    pub(crate) fn remember(&mut self, protected: &Located) {
        if !protected.dir {
            self.protected.push(protected.path.clone());
        }
    }

    /// Protects and covers again what was replaced from outside since the ring stands, before another
    /// command sees it. Where no mount has gone that is one question to the kernel, however much is
    /// protected.
    pub(crate) fn mend(&mut self) -> Result<(), SysError> {
        if !self.mounts_have_changed() {
            return Ok(());
        }
        let there = |path: &Path| match object::open_exact(path) {
            Ok(handle) => Ok(Some(handle)),
            // Gone: there is nothing to protect. Another kind of object in its place is an error, with
            // which no command is started: it cannot be what was protected.
            Err(e)
                if [Errno::NOENT, Errno::NOTDIR]
                    .map(Errno::raw_os_error)
                    .contains(&e.errno) =>
            {
                Ok(None)
            }
            Err(e) => Err(e),
        };
        for path in &self.protected {
            again_where_it_went(|| {
                if let Some(handle) = there(path)?
                    && !mount::is_read_only(handle.as_fd())?
                {
                    seal(&handle)?;
                }
                Ok(())
            })?;
        }
        if let Some(files) = &mut self.files
            && !self.covered.is_empty()
        {
            let cover = device_of_covers()?;
            for path in &self.covered {
                again_where_it_went(|| {
                    if let Some(handle) = there(path)?
                        && object::identity(handle.as_fd())?.device != cover
                    {
                        let nothing = files.nothing(false)?;
                        mount::attach(nothing.as_fd(), handle.as_fd())?;
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Whether a mount has come or gone since this was last asked (`poll(2)` of `proc_pid_mountinfo(5)`). Where
    /// that cannot be known, yes.
    fn mounts_have_changed(&mut self) -> bool {
        let Some(mounts) = &self.mounts else {
            // From here on it tells; what went before is looked for.
            self.mounts = File::open("/proc/self/mountinfo").ok();
            return true;
        };
        let mut fds = [PollFd::new(mounts, PollFlags::PRI)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        !matches!(poll(&mut fds, Some(&now)), Ok(0))
    }

    /// Makes a ring that stands wider: what is done last is what makes it so, and until then nothing
    /// is. Also gives why names are not watched.
    pub(crate) fn widen(&mut self, widening: Widening) -> (Result<(), SysError>, Option<SysError>) {
        let mut unwatched = None;
        let done = self.try_widen(widening, &mut unwatched);
        (done, unwatched)
    }

    /// A socket that lies under a directory of the ring's own, and where in that it is put; nothing where it
    /// is seen already. Until it is put there only an empty file is made.
    fn socket(&self, at: &Located) -> Result<Option<LetIn>, SysError> {
        let under = self
            .under
            .iter()
            .find_map(|under| Some((under, at.path.strip_prefix(&under.path).ok()?)));
        let Some((under, below)) = under else {
            let seen = object::open_exact(&at.path)?;
            return same(&seen, at).map(|()| None);
        };
        let handle = object::open_below(under.handle.as_fd(), below)?;
        same(&handle, at)?;
        let tree = mount::clone_tree(handle.as_fd(), false)?;
        mount::set(tree.as_fd(), SEALED, false)?;
        let own = object::open_exact(&under.path)?;
        // The same directory, writable, that nobody else sees.
        let inside = match under.sealed {
            true => &writable_clone(&own, false)?,
            false => &own,
        };
        make_mount_point_below(inside.as_fd(), below)?;
        Ok(Some(LetIn {
            tree,
            own,
            below: below.to_owned(),
        }))
    }

    fn try_widen(
        &mut self,
        widening: Widening,
        unwatched: &mut Option<SysError>,
    ) -> Result<(), SysError> {
        let Widening {
            write,
            objects,
            pins,
            watch,
            reveal,
            sockets,
            landlock,
        } = widening;
        // What can be found to be otherwise than planned is found before anything is changed.
        let root = write.as_ref().map(open_verified).transpose()?;
        for object in &objects {
            open_verified(object)?;
        }
        let pins = pins
            .iter()
            .map(open_verified)
            .collect::<Result<Vec<_>, _>>()?;
        let _can_be_had = landlock.as_ref().map(ruleset_of).transpose()?;
        let covers = reveal.iter().map(cover_at).collect::<Result<Vec<_>, _>>()?;
        let sockets = sockets
            .iter()
            .map(|socket| self.socket(socket))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(handle) = &root {
            // Inside out, while all of it is read-only still: each clone has what is in it, and at no
            // moment is something writable that is to be protected.
            for object in &objects {
                protect(object)?;
                self.remember(object);
            }
            for pinned in pins.iter().rev() {
                writable(pinned)?;
            }
            writable(handle)?;
            // Afterwards: what appears is taken away by the writable mount.
            for Names { dir, names } in watch {
                if let Err(error) = self.keeper.watch(&dir, names) {
                    *unwatched = Some(error);
                }
            }
        }
        for (cover, at) in covers.iter().zip(&reveal) {
            mount::take_away(cover.as_fd())?;
            self.covered.retain(|path| *path != at.path);
        }
        for socket in sockets.iter().flatten() {
            socket.attach()?;
        }
        // Once more: what a rule is for is another object by now, where it was covered.
        if let Some(ruleset) = landlock.as_ref().map(ruleset_of).transpose()? {
            self.restrictions = Arc::new(self.restrictions.with_landlock(ruleset));
        }
        Ok(())
    }
}

/// Once more, where what was found had lost its name before something was mounted on it (`ENOENT`): whoever
/// writes configuration outside, as git does, puts one file in another's place at any moment.
fn again_where_it_went(mut mended: impl FnMut() -> Result<(), SysError>) -> Result<(), SysError> {
    const TRIES: usize = 1000;
    let mut done = mended();
    for _ in 1..TRIES {
        match done {
            Err(e) if e.errno == Errno::NOENT.raw_os_error() => done = mended(),
            _ => break,
        }
    }
    done
}

/// A socket that is to be seen in a directory that the ring covers.
struct LetIn {
    tree: OwnedFd,
    /// The directory.
    own: OwnedFd,
    below: PathBuf,
}

impl LetIn {
    fn attach(&self) -> Result<(), SysError> {
        let there = || object::open_below(self.own.as_fd(), &self.below);
        let onto = there()?;
        match mount::attach(self.tree.as_fd(), onto.as_fd()) {
            // One that was let in before stands there, and its service has started again since: on what has
            // no name any more nothing can be mounted.
            Err(e) if e.errno == Errno::NOENT.raw_os_error() => {
                mount::take_away(onto.as_fd())?;
                mount::attach(self.tree.as_fd(), there()?.as_fd())
            }
            done => done,
        }
    }
}

/// Puts a writable clone of an object onto it. What is mounted below stays as it is.
fn writable(handle: &OwnedFd) -> Result<(), SysError> {
    let tree = writable_clone(handle, true)?;
    mount::attach(tree.as_fd(), handle.as_fd())
}

/// A writable clone of an object, with what is mounted below or without.
fn writable_clone(handle: &OwnedFd, recursive: bool) -> Result<OwnedFd, SysError> {
    let tree = mount::clone_tree(handle.as_fd(), recursive)?;
    let attributes = Attributes {
        read_only: Some(false),
        ..HARMLESS
    };
    mount::set(tree.as_fd(), attributes, false)?;
    Ok(tree)
}

/// What this is covered with, by this ring: an object of its own, in `/dev`.
fn cover_at(at: &Located) -> Result<OwnedFd, SysError> {
    let there = object::open_exact(&at.path)?;
    if object::identity(there.as_fd())?.device == device_of_covers()? {
        Ok(there)
    } else {
        Err(SysError {
            call: IDENTITY,
            errno: Errno::STALE.raw_os_error(),
        })
    }
}

/// The device of what this ring covers with.
fn device_of_covers() -> Result<u64, SysError> {
    let dev = object::open_exact(Path::new("/dev"))?;
    Ok(object::identity(dev.as_fd())?.device)
}
