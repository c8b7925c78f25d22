//! Windows.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use ringfence_ledger::export::ocsf::Owner;

/// What is new in a directory, waited for.
pub(crate) struct News;

impl News {
    /// Not to be had yet.
    pub(crate) fn of(_directory: &Path) -> io::Result<News> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it cannot be followed on Windows yet; `ringfence log list` says what was recorded",
        ))
    }

    pub(crate) fn wait(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whose your own ledger is, as far as the environment says.
pub(crate) fn owner() -> Owner {
    let name = std::env::var("COMPUTERNAME").ok();
    Owner {
        hostname: name.filter(|name| !name.is_empty()),
        uid: None,
    }
}

/// Whether a process is there that was there at a time. No command is run on Windows yet, so none is.
pub(crate) fn alive(_pid: u32, _then: Timestamp) -> bool {
    false
}
