//! Git repositories: which files of them git runs or obeys.
//!
//! `gitrepository-layout(5)`, `git-config(1)`, `git-worktree(1)`, `gitmodules(5)`.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ringfence_plan::promise;
use ringfence_policy::defaults::REPOSITORY_PROTECTED;

use super::guard::Guards;
use super::roots::Top;
use super::{Asked, index};
use crate::careful;
use crate::locate::{Found, follow};

/// Guards every repository in a write root: its own, submodules', worktrees', nested
/// ones.
/// The result is what walks found, where they were needed.
pub(super) fn guard(
    guards: &mut Guards<'_>,
    top: &Top,
    asked: &Asked<'_>,
) -> Vec<(PathBuf, index::Walked)> {
    let root = &top.found;
    for start in top.starts() {
        if looks_like_git_dir(&root.at.path.join(start)) {
            // A bare repository, or the git directory a linked worktree shares.
            git_dir(guards, root, start, asked.home);
        }
        repository(guards, root, start, asked.home);
    }
    let mut nested = BTreeSet::new();
    let mut walks = Vec::new();
    for start in top.starts() {
        let (found, walked) = index::repositories(&root.at.path.join(start), asked.state);
        nested.extend(found.iter().map(|below| start.join(below)));
        if let Some(walked) = walked {
            let whole = walked.whole && start.as_os_str().is_empty();
            walks.push((root.at.path.join(start), walked));
            if whole {
                // It has seen all the others.
                break;
            }
        }
    }
    for relative in &nested {
        repository(guards, root, relative, asked.home);
    }
    walks
}

/// Guards the repository whose work tree lies at `relative` below the root.
pub(crate) fn repository(
    guards: &mut Guards<'_>,
    root: &Found,
    relative: &Path,
    home: Option<&Path>,
) {
    let dot_git = relative.join(".git");
    let path = root.at.path.join(&dot_git);
    let kind = match std::fs::symlink_metadata(&path) {
        Ok(kind) => kind,
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            closed(guards, root, relative);
            return;
        }
        Err(_) => {
            let bare = root.at.path.join(relative);
            if !relative.as_os_str().is_empty() && looks_like_git_dir(&bare) {
                git_dir(guards, root, relative, home);
            }
            return;
        }
    };
    not_bare(guards, root, relative);
    if kind.is_dir() {
        git_dir(guards, root, &dot_git, home);
        return;
    }
    // A gitfile (submodule, worktree) or a link: not to be pointed elsewhere.
    let _gone = guards.add_existing(
        root.handle.as_fd(),
        &root.at,
        &dot_git,
        promise::PROTECT_GIT,
    );
    let target = if kind.is_symlink() {
        std::fs::canonicalize(&path).ok()
    } else {
        gitfile(&path)
    };
    if let Some(below) = target.and_then(|t| t.strip_prefix(&root.at.path).map(Path::to_owned).ok())
    {
        git_dir(guards, root, &below, home);
    }
}

/// Where git finds no valid `.git` it takes the directory itself for a bare repository, if it
/// looks like one: a work tree is kept from coming to look so. Its `.git` cannot be kept
/// valid: git replaces `HEAD` by renaming.
fn not_bare(guards: &mut Guards<'_>, root: &Found, relative: &Path) {
    let work_tree = root.at.path.join(relative);
    let missing = ["HEAD", "refs", "objects"]
        .into_iter()
        .find(|name| work_tree.join(name).symlink_metadata().is_err());
    if let Some(name) = missing {
        let _unreachable = guards.add(
            root.handle.as_fd(),
            &root.at,
            &relative.join(name),
            promise::PROTECT_GIT,
        );
    }
}

/// A directory that cannot be entered may hold a repository, and its owner may open it:
/// what of the way to it can be reached is made read-only, its modes too.
fn closed(guards: &mut Guards<'_>, root: &Found, relative: &Path) {
    let reached = relative
        .ancestors()
        .filter(|above| !above.as_os_str().is_empty())
        .find(|above| root.at.path.join(above).symlink_metadata().is_ok());
    if let Some(above) = reached {
        let _gone = guards.add_existing(root.handle.as_fd(), &root.at, above, promise::PROTECT_GIT);
    }
}

