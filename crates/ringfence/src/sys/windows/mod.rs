//! Windows.
//!
//! Where a user's folders are is taken from the environment, as far as it says so with an absolute path. A program that starts Ringfence can
//! say another place there; it runs as the same user, and could change the files as well.

mod managed;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf, Prefix};

use ringfence_policy::Effective;
use serde::{Deserialize, Serialize};

use super::Identity;
use crate::error::Error;

pub(crate) use managed::{MANAGED, managed};

/// What a call said.
pub(crate) type SysError = io::Error;

pub(crate) const TO_HAVE_CONFIG: &str = "set APPDATA or USERPROFILE";
pub(crate) const TO_HAVE_STATE: &str = "set LOCALAPPDATA or USERPROFILE";

const SECURITY_IDENTIFICATION: u32 = 0x0001_0000;
/// The longest path that every program takes.
const MAX_PATH: usize = 260;

/// What Windows said, as the standard library has it, with the function's name.
pub(crate) fn from_windows(error: ringfence_sys_windows::SysError) -> io::Error {
    let kind = error.as_win32().map_or(io::ErrorKind::Other, |code| {
        io::Error::from_raw_os_error(code.cast_signed()).kind()
    });
    io::Error::new(kind, error)
}

/// It is in no file: in `%ProgramData%` any user may make a directory first.
pub(crate) fn managed_file() -> Option<&'static Path> {
    None
}

/// A directory that the environment names.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// The survey of each start says it there.
pub(crate) fn lacking(_: &Effective, _: Option<&Path>) -> Vec<Error> {
    Vec::new()
}

pub(crate) fn home() -> Option<PathBuf> {
    named("USERPROFILE")
}

/// The account has no other home than the one that is named.
pub(crate) fn account_home() -> Option<&'static Path> {
    None
}

/// Where a user's policy is.
pub(crate) fn config(home: Option<&Path>) -> Option<PathBuf> {
    let base = named("APPDATA").or_else(|| Some(home?.join(r"AppData\Roaming")))?;
    Some(base.join("Ringfence"))
}

/// Where a user's state is: what roams to other machines is no place for it.
pub(crate) fn state(home: Option<&Path>) -> Option<PathBuf> {
    let base = named("LOCALAPPDATA").or_else(|| Some(home?.join(r"AppData\Local")))?;
    Some(base.join("Ringfence"))
}

/// A path without links. It begins with `\\?\` only where it has to: people read it, and programs that do not know that form.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    Ok(plain(std::fs::canonicalize(path)?))
}

/// Without `\\\\?\\`, where that means the same.
pub(crate) fn plain(path: PathBuf) -> PathBuf {
    let mut parts = path.components();
    let Some(Component::Prefix(prefix)) = parts.next() else {
        return path;
    };
    let Prefix::VerbatimDisk(disk) = prefix.kind() else {
        return path;
    };
    let mut short = PathBuf::from(format!(r"{}:\", char::from(disk)));
    for part in parts {
        if let Component::Normal(name) = part {
            if !means_itself(name) {
                return path;
            }
            short.push(name);
        }
    }
    if short.as_os_str().len() < MAX_PATH {
        short
    } else {
        path
    }
}

/// Whether a name is the same without `\\?\` before it: Windows drops dots and blanks at its end, and some are devices.
fn means_itself(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let stem = stem.to_ascii_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|number| number.chars().count() == 1)
    };
    let device = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&&*stem)
        || numbered("COM")
        || numbered("LPT");
    !device && !name.ends_with(['.', ' ']) && !name.contains(['/', ':'])
}

/// Opens a file to read it. Where it is another's pipe, that learns who opens it and cannot act as them.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .security_qos_flags(SECURITY_IDENTIFICATION)
        .open(path)
}

/// To make a file of the state. It is private by where it is: what is made below `%LOCALAPPDATA%` inherits that nobody but the
/// user, the administrators and the system may read or write it.
pub(crate) fn private() -> OpenOptions {
    OpenOptions::new()
}

/// Makes a directory, and those above it.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)
}

/// Whether something can be made in a directory. Only trying tells: the file is gone when it is closed.
pub(crate) fn may_write(dir: &Path) -> io::Result<()> {
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    let name = format!("ringfence-{}.tmp", std::process::id());
    let tried = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
        .open(dir.join(name));
    tried.map(drop)
}

/// The first bytes of a word, as far as they are text.
pub(crate) fn begins(word: &OsStr, bytes: usize) -> OsString {
    let all = word.as_encoded_bytes();
    let begins = all.get(..bytes).unwrap_or(all);
    String::from_utf8_lossy(begins).into_owned().into()
}

pub(crate) fn name_bytes(name: &OsStr) -> Cow<'_, [u8]> {
    Cow::Borrowed(name.as_encoded_bytes())
}

/// What an object is is not asked yet, although the volume's number and the file's could be. So no object is
/// granted, and a grant of one does not hold.
pub(crate) fn identity(_path: &Path, _meta: &Metadata) -> io::Result<Identity> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "what stands there cannot be told from another on Windows yet",
    ))
}

/// The session of a terminal, as another system wrote it down. There is none on Windows: it is nobody's, and does not live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    leader: i32,
    began: u64,
    boot: String,
}

impl Session {
    /// None.
    #[must_use]
    pub fn own() -> Option<Session> {
        None
    }

    /// No.
    #[must_use]
    pub fn is_own(&self) -> bool {
        false
    }

    /// No.
    #[must_use]
    pub fn lives(&self) -> bool {
        false
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.leader, self.began, self.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::plain;
    use std::path::{Path, PathBuf};

    #[test]
    fn a_path_loses_its_prefix_only_where_it_means_the_same_without() {
        for (long, short) in [
            (r"\\?\C:\", r"C:\"),
            (r"\\?\C:\Users\Zoë\a b", r"C:\Users\Zoë\a b"),
            (r"\\?\C:\a\nul.txt", ""),
            (r"\\?\C:\a\COM1", ""),
            (r"\\?\C:\a\com¹", ""),
            (r"\\?\C:\a\comfort", r"C:\a\comfort"),
            (r"\\?\C:\a.\b", ""),
            (r"\\?\C:\a \b", ""),
            (r"\\?\UNC\server\share\a", ""),
            (r"C:\a", ""),
        ] {
            let expected = if short.is_empty() { long } else { short };
            assert_eq!(plain(PathBuf::from(long)), Path::new(expected));
        }
        let long = format!(r"\\?\C:\{}", "a".repeat(260));
        assert_eq!(plain(PathBuf::from(&long)), Path::new(&long));
    }
}
