//! What the paths of a policy are on disk, looked at by handles that follow no link.

use std::collections::BTreeSet;
use std::io;
use std::os::windows::fs::MetadataExt;
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::path::{Component, Path, PathBuf};

use ringfence_nt_access::SecurityDescriptor;
use ringfence_plan::promise;
use ringfence_plan::windows::{FileId, Guarded, Outside, Root, Site, Volume};
use ringfence_policy::defaults::{REPOSITORY_PROTECTED, WORKSPACE_PROTECTED};
use ringfence_policy::{Effective, Mode, Protect, Sourced};
use ringfence_sys_windows::file::{self, DriveType, access};
use ringfence_sys_windows::random;

use super::{convert, undecided};
use crate::error::Error;
use crate::sys;

const LOOK: u32 = access::READ_CONTROL | access::READ_ATTRIBUTES;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;

/// Where a survey starts.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) policy: &'a Effective,
    pub(super) workspace: &'a Path,
    pub(super) home: Option<&'a Path>,
}

/// What the plan is made of, and what only the end of a command needs.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) site: Site,
    pub(super) stood: Vec<Stood>,
}

/// A protected object that is there.
#[derive(Debug, Clone)]
pub(super) struct Stood {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) promise: &'static str,
}

/// Resolves each path once.
pub(super) fn survey(asked: &Asked<'_>) -> Result<Survey, Error> {
    let policy = asked.policy;
    let workspace = found(asked.workspace).map_err(|error| Error::Workspace {
        path: asked.workspace.to_owned(),
        why: match error.kind() {
            io::ErrorKind::NotFound => "does not exist; make it or name another",
            io::ErrorKind::PermissionDenied => "cannot be entered; name another",
            _ => "cannot be opened; name another",
        },
    })?;
    if !workspace.directory {
        return Err(Error::Workspace {
            path: asked.workspace.to_owned(),
            why: "is not a directory; name the directory it lies in",
        });
    }
    let id = workspace.id;
    let mut wanted = Vec::new();
    if policy.mode.value == Mode::WorkspaceWrite {
        wanted.push(workspace);
        for root in &policy.write {
            let at = write_root(&root.value, &root.origin.to_string())?;
            within(policy, root, &at.path)?;
            wanted.push(at);
        }
    }
    let roots: Vec<Root> = tops(wanted)
        .into_iter()
        .map(|at| root(at, policy))
        .collect();
    let stood = roots.iter().flat_map(stood).collect();
    let site = Site {
        workspace: id,
        roots,
        hidden: policy
            .hide
            .iter()
            .filter_map(|hide| hidden(&hide.value.path))
            .collect(),
        outside: others(asked.home),
        open: undecided::places(),
        repositories: false,
        ring: number()?,
    };
    Ok(Survey { site, stood })
}

/// Which objects the protected ones of a root are.
fn stood(root: &Root) -> Vec<Stood> {
    let of = |guarded: &Guarded| {
        let path = PathBuf::from(&guarded.path);
        // One that cannot be opened cannot be guarded either, which is refused.
        let (handle, _) = open(&path).ok()?;
        Some(Stood {
            id: convert::file_id(handle.as_handle()).ok()?,
            promise: guarded.promise,
            path,
        })
    };
    root.guarded.iter().filter_map(of).collect()
}

/// An object, opened once.
struct Found {
    path: PathBuf,
    id: FileId,
    directory: bool,
    volume: Volume,
    leads_elsewhere: Option<String>,
    descriptor: SecurityDescriptor,
}

fn found(path: &Path) -> io::Result<Found> {
    let real = sys::canonical(path)?;
    let (handle, facts) = open(&real)?;
    let volume = volume(&handle, &real);
    let id = convert::file_id(handle.as_handle());
    let id = match id {
        // A volume that keeps no descriptors is refused, and has no such numbers either.
        Err(_) if !volume.keeps_descriptors => FileId { volume: 0, file: 0 },
        id => id.map_err(sys::from_windows)?,
    };
    Ok(Found {
        id,
        directory: facts.directory,
        volume,
        leads_elsewhere: leads_elsewhere(path),
        descriptor: convert::descriptor_of(handle.as_handle()).map_err(sys::from_windows)?,
        path: real,
    })
}

