//! Repositories a command made: which of their files would have git run something.
//!
//! Git inside must write the configuration and hooks of a repository it makes, so they
//! cannot be protected meanwhile. What can be done is to look at them afterwards, before
//! anybody outside uses git there, or in a repository around it: `git status` there goes
//! into each submodule.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::config::{Entry, is_garbled, parse, runs_what_lies_beside};
use super::variables::{remotes, runs_programs};
use super::written::{SHARED, Written, changed_since, written};
use super::{
    GITMODULES, Person, commondir, git_dirs_of, gitindex, listed, named_by_gitfile, read_small,
    small, work_tree,
};
use crate::locate::{by_process, follow, trail};
use crate::site::guard::Programs;

/// Repositories looked at after one command at most.
const MOST: usize = 256;

/// Indices longer than this in sum are not read, in bytes: half a million files.
const INDEX: u64 = 64 * 1024 * 1024;

/// A repository that a command made or changed, or a file that git runs, and by what programs would be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its directory.
    pub path: PathBuf,
    /// Variables of its configuration, and hooks; or why it could not be looked at.
    pub runs: Vec<String>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let path = self.path.display();
        write!(
            f,
            "made or changed in a ring: {path}: git runs programs by:"
        )?;
        for name in self.runs.iter().take(SHOWN) {
            // Part of it may be of the command's making.
            let short: String = name.chars().take(80).collect();
            write!(f, " {short}")?;
        }
        if self.runs.len() > SHOWN {
            write!(f, " and {} more", self.runs.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// What a look after a command starts from.
pub(crate) struct After<'a> {
    /// The write roots.
    pub(crate) roots: &'a [&'a Path],
    /// Paths that the plan protects, and those that lead to them.
    pub(crate) known: &'a BTreeSet<&'a Path>,
    /// What no command of the ring could write.
    pub(crate) guarded: &'a BTreeSet<&'a Path>,
    /// Whoever runs git.
    pub(crate) person: &'a Person,
    /// Files that git runs, by configuration that is known.
    pub(crate) programs: &'a Programs,
    /// Work trees that had `.gitmodules`.
    pub(crate) submodules: &'a BTreeSet<PathBuf>,
    pub(crate) since: SystemTime,
    /// That is before the ring was planned for.
    pub(crate) looks_back: bool,
    /// Repositories that were known are planned for.
    pub(crate) plans: bool,
}

/// What one look has come to so far.
struct Pass {
    /// Bytes of indices that may yet be read.
    left: u64,
    /// What was made in git directories since a time: each is gone through once.
    written: BTreeMap<(PathBuf, SystemTime), Written>,
    /// What is older in the repository that is looked at was there before. Of one that the ring did not know nothing was: a
    /// command of another ring may have made it, too short to be looked at.
    since: SystemTime,
}

impl Pass {
    fn written(&mut self, git: &Path) -> &Written {
        let known = self.written.entry((git.to_owned(), self.since));
        known.or_insert_with(|| written(git, self.since))
    }
}

/// What was found in a git directory.
#[derive(Default)]
struct Seen {
    runs: Vec<String>,
    /// Where else repositories may be that git goes into.
    leads: Vec<PathBuf>,
}

