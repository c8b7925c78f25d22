//! Where policies live, and reading them.
//!
//! | layer | file | on Windows |
//! |---|---|---|
//! | managed | `/etc/ringfence/managed.toml` | the value `Policy` of `HKLM\SOFTWARE\Policies\Ringfence` in the registry |
//! | user | `$XDG_CONFIG_HOME/ringfence/policy.toml`, by default below `~/.config` | `%APPDATA%\Ringfence\policy.toml` |
//! | project | `.ringfence.toml` in the workspace and in each directory above it | the same |

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ringfence_plan::promise;
use ringfence_policy::{Context, Effective, FileText, Flags, Sources, load, not_yet};

use crate::careful;
use crate::error::Error;
use crate::grants::{self, Held};
use crate::rules;
use crate::state::State;
use crate::{sys, trust, workspace};

pub(crate) use crate::sys::account_home;

/// Where the managed policy is: a file, or a value of the registry.
pub const MANAGED: &str = sys::MANAGED;
/// How a user without a home gets a place for policies.
pub const TO_HAVE_CONFIG: &str = sys::TO_HAVE_CONFIG;
/// The same for state.
pub const TO_HAVE_STATE: &str = sys::TO_HAVE_STATE;
/// Name of a project's policy.
pub const PROJECT: &str = ".ringfence.toml";

/// The person's home directory: `HOME`, else the password database; on Windows `USERPROFILE`.
#[must_use]
pub fn home() -> Option<PathBuf> {
    sys::home()
}

/// The managed policy's file; `None` where it is in no file.
#[must_use]
pub fn managed_file() -> Option<&'static Path> {
    sys::managed_file()
}

/// Reads the managed policy; `None` where there is none.
///
/// # Errors
/// [`Error::PolicyFile`] or, where it is in no file, [`Error::ManagedPolicy`]: one that cannot be read, or that others than
/// administrators may change, is never passed over.
pub fn managed() -> Result<Option<FileText>, Error> {
    sys::managed()
}

/// What Ringfence itself is made of, and goes by: its programs, its policies, its state, wherever `HOME` points.
pub(crate) fn own_places() -> Vec<PathBuf> {
    let own = std::env::current_exe().ok();
    let programs = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let managed = managed_file().and_then(Path::parent).map(Path::to_owned);
    let home = home();
    let homes = home.as_deref().into_iter().chain(account_home());
    let of_homes = homes.flat_map(|home| {
        let policy = home.join(".config/ringfence");
        [policy, home.join(".local/state/ringfence")]
    });
    let user = user_file(home.as_deref()).and_then(|file| file.parent().map(Path::to_owned));
    let state = State::of_user(home.as_deref()).map(|state| state.dir().to_owned());
    let places = programs.into_iter().chain(managed).chain(of_homes);
    places.chain(user).chain(state).collect()
}

/// A path without links, as a person writes it.
///
/// # Errors
/// Nothing is there, or it cannot be looked at.
pub fn canonical(path: &Path) -> std::io::Result<PathBuf> {
    sys::canonical(path)
}

/// The user's policy file.
#[must_use]
pub fn user_file(home: Option<&Path>) -> Option<PathBuf> {
    Some(sys::config(home)?.join("policy.toml"))
}

/// The project's policy files that hold for a workspace, the nearest first. Each does: a
/// file made further in cannot lift what one further out asks for.
pub fn project_files(workspace: &Path) -> impl Iterator<Item = PathBuf> {
    workspace
        .ancestors()
        .map(|dir| dir.join(PROJECT))
        .filter(|file| std::fs::symlink_metadata(file).is_ok())
}

/// Reads one policy file; `None` where it does not exist.
///
/// # Errors
/// [`Error::PolicyFile`].
pub fn read(path: &Path) -> Result<Option<FileText>, Error> {
    match careful::text(path, careful::SMALL) {
        Ok(text) => Ok(Some(FileText {
            path: path.to_owned(),
            text,
        })),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            match led_nowhere(path) {
                Some(link) => Err(Error::PolicyFile {
                    path: path.to_owned(),
                    error: std::io::Error::new(
                        error.kind(),
                        format!("{} is a link that leads nowhere", link.display()),
                    ),
                }),
                None => Ok(None),
            }
        }
        Err(error) => Err(Error::PolicyFile {
            path: path.to_owned(),
            error,
        }),
    }
}