fn open(path: &Path) -> io::Result<(OwnedHandle, file::Facts)> {
    let handle = file::open(path, LOOK).map_err(sys::from_windows)?;
    let facts = file::facts(handle.as_handle()).map_err(sys::from_windows)?;
    Ok((handle, facts))
}

fn write_root(path: &Path, origin: &str) -> Result<Found, Error> {
    let fail = |why| Error::WriteRoot {
        path: path.to_owned(),
        origin: origin.to_owned(),
        why,
    };
    let at = found(path).map_err(|error| {
        fail(match error.kind() {
            io::ErrorKind::NotFound => "does not exist; make it first or remove the entry",
            _ => "cannot be opened; mend or remove the entry",
        })
    })?;
    if !at.directory {
        return Err(fail(
            "is a file, and on Windows only directories can be write roots; name the directory it lies in",
        ));
    }
    Ok(at)
}

/// What a bound of the administrator's was held against by its name is held against it by where that leads as well.
fn within(policy: &Effective, root: &Sourced<PathBuf>, leads: &Path) -> Result<(), Error> {
    let Some(bound) = policy.bounds.write.as_ref() else {
        return Ok(());
    };
    let holds = |place: &PathBuf| is_in(leads, &sys::canonical(place).unwrap_or(place.clone()));
    if bound.value.iter().any(holds) {
        return Ok(());
    }
    Err(Error::BeyondManaged {
        path: root.value.clone(),
        origin: root.origin.to_string(),
        leads: leads.to_owned(),
        bound: bound.origin.to_string(),
    })
}

/// Whether a path is the other or in it, whatever the case of their letters.
pub(super) fn is_in(path: &Path, of: &Path) -> bool {
    let mut path = path.components();
    of.components().all(|part| {
        path.next()
            .is_some_and(|own| own.as_os_str().eq_ignore_ascii_case(part.as_os_str()))
    })
}

/// Those that lie in no other, in the order they were asked for.
fn tops(wanted: Vec<Found>) -> Vec<Found> {
    let paths: Vec<PathBuf> = wanted.iter().map(|at| at.path.clone()).collect();
    let mut seen = BTreeSet::new();
    wanted
        .into_iter()
        .filter(|at| {
            let within = |other: &&PathBuf| !is_in(other, &at.path) && is_in(&at.path, other);
            seen.insert(at.id) && !paths.iter().any(|other| within(&other))
        })
        .collect()
}

fn volume(handle: &OwnedHandle, path: &Path) -> Volume {
    let known = file::volume(handle.as_handle());
    let drive = path
        .ancestors()
        .last()
        .and_then(|root| file::drive_type(root).ok());
    let remote =
        file::is_remote(handle.as_handle()).unwrap_or_default() || drive == Some(DriveType::Remote);
    match known {
        Ok(known) => Volume {
            keeps_descriptors: known.keeps_descriptors(),
            file_system: known.file_system.to_string_lossy().into_owned(),
            remote,
        },
        Err(error) => Volume {
            file_system: format!("unknown ({error})"),
            keeps_descriptors: false,
            remote,
        },
    }
}

/// The first directory on the way, as the path is written, that is a link, a junction or the like.
fn leads_elsewhere(path: &Path) -> Option<String> {
    let mut so_far = PathBuf::new();
    for part in path.components() {
        so_far.push(part);
        if !matches!(part, Component::Normal(_)) {
            continue;
        }
        let meta = std::fs::symlink_metadata(&so_far).ok()?;
        if meta.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
            return Some(so_far.to_string_lossy().into_owned());
        }
    }
    None
}

