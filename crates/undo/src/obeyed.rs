//! Names that programs outside of rings obey.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_policy::defaults::REPOSITORY_PROTECTED;

use crate::below::Root;
use crate::manifest::Step;
use crate::plan::Left;

/// Names that programs outside of rings obey: no command in a ring writes there, so that no change there is a command's, and none may
/// get there by an undo, with what commands have put into it since.
#[derive(Debug, Clone, Default)]
pub struct Obeyed {
    /// Relative to a root.
    root: Vec<PathBuf>,
    /// Relative to each repository below a root.
    repository: Vec<PathBuf>,
}

/// How names end, or go on behind, that were moved aside in a ring.
const ASIDE: &[u8] = b".from-ring";

impl Obeyed {
    /// These, relative to a root, and what git obeys in any repository.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Obeyed {
        Obeyed {
            root: paths.into_iter().collect(),
            repository: Vec::new(),
        }
    }

    /// And these in each repository that lies below a root.
    #[must_use]
    pub fn in_repositories(mut self, paths: impl IntoIterator<Item = PathBuf>) -> Obeyed {
        self.repository.extend(paths);
        self
    }

    /// The names that hold for a path, each with the path relative to what they are relative to.
    fn names<'a>(
        &'a self,
        path: &'a Path,
        repositories: &Repositories<'_>,
    ) -> Vec<(&'a [PathBuf], &'a Path)> {
        let mut all = vec![(self.root.as_slice(), path)];
        if self.repository.is_empty() {
            return all;
        }
        for above in path.ancestors().skip(1) {
            if !above.as_os_str().is_empty()
                && let Ok(below) = path.strip_prefix(above)
                && repositories.has(above)
            {
                all.push((self.repository.as_slice(), below));
            }
        }
        all
    }

    /// Whether a path is one of them, or below one.
    fn holds(&self, path: &Path, repositories: &Repositories<'_>) -> bool {
        let mut below = path.components();
        let git = below.any(|component| component.as_os_str() == ".git");
        // And the git directories of its submodules.
        let mut obeyed = REPOSITORY_PROTECTED.iter().chain(&["modules"]);
        let git = git && obeyed.any(|name| below.as_path().starts_with(name));
        let names = |(names, below): &(&[PathBuf], &Path)| {
            let mut names = names.iter();
            names.any(|obeyed| below.starts_with(obeyed))
        };
        git || self.names(path, repositories).iter().any(names)
    }

    /// Whether something that gets this name brings along what is obeyed.
    fn leads(&self, to: &Path, repositories: &Repositories<'_>) -> bool {
        let leads = |(names, below): &(&[PathBuf], &Path)| {
            let mut names = names.iter();
            names.any(|obeyed| obeyed.starts_with(below))
        };
        to.file_name().is_some_and(|name| name == ".git")
            || self.holds(to, repositories)
            || self.names(to, repositories).iter().any(leads)
    }

    /// Why a change is not undone, whoever says so.
    pub(crate) fn forbids(&self, step: &Step, repositories: &Repositories<'_>) -> Option<Left> {
        let to = step.was_at();
        let moved = step.from.is_some() && self.leads(to, repositories);
        if self.holds(&step.path, repositories) || self.holds(to, repositories) || moved {
            return Some(Left::Obeyed);
        }
        let appeared = step.before.is_none().then(|| before_aside(&step.path));
        let aside = appeared.flatten();
        let aside = aside.is_some_and(|name| self.holds(&name, repositories));
        aside.then_some(Left::FromObeyed)
    }
}

/// The name under which something appeared that was moved aside, as far as its name tells; it may lie in what was.
fn before_aside(path: &Path) -> Option<PathBuf> {
    let mut found = false;
    let names = path.components().map(|component| {
        let name = component.as_os_str().as_bytes();
        let at = name.windows(ASIDE.len()).rposition(|part| part == ASIDE);
        let at = at.filter(|at| {
            let behind = &name[at + ASIDE.len()..];
            !found && (behind.is_empty() || behind.starts_with(b"-"))
        });
        found |= at.is_some();
        OsStr::from_bytes(&name[..at.unwrap_or(name.len())])
    });
    let before: PathBuf = names.collect();
    found.then_some(before)
}

/// Repositories that lie below a root, and did before the command.
pub(crate) struct Repositories<'a> {
    root: &'a Root,
    /// A `.git` that the command made: until then it was none.
    made: HashSet<&'a Path>,
    /// One that it took away.
    gone: HashSet<&'a Path>,
}

impl<'a> Repositories<'a> {
    pub(crate) fn of(steps: &'a [Step], root: &'a Root) -> Repositories<'a> {
        let git = |path: &Path| path.file_name().is_some_and(|name| name == ".git");
        let mut found = Repositories {
            root,
            made: HashSet::new(),
            gone: HashSet::new(),
        };
        for step in steps {
            if git(&step.path) && step.before.is_none() {
                found.made.insert(&step.path);
            }
            if git(step.was_at()) && (step.after.is_none() || step.from.is_some()) {
                found.gone.insert(step.was_at());
            }
        }
        found
    }

    fn has(&self, dir: &Path) -> bool {
        let git = dir.join(".git");
        if self.made.contains(git.as_path()) {
            return false;
        }
        self.gone.contains(git.as_path()) || matches!(self.root.stat(&git), Ok(Some(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_aside_is_told_by_its_name() {
        for (path, before) in [
            (".envrc.from-ring", Some(".envrc")),
            (".envrc.from-ring-2", Some(".envrc")),
            ("sub/.idea.from-ring/x", Some("sub/.idea/x")),
            (".envrc.from-rings", None),
            (".envrc", None),
        ] {
            let found = before_aside(path.as_ref());
            assert_eq!(found.as_deref(), before.map(Path::new), "{path}");
        }
    }
}
