//! The survey: every name a policy speaks of, resolved once.

#[cfg(test)]
mod gitfile_tests;
mod guard;
mod hidden;
pub(crate) mod index;
#[cfg(test)]
mod links_tests;
mod readable;
mod repository;
mod roots;
mod second;
mod sockets;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_ops::linux::Located;
use ringfence_plan::{Doubt, Hidden, Root, Site, promise};
use ringfence_policy::{Effective, Mode, Sourced};
use ringfence_sys_linux::object;
use rustix::fs::FileType;

use crate::error::Error;
use crate::locate::{Found, follow, no_cwd, of_descriptor, trail};
use crate::mounts;
use crate::state::State;
pub(crate) use guard::{Guards, Tops};
pub(crate) use repository::Person;
pub(crate) use repository::is_repository;
pub(crate) use repository::runs::After;
pub use repository::runs::Made;
pub(crate) use roots::{Noted, too_wide};

/// What a survey starts from.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) policy: &'a Effective,
    pub(crate) workspace: &'a Path,
    pub(crate) cwd: &'a Path,
    /// The program to be run.
    pub(crate) program: &'a Path,
    pub(crate) home: Option<&'a Path>,
    pub(crate) state: Option<&'a State>,
    /// The child's PATH, for `read = "minimal"`.
    pub(crate) path: Option<&'a OsStr>,
    /// Which of this program's stdin, stdout and stderr the child gets as they are.
    pub(crate) handed: [bool; 3],
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
    /// Whoever runs git.
    pub(crate) person: Person,
    pub(crate) noted: Noted,
}

