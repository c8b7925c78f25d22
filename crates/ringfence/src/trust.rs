//! Trust in a project's policy: a copy of the exact text a person has trusted.
//!
//! A copy and not a hash: it needs no hash function, cannot collide, and shows what was
//! trusted. Any edit of the project's file differs from it and is untrusted.

use std::path::{Path, PathBuf};

use ringfence_ledger::{Digest, Event, HostChanged, Keep, Ledger, Text};
use ringfence_policy::{FileText, Trust};

use crate::careful;
use crate::error::Error;
use crate::state::State;
use crate::sys;

fn copy_of(state: &State, path: &Path) -> PathBuf {
    state.workspace(path).join("trusted.toml")
}

/// Trust is in a file at its place. A link to it stands somewhere else, where its relative paths
/// mean something else, and whoever can make links has not been trusted.
fn stands_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}

/// Whether this exact text at this place is trusted.
#[must_use]
pub fn of(state: Option<&State>, file: &FileText) -> Trust {
    let Some(state) = state else {
        return Trust::Untrusted;
    };
    if !stands_there(&file.path) {
        return Trust::Untrusted;
    }
    let place = sys::canonical(&file.path).unwrap_or_else(|_| file.path.clone());
    match careful::text(&copy_of(state, &place), careful::SMALL) {
        Ok(text) if text == file.text => Trust::Trusted,
        _ => Trust::Untrusted,
    }
}

/// Trusts this exact text at this place.
///
/// # Errors
/// [`Error::State`].
pub fn trust(state: &State, file: &FileText) -> Result<(), Error> {
    if !stands_there(&file.path) {
        return Err(Error::PolicyFile {
            path: file.path.clone(),
            error: std::io::Error::other("only a file is trusted, and no link to one"),
        });
    }
    let place = sys::canonical(&file.path).map_err(|error| Error::PolicyFile {
        path: file.path.clone(),
        error,
    })?;
    let content = Some(Digest::of(file.text.as_bytes()));
    changes(state, "trusted", &place, content)?;
    state.write(&copy_of(state, &place), file.text.as_bytes())
}

/// Records what is about to be changed.
fn changes(state: &State, what: &str, path: &Path, content: Option<Digest>) -> Result<(), Error> {
    let changed = HostChanged {
        what: what.to_owned(),
        path: Text::from(path),
        content,
    };
    // How much is kept is for policies to say, and this is about one that may not be read.
    Ledger::new(state.ledger(), Keep::ALL).append(|_| vec![Event::HostChanged(changed)])?;
    Ok(())
}

/// Takes trust back; `false` where there was none.
///
/// # Errors
/// [`Error::State`].
pub fn untrust(state: &State, path: &Path) -> Result<bool, Error> {
    let place = sys::canonical(path).unwrap_or_else(|_| path.to_owned());
    let copy = copy_of(state, &place);
    if copy.exists() {
        changes(state, "distrusted", &place, None)?;
    }
    match std::fs::remove_file(&copy) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::State { path: copy, error }),
    }
}
