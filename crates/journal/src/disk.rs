//! What the walk needs of a volume: objects by handle, so that what is judged and what is changed are the same.

use ringfence_nt_access::{Malformed, SecurityDescriptor};
use ringfence_plan::windows::FileId;
use thiserror::Error;

use crate::name::Name;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Something that leads elsewhere, or that another program answers for (a junction, a link, a placeholder of a cloud).
    ReparsePoint,
}

/// A name in a directory, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Name,
    /// What it was then: what counts is asked of the object opened.
    pub kind: Kind,
}

/// What an opened object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Which.
    pub id: FileId,
    /// What.
    pub kind: Kind,
    /// So many names it has beside that by which it was opened. Where that one is gone since, all that are left; asked in one
    /// call, so that no name comes or goes between. A directory has one name.
    pub other_names: u32,
}

impl Facts {
    /// It is a file that may have a name elsewhere: its descriptor is of that one too.
    pub(crate) fn is_linked(&self) -> bool {
        self.kind == Kind::File && self.other_names > 0
    }
}

/// Why a volume did not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DiskError {
    /// There is nothing of that name or number.
    #[error("it is not there")]
    NotThere,
    /// This user may not.
    #[error("you may not open or change it")]
    Denied,
    /// It, or something on the way, leads elsewhere.
    #[error("it leads elsewhere")]
    LeadsElsewhere,
    /// Objects of this volume cannot be opened by their numbers.
    #[error("its volume opens nothing by its number")]
    NoNumbers,
    /// The volume is not there, or is another.
    #[error("its volume is not connected")]
    NoVolume,
    /// Its descriptor cannot be read or written as one.
    #[error("its descriptor is none: {0}")]
    Malformed(#[from] Malformed),
    /// A call failed otherwise.
    #[error("{call} failed with error {code}")]
    Failed {
        /// The call.
        call: &'static str,
        /// The system's number.
        code: i64,
    },
}

/// A volume, or several. No name is followed where it leads elsewhere.
pub trait Disk: Sync {
    /// Something opened: the same object until it is dropped, whatever is renamed meanwhile.
    type Object: Send + Sync;

    /// Opens a directory by its absolute path.
    ///
    /// # Errors
    /// [`DiskError::LeadsElsewhere`] where the path, or anything on it, does.
    fn open_root(&self, path: &str) -> Result<Self::Object, DiskError>;

    /// Opens a name in a directory, to read and write its descriptor as far as the user may. `kind` is what it was when it
    /// was listed: a directory is opened to be listed too.
    ///
    /// # Errors
    /// What the volume says.
    fn open(
        &self,
        directory: &Self::Object,
        name: &Name,
        kind: Kind,
    ) -> Result<Self::Object, DiskError>;

    /// Opens an object by its number, on the volume that this path is on.
    ///
    /// # Errors
    /// [`DiskError::NotThere`] where the volume has it no more, [`DiskError::NoNumbers`], [`DiskError::NoVolume`].
    fn open_by_id(&self, near: &str, id: FileId) -> Result<Self::Object, DiskError>;

    /// What an object is.
    ///
    /// # Errors
    /// What the volume says.
    fn facts(&self, object: &Self::Object) -> Result<Facts, DiskError>;

    /// What a directory holds.
    ///
    /// # Errors
    /// What the volume says.
    fn list(&self, directory: &Self::Object) -> Result<Vec<Entry>, DiskError>;

    /// Owner, group and DACL of an object.
    ///
    /// # Errors
    /// What the volume says.
    fn read(&self, object: &Self::Object) -> Result<SecurityDescriptor, DiskError>;

    /// Stores the DACL of this descriptor, with whether it is protected and was inherited, and nothing else.
    ///
    /// # Errors
    /// What the volume says.
    fn write(&self, object: &Self::Object, to: &SecurityDescriptor) -> Result<(), DiskError>;
}
