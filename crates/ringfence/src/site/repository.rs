//! Git repositories: which files of them git runs or obeys.
//!
//! `gitrepository-layout(5)`, `git-config(1)`, `git-worktree(1)`, `gitmodules(5)`.

pub(crate) mod config;
mod gitindex;
pub(crate) mod runs;
mod variables;
mod written;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_plan::promise;
use ringfence_policy::defaults::{REPOSITORY_PROTECTED, WORKSPACE_PROTECTED};
use ringfence_sys_linux::SysError;
use rustix::io::Errno;

use super::guard::Guards;
use super::index;
use super::roots::Top;
use crate::careful;
use crate::locate::{Found, follow, too_few_files};
use crate::state::State;
pub(crate) use config::Person;
use config::{Configuration, runs_what_lies_beside};

/// Guards every repository in a write root: its own, submodules', worktrees', nested
/// ones.
/// The result is what walks found, where they were needed.
pub(super) fn guard(
    guards: &mut Guards<'_>,
    top: &Top,
    person: &Person,
    state: Option<&State>,
) -> Vec<(PathBuf, index::Walked)> {
    let root = &top.found;
    for start in top.starts() {
        let handle = root.handle.as_fd();
        let mut has = |name: &str| {
            !start.as_os_str().is_empty() || guards.may_have(handle, &root.at.path, name.as_ref())
        };
        let (marked, dot_git) = (has("HEAD") || has("config"), has(".git"));
        if marked && is_git_dir(&root.at.path.join(start)) {
            // A bare repository, or the git directory a linked worktree shares.
            git_dir(guards, root, start, person);
        }
        if dot_git {
            repository(guards, root, start, person);
        }
    }
    let mut nested = BTreeSet::new();
    let mut walks = Vec::new();
    for start in top.starts() {
        let (found, walked) = index::repositories(&root.at.path.join(start), state);
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
    if nested.len() > MOST_NESTED {
        // Which of them are somebody's work is not known: what would be left out could be just
        // those.
        let what = format!(
            "{} holds {} repositories, more than the {MOST_NESTED} that are protected one by one: \
             remove those nobody needs, or name a smaller workspace",
            root.at.path.display(),
            nested.len()
        );
        guards.give_up(promise::PROTECT_GIT, what);
    }
    for relative in nested.iter().take(MOST_NESTED) {
        repository(guards, root, relative, person);
        let tree = root.at.path.join(relative);
        if git_dirs_of(&tree).is_empty() {
            // It was one, and a command may make another of it.
            guards.vacant(tree);
        }
    }
    walks
}

/// Guards the person's own configuration, wherever in the write roots it lies.
pub(super) fn persons(guards: &mut Guards<'_>, person: &Person) {
    let configuration = &person.configuration;
    unread(guards, configuration);
    for file in configuration.files.iter().chain(&configuration.templates) {
        let from = file.parent().unwrap_or(file);
        guards.lead(file, from, promise::PROTECT_GIT);
    }
    for hooks in configuration
        .hooks
        .iter()
        .filter(|hooks| hooks.is_absolute())
    {
        let beside = hooks.parent().filter(|_| runs_what_lies_beside(hooks));
        for dir in [Some(hooks.as_path()), beside].into_iter().flatten() {
            guards.lead(dir, dir.parent().unwrap_or(dir), promise::PROTECT_GIT);
        }
    }
    for program in configuration
        .programs
        .iter()
        .filter(|program| program.is_absolute())
    {
        guards.program(program.clone());
    }
}

/// Whether git takes a directory for the top of a work tree.
pub(crate) fn is_repository(tree: &Path) -> bool {
    let dot_git = tree.join(".git");
    match std::fs::metadata(&dot_git) {
        Ok(meta) if meta.is_dir() => looks_like_git_dir(&dot_git),
        // A linked worktree's has its objects elsewhere.
        Ok(_) => gitfile(&dot_git).is_some_and(|git| git.join("HEAD").is_file()),
        Err(_) => false,
    }
}

/// Whether git obeys, or takes configuration from, what has this name in a git directory.
pub(super) fn is_obeyed(name: &std::ffi::OsStr) -> bool {
    let mut names = REPOSITORY_PROTECTED.iter();
    names.any(|known| Path::new(known).iter().next() == Some(name))
        // Git directories of their own, and the names of those that others share.
        || name == "modules"
        || name == "worktrees"
}

/// Guards what repositories around the write roots name in them: hooks and included
/// configuration that lie in a subdirectory are obeyed in all of the repository, and a ring may
/// hold that subdirectory alone.
pub(super) fn around(guards: &mut Guards<'_>, trees: &[PathBuf], person: &Person) {
    for tree in trees {
        let dot_git = tree.join(".git");
        let git = if dot_git.is_dir() {
            Some(dot_git)
        } else {
            gitfile(&dot_git)
        };
        if let Some(git) = git {
            let own = configuration(&git, person);
            hooks(guards, &own, std::slice::from_ref(tree), &git, person);
        }
    }
}

/// Nested repositories that are protected in one write root: each costs every command mounts
/// and watches, and a command can make as many as it likes.
const MOST_NESTED: usize = 512;

/// Guards the repository whose work tree lies at `relative` below the root.
pub(crate) fn repository(guards: &mut Guards<'_>, root: &Found, relative: &Path, person: &Person) {
    let dot_git = relative.join(".git");
    let tree = root.at.path.join(relative);
    let path = tree.join(".git");
    let kind = match std::fs::symlink_metadata(&path) {
        Ok(kind) => kind,
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            closed(guards, root, relative);
            return;
        }
        Err(_) => {
            if !relative.as_os_str().is_empty() && is_git_dir(&tree) {
                git_dir(guards, root, relative, person);
            }
            return;
        }
    };
    let has_submodules = !relative.as_os_str().is_empty()
        || guards.may_have(root.handle.as_fd(), &root.at.path, GITMODULES.as_ref());
    if has_submodules && tree.join(GITMODULES).symlink_metadata().is_ok() {
        guards.has_submodules(tree.clone());
    }
    not_bare(guards, root, relative);
    if !relative.as_os_str().is_empty() {
        settings(guards, root, relative);
        // Where `.git` is none git takes the directory itself.
        if is_git_dir(&tree) {
            git_dir(guards, root, relative, person);
        }
    }
    if kind.is_dir() {
        git_dir(guards, root, &dot_git, person);
        return;
    }
    // A gitfile (submodule, worktree) or a link: not to be pointed elsewhere.
    let done = guards.add_existing(
        root.handle.as_fd(),
        &root.at,
        &dot_git,
        promise::PROTECT_GIT,
    );
    heed(guards, done, &path, promise::PROTECT_GIT);
    let target = if std::fs::metadata(&path).is_ok_and(|end| end.is_dir()) {
        std::fs::canonicalize(&path).ok()
    } else {
        // Nor may another stand where it points: a link on the way that is replaced, or what is missing there.
        if let Some(named) = named_by_gitfile(&path) {
            guards.way(&named, promise::PROTECT_GIT);
        }
        gitfile(&path)
    };
    let Some(git) = target else { return };
    if let Ok(below) = git.strip_prefix(&root.at.path) {
        git_dir(guards, root, below, person);
    }
    // Wherever the repository is: its hooks may be in this work tree.
    let configuration = configuration(&git, person);
    hooks(guards, &configuration, &[tree], &git, person);
}

