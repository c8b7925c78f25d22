//! What a command changed in a git directory, and the links in it: git makes none, and writes through any.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{is_git_dir, listed};

/// Directories looked at in one git directory at most: refs may have one for each part of a branch's name.
const MOST: usize = 16 * 1024;

/// What was made in a git directory since a time.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Links, from there.
    pub(super) links: Vec<PathBuf>,
    /// Anything was made, renamed or removed in it, or an index written.
    pub(super) changed: bool,
    /// Not all of it was looked at.
    pub(super) beyond: bool,
    /// Git directories in it that are no submodules': a remote may name one.
    pub(super) inner: Vec<PathBuf>,
}

/// Where a look is: what lies below a directory that was moved there has its own times from before.
struct Place {
    below: PathBuf,
    up_changed: bool,
    moved: bool,
}

pub(super) fn written(git: &Path, since: SystemTime) -> Written {
    let mut seen = Written::default();
    let mut todo = vec![Place {
        below: PathBuf::new(),
        up_changed: false,
        moved: false,
    }];
    let mut left = MOST;
    while let Some(place) = todo.pop() {
        let dir = git.join(&place.below);
        let Ok(meta) = std::fs::symlink_metadata(&dir) else {
            continue;
        };
        if !meta.is_dir() {
            continue;
        }
        let changed = changed_since(&meta, since);
        let moved = place.moved || changed && place.up_changed;
        seen.changed |= changed;
        let has = |part: &str| place.below.iter().any(|name| name == part);
        // Branches and their logs have whatever names a command likes.
        let named_by_branches = has("refs") || has("logs");
        // No directory is in it, and nothing new. A file system that does not count them says 1.
        let is_leaf = meta.nlink() == 2 && !has("worktrees") && !has("modules");
        let is_top = place.below.as_os_str().is_empty();
        if is_leaf && !is_top && !changed && !moved {
            continue;
        }
        if left == 0 {
            seen.beyond = true;
            break;
        }
        left -= 1;
        let entries = listed(&dir, &mut Vec::new());
        let has_head = entries.iter().any(|entry| entry.file_name() == "HEAD");
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let is_new =
                || std::fs::symlink_metadata(&path).is_ok_and(|meta| changed_since(&meta, since));
            if kind.is_symlink() {
                if (moved || is_new()) && !is_branch(&path, &name) {
                    seen.links.push(place.below.join(&name));
                }
            } else if kind.is_dir() {
                // As many as there are first bytes of objects' names: only git's own two are of interest.
                let store = name == "objects" && has_head && !named_by_branches;
                let below = place.below.join(&name);
                let more = ["info", "pack"].map(|own| below.join(own));
                let more = more.into_iter().filter(|_| store);
                for below in more.chain((!store).then_some(below)) {
                    todo.push(Place {
                        below,
                        up_changed: changed,
                        moved,
                    });
                }
                if store {
                    seen.store(git, &place.below.join(&name), moved, since);
                }
                let gits = name == "modules" || place.below == Path::new("worktrees");
                if changed && !gits && !has("modules") && is_git_dir(&path) {
                    seen.inner.push(path);
                }
            } else if name == "index" || name.as_bytes().starts_with(SHARED) {
                // It may be written in place.
                seen.changed |= is_new();
            }
        }
    }
    seen
}

impl Written {
    /// Links in a directory of objects.
    fn store(&mut self, git: &Path, below: &Path, moved: bool, since: SystemTime) {
        let dir = git.join(below);
        let Ok(meta) = std::fs::symlink_metadata(&dir) else {
            return;
        };
        let changed = changed_since(&meta, since);
        self.changed |= changed;
        if !changed && !moved {
            return;
        }
        for entry in listed(&dir, &mut Vec::new()) {
            let is_new = |meta: Metadata| moved || changed_since(&meta, since);
            if entry.file_type().is_ok_and(|kind| kind.is_symlink())
                && std::fs::symlink_metadata(entry.path()).is_ok_and(is_new)
            {
                self.links.push(below.join(entry.file_name()));
            }
        }
    }
}

/// Most of an index may lie beside it (`git-update-index(1)`, Split index).
pub(super) const SHARED: &[u8] = b"sharedindex.";

/// A link that stands for a branch, as git had them once: it leads into the git directory, by names.
fn is_branch(path: &Path, name: &OsStr) -> bool {
    let by_names = |to: PathBuf| {
        to.starts_with("refs") && to.components().all(|c| matches!(c, Component::Normal(_)))
    };
    name == "HEAD" && std::fs::read_link(path).is_ok_and(by_names)
}

/// By the kernel's word, which no command can change as it can the time of modification.
/// What the kernel writes there is the time of its last tick, at most 10 ms old; some file systems
/// keep whole seconds, or two.
pub(super) fn changed_since(meta: &Metadata, time: SystemTime) -> bool {
    let seconds = u64::try_from(meta.ctime()).unwrap_or(0);
    let nanoseconds = u32::try_from(meta.ctime_nsec()).unwrap_or(0);
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    let behind = if nanoseconds == 0 {
        Duration::from_secs(2)
    } else {
        Duration::from_millis(100)
    };
    changed + behind >= time
}