pub(crate) fn survey(asked: &Asked<'_>) -> Result<Survey, Error> {
    let policy = asked.policy;
    let home = asked.home.and_then(|h| follow(h).ok()).map(|f| f.at.path);
    let home = home.as_deref();
    // Nothing is written in it where nothing is.
    let protect = match policy.mode.value {
        Mode::WorkspaceWrite => policy.protect.as_slice(),
        _ => &[],
    };
    let workspace = roots::workspace(asked.workspace, home, protect)?;
    let workspace_at = workspace.at.path.clone();
    let cwd = follow(asked.cwd).map_err(no_cwd)?.at;
    let mut wanted: Vec<Found> = Vec::new();
    let mut derived = Vec::new();
    if policy.mode.value == Mode::WorkspaceWrite {
        let linked = repository::linked(&workspace);
        wanted.push(workspace);
        for root in &policy.write {
            let found = roots::write_root(&root.value, &root.origin.to_string(), home)?;
            within(policy.bounds.write.as_ref(), root, &found.at)?;
            wanted.push(found);
        }
        for (found, why) in linked {
            derived.push((found.at.path.clone(), why));
            wanted.push(found);
        }
    }
    let mut tops = roots::tops(wanted);
    for top in &mut tops {
        top.stand(&cwd.path);
    }
    let root_paths: Vec<PathBuf> = tops.iter().map(|t| t.found.at.path.clone()).collect();
    let mut walked = Vec::new();
    let mut doubts = Vec::new();
    let mut noted = Noted::default();
    let work = derived.iter().map(|(path, _)| path.clone());
    let all = roots::All::new(asked, &tops, work.chain([workspace_at.clone()]));
    let mut guarded = tops
        .iter()
        .map(|top| roots::guard(top, asked, &all, &mut walked, &mut doubts, &mut noted))
        .collect::<Result<Vec<Root>, Error>>()?;

    let temps = temps();
    let mounts = mounts::all().unwrap_or_else(|error| {
        doubts.push(Doubt {
            promise: promise::HIDE,
            what: format!(
                "where file systems are mounted cannot be read ({error}): what is hidden, and what a ring has its own of, may be \
                 mounted in a second place"
            ),
            refused: false,
        });
        Vec::new()
    });
    let ground = hidden::Ground {
        home,
        roots: &root_paths,
        mounts: &mounts,
        places: [&workspace_at, &cwd.path, asked.program],
    };
    let mut links = Vec::new();
    let hidden = hidden::hidden(policy, asked.home, &ground, &mut doubts, &mut links)?;
    for link in links {
        let mut roots = guarded.iter_mut();
        if let Some(root) = roots.find(|root| link.object.path.starts_with(&root.at.path)) {
            root.guarded.push(link);
        }
    }
    for place in [&workspace_at, &cwd.path] {
        let kept = |h: &Hidden| h.mask.keep.iter().any(|k| place.starts_with(&k.path));
        let over = |h: &&Hidden| place.starts_with(&h.mask.at.path) && !kept(h);
        if hidden.iter().any(|h| over(&h)) {
            return Err(Error::Workspace {
                path: place.clone(),
                why: "is hidden by the policy (`ringfence why` with this path says by what); work \
                      elsewhere, or remove the entry",
            });
        }
    }
    let socket_dirs = sockets::directories();
    let granted_sockets = granted(policy)?;
    let listening = sockets::listening(&socket_dirs, &hidden, &granted_sockets);
    let mut listening = listening.unwrap_or_else(|error| {
        doubts.push(Doubt {
            promise: promise::SOCKETS,
            what: format!(
                "sockets of services outside can be connected to, beyond /run and the temporary directories: \
                 /proc/net/unix, which lists them, cannot be read: {error}"
            ),
            refused: true,
        });
        Vec::new()
    });
    let (second, more) = second::places(&mounts, &root_paths, &socket_dirs, &hidden);
    listening.extend(more);
    let readable = readable::readable(policy, asked, &root_paths);
    let roots = guarded.iter().map(|r| r.at.clone()).collect();
    Ok(Survey {
        site: Site {
            workspace: workspace_at,
            roots: guarded,
            cwd,
            hidden,
            temps,
            temp_own: None,
            socket_dirs,
            sockets: listening,
            granted_sockets,
            second,
            caches: Vec::new(),
            kept: Vec::new(),
            shared: Vec::new(),
            readable,
            console: console(asked.handed),
            doubts,
        },
        roots,
        derived,
        walked,
        person: all.person,
        noted,
    })
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

/// Each write root and socket of a policy that cannot be one on this machine.
pub(crate) fn lacking(policy: &Effective, home: Option<&Path>) -> Vec<Error> {
    let home = home.and_then(|h| follow(h).ok()).map(|f| f.at.path);
    let root = |root: &Sourced<PathBuf>| {
        let found = roots::write_root(&root.value, &root.origin.to_string(), home.as_deref())?;
        within(policy.bounds.write.as_ref(), root, &found.at)
    };
    let roots = policy.write.iter().map(root);
    let sockets = policy.linux.sockets.iter();
    let sockets = sockets.map(|socket| granted_socket(policy, socket).map(drop));
    roots.chain(sockets).filter_map(Result::err).collect()
}

fn granted(policy: &Effective) -> Result<Vec<Located>, Error> {
    let sockets = policy.linux.sockets.iter();
    sockets
        .map(|socket| granted_socket(policy, socket))
        .collect()
}

fn granted_socket(policy: &Effective, socket: &Sourced<PathBuf>) -> Result<Located, Error> {
    let fail = |error| Error::Path {
        path: socket.value.clone(),
        origin: socket.origin.to_string(),
        error,
    };
    let found = follow(&socket.value).map_err(fail)?;
    within(policy.bounds.sockets.as_ref(), socket, &found.at)?;
    let path = &found.at.path;
    if own_sockets().is_some_and(|own| path.starts_with(&own) || own.starts_with(path)) {
        return Err(Error::OwnSockets {
            path: socket.value.clone(),
            origin: socket.origin.to_string(),
        });
    }
    // A directory would bring back all that is in it, whatever hides or protects it.
    if found.identity.kind() != FileType::Socket {
        return Err(Error::NoSocket {
            path: socket.value.clone(),
            origin: socket.origin.to_string(),
        });
    }
    Ok(found.at)
}

/// Where this user's servers listen. (Where there is no such directory they do below Ringfence's state, which
/// is hidden.)
fn own_sockets() -> Option<PathBuf> {
    let runtime = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    let own = follow(&runtime).ok()?.at.path.join("ringfence");
    own.is_absolute().then_some(own)
}

/// Whether what a path leads to lies within the administrator's bound, as its name does.
fn within(
    bound: Option<&Sourced<Vec<PathBuf>>>,
    path: &Sourced<PathBuf>,
    found: &Located,
) -> Result<(), Error> {
    let Some(bound) = bound else { return Ok(()) };
    let holds = |place: &PathBuf| trail(place).is_ok_and(|t| found.path.starts_with(t.end));
    if bound.value.iter().any(holds) {
        return Ok(());
    }
    Err(Error::BeyondManaged {
        path: path.value.clone(),
        origin: path.origin.to_string(),
        leads: found.path.clone(),
        bound: bound.origin.to_string(),
    })
}

/// The caller's terminal, if what the child is handed of stdin, stdout and stderr is one. No other: who has it by a name reads
/// what is typed, and writes what a person takes for somebody else's words.
fn console(handed: [bool; 3]) -> Option<Located> {
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]
        .into_iter()
        .zip(handed)
        .filter_map(|(fd, handed)| handed.then_some(fd))
        .filter(|fd| ringfence_sys_linux::terminal::is_terminal(*fd))
        // By a name one that was handed in to be written could be read.
        .find(|fd| object::access_of(*fd).is_ok_and(|both| both == (true, true)))
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
    let roots: Tops = [root.path.clone()].into_iter().collect();
    let mut guards = Guards::new(&roots);
    let person = repository::Person::of(layers_home().as_deref(), &|name| std::env::var_os(name));
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
        repository::repository(&mut guards, &found, relative, &person);
    }
    let (mut guarded, _) = guards.finish();
    let known = known(site);
    guarded.retain(|g| !known.contains(g.object.path.as_path()));
    let mut pinned: BTreeSet<PathBuf> = known.iter().map(|p| (*p).to_owned()).collect();
    for guard in &mut guarded {
        guard.pins.retain(|pin| pinned.insert(pin.path.clone()));
    }
    Ok(Root {
        at: root.clone(),
        inner: Vec::new(),
        guarded,
        missing: Vec::new(),
    })
}

/// The paths that a plan for a site protects, and those that lead to them.
pub(crate) fn known(site: &Site) -> BTreeSet<&Path> {
    site.roots
        .iter()
        .flat_map(|r| &r.guarded)
        .flat_map(|g| g.pins.iter().chain([&g.object]))
        .map(|l| l.path.as_path())
        .collect()
}

/// What of a site no command of its ring could write: what it protects, where that is still the same.
pub(crate) fn guarded(site: &Site) -> BTreeSet<&Path> {
    let all = site.roots.iter().flat_map(|r| &r.guarded);
    let still = |at: &&Located| {
        let now = object::identity_of(&at.path);
        now.is_ok_and(|now| now.is_some_and(|now| now.device == at.device && now.inode == at.inode))
    };
    let objects = all.map(|g| &g.object).filter(still);
    objects.map(|at| at.path.as_path()).collect()
}

fn layers_home() -> Option<PathBuf> {
    crate::layers::home()
}