/// Guards the settings of editors and agents that exist in a nested work tree, which may be
/// opened by itself. What does not exist is watched only in write roots: there are few of them.
fn settings(guards: &mut Guards<'_>, root: &Found, relative: &Path) {
    /// A directory with more names is not listed but asked for each.
    const MOST: usize = 1024;
    let names: Option<BTreeSet<OsString>> = std::fs::read_dir(root.at.path.join(relative))
        .and_then(|entries| {
            let names = entries.take(MOST).map(|e| Ok(e?.file_name()));
            names.collect()
        })
        .ok()
        .filter(|names: &BTreeSet<_>| names.len() < MOST);
    for path in WORKSPACE_PROTECTED.iter().map(Path::new) {
        let first = path.components().next().map(|c| c.as_os_str());
        let lacks = |names: &BTreeSet<OsString>| first.is_some_and(|f| !names.contains(f));
        if names.as_ref().is_some_and(lacks) {
            continue;
        }
        let path = relative.join(path);
        let done = guards.add_existing(
            root.handle.as_fd(),
            &root.at,
            &path,
            promise::PROTECT_WORKSPACE,
        );
        heed(
            guards,
            done,
            &root.at.path.join(path),
            promise::PROTECT_WORKSPACE,
        );
    }
}

/// What cannot be looked at is not passed over. An object that this user may not even reach can be
/// made reachable by its owner: that is told. Anything else, such as too few descriptors, leaves
/// it without protection, and is refused.
fn heed(guards: &mut Guards<'_>, done: Result<(), SysError>, path: &Path, promise: &'static str) {
    let Err(error) = done else { return };
    let what = format!("{} cannot be protected: {error}", path.display());
    if error.errno == Errno::ACCESS.raw_os_error() {
        guards.doubt(promise, what);
    } else if too_few_files(error) {
        guards.ran_short(error);
    } else {
        guards.give_up(promise, what);
    }
}

