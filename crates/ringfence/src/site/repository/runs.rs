//! Repositories a command made: which of their files would have git run something.
//!
//! Git inside must write the configuration and hooks of a repository it makes, so they
//! cannot be protected meanwhile. What can be done is to look at them afterwards, before
//! anybody outside uses git there, or in a repository around it: `git status` there goes
//! into each submodule.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::config::{Entry, is_garbled, parse, runs_what_lies_beside};
use super::{Person, commondir, git_dirs_of, listed, read_small, small, work_tree};
use crate::locate::{follow, trail};
use crate::site::guard::{Programs, stamp};

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
    pub(crate) ring_made: SystemTime,
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
        let mut left = INDEX;
        // The last is looked at first: those that are known, and protected, after the others.
        let (known, unknown): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|tree| self.is_planned(tree));
        let mut todo = known;
        // Known ones are protected, but a command may have added a submodule to one, or a link.
        let dot_gits = self.known.iter().filter(|path| path.ends_with(".git"));
        todo.extend(dot_gits.filter_map(|dot_git| {
            let tree = dot_git.parent()?;
            let git = git_dirs_of(tree).into_iter().next()?;
            let changed = |name: &&str| {
                std::fs::symlink_metadata(git.join(name))
                    .is_ok_and(|meta| changed_since(&meta, self.ring_made))
            };
            let mut written = ["index", "", "logs", "logs/refs/heads"].iter();
            written.any(changed).then(|| tree.to_owned())
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
            let mut runs = Vec::new();
            for git in git_dirs_of(&tree) {
                let found = self.what_runs(&git, Some(&tree));
                runs.extend(found.runs);
                todo.extend(found.leads);
                match submodules(&tree, &git, self.ring_made, &mut left) {
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
            let now = stamp(program);
            if now.is_some() && now != *stood {
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
    fn what_runs(&self, git: &Path, tree: Option<&Path>) -> Seen {
        let mut seen = Seen::default();
        let named = commondir(git);
        match &named {
            Err(_) => seen.runs.push(unread("commondir")),
            Ok(Some(path)) if is_garbled(path) => {
                let what = "commondir (names a path that is not UTF-8)";
                seen.runs.push(what.to_owned());
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
        self.worktrees(&common, &mut seen);
        self.written_through(&git, &mut seen);
        if tree.is_some() {
            self.modules(&common, &mut seen);
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
                    seen.leads.extend(remote(&entry).map(|path| match tree {
                        Some(tree) => tree.join(path),
                        None => git.join(path),
                    }));
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

    /// What git writes in a git directory, and through links: where they lead to what no command of the ring could write, or to
    /// nothing yet. And repositories in it, which a remote may name.
    fn written_through(&self, git: &Path, seen: &mut Seen) {
        const WRITTEN: [&str; 9] = [
            "",
            "info",
            "logs",
            "logs/refs",
            "logs/refs/heads",
            "logs/refs/remotes",
            "objects",
            "objects/info",
            "refs",
        ];
        for name in WRITTEN {
            let dir = git.join(name);
            // To make a name changes the time of the directory, which no command can set back.
            let changed =
                |meta: std::fs::Metadata| meta.is_dir() && changed_since(&meta, self.ring_made);
            if !std::fs::symlink_metadata(&dir).is_ok_and(changed) {
                continue;
            }
            for entry in listed(&dir, &mut Vec::new()) {
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                let path = entry.path();
                if kind.is_symlink() && self.leads_away(&path) {
                    let name = path
                        .strip_prefix(git)
                        .unwrap_or(&path)
                        .display()
                        .to_string();
                    seen.runs
                        .push(format!("{name} (a link, through which git writes)"));
                }
                if name.is_empty()
                    && kind.is_dir()
                    && entry.file_name() != "modules"
                    && super::is_git_dir(&path)
                {
                    seen.leads.push(path);
                }
            }
        }
    }

    fn leads_away(&self, link: &Path) -> bool {
        match std::fs::canonicalize(link) {
            Ok(end) => !self.writable(&end),
            // A branch not yet born.
            Err(_) => {
                !(link.ends_with("HEAD")
                    && std::fs::read_link(link).is_ok_and(|to| to.starts_with("refs")))
            }
        }
    }

    /// Linked worktrees: those that take their configuration from somewhere else than git had it written (each one's
    /// `commondir` says `../..`, `git-worktree(1)`, Details), or have some of their own.
    fn worktrees(&self, common: &Path, seen: &mut Seen) {
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
            seen.leads
                .extend(work_tree(&git).filter(|tree| !self.is_planned(tree)));
            self.written_through(&git, seen);
            self.modules(&git, seen);
        }
        if !unlisted.is_empty() {
            seen.runs.push("worktrees (cannot be listed)".to_owned());
        }
    }

    /// Git directories of submodules, which git takes for theirs also where nobody has had them yet
    /// (`git submodule update`).
    fn modules(&self, common: &Path, seen: &mut Seen) {
        let top = common.join("modules");
        let (mut inner, mut unlisted) = (Vec::new(), Vec::new());
        super::modules(&top, &mut inner, &mut unlisted, 0, false);
        for git in inner {
            let name = git
                .strip_prefix(common)
                .unwrap_or(&git)
                .display()
                .to_string();
            let own = self.what_runs(&git, None);
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
    let trail = trail(path).ok()?;
    let leads = trail.links.iter().any(|link| link.starts_with("/proc"));
    leads.then(|| format!("{name} (a link through /proc)"))
}

/// Whether two files have the same content.
fn same(one: &Path, other: &Path) -> bool {
    let read = |path: &Path| crate::careful::read(path, crate::careful::SMALL);
    matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other)
}

/// The path of a repository on this machine that a variable names: `git push` runs hooks there.
fn remote(entry: &Entry) -> Option<PathBuf> {
    let value = entry.value.as_deref()?;
    let names = matches!(
        (entry.section.as_str(), entry.key.as_str()),
        ("remote", "url" | "pushurl" | "pushdefault")
            | ("branch", "remote" | "pushremote")
            | ("submodule", "url")
    );
    let path = value.strip_prefix("file://").unwrap_or(value);
    // `host:path` has no slash before the colon.
    let host = path
        .split('/')
        .next()
        .is_some_and(|first| first.contains(':'));
    (names && path.contains('/') && !host).then(|| PathBuf::from(path))
}

/// Whether a variable has git run a program that it names, or read more configuration
/// (`git-config(1)`, of git 2.52, and git-lfs').
pub(crate) fn runs_programs(entry: &Entry) -> bool {
    let value = entry.value.as_deref().unwrap_or_default();
    let truth = ["", "true", "false", "yes", "no", "on", "off", "0", "1"];
    let is_truth = truth.iter().any(|word| value.eq_ignore_ascii_case(word));
    let subsection = entry.subsection.as_deref().unwrap_or_default();
    match (entry.section.as_str(), entry.key.as_str()) {
        ("core", "fsmonitor") => !is_truth,
        (
            "core",
            "sshcommand"
            | "hookspath"
            | "editor"
            | "pager"
            | "askpass"
            | "gitproxy"
            | "alternaterefscommand",
        )
        | ("sequence", "editor")
        | ("interactive", "difffilter")
        | ("filter", "clean" | "smudge" | "process")
        | ("diff", "command" | "textconv" | "external")
        | ("merge", "driver")
        | ("difftool" | "mergetool" | "browser" | "man" | "guitool", "cmd" | "path")
        | ("credential", "helper")
        | ("include" | "includeif", "path")
        | ("gpg", "program" | "defaultkeycommand")
        | ("uploadpack", "packobjectshook")
        | ("gc", "recentobjectshook")
        // Lines of a todo list: `%n` begins another, which may be `exec`.
        | ("rebase", "instructionformat")
        | ("init", "templatedir")
        | ("remote", "uploadpack" | "receivepack" | "vcs")
        | ("hook" | "tar" | "trailer", "command" | "cmd")
        | ("imap", "tunnel")
        | ("instaweb", "httpd")
        | ("lfs", "path" | "clean" | "smudge")
        | ("sendemail", "smtpserver" | "sendmailcmd" | "tocmd" | "cccmd" | "headercmd") => true,
        ("pager", _) => !is_truth,
        ("submodule", "update") => value.trim_start().starts_with('!'),
        // Options of the command it stands for run programs, too (`fetch --upload-pack`).
        ("alias", _) => {
            let value = value.trim();
            value.starts_with(['!', '-']) || value.contains(char::is_whitespace)
        }
        ("remote", "url" | "pushurl" | "pushdefault")
        | ("branch", "remote" | "pushremote")
        | ("submodule", "url")
        | ("extensions", "partialclone") => value.starts_with("ext::"),
        ("url", "insteadof" | "pushinsteadof") => subsection.starts_with("ext::"),
        ("protocol", "allow") => ["", "ext"].contains(&subsection) && value != "never",
        // To a file that may lie anywhere.
        ("http", "savecookies") => !["", "false", "no", "off", "0"].contains(&value.to_ascii_lowercase().as_str()) || entry.value.is_none(),
        // A shell reads the file of that name (`git-mergetool--lib`).
        ("diff" | "merge", "tool" | "guitool") => value.contains('/'),
        _ => false,
    }
}

/// Where a repository has its submodules: as `.gitmodules` has it and, where the command
/// has changed it, the index, which is what git goes by.
fn submodules(
    tree: &Path,
    git: &Path,
    ring_made: SystemTime,
    left: &mut u64,
) -> Result<(Vec<PathBuf>, Option<String>), &'static str> {
    const UNREAD: &str = "(its index could not be read for submodules)";
    let text = read_small(&tree.join(".gitmodules")).unwrap_or_default();
    let mut paths: Vec<PathBuf> = parse(&text)
        .into_iter()
        .filter(|e| e.section == "submodule" && e.key == "path")
        .filter_map(|e| e.value.map(PathBuf::from))
        .collect();
    let index = git.join("index");
    let Ok(meta) = std::fs::symlink_metadata(&index) else {
        return Ok((paths, None));
    };
    if !changed_since(&meta, ring_made) {
        return Ok((paths, None));
    }
    let mut planted = None;
    let sha256 = read_small(&git.join("config")).is_some_and(|text| {
        let sha256 = |e: &Entry| e.value.as_deref() == Some("sha256");
        parse(&text)
            .iter()
            .any(|e| e.key == "objectformat" && sha256(e))
    });
    let hash = if sha256 { 32 } else { 20 };
    let mut files = vec![index];
    // A split index keeps most of it beside (`git-update-index(1)`, Split index).
    let beside = std::fs::read_dir(git).into_iter().flatten().flatten();
    files.extend(
        beside
            .filter(|e| e.file_name().as_bytes().starts_with(b"sharedindex."))
            .map(|e| e.path())
            .take(16),
    );
    for file in files {
        let meta = std::fs::symlink_metadata(&file).map_err(|_| UNREAD)?;
        if !meta.is_file() || meta.len() > *left {
            return Err(UNREAD);
        }
        *left -= meta.len();
        let bytes = std::fs::read(&file).map_err(|_| UNREAD)?;
        let (links, bad) = gitlinks(&bytes, hash).ok_or(UNREAD)?;
        paths.extend(links);
        planted = planted.or(bad);
    }
    Ok((paths, planted))
}

/// By the kernel's word, which no command can change as it can the time of modification.
/// What the kernel writes there is the time of its last tick, at most 10 ms old; some file systems
/// keep whole seconds, or two.
fn changed_since(meta: &std::fs::Metadata, time: SystemTime) -> bool {
    use std::os::unix::fs::MetadataExt;
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

/// Paths with mode 160000 of an index (`gitformat-index(5)`); and the first that git would not put there, and writes to nevertheless
/// where it finds it there (`verify_path` of its `read-cache.c`).
fn gitlinks(bytes: &[u8], hash: usize) -> Option<(Vec<PathBuf>, Option<String>)> {
    const GITLINK: u32 = 0o160_000;
    const DIRECTORY: u32 = 0o040_000;
    const EXTENDED: u16 = 0x4000;
    let number = |at: usize| -> Option<u32> {
        Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    if bytes.get(..4)? != b"DIRC" {
        return None;
    }
    let version = number(4)?;
    if !(2..=4).contains(&version) {
        return None;
    }
    let mut at = 12;
    let mut name: Vec<u8> = Vec::new();
    let mut found = Vec::new();
    let mut planted = None;
    for _ in 0..number(8)? {
        let start = at;
        let mode = number(start + 24)?;
        at = start + 40 + hash;
        let flags = u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?);
        at += if flags & EXTENDED == 0 { 2 } else { 4 };
        if version == 4 {
            // The end of the name before is replaced.
            let (cut, next) = variable(bytes, at)?;
            at = next;
            name.truncate(name.len().checked_sub(cut)?);
        } else {
            name.clear();
        }
        let length = bytes.get(at..)?.iter().position(|b| *b == 0)?;
        name.extend_from_slice(&bytes[at..at + length]);
        at += length + 1;
        if version < 4 {
            at = start + (at - start).next_multiple_of(8);
        }
        // A directory of a sparse index ends with a slash; what a split one replaces has no name.
        let path = name.strip_suffix(b"/").filter(|_| mode == DIRECTORY);
        let path = path.unwrap_or(&name);
        let name_of_gits =
            |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.eq_ignore_ascii_case(b".git");
        if planted.is_none() && !path.is_empty() && path.split(|b| *b == b'/').any(name_of_gits) {
            planted = Some(String::from_utf8_lossy(&name).into_owned());
        }
        if mode == GITLINK {
            found.push(PathBuf::from(std::ffi::OsStr::from_bytes(&name)));
        }
    }
    Some((found, planted))
}

/// A number in the encoding of pack files' offsets.
fn variable(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut byte = *bytes.get(at)?;
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        at += 1;
        byte = *bytes.get(at)?;
        value = value.checked_add(1)?.checked_mul(128)? + usize::from(byte & 0x7f);
    }
    Some((value, at + 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{After, Made, Person, gitlinks, parse, runs_programs};
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
            ring_made,
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
        ] {
            assert_eq!(runs(text), 1, "{text}");
        }
        let ordinary = "[core]\nrepositoryformatversion = 0\nfilemode = true\nbare = false\n\
             logallrefupdates = true\nfsmonitor = true\nfsmonitor\nworktree = ../x\n\
             [remote \"origin\"]\nurl = https://x\nfetch = +refs/heads/*:refs/remotes/origin/*\n\
             [branch \"main\"]\nremote = origin\nmerge = refs/heads/main\n[alias]\nst = status\n\
             [submodule]\nactive = .\n[submodule \"a\"]\nurl = x\nupdate = none\n[pager]\nlog = false\n\
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
            let (links, planted) = gitlinks(&bytes, 20).unwrap();
            assert_eq!(
                (links.as_slice(), planted),
                ([PathBuf::from("m/sub")].as_slice(), None)
            );
            for cut in 0..bytes.len() {
                // No end of a file that is cut short makes it fail otherwise than by saying so.
                let _short = gitlinks(&bytes[..cut], 20);
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
