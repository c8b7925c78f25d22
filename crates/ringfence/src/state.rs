//! Ringfence's own state: `$XDG_STATE_HOME/ringfence`, on Windows `%LOCALAPPDATA%\Ringfence`, private to the user and hidden in
//! every ring.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sys;

/// Where state is kept.
#[derive(Debug, Clone)]
pub struct State {
    dir: PathBuf,
}

impl State {
    /// The user's state directory; `None` for a user without a home.
    #[must_use]
    pub fn of_user(home: Option<&Path>) -> Option<State> {
        Some(State {
            dir: sys::state(home)?,
        })
    }

    #[cfg(test)]
    pub(crate) fn at(dir: PathBuf) -> State {
        State { dir }
    }

    /// Whether it could be written to, or made. What is kept there makes a ring better, and is no
    /// reason for none.
    pub(crate) fn is_usable(&self) -> bool {
        let nearest = self.dir.ancestors().find(|dir| dir.exists());
        nearest.is_some_and(|dir| sys::may_write(dir).is_ok())
    }

    /// The directory itself.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the ledger is.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    /// Where before-images are.
    pub(crate) fn undo(&self) -> PathBuf {
        self.dir.join("undo")
    }

    /// The directory as it is or would be on disk, links in what exists of it resolved.
    pub(crate) fn canonical(&self) -> PathBuf {
        for above in self.dir.ancestors() {
            if let Ok(real) = sys::canonical(above) {
                let rest = self.dir.strip_prefix(above).unwrap_or(Path::new(""));
                return real.join(rest);
            }
        }
        self.dir.clone()
    }

    /// A workspace's directory. Its name tells a person which workspace it is, and is
    /// different for each path.
    #[must_use]
    pub fn workspace(&self, workspace: &Path) -> PathBuf {
        // A slash at the end, as joining an empty path leaves it, makes no other workspace.
        let plain: PathBuf = workspace.components().collect();
        let name = workspace
            .file_name()
            .unwrap_or(OsStr::new("root"))
            .to_string_lossy();
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(40)
            .collect();
        self.dir
            .join("workspaces")
            .join(format!("{name}-{:016x}", fnv(plain.as_os_str())))
    }

    /// Makes a directory of the state, private to the user.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn make_dir(&self, dir: &Path) -> Result<(), Error> {
        sys::make_dir(dir).map_err(|error| Error::State {
            path: dir.to_owned(),
            error,
        })
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let fail = |error| Error::State {
            path: path.to_owned(),
            error,
        };
        if let Some(parent) = path.parent() {
            self.make_dir(parent)?;
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.new", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let written = sys::private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_data()
            })
            .and_then(|()| std::fs::rename(&temporary, path));
        written.map_err(|error| {
            // What is left of a failed try; if it was never made there is nothing.
            let _none = std::fs::remove_file(&temporary);
            fail(error)
        })
    }

    /// Locks a file of the state for as long as the result lives; `None` when another
    /// process has it.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn try_lock(&self, path: &Path) -> Result<Option<File>, Error> {
        let fail = |error| Error::State {
            path: path.to_owned(),
            error,
        };
        let file = sys::private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(fail(error)),
        }
    }
}

/// FNV-1a, 64 bits: a name for a path, not a protection against anyone.
fn fnv(text: &OsStr) -> u64 {
    let bytes = sys::name_bytes(text);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