/// Where git finds no valid `.git` it takes the directory itself for a bare repository, if it
/// looks like one: a work tree is kept from coming to look so. Its `.git` cannot be kept
/// valid: git replaces `HEAD` by renaming.
fn not_bare(guards: &mut Guards<'_>, root: &Found, relative: &Path) {
    let work_tree = root.at.path.join(relative);
    let lacks = |name: &&str| work_tree.join(name).symlink_metadata().is_err();
    let missing = ["HEAD", "refs", "objects"].into_iter().find(lacks);
    // With this the other two are somewhere else.
    let moved = (missing != Some("HEAD")).then_some(COMMONDIR).filter(lacks);
    for name in missing.into_iter().chain(moved) {
        let path = relative.join(name);
        let done = guards.add(root.handle.as_fd(), &root.at, &path, promise::PROTECT_GIT);
        heed(guards, done, &root.at.path.join(path), promise::PROTECT_GIT);
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

/// Says which submodules a work tree has (`gitmodules(5)`).
const GITMODULES: &str = ".gitmodules";

/// Names the repository whose configuration and hooks count (`gitrepository-layout(5)`).
const COMMONDIR: &str = "commondir";

/// Guards what git obeys in a git directory at `relative` below the root.
fn git_dir(guards: &mut Guards<'_>, root: &Found, relative: &Path, person: &Person) {
    for name in REPOSITORY_PROTECTED {
        let path = relative.join(name);
        let done = guards.add(root.handle.as_fd(), &root.at, &path, promise::PROTECT_GIT);
        heed(guards, done, &root.at.path.join(path), promise::PROTECT_GIT);
    }
    let path = root.at.path.join(relative);
    let own = configuration(&path, person);
    let mut unlisted = Vec::new();
    let worktrees = listed(&path.join("worktrees"), &mut unlisted);
    let worktrees: Vec<PathBuf> = worktrees.iter().map(std::fs::DirEntry::path).collect();
    let mut trees = vec![
        if relative.ends_with(".git") || root.at.path.ends_with(".git") {
            path.parent().unwrap_or(&path).to_owned()
        } else {
            path.clone()
        },
    ];
    let relative_hooks = |c: &Configuration| c.hooks.iter().any(|hooks| hooks.is_relative());
    if relative_hooks(&own) || relative_hooks(&person.configuration) {
        // The one configuration holds for each worktree, and means its own directory there.
        trees.extend(worktrees.iter().filter_map(|git| work_tree(git)));
    }
    hooks(guards, &own, &trees, &path, person);
    let mut inner = Vec::new();
    // A linked worktree has those of its own.
    for git in worktrees.iter().chain([&path]) {
        modules(&git.join("modules"), &mut inner, &mut unlisted, 0, false);
    }
    for (dir, error) in unlisted {
        if let Some(errno) = error.raw_os_error()
            && too_few_files(SysError::new("open", errno))
        {
            guards.ran_short(SysError::new("open", errno));
            continue;
        }
        let what = format!(
            "{} cannot be listed: {error}; git runs and obeys what is in it, and that is not protected: make it readable \
             (chmod u+rwx)",
            dir.display()
        );
        guards.give_up(promise::PROTECT_GIT, what);
    }
    for git in &inner {
        let own = configuration(git, person);
        hooks(guards, &own, &[], git, person);
    }
    for git in &worktrees {
        // What it shares is heeded with the repository.
        let files = ["config", "config.worktree"].map(|name| git.join(name));
        let own = Configuration::read(files.to_vec(), person.home.as_deref());
        if own.files.len() > files.len() || own.names_more() {
            let tree: Vec<PathBuf> = work_tree(git).into_iter().collect();
            hooks(guards, &own, &tree, git, person);
        }
    }
    for git in inner.iter().chain(&worktrees) {
        let Ok(below) = git.strip_prefix(&root.at.path) else {
            continue;
        };
        // A worktree has one, and `git worktree remove` must be able to remove it: no mount,
        // but a watch for any other content than git's own.
        let linked = below.parent().is_some_and(|up| up.ends_with("worktrees"));
        let common = below.join(COMMONDIR);
        if linked {
            guards.watch(&root.at, &common);
        }
        for name in REPOSITORY_PROTECTED
            .iter()
            .filter(|n| !linked || **n != COMMONDIR)
        {
            let path = below.join(name);
            let done =
                guards.add_existing(root.handle.as_fd(), &root.at, &path, promise::PROTECT_GIT);
            heed(guards, done, &root.at.path.join(path), promise::PROTECT_GIT);
        }
        let names = ["config", "config.worktree", COMMONDIR];
        for name in names.iter().filter(|n| !linked || **n != COMMONDIR) {
            let path = below.join(name);
            let done = guards.add(root.handle.as_fd(), &root.at, &path, promise::PROTECT_GIT);
            heed(guards, done, &root.at.path.join(path), promise::PROTECT_GIT);
        }
    }
}

/// The configuration that git heeds for a git directory: a worktree's is that of the
/// repository it shares (`gitrepository-layout(5)`, commondir), and its own.
fn configuration(git_dir: &Path, person: &Person) -> Configuration {
    let named = commondir(git_dir);
    let common = named.as_ref().ok().cloned().flatten();
    let config = common.as_deref().unwrap_or(git_dir).join("config");
    let files = vec![config, git_dir.join("config.worktree")];
    let mut all = Configuration::read(files, person.home.as_deref());
    if named.is_err() || common.as_deref().is_some_and(config::is_garbled) {
        all.unread.push(git_dir.join(COMMONDIR));
    }
    all
}

/// Guards the files a configuration includes, which are configuration wherever they lie,
/// and the hooks it and the person's name, relative to each work tree.
fn hooks(
    guards: &mut Guards<'_>,
    configuration: &Configuration,
    trees: &[PathBuf],
    git_dir: &Path,
    person: &Person,
) {
    // What stands for a git directory (`commondir`) need not look like one.
    let heeded = configuration
        .files
        .first()
        .and_then(|config| config.parent());
    if let Some(common) = heeded.filter(|heeded| *heeded != git_dir) {
        for name in REPOSITORY_PROTECTED {
            guards.lead(&common.join(name), git_dir, promise::PROTECT_GIT);
        }
    }
    unread(guards, configuration);
    // The first two are the git directory's own, and guarded with it.
    for file in configuration.files.iter().skip(2) {
        guards.lead(file, git_dir, promise::PROTECT_GIT);
    }
    let named = || {
        configuration
            .hooks
            .iter()
            .chain(&person.configuration.hooks)
    };
    let programs = || {
        let own = configuration.programs.iter();
        own.chain(&person.configuration.programs)
    };
    if named().next().is_none() && programs().next().is_none() && configuration.trees.is_empty() {
        return;
    }
    let moved = configuration.trees.iter().map(|tree| git_dir.join(tree));
    // A link on the way could be pointed elsewhere; what is missing may be made.
    for tree in &configuration.trees {
        let tree = git_dir.join(tree);
        if tree.exists() {
            guards.way(&tree, promise::PROTECT_GIT);
        }
    }
    let trees: Vec<PathBuf> = trees.iter().cloned().chain(moved).collect();
    for tree in &trees {
        // What a path is relative to, links in it resolved: its own place is not taken away.
        let tree = std::fs::canonicalize(tree).unwrap_or_else(|_| tree.clone());
        // The work itself, often: that one of them was changed is told.
        for program in programs() {
            guards.program(tree.join(program));
        }
        for hooks in named() {
            let hooks = tree.join(hooks);
            guards.lead(&hooks, &tree, promise::PROTECT_GIT);
            if runs_what_lies_beside(&hooks)
                && let Some(beside) = hooks.parent()
            {
                guards.lead(beside, &tree, promise::PROTECT_GIT);
            }
        }
    }
}

/// What configuration that is not read here names is not known, and not guarded.
fn unread(guards: &mut Guards<'_>, configuration: &Configuration) {
    for file in &configuration.unread {
        let what = format!(
            "{} is read by git and not by Ringfence, being longer than 1 MiB, one of very many, or naming a path \
             that is not UTF-8, of an unknown user or of git's own (%(prefix)): hooks and files that it names are not \
             protected; make it shorter, or name the path from /",
            file.display()
        );
        guards.give_up(promise::PROTECT_GIT, what);
    }
}

/// The work tree a linked worktree's git directory belongs to (`git-worktree(1)`, Details).
fn work_tree(git_dir: &Path) -> Option<PathBuf> {
    let text = read_small(&git_dir.join("gitdir"))?;
    let dot_git = git_dir.join(text.trim_end_matches(['\n', '\r']));
    dot_git.parent().map(Path::to_owned)
}

/// Whether git takes a directory for a git directory (`is_git_directory` of its `setup.c`).
pub(super) fn looks_like_git_dir(path: &Path) -> bool {
    let there =
        |name: &str| rustix::fs::access(path.join(name), rustix::fs::Access::EXISTS).is_ok();
    if !(there("objects") && there("refs") || there(COMMONDIR)) {
        return false;
    }
    let head = path.join("HEAD");
    // A link to a branch is one too, whether or not that has been born.
    head.is_file() || std::fs::read_link(&head).is_ok_and(|branch| branch.starts_with("refs"))
}

/// What a git directory names for another, whose configuration counts; read as git does: without the ends of lines behind it, up
/// to a NUL.
fn commondir(git_dir: &Path) -> Result<Option<PathBuf>, Unread> {
    let bytes = match careful::read(&git_dir.join(COMMONDIR), careful::SMALL) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => return Err(Unread),
        Err(_) => return Ok(None),
    };
    Ok(Some(git_dir.join(as_named(&bytes))))
}

/// A path that is all of a file of git's.
fn as_named(mut bytes: &[u8]) -> &Path {
    while let [rest @ .., b'\n' | b'\r'] = bytes {
        bytes = rest;
    }
    let named = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Path::new(OsStr::from_bytes(named))
}

/// Whether a directory is a git directory or was one. A command may rename `HEAD`, and back
/// when nobody looks; it cannot change the configuration of one that is known.
pub(crate) fn is_git_dir(path: &Path) -> bool {
    looks_like_git_dir(path)
        || match small(&path.join("config")) {
            Ok(text) => text.is_some_and(|text| config::of_repository(&text)),
            // It may be any program's.
            Err(Unread) => ["HEAD", "objects", "refs"]
                .iter()
                .any(|name| path.join(name).symlink_metadata().is_ok()),
        }
}

/// Directories that could not be listed, and why.
type Unlisted = Vec<(PathBuf, std::io::Error)>;

/// What is in a directory, if there is one.
fn listed(dir: &Path, unlisted: &mut Unlisted) -> Vec<std::fs::DirEntry> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match std::fs::read_dir(dir).and_then(Iterator::collect) {
        Ok(entries) => entries,
        Err(error) => {
            if !matches!(error.kind(), NotFound | NotADirectory) {
                unlisted.push((dir.to_owned(), error));
            }
            Vec::new()
        }
    }
}