/// Guards what git obeys in a git directory at `relative` below the root.
fn git_dir(guards: &mut Guards<'_>, root: &Found, relative: &Path, home: Option<&Path>) {
    for name in REPOSITORY_PROTECTED {
        // What cannot even be looked at is reported by nobody's need: it is not there.
        let _unreachable = guards.add(
            root.handle.as_fd(),
            &root.at,
            &relative.join(name),
            promise::PROTECT_GIT,
        );
    }
    let path = root.at.path.join(relative);
    // What the configuration includes is configuration, wherever it lies.
    let files = configurations(&path, home);
    for file in &files {
        let _unreachable = guards.reach(file, promise::PROTECT_GIT);
    }
    for hooks in hooks_paths(&files, home) {
        let hooks = path.parent().unwrap_or(&path).join(hooks);
        let _unreachable = guards.reach(&hooks, promise::PROTECT_GIT);
    }
    let mut inner = Vec::new();
    modules(&path.join("modules"), &mut inner, 0);
    if let Ok(worktrees) = std::fs::read_dir(path.join("worktrees")) {
        inner.extend(worktrees.flatten().map(|entry| entry.path()));
    }
    for git in inner {
        let Ok(below) = git.strip_prefix(&root.at.path) else {
            continue;
        };
        for name in REPOSITORY_PROTECTED {
            let _unreachable = guards.add_existing(
                root.handle.as_fd(),
                &root.at,
                &below.join(name),
                promise::PROTECT_GIT,
            );
        }
        let names = ["config", "config.worktree", "commondir"];
        for name in names {
            let _unreachable = guards.add(
                root.handle.as_fd(),
                &root.at,
                &below.join(name),
                promise::PROTECT_GIT,
            );
        }
    }
}

fn looks_like_git_dir(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir()
}

/// Submodules' git directories: any directory below `modules` with a `HEAD`, since names
/// of submodules may have slashes.
fn modules(dir: &Path, found: &mut Vec<PathBuf>, depth: u32) {
    const DEEPEST: u32 = 8;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|t| t.is_dir()) {
            continue;
        }
        let path = entry.path();
        if path.join("HEAD").is_file() {
            modules(&path.join("modules"), found, depth + 1);
            found.push(path);
        } else if depth < DEEPEST {
            modules(&path, found, depth + 1);
        }
    }
}

fn read_small(path: &Path) -> Option<String> {
    careful::read(path, careful::SMALL)
        .ok()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The git directory a gitfile names.
fn gitfile(path: &Path) -> Option<PathBuf> {
    let text = read_small(path)?;
    let target = text.strip_prefix("gitdir:")?.trim_end_matches(['\n', '\r']);
    let target = path.parent()?.join(target.trim_start());
    std::fs::canonicalize(target).ok()
}

/// A path of a configuration, `~` being the person's home, else relative to `base`.
fn expand(value: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    match (value.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(value),
    }
}

/// The configuration files of a repository and the person, and all they include
/// (`git-config(1)`, Includes; conditions are taken as met).
fn configurations(git_dir: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    const MOST: usize = 64;
    let mut files = vec![git_dir.join("config"), git_dir.join("config.worktree")];
    if let Some(home) = home {
        files.push(home.join(".gitconfig"));
        files.push(home.join(".config/git/config"));
    }
    let mut next = 0;
    while next < files.len() && files.len() < MOST {
        let file = files[next].clone();
        next += 1;
        let Some(text) = read_small(&file) else {
            continue;
        };
        let base = file.parent().unwrap_or(Path::new("/"));
        for value in included(&text) {
            let path = expand(&value, base, home);
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    files
}

/// Every `core.hooksPath` of these files.
fn hooks_paths(files: &[PathBuf], home: Option<&Path>) -> Vec<PathBuf> {
    files
        .iter()
        .filter_map(|file| read_small(file))
        .flat_map(|text| config_values(&text, "core", "hookspath"))
        .map(|value| expand(&value, Path::new(""), home))
        .collect()
}

/// Paths of `[include]` and `[includeIf "..."]` sections.
fn included(text: &str) -> Vec<String> {
    let mut values = config_values(text, "include", "path");
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line
                .get(1..10)
                .is_some_and(|head| head.eq_ignore_ascii_case("includeif"));
        }
        if inside
            && let Some((name, value)) = line
                .rsplit_once(']')
                .map_or(line, |(_, l)| l)
                .split_once('=')
            && name.trim().eq_ignore_ascii_case("path")
        {
            values.push(unquote(value.trim()));
        }
    }
    values
}

/// Values of a key in a section without a subsection (`git-config(1)`, Syntax).
fn config_values(text: &str, section: &str, key: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let mut line = line.trim_start();
        if let Some(rest) = line.strip_prefix('[') {
            let Some((head, tail)) = rest.split_once(']') else {
                continue;
            };
            inside = head.trim().eq_ignore_ascii_case(section);
            line = tail.trim_start();
        }
        if !inside {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case(key) {
            values.push(unquote(value.trim()));
        }
    }
    values
}

/// A value without its quotes, escapes and trailing comment.
fn unquote(value: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    // Blanks at the end count only where they are quoted.
    let mut end = 0;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            '#' | ';' if !quoted => break,
            c => out.push(c),
        }
        if quoted || !out.ends_with(char::is_whitespace) || c == '"' {
            end = out.len();
        }
    }
    out.truncate(end);
    out
}

