//! Where repositories stand in a write root.
//!
//! Looking takes a walk, and a walk grows with the tree; a command must not. So a root is
//! walked whole on its first use, what was found is kept in the user's state, and a
//! longer command is walked along with at idle priority. What is found then is protected
//! in the living ring, and known the next time.

use std::collections::BTreeSet;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::careful;
use crate::error::Error;
use crate::mounts;
use crate::state::State;

/// First line of the file; another version is made anew.
const HEADER: &[u8] = b"ringfence repositories 1";

/// A longer one is not believed, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

fn file(state: &State, root: &Path) -> PathBuf {
    state.workspace(root).join("repositories")
}

/// What a walk found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Repositories, relative to the root.
    pub(crate) found: Vec<PathBuf>,
    /// Directories that could not be read, relative to the root. What was known below
    /// them stays known: whoever owns them can make them readable again.
    pub(crate) unread: Vec<PathBuf>,
    /// It was not stopped before the end.
    pub(crate) whole: bool,
}

/// Repositories below a root (not its own), relative to it, and the walk if one was
/// needed.
pub(crate) fn repositories(root: &Path, state: Option<&State>) -> (Vec<PathBuf>, Option<Walked>) {
    match state.and_then(|state| load(state, root)) {
        Some(known) => (known, None),
        None => {
            let walked = walk(root, &AtomicBool::new(false));
            let all = walked.found.iter().chain(&walked.unread).cloned();
            (all.collect(), Some(walked))
        }
    }
}

fn load(state: &State, root: &Path) -> Option<Vec<PathBuf>> {
    let bytes = careful::read(&file(state, root), LONGEST).ok()?;
    let mut entries = bytes.split(|b| *b == 0);
    if entries.next() != Some(HEADER) || entries.next_back() != Some(b"end") {
        return None;
    }
    Some(
        entries
            .map(|e| PathBuf::from(std::ffi::OsString::from_vec(e.to_vec())))
            .collect(),
    )
}

/// Keeps what was found, NUL-separated since no path has a NUL.
pub(crate) fn save(state: &State, root: &Path, walked: &Walked) -> Result<(), Error> {
    // Directories that could not be read may hold repositories themselves, and are looked at
    // as if they did.
    let mut found: BTreeSet<PathBuf> = walked.found.iter().chain(&walked.unread).cloned().collect();
    // One that is known stays so as long as there is its directory: what makes a repository
    // of it can be moved out of the way while it is looked for.
    let known = load(state, root);
    let still = known.iter().flatten().filter(|path| {
        walked.unread.iter().any(|dir| path.starts_with(dir))
            || root.join(path).symlink_metadata().is_ok_and(|m| m.is_dir())
    });
    found.extend(still.cloned());
    // Most walks find what is known: to write that takes a disk longer than the walk.
    if known.is_some_and(|known| known.iter().eq(&found)) {
        return Ok(());
    }
    let mut bytes = HEADER.to_vec();
    for path in found {
        bytes.push(0);
        bytes.extend_from_slice(path.as_os_str().as_bytes());
    }
    bytes.extend_from_slice(b"\0end");
    state.write(&file(state, root), &bytes)
}

/// Walks a tree for repositories: directories with a `.git`, and bare ones.
pub(crate) fn walk(root: &Path, stop: &AtomicBool) -> Walked {
    let mut walked = Walked::default();
    let mut dirs = vec![root.to_owned()];
    // No work has a repository there, and the ring covers it.
    let mounts = mounts::all().unwrap_or_default();
    let roots = [root.to_owned()];
    let kernels: Vec<&Path> = mounts::of_the_kernel(&mounts, &roots).collect();
    while let Some(dir) = dirs.pop() {
        if stop.load(Ordering::Relaxed) {
            return walked;
        }
        let relative = dir.strip_prefix(root).unwrap_or(&dir).to_owned();
        let Ok(entries) = std::fs::read_dir(&dir) else {
            walked.unread.push(relative);
            continue;
        };
        let mut repository = false;
        // What a bare repository has at its top.
        let (mut head, mut objects, mut refs, mut config) = (false, false, false, false);
        // In place of its own objects and refs.
        let mut common = false;
        for entry in entries {
            let Ok(entry) = entry else {
                walked.unread.push(relative.clone());
                break;
            };
            let name = entry.file_name();
            if name == ".git" {
                repository = true;
                continue;
            }
            head |= name == "HEAD";
            objects |= name == "objects";
            refs |= name == "refs";
            config |= name == "config";
            common |= name == "commondir";
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                let path = entry.path();
                if !kernels.contains(&path.as_path()) {
                    dirs.push(path);
                }
            }
        }
        // Any one of these can be renamed away, and back when it is of use.
        let bare = (head && (objects && refs || common))
            || (config && super::repository::is_git_dir(&dir));
        if (repository || bare) && dir != root {
            walked.found.push(relative);
        }
    }
    walked.found.sort();
    walked.whole = true;
    walked
}