/// Submodules' git directories: any directory below `modules` with a `HEAD`, a
/// configuration or hooks. Their names may have slashes, so there may be more below each.
fn modules(
    dir: &Path,
    found: &mut Vec<PathBuf>,
    unlisted: &mut Unlisted,
    depth: u32,
    in_git_dir: bool,
) {
    const DEEPEST: u32 = 16;
    /// As large as they get, and not of interest unless they hold a configuration.
    const GITS_OWN: [&str; 6] = ["objects", "refs", "logs", "hooks", "info", "lfs"];
    for entry in listed(dir, unlisted) {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {}
            // One that git takes for a submodule's wherever it leads; what lies below is not looked for.
            Ok(kind) if kind.is_symlink() => {
                found.extend(std::fs::canonicalize(&path));
                continue;
            }
            _ => continue,
        }
        let marked = |name: &str| path.join(name).symlink_metadata().is_ok();
        let git = ["HEAD", "config", "hooks"].into_iter().any(marked);
        // A submodule may have such a name, but not in another's directory.
        if !git && in_git_dir && GITS_OWN.iter().any(|own| path.ends_with(own)) {
            continue;
        }
        if depth < DEEPEST {
            let whole = in_git_dir || looks_like_git_dir(&path);
            modules(&path, found, unlisted, depth + 1, whole);
        }
        if git {
            found.push(path);
        }
    }
}

