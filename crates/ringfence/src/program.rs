//! Finding the program of a command, as `execvp(3)` does but for the current directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::error::Error;

/// The default search path where `PATH` is not set (`confstr(_CS_PATH)`).
pub(crate) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Finds a program on the child's `PATH`, or by its path relative to the child's working
/// directory. Entries of `PATH` that are empty or relative are passed over: they mean
/// the current directory, which is the agent's to write.
///
/// # Errors
/// [`Error::NotFound`] (127), [`Error::NotExecutable`] (126).
pub fn find(name: &OsStr, path: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, Error> {
    let not_found = |hint| Error::NotFound {
        name: crate::error::shown(name),
        hint,
    };
    if name.is_empty() {
        return Err(not_found("the command's name is empty"));
    }
    if name.as_bytes().contains(&b'/') {
        let path = cwd.join(name);
        return match check(&path) {
            Check::Runs => Ok(path),
            Check::Absent => Err(not_found("there is no such file")),
            Check::Not(why) => Err(Error::NotExecutable { path, why }),
        };
    }
    let default = OsString::from(DEFAULT_PATH);
    let mut refused = None;
    for dir in std::env::split_paths(path.unwrap_or(&default)) {
        if !dir.is_absolute() {
            continue;
        }
        let candidate = dir.join(name);
        match check(&candidate) {
            Check::Runs => return Ok(candidate),
            Check::Absent => {}
            Check::Not(why) => {
                refused.get_or_insert(Error::NotExecutable {
                    path: candidate,
                    why,
                });
            }
        }
    }
    Err(refused.unwrap_or_else(|| not_found("it is in no directory of PATH")))
}

enum Check {
    Runs,
    Absent,
    Not(String),
}

fn check(path: &Path) -> Check {
    match std::fs::metadata(path) {
        Err(e)
            if matches!(
                e.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Check::Absent
        }
        Err(e) => Check::Not(e.to_string()),
        Ok(meta) if meta.is_dir() => Check::Not("is a directory; name a program".to_owned()),
        Ok(meta) if !meta.is_file() => Check::Not("is not a regular file".to_owned()),
        Ok(_) => match rustix::fs::access(path, Access::EXEC_OK) {
            Ok(()) => Check::Runs,
            Err(_) => Check::Not("is not executable; chmod +x, or name its interpreter".to_owned()),
        },
    }
}
