//! Write roots: which may be one, and what is guarded in them.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_plan::{Doubt, Root, promise};
use ringfence_policy::{Layer, Protect, Sourced};
use ringfence_sys_linux::listing::Listing;
use rustix::fs::FileType;

use super::guard::{Guards, Programs, Tops, plain};
use super::{Asked, index, repository};
use crate::error::Error;
use crate::locate::{Found, follow, trail};

/// Paths that would make a write root as wide as the machine or the person.
pub(crate) fn too_wide(path: &Path, home: Option<&Path>) -> Option<&'static str> {
    if path == Path::new("/") {
        return Some("is the root of the file system; name the directory you work in");
    }
    let account = crate::layers::account_home()
        .filter(|account| home != Some(*account))
        .map(|account| account.canonicalize().unwrap_or(account.to_owned()));
    for home in home.into_iter().chain(account.as_deref()) {
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
    // Work does lie below some of these (`/usr/src/app`, `/srv/site`, `/tmp/try`), below others not.
    const SYSTEM: [&str; 15] = [
        "/etc",
        "/home",
        "/media",
        "/mnt",
        "/opt",
        "/root",
        "/run",
        "/srv",
        "/tmp",
        "/usr",
        "/usr/local",
        "/usr/share",
        "/var",
        "/var/lib",
        "/var/tmp",
    ];
    const SYSTEM_AND_BELOW: [&str; 11] = [
        "/bin",
        "/boot",
        "/dev",
        "/lib",
        "/lib64",
        "/proc",
        "/sbin",
        "/sys",
        "/usr/bin",
        "/usr/lib",
        "/usr/sbin",
    ];
    if SYSTEM.iter().any(|dir| path == Path::new(dir))
        || SYSTEM_AND_BELOW.iter().any(|dir| path.starts_with(dir))
    {
        return Some("belongs to the system; name a directory of your own");
    }
    None
}

fn unprintable(path: &Path) -> bool {
    path.to_str()
        .is_none_or(|text| text.chars().any(char::is_control))
}

/// Whether a directory lies in one that is protected wherever it stands, or in that of a repository: as the workspace it would be
/// written, with what programs outside obey. A repository of its own in there (`.claude/worktrees/x`) is none of it.
fn in_protected(path: &Path, protect: &[Sourced<Protect>]) -> bool {
    let begins = |dir: &Path, entry: &Path| {
        let mut start = PathBuf::new();
        entry.components().any(|part| {
            start.push(part);
            dir.ends_with(&start)
        })
    };
    for dir in path.ancestors() {
        if repository::is_repository(dir) {
            return false;
        }
        let of_git = dir.ends_with(".git") || dir != path && repository::looks_like_git_dir(dir);
        let named = |entry: &Sourced<Protect>| match &entry.value {
            // A person's own are below the write roots they were written for.
            Protect::Relative(below) if entry.origin.layer == Layer::Builtin => begins(dir, below),
            _ => false,
        };
        if of_git || protect.iter().any(named) {
            return true;
        }
    }
    false
}

/// `home` is canonical.
pub(super) fn workspace(
    path: &Path,
    home: Option<&Path>,
    protect: &[Sourced<Protect>],
) -> Result<Found, Error> {
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
    if in_protected(&found.at.path, protect) {
        return Err(fail(
            "lies in a directory that programs outside obey, and that is protected wherever it stands (.git, .claude, .vscode \
             and the like); name the directory that has it",
        ));
    }
    match too_wide(&found.at.path, home) {
        Some(why) => Err(fail(why)),
        None => Ok(found),
    }
}

/// `home` is canonical.
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
    match too_wide(&found.at.path, home) {
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
    /// Where the caller stands, relative to it and not the top: what is protected by name in a
    /// write root is protected there too. Editors and agents take the directory they are
    /// started in for their project.
    pub(super) stands: Option<PathBuf>,
    /// The directories between.
    pub(super) between: Vec<PathBuf>,
}

impl Top {
    /// Notes where the caller stands.
    pub(super) fn stand(&mut self, cwd: &Path) {
        let Ok(below) = cwd.strip_prefix(&self.found.at.path) else {
            return;
        };
        if below.as_os_str().is_empty() || self.inner.iter().any(|inner| inner == below) {
            return;
        }
        self.between = below
            .ancestors()
            .skip(1)
            .filter(|dir| !dir.as_os_str().is_empty())
            .map(Path::to_owned)
            .collect();
        self.stands = Some(below.to_owned());
    }
}