/// The git directories of a work tree, as git may take them: its `.git`, or what that names, and where that is none the
/// tree itself.
fn git_dirs_of(tree: &Path) -> Vec<PathBuf> {
    let dot_git = tree.join(".git");
    let mut all: Vec<PathBuf> = match std::fs::metadata(&dot_git) {
        Ok(meta) if meta.is_dir() => vec![dot_git],
        Ok(_) => gitfile(&dot_git).into_iter().collect(),
        Err(_) => Vec::new(),
    };
    // Whether git takes the first for one is not known for sure.
    if is_git_dir(tree) {
        all.push(tree.to_owned());
    }
    all
}

fn read_small(path: &Path) -> Option<String> {
    small(path).ok().flatten()
}

/// What stands there and git reads, and is too long to be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unread;

/// A file's text. `None` where git could not read it either.
fn small(path: &Path) -> Result<Option<String>, Unread> {
    match careful::read(path, careful::SMALL) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(Unread),
        // What is no regular file is none to git either, or keeps it waiting.
        Err(_) => Ok(None),
    }
}

/// The git directory a gitfile names.
fn gitfile(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(named_by_gitfile(path)?).ok()
}

/// The same as it is written, whether or not anything stands there.
pub(super) fn named_by_gitfile(path: &Path) -> Option<PathBuf> {
    // As git reads it (`read_gitfile_gently`): by bytes, without the ends of lines behind it, up to a NUL.
    let bytes = careful::read(path, careful::SMALL).ok()?;
    let target = as_named(bytes.strip_prefix(b"gitdir: ")?);
    (!target.as_os_str().is_empty()).then_some(())?;
    Some(path.parent()?.join(target))
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
        let mut own = Configuration::default();
        own.take(&config::parse(&config), &git_dir, None);
        let points_back = own.trees.iter().any(|tree| {
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
