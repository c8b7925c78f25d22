//! Which directory is the workspace when nobody names one.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::site::{is_repository, too_wide};

/// The workspace for somebody who stands in `cwd` (absolute, without links) and names none:
/// the repository `cwd` lies in, since git writes to its top wherever it is called; else
/// `cwd` itself.
///
/// A `.git` that git itself would pass over (an empty directory, a file that leads nowhere) is none:
/// a command could make one to have the next ring start further in. A repository counts only if the person owns its directory and its `.git`, as for git
/// (`safe.directory`, `git-config(1)`): what somebody else puts above a directory must not
/// widen a ring. Neither does one in which a ring would hold as good as everything: a
/// home directory that is a repository itself.
pub(crate) fn around(cwd: &Path, home: Option<&Path>) -> PathBuf {
    let own = rustix::process::geteuid().as_raw();
    let is_own = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|m| m.uid() == own);
    cwd.ancestors()
        .find(|dir| is_repository(dir))
        .filter(|dir| is_own(dir) && is_own(&dir.join(".git")))
        .filter(|dir| too_wide(dir, home).is_none())
        .unwrap_or(cwd)
        .to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::around;
    use std::path::Path;

    #[test]
    fn the_nearest_repository_of_ones_own() {
        let dir = std::env::temp_dir().join(format!("rf-around-{}", std::process::id()));
        let below = dir.join("home/repo/nested/a/b");
        std::fs::create_dir_all(&below).unwrap();
        let dir = dir.canonicalize().unwrap();
        let (home, repo) = (dir.join("home"), dir.join("home/repo"));
        let (nested, below) = (repo.join("nested"), repo.join("nested/a/b"));
        let found = || around(&below, Some(&home));
        assert_eq!(found(), below);
        let git_dir = |tree: &Path| {
            let git = tree.join(".git");
            std::fs::create_dir_all(git.join("objects")).unwrap();
            std::fs::create_dir(git.join("refs")).unwrap();
            std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        };
        git_dir(&home);
        // A home that is a repository is no workspace.
        assert_eq!(found(), below);
        git_dir(&repo);
        assert_eq!(found(), repo);
        // Made by a command: git passes over both.
        std::fs::create_dir(nested.join(".git")).unwrap();
        assert_eq!(found(), repo);
        std::fs::remove_dir(nested.join(".git")).unwrap();
        std::fs::write(nested.join(".git"), "gitdir: ../.git/modules/nested\n").unwrap();
        assert_eq!(found(), repo);
        git_dir(&repo.join(".git/modules"));
        std::fs::rename(
            repo.join(".git/modules/.git"),
            repo.join(".git/modules/nested"),
        )
        .unwrap();
        assert_eq!(found(), nested);
        assert_eq!(around(&nested, Some(&home)), nested);
        if rustix::process::geteuid().is_root() {
            // Somebody else's.
            std::os::unix::fs::lchown(nested.join(".git"), Some(65_534), None).unwrap();
            assert_eq!(found(), below);
        }
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(around(Path::new("/"), None), Path::new("/"));
    }
}
