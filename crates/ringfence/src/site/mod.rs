//! The survey: every name a policy speaks of, resolved once.

mod guard;
pub(crate) mod index;
mod repository;
mod sockets;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_ops::linux::{Located, Mask};
use ringfence_plan::{Hidden, Root, Site, promise};
use ringfence_policy::{Effective, Mode, Protect, Read};
use ringfence_sys_linux::object;
use rustix::fs::FileType;

use crate::error::Error;
use crate::locate::{Found, follow, no_follow, of_descriptor};
use crate::state::State;
pub(crate) use guard::Guards;

/// What a survey starts from.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) policy: &'a Effective,
    pub(crate) workspace: &'a Path,
    pub(crate) cwd: &'a Path,
    pub(crate) home: Option<&'a Path>,
    pub(crate) state: Option<&'a State>,
    /// The child's PATH, for `read = "minimal"`.
    pub(crate) path: Option<&'a OsStr>,
}

/// The site, and what the supervisor needs to go on looking.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) site: Site,
    /// Write roots in which to look for new repositories while a long command runs.
    pub(crate) roots: Vec<Located>,
    /// Roots that were walked for want of an index, with what was found.
    pub(crate) walked: Vec<(PathBuf, index::Walked)>,
    /// Write roots the policy did not name, and why they are there.
    pub(crate) derived: Vec<(PathBuf, &'static str)>,
}

pub(crate) fn survey(asked: &Asked<'_>) -> Result<Survey, Error> {
    let policy = asked.policy;
    let workspace = workspace(asked.workspace, asked.home)?;
    let cwd = follow(asked.cwd).map_err(|_| Error::NoCwd)?.at;
    let mut roots: Vec<Found> = Vec::new();
    let mut derived = Vec::new();
    if policy.mode.value == Mode::WorkspaceWrite {
        let linked = repository::linked(&workspace);
        roots.push(workspace);
        for root in &policy.write {
            roots.push(write_root(
                &root.value,
                &root.origin.to_string(),
                asked.home,
            )?);
        }
        for (found, why) in linked {
            derived.push((found.at.path.clone(), why));
            roots.push(found);
        }
    }
    // The workspace stays first; a root inside another is writable with it.
    let paths: Vec<PathBuf> = roots.iter().map(|r| r.at.path.clone()).collect();
    let mut seen = BTreeSet::new();
    roots.retain(|r| {
        seen.insert(r.at.path.clone())
            && !paths
                .iter()
                .any(|p| *p != r.at.path && r.at.path.starts_with(p))
    });
    let root_paths: Vec<PathBuf> = roots.iter().map(|r| r.at.path.clone()).collect();
    let mut walked = Vec::new();
    let guarded = roots
        .iter()
        .map(|root| guard_root(root, policy, asked, &root_paths, &mut walked))
        .collect::<Result<Vec<Root>, Error>>()?;

    let temps = temps();
    let hidden = hidden(policy, asked.home)?;
    let socket_dirs = sockets::directories();
    let granted_sockets = granted(policy)?;
    let listening = sockets::listening(&socket_dirs, &hidden, &granted_sockets);
    let readable = readable(policy, asked, &root_paths);
    let roots = guarded.iter().map(|r| r.at.clone()).collect();
    Ok(Survey {
        site: Site {
            roots: guarded,
            cwd,
            hidden,
            temps,
            temp_own: None,
            socket_dirs,
            sockets: listening,
            granted_sockets,
            caches: Vec::new(),
            kept: Vec::new(),
            shared: Vec::new(),
            readable,
            console: console(),
        },
        roots,
        derived,
        walked,
    })
}

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

