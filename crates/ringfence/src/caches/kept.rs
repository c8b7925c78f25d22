//! What rings have written into caches: listed, and cleared when no ring holds it.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::careful;
use crate::error::Error;
use crate::state::State;

/// Directory of a workspace's caches in the state.
pub(super) const CACHES_DIR: &str = "caches";
/// File a ring locks as long as it uses a layer.
pub(super) const LOCK: &str = "lock";
/// File that says which workspace a directory of the state belongs to.
const NAME: &str = "path";

/// One layer that rings of a workspace wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The workspace; `None` where it is not known any more.
    pub workspace: Option<PathBuf>,
    /// The tool (`cargo`).
    pub tool: String,
    /// The variable by which the tool finds its cache (`CARGO_HOME`).
    pub variable: String,
    /// Its directory in the state.
    pub dir: PathBuf,
    /// Bytes on disk.
    pub bytes: u64,
    /// A ring that runs now has it.
    pub in_use: bool,
}

/// What became of a layer.
#[derive(Debug)]
pub enum Cleared {
    /// It is gone.
    Gone,
    /// A ring that runs now has it.
    InUse,
    /// It could not be removed.
    Failed(io::Error),
}

/// Notes which workspace a directory of the state belongs to, for people.
pub(super) fn name_workspace(state: &State, workspace: &Path) -> Result<(), Error> {
    let file = state.workspace(workspace).join(NAME);
    if std::fs::symlink_metadata(&file).is_ok() {
        return Ok(());
    }
    state.write(&file, workspace.as_os_str().as_bytes())
}

/// Every layer in the state, in the order of their directories.
///
/// # Errors
/// [`Error::State`].
pub fn kept(state: &State) -> Result<Vec<Kept>, Error> {
    let mut all = Vec::new();
    for workspace in entries(&state.dir().join("workspaces"))? {
        let name = careful::read(&workspace.join(NAME), careful::SMALL)
            .ok()
            .map(|bytes| PathBuf::from(OsString::from_vec(bytes)));
        for cache in entries(&workspace.join(CACHES_DIR))? {
            let label = cache
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let (tool, variable) = label.split_once('-').unwrap_or((&label, ""));
            for slot in entries(&cache)? {
                // A layer that was cleared leaves its lock.
                if std::fs::symlink_metadata(slot.join("upper")).is_err() {
                    continue;
                }
                let in_use = state.try_lock(&slot.join(LOCK))?.is_none();
                all.push(Kept {
                    workspace: name.clone(),
                    tool: tool.to_owned(),
                    variable: variable.to_owned(),
                    bytes: size(&slot),
                    dir: slot,
                    in_use,
                });
            }
        }
    }
    Ok(all)
}

/// Removes a layer, unless a ring has it.
///
/// # Errors
/// [`Error::State`] when the lock cannot be asked for.
pub fn clear(state: &State, kept: &Kept) -> Result<Cleared, Error> {
    let Some(_lock) = state.try_lock(&kept.dir.join(LOCK))? else {
        return Ok(Cleared::InUse);
    };
    // The lock's own file stays: a ring that opened it in between would hold a lock on a
    // file that is gone, and another ring a second one.
    for layer in ["upper", "work"] {
        match remove(&kept.dir.join(layer)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Ok(Cleared::Failed(error)),
        }
    }
    Ok(Cleared::Gone)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |error| Error::State {
        path: dir.to_owned(),
        error,
    };
    let list = match std::fs::read_dir(dir) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut paths = Vec::new();
    for entry in list {
        let entry = entry.map_err(fail)?;
        if entry.file_type().map_err(fail)?.is_dir() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Bytes on disk of a tree; what cannot be read counts nothing.
fn size(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(list) = std::fs::read_dir(&dir) else {
            continue;
        };
        for entry in list.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            bytes += meta.blocks() * 512;
            if meta.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    bytes
}

/// Removes a tree. overlayfs makes its work directory without any permission bits, and
/// Go makes its modules read-only: both are the user's own, and are opened first.
fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        other => return other,
    }
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    std::fs::remove_dir_all(dir)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Cleared, clear, kept, name_workspace};
    use crate::state::State;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    #[test]
    fn a_layer_is_listed_kept_while_locked_and_cleared_when_not() {
        let base = std::env::temp_dir().join(format!("rf-kept-{}", std::process::id()));
        let state = State::at(base.clone());
        let workspace = Path::new("/home/dev/project");
        let slot = state.workspace(workspace).join("caches/go-GOMODCACHE/0");
        let module = slot.join("upper/module");
        state.make_dir(&module).unwrap();
        state.make_dir(&slot.join("work/work")).unwrap();
        fs::write(module.join("file"), "text").unwrap();
        fs::set_permissions(&module, Permissions::from_mode(0o555)).unwrap();
        fs::set_permissions(slot.join("work/work"), Permissions::from_mode(0o000)).unwrap();
        name_workspace(&state, workspace).unwrap();

        let held = state.try_lock(&slot.join("lock")).unwrap().unwrap();
        let all = kept(&state).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].workspace.as_deref(), Some(workspace));
        assert_eq!(
            (all[0].tool.as_str(), all[0].variable.as_str()),
            ("go", "GOMODCACHE")
        );
        assert!(all[0].in_use && all[0].bytes > 0);
        assert!(matches!(clear(&state, &all[0]).unwrap(), Cleared::InUse));
        assert!(module.join("file").exists());

        drop(held);
        let all = kept(&state).unwrap();
        assert!(!all[0].in_use);
        assert!(matches!(clear(&state, &all[0]).unwrap(), Cleared::Gone));
        assert!(!slot.join("upper").exists() && !slot.join("work").exists());
        assert!(kept(&state).unwrap().is_empty());
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_state_that_was_never_made_has_nothing() {
        let state = State::at("/nonexistent/ringfence".into());
        assert!(kept(&state).unwrap().is_empty());
    }
}