/// Write roots that lie in no other, in the order they were asked for.
pub(super) fn tops(wanted: Vec<Found>) -> Vec<Top> {
    let paths: HashSet<PathBuf> = wanted.iter().map(|found| found.at.path.clone()).collect();
    let mut seen = HashSet::new();
    let mut tops: Vec<Top> = Vec::new();
    let mut inside = Vec::new();
    for found in wanted {
        let path = &found.at.path;
        if !seen.insert(path.clone()) {
            continue;
        }
        if path.ancestors().skip(1).any(|up| paths.contains(up)) {
            inside.push(found.at);
        } else {
            tops.push(Top {
                found,
                inner: Vec::new(),
                stands: None,
                between: Vec::new(),
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

/// What holds for all write roots together.
pub(super) struct All<'a> {
    tops: Tops,
    /// What is protected by name below each write root.
    named: Vec<(&'a Sourced<Protect>, &'a Path)>,
    /// The same, for write roots that have none of it.
    absent: Absent,
    /// What begins those that are obeyed wherever they lie.
    general: HashSet<&'a OsStr>,
    /// The first that is a directory: what is protected wherever it lies is looked for once.
    first: Option<PathBuf>,
    absolute: Vec<Absolute<'a>>,
    /// The directory of Ringfence's own programs.
    own: Option<PathBuf>,
    /// Work trees that have write roots in them and are in none.
    around: Vec<PathBuf>,
    /// Whoever runs git.
    pub(super) person: repository::Person,
}

/// A protected path that is not meant below each write root.
struct Absolute<'a> {
    entry: &'a Sourced<Protect>,
    path: &'a Path,
    /// Where it leads.
    end: Option<PathBuf>,
}

impl<'a> All<'a> {
    /// `work`: the workspace, and what it needs.
    pub(super) fn new(
        asked: &Asked<'a>,
        tops: &[Top],
        work: impl IntoIterator<Item = PathBuf>,
    ) -> All<'a> {
        let absolute = asked
            .policy
            .protect
            .iter()
            .filter_map(|entry| match &entry.value {
                Protect::Absolute(path) => Some(Absolute {
                    entry,
                    path,
                    end: trail(path).ok().map(|t| t.end),
                }),
                Protect::Relative(_) => None,
            });
        let named: Vec<_> = named(asked).collect();
        let path = |top: &Top| top.found.at.path.clone();
        let mut above = HashSet::new();
        for top in tops {
            for up in top.found.at.path.ancestors().skip(1) {
                if !above.insert(up.to_owned()) {
                    break;
                }
            }
        }
        let is_tree = |up: &PathBuf| std::fs::symlink_metadata(up.join(".git")).is_ok();
        let mut around: Vec<PathBuf> = above.into_iter().filter(is_tree).collect();
        // The same plan each time.
        around.sort();
        All {
            tops: tops.iter().map(path).collect::<Tops>().of_work(work),
            absent: Absent::of(&named),
            general: named
                .iter()
                .filter(|(entry, _)| is_general(entry))
                .filter_map(|(_, path)| path.iter().next())
                .collect(),
            named,
            first: tops.iter().find(|top| top.found.at.dir).map(path),
            absolute: absolute.collect(),
            own: std::env::current_exe()
                .ok()
                .and_then(|own| own.parent().map(Path::to_owned)),
            around,
            person: repository::Person::of(asked.home, &|name| std::env::var_os(name)),
        }
    }
}

fn named<'a>(
    asked: &Asked<'a>,
) -> impl Iterator<Item = (&'a Sourced<Protect>, &'a Path)> + use<'a> {
    let protect = asked.policy.protect.iter();
    protect.filter_map(|entry| match &entry.value {
        Protect::Relative(path) => Some((entry, path.as_path())),
        Protect::Absolute(_) => None,
    })
}

/// Whether what has this name is obeyed wherever it lies: what a person protects by name is meant below what they chose to
/// write.
fn is_general(entry: &Sourced<Protect>) -> bool {
    matches!(entry.origin.layer, Layer::Builtin | Layer::Managed)
}

/// What a write root lacks that has none of the names that are protected in one, as most have that are named beside the
/// workspace: the same each time.
struct Absent {
    /// Each path once.
    paths: Vec<PathBuf>,
    /// What one of them begins with, in lower case. `None` where one is not ASCII: what is that name to a file system is not
    /// known.
    begins: Option<HashSet<Vec<u8>>>,
}

impl Absent {
    fn of(named: &[(&Sourced<Protect>, &Path)]) -> Absent {
        let mut seen = HashSet::new();
        let mut paths = Vec::new();
        for (_, path) in named {
            let path: PathBuf = plain(path).collect();
            if !path.as_os_str().is_empty() && seen.insert(path.clone().into_os_string()) {
                paths.push(path);
            }
        }
        let firsts = paths.iter().filter_map(|path| path.iter().next());
        let begins = firsts
            .map(OsStr::as_bytes)
            .map(|first| first.is_ascii().then(|| first.to_ascii_lowercase()))
            .collect();
        Absent { paths, begins }
    }