fn workspace(path: &Path, home: Option<&Path>) -> Result<Found, Error> {
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

fn write_root(path: &Path, origin: &str, home: Option<&Path>) -> Result<Found, Error> {
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

fn guard_root(
    root: &Found,
    policy: &Effective,
    asked: &Asked<'_>,
    roots: &[PathBuf],
    walked: &mut Vec<(PathBuf, index::Walked)>,
) -> Result<Root, Error> {
    let mut guards = Guards::new(roots);
    if root.at.dir {
        for entry in &policy.protect {
            let built_in = entry.origin.layer == ringfence_policy::Layer::Builtin;
            let promise = if built_in {
                promise::PROTECT_WORKSPACE
            } else {
                promise::PROTECT_PATHS
            };
            let relative = match &entry.value {
                Protect::Relative(path) => Some(path.as_path()),
                Protect::Absolute(path) => path.strip_prefix(&root.at.path).ok(),
            };
            let Some(relative) = relative else { continue };
            guards
                .add(root.handle.as_fd(), &root.at, relative, promise)
                .map_err(|error| Error::Path {
                    path: root.at.path.join(relative),
                    origin: entry.origin.to_string(),
                    error,
                })?;
        }
        if let Some(found) = repository::guard(&mut guards, root, asked) {
            walked.push((root.at.path.clone(), found));
        }
    }
    own_programs(&mut guards, root);
    let (guarded, missing) = guards.finish();
    Ok(Root {
        at: root.at.clone(),
        guarded,
        missing,
    })
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

fn temps() -> Vec<Located> {
    ["/tmp", "/var/tmp"]
        .iter()
        .filter_map(|path| follow(Path::new(path)).ok())
        .filter(|found| found.identity.is_dir())
        .map(|found| found.at)
        .fold(Vec::new(), |mut all, at| {
            if !all.contains(&at) {
                all.push(at);
            }
            all
        })
}

/// Names in the directories most hidden entries lie in. A default policy has well over a
/// hundred entries and a home a handful of them: three listings are cheaper than asking
/// for each.
struct Listings {
    dirs: Vec<(PathBuf, BTreeSet<OsString>)>,
}

impl Listings {
    /// A directory with more names is not listed but asked for each.
    const MOST: usize = 2000;

    fn new(home: Option<&Path>) -> Listings {
        let Some(home) = home else {
            return Listings { dirs: Vec::new() };
        };
        let dirs = ["", ".config", ".local/share"]
            .iter()
            .filter_map(|name| {
                let dir = home.join(name);
                let entries = std::fs::read_dir(&dir).ok()?;
                let names: BTreeSet<OsString> = entries
                    .take(Listings::MOST)
                    .map(|e| e.map(|e| e.file_name()))
                    .collect::<Result<_, _>>()
                    .ok()?;
                (names.len() < Listings::MOST).then_some((dir, names))
            })
            .collect();
        Listings { dirs }
    }

    /// Whether a path is known not to exist.
    fn lack(&self, path: &Path) -> bool {
        self.dirs.iter().any(|(dir, names)| {
            path.strip_prefix(dir)
                .ok()
                .and_then(|below| below.components().next())
                .is_some_and(|first| !names.contains(first.as_os_str()))
        })
    }
}

/// Whether a path is of no use to the caller, and so to no child: another user's, and
/// its modes refuse reading and entering it.
fn out_of_reach(at: &Located, root: bool) -> bool {
    use rustix::fs::Access;
    let refused = |access| rustix::fs::access(&at.path, access) == Err(rustix::io::Errno::ACCESS);
    // Root without capabilities is bounded by modes that root with them is not asked for.
    !root
        && refused(Access::READ_OK)
        && (!at.dir || refused(Access::EXEC_OK))
        && object::identity_of(&at.path)
            .is_ok_and(|i| i.is_some_and(|i| i.uid != rustix::process::geteuid().as_raw()))
}

fn hidden(policy: &Effective, home: Option<&Path>) -> Result<Vec<Hidden>, Error> {
    let listings = Listings::new(home);
    let root = rustix::process::geteuid().is_root();
    let mut all: Vec<Hidden> = Vec::new();
    for entry in &policy.hide {
        let hide = &entry.value;
        if listings.lack(&hide.path) {
            continue;
        }
        let fail = |error| Error::Path {
            path: hide.path.clone(),
            origin: entry.origin.to_string(),
            error,
        };
        let at = match no_follow(&hide.path) {
            Ok(Some(at)) => at,
            Ok(None) => continue,
            // What this user cannot even look at, no child of theirs can read.
            Err(e) if e.errno == rustix::io::Errno::ACCESS.raw_os_error() => continue,
            Err(e) => return Err(fail(e)),
        };
        let mut places = vec![at.clone()];
        if !at.dir {
            // A link is no place to mount on: what it leads to is hidden.
            match follow(&hide.path) {
                Ok(found) if found.at.path != at.path => places = vec![found.at],
                Ok(_) => {}
                Err(e) if e.errno == rustix::io::Errno::NOENT.raw_os_error() => continue,
                Err(e) => return Err(fail(e)),
            }
        }
        for at in places {
            if out_of_reach(&at, root) {
                continue;
            }
            let keep = hide
                .except
                .iter()
                .filter_map(|name| no_follow(&at.path.join(name)).ok().flatten())
                .collect();
            all.push(Hidden {
                mask: Mask { at, keep },
                name: hide.name.clone(),
            });
        }
    }
    // What lies in another hidden place is hidden with it.
    all.sort_by(|a, b| a.mask.at.path.cmp(&b.mask.at.path));
    let mut outermost: Vec<Hidden> = Vec::new();
    for hidden in all {
        let covered = outermost.iter().any(|o| {
            hidden.mask.at.path.starts_with(&o.mask.at.path)
                && !o
                    .mask
                    .keep
                    .iter()
                    .any(|k| hidden.mask.at.path.starts_with(&k.path))
        });
        if !covered {
            outermost.push(hidden);
        }
    }
    Ok(outermost)
}

fn granted(policy: &Effective) -> Result<Vec<Located>, Error> {
    let mut all = Vec::new();
    for socket in &policy.linux.sockets {
        let found = follow(&socket.value).map_err(|error| Error::Path {
            path: socket.value.clone(),
            origin: socket.origin.to_string(),
            error,
        })?;
        all.push(found.at);
    }
    Ok(all)
}

/// What `read = "minimal"` makes readable: the system, the toolchains, the workspace.
fn readable(policy: &Effective, asked: &Asked<'_>, roots: &[PathBuf]) -> Option<Vec<Located>> {
    const SYSTEM: [&str; 14] = [
        "/bin",
        "/dev",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/nix",
        "/opt",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var/lib/dpkg",
    ];
    const TOOLCHAINS: [&str; 18] = [
        ".cargo",
        ".rustup",
        ".pyenv",
        ".nvm",
        ".volta",
        ".asdf",
        ".local/bin",
        ".local/lib",
        ".local/share/uv",
        ".local/share/mise",
        ".deno",
        ".bun",
        ".sdkman",
        ".m2",
        ".gradle",
        "go",
        ".gitconfig",
        ".config/git",
    ];
    let extra: &[PathBuf] = match &policy.read.value {
        Read::All => return None,
        Read::Minimal => &[],
        Read::Paths(paths) => paths,
    };
    let mut paths: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    if let Some(home) = asked.home {
        paths.extend(TOOLCHAINS.iter().map(|t| home.join(t)));
    }
    paths.extend(std::env::split_paths(asked.path.unwrap_or_default()).filter(|p| p.is_absolute()));
    paths.push(asked.workspace.to_owned());
    paths.extend(roots.iter().cloned());
    paths.extend(extra.iter().cloned());
    Some(
        paths
            .iter()
            .filter_map(|p| follow(p).ok())
            .map(|f| f.at)
            .collect(),
    )
}

/// The caller's terminal, if stdin, stdout or stderr is one.
fn console() -> Option<Located> {
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]
        .into_iter()
        .find(|fd| ringfence_sys_linux::terminal::is_terminal(*fd))
        .and_then(|fd| of_descriptor(fd).ok())
        .filter(|at| at.path.as_os_str().as_bytes().starts_with(b"/dev/"))
        .filter(|at| object::identity_of(&at.path).is_ok_and(|i| i.is_some()))
}

/// Guards for repositories that were found in a root of a living ring and that its plan
/// does not know.
///
/// One that was made since the ring was is the command's own work, perhaps not finished
/// (`git clone`): it is protected from the next command on. Its age is the kernel's
/// word, which no command can change; without it, it counts as new.
pub(crate) fn guard_new(
    root: &Located,
    repositories: &[PathBuf],
    site: &Site,
    ring_made: std::time::SystemTime,
) -> Result<Root, Error> {
    let found = follow(&root.path).map_err(|_| Error::NoCwd)?;
    let roots = vec![root.path.clone()];
    let mut guards = Guards::new(&roots);
    for relative in repositories {
        let tree = root.path.join(relative);
        let git = tree.join(".git");
        // A bare repository is its own git directory.
        let git = if git.symlink_metadata().is_ok() {
            git
        } else {
            tree
        };
        if object::born(&git).is_none_or(|born| born >= ring_made) {
            continue;
        }
        repository::repository(&mut guards, &found, relative, layers_home().as_deref());
    }
    let (mut guarded, _) = guards.finish();
    let known: BTreeSet<&Path> = site
        .roots
        .iter()
        .flat_map(|r| &r.guarded)
        .flat_map(|g| g.pins.iter().chain([&g.object]))
        .map(|l| l.path.as_path())
        .collect();
    guarded.retain(|g| !known.contains(g.object.path.as_path()));
    let mut pinned: BTreeSet<PathBuf> = known.iter().map(|p| (*p).to_owned()).collect();
    for guard in &mut guarded {
        guard.pins.retain(|pin| pinned.insert(pin.path.clone()));
    }
    Ok(Root {
        at: root.clone(),
        guarded,
        missing: Vec::new(),
    })
}

fn layers_home() -> Option<PathBuf> {
    crate::layers::home()
}
