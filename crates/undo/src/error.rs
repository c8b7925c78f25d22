//! Why something could not be kept, or not be put back.

use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be kept, or not be put back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the store could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process keeps the store locked.
    #[error("{}: another process has it locked", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// The store is no directory of this user.
    #[error("{}: it is no directory of this user", path.display())]
    NotOurs {
        /// The store.
        path: PathBuf,
    },
    /// A manifest is not what was written.
    #[error("{}: it is damaged: {source}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It is of a version that writes another form.
    #[error("{}: it is of another version of Ringfence (form {form})", path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// Its form.
        form: u32,
    },
    /// The directory is not there, or cannot be opened.
    #[error("{}: {source}", path.display())]
    Root {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another directory stands at its place.
    #[error("{}: another directory stands there now", path.display())]
    OtherRoot {
        /// Where.
        path: PathBuf,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: impl Into<io::Error>) -> Error {
        Error::Io {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