impl After<'_> {
    /// Looks at repositories the ring did not know: those that were `found`, and those that the repositories of the write roots
    /// have for submodules, worktrees and remotes.
    pub(crate) fn made(&self, found: impl IntoIterator<Item = PathBuf>) -> Vec<Made> {
        let mut seen = BTreeSet::new();
        let mut made = Vec::new();
        let mut pass = Pass {
            left: INDEX,
            written: BTreeMap::new(),
            since: self.since,
        };
        // The last is looked at first: those that are known, and protected, after the others.
        let (known, unknown): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|tree| self.is_planned(tree));
        let mut todo = known;
        // Known ones are protected, but a command may have added a submodule to one, or a link.
        let dot_gits = self.known.iter().filter(|path| path.ends_with(".git"));
        todo.extend(dot_gits.filter_map(|dot_git| {
            let tree = dot_git.parent()?;
            let git = git_dirs_of(tree).into_iter().next()?;
            let changed = self.has_other_submodules(tree) || pass.written(&git).changed;
            changed.then(|| tree.to_owned())
        }));
        todo.extend(self.roots.iter().map(|root| (*root).to_owned()));
        todo.extend(unknown);
        let tops: HashSet<&Path> = self.roots.iter().copied().collect();
        let mut beyond = None;
        while let Some(tree) = todo.pop() {
            let Ok(tree) = follow(&tree).map(|found| found.at.path) else {
                continue;
            };
            let inside = tree.ancestors().any(|up| tops.contains(up));
            if !inside || seen.contains(&tree) {
                continue;
            }
            if seen.len() >= MOST {
                beyond.get_or_insert(tree);
                continue;
            }
            let is_new = self.plans && !self.is_planned(&tree);
            pass.since = match is_new {
                true => SystemTime::UNIX_EPOCH,
                false => self.since,
            };
            let mut runs = Vec::new();
            let dot_git = tree.join(".git");
            if by_process(&dot_git) || named_by_gitfile(&dot_git).is_some_and(|to| by_process(&to))
            {
                runs.push(".git (leads through /proc)".to_owned());
            }
            for git in git_dirs_of(&tree) {
                let found = self.what_runs(&git, Some(&tree), &mut pass);
                runs.extend(found.runs);
                todo.extend(found.leads);
                match self.submodules(&tree, &git, &mut pass) {
                    Ok((paths, planted)) => {
                        todo.extend(paths.into_iter().map(|path| tree.join(path)));
                        runs.extend(
                            planted.map(|path| format!("index ({path}, which git would write)")),
                        );
                    }
                    Err(why) => runs.push(why.to_owned()),
                }
            }
            if !runs.is_empty() {
                made.push(Made {
                    path: tree.clone(),
                    runs,
                });
            }
            seen.insert(tree);
        }
        for (program, stood) in self.programs {
            let meta = std::fs::metadata(program).ok().filter(|_| self.looks_back);
            let before = meta.is_some_and(|meta| changed_since(&meta, self.since));
            if before || stood.is_another(program) {
                let runs = vec!["configuration that names this file".to_owned()];
                let path = program.clone();
                made.push(Made { path, runs });
            }
        }
        if let Some(path) = beyond {
            let runs = vec![format!(
                "(not looked at, nor what comes after it: more than {MOST} repositories)"
            )];
            made.push(Made { path, runs });
        }
        made.sort_by(|a, b| a.path.cmp(&b.path));
        made
    }

    /// Whether the plan protects the repository of a work tree, and what that names in it.
    fn is_planned(&self, tree: &Path) -> bool {
        let held = [".git", ".git/config", "config"];
        let mut held = held.iter().map(|name| tree.join(name));
        held.any(|path| self.guarded.contains(path.as_path()))
    }

    /// Whether a command could write what has this canonical path.
    fn writable(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| path.starts_with(root))
            && !path.ancestors().any(|up| self.guarded.contains(up))
    }

    /// What runs programs in a git directory, as far as a command could write it.
    fn what_runs(&self, git: &Path, tree: Option<&Path>, pass: &mut Pass) -> Seen {
        let mut seen = Seen::default();
        let named = commondir(git);
        match &named {
            Err(_) => seen.runs.push(unread("commondir")),
            Ok(Some(path)) if is_garbled(path) => {
                let what = "commondir (names a path that is not UTF-8)";
                seen.runs.push(what.to_owned());
            }
            Ok(Some(path)) if by_process(path) => {
                seen.runs.push("commondir (leads through /proc)".to_owned());
            }
            Ok(_) if stands(&git.join("commondir")) => {
                let led = elsewhere(&git.join("commondir"), "commondir");
                seen.runs.extend(led);
            }
            Ok(_) => {}
        }
        let common = named.ok().flatten().unwrap_or_else(|| git.to_owned());
        // The plan knows canonical paths.
        let common = std::fs::canonicalize(&common).unwrap_or(common);
        let git = std::fs::canonicalize(git).unwrap_or_else(|_| git.to_owned());
        self.worktrees(&common, &mut seen, pass);
        if tree.is_some() {
            self.written_through(&git, &mut seen, pass);
            self.modules(&common, &mut seen, pass);
        }
        for old in ["remotes", "branches"] {
            let dir = common.join(old);
            for entry in listed(&dir, &mut Vec::new())
                .into_iter()
                .filter(|_| self.writable(&dir))
            {
                seen.runs
                    .push(format!("{old}/{}", entry.file_name().display()));
            }
        }
        for file in [common.join("config"), git.join("config.worktree")] {
            self.configuration(&file, &git, tree, &mut seen);
        }
        // What `git init` copied from a template of the person's is no news.
        let templates = self.person.configuration.templates.iter();
        let templates: Vec<PathBuf> = templates.map(|template| template.join("hooks")).collect();
        self.hooks_in(&common.join("hooks"), "hooks", &templates, &mut seen);
        if let Some(tree) = tree.filter(|tree| !self.is_planned(tree)) {
            self.named_hooks(&git, &common, tree, &mut seen);
        }
        seen
    }

    /// Variables of a configuration file.
    fn configuration(&self, file: &Path, git: &Path, tree: Option<&Path>, seen: &mut Seen) {
        if !self.writable(file) || !stands(file) {
            return;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        seen.runs.extend(elsewhere(file, &name));
        // Who writes into that says what git reads, while a command runs.
        let is_fifo = std::fs::metadata(file).is_ok_and(|meta| meta.file_type().is_fifo());
        match small(file) {
            Ok(Some(text)) => {
                for entry in parse(&text) {
                    if runs_programs(&entry) || self.leads_out(&entry, git, tree) {
                        seen.runs.push(entry.name());
                    }
                    for path in remotes(&entry, tree.unwrap_or(git)) {
                        if by_process(&path) {
                            seen.runs.push(entry.name());
                        }
                        seen.leads.push(path);
                    }
                }
            }
            Ok(None) if !is_fifo => {}
            Ok(None) | Err(_) => seen.runs.push(unread(&name)),
        }
    }

    /// Whether git would write somewhere else than in a work tree of its own: where no command of the ring could, or might, when
    /// what is missing or a link on the way is another; or in the work tree of another repository.
    fn leads_out(&self, entry: &Entry, git: &Path, tree: Option<&Path>) -> bool {
        let Some(value) = entry
            .value
            .as_deref()
            .filter(|_| entry.name() == "core.worktree")
        else {
            return false;
        };
        // As git reads it.
        let value = value.split('\0').next().unwrap_or_default();
        let path = git.join(value);
        let Ok(led) = std::fs::canonicalize(&path) else {
            return true;
        };
        let links = trail(&path).map(|trail| trail.links).unwrap_or_default();
        let own = tree.is_none_or(|tree| tree == led);
        !own || !links.is_empty()
            || self.roots.contains(&led.as_path()) && tree.is_none()
            || !self.roots.iter().any(|root| led.starts_with(root))
    }

    /// Links in a git directory that were made or moved there, through which git writes: wherever one leads now, what it names may
    /// be another link before git does. And repositories in it, which a remote may name.
    fn written_through(&self, git: &Path, seen: &mut Seen, pass: &mut Pass) {
        const TOLD: usize = 16;
        let written = pass.written(git);
        let links = written.links.iter().take(TOLD);
        seen.runs.extend(
            links.map(|link| format!("{} (a link, through which git writes)", link.display())),
        );
        if written.links.len() > TOLD {
            let more = written.links.len() - TOLD;
            seen.runs
                .push(format!("{more} links more, through which git writes"));
        }
        if written.beyond {
            let what = "directories in it (not all looked at for links: too many)";
            seen.runs.push(what.to_owned());
        }
        seen.leads.extend(written.inner.iter().cloned());
    }

    /// What the index of a git directory has git go into, and what git would write and not have put there. Read where a command
    /// changed it, or `anyway`.
    fn index(
        &self,
        git: &Path,
        common: &Path,
        anyway: bool,
        pass: &mut Pass,
    ) -> Result<(Vec<PathBuf>, Option<String>), &'static str> {
        const UNREAD: &str = "(its index could not be read for submodules)";
        let file = git.join("index");
        let Ok(meta) = std::fs::metadata(&file) else {
            return Ok((Vec::new(), None));
        };
        let since = pass.since;
        let new = |path: &Path| {
            std::fs::symlink_metadata(path).is_ok_and(|meta| changed_since(&meta, since))
        };
        let beside = || listed(git, &mut Vec::new());
        let shared = |entry: &std::fs::DirEntry| entry.file_name().as_bytes().starts_with(SHARED);
        if !anyway
            && !changed_since(&meta, since)
            && !new(&file)
            && !beside()
                .iter()
                .any(|entry| shared(entry) && new(&entry.path()))
        {
            return Ok((Vec::new(), None));
        }
        // The last one counts, as everywhere in a configuration.
        let text = read_small(&common.join("config")).unwrap_or_default();
        let format = parse(&text)
            .into_iter()
            .rfind(|e| e.is("extensions", "objectformat"));
        let sha256 = format.is_some_and(|e| e.value.as_deref() == Some("sha256"));
        let mut read = |file: &Path| {
            let meta = std::fs::metadata(file).map_err(|_| UNREAD)?;
            if !meta.is_file() || meta.len() > pass.left {
                return Err(UNREAD);
            }
            pass.left -= meta.len();
            let bytes = std::fs::read(file).map_err(|_| UNREAD)?;
            gitindex::read(&bytes, if sha256 { 32 } else { 20 }).ok_or(UNREAD)
        };
        let mut index = read(&file)?;
        if let Some(base) = &index.base {
            let shared = [SHARED, base.as_bytes()].concat();
            let base = read(&git.join(OsStr::from_bytes(&shared)))?;
            index.links.extend(base.links);
            index.planted = index.planted.or(base.planted);
        }
        Ok((index.links, index.planted))
    }

    /// Where a repository has its submodules: as `.gitmodules` has it and, where the command has changed one of them, the index,
    /// which is what git goes by.
    fn submodules(
        &self,
        tree: &Path,
        git: &Path,
        pass: &mut Pass,
    ) -> Result<(Vec<PathBuf>, Option<String>), &'static str> {
        let text = read_small(&tree.join(GITMODULES)).unwrap_or_default();
        let named = parse(&text)
            .into_iter()
            .filter(|e| e.section == "submodule" && e.key == "path")
            .filter_map(|e| e.value.map(PathBuf::from));
        let common = commondir(git).ok().flatten();
        let common = common.as_deref().unwrap_or(git);
        let (mut paths, planted) =
            self.index(git, common, self.has_other_submodules(tree), pass)?;
        paths.extend(named);
        Ok((paths, planted))
    }

    /// Whether a work tree that had submodules has none now, or others, by what is written in it: its index may have what it had.
    fn has_other_submodules(&self, tree: &Path) -> bool {
        self.submodules.contains(tree)
            && std::fs::symlink_metadata(tree.join(GITMODULES))
                .map_or(true, |meta| changed_since(&meta, self.since))
    }

    /// Linked worktrees: those that take their configuration from somewhere else than git had it written (each one's
    /// `commondir` says `../..`, `git-worktree(1)`, Details), or have some of their own.
    fn worktrees(&self, common: &Path, seen: &mut Seen, pass: &mut Pass) {
        let mut unlisted = Vec::new();
        for entry in listed(&common.join("worktrees"), &mut unlisted) {
            let git = entry.path();
            let name = entry.file_name();
            let name = |file: &str| format!("worktrees/{}/{file}", name.display());
            let gits_own = match small(&git.join("commondir")) {
                Ok(text) => text.is_none_or(|text| text.trim_end_matches(['\n', '\r']) == "../.."),
                // Git reads it however many ends of lines it has.
                Err(_) => false,
            };
            if !gits_own && seen.runs.len() < 16 {
                seen.runs.push(name("commondir"));
            }
            let mut own = Seen::default();
            self.configuration(&git.join("config.worktree"), &git, None, &mut own);
            let own = own.runs.into_iter().take(16);
            seen.runs
                .extend(own.map(|run| format!("{} ({run})", name("config.worktree"))));
            let tree = work_tree(&git);
            // That may lie where no command writes; its index lies here.
            match self.index(&git, common, false, pass) {
                Ok((links, planted)) => {
                    let links = links
                        .iter()
                        .filter_map(|link| Some(tree.as_ref()?.join(link)));
                    seen.leads.extend(links);
                    seen.runs.extend(
                        planted.map(|path| {
                            format!("{} ({path}, which git would write)", name("index"))
                        }),
                    );
                }
                Err(why) => seen.runs.push(format!("{} {why}", name("index"))),
            }
            seen.leads
                .extend(tree.filter(|tree| !self.is_planned(tree)));
            self.modules(&git, seen, pass);
        }
        if !unlisted.is_empty() {
            seen.runs.push("worktrees (cannot be listed)".to_owned());
        }
    }

    /// Git directories of submodules, which git takes for theirs also where nobody has had them yet
    /// (`git submodule update`).
    fn modules(&self, common: &Path, seen: &mut Seen, pass: &mut Pass) {
        let top = common.join("modules");
        let (mut inner, mut unlisted) = (Vec::new(), Vec::new());
        super::modules(&top, &mut inner, &mut unlisted, 0, false);
        for git in inner {
            let name = git
                .strip_prefix(common)
                .unwrap_or(&git)
                .display()
                .to_string();
            let mut own = self.what_runs(&git, None, pass);
            if !git.starts_with(&top) {
                self.written_through(&git, &mut own, pass);
            }
            seen.runs
                .extend(own.runs.into_iter().map(|run| format!("{name}/{run}")));
            seen.leads.extend(own.leads);
        }
        if !unlisted.is_empty() {
            seen.runs.push("modules (cannot be listed)".to_owned());
        }
    }

    /// What of a directory git would run as hooks; but for what is the same as in `like`, which is protected.
    fn hooks_in(&self, dir: &Path, name: &str, like: &[PathBuf], seen: &mut Seen) {
        if !self.writable(dir) {
            return;
        }
        seen.runs.extend(elsewhere(dir, name));
        let compared = like.iter().any(|like| like.is_dir());
        let mut unlisted = Vec::new();
        for entry in listed(dir, &mut unlisted) {
            let file = entry.file_name();
            // What git does not run, and what it may not.
            if file.as_bytes().ends_with(b".sample") {
                continue;
            }
            let path = entry.path();
            let told = format!("{name}/{}", file.to_string_lossy());
            let led = elsewhere(&path, &told);
            let executable = std::fs::metadata(&path)
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
            let mut like = like.iter().map(|like| like.join(&file));
            let same = like.any(|like| !self.writable(&like) && same(&path, &like));
            // What is no hook may be read by one, where there are others like it.
            let read = compared && std::fs::metadata(&path).is_ok_and(|m| m.is_file());
            if led.is_some() {
                seen.runs.extend(led);
            } else if (executable || read) && !same {
                seen.runs.push(told);
            }
        }
        if !unlisted.is_empty() {
            seen.runs.push(format!("{name} (cannot be listed)"));
        }
    }

    /// Hooks in a new work tree by a name that is relative to each (`core.hooksPath` of a repository that is known, or of the
    /// person). What a new worktree has like the one the repository was made with is no news.
    fn named_hooks(&self, git: &Path, common: &Path, tree: &Path, seen: &mut Seen) {
        let own = super::configuration(git, self.person);
        let named = own.hooks.iter().chain(&self.person.configuration.hooks);
        let main = common.parent().filter(|_| common.ends_with(".git"));
        let known = main.into_iter().chain(self.roots.iter().copied());
        let known: Vec<&Path> = known.filter(|known| *known != tree).collect();
        let programs = own
            .programs
            .iter()
            .chain(&self.person.configuration.programs);
        for program in programs.filter(|program| program.is_relative()) {
            let file = tree.join(program);
            let new = std::fs::metadata(&file).is_ok_and(|meta| meta.is_file());
            if new && !known.iter().any(|known| same(&file, &known.join(program))) {
                seen.runs.push(program.display().to_string());
            }
        }
        for hooks in named.filter(|hooks| hooks.is_relative()) {
            let mut all = vec![hooks.as_path()];
            all.extend(hooks.parent().filter(|_| runs_what_lies_beside(hooks)));
            for hooks in all {
                let like: Vec<PathBuf> = known.iter().map(|known| known.join(hooks)).collect();
                let name = hooks.display().to_string();
                let dir = tree.join(hooks);
                let dir = std::fs::canonicalize(&dir).unwrap_or(dir);
                self.hooks_in(&dir, &name, &like, seen);
            }
        }
    }
}

