//! What the harness found on disk for one policy.

use std::fmt;

use ringfence_nt_access::{FileObject, SecurityDescriptor};

use super::identity::FileId;

/// What is known of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The file system's name (`NTFS`).
    pub file_system: String,
    /// It keeps security descriptors (`FILE_PERSISTENT_ACLS`).
    pub keeps_descriptors: bool,
    /// It is on another machine.
    pub remote: bool,
}

impl Volume {
    /// An NTFS volume of this machine.
    #[must_use]
    pub fn ntfs() -> Volume {
        Volume {
            file_system: "NTFS".to_owned(),
            keeps_descriptors: true,
            remote: false,
        }
    }
}

/// A place where no descriptor decides who writes: a token restricts nothing there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Where: the root of a drive, a share.
    pub path: String,
    /// Why.
    pub why: Undecided,
}

/// Why no descriptor decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// The file system keeps none.
    FileSystem(String),
    /// Another machine decides, by whom it takes the user for.
    Machine,
    /// A Linux of the user's decides.
    Wsl,
    /// It cannot be asked, for this reason.
    Unknown(String),
}

impl Undecided {
    /// It is of the user's logon: an account of its own has other drives and no Linux.
    #[must_use]
    pub fn is_the_users(&self) -> bool {
        matches!(self, Undecided::Machine | Undecided::Wsl)
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.why {
            Undecided::FileSystem(name) => write!(f, "{path} ({name})"),
            Undecided::Machine => write!(f, "{path} (another machine)"),
            Undecided::Wsl => write!(f, "{path} (WSL)"),
            Undecided::Unknown(why) => write!(f, "{path} (cannot be asked: {why})"),
        }
    }
}

/// A directory that shall be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its final path, without `\\?\`.
    pub path: String,
    /// Which it is.
    pub id: FileId,
    /// The volume.
    pub volume: Volume,
    /// The first component of the path, as it was asked for, that leads elsewhere (a junction, a link, a placeholder of
    /// a cloud).
    pub leads_elsewhere: Option<String>,
    /// Its descriptor.
    pub descriptor: SecurityDescriptor,
    /// What in it is protected and exists.
    pub guarded: Vec<Guarded>,
    /// What in it is protected and does not exist.
    pub missing: Vec<String>,
}

/// A protected object in a write root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// Its path.
    pub path: String,
    /// Each directory between the write root and it, outermost first.
    pub pins: Vec<String>,
    /// The promise it belongs to.
    pub promise: &'static str,
}

/// Something outside of the write roots, looked at to see what the command could do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Its path.
    pub path: String,
    /// Its descriptor.
    pub descriptor: SecurityDescriptor,
    /// That of the directory it is in.
    pub parent: Option<SecurityDescriptor>,
}

impl Outside {
    /// The object where it is.
    pub(super) fn object(&self) -> FileObject<'_> {
        FileObject {
            own: &self.descriptor,
            parent: self.parent.as_ref(),
        }
    }
}

/// The objects one policy speaks of, each opened once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Which directory the workspace is.
    pub workspace: FileId,
    /// The write roots, the workspace first, unless nothing is written; none of them in another.
    pub roots: Vec<Root>,
    /// What is hidden and exists.
    pub hidden: Vec<Outside>,
    /// A few things outside: the profile and what is in it, where all may write, what the machine's programs obey.
    pub outside: Vec<Outside>,
    /// Where no descriptor decides who writes.
    pub open: Vec<Open>,
    /// Repositories further in than the write roots themselves were looked for; else what git runs of one is not known.
    pub repositories: bool,
    /// The number of this ring, at random.
    pub ring: u128,
}