    /// Whether that is so of a write root that has these names.
    fn holds(&self, names: Option<&Listing>) -> bool {
        match (names, &self.begins) {
            (Some(names), Some(begins)) => !names.may_have_any(begins),
            _ => false,
        }
    }
}

fn promise_of(entry: &Sourced<Protect>) -> &'static str {
    if entry.origin.layer == ringfence_policy::Layer::Builtin {
        promise::PROTECT_WORKSPACE
    } else {
        promise::PROTECT_PATHS
    }
}

/// What is looked at once more when a command has ended.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// Directories that were repositories and are none now.
    pub(crate) vacant: Vec<PathBuf>,
    /// Files that git runs, by configuration that is known.
    pub(crate) programs: Programs,
    /// Work trees that say that they have submodules.
    pub(crate) submodules: BTreeSet<PathBuf>,
}

pub(super) fn guard(
    top: &Top,
    asked: &Asked<'_>,
    all: &All<'_>,
    walked: &mut Vec<(PathBuf, index::Walked)>,
    doubts: &mut Vec<Doubt>,
    noted: &mut Noted,
) -> Result<Root, Error> {
    let root = &top.found;
    let mut guards = Guards::new(&all.tops);
    let fail = |entry: &Sourced<Protect>, path: &Path, error| Error::Path {
        path: path.to_owned(),
        origin: entry.origin.to_string(),
        error,
    };
    for Absolute { entry, path, end } in &all.absolute {
        if end
            .as_ref()
            .is_some_and(|end| root.at.path.starts_with(end))
        {
            guards
                .whole(&root.at.path, promise_of(entry))
                .map_err(|error| fail(entry, path, error))?;
        }
    }
    if !all.tops.is_work(&root.at.path) {
        outside_of_work(&mut guards, root, asked, all)?;
    }
    if root.at.dir {
        let is_first = all.first.as_ref() == Some(&root.at.path);
        let alone = top.inner.is_empty() && top.stands.is_none();
        if alone
            && all
                .absent
                .holds(guards.names(root.handle.as_fd(), &root.at.path))
        {
            guards.lacks_each(&root.at, &all.absent.paths);
        } else {
            for (entry, path) in &all.named {
                let stands = top.stands.iter().map(PathBuf::as_path);
                for start in top.starts().chain(stands) {
                    let relative = start.join(path);
                    guards
                        .add(root.handle.as_fd(), &root.at, &relative, promise_of(entry))
                        .map_err(|error| fail(entry, &root.at.path.join(&relative), error))?;
                }
            }
        }
        // Between the top and where the caller stands only policies are looked for.
        for dir in &top.between {
            let relative = dir.join(crate::layers::PROJECT);
            let promise = promise::PROTECT_WORKSPACE;
            guards
                .add(root.handle.as_fd(), &root.at, &relative, promise)
                .map_err(|error| Error::Path {
                    path: root.at.path.join(&relative),
                    origin: "built-in".to_owned(),
                    error,
                })?;
        }
        if is_first {
            repository::persons(&mut guards, &all.person);
            repository::around(&mut guards, &all.around, &all.person);
        }
        for Absolute { entry, path, .. } in &all.absolute {
            // Wherever it leads: what ends in no write root is read-only with everything
            // else, but not the links in one that lead there.
            if is_first {
                guards
                    .reach(path, promise_of(entry))
                    .map_err(|error| fail(entry, path, error))?;
            }
        }
        walked.extend(repository::guard(
            &mut guards,
            top,
            &all.person,
            asked.state,
        ));
    }
    own_programs(&mut guards, root, all.own.as_deref());
    doubts.append(&mut guards.doubts());
    noted.vacant.append(&mut guards.vacated());
    noted.submodules.append(&mut guards.submodules());
    noted.programs.append(&mut guards.programs());
    if let Some(error) = guards.short() {
        return Err(Error::TooFewFiles(error));
    }
    let (guarded, missing) = guards.finish();
    Ok(Root {
        at: root.at.clone(),
        inner: top.inner.iter().map(|i| root.at.path.join(i)).collect(),
        guarded,
        missing,
    })
}