/// The git directory outside the workspace that the workspace's own repository needs to
/// commit: a linked worktree's or a submodule's.
///
/// The gitfile in the workspace may have been written by an agent; it is believed only
/// where the other side, which lies outside, points back at this very workspace.
pub(super) fn linked(workspace: &Found) -> Vec<(Found, &'static str)> {
    let dot_git = workspace.at.path.join(".git");
    if !std::fs::symlink_metadata(&dot_git).is_ok_and(|m| m.is_file()) {
        return Vec::new();
    }
    let Some(git_dir) = gitfile(&dot_git) else {
        return Vec::new();
    };
    if git_dir.starts_with(&workspace.at.path) {
        return Vec::new();
    }
    let found = if let Some(back) = read_small(&git_dir.join("gitdir")) {
        let points_back =
            std::fs::canonicalize(git_dir.join(back.trim_end())).is_ok_and(|back| back == dot_git);
        let common = git_dir
            .parent()
            .filter(|p| p.ends_with("worktrees"))
            .and_then(Path::parent);
        match common {
            Some(common) if points_back && looks_like_git_dir(common) => {
                follow(common).map(|f| (f, "the repository of this linked worktree"))
            }
            _ => return Vec::new(),
        }
    } else if let Some(config) = read_small(&git_dir.join("config")) {
        let points_back = config_values(&config, "core", "worktree")
            .iter()
            .any(|tree| {
                std::fs::canonicalize(git_dir.join(tree)).is_ok_and(|t| t == workspace.at.path)
            });
        if !points_back || !looks_like_git_dir(&git_dir) {
            return Vec::new();
        }
        follow(&git_dir).map(|f| (f, "the repository of this submodule"))
    } else {
        return Vec::new();
    };
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{config_values, included};

    #[test]
    fn what_is_included_in_each_spelling() {
        assert_eq!(
            included("[include]\n\tpath = ../team.gitconfig\n"),
            ["../team.gitconfig"]
        );
        assert_eq!(
            included("[includeIf \"gitdir:~/work/\"]\npath=\"a b\"\n[core]\npath=no\n"),
            ["a b"]
        );
        assert_eq!(included("[user]\npath = x\n"), [""; 0]);
    }

    #[test]
    fn hooks_path_in_each_spelling() {
        let values = |text| config_values(text, "core", "hookspath");
        assert_eq!(values("[core]\n\thooksPath = .hooks\n"), [".hooks"]);
        assert_eq!(values("[CORE] HOOKSPATH=a b ; why"), ["a b"]);
        assert_eq!(values("[core]\nhooksPath = \"x;#y \"\n"), ["x;#y "]);
        assert_eq!(values("[core \"sub\"]\nhooksPath = x\n"), [""; 0]);
        assert_eq!(values("[user]\nhooksPath = x\n[core]\nbare=false"), [""; 0]);
    }
}
