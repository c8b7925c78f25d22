//! Where paths lead, link by link: what stands on the way is guarded, and what is missing watched for.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use ringfence_plan::Guarded;
use ringfence_sys_linux::object::{self, Identity};
use rustix::fs::FileType;
use rustix::io::Errno;

use super::Guards;
use crate::locate::located;

/// Links followed on one way, as many as the kernel follows (`path_resolution(7)`).
const LINKS: u32 = 40;

impl Guards<'_> {
    /// Guards what a path leads to, wherever in the write roots that lies: each link on the
    /// way, which could be pointed elsewhere, and what stands at the end, or the name that
    /// is missing there.
    ///
    /// `from` is what the path serves; a directory that holds it is not taken from the
    /// command as a whole.
    pub(crate) fn lead(&mut self, path: &Path, from: &Path, promise: &'static str) {
        let (here, rest) = self.start_of(path);
        self.trail(here, rest, from, promise);
    }

    /// Where the way to a path begins, and what is left of it. A write root's path is canonical: no need to start further up.
    fn start_of<'p>(&self, path: &'p Path) -> (PathBuf, &'p Path) {
        let root = self.roots.above(path);
        match root.map(|root| (root, path.strip_prefix(root))) {
            Some((root, Ok(rest))) => (root.clone(), rest),
            _ => (PathBuf::from("/"), path),
        }
    }

    /// The same for the way to a directory alone, of which more is said elsewhere.
    pub(crate) fn way(&mut self, path: &Path, promise: &'static str) {
        let (here, rest) = self.start_of(path);
        if let Some((here, identity)) = self.ways(here, rest, promise)
            && !identity.is_dir()
            && !self.is_sealed(&here)
            && let Some(pins) = self.pins(&here)
        {
            self.object(pins, located(here, &identity), &identity, promise);
        }
    }

    /// As [`lead`](Guards::lead) for a path that starts at a directory's canonical path.
    pub(super) fn trail(&mut self, here: PathBuf, path: &Path, from: &Path, promise: &'static str) {
        let Some((here, identity)) = self.ways(here, path, promise) else {
            return;
        };
        if self.is_sealed(&here) {
            return;
        }
        if from.starts_with(&here) {
            if self.roots.above(&here).is_some() {
                self.doubt(
                    promise,
                    format!(
                        "writable, since the work goes on in it: {}, to which a protected name \
                         of {} leads",
                        here.display(),
                        from.display()
                    ),
                );
            }
            return;
        }
        // A write root that is what is led to, or a part of it: nothing of it is writable then.
        let roots = self.roots;
        for root in roots.within(&here) {
            if let Err(error) = self.whole(root, promise) {
                self.give_up(
                    promise,
                    format!("{} cannot be protected: {error}", root.display()),
                );
            }
        }
        if let Some(pins) = self.pins(&here) {
            self.object(pins, located(here, &identity), &identity, promise);
        }
    }

    /// Guards each link on a way, and a directory on it that is closed now; watches for what is missing. What stands at its end.
    fn ways(
        &mut self,
        mut here: PathBuf,
        path: &Path,
        promise: &'static str,
    ) -> Option<(PathBuf, Identity)> {
        // The next one last.
        let mut todo: Vec<OsString> = Vec::new();
        let mut links = 0;
        queue(&mut todo, path);
        if path.is_absolute() {
            here = PathBuf::from("/");
        }
        while let Some(name) = todo.pop() {
            if name == ".." {
                here.pop();
                continue;
            }
            let path = here.join(&name);
            let identity = match object::identity_of(&path) {
                Ok(Some(identity)) => identity,
                Ok(None) => {
                    self.lack(&here, &name, &todo);
                    return None;
                }
                // Where this user cannot look now, no program of theirs is led to; a command could let them look, by mode, and
                // make there what it likes.
                Err(error) => {
                    if error.errno == Errno::ACCESS.raw_os_error()
                        && let Ok(Some(identity)) = object::identity_of(&here)
                        && let Some(pins) = self.pins(&here)
                        && !self.is_sealed(&here)
                    {
                        self.object(pins, located(here, &identity), &identity, promise);
                    }
                    return None;
                }
            };
            let at = located(path, &identity);
            if identity.kind() == FileType::Symlink {
                links += 1;
                if at.path.starts_with("/proc") {
                    let what = "writable, if a link through /proc leads to it: that leads each program somewhere else";
                    self.doubt(promise, what.to_owned());
                }
                let Ok(target) = std::fs::read_link(&at.path) else {
                    return None;
                };
                if links > LINKS {
                    return None;
                }
                if !self.is_sealed(&at.path)
                    && let Some(pins) = self.pins(&at.path)
                {
                    self.guarded.push(Guarded {
                        pins,
                        object: at,
                        promise,
                    });
                }
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                queue(&mut todo, &target);
                continue;
            }
            here = at.path;
            if !identity.is_dir() {
                // A file in the way of the rest must not be swapped for a directory.
                break;
            }
        }
        let identity = object::identity_of(&here).ok().flatten()?;
        Some((here, identity))
    }

    /// Watches for a name that a path leads to and that is missing.
    fn lack(&mut self, here: &Path, name: &OsStr, todo: &[OsString]) {
        let Some(root) = self.roots.above(here) else {
            return;
        };
        let (Ok(Some(identity)), Some(pins)) = (object::identity_of(root), self.chain(here)) else {
            return;
        };
        let mut relative = here.strip_prefix(root).unwrap_or(here).join(name);
        // Where a way goes on up from what does not exist, what appears there says where it
        // leads: nothing may.
        if !todo.iter().any(|name| name == "..") {
            relative.extend(todo.iter().rev());
        }
        self.lacks(&located(root, &identity), pins, relative, true);
    }
}

/// Puts a path's components on a stack, its first on top.
fn queue(todo: &mut Vec<OsString>, path: &Path) {
    let names = path.components().rev().filter_map(|c| match c {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    todo.extend(names);
}