/// Guards a write root that is no workspace by what stands above it: as a part of another repository, or of a directory that
/// an editor or an agent takes for its project, it is what those obey.
fn outside_of_work(
    guards: &mut Guards<'_>,
    root: &Found,
    asked: &Asked<'_>,
    all: &All<'_>,
) -> Result<(), Error> {
    let path = &root.at.path;
    let is_home = |dir: &Path| {
        let mut homes = asked.home.into_iter().chain(crate::layers::account_home());
        homes.any(|home| dir == home || home.canonicalize().is_ok_and(|home| dir == home))
    };
    let is_tree = |dir: &Path| std::fs::symlink_metadata(dir.join(".git")).is_ok();
    let fail = |origin: String| {
        move |error| Error::Path {
            path: path.clone(),
            origin,
            error,
        }
    };
    let named = all.named.iter().filter(|(entry, _)| is_general(entry));
    // Few paths have such a name in them: for the others nothing is looked for on disk.
    let settings = path.iter().any(|name| all.general.contains(name));
    let mut in_tree = false;
    for dir in path.ancestors().skip(1) {
        let Ok(below) = path.strip_prefix(dir) else {
            break;
        };
        let Some(first) = below.iter().next() else {
            continue;
        };
        if repository::is_obeyed(first) && repository::is_git_dir(dir)
            // A gitfile: it could be pointed elsewhere.
            || first == ".git" && !root.at.dir
        {
            return guards
                .whole(path, promise::PROTECT_GIT)
                .map_err(fail("built-in".to_owned()));
        }
        if settings && !in_tree && all.general.contains(first) && !is_home(dir) {
            // A work tree of its own in there (an agent's) is nobody's settings.
            let own = is_tree(path);
            for (entry, name) in named.clone() {
                let done = if below == *name || below.starts_with(name) && !own {
                    guards.whole(path, promise_of(entry))
                } else if let (Ok(rest), true) = (name.strip_prefix(below), root.at.dir) {
                    guards.add(root.handle.as_fd(), &root.at, rest, promise_of(entry))
                } else {
                    Ok(())
                };
                done.map_err(fail(entry.origin.to_string()))?;
            }
        }
        in_tree |= settings
            && is_tree(dir)
            && !dir
                .file_name()
                .is_some_and(|name| all.general.contains(name));
    }
    Ok(())
}

impl Top {
    /// Every write root of it, itself first, relative to it.
    pub(super) fn starts(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(Path::new("")).chain(self.inner.iter().map(PathBuf::as_path))
    }
}

/// Ringfence run from a checkout lies in the workspace: the next ring is built by what
/// lies there.
fn own_programs(guards: &mut Guards<'_>, root: &Found, dir: Option<&Path>) {
    let Some(dir) = dir.filter(|dir| dir.starts_with(&root.at.path)) else {
        return;
    };
    let names = [
        "ringfence",
        "ringfence-tools",
        "ringfence-runner",
        "ringfence-probe",
    ];
    let stands = dir.join("ringfence").is_file();
    for name in names {
        if let Ok(relative) = dir.join(name).strip_prefix(&root.at.path) {
            let (handle, promise) = (root.handle.as_fd(), promise::PROTECT_OWN);
            // What `ringfence` would become is not to be made for it. Of the others one that does not exist need not:
            // whoever makes it is asked for nothing.
            let _unprotected = if stands && name == "ringfence-tools" {
                guards.add(handle, &root.at, relative, promise)
            } else {
                guards.add_existing(handle, &root.at, relative, promise)
            };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{Absent, Listing};
    use crate::tests::Dir;
    use ringfence_policy::{Layer, Origin, Protect, Sourced};
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::path::{Path, PathBuf};

    /// Where case does not matter to a file system, one name is the other.
    #[test]
    fn what_a_name_may_be_taken_for_is_not_said_to_lack() {
        let entry = Sourced {
            value: Protect::Relative(PathBuf::new()),
            origin: Origin {
                layer: Layer::User,
                file: None,
                line: None,
                flag: None,
            },
        };
        let absent = |path: &'static str| {
            Absent::of(&[(&entry, Path::new(path)), (&entry, Path::new(path))])
        };
        let dir = Dir::new();
        let listing = || Listing::of(File::open(&dir.0).unwrap().as_fd());
        assert!(absent("Deploy/key").holds(listing().as_ref()));
        assert_eq!(absent("Deploy/key").paths, [PathBuf::from("Deploy/key")]);
        dir.file("dEPLOY", "");
        assert!(!absent("Deploy/key").holds(listing().as_ref()));
        assert!(absent("deplo").holds(listing().as_ref()));
        assert!(
            !absent("\u{212a}ey").holds(listing().as_ref()),
            "a name that is not ASCII"
        );
        assert!(!absent("deplo").holds(None));
    }
}
