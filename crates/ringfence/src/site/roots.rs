//! Write roots: which may be one, and what is guarded in them.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ringfence_plan::{Doubt, Root, promise};
use ringfence_policy::Protect;
use rustix::fs::FileType;

use super::guard::Guards;
use super::{Asked, index, repository};
use crate::error::Error;
use crate::locate::{Found, follow, trail};

/// Paths that would make a write root as wide as the machine or the person.
pub(crate) fn too_wide(path: &Path, home: Option<&Path>) -> Option<&'static str> {
    if path == Path::new("/") {
        return Some("is the root of the file system; name the directory you work in");
    }
    if let Some(home) = home {
        if path == home {
            return Some(
                "is your home directory, with your keys and shell startup files; name a \
                 directory below it",
            );
        }
        if home.starts_with(path) {
            return Some("contains your home directory; name the directory you work in");
        }
    }
    const SYSTEM: [&str; 14] = [
        "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys",
        "/tmp", "/usr", "/var", "/var/tmp",
    ];
    if SYSTEM.iter().any(|dir| path == Path::new(dir)) {
        return Some("belongs to the system; name a directory of your own");
    }
    None
}

fn unprintable(path: &Path) -> bool {
    path.to_str()
        .is_none_or(|text| text.chars().any(char::is_control))
}

pub(super) fn workspace(path: &Path, home: Option<&Path>) -> Result<Found, Error> {
    let fail = |why| Error::Workspace {
        path: PathBuf::from(path.to_string_lossy().escape_debug().to_string()),
        why,
    };
    if unprintable(path) {
        return Err(fail(
            "has a control character or is not UTF-8 in its name; rename it",
        ));
    }
    let found = follow(path).map_err(|e| {
        fail(match std::io::Error::from_raw_os_error(e.errno).kind() {
            std::io::ErrorKind::NotFound => "does not exist; make it or name another",
            std::io::ErrorKind::PermissionDenied => "cannot be entered; name another",
            _ => "cannot be opened; name another",
        })
    })?;
    if !found.identity.is_dir() {
        return Err(fail("is not a directory; name the directory it lies in"));
    }
    if unprintable(&found.at.path) {
        return Err(fail(
            "has a control character or is not UTF-8 in its name; rename it",
        ));
    }
    let real_home = home.and_then(|h| follow(h).ok()).map(|f| f.at.path);
    match too_wide(&found.at.path, real_home.as_deref()) {
        Some(why) => Err(fail(why)),
        None => Ok(found),
    }
}

pub(super) fn write_root(path: &Path, origin: &str, home: Option<&Path>) -> Result<Found, Error> {
    let fail = |why| Error::WriteRoot {
        path: PathBuf::from(path.to_string_lossy().escape_debug().to_string()),
        origin: origin.to_owned(),
        why,
    };
    let found = follow(path).map_err(|e| {
        fail(match std::io::Error::from_raw_os_error(e.errno).kind() {
            std::io::ErrorKind::NotFound => "does not exist; make it first or remove the entry",
            _ => "cannot be opened; mend or remove the entry",
        })
    })?;
    if unprintable(&found.at.path) {
        return Err(fail(
            "has a control character or is not UTF-8 in its name; rename it",
        ));
    }
    match found.identity.kind() {
        FileType::Directory | FileType::RegularFile => {}
        _ => return Err(fail("is neither a directory nor a regular file")),
    }
    let real_home = home.and_then(|h| follow(h).ok()).map(|f| f.at.path);
    match too_wide(&found.at.path, real_home.as_deref()) {
        Some(why) => Err(fail(why)),
        None => Ok(found),
    }
}

/// A directory that becomes writable as a whole, and the write roots inside of it.
#[derive(Debug)]
pub(super) struct Top {
    pub(super) found: Found,
    /// Relative to it. They are writable with it, and what is protected in a write root is
    /// protected in each of them: `--write ..` must not open the workspace's own files.
    pub(super) inner: Vec<PathBuf>,
}

