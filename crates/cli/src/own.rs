//! Where this program lies, for commands to come.

use std::path::PathBuf;

use thiserror::Error;

use crate::say;

/// Why that is not known.
#[derive(Debug, Error)]
pub(crate) enum NoSelf {
    #[error("this program's own path is not known: {0}; is /proc mounted?")]
    Unknown(std::io::Error),
    #[error("{}: this program was replaced or removed; install it again", say::Plain(.0))]
    Gone(PathBuf),
}

/// The absolute path of this program.
pub(crate) fn program() -> Result<PathBuf, NoSelf> {
    let own = std::env::current_exe().map_err(NoSelf::Unknown)?;
    // Of one that was removed the kernel says `PATH (deleted)`.
    if own.is_file() {
        Ok(own)
    } else {
        Err(NoSelf::Gone(own))
    }
}
