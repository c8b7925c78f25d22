//! Which directories are never made writable, before anything is touched.

use ringfence_nt_access::{Doubt, Mask, maximum_allowed, object};
use thiserror::Error;

use super::facts::{Facts, Place};
use super::site::Root;

/// Why a directory is not made writable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RootRefusal {
    /// Its volume keeps no descriptors.
    #[error(
        "{path} is on a {file_system} volume, which keeps no permissions; move it to an NTFS volume"
    )]
    NoDescriptors {
        /// The directory.
        path: String,
        /// What the volume is.
        file_system: String,
    },
    /// Another machine decides there.
    #[error(
        "{path} is on another machine, which decides by itself who may write there; copy it to this one"
    )]
    Remote {
        /// The directory.
        path: String,
    },
    /// Its path leads elsewhere.
    #[error("{path} goes through {through}, which leads elsewhere; name the directory itself")]
    LeadsElsewhere {
        /// The directory.
        path: String,
        /// Where it leads elsewhere.
        through: String,
    },
    /// All of a volume.
    #[error("{path} is all of a volume; name a directory in it")]
    Volume {
        /// The directory.
        path: String,
    },
    /// It is, or holds, or is in what all programs use.
    #[error("{path} {relation} {place} ({at}); name a directory for this work alone")]
    Shared {
        /// The directory.
        path: String,
        /// How they lie to each other.
        relation: &'static str,
        /// What it is.
        place: &'static str,
        /// Where that is.
        at: String,
    },
    /// It grants everything to everybody.
    #[error(
        "{path} has no DACL: everybody may do everything there, and no ring can take that back; give it one (`icacls \"{path}\" /reset`)"
    )]
    NoDacl {
        /// The directory.
        path: String,
    },
    /// This user may not change who may write there.
    #[error(
        "you may not change the permissions of {path}; its owner or an administrator can grant you that"
    )]
    NotYours {
        /// The directory.
        path: String,
    },
}

/// Whether a directory can be a write root.
///
/// # Errors
/// [`RootRefusal`], with what to do.
pub fn refuse_root(root: &Root, facts: &Facts) -> Result<(), RootRefusal> {
    let path = root.path.clone();
    // `\\?\C:\…` is of this machine: a path that is too long, or has a name that programs do not take, without.
    let verbatim = path
        .strip_prefix(r"\\?\")
        .filter(|rest| rest.as_bytes().get(1) == Some(&b':'));
    let short = verbatim.unwrap_or(&path).to_owned();
    if root.volume.remote || short.starts_with(r"\\") {
        return Err(RootRefusal::Remote { path });
    }
    if let Some(through) = &root.leads_elsewhere {
        let through = through.clone();
        return Err(RootRefusal::LeadsElsewhere { path, through });
    }
    if !root.volume.keeps_descriptors {
        let file_system = root.volume.file_system.clone();
        return Err(RootRefusal::NoDescriptors { path, file_system });
    }
    if parts(&short).count() <= 1 {
        return Err(RootRefusal::Volume { path });
    }
    for (place, at) in &facts.places {
        if let Some(relation) = relation(&short, *place, at) {
            return Err(RootRefusal::Shared {
                path,
                relation,
                place: name(*place),
                at: at.clone(),
            });
        }
    }
    let Some(_) = &root.descriptor.dacl else {
        return Err(RootRefusal::NoDacl { path });
    };
    let own = maximum_allowed(&root.descriptor, &facts.user, &object::FILE, Doubt::Denies);
    if !own.has(Mask::WRITE_DAC) {
        return Err(RootRefusal::NotYours { path });
    }
    Ok(())
}

fn name(place: Place) -> &'static str {
    match place {
        Place::Profile => "your profile",
        Place::Temp => "the directory of all temporary files",
        Place::Windows => "Windows",
        Place::Programs => "the installed programs",
        Place::ProgramData => "what programs keep for all users",
        Place::State => "Ringfence's own state",
    }
}

fn relation(path: &str, place: Place, at: &str) -> Option<&'static str> {
    // In the profile and among temporary files directories are made for work; in the others none is.
    let within = !matches!(place, Place::Profile | Place::Temp);
    match (is_in(path, at), is_in(at, path)) {
        (true, true) => Some("is"),
        (false, true) => Some("holds"),
        (true, false) if within => Some("is in"),
        _ => None,
    }
}

/// The components of a path, as far as Windows tells them apart.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split(['\\', '/']).filter(|part| !part.is_empty())
}

/// Whether a path is the other or in it. Both are final paths, so case is all in which the same can differ.
pub(super) fn is_in(path: &str, of: &str) -> bool {
    let mut path = parts(path);
    parts(of).all(|part| {
        path.next()
            .is_some_and(|own| own.to_lowercase() == part.to_lowercase())
    })
}