/// Write roots that lie in no other, in the order they were asked for.
pub(super) fn tops(wanted: Vec<Found>) -> Vec<Top> {
    let paths: Vec<PathBuf> = wanted.iter().map(|found| found.at.path.clone()).collect();
    let mut tops: Vec<Top> = Vec::new();
    let mut inside = Vec::new();
    for found in wanted {
        let path = &found.at.path;
        if tops.iter().any(|top| top.found.at.path == *path) {
            continue;
        }
        if paths.iter().any(|p| p != path && path.starts_with(p)) {
            inside.push(found.at);
        } else {
            tops.push(Top {
                found,
                inner: Vec::new(),
            });
        }
    }
    for at in inside.into_iter().filter(|at| at.dir) {
        for top in &mut tops {
            if let Ok(below) = at.path.strip_prefix(&top.found.at.path)
                && !top.inner.iter().any(|known| known == below)
            {
                top.inner.push(below.to_owned());
            }
        }
    }
    tops
}

pub(super) fn guard(
    top: &Top,
    asked: &Asked<'_>,
    roots: &[PathBuf],
    walked: &mut Vec<(PathBuf, index::Walked)>,
    doubts: &mut Vec<Doubt>,
) -> Result<Root, Error> {
    let root = &top.found;
    let mut guards = Guards::new(roots);
    if root.at.dir {
        for entry in &asked.policy.protect {
            let built_in = entry.origin.layer == ringfence_policy::Layer::Builtin;
            let promise = if built_in {
                promise::PROTECT_WORKSPACE
            } else {
                promise::PROTECT_PATHS
            };
            let fail = |path: &Path, error| Error::Path {
                path: path.to_owned(),
                origin: entry.origin.to_string(),
                error,
            };
            match &entry.value {
                Protect::Relative(path) => {
                    for relative in top.starts().map(|start| start.join(path)) {
                        guards
                            .add(root.handle.as_fd(), &root.at, &relative, promise)
                            .map_err(|error| fail(&root.at.path.join(&relative), error))?;
                    }
                }
                // Wherever it leads: what ends in no write root is read-only with
                // everything else, but not the links in one that lead there.
                Protect::Absolute(path) => {
                    guards
                        .reach(path, promise)
                        .map_err(|error| fail(path, error))?;
                    let above = trail(path).is_ok_and(|t| root.at.path.starts_with(&t.end));
                    if above {
                        guards
                            .whole(&root.at.path, promise)
                            .map_err(|error| fail(path, error))?;
                    }
                }
            }
        }
        walked.extend(repository::guard(&mut guards, top, asked));
    }
    own_programs(&mut guards, root);
    doubts.append(&mut guards.doubts());
    let (guarded, missing) = guards.finish();
    Ok(Root {
        at: root.at.clone(),
        inner: top.inner.iter().map(|i| root.at.path.join(i)).collect(),
        guarded,
        missing,
    })
}

impl Top {
    /// Every write root of it, itself first, relative to it.
    pub(super) fn starts(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(Path::new("")).chain(self.inner.iter().map(PathBuf::as_path))
    }
}

/// Ringfence run from a checkout lies in the workspace: the next ring is built by what
/// lies there.
fn own_programs(guards: &mut Guards<'_>, root: &Found) {
    let Ok(own) = std::env::current_exe() else {
        return;
    };
    let Some(dir) = own.parent() else { return };
    for name in ["ringfence", "ringfence-runner", "ringfence-probe"] {
        if let Ok(relative) = dir.join(name).strip_prefix(&root.at.path) {
            // One that does not exist need not: whoever makes it is asked for nothing.
            let _absent = guards.add_existing(
                root.handle.as_fd(),
                &root.at,
                relative,
                promise::PROTECT_OWN,
            );
        }
    }
}
