//! Protected names in a write root: what exists is guarded, what does not is watched.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use ringfence_ops::linux::Located;
use ringfence_plan::{Guarded, Missing};
use ringfence_sys_linux::{SysError, object};
use rustix::fs::FileType;

use crate::locate::{follow, located};

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

    pub(crate) fn finish(self) -> (Vec<Guarded>, Vec<Missing>) {
        let fixed: BTreeSet<&Path> = self
            .guarded
            .iter()
            .flat_map(|g| g.pins.iter().chain([&g.object]))
            .map(|at| at.path.as_path())
            .collect();
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
                    self.behind_link(&object.path.join(rest), promise);
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

    /// What a link leads to is protected too, where it lies in a write root.
    fn behind_link(&mut self, path: &Path, promise: &'static str) {
        let Ok(found) = follow(path) else { return };
        let Some(root) = self.roots.iter().find(|r| found.at.path.starts_with(r)) else {
            return;
        };
        self.add_found(root.clone().as_path(), &found.at, promise);
    }

    /// Guards an object by its canonical path below a root.
    pub(crate) fn add_found(&mut self, root: &Path, object: &Located, promise: &'static str) {
        let Ok(relative) = object.path.strip_prefix(root) else {
            return;
        };
        let mut pins = Vec::new();
        let mut path = root.to_owned();
        let mut components = relative.components().peekable();
        while let Some(component) = components.next() {
            path.push(component);
            if components.peek().is_none() {
                break;
            }
            match object::identity_of(&path) {
                Ok(Some(identity)) => pins.push(located(path.clone(), &identity)),
                // Gone since: then nothing stands there to be protected.
                _ => return,
            }
        }
        self.guarded.push(Guarded {
            pins,
            object: object.clone(),
            promise,
        });
    }
}