/// The link for which a path leads nowhere: somebody means something to be there.
fn led_nowhere(path: &Path) -> Option<&Path> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    for up in path.ancestors() {
        match std::fs::symlink_metadata(up) {
            Ok(meta) if meta.is_symlink() => {
                // One that leads to a directory which has no policy is as good as the directory.
                let leads = std::fs::metadata(up).is_ok_and(|end| end.is_dir());
                return (!leads).then_some(up);
            }
            Err(error) if [NotADirectory, NotFound].contains(&error.kind()) => {}
            // It is there, and of another kind or closed.
            Ok(_) | Err(_) => return None,
        }
    }
    None
}

/// Reads every layer. `grants`: those that hold ([`holding`]), and those for this once.
///
/// # Errors
/// [`Error::PolicyFile`] and [`Error::ManagedPolicy`]: what cannot be read is never passed over.
pub fn sources(
    flags: Flags,
    workspace: &Path,
    home: Option<&Path>,
    state: Option<&State>,
    grants: &[Held],
) -> Result<Sources, Error> {
    let managed = managed()?;
    let user = match user_file(home) {
        Some(path) => read(&path)?,
        None => None,
    };
    let mut projects = Vec::new();
    for path in project_files(workspace) {
        projects.extend(read(&path)?.map(|file| {
            let trust = trust::of(state, &file);
            (file, trust)
        }));
    }
    projects.reverse();
    Ok(Sources {
        managed,
        user,
        projects,
        grants: grants.iter().map(Held::for_policy).collect(),
        flags,
    })
}

/// Merges layers that were read.
///
/// # Errors
/// [`Error::Policy`].
pub fn merge(sources: &Sources, cwd: &Path, home: Option<&Path>) -> Result<Effective, Error> {
    let variable = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    Ok(load(
        sources,
        &Context {
            home: home.map(Path::to_owned),
            account_home: account_home().map(Path::to_owned),
            cwd: cwd.to_owned(),
            variable: &variable,
        },
    )?)
}

/// Each reason why no command is run with a policy that is valid: what this version
/// cannot enforce, rules that fail their examples, and names in `accept` that no promise has.
#[must_use]
pub fn unusable(policy: &Effective) -> Vec<Error> {
    let unknown = policy
        .accept
        .iter()
        .filter(|name| !promise::is_known(&name.value))
        .map(|name| Error::UnknownPromise {
            name: name.value.clone(),
            origin: name.origin.to_string(),
        });
    let failing = rules::written(policy).err();
    not_yet(policy)
        .into_iter()
        .map(Error::NotYet)
        .chain(failing)
        .chain(unknown)
        .collect()
}

/// Each entry of a valid policy for which this machine has nothing it could hold for: a write root or a socket that does
/// not exist, or cannot be one. Commands are refused for the first of them.
#[must_use]
pub fn lacking(policy: &Effective, home: Option<&Path>) -> Vec<Error> {
    sys::lacking(policy, home)
}

/// What a person has granted of paths and names, and holds in this workspace; where it is not named, in that of
/// `cwd`.
#[must_use]
pub fn holding(
    named: Option<&Path>,
    cwd: &Path,
    home: Option<&Path>,
    state: Option<&State>,
) -> Vec<Held> {
    let workspace = match named {
        Some(named) => cwd.join(named),
        None => workspace::around(cwd, home),
    };
    grants::holding(state, &workspace).paths
}

/// Reads every layer and merges them.
///
/// # Errors
/// [`Error::PolicyFile`], [`Error::ManagedPolicy`] and [`Error::Policy`]: an unreadable or invalid
/// file is never passed over.
pub fn effective(
    flags: Flags,
    workspace: &Path,
    cwd: &Path,
    home: Option<&Path>,
    state: Option<&State>,
    grants: &[Held],
) -> Result<Effective, Error> {
    merge(&sources(flags, workspace, home, state, grants)?, cwd, home)
}