fn root(at: Found, policy: &Effective) -> Root {
    let (mut guarded, mut missing) = (Vec::new(), Vec::new());
    for (below, promise) in protected(&at.path, policy) {
        let path = |below: &Path| at.path.join(below).to_string_lossy().into_owned();
        // What cannot be looked at is there: guarding it fails, and is told.
        let absent = |error: io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            )
        };
        if !at.path.join(&below).symlink_metadata().is_err_and(absent) {
            let above = below.ancestors().skip(1);
            let mut pins: Vec<String> = above
                .filter(|dir| !dir.as_os_str().is_empty())
                .map(path)
                .collect();
            pins.reverse();
            guarded.push(Guarded {
                path: path(&below),
                pins,
                promise,
            });
        } else {
            missing.push(path(&below));
        }
    }
    Root {
        path: at.path.to_string_lossy().into_owned(),
        id: at.id,
        volume: at.volume,
        leads_elsewhere: at.leads_elsewhere,
        descriptor: at.descriptor,
        guarded,
        missing,
    }
}

/// What is protected below a write root, each once.
fn protected(root: &Path, policy: &Effective) -> Vec<(PathBuf, &'static str)> {
    let mut all: Vec<(PathBuf, &'static str)> = Vec::new();
    let git = root.join(".git");
    if git.is_dir() {
        let names = REPOSITORY_PROTECTED.iter();
        all.extend(names.map(|name| (Path::new(".git").join(name), promise::PROTECT_GIT)));
    } else if git.is_file() {
        // It names the directory whose hooks count.
        all.push((PathBuf::from(".git"), promise::PROTECT_GIT));
    }
    for protect in &policy.protect {
        let below = match &protect.value {
            Protect::Relative(path) => path.clone(),
            Protect::Absolute(path) if is_in(path, root) => {
                path.components().skip(root.components().count()).collect()
            }
            Protect::Absolute(_) => continue,
        };
        let built_in = WORKSPACE_PROTECTED
            .iter()
            .any(|name| Path::new(name) == below);
        let promise = if built_in {
            promise::PROTECT_WORKSPACE
        } else {
            promise::PROTECT_PATHS
        };
        // The root itself cannot be both.
        if !below.as_os_str().is_empty() {
            all.push((below, promise));
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|(below, _)| seen.insert(below.clone()));
    all
}

/// What is hidden and exists. Of what does not show who may read it nothing is known: it counts as readable.
fn hidden(path: &Path) -> Option<Outside> {
    outside(path).or_else(|| match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        _ => Some(Outside {
            path: path.to_string_lossy().into_owned(),
            descriptor: SecurityDescriptor::default(),
            parent: None,
        }),
    })
}

/// Something that exists, with the descriptor of the directory it is in.
fn outside(path: &Path) -> Option<Outside> {
    let (handle, _) = open(path).ok()?;
    let descriptor = convert::descriptor_of(handle.as_handle()).ok()?;
    let above = path.parent().and_then(|above| open(above).ok());
    let parent = above.and_then(|(above, _)| convert::descriptor_of(above.as_handle()).ok());
    Some(Outside {
        path: path.to_string_lossy().into_owned(),
        descriptor,
        parent,
    })
}

/// A few places that commands have no business in: the user's, and those where all may write.
fn others(home: Option<&Path>) -> Vec<Outside> {
    const IN_HOME: [&str; 4] = ["Documents", "Desktop", "AppData", ".gitconfig"];
    let mut paths: Vec<PathBuf> = home
        .into_iter()
        .flat_map(|home| IN_HOME.map(|name| home.join(name)))
        .collect();
    let said = |name: &str| std::env::var_os(name).map(PathBuf::from);
    paths.extend(said("PUBLIC"));
    paths.extend(said("ProgramData"));
    paths.extend(said("SystemRoot").map(|windows| windows.join("Temp")));
    paths.extend(home.and_then(|home| home.ancestors().last().map(Path::to_owned)));
    let mut seen = BTreeSet::new();
    paths.retain(|path| path.is_absolute() && seen.insert(path.clone()));
    paths.iter().filter_map(|path| outside(path)).collect()
}

fn number() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    random::fill(&mut bytes).map_err(|error| Error::System {
        what: "drawing the number of the ring",
        error: sys::from_windows(error),
    })?;
    Ok(u128::from_le_bytes(bytes))
}
