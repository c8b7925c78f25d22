//! Protected names in a write root: what exists is guarded, what does not is watched.

use std::collections::{BTreeSet, HashSet};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use ringfence_ops::linux::Located;
use ringfence_plan::{Guarded, Missing};
use ringfence_sys_linux::{SysError, object};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::locate::{located, look, trail};

/// Guards being collected for one write root.
#[derive(Debug)]
pub(crate) struct Guards<'a> {
    roots: &'a [PathBuf],
    guarded: Vec<Guarded>,
    missing: Vec<Lacking>,
}

/// A protected path of which only the beginning exists.
#[derive(Debug)]
struct Lacking {
    /// The write root and what exists below it, outermost first.
    chain: Vec<Located>,
    /// The whole path below the root.
    relative: PathBuf,
}

impl<'a> Guards<'a> {
    pub(crate) fn new(roots: &'a [PathBuf]) -> Guards<'a> {
        Guards {
            roots,
            guarded: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Each object and each name once for each promise.
    pub(crate) fn finish(mut self) -> (Vec<Guarded>, Vec<Missing>) {
        let mut seen = HashSet::new();
        self.guarded
            .retain(|g| seen.insert((g.object.path.clone(), g.promise)));
        let fixed: BTreeSet<&Path> = self
            .guarded
            .iter()
            .flat_map(|g| g.pins.iter().chain([&g.object]))
            .map(|at| at.path.as_path())
            .collect();
        let mut seen = HashSet::new();
        let missing = self
            .missing
            .into_iter()
            .filter_map(|lacking| {
                // A directory that can be moved away, and another put in its place, is no
                // place to watch: the nearest that cannot is, at worst the root itself.
                let (depth, dir) = lacking
                    .chain
                    .iter()
                    .enumerate()
                    .rev()
                    .find(|(depth, at)| *depth == 0 || fixed.contains(at.path.as_path()))?;
                Some(Missing {
                    dir: dir.clone(),
                    name: lacking.relative.components().skip(depth).collect(),
                })
            })
            .filter(|m| seen.insert((m.dir.path.clone(), m.name.clone())))
            .collect();
        (self.guarded, missing)
    }

    /// Guards a path below a write root, or watches for it.
    pub(crate) fn add(
        &mut self,
        root: BorrowedFd<'_>,
        at: &Located,
        relative: &Path,
        promise: &'static str,
    ) -> Result<(), SysError> {
        if let Some(missing) = self.walk(root, at, relative, promise)? {
            self.missing.push(missing);
        }
        Ok(())
    }

    /// Guards a path below a write root if it exists.
    pub(crate) fn add_existing(
        &mut self,
        root: BorrowedFd<'_>,
        at: &Located,
        relative: &Path,
        promise: &'static str,
    ) -> Result<(), SysError> {
        self.walk(root, at, relative, promise).map(|_| ())
    }

    fn walk(
        &mut self,
        root: BorrowedFd<'_>,
        at: &Located,
        relative: &Path,
        promise: &'static str,
    ) -> Result<Option<Lacking>, SysError> {
        let relative: PathBuf = relative
            .components()
            .filter(|c| matches!(c, Component::Normal(_)))
            .collect();
        let mut pins: Vec<Located> = Vec::new();
        let mut dir: Option<OwnedFd> = None;
        let mut here = at.clone();
        let mut components = relative.components();
        while let Some(component) = components.next() {
            let Component::Normal(name) = component else {
                continue;
            };
            let c_name = CString::new(name.as_bytes())
                .map_err(|_| SysError::new("openat", rustix::io::Errno::INVAL.raw_os_error()))?;
            let parent = dir.as_ref().map_or(root, AsFd::as_fd);
            let Some(identity) = object::identity_at(parent, &c_name)? else {
                let chain = [at.clone()].into_iter().chain(pins).collect();
                return Ok(Some(Lacking { chain, relative }));
            };
            let object = located(here.path.join(name), &identity);
            let rest = components.as_path();
            if rest.as_os_str().is_empty() || !identity.is_dir() {
                // The last component; or a link or file that stands in the way of the
                // rest, and must not be swapped for a directory.
                if identity.kind() == FileType::Symlink {
                    self.reach(&object.path.join(rest), promise)?;
                }
                self.guarded.push(Guarded {
                    pins,
                    object,
                    promise,
                });
                return Ok(None);
            }
            dir = Some(object::open_at(parent, Path::new(name))?);
            pins.push(object.clone());
            here = object;
        }
        Ok(None)
    }

    /// Guards what a path leads to, and each link by which it does, where they lie in a
    /// write root; watches for what does not exist.
    pub(crate) fn reach(&mut self, path: &Path, promise: &'static str) -> Result<(), SysError> {
        let trail = match trail(path) {
            // It leads nowhere, and what is in a write root of it is a link by itself.
            Err(e) if e.errno == Errno::LOOP.raw_os_error() => return self.place(path, promise),
            other => other?,
        };
        for link in &trail.links {
            self.place(link, promise)?;
        }
        self.place(&trail.end, promise)
    }

    /// Guards a write root itself: nothing of it is writable then.
    pub(crate) fn whole(&mut self, root: &Path, promise: &'static str) -> Result<(), SysError> {
        if let Some(identity) = look(root)? {
            self.guarded.push(Guarded {
                pins: Vec::new(),
                object: located(root, &identity),
                promise,
            });
        }
        Ok(())
    }

    /// Guards a canonical path in a write root, or watches for it.
    fn place(&mut self, path: &Path, promise: &'static str) -> Result<(), SysError> {
        let Some(root) = self.roots.iter().find(|root| path.starts_with(root)) else {
            return Ok(());
        };
        let mut pins: Vec<Located> = Vec::new();
        let mut here = root.clone();
        let relative = path.strip_prefix(root).unwrap_or(path);
        if relative.as_os_str().is_empty() {
            return self.whole(path, promise);
        }
        let mut components = relative.components();
        while let Some(component) = components.next() {
            here.push(component);
            let Some(identity) = look(&here)? else {
                // Where the write root itself is gone there is nothing to watch.
                if let Some(identity) = look(root)? {
                    let mut chain = vec![located(root, &identity)];
                    chain.append(&mut pins);
                    let relative = relative.to_owned();
                    self.missing.push(Lacking { chain, relative });
                }
                return Ok(());
            };
            let object = located(here.clone(), &identity);
            if components.as_path().as_os_str().is_empty() || !identity.is_dir() {
                self.guarded.push(Guarded {
                    pins,
                    object,
                    promise,
                });
                return Ok(());
            }
            pins.push(object);
        }
        Ok(())
    }
}