/// Git reads it however long it is.
fn unread(name: &str) -> String {
    format!("{name} (too long to be read, or a FIFO)")
}

/// Whether there is anything, be it a link that leads nowhere.
fn stands(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// A way through `/proc` is another for each program: where it leads git is not known.
fn elsewhere(path: &Path, name: &str) -> Option<String> {
    let through = |links: Vec<PathBuf>| links.iter().any(|link| link.starts_with("/proc"));
    let leads = by_process(path) || trail(path).is_ok_and(|trail| through(trail.links));
    leads.then(|| format!("{name} (a link through /proc)"))
}

/// Whether two files have the same content.
fn same(one: &Path, other: &Path) -> bool {
    let read = |path: &Path| crate::careful::read(path, crate::careful::SMALL);
    matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::gitindex::read;
    use super::{After, Made, Person, parse, runs_programs};
    use crate::tests::Dir;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::time::SystemTime;

    fn made(
        roots: &[&Path],
        found: &BTreeSet<PathBuf>,
        known: &BTreeSet<&Path>,
        ring_made: SystemTime,
    ) -> Vec<Made> {
        let person = Person::default();
        let after = After {
            roots,
            known,
            guarded: known,
            person: &person,
            programs: &super::Programs::new(),
            submodules: &BTreeSet::new(),
            since: ring_made,
            looks_back: false,
            plans: false,
        };
        after.made(found.iter().cloned())
    }

    #[test]
    fn variables_that_run_programs() {
        let runs = |text: &str| parse(text).iter().filter(|e| runs_programs(e)).count();
        for text in [
            "[core]\nfsmonitor = touch x",
            "[core]\nsshCommand = x",
            "[core]\nhooksPath = x",
            "[filter \"a\"]\nclean = x",
            "[diff \"a\"]\ntextconv = x",
            "[merge \"a\"]\ndriver = x",
            "[alias]\nst = !touch x",
            "[credential \"https://x\"]\nhelper = x",
            "[includeIf \"gitdir:/\"]\npath = x",
            "[gpg \"ssh\"]\nprogram = x",
            "[remote \"o\"]\nurl = ext::sh -c x",
            "[submodule \"a\"]\nupdate = !x",
            "[pager]\nlog = x",
            "[url \"./a/\"]\ninsteadOf = https://x/",
        ] {
            assert_eq!(runs(text), 1, "{text}");
        }
        let ordinary = "[core]\nrepositoryformatversion = 0\nfilemode = true\nbare = false\n\
             logallrefupdates = true\nfsmonitor = true\nfsmonitor\nworktree = ../x\n\
             [remote \"origin\"]\nurl = https://x\nfetch = +refs/heads/*:refs/remotes/origin/*\n\
             [branch \"main\"]\nremote = origin\nmerge = refs/heads/main\n[alias]\nst = status\n\
             [url \"git@x:\"]\ninsteadOf = https://x/\n[submodule]\nactive = .\n[submodule \"a\"]\nurl = x\nupdate = none\n[pager]\nlog = false\n\
             [user]\nname = x\n[lfs]\nrepositoryformatversion = 0\n";
        assert_eq!(runs(ordinary), 0);
    }

    fn git(dir: &Path, args: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(args)
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
    }

    fn have_git() -> bool {
        Command::new("git").arg("version").output().is_ok()
    }

    #[test]
    fn what_is_too_long_to_be_read_runs_programs() {
        let dir = Dir::new();
        for name in ["objects", "refs"] {
            dir.dir(&format!("w/n/.git/{name}"));
        }
        dir.file("w/n/.git/HEAD", "ref: refs/heads/main\n");
        let (root, tree) = (dir.0.join("w"), dir.0.join("w/n"));
        let look = || {
            made(
                &[&root],
                &[tree.clone()].into(),
                &BTreeSet::new(),
                SystemTime::now(),
            )
        };
        let long = "# padding\n".repeat(110_000);
        for name in ["config", "config.worktree", "commondir"] {
            assert_eq!(look(), [], "without {name}");
            dir.file(&format!("w/n/.git/{name}"), &long);
            let made = look();
            assert_eq!(made.len(), 1, "{name}");
            assert!(
                made[0].runs.iter().any(|runs| runs.starts_with(name)),
                "{made:?}"
            );
            std::fs::remove_file(tree.join(".git").join(name)).unwrap();
        }
        // What is read as another name, what somebody may yet write into, and a worktree's that only looks like git's own.
        let told = |name: &str, starts: &str| {
            let made = look();
            assert!(
                made.iter()
                    .flat_map(|m| &m.runs)
                    .any(|runs| runs.starts_with(starts)),
                "{name}: {made:?}"
            );
            std::fs::remove_file(tree.join(".git").join(name)).unwrap();
        };
        std::fs::write(tree.join(".git/commondir"), b"../\xff\n").unwrap();
        told("commondir", "commondir (names");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            tree.join(".git/config"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        told("config", "config (");
        let common = "n/.git/worktrees/x/commondir";
        dir.file(&format!("w/{common}"), "../..\n");
        assert_eq!(look(), []);
        dir.file(
            &format!("w/{common}"),
            &format!("../../../evil{}", "\n".repeat(1 << 20)),
        );
        told("worktrees/x/commondir", "worktrees/x/commondir");
    }

    #[test]
    fn submodules_are_read_from_each_version_of_an_index() {
        if !have_git() {
            return;
        }
        let dir = Dir::new();
        let tree = dir.dir("w");
        git(&tree, &["init", "-q"]);
        dir.file("w/a/file", "");
        dir.file("w/zz/a-rather-long-name-of-a-file", "");
        let sub = dir.dir("w/m/sub");
        git(&sub, &["init", "-q"]);
        git(&sub, &["commit", "-q", "--allow-empty", "-m", "x"]);
        git(&tree, &["add", "a", "zz", "m/sub"]);
        git(&tree, &["add", "-N", "."]);
        for version in ["2", "3", "4"] {
            git(&tree, &["update-index", "--index-version", version]);
            let bytes = std::fs::read(tree.join(".git/index")).unwrap();
            let index = read(&bytes, 20).unwrap();
            assert_eq!(index.links, [PathBuf::from("m/sub")]);
            assert_eq!((index.planted, index.base), (None, None));
            for cut in 0..bytes.len() {
                // No end of a file that is cut short makes it fail otherwise than by saying so.
                let _short = read(&bytes[..cut], 20);
            }
        }
        let roots = [tree.as_path()];
        let look = |known: &[&Path]| {
            let known = known.iter().copied().collect();
            made(&roots, &BTreeSet::new(), &known, SystemTime::now())
        };
        let config = tree.join(".git/config");
        let hooks = tree.join(".git/hooks");
        let known = [config.as_path(), hooks.as_path()];
        assert_eq!(look(&known), []);
        git(&sub, &["config", "core.fsmonitor", "touch x"]);
        let of = |sub: &str| vec![(tree.join(sub), vec!["core.fsmonitor".to_owned()])];
        let found = |known: &[&Path]| -> Vec<(PathBuf, Vec<String>)> {
            look(known).into_iter().map(|m| (m.path, m.runs)).collect()
        };
        assert_eq!(found(&known), of("m/sub"));
        // A split index, and an index that nobody changed.
        git(&tree, &["update-index", "--split-index"]);
        assert_eq!(found(&known), of("m/sub"));
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        let known = known.into_iter().collect();
        assert_eq!(made(&roots, &BTreeSet::new(), &known, later), []);
        // A hook, in one that was found.
        let hook = dir.file("w/m/sub/.git/hooks/post-commit", "");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let runs = made(&roots, &BTreeSet::from([sub]), &known, later)
            .remove(0)
            .runs;
        assert_eq!(runs, ["core.fsmonitor", "hooks/post-commit"]);
    }
}
