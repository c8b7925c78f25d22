//! Directories, read without what a C library's `opendir(3)` does besides: musl's has its own heap, which maps and unmaps a
//! few pages for each.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// What a directory has.
#[derive(Debug)]
pub struct Entry {
    /// By this name.
    pub name: OsString,
    /// [`FileType::Unknown`] where the file system does not say.
    pub kind: FileType,
}

/// What a directory has, but for itself and the one above it.
///
/// # Errors
/// What `open(2)` says; and in between what `getdents64(2)` does, after which there is no more.
pub fn entries(dir: &Path) -> Result<impl Iterator<Item = Result<Entry, Errno>> + use<>, Errno> {
    let list = Dir::new(opened(CWD, dir)?)?;
    Ok(list.filter_map(|entry| match entry {
        Ok(entry) => {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            (name != "." && name != "..").then(|| {
                Ok(Entry {
                    name: name.to_owned(),
                    kind: entry.file_type(),
                })
            })
        }
        Err(error) => Some(Err(error)),
    }))
}

fn opened(at: BorrowedFd<'_>, dir: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, dir, flags, Mode::empty())
}

/// A directory with more entries than this is not read.
const FEW: usize = 256;
/// Nor is one that takes more room than that, in bytes: as a rule it has more, and to read some of them takes longer than to
/// ask for a few by name. (Where a file system does not give the room back that is so also of one that once had more.)
const SMALL: i64 = 8 * 1024;

/// Which names a small directory has, in lower case, read at once: many names of one directory that do not exist
/// cost one system call each otherwise.
#[derive(Debug)]
pub struct Listing(HashSet<Vec<u8>>);

impl Listing {
    /// `None` where it cannot be read, has many names, or has one that a file system in which
    /// case does not matter may take for another by rules of its own (any that is not ASCII).
    #[must_use]
    pub fn of(dir: BorrowedFd<'_>) -> Option<Listing> {
        if rustix::fs::fstat(dir).is_ok_and(|meta| meta.st_size > SMALL) {
            return None;
        }
        let handle = opened(dir, Path::new(".")).ok()?;
        let mut names = HashSet::new();
        for entry in Dir::new(handle).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name().to_bytes();
            if names.len() >= FEW || !name.is_ascii() {
                return None;
            }
            names.insert(name.to_ascii_lowercase());
        }
        Some(Listing(names))
    }

    /// Whether a look-up of this name may find something, whether or not case matters.
    #[must_use]
    pub fn may_have(&self, name: &[u8]) -> bool {
        if !name.is_ascii() {
            return true;
        }
        // Most have so few that to compare takes less than to find.
        if self.0.len() <= 8 {
            return self.0.iter().any(|known| known.eq_ignore_ascii_case(name));
        }
        self.0.contains(&name.to_ascii_lowercase())
    }

    /// Whether a look-up of any of these names, which are in lower case and ASCII, may find something.
    #[must_use]
    pub fn may_have_any(&self, names: &HashSet<Vec<u8>>) -> bool {
        self.0.iter().any(|name| names.contains(name))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{FEW, Listing, entries};
    use rustix::fs::FileType;
    use rustix::io::Errno;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn says_no_only_where_it_is_certain() {
        let dir = std::env::temp_dir().join(format!("rf-listing-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let handle = File::open(&dir).unwrap();
        let listing = || Listing::of(handle.as_fd());
        std::fs::write(dir.join(".ENVRC"), "").unwrap();
        // With few names, and with more.
        for more in ["", "abcdefghijkl"] {
            for name in more.chars() {
                std::fs::write(dir.join(name.to_string()), "").unwrap();
            }
            let some = listing().unwrap();
            for (name, may) in [
                (".envrc", true),
                (".ENVRC", true),
                (".vscode", false),
                ("\u{212a}", true),
            ] {
                assert_eq!(some.may_have(name.as_bytes()), may, "{name}");
            }
            let any = |name: &str| some.may_have_any(&[name.into(), "none".into()].into());
            assert!(any(".envrc") && !any(".vscode"));
        }
        // The sign for kelvin is a K to some.
        std::fs::write(dir.join(".\u{212a}iro"), "").unwrap();
        assert!(listing().is_none());
        std::fs::remove_file(dir.join(".\u{212a}iro")).unwrap();
        for number in 0..FEW {
            std::fs::write(dir.join(number.to_string()), "").unwrap();
        }
        assert!(listing().is_none());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn names_all_there_is_and_what_it_is() {
        let dir = std::env::temp_dir().join(format!("rf-entries-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        std::fs::create_dir(dir.join("below")).unwrap();
        std::fs::write(dir.join("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.join("link")).unwrap();
        let mut found: Vec<_> = entries(&dir).unwrap().map(Result::unwrap).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let named = |name: &str| {
            let entry = found.iter().find(|entry| entry.name == name).unwrap();
            entry.kind
        };
        assert_eq!(found.len(), 3, "{found:?}");
        for (name, kind) in [
            ("below", FileType::Directory),
            ("file", FileType::RegularFile),
            ("link", FileType::Symlink),
        ] {
            assert!([kind, FileType::Unknown].contains(&named(name)), "{name}");
        }
        assert_eq!(entries(&dir.join("none")).err(), Some(Errno::NOENT));
        assert_eq!(entries(&dir.join("file")).err(), Some(Errno::NOTDIR));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
